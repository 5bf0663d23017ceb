//! Everything that can happen in a drill, by its one clock: microseconds since it began. Events are the only output of execution: the
//! console, `events.jsonl`, the record and through it every report are readers of this one stream. Among them are the assertions of a
//! drill, each of which becomes a test case in a report.

use super::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// An event with its number and time: one line of `events.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stamped {
    /// Number of the event, from 0, without gaps.
    pub seq: u64,
    /// When it happened.
    pub at_us: DrillTime,
    /// What happened.
    pub event: Event,
}

named_enum! {
/// The phases of a drill, in order.
pub enum Phase {
    /// The stack is started and becomes healthy.
    Up = "up",
    /// Load runs and every SLI meets its objective.
    Steady = "steady",
    /// The faults go in and are confirmed.
    Inject = "inject",
    /// An SLI must fall; the alert condition must hold (watched side by side).
    Impact = "impact",
    /// The alert condition is still waited for after the impact was seen.
    Detect = "detect",
    /// The runbook is followed.
    Respond = "respond",
    /// The SLIs must recover and hold.
    Recover = "recover",
    /// Every fault is undone.
    Revert = "revert",
    /// Everything is removed.
    Down = "down",
}
}

/// 100 ms of one load: the requests that were due in it, all of them ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// Name of the load.
    pub load: String,
    /// Number of the slice since the load began, from 0.
    pub index: u64,
    /// Start of the slice in drill time.
    pub start_us: DrillTime,
    /// Requests due in it.
    pub due: u64,
    /// Good events of each SLI over this load (valid events are all that were due).
    pub good: BTreeMap<String, u64>,
    /// Events by result: `200`, `503`, `timeout`, `refused`, `reset`, `no_connection`, `dns`, `tls_expired` …
    pub results: BTreeMap<String, u64>,
    /// SLI → when its earliest good event was complete, in microseconds from the start of the slice; SLIs without a good
    /// event are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub first_good_us: BTreeMap<String, u64>,
    /// Latency from the time due to the end, in microseconds: median, 99th percentile and maximum.
    pub latency_us: [u64; 3],
}

/// How busy the machine is on which the stack runs, as its agent sees it (`/proc/stat`, `/proc/pressure/cpu`,
/// `/proc/meminfo` are the machine's, also in a container).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MachineSample {
    /// Number of processors.
    pub cpus: u32,
    /// Share of the processors' time that was not idle since the last sample, in 0..=1.
    pub busy: f64,
    /// Share of the time since the last sample in which some task waited for a processor, in 0..=1 (pressure stall information);
    /// `None` where the kernel does not tell.
    pub pressure: Option<f64>,
    /// Memory of the machine in bytes.
    pub memory_bytes: u64,
    /// Memory that is available without swapping, in bytes.
    pub available_bytes: u64,
}

/// What the containers of a drill have used, its own ones (agents, toolbox) included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageSample {
    /// Processor time since the containers started, in microseconds.
    pub cpu_us: u64,
    /// Memory in use now, page cache left out, in bytes.
    pub memory_bytes: u64,
    /// Containers that run.
    pub containers: u32,
    /// Networks of the drill.
    pub networks: u32,
}

/// Which stream a line of output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

named_enum! {
/// How a step ended.
pub enum StepStatus {
    /// Every command did what it should.
    Passed = "passed",
    /// A command failed where that is only a warning (detect, diagnose).
    Warned = "warned",
    /// A command failed.
    Failed = "failed",
    /// An input has no value; nothing of the step ran.
    Blocked = "blocked",
    /// For a person, or conditional, or not selected.
    Skipped = "skipped",
}
}

