//! JUnit of a whole game day: one suite per drill of the plan, also for those that were not run or were cut off. Of several
//! attempts the one that counts has the cases; the others stand in a case of their own and in the properties. The elements
//! for reruns that Surefire writes are no part of the stricter schemas, so they are not used.

use super::cases::{Case, CaseResult};
use super::clock::instant;
use super::junit::{Suite, suites};
use super::{Drills, Entry};
use crate::record::{Attempt, Day, DrillStatus};

/// Why a drill that passed at last is a failure.
const FLAKY_FAILS: &str = "it failed and passed when run again, and the game day's file says `flaky: fail`";

/// The JUnit report of these drills. Green exactly where every drill that ran has passed, at whatever attempt (unless the game
/// day fails for a flaky one); drills that were not run are skipped, with the reason. A shard that is missing is an error.
pub fn junit_day(drills: &Drills) -> Vec<u8> {
    let day_of = |run: &Attempt| {
        drills.days.iter().find(|day| day.drills.iter().flat_map(|d| &d.attempts).any(|known| known.run == run.run))
    };
    let mut all: Vec<Suite> = drills.entries().iter().map(|entry| suite(entry, &day_of)).collect();
    for group in drills.groups() {
        let of = group.shards().unwrap_or(0);
        all.extend(group.missing().into_iter().map(|shard| missing(group.name(), shard, of)));
    }
    let name = drills.name();
    suites(if name.is_empty() { "firedrill" } else { &name }, all)
}

fn suite<'a>(entry: &Entry<'a>, day_of: &dyn Fn(&Attempt) -> Option<&'a Day>) -> Suite {
    let attempt = entry.attempts.iter().rev().find_map(|(attempt, _)| *attempt);
    let mut suite = match entry.record() {
        Some(record) => Suite::of(record),
        None => bare(entry, attempt, attempt.and_then(day_of)),
    };
    suite.name = entry.name();
    suite.properties.push(("status", entry.status.name().to_string()));
    if let Some(attempt) = attempt {
        suite.properties.extend(day_of(attempt).map(|day| ("gameday", day.plan.id.clone())));
    }
    if let Some(planned) = entry.planned {
        suite.properties.push(("number", planned.planned.number.to_string()));
        suite.properties.push(("attempts", planned.attempts.len().to_string()));
    }
    let told = entry.attempts_told();
    let flaky_fails = attempt.and_then(day_of).is_some_and(|day| day.plan.flaky_fails);
    if !told.is_empty() {
        let result = match entry.status {
            DrillStatus::Flaky if flaky_fails => CaseResult::Failed { message: FLAKY_FAILS.into() },
            _ => CaseResult::Passed,
        };
        suite.cases.push(Case {
            name: "attempts".into(),
            took_ms: 0,
            file: String::new(),
            result,
            text: format!(
                "{}: what counts is the last attempt that was not disturbed\n\n{}",
                entry.status.name(),
                told.join("\n")
            ),
        });
        suite.properties.extend(told.into_iter().map(|line| ("attempt", line)));
    }
    suite
}

/// The suite of a drill without a record: only the game day knows of it.
fn bare(entry: &Entry<'_>, attempt: Option<&Attempt>, day: Option<&Day>) -> Suite {
    let message = entry.why();
    let result = match entry.status {
        DrillStatus::NotRun => CaseResult::Skipped { message: message.clone() },
        DrillStatus::Passed | DrillStatus::Flaky => CaseResult::Passed,
        DrillStatus::Failed => CaseResult::Failed { message: message.clone() },
        DrillStatus::Broken | DrillStatus::Incomplete | DrillStatus::Interrupted => {
            CaseResult::Error { message: message.clone() }
        }
    };
    let began = day.map_or("", |day| &day.plan.started_utc);
    Suite {
        name: String::new(),
        started: instant(began),
        cases: vec![Case {
            name: "verdict".into(),
            took_ms: entry.took_us().unwrap_or(0) / 1000,
            file: String::new(),
            result,
            text: message.clone(),
        }],
        properties: attempt.map(|attempt| ("run", attempt.run.clone())).into_iter().collect(),
        out: message,
    }
}

