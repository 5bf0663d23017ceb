//! A run as the index keeps it: what is asked over many runs at once. A pure function of a record.

use crate::archive::evidence::Digest;
use crate::record::{Measuring, Record, RunOutcome, StepStatus, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

named_enum! {
/// What a run says, each with a sign and a word. Only `Passed` and `Failed` say something about the runbook.
pub enum RunStanding {
    /// The drill passed.
    Passed = "passed": "✓ passed",
    /// The drill failed.
    Failed = "failed": "✗ failed",
    /// A control that did not recover, as it should.
    ControlHeld = "control_held": "✓ control held",
    /// A control that failed: users recovered without the runbook, or the drill had no impact.
    ControlFailed = "control_failed": "✗ control failed",
    /// Its measuring was disturbed: it says nothing.
    Disturbed = "disturbed": "! disturbed",
    /// The harness or its environment broke: it says nothing.
    HarnessError = "harness_error": "! harness error",
    /// It was stopped by a signal.
    Interrupted = "interrupted": "- interrupted",
    /// It has no end: cut off, or still running.
    Incomplete = "incomplete": "- incomplete",
}
}

impl RunStanding {
    /// Whether it says something about the runbook.
    pub fn counts(self) -> bool {
        matches!(self, RunStanding::Passed | RunStanding::Failed)
    }

    fn of(record: &Record) -> RunStanding {
        match record.outcome() {
            RunOutcome::Interrupted => RunStanding::Interrupted,
            _ if record.is_unfinished() => RunStanding::Incomplete,
            RunOutcome::Broken if record.disturbed.is_some() => RunStanding::Disturbed,
            RunOutcome::Broken => RunStanding::HarnessError,
            RunOutcome::Passed if record.is_control() => RunStanding::ControlHeld,
            RunOutcome::Failed if record.is_control() => RunStanding::ControlFailed,
            RunOutcome::Passed => RunStanding::Passed,
            RunOutcome::Failed => RunStanding::Failed,
        }
    }
}

/// One run, as far as it is asked for over many. Durations are in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IndexedRun {
    /// Id of the run.
    pub run: String,
    /// Name of the scenario.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// When the drill began, RFC 3339 in UTC.
    pub started_utc: String,
    /// The same in microseconds since 1970.
    pub started_us: i64,
    /// Whether the story has its end.
    pub ended: bool,
    /// Whether this is the control.
    pub control: bool,
    /// What the run says.
    pub standing: RunStanding,
    /// The verdict.
    pub verdict: Verdict,
    /// The verdict that the scenario expects.
    pub expect: Verdict,
    /// Why, in the words of the record.
    pub reason: String,
    /// Why the measuring was disturbed.
    pub disturbed: Option<String>,
    /// The step that failed or was blocked.
    pub failed_step: Option<String>,
    /// Id of the game day.
    pub day: Option<String>,
    /// Attempt within the game day, from 1.
    pub attempt: Option<u32>,
    /// Commit of the project.
    pub revision: Option<String>,
    /// Version of the tool.
    pub tool_version: String,
    /// SHA-256 of the scenario file.
    pub scenario_sha: String,
    /// SHA-256 of the runbook file.
    pub runbook_sha: Option<String>,
    /// SHA-256 of what was decided about the runbook's commands.
    #[serde(default)]
    pub reading_sha: Option<String>,
    /// SHA-256 of the stack file.
    pub stack_sha: String,
    /// SHA-256 over services and their image ids; `None` where the stack was never up.
    pub images_sha: Option<String>,
    /// First confirmed fault → impact.
    pub to_impact_us: Option<u64>,
    /// First confirmed fault → alert condition.
    pub to_detect_us: Option<u64>,
    /// First confirmed fault → first mitigating command.
    pub to_mitigation_us: Option<u64>,
    /// First confirmed fault → recovered.
    pub to_recover_us: Option<u64>,
    /// The whole drill.
    pub total_us: u64,
    /// How far the measuring can be trusted.
    #[serde(flatten)]
    pub measuring: Measuring,
}

