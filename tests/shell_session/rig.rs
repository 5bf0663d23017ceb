//! A supervisor over real pipes, for the tests.

use firedrill::record::Stream;
use firedrill::shell::{CommandResult, SessionVar, Shell};
use firedrill::stack::{Channel, NoTools, Tools};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

pub const LONG: Duration = Duration::from_secs(60);

/// A supervisor with its session, and a directory of its own for everything that it writes.
pub struct Rig {
    pub shell: Shell,
    pub child: Child,
    pub tmp: tempfile::TempDir,
}

#[derive(Debug)]
pub struct Ran {
    pub exit: i32,
    pub out: String,
    pub err: String,
    pub result: CommandResult,
}

impl Rig {
    pub async fn new() -> Rig {
        Rig::with(&[], |_| {}).await
    }

    pub async fn with(vars: &[(&str, &str)], change: impl FnOnce(&mut Command)) -> Rig {
        Rig::with_tools(vars, Arc::new(NoTools), change).await
    }

    pub async fn with_tools(vars: &[(&str, &str)], tools: Arc<dyn Tools>, change: impl FnOnce(&mut Command)) -> Rig {
        let tmp = tempfile::tempdir().unwrap();
        let (channel, child) = supervisor(tmp.path(), change);
        let vars: Vec<SessionVar> = vars.iter().map(|(name, value)| SessionVar::exported(name, Some(value))).collect();
        let shell = Shell::open(channel, &vars, tools).await.unwrap();
        Rig { shell, child, tmp }
    }

    pub async fn run(&mut self, text: &str) -> Ran {
        self.run_for(text, LONG).await
    }

    pub async fn run_for(&mut self, text: &str, timeout: Duration) -> Ran {
        self.ran(text, false, timeout).await
    }

    /// Runs a command that is watched.
    pub async fn watched(&mut self, text: &str) -> Ran {
        self.ran(text, true, LONG).await
    }

    async fn ran(&mut self, text: &str, watched: bool, timeout: Duration) -> Ran {
        let (mut out, mut err) = (String::new(), String::new());
        let result = self.shell.run(text, watched, timeout, |stream, text| match stream {
            Stream::Stdout => out.push_str(&text),
            Stream::Stderr => err.push_str(&text),
        });
        let result = result.await.unwrap();
        Ran { exit: result.exit, out, err, result }
    }

    /// Runs a command that must end well and say nothing on stderr; returns what it says.
    pub async fn out(&mut self, text: &str) -> String {
        let ran = self.run(text).await;
        assert_eq!((ran.exit, ran.err.as_str()), (0, ""), "{text}: {ran:?}");
        ran.out
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.tmp.path().join(name)
    }

    /// Waits until a command has written a number to a file.
    pub async fn number(&self, name: &str) -> i32 {
        let path = self.file(name);
        poll(name, || whole(&path).is_some()).await;
        whole(&path).unwrap()
    }
}

/// The number in a file, once its line is whole.
pub fn whole(path: &Path) -> Option<i32> {
    std::fs::read_to_string(path).ok().filter(|text| text.ends_with('\n'))?.trim().parse().ok()
}

/// Starts a supervisor; dropping the channel closes its stdin.
pub fn supervisor(tmp: &Path, change: impl FnOnce(&mut Command)) -> (Channel, Child) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
    // Only what every container has: a test must not see what the machine happens to export.
    let given =
        ["PATH", "HOME", "LLVM_PROFILE_FILE"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    command.arg("shell").env_clear().envs(given).env("LANG", "C.UTF-8").env("TMPDIR", tmp).current_dir(tmp);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    change(&mut command);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (near, mut far) = Channel::pair(16);
    tokio::spawn(async move {
        while let Some(line) = far.rx.recv().await {
            if stdin.write_all(format!("{line}\n").as_bytes()).await.is_err() {
                break;
            }
        }
    });
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            if far.tx.send(line).await.is_err() {
                break;
            }
        }
    });
    (near, child)
}

pub async fn poll(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether a process is there and has not ended.
pub fn alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}
