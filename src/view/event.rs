//! An event in words, for the console while it happens and for the timeline of a report: `event.txt` has them.

use super::format::seconds;
use super::symbol::StatusSymbol;
use super::{filters, words};
use crate::output::one_line;
use crate::record::{
    AlertStation, Announcement, Check, CheckOutcome, ClockRecord, ComposeRecord, ContentRecord, DrillTime, Event,
    FaultEvent, ImpactRecord, LateRecord, Location, Phase, ReadBackRecord, RecoveryRecord, StackRecord, StepInfo,
    StepStatus, Verdict, WindowRecord,
};
use askama::Template;

#[derive(Template)]
#[template(path = "event.txt")]
struct EventWords<'a> {
    event: &'a Event,
    plan: Option<&'a Announcement>,
}

/// What an event is told in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventLine {
    /// How it came out.
    pub symbol: StatusSymbol,
    /// Whether only those want to read it who ask for more.
    pub verbose: bool,
    /// The words, on one line.
    pub text: String,
}

/// An event in words; `None` where it is worth none, or needs more than the event and the plan to be told.
pub fn event_line(event: &Event, plan: Option<&Announcement>) -> Option<EventLine> {
    let said = one_line(&super::written(&EventWords { event, plan }));
    let (verbose, said) = said.strip_prefix('v').map_or((false, said.as_str()), |said| (true, said));
    let symbol = StatusSymbol::ALL.into_iter().find(|symbol| said.starts_with(symbol.sign()))?;
    let text = said.strip_prefix(symbol.sign())?.trim_start().to_string();
    Some(EventLine { symbol, verbose, text })
}

impl EventWords<'_> {
    fn between(&self, from: &DrillTime, to: &DrillTime) -> String {
        seconds(to.0.saturating_sub(from.0))
    }

    fn fault_summary(&self, id: &str, detail: &str) -> String {
        let info = self.plan.and_then(|plan| plan.faults.iter().find(|fault| fault.id == id));
        info.map_or(detail, |info| info.summary.as_str()).to_string()
    }

    /// Number of a step, how many there are, and the step.
    fn step(&self, id: &str) -> Option<(usize, usize, &StepInfo)> {
        let steps = &self.plan?.steps;
        let at = steps.iter().position(|step| step.id == id)?;
        Some((at + 1, steps.len(), steps.get(at)?))
    }

    fn only_looked(&self, step: &str) -> Option<String> {
        self.step(step)?.2.only_looked(Some(StepStatus::Passed))
    }

    fn why(&self, reason: &Option<String>, at: &Option<Location>) -> String {
        reason.as_ref().map(|reason| format!(": {}", words::placed(at.as_ref(), reason))).unwrap_or_default()
    }

    fn is_told(&self, check: &Check, outcome: &CheckOutcome) -> bool {
        match outcome {
            CheckOutcome::Passed { .. } | CheckOutcome::Skipped { .. } => {
                matches!(check, Check::Step { .. } | Check::Injection { .. })
            }
            CheckOutcome::Failed { .. } => matches!(check, Check::Step { .. }),
            CheckOutcome::Error { .. } => false,
        }
    }
}
