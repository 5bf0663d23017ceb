//! What a drill is told in, once for every format: verdicts, steps, faults, commands, assertions, plurals, each with its mark.
//! A format chooses how a mark and a word look and where they stand, never which they are.

use super::clock::{clock, started};
use super::format::{percent, seconds};
use super::restore::{self, JudgedRow, other_level, time_limit};
use super::symbol::StatusSymbol;
use super::{filters, words, written};
use crate::record::{
    Breakdown, Check, CommandRecord, Counts, DetectionTheory, EarlierControl, FaultAfter, FaultEvent, FaultRecord,
    Figures, GONE_LATER, Location, MeasuredSeverity, PageTheory, Phase, Record, RunOutcome, StepInfo, StepRecord,
    StepStatus, Verdict,
};
use askama::Template;
use std::fmt::Display;
use std::time::Duration;

/// Most services that a runbook restarts are back before that.
const WAITED: Duration = Duration::from_secs(5);

type Doubt = fn(&Record) -> Option<String>;

/// This one has a row of its own.
const STILL_ACTIVE: &str = "the fault was still active";

/// What makes a pass worth a look, and what its headline says of that; the first one counts.
const DOUBTS: [(Doubt, &str); 5] = [
    (healed_in_control, "perhaps without the runbook"),
    (served_beside, STILL_ACTIVE),
    (not_asked, "whether the fault was still active is not known"),
    (helped_beside, "perhaps not by the mitigation alone"),
    (recovered_while_waiting, "perhaps without the runbook"),
];

/// `1 drill`, `2 drills`.
pub fn many(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// What users felt over a window: `99.8% (499 of 500 good)`.
pub fn counts(counts: &Counts) -> String {
    counts.ratio().map_or("no data".into(), |ratio| format!("{} ({})", percent(ratio), good_of(*counts)))
}

/// `499 of 500 good`.
pub fn good_of(counts: Counts) -> String {
    format!("{} of {} good", counts.good, counts.valid)
}

/// Whether an objective was met over a window; not known where there is no data.
pub fn met(counts: &Counts, objective: &f64) -> StatusSymbol {
    match counts.ratio() {
        None => StatusSymbol::Skip,
        Some(_) if counts.meets(*objective) => StatusSymbol::Good,
        Some(_) => StatusSymbol::Bad,
    }
}

/// `runbooks/db-pool.md:42: reason`.
pub fn placed(at: Option<&Location>, reason: &str) -> String {
    at.map_or_else(|| reason.to_string(), |at| format!("{at}: {reason}"))
}

/// The time to detect by the alert's rule, or why the rule says nothing of it; `None` where no page had to come, or none came.
pub fn detection_theory(record: &Record, figures: &Figures) -> Option<String> {
    record.detected_us?;
    let page = record.plan.as_ref()?.page.as_ref()?.theory.as_ref()?;
    Some(written(&TheoryText { page, theory: figures.detection_theory }))
}

#[derive(Template)]
#[template(path = "theory.txt")]
struct TheoryText<'a> {
    page: &'a PageTheory,
    theory: Option<DetectionTheory>,
}

impl TheoryText<'_> {
    fn sum(&self, one: &u64, other: &u64) -> String {
        seconds(one.saturating_add(*other))
    }

    fn difference(&self, later_us: &i64) -> String {
        format!("{} {}", seconds(later_us.unsigned_abs()), if *later_us > 0 { "later" } else { "sooner" })
    }
}

/// A verdict as prose has it: `not recovered`.
pub fn verdict(verdict: Verdict) -> String {
    verdict.name().replace('_', " ")
}

/// What a drill came to, in words that need no explanation.
pub fn plainly(record: &Record) -> &'static str {
    match record.verdict {
        Verdict::NotRecovered if record.relapsed_us.is_some() => "users lost the service again",
        Verdict::NotRecovered if record.recovered_us().is_some() => "users are served, and that is not enough",
        Verdict::Incomplete if record.alive => "the run is under way",
        Verdict::Undetected if record.plan.as_ref().is_some_and(|plan| plan.page.is_some()) => "the alert did not fire",
        verdict => verdict.words(),
    }
}

