//! What happened: events, the record they add up to, verdicts, and the run directory on disk. Imports nothing of
//! the other rooms, so that any report can be made again from a saved record.

mod alerts;
mod announcement;
mod atomic;
mod beside;
mod breakdown;
mod check;
mod day;
mod event;
mod figures;
mod outcome;
mod output;
mod parts;
mod price;
mod private;
#[allow(clippy::module_inception)]
mod record;
mod redact;
mod restore;
mod rundir;
mod series;
mod severity;
mod story;
mod stream;
#[cfg(test)]
#[path = "tests/stories/mod.rs"]
pub(crate) mod testing;
mod time;
mod verdict;

pub use alerts::{
    ALERT_NAME, AlertMoment, AlertStation, BurnRate, DetectionTheory, PageEscalation, PageExpectation, PageMissed,
    PageSeen, PageTheory, detect_from, in_words,
};
pub use announcement::*;
pub use atomic::{is_temporary, no_link, write_atomic};
pub use beside::{BesideNote, NoteInbox, STOP, append_beside, beside_run, notes_beside, take_stop};
pub use breakdown::{Breakdown, ComposeTimes, DeclaredTimes, PhaseShare};
pub use check::{Check, CheckOutcome, CheckResult, Location};
pub use day::*;
pub use event::*;
pub use figures::{Figures, Measuring, SliFigures, StepFigures};
pub use outcome::RunOutcome;
pub use output::{Chunk, StepOutput};
pub use parts::*;
pub use price::{BudgetInfo, PriceFigures};
pub use private::{PrivateDir, open_file, open_plain, private_dir_in, random_hex, read_file};
pub use record::Record;
pub use redact::{
    HIDDEN, Redactor, SHORTEST_DECLARED, SHORTEST_GUESSED, Secret, Secrets, StreamRedactor, concealed, looks_secret,
    script_secrets, secrets_in_text, sql_secrets, url_password,
};
pub use restore::*;
pub use rundir::{RunDir, is_run_id, sha256_hex};
pub use series::{Counts, LoadSeries, NO_DATA, OF_A_PAGE, SLICE_US, percent, status_of};
pub use severity::{MeasuredSeverity, SeverityLevel, severity_of, understated};
pub use stream::{EventSink, Journal, Observer, RecordObserver};
pub use time::{DrillTime, micros, utc_now, utc_text};
pub use verdict::Verdict;

/// Version of the format of `events.jsonl` and `record.json`; raised when a reader of the old one would misread.
pub const RECORD_FORMAT: u32 = 1;

/// Number of the rules by which figures and a verdict follow from events; raised when the same events may come to another figure or
/// verdict than before. A run is computed again under the rules under which it was made, or not at all.
pub const RULES: u64 = 2;
