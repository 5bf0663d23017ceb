//! Fill-ins in lower case where a host or a password stands: `postgres://app:password@host/`, `-h primary_ip`. A host's
//! name has no underscore, and nobody's host is called `host`.

use super::lexer::{Lexed, Quoting};
use super::placeholder::Placeholder;
use crate::source::Span;
use std::collections::BTreeMap;

/// Where a host stands behind.
const MARKS: &[&str] = &["://", "@", "-h ", "--host ", "--host=", "host="];

/// Those in a text, ascending, none twice.
pub(super) fn find(text: &str, lexed: &Lexed) -> Vec<Placeholder> {
    let mut out: BTreeMap<usize, Placeholder> = BTreeMap::new();
    let mut add = |start: usize, word: &str| {
        let span = Span::new(start, start + word.len());
        if lexed.quoting(start) != Quoting::Comment {
            out.insert(start, Placeholder { span, name: word.to_string() });
        }
    };
    for mark in MARKS {
        for (at, _) in text.match_indices(mark) {
            let start = at + mark.len();
            let word = word(text, start);
            let before = text.get(..at).unwrap_or_default();
            let url = *mark == "://" || *mark == "@" && password(before).is_some();
            let option = mark.starts_with('-') && before.ends_with(char::is_whitespace);
            let named = has_underscore(word) && (url || option || *mark == "@" || *mark == "host=");
            let next = text.as_bytes().get(start + word.len()).copied().unwrap_or(b' ');
            let ends = !matches!(next, b'.' | b'-' | b'@' | b'=' | b'(') && !next.is_ascii_alphanumeric();
            if ends && (named || *mark == "@" && url && matches!(word, "host" | "hostname" | "server")) {
                add(start, word);
            }
            if let Some(word) = password(before).filter(|word| *mark == "@" && is_password(word)) {
                add(at - word.len(), word);
            }
        }
    }
    out.into_values().collect()
}

/// The password of a URL whose `user:password` ends here.
fn password(before: &str) -> Option<&str> {
    // Bounded, so that a text of nothing but signs is read in linear time.
    let mut from = before.len().saturating_sub(120);
    while !before.is_char_boundary(from) {
        from += 1;
    }
    let near = before.get(from..)?;
    let user = near.rsplit_once("://").map(|(_, user)| user)?;
    let (_, password) = user.split_once(':')?;
    (!password.is_empty() && !user.contains(char::is_whitespace) && !user.contains(['/', '"'])).then_some(password)
}

fn is_password(word: &str) -> bool {
    matches!(word, "password" | "passwd" | "pass" | "secret")
}

fn word(text: &str, start: usize) -> &str {
    let rest = text.get(start..).unwrap_or_default();
    let width =
        rest.bytes().take(80).take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == b'_').count();
    rest.get(..width).unwrap_or_default()
}

/// `primary_ip`, `new_primary`: a role with an underscore.
fn has_underscore(word: &str) -> bool {
    let (first, last) = (word.split('_').next().unwrap_or_default(), word.rsplit('_').next().unwrap_or_default());
    word.contains('_')
        && (matches!(last, "ip" | "host" | "hostname" | "address" | "endpoint")
            || matches!(first, "new" | "old" | "your" | "target"))
}

#[cfg(test)]
mod tests {
    use crate::runbook::placeholder;

    fn names(text: &str) -> Vec<String> {
        placeholder::find(text).into_iter().map(|p| text[p.span.start..p.span.end].to_string()).collect()
    }

    #[test]
    fn hosts_and_passwords_that_are_filled_in() {
        assert_eq!(names("psql postgres://app:password@host:5432/shop"), ["password", "host"]);
        assert_eq!(names("export U=\"postgres://app:secret@new_primary:5432/shop\""), ["secret", "new_primary"]);
        assert_eq!(names("pg_basebackup -h primary_ip -U x"), ["primary_ip"]);
        assert_eq!(names("psql \"host=replica_ip dbname=x\""), ["replica_ip"]);
    }

    #[test]
    fn hosts_that_are_hosts() {
        for text in [
            "psql postgres://app:hunter2@db:5432/shop",
            "curl http://web_app:8080/",
            "psql -h db_primary",
            "psql -h host.example.com",
            "psql postgres://app:$PASSWORD@db/shop",
            "curl http://web/ # @new_primary",
            "du -h targets",
            "echo password@host",
        ] {
            assert_eq!(names(text), Vec::<String>::new(), "{text}");
        }
    }
}
