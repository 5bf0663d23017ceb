//! `http_body`: the body of an answer is cut short, replaced, or arrives slowly.
//!
//! ```yaml
//! - http_body: { service: payments, cut: 100 }                    # bytes; then the connection is closed
//! - http_body: { service: payments, replace: "not json" }
//! - http_body: { service: payments, path: /list, rate: 1KiB }      # a second
//! ```

use super::by_agent::{ProxyFault, ProxyPlace};
use super::http::{A_SIZE, HttpRequests, size};
use crate::agent::proxy::{HttpAction, HttpRule};
use crate::source::MapReader;
use serde_json::json;

/// What may become of a body.
const KEYS: [&str; 3] = ["replace", "cut", "rate"];

fn rate(text: &str) -> Result<u64, String> {
    size(text).and_then(|rate| if rate == 0 { Err("a rate of 0 never ends".into()) } else { Ok(rate) })
}

/// Answers whose body is not what the service sent.
#[derive(Debug, Clone)]
pub struct HttpBody {
    requests: HttpRequests,
    action: HttpAction,
}

impl ProxyFault for HttpBody {
    type Rule = HttpRule;

    fn from_map(map: &mut MapReader<'_>) -> Option<Self> {
        let requests = HttpRequests::read(map);
        let replace: Option<String> = map.optional("replace");
        let cut = map.optional_with("cut", A_SIZE, size);
        let rate = map.optional_with("rate", A_SIZE, rate);
        let one_of = KEYS.map(|key| json!({ "required": [key] }));
        map.also(json!({ "oneOf": one_of }));
        if KEYS.into_iter().filter(|key| map.has(key)).count() != 1 {
            let message = "a body is replaced, cut short or slow: one of `replace`, `cut` and `rate` is needed";
            map.error(map.head(), message).help("write `cut: 100`, `replace: \"…\"` or `rate: 1KiB`");
        }
        let replaced = replace.map(|body| HttpAction::ReplaceBody { body });
        let cut = cut.map(|after| HttpAction::CutBody { after, reset: false });
        let action = replaced.or(cut).or(rate.map(|rate| HttpAction::SlowBody { rate }));
        Some(HttpBody { requests: requests?, action: action? })
    }

    fn summary(&self) -> String {
        let requests = self.requests.words();
        match &self.action {
            HttpAction::CutBody { after, .. } => format!("cuts the answers to {requests} to {after} bytes"),
            HttpAction::SlowBody { rate } => format!("sends the answers to {requests} at {rate} bytes a second"),
            _ => format!("replaces the body of the answers to {requests}"),
        }
    }

    fn place(&self) -> &ProxyPlace {
        &self.requests.place
    }

    fn rule(&self, seed: u64) -> HttpRule {
        self.requests.rule(self.action.clone(), seed)
    }
}
