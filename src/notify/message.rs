//! What there is to say about an incident at an instant: the same facts for every target, worded once.

use crate::output::one_line;
use crate::record::{Day, DrillStatus, DrillTime, Phase, Record, SliInfo, Stamped, utc_text};
use crate::view::format::percent;
use crate::view::{answers, clock, timeline, words};
use serde::Serialize;
use std::time::Duration;

/// Moments of the timeline that a message has, the newest ones.
const MOMENTS: usize = 12;
/// What counts as now while an incident is open.
const LATELY: Duration = Duration::from_secs(10);
/// So many days after the incident its postmortem is due.
const POSTMORTEM_DAYS: i64 = 5;

named_enum! {
/// Where an incident stands, each with what customers are told then.
#[derive(Default)]
pub enum IncidentState {
    /// Users are hurt, or an alert fired.
    #[default]
    Opened = "opened": "Investigating: We are looking into a problem",
    /// Nothing is new but the time.
    Update = "update": "Identified: We are working on a problem",
    /// Users are served again.
    Mitigated = "mitigated": "Monitoring: A problem has been mitigated, and we are watching it",
    /// It is over.
    Resolved = "resolved": "Resolved: The problem is resolved",
}
}

/// A message, as every target gets it.
#[derive(Default, Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IncidentMessage {
    /// `DRILL SEV1 opened: …`.
    pub headline: String,
    /// Always true: nothing that Firedrill says is about a real incident.
    pub drill: bool,
    /// Where it stands.
    pub state: IncidentState,
    /// Id of the run or the game day: the same in every message of an incident.
    pub incident: String,
    /// When it was said, RFC 3339 in UTC.
    pub at_utc: String,
    /// Title of the scenario or the game day.
    pub title: String,
    /// As measured, otherwise as declared.
    pub severity: Option<String>,
    /// What users feel, as measured: `success rate of availability 82%`, and over which time.
    pub impact: String,
    /// The same of the SLI that is hurt most, in words for customers; empty where nothing was measured.
    pub for_customers: String,
    /// Whether users had recovered, and it lasted.
    pub recovered: bool,
    /// Each role, and who has it.
    pub roles: Vec<(String, Option<String>)>,
    /// The newest moments, oldest first.
    pub timeline: Vec<String>,
    /// How it came out, once that is known.
    pub outcome: Option<String>,
    /// Until when the postmortem is to be written, `YYYY-MM-DD`; once it is resolved.
    pub postmortem_due: Option<String>,
}

impl IncidentMessage {
    /// What there is to say about a drill.
    pub fn of(record: &Record, events: &[Stamped], state: IncidentState) -> IncidentMessage {
        let plan = record.plan.as_deref();
        let measured = record.severity.as_ref().and_then(|measured| measured.severity.clone());
        let (moments, _) = timeline::timeline(record, events, usize::MAX);
        let moments = moments.iter().skip(moments.len().saturating_sub(MOMENTS));
        let (impact, for_customers) = user_impact(record);
        let message = IncidentMessage {
            state,
            incident: plan.map(|plan| plan.run.clone()).unwrap_or_default(),
            at_utc: timeline::utc(record, record.last_us),
            title: plan.map(|plan| one_line(&plan.title)).unwrap_or_default(),
            severity: measured.or_else(|| plan.and_then(|plan| plan.severity.clone())),
            impact,
            for_customers,
            recovered: record.recovered_us().is_some(),
            roles: plan.map(|plan| plan.roles.clone()).unwrap_or_default(),
            timeline: moments.map(|moment| format!("{} {}", moment.since, moment.what)).collect(),
            outcome: (state == IncidentState::Resolved).then(|| words::headline_text(record)),
            ..IncidentMessage::default()
        };
        message.completed()
    }

    /// What there is to say about a game day: one incident for all of its drills.
    pub fn of_day(day: &Day, state: IncidentState) -> IncidentMessage {
        let count = |status| day.drills.iter().filter(|drill| drill.status() == status).count();
        let (passed, all) = (count(DrillStatus::Passed), day.drills.len());
        let said = format!("{passed} of {} passed", words::many(all, "drill"));
        let started = clock::parsed(&day.plan.started_utc);
        let since = time::Duration::microseconds(i64::try_from(day.last_us).unwrap_or(i64::MAX));
        let message = IncidentMessage {
            state,
            incident: day.plan.id.clone(),
            at_utc: started.and_then(|at| at.checked_add(since)).map(utc_text).unwrap_or_default(),
            title: format!("game day {}", one_line(&day.plan.title)),
            recovered: passed == all,
            outcome: (state == IncidentState::Resolved).then(|| said.clone()),
            impact: said,
            ..IncidentMessage::default()
        };
        message.completed()
    }

