//! `alerts:` of a scenario: the team's own Prometheus rules and Alertmanager configuration, and what a drill changes in them.
//! Where notifications go is the one thing that changes in Alertmanager's; in Prometheus', where it scrapes and sends.

use super::find::read_text;
use super::{OnCall, Show};
use crate::agent::alerts::{
    ALERTMANAGER, ALERTMANAGER_FILE, AlertAddresses, AlertServers, PROMETHEUS_FILE, SyntheticHistory, SyntheticSeries,
    comparisons, marking_receiver, read_address, receiver_url,
};
use crate::assurance::alert_rules::{GROUP_WAIT, duration, routed, scrape_intervals, texts, windows};
use crate::record::{ALERT_NAME, BurnRate, PageExpectation, PageTheory, looks_secret, micros, random_hex};
use crate::slis::Comparison;
use crate::source::{
    At, Entry, MAX_DURATION, Node, Source, Value, decimal, host_of, outside, parse, parse_rate, path_of, shape, shorten,
};
use crate::stack::{AgentRole, AlertFiles, MonitoringRequest, ReplacedFile};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// What this process's Alertmanagers alone are told, for their receivers.
static TOKEN: LazyLock<String> = LazyLock::new(random_hex);
/// Integrations of Alertmanager that do not tell when an alert is over, unless they say so.
const SILENT_WHEN_OVER: &[&str] = &["slack_configs", "email_configs", "wechat_configs"];
/// How often rules are evaluated where nothing says it.
const EVALUATION: Duration = Duration::from_secs(60);

/// The team's alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertsSpec {
    /// Files of rules.
    pub rules: Vec<ParsedFile>,
    /// Alertmanager's configuration.
    pub alertmanager: ParsedFile,
    /// Prometheus' configuration.
    pub prometheus: ParsedFile,
    /// The file of silences that are set.
    pub silences: Option<ParsedFile>,
    /// What Prometheus knows from before.
    pub history: Option<SyntheticHistory>,
    /// Where both answer when they are services of the stack.
    pub services: Option<AlertAddresses>,
    /// The image that has both, unless the built-in one is meant.
    pub image: Option<String>,
}

/// A file of the team's, and what stands in it.
pub type ParsedFile = (Arc<Source>, Arc<Node>);

/// A receiver of Alertmanager's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertReceiver {
    /// Its name.
    pub name: String,
    /// Whether it has an integration at all: one without is a way to throw alerts away.
    pub delivers: bool,
    /// Whether it tells when an alert is over.
    pub resolves: bool,
}