named_enum! {
/// How a fault stood when it was asked after the recovery, or how it had ended before.
pub enum FaultAfter {
    /// The runbook cleared it.
    ClearedByRunbook = "cleared_by_runbook": "cleared by the runbook",
    /// It ended by itself: that the runbook cleared it, nobody can say.
    EndedByItself = "ended_by_itself": "ended by itself",
    /// Its time (`lasts`) was over before the runbook began.
    EndedByTime = "ended_by_time": "ended by its time",
    /// The runbook worked around it.
    StillActive = "still_active": "still active after the runbook",
    /// The runbook cleared a part of it.
    PartiallyActive = "partially_active": "partially active after the runbook",
    /// It could not be told.
    Unknown = "unknown": "its state after the recovery could not be told",
}
}

impl FaultAfter {
    /// What a station in its life says of that, where it says something; `asked`: it was asked again after the recovery.
    pub fn of(station: FaultEvent, asked: bool) -> Option<FaultAfter> {
        match station {
            FaultEvent::ClearedByRunbook => Some(FaultAfter::ClearedByRunbook),
            FaultEvent::EndedByItself => Some(FaultAfter::EndedByItself),
            FaultEvent::EndedByTime => Some(FaultAfter::EndedByTime),
            FaultEvent::StillActive => Some(FaultAfter::StillActive),
            FaultEvent::PartiallyActive => Some(FaultAfter::PartiallyActive),
            FaultEvent::Failed => asked.then_some(FaultAfter::Unknown),
            _ => None,
        }
    }
}

