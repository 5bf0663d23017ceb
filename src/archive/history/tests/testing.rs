//! Synthetic runs for tests.

use super::run::{IndexedRun, RunStanding};
use crate::record::testing::{Story, record_of};
use crate::record::{Record, Verdict};

/// A record of that story, of this scenario, on a day of its own: `number` days after the first of November.
pub(super) fn record(scenario: &str, number: u32, story: Story) -> Record {
    let mut record = record_of(story);
    if let Some(plan) = record.plan.as_mut() {
        let day = 1 + number % 28;
        let month = 1 + number / 28;
        plan.scenario = scenario.to_string();
        plan.run = format!("2026{month:02}{day:02}T020000Z-{scenario}-{number:04}");
        plan.started_utc = format!("2026-{month:02}-{day:02}T02:00:00Z");
    }
    record
}

/// A run that passed.
pub(super) fn run(scenario: &str, number: u32) -> IndexedRun {
    let mut run = IndexedRun::of(&record(scenario, number, Story::Passed)).unwrap();
    run.images_sha = Some("e".repeat(64));
    run
}

/// A run that failed in this way.
pub(super) fn failed(scenario: &str, number: u32, verdict: Verdict, step: Option<&str>) -> IndexedRun {
    IndexedRun {
        standing: RunStanding::Failed,
        verdict,
        failed_step: step.map(str::to_string),
        to_recover_us: None,
        reason: "it did not help".into(),
        ..run(scenario, number)
    }
}
