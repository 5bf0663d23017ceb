//! Messages to the runner, a line each. Whoever sends never waits: load must go on whatever the runner does.

use crate::agent::protocol::AgentMessage;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::UnboundedReceiver;

/// Messages that are written together at most.
const BATCH: usize = 256;

/// Writes until all senders are gone, then closes. An error ends it: so does a pipe that takes nothing for
/// `stuck_after`, as a runner that does not read has lost its lease.
pub(super) async fn write_lines(
    mut to: impl AsyncWrite + Unpin,
    mut messages: UnboundedReceiver<AgentMessage>,
    stuck_after: Duration,
) -> io::Result<()> {
    let mut batch = Vec::new();
    let mut lines = Vec::new();
    while messages.recv_many(&mut batch, BATCH).await > 0 {
        lines.clear();
        for message in batch.drain(..) {
            serde_json::to_writer(&mut lines, &message)?;
            lines.push(b'\n');
        }
        let written = async {
            to.write_all(&lines).await?;
            to.flush().await
        };
        let stuck = |_| Err(io::Error::new(io::ErrorKind::TimedOut, "the runner does not read"));
        tokio::time::timeout(stuck_after, written).await.unwrap_or_else(stuck)?;
    }
    to.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::protocol::Told;
    use tokio::sync::mpsc::unbounded_channel;

    fn note(text: String) -> AgentMessage {
        AgentMessage::Told { told: Told::Note { text } }
    }

    #[tokio::test]
    async fn one_message_a_line_until_the_senders_are_gone() {
        let (tx, rx) = unbounded_channel();
        for n in 0..3 {
            tx.send(note(format!("line {n}\nwith a break"))).unwrap();
        }
        drop(tx);
        let (near, mut far) = tokio::io::duplex(4096);
        write_lines(near, rx, Duration::from_secs(5)).await.unwrap();
        let mut text = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut far, &mut text).await.unwrap();
        assert_eq!(text.lines().count(), 3);
        assert_eq!(text.lines().next(), Some(r#"{"msg":"told","told":{"told":"note","text":"line 0\nwith a break"}}"#));
    }

    #[tokio::test]
    async fn a_pipe_that_takes_nothing_is_given_up() {
        let (tx, rx) = unbounded_channel();
        tx.send(note("x".repeat(100))).unwrap();
        let (near, _far) = tokio::io::duplex(16);
        let error = write_lines(near, rx, Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
