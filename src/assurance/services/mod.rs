//! `services.yaml`: the critical services of a project, what they promise their users, how often which of their failures
//! must be drilled. Read and checked here; `spec/` takes objectives from it, `coverage/` holds drills against it.

mod catalog;
mod journeys;
mod period;
mod read;

pub use crate::source::Show;
pub use catalog::{Catalog, CriticalService, DrilledBy, FILE, FailureMode, ServiceAlert, Slo, drill_every};
pub use journeys::{Journey, JourneyPromise, read_journeys};
pub use period::{A_PERIOD, show};
pub use read::{EXAMPLE, ProjectNames, read, schema, shown};
