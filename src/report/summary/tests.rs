//! The summary, story by story.

use super::*;
use crate::record::testing::{Story, record_of};
use crate::record::{DrillTime, Event, Stamped};

fn shown(story: Story) -> String {
    summary(&record_of(story), Some(Path::new(".firedrill/runs/20261120T064112Z-db-pool-3f9a")), false)
}

/// Two stories as a whole (one that failed is in the JUnit file); of every one its head, and what did not go well.
#[test]
fn every_story_reads_well() {
    let mut told = String::new();
    for story in Story::ALL {
        let shown = shown(story);
        if matches!(story, Story::Passed | Story::RestoreLost) {
            insta::assert_snapshot!(format!("{story:?}"), shown);
        }
        let (head, rest) = shown.split_once("\n\n").unwrap();
        let bad = |line: &&str| ["    ✗", "    !"].iter().any(|sign| line.starts_with(sign));
        let lines: Vec<&str> = head.lines().skip(1).chain(rest.lines().filter(bad)).collect();
        told.push_str(&format!("{story:?}\n{}\n", lines.join("\n")));
    }
    insta::assert_snapshot!("what_did_not_go_well", told);
}

#[test]
fn it_stays_within_eighty_columns() {
    for story in Story::ALL {
        for line in shown(story).lines() {
            assert!(console::measure_text_width(line) <= WIDTH, "{story:?}: {line}");
        }
    }
}

#[test]
fn colour_adds_nothing_but_colour() {
    for story in Story::ALL {
        let colored = summary(&record_of(story), None, true);
        assert!(colored.contains('\u{1b}'));
        assert_eq!(console::strip_ansi_codes(&colored), summary(&record_of(story), None, false), "{story:?}");
    }
}

#[test]
fn output_cannot_reach_the_terminal() {
    let mut record = record_of(Story::StepFailed);
    let command = &mut record.steps.last_mut().unwrap().commands[0];
    command.output.push(crate::record::Stream::Stderr, "\u{1b}]0;owned\u{7}\u{1b}[2Jcleared\u{8}\u{0}\n");
    record.reason = "\u{1b}[31mred\u{1b}[0m\nsecond line".into();
    let text = summary(&record, None, false);
    assert!(!text.contains('\u{1b}') && !text.contains('\u{0}') && !text.contains('\u{8}'));
    assert!(text.contains("│ cleared") && text.contains("red second line"));
}

#[test]
fn a_run_that_the_reaper_completed_says_what_happened() {
    let mut record = record_of(Story::Killed);
    for (i, event) in [
        Event::Judged { verdict: Verdict::Incomplete, reason: "the runner was killed during respond".into(), at: None },
        Event::Ended { left: vec![], kept: false },
    ]
    .into_iter()
    .enumerate()
    {
        let seq = record.next_seq;
        record.apply(&Stamped { seq, at_us: DrillTime(record.last_us.0 + i as u64), event });
    }
    let text = summary(&record, None, false);
    let head: Vec<&str> = text.lines().skip(1).take(2).collect();
    assert!(head[0].starts_with("! INCOMPLETE  db-pool"), "{text}");
    assert_eq!(head[1], "  the runner was killed during respond");
}

#[test]
fn what_is_worth_a_look_is_said_whatever_the_verdict() {
    let mut record = record_of(Story::Passed);
    let load = "checkout".to_string();
    record.late.push(crate::record::LateRecord { load, worst_us: 312_000, count: 17 });
    record.clocks[0].rtt_us = 240_000;
    record.left.push("network fd-20261120t064112z-db-pool-3f9a_default".into());
    record.aftermath.push(crate::record::Judgement {
        verdict: Verdict::HarnessError,
        reason: "docker compose down: exit 1".into(),
        at: None,
        judged_us: Default::default(),
    });
    record.kept = true;
    let text = summary(&record, None, false);
    let (_, shown) = text.split_once("worth a look\n").unwrap();
    insta::assert_snapshot!(shown);
    assert!(text.contains("✗ FAILED (while cleaning up)  db-pool"), "something was left behind: {text}");
}

#[test]
fn an_empty_record_has_a_summary() {
    let text = summary(&Record::default(), None, false);
    assert!(text.contains("! INCOMPLETE"), "{text}");
    assert!(text.contains("nothing passes by default"), "{text}");
}
