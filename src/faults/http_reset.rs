//! `http_reset`: the connection is reset within the body of an answer.
//!
//! ```yaml
//! - http_reset: { service: payments, after: 1KiB }    # of the body; right after the headers, when it is left out
//! ```

use super::by_agent::ReadAgentFault;
use super::http::{A_SIZE, HttpRequests, size};
use crate::agent::proxy::HttpAction;
use crate::source::MapReader;

/// Reads its parameters; `None` when there were mistakes, which are noted.
pub(super) fn from_map(map: &mut MapReader<'_>) -> ReadAgentFault {
    let requests = HttpRequests::read(map);
    let after = map.optional_with("after", A_SIZE, size);
    let (requests, after) = (requests?, after.unwrap_or(0));
    let summary = format!("resets connections after {after} bytes of the answers to {}", requests.words());
    Some(requests.fault(summary, HttpAction::CutBody { after, reset: true }))
}
