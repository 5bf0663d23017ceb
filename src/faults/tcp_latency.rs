//! `tcp_latency`: what a service sends arrives later, on connections that are open already as well, whatever they speak.
//!
//! ```yaml
//! - tcp_latency: { service: cache, latency: 300ms }
//! - tcp_latency:
//!     service: db
//!     port: 5432            # every port that the stack declares, when it is left out
//!     latency: 200ms
//!     jitter: 50ms          # drawn evenly for each piece that the service sends: 150 to 250 ms
//! ```

use super::by_agent::{ProxyPlace, ReadAgentFault};
use super::toxic::fault;
use crate::agent::proxy::{Toxic, ToxicKind, ToxicStream};
use crate::source::{MAX_DURATION, MapReader};
use std::time::Duration;

/// Reads its parameters; `None` when there were mistakes, which are noted.
pub(super) fn from_map(map: &mut MapReader<'_>) -> ReadAgentFault {
    let place = ProxyPlace::read(map);
    let latency = map.require_by("latency", |at| match at.within(MAX_DURATION)? {
        short if short.as_millis() == 0 => at.fail("a latency of less than 1ms delays nothing"),
        latency => Some(latency),
    });
    let jitter: Option<Duration> = map.optional("jitter");
    let (place, latency, jitter) = (place?, latency?, jitter.unwrap_or_default());
    let spread = if jitter.is_zero() { String::new() } else { format!(" ± {jitter:?}") };
    let summary = format!("delays what {place} sends{} by {latency:?}{spread}", place.client("to"));
    // A duration is a day at most.
    let [latency, jitter] = [latency, jitter].map(|it| it.as_millis() as i64);
    let toxic = Toxic::new(ToxicKind::Latency, ToxicStream::Downstream, [latency, jitter, 0]);
    Some(fault(&place, summary, toxic))
}
