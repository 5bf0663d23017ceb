//! How clients of Toxiproxy write a toxic down.

use super::super::proxy::{
    ActiveRule, HttpAction, HttpRule, TOXICS, Toxic, ToxicKind, ToxicStream, read_header, read_header_name,
    read_header_value, read_method, read_path,
};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The toxics of HTTP with the names of their attributes.
const HTTP_TOXICS: [(&str, &[&str]); 4] = [
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
    kind: &'static str,
    own: &'static [&'static str],
    /// As they were given.
    attributes: Map<String, Value>,
    rule: HttpRule,
}

impl ApiToxic {
    /// Reads a toxic, as it is sent to `POST /proxies/{proxy}/toxics`.
    pub(super) fn read(value: &Value) -> Result<ApiToxic, ApiRefusal> {
        let fields = Fields::of(value)?;
        let [name, kind] = [fields.text("name")?, fields.text("type")?];
        let stream = match fields.text("stream")? {
            Some(stream) => Some(stream),
            None => fields.text("direction")?,
        };
        let toxicity = fields.toxicity()?.unwrap_or(1.0);
        let attributes = fields.attributes()?;
        let stream = stream.unwrap_or_else(|| "downstream".into());
        let direction = ToxicStream::ALL.into_iter().find(|known| stream.eq_ignore_ascii_case(known.name()));
        let direction = direction
            .ok_or_else(|| ApiRefusal::new(400, "stream was invalid, can be either upstream or downstream"))?;
        let kind = kind.unwrap_or_default();
        let of_bytes = TOXICS.into_iter().find(|(_, name, _)| *name == kind);
        let of_http = HTTP_TOXICS.into_iter().find(|(name, _)| *name == kind);
        let known = of_bytes.map(|(kind, name, _)| (kind, name)).or(of_http.map(|(name, _)| (ToxicKind::Noop, name)));
        let (kind, called) = known.ok_or_else(|| ApiRefusal::new(400, "invalid toxic type"))?;
        let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("{called}_{stream}"));
        addressable(&name)?;
        let toxic = Toxic { name, kind, direction, stream, toxicity, attributes: [0; 3] };
        match of_http {
            Some((kind, own)) => ApiToxic::of_http(toxic, kind, own, Map::new(), &attributes),
            None => ApiToxic { toxic, http: None }.merged(&attributes),
        }
    }

    fn of_http(
        toxic: Toxic,
        kind: &'static str,
        own: &'static [&'static str],
        mut attributes: Map<String, Value>,
        given: &Fields<'_>,
    ) -> Result<ApiToxic, ApiRefusal> {
        for (name, value) in given.0.into_iter().flatten() {
            let known = own.iter().chain(&OF_REQUESTS).find(|known| known.eq_ignore_ascii_case(name));
            let known = known.ok_or_else(|| ApiRefusal::body(format!("{kind} has no attribute {name:?}")))?;
            match value {
                Value::Null => drop(attributes.remove(*known)),
                value => drop(attributes.insert(known.to_string(), value.clone())),
            }
        }
        let rule = http_rule(kind, &Fields(Some(&attributes)), toxic.toxicity)?;
        Ok(ApiToxic { toxic, http: Some(HttpToxic { kind, own, attributes, rule }) })
    }

    /// The toxic with the attributes and the toxicity that are given, as sent to `PATCH /proxies/{proxy}/toxics/{toxic}`.
    pub(super) fn updated(&self, value: &Value) -> Result<ApiToxic, ApiRefusal> {
        let fields = Fields::of(value)?;
        let mut updated = self.clone();
        updated.toxic.toxicity = fields.toxicity()?.unwrap_or(self.toxic.toxicity);
        updated.merged(&fields.attributes()?)
    }

    fn merged(mut self, given: &Fields<'_>) -> Result<ApiToxic, ApiRefusal> {
        if let Some(HttpToxic { kind, own, attributes, .. }) = self.http {
            return ApiToxic::of_http(self.toxic, kind, own, attributes, given);
        }
        let names = self.toxic.described().2;
        for (name, kept) in names.iter().zip(&mut self.toxic.attributes) {
            if let Some(value) = given.get(name) {
                let whole = || ApiRefusal::body(format!("attributes.{name} must be a whole number, not {value}"));
                *kept = value.as_i64().ok_or_else(whole)?;
            }
        }
        Ok(self)
    }

    /// What it does about HTTP requests, in a proxy of this seed.
    pub(super) fn active_rule(&self, seed: u64) -> Option<ActiveRule> {
        let rule = self.http.as_ref()?.rule.clone();
        let seed = self.toxic.name.bytes().fold(seed, |seed, byte| seed.rotate_left(8) ^ u64::from(byte));
        // It was looked at when it was read.
        ActiveRule::new(&self.toxic.name, HttpRule { seed, ..rule }).ok()
    }

    /// The toxic as clients read it.
    pub(super) fn json(&self) -> Value {
        let (_, kind, names) = self.toxic.described();
        let numbers = || names.iter().zip(self.toxic.attributes).map(|(name, value)| (name.to_string(), value.into()));
        let (kind, attributes) = match &self.http {
            Some(http) => (&http.kind, http.attributes.clone()),
            None => (kind, numbers().collect()),
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

/// What a toxic of HTTP with these attributes does, and about which requests.
fn http_rule(kind: &str, fields: &Fields<'_>, toxicity: f32) -> Result<HttpRule, ApiRefusal> {
    let refused = |why: String| ApiRefusal::body(format!("{kind}: {why}"));
    let missing = |names: &str| ApiRefusal::new(400, format!("missing required field: attributes.{names}"));
    let needed = |name| fields.whole(name)?.ok_or_else(|| missing(name));
    let text = |name, read: fn(&str) -> Result<String, String>| {
        fields.text(name)?.map(|text| read(&text).map_err(refused)).transpose()
    };
    let per_connection = match fields.text("per")?.as_deref() {
        None | Some("request") => false,
        Some("connection") => true,
        Some(other) => return Err(refused(format!("{other:?} is not `request` or `connection`"))),
    };
    let action = match kind {
        "http_status" => HttpAction::Status {
            status: u16::try_from(needed("status")?).unwrap_or(u16::MAX),
            body: fields.text("body")?,
            retry_after: fields.whole("retry_after")?,
        },
        "http_delay" => HttpAction::Delay {
            delay: Duration::from_millis(needed("delay")?),
            jitter: Duration::from_millis(fields.whole("jitter")?.unwrap_or(0)),
        },
        "http_body" => match (fields.text("replace")?, fields.whole("cut")?, fields.whole("rate")?) {
            (Some(body), None, None) => HttpAction::ReplaceBody { body },
            (None, Some(after), None) => HttpAction::CutBody { after, reset: fields.flag("reset")?.unwrap_or(false) },
            (None, None, Some(rate)) => HttpAction::SlowBody { rate },
            (None, None, None) => return Err(missing("replace, cut or rate")),
            _ => return Err(refused("a body is replaced, cut short or slow, and not two of these".into())),
        },
        _ => {
            let header = |(name, value): (&String, &Value)| {
                let value = value.as_str().ok_or_else(|| refused(format!("{name} must be a string")))?;
                Ok((read_header_name(name).map_err(refused)?, read_header_value(value).map_err(refused)?))
            };
            let set = fields.typed("set", "an object", Value::as_object)?.into_iter().flatten();
            let name = |name: &Value| {
                let name = name.as_str().ok_or_else(|| refused("remove has names of headers".into()))?;
                read_header_name(name).map_err(refused)
            };
            let set = set.map(header).collect::<Result<Vec<_>, ApiRefusal>>()?;
            let remove = fields.list("remove")?.into_iter().flatten().map(name).collect::<Result<Vec<_>, _>>()?;
            if set.is_empty() && remove.is_empty() {
                return Err(missing("set or remove"));
            }
            HttpAction::Headers { set, remove }
        }
    };
    let rule = HttpRule {
        port: None,
        method: text("method", read_method)?,
        path: text("path", read_path)?,
        header: fields.text("header")?.map(|text| read_header(&text).map_err(refused)).transpose()?,
        share: f64::from(toxicity.clamp(0.0, 1.0)),
        per_connection,
        first: fields.whole("first")?,
        every: fields.whole("every")?,
        action,
        seed: 0,
    };
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

/// A name that can stand in a path.
pub(super) fn addressable(name: &str) -> Result<(), ApiRefusal> {
    match name.chars().all(|c| c != '/' && !c.is_control()) && name != "." && name != ".." {
        true => Ok(()),
        false => Err(ApiRefusal::body(format!("the name {name:?} cannot stand in a URL"))),
    }
}

/// The fields of a JSON object; their names count in any case, and null is as good as nothing, as for the server in Go.
pub(super) struct Fields<'a>(Option<&'a Map<String, Value>>);

impl<'a> Fields<'a> {
    pub(super) fn of(value: &'a Value) -> Result<Fields<'a>, ApiRefusal> {
        match value {
            Value::Object(map) => Ok(Fields(Some(map))),
            Value::Null => Ok(Fields(None)),
            other => Err(ApiRefusal::body(format!("an object was expected, not {}", kind_of(other)))),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        let mut found = self.0?.iter().rev().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value).filter(|value| !value.is_null())
    }

    fn typed<T>(&self, name: &str, form: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>, ApiRefusal> {
        let wrong = |value| ApiRefusal::body(format!("{name} must be {form}, not {}", kind_of(value)));
        self.get(name).map(|value| read(value).ok_or_else(|| wrong(value))).transpose()
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, ApiRefusal> {
        self.typed(name, "a string", |value| value.as_str().map(str::to_string))
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, ApiRefusal> {
        self.typed(name, "true or false", Value::as_bool)
    }

    fn whole(&self, name: &str) -> Result<Option<u64>, ApiRefusal> {
        self.typed(name, "a whole number", Value::as_u64)
    }

    pub(super) fn list(&self, name: &str) -> Result<Option<&'a Vec<Value>>, ApiRefusal> {
        self.typed(name, "an array", Value::as_array)
    }

    fn toxicity(&self) -> Result<Option<f32>, ApiRefusal> {
        let number = self.typed("toxicity", "a number", Value::as_f64)?;
        Ok(number.map(|number| number as f32))
    }

    fn attributes(&self) -> Result<Fields<'a>, ApiRefusal> {
        self.get("attributes").map_or(Ok(Fields(None)), Fields::of)
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
