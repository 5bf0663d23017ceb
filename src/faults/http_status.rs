//! `http_status`: a proxy in front of a service answers in its place; what does not match reaches the service.
//!
//! ```yaml
//! - http_status: { service: payments, status: 503 }
//! - http_status:
//!     service: payments
//!     port: 8080            # every HTTP port that the stack declares, when it is left out
//!     method: POST
//!     path: /charges/*      # a `*` at its end matches any rest; the query does not count
//!     share: 50%            # drawn for each request
//!     status: 429
//!     body: '{"error": "slow down"}'
//!     retry_after: 30s
//! ```

use super::by_agent::ReadAgentFault;
use super::http::HttpRequests;
use crate::agent::proxy::HttpAction;
use crate::source::{MapReader, TextForm, parse_duration, shape};

const A_RETRY: TextForm = TextForm::new("a duration like `30s`", shape::duration);

/// Whole seconds, as the header has them.
fn retry_after(text: &str) -> Result<u64, String> {
    let duration = parse_duration(text)?;
    match duration.subsec_nanos() {
        0 => Ok(duration.as_secs()),
        _ => Err(format!("`{text}` is not a number of whole seconds")),
    }
}

/// Reads its parameters; `None` when there were mistakes, which are noted.
pub(super) fn from_map(map: &mut MapReader<'_>) -> ReadAgentFault {
    let requests = HttpRequests::read(map);
    let not = "the status of an answer: 200 to 599";
    let status: Option<u16> = map.require_by("status", |at| at.number(200..=599, "an HTTP status like `503`", not));
    let body: Option<String> = map.optional("body");
    let retry_after = map.optional_with("retry_after", A_RETRY, retry_after);
    let (requests, status) = (requests?, status?);
    let summary = format!("answers {} with {status}", requests.words());
    Some(requests.fault(summary, HttpAction::Status { status, body, retry_after }))
}
