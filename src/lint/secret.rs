//! RB302: secrets in a page: tokens of a known form, passwords in URLs and arguments, and what stands under a name that is a
//! secret's and looks random. Placeholders, variables and what everybody writes in examples are none.

use super::{FindingReport, LintPage};
use crate::record::{HIDDEN, Redactor, Secret, looks_secret};
use crate::source::{Diagnostic, Diagnostics, SHORTENED, Source, Span, beginning};
use std::sync::Arc;

/// Bytes of a value beyond which it is no secret, but data.
const LONGEST: usize = 2048;

/// A secret of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SecretFound {
    /// Where it stands in the file.
    pub span: Span,
    /// What it is, for the message.
    pub what: &'static str,
}

/// The secrets of a page, in order, without overlaps.
pub(super) fn find(page: &LintPage<'_>) -> Vec<SecretFound> {
    let mut found = in_text(&page.source.text);
    arguments(page, &mut found);
    found.sort_by_key(|secret| (secret.span.start, std::cmp::Reverse(secret.span.end)));
    found.dedup_by(|next, before| next.span.start < before.span.end);
    found
}

/// RB302: a secret that everybody can read who can read the page.
pub(super) fn check(page: &LintPage<'_>, report: &mut FindingReport<'_>) {
    for found in page.secrets() {
        let found = report.at(found.span, format!("{} stands in the text", found.what));
        found.help("take it as leaked and rotate it; write a variable or a placeholder here, and say where it is kept");
    }
}

/// Whatever a finding is about, neither its words nor the line that is shown with it may hold a secret of the page.
pub(super) fn hide(page: &LintPage<'_>, found: &mut Diagnostics) {
    let of_page = |finding: &&mut Diagnostic| Arc::ptr_eq(page.source, &finding.source);
    let mut findings = found.all.iter_mut().filter(of_page).peekable();
    if findings.peek().is_none() || page.secrets().is_empty() {
        return;
    }
    let blotted = blotted(page.source, page.secrets());
    let mut texts: Vec<&str> = page.secrets().iter().map(|secret| page.text(secret.span)).collect();
    texts.sort_unstable();
    let redactor = Redactor::new(texts.iter().map(|text| Secret::Declared(text.to_string())));
    for finding in findings {
        finding.source = blotted.clone();
        let shown = [Some(&mut finding.message), finding.label.as_mut(), finding.help.as_mut()];
        shown.into_iter().flatten().for_each(|text| *text = without_beginnings(&redactor.text(text), &texts));
    }
}

/// The text without what was left of secrets (in order) where it was shortened: `Xk29f…`.
fn without_beginnings(text: &str, secrets: &[&str]) -> String {
    const MARK: char = '…';
    let is_beginning = |part: &str| {
        let next = secrets.get(secrets.partition_point(|secret| *secret < part));
        part.len() >= 3 && next.is_some_and(|secret| secret.starts_with(part))
    };
    let pieces = text.split_inclusive(MARK).map(|piece| {
        let Some(before) = piece.strip_suffix(MARK) else { return piece.to_string() };
        // As much as is left of what was shortened, the longest part first.
        let mut starts: Vec<usize> = before.char_indices().rev().map(|(at, _)| at).take(SHORTENED).collect();
        starts.reverse();
        let left = starts.into_iter().find(|&at| before.get(at..).is_some_and(is_beginning));
        let hidden = left.map(|at| format!("{}{HIDDEN}{MARK}", before.get(..at).unwrap_or_default()));
        hidden.unwrap_or_else(|| piece.to_string())
    });
    pieces.collect()
}

/// The file with its secrets masked, byte for byte, so that no finding shows them.
pub(super) fn blotted(source: &Source, secrets: &[SecretFound]) -> Arc<Source> {
    let mut text = source.text.as_bytes().to_vec();
    for SecretFound { span, .. } in secrets {
        let secret = text.get_mut(span.start..span.end).into_iter().flatten();
        secret.filter(|byte| !matches!(**byte, b'\n' | b'\r')).for_each(|byte| *byte = b'*');
    }
    Source::new(&source.path, String::from_utf8_lossy(&text))
}

