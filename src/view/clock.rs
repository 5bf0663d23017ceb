//! Instants of a drill as UTC, for reports that want a calendar.

use crate::record::{DrillTime, Record};
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

/// When the drill began; the epoch when the record does not say.
pub fn started(record: &Record) -> OffsetDateTime {
    instant(record.plan.as_ref().map_or("", |plan| plan.started_utc.as_str()))
}

/// A time of a record, RFC 3339, in UTC; the epoch when it is none.
pub fn instant(text: &str) -> OffsetDateTime {
    parsed(text).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// A time as RFC 3339, in UTC; `None` when it is none, or when UTC has no year of four digits for it.
pub fn parsed(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text.trim(), &Rfc3339).ok()?.checked_to_offset(UtcOffset::UTC)
}

/// `YYYY-MM-DDTHH:MM:SS` in UTC, without fraction and zone: what the strict schemas of CI servers ask for.
pub fn schema_time(at: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
    let utc = at.checked_to_offset(UtcOffset::UTC).and_then(|at| at.format(&format).ok());
    utc.unwrap_or_else(|| "1970-01-01T00:00:00".to_string())
}

/// `06:41:12.3`: the time of day, in UTC, of an instant of a drill that began then.
pub fn clock(started: OffsetDateTime, at: DrillTime) -> String {
    let format = format_description!("[hour]:[minute]:[second].[subsecond digits:1]");
    let since = time::Duration::microseconds(i64::try_from(at.0).unwrap_or(i64::MAX));
    started.checked_add(since).and_then(|at| at.format(format).ok()).unwrap_or_default()
}

/// The day of a time in RFC 3339.
pub fn day(utc: &str) -> &str {
    utc.get(..10).unwrap_or(utc)
}

/// `20 November 2026, 06:41 UTC` of a time in RFC 3339; the text itself where it is none.
pub fn date(utc: &str) -> String {
    let format = format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC");
    parsed(utc).and_then(|at| at.format(format).ok()).unwrap_or_else(|| utc.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, record_of};
    use time::macros::datetime;

    #[test]
    fn the_time_is_utc_without_fraction_or_zone() {
        assert_eq!(schema_time(started(&record_of(Story::Passed))), "2026-11-20T06:41:12");
        assert_eq!(schema_time(datetime!(2026-11-20 07:41:12.9 +1)), "2026-11-20T06:41:12");
        assert_eq!(schema_time(started(&Record::default())), "1970-01-01T00:00:00");
    }

    #[test]
    fn a_time_that_utc_does_not_have_is_none() {
        let last = "9999-12-31T23:59:59-01:00";
        assert_eq!((parsed(last), instant(last)), (None, OffsetDateTime::UNIX_EPOCH));
        assert_eq!(schema_time(datetime!(9999-12-31 23:59:59 -1)), "1970-01-01T00:00:00");
        assert_eq!(clock(datetime!(9999-12-31 23:59:59 UTC), DrillTime(u64::MAX)), "");
    }
}
