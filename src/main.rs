//! Parse, run one command, print the error, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything else of it can be seen; what fails here is told by the session.
    if std::env::args_os().nth(1).is_some_and(|command| command == "shell") {
        let _ = firedrill::shell::supervisor::hide();
    }
    firedrill::output::catch_panics();
    // Two threads do: the runner mostly waits, and its memory is counted.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(firedrill::cli::main());
            // A blocked read of stdin must not keep the process alive.
            runtime.shutdown_background();
            ExitCode::from(code)
        }
        Err(error) => {
            firedrill::output::say(&format!("error: no async runtime could be started: {error}\n"));
            ExitCode::from(firedrill::error::Exit::Harness.code())
        }
    }
}
