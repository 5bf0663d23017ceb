//! An SLI that a Prometheus of the stack counts: how many events there were since the last asking, and how many of them were
//! good or bad. Resets of counters are the business of its own functions (`increase`, `rate`); what it has no data of is no
//! data here.
//!
//! ```yaml
//! slis:
//!   availability:
//!     promql:
//!       url: http://prometheus:9090
//!       bad: sum(increase(http_requests_total{code=~"5.."}[{{window}}]))
//!       total: sum(increase(http_requests_total[{{window}}]))
//!       every: 10s
//!     objective: 99%
//! ```

use super::http_page::{A_PAGE, PageAnswer, encoded, get_page, parse_page};
use super::source::{FewNotes, PacedQuestion, Question, QuestionRest, SliSource, bounded};
use crate::load::{ALLOWED_LATE, Failure, url_secrets};
use crate::slis::{EventAnswer, gauge};
use crate::source::{At, MapReader, TextForm, TextPattern, host_of, parse_rate, shape};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::time::timeout;

const EVERY: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(300);
/// Where so many events are expected from one asking to the next, none at all is no chance (e⁻¹⁰ is 1 in 22,000).
const SURE: f64 = 10.0;
/// Above this the counts of two queries differ by more than arithmetic does.
const TOLERANCE: f64 = 1e-6;
/// The label that tells the answers of the queries apart.
const LABEL: &str = "firedrill";
const A_QUERY: TextForm = TextForm::new("a query in PromQL", shape::filled);
const A_RATE: TextForm = TextForm::new("a rate like `50/s`", shape::rate);

/// `{{window}}`, and `{{.window}}` as Sloth writes it.
static WINDOW: TextPattern = TextPattern::new(r"\{\{\s*\.?window\s*\}\}");
/// What gives events per second, and what gives their number.
static RATE: TextPattern = TextPattern::new(r"\bi?rate\s*\(");
static COUNT: TextPattern = TextPattern::new(r"\b(?:increase|(?:count|sum|present)_over_time)\s*\(");

/// Which events one of the queries counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PromEvents {
    /// Good ones.
    Good,
    /// Bad ones; where that query finds no series, they are unknown.
    Bad,
    /// Bad ones; where that query finds no series, there were none.
    BadOrAbsent,
}

/// Asks a Prometheus how many events there were since the last asking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromCounts {
    /// The Prometheus.
    pub url: String,
    /// Which events [`PromCounts::some`] counts.
    pub of: PromEvents,
    /// The query that counts some of the events.
    pub some: String,
    /// The query that counts all of them.
    pub total: String,
    /// Whether an asking without any event is no data: the scenario says that there are many.
    pub never_idle: bool,
    /// From one asking to the next, and the range of both queries.
    pub every: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// Reads `promql` of an SLI.
pub(crate) fn read(sli: &str, at: &mut At<'_>) -> Option<SliSource> {
    let mut map = at.map("`promql`")?;
    let asked = PromAsked::read(&mut map);
    let mut query = |key: &'static str, required: bool| {
        map.read(key, required, |at| at.parse(A_QUERY, |text| check_query(text).map(|()| text.trim().to_string())))
    };
    let (good, bad, total) = (query("good", false), query("bad", false), query("total", true));
    map.exactly_one(&["good", "bad"], "it counts the `good` events or the `bad` ones, and beside them the `total`");
    if asked.bad_may_be_absent && map.has("good") {
        map.wrong("bad_may_be_absent", "`bad_may_be_absent` is about the query `bad`, and here is none");
    }
    map.finish()?;
    let of = if good.is_some() { PromEvents::Good } else { asked.of_bad() };
    // No load has a `:` in its name.
    asked.source(format!("promql:{sli}"), of, good.or(bad)?, total?)
}

/// Where and how often a Prometheus is asked.
pub(crate) struct PromAsked {
    url: Option<String>,
    every: Duration,
    timeout: Duration,
    expected: Option<f64>,
    bad_may_be_absent: bool,
}

impl PromAsked {
    /// Reads `url`, `every`, `timeout`, `rate` and `bad_may_be_absent`.
    pub(crate) fn read(map: &mut MapReader<'_>) -> PromAsked {
        let url = map.require_with("url", A_PAGE, |url| {
            let url = url.trim().trim_end_matches('/');
            match parse_page(url)? {
                _ if url.contains('?') => Err("leave the path of the API and its parameters out".into()),
                _ => Ok(url.to_string()),
            }
        });
        let second = Duration::from_secs(1);
        let every = bounded(map, "every", EVERY, second..=LONGEST);
        let timeout = bounded(map, "timeout", TIMEOUT, Duration::from_millis(1)..=60 * second);
        let expected = map.optional_with("rate", A_RATE, parse_rate);
        let bad_may_be_absent = map.optional("bad_may_be_absent").unwrap_or(false);
        PromAsked { url, every, timeout, expected, bad_may_be_absent }
    }

