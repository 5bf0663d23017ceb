//! The record of a drill: what its events add up to, whatever happened and wherever the story ends.

use super::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the format that a record was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordFormat(pub u32);

impl Default for RecordFormat {
    fn default() -> Self {
        RecordFormat(RECORD_FORMAT)
    }
}

/// Everything that happened in one drill. Times are drill time; what can be computed is not in here but in `Figures`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Version of the format.
    pub format: RecordFormat,
    /// What was set out to be done; `None` only before the first event.
    pub plan: Option<Box<Announcement>>,
    /// The verdict so far.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// Where in the user's files.
    pub at: Option<Location>,
    /// When the verdict was given.
    pub judged_us: Option<DrillTime>,
    /// How severe the incident was, once that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<MeasuredSeverity>,
    /// What was judged after the verdict and did not replace it: trouble of the clean-up.
    pub aftermath: Vec<Judgement>,
    /// Assertions in the order in which they were decided.
    pub checks: Vec<CheckResult>,
    /// The phases, as far as they were begun.
    pub phases: Vec<PhaseRecord>,
    /// The stack, once it was up.
    pub stack: Option<StackRecord>,
    /// What `docker compose` itself took.
    pub compose: Vec<ComposeRecord>,
    /// Every wait.
    pub waits: Vec<WaitRecord>,
    /// The clocks of the agents.
    pub clocks: Vec<ClockRecord>,
    /// Every slice of every load.
    pub loads: Vec<LoadSeries>,
    /// Requests that were sent late, by load.
    pub late: Vec<LateRecord>,
    /// Why the measurement was disturbed, if it was: then no verdict that rests on it stands.
    pub disturbed: Option<String>,
    /// How busy the machine was.
    pub machine: Vec<MachineRecord>,
    /// What the stack used.
    pub usage: Vec<UsageRecord>,
    /// Changes of the alert condition.
    pub conditions: Vec<ConditionRecord>,
    /// What became of the alerts of the team's own rules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<AlertMoment>,
    /// The lives of the faults.
    pub faults: Vec<FaultRecord>,
    /// SLIs that fell, in the order in which they did.
    pub impacts: Vec<ImpactRecord>,
    /// When the alert condition held for the first time.
    pub detected_us: Option<DrillTime>,
    /// The steps, as far as they were begun or decided.
    pub steps: Vec<StepRecord>,
    /// When the first command of the mitigate phase started.
    pub mitigation_started_us: Option<DrillTime>,
    /// When the last mitigating step ended.
    pub mitigation_ended_us: Option<DrillTime>,
    /// SLIs that recovered.
    pub recoveries: Vec<RecoveryRecord>,
    /// Windows that held.
    pub windows: Vec<WindowRecord>,
    /// How long users had to be served for a recovery to count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldRecord>,
    /// When users lost the service again after they had recovered, and before the faults were undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relapsed_us: Option<DrillTime>,
    /// Every answer to an invariant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub invariants: Vec<InvariantRecord>,
    /// The ledger of a DR drill: every write that ended, in the order in which that was known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<WriteRecord>,
    /// What the backup said of itself before the fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<BTreeMap<String, String>>,
    /// The content before the fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contents: Vec<ContentRecord>,
    /// Every look at a level of the restore.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<ProbeRecord>,
    /// The survivors of the ledger, once they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_back: Option<ReadBackRecord>,
    /// Notes.
    pub notes: Vec<NoteRecord>,
    /// What was left behind, in plain words.
    pub left: Vec<String>,
    /// Whether the stack was kept on the user's wish.
    pub kept: bool,
    /// Whether the last event was seen: the drill is over and everything is undone. A record without it is cut off.
    pub ended: bool,
    /// Time of the last event.
    pub last_us: DrillTime,
    /// Number of the next event.
    pub next_seq: u64,
    /// What was wrong with the events from which the record was rebuilt.
    pub damage: Vec<String>,
}

