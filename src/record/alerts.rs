//! Alerts as they were seen in Prometheus, in Alertmanager and where they were delivered, and what a page that had to come came to:
//! pure functions over what was seen, for the drill and for whoever computes it again.

use super::{DrillTime, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The label that holds the name of an alert.
pub const ALERT_NAME: &str = "alertname";

/// Something that became of an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertMoment {
    /// When.
    pub at_us: DrillTime,
    /// Its labels, with its name; Prometheus' external labels are there from `Received` on.
    pub labels: BTreeMap<String, String>,
    /// What became of it.
    pub station: AlertStation,
}

/// A station in the life of an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "station", rename_all = "snake_case")]
pub enum AlertStation {
    /// Its expression became true.
    Pending,
    /// It had been true for as long as the rule says (`for`).
    Firing,
    /// Its expression is not true any more.
    Ended,
    /// Alertmanager has it.
    Received {
        /// The receivers to which its routes lead.
        receivers: Vec<String>,
    },
    /// Alertmanager keeps it back.
    Suppressed {
        /// The silence, the alert that inhibits it, or the mute time of its route.
        by: String,
    },
    /// A notification with it was delivered.
    Delivered {
        /// To this receiver.
        receiver: String,
        /// The route that led there, by its matchers: `{}/{team="payments"}`; empty where nobody tells.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        route: String,
        /// Who sent it, where that was not the drill's Alertmanager.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<String>,
    },
    /// A notification that it is over was delivered.
    Resolved {
        /// To this receiver.
        receiver: String,
    },
}

impl AlertMoment {
    /// Name of the alert.
    pub fn name(&self) -> &str {
        self.labels.get(ALERT_NAME).map_or("an alert without a name", String::as_str)
    }

    /// Whether it is still Prometheus that tells of it, to which external labels are unknown.
    fn is_of_prometheus(&self) -> bool {
        matches!(self.station, AlertStation::Pending | AlertStation::Firing | AlertStation::Ended)
    }
}

/// A page that must come: `detect` of a scenario.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageExpectation {
    /// Name of the alert.
    pub alert: String,
    /// Labels that it must have.
    pub labels: BTreeMap<String, String>,
    /// The receiver to which it must be delivered; any one that somebody watches when there is none.
    pub receiver: Option<String>,
    /// Who must have sent it, where that is not the drill's Alertmanager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// It must come before an SLI falls.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub before_impact: bool,
    /// Alerts that must not page.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quiet: Vec<String>,
    /// Most notifications from the injection to the recovery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pages: Option<u32>,
    /// After the recovery it must be over within this time, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolves_within_us: Option<u64>,
    /// Who must be paged when nobody acknowledges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation: Option<PageEscalation>,
    /// Receivers that page nobody: nobody is on call behind them, or they deliver to nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unwatched: Vec<String>,
}

/// The second line, which must be paged because nobody acknowledges the first page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageEscalation {
    /// Name of the alert that pages it, whoever sends it.
    pub alert: String,
    /// The receiver of the second line.
    pub receiver: String,
    /// At most this long after the first page was delivered, in microseconds.
    pub within_us: u64,
}

impl PageEscalation {
    /// When the second line was paged, since `first`, in time or not.
    pub fn reached(&self, seen: &[AlertMoment], first: DrillTime) -> Option<DrillTime> {
        let is_there = |station: &AlertStation| matches!(station, AlertStation::Delivered { receiver, .. } if *receiver == self.receiver);
        let own = seen.iter().filter(|moment| moment.name() == self.alert && moment.at_us >= first);
        own.filter(|moment| is_there(&moment.station)).map(|moment| moment.at_us).min()
    }

    /// Until when it must be paged where the first page came at `first`.
    pub fn deadline(&self, first: DrillTime) -> DrillTime {
        DrillTime(first.0.saturating_add(self.within_us))
    }
}

/// A page that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageSeen {
    /// When it was delivered.
    pub at: DrillTime,
    /// To this receiver.
    pub receiver: String,
    /// How long it took since the fault, part by part: what, and its time in microseconds.
    pub parts: Vec<(&'static str, u64)>,
}

/// Why a page did not come as it must.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageMissed {
    /// `undetected`, `misrouted`, `suppressed` or `late`.
    pub verdict: Verdict,
    /// What was seen instead.
    pub seen: String,
}

