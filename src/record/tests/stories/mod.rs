//! Synthetic drills for tests: the story of a drill for each way in which it can end, event by event.

use super::*;
use std::collections::BTreeMap;

/// How a drill can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Story {
    /// The runbook works.
    Passed,
    /// It was followed to its end and did not help.
    NotRecovered,
    /// Its load-bearing command has a typo.
    StepFailed,
    /// An input has no value.
    StepBlocked,
    /// An agent was lost while the runbook was followed.
    HarnessError,
    /// Ctrl-C while waiting for the recovery.
    Interrupted,
    /// The stack never met its objectives.
    Unsteady,
    /// The fault did not bite.
    NoImpact,
    /// `expect: not_recovered`, and that is what happened.
    ExpectedFailure,
    /// `expect: not_recovered`, and the drill passed.
    UnexpectedPass,
    /// The control, which did not recover.
    Control,
    /// The control, which did.
    ControlRecovered,
    /// kill -9 during the mitigation: the story just stops.
    Killed,
    /// A DR drill that reaches L5 with nothing lost.
    RestorePassed,
    /// A DR drill that loses three writes, which its RPO allows.
    RestoreLost,
    /// Users recover on content that is another one.
    RestoreContent,
    /// The backup is restored, and the server does not start: `expect: { verdict: not_recovered, level: L2 }`.
    RestoreExpected,
    /// The same expectation, and the backup cannot even be read.
    RestoreWrongLevel,
    /// Users recover, and more is lost than the RPO allows.
    RestoreRpoMissed,
    /// Users recover, and nobody knows what is lost.
    RestoreUnread,
    /// The control of a DR drill.
    RestoreControl,
}

impl Story {
    pub(crate) const ALL: [Story; 21] = [
        Story::Passed,
        Story::NotRecovered,
        Story::StepFailed,
        Story::StepBlocked,
        Story::HarnessError,
        Story::Interrupted,
        Story::Unsteady,
        Story::NoImpact,
        Story::ExpectedFailure,
        Story::UnexpectedPass,
        Story::Control,
        Story::ControlRecovered,
        Story::Killed,
        Story::RestorePassed,
        Story::RestoreLost,
        Story::RestoreContent,
        Story::RestoreExpected,
        Story::RestoreWrongLevel,
        Story::RestoreRpoMissed,
        Story::RestoreUnread,
        Story::RestoreControl,
    ];

    /// Those of DR drills.
    pub(crate) fn is_restore(self) -> bool {
        Story::ALL.iter().position(|story| *story == self) >= Some(13)
    }
}

/// The events of a story.
pub(crate) fn events_of(story: Story) -> Vec<Stamped> {
    Script::new(story).tell()
}

/// The record of a story.
pub(crate) fn record_of(story: Story) -> Record {
    let mut record = Record::default();
    for event in events_of(story) {
        record.apply(&event);
    }
    record
}

/// Events as `events.jsonl` holds them.
pub(crate) fn lines_of(events: &[Stamped]) -> Vec<u8> {
    let mut lines = Vec::new();
    for event in events {
        serde_json::to_writer(&mut lines, event).unwrap();
        lines.push(b'\n');
    }
    lines
}

mod plan;
pub(crate) mod quarter;
mod restore;

pub(crate) use plan::plan;
use plan::*;

/// Tells a story: `at` moves the clock, and every slice that is closed by then is told first.
struct Script {
    story: Story,
    now: u64,
    events: Vec<Stamped>,
    load: Option<u64>,
    slices: u64,
    bad_from: u64,
    bad_to: u64,
}

const MS: u64 = 1000;

impl Script {
    fn new(story: Story) -> Self {
        Script { story, now: 0, events: Vec::new(), load: None, slices: 0, bad_from: u64::MAX, bad_to: u64::MAX }
    }

    fn push(&mut self, event: Event) {
        self.events.push(Stamped { seq: self.events.len() as u64, at_us: DrillTime(self.now), event });
    }

