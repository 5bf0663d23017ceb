//! Whether it gets better: the mean times to detect, mitigate and recover by severity and quarter, failures that repeat, and what
//! an action changed; of drills, and of real incidents beside them. Pure functions.

use super::RealIncident;
use crate::record::Record;
use crate::report::{Quarter, SeenRun, mean};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use time::OffsetDateTime;

/// Student's t for 95% and 1 to 30 degrees of freedom; beyond them the normal distribution's 1.96 is near enough.
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// A drill or an incident, as a trend counts it.
#[derive(Debug, Clone, PartialEq)]
pub struct TrendPoint {
    /// Id of the run or the incident.
    pub id: String,
    /// When it began.
    pub at: OffsetDateTime,
    /// The scenario of a drill; `None`: a real incident.
    pub scenario: Option<String>,
    /// As measured, otherwise as declared.
    pub severity: String,
    /// Classes of failures, each with the service; none of a drill in which no fault was confirmed.
    pub failures: Vec<(String, String)>,
    /// Fault → detected, first mitigating command, recovered, in microseconds.
    pub times_us: [Option<u64>; 3],
    /// A drill that failed; every real incident is one.
    pub failed: bool,
}

/// A mean with its 95% interval (Student's t), in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MeanInterval {
    /// Values.
    pub values: usize,
    /// The mean.
    pub mean_us: u64,
    /// Lower end; `None` where one value says nothing about the spread.
    pub low_us: Option<u64>,
    /// Upper end.
    pub high_us: Option<u64>,
}

/// A severity in a quarter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrendRow {
    /// `drills` or `incidents`.
    pub of: &'static str,
    /// The severity.
    pub severity: String,
    /// The quarter.
    pub quarter: Quarter,
    /// How many.
    pub count: usize,
    /// Mean time to detect.
    pub mttd: Option<MeanInterval>,
    /// Mean time to mitigate: until the first mitigating command.
    pub mttm: Option<MeanInterval>,
    /// Mean time to recover.
    pub mttr: Option<MeanInterval>,
}

/// A failure that happened more than once.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RepeatedFailure {
    /// Its class.
    pub class: String,
    /// The service.
    pub service: String,
    /// Ids of the runs and incidents, oldest first.
    pub ids: Vec<String>,
}

/// The drills of a scenario before and after the run that closes an action.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActionEffect {
    /// Id of the action.
    pub action: String,
    /// The scenario.
    pub scenario: String,
    /// How many drills failed of how many, before and after.
    pub failed: [(usize, usize); 2],
    /// Time to recover before and after.
    pub recover: [Option<MeanInterval>; 2],
}

/// An action, its scenario, and when the run began that closes it.
pub type ClosedAction = (String, String, OffsetDateTime);

/// What `firedrill history trend` shows, of drills and incidents.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct HistoryTrend {
    /// By severity and quarter.
    pub rows: Vec<TrendRow>,
    /// Failures that repeat.
    pub repeats: Vec<RepeatedFailure>,
    /// What actions changed.
    pub actions: Vec<ActionEffect>,
    /// Error budgets: service, SLO, and the share that is left, where that is known.
    pub budgets: Vec<(String, String, Option<f64>)>,
}

impl TrendPoint {
    /// A drill; `None` for controls, for scenarios that exist to fail, and for what says nothing.
    pub fn of_drill(record: &Record) -> Option<TrendPoint> {
        let run = SeenRun::of_drill(record).filter(SeenRun::is_judged)?;
        let (plan, figures) = (record.plan.as_deref()?, record.figures());
        let measured = record.severity.as_ref().and_then(|measured| measured.severity.clone());
        let failure = |fault: &crate::record::FaultInfo| {
            let class = fault.covers.clone().unwrap_or_else(|| fault.kind.clone());
            fault.services.iter().map(move |service| (class.clone(), service.clone())).collect::<Vec<_>>()
        };
        let faults = run.faults.iter().filter(|_| record.injected_us().is_some());
        Some(TrendPoint {
            at: run.at,
            severity: measured.or_else(|| plan.severity.clone()).unwrap_or_else(|| "none".into()),
            // Two faults of a class on a service are one failure of it.
            failures: faults.flat_map(failure).collect::<BTreeSet<_>>().into_iter().collect(),
            times_us: [figures.to_detect_us, figures.to_mitigation_us, figures.to_recover_us],
            failed: !run.passed(),
            id: run.run,
            scenario: Some(run.scenario),
        })
    }