impl IndexedRun {
    /// The run of a record. The error says why the record does not tell when it began.
    pub fn of(record: &Record) -> Result<IndexedRun, String> {
        let plan = record.plan.as_ref().ok_or("the story has no beginning")?;
        let started = OffsetDateTime::parse(&plan.started_utc, &Rfc3339)
            .map_err(|error| format!("`started_utc` is no time: {error}"))?;
        let figures = record.figures();
        let stopped = |status: Option<StepStatus>| matches!(status, Some(StepStatus::Failed | StepStatus::Blocked));
        let images = record.stack.as_ref().map(|stack| stack.images.clone()).filter(|images| !images.is_empty());
        Ok(IndexedRun {
            run: plan.run.clone(),
            scenario: plan.scenario.clone(),
            title: plan.title.clone(),
            started_utc: plan.started_utc.clone(),
            started_us: i64::try_from(started.unix_timestamp_nanos() / 1000).unwrap_or_default(),
            ended: record.ended,
            control: plan.control,
            standing: RunStanding::of(record),
            verdict: record.verdict,
            expect: plan.expect,
            reason: record.reason.clone(),
            disturbed: record.disturbed.clone(),
            failed_step: record.steps.iter().find(|step| stopped(step.status)).map(|step| step.step.clone()),
            day: plan.occasion.as_ref().map(|occasion| occasion.day.clone()),
            attempt: plan.occasion.as_ref().map(|occasion| occasion.attempt),
            revision: plan.revision.clone(),
            tool_version: plan.tool_version.clone(),
            scenario_sha: plan.scenario_file.sha256.clone(),
            runbook_sha: plan.runbook_file.as_ref().map(|file| file.sha256.clone()),
            reading_sha: plan.reading.as_ref().map(|reading| reading.file.sha256.clone()),
            stack_sha: match plan.stack_merged.as_slice() {
                [] => plan.stack_file.sha256.clone(),
                merged => {
                    let all = std::iter::once(&plan.stack_file).chain(merged).map(|file| format!("{}\n", file.sha256));
                    Digest::of(all.collect::<String>().as_bytes()).to_string()
                }
            },
            images_sha: images.as_ref().map(fingerprint),
            to_impact_us: figures.to_impact_us,
            to_detect_us: figures.to_detect_us,
            to_mitigation_us: figures.to_mitigation_us,
            to_recover_us: figures.to_recover_us,
            total_us: figures.time.total_us,
            measuring: figures.measuring,
        })
    }
}

/// One hash for all images of a stack.
fn fingerprint(images: &BTreeMap<String, String>) -> String {
    // Neither name can hold a line break.
    let lines: String = images.iter().map(|(service, image)| format!("{service}\n{image}\n")).collect();
    Digest::of(lines.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, record_of};

    #[test]
    fn only_passes_and_failures_count() {
        let standing = |story| IndexedRun::of(&record_of(story)).unwrap().standing;
        assert_eq!(standing(Story::Passed), RunStanding::Passed);
        assert_eq!(standing(Story::ExpectedFailure), RunStanding::Passed);
        assert_eq!(standing(Story::StepFailed), RunStanding::Failed);
        assert_eq!(standing(Story::Control), RunStanding::ControlHeld);
        assert_eq!(standing(Story::ControlRecovered), RunStanding::ControlFailed);
        assert_eq!(standing(Story::HarnessError), RunStanding::HarnessError);
        assert_eq!(standing(Story::Interrupted), RunStanding::Interrupted);
        assert_eq!(standing(Story::Killed), RunStanding::Incomplete);
        let mut record = record_of(Story::HarnessError);
        record.disturbed = Some("requests were late".into());
        assert_eq!(IndexedRun::of(&record).unwrap().standing, RunStanding::Disturbed);
        for standing in RunStanding::ALL {
            assert_eq!(RunStanding::from_name(standing.name()), Some(standing));
        }
    }

    #[test]
    fn a_run_has_the_figures_of_its_record() {
        let record = record_of(Story::StepFailed);
        let run = IndexedRun::of(&record).unwrap();
        assert_eq!(run.to_impact_us, record.figures().to_impact_us);
        assert_eq!(run.failed_step.as_deref(), Some("mitigate/terminate-the-session-that-holds-the-lock"));
        assert!(run.started_us > 1_700_000_000_000_000);
    }

    #[test]
    fn a_record_without_a_time_is_refused() {
        let mut record = record_of(Story::Passed);
        record.plan.as_mut().unwrap().started_utc = "yesterday".into();
        assert!(IndexedRun::of(&record).unwrap_err().contains("started_utc"));
        assert!(IndexedRun::of(&Record::default()).is_err());
    }

    #[test]
    fn images_are_one_hash() {
        let one = BTreeMap::from([("a".to_string(), "1".to_string())]);
        let other = BTreeMap::from([("a".to_string(), "2".to_string())]);
        assert_ne!(fingerprint(&one), fingerprint(&other));
        assert_eq!(fingerprint(&one).len(), 64);
    }
}
