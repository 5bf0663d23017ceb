//! The JUnit report against a strict XML parser, the schemas of CI servers, and hostile text.

use super::*;
use crate::record::testing::{Story, record_of};
use crate::record::{Check, CheckOutcome, CheckResult, Stream};
use proptest::prelude::*;
use roxmltree::{Document, Node};

fn xml(records: &[&Record]) -> String {
    String::from_utf8(junit(records)).expect("UTF-8")
}

#[test]
fn a_drill_that_has_not_begun_is_an_error() {
    let record = record_of(Story::Passed);
    let now = instant("2026-11-21T09:30:00Z");
    let xml =
        String::from_utf8(junit_so_far(&[&record], Some("disk full"), &["b".into(), "b".into()], now)).expect("UTF-8");
    let doc = Document::parse(&xml).unwrap();
    assert_schema(&doc);
    let names: Vec<_> = suites(&doc).iter().map(|suite| suite.attribute("name").unwrap().to_string()).collect();
    assert_eq!((names[1..].join(", "), doc.root_element().attribute("errors")), ("b, b (2)".into(), Some("3")));
    let times: Vec<_> = suites(&doc).iter().map(|suite| suite.attribute("timestamp").unwrap().to_string()).collect();
    assert_eq!(times, ["2026-11-20T06:41:12", "2026-11-21T09:30:00", "2026-11-21T09:30:00"]);
    assert_eq!(junit_so_far(&[&record], None, &[], now), junit(&[&record]));
}

fn suites<'a>(doc: &'a Document<'a>) -> Vec<Node<'a, 'a>> {
    doc.root_element().children().filter(Node::is_element).collect()
}

fn test_cases<'a>(suite: &Node<'a, 'a>) -> Vec<Node<'a, 'a>> {
    suite.children().filter(|n| n.has_tag_name("testcase")).collect()
}

fn find<'a>(suite: &Node<'a, 'a>, name: &str) -> Node<'a, 'a> {
    let all = test_cases(suite);
    *all.iter().find(|c| c.attribute("name") == Some(name)).unwrap_or_else(|| panic!("no case {name}"))
}

fn result<'a>(case: &Node<'a, 'a>) -> Option<Node<'a, 'a>> {
    case.children().find(|n| ["failure", "error", "skipped"].contains(&n.tag_name().name()))
}

/// Everything that a node holds as text, CDATA sections joined.
fn text(node: &Node<'_, '_>) -> String {
    node.children().filter(|n| n.is_text()).filter_map(|n| n.text()).collect()
}

fn is_decimal(text: &str) -> bool {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    !whole.is_empty() && [whole, part].iter().all(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
}

fn is_time(text: &str) -> bool {
    let pattern = "dddd-dd-ddTdd:dd:dd";
    text.len() == pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(b, p)| if p == b'd' { b.is_ascii_digit() } else { b == p })
}