    /// The point of a real incident.
    pub fn of_incident(incident: &RealIncident) -> TrendPoint {
        let since = |at: Option<OffsetDateTime>| u64::try_from((at? - incident.began).whole_microseconds()).ok();
        TrendPoint {
            id: incident.id.clone(),
            at: incident.began,
            scenario: None,
            severity: incident.severity.clone(),
            failures: vec![(incident.class.clone(), incident.service.clone())],
            times_us: [incident.detected, incident.mitigated, incident.recovered].map(since),
            failed: true,
        }
    }
}

impl MeanInterval {
    /// The mean of these values with its 95% interval (Student's t); `None` without values.
    pub fn of(values: &[u64]) -> Option<MeanInterval> {
        let n = values.len() as f64;
        let mean = mean(values);
        let half = values.len().checked_sub(2).map(|at| {
            let t = STUDENT.get(at).copied().unwrap_or(1.96);
            let variance = values.iter().map(|value| (*value as f64 - mean).powi(2)).sum::<f64>() / (n - 1.0);
            t * (variance / n).sqrt()
        });
        (!values.is_empty()).then(|| MeanInterval {
            values: values.len(),
            mean_us: mean as u64,
            low_us: half.map(|half| (mean - half).max(0.0) as u64),
            high_us: half.map(|half| (mean + half) as u64),
        })
    }
}

