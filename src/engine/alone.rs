//! A runbook that is followed alone, without a scenario: nothing is broken and nobody suffers, so there is no verdict on
//! it, only what its steps did. Up and down run around it as in a drill, on every exit path.

use super::announce::{file_ref, step_info};
use super::drill::{BY_SIGNAL, Shutdown, caught, micros};
use super::follow::{Broke, ByHand, FollowContext, Followed, Follower};
use super::ledger::Ledger;
use super::person::Person;
use super::stop::Stop;
use crate::record::{
    Announcement, Check, CheckOutcome, DrillTime, Event, EventSink, FileRef, Phase, RECORD_FORMAT, StepStatus, Verdict,
    Windows,
};
use crate::runbook::{Input, Runbook, Step};
use crate::spec::Respond;
use crate::stack::Stack;
use async_trait::async_trait;
use std::time::Duration;

/// What is to be followed.
pub struct Alone<'a> {
    /// The runbook: every step of it.
    pub runbook: &'a Runbook,
    /// How.
    pub respond: &'a Respond,
    /// How long a step that verifies is tried again.
    pub verify_within: Duration,
    /// What is said to people before it begins, a line each.
    pub notes: Vec<String>,
}

/// What it came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AloneOutcome {
    /// Every step did what it should, or was skipped.
    Followed,
    /// A step did not.
    StepFailed,
    /// Firedrill or its environment broke.
    Broken,
    /// Somebody stopped it.
    Interrupted,
}

/// The first event of a runbook that is followed alone; `beside` says what it is followed on.
pub fn announce_alone(alone: &Alone<'_>, run: &str, started_utc: String, beside: &str) -> Announcement {
    let source = &alone.runbook.source;
    let name = source.path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let vars = alone.respond.vars.iter();
    Announcement {
        format: RECORD_FORMAT,
        tool_version: env!("CARGO_PKG_VERSION").to_string(),
        run: run.to_string(),
        started_utc,
        scenario: name,
        title: alone.runbook.title.clone(),
        severity: None,
        tags: Vec::new(),
        scenario_file: file_ref(source),
        runbook_file: Some(file_ref(source)),
        reading: super::announce::reading_info(alone.runbook),
        programs_file: crate::programs::own_file().map(|source| file_ref(source)),
        stack_file: FileRef { path: beside.to_string(), sha256: String::new() },
        control: false,
        seed: 0,
        expect: Verdict::Passed,
        slis: Vec::new(),
        loads: Vec::new(),
        faults: Vec::new(),
        steps: alone.runbook.steps.iter().map(|step| step_info(step, source)).collect(),
        detect: None,
        windows: Windows {
            steady_us: 0,
            impact_within_us: 0,
            impact_window_us: 0,
            detect_within_us: None,
            recover_within_us: micros(alone.verify_within),
            recover_hold_us: 0,
            recover_cleared: false,
            revert_hold_us: 0,
            impact_below: None,
            impact_none: false,
        },
        vars: vars
            .map(|(name, var)| (name.clone(), if var.secret { "***".into() } else { var.value.clone() }))
            .collect(),
        runbook_text: None,
        revision: None,
        occasion: None,
        description: None,
        owner: None,
        rto_us: None,
        invariants: Vec::new(),
        restore: None,
        executed: None,
        alone: true,
    }
}

/// Follows a runbook alone. Everything that happens is an event of `sink`.
pub async fn follow_alone(
    alone: Alone<'_>,
    announcement: Announcement,
    stack: &dyn Stack,
    mut ledger: Ledger,
    sink: EventSink,
    person: &mut dyn Person,
    shutdown: &Shutdown,
) -> AloneOutcome {
    sink.emit(Event::Announced(Box::new(announcement)));
    alone.notes.iter().for_each(|text| sink.emit(Event::Note { text: text.clone() }));
    let mut trial = Trial { person, verify_within: alone.verify_within, phase: None };
    let ended = tokio::select! {
        biased;
        () = shutdown.cancel.cancelled() => Ok(Err(Stop::new(Verdict::Interrupted, BY_SIGNAL))),
        ended = caught(follow(&alone, stack, &sink, &mut trial, shutdown)) => ended,
    };
    let ended = ended.unwrap_or_else(|panic| Err(Stop::harness(format!("a part of Firedrill panicked: {panic}"))));
    if let Some(phase) = trial.phase.take() {
        sink.emit(Event::PhaseEnded { phase });
    }
    let mut outcome = AloneOutcome::Followed;
    if let Err(stop) = ended {
        outcome = match stop.verdict {
            Verdict::Interrupted => AloneOutcome::Interrupted,
            verdict if verdict.is_harness() => AloneOutcome::Broken,
            Verdict::Unsteady => AloneOutcome::Broken,
            _ => AloneOutcome::StepFailed,
        };
        sink.emit(Event::Judged { verdict: stop.verdict, reason: stop.reason, at: stop.at });
    }
    sink.emit(Event::PhaseStarted { phase: Phase::Down });
    let down = caught(stack.down()).await.map_err(|panic| format!("a panic: {panic}"));
    let left = match down.and_then(|down| down.map_err(|error| error.to_string())) {
        Ok(down) => down.left,
        Err(error) => vec![format!("the toolbox could not be removed: {error}; `firedrill sweep` removes it")],
    };
    sink.emit(Event::PhaseEnded { phase: Phase::Down });
    if !left.is_empty() && outcome != AloneOutcome::Interrupted {
        outcome = AloneOutcome::Broken;
    }
    if shutdown.cancel.is_cancelled() {
        outcome = AloneOutcome::Interrupted;
    }
    if sink.write_error().is_some() || ledger.close().is_err() {
        sink.emit(Event::Note { text: "the story of this run could not be written to disk".into() });
        outcome = AloneOutcome::Broken;
    }
    sink.emit(Event::Ended { left, kept: false });
    outcome
}

