//! A drill computed again from its `events.jsonl` alone: windows, impact, hold, recovery, relapse, figures and verdict follow
//! from the slices and from what happened when, by the definitions of `slis/window.rs`, and are held against what the run said
//! then: its events, its `record.json`, its `junit.xml`, its `report.html`. Answers of invariants, ends of steps and the lateness
//! of the generator are judged again by what was seen. What only the moment knew (an exit code, the answer of a probe or of a
//! person, that the harness broke) is taken from its event.

mod answers;

use crate::record::{
    AlertMoment, Announcement, Check, CheckOutcome, CheckResult, DrillTime, Event, FaultAfter, FaultEvent, FaultInfo,
    FaultRecord, HoldRecord, ImpactRecord, InvariantRecord, InvariantTime, LateRecord, MeasuredSeverity,
    PageExpectation, Phase, ProbeInfo, Record, RecoveryRecord, RestoreLevel, SLICE_US, Stamped, StepStatus, Verdict,
    WAIT_KEPT, WAIT_RECOVERED, WAIT_SERVED, WindowRecord, detect_from, lost_since, micros, read_file, severity_of,
};
use crate::slis::window::{ImpactQuery, ImpactSize, Level, Recovery, RecoveryQuery, TimeSpan, Timeline};
use crate::slis::{Good, Lateness, Ratio, SliSpec};
use crate::{archive, report};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::time::Duration;

/// As in `slis/window.rs`: 99.9 / 100 and 999 / 1000 are not the same `f64`.
const TOLERANCE: f64 = 1e-9;

/// A figure, computed again and as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recomputed {
    /// What: `figures.to_recover_us`, `verdict`, `junit.xml: rto_seconds`.
    pub figure: String,
    /// What follows from the events.
    pub recomputed: String,
    /// What the run says.
    pub recorded: String,
}

impl Recomputed {
    /// Whether both are the same.
    pub fn is_same(&self) -> bool {
        self.recomputed == self.recorded
    }
}

/// Computes a run again; a runbook that was followed alone has no figures. An error is a run that cannot be read, or, of the kind
/// `Unsupported`, one that was made under other rules: what differs in it says nothing of who changed it, and what is the same nothing
/// of whether it is right.
pub fn recompute(dir: &Path) -> io::Result<Vec<Recomputed>> {
    let events = archive::read_events(dir, |_| true)?;
    let told = archive::read_story(dir)?;
    let Some(plan) = told.plan.as_deref() else {
        let why = format!("{}: the story has no beginning", dir.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    };
    // Only a drill has a record.
    if plan.alone && !dir.join("record.json").exists() {
        return Ok(Vec::new());
    }
    if let Some(other) = plan.other_rules() {
        return Err(io::Error::new(io::ErrorKind::Unsupported, format!("{other}: its figures are not compared")));
    }
    let mut rows = Rows::default();
    for damage in &told.damage {
        rows.row("events.jsonl", "whole", damage);
    }
    let anew = Anew::new(plan, &told, &events).measured(&mut rows);
    let saved = read_file(dir.join("record.json")).and_then(|bytes| Ok(serde_json::from_slice::<Value>(&bytes)?));
    match saved {
        Ok(saved) => against_record(&anew, &told, &saved, &mut rows),
        Err(error) => rows.row("record.json", "a record", format!("cannot be read: {error}")),
    }
    if let Ok(saved) = read_file(dir.join("junit.xml")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()) {
        let made = String::from_utf8_lossy(&report::junit(&[&anew])).into_owned();
        side_by_side("junit.xml", properties(&made), properties(&saved), true, &mut rows);
    }
    // Another version writes the same otherwise.
    let of_this_version = plan.tool_version == env!("CARGO_PKG_VERSION");
    if let (Ok(saved), true) = (read_file(dir.join("report.html")), of_this_version) {
        let made = report::html(&report::Drills::one(told.clone()));
        let same = if made == saved { "as the events make it" } else { "otherwise" };
        rows.row("report.html", "as the events make it", same);
    }
    Ok(rows.0)
}

#[derive(Default)]
struct Rows(Vec<Recomputed>);

impl Rows {
    fn row(&mut self, figure: &str, recomputed: impl ToString, recorded: impl ToString) {
        let (recomputed, recorded) = (recomputed.to_string(), recorded.to_string());
        self.0.push(Recomputed { figure: figure.into(), recomputed, recorded });
    }
}

fn at(time: Option<DrillTime>) -> String {
    time.map_or("none".into(), |time| format!("{} µs", time.0))
}

/// The facts of a drill, and its slices.
struct Anew<'a> {
    plan: &'a Announcement,
    /// What the events say, conclusions of the moment included: these are replaced.
    told: &'a Record,
    events: &'a [Stamped],
    slis: Vec<SliSpec>,
    timeline: Timeline,
}

impl<'a> Anew<'a> {
    fn new(plan: &'a Announcement, told: &'a Record, events: &'a [Stamped]) -> Self {
        let spec = |sli: &crate::record::SliInfo| {
            let good = Good { text: sli.good.clone(), terms: Vec::new() };
            let objective = Ratio::new(sli.objective)?;
            Some(SliSpec { name: sli.name.clone(), series: sli.load.clone(), good, objective, slo: None })
        };
        let slis: Vec<SliSpec> = plan.slis.iter().filter_map(spec).collect();
        let mut anew = Anew { plan, told, events, timeline: Timeline::new(&slis), slis };
        anew.timeline = anew.known_at(usize::MAX);
        anew
    }

