//! `impact:`, `detect:` and `expect:` of a scenario: what must be seen, and what must come out.

use super::services::{Among, mention};
use super::windows::{LONGEST, Show, window};
use super::{AlertReceiver, Detect, Impact, Plan, loads};
use crate::record::{PageEscalation, PageExpectation, RestoreLevel, Verdict, micros};
use crate::slis::{MetricCondition, Ratio};
use crate::source::{At, MapReader, TextForm, did_you_mean, host_of, shape, shorten};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

const IMPACT_WITHIN: Duration = Duration::from_secs(15);
const IMPACT_WINDOW: Duration = Duration::from_secs(1);
const IMPACT_BELOW: f64 = 0.9;
const A_THRESHOLD: TextForm = TextForm::new("a percentage like `90%`", Ratio::shape);
const A_PAGE: TextForm =
    TextForm::new("a URL like `http://service:9100/metrics`", || shape::text(&format!("http:{}", loads::URL_PATTERN)));
const AN_ALERT: TextForm = TextForm::new("a condition like `db_pool_available < 1`", MetricCondition::shape);
const A_LEVEL: TextForm =
    TextForm::new("a level like `L3`", || shape::text(&RestoreLevel::ALL.map(RestoreLevel::name).join("|")));

/// What a scenario says of its impact that says nothing; `slis` are the names of the SLIs, also of those with mistakes.
pub fn default_impact(slis: &[&str]) -> Option<Impact> {
    let breaches = slis.iter().map(|name| (*name).to_string()).collect();
    let below = Ratio::new(IMPACT_BELOW)?;
    Some(Impact { none: false, breaches, below, within: IMPACT_WITHIN, window: IMPACT_WINDOW })
}

/// Reads `impact`.
pub fn read_impact(at: &mut At<'_>, slis: &[&str]) -> Option<Impact> {
    let mut impact = default_impact(slis)?;
    let unfelt = Impact { none: true, ..impact.clone() };
    let word = |at: &mut At<'_>| {
        let help = "write it like `impact: { breaches: [availability], below: 90%, within: 15s }`";
        (at.node.text() == Some("none")).then_some(unfelt).or_else(|| at.must_be("`none` or a map", help))
    };
    let map = |at: &mut At<'_>| {
        let mut map = at.map("`impact`")?;
        impact.none = map.optional("none").unwrap_or_default();
        impact.within = map.optional_by("within", |at| at.within(LONGEST)).unwrap_or(IMPACT_WITHIN);
        let of_a_breach = ["breaches", "below", "window"].into_iter().filter(|key| impact.none && map.has(key));
        for key in of_a_breach.collect::<Vec<_>>() {
            let how = format!("`{key}` how it is: leave one of the two out");
            map.wrong(key, format!("`none` says that nothing is breached, and {how}"));
        }
        let breaches = map.optional_by("breaches", |at| {
            let breaches: Option<Vec<String>> = at.value();
            let message = "`breaches` is empty: name an SLI, leave it out for any, or write `impact: none`";
            at.must_not_be_empty(message, "");
            let (key, node) = (at.key, at.node);
            // Without any SLI that was told already.
            for item in node.items().iter().filter(|item| item.text().is_some() && !slis.is_empty()) {
                at.inner(key, item.span, item).known(slis, "there is no SLI");
            }
            breaches
        });
        impact.breaches = breaches.unwrap_or(impact.breaches);
        impact.below = map.optional_by("below", |at| read_floor(at, A_THRESHOLD)).unwrap_or(impact.below);
        impact.window = map.optional_by("window", window).unwrap_or(IMPACT_WINDOW);
        if impact.window > impact.within {
            map.wrong("within", "`impact.within` is shorter than `impact.window`: no impact could be seen in time");
        }
        map.finish().map(|()| impact)
    };
    at.either(|| json!({ "const": "none" }), word, map)
}

/// Reads a share of good events that an SLI may fall below; `form` says how it is written.
pub fn read_floor(at: &mut At<'_>, form: TextForm) -> Option<Ratio> {
    let below = at.parse(form, Ratio::parse)?;
    if below.get() <= 0.0 {
        at.error("nothing can fall below 0%");
    }
    Some(below)
}

