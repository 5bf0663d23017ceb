//! Child processes: every program that Firedrill starts is made and started here, and nowhere else. Each leads a process group of its
//! own, so that a Ctrl-C at the terminal is for the runner alone and the program can be ended with all that it has started. It has a
//! deadline, or somebody who holds it and ends it by letting go. Where Firedrill itself is killed, the kernel kills the program.

use crate::locked;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process_group, setrlimit};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};
use std::sync::Mutex;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::runtime::Builder;

/// For a program that only tells something, of files or of an engine that answers at once.
pub const TELLS_WITHIN: Duration = Duration::from_secs(60);
/// Milliseconds to which every deadline is shortened, for tests.
const SHORTER: &str = "FIREDRILL_CHILD_DEADLINE_MS";
/// Bytes that a program may write to one of its streams where they are read as a whole.
const MOST_READ: u64 = 64 << 20;
/// Bytes of memory that a program may use which reads what others have written: a few lines can ask for any amount of it.
pub const MOST_MEMORY: u64 = 2 << 30;
/// From TERM to KILL.
const GRACE: Duration = Duration::from_secs(2);

/// The process groups of the programs that are running.
static RUNNING: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// A program to be started, without standard input. It dies with this process.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = outliving(program);
    command.stdin(Stdio::null()).kill_on_drop(true);
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpid, getppid, set_parent_process_death_signal};
        let parent = getpid();
        let die_with_parent = move || {
            // For the thread that starts it: those of the runtime live as long as the process.
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // It may have died before that was said. One that is outside of this namespace has no id here.
            match getppid() {
                Some(now) if now != parent => Err(io::ErrorKind::BrokenPipe.into()),
                _ => Ok(()),
            }
        };
        // SAFETY: between fork and exec only prctl(2) and getppid(2) are called, which are async-signal-safe, and nothing is allocated.
        unsafe { command.pre_exec(die_with_parent) };
    }
    command
}

/// `git` at the top of the work tree in which a directory lies. It takes no lock, which it would leave when it is killed, and runs no
/// command that the directory names: a repository can hold another one, with a configuration of its own (`core.fsmonitor`, filters).
/// Git older than 2.38 does not know `safe.bareRepository`, but wherever it begins it looks for `.git` first, which none can hold.
pub fn git(directory: &Path) -> Command {
    let real = directory.canonicalize().unwrap_or_else(|_| directory.to_path_buf());
    let top = real.ancestors().find(|folder| folder.join(".git").exists());
    let mut git = command("git");
    git.args(["--no-optional-locks", "-c", "safe.bareRepository=explicit", "-c", "core.fsmonitor=false", "-C"]);
    git.arg(top.unwrap_or(&real));
    if top.is_none() {
        // Without one it finds none, and not what only looks like one.
        git.arg("--git-dir=.git");
    }
    git
}

/// A program that is to outlive this process: the reaper alone.
pub fn outliving(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.process_group(0);
    command
}

/// Has a program, and each that it starts, end where it needs more than so many bytes of memory (Linux 4.7 and newer).
pub fn limit_memory(command: &mut Command, most: u64) {
    let limit = move || {
        let held = getrlimit(Resource::Data);
        let least = |held: Option<u64>| Some(held.map_or(most, |held| held.min(most)));
        let limit = Rlimit { current: least(held.current), maximum: least(held.maximum) };
        setrlimit(Resource::Data, limit).map_err(io::Error::from)
    };
    // SAFETY: between fork and exec only getrlimit(2) and setrlimit(2) are called, which are system calls, and nothing is allocated.
    unsafe { command.pre_exec(limit) };
}

/// How long a program may take that has this much time.
pub fn within(time: Duration) -> Duration {
    let shorter = std::env::var(SHORTER).ok().and_then(|text| text.parse().ok()).map(Duration::from_millis);
    shorter.map_or(time, |shorter| shorter.min(time))
}