    /// What was known when the event of this number in the file came.
    fn known_at(&self, number: usize) -> Timeline {
        let mut timeline = Timeline::new(&self.slis);
        for stamped in self.events.iter().take(number) {
            if let Event::Slice(slice) = &stamped.event {
                timeline.push(slice.clone());
            }
        }
        timeline
    }

    /// Everything that was measured, computed again: the record with these conclusions in the place of those of the moment.
    fn measured(&self, rows: &mut Rows) -> Record {
        let (told, windows) = (self.told, &self.plan.windows);
        let mut anew = told.clone();
        self.steady(rows);
        anew.invariants = self.invariants(rows);
        self.steps(&mut anew, rows);
        if !told.verdict.is_harness() {
            let few = "as few as allowed";
            rows.row("requests sent late", self.disturbed().unwrap_or_else(|| few.into()), few);
        }
        anew.impacts = self.impact(rows);
        let impact = anew.impacts.iter().map(|impact| impact.impact_us).min();
        // Of what fell until the runbook began to help, the slowest one counts, each from the last injection before it.
        let recover = told.phases.iter().find(|phase| phase.phase == Phase::Recover).map(|phase| phase.started_us);
        let until = told.mitigation_started_us.or(recover).unwrap_or_default();
        let moments = told.counted_faults().flat_map(|fault| fault.life.windows(2));
        let begun = moments.filter_map(|pair| match pair {
            [one, next] if one.what == FaultEvent::Injecting && next.what == FaultEvent::Confirmed => {
                (next.at_us <= until).then_some(one.at_us)
            }
            _ => None,
        });
        let begun: Vec<DrillTime> = begun.collect();
        let took = |hit: Level| Some(hit.to.since(*begun.iter().filter(|began| **began <= hit.to).max()?));
        let first = impact.zip(told.injecting_us()).map(|(impact, began)| impact.since(began));
        let onset = self.fallen_by(&self.timeline, until, None).into_iter().filter_map(took).chain(first).max();
        // How much of a fault was left only the moment knew.
        let of_then = told.hold.unwrap_or_default();
        let hold = HoldRecord {
            configured_us: windows.recover_hold_us,
            onset_us: onset.map(micros),
            window_us: windows.impact_window_us,
            shown_after_us: windows.shown_after_us.unwrap_or(of_then.shown_after_us),
            ..of_then
        };
        let hold = hold.settled();
        if let Some(recorded) = &told.hold {
            rows.row("hold required", format!("{} µs", hold.required_us), format!("{} µs", recorded.required_us));
        }
        let hold = hold.required();
        let suffering = self.still_broken(&anew, rows);
        let (recovery, own) = self.recovery(impact, hold);
        let relapsed = recovery.and_then(|recovery| self.relapsed(recovery));
        let credited = recovery.filter(|_| !self.without_the_runbook());
        let relapsed = relapsed.filter(|_| credited.is_some());
        if self.looked_for_a_recovery() && !self.plan.control {
            rows.row("recovered", at(credited.map(|recovery| recovery.at)), at(told_recovery(told)));
            rows.row("relapsed", at(relapsed), at(told.relapsed_us));
            let held = told.windows.iter().rev().find(|w| w.phase == Phase::Recover);
            let span = |span: Option<TimeSpan>| {
                span.map_or("none".into(), |(from, to): TimeSpan| format!("{} to {} µs", from.0, to.0))
            };
            let [made, held] = [credited.map(|own| (own.from, own.to)), held.map(|held| (held.from_us, held.to_us))];
            rows.row("window of the recovery", span(made), span(held));
            anew.recoveries = own.into_iter().filter(|_| recovery.is_none() || credited.is_some()).collect();
            anew.windows.retain(|window| window.phase != Phase::Recover);
            if let Some(Recovery { at, from, to }) = credited {
                anew.recoveries.push(RecoveryRecord { sli: String::new(), recovered_us: at });
                anew.windows.push(WindowRecord { phase: Phase::Recover, from_us: from, to_us: to });
            }
            anew.relapsed_us = relapsed;
        }
        anew.severity = self.severity(&anew, credited, rows);
        if let Some(verdict) = self.verdict(&anew, suffering, recovery) {
            anew.verdict = verdict;
        }
        rows.row("verdict", anew.verdict, told.verdict);
        anew
    }

