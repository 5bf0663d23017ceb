//! `firedrill verify` as people and CI run it: on run directories as drills leave them, by its output and its exit code.

use firedrill::archive::evidence::{self, CHAIN, Head, MANIFEST};
use firedrill::record::Record;
use firedrill::report;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

struct Project(tempfile::TempDir);

impl Project {
    fn new() -> Project {
        Project(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    /// A run as its events tell it, with its record, not sealed.
    fn run(&self, folder: &str, number: u32, verdict: &str) -> PathBuf {
        let id = format!("20261120T02{:02}{:02}Z-db-pool-{number:04x}", number / 60, number % 60);
        let file = |path: &str| json!({"path": path, "sha256": "a".repeat(64)});
        let plan = json!({
            "type": "announced", "format": 1, "tool_version": env!("CARGO_PKG_VERSION"), "run": id,
            "started_utc": "2026-11-20T02:00:00Z", "scenario": "db-pool", "title": "Checkout is slow",
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
            json!({"type": "judged", "verdict": verdict, "reason": "so it was", "at": null}),
            json!({"type": "ended", "left": [], "kept": false}),
        ];
        let line = |(seq, event)| json!({"seq": seq, "at_us": 1000, "event": event}).to_string() + "\n";
        let events: String = events.into_iter().enumerate().map(line).collect();
        let dir = self.path(folder).join(id);
        fs::create_dir_all(dir.join("logs")).expect("a directory");
        let record = Record::from_events(events.as_bytes());
        fs::write(dir.join("record.json"), report::json(&record)).expect("a record");
        fs::write(dir.join("events.jsonl"), events).expect("events");
        fs::write(dir.join("report.html"), "<p>").expect("a report");
        fs::write(dir.join("logs/db-1.log"), "ready\n").expect("a log");
        dir
    }

    fn sealed(&self, number: u32, verdict: &str) -> PathBuf {
        let dir = self.run(".firedrill/runs", number, verdict);
        evidence::seal(&dir, false).expect("sealed");
        dir
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
        command.arg("verify").args(arguments).current_dir(self.0.path()).env("NO_COLOR", "1");
        command
    }

    fn verify(&self, arguments: &[&str]) -> (i32, String) {
        said(self.command(arguments).output().expect("firedrill runs"))
    }
}

/// Exit code and output, hashes left out.
fn said(output: Output) -> (i32, String) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let text = format!("{out}{err}");
    let hash = |word: &str| word.rsplit(':').next().is_some_and(|hash| hash.len() == 64);
    let words = |line: &str| -> String {
        line.split(' ').map(|word| if hash(word) { "N:HASH" } else { word }).collect::<Vec<_>>().join(" ")
    };
    (output.status.code().expect("an exit code"), text.lines().map(|line| words(line) + "\n").collect())
}

#[test]
fn intact_runs_are_told_with_the_head_of_their_chain() {
    let project = Project::new();
    project.sealed(1, "passed");
    project.sealed(2, "not_recovered");
    let (exit, text) = project.verify(&[]);
    assert_eq!(exit, 0, "{text}");
    insta::assert_snapshot!("intact", text);
    // Quiet leaves the head to be written down.
    let (exit, text) = project.verify(&["--quiet"]);
    assert_eq!((exit, text.lines().count()), (0, 3), "{text}");
}

#[test]
fn what_was_changed_is_named_and_exits_with_1() {
    let project = Project::new();
    let [first, second, third] = [1, 2, 3].map(|number| project.sealed(number, "passed"));
    fs::write(first.join("logs/db-1.log"), "steady\n").expect("changed");
    fs::write(first.join("report.html"), "<b>").expect("changed");
    fs::remove_dir_all(second).expect("removed");
    fs::remove_file(third.join(MANIFEST)).expect("removed");
    project.run(".firedrill/runs", 4, "passed");
    let (exit, text) = project.verify(&[]);
    assert_eq!(exit, 1, "{text}");
    insta::assert_snapshot!("changed", text);
}

#[test]
fn a_report_that_was_made_again_is_a_warning() {
    let project = Project::new();
    let run = project.sealed(1, "passed");
    fs::write(run.join("report.html"), "<b>").expect("changed");
    let (exit, text) = project.verify(&[]);
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("warning: report.html was changed"), "{text}");
    assert!(
        text.ends_with("1 intact; reports that differ from what was sealed: 1; `firedrill report` makes them again\n"),
        "{text}"
    );
}

#[test]
fn a_chain_that_was_written_anew_is_found_by_a_head_that_was_kept() {
    let project = Project::new();
    let runs = [1, 2].map(|number| project.sealed(number, "passed"));
    let report = evidence::verify(&[project.path(".firedrill")]).expect("runs");
    let head = report.chains[0].1.head.as_ref().expect("a head").to_string();
    assert_eq!(project.verify(&["--head", &head]).0, 0);
    // Later runs do not disturb it.
    project.sealed(3, "passed");
    assert_eq!(project.verify(&["--head", &head]).0, 0);
    // Everything is forged: the verdict, the record, the manifests, the chain. By itself it is sound.
    for run in &runs {
        for file in ["events.jsonl", "record.json"] {
            let text = fs::read_to_string(run.join(file)).expect("a file");
            fs::write(run.join(file), text.replace("so it was", "as it should be")).expect("forged");
        }
    }
    fs::remove_file(project.path(".firedrill/runs").join(CHAIN)).expect("removed");
    for run in fs::read_dir(project.path(".firedrill/runs")).expect("runs").flatten() {
        fs::remove_file(run.path().join(MANIFEST)).expect("removed");
        evidence::seal(&run.path(), false).expect("sealed");
    }
    assert_eq!(project.verify(&[]).0, 0, "nothing on this disk speaks against it");
    let (exit, text) = project.verify(&["--head", &head]);
    assert_eq!(exit, 1, "{text}");
    assert!(text.contains("LOST HEAD"), "{text}");
}

#[test]
fn what_nobody_can_verify_is_no_pass() {
    let project = Project::new();
    assert_eq!(project.verify(&[]).0, 2, "no runs");
    fs::create_dir_all(project.path("empty")).expect("a directory");
    assert_eq!(project.verify(&["empty"]).0, 2, "none here");
    assert_eq!(project.verify(&["nowhere"]).0, 2);
    assert_eq!(project.verify(&["empty", "--head", "12"]).0, 2);
    let run = project.sealed(1, "passed");
    // What should be a file is a directory: it cannot be read, whoever asks.
    fs::remove_file(project.path(".firedrill/runs").join(CHAIN)).expect("removed");
    fs::create_dir(project.path(".firedrill/runs").join(CHAIN)).expect("a directory");
    let (exit, text) = project.verify(&[]);
    assert_eq!(exit, 3, "{text}");
    let (exit, text) = project.verify(&[&run.display().to_string()]);
    assert_eq!(exit, 3, "{text}");
}

#[test]
fn a_torn_chain_is_told_and_mended_by_the_next_run() {
    let project = Project::new();
    (1..=2).for_each(|number| drop(project.sealed(number, "passed")));
    let chain = project.path(".firedrill/runs").join(CHAIN);
    let whole = fs::read(&chain).expect("the chain");
    fs::write(&chain, &whole[..whole.len() - 30]).expect("torn");
    let (exit, text) = project.verify(&[]);
    assert_eq!(exit, 1, "the second run has no entry\n{text}");
    assert!(text.contains("its last line is torn"), "{text}");
    project.sealed(3, "passed");
    let (exit, text) = project.verify(&[]);
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("3 entries"), "{text}");
}

