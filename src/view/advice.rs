//! What a person needs to know first about a drill that did not pass: what broke, which step did not help, what users felt,
//! and what to do next. Plain sentences; what stands between backticks is code. Derived from the record alone, and no
//! more certain than that.

mod next;
mod restore;

pub use next::of_status;
use restore::says_enough;

use super::format::{percent, seconds};
use crate::output::one_line;
use crate::record::{
    CommandRecord, DrillTime, FaultAfter, FaultEvent, FaultInfo, Phase, Record, SliFigures, StepInfo, StepRecord,
    StepStatus, Verdict,
};

/// What a person needs to know first.
#[derive(Debug, Clone, Default)]
pub struct Advice<'a> {
    /// What was broken on purpose, or what broke without that.
    pub broke: String,
    /// Which step did not help or failed.
    pub step: String,
    /// Commands that show it, each with how its step ended.
    pub commands: Vec<&'a CommandRecord>,
    /// What users felt.
    pub felt: Vec<String>,
    /// What to do next: things to do, each with why; the most telling one first.
    pub next: Vec<String>,
}

/// A step as it was planned and as it was carried out.
type FollowedStep<'a> = (&'a StepInfo, &'a StepRecord);

/// What a person needs to know first about a drill.
pub fn advice(record: &Record) -> Advice<'_> {
    let (step, commands) = steps(record);
    Advice { broke: broke(record), step, commands, felt: felt(record), next: next::next(record) }
}

/// What to do next about a drill that did not pass, in one line; `None` where nothing needs to be done.
pub fn what_to_do(record: &Record) -> Option<String> {
    (!record.passed()).then(|| next::next(record).join(" "))
}

/// The steps that were followed, in the order of the plan.
fn followed(record: &Record) -> Vec<FollowedStep<'_>> {
    let Some(plan) = &record.plan else { return Vec::new() };
    plan.steps.iter().filter_map(|info| Some((info, record.steps.iter().find(|step| step.step == info.id)?))).collect()
}

/// Those that were to help: of the mitigation, or where there is none by that name, of what could be one.
fn helping(record: &Record) -> Vec<FollowedStep<'_>> {
    let did = |(info, step): &FollowedStep<'_>| !step.commands.is_empty() && info.only_looked(step.status).is_none();
    let ran: Vec<FollowedStep<'_>> = followed(record).into_iter().filter(did).collect();
    let of = |phases: &[&str]| {
        ran.iter().copied().filter(|(info, _)| phases.contains(&info.phase.as_str())).collect::<Vec<_>>()
    };
    let named = of(&["mitigate"]);
    if named.is_empty() { of(&["rollback", "other"]) } else { named }
}

/// A step as people find it: “Terminate the session” (`runbooks/db-pool.md:42`).
fn named(info: &StepInfo) -> String {
    format!("“{}” (`{}`)", one_line(&info.title), info.at)
}

fn listed(steps: &[FollowedStep<'_>]) -> String {
    let names: Vec<String> = steps.iter().map(|(info, _)| named(info)).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.join(""),
    }
}

fn broke(record: &Record) -> String {
    let Some(plan) = &record.plan else { return "The record has no beginning.".into() };
    let told: Vec<String> = plan
        .faults
        .iter()
        .filter(|info| record.fault_record(&info.id).is_some_and(|fault| fault.at(FaultEvent::Confirmed).is_some()))
        .map(|info| {
            let services = match info.services.is_empty() {
                true => String::new(),
                false => format!(" of `{}`", info.services.join("`, `")),
            };
            format!("{} (fault `{}`{services}, `{}`)", done(info), info.kind, info.at)
        })
        .collect();
    if !told.is_empty() {
        return format!("The drill broke it on purpose: {}.", told.join("; "));
    }
    let meant: Vec<String> = plan.faults.iter().map(|info| format!("“{}”", one_line(&info.summary))).collect();
    format!("Nothing yet: the drill ended before its fault was in place ({}).", meant.join(", "))
}

/// What a fault does, as a clause: `it locks the table`. What an author says in words of their own is left as it is.
fn done(info: &FaultInfo) -> String {
    let summary = one_line(&info.summary);
    let own_words = matches!(info.kind.as_str(), "command" | "sql");
    let verb = summary
        .split(' ')
        .next()
        .is_some_and(|word| word.len() > 3 && word.ends_with('s') && word.chars().all(|c| c.is_ascii_lowercase()));
    if verb && !own_words { format!("it {summary}") } else { summary }
}

