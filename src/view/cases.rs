//! From a record to test cases: one per assertion that the drill set out to decide, whether it was reached or not.

use super::format::percent;
use super::restore::{self, Rung, other_level};
use super::symbol::StatusSymbol;
use super::words::{self, counts, ending, placed, plainly};
use crate::record::{
    Check, CheckOutcome, CheckResult, CommandRecord, Location, Record, ReplacedInfo, RunOutcome, SliFigures, StepInfo,
    StepRecord, StepStatus, Verdict,
};

/// One test case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillCase {
    /// The name: the same in every drill of the scenario, so that CI servers can follow it.
    pub name: String,
    /// Its share of the drill's time, in milliseconds: from the decision before it to its own.
    pub took_ms: u64,
    /// The file of the user's that it is about: the runbook of a step, otherwise the scenario. Empty when unknown.
    pub file: String,
    /// How it came out: it held, the assertion failed, the harness broke (`Warn`), it is for a person or was not reached (`Skip`).
    pub symbol: StatusSymbol,
    /// Why it did not hold, in one line, the place first.
    pub message: String,
    /// What was seen: evidence, commands, output.
    pub text: String,
}

impl DrillCase {
    /// How it came out, the same in a word, and what was seen.
    pub fn came(&self) -> (StatusSymbol, &'static str, &str) {
        let (word, seen) = match self.symbol {
            StatusSymbol::Good => ("passed", self.text.lines().next().unwrap_or_default()),
            StatusSymbol::Bad => ("failed", self.message.as_str()),
            StatusSymbol::Warn => ("harness error", self.message.as_str()),
            StatusSymbol::Skip | StatusSymbol::Plain => ("not decided", self.message.as_str()),
        };
        (self.symbol, word, seen)
    }

    /// Whether the assertion failed or the harness broke.
    pub fn fails(&self) -> bool {
        matches!(self.symbol, StatusSymbol::Bad | StatusSymbol::Warn)
    }
}

/// The test cases of a drill.
pub fn cases(record: &Record) -> Vec<DrillCase> {
    let mut checks = record.planned_checks();
    for CheckResult { check, .. } in &record.checks {
        if !checks.contains(check) {
            checks.push(check.clone());
        }
    }
    let mut cases: Vec<DrillCase> = checks.iter().map(|check| case(record, check)).collect();
    let decided: Vec<Option<u64>> = checks.iter().map(|check| decided_us(record, check)).collect();
    cases.extend(verdict_case(record, &cases));
    share_time(&mut cases, &decided, record.last_us.0);
    cases
}

/// Shares the time of the drill between its cases. The phases follow each other, so a case has the time from the decision
/// before it to its own, and all together have that of the drill. What comes after the last decision is the verdict's.
fn share_time(cases: &mut [DrillCase], decided: &[Option<u64>], last_us: u64) {
    let mut order: Vec<(u64, usize)> =
        decided.iter().enumerate().filter_map(|(case, us)| Some((us.as_ref()?.min(&last_us) / 1000, case))).collect();
    order.sort_unstable();
    let rest = match order.last() {
        Some((_, case)) if cases.len() == decided.len() => Some(*case),
        _ => cases.len().checked_sub(1),
    };
    order.extend(rest.map(|case| (last_us / 1000, case)));
    let mut before = 0;
    for (ms, case) in order {
        cases[case].took_ms += ms - before;
        before = ms;
    }
}

/// When a check was decided, in drill time.
fn decided_us(record: &Record, check: &Check) -> Option<u64> {
    let of_step = || step(record, check).1?.ended_us;
    record.check(check).map(|result| result.ended_us).or_else(of_step).map(|us| us.0)
}

fn case(record: &Record, check: &Check) -> DrillCase {
    let info = step(record, check).0;
    let scenario = record.plan.as_ref().map(|plan| &plan.scenario_file.path);
    let file = info.map(|info| &info.at.path).or(scenario).cloned().unwrap_or_default();
    // A step that does not say where it failed did so where it begins.
    let failed = |symbol, reason: &str, at: Option<Location>| {
        let message = placed(at.as_ref(), reason);
        (symbol, message.clone(), message, at.or_else(|| Some(info?.at.clone())))
    };
    let (symbol, message, text, at) = match outcome(record, check) {
        Some(CheckOutcome::Passed { evidence }) => (StatusSymbol::Good, String::new(), evidence, None),
        Some(CheckOutcome::Failed { reason, at }) if failed_as_expected(record, check) => {
            let verdict = record.verdict;
            let text = format!("failed as the scenario expects (verdict {verdict}): {}", placed(at.as_ref(), &reason));
            (StatusSymbol::Good, String::new(), text, None)
        }
        Some(CheckOutcome::Failed { reason, at }) => failed(StatusSymbol::Bad, &reason, at),
        Some(CheckOutcome::Error { reason, at }) => failed(StatusSymbol::Warn, &reason, at),
        Some(CheckOutcome::Skipped { reason }) => (StatusSymbol::Skip, reason, String::new(), None),
        None => (StatusSymbol::Skip, undecided(record, check), String::new(), None),
    };
    let seen = Some(text).filter(|text| !text.is_empty()).into_iter().chain(detail(record, check));
    let mut text = seen.collect::<Vec<_>>().join("\n\n");
    text.extend(at.filter(|at| at.path == file).map(|at| format!("\n\nat {at}")));
    DrillCase { name: words::check(check), took_ms: 0, file, symbol, message, text }
}

