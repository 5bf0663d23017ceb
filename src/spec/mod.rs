//! What people write → a checked `Plan`. Every mistake of every file at once, with its place, before Docker is touched.

mod alerts;
mod faults;
mod find;
mod gameday;
mod loads;
mod objectives;
mod oncall;
mod outcome;
mod plan;
mod respond;
mod restore;
mod scenario;
mod services;
mod slos;
mod stack;
mod steps;
mod vars;
mod windows;

pub use crate::stack::ServiceScript;
pub use alerts::{AlertReceiver, AlertsSpec};
pub use find::*;
pub use gameday::*;
pub use objectives::{DrillObjectives, Objective, check_objectives};
pub use oncall::{OnCall, OnCallReceiver, on_call_schema, read_on_call};
pub use plan::*;
pub use respond::{InputUse, check_data, check_environment, input_uses, undecided};
pub use scenario::{load, load_whole, schema};
pub use services::{check_services, check_variables, place_in_stack};
pub use slos::{FoundSlo, SloCounts, read_slos};
pub use steps::{FollowedRunbook, followed_by};
pub use windows::Show;

#[cfg(test)]
mod restore_tests;
#[cfg(test)]
mod steps_tests;
#[cfg(test)]
mod tests;
