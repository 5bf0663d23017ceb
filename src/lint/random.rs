//! Whether a text looks like what a machine made, or like what a person wrote in its place.

/// Parts of texts that stand for a secret in examples.
const EXAMPLES: &[&str] = &[
    "example", "changeme", "change-me", "change_me", "placeholder", "your", "redacted", "dummy", "sample", "xxx",
    "fake", "insert", "replace", "1234", "abcd", "abc123", "deadbeef", "foobar", "hunter2", "passw0rd", "p@ssw0rd",
    "s3cr3t", "...",
];

/// Whether a value stands for a secret and is none: `<password>`, `$PASSWORD`, `***`, `changeme`.
pub(super) fn is_placeholder(value: &str) -> bool {
    let lower = value.to_lowercase();
    let mut chars = value.chars();
    let first = chars.next();
    value.contains(['$', '<', '>', '{', '}', '*', '…', '[', '%', '(']) && !value.contains(char::is_whitespace)
        || first.is_none_or(|first| chars.all(|c| c == first))
        || EXAMPLES.iter().any(|example| lower.contains(example))
}

/// Whether a value of at least so many characters looks random: letters and digits in one part of it, and more variety
/// than words have. Paths, URLs, dates, versions, names of files and of things with a number are none.
pub(super) fn looks_random(value: &str, least: usize) -> bool {
    let size = value.chars().count();
    if size < least || size > 512 || is_placeholder(value) || value.contains(char::is_whitespace) {
        return false;
    }
    let is_path = value.starts_with(['/', '.', '~', '-', '@']) || value.contains("://") || value.starts_with("arn:");
    let is_file = value
        .rsplit_once('.')
        .is_some_and(|(_, end)| (2..=5).contains(&end.len()) && end.bytes().all(|c| c.is_ascii_lowercase()));
    // `projects/shop/secrets/db-01`.
    let is_name = value.matches('/').count() >= 2 && value.bytes().all(|c| !c.is_ascii_uppercase());
    if is_path || is_file || is_name {
        return false;
    }
    let parts = value.split(['-', '_', '.', '/', ':']);
    let mixed = parts.clone().any(is_mixed);
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
