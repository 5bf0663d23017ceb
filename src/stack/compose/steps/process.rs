//! Running the real command for a step: its streams go to the step as they come, and it ends with the step. In what it writes the names of the
//! drill become those that the team knows, and what is ours does not show.

use super::StepCall;
use crate::process::{Running, limit_memory};
use crate::record::Stream;
use crate::stack::{CallInput, CallOutput};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::OptionFuture;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::process::Command;
use tokio_util::io::ReaderStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// What is changed in the output; by default nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct ProcessListing {
    /// The names.
    pub names: Names,
    /// Standard output.
    pub stdout: Change,
    /// Standard error.
    pub stderr: Change,
}

/// A model that a command reads as `--file`: it holds secrets, so it is a file without a name, and standard input stays
/// free for the step's own.
pub(super) struct ModelFile(pub File);

impl ModelFile {
    /// How the command finds it.
    pub(super) fn path(&self) -> String {
        format!("/dev/fd/{}", self.0.as_raw_fd())
    }

    /// Lets a command have it.
    pub(super) fn hand_to(&self, command: &mut Command) {
        let raw = self.0.as_raw_fd();
        let inherit = move || {
            // SAFETY: the descriptor is open until after the spawn: whoever has this keeps it until the command has ended.
            let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(raw) };
            rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty()).map_err(std::io::Error::from)
        };
        // SAFETY: between fork and exec only fcntl(2) is called, which is async-signal-safe, and nothing is allocated.
        unsafe { command.pre_exec(inherit) };
    }
}

/// Bytes of memory that one call may use on the runner's machine: a template (`--format`) can ask for any amount of it.
const MOST_MEMORY: u64 = 512 << 20;

/// Runs a command to its end, or to that of the step, which has a time-out; its exit code as a shell gives it.
pub(super) async fn run(command: Command, step: &StepCall<'_>, show: &ProcessListing) -> std::io::Result<i32> {
    run_with(command, None, &step.io.out, show, step.cancel).await
}

/// As `run`, with the step's standard input.
pub(super) async fn run_with(
    mut command: Command,
    stdin: Option<CallInput>,
    out: &CallOutput,
    show: &ProcessListing,
    cancel: &CancellationToken,
) -> std::io::Result<i32> {
    limit_memory(&mut command, MOST_MEMORY);
    command.stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running::start(command)?;
    let feeding =
        running.child.stdin.take().zip(stdin).map(|(to, from)| AbortOnDropHandle::new(tokio::spawn(feed(from, to))));
    let renamer = |change| Renamer::new(&show.names, change);
    let stdout = running.child.stdout.take().map(|pipe| pump(pipe, Stream::Stdout, out, renamer(show.stdout)));
    let stderr = running.child.stderr.take().map(|pipe| pump(pipe, Stream::Stderr, out, renamer(show.stderr)));
    let streams = async {
        tokio::join!(OptionFuture::from(stdout), OptionFuture::from(stderr));
        running.wait().await
    };
    let ended = cancel.run_until_cancelled(streams).await;
    drop(feeding);
    let Some(status) = ended.transpose()? else {
        running.end().await;
        return Ok(143);
    };
    Ok(status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1))
}

/// Hands input on to its end.
pub(super) async fn feed(mut from: CallInput, mut to: impl AsyncWrite + Unpin) {
    while let Some(bytes) = from.next().await {
        // Output may be waiting for more than a buffer of it.
        if to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

async fn pump(pipe: impl AsyncRead + Unpin, stream: Stream, out: &CallOutput, mut renamer: Renamer) {
    let mut pieces = ReaderStream::with_capacity(pipe, 64 << 10);
    while let Some(Ok(bytes)) = pieces.next().await {
        let bytes = renamer.push(bytes);
        if !bytes.is_empty() && !out.write(stream, bytes).await {
            return;
        }
    }
    out.write(stream, renamer.finish()).await;
}

/// A line that is longer goes out as it is.
const LONGEST_LINE: usize = 64 << 10;

/// The drill's names and those of the team that replace them in output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// The project's name in the drill.
    pub own: String,
    /// The project's name as the team has it.
    pub team: String,
    /// Containers with a name of their own (`container_name`), by their name in the drill.
    pub fixed: BTreeMap<String, String>,
    /// Ids, and how the step spelt them.
    pub said: Vec<(String, String)>,
}

/// What is changed in a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing: it is the output of a program in a container.
    #[default]
    Nothing,
    /// Only the lines in which Compose says what it does to containers, networks and volumes.
    Progress,
    /// Every line.
    Everything,
}

