//! Runner side of the session, and of what steps call: takes the messages of calls out of the session's channel, has each call carried
//! out, and gives back its output as fast as it is taken, and no faster.

use super::output::KEEP_BYTES;
use super::protocol::{Blob, CALLS_AT_ONCE, CommandResult, FromCall, FromShell, SessionVar, ToCall, ToShell, line_of};
use super::session::quote;
use crate::locked;
use crate::record::{Stream, random_hex};
use crate::stack::{CallIo, Channel, REFUSED, ToolCall, Tools, WINDOW};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Deadline for the supervisor to be ready.
const READY_WITHIN: Duration = Duration::from_secs(15);
/// How much later than a command's own deadline its end may be told: TERM, two seconds, KILL, and a loaded machine.
const SLACK: Duration = Duration::from_secs(15);
/// How long a session may take to hand its state over.
const EXPORT_WITHIN: Duration = Duration::from_secs(3);

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
    /// What the supervisor says, or a line that is none of its messages: of the supervisor until it is ready, of a loader that cannot
    /// start it, or of a process that reached its output.
    rx: mpsc::UnboundedReceiver<Said>,
    next_id: u64,
    /// The command whose end was not seen yet, because its future was dropped.
    unfinished: Option<u64>,
    notes: Arc<Mutex<CallNotes>>,
    /// Serves what steps call, also between commands: a background job may go on calling.
    _calls: AbortOnDropHandle<()>,
}