/// By real processes, each of which seals what it finds.
#[test]
fn processes_that_seal_at_once_make_one_chain() {
    const RUNS: u32 = 40;
    let project = Project::new();
    (0..RUNS).for_each(|number| drop(project.run("out", number, "passed")));
    assert_eq!(project.verify(&["out"]).0, 1, "nobody sealed them");
    let start = || -> Child {
        let mut command = project.command(&["out", "--seal", "--quiet"]);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("firedrill runs")
    };
    let children: Vec<Child> = (0..4).map(|_| start()).collect();
    for child in children {
        let (exit, text) = said(child.wait_with_output().expect("it ends"));
        assert_eq!(exit, 0, "{text}");
    }
    let (exit, text) = project.verify(&["out"]);
    assert_eq!(exit, 0, "{text}");
    let lines = fs::read_to_string(project.path("out").join(CHAIN)).expect("the chain");
    assert_eq!(lines.lines().count(), RUNS as usize, "each run once");
    assert_eq!(text.matches("sealed late").count(), RUNS as usize, "{text}");
}

#[test]
fn unpacked_artifacts_are_verified_where_they_are() {
    let project = Project::new();
    for (number, shard) in [(1, "artifacts/drills-1/out"), (2, "artifacts/drills-2/out")] {
        let run = project.run(shard, number, "passed");
        evidence::seal(&run, false).expect("sealed");
        // What was a link has become a second directory.
        let latest = run.with_file_name("latest");
        fs::create_dir(&latest).expect("a directory");
        for file in ["events.jsonl", "record.json"] {
            fs::copy(run.join(file), latest.join(file)).expect("a copy");
        }
    }
    let (exit, text) = project.verify(&["artifacts"]);
    assert_eq!(exit, 0, "{text}");
    insta::assert_snapshot!("artifacts", text);
    let other = project.run("artifacts/again/out", 1, "not_recovered");
    evidence::seal(&other, false).expect("sealed");
    let (exit, text) = project.verify(&["artifacts"]);
    assert_eq!((exit, text.matches("the copies of this run have different manifests").count()), (1, 2), "{text}");
}

#[test]
fn looking_leaves_nothing_behind() {
    let project = Project::new();
    project.sealed(1, "passed");
    let files = |dir: &Path| -> Vec<PathBuf> {
        let mut files: Vec<_> = fs::read_dir(dir).expect("a directory").flatten().map(|entry| entry.path()).collect();
        files.sort();
        files
    };
    let before = files(&project.path(".firedrill/runs"));
    project.verify(&[]);
    assert_eq!(files(&project.path(".firedrill/runs")), before);
}

