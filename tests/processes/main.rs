//! The engine on a third kind of stack: plain processes of this machine, a real agent, a real bash. What these drills need and
//! the traits do not offer would be a hole in the traits.

#[path = "../support/accepted.rs"]
mod accepted;
#[path = "../support/prometheus.rs"]
mod prometheus;
mod stack;

use firedrill::engine::ledger::{self, Ledger};
use firedrill::engine::{self, DrillOptions, Job, Nobody, Shutdown};
use firedrill::faults::FaultContext;
use firedrill::record::{
    Announcement, BesideNote, Event, EventSink, FaultEvent, Observer, Phase, Record, Redactor, RunDir, Stamped,
    StepStatus, Verdict, append_beside, notes_beside, utc_now, utc_text,
};
use firedrill::spec::{self, Overrides, Plan};
use firedrill::stack::{AgentRole, Fate, Platform, RunIdentity, StackOptions, SweepOptions};
use stack::ProcessPlatform;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::sync::Notify;

/// No drill of these tests takes nearly as long.
const HANGS: Duration = Duration::from_secs(120);

const RUNBOOK: &str = "\
# The shop does not answer

## Mitigation

### Step 1: Let the database go on

```bash
CURE
```
";

const SCENARIO: &str = "\
title: A drill on processes
stack: processes.yaml
runbook: runbook.md
load: { shop: { request: GET http://127.0.0.1:WEB/, rate: 50/s, timeout: 300ms } }
slis: { availability: { load: shop, good: status < 500, objective: 90% } }
steady: { for: 500ms, within: 20s }
faults: [FAULT]
impact: { below: 80%, within: 5s, window: 500ms }
respond: { phases: [mitigate], timeout: 5s }
recover: { within: 5s, hold: 500ms }
revert: { hold: 300ms }
";

/// What `services` of a stack run: this test's executable itself. `web` asks `db` before it answers.
#[test]
#[ignore = "a server, started by the drills"]
fn server() {
    let Some(port) = std::env::var("PORT").ok().and_then(|port| port.parse::<u16>().ok()) else { return };
    let behind = std::env::var("BEHIND").ok().and_then(|port| port.parse::<u16>().ok());
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
    for caller in listener.incoming().flatten() {
        std::thread::spawn(move || answer(caller, behind));
    }
}

fn answer(mut caller: TcpStream, behind: Option<u16>) -> std::io::Result<()> {
    let Some(behind) = behind else { return caller.write_all(b"ok") };
    let mut buffer = [0; 4096];
    while !buffer.windows(4).any(|end| end == b"\r\n\r\n") && caller.read(&mut buffer)? > 0 {}
    let asked = || -> std::io::Result<()> {
        let limit = Duration::from_millis(80);
        let mut db = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], behind)), limit)?;
        db.set_read_timeout(Some(limit))?;
        db.read_exact(&mut [0; 2])
    };
    let request = String::from_utf8_lossy(&buffer);
    let path = request.split(' ').nth(1);
    let (good, body) = match path {
        Some("/metrics") => {
            let line =
                |code: u16, count: &AtomicU64| format!("requests_total{{code=\"{code}\"}} {}\n", count.load(SeqCst));
            (true, line(200, &ANSWERED) + &line(503, &FAILED))
        }
        // When the database was reached last, in milliseconds.
        Some("/feed") => {
            if asked().is_ok() {
                NEWEST.store(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64, SeqCst);
            }
            (true, format!("{{\"at\":{}}}", NEWEST.load(SeqCst)))
        }
        Some("/login") => (true, "{\"session\":{\"token\":\"t-7\"}}".into()),
        Some("/buy/t-7") => (asked().is_ok(), String::new()),
        Some(path) if path.starts_with("/buy") => (false, String::new()),
        _ => (asked().is_ok(), String::new()),
    };
    if body.is_empty() {
        (if good { &ANSWERED } else { &FAILED }).fetch_add(1, SeqCst);
    }
    let status = match good {
        true if path == Some("/queue") && is_turned_away() => "429 Too Many Requests",
        true => "200 OK",
        false => "503 Service Unavailable",
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    caller.write_all((head + &body).as_bytes())
}