fn steps(record: &Record) -> (String, Vec<&CommandRecord>) {
    let followed = followed(record);
    let with_status = |status: StepStatus| followed.iter().copied().find(|(_, step)| step.status == Some(status));
    let helping = helping(record);
    // When the cure did not cure, a verification that failed is its consequence.
    if record.verdict == Verdict::NotRecovered && !helping.is_empty() {
        return did_not_help(record, &followed, &helping);
    }
    if let Some((info, step)) = with_status(StepStatus::Failed) {
        let culprit = step.commands.iter().rfind(|command| !command.background);
        let at = step.at.as_ref().map_or(String::new(), |at| format!(" at `{at}`"));
        let why = step.reason.as_deref().map(one_line).unwrap_or_default();
        let text = format!("{} failed{at}: {why}. The runbook stopped there.", named(info));
        return (text, culprit.into_iter().collect());
    }
    if let Some((info, step)) = with_status(StepStatus::Blocked) {
        let why = step.reason.as_deref().map(one_line).unwrap_or_default();
        return (format!("{} could not be carried out: {why}.", named(info)), Vec::new());
    }
    match record.verdict {
        Verdict::NotRecovered => ("No step of the mitigation was carried out.".into(), Vec::new()),
        Verdict::Damaged => (damaged(record), Vec::new()),
        Verdict::Incomplete => {
            let during = record.under_way().unwrap_or_else(|| "an unknown phase".into());
            (format!("None can be named: the run was cut off during {during}."), Vec::new())
        }
        Verdict::Passed => ("None: every step did what it should.".into(), Vec::new()),
        _ if followed.iter().all(|(_, step)| step.commands.is_empty()) => {
            ("None: the drill ended before the runbook was followed.".into(), Vec::new())
        }
        _ => ("None is to blame: no step failed.".into(), Vec::new()),
    }
}

/// Writes that were acknowledged after users had recovered and are lost, where no invariant says what was destroyed.
fn lost_served(record: &Record) -> u64 {
    match record.invariants.iter().all(|answer| answer.held) {
        true => record.data_figures().map_or(0, |data| data.lost_served),
        false => 0,
    }
}

/// Which invariant did not hold, or which writes are lost.
fn damaged(record: &Record) -> String {
    match (record.invariants.iter().rfind(|answer| !answer.held), lost_served(record)) {
        (Some(lost), _) => {
            let evidence = one_line(&lost.evidence);
            format!("None failed. The invariant `{}` did not hold {}: {evidence}.", lost.name, lost.time.in_words())
        }
        (None, 0) => "None failed.".into(),
        (None, served) => {
            format!("None failed. {served} writes are lost that were acknowledged after users had recovered.")
        }
    }
}

fn did_not_help<'a>(
    record: &Record,
    followed: &[FollowedStep<'a>],
    helping: &[FollowedStep<'a>],
) -> (String, Vec<&'a CommandRecord>) {
    if says_enough(record) && record.recovered_us().is_some() {
        let text = "None failed, and users are served again. What was restored is not what it had to be.";
        return (text.into(), Vec::new());
    }
    let mut text = match helping.len() {
        _ if record.recovered_us().is_some() => {
            format!("{} ran without an error, and users are served; the fault is not cleared.", listed(helping))
        }
        _ if record.relapsed_us.is_some() => {
            format!("{} ran without an error, and did not help for good.", listed(helping))
        }
        0 | 1 => format!("{} ran without an error, and did not help.", listed(helping)),
        // Which of them is to blame is not known.
        several => format!("None of the {several} mitigating steps helped: {} ran without an error.", listed(helping)),
    };
    let still_affected = |(info, step): &&FollowedStep<'_>| {
        info.phase == "verify"
            && matches!(step.status, Some(StepStatus::Warned | StepStatus::Failed))
            && step.commands.iter().any(|command| command.exit != Some(0))
    };
    let Some((info, step)) = followed.iter().find(still_affected) else { return (text, Vec::new()) };
    text.push_str(&format!(" The runbook's own check saw it: {} did not pass.", named(info)));
    let command = step.commands.iter().rfind(|command| command.exit != Some(0));
    (text, command.into_iter().collect())
}

/// The last window over which every request had ended before the faults were undone: two seconds of it.
fn at_the_end(record: &Record) -> (DrillTime, DrillTime) {
    let revert = record.phases.iter().find(|p| p.phase == Phase::Revert).map(|p| p.started_us);
    let slowest = record.loads.iter().flat_map(|load| &load.max_us).max().copied().unwrap_or(0);
    let until = revert.unwrap_or(record.last_us).0.saturating_sub(slowest);
    (DrillTime(until.saturating_sub(2_000_000)), DrillTime(until))
}

