//! `http_header`: headers of answers are set or removed.
//!
//! ```yaml
//! - http_header: { service: payments, set: { Cache-Control: no-store }, remove: [ETag] }
//! ```

use super::by_agent::{ProxyFault, ProxyPlace};
use super::http::{HttpRequests, header_name, header_value};
use crate::agent::proxy::{HttpAction, HttpRule};
use crate::source::{MapReader, TextForm, shape};

const A_NAME: TextForm = TextForm::new("the name of a header", shape::scalar);
const A_VALUE: TextForm = TextForm::new("the value of a header", shape::scalar);

/// Answers with other headers.
#[derive(Debug, Clone)]
pub struct HttpHeader {
    requests: HttpRequests,
    set: Vec<(String, String)>,
    remove: Vec<String>,
}

impl ProxyFault for HttpHeader {
    type Rule = HttpRule;

    fn from_map(map: &mut MapReader<'_>) -> Option<Self> {
        let requests = HttpRequests::read(map);
        let set = map.optional_by("set", |at| {
            let set = at.entries("a map of headers", "write `{ Cache-Control: no-store }`", |at| {
                let name = header_name(at.key).map_err(|message| at.error_at_key(message)).ok();
                let value = at.parse(A_VALUE, header_value);
                Some((name?, value?))
            });
            at.must_not_be_empty("`set` sets nothing", "write `{ Cache-Control: no-store }`");
            Some(set)
        });
        let remove = map.optional_by("remove", |at| {
            let names = at.items("a list of names", "write `[ETag]`", |at| at.parse(A_NAME, header_name));
            at.must_not_be_empty("`remove` removes nothing", "write `[ETag]`");
            Some(names)
        });
        map.also(serde_json::json!({ "anyOf": [{ "required": ["set"] }, { "required": ["remove"] }] }));
        let (set, remove) = (set.unwrap_or_default(), remove.unwrap_or_default());
        if !map.has("set") && !map.has("remove") {
            map.error(map.head(), "no header is changed: neither `set` nor `remove`").help("write `remove: [ETag]`");
        }
        Some(HttpHeader { requests: requests?, set, remove })
    }

    fn summary(&self) -> String {
        let set: Vec<String> = self.set.iter().map(|(name, value)| format!("sets `{name}: {value}`")).collect();
        let removed: Vec<String> = self.remove.iter().map(|name| format!("removes `{name}`")).collect();
        format!("{} on the answers to {}", [set, removed].concat().join(", "), self.requests.words())
    }

    fn place(&self) -> &ProxyPlace {
        &self.requests.place
    }

    fn rule(&self, seed: u64) -> HttpRule {
        self.requests.rule(HttpAction::Headers { set: self.set.clone(), remove: self.remove.clone() }, seed)
    }
}
