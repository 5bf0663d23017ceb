//! RB205 to RB207: blocks of code whose tag does not say what they hold.

use super::{FindingReport, LintPage};
use crate::runbook::look::{Fence, FenceUse, is_known_program};
use crate::source::pattern;
use regex::Regex;
use std::sync::LazyLock;

/// RB205: shell in a block that does not say so, or outside of any block.
pub(super) fn untagged(page: &LintPage<'_>, report: &mut FindingReport<'_>) {
    let mut unfenced = page.unfenced();
    if let Some(first) = unfenced.next() {
        let found =
            report.at(first.first_line(page.source).1, "this command stands in the text: no reader can copy it safely");
        found.help("put it into a block of its own, between lines with three backticks, tagged `bash`");
        let others = unfenced.count();
        found.label = (others > 0).then(|| format!("one of {}", others + 1));
    }
    for fence in page.look.fences.iter().filter(|fence| fence.fenced && fence.info.trim().is_empty()) {
        let terminal = fence.terminal();
        let runs = matches!(fence.reading, FenceUse::Run | FenceUse::Held);
        if terminal.other.is_some() || !runs && !fence.holds_known_commands() {
            continue;
        }
        let tag = if terminal.prompts { "console" } else { "bash" };
        let what = match runs {
            true => "this block has no language, and holds shell",
            false => "this block looks like shell, but has no language, and is not followed",
        };
        let found = report.at(page.first_line(fence.span), what);
        found.help(format!("begin it with `{tag}` behind the fence, or `text` if it is not to be run"));
    }
}

/// RB206: a language tag that its block contradicts.
pub(super) fn wrong_tag(page: &LintPage<'_>, report: &mut FindingReport<'_>) {
    for fence in &page.look.fences {
        let tag = &fence.tag;
        let (what, help) = if let Some(what) = contradicts(fence) {
            (format!("holds {what}"), "name the language that it is in, or tag it `text`")
        } else if let Some(program) = begins_with_command(fence) {
            let help =
                "tag it `bash`, and what the command reads as input belongs to a here-document or a block of its own";
            (format!("begins with `{program}`"), help)
        } else {
            continue;
        };
        report.at(page.first_line(fence.span), format!("this block is tagged `{tag}`, but {what}")).help(help);
    }
}

/// What a block that is tagged as shell holds instead.
pub(super) fn contradicts(fence: &Fence) -> Option<&'static str> {
    if fence.is_shell() { shape(&fence.body.text) } else { None }
}

/// The command on the first line of a block of data that cannot begin with one.
fn begins_with_command(fence: &Fence) -> Option<&str> {
    let mut lines = fence.body.text.lines().map(str::trim_start);
    let mut words = lines.find(|line| !line.is_empty() && !line.starts_with(['#', '-']))?.split_whitespace();
    let program = words.next().filter(|word| phrases!("programs").contains(word))?;
    (phrases!("tags of data").contains(&fence.tag.as_str()) && words.next().is_some()).then_some(program)
}

/// RB207: a terminal with prompts and output in a block that says it is a script.
pub(super) fn terminal(page: &LintPage<'_>, report: &mut FindingReport<'_>) {
    if page.has_open_fence() {
        return;
    }
    for fence in page.look.fences.iter().filter(|fence| fence.is_shell()) {
        let (terminal, tag) = (fence.terminal(), &fence.tag);
        let what = match (&terminal.other, terminal.prompts, terminal.output) {
            (Some(prompt), ..) => format!("shows a session (prompt `{prompt}`)"),
            (None, true, true) => "has prompts and output".to_string(),
            (None, false, true) => "holds output that bash would run".to_string(),
            (None, _, false) => continue,
        };
        let alone = "put the output into a `text` block of its own";
        let help = match (terminal.prompts, terminal.output) {
            (false, true) => alone.to_string(),
            _ => format!("tag it `console` instead of `{tag}`, or {alone}"),
        };
        report.at(page.first_line(fence.span), format!("this block is tagged `{tag}`, but {what}")).help(help);
    }
}

/// What is clearly something else than shell: what it is, how many lines it has at least, and what they match, comments left
/// out: as a whole, each of them, and one of them.
static SHAPES: LazyLock<Vec<(&str, usize, [Regex; 3])>> = LazyLock::new(|| {
    let functions = phrases!("PromQL").join("|");
    let shape = |text: &'static str| {
        let (head, patterns) = text.split_once('\n')?;
        let (least, what) = head.split_once(' ')?;
        let mut patterns = patterns.lines().map(|line| pattern(&line.replace("{PromQL}", &functions)));
        Some((what, least.parse().ok()?, [patterns.next()?, patterns.next()?, patterns.next()?]))
    };
    include_str!("shapes.txt").split("\n\n").filter_map(shape).collect()
});

