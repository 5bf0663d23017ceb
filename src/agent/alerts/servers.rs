//! Prometheus and Alertmanager: started with the team's files or those of the stack, and waited for until they work together; and a synthetic
//! past for Prometheus: without it, windows of hours see only as much as the drill has lasted.

use super::outside::reaches_outside;
use super::watch::RuleGroup;
use super::{
    ALERTMANAGER, ALERTMANAGER_FILE, AlertAddresses, AlertServers, PROMETHEUS, PROMETHEUS_FILE, RECEIVER_PORT,
    marking_receiver,
};
use crate::agent::ability::Tell;
use crate::agent::http_page::{page_text, post_json};
use crate::agent::locked;
use crate::agent::protocol::Told;
use crate::process::{self, Running};
use crate::record::PrivateDir;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStderr, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// So many of the last lines of a server say why it ended.
const LAST_LINES: usize = 5;

/// Both servers; those that were started run as long as this is held.
pub(super) struct Servers {
    /// Where they answer.
    pub addresses: AlertAddresses,
    started: Vec<Server>,
    /// What an Alertmanager that was started writes.
    pub log: UnboundedReceiver<String>,
    /// Where their files are.
    _dir: PrivateDir,
}

struct Server {
    name: &'static str,
    running: Running,
    /// The last lines that it wrote, from the newest on.
    last: Arc<Mutex<VecDeque<String>>>,
}

impl Server {
    fn start(name: &'static str, mut command: Command, lines: UnboundedSender<String>) -> Result<Server, String> {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut running = Running::start(command).map_err(|error| format!("{name} could not be started: {error}"))?;
        let last = Arc::<Mutex<VecDeque<String>>>::default();
        if let Some(stderr) = running.child.stderr.take() {
            tokio::spawn(read_log(stderr, last.clone(), lines));
        }
        Ok(Server { name, running, last })
    }
}

impl Servers {
    /// Why one of them has ended, if one has.
    pub(super) fn ended(&mut self) -> Option<String> {
        self.started.iter_mut().find_map(|Server { name, running, last }| {
            let status = running.child.try_wait().ok().flatten()?;
            let last = locked(last).iter().rev().cloned().collect::<Vec<_>>().join(" | ");
            Some(format!("{name} ended ({status}): {last}"))
        })
    }
}

/// Keeps the last lines, passes all of them on, and writes them where the container's log is made of them.
async fn read_log(stderr: ChildStderr, last: Arc<Mutex<VecDeque<String>>>, lines: UnboundedSender<String>) {
    let mut log = tokio::fs::OpenOptions::new().append(true).open("/dev/stderr").await.ok();
    let mut read = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = read.next_line().await {
        if let Some(log) = &mut log {
            // A log is evidence, not a reason to fail.
            let _ = log.write_all(format!("{line}\n").as_bytes()).await;
        }
        {
            let mut last = locked(&last);
            last.push_front(line.clone());
            last.truncate(LAST_LINES);
        }
        // Nobody may listen.
        let _ = lines.send(line);
    }
}