/// Reads `detect`: a condition on a metric, the page of an alert, or both; and what pages there must not be.
pub fn read_detect(at: &mut At<'_>) -> Option<Detect> {
    let mut map = at.map("`detect`")?;
    let of_a_page = ["labels", "receiver", "source", "before_impact", "resolves_within", "escalation"];
    let is_about_pages = ["quiet", "max_pages"].iter().any(|key| map.has(key));
    let is_empty = !map.has("alert") && !is_about_pages && !of_a_page.iter().any(|key| map.has(key));
    let both = map.has("metrics") || map.has("when") || is_empty && !map.diags.is_describing();
    let url = map.read("metrics", both, |at| read_page_url(at, "`detect.metrics`"));
    let condition = url.zip(map.read("when", both, |at| at.parse(AN_ALERT, MetricCondition::parse)));
    let must_come = ["metrics", "when", "alert"].iter().any(|key| map.has(key));
    let within = map.read("within", must_come, |at| at.within(LONGEST));
    let page = read_page(&mut map);
    for key in of_a_page.into_iter().filter(|key| map.has(key) && !map.has("alert")).collect::<Vec<_>>() {
        map.wrong(key, format!("`{key}` is about a page, and no `alert` is named"));
    }
    if is_about_pages && !must_come && map.has("within") {
        map.wrong("within", "nothing must come: `within` says nothing")
            .help("leave it out, or name what must come: `alert`, or `metrics` and `when`");
    }
    map.finish_with(|| Some(Detect { condition, page, within: within.or((!must_come).then_some(Duration::ZERO))? }))
}

fn read_page(map: &mut MapReader<'_>) -> Option<PageExpectation> {
    let mut page = PageExpectation {
        alert: map.optional("alert"),
        labels: map.optional_by("labels", read_labels).unwrap_or_default(),
        receiver: map.optional("receiver"),
        source: map.optional("source"),
        before_impact: map.optional("before_impact").unwrap_or_default(),
        quiet: map.optional_by("quiet", read_quiet).unwrap_or_default(),
        max_pages: map.optional("max_pages"),
        resolves_within_us: map.optional_by("resolves_within", |at| at.within(LONGEST)).map(micros),
        ..PageExpectation::default()
    };
    page.escalation = map.optional_by("escalation", |at| read_escalation(at, &page));
    (page.alert.is_some() || !page.quiet.is_empty() || page.max_pages.is_some()).then_some(page)
}

fn read_quiet(at: &mut At<'_>) -> Option<Vec<String>> {
    let quiet = at.value();
    at.must_not_be_empty("`quiet` is empty: name an alert, or leave it out", "");
    quiet
}

fn read_labels(at: &mut At<'_>) -> Option<BTreeMap<String, String>> {
    Some(at.named("a map of labels", "write it like `labels: { severity: page }`", |at| at.value()))
}

/// Reads `detect.escalation`; its receiver is who stands behind that of the page. Where it is the page's own alert that reaches the second
/// line, it has the page's labels: the same alert of another service is none.
fn read_escalation(at: &mut At<'_>, page: &PageExpectation) -> Option<PageEscalation> {
    let mut map = at.map("`escalation`")?;
    let alert: Option<String> = map.optional("alert");
    let labels = map.optional_by("labels", read_labels);
    let within = map.require_by("within", |at| at.within(LONGEST));
    map.finish()?;
    let within_us = micros(within?);
    let alert = alert.or(page.alert.clone())?;
    let is_the_same = page.alert.as_ref() == Some(&alert);
    let labels = labels.or(is_the_same.then(|| page.labels.clone())).unwrap_or_default();
    Some(PageEscalation { alert, labels, receiver: String::new(), within_us })
}

/// Finds the second line in the file of who is on call.
fn check_escalation(page: &mut PageExpectation, plan: &Plan, map: &mut MapReader<'_>) {
    let Some(escalation) = &mut page.escalation else { return };
    let line = |name: &String| plan.oncall.as_ref()?.receiver(name);
    let first = page.receiver.as_ref().and_then(line);
    let (message, help) = match first.and_then(|first| first.then.as_ref().zip(first.acknowledge_within)) {
        None => (
            "nothing says who the second line of this page is".into(),
            "name its `receiver`, and the file (`oncall: oncall.yaml`) that says `acknowledge_within: 5m, then: RECEIVER` of it",
        ),
        // Behind whom somebody must be on call, like behind the first line.
        Some((second, _)) if line(second).is_some_and(|second| second.on_call.is_empty()) => (
            format!("nobody is on call behind `{}`, the second line", shorten(second)),
            "name somebody in its `on_call`",
        ),
        Some((second, after)) => {
            escalation.receiver.clone_from(second);
            if after < Duration::from_micros(escalation.within_us) {
                return;
            }
            let message = format!("the second line is paged {} after the first page at the earliest", Show(after));
            (message, "give `escalation.within` more time than `acknowledge_within` of the file of who is on call")
        }
    };
    map.error(plan.place(&["detect", "escalation"]), message).help(help);
}

