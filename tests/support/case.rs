//! A test's drill: real files in a temporary folder, read by `spec::load`, run by the engine on a fake stack.

use super::fake::FakeStack;
use super::log::{Act, Controls, Log, When};
use super::restore::announced;
use super::rules;
use super::told::Told;
use super::world::{Switches, World};
use firedrill::engine::ledger::Ledger;
use firedrill::engine::{self, DrillOptions, Job, Nobody, Operator, Shutdown};
use firedrill::record::{Announcement, EventSink, Record, Redactor, RunDir, utc_now, utc_text};
use firedrill::runbook::{BlockSettings, CodeBlock};
use firedrill::source;
use firedrill::spec::{self, Overrides, Plan};
use firedrill::stack::Stack;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// No drill of these tests takes nearly as long: past it the engine hangs.
const HANGS: Duration = Duration::from_secs(90);

const COMPOSE: &str = "services:\n  web: { image: example/web }\n  db: { image: example/db }\n";

/// A fault that an agent in front of `web` holds.
pub const HTTP: &str = "\n  - http_status: { service: web, port: 80, status: 503 }";
/// A fault in front of `web` and one that the drill's agent holds in `db`.
pub const TWO: &str = "
  - http_status: { service: web, port: 80, status: 503 }
  - postgres_lock: { service: db, table: orders }";
/// A fault in front of `web` and one of a container.
pub const MIXED: &str = "
  - http_status: { service: web, port: 80, status: 503 }
  - container_pause: { service: db }";
/// A fault of a container.
pub const PAUSE: &str = "\n  - container_pause: { service: db }";

/// A process of its own.
pub const PROCESS: &str = "\n  - process: { name: worker, service: db, run: work }";

/// A runbook that helps: it works around the fault.
pub const RUNBOOK: &str = "\
# The shop is down

## Diagnosis

### Step 1: Look

```bash
say looking
```

## Mitigation

### Step 2: Work around it

```bash
fix
```

## Verification

### Step 3: Check that it helped

```bash
healthy
```
";

/// How a drill came to its end.
enum Ended {
    ByItself(Told),
    Killed(Killed),
}

/// What a runner left that was killed.
pub struct Killed {
    /// The run directory.
    pub run_dir: RunDir,
    /// The record up to that instant.
    pub record: Record,
    _dir: TempDir,
}

/// A drill to be run, by default one that passes.
pub struct Case {
    keys: Vec<(&'static str, String)>,
    runbook: String,
    /// The reading, where it is not that everything is accepted.
    reading: Option<String>,
    options: DrillOptions,
    switches: Switches,
    triggers: Vec<(When, Act)>,
    events_cannot_be_written: bool,
    patches: Vec<Patch>,
    person: Box<dyn Operator>,
}

/// Changes a plan after it was read.
type Patch = Box<dyn FnOnce(&mut Plan) + Send>;

impl Case {
    /// A drill that passes: the runbook works around a fault that stays.
    pub fn new() -> Case {
        let keys = [
            ("title", "A drill on a fake"),
            ("stack", "compose.yaml"),
            ("runbook", "runbook.md"),
            ("load", "{ shop: { request: GET http://web:80/, rate: 100/s, timeout: 200ms } }"),
            ("slis", "{ availability: { load: shop, good: status < 500, objective: 95% } }"),
            ("steady", "{ for: 500ms, within: 2s }"),
            ("faults", HTTP),
            ("impact", "{ below: 90%, within: 1500ms, window: 500ms }"),
            ("respond", "{ phases: [diagnose, mitigate, verify], timeout: 2s }"),
            ("recover", "{ within: 1500ms, hold: 500ms }"),
            ("revert", "{ hold: 300ms }"),
        ];
        Case {
            keys: keys.map(|(key, value)| (key, value.to_string())).to_vec(),
            runbook: RUNBOOK.to_string(),
            reading: None,
            options: DrillOptions { seed: 7, ..DrillOptions::default() },
            // What looks for a fault does not find it before it is there.
            switches: Switches { exits: [("look", vec![1, 0])].into(), ..Switches::default() },
            triggers: Vec::new(),
            events_cannot_be_written: false,
            patches: Vec::new(),
            person: Box::new(Nobody),
        }
    }

    /// Sets a key of the scenario, in YAML's flow style.
    pub fn set(mut self, key: &'static str, value: &str) -> Case {
        self.keys.retain(|(present, _)| *present != key);
        self.keys.push((key, value.to_string()));
        self
    }

    /// Takes a key out of the scenario.
    pub fn without(mut self, key: &str) -> Case {
        self.keys.retain(|(present, _)| *present != key);
        self
    }

    /// Another runbook.
    pub fn runbook(mut self, text: &str) -> Case {
        self.runbook = text.to_string();
        self
    }

    /// Another reading.
    pub fn reading(mut self, text: &str) -> Case {
        self.reading = Some(text.to_string());
        self
    }

    /// The runbook with one piece of its text replaced.
    pub fn replace(mut self, from: &str, to: &str) -> Case {
        assert!(self.runbook.contains(from), "{from:?} is in the runbook");
        self.runbook = self.runbook.replacen(from, to, 1);
        self
    }

