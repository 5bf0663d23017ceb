//! `bash -n`: the last word on whether bash accepts a text. Many texts go through one process, which reads them from
//! its standard input and executes nothing of them; it has no environment, no start-up files, and a deadline.

use crate::process;
use std::time::{Duration, Instant};

/// How long all of it may take, whatever holds it up.
const DEADLINE: Duration = Duration::from_secs(5);
/// How many processes may be started however small the texts are, and for how many bytes there may be one more.
const ASKS: (usize, usize) = (64, 8192);
/// Bytes that are read of what bash says.
const SAID: usize = 1000;

/// What bash says of a text that it rejects.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    /// The number of the text.
    pub index: usize,
    /// What bash says: ``syntax error near unexpected token `)'``; `None` where only the parser has said it.
    pub reason: Option<String>,
    /// The line of the text that it names, from 0.
    pub line: usize,
}

/// Those of the texts that bash rejects, in order. Two texts with an open quote each would be whole together, so those that
/// are `suspicious` are asked one by one; where there is no bash, or no time for more of them, they count as rejected.
pub(super) fn rejected(texts: &[&str], suspicious: impl Fn(usize) -> bool) -> Vec<Rejected> {
    let until = Instant::now() + DEADLINE;
    let mut asks = ASKS.0 + texts.iter().map(|text| text.len()).sum::<usize>() / ASKS.1;
    let mut found = Vec::new();
    let (alone, together): (Vec<usize>, Vec<usize>) = (0..texts.len()).partition(|&index| suspicious(index));
    let unsure: Vec<usize> = alone.clone();
    // What is accepted together is accepted one by one; what is not is halved until the culprit stands alone.
    let mut open: Vec<Vec<usize>> = alone.into_iter().rev().map(|index| vec![index]).collect();
    open.push(together);
    while let Some(mut indices) = open.pop() {
        let part: Vec<&str> = indices.iter().filter_map(|&index| texts.get(index).copied()).collect();
        if part.is_empty() {
            continue;
        }
        let said = asks.checked_sub(1).and_then(|left| {
            asks = left;
            ask(&part.join("\n"), until)
        });
        let Some(said) = said else {
            let is_unsure = |index: &usize| unsure.binary_search(index).is_ok();
            let rejected = |index| Rejected { index, reason: None, line: 0 };
            found.extend(indices.into_iter().filter(is_unsure).map(rejected));
            continue;
        };
        let Some(complaint) = said else { continue };
        if let &[index] = indices.as_slice() {
            let (line, reason) = told(&complaint);
            found.push(Rejected { index, reason: Some(reason), line });
            continue;
        }
        let second = indices.split_off(indices.len() / 2);
        open.extend([indices, second]);
    }
    found.sort_by_key(|rejected| rejected.index);
    found
}

/// Whether bash would accept the text (`Some(None)`), or what it says against it. `None` where it cannot be asked.
fn ask(text: &str, until: Instant) -> Option<Option<String>> {
    let mut command = process::command("bash");
    command.args(["--norc", "--noprofile", "-n"]).env_clear().env("LC_ALL", "C");
    // By which bash itself is found.
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    let left = until.checked_duration_since(Instant::now())?;
    let output = process::output_blocking(command, format!("{text}\n").into_bytes(), left).ok()?;
    let complaint = String::from_utf8_lossy(output.stderr.get(..SAID).unwrap_or(&output.stderr)).into_owned();
    // A here-document without its end is only warned of, and takes in everything behind it.
    Some((!output.status.success() || !complaint.trim().is_empty()).then_some(complaint))
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
            &touch, "echo 'a", "if x; then y; fi", "echo (a)", "cat <<EOF\n'\nEOF", "ls", "true\ndone", "cat <<X\na",
            "echo 'b",
        ];
        let found = rejected(&texts, |index| texts[index].contains('\''));
        let found: Vec<_> = found.iter().map(|r| (r.index, r.line)).collect();
        assert_eq!(found, [(1, 0), (3, 0), (6, 1), (7, 0), (8, 0)]);
        assert!(!file.exists(), "it was executed");
        assert_eq!(rejected(&["true"; 3], |_| false), Vec::new());
    }

    #[test]
    fn what_there_is_no_time_for_counts_as_the_parser_has_it() {
        let texts = ["echo 'a"; 1000];
        let found = rejected(&texts, |index| index < 900);
        assert_eq!(found.len(), 900);
        assert!(found.iter().filter(|rejected| rejected.reason.is_some()).count() <= ASKS.0 + 1000 * 7 / ASKS.1);
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
        assert_eq!(ask("sleep 9", Instant::now() - Duration::from_secs(1)), None);
    }
}