/// Holds a page against the files of the alerts and of who is on call, and notes in it which receivers page nobody.
pub fn check_page(page: &mut PageExpectation, plan: &Plan, map: &mut MapReader<'_>) {
    let (place, oncall) = (|key: &str| plan.place(&["detect", key]), plan.oncall.as_ref());
    let Some(alerts) = &plan.alerts else {
        let there = ["alert", "quiet", "max_pages"].into_iter().find(|key| plan.root.get(&["detect", *key]).is_some());
        map.error(place(there.unwrap_or("alert")), "nothing says where its rule is and who is paged")
            .help("name the team's files: `alerts: { rules: …, alertmanager: …, prometheus: … }`");
        return;
    };
    if page.source.is_none() {
        let names = alerts.names();
        for alert in page.alert.iter().chain(&page.quiet).filter(|alert| !names.contains(&alert.as_str())) {
            let key = if Some(alert) == page.alert.as_ref() { "alert" } else { "quiet" };
            let help = did_you_mean(alert, names.iter().copied());
            map.error(place(key), format!("no rule has an alert `{}`", shorten(alert))).help(help);
        }
    }
    let is_told = |receiver: &&AlertReceiver| page.receiver.as_ref().is_none_or(|name| *name == receiver.name);
    let receivers = alerts.receivers();
    let told: Vec<&AlertReceiver> = receivers.iter().filter(is_told).collect();
    match (page.receiver.as_ref(), told.first()) {
        (Some(name), None) if page.source.is_none() => {
            let names = receivers.iter().map(|receiver| receiver.name.as_str());
            map.error(place("receiver"), format!("Alertmanager has no receiver `{}`", shorten(name)))
                .help(did_you_mean(name, names));
        }
        (Some(name), Some(receiver)) if !receiver.delivers => {
            map.error(place("receiver"), format!("the receiver `{}` delivers to nothing", shorten(name)));
        }
        _ => {}
    }
    if page.resolves_within_us.is_some() && !told.is_empty() && !told.iter().any(|receiver| receiver.resolves) {
        map.error(place("resolves_within"), "its receiver is never told that an alert is over (`send_resolved`)");
    }
    page.theory = alerts.theory(page);
    check_escalation(page, plan, map);
    page.unwatched = alerts.unwatched(oncall);
    if let (Some(oncall), Some(name)) = (oncall, &page.receiver)
        && oncall.receiver(name).is_none()
    {
        let message = format!("{} does not say who is behind `{}`", oncall.source.path.display(), shorten(name));
        map.diags.warning(map.source, place("receiver"), message).help("add it below `receivers`");
    }
}

/// Reads the URL of a page inside the stack; `by` names what asks for it.
pub fn read_page_url(at: &mut At<'_>, by: &str) -> Option<String> {
    let url = at.parse(A_PAGE, |text| {
        if text.contains("{{") {
            return Err("placeholders cannot stand in this URL".into());
        }
        loads::parse_url(text.trim(), false, &[])
    })?;
    if let Some(host) = host_of(&url) {
        mention(at, by.into(), host, Among::Hosts);
    }
    Some(url)
}

/// Reads `expect`: the verdict that must come out, and how far the restore must come.
pub fn read_expect(at: &mut At<'_>) -> Option<(Verdict, Option<RestoreLevel>)> {
    let mut map = at.map("`expect`")?;
    let verdict = map.require_by("verdict", |at| {
        // What says nothing about the system cannot be what a scenario is for.
        let real = Verdict::ALL.into_iter().filter(|verdict| !verdict.is_harness());
        at.one_of(real.map(|verdict| (verdict.name(), verdict)), "is not a verdict that can be expected")
    });
    let level = map.optional_with("level", A_LEVEL, |text| {
        RestoreLevel::from_name(text.trim())
            .ok_or_else(|| format!("`{}` is not a level of a restore: they are `L0` to `L5`", shorten(text)))
    });
    map.finish_with(|| Some((verdict?, level)))
}
