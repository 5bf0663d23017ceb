//! What the faults of HTTP requests have in common: on which requests of a service they act.

use super::FaultFacts;
use super::by_agent::{A_SHARE, AgentFault, ProxyPlace, share};
use crate::agent::proxy::{HttpAction, HttpRule, read_header, read_method, read_path};
use crate::slis::Ratio;
use crate::source::{At, MapReader, TextForm, parse_size, shape};

const A_METHOD: TextForm = TextForm::new("an HTTP method like `POST`", || pattern("^[A-Za-z]+$"));
const A_PATH: TextForm = TextForm::new("a path like `/charges/*`", || pattern("^(?:/[^*?#]*\\*?|\\*)$"));
const A_HEADER: TextForm =
    TextForm::new("a header like `X-Canary: 1`", || pattern("^\\s*[^:\\s]+\\s*(?::[\\s\\S]*)?$"));
/// A size, of which 0 may be one.
pub(super) const A_SIZE: TextForm = TextForm::new(
    "a size like `1KiB`",
    || serde_json::json!({ "anyOf": [shape::size(), { "type": "integer", "minimum": 0 }] }),
);

/// A text that is not trimmed.
fn pattern(pattern: &str) -> serde_json::Value {
    // `method: true` is a word, too, and `header: 0` a name.
    serde_json::json!({ "type": ["string", "number", "boolean"], "pattern": pattern })
}

/// Reads a size of a body.
pub(super) fn size(text: &str) -> Result<u64, String> {
    parse_size(text, "no size like `1KiB`")
}

/// On which requests of a service a fault acts.
pub(super) struct HttpRequests {
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
    pub(super) fn read(map: &mut MapReader<'_>) -> Option<HttpRequests> {
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
    pub(super) fn fault(self, summary: String, action: HttpAction) -> (FaultFacts, AgentFault) {
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
    pub(super) fn words(&self) -> String {
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
        format!("{share}{every}{first}{method}{path}{header}{from} on {}", self.place)
    }
}