/// How a drill came out: its mark, a word (`passed`, `failed`, `not recovered`), and what must be said beside it.
pub fn headline(record: &Record) -> (StatusSymbol, String, Option<String>) {
    let (is, expected, outcome) = (verdict(record.verdict), record.expected(), record.outcome());
    let (word, beside) = match outcome {
        RunOutcome::Passed if record.expects_failure() => ("passed", Some(format!("{is}, as expected"))),
        RunOutcome::Passed => match DOUBTS.iter().find(|(told, _)| told(record).is_some()) {
            Some((_, beside)) => return (StatusSymbol::Warn, "passed".into(), Some((*beside).into())),
            None => ("passed", None),
        },
        RunOutcome::Failed if record.expects_failure() && record.verdict != expected => {
            ("failed", Some(format!("expected {}, got {is}", verdict(expected))))
        }
        RunOutcome::Failed if other_level(record).is_some() => ("failed", other_level(record)),
        // The verdict is as it should be and the clean-up is not.
        RunOutcome::Failed | RunOutcome::Broken if record.verdict == expected && !record.alive => {
            return (StatusSymbol::Bad, "failed".into(), Some("while cleaning up".into()));
        }
        _ => (is.as_str(), None),
    };
    (outcome.status().mark(), word.into(), beside)
}

/// What makes it unsure whether a pass is the runbook's, or that of its mitigation alone, a line each.
pub fn doubts(record: &Record) -> Vec<String> {
    let told = DOUBTS.into_iter().filter(|(_, beside)| record.verdict == Verdict::Passed && *beside != STILL_ACTIVE);
    told.filter_map(|(told, _)| told(record)).collect()
}

/// The last control of the same scenario, stack and images that was known when the drill began.
pub(super) fn last_control(record: &Record) -> Option<&EarlierControl> {
    let images = &record.stack.as_ref()?.images;
    record.plan.as_ref()?.last_control.as_ref().filter(|control| control.images == *images)
}

/// Says that users recovered without the runbook as well; `None` where no control shows that.
pub fn healed_in_control(record: &Record) -> Option<String> {
    let control = last_control(record).filter(|control| control.healed)?;
    Some(format!(
        "users recovered without the runbook as well, in the last control of the same scenario (run {}): whether the runbook helped \
         was not shown",
        control.run
    ))
}

/// What makes it unsure whether the mitigation alone would have been enough: a step of another phase that evidently changes something
/// began before users recovered.
pub fn helped_beside(record: &Record) -> Option<String> {
    let recovered = record.mitigation_started_us.and(record.recovered_us())?;
    let plan = record.plan.as_ref()?;
    let beside = record.steps.iter().filter(|step| !step.commands.is_empty() && step.started_us < recovered);
    let mut beside = beside.filter_map(|step| {
        record.step_info(&step.step).filter(|info| info.helps == Some(true) && !plan.mitigates(&info.phase))
    });
    let StepInfo { title, phase, at, .. } = beside.next().filter(|_| record.verdict == Verdict::Passed)?;
    Some(format!(
        "before users recovered “{title}” ({phase}, `{at}`) changed something, too: whether the mitigation alone is enough was not shown"
    ))
}

