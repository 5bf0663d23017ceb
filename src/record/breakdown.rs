//! Where the wall time of a drill went: Docker Compose, the windows and waits that the scenario declares, the
//! runbook's own commands, and the rest, which is what Firedrill itself adds.
//!
//! The rest is computed per phase as its length minus what can be shown to belong to somebody else, so that every
//! slowness of Firedrill ends up in its own figure: a window is over for it as soon as its last request can have
//! ended (`LoadSeries::closed_us`), a command when its shell said so, Compose when its process did.

use super::*;
use serde::{Deserialize, Serialize};

/// A DR drill looks at what it restores.
const LOOKS: [&str; 2] = [WAIT_BEFORE, WAIT_AFTER];

/// The wall time of a drill, in microseconds. `total = compose + declared + firedrill`, to the microsecond.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breakdown {
    /// From the beginning of the drill to its last event.
    pub total_us: u64,
    /// What Docker Compose took, and what the stack took to become healthy.
    pub compose: ComposeTimes,
    /// What the scenario and the runbook ask for.
    pub declared: DeclaredTimes,
    /// What Firedrill itself added: the rest.
    pub firedrill_us: u64,
    /// The same by phase; `None` is what lies between the phases.
    pub firedrill: Vec<PhaseShare>,
}

/// What Docker Compose took, in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComposeTimes {
    /// `docker compose build`.
    pub build_us: u64,
    /// `docker compose pull`.
    #[serde(default)]
    pub pull_us: u64,
    /// `docker compose up -d`.
    pub up_us: u64,
    /// Until everything was healthy.
    pub healthy_us: u64,
    /// `docker compose down`.
    pub down_us: u64,
}

/// What the scenario and the runbook ask for, in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredTimes {
    /// `steady.for`, with the warm-up before it.
    pub steady_us: u64,
    /// Waiting for the impact (with `impact: none`: watching that there is none), until faults have ended by their time
    /// and users have suffered on without them, and for the impact of one of several that is left after the recovery.
    pub impact_us: u64,
    /// Waiting for the alert condition after that.
    pub detect_us: u64,
    /// The runbook's commands, and what was waited between attempts.
    pub steps_us: u64,
    /// Waiting for the recovery.
    pub recover_us: u64,
    /// `recover.hold`.
    pub hold_us: u64,
    /// `revert.hold`.
    pub revert_us: u64,
    /// A DR drill: reading the backup and the content before the fault, looking at the levels of the restore, and reading the
    /// survivors back.
    #[serde(default, skip_serializing_if = "super::parts::is_zero")]
    pub restore_us: u64,
}

/// What Firedrill added in a phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseShare {
    /// The phase; `None` is what lies between the phases.
    pub phase: Option<Phase>,
    /// Microseconds.
    pub us: u64,
}

/// A stretch of a phase that is not yet given to anybody, from its front on.
struct PhaseStretch {
    from: DrillTime,
    to: DrillTime,
    length: u64,
    given: u64,
}

impl PhaseStretch {
    /// Gives what lies before `until` away. What lies before `from` stays with Firedrill.
    fn give(&mut self, from: DrillTime, until: DrillTime) -> u64 {
        let start = from.max(self.from).min(self.to);
        let end = until.max(start).min(self.to);
        self.from = end;
        let us = end.0 - start.0;
        self.given += us;
        us
    }

    /// Gives this much away, wherever in the phase it was, but not more than there is.
    fn give_amount(&mut self, us: u64) -> u64 {
        let us = us.min(self.length.saturating_sub(self.given));
        self.given += us;
        us
    }
}