    /// How severe the incident was, measured again.
    fn severity(&self, anew: &Record, recovery: Option<Recovery>, rows: &mut Rows) -> Option<MeasuredSeverity> {
        let told = self.told.severity.as_ref();
        // Without a recovery only the moment knew until when everything was known.
        let recovered = recovery.map(|recovery| recovery.from);
        // A drill that passed and declares a severity has measured one.
        let declared = self.plan.severity.is_some() && !self.plan.severities.is_empty() && !self.plan.control;
        let owed = declared && self.told.verdict == Verdict::Passed;
        let until_us = match (told, recovered) {
            (Some(_), Some(recovered)) => recovered,
            (Some(told), None) => told.until_us,
            (None, Some(recovered)) if owed => recovered,
            (None, _) => return None,
        };
        let data_lost = anew.data_figures().is_some_and(|data| data.is_lossy());
        let measured = anew.users_hurt(until_us).map(|(sli, users_hurt)| {
            let severity = severity_of(&self.plan.severities, users_hurt, data_lost).map(|level| level.name.clone());
            MeasuredSeverity { severity, sli, users_hurt, data_lost, until_us }
        });
        let text = |measured: Option<&MeasuredSeverity>| {
            measured.map_or("none".into(), |MeasuredSeverity { severity, sli, users_hurt, data_lost, until_us }| {
                let severity = severity.as_deref().unwrap_or("none");
                format!("{severity}, {sli} {users_hurt:.6} until {} µs, data lost: {data_lost}", until_us.0)
            })
        };
        rows.row("severity", text(measured.as_ref()), text(told));
        measured
    }

    /// The answers of the invariants, judged again.
    fn invariants(&self, rows: &mut Rows) -> Vec<InvariantRecord> {
        let told = &self.told.invariants;
        let judged = told.iter().map(|answer| {
            let info = self.plan.invariants.iter().find(|info| info.name == answer.name);
            let held = info.is_some_and(|info| answers::invariant_holds(info, told, answer));
            let word = |held| if held { "holds" } else { "does not hold" };
            rows.row(&format!("invariant `{}` {}", answer.name, answer.time.words()), word(held), word(answer.held));
            InvariantRecord { held, ..answer.clone() }
        });
        judged.collect()
    }

    /// How the steps ended, judged again.
    fn steps(&self, anew: &mut Record, rows: &mut Rows) {
        let name = |status: Option<StepStatus>| status.map_or("no end", StepStatus::name);
        for step in anew.steps.iter_mut().filter(|step| !step.commands.is_empty()) {
            let Some(info) = self.plan.steps.iter().find(|info| info.id == step.step) else { continue };
            let told = step.status;
            step.status = answers::step_ended(info, step);
            rows.row(&format!("step `{}`", step.step), name(step.status), name(told));
        }
    }

    /// Why the measurement could not be trusted when the engine asked, if it could not.
    fn disturbed(&self) -> Option<String> {
        let asked = |event: &Event| matches!(event, Event::Waited { what, .. } if [WAIT_RECOVERED, WAIT_KEPT].contains(&what.as_str()));
        let last = self.events.iter().rposition(|stamped| asked(&stamped.event))?;
        let mut lateness = Lateness::default();
        for stamped in self.events.iter().take(last) {
            match &stamped.event {
                Event::Slice(slice) => lateness.due(&slice.load, slice.due),
                Event::Late(LateRecord { load, worst_us, count }) => {
                    lateness.late(load, stamped.at_us, *count, *worst_us);
                }
                _ => {}
            }
        }
        let known = self.known_at(last);
        lateness.disturbed(|load| known.requests_per_second(load))
    }

    /// Whether every invariant was asked then; a control asks none.
    fn asked(&self, time: InvariantTime) -> bool {
        let answered = |name: &str| self.told.invariants.iter().any(|i| i.name == name && i.time == time);
        self.plan.control || self.plan.invariants.iter().all(|info| answered(&info.name))
    }

    /// First and last confirmed fault.
    fn injected(&self) -> Option<(DrillTime, DrillTime)> {
        let confirmed = || self.told.injections().into_iter().map(|(_, confirmed)| confirmed);
        confirmed().min().zip(confirmed().max())
    }

    /// Every SLI meets its objective over the windows that are said to have held.
    fn steady(&self, rows: &mut Rows) {
        for held in self.told.windows.iter().filter(|window| window.phase != Phase::Recover) {
            let figure = format!("window of {}, {} to {} µs", held.phase.name(), held.from_us.0, held.to_us.0);
            let missed = self.slis.iter().filter_map(|sli| {
                let counts = self.told.counts(&sli.name, held.from_us, held.to_us);
                let met = counts.ratio().is_some_and(|ratio| ratio + TOLERANCE >= sli.objective.get());
                (!met).then(|| format!("{}: {} of {} events were good", sli.name, counts.good, counts.valid))
            });
            let mut missed: Vec<String> = missed.collect();
            let loads: BTreeSet<&str> = self.slis.iter().map(|sli| sli.series.as_str()).collect();
            let several = loads.len() > 1;
            missed.extend(loads.into_iter().filter_map(|load| {
                let known = self.timeline.covered_until(load).unwrap_or_default();
                (known.0 + SLICE_US / 2 < held.to_us.0)
                    .then(|| format!("of `{load}` a slice is missing after {} µs", known.0))
            }));
            rows.row(&figure, if missed.is_empty() { "held".into() } else { missed.join("; ") }, "held");
            let windows = &self.plan.windows;
            let wanted = match held.phase {
                Phase::Revert => windows.revert_hold_us,
                _ => windows.steady_us,
            };
            let whole = (held.to_us.0.saturating_sub(held.from_us.0) + SLICE_US / 2) / SLICE_US;
            // Slices of several loads do not begin at one moment: those of all of them are up to one more.
            let wanted = wanted.div_ceil(SLICE_US) + u64::from(several && whole > wanted.div_ceil(SLICE_US));
            rows.row(&format!("slices of the {} window", held.phase.name()), wanted, whole);
            let undone = self.told.faults.iter().filter_map(|fault| fault.undone()).max();
            if let Some(undone) = undone.filter(|_| held.phase == Phase::Revert) {
                let earliest = undone.plus(Duration::from_micros(windows.told_every_us));
                let early = earliest.0.saturating_sub(held.from_us.0);
                rows.row("the window after the revert begins too early by", 0, early);
            }
        }
    }

