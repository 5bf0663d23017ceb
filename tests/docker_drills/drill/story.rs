//! A drill that has ended: its exit code, its record as it is on disk, and assertions on both that print the story.

use super::docker::Leftovers;
use super::running::Finished;
use super::{ALLOWED, PATIENCE, poll};
use firedrill::record::{
    Check, CheckOutcome, Event, FaultAfter, FaultEvent, Phase, Record, Stamped, StepStatus, Verdict,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub struct Drill {
    /// `None` when a signal ended the runner.
    pub exit: Option<i32>,
    pub took: Duration,
    pub stderr: String,
    /// The run's directory.
    pub dir: PathBuf,
    /// As `record.json` has it.
    pub record: Record,
    /// As `events.jsonl` has them.
    pub events: Vec<Stamped>,
}

impl Drill {
    /// Reads what a run wrote. `seen` are the events on standard output; of several drills the first one counts.
    pub fn gathered(exit: Option<i32>, took: Duration, stderr: String, runs: &Path, mut seen: Vec<Stamped>) -> Drill {
        let next = seen.iter().skip(1).position(|seen| matches!(seen.event, Event::Announced(_)));
        seen.truncate(next.map_or(seen.len(), |next| next + 1));
        let run = seen.iter().find_map(|seen| match &seen.event {
            Event::Announced(plan) => Some(plan.run.clone()),
            _ => None,
        });
        let run = run.unwrap_or_else(|| panic!("no drill was announced; exit {exit:?}\n{stderr}"));
        let dir = runs.join(run);
        let read = |name: &str| std::fs::read(dir.join(name)).map_err(|error| format!("{name}: {error}"));
        let record = poll("a record", PATIENCE, || firedrill::report::read_json(&read("record.json")?));
        let events: Vec<Stamped> = String::from_utf8_lossy(&read("events.jsonl").expect("events"))
            .lines()
            .map(|line| serde_json::from_str(line).expect("an event on each line"))
            .collect();
        let mut again = Record::default();
        events.iter().for_each(|event| again.apply(event));
        assert_eq!(again, record, "the record is what the events add up to");
        let common = events.iter().zip(&seen).take_while(|(written, seen)| written == seen).count();
        assert!(common == seen.len(), "what was shown is what was written, up to the point where the runner ended");
        let junit = poll("a report", PATIENCE, || read("junit.xml"));
        let junit = String::from_utf8(junit).expect("UTF-8");
        roxmltree::Document::parse(&junit).expect("well-formed XML");
        let anew = firedrill::archive::evidence::recompute(&dir).expect("a drill that can be computed again");
        let differ: Vec<_> = anew.iter().filter(|figure| !figure.is_same()).collect();
        assert!(differ.is_empty(), "computed again from the events alone: {differ:#?}\n{}", told(&events));
        Drill { exit, took, stderr, dir, record, events }
    }

    pub fn run(&self) -> &str {
        self.record.plan.as_ref().map_or("", |plan| plan.run.as_str())
    }

    pub fn project(&self) -> Option<&str> {
        self.record.stack.as_ref().map(|stack| stack.project.as_str())
    }

    /// Whether the drill itself says that the machine was too busy to measure.
    pub fn was_disturbed(&self) -> bool {
        self.record.verdict == Verdict::HarnessError && self.record.reason.contains("the measurement was disturbed")
    }

    /// Asserts the verdict, the exit code and words of the reason, and that nothing is left.
    pub fn came_to(&self, verdict: Verdict, exit: i32, words: &[&str]) -> &Self {
        assert_eq!((self.record.verdict, self.exit), (verdict, Some(exit)), "{}", self.story());
        for word in words {
            assert!(self.record.reason.contains(word), "`{word}` is not in the reason\n{}", self.story());
        }
        self.nothing_left()
    }

    /// Asserts that nothing is left, by the record and by the engine.
    pub fn nothing_left(&self) -> &Self {
        assert!(self.record.ended && !self.record.kept, "{}", self.story());
        assert_eq!(self.record.left, Vec::<String>::new(), "{}", self.story());
        assert_eq!(Leftovers::of(self.run(), self.project()), Leftovers(vec![]), "{}", self.story());
        self
    }

    /// Asserts that the run was sealed by whoever ended its story, and that it is as it was then.
    pub fn sealed(&self) -> &Self {
        let run = self.dir.to_string_lossy();
        poll("the run to be sealed", ALLOWED, || {
            let verified = Finished::of(&self.dir, &["verify", &run]);
            let intact = verified.exit == Some(0) && verified.stdout.starts_with("intact");
            if intact { Ok(()) } else { Err(format!("{}{}", verified.stdout, verified.stderr)) }
        });
        self
    }

    /// Asserts where the verdict points.
    pub fn at(&self, path: &str, line: usize) -> &Self {
        let at = self.record.at.as_ref().map(ToString::to_string);
        assert_eq!(at, Some(format!("{path}:{line}")), "{}", self.story());
        self
    }

    pub fn passed_check(&self, check: Check) -> &Self {
        let outcome = self.record.check(&check).map(|result| &result.outcome);
        assert!(matches!(outcome, Some(CheckOutcome::Passed { .. })), "{check:?}: {outcome:?}\n{}", self.story());
        self
    }

    pub fn failed_check(&self, check: Check) -> &Self {
        let outcome = self.record.check(&check).map(|result| &result.outcome);
        assert!(matches!(outcome, Some(CheckOutcome::Failed { .. })), "{check:?}: {outcome:?}\n{}", self.story());
        self
    }

    /// How a fault stood when it was asked again after the recovery.
    pub fn fault_after(&self, fault: &str, after: FaultAfter) -> &Self {
        let found = self.record.fault_record(fault).and_then(|fault| fault.after);
        assert_eq!(found, Some(after), "{}", self.story());
        self
    }

    /// Asserts that every fault that went in was undone and seen to be gone.
    pub fn reverted(&self) -> &Self {
        for fault in &self.record.faults {
            let last = fault.life.last().map(|moment| moment.what);
            assert_eq!(last, Some(FaultEvent::Reverted), "{}\n{}", fault.fault, self.story());
        }
        self
    }

    pub fn step_status(&self, title: &str) -> Option<StepStatus> {
        let step = self.record.steps.iter().find(|step| step.step.contains(title));
        step.unwrap_or_else(|| panic!("no step `{title}` was begun\n{}", self.story())).status
    }

    /// The commands that were run, as they were run.
    pub fn commands(&self) -> Vec<&str> {
        self.record.steps.iter().flat_map(|step| &step.commands).map(|command| command.text.as_str()).collect()
    }

    pub fn phases(&self) -> Vec<Phase> {
        self.record.phases.iter().map(|phase| phase.phase).collect()
    }

    /// The phase that was under way when the drill was stopped: the last one before the clean-up.
    pub fn stopped_in(&self) -> Option<Phase> {
        self.phases().into_iter().rfind(|phase| !matches!(phase, Phase::Revert | Phase::Down))
    }

    /// Text of a file of the run.
    pub fn file(&self, name: &str) -> String {
        let path = self.dir.join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Everything that happened, without the slices, for the message of an assertion that fails.
    pub fn story(&self) -> String {
        let (exit, took) = (self.exit, self.took.as_secs_f64());
        let summary = firedrill::report::summary(&self.record, None, false);
        format!("{}\nexit {exit:?} after {took:.1} s\n{}\n{summary}", told(&self.events), self.stderr)
    }
}

/// Events as lines.
pub fn told(events: &[Stamped]) -> String {
    let lines = events.iter().filter(|event| !matches!(event.event, Event::Slice(_) | Event::Announced(_)));
    let lines = lines.map(|event| format!("{:>7.2}s {:?}", event.at_us.0 as f64 / 1e6, event.event));
    lines.collect::<Vec<_>>().join("\n")
}
