//! How much room each drill has in the report, and what has been shown already: a hundred drills stay in one file that opens
//! on a phone.

use crate::record::Record;
use std::collections::BTreeMap;

/// What a report may cost, and what it has told.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// Points of a curve.
    pub samples: usize,
    /// Bytes of one command's output.
    pub output: usize,
    /// Whether drills that passed are told in short: without curves and without their runbook.
    short: bool,
    /// How many more of those that did not pass are told as a whole.
    failures: usize,
    /// Whether the report may lie in the directory of its one game day, beside the runs.
    pub beside_runs: bool,
    /// The run whose time axis stands at the top of the report.
    pub over_time: Option<String>,
    /// Runbooks that were shown as a whole, and where.
    shown: BTreeMap<&'a str, String>,
}

/// How many levels of room there are, from the most to the least.
pub const LEVELS: usize = 3 + FAILURES.len();

/// How many drills that did not pass are told as a whole once those that passed are told in short, from level to level. The
/// worst come first.
const FAILURES: [usize; 5] = [usize::MAX, 40, 20, 8, 0];

impl<'a> Context<'a> {
    /// The room for each of so many drills.
    pub fn of(drills: usize, level: usize) -> Context<'a> {
        let (samples, output) = match (drills, level) {
            (0..=4, 0) => (160, 16_000),
            (0..=24, 0) => (100, 4_000),
            (_, 0) => (50, 1_500),
            (_, 1) => (36, 800),
            _ => (24, 400),
        };
        let failures = level.checked_sub(LEVELS - FAILURES.len()).and_then(|at| FAILURES.get(at));
        Context {
            samples,
            output,
            short: failures.is_some(),
            failures: failures.copied().unwrap_or(usize::MAX),
            beside_runs: false,
            over_time: None,
            shown: BTreeMap::new(),
        }
    }

    /// Whether the next drill is told in short.
    pub fn is_short(&mut self, failed: bool) -> bool {
        match (failed, self.failures) {
            (false, _) => self.short,
            (true, 0) => true,
            (true, left) => {
                self.failures = left - 1;
                false
            }
        }
    }

    /// Whether the time axis of this record stands at the top already.
    pub fn told_over_time(&self, record: &Record) -> bool {
        record.plan.as_ref().is_some_and(|plan| self.over_time.as_deref() == Some(plan.run.as_str()))
    }

    /// Where this runbook was shown as a whole before; `None` when it is shown now.
    pub fn first(&mut self, text: &'a str, id: &str) -> Option<String> {
        if let Some(first) = self.shown.get(text) {
            return Some(first.clone());
        }
        self.shown.insert(text, format!("{id}-runbook"));
        None
    }

    /// Room enough.
    #[cfg(test)]
    pub fn for_tests() -> Context<'a> {
        Context::of(1, 0)
    }
}
