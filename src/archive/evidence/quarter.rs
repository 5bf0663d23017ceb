//! A quarter of a year, and the evidence of one: its runs, each verified, and the heads of the chains.

use super::verify::verify_some;
use super::{Checked, CheckedChain};
use serde::Serialize;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use time::{Date, Month, OffsetDateTime};

/// A quarter of a calendar year, in UTC. Quarters sort by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quarter {
    year: i32,
    /// 1 to 4.
    number: u8,
}

impl Quarter {
    /// The quarter of an instant.
    pub fn of(at: OffsetDateTime) -> Quarter {
        let at = at.checked_to_offset(time::UtcOffset::UTC).unwrap_or(at);
        Quarter { year: at.year(), number: (u8::from(at.month()) - 1) / 3 + 1 }
    }

    /// The quarter in which a run began, by its id (`20261120T064112Z-…`); `None` when that is none.
    pub fn of_id(id: &str) -> Option<Quarter> {
        if !crate::record::is_run_id(id) {
            return None;
        }
        let (year, month) = (id.get(..4)?.parse().ok()?, id.get(4..6)?.parse::<u8>().ok()?);
        (1..=12).contains(&month).then_some(Quarter { year, number: (month - 1) / 3 + 1 })
    }

    /// The quarter before.
    pub fn before(self) -> Quarter {
        match self.number {
            1 => Quarter { year: self.year - 1, number: 4 },
            number => Quarter { number: number - 1, ..self },
        }
    }

    /// The quarter after.
    pub fn after(self) -> Quarter {
        match self.number {
            4 => Quarter { year: self.year + 1, number: 1 },
            number => Quarter { number: number + 1, ..self },
        }
    }

    /// Its first day; `None` beyond the years that a date can have.
    pub fn first_day(self) -> Option<Date> {
        let month = Month::try_from(self.number * 3 - 2).ok()?;
        Date::from_calendar_date(self.year, month, 1).ok()
    }

    /// Its last day.
    pub fn last_day(self) -> Option<Date> {
        self.after().first_day()?.previous_day()
    }
}

impl fmt::Display for Quarter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}Q{}", self.year, self.number)
    }
}

impl FromStr for Quarter {
    type Err = String;

    fn from_str(text: &str) -> Result<Quarter, String> {
        let wrong = || format!("`{text}` is no quarter: write it as 2026Q4");
        let (year, number) = text.trim().split_once(['Q', 'q']).ok_or_else(wrong)?;
        let (year, number) = (year.trim_end_matches('-'), number.parse::<u8>().map_err(|_| wrong())?);
        let fits = year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit()) && (1..=4).contains(&number);
        match year.parse() {
            Ok(year) if fits => Ok(Quarter { year, number }),
            _ => Err(wrong()),
        }
    }
}

impl Serialize for Quarter {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The evidence of a quarter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuarterEvidence {
    /// The quarter.
    pub quarter: Quarter,
    /// The runs and game days that began in it, by id, each verified: also those that were cut off, that were never sealed, and
    /// those of which only the chain still knows.
    pub runs: Vec<Checked>,
    /// The chains that were looked at, with their heads: they go on over quarters, so that one that is written down in a report
    /// binds all reports before it.
    pub chains: Vec<CheckedChain>,
    /// What could not be read.
    pub problems: Vec<String>,
}

impl QuarterEvidence {
    /// Whether everything is as it was sealed, the chains as well.
    pub fn is_intact(&self) -> bool {
        let runs = self.runs.iter().all(Checked::is_intact);
        runs && self.chains.iter().all(CheckedChain::is_whole) && self.problems.is_empty()
    }
}

/// The evidence of a quarter below these paths: run directories, roots of runs, unpacked artifacts, at any depth. Only the runs of
/// the quarter are read; chains are always checked whole.
///
/// # Errors
/// When a path does not exist.
pub fn quarter(roots: &[PathBuf], quarter: Quarter) -> io::Result<QuarterEvidence> {
    let report = verify_some(roots, &|id| Quarter::of_id(id) == Some(quarter))?;
    Ok(QuarterEvidence { quarter, runs: report.runs, chains: report.chains, problems: report.problems })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::evidence::{State, seal, testing};
    use crate::record::testing::Story;
    use time::macros::{date, datetime};

    #[test]
    fn quarters_are_those_of_the_calendar_in_utc() {
        assert_eq!(Quarter::of(datetime!(2027-01-01 00:30 +2)).to_string(), "2026Q4");
        assert_eq!(Quarter::of(datetime!(9999-12-31 23:30 -1)).to_string(), "9999Q4", "UTC has no such instant");
        assert_eq!(Quarter::of_id("20260401T000000Z-a-0000").unwrap().to_string(), "2026Q2");
        assert_eq!(Quarter::of_id("20261301T000000Z-a-0000"), None);
        assert_eq!(Quarter::of_id("latest"), None);
        let fourth: Quarter = "2026Q4".parse().unwrap();
        assert_eq!((fourth.first_day(), fourth.last_day()), (Some(date!(2026 - 10 - 01)), Some(date!(2026 - 12 - 31))));
        assert_eq!(fourth.after().to_string(), "2027Q1");
        assert_eq!(fourth.after().before(), fourth);
        assert_eq!("2026-q4".parse(), Ok(fourth));
        assert!(fourth < fourth.after());
        for wrong in ["2026Q5", "2026", "Q4", "26Q4", "2026Q", "+026Q4", "2026Q0"] {
            assert!(wrong.parse::<Quarter>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_quarter_has_its_own_runs_and_the_whole_chain() {
        let dir = tempfile::tempdir().unwrap();
        for id in ["20260930T235959Z-a-0001", "20261001T000000Z-a-0002", "20261231T235959Z-a-0003"] {
            seal(&testing::run(dir.path(), id, Story::Passed), false).unwrap();
        }
        testing::run(dir.path(), "20261120T000000Z-a-0004", Story::Killed);
        let found = quarter(&[dir.path().to_path_buf()], "2026Q4".parse().unwrap()).unwrap();
        let told: Vec<(&str, State)> = found.runs.iter().map(|run| (run.run.as_str(), run.state)).collect();
        assert_eq!(
            told,
            [
                ("20261001T000000Z-a-0002", State::Intact),
                ("20261120T000000Z-a-0004", State::NeverSealed),
                ("20261231T235959Z-a-0003", State::Intact),
            ]
        );
        assert_eq!(found.chains.iter().map(|chain| chain.entries).collect::<Vec<_>>(), [3]);
        assert!(!found.is_intact());
    }
}
