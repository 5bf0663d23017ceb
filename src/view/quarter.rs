//! A quarter of the calendar in UTC.

use serde::{Serialize, Serializer};
use std::fmt;
use time::{Date, Month, OffsetDateTime};

/// A quarter, from its first instant in UTC up to that of the next one: how many came before it since the year 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quarter(u16);

/// First and last year that is taken.
const YEARS: std::ops::RangeInclusive<u16> = 2000..=2999;

impl Quarter {
    /// The first quarter of a year has the number 1.
    fn new(year: u16, number: u8) -> Quarter {
        Quarter(year * 4 + u16::from(number) - 1)
    }

    /// Reads `2026Q4`.
    pub fn parse(text: &str) -> Result<Quarter, String> {
        let digits = |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
        let parts = text.split_once('Q').filter(|(year, number)| digits(year, 4) && digits(number, 1));
        let parts = parts.and_then(|(year, number)| Some((year.parse::<u16>().ok()?, number.parse::<u8>().ok()?)));
        let known = parts.filter(|(year, number)| YEARS.contains(year) && (1..=4).contains(number));
        let quarter = known.map(|(year, number)| Quarter::new(year, number));
        quarter.ok_or_else(|| format!("`{text}` is no quarter: write it like `2026Q4`"))
    }

    /// The quarter in which an instant lies.
    pub fn of(at: OffsetDateTime) -> Quarter {
        let at = at.checked_to_offset(time::UtcOffset::UTC).unwrap_or(at);
        let year = u16::try_from(at.year()).unwrap_or(*YEARS.start()).clamp(*YEARS.start(), *YEARS.end());
        Quarter::new(year, (u8::from(at.month()) - 1) / 3 + 1)
    }

    /// The quarter in which a run began, by its id (`20261120T064112Z-…`); `None` when that is none.
    pub fn of_id(id: &str) -> Option<Quarter> {
        let month = id.get(4..6).filter(|_| crate::record::is_run_id(id))?.parse::<u8>().ok()?;
        let month = (1..=12).contains(&month).then_some(month)?;
        // Also of a machine whose clock was never set: 1970.
        Some(Quarter::new(id.get(..4)?.parse().ok()?, (month - 1) / 3 + 1))
    }

    /// Its first instant.
    pub fn start(self) -> OffsetDateTime {
        let month = Month::January.nth_next((self.0 % 4 * 3) as u8);
        let date = Date::from_calendar_date(i32::from(self.0 / 4), month, 1).unwrap_or(Date::MIN);
        date.midnight().assume_utc()
    }

    /// The first instant after it.
    pub fn end(self) -> OffsetDateTime {
        Quarter(self.0 + 1).start()
    }

    /// Whether an instant lies in it.
    pub fn contains(self, at: OffsetDateTime) -> bool {
        (self.start()..self.end()).contains(&at)
    }

    /// `fourth quarter of 2026`.
    pub fn in_words(self) -> String {
        format!("{} quarter of {}", ["first", "second", "third", "fourth"][usize::from(self.0 % 4)], self.0 / 4)
    }

    /// This one and the three before it, the oldest first.
    pub fn four(self) -> [Quarter; 4] {
        [3, 2, 1, 0].map(|before| Quarter(self.0.saturating_sub(before)))
    }
}

impl fmt::Display for Quarter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}Q{}", self.0 / 4, self.0 % 4 + 1)
    }
}

impl Serialize for Quarter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_quarter_has_its_bounds_in_utc() {
        let quarter = Quarter::parse("2026Q4").unwrap();
        assert_eq!(quarter.start(), datetime!(2026-10-01 00:00 UTC));
        assert_eq!(quarter.end(), datetime!(2027-01-01 00:00 UTC));
        assert!(quarter.contains(datetime!(2026-12-31 23:59:59.999 UTC)));
        assert!(quarter.contains(datetime!(2027-01-01 00:30 +1)));
        assert!(!quarter.contains(datetime!(2027-01-01 00:00 UTC)));
        assert_eq!(Quarter::of(datetime!(2027-01-01 00:30 +1)), quarter, "in UTC it is still December");
        assert_eq!(Quarter::of(datetime!(9999-12-31 23:30 -1)).to_string(), "2999Q4", "UTC has no such instant");
        let names = quarter.four().map(|quarter| quarter.to_string());
        assert_eq!(names, ["2026Q1", "2026Q2", "2026Q3", "2026Q4"]);
        assert_eq!(Quarter::of_id("20260401T000000Z-a-0000").unwrap().to_string(), "2026Q2");
        assert_eq!([Quarter::of_id("20261301T000000Z-a-0000"), Quarter::of_id("latest")], [None, None]);
        assert_eq!(Quarter::parse("2026Q1").unwrap().four()[2].to_string(), "2025Q4");
    }

    #[test]
    fn what_is_no_quarter_is_told() {
        let told = ["2026", "2026q4", "Q4", "2026Q5", "2026Q0", "1999Q1", "2026Q44", "26Q1", "２０２６Q1", ""]
            .map(|text| Quarter::parse(text).expect_err(text));
        insta::assert_snapshot!(told.join("\n"), @r"
        `2026` is no quarter: write it like `2026Q4`
        `2026q4` is no quarter: write it like `2026Q4`
        `Q4` is no quarter: write it like `2026Q4`
        `2026Q5` is no quarter: write it like `2026Q4`
        `2026Q0` is no quarter: write it like `2026Q4`
        `1999Q1` is no quarter: write it like `2026Q4`
        `2026Q44` is no quarter: write it like `2026Q4`
        `26Q1` is no quarter: write it like `2026Q4`
        `２０２６Q1` is no quarter: write it like `2026Q4`
        `` is no quarter: write it like `2026Q4`
        ");
    }
}