    /// Moves the clock to `ms`, telling the slices that are closed by then.
    fn at(&mut self, ms: u64) -> &mut Self {
        let until = ms * MS;
        while let Some(t0) = self.load {
            let start = t0 + self.slices * SLICE_US;
            if start + SLICE_US + 20 * MS > until {
                break;
            }
            self.now = self.now.max(start + SLICE_US + 10 * MS);
            let bad = start >= self.bad_from && start < self.bad_to;
            let restore = self.story.is_restore();
            let good = if !bad { 5 } else { u64::from(!restore) };
            let mut results = BTreeMap::from([("200".to_string(), good)]);
            if bad {
                results.insert("503".into(), 5 - good);
            }
            let slice = Slice {
                load: if restore { "bookings".into() } else { "checkout".into() },
                index: self.slices,
                start_us: DrillTime(start),
                due: 5,
                good: BTreeMap::from([("availability".to_string(), good), ("latency".to_string(), good)]),
                results,
                first_good_us: BTreeMap::new(),
                latency_us: if bad { [98 * MS, 99 * MS, 100 * MS] } else { [8 * MS, 14 * MS, 21 * MS] },
            };
            self.push(Event::Slice(slice));
            if restore {
                self.writes(start, !bad);
            }
            self.slices += 1;
        }
        self.now = until;
        self
    }

    fn begin(&mut self, ms: u64, phase: Phase) {
        self.at(ms).push(Event::PhaseStarted { phase });
    }

    fn end(&mut self, ms: u64, phase: Phase) {
        self.at(ms).push(Event::PhaseEnded { phase });
    }

    fn check(&mut self, check: Check, since_ms: u64, outcome: CheckOutcome) {
        self.push(Event::CheckEnded { check, started_us: DrillTime(since_ms * MS), outcome });
    }

    fn pass(&mut self, check: Check, since_ms: u64, evidence: &str) {
        self.check(check, since_ms, CheckOutcome::Passed { evidence: evidence.into() });
    }

    fn judge(&mut self, verdict: Verdict, reason: &str, at: Option<Location>) {
        self.push(Event::Judged { verdict, reason: reason.into(), at });
    }

    fn fault(&mut self, what: FaultEvent, detail: &str) {
        self.push(Event::Fault { fault: FAULT.into(), what, detail: detail.into() });
    }

    fn command(&mut self, ms: u64, step: &str, number: usize, text: &str, line: usize, attempt: u32) {
        let at = if self.story.is_restore() { restore::at(line) } else { at(line) };
        let (step, text) = (step.to_string(), text.to_string());
        self.at(ms).push(Event::CommandStarted { step, command: number, text, at, attempt, background: false });
    }

    fn output(&mut self, step: &str, number: usize, stream: Stream, text: &str) {
        let (step, text) = (step.to_string(), text.to_string());
        self.push(Event::Output { step, command: number, stream, text });
    }

    fn exit(&mut self, ms: u64, step: &str, number: usize, exit: i32, took_ms: u64) {
        let (step, took_us, timed_out, omitted, stopped) = (step.to_string(), took_ms * MS, false, 0, false);
        self.at(ms).push(Event::CommandEnded { step, command: number, exit, took_us, timed_out, omitted, stopped });
    }

    fn step_end(&mut self, step: &str, status: StepStatus, reason: Option<&str>, at: Option<Location>) {
        let reason = reason.map(str::to_string);
        self.push(Event::StepEnded { step: step.into(), status, reason: reason.clone(), at: at.clone() });
        let check = Check::Step { step: step.into() };
        let reason = reason.unwrap_or_default();
        let outcome = match status {
            StepStatus::Passed => CheckOutcome::Passed { evidence: "every command exited 0".into() },
            StepStatus::Warned => CheckOutcome::Passed { evidence: reason },
            StepStatus::Failed | StepStatus::Blocked => CheckOutcome::Failed { reason, at },
            StepStatus::Skipped => CheckOutcome::Skipped { reason },
        };
        let since = self.now / MS;
        self.check(check, since, outcome);
    }

    fn tell(mut self) -> Vec<Stamped> {
        if self.story.is_restore() {
            return self.restore();
        }
        self.push(Event::Announced(Box::new(plan(self.story))));
        self.up();
        if self.story == Story::Unsteady {
            self.unsteady();
            return self.clean_up(14_000, false);
        }
        self.steady_and_inject();
        if self.story == Story::NoImpact {
            self.at(24_000);
            let reason = "no SLI fell below 90% within 15 s of the injection";
            self.check(Check::Impact, 8_600, CheckOutcome::Failed { reason: reason.into(), at: None });
            self.judge(Verdict::NoImpact, reason, Some(Location { path: "scenarios/db-pool.yaml".into(), line: 19 }));
            self.end(24_010, Phase::Impact);
            return self.clean_up(24_020, true);
        }
        self.impact();
        if matches!(self.story, Story::Control | Story::ControlRecovered) {
            return self.control();
        }
        if !self.respond() {
            let now = self.now / MS;
            return if self.story == Story::Killed { self.events } else { self.clean_up(now + 1, true) };
        }
        self.recover()
    }

