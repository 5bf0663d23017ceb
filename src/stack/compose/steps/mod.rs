//! `docker` and `docker compose` in the steps of a runbook. A step hands over a command line; what is allowed is carried
//! out by the real command on the drill's own project and containers, and everything else is refused.

mod arguments;
mod copy;
mod docker;
mod lookup;
mod process;
pub(super) mod recreate;
mod request;
mod team;

use super::endpoint::Endpoint;
use super::model::{self, ProjectFiles, model_file};
use super::stack::{ComposeStack, Started};
use crate::record::Secrets;
use crate::source::work_tree;
use crate::stack::tools::answer;
use crate::stack::{CallIo, Place, StackRequest, TOOLBOX_DIRECTORY, ToolCall, Tools};
use arguments::{CallKind, NotDone, ensure, refuse};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use lookup::FileLookup;
use process::{Change, ModelFile, ProcessListing};
use recreate::Rereading;
pub(super) use request::Known;
use request::StepRequest;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use team::Team;
use tokio_util::sync::CancellationToken;

/// More directories than this, in which sessions begin, and longer ones, in bytes, are none of our own supervisor's.
const MOST_BASES: usize = 64;
const LONGEST_PATH: usize = 4096;

/// Carries out what the steps of one place call.
#[derive(Debug, Clone)]
pub(super) struct StepTools {
    pub target: StepTarget,
    pub place: Place,
    /// What must not be written, those of the stack included.
    pub secrets: Secrets,
}

/// Whose containers these calls are about.
#[derive(Debug, Clone)]
pub(super) enum StepTarget {
    /// Those of a drill.
    Drill(Box<ComposeStack>),
    /// Those of a project that is up, as it is. `files` is what it is made from, if that is known here; `toolbox` is a container.
    Project { name: String, files: Option<ProjectFiles>, endpoint: Box<Endpoint>, dir: PathBuf, toolbox: String },
}

impl StepTarget {
    fn endpoint(&self) -> &Endpoint {
        match self {
            StepTarget::Drill(stack) => &stack.endpoint,
            StepTarget::Project { endpoint, .. } => endpoint,
        }
    }

    fn known(&self, call: &ToolCall) -> Known {
        match self {
            StepTarget::Drill(stack) => {
                let mut known = known(stack.model.name(), &stack.spec, &stack.project);
                if let Some(bases) = stack.started().bases.get(&*call.begins) {
                    known.lookup.bases.clone_from(bases);
                }
                known
            }
            StepTarget::Project { name, files, .. } => {
                let lookup = files.as_ref().map_or_else(FileLookup::default, |files| {
                    let begins = files.directory.to_str();
                    let root = files.files.first().and_then(|file| work_tree(file)).unwrap_or(&files.directory);
                    FileLookup::new(files, root, begins)
                });
                Known { team: name.clone(), own: name.clone(), lookup }
            }
        }
    }
}

/// A call that is carried out, with its streams; who cancels it wants it gone.
pub(super) struct StepCall<'a> {
    pub call: &'a ToolCall,
    pub io: CallIo,
    pub cancel: &'a CancellationToken,
}

impl Tools for StepTools {
    fn call(&self, call: ToolCall, io: CallIo, cancel: CancellationToken) -> BoxFuture<'static, i32> {
        let mut tools = self.clone();
        let dir = match &mut tools.target {
            StepTarget::Drill(stack) => {
                // Builds write what the step's variables have made of them.
                stack.redactor = self.secrets.redactor();
                stack.run.dir.clone()
            }
            StepTarget::Project { dir, .. } => dir.clone(),
        };
        async move {
            let out = io.out.clone();
            let carried_out = tools.telling_losses(StepCall { call: &call, io, cancel: &cancel });
            answer(&call, &out, &cancel, carried_out, (&dir, "docker.log", &tools.secrets)).await
        }
        .boxed()
    }
}

/// The stack as command lines name it, in a drill's project.
pub(super) fn known(team: &str, spec: &StackRequest, own: &str) -> Known {
    // Where another image begins is known when it runs.
    let begins = spec.directory.as_deref().or(spec.toolbox_image.is_none().then_some(TOOLBOX_DIRECTORY));
    let lookup = FileLookup::new(&model::files_of(spec), &spec.root, begins);
    Known { team: team.to_string(), own: own.to_string(), lookup }
}

/// Why a call is refused wherever the step stands, and whatever the stack is like at that moment.
pub(super) fn refusal(known: &Known, (program, args): (&str, &[String])) -> Option<String> {
    let call = ToolCall { program: program.into(), args: args.to_vec(), ..ToolCall::default() };
    request::parse(&call, known).err().map(|refusal| refusal.why.replace('\n', "; "))
}