/// Everything that can happen in a drill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The first event: what will be done.
    Announced(Box<Announcement>),
    /// A phase began.
    PhaseStarted { phase: Phase },
    /// A phase ended, however it did.
    PhaseEnded { phase: Phase },
    /// The stack is up: its Compose project and the image digest of every service.
    StackUp(StackRecord),
    /// What starting or removing the stack took, for the breakdown of time. Emitted within the phase in which it was spent.
    #[serde(rename = "compose_took")]
    StackTook(ComposeRecord),
    /// Something was waited for: every wait is a poll with a deadline, and says so. `met`: it came.
    Waited { what: String, took_us: u64, deadline_us: u64, met: bool },
    /// Clock offset of an agent, measured by the channel's own round trips.
    ClockOffset(ClockRecord),
    /// 100 ms of a load.
    Slice(Slice),
    /// The generator woke late: the measurement is disturbed when it was more than allowed.
    Late(LateRecord),
    /// The measurement was disturbed: the generator was late by more than a verdict allows; how far, in words.
    Disturbed { why: String },
    /// How busy the machine was on which the stack runs; about once a second while load runs.
    Machine(MachineSample),
    /// What the stack's containers have used so far.
    Usage(UsageSample),
    /// A scraped sample of the alert condition's metric changed what the condition says: the condition as it was written, the value
    /// that decided, when there was one, and whether it holds.
    Condition { when: String, value: Option<f64>, holds: bool },
    /// A scraped sample of the alert condition's metric has another value than the one before.
    Gauge { value: f64 },
    /// Something became of an alert of the team's own rules.
    Alert(AlertMoment),
    /// A fault, by its id, goes through its life: what happened to it, and the evidence, or why not.
    Fault { fault: String, what: FaultEvent, detail: String },
    /// What undoing a fault, by its id, wrote; the end of it where it was long. `failed`: it could not be undone, or was still there
    /// afterwards.
    UndoOutput { fault: String, text: String, failed: bool },
    /// An SLI fell below its impact threshold.
    Impacted(ImpactRecord),
    /// The alert condition held, or the page was delivered.
    Detected {
        /// When.
        detected_us: DrillTime,
        /// The receiver of the page, where one had to come.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        paged: Option<String>,
    },
    /// A step, by its id, began.
    StepStarted { step: String },
    /// A command began.
    CommandStarted {
        /// Id of the step.
        step: String,
        /// Number within the step, from 0.
        command: usize,
        /// The text as it is run.
        text: String,
        /// Where it stands.
        at: Location,
        /// Attempt, from 1 (verify tries again, and so does what says `retry`).
        attempt: u32,
        /// Whether the runbook goes on while it runs.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        background: bool,
    },
    /// Output of a command, by the id of its step and its number in it: bounded, with secrets hidden; may hold partial lines.
    Output { step: String, command: usize, stream: Stream, text: String },
    /// A command ended.
    CommandEnded {
        /// Id of the step.
        step: String,
        /// Number of the command.
        command: usize,
        /// Exit code, 128 + n for signal n.
        exit: i32,
        /// How long it took.
        took_us: u64,
        /// Whether its deadline killed it.
        timed_out: bool,
        /// Bytes of output left out from its middle.
        omitted: u64,
        /// Whether it ran in the background and was ended with the runbook.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        stopped: bool,
    },
    /// What a block of commands was expected to do (`exit 1`, `output /ready/`), whether it did, and what was seen. The block is
    /// counted within its step from 0, its attempt from 1.
    Expected { step: String, block: usize, attempt: u32, what: String, met: bool, evidence: String },
    /// A step, by its id, ended: how, why where that needs a reason, and where the reason stands.
    StepEnded { step: String, status: StepStatus, reason: Option<String>, at: Option<Location> },
    /// The first mitigating command starts now, or has started.
    MitigationStarted {
        /// When it started, where only its end told that it did what helps: a condition in it was met.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        began_us: Option<DrillTime>,
    },
    /// The last mitigating step ended.
    MitigationEnded,
    /// An SLI recovered: at `recovered_us` by the design's definition.
    Recovered(RecoveryRecord),
    /// Every SLI met its objective over a window that a phase had to show: steady, recover or revert.
    WindowHeld(WindowRecord),
    /// How long users must be served for a recovery to count, said when the wait for it begins.
    HoldRequired(HoldRecord),
    /// Users had recovered, and lost the service again before the faults were undone: the end of the window in which they had.
    Relapsed { relapsed_us: DrillTime },
    /// An invariant was asked.
    Invariant(InvariantRecord),
    /// A write of a DR drill's ledger ended; it is on disk before anything else is made of it. Its number (the load's `{{counter}}`),
    /// when its answer was complete, or it had failed, and whether the answer said that it is stored.
    Written { write: u64, ended_us: DrillTime, acknowledged: bool },
    /// What the backup says of itself before the fault: `id`, `taken` (RFC 3339), `bytes`, and whatever else it tells.
    BackupSeen { facts: BTreeMap<String, String> },
    /// The content before the fault, to compare the restored one with.
    ContentNoted(ContentRecord),
    /// A level of the restore was looked at by a check of this name: whether it held, and what was seen.
    Probed { level: RestoreLevel, name: String, held: bool, evidence: String },
    /// The survivors of the ledger were read back.
    ReadBack(ReadBackRecord),
    /// How severe the incident was, measured when the recovery had been looked for.
    SeverityMeasured(MeasuredSeverity),
    /// An assertion was decided: when it was begun, and how it came out.
    CheckEnded { check: Check, started_us: DrillTime, outcome: CheckOutcome },
    /// Something that people should know, and that decides nothing.
    Note { text: String },
    /// What a person wrote down while the drill ran (`firedrill note`).
    Noted { by: String, text: String },
    /// The verdict, why, and where in the user's files; the first one counts, a later one may only be one that spoils a pass
    /// (`Verdict::spoils`).
    Judged { verdict: Verdict, reason: String, at: Option<Location> },
    /// Last event: the drill is over and everything is undone. What was left behind, in plain words, and whether the stack was kept
    /// on the user's wish.
    Ended { left: Vec<String>, kept: bool },
}

