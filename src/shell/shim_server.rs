//! The container's side of what steps call: programs at the front of their `PATH` that are Firedrill itself, and the
//! socket at which these knock. What they say goes to the runner, and what the runner says goes back.

use super::processes;
use super::protocol::{CALLS_AT_ONCE, FromCall, FromShell, LONGEST_LINE, ToCall, ToRunner, ToShell, line_of};
use super::session::{Session, bin};
use crate::locked;
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::sync::CancellationToken;

/// The programs that a session has of the runner, which carries out what it allows.
pub const PROGRAMS: [&str; 3] = ["docker", "docker-compose", "kubectl"];
/// How long a program may take to say what was called.
const HEADER_WITHIN: Duration = Duration::from_secs(10);

type ShimCalls = Arc<Mutex<BTreeMap<u64, mpsc::UnboundedSender<ToCall>>>>;

/// Where the programs are in the `PATH` of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Programs {
    /// Before everything else: in the toolbox nothing else may be meant.
    #[default]
    First,
    /// After everything else: what a service has of its own is what its commands mean.
    Last,
    /// Nowhere.
    None,
}

/// Gives a session the programs; returns what the runner says from then on that is not for one of them, or the line that is no message.
pub(super) fn install(
    session: &mut Session,
    programs: Programs,
    (dir, bash): (&Path, &Path),
    (tx, rx): (ToRunner, mpsc::Receiver<String>),
    over: CancellationToken,
) -> Result<mpsc::Receiver<Result<ToShell, String>>, String> {
    let calls = ShimCalls::default();
    if programs == Programs::None {
        return Ok(route(rx, calls));
    }
    let (bin, listener) =
        open(dir, bash).map_err(|error| format!("`docker` cannot be put into {}: {error}", dir.display()))?;
    let listening = listen(listener, tx, calls.clone(), over.clone());
    tokio::spawn(async move { over.run_until_cancelled_owned(listening).await });
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut path: Vec<PathBuf> = std::env::split_paths(&path).filter(|dir| !dir.as_os_str().is_empty()).collect();
    path.insert(if programs == Programs::First { 0 } else { path.len() }, bin);
    session.set_env("PATH", &std::env::join_paths(path).unwrap_or_default().to_string_lossy());
    Ok(route(rx, calls))
}

/// Writes the programs into a directory of their own in `dir`, and listens for them.
fn open(dir: &Path, bash: &Path) -> std::io::Result<(PathBuf, UnixListener)> {
    let bin = bin(dir);
    std::fs::DirBuilder::new().mode(0o700).create(&bin)?;
    let socket = dir.join("shim.sock");
    let listener = UnixListener::bind(&socket)?;
    for program in PROGRAMS {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o700).open(bin.join(program))?;
        file.write_all(&launcher(bash, &launch(), &socket, program))?;
    }
    Ok((bin, listener))
}

/// Reads what the runner sends: messages of calls go to their programs, the rest is handed on. A line that is none is handed on as an error.
fn route(mut from: mpsc::Receiver<String>, calls: ShimCalls) -> mpsc::Receiver<Result<ToShell, String>> {
    let (tx, rest) = mpsc::channel(256);
    tokio::spawn(async move {
        while let Some(line) = from.recv().await {
            let message = match serde_json::from_str(&line) {
                Ok(ToShell::Call(id, part)) => {
                    let call = locked(&calls).get(&id).cloned();
                    let _ = call.map(|call| call.send(part));
                    continue;
                }
                message => message.map_err(|_| line),
            };
            if tx.send(message).await.is_err() {
                return;
            }
        }
    });
    rest
}

/// A script that starts this executable in the same way in which it was started: with a loader and a C library of its
/// own where it was so.
fn launcher(bash: &Path, launch: &[OsString], socket: &Path, program: &str) -> Vec<u8> {
    // `-p`: no BASH_ENV and no functions of the step's.
    let words = launch.iter().map(OsString::as_os_str).chain(["docker-call".as_ref(), socket.as_os_str()]);
    let words: Vec<Vec<u8>> = words.map(|word| super::session::quote(word.as_bytes())).collect();
    let rest = format!(" -- {program} \"$@\"\n");
    let parts: [&[u8]; 5] = [b"#!", bash.as_os_str().as_bytes(), b" -p\nexec ", &words.join(&b' '), rest.as_bytes()];
    parts.concat()
}

