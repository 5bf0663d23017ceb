//! A project in a temporary directory: scenarios and runbooks that a test writes, or makes from the shipped ones by exact
//! edits.

use super::running::{Finished, Running};
use super::story::Drill;
use crate::accepted;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tempfile::TempDir;

/// Where the shipped scenarios, runbooks and stacks are.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// How often a drill whose measurement was disturbed may be run again.
const AGAIN: usize = 4;

/// A shipped scenario with its runbook.
#[derive(Clone, Copy)]
pub struct Shipped {
    name: &'static str,
    /// Edits that make it short.
    shorter: &'static [&'static [(&'static str, &'static str)]],
}

impl Shipped {
    /// Name of the scenario and of its runbook.
    pub fn name(self) -> &'static str {
        self.name
    }
}

/// `scenarios/db-pool.yaml`, with short windows.
pub const DB_POOL: Shipped =
    Shipped { name: "db-pool", shorter: &[SHORTER, WITHOUT_ALERTS, &[("returns: 2s", "returns: 1s")]] };

/// Without Prometheus and Alertmanager, which have tests of their own.
const WITHOUT_ALERTS: &[(&str, &str)] = &[
    (
        "oncall: ../stacks/checkout/ops/oncall.yaml\nalerts:\n  rules: ../stacks/checkout/ops/rules/*.yml\n  alertmanager: \
      ../stacks/checkout/ops/alertmanager.yml\n  prometheus: ../stacks/checkout/ops/prometheus.yml\n",
        "",
    ),
    (",\n    alert: CheckoutDbPoolExhausted, labels: { severity: page }, receiver: checkout-oncall }", " }"),
];

/// `scenarios/upstream-503.yaml`, with short windows.
pub const UPSTREAM: Shipped = Shipped { name: "upstream-503", shorter: &[SHORTER] };

/// `scenarios/restart-loop.yaml`, with short windows.
pub const RESTARTS: Shipped = Shipped { name: "restart-loop", shorter: &[SHORTER, &[("returns: 3s", "returns: 1s")]] };

/// `scenarios/bad-deploy.yaml`, with short windows.
pub const BAD_DEPLOY: Shipped = Shipped { name: "bad-deploy", shorter: &[SHORTER] };

/// `scenarios/scale-replicas.yaml`, with short windows.
pub const SCALE: Shipped = Shipped {
    name: "scale-replicas",
    shorter: &[
        CALM,
        &[
            ("stack: ../stacks/tickets/compose.yaml", "stack: {ROOT}/stacks/tickets/compose.yaml"),
            ("oncall: ../stacks", "oncall: {ROOT}/stacks"),
            ("rules: ../stacks", "rules: {ROOT}/stacks"),
            ("alertmanager: ../stacks", "alertmanager: {ROOT}/stacks"),
            ("prometheus: ../stacks", "prometheus: {ROOT}/stacks"),
        ],
    ],
};

/// The same for those with little load.
const CALM: &[(&str, &str)] = &[
    ("objective: 98% }", "objective: 95% }"),
    ("steady: { for: 4s }", "steady: { for: 2s }\nrevert: { hold: 1s }"),
    ("recover: { within: 30s, hold: 4s }", "recover: { within: 15s, hold: 2s }"),
];

/// What makes the others short and light, with objectives that allow for a machine that is busy with other tests: at the shipped rate, three
/// shops at once need more than two cores, and an outage of one that has no processor left does not end with its fault.
const SHORTER: &[(&str, &str)] = &[
    ("stack: ../stacks/checkout/compose.yaml", "stack: {ROOT}/stacks/checkout/compose.yaml"),
    ("rate: 50/s", "rate: 20/s"),
    ("objective: 99.5% }", "objective: 97% }"),
    ("good: latency < 300ms, objective: 99% }", "good: latency < 500ms, objective: 90% }"),
    ("steady: { for: 5s }", "steady: { for: 2s }\nrevert: { hold: 1s }"),
    ("recover: { within: 30s, hold: 5s }", "recover: { within: 30s, hold: 2s }"),
    ("rto: 1m", "rto: 3m"),
];

/// Replaces each text by another one, each of which must be there exactly once; `{ROOT}` is the project's copy of the shipped files.
pub fn edit(text: &str, edits: &[(&str, &str)]) -> String {
    edits.iter().fold(text.to_string(), |text, (old, new)| {
        assert_eq!(text.matches(old).count(), 1, "`{old}` is to be replaced in\n{text}");
        text.replacen(old, &new.replace("{ROOT}", "../shipped"), 1)
    })
}