impl Names {
    /// A line with the team's names; `None` for one about what is ours.
    fn line(&self, line: &str) -> Option<String> {
        // ` Container fd-x-fd-agent-1  Running`
        let container = line.trim_start().strip_prefix("Container ").and_then(|rest| rest.strip_prefix(&self.own));
        if container.is_some_and(|rest| rest.starts_with("-fd-")) {
            return None;
        }
        let mut out = String::with_capacity(line.len());
        let mut rest = line;
        while let Some(at) = rest.find(&self.own).filter(|_| !self.own.is_empty()) {
            let (before, from) = rest.split_at(at);
            out.push_str(before);
            let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            let end = from.find(|c| !word(c)).unwrap_or(from.len());
            let (name, after) = from.split_at(end);
            let shown = self.fixed.get(name).cloned().unwrap_or_else(|| name.replacen(&self.own, &self.team, 1));
            out.push_str(&shown);
            rest = after;
            // Columns of a table stay where they are.
            if rest.starts_with("  ") && !may_be_progress(line.as_bytes()) {
                out.push_str(&" ".repeat(name.len().saturating_sub(shown.len())));
            }
        }
        out.push_str(rest);
        Some(self.said.iter().fold(out, |out, (id, spelling)| out.replace(id, spelling)))
    }
}

/// One stream of output on its way.
#[derive(Debug)]
pub(super) struct Renamer {
    names: Names,
    change: Change,
    pending: Vec<u8>,
}

impl Renamer {
    /// Nothing has come yet.
    pub(super) fn new(names: &Names, change: Change) -> Renamer {
        Renamer { names: names.clone(), change, pending: Vec::new() }
    }

    /// Takes bytes; returns what goes out now.
    pub(super) fn push(&mut self, bytes: Bytes) -> Bytes {
        if self.change == Change::Nothing {
            return bytes;
        }
        self.pending.extend_from_slice(&bytes);
        let mut out = Vec::new();
        while let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            self.emit(&line, &mut out);
        }
        if self.pending.len() > LONGEST_LINE || (self.change == Change::Progress && !may_be_progress(&self.pending)) {
            out.append(&mut self.pending);
        }
        out.into()
    }

    /// The end of the stream.
    pub(super) fn finish(&mut self) -> Bytes {
        let line = std::mem::take(&mut self.pending);
        let mut out = Vec::new();
        self.emit(&line, &mut out);
        out.into()
    }

    fn emit(&self, line: &[u8], out: &mut Vec<u8>) {
        let text = std::str::from_utf8(line).ok();
        match text.filter(|_| self.change == Change::Everything || may_be_progress(line)) {
            Some(text) => out.extend(self.names.line(text).unwrap_or_default().into_bytes()),
            None => out.extend_from_slice(line),
        }
    }
}

/// Whether a line, or its beginning, may be one in which Compose says what it does.
fn may_be_progress(line: &[u8]) -> bool {
    [" Container ", " Network ", " Volume ", " Image "].iter().any(|begin| {
        let length = begin.len().min(line.len());
        begin.as_bytes().get(..length) == line.get(..length)
    })
}

#[cfg(test)]
mod rename_tests {
    use super::*;
    use proptest::prelude::*;

    fn names() -> Names {
        Names {
            own: "fd-loop-0123abcd".into(),
            team: "shop".into(),
            fixed: BTreeMap::from([("fd-loop-0123abcd-db-1".into(), "the-db".into())]),
            said: vec![("f00d".repeat(16), "checkout".into())],
        }
    }

    fn renamed(text: &str, change: Change, cut: usize) -> String {
        let mut renamer = Renamer::new(&names(), change);
        let mut out = Vec::new();
        for chunk in text.as_bytes().chunks(cut) {
            out.extend(renamer.push(Bytes::copy_from_slice(chunk)));
        }
        out.extend(renamer.finish());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_teams_names_stand_in_tables_and_ours_are_left_out() {
        let text = " Container fd-loop-0123abcd-fd-agent-1  Running\n Container fd-loop-0123abcd-web-1  Started\n\
                    NAME                      IMAGE\nfd-loop-0123abcd-web-1    debian\nfd-loop-0123abcd-db-1     debian\n\
                    [\"fd-loop-0123abcd_default\"] f00df00df00df00df00df00df00df00df00df00df00df00df00df00df00df00d";
        let expected = " Container shop-web-1  Started\nNAME                      IMAGE\n\
                        shop-web-1                debian\nthe-db                    debian\n[\"shop_default\"] checkout";
        assert_eq!(renamed(text, Change::Everything, 7), expected);
        assert_eq!(renamed(text, Change::Nothing, 7), text);
    }

    #[test]
    fn what_a_program_says_beside_compose_stays() {
        let text = " Container fd-loop-0123abcd-fd-agent-1  Running\nfd-loop-0123abcd-web-1 of a program\n Cont";
        assert_eq!(renamed(text, Change::Progress, 5), "fd-loop-0123abcd-web-1 of a program\n Cont");
        let mut renamer = Renamer::new(&names(), Change::Progress);
        assert_eq!(
            renamer.push(Bytes::from_static(b"password: ")),
            "password: ",
            "a prompt does not wait for its line"
        );
    }

    proptest! {
        #[test]
        fn output_does_not_depend_on_how_it_arrives(
            words in proptest::collection::vec(proptest::sample::select(&["fd-loop-0123abcd", "-web-1", "\n", "  ", " Container ", "x"][..]), 0..20),
            cut in 1usize..9,
        ) {
            let text = words.concat();
            for change in [Change::Nothing, Change::Everything] {
                prop_assert_eq!(renamed(&text, change, cut), renamed(&text, change, 1000));
            }
        }
    }
}
