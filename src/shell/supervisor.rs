//! Container side of the session: runs each command in a bash of its own process group and carries state over. Whatever
//! a command does to its bash (`exit`, `exec`, an endless loop), the session goes on with the last state that was saved.

use super::output::{Outlet, pump};
use super::processes::{self, SessionProcess, Target};
use super::protocol::{Blob, CommandResult, FromShell, SessionVar, TRUST_VARIABLES, TRUSTED, ToRunner, ToShell};
use super::session::{self, Session};
use super::shim_server::{self, Programs};
use crate::process::{self, Running};
use crate::record::Stream;
use crate::stack::Channel;
use rustix::process::Signal;
use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// From TERM to KILL.
const GRACE: Duration = Duration::from_secs(2);
/// How often a stop looks who is still alive, and how often orphans are looked for.
const POLL: Duration = Duration::from_millis(20);
/// For how long after KILL a process is waited for; one that the kernel holds (a dead NFS server) stays.
const GIVE_UP: Duration = Duration::from_secs(3);
/// Exit code of a command that cannot be run, as a shell has it.
const CANNOT_RUN: i32 = 126;
/// Largest state that is handed over to the runner, in bytes: in Base64 it must fit into a line of the channel, which takes 1 MiB.
const LARGEST_EXPORT: usize = 512 << 10;

/// From now on no other process of the container, root's neither, may open the memory, standard input and output of this one through
/// `/proc`, or trace it, unless it has CAP_SYS_PTRACE (PR_SET_DUMPABLE in prctl(2)). What was opened before stays open: the earlier, the
/// better.
///
/// # Errors
/// That of the system.
pub fn hide() -> std::io::Result<()> {
    Ok(rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?)
}

/// Serves one session over `channel` until it ends or `stop` is cancelled; nothing of the session is alive afterwards,
/// except what went off into a session of its own (a daemon that a runbook started on purpose).
pub async fn serve(channel: Channel, programs: Programs, stop: CancellationToken) {
    let hidden = hide();
    let (tx, rx) = (ToRunner { tx: channel.tx, token: Default::default() }, channel.rx);
    let over = CancellationToken::new();
    let _over = over.clone().drop_guard();
    let begun = async {
        hidden.map_err(|error| format!("it cannot be kept from the other processes of its container: {error}"))?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let known = ["/bin", "/usr/bin", "/usr/local/bin", "/opt/bin"].into_iter().map(PathBuf::from);
        let bash = find_bash(std::env::split_paths(&path).chain(known)).await?;
        let dir = session::private_dir()?;
        let mut session = Session::new(std::env::vars_os(), &session::current_dir());
        let installed = shim_server::install(&mut session, programs, (&dir, &bash), (tx.clone(), rx), over);
        let rx = installed.inspect_err(|_| drop(std::fs::remove_dir_all(&dir)))?;
        Ok::<_, String>((bash, dir, session, rx))
    };
    let (bash, dir, session, rx) = match begun.await {
        Ok(begun) => begun,
        Err(message) => return tx.say(&FromShell::Failed(message)).await.unwrap_or_default(),
    };
    let (own_session, is_in_toolbox) = (processes::own_session(), programs == Programs::First);
    let (groups, queue, commands) = Default::default();
    let mut supervisor =
        Supervisor { bash, dir, session, own_session, is_in_toolbox, groups, queue, commands, tx, rx, stop };
    if supervisor.send(&FromShell::Ready {}).await.is_some() {
        while supervisor.next().await.is_some() {}
    }
    supervisor.end().await;
    let _ = std::fs::remove_dir_all(&supervisor.dir);
}

/// The container's bash, one that runs.
async fn find_bash(dirs: impl Iterator<Item = PathBuf>) -> Result<PathBuf, String> {
    let mut why =
        "there is no bash in this container; run the step in the toolbox, or install bash in the image".to_string();
    for bash in dirs.filter(|dir| dir.is_absolute()).map(|dir| dir.join("bash")).filter(|bash| bash.is_file()) {
        let mut command = process::command(&bash);
        command.arg("--version").env_remove("BASH_ENV");
        let said = match process::output(command, Duration::from_secs(10)).await {
            Ok(output) if output.status.success() => return Ok(bash),
            Ok(output) => output.status.to_string(),
            Err(error) => error.to_string(),
        };
        why = format!("the bash of this container does not work: {} --version: {said}", bash.display());
    }
    Err(why)
}