async fn follow(
    alone: &Alone<'_>,
    stack: &dyn Stack,
    sink: &EventSink,
    trial: &mut Trial<'_>,
    shutdown: &Shutdown,
) -> Result<(), Stop> {
    trial.phase = Some(Phase::Up);
    sink.emit(Event::PhaseStarted { phase: Phase::Up });
    let up = stack.up(&shutdown.cancel).await?;
    for (what, took) in [("build", up.build_took), ("up", up.up_took)] {
        sink.emit(Event::ComposeTook { what: what.into(), took_us: micros(took) });
    }
    sink.emit(Event::StackUp { project: up.project, images: up.images, localhost: up.localhost });
    sink.emit(Event::PhaseEnded { phase: Phase::Up });
    trial.phase = Some(Phase::Respond);
    sink.emit(Event::PhaseStarted { phase: Phase::Respond });
    let mut follower = Follower::new(stack, alone.runbook, alone.respond, sink.clone(), None);
    let followed = steps(alone, &mut follower, sink, trial).await;
    follower.end().await;
    followed
}

async fn steps(
    alone: &Alone<'_>,
    follower: &mut Follower<'_>,
    sink: &EventSink,
    trial: &mut Trial<'_>,
) -> Result<(), Stop> {
    for step in &alone.runbook.steps {
        let (id, started_us) = (step.id.clone(), sink.now());
        sink.emit(Event::StepStarted { step: id.clone() });
        let ended = follower.step(step, trial).await;
        let check = Check::Step { step: id.clone() };
        match ended {
            Ok(Followed { status, reason, evidence }) => {
                sink.emit(Event::StepEnded { step: id, status, reason, at: None });
                let outcome = match status {
                    StepStatus::Skipped => CheckOutcome::Skipped { reason: evidence },
                    _ => CheckOutcome::Passed { evidence },
                };
                sink.emit(Event::CheckEnded { check, started_us, outcome });
            }
            Err(Broke::Drill(stop) | Broke::Verification(stop)) => {
                let status =
                    if stop.verdict == Verdict::StepBlocked { StepStatus::Blocked } else { StepStatus::Failed };
                let (reason, at) = (stop.reason.clone(), stop.at.clone());
                sink.emit(Event::StepEnded { step: id, status, reason: Some(reason.clone()), at: at.clone() });
                let outcome = match stop.verdict.is_harness() {
                    true => CheckOutcome::Error { reason, at },
                    false => CheckOutcome::Failed { reason, at },
                };
                sink.emit(Event::CheckEnded { check, started_us, outcome });
                return Err(stop);
            }
        }
    }
    Ok(())
}

/// What one who tries a runbook knows.
struct Trial<'p> {
    person: &'p mut dyn Person,
    verify_within: Duration,
    /// The one under way.
    phase: Option<Phase>,
}

#[async_trait]
impl FollowContext for Trial<'_> {
    async fn before(&mut self, _step: &Step, _command: &str) -> Result<(), Stop> {
        Ok(())
    }

    fn after(&mut self) -> Result<(), Stop> {
        Ok(())
    }

    fn try_until(&self, begun: DrillTime) -> (DrillTime, &'static str) {
        (begun.plus(self.verify_within), "the time for it (`--timeout`)")
    }

    fn how_to_give(&self, names: &[&str]) -> String {
        let mut names: Vec<String> = names.iter().map(|name| format!("--var {name}=…")).collect();
        names.dedup();
        format!("give it with `{}`", names.join(" "))
    }

    async fn by_hand(&mut self, step: &Step) -> Result<ByHand, Stop> {
        Ok(self.person.by_hand(step).await)
    }

    async fn value_of(&mut self, input: &Input) -> Option<String> {
        self.person.value_of(input).await
    }
}
