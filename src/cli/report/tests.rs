//! The command on directories as drills leave them: what it writes, and its exit code.

use super::*;
use crate::cli::Globals;
use crate::record::Event;
use crate::record::testing::{Story, events_of, lines_of};
use std::fs;

fn globals(project: &Path) -> Globals {
    Globals { quiet: true, verbose: 0, no_color: true, project: project.to_path_buf(), root: None }
}

fn args() -> ReportArgs {
    ReportArgs {
        kind: None,
        paths: Vec::new(),
        html: None,
        markdown: None,
        junit: None,
        json: None,
        csv: None,
        annotations: false,
        exit_code: false,
    }
}

/// A run as one that was killed leaves it: events and nothing else.
fn run_dir(root: &Path, id: &str, story: Story) -> PathBuf {
    let dir = root.join(id);
    fs::create_dir_all(&dir).unwrap();
    let mut events = events_of(story);
    if let Event::Announced(plan) = &mut events[0].event {
        plan.run = id.to_string();
    }
    fs::write(dir.join("events.jsonl"), lines_of(&events)).unwrap();
    fs::write(dir.join("lock"), "").unwrap();
    dir
}

#[tokio::test]
async fn every_report_of_what_lies_below_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    run_dir(&dir.path().join("a/runs"), "20261120T020001Z-db-pool-0001", Story::Passed);
    run_dir(&dir.path().join("b/runs"), "20261120T020002Z-db-pool-0002", Story::StepFailed);
    let out = dir.path().join("out/deep");
    let asked = ReportArgs {
        paths: vec![dir.path().join("a"), dir.path().join("b")],
        markdown: Some(out.join("report.md")),
        junit: Some(out.join("junit.xml")),
        json: Some(out.join("report.json")),
        ..args()
    };
    let exit = run(asked, &globals(dir.path())).await.unwrap();
    assert_eq!(exit, Exit::Passed, "the reports were made, whatever they say");
    let markdown = fs::read_to_string(out.join("report.md")).unwrap();
    assert!(markdown.starts_with("### ✗ 2 drills, 1 passed, 1 failed\n"), "{markdown}");
    assert!(fs::read_to_string(out.join("junit.xml")).unwrap().contains("name=\"db-pool (2)\""));
    assert!(fs::read_to_string(out.join("report.json")).unwrap().contains("\"exit_code\": 1"));
}

#[tokio::test]
async fn the_exit_code_is_that_of_the_drills_when_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let of = |story, id| ReportArgs { paths: vec![run_dir(dir.path(), id, story)], exit_code: true, ..args() };
    let globals = globals(dir.path());
    let all = [
        (Story::Passed, "20261120T020001Z-a-0001", Exit::Passed),
        (Story::NotRecovered, "20261120T020002Z-a-0001", Exit::Failed),
        (Story::Killed, "20261120T020003Z-a-0001", Exit::Harness),
        (Story::Interrupted, "20261120T020004Z-a-0001", Exit::Interrupted),
    ];
    for (story, id, exit) in all {
        assert_eq!(run(of(story, id), &globals).await.unwrap(), exit, "{story:?}");
    }
}

#[tokio::test]
async fn a_report_that_cannot_be_written_keeps_no_other_from_it() {
    let dir = tempfile::tempdir().unwrap();
    let run_dir = run_dir(dir.path(), "20261120T020001Z-a-0001", Story::Passed);
    fs::write(dir.path().join("file"), "").unwrap();
    let asked = ReportArgs {
        paths: vec![run_dir],
        markdown: Some(dir.path().join("file/report.md")),
        json: Some(dir.path().join("report.json")),
        ..args()
    };
    let error = run(asked, &globals(dir.path())).await.unwrap_err();
    assert_eq!(error.exit, Exit::Harness);
    assert!(error.message.contains("file/report.md"), "{error}");
    assert!(dir.path().join("report.json").is_file());
}

