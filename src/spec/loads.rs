//! `load:` and `slis:` of a scenario: the requests that users make, and what they are promised about them.

use super::ServiceScript;
use super::find::text_at;
use super::services::{Among, mention, service};
use super::slos::{self, FoundSlo, SloCounts};
use crate::agent::pg::SliQuery;
use crate::agent::promql::PromAsked;
use crate::agent::source::{EventMaker, SliSource, bounded};
use crate::agent::tcp_question::TcpQuestion;
use crate::agent::{freshness, promql};
use crate::faults::read_question;
use crate::load::{
    AnswerPlace, Ca, ExpectedAnswer, JourneyStep, LoadSpec, MOST_CONNECTIONS, check_ca, check_placeholders,
    connections as connections_for,
};
use crate::record::script_secrets;
use crate::slis::{Good, Ratio, SliSpec, gauge};
use crate::source::{At, TextForm, TextPattern, Value, host_of, parse_rate, shape, shorten};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Uri};
use serde_json::json;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(2);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);
const REQUEST: &str = "write it like `GET http://service:8080/path`";
const URL: &str = "write it like `http://service:8080/path`";
/// Names of loads and SLIs, as a pattern of the schema.
const NAME_PATTERN: &str = "^[A-Za-z0-9_.-]{1,64}$";
/// A URL inside the stack behind its `http:`, as a pattern of the schema.
pub const URL_PATTERN: &str = "//[^\\s/?#@{}]+(?:[/?][^#]*)?";

static PLACEHOLDER: TextPattern = TextPattern::new(r"\{\{ ?[A-Za-z0-9_.-]+ ?\}\}");
const A_REQUEST: TextForm = TextForm::new("a request like `GET http://service:8080/path`", || {
    shape::text(&format!("[!#$%&'*+.^_`|~0-9A-Z-]+\\s+https?:{URL_PATTERN}"))
});
const A_PLACE: TextForm = TextForm::new("a JSON pointer, or `header NAME`", || shape::text("/.*|header .*"));
const A_TEXT: TextForm = TextForm::new("a text", shape::filled);
const A_RATE: TextForm = TextForm::new("a rate like `50/s`", shape::rate);
const A_CONDITION: TextForm = TextForm::new("a condition like `status < 500`", Good::shape);

/// Reads each entry of a map of named things, which must not be empty.
pub fn named<T>(at: &mut At<'_>, mut read: impl FnMut(&mut At<'_>) -> Option<T>) -> Vec<T> {
    let read = at.entries_if_any("a map of names", "", |at| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if at.key.is_empty() || at.key.len() > 64 || !at.key.chars().all(fits) {
            at.error_at_key(format!("`{}` cannot be a name", shorten(at.key)))
                .help("names are letters, digits, `_`, `-` and `.`, at most 64 of them");
        }
        read(at)
    });
    at.also(json!({ "propertyNames": { "pattern": NAME_PATTERN } }));
    at.must_not_be_empty(format!("`{}` is empty: a drill needs at least one", at.key), "");
    read
}

/// Reads one load.
pub fn read_load(at: &mut At<'_>) -> Option<LoadSpec> {
    let mut load = LoadSpec { name: at.key.to_string(), ..LoadSpec::default() };
    let by = format!("load `{}`", shorten(at.key));
    let mut map = at.map(by.as_str())?.of_section("load");
    let request = map.require_by("request", |at| read_request(at, &by, &[]));
    load.rate = map.require_with("rate", A_RATE, parse_rate).unwrap_or_default();
    load.timeout = map.optional_by("timeout", |at| at.within(LONGEST_TIMEOUT)).unwrap_or(TIMEOUT);
    load.headers = map.optional_by("headers", |at| Some(read_headers(at, &[]))).unwrap_or_default();
    load.body = map.optional_by("body", |at| read_body(at, &mut load.headers, &[]));
    load.expect = map.optional_by("expect", read_expected).unwrap_or_default();
    let mut known = Vec::new();
    let then = map.optional_by("then", |at| {
        let then = at.items("a list of requests", "", |at| read_step(at, &by, &mut known));
        at.must_not_be_empty("`then` is empty: leave it out", "");
        Some(then)
    });
    load.then = then.unwrap_or_default();
    let connections = map.optional_by("connections", |at| {
        let wrong = format!("a number of connections: 1 to {MOST_CONNECTIONS}");
        at.number(1..=MOST_CONNECTIONS as u32, "a whole number", &wrong).map(|count| count as usize)
    });
    load.keep_alive = map.optional("keep_alive").unwrap_or(true);
    load.ca = map.optional_by("tls", |at| {
        let mut map = at.map("`tls`")?;
        let ca = map.require_by("ca", |at| read_ca(at, &by));
        map.finish().and(ca)
    });
    let is_secure = request.as_ref().is_some_and(|(_, url)| is_https(url));
    let is_secure_later = load.then.iter().any(|step| is_https(&step.url));
    if (is_secure || is_secure_later) && !map.has("tls") {
        let key = if is_secure { "request" } else { "then" };
        map.wrong(key, "`https://` without `tls.ca`: no certificate could be verified")
            .help("name the authority that has issued it: `tls: { ca: ca.pem }`, or `tls: { ca: { service: pki, path: /pki/ca.pem } }`");
    }
    if request.is_some() && !is_secure && map.has("tls") {
        map.wrong("tls", "`tls` with a request that is not `https://` has nothing to verify");
    }
    map.finish()?;
    (load.method, load.url) = request?;
    load.connections = connections.unwrap_or_else(|| connections_for(load.rate, load.timeout));
    Some(load)
}

