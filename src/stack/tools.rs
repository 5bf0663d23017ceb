//! Programs of the runner's that a step may call from inside the stack, as if they were there: what is called, its
//! streams, and who carries it out.

use super::{StackError, StackResult, environment};
use crate::output::{cut, log_line};
use crate::record::{Redactor, Secrets, Stream, open_plain, write_atomic};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Largest piece of a stream that travels at once, in bytes.
pub const PIECE: usize = 32 << 10;
/// Bytes of one stream that may be under way.
pub const WINDOW: u32 = 256 << 10;
/// Exit code of what is refused: the one of a shell for what cannot be executed.
pub const REFUSED: i32 = 126;
/// Of a call so many characters are noted, and nothing more in a log of so many bytes.
const LONGEST_NOTE: usize = 4000;
const MOST_NOTES: u64 = 64 << 20;

/// A program that a step called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Its name: `docker`, `docker-compose`.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its working directory, in the container of the step.
    pub cwd: String,
    /// The directory in which its session began; the session itself says it. Boxed, as messages of calls are to be small.
    #[serde(default)]
    pub begins: Box<str>,
    /// Whether its standard input is `/dev/null`, as a step has it to which nothing is fed; a person has the terminal there.
    #[serde(default)]
    pub no_input: bool,
    /// Variables that its environment has beyond the container's own, or with other values.
    pub env: Vec<(String, String)>,
}

/// Why a call is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub(super) struct NotDone {
    /// Its exit code: [`REFUSED`] for what is not allowed.
    pub exit: i32,
    /// What is said.
    pub why: String,
}

impl NotDone {
    /// It could not be carried out.
    pub(super) fn failed(why: impl Into<String>) -> NotDone {
        NotDone { exit: 1, why: why.into() }
    }

    /// It is not allowed; the reason in one line.
    pub(super) fn refused(why: impl Into<String>) -> NotDone {
        NotDone { exit: REFUSED, why: why.into() }
    }
}

impl From<StackError> for NotDone {
    fn from(error: StackError) -> Self {
        NotDone::failed(match error {
            // What the real command would have said.
            StackError::Build { reason, tail } => format!("{tail}\n{reason}"),
            other => other.to_string(),
        })
    }
}

/// A refusal as an error.
pub(super) fn refuse<T>(why: impl Into<String>) -> Result<T, NotDone> {
    Err(NotDone::refused(why))
}

/// Refuses what is not as it has to be.
pub(super) fn ensure(holds: bool, why: impl Into<String>) -> Result<(), NotDone> {
    if holds { Ok(()) } else { refuse(why) }
}

/// Waits for what becomes of a call, tells the step, and notes it in the log file `name` of the run's directory.
pub(super) async fn answer(
    call: &ToolCall,
    out: &CallOutput,
    cancel: &CancellationToken,
    carried_out: impl Future<Output = Result<i32, NotDone>>,
    (dir, name, secrets): (&Path, &str, &Secrets),
) -> i32 {
    let began = Instant::now();
    let done = tokio::select! {
        biased;
        done = carried_out => done,
        // The command has had its time to go.
        () = async { cancel.cancelled().await; tokio::time::sleep(Duration::from_secs(6)).await } => Ok(143),
    };
    let (exit, said, told) = match done {
        Ok(exit) => (exit, String::new(), format!("exit {exit}")),
        Err(NotDone { exit: REFUSED, why }) => (REFUSED, format!("firedrill: {why}\n"), format!("refused: {why}")),
        Err(NotDone { exit, why }) => (exit, format!("{why}\n"), format!("failed: {why}")),
    };
    out.say(&said).await;
    let took = began.elapsed().as_secs_f64();
    // Who called it may have found out a secret meanwhile.
    note_call(call, &format!("{told}, {took:.1} s"), dir, name, &secrets.redactor()).await;
    exit
}

/// Notes a call and what came of it in a log file `name` of the run's directory.
async fn note_call(call: &ToolCall, came: &str, dir: &Path, name: &str, redactor: &Redactor) {
    let shown = |text: &str| cut(&redactor.text(text), LONGEST_NOTE, "…");
    let what = shown(&format!("{} {}", call.program, call.args.join(" ")));
    // One call, one line, whatever its arguments hold.
    let line = log_line(&format!("{what} ({})", shown(came))) + "\n";
    let written = async {
        let mut file = open_log(dir, name).await?;
        if file.metadata().await?.len() > MOST_NOTES {
            return Ok(());
        }
        file.write_all(line.as_bytes()).await?;
        file.flush().await
    };
    // The record has the command and its output; this is for convenience.
    let _: std::io::Result<()> = written.await;
}

/// A log of a run's directory, to be appended to.
pub(super) async fn open_log(dir: &Path, name: &str) -> std::io::Result<tokio::fs::File> {
    let dir = dir.join("logs");
    tokio::fs::create_dir_all(&dir).await?;
    let file = open_plain(&dir.join(name), std::fs::OpenOptions::new().create(true).append(true))?;
    Ok(tokio::fs::File::from_std(file))
}

/// Who carries out what steps call.
pub trait Tools: Send + Sync + 'static {
    /// Carries it out; the exit code. What is cancelled is to be gone when the future ends, or is dropped.
    fn call(&self, call: ToolCall, io: CallIo, cancel: CancellationToken) -> BoxFuture<'static, i32>;
}

/// Refuses everything: for a stack in which steps can call nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoTools;

