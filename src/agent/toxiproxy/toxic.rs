//! How clients of Toxiproxy write a toxic down.

use super::super::proxy::{TOXICS, Toxic, ToxicStream};
use serde_json::{Map, Value, json};

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

impl Toxic {
    /// Reads a toxic, as it is sent to `POST /proxies/{proxy}/toxics`.
    pub(super) fn read(value: &Value) -> Result<Toxic, ApiRefusal> {
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
        let known = TOXICS.iter().find(|(_, name, _)| *name == kind);
        let &(kind, called, _) = known.ok_or_else(|| ApiRefusal::new(400, "invalid toxic type"))?;
        let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("{called}_{stream}"));
        addressable(&name)?;
        let mut toxic = Toxic { name, kind, direction, stream, toxicity, attributes: [0; 3] };
        toxic.merge(&attributes)?;
        Ok(toxic)
    }

    /// The toxic with the attributes and the toxicity that are given, as sent to `PATCH /proxies/{proxy}/toxics/{toxic}`.
    pub(super) fn updated(&self, value: &Value) -> Result<Toxic, ApiRefusal> {
        let fields = Fields::of(value)?;
        let mut toxic = self.clone();
        toxic.merge(&fields.attributes()?)?;
        toxic.toxicity = fields.toxicity()?.unwrap_or(self.toxicity);
        Ok(toxic)
    }

    fn merge(&mut self, given: &Fields<'_>) -> Result<(), ApiRefusal> {
        for (name, kept) in self.names().iter().zip(&mut self.attributes) {
            if let Some(value) = given.get(name) {
                let whole = || ApiRefusal::body(format!("attributes.{name} must be a whole number, not {value}"));
                *kept = value.as_i64().ok_or_else(whole)?;
            }
        }
        Ok(())
    }

    fn names(&self) -> &'static [&'static str] {
        self.described().2
    }

    /// The toxic as clients read it.
    pub(super) fn json(&self) -> Value {
        let attributes: Map<String, Value> =
            self.names().iter().zip(self.attributes).map(|(name, value)| (name.to_string(), value.into())).collect();
        json!({
            "attributes": attributes,
            "name": self.name,
            "type": self.described().1,
            "stream": self.stream,
            "toxicity": short(self.toxicity),
        })
    }
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
