//! A command in a container: run to its end, or `docker exec -i` as a channel of lines, which needs no port and no token, works wherever
//! the Docker API works, and whose process sees end-of-file as soon as the runner is gone, however it went. And a file read from one.

use super::command::succeeded;
use super::containers;
use super::endpoint::Endpoint;
use super::errors::{api, environment, hinted};
use super::images::AgentImage;
use crate::stack::channel::{FIRST_LINE, bounded, keep};
use crate::stack::{Channel, ExecResult, FullOutput, Place, StackResult};
use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error as ApiError;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bytes::Bytes;
use futures_util::future::ready;
use futures_util::{Stream, StreamExt};
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncWrite;
use tokio_util::io::StreamReader;

/// How much of the standard error of a channel is kept, for the reason why its command did not start.
const MAX_STDERR: usize = 16 * 1024;
/// How much of the output is read at once.
pub(super) const CAPACITY: usize = 64 * 1024;
/// The largest file that is read.
const MAX_FILE: usize = 1024 * 1024;
/// Between two looks whether a command has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a command that is being ended may take to be gone.
const END_WITHIN: Duration = Duration::from_secs(3);
/// How long the engine may take to hand a file over.
const FILE_WITHIN: Duration = Duration::from_secs(10);

type Frames = Pin<Box<dyn Stream<Item = Result<LogOutput, ApiError>> + Send>>;

/// A command under way in a container: its id, its output, its input. The command sees end-of-file when that is dropped.
type StartedExec = (String, Frames, Pin<Box<dyn AsyncWrite + Send>>);

/// A container of an engine.
#[derive(Debug, Clone, Copy)]
pub(super) struct ContainerTarget<'a> {
    pub docker: &'a Docker,
    pub id: &'a str,
}