    /// Below what an SLI had to fall, where one had to, with the first and the last confirmed fault.
    fn wanted(&self, steady: Option<TimeSpan>) -> Option<(ImpactSize, (DrillTime, DrillTime))> {
        let begun = self.told.phases.iter().any(|phase| phase.phase == Phase::Impact);
        self.impact_size(steady).filter(|_| begun && !self.plan.windows.impact_none).zip(self.injected())
    }

    /// The SLIs that had to fall and had fallen by then, as far as it was known; beyond what was bad while `steady`, where that is given.
    fn fallen_by(&self, known: &Timeline, until: DrillTime, steady: Option<TimeSpan>) -> Vec<Level> {
        let Some((size, (from, _))) = self.wanted(steady) else { return Vec::new() };
        let slis = self.plan.slis.iter().filter(|sli| sli.must_breach).map(|sli| sli.name.clone()).collect();
        let query = ImpactQuery { slis, size, from, until };
        known.impact(&query).and_then(Result::ok).unwrap_or_default()
    }

    /// The SLIs that fell. The first window of an SLI stays the first one, whatever becomes known later.
    fn impact(&self, rows: &mut Rows) -> Vec<ImpactRecord> {
        // From the first fault on; the time to be seen in counts from the last one.
        let Some((_, (_, last))) = self.wanted(None) else { return Vec::new() };
        let until = last.plus(Duration::from_micros(self.plan.windows.impact_within_us));
        let record = |hit: Level| {
            let ratio = hit.ratio().unwrap_or_default();
            ImpactRecord { sli: hit.sli, impact_us: hit.to, ratio }
        };
        let fell = self.fallen_by(&self.timeline, until, self.steady_window());
        let mut fell: Vec<ImpactRecord> = fell.into_iter().map(record).collect();
        let told = &self.told.impacts;
        let is_error = |check: &CheckResult| matches!(check.outcome, CheckOutcome::Error { .. });
        match told.is_empty() {
            // It was cut off before it had looked, or had not measured.
            true if self.told.check(&Check::Impact).is_none_or(is_error) => fell.clear(),
            true => {}
            // The first one is enough: which others fell later nobody asked.
            false => fell.retain(|own| told.iter().any(|impact| impact.sli == own.sli)),
        }
        let text = |all: &[ImpactRecord]| {
            let one = |fell: &ImpactRecord| format!("{} {:.4} at {} µs", fell.sli, fell.ratio, fell.impact_us.0);
            let mut all: Vec<String> = all.iter().map(one).collect();
            all.sort();
            if all.is_empty() { "none".into() } else { all.join("; ") }
        };
        rows.row("impact", text(&fell), text(told));
        fell
    }

    /// Whether users still suffered when the first mitigating command started; `None` where nobody had to ask.
    fn still_broken(&self, anew: &Record, rows: &mut Rows) -> Option<bool> {
        let number = self.events.iter().position(|stamped| matches!(stamped.event, Event::MitigationStarted { .. }))?;
        let (since, _) = self.injected()?;
        let checked = self.told.check(&Check::StillBroken)?;
        if anew.impacts.is_empty() {
            return None;
        }
        let window = Duration::from_micros(self.plan.windows.impact_window_us);
        // While a person was asked time went by: what counts was known when they were.
        let asked = self.events.iter().position(|stamped| stamped.at_us > checked.started_us).unwrap_or(number);
        let suffer = |number: usize| {
            let known = self.known_at(number);
            known.still_broken(&names(self.fallen_by(&known, self.told.last_us, None)), window, since).users_suffer()
        };
        // A slice may have come between the question and its event, on either side.
        let near = |number: usize| (number.saturating_sub(3)..=number + 3).any(suffer);
        let suffering = near(number.min(asked));
        let told = matches!(checked.outcome, CheckOutcome::Passed { .. });
        rows.row("users suffered when the mitigation began", suffering, told);
        Some(suffering)
    }

    /// A runbook was followed that nobody can say to have helped: none of its commands was meant to, a fault ended by itself, or
    /// users were served again before.
    fn without_the_runbook(&self) -> bool {
        let ended = |fault: &FaultRecord| fault.after == Some(FaultAfter::EndedByItself);
        self.plan.runbook_file.is_some()
            && (self.told.mitigation_started_us.is_none()
                || self.told.faults.iter().any(ended)
                || self.told.verdict == Verdict::SelfHealed && self.served_before())
    }

