//! `firedrill init`: writes a first scenario and a runbook for the project's Compose file, from what that file tells; where
//! there is none, also a stub of a stack. Nothing is asked, and nothing is overwritten.

mod choice;
mod facts;
mod routes;
mod text;

use super::evidence::{entries, folders};
use super::findings::StackCheck;
use crate::error::{Error, Exit};
use crate::output::{print, say, visible};
use crate::record::utc_now;
use crate::source::{Source, list, outside, render, tidy};
use crate::spec;
use crate::stack::{Platform, ResolveError, ResolvedStack, ServiceFacts, StackRequest, platform};
use crate::view::answers::capital;
use choice::{InitChoice, choose};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use text::{fill, yaml};

const SCENARIO: &str = include_str!("init/scenario.yaml");
const RUNBOOK: &str = include_str!("init/runbook.md");
const STUB: &str = include_str!("init/compose.yaml");
/// The names under which Compose itself looks for its file, in its order.
const COMPOSE_FILES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
/// How deep below the project a Compose file is looked for.
const FOLDERS_DEEP: usize = 3;

/// Writes a first scenario and its runbook from what the project's Compose file tells.
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// The Compose file; found by its usual names when it is not given.
    #[arg(long, value_name = "FILE")]
    stack: Option<PathBuf>,
    /// A runbook that you have: no other one is written.
    #[arg(long, value_name = "FILE")]
    runbook: Option<PathBuf>,
    /// Name of scenario and runbook.
    #[arg(long)]
    name: Option<String>,
    /// The service that users call.
    #[arg(long)]
    service: Option<String>,
    /// Print what would be written, and write nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    allow: super::consent::Allow,
}

/// Runs the command.
pub async fn run(args: InitArgs, globals: &super::Globals) -> Result<Exit, Error> {
    let project = tidy(&globals.project);
    let mut files: Vec<(PathBuf, String)> = Vec::new();
    let platform = platform();
    let (stack, stack_name, known) = match compose_file(args.stack.as_deref(), &project)? {
        Some(stack) => {
            let (resolved, root) = (resolved(&stack, &*platform).await?, spec::root_of(&stack, &globals.overrides([])));
            let mut known = resolved.facts();
            // Nobody has allowed yet that anything else is read.
            for one in &mut known {
                one.source = one.source.take().filter(|source| outside(&root, source).is_none());
            }
            (stack, resolved.name().to_string(), known)
        }
        None => {
            let stack = project.join("stacks/example/compose.yaml");
            files.push((stack.clone(), STUB.into()));
            (stack, "example".to_string(), vec![of_stub()])
        }
    };
    let is_stub = !files.is_empty();
    let services = facts::services(&known);
    let choice = choose(&services, args.service.as_deref())?;
    let name = args.name.unwrap_or_else(|| choice.name());
    check_name(&name)?;
    let scenario = project.join(format!("scenarios/{name}.yaml"));
    let own = args.runbook.is_some();
    let runbook = args.runbook.unwrap_or_else(|| project.join(format!("runbooks/{name}.md")));
    let [text, of_runbook] = texts(&choice, &name, (&stack, &stack_name), &project, (&runbook, own));
    files.push((scenario.clone(), text));
    if !own {
        let reading = super::accept::all(&runbook, &of_runbook)?;
        files.push((runbook.clone(), of_runbook));
        files.push(reading);
    } else if !runbook.is_file() {
        return Err(Error::usage(format!("there is no runbook `{}`", visible(&runbook.to_string_lossy()))));
    }
    refuse_to_overwrite(&files)?;
    if args.dry_run {
        for (path, text) in &files {
            print(&format!("# {}\n{text}\n", tidy(path).display()))?;
        }
        return Ok(Exit::Passed);
    }
    for (path, text) in &files {
        write_new(path, text)?;
        print(&format!("written  {}\n", tidy(path).display()))?;
    }
    if let Some(advice) = &choice.advice {
        print(&format!("note     {advice}\n"))?;
    }
    // At once what `check` would say: the stack may hold what a drill must not touch. A stub is resolved by nobody.
    let (plan, diags) = spec::load(&scenario, &args.allow.overrides(globals, []));
    let mut check = StackCheck::new(&*platform, diags);
    if let Some(plan) = plan.filter(|_| !is_stub) {
        check.resolve(&plan).await?;
    }
    say(&render(&check.diags, globals.color()));
    say(&check.consent().map(|how| format!("help: {how}\n")).unwrap_or_default());
    let here = if project == Path::new(".") { String::new() } else { format!("-C {} ", project.display()) };
    let runbook = tidy(&runbook).display().to_string();
    let accept = if own { format!("firedrill accept {runbook}\n         ") } else { String::new() };
    print(&format!(
        "\nnext     edit what is marked with \"check:\", then\n         {accept}firedrill {here}check\n         firedrill show {runbook}\n         \
         firedrill {here}scenario {name}\n         firedrill {here}scenario {name} --control\n",
    ))?;
    Ok(if check.diags.has_errors() { Exit::Usage } else { Exit::Passed })
}

/// The stack's file: the one that is named, else the one in the project's folder, else the only one below it, under
/// whatever name. `None` when there is none at all.
fn compose_file(named: Option<&Path>, project: &Path) -> Result<Option<PathBuf>, Error> {
    if let Some(path) = named {
        let file = if path.is_file() { Some(path.to_path_buf()) } else { in_folder(path).into_iter().next() };
        let none = || Error::usage(format!("there is no Compose file `{}`", path.display()));
        return file.ok_or_else(none).map(Some);
    }
    let mut found = in_folder(project);
    if found.is_empty() {
        found = folders(project, FOLDERS_DEEP).iter().flat_map(|folder| in_folder(folder)).collect();
    }
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        several => {
            let names: Vec<String> = several.iter().map(|path| tidy(path).display().to_string()).collect();
            Err(Error::usage(format!("there are several Compose files: {}", list(&names)))
                .hint("name one with `--stack`"))
        }
    }
}