impl ContainerTarget<'_> {
    /// Runs a command in a container; past its time, and when nobody waits any more, it is ended. Standard output is taken `whole`, up to
    /// [`MOST_OUTPUT`], or the end of it: what was written until then is evidence all the same.
    pub(super) async fn run(&self, service: &str, command: &[String], whole: bool, within: Duration) -> ExecResult {
        let operation = format!("running a command in `{service}`");
        let (mut stdout, mut stderr, mut begun, mut started) = (Vec::new(), Vec::new(), None, false);
        let mut name = String::new();
        let running = async {
            let found = containers::inspect(self.docker, self.id).await?;
            name = found.map(|found| containers::state(&found).name).unwrap_or_default();
            // It ends with its standard input, which is never written to: so it ends when `_input` is dropped.
            let (exec, mut output, _input) = self.attach(&operation, bounded(command), &mut begun).await?;
            started = true;
            take(&mut output, &operation, whole, [&mut stdout, &mut stderr]).await?;
            exit_code(self.docker, &exec, &operation).await
        };
        let code = tokio::time::timeout(within, running).await.ok().transpose()?;
        let seconds = within.as_secs();
        let late = || environment(&operation, format!("the engine did not start it within {seconds} s"));
        // That says nothing about what was asked.
        if code.is_none() && whole && !started {
            return Err(late());
        }
        if code.is_none() && !whole {
            // It may change something, and has to be over before anything else is done. Its standard input went with the wait.
            let begun = begun.ok_or_else(late)?;
            let ended = tokio::time::timeout(END_WITHIN, exit_code(self.docker, &begun, &operation)).await;
            if !matches!(ended, Ok(Ok(_))) {
                return Err(environment(operation, format!("it did not end within {seconds} s and may still run")));
            }
        }
        Ok(FullOutput { container: name, code, stdout, stderr: String::from_utf8_lossy(&stderr).into_owned() })
    }

    /// Starts a command; `begun` is set to the id of what may run from then on.
    async fn attach(&self, doing: &str, command: Vec<String>, begun: &mut Option<String>) -> StackResult<StartedExec> {
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command),
            ..Default::default()
        };
        let exec = self.docker.create_exec(self.id, options).await.map_err(api(doing))?.id;
        *begun = Some(exec.clone());
        let start = StartExecOptions { output_capacity: Some(CAPACITY), ..Default::default() };
        match self.docker.start_exec(&exec, Some(start)).await.map_err(api(doing))? {
            StartExecResults::Attached { output, input } => Ok((exec, output, input)),
            StartExecResults::Detached => Err(environment(doing, "the engine did not attach to it")),
        }
    }

    /// Opens the shell of a place, of which this is the container.
    pub async fn shell(&self, agent: Option<&AgentImage>, place: &Place) -> StackResult<Channel> {
        match place {
            Place::Toolbox => self.open(agent, &["shell"], "the shell in the toolbox").await,
            Place::Service(service) => {
                self.open(agent, &["shell", "--docker", "last"], &format!("the shell in `{service}`")).await
            }
        }
    }

    /// Starts `firedrill` with these arguments in a running container and waits until it says its first line, which stays in the
    /// channel: both protocols of ours begin with a greeting, and only then is it known that the command could start at all. `agent`
    /// has the command that starts it there, known once the stack was started.
    ///
    /// # Errors
    /// `Environment` with what it said instead, or with its exit code.
    pub async fn open(&self, agent: Option<&AgentImage>, arguments: &[&str], what: &str) -> StackResult<Channel> {
        let operation = format!("starting {what}");
        let agent = agent.ok_or_else(|| environment(&operation, "the stack has not been started"))?;
        let command = agent.command(arguments);
        let (exec, output, input) = self.attach(&operation, command, &mut None).await?;
        let stderr = Arc::<Mutex<Vec<u8>>>::default();
        match Channel::open(StreamReader::new(stdout_of(output, stderr.clone())), input, (), Duration::MAX).await {
            Ok(channel) => Ok(channel),
            Err(None) => Err(environment(operation, format!("it said nothing within {} s", FIRST_LINE.as_secs()))),
            // Why it did not greet: what it wrote, or its exit code.
            Err(Some(said)) => {
                let complaint = String::from_utf8_lossy(&crate::locked(&stderr)).into_owned();
                let exit = self.docker.inspect_exec(&exec).await.ok().and_then(|exec| exec.exit_code);
                let ended = exit.map_or_else(|| "its connection ended".into(), |code| format!("exit code {code}"));
                let cause = format!("{}\n{}\n{ended}", said.trim(), complaint.trim()).trim().to_string();
                let hint = "the container cannot run it: is its image for another machine?";
                Err(match exit {
                    Some(126 | 127) => hinted(operation, cause, hint),
                    _ => environment(operation, cause),
                })
            }
        }
    }
}

/// Both streams apart, until they end: standard output `whole` or the end of it, of the other one its end.
async fn take(output: &mut Frames, operation: &str, whole: bool, into: [&mut Vec<u8>; 2]) -> StackResult<()> {
    let [stdout, stderr] = into;
    while let Some(piece) = output.next().await {
        let kept = match piece.map_err(api(operation))? {
            LogOutput::StdErr { message } => keep(stderr, &message, false),
            LogOutput::StdIn { .. } => Ok(()),
            LogOutput::StdOut { message } | LogOutput::Console { message } => keep(stdout, &message, whole),
        };
        let hint =
            "let it write less, or a checksum that fails with the command: `x=$(…) && printf %s \"$x\" | sha256sum`";
        kept.map_err(|cause| hinted(operation, cause, hint))?;
    }
    Ok(())
}

