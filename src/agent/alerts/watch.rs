//! Watches Prometheus and Alertmanager by their APIs and tells every change in the life of an alert.

use super::distance::Distance;
use super::receiver::route_of;
use super::servers::Servers;
use super::{AlertAddresses, SILENT_FOR};
use crate::agent::ability::Tell;
use crate::agent::clock::Clock;
use crate::agent::locked;
use crate::agent::protocol::Told;
use crate::record::{ALERT_NAME, AlertMoment, AlertStation, DrillTime};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::MissedTickBehavior;

/// From one look to the next.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// So long before a look, in microseconds, may have begun what that look did not see yet: an evaluation under way.
const AROUND_A_LOOK: u64 = 1_000_000;
/// How often it is asked how far an expression is from its threshold.
const ASK_EVERY: Duration = Duration::from_secs(1);

type AlertLabels = BTreeMap<String, String>;

#[derive(Deserialize)]
pub(super) struct RuleGroup {
    pub rules: Vec<Rule>,
}

/// A rule as Prometheus tells of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rule {
    pub name: String,
    query: String,
    #[serde(default)]
    last_error: String,
    last_evaluation: String,
    alerts: Vec<Active>,
}

#[derive(Deserialize)]
struct Active {
    labels: AlertLabels,
    state: String,
    #[serde(rename = "activeAt")]
    since: String,
}

/// An alert as Alertmanager tells of it.
#[derive(Debug, Clone, Deserialize)]
struct Managed {
    labels: AlertLabels,
    fingerprint: String,
    receivers: Vec<Named>,
    status: Status,
    #[serde(rename = "updatedAt")]
    updated: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    silenced_by: Vec<String>,
    inhibited_by: Vec<String>,
    #[serde(default)]
    muted_by: Vec<String>,
}

/// What is known so far.
struct KnownAlerts {
    tell: Tell,
    clock: Clock,
    /// AlertLabels of alerts in Prometheus, and whether each fires.
    active: BTreeMap<AlertLabels, bool>,
    /// Fingerprint of an alert in Alertmanager → why it was kept back, as it was told last.
    received: BTreeMap<String, Option<String>>,
    muted: Muted,
    distance: Arc<Mutex<Distance>>,
    servers: AlertAddresses,
    /// What a look sees for the first time is of no earlier instant than this, in microseconds.
    not_before: u64,
}

/// What Alertmanager's log says of mute times: its API does from 0.28 on.
#[derive(Default)]
struct Muted {
    /// The group that was flushed last: its route, and the first characters of its alerts' fingerprints.
    flushed: (String, Vec<String>),
    /// First characters of a fingerprint → why.
    by: BTreeMap<String, String>,
}

impl Muted {
    fn note(&mut self, line: &str) {
        if line.contains("msg=flushing") {
            let group =
                line.split_once("aggrGroup=\"").and_then(|(_, rest)| rest.split_once("\" ")).map_or("", |(key, _)| key);
            let alerts =
                line.split_once("alerts=\"[").or_else(|| line.split_once("alerts=[")).map_or("", |(_, rest)| rest);
            // `Down[0123abc][active] Slow[…][active]`
            let short = alerts.split("][").filter_map(|part| part.rsplit_once('[').map(|(_, short)| short.to_string()));
            let route = route_of(&group.replace("\\\"", "\""));
            self.flushed = (route, short.collect());
            return;
        }
        let why = match line {
            _ if line.contains("route is within mute time") => "a mute time of its route",
            _ if line.contains("route is not within active time") => "its route is not active now:",
            _ => return,
        };
        let (route, alerts) = &self.flushed;
        self.by.extend(alerts.iter().map(|short| (short.clone(), format!("{why} `{route}`"))));
    }

    fn of(&self, fingerprint: &str) -> Option<&String> {
        self.by.iter().find(|(short, _)| fingerprint.starts_with(short.as_str())).map(|(_, why)| why)
    }
}

/// Watches until it is dropped, or one of the servers is gone.
pub(super) async fn watch(mut servers: Servers, distance: Arc<Mutex<Distance>>, clock: Clock, tell: Tell) {
    let ((active, received, muted), addresses) = (Default::default(), servers.addresses.clone());
    let mut known = KnownAlerts { tell, clock, active, received, muted, distance, servers: addresses, not_before: 0 };
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut silent_since, mut asked) = (None::<Instant>, None::<Instant>);
    loop {
        ticks.tick().await;
        while let Ok(line) = servers.log.try_recv() {
            known.muted.note(&line);
        }
        let (began, looks_at) = (Instant::now(), known.clock.now_us());
        let looked = known.look().await;
        if looked.is_ok() {
            known.not_before = looks_at.saturating_sub(AROUND_A_LOOK);
        }
        silent_since = silent_since.filter(|_| looked.is_err());
        let silent = looked.err().filter(|_| silent_since.get_or_insert(began).elapsed() > SILENT_FOR);
        if let Some(why) = servers.ended().or(silent) {
            (known.tell)(Told::AlertsLost { why });
            return;
        }
        if asked.is_none_or(|at| at.elapsed() >= ASK_EVERY) {
            asked = Some(Instant::now());
            known.measure().await;
        }
    }
}

impl KnownAlerts {
    fn note(&self, labels: &AlertLabels, clock_us: u64, station: AlertStation) {
        // The servers tell instants of the machine's clock, which may have been set back since.
        let at_us = DrillTime(clock_us.max(self.not_before));
        (self.tell)(Told::Alert(AlertMoment { at_us, labels: labels.clone(), station }));
    }

    /// Asks how far the expression is from its threshold.
    async fn measure(&mut self) {
        let questions = locked(&self.distance).questions();
        for left in questions {
            // What cannot be asked alone is told as having no value.
            let values = self.servers.query(&left).await.unwrap_or_default();
            locked(&self.distance).note_values(&left, &values);
        }
    }

