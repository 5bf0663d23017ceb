//! `docker` on the team's containers, and copies between them and the one in which a step runs. `docker exec` and `docker compose exec` go by
//! the engine's API: on a command line of this host everybody who may list its processes would read what the step gives to its command,
//! variables with secrets in them among it.

use super::arguments::{CallKind, NotDone, ensure, refuse};
use super::copy::{self, CopySide};
use super::process::{self, Change, ProcessListing, feed};
use super::request::{self, CopyRequest, StepRequest};
use super::team::Container;
use super::{StepCall, StepTarget, StepTools};
use crate::record::Stream;
use crate::stack::compose::errors::words_of;
use crate::stack::compose::execute::{CAPACITY, exit_code};
use crate::stack::{Place, TOOLBOX};
use bollard::container::LogOutput;
use bollard::errors::Error as ApiError;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use futures_util::StreamExt;
use tokio_util::task::AbortOnDropHandle;

/// A container that does not exist: a filter that leaves nothing.
const NOBODY: &str = "id=0000000000000000000000000000000000000000000000000000000000000000";

impl StepTools {
    pub(super) async fn docker(&self, ask: StepRequest, step: StepCall<'_>) -> Result<i32, NotDone> {
        let (words, endpoint, mut team) = (&ask.words, self.target.endpoint(), self.team().await?);
        let mut command = endpoint.command();
        command.args(ask.name.split('-')).args(&words.passed);
        let mut said = Vec::new();
        match ask.does {
            CallKind::List => {
                let (left, rest) = team.filter(&words.values("filter"))?;
                let ids: Vec<String> = left.iter().map(|c| format!("id={}", c.id)).collect();
                let ids = if ids.is_empty() { vec![NOBODY.to_string()] } else { ids };
                for filter in ids.into_iter().chain(rest) {
                    command.args(["--filter", &filter]);
                }
            }
            CallKind::Stats => {
                let is_shown = |container: &&Container| words.is_set("all") || container.status == "running";
                let found: Vec<&Container> = match words.rest.as_slice() {
                    [] => team.all.iter().filter(is_shown).collect(),
                    names => names.iter().map(|name| team.find(name)).collect::<Result<_, NotDone>>()?,
                };
                if found.is_empty() {
                    // Without names it would show the containers of others.
                    return Ok(0);
                }
                command.arg("--").args(found.iter().map(|container| &container.id));
            }
            CallKind::Network => {
                let [network, name] = words.rest.as_slice() else {
                    let why = "name one network and one container: `docker network connect shop_default shop-db-1`";
                    return refuse(why);
                };
                let network = team.network(&endpoint.docker, network).await?;
                let found = team.find(name)?;
                if ask.name == "network-connect" {
                    let links = team.links.get(&found.service).into_iter().flatten();
                    command.args(links.map(|link| format!("--link={link}")));
                }
                command.arg("--").arg(network).arg(&found.id);
            }
            _ => {
                let names = if ask.does == CallKind::One { 1 } else { words.rest.len() };
                command.arg("--");
                for name in words.rest.iter().take(names) {
                    let id = &team.find(name)?.id;
                    command.arg(id);
                    said.push((id.clone(), name.clone()));
                }
                command.args(words.rest.iter().skip(names));
            }
        }
        let (stdout, stderr) = match ask.name {
            "logs" | "start" => (Change::Nothing, Change::Nothing),
            _ => (Change::Everything, Change::Everything),
        };
        if ask.name != "inspect" {
            team.names.said = said;
        }
        Ok(process::run(command, &step, &ProcessListing { names: team.names, stdout, stderr }).await?)
    }

