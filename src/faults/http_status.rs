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

use super::by_agent::AgentFault;
use super::http::HttpRequests;
use crate::agent::proxy::HttpAction;
use crate::source::{MapReader, TextForm, parse_duration, shape};

const A_STATUS: TextForm = TextForm::new("an HTTP status like `503`", || shape::number(200, 599));

const A_RETRY: TextForm = TextForm::new("a duration like `30s`", shape::duration);

/// Answers in the place of a service.
pub struct HttpStatus;

fn status(text: &str) -> Result<u16, String> {
    let status = text.parse().ok().filter(|status| (200..=599).contains(status));
    status.ok_or_else(|| format!("`{text}` is not the status of an answer: 200 to 599"))
}

/// Whole seconds, as the header has them.
fn retry_after(text: &str) -> Result<u64, String> {
    let duration = parse_duration(text)?;
    match duration.subsec_nanos() {
        0 => Ok(duration.as_secs()),
        _ => Err(format!("`{text}` is not a number of whole seconds")),
    }
}

impl HttpStatus {
    /// Reads its parameters; `None` when there were mistakes, which are noted.
    pub(super) fn from_map(map: &mut MapReader<'_>) -> Option<AgentFault> {
        let requests = HttpRequests::read(map);
        let status = map.require_with("status", A_STATUS, status);
        let body: Option<String> = map.optional("body");
        let retry_after = map.optional_with("retry_after", A_RETRY, retry_after);
        let (requests, status) = (requests?, status?);
        let summary = format!("answers {} with {status}", requests.words());
        Some(requests.fault(summary, HttpAction::Status { status, body, retry_after }))
    }
}