    /// Whether users were served again before the first mitigating command, or before a person was asked for it. How long a request may
    /// take is not in the record.
    fn served_before(&self) -> bool {
        let Some((first, _)) = self.injected() else { return false };
        let asked = self.told.check(&Check::StillBroken).map(|check| check.started_us);
        [asked, self.told.mitigation_started_us].into_iter().flatten().any(|begun| {
            let hit = names(self.fallen_by(&self.timeline, begun, None));
            let load = |series: &str| self.plan.loads.iter().find(|load| load.name == series);
            let every = |series: &str| Duration::from_micros(load(series).map_or(0, |load| load.told_every_us));
            self.timeline.served_before(&hit, first, begun, Duration::ZERO, every).is_some()
        })
    }

    fn looked_for_a_recovery(&self) -> bool {
        // A measurement that cannot be trusted says nothing of one, whatever its slices add up to.
        self.told.hold.is_some() && !(self.told.verdict.is_harness() && told_recovery(self.told).is_none())
    }

    fn query(&self, impact: Option<DrillTime>, hold: Duration) -> Option<RecoveryQuery> {
        let (first, last) = self.injected()?;
        let followed = !self.plan.control && self.plan.runbook_file.is_some();
        let recover = self.told.phases.iter().find(|phase| phase.phase == Phase::Recover)?.started_us;
        let healed = impact.unwrap_or(first);
        // A runbook without a mitigating command: what heals from its end on heals by itself or by hand.
        let from = if followed { self.told.mitigation_started_us.unwrap_or(recover) } else { healed };
        let ended = match (followed, self.plan.control) {
            (true, _) => self.told.mitigation_ended_us.unwrap_or(recover),
            (false, true) => recover,
            // What heals without a runbook may need those to end that end by their time.
            (false, false) => {
                let ended = self.told.faults.iter().filter_map(|fault| fault.at(FaultEvent::EndedByTime));
                ended.fold(last, DrillTime::max)
            }
        };
        let windows = &self.plan.windows;
        let runbook_took_us = windows.runbook_took_us.filter(|_| self.plan.control).unwrap_or_default();
        let mut within = Duration::from_micros(windows.recover_within_us + runbook_took_us);
        if let (true, Some(rto)) = (self.plan.control, self.plan.rto_us()) {
            within = within.max(first.plus(Duration::from_micros(rto)).since(recover));
        }
        let window = Duration::from_micros(self.plan.windows.recover_hold_us);
        let grown = self.told.counted_faults().filter_map(|fault| fault.at(FaultEvent::Grown)).max();
        let runbook_ended = followed.then_some(recover).max(grown);
        let steady = self.steady_window();
        let impact = self.unfelt_size();
        Some(RecoveryQuery { from, deadline: ended.plus(within), hold, window, runbook_ended, steady, impact })
    }

    /// What would be an impact while users are served, where they were to feel one.
    fn unfelt_size(&self) -> Option<ImpactSize> {
        let steady = self.steady_window().filter(|_| !self.plan.windows.impact_none)?;
        self.impact_size(Some(steady))
    }

    fn impact_size(&self, steady: Option<TimeSpan>) -> Option<ImpactSize> {
        let (windows, window) = (&self.plan.windows, Duration::from_micros(self.plan.windows.impact_window_us));
        Some(ImpactSize { below: windows.impact_below.and_then(Ratio::new)?, window, steady })
    }

    fn steady_window(&self) -> Option<TimeSpan> {
        let held = self.told.windows.iter().find(|window| window.phase == Phase::Steady)?;
        Some((held.from_us, held.to_us))
    }

    /// The recovery of all SLIs together, and of each by itself.
    fn recovery(&self, impact: Option<DrillTime>, hold: Duration) -> (Option<Recovery>, Vec<RecoveryRecord>) {
        let Some(query) = self.query(impact, hold).filter(|_| self.looked_for_a_recovery()) else {
            return (None, Vec::new());
        };
        let asked = |only: Option<&str>| self.timeline.recovered(only, &query)?.ok();
        let together = asked(None);
        let own: Vec<(String, Option<Recovery>)> =
            self.slis.iter().map(|sli| (sli.name.clone(), asked(Some(&sli.name)))).collect();
        let apart = together.is_none() && own.iter().all(|(_, own)| own.is_some());
        let own = own.into_iter().filter(|_| !apart).filter_map(|(sli, own)| {
            let recovered_us = own.or(together)?.at;
            Some(RecoveryRecord { sli, recovered_us })
        });
        (together, own.collect())
    }

    /// When users lost the service again before the faults were undone.
    fn relapsed(&self, recovery: Recovery) -> Option<DrillTime> {
        self.told.waits.iter().find(|wait| wait.what == WAIT_SERVED)?;
        // Where the measurement was disturbed or incomplete, nobody told of one.
        if self.told.verdict.is_harness() && self.told.relapsed_us.is_none() {
            return None;
        }
        let until = self.told.phases.iter().find(|phase| phase.phase == Phase::Revert)?.started_us;
        let window = Duration::from_micros(self.plan.windows.recover_hold_us);
        let missed = self.timeline.relapsed(recovery.to, until, window, self.unfelt_size()).and_then(Result::ok);
        let refused = self.timeline.refused_after(self.steady_window(), recovery.to, until, window);
        missed.iter().flatten().map(|level| level.to).chain(refused.map(|(at, _)| at)).min()
    }