/// Holds reports to the schemas themselves, with a validator that knows nothing of Firedrill.
fn assert_valid(reports: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<_> = (0..reports.len()).map(|n| dir.path().join(format!("{n}.xml"))).collect();
    for (file, xml) in files.iter().zip(reports) {
        std::fs::write(file, xml).unwrap();
    }
    for schema in ["jenkins-junit.xsd", "junit-10.xsd"] {
        let path = format!("{}/tests/schemas/{schema}", env!("CARGO_MANIFEST_DIR"));
        let mut xmllint = std::process::Command::new("xmllint");
        let output = xmllint.args(["--noout", "--nonet", "--schema", &path]).args(&files).output();
        let output = output.expect("xmllint: scripts/setup.sh --tests installs it");
        assert!(output.status.success(), "{schema}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The file and the line that mikepenz/action-junit-report annotates for a failure, as its documentation and its source have
/// it: attributes that strict schemas forbid, otherwise the last part of the class, looked for in the text.
fn annotated(case: &Node<'_, '_>) -> Option<(String, u64)> {
    let file = case.attribute("classname")?.rsplit('.').next()?.to_string();
    let pattern = regex::Regex::new(&format!(" [^ ]*{}.*?:\\d+", regex::escape(&file))).unwrap();
    let text = text(&result(case)?);
    let found = pattern.find_iter(text.trim()).last()?.as_str();
    Some((file, found.rsplit(':').next()?.parse().ok()?))
}

/// Of what Firedrill writes, what the schemas leave open: counts that are right, times that add up, unique names.
fn assert_schema(doc: &Document<'_>) {
    let only = |node: &Node<'_, '_>, allowed: &[&str], required: &[&str]| {
        let names: Vec<&str> = node.attributes().map(|a| a.name()).collect();
        assert!(names.iter().all(|name| allowed.contains(name)), "{:?}: {names:?}", node.tag_name());
        assert!(required.iter().all(|name| names.contains(name)), "{:?}: {names:?}", node.tag_name());
    };
    let root = doc.root_element();
    assert!(root.has_tag_name("testsuites"));
    only(&root, &["name", "tests", "failures", "errors", "time"], &["name", "tests", "failures", "errors", "time"]);
    let ms = |node: &Node<'_, '_>| node.attribute("time").unwrap().replace('.', "").parse::<u64>().unwrap();
    for count in ["tests", "failures", "errors"] {
        let number = |node: &Node<'_, '_>| node.attribute(count).unwrap().parse::<usize>().unwrap();
        assert_eq!(number(&root), suites(doc).iter().map(number).sum::<usize>());
    }
    assert_eq!(ms(&root), suites(doc).iter().map(ms).sum::<u64>());
    let suite_attributes =
        ["id", "name", "package", "tests", "errors", "failures", "skipped", "hostname", "timestamp", "time"];
    for (id, suite) in suites(doc).iter().enumerate() {
        assert!(suite.has_tag_name("testsuite"));
        only(suite, &suite_attributes, &suite_attributes);
        assert_eq!(suite.attribute("id"), Some(id.to_string().as_str()));
        assert!(!suite.attribute("name").unwrap().trim().is_empty());
        assert!(is_time(suite.attribute("timestamp").unwrap()));
        assert!(is_decimal(suite.attribute("time").unwrap()));
        let order: Vec<&str> = suite.children().filter(Node::is_element).map(|n| n.tag_name().name()).collect();
        let cases = order.iter().filter(|name| **name == "testcase").count();
        let expected: Vec<&str> = order
            .first()
            .filter(|name| **name == "properties")
            .into_iter()
            .copied()
            .chain(std::iter::repeat_n("testcase", cases))
            .chain(["system-out", "system-err"])
            .collect();
        assert_eq!(order, expected);
        assert_eq!(ms(suite), test_cases(suite).iter().map(ms).sum::<u64>(), "cases add up to the suite");
        for property in suite.children().filter(|n| n.has_tag_name("properties")).flat_map(|n| n.children()) {
            if property.is_element() {
                assert!(property.has_tag_name("property") && !property.attribute("name").unwrap().is_empty());
                only(&property, &["name", "value"], &["name", "value"]);
            }
        }
        let count =
            |kind: &str| test_cases(suite).iter().filter(|c| result(c).is_some_and(|r| r.has_tag_name(kind))).count();
        let said = |name: &str| suite.attribute(name).unwrap().parse::<usize>().unwrap();
        assert_eq!(said("tests"), cases);
        assert_eq!(
            (said("failures"), said("errors"), said("skipped")),
            (count("failure"), count("error"), count("skipped"))
        );
        for case in test_cases(suite) {
            only(&case, &["name", "classname", "time"], &["name", "classname", "time"]);
            assert!(is_decimal(case.attribute("time").unwrap()), "{:?}", case.attribute("time"));
            let children: Vec<&str> = case.children().filter(Node::is_element).map(|n| n.tag_name().name()).collect();
            let allowed: [&[&str]; 6] =
                [&[], &["system-out"], &["failure"], &["error"], &["skipped"], &["skipped", "system-out"]];
            assert!(allowed.contains(&children.as_slice()), "{children:?}");
            if let Some(result) = result(&case) {
                if result.has_tag_name("skipped") {
                    only(&result, &[], &[]);
                    assert!(!text(&result).trim().is_empty());
                } else {
                    only(&result, &["type", "message"], &["type", "message"]);
                    assert!(!result.attribute("message").unwrap().is_empty());
                }
            }
        }
    }
    let mut names: Vec<_> = suites(doc)
        .iter()
        .flat_map(test_cases)
        .map(|c| (c.attribute("classname").unwrap().to_string(), c.attribute("name").unwrap().to_string()))
        .collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all, "two cases share classname and name");
}

/// One file as a whole; of every story the cases that failed.
#[test]
fn every_story_as_junit() {
    let mut told = String::new();
    for story in Story::ALL {
        let xml = xml(&[&record_of(story)]);
        let doc = Document::parse(&xml).unwrap_or_else(|e| panic!("{story:?}: {e}\n{xml}"));
        assert_schema(&doc);
        if story == Story::StepFailed {
            insta::assert_snapshot!("step_failed", xml);
        }
        let suite = suites(&doc)[0];
        told.push_str(&format!("{story:?}: {} skipped\n", suite.attribute("skipped").unwrap()));
        for case in test_cases(&suite) {
            let bad = result(&case).filter(|result| !result.has_tag_name("skipped"));
            let line = |bad: Node<'_, '_>| {
                let (kind, name) = (bad.tag_name().name().to_string(), case.attribute("name").unwrap());
                format!("  {kind}: {name}: {}\n", bad.attribute("message").unwrap())
            };
            told.extend(bad.map(line));
        }
    }
    insta::assert_snapshot!("what_failed", told);
}

#[test]
fn all_stories_in_one_file() {
    let records: Vec<Record> = Story::ALL.into_iter().chain([Story::Passed]).map(record_of).collect();
    let xml = xml(&records.iter().collect::<Vec<_>>());
    assert_valid(&[&xml]);
    let doc = Document::parse(&xml).unwrap();
    assert_schema(&doc);
    assert_eq!(suites(&doc).len(), records.len());
}

#[test]
fn no_drill_at_all_is_well_formed_too() {
    let xml = xml(&[]);
    assert_schema(&Document::parse(&xml).unwrap());
    let empty = self::xml(&[&Record::default()]);
    assert_valid(&[&empty]);
    let doc = Document::parse(&empty).unwrap();
    assert_schema(&doc);
    assert!(empty.contains("<error"), "a drill that never began is no success: {empty}");
}

/// A CI server that counts failures and errors must come to the same end as the exit code.
#[test]
fn the_suite_is_green_exactly_when_the_drill_passed() {
    for story in Story::ALL {
        let record = record_of(story);
        let xml = xml(&[&record]);
        let doc = Document::parse(&xml).unwrap();
        let suite = suites(&doc)[0];
        let said = |name: &str| suite.attribute(name).unwrap().parse::<usize>().unwrap();
        assert_eq!(said("failures") + said("errors") == 0, record.passed(), "{story:?}");
        let broken = record.outcome() > crate::record::RunOutcome::Failed;
        assert_eq!(said("errors") > 0, broken, "{story:?}: an error is for the harness, a failure for an assertion");
    }
}

#[test]
fn a_failed_step_names_its_line_and_shows_its_output() {
    let xml = xml(&[&record_of(Story::StepFailed)]);
    let doc = Document::parse(&xml).unwrap();
    let suite = suites(&doc)[0];
    let case = find(&suite, "step mitigate/terminate-the-session-that-holds-the-lock");
    let failure = result(&case).unwrap();
    assert!(failure.has_tag_name("failure"));
    let message = failure.attribute("message").unwrap();
    assert!(message.starts_with("runbooks/db-pool.md:44: command 1 exited 1"), "{message}");
    let body = text(&failure);
    assert!(body.contains("$ psql -c") && body.contains("relation \"pg_lock\" does not exist"), "{body}");
    let after = find(&suite, "step verify/place-an-order");
    let skipped = result(&after).unwrap();
    assert!(skipped.has_tag_name("skipped"));
    assert_eq!(text(&skipped), "not reached: the drill ended as step_failed");
    let manual = result(&find(&suite, "step diagnose/ask-who-deployed-last")).unwrap();
    assert_eq!(text(&manual), "for a person: it has no command");
}

#[test]
fn a_failure_leads_to_its_file_and_line() {
    let at = |story, name: &str| {
        let xml = xml(&[&record_of(story)]);
        let doc = Document::parse(&xml).unwrap();
        annotated(&find(&suites(&doc)[0], name))
    };
    let failed = at(Story::StepFailed, "step mitigate/terminate-the-session-that-holds-the-lock");
    assert_eq!(failed, Some(("runbooks/db-pool".into(), 44)));
    assert_eq!(at(Story::NoImpact, "impact"), None, "a failure without a place has none");
    assert_eq!(class("a.b", "./docs/v1.2/pool"), "firedrill.a_b.docs/v1_2/pool");
    assert_eq!(class("a", "../books/pool.md"), "firedrill.a.books/pool");
    assert_eq!(class("a", ""), "firedrill.a");
}

/// Impact and detection are watched side by side, so each had its own overlapping time before.
#[test]
fn cases_share_the_time_of_the_drill_and_do_not_overlap() {
    for story in Story::ALL {
        let record = record_of(story);
        let xml = xml(&[&record]);
        let doc = Document::parse(&xml).unwrap();
        assert_schema(&doc);
        let whole = record.last_us.0 / 1000;
        assert_eq!(suites(&doc)[0].attribute("time"), Some(decimal(whole).as_str()), "{story:?}");
    }
    let record = record_of(Story::Passed);
    let xml = xml(&[&record]);
    let doc = Document::parse(&xml).unwrap();
    let suite = suites(&doc)[0];
    let took = |name: &str| find(&suite, name).attribute("time").unwrap().parse::<f64>().unwrap();
    let decided = |check: Check| record.check(&check).unwrap().ended_us.0 / 1000;
    let between = decided(Check::Detection) - decided(Check::Impact);
    assert_eq!(took("detection"), between as f64 / 1000.0);
    assert!(took("steady state") > 5.0 && took("recovery of latency") < 0.001, "decided together: counted once");
}

#[test]
fn an_expected_failure_is_green_and_says_so() {
    let xml = xml(&[&record_of(Story::ExpectedFailure)]);
    let doc = Document::parse(&xml).unwrap();
    let suite = suites(&doc)[0];
    assert_eq!(suite.attribute("failures"), Some("0"));
    let case = find(&suite, "recovery of availability");
    assert!(result(&case).is_none());
    assert!(text(&case.first_element_child().unwrap()).starts_with("failed as the scenario expects"));
    assert!(result(&find(&suite, "verdict")).is_none());
}

#[test]
fn an_expected_failure_that_did_not_come_is_red() {
    let xml = xml(&[&record_of(Story::UnexpectedPass)]);
    let doc = Document::parse(&xml).unwrap();
    let verdict = result(&find(&suites(&doc)[0], "verdict")).unwrap();
    assert!(verdict.has_tag_name("failure"));
    assert_eq!(verdict.attribute("message"), Some("expected verdict not_recovered, got passed"));
}

#[test]
fn a_recovery_point_that_is_known_from_below_only_is_called_so() {
    let mut record = record_of(Story::RestoreLost);
    assert!(xml(&[&record]).contains("\"rpo_seconds\""));
    // Nothing survived, and the backup tells its age, or does not.
    record.read_back.as_mut().unwrap().survivors = Some(crate::record::Numbers::default());
    let bound = xml(&[&record]);
    assert!(bound.contains("\"rpo_at_most_seconds\"") && !bound.contains("\"rpo_seconds\""), "{bound}");
    record.backup = None;
    let xml = xml(&[&record]);
    assert!(xml.contains("\"rpo_at_least_seconds\"") && !xml.contains("\"rpo_seconds\""), "{xml}");
}

#[test]
fn the_same_name_twice_gets_an_ordinal() {
    let mut record = record_of(Story::Passed);
    let plan = record.plan.as_mut().unwrap();
    // Two ids that differ only in what XML cannot bear.
    plan.steps[0].id = "a\u{0}".into();
    plan.steps[1].id = "a\u{1}".into();
    let xml = xml(&[&record, &record]);
    assert_schema(&Document::parse(&xml).unwrap());
    assert!(xml.contains("name=\"db-pool (2)\""));
}

/// Text that is hostile to XML, to terminals, or to both.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just("]]>".to_string()),
        Just("]]".to_string()),
        Just(">".to_string()),
        Just("<![CDATA[".to_string()),
        Just("</testcase></system-out>".to_string()),
        Just("&amp;&#0;&lt;".to_string()),
        Just("\"'<&>".to_string()),
        Just("\u{0}\u{1}\u{b}\u{1f}\u{7f}".to_string()),
        Just("\u{fffe}\u{ffff}\u{85}\u{9b}".to_string()),
        Just("\u{1b}[31m\u{1b}]0;t\u{7}".to_string()),
        Just("\r\n\r\t".to_string()),
        Just("\u{202e}\u{2028}\u{1f600}".to_string()),
        any::<String>(),
    ];
    proptest::collection::vec(pieces, 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_the_text_the_report_is_well_formed_and_has_its_shape(texts in proptest::collection::vec(hostile(), 12)) {
        let mut record = record_of(Story::StepFailed);
        let plain = xml(&[&record]);
        let shape = |xml: &str| {
            let doc = Document::parse(xml).unwrap_or_else(|e| panic!("{e}\n{xml}"));
            assert_schema(&doc);
            // Properties of which nothing is left are left out.
            let names = doc.descendants().filter(Node::is_element).map(|n| n.tag_name().name().to_string());
            names.filter(|name| name != "property").collect::<Vec<_>>()
        };
        let plan = record.plan.as_mut().unwrap();
        plan.title = texts[0].clone();
        plan.scenario = texts[1].clone();
        plan.severity = Some(texts[2].clone());
        plan.steps[1].title = texts[3].clone();
        plan.scenario_file.path = texts[4].clone();
        record.reason = texts[5].clone();
        for step in &mut record.steps {
            for command in &mut step.commands {
                command.text = texts[6].clone();
                command.at.path = texts[7].clone();
                // A line end, because an escape sequence may go on in the next chunk.
                command.output.push(Stream::Stdout, &format!("{}\n", texts[8]));
                command.output.push(Stream::Stderr, &texts[9]);
            }
        }
        for CheckResult { outcome, .. } in &mut record.checks {
            if let CheckOutcome::Failed { reason, .. } | CheckOutcome::Skipped { reason } = outcome {
                // Something must be left of it, for a message that is empty says nothing.
                *reason = format!("because {}", texts[10]);
            }
        }
        let hostile = xml(&[&record]);
        assert_valid(&[&hostile]);
        prop_assert_eq!(shape(&hostile), shape(&plain));
        let doc = Document::parse(&hostile).unwrap();
        let case = find(&suites(&doc)[0], "step mitigate/terminate-the-session-that-holds-the-lock");
        let body = text(&result(&case).unwrap());
        let output = xml_text(&texts[9]);
        prop_assert!(body.contains(output.trim_end_matches('\n')), "{body:?} lacks {output:?}");
    }

    #[test]
    fn names_of_checks_that_nobody_planned_are_hostile_too(name in hostile()) {
        let mut record = record_of(Story::Passed);
        let outcome = CheckOutcome::Error { reason: format!("e{name}"), at: None };
        let check = Check::Injection { fault: name };
        record.checks.push(CheckResult { check, outcome, started_us: Default::default(), ended_us: Default::default() });
        let xml = xml(&[&record]);
        let doc = Document::parse(&xml).unwrap();
        assert_schema(&doc);
        prop_assert_eq!(suites(&doc)[0].attribute("errors"), Some("1"));
    }
}

mod days {
    use super::*;
    use crate::record::RunOutcome;
    use crate::record::testing::{Story, record_of};
    use crate::view::testing::{days, stories};
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
        assert!(!xml.contains("1970-"), "what was not run has the time of its game day: {xml}");
        insta::assert_snapshot!(table(&xml));
    }

    #[test]
    fn a_scenario_that_cannot_be_drilled_there_is_skipped_once() {
        let mut drills = days();
        let why = "its stack is none of Kubernetes".to_string();
        let left = crate::record::LeftOutDrill { scenario: "mail".into(), why, refused: true };
        drills.days.iter_mut().for_each(|day| day.plan.left_out.push(left.clone()));
        let xml = xml(&drills);
        assert_valid(&[&xml]);
        assert_eq!(table(&xml).matches("mail: [0, 0, 1]").count(), 1, "{}", table(&xml));
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
    fn a_drill_that_broke_after_its_pass_is_an_error() {
        let errors = |drills: &Drills| {
            let xml = xml(drills);
            count(&Document::parse(&xml).unwrap().root_element(), "errors")
        };
        let mut drills = days();
        let passed = drills.days[0].drills.iter_mut().find(|drill| drill.status() == DrillStatus::Passed).unwrap();
        passed.attempts.last_mut().unwrap().outcome = Some(RunOutcome::Broken);
        assert_eq!(errors(&drills), errors(&days()) + 1);
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

#[test]
fn no_text_has_a_file_attached() {
    for text in ["a\n[[ATTACHMENT|/etc/passwd]]", "a\n[[ATTA\u{1b}[0mCHMENT|/etc/passwd]]"] {
        assert_eq!(xml_text(text), "a\n[ [ATTACHMENT|/etc/passwd]]");
    }
}

proptest! {
    #[test]
    fn xml_text_holds_only_what_xml_bears(text in any::<String>()) {
        for c in xml_text(&text).chars() {
            let ok = matches!(c, '\t' | '\n' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
            prop_assert!(ok, "{c:?}");
        }
    }

    #[test]
    fn plain_text_is_left_alone(text in "[ -~äöü€\n]{0,200}") {
        prop_assert_eq!(xml_text(&text), text);
    }
}
