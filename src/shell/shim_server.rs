//! The container's side of what steps call: programs at the front of their `PATH` that are Firedrill itself, and the
//! socket at which these knock. What they say goes to the runner, and what the runner says goes back.

use super::frames::{Frame, read, write};
use super::processes;
use super::protocol::{FromCall, FromShell, ToCall, ToShell, is_of_a_call};
use super::session::{Session, bin};
use crate::record::Stream;
use crate::stack::PIECE;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::BufReader;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The programs.
const PROGRAMS: [&str; 3] = ["docker", "docker-compose", "kubectl"];
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

/// Gives a session the programs; returns what the runner says from then on that is not for one of them.
pub(super) fn install(
    session: &mut Session,
    programs: Programs,
    (dir, bash): (&Path, &Path),
    (tx, rx): (mpsc::Sender<String>, mpsc::Receiver<String>),
    over: CancellationToken,
) -> Result<mpsc::Receiver<String>, String> {
    if programs == Programs::None {
        return Ok(rx);
    }
    let shims = ShimServer::open(dir, bash, tx, over);
    let shims = shims.map_err(|error| format!("`docker` cannot be put into {}: {error}", dir.display()))?;
    session.set_env("PATH", &shims.path(programs).to_string_lossy());
    Ok(shims.route(rx))
}

/// The programs of one session.
#[derive(Debug)]
struct ShimServer {
    bin: PathBuf,
    calls: ShimCalls,
}

impl ShimServer {
    /// Writes the programs into `dir` and listens for them until `over`.
    fn open(dir: &Path, bash: &Path, tx: mpsc::Sender<String>, over: CancellationToken) -> std::io::Result<ShimServer> {
        let bin = bin(dir);
        std::fs::DirBuilder::new().mode(0o700).create(&bin)?;
        let socket = dir.join("shim.sock");
        let listener = UnixListener::bind(&socket)?;
        for program in PROGRAMS {
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(0o700).open(bin.join(program))?;
            file.write_all(&launcher(bash, &launch(), &socket, program))?;
        }
        let calls = ShimCalls::default();
        let listening = listen(listener, tx, calls.clone(), over.clone());
        tokio::spawn(async move { over.run_until_cancelled_owned(listening).await });
        Ok(ShimServer { bin, calls })
    }

    /// The `PATH` of the session.
    fn path(&self, programs: Programs) -> OsString {
        let own = std::env::var_os("PATH").unwrap_or_default();
        let own = std::env::split_paths(&own).filter(|dir| !dir.as_os_str().is_empty());
        let paths: Vec<PathBuf> = match programs {
            Programs::First => std::iter::once(self.bin.clone()).chain(own).collect(),
            Programs::Last => own.chain([self.bin.clone()]).collect(),
            Programs::None => own.collect(),
        };
        std::env::join_paths(paths).unwrap_or_default()
    }

    /// Takes the messages of calls out of what the runner sends; the rest is handed on.
    fn route(self, mut from: mpsc::Receiver<String>) -> mpsc::Receiver<String> {
        let (tx, rest) = mpsc::channel(256);
        tokio::spawn(async move {
            while let Some(line) = from.recv().await {
                if !is_of_a_call(&line) {
                    if tx.send(line).await.is_err() {
                        return;
                    }
                } else if let Ok(ToShell::Call { id, part }) = serde_json::from_str(&line) {
                    let call = lock(&self.calls).get(&id).cloned();
                    let _ = call.map(|call| call.send(part));
                }
            }
        });
        rest
    }
}

fn lock(calls: &ShimCalls) -> std::sync::MutexGuard<'_, BTreeMap<u64, mpsc::UnboundedSender<ToCall>>> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A script that starts this executable in the same way in which it was started: with a loader and a C library of its
/// own where it was so.
fn launcher(bash: &Path, launch: &[OsString], socket: &Path, program: &str) -> Vec<u8> {
    // `-p`: no BASH_ENV and no functions of the step's.
    let mut text = b"#!".to_vec();
    text.extend_from_slice(bash.as_os_str().as_bytes());
    text.extend_from_slice(b" -p\nexec");
    for word in launch.iter().map(OsString::as_os_str).chain(["docker-call".as_ref(), socket.as_os_str()]) {
        text.push(b' ');
        text.extend_from_slice(&super::session::quote(word.as_bytes()));
    }
    text.extend_from_slice(format!(" -- {program} \"$@\"\n").as_bytes());
    text
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

async fn listen(listener: UnixListener, tx: mpsc::Sender<String>, calls: ShimCalls, over: CancellationToken) {
    let mut last = 0;
    loop {
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
        tokio::spawn(async move { over.run_until_cancelled_owned(serving).await });
    }
}

async fn serve(id: u64, caller: UnixStream, tx: mpsc::Sender<String>, calls: ShimCalls) {
    let (reader, writer) = caller.into_split();
    let mut reader = BufReader::with_capacity(PIECE * 2, reader);
    let header = tokio::time::timeout(HEADER_WITHIN, read(&mut reader)).await;
    let Ok(Ok(Some(Frame::Call { program, args, cwd, env }))) = header else { return };
    let (replies, told) = mpsc::unbounded_channel();
    lock(&calls).insert(id, replies);
    let own: HashMap<OsString, OsString> = std::env::vars_os().collect();
    let differs = |(name, value): &(String, String)| own.get(std::ffi::OsStr::new(name)) != Some(&value.into());
    let env = env.into_iter().filter(differs).collect();
    tell(&tx, id, FromCall::Begun { program, args, cwd, env }).await;
    let ended = tokio::select! {
        () = input(id, reader, &tx) => false,
        ended = output(id, writer, told, &tx) => ended,
    };
    lock(&calls).remove(&id);
    if !ended {
        tell(&tx, id, FromCall::Gone).await;
    }
}

/// What the program reads goes to the runner, until the program is gone.
async fn input(id: u64, mut reader: BufReader<OwnedReadHalf>, tx: &mpsc::Sender<String>) {
    while let Ok(Some(frame)) = read(&mut reader).await {
        match frame {
            Frame::Input(data) => tell(tx, id, FromCall::Input { data: super::protocol::Blob(data) }).await,
            Frame::InputEnd => tell(tx, id, FromCall::InputEnd).await,
            _ => return,
        }
    }
}

/// What the runner says goes to the program, until its exit code; false when nobody takes it.
async fn output(
    id: u64,
    mut writer: OwnedWriteHalf,
    mut told: mpsc::UnboundedReceiver<ToCall>,
    tx: &mpsc::Sender<String>,
) -> bool {
    while let Some(part) = told.recv().await {
        let (frame, took) = match part {
            ToCall::Want { bytes } => (Frame::Want(bytes), 0),
            ToCall::Ended { exit } => {
                // Nothing to be done for one that is gone by now.
                let _ = write(&mut writer, &Frame::Exit(exit)).await;
                return true;
            }
            ToCall::Output { stream, data } => {
                let took = u32::try_from(data.0.len()).unwrap_or(u32::MAX);
                (if stream == Stream::Stdout { Frame::Stdout(data.0) } else { Frame::Stderr(data.0) }, took)
            }
        };
        if write(&mut writer, &frame).await.is_err() {
            return false;
        }
        if took > 0 {
            tell(tx, id, FromCall::Took { bytes: took }).await;
        }
    }
    false
}

async fn tell(tx: &mpsc::Sender<String>, id: u64, part: FromCall) {
    if let Ok(line) = serde_json::to_string(&FromShell::Call { id, part }) {
        // The end of the session is noticed where messages are received.
        let _ = tx.send(line).await;
    }
}
