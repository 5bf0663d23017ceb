//! The figures of a drill: how long until users suffered, until someone could know, until they recovered; what they felt before,
//! during and after; what the incident, as measured, would have cost of a production error budget, and how severe it was. Pure
//! functions of a record.
//!
//! ```text
//! cost(t) = bad share of the events from the first confirmed fault to t × that time / (window × (1 − objective))
//! ```
//!
//! Traffic cancels out of a share of the budget; with it the bad events have a number (Google SRE workbook, chapter 2 and 5).

use super::*;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a drill measured. Durations are in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// First confirmed fault → impact.
    pub to_impact_us: Option<u64>,
    /// First confirmed fault → the alert condition held.
    pub to_detect_us: Option<u64>,
    /// How long the page should take by the alert's rule, where the rule says that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection_theory: Option<DetectionTheory>,
    /// First confirmed fault → first command of the mitigate phase.
    pub to_mitigation_us: Option<u64>,
    /// First confirmed fault → recovered: the actual recovery time (RTO).
    pub to_recover_us: Option<u64>,
    /// Start of the respond phase → recovered.
    pub respond_to_recover_us: Option<u64>,
    /// First command of the mitigate phase → recovered.
    pub mitigation_to_recover_us: Option<u64>,
    /// What became of the writes of a DR drill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataFigures>,
    /// How long the restore of a DR drill would take in production: projected, not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_projection: Option<RestoreProjection>,
    /// The steps that ran.
    pub steps: Vec<StepFigures>,
    /// What users felt.
    pub slis: Vec<SliFigures>,
    /// How far the measuring itself can be trusted.
    pub measuring: Measuring,
    /// Where the time went.
    pub time: Breakdown,
    /// What it would have cost of an error budget.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub price: Vec<PriceFigures>,
}

/// How late the load was sent and how far the machine was saturated meanwhile.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Measuring {
    /// Requests that were due.
    pub requests: u64,
    /// Requests sent later than is allowed.
    pub late: u64,
    /// Worst lateness in microseconds.
    pub worst_late_us: u64,
    /// Mean share of the processors' time that was not idle, in 0..=1.
    pub busy_mean: Option<f64>,
    /// The same in the busiest sample.
    pub busy_max: Option<f64>,
    /// Largest share of time in which some task waited for a processor, in 0..=1.
    pub pressure_max: Option<f64>,
    /// Least memory that was available, in bytes.
    pub available_min_bytes: Option<u64>,
    /// Most memory that the drill's containers used, in bytes.
    pub memory_max_bytes: Option<u64>,
    /// Processor time that the drill's containers used, in microseconds.
    pub cpu_us: Option<u64>,
}

/// What a step took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepFigures {
    /// Id of the step.
    pub step: String,
    /// From its start to its end; `None` when it was cut off.
    pub took_us: Option<u64>,
}

/// An SLI before, during and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SliFigures {
    /// The SLI.
    pub sli: String,
    /// Its objective as a ratio in 0..=1.
    pub objective: f64,
    /// Over the steady window.
    pub before: Counts,
    /// From the first confirmed fault to the window that shows the recovery, or to the revert when there was none.
    pub during: Counts,
    /// Over the window that shows the recovery; empty when there was none.
    pub after: Counts,
}

impl Record {
    /// The faults that harm somebody: all but noise.
    pub fn counted_faults(&self) -> impl Iterator<Item = &FaultRecord> {
        let noise = |id: &str| self.plan.iter().flat_map(|plan| &plan.faults).any(|info| info.id == id && info.noise);
        self.faults.iter().filter(move |fault| !noise(&fault.fault))
    }

    /// When the injection of each of them began, and when it was confirmed.
    pub fn injections(&self) -> Vec<(DrillTime, DrillTime)> {
        let all = self.counted_faults();
        all.filter_map(|fault| fault.at(FaultEvent::Injecting).zip(fault.at(FaultEvent::Confirmed))).collect()
    }

