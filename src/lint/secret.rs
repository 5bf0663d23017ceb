//! Secrets in a page: tokens of a known form, passwords in URLs and arguments, and what stands under a name that is a
//! secret's and looks random. Placeholders, variables and what everybody writes in examples are none.

use super::Page;
use super::random::{is_placeholder, looks_random};
use crate::record::looks_secret;
use crate::source::{Source, Span, beginning};
use std::sync::Arc;

/// Bytes of a value beyond which it is no secret, but data.
const LONGEST: usize = 2048;

/// A secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Secret {
    /// Where it stands in the file.
    pub span: Span,
    /// What it is, for the message.
    pub what: &'static str,
}

/// The secrets of a page, in order, without overlaps.
pub(super) fn find(page: &Page<'_>) -> Vec<Secret> {
    let mut found = in_text(&page.source.text);
    arguments(page, &mut found);
    found.sort_by_key(|secret| (secret.span.start, std::cmp::Reverse(secret.span.end)));
    found.dedup_by(|next, before| next.span.start < before.span.end);
    found
}

/// The same file with its secrets blotted out, byte for byte, so that no finding shows them.
pub(super) fn blotted(source: &Source, secrets: &[Secret]) -> Arc<Source> {
    let mut text = String::with_capacity(source.text.len());
    let mut at = 0;
    for Secret { span, .. } in secrets {
        text.push_str(source.text.get(at..span.start).unwrap_or_default());
        for c in source.text.get(span.start..span.end).unwrap_or_default().chars() {
            match c {
                '\n' | '\r' => text.push(c),
                c => text.extend(std::iter::repeat_n('*', c.len_utf8())),
            }
        }
        at = span.end;
    }
    text.push_str(source.text.get(at..).unwrap_or_default());
    Source::new(&source.path, text)
}

/// What is a secret by its form alone, or by the name before it.
fn in_text(text: &str) -> Vec<Secret> {
    let mut found = Vec::new();
    private_keys(text, &mut found);
    urls(text, &mut found);
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut start = None;
    let ends = text.char_indices().chain([(text.len(), ' ')]);
    let mut before: &str = "";
    for (at, c) in ends {
        match (start, is_word(c)) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                let word = text.get(from..at).unwrap_or_default();
                let trimmed = word.trim_end_matches('.');
                if let Some(what) = token(trimmed) {
                    found.push(Secret { span: Span::new(from, from + trimmed.len()), what });
                } else {
                    named(text, before, word, at, &mut found);
                }
                before = word;
                start = None;
            }
            _ => {}
        }
    }
    found
}

/// Prefix, characters that must follow at least, and whose token it is (as its issuer describes it).
const TOKENS: &[(&str, usize, &str)] = &[
    ("ghp_", 36, "a token of GitHub"),
    ("gho_", 36, "a token of GitHub"),
    ("ghu_", 36, "a token of GitHub"),
    ("ghs_", 36, "a token of GitHub"),
    ("ghr_", 36, "a token of GitHub"),
    ("github_pat_", 50, "a token of GitHub"),
    ("glpat-", 20, "a token of GitLab"),
    ("xoxb-", 20, "a token of Slack"),
    ("xoxp-", 20, "a token of Slack"),
    ("xoxa-", 20, "a token of Slack"),
    ("xoxr-", 20, "a token of Slack"),
    ("xoxs-", 20, "a token of Slack"),
    ("xapp-", 20, "a token of Slack"),
    ("sk_live_", 20, "a key of Stripe"),
    ("rk_live_", 20, "a key of Stripe"),
    ("sk-ant-", 40, "a key of Anthropic"),
    ("sk-proj-", 40, "a key of OpenAI"),
    ("AIza", 35, "a key of Google"),
    ("ya29.", 30, "a token of Google"),
    ("npm_", 36, "a token of npm"),
    ("pypi-", 60, "a token of PyPI"),
    ("SG.", 50, "a key of SendGrid"),
    ("dop_v1_", 64, "a token of DigitalOcean"),
    ("hvs.", 24, "a token of Vault"),
    ("dckr_pat_", 20, "a token of Docker Hub"),
    ("glsa_", 32, "a token of Grafana"),
    ("PMAK-", 40, "a key of Postman"),
    ("shpat_", 32, "a token of Shopify"),
];

