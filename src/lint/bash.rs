//! `bash -n`: the last word on whether bash accepts a text. Many texts go through one process, which reads them from
//! its standard input and executes nothing of them; it has no environment, no start-up files, and a deadline.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long all of it may take, however many texts there are.
const DEADLINE: Duration = Duration::from_secs(5);

/// What bash says of a text that it rejects.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    /// The number of the text.
    pub index: usize,
    /// What bash says: ``syntax error near unexpected token `)'``.
    pub reason: String,
    /// The line of the text that it names, from 0.
    pub line: usize,
}

/// Those of the texts that bash rejects; `None` where there is no bash, or it takes too long. Two texts with an open
/// quote each would be whole together, so those that are `suspicious` are asked one by one.
pub(super) fn rejected(texts: &[&str], suspicious: impl Fn(&str) -> bool) -> Option<Vec<Rejected>> {
    let until = Instant::now() + DEADLINE;
    let mut found = Vec::new();
    let (alone, together): (Vec<usize>, Vec<usize>) =
        (0..texts.len()).partition(|&index| texts.get(index).is_some_and(|text| suspicious(text)));
    // What is accepted together is accepted one by one; what is not is halved until the culprit stands alone.
    let mut open: Vec<Vec<usize>> = alone.into_iter().map(|index| vec![index]).collect();
    open.push(together);
    while let Some(mut indices) = open.pop() {
        let part: Vec<&str> = indices.iter().filter_map(|&index| texts.get(index).copied()).collect();
        if part.is_empty() {
            continue;
        }
        let Some(complaint) = ask(&part.join("\n"), until)? else { continue };
        if let &[index] = indices.as_slice() {
            let (line, reason) = told(&complaint);
            found.push(Rejected { index, reason, line });
            continue;
        }
        let second = indices.split_off(indices.len() / 2);
        open.extend([indices, second]);
    }
    found.sort_by_key(|rejected| rejected.index);
    Some(found)
}

/// Whether bash would accept the text (`Some(None)`), or what it says against it.
fn ask(text: &str, until: Instant) -> Option<Option<String>> {
    let mut command = Command::new("bash");
    command.args(["--norc", "--noprofile", "-n"]).env_clear().env("LC_ALL", "C");
    // By which bash itself is found.
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().ok()?;
    let complaint = talk(&mut child, text, until);
    // On every way out: it has ended or is no longer wanted.
    let _ = child.kill();
    let status = child.wait().ok()?;
    let complaint = complaint?;
    // A here-document without its end is only warned of, and takes in everything behind it.
    Some((!status.success() || !complaint.trim().is_empty()).then_some(complaint))
}

fn talk(child: &mut Child, text: &str, until: Instant) -> Option<String> {
    let (mut input, errors) = (child.stdin.take()?, child.stderr.take()?);
    let (sender, said) = mpsc::channel();
    let text = format!("{text}\n");
    // It stops to read where it finds a mistake: a pipe that breaks is no failure.
    std::thread::spawn(move || drop(input.write_all(text.as_bytes())));
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = errors.take(64 * 1024).read_to_end(&mut text);
        let _ = sender.send(String::from_utf8_lossy(&text).into_owned());
    });
    let said = said.recv_timeout(until.saturating_duration_since(Instant::now())).ok()?;
    // Its standard error is closed: it ends now, and must be waited for before anything is killed.
    child.wait().ok()?;
    Some(said)
}

/// The line, from 0, and the reason in ``bash: line 3: syntax error near unexpected token `)'``.
fn told(complaint: &str) -> (usize, String) {
    let first = complaint.lines().next().unwrap_or_default();
    if let Some((_, wanted)) = first.split_once("delimited by end-of-file (wanted ") {
        return (0, format!("the here-document has no end {}", wanted.trim_end_matches(')')));
    }
    let rest = first.split_once("line ").map_or(first, |(_, rest)| rest);
    let (number, reason) = rest.split_once(": ").unwrap_or(("1", rest));
    (number.parse::<usize>().unwrap_or(1).saturating_sub(1), reason.trim().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_bash_rejects_are_found_among_many() {
        let folder = tempfile::tempdir().expect("a directory");
        let file = folder.path().join("made");
        let touch = format!("touch {}", file.display());
        let texts = [
            &touch,
            "echo 'a",
            "if x; then y; fi",
            "echo (a)",
            "cat <<EOF\n'\nEOF",
            "ls",
            "true\ndone",
            "cat <<X\na",
            "echo 'b",
        ];
        let Some(found) = rejected(&texts, |text| text.contains('\'')) else { return };
        let found: Vec<_> = found.iter().map(|r| (r.index, r.line)).collect();
        assert_eq!(found, [(1, 0), (3, 0), (6, 1), (7, 0), (8, 0)]);
        assert!(!file.exists(), "it was executed");
        assert_eq!(rejected(&["true"; 3], |_| false), Some(Vec::new()));
    }

    #[test]
    fn what_it_says_is_understood() {
        let said = "bash: line 3: syntax error near unexpected token `)'\nbash: line 3: `a)'\n";
        assert_eq!(told(said), (2, "syntax error near unexpected token `)'".to_string()));
        let said = "bash: warning: here-document at line 1 delimited by end-of-file (wanted `EOF')";
        assert_eq!(told(said).1, "the here-document has no end `EOF'");
        assert_eq!(told(""), (0, String::new()));
    }

    #[test]
    fn a_deadline_that_is_over_is_no_word() {
        assert_eq!(ask("sleep 9", Instant::now()), None);
    }
}
