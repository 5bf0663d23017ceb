//! Runs and game days as they lie on disk: found below any directory (a project's `.firedrill`, an unpacked artifact of a CI
//! run), and read. What cannot be read is said, and keeps nothing else from being read.

pub mod evidence;
mod find;
pub mod history;

pub use find::{
    FoundRuns, find, is_under_way, last_control, newest_drills, read_all, read_day, read_events, read_run, read_story,
    run_id, runbook_took,
};
