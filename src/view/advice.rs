//! What a person needs to know first about a drill that did not pass: what broke, which step did not help, what users felt,
//! and what to do next. Plain sentences; what stands between backticks is code. Derived from the record alone, and no
//! more certain than that.

mod next;
mod restore;

pub use next::{not_shown, of_status};
use restore::says_enough;

use super::{StatusSymbol, advice, filters, template_lines, template_section, words};
use crate::output::one_line;
use crate::record::{
    CommandRecord, DataFigures, DrillTime, FaultAfter, FaultEvent, FaultInfo, Figures, InvariantRecord, Phase, Record,
    StepInfo, StepRecord, StepStatus, Verdict,
};
use askama::Template;

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
    let faults = record.plan.iter().flat_map(|plan| &plan.faults);
    let confirmed = |id: &str| record.fault_record(id)?.at(FaultEvent::Confirmed);
    let told = AdviceText {
        record,
        figures: record.figures(),
        followed: followed(record),
        helping: helping(record),
        broken: faults.filter(|info| confirmed(&info.id).is_some()).collect(),
        lost: record.invariants.iter().rfind(|answer| !answer.held),
    };
    let lines = template_lines(&told);
    let [broke, step] = ["broke", "step"].map(|name| template_section(&lines, name).join(" "));
    let felt = template_section(&lines, "felt");
    Advice { broke, step, commands: told.commands(), felt, next: next::next(record) }
}

#[derive(Template)]
#[template(path = "advice/advice.txt")]
struct AdviceText<'a> {
    record: &'a Record,
    figures: Figures,
    followed: Vec<FollowedStep<'a>>,
    helping: Vec<FollowedStep<'a>>,
    /// The faults that were seen in place.
    broken: Vec<&'a FaultInfo>,
    /// The invariant that did not hold.
    lost: Option<&'a InvariantRecord>,
}

impl<'a> AdviceText<'a> {
    fn with(&self, status: StepStatus) -> Option<FollowedStep<'a>> {
        self.followed.iter().copied().find(|(_, step)| step.status == Some(status))
    }

    /// The step that verifies and saw that users were affected still.
    fn saw_it(&self) -> Option<FollowedStep<'a>> {
        let still_affected = |(info, step): &FollowedStep<'_>| {
            info.phase == "verify"
                && matches!(step.status, Some(StepStatus::Warned | StepStatus::Failed))
                && step.commands.iter().any(|command| command.exit != Some(0))
        };
        let enough = says_enough(self.record) && self.record.recovered_us().is_some();
        self.followed.iter().copied().find(still_affected).filter(|_| !enough)
    }

    fn did_nothing(&self) -> bool {
        self.followed.iter().all(|(_, step)| step.commands.is_empty())
    }

    /// How an SLI was in the last window over which every request had ended before the faults were undone: two seconds of it. One
    /// that reaches back before the fault says nothing about the end.
    fn at_the_end(&self, sli: &str) -> Option<f64> {
        let record = self.record;
        let revert = record.phases.iter().find(|p| p.phase == Phase::Revert).map(|p| p.started_us);
        let slowest = record.loads.iter().flat_map(|load| &load.max_us).max().copied().unwrap_or(0);
        let until = revert.unwrap_or(record.last_us).0.saturating_sub(slowest);
        let from = DrillTime(until.saturating_sub(2_000_000));
        record.injected_us().filter(|at| *at <= from)?;
        record.counts(sli, from, DrillTime(until)).ratio()
    }

    fn measured(&self) -> bool {
        self.figures.slis.iter().any(|sli| sli.during.ratio().or(sli.before.ratio()).is_some())
    }

    /// The commands that show it.
    fn commands(&self) -> Vec<&'a CommandRecord> {
        let not_cured = self.record.verdict == Verdict::NotRecovered && !self.helping.is_empty();
        let telling = match not_cured {
            true => self.saw_it().and_then(|(_, step)| step.commands.iter().rfind(|command| command.exit != Some(0))),
            false => self.with(StepStatus::Failed).and_then(|(_, step)| step.commands.iter().rfind(|c| !c.background)),
        };
        telling.into_iter().collect()
    }
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

