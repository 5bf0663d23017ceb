//! The phases of a drill in order; the ledger of undos; shutdown; the reaper.

mod alone;
mod announce;
mod commands;
mod contention;
mod context;
mod drill;
mod faults;
mod follow;
mod guard;
mod impact;
mod invariants;
pub mod ledger;
mod monitor;
mod pages;
mod person;
mod probe;
pub mod reaper;
mod recover;
mod respond;
mod restore;
mod revert;
mod seen;
mod severity;
mod steady;
mod stop;
mod stop_when;
mod up;
mod usage;
mod words;

pub use alone::{Alone, announce_alone, follow_alone};
pub use announce::{DrillIdentity, announce};
pub use contention::{ConcurrentDrills, CountedDrill};
pub use drill::{DrillOptions, DrillOutcome, Job, run};
pub use follow::{ManualOutcome, place_of};
pub use person::{Nobody, Operator};
pub use stop::Shutdown;