#[test]
fn without_a_path_the_newest_that_is_a_drill() {
    let dir = tempfile::tempdir().unwrap();
    let chosen = || {
        let choice = choose(&[], dir.path()).map_err(|error| error.to_string())?;
        Ok::<_, String>(choice.0.records[0].plan.as_ref().unwrap().run.clone())
    };
    assert!(chosen().unwrap_err().contains("neither a drill nor a game day"));
    let runs = dir.path().join(".firedrill/runs");
    run_dir(&runs, "20261120T020001Z-a-0001", Story::Passed);
    run_dir(&runs, "20261120T020002Z-a-0001", Story::Killed);
    assert_eq!(chosen().unwrap(), "20261120T020002Z-a-0001");
    let day = dir.path().join(".firedrill/gamedays/20261120T020003Z-nightly-0001");
    run_dir(&day.join("runs"), "20261120T020004Z-a-0001", Story::Passed);
    fs::write(day.join("gameday.jsonl"), "{\"at_us\":0,\"event\":{\"type\":\"day_announced\"}}\n").unwrap();
    assert_eq!(chosen().unwrap(), "20261120T020004Z-a-0001");
    assert_eq!(choose(&[], dir.path()).map(|c| c.0.days.len()).unwrap_or(0), 1, "with its game day");
    // A runbook alone is newer, and no drill.
    let alone = run_dir(&runs, "20261120T020005Z-a-0001", Story::Passed);
    let events = fs::read_to_string(alone.join("events.jsonl")).unwrap();
    fs::write(alone.join("events.jsonl"), events.replacen("\"scenario\":", "\"alone\":true,\"scenario\":", 1)).unwrap();
    assert_eq!(chosen().unwrap(), "20261120T020004Z-a-0001");
}

/// A run of which only a directory is left.
fn unreadable(root: &Path, id: &str) {
    let dir = root.join(id);
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("events.jsonl"), "").unwrap();
}

#[tokio::test]
async fn what_cannot_be_read_has_not_passed_in_any_report() {
    let dir = tempfile::tempdir().unwrap();
    run_dir(dir.path(), "20261120T020001Z-a-0001", Story::Passed);
    unreadable(dir.path(), "20261120T020002Z-a-0001");
    let files = ["junit.xml", "report.html", "report.md", "report.json"].map(|name| dir.path().join(name));
    let [junit, html, markdown, json] = files.clone().map(Some);
    let paths = vec![dir.path().to_path_buf()];
    let asked = ReportArgs { paths, junit, html, markdown, json, exit_code: true, ..args() };
    assert_eq!(run(asked, &globals(dir.path())).await.unwrap(), Exit::Harness);
    let [junit, html, markdown, json] = files.map(|file| fs::read_to_string(file).unwrap());
    assert!(junit.contains("errors=\"1\"") && junit.contains("could not be read"), "{junit}");
    assert!(html.contains("; 1 could not be read") && html.contains("Not in this report"), "{html}");
    assert!(!markdown.starts_with("### ✓") && markdown.contains("cannot be read"), "{markdown}");
    assert!(json.contains("\"exit_code\": 3") && json.contains("has no beginning"), "{json}");
    let choice = choose(&[dir.path().to_path_buf()], dir.path()).map_err(|error| error.to_string()).unwrap();
    let text = summary(&choice.0, &choice.1, &globals(dir.path()));
    assert!(text.contains("not in this report, because it cannot be read"), "{text}");
}

#[test]
fn a_newest_drill_that_cannot_be_read_is_not_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().join(".firedrill/runs");
    run_dir(&runs, "20261120T020001Z-a-0001", Story::Passed);
    unreadable(&runs, "20261120T020002Z-a-0001");
    let told = choose(&[], dir.path()).err().map(|error| error.to_string()).unwrap();
    assert!(told.contains("20261120T020002Z-a-0001") && told.contains("has no beginning"), "{told}");
}

#[test]
fn what_is_under_way_is_not_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let id = "20261120T020001Z-a-0001";
    let path = run_dir(dir.path(), id, Story::Killed);
    let lock = fs::File::open(path.join("lock")).unwrap();
    let day = dir.path().join("20261120T020000Z-nightly-0001");
    fs::create_dir_all(&day).unwrap();
    fs::write(day.join("gameday.jsonl"), "{\"at_us\":0,\"event\":{\"type\":\"day_announced\"}}\n").unwrap();
    let day_lock = fs::File::create(day.join("lock")).unwrap();
    let told = || {
        let asked = [dir.path().to_path_buf()];
        let drills = choose(&asked, dir.path()).map_err(|error| error.to_string()).unwrap().0;
        report::overview(&drills, false) + &String::from_utf8_lossy(&report::html(&drills))
    };
    assert!(told().contains("cut off") && !told().contains("under way"), "{}", told());
    lock.lock().unwrap();
    day_lock.lock().unwrap();
    assert!(told().contains("under way") && !told().contains("cut off"), "{}", told());
}
