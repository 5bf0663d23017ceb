//! `http_delay`: requests reach a service later; the connection and other requests are not slowed down.
//!
//! ```yaml
//! - http_delay: { service: payments, delay: 500ms, jitter: 100ms }
//! - http_delay: { service: payments, path: /charges/*, share: 10%, delay: 3s }
//! ```

use super::by_agent::ReadAgentFault;
use super::http::HttpRequests;
use crate::agent::proxy::HttpAction;
use crate::source::{MapReader, TextForm, parse_duration, shape};
use std::time::Duration;

const A_DELAY: TextForm = TextForm::new("a duration like `300ms`", shape::duration);

fn delay(text: &str) -> Result<Duration, String> {
    let delay = parse_duration(text)?;
    if delay.is_zero() { Err("a delay of 0 delays nothing".into()) } else { Ok(delay) }
}

/// Reads its parameters; `None` when there were mistakes, which are noted.
pub(super) fn from_map(map: &mut MapReader<'_>) -> ReadAgentFault {
    let requests = HttpRequests::read(map);
    let delay = map.require_with("delay", A_DELAY, delay);
    let jitter: Option<Duration> = map.optional("jitter");
    let (requests, delay, jitter) = (requests?, delay?, jitter.unwrap_or_default());
    let spread = if jitter.is_zero() { String::new() } else { format!(" ± {jitter:?}") };
    let summary = format!("delays {} by {delay:?}{spread}", requests.words());
    Some(requests.fault(summary, HttpAction::Delay { delay, jitter }))
}
