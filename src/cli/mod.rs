//! One file per subcommand; clap types end here, nothing below sees clap.

mod accept;
mod actions;
mod agent;
mod alerts;
mod ask;
mod budget;
mod check;
mod completions;
mod conduct;
mod consent;
mod coverage;
mod docker_call;
mod doctor;
mod evidence;
mod faults;
mod findings;
mod gameday;
mod history;
mod init;
mod job;
mod lint;
mod list;
mod note;
mod notify;
mod postmortem;
mod proxy;
mod reaper;
mod report;
mod run;
mod scenario;
mod schema;
mod sealing;
mod shell;
mod show;
mod stop;
mod sweep;
mod undo;
mod verify;

use crate::error::{Error, Exit};
use crate::output;
use crate::source::{Diagnostics, Source, render, tidy};
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

/// Proves that runbooks work: breaks a real stack on purpose, follows the Markdown runbook while the fault is still
/// on, and fails when the users' indicators do not recover.
#[derive(Parser)]
#[command(name = "firedrill", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Subcommands,
}

/// Options that every command takes.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Globals {
    /// Say less: only the summary.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more: the output of every command, waits, clocks.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// No colours (also: the environment variable `NO_COLOR`).
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Directory of the project: where `scenarios/`, `runbooks/` and `.firedrill/` are.
    #[arg(short = 'C', long, global = true, default_value = ".", value_name = "DIR")]
    pub project: std::path::PathBuf,
    /// The project: nothing is read, and no stack mounts anything, from outside of this directory [default: the Git work
    /// tree of the scenario, or the project's directory].
    #[arg(long, global = true, value_name = "DIR")]
    pub root: Option<std::path::PathBuf>,
}

/// How to print what a command shows, or what happens while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum TextOrJson {
    /// For people.
    #[default]
    Text,
    /// As JSON.
    Json,
}

/// What a command has to do with, beside what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CommandSubject {
    /// What it writes holds what happened in runs. The others write files of the project, or work in containers.
    Records,
    /// It judges the commands of runbooks.
    Runbooks,
}

