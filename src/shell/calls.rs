//! The runner's side of what steps call: takes the messages of calls out of the session's channel, has each call carried
//! out, and gives back its output as fast as it is taken, and no faster.

use super::protocol::{Blob, FromCall, FromShell, ToCall, ToShell, is_of_a_call};
use crate::stack::{Call, CallIo, Tools, WINDOW};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Serves calls until the channel ends; every other line is handed on. Dropping the future ends what is under way.
pub(super) async fn serve(
    mut from: mpsc::Receiver<String>,
    tx: mpsc::Sender<String>,
    others: mpsc::UnboundedSender<String>,
    tools: Arc<dyn Tools>,
) {
    let mut calls: BTreeMap<u64, mpsc::UnboundedSender<FromCall>> = BTreeMap::new();
    let mut tasks: JoinSet<u64> = JoinSet::new();
    loop {
        tokio::select! {
            line = from.recv() => {
                let Some(line) = line else { break };
                let call = is_of_a_call(&line).then(|| serde_json::from_str(&line).ok()).flatten();
                match call {
                    Some(FromShell::Call { id, part: FromCall::Begun { program, args, cwd, env } }) => {
                        let (events, told) = mpsc::unbounded_channel();
                        calls.insert(id, events);
                        let call = Call { program, args, cwd, env };
                        let (tx, tools) = (tx.clone(), tools.clone());
                        tasks.spawn(async move {
                            carry_out(id, call, told, &tx, &*tools).await;
                            id
                        });
                    }
                    Some(FromShell::Call { id, part }) => {
                        // What comes after the end of a call is of no interest.
                        let _ = calls.get(&id).map(|call| call.send(part));
                    }
                    _ => {
                        let _ = others.send(line);
                    }
                }
            }
            Some(ended) = tasks.join_next() => {
                // A call that panicked is known by its channel alone.
                let _ = ended.map(|id| calls.remove(&id));
                calls.retain(|_, call| !call.is_closed());
            }
        }
    }
}

/// One call, from its beginning to its end.
async fn carry_out(
    id: u64,
    call: Call,
    mut told: mpsc::UnboundedReceiver<FromCall>,
    tx: &mpsc::Sender<String>,
    tools: &dyn Tools,
) {
    let (io, mut peer) = CallIo::pair();
    let cancel = CancellationToken::new();
    // Also when this future is dropped.
    let _cancelled = cancel.clone().drop_guard();
    let mut running = tools.call(call, io, cancel.clone());
    let mut exit = None;
    let (mut room, mut gone, mut silent) = (u64::from(WINDOW), false, false);
    loop {
        tokio::select! {
            code = &mut running, if exit.is_none() => exit = Some(code),
            piece = peer.out.recv(), if !silent && (room > 0 || gone) => match piece {
                None => silent = true,
                Some(_) if gone => {}
                Some((stream, bytes)) => {
                    room = room.saturating_sub(bytes.len() as u64);
                    send(tx, id, ToCall::Output { stream, data: Blob(bytes) }).await;
                }
            },
            Some(bytes) = peer.wants.recv() => send(tx, id, ToCall::Want { bytes }).await,
            event = told.recv(), if !gone => match event {
                Some(FromCall::Input { data }) => {
                    let _ = peer.chunks.as_ref().map(|chunks| chunks.send(data.0));
                }
                Some(FromCall::InputEnd) => peer.chunks = None,
                Some(FromCall::Took { bytes }) => room = room.saturating_add(u64::from(bytes)),
                Some(FromCall::Begun { .. }) => {}
                Some(FromCall::Gone) | None => {
                    gone = true;
                    peer.chunks = None;
                    cancel.cancel();
                }
            },
        }
        if let (Some(exit), true) = (exit, silent || gone) {
            if !gone {
                send(tx, id, ToCall::Ended { exit }).await;
            }
            return;
        }
    }
}

async fn send(tx: &mpsc::Sender<String>, id: u64, part: ToCall) {
    if let Ok(line) = serde_json::to_string(&ToShell::Call { id, part }) {
        // The end of the session is noticed where messages are received.
        let _ = tx.send(line).await;
    }
}