/// A file of the repository.
fn shipped_file(path: &str) -> String {
    let path = Path::new(ROOT).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Copies a directory with everything in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(&path, &to).expect("a copy");
        }
    }
}

pub struct Project {
    dir: TempDir,
}

impl Project {
    /// A project with nothing but copies of the shipped stacks and runbooks: files elsewhere are not its own.
    pub fn empty() -> Project {
        let project = Project { dir: tempfile::tempdir().expect("a temporary directory") };
        for folder in ["stacks", "runbooks"] {
            copy(&Path::new(ROOT).join(folder), &project.path().join("shipped").join(folder));
        }
        project
    }

    /// A shipped scenario and its runbook, made short, each with edits of a test.
    pub fn shipped(shipped: Shipped, scenario_edits: &[(&str, &str)], runbook_edits: &[(&str, &str)]) -> Project {
        let Shipped { name, shorter } = shipped;
        let all: Vec<(&str, &str)> = shorter.concat();
        let project = Project::of_scenario(name, &all);
        let path = format!("scenarios/{name}.yaml");
        project.write(&path, &edit(&project.read(&path), scenario_edits));
        let path = format!("runbooks/{name}.md");
        project.write(&path, &edit(&shipped_file(&path), runbook_edits));
        project
    }

    /// A shipped scenario with edits, and its runbook as it is, if it has one.
    pub fn of_scenario(name: &str, edits: &[(&str, &str)]) -> Project {
        let project = Project::empty();
        let path = format!("scenarios/{name}.yaml");
        project.write(&path, &edit(&shipped_file(&path), edits));
        let path = format!("runbooks/{name}.md");
        if Path::new(ROOT).join(&path).exists() {
            project.write(&path, &shipped_file(&path));
        }
        project
    }

    /// The shipped runbook for a stack of which one image takes longer to build than any test. Returns a text that is in
    /// the build's log, and in the command line of its processes, once it is under way.
    pub fn that_builds_for_ever() -> (Project, String) {
        let project = Project::shipped(DB_POOL, &[], &[]);
        let text = project.read("scenarios/db-pool.yaml");
        let stack = text.lines().find(|line| line.starts_with("stack: ")).expect("a stack");
        project.write("scenarios/db-pool.yaml", &text.replace(stack, "stack: ../compose.yaml"));
        let compose =
            "services:\n  checkout: { build: slow, expose: [8080, 9100] }\n  db: { image: 'debian:bookworm-slim' }\n";
        project.write("compose.yaml", compose);
        // Never the same twice, or it would come from the cache one day.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock");
        let sleep = format!("sleep 3600.{:09}", now.as_nanos() % 1_000_000_000);
        project.write("slow/Dockerfile", &format!("FROM debian:bookworm-slim\nRUN {sleep}\n"));
        (project, sleep)
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
        std::fs::write(&path, text).expect("a file can be written");
        if path.extension().is_some_and(|end| end == "md") {
            accepted::accept(&path);
        }
        path
    }

    pub fn read(&self, path: &str) -> String {
        let path = self.path().join(path);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The line, from 1, of the one place at which a text stands in a file.
    pub fn line(&self, path: &str, text: &str) -> usize {
        let whole = self.read(path);
        let at: Vec<usize> = whole.match_indices(text).map(|(at, _)| at).collect();
        let [at] = at[..] else { panic!("`{text}` stands {} times in {path}", at.len()) };
        whole[..at].matches('\n').count() + 1
    }

    /// Starts `firedrill scenario NAME …` with its events on standard output.
    pub fn start(&self, scenario: &str, args: &[&str]) -> Running {
        Running::start(self.path(), scenario, args)
    }

    /// Runs a drill to its end.
    pub fn drill(&self, scenario: &str, args: &[&str]) -> Drill {
        self.followed(scenario, args, |_| {})
    }

    /// Runs a drill to its end, with something that a test does meanwhile.
    pub fn followed(&self, scenario: &str, args: &[&str], meanwhile: impl Fn(&mut Running)) -> Drill {
        undisturbed(|| {
            let mut running = self.start(scenario, args);
            meanwhile(&mut running);
            running.end()
        })
    }

    /// Runs any command of the program, as people do.
    pub fn firedrill(&self, args: &[&str]) -> Finished {
        Finished::of(self.path(), args)
    }
}

/// Runs a drill again that says of itself that the machine was too busy to measure. Any other verdict is final.
pub fn undisturbed(run: impl Fn() -> Drill) -> Drill {
    for _ in 0..AGAIN {
        let drill = run();
        if !drill.was_disturbed() {
            return drill;
        }
        println!("run again: {}", drill.record.reason);
    }
    run()
}
