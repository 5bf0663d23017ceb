//! The runner's side of what steps call: takes the messages of calls out of the session's channel, has each call carried
//! out, and gives back its output as fast as it is taken, and no faster.

use super::protocol::{Blob, CALLS_AT_ONCE, FromCall, FromShell, ToCall, ToShell, line_of};
use super::session::quote;
use crate::locked;
use crate::stack::{CallIo, REFUSED, ToolCall, Tools, WINDOW};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

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

/// What is noted of the calls of a session.
#[derive(Debug, Default)]
pub(super) struct CallNotes {
    /// Those since a command began that is watched, each once, as shell text.
    pub begun: Option<BTreeSet<String>>,
    /// Those that went on without the session.
    pub ended: Vec<EndedCall>,
}

/// A line from the other end.
#[derive(Debug)]
pub(super) enum ShimLine {
    /// The supervisor's.
    Said(serde_json::Result<FromShell>),
    /// Without the token: of the supervisor until it is ready, of a loader that cannot start it, or of a process that reached its
    /// output.
    Foreign(String),
}

/// Serves calls until the channel ends; every other line is handed on. Dropping the future ends what is under way. A channel
/// that ends by itself has lost its container, which may be what a call is about (`docker compose restart` of the service in
/// which the step runs): calls that are under way then go on to their end, and are noted.
pub(super) async fn serve(
    (mut from, token): (mpsc::Receiver<String>, String),
    tx: mpsc::Sender<String>,
    others: mpsc::UnboundedSender<ShimLine>,
    tools: Arc<dyn Tools>,
    notes: Arc<Mutex<CallNotes>>,
) {
    let mut calls: BTreeMap<u64, mpsc::UnboundedSender<FromCall>> = BTreeMap::new();
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
                let Some(said) = line.strip_prefix(&token) else {
                    let _ = others.send(ShimLine::Foreign(line));
                    continue;
                };
                match serde_json::from_str(said) {
                    Ok(FromShell::Call(id, FromCall::Begun(call))) => {
                        let to = To { id, tx: tx.clone(), lost: lost.clone() };
                        // The other end hears so many at once; some of them may still be ending here.
                        if tasks.len() >= 4 * CALLS_AT_ONCE {
                            to.send(ToCall::Ended(REFUSED)).await;
                            continue;
                        }
                        let (events, told) = mpsc::unbounded_channel();
                        calls.insert(id, events);
                        if let Some(begun) = locked(&notes).begun.as_mut().filter(|begun| begun.len() < MOST_NOTED) {
                            begun.extend(Some(as_text(&call)).filter(|text| text.len() <= LONGEST_NOTED));
                        }
                        let tools = tools.clone();
                        tasks.spawn(async move { (id, carry_out(call, told, to, &*tools).await) });
                    }
                    Ok(FromShell::Call(id, part)) => {
                        // What comes after the end of a call is of no interest.
                        let _ = calls.get(&id).map(|call| call.send(part));
                    }
                    said => drop(others.send(ShimLine::Said(said))),
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

/// A call as shell text.
fn as_text(call: &ToolCall) -> String {
    let words = std::iter::once(&call.program).chain(&call.args).map(|word| quote(word.as_bytes()));
    String::from_utf8_lossy(&words.collect::<Vec<_>>().join(&b' ')).into_owned()
}

/// One call, from its beginning to its end; `None` when it was not wanted any more.
async fn carry_out(
    call: ToolCall,
    mut told: mpsc::UnboundedReceiver<FromCall>,
    to: To,
    tools: &dyn Tools,
) -> Option<EndedCall> {
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
        handed_on.recv().await.unwrap();
        // Everything that can go on does so.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        counted.load(Ordering::SeqCst)
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
