//! Running `docker compose`: with a deadline and a cancellation, its output in a file of the run directory, and its
//! last lines at hand for the message that says why it failed.

use super::builds::BUILD_WITHIN;
use super::endpoint::{Endpoint, no_command};
use super::errors::environment;
use super::model::model_file;
use crate::output::{log_line, terminal_lines};
use crate::process::{self, Running};
use crate::record::Redactor;
use crate::stack::tools::open_log;
use crate::stack::{StackError, StackResult};
use serde_json::Value;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// Lines of output that are kept for messages.
const TAIL_LINES: usize = 60;
/// A line of the kept tail is cut here; the file has all of it.
const TAIL_LINE_BYTES: usize = 2000;

/// Bytes of output that are read at once at most.
const LONGEST_PIECE: u64 = 64 << 10;
/// Bytes that the file has of it at most: nothing but time ends what a build may write.
const MOST_LOGGED: usize = 64 << 20;

/// `docker compose` on one project of one engine, for one run.
#[derive(Debug, Clone)]
pub struct ComposeCommand {
    /// The engine.
    pub endpoint: Endpoint,
    /// Options before the subcommand: project directory, project name, files.
    pub options: Vec<String>,
    /// Hides secrets in what is written and kept of the output.
    pub redactor: Redactor,
    /// The run's directory: output is appended to files of its `logs`.
    pub run_dir: PathBuf,
    /// When the caller gives up.
    pub cancel: CancellationToken,
    /// How long a build may take.
    pub build_within: Duration,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    /// Exit status; `None` when its deadline passed, and it was ended.
    pub status: Option<ExitStatus>,
    /// Last lines of standard output and error, in the order in which they came.
    pub tail: Vec<String>,
    /// The file that has all of them.
    pub log: PathBuf,
    /// How long it had.
    pub within: Duration,
}

impl Ran {
    /// Whether it has done what it was to do.
    pub fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// Why it did not, in one line.
    pub fn failure(&self) -> String {
        let last = self.tail.last().map_or("it said nothing", String::as_str);
        match self.status {
            Some(_) => last.to_string(),
            None => format!("it did not end within {} s: {last}", self.within.as_secs_f64()),
        }
    }
}

impl ComposeCommand {
    /// Without options.
    pub fn of(endpoint: Endpoint, redactor: Redactor, run_dir: &Path, cancel: &CancellationToken) -> ComposeCommand {
        let (run_dir, cancel) = (run_dir.to_path_buf(), cancel.clone());
        ComposeCommand { endpoint, options: Vec::new(), redactor, run_dir, cancel, build_within: BUILD_WITHIN }
    }

    /// Runs a subcommand and waits for its end; `model` is for one with `--file -`: it holds secrets, and so is never a file of the run
    /// directory. On a cancellation and past the deadline its process group is told to
    /// go (TERM, then KILL), and it has gone when this returns.
    ///
    /// # Errors
    /// `Environment` when it cannot be run, `Cancelled` when the caller gave up.
    pub async fn run(&self, args: &[&str], log: &str, within: Duration, model: Option<&Value>) -> StackResult<Ran> {
        let operation = format!("docker compose {}", args.first().copied().unwrap_or_default());
        let mut command = self.endpoint.command();
        command.arg("compose").args(&self.options).args(args);
        if let Some(model) = model {
            command.stdin(model_file(model).map_err(|error| environment(operation.as_str(), error))?);
        }
        self.watched(&operation, command, log, within).await
    }

    /// Runs any command of Docker's and waits for its end, as `run` does.
    pub async fn watched(&self, doing: &str, mut command: Command, log: &str, within: Duration) -> StackResult<Ran> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let file = open_log(&self.run_dir, log).await;
        let log = self.run_dir.join("logs").join(log);
        let mut file = file.map_err(|error| environment(format!("opening {}", log.display()), error))?;
        let mut running = Running::start(command).map_err(|error| no_command(doing, &error))?;
        let (lines, mut incoming) = tokio::sync::mpsc::channel::<String>(256);
        if let Some(stdout) = running.child.stdout.take() {
            tokio::spawn(read_lines(stdout, self.redactor.clone(), lines.clone()));
        }
        if let Some(stderr) = running.child.stderr.take() {
            tokio::spawn(read_lines(stderr, self.redactor.clone(), lines));
        }
        let deadline = tokio::time::sleep(process::within(within));
        let (mut tail, mut left) = (VecDeque::new(), MOST_LOGGED);
        let whole = async {
            while let Some(line) = incoming.recv().await {
                note(&mut tail, (&mut file, &mut left), line).await;
            }
            running.wait().await
        };
        let ended = tokio::select! {
            biased;
            () = self.cancel.cancelled() => Some(Err(StackError::Cancelled)),
            () = deadline => None,
            status = whole => Some(Ok(status.map_err(|error| environment(doing, error))?)),
        };
        if !matches!(ended, Some(Ok(_))) {
            running.end().await;
        }
        Ok(Ran { status: ended.transpose()?, tail: tail.into(), log, within })
    }
}

