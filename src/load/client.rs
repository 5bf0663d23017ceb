//! One request from the instant it is due to its end, or a journey: several requests in order, each with values from the answers before it. It is
//! one event: good or bad is what its last answer is, and its latency is that of all of it.

use super::pool::{Ca, Conn, Pool, Tls};
use super::template::{self, RequestTemplate};
use super::{EventClient, Failure, LoadSpec, RequestEnding, Sent};
use crate::slis::EventAnswer;
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Request};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Instant;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout_at;

/// Sends the requests of one load. Nothing is ever tried again and no redirect is followed: what a user would have
/// got is what is counted.
pub struct Client {
    spec: LoadSpec,
    seed: u64,
    requests: Vec<RequestSender>,
}

/// One request of a load: its only one, or one of a journey.
struct RequestSender {
    template: RequestTemplate,
    pool: Pool,
    /// What it takes from the answer before.
    take: BTreeMap<String, AnswerPlace>,
}

/// What is left to do when a request has ended: its connection, and the right to use one.
type Rest = (Option<Conn>, Option<OwnedSemaphorePermit>);

#[async_trait]
impl EventClient for Client {
    async fn event(&self, number: u64, due: Instant, sent: Sent) {
        let mut rest = Vec::new();
        let result = self.attempt(number, due, &mut rest).await;
        sent.end(RequestEnding::of(result, due, self.spec.timeout));
        // The connections are given back, and the right to use them.
        for (sender, (conn, _slot)) in self.requests.iter().zip(rest) {
            if let Some(conn) = conn {
                sender.pool.give_back(conn).await;
            }
        }
    }
}

impl Client {
    /// Checks a load's requests; says in plain words what cannot be sent. `seed` makes the ids.
    pub fn new(spec: &LoadSpec, seed: u64) -> Result<Client, String> {
        let requests = spec.requests().into_iter().map(|(spec, take, known)| RequestSender::new(&spec, take, &known));
        let requests = requests.collect::<Result<_, _>>()?;
        Ok(Client { spec: spec.clone(), seed, requests })
    }

    /// Sends request `i`, due at `due`, and says how it ended; the connection is kept for others where it can be.
    pub async fn send(&self, i: u64, due: Instant) -> RequestEnding {
        let (ended, mut endings) = unbounded_channel();
        self.event(i, due, Sent::new(i, 0, due, ended)).await;
        let ended = endings.recv().await.map(|ended| ended.ending);
        ended.unwrap_or_else(|| RequestEnding::of(Err(Failure::Internal), due, self.spec.timeout))
    }

    /// The last answer.
    async fn attempt(&self, i: u64, due: Instant, rest: &mut Vec<Rest>) -> Result<EventAnswer, Failure> {
        let deadline = tokio::time::Instant::from_std(due + self.spec.timeout);
        let id = template::id(self.seed, &self.spec.name, i);
        let mut taken = BTreeMap::new();
        let mut answer: Option<StepAnswer> = None;
        let ExpectedAnswer { body, values } = &self.spec.expect;
        for (at, sender) in self.requests.iter().enumerate() {
            if let Some(before) = &answer {
                before.take(&sender.take, &mut taken)?;
            }
            let slot = timeout_at(deadline, sender.pool.slot()).await.map_err(|_| Failure::NoConnection)?;
            rest.push((None, slot));
            // The first was tried when the load was checked; what a later one takes comes from the server.
            let cannot = if at == 0 { Failure::Internal } else { Failure::Incomplete };
            let request = sender.template.request(i, &id, &taken).map_err(|_| cannot)?;
            let reads = |place: &AnswerPlace| matches!(place, AnswerPlace::Json(_));
            let body_is_read = match self.requests.get(at + 1) {
                Some(next) => next.take.values().any(reads),
                None => body.is_some() || values.iter().any(|(place, _)| reads(place)),
            };
            // A connection that is dropped here, by the deadline or an error, is closed at once.
            let exchange = timeout_at(deadline, sender.exchange(request, body_is_read)).await;
            let (answered, conn) = exchange.map_err(|_| Failure::Timeout)??;
            if let Some(rest) = rest.last_mut() {
                rest.0 = Some(conn);
            }
            answer = Some(answered);
        }
        let answer = answer.ok_or(Failure::Internal)?;
        let method = self.spec.then.last().map_or(&self.spec.method, |step| &step.method);
        if answer.says(&self.spec.expect) { Ok(answer.seen(method)) } else { Err(Failure::Unexpected) }
    }
}

