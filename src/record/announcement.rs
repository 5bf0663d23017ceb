//! What a drill set out to do: the first event, known before anything is started, so that reports can name what was not
//! reached.

use super::{Location, PageExpectation, RULES, RestorePlan, SeverityLevel, StepStatus, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a drill set out to do: known before anything is started, so that reports can name what was not reached.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Announcement {
    /// `RECORD_FORMAT` of the writer.
    pub format: u32,
    /// Version of the tool.
    pub tool_version: String,
    /// `RULES` of the writer; 0 in records from before rules had a number.
    #[serde(default, skip_serializing_if = "super::parts::is_zero")]
    pub rules: u64,
    /// Id of the run: unique, sorts by time.
    pub run: String,
    /// When the drill began, RFC 3339 in UTC.
    pub started_utc: String,
    /// The scenario's name: its file name without `.yaml`.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// `SEV1` …, when given.
    pub severity: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// The scenario file.
    pub scenario_file: FileRef,
    /// The runbook file, unless the scenario tests that the system heals by itself.
    pub runbook_file: Option<FileRef>,
    /// What was decided about its commands, where anything was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<ReadingInfo>,
    /// What the project says of its own programs (`programs.yaml`), where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programs_file: Option<FileRef>,
    /// The stack file.
    pub stack_file: FileRef,
    /// What else the stack is made of: the Compose files that are merged over it, or the rest of a folder of manifests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stack_merged: Vec<FileRef>,
    /// Whether this is the control: the same drill without the runbook.
    pub control: bool,
    /// Seed of everything random in the drill.
    pub seed: u64,
    /// The verdict that the scenario expects.
    pub expect: Verdict,
    /// The SLIs.
    pub slis: Vec<SliInfo>,
    /// The loads.
    pub loads: Vec<LoadInfo>,
    /// The faults.
    pub faults: Vec<FaultInfo>,
    /// The steps of the runbook that the scenario selects, in order.
    pub steps: Vec<StepInfo>,
    /// The alert condition as it was written, when there is one.
    pub detect: Option<String>,
    /// The page that must come, where `detect` names an alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<PageExpectation>,
    /// The files of `alerts`, each with what it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alert_files: Vec<(String, FileRef)>,
    /// The windows and deadlines of the scenario.
    pub windows: Windows,
    /// Values of inputs, secrets already hidden.
    pub vars: BTreeMap<String, String>,
    /// The runbook as it was, secrets hidden: reports show it beside what happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook_text: Option<String>,
    /// Commit of the project's Git repository, with `-dirty` where files that Git knows had changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The game day that this drill is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occasion: Option<DayAttempt>,
    /// Why the scenario is severe and plausible, in its author's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who owns the scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Who carried it out, and on what; `None` in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executed: Option<Executed>,
    /// Recovery time objective in microseconds: first confirmed fault → recovered. `None`: there is no limit on the time to
    /// recover. Records of earlier versions have it in `restore`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rto_us: Option<u64>,
    /// What must not be destroyed, by the fault or by the cure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub invariants: Vec<InvariantInfo>,
    /// What a DR drill set out to show; `None` for drills of other kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<RestorePlan>,
    /// What makes an incident how severe, the most severe first; records of earlier versions have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub severities: Vec<SeverityLevel>,
    /// The file of who is on call, where the scenario names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oncall_file: Option<FileRef>,
    /// The roles of the incident and who has each; `None`: it is open. Empty without such a file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<(String, Option<String>)>,
    /// The production error budget in terms of which the drill has its price, where the scenario names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<super::BudgetInfo>,
    /// The last earlier control of the same scenario and stack that tells whether users recover without the runbook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_control: Option<EarlierControl>,
    /// Whether this is no drill but a runbook that is followed alone: there is no scenario, and no verdict can be `passed`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alone: bool,
}

impl Announcement {
    /// Says that the run was made under other rules than this program has; `None` where they are the same.
    pub fn other_rules(&self) -> Option<String> {
        let made = self.rules;
        (made != RULES).then(|| format!("it was made under rules {made}, and this program has rules {RULES}"))
    }

    /// Whether steps of a phase are meant to help: those of mitigate are; those of rollback and of phases with no name of their own where
    /// nothing of mitigate does more than look.
    pub fn mitigates(&self, phase: &str) -> bool {
        let acts = |step: &StepInfo| step.phase == "mitigate" && !step.manual && step.helps != Some(false);
        phase == "mitigate" || (matches!(phase, "rollback" | "other") && !self.steps.iter().any(acts))
    }

    /// Recovery time objective in microseconds, also of records of earlier versions; `None`: there is no limit.
    pub fn rto_us(&self) -> Option<u64> {
        self.rto_us.or(self.restore.as_ref().map(|restore| restore.rto_us))
    }

    /// Whether the same scenario breaks the same stack. The runbook does not count: a control does not follow it.
    pub fn breaks_the_same(&self, other: &Announcement) -> bool {
        let stack = |plan: &Announcement| -> Vec<String> {
            std::iter::once(&plan.stack_file).chain(&plan.stack_merged).map(|file| file.sha256.clone()).collect()
        };
        // A game day may lower the rates.
        let is_same_load = self.loads == other.loads && self.slis == other.slis;
        self.scenario_file.sha256 == other.scenario_file.sha256 && stack(self) == stack(other) && is_same_load
    }

    /// The files that it was made from, each with what it is.
    pub fn files(&self) -> Vec<(String, &FileRef)> {
        let reading = self.reading.as_ref().map(|reading| (reading.label(), &reading.file));
        let mut files = vec![("scenario".into(), &self.scenario_file)];
        files.extend(self.runbook_file.as_ref().map(|file| ("runbook".into(), file)));
        files.extend(reading);
        files.extend(self.programs_file.as_ref().map(|file| ("programs".into(), file)));
        files.extend(std::iter::once(&self.stack_file).chain(&self.stack_merged).map(|file| ("stack".into(), file)));
        files.extend(self.alert_files.iter().map(|(what, file)| (what.clone(), file)));
        files.extend(self.oncall_file.as_ref().map(|file| ("on call".into(), file)));
        files
    }
}

/// The decisions about the commands of a runbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadingInfo {
    /// The file.
    pub file: FileRef,
    /// Who decided, and when: `oncall@example.com on 2026-11-20`, each once, in the order of the file.
    pub decided: Vec<String>,
}

