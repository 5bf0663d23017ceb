//! What is wrong with alert rules before any of them had to fire: what can never be true, what nobody would hear of, what wakes
//! people for causes. The advice is that of the Site Reliability Workbook, chapter 5, and of Prometheus' documentation on alerting.

use crate::record::ALERT_NAME;
use crate::source::{Diagnostics, Node, Severity, Source, Span, TextPattern, parse, parse_period, pattern, shorten};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// A team's alerts, and what is known beside them.
#[derive(Debug, Clone, Default)]
pub struct AlertRuleSet {
    /// The files of rules.
    pub rules: Vec<Arc<Source>>,
    /// The text of Alertmanager's configuration.
    pub alertmanager: String,
    /// The text of Prometheus' configuration.
    pub prometheus: String,
    /// Receivers that page nobody.
    pub unwatched: BTreeSet<String>,
    /// Names of the alerts that fired in a drill; `None` where that was not asked.
    pub fired: Option<BTreeSet<String>>,
}

/// `> 14.4 * 0.005`, `> (14.4 * (1 - 0.995))`: a factor and a budget.
static BURN: LazyLock<Regex> = LazyLock::new(|| {
    const FACTOR: &str = r"(\d+(?:\.\d+)?|\.\d+|\(\s*1\s*-\s*0?\.\d+\s*\))";
    pattern(&format!(r">=?\s*\(?\s*{FACTOR}\s*\*\s*{FACTOR}"))
});
static WINDOW: TextPattern = TextPattern::new(r"\[\s*((?:\d+(?:ms|[smhdwy]))+)\s*[:\]]");
static UNITS: TextPattern = TextPattern::new(r"\d+(?:ms|[smhdwy])");
static AVERAGE_OF_BUCKETS: TextPattern = TextPattern::new(r"\bavg(?:_over_time)?\b[^)]*\w_bucket\b");
/// Metrics of machines and containers.
static CAUSE: TextPattern = TextPattern::new(
    r"\b(?:node_(?:cpu|memory|load|filesystem|disk)|container_(?:cpu|memory)|process_(?:cpu|resident)|kube_pod_container_resource|machine_)\w*",
);
/// Severities that wake somebody.
const PAGING: [&str; 4] = ["page", "pager", "critical", "sev1"];
/// The interval of Prometheus that says none.
const SCRAPE_DEFAULT: Duration = Duration::from_secs(60);
/// `group_wait` where none is written.
pub const GROUP_WAIT: Duration = Duration::from_secs(30);

/// Notes what is wrong with the rules, each at its place.
pub fn lint(set: &AlertRuleSet, diags: &mut Diagnostics) {
    let read = |text: &str| parse(&Source::new("", text), &mut Diagnostics::default());
    let (routes, prometheus) = (read(&set.alertmanager), read(&set.prometheus));
    let scrape =
        prometheus.as_ref().and_then(|root| scrape_intervals(root).into_iter().min()).unwrap_or(SCRAPE_DEFAULT);
    let external = prometheus.as_ref().and_then(|root| root.get(&["global", "external_labels"]));
    for source in &set.rules {
        let Some(root) = parse(source, &mut Diagnostics::default()) else { continue };
        let groups = root.get(&["groups"]).or_else(|| root.get(&["spec", "groups"])).map_or(&[][..], Node::items);
        for rule in groups.iter().flat_map(|group| group.list(&["rules"])) {
            let mut labels = external.map(texts).unwrap_or_default();
            labels.extend(rule.get(&["labels"]).map(texts).unwrap_or_default());
            expression(rule, source, scrape, diags);
            if let Some(alert) = rule.get(&["alert"]) {
                labels.insert(ALERT_NAME.into(), alert.text().unwrap_or_default().into());
                let route = routes.as_ref().and_then(|root| root.get(&["route"]));
                let routed = route.map(|route| routed(route, &labels, ("", GROUP_WAIT))).unwrap_or_default();
                let mut receivers: Vec<String> = routed.into_iter().map(|(receiver, _)| receiver).collect();
                receivers.dedup();
                of_alert(set, rule, &labels, &receivers, (source, alert.span), diags);
            }
        }
    }
}

