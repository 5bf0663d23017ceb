//! A drill's numbers, marks and words in every format at once: each says the same.

use super::*;
use crate::record::testing::{Story, record_of};
use crate::record::{DrillTime, Event, FaultEvent, Record, StepStatus, Verdict};
use crate::view::format::percent;
use crate::view::restore;
use crate::view::words::{check, counts, exit, fate, headline, headline_text};
use serde_json::Value;

/// A drill whose times occur nowhere but in its figures.
fn drill(story: Story) -> Record {
    let mut record = record_of(story);
    let late = |at: &mut DrillTime, us: u64| at.0 += us;
    record.impacts.iter_mut().for_each(|impact| late(&mut impact.impact_us, 31_000));
    record.detected_us.iter_mut().for_each(|at| late(at, 52_000));
    record.mitigation_started_us.iter_mut().for_each(|at| late(at, 73_000));
    record.recoveries.iter_mut().for_each(|recovery| late(&mut recovery.recovered_us, 94_000));
    record
}

/// Text without markup and line ends, so that only its words count.
fn plain(text: &str) -> String {
    let text = regex::Regex::new("(?s)<style>.*?</style>|<[^>]*>").unwrap().replace_all(text, "");
    let text = text
        .replace("&#46;", ".")
        .replace("&#39;", "'")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&gt;", ">")
        .replace("&lt;", "<");
    text.replace(['\u{a0}', '\\', '`', '*'], " ").split_whitespace().collect::<Vec<_>>().join(" ").replace(" %", "%")
}

/// The formats for people, by name.
fn formats(record: &Record) -> Vec<(&'static str, String)> {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let drills = Drills::one(record.clone());
    vec![
        ("console", plain(&summary(record, None, false))),
        ("junit", plain(&text(junit(&[record])).replace(['<', '>'], " "))),
        ("html", plain(&text(html(&drills)))),
        ("markdown", plain(&text(markdown(&drills)))),
    ]
}

fn assert_everywhere(formats: &[(&str, String)], wanted: &str, but: &[&str]) {
    for (name, text) in formats.iter().filter(|(name, _)| !but.contains(name)) {
        assert!(text.contains(wanted), "{name} does not say “{wanted}”:\n{text}");
    }
}

#[test]
fn every_number_of_a_drill_is_the_same_in_every_format() {
    for story in [Story::Passed, Story::RestorePassed, Story::RestoreLost, Story::NotRecovered] {
        let record = drill(story);
        let (figures, formats) = (record.figures(), formats(&record));
        let json: Value = serde_json::from_slice(&json_day(&Drills::one(record.clone()))).unwrap();
        let told = &json["drills"][0]["attempts"][0]["figures"];
        let junit = String::from_utf8(super::junit(&[&record])).unwrap();
        let times = [
            ("to_impact_us", "time_to_impact_seconds", figures.to_impact_us),
            ("to_detect_us", "time_to_detect_seconds", figures.to_detect_us),
            ("to_mitigation_us", "time_to_mitigate_seconds", figures.to_mitigation_us),
            ("to_recover_us", "time_to_recover_seconds", figures.to_recover_us),
        ];
        for (name, property, us) in times {
            assert_eq!(told[name].as_u64(), us, "{name}");
            let Some(us) = us else { continue };
            assert_everywhere(&formats, &seconds(us), &[]);
            let exact = format!("name=\"{property}\" value=\"{}.{:03}\"", us / 1_000_000, us % 1_000_000 / 1000);
            assert!(junit.contains(&exact), "{exact}");
        }
        // Markdown and a console with several drills tell of times and verdicts only.
        for sli in &figures.slis {
            for window in [sli.before, sli.during, sli.after].into_iter().filter(|window| window.valid > 0) {
                assert_everywhere(&formats, &counts(&window), &["markdown", "console"]);
                let (of, ratio) = (format!("{}/{}", window.good, window.valid), window.ratio().unwrap_or_default());
                assert_everywhere(&formats[..1], &format!("{} {of}", percent(ratio)), &[]);
            }
        }
        assert_everywhere(&formats, &seconds(record.last_us.0), &["junit"]);
        let all = overview(&Drills::one(record.clone()), false);
        assert!(all.contains(&seconds(record.last_us.0)), "{all}");
        for row in restore::rows(&record).iter().filter(|row| ["RTO", "RPO", "level"].contains(&row.name)) {
            assert_everywhere(&formats, &plain(&row.text), &[]);
        }
        if let Some(data) = record.data_figures() {
            assert_eq!(told["data"]["acknowledged"].as_u64(), Some(data.acknowledged));
        }
    }
}