impl Tools for NoTools {
    fn call(&self, call: ToolCall, io: CallIo, _cancel: CancellationToken) -> BoxFuture<'static, i32> {
        async move {
            io.out.say(&format!("firedrill: `{}` has nothing to talk to here: a drill has a stack, `firedrill run` one with `--compose-project`\n", call.program)).await;
            REFUSED
        }
        .boxed()
    }
}

/// The streams of a call, on the side of who carries it out.
#[derive(Debug)]
pub struct CallIo {
    /// Its standard input.
    pub stdin: CallInput,
    /// Its standard output and error.
    pub out: CallOutput,
}

/// The other side of the streams.
#[derive(Debug)]
pub struct CallPeer {
    /// Takes what arrives on standard input; dropped at its end.
    pub chunks: Option<mpsc::UnboundedSender<Bytes>>,
    /// How many more bytes of input are wanted; nothing is to be read before.
    pub wants: mpsc::UnboundedReceiver<u32>,
    /// Output as it comes, in pieces of at most `PIECE`.
    pub out: mpsc::Receiver<(Stream, Bytes)>,
}

impl CallIo {
    /// Streams with both of their sides.
    pub fn pair() -> (CallIo, CallPeer) {
        let (chunks, incoming) = mpsc::unbounded_channel();
        let (wants, wanted) = mpsc::unbounded_channel();
        let (tx, out) = mpsc::channel(4);
        let stdin = CallInput { chunks: incoming, wants, asked: false };
        (CallIo { stdin, out: CallOutput { tx } }, CallPeer { chunks: Some(chunks), wants: wanted, out })
    }
}

/// Standard input of a call. It is read only when somebody asks for it: a `docker compose restart` in a
/// `while read` loop must leave the loop its lines.
#[derive(Debug)]
pub struct CallInput {
    chunks: mpsc::UnboundedReceiver<Bytes>,
    wants: mpsc::UnboundedSender<u32>,
    asked: bool,
}

impl CallInput {
    /// The next bytes; `None` at the end.
    pub async fn next(&mut self) -> Option<Bytes> {
        if !self.asked {
            self.asked = true;
            let _ = self.wants.send(WINDOW);
        }
        let chunk = self.chunks.recv().await?;
        // As much again may be sent as was taken.
        let _ = self.wants.send(u32::try_from(chunk.len()).unwrap_or(WINDOW));
        Some(chunk)
    }
}

/// Output of a call.
#[derive(Debug, Clone)]
pub struct CallOutput {
    tx: mpsc::Sender<(Stream, Bytes)>,
}

impl CallOutput {
    /// Writes bytes, and waits while the reader is slow; false when there is no reader any more.
    pub async fn write(&self, stream: Stream, mut bytes: Bytes) -> bool {
        while !bytes.is_empty() {
            if self.tx.send((stream, bytes.split_to(bytes.len().min(PIECE)))).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Says something on standard error.
    pub async fn say(&self, text: &str) {
        self.write(Stream::Stderr, Bytes::from(text.to_string())).await;
    }
}

/// Cleans what commands have said of secrets that were found out only after it had been written.
pub(super) async fn clean_calls(dir: &Path, redactor: &Redactor) -> StackResult<()> {
    for name in ["docker", "build", "pull", "up", "deploy", "process", "toolbox", "monitoring", "down", "kubectl"] {
        let path = dir.join(format!("{name}.log"));
        let Ok(bytes) = tokio::fs::read(&path).await else { continue };
        let text = String::from_utf8_lossy(&bytes);
        let clean = redactor.text(&text);
        if clean != text {
            let writing = format!("writing {}", path.display());
            write_atomic(&path, clean.as_bytes()).map_err(|error| environment(writing, error))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn input_is_asked_for_only_when_it_is_read() {
        let (mut io, mut peer) = CallIo::pair();
        assert!(peer.wants.try_recv().is_err());
        let chunks = peer.chunks.take().unwrap();
        chunks.send(Bytes::from_static(b"abc")).unwrap();
        drop(chunks);
        assert_eq!(io.stdin.next().await.as_deref(), Some(&b"abc"[..]));
        assert_eq!((peer.wants.try_recv().unwrap(), peer.wants.try_recv().unwrap()), (WINDOW, 3));
        assert_eq!(io.stdin.next().await, None);
    }

    #[tokio::test]
    async fn of_a_call_so_much_is_noted_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let long = ToolCall { program: "docker".into(), args: vec!["é".repeat(1 << 20)], ..ToolCall::default() };
        let note = async || note_call(&long, "exit 1", dir.path(), "docker.log", &Redactor::default()).await;
        note().await;
        let log = dir.path().join("logs/docker.log");
        let noted = std::fs::read_to_string(&log).unwrap();
        assert!(noted.starts_with("docker é") && noted.ends_with("é… (exit 1)\n"), "{noted}");
        assert_eq!(noted.chars().count(), LONGEST_NOTE + "… (exit 1)\n".chars().count());
        std::fs::File::options().write(true).open(&log).unwrap().set_len(MOST_NOTES + 1).unwrap();
        note().await;
        assert_eq!(std::fs::metadata(&log).unwrap().len(), MOST_NOTES + 1);
    }

    #[tokio::test]
    async fn output_travels_in_pieces_and_ends_with_its_reader() {
        let (io, mut peer) = CallIo::pair();
        assert!(io.out.write(Stream::Stdout, Bytes::from(vec![b'x'; PIECE + 1])).await);
        assert_eq!(peer.out.recv().await.unwrap().1.len(), PIECE);
        assert_eq!(peer.out.recv().await.unwrap().1.len(), 1);
        drop(peer);
        assert!(!io.out.write(Stream::Stdout, Bytes::from_static(b"x")).await);
    }
}
