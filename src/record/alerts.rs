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
    /// Alertmanager has it: the receivers to which its routes lead.
    Received { receivers: Vec<String> },
    /// Alertmanager keeps it back: the silence, the alert that inhibits it, or the mute time of its route.
    Suppressed { by: String },
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
        /// Who sent it, where that was not the drill's Alertmanager.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<String>,
    },
}

impl AlertMoment {
    /// Name of the alert.
    pub fn name(&self) -> &str {
        self.labels.get(ALERT_NAME).map_or("an alert without a name", String::as_str)
    }
}

/// What is asserted of pages: `detect` of a scenario.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PageExpectation {
    /// Name of the alert whose page must come; `None`: none must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
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
    /// Most notifications from the injection until the recovery has held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pages: Option<u32>,
    /// After the recovery it must be over within this time, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolves_within_us: Option<u64>,
    /// Who must be paged when nobody acknowledges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation: Option<PageEscalation>,
    /// How long its page takes by its rule; `None` where no page must come, or something else sends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theory: Option<PageTheory>,
    /// Receivers that page nobody: nobody is on call behind them, or they deliver to nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unwatched: Vec<String>,
}

/// What a rule says of the time until its page is delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum PageTheory {
    /// A share of errors over a window is compared with a factor times the error budget: chapter 5 of the Site Reliability Workbook.
    BurnRate(BurnRate),
    /// Nothing, and why not.
    Unknown { why: String },
}

/// A burn-rate rule. Times are in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct BurnRate {
    /// Factor × error budget: the share of errors above which it fires, in 0..1.
    pub threshold: f64,
    /// The window, of several the longest one.
    pub window_us: u64,
    /// `for` of the rule.
    pub pending_us: u64,
    /// Until the next scrape at most.
    pub scrape_us: u64,
    /// Until the next evaluation at most.
    pub evaluation_us: u64,
    /// `group_wait` of the route.
    pub group_wait_us: u64,
}

/// The time to detect by the alert's rule, and as it was measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct DetectionTheory {
    /// The rule.
    pub of: BurnRate,
    /// The largest share of bad events of an SLI from the fault to the page, in 0..=1.
    pub bad: f64,
    /// At most so long the page takes, in microseconds: threshold / bad × window, and every wait behind it.
    pub to_detect_us: u64,
    /// How much longer it took than that, in microseconds; below 0 it came sooner.
    pub later_us: i64,
}

impl BurnRate {
    /// What the rule promises for this share of bad events, beside the time that the page took; `None` where so few are
    /// bad that the rule would never fire.
    pub fn against(self, bad: f64, took_us: u64) -> Option<DetectionTheory> {
        let burning = (self.threshold / bad * self.window_us as f64).round() as u64;
        let waits = [self.pending_us, self.scrape_us, self.evaluation_us, self.group_wait_us];
        let to_detect_us = waits.into_iter().fold(burning, u64::saturating_add);
        let later_us = i64::try_from(took_us).ok()?.checked_sub_unsigned(to_detect_us)?;
        (bad > self.threshold).then_some(DetectionTheory { of: self, bad, to_detect_us, later_us })
    }
}

/// The second line, which must be paged because nobody acknowledges the first page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageEscalation {
    /// Name of the alert that pages it, whoever sends it.
    pub alert: String,
    /// Labels that it must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The receiver of the second line.
    pub receiver: String,
    /// At most this long after the first page was delivered, in microseconds.
    pub within_us: u64,
}

impl PageEscalation {
    /// When the second line was paged, since `first`, in time or not.
    pub fn reached(&self, seen: &[AlertMoment], first: DrillTime) -> Option<DrillTime> {
        let own = seen.iter().filter(|moment| moment.name() == self.alert && moment.at_us >= first);
        let own = own.filter(|own| self.labels.iter().all(|(name, value)| own.labels.get(name) == Some(value)));
        let is_there = |station: &AlertStation| matches!(station, AlertStation::Delivered { receiver, .. } if *receiver == self.receiver);
        own.filter(|moment| is_there(&moment.station)).map(|moment| moment.at_us).min()
    }