/// What is a secret by its form alone, or by the name before it.
fn in_text(text: &str) -> Vec<SecretFound> {
    let mut found = Vec::new();
    private_keys(text, &mut found);
    urls(text, &mut found);
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut before: &str = "";
    for word in text.split(|c: char| !is_word(c)).filter(|word| !word.is_empty()) {
        let trimmed = word.trim_end_matches('.');
        match token(trimmed) {
            Some(what) => found.push(SecretFound { span: Span::of_part(text, trimmed), what }),
            None => named(text, before, word, &mut found),
        }
        before = word;
    }
    found
}

/// Characters that follow at least, what a token is, and how it begins (as their issuers describe them).
const TOKENS: &str = include_str!("tokens.txt");

fn token(word: &str) -> Option<&'static str> {
    // None is shorter, and most words are.
    if word.len() < 20 {
        return None;
    }
    let aws = word.strip_prefix("AKIA").or_else(|| word.strip_prefix("ASIA"));
    if aws.is_some_and(|id| id.len() == 16 && id.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())) {
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
    TOKENS.lines().find_map(|line| {
        let (about, begins) = line.split_once(": ")?;
        let rest = begins.split(' ').find_map(|begin| word.strip_prefix(begin))?;
        let (least, what) = about.split_once(' ')?;
        (rest.len() >= least.parse().ok()? && looks_random(rest, 16)).then_some(what)
    })
}

/// What stands after a name: `DB_PASSWORD=…`, `password: "…"`, `Bearer …`, `PASSWORD '…'`.
fn named(text: &str, before: &str, name: &str, found: &mut Vec<SecretFound>) {
    // Nothing that is looked at here goes beyond the line.
    let rest = text.get(Span::of_part(text, name).end..).unwrap_or_default();
    let blank = rest.strip_prefix(' ');
    let authorizes = before.eq_ignore_ascii_case("authorization");
    match (name, blank) {
        ("Bearer" | "bearer", Some(rest)) => return value(text, rest, 16, "a credential", found),
        ("Basic", Some(rest)) if authorizes => return value(text, rest, 12, "a credential", found),
        _ => {}
    }
    // What stands between the name and the value: quotes of the name, `=` or `:`, blanks, a quote.
    let sign = rest.trim_start_matches(['"', '\'']).trim_start_matches([' ', '\t']);
    let tail = match sign.chars().next() {
        Some('=') => sign.trim_start_matches('=').trim_start_matches(' '),
        Some(':') => sign.get(1..).unwrap_or_default().trim_start_matches(' '),
        // SQL: `PASSWORD '…'`; a blank alone says nothing in prose.
        Some('\'') if name.eq_ignore_ascii_case("password") && blank.is_some() => sign,
        _ => return,
    };
    if let Some(least) = least(name) {
        value(text, tail, least, "a secret", found);
    }
}

/// How long what stands under a name is at least, where that is a secret. What only speaks of one (`secret-id`,
/// `KEY_FINGERPRINT`) is none, and the name of a secret is as often called `secret` as the secret itself.
fn least(name: &str) -> Option<usize> {
    let lower = name.trim_start_matches('-').to_lowercase();
    let about = phrases!("about a secret").iter().any(|word| lower.contains(word));
    let vague = ["key", "keys", "token", "tokens", "secret", "secrets"].contains(&lower.as_str());
    (!about && looks_secret(name)).then_some(if vague { 20 } else { 6 })
}

/// Whether a value is the id of a key, as GPG shows it: 8, 16 or 40 digits.
fn is_key_id(value: &str) -> bool {
    let digits = value.strip_prefix("0x").unwrap_or(value);
    matches!(digits.len(), 8 | 16 | 40) && digits.bytes().all(|c| c.is_ascii_digit() || (b'A'..=b'F').contains(&c))
}

