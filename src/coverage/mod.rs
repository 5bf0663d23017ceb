//! Coverage: which failures of the critical services were drilled, when last, and with which verdict. `services.yaml` says
//! what must be drilled, scenarios what could be, records what was; [`Coverage`] is the three of them side by side.

mod catalog;
mod drill;
mod json;
mod markdown;
mod matrix;
mod paths;
mod period;
mod read;
mod scenario;
mod schema;
mod text;

pub use catalog::{Alert, Catalog, DrilledBy, FILE, Mode, Service, Slo};
pub use drill::{Drill, DrilledStep};
pub use json::json;
pub use markdown::markdown;
pub use matrix::{Cell, Coverage, LastDrill, Proof, ServiceCoverage, State, Targets, Watched};
pub use paths::same_file;
pub use period::{parse_period, show};
pub use read::{EXAMPLE, read};
pub use scenario::{Scenario, ScenarioStep};
pub use schema::schema;
pub use text::{missing, text};

#[cfg(test)]
mod tests;
