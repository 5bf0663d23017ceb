//! Coverage: which failures of the critical services were drilled, when last, and with which verdict. `services.yaml` says
//! what must be drilled, scenarios what could be, records what was; [`Coverage`] is the three of them side by side.

mod markdown;
mod matrix;
mod paths;
mod scenario;
mod text;

pub use markdown::markdown;
pub use matrix::{Coverage, CoverageState, LastDrill, ModeCoverage, Proof, ServiceCoverage, Targets, Watched};
pub use paths::same_file;
pub use scenario::Scenario;
pub use text::{missing, overdue, text};

#[cfg(test)]
mod tests;