impl StepTools {
    /// Carries a call out, and tells the step of data that went with a container: no other one finds a volume without a name.
    async fn telling_losses(&self, step: StepCall<'_>) -> Result<i32, NotDone> {
        let StepTarget::Drill(stack) = &self.target else { return self.carry_out(step).await };
        let removes = step.call.args.iter().any(|word| ["down", "rm", "up", "scale"].contains(&word.as_str()));
        let before = if removes { stack.note_volumes().await.unwrap_or_default() } else { BTreeMap::new() };
        let out = step.io.out.clone();
        let done = self.carry_out(step).await;
        if before.is_empty() {
            return done;
        }
        let after = stack.note_volumes().await.unwrap_or_else(|| before.clone());
        let lost = before.into_iter().filter(|(volume, _)| !after.contains_key(volume)).filter_map(|(_, of)| of);
        let lost: BTreeSet<String> = lost.filter(|of| !stack.started().processes.contains_key(of)).collect();
        for service in lost {
            out.say(&format!("note: `{service}` has lost what it had in a volume without a name\n")).await;
        }
        done
    }

    async fn carry_out(&self, step: StepCall<'_>) -> Result<i32, NotDone> {
        let ask = request::parse(step.call, &self.target.known(step.call))?;
        if let (StepTarget::Drill(stack), false) = (&self.target, ask.bases.is_empty()) {
            // The beginning of a session is one directory, and not another one for each call.
            let (begins, mut started) = (&step.call.begins, stack.started());
            if begins.len() <= LONGEST_PATH && started.bases.len() < MOST_BASES {
                started.bases.insert(begins.to_string(), ask.bases.clone());
            }
        }
        match (ask.does, &self.target) {
            (CallKind::Itself, _) => {
                let mut command = self.target.endpoint().command();
                command.args(ask.words.passed);
                Ok(process::run(command, &step, &ProcessListing::default()).await?)
            }
            (CallKind::Copy, _) => self.copy(&ask, step).await,
            (_, StepTarget::Drill(stack)) if ask.of_compose => self.compose(stack, ask, step).await,
            (CallKind::Exec, _) => self.exec(&ask, step).await,
            (_, StepTarget::Project { name, .. }) if ask.of_compose => self.compose_as_it_is(name, ask, step).await,
            _ => self.docker(ask, step).await,
        }
    }

    /// On a project that somebody else has started: commands that read its Compose files are refused.
    async fn compose_as_it_is(&self, name: &str, ask: StepRequest, step: StepCall<'_>) -> Result<i32, NotDone> {
        if !matches!(ask.does, CallKind::Services | CallKind::Port) {
            let why = "reads the Compose files, and somebody may have changed what they ask of this host since the project was \
                       started: run it by hand, or in a drill";
            return refuse(format!("`docker compose {}` {why}", ask.name));
        }
        let mut command = self.target.endpoint().command();
        // What is there says enough, its labels; and Compose would take a file that it finds from here upwards.
        command.arg("compose").args(["--project-name", name]).current_dir("/");
        command.arg(ask.name).args(&ask.words.passed).arg("--").args(&ask.words.rest);
        Ok(process::run(command, &step, &ProcessListing::default()).await?)
    }