impl Record {
    /// Takes one event into account. Never fails: an event that fits nothing is kept as far as it goes.
    pub fn apply(&mut self, stamped: &Stamped) {
        if stamped.seq != self.next_seq {
            self.damage.push(format!("event {} came where {} was due", stamped.seq, self.next_seq));
        }
        self.next_seq = stamped.seq.saturating_add(1);
        self.last_us = self.last_us.max(stamped.at_us);
        let at_us = stamped.at_us;
        match &stamped.event {
            Event::Announced(plan) => {
                self.format = RecordFormat(plan.format);
                self.plan = Some(plan.clone());
            }
            Event::PhaseStarted { phase } => {
                self.phases.push(PhaseRecord { phase: *phase, started_us: at_us, ended_us: None });
            }
            Event::PhaseEnded { phase } => {
                let open = self.phases.iter_mut().rev().find(|p| p.phase == *phase && p.ended_us.is_none());
                if let Some(open) = open {
                    open.ended_us = Some(at_us);
                }
            }
            Event::StackUp { project, images, localhost } => {
                let (project, images, localhost) = (project.clone(), images.clone(), localhost.clone());
                self.stack = Some(StackRecord { project, images, localhost });
            }
            Event::StackTook { what, took_us } => {
                self.compose.push(ComposeRecord { what: what.clone(), took_us: *took_us });
            }
            Event::Waited { what, took_us, deadline_us, met } => {
                let (what, took_us, deadline_us, met) = (what.clone(), *took_us, *deadline_us, *met);
                self.waits.push(WaitRecord { ended_us: at_us, what, took_us, deadline_us, met });
            }
            Event::ClockOffset { agent, offset_us, rtt_us } => self.clock(agent, *offset_us, *rtt_us),
            Event::Slice(slice) => self.slice(slice),
            Event::Late { load, worst_us, count } => self.late(load, *worst_us, *count),
            Event::Disturbed { why } => {
                self.disturbed.get_or_insert_with(|| why.clone());
            }
            Event::Machine(sample) => self.machine.push(MachineRecord { at_us, sample: *sample }),
            Event::Usage(sample) => self.usage.push(UsageRecord { at_us, sample: sample.clone() }),
            Event::Condition { value, holds, .. } => {
                self.conditions.push(ConditionRecord { at_us, value: *value, holds: *holds });
            }
            Event::Alert(moment) => self.alerts.push(moment.clone()),
            Event::Fault { fault, what, detail } => self.fault(fault, *what, detail, at_us),
            Event::UndoOutput { fault, text, .. } => {
                if let Some(known) = self.faults.iter_mut().find(|known| known.fault == *fault) {
                    known.undo_output.clone_from(text);
                }
            }
            Event::Impacted { sli, impact_us, ratio } => {
                self.impacts.push(ImpactRecord { sli: sli.clone(), impact_us: *impact_us, ratio: *ratio });
            }
            Event::Detected { detected_us, .. } => {
                self.detected_us.get_or_insert(*detected_us);
            }
            Event::StepStarted { .. }
            | Event::CommandStarted { .. }
            | Event::Output { .. }
            | Event::CommandEnded { .. }
            | Event::Expected { .. }
            | Event::StepEnded { .. } => self.step_event(&stamped.event, at_us),
            Event::MitigationStarted => {
                self.mitigation_started_us.get_or_insert(at_us);
            }
            Event::MitigationEnded => self.mitigation_ended_us = Some(at_us),
            Event::Recovered { sli, recovered_us } => {
                self.recoveries.retain(|r| r.sli != *sli);
                self.recoveries.push(RecoveryRecord { sli: sli.clone(), recovered_us: *recovered_us });
            }
            Event::WindowHeld { phase, from_us, to_us } => {
                self.windows.push(WindowRecord { phase: *phase, from_us: *from_us, to_us: *to_us });
            }
            Event::HoldRequired(hold) => self.hold = Some(*hold),
            Event::Relapsed { relapsed_us } => self.relapsed_us = Some(*relapsed_us),
            Event::Invariant(answer) => self.invariants.push(answer.clone()),
            Event::Written { .. }
            | Event::BackupSeen { .. }
            | Event::ContentNoted { .. }
            | Event::Probed { .. }
            | Event::ReadBack { .. } => self.restore_event(&stamped.event, at_us),
            Event::CheckEnded { check, started_us, outcome } => {
                let (check, outcome) = (check.clone(), outcome.clone());
                self.checks.push(CheckResult { check, outcome, started_us: *started_us, ended_us: at_us });
            }
            Event::SeverityMeasured(measured) => self.severity = Some(measured.clone()),
            Event::Note { text } => self.notes.push(NoteRecord { at_us, text: text.clone(), by: None }),
            Event::Noted { by, text } => {
                self.notes.push(NoteRecord { at_us, text: text.clone(), by: Some(by.clone()) });
            }
            Event::Judged { verdict, reason, at } => {
                self.judge(Judgement { verdict: *verdict, reason: reason.clone(), at: at.clone(), judged_us: at_us })
            }
            Event::Ended { left, kept } => {
                self.left = left.clone();
                self.kept = *kept;
                self.ended = true;
            }
        }
    }

    fn clock(&mut self, agent: &str, offset_us: i64, rtt_us: u64) {
        let agent = agent.to_string();
        match self.clocks.iter_mut().find(|c| c.agent == agent) {
            Some(clock) => (clock.offset_us, clock.rtt_us) = (offset_us, rtt_us),
            None => self.clocks.push(ClockRecord { agent, offset_us, rtt_us }),
        }
    }

