//! What a person needs to know first about a drill that did not pass: what broke, which step did not help, what users felt,
//! and what to do next. Plain sentences; what stands between backticks is code. Derived from the record alone, and no
//! more certain than that.

use super::restore::{self, Rung};
use super::words::served_beside;
use super::{StatusSymbol, advice, filters, format, template_lines, template_section, words};
use crate::output::one_line;
use crate::record::{
    Announcement, CommandRecord, DataFigures, DrillStatus, DrillTime, FaultAfter, FaultEvent, FaultInfo, Figures,
    InvariantRecord, InvariantTime, Phase, Record, RestoreLevel, StepInfo, StepRecord, StepStatus, Verdict, lost_since,
};
use askama::Template;

/// What a person needs to know first.
#[derive(Debug, Clone, Default)]
pub struct Advice<'a> {
    /// What was broken on purpose, or what broke without that.
    pub broke: String,
    /// Which step did not help or failed.
    pub step: String,
    /// The command that shows it.
    pub command: Option<&'a CommandRecord>,
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
    let runbook = record.plan.as_ref().and_then(|plan| plan.runbook_file.as_ref());
    let followed = followed(record);
    let told = AdviceText {
        record,
        figures: record.figures(),
        runbook: runbook.map_or("the runbook", |file| file.path.as_str()),
        reason: one_line(&record.reason),
        beside: served_beside(record).filter(|_| record.passed()),
        helping: helping(&followed),
        followed,
        broken: faults.filter(|info| confirmed(&info.id).is_some()).collect(),
        lost: lost(record),
    };
    let lines = template_lines(&told);
    let [broke, step] = ["broke", "step"].map(|name| template_section(&lines, name).join(" "));
    let [felt, next] = ["felt", "next"].map(|name| template_section(&lines, name));
    Advice { broke, step, command: told.command(), felt, next }
}

#[derive(Template)]
#[template(path = "advice/advice.txt")]
struct AdviceText<'a> {
    record: &'a Record,
    figures: Figures,
    runbook: &'a str,
    reason: String,
    /// What a pass does not show.
    beside: Option<String>,
    followed: Vec<FollowedStep<'a>>,
    /// Those that were to help.
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

    /// The command that shows it.
    fn command(&self) -> Option<&'a CommandRecord> {
        match self.record.verdict == Verdict::NotRecovered && !self.helping.is_empty() {
            true => self.saw_it()?.1.commands.iter().rfind(|command| command.exit != Some(0)),
            false => self.failed().map(|(command, _)| command),
        }
    }

    /// The command at which a step failed, and whether that step only checks.
    fn failed(&self) -> Option<(&'a CommandRecord, bool)> {
        let (info, step) = self.with(StepStatus::Failed)?;
        Some((step.commands.iter().rfind(|command| !command.background)?, info.phase == "verify"))
    }

    /// The steps of the mitigation that were followed.
    fn mitigating(&self) -> Vec<FollowedStep<'a>> {
        self.followed.iter().copied().filter(|(info, _)| info.phase == "mitigate").collect()
    }

    /// Those of them that are for a person and were skipped.
    fn by_hand(&self) -> String {
        let mut by_hand = self.mitigating();
        by_hand.retain(|(info, step)| info.manual && step.status == Some(StepStatus::Skipped));
        listed(&by_hand)
    }

    fn ended(&self, by: FaultAfter) -> bool {
        self.record.faults.iter().any(|fault| fault.after == Some(by))
    }

    /// The first level of a restore that did not hold.
    fn broken_level(&self) -> Option<Rung> {
        restore::ladder(self.record).into_iter().find(|rung| rung.came == StatusSymbol::Bad)
    }

    /// What to do where users recovered later than the objective allows.
    fn too_slow(&self) -> String {
        let ran = self.followed.iter().filter_map(|(info, step)| Some((step.took_us()?, info)));
        let longest = ran
            .max_by_key(|(took, _)| *took)
            .map(|(took, info)| format!("; the longest, {}, took {}", named(info), format::seconds(took)));
        format!(
            "Make the recovery shorter: it took {}, and the objective (`rto`) is {}. See where its time went{}.",
            format::seconds(self.figures.to_recover_us.unwrap_or(0)),
            format::declared(self.record.plan.as_ref().and_then(|plan| plan.rto_us()).unwrap_or(0)),
            longest.unwrap_or_default()
        )
    }
}

/// What to do next about a drill that did not pass, in one line; `None` where nothing needs to be done.
pub fn what_to_do(record: &Record) -> Option<String> {
    (!record.passed()).then(|| advice(record).next.join(" "))
}

/// Whether the level of a restore says enough, so that what is said of other drills would mislead.
fn says_enough(record: &Record) -> bool {
    let users = record.recovered_us().is_some();
    restore::plan(record).is_some() && (users || record.restore_level().is_some_and(|level| level < RestoreLevel::L4))
}

/// The steps that were followed, in the order of the plan.
fn followed(record: &Record) -> Vec<FollowedStep<'_>> {
    let Some(plan) = &record.plan else { return Vec::new() };
    plan.steps.iter().filter_map(|info| Some((info, record.steps.iter().find(|step| step.step == info.id)?))).collect()
}

/// Those that were to help: of the mitigation, or where there is none by that name, of what could be one.
fn helping<'a>(followed: &[FollowedStep<'a>]) -> Vec<FollowedStep<'a>> {
    let did = |(info, step): &FollowedStep<'_>| !step.commands.is_empty() && info.only_looked(step.status).is_none();
    let ran: Vec<FollowedStep<'_>> = followed.iter().copied().filter(did).collect();
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