    /// The verdict of a drill that users did not feel, or that nobody noticed; `Some(None)` where nothing can be computed.
    fn felt(&self, anew: &Record) -> Option<Option<Verdict>> {
        match () {
            () if self.plan.windows.impact_below.is_none() => Some(None),
            () if anew.impacts.is_empty() => Some(Some(Verdict::NoImpact)),
            () if self.idled() => Some(None),
            () => self.detected(anew.impact_us()),
        }
    }

    /// The run says that a fault did not act, or did not stay: only the moment knew.
    fn idled(&self) -> bool {
        let failed = |check: &CheckResult| matches!(check.outcome, CheckOutcome::Failed { .. });
        self.told.verdict == Verdict::NoImpact && self.told.check(&Check::Impact).is_some_and(failed)
    }

    /// The verdict of a drill that nobody noticed in time; `Some(None)` where nothing can be computed.
    fn detected(&self, felt: Option<DrillTime>) -> Option<Option<Verdict>> {
        let within = Duration::from_micros(self.plan.windows.detect_within_us?);
        let Some(from) = detect_from(&self.told.injections(), felt) else { return Some(None) };
        let deadline = from.plus(within);
        if let Some(page) = self.plan.page.as_ref().filter(|page| page.alert.is_some()) {
            return self.paged(page, deadline);
        }
        match self.told.detected_us {
            // That the condition held before anything was broken only the moment knew.
            _ if self.told.verdict == Verdict::Unsteady => Some(None),
            Some(detected) if detected <= deadline => None,
            _ => Some(Some(Verdict::Undetected)),
        }
    }

    /// The same of a page that had to come, by what became of the alerts.
    fn paged(&self, page: &PageExpectation, deadline: DrillTime) -> Option<Option<Verdict>> {
        let Some(((first, _), began)) = self.injected().zip(self.told.injecting_us()) else { return Some(None) };
        // What came of it after that, and how far its expression was, decides nothing.
        let waited = |event: &Event| matches!(event, Event::Waited { what, .. } if *what == page.waited_for());
        let seen: &[AlertMoment] = &self.alerts_until(waited);
        if page.paged_before(seen, began).is_some() {
            return Some(Some(Verdict::Noisy));
        }
        if page.was_active(seen, began) {
            return Some(Some(Verdict::Unsteady));
        }
        let size = self.impact_size(None).filter(|_| page.before_impact);
        let fell = |size, at| matches!(self.timeline.fell(size, first, at), Some(Ok(_)));
        let early = |at: DrillTime| size.is_none_or(|size| !fell(size, at));
        match page.came(seen, began, first).filter(|came| came.at <= deadline) {
            // The condition beside it did not hold.
            Some(_) if self.told.verdict == Verdict::Undetected => Some(None),
            Some(came) if !early(came.at) => Some(Some(Verdict::Late)),
            Some(came) => {
                let escalation = page.escalation.as_ref()?;
                let reached = escalation.reached(&self.told.alerts, came.at);
                let in_time = reached.is_some_and(|at| at <= escalation.deadline(came.at));
                (!in_time).then_some(Some(Verdict::Unescalated))
            }
            None => Some(Some(page.missed(seen, began, first, deadline, self.told.last_us, "").0)),
        }
    }

    /// Whether somebody was paged who should not have been, from the injection until the faults were undone.
    fn noisy(&self) -> bool {
        let Some((page, began)) = self.plan.page.as_ref().zip(self.told.injecting_us()) else { return false };
        let seen = self.alerts_judged();
        page.noise(&seen, began).or_else(|| page.paged_before(&seen, began)).is_some()
    }

    /// What became of the alerts until the pages were judged: what comes then is of the restore, and of the revert.
    fn alerts_judged(&self) -> Vec<AlertMoment> {
        self.alerts_until(|event| {
            matches!(event, Event::CheckEnded { check: Check::Pages, .. })
                || matches!(event, Event::PhaseStarted { phase: Phase::Revert, .. })
        })
    }

    fn alerts_until(&self, end: impl Fn(&Event) -> bool) -> Vec<AlertMoment> {
        let seen = self.events.iter().map(|stamped| &stamped.event).take_while(|event| !end(event));
        seen.filter_map(|event| if let Event::Alert(moment) = event { Some(moment.clone()) } else { None }).collect()
    }