    /// The host of its URL.
    pub(crate) fn host(&self) -> Option<String> {
        host_of(self.url.as_deref()?).map(str::to_string)
    }

    pub(crate) fn of_bad(&self) -> PromEvents {
        if self.bad_may_be_absent { PromEvents::BadOrAbsent } else { PromEvents::Bad }
    }

    /// The source of these two queries.
    pub(crate) fn source(&self, series: String, of: PromEvents, some: String, total: String) -> Option<SliSource> {
        let (url, every, timeout) = (self.url.clone()?, self.every, self.timeout);
        let name = if of == PromEvents::Good { "good" } else { "bad" };
        let query = format!("{name} {some} of {total}").split_whitespace().collect::<Vec<_>>().join(" ");
        let (event, rate) = (format!("PromQL in {url}: {query}"), self.expected.unwrap_or(1.0 / every.as_secs_f64()));
        let (hosts, secrets) = (self.host().into_iter().collect(), url_secrets(&url));
        let never_idle = self.expected.is_some_and(|rate| rate * every.as_secs_f64() >= SURE);
        let counts = PromCounts { url, of, some, total, never_idle, every, timeout };
        let source = PacedQuestion::source(series, (every, timeout), event, move |_| Ok(counts.clone()));
        Some(SliSource { rate, interval: every, hosts, secrets, ..source })
    }
}

/// Whether a query counts events since the last asking, and no gauge.
pub(crate) fn check_query(query: &str) -> Result<(), String> {
    if let Some(name) = gauge::in_promql(query) {
        return Err(format!("`{name}`: {}; {}", gauge::WHY, gauge::INSTEAD));
    }
    let filled = in_window(query, EVERY);
    if filled == query {
        return Err("its range must be `[{{window}}]`: each asking counts what happened since the one before".into());
    }
    if filled.contains("{{") {
        return Err("a placeholder in it is not known: there is `{{window}}`".into());
    }
    Ok(())
}

/// The query over a range.
pub(crate) fn in_window(query: &str, window: Duration) -> String {
    let range = format!("{}ms", window.as_millis());
    WINDOW.replace_all(query, range).into_owned()
}

/// The URL at which a Prometheus answers a query.
pub(crate) fn query_page(url: &str, query: &str) -> String {
    format!("{url}/api/v1/query?query={}", encoded(query))
}

/// What a query's answer is multiplied with to be a number of events.
fn scale(query: &str, window: Duration) -> f64 {
    if RATE.is_match(query) && !COUNT.is_match(query) { window.as_secs_f64() } else { 1.0 }
}

impl Question for PromCounts {
    const NAME: &'static str = "prom_counts";

    /// Fails when Prometheus says that it cannot be asked this; whether it is there shows later.
    async fn check(&self) -> Result<(), String> {
        match timeout(self.timeout, get_page(&self.page(), "application/json")).await {
            Ok(Ok(answer)) if answer.status().is_client_error() => Err(said(&answer)),
            _ => Ok(()),
        }
    }

    /// Who counts is not who serves: when it cannot be asked, nothing is known, and nothing was bad.
    async fn put(&self, due: Instant, notes: &FewNotes, _: &mut QuestionRest) -> Result<EventAnswer, Failure> {
        let counted = match Instant::now().saturating_duration_since(due) > ALLOWED_LATE {
            true => Err("it was asked late, and its range does not reach back to the asking before".into()),
            false => {
                let answer = get_page(&self.page(), "application/json").await.map_err(|(why, _)| why);
                answer.and_then(|answer| self.counted(&answer))
            }
        };
        counted.map(|(good, valid)| EventAnswer::Counted { good, valid }).map_err(|why| no_data(notes, &why))
    }

    fn late(&self, notes: &FewNotes) -> Failure {
        no_data(notes, &format!("no answer within {:?}", self.timeout))
    }
}

fn no_data(notes: &FewNotes, why: &str) -> Failure {
    notes.note(format!("no data: {why}"));
    Failure::NoData
}

