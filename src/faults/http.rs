//! What is done about HTTP requests, by a proxy in front of a service; and on which requests of a service these faults act.

use super::FaultFacts;
use super::by_agent::{A_SHARE, AgentFault, ProxyPlace, ReadAgentFault, share};
use crate::agent::proxy::{
    HttpAction, HttpRule, read_header, read_header_name, read_header_value, read_method, read_path,
};
use crate::slis::Ratio;
use crate::source::{At, MAX_DURATION, MapReader, TextForm, parse_size, shape};
use std::time::Duration;

const A_METHOD: TextForm = TextForm::new("an HTTP method like `POST`", || pattern("^[A-Za-z]+$"));
const A_PATH: TextForm = TextForm::new("a path like `/charges/*`", || pattern("^(?:/[^*?#]*\\*?|\\*)$"));
const A_HEADER: TextForm =
    TextForm::new("a header like `X-Canary: 1`", || pattern("^\\s*[^:\\s]+\\s*(?::[\\s\\S]*)?$"));
/// A size, of which 0 may be one.
const A_SIZE: TextForm = TextForm::new(
    "a size like `1KiB`",
    || serde_json::json!({ "anyOf": [shape::size(), { "type": "integer", "minimum": 0 }] }),
);

/// A text that is not trimmed.
fn pattern(pattern: &str) -> serde_json::Value {
    // `method: true` is a word, too, and `header: 0` a name.
    serde_json::json!({ "type": ["string", "number", "boolean"], "pattern": pattern })
}

/// Reads a size of a body.
fn size(text: &str) -> Result<u64, String> {
    parse_size(text, "no size like `1KiB`")
}

/// On which requests of a service a fault acts.
struct HttpRequests {
    place: ProxyPlace,
    method: Option<String>,
    path: Option<String>,
    header: Option<(String, Option<String>)>,
    share: f64,
    first: Option<u64>,
    every: Option<u64>,
}

impl HttpRequests {
    /// Reads them from the parameters of a fault.
    fn read(map: &mut MapReader<'_>) -> Option<HttpRequests> {
        map.in_section("Requests", |map| {
            let place = ProxyPlace::read(map);
            let method = map.optional_with("method", A_METHOD, read_method);
            let path = map.optional_with("path", A_PATH, read_path);
            let header = map.optional_with("header", A_HEADER, read_header);
            let share = map.optional_with("share", A_SHARE, share).map_or(1.0, Ratio::get);
            let count = |at: &mut At<'_>| at.number(1..=u32::MAX, "a number from 1", "a number from 1").map(u64::from);
            let [first, every] = ["first", "every"].map(|key| map.optional_by(key, count));
            Some(HttpRequests { place: place?, method, path, header, share, first, every })
        })
    }

    /// The fault that does this about them.
    fn fault(self, summary: String, action: HttpAction) -> (FaultFacts, AgentFault) {
        let HttpRequests { place, method, path, header, share, first, every } = self;
        let (port, from, per_connection, seed) = (place.port(), place.from.clone(), false, 0);
        let rule = HttpRule { port, from, method, path, header, share, per_connection, first, every, action, seed };
        let grows = matches!(rule.action, HttpAction::Delay { .. });
        let (facts, fault) = AgentFault::in_front(&place, summary, move |context| {
            let mut rule = HttpRule { seed: context.seed, ..rule.clone() };
            if let HttpAction::Delay { delay, jitter } = &mut rule.action {
                [delay, jitter].into_iter().for_each(|time| *time = time.mul_f64(context.strength));
            }
            rule
        });
        (FaultFacts { grows, ..facts }, fault)
    }

    /// In words: `50% of POST /charge on ...`.
    fn words(&self) -> String {
        let share = Ratio::new(self.share).filter(|share| share.get() < 1.0);
        let share = share.map_or_else(String::new, |share| format!("{share} of "));
        let every = self.every.map_or_else(String::new, |every| format!("one in {every} of "));
        let first = self.first.map_or_else(String::new, |first| format!("the first {first} of "));
        let method = self.method.as_ref().map_or_else(String::new, |method| format!("{method} "));
        let header = self.header.as_ref().map_or_else(String::new, |(name, value)| {
            let value = value.as_ref().map_or_else(String::new, |value| format!(": {value}"));
            format!(" with `{name}{value}`")
        });
        let path = self.path.as_deref().unwrap_or("*");
        let from = self.place.client("from");
        format!("{share}{every}{first}{method}{path}{header}{from} on {}", self.place.describe())
    }
}

fn rate(text: &str) -> Result<u64, String> {
    size(text).and_then(|rate| if rate == 0 { Err("a rate of 0 never ends".into()) } else { Ok(rate) })
}

/// `http_body`: the body of an answer is cut short, replaced, or arrives slowly.
///
/// ```yaml
/// - http_body: { service: payments, cut: 100 }                    # bytes; then the connection is closed
/// - http_body: { service: payments, replace: "not json" }
/// - http_body: { service: payments, path: /list, rate: 1KiB }      # a second
/// ```
pub(super) fn http_body(map: &mut MapReader<'_>) -> ReadAgentFault {
    let requests = HttpRequests::read(map);
    let replace: Option<String> = map.optional("replace");
    let cut = map.optional_with("cut", A_SIZE, size);
    let rate = map.optional_with("rate", A_SIZE, rate);
    let help = "a body is replaced, cut short or slow: write `cut: 100`, `replace: \"…\"` or `rate: 1KiB`";
    map.exactly_one(&["replace", "cut", "rate"], help);
    let replaced = replace.map(|body| HttpAction::ReplaceBody { body });
    let cut = cut.map(|after| HttpAction::CutBody { after, reset: false });
    let action = replaced.or(cut).or(rate.map(|rate| HttpAction::SlowBody { rate }));
    let (requests, action) = (requests?, action?);
    let which = requests.words();
    let summary = match &action {
        HttpAction::CutBody { after, .. } => format!("cuts the answers to {which} to {after} bytes"),
        HttpAction::SlowBody { rate } => format!("sends the answers to {which} at {rate} bytes a second"),
        _ => format!("replaces the body of the answers to {which}"),
    };
    Some(requests.fault(summary, action))
}

