//! Blocks under a shell tag that show what a file holds: configuration, a crontab, Terraform. None of its lines is a
//! command, though bash would take each of them for one.

use super::language;
use crate::source::Span;

/// Where the contents of a file begin among the commands of a block, and what they are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Contents {
    /// Index of the first command that is none.
    pub from: usize,
    /// Why the rest is for a person.
    pub why: String,
    /// Whether it is shell all the same, with an error in it.
    pub invalid: bool,
}

/// Looks for the contents of a file in a block whose text (placeholders replaced by words) was split into `commands`.
/// What stands above them and is clearly a command stays one.
pub(super) fn find(text: &str, commands: &[Span]) -> Option<Contents> {
    let piece = |span: &Span| text.get(span.start..span.end).unwrap_or_default();
    if let Some(path) = named_file(text)
        && !commands.is_empty()
        && !commands.iter().any(|span| piece(span).contains(path))
    {
        return Some(Contents { from: 0, why: format!("it shows what the file `{path}` holds"), invalid: false });
    }
    let (at, what) = commands.iter().enumerate().find_map(|(at, span)| Some((at, line_of_a_file(piece(span))?)))?;
    let typed = |span: &Span| {
        let word = piece(span).split_whitespace().next().unwrap_or_default();
        language::is_known_command(word)
    };
    let above = commands.get(..at).unwrap_or_default().iter().rposition(typed);
    let shown = piece(commands.get(at)?).lines().next().unwrap_or_default();
    let shown = super::text::shorten(shown, 60);
    Some(Contents {
        from: above.map_or(0, |above| above + 1),
        why: format!("it shows {what} (`{shown}`), not commands"),
        invalid: false,
    })
}

/// The path, where a comment at the top of a block is nothing but one: `# /etc/app.conf`, `# app.conf`,
/// `# File: ~/.pgpass (on the standby)`.
fn named_file(text: &str) -> Option<&str> {
    let lines = text.lines().map(str::trim).skip_while(|line| line.is_empty());
    lines.take_while(|line| line.starts_with('#')).find_map(path_alone)
}

fn path_alone(line: &str) -> Option<&str> {
    let comment = line.trim_start_matches(['#', ' ']);
    let comment = ["File:", "file:"].iter().find_map(|word| comment.strip_prefix(word)).unwrap_or(comment).trim();
    let (path, rest) = comment.split_once(char::is_whitespace).unwrap_or((comment, ""));
    let path = path.trim_end_matches([':', ',']).trim_matches(['`', '"']);
    let rest = rest.trim();
    if !(rest.is_empty() || rest.starts_with('(') && rest.trim_end_matches(':').ends_with(')')) {
        return None;
    }
    let name = path.rsplit('/').next().unwrap_or_default();
    let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "/~._-*{}<>$@".contains(c));
    let rooted = (path.starts_with('/') || path.starts_with("~/")) && path.len() > 2 && !path.ends_with('/');
    const SUFFIXES: &[&str] = &[
        "conf", "ini", "cfg", "cnf", "env", "toml", "tf", "service", "timer", "yaml", "yml", "json", "properties",
        "hcl",
    ];
    let suffix = name.rsplit_once('.').is_some_and(|(_, suffix)| SUFFIXES.contains(&suffix));
    (plain && (rooted || suffix)).then_some(path)
}

/// What kind of a file a line belongs to, if it can be none that is typed.
fn line_of_a_file(piece: &str) -> Option<&'static str> {
    let words: Vec<&str> = piece.split_whitespace().take(7).collect();
    let first = *words.first()?;
    let second = words.get(1).copied().unwrap_or_default();
    let named = first.chars().all(|c| c.is_ascii_alphanumeric() || "_.-\"'/".contains(c));
    if second == "=" && named && !language::is_known_command(first) {
        return Some("settings");
    }
    let nickname = ["@reboot", "@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"];
    if words.len() > 5 && words.iter().take(5).all(|word| is_time_field(word)) || nickname.contains(&first) {
        return Some("lines of a crontab");
    }
    let section = first.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if words.len() == 1 && section.is_some_and(|name| !name.is_empty() && !name.contains('[')) {
        return Some("settings");
    }
    let quoted = |word: &&str| word.len() > 2 && word.starts_with('"') && word.ends_with('"');
    let mut labels = words.iter().skip(1).skip_while(|word| quoted(word));
    if words.get(1).is_some_and(quoted) && labels.next() == Some(&"{") && labels.next().is_none() {
        return Some("a configuration");
    }
    let key = first.strip_suffix(':').filter(|key| !key.is_empty() && !key.contains(['/', ':']));
    (key.is_some_and(|key| key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')))
        .then_some("settings")
}

/// A field of a crontab's time: `*/5`, `0`, `1-5`, `mon`.
fn is_time_field(word: &str) -> bool {
    const NAMES: &[&str] = &["mon", "tue", "wed", "thu", "fri", "sat", "sun", "jan", "dec"];
    let number = word.starts_with(|c: char| c.is_ascii_digit() || c == '*');
    number && word.chars().all(|c| c.is_ascii_digit() || "*/,-".contains(c))
        || NAMES.iter().any(|name| word.to_lowercase().starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::shell::Bash;

    fn found(text: &str) -> Option<(usize, String)> {
        let commands = Bash::new(text.len()).split(text);
        find(text, &commands).map(|contents| (contents.from, contents.why))
    }

    #[test]
    fn contents_of_files() {
        for (text, from, why) in [
            ("# /etc/app/app.conf\nworkers 4\nhost all\n", 0, "it shows what the file `/etc/app/app.conf` holds"),
            ("# File: ~/.pgpass (on the standby)\nx:y\n", 0, "it shows what the file `~/.pgpass` holds"),
            ("# On the standby\n# /etc/x.conf\nsave 1\n", 0, "it shows what the file `/etc/x.conf` holds"),
            ("# cache.conf\nsave 900 1\n", 0, "it shows what the file `cache.conf` holds"),
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
            "# Read/Write (primary)\npsql -c x\n",
            "# scripts/deploy.sh\n./scripts/deploy.sh\n",
            "# See /etc/app.conf\nls\n",
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
