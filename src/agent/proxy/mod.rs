//! The fault proxy in front of a service: passes traffic through untouched, and lets rules answer in its place.

mod config;
mod http;
mod listener;
mod rules;
mod sniff;
mod splice;
mod stream;
#[cfg(test)]
mod tests;

pub use config::{ProxyConfig, ProxyPort};
pub use listener::{Proxy, ProxyRoute, forward};
pub use rules::{HttpRule, HttpRuleHandle};