    /// `cp`: between containers of the team's and the one in which the step runs.
    pub(super) async fn copy(&self, ask: &StepRequest, step: StepCall<'_>) -> Result<i32, NotDone> {
        let (words, StepCall { call, io, cancel }) = (&ask.words, step);
        let CopyRequest { is_out, name, path, here: local } = request::copied(words)?;
        let (team, docker) = (self.team().await?, &self.target.endpoint().docker);
        let follow = words.is_set("follow-link");
        let here = match (&self.target, &self.place) {
            (StepTarget::Drill(stack), Place::Toolbox) => Some(stack.running(TOOLBOX).await?),
            (StepTarget::Project { toolbox, .. }, Place::Toolbox) => Some(toolbox.clone()),
            (StepTarget::Drill(stack), Place::Service(service)) => Some(stack.running(service).await?),
            (_, Place::Service(service)) => team.running(service, None).map(|container| container.id.clone()),
        };
        let here = here.ok_or_else(|| NotDone::failed("the step's own container is not known"))?;
        let here = |path: &str| -> CopySide {
            let slash = ["/.", "/"].into_iter().find(|end| path.ends_with(end)).unwrap_or_default();
            let absolute = copy::absolute(&call.cwd, path);
            (here.clone(), format!("{}{slash}", absolute.trim_end_matches('/')))
        };
        let there = |id: &str| -> CopySide { (id.to_string(), format!("/{}", path.trim_start_matches('/'))) };
        let copying = async {
            let has_both = !path.is_empty() && local.as_ref().is_none_or(|path| !path.is_empty());
            ensure(has_both, "a copy needs a path at both ends")?;
            let containers = match ask.of_compose {
                false => vec![team.find(&name)?],
                // The one with this number, or all of them.
                true => team.of_service(&name, words.value("index")),
            };
            let first = containers.first();
            let first = first.ok_or_else(|| NotDone::refused(format!("service `{name}` has no container")))?;
            let (first, several) = (there(&first.id), containers.len() > 1);
            let copied = match (is_out, &local) {
                (_, None) => {
                    ensure(is_out || !several, "an archive can be copied to one container only: use --index")?;
                    let (there, archive) = (format!("{}:{}", first.0, first.1), "-".to_string());
                    let mut command = self.target.endpoint().command();
                    command.arg("cp").args(follow.then_some("--follow-link")).arg("--");
                    command.args(if is_out { [there, archive] } else { [archive, there] });
                    let stdin = (!is_out).then_some(io.stdin);
                    return Ok(process::run_with(command, stdin, &io.out, &ProcessListing::default(), cancel).await?);
                }
                (true, Some(own)) => copy::between(docker, &first, follow, &here(own)).await,
                (false, Some(own)) => {
                    let mut copied = Ok(());
                    for container in containers {
                        copied = copied.and(copy::between(docker, &here(own), follow, &there(&container.id)).await);
                    }
                    copied
                }
            };
            copied.map(|()| 0).map_err(NotDone::failed)
        };
        cancel.run_until_cancelled(copying).await.unwrap_or(Ok(143))
    }
}

/// As of a process that SIGPIPE ended.
const NOBODY_READS: i32 = 141;
/// As of one that SIGTERM ended.
const ENDED: i32 = 143;

impl StepTools {
    /// `exec`, to the end of the command; its exit code. In the container of this name; of Compose in that of a service that has this
    /// number, or in its first one that runs. The command may read the step's standard input, and have a terminal.
    pub(super) async fn exec(&self, ask: &StepRequest, step: StepCall<'_>) -> Result<i32, NotDone> {
        let (StepCall { io, cancel, call }, words, team) = (step, &ask.words, self.team().await?);
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
        // What is fed is no terminal; where nothing is, a person has one there.
        let has_input = has_input && !(has_terminal && call.no_input);
        if has_input && has_terminal && !detach {
            return Err(NotDone::failed("the input device is not a TTY"));
        }
        // A pager waits for a key that nobody presses.
        let pager = has_terminal.then(|| "PAGER=cat".to_string());
        let env = pager.into_iter().chain(words.env.iter().map(|(name, value)| format!("{name}={value}"))).collect();
        let options = CreateExecOptions {
            attach_stdin: Some(has_input && !detach),
            attach_stdout: Some(!detach),
            attach_stderr: Some(!detach),
            tty: Some(has_terminal),
            env: Some(env),
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
