//! Pages that are watched: the metrics page of an alert, in the Prometheus text format, scraped again and again, and whether a page has a status,
//! asked whenever somebody wants to know.

use super::ability::{Ability, AgentContext, HeldResult, Holding, Tell, held_task};
use super::http_page::{get_page, page_text, parse_page};
use super::prometheus;
use super::protocol::{AgentAnswer, Told};
use crate::slis::MetricCondition;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How long one scrape may take.
const TIMEOUT: Duration = Duration::from_secs(2);
/// What is asked for, as Prometheus asks for it.
const FORMAT: &str = "text/plain;version=0.0.4";

/// Scrapes a metrics page again and again, and tells each time whether a condition holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricWatch {
    /// The metrics page.
    pub url: String,
    /// From one scrape to the next.
    pub every: Duration,
    /// The condition.
    pub when: MetricCondition,
}

impl Ability for MetricWatch {
    const NAME: &'static str = "metric_watch";

    /// Fails only when the URL cannot be used.
    async fn begin(self, _: &str, context: &AgentContext, tell: Tell) -> HeldResult {
        let MetricWatch { url, every, when } = self;
        parse_page(&url)?;
        let clock = context.clock;
        // A tick must be longer than nothing.
        let every = every.max(Duration::from_millis(1));
        Ok(held_task(async move {
            let mut ticks = tokio::time::interval(every);
            // After a slow scrape the next one waits its turn: a page that is slow already is not asked twice at once.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let scraped = tokio::time::timeout(TIMEOUT, page_text(&url, FORMAT)).await;
                let scraped = scraped.unwrap_or_else(|_| Err(format!("no answer within {} s", TIMEOUT.as_secs())));
                tell(sample(scraped, &when, clock.now_us()));
            }
        }))
    }
}

/// What a scrape says about the condition. Without a value it does not hold.
fn sample(scraped: Result<String, String>, when: &MetricCondition, clock_us: u64) -> Told {
    let series = scraped.and_then(|text| prometheus::parse(&text));
    let readable = series.is_ok();
    match series.and_then(|series| evaluate(&series, when)) {
        Ok((value, holds)) => Told::Sample { clock_us, value: Some(value), holds, error: None, readable },
        Err(error) => Told::Sample { clock_us, value: None, holds: false, error: Some(error), readable },
    }
}

/// The value that decides, and whether the condition holds: with any series that fulfils it, else with the first
/// one. A series that is not a number never fulfils anything.
fn evaluate(series: &[prometheus::Sample], when: &MetricCondition) -> Result<(f64, bool), String> {
    let metric = &when.metric;
    let named = || series.iter().filter(|sample| sample.name == *metric);
    // An absent label and an empty one are the same, as in PromQL.
    let label = |sample: &prometheus::Sample, name: &str| sample.labels.get(name).cloned().unwrap_or_default();
    let fits = |sample: &&prometheus::Sample| when.labels.iter().all(|(name, value)| label(sample, name) == *value);
    let values: Vec<f64> = named().filter(fits).map(|sample| sample.value).collect();
    let mut numbers = values.iter().copied().filter(|value| !value.is_nan());
    match (numbers.clone().find(|value| when.op.holds(*value, when.value)), numbers.next()) {
        (Some(value), _) => Ok((value, true)),
        (None, Some(value)) => Ok((value, false)),
        (None, None) if !values.is_empty() => Err(format!("{metric} is NaN")),
        (None, None) if named().next().is_some() => Err(format!("no series of {metric} has these labels")),
        (None, None) => Err(format!("the page has no metric {metric}")),
    }
}

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(1);

/// Watches for the status of a page: it is in place while the page has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusPage {
    /// The page.
    pub url: String,
    /// The status.
    pub status: u16,
}

impl Ability for StatusPage {
    const NAME: &'static str = "status_page";

    /// Fails only when the URL cannot be used.
    async fn begin(self, _: &str, _: &AgentContext, _: Tell) -> HeldResult {
        parse_page(&self.url)?;
        Ok(Box::new(self))
    }
}