    async fn compose(&self, stack: &ComposeStack, ask: StepRequest, step: StepCall<'_>) -> Result<i32, NotDone> {
        let (env, cancel, words) = (&step.call.env, step.cancel, &ask.words);
        let rereading = Rereading { stack, env, profiles: &ask.profiles, out: &step.io.out, cancel };
        if ask.does == CallKind::Config {
            // The team's own file, as the step's environment makes it.
            let (spec, endpoint) = rereading.asked().await?;
            // Somebody may have changed what it reads of the host since the start.
            recreate::resolve(&spec, &endpoint).await?;
            let mut command = model::reading(&endpoint, &spec);
            command.args(model::file_options(&spec)).arg("config").args(&words.passed);
            command.arg("--").args(&words.rest).current_dir(&stack.model.directory);
            return Ok(process::run(command, &step, &ProcessListing::default()).await?);
        }
        let named = ask.named();
        let needed = [named.clone(), request::scaled_services(&words.values("scale"))].concat();
        let recreates = matches!(ask.does, CallKind::Up | CallKind::Scale | CallKind::Run);
        let model = if recreates {
            let made = rereading.remake(&needed, words.is_set("build")).await?;
            stack.started().model = Some(made.clone());
            made
        } else {
            let known = stack.started().model.clone();
            known.ok_or_else(|| NotDone::failed("the stack has not been started"))?
        };
        let services = stack.named_in(&model);
        if let Some(unknown) = needed.iter().find(|name| !services.contains(name)) {
            let all = services.join(", ");
            return refuse(format!("there is no service `{unknown}` in this drill; there are: {all}"));
        }
        if ask.does == CallKind::Exec {
            return self.exec(&ask, step).await;
        }
        // Compose's `--wait` fails at a container whose health check is turned off, as that of a fault's process is, and at one that
        // has ended: those that the step does not name are started by a call that does not wait.
        let mut apart: Vec<String> = Vec::new();
        // Never none: that would mean ours as well.
        let mut rest = match ask.does {
            CallKind::Services | CallKind::Up if named.is_empty() => {
                let (waits, started) = (words.is_set("wait"), stack.started());
                let is_apart = |name: &String| waits && started.processes.contains_key(name) && !needed.contains(name);
                let all: (Vec<String>, Vec<String>) = services.into_iter().partition(is_apart);
                apart = all.0;
                all.1
            }
            _ => words.rest.clone(),
        };
        ensure(!rest.is_empty(), "this stack has no services")?;
        let model = match (ask.does, words.rest.first()) {
            (CallKind::Run, Some(service)) => {
                // Beside an entrypoint of the call Compose takes no command of the model's.
                let command = if words.value("entrypoint").is_none() { rest.split_off(1) } else { Vec::new() };
                with_given(model, service, &command, &words.env)
            }
            _ => model,
        };
        let mut passed = words.passed.clone();
        if ask.name == "pull" {
            // The tags of the host's images are not the drill's to move.
            passed.push("--policy=missing".into());
        }
        let mut calls = vec![(passed, rest)];
        if !apart.is_empty() {
            calls.push((["--detach", "--no-deps"].map(str::to_string).into(), apart));
        }
        let (stdout, stderr) = match ask.does {
            CallKind::Run => (Change::Nothing, Change::Progress),
            CallKind::Services if ask.name == "logs" => (Change::Nothing, Change::Everything),
            _ => (Change::Everything, Change::Everything),
        };
        let show = ProcessListing { names: Team::of(stack).await?.names, stdout, stderr };
        let (out, mut stdin) = (step.io.out, (ask.does == CallKind::Run).then_some(step.io.stdin));
        // While it runs, and when it is cut off, the engine may be making a container that nobody knows yet.
        let making = recreates.then(|| Making::of(&stack.started));
        let (compose, mut exit) = (stack.compose(cancel), 0);
        for (passed, rest) in calls {
            let file = ModelFile(model_file(&model)?);
            let path = file.path();
            let options = compose.options.iter().map(|option| if option == "-" { &path } else { option });
            let mut command = compose.endpoint.command();
            command.arg("compose").args(options).arg(ask.name).args(passed).arg("--").args(rest);
            file.hand_to(&mut command);
            let ended = process::run_with(command, stdin.take(), &out, &show, cancel).await?;
            exit = if exit == 0 { ended } else { exit };
            if cancel.is_cancelled() {
                break;
            }
        }
        if let Some(making) = making.filter(|_| !cancel.is_cancelled()) {
            making.over();
        }
        Ok(exit)
    }

    /// The team's containers.
    async fn team(&self) -> Result<Team, NotDone> {
        Ok(match &self.target {
            StepTarget::Drill(stack) => Team::of(stack).await?,
            StepTarget::Project { name, endpoint, .. } => Team::of_project(endpoint, name).await?,
        })
    }
}

/// A model in which a service has another command, if there is one, and more variables: what a step gives to a container of its own stands
/// on no command line.
fn with_given(mut model: Value, service: &str, command: &[String], env: &[(String, String)]) -> Value {
    if let Some(service) = model::service_mut(&mut model, service) {
        if !command.is_empty() {
            service["command"] = command.iter().map(|word| Value::String(model::escape(word))).collect();
        }
        if !env.is_empty() {
            service["environment"] = with_more(service.get("environment"), env);
        }
    }
    model
}

/// The environment of a service with more variables in it.
pub(super) fn with_more(environment: Option<&Value>, env: &[(String, String)]) -> Value {
    let mut all = environment.and_then(Value::as_object).cloned().unwrap_or_default();
    all.extend(env.iter().map(|(name, value)| (name.clone(), Value::String(model::escape(value)))));
    Value::Object(all)
}