    fn up(&mut self) {
        self.begin(1, Phase::Up);
        self.at(3_250);
        for (what, took_ms) in [("build", 420), ("up", 2_100), ("healthy", 610)] {
            self.push(Event::StackTook(ComposeRecord { what: what.into(), took_us: took_ms * MS }));
        }
        let images = BTreeMap::from([("checkout".to_string(), format!("sha256:{}", "e".repeat(64)))]);
        self.push(Event::StackUp(StackRecord {
            project: "fd-20261120t064112z-db-pool-3f9a".into(),
            images,
            localhost: BTreeMap::new(),
        }));
        self.push(Event::ClockOffset(ClockRecord { agent: "fd-agent".into(), offset_us: -41, rtt_us: 310 }));
        self.end(3_290, Phase::Up);
        self.begin(3_290, Phase::Steady);
        self.load = Some(3_300 * MS);
    }

    fn unsteady(&mut self) {
        (self.bad_from, self.bad_to) = (0, u64::MAX);
        self.at(13_900);
        let reason = "availability 20% (objective 99.5%) over the last 5 s";
        self.check(Check::Steady, 3_290, CheckOutcome::Failed { reason: reason.into(), at: None });
        self.judge(Verdict::Unsteady, reason, None);
        self.end(13_950, Phase::Steady);
    }

    fn steady_and_inject(&mut self) {
        self.at(8_430);
        let (from_us, to_us) = (DrillTime(3_300 * MS), DrillTime(8_300 * MS));
        self.push(Event::WindowHeld(WindowRecord { phase: Phase::Steady, from_us, to_us }));
        self.pass(Check::Steady, 1, "availability 100% (objective 99.5%), latency 100% (objective 99%)");
        self.end(8_430, Phase::Steady);
        self.begin(8_430, Phase::Inject);
        self.fault(FaultEvent::Injecting, "the undo is in the ledger");
        self.at(8_600);
        self.fault(FaultEvent::Confirmed, "session 4711 holds AccessExclusiveLock on inventory");
        let evidence = "session 4711 holds AccessExclusiveLock on inventory";
        self.pass(Check::Injection { fault: FAULT.into() }, 8_430, evidence);
        self.end(8_600, Phase::Inject);
        self.begin(8_600, Phase::Impact);
        if self.story != Story::NoImpact {
            (self.bad_from, self.bad_to) = (9_400 * MS, u64::MAX);
        }
    }

    fn impact(&mut self) {
        self.at(10_225);
        let impact_us = DrillTime(10_100 * MS);
        self.push(Event::Impacted(ImpactRecord { sli: "availability".into(), impact_us, ratio: 0.44 }));
        self.pass(Check::Impact, 8_600, "availability fell to 44% (threshold 90%) 1.50 s after the injection");
        self.end(10_230, Phase::Impact);
        self.begin(10_230, Phase::Detect);
        self.at(10_410).push(Event::Condition { when: "db_pool_available < 1".into(), value: Some(0.0), holds: true });
        self.push(Event::Detected { detected_us: DrillTime(10_400 * MS), paged: None });
        self.pass(Check::Detection, 8_600, "db_pool_available < 1 held (value 0) 1.80 s after the injection");
        self.end(10_410, Phase::Detect);
    }