impl AlertsSpec {
    /// Its files, each with what it is.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &Arc<Source>)> {
        let rules = self.rules.iter().map(|file| ("alert rules", file));
        let silences = self.silences.iter().map(|file| ("silences", file));
        let own = [("alertmanager", &self.alertmanager), ("prometheus", &self.prometheus)];
        rules.chain(own).chain(silences).map(|(what, (source, _))| (what, source))
    }

    fn groups(&self) -> impl Iterator<Item = &Node> + Clone {
        self.rules.iter().flat_map(|(_, root)| root.list(&["groups"]))
    }

    /// Names of the alerts that the rules have.
    pub fn names(&self) -> Vec<&str> {
        self.groups().flat_map(|group| group.list(&["rules"])).filter_map(|rule| rule.text_at(&["alert"])).collect()
    }

    /// The receivers.
    pub fn receivers(&self) -> Vec<AlertReceiver> {
        receivers(&self.alertmanager.1)
    }

    /// The receivers that page nobody: behind whom nobody is on call, and that deliver to nothing.
    pub fn unwatched(&self, oncall: Option<&OnCall>) -> Vec<String> {
        let nobody = oncall.iter().flat_map(|oncall| &oncall.receivers).filter(|receiver| receiver.on_call.is_empty());
        let silent = self.receivers().into_iter().filter(|receiver| !receiver.delivers);
        nobody.map(|one| one.name.clone()).chain(silent.map(|one| one.name)).collect()
    }

    /// What must never be shown: credentials of the receivers and of scrapes.
    pub fn secrets(&self) -> Vec<String> {
        let mut found = Vec::new();
        let files = [&self.alertmanager, &self.prometheus];
        files.into_iter().for_each(|(_, root)| collect_secrets(root, false, &mut found));
        found
    }

    /// What the tools of both check: the rules and Alertmanager's configuration as the team has them, and the one that a
    /// drill makes of it.
    pub fn to_check(&self) -> AlertFiles {
        let file = |(source, _): &ParsedFile| (source.path.clone(), source.text.clone());
        let (rules, alertmanager) = (self.rules.iter().map(file).collect(), file(&self.alertmanager));
        AlertFiles { rules, alertmanager, in_drill: self.drill_alertmanager(&TOKEN), image: self.image.clone() }
    }

    /// What is asked of the stack.
    pub fn request(&self) -> MonitoringRequest {
        let replaced = self.services.as_ref().map(|services| ReplacedFile {
            host: host_of(&services.alertmanager).unwrap_or_default().to_string(),
            file: self.alertmanager.0.path.clone(),
            text: self.drill_alertmanager(&TOKEN),
        });
        MonitoringRequest { image: self.image.clone(), replaced }
    }

    /// What the agent is asked, and the targets that are left out because nothing in the drill has their name. `hosts` are
    /// the names that something has.
    pub fn servers(&self, alert: &str, hosts: &BTreeSet<String>) -> (AlertServers, Vec<String>) {
        let mut left_out = Vec::new();
        let mut asked = AlertServers {
            silences: self.silences.iter().flat_map(|(_, root)| root.items()).map(silence).collect(),
            token: TOKEN.clone(),
            alert: alert.to_string(),
            history: self.history.clone(),
            services: self.services.clone(),
            hosts: self.services.is_some().then(|| hosts.clone()),
            names: self.names().into_iter().map(String::from).collect(),
            scraped_within_us: micros(scrape_intervals(&self.prometheus.1).into_iter().max().unwrap_or_default()),
            ..AlertServers::default()
        };
        if self.services.is_some() {
            return (asked, left_out);
        }
        let names: Vec<String> = (0..self.rules.len()).map(|number| format!("rules-{number}.yml")).collect();
        asked.files.insert(PROMETHEUS_FILE.into(), self.drill_prometheus(&names, hosts, &mut left_out));
        asked.files.insert(ALERTMANAGER_FILE.into(), self.drill_alertmanager(&TOKEN));
        asked.files.extend(names.into_iter().zip(self.rules.iter().map(|(rules, _)| rules.text.clone())));
        (asked, left_out)
    }

    /// The longest window that an expression looks back.
    pub fn longest_window(&self) -> Option<Duration> {
        self.rules.iter().flat_map(|(rules, _)| windows(&rules.text)).map(|(_, length)| length).max()
    }

    /// How long the page takes by its rule, or why that cannot be told.
    pub fn theory(&self, page: &PageExpectation) -> Option<PageTheory> {
        let alert = page.alert.as_ref().filter(|_| page.source.is_none())?;
        let theory = self.burn_rate(alert, page.receiver.as_deref());
        Some(theory.map_or_else(|why| PageTheory::Unknown { why }, PageTheory::BurnRate))
    }

    /// A rule whose expression is a share of errors that is compared with a number, or several of them joined by `and`.
    fn burn_rate(&self, alert: &str, receiver: Option<&str>) -> Result<BurnRate, String> {
        let scrapes = &self.prometheus.1;
        let rules = self.groups().flat_map(|group| group.list(&["rules"]).iter().map(move |rule| (group, rule)));
        let named = |key: &str, name: &str| rules.clone().find(|(_, rule)| rule.text_at(&[key]) == Some(name));
        let expr = |rule: &Node| rule.text_at(&["expr"]).unwrap_or_default().to_string();
        let (group, rule) = named("alert", alert).ok_or("no rule has this alert")?;
        let own = expr(rule);
        if [" or ", " unless "].iter().any(|word| own.contains(word)) {
            return Err("its expression is joined by `or` or `unless`".into());
        }
        let burning = comparisons(&own).into_iter().filter_map(|compared| {
            let up = matches!(compared.op, Comparison::Greater | Comparison::GreaterOrEqual);
            let recorded = named("record", compared.left.split('{').next().unwrap_or_default());
            let share = recorded.map_or(compared.left, |(_, rule)| expr(rule));
            let longest = windows(&share).map(|(_, length)| length).max()?;
            (up && share.contains('/') && 0.0 < compared.number && compared.number < 1.0)
                .then_some((longest, compared.number))
        });
        let (window, threshold) = burning.max_by_key(|(window, _)| *window).ok_or(
            "its expression is no share of errors over a window that is compared with a factor times the error budget",
        )?;
        if self.history.as_ref().is_none_or(|history| history.reach < window) {
            let window = Show(window);
            return Err(format!("its window of {window} is longer than the past that Prometheus has (`history`)"));
        }
        let length = |node: Option<&Node>| node.and_then(Node::text).and_then(duration);
        let mut labels = scrapes.get(&["global", "external_labels"]).map(texts).unwrap_or_default();
        labels.extend(rule.get(&["labels"]).map(texts).unwrap_or_default());
        labels.insert(ALERT_NAME.into(), alert.into());
        let route = self.alertmanager.1.get(&["route"]);
        let routes = route.map(|route| routed(route, &labels, ("", GROUP_WAIT))).unwrap_or_default();
        let route = routes.iter().find(|(name, _)| receiver.is_none_or(|wanted| wanted == name));
        let evaluation = length(group.get(&["interval"])).or(length(scrapes.get(&["global", "evaluation_interval"])));
        Ok(BurnRate {
            threshold,
            window_us: micros(window),
            pending_us: micros(length(rule.get(&["for"])).unwrap_or_default()),
            scrape_us: micros(scrape_intervals(scrapes).into_iter().min().unwrap_or_default()),
            evaluation_us: micros(evaluation.unwrap_or(EVALUATION)),
            group_wait_us: micros(route.map_or(GROUP_WAIT, |(_, wait)| *wait)),
        })
    }

    /// Alertmanager's configuration with every receiver delivering to Firedrill's: names, routes, grouping, inhibition and
    /// times stay.
    fn drill_alertmanager(&self, token: &str) -> String {
        let host = if self.services.is_some() { AgentRole::Monitoring.name() } else { "127.0.0.1".into() };
        let mut out = Vec::new();
        for entry in self.alertmanager.1.entries() {
            match entry.key.as_str() {
                "route" => out.push(pair("route", drill_route(&entry.value))),
                "inhibit_rules" | "mute_time_intervals" | "time_intervals" => out.push(unchanged(entry)),
                "global" => {
                    let kept = entry.value.entries().iter().filter(|setting| setting.key == "resolve_timeout");
                    out.push(pair("global", flow_map(kept.map(unchanged))));
                }
                _ => {}
            }
        }
        let receivers = self.receivers().into_iter().map(|receiver| {
            let mut config = vec![pair("name", quoted(&receiver.name))];
            if receiver.delivers {
                let url = pair("url", quoted(&receiver_url(&host, token, &receiver.name)));
                let webhook = flow_map([url, pair("send_resolved", receiver.resolves.to_string())]);
                config.push(pair("webhook_configs", flow_list([webhook])));
            }
            flow_map(config)
        });
        let mark = self.services.is_some().then(|| flow_map([pair("name", quoted(&marking_receiver(token)))]));
        out.push(pair("receivers", flow_list(receivers.chain(mark))));
        out.join("\n") + "\n"
    }

    /// Prometheus' configuration with the rules by their names here, the drill's Alertmanager, and only such targets as are
    /// in the drill. How it looks for targets elsewhere, and where it writes to, is left out.
    fn drill_prometheus(&self, rules: &[String], hosts: &BTreeSet<String>, left_out: &mut Vec<String>) -> String {
        let (mut out, scrapes) = (Vec::new(), &self.prometheus.1);
        if let Some(global) = scrapes.get(&["global"]) {
            let kept = global.entries().iter().filter(|setting| !setting.key.ends_with("_file"));
            out.push(pair("global", flow_map(kept.map(unchanged))));
        }
        out.push(pair("rule_files", flow_list(rules.iter().map(|rules| quoted(rules)))));
        let targets = flow_map([pair("targets", flow_list([quoted(ALERTMANAGER)]))]);
        let here = flow_map([pair("static_configs", flow_list([targets]))]);
        let relabel = scrapes.get(&["alerting", "alert_relabel_configs"]);
        let relabel = relabel.map(|relabel| pair("alert_relabel_configs", yaml(relabel)));
        let alerting = [pair("alertmanagers", flow_list([here]))].into_iter().chain(relabel);
        out.push(pair("alerting", flow_map(alerting)));
        let jobs = scrapes.list(&["scrape_configs"]).iter();
        out.push(pair("scrape_configs", flow_list(jobs.filter_map(|job| drill_job(job, hosts, left_out)))));
        out.join("\n") + "\n"
    }
}

