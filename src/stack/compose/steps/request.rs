//! What a step asks for: a pure function from a command line to something that is allowed, or to the reason why not.

use super::arguments::{Arguments, CallKind, ListedCall, NotDone, ensure, global_flags, instead, listed, read, refuse};
use super::lookup::FileLookup;
use crate::source::nearest;
use crate::stack::ToolCall;
use std::path::PathBuf;

/// Exit code of Compose where it finds no file.
pub(super) const NO_FILE: i32 = 14;
/// Most containers of a service that a step may ask for.
const MOST: u32 = 100;

/// The stack as far as a command line names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::stack::compose) struct Known {
    /// The project's name as the team has it.
    pub team: String,
    /// The project's name in the drill.
    pub own: String,
    /// Its Compose files, and how calls may lead to them.
    pub lookup: FileLookup,
}

/// A command of Compose or of Docker that is allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StepRequest {
    /// Whether it is one of Compose.
    pub of_compose: bool,
    /// Its name.
    pub name: &'static str,
    /// How it is carried out.
    pub does: CallKind,
    /// Its words; of [`CallKind::Itself`] only those that are passed on, the name among them.
    pub words: Arguments,
    /// Profiles that it enables.
    pub profiles: Vec<String>,
    /// The directories for which the one in which its session began may stand, by what it says of the stack's file; none where it says
    /// nothing.
    pub bases: Vec<PathBuf>,
}

impl StepRequest {
    /// The services that a command of Compose names.
    pub(super) fn named(&self) -> Vec<String> {
        match self.does {
            CallKind::Scale => scaled_services(&self.words.rest),
            CallKind::Services | CallKind::Up => self.words.rest.clone(),
            _ => self.words.rest.iter().take(1).cloned().collect(),
        }
    }
}

/// A copy between a container and where the step runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CopyRequest {
    /// Whether the container is the source.
    pub is_out: bool,
    /// The container or service.
    pub name: String,
    /// The path in it.
    pub path: String,
    /// The path where the step runs; `None` for an archive on standard input or output.
    pub here: Option<String>,
}

/// Reads a call.
pub(super) fn parse(call: &ToolCall, known: &Known) -> Result<StepRequest, NotDone> {
    ensure(!call.args.iter().any(|arg| arg.contains('\0')), "an argument holds a NUL byte")?;
    elsewhere(&call.env)?;
    match call.program.as_str() {
        "docker" => docker(call, known),
        "docker-compose" => compose(&call.args, call, known),
        "kubectl" => refuse("`kubectl` has no cluster here: this stack is a Compose project"),
        other => refuse(format!("`{other}` is not carried out")),
    }
}

fn docker(call: &ToolCall, known: &Known) -> Result<StepRequest, NotDone> {
    let env = &call.env;
    let global = read(&call.args, &global_flags("docker"), true, env)?;
    if global.is_set("version") {
        return itself(["--version"]);
    }
    let Some((name, rest)) = global.rest.split_first() else { return itself(["--help"]) };
    // `docker container restart` is `docker restart`.
    let (name, rest) = match (name.as_str(), rest.split_first()) {
        ("compose", _) => return compose(rest, call, known),
        ("help", _) => return itself(["--help"]),
        ("container", Some((name, rest))) => (name.as_str(), rest),
        ("network", Some((name, rest))) if name == "connect" => ("network-connect", rest),
        ("network", Some((name, rest))) if name == "disconnect" => ("network-disconnect", rest),
        (name, _) => (name, rest),
    };
    let name = if matches!(name, "ls" | "list") { "ps" } else { name };
    let (name, does, flags) = find("docker", name)?;
    let mut words = read(rest, &flags, matches!(does, CallKind::Exec | CallKind::One), env)?;
    if words.is_set("help") {
        return itself(name.split('-').chain(["--help"]));
    }
    if let Some(seconds) = words.value("time") {
        words.passed.push(format!("--timeout={seconds}"));
    }
    let least = match does {
        CallKind::Itself => return itself([name.to_string()].into_iter().chain(words.passed)),
        CallKind::Stats if !words.is_set("no-stream") => return refuse("use `docker stats --no-stream`"),
        CallKind::List | CallKind::Stats => 0,
        CallKind::Exec | CallKind::Copy | CallKind::Network => 2,
        _ => 1,
    };
    has_words("docker", name, &words, least)?;
    ensure(does != CallKind::List || words.rest.is_empty(), "`docker ps` takes no arguments")?;
    let of_containers = words.value("type").is_none_or(|kind| kind == "container");
    ensure(of_containers, "only containers of the drill can be inspected")?;
    if does == CallKind::One {
        // `docker top` hands its options to the host's `ps`, `docker port` a port.
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_,=:%+/".contains(c);
        if let Some(odd) = words.rest.iter().skip(1).find(|word| !word.chars().all(plain) || word.starts_with('/')) {
            return refuse(format!("`{odd}` is no option that a drill allows here"));
        }
    }
    if does == CallKind::Copy {
        copied(&words)?;
    }
    Ok(StepRequest { name, does, words, ..StepRequest::default() })
}