    /// With what follows from the rest.
    fn completed(self) -> IncidentMessage {
        let of = self.severity.as_ref().map(|severity| format!(" {severity}")).unwrap_or_default();
        let due = clock::parsed(&self.at_utc).and_then(|at| at.checked_add(time::Duration::days(POSTMORTEM_DAYS)));
        let due = due.map(utc_text).and_then(|due| due.get(..10).map(str::to_string));
        let headline = format!("DRILL{of} {}: {}", self.state.name(), self.title);
        let postmortem_due = due.filter(|_| self.state == IncidentState::Resolved);
        IncidentMessage { headline, drill: true, postmortem_due, ..self }
    }

    /// The text for the customers' status page: no names, and nothing of what is inside.
    pub fn for_customers(&self) -> String {
        let says = match self.state {
            IncidentState::Resolved if !self.recovered => "Resolved: The drill is over; the problem was not resolved",
            state => state.words(),
        };
        let impact = if self.for_customers.is_empty() { String::new() } else { format!(" {}.", self.for_customers) };
        format!("DRILL {} {says}.{impact}\n", self.at_utc)
    }
}

/// What users feel, by the success rates of the SLIs, and the same of the one that is hurt most in words for customers. While the incident is
/// open those of the last seconds; afterwards those of the whole incident, which ends when its faults begin to be undone.
fn user_impact(record: &Record) -> (String, String) {
    let unknown = ("not measured yet".to_string(), String::new());
    let Some(injected) = record.injected_us() else { return unknown };
    let last = DrillTime(record.last_us.0.saturating_sub(LATELY.as_micros() as u64));
    let reverted = record.phase_span(Phase::Revert).map_or(record.last_us, |(begun, _)| begun);
    let (from, until, over) = match record.held_after() {
        Some((recovered, _)) => (injected, recovered, "during the incident"),
        None if record.ended => (injected, reverted, "during the incident"),
        None => (last.max(injected), record.last_us, "in the last 10 s"),
    };
    let slis = record.plan.iter().flat_map(|plan| &plan.slis);
    let rate = |sli: &SliInfo| {
        let lately = record.counts(&sli.name, from, until).ratio();
        let impact = record.impacts.iter().find(|impact| impact.sli == sli.name).map(|impact| impact.ratio);
        Some((sli.name.clone(), lately.or(impact)?))
    };
    let rates: Vec<(String, f64)> = slis.filter_map(rate).collect();
    let Some(worst) = rates.iter().map(|(_, rate)| *rate).reduce(f64::min) else { return unknown };
    let told: Vec<String> =
        rates.iter().map(|(sli, rate)| format!("success rate of {sli} {}", percent(*rate))).collect();
    let hurt = if record.ended { format!("; users were hurt: {}", answers::hurt(record)) } else { String::new() };
    let impact = format!("{} {over}{}", told.join(", "), hurt.trim_end_matches('.'));
    (impact, format!("Of all requests {} succeeded {over}", percent(worst)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, events_of, record_of};

    #[test]
    fn every_message_says_that_it_is_a_drill_and_what_users_feel() {
        let mut record = record_of(Story::Passed);
        if let Some(plan) = &mut record.plan {
            plan.roles = vec![("Incident Commander".into(), Some("Ada".into())), ("Tech Lead".into(), None)];
        }
        for state in [IncidentState::Opened, IncidentState::Update, IncidentState::Mitigated, IncidentState::Resolved] {
            let message = IncidentMessage::of(&record, &events_of(Story::Passed), state);
            assert!(message.headline.starts_with("DRILL SEV1 "), "{}", message.headline);
            assert!(message.for_customers().starts_with("DRILL "));
            assert!(!message.for_customers().contains("Ada"), "customers are told no names");
            assert!(message.impact.contains("success rate of availability"), "{}", message.impact);
            assert!(message.timeline.len() == MOMENTS);
            assert_eq!(message.postmortem_due.is_some(), state == IncidentState::Resolved);
        }
        let resolved = IncidentMessage::of(&record, &[], IncidentState::Resolved);
        assert_eq!(
            (resolved.outcome.as_deref(), resolved.postmortem_due.as_deref()),
            (Some("passed"), Some("2026-11-25"))
        );
        assert_eq!(IncidentMessage::of(&Record::default(), &[], IncidentState::Opened).impact, "not measured yet");
    }

    #[test]
    fn an_incident_without_a_recovery_ends_with_the_revert() {
        let mut record = record_of(Story::NotRecovered);
        let whole = |record: &Record| IncidentMessage::of(record, &[], IncidentState::Resolved).impact;
        assert!(!whole(&record).contains("availability 100%"), "{}", whole(&record));
        // Users are hurt from 9.4 s on.
        let revert = record.phases.iter_mut().filter(|phase| phase.phase == Phase::Revert);
        revert.for_each(|phase| phase.started_us = DrillTime(9_400_000));
        assert!(whole(&record).contains("availability 100%"), "{}", whole(&record));
    }
}
