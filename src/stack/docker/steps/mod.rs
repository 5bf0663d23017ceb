//! `docker` and `docker compose` in the steps of a runbook. A step hands over a command line; what is allowed is carried
//! out by the real command on the drill's own project and containers, and everything else is refused.

mod anew;
mod ask;
mod copy;
mod guard;
mod process;
mod rename;
mod table;
mod team;
mod words;

use super::model;
use super::stack::DockerStack;
use super::transform::TOOLBOX;
use crate::stack::{Call, CallIo, Place, REFUSED, StackError, Tools};
use anew::NotAnew;
use ask::{Ask, ComposeAsk, DockerAsk, End, Known};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use process::{ModelFile, Show};
use rename::Change;
use std::time::{Duration, Instant};
use table::{Compose, Docker};
use team::Team;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;
use words::{Refusal, refuse};

/// A container that does not exist: a filter that leaves nothing.
const NOBODY: &str = "id=0000000000000000000000000000000000000000000000000000000000000000";

/// Carries out what the steps of one place call.
#[derive(Debug, Clone)]
pub(super) struct StepTools {
    stack: DockerStack,
    place: Place,
}

/// What became of a call.
enum Done {
    /// The real command ended.
    Exit(i32),
    /// It is not allowed.
    Refused(Refusal),
    /// It could not be carried out.
    Failed(String),
}

impl From<Refusal> for Done {
    fn from(refusal: Refusal) -> Self {
        Done::Refused(refusal)
    }
}

impl From<StackError> for Done {
    fn from(error: StackError) -> Self {
        Done::Failed(error.to_string())
    }
}

impl From<std::io::Error> for Done {
    fn from(error: std::io::Error) -> Self {
        Done::Failed(format!("the docker command cannot be run: {error}"))
    }
}

impl From<NotAnew> for Done {
    fn from(error: NotAnew) -> Self {
        match error {
            NotAnew::Refused(refusal) => Done::Refused(refusal),
            NotAnew::Failed(why) => Done::Failed(why),
        }
    }
}

impl Tools for StepTools {
    fn call(&self, call: Call, io: CallIo, cancel: CancellationToken) -> BoxFuture<'static, i32> {
        let tools = self.clone();
        async move {
            let began = Instant::now();
            let out = io.out.clone();
            let done = tokio::select! {
                biased;
                done = tools.carry_out(&call, io, &cancel) => done,
                // The command has had its time to go.
                () = async { cancel.cancelled().await; tokio::time::sleep(Duration::from_secs(6)).await } => Ok(143),
            };
            let done = done.map_or_else(|done| done, Done::Exit);
            let (exit, told) = match done {
                Done::Exit(exit) => (exit, format!("exit {exit}")),
                Done::Refused(why) => {
                    out.say(&format!("firedrill: {why}\n")).await;
                    (REFUSED, format!("refused: {why}"))
                }
                Done::Failed(why) => {
                    out.say(&format!("{why}\n")).await;
                    (1, format!("failed: {why}"))
                }
            };
            tools.note(&call, &told, began.elapsed()).await;
            exit
        }
        .boxed()
    }
}

impl StepTools {
    pub(super) fn new(stack: &DockerStack, place: &Place) -> StepTools {
        StepTools { stack: stack.clone(), place: place.clone() }
    }

    /// A line in `logs/docker.log`.
    async fn note(&self, call: &Call, told: &str, took: Duration) {
        let line = format!("{} {} ({told}, {:.1} s)\n", call.program, call.args.join(" "), took.as_secs_f64());
        let dir = self.stack.run.dir.join("logs");
        let written = async {
            tokio::fs::create_dir_all(&dir).await?;
            let mut file = tokio::fs::OpenOptions::new().create(true).append(true).open(dir.join("docker.log")).await?;
            file.write_all(self.stack.clean(&line).as_bytes()).await?;
            file.flush().await
        };
        // The record has the command and its output; this is for convenience.
        let _ = written.await;
    }