fn felt(record: &Record) -> Vec<String> {
    let (from, until) = at_the_end(record);
    let figures = record.figures();
    let of_sli = |sli: &SliFigures| {
        let (name, objective) = (one_line(&sli.sli), percent(sli.objective));
        Some(match (sli.during.ratio(), sli.before.ratio()) {
            (Some(during), _) if !sli.during.meets(sli.objective) => {
                // A window that reaches back before the fault says nothing about the end.
                let told_of = record.injected_us().filter(|at| *at <= from);
                let end = match told_of.and_then(|_| record.counts(&sli.sli, from, until).ratio()) {
                    _ if record.recovered_us().is_some() => ", then recovered.".to_string(),
                    Some(last) => format!(", and {} at the end.", percent(last)),
                    None => ".".to_string(),
                };
                let (during, good, valid) = (percent(during), sli.during.good, sli.during.valid);
                format!("`{name}` was {during} during the fault ({good} of {valid} good, objective {objective}){end}")
            }
            (Some(during), _) => {
                format!("`{name}` kept its objective: {} during the fault (objective {objective}).", percent(during))
            }
            (None, Some(before)) if !sli.before.meets(sli.objective) => {
                format!("`{name}` was {} before anything was broken (objective {objective}).", percent(before))
            }
            (None, Some(before)) => {
                format!("`{name}` was {} before the fault; nothing is known of later.", percent(before))
            }
            (None, None) => return None,
        })
    };
    let mut told: Vec<String> = figures.slis.iter().filter_map(of_sli).collect();
    if told.is_empty() {
        told.push("Nothing was measured.".into());
    }
    told.extend(figures.to_recover_us.map(|us| format!("Users recovered {} after the fault.", seconds(us))));
    told
}

/// How the faults stood when the drill gave up: the state, and the evidence.
fn after(record: &Record) -> Option<(FaultAfter, &str)> {
    let asked = record.faults.iter().filter_map(|fault| Some((fault.after?, fault)));
    let asked = asked.filter(|(state, _)| *state != FaultAfter::EndedByTime);
    let (state, fault) =
        asked.max_by_key(|(state, _)| matches!(state, FaultAfter::StillActive | FaultAfter::PartiallyActive))?;
    let what = match state {
        FaultAfter::StillActive => FaultEvent::StillActive,
        FaultAfter::PartiallyActive => FaultEvent::PartiallyActive,
        FaultAfter::ClearedByRunbook => FaultEvent::ClearedByRunbook,
        FaultAfter::EndedByItself => FaultEvent::EndedByItself,
        FaultAfter::EndedByTime => FaultEvent::EndedByTime,
        FaultAfter::Unknown => FaultEvent::Failed,
    };
    let detail = fault.life.iter().rev().find(|moment| moment.what == what).map_or("", |moment| moment.detail.as_str());
    Some((state, detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::WriteRecord;
    use crate::record::testing::{Story, record_of};

    #[test]
    fn writes_that_are_lost_after_the_recovery_are_no_matter_of_an_invariant() {
        let mut record = record_of(Story::RestorePassed);
        record.verdict = Verdict::Damaged;
        let late = record.recovered_us().unwrap().plus(std::time::Duration::from_secs(1));
        record.writes.push(WriteRecord(1_000_000, late, true));
        assert_eq!(lost_served(&record), 1);
        let Advice { step, next, .. } = advice(&record);
        assert!(step.contains("1 writes are lost"), "{step}");
        assert!(next[0].starts_with("Look in `runbooks/pg-restore.md` for what still replaces data"), "{next:?}");
        assert!(next.iter().all(|line| !line.contains("invariant")), "{next:?}");
    }

    #[test]
    fn every_story_has_its_advice() {
        let mut all = String::new();
        for story in Story::ALL {
            let record = record_of(story);
            let advice = advice(&record);
            assert!(!advice.next.is_empty(), "{story:?}");
            all.push_str(&format!("{story:?}\n  broke: {}\n  step:  {}\n", advice.broke, advice.step));
            all.extend(advice.commands.iter().map(|command| format!("         $ {}\n", command.text)));
            all.extend(advice.felt.iter().map(|text| format!("  felt:  {text}\n")));
            all.extend(advice.next.iter().map(|text| format!("  next:  {text}\n")));
        }
        insta::assert_snapshot!(all);
    }
}
