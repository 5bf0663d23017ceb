//! Running the real command for a step: its streams go to the step as they come, and it ends with the step.

use super::StepCall;
use super::rename::{Change, Names, Renamer};
use crate::process::Running;
use crate::record::Stream;
use crate::stack::{CallInput, CallOutput};
use futures_util::StreamExt;
use futures_util::future::OptionFuture;
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