/// What makes it unsure whether the runbook helped at all: for a while it had only waited when users recovered, as they do as well when
/// a fault ends by itself.
pub fn recovered_while_waiting(record: &Record) -> Option<String> {
    let (recovered, plan) = (record.recovered_us()?, record.plan.as_ref()?);
    let (began, ended) = (record.mitigation_started_us?, record.mitigation_ended_us?);
    let mitigates = |step: &StepRecord| record.step_info(&step.step).is_some_and(|info| plan.mitigates(&info.phase));
    // When a person's work ended is known, and not when it helped.
    let is_by_hand = |step: &StepRecord| step.commands.is_empty() && step.status == Some(StepStatus::Passed);
    let is_helped = record.steps.iter().any(|step| is_by_hand(step) && mitigates(step));
    // A list in which it waits first is no wait alone.
    let waits = |text: &str| text.trim_start().starts_with("sleep ") && !text.trim().contains(['&', ';', '|', '\n']);
    // What only checks is tried until users have recovered; what a diagnosis leaves in the background runs until the runbook ends.
    let counts = |step: &StepRecord, command: &CommandRecord| {
        let is_beside = command.background && !mitigates(step);
        command.started_us < recovered.min(ended) && !is_beside && !waits(&command.text)
    };
    let commands = record.steps.iter().flat_map(|step| step.commands.iter().map(move |command| (step, command)));
    let begun = commands.filter_map(|(step, command)| counts(step, command).then_some(command));
    let last = begun.max_by_key(|command| command.ended_us.unwrap_or(recovered))?;
    let waited = recovered.since(last.ended_us.filter(|ended| *ended >= began)?);
    (waited >= WAITED && !is_helped && !control_excludes(record)).then(|| {
        format!(
            "users recovered {:.1} s after the mitigation's last command (`{}`) had ended: after a fault that ends by itself, it \
             would look the same; `--control` shows whether this one does",
            waited.as_secs_f64(),
            last.text.trim()
        )
    })
}

/// What a pass does not show: the faults that were still active after the recovery, and how long users were served beside them;
/// `None` where there is no such pass.
pub fn served_beside(record: &Record) -> Option<String> {
    let is_pass = record.verdict == Verdict::Passed && !record.is_control();
    let active = record.faults.iter().filter_map(|fault| match fault.after? {
        FaultAfter::StillActive => Some(format!("the fault `{}` was still active", fault.fault)),
        FaultAfter::PartiallyActive => Some(format!("the fault `{}` was still partially active", fault.fault)),
        _ => None,
    });
    let active = active.collect::<Vec<_>>().join(", ");
    let held = held_us(record).map(|us| format!(" for {} (the hold)", seconds(us))).unwrap_or_default();
    let told = format!("{active}: users were served beside it{held}; whether they stay served longer was not shown");
    (is_pass && !active.is_empty()).then_some(told)
}

/// What makes it unsure what a pass shows: a fault could not be asked at the end of the hold.
pub fn not_asked(record: &Record) -> Option<String> {
    let is_pass = record.verdict == Verdict::Passed && !record.is_control();
    let faults = record.faults.iter().filter(|fault| is_pass && fault.after == Some(FaultAfter::Unknown));
    let faults: Vec<String> = faults.map(|fault| format!("`{}`", fault.fault)).collect();
    (!faults.is_empty()).then(|| {
        format!(
            "how {} stood after the recovery could not be asked: whether it was cleared, ended by itself or was still active is not known",
            faults.join(", ")
        )
    })
}

/// The headline in one line: `passed (not recovered, as expected)`.
pub fn headline_text(record: &Record) -> String {
    let (_, word, beside) = headline(record);
    beside.map(|beside| format!("{word} ({beside})")).unwrap_or(word)
}

/// Says that a run was cut off, or is still under way, and in what; `None` when it came to its end.
pub fn cut_off(record: &Record) -> Option<String> {
    let (without_end, during) =
        if record.alive { ("the run is under way", ", in ") } else { ("the run was cut off", " during ") };
    let during = record.under_way().map(|what| format!("{during}{what}")).unwrap_or_default();
    (!record.ended).then(|| format!("{without_end}{during}"))
}

/// Why a drill came out as it did, without the place: what was recorded, otherwise that it has no end.
pub fn why(record: &Record) -> String {
    match record.reason.as_str() {
        "" => cut_off(record).map(|cut| format!("{cut}: nothing passes by default")).unwrap_or_default(),
        reason => reason.into(),
    }
}

/// What came after the verdict and should trouble the reader, whatever it says.
pub fn aftermath(record: &Record) -> Vec<String> {
    let later = record.aftermath.iter();
    let later = later.map(|later| format!("then {}: {}", later.verdict, placed(later.at.as_ref(), &later.reason)));
    let left = record.left.iter().map(|left| format!("left behind: {left}"));
    let kept = record.kept.then(|| "the stack was kept, as asked for".to_string());
    later.chain(left).chain(kept).collect()
}