/// Writes that were stored, and are gone after the revert.
fn lost_again(record: &Record) -> usize {
    let reads = record.read_back.as_ref().zip(record.read_again.as_ref());
    let reads = reads.filter(|_| record.invariants.iter().all(|answer| answer.held));
    reads.map_or(0, |(first, again)| lost_since(&record.writes, first, again).len())
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

/// What makes a pass less certain, a line each and the same in every report: whether it is the runbook's, or that of its mitigation alone,
/// and what it does not show.
pub fn doubts(record: &Record) -> Vec<String> {
    words::doubts(record).into_iter().chain(not_shown(record)).collect()
}

/// [`doubts`], and what was noted of the outcome, which is worth a look whatever the verdict says. What came before, and what an agent tells of its
/// fault, was told as it happened.
pub fn worth_a_look(record: &Record) -> Vec<String> {
    let begin = |of| record.phases.iter().find(|phase| phase.phase == of).map(|phase| phase.started_us);
    let is_pass = record.verdict == Verdict::Passed;
    let outcome = begin(Phase::Recover).or_else(|| begin(Phase::Impact).filter(|_| is_pass));
    let is_agents = |text: &str| {
        record.clocks.iter().any(|clock| text.strip_prefix(&clock.agent).is_some_and(|rest| rest.starts_with(": ")))
    };
    let noted = record.notes.iter().filter(|note| note.by.is_none() && outcome.is_some_and(|from| note.at_us >= from));
    let noted = noted.filter(|note| !is_agents(&note.text)).map(|note| note.text.clone());
    doubts(record).into_iter().chain(noted).collect()
}

/// What a pass does not show, a line each: that users would not have recovered without the runbook, where no control is known, that nothing was
/// lost, where an invariant had nothing to lose, and that all is well, where a step warned that is more than a diagnosis.
fn not_shown(record: &Record) -> Vec<String> {
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
    let is_unsure = |step: &&StepRecord| {
        let counts = record.step_info(&step.step).is_some_and(|info| info.phase != "diagnose");
        counts && step.status == Some(StepStatus::Warned)
    };
    let unsure = record.steps.iter().filter(is_unsure).filter_map(|step| step.reason.clone());
    control.into_iter().chain(weak).chain(unsure).collect()
}

/// The answer to the invariant that did not hold last.
fn lost(record: &Record) -> Option<&InvariantRecord> {
    record.invariants.iter().rfind(|answer| !answer.held)
}

/// The same with where it stands and what was seen.
fn lost_invariant(record: &Record) -> String {
    let info =
        lost(record).and_then(|lost| record.plan.as_ref()?.invariants.iter().find(|info| info.name == lost.name));
    match (lost(record), info) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, record_of};
    use crate::record::{EarlierControl, InvariantInfo, Location, NoteRecord, ReadBackRecord, WriteRecord};

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
    fn writes_that_are_gone_after_the_revert_are_the_doing_of_the_undo() {
        let mut record = record_of(Story::RestorePassed);
        record.verdict = Verdict::Damaged;
        let first = record.read_back.clone().unwrap();
        let later = |seconds| first.asked_us.plus(std::time::Duration::from_secs(seconds));
        record.writes.retain(|write| write.ended() <= first.asked_us);
        record.writes.push(WriteRecord(1_000_000, later(1), true));
        record.read_again = Some(ReadBackRecord { asked_us: later(2), ..first.clone() });
        assert_eq!((lost_served(&record), lost_again(&record)), (0, 1));
        let Advice { step, next, .. } = advice(&record);
        assert!(step.contains("1 writes are gone after the revert that were stored before it"), "{step}");
        let brought_back = "Undoing the fault brought back what `runbooks/pg-restore.md` had done without";
        assert!(next[0].starts_with(brought_back), "{next:?}");
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
        let verification = record.steps.iter().position(|step| step.step.starts_with("verify/")).unwrap();
        record.steps[verification].status = Some(StepStatus::Warned);
        record.steps[verification].reason = Some("`curl` failed, and `echo no` hides it".into());
        record.notes.push(NoteRecord { at_us: record.last_us, text: "`purge` cannot be taken back".into(), by: None });
        let told = ["`curl` failed, and `echo no` hides it", "`purge` cannot be taken back"];
        assert_eq!(worth_a_look(&record), told);
        let mitigation = record.steps.iter().position(|step| step.step.starts_with("mitigate/")).unwrap();
        record.steps[mitigation].status = Some(StepStatus::Warned);
        record.steps[mitigation].reason = Some("`dokcer` was not found".into());
        assert!(worth_a_look(&record).contains(&"`dokcer` was not found".to_string()));
        record.steps[mitigation].status = Some(StepStatus::Passed);
        let all = record.clone();
        record.phases.retain(|phase| phase.phase != Phase::Recover);
        assert_eq!(worth_a_look(&record), told, "a pass without an impact has no recovery");
        record.verdict = Verdict::Breached;
        assert_eq!(worth_a_look(&record), Vec::<String>::new(), "what failed before is told as it happened");
        record = all;
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
            all.extend(advice.command.iter().map(|command| format!("         $ {}\n", command.text)));
            all.extend(advice.felt.iter().map(|text| format!("  felt:  {text}\n")));
            all.extend(advice.next.iter().map(|text| format!("  next:  {text}\n")));
        }
        insta::assert_snapshot!(all);
    }
}