    /// `false` when the drill does not get as far as waiting for the recovery.
    fn respond(&mut self) -> bool {
        self.begin(10_410, Phase::Respond);
        self.at(10_420).push(Event::StepStarted { step: LOOK.into() });
        self.command(10_420, LOOK, 0, "curl -s checkout:9100/metrics | grep db_pool", 22, 1);
        self.output(LOOK, 0, Stream::Stdout, "db_pool_size 5.0\ndb_pool_available 0.0\n");
        self.exit(10_500, LOOK, 0, 0, 78);
        self.command(10_500, LOOK, 1, "grep -c deadlock /var/log/postgresql.log", 23, 1);
        self.output(LOOK, 1, Stream::Stdout, "0\n");
        self.exit(10_520, LOOK, 1, 1, 18);
        self.step_end(LOOK, StepStatus::Warned, Some("command 2 exited 1"), Some(at(23)));
        self.step_end(ASK, StepStatus::Skipped, Some("for a person: it has no command"), None);
        self.push(Event::StepStarted { step: CURE.into() });
        if self.story == Story::StepBlocked {
            let reason = "the input `<pid>` has no value: give it with `--var pid=…` or `respond.vars`";
            self.step_end(CURE, StepStatus::Blocked, Some(reason), Some(at(45)));
            self.judge(Verdict::StepBlocked, reason, Some(at(45)));
            self.end(10_530, Phase::Respond);
            return false;
        }
        self.pass(Check::StillBroken, 10_520, "availability 20% (objective 99.5%) over the last second");
        self.push(Event::MitigationStarted { began_us: None });
        let cure = "psql -c \"select pg_terminate_backend(pid) from pg_locks where mode = 'AccessExclusiveLock'\"";
        self.command(10_530, CURE, 0, cure, 44, 1);
        if self.story == Story::Killed {
            return false;
        }
        if self.story == Story::HarnessError {
            self.at(11_900);
            let reason = "the agent fd-agent is gone: its channel ended";
            self.judge(Verdict::HarnessError, reason, None);
            self.end(11_950, Phase::Respond);
            return false;
        }
        if self.story == Story::StepFailed {
            self.output(CURE, 0, Stream::Stderr, "ERROR:  relation \"pg_lock\" does not exist\nLINE 1: …\n");
            self.exit(10_610, CURE, 0, 1, 77);
            let reason = "command 1 exited 1: ERROR:  relation \"pg_lock\" does not exist";
            self.step_end(CURE, StepStatus::Failed, Some(reason), Some(at(44)));
            self.judge(Verdict::StepFailed, reason, Some(at(44)));
            self.end(10_620, Phase::Respond);
            return false;
        }
        let rows = " pg_terminate_backend \n----------------------\n t\n(1 row)\n\n";
        self.output(CURE, 0, Stream::Stdout, rows);
        self.exit(10_610, CURE, 0, 0, 77);
        self.step_end(CURE, StepStatus::Passed, None, None);
        self.push(Event::MitigationEnded);
        if matches!(self.story, Story::Passed | Story::UnexpectedPass) {
            self.bad_to = 12_600 * MS;
        }
        self.verify();
        true
    }

    fn verify(&mut self) {
        self.push(Event::StepStarted { step: CHECK.into() });
        let order = "curl -fsS -X POST checkout:8080/checkout";
        self.command(10_615, CHECK, 0, order, 60, 1);
        self.output(CHECK, 0, Stream::Stderr, "curl: (22) The requested URL returned error: 503\n");
        self.exit(11_630, CHECK, 0, 22, 1_010);
        self.command(12_130, CHECK, 0, order, 60, 2);
        if self.bad_to == u64::MAX {
            self.output(CHECK, 0, Stream::Stderr, "curl: (22) The requested URL returned error: 503\n");
            self.exit(12_190, CHECK, 0, 22, 55);
            let reason = "command 1 exited 22 on each of 2 attempts";
            self.step_end(CHECK, StepStatus::Warned, Some(reason), Some(at(60)));
        } else {
            self.output(CHECK, 0, Stream::Stdout, "{\"order\": 1017}\n");
            self.exit(12_190, CHECK, 0, 0, 55);
            self.step_end(CHECK, StepStatus::Passed, None, None);
        }
        self.end(12_200, Phase::Respond);
        self.begin(12_200, Phase::Recover);
    }

