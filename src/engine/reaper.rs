//! The reaper's work once the runner is gone: complete the record of a drill that was cut off, so that it says what
//! was under way. Waiting for the runner's end and removing its stack are the caller's.

use super::ledger::{self, LedgerContent};
use crate::record::{Check, CheckOutcome, Event, Record, RunDir, Verdict};
use std::io;

/// What a ledger says of a run whose runner has ended. `None`: it ended by itself, there is nothing to do.
pub fn cut_off(run_dir: &RunDir) -> io::Result<Option<LedgerContent>> {
    let found = ledger::read(&run_dir.ledger_path())?;
    Ok((!found.closed).then_some(found))
}

/// Completes the story: how far the drill had come, and what is left of it.
pub fn complete(run_dir: &RunDir, left: Vec<String>, kept: bool) -> io::Result<Record> {
    let mut journal = run_dir.journal()?;
    if journal.record().ended {
        // Somebody else was faster.
        return Ok(journal.record().clone());
    }
    let reason = match journal.record().under_way() {
        Some(what) => format!("the runner was killed during {what}"),
        None => "the runner was killed".to_string(),
    };
    journal.append(match journal.record().verdict {
        Verdict::Passed => Event::Note { text: reason },
        Verdict::Incomplete => Event::Judged { verdict: Verdict::Incomplete, reason, at: None },
        // A failure that is expected is judged before the faults are undone and everything is looked at once more: without that it is no pass.
        _ => Event::Judged { verdict: Verdict::HarnessError, reason, at: None },
    })?;
    let started_us = journal.record().last_us;
    let outcome = match left.is_empty() {
        _ if kept => CheckOutcome::Skipped { reason: "the stack was to be kept".into() },
        true => CheckOutcome::Passed { evidence: "the reaper removed everything".into() },
        false => CheckOutcome::Failed { reason: format!("left behind: {}", left.join(", ")), at: None },
    };
    journal.append(Event::CheckEnded { check: Check::NothingLeft, started_us, outcome })?;
    journal.append(Event::Ended { left, kept })?;
    journal.sync()?;
    Ok(journal.record().clone())
}