/// Reads what an answer says that is no failure.
fn read_expected(at: &mut At<'_>) -> Option<ExpectedAnswer> {
    let mut map = at.map("`expect`")?.of_section("Expected answers");
    let body = map.optional_with("body", A_TEXT, |text| match text {
        text if text.trim().is_empty() => Err("it is empty, and nearly every answer holds that".into()),
        text => Ok(text.to_string()),
    });
    if !["body", "json", "header"].iter().any(|key| map.has(key)) {
        map.error(map.span(), "`expect` expects nothing")
            .help("write `{ body: paid }`, `{ json: { /status: paid } }` or `{ header: { x-cache: hit } }`");
    }
    let mut values = Vec::new();
    let is_header = |name: &str| HeaderName::from_bytes(name.as_bytes()).is_ok();
    for (key, of, fits, pattern) in [
        ("json", AnswerPlace::Json as fn(String) -> _, (|text| text.starts_with('/')) as fn(&str) -> bool, "^/"),
        ("header", AnswerPlace::Header, is_header, "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"),
    ] {
        let read = map.optional_by(key, |at| {
            let read = at.entries("a map of places to values", "", |at| {
                if !fits(at.key) {
                    at.error_at_key(format!("`{}` is no place in an answer", shorten(at.key)))
                        .help("write `json: { /status: paid }` or `header: { x-cache: hit }`");
                }
                Some((of(at.key.to_string()), at.value()?))
            });
            at.also(json!({ "propertyNames": { "pattern": pattern } }));
            at.must_not_be_empty(format!("`{}` is empty: name what must stand there, or leave it out", at.key), "");
            Some(read)
        });
        values.extend(read.into_iter().flatten());
    }
    map.finish().map(|()| ExpectedAnswer { body, values })
}

/// Reads the method and the URL of a request, whose path may hold what was taken before.
fn read_request(at: &mut At<'_>, by: &str, known: &[String]) -> Option<(String, String)> {
    let (method, url) = at.parse(A_REQUEST, |text| parse_request(text, known))?;
    if let Some(host) = host_of(&url) {
        mention(at, by.to_string(), host, Among::Hosts);
    }
    Some((method, url))
}

/// Reads a request of a journey that follows another one; `known` are the names that were taken from answers before.
fn read_step(at: &mut At<'_>, by: &str, known: &mut Vec<String>) -> Option<JourneyStep> {
    let mut map = at.map("the request")?.of_section("then");
    let take = map.optional_by("take", |at| {
        Some(at.entries("a map of names", "write it like `take: { token: /token, order: header Location }`", |at| {
            let is_name = !at.key.is_empty() && at.key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !is_name || matches!(at.key, "counter" | "id") {
                at.error_at_key(format!("`{}` cannot be a name here", shorten(at.key)));
            }
            let place = at.parse(A_PLACE, |text| match text.trim() {
                pointer if pointer.starts_with('/') => Ok(AnswerPlace::Json(pointer.to_string())),
                other => match other.strip_prefix("header ").map(|name| HeaderName::from_bytes(name.trim().as_bytes()))
                {
                    Some(Ok(name)) => Ok(AnswerPlace::Header(name.to_string())),
                    _ => Err(format!("`{}` is no place in an answer: `/in/json` or `header NAME`", shorten(other))),
                },
            })?;
            known.push(at.key.to_string());
            Some((at.key.to_string(), place))
        }))
    });
    let request = map.require_by("request", |at| read_request(at, by, known));
    let mut headers = map.optional_by("headers", |at| Some(read_headers(at, known))).unwrap_or_default();
    let body = map.optional_by("body", |at| read_body(at, &mut headers, known));
    map.finish()?;
    let (method, url) = request?;
    Some(JourneyStep { take: take.unwrap_or_default().into_iter().collect(), method, url, headers, body })
}