/// What `web` counts.
static ANSWERED: AtomicU64 = AtomicU64::new(0);
static FAILED: AtomicU64 = AtomicU64::new(0);
static NEWEST: AtomicU64 = AtomicU64::new(0);
static QUEUED: AtomicU64 = AtomicU64::new(0);

/// One in ten, and every second one while load is shed: as long as there is a file `shed` beside the processes.
fn is_turned_away() -> bool {
    let one_in = if Path::new("shed").exists() { 2 } else { 10 };
    QUEUED.fetch_add(1, SeqCst).is_multiple_of(one_in)
}

/// Tells when the runbook begins.
struct Responds(Arc<Notify>);

impl Observer for Responds {
    fn on_event(&mut self, event: &Stamped) {
        if matches!(event.event, Event::PhaseStarted { phase: Phase::Respond }) {
            self.0.notify_one();
        }
    }
}

/// A drill on processes: its files, its stack, its run.
struct Drill {
    dir: TempDir,
    plan: Plan,
    platform: ProcessPlatform,
    run_dir: RunDir,
    responds: Arc<Notify>,
}

impl Drill {
    fn new(fault: &str, cure: &str) -> Drill {
        Drill::with(fault, cure, "")
    }

    /// The same with more keys of the scenario.
    fn with(fault: &str, cure: &str, more: &str) -> Drill {
        Drill::of(&(SCENARIO.replace("FAULT", fault) + more), cure)
    }

    /// A whole scenario, in which `WEB` and `PROM` are the ports of `web` and of a Prometheus, which runs where it is named.
    fn of(scenario: &str, cure: &str) -> Drill {
        let dir = tempfile::tempdir().unwrap();
        let free: Vec<TcpListener> = (0..4).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let [web, db, idle, prom] = [0, 1, 2, 3].map(|number| free[number].local_addr().unwrap().port().to_string());
        let executable = std::env::current_exe().unwrap().display().to_string();
        let server = [executable.as_str(), "--exact", "server", "--ignored", "--nocapture"];
        let service = |port: &str, behind: &str| {
            serde_json::json!({ "command": server, "port": port.parse::<u16>().unwrap(),
                                "environment": { "PORT": port, "BEHIND": behind } })
        };
        let mut services =
            serde_json::json!({ "db": service(&db, ""), "idle": service(&idle, ""), "web": service(&web, &db) });
        if scenario.contains("PROM") {
            let port: u16 = prom.parse().unwrap();
            let mut command = vec![prometheus::program().display().to_string()];
            command.extend(prometheus::arguments(dir.path(), port, web.parse().unwrap()));
            services["prometheus"] = serde_json::json!({ "command": command, "port": port });
        }
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        write("processes.yaml", &serde_json::json!({ "services": services }).to_string());
        write("runbook.md", &RUNBOOK.replace("CURE", cure));
        write("oncall.yaml", "severities: { SEV1: { users_hurt: 20% }, SEV2: { users_hurt: 0% } }\n");
        write("drill.yaml", &scenario.replace("WEB", &web).replace("PROM", &prom));
        accepted::accept(&dir.path().join("runbook.md"));
        let overrides = Overrides { project: dir.path().to_path_buf(), ..Overrides::default() };
        let (plan, mistakes) = spec::load(&dir.path().join("drill.yaml"), &overrides);
        let plan = plan.unwrap_or_else(|| panic!("{}", firedrill::source::render(&mistakes, false)));
        let runs = dir.path().join("runs");
        let run_dir = RunDir::create(&runs, "processes").unwrap();
        let platform = ProcessPlatform { runs };
        Drill { dir, plan, platform, run_dir, responds: Arc::default() }
    }