fn token(word: &str) -> Option<&'static str> {
    if let [kind, rest @ ..] = word.as_bytes().chunks(4).collect::<Vec<_>>().as_slice()
        && matches!(*kind, b"AKIA" | b"ASIA")
        && word.len() == 20
        && rest.iter().flat_map(|part| part.iter()).all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
    {
        return (!is_placeholder(word)).then_some("the id of an access key of AWS");
    }
    if let [head, body, signature] = word.split('.').collect::<Vec<_>>().as_slice()
        && head.starts_with("eyJ")
        && body.starts_with("eyJ")
        && signature.len() >= 20
    {
        // The one of jwt.io stands in every tutorial.
        return (!signature.starts_with("SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV")).then_some("a JSON Web Token");
    }
    let (prefix, _, what) =
        TOKENS.iter().find(|(prefix, least, _)| word.strip_prefix(prefix).is_some_and(|rest| rest.len() >= *least))?;
    let rest = word.strip_prefix(prefix)?;
    (looks_random(rest, 16)).then_some(what)
}

/// What stands after a name: `DB_PASSWORD=…`, `password: "…"`, `Bearer …`, `PASSWORD '…'`. `end` is where the name ends.
fn named(text: &str, before: &str, name: &str, end: usize, found: &mut Vec<Secret>) {
    // Nothing that is looked at here goes beyond the line.
    let rest = text.get(end..).unwrap_or_default();
    let scheme = matches!(name, "Bearer" | "bearer" | "Basic") && rest.starts_with(' ');
    if scheme {
        let least = if name == "Basic" { 12 } else { 16 };
        if name != "Basic" || before.eq_ignore_ascii_case("authorization") {
            value(text, end + 1, least, "a credential", found);
        }
        return;
    }
    // What stands between the name and the value: quotes of the name, `=` or `:`, blanks, a quote.
    let after = rest.trim_start_matches(['"', '\'']);
    let sign = after.trim_start_matches([' ', '\t']);
    let quoted_next = |sign: &str| sign.starts_with(['"', '\'']);
    let tail = match sign.chars().next() {
        Some('=') => sign.trim_start_matches('=').trim_start_matches(' '),
        Some(':') => sign.get(1..).unwrap_or_default().trim_start_matches(' '),
        // SQL: `PASSWORD '…'`; a blank alone says nothing in prose.
        Some('\'') if name.eq_ignore_ascii_case("password") && rest.starts_with(' ') && quoted_next(sign) => sign,
        _ => return,
    };
    let at = end + (rest.len() - tail.len());
    if let Some(least) = least(name) {
        value(text, at, least, "a secret", found);
    }
}

/// How long what stands under a name is at least, where that is a secret. What only speaks of one (`secret-id`,
/// `KEY_FINGERPRINT`) is none, and the name of a secret is as often called `secret` as the secret itself.
fn least(name: &str) -> Option<usize> {
    const ABOUT: &[&str] = &[
        "hash", "checksum", "fingerprint", "digest", "sha", "version", "name", "ref", "count", "file", "path", "arn",
        "gpg", "public", "server", "signing",
    ];
    let lower = name.trim_start_matches('-').to_lowercase();
    let about = ABOUT.iter().any(|word| lower.contains(word));
    let vague = ["key", "keys", "token", "tokens", "secret", "secrets"].contains(&lower.as_str());
    (!about && looks_secret(name)).then_some(if vague { 20 } else { 6 })
}

/// Whether a value is the id of a key, as GPG shows it: 8, 16 or 40 digits.
fn is_key_id(value: &str) -> bool {
    let digits = value.strip_prefix("0x").unwrap_or(value);
    matches!(digits.len(), 8 | 16 | 40) && digits.bytes().all(|c| c.is_ascii_digit() || (b'A'..=b'F').contains(&c))
}

/// The value that begins at a place, quotes taken away, when it looks random.
fn value(text: &str, at: usize, least: usize, what: &'static str, found: &mut Vec<Secret>) {
    let rest = text.get(at..).unwrap_or_default();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
    let start = at + usize::from(quote.is_some());
    let rest = text.get(start..).unwrap_or_default();
    let ends = |c: char| match quote {
        Some(quote) => c == quote || c == '\n',
        None => c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ',' | ';' | ')' | '&' | '|' | '\\'),
    };
    // What is longer is none, so that names in a text of nothing but names cost no more than this each.
    let near = beginning(rest, LONGEST);
    let length = near.find(ends).unwrap_or(near.len());
    let whole = rest.get(..length).filter(|_| length < near.len() || near.len() == rest.len()).unwrap_or_default();
    if looks_random(whole, least) && !is_key_id(whole) {
        found.push(Secret { span: Span::new(start, start + length), what });
    }
}

