//! `docker exec -i` as a channel of lines. It needs no port and no token, works wherever the Docker API works, and
//! the process in the container sees end-of-file as soon as the runner is gone, however it went.

use super::errors::{environment, hinted};
use super::execute::{StartedCommand, attach};
use crate::stack::{Channel, StackError};
use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error as ApiError;
use futures_util::{Stream, StreamExt};
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// A line that is longer ends the channel: nobody speaks like this who speaks our protocol.
const MAX_LINE: usize = 1024 * 1024;
/// How much of its standard error is kept, for the reason why it did not start.
const MAX_STDERR: usize = 16 * 1024;
/// Lines that wait in each direction; past that the other end has to wait.
const QUEUE: usize = 256;
/// How long a process may take to say its first line.
const FIRST_LINE: Duration = Duration::from_secs(20);

type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, ApiError>> + Send>>;
type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// Starts `firedrill` with these arguments in a running container and waits until it says its first line, which stays in the
/// channel: both protocols of ours begin with a greeting, and only then is it known that the command could start at all. `launch`
/// is the command that starts it there, known once the stack was started.
///
/// # Errors
/// `Environment` with what it said instead, or with its exit code.
pub(super) async fn open_ours(
    docker: &Docker,
    container: &str,
    launch: Option<&Vec<String>>,
    arguments: &[&str],
    what: &str,
) -> Result<Channel, StackError> {
    let operation = format!("starting {what}");
    let launch = launch.ok_or_else(|| environment(&operation, "the stack has not been started"))?;
    let command = launch.iter().cloned().chain(arguments.iter().map(|word| word.to_string())).collect();
    let StartedCommand { exec, output, input } = attach(docker, container, &operation, command, &mut None).await?;
    let mut lines = Lines::new(output);
    let first = match tokio::time::timeout(FIRST_LINE, lines.next()).await {
        Ok(Some(line)) if line.trim_start().starts_with('{') => line,
        Ok(said) => return Err(not_started(docker, &exec, operation, said, lines).await),
        Err(_) => {
            let cause = format!("it said nothing within {} s", FIRST_LINE.as_secs());
            return Err(environment(operation, cause));
        }
    };
    let (tx, from_runner) = mpsc::channel(QUEUE);
    let (to_runner, rx) = mpsc::channel(QUEUE);
    tokio::spawn(write(from_runner, input));
    tokio::spawn(read(first, lines, to_runner));
    Ok(Channel { tx, rx })
}

/// Lines to the container, until the runner lets go of its end: then the process sees end-of-file.
async fn write(mut from: mpsc::Receiver<String>, mut input: Input) {
    while let Some(mut line) = from.recv().await {
        line.push('\n');
        let written = async {
            input.write_all(line.as_bytes()).await?;
            input.flush().await
        };
        if written.await.is_err() {
            return;
        }
    }
    let _ = input.shutdown().await;
}

/// Lines from the container, until the process ends or nobody wants them.
async fn read(first: String, mut lines: Lines, to: mpsc::Sender<String>) {
    let mut line = Some(first);
    while let Some(text) = line {
        if to.send(text).await.is_err() {
            return;
        }
        // Let go as soon as the runner does, also while the process is silent.
        line = tokio::select! {
            line = lines.next() => line,
            () = to.closed() => return,
        };
    }
}

/// Why a command has said nothing, or not what was expected.
async fn not_started(docker: &Docker, exec: &str, operation: String, said: Option<String>, lines: Lines) -> StackError {
    let mut cause = said.unwrap_or_default();
    let mut lines = lines;
    // What follows belongs to the same message; it ends with the process, or is not waited for.
    let rest = async {
        while let Some(line) = lines.next().await {
            cause.push('\n');
            cause.push_str(&line);
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), rest).await;
    let stderr = String::from_utf8_lossy(&lines.stderr);
    let mut cause = format!("{}\n{}", cause.trim(), stderr.trim()).trim().to_string();
    let exit = docker.inspect_exec(exec).await.ok().and_then(|exec| exec.exit_code);
    if cause.is_empty() {
        cause = match exit {
            Some(code) => format!("it ended with exit code {code} and said nothing"),
            None => "its connection ended".into(),
        };
    }
    match exit {
        Some(126 | 127) => hinted(operation, cause, "the container cannot run it: is its image for another machine?"),
        _ => environment(operation, cause),
    }
}

/// Whole lines of standard output; standard error is kept beside.
struct Lines {
    output: Output,
    pending: Vec<u8>,
    /// Up to here `pending` is known to hold no newline.
    searched: usize,
    stderr: Vec<u8>,
}

impl Lines {
    fn new(output: Output) -> Lines {
        Lines { output, pending: Vec::new(), searched: 0, stderr: Vec::new() }
    }

    /// The next line, without its end; `None` when the process or its connection has ended, or a line is too long.
    /// Cancel-safe.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(line) = self.take_line() {
                return Some(line);
            }
            if self.pending.len() > MAX_LINE {
                return None;
            }
            match self.output.next().await {
                Some(Ok(LogOutput::StdErr { message })) => {
                    let room = MAX_STDERR.saturating_sub(self.stderr.len());
                    self.stderr.extend(message.iter().take(room));
                }
                Some(Ok(LogOutput::StdIn { .. })) => {}
                Some(Ok(LogOutput::StdOut { message } | LogOutput::Console { message })) => {
                    self.pending.extend_from_slice(&message);
                }
                Some(Err(_)) | None => {
                    let rest = std::mem::take(&mut self.pending);
                    self.searched = 0;
                    return (!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).trim_end().to_string());
                }
            }
        }
    }

    fn take_line(&mut self) -> Option<String> {
        let Some(found) = self.pending.get(self.searched..)?.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.pending.len();
            return None;
        };
        let mut line: Vec<u8> = self.pending.drain(..=self.searched + found).collect();
        self.searched = 0;
        line.pop();
        Some(String::from_utf8_lossy(&line).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn lines(chunks: Vec<Vec<u8>>) -> Lines {
        let frames = chunks.into_iter().map(|chunk| Ok(LogOutput::StdOut { message: Bytes::from(chunk) }));
        Lines::new(Box::pin(futures_util::stream::iter(frames.collect::<Vec<_>>())))
    }

    async fn all(mut lines: Lines) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(line) = lines.next().await {
            all.push(line);
        }
        all
    }

    #[tokio::test]
    async fn a_line_that_never_ends_ends_the_channel() {
        let chunks = (0..40).map(|_| vec![b'x'; MAX_LINE / 20]).collect();
        assert_eq!(all(lines(chunks)).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn standard_error_is_kept_apart_and_bounded() {
        let frames = vec![
            Ok(LogOutput::StdErr { message: Bytes::from(vec![b'e'; MAX_STDERR * 2]) }),
            Ok(LogOutput::StdOut { message: Bytes::from_static(b"{}\n") }),
        ];
        let mut lines = Lines::new(Box::pin(futures_util::stream::iter(frames)));
        assert_eq!(lines.next().await.as_deref(), Some("{}"));
        assert_eq!(lines.stderr.len(), MAX_STDERR);
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_they_arrive(text in "[a-zé\n]{0,80}", cut in 1usize..9) {
            let chunks = text.as_bytes().chunks(cut).map(<[u8]>::to_vec).collect();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let got = runtime.block_on(all(lines(chunks)));
            let expected: Vec<&str> = text.lines().collect();
            prop_assert_eq!(got, expected);
        }
    }
}
