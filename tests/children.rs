//! Programs that Firedrill starts have an end: a `docker` that never answers does not hold up the command, and nothing that it has
//! started is left when the command ends, whichever way it ends.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Whatever takes longer than this takes for ever.
const FOR_EVER: Duration = Duration::from_secs(60);

/// A `docker` that never answers and ignores TERM, and so does a process that it starts.
const ENDLESS: &str = "#!/bin/bash
trap '' TERM INT HUP
sleep 1000 &
echo $$ $! > \"$PIDS.$$\"
mv \"$PIDS.$$\" \"$PIDS\"
while :; do wait; done
";

struct Endless {
    dir: tempfile::TempDir,
}

impl Endless {
    fn new() -> Endless {
        let dir = tempfile::tempdir().unwrap();
        for name in ["docker", "git", "chromium"] {
            let program = dir.path().join(name);
            std::fs::write(&program, ENDLESS).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        Endless { dir }
    }

    fn pids_file(&self) -> PathBuf {
        self.dir.path().join("pids")
    }

    fn firedrill(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
        let path = std::env::var("PATH").unwrap();
        command.args(args).current_dir(self.dir.path()).env("PIDS", self.pids_file());
        command.env("PATH", format!("{}:{path}", self.dir.path().display())).env_remove("DOCKER_HOST");
        // The engine of a context is asked for by the command.
        command.env("DOCKER_CONTEXT", "elsewhere");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The program and what it has started, as soon as both run.
    fn pids(&self) -> Vec<i32> {
        let mut read = None;
        until("the program is started", || {
            read = std::fs::read_to_string(self.pids_file()).ok();
            read.is_some()
        });
        read.unwrap().split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + FOR_EVER;
    while !holds() {
        assert!(Instant::now() < deadline, "not before its time was over: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn runs(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Waits for the end; kills and fails when there is none.
fn ended(mut child: Child) -> std::process::Output {
    let deadline = Instant::now() + FOR_EVER;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("it waits for ever");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap()
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// A scenario whose stack `docker compose` has to resolve.
fn project(dir: &Path) {
    std::fs::create_dir(dir.join("scenarios")).unwrap();
    std::fs::write(dir.join("compose.yaml"), "services:\n  web:\n    image: web\n").unwrap();
    std::fs::write(
        dir.join("scenarios/web.yaml"),
        "title: The web server is gone
stack: ../compose.yaml
load:
  users: { request: GET http://web/, rate: 10/s }
slis:
  served: { load: users, good: status < 500, objective: 99% }
steady: { for: 10s }
faults:
  - container_kill: { service: web }
impact: { breaches: [served], within: 10s }
recover: { within: 30s, hold: 10s }
",
    )
    .unwrap();
}

#[test]
fn a_docker_that_never_answers_has_a_deadline() {
    let endless = Endless::new();
    let mut command = endless.firedrill(&["doctor"]);
    let child = command.env("FIREDRILL_CHILD_DEADLINE_MS", "3000").spawn().unwrap();
    let pids = endless.pids();
    let output = ended(child);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("it did not end within 3 s"), "{said}");
    until("nothing of it is left", || !pids.iter().any(|pid| runs(*pid)));
}

#[test]
fn what_an_interrupted_command_has_started_goes_with_it() {
    for (name, args) in [("INT", ["doctor"]), ("TERM", ["check"])] {
        let endless = Endless::new();
        project(endless.dir.path());
        let child = endless.firedrill(&args).spawn().unwrap();
        let pids = endless.pids();
        signal(&child, name);
        assert_eq!(ended(child).status.code(), Some(130), "{name}");
        until("nothing of it is left", || !pids.iter().any(|pid| runs(*pid)));
    }
}

/// What the program has started itself is ended by the reaper of a drill.
#[test]
fn a_program_dies_with_a_command_that_is_killed() {
    let endless = Endless::new();
    let child = endless.firedrill(&["doctor"]).spawn().unwrap();
    let pids = endless.pids();
    signal(&child, "KILL");
    assert_eq!(ended(child).status.code(), None);
    until("the program is gone", || !runs(pids[0]));
    let _ = Command::new("kill").args(["-s", "KILL", &pids[1].to_string()]).status();
}
