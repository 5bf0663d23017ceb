//! An SLI of freshness: how old the newest thing is that users can see. A question is due at a steady pace, and each is an
//! event, good when what it finds is young enough: the newest row of a database, or the time that an answer over HTTP carries.
//!
//! ```yaml
//! slis:
//!   fresh:
//!     freshness: { query: { service: db, sql: SELECT max(at) FROM orders }, within: 30s }
//!     objective: 95%
//!   feed:
//!     freshness: { answer: { url: "http://shop:8080/feed.json", at: /updated }, within: 5m }
//!     objective: 95%
//! ```

use super::http_page::{A_PAGE, PageAnswer, get_page, parse_page};
use super::pg::SliQuery;
use super::source::{FewNotes, PacedQuestion, Question, QuestionRest, SliSource, bounded, read_pace};
use crate::load::{AnswerPlace, Failure, url_secrets};
use crate::record::utc_now;
use crate::slis::EventAnswer;
use crate::source::{At, TextForm, host_of, shape};
use hyper::header::HeaderName;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

/// How far in the future the newest thing may be: clocks differ. What is later has a wrong time, and says nothing.
const SKEW: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(90 * 86_400);
/// From this number on a time is in milliseconds: as seconds it would be in the year 5138.
const MILLISECONDS: f64 = 1e11;
const A_POINTER: TextForm = TextForm::new("a JSON pointer like `/items/0/updated_at`", || shape::text("/.*"));
const A_HEADER: TextForm = TextForm::new("the name of a header like `Last-Modified`", shape::filled);

/// Asks for a page again and again: good is an answer that carries a time which is young enough.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct AnswerAge {
    /// The page.
    url: String,
    /// Where the time stands.
    at: AnswerPlace,
    /// How old it may be.
    within: Duration,
}

/// Reads `freshness` of an SLI.
pub(crate) fn read(sli: &str, at: &mut At<'_>) -> Option<SliSource> {
    // No load has a `:` in its name.
    let series = format!("freshness:{sli}");
    let mut map = at.map("`freshness`")?;
    let query = map.optional_by("query", SliQuery::read_query);
    let answer = map.optional_by("answer", read_answer);
    map.exactly_one(&["query", "answer"], "`query` asks a database, `answer` an HTTP server");
    let required = map.require::<Duration>("within");
    let within = bounded(&mut map, "within", required.unwrap_or(SKEW), Duration::from_millis(1)..=LONGEST);
    map.finish()?;
    let source = match (query, answer) {
        (Some(query), _) => query.younger_than(within, SKEW).source(series),
        (None, answer) => {
            let (url, at, pace) = answer?;
            AnswerAge { url, at, within }.source(series, pace)
        }
    };
    Some(SliSource { stays_good: within, ..source })
}

/// Reads `answer` of an SLI: a page, where the time stands, the pace.
fn read_answer(at: &mut At<'_>) -> Option<(String, AnswerPlace, (Duration, Duration))> {
    let mut map = at.map("`answer`")?.of_section("freshness");
    let url = map.require_with("url", A_PAGE, |url| parse_page(url.trim()).map(|_| url.trim().to_string()));
    let pointer = map.optional_with("at", A_POINTER, |text| match text.trim() {
        pointer if pointer.starts_with('/') => Ok(AnswerPlace::Json(pointer.to_string())),
        _ => Err("a JSON pointer begins with `/`".into()),
    });
    let header = map.optional_with("header", A_HEADER, |text| match HeaderName::from_bytes(text.trim().as_bytes()) {
        Ok(name) => Ok(AnswerPlace::Header(name.to_string())),
        Err(_) => Err("this is not the name of a header".into()),
    });
    let pace = read_pace(&mut map);
    let help =
        "the time stands in the answer's JSON (`at`) or in a header; a file that is served has `header: Last-Modified`";
    map.exactly_one(&["at", "header"], help);
    map.finish_with(|| Some((url?, pointer.or(header)?, pace)))
}

impl AnswerAge {
    fn source(self, series: String, pace: (Duration, Duration)) -> SliSource {
        let AnswerAge { url, at: AnswerPlace::Json(place) | AnswerPlace::Header(place), within } = &self;
        let event = format!("age of {place} in {url}, at most {within:?}");
        let (hosts, secrets) = (host_of(url).map(str::to_string).into_iter().collect(), url_secrets(url));
        SliSource { hosts, secrets, ..PacedQuestion::source(series, pace, event, move |_| Ok(self.clone())) }
    }

