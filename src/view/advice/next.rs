//! What to do next, by verdict: `next.txt` says it, here is what it needs to know.

use super::restore::restore;
use super::{FollowedStep, followed, helping, listed};
use crate::output::one_line;
use crate::record::{
    Announcement, CommandRecord, DrillStatus, FaultAfter, InvariantRecord, InvariantTime, Record, StepStatus, Verdict,
};
use crate::view::words::served_beside;
use crate::view::{advice, filters, restore, template_lines, words};
use askama::Template;

#[derive(Template)]
#[template(path = "advice/next.txt")]
struct NextText<'a> {
    record: &'a Record,
    plan: &'a Announcement,
    runbook: &'a str,
    reason: String,
    /// What a pass does not show.
    beside: Option<String>,
    /// What a restore missed.
    restore: Vec<String>,
    /// How many steps were to help, and which.
    helping: usize,
    steps: String,
    by_hand: String,
    /// The command at which a step failed, and whether that step only checks.
    failed: Option<(&'a CommandRecord, bool)>,
}

/// What to do next.
pub fn next(record: &Record) -> Vec<String> {
    let Some(plan) = record.plan.as_deref() else {
        return vec!["Look at `events.jsonl` in the run's directory.".into()];
    };
    let (all, helping) = (followed(record), helping(record));
    let by_hand = |(info, step): &&FollowedStep<'_>| {
        info.manual && info.phase == "mitigate" && step.status == Some(StepStatus::Skipped)
    };
    let by_hand: Vec<FollowedStep<'_>> = all.iter().filter(by_hand).copied().collect();
    let failed = all.iter().find(|(_, step)| step.status == Some(StepStatus::Failed));
    let failed = failed.and_then(|(info, step)| {
        Some((step.commands.iter().rfind(|command| !command.background)?, info.phase == "verify"))
    });
    let runbook = plan.runbook_file.as_ref().map_or("the runbook", |file| file.path.as_str());
    template_lines(&NextText {
        record,
        plan,
        runbook,
        reason: one_line(&record.reason),
        beside: served_beside(record).filter(|_| record.passed()),
        restore: restore(record, runbook),
        helping: helping.len(),
        steps: listed(&helping),
        by_hand: listed(&by_hand),
        failed,
    })
}

impl NextText<'_> {
    fn ended(&self, by: FaultAfter) -> bool {
        self.record.faults.iter().any(|fault| fault.after == Some(by))
    }

    fn helping_or_runbook(&self) -> String {
        if self.helping == 0 { format!("`{}`", self.runbook) } else { self.steps.clone() }
    }
}

/// The command that runs the same drill: by its name where that finds the file, and the control as the control.
fn again(plan: &Announcement) -> String {
    let path = one_line(&plan.scenario_file.path);
    let by_name = ["yaml", "yml"].iter().any(|end| path == format!("scenarios/{}.{end}", plan.scenario));
    let what = match by_name || path.is_empty() {
        true => one_line(&plan.scenario),
        false if path.contains(char::is_whitespace) => format!("'{path}'"),
        false => path,
    };
    format!("firedrill scenario {what}{}", if plan.control { " --control" } else { "" })
}

/// What a pass does not show, a line each: that users would not have recovered without the runbook, where no control is known, and that nothing
/// was lost, where an invariant had nothing to lose.
pub fn not_shown(record: &Record) -> Vec<String> {
    let is_pass = record.verdict == Verdict::Passed && !record.is_control();
    let Some(plan) = record.plan.as_ref().filter(|_| is_pass) else { return Vec::new() };
    let by_runbook = record.mitigation_started_us.is_some() && record.recovered_us().is_some();
    let control = (by_runbook && !words::control_excludes(record) && words::healed_in_control(record).is_none()).then(|| {
        format!(
            "users might have recovered by themselves: no control of this scenario, stack and images was known when the drill began, or none \
             that watched for so long; `{} --control` shows whether they do",
            again(plan)
        )
    });
    let had_nothing = |answer: &&InvariantRecord| {
        let info = plan.invariants.iter().find(|info| info.name == answer.name);
        // Of what must be 0 or little nothing can be lost.
        let may_lose =
            info.is_some_and(|info| info.expected == "as before the fault" || info.expected.starts_with('>'));
        let value = answer.value.as_ref().and_then(|value| value.trim().parse::<f64>().ok());
        answer.time == InvariantTime::Steady && may_lose && value == Some(0.0)
    };
    let weak = record.invariants.iter().filter(had_nothing).map(|answer| {
        format!("the invariant `{}` was 0 before the fault: it cannot show whether anything was lost", answer.name)
    });
    control.into_iter().chain(weak).collect()
}

/// The invariant that did not hold, where it stands and what was seen.
fn lost(record: &Record) -> String {
    let lost = record.invariants.iter().rfind(|answer| !answer.held);
    let info = lost.and_then(|lost| record.plan.as_ref()?.invariants.iter().find(|info| info.name == lost.name));
    match (lost, info) {
        (Some(lost), Some(info)) => {
            let evidence = one_line(&lost.evidence);
            format!("the invariant `{}` (`{}`) did not hold {}: {evidence}", lost.name, info.at, lost.time.words())
        }
        _ => one_line(&record.reason),
    }
}

/// What to do next about a drill that has no record, or whose attempts together say more than the last one.
pub fn of_status(status: DrillStatus) -> Option<&'static str> {
    match status {
        DrillStatus::Flaky => Some(
            "Compare the attempts below: what differs between them is the lead. It failed and then passed without a change, and counts as flaky, not as passed.",
        ),
        DrillStatus::NotRun => Some("It was not started, so nothing is known about its runbook today."),
        _ => None,
    }
}