impl Record {
    /// Where the wall time went.
    pub fn breakdown(&self) -> Breakdown {
        let mut sum = Breakdown { total_us: self.last_us.0, ..Breakdown::default() };
        let (mut in_phases, mut looked) = (0_u64, 0_u64);
        let mut floor = DrillTime(0);
        for (at, begun) in self.phases.iter().enumerate() {
            let next = self.phases.get(at + 1).map_or(self.last_us, |p| p.started_us);
            // Phases follow each other; where a damaged story says otherwise, nothing is counted twice.
            let from = begun.started_us.max(floor).min(self.last_us);
            let to = begun.ended_us.unwrap_or(next).max(from).min(self.last_us);
            floor = to;
            let length = to.0 - from.0;
            let mut stretch = PhaseStretch { from, to, length, given: 0 };
            self.attribute(begun.phase, &mut stretch, &mut sum);
            if matches!(begun.phase, Phase::Impact | Phase::Detect | Phase::Respond | Phase::Recover) {
                let waits = [WAIT_ENDED, WAIT_SUFFERED, WAIT_FELT, WAIT_CERTAIN, WAIT_UNFELT];
                sum.declared.impact_us += stretch.give_amount(self.waited_us(&waits, from, to));
            }
            let inside = stretch.give_amount(self.waited_us(&LOOKS, from, to));
            sum.declared.restore_us += inside;
            looked = looked.saturating_add(inside);
            in_phases = in_phases.saturating_add(length);
            sum.share(Some(begun.phase), length.saturating_sub(stretch.given));
        }
        // The restore is looked at when the phases that it judges have ended.
        let between = sum.total_us.saturating_sub(in_phases);
        let outside = self.waited_us(&LOOKS, DrillTime(0), self.last_us).saturating_sub(looked).min(between);
        sum.declared.restore_us += outside;
        sum.share(None, between - outside);
        sum.firedrill_us = sum.firedrill.iter().map(|share| share.us).fold(0, u64::saturating_add);
        sum
    }

    fn attribute(&self, phase: Phase, stretch: &mut PhaseStretch, sum: &mut Breakdown) {
        let (from, to) = (stretch.from, stretch.to);
        let plan = self.plan.as_deref();
        let window = |us: fn(&super::Windows) -> u64| plan.map_or(0, |plan| us(&plan.windows));
        match phase {
            Phase::Up => {
                let compose = &mut sum.compose;
                compose.build_us += stretch.give_amount(self.compose_us("build"));
                compose.pull_us += stretch.give_amount(self.compose_us("pull"));
                compose.up_us += stretch.give_amount(self.compose_us("up"));
                compose.healthy_us += stretch.give_amount(self.compose_us("healthy"));
            }
            Phase::Steady => {
                let begun = self.loads.iter().map(|load| load.start_us).min().unwrap_or(from);
                let held = self.windows.iter().find(|w| w.phase == Phase::Steady);
                let closed = held.map_or(to, |w| self.closed_us(w.from_us, w.to_us));
                sum.declared.steady_us += stretch.give(begun, closed);
            }
            // Putting a fault in and seeing it there is Firedrill's own work.
            Phase::Inject => {}
            Phase::Impact => {
                let seen = self.impact_us().map(|t| {
                    let start = DrillTime(t.0.saturating_sub(window(|w| w.impact_window_us)));
                    self.closed_us(start, t)
                });
                sum.declared.impact_us += stretch.give(from, seen.unwrap_or(to));
                // Where both are watched within one phase, the wait for the alert condition follows in it.
                if seen.is_some() && !self.phases.iter().any(|p| p.phase == Phase::Detect) {
                    sum.declared.detect_us += stretch.give(from, self.detected_us.unwrap_or(from));
                }
            }
            Phase::Detect => sum.declared.detect_us += stretch.give(from, self.detected_us.unwrap_or(to)),
            Phase::Respond => sum.declared.steps_us += stretch.give_amount(self.commands_us(to)),
            Phase::Recover => match self.recovered_us().zip(self.held_after()) {
                Some((t, (begin, end))) => {
                    sum.declared.recover_us += stretch.give(from, t);
                    sum.declared.hold_us += stretch.give(from, self.closed_us(begin, end));
                }
                None => sum.declared.recover_us += stretch.give(from, to),
            },
            Phase::Revert => {
                let undone = self.faults.iter().filter_map(FaultRecord::settled).max();
                let held = self.windows.iter().rev().find(|w| w.phase == Phase::Revert);
                let (start, end) = match (held, undone) {
                    (Some(held), _) => (undone.unwrap_or(held.from_us), self.closed_us(held.from_us, held.to_us)),
                    (None, Some(t)) => (t, DrillTime(t.0.saturating_add(window(|w| w.revert_hold_us)))),
                    (None, None) => return,
                };
                sum.declared.revert_us += stretch.give(start, end);
            }
            Phase::Down => sum.compose.down_us += stretch.give_amount(self.compose_us("down")),
        }
    }