    async fn look(&mut self) -> Result<(), String> {
        let groups: Vec<RuleGroup> = self.servers.prometheus("rules?type=alert", "groups").await?;
        let rules: Vec<Rule> = groups.into_iter().flat_map(|group| group.rules).collect();
        rules.iter().for_each(|rule| locked(&self.distance).note_rule(&rule.name, &rule.query, &rule.last_error));
        self.take_rules(&rules);
        let managed: Vec<Managed> = self.servers.alertmanager("alerts").await?;
        self.take_managed(&managed).await;
        Ok(())
    }

    fn take_rules(&mut self, rules: &[Rule]) {
        let mut gone: BTreeSet<AlertLabels> = self.active.keys().cloned().collect();
        for (rule, alert) in rules.iter().flat_map(|rule| rule.alerts.iter().map(move |alert| (rule, alert))) {
            gone.remove(&alert.labels);
            let fires = alert.state == "firing";
            let before = self.active.insert(alert.labels.clone(), fires);
            let since = micros(&alert.since).unwrap_or_else(|| self.clock.now_us());
            if before.is_none() {
                self.note(&alert.labels, since, AlertStation::Pending);
            }
            if fires && before != Some(true) {
                let evaluated = micros(&rule.last_evaluation).unwrap_or(since);
                self.note(&alert.labels, evaluated.max(since), AlertStation::Firing);
            }
        }
        for labels in gone {
            self.active.remove(&labels);
            self.note(&labels, self.clock.now_us(), AlertStation::Ended);
        }
    }

    async fn take_managed(&mut self, managed: &[Managed]) {
        let there: BTreeSet<&String> = managed.iter().map(|alert| &alert.fingerprint).collect();
        self.received.retain(|known, _| there.contains(known));
        for alert in managed {
            if let Entry::Vacant(new) = self.received.entry(alert.fingerprint.clone()) {
                new.insert(None);
                let receivers = alert.receivers.iter().map(|receiver| receiver.name.clone()).collect();
                let at = micros(&alert.updated).unwrap_or_else(|| self.clock.now_us());
                self.note(&alert.labels, at, AlertStation::Received { receivers });
            }
            let status = &alert.status;
            let by = match (status.silenced_by.first(), status.inhibited_by.first(), status.muted_by.first()) {
                (Some(silence), ..) => Some(silence_in_words(silence, &self.servers).await),
                (None, Some(source), _) => Some(inhibition_in_words(source, managed)),
                (None, None, Some(times)) => Some(format!("the mute or active time `{times}` of its route")),
                (None, None, None) => self.muted.of(&alert.fingerprint).cloned(),
            };
            if let Some(by) = by
                && self.received.insert(alert.fingerprint.clone(), Some(by.clone())) != Some(Some(by.clone()))
            {
                self.note(&alert.labels, self.clock.now_us(), AlertStation::Suppressed { by });
            }
        }
    }
}

async fn silence_in_words(id: &str, servers: &AlertAddresses) -> String {
    #[derive(Deserialize)]
    struct Silence {
        comment: String,
        #[serde(rename = "createdBy")]
        by: String,
        #[serde(rename = "endsAt")]
        until: String,
    }
    match servers.alertmanager::<Silence>(&format!("silence/{id}")).await {
        Ok(Silence { comment, by, until }) => format!("the silence of {by} until {until}: {comment}"),
        Err(_) => format!("the silence {id}"),
    }
}

fn inhibition_in_words(fingerprint: &str, managed: &[Managed]) -> String {
    let source = managed.iter().find(|alert| alert.fingerprint == fingerprint);
    let name = source.and_then(|alert| alert.labels.get(ALERT_NAME)).map_or("an alert", String::as_str);
    format!("{name} inhibits it")
}

/// Microseconds since the Unix epoch.
fn micros(rfc3339: &str) -> Option<u64> {
    let at = OffsetDateTime::parse(rfc3339, &Rfc3339).ok()?;
    u64::try_from(at.unix_timestamp_nanos() / 1000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mute_times_are_those_of_the_group_that_was_flushed() {
        let mut muted = Muted::default();
        muted.note(
            "ts=2026-11-22T20:47:16.638Z caller=dispatch.go:515 level=debug component=dispatcher \
             aggrGroup=\"{}/{severity=\\\"page\\\"}:{alertname=\\\"Down\\\"}\" msg=flushing alerts=\"[Down[d6b6396][active] \
             Slow[0123abc][active]]\"",
        );
        assert_eq!(muted.of("d6b63964a7e33a65"), None);
        muted.note("level=debug component=dispatcher msg=\"Notifications not sent, route is within mute time\"");
        let why = "a mute time of its route `{}/{severity=\"page\"}`".to_string();
        assert_eq!((muted.of("d6b63964a7e33a65"), muted.of("0123abcd")), (Some(&why), Some(&why)));
        assert_eq!(muted.of("ffff"), None);
    }

    #[test]
    fn mute_times_are_read_where_the_api_has_them() {
        let of = |json: &str| serde_json::from_str::<Status>(json).unwrap().muted_by;
        assert_eq!(of(r#"{"state":"active","silencedBy":[],"inhibitedBy":[]}"#), Vec::<String>::new());
        assert_eq!(of(r#"{"silencedBy":[],"inhibitedBy":[],"mutedBy":["nights"]}"#), ["nights"]);
    }

    #[test]
    fn times_of_both_servers_are_read() {
        assert_eq!(micros("2026-11-22T20:47:15.632Z"), Some(1_795_380_435_632_000));
        assert_eq!(micros("1970-01-01T00:00:00.000001999Z"), Some(1));
    }
}
