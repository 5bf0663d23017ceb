//! Background jobs of earlier commands: `$!`, `%1` and `wait` mean them as they would in one shell, although the shell that
//! started them is gone. The supervisor is the parent of such orphans and so knows how they end.

use crate::bash::lexer::{Quoting, lex};
use crate::bash::{self, SimpleCommand, Statement, StatementKind};
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
    /// Whether the last command has started one.
    pub is_fresh: bool,
    jobs: BTreeMap<i32, Option<i32>>,
    /// Process ids by the numbers that a terminal gives to jobs.
    numbers: BTreeMap<usize, i32>,
    /// The number of the next one.
    next: usize,
}

impl Jobs {
    /// What `$!` stands for from now on: the last job of the command that has ended, if it has started one.
    pub fn set_last(&mut self, pid: &str) {
        let pid = pid.parse().ok();
        self.is_fresh = pid.is_some();
        self.last = pid.or(self.last);
        let going_on = self.numbers.iter().rfind(|(_, pid)| self.is_running(**pid));
        self.next = going_on.map_or(0, |(number, _)| *number) + 1;
    }

    /// A job outlived the shell that started it.
    pub fn goes_on(&mut self, pid: &str) {
        if let Ok(pid) = pid.parse() {
            self.note(pid, None);
        }
    }

    /// A job ended before its shell did: process id and exit code.
    pub fn done(&mut self, facts: &str) {
        if let Some((Ok(pid), Ok(exit))) = facts.split_once(' ').map(|(pid, exit)| (pid.parse(), exit.parse())) {
            self.note(pid, Some(exit));
        }
    }

    /// Notes a job, with a number where it has none.
    fn note(&mut self, pid: i32, exit: Option<i32>) {
        if self.jobs.len() >= MOST {
            return;
        }
        if !self.numbers.values().any(|known| *known == pid) {
            self.numbers.insert(self.next, pid);
            self.next += 1;
        }
        self.jobs.insert(pid, exit);
    }

    fn is_running(&self, pid: i32) -> bool {
        self.jobs.get(&pid) == Some(&None)
    }

    /// An orphan ended; whether it was one of the jobs.
    pub fn ended(&mut self, pid: i32, exit: i32) -> bool {
        self.jobs.get_mut(&pid).filter(|known| known.is_none()).map(|known| *known = Some(exit)).is_some()
    }

    /// The process ids of the jobs that have not ended, as words.
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

    /// The text with `$!` and `%1` replaced by jobs of earlier commands, up to where the text starts a job itself, and with these
    /// beside what `jobs -p` tells.
    pub fn fill_in<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.last.is_none() || !["$!", "%", "jobs"].iter().any(|sign| text.contains(sign)) {
            return Cow::Borrowed(text);
        }
        let script = bash::read(text);
        let all = script.all();
        // Run later, when there may be another job.
        let later = |statement: &&&Statement| matches!(statement.kind, StatementKind::Function { .. });
        let functions: Vec<Span> = all.iter().filter(later).map(|statement| statement.span).collect();
        let in_function = |at: usize| functions.iter().any(|span| span.start <= at && at < span.end);
        let starts = all.iter().filter(|statement| matches!(statement.kind, StatementKind::Background(_)));
        let starts = starts.map(|statement| statement.span.end).filter(|at| !in_function(*at));
        let until = starts.min().unwrap_or(text.len());
        let mut pieces = self.last_ones(text, until);
        pieces.extend(all.iter().filter_map(|statement| statement.simple()).flat_map(|one| self.named(one, until)));
        pieces.retain(|(span, _)| !in_function(span.start));
        Cow::Owned(bash::edited(text, pieces))
    }

    /// Each `$!` that bash would expand.
    fn last_ones(&self, text: &str, until: usize) -> Vec<(Span, String)> {
        use Quoting::{AnsiC, Comment, RawHeredoc, Single};
        let (Some(last), lexed) = (self.last, lex(text)) else { return Vec::new() };
        let signs = text.match_indices("$!").take_while(|(at, _)| *at < until).filter(|(at, _)| {
            let before = text.get(..*at).unwrap_or_default();
            let escaped = (before.len() - before.trim_end_matches('\\').len()) % 2 == 1;
            let expands = !matches!(lexed.quoting(*at), AnsiC | Comment | RawHeredoc | Single);
            expands && !escaped && !before.ends_with('$')
        });
        signs.map(|(at, sign)| (Span::new(at, at + sign.len()), last.to_string())).collect()
    }

    /// What a command names by the numbers of jobs: `kill %1`, `wait %2`, `jobs -p`.
    fn named(&self, command: &SimpleCommand, until: usize) -> Vec<(Span, String)> {
        let (first, behind) = (command.first(), command.words.get(1..).unwrap_or_default());
        if let ("jobs", [option], false) = (first, behind, self.running().is_empty())
            && option.raw == "-p"
            && let Some(start) = command.words.first().map(|word| word.span.start)
        {
            let said = format!("{{ builtin printf '%s\\n' {}; jobs -p; }}", self.running());
            return vec![(Span::new(start, option.span.end), said)];
        }
        let job = |word: &str| match word.trim_matches('"').strip_prefix('%')? {
            "" | "%" | "+" => self.last,
            number => self.numbers.get(&number.parse::<usize>().ok()?).copied(),
        };
        let words = behind.iter().filter(|word| matches!(first, "kill" | "wait") && word.span.start < until);
        let known = words.filter_map(|word| Some((word.span, job(&word.raw)?)));
        // One that has ended can be waited for, and its number may be another process by now.
        let known = known.filter(|(_, pid)| first == "wait" || self.is_running(*pid));
        known.map(|(span, pid)| (span, pid.to_string())).collect()
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

    #[test]
    fn jobs_are_known_by_the_numbers_that_a_terminal_gives() {
        let mut jobs = Jobs::default();
        jobs.set_last("41");
        jobs.goes_on("40");
        jobs.goes_on("41");
        jobs.goes_on("41");
        for (text, filled) in [
            ("kill %1", "kill 40"),
            ("kill -9 %2 %3", "kill -9 41 %3"),
            ("wait %1 \"%%\"", "wait 40 41"),
            ("kill $(jobs -p) 2>/dev/null", "kill $({ builtin printf '%s\\n' 40 41; jobs -p; }) 2>/dev/null"),
            ("sleep 1 & kill %1", "sleep 1 & kill %1"),
            ("echo %1; date +%s; jobs -l", "echo %1; date +%s; jobs -l"),
            ("f() { kill %1; }", "f() { kill %1; }"),
        ] {
            assert_eq!(jobs.fill_in(text), filled, "{text}");
        }
        jobs.ended(41, 3);
        assert_eq!(jobs.fill_in("kill %2; wait %2"), "kill %2; wait 41");
        assert_eq!(jobs.fill_in("jobs -p"), "{ builtin printf '%s\\n' 40; jobs -p; }");
        jobs.set_last("42");
        jobs.goes_on("42");
        assert_eq!(jobs.fill_in("kill %1 %2"), "kill 40 42", "a number is free again");
    }
}
