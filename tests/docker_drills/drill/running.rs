//! The program while it runs: its events as they come, and the signals that a test sends it.

use super::docker::Leftovers;
use super::story::Drill;
use super::{ALLOWED, PATIENCE, PROMISED, poll};
use firedrill::record::{Event, Phase, Record, Stamped};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

const FIREDRILL: &str = env!("CARGO_BIN_EXE_firedrill");

/// A command of the program that has ended.
#[derive(Debug)]
pub struct Finished {
    pub exit: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    pub fn of(dir: &Path, args: &[&str]) -> Finished {
        let Output { status, stdout, stderr } =
            Command::new(FIREDRILL).args(args).current_dir(dir).stdin(Stdio::null()).output().expect("firedrill runs");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Finished { exit: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }
}

/// A drill under way. Dropped before its end, by a test that failed, it is killed, and its reaper removes it.
pub struct Running {
    child: Child,
    events: Receiver<Stamped>,
    seen: Vec<Stamped>,
    stderr: PathBuf,
    runs: PathBuf,
    began: Instant,
}

impl Running {
    pub fn start(dir: &Path, scenario: &str, args: &[&str]) -> Running {
        let runs = dir.join(".firedrill/runs");
        // A file and no pipe, which nobody would empty.
        let stderr = dir.join(format!("stderr-{:?}.txt", Instant::now()).replace([' ', ':', '{', '}'], ""));
        let mut child = Command::new(FIREDRILL)
            .args(["scenario", scenario, "--format", "json"])
            .args(args)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .stderr(File::create(&stderr).expect("a file can be made"))
            .spawn()
            .expect("firedrill runs");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // A line that a killed program could not finish is none.
                let Ok(event) = serde_json::from_str(&line) else { return };
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Running { child, events, seen: Vec::new(), stderr, runs, began: Instant::now() }
    }

    /// Waits until an event has been seen, and says when it was seen.
    pub fn until(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Instant {
        let deadline = Instant::now() + PATIENCE;
        if self.seen.iter().any(|seen| wanted(&seen.event)) {
            return Instant::now();
        }
        loop {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) => {
                    self.seen.push(event);
                    if self.seen.last().is_some_and(|seen| wanted(&seen.event)) {
                        return Instant::now();
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no {what} within {PATIENCE:?}\n{}", self.story()),
                Err(RecvTimeoutError::Disconnected) => panic!("it ended without {what}\n{}", self.story()),
            }
        }
    }

    pub fn phase(&mut self, phase: Phase) -> Instant {
        self.until(phase.name(), |event| matches!(event, Event::PhaseStarted { phase: begun } if *begun == phase))
    }

    /// Id of the run.
    pub fn run(&mut self) -> String {
        self.until("announcement", |event| matches!(event, Event::Announced(_)));
        let run = self.seen.iter().find_map(|seen| match &seen.event {
            Event::Announced(plan) => Some(plan.run.clone()),
            _ => None,
        });
        run.expect("the announcement was seen")
    }

    /// Ctrl-C, as a terminal sends it: to the program and to every process in its group.
    pub fn interrupt(&self) {
        kill_process_group(Pid::from_child(&self.child), Signal::INT).expect("the program runs");
    }

    /// SIGTERM, as whoever stops a CI job sends it: to the program alone.
    pub fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("the program runs");
    }

    /// Id of the reaper's process.
    pub fn reaper(&mut self) -> Pid {
        let wanted = ["reaper".to_string(), self.run()];
        for entry in std::fs::read_dir("/proc").expect("a list of processes").flatten() {
            let Ok(command) = std::fs::read(entry.path().join("cmdline")) else { continue };
            let command = String::from_utf8_lossy(&command).into_owned();
            if wanted.iter().all(|word| command.contains(word.as_str())) {
                let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
                return pid.expect("the id of a process");
            }
        }
        panic!("no reaper of {wanted:?}\n{}", self.story());
    }

    /// Waits for the end of the drill.
    pub fn end(mut self) -> Drill {
        poll("the end of the drill", PATIENCE, || match self.child.try_wait() {
            Ok(Some(_)) => Ok(()),
            _ => Err("it still runs".into()),
        });
        self.gather()
    }

    /// Kills the runner, with no chance to undo anything.
    pub fn kill(&mut self) -> Instant {
        self.child.kill().expect("the program can be killed");
        let at = Instant::now();
        self.child.wait().expect("the program has gone");
        at
    }

    /// Kills the runner and waits until its reaper has removed the drill and completed its record.
    pub fn killed(mut self) -> Drill {
        let (run, at) = (self.run(), self.kill());
        let left = |after: &str| {
            let left = Leftovers::of(&run, None);
            if left.is_empty() { Ok(()) } else { Err(format!("{after}: {left}")) }
        };
        poll("nothing to be left of a killed drill", ALLOWED, || left("left"));
        let took = at.elapsed();
        println!(
            "nothing was left {:.1} s after kill -9 ({:.0} s are promised)",
            took.as_secs_f64(),
            PROMISED.as_secs_f64()
        );
        let drill = self.gather();
        assert!(drill.record.ended, "the reaper ends the story\n{}", drill.story());
        assert_eq!(left("came later"), Ok(()));
        drill
    }

    /// What a runner wrote that has gone, as soon as it is complete.
    pub fn gather(&mut self) -> Drill {
        let exit = self.child.wait().expect("the program has gone").code();
        let took = self.began.elapsed();
        while let Ok(event) = self.events.recv_timeout(PATIENCE) {
            self.seen.push(event);
        }
        let mut stderr = String::new();
        File::open(&self.stderr).and_then(|mut file| file.read_to_string(&mut stderr)).expect("a file");
        Drill::gathered(exit, took, stderr, &self.runs, std::mem::take(&mut self.seen))
    }

    fn story(&self) -> String {
        let stderr = std::fs::read_to_string(&self.stderr).unwrap_or_default();
        let mut record = Record::default();
        self.seen.iter().for_each(|event| record.apply(event));
        format!("{stderr}\n{}", super::story::told(&self.seen))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Of a process that has ended this does nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
