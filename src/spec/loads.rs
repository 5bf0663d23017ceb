//! `load:` and `slis:` of a scenario: the requests that users make, and what they are promised about them.

use super::stack::{path_of, read_text};
use super::windows::deadline;
pub use crate::load::MOST_CONNECTIONS;
use crate::load::{Ca, LoadSpec, check_ca, connections as connections_for};
use crate::slis::{Good, Ratio, SliSpec};
use crate::source::{
    Diagnostics, Entry, Form, FromYaml, MapReader, Node, Source, Value, did_you_mean, parse_rate, shape, shorten,
};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Uri};
use std::sync::Arc;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(2);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);
const REQUEST: &str = "write it like `GET http://service:8080/path`";
const URL: &str = "write it like `http://service:8080/path`";
/// Names of loads and SLIs, as a pattern of the schema.
pub const NAME_PATTERN: &str = "^[A-Za-z0-9_.-]{1,64}$";
/// A URL inside the stack behind its `http:`, as a pattern of the schema.
pub const URL_PATTERN: &str = "//[^\\s/?#@{}]+(?:[/?][^#]*)?";

const A_REQUEST: Form = Form::new("a request like `GET http://service:8080/path`", || {
    shape::text(&format!("[!#$%&'*+.^_`|~0-9A-Z-]+\\s+https?:{URL_PATTERN}"))
});
const A_RATE: Form = Form::new("a rate like `50/s`", shape::rate);
const A_CONDITION: Form = Form::new("a condition like `status < 500`", Good::shape);
const AN_OBJECTIVE: Form = Form::new("a percentage like `99.5%`", Ratio::shape);

/// The entries of a map of named things, which must not be empty.
pub fn named<'a>(
    node: &'a Node,
    what: &str,
    source: &Arc<Source>,
    diags: &mut Diagnostics,
) -> impl Iterator<Item = &'a Entry> + use<'a> {
    let entries: &[Entry] = match &node.value {
        Value::Map(entries) if !entries.is_empty() => entries,
        Value::Map(_) | Value::Null => {
            diags.error(source, node.span, format!("`{what}` is empty: a drill needs at least one"));
            &[]
        }
        _ => {
            let message = format!("`{what}` must be a map of names, found {}", node.describe());
            diags.error(source, node.span, message);
            &[]
        }
    };
    for entry in entries {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if entry.key.is_empty() || entry.key.len() > 64 || !entry.key.chars().all(fits) {
            diags
                .error(source, entry.key_span, format!("`{}` cannot be a name", shorten(&entry.key)))
                .help("names are letters, digits, `_`, `-` and `.`, at most 64 of them");
        }
    }
    entries.iter()
}

