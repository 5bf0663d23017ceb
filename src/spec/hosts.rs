//! `hosts:` of a scenario: names of production that services of the stack have inside the drill.

use super::services::{Among, mention};
use crate::source::{At, shape, shorten};
use std::collections::BTreeMap;

/// Host name → service. Whether the services exist is known once the stack is resolved.
pub fn read(at: &mut At<'_>) -> BTreeMap<String, String> {
    let hosts = at.entries("a map", "write `hosts: { db.prod.internal: db }`", |at| {
        at.diags.describe(shape::filled);
        if !is_host_name(at.key) {
            at.error_at_key(format!("`{}` is no host name", shorten(at.key)))
                .help("labels of letters, digits and hyphens, with dots between them, without a port");
        }
        let Some(service) = at.node.text().filter(|service| !service.trim().is_empty()) else {
            return at.fail(format!("expected the name of a service, found {}", at.node.describe()));
        };
        mention(at, format!("host `{}`", shorten(at.key)), service, Among::Services);
        Some((at.key.to_string(), service.to_string()))
    });
    hosts.into_iter().collect()
}

/// RFC 1123, and the underscore that people use in it; numbers with dots are an address.
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        (1..=63).contains(&label.len()) && label.chars().all(fits) && !label.starts_with('-') && !label.ends_with('-')
    };
    let address = name.chars().all(|c| c.is_ascii_digit() || c == '.');
    (1..=253).contains(&name.len()) && !address && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Diagnostics, Source};
    use proptest::prelude::*;

    #[test]
    fn host_names_are_told_from_what_is_none() {
        for name in ["db.prod.internal", "api", "a-b.example.com", "under_score", "1.example"] {
            assert!(is_host_name(name), "{name}");
        }
        for name in
            ["", "db:5432", "http://db", "a..b", "-a", "a-", ".a", "a.", "10.0.0.1", "a b", "é", &"a".repeat(64)]
        {
            assert!(!is_host_name(name), "{name}");
        }
    }

    #[test]
    fn mistakes_stand_where_they_are() {
        let source = Source::new("s.yaml", "hosts: { a b: db, x: [1], db.prod.internal: db }\n");
        let mut diags = Diagnostics::default();
        let root = crate::source::parse(&source, &mut diags).unwrap();
        let mut at = At { key: "hosts", ..At::root(root.get(&["hosts"]).unwrap(), &source, &mut diags) };
        let hosts = read(&mut at);
        assert_eq!(hosts.get("db.prod.internal").map(String::as_str), Some("db"));
        let said: Vec<&str> = diags.all.iter().map(|d| d.message.as_str()).collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("is no host name") && said[1].contains("name of a service"), "{said:?}");
    }

    proptest! {
        #[test]
        fn a_host_name_never_panics(name in ".{0,80}") {
            let _ = is_host_name(&name);
        }
    }
}