/// The value with which the `rest` of a text begins, quotes taken away, when it looks random.
fn value(text: &str, rest: &str, least: usize, what: &'static str, found: &mut Vec<SecretFound>) {
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
    let rest = rest.get(usize::from(quote.is_some())..).unwrap_or_default();
    let ends = |c: char| match quote {
        Some(quote) => c == quote || c == '\n',
        None => c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ',' | ';' | ')' | '&' | '|' | '\\'),
    };
    // What is longer is none, so that names in a text of nothing but names cost no more than this each.
    let near = beginning(rest, LONGEST);
    let whole = near.split(ends).next().unwrap_or_default();
    let is_whole = whole.len() < near.len() || near.len() == rest.len();
    if is_whole && looks_random(whole, least) && !is_key_id(whole) {
        found.push(SecretFound { span: Span::of_part(text, whole), what });
    }
}

/// `-----BEGIN PRIVATE KEY-----` with something behind it.
fn private_keys(text: &str, found: &mut Vec<SecretFound>) {
    // Up to the next one, which is no part of it.
    for title in text.split("-----BEGIN ").skip(1) {
        let key = title.split_once("PRIVATE KEY-----").filter(|(title, _)| !title.contains('\n'));
        let Some((body, _)) = key.and_then(|(_, rest)| rest.split_once("-----END")) else { continue };
        let base64 = body.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')).count();
        if base64 >= 100 && !body.contains("...") && !body.contains(['<', '*', '…']) {
            found.push(SecretFound { span: Span::of_part(text, body.trim()), what: "a private key" });
        }
    }
}

/// `postgres://user:password@host`.
fn urls(text: &str, found: &mut Vec<SecretFound>) {
    for rest in text.split("://").skip(1) {
        let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '`' | ')' | '<');
        let Some((user, host)) = rest.split(ends).next().and_then(|part| part.rsplit_once('@')) else { continue };
        let Some((user, password)) = user.split_once(':') else { continue };
        let local = ["localhost", "127.", "0.0.0.0", "[::1]"].iter().any(|local| host.starts_with(local));
        if !local && user != password && looks_random(password, 6) {
            found.push(SecretFound { span: Span::of_part(text, password), what: "the password of a URL" });
        }
    }
    for rest in text.split("hooks.slack.com/services/").skip(1) {
        let path = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '/').next().unwrap_or_default();
        let last = path.rsplit('/').next().unwrap_or_default();
        if path.split('/').count() == 3 && last.len() >= 20 && looks_random(last, 20) {
            found.push(SecretFound { span: Span::of_part(text, path), what: "a webhook of Slack" });
        }
    }
}

/// Arguments that are a secret by the option before them: `mysql -pS3cr3t`, `curl -u user:pass`, `--token …`.
fn arguments(page: &LintPage<'_>, found: &mut Vec<SecretFound>) {
    for (command, call) in page.calls() {
        for (index, (&word, place)) in call.words.iter().zip(&call.places).enumerate().skip(1) {
            let before = call.words.get(index - 1).copied().unwrap_or_default();
            // With how long it is at least.
            let secret = match (call.program(), before) {
                ("mysql" | "mysqldump" | "mysqladmin" | "mariadb", _) if word.starts_with("-p") => {
                    word.get(2..).map(|password| (6, password))
                }
                ("redis-cli" | "valkey-cli", "-a") | ("sshpass", "-p") => Some((6, word)),
                ("curl" | "wget", "-u" | "--user") => word.split_once(':').map(|(_, password)| (6, password)),
                (_, option) if option.starts_with("--") && !option.contains('=') => {
                    least(option).map(|least| (least, word))
                }
                _ => None,
            };
            let secret = secret.filter(|(least, secret)| looks_random(secret, *least) && !is_key_id(secret));
            let Some((_, secret)) = secret else { continue };
            if let Some(at) = place.of(&command.command.text).rfind(secret) {
                let span = Span::new(place.start + at, place.start + at + secret.len());
                found.push(SecretFound { span: command.place(span), what: "a password" });
            }
        }
    }
}