/// A route and those below it without their `labels`, which templates alone see and older versions refuse.
fn drill_route(route: &Node) -> String {
    let kept = route.entries().iter().filter(|entry| entry.key != "labels").map(|entry| match entry.key.as_str() {
        "routes" => pair("routes", flow_list(entry.value.items().iter().map(drill_route))),
        _ => unchanged(entry),
    });
    flow_map(kept)
}

/// A scrape job with the targets that are in the drill; `None` where it has none.
fn drill_job(job: &Node, hosts: &BTreeSet<String>, left_out: &mut Vec<String>) -> Option<String> {
    let (mut out, mut looks) = (Vec::new(), false);
    for entry in job.entries() {
        match entry.key.as_str() {
            "static_configs" => {
                let groups = entry.value.items().iter().filter_map(|group| {
                    let (there, gone): (Vec<&str>, Vec<&str>) =
                        group.get(&["targets"])?.items().iter().filter_map(Node::text).partition(|target| {
                            let host = target.rsplit_once(':').map_or(*target, |(host, _)| host);
                            hosts.contains(host) || matches!(host, "localhost" | "127.0.0.1")
                        });
                    left_out.extend(gone.iter().map(|target| (*target).to_string()));
                    let mut kept = vec![pair("targets", flow_list(there.iter().map(|target| quoted(target))))];
                    kept.extend(group.get(&["labels"]).map(|labels| pair("labels", yaml(labels))));
                    (!there.is_empty()).then(|| flow_map(kept))
                });
                let groups: Vec<String> = groups.collect();
                looks |= !groups.is_empty();
                out.push(pair("static_configs", flow_list(groups)));
            }
            "dns_sd_configs" => {
                looks = true;
                out.push(unchanged(entry));
            }
            key if key.ends_with("_sd_configs") => {
                let name = job.text_at(&["job_name"]).unwrap_or("a job");
                left_out.push(format!("{key} of {name}"));
            }
            _ => out.push(unchanged(entry)),
        }
    }
    looks.then(|| flow_map(out))
}

