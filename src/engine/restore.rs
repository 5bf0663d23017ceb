//! What a DR drill looks at beside its SLIs. Before the fault: what the backup says of itself, that it can be read, the
//! content, and that the survivors of the ledger can be read. After the runbook, whatever that came to: how far the restore
//! came, level by level, and which acknowledged writes survived it. The load goes on meanwhile.

mod look;
mod point;
pub(super) mod words;

use super::drill::Drill;
use super::monitor::shown;
use super::recover::ARRIVAL;
use super::revert::SETTLE;
use super::stop::Stop;
use crate::record::{
    Check, CheckOutcome, DrillTime, Event, Numbers, RestoreLevel, Verdict, WAIT_AFTER, WAIT_BEFORE, WriteRecord,
    backup_age_us,
};
use crate::slis::window::Answer;
use crate::spec::{Expectation, LevelProbe, Probe, RestoreSpec};
use crate::stack::Whole;
use look::Looked;
use std::collections::BTreeMap;
use std::time::Duration;
use words::{ended, facts, grouped, judged, kept, too_old};

/// What a DR drill has seen of its restore.
#[derive(Debug, Default)]
pub struct Restored {
    /// Check of the content → what its command wrote before the fault.
    contents: BTreeMap<String, Vec<u8>>,
    /// The level that was reached; `None` when nobody asked.
    level: Option<RestoreLevel>,
    /// What the backup says about itself.
    backup: BTreeMap<String, String>,
    /// When the drill began, in UTC.
    started_utc: String,
}

impl Restored {
    /// Nothing yet.
    pub(super) fn new(started_utc: &str) -> Restored {
        Restored { started_utc: started_utc.to_string(), ..Restored::default() }
    }

    /// How old the backup was at an instant, when it says so.
    fn backup_age_us(&self, at: DrillTime) -> Option<u64> {
        backup_age_us(&self.backup, &self.started_utc, at)
    }
}

/// How the levels were seen.
struct Levels {
    reached: RestoreLevel,
    /// The first check that did not hold: its evidence, and its line in the scenario.
    failed: Option<(String, usize)>,
    /// Why a check could not be asked, when that was Docker's fault.
    broke: Option<Stop>,
}

impl Levels {
    /// `the restore reached L2 (the backup is restored) and failed at L3: …`.
    fn shown(&self) -> String {
        let reached = format!("the restore reached {} ({})", self.reached, self.reached.meaning());
        match (&self.failed, self.reached.next()) {
            (Some((evidence, _)), Some(next)) => format!("{reached} and failed at {next}: {evidence}"),
            _ => reached,
        }
    }
}