    /// When the first fault was confirmed.
    pub fn injected_us(&self) -> Option<DrillTime> {
        self.counted_faults().filter_map(|fault| fault.at(FaultEvent::Confirmed)).min()
    }

    /// When the injection of the first one began: a slow one (a release) may hurt before it is confirmed. `None` where none was confirmed.
    pub fn injecting_us(&self) -> Option<DrillTime> {
        let confirmed = self.injected_us()?;
        Some(self.counted_faults().filter_map(|fault| fault.at(FaultEvent::Injecting)).min().unwrap_or(confirmed))
    }

    /// When the first SLI fell.
    pub fn impact_us(&self) -> Option<DrillTime> {
        self.impacts.iter().map(|impact| impact.impact_us).min()
    }

    /// The SLO that an SLI was read from, of a journey or a service: `shopping/availability`.
    pub fn slo_of(&self, sli: &str) -> Option<&str> {
        self.plan.iter().flat_map(|plan| &plan.slis).find(|info| info.name == sli)?.slo.as_deref()
    }

    /// An SLI with its SLO: `availability (SLO shopping/availability)`, or its name alone.
    pub fn sli_with_slo(&self, sli: &str) -> String {
        self.slo_of(sli).map_or_else(|| sli.to_string(), |slo| format!("{sli} (SLO {slo})"))
    }

    /// When users had recovered for good: as the engine said for all SLIs together, otherwise when the last of them had. A
    /// relapse takes the recovery back.
    pub fn recovered_us(&self) -> Option<DrillTime> {
        if self.relapsed_us.is_some() { None } else { self.first_recovered_us() }
    }

    /// For how long users were watched from the injection to the end of what could recover them; `None` where that did not end.
    pub fn watched(&self) -> Option<Duration> {
        let phase = |phase| self.phases.iter().find(|known| known.phase == phase);
        Some(phase(Phase::Recover)?.ended_us?.since(phase(Phase::Inject)?.started_us))
    }