/// How a check came out: as the engine decided it; for a step that it did not, as the step ended. Nothing was shown of a step
/// of which only the look was run.
fn outcome(record: &Record, check: &Check) -> Option<CheckOutcome> {
    let (info, ran) = step(record, check);
    if let Some(reason) = ran.and_then(|ran| info?.only_looked(ran.status)) {
        return Some(CheckOutcome::Skipped { reason });
    }
    if let Some(result) = record.check(check) {
        return Some(result.outcome.clone());
    }
    let ran = ran?;
    let reason = ran.reason.clone().unwrap_or_default();
    match ran.status? {
        StepStatus::Passed | StepStatus::Warned => Some(CheckOutcome::Passed { evidence: reason }),
        StepStatus::Failed | StepStatus::Blocked => Some(CheckOutcome::Failed { reason, at: ran.at.clone() }),
        StepStatus::Skipped => Some(CheckOutcome::Skipped { reason }),
    }
}

/// Whether a check may fail because that is what the drill is for.
fn failed_as_expected(record: &Record, check: &Check) -> bool {
    let control = record.is_control() && matches!(check, Check::Recovery { .. });
    record.passed() && (record.expects_failure() || control)
}

/// The case of the verdict itself, where the others do not tell it: when a failure is expected, or when none of
/// them says why the drill did not pass.
fn verdict_case(record: &Record, cases: &[DrillCase]) -> Option<DrillCase> {
    let verdict = record.verdict;
    let file = record.plan.as_ref().map(|plan| plan.scenario_file.path.clone()).unwrap_or_default();
    let case = |symbol, message, text| {
        Some(DrillCase { name: "verdict".into(), took_ms: 0, file: file.clone(), symbol, message, text })
    };
    let unexpected = |message: String| {
        let text = format!("{message}: {}", record.reason);
        case(StatusSymbol::Bad, message, text)
    };
    let trouble = || {
        let spoilers = record.spoilers().map(|j| format!("{}: {}", j.verdict, placed(j.at.as_ref(), &j.reason)));
        let left = record.left.iter().map(|left| format!("left behind: {left}"));
        let cut = words::cut_off(record).filter(|_| record.under_way().is_some());
        spoilers.chain(left).chain(cut).collect::<Vec<_>>().join("; ")
    };
    let broken = cases.iter().any(|case| case.symbol == StatusSymbol::Warn);
    let said = if verdict == record.expected() || verdict == Verdict::Incomplete && record.reason.is_empty() {
        trouble()
    } else {
        placed(record.at.as_ref(), &record.reason)
    };
    match record.outcome() {
        RunOutcome::Passed if record.expects_failure() => {
            let text = format!("verdict {verdict}, as the scenario expects: {}", record.reason);
            case(StatusSymbol::Good, String::new(), text)
        }
        RunOutcome::Passed => None,
        RunOutcome::Failed if record.expects_failure() && verdict != record.expected() => {
            unexpected(format!("expected verdict {}, got {verdict}", record.expected()))
        }
        RunOutcome::Failed if other_level(record).is_some() => other_level(record).and_then(unexpected),
        RunOutcome::Failed if cases.iter().any(DrillCase::fails) => None,
        RunOutcome::Failed => case(StatusSymbol::Bad, said.clone(), said),
        RunOutcome::Broken | RunOutcome::Interrupted if broken => None,
        RunOutcome::Broken | RunOutcome::Interrupted => {
            let message = if said.is_empty() { verdict.to_string() } else { said };
            let text = format!("verdict {verdict}: {message}");
            case(StatusSymbol::Warn, message, text)
        }
    }
}

/// Why a check was not decided.
fn undecided(record: &Record, check: &Check) -> String {
    if step(record, check).1.is_some() {
        return match record.verdict {
            Verdict::Incomplete => format!("not finished: {} in it", plainly(record)),
            verdict => format!("not finished: the drill ended in it as {verdict}"),
        };
    }
    match (words::cut_off(record).filter(|_| record.under_way().is_some()), record.verdict) {
        (Some(cut), _) => format!("not reached: {cut}"),
        (None, Verdict::Incomplete) => format!("not reached: {}", plainly(record)),
        (None, Verdict::Passed) => "not asked for in this drill".to_string(),
        (None, verdict) => format!("not reached: the drill ended as {verdict}"),
    }
}

