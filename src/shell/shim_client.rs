//! `docker` in a step: a process that only carries its arguments, environment and streams to the supervisor of its
//! session, and the answer back. It decides nothing.

use super::protocol::{Blob, FromCall, LONGEST_LINE, ToCall};
use crate::output::{pipe, say_line};
use crate::record::Stream;
use crate::stack::{PIECE, REFUSED, ToolCall};
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Exit code when the drill is gone, as of `docker` itself when it cannot reach its engine.
const NOBODY_THERE: i32 = 125;
/// As of a process that SIGPIPE ended.
const NOBODY_READS: i32 = 141;

/// Calls `program` over the socket at this path; returns its exit code.
pub fn call_runner(socket: &Path, program: &str, args: &[OsString]) -> i32 {
    if let Some(arg) = args.iter().find(|arg| arg.to_str().is_none()) {
        say(&format!("an argument is not UTF-8: {}", arg.to_string_lossy()));
        return REFUSED;
    }
    let args = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let cwd = std::env::current_dir().unwrap_or_default().to_string_lossy().into_owned();
    let env =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let null = |path| Some(std::fs::metadata(path).ok()?.rdev());
    let no_input = null("/dev/stdin").is_some_and(|input| Some(input) == null("/dev/null"));
    let (program, env) = (program.to_string(), env.collect());
    let call = ToolCall { program, args, cwd, no_input, env, ..ToolCall::default() };
    converse(socket, call).unwrap_or_else(|error| {
        say(&format!("the drill does not answer: {error}"));
        NOBODY_THERE
    })
}

fn say(text: &str) {
    say_line(&format!("firedrill: {text}"));
}

fn converse(socket: &Path, call: ToolCall) -> io::Result<i32> {
    let mut stream = UnixStream::connect(socket)?;
    send(&mut stream, &FromCall::Begun(call))?;
    let (wants, wanted) = channel();
    let to = stream.try_clone()?;
    // Never joined: it may be waiting for input that nobody sends.
    std::thread::spawn(move || input(wanted, to));
    output(BufReader::with_capacity(PIECE * 2, stream), &wants)
}

fn send(to: &mut UnixStream, part: &FromCall) -> io::Result<()> {
    let mut line = serde_json::to_vec(part)?;
    if line.len() > LONGEST_LINE {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the call is too long"));
    }
    line.push(b'\n');
    to.write_all(&line)
}

/// Sends as much of standard input as is wanted.
fn input(wanted: Receiver<u32>, mut to: UnixStream) {
    let mut stdin = io::stdin().lock();
    let mut buffer = vec![0; PIECE];
    let mut room = 0_usize;
    loop {
        if room == 0 {
            let Ok(more) = wanted.recv() else { return };
            room = more as usize;
        }
        room = wanted.try_iter().fold(room, |room, more| room.saturating_add(more as usize));
        let longest = buffer.len().min(room);
        let read = buffer.get_mut(..longest).map(|buffer| stdin.read(buffer));
        let part = match read {
            Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
            Some(Ok(n)) if n > 0 => {
                room -= n;
                FromCall::Input(Blob(buffer.get(..n).unwrap_or_default().to_vec().into()))
            }
            _ => FromCall::InputEnd,
        };
        if send(&mut to, &part).is_err() || part == FromCall::InputEnd {
            return;
        }
    }
}

/// Writes what comes, until the exit code does.
fn output(from: impl BufRead, wants: &Sender<u32>) -> io::Result<i32> {
    for line in from.lines() {
        let written = match serde_json::from_str(&line?)? {
            ToCall::Ended(exit) => return Ok(exit),
            ToCall::Want(bytes) => {
                let _ = wants.send(bytes);
                Ok(())
            }
            ToCall::Output(Stream::Stdout, data) => put(pipe::stdout().lock(), &data.0),
            ToCall::Output(Stream::Stderr, data) => put(pipe::stderr().lock(), &data.0),
        };
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(NOBODY_READS),
            Err(error) => {
                say(&format!("its output cannot be written: {error}"));
                return Ok(1);
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the session has ended"))
}

fn put(mut to: impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}
