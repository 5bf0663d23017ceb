//! A journey: several requests in order, each with values from the answers before it. It is one event: good or bad is what its
//! last answer is, and its latency is that of all of it.

use super::{Failure, LoadSpec};
use bytes::Bytes;
use hyper::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// From this status on the journey does not go on.
const FAILED: u16 = 400;
/// A longer value is none that a client carries along.
const LONGEST: usize = 8192;
/// Of a longer answer nothing is taken.
pub(super) const LONGEST_BODY: usize = 1024 * 1024;

/// A request that follows another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JourneyStep {
    /// What is taken from the answer before, by the names that `{{name}}` stands for from then on.
    pub take: BTreeMap<String, AnswerPlace>,
    /// HTTP method.
    pub method: String,
    /// As that of a load.
    pub url: String,
    /// As those of a load.
    pub headers: Vec<(String, String)>,
    /// As that of a load.
    pub body: Option<String>,
}

/// Where in an answer a value stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AnswerPlace {
    /// In its JSON, by a pointer (RFC 6901).
    Json(String),
    /// In a header.
    Header(String),
}

/// An answer, as far as the journey needs it.
#[derive(Debug)]
pub(super) struct StepAnswer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl LoadSpec {
    /// Each request of a journey as a load of its own, with what it takes from the answer before and with the names that are
    /// known by then; a load that is none has one.
    pub(super) fn requests(&self) -> Vec<(LoadSpec, BTreeMap<String, AnswerPlace>, Vec<String>)> {
        let mut known = Vec::new();
        let mut requests = vec![(LoadSpec { then: Vec::new(), ..self.clone() }, BTreeMap::new(), Vec::new())];
        for JourneyStep { take, method, url, headers, body } in self.then.clone() {
            known.extend(take.keys().cloned());
            let ca = self.ca.clone().filter(|_| url.starts_with("https://"));
            let spec = LoadSpec { method, url, headers, body, ca, then: Vec::new(), ..self.clone() };
            requests.push((spec, take, known.clone()));
        }
        requests
    }
}

impl StepAnswer {
    /// Takes values from it; what it does not have, and an answer that is a failure, ends the journey.
    pub(super) fn take(
        &self,
        what: &BTreeMap<String, AnswerPlace>,
        into: &mut BTreeMap<String, String>,
    ) -> Result<(), Failure> {
        if self.status >= FAILED {
            return Err(Failure::Incomplete);
        }
        let needs_json = what.values().any(|place| matches!(place, AnswerPlace::Json(_)));
        let json: Value = if needs_json { serde_json::from_slice(&self.body).unwrap_or_default() } else { Value::Null };
        for (name, place) in what {
            let value = match place {
                AnswerPlace::Json(pointer) => match json.pointer(pointer) {
                    Some(Value::String(text)) => Some(text.clone()),
                    Some(value @ (Value::Number(_) | Value::Bool(_))) => Some(value.to_string()),
                    _ => None,
                },
                AnswerPlace::Header(header) => {
                    self.headers.get(header).and_then(|value| Some(value.to_str().ok()?.to_string()))
                }
            };
            // What would mean something in JSON or in a head of HTTP is not put there.
            let is_plain = |value: &String| {
                let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
                !value.is_empty() && value.len() <= LONGEST && value.chars().all(plain)
            };
            into.insert(name.clone(), value.filter(is_plain).ok_or(Failure::Incomplete)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(status: u16, body: &str, place: AnswerPlace) -> Result<String, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert("location", "/orders/7".parse().unwrap());
        let answer = StepAnswer { status, headers, body: Bytes::copy_from_slice(body.as_bytes()) };
        let mut values = BTreeMap::new();
        answer.take(&[("x".to_string(), place)].into(), &mut values)?;
        Ok(values.remove("x").unwrap())
    }

    #[test]
    fn values_are_carried_along_or_the_journey_ends() {
        let json = |status, body: &str| taken(status, body, AnswerPlace::Json("/a/0".into()));
        assert_eq!(json(200, r#"{"a":["t.o-k=en"]}"#), Ok("t.o-k=en".into()));
        assert_eq!(json(302, r#"{"a":[7]}"#), Ok("7".into()));
        for body in [
            "", "{}", r#"{"a":[null]}"#, r#"{"a":[""]}"#, r#"{"a":["q\\"x"]}"#, r#"{"a":["a b"]}"#,
            r#"{"a":["\\r\\n"]}"#,
        ] {
            assert_eq!(json(200, body), Err(Failure::Incomplete), "{body}");
        }
        assert_eq!(json(401, r#"{"a":["token"]}"#), Err(Failure::Incomplete));
        assert_eq!(taken(201, "", AnswerPlace::Header("location".into())), Ok("/orders/7".into()));
        assert_eq!(taken(201, "", AnswerPlace::Header("etag".into())), Err(Failure::Incomplete));
    }
}
