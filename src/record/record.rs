//! The record of a drill: what its events add up to, whatever happened and wherever the story ends.

use super::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that happened in one drill. Times are drill time; what can be computed is not in here but in `Figures`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// `RECORD_FORMAT` of the writer, once the first event says it.
    pub format: u32,
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
    pub machine: Vec<Sampled<MachineSample>>,
    /// What the stack used.
    pub usage: Vec<Sampled<UsageSample>>,
    /// Changes of the alert condition.
    pub conditions: Vec<ConditionRecord>,
    /// The values of its metric, each from when on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gauge: Vec<(DrillTime, f64)>,
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
    /// The same after the revert, where that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_again: Option<ReadBackRecord>,
    /// Notes.
    pub notes: Vec<NoteRecord>,
    /// What was left behind, in plain words.
    pub left: Vec<String>,
    /// Whether the stack was kept on the user's wish.
    pub kept: bool,
    /// Whether the last event was seen: the drill is over and everything is undone. A record without it is cut off.
    pub ended: bool,
    /// Whether its runner lives, as whoever read it from the disk has seen: without an end it is under way then, and not cut off.
    #[serde(skip)]
    pub alive: bool,
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
        match stamped.event.clone() {
            Event::Announced(plan) => {
                self.format = plan.format;
                self.plan = Some(plan);
            }
            Event::PhaseStarted { phase } => {
                self.phases.push(PhaseRecord { phase, started_us: at_us, ended_us: None });
            }
            Event::PhaseEnded { phase } => {
                let open = self.phases.iter_mut().rev().find(|p| p.phase == phase && p.ended_us.is_none());
                if let Some(open) = open {
                    open.ended_us = Some(at_us);
                }
            }
            Event::StackUp(stack) => self.stack = Some(stack),
            Event::StackTook(took) => self.compose.push(took),
            Event::Waited { what, took_us, deadline_us, met } => {
                self.waits.push(WaitRecord { ended_us: at_us, what, took_us, deadline_us, met });
            }
            Event::ClockOffset(clock) => {
                *known(&mut self.clocks, |known| known.agent == clock.agent, || clock.clone()) = clock.clone();
            }
            Event::Slice(slice) => {
                let series = known(&mut self.loads, |series| series.load == slice.load, || LoadSeries::new(&slice));
                if !series.push(&slice) {
                    self.damage.push(format!("slice {} of load {} is beyond all reason", slice.index, slice.load));
                }
            }
            Event::Late(LateRecord { load, worst_us, count }) => {
                let none = || LateRecord { load: load.clone(), worst_us: 0, count: 0 };
                let late = known(&mut self.late, |late| late.load == load, none);
                late.worst_us = late.worst_us.max(worst_us);
                late.count = late.count.saturating_add(count);
            }
            Event::Disturbed { why } => drop(self.disturbed.get_or_insert(why)),
            Event::Machine(sample) => self.machine.push(Sampled { at_us, sample }),
            Event::Usage(sample) => self.usage.push(Sampled { at_us, sample }),
            Event::Condition { value, holds, .. } => self.conditions.push(ConditionRecord { at_us, value, holds }),
            Event::Gauge { value } => self.gauge.push((at_us, value)),
            Event::Alert(moment) => self.alerts.push(moment),
            Event::Fault { fault, what, detail } => self.fault(fault, what, detail, at_us),
            Event::UndoOutput { fault, text, .. } => {
                if let Some(known) = self.faults.iter_mut().find(|known| known.fault == fault) {
                    known.undo_output = text;
                }
            }
            Event::Impacted(impact) => self.impacts.push(impact),
            Event::Detected { detected_us, .. } => drop(self.detected_us.get_or_insert(detected_us)),
            Event::StepStarted { step } => drop(self.step(&step, at_us)),
            Event::CommandStarted { step, command, text, at, attempt, background } => {
                let commands = &mut self.step(&step, at_us).commands;
                match commands.iter_mut().find(|c| c.command == command) {
                    Some(again) => again.again(text, attempt, at_us),
                    None => commands.push(CommandRecord {
                        command,
                        text,
                        at,
                        attempts: attempt.max(1),
                        started_us: at_us,
                        attempt_started_us: at_us,
                        background,
                        ..CommandRecord::default()
                    }),
                }
            }
            Event::Output { step, command, stream, text } => {
                if let Some(command) = self.command(&step, command, at_us) {
                    command.output.push(stream, &text);
                }
            }
            Event::CommandEnded { step, command, exit, took_us, timed_out, omitted, stopped } => {
                if let Some(command) = self.command(&step, command, at_us) {
                    (command.ended_us, command.exit, command.took_us) = (Some(at_us), Some(exit), took_us);
                    command.all_took_us = command.all_took_us.saturating_add(took_us);
                    (command.timed_out, command.omitted, command.stopped) = (timed_out, omitted, stopped);
                }
            }
            Event::Expected { step, block, attempt, what, met, evidence } => {
                let expectations = &mut self.step(&step, at_us).expectations;
                expectations.retain(|known| known.block != block || known.what != what);
                expectations.push(ExpectationRecord { block, attempt, what, met, evidence });
            }
            Event::StepEnded { step, status, reason, at } => {
                let step = self.step(&step, at_us);
                // What it left in the background may still fail it when the runbook ends.
                step.ended_us.get_or_insert(at_us);
                (step.status, step.reason, step.at) = (Some(status), reason, at);
            }
            Event::MitigationStarted { began_us } => {
                self.mitigation_started_us.get_or_insert(began_us.unwrap_or(at_us));
            }
            Event::MitigationEnded => self.mitigation_ended_us = Some(at_us),
            Event::Recovered(recovery) => {
                self.recoveries.retain(|r| r.sli != recovery.sli);
                self.recoveries.push(recovery);
            }
            Event::WindowHeld(window) => self.windows.push(window),
            Event::HoldRequired(hold) => self.hold = Some(hold),
            Event::Relapsed { relapsed_us } => self.relapsed_us = Some(relapsed_us),
            Event::Invariant(answer) => self.invariants.push(answer),
            Event::Written { write, ended_us, acknowledged } => {
                self.writes.push(WriteRecord(write, ended_us, acknowledged));
            }
            Event::BackupSeen { facts } => self.backup = Some(facts),
            Event::ContentNoted(content) => self.contents.push(content),
            Event::Probed { level, name, held, evidence } => {
                self.probes.push(ProbeRecord { at_us, level, name, held, evidence });
            }
            Event::ReadBack(read) if self.read_back.is_none() => self.read_back = Some(read),
            Event::ReadBack(read) => self.read_again = Some(read),
            Event::CheckEnded { check, started_us, outcome } => {
                self.checks.push(CheckResult { check, outcome, started_us, ended_us: at_us });
            }
            Event::SeverityMeasured(measured) => self.severity = Some(measured),
            Event::Note { text } => self.notes.push(NoteRecord { at_us, text, by: None }),
            Event::Noted { by, text } => self.notes.push(NoteRecord { at_us, text, by: Some(by) }),
            Event::Judged { verdict, reason, at } => self.judge(Judgement { verdict, reason, at, judged_us: at_us }),
            Event::Ended { left, kept } => (self.left, self.kept, self.ended) = (left, kept, true),
        }
    }

    fn fault(&mut self, id: String, what: FaultEvent, detail: String, at_us: DrillTime) {
        let asked_again = self.phases.last().is_some_and(|p| p.phase == Phase::Recover && p.ended_us.is_none());
        let none = || FaultRecord { fault: id.clone(), ..FaultRecord::default() };
        let fault = known(&mut self.faults, |fault| fault.fault == id, none);
        fault.after = FaultAfter::of(what, asked_again).or(fault.after);
        fault.life.push(FaultMoment { at_us, what, detail });
    }

    /// The faults that were left as they are, because nothing undoes them.
    pub fn irreversible(&self) -> Vec<String> {
        let left = self.faults.iter().filter(|fault| fault.at(FaultEvent::Irreversible).is_some());
        left.map(|fault| fault.fault.clone()).collect()
    }

    /// The first verdict counts. What comes later may only spoil a pass, and is kept beside any other. `incomplete` is none:
    /// it says why there will be none.
    fn judge(&mut self, judgement: Judgement) {
        let first = self.judged_us.is_none();
        match judgement.verdict {
            Verdict::Incomplete if first => (self.reason, self.at) = (judgement.reason, judgement.at),
            Verdict::Incomplete => {}
            verdict if first || (self.verdict == Verdict::Passed && verdict.spoils()) => {
                (self.verdict, self.judged_us) = (verdict, Some(judgement.judged_us));
                (self.reason, self.at) = (judgement.reason, judgement.at);
            }
            _ => self.aftermath.push(judgement),
        }
    }

    /// The step with that id, begun now if it was not.
    fn step(&mut self, id: &str, at_us: DrillTime) -> &mut StepRecord {
        let begun = || StepRecord { step: id.to_string(), started_us: at_us, ..StepRecord::default() };
        known(&mut self.steps, |step| step.step == id, begun)
    }

    fn command(&mut self, step: &str, number: usize, at_us: DrillTime) -> Option<&mut CommandRecord> {
        self.step(step, at_us).commands.iter_mut().find(|c| c.command == number)
    }

    /// What was under way when the story ended, for a record that was cut off: `respond, step 2 of 4 …`.
    pub fn under_way(&self) -> Option<String> {
        let phase = self.phases.iter().rev().find(|p| p.ended_us.is_none() && !self.ended)?;
        let step = self.steps.iter().rev().find(|s| s.ended_us.is_none()).map(|step| {
            let at = step.commands.iter().rev().find(|c| c.ended_us.is_none()).map(|c| &c.at);
            let at = at.or_else(|| self.step_info(&step.step).map(|info| &info.at));
            format!(", step `{}`{}", step.step, at.map(|at| format!(" ({at})")).unwrap_or_default())
        });
        Some(format!("{}{}", phase.phase.name(), step.unwrap_or_default()))
    }

    /// A step as the plan has it.
    pub fn step_info(&self, id: &str) -> Option<&StepInfo> {
        self.plan.as_ref()?.steps.iter().find(|step| step.id == id)
    }

    /// A fault as the plan has it.
    pub fn fault_info(&self, id: &str) -> Option<&FaultInfo> {
        self.plan.as_ref()?.faults.iter().find(|fault| fault.id == id)
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
    fn again(&mut self, text: String, attempt: u32, at_us: DrillTime) {
        (self.text, self.output) = (text, StepOutput::default());
        self.attempts = attempt.max(self.attempts.saturating_add(1));
        self.waited_us = self.waited_us.saturating_add(self.ended_us.map_or(0, |e| at_us.0.saturating_sub(e.0)));
        self.attempt_started_us = at_us;
        (self.ended_us, self.exit, self.timed_out, self.omitted) = (None, None, false, 0);
    }
}

/// The first of a list that `is` the one meant, or a new one at its end.
fn known<T>(list: &mut Vec<T>, is: impl Fn(&T) -> bool, new: impl FnOnce() -> T) -> &mut T {
    let at = list.iter().position(is).unwrap_or(list.len());
    if at == list.len() {
        list.push(new());
    }
    // In range: the position that was found, or that of the one just pushed.
    &mut list[at]
}

#[cfg(test)]
mod tests;