    fn recover(mut self) -> Vec<Stamped> {
        if self.story == Story::Interrupted {
            self.at(15_000).judge(Verdict::Interrupted, "Ctrl-C", None);
            self.end(15_000, Phase::Recover);
            return self.clean_up(15_000, true);
        }
        if self.bad_to == u64::MAX {
            self.at(20_700);
            let reason = "availability 20% (objective 99.5%), 10 s after the last mitigating step";
            for sli in ["availability", "latency"] {
                let outcome = CheckOutcome::Failed { reason: reason.into(), at: Some(at(42)) };
                self.check(Check::Recovery { sli: sli.into() }, 10_610, outcome);
            }
            let reason = "users did not recover within 10 s of the last mitigating step";
            self.judge(Verdict::NotRecovered, reason, Some(at(42)));
            self.fault(FaultEvent::StillActive, "session 4711 holds AccessExclusiveLock on inventory");
            self.end(20_710, Phase::Recover);
            return self.clean_up(20_720, true);
        }
        self.at(17_640);
        self.push(Event::Recovered(RecoveryRecord { sli: String::new(), recovered_us: DrillTime(12_600 * MS) }));
        let evidence = "met its objective from 4.00 s after the injection on, for 5 s";
        self.pass(Check::Recovery { sli: "availability".into() }, 10_610, evidence);
        self.pass(Check::Recovery { sli: "latency".into() }, 10_610, evidence);
        self.fault(FaultEvent::ClearedByRunbook, "no session holds a lock on inventory");
        self.end(17_650, Phase::Recover);
        self.clean_up(17_660, true)
    }

    fn control(mut self) -> Vec<Stamped> {
        self.begin(10_420, Phase::Recover);
        self.at(20_700);
        let outcome = if self.story == Story::Control {
            self.judge(Verdict::Passed, "without the runbook users did not recover within 10 s", None);
            CheckOutcome::Passed { evidence: "availability 20% (objective 99.5%) 10 s after the detection".into() }
        } else {
            let reason = "users recovered without the runbook";
            self.judge(Verdict::SelfHealed, reason, None);
            CheckOutcome::Failed { reason: reason.into(), at: None }
        };
        self.check(Check::Control, 10_410, outcome);
        self.end(20_710, Phase::Recover);
        self.clean_up(20_720, true)
    }

    fn clean_up(mut self, ms: u64, injected: bool) -> Vec<Stamped> {
        self.begin(ms, Phase::Revert);
        self.at(ms + 20);
        let recovered = matches!(self.story, Story::Passed | Story::UnexpectedPass);
        if injected {
            self.fault(FaultEvent::Reverted, "no session holds a lock on inventory");
            if recovered {
                let held = DrillTime((ms / 100 + 1) * 100 * MS);
                self.at(ms + 2_080);
                let to_us = DrillTime(held.0 + 2_000_000);
                self.push(Event::WindowHeld(WindowRecord { phase: Phase::Revert, from_us: held, to_us }));
                self.pass(Check::Revert, ms, "every SLI held for 2 s after the faults were undone");
            } else {
                self.pass(Check::Revert, ms, "every fault was undone");
            }
        }
        let ms = self.now / MS + 10;
        self.end(ms, Phase::Revert);
        self.begin(ms, Phase::Down);
        self.load = None;
        self.at(ms + 2_050).push(Event::StackTook(ComposeRecord { what: "down".into(), took_us: 2_000_000 }));
        self.pass(Check::NothingLeft, ms, "no container, network or volume of this drill is left");
        self.end(ms + 2_060, Phase::Down);
        if recovered {
            self.judge(Verdict::Passed, "users recovered 2.07 s after the first mitigating command", None);
        }
        self.at(ms + 2_070).push(Event::Ended { left: vec![], kept: false });
        self.events
    }
}

/// A JSON document as lines: one for each object, with its path and those of its members that hold no object.
pub(crate) fn json_lines(value: &serde_json::Value) -> String {
    use serde_json::Value;
    fn holds_objects(value: &Value) -> bool {
        value.is_object() || value.as_array().is_some_and(|items| items.iter().any(Value::is_object))
    }
    fn walk(path: &str, value: &Value, lines: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                let (objects, plain): (Vec<_>, Vec<_>) = map.iter().partition(|(_, value)| holds_objects(value));
                let members: String = plain.iter().map(|(key, value)| format!(" {key}={value}")).collect();
                if objects.is_empty() || !members.is_empty() {
                    lines.push(format!("{path}:{members}"));
                }
                objects.iter().for_each(|(key, value)| walk(&format!("{path}.{key}"), value, lines));
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(at, item)| walk(&format!("{path}[{at}]"), item, lines));
            }
            _ => lines.push(format!("{path}: {value}")),
        }
    }
    let mut lines = Vec::new();
    walk("", value, &mut lines);
    lines.join("\n")
}
