//! `firedrill docker-call`: what `docker` is in a step.

use std::ffi::OsString;
use std::path::PathBuf;

/// What `docker` is in a step: hands its arguments and streams to the runner.
#[derive(Debug, clap::Args)]
pub struct DockerCallArgs {
    /// Socket of the session.
    socket: PathBuf,
    /// Program and arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    call: Vec<OsString>,
}

/// Runs the command; the exit code is that of what was called, which may be any.
pub fn run(args: &DockerCallArgs) -> u8 {
    let Some((program, rest)) = args.call.split_first() else { return crate::error::Exit::Usage.code() };
    let code = crate::shell::call_runner(&args.socket, &program.to_string_lossy(), rest);
    u8::try_from(code & 0xff).unwrap_or(u8::MAX)
}
