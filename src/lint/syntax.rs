//! RB201: commands that bash cannot read, whatever stands in for their inputs. `bash -n` has the last word: many texts go through
//! one process, which reads them from its standard input and executes nothing of them; it has no environment, no start-up
//! files, and a deadline.

use super::blocks::contradicts;
use super::page::begin;
use super::{FindingReport, LintPage, Project};
use crate::bash::{has_syntax_error, variables::Stretches};
use crate::process;
use crate::runbook::RunbookInput;
use crate::runbook::look::PageCommand;
use crate::source::{Severity, Span};
use std::time::{Duration, Instant};

/// How long all of it may take, whatever holds it up.
const DEADLINE: Duration = Duration::from_secs(5);
/// How many processes may be started however small the texts are, and for how many bytes there may be one more.
const ASKS: (usize, usize) = (64, 8192);
/// Bytes that are read of what bash says.
const SAID: usize = 1000;

/// RB201, on all pages at once; not of commands of blocks that are no shell at all, which are left to RB206.
pub(super) fn check(_: &Project, pages: &[LintPage<'_>], report: &mut FindingReport<'_>) {
    let mut asked: Vec<(&LintPage<'_>, &PageCommand<'_>)> = Vec::new();
    for page in pages {
        let wrong = page.look.fences.iter().filter(|fence| contradicts(fence).is_some());
        let wrong = Stretches::of(wrong.map(|fence| fence.span));
        let other = |shell: &&PageCommand<'_>| matches!(shell.command.language.as_str(), "zsh" | "ksh");
        let shells = page.commands().iter().filter(|shell| !other(shell) && !wrong.hold(begin(shell)));
        asked.extend(shells.map(|shell| (page, shell)));
    }
    let texts: Vec<&str> = asked.iter().map(|(_, shell)| shell.masked.as_str()).collect();
    let suspicious: Vec<bool> = texts.iter().map(|text| has_syntax_error(text)).collect();
    for Rejected { index, reason, line } in rejected(&texts, |index| suspicious.get(index) == Some(&true)) {
        let Some((page, shell)) = asked.get(index) else { continue };
        let sure = reason.is_some();
        let reason = reason.map_or_else(|| "a syntax error".to_string(), |reason| unmasked(shell, reason));
        let finding = report.in_file(page.source, place(shell, line), format!("bash cannot read this: {reason}"));
        finding.help("try it with `bash -n`: quotes and brackets must be closed, output is not part of a command");
        if !sure && finding.level == Severity::Error {
            finding.level = Severity::Warning;
            finding.help("bash was not asked to make sure: look whether quotes and brackets are closed");
        }
    }
}

/// What bash says, with the placeholder in place of the word that stood for it.
fn unmasked(shell: &PageCommand<'_>, reason: String) -> String {
    let mask = |input: &RunbookInput| "x".repeat(input.spelling.len());
    let named = shell.command.inputs.iter().find(|input| reason.contains(&format!("`{}'", mask(input))));
    named.map_or(reason.clone(), |input| reason.replace(&mask(input), &input.spelling))
}

/// The line of the command that bash names; the first one where it names the end of the text.
fn place(shell: &PageCommand<'_>, line: usize) -> Span {
    let mut at = 0;
    let lines = shell.command.text.split_inclusive('\n').map(|line| {
        at += line.len();
        let start = at - line.trim_start().len();
        Span::new(start, start + line.trim().len())
    });
    let lines: Vec<Span> = lines.collect();
    let filled = |span: &&Span| span.start < span.end;
    let named = lines.get(line).filter(filled).or_else(|| lines.iter().find(filled));
    shell.place(named.copied().unwrap_or_default())
}

/// What bash says of a text that it rejects.
#[derive(Debug, PartialEq, Eq)]
struct Rejected {
    /// The number of the text.
    index: usize,
    /// What bash says: ``syntax error near unexpected token `)'``; `None` where only the parser has said it.
    reason: Option<String>,
    /// The line of the text that it names, from 0.
    line: usize,
}

/// Those of the texts that bash rejects, in order. Two texts with an open quote each would be whole together, so those that
/// are `suspicious` are asked one by one; where there is no bash, or no time for more of them, they count as rejected.
fn rejected(texts: &[&str], suspicious: impl Fn(usize) -> bool) -> Vec<Rejected> {
    let until = Instant::now() + DEADLINE;
    let mut asks = ASKS.0 + texts.iter().map(|text| text.len()).sum::<usize>() / ASKS.1;
    let mut found = Vec::new();
    let (alone, together): (Vec<usize>, Vec<usize>) = (0..texts.len()).partition(|&index| suspicious(index));
    // What is accepted together is accepted one by one; what is not is halved until the culprit stands alone.
    let mut open: Vec<Vec<usize>> = alone.into_iter().rev().map(|index| vec![index]).collect();
    open.push(together);
    while let Some(mut indices) = open.pop() {
        let part: Vec<&str> = indices.iter().filter_map(|&index| texts.get(index).copied()).collect();
        if part.is_empty() {
            continue;
        }
        let left = asks.checked_sub(1);
        asks = left.unwrap_or_default();
        let Some(said) = left.and_then(|_| ask(&part.join("\n"), until)) else {
            let unsure = indices.into_iter().filter(|index| suspicious(*index));
            found.extend(unsure.map(|index| Rejected { index, reason: None, line: 0 }));
            continue;
        };
        let Some(complaint) = said else { continue };
        if let &[index] = indices.as_slice() {
            let (line, reason) = told(&complaint);
            found.push(Rejected { index, reason: Some(reason), line });
        } else {
            let second = indices.split_off(indices.len() / 2);
            open.extend([indices, second]);
        }
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

    cases! {
        rb201,
        bad: [
            "# T\n\n```bash\nls\necho (a)\n```\n" => [(5, 1)],
            "# T\n\n1. a\n\n   ```console\n   $ echo 'a\n   b\n   $ ls\n   ```\n" => [(6, 6)],
            "# T\n\n```bash\nfor x in a; do\n  ls <pod>\n```\n" => [(4, 1)],
            "# T\n\n```bash\ncat <<EOF\na\n  EOF\n```\n" => [(4, 1)],
        ],
        good: [
            "# T\n\n```bash\nkubectl logs <pod> > out.log\ncurl {url} YOUR_KEY\n```\n",
            "# T\n\n```bash\ncase $1 in a) ls;; esac\n[[ a =~ ^(b|c)$ ]] && diff <(a) <(b)\ncat <<'EOF'\n'(\nEOF\n```\n",
            "# T\n\n```bash\nSELECT count(*) FROM pods;\n```\n",
            "# T\n\n```yaml\na: 'b\n```\n\n```python\nprint('a'\n```\n",
            "# T\n\n```zsh\necho *(.om[1])\n```\n",
            "# T\n\n```console\n$ ls\noutput (of it\n```\n",
        ],
    }

    #[test]
    fn the_reader_sees_the_placeholder() {
        let found = crate::lint::cases::found(crate::lint::cases::rule("rb201"), "# T\n\n```bash\necho (<pod>)\n```\n");
        let said = found.all.first().map(|finding| finding.message.as_str()).unwrap_or_default();
        assert!(said.ends_with("`<pod>'") || said.ends_with("a syntax error"), "{said}");
    }

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