impl ReadingInfo {
    /// What the file is, for lists of files.
    pub fn label(&self) -> String {
        match self.decided.is_empty() {
            true => "reading".into(),
            false => format!("reading, decided by {}", self.decided.join(", ")),
        }
    }
}

/// Who carried a drill out, with which program, and on what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executed {
    /// Who: the person or account that CI names, otherwise the user of the operating system; `None` where nobody is named.
    pub by: Option<String>,
    /// SHA-256 of the running executable.
    pub program_sha256: Option<String>,
    /// Name, system, architecture and processors of the machine.
    pub machine: String,
    /// Version of the container engine.
    pub engine: Option<String>,
}

/// An invariant as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvariantInfo {
    /// Name.
    pub name: String,
    /// The service in which its command runs.
    pub service: String,
    /// Its command.
    pub run: String,
    /// What is expected of it, in words: `>= 100`, `as before the fault`, `increases`.
    pub expected: String,
    /// Where it stands in the scenario.
    pub at: Location,
}

/// An earlier control: the same drill without the runbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierControl {
    /// Id of its run.
    pub run: String,
    /// Image id of every service of its stack.
    pub images: BTreeMap<String, String>,
    /// Whether users recovered in it.
    pub healed: bool,
    /// For how long users were watched from the injection on, in microseconds.
    pub watched_us: u64,
}

/// Where a drill stands in a game day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayAttempt {
    /// Id of the game day.
    pub day: String,
    /// Number of the drill in the game day's plan, from 1.
    pub number: usize,
    /// Attempt, from 1: a drill is run again when it was disturbed, or when `--retry` says so.
    pub attempt: u32,
}

/// A file as it was when the drill began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRef {
    /// The path as the user knows it.
    pub path: String,
    /// SHA-256 of its bytes, in lower-case hex.
    pub sha256: String,
}

/// An SLI as it was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SliInfo {
    /// Name.
    pub name: String,
    /// The load that it looks at.
    pub load: String,
    /// The condition that makes an event good, as it was written.
    pub good: String,
    /// Objective as a ratio in 0..=1.
    pub objective: f64,
    /// Whether the impact must show in this SLI.
    pub must_breach: bool,
    /// The SLO that it was read from, of a journey or a service: `shopping/availability`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo: Option<String>,
}

