//! Stories of drills, frozen as they were written: replayed they add up to the same record, verdict and figures, and computed
//! again from their slices they come to the same. `UPDATE_RECORDS=1` writes down what they come to now.

use firedrill::archive::evidence::recompute;
use firedrill::record::{RULES, Record};
use firedrill::report;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn records() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/records")
}

/// The events of a story: beside what is expected of it, or among the records of DR drills.
fn events(name: &str) -> Vec<u8> {
    let path = records().join("replay").join(format!("{name}.jsonl"));
    fs::read(&path).or_else(|_| fs::read(records().join(format!("{name}.jsonl")))).expect(name)
}

fn stories() -> Vec<String> {
    let files = fs::read_dir(records().join("replay")).expect("the stories").flatten();
    let names = files.filter_map(|file| file.file_name().to_str()?.strip_suffix(".json").map(str::to_string));
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert!(names.len() >= 27, "only {} stories are there", names.len());
    names
}

/// A record with a line for each thing in its lists: what lies deeper stands on that line.
fn a_line_each(json: &[u8]) -> String {
    let mut out = String::new();
    for line in std::str::from_utf8(json).expect("text").lines() {
        let text = line.trim_start();
        let (depth, closes) = (line.len() - text.len(), text.starts_with([']', '}']));
        let own = depth < 4 || depth == 4 && !closes;
        match own {
            true if out.is_empty() => {}
            true => out.push('\n'),
            false if closes || out.ends_with(['[', '{']) => {}
            false => out.push(' '),
        }
        out.push_str(if own { line } else { text });
    }
    out + "\n"
}

/// Holds what a story comes to now to what is written down, or writes it down; `RULES` is raised with what it comes to.
fn hold(name: &str, now: &str, differ: impl FnOnce(&str) -> Vec<String>) -> Vec<String> {
    let path = records().join("replay").join(name);
    if std::env::var_os("UPDATE_RECORDS").is_some() {
        fs::write(path, now).expect(name);
        return Vec::new();
    }
    let frozen = fs::read_to_string(path).expect(name);
    if frozen == now { Vec::new() } else { differ(&frozen).into_iter().map(|what| format!("{name}: {what}")).collect() }
}

#[test]
fn a_story_adds_up_to_the_same_record_verdict_and_figures() {
    let mut wrong = Vec::new();
    for name in stories() {
        let record = Record::from_events(events(&name).as_slice());
        let now = a_line_each(&report::json(&record));
        wrong.extend(hold(&format!("{name}.json"), &now, |frozen| {
            let [frozen, now] = [frozen, &now].map(|text| serde_json::from_str::<Value>(text).expect("a record"));
            let [frozen, now] = [&frozen, &now].map(|value| value.as_object().expect("an object"));
            let keys = frozen.keys().chain(now.keys().filter(|key| !frozen.contains_key(*key)));
            let mut differ: Vec<String> =
                keys.filter(|key| frozen.get(*key) != now.get(*key)).map(|key| format!("`{key}` differs")).collect();
            differ.extend(differ.is_empty().then(|| "the order or the spelling differs".to_string()));
            differ
        }));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_story_computed_again_comes_to_the_same() {
    let mut wrong = Vec::new();
    for name in stories() {
        let dir = tempfile::tempdir().expect("a directory");
        // Those recorded of drills are older than the number of the rules, and what they come to under these is what is frozen.
        let events = String::from_utf8(events(&name)).expect("text");
        let events = match events.contains("\"rules\":") {
            true => events,
            false => events.replacen("\"format\":1,", &format!("\"format\":1,\"rules\":{RULES},"), 1),
        };
        let record = Record::from_events(events.as_bytes());
        fs::write(dir.path().join("events.jsonl"), &events).expect("events");
        fs::write(dir.path().join("record.json"), report::json(&record)).expect("a record");
        fs::write(dir.path().join("junit.xml"), report::junit(&[&record])).expect("a report");
        let rows = recompute(dir.path()).expect("a drill that can be computed again");
        let rows = rows.iter().map(|row| format!("{}: {} | {}\n", row.figure, row.recomputed, row.recorded));
        let now: String = rows.collect();
        wrong.extend(hold(&format!("{name}.txt"), &now, |frozen| {
            let gone = frozen.lines().filter(|line| !now.contains(line)).map(|line| format!("- {line}"));
            let new = now.lines().filter(|line| !frozen.contains(line)).map(|line| format!("+ {line}"));
            gone.chain(new).collect()
        }));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A verdict that the story does not support is found: the frozen stories are not merely read back.
#[test]
fn a_changed_event_changes_the_record() {
    let text = String::from_utf8(events("passed")).expect("text");
    let changed = text.replacen("\"verdict\":\"passed\",\"reason\"", "\"verdict\":\"too_late\",\"reason\"", 1);
    assert_ne!(text, changed, "the verdict of the story");
    let [before, after] = [text, changed].map(|text| Record::from_events(text.as_bytes()));
    assert!(before.passed() && !after.passed());
    assert_ne!(before.verdict, after.verdict);
}
