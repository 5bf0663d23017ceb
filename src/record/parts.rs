//! The parts of a record: what it keeps of phases, faults, steps, commands, waits and clocks; and of a command's output: bounded, with
//! its middle left out and counted, streams in the order in which they came.

use super::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A verdict as it was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// Where in the user's files.
    pub at: Option<Location>,
    /// When it was given.
    pub judged_us: DrillTime,
}

/// A phase of the drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseRecord {
    /// Which.
    pub phase: Phase,
    /// When it began.
    pub started_us: DrillTime,
    /// When it ended; `None` when the run was cut off in it.
    pub ended_us: Option<DrillTime>,
}

/// The stack that came up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackRecord {
    /// Compose project name.
    pub project: String,
    /// Service → image id.
    pub images: BTreeMap<String, String>,
    /// Port → service and port of it, for the ports on which `localhost` in the toolbox leads to one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub localhost: BTreeMap<String, String>,
}

/// What `docker compose` took for one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComposeRecord {
    /// `build`, `up`, `healthy` or `down`.
    pub what: String,
    /// Microseconds.
    pub took_us: u64,
}

/// A poll with a deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitRecord {
    /// When it ended.
    pub ended_us: DrillTime,
    /// What for.
    pub what: String,
    /// How long it took.
    pub took_us: u64,
    /// The deadline.
    pub deadline_us: u64,
    /// Whether it came.
    pub met: bool,
}

/// The clock of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockRecord {
    /// The agent.
    pub agent: String,
    /// Agent's clock minus runner's, in microseconds.
    pub offset_us: i64,
    /// Round trip of the best probe: the offset is known to half of it.
    pub rtt_us: u64,
}

/// Requests that the generator sent late, of one load, added up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateRecord {
    /// The load.
    pub load: String,
    /// Worst lateness, in microseconds.
    pub worst_us: u64,
    /// Requests sent late by more than allowed.
    pub count: u64,
}

/// What was measured at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sampled<T> {
    /// When.
    pub at_us: DrillTime,
    /// What was seen.
    #[serde(flatten)]
    pub sample: T,
}

/// A change of what the alert condition says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConditionRecord {
    /// When.
    pub at_us: DrillTime,
    /// Value that decided, when there was one.
    pub value: Option<f64>,
    /// Whether it holds.
    pub holds: bool,
}

/// A station in the life of a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultMoment {
    /// When.
    pub at_us: DrillTime,
    /// What happened to it.
    pub what: FaultEvent,
    /// Evidence, or why not.
    pub detail: String,
}

/// How a stack stands that is kept after its drill, in which nothing undoes these faults.
pub fn as_it_is_kept(irreversible: &[String]) -> String {
    match irreversible {
        [] => "the faults are lifted: what you see is the stack after the drill".into(),
        all => {
            let all: Vec<String> = all.iter().map(|fault| format!("`{fault}`")).collect();
            let (all, stays) = (all.join(", "), "what it broke stays broken, unless the runbook has fixed it");
            format!("the faults are lifted, but for {all}, which is irreversible: {stays}")
        }
    }
}

/// The life of a fault.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// Its id.
    pub fault: String,
    /// Every station, in order.
    pub life: Vec<FaultMoment>,
    /// How it stood when it was asked after the recovery; `None` when it was not asked.
    pub after: Option<FaultAfter>,
    /// What undoing it wrote.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub undo_output: String,
}

impl FaultRecord {
    /// When an event of this fault was first recorded.
    pub fn at(&self, what: FaultEvent) -> Option<DrillTime> {
        self.life.iter().find(|moment| moment.what == what).map(|moment| moment.at_us)
    }

    /// When it was undone, after the verdict or because its time was over.
    pub fn undone(&self) -> Option<DrillTime> {
        self.at(FaultEvent::Reverted).or(self.at(FaultEvent::EndedByTime))
    }

    /// When nothing was left to be done about it: it was undone, or left as it is because nothing undoes it.
    pub fn settled(&self) -> Option<DrillTime> {
        self.undone().or(self.at(FaultEvent::Irreversible))
    }