    async fn run(&self) -> Record {
        let resolved = self.platform.resolve(&self.plan.stack).await.unwrap();
        assert_eq!(resolved.findings(), []);
        let options = StackOptions { secrets: self.plan.secrets(), ..StackOptions::default() };
        let stack = resolved.stack(&RunIdentity::of(&self.run_dir, false), &options).await.unwrap();
        let options = DrillOptions { seed: 7, ..DrillOptions::default() };
        let ledger = Ledger::create(&self.run_dir.ledger_path(), self.run_dir.id(), false).unwrap();
        let events = self.run_dir.create_events().unwrap();
        let observers: Vec<Box<dyn Observer>> = vec![Box::new(Responds(self.responds.clone()))];
        let sink = EventSink::new(Some(events), Redactor::default(), observers);
        let (run, started_utc) = (self.run_dir.id().to_string(), utc_text(utc_now()));
        let who = Announcement { run, started_utc, ..Announcement::default() };
        let announcement = engine::announce(&self.plan, &options, who);
        let person = &mut Nobody;
        let job = Job { plan: &self.plan, announcement, options: &options, run_dir: &self.run_dir, person };
        let shutdown = Shutdown::default();
        let drill = engine::run(job, &stack, ledger, sink, &shutdown);
        tokio::time::timeout(HANGS, drill).await.expect("the drill ends")
    }

    /// Runs it to its end; nothing may be left then.
    async fn record(&self, verdict: Verdict) -> Record {
        let record = self.run().await;
        assert_eq!(record.verdict, verdict, "{}\n{}", record.reason, self.story());
        assert_eq!(self.sweep(true).await, []);
        record
    }

    fn story(&self) -> String {
        let logs = fs::read_dir(stack::folder(self.run_dir.path())).into_iter().flatten().flatten();
        let logs = logs.filter_map(|file| fs::read_to_string(file.path()).ok());
        fs::read_to_string(self.run_dir.events_path()).unwrap() + &logs.collect::<String>()
    }

    async fn sweep(&self, dry_run: bool) -> Vec<Fate> {
        let report = self.platform.sweep(SweepOptions { dry_run, ..SweepOptions::default() }, &[]).await.unwrap();
        report.runs.into_iter().map(|swept| swept.fate).collect()
    }
}

