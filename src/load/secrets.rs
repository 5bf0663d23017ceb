//! What a load sends that must never reach a record: credentials in headers, in the query and in the body.

use super::LoadSpec;
use crate::record::{looks_secret, url_password};
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use serde_json::Value;

/// Headers whose whole purpose is a credential, whatever their value looks like.
const CREDENTIALS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "x-auth"];
/// A cookie's value of at least so many characters is taken for a session and not for a setting.
const SESSION: usize = 16;

/// Reads base64 without padding, whatever the bits are that no byte needs.
const LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, NO_PAD.with_decode_allow_trailing_bits(true));

impl LoadSpec {
    /// Values that must never be shown: credentials in headers (whole, without their scheme, and the password inside of
    /// `Basic`), and what stands under a name that looks like a secret's in the query, in a cookie and in the body.
    pub fn secrets(&self) -> Vec<String> {
        let mut found: Vec<String> = self.requests().iter().flat_map(|(request, ..)| request.own_secrets()).collect();
        found.sort();
        found.dedup();
        found
    }

    /// Those of its first request.
    fn own_secrets(&self) -> Vec<String> {
        let mut found = url_secrets(&self.url);
        for (name, value) in &self.headers {
            let lower = name.to_ascii_lowercase();
            if CREDENTIALS.contains(&lower.as_str()) || looks_secret(name) {
                credential(&lower, value, &mut found);
            }
            found.extend(url_password(value).map(str::to_string));
        }
        if let Some(body) = &self.body {
            match serde_json::from_str(body) {
                Ok(json) => below(&json, &mut found),
                Err(_) => pairs(body, '&', &mut found),
            }
        }
        // What is filled in differs from request to request: what the target sees again are the texts around it.
        let around: Vec<String> =
            found.iter().filter(|value| value.contains("{{")).flat_map(|value| texts(value)).collect();
        found.extend(around);
        found.retain(|value| !value.is_empty());
        found
    }
}

/// Secrets in the query of a URL, by the names of its parameters.
pub fn url_secrets(url: &str) -> Vec<String> {
    let mut found = Vec::new();
    pairs(url.split_once('?').map_or("", |(_, query)| query), '&', &mut found);
    found
}

/// The value of a header that is a credential.
fn credential(lower: &str, value: &str, found: &mut Vec<String>) {
    found.push(value.to_string());
    if lower == "cookie" {
        pairs(value, ';', found);
        let long = value.split(';').filter_map(|pair| pair.split_once('=')).map(|(_, value)| value.trim());
        found.extend(long.filter(|value| value.chars().count() >= SESSION).map(str::to_string));
        return;
    }
    // RFC 9110, section 11.4: a scheme, and after it the credential.
    let Some((scheme, rest)) = value.trim().split_once(' ') else { return };
    let rest = rest.trim();
    found.push(rest.to_string());
    if scheme.eq_ignore_ascii_case("basic")
        && let Some((_, password)) = unbase64(rest).as_deref().and_then(|pair| pair.split_once(':'))
    {
        found.push(password.to_string());
    }
}

/// Values under names that look like a secret's, in `a=b&c=d`.
fn pairs(text: &str, separator: char, found: &mut Vec<String>) {
    let pairs = text.split(separator).filter_map(|pair| pair.split_once('='));
    found.extend(pairs.filter(|(name, _)| looks_secret(name.trim())).map(|(_, value)| value.trim().to_string()));
}

/// Texts under names that look like a secret's, anywhere in a JSON body.
fn below(json: &Value, found: &mut Vec<String>) {
    match json {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if looks_secret(name) => found.push(text.clone()),
                    Value::String(text) => found.extend(url_password(text).map(str::to_string)),
                    other => below(other, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| below(value, found)),
        _ => {}
    }
}

/// The texts around the placeholders.
fn texts(value: &str) -> Vec<String> {
    let pieces = value.split("{{").flat_map(|piece| piece.split_once("}}").map_or(piece, |(_, after)| after).lines());
    pieces.map(str::to_string).collect()
}

/// Base64 of UTF-8 text (RFC 4648, sections 4 and 5), also of one with a character too many; `None` when it is something else.
fn unbase64(text: &str) -> Option<String> {
    let mut text = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
    if text.len() % 4 == 1 {
        text.pop();
    }
    let bytes = LENIENT.decode(text.trim_end_matches('=')).ok()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn load(url: &str, headers: &[(&str, &str)], body: Option<&str>) -> LoadSpec {
        let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        LoadSpec { headers, body: body.map(str::to_string), ..LoadSpec::sample(url) }
    }

    #[test]
    fn every_kind_of_credential_is_found_and_nothing_else() {
        let headers = [
            ("Authorization", "Bearer abc.def"),
            ("proxy-authorization", "Basic c2hvcDpodW50ZXIyMg=="),
            ("Cookie", "theme=dark; session=0123456789abcdef; csrf_token=short1"),
            ("X-Api-Key", "k-{{counter}}-tail"),
            ("Content-Type", "application/json"),
            ("X-Request-Id", "{{id}}"),
        ];
        let body = r#"{"user":"shop","login":[{"password":"in-the-body"}],"dsn_of":"postgres://u:in-a-url@db/x"}"#;
        let found = load("http://x/a?page=2&api_key=in-the-query&id={{id}}", &headers, Some(body)).secrets();
        insta::assert_snapshot!(found.join("\n"));
        let one_too_many = load("http://x/", &[("Authorization", "Basic c2hvcDpodW50ZXIyA")], None);
        assert!(one_too_many.secrets().contains(&"hunter2".to_string()));
        assert_eq!(load("http://x/?q=token", &[("Accept", "a b")], Some("x=1&y=2")).secrets(), Vec::<String>::new());
        assert_eq!(load("http://x/", &[], Some("user=shop&password=in-a-form")).secrets(), ["in-a-form"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(value in ".{0,40}", body in ".{0,40}") {
            let _ = load(&value, &[("Authorization", value.as_str()), ("Cookie", value.as_str())], Some(&body)).secrets();
        }

        #[test]
        fn what_is_not_base64_is_told_from_what_is(text in "[A-Za-z0-9+/=]{0,40}") {
            let _ = unbase64(&text);
        }
    }
}
