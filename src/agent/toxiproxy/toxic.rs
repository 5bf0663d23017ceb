//! How clients of Toxiproxy write a toxic down.

use super::super::proxy::{
    ActiveRule, HttpAction, HttpRule, ProxyRule, Toxic, ToxicKind, ToxicStream, read_header, read_header_name,
    read_header_value, read_method, read_path,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// A toxic of HTTP with the names of its attributes.
type HttpToxicKind = (&'static str, &'static [&'static str]);

/// All of them.
static HTTP_TOXICS: [HttpToxicKind; 4] = [
    ("http_status", &["status", "body", "retry_after"]),
    ("http_delay", &["delay", "jitter"]),
    ("http_body", &["replace", "cut", "reset", "rate"]),
    ("http_header", &["set", "remove"]),
];
/// The attributes that all of them have: on which requests they act.
const OF_REQUESTS: [&str; 6] = ["method", "path", "header", "first", "every", "per"];

/// Why a call is refused: the HTTP status, and the message that stands under `error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiRefusal {
    pub(super) status: u16,
    pub(super) message: String,
}

impl ApiRefusal {
    pub(super) fn new(status: u16, message: impl Into<String>) -> ApiRefusal {
        ApiRefusal { status, message: message.into() }
    }

    /// A body that cannot be read.
    pub(super) fn body(why: impl std::fmt::Display) -> ApiRefusal {
        ApiRefusal::new(400, format!("bad request body: {why}"))
    }
}

/// A toxic of a proxy: of connections, or of HTTP requests.
#[derive(Debug, Clone)]
pub(super) struct ApiToxic {
    /// Where it is one of HTTP, its name, stream and toxicity alone count.
    pub(super) toxic: Toxic,
    pub(super) http: Option<HttpToxic>,
}

/// What a toxic does about HTTP requests.
#[derive(Debug, Clone)]
pub(super) struct HttpToxic {
    kind: &'static HttpToxicKind,
    /// As they were given.
    attributes: Map<String, Value>,
    rule: HttpRule,
}

impl ApiToxic {
    /// Reads a toxic, as it is sent to `POST /proxies/{proxy}/toxics`. Mistakes are told in Toxiproxy's order.
    pub(super) fn read(value: &Value, is_taken: impl Fn(&str) -> bool) -> Result<ApiToxic, ApiRefusal> {
        let (toxicity, attributes) = read_change(value)?;
        let GivenToxic { name, r#type: kind, stream, direction } = read_fields(value)?;
        let stream = stream.or(direction).unwrap_or_else(|| "downstream".into());
        let direction = ToxicStream::ALL.into_iter().find(|known| stream.eq_ignore_ascii_case(known.name()));
        let direction = direction
            .ok_or_else(|| ApiRefusal::new(400, "stream was invalid, can be either upstream or downstream"))?;
        let of_http = HTTP_TOXICS.iter().find(|(name, _)| *name == kind);
        let name = if name.is_empty() { format!("{kind}_{stream}") } else { name };
        let kind = ToxicKind::from_name(&kind).or(of_http.map(|_| ToxicKind::Noop));
        let kind = kind.ok_or_else(|| ApiRefusal::new(400, "invalid toxic type"))?;
        if is_taken(&name) {
            return Err(ApiRefusal::new(409, "toxic already exists"));
        }
        let toxic = Toxic { name, kind, direction, stream, toxicity: toxicity.unwrap_or(1.0), attributes: [0; 3] };
        match of_http {
            Some(kind) => ApiToxic::of_http(toxic, kind, Map::new(), &attributes),
            None => ApiToxic { toxic, http: None }.merged(&attributes),
        }
    }

    fn of_http(
        toxic: Toxic,
        kind: &'static HttpToxicKind,
        mut attributes: Map<String, Value>,
        given: &Map<String, Value>,
    ) -> Result<ApiToxic, ApiRefusal> {
        for (name, value) in given {
            let known = kind.1.iter().chain(&OF_REQUESTS).find(|known| *known == name);
            let known = known.ok_or_else(|| ApiRefusal::body(format!("{} has no attribute {name:?}", kind.0)))?;
            match value {
                Value::Null => drop(attributes.remove(*known)),
                value => drop(attributes.insert(known.to_string(), value.clone())),
            }
        }
        let rule = http_rule(kind.0, &attributes, toxic.toxicity)?;
        Ok(ApiToxic { toxic, http: Some(HttpToxic { kind, attributes, rule }) })
    }

    /// The toxic with the attributes and the toxicity that are given, as sent to `PATCH /proxies/{proxy}/toxics/{toxic}`.
    pub(super) fn updated(&self, value: &Value) -> Result<ApiToxic, ApiRefusal> {
        let (toxicity, attributes) = read_change(value)?;
        let mut updated = self.clone();
        updated.toxic.toxicity = toxicity.unwrap_or(self.toxic.toxicity);
        updated.merged(&attributes)
    }

    fn merged(mut self, given: &Map<String, Value>) -> Result<ApiToxic, ApiRefusal> {
        if let Some(HttpToxic { kind, attributes, .. }) = self.http {
            return ApiToxic::of_http(self.toxic, kind, attributes, given);
        }
        let names = self.toxic.kind.attributes();
        for (name, kept) in names.iter().zip(&mut self.toxic.attributes) {
            if let Some(value) = given.get(*name).filter(|value| !value.is_null()) {
                let whole = || ApiRefusal::body(format!("attributes.{name} must be a whole number, not {value}"));
                *kept = value.as_i64().ok_or_else(whole)?;
            }
        }
        Ok(self)
    }

    /// What it does about HTTP requests to this port, in a proxy of this seed.
    pub(super) fn active_rule(&self, prefix: &str, port: Option<u16>, seed: u64) -> Option<ActiveRule<HttpRule>> {
        let rule = self.http.as_ref()?.rule.clone();
        let seed = self.toxic.name.bytes().fold(seed, |seed, byte| seed.rotate_left(8) ^ u64::from(byte));
        ActiveRule::new(&format!("{prefix}{}", self.toxic.name), HttpRule { seed, port, ..rule }).ok()
    }

    /// The toxic as clients read it.
    pub(super) fn json(&self) -> Value {
        let names = self.toxic.kind.attributes();
        let numbers = || names.iter().zip(self.toxic.attributes).map(|(name, value)| (name.to_string(), value.into()));
        let (kind, attributes) = match &self.http {
            Some(http) => (http.kind.0, http.attributes.clone()),
            None => (self.toxic.kind.name(), numbers().collect()),
        };
        json!({
            "attributes": attributes,
            "name": self.toxic.name,
            "type": kind,
            "stream": self.toxic.stream,
            "toxicity": short(self.toxic.toxicity),
        })
    }
}

/// What a toxic is, as clients send it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct GivenToxic {
    name: String,
    r#type: String,
    stream: Option<String>,
    /// Another spelling of `stream`.
    direction: Option<String>,
}

/// What can be changed of a toxic, as clients send it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct GivenChange {
    toxicity: Option<f32>,
    attributes: Value,
}

/// The toxicity and the attributes that are given; nothing else is looked at.
fn read_change(value: &Value) -> Result<(Option<f32>, Map<String, Value>), ApiRefusal> {
    let GivenChange { toxicity, attributes } = read_fields(value)?;
    if toxicity.is_some_and(f32::is_infinite) {
        return Err(ApiRefusal::body("toxicity: a smaller number was expected"));
    }
    Ok((toxicity, attributes_of(&attributes)?))
}

/// Reads an attribute, if it is given.
fn attribute<T: DeserializeOwned>(given: &Map<String, Value>, name: &str) -> Result<Option<T>, ApiRefusal> {
    let value = given.get(name).map(T::deserialize).transpose();
    value.map_err(|error| ApiRefusal::body(format!("{name}: {error}")))
}

/// What a toxic of HTTP with these attributes does, and about which requests.
fn http_rule(kind: &str, given: &Map<String, Value>, toxicity: f32) -> Result<HttpRule, ApiRefusal> {
    let refused = |why: String| ApiRefusal::body(format!("{kind}: {why}"));
    let missing = |names: &str| ApiRefusal::new(400, format!("missing required field: attributes.{names}"));
    let text = |name: &str| attribute::<String>(given, name);
    let number = |name: &str| attribute::<u64>(given, name);
    let read = |name: &str, read: fn(&str) -> Result<String, String>| {
        text(name)?.map(|text| read(&text).map_err(refused)).transpose()
    };
    let per_connection = match text("per")?.as_deref() {
        None | Some("request") => false,
        Some("connection") => true,
        Some(other) => return Err(refused(format!("{other:?} is not `request` or `connection`"))),
    };
    let reset = attribute(given, "reset")?.unwrap_or_default();
    let action = match kind {
        "http_status" => HttpAction::Status {
            status: number("status")?.ok_or_else(|| missing("status"))?.try_into().unwrap_or(u16::MAX),
            body: text("body")?,
            retry_after: number("retry_after")?,
        },
        "http_delay" => HttpAction::Delay {
            delay: Duration::from_millis(number("delay")?.ok_or_else(|| missing("delay"))?),
            jitter: Duration::from_millis(number("jitter")?.unwrap_or_default()),
        },
        "http_body" => match (text("replace")?, number("cut")?, number("rate")?) {
            (Some(body), None, None) => HttpAction::ReplaceBody { body },
            (None, Some(after), None) => HttpAction::CutBody { after, reset },
            (None, None, Some(rate)) => HttpAction::SlowBody { rate },
            (None, None, None) => return Err(missing("replace, cut or rate")),
            _ => return Err(refused("a body is replaced, cut short or slow, and not two of these".into())),
        },
        _ => {
            let set: BTreeMap<String, String> = attribute(given, "set")?.unwrap_or_default();
            let remove: Vec<String> = attribute(given, "remove")?.unwrap_or_default();
            if set.is_empty() && remove.is_empty() {
                return Err(missing("set or remove"));
            }
            let header = |(name, value): (String, String)| Ok((read_header_name(&name)?, read_header_value(&value)?));
            let set = set.into_iter().map(header).collect::<Result<_, String>>().map_err(refused)?;
            let remove = remove.iter().map(|name| read_header_name(name)).collect::<Result<_, _>>();
            HttpAction::Headers { set, remove: remove.map_err(refused)? }
        }
    };
    let (method, path) = (read("method", read_method)?, read("path", read_path)?);
    let header = text("header")?.map(|text| read_header(&text).map_err(refused)).transpose()?;
    let (first, every) = (number("first")?, number("every")?);
    let (port, from, share, seed) = (None, None, f64::from(toxicity.clamp(0.0, 1.0)), 0);
    let rule = HttpRule { port, from, method, path, header, share, per_connection, first, every, action, seed };
    rule.check().map_err(refused)?;
    Ok(rule)
}

/// A number without the digits that only `f64` has, and whole where it is whole.
fn short(number: f32) -> Value {
    match number.to_string().parse::<f64>() {
        Ok(number) if number.fract() == 0.0 && number.abs() < 1e15 => Value::from(number as i64),
        Ok(number) => Value::from(number),
        Err(_) => Value::Null,
    }
}

/// Reads a JSON object as the server in Go does: names of fields count in any case, and null is as good as nothing.
pub(super) fn read_fields<T: DeserializeOwned>(value: &Value) -> Result<T, ApiRefusal> {
    let mut fields = attributes_of(value)?;
    fields.retain(|_, value| !value.is_null());
    serde_json::from_value(Value::Object(fields.clone())).map_err(|error| {
        let is_wrong =
            |(name, value): &(&String, &Value)| serde_json::from_value::<T>(json!({ *name: value })).is_err();
        let wrong = fields.iter().find(is_wrong).map_or(String::new(), |(name, _)| format!("{name}: "));
        ApiRefusal::body(format!("{wrong}{error}"))
    })
}

/// The fields of a JSON object with their names in small letters; of null none.
fn attributes_of(value: &Value) -> Result<Map<String, Value>, ApiRefusal> {
    match value {
        Value::Object(map) => Ok(map.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect()),
        Value::Null => Ok(Map::new()),
        other => Err(ApiRefusal::body(format!("an object was expected, not {other}"))),
    }
}
