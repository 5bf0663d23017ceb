//! What many runs say together: an index in SQLite over the records of any number of run directories, what the runs of a
//! scenario add up to, and what changed between two. The index is a cache; the records are the truth.

mod diff;
mod incidents;
mod index;
mod pick;
mod robust;
mod run;
mod show;
mod store;
mod summary;
#[cfg(test)]
mod testing;
mod trend;
mod update;

pub use diff::{Diff, StepChange, StepDiff};
pub use incidents::{RealIncident, incidents_schema, read_incidents};
pub use index::{Index, IndexError};
pub use pick::{Picked, pick, since};
pub use robust::{Direction, Spread, TimeTrend};
pub use run::{Detail, FaultRun, IndexedRun, RunStanding, StepRun};
pub use show::{Overview, PageForm, ScenarioView, diff_text, json, overview_text, scenario_text, trend_text};
pub use store::Filter;
pub use summary::{Flakiness, Repeated, RunRef, RunbookChange, RunbookVersion, Summary, by_scenario};
pub use trend::{ClosedAction, HistoryTrend, TrendPoint};
pub use update::{Update, with_index};