/// `http_delay`: requests reach a service later; the connection and other requests are not slowed down.
///
/// ```yaml
/// - http_delay: { service: payments, delay: 500ms, jitter: 100ms }
/// - http_delay: { service: payments, path: /charges/*, share: 10%, delay: 3s }
/// ```
pub(super) fn http_delay(map: &mut MapReader<'_>) -> ReadAgentFault {
    let requests = HttpRequests::read(map);
    let delay = map.require_by("delay", |at| at.within(MAX_DURATION));
    let jitter: Option<Duration> = map.optional("jitter");
    let (requests, delay, jitter) = (requests?, delay?, jitter.unwrap_or_default());
    let spread = if jitter.is_zero() { String::new() } else { format!(" ± {jitter:?}") };
    let summary = format!("delays {} by {delay:?}{spread}", requests.words());
    Some(requests.fault(summary, HttpAction::Delay { delay, jitter }))
}

const A_NAME: TextForm = TextForm::new("the name of a header", shape::scalar);
const A_VALUE: TextForm = TextForm::new("the value of a header", shape::scalar);

/// `http_header`: headers of answers are set or removed.
///
/// ```yaml
/// - http_header: { service: payments, set: { Cache-Control: no-store }, remove: [ETag] }
/// ```
pub(super) fn http_header(map: &mut MapReader<'_>) -> ReadAgentFault {
    let requests = HttpRequests::read(map);
    let set = map.optional_by("set", |at| {
        let set = at.entries("a map of headers", "write `{ Cache-Control: no-store }`", |at| {
            let name = read_header_name(at.key).map_err(|message| at.error_at_key(message)).ok();
            let value = at.parse(A_VALUE, read_header_value);
            Some((name?, value?))
        });
        at.must_not_be_empty("`set` sets nothing", "write `{ Cache-Control: no-store }`");
        Some(set)
    });
    let remove = map.optional_by("remove", |at| {
        let names = at.items("a list of names", "write `[ETag]`", |at| at.parse(A_NAME, read_header_name));
        at.must_not_be_empty("`remove` removes nothing", "write `[ETag]`");
        Some(names)
    });
    map.also(serde_json::json!({ "anyOf": [{ "required": ["set"] }, { "required": ["remove"] }] }));
    let (set, remove) = (set.unwrap_or_default(), remove.unwrap_or_default());
    if !map.has("set") && !map.has("remove") {
        map.error(map.head(), "no header is changed: neither `set` nor `remove`").help("write `remove: [ETag]`");
    }
    let requests = requests?;
    let words = set.iter().map(|(name, value)| format!("sets `{name}: {value}`"));
    let words = words.chain(remove.iter().map(|name| format!("removes `{name}`"))).collect::<Vec<_>>().join(", ");
    let summary = format!("{words} on the answers to {}", requests.words());
    Some(requests.fault(summary, HttpAction::Headers { set, remove }))
}

/// `http_reset`: the connection is reset within the body of an answer.
///
/// ```yaml
/// - http_reset: { service: payments, after: 1KiB }    # of the body; right after the headers, when it is left out
/// ```
pub(super) fn http_reset(map: &mut MapReader<'_>) -> ReadAgentFault {
    let requests = HttpRequests::read(map);
    let after = map.optional_with("after", A_SIZE, size);
    let (requests, after) = (requests?, after.unwrap_or(0));
    let summary = format!("resets connections after {after} bytes of the answers to {}", requests.words());
    Some(requests.fault(summary, HttpAction::CutBody { after, reset: true }))
}

/// `http_status`: a proxy in front of a service answers in its place; what does not match reaches the service.
///
/// ```yaml
/// - http_status: { service: payments, status: 503 }
/// - http_status:
///     service: payments
///     port: 8080            # every HTTP port that the stack declares, when it is left out
///     method: POST
///     path: /charges/*      # a `*` at its end matches any rest; the query does not count
///     share: 50%            # drawn for each request
///     status: 429
///     body: '{"error": "slow down"}'
///     retry_after: 30s
/// ```
pub(super) fn http_status(map: &mut MapReader<'_>) -> ReadAgentFault {
    let requests = HttpRequests::read(map);
    let not = "the status of an answer: 200 to 599";
    let status: Option<u16> = map.require_by("status", |at| at.number(200..=599, "an HTTP status like `503`", not));
    let body: Option<String> = map.optional("body");
    let retry_after = map.optional_by("retry_after", |at| match at.value::<Duration>()? {
        whole if whole.subsec_nanos() == 0 => Some(whole.as_secs()),
        _ => at.not("it is not a number of whole seconds, which the header has"),
    });
    let (requests, status) = (requests?, status?);
    let summary = format!("answers {} with {status}", requests.words());
    Some(requests.fault(summary, HttpAction::Status { status, body, retry_after }))
}