/// The streams may end a moment before the engine knows how the process did. The caller's deadline bounds this.
pub(super) async fn exit_code(docker: &Docker, exec: &str, operation: &str) -> StackResult<i64> {
    loop {
        let state = docker.inspect_exec(exec).await.map_err(api(operation))?;
        match state.exit_code {
            Some(code) if state.running != Some(true) => return Ok(code),
            _ => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// Reads a file from a container, running or not.
pub(super) async fn read_file(on: &Endpoint, container: &str, path: &str, operation: &str) -> StackResult<Vec<u8>> {
    let mut copy = on.command();
    copy.args(["cp", &format!("{container}:{path}"), "-"]);
    let archive = succeeded(operation, copy, FILE_WITHIN).await?;
    only_file(&archive).map_err(|cause| environment(operation, cause))
}

/// The one file of an archive.
fn only_file(archive: &[u8]) -> Result<Vec<u8>, String> {
    let mut archive = tar::Archive::new(archive);
    let mut entries = archive.entries().map_err(|error| error.to_string())?;
    let mut entry = entries.next().ok_or("the engine sent nothing")?.map_err(|error| error.to_string())?;
    if !entry.header().entry_type().is_file() {
        return Err("it is not a file: links are not followed, and a directory has no text".into());
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() <= MAX_FILE { Ok(bytes) } else { Err(format!("it is larger than {MAX_FILE} bytes")) }
}

/// Standard output of a command; the beginning of its standard error is kept apart.
fn stdout_of(frames: Frames, stderr: Arc<Mutex<Vec<u8>>>) -> impl Stream<Item = io::Result<Bytes>> + Unpin + Send {
    frames.filter_map(move |frame| {
        ready(match frame {
            Ok(LogOutput::StdErr { message }) => {
                let mut kept = crate::locked(&stderr);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::channel::MAX_OUTPUT;
    use crate::stack::compose::labels;
    use bollard::models::ContainerSummary;

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

    fn archive(kind: tar::EntryType, content: &[u8]) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_data(&mut header, "ca.pem", content).unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn an_undo_runs_where_the_drill_ran_it() {
        let container = |number: &str, state: &str| -> ContainerSummary {
            let summary = serde_json::json!({ "Id": format!("web-{number}"), "State": state,
                "Labels": { (labels::NUMBER): number } });
            serde_json::from_value(summary).unwrap()
        };
        let found = vec![container("10", "running"), container("2", "running"), container("1", "exited")];
        assert_eq!(containers::first(found, true).as_deref(), Some("web-2"));
        assert_eq!(containers::first(vec![container("1", "exited")], true), None);
    }

    async fn taken(pieces: Vec<LogOutput>) -> StackResult<(Vec<u8>, Vec<u8>)> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut pieces: Frames = Box::pin(futures_util::stream::iter(pieces.into_iter().map(Ok)));
        take(&mut pieces, "running a command in `db`", true, [&mut stdout, &mut stderr]).await?;
        Ok((stdout, stderr))
    }

    #[tokio::test]
    async fn what_is_wanted_whole_is_whole_or_an_error_and_warnings_stay_apart() {
        let out = |bytes: Vec<u8>| LogOutput::StdOut { message: bytes.into() };
        let warning = || LogOutput::StdErr { message: "could not change directory\n".into() };
        let lines: String = (0..100_000).map(|n| format!("{n}\n")).collect();
        let pieces = lines.as_bytes().chunks(30_000).flat_map(|chunk| [out(chunk.to_vec()), warning()]).collect();
        let (stdout, stderr) = taken(pieces).await.unwrap();
        assert_eq!(stdout, lines.as_bytes());
        assert!(stderr.starts_with(b"could not change directory\ncould"));
        let endless = (0..20).map(|_| out(vec![b'x'; 1024 * 1024])).collect();
        insta::assert_snapshot!(taken(endless).await.unwrap_err(), @"running a command in `db`: it wrote more than 16 MiB");
        let (_, stderr) = taken(vec![LogOutput::StdErr { message: vec![b'e'; 99_999].into() }]).await.unwrap();
        assert_eq!(stderr.len(), MAX_OUTPUT);
    }

    #[test]
    fn only_a_file_is_a_file() {
        assert_eq!(only_file(&archive(tar::EntryType::Regular, b"pem")), Ok(b"pem".to_vec()));
        assert!(only_file(&archive(tar::EntryType::Directory, b"")).unwrap_err().contains("not a file"));
        assert!(only_file(&archive(tar::EntryType::Symlink, b"")).unwrap_err().contains("not a file"));
        assert!(only_file(b"").is_err());
    }
}