/// Starts both, where they are no services of the stack, and waits until they work together.
pub(super) async fn start(asked: &AlertServers, tell: &Tell) -> Result<Servers, String> {
    let dir = PrivateDir::new("alerts").map_err(|error| format!("a directory for the alerts: {error}"))?;
    let storage = dir.path().join("prometheus");
    for (name, text) in &asked.files {
        let file = Path::new(name).file_name().ok_or_else(|| format!("`{name}` is no name of a file"))?;
        tokio::fs::write(dir.path().join(file), text).await.map_err(|error| format!("writing {name}: {error}"))?;
    }
    if let Some(history) = &asked.history {
        history.make(dir.path(), &storage).await?;
    }
    let (lines, log) = unbounded_channel();
    let (unread, _) = unbounded_channel();
    let started = match asked.services {
        Some(_) => Vec::new(),
        None => vec![
            Server::start("Prometheus", prometheus(dir.path(), &storage), unread)?,
            Server::start("Alertmanager", alertmanager(dir.path()), lines)?,
        ],
    };
    let addresses = asked.addresses();
    let mut servers = Servers { addresses: addresses.clone(), started, log, _dir: dir };
    let began = Instant::now();
    until(&mut servers, asked, began, false).await?;
    if asked.services.is_some() {
        delivers_here(&addresses, &asked.token).await?;
    }
    stays_inside(&addresses, asked.hosts.as_ref()).await?;
    for silence in &asked.silences {
        let url = format!("{}/api/v2/silences", addresses.alertmanager);
        let set = post_json(&url, silence.to_string()).await;
        set.map_err(|why| format!("a silence cannot be set: {why}"))?;
    }
    until(&mut servers, asked, began, true).await?;
    // It finds its Alertmanagers as time goes by.
    stays_inside(&addresses, asked.hosts.as_ref()).await?;
    for target in scraped(&addresses).await?.into_iter().filter(|target| target.health != "up") {
        tell(Told::Note { text: format!("Prometheus cannot scrape {}: {}", target.scrape_url, target.last_error) });
    }
    if let Some(history) = &asked.history {
        tell(Told::Note { text: history.check(&addresses).await? });
    }
    Ok(servers)
}

/// Fails where the stack's Alertmanager has a receiver that delivers to anybody else than this agent.
async fn delivers_here(addresses: &AlertAddresses, token: &str) -> Result<(), String> {
    let status: serde_json::Value = addresses.alertmanager("status").await?;
    let config = status.pointer("/config/original").and_then(serde_json::Value::as_str).unwrap_or_default();
    if !config.contains("receivers:") {
        return Err("Alertmanager does not tell its configuration".into());
    }
    let Some(why) = elsewhere(config, token) else { return Ok(()) };
    let at = &addresses.alertmanager;
    Err(format!("Alertmanager at {at} would deliver elsewhere ({why}): mount there what `alerts.alertmanager` names"))
}

/// What shows that a configuration delivers elsewhere, or is not the one of the drill with this token.
fn elsewhere(config: &str, token: &str) -> Option<String> {
    let here = format!(":{RECEIVER_PORT}/receiver/{token}/");
    let line = config.lines().map(|line| line.trim().trim_start_matches("- ")).find(|line| {
        match line.split_once(':').map(|(key, value)| (key, value.trim())) {
            Some(("webhook_configs", _)) => false,
            // Newer ones show no URL.
            Some(("url", url)) => !url.contains(&here) && url != "<secret>",
            Some((key, _)) => key.ends_with("_configs"),
            None => false,
        }
    });
    let is_other = || !config.contains(&marking_receiver(token));
    line.map(|line| format!("`{line}`")).or_else(|| is_other().then(|| "it has not the drill's receivers".into()))
}

/// Fails where the stack's Prometheus sends to, or reads from, what is outside of the stack.
async fn stays_inside(addresses: &AlertAddresses, hosts: Option<&BTreeSet<String>>) -> Result<(), String> {
    let Some(hosts) = hosts else { return Ok(()) };
    let config: String = addresses.prometheus("status/config", "yaml").await?;
    let active: Vec<serde_json::Value> = addresses.prometheus("alertmanagers", "activeAlertmanagers").await?;
    let urls: Vec<&str> = active.iter().filter_map(|manager| manager["url"].as_str()).collect();
    let Some(does) = reaches_outside(&config, &urls, hosts) else { return Ok(()) };
    let at = &addresses.prometheus;
    Err(format!("Prometheus at {at} would {does}, outside of the stack: name services of it, or set `isolate: true`"))
}

