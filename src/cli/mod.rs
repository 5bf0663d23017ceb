//! One file per subcommand; clap types end here, nothing below sees clap.

mod agent;
mod ask;
mod check;
mod completions;
mod conduct;
mod coverage;
mod docker_call;
mod doctor;
mod evidence;
mod findings;
mod gameday;
mod history;
mod init;
mod lint;
mod list;
mod output;
mod reaper;
mod report;
mod run;
mod scenario;
mod schema;
mod shell;
mod show;
mod sweep;
mod undo;
mod verify;

use crate::error::{Error, Exit};
use clap::{Parser, Subcommand};
use std::io::Write;

/// Proves that runbooks work: breaks a real stack on purpose, follows the Markdown runbook while the fault is still
/// on, and fails when the users' indicators do not recover.
#[derive(Debug, Parser)]
#[command(name = "firedrill", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Globals {
    /// Say less: only the summary.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more; twice for every event.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// No colours (also: the environment variable `NO_COLOR`).
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Directory of the project: where `scenarios/`, `runbooks/` and `.firedrill/` are.
    #[arg(short = 'C', long, global = true, default_value = ".", value_name = "DIR")]
    pub project: std::path::PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    Scenario(scenario::ScenarioArgs),
    Gameday(gameday::GamedayArgs),
    Run(run::RunArgs),
    List(list::ListArgs),
    Show(show::ShowArgs),
    Check(check::CheckArgs),
    Lint(lint::LintArgs),
    History(history::HistoryArgs),
    Coverage(coverage::CoverageArgs),
    Init(init::InitArgs),
    Schema(schema::SchemaArgs),
    Completions(completions::CompletionsArgs),
    Report(report::ReportArgs),
    Verify(verify::VerifyArgs),
    Doctor(doctor::DoctorArgs),
    Sweep(sweep::SweepArgs),
    #[command(hide = true)]
    Agent(agent::AgentArgs),
    #[command(hide = true)]
    Shell(shell::ShellArgs),
    #[command(hide = true)]
    DockerCall(docker_call::DockerCallArgs),
    #[command(hide = true)]
    Reaper(reaper::ReaperArgs),
}

impl Globals {
    /// Whether standard error may be coloured.
    pub fn color(&self) -> bool {
        use std::io::IsTerminal;
        self.may_color() && std::io::stderr().is_terminal()
    }

    /// Whether a terminal may be coloured.
    pub fn may_color(&self) -> bool {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        !self.no_color && !no_color
    }
}

/// Parses the command line, runs the command, prints its error; the exit code is the caller's to use.
pub async fn main() -> u8 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are not errors; clap knows which stream and code belong to which.
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Passed };
            let _ = error.print();
            return code.code();
        }
    };
    if let Command::DockerCall(args) = &cli.command {
        return docker_call::run(args);
    }
    match run(cli).await {
        Ok(exit) => exit.code(),
        Err(error) => {
            // A reader that went away must not turn the exit code into that of a panic.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            error.exit.code()
        }
    }
}

async fn run(cli: Cli) -> Result<Exit, Error> {
    let globals = &cli.globals;
    match cli.command {
        Command::Scenario(args) => scenario::run(args, globals).await,
        Command::Gameday(args) => gameday::run(args, globals).await,
        Command::Run(args) => run::run(args, globals).await,
        Command::List(args) => list::run(args, globals).await,
        Command::Show(args) => show::run(args, globals).await,
        Command::Check(args) => check::run(args, globals).await,
        Command::Lint(args) => lint::run(args, globals).await,
        Command::History(args) => history::run(args, globals).await,
        Command::Coverage(args) => coverage::run(args, globals).await,
        Command::Init(args) => init::run(args, globals).await,
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Report(args) => report::run(args, globals).await,
        Command::Verify(args) => verify::run(args, globals).await,
        Command::Doctor(args) => doctor::run(args, globals).await,
        Command::Sweep(args) => sweep::run(args, globals).await,
        Command::Agent(args) => agent::run(args, globals).await,
        Command::Shell(args) => shell::run(args, globals).await,
        Command::Reaper(args) => reaper::run(args, globals).await,
        // Its exit code is not one of ours.
        Command::DockerCall(_) => Ok(Exit::Usage),
    }
}