    /// The verdict by the rule "first reason"; `None` where it is one of the harness, or of what nothing can be computed.
    fn verdict(&self, anew: &Record, suffering: Option<bool>, recovery: Option<Recovery>) -> Option<Verdict> {
        let (told, plan) = (self.told, self.plan);
        if told.verdict.is_harness() || matches!(told.verdict, Verdict::Interrupted | Verdict::Incomplete) {
            return None;
        }
        let lost = |time: InvariantTime| anew.invariants.iter().any(|i| i.time == time && !i.held);
        let lost_again = || {
            let (Some(first), Some(again)) = (&told.read_back, &told.read_again) else { return false };
            !lost_since(&told.writes, first, again).is_empty()
        };
        let spoiled = || {
            let undone = told.faults.iter().all(|fault| fault.settled().is_some());
            // A control does not wait for users to be served again.
            let held = plan.control || told.windows.iter().any(|window| window.phase == Phase::Revert);
            match () {
                () if !undone || !held => Verdict::NotReverted,
                () if told.read_again.as_ref().is_some_and(|again| again.survivors.is_none()) => Verdict::NotReverted,
                () if lost_again() || lost(InvariantTime::Reverted) => Verdict::Damaged,
                () if !self.asked(InvariantTime::Reverted) => Verdict::Incomplete,
                () if !told.left.is_empty() => Verdict::Leaked,
                // Where nothing else is wrong, and a control measures none.
                () if !plan.control && anew.is_understated() == Some(true) => Verdict::Understated,
                () => Verdict::Passed,
            }
        };
        let steady = self.steady_window().is_some() && !lost(InvariantTime::Steady);
        let paged = |page: &PageExpectation| page.paged_before(&told.alerts, told.last_us).is_some();
        let Some((first, last)) = self.injected().filter(|_| steady) else {
            // That users were not served any more when the first fault was to go in, only that moment knew.
            let noisy = steady && told.verdict != Verdict::Unsteady && plan.page.as_ref().is_some_and(paged);
            return Some(if noisy { Verdict::Noisy } else { Verdict::Unsteady });
        };
        // With `impact: none` users must notice nothing; otherwise they must suffer, and somebody must learn of it.
        let unfelt = plan.windows.impact_none;
        let kept_for = Duration::from_micros(plan.windows.impact_within_us);
        let begins = last.plus(Duration::from_micros(plan.windows.told_every_us));
        let kept = || self.timeline.held(begins, kept_for);
        let until = begins.plus(kept_for);
        let began = told.injecting_us().unwrap_or(first);
        let breached = || !self.timeline.breached(began, until, kept_for).is_empty();
        let refused_in = |span| self.timeline.refused(self.steady_window(), span).is_some();
        let refused_in_a_moment = || {
            let window = Duration::from_micros(plan.windows.impact_window_us);
            let steady = self.steady_window();
            steady.is_some_and(|steady| self.timeline.refused_in_a_moment(steady, (began, until), window).is_some())
        };
        let spans = [(last, last.plus(kept_for)), (began, last.plus(kept_for)), (begins, until)];
        let refused = || spans.into_iter().any(refused_in) || refused_in_a_moment();
        let missed = if unfelt { self.detected(None) } else { self.felt(anew) };
        let ended = |status| anew.steps.iter().any(|step| step.status == Some(status));
        let has_end = |id: &str| anew.steps.iter().any(|step| step.step == id && step.status.is_some());
        let by_itself = told.verdict == Verdict::SelfHealed;
        // How a fault stood only the moment knew.
        let active =
            |fault: &FaultRecord| matches!(fault.after, Some(FaultAfter::StillActive | FaultAfter::PartiallyActive));
        let confirmed = |info: &FaultInfo| {
            let fault = told.faults.iter().find(|fault| fault.fault == info.id);
            fault.is_some_and(|fault| {
                let asked = fault.after.is_some() || fault.at(FaultEvent::EndedByTime).is_some();
                let asked = info.noise || !plan.windows.recover_cleared || asked;
                asked && fault.at(FaultEvent::Confirmed).is_some()
            })
        };
        let probed = |info: &ProbeInfo| told.probes.iter().any(|p| (p.level, &p.name) == (info.level, &info.name));
        let at = recovery.map(|recovery| recovery.at);
        let too_late = || plan.rto_us().zip(at).is_some_and(|(rto, at)| at.0.saturating_sub(first.0) > rto);
        let data = anew.data_figures();
        let rpo_us = plan.restore.as_ref().map(|restore| restore.rpo_us);
        let lost_little = || rpo_us.is_none_or(|rpo_us| data.as_ref().is_some_and(|data| data.meets_rpo(rpo_us)));
        let missed_rpo = || data.as_ref().zip(rpo_us).is_some_and(|(data, rpo_us)| data.misses_rpo(rpo_us));
        Some(match () {
            () if !self.asked(InvariantTime::Steady) => Verdict::Incomplete,
            () if self.disturbed().is_some() => Verdict::HarnessError,
            () if unfelt && matches!(kept(), Some(Err(_))) => Verdict::Breached,
            () if unfelt && kept().is_none() => Verdict::Incomplete,
            () if unfelt && (breached() || refused()) => Verdict::Breached,
            () if unfelt && self.idled() => return None,
            () if missed.is_some() => return missed.flatten(),
            () if unfelt && (plan.control || plan.runbook_file.is_none()) => match () {
                () if lost(InvariantTime::Recovered) => Verdict::Damaged,
                () if !self.asked(InvariantTime::Recovered) => Verdict::Incomplete,
                () if !plan.control && self.noisy() => Verdict::Noisy,
                () => spoiled(),
            },
            () if plan.control && recovery.is_some() => Verdict::SelfHealed,
            () if plan.control => spoiled(),
            () if suffering == Some(false) || by_itself && told.mitigation_started_us.is_none() => Verdict::SelfHealed,
            () if ended(StepStatus::Blocked) => Verdict::StepBlocked,
            () if ended(StepStatus::Failed) && !self.looked_for_a_recovery() => Verdict::StepFailed,
            // They are asked without a recovery only where users were refused what may be gone.
            () if recovery.is_none() && lost(InvariantTime::Recovered) => Verdict::Damaged,
            () if recovery.is_none() => Verdict::NotRecovered,
            () if self.without_the_runbook() => Verdict::SelfHealed,
            () if plan.windows.recover_cleared && told.faults.iter().any(active) => Verdict::NotRecovered,
            () if ended(StepStatus::Failed) => Verdict::StepFailed,
            () if !plan.steps.iter().all(|info| has_end(&info.id)) => Verdict::Incomplete,
            () if !unfelt && told.mitigation_started_us.is_some() && suffering.is_none() => Verdict::Incomplete,
            () if !plan.faults.iter().all(confirmed) => Verdict::Incomplete,
            () if lost(InvariantTime::Recovered) => Verdict::Damaged,
            () if !self.asked(InvariantTime::Recovered) => Verdict::Incomplete,
            () if self.resolved_late(at) => Verdict::Late,
            () if self.noisy() => Verdict::Noisy,
            () if plan.restore.is_some() && told.restore_level() != Some(RestoreLevel::L5) => Verdict::NotRecovered,
            () if !plan.restore.iter().flat_map(|restore| &restore.probes).all(probed) => Verdict::Incomplete,
            () if too_late() => Verdict::TooLate,
            () if missed_rpo() => Verdict::NotRecovered,
            () if data.as_ref().is_some_and(|data| data.lost_served > 0 || data.brought > 0) => Verdict::Damaged,
            () if !lost_little() => Verdict::NotRecovered,
            () if anew.relapsed_us.is_some() => Verdict::NotRecovered,
            () => spoiled(),
        })
    }

