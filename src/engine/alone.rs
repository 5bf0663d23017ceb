//! A runbook that is followed alone, without a scenario: nothing is broken and nobody suffers, so there is no verdict on
//! it, only what its steps did. Up and down run around it as in a drill, on every exit path.

use super::announce::{file_ref, reading_info, shown_vars, step_info};
use super::drill::removed;
use super::follow::{FollowContext, Follower, Operator, RunbookInputs};
use super::ledger::Ledger;
use super::stop::{Shutdown, Stop, caught};
use crate::record::{
    Announcement, Check, ComposeRecord, DrillTime, Event, EventSink, FileRef, Phase, RECORD_FORMAT, RULES, RunOutcome,
    StackRecord, Verdict, Windows, micros,
};
use crate::runbook::{Runbook, Step};
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

/// The first event of a runbook that is followed alone; `beside` says what it is followed on.
pub fn announce_alone(alone: &Alone<'_>, run: &str, started_utc: String, beside: &str) -> Announcement {
    let source = &alone.runbook.source;
    let name = source.path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Announcement {
        format: RECORD_FORMAT,
        tool_version: env!("CARGO_PKG_VERSION").to_string(),
        rules: RULES,
        run: run.to_string(),
        started_utc,
        scenario: name,
        title: alone.runbook.title.clone(),
        scenario_file: file_ref(source),
        runbook_file: Some(file_ref(source)),
        reading: reading_info(alone.runbook),
        programs_file: crate::programs::own_file().map(|source| file_ref(source)),
        stack_file: FileRef { path: beside.to_string(), sha256: String::new() },
        expect: Verdict::Passed,
        steps: alone.runbook.steps.iter().map(|step| step_info(step, source)).collect(),
        windows: Windows { recover_within_us: micros(alone.verify_within), ..Windows::default() },
        vars: shown_vars(alone.respond),
        alone: true,
        ..Announcement::default()
    }
}

/// Follows a runbook alone. Everything that happens is an event of `sink`.
pub async fn follow_alone(
    alone: Alone<'_>,
    announcement: Announcement,
    stack: &dyn Stack,
    ledger: Ledger,
    sink: EventSink,
    person: &mut dyn Operator,
    shutdown: &Shutdown,
) -> RunOutcome {
    sink.emit(Event::Announced(Box::new(announcement)));
    alone.notes.iter().for_each(|text| sink.note(text));
    let mut context = AloneContext { person, sink: sink.clone(), verify_within: alone.verify_within };
    let course = async {
        sink.begin(Phase::Up);
        let up = stack.up(&shutdown.cancel).await?;
        for (what, took) in [("build", up.build_took), ("up", up.up_took)] {
            sink.emit(Event::StackTook(ComposeRecord { what: what.into(), took_us: micros(took) }));
        }
        sink.emit(Event::StackUp(StackRecord { project: up.project, images: up.images, localhost: up.localhost }));
        sink.begin(Phase::Respond);
        let inputs = RunbookInputs::new(alone.runbook, alone.respond);
        let follower = Follower::new(stack, (alone.runbook, inputs), alone.respond, sink.clone(), None, &mut context);
        let steps: Vec<&Step> = alone.runbook.steps.iter().collect();
        follower.follow(&steps).await?.map_or(Ok(()), Err)
    };
    let ended = tokio::select! {
        biased;
        () = shutdown.cancel.cancelled() => Ok(Err(shutdown.interrupted())),
        ended = Box::pin(caught(course)) => ended,
    };
    let ended = ended.unwrap_or_else(|panic| Err(Stop::harness(format!("a part of Firedrill panicked: {panic}"))));
    sink.end_phase();
    let mut outcome = RunOutcome::Passed;
    if let Err(stop) = ended {
        outcome = match stop.verdict {
            Verdict::Interrupted => RunOutcome::Interrupted,
            verdict if verdict.is_harness() || verdict == Verdict::Unsteady => RunOutcome::Broken,
            _ => RunOutcome::Failed,
        };
        sink.emit(Event::Judged { verdict: stop.verdict, reason: stop.reason, at: stop.at });
    }
    sink.begin(Phase::Down);
    let left = removed(stack, "the toolbox").await.map_or_else(|why| vec![why], |down| down.left);
    sink.end_phase();
    if !left.is_empty() && outcome != RunOutcome::Interrupted {
        outcome = RunOutcome::Broken;
    }
    if shutdown.cancel.is_cancelled() {
        outcome = RunOutcome::Interrupted;
    }
    if sink.write_error().is_some() || ledger.close().is_err() {
        sink.note("the story of this run could not be written to disk");
        outcome = RunOutcome::Broken;
    }
    sink.emit(Event::Ended { left, kept: false });
    outcome
}

/// What is known where a runbook is followed alone.
struct AloneContext<'p> {
    person: &'p mut dyn Operator,
    sink: EventSink,
    verify_within: Duration,
}

#[async_trait]
impl FollowContext for AloneContext<'_> {
    fn failed(&self, check: Check, started_us: DrillTime, stop: Stop) -> Stop {
        self.sink.emit(Event::CheckEnded { check, started_us, outcome: stop.outcome() });
        stop
    }

    fn try_until(&self, begun: DrillTime) -> (DrillTime, &'static str) {
        (begun.plus(self.verify_within), "the time for it (`--timeout`)")
    }

    fn person(&mut self) -> &mut dyn Operator {
        self.person
    }
}
