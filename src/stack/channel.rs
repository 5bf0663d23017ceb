//! Two queues of lines: how the runner speaks with a process inside the stack, whatever carries the lines.

use super::MOST_OUTPUT;
use futures_util::StreamExt;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::codec::{FramedRead, LinesCodec};

/// A line that is longer ends the channel: nobody speaks like this who speaks our protocol.
const MAX_LINE: usize = 1024 * 1024;
/// Lines that wait in each direction; past that the other end has to wait.
const QUEUE: usize = 256;
/// The most that is kept of what is no greeting, in bytes.
const MOST_SAID: usize = 16 * 1024;
/// How long a process may take to say its first line.
pub(super) const FIRST_LINE: Duration = Duration::from_secs(20);
/// How long the rest of what a process says is waited for that could not be started.
pub(super) const LAST_LINES: Duration = Duration::from_secs(2);

/// How much of what a command writes is kept, from its end.
pub(super) const MAX_OUTPUT: usize = 16 * 1024;
/// What ends a command when the runner lets go of its standard input, however that came: past its time, cancelled, killed.
pub(super) const BOUNDED: &str = include_str!("bounded.sh");

/// A command that ends with its standard input, which is never written to.
pub(super) fn bounded(command: &[String]) -> Vec<String> {
    [&["sh", "-c", BOUNDED, "sh"].map(str::to_string)[..], command].concat()
}

/// Keeps more of what a command writes: `whole`, or the end of it.
///
/// # Errors
/// Where it is more than [`MOST_OUTPUT`].
pub(super) fn keep(kept: &mut Vec<u8>, more: &[u8], whole: bool) -> Result<(), String> {
    kept.extend_from_slice(more);
    if !whole {
        kept.drain(..kept.len().saturating_sub(MAX_OUTPUT));
    }
    let fits = kept.len() <= MOST_OUTPUT;
    fits.then_some(()).ok_or_else(|| format!("it wrote more than {} MiB", MOST_OUTPUT / 1024 / 1024))
}

/// A line in each direction. The other end sees end-of-file when `tx` is dropped; `rx` ends when the other end is gone.
#[derive(Debug)]
pub struct Channel {
    /// Lines to the other end, without the newline.
    pub tx: mpsc::Sender<String>,
    /// Lines from the other end, without the newline.
    pub rx: mpsc::Receiver<String>,
}

impl Channel {
    /// Two channels that are each other's other end.
    pub fn pair(capacity: usize) -> (Channel, Channel) {
        let (near_tx, far_rx) = mpsc::channel(capacity);
        let (far_tx, near_rx) = mpsc::channel(capacity);
        (Channel { tx: near_tx, rx: near_rx }, Channel { tx: far_tx, rx: far_rx })
    }

    /// A channel over the standard streams of a process that has been started, once it has said its first line, which stays in
    /// the channel: both protocols of ours begin with a greeting, and only then is it known that the command could start at all.
    /// `attached` goes with the channel, at most `lingers` after the runner has let go.
    ///
    /// # Errors
    /// What it said instead, up to [`LAST_LINES`]; `None` where it said nothing within [`FIRST_LINE`].
    pub(super) async fn open(
        stdout: impl AsyncRead + Unpin + Send + 'static,
        mut stdin: impl AsyncWrite + Unpin + Send + 'static,
        attached: impl Send + 'static,
        lingers: Duration,
    ) -> Result<Channel, Option<String>> {
        let mut lines = FramedRead::new(stdout, LinesCodec::new_with_max_length(MAX_LINE));
        let mut said = match timeout(FIRST_LINE, lines.next()).await {
            Ok(said) => said.and_then(Result::ok).unwrap_or_default(),
            Err(_) => return Err(None),
        };
        if !said.trim_start().starts_with('{') {
            // What follows belongs to the same message; it ends with the process, or is not waited for.
            let rest = async {
                while let Some(Ok(line)) = lines.next().await
                    && said.len() < MOST_SAID
                {
                    said.extend(["\n", &line]);
                }
            };
            let _ = timeout(LAST_LINES, rest).await;
            return Err(Some(said));
        }
        let (near, Channel { tx: to_runner, rx: mut from_runner }) = Channel::pair(QUEUE);
        let writing = async move {
            while let Some(mut line) = from_runner.recv().await {
                line.push('\n');
                if stdin.write_all(line.as_bytes()).await.is_err() || stdin.flush().await.is_err() {
                    return;
                }
            }
            let _ = stdin.shutdown().await;
        };
        let reading = async move {
            let mut line = Some(Ok(said));
            while let Some(Ok(text)) = line {
                if to_runner.send(text).await.is_err() {
                    return;
                }
                // Let go as soon as the runner does, also while the process is silent.
                line = tokio::select! {
                    line = lines.next() => line,
                    () = to_runner.closed() => return,
                };
            }
        };
        tokio::spawn(async move {
            tokio::pin!(writing, reading);
            tokio::select! {
                () = &mut reading => {}
                () = &mut writing => drop(timeout(lingers, &mut reading).await),
            }
            drop(attached);
        });
        Ok(near)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The lines that come of these pieces.
    async fn lines(pieces: Vec<Vec<u8>>) -> Vec<String> {
        let (mut process, stdout) = tokio::io::duplex(64);
        tokio::spawn(async move {
            for piece in pieces {
                // The channel may have ended.
                let _ = process.write_all(&piece).await;
            }
        });
        let channel = Channel::open(stdout, tokio::io::sink(), (), Duration::MAX).await;
        let Channel { tx: _tx, mut rx } = channel.expect("it begins with a greeting");
        let mut all = Vec::new();
        while let Some(line) = rx.recv().await {
            all.push(line);
        }
        all
    }

    #[tokio::test]
    async fn a_line_that_never_ends_ends_the_channel() {
        let chunks = (0..40).map(|_| vec![b'x'; MAX_LINE / 20]);
        assert_eq!(lines([b"{}\n".to_vec()].into_iter().chain(chunks).collect()).await, ["{}"]);
    }

    #[tokio::test]
    async fn what_is_no_greeting_is_told() {
        let (mut process, stdout) = tokio::io::duplex(64);
        process.write_all(b"exec format error\nsorry").await.expect("it is read");
        drop(process);
        let told = Channel::open(stdout, tokio::io::sink(), (), Duration::MAX).await.expect_err("no greeting");
        assert_eq!(told.as_deref(), Some("exec format error\nsorry"));
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_they_arrive(text in "[a-zé\n]{0,80}", cut in 1usize..9) {
            let text = format!("{{}}\n{text}");
            let chunks = text.as_bytes().chunks(cut).map(<[u8]>::to_vec).collect();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let got = runtime.block_on(lines(chunks));
            let expected: Vec<&str> = text.lines().collect();
            prop_assert_eq!(got, expected);
        }
    }
}