fn alertmanager(dir: &Path) -> Command {
    // Debian's name of it, or its own.
    let (paths, debian) = (std::env::var_os("PATH").unwrap_or_default(), "prometheus-alertmanager");
    let is_debian = std::env::split_paths(&paths).any(|dir| dir.join(debian).is_file());
    let mut command = process::command(if is_debian { debian } else { "alertmanager" });
    // Services of the stack could post alerts to another address, and ask for the token.
    command.current_dir(dir).arg(format!("--web.listen-address={ALERTMANAGER}"));
    // There is one, and it waits for no others; of mute times it says nothing but in this log.
    command.args(["--storage.path=alertmanager", "--cluster.listen-address=", "--log.level=debug"]);
    command.arg(format!("--config.file={ALERTMANAGER_FILE}"));
    command
}

fn prometheus(dir: &Path, storage: &Path) -> Command {
    let mut command = process::command("prometheus");
    command.current_dir(dir).arg(format!("--config.file={PROMETHEUS_FILE}"));
    command.arg(format!("--storage.tsdb.path={}", storage.display()));
    // What fired before Alertmanager was known is sent again soon, as it had been in a stack that is not young.
    command.arg(format!("--web.listen-address=:{}", PROMETHEUS.rsplit(':').next().unwrap_or_default()));
    command.args(["--rules.alert.resend-delay=5s", "--log.level=warn"]);
    command
}