struct Supervisor {
    bash: PathBuf,
    dir: PathBuf,
    session: Session,
    own_session: Option<i32>,
    /// The terminal of a person: what leaves its session (`setsid`) ends with it as well. In a service it may be the daemon that a step
    /// has started there, and stays.
    is_in_toolbox: bool,
    /// Process groups of earlier commands, for a process that does not lead its session.
    groups: BTreeSet<i32>,
    queue: VecDeque<ToShell>,
    commands: u64,
    tx: ToRunner,
    rx: mpsc::Receiver<Result<ToShell, String>>,
    stop: CancellationToken,
}

impl Supervisor {
    /// Sends a message; `None` when the session is over.
    async fn send(&self, message: &FromShell) -> Option<()> {
        self.stop.run_until_cancelled(self.tx.say(message)).await?
    }

    /// Does the next thing that is asked for; `None` when the session is over.
    async fn next(&mut self) -> Option<()> {
        let message = match self.queue.pop_front() {
            Some(message) => message,
            None => loop {
                tokio::select! {
                    message = self.rx.recv() => match message? {
                        Ok(message) => break message,
                        Err(line) => return self.fail(format!("what arrived is no message of this version: {line}")).await,
                    },
                    () = self.stop.cancelled() => return None,
                    () = tokio::time::sleep(POLL * 25) => self.reap(None),
                }
            },
        };
        match message {
            ToShell::Vars(vars) => {
                for SessionVar { name, value, exported } in &vars {
                    match value {
                        Some(pem) if name == TRUSTED => self.trust(pem),
                        Some(value) if *exported => self.session.set_env(name, value),
                        Some(value) => self.session.set_var(name, value),
                        None => self.session.unset_env(name),
                    }
                }
            }
            ToShell::Token(token) => drop(self.tx.token.set(token)),
            // What it was meant for has ended by itself.
            ToShell::Cancel | ToShell::Call(..) => {}
            ToShell::Save => {
                self.commands += 1;
                let path = self.dir.join(format!("saved{}", self.commands));
                let saved = self.session.export_state(&self.dir).and_then(|state| session::write(&path, &state));
                match saved {
                    Ok(()) => self.send(&FromShell::Saved(path.display().to_string())).await?,
                    Err(error) => self.fail(format!("the state of the session cannot be saved: {error}")).await?,
                }
            }
            ToShell::Restore(path) => {
                let state = std::fs::read(&path);
                // What cannot be removed goes with the session that has written it.
                let _ = std::fs::remove_file(path);
                self.import(state).await?
            }
            ToShell::Export => {
                let state = self.session.export_state(&self.dir).ok().filter(|state| state.len() <= LARGEST_EXPORT);
                self.send(&FromShell::Exported(state.map(|state| Blob(state.into())))).await?
            }
            ToShell::Import(state) => self.import(Ok(state.0.to_vec())).await?,
            ToShell::Run { id, text, timeout_ms, watched } => {
                self.run(id, (&text, watched), Duration::from_millis(timeout_ms)).await?
            }
        }
        Some(())
    }

    async fn import(&mut self, state: std::io::Result<Vec<u8>>) -> Option<()> {
        match state.and_then(|state| self.session.import_state(&state, &self.dir)) {
            Ok(()) => Some(()),
            Err(error) => self.fail(format!("the state of another session cannot be read: {error}")).await,
        }
    }

    /// The session cannot go on.
    async fn fail(&self, message: String) -> Option<()> {
        self.tx.say(&FromShell::Failed(message)).await;
        None
    }

