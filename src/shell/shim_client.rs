//! `docker` in a step: a process that only carries its arguments, environment and streams to the supervisor of its
//! session, and the answer back. It decides nothing.

use super::frames::{Frame, read_now, write_now};
use crate::output::{pipe, say_line};
use crate::stack::{PIECE, REFUSED};
use std::ffi::OsString;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Exit code when the drill is gone, as of `docker` itself when it cannot reach its engine.
const NOBODY_THERE: i32 = 125;
/// As of a process that SIGPIPE ended.
const NOBODY_READS: i32 = 141;

/// Calls `program` over the socket at this path; returns its exit code.
pub fn call_runner(socket: &Path, program: &str, args: &[OsString]) -> i32 {
    let mut utf8 = Vec::new();
    for arg in args {
        match arg.to_str() {
            Some(arg) => utf8.push(arg.to_string()),
            None => {
                say(&format!("an argument is not UTF-8: {}", arg.to_string_lossy()));
                return REFUSED;
            }
        }
    }
    let cwd = std::env::current_dir().unwrap_or_default().to_string_lossy().into_owned();
    let env =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let call = Frame::Call { program: program.to_string(), args: utf8, cwd, env: env.collect() };
    match converse(socket, &call) {
        Ok(exit) => exit,
        Err(error) => {
            say(&format!("the drill does not answer: {error}"));
            NOBODY_THERE
        }
    }
}

fn say(text: &str) {
    say_line(&format!("firedrill: {text}"));
}

fn converse(socket: &Path, call: &Frame) -> io::Result<i32> {
    let mut stream = UnixStream::connect(socket)?;
    write_now(&mut stream, call)?;
    let (wants, wanted) = channel();
    let to = stream.try_clone()?;
    // Never joined: it may be waiting for input that nobody sends.
    std::thread::spawn(move || input(wanted, to));
    let from = BufReader::with_capacity(PIECE * 2, stream);
    output(from, &wants)
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
        let frame = match read {
            Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
            Some(Ok(n)) if n > 0 => {
                room -= n;
                Frame::Input(buffer.get(..n).unwrap_or_default().to_vec().into())
            }
            _ => Frame::InputEnd,
        };
        let over = frame == Frame::InputEnd;
        if write_now(&mut to, &frame).is_err() || over {
            return;
        }
    }
}

/// Writes what comes, until the exit code does.
fn output(mut from: impl Read, wants: &Sender<u32>) -> io::Result<i32> {
    while let Some(frame) = read_now(&mut from)? {
        let written = match frame {
            Frame::Exit(code) => return Ok(code),
            Frame::Want(bytes) => {
                let _ = wants.send(bytes);
                Ok(())
            }
            Frame::Stdout(bytes) => put(pipe::stdout().lock(), &bytes),
            Frame::Stderr(bytes) => put(pipe::stderr().lock(), &bytes),
            Frame::Call { .. } | Frame::Input(_) | Frame::InputEnd => Ok(()),
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