/// Asks until both are ready, or also know each other and what they have to, until a server has ended, or the time is over.
async fn until(servers: &mut Servers, asked: &AlertServers, began: Instant, together: bool) -> Result<(), String> {
    let within = asked.ready_within();
    loop {
        let at = &servers.addresses;
        let looked = if together { connected(at, &asked.names).await } else { ready(at).await };
        let Err(why) = looked else { return Ok(()) };
        if let Some(ended) = servers.ended() {
            return Err(ended);
        }
        if began.elapsed() >= within {
            return Err(format!("Prometheus and Alertmanager were not ready within {} s: {why}", within.as_secs()));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn ready(addresses: &AlertAddresses) -> Result<(), String> {
    for address in [&addresses.alertmanager, &addresses.prometheus] {
        page_text(&format!("{address}/-/ready"), "*/*").await?;
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScrapeTarget {
    health: String,
    scrape_url: String,
    #[serde(default)]
    last_error: String,
}

async fn scraped(addresses: &AlertAddresses) -> Result<Vec<ScrapeTarget>, String> {
    addresses.prometheus("targets?state=active", "activeTargets").await
}

/// Whether Prometheus has the rules, sends to Alertmanager and has scraped every target once.
async fn connected(addresses: &AlertAddresses, names: &BTreeSet<String>) -> Result<(), String> {
    let managers: Vec<serde_json::Value> = addresses.prometheus("alertmanagers", "activeAlertmanagers").await?;
    if managers.is_empty() {
        return Err("Prometheus does not know Alertmanager yet".into());
    }
    let groups: Vec<RuleGroup> = addresses.prometheus("rules?type=alert", "groups").await?;
    let there: BTreeSet<&str> = groups.iter().flat_map(|group| &group.rules).map(|rule| rule.name.as_str()).collect();
    if let Some(name) = names.iter().find(|name| !there.contains(name.as_str())) {
        return Err(format!("Prometheus has no rule `{name}`: it must read the files of `alerts.rules`"));
    }
    let targets = scraped(addresses).await?;
    match targets.iter().find(|target| target.health == "unknown") {
        Some(target) => Err(format!("{} was not scraped yet", target.scrape_url)),
        None if targets.is_empty() => Err("Prometheus has no target to scrape".into()),
        None => Ok(()),
    }
}

/// From one sample to the next.
const STEP: Duration = Duration::from_secs(15);
/// How long making the blocks may take.
const MADE_WITHIN: Duration = Duration::from_secs(10);

/// Synthetic samples that Prometheus has of the time before the drill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SyntheticHistory {
    /// How long before the drill it begins.
    pub reach: Duration,
    /// Its series.
    pub series: Vec<SyntheticSeries>,
}

/// A series of the past, the same all the time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SyntheticSeries {
    /// Name of the metric.
    pub metric: String,
    /// Its labels with their braces, as they were written; empty without any.
    pub labels: String,
    /// How much it grows by in a second: a counter.
    pub per_second: f64,
    /// The value that it begins with: that of a gauge, which does not grow.
    pub value: f64,
}

impl SyntheticHistory {
    /// The samples in the text format of OpenMetrics, up to a time in seconds since the Unix epoch. A metric's series stand
    /// together, as the format demands.
    fn text(&self, until: u64) -> String {
        let mut series: Vec<&SyntheticSeries> = self.series.iter().collect();
        series.sort_by(|a, b| a.metric.cmp(&b.metric));
        let (reach, step) = (self.reach.as_secs(), STEP.as_secs());
        let mut text = String::new();
        for one in series {
            for ago in (1..=reach / step).rev().map(|n| n * step) {
                let value = one.value + one.per_second * (reach - ago) as f64;
                // Writing into a string does not fail.
                let _ = writeln!(text, "{}{} {value} {}", one.metric, one.labels, until.saturating_sub(ago));
            }
        }
        text.push_str("# EOF\n");
        text
    }

    /// Makes blocks of it where Prometheus will keep its data.
    async fn make(&self, dir: &Path, storage: &Path) -> Result<(), String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let file = dir.join("history.txt");
        tokio::fs::write(&file, self.text(now)).await.map_err(|error| format!("writing the history: {error}"))?;
        let mut promtool = process::command("promtool");
        promtool.args(["tsdb", "create-blocks-from", "openmetrics", "--quiet"]).arg(&file).arg(storage);
        let made = process::output(promtool, MADE_WITHIN).await.map_err(|error| format!("promtool: {error}"))?;
        let said = String::from_utf8_lossy(&made.stderr);
        if made.status.success() { Ok(()) } else { Err(format!("the history cannot be used: {}", said.trim())) }
    }

    /// Asks Prometheus for it: no data is no history.
    async fn check(&self, servers: &AlertAddresses) -> Result<String, String> {
        let mut least = f64::INFINITY;
        for one in &self.series {
            let selector = format!("{}{}", one.metric, one.labels);
            let found = servers.query(&format!("count_over_time({selector}[{}s])", self.reach.as_secs())).await?;
            let samples = found.into_iter().fold(0.0, f64::max);
            if samples < 2.0 {
                return Err(format!("Prometheus does not have the history of {selector}"));
            }
            least = least.min(samples);
        }
        let hours = self.reach.as_secs_f64() / 3600.0;
        let series = self.series.len();
        Ok(format!(
            "the history of Prometheus is synthetic: {hours:.1} h of {series} series, {least} samples or more each"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alertmanager_with_another_file_is_known_where_it_shows_no_url() {
        let ours = format!(
            "receivers:\n- name: x\n  webhook_configs:\n  - url: <secret>\n- name: {}\n",
            marking_receiver("01")
        );
        assert_eq!(elsewhere(&ours, "01"), None);
        assert_eq!(elsewhere(&ours, "02").as_deref(), Some("it has not the drill's receivers"));
        let mail = format!("{ours}  email_configs:\n");
        assert_eq!(elsewhere(&mail, "01").as_deref(), Some("`email_configs:`"));
    }

    #[test]
    fn counters_grow_and_gauges_stay() {
        let series = |metric: &str, per_second, value| SyntheticSeries {
            metric: metric.into(),
            labels: "{a=\"b\"}".into(),
            per_second,
            value,
        };
        let history = SyntheticHistory {
            reach: Duration::from_secs(45),
            series: vec![series("x_total", 2.0, 0.0), series("g", 0.0, 5.0)],
        };
        let expected = "g{a=\"b\"} 5 955\ng{a=\"b\"} 5 970\ng{a=\"b\"} 5 985\nx_total{a=\"b\"} 0 955\nx_total{a=\"b\"} 30 \
                        970\nx_total{a=\"b\"} 60 985\n# EOF\n";
        assert_eq!(history.text(1000), expected);
    }
}
