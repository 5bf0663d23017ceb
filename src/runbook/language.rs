//! What a code block is by its tag: shell that runs, a language that needs a client, or data. A block without a tag
//! counts as shell only when everything in it is clearly a command.

use super::text::{Excerpt, is_among};
use crate::source::{Span, TextPattern};

/// What a tag says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockLanguage {
    /// `bash`, `sh`, `shell`, `zsh`.
    Shell,
    /// `console`, `shell-session`, `terminal`: commands behind prompts, output below.
    Console,
    /// No tag.
    Untagged,
    /// A language that something else than a shell would have to run.
    Foreign,
    /// Configuration, output, text.
    Data,
}

/// The tag of an info string, in lower case: its first word, or that behind MyST's `{code-block}`; Pandoc's and Runme's attributes left out.
pub(super) fn tag(info: &str) -> String {
    let info = info.trim().trim_start_matches("{.");
    let of_directive = ["{code-block}", "{code}", "{prompt}"].iter().find_map(|name| info.strip_prefix(name));
    let info = of_directive.unwrap_or(info).trim_start();
    let end = info.find(|c: char| c.is_whitespace() || matches!(c, ',' | '{' | '}' | ':')).unwrap_or(info.len());
    info.get(..end).unwrap_or_default().to_lowercase()
}

/// Whether a block is a directive of MyST that shows something else than code: `{warning}`, `{admonition} Only on the standby`.
pub(super) fn is_directive(info: &str) -> bool {
    static NAMED: TextPattern = TextPattern::new(r"^\{([a-z][\w:-]*)\}");
    let name = NAMED.captures(info.trim()).and_then(|found| Some(found.get(1)?.as_str()));
    let shows_prose = |name: &str| !is_among("code code-block prompt", name) && of_tag(name) == BlockLanguage::Data;
    tag(info).is_empty() && name.is_some_and(shows_prose)
}

/// A block without the options of MyST's `{code-block}` above its first line: `:linenos:`.
pub(super) fn without_options(info: &str, body: Excerpt) -> Excerpt {
    static OPTION: TextPattern = TextPattern::new(r"^:[\w-]+:(?:\s|$)");
    if !info.trim_start().starts_with("{code") {
        return body;
    }
    let width = body.text.split_inclusive('\n').take_while(|line| OPTION.is_match(line)).map(str::len).sum::<usize>();
    body.part(Span::new(width, body.text.len()))
}

/// The title that generators of sites show above a block: `bash title="restart.sh"`, `bash:restart.sh`, `bash [Helm]`.
pub(super) fn title(info: &str) -> Option<&str> {
    static TITLE: TextPattern = TextPattern::new(
        r#"^\w+:([^\s,{}]+)|^\w+\s+\[([^\]]+)\]|[\s{,](?:title|filename|file|caption)\s*=\s*(?:"([^"]+)"|'([^']+)'|([^\s"'}]+))"#,
    );
    let found = TITLE.captures(info.trim())?;
    found.iter().skip(1).flatten().next().map(|title| title.as_str())
}

/// What the tags stand for; any other is data.
const TAGS: [(BlockLanguage, &str); 4] = [
    (BlockLanguage::Shell, words!("tags of shells")),
    (BlockLanguage::Console, words!("tags of consoles")),
    (BlockLanguage::Foreign, words!("tags of other languages")),
    (BlockLanguage::Foreign, words!("languages of applications")),
];

/// What a tag stands for.
pub(super) fn of_tag(tag: &str) -> BlockLanguage {
    let found =
        TAGS.iter().find(|(_, tags)| is_among(tags, tag)).map_or(BlockLanguage::Data, |(language, _)| *language);
    if tag.is_empty() { BlockLanguage::Untagged } else { found }
}

/// Whether bash runs the blocks of a tag.
pub fn is_shell(tag: &str) -> bool {
    matches!(of_tag(tag), BlockLanguage::Shell | BlockLanguage::Console)
}

/// What a block is by its tag, unless what it holds says clearly that the tag is wrong: a `yaml` or `sql` block of nothing but
/// commands, and one with a tag that nobody knows, is read as one without a tag.
pub(super) fn of_block(tag: &str, text: &str) -> BlockLanguage {
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("--"));
    let first = |line: &str| line.split_whitespace().next().unwrap_or_default().to_string();
    let data = |line: &str| {
        let word = first(line);
        word.ends_with(':') || word.starts_with(['-', '{', '}', '[', ']', '"']) || line.contains(" = ")
    };
    let begins = |line: &str| is_known_command(&first(line)) && line.contains(' ');
    let wrong = match tag {
        "yaml" | "yml" | "json" | "toml" => lines().next().is_some_and(begins) && !lines().any(data),
        // Keywords of SQL are in capitals, or are programs too: `set`, `update`.
        "sql" | "psql" | "pgsql" | "postgresql" | "mysql" => {
            let called =
                |line: &str| ["psql", "pg_", "mysql", "kubectl", "docker", "sudo"].iter().any(|p| line.starts_with(p));
            let mut typed = lines().filter(|line| !line.starts_with('#')).peekable();
            typed.peek().is_some() && typed.all(|line| begins(line) && called(line))
        }
        // A slip (`bahs`), or a name that nobody knows here, makes no data of commands.
        _ => {
            of_tag(tag) == BlockLanguage::Data
                && !is_among(words!("tags of texts"), tag)
                && lines().find(|line| !line.starts_with('#')).is_some_and(begins)
        }
    };
    if wrong { BlockLanguage::Untagged } else { of_tag(tag) }
}

