//! `http_body`: the body of an answer is cut short, replaced, or arrives slowly.
//!
//! ```yaml
//! - http_body: { service: payments, cut: 100 }                    # bytes; then the connection is closed
//! - http_body: { service: payments, replace: "not json" }
//! - http_body: { service: payments, path: /list, rate: 1KiB }      # a second
//! ```

use super::by_agent::ReadAgentFault;
use super::http::{A_SIZE, HttpRequests, size};
use crate::agent::proxy::HttpAction;
use crate::source::MapReader;

fn rate(text: &str) -> Result<u64, String> {
    size(text).and_then(|rate| if rate == 0 { Err("a rate of 0 never ends".into()) } else { Ok(rate) })
}

/// Reads its parameters; `None` when there were mistakes, which are noted.
pub(super) fn from_map(map: &mut MapReader<'_>) -> ReadAgentFault {
    let requests = HttpRequests::read(map);
    let replace: Option<String> = map.optional("replace");
    let cut = map.optional_with("cut", A_SIZE, size);
    let rate = map.optional_with("rate", A_SIZE, rate);
    let help = "a body is replaced, cut short or slow: write `cut: 100`, `replace: \"…\"` or `rate: 1KiB`";
    map.exactly_one(&["replace", "cut", "rate"], help);
    let replaced = replace.map(|body| HttpAction::ReplaceBody { body });
    let cut = cut.map(|after| HttpAction::CutBody { after, reset: false });
    let action = replaced.or(cut).or(rate.map(|rate| HttpAction::SlowBody { rate }));
    let (requests, action) = (requests?, action?);
    let which = requests.words();
    let summary = match &action {
        HttpAction::CutBody { after, .. } => format!("cuts the answers to {which} to {after} bytes"),
        HttpAction::SlowBody { rate } => format!("sends the answers to {which} at {rate} bytes a second"),
        _ => format!("replaces the body of the answers to {which}"),
    };
    Some(requests.fault(summary, action))
}