impl PromCounts {
    /// Both queries in one, so that both are of the same instant.
    fn page(&self) -> String {
        let part = |name: &str, query: &str| {
            format!("label_replace((\n{}\n), \"{LABEL}\", \"{name}\", \"\", \"\")", in_window(query, self.every))
        };
        let query = format!("{} or {}", part("some", &self.some), part("total", &self.total));
        query_page(&self.url, &query)
    }

    /// Good and valid events of an answer; or why there is no data.
    fn counted(&self, answer: &PageAnswer) -> Result<(u32, u32), String> {
        let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        if !answer.status().is_success() || body["status"] != "success" {
            return Err(said(answer));
        }
        if let Some(warning) = body["warnings"].as_array().and_then(|all| all.first()) {
            return Err(format!("it warns: {warning}"));
        }
        let all = body["data"]["result"].as_array().map_or(&[][..], Vec::as_slice);
        let value = |name: &str, query: &str| {
            let mut found = all.iter().filter(|series| series["metric"][LABEL] == name);
            let (first, more) = (found.next(), found.count());
            if more > 0 {
                return Err(format!("{} series instead of one: put `sum(…)` around `{query}`", more + 1));
            }
            let Some(series) = first else { return Ok(None) };
            let value = series["value"][1].as_str().and_then(|text| text.parse::<f64>().ok());
            let none = || format!("{} is no number of events: `{query}`", series["value"][1]);
            let value = value.filter(|value| value.is_finite() && *value >= 0.0).ok_or_else(none)?;
            Ok(Some(value * scale(query, self.every)))
        };
        let total = value("total", &self.total)?.ok_or("no series, or no fresh samples, for the total")?;
        let none = |of: &str, or: &str| Err(format!("no series of {of} events: end the query with `or vector(0)`{or}"));
        let some = match (value("some", &self.some)?, self.of) {
            (Some(some), _) => some,
            (None, PromEvents::BadOrAbsent) => 0.0,
            (None, PromEvents::Bad) => return none("bad", ", or say `bad_may_be_absent: true`"),
            (None, PromEvents::Good) => return none("good", ""),
        };
        if some > total * (1.0 + TOLERANCE) {
            return Err(format!("{some} of {total} events: the two queries do not count the same ones"));
        }
        let bad = if self.of == PromEvents::Good { total - some } else { some };
        let valid = total.round().min(f64::from(u32::MAX));
        if self.never_idle && valid < 1.0 {
            return Err("no events at all: users do not reach what is counted, or nobody counts".into());
        }
        // Extrapolation makes fractions of events; a bad one is never rounded away.
        let bad = if bad <= total * TOLERANCE { 0.0 } else { bad.round().max(1.0).min(valid) };
        Ok(((valid - bad) as u32, valid as u32))
    }
}