    /// When users had recovered, whether or not that lasted.
    pub fn first_recovered_us(&self) -> Option<DrillTime> {
        if let Some(all) = self.recoveries.iter().find(|r| r.sli.is_empty()) {
            return Some(all.recovered_us);
        }
        let slis = &self.plan.as_ref()?.slis;
        let times = slis.iter().map(|sli| self.recoveries.iter().find(|r| r.sli == sli.name).map(|r| r.recovered_us));
        times.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// The actual recovery time (RTO) in microseconds: from the first confirmed fault until users had recovered for good.
    pub fn time_to_recover_us(&self) -> Option<u64> {
        Some(self.recovered_us()?.0.saturating_sub(self.injected_us()?.0))
    }

    /// Start and end of a phase, where it was begun; one that never ended ends with the next one, or with the record.
    pub fn phase_span(&self, phase: Phase) -> Option<(DrillTime, DrillTime)> {
        let at = self.phases.iter().position(|p| p.phase == phase)?;
        let begun = self.phases.get(at)?;
        let next = self.phases.get(at + 1).map_or(self.last_us, |p| p.started_us);
        Some((begun.started_us, begun.ended_us.unwrap_or(next).max(begun.started_us)))
    }

    /// Good and valid events of an SLI over the slices whose middle lies in `from..to`.
    pub fn counts(&self, sli: &str, from: DrillTime, to: DrillTime) -> Counts {
        let load = self.plan.as_ref().and_then(|p| p.slis.iter().find(|s| s.name == sli)).map(|s| s.load.as_str());
        let series = self.loads.iter().find(|series| Some(series.load.as_str()) == load);
        series.map_or(Counts::default(), |series| series.counts(sli, from, to))
    }

    /// The steady window: as the engine said, otherwise the last `steady.for` before the injection began.
    fn before(&self) -> Option<(DrillTime, DrillTime)> {
        if let Some(held) = self.windows.iter().rev().find(|w| w.phase == Phase::Steady) {
            return Some((held.from_us, held.to_us));
        }
        let (from, end) = self.phase_span(Phase::Steady)?;
        let steady_us = self.plan.as_ref()?.windows.steady_us;
        Some((DrillTime(end.0.saturating_sub(steady_us)).max(from), end))
    }

    /// The window that shows the recovery: as the engine said, otherwise `recover.hold` from the recovery on.
    pub fn held_after(&self) -> Option<(DrillTime, DrillTime)> {
        let recovered = self.recovered_us()?;
        if let Some(held) = self.windows.iter().rev().find(|w| w.phase == Phase::Recover) {
            return Some((held.from_us, held.to_us));
        }
        let hold_us = self.plan.as_ref()?.windows.recover_hold_us;
        Some((recovered, DrillTime(recovered.0.saturating_add(hold_us))))
    }

    fn sli_figures(&self) -> Vec<SliFigures> {
        let Some(plan) = &self.plan else { return Vec::new() };
        let over = |sli: &str, window: Option<(DrillTime, DrillTime)>| {
            window.map_or(Counts::default(), |(from, to)| self.counts(sli, from, to))
        };
        let recovered = self.recovered_us();
        let revert = self.phases.iter().find(|p| p.phase == Phase::Revert).map(|p| p.started_us);
        let after = self.held_after();
        let until = after.map(|(from, _)| from).or(recovered).or(revert).unwrap_or(self.last_us);
        let during = self.injected_us().map(|from| (from, until));
        let figures = plan.slis.iter().map(|sli| SliFigures {
            sli: sli.name.clone(),
            objective: sli.objective,
            before: over(&sli.name, self.before()),
            during: over(&sli.name, during),
            after: over(&sli.name, after),
        });
        figures.collect()
    }

    fn detection_theory(&self) -> Option<DetectionTheory> {
        let plan = self.plan.as_ref()?;
        let Some(PageTheory::BurnRate(rule)) = plan.page.as_ref()?.theory else { return None };
        let (from, to) = self.injected_us().zip(self.detected_us)?;
        let counts = plan.slis.iter().map(|sli| self.counts(&sli.name, from, to));
        let bad = counts.filter_map(|counts| Some(1.0 - counts.ratio()?)).reduce(f64::max)?;
        rule.against(bad, to.0.saturating_sub(from.0))
    }

    fn measuring(&self) -> Measuring {
        let machine = || self.machine.iter().map(|seen| seen.sample);
        let busiest = |share: &mut dyn Iterator<Item = f64>| share.reduce(f64::max);
        let seen = self.machine.len();
        Measuring {
            requests: self.loads.iter().flat_map(|series| &series.due).sum(),
            late: self.late.iter().map(|late| late.count).sum(),
            worst_late_us: self.late.iter().map(|late| late.worst_us).max().unwrap_or(0),
            busy_mean: (seen > 0).then(|| machine().map(|sample| sample.busy).sum::<f64>() / seen as f64),
            busy_max: busiest(&mut machine().map(|sample| sample.busy)),
            pressure_max: busiest(&mut machine().filter_map(|sample| sample.pressure)),
            available_min_bytes: machine().map(|sample| sample.available_bytes).min(),
            memory_max_bytes: self.usage.iter().map(|seen| seen.sample.memory_bytes).max(),
            cpu_us: self.usage.iter().map(|seen| seen.sample.cpu_us).max(),
        }
    }

    /// Every figure of the drill.
    pub fn figures(&self) -> Figures {
        let between = |from: Option<DrillTime>, to: Option<DrillTime>| Some(to?.0.saturating_sub(from?.0));
        let injected = self.injected_us();
        let recovered = self.recovered_us();
        let respond = self.phase_span(Phase::Respond).map(|(from, _)| from);
        let ran = self.steps.iter().filter(|step| !step.commands.is_empty());
        Figures {
            to_impact_us: between(injected, self.impact_us()),
            to_detect_us: between(injected, self.detected_us),
            detection_theory: self.detection_theory(),
            to_mitigation_us: between(injected, self.mitigation_started_us),
            to_recover_us: self.time_to_recover_us(),
            data: self.data_figures(),
            restore_projection: self.restore_projection(),
            respond_to_recover_us: between(respond, recovered),
            mitigation_to_recover_us: between(self.mitigation_started_us, recovered),
            steps: ran.map(|step| StepFigures { step: step.step.clone(), took_us: step.took_us() }).collect(),
            slis: self.sli_figures(),
            measuring: self.measuring(),
            time: self.breakdown(),
            price: self.price(),
        }
    }
}

/// What would go on being paid.
const TEN_MINUTES_S: f64 = 600.0;

/// The error budget that a scenario names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BudgetInfo {
    /// What it is over, in microseconds.
    pub window_us: u64,
    /// Events per second in production.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<f64>,
    /// The objective in production, as a ratio; that of each SLI where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<f64>,
}

