//! `http_delay`: requests reach a service later; the connection and other requests are not slowed down.
//!
//! ```yaml
//! - http_delay: { service: payments, delay: 500ms, jitter: 100ms }
//! - http_delay: { service: payments, path: /charges/*, share: 10%, delay: 3s }
//! ```

use super::by_agent::{ProxyFault, ProxyPlace};
use super::http::HttpRequests;
use crate::agent::proxy::{HttpAction, HttpRule};
use crate::source::{MapReader, TextForm, parse_duration, shape};
use std::time::Duration;

const A_DELAY: TextForm = TextForm::new("a duration like `300ms`", shape::duration);

fn delay(text: &str) -> Result<Duration, String> {
    let delay = parse_duration(text)?;
    if delay.is_zero() { Err("a delay of 0 delays nothing".into()) } else { Ok(delay) }
}

/// Requests that reach a service later.
#[derive(Debug, Clone)]
pub struct HttpDelay {
    requests: HttpRequests,
    delay: Duration,
    jitter: Duration,
}

impl ProxyFault for HttpDelay {
    type Rule = HttpRule;

    fn from_map(map: &mut MapReader<'_>) -> Option<Self> {
        let requests = HttpRequests::read(map);
        let delay = map.require_with("delay", A_DELAY, delay);
        let jitter: Option<Duration> = map.optional("jitter");
        Some(HttpDelay { requests: requests?, delay: delay?, jitter: jitter.unwrap_or_default() })
    }

    fn summary(&self) -> String {
        let HttpDelay { requests, delay, jitter } = self;
        let spread = if jitter.is_zero() { String::new() } else { format!(" ± {jitter:?}") };
        format!("delays {} by {delay:?}{spread}", requests.words())
    }

    fn place(&self) -> &ProxyPlace {
        &self.requests.place
    }

    fn rule(&self, seed: u64) -> HttpRule {
        self.requests.rule(HttpAction::Delay { delay: self.delay, jitter: self.jitter }, seed)
    }
}