/// The commands, each by the file that runs it and its arguments there, with its subjects.
macro_rules! subcommands {
    ($($(#[$meta:meta])* $name:ident($module:ident::$args:ident) [$($subject:ident),*],)+) => {
        #[derive(Subcommand)]
        enum Subcommands {
            $($(#[$meta])* $name($module::$args),)+
            #[command(hide = true)]
            DockerCall(docker_call::DockerCallArgs),
        }

        impl Subcommands {
            fn is_about(&self, subject: CommandSubject) -> bool {
                let all: &[CommandSubject] = match self {
                    $(Subcommands::$name(_) => &[$(CommandSubject::$subject),*],)+
                    Subcommands::DockerCall(_) => &[],
                };
                all.contains(&subject)
            }

            async fn run(self, globals: &Globals) -> Result<Exit, Error> {
                match self {
                    $(Subcommands::$name(args) => $module::run(args, globals).await,)+
                    // Its exit code is not one of ours.
                    Subcommands::DockerCall(_) => Ok(Exit::Usage),
                }
            }
        }
    };
}

subcommands! {
    Scenario(scenario::ScenarioArgs) [Records, Runbooks],
    Gameday(gameday::GamedayArgs) [Records, Runbooks],
    Run(run::RunArgs) [Records, Runbooks],
    Accept(accept::AcceptArgs) [Runbooks],
    List(list::ListArgs) [],
    Show(show::ShowArgs) [Runbooks],
    Check(check::CheckArgs) [Runbooks],
    Lint(lint::LintArgs) [Runbooks],
    History(history::HistoryArgs) [Records],
    Coverage(coverage::CoverageArgs) [Records],
    Note(note::NoteArgs) [Records],
    Stop(stop::StopArgs) [Records],
    Postmortem(postmortem::PostmortemArgs) [Records],
    Actions(actions::ActionsArgs) [],
    Alerts(alerts::AlertsArgs) [],
    Budget(budget::BudgetArgs) [],
    Faults(faults::FaultsArgs) [],
    Init(init::InitArgs) [Runbooks],
    Schema(schema::SchemaArgs) [],
    Completions(completions::CompletionsArgs) [],
    Report(report::ReportArgs) [Records],
    Verify(verify::VerifyArgs) [Records],
    Doctor(doctor::DoctorArgs) [],
    Proxy(proxy::ProxyArgs) [],
    Sweep(sweep::SweepArgs) [Records],
    #[command(hide = true)]
    Agent(agent::AgentArgs) [],
    #[command(hide = true)]
    Shell(shell::ShellArgs) [],
    #[command(hide = true)]
    Reaper(reaper::ReaperArgs) [Records],
    #[command(hide = true)]
    Job(job::JobArgs) [Records],
}

impl Globals {
    /// Reads what the project says of its own programs, if it says something.
    fn add_programs(&self) -> Result<(), Error> {
        let add = |source: &Arc<Source>, diags: &mut Diagnostics| {
            crate::programs::add(source, diags);
            (!diags.has_errors()).then(|| self.tell(&render(diags, self.color())))
        };
        read_own(None, crate::programs::FILE, "the file of programs", self, add).map(drop)
    }

    /// The error of files that cannot be used.
    fn mistakes(&self, what: &str, diags: &Diagnostics) -> Error {
        Error::usage(format!("{what}\n\n{}", render(diags, self.color()).trim_end()))
    }

    /// What was read for a drill, with its warnings told: an input without a value, a `--var` that no step uses is better said
    /// before than learnt from it.
    fn fit<T>(&self, (read, diags): (Option<T>, Diagnostics)) -> Result<T, Error> {
        let text = render(&diags, self.color());
        let read = read.filter(|_| !diags.has_errors());
        let read = read.ok_or_else(|| Error::usage(format!("nothing was started\n{text}")))?;
        self.tell(&text);
        Ok(read)
    }

    /// Says what is left out with `--quiet`.
    fn tell(&self, text: &str) {
        if !self.quiet {
            output::say(text);
        }
    }

    /// What the command line adds to the files that it reads.
    pub fn overrides(&self, vars: impl IntoIterator<Item = (String, String)>) -> crate::spec::Overrides {
        let (vars, project, root) = (vars.into_iter().collect(), self.project.clone(), self.root.clone());
        crate::spec::Overrides { vars, project, root, ..crate::spec::Overrides::default() }
    }

    /// Whether standard error may be coloured.
    pub fn color(&self) -> bool {
        self.may_color() && output::stderr_is_terminal()
    }

    /// Whether standard output may be coloured.
    pub fn stdout_color(&self) -> bool {
        self.may_color() && output::stdout_is_terminal()
    }

    /// Whether a terminal may be coloured.
    pub fn may_color(&self) -> bool {
        !self.no_color && !no_color()
    }
}

/// Reads a file as text; why it cannot be is the error.
fn read_text(path: &Path, what: &str) -> Result<Arc<Source>, Error> {
    Source::read(path).map_err(|error| {
        let mut diags = Diagnostics::default();
        error.report(what, None, &mut diags);
        let text = render(&diags, false);
        // The error that ends a command says so itself.
        Error::usage(text.strip_prefix("error: ").unwrap_or(&text).trim_end().to_string())
    })
}

/// Reads a file; its mistakes are the error.
fn read_file<T, R>(path: &Path, what: &str, globals: &Globals, read: R) -> Result<T, Error>
where
    R: FnOnce(&Arc<Source>, &mut Diagnostics) -> Option<T>,
{
    let mut diags = Diagnostics::default();
    let source = Source::read(path).map_err(|error| error.report(what, None, &mut diags));
    let source = source.map(|source| source.of_project(crate::spec::root_of(path, &globals.overrides([]))));
    let read = source.ok().and_then(|source| read(&source, &mut diags));
    read.ok_or_else(|| globals.mistakes(&format!("{what} has mistakes"), &diags))
}

/// Reads a file of the project: the one that is named, or the usual one; `None` where that is not there.
fn read_own<T, R>(named: Option<&Path>, usual: &str, what: &str, globals: &Globals, read: R) -> Result<Option<T>, Error>
where
    R: FnOnce(&Arc<Source>, &mut Diagnostics) -> Option<T>,
{
    let path = named.map_or_else(|| tidy(&globals.project.join(usual)), Path::to_path_buf);
    if named.is_none() && std::fs::symlink_metadata(&path).is_err() {
        return Ok(None);
    }
    read_file(&path, what, globals, read).map(Some)
}

/// Reads `KEY=VALUE`, as `--var` takes it.
fn key_value(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(key, _)| !key.trim().is_empty());
    parts.map(|(key, value)| (key.trim().to_string(), value.to_string())).ok_or_else(|| "write it as KEY=VALUE".into())
}

fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Parses the command line, runs the command, prints its error; the exit code is the caller's to use.
pub async fn main() -> u8 {
    if let Err(error) = refuse_controls(std::env::args_os().skip(1)) {
        return refused(&error);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return told(&error).code(),
    };
    if let Subcommands::DockerCall(args) = &cli.command {
        return docker_call::run(args);
    }
    run(cli).await.map_or_else(|error| refused(&error), Exit::code)
}

fn refused(error: &Error) -> u8 {
    output::say(&format!("error: {error}\n"));
    error.exit.code()
}

/// Says what is wrong with the command line, or what was asked of it: help and version are not errors.
fn told(error: &clap::Error) -> Exit {
    let (text, of_errors) = (error.render(), error.use_stderr());
    let terminal = if of_errors { output::stderr_is_terminal() } else { output::stdout_is_terminal() };
    let text = if terminal && !no_color() { text.ansi().to_string() } else { text.to_string() };
    if of_errors {
        output::say(&text);
        return Exit::Usage;
    }
    let _ = output::print(&text);
    Exit::Passed
}

/// Refuses names and paths with control characters: they are shown again, and a line end in one would begin a line that nobody has
/// written. Values of inputs may have any, and so may what Firedrill hands to itself.
fn refuse_controls(args: impl Iterator<Item = OsString>) -> Result<(), Error> {
    let mut before = OsString::new();
    for (at, arg) in args.enumerate() {
        if at == 0 && ["agent", "shell", "docker-call", "reaper"].iter().any(|own| arg == *own) {
            return Ok(());
        }
        let text = arg.to_string_lossy();
        let is_value = before == "--var" || text.starts_with("--var=");
        if !is_value && output::has_controls(&text) {
            let shown = crate::source::shorten(&output::visible(&text));
            return Err(Error::usage(format!("argument {} has a control character: `{shown}`", at + 1))
                .hint("only values of `--var` may have one: names, paths and notes are one line"));
        }
        before = arg;
    }
    Ok(())
}

async fn run(cli: Cli) -> Result<Exit, Error> {
    let globals = &cli.globals;
    if cli.command.is_about(CommandSubject::Records) {
        // Records, and the reports made of them, hold what services answered and wrote: they are their owner's, 0700 and 0600.
        rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    }
    if !matches!(cli.command, Subcommands::Agent(_) | Subcommands::Shell(_) | Subcommands::Reaper(_)) {
        conduct::end_on_signals();
    }
    if cli.command.is_about(CommandSubject::Runbooks) {
        globals.add_programs()?;
    }
    cli.command.run(globals).await
}