    fn slice(&mut self, slice: &Slice) {
        let at = match self.loads.iter().position(|series| series.load == slice.load) {
            Some(at) => at,
            None => {
                self.loads.push(LoadSeries::new(slice));
                self.loads.len() - 1
            }
        };
        let kept = self.loads.get_mut(at).is_some_and(|series| series.push(slice));
        if !kept {
            self.damage.push(format!("slice {} of load {} is beyond all reason", slice.index, slice.load));
        }
    }

    fn late(&mut self, load: &str, worst_us: u64, count: u64) {
        match self.late.iter_mut().find(|late| late.load == load) {
            Some(late) => {
                late.worst_us = late.worst_us.max(worst_us);
                late.count = late.count.saturating_add(count);
            }
            None => self.late.push(LateRecord { load: load.to_string(), worst_us, count }),
        }
    }

    fn fault(&mut self, id: &str, what: FaultEvent, detail: &str, at_us: DrillTime) {
        let at = match self.faults.iter().position(|fault| fault.fault == id) {
            Some(at) => at,
            None => {
                self.faults.push(FaultRecord { fault: id.to_string(), ..FaultRecord::default() });
                self.faults.len() - 1
            }
        };
        let asked_again = self.phases.last().is_some_and(|p| p.phase == Phase::Recover && p.ended_us.is_none());
        let Some(fault) = self.faults.get_mut(at) else { return };
        match what {
            FaultEvent::ClearedByRunbook => fault.after = Some(FaultAfter::ClearedByRunbook),
            FaultEvent::EndedByItself => fault.after = Some(FaultAfter::EndedByItself),
            FaultEvent::EndedByTime => fault.after = Some(FaultAfter::EndedByTime),
            FaultEvent::StillActive => fault.after = Some(FaultAfter::StillActive),
            FaultEvent::PartiallyActive => fault.after = Some(FaultAfter::PartiallyActive),
            FaultEvent::Failed if asked_again => fault.after = Some(FaultAfter::Unknown),
            _ => {}
        }
        fault.life.push(FaultMoment { at_us, what, detail: detail.to_string() });
    }

    /// The faults that were left as they are, because nothing undoes them.
    pub fn irreversible(&self) -> Vec<String> {
        let left = self.faults.iter().filter(|fault| fault.at(FaultEvent::Irreversible).is_some());
        left.map(|fault| fault.fault.clone()).collect()
    }

    /// The first verdict counts. What comes later may only spoil a pass, and is kept beside any other. `incomplete` is none:
    /// it says why there will be none.
    fn judge(&mut self, judgement: Judgement) {
        if judgement.verdict == Verdict::Incomplete {
            if self.judged_us.is_none() {
                self.reason = judgement.reason;
                self.at = judgement.at;
            }
            return;
        }
        let first = self.judged_us.is_none();
        if first || (self.verdict == Verdict::Passed && judgement.verdict.spoils()) {
            self.verdict = judgement.verdict;
            self.reason = judgement.reason;
            self.at = judgement.at;
            self.judged_us = Some(judgement.judged_us);
        } else {
            self.aftermath.push(judgement);
        }
    }

    fn restore_event(&mut self, event: &Event, at_us: DrillTime) {
        match event {
            Event::Written { write, ended_us, acknowledged } => {
                self.writes.push(WriteRecord(*write, *ended_us, *acknowledged));
            }
            Event::BackupSeen { facts } => self.backup = Some(facts.clone()),
            Event::ContentNoted { name, text } => {
                self.contents.push(ContentRecord { name: name.clone(), text: text.clone() });
            }
            Event::Probed { level, name, held, evidence } => {
                let (name, evidence) = (name.clone(), evidence.clone());
                self.probes.push(ProbeRecord { at_us, level: *level, name, held: *held, evidence });
            }
            Event::ReadBack { asked_us, survivors, duplicates, evidence } => {
                let (survivors, evidence) = (survivors.clone(), evidence.clone());
                let (asked_us, duplicates) = (*asked_us, *duplicates);
                self.read_back = Some(ReadBackRecord { asked_us, survivors, duplicates, evidence });
            }
            _ => {}
        }
    }