/// A variable that the step has set to something.
fn variable<'e>(env: &'e [(String, String)], name: &str) -> Option<&'e str> {
    env.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
}

/// Refuses what a step would send to another engine.
fn elsewhere(env: &[(String, String)]) -> Result<(), NotDone> {
    [("DOCKER_HOST", "unix://"), ("DOCKER_CONTEXT", "default")].into_iter().try_for_each(|(name, here)| {
        let value = variable(env, name).unwrap_or(here);
        let why = format!("`{name}={value}`: a drill has the engine on which it runs and no other one");
        ensure(value.starts_with(here), why)
    })
}

fn compose(args: &[String], call: &ToolCall, known: &Known) -> Result<StepRequest, NotDone> {
    let env = &call.env;
    let global = read(args, &global_flags("compose"), true, env)?;
    if global.is_set("version") {
        return itself(["compose", "version"]);
    }
    // A flag wins over the variable of the same meaning.
    let named = |flag: &str, name: &str, between: char| match global.values(flag) {
        none if none.is_empty() => {
            variable(env, name).into_iter().flat_map(|all| all.split(between)).map(str::to_string).collect()
        }
        given => given,
    };
    let files = named("file", "COMPOSE_FILE", ':');
    let bases = known.lookup.meant(call, &files, global.value("project-directory"));
    let own = known.lookup.shown(call);
    let why = format!(
        "`-f {}`: that leads to no file of the stack, which is `{own}` where the steps run; where the project lies in production, the \
         scenario says: `stack: {{ file: …, directory: /srv/shop }}`",
        files.join(" -f ")
    );
    ensure(files.is_empty() || !bases.is_empty(), why)?;
    let env_files = named("env-file", "COMPOSE_ENV_FILES", ',');
    let are_own = env_files.is_empty() || known.lookup.means_env(call, &env_files, &bases);
    let of_scenario = "these are not the env files of the scenario (`stack: { env_files: … }`)";
    ensure(are_own, format!("`--env-file {}`: {of_scenario}", env_files.join(",")))?;
    let project = global.value("project-name").or(variable(env, "COMPOSE_PROJECT_NAME"));
    if let Some(project) = project.filter(|name| *name != known.team && *name != known.own) {
        let team = &known.team;
        return refuse(format!("`-p {project}`: other projects are no part of the drill (its own is `{team}`)"));
    }
    let profiles = global.values("profile");
    let is_profile = |name: &String| ensure(is_name(name), format!("`--profile {name}`: that is no name of a profile"));
    profiles.iter().try_for_each(is_profile)?;
    let Some((name, rest)) = global.rest.split_first() else { return itself(["compose", "--help"]) };
    if global.is_set("help") || name == "help" {
        return itself(["compose", "--help"]);
    }
    let (name, does, flags) = find("compose", name)?;
    let words = read(rest, &flags, matches!(does, CallKind::Exec | CallKind::Run), env)?;
    if words.is_set("help") {
        return itself(["compose", name, "--help"]);
    } else if does == CallKind::Itself {
        return itself(["compose", name].map(str::to_string).into_iter().chain(words.passed));
    }
    check_compose(name, does, &words)?;
    // By the name alone it finds the containers, from anywhere; what makes some needs the file.
    let makes = matches!(does, CallKind::Up | CallKind::Scale | CallKind::Run | CallKind::Config);
    let by_name = files.is_empty() && project.is_some() && !makes;
    let has_all = !makes || bases.is_empty() || known.lookup.means_all(call, &files, &bases);
    let all = "needs all files of the stack, with `-f` and in the order of the scenario's `stack`";
    ensure(has_all, format!("`docker compose {name}` {all}"))?;
    let told_nothing = by_name || known.lookup.files.is_empty();
    if bases.is_empty() && !told_nothing {
        // As Compose says it, and where the file is.
        let why = format!(
            "no configuration file provided: not found\nfiredrill: the stack's file is `{own}` where the steps run; Compose looks for \
             `compose.yaml` and the like in `{}` and above, and needs `-f` or `COMPOSE_FILE` for another one",
            call.cwd
        );
        return Err(NotDone { exit: NO_FILE, why });
    }
    let bases = if told_nothing { Vec::new() } else { bases };
    Ok(StepRequest { of_compose: true, name, does, words, profiles, bases })
}