/// `-----BEGIN PRIVATE KEY-----` with something behind it.
fn private_keys(text: &str, found: &mut Vec<Secret>) {
    const END: &str = "PRIVATE KEY-----";
    const BEGIN: &str = "-----BEGIN ";
    let begins: Vec<usize> = text.match_indices(BEGIN).map(|(at, _)| at).collect();
    for (index, &at) in begins.iter().enumerate() {
        // Up to the next one, which is no part of it.
        let rest = text.get(at..begins.get(index + 1).copied().unwrap_or(text.len())).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        let Some(title) = line.find(END).map(|end| end + END.len()) else { continue };
        let body = rest.get(title..).unwrap_or_default();
        let body = body.get(..body.find("-----END").unwrap_or(0)).unwrap_or_default();
        let base64 = body.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')).count();
        if base64 >= 100 && !body.contains("...") && !body.contains(['<', '*', '…']) {
            let lead = body.len() - body.trim_start().len();
            let start = at + title + lead;
            found.push(Secret { span: Span::new(start, start + body.trim().len()), what: "a private key" });
        }
    }
}

/// `postgres://user:password@host`.
fn urls(text: &str, found: &mut Vec<Secret>) {
    for (at, _) in text.match_indices("://") {
        let rest = text.get(at + 3..).unwrap_or_default();
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '`' | ')' | '<'));
        let authority = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        let Some((user, host)) = authority.rsplit_once('@') else { continue };
        let Some((user, password)) = user.split_once(':') else { continue };
        let local = ["localhost", "127.", "0.0.0.0", "[::1]"].iter().any(|local| host.starts_with(local));
        if !local && user != password && looks_random(password, 6) {
            let start = at + 3 + user.len() + 1;
            let span = Span::new(start, start + password.len());
            found.push(Secret { span, what: "the password of a URL" });
        }
    }
    const SLACK: &str = "hooks.slack.com/services/";
    for (at, _) in text.match_indices(SLACK) {
        let start = at + SLACK.len();
        let rest = text.get(start..).unwrap_or_default();
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '/').unwrap_or(rest.len());
        let path = rest.get(..length).unwrap_or_default();
        let last = path.rsplit('/').next().unwrap_or_default();
        if path.split('/').count() == 3 && last.len() >= 20 && looks_random(last, 20) {
            found.push(Secret { span: Span::new(start, start + length), what: "a webhook of Slack" });
        }
    }
}

/// Arguments that are a secret by the option before them: `mysql -pS3cr3t`, `curl -u user:pass`, `--token …`.
fn arguments(page: &Page<'_>, found: &mut Vec<Secret>) {
    for command in page.commands() {
        for call in command.calls() {
            let program = call.words.first().and_then(|word| word.rsplit('/').next()).unwrap_or_default();
            for (index, (word, place)) in call.words.iter().zip(&call.places).enumerate().skip(1) {
                let before = call.words.get(index - 1).copied().unwrap_or_default();
                let mut wanted = 6;
                let secret = match (program, before) {
                    ("mysql" | "mysqldump" | "mysqladmin" | "mariadb", _) if word.starts_with("-p") => word.get(2..),
                    ("redis-cli" | "valkey-cli", "-a") | ("sshpass", "-p") => Some(*word),
                    ("curl" | "wget", "-u" | "--user") => word.split_once(':').map(|(_, password)| password),
                    (_, option) if option.starts_with("--") && !option.contains('=') => least(option).map(|least| {
                        wanted = least;
                        *word
                    }),
                    _ => None,
                };
                let Some(secret) = secret.filter(|secret| looks_random(secret, wanted) && !is_key_id(secret)) else {
                    continue;
                };
                let text = command.command.text.get(place.start..place.end).unwrap_or_default();
                if let Some(at) = text.rfind(secret) {
                    let span = Span::new(place.start + at, place.start + at + secret.len());
                    found.push(Secret { span: command.place(span), what: "a password" });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_blotted_out_keeps_its_place() {
        let source = Source::new("a.md", "a DB_PASSWORD=Tr0ub4dör&x b");
        let secrets = in_text(&source.text);
        let blotted = blotted(&source, &secrets);
        assert_eq!(blotted.text.len(), source.text.len());
        assert!(!blotted.text.contains("Tr0ub4d"), "{}", blotted.text);
    }

    proptest! {
        #[test]
        fn any_text_can_be_searched(text in "(password|=|: |\"|'|://|@|AKIA|eyJ|-----BEGIN |PRIVATE KEY-----|-----END|Bearer |é|\n|[a-zA-Z0-9]{1,9}){0,12}") {
            let source = Source::new("a.md", text.clone());
            let mut secrets = in_text(&text);
            secrets.sort_by_key(|secret| secret.span.start);
            secrets.dedup_by(|next, before| next.span.start < before.span.end);
            prop_assert_eq!(blotted(&source, &secrets).text.len(), text.len());
        }
    }
}