    fn step_event(&mut self, event: &Event, at_us: DrillTime) {
        match event {
            Event::StepStarted { step } => {
                self.step(step, at_us);
            }
            Event::CommandStarted { step, command, text, at, attempt, background } => {
                let commands = &mut self.step(step, at_us).commands;
                match commands.iter_mut().find(|c| c.command == *command) {
                    Some(again) => again.again(text, *attempt, at_us),
                    None => {
                        let begun = CommandRecord::begin(*command, text, at, *attempt, at_us);
                        commands.push(CommandRecord { background: *background, ..begun });
                    }
                }
            }
            Event::Output { step, command, stream, text } => {
                if let Some(command) = self.command(step, *command, at_us) {
                    command.output.push(*stream, text);
                }
            }
            Event::CommandEnded { step, command, exit, took_us, timed_out, omitted, stopped } => {
                if let Some(command) = self.command(step, *command, at_us) {
                    command.end(*exit, *took_us, *timed_out, *omitted, at_us);
                    command.stopped = *stopped;
                }
            }
            Event::Expected { step, block, attempt, what, met, evidence } => {
                let seen = ExpectationRecord {
                    block: *block,
                    attempt: *attempt,
                    what: what.clone(),
                    met: *met,
                    evidence: evidence.clone(),
                };
                let expectations = &mut self.step(step, at_us).expectations;
                expectations.retain(|known| (known.block, &known.what) != (*block, what));
                expectations.push(seen);
            }
            Event::StepEnded { step, status, reason, at } => {
                let step = self.step(step, at_us);
                step.ended_us = Some(at_us);
                step.status = Some(*status);
                step.reason = reason.clone();
                step.at = at.clone();
            }
            _ => {}
        }
    }

    /// The step with that id, begun now if it was not.
    fn step(&mut self, id: &str, at_us: DrillTime) -> &mut StepRecord {
        let at = self.steps.iter().position(|step| step.step == id).unwrap_or(self.steps.len());
        if at == self.steps.len() {
            self.steps.push(StepRecord { step: id.to_string(), started_us: at_us, ..StepRecord::default() });
        }
        // In range: the position that was found, or that of the step just pushed.
        &mut self.steps[at]
    }

    fn command(&mut self, step: &str, number: usize, at_us: DrillTime) -> Option<&mut CommandRecord> {
        self.step(step, at_us).commands.iter_mut().find(|c| c.command == number)
    }

    /// What was under way when the story ended, for a record that was cut off: `respond, step 2 of 4 …`.
    pub fn under_way(&self) -> Option<String> {
        if self.ended {
            return None;
        }
        let phase = self.phases.iter().rev().find(|p| p.ended_us.is_none())?;
        let mut text = phase.phase.name().to_string();
        if let Some(step) = self.steps.iter().rev().find(|s| s.ended_us.is_none()) {
            text.push_str(&format!(", step `{}`", step.step));
            let at = step.commands.iter().rev().find(|c| c.ended_us.is_none()).map(|c| &c.at);
            if let Some(at) = at.or_else(|| self.step_info(&step.step).map(|info| &info.at)) {
                text.push_str(&format!(" ({at})"));
            }
        }
        Some(text)
    }

    /// A step as the plan has it.
    pub fn step_info(&self, id: &str) -> Option<&StepInfo> {
        self.plan.as_ref()?.steps.iter().find(|step| step.id == id)
    }

    /// How an assertion came out, if it was decided; the last decision counts.
    pub fn check(&self, check: &Check) -> Option<&CheckResult> {
        self.checks.iter().rev().find(|result| result.check == *check)
    }

    /// The life of a fault, if it began.
    pub fn fault_record(&self, id: &str) -> Option<&FaultRecord> {
        self.faults.iter().find(|fault| fault.fault == id)
    }
}

impl CommandRecord {
    fn begin(command: usize, text: &str, at: &Location, attempt: u32, at_us: DrillTime) -> Self {
        CommandRecord {
            command,
            text: text.to_string(),
            at: at.clone(),
            attempts: attempt.max(1),
            started_us: at_us,
            attempt_started_us: at_us,
            ..CommandRecord::default()
        }
    }

    fn again(&mut self, text: &str, attempt: u32, at_us: DrillTime) {
        self.text = text.to_string();
        self.attempts = attempt.max(self.attempts.saturating_add(1));
        self.waited_us = self.waited_us.saturating_add(self.ended_us.map_or(0, |e| at_us.0.saturating_sub(e.0)));
        self.attempt_started_us = at_us;
        self.ended_us = None;
        self.exit = None;
        self.timed_out = false;
        self.output = StepOutput::default();
        self.omitted = 0;
    }

    fn end(&mut self, exit: i32, took_us: u64, timed_out: bool, omitted: u64, at_us: DrillTime) {
        self.ended_us = Some(at_us);
        self.exit = Some(exit);
        self.took_us = took_us;
        self.all_took_us = self.all_took_us.saturating_add(took_us);
        self.timed_out = timed_out;
        self.omitted = omitted;
    }
}

#[cfg(test)]
mod tests;
