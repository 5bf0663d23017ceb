//! How people name a time from which on runs are asked for: `30d`, `2026-11-01`.

use time::{Date, Duration, OffsetDateTime, Time};

/// The instant that `30d`, `12h`, `2w` or `2026-11-01` means, in microseconds since 1970.
pub fn since(text: &str, now: OffsetDateTime) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no time: write `12h`, `30d`, `2w` or a day such as `2026-11-01`");
    let at = match text.char_indices().next_back() {
        Some((at, unit @ ('h' | 'd' | 'w'))) => {
            let number: i64 = text.get(..at).and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
            let hours = match unit {
                'h' => 1,
                'd' => 24,
                _ => 168,
            };
            let hours = number.checked_mul(hours);
            // A hundred thousand years are more than anybody keeps.
            let hours = hours.filter(|hours| (0..=876_000_000).contains(hours)).ok_or_else(wrong)?;
            now.checked_sub(Duration::hours(hours)).unwrap_or(OffsetDateTime::UNIX_EPOCH)
        }
        _ => {
            let day = time::macros::format_description!("[year]-[month]-[day]");
            Date::parse(text, day).map_err(|_| wrong())?.with_time(Time::MIDNIGHT).assume_utc()
        }
    };
    Ok(i64::try_from(at.unix_timestamp_nanos() / 1000).unwrap_or(i64::MIN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    #[test]
    fn since_is_an_age_or_a_day() {
        let now = datetime!(2026-11-20 06:00 UTC);
        let us = |at: OffsetDateTime| at.unix_timestamp() * 1_000_000;
        assert_eq!(since("12h", now), Ok(us(datetime!(2026-11-19 18:00 UTC))));
        assert_eq!(since("2w", now), Ok(us(datetime!(2026-11-06 06:00 UTC))));
        assert_eq!(since("2026-11-01", now), Ok(us(datetime!(2026-11-01 00:00 UTC))));
        assert!(since("soon", now).unwrap_err().contains("`30d`"));
        for wrong in ["", "d", "-3d", "3", "3é", "99999999999999999999d", "9000000000000000d", "2026-13-01"] {
            assert!(since(wrong, now).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_time_panics(text in "\\PC*", number in any::<u64>(), unit in "[hdwé~]") {
            let _ = since(&text, OffsetDateTime::UNIX_EPOCH);
            let _ = since(&format!("{number}{unit}"), datetime!(2026-11-20 06:00 UTC));
        }
    }
}