impl PageExpectation {
    /// The page in words: `CheckoutDown to payments-oncall`.
    pub fn text(&self) -> String {
        let labels: Vec<String> = self.labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(", ")) };
        let to = self.receiver.as_ref().map(|receiver| format!(" to {receiver}")).unwrap_or_default();
        let from = self.source.as_ref().map(|source| format!(" from {source}")).unwrap_or_default();
        format!("{}{labels}{to}{from}", self.alert)
    }

    /// Whether anything is asserted of pages beyond the one that must come.
    pub fn judges_pages(&self) -> bool {
        !self.quiet.is_empty() || self.max_pages.is_some() || self.resolves_within_us.is_some()
    }

    /// Whether a moment is of this alert with these labels.
    pub fn is_of(&self, moment: &AlertMoment) -> bool {
        let has = |(name, value): (&String, &String)| match moment.labels.get(name) {
            Some(own) => own == value,
            None => moment.is_of_prometheus(),
        };
        moment.name() == self.alert && self.labels.iter().all(has)
    }

    /// Whether it is active in Prometheus, pending or firing, by what was seen so far.
    pub fn is_active(&self, seen: &[AlertMoment]) -> bool {
        let mut active: BTreeSet<&BTreeMap<String, String>> = BTreeSet::new();
        for moment in seen.iter().filter(|moment| self.is_of(moment)) {
            match moment.station {
                AlertStation::Pending | AlertStation::Firing => drop(active.insert(&moment.labels)),
                AlertStation::Ended => drop(active.remove(&moment.labels)),
                _ => {}
            }
        }
        !active.is_empty()
    }

    /// Whether a delivery to this receiver calls somebody.
    fn pages(&self, receiver: &str) -> bool {
        !self.unwatched.iter().any(|unwatched| unwatched == receiver)
    }

    /// The notifications that called somebody: when, to which receiver, and the alerts in each.
    fn notifications<'m>(&self, seen: &'m [AlertMoment]) -> BTreeMap<(DrillTime, &'m str), Vec<&'m str>> {
        let mut found: BTreeMap<_, Vec<&str>> = BTreeMap::new();
        for moment in seen {
            if let AlertStation::Delivered { receiver, .. } = &moment.station
                && self.pages(receiver)
            {
                found.entry((moment.at_us, receiver.as_str())).or_default().push(moment.name());
            }
        }
        found
    }

    /// The first page that came as it must since `from`.
    pub fn came(&self, seen: &[AlertMoment], from: DrillTime) -> Option<PageSeen> {
        let mut delivered = seen.iter().filter(|moment| self.is_of(moment) && moment.at_us >= from);
        delivered.find_map(|moment| match &moment.station {
            AlertStation::Delivered { receiver, source, .. }
                if *source == self.source
                    && self.receiver.as_ref().is_none_or(|wanted| wanted == receiver)
                    && self.pages(receiver) =>
            {
                let parts = self.parts(seen, from, moment.at_us);
                Some(PageSeen { at: moment.at_us, receiver: receiver.clone(), parts })
            }
            _ => None,
        })
    }

    /// Where the time went between `from` and `until`, as far as it is known.
    fn parts(&self, seen: &[AlertMoment], from: DrillTime, until: DrillTime) -> Vec<(&'static str, u64)> {
        let last = |wanted: fn(&AlertStation) -> bool| {
            let of = |moment: &&AlertMoment| self.is_of(moment) && moment.at_us <= until && wanted(&moment.station);
            seen.iter().filter(of).map(|moment| moment.at_us).max().filter(|at| *at >= from)
        };
        let stations = [
            ("until its expression was true", last(|station| *station == AlertStation::Pending)),
            ("pending", last(|station| *station == AlertStation::Firing)),
            ("until Alertmanager had it", last(|station| matches!(station, AlertStation::Received { .. }))),
            ("until it was delivered", Some(until)),
        ];
        let (mut parts, mut before) = (Vec::new(), from);
        for (what, at) in stations {
            // What was seen late may be known for earlier than what came before it.
            let Some(at) = at.map(|at| at.max(before)) else { continue };
            parts.push((what, at.0 - before.0));
            before = at;
        }
        parts
    }

    /// Why the page did not come between `from` and `deadline`, by what was seen until now. `distance` says how far the expression
    /// was from its threshold, where that is known.
    pub fn missed(
        &self,
        seen: &[AlertMoment],
        from: DrillTime,
        deadline: DrillTime,
        now: DrillTime,
        distance: &str,
    ) -> PageMissed {
        let missed = |verdict, seen: String| PageMissed { verdict, seen };
        let took = |at: DrillTime| seconds(at.0.saturating_sub(from.0));
        if let Some(late) = self.came(seen, from) {
            let late_by = seconds(late.at.0.saturating_sub(deadline.0));
            let parts = in_words(&late.parts);
            let why =
                format!("it was delivered to {} {late_by} too late, after {}: {parts}", late.receiver, took(late.at));
            return missed(Verdict::Late, why);
        }
        let own: Vec<&AlertMoment> = seen.iter().filter(|moment| self.is_of(moment) && moment.at_us >= from).collect();
        if let Some(elsewhere) = self.elsewhere(&own) {
            return missed(Verdict::Misrouted, elsewhere);
        }
        let suppressed = own.iter().find_map(|moment| match &moment.station {
            AlertStation::Suppressed { by } => Some((moment.at_us, by)),
            _ => None,
        });
        if let Some((at, by)) = suppressed {
            return missed(
                Verdict::Suppressed,
                format!("it fired, and after {} Alertmanager kept it back: {by}", took(at)),
            );
        }
        if let Some(first) = own.first() {
            let received = own.iter().any(|moment| matches!(moment.station, AlertStation::Received { .. }));
            let is_firing = received || own.iter().any(|moment| moment.station == AlertStation::Firing);
            let state = match (received, is_firing) {
                (true, _) => "Alertmanager has it and has not delivered it yet (`group_wait`, `group_interval`)",
                (_, true) => "it fires, and Alertmanager does not have it yet",
                _ => "it is pending (`for` of its rule)",
            };
            let ended = if self.is_active(seen) || received { "" } else { ", and it has ended since" };
            let last = self.parts(seen, from, now).last().map_or(0, |(_, us)| *us);
            let begun = took(first.at_us.max(from));
            let so_far = seconds(last);
            return missed(
                Verdict::Late,
                format!("its expression was true after {begun}, and {so_far} later {state}{ended}"),
            );
        }
        let named: Vec<&AlertMoment> =
            seen.iter().filter(|other| other.name() == self.alert && other.at_us >= from).collect();
        match named.first() {
            Some(other) => {
                let labels: Vec<String> =
                    other.labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
                missed(Verdict::Undetected, format!("it fired with other labels: {{{}}}", labels.join(", ")))
            }
            None if distance.is_empty() => missed(Verdict::Undetected, "it never became pending".into()),
            None => missed(Verdict::Undetected, format!("it never became pending: {distance}")),
        }
    }

    /// Where it went instead, when it did.
    fn elsewhere(&self, own: &[&AlertMoment]) -> Option<String> {
        let wanted = |name: &String| self.receiver.as_ref().is_none_or(|wanted| wanted == name);
        let nobody = |name: &str| if self.pages(name) { "" } else { ", behind which nobody is on call" };
        let delivered = own.iter().find_map(|moment| match &moment.station {
            AlertStation::Delivered { receiver, route, source } if *source == self.source => Some((receiver, route)),
            _ => None,
        });
        let routed = own.iter().find_map(|moment| match &moment.station {
            AlertStation::Received { receivers } => Some(receivers),
            _ => None,
        });
        if let Some(receivers) = routed
            && receivers.iter().any(|receiver| wanted(receiver) && self.pages(receiver))
        {
            // It is on its way, whoever has it already.
            return None;
        }
        match (delivered, routed) {
            (Some((receiver, route)), _) => {
                let by = if route.is_empty() { String::new() } else { format!(" by the route `{route}`") };
                Some(format!("it was delivered to {receiver}{by}{}", nobody(receiver)))
            }
            (None, Some(receivers)) => {
                let said: Vec<String> = receivers.iter().map(|name| format!("{name}{}", nobody(name))).collect();
                Some(format!("Alertmanager routes it to {}", said.join(" and ")))
            }
            (None, None) => None,
        }
    }

    /// Who was called before anything was broken, if anybody was.
    pub fn paged_before(&self, seen: &[AlertMoment], from: DrillTime) -> Option<String> {
        let notifications = self.notifications(seen);
        let mut before = notifications
            .iter()
            .filter(|((at, receiver), _)| *at < from && self.receiver.as_ref().is_none_or(|wanted| wanted == receiver));
        let ((_, receiver), alerts) = before.next()?;
        Some(format!("{receiver} was paged for {} before anything was broken", alerts.join(", ")))
    }

    /// What paged although it must not, or that there were too many pages, since `from`.
    pub fn noise(&self, seen: &[AlertMoment], from: DrillTime) -> Option<String> {
        let notifications = self.notifications(seen);
        let since: Vec<_> = notifications.iter().filter(|((at, _), _)| *at >= from).collect();
        let loud = since.iter().find_map(|((_, receiver), alerts)| {
            let alert = alerts.iter().find(|alert| self.quiet.iter().any(|quiet| quiet == *alert))?;
            Some(format!("{receiver} was paged for {alert}, which must be quiet"))
        });
        let many = || {
            let most = self.max_pages.filter(|most| since.len() > *most as usize)?;
            let said: Vec<String> =
                since.iter().map(|((_, receiver), alerts)| format!("{receiver} for {}", alerts.join(", "))).collect();
            Some(format!("there were {} pages, and at most {most} may be: {}", since.len(), said.join("; ")))
        };
        loud.or_else(many)
    }

    /// When it was over, since `from`.
    pub fn resolved(&self, seen: &[AlertMoment], from: DrillTime) -> Option<DrillTime> {
        let receiver_tells = |moment: &&AlertMoment| match &moment.station {
            AlertStation::Resolved { receiver } => self.receiver.as_ref().is_none_or(|wanted| wanted == receiver),
            _ => false,
        };
        let own = seen.iter().filter(|moment| self.is_of(moment) && moment.at_us >= from);
        own.filter(receiver_tells).map(|moment| moment.at_us).min()
    }
}