/// The Compose files of a folder: the one that Compose itself finds there, else all YAML files with services.
fn in_folder(folder: &Path) -> Vec<PathBuf> {
    if let Some(file) = COMPOSE_FILES.iter().map(|name| folder.join(name)).find(|file| file.is_file()) {
        return vec![file];
    }
    entries(folder).into_iter().filter(|path| is_compose(path)).collect()
}

/// Whether a file under another name is one of Compose's. What overrides another file is none by itself, and
/// `services.yaml` is Firedrill's own.
fn is_compose(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let yaml = name.ends_with(".yaml") || name.ends_with(".yml");
    yaml && name != "services.yaml"
        && !name.contains(".override.")
        && Source::read(path).is_ok_and(|file| file.text.lines().any(|line| line.trim_end() == "services:"))
}

async fn resolved(stack: &Path, platform: &dyn Platform) -> Result<Arc<dyn ResolvedStack>, Error> {
    let root = std::path::absolute(stack).ok().and_then(|stack| Some(stack.parent()?.to_path_buf()));
    let (file, root, up_within) = (stack.to_path_buf(), root.unwrap_or_default(), Duration::from_secs(120));
    let spec = StackRequest { file, root, up_within, ..StackRequest::default() };
    platform.resolve(&spec).await.map_err(|error| match error {
        ResolveError::Environment(error) => error.into(),
        invalid => {
            let (rejected, help) = platform.rejection();
            Error::usage(format!("{rejected}: {invalid}")).hint(help)
        }
    })
}

/// The one service of the stub, as it will be resolved.
fn of_stub() -> ServiceFacts {
    let (name, image) = ("web".into(), "nginx:stable".into());
    ServiceFacts { name, image, ports: [80].into(), has_name: true, ..ServiceFacts::default() }
}

fn check_name(name: &str) -> Result<(), Error> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || name.len() > 64 || name.starts_with(['.', '-']) || !name.chars().all(fits) {
        return Err(Error::usage(format!("`{}` cannot be the name of a scenario", crate::source::shorten(name)))
            .hint("names are letters, digits, `_`, `-` and `.`, at most 64 of them: `--name NAME`"));
    }
    Ok(())
}

/// The texts of the scenario and of its runbook.
fn texts(
    choice: &InitChoice,
    name: &str,
    (stack, stack_name): (&Path, &str),
    project: &Path,
    (runbook, own): (&Path, bool),
) -> [String; 2] {
    let load_notes: String = choice.load_notes.iter().map(|note| format!("    # {note}\n")).collect();
    let (shown, title) = (from_scenarios(stack, project), capital(&choice.title()));
    let respond = match own {
        true => "# check: values for the inputs of the runbook\n# respond: { vars: { NAME: value } }\n".into(),
        false => format!("respond:\n  vars:\n    SERVICE: {}\n    URL: {}\n", yaml(&choice.target), choice.url),
    };
    let [impact, mitigation] = choice.words();
    let values: [(&str, &str); 17] = [
        ("from", &visible(&shown)),
        ("title", &title),
        ("title as yaml", &yaml(&title)),
        ("tags", &yaml(stack_name)),
        ("stack", &yaml(&shown)),
        ("runbook", &yaml(&from_scenarios(runbook, project))),
        ("respond", &respond),
        ("load_notes", &load_notes),
        ("url", &choice.url),
        ("fault", &choice.fault()),
        ("entry", &choice.entry),
        ("project", stack_name),
        ("today", &utc_now().date().to_string()),
        ("alert", &name.split(['-', '_', '.']).map(capital).collect::<String>()),
        ("target", &choice.target),
        ("impact", &impact),
        ("mitigation", &mitigation),
    ];
    let file = stack.file_name().unwrap_or_default().to_string_lossy();
    let text = fill(RUNBOOK, &values);
    let text = match COMPOSE_FILES.contains(&&*file) {
        true => text,
        // Compose does not find it by itself.
        false => text.replace("docker compose ", &format!("docker compose -f {} ", quoted(&file))),
    };
    [fill(SCENARIO, &values), text]
}

/// A word for bash.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if word.chars().all(plain) { word.to_string() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// The path of the stack as it stands in a scenario: relative to `scenarios/` where that is possible.
fn from_scenarios(stack: &Path, project: &Path) -> String {
    let whole = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path));
    let (Ok(stack), Ok(project)) = (whole(stack), whole(project)) else { return stack.display().to_string() };
    stack.strip_prefix(project).map_or(stack.display().to_string(), |inside| format!("../{}", inside.display()))
}

fn refuse_to_overwrite(files: &[(PathBuf, String)]) -> Result<(), Error> {
    let there = files.iter().filter(|(path, _)| path.symlink_metadata().is_ok());
    let there: Vec<String> = there.map(|(path, _)| tidy(path).display().to_string()).collect();
    if there.is_empty() {
        return Ok(());
    }
    Err(Error::usage(format!("nothing was written, because of what is there already: {}", list(&there)))
        .hint("give the new scenario another name: `--name NAME`"))
}

fn write_new(path: &Path, text: &str) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = crate::record::no_link(path)
        .and_then(|()| std::fs::create_dir_all(folder))
        // Somebody may have made it since it was looked for.
        .and_then(|()| std::fs::File::create_new(path))
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Error::harness(format!("writing {}: {error}", path.display())))
}
