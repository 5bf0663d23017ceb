//! RB201: commands that bash cannot read, whatever stands in for their inputs.

use super::bash::{self, Rejected};
use super::rb206_wrong_tag::contradicts;
use super::{Check, Explain, Page, Project, Report, Rule};
use crate::runbook::Input;
use crate::runbook::look::Shell;
use crate::source::{Level, Span};

pub(super) const RULE: Rule = Rule {
    id: "RB201",
    level: Some(Level::Error),
    title: "shell that fails `bash -n` after its inputs are filled in",
    explain: Explain {
        finds: "Commands that bash rejects when a plain word stands in for each of their inputs: a quote that is never \
                closed, a parenthesis too many, a `done` without its loop, a here-document whose end is indented. \
                `bash -n` of this machine has the last word; it reads the commands and runs nothing. Where there is no \
                bash, the word of Firedrill's own parser is a warning. Blocks that are not shell at all are left to RB206.",
        why: "Who pastes such a command gets a syntax error, or a prompt `>` that waits for the rest and swallows the \
              next command with it.",
        bad: "\
## Mitigation

```bash
psql -c 'DELETE FROM locks WHERE owner = 'batch'' && echo 'done
```
",
        good: "\
## Mitigation

```bash
psql -c \"DELETE FROM locks WHERE owner = 'batch'\" && echo 'done'
```
",
    },
    check: Check::Project(check),
};

fn check(_: &Project, pages: &[Page<'_>], report: &mut Report<'_>) {
    let mut commands: Vec<(&Page<'_>, &Shell<'_>)> = Vec::new();
    for page in pages {
        let wrong: Vec<Span> = page.look.fences.iter().filter(|f| contradicts(f).is_some()).map(|f| f.span).collect();
        // They stand one behind the other.
        let inside = |at: usize| wrong.get(wrong.partition_point(|span| span.end <= at)).is_some_and(|span| span.start <= at);
        let read = |shell: &&Shell<'_>| {
            let elsewhere = matches!(shell.command.language.as_str(), "zsh" | "ksh");
            !elsewhere && !inside(shell.place(Span::new(0, 1)).start)
        };
        commands.extend(page.commands().iter().filter(read).map(|shell| (page, shell)));
    }
    let texts: Vec<&str> = commands.iter().map(|(_, shell)| shell.masked.as_str()).collect();
    // What the grammar has no work left for is nothing that it would say anything about.
    let suspicious = |page: &Page<'_>, text| page.grammar.has_syntax_error(text) && !page.grammar.is_worn_out();
    let suspicious = |index: usize| commands.get(index).is_some_and(|(page, shell)| suspicious(page, &shell.masked));
    for Rejected { index, reason, line } in bash::rejected(&texts, suspicious) {
        let Some((page, shell)) = commands.get(index) else { continue };
        let sure = reason.is_some();
        let reason = reason.map_or_else(|| "a syntax error".to_string(), |reason| unmasked(shell, reason));
        let finding = report.in_file(page.source, place(shell, line), format!("bash cannot read this: {reason}"));
        finding.help("try it with `bash -n`: quotes and brackets must be closed, output is not part of a command");
        if !sure && finding.level == Level::Error {
            finding.level = Level::Warning;
            finding.help("bash was not asked to make sure: look whether quotes and brackets are closed");
        }
    }
}

/// What bash says, with the placeholder in place of the word that stood for it.
fn unmasked(shell: &Shell<'_>, reason: String) -> String {
    let word = |input: &&Input| reason.contains(&format!("`{}'", "x".repeat(input.spelling.len())));
    match shell.command.inputs.iter().find(word) {
        Some(input) => reason.replace(&"x".repeat(input.spelling.len()), &input.spelling),
        None => reason,
    }
}

/// The line of the command that bash names; the first one where it names the end of the text.
fn place(shell: &Shell<'_>, line: usize) -> Span {
    let text = shell.command.text.as_str();
    let mut at = 0;
    let spans = text.split_inclusive('\n').enumerate().map(|(number, line)| {
        let (start, trimmed) = (at, line.trim());
        at += line.len();
        let start = start + line.find(trimmed).unwrap_or_default();
        (number, Span::new(start, start + trimmed.len()))
    });
    let spans: Vec<(usize, Span)> = spans.filter(|(_, span)| span.start < span.end).collect();
    let named = spans.iter().find(|(number, _)| *number == line);
    shell.place(named.or(spans.first()).map(|(_, span)| *span).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::RULE;

    cases! {
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
        let found = crate::lint::cases::found(&RULE, "# T\n\n```bash\necho (<pod>)\n```\n");
        let said = found.all.first().map(|finding| finding.message.as_str()).unwrap_or_default();
        assert!(said.ends_with("`<pod>'") || said.ends_with("a syntax error"), "{said}");
    }
}
