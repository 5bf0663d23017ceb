//! What people write → a checked `Plan`. Every mistake of every file at once, with its place, before Docker is touched.

mod alerts;
mod clients;
mod environment;
mod faults;
mod find;
mod gameday;
mod hosts;
mod loads;
mod objectives;
mod oncall;
mod outcome;
mod outline;
mod plan;
mod price;
mod probe;
mod reading;
mod respond;
mod restore;
mod restore_plan;
mod scenario;
mod secrets;
mod services;
mod silent;
mod sli_command;
mod slos;
mod stack;
mod steps;
mod stop_when;
mod unwatched;
mod vars;
mod windows;

pub use crate::stack::ServiceScript;
pub use alerts::{AlertReceiver, AlertsSpec};
pub use clients::{FollowedRunbook, followed_by};
pub use faults::returning;
pub use find::{find, find_among, find_game_day, project_files, project_game_days, project_scenarios, root_of};
pub use gameday::*;
pub use loads::host_of;
pub(crate) use objectives::project_services;
pub use objectives::{DrillObjectives, Objective, Origin, Shortfall, check_objectives};
pub use oncall::{IncidentRoles, OnCall, OnCallReceiver, on_call_schema, read_on_call};
pub use outline::{Outline, outline};
pub use plan::*;
pub use price::ProductionBudget;
pub use reading::undecided;
pub use respond::check_environment;
pub use restore_plan::*;
pub use scenario::{load, load_whole, schema};
pub use services::{check_services, check_variables, place_in_stack};
pub use slos::{FoundSlo, SloCounts, read_slos};
pub use unwatched::check_data;
pub use windows::Show;

#[cfg(test)]
mod restore_tests;
#[cfg(test)]
mod steps_tests;
#[cfg(test)]
mod tests;
