//! `firedrill shell`: what a shell session in a container runs.

use crate::error::{Error, Exit};
use crate::output::pipe;
use crate::shell::{Programs, supervisor};
use crate::stack::Channel;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

/// What a shell session in a container runs: JSON lines on standard input and output.
#[derive(Debug, clap::Args)]
pub struct ShellArgs {
    /// Where `docker` is in the session's PATH.
    #[arg(long, value_enum, default_value_t)]
    docker: Programs,
}

/// Runs the command: ends when standard input does, and on SIGTERM, SIGINT and SIGHUP.
pub async fn run(args: ShellArgs, _globals: &super::Globals) -> Result<Exit, Error> {
    let shutdown = super::conduct::listen()?;
    let (near, mut far) = Channel::pair(64);
    tokio::spawn(async move {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if far.tx.send(line).await.is_err() {
                break;
            }
        }
    });
    let writer = tokio::spawn(async move {
        let mut stdout = pipe::async_stdout();
        while let Some(mut line) = far.rx.recv().await {
            line.push('\n');
            if stdout.write_all(line.as_bytes()).await.is_err() || stdout.flush().await.is_err() {
                break;
            }
        }
    });
    supervisor::serve(near, args.docker, shutdown.cancel).await;
    // What was said last is still on its way; a runner that is gone will not read it.
    let _ = tokio::time::timeout(Duration::from_secs(1), writer).await;
    Ok(Exit::Passed)
}