/// Whose time it was.
#[derive(Debug, Clone)]
pub struct TimeShare {
    /// Who or what.
    pub name: &'static str,
    /// How long, in microseconds.
    pub us: u64,
    /// Its share of the whole drill, in 0..=1.
    pub share: f64,
    /// What it is made of, each with its microseconds.
    pub of: Vec<(&'static str, u64)>,
}

/// Where the time went; below what is shown as 0.01 s a part says nothing.
pub fn time_shares(time: &Breakdown) -> [TimeShare; 3] {
    let (compose, declared) = (&time.compose, &time.declared);
    let name = |phase: Option<Phase>| phase.map_or("between phases", Phase::name);
    let compose_parts = vec![
        ("build", compose.build_us),
        ("pull", compose.pull_us),
        ("up", compose.up_us),
        ("healthy", compose.healthy_us),
        ("down", compose.down_us),
    ];
    let declared_parts = vec![
        ("steady", declared.steady_us),
        ("impact", declared.impact_us),
        ("detect", declared.detect_us),
        ("steps", declared.steps_us),
        ("recovery", declared.recover_us),
        ("hold", declared.hold_us),
        ("revert", declared.revert_us),
        ("restore", declared.restore_us),
    ];
    let own_parts = time.firedrill.iter().map(|share| (name(share.phase), share.us)).collect();
    let shares = [("stack", compose_parts), ("windows, steps", declared_parts), ("Firedrill itself", own_parts)];
    shares.map(|(name, mut of): (_, Vec<_>)| {
        let us = of.iter().fold(0_u64, |sum, (_, us)| sum.saturating_add(*us));
        of.retain(|(_, us)| *us >= 5_000);
        TimeShare { name, us, share: us as f64 / time.total_us.max(1) as f64, of }
    })
}

/// How a step ended; the outer `None` where it was never begun, the inner one where it has no end. One of which only the look
/// was run has done nothing that it is for.
pub fn step(info: Option<&StepInfo>, status: Option<Option<StepStatus>>) -> (StatusSymbol, &'static str) {
    match status {
        _ if info.is_some_and(|info| info.only_looked(status.flatten()).is_some()) => (StatusSymbol::Skip, "checked"),
        None => (StatusSymbol::Skip, "not run"),
        Some(None) => (StatusSymbol::Warn, "no end"),
        Some(Some(StepStatus::Passed)) => (StatusSymbol::Good, "passed"),
        Some(Some(StepStatus::Warned)) => (StatusSymbol::Warn, "warned"),
        Some(Some(StepStatus::Failed)) => (StatusSymbol::Bad, "failed"),
        Some(Some(StepStatus::Blocked)) => (StatusSymbol::Bad, "blocked"),
        Some(Some(StepStatus::Skipped)) => (StatusSymbol::Skip, "skipped"),
    }
}

/// A step of the runbook as every report reads it, and what became of it.
#[derive(Debug, Clone)]
pub struct StepView<'a> {
    /// As it was planned.
    pub info: &'a StepInfo,
    /// What was done; `None` where it was not begun.
    pub ran: Option<&'a StepRecord>,
    /// How it ended.
    pub symbol: StatusSymbol,
    /// How it ended, in a word.
    pub word: &'static str,
    /// Says that only its look was run, and why; `None` where all of it was.
    pub only_looked: Option<String>,
    /// How long its commands took.
    pub took: Option<String>,
}

impl<'a> StepView<'a> {
    /// A step of a drill.
    pub fn of(record: &'a Record, info: &'a StepInfo) -> StepView<'a> {
        let ran = record.steps.iter().find(|step| step.step == info.id);
        let (symbol, word) = step(Some(info), ran.map(|step| step.status));
        let only_looked = ran.and_then(|step| info.only_looked(step.status));
        let took = ran.filter(|step| !step.commands.is_empty()).and_then(StepRecord::took_us).map(seconds);
        StepView { info, ran, symbol, word, only_looked, took }
    }
}

/// How an exit code is told: `exit 127 (not found)`.
pub fn exit(code: i32) -> String {
    match code {
        127 => "exit 127 (not found)".into(),
        126 => "exit 126 (cannot be executed)".into(),
        129..=192 => format!("exit {code} (signal {})", code - 128),
        _ => format!("exit {code}"),
    }
}