/// What the incident would have cost one SLI. Shares of the budget: 1 is all of it. `None` is not known, or did not come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PriceFigures {
    /// The SLI.
    pub sli: String,
    /// The objective whose budget is meant, as a ratio.
    pub objective: f64,
    /// Until the alert condition held.
    pub until_detection: Option<f64>,
    /// Until the first mitigating command.
    pub until_mitigation: Option<f64>,
    /// Until users had recovered.
    pub until_recovery: Option<f64>,
    /// What ten minutes more, as they were between the impact and the mitigation, would have cost.
    pub ten_minutes_more: Option<f64>,
    /// Bad events in production until users had recovered, where the traffic is known.
    pub bad_events: Option<f64>,
}

impl Record {
    /// The price for every SLI that had bad events during the fault, where the scenario names a budget.
    pub fn price(&self) -> Vec<PriceFigures> {
        let found = self.plan.as_ref().and_then(|plan| Some((plan, plan.budget.as_ref()?)));
        let Some((plan, budget)) = found else { return Vec::new() };
        let ended = self.recovered_us().unwrap_or(self.last_us);
        let of_sli = |sli: &SliInfo| {
            self.spent(sli, ended).filter(|spent| *spent != 0.0)?;
            let objective = budget.objective.unwrap_or(sli.objective);
            let whole_s = budget.whole_s(objective);
            let spent = |to: Option<DrillTime>| self.spent(sli, to?);
            let mitigated = self.mitigation_started_us;
            let worst = self.impact_us().and_then(|from| self.bad_share(sli, from, mitigated.unwrap_or(ended)));
            let until_recovery = spent(self.recovered_us());
            Some(PriceFigures {
                sli: sli.name.clone(),
                objective,
                until_detection: spent(self.detected_us),
                until_mitigation: spent(mitigated),
                until_recovery,
                ten_minutes_more: worst.map(|bad| bad * TEN_MINUTES_S / whole_s),
                bad_events: until_recovery.zip(budget.traffic).map(|(share, rate)| share * whole_s * rate),
            })
        };
        plan.slis.iter().filter_map(of_sli).collect()
    }

    /// The share of the production error budget that an SLI would have spent from the first confirmed fault until then: 1 is all of
    /// it. `None` without a fault, a budget, or events.
    pub fn spent(&self, sli: &SliInfo, until: DrillTime) -> Option<f64> {
        let budget = self.plan.as_ref()?.budget.as_ref()?;
        let whole_s = budget.whole_s(budget.objective.unwrap_or(sli.objective));
        let began = self.injected_us()?;
        let bad_s = self.bad_share(sli, began, until)? * until.since(began).as_secs_f64();
        (whole_s > 0.0).then_some(bad_s / whole_s)
    }

    fn bad_share(&self, sli: &SliInfo, from: DrillTime, to: DrillTime) -> Option<f64> {
        let counts = self.counts(&sli.name, from, to);
        (counts.valid > 0).then(|| counts.valid.saturating_sub(counts.good) as f64 / counts.valid as f64)
    }
}

impl BudgetInfo {
    /// All of the budget, in seconds in which every event is bad.
    fn whole_s(&self, objective: f64) -> f64 {
        self.window_us as f64 / 1e6 * (1.0 - objective)
    }
}