/// The expression of any rule, also of one that only records.
fn expression(rule: &Node, source: &Arc<Source>, scrape: Duration, diags: &mut Diagnostics) {
    let Some((text, span)) = rule.get(&["expr"]).and_then(|expr| Some((expr.text()?, expr.span))) else { return };
    let products = BURN.captures_iter(text).filter_map(|found| {
        let (a, b) = (factor(found.get(1)?.as_str())?, factor(found.get(2)?.as_str())?);
        // One of them is a share: the error budget.
        (a.min(b) < 1.0 && a.max(b) >= 1.0 && a * b >= 1.0).then(|| format!("{a} × {b} = {:.3}", a * b))
    });
    for product in products {
        diags
            .error(source, span, format!("it can never fire: a share of errors is at most 1, and {product}"))
            .help("for an objective this low take a smaller factor, or a longer window");
    }
    for (written, _) in windows(text).filter(|(_, length)| *length < 2 * scrape) {
        let message = format!("`{written}` holds less than two scrapes, which come every {} s", scrape.as_secs_f64());
        diags.error(source, span, message).help("a rate needs two samples; four scrape intervals bear a failed scrape");
    }
    if AVERAGE_OF_BUCKETS.is_match(text) {
        diags
            .error(source, span, "an average over `_bucket` series means nothing: buckets are cumulative counters")
            .help(
                "take `histogram_quantile(0.99, sum by (le) (rate(…_bucket[5m])))`, or `rate(…_sum) / rate(…_count)`",
            );
    }
}

fn of_alert(
    set: &AlertRuleSet,
    rule: &Node,
    labels: &BTreeMap<String, String>,
    receivers: &[String],
    (source, span): (&Arc<Source>, Span),
    diags: &mut Diagnostics,
) {
    let name = labels.get(ALERT_NAME).map(|name| shorten(name).to_string()).unwrap_or_default();
    let expr = rule.text_at(&["expr"]).unwrap_or_default();
    let severity = labels.get("severity").map(|severity| severity.to_lowercase()).unwrap_or_default();
    let pages = PAGING.contains(&severity.as_str());
    let mut say = |level: Severity, message: String, help: &str| {
        diags.push(level, source, span, message).help(help);
    };
    // Two windows are a patience of their own.
    if rule.get(&["for"]).is_none() && !expr.contains(" and ") {
        let help = "write `for: 1m`, or join a second, shorter window with `and`";
        say(Severity::Warning, format!("`{name}` has no `for`: one bad evaluation fires it"), help);
    }
    let reaches = receivers.iter().any(|receiver| !set.unwatched.contains(receiver));
    if pages && !reaches && !receivers.is_empty() {
        let help = "correct its labels or the routes of Alertmanager, or say in oncall.yaml who is behind the receiver";
        let to = receivers.join(" and ");
        say(Severity::Error, format!("`{name}` goes to {to}, where nobody is on call"), help);
    }
    let notes = rule.get(&["annotations"]);
    if pages && !["runbook_url", "runbook"].iter().any(|key| notes.is_some_and(|notes| notes.get(&[key]).is_some())) {
        let help = "put its address into the annotation `runbook_url`";
        say(Severity::Warning, format!("`{name}` wakes somebody and names no runbook"), help);
    }
    if let (true, Some(metric)) = (pages, CAUSE.find(expr)) {
        let help = "page for what users feel (errors, latency); what a machine does is for a ticket or a dashboard";
        say(Severity::Warning, format!("`{name}` wakes somebody for a cause, `{}`", metric.as_str()), help);
    }
    if set.fired.as_ref().is_some_and(|fired| labels.get(ALERT_NAME).is_none_or(|name| !fired.contains(name))) {
        let help = "name it as `detect.alert` of a scenario whose fault should raise it";
        say(Severity::Warning, format!("no drill has ever made `{name}` fire"), help);
    }
}

