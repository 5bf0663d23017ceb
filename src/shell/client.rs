//! Runner side of the session.

use super::calls::{CallNotes, EndedCall, ShimLine};
use super::protocol::{Blob, CommandResult, EnvVar, FromShell, ToShell, line_of};
use crate::locked;
use crate::record::{Stream, random_hex};
use crate::stack::{Channel, Tools};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

/// Deadline for the supervisor to be ready.
const READY_WITHIN: Duration = Duration::from_secs(15);
/// How much later than a command's own deadline its end may be told: TERM, two seconds, KILL, and a loaded machine.
const SLACK: Duration = Duration::from_secs(15);
/// How long a session may take to hand its state over.
const EXPORT_WITHIN: Duration = Duration::from_secs(3);
const NO_ANSWER: &str = "its supervisor does not answer";
/// Bytes of output kept of each stream of a command.
pub const KEEP_BYTES: u64 = 128 << 10;

/// Why a session could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// The channel to the container closed: its container stopped or was recreated.
    #[error("the shell session ended: {0}")]
    Closed(String),
    /// The supervisor could not start, for instance because the container has no bash.
    #[error("no shell session could be started: {0}")]
    NoShell(String),
}

/// The state of a session, for one in another container.
#[derive(Debug, Clone)]
pub struct SessionState(Blob);

/// A bash session in a container of the stack. Dropping it ends the session and kills what runs there.
pub struct Shell {
    tx: mpsc::Sender<String>,
    rx: mpsc::UnboundedReceiver<ShimLine>,
    next_id: u64,
    /// The command whose end was not seen yet, because its future was dropped.
    unfinished: Option<u64>,
    notes: Arc<Mutex<CallNotes>>,
    /// Serves what steps call, also between commands: a background job may go on calling.
    _calls: AbortOnDropHandle<()>,
}

impl Shell {
    /// Waits for the supervisor at the other end of `channel` and sets the session's environment. What steps call is
    /// carried out by `tools`.
    pub async fn open(channel: Channel, vars: &[EnvVar], tools: Arc<dyn Tools>) -> Result<Shell, ShellError> {
        let Channel { tx, rx } = channel;
        // What is not of a call is bounded by what commands may say.
        let (others, mut said_by_shell) = mpsc::unbounded_channel();
        let notes: Arc<Mutex<CallNotes>> = Arc::default();
        let token = random_hex();
        let serving = super::calls::serve((rx, token.clone()), tx.clone(), others, tools, notes.clone());
        let calls = AbortOnDropHandle::new(tokio::spawn(serving));
        let deadline = Instant::now() + READY_WITHIN;
        let mut said = String::new();
        loop {
            match timeout_at(deadline, said_by_shell.recv()).await {
                Err(_) => {
                    let seconds = READY_WITHIN.as_secs();
                    return Err(ShellError::NoShell(format!("it was not ready within {seconds} s{said}")));
                }
                Ok(None) => return Err(ShellError::NoShell(format!("its process ended before it was ready{said}"))),
                // Nobody knows the token yet.
                Ok(Some(ShimLine::Said(_))) => {}
                Ok(Some(ShimLine::Foreign(line))) => match serde_json::from_str(&line) {
                    Ok(FromShell::Ready {}) => break,
                    Ok(FromShell::Failed(message)) => return Err(ShellError::NoShell(message)),
                    Ok(_) => {}
                    // A loader that cannot start the executable has its say in plain words.
                    Err(_) => said = format!(": {}", line.trim()),
                },
            }
        }
        let shell = Shell { tx, rx: said_by_shell, next_id: 1, unfinished: None, notes, _calls: calls };
        shell.send(&ToShell::Token(token)).await?;
        shell.set(vars).await?;
        Ok(shell)
    }

    /// Runs one command; output goes to `on_output` as it comes. Cancel-safe: when the future is dropped the
    /// command is killed, and the next one waits until it has ended. The result of a command that is `watched` has the simple commands
    /// that its shell ran, and what was called meanwhile.
    pub async fn run(
        &mut self,
        text: &str,
        watched: bool,
        timeout: Duration,
        mut on_output: impl FnMut(Stream, String),
    ) -> Result<CommandResult, ShellError> {
        if let Some(unfinished) = self.unfinished {
            // Once more, in case there was no room for it when the future was dropped.
            self.send(&ToShell::Cancel).await?;
            self.end_of(unfinished, SLACK, &mut |_, _| {}).await?;
        }
        let id = self.next_id;
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let run = ToShell::Run { id, text: text.to_owned(), timeout_ms, keep_bytes: KEEP_BYTES, watched };
        let mut guard = CancelOnDrop(Some(self.canceller()));
        let permit = self.tx.reserve().await.map_err(|_| closed())?;
        locked(&self.notes).begun = watched.then(BTreeSet::new);
        // Nothing is awaited from here until both are done, so a dropped future leaves them in step.
        permit.send(line_of(&run));
        self.next_id += 1;
        self.unfinished = Some(id);
        let mut result = self.end_of(id, timeout.saturating_add(SLACK), &mut on_output).await?;
        guard.0 = None;
        result.calls = locked(&self.notes).begun.take().into_iter().flatten().collect();
        Ok(result)
    }