impl Shell {
    /// Waits for the supervisor at the other end of `channel` and sets the session's variables. What steps call is
    /// carried out by `tools`.
    pub async fn open(channel: Channel, vars: &[SessionVar], tools: Arc<dyn Tools>) -> Result<Shell, ShellError> {
        let Channel { tx, rx } = channel;
        let (others, mut said_by_shell) = mpsc::unbounded_channel();
        let notes: Arc<Mutex<CallNotes>> = Arc::default();
        let token = random_hex();
        let serving = serve((rx, token.clone()), tx.clone(), others, tools, notes.clone());
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
                Ok(Some(Said(_, Ok(_)))) => {}
                Ok(Some(Said(_, Err(line)))) => match serde_json::from_str(&line) {
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
        let run = ToShell::Run { id, text: text.to_owned(), timeout_ms, watched };
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

    /// Sets variables for the commands that follow, and takes those without a value away. Of one that is named twice the last
    /// word counts.
    pub async fn set(&self, vars: &[SessionVar]) -> Result<(), ShellError> {
        if vars.is_empty() { Ok(()) } else { self.send(&ToShell::Vars(vars.to_vec())).await }
    }

    /// Writes down the session's state beside it; the answer is what `restore` of another session in the same container
    /// takes.
    pub async fn save(&mut self) -> Result<String, ShellError> {
        self.send(&ToShell::Save).await?;
        let path = |said| if let FromShell::Saved(path) = said { Some(path) } else { None };
        self.answer(SLACK, path).await
    }

    /// The session's state, for one in another container; `None` when it is too large to be carried about.
    pub async fn export(&mut self) -> Result<Option<SessionState>, ShellError> {
        let exported = async {
            self.send(&ToShell::Export).await?;
            let state = |said| if let FromShell::Exported(state) = said { Some(state) } else { None };
            Ok(self.answer(SLACK, state).await?.map(SessionState))
        };
        let late = |_| Err(ShellError::Closed("its supervisor does not answer".into()));
        timeout(EXPORT_WITHIN, exported).await.unwrap_or_else(late)
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
        Canceller(self.tx.clone())
    }

    /// Waits for the end of a command; what is said of others is old.
    async fn end_of(
        &mut self,
        wanted: u64,
        within: Duration,
        on_output: &mut impl FnMut(Stream, String),
    ) -> Result<CommandResult, ShellError> {
        let mut bytes = 0;
        let ended = self.answer(within, |said| match said {
            FromShell::Output { id, stream, text } if id == wanted => {
                bytes += text.len() as u64;
                // Our supervisor keeps less, and one byte that is no UTF-8 becomes three.
                let too_much = || ShellError::Closed("its supervisor says more of a command than ours would (has the image a `/firedrill` of its own?)".into());
                if bytes > 8 * KEEP_BYTES {
                    return Some(Err(too_much()));
                }
                on_output(stream, text);
                None
            }
            FromShell::Ended(id, result) if id == wanted => Some(Ok(result)),
            _ => None,
        });
        let result = ended.await??;
        self.unfinished = None;
        Ok(result)
    }

    /// What one of the next messages says.
    async fn answer<T>(
        &mut self,
        within: Duration,
        mut says: impl FnMut(FromShell) -> Option<T>,
    ) -> Result<T, ShellError> {
        let answer = async {
            loop {
                if let Some(answer) = says(self.said().await?) {
                    return Ok(answer);
                }
            }
        };
        let late = "its supervisor does not answer (is the container paused or out of memory?)";
        timeout(within, answer).await.unwrap_or_else(|_| Err(ShellError::Closed(late.into())))
    }

    /// The next message. Of a session into which something else writes nothing is believed any more.
    async fn said(&mut self) -> Result<FromShell, ShellError> {
        let Said(bytes, said) = self.rx.recv().await.ok_or_else(closed)?;
        locked(&self.notes).unheard -= bytes;
        let why = match said {
            Ok(FromShell::Failed(message)) => message,
            Ok(said) => return Ok(said),
            Err(line) => {
                let line = crate::output::one_line(&line.chars().take(200).collect::<String>());
                format!("something else in its container wrote into the session: {line}")
            }
        };
        Err(ShellError::Closed(why))
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
pub struct Canceller(mpsc::Sender<String>);

impl Canceller {
    /// Asks for the end.
    pub async fn cancel(&self) {
        // A session that is gone has ended everything.
        let _ = self.0.send(line_of(&ToShell::Cancel)).await;
    }
}

/// Asks for the end of the command that runs, unless that end was seen.
struct CancelOnDrop(Option<Canceller>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        // Full: the next command says it again.
        let _ = self.0.take().map(|command| command.0.try_send(line_of(&ToShell::Cancel)));
    }
}

/// Most different calls of a command that are noted, and the longest, in bytes; what is left out counts as not called.
const MOST_NOTED: usize = 1024;
const LONGEST_NOTED: usize = 16 << 10;

/// A call of a step that went on without the session from which it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedCall {
    /// The program with its arguments.
    pub command: String,
    /// Its exit code.
    pub exit: i32,
}

/// What the other end says that is of no call, with its length in bytes.
struct Said(usize, Result<FromShell, String>);

/// Bytes that each message takes beside its text, at least.
const OF_MESSAGE: usize = 128;
/// Most parts of one call that wait: what it was asked for, and what it took.
const MOST_PARTS: usize = 1024;
/// Most bytes of it that wait to be heard, far more than a command may say: between commands nobody listens.
const MOST_UNHEARD: usize = 64 << 20;

/// What is noted of the calls of a session.
#[derive(Debug, Default)]
struct CallNotes {
    /// Bytes that were said and not heard yet.
    pub unheard: usize,
    /// Those since a command began that is watched, each once, as shell text.
    pub begun: Option<BTreeSet<String>>,
    /// Those that went on without the session.
    pub ended: Vec<EndedCall>,
}

/// Serves calls until the channel ends; every other line is handed on, as an error where it is no message. Dropping the future ends
/// what is under way. A channel that ends by itself has lost its container, which may be what a call is about (`docker compose restart`
/// of the service in which the step runs): calls that are under way then go on to their end, and are noted.
async fn serve(
    (mut from, token): (mpsc::Receiver<String>, String),
    tx: mpsc::Sender<String>,
    others: mpsc::UnboundedSender<Said>,
    tools: Arc<dyn Tools>,
    notes: Arc<Mutex<CallNotes>>,
) {
    let mut calls: BTreeMap<u64, mpsc::Sender<FromCall>> = BTreeMap::new();
    let mut tasks: JoinSet<(u64, Option<EndedCall>)> = JoinSet::new();
    let lost = CancellationToken::new();
    loop {
        if lost.is_cancelled() && tasks.is_empty() {
            break;
        }
        tokio::select! {
            line = from.recv(), if !lost.is_cancelled() => {
                let Some(line) = line else {
                    lost.cancel();
                    continue;
                };
                let said = line.strip_prefix(&token);
                match said.and_then(|said| serde_json::from_str(said).ok()) {
                    Some(FromShell::Call(id, FromCall::Begun(call))) => {
                        let to = To { id, tx: tx.clone(), lost: lost.clone() };
                        // The other end hears so many at once; some of them may still be ending here.
                        if tasks.len() >= 4 * CALLS_AT_ONCE {
                            to.send(ToCall::Ended(REFUSED)).await;
                            continue;
                        }
                        let (events, told) = mpsc::channel(MOST_PARTS);
                        calls.insert(id, events);
                        if let Some(begun) = locked(&notes).begun.as_mut().filter(|begun| begun.len() < MOST_NOTED) {
                            let words = std::iter::once(&call.program).chain(&call.args).map(|word| quote(word.as_bytes()));
                            let text = String::from_utf8_lossy(&words.collect::<Vec<_>>().join(&b' ')).into_owned();
                            begun.extend(Some(text).filter(|text| text.len() <= LONGEST_NOTED));
                        }
                        let tools = tools.clone();
                        tasks.spawn(async move { (id, carry_out(call, told, to, &*tools).await) });
                    }
                    Some(FromShell::Call(id, part)) => {
                        // What comes after the end of a call is of no interest; one that sends without bound is not heard any more.
                        if calls.get(&id).is_some_and(|call| call.try_send(part).is_err()) {
                            calls.remove(&id);
                        }
                    }
                    other => {
                        // Nobody else is to know the token.
                        let other = other.ok_or_else(|| said.unwrap_or(&line).to_string());
                        let unheard = locked(&notes).unheard + line.len() + OF_MESSAGE;
                        if unheard > MOST_UNHEARD {
                            let why = "its supervisor says more than ours would (has the image a `/firedrill` of its own?)";
                            let _ = others.send(Said(0, Ok(FromShell::Failed(why.into()))));
                            break;
                        }
                        locked(&notes).unheard = unheard;
                        let _ = others.send(Said(line.len() + OF_MESSAGE, other));
                    }
                }
            }
            Some(done) = tasks.join_next() => {
                // A call that panicked is known by its channel alone.
                if let Ok((id, call)) = done {
                    calls.remove(&id);
                    locked(&notes).ended.extend(call.filter(|_| lost.is_cancelled()));
                }
                calls.retain(|_, call| !call.is_closed());
            }
        }
    }
}

/// One call, from its beginning to its end; `None` when it was not wanted any more.
async fn carry_out(call: ToolCall, mut told: mpsc::Receiver<FromCall>, to: To, tools: &dyn Tools) -> Option<EndedCall> {
    let command = std::iter::once(call.program.as_str()).chain(call.args.iter().map(String::as_str));
    let command = command.collect::<Vec<_>>().join(" ");
    let (io, mut peer) = CallIo::pair();
    let cancel = CancellationToken::new();
    // Also when this future is dropped.
    let _cancelled = cancel.clone().drop_guard();
    let mut running = tools.call(call, io, cancel.clone());
    let (mut exit, mut wanted) = (None, 0_usize);
    let (mut room, mut gone, mut silent, mut alone) = (u64::from(WINDOW), false, false, false);
    loop {
        tokio::select! {
            code = &mut running, if exit.is_none() => exit = Some(code),
            piece = peer.out.recv(), if !silent && (room > 0 || gone || alone) => match piece {
                None => silent = true,
                Some(_) if gone => {}
                Some((stream, bytes)) => {
                    room = room.saturating_sub(bytes.len() as u64);
                    to.send(ToCall::Output(stream, Blob(bytes))).await;
                }
            },
            Some(bytes) = peer.wants.recv() => {
                wanted = wanted.saturating_add(bytes as usize);
                to.send(ToCall::Want(bytes)).await;
            }
            // Nobody takes or gives anything any more.
            () = to.lost.cancelled(), if !alone => {
                alone = true;
                peer.chunks = None;
            }
            event = told.recv(), if !gone => match event {
                Some(FromCall::Input(data)) if (1..=wanted).contains(&data.0.len()) => {
                    wanted -= data.0.len();
                    let _ = peer.chunks.as_ref().map(|chunks| chunks.send(data.0));
                }
                Some(FromCall::InputEnd) => peer.chunks = None,
                Some(FromCall::Took(bytes)) => room = room.saturating_add(u64::from(bytes)),
                Some(FromCall::Begun(_)) => {}
                // Its own program sends no more than is wanted: what another one sends would wait here without bound.
                Some(FromCall::Gone | FromCall::Input(_)) | None => {
                    gone = true;
                    peer.chunks = None;
                    cancel.cancel();
                    to.send(ToCall::Ended(REFUSED)).await;
                }
            },
        }
        if let (Some(exit), true) = (exit, silent || gone) {
            if gone {
                return None;
            }
            to.send(ToCall::Ended(exit)).await;
            return Some(EndedCall { command, exit });
        }
    }
}

/// Where what is said to a call goes.
struct To {
    id: u64,
    tx: mpsc::Sender<String>,
    /// Cancelled when nobody is there any more.
    lost: CancellationToken,
}

impl To {
    async fn send(&self, part: ToCall) {
        // The end of the session is noticed where messages are received.
        let _ = self.lost.run_until_cancelled(self.tx.send(line_of(&ToShell::Call(self.id, part)))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    /// Counts what has begun and holds its input without reading it, as `docker logs -f` does, until it is cancelled.
    #[derive(Debug, Default)]
    struct Follows(Arc<AtomicUsize>);

    impl Tools for Follows {
        fn call(&self, _: ToolCall, io: CallIo, cancel: CancellationToken) -> BoxFuture<'static, i32> {
            let begun = self.0.clone();
            async move {
                begun.fetch_add(1, Ordering::SeqCst);
                cancel.cancelled().await;
                drop(io);
                1
            }
            .boxed()
        }
    }

    /// Has all of these messages of calls taken in; how many calls have begun then.
    async fn begun(parts: Vec<(u64, FromCall)>, answers: mpsc::Sender<String>) -> usize {
        let (shell, from) = mpsc::channel(1);
        let (others, mut handed_on) = mpsc::unbounded_channel();
        let follows = Follows::default();
        let counted = follows.0.clone();
        let serving = serve((from, String::new()), answers, others, Arc::new(follows), Arc::default());
        let _serving = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(serving));
        for (id, part) in parts {
            shell.send(line_of(&FromShell::Call(id, part))).await.unwrap();
        }
        shell.send("the last one".into()).await.unwrap();
        assert!(handed_on.recv().await.is_some());
        // Everything that can go on does so.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        counted.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn what_nobody_listens_to_does_not_wait_without_bound() {
        let ((shell, from), (answers, _heard)) = (mpsc::channel(2), mpsc::channel(1));
        let (others, _not_heard) = mpsc::unbounded_channel();
        let serving = serve((from, "TOKEN".into()), answers, others, Arc::new(Follows::default()), Arc::default());
        let _serving = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(serving));
        let line = "x".repeat(1 << 20);
        let mut taken = 0;
        while taken < 2 * MOST_UNHEARD && shell.send(line.clone()).await.is_ok() {
            taken += line.len();
        }
        assert!((MOST_UNHEARD..2 * MOST_UNHEARD).contains(&taken), "{taken} bytes");
    }

    #[tokio::test]
    async fn nobody_is_told_the_token() {
        let ((shell, from), (answers, _heard)) = (mpsc::channel(2), mpsc::channel(1));
        let (others, mut handed_on) = mpsc::unbounded_channel();
        shell.send("TOKEN{\"Exp".into()).await.unwrap();
        shell.send("plain".into()).await.unwrap();
        drop(shell);
        serve((from, "TOKEN".into()), answers, others, Arc::new(Follows::default()), Arc::default()).await;
        for line in ["{\"Exp", "plain"] {
            assert_eq!(handed_on.recv().await.and_then(|Said(_, said)| said.err()).as_deref(), Some(line));
        }
    }

    #[tokio::test]
    async fn calls_beyond_any_measure_are_refused() {
        let all = (1..=5 * CALLS_AT_ONCE as u64).map(|id| (id, FromCall::Begun(ToolCall::default())));
        let (answers, _heard) = mpsc::channel(1000);
        assert_eq!(begun(all.collect(), answers).await, 4 * CALLS_AT_ONCE);
    }

    #[tokio::test]
    async fn a_call_that_sends_what_nobody_wants_is_ended() {
        for data in [&b""[..], b"x"] {
            let (answers, mut heard) = mpsc::channel(100);
            let input = FromCall::Input(Blob(bytes::Bytes::from_static(data)));
            begun(vec![(1, FromCall::Begun(ToolCall::default())), (1, input)], answers).await;
            let heard = tokio::time::timeout(Duration::from_secs(10), heard.recv()).await.unwrap();
            let ended = ToShell::Call(1, ToCall::Ended(REFUSED));
            assert_eq!(heard, Some(line_of(&ended)));
        }
    }
}
