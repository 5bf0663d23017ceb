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

use super::by_agent::{ProxyFault, ProxyPlace};
use super::http::HttpRequests;
use crate::agent::proxy::{HttpAction, HttpRule};
use crate::source::{MapReader, TextForm, parse_duration, shape};

const A_STATUS: TextForm = TextForm::new("an HTTP status like `503`", || shape::number(200, 599));

const A_RETRY: TextForm = TextForm::new("a duration like `30s`", shape::duration);

/// Answers in the place of a service.
#[derive(Debug, Clone)]
pub struct HttpStatus {
    requests: HttpRequests,
    status: u16,
    body: Option<String>,
    retry_after: Option<u64>,
}

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

impl ProxyFault for HttpStatus {
    type Rule = HttpRule;

    fn from_map(map: &mut MapReader<'_>) -> Option<Self> {
        let requests = HttpRequests::read(map);
        let status = map.require_with("status", A_STATUS, status);
        let body: Option<String> = map.optional("body");
        let retry_after = map.optional_with("retry_after", A_RETRY, retry_after);
        Some(HttpStatus { requests: requests?, status: status?, body, retry_after })
    }

    fn summary(&self) -> String {
        format!("answers {} with {}", self.requests.words(), self.status)
    }

    fn place(&self) -> &ProxyPlace {
        &self.requests.place
    }

    fn rule(&self, seed: u64) -> HttpRule {
        let (status, body, retry_after) = (self.status, self.body.clone(), self.retry_after);
        self.requests.rule(HttpAction::Status { status, body, retry_after }, seed)
    }
}
