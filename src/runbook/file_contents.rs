//! Blocks under a shell tag that show what a file holds: configuration, a crontab, Terraform. None of its lines is a
//! command, though bash would take each of them for one.

use super::{ManualReason, language};
use crate::bash::lexer::lex;
use crate::source::{Span, TextPattern, pattern};
use regex::Regex;
use std::sync::LazyLock;

/// Where the contents of a file begin among the commands of a block, and what they are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Contents {
    /// Index of the first command that is none.
    pub from: usize,
    /// Why the rest is for a person.
    pub why: ManualReason,
}

/// Looks for the contents of a file in a block whose text (placeholders replaced by words) was split into `commands`.
/// What stands above them and is clearly a command stays one.
pub(super) fn find(text: &str, commands: &[Span]) -> Option<Contents> {
    let piece = |span: &Span| span.of(text);
    let assigns = commands.iter().all(|span| ASSIGNMENT.is_match(piece(span).trim()));
    let named = named_file(text, &PATH, &FILE);
    if let Some(path) = named.or_else(|| named_file(text, &PATH_OF_SETTINGS, &SETTINGS).filter(|_| assigns))
        && !commands.is_empty()
        && !commands.iter().any(|span| piece(span).contains(path))
    {
        let why = ManualReason::Person(format!("it shows what the file `{path}` holds"));
        return Some(Contents { from: 0, why });
    }
    // `NAME = value` above a `$NAME` is meant for bash, which takes it for a call: it is to fail.
    let is_read = |span: &Span| {
        let name = piece(span).trim().split_once(" = ").map_or("", |(name, _)| name);
        lex(text).reads.iter().any(|read| read.name == name)
    };
    let of_a_file = |(at, span): (usize, &Span)| Some((at, line_of_a_file(piece(span)).filter(|_| !is_read(span))?));
    let (at, what) = commands.iter().enumerate().find_map(of_a_file)?;
    let typed = |span: &Span| {
        let word = piece(span).split_whitespace().next().unwrap_or_default();
        language::is_known_command(word)
    };
    let above = commands.get(..at).unwrap_or_default().iter().rposition(typed);
    let shown = piece(commands.get(at)?).lines().next().unwrap_or_default();
    let shown = super::text::shorten(shown, 60);
    let why = ManualReason::Person(format!("it shows {what} (`{shown}`), not commands"));
    Some(Contents { from: above.map_or(0, |above| above + 1), why })
}

/// Whether the title of a block is that of a file, which its text does not call: `restart.sh`, `/etc/crontab`.
pub(super) fn is_titled(title: &str, text: &str) -> bool {
    static TITLE: TextPattern = TextPattern::new(
        r"^\S+\.(?:conf|ini|cfg|cnf|env|toml|tf|service|timer|yaml|yml|json|properties|hcl|sh|bash|zsh|ksh)$|^\.env$|^/etc/\S*[^/\s]$",
    );
    TITLE.is_match(title) && !text.contains(title)
}

/// The path, where a comment at the top of a block is nothing but one: `# /etc/app.conf`, `# app.conf`,
/// `# File: ~/.pgpass (on the standby)`.
fn named_file<'t>(text: &'t str, pattern: &Regex, file: &Regex) -> Option<&'t str> {
    let lines = text.lines().map(str::trim).skip_while(|line| line.is_empty());
    let path_alone = |line| Some(pattern.captures(line)?.get(1)?.as_str()).filter(|path| file.is_match(path));
    lines.take_while(|line| line.starts_with('#')).find_map(path_alone)
}

