//! Coverage: which failures of the critical services were drilled, when last, and with which verdict. `services.yaml` says
//! what must be drilled, scenarios what could be, records what was; [`Coverage`] is the three of them side by side.

mod drill;
mod markdown;
mod matrix;
mod paths;
mod scenario;
mod text;

pub use crate::assurance::services::schema;
pub use drill::{DrilledStep, PastDrill};
pub use markdown::markdown;
pub use matrix::{Coverage, CoverageState, LastDrill, ModeCoverage, Proof, ServiceCoverage, Targets, Watched};
pub use paths::same_file;
pub use scenario::{Scenario, ScenarioStep};
pub use text::{missing, overdue, text};

/// The matrix as one JSON object, with a line break at its end. The error is that of the serializer; there is no value that
/// it cannot write.
pub fn json(coverage: &Coverage) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(coverage).map(|text| text + "\n")
}

#[cfg(test)]
mod tests;