/// A severity and what makes an incident one of it. A list of them has the most severe one first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeverityLevel {
    /// `SEV1` …
    pub name: String,
    /// From this share of users' requests on that are hurt during the incident, in 0..=1; `None`: no share is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users_hurt: Option<f64>,
    /// Whether lost data alone makes it one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub data_lost: bool,
}

impl SeverityLevel {
    /// `SEV1 is from 50% on and where data is lost`.
    pub fn definition(&self) -> String {
        let hurt = self.users_hurt.map(|share| format!("from {} on", percent(share)));
        let lost = self.data_lost.then(|| "where data is lost".to_string());
        format!("{} is {}", self.name, hurt.into_iter().chain(lost).collect::<Vec<_>>().join(" and "))
    }

    /// The definitions where a team has none of its own: SEV1 from half of the requests on, or lost data; SEV2 from a tenth on.
    pub fn defaults() -> Vec<SeverityLevel> {
        let level = |name: &str, users_hurt, data_lost| SeverityLevel {
            name: name.into(),
            users_hurt: Some(users_hurt),
            data_lost,
        };
        vec![level("SEV1", 0.5, true), level("SEV2", 0.1, false), level("SEV3", 0.0, false)]
    }
}

/// The severity of the incident as it was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeasuredSeverity {
    /// The most severe one whose definition the incident meets; `None`: it is milder than all of them.
    pub severity: Option<String>,
    /// The SLI that had the largest share of bad events.
    pub sli: String,
    /// That share, in 0..=1: bad / valid from the first confirmed fault until `until_us`.
    pub users_hurt: f64,
    /// Whether an acknowledged write was lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub data_lost: bool,
    /// End of the window: the recovery, or what was known when users had not recovered.
    pub until_us: DrillTime,
}

impl Record {
    /// The share of requests that were hurt from the first confirmed fault until then, of the SLI in which it was largest.
    pub fn users_hurt(&self, until: DrillTime) -> Option<(String, f64)> {
        let from = self.injected_us()?;
        let slis = self.plan.iter().flat_map(|plan| &plan.slis);
        let shares = slis.filter_map(|sli| Some((sli.name.clone(), self.bad_share(sli, from, until)?)));
        shares.reduce(|worst, other| if other.1 > worst.1 { other } else { worst })
    }

    /// Whether the severity that the scenario declares is milder than the one that was measured. `None` where nothing declares
    /// one that is defined, or nothing was measured.
    pub fn is_understated(&self) -> Option<bool> {
        let (plan, measured) = (self.plan.as_deref()?, self.severity.as_ref()?);
        understated(&plan.severities, plan.severity.as_deref()?, measured.severity.as_deref())
    }
}

/// Whether a declared severity is milder than the measured one; `None` where it is none of the list.
pub fn understated(levels: &[SeverityLevel], declared: &str, measured: Option<&str>) -> Option<bool> {
    let rank = |name: &str| levels.iter().position(|level| level.name == name);
    let declared = rank(declared)?;
    Some(measured.and_then(rank).is_some_and(|measured| measured < declared))
}