static PATH: TextPattern =
    TextPattern::new(r#"^[#\ ]*(?:[Ff]ile:)?\s*[`"]?([A-Za-z0-9/~._*{}<>$@-]+)[`":,]*(?:\s+\(.*\):?)?$"#);
/// More may be said of it above nothing but assignments: `# In .env or an override`, `# ~/.secrets.env — chmod 600`.
static PATH_OF_SETTINGS: TextPattern = TextPattern::new(
    r#"^[#\ ]*(?:[Ff]ile:\s*|(?:In|Add to|Set in)\s+)?[`"]?([A-Za-z0-9/~._*{}<>$@-]+)[`":,]*(?:\s+(?:[(—–-]|or\s).*)?$"#,
);
static ASSIGNMENT: TextPattern =
    TextPattern::new(r#"^(?:export\s+)?[A-Za-z_][A-Za-z0-9_]*=(?:"[^"]*"|'[^']*'|[^\s;&|"'`$()]*)$"#);
static FILE: TextPattern =
    TextPattern::new(r"^~?/.+[^/]$|\.(?:conf|ini|cfg|cnf|env|toml|tf|service|timer|yaml|yml|json|properties|hcl)$");
static SETTINGS: TextPattern = TextPattern::new(r"\.(?:conf|ini|cfg|cnf|env|properties)$");

/// What can be no line that is typed, by the kind of file that it belongs to.
static LINES: LazyLock<[(&str, Regex); 4]> = LazyLock::new(|| {
    const TIME: &str = r"(?:[0-9*][0-9*/,-]*|(?i:mon|tue|wed|thu|fri|sat|sun|jan|dec)\S*)\s+";
    [
        ("settings", pattern(r#"^(?:[A-Za-z0-9_."'/-]+\s+=(?:\s|$)|\[[^\[\s]+\]$|[A-Za-z0-9_-]+:(?:\s|$))"#)),
        ("lines of a crontab", pattern(&format!(r"^{TIME}{TIME}{TIME}{TIME}{TIME}\S"))),
        ("lines of a crontab", pattern(r"^@(?:reboot|hourly|daily|midnight|weekly|monthly|yearly|annually)(?:\s|$)")),
        ("a configuration", pattern(r#"^\S+(?:\s+"\S+")+\s+\{$"#)),
    ]
});

fn line_of_a_file(piece: &str) -> Option<&'static str> {
    let piece = piece.trim();
    // `test = x` calls `test`.
    let called = piece.split_whitespace().nth(1) == Some("=")
        && piece.split_whitespace().next().is_some_and(language::is_known_command);
    LINES.iter().find(|(_, line)| !called && line.is_match(piece)).map(|(what, _)| *what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bash::split;

    fn found(text: &str) -> Option<(usize, String)> {
        let commands = split(text);
        find(text, &commands).map(|contents| (contents.from, contents.why.text().to_string()))
    }

    #[test]
    fn contents_of_files() {
        for (text, from, why) in [
            ("# /etc/app/app.conf\nworkers 4\nhost all\n", 0, "it shows what the file `/etc/app/app.conf` holds"),
            ("# File: ~/.pgpass (on the standby)\nx:y\n", 0, "it shows what the file `~/.pgpass` holds"),
            ("# On the standby\n# /etc/x.conf\nsave 1\n", 0, "it shows what the file `/etc/x.conf` holds"),
            ("# cache.conf\nsave 900 1\n", 0, "it shows what the file `cache.conf` holds"),
            ("# In .env or systemd override\nAPI_KEY=\n", 0, "it shows what the file `.env` holds"),
            (
                "# ~/.secrets.env — chmod 600\nexport A=\"x y\"\nB=1\n",
                0,
                "it shows what the file `~/.secrets.env` holds",
            ),
            ("archive_mode = on\n", 0, "it shows settings (`archive_mode = on`), not commands"),
            (
                "apt install x\n\n# Then\nwal_level = replica\nport = 1\n",
                1,
                "it shows settings (`wal_level = replica`), not commands",
            ),
            (
                "*/5 * * * * /opt/x >> /var/log/x\n",
                0,
                "it shows lines of a crontab (`*/5 * * * * /opt/x >> /var/log/x`), not commands",
            ),
            ("@daily run x\n", 0, "it shows lines of a crontab (`@daily run x`), not commands"),
            ("[service]\nx y\n", 0, "it shows settings (`[service]`), not commands"),
            ("replicas: 3\n", 0, "it shows settings (`replicas: 3`), not commands"),
            (
                "resource \"a\" \"b\" {\n  x y\n}\n",
                0,
                "it shows a configuration (`resource \"a\" \"b\" {`), not commands",
            ),
        ] {
            assert_eq!(found(text), Some((from, why.to_string())), "{text}");
        }
    }

    #[test]
    fn commands_that_have_to_do_with_files() {
        for text in [
            "# Memory/CPU\nfree -m\n",
            "# /etc/hosts\ncat /etc/hosts\n",
            "SERVICE = worker\ndocker compose restart \"$SERVICE\"\n",
            "# Read/Write (primary)\npsql -c x\n",
            "# scripts/deploy.sh\n./scripts/deploy.sh\n",
            "# See /etc/app.conf\nls\n",
            "# Edit the limits in compose.yml\ndocker compose up -d\n",
            "# In .env or the environment\nexport A=1\n./start\n",
            "# In order to see more\nLEVEL=debug\n",
            "# /srv/shop is the production project\nexport COMPOSE_FILE=prod.yml\n",
            "# ~/.kube/config has both clusters\nexport KUBECONFIG=b\n",
            "# app.env is not read here\nA=1\n",
            "cat > /etc/app.conf <<EOF\na = b\n[x]\n0 2 * * * y\nEOF\n",
            "[ \"$A\" = b ] && c\n",
            "test a = b\n",
            "psql -c 'x = y'\n",
            "sleep 5\n",
            ": ${X:=1}\n",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