/// Whoever can write every file can make all of them match; only what was kept elsewhere shows it.
#[test]
fn what_was_written_again_as_a_whole_is_found_by_the_digest_of_its_manifest() {
    let project = Project::new();
    let run = project.sealed(1, "not_recovered");
    let digest = || evidence::Digest::of(&fs::read(run.join(MANIFEST)).unwrap()).to_string();
    let kept = digest();
    let verify = |digest: &str| project.verify(&[run.to_str().unwrap(), "--manifest-sha256", digest]);
    let (code, text) = verify(&kept.to_uppercase());
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("is the manifest of a run above"), "{text}");

    fs::remove_dir_all(project.path(".firedrill/runs")).unwrap();
    project.sealed(1, "passed");
    let (code, text) = project.verify(&[]);
    assert_eq!(code, 0, "nothing on that disk speaks against it: {text}");
    let (code, text) = verify(&kept);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("NO MANIFEST") && text.contains("1 intact"), "{text}");
    assert_eq!(verify(&digest()).0, 0);
    let (code, text) = verify("12ab");
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("64 hexadecimal digits"), "{text}");
}

#[test]
fn what_is_made_of_records_is_its_owners_unless_the_file_was_there() {
    use std::os::unix::fs::PermissionsExt;
    let project = Project::new();
    let run = project.run(".firedrill/runs", 1, "passed");
    let (page, shared) = (project.path("reports/page.html"), project.path("shared.xml"));
    fs::write(&shared, "").expect("a file");
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o644)).expect("rights");
    // As most people's shells have it.
    let mut command = Command::new("sh");
    command.args(["-c", "umask 022; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_firedrill"), "report"]).arg(run);
    command.arg("--html").arg(&page).arg("--junit").arg(&shared).current_dir(project.path(""));
    let (exit, text) = said(command.output().expect("firedrill runs"));
    assert_eq!(exit, 0, "{text}");
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!([mode(&page), mode(&project.path("reports"))], [0o600, 0o700]);
    assert_eq!(mode(&shared), 0o644);
    assert!(fs::read_to_string(&shared).expect("it is there").contains("db-pool"));
}

/// Runs and a game day that an earlier version sealed, byte for byte: they stay verifiable, with the heads that were told then.
#[test]
fn what_an_earlier_version_sealed_is_intact() {
    let sealed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/records/sealed");
    let report = evidence::verify(std::slice::from_ref(&sealed)).expect("runs");
    let told: Vec<String> = report
        .runs
        .iter()
        .map(|run| {
            let problems = run.problems.iter().map(|problem| format!("; {}", problem.text)).collect::<String>();
            format!("{} {:?} {}{problems}", run.place.id, run.state, run.verdict)
        })
        .collect();
    insta::assert_snapshot!("sealed_by_an_earlier_version", told.join("\n"));
    assert!(report.problems.is_empty() && !report.is_changed(), "{:?}", report.problems);
    for head in [
        "3:5d0198624ba7e9737b0fd9d1c52b8a8927427bc063ccea21e1287c061e4c486b",
        "0:404b4d450aa4100a8aa228f482fb1aca89f8f2381112199a9e8d69c3d71db1ca",
        "0:ffbc266eb44ddb3e7bf63c26c6dad826c7c220b87a5132b7c2510a5f80d961b5",
    ] {
        let (found, told) = &evidence::kept(&[head.parse::<Head>().expect("a head")], &[], &report)[0];
        assert!(found, "{told}");
    }
}

#[test]
fn a_run_that_cannot_be_computed_again_hides_none_behind_it() {
    let project = Project::new();
    let [torn, other] = [1, 2].map(|number| project.run(".firedrill/runs", number, "passed").join("events.jsonl"));
    fs::write(torn, "{").expect("torn");
    let (code, said) = project.verify(&["--recompute"]);
    assert!(code == 3 && said.matches("cannot be computed again").count() == 2, "{said}");
    // Under the rules that the program has, and it is no drill that passed.
    let events = fs::read_to_string(&other).expect("events");
    let rules = format!("\"format\":1,\"rules\":{}", firedrill::record::RULES);
    fs::write(&other, events.replacen("\"format\":1", &rules, 1)).expect("changed");
    let (code, said) = project.verify(&["--recompute"]);
    assert!(code == 1 && said.contains("the story has no beginning") && said.contains("DIFFERS"), "{said}");
}

#[test]
fn runs_of_other_rules_are_named_and_neither_differ_nor_are_the_same() {
    let project = Project::new();
    (0..2).for_each(|number| drop(project.sealed(number, "passed")));
    let (code, said) = project.verify(&["--recompute"]);
    assert_eq!(code, 3, "{said}");
    assert_eq!(said.matches("it was made under rules 0, and this program has rules").count(), 2, "{said}");
    assert!(!said.contains("DIFFERS") && !said.contains("computed again, "), "{said}");
}