    /// How much of this time one of these was waited for.
    fn waited_us(&self, what: &[&str], from: DrillTime, to: DrillTime) -> u64 {
        let waits = self.waits.iter().filter(|wait| what.contains(&wait.what.as_str()));
        let within = waits.map(|wait| {
            let begun = wait.ended_us.0.saturating_sub(wait.took_us).max(from.0);
            wait.ended_us.0.min(to.0).saturating_sub(begun)
        });
        within.fold(0, u64::saturating_add)
    }

    fn compose_us(&self, what: &str) -> u64 {
        self.compose.iter().filter(|c| c.what == what).map(|c| c.took_us).fold(0, u64::saturating_add)
    }

    /// When a window was closed on every load.
    fn closed_us(&self, from: DrillTime, to: DrillTime) -> DrillTime {
        self.loads.iter().map(|load| load.closed_us(from, to)).max().unwrap_or(to)
    }

    /// What the runbook's commands took, with the waits between attempts; one that never ended took until `end`. And what
    /// a person took for the steps that were done by hand.
    fn commands_us(&self, end: DrillTime) -> u64 {
        // What ran beside them took nobody's time.
        let commands = self.steps.iter().flat_map(|step| &step.commands).filter(|command| !command.background);
        let each = commands.map(|c| {
            let open = if c.ended_us.is_none() { end.0.saturating_sub(c.attempt_started_us.0) } else { 0 };
            c.all_took_us.saturating_add(c.waited_us).saturating_add(open)
        });
        let by_hand = self.steps.iter().filter(|s| s.commands.is_empty() && s.status == Some(StepStatus::Passed));
        let by_hand = by_hand.filter_map(|step| Some(step.ended_us?.0.saturating_sub(step.started_us.0)));
        each.chain(by_hand).fold(0, u64::saturating_add)
    }
}