/// Reads a certificate authority: a file of the project, or one of a service that makes its own.
pub(super) fn read_ca(at: &mut At<'_>, by: &str) -> Option<Ca> {
    let read_pem = |at: &mut At<'_>| {
        let file = text_at(at, "the certificate authority")?;
        if let Err(reason) = check_ca(&file.text) {
            at.error(format!("`{}` is no certificate authority: {reason}", file.path.display()));
        }
        Some(Ca::Pem { pem: file.text.clone() })
    };
    at.either(shape::filled, read_pem, |at| {
        let mut map = at.map(format!("`{}`", at.key))?.of_section("tls");
        let service = map.require_by("service", |at| service(at, by));
        let path: Option<String> = map.require("path");
        if path.as_ref().is_some_and(|path| !path.starts_with('/')) {
            map.wrong("path", "`path` begins with `/`: it is a path in the service's container");
        }
        map.finish_with(|| Some(Ca::Service { service: service?, path: path? }))
    })
}

fn is_https(url: &str) -> bool {
    url.starts_with("https://")
}

/// Reads `POST http://checkout:8080/checkout`; beside the counter its path may hold the names that are `known`.
pub fn parse_request(text: &str, known: &[String]) -> Result<(String, String), String> {
    let (method, url) =
        text.trim().split_once(char::is_whitespace).ok_or_else(|| format!("`{}`: {REQUEST}", shorten(text)))?;
    let upper = method.to_uppercase();
    if upper != method || Method::from_bytes(method.as_bytes()).is_err() || upper == "CONNECT" {
        return Err(format!("`{}` is not a method for a load: {REQUEST}", shorten(method)));
    }
    parse_url(url.trim(), true, known)?;
    Ok((method.to_string(), url.trim().to_string()))
}

/// Checks `http://service:port/path`, or `https:` where `tls` says so, in whose path `{{counter}}` and `{{id}}` may stand.
pub fn parse_url(url: &str, tls: bool, known: &[String]) -> Result<String, String> {
    let shown = shorten(url);
    let (scheme, rest) = url.split_once("://").ok_or_else(|| format!("`{shown}` is not a URL: {URL}"))?;
    if scheme != "http" && !(tls && scheme == "https") {
        let spoken = if tls { "`http://` and `https://` are" } else { "`http://` is" };
        return Err(format!("`{shown}`: only {spoken} spoken here, not `{}`", shorten(scheme)));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match () {
        () if authority.contains('@') => return Err("the URL holds credentials: put them into a header".into()),
        () if rest.contains('#') => return Err(format!("`{shown}` has a fragment, which is never sent")),
        () if authority.contains(['{', '}']) => {
            return Err(format!("`{shown}`: placeholders can stand in the path only, not in the host"));
        }
        () => check_placeholders(rest, known)?,
    }
    // Spaces in `{{ counter }}` are gone once it is filled in.
    let uri: Result<Uri, _> = PLACEHOLDER.replace_all(url, "0").parse();
    let uri = uri.map_err(|_| format!("`{shown}` is not a URL: {URL}"))?;
    let host = uri.host().unwrap_or_default();
    // The parser of URIs lets ports pass that no socket has.
    let port = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).map(|(_, port)| port.parse::<u16>());
    if host.is_empty() || matches!(port, Some(Err(_) | Ok(0))) {
        return Err(format!("`{shown}` does not name a service and port: {URL}"));
    }
    Ok(url.to_string())
}

