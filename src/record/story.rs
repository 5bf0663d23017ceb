//! The story of a drill from its record alone, for what has no `events.jsonl` beside it: the events that people read, in the
//! order of their times. Output, slices and samples are figures, and no part of it.

use super::{DrillTime, Event, Record, Stamped};

impl Record {
    /// The events that the record still tells; their numbers are those of this list, not of `events.jsonl`.
    pub fn story(&self) -> Vec<Stamped> {
        let mut all: Vec<(DrillTime, Event)> = Vec::new();
        let mut tell = |at: DrillTime, event: Event| all.push((at, event));
        if let Some(plan) = &self.plan {
            tell(DrillTime(0), Event::Announced(plan.clone()));
        }
        for phase in &self.phases {
            tell(phase.started_us, Event::PhaseStarted { phase: phase.phase });
        }
        for fault in &self.faults {
            for moment in &fault.life {
                let (fault, detail) = (fault.fault.clone(), moment.detail.clone());
                tell(moment.at_us, Event::Fault { fault, what: moment.what, detail });
            }
        }
        for impact in &self.impacts {
            let (sli, impact_us, ratio) = (impact.sli.clone(), impact.impact_us, impact.ratio);
            tell(impact_us, Event::Impacted { sli, impact_us, ratio });
        }
        let when = self.plan.as_ref().and_then(|plan| plan.detect.clone()).unwrap_or_default();
        for seen in &self.conditions {
            tell(seen.at_us, Event::Condition { when: when.clone(), value: seen.value, holds: seen.holds });
        }
        for moment in &self.alerts {
            tell(moment.at_us, Event::Alert(moment.clone()));
        }
        if let Some(detected_us) = self.detected_us {
            let paged = self.plan.as_ref().and_then(|plan| plan.page.as_ref()?.came(&self.alerts, DrillTime(0)));
            tell(detected_us, Event::Detected { detected_us, paged: paged.map(|page| page.receiver) });
        }
        for step in &self.steps {
            tell(step.started_us, Event::StepStarted { step: step.step.clone() });
            for command in &step.commands {
                let (step, number) = (step.step.clone(), command.command);
                let (text, at) = (command.text.clone(), command.at.clone());
                let (attempt, background) = (command.attempts, command.background);
                tell(
                    command.attempt_started_us,
                    Event::CommandStarted { step: step.clone(), command: number, text, at, attempt, background },
                );
                if let Some((ended, exit)) = command.ended_us.zip(command.exit) {
                    let (took_us, timed_out) = (command.took_us, command.timed_out);
                    let (omitted, stopped) = (command.omitted, command.stopped);
                    tell(
                        ended,
                        Event::CommandEnded { step, command: number, exit, took_us, timed_out, omitted, stopped },
                    );
                }
            }
            if let Some((ended, status)) = step.ended_us.zip(step.status) {
                let (reason, at) = (step.reason.clone(), step.at.clone());
                tell(ended, Event::StepEnded { step: step.step.clone(), status, reason, at });
            }
        }
        if let Some(at) = self.mitigation_started_us {
            tell(at, Event::MitigationStarted);
        }
        if let Some(at) = self.mitigation_ended_us {
            tell(at, Event::MitigationEnded);
        }
        for recovery in &self.recoveries {
            let (sli, recovered_us) = (recovery.sli.clone(), recovery.recovered_us);
            tell(recovered_us, Event::Recovered { sli, recovered_us });
        }
        if let Some(relapsed_us) = self.relapsed_us {
            tell(relapsed_us, Event::Relapsed { relapsed_us });
        }
        for probe in &self.probes {
            let (level, name, held, evidence) = (probe.level, probe.name.clone(), probe.held, probe.evidence.clone());
            tell(probe.at_us, Event::Probed { level, name, held, evidence });
        }
        for note in &self.notes {
            let text = note.text.clone();
            tell(
                note.at_us,
                match &note.by {
                    Some(by) => Event::Noted { by: by.clone(), text },
                    None => Event::Note { text },
                },
            );
        }
        if let Some(at) = self.judged_us {
            let (reason, place) = (self.reason.clone(), self.at.clone());
            tell(at, Event::Judged { verdict: self.verdict, reason, at: place });
        }
        for later in &self.aftermath {
            let (reason, at) = (later.reason.clone(), later.at.clone());
            tell(later.judged_us, Event::Judged { verdict: later.verdict, reason, at });
        }
        if self.ended {
            tell(self.last_us, Event::Ended { left: self.left.clone(), kept: self.kept });
        }
        all.sort_by_key(|(at, _)| *at);
        let stamped = |(seq, (at_us, event)): (usize, (DrillTime, Event))| Stamped { seq: seq as u64, at_us, event };
        all.into_iter().enumerate().map(stamped).collect()
    }
}