    async fn carry_out(&self, call: &Call, io: CallIo, cancel: &CancellationToken) -> Result<i32, Done> {
        let file = self.stack.model.file.file_name().map(|name| name.to_string_lossy().into_owned());
        let known = Known {
            team: self.stack.model.name().to_string(),
            own: self.stack.project.clone(),
            file: file.unwrap_or_default(),
        };
        match ask::ask(call, &known)? {
            Ask::Itself(args) => {
                let mut command = self.stack.endpoint.command();
                command.args(args);
                let show = Show { names: rename::Names::default(), stdout: Change::Nothing, stderr: Change::Nothing };
                Ok(process::run(command, None, None, &io.out, &show, cancel).await?)
            }
            Ask::Compose(ask) => self.compose(ask, call, io, cancel).await,
            Ask::Docker(ask) => self.docker(ask, call, io, cancel).await,
        }
    }

    async fn compose(&self, ask: ComposeAsk, call: &Call, io: CallIo, cancel: &CancellationToken) -> Result<i32, Done> {
        let stack = &self.stack;
        let words = &ask.words;
        if ask.does == Compose::Config {
            return self.config(&ask, call, &io, cancel).await;
        }
        if ask.does == Compose::Copy {
            return self.copy(&ask.words, true, call, io, cancel).await;
        }
        let named: Vec<String> = match ask.does {
            Compose::Scale => {
                words.rest.iter().filter_map(|scale| ask::scaled(scale).ok()).map(|(name, _)| name).collect()
            }
            Compose::Services | Compose::Up => words.rest.clone(),
            _ => words.rest.iter().take(1).cloned().collect(),
        };
        let named_flags: Vec<String> =
            words.values("scale").iter().filter_map(|scale| ask::scaled(scale).ok()).map(|(name, _)| name).collect();
        let needed: Vec<String> = named.iter().chain(&named_flags).cloned().collect();
        let anew = matches!(ask.does, Compose::Up | Compose::Scale | Compose::Run);
        let (model, services) = if anew {
            let build = words.is_set("build");
            let (model, services) = anew::anew(stack, &call.env, &ask.profiles, &needed, build, cancel).await?;
            let mut started = stack.started();
            started.model = Some(model.clone());
            started.services.clone_from(&services);
            (model, services)
        } else {
            let started = stack.started();
            let Some(model) = started.model.clone() else {
                return Err(Done::Failed("the stack has not been started".into()));
            };
            (model, started.services.clone())
        };
        if let Some(unknown) = needed.iter().find(|name| !services.contains(name)) {
            let all = services.join(", ");
            return Err(Refusal(format!("there is no service `{unknown}` in this drill; there are: {all}")).into());
        }
        // Never none: that would mean ours as well.
        let rest = match ask.does {
            Compose::Services | Compose::Up if named.is_empty() => services,
            _ => words.rest.clone(),
        };
        if rest.is_empty() {
            return Err(Refusal("this stack has no services".into()).into());
        }
        let file = ModelFile::new(&model)?;
        let mut command = self.compose_command(&file.path());
        command.arg(ask.name).args(&words.passed);
        if ask.name == "pull" {
            // The tags of the host's images are not the drill's to move.
            command.arg("--policy=missing");
        }
        command.arg("--").args(rest);
        let (stdout, stderr) = match ask.does {
            Compose::Exec => (Change::Nothing, Change::Nothing),
            Compose::Run => (Change::Nothing, Change::Progress),
            Compose::Services if ask.name == "logs" => (Change::Nothing, Change::Everything),
            _ => (Change::Everything, Change::Everything),
        };
        let show = Show { names: Team::of(stack).await?.names, stdout, stderr };
        let stdin = matches!(ask.does, Compose::Exec | Compose::Run).then_some(io.stdin);
        // While it runs, and when it is cut off, the engine may be making a container that nobody knows yet.
        let _making = anew.then(|| Making::of(stack));
        let exit = process::run(command, Some(&file), stdin, &io.out, &show, cancel).await?;
        if let Some(making) = _making.filter(|_| !cancel.is_cancelled()) {
            making.over();
        }
        Ok(exit)
    }

