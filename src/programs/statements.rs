//! SQL, as far as it takes to see what a statement destroys: words, quotes, comments and the ends of statements. Placeholders
//! and variables may stand anywhere, and every dialect is read alike: what only looks is the business of `sql.rs`.

use crate::source::{Span, TextPattern};
use std::collections::HashMap;

/// A statement that destroys something as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestroyedByStatement {
    /// Its place in the text, up to the name of what is destroyed.
    pub span: Span,
    /// What is destroyed, without quotes.
    pub target: String,
}

/// The statements that destroy: `DROP TABLE`, `TRUNCATE`, `DELETE` without a condition, `RESET MASTER`.
pub fn harms(text: &str) -> Vec<DestroyedByStatement> {
    let tokens = tokens(text);
    let statements = tokens.split(|token| token.text == ";");
    statements.filter_map(|statement| harm(statement)).collect()
}

/// Where each name stands first in a text in capitals; of `public.jobs` also `jobs`.
pub fn named(upper: &str) -> HashMap<&str, usize> {
    let mut named = HashMap::new();
    for word in upper.split(|c| !is_word(c)).filter(|word| !word.is_empty()) {
        let at = Span::of_part(upper, word).start;
        let last = word.rsplit('.').next().unwrap_or(word);
        for name in [word, last] {
            named.entry(name).or_insert(at);
        }
    }
    named
}

/// Where each thing is made first in a text in capitals.
pub fn made(upper: &str) -> HashMap<&str, usize> {
    let mut made = HashMap::new();
    for create in ["CREATE TABLE ", "CREATE TEMP TABLE ", "CREATE DATABASE "] {
        for (at, _) in upper.match_indices(create) {
            let name = upper.get(at + create.len()..).unwrap_or_default().split(|c| !is_word(c)).next();
            let known = made.entry(name.unwrap_or_default()).or_insert(at);
            *known = at.min(*known);
        }
    }
    made
}

#[derive(Debug, PartialEq, Eq)]
struct StatementToken<'t> {
    text: &'t str,
    span: Span,
}

fn harm(tokens: &[StatementToken<'_>]) -> Option<DestroyedByStatement> {
    let words: Vec<String> = tokens.iter().map(|token| token.text.to_uppercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let name = match words.as_slice() {
        ["DROP", "DATABASE" | "SCHEMA" | "KEYSPACE" | "TABLE", ..] | ["TRUNCATE", "TABLE", ..] => 2,
        // In MySQL and SQLite this word is also a function and a mode.
        ["TRUNCATE", name, ..] if *name != "(" && *name != ")" => 1,
        // What the binary logs of MySQL hold, and what a replica knows of its source.
        ["RESET", "MASTER", ..] => 1,
        ["RESET", "SLAVE" | "REPLICA", ..] if words.contains(&"ALL") => 1,
        ["RESET", "BINARY", "LOGS", ..] | ["PURGE", "BINARY" | "MASTER", "LOGS", ..] => 2,
        ["DELETE", "FROM", ..] if !words.contains(&"WHERE") && !words.contains(&"USING") => 2,
        _ => return None,
    };
    let skipped = words.iter().skip(name).take_while(|word| matches!(**word, "IF" | "EXISTS" | "ONLY")).count();
    let target = tokens.get(name + skipped)?;
    let first = tokens.first()?;
    let name = target.text.trim_matches(['"', '`', '[', ']']).to_string();
    Some(DestroyedByStatement { span: Span::new(first.span.start, target.span.end), target: name })
}

/// Words and signs; comments and blanks are left out, quoted texts are one token.
fn tokens(text: &str) -> Vec<StatementToken<'_>> {
    static TOKEN: TextPattern = TextPattern::new(
        r#"(?sx) --[^\n]* | /\*(?:/|.*?\*/|.*) | '[^']*'? | "[^"]*"? | `[^`]*`? | [\p{Alphabetic}\p{N}_.${}<>\\]+ | \S"#,
    );
    let found =
        TOKEN.find_iter(text).filter(|found| !["--", "/*"].iter().any(|comment| found.as_str().starts_with(comment)));
    found.map(|found| StatementToken { text: found.as_str(), span: Span::new(found.start(), found.end()) }).collect()
}

/// Placeholders and variables of the shell are parts of names.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.' | '$' | '{' | '}' | '<' | '>' | '\\')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str) -> Vec<String> {
        harms(text).into_iter().map(|harm| harm.target).collect()
    }

    #[test]
    fn statements_that_destroy() {
        assert_eq!(found("select 1; DROP TABLE IF EXISTS \"a\".b;"), ["a"]);
        assert_eq!(found("drop database ${DB};\nTRUNCATE x, y"), ["${DB}", "x"]);
        assert_eq!(found("-- all\nDELETE FROM jobs;"), ["jobs"]);
        assert_eq!(harms("x; truncate table y")[0].span, Span::new(3, 19));
        assert_eq!(found("reset master; RESET SLAVE 'a' ALL; reset replica all"), ["master", "SLAVE", "replica"]);
        assert_eq!(found("PURGE BINARY LOGS TO 'bin.000042'; RESET BINARY LOGS AND GTIDS"), ["LOGS", "LOGS"]);
        for text in [
            "RESET SLAVE",
            "reset all",
            "DELETE FROM x WHERE id = 1",
            "drop index x",
            "DROP SUBSCRIPTION x",
            "select 'DROP TABLE x'",
            "-- DROP TABLE x\nselect 1",
            "/* TRUNCATE x; */",
            "PRAGMA wal_checkpoint(TRUNCATE);",
            "select truncate(1.5, 0)",
            "alter table x drop column y",
            "",
        ] {
            assert!(found(text).is_empty(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "(DROP|TABLE|DELETE FROM|;|'|\"|--|/\\*|\\*/|é| |\n|x){0,12}") {
            for DestroyedByStatement { span, .. } in harms(&text) {
                prop_assert!(text.get(span.start..span.end).is_some());
            }
        }
    }
}