/// The receivers to which an alert with these labels goes, each with the `group_wait` of its route; see Alertmanager's documentation
/// of `route`. `inherited` are those of the route above.
pub fn routed(route: &Node, labels: &BTreeMap<String, String>, inherited: (&str, Duration)) -> Vec<(String, Duration)> {
    let receiver = route.text_at(&["receiver"]).unwrap_or(inherited.0);
    let wait = route.text_at(&["group_wait"]).and_then(duration).unwrap_or(inherited.1);
    let mut receivers = Vec::new();
    for child in route.list(&["routes"]).iter().filter(|child| takes(child, labels)) {
        receivers.extend(routed(child, labels, (receiver, wait)));
        if child.text_at(&["continue"]) != Some("true") {
            break;
        }
    }
    if receivers.is_empty() {
        receivers.push((receiver.to_string(), wait));
    }
    receivers
}

/// Whether a route takes an alert with these labels. A label that is not there is empty.
fn takes(route: &Node, labels: &BTreeMap<String, String>) -> bool {
    let own = |name: &str| labels.get(name).map_or("", String::as_str);
    // Regular expressions are anchored.
    let is_like = |text: &str, pattern: &str| Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|re| re.is_match(text));
    let written = |key: &str| route.get(&[key]).map(texts).unwrap_or_default();
    let matcher = |text: &str| {
        let Some(at) = text.find(['=', '!']) else { return true };
        let (name, rest) = text.split_at(at);
        let signed = |sign: &'static str| Some((sign, rest.strip_prefix(sign)?));
        let Some((sign, value)) = ["=~", "!~", "!=", "="].into_iter().find_map(signed) else { return false };
        let (text, value) = (own(name.trim()), value.trim().trim_matches('"'));
        match sign {
            "=" => text == value,
            "=~" => is_like(text, value),
            "!~" => !is_like(text, value),
            _ => text != value,
        }
    };
    route.list(&["matchers"]).iter().filter_map(Node::text).all(matcher)
        && written("match").iter().all(|(name, value)| own(name) == value)
        && written("match_re").iter().all(|(name, pattern)| is_like(own(name), pattern))
}

/// The shortest interval at which any job is scraped.
pub fn scrape_intervals(root: &Node) -> Vec<Duration> {
    let of = |node: &Node| duration(node.text_at(&["scrape_interval"])?);
    let usual = root.get(&["global"]).and_then(of).unwrap_or(SCRAPE_DEFAULT);
    let jobs = root.list(&["scrape_configs"]);
    if jobs.is_empty() { vec![usual] } else { jobs.iter().map(|job| of(job).unwrap_or(usual)).collect() }
}

/// A duration as Prometheus and Alertmanager write it: `1h30m`.
pub fn duration(text: &str) -> Option<Duration> {
    let whole: usize = UNITS.find_iter(text).map(|found| found.len()).sum();
    let part = |part: &str| match part.strip_suffix('y') {
        Some(years) => Some(Duration::from_secs(365 * 86_400) * years.parse::<u32>().ok()?),
        None => parse_period(part).ok(),
    };
    let mut parts = UNITS.find_iter(text).map(|found| part(found.as_str()));
    // `0` has no unit.
    let is_whole = whole == text.len() || text == "0";
    is_whole.then(|| parts.try_fold(Duration::ZERO, |all, part| all.checked_add(part?))).flatten()
}

/// The windows that an expression looks back, each as it is written and how long it is: `[5m]`, `[1h:30s]`.
pub fn windows(text: &str) -> impl Iterator<Item = (&str, Duration)> {
    WINDOW.captures_iter(text).filter_map(|found| Some((found.get(0)?.as_str(), duration(found.get(1)?.as_str())?)))
}

/// `14.4`, or `(1 - 0.995)`.
fn factor(text: &str) -> Option<f64> {
    match text.trim_start_matches('(').trim_end_matches(')').split_once('-') {
        Some((_, objective)) => Some(1.0 - objective.trim().parse::<f64>().ok()?),
        None => text.parse().ok(),
    }
}

