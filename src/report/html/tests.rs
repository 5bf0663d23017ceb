//! The HTML report as text: what every kind of drill says, that a hundred stay small, and that no text of a record becomes
//! HTML. `tests/html.rs` looks at it in a browser.

use super::*;
use crate::record::testing::{Story, plan, record_of};
use crate::record::{
    Cause, Day, DayEvent, DayPlan, DayStamped, Event, PlannedDrill, Record, RunOutcome, Stamped, Verdict,
};
use proptest::prelude::*;

fn page(drills: &Drills) -> String {
    String::from_utf8(html(drills)).unwrap()
}

fn with_run(mut record: Record, run: &str) -> Record {
    record.plan.as_mut().unwrap().run = run.into();
    record
}

/// A game day: one drill that failed and then passed, one that was disturbed and then passed, one not run.
fn day() -> Drills {
    let planned = |number, scenario: &str| PlannedDrill {
        number,
        scenario: scenario.into(),
        title: format!("Title of {scenario}"),
        tags: Vec::new(),
        repetition: 1,
        control: false,
    };
    let plan = DayPlan {
        title: "Nightly game day".into(),
        drills: vec![planned(1, "flaky-one"), planned(2, "disturbed-one"), planned(3, "left-one")],
        ..DayPlan::default()
    };
    let mut events = vec![DayEvent::DayAnnounced(Box::new(plan))];
    let mut attempt = |number, attempt, run: &str, cause, outcome, disturbed| {
        let run = run.to_string();
        events.push(DayEvent::DrillStarted { number, attempt, run: run.clone(), cause, running: 1, waited_us: 0 });
        let (verdict, reason) = (Verdict::Passed, String::new());
        events.push(DayEvent::DrillEnded { number, attempt, run, verdict, outcome, disturbed, reason });
    };
    attempt(1, 1, "a", Cause::Planned, RunOutcome::Failed, false);
    attempt(1, 2, "b", Cause::Retry, RunOutcome::Passed, false);
    attempt(2, 1, "c", Cause::Planned, RunOutcome::Broken, true);
    attempt(2, 2, "d", Cause::Disturbed, RunOutcome::Passed, false);
    events.push(DayEvent::DrillNotRun { number: 3, why: "the time budget ran out".into() });
    events.push(DayEvent::DayEnded);
    let mut day = Day::default();
    for (at_us, event) in (0..).zip(events) {
        day.apply(&DayStamped { at_us, event });
    }
    let records = vec![
        with_run(record_of(Story::NotRecovered), "a"),
        with_run(record_of(Story::Passed), "b"),
        with_run(record_of(Story::HarnessError), "c"),
        with_run(record_of(Story::Passed), "d"),
    ];
    Drills { days: vec![day], records, ..Drills::default() }
}

#[test]
fn every_story_is_told() {
    for story in Story::ALL {
        let record = record_of(story);
        let passed = record.passed();
        let page = page(&Drills::one(record));
        assert_eq!(page.contains("id=\"failed\""), !passed, "{story:?}");
        assert_eq!(page.matches("<h1>").count(), 1);
        for (open, close) in
            [("<details", "</details>"), ("<section", "</section>"), ("<div", "</div>"), ("<svg", "</svg>")]
        {
            assert_eq!(page.matches(open).count(), page.matches(close).count(), "{story:?}: {open}");
        }
    }
}

#[test]
fn a_failed_drill_says_first_what_to_do() {
    let page = page(&Drills::one(record_of(Story::NotRecovered)));
    let first = page.split("id=\"drills-h\"").next().unwrap();
    let wanted = [
        "Failed: users did not recover",
        "an idle transaction holds a lock on shop.inventory",
        "“Terminate the session that holds the lock”",
        "runbooks/db-pool.md:42",
        "curl: (22) The requested URL returned error: 503",
        "The fault was still in place when the drill gave up",
        "firedrill scenario db-pool",
    ];
    for text in wanted {
        assert!(first.contains(text), "{text}");
    }
}

