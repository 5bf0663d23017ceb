//! Running `docker compose`: with a deadline and a cancellation, its output in a file of the run directory, and its
//! last lines at hand for the message that says why it failed.

use super::endpoint::{Endpoint, no_command};
use super::errors::environment;
use crate::record::Redactor;
use crate::stack::StackError;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

/// Lines of output that are kept for messages.
const TAIL_LINES: usize = 60;
/// A line of the kept tail is cut here; the file has all of it.
const TAIL_LINE_BYTES: usize = 2000;
/// How long a command may take to go once it was told to.
const GRACE: Duration = Duration::from_secs(2);

/// `docker compose` on one project of one engine.
#[derive(Debug, Clone)]
pub struct Compose {
    /// The engine.
    pub endpoint: Endpoint,
    /// Options before the subcommand: project directory, project name, files.
    pub options: Vec<String>,
    /// Hides secrets in what is written and kept of the output.
    pub redactor: Redactor,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    /// Exit status.
    pub status: ExitStatus,
    /// Last lines of standard output and error, in the order in which they came.
    pub tail: Vec<String>,
}

/// Why a command has no exit status.
#[derive(Debug)]
pub enum Stopped {
    /// It could not be run.
    Error(StackError),
    /// The caller gave up; the command is gone.
    Cancelled,
    /// Its deadline passed; the command is gone.
    TimedOut(Vec<String>),
}

impl From<StackError> for Stopped {
    fn from(error: StackError) -> Self {
        Stopped::Error(error)
    }
}

/// Where the output goes and when to give up.
#[derive(Debug)]
pub struct Watch<'a> {
    /// File that the output is appended to.
    pub log: Option<PathBuf>,
    /// When the command is told to go.
    pub deadline: Option<Instant>,
    /// When the caller gives up.
    pub cancel: &'a CancellationToken,
    /// The model, for a command line with `--file -`: it holds secrets, and so is never a file of the run directory.
    pub model: Option<&'a str>,
}

impl Compose {
    /// Runs a subcommand and waits for its end. On a cancellation and past the deadline its process group is told to
    /// go (TERM, then KILL), and it has gone when this returns.
    pub async fn run(&self, args: &[&str], watch: Watch<'_>) -> Result<Ran, Stopped> {
        let operation = format!("docker compose {}", args.first().copied().unwrap_or_default());
        let mut command = self.command(args);
        let stdin = if watch.model.is_some() { Stdio::piped() } else { Stdio::null() };
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        own_group(&mut command);
        let mut log = match &watch.log {
            Some(path) => Some(append(path).await?),
            None => None,
        };
        let mut child = command.spawn().map_err(|error| no_command(&operation, &error))?;
        let group = Group::of(&child);
        if let (Some(mut stdin), Some(model)) = (child.stdin.take(), watch.model) {
            let model = model.to_string();
            // A command that does not read it to its end has failed by itself, and says why.
            tokio::spawn(async move { drop(stdin.write_all(model.as_bytes()).await) });
        }
        let (lines, mut incoming) = tokio::sync::mpsc::channel::<String>(256);
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(read_lines(stdout, lines.clone()));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(read_lines(stderr, lines));
        }
        let deadline = watch.deadline.map(tokio::time::Instant::from_std);
        let mut tail = VecDeque::new();
        let ended = loop {
            tokio::select! {
                biased;
                () = watch.cancel.cancelled() => break Some(Stopped::Cancelled),
                () = at(deadline) => break Some(Stopped::TimedOut(Vec::new())),
                line = incoming.recv() => match line {
                    Some(line) => note(&mut tail, &mut log, self.redactor.text(&line)).await,
                    None => break None,
                },
            }
        };
        if let Some(stopped) = ended {
            group.end(&mut child).await;
            return Err(match stopped {
                Stopped::TimedOut(_) => Stopped::TimedOut(tail.into()),
                other => other,
            });
        }
        // Both ends of its output are closed; only the exit status is still to come.
        let status = tokio::select! {
            status = child.wait() => status,
            () = watch.cancel.cancelled() => {
                group.end(&mut child).await;
                return Err(Stopped::Cancelled);
            }
        };
        group.forget();
        let status = status.map_err(|error| environment(operation, error))?;
        Ok(Ran { status, tail: tail.into() })
    }

    /// Runs a subcommand whose standard output is wanted whole; standard error comes beside it.
    ///
    /// # Errors
    /// `Environment` when it cannot be run at all.
    pub async fn output(&self, args: &[&str]) -> Result<std::process::Output, StackError> {
        let operation = format!("docker compose {}", args.first().copied().unwrap_or_default());
        let mut command = self.command(args);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command.output().await.map_err(|error| no_command(&operation, &error))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.endpoint.command();
        command.arg("compose").args(&self.options).args(args);
        command
    }
}

