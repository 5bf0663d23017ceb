//! `firedrill history` as people and CI run it: what it prints, on which stream, and how it exits.

use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

struct Project(tempfile::TempDir);

impl Project {
    fn new() -> Project {
        Project(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// A run as its events tell it, below any folder of the project.
    fn run(&self, folder: &str, day: u32, scenario: &str, verdict: &str) {
        let id = format!("202611{day:02}T020000Z-{scenario}-00{day:02}");
        let file = |path: &str| json!({"path": path, "sha256": "a".repeat(64)});
        let plan = json!({
            "type": "announced", "format": 1, "tool_version": "0.1.0", "run": id,
            "started_utc": format!("2026-11-{day:02}T02:00:00Z"), "scenario": scenario, "title": "Checkout is slow",
            "severity": null, "tags": [], "scenario_file": file("s.yaml"), "runbook_file": file("r.md"),
            "stack_file": file("c.yaml"), "control": false, "seed": 1, "expect": "passed", "slis": [], "loads": [],
            "faults": [], "steps": [], "detect": null, "vars": {},
            "windows": {
                "steady_us": 1, "impact_within_us": 1, "impact_window_us": 1, "detect_within_us": null,
                "recover_within_us": 1, "recover_hold_us": 1, "revert_hold_us": 1, "impact_none": false
            },
        });
        let events = [
            plan,
            json!({"type": "stack_up", "project": "fd-x", "images": {"db": "sha256:1"}}),
            json!({"type": "judged", "verdict": verdict, "reason": "so it was", "at": null}),
            json!({"type": "ended", "left": [], "kept": false}),
        ];
        let line = |(seq, event)| json!({"seq": seq, "at_us": 1000, "event": event}).to_string() + "\n";
        let dir = self.path().join(folder).join(id);
        fs::create_dir_all(&dir).expect("a directory");
        fs::write(dir.join("events.jsonl"), events.into_iter().enumerate().map(line).collect::<String>())
            .expect("events");
    }

    fn history(&self, arguments: &[&str]) -> String {
        said(&self.output(arguments)).replace(&self.path().display().to_string(), "PROJECT")
    }

    fn output(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
        command.arg("history").args(arguments).current_dir(self.path()).env("NO_COLOR", "1");
        command.output().expect("firedrill runs")
    }
}

fn said(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let code = output.status.code().expect("an exit code");
    if err.is_empty() { format!("exit {code}\n{out}") } else { format!("exit {code}\n{out}--- stderr\n{err}") }
}

#[test]
fn nothing_is_no_mistake() {
    let project = Project::new();
    insta::assert_snapshot!("empty", project.history(&[]));
    assert!(!project.path().join(".firedrill").exists(), "looking leaves nothing behind");
    fs::create_dir_all(project.path().join(".firedrill/runs")).expect("a directory");
    assert!(project.history(&[]).starts_with("exit 0\nThere are no runs."));
    let json: serde_json::Value = serde_json::from_slice(&project.output(&["--json"]).stdout).expect("JSON");
    assert_eq!((&json["format"], &json["runs"]), (&json!(2), &json!(0)));
}

#[test]
fn runs_are_found_read_once_and_told() {
    let project = Project::new();
    project.run(".firedrill/runs", 1, "db-pool", "passed");
    project.run(".firedrill/gamedays/20261102T010000Z-nightly-0001/runs", 2, "db-pool", "not_recovered");
    project.run(".firedrill/runs", 3, "restart-loop", "passed");
    insta::assert_snapshot!("overview", project.history(&[]));
    let again = project.output(&[]);
    assert!(again.stderr.is_empty(), "nothing new, nothing to say: {}", String::from_utf8_lossy(&again.stderr));
    insta::assert_snapshot!("scenario", project.history(&["db-pool"]));
    // Artifacts add to the same index.
    project.run("artifacts/night-4", 4, "db-pool", "passed");
    assert!(project.history(&["--from", "artifacts"]).contains("History: 4 runs of 2 scenarios"));
    fs::remove_dir_all(project.path().join("artifacts")).expect("removed");
    assert!(project.history(&["-q"]).contains("History: 4 runs of 2 scenarios"));
    fs::remove_file(project.path().join(".firedrill/history.json")).expect("removed");
    assert!(project.history(&["-q"]).contains("History: 3 runs of 2 scenarios"));
    let json = project.output(&["restart-loop", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["runs"][0]["scenario"], "restart-loop");
}

#[test]
fn mistakes_are_told() {
    let project = Project::new();
    project.run(".firedrill/runs", 1, "db-pool", "passed");
    project.run(".firedrill/runs", 2, "db-pool", "passed");
    let mut told = String::new();
    for arguments in [["--from", "nowhere"], ["--index", "notes.md"]] {
        fs::write(project.path().join("notes.md"), "# Notes of mine, and they are long enough\n").expect("a file");
        told.push_str(&format!("$ firedrill history {}\n{}\n", arguments.join(" "), project.history(&arguments)));
    }
    insta::assert_snapshot!("mistakes", told);
}

#[test]
fn what_a_trend_takes_no_notice_of_is_a_mistake() {
    let project = Project::new();
    project.run(".firedrill/runs", 1, "db-pool", "passed");
    assert!(project.history(&["trend"]).starts_with("exit 0"));
    for arguments in [&["db-pool", "trend"][..], &["--index", "x.json", "trend"]] {
        let said = project.history(arguments);
        assert!(said.starts_with("exit 2") && !project.path().join("x.json").exists(), "{arguments:?}: {said}");
    }
}

#[test]
fn a_scenario_that_never_ran_is_no_mistake() {
    let project = Project::new();
    project.run(".firedrill/runs", 1, "db-pool", "passed");
    let said = project.history(&["disk-full"]);
    assert!(said.starts_with("exit 0\nThere are no runs"), "{said}");
}