named_enum! {
/// A station in the life of a fault.
pub enum FaultEvent {
    /// The undo is on disk; the injection begins.
    Injecting = "injecting": "is being injected",
    /// It was injected and seen in place.
    Confirmed = "confirmed": "is in place",
    /// It was asked again after the recovery and had been cleared by the runbook.
    ClearedByRunbook = "cleared_by_runbook": "was cleared by the runbook",
    /// It was asked again after the recovery, and had ended by itself.
    EndedByItself = "ended_by_itself": "ended by itself",
    /// Its time (`lasts`) was over: Firedrill undid it while the drill went on, and saw it gone.
    EndedByTime = "ended_by_time": "ended by its time",
    /// Its `ramp` was over: it had its full strength, and was seen in place.
    Grown = "grown": "has grown to its full strength",
    /// Its time (`lasts`) was over for now, as it comes again by its `every`: Firedrill undid it, and saw it gone.
    Away = "away": "is away, and comes again",
    /// It was asked again after the recovery and is still active.
    StillActive = "still_active": "is still active",
    /// It was asked again after the recovery and a part of it is still active.
    PartiallyActive = "partially_active": "is partially active",
    /// It was undone, and seen to be gone.
    Reverted = "reverted": "is undone",
    /// Nothing undoes it, as the scenario says: it was left as it is, and goes with the stack.
    Irreversible = "irreversible": "is irreversible",
    /// Something about it failed.
    Failed = "failed": "failed",
}
}

/// What is asserted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "check", rename_all = "snake_case")]
pub enum Check {
    /// The stack came up and every SLI met its objective before anything was broken.
    Steady,
    /// A fault, by its id, was injected and confirmed.
    Injection { fault: String },
    /// An SLI fell below its impact threshold in time (or, with `impact: none`, none missed its objective).
    Impact,
    /// The alert condition held in time.
    Detection,
    /// Nobody was paged for nothing, and whoever was paged learned in time that it is over.
    Pages,
    /// Users still suffered when the first mitigating command started.
    StillBroken,
    /// A step of the runbook, by its id, did what it should.
    Step { step: String },
    /// An SLI met its objective again, in time and for long enough.
    Recovery { sli: String },
    /// Every fault was gone at the end of the hold, as `recover.cleared` demands.
    Cleared,
    /// Users were served from the recovery until the faults began to be undone.
    StillServed,
    /// Users had recovered within the recovery time objective.
    RecoveryTime,
    /// An invariant held before the fault, after the recovery and after the revert.
    Invariant { name: String },
    /// A DR drill: the restore came as far as it had to.
    RestoreLevel,
    /// A DR drill: no write was lost that is older than the recovery point objective allows.
    RecoveryPoint,
    /// The incident was no more severe than the scenario declares.
    Severity,
    /// The control: the same drill without the runbook did not recover.
    Control,
    /// Every fault was undone and the SLIs held once more.
    Revert,
    /// Nothing was left behind.
    NothingLeft,
}

/// A place in a file that people wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Location {
    /// The path as the user knows it.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path, self.line)
    }
}

/// How an assertion came out. An assertion that failed and a harness that broke are different things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum CheckOutcome {
    /// It held: what was seen.
    Passed { evidence: String },
    /// It did not hold: why, and where in the user's files.
    Failed { reason: String, at: Option<Location> },
    /// It could not be told, because Firedrill or its environment broke: what, and where in the user's files.
    Error { reason: String, at: Option<Location> },
    /// It was not asked for, is for a person, or was not reached: why.
    Skipped { reason: String },
}

/// An assertion with its outcome and times, as a record keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// What was asserted.
    pub check: Check,
    /// How it came out.
    pub outcome: CheckOutcome,
    /// When it was begun.
    pub started_us: DrillTime,
    /// When it was decided.
    pub ended_us: DrillTime,
}

/// An instant of a drill: microseconds since the runner began it, on the runner's monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DrillTime(pub u64);

impl DrillTime {
    /// The duration since an earlier instant, zero when `earlier` is later.
    pub fn since(self, earlier: DrillTime) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// This instant plus a duration.
    pub fn plus(self, d: Duration) -> Self {
        DrillTime(self.0.saturating_add(micros(d)))
    }
}

/// A duration in whole microseconds.
pub fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

/// Now, in UTC.
pub fn utc_now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// An instant as RFC 3339 text with milliseconds, in UTC.
pub fn utc_text(at: OffsetDateTime) -> String {
    let at = at.replace_millisecond(at.millisecond()).unwrap_or(at);
    at.format(&Rfc3339).unwrap_or_else(|_| at.unix_timestamp().to_string())
}
