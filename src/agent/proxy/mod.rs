//! The fault proxy in front of a service: passes traffic through untouched, lets rules act on its requests, and toxics on
//! its connections.

mod config;
mod http;
mod http_answer;
mod link;
mod listener;
mod rule_list;
mod rules;
mod sniff;
mod stages;
mod stream;
#[cfg(test)]
mod tests;
mod toxic;

pub use config::{ProxyConfig, ProxyPort};
pub(super) use link::{ToxicLink, ToxicWatch, Traffic, links, pass};
pub(super) use listener::OUT_OF_FILES;
pub use listener::{Proxy, ProxyRoute, forward};
pub(super) use rule_list::Rules;
pub use rule_list::{CountedRule, RuleHandle};
pub use rules::{HttpAction, HttpRule};
pub(super) use stages::ConnectionCut;
pub(super) use stream::reset;
pub use toxic::{ActiveToxic, TOXICS, Toxic, ToxicKind, ToxicRule, ToxicStream};