#[test]
fn every_report_tells_what_makes_a_pass_less_certain() {
    let mut record = record_of(Story::Passed);
    let recovered = record.recovered_us().unwrap();
    record.mitigation_started_us = Some(crate::record::DrillTime(recovered.0 - 9_000_000));
    for step in &mut record.steps {
        step.commands.retain(|command| command.started_us < recovered);
        step.commands.iter_mut().for_each(|command| command.ended_us = record.mitigation_started_us);
    }
    let doubts: Vec<String> = crate::view::advice::doubts(&record).iter().map(|doubt| one_line(doubt)).collect();
    assert!(doubts.len() == 2 && doubts.iter().all(|doubt| doubt.contains("--control`")), "{doubts:?}");
    let drills = Drills::one(record.clone());
    let (page, text) = (page(&drills), crate::report::markdown(&drills));
    let (text, junit) =
        (String::from_utf8(text).unwrap(), String::from_utf8(crate::report::junit(&[&record])).unwrap());
    let terminal = crate::report::summary(&record, None, false);
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(!page.contains("Nothing: the drill came out as it should"));
    for doubt in &doubts {
        assert_eq!(page.matches(&crate::report::escape::html_prose(doubt)).count(), 2, "at the top and below: {doubt}");
        assert!(text.contains(&crate::report::prose(doubt)), "{text}");
        assert!(words(&terminal).contains(doubt) && words(&junit).contains(doubt), "{terminal}");
    }
    let mut certain = record_of(Story::Passed);
    let images = certain.stack.as_ref().unwrap().images.clone();
    let run = "20261119T064112Z-db-pool-0001".to_string();
    let control = crate::record::EarlierControl { run, images, healed: false, watched_us: u64::MAX };
    certain.plan.as_deref_mut().unwrap().last_control = Some(control);
    assert!(self::page(&Drills::one(certain)).contains("Nothing: the drill came out as it should"));
}

#[test]
fn a_run_that_was_cut_off_says_where() {
    let page = page(&Drills::one(record_of(Story::Killed)));
    assert!(page.contains("cut off during respond"), "{page}");
    assert!(page.contains("firedrill sweep"));
}