/// The command line of this process without the arguments that were meant for it: a loader is no argument of ours.
fn launch() -> Vec<OsString> {
    let own = std::env::args_os().count();
    let all = std::fs::read("/proc/self/cmdline").unwrap_or_default();
    let mut words: Vec<OsString> =
        all.split(|byte| *byte == 0).map(|word| std::os::unix::ffi::OsStringExt::from_vec(word.to_vec())).collect();
    // Each word ends with a NUL.
    words.pop();
    if words.len() > own {
        words.truncate(words.len() + 1 - own);
        return words;
    }
    vec![std::env::current_exe().unwrap_or_else(|_| PathBuf::from("firedrill")).into_os_string()]
}

async fn listen(listener: UnixListener, tx: ToRunner, calls: ShimCalls, over: CancellationToken) {
    let mut last = 0;
    let turns = Arc::new(Semaphore::new(CALLS_AT_ONCE));
    // The others wait to be accepted: the runner has nothing of them yet.
    while let Ok(turn) = turns.clone().acquire_owned().await {
        // Out of file descriptors, for instance: the next one may have more luck.
        let Ok((caller, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        // Whoever runs as the same user could knock: only what a step has started is let in.
        let pid = caller.peer_cred().ok().and_then(|peer| peer.pid());
        if !pid.is_some_and(processes::is_descendant) {
            continue;
        }
        last += 1;
        let (over, serving) = (over.clone(), serve(last, caller, tx.clone(), calls.clone()));
        tokio::spawn(async move {
            let _turn = turn;
            over.run_until_cancelled_owned(serving).await
        });
    }
}

type ShimLines = FramedRead<OwnedReadHalf, LinesCodec>;

async fn serve(id: u64, caller: UnixStream, tx: ToRunner, calls: ShimCalls) {
    let (reader, writer) = caller.into_split();
    let mut lines = FramedRead::new(reader, LinesCodec::new_with_max_length(LONGEST_LINE));
    let first = tokio::time::timeout(HEADER_WITHIN, heard(&mut lines)).await;
    let Ok(Some(FromCall::Begun(mut call))) = first else { return };
    let (replies, told) = mpsc::unbounded_channel();
    locked(&calls).insert(id, replies);
    call.begins = super::session::current_dir().to_string_lossy().into();
    call.env.retain(|(name, value)| std::env::var_os(name).as_deref() != Some(value.as_ref()));
    tx.say(&FromShell::Call(id, FromCall::Begun(call))).await;
    let ended = tokio::select! {
        () = input(id, lines, &tx) => false,
        ended = output(id, writer, told, &tx) => ended,
    };
    locked(&calls).remove(&id);
    if !ended {
        tx.say(&FromShell::Call(id, FromCall::Gone)).await;
    }
}

/// The next thing that a program says; `None` at its end, and when it is none of the protocol.
async fn heard(lines: &mut ShimLines) -> Option<FromCall> {
    serde_json::from_str(&lines.next().await?.ok()?).ok()
}

/// What the program reads goes to the runner, until the program is gone.
async fn input(id: u64, mut lines: ShimLines, tx: &ToRunner) {
    // Anything else is not the program's to say.
    while let Some(part @ (FromCall::Input(_) | FromCall::InputEnd)) = heard(&mut lines).await {
        // The end of the session is noticed where messages are received.
        tx.say(&FromShell::Call(id, part)).await;
    }
}

/// What the runner says goes to the program, until its exit code; false when nobody takes it.
async fn output(id: u64, mut writer: OwnedWriteHalf, mut told: mpsc::UnboundedReceiver<ToCall>, tx: &ToRunner) -> bool {
    while let Some(part) = told.recv().await {
        let written = writer.write_all(format!("{}\n", line_of(&part)).as_bytes()).await;
        match part {
            // Nothing to be done for one that is gone by now.
            ToCall::Ended(_) => return true,
            _ if written.is_err() => return false,
            ToCall::Output(_, data) if !data.0.is_empty() => {
                let bytes = u32::try_from(data.0.len()).unwrap_or(u32::MAX);
                tx.say(&FromShell::Call(id, FromCall::Took(bytes))).await;
            }
            ToCall::Output(..) | ToCall::Want(_) => {}
        }
    }
    false
}
