//! `firedrill agent control`, the exec session between runner and agent, and `firedrill agent ping`.

use super::{CONTROL, LIFT_WITHIN, PING, PONG};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// How long an agent may take to listen: its container may have started just now.
const LISTENING: Duration = Duration::from_secs(5);
/// How often it is tried.
const TRY_EVERY: Duration = Duration::from_millis(20);
/// How long the answer to a ping may take.
const PONG_WITHIN: Duration = Duration::from_secs(2);

/// Copies `input` to the agent and what it says to `output`. At the end of `input` (the runner closed it, or was
/// killed) the agent sees it at once; it is then waited for until it has lifted everything and closed.
pub async fn control(
    socket: &Path,
    mut input: impl AsyncRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let (mut from, mut to) = connect(socket, LISTENING).await?.into_split();
    to.write_all(format!("{CONTROL}\n").as_bytes()).await?;
    let up = async {
        let copied = tokio::io::copy(&mut input, &mut to).await;
        // A runner that cannot be read from is gone as well.
        to.shutdown().await.and(copied)
    };
    let down = async {
        let copied = tokio::io::copy(&mut from, &mut output).await;
        output.flush().await.and(copied)
    };
    tokio::pin!(up, down);
    tokio::select! {
        ended = &mut down => return ended.map(drop),
        _ = &mut up => {}
    }
    let late = |_| Err(io::Error::new(io::ErrorKind::TimedOut, "the agent did not end the session"));
    tokio::time::timeout(LIFT_WITHIN * 2, down).await.unwrap_or_else(late).map(drop)
}

/// Asks the agent whether it is there.
pub async fn ping(socket: &Path) -> io::Result<()> {
    let answered = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(format!("{PING}\n").as_bytes()).await?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).await?;
        match line.trim_end() {
            PONG => Ok(()),
            other => Err(io::Error::new(io::ErrorKind::InvalidData, format!("it answered `{other}`"))),
        }
    };
    let late = |_| Err(io::Error::new(io::ErrorKind::TimedOut, "it did not answer in time"));
    tokio::time::timeout(PONG_WITHIN, answered).await.unwrap_or_else(late)
}

async fn connect(socket: &Path, within: Duration) -> io::Result<UnixStream> {
    let deadline = Instant::now() + within;
    loop {
        match UnixStream::connect(socket).await {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => tokio::time::sleep(TRY_EVERY).await,
        }
    }
}