    /// Compose on the drill's project, with the model in a file of its own.
    fn compose_command(&self, file: &str) -> Command {
        let compose = self.stack.compose();
        let mut command = compose.endpoint.command();
        command.arg("compose");
        for option in &compose.options {
            command.arg(if option == "-" { file } else { option });
        }
        command
    }

    /// The team's own file, as the step's environment makes it.
    async fn config(
        &self,
        ask: &ComposeAsk,
        call: &Call,
        io: &CallIo,
        cancel: &CancellationToken,
    ) -> Result<i32, Done> {
        let stack = &self.stack;
        let endpoint = anew::with_variables(stack, &call.env)?;
        let mut spec = stack.spec.clone();
        spec.profiles.extend(ask.profiles.iter().cloned());
        let mut command = endpoint.command();
        command.arg("compose").args(model::file_options(&spec, &stack.model.file));
        command.arg("config").args(&ask.words.passed).arg("--").args(&ask.words.rest);
        let show = Show { names: rename::Names::default(), stdout: Change::Nothing, stderr: Change::Nothing };
        Ok(process::run(command, None, None, &io.out, &show, cancel).await?)
    }

    async fn docker(&self, ask: DockerAsk, call: &Call, io: CallIo, cancel: &CancellationToken) -> Result<i32, Done> {
        let words = &ask.words;
        if ask.does == Docker::Copy {
            return self.copy(words, false, call, io, cancel).await;
        }
        let mut team = Team::of(&self.stack).await?;
        let mut command = self.stack.endpoint.command();
        command.arg(ask.name).args(&words.passed);
        let mut said = Vec::new();
        match ask.does {
            Docker::List => {
                let (left, rest) = team.filter(&words.values("filter"))?;
                let ids: Vec<String> = left.iter().map(|c| format!("id={}", c.id)).collect();
                let ids = if ids.is_empty() { vec![NOBODY.to_string()] } else { ids };
                for filter in ids.into_iter().chain(rest) {
                    command.args(["--filter", &filter]);
                }
            }
            Docker::Stats => {
                let mut ids = Vec::new();
                for name in &words.rest {
                    ids.push(team.find(name)?.id.clone());
                }
                let all = words.is_set("all");
                if words.rest.is_empty() {
                    let running = team.all.iter().filter(|c| all || c.status == "running");
                    ids.extend(running.map(|c| c.id.clone()));
                }
                if ids.is_empty() {
                    // Without names it would show the containers of others.
                    return Ok(0);
                }
                command.arg("--").args(ids);
            }
            Docker::Containers => {
                command.arg("--");
                for name in &words.rest {
                    let id = &team.find(name)?.id;
                    command.arg(id);
                    said.push((id.clone(), name.clone()));
                }
            }
            Docker::One | Docker::Exec => {
                let (name, rest) = words.rest.split_first().ok_or(Refusal("which container?".into()))?;
                let id = &team.find(name)?.id;
                said.push((id.clone(), name.clone()));
                command.arg("--").arg(id).args(rest);
            }
            Docker::Copy => {}
        }
        let (stdout, stderr) = match ask.name {
            "exec" => (Change::Nothing, Change::Nothing),
            "logs" | "start" => (Change::Nothing, Change::Nothing),
            _ => (Change::Everything, Change::Everything),
        };
        if ask.name != "inspect" {
            team.names.said = said;
        }
        let show = Show { names: team.names, stdout, stderr };
        let stdin = (ask.does == Docker::Exec && words.is_set("interactive")).then_some(io.stdin);
        Ok(process::run(command, None, stdin, &io.out, &show, cancel).await?)
    }