fn read_headers(at: &mut At<'_>, known: &[String]) -> Vec<(String, String)> {
    let mut names: Vec<String> = Vec::new();
    at.entries("a map", "", |at| {
        let (name, lower) = (shorten(at.key), at.key.to_ascii_lowercase());
        let of_the_client = ["content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer"];
        if HeaderName::from_bytes(at.key.as_bytes()).is_err() {
            at.error_at_key(format!("`{name}` is not the name of a header"));
        } else if of_the_client.contains(&lower.as_str()) {
            at.error_at_key(format!("`{name}` is set by the client itself: leave it out"));
        } else if names.contains(&lower) {
            at.error_at_key(format!("the header `{name}` is given twice"));
        } else {
            let value = at.parse(TextForm::new("text", shape::scalar), |text| {
                HeaderValue::from_str(text).map_err(|_| format!("`{}` cannot be sent in a header", shorten(text)))?;
                check_placeholders(text, known).map(|()| text.to_string())
            })?;
            names.push(lower);
            return Some((at.key.to_string(), value));
        }
        None
    })
}

/// A text is sent as it stands; a map or list as JSON, with its content type unless the scenario gives one.
fn read_body(at: &mut At<'_>, headers: &mut Vec<(String, String)>, known: &[String]) -> Option<String> {
    at.diags.describe(|| json!({ "type": ["string", "number", "boolean", "array", "object", "null"] }));
    let body = match &at.node.value {
        Value::Null => return None,
        Value::Scalar { text, .. } => text.clone(),
        Value::List(_) | Value::Map(_) => {
            if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                headers.push(("Content-Type".into(), "application/json".into()));
            }
            at.node.to_json().to_string()
        }
    };
    if let Err(message) = check_placeholders(&body, known) {
        at.error(format!("`body`: {message}"));
    }
    Some(body)
}

