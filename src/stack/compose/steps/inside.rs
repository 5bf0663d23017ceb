//! `docker exec` and `docker compose exec` in a step, by the engine's API: on a command line of this host everybody who may list its
//! processes would read what the step gives to its command, variables with secrets in them among it.

use super::arguments::NotDone;
use super::process::feed;
use super::request::StepRequest;
use super::{StepCall, StepTools};
use crate::record::Stream;
use crate::stack::compose::errors::words_of;
use crate::stack::compose::execute::{CAPACITY, exit_code};
use bollard::container::LogOutput;
use bollard::errors::Error as ApiError;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use futures_util::StreamExt;
use tokio_util::task::AbortOnDropHandle;

/// As of a process that SIGPIPE ended.
const NOBODY_READS: i32 = 141;
/// As of one that SIGTERM ended.
const ENDED: i32 = 143;

impl StepTools {
    /// `exec`, to the end of the command; its exit code. In the container of this name; of Compose in that of a service that has this
    /// number, or in its first one that runs. The command may read the step's standard input, and have a terminal.
    pub(super) async fn exec(&self, ask: &StepRequest, step: StepCall<'_>) -> Result<i32, NotDone> {
        let (StepCall { io, cancel, .. }, words, team) = (step, &ask.words, self.team().await?);
        let docker = &self.target.endpoint().docker;
        let (name, command) = words.rest.split_first().ok_or_else(|| NotDone::refused("in which container?"))?;
        let (container, has_input, has_terminal) = if ask.of_compose {
            let index = words.value("index");
            let container = team.running(name, index).ok_or_else(|| {
                let which = index.map(|index| format!(" container #{index}")).unwrap_or_default();
                NotDone::failed(format!("service \"{name}\" is not running{which}"))
            })?;
            // As Compose has it: its standard input is the step's, and no terminal.
            (container, words.value("interactive") != Some("false"), false)
        } else {
            (team.find(name)?, words.is_set("interactive"), words.is_set("tty"))
        };
        let detach = words.is_set("detach");
        if has_input && has_terminal && !detach {
            return Err(NotDone::failed("the input device is not a TTY"));
        }
        let options = CreateExecOptions {
            attach_stdin: Some(has_input && !detach),
            attach_stdout: Some(!detach),
            attach_stderr: Some(!detach),
            tty: Some(has_terminal),
            env: Some(words.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            cmd: Some(command.to_vec()),
            user: words.value("user").map(str::to_string),
            working_dir: words.value("workdir").map(str::to_string),
            ..Default::default()
        };
        let exec = docker.create_exec(&container.id, options).await.map_err(refused)?.id;
        let start = StartExecOptions { detach, tty: has_terminal, output_capacity: Some(CAPACITY) };
        let (mut output, input) = match docker.start_exec(&exec, Some(start)).await {
            Ok(StartExecResults::Attached { output, input }) => (output, input),
            Ok(StartExecResults::Detached) => return Ok(0),
            // A program that is not there: the exit code says so, as in a shell.
            Err(error) => {
                io.out.say(&format!("{}\n", words_of(error))).await;
                let state = docker.inspect_exec(&exec).await.ok().and_then(|state| state.exit_code);
                return Ok(state.and_then(|code| i32::try_from(code).ok()).unwrap_or(1));
            }
        };
        // Held while the command runs where nothing is written to it.
        let (_feeding, _unused) = match has_input {
            true => (Some(AbortOnDropHandle::new(tokio::spawn(feed(io.stdin, input)))), None),
            false => (None, Some(input)),
        };
        let reading = async {
            while let Some(frame) = output.next().await {
                let (stream, bytes) = match frame.map_err(refused)? {
                    LogOutput::StdErr { message } => (Stream::Stderr, message),
                    frame => (Stream::Stdout, frame.into_bytes()),
                };
                if !io.out.write(stream, bytes).await {
                    return Ok(NOBODY_READS);
                }
            }
            Ok::<i32, NotDone>(i32::try_from(exit_code(docker, &exec, "docker exec").await?).unwrap_or(1))
        };
        cancel.run_until_cancelled(reading).await.unwrap_or(Ok(ENDED))
    }
}

/// As the docker command says it.
fn refused(error: ApiError) -> NotDone {
    NotDone::failed(format!("Error response from daemon: {}", words_of(error)))
}