    /// Why something about it failed, if something did.
    pub fn failure(&self) -> Option<&str> {
        self.life.iter().find(|moment| moment.what == FaultEvent::Failed).map(|moment| moment.detail.as_str())
    }
}

/// An SLI fell below its impact threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImpactRecord {
    /// The SLI.
    pub sli: String,
    /// When: the end of the trailing window.
    pub impact_us: DrillTime,
    /// The ratio then.
    pub ratio: f64,
}

/// An SLI recovered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryRecord {
    /// The SLI, or every one when it is empty.
    pub sli: String,
    /// When.
    pub recovered_us: DrillTime,
}

/// A window over which every SLI met its objective.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowRecord {
    /// The phase that had to show it.
    pub phase: Phase,
    /// Start.
    pub from_us: DrillTime,
    /// End.
    pub to_us: DrillTime,
}

/// How much of a fault of several parts (containers) is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// Parts that are active; at least 1.
    pub active: u32,
    /// All parts of the fault.
    pub all: u32,
}

impl Parts {
    /// What is assumed where a fault is partially active and cannot tell how far.
    pub const HALF: Parts = Parts { active: 1, all: 2 };

    /// `active` of `all` parts, at least 1 of each.
    pub fn new(active: usize, all: usize) -> Parts {
        let [active, all] = [active, all].map(|parts| u32::try_from(parts.max(1)).unwrap_or(u32::MAX));
        Parts { active: active.min(all), all }
    }
}

/// How long users had to be served for a recovery to count, and why. All in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRecord {
    /// What was required: the longest one of `configured_us`, `shown_after_us`, and 1.5 × `onset_us` + `window_us`, with `onset_us` × all / active
    /// parts of a fault that was partially active, + `returns_us`.
    pub required_us: u64,
    /// `recover.hold`.
    pub configured_us: u64,
    /// What the faults needed to hurt: begin of the first injection → fall of the first SLI or, where that is longer, begin of the last
    /// injection before it → fall of another one, before the mitigation; `None` where none fell.
    pub onset_us: Option<u64>,
    /// `impact.window`.
    pub window_us: u64,
    /// After how long the fault comes back that takes longest to; 0 where none does.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub returns_us: u64,
    /// How long an SLI of which events stay good for a while needs to show that nothing new comes any more; 0 where there is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub shown_after_us: u64,
    /// How much of the faults was active after the runbook, where that was a part: what is left needs so much longer to hurt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Parts>,
}

impl HoldRecord {
    /// The same with what it comes to. A partial fix relapses at the fault's own pace; where only a part of it is active, that is so
    /// much slower: one of two bad clients needs twice as long to fill a memory.
    pub fn settled(self) -> HoldRecord {
        let slower = self.parts.map_or(1.0, |parts| f64::from(parts.all) / f64::from(parts.active.max(1)));
        let hurts = |onset| micros(Duration::from_micros(onset).mul_f64(1.5 * slower));
        let own = self
            .onset_us
            .map_or(0, |onset| hurts(onset).saturating_add(self.returns_us).saturating_add(self.window_us));
        HoldRecord { required_us: self.configured_us.max(own).max(self.shown_after_us), ..self }
    }

    /// How long users must be served for a recovery to count.
    pub fn required(&self) -> Duration {
        Duration::from_micros(self.required_us)
    }
}

/// Stands in the detail of the event of a fault that was gone at the end of the hold, and not when the runbook had ended.
pub const GONE_LATER: &str = "when the runbook had ended it was still there";
/// What is waited for in the phase recover, in the words of its `waited`.
pub const WAIT_RECOVERED: &str = "every SLI to recover and hold";
/// What is waited for with `impact: none`, in the words of its `waited`.
pub const WAIT_KEPT: &str = "every SLI to keep its objective under the fault";
/// What is waited for where faults end by their time, in the words of its `waited`.
pub const WAIT_ENDED: &str = "the faults to end by `lasts`";
/// What is waited for after that, in the words of its `waited`.
pub const WAIT_SUFFERED: &str = "users to suffer on without the faults that had ended";
/// What is waited for before the first mitigating command where a fault comes and goes, in the words of its `waited`.
pub const WAIT_FELT: &str = "users to feel again what comes and goes";
/// What is waited for before the first mitigating command where a fault hits only some requests, in the words of its `waited`.
pub const WAIT_CERTAIN: &str = "it to be certain whether users still suffer";
/// What is waited for after the recovery where one of several faults is left, in the words of its `waited`.
pub const WAIT_UNFELT: &str = "the fault that is left to have its time to be felt";
/// What is waited for between the recovery and the revert, in the words of its `waited`.
pub const WAIT_SERVED: &str = "it to be known whether users were served until the faults began to be undone";