/// Whether a value stands for a secret and is none: `<password>`, `$PASSWORD`, `***`, `changeme`.
fn is_placeholder(value: &str) -> bool {
    let lower = value.to_lowercase();
    let mut chars = value.chars();
    let first = chars.next();
    value.contains(['$', '<', '>', '{', '}', '*', '…', '[', '%', '(']) && !value.contains(char::is_whitespace)
        || first.is_none_or(|first| chars.all(|c| c == first))
        || phrases!("example values").iter().any(|example| lower.contains(example))
}

/// Whether a value of at least so many characters looks random: letters and digits in one part of it, and more variety
/// than words have. Paths, URLs, dates, versions, names of files and of things with a number are none.
fn looks_random(value: &str, least: usize) -> bool {
    let size = value.chars().count();
    if size < least || size > 512 || is_placeholder(value) || value.contains(char::is_whitespace) {
        return false;
    }
    let is_path = value.starts_with(['/', '.', '~', '-', '@']) || value.contains("://") || value.starts_with("arn:");
    let is_extension = |end: &str| (2..=5).contains(&end.len()) && end.bytes().all(|c| c.is_ascii_lowercase());
    let is_file = value.rsplit_once('.').is_some_and(|(_, end)| is_extension(end));
    // `projects/shop/secrets/db-01`.
    let is_name = value.matches('/').count() >= 2 && value.bytes().all(|c| !c.is_ascii_uppercase());
    if is_path || is_file || is_name {
        return false;
    }
    let mixed = value.split(['-', '_', '.', '/', ':']).any(is_mixed);
    let many = entropy(value) >= if size < 16 { 2.5 } else { 3.0 };
    mixed && many
}

/// Letters and digits among each other; not `db01`, `v2`, `sha256`, `10m`, `2024Q1`.
fn is_mixed(part: &str) -> bool {
    let letters = part.chars().filter(|c| c.is_alphabetic()).count();
    let digits = part.chars().filter(char::is_ascii_digit).count();
    if letters == 0 || digits == 0 || letters + digits < 5 {
        return false;
    }
    let trailing = part.trim_end_matches(|c: char| c.is_ascii_digit());
    let leading = part.trim_start_matches(|c: char| c.is_ascii_digit());
    let word = |rest: &str, width: usize| {
        width <= 3 && rest.chars().all(char::is_alphabetic) && !rest.chars().skip(1).any(char::is_uppercase)
    };
    !word(trailing, part.len() - trailing.len()) && !word(leading, part.len() - leading.len())
}