    async fn run(&mut self, id: u64, (text, watched): (&str, bool), timeout: Duration) -> Option<()> {
        self.commands += 1;
        let dir = self.dir.join(format!("c{}", self.commands));
        let in_session = |p: &SessionProcess| Some(p.session) == self.own_session && !p.zombie;
        // Looked at before it starts: what it starts itself in the meantime would count as earlier, and outlive a time-out.
        let before = processes::all().into_iter().filter(in_session).map(|p| (p.pid, p.started)).collect();
        let started = Instant::now();
        let (mut running, group, ours) = match self.start(&dir, text, watched) {
            Ok(started) => started,
            Err(message) => {
                self.note(id, &message).await?;
                let result = CommandResult { exit: CANNOT_RUN, took: started.elapsed(), ..CommandResult::default() };
                return self.send(&FromShell::Ended(id, result)).await;
            }
        };
        self.groups.remove(&group);
        let target = Target { group, session: self.own_session, before, others: self.groups.clone() };
        self.groups.insert(group);

        let (over, watched) = watch::channel(false);
        let outlet = |stream, ours| Outlet { id, stream, tx: self.tx.clone(), ours };
        let (out, err) = (outlet(Stream::Stdout, Vec::new()), outlet(Stream::Stderr, ours.to_vec()));
        let stdout = running.child.stdout.take().map(|pipe| tokio::spawn(pump(pipe, out, watched.clone())));
        let stderr = running.child.stderr.take().map(|pipe| tokio::spawn(pump(pipe, err, watched)));
        let outcome = self.watch(&mut running, &target, started, timeout).await;
        let took = started.elapsed();
        let Some((status, stopped)) = outcome else {
            target.signal(Signal::KILL);
            return None;
        };
        let mut exit = exit_code(status);
        let _ = over.send(true);
        let mut omitted = 0_u64;
        for pump in [stdout, stderr].into_iter().flatten() {
            // A runner that does not read keeps a pump waiting; that the session is over must be seen all the same.
            tokio::select! {
                left_out = pump => omitted = omitted.saturating_add(left_out.unwrap_or(0)),
                () = async { while self.cancelled().await.is_some() {} } => return None,
            }
        }
        let mut ran = session::ran(&dir);
        let lacks = session::lacks(&dir).map(|(_, said)| said);
        // What a command that had to be stopped left half done does not count.
        let adopted = match stopped {
            None => self.session.adopt(&dir, text, exit),
            Some(_) => {
                self.session.failed(exit);
                Ok(false)
            }
        };
        let _ = std::fs::remove_dir_all(&dir);
        let left_shell = match adopted {
            Ok(left_shell) => left_shell,
            Err(message) => {
                self.note(id, &message).await?;
                // What comes behind it would go on with what was there before.
                exit = if exit == 0 { CANNOT_RUN } else { exit };
                // It may not have been able to note what it ran either.
                ran = None;
                false
            }
        };
        self.reap(None);
        let pipe = self.session.pipe.clone();
        let timed_out = stopped == Some(true);
        let result = CommandResult { exit, took, timed_out, omitted, pipe, left_shell, lacks, ran, calls: Vec::new() };
        self.send(&FromShell::Ended(id, result)).await
    }

    /// Lets the programs that read it from their environment trust a certificate authority.
    fn trust(&mut self, pem: &str) {
        let path = self.dir.join("authority.pem");
        // Where it cannot be written, the programs that are to read it say so.
        let _ = std::fs::write(&path, pem);
        TRUST_VARIABLES.iter().for_each(|name| self.session.set_env(name, &path.to_string_lossy()));
    }

    fn start(&self, dir: &Path, text: &str, watched: bool) -> Result<(Running, i32, [String; 3]), String> {
        if text.contains('\0') {
            return Err("the command holds a NUL byte, which bash cannot read".into());
        }
        let ours = self.session.prepare(dir, text, watched);
        let ours = ours.map_err(|e| format!("the command cannot be written to {dir:?}: {e}"))?;
        let mut command = process::command(&self.bash);
        let given = self.session.environment.iter();
        let given = given.map(|(name, value)| (OsStr::from_bytes(&name.0), OsStr::from_bytes(&value.0)));
        command.arg("bash").env_clear().envs(given).env("BASH_ENV", "./env");
        command.current_dir(dir).stdout(Stdio::piped()).stderr(Stdio::piped());
        let running = Running::start(command).map_err(|e| format!("{} cannot be started: {e}", self.bash.display()))?;
        let group = running.child.id().and_then(|pid| i32::try_from(pid).ok()).ok_or("its bash has no process id")?;
        Ok((running, group, ours))
    }