    /// How old the newest thing is, in seconds; below 0 when it is from the future.
    fn age(&self, answer: &PageAnswer, now: OffsetDateTime) -> Result<f64, String> {
        if !answer.status().is_success() {
            return Err(format!("it answered {}", answer.status()));
        }
        let at = match &self.at {
            AnswerPlace::Header(name) => {
                let value = answer.headers().get(name).ok_or_else(|| format!("the answer has no header `{name}`"))?;
                time_in(value.to_str().map_err(|_| format!("the header `{name}` is no text"))?)
            }
            AnswerPlace::Json(pointer) => {
                let json: Value = serde_json::from_slice(answer.body())
                    .map_err(|error| format!("the answer is not JSON: {error}"))?;
                match json.pointer(pointer) {
                    Some(Value::String(text)) => time_in(text),
                    Some(Value::Number(number)) => number.as_f64().and_then(unix),
                    Some(_) => None,
                    None => return Err(format!("the answer has nothing at `{pointer}`")),
                }
            }
        };
        let at = at.ok_or("what stands there is no time: RFC 3339, an HTTP date or Unix time are read")?;
        Ok((now - at).as_seconds_f64())
    }

    fn is_young(&self, age: f64) -> bool {
        (-SKEW.as_secs_f64()..=self.within.as_secs_f64()).contains(&age)
    }
}

/// A time as text.
fn time_in(text: &str) -> Option<OffsetDateTime> {
    let text = text.trim();
    let parsed = OffsetDateTime::parse(text, &Rfc3339).or_else(|_| OffsetDateTime::parse(text, &Rfc2822));
    parsed.ok().or_else(|| text.parse().ok().and_then(unix))
}

/// Unix time, in seconds or milliseconds.
fn unix(number: f64) -> Option<OffsetDateTime> {
    let seconds = if number.abs() >= MILLISECONDS { number / 1000.0 } else { number };
    let is_known = seconds.is_finite() && seconds.abs() < MILLISECONDS;
    OffsetDateTime::from_unix_timestamp_nanos((seconds * 1e9) as i128).ok().filter(|_| is_known)
}

impl Question for AnswerAge {
    const NAME: &'static str = "answer_age";

    async fn put(&self, _: Instant, notes: &FewNotes, _: &mut QuestionRest) -> Result<EventAnswer, Failure> {
        let note = |why: String| notes.note(format!("no age: {why}"));
        let answer = get_page(&self.url, "*/*").await.map_err(|(why, failure)| {
            note(why);
            failure
        })?;
        let is_young = self.age(&answer, utc_now()).map_err(note).is_ok_and(|age| self.is_young(age));
        Ok(EventAnswer::Truth(is_young))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use hyper::StatusCode;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2025-03-01 12:00:00 UTC);

    fn asked(at: AnswerPlace) -> AnswerAge {
        AnswerAge { url: "http://x/".into(), at, within: Duration::from_secs(30) }
    }

    fn age(at: AnswerPlace, status: u16, modified: &str, body: &str) -> Result<f64, String> {
        let answer = PageAnswer::new(Bytes::copy_from_slice(body.as_bytes()));
        let (mut head, body) = answer.into_parts();
        head.headers.insert("last-modified", modified.parse().unwrap());
        head.status = StatusCode::from_u16(status).unwrap();
        asked(at).age(&PageAnswer::from_parts(head, body), NOW)
    }

    #[test]
    fn a_time_is_read_from_json_and_headers_in_the_forms_that_servers_write() {
        let json = |body: &str| age(AnswerPlace::Json("/a/0".into()), 200, "x", body);
        assert_eq!(json(r#"{"a":["2025-03-01T12:59:50+01:00"]}"#), Ok(10.0));
        assert_eq!(json(r#"{"a":[1740830390]}"#), Ok(10.0));
        assert_eq!(json(r#"{"a":[1740830390000]}"#), Ok(10.0));
        assert_eq!(json(r#"{"a":["1740830390.5"]}"#), Ok(9.5));
        let header = |value: &str| age(AnswerPlace::Header("last-modified".into()), 200, value, "");
        assert_eq!(header("Sat, 01 Mar 2025 11:59:00 GMT"), Ok(60.0));
    }

    #[test]
    fn what_has_no_time_has_no_age() {
        let json = |status: u16, body: &str| age(AnswerPlace::Json("/at".into()), status, "x", body).unwrap_err();
        assert_eq!(json(503, r#"{"at":1740830390}"#), "it answered 503 Service Unavailable");
        assert!(json(200, "<html>").starts_with("the answer is not JSON"));
        assert_eq!(json(200, "{}"), "the answer has nothing at `/at`");
        for body in [r#"{"at":null}"#, r#"{"at":"yesterday"}"#, r#"{"at":"NaN"}"#, r#"{"at":1e300}"#, r#"{"at":[]}"#] {
            assert!(json(200, body).contains("is no time"), "{body}");
        }
        let gone = age(AnswerPlace::Header("x-updated".into()), 200, "x", "");
        assert_eq!(gone.unwrap_err(), "the answer has no header `x-updated`");
    }

    #[test]
    fn young_is_neither_old_nor_from_the_future() {
        let asked = asked(AnswerPlace::Json("/at".into()));
        assert!(asked.is_young(0.0) && asked.is_young(30.0) && asked.is_young(-1.0));
        assert!(!asked.is_young(30.1) && !asked.is_young(-1.1) && !asked.is_young(f64::NAN));
    }
}
