//! Prometheus and Alertmanager: started with the team's files, and waited for until they work together.

use super::{ALERTMANAGER, ALERTMANAGER_FILE, AlertServers, PROMETHEUS, PROMETHEUS_FILE, ask_prometheus};
use crate::agent::ability::Tell;
use crate::agent::http_page::HttpPage;
use crate::agent::locked;
use crate::agent::protocol::Told;
use crate::process::{self, Running};
use crate::record::PrivateDir;
use serde::Deserialize;
use std::collections::VecDeque;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStderr, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How long both may take until they work together; Prometheus alone looks for its targets after five seconds.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// So many of the last lines of a server say why it ended.
const LAST_LINES: usize = 5;

/// Both servers, as long as this is held.
pub(super) struct Servers {
    prometheus: Server,
    alertmanager: Server,
    /// What Alertmanager writes.
    pub log: UnboundedReceiver<String>,
    /// Where their files are.
    _dir: PrivateDir,
}

struct Server {
    name: &'static str,
    running: Running,
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

    /// Why it has ended, if it has.
    fn ended(&mut self) -> Option<String> {
        let status = self.running.child.try_wait().ok().flatten()?;
        let last = locked(&self.last);
        Some(format!("{} ended ({status}): {}", self.name, last.iter().cloned().collect::<Vec<_>>().join(" | ")))
    }
}

impl Servers {
    /// Why one of them has ended, if one has.
    pub(super) fn ended(&mut self) -> Option<String> {
        self.prometheus.ended().or_else(|| self.alertmanager.ended())
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
            last.push_back(line.clone());
            if last.len() > LAST_LINES {
                last.pop_front();
            }
        }
        // Nobody may listen.
        let _ = lines.send(line);
    }
}

/// Starts both and waits until they work together.
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
    let mut servers = Servers {
        alertmanager: Server::start("Alertmanager", alertmanager(dir.path()), lines)?,
        prometheus: Server::start("Prometheus", prometheus(dir.path(), &storage), unread)?,
        log,
        _dir: dir,
    };
    let deadline = Instant::now() + READY_WITHIN;
    until(&mut servers, deadline, async || {
        for url in [format!("http://{ALERTMANAGER}/-/ready"), format!("{PROMETHEUS}/-/ready")] {
            HttpPage::parse(&url)?.text("*/*").await?;
        }
        Ok(())
    })
    .await?;
    for silence in &asked.silences {
        let set = HttpPage::parse(&format!("http://{ALERTMANAGER}/api/v2/silences"))?.post(silence.to_string()).await;
        set.map_err(|why| format!("a silence cannot be set: {why}"))?;
    }
    until(&mut servers, deadline, connected).await?;
    for target in scraped().await?.into_iter().filter(|target| target.health != "up") {
        tell(Told::Note { text: format!("Prometheus cannot scrape {}: {}", target.scrape_url, target.last_error) });
    }
    if let Some(history) = &asked.history {
        tell(Told::Note { text: history.check().await? });
    }
    Ok(servers)
}

fn alertmanager(dir: &Path) -> Command {
    let mut command = process::command("prometheus-alertmanager");
    command.current_dir(dir).args([
        format!("--config.file={ALERTMANAGER_FILE}"),
        "--storage.path=alertmanager".into(),
        format!("--web.listen-address=:{}", ALERTMANAGER.rsplit(':').next().unwrap_or_default()),
        // There is one, and it waits for no others.
        "--cluster.listen-address=".into(),
        // It says of mute times nowhere else.
        "--log.level=debug".into(),
    ]);
    command
}

fn prometheus(dir: &Path, storage: &Path) -> Command {
    let mut command = process::command("prometheus");
    command.current_dir(dir).arg(format!("--config.file={PROMETHEUS_FILE}"));
    command.arg(format!("--storage.tsdb.path={}", storage.display()));
    // What fired before Alertmanager was known is sent again soon, as it had been in a stack that is not young.
    command.args(["--web.listen-address=:9090", "--rules.alert.resend-delay=5s", "--log.level=warn"]);
    command
}

/// Asks until it is so, a server has ended, or the time is over.
async fn until(
    servers: &mut Servers,
    deadline: Instant,
    mut ask: impl AsyncFnMut() -> Result<(), String>,
) -> Result<(), String> {
    loop {
        let Err(why) = ask().await else { return Ok(()) };
        if let Some(ended) = servers.ended() {
            return Err(ended);
        }
        if Instant::now() >= deadline {
            return Err(format!(
                "Prometheus and Alertmanager were not ready within {} s: {why}",
                READY_WITHIN.as_secs()
            ));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScrapeTarget {
    health: String,
    scrape_url: String,
    #[serde(default)]
    last_error: String,
}

async fn scraped() -> Result<Vec<ScrapeTarget>, String> {
    ask_prometheus("targets?state=active", "activeTargets").await
}

/// Whether Prometheus sends to Alertmanager and has scraped every target once.
async fn connected() -> Result<(), String> {
    let managers: Vec<serde_json::Value> = ask_prometheus("alertmanagers", "activeAlertmanagers").await?;
    if managers.is_empty() {
        return Err("Prometheus does not know Alertmanager yet".into());
    }
    let targets = scraped().await?;
    match targets.iter().find(|target| target.health == "unknown") {
        Some(target) => Err(format!("{} was not scraped yet", target.scrape_url)),
        None if targets.is_empty() => Err("Prometheus has no target to scrape".into()),
        None => Ok(()),
    }
}
