//! Annotations of GitHub: what failed, beside the lines of runbooks and scenarios in a pull request and in the summary of a
//! run. GitHub shows ten errors and ten warnings of a step, so that many are written, the most important ones first.

use crate::output::{Annotation, Severity, one_line};
use crate::record::{DrillStatus, Location};
use crate::view::advice::what_to_do;
use crate::view::{DrillEntry, Drills};

/// The trouble in the order in which it is told: what a runbook can be blamed for comes before what says nothing about it.
const ORDER: [DrillStatus; 5] =
    [DrillStatus::Failed, DrillStatus::Flaky, DrillStatus::Broken, DrillStatus::Incomplete, DrillStatus::Interrupted];
/// What GitHub shows of each kind in one step.
const SHOWN: usize = 10;

/// The annotations of these drills, one command a line: an error for each drill that failed, broke or was cut off, a warning
/// for each flaky one, unless the file of its game day says that it fails then. `from_root` says what a path of the record is from the root of the repository.
pub fn annotations(drills: &Drills, from_root: &dyn Fn(&str) -> String) -> Vec<u8> {
    let entries = drills.entries();
    let mut trouble: Vec<&DrillEntry<'_>> = entries.iter().filter(|entry| entry.status.is_trouble()).collect();
    // Within one rank the order of the plan stays.
    trouble.sort_by_key(|entry| ORDER.iter().position(|status| *status == entry.status));
    let all: Vec<Annotation> = trouble.iter().map(|entry| annotation(entry, from_root)).collect();
    let mut text = String::new();
    for weight in [Severity::Error, Severity::Warning] {
        let of_weight: Vec<&Annotation> = all.iter().filter(|a| a.weight == weight).collect();
        let fits = if of_weight.len() > SHOWN { SHOWN - 1 } else { of_weight.len() };
        let more = (of_weight.len() > fits).then(|| more(weight, of_weight.len() - fits));
        text.extend(of_weight.into_iter().take(fits).chain(&more).map(|annotation| format!("{annotation}\n")));
    }
    text.into_bytes()
}

fn annotation(entry: &DrillEntry<'_>, from_root: &dyn Fn(&str) -> String) -> Annotation {
    let harmless = entry.status == DrillStatus::Flaky && entry.day.is_none_or(|day| !day.plan.flaky_fails);
    let record = entry.telling_record();
    let plan = record.and_then(|record| record.plan.as_deref());
    // Where no line is to blame, the scenario as a whole is.
    let scenario = plan.map(|plan| Location { path: plan.scenario_file.path.clone(), line: 1 });
    let place = entry.place().cloned().or(scenario).filter(|place| !place.path.is_empty());
    let came = match entry.status {
        DrillStatus::Failed | DrillStatus::Broken => entry.verdict().map_or("failed", |verdict| verdict.name()),
        status => status.name(),
    };
    let why = Some(entry.why()).filter(|why| !why.is_empty()).unwrap_or_else(|| came.to_string());
    let message = [vec![why], entry.attempts_told(), record.and_then(what_to_do).into_iter().collect()].concat();
    Annotation {
        weight: if harmless { Severity::Warning } else { Severity::Error },
        line: place.as_ref().map(|place| place.line.max(1)),
        file: place.map(|place| from_root(&place.path)),
        column: None,
        title: one_line(&format!("{}: {}", entry.name(), came.replace('_', " "))),
        message: message.join("\n"),
    }
}

fn more(weight: Severity, count: usize) -> Annotation {
    let of = if weight == Severity::Error { "that did not pass" } else { "that are flaky" };
    Annotation {
        weight,
        file: None,
        line: None,
        column: None,
        title: "firedrill".into(),
        message: format!("{count} more drills {of}: GitHub shows ten of a kind, the report has all of them"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::Story;
    use crate::view::testing::{days, stories};

    fn text(drills: &Drills) -> String {
        String::from_utf8(annotations(drills, &|path| format!("sub/{path}"))).expect("UTF-8")
    }

    #[test]
    fn every_story_as_annotations() {
        insta::assert_snapshot!(text(&stories(&Story::ALL)));
        assert_eq!(text(&stories(&[Story::Passed, Story::ExpectedFailure, Story::Control])), "");
    }

    #[test]
    fn a_game_day_as_annotations() {
        insta::assert_snapshot!(text(&days()));
    }

    #[test]
    fn a_flaky_drill_is_an_error_where_the_file_says_that_it_fails() {
        let mut drills = days();
        let flaky = |drills: &Drills| {
            let text = text(drills);
            text.lines()
                .find(|line| line.contains("upstream-503: flaky") || line.contains("upstream-503%3A flaky"))
                .unwrap()
                .to_string()
        };
        assert!(flaky(&drills).starts_with("::warning "), "{}", flaky(&drills));
        drills.days.iter_mut().for_each(|day| day.plan.flaky_fails = true);
        assert!(flaky(&drills).starts_with("::error "), "{}", flaky(&drills));
    }

    #[test]
    fn no_more_than_are_shown_and_failures_first() {
        let mut all = vec![Story::HarnessError; 5];
        all.extend([Story::StepFailed; 8]);
        let text = text(&stories(&all));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), SHOWN);
        assert!(lines[..8].iter().all(|line| line.contains("step failed")), "{text}");
        assert!(lines[9].contains("4 more drills"), "{text}");
    }
}
