//! What happened: events, the record they add up to, verdicts, and the run directory on disk. Imports nothing of
//! the other rooms, so that any report can be made again from a saved record.

mod check;
mod event;
#[allow(clippy::module_inception)]
mod record;
mod redact;
mod rundir;
mod sink;
mod time;
mod verdict;

pub use check::{Check, CheckOutcome, CheckResult, Location};
pub use event::*;
pub use record::*;
pub use redact::Redactor;
pub use rundir::RunDir;
pub use sink::{EventSink, Observer};
pub use time::{DrillTime, utc_now, utc_text};
pub use verdict::Verdict;

/// Version of the format of `events.jsonl` and `record.json`; raised when a reader of the old one would misread.
pub const RECORD_FORMAT: u32 = 1;
