//! `http_reset`: the connection is reset within the body of an answer.
//!
//! ```yaml
//! - http_reset: { service: payments, after: 1KiB }    # of the body; right after the headers, when it is left out
//! ```

use super::by_agent::{ProxyFault, ProxyPlace};
use super::http::{A_SIZE, HttpRequests, size};
use crate::agent::proxy::{HttpAction, HttpRule};
use crate::source::MapReader;

/// Connections that are reset within an answer.
#[derive(Debug, Clone)]
pub struct HttpReset {
    requests: HttpRequests,
    after: u64,
}

impl ProxyFault for HttpReset {
    type Rule = HttpRule;

    fn from_map(map: &mut MapReader<'_>) -> Option<Self> {
        let requests = HttpRequests::read(map);
        let after = map.optional_with("after", A_SIZE, size);
        Some(HttpReset { requests: requests?, after: after.unwrap_or(0) })
    }

    fn summary(&self) -> String {
        format!("resets connections after {} bytes of the answers to {}", self.after, self.requests.words())
    }

    fn place(&self) -> &ProxyPlace {
        &self.requests.place
    }

    fn rule(&self, seed: u64) -> HttpRule {
        self.requests.rule(HttpAction::CutBody { after: self.after, reset: true }, seed)
    }
}