/// A node as YAML on one line. What was written plain and is no text (numbers, `yes`) stays as it was written: whoever reads it
/// knows what it is.
fn yaml(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".into(),
        Value::Scalar { text, plain } => {
            let is_word = ["yes", "no", "on", "off"].iter().any(|word| text.eq_ignore_ascii_case(word));
            if *plain && (is_word || !node.to_json().is_string()) { text.clone() } else { quoted(text) }
        }
        Value::List(items) => flow_list(items.iter().map(yaml)),
        Value::Map(entries) => flow_map(entries.iter().map(unchanged)),
    }
}

fn unchanged(entry: &Entry) -> String {
    pair(&entry.key, yaml(&entry.value))
}

fn flow_map(pairs: impl IntoIterator<Item = String>) -> String {
    format!("{{{}}}", pairs.into_iter().collect::<Vec<_>>().join(", "))
}

fn flow_list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(", "))
}

fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_string()).to_string()
}

fn pair(key: &str, value: String) -> String {
    format!("{}: {value}", quoted(key))
}

/// Scalars below keys that name secrets, and what holds tokens in an integration: its URLs do, and its keys are tokens.
fn collect_secrets(node: &Node, in_receiver: bool, found: &mut Vec<String>) {
    for entry in node.entries() {
        let of_receiver = in_receiver || entry.key == "receivers";
        let holds_token = || of_receiver && ["url", "key", "token"].iter().any(|end| entry.key.ends_with(end));
        match entry.value.text() {
            Some(text) if looks_secret(&entry.key) || holds_token() => found.push(text.to_string()),
            _ => collect_secrets(&entry.value, of_receiver, found),
        }
    }
    node.items().iter().for_each(|item| collect_secrets(item, in_receiver, found));
}

