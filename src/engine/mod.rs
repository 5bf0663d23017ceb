//! The phases of a drill in order; the ledger of undos; shutdown; the reaper.

mod alone;
mod announce;
mod drill;
mod follow;
mod impact;
mod inject;
pub mod ledger;
mod monitor;
pub mod reaper;
mod recover;
mod respond;
mod revert;
mod steady;
mod stop;
mod up;

pub use alone::{Alone, AloneOutcome, Nobody, Person, announce_alone, follow_alone};
pub use announce::{Identity, announce};
pub use drill::{Job, Options, Outcome, Shutdown, run};
pub use follow::{ByHand, place_of};
