//! Holds the copies of scenario and runbook in `files/` to the SHA-256 that the events have of them. What secrets were taken out of
//! (`***`) is another text than the original, so it cannot be held to it; that is common in a stack's copy, which is not looked at.

use super::Digest;
use crate::archive::find::first_line;
use crate::record::{Event, HIDDEN, Stamped, read_file};
use std::fs;
use std::path::Path;

/// Copies that are not what the events say, by path within the directory of the run, and what is wrong in words. A copy that is not
/// there is for the manifest to tell.
pub fn differences(dir: &Path) -> Vec<(String, String)> {
    let first = first_line::<Stamped>(&dir.join("events.jsonl"));
    let Some(Event::Announced(plan)) = first.map(|stamped| stamped.event) else { return Vec::new() };
    let mut found: Vec<(String, String)> = Vec::new();
    for (what, file) in plan.files().into_iter().filter(|(what, _)| what != "stack") {
        let base = Path::new(&file.path).file_name().and_then(|name| name.to_str()).unwrap_or("file");
        let copies = copies_of(dir, base);
        // Of files with one name any copy may be meant.
        let fits = |content: &Vec<u8>| Digest::of(content).to_string() == file.sha256 || is_redacted(content);
        if copies.is_empty() || copies.iter().any(|(_, content)| fits(content)) {
            continue;
        }
        for (name, _) in copies {
            let path = format!("files/{name}");
            let text = format!("{path} is not the {what} whose SHA-256 events.jsonl has");
            if found.iter().all(|(there, _)| *there != path) {
                found.push((path, text));
            }
        }
    }
    found
}

/// As `RunDir::keep_file` names them: `a.md`, `2-a.md`. Links are not followed.
fn copies_of(dir: &Path, base: &str) -> Vec<(String, Vec<u8>)> {
    let is_copy = |name: &str| {
        let ordinal = name.strip_suffix(base).and_then(|front| front.strip_suffix('-'));
        name == base || ordinal.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let entries = fs::read_dir(dir.join("files")).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let named = files.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())));
    let mut copies: Vec<(String, Vec<u8>)> = named
        .filter(|(name, _)| is_copy(name))
        .filter_map(|(name, path)| Some((name, read_file(path).ok()?)))
        .collect();
    copies.sort();
    copies
}

fn is_redacted(content: &[u8]) -> bool {
    content.windows(HIDDEN.len()).any(|part| part == HIDDEN.as_bytes())
}