impl<'a> Drill<'a> {
    /// What a DR drill has to restore; a control restores nothing.
    pub(super) fn restoring(&self) -> Option<&'a RestoreSpec> {
        self.plan.restore.as_ref().filter(|_| !self.control)
    }

    /// Whether the level is the one that the scenario expects.
    pub(super) fn level_as_expected(&self) -> bool {
        self.restoring().is_none_or(|restore| self.restored.level == Some(restore.expect))
    }

    /// At the end of steady: nothing that will be judged may be broken before anything is.
    pub(super) async fn before_restore(&mut self) -> Result<(), Stop> {
        let Some(restore) = self.restoring() else { return Ok(()) };
        let started = self.sink.now();
        let seen = self.look_before(restore).await;
        self.waited(WAIT_BEFORE, started, whole_time(restore), seen.is_ok());
        seen
    }

    async fn look_before(&mut self, restore: &RestoreSpec) -> Result<(), Stop> {
        if let Some(backup) = &restore.backup {
            let probe = &backup.probe;
            let whole = self.must_answer(probe, "the backup does not tell of itself").await?;
            let facts = facts(&whole.stdout);
            if facts.is_empty() {
                return Err(self.unsteady(probe, "the backup does not tell of itself", "no line is `key=value`"));
            }
            self.restored.backup.clone_from(&facts);
            self.sink.emit(Event::BackupSeen { facts });
            if let Some(most) = backup.max_age {
                too_old(self.restored.backup_age_us(self.sink.now()), most)
                    .map_or(Ok(()), |why| Err(self.unsteady(probe, "the backup is no recent one", &why)))?;
            }
        }
        for check in restore.probes.iter().filter(|check| check.level == RestoreLevel::L1) {
            let (held, evidence) = judged(&check.expected, None, &self.look(&check.probe).await?);
            if !held {
                return Err(self.unsteady(&check.probe, "the backup cannot be read", &evidence));
            }
        }
        for check in compared(restore) {
            let what = format!("the content `{}` cannot be read", check.name);
            let whole = self.must_answer(&check.probe, &what).await?;
            if whole.stdout.trim_ascii().is_empty() {
                return Err(self.unsteady(
                    &check.probe,
                    &what,
                    "it wrote nothing, so there is nothing to compare with",
                ));
            }
            if words::is_checksum_of_nothing(&whole.stdout) {
                let why = "it is the checksum of nothing: does the command before the `|` fail?";
                return Err(self.unsteady(&check.probe, &what, why));
            }
            self.sink.emit(Event::ContentNoted { name: check.name.clone(), text: kept(&whole.stdout) });
            self.restored.contents.insert(check.name.clone(), whole.stdout);
        }
        self.ledger_holds(restore).await
    }

    /// The ledger must be one: writes are acknowledged, and what was acknowledged is there as long as nothing is broken.
    async fn ledger_holds(&self, restore: &RestoreSpec) -> Result<(), Stop> {
        let ledger = &restore.ledger;
        let read = self.read_back(&ledger.survivors).await;
        if let Some(broke) = read.broke {
            return Err(broke);
        }
        let Some(survivors) = &read.survivors else {
            return Err(self.unsteady(&ledger.survivors, "the survivors cannot be read", &read.evidence));
        };
        let judged = |write: &&WriteRecord| write.is_acknowledged() && write.ended() <= read.asked;
        let (acknowledged, lost, unknown) = self.monitor.writes(|writes| {
            let ended: Numbers = writes.iter().map(|write| write.number()).collect();
            let unknown: Numbers = survivors.iter().filter(|number| !ended.contains(*number)).collect();
            let acknowledged = writes.iter().filter(judged);
            let lost = acknowledged.clone().map(|write| write.number()).filter(|number| !survivors.contains(*number));
            (acknowledged.count(), lost.collect::<Numbers>(), unknown)
        });
        if acknowledged == 0 {
            let why = format!("no answer was as `{}` says", ledger.acknowledged.text);
            return Err(self.unsteady(&ledger.survivors, "no write was acknowledged", &why));
        }
        if let Some(first) = lost.iter().next() {
            let why = format!(
                "{} of {} are not among the survivors, the first is number {first}; is it `{{{{counter}}}}` that is read back?",
                grouped(lost.len() as u64),
                grouped(acknowledged as u64)
            );
            return Err(self.unsteady(&ledger.survivors, "acknowledged writes are lost", &why));
        }
        if let Some(first) = unknown.iter().next().filter(|_| unknown.len() > self.most_under_way(&ledger.load)) {
            let why = format!(
                "{}, the first is number {first}; filter out the rows that were there before the drill, as those of a seed",
                grouped(unknown.len() as u64)
            );
            return Err(self.unsteady(&ledger.survivors, "there are survivors that were never sent", &why));
        }
        Ok(())
    }

    /// How many writes of a load may be among the survivors before it is known how they ended.
    fn most_under_way(&self, load: &str) -> usize {
        /// What arrives in bursts.
        const MARGIN: usize = 10;
        let load = self.plan.loads.iter().find(|spec| spec.name == load);
        load.map_or(0, |load| (load.rate * load.timeout.as_secs_f64()).ceil() as usize) + MARGIN
    }

    fn unsteady(&self, probe: &Probe, what: &str, why: &str) -> Stop {
        let reason = format!("{what} before anything is broken: {why}");
        Stop::new(Verdict::Unsteady, reason).at(self.in_scenario(probe.line))
    }

    /// What a script wrote that must succeed before anything is broken.
    async fn must_answer(&self, probe: &Probe, what: &str) -> Result<Whole, Stop> {
        match self.look(probe).await? {
            Looked { answer: Ok(whole), .. } if whole.code == Some(0) => Ok(whole),
            Looked { answer: Ok(whole), .. } => Err(self.unsteady(probe, what, &ended(&whole))),
            Looked { answer: Err(why), .. } => Err(self.unsteady(probe, what, &why)),
        }
    }

    /// After the runbook and the recovery, whatever they came to: looks at the restore, and has the last word on a drill that
    /// would pass.
    pub(super) async fn after_restore(
        &mut self,
        restore: &RestoreSpec,
        came_to: Result<String, Stop>,
    ) -> Result<String, Stop> {
        // The clock of the phases stops here: what follows belongs to none of them.
        self.end_phase();
        let started = self.sink.now();
        let levels = self.levels(restore).await;
        self.restored.level = Some(levels.reached);
        let read = self.read_back(&restore.ledger.survivors).await;
        read.tell(&self.sink);
        let complete = self.ledger_is_complete(&restore.ledger.load).await;
        self.waited(
            WAIT_AFTER,
            started,
            whole_time(restore) + self.longest_request() + ARRIVAL + self.asking_users(),
            complete.is_ok(),
        );
        let level = self.judge_level(restore, &levels, came_to.as_ref().err(), started);
        let time = self.judge_time(came_to.as_ref().err());
        let (lost, point) = self.judge_point(restore, &read, complete, started);
        let stops: Vec<Stop> = [level, time, point].into_iter().flatten().collect();
        match (came_to, stops.first()) {
            (Ok(reason), None) => Ok(format!("{reason}; {}; {lost}", levels.shown())),
            (Ok(_), Some(first)) if first.disturbed => Err(first.clone()),
            (Ok(_), Some(first)) => {
                let reasons: Vec<&str> = stops.iter().map(|stop| stop.reason.as_str()).collect();
                Err(Stop { reason: reasons.join("; "), ..first.clone() })
            }
            (Err(stop), _) => Err(Stop { reason: format!("{}; {}", stop.reason, levels.shown()), ..stop }),
        }
    }

    /// L1 to L4 in order, up to the first that does not hold.
    async fn levels(&self, restore: &RestoreSpec) -> Levels {
        let mut seen: Vec<(RestoreLevel, &str, bool)> = Vec::new();
        let (mut failed, mut broke) = (None, None);
        let reached = |seen: &[_]| RestoreLevel::reached(seen.iter().copied(), self.recovery.is_some());
        for level in
            RestoreLevel::ALL.into_iter().filter(|level| *level > RestoreLevel::L0 && *level < RestoreLevel::L5)
        {
            for check in restore.probes.iter().filter(|check| check.level == level) {
                // A check of the content may have the name of a level.
                let before = self.restored.contents.get(&check.name).filter(|_| level == RestoreLevel::L4);
                let before = before.map(Vec::as_slice);
                let (held, evidence) = match self.look(&check.probe).await {
                    Ok(looked) => judged(&check.expected, before, &looked),
                    Err(stop) => {
                        let evidence = format!("it could not be asked: {}", stop.reason);
                        broke.get_or_insert(stop.at(self.in_scenario(check.probe.line)));
                        (false, evidence)
                    }
                };
                if !held {
                    failed.get_or_insert((format!("{}: {evidence}", check.name), check.probe.line));
                }
                seen.push((level, &check.name, held));
                self.sink.emit(Event::Probed { level, name: check.name.clone(), held, evidence });
            }
            if reached(&seen) < level {
                break;
            }
        }
        if reached(&seen) == RestoreLevel::L5 {
            let (level, name) = (RestoreLevel::L5, "users");
            let (held, evidence) = self.still_served().await.unwrap_or_else(|stop| {
                let evidence = format!("it could not be asked: {}", stop.reason);
                broke.get_or_insert(stop);
                (false, evidence)
            });
            if !held {
                failed.get_or_insert((evidence.clone(), self.plan.line_of("recover")));
            }
            seen.push((level, name, held));
            self.sink.emit(Event::Probed { level, name: name.to_string(), held, evidence });
        }
        Levels { reached: reached(&seen), failed, broke }
    }

    /// How long users may take to show that they are still served.
    fn asking_users(&self) -> Duration {
        self.required_hold() + self.longest_request() + SETTLE
    }

    /// Whether every SLI still meets its objective over the latest hold, now that everything else was asked.
    async fn still_served(&self) -> Result<(bool, String), Stop> {
        let (hold, now) = (self.required_hold(), self.sink.now());
        let since = self.recovery.map_or(now, |recovery| recovery.from);
        let steady = |timeline: &crate::slis::window::Timeline| timeline.steady(hold, since);
        let held = self.monitor.until(now.plus(self.asking_users()), |monitor| match monitor.timeline(steady) {
            Answer::Yes(levels) if levels.iter().all(|level| level.to >= now) => Some(()),
            _ => None,
        });
        let held = held.await?.is_some();
        let levels = shown(&self.latest(hold));
        if held {
            return Ok((true, format!("every SLI still held: {levels}")));
        }
        if let Some(disturbed) = self.monitor.disturbed() {
            return Err(Stop::disturbed(disturbed));
        }
        match self.monitor.timeline(steady) {
            Answer::No(_) => Ok((false, format!("users had recovered, and then lost the service again: {levels}"))),
            _ => Err(Stop::harness("there was no complete measurement after the restore was looked at")),
        }
    }

    fn judge_level(
        &self,
        restore: &RestoreSpec,
        levels: &Levels,
        before: Option<&Stop>,
        started: DrillTime,
    ) -> Option<Stop> {
        if levels.reached == RestoreLevel::L5 {
            self.decided(Check::RestoreLevel, started, CheckOutcome::Passed { evidence: levels.shown() });
            return None;
        }
        let line = levels.failed.as_ref().map_or_else(|| self.plan.line_of("restore"), |(_, line)| *line);
        let stop = match (&levels.broke, &levels.failed, before) {
            (Some(broke), ..) => broke.clone(),
            (None, None, Some(stop)) if levels.reached == RestoreLevel::L4 && stop.verdict.is_harness() => {
                Stop::harness(format!(
                    "{}; whether users have recovered cannot be told: {}",
                    levels.shown(),
                    stop.reason
                ))
            }
            (None, None, _) if levels.reached == RestoreLevel::L4 => {
                let users = match before.is_some_and(not_by_the_runbook) {
                    true => "users recovered, but not by the runbook",
                    false => "users had not recovered",
                };
                Stop::new(Verdict::NotRecovered, format!("{} and {users}", levels.shown()))
            }
            _ => Stop::new(Verdict::NotRecovered, levels.shown()),
        };
        let expected = if restore.expect == levels.reached { ", as the scenario expects" } else { "" };
        let stop = Stop { reason: format!("{}{expected}", stop.reason), ..stop };
        Some(self.failed(Check::RestoreLevel, started, stop.at(self.in_scenario(line))))
    }
}

/// Users recovered, and the runbook had no part in it.
pub(super) fn not_by_the_runbook(stop: &Stop) -> bool {
    stop.verdict == Verdict::SelfHealed
}

/// The checks of the content that are compared with what they wrote before the fault.
fn compared(restore: &RestoreSpec) -> impl Iterator<Item = &LevelProbe> {
    restore.probes.iter().filter(|check| check.expected == Expectation::AsBefore)
}

/// The longest time that looking at everything once can take.
fn whole_time(restore: &RestoreSpec) -> Duration {
    let scripts =
        restore.probes.iter().map(|check| &check.probe).chain(restore.backup.iter().map(|backup| &backup.probe));
    scripts.chain([&restore.ledger.survivors]).map(look::longest).sum()
}
