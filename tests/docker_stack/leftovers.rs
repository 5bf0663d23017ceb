//! What dead runners leave: found by label, removed, and never what a living or a kept run needs.

use super::rig::{Project, docker, left, only, rand};
use firedrill::engine::ledger::Ledger;
use firedrill::faults::Undo;
use firedrill::stack::{AgentRole, ContainerOp, Fate, RunIdentity, Stack, SweepOptions, platform};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_removes_dead_runs_and_leaves_living_and_kept_ones() {
    let mut project = Project::new(
        "swept",
        "services:\n  web: { image: \"debian:bookworm-slim\", init: true, command: [sleep, \"1000\"] }\n",
    );
    project.run.keep = true;
    let lock = std::fs::File::create(project.run.dir.join("lock")).unwrap();
    lock.lock().unwrap();
    let stack = project.stack().await;
    stack.up(&CancellationToken::new()).await.unwrap();
    let web = only(&stack.containers("web").await.unwrap()).id.clone();
    stack.operate(&web, &ContainerOp::Pause).await.unwrap();
    let platform = platform();
    let fate = async |options| {
        let report = platform.sweep(options, &[]).await.unwrap();
        report.runs.into_iter().find(|swept| swept.run == project.run.id).map(|swept| swept.fate)
    };
    // Dry: other tests' runs are on this engine, some of them without a lock.
    let dry = SweepOptions { dry_run: true, ..Default::default() };
    assert_eq!(fate(dry).await, Some(Fate::Alive), "its lock is held");
    lock.unlock().unwrap();
    let channel = stack.connect(&AgentRole::Drill).await.unwrap();
    assert_eq!(fate(dry).await, Some(Fate::Alive), "its agent is controlled");
    let away = project.run.dir.with_extension("away");
    std::fs::rename(&project.run.dir, &away).unwrap();
    let unseen = fate(dry).await;
    std::fs::rename(&away, &project.run.dir).unwrap();
    assert!(matches!(&unseen, Some(Fate::Unseen { why }) if why.contains("its run directory")), "{unseen:?}");
    drop(channel);
    let released = async {
        while fate(dry).await == Some(Fate::Alive) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), released).await.expect("the session ends with its channel");
    assert_eq!(fate(dry).await, Some(Fate::Kept { undone: vec![], left: vec![] }));
    assert_eq!(fate(SweepOptions { kept: true, ..dry }).await, Some(Fate::WouldRemove));

    let down = platform.reopen(&project.run.id).await.unwrap().down().await.unwrap();
    assert_eq!(down.left, Vec::<String>::new());
    assert_eq!(left(&project.run.id, &stack.project), "");
    assert_eq!(fate(dry).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_without_a_name_goes_although_its_container_went_without_it() {
    let project = Project::new(
        "unnamed",
        "services:\n  web: { image: \"debian:bookworm-slim\", init: true, command: [sleep, \"1000\"], volumes: [/a, /b] }\n",
    );
    let stack = project.stack().await;
    stack.up(&CancellationToken::new()).await.unwrap();
    let web = only(&stack.containers("web").await.unwrap()).id.clone();
    let mounts = docker(&["inspect", "--format", "{{range .Mounts}}{{.Name}} {{end}}", &web]);
    let volumes: Vec<&str> = mounts.split_whitespace().collect();
    assert_eq!(volumes.len(), 2, "{mounts}");
    // Somebody else has one of them by now: it is theirs as well, and stays until they are gone.
    let mount = format!("{}:/a", volumes[0]);
    let other = docker(&["run", "--detach", "--volume", &mount, "debian:bookworm-slim", "sleep", "1000"]);
    docker(&["rm", "--force", &web]);
    let down = stack.down().await.unwrap();
    docker(&["rm", "--force", other.trim()]);
    let there: Vec<bool> = volumes.iter().map(|name| docker(&["volume", "ls", "--quiet"]).contains(name)).collect();
    docker(&["volume", "rm", volumes[0]]);
    assert_eq!(there, [true, false], "{:?}", down.left);
    assert!(down.left.len() == 1 && down.left[0].contains(volumes[0]), "{:?}", down.left);
}

#[test]
fn commands_of_a_dead_runner_are_found_by_their_run() {
    let run = format!("t-children-{:08x}", rand());
    let mut marked = Command::new("sleep").arg("1000").env("FIREDRILL_RUN", &run).spawn().unwrap();
    let mut other = Command::new("sleep").arg("1000").env("FIREDRILL_RUN", "another").spawn().unwrap();
    // A process that has only just been started shows no environment yet.
    let ended = std::iter::repeat_with(|| {
        platform().end_commands(&run);
        marked.try_wait().unwrap()
    });
    assert!(!ended.flatten().next().unwrap().success());
    assert!(other.try_wait().unwrap().is_none(), "another run's command lives on");
    other.kill().unwrap();
    other.wait().unwrap();
}

/// What the next test starts and kills; by itself it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by another test"]
async fn a_runner_to_be_killed() {
    let Some(dir) = std::env::var_os("FIREDRILL_TEST_DIR") else { return };
    let mut project = Project::new("killed", "");
    project.spec.file = Path::new(&dir).join("compose.yaml");
    project.spec.root = Path::new(&dir).to_path_buf();
    let id = std::env::var("FIREDRILL_TEST_RUN").unwrap();
    project.run = RunIdentity { dir: Path::new(&dir).join(&id), id, keep: false };
    let _ = project.stack().await.up(&CancellationToken::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_runner_takes_its_commands_along_and_the_rest_is_found_by_label() {
    let compose = r#"
services:
  slow:
    image: debian:bookworm-slim
    init: true
    command: ["sleep", "1000"]
    healthcheck: { test: ["CMD", "false"], interval: 300ms, retries: 1000 }
  web: { image: "debian:bookworm-slim", depends_on: { slow: { condition: service_healthy } } }
"#;
    let project = Project::new("killed", compose);
    let run = project.run.id.clone();
    let mut runner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "leftovers::a_runner_to_be_killed", "--ignored"])
        .env("FIREDRILL_TEST_DIR", project.dir.path())
        .env("FIREDRILL_TEST_RUN", &run)
        .spawn()
        .unwrap();
    let label = format!("label=dev.firedrill.run={run}");
    let composing = async {
        // Once a container runs, `docker compose up` waits for its health.
        while docker(&["ps", "-q", "--filter", &label, "--filter", "label=com.docker.compose.service=slow"]).is_empty()
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let started = tokio::time::timeout(Duration::from_secs(120), composing).await;
    runner.kill().unwrap();
    runner.wait().unwrap();
    let gone = async {
        while commands_of(&run) > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(30), gone).await;
    let down = platform().reopen(&run).await.unwrap().down().await.unwrap();
    started.expect("the stack starts");
    gone.expect("the commands go with their runner");
    assert_eq!(down.left, Vec::<String>::new());
    assert_eq!(left(&run, "no-such-project"), "");
}

/// Processes that work for a run.
fn commands_of(run: &str) -> usize {
    let wanted = format!("FIREDRILL_RUN={run}");
    let environments = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path().join("environ"));
    let marked = |environment: Vec<u8>| environment.split(|byte| *byte == 0).any(|v| v == wanted.as_bytes());
    environments.filter_map(|path| std::fs::read(path).ok()).filter(|environment| marked(environment.clone())).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_undoes_what_the_ledger_of_a_kept_run_has_open() {
    let mut project = Project::new(
        "keptdown",
        "services:\n  web: { image: \"debian:bookworm-slim\", init: true, command: [sleep, \"1000\"] }\n",
    );
    project.run.keep = true;
    // A lock that nobody holds: its runner is gone, and with the power went its reaper.
    std::fs::write(project.run.dir.join("lock"), "").unwrap();
    let stack = project.stack().await;
    stack.up(&CancellationToken::new()).await.unwrap();
    let web = only(&stack.containers("web").await.unwrap()).id.clone();
    let undo = |ids: &[&str]| Undo::Containers {
        service: "web".into(),
        containers: ids.iter().map(|id| id.to_string()).collect(),
        op: ContainerOp::Start,
        started: Default::default(),
    };
    let ledger = project.run.dir.join("ledger.jsonl");
    let open = Ledger::create(&ledger, &project.run.id, true).unwrap();
    open.open("kill", &undo(&["0123456789abcdef", &web])).unwrap();
    stack.operate(&web, &ContainerOp::Kill { signal: "SIGKILL".into() }).await.unwrap();
    let swept = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
        let output = command.args(["sweep", &project.run.id]).current_dir(project.dir.path()).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let first = swept();
    let running = only(&stack.containers("web").await.unwrap()).status == "running";
    // What a person stops afterwards is theirs.
    stack.operate(&web, &ContainerOp::Kill { signal: "SIGKILL".into() }).await.unwrap();
    let second = swept();
    let stays_down = only(&stack.containers("web").await.unwrap()).status == "exited";
    assert_eq!(stack.down().await.unwrap().left, Vec::<String>::new());
    // The sweep of a drill that starts beside this may have been faster, and has told then what it undid.
    assert!(first.0 && running, "{first:?}");
    assert!(second.0 && !second.1.contains("started"), "{second:?}");
    assert!(stays_down);
}