named_enum! {
/// When an invariant is asked.
pub enum InvariantTime {
    /// While everything is steady, before anything is broken.
    Steady = "steady": "before the fault",
    /// When users have recovered and the fault has not been undone.
    Recovered = "recovered": "after the recovery",
    /// When every fault has been undone.
    Reverted = "reverted": "after the revert",
}
}

/// An answer to an invariant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvariantRecord {
    /// Its name.
    pub name: String,
    /// When it was asked.
    pub time: InvariantTime,
    /// What its command wrote, or `sha256:…` of it where it is long; `None` where it did not answer.
    pub value: Option<String>,
    /// Whether it held.
    pub held: bool,
    /// What was seen, in words.
    pub evidence: String,
}

/// A note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteRecord {
    /// When.
    pub at_us: DrillTime,
    /// The text.
    pub text: String,
    /// Who wrote it down; `None`: Firedrill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// A step of the runbook as it was carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Its id.
    pub step: String,
    /// When it began.
    pub started_us: DrillTime,
    /// When it ended; `None` when the run was cut off in it.
    pub ended_us: Option<DrillTime>,
    /// How it ended.
    pub status: Option<StepStatus>,
    /// Why, where that needs a reason.
    pub reason: Option<String>,
    /// Where the reason stands.
    pub at: Option<Location>,
    /// Its commands, as far as they were begun.
    pub commands: Vec<CommandRecord>,
    /// What its blocks were expected to do; of several attempts the last one counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expectations: Vec<ExpectationRecord>,
}

/// What a block was expected to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectationRecord {
    /// Which of the step's blocks, from 0.
    pub block: usize,
    /// The attempt that is kept, from 1.
    pub attempt: u32,
    /// What was expected: `exit 1`, `output /ready/`.
    pub what: String,
    /// Whether it was so.
    pub met: bool,
    /// What was seen.
    pub evidence: String,
}

impl StepRecord {
    /// What it took, in microseconds, once it has ended.
    pub fn took_us(&self) -> Option<u64> {
        Some(self.ended_us?.0.saturating_sub(self.started_us.0))
    }
}

/// A command as it was run. Of several attempts the last one's exit and output are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRecord {
    /// Number within the step, from 0.
    pub command: usize,
    /// The text as it was run.
    pub text: String,
    /// Where it stands.
    pub at: Location,
    /// How often it was tried.
    pub attempts: u32,
    /// When the first attempt began.
    pub started_us: DrillTime,
    /// When the attempt that is kept began.
    pub attempt_started_us: DrillTime,
    /// When the attempt that is kept ended; `None` when the run was cut off in it.
    pub ended_us: Option<DrillTime>,
    /// Its exit code, 128 + n for signal n.
    pub exit: Option<i32>,
    /// How long it took, in microseconds, measured beside the command.
    pub took_us: u64,
    /// What all attempts took, in microseconds.
    pub all_took_us: u64,
    /// What was waited between attempts, in microseconds.
    pub waited_us: u64,
    /// Whether its deadline killed it.
    pub timed_out: bool,
    /// What it wrote, bounded.
    pub output: StepOutput,
    /// Bytes of output that the shell had left out already.
    pub omitted: u64,
    /// Whether the runbook went on while it ran.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub background: bool,
    /// Whether it ran in the background and was ended with the runbook.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
}

/// For figures that older versions do not know.
pub(super) fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// Bytes kept from the beginning of a command's output.
const HEAD_BYTES: usize = 8 * 1024;
/// Bytes kept from its end: the reason of a failure usually stands there.
const TAIL_BYTES: usize = 24 * 1024;