impl HistoryTrend {
    /// The trend of drills and incidents, given in any order.
    pub fn of(mut points: Vec<TrendPoint>, closed: &[ClosedAction]) -> HistoryTrend {
        points.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        let mut groups: BTreeMap<(&'static str, &str, Quarter), Vec<&TrendPoint>> = BTreeMap::new();
        let mut repeats: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
        for point in &points {
            let of = if point.scenario.is_some() { "drills" } else { "incidents" };
            groups.entry((of, &point.severity, Quarter::of(point.at))).or_default().push(point);
            for (class, service) in point.failures.iter().filter(|_| point.failed) {
                repeats.entry((class, service)).or_default().push(point.id.clone());
            }
        }
        let row = |((of, severity, quarter), points): ((&'static str, &str, Quarter), Vec<&TrendPoint>)| {
            let mean = |which: usize| {
                let values: Vec<u64> = points.iter().filter_map(|point| *point.times_us.get(which)?).collect();
                MeanInterval::of(&values)
            };
            let (mttd, mttm, mttr) = (mean(0), mean(1), mean(2));
            TrendRow { of, severity: severity.into(), quarter, count: points.len(), mttd, mttm, mttr }
        };
        let repeated = |((class, service), ids): ((&str, &str), Vec<String>)| {
            (ids.len() > 1).then(|| RepeatedFailure { class: class.into(), service: service.into(), ids })
        };
        HistoryTrend {
            rows: groups.into_iter().map(row).collect(),
            repeats: repeats.into_iter().filter_map(repeated).collect(),
            actions: closed.iter().map(|action| effect(action, &points)).collect(),
            budgets: Vec::new(),
        }
    }
}

fn effect((action, scenario, at): &ClosedAction, points: &[TrendPoint]) -> ActionEffect {
    let (before, after): (Vec<_>, Vec<_>) =
        points.iter().filter(|point| point.scenario.as_ref() == Some(scenario)).partition(|point| point.at < *at);
    let halves = [before, after];
    let failed = |half: &Vec<&TrendPoint>| (half.iter().filter(|point| point.failed).count(), half.len());
    let recover = |half: &Vec<&TrendPoint>| {
        MeanInterval::of(&half.iter().filter_map(|point| point.times_us[2]).collect::<Vec<_>>())
    };
    ActionEffect {
        action: action.clone(),
        scenario: scenario.clone(),
        failed: halves.each_ref().map(failed),
        recover: halves.each_ref().map(recover),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, record_of};
    use time::macros::datetime;

    fn incident(id: &str, began: OffsetDateTime, minutes: i64) -> TrendPoint {
        let recovered = Some(began + time::Duration::minutes(minutes));
        TrendPoint::of_incident(&RealIncident {
            id: id.into(),
            severity: "SEV1".into(),
            service: "db".into(),
            class: "postgres_lock".into(),
            began,
            detected: None,
            mitigated: None,
            recovered,
            users_hurt: None,
        })
    }

    #[test]
    fn means_have_the_interval_of_students_t() {
        // 2, 4, 6: mean 4, standard deviation 2, t(2) = 4.303: 4 ± 4.969, and no time is below 0.
        let of = MeanInterval::of(&[2_000_000, 4_000_000, 6_000_000]).unwrap();
        assert_eq!((of.values, of.mean_us, of.low_us), (3, 4_000_000, Some(0)));
        assert!((of.high_us.unwrap() as f64 - 8_968_676.0).abs() < 2_000.0, "{of:?}");
        let one = MeanInterval::of(&[5]).unwrap();
        assert_eq!((one.mean_us, one.low_us, one.high_us), (5, None, None));
        assert_eq!(MeanInterval::of(&[]), None);
    }

    #[test]
    fn quarters_are_apart_and_the_same_failure_twice_is_told() {
        let drill = TrendPoint::of_drill(&record_of(Story::StepFailed)).unwrap();
        assert!(drill.failed && TrendPoint::of_drill(&record_of(Story::Control)).is_none());
        assert!(TrendPoint::of_drill(&record_of(Story::ExpectedFailure)).is_none());
        let unsteady = TrendPoint::of_drill(&record_of(Story::Unsteady)).unwrap();
        assert!(unsteady.failed && unsteady.failures.is_empty(), "its fault was never in place: {unsteady:?}");
        let points = vec![
            incident("INC-2", datetime!(2026-11-03 14:00 UTC), 30),
            incident("INC-1", datetime!(2026-07-03 14:00 UTC), 60),
            drill.clone(),
        ];
        let trend = HistoryTrend::of(points, &[]);
        let rows: Vec<_> = trend.rows.iter().map(|row| (row.of, row.severity.as_str(), row.count)).collect();
        assert_eq!(rows, [("drills", "SEV1", 1), ("incidents", "SEV1", 1), ("incidents", "SEV1", 1)]);
        assert_eq!(trend.rows[1].mttr.as_ref().unwrap().mean_us, 3_600_000_000);
        let [repeat] = trend.repeats.as_slice() else { panic!("{:?}", trend.repeats) };
        assert_eq!((repeat.class.as_str(), repeat.service.as_str(), repeat.ids.len()), ("postgres_lock", "db", 3));
        assert_eq!(repeat.ids[0], "INC-1");
    }

    #[test]
    fn an_action_parts_the_drills_of_its_scenario() {
        let failed = TrendPoint::of_drill(&record_of(Story::StepFailed)).unwrap();
        let passed = TrendPoint {
            at: failed.at + time::Duration::days(7),
            ..TrendPoint::of_drill(&record_of(Story::Passed)).unwrap()
        };
        let closed = ("A-1".to_string(), failed.scenario.clone().unwrap(), passed.at);
        let trend = HistoryTrend::of(vec![failed, passed], &[closed]);
        assert_eq!(trend.actions[0].failed, [(1, 1), (0, 1)]);
        assert_eq!(trend.actions[0].recover[1].as_ref().map(|mean| mean.mean_us), Some(4_000_000));
    }
}
