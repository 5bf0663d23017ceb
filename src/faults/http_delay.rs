//! `http_delay`: requests reach a service later; the connection and other requests are not slowed down.
//!
//! ```yaml
//! - http_delay: { service: payments, delay: 500ms, jitter: 100ms }
//! - http_delay: { service: payments, path: /charges/*, share: 10%, delay: 3s }
//! ```

use super::by_agent::ReadAgentFault;
use super::http::HttpRequests;
use crate::agent::proxy::HttpAction;
use crate::source::{MAX_DURATION, MapReader};
use std::time::Duration;

/// Reads its parameters; `None` when there were mistakes, which are noted.
pub(super) fn from_map(map: &mut MapReader<'_>) -> ReadAgentFault {
    let requests = HttpRequests::read(map);
    let delay = map.require_by("delay", |at| at.within(MAX_DURATION));
    let jitter: Option<Duration> = map.optional("jitter");
    let (requests, delay, jitter) = (requests?, delay?, jitter.unwrap_or_default());
    let spread = if jitter.is_zero() { String::new() } else { format!(" ± {jitter:?}") };
    let summary = format!("delays {} by {delay:?}{spread}", requests.words());
    Some(requests.fault(summary, HttpAction::Delay { delay, jitter }))
}