fn life(record: &Record, fault: &str) -> Vec<FaultEvent> {
    record.fault_record(fault).into_iter().flat_map(|fault| &fault.life).map(|moment| moment.what).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runbook_that_lets_the_process_go_on_passes() {
    let record =
        Drill::new("container_pause: { service: db }", "kill -CONT \"$(cat db.pid)\"").record(Verdict::Passed).await;
    assert!(record.passed() && record.left.is_empty(), "{:?}", record.left);
    assert!(
        life(&record, "container_pause").contains(&FaultEvent::ClearedByRunbook),
        "{:?}",
        life(&record, "container_pause")
    );
}

/// A drill in which most requests fail until the cure.
fn hurting(severity: &str, more: &str) -> Drill {
    let cure = "kill -CONT \"$(cat db.pid)\"";
    Drill::with("container_pause: { service: db }", cure, &format!("severity: {severity}\noncall: oncall.yaml\n{more}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incident_that_is_more_severe_than_declared_fails_whatever_else_held() {
    let drill = hurting("SEV2", "");
    let record = drill.record(Verdict::Understated).await;
    assert!(!record.passed() && record.recovered_us().is_some());
    assert!(
        record
            .reason
            .starts_with("the scenario declares SEV2, and the incident was SEV1: of the events of availability")
    );
    assert!(record.at.as_ref().is_some_and(|at| at.path.ends_with("drill.yaml")), "{:?}", record.at);
    // What the events alone say is the same.
    drill.run_dir.write("record.json", &firedrill::report::json(&record)).unwrap();
    let rows = firedrill::archive::evidence::recompute(drill.run_dir.path()).unwrap();
    let differ: Vec<_> = rows.iter().filter(|row| !row.is_same()).collect();
    assert!(differ.is_empty(), "{differ:?}");
    assert!(rows.iter().any(|row| row.figure == "severity" && row.recomputed.starts_with("SEV1")), "{rows:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_severity_that_is_right_passes_and_what_is_noted_meanwhile_is_part_of_the_story() {
    let drill = hurting("SEV1", "");
    let noted = async {
        drill.responds.notified().await;
        let note = BesideNote { at_utc: utc_text(utc_now()), by: "ada".into(), text: "it is the lock".into() };
        append_beside(drill.run_dir.path(), "notes", &note).unwrap();
    };
    let (record, ()) = tokio::join!(drill.record(Verdict::Passed), noted);
    assert!(record.passed(), "{}", drill.story());
    let notes: Vec<_> = record.notes.iter().filter(|note| note.by.as_deref() == Some("ada")).collect();
    assert_eq!(notes.iter().map(|note| note.text.as_str()).collect::<Vec<_>>(), ["it is the lock"]);
    assert!(record.later_notes(notes_beside(drill.run_dir.path())).is_empty());
    assert!(drill.story().contains("\"type\":\"noted\""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mild_severity_makes_no_other_failure_a_pass() {
    let more = "severity: SEV2\noncall: oncall.yaml\nexpect: { verdict: understated }\n";
    let record = Drill::with("container_kill: { service: db }", "cat db.pid", more).record(Verdict::NotRecovered).await;
    assert!(!record.passed(), "it was expected to be understated, and users did not recover");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runbook_that_only_looks_does_not() {
    let drill = Drill::new("container_kill: { service: db }", "cat db.pid");
    let record = drill.record(Verdict::NotRecovered).await;
    // Undone by starting it again.
    assert_eq!(life(&record, "container_kill").last(), Some(&FaultEvent::Reverted), "{}", drill.story());
    assert!(record.left.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_session_breaks_again_as_it_is_left_is_no_recovery() {
    let cure = "trap 'kill -STOP \"$(cat db.pid)\" ' EXIT\nkill -CONT \"$(cat db.pid)\"";
    let drill = Drill::new("container_pause: { service: db }", cure);
    drill.record(Verdict::NotRecovered).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_terminal_knows_nothing_of_the_first_one() {
    for (title, verdict) in [("Mend it", Verdict::Passed), ("Mend it in a second terminal", Verdict::StepFailed)] {
        let mend = "mend() { kill -CONT \"$(cat db.pid)\"; }";
        let cure = format!("{mend}\n```\n\n### {title}\n\n```bash\nmend");
        Drill::new("container_pause: { service: db }", &cure).record(verdict).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_nobody_needs_hurts_nobody() {
    Drill::new("container_pause: { service: idle }", "true").record(Verdict::NoImpact).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_goes_on_by_itself_in_time_was_not_helped_by_the_runbook() {
    let drill = Drill::new("{ container_pause: { service: db }, lasts: 1s }", "kill -CONT \"$(cat db.pid)\"");
    let record = drill.record(Verdict::SelfHealed).await;
    assert_eq!(life(&record, "container_pause").last(), Some(&FaultEvent::EndedByTime), "{}", drill.story());
    assert_eq!(record.mitigation_started_us, None, "{}", drill.story());
    let found = ledger::read(&drill.run_dir.ledger_path()).unwrap();
    assert!(found.closed && found.outstanding.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_answers_as_it_must_not_ends_the_drill() {
    let stop = |status: u16| format!("stop_when: [{{ http: 'http://127.0.0.1:WEB/', status: {status} }}]\n");
    let drill = Drill::with("container_pause: { service: db }", "sleep 60", &stop(503));
    let record = drill.record(Verdict::Interrupted).await;
    assert!(record.reason.contains("answers 503; it answered 503"), "{}", record.reason);
    let undone = record.faults[0].at(FaultEvent::Reverted).expect("it is undone");
    assert!(undone.since(record.judged_us.unwrap()) < Duration::from_secs(2), "{}", drill.story());
    // What holds before lets nothing be broken.
    let record = Drill::with("container_pause: { service: db }", "true", &stop(200)).record(Verdict::Interrupted).await;
    assert_eq!(record.faults, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_drill_that_was_killed_everything_is_undone_and_removed() {
    let drill = Drill::new("container_pause: { service: db }", "sleep 60");
    tokio::select! {
        _ = drill.run() => panic!("the drill ended by itself\n{}", drill.story()),
        () = drill.responds.notified() => {}
    }
    let run = drill.run_dir.id();
    let left = drill.platform.reopen(run).await.unwrap();
    assert_eq!(left.containers("db").await.unwrap()[0].status, "paused");
    let found = ledger::read(&drill.run_dir.ledger_path()).unwrap();
    assert_eq!((found.run.as_deref(), found.outstanding.len()), (Some(run), 1));
    for (id, undo) in &found.outstanding {
        undo.execute(&FaultContext { id, stack: &*left, agents: None, seed: 0, strength: 1.0 }).await.unwrap();
    }
    assert_eq!(left.containers("db").await.unwrap()[0].status, "running");
    assert_eq!(drill.sweep(true).await, [Fate::WouldRemove]);
    assert_eq!(drill.sweep(false).await, [Fate::Removed { left: Vec::new() }]);
    assert_eq!(drill.sweep(false).await, []);
}

#[tokio::test]
async fn what_processes_cannot_do_is_said_before_anything_starts() {
    let drill = Drill::new("http_status: { service: web, port: 80, status: 503 }", "true");
    let resolved = drill.platform.resolve(&drill.plan.stack).await.unwrap();
    let said: Vec<String> = resolved.findings().into_iter().map(|finding| finding.message).collect();
    assert_eq!(said, ["nothing can be put in front of `web`: its clients know an address"]);
    let stack = resolved.stack(&RunIdentity::of(&drill.run_dir, false), &StackOptions::default()).await.unwrap();
    assert!(stack.connect(&AgentRole::Proxy { service: "web".into() }).await.is_err());
    // What a kind of stack does not offer is refused, and never taken for done.
    assert!(stack.deploy("web", None).await.is_err() && stack.start_process("x").await.is_err());
    assert!(drill.dir.path().is_dir());
}

/// A scenario whose SLI is over another source than the load.
fn measuring(sli: &str, windows: &str) -> String {
    let (head, rest) = SCENARIO.split_once("slis:").unwrap();
    let rest = rest.split_once("steady:").unwrap().1.split_once('\n').unwrap().1.split_once("impact:").unwrap();
    let scenario = format!("{head}slis: {{ measured: {sli} }}\n{}{windows}", rest.0);
    scenario.replace("FAULT", "container_pause: { service: db }")
}

/// A drill of it that passes.
fn measured(sli: &str, windows: &str) -> Drill {
    Drill::of(&measuring(sli, windows), "kill -CONT \"$(cat db.pid)\"")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_pipe_hides_is_in_the_record() {
    let cure = "cat missing.sql | wc -l\nkill -CONT \"$(cat db.pid)\"";
    let record = Drill::new("container_pause: { service: db }", cure).record(Verdict::Passed).await;
    let step = record.steps.first().expect("a step");
    let reason = step.reason.as_deref().unwrap_or_default();
    assert_eq!(step.status, Some(StepStatus::Warned), "{reason}");
    assert!(reason.contains("a program in its pipe ended with exit code 1"), "{reason}");
}

/// That the page of `web` is not old.
const FRESH: &str = "{ freshness: { answer: { url: 'http://127.0.0.1:WEB/feed', at: /at, every: 100ms, timeout: 300ms }, \
                     within: 200ms }, objective: 80% }";
const FRESH_WINDOWS: &str = "steady: { for: 500ms, within: 20s }\nimpact: { below: 50%, within: 6s, window: 500ms }\n\
                             respond: { phases: [mitigate], timeout: 5s }\nrecover: { within: 5s, hold: 500ms }\n\
                             revert: { hold: 300ms }\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_old_hurts_users_as_well() {
    let record = measured(FRESH, FRESH_WINDOWS).record(Verdict::Passed).await;
    let series = record.loads.iter().find(|series| series.load == "freshness:measured").expect("its slices");
    let good = &series.good["measured"];
    // The page is there all the time: only what it says of itself is old.
    assert!(good.contains(&0) && good.contains(&1), "{good:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_prometheus_counts_decides_a_drill() {
    let windows = "steady: { for: 2s, within: 30s }\nimpact: { below: 80%, within: 15s, window: 1s }\n\
                   respond: { phases: [mitigate], timeout: 5s }\nrecover: { within: 15s, hold: 2s }\nrevert: { hold: 2s }\n";
    let counted = |query: &str| format!("sum(increase(requests_total{query}[{{{{window}}}}]))");
    let (good, total) = (counted("{code='200'}"), counted(""));
    let promql =
        format!("{{ url: 'http://127.0.0.1:PROM', good: \"{good}\", total: \"{total}\", every: 1s, rate: 50/s }}");
    let record = measured(&format!("{{ promql: {promql}, objective: 90% }}"), windows).record(Verdict::Passed).await;
    let series = record.loads.iter().find(|series| series.load == "promql:measured").expect("its slices");
    assert!(series.due.iter().any(|due| *due > 20), "{:?}", series.due);
    assert!(record.recovered_us().is_some());
}

/// The SLI is met again, and half of the requests, at which it does not look, are turned away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_whom_no_sli_sees_are_not_to_be_refused_either() {
    let scenario = measuring(FRESH, FRESH_WINDOWS).replace("WEB/,", "WEB/queue,");
    let drill = Drill::of(&scenario, "touch shed\nkill -CONT \"$(cat db.pid)\"");
    let record = drill.record(Verdict::NotRecovered).await;
    for words in ["users are refused what they got before", "429 × "] {
        assert!(record.reason.contains(words), "{words}: {}", record.reason);
    }
}

/// `status < 500` calls 429 good. One in ten gets it as usual.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mitigation_that_sheds_more_load_than_usual_is_no_recovery() {
    let scenario = SCENARIO.replace("WEB/,", "WEB/queue,").replace("FAULT", "container_pause: { service: db }");
    let cure = "kill -CONT \"$(cat db.pid)\"";
    let record = Drill::of(&scenario, &format!("touch shed\n{cure}")).record(Verdict::NotRecovered).await;
    for words in ["users are refused what they got before", "429 × "] {
        assert!(record.reason.contains(words), "{words}: {}", record.reason);
    }
    Drill::of(&scenario, cure).record(Verdict::Passed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journey_is_one_event_and_carries_values_along() {
    let (head, rest) = SCENARIO.split_once("load:").unwrap();
    let rest = rest.split_once('\n').unwrap().1.replace("FAULT", "container_pause: { service: db }");
    let then = "then: [{ take: { token: /session/token }, request: 'GET http://127.0.0.1:WEB/buy/{{token}}' }]";
    let load =
        format!("load: {{ shop: {{ request: POST http://127.0.0.1:WEB/login, {then}, rate: 50/s, timeout: 300ms }} }}");
    let drill = Drill::of(&format!("{head}{load}\n{rest}"), "kill -CONT \"$(cat db.pid)\"");
    let record = drill.record(Verdict::Passed).await;
    let series = record.loads.iter().find(|series| series.load == "shop").expect("its slices");
    assert!(series.due.iter().all(|due| *due <= 6), "one event each: {:?}", series.due);
    assert!(series.good["availability"].contains(&5) && series.good["availability"].contains(&0));
    let plan = record.plan.as_ref().expect("a plan");
    assert!(plan.loads[0].request.contains("/login → GET "), "{}", plan.loads[0].request);
}
