//! Durations that are longer than a drill: RTO, RPO, the window of an SLO, how often a failure must be drilled. As all durations, and
//! with days and weeks.

use crate::source::{TextForm, shape};
use std::time::Duration;

/// How a period is written, for messages and the schema.
pub const A_PERIOD: TextForm = TextForm::new("a duration like `15m`, `4h` or `30d`", period_shape);

/// Units, longest first, with their seconds.
const UNITS: [(u64, &str); 4] = [(86400, "d"), (3600, "h"), (60, "m"), (1, "s")];

fn period_shape() -> serde_json::Value {
    shape::text(r"[0-9]*\.?[0-9]*\s*(?:ms|s|m|min|h|d|w)")
}

/// A period as people read it: `12.3s`, `1m 30s`, `90d`.
pub fn show(duration: Duration) -> String {
    let tenths = (duration.as_secs_f64() * 10.0).round();
    if tenths < 600.0 {
        let text = format!("{:.1}", tenths / 10.0);
        return format!("{}s", text.strip_suffix(".0").unwrap_or(&text));
    }
    let mut rest = duration.as_secs_f64().round() as u64;
    let parts = UNITS.into_iter().filter_map(|(seconds, unit)| {
        let count = rest / seconds;
        rest %= seconds;
        (count > 0).then(|| format!("{count}{unit}"))
    });
    // What comes after the second unit does not matter to anybody.
    parts.take(2).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::parse_period;
    use proptest::prelude::*;

    #[test]
    fn periods_are_read_and_shown() {
        for (text, seconds, shown) in [
            ("90d", 90 * 86400, "90d"),
            ("2w", 14 * 86400, "14d"),
            (" 36 h ", 36 * 3600, "1d 12h"),
            ("15min", 900, "15m"),
            ("90s", 90, "1m 30s"),
            ("0s", 0, "0s"),
            (".5m", 30, "30s"),
        ] {
            let period = parse_period(text).unwrap();
            assert_eq!((period.as_secs(), show(period).as_str()), (seconds, shown), "{text}");
        }
        assert_eq!(show(Duration::from_millis(12_340)), "12.3s");
        assert_eq!(show(Duration::from_millis(59_990)), "1m");
        assert_eq!(parse_period("90").unwrap_err(), "`90` has no unit: write `90m` or `90d`");
        for text in ["", "d", "1y", "-1d", "3651d", "1.2.3d", ".d", "1d2h", "٣d"] {
            assert!(parse_period(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_shape_rejects_nothing_that_is_read(text in " ?[0-9]{0,5}\\.?[0-9]{0,3} ?(ms|s|m|min|h|d|w|)|\\PC{0,8}") {
            let schema = jsonschema::draft202012::new(&period_shape()).unwrap();
            let read = parse_period(&text);
            prop_assert!(read.is_err() || schema.is_valid(&text.as_str().into()), "{:?}", text);
            if let Ok(period) = read {
                prop_assert!(!show(period).is_empty());
            }
        }
    }
}