/// A command under way that makes containers; several may be. Unless it says that it is over it was cut off, and the engine may still be
/// carrying out its last request.
pub(super) struct Making(Arc<Mutex<Started>>);

impl Making {
    /// One more, from now on.
    pub(super) fn of(started: &Arc<Mutex<Started>>) -> Making {
        crate::locked(started).making += 1;
        Making(started.clone())
    }

    /// It has ended by itself.
    pub(super) fn over(self) {
        crate::locked(&self.0).making -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Redactor;
    use serde_json::json;

    #[test]
    fn a_making_that_was_cut_off_is_not_forgotten_by_others() {
        let started: Arc<Mutex<Started>> = Arc::default();
        let unsettled = || started.lock().unwrap().making > 0;
        let (first, second) = (Making::of(&started), Making::of(&started));
        first.over();
        assert!(unsettled(), "the second is under way");
        second.over();
        assert!(!unsettled());
        let (first, second) = (Making::of(&started), Making::of(&started));
        drop(first);
        second.over();
        assert!(unsettled(), "the first was cut off");
        // Whichever ends last.
        let started: Arc<Mutex<Started>> = Arc::default();
        let (first, second) = (Making::of(&started), Making::of(&started));
        drop(second);
        first.over();
        assert!(started.lock().unwrap().making > 0, "the second was cut off");
    }

    #[tokio::test]
    async fn an_argument_forges_no_line_of_the_log_of_calls() {
        let dir = tempfile::tempdir().unwrap();
        let forged = "x (exit 0, 0.1 s)\ndocker compose stop db (exit 0, 0.1 s)\r::add-mask::a\u{1b}[2J ##[group]";
        let args = ["exec", "web", forged].map(str::to_string).into();
        let call = ToolCall { program: "docker".into(), args, ..ToolCall::default() };
        let (io, _peer) = CallIo::pair();
        let failed = async { Err(NotDone::failed("no such container\ndocker ps (exit 0, 0.0 s)")) };
        answer(&call, &io.out, &CancellationToken::new(), failed, (dir.path(), "docker.log", &Secrets::default()))
            .await;
        let log = std::fs::read_to_string(dir.path().join("logs/docker.log")).unwrap();
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(log.starts_with("docker exec web x (exit 0, 0.1 s)\u{240a}docker compose stop db"), "{log}");
        assert!(!log.contains(['\u{1b}', '\r']) && !log.contains("##["), "{log}");
    }

    #[test]
    fn what_a_step_gives_to_a_container_of_its_own_is_in_the_model() {
        let model = json!({ "services": { "web": { "environment": { "A": "1", "B": "2" } }, "db": {} } });
        let given = [("B".to_string(), "$x".to_string()), ("TOKEN".to_string(), "of-the-step".to_string())];
        let more = with_given(model.clone(), "web", &["psql".to_string(), "$x".to_string()], &given);
        assert_eq!(more["services"]["web"]["environment"], json!({ "A": "1", "B": "$$x", "TOKEN": "of-the-step" }));
        assert_eq!(more["services"]["web"]["command"], json!(["psql", "$$x"]));
        let of_db = with_given(model.clone(), "db", &[], &given);
        assert_eq!(of_db["services"]["db"], json!({ "environment": { "B": "$$x", "TOKEN": "of-the-step" } }));
        assert_eq!(with_given(model.clone(), "web", &[], &[]), model);
    }

    #[tokio::test]
    async fn a_secret_that_a_step_found_out_is_not_in_the_log_of_calls() {
        let dir = tempfile::tempdir().unwrap();
        let secrets = Secrets::new(Redactor::new(["of-the-stack".to_string()]));
        let args = ["login", "of-the-stack", "of-a-step", "later-on"].map(str::to_string).into();
        let call = ToolCall { program: "docker".into(), args, ..ToolCall::default() };
        let (io, _peer) = CallIo::pair();
        let found_out = async {
            secrets.hide(["of-a-step".to_string()]);
            Ok(0)
        };
        answer(&call, &io.out, &CancellationToken::new(), found_out, (dir.path(), "docker.log", &secrets)).await;
        let logs = dir.path().join("logs");
        let read = || std::fs::read_to_string(logs.join("docker.log")).unwrap();
        assert!(read().starts_with("docker login *** *** later-on (exit 0"), "{}", read());
        // And what was found out by a call that had been written by then.
        secrets.hide(["later-on".to_string()]);
        crate::stack::tools::clean_calls(&logs, &secrets.redactor()).await.unwrap();
        assert!(read().starts_with("docker login *** *** *** (exit 0"), "{}", read());
    }
}