/// Reads what an SLI names under its key; with the name of the SLI.
type SourceReader = fn(&str, &mut At<'_>) -> Option<SliSource>;

/// What an SLI can name instead of a load, by its key. A source is one file and one line here.
const SOURCES: &[(&str, SourceReader)] = &[
    ("query", SliQuery::read),
    ("freshness", freshness::read),
    ("promql", promql::read),
    ("tcp", TcpQuestion::read),
    ("redis", TcpQuestion::read_redis),
    ("command", read_command),
];

/// Reads one SLI, with the source that it names unless that is a load; `loads` are the names of the loads, also of those with
/// mistakes.
pub fn read_sli(at: &mut At<'_>, loads: &[&str]) -> Option<(SliSpec, Option<SliSource>)> {
    let (name, shown) = (at.key.to_string(), shorten(at.key));
    let mut map = at.map(format!("SLI `{shown}`"))?.of_section("slis");
    let own = SOURCES.iter().find(|(key, _)| map.has(key)).map(|(key, _)| *key);
    let mut source = None;
    for (key, read) in SOURCES {
        source = source.or(map.optional_by(key, |at| {
            let source = read(&name, at)?;
            let services = source.services.iter().map(|service| (service, Among::Services));
            let all = services.chain(source.hosts.iter().map(|host| (host, Among::Hosts)));
            all.for_each(|(name, among)| mention(at, format!("SLI `{shown}`"), name, among));
            Some(source)
        }));
    }
    let asked = map.optional_by("prometheus", |at| {
        let mut map = at.map("`prometheus`")?.of_section("slo");
        let asked = PromAsked::read(&mut map);
        map.finish()?;
        if let Some(host) = asked.host() {
            mention(at, format!("SLI `{shown}`"), &host, Among::Hosts);
        }
        Some(asked)
    });
    let of_file = map.read("slo", map.has("prometheus"), |at| slos::read(&name, at, asked.as_ref()));
    let is_unread = map.has("slo") && of_file.is_none();
    let (slo, counted) = of_file.unzip();
    source = source.or(counted.flatten());
    let owed = slo.as_ref().map(|slo| slo.objective);
    let promised = slo.as_ref().and_then(|slo| match &slo.counts {
        SloCounts::Requests(good) => Some(good.clone()),
        _ => None,
    });
    // What is promised must be measured: by Prometheus, or by a load.
    if slo.is_some() && promised.is_none() {
        map.read("prometheus", true, |_| Some(()));
    }
    let own = own.or((map.has("slo") && promised.is_none()).then_some("slo"));
    let missing = format!("SLI `{shown}` looks at a load that does not exist:");
    let load = map.read("load", own.is_none(), |at| at.known(loads, &missing));
    let good = map.read("good", own.is_none() && promised.is_none(), |at| at.parse(A_CONDITION, Good::parse));
    for key in ["good", "prometheus"].into_iter().filter(|_| promised.is_some()) {
        if map.has(key) {
            let why = "is not of an SLI over a journey: its file says what is good, and a load measures it";
            map.wrong(key, format!("`{key}` {why}"));
        }
    }
    for key in ["load", "good"] {
        if let Some(own) = own.filter(|_| map.has(key) && !is_unread) {
            map.wrong(key, format!("`{key}` is of an SLI over a load, and this one is over `{own}`"))
                .help("leave one of the two out, or make two SLIs of it");
        }
    }
    for key in gauge::KEYS.into_iter().filter(|key| map.has(key)).collect::<Vec<_>>() {
        // Known, so that the reason is all that is said about it.
        map.node(key);
        map.error(map.key_span(key), format!("`{key}`: {}", gauge::WHY)).help(gauge::INSTEAD);
    }
    // What it must have hangs on what it looks at.
    map.also(json!({ "required": [] }));
    let objective = map.read("objective", !map.has("slo"), |at| {
        let objective = at.parse(TextForm::new("a percentage like `99.5%`", Ratio::shape), Ratio::parse)?;
        if let Some((why, help)) = no_objective(objective) {
            at.error(why).help(help);
        }
        if let Some(owed) = owed.filter(|owed| objective < *owed) {
            let message = format!("the SLI `{shown}` promises {objective}, and the file of its SLO {owed}");
            at.diags.warning(at.source, at.node.span, message);
        }
        Some(objective)
    });
    if let Some((why, help)) = owed.filter(|_| !map.has("objective")).and_then(no_objective) {
        map.wrong("slo", why).help(help);
    }
    map.finish()?;
    let objective = objective.or(owed);
    let (series, good) = match (own, &source) {
        (Some(_), Some(source)) => (source.series.clone(), Good::truth()),
        // Whatever was wrong has been told, or an SLI would be missing without a word.
        (Some(own), None) => return at.not(format!("`{own}` cannot be read")),
        (None, _) => (load?, good.or(promised)?),
    };
    Some((SliSpec { name, series, good, objective: objective?, slo: slo.as_ref().map(FoundSlo::told) }, source))
}

/// Why a share of good events is no objective, and what to do.
fn no_objective(objective: Ratio) -> Option<(String, &'static str)> {
    match objective.get() {
        share if share >= 1.0 => Some(("an objective of 100% leaves no error budget".into(), "promise a little less")),
        share if share <= 0.0 => Some(("an objective of 0% promises nothing".into(), "")),
        share if share <= 0.01 => Some((
            format!("an objective of {objective} is likely a fraction taken for a percentage"),
            "write a percentage like `99.5%`, not a fraction like `0.995`",
        )),
        _ => None,
    }
}

/// Each run costs the engine a process.
const LEAST_EVERY: Duration = Duration::from_millis(500);
/// Most runs of one SLI at a time.
const MOST_RUNS: u32 = 10;
const LONGEST: Duration = Duration::from_secs(60);

/// Reads `command` of an SLI, a command in a service: it is due at a steady pace, and each run is an event, good when it exits with
/// 0 in time.
///
/// ```yaml
/// slis:
///   mail: { command: { service: mail, run: "sendmail -bv probe@example.com", every: 1s }, objective: 95% }
/// ```
fn read_command(sli: &str, at: &mut At<'_>) -> Option<SliSource> {
    let line = at.line();
    let mut map = at.map("`command`")?.of_section("Commands");
    let service: Option<String> = map.require("service");
    let run = map.require_by("run", read_question);
    let every = bounded(&mut map, "every", Duration::from_secs(1), LEAST_EVERY..=LONGEST);
    let within = bounded(&mut map, "timeout", Duration::from_secs(2), Duration::from_millis(100)..=LONGEST);
    if within > every * MOST_RUNS {
        let message = format!("more than {MOST_RUNS} runs at a time: `timeout` is longer than {MOST_RUNS} × `every`");
        map.wrong("timeout", message).help("each run costs the engine a process: ask less often, or wait less long");
    }
    map.finish()?;
    let script = ServiceScript { service: service?, run: run?, within, line };
    let shown = script.run.split_whitespace().collect::<Vec<_>>().join(" ");
    let event = format!("a command in {}: {shown}", script.service);
    let (services, secrets) = (vec![script.service.clone()], script_secrets(&script.run));
    let pace = (&*format!("command:{sli}"), 1.0 / every.as_secs_f64(), within);
    Some(SliSource { services, secrets, ..SliSource::new(pace, event, EventMaker::Script(script)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Diagnostics, Source};
    use proptest::prelude::*;

    #[test]
    fn a_journey_carries_values_from_answer_to_request() {
        let read = load(
            "{ request: POST http://x/login, rate: 1/s, then: [{ take: { token: /token }, request: 'GET http://x/{{token}}/{{id}}' }, \
             { take: { order: header Location }, request: POST http://x/pay, headers: { A: 'Bearer {{token}}' }, body: { o: '{{order}}' } }] }",
        )
        .unwrap();
        assert_eq!(read.then[0].take["token"], AnswerPlace::Json("/token".into()));
        assert_eq!(read.then[1].take["order"], AnswerPlace::Header("location".into()));
        assert_eq!(read.then[1].body.as_deref(), Some("{\"o\":\"{{order}}\"}"));
        let event = read.source().event;
        assert_eq!(event, "POST http://x/login → GET http://x/{{token}}/{{id}} → POST http://x/pay");
        let wrong = |then: &str| load(&format!("{{ request: GET http://x/, rate: 1/s, then: {then} }}")).unwrap_err();
        assert!(wrong("[{ request: 'GET http://x/{{token}}' }]").contains("`{{token}}` is not known"));
        assert!(wrong("[{ take: { a: b }, request: GET http://x/ }]").contains("is no place in an answer"));
        assert!(wrong("[{ take: { id: /b }, request: GET http://x/ }]").contains("cannot be a name here"));
        assert!(wrong("[{ request: GET https://x/ }]").contains("without `tls.ca`"));
        assert!(wrong("[]").contains("`then` is empty"));
    }

    #[test]
    fn an_answer_is_expected_to_say_something() {
        for key in ["json", "header"] {
            let told =
                load(&format!("{{ request: GET http://x/, rate: 1/s, expect: {{ {key}: {{}} }} }}")).unwrap_err();
            assert!(told.contains(&format!("`{key}` is empty")), "{told}");
        }
    }

    #[test]
    fn requests_are_read() {
        for good in [
            "POST http://checkout:8080/checkout",
            "GET  http://a.b-c_d/",
            "PUT http://x:1?q={{counter}}",
            "GET http://x/{{ id }}/y",
            "GET https://x/",
        ] {
            assert!(parse_request(good, &[]).is_ok(), "{good}: {:?}", parse_request(good, &[]));
        }
        assert_eq!(host_of("http://checkout:8080/a:b"), Some("checkout"));
        assert_eq!(host_of("http://checkout?x"), Some("checkout"));
    }

    #[test]
    fn mistakes_in_requests_are_told() {
        let why = |text| parse_request(text, &[]).expect_err(text);
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
        let load = read_load(&mut At { key: "a", ..At::root(&value, &source, &mut diags) });
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
            if let Ok((_, url)) = parse_request(&text, &[]) {
                prop_assert!(host_of(&url).is_some());
            }
        }
    }

    /// What is wrong with a scenario that has these SLIs.
    fn with_slis(slis: &str) -> String {
        read_slis(slis).1
    }

    /// The SLOs of the SLIs, and the mistakes.
    fn read_slis(slis: &str) -> (Vec<Option<String>>, String) {
        let dir = tempfile::tempdir().unwrap();
        let scenario = format!(
            "title: T\nstack: compose.yaml\nload: {{ l: {{ request: GET http://shop/, rate: 50/s, timeout: 3s }} }}\nslis:\n  \
             ok: {{ load: l, good: status < 500, objective: 90% }}\n  {slis}\nsteady: {{ for: 10s }}\n\
             faults: [ container_kill: {{ service: shop }} ]\nrecover: {{ within: 20s, hold: 10s }}\n"
        );
        std::fs::write(dir.path().join("compose.yaml"), "services: { shop: { image: x } }\n").unwrap();
        std::fs::write(dir.path().join("s.yaml"), scenario).unwrap();
        let slos = "version: prometheus/v1\nservice: shop\nslos:\n\
                    - { name: answers, objective: 95, sli: { events: { error_query: 'rate(e[{{.window}}])', total_query: 'rate(t[5m])' } } }\n\
                    - { name: share, objective: 95, sli: { raw: { error_ratio_query: 'x[{{.window}}]' } } }\n\
                    - { name: all, objective: 100, sli: { events: { error_query: 'rate(e[5m])', total_query: 'rate(t[5m])' } } }\n\
                    - { name: none, objective: 0, sli: { events: { error_query: 'rate(e[5m])', total_query: 'rate(t[5m])' } } }\n\
                    - { name: fraction, objective: 0.999, sli: { events: { error_query: 'rate(e[5m])', total_query: 'rate(t[5m])' } } }\n\
                    - { name: words, objective: most, sli: { events: { error_query: 'rate(e[5m])', total_query: 'rate(t[5m])' } } }\n";
        std::fs::write(dir.path().join("slo.yaml"), slos).unwrap();
        let journeys = "journeys: [ { name: shopping, slo: { availability: 95%, latency_p90: 3s, freshness: 5m } } ]\n";
        std::fs::write(dir.path().join("journeys.yaml"), journeys).unwrap();
        let (plan, diags) = crate::spec::load(&dir.path().join("s.yaml"), &crate::spec::Overrides::default());
        let slos = plan.into_iter().flat_map(|plan| plan.slis).map(|sli| sli.slo).collect();
        (slos, diags.all.iter().map(|diagnostic| format!("{}\n", diagnostic.message)).collect())
    }

    #[test]
    fn an_sli_is_over_a_load_or_over_a_source_of_its_own() {
        let query = |more: &str| {
            with_slis(&format!("fresh: {{ query: {{ service: shop, sql: SELECT true{more} }}, objective: 90% }}"))
        };
        assert_eq!(query(""), "");
        assert!(query(", every: 3s").contains("`steady.for` is too short for `fresh`"), "{}", query(", every: 3s"));
        assert!(
            query(", every: 50ms").contains("`every` is 50ms: it must be from 100ms to 60s"),
            "{}",
            query(", every: 50ms")
        );
        assert!(query(", timeout: 2m").contains("`timeout` is"), "{}", query(", timeout: 2m"));
        let both = with_slis("x: { load: l, query: { service: shop, sql: SELECT true }, objective: 90% }");
        assert_eq!(both, "`load` is of an SLI over a load, and this one is over `query`\n");
        let empty = with_slis("x: { query: { service: shop, sql: ' ; ' }, objective: 90% }");
        assert!(empty.contains("it is empty"), "{empty}");
        for key in ["cpu", "metric"] {
            let gauge = with_slis(&format!("x: {{ load: l, good: status < 500, {key}: x < 1, objective: 90% }}"));
            assert!(gauge.starts_with(&format!("`{key}`: this is a gauge of a server")), "{gauge}");
        }
        let gauge = query(" FROM pg_stat_activity");
        assert!(gauge.contains("`pg_stat_activity`: this is a gauge of a server"), "{gauge}");
        let fresh = |of: &str| with_slis(&format!("x: {{ freshness: {{ {of}, within: 30s }}, objective: 90% }}"));
        assert_eq!(
            fresh("query: { service: shop, sql: SELECT max(at) FROM orders }"),
            "",
            "it is held for longer than 30 s"
        );
        let feed = "answer: { url: http://shop/feed, header: Last-Modified }";
        assert_eq!(fresh(feed), "");
        assert_eq!(
            with_slis(&format!("x: {{ freshness: {{ {feed}, within: 2h }}, objective: 90% }}")),
            "`x` stays good for 2h after the last new one, and users would have to be served for longer than that\n"
        );
        let one = |has: &str| format!("`freshness` needs exactly one of `query` and `answer`, and has {has}\n");
        assert_eq!(
            fresh("query: { service: shop, sql: SELECT 1 }, answer: { url: http://shop/, at: /x }"),
            one("`query` and `answer`")
        );
        assert_eq!(with_slis("x: { freshness: { within: 30s }, objective: 90% }"), one("none"));
        let place = |has: &str| format!("`answer` needs exactly one of `at` and `header`, and has {has}\n");
        assert_eq!(fresh("answer: { url: http://shop/ }"), place("none"));
        assert_eq!(fresh("answer: { url: http://shop/, at: /x, header: Date }"), place("`at` and `header`"));
        assert!(fresh("answer: { url: https://shop/, at: /x }").contains("is not a URL like `http://"));
        assert!(fresh("answer: { url: http://shop/, at: x }").contains("begins with `/`"));
        let prom = |of: &str| with_slis(&format!("x: {{ promql: {{ url: http://shop:9090, {of} }}, objective: 90% }}"));
        let total = "total: 'sum(rate(a[{{window}}]))', every: 1s, rate: 50/s";
        assert_eq!(prom(&format!("good: 'sum(rate(b[{{{{.window}}}}]))', {total}")), "");
        assert_eq!(prom(total), "`promql` needs exactly one of `good` and `bad`, and has none\n");
        let half = "good: 'rate(b[{{window}}])', total: 'rate(a[{{window}}])', every: 6s, rate: 50/s";
        assert!(
            prom(half).contains("`recover.hold` is 10s, too short for `x`, which is told every 6s"),
            "{}",
            prom(half)
        );
        let none = prom(&format!("bad: 'sum(rate(b[5m]))', {total}"));
        assert!(none.contains("its range must be `[{{window}}]`"), "{none}");
        let cpu = prom(&format!("good: 'sum(rate(node_cpu_seconds_total[{{{{window}}}}]))', {total}"));
        assert!(cpu.contains("`node_cpu_seconds_total`: this is a gauge of a server"), "{cpu}");
        let absent = prom(&format!("good: 'sum(rate(b[{{{{window}}}}]))', bad_may_be_absent: true, {total}"));
        assert!(absent.contains("is about the query `bad`"), "{absent}");
        let rare = prom("bad: 'rate(b[{{window}}])', total: 'rate(a[{{window}}])', every: 5s, rate: 50/s");
        assert_eq!(rare, "`impact.window` is 1s, too short for `x`, which is told every 5s\n");
        let slo = |of: &str| with_slis(&format!("x: {{ slo: slo.yaml{of} }}"));
        let asked = ", prometheus: { url: http://shop:9090, every: 1s, rate: 500/s }";
        assert_eq!(slo(&format!("#answers{asked}")), "");
        assert_eq!(slo(&format!("#answers{asked}, objective: 95%")), "");
        let less = slo(&format!("#answers{asked}, objective: 90%"));
        assert_eq!(less, "the SLI `x` promises 90%, and the file of its SLO 95%\n");
        assert!(slo(&format!("#other{asked}")).contains("has no SLO of this name"), "{}", slo(asked));
        assert!(slo(asked).contains("has several SLOs that are meant by this"), "{}", slo(asked));
        for (name, why) in [
            ("all", "an objective of 100% leaves no error budget"),
            ("none", "an objective of 0% promises nothing"),
            ("fraction", "an objective of 0.999% is likely a fraction taken for a percentage"),
            ("words", "cannot be asked: it has no objective that can be read"),
        ] {
            let told = slo(&format!("#{name}{asked}"));
            assert!(told.contains(why), "{name}: {told}");
        }
        assert_eq!(slo(&format!("#fraction{asked}, objective: 95%")), "");
        let typed = with_slis("x: { load: l, good: status < 500, objective: 0.995% }");
        assert!(typed.contains("an objective of 0.995% is likely a fraction"), "{typed}");
        assert!(slo(&format!("#share{asked}")).contains("gives a ratio and no events"));
        let list = with_slis("x: { slo: [], prometheus: { url: http://shop:9090 } }");
        assert!(list.contains("expected a file and a name"), "{list}");
        assert_eq!(slo("#answers"), "SLI `x` has no `prometheus`\n");
        let journey = |of: &str| with_slis(&format!("x: {{ slo: journeys.yaml#{of} }}"));
        assert_eq!(journey("shopping/latency_p90, load: l"), "");
        let (slos, _) = read_slis("x: { slo: journeys.yaml#shopping/latency_p90, load: l }");
        assert_eq!(slos, [None, Some("shopping/latency_p90".into())]);
        assert_eq!(journey("availability, load: l, objective: 95%"), "");
        assert!(journey("availability, load: l, objective: 90%").contains("promises 90%, and the file of its SLO 95%"));
        assert_eq!(journey("availability"), "SLI `x` has no `load`\n");
        assert!(
            journey("availability, load: l, good: status < 400").contains("`good` is not of an SLI over a journey")
        );
        assert!(journey("freshness, load: l").contains("has no SLO of this name"), "{}", journey("freshness, load: l"));
        let slow = with_slis("x: { load: l, good: latency < 5s, objective: 90% }");
        let why = "`x` takes answers of up to 5s for good, and the load's `timeout` is 3s\n";
        assert_eq!(slow, why);
        assert_eq!(with_slis("x: { load: l, good: latency <= 3s, objective: 90% }"), "");
        let neither = with_slis("x: { objective: 90% }");
        assert!(neither.contains("load") && neither.contains("good"), "{neither}");
    }
}
