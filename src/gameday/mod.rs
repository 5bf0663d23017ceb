//! Planning a game day: which drills, in which order, which of them here (`--shard`) and which at all (`--affected-by`), and
//! which are controls; and running it: which attempt is started when, and what it all comes to. Pure functions of the file, the
//! command line and what was found out before; only `git` asks Git.

mod affected;
mod git;
mod occasion;
mod outcome;
mod prepare;
mod schedule;
mod shard;

pub use affected::{Affected, affected, own_files};
pub use occasion::{occasion, run_of_ci};
pub use outcome::{exit_of, expected};
pub use prepare::{PlanOptions, Prepared, PreparedDrill, prepare};
pub use schedule::{Came, DISTURBED_AGAIN, DaySchedule, NextStart, ScheduleRules, Start, Waiting, in_words};
pub use shard::Shard;
