//! Planning a game day: which drills, in which order, which of them here (`--shard`) and which at all (`--affected-by`), and
//! which are controls; and running it: which attempt is started when, and what it all comes to. Pure functions of the file, the
//! command line and what was found out before; only `affected` asks Git.

mod affected;
mod prepare;
mod schedule;

pub use affected::{Affected, affected, own_files};
pub use prepare::{PlanOptions, Prepared, PreparedDrill, Shard, exit_of, expected, occasion, prepare, run_of_ci};
pub use schedule::{Came, DaySchedule, NextStart, ScheduleRules, Start};