/// Makes comments of SQL (`-- Copy it`) those of the shell, in a block tagged as SQL that holds commands. A line that goes on with the one
/// before it (`kubectl exec db \`) is no comment.
pub(super) fn comment_as_shell(tag: &str, body: &mut Excerpt) {
    if of_tag(tag) != BlockLanguage::Foreign || of_block(tag, &body.text) != BlockLanguage::Untagged {
        return;
    }
    let mut goes_on = false;
    let comments = body.lines().filter_map(|(line, span)| {
        let text = line.trim_start();
        let is_comment = !std::mem::replace(&mut goes_on, line.ends_with('\\')) && text.starts_with("--");
        is_comment.then_some(span.end - text.len())
    });
    for at in comments.collect::<Vec<usize>>() {
        body.text.replace_range(at..at + 2, "# ");
    }
}

/// Whether a first word is a command that runbooks use, or has the form of one.
pub(super) fn is_known_command(word: &str) -> bool {
    crate::programs::is_known(word)
        || is_among(words!("shell"), word)
        // `/usr/bin/x`, not `/api/health`.
        || ["./", "~/", "/usr/", "/bin/", "/sbin/", "/opt/", "/etc/init.d/"].iter().any(|begin| word.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags() {
        for (info, expected) in [
            ("bash", BlockLanguage::Shell),
            ("Bash {\"name\":\"x\"}", BlockLanguage::Shell),
            ("{.sh}", BlockLanguage::Shell),
            ("bash,ignore", BlockLanguage::Shell),
            ("{code-block} bash", BlockLanguage::Shell),
            ("{warning}", BlockLanguage::Untagged),
            ("shell-session", BlockLanguage::Console),
            ("", BlockLanguage::Untagged),
            ("sql", BlockLanguage::Foreign),
            ("yaml", BlockLanguage::Data),
            ("whatever", BlockLanguage::Data),
        ] {
            assert_eq!(of_tag(&tag(info)), expected, "{info}");
        }
        for (tag, text, expected) in [
            ("yaml", "kubectl get po -n x -o json\n", BlockLanguage::Untagged),
            ("yaml", "kind: Pod\n", BlockLanguage::Data),
            ("yaml", "env\n", BlockLanguage::Data),
            ("yaml", "make build\nkey: x\n", BlockLanguage::Data),
            ("text", "kubectl get po\n", BlockLanguage::Data),
            ("sql", "-- Copy\npg_dump -h a b\n\npsql -h c < d\n", BlockLanguage::Untagged),
            ("sql", "SELECT 1;\n", BlockLanguage::Foreign),
            ("sql", "#  Copy\npg_dump -h a b\n", BlockLanguage::Untagged),
            ("sql", "-- nothing\n", BlockLanguage::Foreign),
            ("bash", "x: y\n", BlockLanguage::Shell),
            ("bahs", "# Stop it\nkubectl delete pod x\n", BlockLanguage::Untagged),
            ("bahs", "x: y\n", BlockLanguage::Data),
            ("output", "docker restart web\n", BlockLanguage::Data),
        ] {
            assert_eq!(of_block(tag, text), expected, "{text}");
        }
        for (info, expected) in [
            ("bash title=\"Expected output\"", Some("Expected output")),
            ("sh {title='fix.sh'}", Some("fix.sh")),
            ("bash filename=fix.sh showLineNumbers", Some("fix.sh")),
            ("bash:scripts/fix.sh", Some("scripts/fix.sh")),
            ("bash [Helm]", Some("Helm")),
            ("bash subtitle=x", None),
            ("bash {\"name\":\"x\"}", None),
            ("bash", None),
        ] {
            assert_eq!(title(info), expected, "{info}");
        }
        assert!(["{warning}", "{admonition} Only on the standby"].into_iter().all(is_directive));
        assert!(
            !["{code-block} bash", "{code-block}", "{bash}", "{.bash}", "bash {1,3}"].into_iter().any(is_directive)
        );
        let body = Excerpt::of(":linenos:\n:caption: A\n\ndf -h\n", 0);
        assert_eq!(without_options("{code-block} bash", body.clone()).text, "\ndf -h\n");
        assert_eq!(without_options("bash", body.clone()), body);
        assert!(is_known_command("psql") && is_known_command("./run.sh") && is_known_command("/usr/bin/x"));
        assert!(!is_known_command("/api/health") && !is_known_command("NAME"));
    }
}
