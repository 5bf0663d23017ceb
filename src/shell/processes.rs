//! Processes of the session, from `/proc`: whom a deadline must end, who outlived its command, who waits to be reaped.

use rustix::process::{Pid, Signal, WaitOptions};
use std::collections::{BTreeSet, HashMap};

/// What `/proc/<pid>/stat` says of a process (proc_pid_stat(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionProcess {
    /// Process id.
    pub pid: i32,
    /// Start in clock ticks since boot, which tells it from a later one with the same id.
    pub started: u64,
    /// Its parent.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// Its session.
    pub session: i32,
    /// Whether it has ended and only waits for its parent to notice.
    pub zombie: bool,
}

impl SessionProcess {
    fn parse(stat: &str) -> Option<SessionProcess> {
        // The name stands in parentheses and may hold anything, parentheses as well.
        let (head, tail) = stat.rsplit_once(')')?;
        let pid = head.split_whitespace().next()?.parse().ok()?;
        let mut fields = tail.split_whitespace();
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let session = fields.next()?.parse().ok()?;
        let started = fields.nth(15)?.parse().ok()?;
        let zombie = matches!(state, "Z" | "X" | "x");
        Some(SessionProcess { pid, started, parent, group, session, zombie })
    }
}

/// Every process that this one can see, without this one.
pub fn all() -> Vec<SessionProcess> {
    let own = own_pid();
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    // A process may be gone by the time it is looked at.
    let stats = pids.filter_map(|pid| std::fs::read(format!("/proc/{pid}/stat")).ok());
    let all = stats.filter_map(|stat| SessionProcess::parse(&String::from_utf8_lossy(&stat)));
    all.filter(|process| process.pid != own).collect()
}

/// Makes this process the leader of a session and the parent of orphans, so that what commands leave behind can be
/// found. Returns the session if it is its own.
pub fn own_session() -> Option<i32> {
    // Fails where it leads a session already (`docker exec` sees to that), or only a process group (a terminal).
    let _ = rustix::process::setsid();
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    let session = rustix::process::getsid(None).ok()?.as_raw_nonzero().get();
    (session == own_pid()).then_some(session)
}

/// The processes that must have ended after a stop: those of a group, and those of the session that are new.
#[derive(Debug, Clone)]
pub struct Target {
    /// Process group of the command's bash.
    pub group: i32,
    /// The session, if it is our own.
    pub session: Option<i32>,
    /// Who was in the session before the command, each with when it started.
    pub before: BTreeSet<(i32, u64)>,
    /// Process groups of earlier commands, whose background jobs may start processes now.
    pub others: BTreeSet<i32>,
}

impl Target {
    /// The processes of the target that are alive.
    pub fn alive(&self) -> Vec<SessionProcess> {
        let belongs = |p: &SessionProcess| {
            let in_session = Some(p.session) == self.session;
            let earlier = self.before.contains(&(p.pid, p.started)) || self.others.contains(&p.group);
            !p.zombie && (p.group == self.group || (in_session && !earlier))
        };
        all().into_iter().filter(belongs).collect()
    }

    /// Sends a signal to all of them; the group first, in one call that nobody can slip through.
    pub fn signal(&self, signal: Signal) {
        if let Some(group) = Pid::from_raw(self.group) {
            let _ = rustix::process::kill_process_group(group, signal);
        }
        self.alive().into_iter().for_each(|process| kill(process.pid, signal));
    }
}

/// Whether a process was started by this one, or by one that was: orphans are handed to this one ([`own_session`]), so none of
/// them gets away from it.
pub fn is_descendant(pid: i32) -> bool {
    let (parents, own): (HashMap<i32, i32>, i32) = (all().into_iter().map(|p| (p.pid, p.parent)).collect(), own_pid());
    let mut above = std::iter::successors(Some(pid), |pid| parents.get(pid).copied()).take(parents.len() + 1);
    above.any(|pid| pid == own)
}

/// Sends a signal to one process; that it is gone by now is as good.
pub fn kill(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid).filter(|_| pid > 1) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Notices the end of orphans that were handed to this process, but not of `own`, for which somebody waits. Returns
/// process ids and exit codes, 128 + n for signal n.
pub fn reap(own: Option<i32>) -> Vec<(i32, i32)> {
    let parent = own_pid();
    let orphans = all().into_iter().filter(|p| p.zombie && p.parent == parent && Some(p.pid) != own);
    let ended = |orphan: SessionProcess| {
        let pid = Pid::from_raw(orphan.pid)?;
        let (_, status) = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG).ok()??;
        let exit = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal))?;
        Some((orphan.pid, exit))
    };
    orphans.filter_map(ended).collect()
}

fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let stat = "42 (a) R (b) S 7 40 39 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000 2 rest";
        let process = SessionProcess::parse(stat).unwrap();
        assert_eq!((process.pid, process.started), (42, 98765));
        assert_eq!((process.parent, process.group, process.session, process.zombie), (7, 40, 39, false));
        assert!(SessionProcess::parse("42 (bash) Z 7 40 39 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 5").is_some_and(|p| p.zombie));
        assert_eq!(SessionProcess::parse("42 (bash"), None);
        assert_eq!(SessionProcess::parse("42 (bash) S 7"), None);
    }

    #[test]
    fn a_child_is_seen_and_this_process_is_not() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let seen = all();
        let found = seen.iter().find(|p| p.pid == pid).copied();
        let own = seen.iter().any(|p| p.pid == own_pid());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found.unwrap().parent, own_pid());
        assert!(!own);
        assert!(!all().iter().any(|p| p.pid == pid));
    }
}
