//! The fault proxy in front of a service: passes traffic through untouched, lets rules answer in its place, and delays
//! what it sends.

mod config;
mod delay;
mod http;
mod listener;
mod rule_list;
mod rules;
mod sniff;
mod splice;
mod stream;
#[cfg(test)]
mod tests;

pub use config::{ProxyConfig, ProxyPort};
pub use delay::TcpDelay;
pub(super) use listener::OUT_OF_FILES;
pub use listener::{Proxy, ProxyRoute, forward};
pub use rule_list::{CountedRule, RuleHandle};
pub use rules::HttpRule;
pub(super) use rules::unit;