/// What a fault does, as a clause: `it locks the table`. What an author says in words of their own is left as it is.
fn done(info: &FaultInfo) -> String {
    let summary = one_line(&info.summary);
    let own_words = matches!(info.kind.as_str(), "command" | "sql");
    let word = summary.split(' ').next().unwrap_or_default();
    let verb = word.len() > 3 && word.ends_with('s') && word.chars().all(|c| c.is_ascii_lowercase());
    if verb && !own_words { format!("it {summary}") } else { summary }
}

/// What became of the writes of a ledger that no invariant says to be destroyed.
fn ledger_figures(record: &Record) -> Option<DataFigures> {
    record.invariants.iter().all(|answer| answer.held).then(|| record.data_figures()).flatten()
}

/// Writes that were acknowledged after users had recovered and are lost.
fn lost_served(record: &Record) -> u64 {
    ledger_figures(record).map_or(0, |data| data.lost_served)
}

/// Rows that a restore brought and that nobody wrote, or that are there twice.
fn brought(record: &Record) -> u64 {
    ledger_figures(record).map_or(0, |data| data.brought)
}

/// How the faults stood when the drill gave up: the state, and the evidence.
fn after(record: &Record) -> Option<(FaultAfter, &str)> {
    let asked = record.faults.iter().filter_map(|fault| Some((fault.after?, fault)));
    let asked = asked.filter(|(state, _)| *state != FaultAfter::EndedByTime);
    let (state, fault) =
        asked.max_by_key(|(state, _)| matches!(state, FaultAfter::StillActive | FaultAfter::PartiallyActive))?;
    let told = fault.life.iter().rfind(|moment| FaultAfter::of(moment.what, true) == Some(state));
    Some((state, told.map_or("", |moment| moment.detail.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, record_of};
    use crate::record::{EarlierControl, InvariantInfo, InvariantTime, Location, WriteRecord};

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
    fn what_a_pass_does_not_show_is_told() {
        let mut record = record_of(Story::Passed);
        let [told] = &not_shown(&record)[..] else { panic!("{:?}", not_shown(&record)) };
        assert!(told.contains("no control of this scenario, stack and images was known"), "{told}");
        assert!(told.contains("`firedrill scenario db-pool --control`"), "{told}");
        let images = record.stack.as_ref().unwrap().images.clone();
        let run = "20261119T064112Z-db-pool-0001".to_string();
        let control = EarlierControl { run, images, healed: false, watched_us: 600_000_000 };
        let at = Location { path: "s.yaml".into(), line: 1 };
        let plan = record.plan.as_deref_mut().unwrap();
        plan.last_control = Some(control);
        let (name, run) = ("orders".to_string(), "count".to_string());
        for expected in ["as before the fault", ">= 0", "= 0"] {
            let (name, run, expected) = (format!("{name} {expected}"), run.clone(), expected.to_string());
            plan.invariants.push(InvariantInfo { name, service: "db".into(), run, expected, at: at.clone() });
        }
        let names: Vec<String> = plan.invariants.iter().map(|info| info.name.clone()).collect();
        assert_eq!(not_shown(&record), Vec::<String>::new(), "users did not recover in the control");
        let answer = |name: &str, value: &str| InvariantRecord {
            name: name.into(),
            time: InvariantTime::Steady,
            value: Some(value.into()),
            held: true,
            evidence: String::new(),
        };
        record.invariants = names.iter().map(|name| answer(name, "0")).collect();
        let told = not_shown(&record);
        assert_eq!(told.len(), 2, "what must be 0 has nothing to lose: {told:?}");
        assert!(told[0].starts_with("the invariant `orders as before the fault` was 0 before the fault"), "{told:?}");
        record.invariants = names.iter().map(|name| answer(name, "1204")).collect();
        assert_eq!(not_shown(&record), Vec::<String>::new());
        record.plan.as_deref_mut().unwrap().last_control = None;
        record.verdict = Verdict::NotRecovered;
        assert_eq!(not_shown(&record), Vec::<String>::new(), "of a pass only");
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
