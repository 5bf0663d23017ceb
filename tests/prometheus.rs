//! SLIs that a real Prometheus counts: counters that grow, are reset, are not there, and a Prometheus that is gone.

#[path = "support/prometheus.rs"]
mod prometheus;

use firedrill::agent::Clock;
use firedrill::agent::ability::{Ability, AgentContext, Holding, Tell};
use firedrill::agent::promql::{PromCounts, PromEvents};
use firedrill::agent::protocol::Told;
use firedrill::agent::source::PacedQuestion;
use firedrill::load::LoadReport;
use firedrill::slis::{Good, Ratio, SliSpec};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const PATIENCE: Duration = Duration::from_secs(120);

/// What a shop counts: 100 requests a second, of which it may lose some, or lose its memory.
#[derive(Default)]
struct Shop {
    good: AtomicU64,
    bad: AtomicU64,
    failing: AtomicBool,
    counts_errors: AtomicBool,
    gone: AtomicBool,
}

impl Shop {
    /// Serves its page on a free port.
    async fn open() -> (Arc<Shop>, u16) {
        let shop = Arc::new(Shop::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = shop.clone();
        tokio::spawn(async move {
            loop {
                let (mut caller, _) = listener.accept().await.unwrap();
                let mut seen = Vec::new();
                while !seen.ends_with(b"\r\n\r\n") && caller.read_buf(&mut seen).await.is_ok_and(|read| read > 0) {}
                if serving.gone.load(SeqCst) {
                    continue;
                }
                let mut page = format!("requests_total{{code=\"200\"}} {}\n", serving.good.load(SeqCst));
                if serving.counts_errors.load(SeqCst) {
                    page += &format!("requests_total{{code=\"503\"}} {}\n", serving.bad.load(SeqCst));
                }
                let head =
                    format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n", page.len());
                let _ = caller.write_all((head + &page).as_bytes()).await;
            }
        });
        let serving = shop.clone();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(50));
            loop {
                ticks.tick().await;
                let bad = if serving.failing.load(SeqCst) { 3 } else { 0 };
                serving.bad.fetch_add(bad, SeqCst);
                serving.good.fetch_add(5 - bad, SeqCst);
            }
        });
        (shop, port)
    }
}

struct Prometheus {
    child: Child,
    port: u16,
    _dir: TempDir,
}

