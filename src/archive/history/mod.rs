//! What many runs say together: an index over the records of any number of run directories, and what the
//! runs of a scenario add up to. The index is a cache; the records are the truth.

mod incidents;
mod index;
mod run;
mod show;
mod summary;
#[cfg(test)]
#[path = "tests/testing.rs"]
mod testing;
mod trend;

pub use incidents::{RealIncident, incidents_schema, read_incidents};
pub use index::{Update, indexed};
pub use run::{IndexedRun, RunStanding};
pub use show::{
    HISTORY_FORMAT, Overview, ScenarioView, Versioned, overview_text, scenario_text, trend_html, trend_text,
};
pub use summary::{Direction, Flakiness, Repeated, RunbookChange, RunbookVersion, Spread, Summary, TimeTrend};
pub use trend::{ClosedAction, HistoryTrend, TrendPoint};
