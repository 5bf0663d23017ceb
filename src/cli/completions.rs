//! `firedrill completions`: prints a script by which a shell completes commands and options.

use crate::error::{Error, Exit};
use crate::output::print_file;
use clap::CommandFactory;
use clap_complete::Shell;

/// Prints a script by which a shell completes commands and options of Firedrill.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs the command.
pub async fn run(args: CompletionsArgs, _globals: &super::Globals) -> Result<Exit, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "firedrill", &mut script);
    print_file(&String::from_utf8_lossy(&script)).map(|()| Exit::Passed)
}
