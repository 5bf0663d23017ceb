//! `docker exec -i` as a channel of lines. It needs no port and no token, works wherever the Docker API works, and
//! the process in the container sees end-of-file as soon as the runner is gone, however it went.

use super::errors::{environment, hinted};
use super::execute::{StartedCommand, attach};
use crate::stack::channel::FIRST_LINE;
use crate::stack::{Channel, StackError};
use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error as ApiError;
use bytes::Bytes;
use futures_util::future::ready;
use futures_util::{Stream, StreamExt};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::io::StreamReader;

/// How much of its standard error is kept, for the reason why it did not start.
const MAX_STDERR: usize = 16 * 1024;
type Frames = Pin<Box<dyn Stream<Item = Result<LogOutput, ApiError>> + Send>>;

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
    let stderr = Arc::<Mutex<Vec<u8>>>::default();
    let stdout = StreamReader::new(stdout_of(output, stderr.clone()));
    match Channel::open(stdout, input, (), Duration::MAX).await {
        Ok(channel) => Ok(channel),
        Err(None) => Err(environment(operation, format!("it said nothing within {} s", FIRST_LINE.as_secs()))),
        Err(Some(said)) => {
            let complaint = stderr.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Err(not_started(docker, &exec, operation, &said, &String::from_utf8_lossy(&complaint)).await)
        }
    }
}

/// Standard output of a command; the beginning of its standard error is kept apart.
fn stdout_of(frames: Frames, stderr: Arc<Mutex<Vec<u8>>>) -> impl Stream<Item = io::Result<Bytes>> + Unpin + Send {
    frames.filter_map(move |frame| {
        ready(match frame {
            Ok(LogOutput::StdErr { message }) => {
                let mut kept = stderr.lock().unwrap_or_else(PoisonError::into_inner);
                let room = MAX_STDERR.saturating_sub(kept.len());
                kept.extend(message.iter().take(room));
                None
            }
            Ok(LogOutput::StdIn { .. }) => None,
            Ok(LogOutput::StdOut { message } | LogOutput::Console { message }) => Some(Ok(message)),
            Err(error) => Some(Err(io::Error::other(error))),
        })
    })
}

/// Why a command did not greet: what it wrote, or its exit code.
async fn not_started(docker: &Docker, exec: &str, operation: String, said: &str, complaint: &str) -> StackError {
    let mut cause = format!("{}\n{}", said.trim(), complaint.trim()).trim().to_string();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn standard_error_is_kept_apart_and_bounded() {
        let frames = vec![
            Ok(LogOutput::StdErr { message: Bytes::from(vec![b'e'; MAX_STDERR * 2]) }),
            Ok(LogOutput::StdOut { message: Bytes::from_static(b"{}\n") }),
        ];
        let stderr = Arc::<Mutex<Vec<u8>>>::default();
        let stdout = stdout_of(Box::pin(futures_util::stream::iter(frames)), stderr.clone());
        let pieces: Vec<Bytes> = stdout.map(|piece| piece.expect("bytes")).collect().await;
        assert_eq!(pieces, ["{}\n"]);
        assert_eq!(stderr.lock().expect("a lock").len(), MAX_STDERR);
    }
}