    /// Changes the plan after it was read.
    pub fn plan_with(mut self, patch: impl FnOnce(&mut Plan) + Send + 'static) -> Case {
        self.patches.push(Box::new(patch));
        self
    }

    /// What is said about the one block of the step that has this in its id.
    pub fn says(self, step: &'static str, change: impl FnOnce(&mut BlockSettings) + Send + 'static) -> Case {
        self.plan_with(move |plan| {
            let steps = &mut plan.runbook.as_mut().expect("a runbook").steps;
            let step = steps.iter_mut().find(|known| known.id.contains(step)).expect("a step");
            if step.blocks.is_empty() {
                step.blocks.push(CodeBlock::default());
            }
            change(&mut step.blocks[0].settings);
        })
    }

    /// Somebody is there to be asked.
    pub fn person(mut self, person: impl Operator + 'static) -> Case {
        self.person = Box::new(person);
        self
    }

    /// What the command line says.
    pub fn options(mut self, change: impl FnOnce(&mut DrillOptions)) -> Case {
        change(&mut self.options);
        self
    }

    /// What is wrong with the world.
    pub fn world(mut self, change: impl FnOnce(&mut Switches)) -> Case {
        change(&mut self.switches);
        self
    }

    /// Does something the first time that `when` is in the log.
    pub fn on(mut self, when: When, act: impl Fn(&Controls) + Send + 'static) -> Case {
        self.triggers.push((when, Box::new(act)));
        self
    }

    /// The disk that holds `events.jsonl` takes nothing.
    pub fn events_cannot_be_written(mut self) -> Case {
        self.events_cannot_be_written = true;
        self
    }

    /// Runs it, and holds what happened to the rules of every drill.
    pub async fn run(self) -> Told {
        let on_disk = !self.events_cannot_be_written;
        let told = match self.start().await {
            Ended::ByItself(told) => told,
            Ended::Killed(_) => panic!("nobody kills this drill"),
        };
        rules::of_every_drill(&told, on_disk);
        told
    }

    /// Runs it until a trigger kills the runner; what is on disk then.
    pub async fn run_until_killed(self) -> Killed {
        match self.start().await {
            Ended::ByItself(told) => panic!("the drill was not killed\n{}", told.story()),
            Ended::Killed(killed) => killed,
        }
    }

    async fn start(self) -> Ended {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut plan = self.plan(&dir);
        self.patches.into_iter().for_each(|patch| patch(&mut plan));
        let run_dir = RunDir::create(&dir.path().join("runs"), "fake").expect("a run directory");
        let ledger_path = run_dir.ledger_path();
        let ledger = Ledger::create(&ledger_path, run_dir.id(), self.options.keep).expect("a ledger");
        let mut events = run_dir.create_events().expect("events.jsonl");
        if self.events_cannot_be_written {
            // Opened for reading, so that every write to it fails as on a disk that is full.
            events = File::open(run_dir.events_path()).expect("events.jsonl");
        }
        let log = Log::default();
        let sink = EventSink::new(Some(events), Redactor::default(), vec![Box::new(log.clone())]);
        let world = Arc::new(World::new(self.switches, ledger_path, log.clone()));
        let (shutdown, kill) = (Shutdown::default(), CancellationToken::new());
        let controls = Controls { world: world.clone(), shutdown: shutdown.clone(), kill: kill.clone() };
        log.arm(self.triggers, controls);
        let (run, started_utc) = (run_dir.id().to_string(), utc_text(utc_now()));
        let who = Announcement { run, started_utc, ..Announcement::default() };
        let announcement = announced(&plan, engine::announce(&plan, &self.options, who));
        let stack: Arc<dyn Stack> = Arc::new(FakeStack::new(world));
        let mut person = self.person;
        let job = Job { plan: &plan, announcement, options: &self.options, run_dir: &run_dir, person: &mut *person };
        let drill = engine::run(job, &stack, ledger, sink, &shutdown);
        let ended = tokio::select! {
            biased;
            () = kill.cancelled() => None,
            outcome = tokio::time::timeout(HANGS, drill) => Some(outcome),
        };
        log.disarm();
        match ended {
            Some(outcome) => Ended::ByItself(Told::new(outcome, &log, run_dir, dir)),
            None => Ended::Killed(Killed { run_dir, record: log.record(), _dir: dir }),
        }
    }

    fn plan(&self, dir: &TempDir) -> Plan {
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("a file");
        let lines: Vec<String> = self.keys.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
        write("compose.yaml", COMPOSE);
        write("runbook.md", &self.runbook);
        write("fake.yaml", &lines.concat());
        match &self.reading {
            Some(text) => write("runbook.reading.yaml", text),
            None => super::accepted::accept(&dir.path().join("runbook.md")),
        }
        load(&dir.path().join("fake.yaml"), dir.path())
    }
}

fn load(scenario: &Path, project: &Path) -> Plan {
    let overrides = Overrides { project: project.to_path_buf(), ..Overrides::default() };
    let (plan, diagnostics) = spec::load(scenario, &overrides);
    assert!(!diagnostics.has_errors(), "{}", source::render(&diagnostics, false));
    plan.expect("a plan")
}