/// Runs a program to its end and reads all that it writes.
///
/// # Errors
/// That it could not be started or read, or wrote more than 64 MiB; `TimedOut` when it did not end in time: then it and its group are gone.
pub async fn output(mut command: Command, time: Duration) -> io::Result<Output> {
    let time = within(time);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running::start(command)?;
    let (stdout, stderr) = (running.child.stdout.take(), running.child.stderr.take());
    let whole = async {
        // Who has its output open still belongs to it.
        let (stdout, stderr) = tokio::try_join!(read(stdout), read(stderr))?;
        Ok(Output { status: running.wait().await?, stdout, stderr })
    };
    if let Ok(output) = tokio::time::timeout(time, whole).await {
        return output;
    }
    running.end().await;
    let late = format!("it did not end within {} s", time.as_secs_f64());
    Err(io::Error::new(io::ErrorKind::TimedOut, late))
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(MOST_READ + 1).read_to_end(&mut bytes).await?;
    }
    let too_much = || io::Error::other(format!("it has written more than {} MiB", MOST_READ >> 20));
    if bytes.len() as u64 > MOST_READ { Err(too_much()) } else { Ok(bytes) }
}

/// `output` for whoever does not wait in a runtime, with what goes to standard input.
///
/// # Errors
/// Those of `output`.
pub fn output_blocking(mut command: Command, input: Vec<u8>, time: Duration) -> io::Result<Output> {
    // A shell reads a script from a pipe byte by byte, from a file in blocks.
    command.stdin(nameless(&input)?);
    // In a thread of its own: whoever calls may be a task of another runtime. It lives as long as the program, which dies with it.
    let run = || Builder::new_current_thread().enable_all().build()?.block_on(output(command, time));
    std::thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(|_| Err(io::Error::other("it was given up")))
}

