//! Game days on real Docker: drills side by side, one that fails and one whose stack does not build beside them, a retry, a
//! budget, and kill -9 in the middle.

use crate::drill::{
    ALLOWED, DB_POOL, Leftovers, PATIENCE, Project, RESTARTS, Shipped, UPSTREAM, containers, edit, poll,
};
use firedrill::archive::{read_day, read_run};
use firedrill::record::{Cause, Day, DrillStatus, RunDir, RunOutcome, Verdict};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// How often a game day is run again of which a drill was disturbed each time.
const AGAIN: usize = 1;

/// Shipped scenarios in one project.
fn project(all: &[Shipped]) -> Project {
    let project = Project::shipped(DB_POOL, &[], &[]);
    for shipped in all {
        let other = Project::shipped(*shipped, &[], &[]);
        for path in [format!("scenarios/{}.yaml", shipped.name()), format!("runbooks/{}.md", shipped.name())] {
            project.write(&path, &other.read(&path));
        }
    }
    project
}

/// The program on its way through a game day.
struct Running {
    child: Child,
    days: PathBuf,
    said: PathBuf,
}

impl Running {
    fn start(project: &Project, args: &[&str]) -> Running {
        let (days, said) = (project.path().join("days"), project.path().join("said.txt"));
        let file = File::create(&said).expect("a file");
        let child = Command::new(env!("CARGO_BIN_EXE_firedrill"))
            .args(["gameday", "nightly", "--out", "days"])
            .args(args)
            .current_dir(project.path())
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a file"))
            .stderr(file)
            .spawn()
            .expect("firedrill runs");
        Running { child, days, said }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.said).expect("what it said")
    }

    /// The directory of the game day, once there is one.
    fn dir(&self) -> Result<PathBuf, String> {
        let days = RunDir::list(&self.days).map_err(|error| error.to_string())?;
        days.first().map(|day| day.path().to_path_buf()).ok_or_else(|| format!("no game day yet\n{}", self.said()))
    }

    fn day(&self) -> Result<Day, String> {
        read_day(&self.dir()?).map_err(|error| error.to_string())
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(pid, signal).expect("it runs");
    }

    /// Waits for its end.
    fn end(mut self) -> Ended {
        let mut last = String::new();
        let exit = poll("the end of the game day", PATIENCE + PATIENCE, || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status.code()),
            other => {
                last = self.said();
                Err(format!("{other:?}\n{last}"))
            }
        });
        let dir = self.dir().expect("its directory");
        let ended = Ended { exit, day: self.day().expect("its events"), said: self.said(), dir };
        ended.nothing_left();
        ended
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Of a test that failed: the reapers remove the drills.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A game day that is over.
struct Ended {
    exit: Option<i32>,
    day: Day,
    said: String,
    dir: PathBuf,
}

impl Ended {
    fn runs(&self) -> Vec<RunDir> {
        RunDir::list(&self.dir.join("runs")).expect("its runs")
    }

    fn nothing_left(&self) {
        for run in self.runs() {
            poll("nothing is left", ALLOWED + ALLOWED, || {
                let left = Leftovers::of(run.id(), None);
                if left.is_empty() { Ok(()) } else { Err(format!("{}: {left}", run.id())) }
            });
        }
    }

    fn status(&self, scenario: &str) -> DrillStatus {
        let drill = self.day.drills.iter().find(|drill| drill.planned.scenario == scenario);
        drill.unwrap_or_else(|| panic!("no {scenario}\n{}", self.said)).status()
    }

    /// Whether the machine was too busy for one of its drills each time.
    fn was_disturbed(&self) -> bool {
        self.day.drills.iter().any(|drill| !drill.attempts.is_empty() && drill.telling().next().is_none())
    }
}

/// Its project is returned as well, because its files go with it.
fn undisturbed(run: impl Fn() -> (Project, Ended)) -> (Project, Ended) {
    for _ in 0..AGAIN {
        let (project, ended) = run();
        if !ended.was_disturbed() {
            return (project, ended);
        }
        println!("run again\n{}", ended.said);
    }
    run()
}