    /// `cp`: between containers of the team's and the one in which the step runs.
    async fn copy(
        &self,
        words: &words::Words,
        of_compose: bool,
        call: &Call,
        io: CallIo,
        cancel: &CancellationToken,
    ) -> Result<i32, Done> {
        let (from, to) = ask::ends(words)?;
        let team = Team::of(&self.stack).await?;
        let docker = &self.stack.endpoint.docker;
        let follow = words.is_set("follow-link");
        let targets = |name: &str| match of_compose {
            false => team.find(name).map(|c| vec![c.id.clone()]),
            true => of_service(&team, name, words.value("index")),
        };
        let here = self.here().await?;
        let local = |path: &str| {
            let slash = if path.ends_with("/.") {
                "/."
            } else if path.ends_with('/') {
                "/"
            } else {
                ""
            };
            let absolute = copy::absolute(&call.cwd, path);
            copy::At { container: here.clone(), path: format!("{}{slash}", absolute.trim_end_matches('/')) }
        };
        let there = |id: String, path: &str| {
            let path = if path.starts_with('/') { path.to_string() } else { format!("/{path}") };
            copy::At { container: id, path }
        };
        let copying = async {
            match (&from, &to) {
                (End::There(name, path), other) => {
                    copy::not_empty(path)?;
                    let Some(id) = targets(name)?.into_iter().next() else { return Err(nobody(name).into()) };
                    let from = there(id, path);
                    match other {
                        End::Stream => copy::to_stream(docker, &from, follow, &io.out).await,
                        End::Here(path) => {
                            copy::not_empty(path)?;
                            copy::between(docker, &from, follow, &local(path)).await
                        }
                        End::There(..) => Ok(()),
                    }
                }
                (other, End::There(name, path)) => {
                    copy::not_empty(path)?;
                    let ids = targets(name)?;
                    if ids.is_empty() {
                        return Err(nobody(name).into());
                    }
                    match other {
                        End::Stream => match <[String; 1]>::try_from(ids) {
                            Ok([id]) => copy::from_stream(docker, io.stdin, &there(id, path)).await,
                            Err(_) => {
                                return Err(Refusal(
                                    "an archive can be copied to one container only: use --index".into(),
                                )
                                .into());
                            }
                        },
                        End::Here(own) => {
                            copy::not_empty(own)?;
                            let mut copied = Ok(());
                            for id in ids {
                                copied = copied.and(copy::between(docker, &local(own), follow, &there(id, path)).await);
                            }
                            copied
                        }
                        End::There(..) => Ok(()),
                    }
                }
                _ => Ok(()),
            }
            .map_err(Done::Failed)
        };
        tokio::select! {
            copied = copying => copied.map(|()| 0),
            () = cancel.cancelled() => Ok(143),
        }
    }

    /// The container in which the step runs.
    async fn here(&self) -> Result<String, StackError> {
        match &self.place {
            Place::Toolbox => self.stack.running(TOOLBOX).await,
            Place::Service(service) => self.stack.running(service).await,
        }
    }
}

/// The containers of a service that a copy means: the one with this number, or all of them.
fn of_service(team: &Team, service: &str, index: Option<&str>) -> Result<Vec<String>, Refusal> {
    let mut of: Vec<(Option<u32>, &team::Container)> = team
        .all
        .iter()
        .filter(|c| c.service == service && !c.oneoff)
        .map(|c| (c.name.rsplit('-').next().and_then(|n| n.parse().ok()), c))
        .collect();
    of.sort_by_key(|(number, _)| *number);
    if let Some(index) = index.filter(|index| *index != "0") {
        of.retain(|(number, _)| *number == index.parse().ok());
    }
    if of.is_empty() {
        return refuse(format!("service `{service}` has no container"));
    }
    Ok(of.into_iter().map(|(_, c)| c.id.clone()).collect())
}

fn nobody(name: &str) -> Refusal {
    Refusal(format!("`{name}` has no container"))
}

/// A command under way that makes containers.
struct Making<'a> {
    stack: &'a DockerStack,
    before: bool,
}

impl<'a> Making<'a> {
    fn of(stack: &'a DockerStack) -> Making<'a> {
        let before = std::mem::replace(&mut stack.started().cut_off, true);
        Making { stack, before }
    }

    fn over(self) {
        self.stack.started().cut_off = self.before;
    }
}
