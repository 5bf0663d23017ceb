//! `http_header`: headers of answers are set or removed.
//!
//! ```yaml
//! - http_header: { service: payments, set: { Cache-Control: no-store }, remove: [ETag] }
//! ```

use super::by_agent::ReadAgentFault;
use super::http::HttpRequests;
use crate::agent::proxy::{HttpAction, read_header_name, read_header_value};
use crate::source::{MapReader, TextForm, shape};

const A_NAME: TextForm = TextForm::new("the name of a header", shape::scalar);
const A_VALUE: TextForm = TextForm::new("the value of a header", shape::scalar);

/// Reads its parameters; `None` when there were mistakes, which are noted.
pub(super) fn from_map(map: &mut MapReader<'_>) -> ReadAgentFault {
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
