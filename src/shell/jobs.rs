//! Background jobs of earlier commands: `$!` and `wait` mean them as they would in one shell, although the shell that
//! started them is gone. The supervisor is the parent of such orphans and so knows how they end.

use crate::bash::lexer::{Quoting, lex};
use crate::bash::{self, Statement, StatementKind};
use crate::source::Span;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// Most jobs that are remembered.
const MOST: usize = 1000;

/// Jobs by process id, with their exit codes once they have ended.
#[derive(Debug, Default)]
pub struct Jobs {
    last: Option<i32>,
    is_fresh: bool,
    jobs: BTreeMap<i32, Option<i32>>,
}

impl Jobs {
    /// What `$!` stands for from now on: the last job of the command that has ended, if it has started one.
    pub fn set_last(&mut self, pid: &str) {
        let pid = pid.parse().ok();
        self.is_fresh = pid.is_some();
        self.last = pid.or(self.last);
    }

    /// Whether the last command has started a job.
    pub fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    /// A job outlived the shell that started it.
    pub fn goes_on(&mut self, pid: &str) {
        if let (Ok(pid), true) = (pid.parse(), self.jobs.len() < MOST) {
            self.jobs.insert(pid, None);
        }
    }

    /// A job ended before its shell did: process id and exit code.
    pub fn done(&mut self, facts: &str) {
        if let Some((Ok(pid), Ok(exit))) = facts.split_once(' ').map(|(pid, exit)| (pid.parse(), exit.parse()))
            && self.jobs.len() < MOST
        {
            self.jobs.insert(pid, Some(exit));
        }
    }

    /// An orphan ended; whether it was one of the jobs.
    pub fn ended(&mut self, pid: i32, exit: i32) -> bool {
        match self.jobs.get_mut(&pid) {
            Some(known @ None) => {
                *known = Some(exit);
                true
            }
            _ => false,
        }
    }

    /// Those that have not ended, as words.
    pub fn running(&self) -> String {
        words(self.jobs.iter().filter(|(_, exit)| exit.is_none()).map(|(pid, _)| *pid))
    }

    /// All of them, as words.
    pub fn known(&self) -> String {
        words(self.jobs.keys().copied())
    }

    /// Writes the exit codes into `dir`, a file for each job, and a pipe on which nobody ever writes: what a bash without
    /// `sleep` waits on.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)?;
        let never = dir.join("never");
        if !never.exists() {
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            rustix::fs::mknodat(rustix::fs::CWD, &never, rustix::fs::FileType::Fifo, mode, 0)?;
        }
        for (pid, exit) in &self.jobs {
            let path = dir.join(pid.to_string());
            let Some(exit) = exit else {
                // Of an earlier process with the same id.
                let _ = fs::remove_file(path);
                continue;
            };
            if !path.exists() {
                // In one step, or the one that waits might read an empty file.
                let new = dir.join(format!("{pid}.new"));
                fs::write(&new, format!("{exit}\n"))?;
                fs::rename(new, path)?;
            }
        }
        Ok(())
    }

    /// The text with `$!` replaced by the last job of an earlier command, up to where the text starts a job itself.
    pub fn fill_in<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(last) = self.last.filter(|_| text.contains("$!")) else { return Cow::Borrowed(text) };
        let (script, lexed) = (bash::read(text), lex(text));
        let all = script.all();
        // Run later, when there may be another job.
        let later = |statement: &&&Statement| matches!(statement.kind, StatementKind::Function { .. });
        let functions: Vec<Span> = all.iter().filter(later).map(|statement| statement.span).collect();
        let in_function = |at: usize| functions.iter().any(|span| span.start <= at && at < span.end);
        let starts = all.iter().filter(|statement| matches!(statement.kind, StatementKind::Background(_)));
        let starts = starts.map(|statement| statement.span.end).filter(|at| !in_function(*at));
        let until = starts.min().unwrap_or(text.len());
        let mut filled = String::with_capacity(text.len());
        let mut from = 0;
        for (at, sign) in text.match_indices("$!").take_while(|(at, _)| *at < until) {
            let before = text.get(..at).unwrap_or_default();
            let escaped = (before.len() - before.trim_end_matches('\\').len()) % 2 == 1;
            let expands =
                !matches!(lexed.quoting(at), Quoting::Single | Quoting::AnsiC | Quoting::RawHeredoc | Quoting::Comment);
            if expands && !escaped && !before.ends_with('$') && !in_function(at) {
                filled.push_str(text.get(from..at).unwrap_or_default());
                filled.push_str(&last.to_string());
                from = at + sign.len();
            }
        }
        filled.push_str(text.get(from..).unwrap_or_default());
        Cow::Owned(filled)
    }
}

fn words(pids: impl Iterator<Item = i32>) -> String {
    pids.map(|pid| pid.to_string()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_job_is_filled_in_where_bash_would_expand_it() {
        let mut jobs = Jobs::default();
        assert_eq!(jobs.fill_in("echo $!"), "echo $!");
        jobs.set_last("42");
        jobs.set_last("");
        for (text, filled) in [
            ("PID=$!", "PID=42"),
            ("kill $! && echo \"$!\" '$!' \\$!", "kill 42 && echo \"42\" '$!' \\$!"),
            ("echo $!; sleep 9 & echo $!", "echo 42; sleep 9 & echo $!"),
            ("f() { kill $!; }", "f() { kill $!; }"),
            ("echo ${!x} $!x", "echo ${!x} 42x"),
            ("cat <<E\n$!\nE", "cat <<E\n42\nE"),
            ("cat <<'E'\n$!\nE", "cat <<'E'\n$!\nE"),
            ("echo $(ps $!) && ! true", "echo $(ps 42) && ! true"),
        ] {
            assert_eq!(jobs.fill_in(text), filled, "{text}");
        }
    }
}