fn parses(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    roxmltree::Document::parse(&text).expect("well-formed XML");
}

#[test]
fn three_side_by_side_pass_and_each_has_its_own_record() {
    let (_project, ended) = undisturbed(|| {
        let project = project(&[UPSTREAM, RESTARTS]);
        let file = "title: All\nscenarios: [db-pool, upstream-503, restart-loop]\nseed: 7\n";
        project.write("gamedays/nightly.yaml", file);
        let ended = Running::start(&project, &["--junit", "out/junit.xml"]).end();
        parses(&project.path().join("out/junit.xml"));
        parses(&ended.dir.join("junit.xml"));
        for name in ["gameday.json", "gameday.jsonl", "lock", "files/nightly.yaml"] {
            assert!(ended.dir.join(name).exists(), "{name}");
        }
        assert!(ended.dir.parent().expect("days").join("latest").exists());
        (project, ended)
    });
    let Ended { exit, day, said, .. } = &ended;
    assert_eq!(*exit, Some(0), "{said}");
    let account = day.account();
    assert_eq!((account.planned, account.passed), (3, 3), "{said}");
    assert!(day.ended && day.images_us.is_some() && day.damage.is_empty(), "{day:?}");
    for drill in &day.drills {
        let last = drill.attempts.last().expect("an attempt");
        let record = read_run(&ended.dir.join("runs").join(&last.run)).expect("its record");
        let plan = record.plan.as_ref().expect("a plan");
        let occasion = plan.occasion.as_ref().expect("its occasion");
        assert_eq!((occasion.day.as_str(), occasion.number), (day.plan.id.as_str(), drill.planned.number));
        assert_eq!((plan.scenario.as_str(), occasion.attempt), (drill.planned.scenario.as_str(), last.attempt));
        assert_eq!(record.verdict, last.verdict);
    }
    assert!(said.contains("nightly: 3 drills, 3 passed") && said.contains("times that"), "{said}");
}

#[test]
fn one_that_fails_and_one_that_does_not_build_leave_the_other_alone() {
    let (_project, ended) = undisturbed(|| {
        let project = project(&[UPSTREAM]);
        // The mitigation leaves the breaker closed, and the next step sees it.
        let runbook = project.read("runbooks/upstream-503.md");
        project.write(
            "runbooks/upstream-503.md",
            &edit(&runbook, &[("{\"state\": \"open\"}", "{\"state\": \"closed\"}")]),
        );
        let text = project.read("scenarios/db-pool.yaml");
        let stack = text.lines().find(|line| line.starts_with("stack: ")).expect("a stack");
        project.write("scenarios/unbuilt.yaml", &text.replace(stack, "stack: ../broken/compose.yaml"));
        let compose =
            "services:\n  checkout: { build: ., expose: [8080, 9100] }\n  db: { image: 'debian:bookworm-slim' }\n";
        project.write("broken/compose.yaml", compose);
        project.write("broken/Dockerfile", "FROM debian:bookworm-slim\nRUN exit 42\n");
        project.write("gamedays/nightly.yaml", "title: All\nscenarios: [unbuilt, upstream-503, db-pool]\nretry: 1\n");
        let ended = Running::start(&project, &[]).end();
        (project, ended)
    });
    let said = &ended.said;
    assert_eq!(ended.status("db-pool"), DrillStatus::Passed, "{said}");
    assert_eq!(ended.status("unbuilt"), DrillStatus::Broken, "{said}");
    assert_eq!(ended.status("upstream-503"), DrillStatus::Failed, "{said}");
    assert_eq!(ended.exit, Some(3), "{said}");
    let of = |scenario: &str| ended.day.drills.iter().find(|drill| drill.planned.scenario == scenario).expect("it");
    let unbuilt = &of("unbuilt").attempts;
    assert!(unbuilt[0].reason.contains("does not build") && unbuilt.len() == 1, "{unbuilt:?}");
    let retried = &of("upstream-503").attempts;
    assert!(retried.iter().any(|attempt| attempt.cause == Cause::Retry), "{retried:?}");
    assert!(said.contains("runbooks/upstream-503.md:"), "the place of the failure\n{said}");
}