fn missing(name: &str, shard: u32, of: u32) -> Suite {
    let message = format!("nothing was found of shard {shard}/{of}: its drills are not in this report");
    Suite {
        name: format!("{name} shard {shard} of {of}"),
        started: instant(""),
        cases: vec![Case {
            name: "found".into(),
            took_ms: 0,
            file: String::new(),
            result: CaseResult::Error { message: message.clone() },
            text: message.clone(),
        }],
        properties: Vec::new(),
        out: message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, record_of};
    use crate::report::junit::tests::{assert_schema, assert_valid};
    use crate::report::testing::{days, stories};
    use roxmltree::{Document, Node};

    fn xml(drills: &Drills) -> String {
        String::from_utf8(junit_day(drills)).expect("UTF-8")
    }

    fn count(suite: &Node<'_, '_>, name: &str) -> usize {
        suite.attribute(name).unwrap().parse().unwrap()
    }

    /// Suite by suite: name, failures, errors, skipped, status.
    fn table(xml: &str) -> String {
        let doc = Document::parse(xml).unwrap();
        assert_schema(&doc);
        let mut table = String::new();
        for suite in doc.root_element().children().filter(Node::is_element) {
            let property = |name: &str| {
                let found =
                    suite.descendants().find(|n| n.has_tag_name("property") && n.attribute("name") == Some(name));
                found.and_then(|n| n.attribute("value")).unwrap_or("-").to_string()
            };
            let counts = ["failures", "errors", "skipped"].map(|name| count(&suite, name));
            let name = suite.attribute("name").unwrap();
            table.push_str(&format!("{name}: {counts:?} {}, attempts {}\n", property("status"), property("attempts")));
            let attempts = suite.descendants().filter(|n| n.attribute("name") == Some("attempt"));
            for attempt in attempts {
                table.push_str(&format!("    {}\n", attempt.attribute("value").unwrap()));
            }
        }
        table
    }

    #[test]
    fn a_game_day_as_suites() {
        let xml = xml(&days());
        assert_valid(&[&xml]);
        insta::assert_snapshot!(table(&xml));
    }

    #[test]
    fn a_flaky_drill_is_a_failure_where_the_game_day_says_so() {
        let flaky = |drills: &Drills| {
            let xml = xml(drills);
            let all = table(&xml);
            all.lines().find(|line| line.starts_with("upstream-503")).unwrap().to_string()
        };
        let mut drills = days();
        assert!(flaky(&drills).contains("[0, 0, "), "{}", flaky(&drills));
        drills.days[0].plan.flaky_fails = true;
        assert!(flaky(&drills).contains("[1, 0, "), "{}", flaky(&drills));
    }

    #[test]
    fn green_exactly_where_nothing_is_in_trouble() {
        for story in Story::ALL {
            let drills = Drills::one(record_of(story));
            let xml = xml(&drills);
            let doc = Document::parse(&xml).unwrap();
            assert_schema(&doc);
            let suite = doc.root_element().first_element_child().unwrap();
            let green = count(&suite, "failures") + count(&suite, "errors") == 0;
            assert_eq!(green, record_of(story).passed(), "{story:?}");
        }
    }

    #[test]
    fn a_drill_whose_record_is_lost_is_still_there() {
        let mut drills = days();
        drills.records.clear();
        let (with, without) = (table(&xml(&days())), table(&xml(&drills)));
        assert_eq!(
            with.lines().filter(|l| !l.starts_with(' ')).count(),
            without.lines().filter(|l| !l.starts_with(' ')).count()
        );
        let errors = "queue: [0, 1, 0] incomplete";
        assert!(without.contains(errors), "{without}");
    }

    #[test]
    fn the_same_drills_twice_and_none_at_all_are_valid() {
        let mut all = Story::ALL.to_vec();
        all.extend(Story::ALL);
        let (all, none) = (xml(&stories(&all)), xml(&Drills::default()));
        assert_valid(&[&all, &none]);
        table(&all);
        table(&none);
    }
}