/// Shannon's entropy, in bits for each character.
fn entropy(value: &str) -> f64 {
    let mut counts = std::collections::HashMap::<char, u32>::new();
    for c in value.chars() {
        *counts.entry(c).or_default() += 1;
    }
    let total = f64::from(counts.values().sum::<u32>().max(1));
    counts.values().map(|&count| f64::from(count) / total).map(|share| -share * share.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Put together here, so that no scanner finds them in this file.
    fn text(parts: &[&str]) -> String {
        format!("# T\n\n```bash\n{}\n```\n", parts.concat())
    }

    cases! {
        rb302,
        bad: [
            &text(&["export AWS_ACCESS_KEY_ID=", "AKIA", "Q7RK2MZP0LWXV93T"]) => [(4, 26)],
            &text(&["gh auth login --with-token ", "gh", "p_q7Rk2mZp0LwXv93tBn5cYdE8sHj1uA4fG6oK"]) => [(4, 28)],
            &text(&["curl -d x https://hooks.slack.com/services/", "T0AB1CD2E/B0FG3HI4J/q7Rk2mZp0LwXv93tBn5cYdE8"]) => [(4, 44)],
            &text(&["psql postgres://shop:", "q7Rk2mZp@db.shop.io/shop"]) => [(4, 22)],
            &text(&["mysql -u root -p", "q7Rk2mZp shop"]) => [(4, 17)],
            &text(&["curl -u admin:", "q7Rk2mZp http://x"]) => [(4, 15)],
            &text(&["redis-cli -a ", "q7Rk2mZp ping"]) => [(4, 14)],
            &text(&["tool --api-key ", "q7Rk2mZp0LwX"]) => [(4, 16)],
            &text(&["x='", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.q7Rk2mZp0LwXv93tBn5cYdE8", "'"]) => [(4, 4)],
            "# T\n\nThe password: `see vault`, DB_PASSWORD=q7Rk2mZp.\n" => [(3, 40)],
            "# T\n\n```yaml\napi_key: \"q7Rk2mZp0LwX\"\n```\n" => [(4, 11)],
            "# T\n\n```sql\nALTER ROLE shop PASSWORD 'q7Rk2mZp';\n```\n" => [(4, 27)],
            &format!("# T\n\n```\n-----BEGIN RSA {}\n{}\n-----END RSA PRIVATE KEY-----\n```\n", "PRIVATE KEY-----", "q7Rk2mZp0L".repeat(12)) => [(5, 1)],
        ],
        good: [
            &text(&["export DB_PASSWORD=<password> TOKEN=$TOKEN API_KEY=${KEY} SECRET=changeme"]),
            &text(&["psql postgres://shop:q7Rk2mZp@localhost/shop postgres://user:password@db/x postgres://u:$PASS@db/x"]),
            &text(&["mysql -u root -p shop", "\ncurl -u admin:admin http://x"]),
            &text(&["kubectl get secret shop-db01-credentials-v2 -o jsonpath='{.data.password}'"]),
            &text(&["aws secretsmanager get-secret-value --secret-id prod/shop/db-2024a1b2"]),
            &text(&["AWS_ACCESS_KEY_ID=AKIAIOSFODNN7", "EXAMPLE"]),
            &text(&["curl -H \"Authorization: Bearer $(cat token)\" -H 'Authorization: Bearer your-token-a1b2c3d4e5'"]),
            &text(&["gpg --keyserver keys.openpgp.org --recv-key 3AA5C34371567BD2", "\nKEY=0x3AA5C34371567BD2 GPG_KEY=B42F6819007F00F88E364FD4036A9C25BF357DD4"]),
            &text(&["aws kms sign --key-id 1a2b3c4d5e6f7a8b9c0d1e2f --secret shop-db-x7kd2p9q1"]),
            "# T\n\n```yaml\nsecret: billing-db-8f3k2x\nsecretId: q7Rk2mZp0LwX\n```\n",
            "# T\n\nSecrets match `ghp_[A-Za-z0-9]{36}`; keys begin with `sk_live_...`.\n",
            "# T\n\n```yaml\npassword_file: /run/secrets/db1pass2\ntoken_ttl: 3600s1x\n```\n",
            "# T\n\n```\n-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n```\n",
        ],
    }

    #[test]
    fn no_finding_of_any_rule_shows_a_secret() {
        let secret = "q7Rk2mZp0LwX";
        let page = format!(
            "# T\n\n## Fix\n\n```bash\nrm -rf /var/lib/x --password={secret}; redis-cli -a {secret} FLUSHALL\n```\n"
        );
        let found = crate::lint::cases::lint(&page);
        assert!(found.all.iter().filter(|finding| finding.code == Some("RB301")).count() == 2);
        assert!(!format!("{found:?}").contains(secret), "{found:?}");
        assert!(!crate::source::render(&found, false).contains(secret));
    }

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

    #[test]
    fn random_and_not() {
        for value in ["Tr0ub4dor&3", "9f8c2ab17e", "Summer2024!", "q7Rk2mZp0LwX", "wJalrXUtnFEMI/K7MDENG/bPxRfiCY"] {
            assert!(looks_random(value, 6), "{value}");
        }
        for value in [
            "password", "changeme", "changeme123", "<pass>", "$PASS", "${PASS}", "***", "xxxxxxxx",
            "your-token-a1b2c3", "/etc/pass1word2", "db-credentials-v2", "shop-db01", "30s", "2024-01-31",
            "aragora-secret-prod", "a1b2", "https://a/b1c2d3", "server1.crt", "new-strong-password",
            "AKIAIOSFODNN7EXAMPLE", "10m", "required", "sha256",
        ] {
            assert!(!looks_random(value, 6), "{value}");
        }
        assert!((entropy("aabb") - 1.0).abs() < 1e-9);
    }
}
