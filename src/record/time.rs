//! The one clock of a drill: microseconds since it began, with the UTC instant of the beginning beside it.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// An instant of a drill: microseconds since the runner began it, on the runner's monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DrillTime(pub u64);

impl DrillTime {
    /// From a duration since the beginning.
    pub fn from_duration(d: Duration) -> Self {
        DrillTime(micros(d))
    }

    /// The duration since an earlier instant, zero when `earlier` is later.
    pub fn since(self, earlier: DrillTime) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// This instant plus a duration.
    pub fn plus(self, d: Duration) -> Self {
        DrillTime(self.0.saturating_add(micros(d)))
    }
}

/// A duration in whole microseconds.
pub fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

/// Now, in UTC.
pub fn utc_now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// An instant as RFC 3339 text with milliseconds, in UTC.
pub fn utc_text(at: OffsetDateTime) -> String {
    let at = at.replace_millisecond(at.millisecond()).unwrap_or(at);
    at.format(&Rfc3339).unwrap_or_else(|_| at.unix_timestamp().to_string())
}