/// What a `docker` command says that is run to its end.
///
/// # Errors
/// `Environment` when it cannot be run at all, or does not end in time.
pub(super) async fn told(operation: &str, command: Command, within: Duration) -> StackResult<std::process::Output> {
    let output = process::output(command, within).await;
    output.map_err(|error| no_command(operation, &error))
}

/// Runs a command that must succeed, and returns its standard output. The error holds its standard error.
///
/// # Errors
/// `Environment` as for [`told`], and when it fails.
pub(super) async fn succeeded(operation: &str, command: Command, within: Duration) -> StackResult<Vec<u8>> {
    let output = told(operation, command, within).await?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    // Docker ends with where its help is.
    let is_help = |line: &&str| line.starts_with("See 'docker ") || line.starts_with("Run 'docker ");
    let said: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty() && !is_help(line)).collect();
    let said = said.join("\n");
    let said = ["error: ", "docker: "].iter().find_map(|begin| said.strip_prefix(begin)).unwrap_or(&said).trim();
    Err(environment(operation, if said.is_empty() { output.status.to_string() } else { said.to_string() }))
}

/// Hands on what a command writes by lines, without secrets. A line that is longer than a piece goes out in several, and no secret is cut
/// in two: what a build writes may have no lines.
async fn read_lines(from: impl AsyncRead + Unpin, redactor: Redactor, to: tokio::sync::mpsc::Sender<String>) {
    let (mut from, mut piece, mut clean) = (BufReader::new(from), Vec::new(), redactor.stream());
    while (&mut from).take(LONGEST_PIECE).read_until(b'\n', &mut piece).await.is_ok_and(|read| read > 0) {
        let mut text = clean.push(&String::from_utf8_lossy(&piece));
        if piece.ends_with(b"\n") {
            text += &clean.finish();
        }
        piece.clear();
        if to.send(text.trim_end().to_string()).await.is_err() {
            return;
        }
    }
    let rest = clean.finish();
    if !rest.is_empty() {
        let _ = to.send(rest).await;
    }
}

async fn note(tail: &mut VecDeque<String>, log: (&mut (impl AsyncWrite + Unpin), &mut usize), line: String) {
    let (log, left) = log;
    let logged = match left.checked_sub(line.len() + 1) {
        Some(_) => format!("{}\n", log_line(&line)),
        None if *left > 0 => format!("(no more than {} MiB of it are kept)\n", MOST_LOGGED >> 20),
        None => String::new(),
    };
    *left = left.saturating_sub(line.len() + 1);
    // A full disk shows in everything else as well; the command itself goes on.
    let _ = log.write_all(logged.as_bytes()).await;
    let line = terminal_lines(&line).join(" ");
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
            note(&mut tail, (&mut tokio::io::sink(), &mut 1_000_000), format!("line {i}")).await;
            note(&mut tail, (&mut tokio::io::sink(), &mut 1_000_000), "  ".into()).await;
        }
        assert_eq!(tail.len(), TAIL_LINES);
        assert_eq!(tail.back().map(String::as_str), Some("line 199"));
        let (mut log, mut left) = (Vec::new(), 10);
        for _ in 0..3 {
            note(&mut tail, (&mut log, &mut left), "12345678".into()).await;
        }
        assert_eq!(String::from_utf8(log).unwrap(), "12345678\n(no more than 64 MiB of it are kept)\n");
    }

    #[tokio::test]
    async fn what_a_failed_command_said_is_told_without_its_help() {
        for (said, told) in [
            (r"docker: Error: no such image\n\nRun 'docker run --help' for more information\n", "Error: no such image"),
            (r"docker: Error: no such image.\nSee 'docker run --help'.\n", "Error: no such image."),
            (r"error: one\n\ntwo\n", "one\n  two"),
            ("", "exit status: 3"),
        ] {
            let mut command = process::command("sh");
            command.args(["-c", "printf \"$1\" >&2; exit 3", "sh", said]);
            let error = succeeded("x", command, process::TELLS_WITHIN).await.unwrap_err();
            let StackError::Environment { cause, .. } = error else { panic!("{error:?}") };
            assert_eq!(cause, told);
        }
    }

    #[tokio::test]
    async fn lines_are_read_whatever_their_bytes() {
        let (to, mut lines) = tokio::sync::mpsc::channel(16);
        let long = [b"hunter22 ".repeat(20_000).as_slice(), b"\n"].concat();
        let said = [&b"one\r\ntwo \xff\n\n"[..], &long, b"last"].concat();
        read_lines(&said[..], Redactor::new(["hunter22".to_string()]), to).await;
        let mut all = Vec::new();
        while let Some(line) = lines.recv().await {
            all.push(line);
        }
        assert_eq!(all[..3], ["one", "two \u{fffd}", ""]);
        let (last, long) = all[3..].split_last().unwrap();
        assert!(last == "last" && long.len() > 1, "{last}");
        assert_eq!(long.concat().replace(' ', ""), "***".repeat(20_000));
    }
}
