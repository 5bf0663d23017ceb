//! What people write → a checked `Plan`. Every mistake of every file at once, with its place, before Docker is touched.

mod faults;
mod find;
mod loads;
mod outcome;
mod outline;
mod plan;
mod respond;
mod scenario;
mod schema;
mod secrets;
mod services;
mod stack;
mod windows;

pub use find::{find, project_files, project_scenarios};
pub use outline::{Outline, outline};
pub use plan::*;
pub use scenario::load;
pub use schema::schema;
pub use services::{check_services, place_in_stack};

#[cfg(test)]
mod tests;