/// What is said of a command that ran out of its time.
pub const TIMED_OUT: &str = "killed at its time limit";

/// A command as a shell shows it: `$` before its first line, `>` before the others.
pub fn prompted(lines: impl IntoIterator<Item = impl Display>) -> impl Iterator<Item = String> {
    let prompts = std::iter::once("$").chain(std::iter::repeat(">"));
    prompts.zip(lines).map(|(prompt, line)| format!("{prompt} {line}"))
}

/// How a command ended and when: `exit 1 after 0.08 s, attempt 2`.
pub fn ending(command: &CommandRecord) -> String {
    let how = match command.exit {
        _ if command.stopped => "in the background, ended with the runbook".into(),
        _ if command.timed_out => TIMED_OUT.into(),
        Some(code) => exit(code),
        None => return "not ended".into(),
    };
    let attempt = if command.attempts > 1 { format!(", attempt {}", command.attempts) } else { String::new() };
    format!("{how} after {}{attempt}", seconds(command.took_us))
}

/// A station in the life of a fault.
pub fn station(what: &FaultEvent) -> (StatusSymbol, &'static str) {
    let symbol = match what {
        FaultEvent::Confirmed | FaultEvent::ClearedByRunbook | FaultEvent::Reverted => StatusSymbol::Good,
        FaultEvent::EndedByItself | FaultEvent::StillActive | FaultEvent::PartiallyActive => StatusSymbol::Warn,
        FaultEvent::Failed => StatusSymbol::Bad,
        _ => StatusSymbol::Plain,
    };
    (symbol, what.words())
}

/// Whether users did not recover by themselves in the last control, which was watched for as long as this drill took to recover.
pub fn control_excludes(record: &Record) -> bool {
    let injecting = record.phases.iter().find(|phase| phase.phase == Phase::Inject);
    last_control(record).zip(injecting).zip(record.recovered_us()).is_some_and(|((control, injecting), recovered)| {
        !control.healed && recovered.since(injecting.started_us) <= Duration::from_micros(control.watched_us)
    })
}

/// Whether a fault that is gone may as well have ended by itself: users recovered in the last control, too, or it was gone long after the mitigation's
/// last command or after the runbook, and no control is known in which users did not recover.
pub fn perhaps_by_itself(record: &Record, fault: &FaultRecord) -> bool {
    let gone = fault.life.iter().filter(|moment| moment.what == FaultEvent::ClearedByRunbook);
    let is_late =
        gone.clone().any(|moment| moment.detail.contains(GONE_LATER)) || recovered_while_waiting(record).is_some();
    gone.count() > 0 && (healed_in_control(record).is_some() || is_late && !control_excludes(record))
}

/// What became of a fault: how it stood after the runbook, and how it was undone.
pub fn fate(record: &Record, fault: &FaultRecord) -> (StatusSymbol, String) {
    let after = fault.after.map(|after| match after {
        FaultAfter::ClearedByRunbook if record.plan.as_ref().is_some_and(|plan| plan.runbook_file.is_none()) => {
            "gone without a runbook"
        }
        FaultAfter::ClearedByRunbook if healed_in_control(record).is_some() => "gone; by the runbook or by itself",
        FaultAfter::ClearedByRunbook if perhaps_by_itself(record, fault) => {
            "gone; by the runbook or by itself is only told by a control"
        }
        FaultAfter::StillActive if record.recovered_us().is_some() => "still active, users are served all the same",
        after => after.words(),
    });
    let (mark, undone) = match (fault.undone(), fault.failure()) {
        (Some(_), _) => (StatusSymbol::Good, "undone by Firedrill".to_string()),
        (None, _) if fault.at(FaultEvent::Irreversible).is_some() => {
            (StatusSymbol::Good, "not undone: goes with the stack".to_string())
        }
        (None, Some(why)) => (StatusSymbol::Bad, format!("failed: {why}")),
        (None, None) => (StatusSymbol::Warn, "not undone".to_string()),
    };
    let unsure = [FaultAfter::StillActive, FaultAfter::PartiallyActive, FaultAfter::Unknown];
    let active = fault.after.is_some_and(|after| unsure.contains(&after));
    let doubtful = active && !record.is_control() || perhaps_by_itself(record, fault);
    let mark = if mark == StatusSymbol::Good && doubtful { StatusSymbol::Warn } else { mark };
    let counts = record.counted_faults().any(|counted| counted.fault == fault.fault);
    let noise = if counts { "" } else { "noise, " };
    (mark, format!("{noise}{}", after.map_or(undone.clone(), |after| format!("{after}, {undone}"))))
}