fn check_compose(name: &str, does: CallKind, words: &Arguments) -> Result<(), NotDone> {
    let detached = ["detach", "wait", "no-start"].iter().any(|flag| words.is_set(flag));
    ensure(name != "up" || detached, "without `-d` it would never end: use `docker compose up -d`")?;
    ensure(
        words.value("pull").is_none_or(|policy| matches!(policy, "missing" | "never")),
        "`--pull` may be `missing` or `never`: the tags of the host's images are not the drill's to move",
    )?;
    words.values("scale").iter().try_for_each(|scale| scaled(scale).map(drop))?;
    let least = match does {
        CallKind::Exec | CallKind::Port => 2,
        CallKind::Scale | CallKind::Run => 1,
        _ => 0,
    };
    has_words("docker compose", name, words, least)?;
    match does {
        CallKind::Scale => words.rest.iter().try_for_each(|scale| scaled(scale).map(drop)),
        CallKind::Run | CallKind::Exec => words.rest.iter().take(1).try_for_each(|name| service(name)),
        CallKind::Port => match words.rest.as_slice() {
            [name, port] if !port.is_empty() && port.chars().all(|c| c.is_ascii_digit()) => service(name),
            _ => refuse("`docker compose port` needs a service and a port"),
        },
        CallKind::Copy => service(&copied(words)?.name),
        _ => words.rest.iter().try_for_each(|name| service(name)),
    }
}

fn has_words(program: &str, name: &str, words: &Arguments, least: usize) -> Result<(), NotDone> {
    ensure(words.rest.len() >= least, format!("`{program} {name}` needs at least {least} argument(s)"))
}

/// `web=3`: service and number.
fn scaled(text: &str) -> Result<(String, u32), NotDone> {
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number <= MOST);
    match text.split_once('=').map(|(name, count)| (name, number(count))) {
        Some((name, Some(number))) => service(name).map(|()| (name.to_string(), number)),
        _ => refuse(format!("`{text}`: expected SERVICE=NUMBER, at most {MOST}")),
    }
}

/// The services of such texts.
pub(super) fn scaled_services(texts: &[String]) -> Vec<String> {
    texts.iter().filter_map(|text| Some(scaled(text).ok()?.0)).collect()
}

/// What a copy is to do: exactly one of its ends is in a container.
pub(super) fn copied(words: &Arguments) -> Result<CopyRequest, NotDone> {
    let [from, to] = words.rest.as_slice() else { return refuse("a copy needs a source and a destination") };
    let ((name, path), here, is_out) = match (in_container(from), in_container(to)) {
        (Some(_), Some(_)) => return refuse("copying from container to container is not supported"),
        (Some(there), None) => (there, to, true),
        (None, Some(there)) => (there, from, false),
        (None, None) => return refuse("one end of a copy must be in a container: CONTAINER:PATH"),
    };
    let here = Some(here.clone()).filter(|here| here != "-");
    Ok(CopyRequest { is_out, name: name.to_string(), path: path.to_string(), here })
}

/// The container or service, and the path in it; `None` for a path where the step runs, and for an archive on standard input or output.
fn in_container(end: &str) -> Option<(&str, &str)> {
    end.split_once(':').filter(|(name, _)| !name.is_empty() && !name.starts_with('.') && !name.contains('/'))
}

/// A name of the team's, and none of Firedrill's own services.
fn service(name: &str) -> Result<(), NotDone> {
    ensure(!name.starts_with("fd-"), format!("`{name}` is Firedrill's own and no part of the stack"))?;
    ensure(is_name(name), format!("`{name}` is no name of a service"))
}

fn is_name(name: &str) -> bool {
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    first && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// The real command says something of itself.
fn itself(args: impl IntoIterator<Item = impl Into<String>>) -> Result<StepRequest, NotDone> {
    let words = Arguments { passed: args.into_iter().map(Into::into).collect(), ..Arguments::default() };
    Ok(StepRequest { words, ..StepRequest::default() })
}

/// A command of a program that is allowed.
fn find(program: &str, name: &str) -> Result<ListedCall, NotDone> {
    let allowed = || {
        let known: Vec<&str> = listed(program).map(|(known, ..)| known).collect();
        format!("allowed are {}", known.join(", ").replace('-', " "))
    };
    let why = || instead(name).map_or_else(allowed, str::to_string);
    let shown = if program == "compose" { "docker compose" } else { program };
    let names = listed(program).map(|(known, ..)| known).chain((program == "docker").then_some("compose"));
    // `rmi` is none of `rm`.
    let meant = nearest(name, names)
        .filter(|_| name.len() > 3)
        .map(|near| format!(" (did you mean `{shown} {near}`?)"))
        .unwrap_or_default();
    let unknown = || NotDone::refused(format!("`{shown} {name}` is not carried out in a drill{meant}; {}", why()));
    listed(program).find(|(known, ..)| *known == name).ok_or_else(unknown)
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
