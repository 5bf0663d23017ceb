//! For the tests of this room: entries of a chain, and run directories as a drill leaves them.

use super::chain::CHAIN_FORMAT;
use super::{ChainEntry, Digest};
use crate::record::testing::{Story, events_of, lines_of, record_of};
use crate::record::{Event, FileRef, RunDir};
use crate::report;
use std::fs;
use std::path::{Path, PathBuf};

/// An entry and its line.
pub fn entry(number: u64, run: &str, previous: &Digest) -> (ChainEntry, String) {
    let entry = ChainEntry {
        number,
        run: run.into(),
        scenario: "db-pool".into(),
        verdict: "passed".into(),
        format: CHAIN_FORMAT,
        quarter: "2026Q4".into(),
        sealed_utc: "2026-11-20T06:42:00.000Z".into(),
        manifest: Digest::of(run.as_bytes()),
        content: None,
        replaces: None,
        changed: Vec::new(),
        late: false,
        torn: None,
        torn_run: None,
        previous: previous.clone(),
        hash: Digest::zero(),
    };
    entry.sealed().unwrap()
}

/// The lines of a chain with an entry for each of so many runs.
pub fn chain(length: u64) -> Vec<String> {
    let mut previous = Digest::zero();
    let mut lines = Vec::new();
    for number in 0..length {
        let (entry, line) = entry(number, &format!("20261120T064112Z-db-pool-{number:04x}"), &previous);
        previous = entry.hash;
        lines.push(line);
    }
    lines
}

/// The directory of a run with this story, as a drill leaves it, not sealed.
pub fn run(root: &Path, id: &str, story: Story) -> PathBuf {
    let dir = root.join(id);
    for folder in ["files", "logs"] {
        fs::create_dir_all(dir.join(folder)).unwrap();
    }
    let mut events = events_of(story);
    let mut record = record_of(story);
    if let Event::Announced(plan) = &mut events[0].event {
        plan.run = id.into();
        plan.runbook_file =
            Some(FileRef { path: "runbooks/runbook.md".into(), sha256: Digest::of(b"# Runbook\n").to_string() });
        record.plan = Some(plan.clone());
    }
    let files: [(&str, Vec<u8>); 9] = [
        ("events.jsonl", lines_of(&events)),
        ("record.json", report::json(&record)),
        ("junit.xml", report::junit(&[&record])),
        ("report.html", b"<p>".to_vec()),
        ("ledger.jsonl", b"{\"entry\":\"closed\"}\n".to_vec()),
        ("docker.log", b"docker ps\n".to_vec()),
        ("files/runbook.md", b"# Runbook\n".to_vec()),
        ("logs/db-1.log", b"ready\n".to_vec()),
        ("lock", Vec::new()),
    ];
    for (name, content) in files {
        fs::write(dir.join(name), content).unwrap();
    }
    assert_eq!(RunDir::open(&dir).unwrap().id(), id);
    dir
}