/// From when to when users were served, where they lost the service again.
pub fn served_between(record: &Record) -> Option<String> {
    let (from, to) = record.first_recovered_us().zip(record.relapsed_us)?;
    let at = |us| clock(started(record), us);
    let took = seconds(to.0.saturating_sub(from.0));
    Some(format!("users were served for {took}, from {} to {} UTC, and lost the service again", at(from), at(to)))
}

/// How long users were held to their recovery, in microseconds.
pub fn held_us(record: &Record) -> Option<u64> {
    let held = record.windows.iter().rev().find(|window| window.phase == Phase::Recover)?;
    Some(held.to_us.0.saturating_sub(held.from_us.0))
}

/// The names of the rows of `recovery.txt`.
const RECOVERY: [&str; 6] = ["time", "hold", "severity", "price", "fault", "invariant"];

#[derive(Template)]
#[template(path = "recovery.txt")]
struct RecoveryRows<'a> {
    record: &'a Record,
    limit: Option<(StatusSymbol, String)>,
}

/// What a recovery is judged by beside the SLIs, and what it would have cost of the error budget. The same rows in every report.
pub fn recovery(record: &Record) -> Vec<JudgedRow> {
    // A DR drill has the time among what its restore came to.
    let limit = time_limit(record).filter(|_| restore::plan(record).is_none());
    restore::judged_rows(&RecoveryRows { record, limit }, &RECOVERY)
}

/// The row of this name among them.
pub fn recovery_row(record: &Record, name: &str) -> Option<JudgedRow> {
    recovery(record).into_iter().find(|row| row.name == name)
}

/// A severity as it was measured: `SEV1, 82.6% of the requests of availability were hurt`.
pub fn measured(measured: &MeasuredSeverity) -> String {
    let name = measured.severity.as_deref().unwrap_or("none that is defined");
    // Of 99.99% that were hurt not all were.
    let share = percent(measured.users_hurt);
    let lost = if measured.data_lost { ", and data was lost" } else { "" };
    format!("{name}, {share} of the events of {} were bad{lost}", measured.sli)
}

/// How far a clock was off, of the round trip in which it was asked: `120 µs off, known to 0.15 ms`.
pub fn known_offset(offset_us: &i64, rtt_us: &u64) -> String {
    format!("{offset_us} µs off, known to {:.2} ms", *rtt_us as f64 / 2000.0)
}