/// Text that came from one stream without anything from the other in between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Which stream.
    pub stream: Stream,
    /// The text.
    pub text: String,
}

/// What a command wrote: its beginning and its end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepOutput {
    /// The beginning.
    pub head: Vec<Chunk>,
    /// The end; follows the beginning directly when nothing was left out.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub tail: VecDeque<Chunk>,
    /// Bytes left out between the two.
    #[serde(default)]
    pub omitted: u64,
}

impl StepOutput {
    /// Adds text; what does not fit goes out of the middle.
    pub fn push(&mut self, stream: Stream, text: &str) {
        let used: usize = self.head.iter().map(|c| c.text.len()).sum();
        let is_full = !self.tail.is_empty() || self.omitted > 0;
        let room = if is_full { 0 } else { HEAD_BYTES.saturating_sub(used).min(text.len()) };
        let (first, rest) = (0..=room).rev().find_map(|cut| text.split_at_checked(cut)).unwrap_or(("", text));
        match self.head.last_mut() {
            _ if first.is_empty() => {}
            Some(last) if last.stream == stream => last.text.push_str(first),
            _ => self.head.push(Chunk { stream, text: first.to_string() }),
        }
        match self.tail.back_mut() {
            _ if rest.is_empty() => return,
            Some(last) if last.stream == stream => last.text.push_str(rest),
            _ => self.tail.push_back(Chunk { stream, text: rest.to_string() }),
        }
        let mut excess = self.tail.iter().map(|c| c.text.len()).sum::<usize>().saturating_sub(TAIL_BYTES);
        while let Some(oldest) = self.tail.front_mut().filter(|_| excess > 0) {
            let length = oldest.text.len();
            let cut = (excess..length).find(|at| oldest.text.is_char_boundary(*at)).unwrap_or(length);
            oldest.text.drain(..cut);
            self.omitted += cut as u64;
            excess = excess.saturating_sub(cut);
            if oldest.text.is_empty() {
                self.tail.pop_front();
            }
        }
    }

    /// Both streams as one text, in the order in which they came, with a line in the place of what was left out.
    pub fn text(&self) -> String {
        let mut text: String = self.head.iter().map(|c| c.text.as_str()).collect();
        if self.omitted > 0 {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&format!("… {} bytes left out …\n", self.omitted));
        }
        text.extend(self.tail.iter().map(|c| c.text.as_str()));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn short_output_is_kept_as_it_came() {
        let mut out = StepOutput::default();
        out.push(Stream::Stdout, "one\n");
        out.push(Stream::Stdout, "two\n");
        out.push(Stream::Stderr, "bad\n");
        assert_eq!(out.text(), "one\ntwo\nbad\n");
        assert_eq!(out.head.len(), 2, "text of one stream is joined");
        assert_eq!(out.omitted, 0);
    }

    #[test]
    fn the_middle_goes_and_is_counted() {
        let mut out = StepOutput::default();
        out.push(Stream::Stdout, &"a".repeat(HEAD_BYTES));
        out.push(Stream::Stdout, &"#".repeat(1000));
        out.push(Stream::Stderr, &"c".repeat(TAIL_BYTES));
        assert_eq!(out.omitted, 1000);
        let text = out.text();
        assert!(text.contains("… 1000 bytes left out …"));
        assert!(!text.contains('#'));
        assert!(text.ends_with('c'));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn nothing_is_lost_uncounted(parts in proptest::collection::vec((any::<bool>(), "\\PC{0,1500}"), 0..30)) {
            let mut out = StepOutput::default();
            let mut whole = String::new();
            for (err, text) in &parts {
                out.push(if *err { Stream::Stderr } else { Stream::Stdout }, text);
                whole.push_str(text);
            }
            let head: String = out.head.iter().map(|c| c.text.as_str()).collect();
            let tail: String = out.tail.iter().map(|c| c.text.as_str()).collect();
            prop_assert!(head.len() <= HEAD_BYTES && tail.len() <= TAIL_BYTES);
            prop_assert_eq!(head.len() as u64 + tail.len() as u64 + out.omitted, whole.len() as u64);
            prop_assert!(whole.starts_with(&head));
            prop_assert!(whole.ends_with(&tail));
        }
    }
}
