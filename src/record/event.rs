//! Everything that can happen in a drill. Events are the only output of execution: the console, `events.jsonl`, the
//! record and through it every report are readers of this one stream.

use super::{
    AlertMoment, Announcement, Check, CheckOutcome, ClockRecord, ComposeRecord, ContentRecord, DrillTime, HoldRecord,
    ImpactRecord, InvariantRecord, LateRecord, Location, MeasuredSeverity, ReadBackRecord, RecoveryRecord,
    RestoreLevel, StackRecord, Verdict, WindowRecord,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

/// How a fault stood when it was asked after the recovery, or how it had ended before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultAfter {
    /// The runbook cleared it.
    ClearedByRunbook,
    /// It ended by itself: that the runbook cleared it, nobody can say.
    EndedByItself,
    /// Its time (`lasts`) was over before the runbook began.
    EndedByTime,
    /// The runbook worked around it.
    StillActive,
    /// The runbook cleared a part of it.
    PartiallyActive,
    /// It could not be told.
    Unknown,
}

/// Everything that can happen in a drill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The first event: what will be done.
    Announced(Box<Announcement>),
    /// A phase began.
    PhaseStarted {
        /// Which.
        phase: Phase,
    },
    /// A phase ended, however it did.
    PhaseEnded {
        /// Which.
        phase: Phase,
    },
    /// The stack is up: its Compose project and the image digest of every service.
    StackUp(StackRecord),
    /// What starting or removing the stack took, for the breakdown of time. Emitted within the phase in which it was spent.
    #[serde(rename = "compose_took")]
    StackTook(ComposeRecord),
    /// Something was waited for: every wait is a poll with a deadline, and says so.
    Waited {
        /// What for.
        what: String,
        /// How long it took.
        took_us: u64,
        /// The deadline.
        deadline_us: u64,
        /// Whether it came.
        met: bool,
    },
    /// Clock offset of an agent, measured by the channel's own round trips.
    ClockOffset(ClockRecord),
    /// 100 ms of a load.
    Slice(Slice),
    /// The generator woke late: the measurement is disturbed when it was more than allowed.
    Late(LateRecord),
    /// The measurement was disturbed: the generator was late by more than a verdict allows.
    Disturbed {
        /// How far.
        why: String,
    },
    /// How busy the machine was on which the stack runs; about once a second while load runs.
    Machine(MachineSample),
    /// What the stack's containers have used so far.
    Usage(UsageSample),
    /// A scraped sample of the alert condition's metric changed what the condition says.
    Condition {
        /// The condition as it was written.
        when: String,
        /// Value that decided, when there was one.
        value: Option<f64>,
        /// Whether it holds.
        holds: bool,
    },
    /// A scraped sample of the alert condition's metric has another value than the one before.
    Gauge {
        /// The value.
        value: f64,
    },
    /// Something became of an alert of the team's own rules.
    Alert(AlertMoment),
    /// A fault goes through its life.
    Fault {
        /// Id of the fault.
        fault: String,
        /// What happened to it.
        what: FaultEvent,
        /// Evidence, or why not.
        detail: String,
    },
    /// What undoing a fault wrote.
    UndoOutput {
        /// Id of the fault.
        fault: String,
        /// The text; the end of it where it was long.
        text: String,
        /// Whether the fault could not be undone, or was still there afterwards.
        failed: bool,
    },
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
    /// A step began.
    StepStarted {
        /// Id of the step.
        step: String,
    },
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
    /// Output of a command, bounded and with secrets hidden.
    Output {
        /// Id of the step.
        step: String,
        /// Number of the command.
        command: usize,
        /// Which stream.
        stream: Stream,
        /// The text; may hold partial lines.
        text: String,
    },
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
    /// What a block of commands was expected to do, and whether it did.
    Expected {
        /// Id of the step.
        step: String,
        /// Which of the step's blocks, from 0.
        block: usize,
        /// Attempt of the block, from 1.
        attempt: u32,
        /// What was expected: `exit 1`, `output /ready/`.
        what: String,
        /// Whether it was so.
        met: bool,
        /// What was seen.
        evidence: String,
    },
    /// A step ended.
    StepEnded {
        /// Id of the step.
        step: String,
        /// How.
        status: StepStatus,
        /// Why, where that needs a reason.
        reason: Option<String>,
        /// Where the reason stands.
        at: Option<Location>,
    },
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
    /// Users had recovered, and lost the service again before the faults were undone.
    Relapsed {
        /// End of the window in which they had.
        relapsed_us: DrillTime,
    },
    /// An invariant was asked.
    Invariant(InvariantRecord),
    /// A write of a DR drill's ledger ended; it is on disk before anything else is made of it.
    Written {
        /// Its number: the load's `{{counter}}`.
        write: u64,
        /// When its answer was complete, or it had failed.
        ended_us: DrillTime,
        /// Whether the answer said that it is stored.
        acknowledged: bool,
    },
    /// What the backup says of itself before the fault: `id`, `taken` (RFC 3339), `bytes`, and whatever else it tells.
    BackupSeen {
        /// Its facts.
        facts: BTreeMap<String, String>,
    },
    /// The content before the fault, to compare the restored one with.
    ContentNoted(ContentRecord),
    /// A level of the restore was looked at.
    Probed {
        /// The level.
        level: RestoreLevel,
        /// Name of the check.
        name: String,
        /// Whether it held.
        held: bool,
        /// What was seen.
        evidence: String,
    },
    /// The survivors of the ledger were read back.
    ReadBack(ReadBackRecord),
    /// How severe the incident was, measured when the recovery had been looked for.
    SeverityMeasured(MeasuredSeverity),
    /// An assertion was decided.
    CheckEnded {
        /// Which.
        check: Check,
        /// When it was begun.
        started_us: DrillTime,
        /// How it came out.
        outcome: CheckOutcome,
    },
    /// Something that people should know, and that decides nothing.
    Note {
        /// The text.
        text: String,
    },
    /// What a person wrote down while the drill ran (`firedrill note`).
    Noted {
        /// Who.
        by: String,
        /// The text.
        text: String,
    },
    /// The verdict; the first one counts, a later one may only be one that spoils a pass (`Verdict::spoils`).
    Judged {
        /// The verdict.
        verdict: Verdict,
        /// Why.
        reason: String,
        /// Where in the user's files.
        at: Option<Location>,
    },
    /// Last event: the drill is over and everything is undone.
    Ended {
        /// What was left behind, in plain words; empty when nothing was.
        left: Vec<String>,
        /// Whether the stack was kept on the user's wish.
        kept: bool,
    },
}

/// A station in the life of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultEvent {
    /// The undo is on disk; the injection begins.
    Injecting,
    /// It was injected and seen in place.
    Confirmed,
    /// It was asked again after the recovery and had been cleared by the runbook.
    ClearedByRunbook,
    /// It was asked again after the recovery, and had ended by itself.
    EndedByItself,
    /// Its time (`lasts`) was over: Firedrill undid it while the drill went on, and saw it gone.
    EndedByTime,
    /// Its `ramp` was over: it had its full strength, and was seen in place.
    Grown,
    /// Its time (`lasts`) was over for now, as it comes again by its `every`: Firedrill undid it, and saw it gone.
    Away,
    /// It was asked again after the recovery and is still active.
    StillActive,
    /// It was asked again after the recovery and a part of it is still active.
    PartiallyActive,
    /// It was undone, and seen to be gone.
    Reverted,
    /// Nothing undoes it, as the scenario says: it was left as it is, and goes with the stack.
    Irreversible,
    /// Something about it failed.
    Failed,
}