    /// Until when it must be paged where the first page came at `first`.
    pub fn deadline(&self, first: DrillTime) -> DrillTime {
        DrillTime(first.0.saturating_add(self.within_us))
    }
}

/// From when on a condition and a page have their time, by when each injection began and was confirmed: of several the confirmation of
/// the last one that had begun when users `felt` them. What comes later cannot have been it, and must not give them more time. Where users
/// felt none: the last one.
pub fn detect_from(injections: &[(DrillTime, DrillTime)], felt: Option<DrillTime>) -> Option<DrillTime> {
    let begun = injections.iter().filter(|(began, _)| felt.is_none_or(|felt| *began <= felt));
    begun.map(|(_, confirmed)| *confirmed).max()
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

impl PageExpectation {
    /// The page in words: `CheckoutDown to payments-oncall`.
    pub fn text(&self) -> String {
        let labels = if self.labels.is_empty() { String::new() } else { matchers(&self.labels) };
        let to = self.receiver.as_ref().map(|receiver| format!(" to {receiver}")).unwrap_or_default();
        let from = self.source.as_ref().map(|source| format!(" from {source}")).unwrap_or_default();
        format!("{}{labels}{to}{from}", self.name())
    }

    /// What a drill waits for, in words.
    pub fn waited_for(&self) -> String {
        format!("the page {}", self.text())
    }

    /// Name of the alert.
    pub fn name(&self) -> &str {
        self.alert.as_deref().unwrap_or("no alert")
    }

    /// Whether anything is asserted of pages beyond the one that must come.
    pub fn judges_pages(&self) -> bool {
        !self.quiet.is_empty() || self.max_pages.is_some() || self.resolves_within_us.is_some()
    }

    /// Whether a moment is of this alert, whatever its labels, as its source tells it.
    fn is_told(&self, moment: &AlertMoment) -> bool {
        let source = match &moment.station {
            AlertStation::Delivered { source, .. } | AlertStation::Resolved { source, .. } => source.as_ref(),
            _ => None,
        };
        self.alert.as_deref() == Some(moment.name()) && self.source.as_ref() == source
    }

    fn has_labels(&self, moment: &AlertMoment) -> bool {
        let has = |(name, value): (&String, &String)| match moment.labels.get(name) {
            Some(own) => own == value,
            // It is still Prometheus that tells of it, to which external labels are unknown.
            None => matches!(moment.station, AlertStation::Pending | AlertStation::Firing | AlertStation::Ended),
        };
        self.labels.iter().all(has)
    }

    /// Whether a moment is of this alert with these labels, as its source tells it.
    pub fn is_of(&self, moment: &AlertMoment) -> bool {
        self.is_told(moment) && self.has_labels(moment)
    }

    /// Whether it was active at an instant: then what broke after that has not set it off.
    pub fn was_active(&self, seen: &[AlertMoment], at: DrillTime) -> bool {
        self.is_active(seen.iter().filter(|moment| moment.at_us < at))
    }

    /// Whether it is active in Prometheus, pending or firing, by what was seen so far.
    pub fn is_active<'m>(&self, seen: impl IntoIterator<Item = &'m AlertMoment>) -> bool {
        let mut active: BTreeSet<&BTreeMap<String, String>> = BTreeSet::new();
        let is_own = |moment: &&AlertMoment| self.alert.as_deref() == Some(moment.name()) && self.has_labels(moment);
        for moment in seen.into_iter().filter(is_own) {
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

    /// The first page that came as it must since the injection began, counted `from` when the fault was seen in place: one that came before
    /// that, as a slow injection hurt, came then.
    pub fn came(&self, seen: &[AlertMoment], began: DrillTime, from: DrillTime) -> Option<PageSeen> {
        let mut delivered = seen.iter().filter(|moment| self.is_of(moment) && moment.at_us >= began);
        delivered.find_map(|moment| match &moment.station {
            AlertStation::Delivered { receiver, .. } if self.is_for(receiver) && self.pages(receiver) => {
                let at = moment.at_us.max(from);
                Some(PageSeen { at, receiver: receiver.clone(), parts: self.parts(seen, from, at) })
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

    /// Why the page did not come between the injection, which was seen in place at `from`, and `deadline` (`undetected`, `misrouted`,
    /// `suppressed` or `late`), by what was seen until now. `distance` says how far the expression was from its threshold, where that is
    /// known.
    pub fn missed(
        &self,
        seen: &[AlertMoment],
        began: DrillTime,
        from: DrillTime,
        deadline: DrillTime,
        now: DrillTime,
        distance: &str,
    ) -> (Verdict, String) {
        let took = |at: DrillTime| seconds(at.0.saturating_sub(from.0));
        if let Some(late) = self.came(seen, began, from) {
            let late_by = seconds(late.at.0.saturating_sub(deadline.0));
            let (receiver, after, parts) = (&late.receiver, took(late.at), in_words(&late.parts));
            let why = format!("it was delivered to {receiver} {late_by} too late, after {after}: {parts}");
            return (Verdict::Late, why);
        }
        let own: Vec<&AlertMoment> = seen.iter().filter(|moment| self.is_of(moment) && moment.at_us >= began).collect();
        if let Some(elsewhere) = self.elsewhere(&own) {
            return (Verdict::Misrouted, elsewhere);
        }
        let suppressed = own.iter().find_map(|moment| match &moment.station {
            AlertStation::Suppressed { by } => Some((took(moment.at_us), by)),
            _ => None,
        });
        if let Some((after, by)) = suppressed {
            return (Verdict::Suppressed, format!("it fired, and after {after} Alertmanager kept it back: {by}"));
        }
        if let Some(first) = own.first() {
            let received = own.iter().any(|moment| matches!(moment.station, AlertStation::Received { .. }));
            let state = match own.iter().any(|moment| moment.station == AlertStation::Firing) {
                _ if received => "Alertmanager has it and has not delivered it yet (`group_wait`, `group_interval`)",
                true => "it fires, and Alertmanager does not have it yet",
                false => "it is pending (`for` of its rule)",
            };
            let ended = if self.is_active(seen) || received { "" } else { ", and it has ended since" };
            let so_far = seconds(self.parts(seen, from, now).last().map_or(0, |(_, us)| *us));
            let begun = took(first.at_us.max(from));
            return (
                Verdict::Late,
                format!("its expression was true after {begun}, and {so_far} later {state}{ended}"),
            );
        }
        let why = match seen.iter().find(|other| self.is_told(other) && other.at_us >= began) {
            Some(other) => format!("it fired with other labels: {}", matchers(&other.labels)),
            None if self.source.is_some() => "it was never posted".into(),
            None if distance.is_empty() => "it never became pending".into(),
            None => format!("it never became pending: {distance}"),
        };
        (Verdict::Undetected, why)
    }

    /// Where it went instead, when it did.
    fn elsewhere(&self, own: &[&AlertMoment]) -> Option<String> {
        let nobody = |name: &str| if self.pages(name) { "" } else { ", behind which nobody is on call" };
        let routed = own.iter().find_map(|moment| match &moment.station {
            AlertStation::Received { receivers } => Some(receivers),
            _ => None,
        });
        // Then it is on its way, whoever has it already.
        let is_meant = |receiver: &String| self.is_for(receiver) && self.pages(receiver);
        if routed.is_some_and(|receivers| receivers.iter().any(is_meant)) {
            return None;
        }
        let delivered = own.iter().find_map(|moment| match &moment.station {
            AlertStation::Delivered { receiver, route, .. } => {
                let by = if route.is_empty() { String::new() } else { format!(" by the route `{route}`") };
                Some(format!("it was delivered to {receiver}{by}{}", nobody(receiver)))
            }
            _ => None,
        });
        delivered.or_else(|| {
            let said: Vec<String> = routed?.iter().map(|name| format!("{name}{}", nobody(name))).collect();
            Some(format!("Alertmanager routes it to {}", said.join(" and ")))
        })
    }

    /// Who was called before the injection began, if anybody was who must not be: by anything, or by an alert that must be quiet.
    pub fn paged_before(&self, seen: &[AlertMoment], began: DrillTime) -> Option<String> {
        let notifications = self.notifications(seen);
        let mut before = notifications.iter().filter(|((at, receiver), alerts)| {
            *at < began && (self.is_for(receiver) || alerts.iter().any(|alert| self.is_quiet(alert)))
        });
        let ((_, receiver), alerts) = before.next()?;
        Some(format!("{receiver} was paged for {} before anything was broken", alerts.join(", ")))
    }

    fn is_quiet(&self, alert: &str) -> bool {
        self.quiet.iter().any(|quiet| quiet == alert)
    }

    /// What paged although it must not, or that there were too many pages, since the injection began.
    pub fn noise(&self, seen: &[AlertMoment], began: DrillTime) -> Option<String> {
        let notifications = self.notifications(seen);
        let since: Vec<_> = notifications.iter().filter(|((at, _), _)| *at >= began).collect();
        let loud = since.iter().find_map(|((_, receiver), alerts)| {
            let alert = alerts.iter().find(|alert| self.is_quiet(alert))?;
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

    /// An alert that must be quiet and fires at the end, so that somebody is only not paged for it yet (`group_wait`): not one that is kept back,
    /// or that leads to nobody.
    pub fn fires_unseen(&self, seen: &[AlertMoment]) -> Option<&str> {
        let fires = |name: &&String| {
            let (mut firing, mut pages) = (BTreeSet::new(), true);
            for moment in seen.iter().filter(|moment| moment.name() == **name) {
                match &moment.station {
                    AlertStation::Firing => drop(firing.insert(&moment.labels)),
                    AlertStation::Ended => drop(firing.remove(&moment.labels)),
                    AlertStation::Suppressed { .. } => pages = false,
                    AlertStation::Received { receivers } => pages = receivers.iter().any(|name| self.pages(name)),
                    _ => {}
                }
            }
            pages && !firing.is_empty()
        };
        self.quiet.iter().find(fires).map(String::as_str)
    }

    /// When the receiver had been told that the alert is resolved, for every set of labels with which it was delivered;
    /// not before `from`.
    pub fn resolved(&self, seen: &[AlertMoment], from: DrillTime) -> Option<DrillTime> {
        let (mut open, mut over) = (BTreeSet::new(), None);
        for moment in seen.iter().filter(|moment| self.is_of(moment)) {
            match &moment.station {
                // An end before `from` counts from then on, and only as long as it does not come again.
                _ if over.is_some_and(|over| over > from) => break,
                AlertStation::Delivered { receiver, .. } if self.is_for(receiver) => drop(open.insert(&moment.labels)),
                AlertStation::Resolved { receiver, .. } if self.is_for(receiver) => drop(open.remove(&moment.labels)),
                _ => continue,
            }
            over = open.is_empty().then_some(moment.at_us.max(from));
        }
        over
    }

    /// Whether a notification to this receiver is one that is looked for.
    fn is_for(&self, receiver: &str) -> bool {
        self.receiver.as_deref().is_none_or(|wanted| wanted == receiver)
    }
}

/// Parts of a time in words: `1.2 s until its expression was true, 2.0 s pending`.
pub fn in_words(parts: &[(&'static str, u64)]) -> String {
    let said: Vec<String> = parts.iter().map(|(what, us)| format!("{} {what}", seconds(*us))).collect();
    said.join(", ")
}

/// Labels as PromQL writes them: `{severity="page"}`.
fn matchers(labels: &BTreeMap<String, String>) -> String {
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    format!("{{{}}}", labels.join(", "))
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
            alert: Some("Down".into()),
            labels: BTreeMap::from([("severity".to_string(), "page".to_string())]),
            receiver: Some("oncall".into()),
            unwatched: vec!["list".into()],
            ..PageExpectation::default()
        }
    }

    const PAGE: &[(&str, &str)] = &[("severity", "page")];

    fn why(page: &PageExpectation, seen: &[AlertMoment]) -> (Verdict, String) {
        let at = |s: u64| DrillTime(s * S);
        assert_eq!(page.came(seen, at(1), at(1)).filter(|came| came.at <= at(10)), None, "it did not come in time");
        page.missed(seen, at(1), at(1), at(10), at(13), "x was at most 3 of > 5")
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
        let came = page.came(&seen, DrillTime(S), DrillTime(S)).unwrap();
        assert_eq!((came.at, came.receiver.as_str()), (DrillTime(5 * S), "oncall"));
        // As a slow injection hurt: it is the page all the same, and came when the fault was seen in place.
        let slow = page.came(&seen, DrillTime(3 * S), DrillTime(6 * S)).unwrap();
        assert_eq!((slow.at, page.paged_before(&seen[1..], DrillTime(3 * S))), (DrillTime(6 * S), None));
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
    fn what_was_pending_before_the_fault_was_not_set_off_by_it() {
        let seen = [moment(22, PAGE, AlertStation::Pending), moment(42, PAGE, AlertStation::Firing)];
        assert!(expected().was_active(&seen, DrillTime(3 * S)));
        assert!(!expected().was_active(&seen, DrillTime(2 * S)));
        let ended = [seen[0].clone(), moment(25, PAGE, AlertStation::Ended), seen[1].clone()];
        assert!(!expected().was_active(&ended, DrillTime(3 * S)));
    }

    #[test]
    fn a_fault_that_comes_after_users_felt_one_gives_no_more_time() {
        let injections = [(9, 10), (19, 20), (50, 60)].map(|(began, at)| (DrillTime(began), DrillTime(at)));
        let from = |felt| detect_from(&injections, felt);
        assert_eq!(from(Some(DrillTime(49))), Some(DrillTime(20)));
        // A release hurts while it is deployed.
        assert_eq!([from(Some(DrillTime(50))), from(None)], [Some(DrillTime(60)); 2]);
        assert_eq!([detect_from(&[], None), from(Some(DrillTime(8)))], [None; 2]);
    }

    #[test]
    fn the_same_alert_of_another_service_is_no_escalation() {
        let labels = expected().labels;
        let (alert, receiver) = ("Down".to_string(), "second".to_string());
        let escalation = PageEscalation { alert, labels, receiver, within_us: S };
        let other = moment(60, &[("severity", "info")], to("second"));
        assert_eq!(escalation.reached(std::slice::from_ref(&other), DrillTime(5 * S)), None);
        let own = moment(70, PAGE, to("second"));
        assert_eq!(escalation.reached(&[other, own], DrillTime(5 * S)), Some(DrillTime(7 * S)));
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
        assert_eq!(page.came(&seen, DrillTime(S), DrillTime(S)), None);
        let own =
            AlertStation::Delivered { receiver: "oncall".into(), route: String::new(), source: Some("grafana".into()) };
        assert!(page.came(&[moment(50, PAGE, own)], DrillTime(S), DrillTime(S)).is_some());
        // What the drill's own Prometheus and Alertmanager do with an alert of this name is another page.
        let (verdict, why) =
            why(&page, &[moment(22, PAGE, AlertStation::Pending), moment(43, PAGE, routed(&["oncall"]))]);
        assert_eq!((verdict, why.as_str()), (Verdict::Undetected, "it was never posted"));
        assert_eq!(page.resolved(&[seen[0].clone(), moment(60, PAGE, over(None))], DrillTime(S)), None);
    }

    fn over(source: Option<&str>) -> AlertStation {
        AlertStation::Resolved { receiver: "oncall".into(), source: source.map(String::from) }
    }

    #[test]
    fn it_is_over_when_each_that_was_delivered_is() {
        const OTHER: &[(&str, &str)] = &[("severity", "page"), ("instance", "b")];
        let resolved = |seen: &[AlertMoment]| expected().resolved(seen, DrillTime(7 * S));
        let both = [moment(50, PAGE, to("oncall")), moment(51, OTHER, to("oncall"))];
        let with = |more: &[AlertMoment]| resolved(&[both.to_vec(), more.to_vec()].concat());
        assert_eq!(with(&[moment(80, PAGE, over(None))]), None, "the other one goes on");
        let each = [moment(80, PAGE, over(None)), moment(90, OTHER, over(None))];
        assert_eq!(with(&each), Some(DrillTime(9 * S)));
        // Before users were served again, which is sooner than it must be; and begun anew.
        assert_eq!(resolved(&[both[0].clone(), moment(60, PAGE, over(None))]), Some(DrillTime(7 * S)));
        assert_eq!(resolved(&[both[0].clone(), moment(60, PAGE, over(None)), moment(65, PAGE, to("oncall"))]), None);
        assert_eq!(with(&[moment(80, PAGE, over(Some("grafana"))), moment(80, OTHER, over(None))]), None);
        let again = [both[0].clone(), moment(60, PAGE, over(None)), moment(90, PAGE, to("oncall"))];
        assert_eq!(resolved(&again), None, "it came again, and goes on");
        assert_eq!(resolved(&[]), None, "it never came");
    }

    #[test]
    fn a_full_outage_burns_fast_and_a_small_one_never() {
        // 14.4 times the budget of 99.9% over an hour.
        let of = BurnRate { threshold: 0.0144, window_us: 3600 * S, scrape_us: S, ..BurnRate::default() };
        let full = of.against(1.0, 53 * S).unwrap();
        assert_eq!((full.to_detect_us, full.later_us), (52_840_000, 160_000));
        assert_eq!(of.against(0.5, 0).unwrap().to_detect_us, 104_680_000);
        assert_eq!(of.against(0.0144, 0), None);
        assert_eq!(of.against(0.0, 0), None);
    }

    #[test]
    fn an_alert_that_must_be_quiet_and_fires_at_the_end_was_only_not_delivered_yet() {
        let page = PageExpectation { quiet: vec!["Other".into(), "Down".into()], ..expected() };
        let fires = |more: &[AlertStation]| {
            let stations = [&[AlertStation::Pending, AlertStation::Firing][..], more].concat();
            let seen: Vec<_> = (20..).zip(stations).map(|(at, station)| moment(at, PAGE, station)).collect();
            page.fires_unseen(&seen).map(str::to_string)
        };
        assert_eq!(fires(&[]).as_deref(), Some("Down"));
        assert_eq!(fires(&[routed(&["list", "oncall"])]).as_deref(), Some("Down"));
        for quiet in [routed(&["list"]), AlertStation::Ended, AlertStation::Suppressed { by: "a silence".into() }] {
            assert_eq!(fires(std::slice::from_ref(&quiet)), None, "{quiet:?}");
        }
        assert_eq!(expected().fires_unseen(&[moment(20, PAGE, AlertStation::Firing)]), None, "it may page");
    }

    #[test]
    fn noise_is_what_must_be_quiet_and_what_is_too_much() {
        let page = PageExpectation { quiet: vec!["Down".into()], ..expected() };
        let seen = [moment(50, PAGE, to("oncall")), moment(60, PAGE, to("oncall")), moment(60, PAGE, to("list"))];
        assert!(page.noise(&seen, DrillTime(S)).unwrap().contains("must be quiet"));
        assert_eq!(page.noise(&seen[2..], DrillTime(S)), None, "nobody was called");
        // Before anything is broken it must call nobody at all.
        let early = [moment(5, PAGE, to("managers"))];
        assert!(page.paged_before(&early, DrillTime(S)).unwrap().contains("managers was paged for Down"));
        assert_eq!(
            expected().paged_before(&early, DrillTime(S)),
            None,
            "another receiver is called for what is its own"
        );
        let page = PageExpectation { max_pages: Some(1), ..expected() };
        assert!(page.noise(&seen, DrillTime(S)).unwrap().starts_with("there were 2 pages"));
        assert_eq!(page.noise(&seen[1..], DrillTime(S)), None);
    }
}