impl Prometheus {
    async fn start(target: u16) -> Prometheus {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(prometheus::program());
        command.args(prometheus::arguments(dir.path(), port, target)).stdin(Stdio::null()).stderr(Stdio::null());
        let prometheus = Prometheus { child: command.spawn().unwrap(), port, _dir: dir };
        let begun = Instant::now();
        while !is_ready(port).await.unwrap_or_default() {
            assert!(begun.elapsed() < PATIENCE, "Prometheus does not get ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        prometheus
    }

    fn counts(&self, of: PromEvents, some: &str) -> PacedQuestion<PromCounts> {
        let series = "promql:x".to_string();
        let sli = SliSpec {
            name: "x".into(),
            series: series.clone(),
            good: Good::truth(),
            objective: Ratio::new(0.9).unwrap(),
            slo: None,
        };
        let (every, timeout) = (Duration::from_secs(1), Duration::from_secs(1));
        let question = PromCounts {
            url: format!("http://127.0.0.1:{}", self.port),
            of,
            some: some.into(),
            total: "sum(increase(requests_total[{{window}}]))".into(),
            never_idle: false,
            every,
            timeout,
        };
        PacedQuestion { series, every, timeout, slis: vec![sli], question }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

async fn is_ready(port: u16) -> std::io::Result<bool> {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"GET /-/ready HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.split(' ').nth(1) == Some("200"))
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The messages of a source of SLIs: slices with queries in them, and notes.
struct Telling {
    told: UnboundedReceiver<Told>,
    _held: Box<dyn Holding>,
    notes: Vec<String>,
}

impl Telling {
    async fn begin(counts: PacedQuestion<PromCounts>) -> Result<Telling, String> {
        let (tx, told) = unbounded_channel();
        let tell: Tell = Arc::new(move |what| drop(tx.send(what)));
        let context = AgentContext { clock: Clock::start(), proxy: None, loads: Default::default() };
        let held = counts.begin("x", &context, tell).await?;
        Ok(Telling { told, _held: held, notes: Vec::new() })
    }

    /// Waits for a second of slices whose events, good and valid, are so.
    async fn second(&mut self, what: &str, is: impl Fn(u64, u64) -> bool) {
        let (mut valid, mut good, mut slices) = (0, 0, 0);
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            match tokio::time::timeout(PATIENCE, self.told.recv()).await.unwrap().unwrap() {
                Told::Load(LoadReport::Slice(counts)) => {
                    valid += counts.due;
                    good += counts.good["x"];
                    slices += 1;
                }
                Told::Note { text } => self.notes.push(text),
                _ => {}
            }
            if slices == 10 {
                if is(good, valid) {
                    return;
                }
                (valid, good, slices) = (0, 0, 0);
            }
        }
        panic!("never {what}: {:?}", self.notes);
    }

    /// Waits for a note.
    async fn noted(&mut self, what: &str) {
        while !self.notes.iter().any(|note| note.contains(what)) {
            match tokio::time::timeout(PATIENCE, self.told.recv()).await {
                Ok(Some(Told::Note { text })) => self.notes.push(text),
                Ok(Some(_)) => {}
                _ => panic!("{what}: {:?}", self.notes),
            }
        }
    }
}

const BAD: &str = "sum(increase(requests_total{code=~\"5..\"}[{{window}}]))";

fn near(count: u64) -> bool {
    (60..=150).contains(&count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_counted_by_a_prometheus_and_what_it_does_not_know_is_no_data() {
    let (shop, target) = Shop::open().await;
    shop.counts_errors.store(true, SeqCst);
    let mut prometheus = Prometheus::start(target).await;
    let mut told = Telling::begin(prometheus.counts(PromEvents::Bad, BAD)).await.unwrap();
    told.second("good", |good, valid| near(valid) && good == valid).await;
    shop.failing.store(true, SeqCst);
    told.second("bad", |good, valid| near(valid) && (valid / 4..=valid / 2).contains(&good)).await;
    shop.failing.store(false, SeqCst);
    told.second("good again", |good, valid| near(valid) && good == valid).await;
    // A process that was started again counts from 0: no second has fewer than no events, or all of them at once.
    for counter in [&shop.good, &shop.bad] {
        counter.store(0, SeqCst);
    }
    told.second("good after a reset", |good, valid| near(valid) && good == valid).await;
    shop.gone.store(true, SeqCst);
    told.second("silent", |_, valid| valid == 0).await;
    told.second("silent still", |_, valid| valid == 0).await;
    told.noted("no series, or no fresh samples, for the total").await;
    shop.gone.store(false, SeqCst);
    told.second("back", |good, valid| near(valid) && good == valid).await;
    prometheus.kill();
    told.second("unknown", |_, valid| valid == 0).await;
    told.second("unknown still", |_, valid| valid == 0).await;
    told.noted("no data: connect to").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_that_mean_something_else_are_refused_or_no_data() {
    let (shop, target) = Shop::open().await;
    let prometheus = Prometheus::start(target).await;
    let refused =
        Telling::begin(prometheus.counts(PromEvents::Bad, "sum(increase(x[{{window}}])")).await.err().unwrap();
    assert!(refused.contains("Prometheus answered 400") && refused.contains("parse error"), "{refused}");
    // No error was ever counted: whether that is good is for the author to say.
    let mut strict = Telling::begin(prometheus.counts(PromEvents::Bad, BAD)).await.unwrap();
    let mut lenient = Telling::begin(prometheus.counts(PromEvents::BadOrAbsent, BAD)).await.unwrap();
    lenient.second("good", |good, valid| near(valid) && good == valid).await;
    strict.second("unknown", |_, valid| valid == 0).await;
    strict.noted("no series of bad events").await;
    shop.counts_errors.store(true, SeqCst);
    strict.second("good", |good, valid| near(valid) && good == valid).await;
    let many = "increase(requests_total[{{window}}])";
    let mut many = Telling::begin(prometheus.counts(PromEvents::Good, many)).await.unwrap();
    many.second("unknown", |_, valid| valid == 0).await;
    many.second("unknown", |_, valid| valid == 0).await;
    many.noted("2 series instead of one").await;
    // What is per second is made a number by the range.
    let mut rate = prometheus.counts(PromEvents::Good, "sum(rate(requests_total{code=\"200\"}[{{window}}]))");
    rate.question.total = "sum(rate(requests_total[{{window}}]))".into();
    (rate.every, rate.question.every) = (Duration::from_secs(2), Duration::from_secs(2));
    let mut rate = Telling::begin(rate).await.unwrap();
    rate.second("good", |good, valid| (140..=260).contains(&valid) && good == valid).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_is_what_a_prometheus_has_counted_or_not_known() {
    let (shop, target) = Shop::open().await;
    shop.counts_errors.store(true, SeqCst);
    let mut prometheus = Prometheus::start(target).await;
    let dir = tempfile::tempdir().unwrap();
    let query = |of: &str| format!("sum(rate(requests_total{of}[{{{{.window}}}}]))");
    let slo = |name: &str, bad: &str| {
        let (bad, total) = (query(bad), query(""));
        format!(
            "- {{ name: {name}, objective: 50, sli: {{ events: {{ error_query: '{bad}', total_query: '{total}' }} }} }}\n"
        )
    };
    let slos = |all: &str| {
        std::fs::write(dir.path().join("slo.yaml"), format!("version: prometheus/v1\nservice: shop\nslos:\n{all}"))
            .unwrap();
    };
    let url = format!("http://127.0.0.1:{}", prometheus.port);
    let gate = async || {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_firedrill"));
        command.args(["budget", "gate", "--slos", "slo.yaml", "--prometheus", &url]).current_dir(dir.path());
        let output = command.output().await.unwrap();
        let text = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat();
        (output.status.code(), text)
    };
    let until = async |code: i32, what: &str| {
        let begun = Instant::now();
        loop {
            let (ended, said) = gate().await;
            if ended == Some(code) && said.contains(what) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{ended:?}: {said}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    slos(&slo("answers", "{code=\"503\"}"));
    until(0, "shop  answers 50% over 30d  100% left").await;
    // 60% are bad now, of 50% that may be.
    shop.failing.store(true, SeqCst);
    until(1, "reliability work only").await;
    slos(&slo("typo", "{code=\"5O3\"}"));
    until(3, "not known: no data").await;
    slos(&slo("answers", "{code=\"503\"}"));
    prometheus.kill();
    until(3, "not known: 127.0.0.1").await;
}