/// Reads `load`.
pub fn read_loads(node: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Vec<LoadSpec> {
    let entries: Vec<&Entry> = named(node, "load", source, diags).collect();
    entries.into_iter().filter_map(|entry| read_load(entry, source, diags)).collect()
}

/// Reads one load.
pub fn read_load(entry: &Entry, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<LoadSpec> {
    let mut map = MapReader::new(&entry.value, format!("load `{}`", shorten(&entry.key)), source, diags)?;
    let request = map.require_with("request", A_REQUEST, parse_request);
    let rate = map.require_with("rate", A_RATE, parse_rate);
    let timeout = deadline(&mut map, "timeout", LONGEST_TIMEOUT).unwrap_or(TIMEOUT);
    let mut headers = map.node("headers").map_or_else(Vec::new, |node| read_headers(node, source, map.diags));
    let body = map.node("body").and_then(|node| read_body(node, &mut headers, &mut map));
    let connections = match map.optional::<usize>("connections") {
        Some(0) => {
            let span = map.span_of("connections");
            map.error(span, "`connections` must be above 0");
            None
        }
        Some(count) if count > MOST_CONNECTIONS => {
            let span = map.span_of("connections");
            map.error(span, format!("`connections` is more than {MOST_CONNECTIONS}"));
            None
        }
        Some(count) => Some(count),
        None => rate.map(|rate| connections_for(rate, timeout)),
    };
    let keep_alive = map.optional("keep_alive").unwrap_or(true);
    let tls = map.node("tls");
    let ca = tls.and_then(|node| read_tls(node, source, map.diags));
    match (&request, tls) {
        (Some((_, url)), None) if is_https(url) => {
            let span = map.span_of("request");
            map.error(span, "`https://` without `tls.ca`: no certificate could be verified")
                .help("name the authority that has issued it: `tls: { ca: ca.pem }`, or `tls: { ca: { service: pki, path: /pki/ca.pem } }`");
        }
        (Some((_, url)), Some(node)) if !is_https(url) => {
            map.error(node.span, "`tls` with a request that is not `https://` has nothing to verify");
        }
        _ => {}
    }
    map.finish()?;
    let (method, url) = request?;
    if tls.is_some() && ca.is_none() {
        return None;
    }
    Some(LoadSpec {
        name: entry.key.clone(),
        method,
        url,
        headers,
        body,
        rate: rate?,
        timeout,
        connections: connections?,
        keep_alive,
        ca,
        acknowledged: None,
    })
}

/// Reads `tls` of a load: a file of the project, or one of a service that makes its own.
pub fn read_tls(node: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Ca> {
    let mut map = MapReader::new(node, "`tls`", source, diags)?;
    let ca = map.require_node("ca").and_then(|node| match &node.value {
        Value::Map(_) => read_ca(node, source, map.diags),
        _ => {
            let path = path_of(node, source, map.diags)?;
            let pem = read_text(&path, "the certificate authority", node.span, source, map.diags)?.text.clone();
            if let Err(reason) = check_ca(&pem) {
                map.error(node.span, format!("`{}` is no certificate authority: {reason}", path.display()));
                return None;
            }
            Some(Ca::Pem { pem })
        }
    });
    map.finish()?;
    ca
}

/// Reads `ca` of `tls` where it is a file of a service.
pub fn read_ca(node: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Ca> {
    let mut map = MapReader::new(node, "`ca`", source, diags)?;
    let service = map.require("service");
    let path: Option<String> = map.require("path");
    let span = map.span_of("path");
    if path.as_ref().is_some_and(|path| !path.starts_with('/')) {
        map.error(span, "`path` begins with `/`: it is a path in the service's container");
    }
    map.finish()?;
    Some(Ca::Service { service: service?, path: path? })
}

fn is_https(url: &str) -> bool {
    url.starts_with("https://")
}

/// Reads `POST http://checkout:8080/checkout`.
pub fn parse_request(text: &str) -> Result<(String, String), String> {
    let (method, url) =
        text.trim().split_once(char::is_whitespace).ok_or_else(|| format!("`{}`: {REQUEST}", shorten(text)))?;
    let upper = method.to_uppercase();
    if upper != method || Method::from_bytes(method.as_bytes()).is_err() || upper == "CONNECT" {
        return Err(format!("`{}` is not a method for a load: {REQUEST}", shorten(method)));
    }
    parse_url(url.trim(), true)?;
    Ok((method.to_string(), url.trim().to_string()))
}

/// Checks `http://service:port/path`, or `https:` where `tls` says so, in whose path `{{counter}}` and `{{id}}` may stand.
pub fn parse_url(url: &str, tls: bool) -> Result<String, String> {
    let shown = shorten(url);
    let (scheme, rest) = url.split_once("://").ok_or_else(|| format!("`{shown}` is not a URL: {URL}"))?;
    if scheme != "http" && !(tls && scheme == "https") {
        let spoken = if tls { "`http://` and `https://` are" } else { "`http://` is" };
        return Err(format!("`{shown}`: only {spoken} spoken here, not `{}`", shorten(scheme)));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("the URL holds credentials: put them into a header".into());
    }
    if rest.contains('#') {
        return Err(format!("`{shown}` has a fragment, which is never sent"));
    }
    if authority.contains(['{', '}']) {
        return Err(format!("`{shown}`: placeholders can stand in the path only, not in the host"));
    }
    check_placeholders(rest)?;
    // Spaces in `{{ counter }}` are gone once it is filled in.
    let filled =
        url.replace("{{counter}}", "0").replace("{{id}}", "0").replace("{{ counter }}", "0").replace("{{ id }}", "0");
    let uri: Uri = filled.parse().map_err(|_| format!("`{shown}` is not a URL: {URL}"))?;
    let host = uri.host().unwrap_or_default();
    // The parser of URIs lets ports pass that no socket has.
    let port = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).map(|(_, port)| port.parse::<u16>());
    if host.is_empty() || matches!(port, Some(Err(_) | Ok(0))) {
        return Err(format!("`{shown}` does not name a service and port: {URL}"));
    }
    Ok(url.to_string())
}

/// The service that a URL names, with its place in the URL.
pub fn host_of(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    (!host.is_empty()).then_some(host)
}

/// `{{word}}` with a word that is not known would be sent as it stands.
fn check_placeholders(text: &str) -> Result<(), String> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("{{") {
        rest = after;
        let Some((word, _)) = after.split_once("}}") else { return Ok(()) };
        let word = word.trim();
        let is_word =
            !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        if is_word && !matches!(word, "counter" | "id") {
            return Err(format!(
                "`{{{{{}}}}}` is not known: there are `{{{{counter}}}}` and `{{{{id}}}}`",
                shorten(word)
            ));
        }
    }
    Ok(())
}

fn read_headers(node: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Vec<(String, String)> {
    let Value::Map(entries) = &node.value else {
        diags.error(source, node.span, format!("`headers` must be a map, found {}", node.describe()));
        return Vec::new();
    };
    let mut headers: Vec<(String, String)> = Vec::new();
    for entry in entries {
        let name = shorten(&entry.key);
        let parsed = HeaderName::from_bytes(entry.key.as_bytes());
        if parsed.is_err() {
            diags.error(source, entry.key_span, format!("`{name}` is not the name of a header"));
            continue;
        }
        let lower = entry.key.to_ascii_lowercase();
        if matches!(
            lower.as_str(),
            "content-length" | "transfer-encoding" | "connection" | "upgrade" | "te" | "trailer"
        ) {
            diags.error(source, entry.key_span, format!("`{name}` is set by the client itself: leave it out"));
            continue;
        }
        if headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(&entry.key)) {
            diags.error(source, entry.key_span, format!("the header `{name}` is given twice"));
            continue;
        }
        let value = entry.value.parse_text("text", |text| {
            HeaderValue::from_str(text).map_err(|_| format!("`{}` cannot be sent in a header", shorten(text)))?;
            check_placeholders(text).map(|()| text.to_string())
        });
        match value {
            Ok(value) => headers.push((entry.key.clone(), value)),
            Err(mistakes) => {
                for mistake in mistakes {
                    diags.error(source, mistake.span, format!("`{name}`: {}", mistake.message));
                }
            }
        }
    }
    headers
}

/// A text is sent as it stands; a map or list as JSON, with its content type unless the scenario gives one.
fn read_body(node: &Node, headers: &mut Vec<(String, String)>, map: &mut MapReader<'_>) -> Option<String> {
    let body = match &node.value {
        Value::Null => return None,
        Value::Scalar { text, .. } => text.clone(),
        Value::List(_) | Value::Map(_) => {
            if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                headers.push(("Content-Type".into(), "application/json".into()));
            }
            node.to_json().to_string()
        }
    };
    if let Err(message) = check_placeholders(&body) {
        map.error(node.span, format!("`body`: {message}"));
        return None;
    }
    Some(body)
}

/// Reads `slis`; `loads` are the names of the loads, also of those with mistakes.
pub fn read_slis(node: &Node, loads: &[&str], source: &Arc<Source>, diags: &mut Diagnostics) -> Vec<SliSpec> {
    let entries: Vec<&Entry> = named(node, "slis", source, diags).collect();
    entries.into_iter().filter_map(|entry| read_sli(entry, loads, source, diags)).collect()
}

/// Reads one SLI.
pub fn read_sli(entry: &Entry, loads: &[&str], source: &Arc<Source>, diags: &mut Diagnostics) -> Option<SliSpec> {
    let name = shorten(&entry.key);
    let mut map = MapReader::new(&entry.value, format!("SLI `{name}`"), source, diags)?;
    let load = map.require_node("load").and_then(|node| match String::from_yaml(node) {
        Ok(load) if loads.contains(&load.as_str()) => Some(load),
        _ => {
            let message = format!("SLI `{name}` looks at a load that does not exist: {}", node.describe());
            map.error(node.span, message).help(did_you_mean(node.text().unwrap_or_default(), loads.iter().copied()));
            None
        }
    });
    let good = map.require_with("good", A_CONDITION, Good::parse);
    let objective = map.require_with("objective", AN_OBJECTIVE, Ratio::parse);
    let span = map.span_of("objective");
    match objective.map(Ratio::get) {
        Some(value) if value >= 1.0 => {
            map.error(span, "an objective of 100% leaves no error budget: one bad event would break every window")
                .help("promise a little less, like `99.9%`");
        }
        Some(value) if value <= 0.0 => {
            map.error(span, "an objective of 0% promises nothing");
        }
        _ => {}
    }
    map.finish()?;
    Some(SliSpec { name: entry.key.clone(), load: load?, good: good?, objective: objective? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requests_are_read() {
        for good in [
            "POST http://checkout:8080/checkout",
            "GET  http://a.b-c_d/",
            "PUT http://x:1?q={{counter}}",
            "GET http://x/{{ id }}/y",
            "GET https://x/",
        ] {
            assert!(parse_request(good).is_ok(), "{good}: {:?}", parse_request(good));
        }
        assert_eq!(host_of("http://checkout:8080/a:b"), Some("checkout"));
        assert_eq!(host_of("http://checkout?x"), Some("checkout"));
    }

    #[test]
    fn mistakes_in_requests_are_told() {
        let why = |text| parse_request(text).expect_err(text);
        insta::assert_snapshot!(
            [
                "", "http://x/", "post http://x/", "P@ST http://x/", "CONNECT http://x/", "GET x:80/", "GET ftp://x/",
                "GET http:///x", "GET http://x:/", "GET http://x:99999/", "GET http://x:0/", "GET http://u:p@x/",
                "GET http://x/#a", "GET http://{{id}}/", "GET http://x/{{count}}", "GET http://x/a b",
                "GET http://x/ü x",
            ]
            .map(why)
            .join("\n")
        );
    }

    /// The load of a scenario beside `ca.pem`, which is an authority, and `no.pem`, which is none; or what is wrong with it.
    fn load(yaml: &str) -> Result<LoadSpec, String> {
        let dir = tempfile::tempdir().unwrap();
        let authority = rcgen::generate_simple_self_signed(Vec::new()).unwrap().cert.pem();
        std::fs::write(dir.path().join("ca.pem"), authority).unwrap();
        std::fs::write(dir.path().join("no.pem"), "-----BEGIN PRIVATE KEY-----\n").unwrap();
        let source = Source::new(dir.path().join("s.yaml"), yaml);
        let mut diags = Diagnostics::default();
        let value = crate::source::parse(&source, &mut diags).unwrap();
        let load = read_load(&Entry { key: "a".into(), key_span: value.span, value }, &source, &mut diags);
        let told = diags.all.iter().map(|d| {
            let (pos, help) = (source.pos(d.span.start), d.help.as_deref().unwrap_or_default());
            format!("{}:{} {} {help}", pos.line, pos.column, d.message)
        });
        let told = told.collect::<Vec<_>>().join("\n").replace(&*dir.path().to_string_lossy(), "DIR");
        load.ok_or(told)
    }

    #[test]
    fn an_authority_is_a_file_of_the_project_or_of_a_service() {
        let read = load("{ request: GET https://x/, rate: 1/s, keep_alive: false, tls: { ca: ca.pem } }").unwrap();
        assert!(!read.keep_alive);
        assert!(matches!(read.ca, Some(Ca::Pem { pem }) if pem.starts_with("-----BEGIN CERTIFICATE-----")));
        let read =
            load("{ request: GET https://x/, rate: 1/s, tls: { ca: { service: pki, path: /ca.pem } } }").unwrap();
        assert_eq!(read.ca, Some(Ca::Service { service: "pki".into(), path: "/ca.pem".into() }));
        assert!(read.keep_alive);
        let wrong = [
            "{ request: GET https://x/, rate: 1/s }",
            "{ request: GET http://x/, rate: 1/s, tls: { ca: ca.pem } }",
            "{ request: GET https://x/, rate: 1/s, tls: {} }",
            "{ request: GET https://x/, rate: 1/s, tls: { ca: ca.pem, verify: false } }",
            "{ request: GET https://x/, rate: 1/s, tls: { ca: gone.pem } }",
            "{ request: GET https://x/, rate: 1/s, tls: { ca: no.pem } }",
            "{ request: GET https://x/, rate: 1/s, tls: { ca: { service: pki, path: ca.pem } } }",
            "{ request: GET https://x/, rate: 1/s, keep_alive: 3, tls: { ca: { path: /ca.pem } } }",
        ];
        insta::assert_snapshot!(wrong.map(|yaml| load(yaml).expect_err(yaml)).join("\n"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*|GET http://[a-z:/?#@{}0-9]{0,30}") {
            if let Ok((_, url)) = parse_request(&text) {
                prop_assert!(host_of(&url).is_some());
            }
        }
    }
}