#[test]
fn a_runner_that_is_killed_leaves_nothing_and_a_readable_story() {
    let project = project(&[UPSTREAM, RESTARTS]);
    project.write("gamedays/nightly.yaml", "title: All\nscenarios: [db-pool, upstream-503, restart-loop]\n");
    let running = Running::start(&project, &[]);
    // Two of them are up, or on their way.
    let begun = poll("two drills", PATIENCE, || {
        let day = running.day()?;
        let open = |day: &Day| -> Vec<String> {
            let attempts = day.drills.iter().flat_map(|drill| &drill.attempts);
            attempts.filter(|attempt| attempt.ended_us.is_none()).map(|attempt| attempt.run.clone()).collect()
        };
        let runs = open(&day);
        let up = |run: &String| !containers(run, "checkout").is_empty();
        if runs.len() >= 2 && runs.iter().all(up) { Ok(runs) } else { Err(format!("{runs:?}\n{}", running.said())) }
    });
    running.signal(Signal::KILL);
    let ended = running.end();
    assert_eq!(ended.exit, None, "a signal ended it");
    assert!(!ended.day.ended && ended.day.damage.is_empty(), "{:?}", ended.day);
    for run in &begun {
        let record = poll("its record", ALLOWED, || {
            let record = read_run(&ended.dir.join("runs").join(run)).map_err(|error| error.to_string())?;
            if record.ended { Ok(record) } else { Err("it has no end".into()) }
        });
        assert_eq!((record.verdict, record.passed()), (Verdict::Incomplete, false), "{}", record.reason);
        assert!(record.reason.contains("the runner was killed"), "{}", record.reason);
    }
    let account = ended.day.account();
    assert!(account.incomplete >= 2 && account.incomplete + account.not_run + account.passed == 3, "{account:?}");
    // The reapers sealed the runs, and the last of them the game day.
    poll("everything to be sealed", ALLOWED, || {
        let verified = project.firedrill(&["verify", "days"]);
        let sealed = verified.stdout.matches("intact ").count() > begun.len() && verified.exit == Some(0);
        if sealed { Ok(()) } else { Err(format!("{}{}", verified.stdout, verified.stderr)) }
    });
}

#[test]
fn the_end_of_the_budget_and_a_signal_undo_what_runs_and_say_why() {
    let project = project(&[]);
    project.write("gamedays/nightly.yaml", "title: One\nscenarios: [{ scenario: db-pool, repeat: 2 }]\n");
    // Long windows, of which the plan does not know that they will not do.
    let text = project.read("scenarios/db-pool.yaml").replace("within: 30s, hold: 2s }", "within: 300s, hold: 200s }");
    project.write("scenarios/db-pool.yaml", &text);
    let running = Running::start(&project, &["--parallel", "1"]);
    poll("the drill", PATIENCE, || {
        match running.day()?.drills.first().is_some_and(|drill| !drill.attempts.is_empty()) {
            true => Ok(()),
            false => Err(running.said()),
        }
    });
    running.signal(Signal::TERM);
    let ended = running.end();
    assert_eq!(ended.exit, Some(130), "{}", ended.said);
    let [first, second] = &ended.day.drills[..] else { panic!("{:?}", ended.day) };
    assert_eq!(first.attempts[0].outcome, Some(RunOutcome::Interrupted));
    assert_eq!((first.status(), second.status()), (DrillStatus::Interrupted, DrillStatus::NotRun));
    assert!(second.not_run.as_ref().is_some_and(|why| why.contains("SIGTERM")), "{second:?}");

    std::fs::remove_dir_all(project.path().join("days")).expect("the first game day");
    project.write("gamedays/nightly.yaml", "title: One\nscenarios: [{ scenario: db-pool, repeat: 2 }]\nbudget: 1s\n");
    let ended = Running::start(&project, &[]).end();
    assert_eq!(ended.exit, Some(3), "{}", ended.said);
    assert!(ended.day.drills.iter().all(|drill| drill.status() == DrillStatus::NotRun), "{}", ended.said);
    assert!(ended.said.contains("time budget of 1s"), "{}", ended.said);
}