impl SliInfo {
    /// What makes an event good, and what promises it: `status < 500, SLO shopping/availability`.
    pub fn promise(&self) -> String {
        let slo = self.slo.as_ref().map_or(String::new(), |slo| format!(", SLO {slo}"));
        format!("{}{slo}", self.good)
    }
}

/// A load as it was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadInfo {
    /// Name.
    pub name: String,
    /// Method and URL.
    pub request: String,
    /// Requests per second.
    pub rate: f64,
    /// The time of which it tells at once (`every` of `promql`); 0 where each event is told by itself.
    #[serde(default, skip_serializing_if = "super::parts::is_zero")]
    pub told_every_us: u64,
}

/// A fault as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultInfo {
    /// Id, unique within the drill.
    pub id: String,
    /// Kind, as in the scenario file.
    pub kind: String,
    /// What it does, in one line.
    pub summary: String,
    /// The services that it breaks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// The class of failures that it stands for, where the scenario says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covers: Option<String>,
    /// Whether it harms nobody, so that no time counts from it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub noise: bool,
    /// Where it stands in the scenario.
    pub at: Location,
}

/// A step of the runbook as Firedrill read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepInfo {
    /// Id: phase and title.
    pub id: String,
    /// Phase of the runbook.
    pub phase: String,
    /// Title as a person reads it.
    pub title: String,
    /// Whether it has commands; otherwise it is for a person.
    pub manual: bool,
    /// SHA-256 of its content, in lower-case hex.
    pub hash: String,
    /// Where it stands.
    pub at: Location,
    /// Its last line in the runbook, from 1; 0 where that is not known.
    #[serde(default)]
    pub end_line: usize,
    /// Whether a command of it may have helped, where its phase does not say so: false for a mitigation that only looks, true for
    /// a step of another phase that evidently changes something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub helps: Option<bool>,
    /// Why nothing of it is run that does more than look, where only its look is: another way was chosen, or it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_run: Option<String>,
    /// What the runbook says, where the scenario has put something else in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<ReplacedInfo>,
}

impl StepInfo {
    /// Says that only the look of a step was run, and why; `None` where all of it was run.
    pub fn only_looked(&self, status: Option<StepStatus>) -> Option<String> {
        let why = self.not_run.as_ref().filter(|_| status == Some(StepStatus::Passed))?;
        Some(format!("only its look was run: {why}"))
    }
}

/// The text of the runbook that a scenario replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplacedInfo {
    /// Where the new text stands, in the scenario.
    pub by: Location,
    /// The commands of the runbook; empty where the step is for a person.
    pub commands: Vec<String>,
}

/// Declared windows and deadlines, in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Windows {
    /// `steady.for`.
    pub steady_us: u64,
    /// `impact.within`.
    pub impact_within_us: u64,
    /// `impact.window`.
    pub impact_window_us: u64,
    /// `impact.below` as a ratio in 0..=1; records of earlier versions do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact_below: Option<f64>,
    /// `detect.within`.
    pub detect_within_us: Option<u64>,
    /// `recover.within`.
    pub recover_within_us: u64,
    /// How long the runbook took in the drills on disk: a control looks for so much longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook_took_us: Option<u64>,
    /// `recover.hold`.
    pub recover_hold_us: u64,
    /// `recover.cleared`: at the end of the hold every fault must be gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recover_cleared: bool,
    /// How long every SLI must hold after the revert: `revert.hold`, or longer where its events are few.
    pub revert_hold_us: u64,
    /// The longest time of which a source of SLIs tells at once (`every` of `promql`): windows which begin with an undo or, with `impact: none`,
    /// an injection begin so much later. 0 where each event is told by itself.
    #[serde(default, skip_serializing_if = "super::parts::is_zero")]
    pub told_every_us: u64,
    /// How long an SLI of which events stay good for a while needs to show that nothing new comes any more: a recovery is held at least so
    /// long. 0 where there is none; records of earlier versions do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_after_us: Option<u64>,
    /// Whether `impact: none` turns the drill round.
    pub impact_none: bool,
}