/// Reads `alerts`.
pub(super) fn read_alerts(at: &mut At<'_>) -> Option<AlertsSpec> {
    let mut map = at.map("`alerts`")?;
    // A path, or a list of them.
    let rules = map.require_by("rules", |at| {
        at.either(shape::filled, read_pattern, |at| {
            let help = "write it like `rules: [../ops/rules/*.yml]`";
            let read = at.items("a path, or a list of paths", help, read_pattern);
            at.must_not_be_empty("`rules` is empty: there would be no alert", "");
            Some(read.into_iter().flatten().collect::<Vec<_>>())
        })
    });
    let alertmanager = map.require_by("alertmanager", |at| read_yaml(at, "Alertmanager's configuration"));
    let prometheus = map.require_by("prometheus", |at| read_yaml(at, "Prometheus' configuration"));
    let silences = map.optional_by("silences", |at| read_yaml(at, "the file of silences"));
    let history = map.optional_by("history", read_history);
    let services = map.optional_by("services", |at| {
        let mut map = at.map("`services`")?;
        let [prometheus, alertmanager] = ["prometheus", "alertmanager"].map(|key| map.require_by(key, read_address));
        map.finish_with(|| Some(AlertAddresses { prometheus: prometheus?, alertmanager: alertmanager? }))
    });
    let image = map.optional("image");
    for key in ["history", "image"].into_iter().filter(|_| services.is_some()) {
        if map.has(key) {
            let message = format!("with `services` Firedrill starts no Prometheus that could have `{key}`");
            map.diags.error(map.source, map.key_span(key), message).help(format!("leave out `{key}`, or `services`"));
        }
    }
    for (source, root) in rules.iter().flatten().filter(|(_, root)| root.list(&["groups"]).is_empty()) {
        map.diags.error(source, root.span, "there is no group of rules in it").help("it begins with `groups:`");
    }
    if let Some((source, root)) = alertmanager.as_ref().filter(|(_, root)| receivers(root).is_empty()) {
        map.diags.error(source, root.span, "there are no `receivers` in it: nobody would ever be paged");
    }
    map.finish()?;
    let (rules, alertmanager) = (rules?, alertmanager.filter(|(_, root)| !receivers(root).is_empty())?);
    Some(AlertsSpec { rules, alertmanager, prometheus: prometheus?, silences, history, services, image })
}

/// A path; `*` in the name of a file stands for any part of it.
fn read_pattern(at: &mut At<'_>) -> Option<Vec<ParsedFile>> {
    let path = path_of(at)?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some((begin, end)) = name.split_once('*') else { return Some(vec![read_file(&path, at, "a file of rules")?]) };
    let folder = path.parent().map(PathBuf::from).unwrap_or_default();
    let entries = std::fs::read_dir(if folder.as_os_str().is_empty() { ".".into() } else { folder.clone() });
    let mut names: Vec<String> =
        entries.into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| name.len() >= begin.len() + end.len() && name.starts_with(begin) && name.ends_with(end));
    names.sort();
    if names.is_empty() {
        at.error(format!("no file is named like `{}`", path.display()));
    }
    Some(names.iter().filter_map(|name| read_file(&folder.join(name), at, "a file of rules")).collect())
}

fn read_yaml(at: &mut At<'_>, what: &str) -> Option<ParsedFile> {
    read_file(&path_of(at)?, at, what)
}

fn read_file(path: &Path, at: &mut At<'_>, what: &str) -> Option<ParsedFile> {
    // A name that a pattern has found may be a link.
    if let Some(why) = at.source.root.as_ref().and_then(|root| outside(root, path)) {
        return at.fail(why);
    }
    let source = read_text(path, what, at)?;
    let root = parse(&source, at.diags)?;
    Some((source, root.into()))
}

fn receivers(alertmanager: &Node) -> Vec<AlertReceiver> {
    alertmanager.list(&["receivers"]).iter().filter_map(receiver).collect()
}

fn receiver(node: &Node) -> Option<AlertReceiver> {
    let name = node.text_at(&["name"])?.to_string();
    let kinds = node.entries().iter().filter(|entry| entry.key.ends_with("_configs"));
    let configs = kinds.flat_map(|entry| entry.value.items().iter().map(|config| (entry.key.as_str(), config)));
    let integrations: Vec<(&str, &Node)> = configs.collect();
    let tells = |(kind, config): &(&str, &Node)| match config.text_at(&["send_resolved"]) {
        Some(said) => ["true", "yes", "on"].iter().any(|word| said.eq_ignore_ascii_case(word)),
        None => !SILENT_WHEN_OVER.contains(kind),
    };
    Some(AlertReceiver { name, delivers: !integrations.is_empty(), resolves: integrations.iter().any(tells) })
}

/// A silence as `amtool silence query -o json` writes it, without what the server that had it knew.
fn silence(node: &Node) -> serde_json::Value {
    let mut silence = node.to_json();
    if let Some(silence) = silence.as_object_mut() {
        ["id", "status", "updatedAt"].into_iter().for_each(|key| drop(silence.remove(key)));
    }
    silence
}