/// The name of an assertion, the same in every drill of a scenario.
pub fn check(check: &Check) -> String {
    match check {
        Check::Steady => "steady state".into(),
        Check::Injection { fault } => format!("injection of {fault}"),
        Check::Impact => "impact".into(),
        Check::Detection => "detection".into(),
        Check::StillBroken => "still broken when the mitigation starts".into(),
        Check::Step { step } => format!("step {step}"),
        Check::Recovery { sli } => format!("recovery of {sli}"),
        Check::Cleared => "the fault was cleared".into(),
        Check::StillServed => "no relapse before the revert".into(),
        Check::Invariant { name } => format!("invariant {name}"),
        Check::RestoreLevel => "restore level".into(),
        Check::RecoveryTime => "recovery time objective".into(),
        Check::RecoveryPoint => "recovery point objective".into(),
        Check::Pages => "nobody paged for nothing".into(),
        Check::Severity => "severity".into(),
        Check::Control => "control: no recovery without the runbook".into(),
        Check::Revert => "revert".into(),
        Check::NothingLeft => "nothing left behind".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, record_of};
    use crate::record::{DrillTime, HoldRecord};

    #[test]
    fn a_change_outside_the_mitigation_makes_a_pass_less_certain() {
        let mut record = record_of(Story::Passed);
        assert_eq!(helped_beside(&record), None);
        let mut plan = record.plan.as_deref().unwrap().clone();
        plan.steps.iter_mut().filter(|step| step.phase == "verify").for_each(|step| step.helps = Some(true));
        record.plan = Some(plan.into());
        let told = helped_beside(&record).unwrap();
        assert_eq!(headline(&record).0, StatusSymbol::Warn);
        assert!(told.contains("changed something, too"), "{told}");
        record.verdict = Verdict::NotRecovered;
        assert_eq!(helped_beside(&record), None);
    }

    #[test]
    fn a_fault_that_was_gone_late_may_have_ended_by_itself_unless_a_control_says_otherwise() {
        let mut record = record_of(Story::Passed);
        let told = |record: &Record| fate(record, &record.faults[0]);
        assert_eq!(told(&record), (StatusSymbol::Good, "cleared by the runbook, undone by Firedrill".into()));
        let gone = record.faults[0].life.iter_mut().find(|moment| moment.what == FaultEvent::ClearedByRunbook).unwrap();
        gone.detail = format!("no session; {GONE_LATER}: one session");
        let perhaps = "gone; by the runbook or by itself is only told by a control, undone by Firedrill";
        assert_eq!(told(&record), (StatusSymbol::Warn, perhaps.into()));
        let images = record.stack.as_ref().unwrap().images.clone();
        let run = "20261119T064112Z-db-pool-0001".to_string();
        let control = EarlierControl { run, images, healed: false, watched_us: 600_000_000 };
        record.plan.as_deref_mut().unwrap().last_control = Some(control.clone());
        assert!(told(&record).1.starts_with("cleared by the runbook"), "{}", told(&record).1);
        let short = EarlierControl { watched_us: 1, ..control.clone() };
        record.plan.as_deref_mut().unwrap().last_control = Some(short);
        assert!(told(&record).1.starts_with("gone; "), "watched for less long: {}", told(&record).1);
        record.plan.as_deref_mut().unwrap().last_control = Some(EarlierControl { healed: true, ..control });
        assert!(told(&record).1.starts_with("gone; "), "{}", told(&record).1);
    }

    #[test]
    fn a_hold_for_what_stays_good_for_a_while_says_why() {
        let hold = HoldRecord {
            required_us: 22_000_000,
            configured_us: 5_000_000,
            onset_us: Some(1_000_000),
            window_us: 1_000_000,
            returns_us: 0,
            shown_after_us: 22_000_000,
            parts: None,
        };
        let required = |hold| crate::view::event_line(&crate::record::Event::HoldRequired(hold), None).unwrap().text;
        assert!(required(hold).ends_with("shows no sooner that nothing new comes any more"));
        let short = HoldRecord { required_us: 30_000_000, configured_us: 30_000_000, ..hold };
        assert!(required(short).ends_with("as `recover.hold` says"));
    }

    #[test]
    fn a_pass_beside_an_active_fault_says_what_makes_it_a_failure() {
        let mut record = record_of(Story::Passed);
        record.faults[0].after = Some(FaultAfter::StillActive);
        assert_eq!(headline_text(&record), "passed (the fault was still active)");
        let rows = recovery(&record);
        let told = &rows.iter().find(|row| row.name == "fault").unwrap().text;
        assert!(told.contains("`recover: { cleared: true }`") && told.contains("`invariants`"), "{told}");
    }

    #[test]
    fn a_pass_of_which_nobody_knows_what_ended_the_fault_says_so() {
        let mut record = record_of(Story::Passed);
        record.faults[0].after = Some(FaultAfter::Unknown);
        assert_eq!(headline_text(&record), "passed (whether the fault was still active is not known)");
        assert!(
            doubts(&record)[0].ends_with("is not known") && fate(&record, &record.faults[0]).0 == StatusSymbol::Warn
        );
        record.verdict = Verdict::SelfHealed;
        assert_eq!(doubts(&record), Vec::<String>::new());
        record.plan.as_deref_mut().unwrap().runbook_file = None;
        record.faults[0].after = Some(FaultAfter::ClearedByRunbook);
        assert_eq!(fate(&record, &record.faults[0]).1, "gone without a runbook, undone by Firedrill");
    }

    #[test]
    fn a_control_in_which_users_recovered_makes_a_pass_of_the_same_content_less_certain() {
        let mut record = record_of(Story::Passed);
        let images = record.stack.as_ref().unwrap().images.clone();
        let control =
            EarlierControl { run: "20261119T064112Z-db-pool-0001".into(), images, healed: true, watched_us: 0 };
        record.plan.as_deref_mut().unwrap().last_control = Some(control);
        assert_eq!(headline_text(&record), "passed (perhaps without the runbook)");
        let drills = crate::view::Drills::one(record.clone());
        assert_eq!(drills.entries()[0].mark(), StatusSymbol::Warn, "beside other drills as well");
        assert!(doubts(&record)[0].contains("(run 20261119T064112Z-db-pool-0001)"), "{:?}", doubts(&record));
        let told = (StatusSymbol::Warn, "gone; by the runbook or by itself, undone by Firedrill".to_string());
        assert_eq!(fate(&record, &record.faults[0]), told);
        record.verdict = Verdict::Understated;
        assert_eq!((doubts(&record), fate(&record, &record.faults[0])), (vec![], told), "it is told as little");
        record.verdict = Verdict::Passed;
        record.stack.as_mut().unwrap().images.insert("checkout".into(), "sha256:other".into());
        assert_eq!(headline_text(&record), "passed", "it was another image");
    }

    #[test]
    fn a_recovery_long_after_the_last_command_may_have_come_by_itself() {
        let mut record = record_of(Story::Passed);
        assert_eq!(recovered_while_waiting(&record), None);
        let recovered = record.recovered_us().unwrap();
        record.mitigation_started_us = Some(DrillTime(recovered.0 - 5_000_000));
        for step in &mut record.steps {
            step.commands.retain(|command| command.started_us < recovered);
            step.commands.iter_mut().for_each(|command| command.ended_us = Some(DrillTime(recovered.0 - 5_000_000)));
        }
        let at = record.steps[0].commands.len();
        let mut sleeps = record.steps[0].commands[0].clone();
        sleeps.text = "sleep 15".into();
        sleeps.ended_us = None;
        record.steps[0].commands.push(sleeps);
        let told = recovered_while_waiting(&record).unwrap();
        assert_eq!(headline_text(&record), "passed (perhaps without the runbook)");
        assert!(told.starts_with("users recovered 5.0 s after the mitigation's last command"), "{told}");
        // A check that is tried until users are served says nothing.
        let mut checks = record.steps[0].commands[at].clone();
        checks.text = "curl -fsS http://shop/".into();
        (checks.started_us, checks.ended_us) = (record.mitigation_ended_us.unwrap(), None);
        record.steps[0].commands.push(checks);
        assert!(recovered_while_waiting(&record).is_some());
        let images = record.stack.as_ref().unwrap().images.clone();
        let control =
            EarlierControl { run: "20261119T064112Z-db-pool-0001".into(), images, healed: false, watched_us: u64::MAX };
        record.plan.as_deref_mut().unwrap().last_control = Some(control);
        assert_eq!(headline_text(&record), "passed", "users did not recover in the control");
        record.plan.as_deref_mut().unwrap().last_control = None;
        assert!(recovered_while_waiting(&record).is_some());
        let mitigates =
            record.plan.as_ref().unwrap().steps.iter().find(|step| step.phase == "mitigate").unwrap().id.clone();
        let mitigation = record.steps.iter().position(|step| step.step == mitigates).unwrap();
        let mut by_hand = record.clone();
        by_hand.steps[mitigation].commands.clear();
        by_hand.steps[mitigation].status = Some(StepStatus::Passed);
        assert_eq!(recovered_while_waiting(&by_hand), None, "nobody knows when a person helped");
        let mut beside = record.clone();
        let works = beside.steps[mitigation].commands.last_mut().unwrap();
        (works.background, works.ended_us) = (true, None);
        assert_eq!(recovered_while_waiting(&beside), None, "the mitigation still worked");
        record.steps[0].commands[at].text = "sleep 10 && docker compose up -d --wait".into();
        assert_eq!(recovered_while_waiting(&record), None);
    }
}
