//! What happened: events, the record they add up to, verdicts, and the run directory on disk. Imports nothing of
//! the other rooms, so that any report can be made again from a saved record.

mod alerts;
mod announcement;
mod beside;
mod breakdown;
mod day;
mod event;
mod figures;
mod outcome;
mod parts;
mod private;
#[allow(clippy::module_inception)]
mod record;
mod redact;
mod restore;
mod rundir;
mod series;
mod stream;
#[cfg(test)]
#[path = "tests/stories/mod.rs"]
pub(crate) mod testing;

pub use alerts::*;
pub use announcement::*;
pub use beside::{BesideNote, NoteInbox, STOP, append_beside, beside_run, notes_beside, take_stop};
pub use breakdown::*;
pub use day::*;
pub use event::*;
pub use figures::*;
pub use outcome::*;
pub use parts::*;
pub use private::*;
pub use record::Record;
pub use redact::*;
pub use restore::*;
pub use rundir::*;
pub use series::*;
pub use stream::*;

/// Version of the format of `events.jsonl` and `record.json`; raised when a reader of the old one would misread.
pub const RECORD_FORMAT: u32 = 1;

/// Number of the rules by which figures and a verdict follow from events; raised when the same events may come to another figure or
/// verdict than before. A run is computed again under the rules under which it was made, or not at all.
pub const RULES: u64 = 9;
