//! The truth suite: drills whose verdict is known because somebody thought about the system before, each a variant of one of a
//! few scenarios and their runbooks (`cases.yaml`). They run as one game day, and what Firedrill says is compared with what is
//! true. `make truth` runs all of them and writes docs/truth.md; a part of them belongs to every run of the tests.

#[path = "../support/accepted.rs"]
mod accepted;
mod cases;
mod edits;
mod page;

use cases::{Case, CaseFiles, cases};
use firedrill::archive::read_day;
use firedrill::record::{RunDir, Verdict};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How many of ten drills may end as "the machine was too busy to measure".
const BUSY_OF_TEN: usize = 1;

/// A case and what Firedrill said.
struct Told {
    case: Case,
    said: Verdict,
    /// Its measuring was disturbed: nothing is claimed about the runbook.
    disturbed: bool,
    seconds: u64,
    reason: String,
    run: PathBuf,
}

impl Told {
    fn is_right(&self) -> bool {
        self.said == self.case.truth
    }

    fn is_busy(&self) -> bool {
        !self.is_right() && self.said == Verdict::HarnessError && self.disturbed
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn firedrill(project: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
    // The stacks lie beside the project that is written for them.
    command.current_dir(project).arg("--root").arg("/").stdin(Stdio::null());
    command
}

/// Writes the project of these cases: a scenario and a runbook for each, and the game day.
fn write_project(name: &str, cases: &[Case]) -> PathBuf {
    let project = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("truth-{name}"));
    if project.exists() {
        fs::remove_dir_all(&project).expect("the project of last time");
    }
    for folder in ["scenarios", "runbooks", "gamedays", "ops"] {
        fs::create_dir_all(project.join(folder)).expect("a folder");
    }
    for case in cases {
        let CaseFiles { scenario, runbook, ops } =
            case.files().unwrap_or_else(|error| panic!("{}: {error}", case.name()));
        for (name, text) in ops {
            fs::write(project.join("ops").join(name), text).expect("a file of alerts");
        }
        fs::write(project.join(format!("scenarios/{}.yaml", case.name())), scenario).expect("a scenario");
        if let Some(runbook) = runbook {
            let path = project.join(format!("runbooks/{}.md", case.name()));
            fs::write(&path, runbook).expect("a runbook");
            accepted::accept(&path);
        }
    }
    let names: Vec<String> = in_turns(cases).iter().map(|case| case.name()).collect();
    let day = serde_json::json!({ "title": "The truth suite", "scenarios": names });
    fs::write(project.join("gamedays/truth.yaml"), day.to_string()).expect("a game day");
    project
}

/// The first case of each family, then the second of each: drills of one family are alike, and heavy at the same moments.
fn in_turns(cases: &[Case]) -> Vec<&Case> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut all: Vec<(usize, &Case)> = Vec::new();
    for case in cases {
        let place = places.entry(&case.family).or_default();
        all.push((*place, case));
        *place += 1;
    }
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, case)| case).collect()
}

/// Runs the cases as a game day.
fn tell(name: &str, cases: Vec<Case>) -> Vec<Told> {
    let project = write_project(name, &cases);
    let days = project.join("days");
    let status =
        firedrill(&project).args(["gameday", "truth", "--no-color", "--out", "days"]).status().expect("firedrill runs");
    assert!(status.code() != Some(2), "the files are wrong: see above");
    let dir = RunDir::list(&days).expect("game days").first().expect("a game day").path().to_path_buf();
    let day = read_day(&dir).expect("its events");
    cases
        .into_iter()
        .map(|case| {
            let drill = day.drills.iter().find(|drill| drill.planned.scenario == case.name());
            let attempt = drill.and_then(|drill| drill.attempts.last());
            let attempt = attempt.unwrap_or_else(|| panic!("{} was not run", case.name()));
            let run = dir.join("runs").join(&attempt.run);
            // Every figure and the verdict once more, from the events alone.
            let again = firedrill::archive::evidence::recompute(&run).expect("a drill that can be computed again");
            let differ: Vec<_> = again.iter().filter(|figure| !figure.is_same()).collect();
            assert!(differ.is_empty(), "{} computed again differs: {differ:#?}", run.display());
            Told {
                said: attempt.verdict,
                disturbed: attempt.disturbed,
                seconds: (attempt.ended_us.unwrap_or(attempt.started_us) - attempt.started_us) / 1_000_000,
                reason: attempt.reason.clone(),
                run,
                case,
            }
        })
        .collect()
}

/// Zero wrong; a few may not have been measured.
fn judge(told: &[Told]) {
    for told in told {
        let mark = if told.is_right() {
            "right"
        } else if told.is_busy() {
            "busy "
        } else {
            "WRONG"
        };
        println!("{mark}  {:<40} truth {:<13} said {}", told.case.name(), told.case.truth.name(), told.said.name());
        if !told.is_right() {
            println!("       {}\n       {}\n       {}", told.case.why, told.reason, told.run.display());
        }
    }
    let busy = told.iter().filter(|told| told.is_busy()).count();
    let wrong: Vec<String> =
        told.iter().filter(|told| !told.is_right() && !told.is_busy()).map(|it| it.case.name()).collect();
    println!(
        "{} drills: {} right, {} wrong, {busy} not measured",
        told.len(),
        told.len() - wrong.len() - busy,
        wrong.len()
    );
    assert!(wrong.is_empty(), "wrong: {}", wrong.join(", "));
    assert!(busy * 10 <= told.len() * BUSY_OF_TEN, "too busy to measure: {busy} of {}", told.len());
}

/// The part that belongs to every run of the tests: about two minutes.
#[test]
fn the_most_telling_cases_are_told_as_they_are() {
    judge(&tell("quick", cases().into_iter().filter(|case| case.quick).collect()));
}

/// All of it; `make truth`. With TRUTH=shop-lock,carts-acl/good only these.
#[test]
#[ignore = "takes many minutes: make truth"]
fn all_cases_are_told_as_they_are() {
    let only = std::env::var("TRUTH").unwrap_or_default();
    let wanted: Vec<&str> = only.split(',').map(str::trim).filter(|it| !it.is_empty()).collect();
    let matches = |case: &Case| wanted.iter().any(|it| case.family == *it || case.path() == *it);
    let chosen: Vec<Case> = cases().into_iter().filter(|case| wanted.is_empty() || matches(case)).collect();
    assert!(!chosen.is_empty(), "no case is called {only}");
    let told = tell("all", chosen);
    page::write(&told);
    judge(&told);
}

/// What `check` refuses could not be drilled.
#[test]
fn every_case_is_a_drill() {
    let project = write_project("checked", &cases());
    let output = firedrill(&project).arg("check").output().expect("firedrill runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
