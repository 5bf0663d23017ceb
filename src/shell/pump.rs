//! Output of a command from its pipes to the channel: streamed as it comes, and read on when nobody wants it any more.

use super::output::Bounded;
use super::protocol::{FromShell, ToRunner};
use crate::record::Stream;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;

/// A pipe that a background job holds open has nothing more of its command's when it was quiet for this long.
const QUIET: Duration = Duration::from_millis(50);
/// Longest wait for such a pipe to become quiet.
const DRAIN: Duration = Duration::from_millis(500);

/// Where the output of one stream goes.
pub(super) struct Outlet {
    pub id: u64,
    pub stream: Stream,
    pub tx: ToRunner,
    /// Texts of ours that are not to be seen.
    pub ours: Vec<String>,
}

impl Outlet {
    async fn send(&self, texts: Vec<String>) {
        for text in texts {
            let text = self.ours.iter().fold(text, |text, ours| text.replace(ours, ""));
            if !text.is_empty() {
                // The end of the session is noticed where messages are received.
                self.tx.say(&FromShell::Output { id: self.id, stream: self.stream, text }).await;
            }
        }
    }
}

/// Reads a pipe to its end, or until the command is over and the pipe is quiet. A background job may go on writing: what
/// it writes is read and dropped, as a broken pipe would kill it.
pub(super) async fn pump(
    mut pipe: impl AsyncRead + Unpin + Send + 'static,
    mut bounded: Bounded,
    outlet: Outlet,
    mut over: watch::Receiver<bool>,
) -> u64 {
    let mut buffer = vec![0_u8; 64 << 10];
    let mut drain_until = None;
    let at_end = loop {
        let read = match drain_until {
            None => tokio::select! {
                biased;
                read = pipe.read(&mut buffer) => read,
                _ = over.wait_for(|over| *over) => {
                    drain_until = Some(Instant::now() + DRAIN);
                    continue;
                }
            },
            Some(until) if Instant::now() > until => break false,
            Some(_) => match tokio::time::timeout(QUIET, pipe.read(&mut buffer)).await {
                Ok(read) => read,
                Err(_) => break false,
            },
        };
        match read {
            Ok(0) | Err(_) => break true,
            Ok(n) => outlet.send(bounded.push(buffer.get(..n).unwrap_or_default())).await,
        }
    };
    let (rest, omitted) = bounded.finish();
    outlet.send(rest).await;
    if !at_end {
        tokio::spawn(async move { while pipe.read(&mut buffer).await.is_ok_and(|n| n > 0) {} });
    }
    omitted
}
