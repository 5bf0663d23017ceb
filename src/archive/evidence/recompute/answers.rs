//! Answers of invariants and ends of steps, judged again by what their events say was seen.

use crate::record::{InvariantInfo, InvariantRecord, InvariantTime, StepInfo, StepRecord, StepStatus};
use crate::slis::Comparison;

/// Whether an answer to an invariant holds, by the value that it wrote and those before it. What the value alone does not
/// tell is taken from the event: what a long output was to be, and secrets.
pub(super) fn invariant_holds(info: &InvariantInfo, all: &[InvariantRecord], answer: &InvariantRecord) -> bool {
    let Some(value) = answer.value.as_deref() else { return false };
    let succeeded = answer.evidence.starts_with("exit code 0 ");
    if !succeeded && ["exit code ", "no exit code "].iter().any(|failed| answer.evidence.starts_with(failed)) {
        return false;
    }
    let earlier = || all.iter().filter(|other| other.name == answer.name && other.time < answer.time);
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    match info.expected.as_str() {
        "exit code 0" => succeeded,
        // That there is something to compare with is said before the fault.
        "as before the fault" if answer.time == InvariantTime::Steady => answer.held && !value.is_empty(),
        "as before the fault" => {
            earlier().any(|other| other.time == InvariantTime::Steady && other.value.as_deref() == Some(value))
        }
        "increases" => {
            let seen = answer.evidence.strip_prefix("it increased from ").and_then(|seen| seen.split_once(" to "));
            let Some((from, to)) = seen.and_then(|(from, to)| Some((number(from)?, number(to)?))) else { return false };
            let before = earlier().filter_map(|other| number(other.value.as_deref()?));
            number(value) == Some(to) && to > from && before.fold(f64::NEG_INFINITY, f64::max) <= from
        }
        expected => {
            let bound =
                expected.split_once(' ').and_then(|(sign, bound)| Some((Comparison::from_name(sign)?, number(bound)?)));
            let output = expected.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
            match (bound, output) {
                _ if value.contains("***") => answer.held,
                (Some((op, bound)), _) => number(value).is_some_and(|seen| op.holds(seen, bound)),
                (None, Some(output)) if !output.ends_with('…') => output.trim_ascii_end() == value,
                _ => answer.held,
            }
        }
    }
}

/// How a step ended, by the exit codes of its commands and by what was expected of them; `None` of one without an end. That it
/// failed, was blocked or skipped is taken from its event, and so is what a program said that its exit code does not tell.
pub(super) fn step_ended(info: &StepInfo, step: &StepRecord) -> Option<StepStatus> {
    let told = step.status?;
    if !matches!(told, StepStatus::Passed | StepStatus::Warned) {
        return Some(told);
    }
    let only_warns = matches!(info.phase.as_str(), "detect" | "diagnose");
    let wanted =
        |exit: i32| step.expectations.iter().any(|expected| expected.met && expected.what == format!("exit {exit}"));
    let failed = |expected: &crate::record::ExpectationRecord| {
        !(expected.met || only_warns && expected.what.starts_with("exit "))
    };
    let mut ended = if step.expectations.iter().any(failed) { StepStatus::Failed } else { told };
    for command in step.commands.iter().filter(|command| !command.background && !command.stopped) {
        match command.exit {
            Some(0) if !command.timed_out => {}
            Some(exit) if !command.timed_out && wanted(exit) => {}
            Some(exit) if only_warns && !command.timed_out && !matches!(exit, 126 | 127) => {
                ended = if ended == StepStatus::Failed { ended } else { StepStatus::Warned };
            }
            _ => ended = StepStatus::Failed,
        }
    }
    Some(ended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Location;
    use crate::record::testing::{Story, record_of};

    fn holds(expected: &str, before: Option<&str>, value: &str, evidence: &str) -> bool {
        let at = Location { path: "s.yaml".into(), line: 1 };
        let text = String::new();
        let info = InvariantInfo { name: "i".into(), service: text.clone(), run: text, expected: expected.into(), at };
        let one = |time, value: &str, evidence: &str| InvariantRecord {
            name: "i".into(),
            time,
            value: Some(value.into()),
            held: true,
            evidence: evidence.into(),
        };
        let answer = one(InvariantTime::Recovered, value, evidence);
        let mut all: Vec<InvariantRecord> =
            before.map(|before| one(InvariantTime::Steady, before, "seen")).into_iter().collect();
        all.push(answer.clone());
        invariant_holds(&info, &all, &answer)
    }

    #[test]
    fn a_step_ends_as_its_commands_did() {
        for story in [Story::Passed, Story::StepFailed, Story::StepBlocked, Story::Killed] {
            let record = record_of(story);
            let plan = record.plan.as_deref().unwrap();
            for step in &record.steps {
                let info = plan.steps.iter().find(|info| info.id == step.step).unwrap();
                assert_eq!(step_ended(info, step), step.status, "{story:?}: {}", step.step);
                let mut changed = step.clone();
                let passed = step.status == Some(StepStatus::Passed) && info.phase == "mitigate";
                if let Some(command) = changed.commands.iter_mut().find(|_| passed) {
                    command.exit = Some(1);
                    assert_eq!(step_ended(info, &changed), Some(StepStatus::Failed), "{story:?}: {}", step.step);
                }
            }
        }
    }

    #[test]
    fn an_answer_is_judged_by_its_value() {
        let cases = [
            holds("as before the fault", Some("4 rows"), "4 rows", "it wrote `4 rows` as before the fault"),
            holds("as before the fault", Some("4 rows"), "3 rows", "it wrote `3 rows` as before the fault"),
            holds("as before the fault", None, "4 rows", "it wrote `4 rows`"),
            holds(">= 100", None, "100", "it is 100 and must be >= 100"),
            holds(">= 100", None, "99", "it is 99 and must be >= 100"),
            holds(">= 100", None, "many", "it is 100"),
            holds("increases", Some("10"), "12", "it increased from 11 to 12"),
            holds("increases", Some("12"), "12", "it increased from 11 to 12"),
            holds("increases", Some("10"), "13", "it increased from 11 to 12"),
            holds("increases", Some("10"), "12", "it was 12 and did not increase within 10 s"),
            holds("`ok`", None, "ok", "it wrote `ok`"),
            holds("`ok`", None, "no", "it wrote `ok`"),
            holds("exit code 0", None, "", "exit code 0 in db-1"),
            holds("exit code 0", None, "", "exit code 1 in db-1"),
            holds(">= 100", None, "100", "exit code 1 in db-1: 100"),
        ];
        let held = [true, false, false, true, false, false, true, false, false, false, true, false, true, false, false];
        assert_eq!(cases, held);
    }
}