/// Its entries that are texts: labels.
pub fn texts(node: &Node) -> BTreeMap<String, String> {
    let text = |entry: &crate::source::Entry| Some((entry.key.clone(), entry.value.text()?.to_string()));
    node.entries().iter().filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rules: &str, fired: Option<&[&str]>) -> Vec<String> {
        let set = AlertRuleSet {
            rules: vec![Source::new("rules.yml", format!("groups:\n- name: g\n  rules:\n{rules}"))],
            alertmanager: "route:\n  receiver: list\n  routes:\n  - matchers: ['team=~\"pay.*\"', severity!=\"none\"]\n    \
                           receiver: payments\n    continue: true\n  - match: { team: payments }\n    receiver: archive\n"
                .into(),
            prometheus: "global: { scrape_interval: 30s }\n".into(),
            unwatched: BTreeSet::from(["list".to_string()]),
            fired: fired.map(|names| names.iter().map(|name| name.to_string()).collect()),
        };
        let mut diags = Diagnostics::default();
        lint(&set, &mut diags);
        diags.all.iter().map(|found| format!("{}: {}", found.source.line(found.span.start), found.message)).collect()
    }

    const GOOD: &str = "  - alert: Down\n    expr: sum(rate(errors[5m])) / sum(rate(all[5m])) > 14.4 * 0.001\n    for: 1m\n    \
                        labels: { severity: page, team: payments }\n    annotations: { runbook_url: https://example.com/a }\n";

    #[test]
    fn a_good_rule_has_no_finding_and_each_bad_one_has_its_own() {
        assert_eq!(found(GOOD, Some(&["Down"])), Vec::<String>::new());
        for (from, to, expected) in [
            (
                "14.4 * 0.001",
                "14.4 * 0.1",
                "5: it can never fire: a share of errors is at most 1, and 14.4 × 0.1 = 1.440",
            ),
            ("14.4 * 0.001", "(14.4 * (1 - 0.9))", "5: it can never fire"),
            ("errors[5m]", "errors[45s]", "5: `[45s]` holds less than two scrapes, which come every 30 s"),
            ("sum(rate(errors", "avg(rate(latency_bucket", "5: an average over `_bucket`"),
            ("    for: 1m\n", "", "4: `Down` has no `for`"),
            ("team: payments", "team: orders", "4: `Down` goes to list, where nobody is on call"),
            ("runbook_url", "summary", "4: `Down` wakes somebody and names no runbook"),
            ("rate(errors[5m])", "node_load1", "4: `Down` wakes somebody for a cause, `node_load1`"),
        ] {
            let rules = GOOD.replace(from, to);
            assert_ne!(rules, GOOD, "{from}");
            let found = found(&rules, None);
            assert!(found.len() == 1 && found[0].starts_with(expected), "{expected}: {found:?}");
        }
        assert_eq!(found(GOOD, Some(&["Other"])), ["4: no drill has ever made `Down` fire"]);
    }

    #[test]
    fn a_matcher_without_a_sign_takes_nothing() {
        let labels = BTreeMap::from([("team".to_string(), "payments".to_string())]);
        for (matcher, expected) in [
            ("team!“payments”", false),
            ("team!", false),
            ("team=“payments”", false),
            ("team=\"payments\"", true),
            ("team=~\"pay.*\"", true),
            ("team!=\"payments\"", false),
            ("team!~\"orders\"", true),
        ] {
            let text = format!("matchers: ['{matcher}']\n");
            let route = crate::source::parse(&Source::new("am.yml", text), &mut Diagnostics::default()).unwrap();
            assert_eq!(takes(&route, &labels), expected, "{matcher}");
        }
    }

    #[test]
    fn what_wakes_nobody_may_be_about_causes_and_may_have_two_windows_instead_of_for() {
        let quiet = GOOD.replace("severity: page", "severity: ticket").replace("rate(errors[5m])", "node_load1");
        assert_eq!(found(&quiet.replace("runbook_url", "summary"), None), Vec::<String>::new());
        let windows = GOOD.replace("    for: 1m\n", "").replace("0.001", "0.001 and rate(errors[1h]) > 14.4 * 0.001");
        assert_eq!(found(&windows, None), Vec::<String>::new());
    }
}