impl Breakdown {
    fn share(&mut self, phase: Option<Phase>, us: u64) {
        match self.firedrill.iter_mut().find(|share| share.phase == phase) {
            Some(share) => share.us = share.us.saturating_add(us),
            None => self.firedrill.push(PhaseShare { phase, us }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, events_of, json_lines, record_of};
    use proptest::prelude::*;

    fn adds_up(b: &Breakdown) -> bool {
        let parts = [serde_json::to_value(&b.compose).unwrap(), serde_json::to_value(&b.declared).unwrap()];
        let parts = parts.iter().flat_map(|part| part.as_object().unwrap().values());
        b.total_us == parts.map(|us| us.as_u64().unwrap()).sum::<u64>() + b.firedrill_us
    }

    #[test]
    fn every_story_adds_up_to_the_microsecond() {
        for story in Story::ALL {
            let b = record_of(story).breakdown();
            assert!(adds_up(&b), "{story:?}: {b:#?}");
        }
    }

    #[test]
    fn a_pull_is_composes_and_not_firedrills() {
        let without = record_of(Story::Passed).breakdown();
        let mut record = record_of(Story::Passed);
        record.compose.push(super::super::ComposeRecord { what: "pull".into(), took_us: 50_000 });
        let with = record.breakdown();
        assert_eq!((without.compose.pull_us, with.compose.pull_us), (0, 50_000));
        assert_eq!(with.firedrill_us + 50_000, without.firedrill_us);
        assert!(adds_up(&with));
    }

    #[test]
    fn a_pass_is_taken_apart() {
        let b = record_of(Story::Passed).breakdown();
        insta::assert_snapshot!(json_lines(&serde_json::to_value(&b).unwrap()));
    }

    #[test]
    fn slowness_between_the_events_is_firedrills_own() {
        let fast = record_of(Story::Passed).breakdown();
        // The same drill with everything from the end of the steady window on one second later.
        let mut events = events_of(Story::Passed);
        let steady_ends = events
            .iter()
            .position(|e| matches!(e.event, super::super::Event::PhaseEnded { phase: Phase::Steady }))
            .unwrap();
        let mut record = Record::default();
        for (i, event) in events.iter_mut().enumerate() {
            if i == steady_ends {
                event.at_us.0 += 1_000_000;
            }
            record.apply(event);
        }
        record.phases.iter_mut().filter(|p| p.phase > Phase::Steady).for_each(|p| {
            p.started_us.0 += 1_000_000;
            p.ended_us = p.ended_us.map(|t| DrillTime(t.0 + 1_000_000));
        });
        record.last_us.0 += 1_000_000;
        let slow = record.breakdown();
        let steady = |b: &Breakdown| b.firedrill.iter().find(|s| s.phase == Some(Phase::Steady)).unwrap().us;
        assert_eq!(slow.declared.steady_us, fast.declared.steady_us);
        assert_eq!(steady(&slow), steady(&fast) + 1_000_000);
    }

    #[test]
    fn looking_at_a_restore_is_a_share_of_its_own_wherever_it_happens() {
        let without = record_of(Story::Passed).breakdown();
        let mut record = record_of(Story::Passed);
        let steady = record.phases.iter().find(|p| p.phase == Phase::Steady).and_then(|p| p.ended_us).unwrap();
        let recovered = record.phases.iter().find(|p| p.phase == Phase::Recover).and_then(|p| p.ended_us).unwrap();
        // Half a second between recover and what follows, and the last 5 ms of steady, which nobody else claims.
        let late = |at: &mut DrillTime| at.0 += 500_000;
        record.phases.iter_mut().filter(|p| p.phase > Phase::Recover).for_each(|p| {
            late(&mut p.started_us);
            p.ended_us.iter_mut().for_each(late);
        });
        late(&mut record.last_us);
        for (what, ended_us, took_us) in
            [(WAIT_BEFORE, steady, 5_000), (WAIT_AFTER, DrillTime(recovered.0 + 500_000), 500_000)]
        {
            let what = what.to_string();
            record.waits.push(super::super::WaitRecord { ended_us, what, took_us, deadline_us: 1, met: true });
        }
        let with = record.breakdown();
        assert!(adds_up(&with), "{with:#?}");
        assert_eq!(with.total_us, without.total_us + 500_000);
        let own = |b: &Breakdown| b.firedrill.iter().find(|s| s.phase.is_none()).unwrap().us;
        assert_eq!(own(&with), own(&without), "what lies between the phases is not Firedrill's here");
        let free = without.firedrill.iter().find(|s| s.phase == Some(Phase::Steady)).unwrap().us.min(5_000);
        assert_eq!(with.declared.restore_us, 500_000 + free);
        assert!(free > 0);
    }

    #[test]
    fn a_late_answer_keeps_the_window_open() {
        let mut record = record_of(Story::Passed);
        let before = record.breakdown();
        let held = record.windows.iter().find(|w| w.phase == Phase::Steady).unwrap().clone();
        let series = &mut record.loads[0];
        let last = ((held.to_us.0 - series.start_us.0) / crate::record::SLICE_US - 1) as usize;
        series.max_us[last] = 100_000 + 20_000;
        assert_eq!(record.breakdown().declared.steady_us, before.declared.steady_us + 20_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_adds_up_wherever_the_story_is_cut_and_however_times_jump(
            keep in 0.0..1.0_f64,
            jumps in proptest::collection::vec((any::<proptest::sample::Index>(), 0..60_000_000_u64), 0..8),
            looks in proptest::collection::vec((any::<proptest::sample::Index>(), 0..60_000_000_u64), 0..3),
        ) {
            let mut events = events_of(Story::Passed);
            events.truncate((events.len() as f64 * keep) as usize);
            for (index, took_us) in looks {
                if !events.is_empty() {
                    let i = index.index(events.len());
                    let what = WAIT_AFTER.to_string();
                    events[i].event = super::super::Event::Waited { what, took_us, deadline_us: 1, met: true };
                }
            }
            for (index, at) in jumps {
                if !events.is_empty() {
                    let i = index.index(events.len());
                    events[i].at_us = DrillTime(at);
                }
            }
            let mut record = Record::default();
            for event in &events {
                record.apply(event);
            }
            let b = record.breakdown();
            prop_assert!(adds_up(&b), "{b:#?}");
        }
    }
}
