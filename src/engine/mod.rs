//! The phases of a drill in order; the ledger of undos; shutdown; the reaper.

mod alone;
mod announce;
mod commands;
mod context;
mod drill;
mod faults;
mod follow;
mod impact;
mod invariants;
pub mod ledger;
mod monitor;
mod pages;
mod probe;
pub mod reaper;
mod recover;
mod respond;
mod restore;
mod revert;
mod seen;
mod steady;
mod stop;
mod stop_when;

pub use alone::{Alone, announce_alone, follow_alone};
pub use announce::{DrillOptions, announce};
pub use drill::{Job, run};
pub use follow::{ManualOutcome, Nobody, Operator, place_of};
pub use monitor::{ConcurrentDrills, CountedDrill};
pub use stop::Shutdown;