/// Why an answer is none: what Prometheus says, or the status.
fn said(answer: &PageAnswer) -> String {
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let error = body["error"].as_str().map(|error| format!(": {error}")).unwrap_or_default();
    format!("Prometheus answered {}{error}", answer.status())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::ability::Tell;
    use crate::agent::protocol::Told;
    use crate::load::Generator;
    use bytes::Bytes;
    use hyper::StatusCode;
    use serde_json::json;
    use std::sync::{Arc, Mutex};
    use tokio_util::sync::CancellationToken;

    fn asked(of: PromEvents) -> PromCounts {
        let (some, total) = ("sum(increase(a[{{window}}]))".into(), "sum(rate(b[{{ .window }}]))".into());
        let (every, timeout) = (Duration::from_secs(10), TIMEOUT);
        PromCounts { url: "http://p:9090/prom".into(), of, some, total, never_idle: false, every, timeout }
    }

    /// What an answer with these series comes to; `b` is per second.
    fn counted(of: PromEvents, series: &[(&str, &str)]) -> Result<(u32, u32), String> {
        let result: Vec<Value> =
            series.iter().map(|(name, value)| json!({ "metric": { LABEL: name }, "value": [1.5, value] })).collect();
        answered(of, 200, json!({ "status": "success", "data": { "resultType": "vector", "result": result } }))
    }

    fn answered(of: PromEvents, status: u16, body: Value) -> Result<(u32, u32), String> {
        let mut answer = PageAnswer::new(Bytes::from(body.to_string()));
        *answer.status_mut() = StatusCode::from_u16(status).unwrap();
        asked(of).counted(&answer)
    }

    #[test]
    fn counts_are_those_of_the_queries() {
        assert_eq!(counted(PromEvents::Good, &[("some", "490"), ("total", "50")]), Ok((490, 500)));
        assert_eq!(counted(PromEvents::Bad, &[("some", "0"), ("total", "50")]), Ok((500, 500)));
        assert_eq!(
            counted(PromEvents::Bad, &[("some", "0.3"), ("total", "50.04")]),
            Ok((499, 500)),
            "never rounded away"
        );
        assert_eq!(counted(PromEvents::Bad, &[("some", "500"), ("total", "50")]), Ok((0, 500)));
        assert_eq!(
            counted(PromEvents::Good, &[("some", "0"), ("total", "0")]),
            Ok((0, 0)),
            "nobody asked for anything"
        );
        assert_eq!(counted(PromEvents::BadOrAbsent, &[("total", "50")]), Ok((500, 500)));
    }

    #[test]
    fn what_is_not_known_is_no_data() {
        let why = |of, series: &[_]| counted(of, series).unwrap_err();
        let (good, bad, absent) = (PromEvents::Good, PromEvents::Bad, PromEvents::BadOrAbsent);
        assert!(why(good, &[("total", "50")]).contains("no series of good events"));
        assert!(why(bad, &[("total", "50")]).contains("bad_may_be_absent"));
        for of in [good, bad, absent] {
            assert!(why(of, &[("some", "0")]).contains("for the total"));
            for value in ["NaN", "+Inf", "-1"] {
                assert!(why(of, &[("some", value), ("total", "50")]).contains("no number of events"), "{value}");
            }
            assert!(why(of, &[("some", "1"), ("total", "1"), ("total", "2")]).contains("2 series instead of one"));
            assert!(why(of, &[("some", "501"), ("total", "50")]).contains("do not count the same"));
            let error = answered(of, 503, json!({ "status": "error", "error": "too busy" })).unwrap_err();
            assert_eq!(error, "Prometheus answered 503 Service Unavailable: too busy");
            let partial = json!({ "status": "success", "warnings": ["partial"], "data": { "result": [] } });
            assert!(answered(of, 200, partial).unwrap_err().contains("it warns"));
            assert!(answered(of, 200, json!("<html>")).is_err());
        }
    }

    #[test]
    fn where_many_are_expected_none_at_all_is_no_data() {
        let none = json!({ "status": "success", "data": { "result": [
            { "metric": { LABEL: "some" }, "value": [1.5, "0"] }, { "metric": { LABEL: "total" }, "value": [1.5, "0.04"] },
        ] } });
        let answer = PageAnswer::new(Bytes::from(none.to_string()));
        let asked = asked(PromEvents::Good);
        assert_eq!(asked.counted(&answer), Ok((0, 0)));
        let busy = PromCounts { never_idle: true, ..asked };
        assert!(busy.counted(&answer).unwrap_err().contains("no events at all"));
    }

    #[tokio::test]
    async fn what_was_counted_before_a_late_asking_is_not_known() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let telling = told.clone();
        let tell: Tell = Arc::new(move |told: Told| telling.lock().unwrap().push(format!("{told:?}")));
        let question = PromCounts { url: "http://127.0.0.1:1".into(), ..asked(PromEvents::Good) };
        let (series, every, timeout) = ("promql:x".to_string(), question.every, question.timeout);
        let client = PacedQuestion { series, every, timeout, slis: Vec::new(), question }.asking(tell);
        let stop = CancellationToken::new();
        stop.cancel();
        let generator = Generator::of(Arc::new(client), "promql:x", 1.0, &[]).unwrap();
        generator.run((Instant::now() - Duration::from_secs(3), 0), stop, drop).await;
        assert!(told.lock().unwrap()[0].contains("it was asked late"), "{told:?}");
    }

    #[test]
    fn queries_are_over_the_time_since_the_last_asking() {
        assert_eq!(check_query("sum(rate(x[{{.window}}]))"), Ok(()));
        assert!(check_query("sum(rate(x[5m]))").unwrap_err().contains("[{{window}}]"));
        assert!(check_query("sum(rate(x{a=\"{{b}}\"}[{{window}}]))").unwrap_err().contains("placeholder"));
        let gauge = check_query("rate(node_cpu_seconds_total[{{window}}])").unwrap_err();
        assert!(gauge.starts_with("`node_cpu_seconds_total`: this is a gauge"), "{gauge}");
        let url = asked(PromEvents::Good).page();
        assert!(url.starts_with(
            "http://p:9090/prom/api/v1/query?query=label_replace%28%28%0Asum%28increase%28a%5B10000ms%5D"
        ));
        assert!(url.contains("sum%28rate%28b%5B10000ms%5D%29%29") && parse_page(&url).is_ok());
    }
}
