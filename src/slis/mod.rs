//! What users feel: SLIs, their objectives, the windows they are judged over. One file per source.

pub mod gauge;
mod good;
mod lateness;
mod metric;
mod ratio;
pub mod window;

pub use good::{Comparison, EventAnswer, Good, Term};
pub use lateness::Lateness;
pub use metric::{MetricCondition, take_labels, take_name};
pub use ratio::Ratio;

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Length of a slice: the resolution of times in a record.
pub const SLICE: Duration = Duration::from_millis(100);

/// An SLI: good events / valid events, with its objective.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SliSpec {
    /// Its name in the scenario.
    pub name: String,
    /// The series of slices that counts its events: that of a load, or of a source of its own.
    pub series: String,
    /// What makes an event good.
    pub good: Good,
    /// The share of good events that users are promised.
    pub objective: Ratio,
    /// The journey or service, and the name, of the SLO that it was read from: `shopping/availability`.
    pub slo: Option<String>,
}