    /// Waits for the command's end, stops it when its time is over or when that is asked for; `None` when the session is
    /// over. With how it ended comes, where it had to be stopped, whether its time was over.
    async fn watch(
        &mut self,
        running: &mut Running,
        target: &Target,
        started: Instant,
        timeout: Duration,
    ) -> Option<(Option<ExitStatus>, Option<bool>)> {
        let mut stopped: Option<(bool, Instant)> = None;
        let mut status = None;
        let mut signalled_again = false;
        let deadline = tokio::time::sleep(timeout.saturating_sub(started.elapsed()));
        tokio::pin!(deadline);
        loop {
            let soon = stopped.is_some() || !self.session.jobs.running().is_empty();
            let late = tokio::select! {
                ended = running.wait(), if status.is_none() => {
                    status = Some(ended.ok());
                    None
                }
                cancelled = self.cancelled() => {
                    cancelled?;
                    Some(false)
                }
                () = &mut deadline, if stopped.is_none() => Some(true),
                () = tokio::time::sleep(if soon { POLL } else { POLL * 25 }) => {
                    // A `wait` may be waiting for just this.
                    self.reap(Some(target.group));
                    None
                }
            };
            if let (Some(late), None) = (late, stopped) {
                stopped = Some((late, Instant::now()));
                target.signal(Signal::TERM);
                // One that is stopped cannot end.
                target.signal(Signal::CONT);
            }
            match (stopped, status) {
                (None, Some(status)) => return Some((status, None)),
                (Some((late, _)), Some(status)) if target.alive().is_empty() => return Some((status, Some(late))),
                (Some((late, since)), _) if since.elapsed() >= GRACE + GIVE_UP => {
                    return Some((status.flatten(), Some(late)));
                }
                (Some((_, since)), _) if since.elapsed() >= GRACE => target.signal(Signal::KILL),
                (Some((_, since)), _) if since.elapsed() >= GRACE / 20 && !signalled_again => {
                    // Those that were being started when the first one came.
                    signalled_again = true;
                    target.signal(Signal::TERM);
                }
                _ => {}
            }
        }
    }

    fn reap(&mut self, own: Option<i32>) {
        processes::reap(own).into_iter().for_each(|(pid, exit)| self.session.orphan_ended(&self.dir, pid, exit));
    }

    async fn note(&self, id: u64, message: &str) -> Option<()> {
        self.send(&FromShell::Output { id, stream: Stream::Stderr, text: format!("firedrill: {message}\n") }).await
    }

    /// Waits until the command is to end; what else arrives is kept for later. `None` when the runner is gone or the session is to end.
    async fn cancelled(&mut self) -> Option<()> {
        loop {
            match self.stop.run_until_cancelled(self.rx.recv()).await??.ok()? {
                ToShell::Cancel => return Some(()),
                later => self.queue.push_back(later),
            }
        }
    }

    /// Kills everything of the session, at once.
    async fn end(&mut self) {
        let deadline = Instant::now() + GIVE_UP;
        loop {
            let is_ours = |process: &SessionProcess| match self.own_session {
                Some(session) => {
                    process.session == session || self.is_in_toolbox && processes::is_descendant(process.pid)
                }
                None => self.groups.contains(&process.group),
            };
            let alive = processes::all().into_iter().filter(|process| !process.zombie && is_ours(process));
            let alive: Vec<i32> = alive.map(|process| process.pid).collect();
            if alive.is_empty() || Instant::now() > deadline {
                break;
            }
            alive.into_iter().for_each(|pid| processes::kill(pid, Signal::KILL));
            self.reap(None);
            tokio::time::sleep(POLL / 10).await;
        }
    }
}

/// Exit code as a shell gives it: 128 + n for signal n; 137 for one that could not be waited for.
fn exit_code(status: Option<ExitStatus>) -> i32 {
    let code = status.and_then(|s| s.code().or_else(|| s.signal().map(|signal| 128 + signal)));
    code.unwrap_or(128 + Signal::KILL.as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn no_bash_and_a_broken_one_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let dirs = || [PathBuf::from("relative"), dir.path().to_owned()].into_iter();
        insta::assert_snapshot!(
            find_bash(dirs()).await.unwrap_err(),
            @"there is no bash in this container; run the step in the toolbox, or install bash in the image"
        );
        let bash = dir.path().join("bash");
        std::fs::write(&bash, "#!/bin/sh\nexit 3\n").unwrap();
        std::fs::set_permissions(&bash, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = find_bash(dirs()).await.unwrap_err().replace(&dir.path().display().to_string(), "/dir");
        insta::assert_snapshot!(error, @"the bash of this container does not work: /dir/bash --version: exit status: 3");
        let found = find_bash(dirs().chain([PathBuf::from("/bin")])).await.unwrap();
        assert_eq!(found, Path::new("/bin/bash"));
    }

    #[test]
    fn exit_codes_are_those_of_a_shell() {
        assert_eq!(exit_code(Some(ExitStatus::from_raw(3 << 8))), 3);
        assert_eq!(exit_code(Some(ExitStatus::from_raw(15))), 143);
        assert_eq!(exit_code(None), 137);
    }
}