#[test]
fn a_game_day_is_honest_about_its_attempts() {
    let page = page(&day());
    for text in [
        "Nightly game day",
        "1 drill failed and passed when run again: flaky, which is not passed.",
        "The measuring of 1 attempt was disturbed",
        "Attempt 1 (run a): passed",
        "Attempt 2 (run b, again because the one before failed): passed",
        "Attempt 1 (run c): disturbed, so it counts for nothing",
        "again and alone because the one before was disturbed",
        "Not started: the time budget ran out",
        "1 of 3 drills passed, none failed",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert_eq!(page.matches("class=\"attempt\" open").count(), 2, "the telling attempts are open");
}

#[test]
fn a_game_day_that_fails_for_a_flaky_drill_says_so() {
    let mut drills = day();
    assert!(!page(&drills).contains("the game day has failed"));
    drills.days[0].plan.flaky_fails = true;
    assert!(page(&drills).contains("the game day has failed"));
}

#[test]
fn the_first_line_says_what_is_missing_and_what_stopped_the_game_day() {
    let mut drills = day();
    drills.days[0].drills.pop();
    drills.days[0].drills[0].attempts.remove(0);
    drills.records.remove(0);
    let told = |drills: &Drills, class: &str, said: &str| {
        let page = page(drills);
        assert!(
            page.contains(&format!("class=\"top {class}\"")) && page.contains(&format!("<title>{said} –")),
            "{said}"
        );
    };
    told(&drills, "good", "All 2 drills passed");
    drills.days[0].stopped = Some(crate::record::Stopped::Signal);
    told(&drills, "warn", "2 of 2 drills passed, none failed; a signal stopped the game day");
    drills.days[0].stopped = None;
    drills.days[0].ended = false;
    told(&drills, "warn", "2 of 2 drills passed, none failed; the game day has no end");
    drills.days[0].ended = true;
    drills.days[0].plan.shard = Some((1, 3));
    told(&drills, "warn", "2 of 2 drills passed, none failed; 2 shards missing: 2/3, 3/3");
}

#[test]
fn a_control_is_called_one() {
    assert!(page(&Drills::one(record_of(Story::Control))).contains("<h3>db-pool (control)</h3>"));
}

#[test]
fn nothing_is_a_report_too() {
    assert!(page(&Drills::default()).contains("Nothing was run"));
    assert!(page(&Drills::one(Record::default())).contains("nothing was announced"));
}

#[test]
fn a_hundred_drills_with_long_outputs_stay_small() {
    let mut record = record_of(Story::Passed);
    for step in &mut record.steps {
        for command in &mut step.commands {
            command.output.push(crate::record::Stream::Stdout, &"a long line of output\n".repeat(600));
        }
    }
    record.plan.as_mut().unwrap().runbook_text = Some("# Runbook\n\nA paragraph.\n".repeat(2_000));
    let records = (0..100).map(|number| with_run(record.clone(), &format!("run-{number}"))).collect();
    let size = html(&Drills { records, ..Drills::default() }).len();
    assert!(size < 5_000_000, "{size}");
}

#[test]
fn what_does_not_fit_is_told_in_short() {
    let mut records = Vec::new();
    for number in 0..100 {
        let mut record = with_run(record_of(Story::Passed), &format!("run-{number}"));
        // Every runbook is another one.
        let text = format!("# Runbook {number}\n\n{}", "A paragraph of some length.\n\n".repeat(2_500));
        record.plan.as_mut().unwrap().runbook_text = Some(text);
        records.push(record);
    }
    records.push(record_of(Story::NotRecovered));
    let page = page(&Drills { records, ..Drills::default() });
    assert!(page.len() < 5_000_000, "{}", page.len());
    assert!(page.contains("Told in short") && page.contains("Terminate the session"));
}

/// A drill that failed as it lies on disk, so many times.
fn failed(count: usize) -> Vec<Record> {
    let bytes = include_bytes!("../../../tests/records/not-recovered.json");
    let record = crate::report::read_json(bytes).unwrap();
    (0..count).map(|number| with_run(record.clone(), &format!("20261120T064112Z-db-pool-{number:04x}"))).collect()
}

#[test]
fn a_hundred_drills_that_failed_stay_small() {
    let page = page(&Drills { records: failed(100), ..Drills::default() });
    assert!(page.len() < 5_000_000, "{}", page.len());
    assert_eq!(page.matches("What to do next</dt>").count(), 100, "none is without its advice");
    let (short, whole) = (page.matches("Told in short").count(), page.matches("The four golden signals").count());
    assert_eq!(short + whole, 100);
    assert!(short > 0 && whole >= 8, "{short} in short, {whole} as a whole");
    // Each of them with a runbook of its own, which nothing is shared of.
    let mut records = failed(100);
    for (number, record) in records.iter_mut().enumerate() {
        let text = format!("# Runbook {number}\n\n{}", "A paragraph of some length.\n\n".repeat(2_500));
        record.plan.as_mut().unwrap().runbook_text = Some(text);
    }
    assert!(html(&Drills { records, ..Drills::default() }).len() < 5_000_000);
}

#[test]
fn what_is_told_in_short_leads_to_its_own_report() {
    let mut records = failed(100);
    records[0].plan.as_mut().unwrap().run = "20261120T064112Z-../../x".into();
    let with_day = page(&Drills { days: vec![Day::default()], records, ..Drills::default() });
    assert!(with_day.contains("href=\"runs/20261120T064112Z-db-pool-0063/report.html\""));
    assert!(!with_day.contains("href=\"runs/20261120T064112Z-.."));
    // Put together from elsewhere: where the runs lie is not known.
    assert!(!page(&Drills { records: failed(100), ..Drills::default() }).contains("href=\"runs/"));
}

#[test]
fn a_verdict_that_stands_is_not_called_disturbed() {
    let busy = Some("the runner sent requests late".to_string());
    let stands = page(&Drills::one(Record { disturbed: busy, ..record_of(Story::StepFailed) }));
    assert!(stands.contains("disturbed, and the verdict stands") && !stands.contains("Do not read a verdict"));
    let mut broken = record_of(Story::HarnessError);
    broken.disturbed = Some(broken.reason.clone());
    let broken = page(&Drills::one(broken));
    assert!(broken.contains("trusted: disturbed") && broken.contains("Do not read a verdict"));
}

/// The text of every string in a record that a reader of JSON finds, replaced.
fn poisoned(value: &mut serde_json::Value, poison: &str, keep: &[&str]) {
    use serde_json::Value;
    match value {
        Value::String(text) => *text = poison.to_string(),
        Value::Array(all) => all.iter_mut().for_each(|value| poisoned(value, poison, keep)),
        Value::Object(all) => {
            let old = std::mem::take(all);
            for (key, mut value) in old {
                if !keep.contains(&key.as_str()) {
                    poisoned(&mut value, poison, keep);
                }
                all.insert(key, value);
            }
        }
        _ => {}
    }
}

/// A record in which every text is the same evil one; ids stay, so that things find each other.
fn evil(story: Story, poison: &str) -> Record {
    let keep = [
        "type", "check", "outcome", "verdict", "phase", "status", "what", "stream", "step", "id", "fault", "load",
        "sli", "expect", "after", "name", "level", "survivors", "good", "results", "cause",
    ];
    let mut value = serde_json::to_value(record_of(story)).unwrap();
    poisoned(&mut value, poison, &keep);
    serde_json::from_value(value).unwrap()
}

#[test]
fn no_text_of_a_record_becomes_html() {
    let poison = "\"><script>alert(1)</script><img src=x onerror='alert(1)'>";
    for story in Story::ALL {
        let page = page(&Drills::one(evil(story, poison)));
        assert!(page.contains("&lt;script&gt;"), "{story:?}: the text is shown");
        assert!(!page.contains("<script") && !page.contains("<img"), "{story:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_field_makes_a_tag_an_attribute_or_a_request(text in r#"([<>"'&=`\[\]()!a-z \n]|<script>|javascript:|https://x/|onload=|-->|<!--|\]\(){1,40}"#) {
        let page = page(&Drills::one(evil(Story::NotRecovered, &text)));
        let tags = ["html", "head", "meta", "link", "title", "style", "body", "a", "header", "p", "h1", "h2", "h3", "h4", "h5",
            "span", "i", "ul", "ol", "li", "main", "section", "article", "dl", "dt", "dd", "div", "b", "small", "table", "caption",
            "thead", "tbody", "tr", "th", "td", "details", "summary", "svg", "desc", "g", "rect", "line", "path", "text", "defs",
            "pattern", "pre", "code", "strong", "em", "s", "br", "hr", "blockquote", "footer", "!doctype"];
        let (_, body) = page.split_once("</style>").unwrap();
        for tag in body.split('<').skip(1) {
            let inside = tag.split('>').next().unwrap();
            let name = inside.trim_start_matches('/').split([' ', '/']).next().unwrap();
            prop_assert!(tags.contains(&name), "{}", tag);
            // Quotes come in pairs, and outside of them nothing but names and signs stands.
            prop_assert!(inside.matches('"').count() % 2 == 0, "{}", inside);
            for (at, part) in inside.split('"').enumerate() {
                let name = part.trim_end_matches('=').trim();
                prop_assert!(at % 2 == 1 || !name.starts_with("on") && name != "src", "{}", inside);
            }
            prop_assert!(!inside.contains("href=\"javascript"), "{}", inside);
        }
    }

    #[test]
    fn a_story_that_stops_anywhere_is_told(stop in 0..200usize) {
        let events: Vec<Stamped> = crate::record::testing::events_of(Story::Passed);
        let mut record = Record::default();
        for event in events.iter().take(stop) {
            record.apply(event);
        }
        let page = page(&Drills::one(record));
        prop_assert!(page.ends_with("</html>\n"));
    }
}

#[test]
fn the_plan_of_a_story_has_its_runbook() {
    // What the tests above stand on.
    assert!(plan(Story::Passed).runbook_text.is_some());
    assert!(matches!(crate::record::testing::events_of(Story::Passed)[0].event, Event::Announced(_)));
}