/// What a text is, in words, when it clearly is something else than shell: a shape counts only where all of it has it.
fn shape(text: &str) -> Option<&'static str> {
    let comment = |line: &&str| line.trim().is_empty() || line.trim().starts_with('#') || line.trim().starts_with("--");
    let lines: Vec<&str> = text.lines().filter(|line| !comment(line)).collect();
    let word = lines.first()?.split_whitespace().next().unwrap_or_default();
    if text.trim_start().starts_with(['{', '[']) && serde_json::from_str::<serde_json::Value>(text).is_ok() {
        return Some("JSON");
    }
    let is_command = is_known_program(word) && !matches!(word, "host" | "[");
    let whole = lines.join("\n");
    // `select x in a b; do` is shell.
    let loops = whole.contains("; do") || whole.contains(";\ndo");
    let mut shapes =
        SHAPES.iter().filter(|(what, least, _)| !is_command && lines.len() >= *least && !(loops && *what == "SQL"));
    let fits = |(_, _, [all, each, one]): &&(&str, usize, [Regex; 3])| {
        all.is_match(&whole)
            && lines.iter().all(|line| each.is_match(line))
            && lines.iter().any(|line| one.is_match(line))
    };
    shapes.find(fits).map(|(what, ..)| *what)
}

#[cfg(test)]
mod tests {
    use super::*;

    cases! {
        rb205,
        bad: [
            "# T\n\n```\nkubectl get pods\n```\n" => [(3, 1)],
            "# T\n\n- a\n\n  ~~~\n  $ frobnicate\n  ~~~\n" => [(5, 3)],
            "# T\n\n```\nsystemctl restart shop\nfrobnicate <x>\n```\n" => [(3, 1)],
        ],
        good: [
            "# T\n\n```text\nkubectl get pods\n```\n\n    kubectl get pods\n",
            "# T\n\n```\nNAME  READY\nweb   1/1\n```\n",
            "# T\n\n```\nTo restart (all of it), say so\n```\n\n```\nhost all all (trust\n```\n",
            "# T\n\n```\nfrobnicate\nkubectl get pods\n```\n",
            "# T\n\n```\nshop=# SELECT 1;\n```\n",
        ],
    }

    cases! {
        rb206,
        bad: [
            "# T\n\n```bash\nSELECT 1;\n```\n" => [(3, 1)],
            "# T\n\n1. a\n   ```sh\n   rate(x[5m])\n   ```\n" => [(4, 4)],
            "# T\n\n```sql\n-- in psql\n\npsql -U shop\nSELECT 1;\n```\n" => [(3, 1)],
            "# T\n\n```yaml\nkubectl get pods\n```\n" => [(3, 1)],
        ],
        good: [
            "# T\n\n```bash\npsql -c 'SELECT 1;'\n```\n\n```sql\nSELECT 1;\n```\n\n```yaml\nkubectl:\n  a: b\n```\n",
            "# T\n\n```text\nkubectl get pods\n```\n\n```\nSELECT 1;\n```\n",
            "# T\n\n```bash\n$ ls\n2024-01-02 03:04:05 x\n```\n",
            "# T\n\n```bash\nsudo -u postgres psql <<EOF\nSELECT 1;\nEOF\n```\n",
        ],
    }

    cases! {
        rb207,
        bad: [
            "# T\n\n```bash\n$ kubectl get po\nNAME\n```\n" => [(3, 1)],
            "# T\n\n1. a\n   ```sh\n   $ ls\n   a\n   ```\n" => [(4, 4)],
            "# T\n\n```shell\ncurl x\n# Expected output:\n{\n  \"a\": 1\n}\n```\n" => [(3, 1)],
            "# T\n\n```bash\nshop=# SELECT 1;\n```\n" => [(3, 1)],
        ],
        good: [
            "# T\n\n```console\n$ kubectl get po\nNAME\n```\n",
            "# T\n\n```bash\necho $HOME\n# Expected output: 3\nls\n```\n",
            "# T\n\n```\n$ ls\na\n```\n",
            "# T\n\n```sh\n$ ls\n```\n",
        ],
    }

    #[test]
    fn shapes() {
        for (text, expected) in [
            ("SELECT 1;\n", Some("SQL")),
            ("-- how many\nselect count(*)\nfrom t;", Some("SQL")),
            ("up{job=\"x\"} == 0", Some("a query of Prometheus")),
            ("sum by (pod) (rate(x[5m]))", Some("a query of Prometheus")),
            ("{\"a\": [1]}", Some("JSON")),
            ("2024-01-02T03:04:05Z error x\n2024-01-02T03:04:06Z error y", Some("log lines")),
            ("# every night\n0 2 * * * /usr/local/bin/x", Some("lines of a crontab")),
            ("resource \"a\" \"b\" {\n}", Some("Terraform")),
            ("wal_level = replica\nmax_wal_senders = 3", Some("a configuration file")),
            ("[databases]\nshop = host=db", Some("a configuration file")),
            ("save 900 1\nsave 300 10", Some("a configuration file")),
            ("a:\n  b: c\n- d", Some("YAML")),
            ("host all all 10.0.0.0/8 md5", Some("a configuration file")),
        ] {
            assert_eq!(shape(text), expected, "{text}");
        }
    }

    #[test]
    fn shell_has_none_of_these_shapes() {
        for text in [
            "",
            "# only words",
            "kubectl get pods\n",
            "A=1\nB=2",
            "select x in a b; do echo $x; done;",
            "update-ca-certificates;",
            "show-all",
            "[ -f x ]",
            "[[ a = b ]]",
            "host example.com",
            "port upgrade outdated now please",
            "a: b",
            "time kubectl get x",
            "{ ls; }",
            "frobnicate: x\nls",
        ] {
            assert_eq!(shape(text), None, "{text}");
        }
    }
}
