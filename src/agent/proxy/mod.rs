//! The fault proxy in front of a service: passes traffic through untouched, lets rules act on its requests, and toxics on
//! its connections.

mod http;
mod link;
mod listener;
mod rule_list;
mod rules;
mod stages;
#[cfg(test)]
mod tests;
mod toxic;

pub(super) use link::Traffic;
pub use listener::{Proxy, ProxyConfig, ProxyPort, forward};
pub(super) use listener::{ProxyTarget, accept, bind, serve_each};
pub use rule_list::{ActiveRule, ProxyRule, RuleCounts, RuleHandle};
pub(super) use rule_list::{ProxyClient, RuleList};
pub(crate) use rules::unit;
pub use rules::{HttpAction, HttpRule, read_header, read_header_name, read_header_value, read_method, read_path};
pub(super) use stages::wait_as_toxiproxy;
pub use toxic::{ActiveToxic, Toxic, ToxicKind, ToxicRule, ToxicStream};