/// Parts of a time in words: `1.2 s until its expression was true, 2.0 s pending`.
pub fn in_words(parts: &[(&'static str, u64)]) -> String {
    let said: Vec<String> = parts.iter().map(|(what, us)| format!("{} {what}", seconds(*us))).collect();
    said.join(", ")
}

fn seconds(us: u64) -> String {
    format!("{:.1} s", us as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;

    fn moment(at: u64, labels: &[(&str, &str)], station: AlertStation) -> AlertMoment {
        let own = [(ALERT_NAME, "Down")].iter().chain(labels).map(|(k, v)| (k.to_string(), v.to_string()));
        AlertMoment { at_us: DrillTime(at * S / 10), labels: own.collect(), station }
    }

    fn to(receiver: &str) -> AlertStation {
        AlertStation::Delivered { receiver: receiver.into(), route: "{}/{team=\"pay\"}".into(), source: None }
    }

    fn routed(receivers: &[&str]) -> AlertStation {
        AlertStation::Received { receivers: receivers.iter().map(|name| name.to_string()).collect() }
    }

    fn expected() -> PageExpectation {
        PageExpectation {
            alert: "Down".into(),
            labels: BTreeMap::from([("severity".to_string(), "page".to_string())]),
            receiver: Some("oncall".into()),
            unwatched: vec!["list".into()],
            ..PageExpectation::default()
        }
    }

    const PAGE: &[(&str, &str)] = &[("severity", "page")];

    fn why(page: &PageExpectation, seen: &[AlertMoment]) -> (Verdict, String) {
        let at = |s: u64| DrillTime(s * S);
        assert_eq!(page.came(seen, at(1)).filter(|came| came.at <= at(10)), None, "it did not come in time");
        let PageMissed { verdict, seen } = page.missed(seen, at(1), at(10), at(13), "x was at most 3 of > 5");
        (verdict, seen)
    }

    #[test]
    fn a_page_that_came_says_where_its_time_went() {
        let seen = [
            moment(5, PAGE, to("oncall")),
            moment(22, PAGE, AlertStation::Pending),
            moment(42, PAGE, AlertStation::Firing),
            moment(43, PAGE, routed(&["oncall"])),
            moment(50, PAGE, to("oncall")),
        ];
        let page = expected();
        let came = page.came(&seen, DrillTime(S)).unwrap();
        assert_eq!((came.at, came.receiver.as_str()), (DrillTime(5 * S), "oncall"));
        assert_eq!(
            in_words(&came.parts),
            "1.2 s until its expression was true, 2.0 s pending, 0.1 s until Alertmanager had it, 0.7 s until it was delivered"
        );
        assert_eq!(
            page.paged_before(&seen, DrillTime(S)).unwrap(),
            "oncall was paged for Down before anything was broken"
        );
        assert!(page.is_active(&seen) && !page.is_active(&seen[..1]));
    }

    #[test]
    fn each_way_to_miss_it_has_its_verdict() {
        let page = expected();
        let fires = || vec![moment(22, PAGE, AlertStation::Pending), moment(42, PAGE, AlertStation::Firing)];
        let with = |more: &[AlertMoment]| [fires(), more.to_vec()].concat();
        let (verdict, seen) = why(&page, &[]);
        assert_eq!((verdict, seen.as_str()), (Verdict::Undetected, "it never became pending: x was at most 3 of > 5"));
        let (verdict, seen) = why(&page, &[moment(30, &[("severity", "info")], AlertStation::Firing)]);
        assert_eq!(verdict, Verdict::Undetected);
        assert!(seen.contains("other labels") && seen.contains("severity=\"info\""), "{seen}");
        let (verdict, seen) = why(&page, &with(&[moment(43, PAGE, routed(&["list"])), moment(50, PAGE, to("list"))]));
        assert_eq!(verdict, Verdict::Misrouted);
        assert_eq!(seen, "it was delivered to list by the route `{}/{team=\"pay\"}`, behind which nobody is on call");
        let (verdict, seen) = why(&page, &with(&[moment(43, PAGE, routed(&["other"]))]));
        assert_eq!((verdict, seen.as_str()), (Verdict::Misrouted, "Alertmanager routes it to other"));
        let silence = AlertStation::Suppressed { by: "the silence of ada: works".into() };
        let (verdict, seen) = why(&page, &with(&[moment(43, PAGE, routed(&["oncall"])), moment(44, PAGE, silence)]));
        assert_eq!(verdict, Verdict::Suppressed);
        assert!(seen.ends_with("the silence of ada: works"), "{seen}");
        let (verdict, seen) = why(&page, &with(&[moment(120, PAGE, to("oncall"))]));
        assert_eq!(verdict, Verdict::Late);
        assert!(seen.contains("2.0 s too late"), "{seen}");
        let (verdict, seen) = why(&page, &fires()[..1]);
        assert_eq!(verdict, Verdict::Late);
        assert!(seen.contains("it is pending"), "{seen}");
        let (verdict, seen) = why(&page, &with(&[moment(43, PAGE, routed(&["oncall", "list"]))]));
        assert_eq!(verdict, Verdict::Late);
        assert!(seen.contains("has not delivered it yet"), "{seen}");
    }

    #[test]
    fn a_receiver_that_nobody_watches_pages_nobody() {
        let page = PageExpectation { receiver: None, ..expected() };
        let seen = [moment(43, PAGE, routed(&["list"])), moment(50, PAGE, to("list"))];
        assert_eq!(why(&page, &seen).0, Verdict::Misrouted);
        let page = PageExpectation { unwatched: vec!["oncall".into()], ..expected() };
        let seen = [moment(43, PAGE, routed(&["oncall"])), moment(50, PAGE, to("oncall"))];
        assert_eq!(why(&page, &seen).0, Verdict::Misrouted);
    }

    #[test]
    fn a_page_from_elsewhere_is_told_apart() {
        let page = PageExpectation { source: Some("grafana".into()), ..expected() };
        let seen = [moment(50, PAGE, to("oncall"))];
        assert_eq!(page.came(&seen, DrillTime(S)), None);
        let own =
            AlertStation::Delivered { receiver: "oncall".into(), route: String::new(), source: Some("grafana".into()) };
        assert!(page.came(&[moment(50, PAGE, own)], DrillTime(S)).is_some());
    }

    #[test]
    fn noise_is_what_must_be_quiet_and_what_is_too_much() {
        let page = PageExpectation { quiet: vec!["Down".into()], ..expected() };
        let seen = [moment(50, PAGE, to("oncall")), moment(60, PAGE, to("oncall")), moment(60, PAGE, to("list"))];
        assert!(page.noise(&seen, DrillTime(S)).unwrap().contains("must be quiet"));
        assert_eq!(page.noise(&seen[2..], DrillTime(S)), None, "nobody was called");
        let page = PageExpectation { max_pages: Some(1), ..expected() };
        assert!(page.noise(&seen, DrillTime(S)).unwrap().starts_with("there were 2 pages"));
        assert_eq!(page.noise(&seen[1..], DrillTime(S)), None);
    }
}
