//! `docker exec` and `docker compose exec` in a step, by the engine's API: on a command line of this host everybody who may list its
//! processes would read what the step gives to its command, variables with secrets in them among it.

use super::arguments::Arguments;
use super::process::feed;
use super::{NotDone, StepCall};
use crate::record::Stream;
use crate::stack::compose::errors::words_of;
use crate::stack::compose::execute::{CAPACITY, exit_code};
use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error as ApiError;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use futures_util::StreamExt;
use tokio_util::task::AbortOnDropHandle;

/// As of a process that SIGPIPE ended.
const NOBODY_READS: i32 = 141;
/// As of one that SIGTERM ended.
const ENDED: i32 = 143;

/// Runs a command in a container to its end; its exit code. It may read the step's standard input, and have a terminal.
pub(super) async fn exec(
    docker: &Docker,
    container: &str,
    (words, command): (&Arguments, &[String]),
    (has_input, has_terminal): (bool, bool),
    StepCall { io, cancel, .. }: StepCall<'_>,
) -> Result<i32, NotDone> {
    let detach = words.is_set("detach");
    if has_input && has_terminal && !detach {
        return Err(NotDone::Failed("the input device is not a TTY".into()));
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
    let exec = docker.create_exec(container, options).await.map_err(refused)?.id;
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

/// As the docker command says it.
fn refused(error: ApiError) -> NotDone {
    NotDone::Failed(format!("Error response from daemon: {}", words_of(error)))
}