    /// Whether the alert was still active when it had to be over.
    fn resolved_late(&self, recovered: Option<DrillTime>) -> bool {
        let Some((page, at)) = self.plan.page.as_ref().zip(recovered) else { return false };
        let over = page.resolved(&self.alerts_judged(), at);
        page.resolves_within_us.is_some_and(|within| over.is_none_or(|over| over.0 > at.0.saturating_add(within)))
    }
}

fn names(hits: Vec<Level>) -> Vec<String> {
    hits.into_iter().map(|hit| hit.sli).collect()
}

/// The recovery that the run reported, a relapse aside.
fn told_recovery(told: &Record) -> Option<DrillTime> {
    told.recoveries.iter().find(|recovery| recovery.sli.is_empty()).map(|recovery| recovery.recovered_us)
}

/// Every figure of `record.json`, its verdict, and everything else that it holds.
fn against_record(anew: &Record, told: &Record, saved: &Value, rows: &mut Rows) {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
    rows.row("record.json: verdict", anew.verdict, text(&saved["verdict"]));
    let figures = serde_json::to_value(anew.figures()).unwrap_or_default();
    let [ours, theirs] = [&figures, &saved["figures"]].map(|value| leaves("figures", value));
    side_by_side("record.json", ours, theirs, true, rows);
    let of_this_version = told.plan.as_ref().is_some_and(|plan| plan.tool_version == env!("CARGO_PKG_VERSION"));
    if !of_this_version {
        return;
    }
    let made: Value = serde_json::from_slice(&report::json(told)).unwrap_or_default();
    let [ours, theirs] = [&made, saved].map(|value| {
        let others = value.as_object().into_iter().flatten().filter(|(key, _)| *key != "figures" && *key != "verdict");
        others.flat_map(|(key, value)| leaves(key, value)).collect()
    });
    side_by_side("record.json", ours, theirs, false, rows);
}

/// Compares the values of two files by their names. `whole`: equal ones are listed as well.
fn side_by_side(
    file: &str,
    ours: BTreeMap<String, String>,
    theirs: BTreeMap<String, String>,
    whole: bool,
    rows: &mut Rows,
) {
    for place in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
        let [one, other] = [&ours, &theirs].map(|all| all.get(place).map_or("missing", String::as_str));
        if whole || one != other {
            rows.row(&format!("{file}: {place}"), one, other);
        }
    }
}

/// Every number and text of a value, by its path; lists are counted by their place.
fn leaves(path: &str, value: &Value) -> BTreeMap<String, String> {
    match value {
        Value::Object(map) => map.iter().flat_map(|(key, value)| leaves(&format!("{path}.{key}"), value)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(at, value)| leaves(&format!("{path}.{at}"), value)).collect()
        }
        Value::Number(number) if number.is_f64() => {
            [(path.into(), format!("{:.9}", number.as_f64().unwrap_or_default()))].into()
        }
        value => [(path.into(), value.to_string())].into(),
    }
}

/// The properties of a JUnit file; those of one name together.
fn properties(xml: &str) -> BTreeMap<String, String> {
    let attribute = |tag: &str, name: &str| {
        let rest = tag.split_once(&format!(" {name}=\""))?.1;
        rest.split_once('"').map(|(value, _)| value.to_string())
    };
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for rest in xml.split("<property ").skip(1) {
        let tag = format!(" {}", rest.split('>').next().unwrap_or_default());
        let name = attribute(&tag, "name").unwrap_or_default();
        let value = attribute(&tag, "value").unwrap_or_default();
        found.entry(name).and_modify(|values| *values += &format!("; {value}")).or_insert(value);
    }
    found
}

#[cfg(test)]
mod tests;