fn read_history(at: &mut At<'_>) -> Option<SyntheticHistory> {
    let mut map = at.map("`history`")?;
    let reach = map.require_by("for", |at| at.within(MAX_DURATION));
    let series = map.require_by("series", |at| {
        let example = "write `'http_requests_total{job=\"shop\"}': 50/s`, or a number for a gauge, below it";
        let read = at.entries("a map of series", example, read_series);
        at.must_not_be_empty("`series` is empty: there would be no history", example);
        Some(read)
    });
    map.finish_with(|| Some(SyntheticHistory { reach: reach?, series: series? }))
}

fn read_series(at: &mut At<'_>) -> Option<SyntheticSeries> {
    at.diags.describe(shape::scalar);
    let Some(text) = at.node.text() else { return at.expected("a rate like `50/s`, or a number") };
    let (metric, labels) = at.key.find('{').map_or((at.key, ""), |at_brace| at.key.split_at(at_brace));
    let is_metric = !metric.is_empty() && metric.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':'));
    if !is_metric || !(labels.is_empty() || labels.ends_with('}')) || labels.contains('\n') {
        at.error_at_key(format!("`{}` is no series: write it like `up{{job=\"shop\"}}`", shorten(at.key)));
        return None;
    }
    let (per_second, value) = match (text.contains('/'), decimal(text)) {
        (false, Some(value)) => (0.0, value),
        _ => (at.parse_text("a rate like `50/s`, or a number", parse_rate)?, 0.0),
    };
    Some(SyntheticSeries { metric: metric.into(), labels: labels.into(), per_second, value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Diagnostics;

    fn file(path: &str, text: &str) -> ParsedFile {
        let source = Source::new(path, text);
        let root = parse(&source, &mut Diagnostics::default()).expect("YAML");
        (source, root.into())
    }

    fn spec(alertmanager: &str, prometheus: &str) -> AlertsSpec {
        let rules = "groups: [{name: g, rules: [{alert: A, expr: 'x[5m] > 1 and y[1h:1m] > 1'}]}]";
        AlertsSpec {
            rules: vec![file("ops/a.yml", rules)],
            alertmanager: file("am.yml", alertmanager),
            prometheus: file("prometheus.yml", prometheus),
            silences: None,
            history: None,
            services: None,
            image: None,
        }
    }

    const ALERTMANAGER_YML: &str = "\
global: { resolve_timeout: 1m, slack_api_url: https://hooks.slack.com/T0/B0/s3cret, smtp_auth_password: hunter22 }
templates: [/etc/alertmanager/*.tmpl]
route:
  receiver: default
  group_wait: 1s
  routes:
    - { matchers: [team=\"payments\"], receiver: on call, labels: { reason: x }, continue: yes, mute_time_intervals: [nights] }
time_intervals: [{ name: nights, time_intervals: [{ times: [{ start_time: '22:00', end_time: '24:00' }] }] }]
inhibit_rules: [{ source_matchers: [severity=page], target_matchers: [severity=warn], equal: [team] }]
receivers:
  - name: default
  - name: on call
    pagerduty_configs: [{ routing_key: 0123456789abcdef }]
    slack_configs: [{ channel: '#x' }]
  - name: chat
    slack_configs: [{ api_url: https://hooks.slack.com/services/x }]
";

    #[test]
    fn receivers_change_in_where_they_deliver_and_nothing_else_does() {
        let spec = spec(ALERTMANAGER_YML, "{}");
        insta::assert_snapshot!(spec.drill_alertmanager("0123"));
        let secrets = spec.secrets();
        for secret in ["hunter22", "0123456789abcdef", "https://hooks.slack.com/services/x"] {
            assert!(secrets.iter().any(|known| known == secret), "{secret}: {secrets:?}");
        }
        assert_eq!(spec.longest_window(), Some(Duration::from_secs(3600)));
    }

    #[test]
    fn the_time_to_a_page_is_told_where_its_rule_is_about_a_burn_rate() {
        let prometheus = "global: { scrape_interval: 15s, evaluation_interval: 10s }";
        let share = |window: &str| format!("sum(rate(errors[{window}])) / sum(rate(all[{window}]))");
        let told = |expr: &str, reach: u64| {
            let text = format!(
                "groups:\n- name: g\n  rules:\n  - {{ record: 'slo:hour', expr: '{}' }}\n  - {{ alert: A, expr: '{expr}', for: 1m30s }}\n",
                share("1h")
            );
            let mut spec = spec(ALERTMANAGER_YML, prometheus);
            spec.rules = vec![file("r.yml", &text)];
            spec.history = Some(SyntheticHistory { reach: Duration::from_secs(reach), series: Vec::new() });
            spec.theory(&PageExpectation { alert: Some("A".into()), ..PageExpectation::default() }).unwrap()
        };
        let both = format!("slo:hour > 14.4 * 0.001 and {} > (14.4 * (1 - 0.999))", share("5m"));
        let PageTheory::BurnRate(rule) = told(&both, 7200) else { panic!("it is a burn rate") };
        let expected = BurnRate {
            threshold: 14.4 * 0.001,
            window_us: 3_600_000_000,
            pending_us: 90_000_000,
            scrape_us: 15_000_000,
            evaluation_us: 10_000_000,
            group_wait_us: 1_000_000,
        };
        assert_eq!(rule, expected);
        for (expr, reach, why) in [
            (both.as_str(), 60, "its window of 1h is longer than the past"),
            (&both.replace(" and ", " or "), 7200, "joined by `or`"),
            ("db_pool_available < 1", 7200, "is no share of errors"),
            ("slo:hour > slo:usual", 7200, "is no share of errors"),
        ] {
            let PageTheory::Unknown { why: said } = told(expr, reach) else { panic!("{expr}") };
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn prometheus_scrapes_what_is_in_the_drill_and_sends_nowhere_else() {
        let prometheus = "\
global: { scrape_interval: 15s, external_labels: { env: prod, shard: \"1\" }, query_log_file: /x }
remote_write: [{ url: https://metrics.example.com }]
alerting: { alertmanagers: [{ static_configs: [{ targets: [am.example.com] }] }], alert_relabel_configs: [{ action: labeldrop, regex: pod }] }
rule_files: [/etc/rules/*.yml]
scrape_configs:
  - { job_name: shop, honor_labels: on, static_configs: [{ targets: ['checkout:9100', 'node.example.com:9100'], labels: { a: 1 } }] }
  - { job_name: nodes, static_configs: [{ targets: [node.example.com] }] }
  - { job_name: pods, kubernetes_sd_configs: [{ role: pod }] }
";
        let spec = spec(ALERTMANAGER_YML, prometheus);
        let (asked, left_out) = spec.servers("A", &BTreeSet::from(["checkout".to_string()]));
        insta::assert_snapshot!(asked.files[PROMETHEUS_FILE]);
        assert_eq!(left_out, ["node.example.com:9100", "node.example.com", "kubernetes_sd_configs of pods"]);
        assert_eq!(asked.files["rules-0.yml"], spec.rules[0].0.text);
        assert_eq!(asked.ready_within(), Duration::from_secs(20 + 15), "the first scrape may take an interval");
        assert!(parse(&Source::new("p", asked.files[PROMETHEUS_FILE].as_str()), &mut Diagnostics::default()).is_some());
    }

    /// A scenario with these lines of its own, and the files that it names.
    fn load(lines: &str) -> Result<crate::spec::Plan, String> {
        load_on("compose.yaml", lines)
    }

    fn load_on(stack: &str, lines: &str) -> Result<crate::spec::Plan, String> {
        let dir = tempfile::tempdir().unwrap();
        let scenario = format!(
            "title: T\nstack: {stack}\nload: {{ l: {{ request: 'GET http://shop/', rate: 50/s }} }}\nslis: {{ ok: {{ load: l, \
             good: status < 500, objective: 90% }} }}\nfaults: [ container_kill: {{ service: shop }} ]\nrecover: {{ within: 9s }}\n{lines}\n"
        );
        for (path, text) in [
            ("compose.yaml", "services: { shop: { image: x } }\n"),
            ("oncall.yaml", "receivers: { on call: { on_call: [ada] }, chat: { on_call: [] } }\n"),
            ("a.rules.yml", "groups: [{ name: g, rules: [{ alert: Down, expr: 'up < 1' }] }]\n"),
            ("b.rules.yml", "groups: [{ name: g, rules: [{ record: x, expr: up }] }]\n"),
            ("am.yml", ALERTMANAGER_YML),
            ("prometheus.yml", "{}\n"),
            ("s.yaml", &scenario),
        ] {
            std::fs::write(dir.path().join(path), text).unwrap();
        }
        let (plan, diags) = crate::spec::load(&dir.path().join("s.yaml"), &crate::spec::Overrides::default());
        let told = crate::source::render(&diags, false).replace(&format!("{}/", dir.path().display()), "");
        plan.ok_or(told)
    }

    const FILES: &str =
        "oncall: oncall.yaml\nalerts: { rules: ['*.rules.yml'], alertmanager: am.yml, prometheus: prometheus.yml }\n";

    #[test]
    fn a_page_is_read_with_the_receivers_that_page_nobody() {
        let page = "detect: { alert: Down, labels: { severity: page }, receiver: on call, within: 9s, quiet: [Down] }";
        let plan = load(&format!("{FILES}{page}")).unwrap();
        assert_eq!(plan.alerts.as_ref().unwrap().rules.len(), 2);
        assert_eq!(plan.stack.monitoring, Some(MonitoringRequest::default()));
        let page = plan.detect.page.as_ref().unwrap();
        assert_eq!(page.unwatched, ["chat", "default"]);
        assert_eq!(page.text(), "Down{severity=\"page\"} to on call");
    }

    #[test]
    fn mistakes_about_pages_are_told_with_their_places() {
        let alone = load("detect: { alert: Down, within: 9s }").unwrap_err();
        let files = load(
            "alerts: { rules: ['*.none'], alertmanager: b.rules.yml, prometheus: none.yml, history: { for: 1h, series: { 'a b': 1 } } }",
        )
        .unwrap_err();
        let page = load(&format!(
            "{FILES}detect: {{ alert: Dwon, receiver: default, quiet: [Loud], within: 9s, metrics: http://shop/ }}"
        ))
        .unwrap_err();
        let receiver =
            load(&format!("{FILES}detect: {{ alert: Down, receiver: oncall, resolves_within: 1m, within: 9s }}"));
        let condition = load("detect: { receiver: x, within: 9s }").unwrap_err();
        let of_stack = "services: { prometheus: 'http://p:9090/', alertmanager: 'a:9093' }, image: x, history: { for: 1h, series: { up: 1 } } }";
        let services = load(&FILES.replace(" }\n", &format!(", {of_stack}\n"))).unwrap_err();
        let all = [alone, files, page, receiver.unwrap_err(), condition, services].join("\n");
        insta::assert_snapshot!(crate::source::brief::brief(&all));
        let of_stack = FILES.replace(" }\n", ", services: { prometheus: 'http://p', alertmanager: 'http://a' } }\n");
        let page = format!("{of_stack}detect: {{ alert: Down, within: 9s }}");
        assert!(load(&page).unwrap().stack.replaced().is_some_and(|replaced| replaced.host == "a"));
        let in_cluster = load_on("{ kubernetes: { manifests: compose.yaml, namespace: x } }", &page).unwrap_err();
        assert!(in_cluster.contains("`services` of `alerts` is for Compose"), "{in_cluster}");
    }

    #[test]
    fn servers_of_the_stack_reach_nothing_outside_of_it() {
        let of_stack = FILES.replace(" }\n", ", services: { prometheus: 'http://p', alertmanager: 'http://a' } }\n");
        let mut plan = load(&format!("{of_stack}detect: {{ alert: Down, within: 9s }}")).unwrap();
        assert!(plan.stack.replaced().unwrap().text.contains(&marking_receiver(&TOKEN)));
        let text = "alerting: { alertmanagers: [{ static_configs: [{ targets: ['a:9093', 'am.prod:9093'] }] }] }\n\
                    remote_write: [{ url: 'https://metrics.prod/push' }]\nremote_read: [{ url: 'http://p:9090/read' }]\n";
        let alerts = plan.alerts.as_mut().unwrap();
        alerts.prometheus = file("prometheus.yml", text);
        let hosts = ["a", "p", "shop"].map(String::from);
        let inside = BTreeSet::from(hosts.clone());
        assert_eq!(alerts.servers("Down", &inside).0.hosts, Some(inside));
        let told = |plan: &crate::spec::Plan| {
            let mut diags = Diagnostics::default();
            crate::spec::check_services(plan, &hosts, &hosts, &mut diags);
            let line = |d: &crate::source::Diagnostic| {
                format!("{}:{}: {}", d.source.path.display(), d.source.line(d.span.start), d.message)
            };
            diags.all.iter().map(line).collect::<Vec<_>>().join("\n")
        };
        let would = |line: usize, does: &str| {
            format!("prometheus.yml:{line}: the stack's Prometheus would {does}, which is outside of the stack")
        };
        assert_eq!(told(&plan), [would(1, "send alerts to am.prod"), would(2, "write to metrics.prod")].join("\n"));
        plan.stack.isolate = true;
        assert_eq!(told(&plan), "");
    }
}