/// A file without a name that holds this, to be read from its beginning.
///
/// # Errors
/// Those of the system.
pub fn nameless(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("firedrill", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// A program that runs. Dropping it kills its group, unless it has ended by itself.
#[derive(Debug)]
pub struct Running {
    /// Its streams and its end.
    pub child: Child,
    /// Its process group, until it has ended or is left alone.
    group: Option<i32>,
}

impl Running {
    /// Starts it.
    ///
    /// # Errors
    /// Those of the system: there is no such program, or no process can be made.
    pub fn start(mut command: Command) -> io::Result<Running> {
        let child = command.spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok());
        locked(&RUNNING).extend(group);
        Ok(Running { child, group })
    }

    /// Waits for its end. What it has left behind on purpose goes on.
    ///
    /// # Errors
    /// That it cannot be waited for.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.leave();
        Ok(status)
    }

    /// Lets it go on without this process.
    pub fn leave(&mut self) {
        if let Some(group) = self.group.take() {
            locked(&RUNNING).remove(&group);
        }
    }

    /// TERM for the group, then KILL: it has gone when this returns.
    pub async fn end(mut self) {
        for kill in [Signal::TERM, Signal::KILL] {
            self.group.iter().for_each(|group| signal(*group, kill));
            if tokio::time::timeout(GRACE, self.child.wait()).await.is_ok() {
                return;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.group.iter().for_each(|group| signal(*group, Signal::KILL));
        self.leave();
    }
}

fn signal(group: i32, signal: Signal) {
    // It may have gone by itself in the meantime.
    let _ = Pid::from_raw(group).map(|group| kill_process_group(group, signal));
}

/// Kills every program that is running, with its group: for a process that is about to end.
pub fn kill_all() {
    locked(&RUNNING).iter().for_each(|group| signal(*group, Signal::KILL));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ignores TERM, and so does what it starts; the ids of both are in `pids`.
    const ENDLESS: &str = "trap '' TERM; sleep 1000 & echo $$ $! > pids.new; mv pids.new pids; while :; do wait; done";

    fn endless(dir: &Path) -> Command {
        let mut command = command("bash");
        command.args(["--norc", "-c", ENDLESS]).current_dir(dir);
        command
    }

    async fn pids(dir: &Path) -> Vec<i32> {
        loop {
            if let Ok(text) = std::fs::read_to_string(dir.join("pids")) {
                return text.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Whether a process runs: one that has ended and was not waited for does not.
    fn runs(pid: i32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    }

    async fn gone(pids: &[i32]) {
        let all = async {
            while pids.iter().any(|pid| runs(*pid)) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), all).await.expect("they are gone");
    }

    #[tokio::test]
    async fn a_program_without_an_end_is_ended_with_its_group() {
        let dir = tempfile::tempdir().unwrap();
        let (output, pids) = tokio::join!(output(endless(dir.path()), Duration::from_secs(3)), pids(dir.path()));
        let error = output.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "it did not end within 3 s");
        assert_eq!(pids.len(), 2);
        gone(&pids).await;
    }

    #[tokio::test]
    async fn so_is_one_that_is_waited_for_in_a_thread() {
        let dir = tempfile::tempdir().unwrap();
        let command = endless(dir.path());
        let waiting = std::thread::spawn(move || output_blocking(command, Vec::new(), Duration::from_secs(3)));
        let pids = pids(dir.path()).await;
        assert_eq!(waiting.join().unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
        gone(&pids).await;
    }

    #[tokio::test]
    async fn a_program_goes_with_whoever_waits_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let pids = tokio::select! {
            output = output(endless(dir.path()), TELLS_WITHIN) => panic!("{output:?}"),
            pids = pids(dir.path()) => pids,
        };
        gone(&pids).await;
    }

    #[tokio::test]
    async fn a_program_that_writes_without_end_is_ended() {
        let flood = || command("yes");
        for flooded in [output(flood(), TELLS_WITHIN).await, output_blocking(flood(), Vec::new(), TELLS_WITHIN)] {
            assert_eq!(flooded.unwrap_err().to_string(), "it has written more than 64 MiB");
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_program_that_needs_too_much_memory_is_ended() {
        for limited in [false, true] {
            // It asks for its buffer and never fills it.
            let mut dd = command("dd");
            dd.args(["if=/dev/null", "of=/dev/null", "bs=3G", "count=1"]);
            if limited {
                limit_memory(&mut dd, MOST_MEMORY);
            }
            assert_eq!(output(dd, TELLS_WITHIN).await.unwrap().status.success(), !limited);
        }
    }

    #[tokio::test]
    async fn output_and_input_are_whole() {
        let mut cat = command("cat");
        let big: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        assert_eq!(output_blocking(cat, big.clone(), TELLS_WITHIN).unwrap().stdout, big);
        cat = command("sh");
        cat.args(["-c", "cat; echo out; echo err >&2; exit 3"]);
        let told = output(cat, TELLS_WITHIN).await.unwrap();
        assert_eq!((told.status.code(), &told.stdout[..], &told.stderr[..]), (Some(3), &b"out\n"[..], &b"err\n"[..]));
        assert_eq!(output(command("no-such-program"), TELLS_WITHIN).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    /// A repository that was committed to another one has a configuration of its own.
    #[tokio::test]
    async fn a_repository_within_a_repository_runs_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        let run = |arguments: &[&str]| {
            let mut git = std::process::Command::new("git");
            git.args(["-c", "user.name=a", "-c", "user.email=a@example.com"]).args(arguments).current_dir(dir.path());
            assert!(git.output().unwrap().status.success(), "{arguments:?}");
        };
        run(&["init", "--quiet", "--bare", "inner"]);
        run(&["-C", "inner", "config", "core.bare", "false"]);
        run(&["-C", "inner", "config", "core.worktree", ".."]);
        std::fs::write(dir.path().join("file"), "x").unwrap();
        run(&["--git-dir", "inner", "--work-tree", ".", "add", "file"]);
        run(&["--git-dir", "inner", "--work-tree", ".", "commit", "--quiet", "--message", "x"]);
        let hook = format!("touch {}; false", dir.path().join("ran").display());
        run(&["-C", "inner", "config", "core.fsmonitor", &hook]);
        let describe = async || {
            let mut describe = git(&inner);
            describe.args(["describe", "--always", "--dirty"]);
            let told = output(describe, TELLS_WITHIN).await.unwrap();
            assert!(!dir.path().join("ran").exists(), "{told:?}");
            told.status.success()
        };
        assert!(!describe().await, "it looks like a repository and is none");
        // Within a work tree the outer one is asked, also by a Git that would take the inner one.
        run(&["init", "--quiet"]);
        run(&["commit", "--quiet", "--allow-empty", "--message", "outer"]);
        assert!(describe().await);
    }
}