/// A process group of its own, so that the command, its plugin and what they start can be ended together; and, where
/// the system can do it, an end of its own when the runner is killed: a `compose up` that goes on alone would start
/// containers behind the back of whoever cleans up.
pub(super) fn own_group(command: &mut Command) {
    #[cfg(unix)]
    command.process_group(0);
    #[cfg(target_os = "linux")]
    {
        let die_with_parent = || {
            let signal = rustix::process::Signal::TERM;
            rustix::process::set_parent_process_death_signal(Some(signal)).map_err(std::io::Error::from)
        };
        // SAFETY: between fork and exec only prctl(2) is called, which is async-signal-safe, and nothing is allocated.
        unsafe { command.pre_exec(die_with_parent) };
    }
}

/// The process group of a running command. Whatever way the future goes, the group does not outlive it.
pub(super) struct Group(Option<u32>);

impl Group {
    /// That of a command which `own_group` has prepared.
    pub(super) fn of(child: &Child) -> Group {
        Group(child.id())
    }

    /// TERM, then KILL, until the command is gone.
    pub(super) async fn end(&self, child: &mut Child) {
        self.signal(false);
        if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
            self.signal(true);
            let _ = child.start_kill();
            let _ = tokio::time::timeout(GRACE, child.wait()).await;
        }
    }

    /// The command has gone by itself.
    pub(super) fn forget(mut self) {
        self.0 = None;
    }

    fn signal(&self, kill: bool) {
        #[cfg(unix)]
        if let Some(pid) = self.0.and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw) {
            let signal = if kill { rustix::process::Signal::KILL } else { rustix::process::Signal::TERM };
            // It may have gone by itself in the meantime.
            let _ = rustix::process::kill_process_group(pid, signal);
        }
        #[cfg(not(unix))]
        let _ = kill;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(true);
    }
}

async fn at(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn append(path: &Path) -> Result<tokio::fs::File, StackError> {
    if let Some(dir) = path.parent() {
        tokio::fs::create_dir_all(dir).await.map_err(|e| environment(format!("creating {}", dir.display()), e))?;
    }
    let file = tokio::fs::OpenOptions::new().create(true).append(true).open(path).await;
    file.map_err(|error| environment(format!("opening {}", path.display()), error))
}

async fn read_lines(from: impl AsyncRead + Unpin, to: tokio::sync::mpsc::Sender<String>) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while let Ok(1..) = from.read_until(b'\n', &mut line).await {
        let text = String::from_utf8_lossy(&line).trim_end().to_string();
        line.clear();
        if to.send(text).await.is_err() {
            return;
        }
    }
}

async fn note(tail: &mut VecDeque<String>, log: &mut Option<tokio::fs::File>, line: String) {
    if let Some(file) = log {
        // A full disk shows in everything else as well; the command itself goes on.
        let _ = file.write_all(format!("{line}\n").as_bytes()).await;
    }
    if line.trim().is_empty() {
        return;
    }
    if tail.len() == TAIL_LINES {
        tail.pop_front();
    }
    tail.push_back(line.chars().take(TAIL_LINE_BYTES).collect());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_tail_is_bounded_and_skips_empty_lines() {
        let mut tail = VecDeque::new();
        for i in 0..200 {
            note(&mut tail, &mut None, format!("line {i}")).await;
            note(&mut tail, &mut None, "  ".into()).await;
        }
        assert_eq!(tail.len(), TAIL_LINES);
        assert_eq!(tail.back().map(String::as_str), Some("line 199"));
    }

    #[tokio::test]
    async fn lines_are_read_whatever_their_bytes() {
        let (to, mut lines) = tokio::sync::mpsc::channel(8);
        read_lines(&b"one\r\ntwo \xff\n\nlast"[..], to).await;
        let mut all = Vec::new();
        while let Some(line) = lines.recv().await {
            all.push(line);
        }
        assert_eq!(all, ["one", "two \u{fffd}", "", "last"]);
    }
}