/// The step that a check is about, as it was planned and as it was carried out.
fn step<'a>(record: &'a Record, check: &Check) -> (Option<&'a StepInfo>, Option<&'a StepRecord>) {
    let Check::Step { step } = check else { return (None, None) };
    (record.step_info(step), record.steps.iter().find(|ran| ran.step == *step))
}

/// What belongs to a check beyond its evidence.
fn detail(record: &Record, check: &Check) -> Option<String> {
    let lines: Vec<String> = match check {
        Check::Step { .. } => return step_detail(step(record, check)),
        Check::Injection { fault } => {
            let info = record.fault_info(fault)?;
            vec![format!("{} ({}, {})", info.summary, info.kind, info.at)]
        }
        Check::Steady => {
            let line = |s: &SliFigures| {
                let (sli, before, objective) = (record.sli_with_slo(&s.sli), counts(&s.before), percent(s.objective));
                format!("{sli}: {before} (objective {objective})")
            };
            record.figures().slis.iter().map(line).collect()
        }
        Check::Recovery { sli } => {
            record.check(check)?;
            let s = record.figures().slis.into_iter().find(|s| s.sli == *sli)?;
            let slo = record.slo_of(sli).map(|slo| format!("SLO: {slo}"));
            let felt = [format!("during: {}", counts(&s.during)), format!("after: {}", counts(&s.after))];
            slo.into_iter().chain(felt).collect()
        }
        Check::Invariant { name } => {
            let asked = record.invariants.iter().filter(|answer| answer.name == *name);
            asked.map(|answer| format!("{}: {}", answer.time.words(), answer.evidence)).collect()
        }
        Check::RestoreLevel => {
            let line = |rung: Rung| format!("{} {}: {}: {}", rung.level, rung.word(), rung.level.words(), rung.seen);
            restore::ladder(record).into_iter().map(line).collect()
        }
        Check::RecoveryTime => rows(record, &["RTO"]),
        Check::RecoveryPoint => rows(
            record,
            &[
                "RPO", "acknowledged", "lost before fault", "lost after fault", "unacknowledged", "more than once",
                "never sent", "survivors", "backup",
            ],
        ),
        _ => return None,
    };
    Some(lines.join("\n")).filter(|text| !text.is_empty())
}

/// What a DR drill measured, line by line.
fn rows(record: &Record, names: &[&str]) -> Vec<String> {
    let rows = restore::rows(record).into_iter().filter(|row| names.contains(&row.name));
    rows.map(|row| format!("{}: {}", restore::meaning(row.name), row.text)).collect()
}

/// The commands of a step as a transcript.
fn step_detail((info, ran): (Option<&StepInfo>, Option<&StepRecord>)) -> Option<String> {
    let mut seen: Vec<String> = Vec::new();
    seen.extend(info.map(|info| format!("{}: {} ({})", info.phase, info.title, info.at)));
    seen.extend(ran.filter(|ran| ran.status == Some(StepStatus::Warned)).map(|ran| {
        let reason = placed(ran.at.as_ref(), ran.reason.as_deref().unwrap_or("a command failed"));
        format!("passed with a warning: {reason}")
    }));
    seen.extend(info.and_then(|info| info.replaced.as_ref()).map(instead));
    seen.extend(ran.iter().flat_map(|ran| &ran.commands).map(transcript));
    seen.extend(ran.iter().flat_map(|ran| &ran.expectations).map(|expectation| {
        let met = if expectation.met { "as expected" } else { "not as expected" };
        format!("{met}: {}: {}", expectation.what, expectation.evidence)
    }));
    Some(seen.join("\n\n")).filter(|text| !text.is_empty())
}

/// What the runbook says, where the scenario has put something else in its place.
fn instead(replaced: &ReplacedInfo) -> String {
    let by_hand = if replaced.commands.is_empty() { " that a person does it" } else { "" };
    let lines = replaced.commands.iter().flat_map(|command| command.lines()).map(|line| format!("\n| {line}"));
    format!("replaced by {}; the runbook says{by_hand}{}", replaced.by, lines.collect::<String>())
}

fn transcript(command: &CommandRecord) -> String {
    let typed: String = words::prompted(command.text.lines()).map(|line| line + "\n").collect();
    let output = command.output.text();
    let end = if output.is_empty() || output.ends_with('\n') { "" } else { "\n" };
    let left_out = match command.omitted {
        0 => String::new(),
        bytes => format!("… {bytes} bytes of output left out by the shell …\n"),
    };
    format!("{}\n{typed}{output}{end}{left_out}{}", command.at, ending(command))
}