#[async_trait]
impl Holding for StatusPage {
    async fn look(&self) -> AgentAnswer {
        match tokio::time::timeout(WITHIN, get_page(&self.url, "*/*")).await {
            Ok(Ok(answer)) if answer.status().as_u16() == self.status => {
                AgentAnswer::in_place(answer.status().to_string())
            }
            Ok(Ok(answer)) => AgentAnswer::gone(answer.status().to_string()),
            Ok(Err((why, _))) => AgentAnswer::gone(why),
            Err(_) => AgentAnswer::gone("no answer in time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slis::Comparison;
    use std::collections::BTreeMap;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc::unbounded_channel;

    fn read(page: &str, when: &MetricCondition) -> Result<(f64, bool), String> {
        evaluate(&prometheus::parse(page)?, when)
    }

    const PAGE: &str = "# TYPE pool gauge\npool{db=\"a\"} 5\npool{db=\"b\",x=\"y\"} 0\nodd NaN\n";

    fn when(metric: &str, labels: &[(&str, &str)], op: Comparison, value: f64) -> MetricCondition {
        let labels: BTreeMap<_, _> = labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        MetricCondition { text: String::new(), metric: metric.into(), labels, op, value }
    }

    #[test]
    fn any_series_with_the_labels_may_fulfil_it() {
        assert_eq!(read(PAGE, &when("pool", &[], Comparison::Less, 1.0)), Ok((0.0, true)));
        assert_eq!(read(PAGE, &when("pool", &[("db", "a")], Comparison::Less, 1.0)), Ok((5.0, false)));
        assert_eq!(read(PAGE, &when("pool", &[("db", "a"), ("x", "")], Comparison::Less, 9.0)), Ok((5.0, true)));
        assert_eq!(read(PAGE, &when("pool", &[], Comparison::Greater, 9.0)), Ok((5.0, false)));
    }

    #[test]
    fn what_has_no_value_never_holds() {
        for op in [Comparison::Less, Comparison::Greater, Comparison::NotEqual, Comparison::Equal] {
            let error = |page, metric, labels: &[_]| read(page, &when(metric, labels, op, 1.0)).unwrap_err();
            assert_eq!(error(PAGE, "odd", &[]), "odd is NaN");
            assert_eq!(error(PAGE, "none", &[]), "the page has no metric none");
            assert_eq!(error(PAGE, "pool", &[("db", "c")]), "no series of pool has these labels");
            assert_eq!(error("", "pool", &[]), "the page has no metric pool");
        }
        let broken = sample(Ok("pool{".into()), &when("pool", &[], Comparison::Less, 1.0), 7);
        assert!(matches!(
            broken,
            Told::Sample { clock_us: 7, value: None, holds: false, error: Some(_), readable: false }
        ));
    }

    #[tokio::test]
    async fn samples_come_until_nobody_wants_them() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = tokio::spawn(async move {
            // The first scrape fails, the later ones see the pool shrink.
            for answer in ["503 Unavailable\r\n\r\n", "200 OK\r\n\r\npool 1\n", "200 OK\r\n\r\npool 0\n"] {
                let (mut stream, _) = listener.accept().await.expect("a scrape");
                let mut seen = Vec::new();
                while !seen.ends_with(b"\r\n\r\n") {
                    stream.read_buf(&mut seen).await.expect("a request");
                }
                let seen = String::from_utf8(seen).expect("text");
                assert!(seen.starts_with("GET /m HTTP/1.1\r\n") && seen.contains("text/plain"), "{seen}");
                stream.write_all(format!("HTTP/1.1 {answer}").as_bytes()).await.expect("written");
            }
        });
        let (tx, mut rx) = unbounded_channel();
        let condition = when("pool", &[], Comparison::Less, 1.0);
        let url = format!("http://{address}/m");
        let watch = MetricWatch { url, every: Duration::from_millis(5), when: condition };
        let context = AgentContext { clock: crate::agent::Clock::start(), proxy: None, loads: Default::default() };
        let tell: Tell = std::sync::Arc::new(move |told| drop(tx.send(told)));
        let _watch = watch.begin("alert", &context, tell).await.expect("a watch");
        let mut got = Vec::new();
        while got.len() < 4 {
            let next = tokio::time::timeout(Duration::from_secs(20), rx.recv()).await.expect("in time");
            let Some(Told::Sample { value, holds, error, .. }) = next else { panic!("not a sample: {next:?}") };
            got.push((value, holds, error));
        }
        server.await.expect("the server saw what it should");
        let refused = got.pop().expect("the server is gone by then");
        assert_eq!((refused.0, refused.1), (None, false));
        assert!(refused.2.is_some_and(|why| why.contains("connect to")));
        let failed = format!("{address} answered 503 Service Unavailable");
        assert_eq!(got, [(None, false, Some(failed)), (Some(1.0), false, None), (Some(0.0), true, None)]);
    }
}
