//! Readings for the runbooks of tests: every command that would be followed is accepted, as a person would who wrote it.

use firedrill::runbook::{Decision, Do, Handling, parse_with, path_of, written_reading};
use firedrill::source::{Diagnostics, Source};
use std::fs;
use std::path::Path;

/// Languages that scenarios of tests give a client.
const CLIENTS: [&str; 6] = ["sql", "psql", "mysql", "redis", "mongodb", "python"];

/// Accepts the commands of a runbook that change something and are followed by default. What stands under a condition stays open.
pub fn accept(runbook: &Path) {
    let Ok(source) = Source::read(runbook) else { return };
    let mut decisions: Vec<((usize, usize), Decision)> = Vec::new();
    for clients in [Vec::new(), CLIENTS.to_vec()] {
        let clients = clients.into_iter().map(str::to_string).collect();
        let Some(runbook) = parse_with(&source, &clients, &mut Diagnostics::default()) else { return };
        for case in runbook.review().cases {
            let decision = Decision::about(case.command, Do::Run, "tests@example.com", "2026-11-20");
            if matches!(case.command.handling, Handling::Blocked(_))
                && (clients.is_empty() || is_new(&decisions, &decision))
            {
                decisions.push((case.place(), decision));
            }
        }
    }
    // In the order of the page: the order of the commands under one text is part of what was accepted.
    decisions.sort_by_key(|(place, _)| *place);
    let decisions: Vec<Decision> = decisions.into_iter().map(|(_, decision)| decision).collect();
    if !decisions.is_empty() {
        fs::write(path_of(runbook), written_reading(runbook, &decisions, None).expect("a reading")).expect("a file");
    }
}

fn is_new(decisions: &[((usize, usize), Decision)], decision: &Decision) -> bool {
    decisions.iter().all(|(_, known)| known.seen != decision.seen)
}
