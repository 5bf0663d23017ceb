//! The ways in which one secret is spelt in output: as it is, and as base64, URLs, JSON, XML, SQL and shells write it.

use super::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::percent_decode_str;
use std::collections::BTreeSet;

/// Shortest line of wrapped base64 that is hidden by itself.
const SHORTEST_WRAPPED: usize = 16;
/// A longer value, in bytes, is no password but a bundle: it and its lines are hidden as they stand. In every spelling it would take hundreds of
/// times its size.
const LONGEST_SPELT: usize = 256 << 10;

/// Every spelling of a secret that is long enough to be hidden; none for a secret that is too short itself.
pub fn spellings(secret: &Secret) -> BTreeSet<String> {
    let (secret, shortest, declared) = (secret.value(), secret.shortest(), matches!(secret, Secret::Declared(_)));
    // A secret in a file ends with a newline that is no part of it.
    let trimmed = secret.trim();
    let is_shown = |text: &str| text.chars().count() < shortest || is_mask(text, declared);
    let mut found = BTreeSet::new();
    if is_shown(trimmed) {
        return found;
    }
    let mut values = vec![trimmed.to_owned()];
    values.extend(decoded(trimmed));
    let lines = trimmed.lines().map(str::trim);
    if trimmed.contains('\n') {
        // Output shows it line by line. The first and last line of a PEM file are no secret.
        let secret_lines = lines.filter(|line| !line.starts_with("-----") && line.chars().count() >= shortest);
        values.extend(secret_lines.map(str::to_owned));
        values.push(trimmed.replace('\n', "\r\n"));
    }
    if secret.len() > LONGEST_SPELT {
        return values.into_iter().filter(|value| !is_shown(value)).collect();
    }
    if secret != trimmed {
        base64(secret, &mut found);
    }
    for value in values {
        base64(&value, &mut found);
        percent(&value, &mut found);
        json(&value, &mut found);
        shell(&value, &mut found);
        found.insert(value.replace('\'', "''"));
        found.insert(value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"));
        // As Compose prints it.
        found.insert(value.replace('$', "$$"));
        found.insert(value);
    }
    found.retain(|spelling| !is_shown(spelling));
    found
}

/// `******` is what others have put in the place of a secret, and so is `xxxxxx`, unless somebody says that it is one.
fn is_mask(text: &str, declared: bool) -> bool {
    text.chars().all(|c| c == '*' || !declared && matches!(c, '•' | 'x' | 'X'))
}

/// The same without percent encoding: a password in a URL is decoded before it is used.
fn decoded(value: &str) -> Option<String> {
    let decoded = percent_decode_str(value).decode_utf8().ok()?;
    (decoded != value).then(|| decoded.into_owned())
}

/// Whole, in lines as `base64` and PEM wrap it, and inside of something longer (`user:password`): there, three
/// alignments are possible, and the characters that hold bits of the neighbours are not known.
fn base64(value: &str, found: &mut BTreeSet<String>) {
    for alphabet in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        let whole = alphabet.encode(value);
        let padding = "=".repeat((4 - whole.len() % 4) % 4);
        for width in [76, 64] {
            let padded = format!("{whole}{padding}");
            let lines: Vec<&str> =
                padded.as_bytes().chunks(width).filter_map(|line| std::str::from_utf8(line).ok()).collect();
            if lines.len() > 1 {
                found.extend(lines.into_iter().filter(|line| line.len() >= SHORTEST_WRAPPED).map(str::to_owned));
            }
        }
        found.insert(format!("{whole}{padding}"));
        found.insert(whole);
        for before in 0..3_usize {
            let mut bytes = vec![0; before];
            bytes.extend_from_slice(value.as_bytes());
            let text = alphabet.encode(&bytes);
            let skip = (before * 8).div_ceil(6);
            found.extend(text.get(skip..bytes.len() * 8 / 6).map(str::to_owned));
        }
    }
}

/// Percent encoding (RFC 3986, section 2.1), with the sets of characters that are in use: unreserved ones only, those
/// that `encodeURIComponent` leaves, paths, and forms, where a space is `+`.
fn percent(value: &str, found: &mut BTreeSet<String>) {
    for kept in ["-._~", "-._~!'()*", "-._~/", "-._~!$&'()*+,;=:@/"] {
        for (upper, plus) in [(true, false), (false, false), (true, true), (false, true)] {
            let spelt = |byte: u8| match char::from(byte) {
                c if c.is_ascii_alphanumeric() || kept.contains(c) => c.to_string(),
                ' ' if plus => "+".to_string(),
                _ if upper => format!("%{byte:02X}"),
                _ => format!("%{byte:02x}"),
            };
            found.insert(value.bytes().map(spelt).collect());
        }
    }
}

/// JSON strings (RFC 8259, section 7): with only what must be escaped, as encoders for HTML (Go) and for ASCII (Python)
/// write them, with escaped slashes (PHP), and JSON inside of JSON, as log shippers write it.
fn json(value: &str, found: &mut BTreeSet<String>) {
    let inside = |text: &str| {
        let quoted = serde_json::to_string(text).unwrap_or_default();
        quoted.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or_default().to_owned()
    };
    let plain = inside(value);
    let html = plain.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    let slashes = plain.replace('/', "\\/");
    let ascii = |text: &str, upper: bool| -> String {
        let spelt = |unit: u16| match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
            _ if upper => format!("\\u{unit:04X}"),
            _ => format!("\\u{unit:04x}"),
        };
        text.encode_utf16().map(spelt).collect()
    };
    for text in [&plain, &html, &slashes] {
        for spelling in [text.clone(), ascii(text, false), ascii(text, true)] {
            found.insert(inside(&spelling));
            found.insert(spelling);
        }
    }
}

/// Inside single and double quotes, with backslashes (`printf %q`), and in `$'…'`, as bash prints it.
fn shell(value: &str, found: &mut BTreeSet<String>) {
    let escaped = |special: &dyn Fn(char) -> bool| -> String {
        value.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
    };
    found.insert(value.replace('\'', "'\\''"));
    found.insert(value.replace('\'', "'\"'\"'"));
    found.insert(escaped(&|c| matches!(c, '"' | '\\' | '$' | '`')));
    found.insert(escaped(&|c| matches!(c, '"' | '\\' | '$' | '`' | '!')));
    // bash's `sh_backslash_quote`.
    found.insert(escaped(&|c| " \t!\"$&'()*,;<>?[\\]^`{|}".contains(c)));
    let ansi = escaped(&|c| matches!(c, '\'' | '\\'));
    found.insert(ansi.replace('\n', "\\n").replace('\t', "\\t").replace('\r', "\\r").replace('\u{1b}', "\\E"));
}
