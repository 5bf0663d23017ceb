//! The Markdown report against a parser of Markdown: its shape, its limits, and hostile text.

use super::*;
use crate::record::testing::{Story, record_of};
use crate::record::{Record, Stream};
use crate::view::testing::{days, stories};
use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag};

fn text(drills: &Drills) -> String {
    String::from_utf8(markdown(drills)).expect("UTF-8")
}

/// The structure as a parser sees it: everything but text.
fn shape(markdown: &str) -> Vec<String> {
    let parser =
        Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_MATH);
    let mut shape: Vec<String> = Vec::new();
    for event in parser {
        match event {
            Event::Text(_) | Event::SoftBreak => {}
            // Neither has text of a record in it.
            Event::Html(html) | Event::InlineHtml(html) => {
                let tags = html.split('<').skip(1).filter_map(|tag| tag.split('>').next());
                // What stands between backticks in a text is shown as code.
                let tags = tags.filter(|tag| !matches!(*tag, "code" | "/code"));
                shape.extend(tags.map(|tag| format!("<{tag}>")));
            }
            other => shape.push(format!("{other:?}")),
        }
    }
    shape
}

#[test]
fn drills_as_markdown() {
    let all = [Story::Passed, Story::NotRecovered, Story::StepFailed, Story::RestoreWrongLevel, Story::Killed];
    insta::assert_snapshot!(text(&stories(&all)));
    // Each of them has its why, in a form that is none of Markdown's.
    for story in Story::ALL.into_iter().filter(|story| !record_of(*story).passed()) {
        let drills = stories(&[story]);
        let why = prose(&shortened(&drills.entries()[0].why()));
        assert!(text(&drills).contains(&why), "{story:?}: {why}");
    }
}

#[test]
fn a_game_day_as_markdown() {
    insta::assert_snapshot!(text(&days()));
}

#[test]
fn the_verdict_stands_in_the_first_line() {
    assert!(text(&stories(&[Story::Passed])).starts_with("### ✓ 1 drill, 1 passed\n"));
    assert!(text(&stories(&[Story::Passed, Story::StepFailed])).starts_with("### ✗ 2 drills, 1 passed, 1 failed\n"));
    assert!(text(&Drills::default()).starts_with("### ! 0 drills\n"), "nothing is no success");
}

#[test]
fn it_fits_into_a_comment_whatever_happened() {
    let mut failed = record_of(Story::StepFailed);
    for command in failed.steps.iter_mut().flat_map(|step| &mut step.commands) {
        command.output.push(Stream::Stdout, &"<&|`\n".repeat(8000));
    }
    let passed = record_of(Story::Passed);
    let mut records: Vec<Record> = (0..400).map(|n| if n % 2 == 0 { failed.clone() } else { passed.clone() }).collect();
    for (n, record) in records.iter_mut().enumerate() {
        record.plan.as_mut().unwrap().run = format!("20261120T064112Z-x-{n:04}");
    }
    let drills = Drills { records, ..Drills::default() };
    let text = text(&drills);
    assert!(text.len() <= LIMIT, "{}", text.len());
    assert!(text.starts_with("### ✗ 400 drills, 200 passed, 200 failed\n"));
    assert!(text.contains("The table leaves out") && text.contains("There is no room here for"));
    assert!(text.contains("<details>"), "the first ones have their output");
}

fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just("|".to_string()),
        Just("\\|".to_string()),
        Just("\\".to_string()),
        Just("\n\n# heading\n\n- list\n\n```\n".to_string()),
        Just("<script>alert(1)</script><details>".to_string()),
        Just("</summary></details></code><!-- -->".to_string()),
        Just("**bold** _em_ ~~gone~~ `code` $x$ $$y$$".to_string()),
        Just("[link](http://x) ![image](http://x) <http://x>".to_string()),
        Just("http://x.org www.x.org a@x.org @team #12".to_string()),
        Just("````````".to_string()),
        Just("~~~~".to_string()),
        Just("1) 1. - + * > = --- ===".to_string()),
        Just("&amp;&lt;&#124;".to_string()),
        Just("\u{0}\u{1b}[31m\u{85}\u{2028}\u{202e}".to_string()),
        "[ -~]{0,20}",
    ];
    proptest::collection::vec(pieces, 1..6).prop_map(|parts| format!("x{}x", parts.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn whatever_the_text_the_report_keeps_its_shape(texts in proptest::collection::vec(hostile(), 8)) {
        let record = record_of(Story::StepFailed);
        let plain = shape(&text(&Drills::one(record.clone())));
        let mut record = record;
        let plan = record.plan.as_mut().unwrap();
        plan.scenario = texts[0].clone();
        plan.title = texts[1].clone();
        for step in &mut plan.steps {
            step.title = texts[2].clone();
            step.at.path = texts[3].clone();
        }
        record.reason = texts[4].clone();
        record.at.as_mut().unwrap().path = texts[5].clone();
        for command in record.steps.iter_mut().flat_map(|step| &mut step.commands) {
            command.text = texts[6].clone();
            command.at.path = texts[3].clone();
            command.output.push(Stream::Stderr, &texts[7]);
        }
        let report = text(&Drills::one(record));
        prop_assert_eq!(shape(&report), plain, "{}", report);
        // Outside of code blocks nobody is called and nothing is a link.
        let mut outside = report.clone();
        for (event, range) in Parser::new(&report).into_offset_iter().collect::<Vec<_>>().into_iter().rev() {
            if matches!(event, Event::Start(Tag::CodeBlock(_))) {
                outside.replace_range(range, "");
            }
        }
        prop_assert!(!outside.contains('@') && !outside.contains("://") && !outside.contains("www."), "{}", outside);
    }
}