impl RequestSender {
    fn new(spec: &LoadSpec, take: BTreeMap<String, AnswerPlace>, known: &[String]) -> Result<RequestSender, String> {
        let template = RequestTemplate::new(spec, known)?;
        let tls = match (&spec.ca, template.tls) {
            (None, false) => None,
            (Some(Ca::Pem { pem }), true) => Some(Tls::new(pem, &template.host)?),
            _ => return Err(format!("`{}`: https needs a `tls.ca` that was read, and http none", spec.url)),
        };
        let pool = Pool::new(template.host.clone(), template.port, spec.connections, spec.keep_alive, tls);
        Ok(RequestSender { template, pool, take })
    }

    /// Sends a request and reads its whole answer, whose body is kept where it is read and short enough.
    async fn exchange(
        &self,
        mut request: Request<Full<Bytes>>,
        body_is_read: bool,
    ) -> Result<(StepAnswer, Conn), Failure> {
        let mut conn = match self.pool.idle() {
            Some(conn) => conn,
            None => self.pool.connect().await?,
        };
        let response = loop {
            match conn.sender.try_send_request(request).await {
                Ok(response) => break response,
                Err(mut error) => match error.take_message() {
                    // The server had closed this idle connection and not a byte of the request was written: that
                    // we wanted to use it is our doing, so it is no failure of the service.
                    Some(unsent) if conn.reused => {
                        request = unsent;
                        conn = self.pool.connect().await?;
                    }
                    _ => return Err(Failure::of_http(error.error())),
                },
            }
        };
        let (head, mut body) = response.into_parts();
        let (mut kept, mut length) = (Vec::new(), 0);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Failure::of_http(&error))?;
            length += frame.data_ref().map_or(0, |data| data.len() as u64);
            let data = frame.data_ref().filter(|data| body_is_read && kept.len() + data.len() <= LONGEST_BODY);
            kept.extend_from_slice(data.map_or(&[], |data| data));
        }
        Ok((StepAnswer { status: head.status.as_u16(), headers: head.headers, body: kept.into(), length }, conn))
    }
}

/// From this status on the journey does not go on.
const FAILED: u16 = 400;
/// From this status on an answer is judged by its status alone, whatever it says.
const SERVER_FAILED: u16 = 500;
/// The type of an answer that is a page.
const PAGE: &[u8] = b"text/html";
/// A longer value is none that a client carries along.
const LONGEST: usize = 8192;
/// Of a longer answer nothing is taken.
const LONGEST_BODY: usize = 1024 * 1024;

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

/// What an answer says that is no failure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedAnswer {
    /// Stands somewhere in its body.
    pub body: Option<String>,
    /// What stands where.
    pub values: Vec<(AnswerPlace, String)>,
}