#[test]
fn marks_and_words_are_the_same_in_every_format() {
    for story in Story::ALL {
        let record = record_of(story);
        let formats = formats(&record);
        let (_, word, _) = headline(&record);
        assert!(formats[0].1.contains(&word.to_uppercase()), "{story:?}: {word}");
        assert!(formats[2].1.contains(&headline_text(&record)), "{story:?}: {}", headline_text(&record));
        for fault in record.faults.iter().filter(|fault| fault.at(FaultEvent::Confirmed).is_some()) {
            let (_, fate) = fate(&record, fault);
            for at in [0, 2] {
                let start: String = fate.chars().take(50).collect();
                assert!(formats[at].1.contains(&start), "{story:?}, {}: {fate}", formats[at].0);
            }
        }
        for decided in &record.checks {
            for at in [1, 2] {
                assert!(formats[at].1.contains(&check(&decided.check)), "{story:?}: {:?}", decided.check);
            }
        }
    }
}

#[test]
fn a_step_of_which_only_the_look_was_run_is_no_pass_in_any_format() {
    let mut record = record_of(Story::Passed);
    let plan = record.plan.as_mut().unwrap();
    let step = plan.steps.iter_mut().find(|step| step.phase == "mitigate").unwrap();
    step.not_run = Some("another way was chosen".into());
    let (step, told) = (step.id.clone(), "only its look was run: another way was chosen");
    let formats = formats(&record);
    assert_everywhere(&formats, told, &["markdown"]);
    assert!(formats[0].1.contains("- checked mitigate"), "{}", formats[0].1);
    let case = crate::view::cases::cases(&record).into_iter().find(|case| case.name == format!("step {step}")).unwrap();
    assert_eq!((case.symbol, case.message.as_str()), (StatusSymbol::Skip, told));
    let ended = Event::StepEnded { step, status: StepStatus::Passed, reason: None, at: None };
    let line = crate::view::event_line(&ended, record.plan.as_deref()).unwrap();
    assert_eq!((line.symbol, line.text), (StatusSymbol::Skip, format!("step checked: {told}")));
    record.verdict = Verdict::NotRecovered;
    assert_eq!(crate::view::advice::advice(&record).step, "No step of the mitigation was carried out.");
}

#[test]
fn one_and_many() {
    assert_eq!(
        (many(1, "drill"), many(0, "drill"), many(2, "drill")),
        ("1 drill".into(), "0 drills".into(), "2 drills".into())
    );
    assert_eq!(
        (exit(1), exit(127), exit(137)),
        ("exit 1".into(), "exit 127 (not found)".into(), "exit 137 (signal 9)".into())
    );
}

#[test]
fn the_price_is_the_same_in_every_format_for_people_and_derived_for_programs() {
    let mut record = drill(Story::NotRecovered);
    let budget =
        crate::record::BudgetInfo { window_us: 30 * 86_400_000_000, traffic: Some(1200.0), objective: Some(0.999) };
    record.plan.as_mut().unwrap().budget = Some(budget);
    let words = crate::view::words::recovery_row(&record, "price").unwrap().text;
    assert!(words.contains("of 99.9%, of the 30-day budget: ") && words.contains("users did not recover"), "{words}");
    assert!(words.contains("; ten minutes more: "), "{words}");
    for (name, text) in formats(&record).into_iter().filter(|(name, _)| ["console", "html", "markdown"].contains(name))
    {
        assert!(text.contains(&words.replace('`', " ")), "{name}: {words}\n{text}");
    }
    let value: Value = serde_json::from_slice(&json(&record)).unwrap();
    assert_eq!(value["figures"]["price"][0]["until_recovery"], Value::Null);
    assert!(value["figures"]["price"][0]["ten_minutes_more"].as_f64().is_some_and(|share| share > 0.0));
    assert_eq!(value.get("price"), None, "not stored");
}

#[test]
fn an_sli_is_told_with_its_slo_in_every_format() {
    let mut record = drill(Story::NotRecovered);
    for sli in &mut record.plan.as_mut().unwrap().slis {
        sli.slo = Some(format!("shopping/{}", sli.name));
    }
    assert_everywhere(&formats(&record), "shopping/availability", &[]);
}