/// The severity of an incident in which this share of requests was hurt: the most severe one whose definition it meets.
pub fn severity_of(levels: &[SeverityLevel], users_hurt: f64, data_lost: bool) -> Option<&SeverityLevel> {
    let is_hurt = |level: &SeverityLevel| level.users_hurt.is_some_and(|least| users_hurt >= least);
    levels.iter().find(|level| is_hurt(level) || (level.data_lost && data_lost))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RecoveryRecord;
    use crate::record::testing::{Story, record_of};

    #[test]
    fn the_figures_of_a_pass() {
        let record = record_of(Story::Passed);
        let figures = record.figures();
        assert_eq!(figures.to_impact_us, Some(1_500_000));
        assert_eq!(figures.to_detect_us, Some(1_800_000));
        assert_eq!(figures.to_recover_us, Some(4_000_000));
        assert!(figures.mitigation_to_recover_us < figures.respond_to_recover_us);
        assert!(figures.respond_to_recover_us < figures.to_recover_us);
        let availability = &figures.slis[0];
        assert_eq!(availability.before.ratio(), Some(1.0));
        assert!(availability.during.ratio().unwrap() < 0.9);
        assert!(availability.after.meets(availability.objective));
    }

    #[test]
    fn without_a_recovery_there_is_no_time_to_it() {
        let figures = record_of(Story::NotRecovered).figures();
        assert!(figures.to_impact_us.is_some());
        assert_eq!((figures.to_recover_us, figures.mitigation_to_recover_us), (None, None));
        assert_eq!(figures.slis[0].after.ratio(), None);
        assert!(figures.slis[0].during.valid > 0);
    }

    #[test]
    fn recovered_is_when_the_last_sli_had() {
        let mut record = record_of(Story::Passed);
        let at = |sli: &str, t| RecoveryRecord { sli: sli.into(), recovered_us: DrillTime(t) };
        record.recoveries = vec![at("availability", 5)];
        assert_eq!(record.recovered_us(), None, "one of two is not enough");
        record.recoveries = vec![at("availability", 5), at("latency", 9)];
        assert_eq!(record.recovered_us(), Some(DrillTime(9)));
        record.recoveries.push(at("", 7));
        assert_eq!(record.recovered_us(), Some(DrillTime(7)), "the engine's word for all of them counts");
    }

    #[test]
    fn an_empty_record_has_no_figures_and_does_not_fail() {
        let figures = Record::default().figures();
        assert_eq!(figures.to_impact_us, None);
        assert_eq!(figures.time.total_us, 0);
    }
}

#[cfg(test)]
mod price_tests {
    use super::super::testing::{Story, record_of};
    use super::*;

    fn priced(story: Story, budget: BudgetInfo) -> Vec<PriceFigures> {
        let mut record = record_of(story);
        record.plan.as_mut().unwrap().budget = Some(budget);
        record.price()
    }

    const DAYS_30_US: u64 = 30 * 86_400 * 1_000_000;

    #[test]
    fn the_price_is_the_bad_time_in_terms_of_the_budget() {
        let budget = BudgetInfo { window_us: DAYS_30_US, traffic: Some(1200.0), objective: Some(0.999) };
        let record = record_of(Story::Passed);
        let (began, recovered) = (record.injected_us().unwrap(), record.recovered_us().unwrap());
        let price = priced(Story::Passed, budget.clone());
        let first = price.first().expect("an SLI that was hurt");
        let counts = record.counts(&first.sli, began, recovered);
        let bad = (counts.valid - counts.good) as f64 / counts.valid as f64;
        let seconds = bad * recovered.since(began).as_secs_f64();
        let share = seconds / (30.0 * 86_400.0 * 0.001);
        assert!((first.until_recovery.unwrap() - share).abs() < 1e-9, "{first:?}");
        assert!((first.bad_events.unwrap() - seconds * 1200.0).abs() < 1e-6);
        assert!(first.until_mitigation.unwrap() <= share && first.ten_minutes_more.unwrap() > share);
        // A stricter promise has a smaller budget.
        let strict = priced(Story::Passed, BudgetInfo { objective: Some(0.9999), ..budget });
        assert!((strict[0].until_recovery.unwrap() / share - 10.0).abs() < 1e-6);
    }

    #[test]
    fn what_did_not_come_has_no_price() {
        let budget = BudgetInfo { window_us: DAYS_30_US, traffic: None, objective: None };
        assert_eq!(record_of(Story::Passed).price(), Vec::new(), "a scenario that names no budget");
        let failed = priced(Story::NotRecovered, budget);
        assert!(failed.iter().all(|price| price.until_recovery.is_none() && price.bad_events.is_none()), "{failed:?}");
        assert!(failed.iter().any(|price| price.ten_minutes_more.is_some()), "{failed:?}");
    }
}