/// An answer, as far as the journey needs it.
#[derive(Debug)]
struct StepAnswer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Of the whole body, in bytes.
    pub(super) length: u64,
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
    /// What an SLI sees of it, where this method had asked for it.
    fn seen(&self, method: &str) -> EventAnswer {
        if method == "GET" && self.length == 0 && (200..300).contains(&self.status) {
            return EventAnswer::Empty(self.status);
        }
        let kind = self.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let is_page = kind.get(..PAGE.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(PAGE));
        let seen =
            if is_page && self.length > 0 && self.status < FAILED { EventAnswer::Page } else { EventAnswer::Status };
        seen(self.status)
    }

    /// Whether it says what is expected; a failure is judged by its status alone.
    fn says(&self, ExpectedAnswer { body, values }: &ExpectedAnswer) -> bool {
        let json = self.json();
        let has_text = body.as_ref().is_none_or(|text| String::from_utf8_lossy(&self.body).contains(text));
        let has_values = values.iter().all(|(place, value)| self.value(place, &json).as_ref() == Some(value));
        self.status >= SERVER_FAILED || (has_text && has_values)
    }

    /// Takes values from it; what it does not have, and an answer that is a failure, ends the journey.
    fn take(&self, what: &BTreeMap<String, AnswerPlace>, into: &mut BTreeMap<String, String>) -> Result<(), Failure> {
        if self.status >= FAILED {
            return Err(Failure::Incomplete);
        }
        let json = self.json();
        for (name, place) in what {
            // What would mean something in JSON or in a head of HTTP is not put there.
            let is_plain = |value: &String| {
                let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
                !value.is_empty() && value.len() <= LONGEST && value.chars().all(plain)
            };
            into.insert(name.clone(), self.value(place, &json).filter(is_plain).ok_or(Failure::Incomplete)?);
        }
        Ok(())
    }

    /// Its body as JSON; null where it is none, or nobody has asked for it.
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn value(&self, place: &AnswerPlace, json: &Value) -> Option<String> {
        match place {
            AnswerPlace::Json(pointer) => match json.pointer(pointer)? {
                Value::String(text) => Some(text.clone()),
                value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
                _ => None,
            },
            AnswerPlace::Header(header) => Some(self.headers.get(header)?.to_str().ok()?.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(status: u16, body: &str, place: AnswerPlace) -> Result<String, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert("location", "/orders/7".parse().unwrap());
        let answer = StepAnswer { status, headers, body: Bytes::copy_from_slice(body.as_bytes()), length: 0 };
        let mut values = BTreeMap::new();
        answer.take(&[("x".to_string(), place)].into(), &mut values)?;
        Ok(values.remove("x").unwrap())
    }

    #[test]
    fn an_answer_says_what_is_expected() {
        let mut headers = HeaderMap::new();
        headers.insert("x-cache", "hit".parse().unwrap());
        let asked = |status, expected: &ExpectedAnswer| {
            let body = Bytes::from_static(br#"{"status":"paid","items":2}"#);
            StepAnswer { status, headers: headers.clone(), body, length: 0 }.says(expected)
        };
        let says = |status, place, value: &str| {
            asked(status, &ExpectedAnswer { values: vec![(place, value.into())], body: None })
        };
        let has = |status, text: &str| asked(status, &ExpectedAnswer { body: Some(text.into()), values: Vec::new() });
        let json = |pointer: &str| AnswerPlace::Json(pointer.into());
        assert!(says(200, json("/status"), "paid") && says(200, json("/items"), "2"));
        assert!(!says(200, json("/status"), "open") && !says(200, json("/none"), "paid"));
        assert!(has(200, "\"paid\"") && !has(200, "open"));
        assert!(says(200, AnswerPlace::Header("X-Cache".into()), "hit"));
        assert!(!says(200, AnswerPlace::Header("x-cache".into()), "miss"));
        assert!(has(503, "open"), "a failure is judged by its status");
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

    #[test]
    fn pages_and_nothing_are_told_apart_from_data_and_errors_are_not() {
        let seen_by = |method, status, kind, length| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
            StepAnswer { status, headers, body: Bytes::new(), length }.seen(method)
        };
        let seen = |status, kind, length| seen_by("GET", status, kind, length);
        assert_eq!(seen(200, "Text/HTML; charset=utf-8", 5), EventAnswer::Page(200));
        assert_eq!(seen(200, "application/json", 5), EventAnswer::Status(200));
        for status in [200, 204] {
            assert_eq!(seen(status, "text/html", 0), EventAnswer::Empty(status));
            assert_eq!(seen_by("POST", status, "text/html", 0), EventAnswer::Status(status), "it asked for nothing");
        }
        assert_eq!(seen(304, "text/html", 0), EventAnswer::Status(304));
        assert_eq!(seen(503, "text/html", 5), EventAnswer::Status(503));
    }
}