    /// Whether the other end is gone, as far as is known yet.
    pub fn is_closed(&self) -> bool {
        self.tx.is_closed() || (self.rx.is_closed() && self.rx.is_empty())
    }

    /// Sets variables for the commands that follow, exported, and takes those without a value away. Of one that is named twice the last
    /// word counts.
    pub async fn set(&self, vars: &[EnvVar]) -> Result<(), ShellError> {
        if vars.is_empty() { Ok(()) } else { self.send(&ToShell::Env(vars.to_vec())).await }
    }

    /// Writes down the session's state beside it; the answer is what `restore` of another session in the same container
    /// takes.
    pub async fn save(&mut self) -> Result<String, ShellError> {
        self.send(&ToShell::Save).await?;
        let path = |said| if let FromShell::Saved(path) = said { Some(path) } else { None };
        self.answer(SLACK, NO_ANSWER, path).await
    }

    /// The session's state, for one in another container; `None` when it is too large to be carried about.
    pub async fn export(&mut self) -> Result<Option<SessionState>, ShellError> {
        let exported = async {
            self.send(&ToShell::Export).await?;
            let state = |said| if let FromShell::Exported(state) = said { Some(state) } else { None };
            Ok(self.answer(EXPORT_WITHIN, NO_ANSWER, state).await?.map(SessionState))
        };
        timeout(EXPORT_WITHIN, exported).await.unwrap_or_else(|_| Err(ShellError::Closed(NO_ANSWER.into())))
    }

    /// Goes on with the state of a session in another container, before any command.
    pub async fn import(&self, state: &SessionState) -> Result<(), ShellError> {
        self.send(&ToShell::Import(state.0.clone())).await
    }

    /// What steps had called and was carried out to its end after the session had lost its container: what they called it
    /// for cannot be told any more.
    pub fn ended_calls(&self) -> Vec<EndedCall> {
        locked(&self.notes).ended.clone()
    }

    /// Goes on with the state that another session has saved, before any command.
    pub async fn restore(&self, saved: String) -> Result<(), ShellError> {
        self.send(&ToShell::Restore(saved)).await
    }

    /// A hand on the command that runs, to end it from elsewhere.
    pub fn canceller(&self) -> Canceller {
        Canceller { tx: self.tx.clone() }
    }

    /// Waits for the end of a command; what is said of others is old.
    async fn end_of(
        &mut self,
        wanted: u64,
        within: Duration,
        on_output: &mut impl FnMut(Stream, String),
    ) -> Result<CommandResult, ShellError> {
        let late = "its supervisor does not answer (is the container paused or out of memory?)";
        let ended = self.answer(within, late, |said| match said {
            FromShell::Output { id, stream, text } if id == wanted => {
                on_output(stream, text);
                None
            }
            FromShell::Ended(id, result) if id == wanted => Some(result),
            _ => None,
        });
        let result = ended.await?;
        self.unfinished = None;
        Ok(result)
    }

    /// What one of the next messages says; `late` is said when none does in time.
    async fn answer<T>(
        &mut self,
        within: Duration,
        late: &str,
        mut says: impl FnMut(FromShell) -> Option<T>,
    ) -> Result<T, ShellError> {
        let answer = async {
            loop {
                match self.said().await? {
                    FromShell::Failed(message) => return Err(ShellError::Closed(message)),
                    said => {
                        if let Some(answer) = says(said) {
                            return Ok(answer);
                        }
                    }
                }
            }
        };
        timeout(within, answer).await.unwrap_or_else(|_| Err(ShellError::Closed(late.into())))
    }

    /// The next message. Of a session into which something else writes nothing is believed any more.
    async fn said(&mut self) -> Result<FromShell, ShellError> {
        match self.rx.recv().await.ok_or_else(closed)? {
            ShimLine::Said(said) => {
                said.map_err(|error| ShellError::Closed(format!("its supervisor sent what is no message: {error}")))
            }
            ShimLine::Foreign(line) => {
                let line = crate::output::one_line(&line.chars().take(200).collect::<String>());
                Err(ShellError::Closed(format!("something else in its container wrote into the session: {line}")))
            }
        }
    }

    async fn send(&self, message: &ToShell) -> Result<(), ShellError> {
        let sent = timeout(SLACK, self.tx.send(line_of(message))).await;
        sent.map_err(|_| ShellError::Closed("its supervisor takes no messages".into()))?.map_err(|_| closed())
    }
}

fn closed() -> ShellError {
    ShellError::Closed("its container stopped or was recreated, or the supervisor in it was killed".into())
}

/// Ends the command that runs; how it ended is told to the one that waits for it.
pub struct Canceller {
    tx: mpsc::Sender<String>,
}

impl Canceller {
    /// Asks for the end.
    pub async fn cancel(&self) {
        // A session that is gone has ended everything.
        let _ = self.tx.send(line_of(&ToShell::Cancel)).await;
    }
}

/// Asks for the end of the command that runs, unless that end was seen.
struct CancelOnDrop(Option<Canceller>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        // Full: the next command says it again.
        let _ = self.0.take().map(|command| command.tx.try_send(line_of(&ToShell::Cancel)));
    }
}
