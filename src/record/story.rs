//! The story of a drill from its record alone, for what has no `events.jsonl` beside it: the events that people read, in the
//! order of their times. Output, slices and samples are figures, and no part of it.

use super::{CommandRecord, DrillTime, Event, Record, Stamped};

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
            tell(impact.impact_us, Event::Impacted(impact.clone()));
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
            for ran in &step.commands {
                let (step, command, attempt) = (step.step.clone(), ran.command, ran.attempts);
                let (text, at, background) = (ran.text.clone(), ran.at.clone(), ran.background);
                let started = Event::CommandStarted { step: step.clone(), command, text, at, attempt, background };
                tell(ran.attempt_started_us, started);
                if let Some((ended, exit)) = ran.ended_us.zip(ran.exit) {
                    let CommandRecord { took_us, timed_out, omitted, stopped, .. } = *ran;
                    tell(ended, Event::CommandEnded { step, command, exit, took_us, timed_out, omitted, stopped });
                }
            }
            if let Some((ended, status)) = step.ended_us.zip(step.status) {
                let (reason, at) = (step.reason.clone(), step.at.clone());
                tell(ended, Event::StepEnded { step: step.step.clone(), status, reason, at });
            }
        }
        let started = Event::MitigationStarted { began_us: None };
        self.mitigation_started_us.into_iter().for_each(|at| tell(at, started.clone()));
        self.mitigation_ended_us.into_iter().for_each(|at| tell(at, Event::MitigationEnded));
        for recovery in &self.recoveries {
            tell(recovery.recovered_us, Event::Recovered(recovery.clone()));
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
            let event = note.by.clone().map_or(Event::Note { text: text.clone() }, |by| Event::Noted { by, text });
            tell(note.at_us, event);
        }
        let first = self.judged_us.map(|at| (at, self.verdict, &self.reason, &self.at));
        let later = self.aftermath.iter().map(|later| (later.judged_us, later.verdict, &later.reason, &later.at));
        for (judged_us, verdict, reason, at) in first.into_iter().chain(later) {
            tell(judged_us, Event::Judged { verdict, reason: reason.clone(), at: at.clone() });
        }
        if self.ended {
            tell(self.last_us, Event::Ended { left: self.left.clone(), kept: self.kept });
        }
        all.sort_by_key(|(at, _)| *at);
        let stamped = |(seq, (at_us, event)): (usize, (DrillTime, Event))| Stamped { seq: seq as u64, at_us, event };
        all.into_iter().enumerate().map(stamped).collect()
    }
}
