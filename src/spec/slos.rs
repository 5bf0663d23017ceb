//! Files of SLOs as teams keep them: Sloth (`prometheus/v1` and its Kubernetes resource), OpenSLO (`openslo/v1`), and journeys. They are read as they are; keys that say nothing about objective and queries are left alone.
//!
//! Sources: <https://sloth.dev/specs/default/>, <https://github.com/OpenSLO/OpenSLO>.

use super::find::text_at;
use crate::agent::promql::{PromAsked, PromEvents, check_query, in_window};
use crate::agent::source::SliSource;
use crate::assurance::services::{JourneyPromise, read_journeys};
use crate::slis::{Good, Ratio};
use crate::source::{At, Diagnostics, Node, Source, Span, TextPattern, did_you_mean, parse, parse_period, pattern};
use regex::Regex;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// What an SLO is over when its file does not say it: Sloth's own default.
const PERIOD: Duration = Duration::from_secs(30 * 86_400);

const OPENSLO: &str = "openslo/v1";

/// An SLO of such a file.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundSlo {
    /// Its service.
    pub service: String,
    /// Its name in the file; of an OpenSLO with several objectives with the number of each, from 0.
    pub name: String,
    /// The objective.
    pub objective: Ratio,
    /// How long it is over.
    pub period: Duration,
    /// What it counts.
    pub counts: SloCounts,
    /// Where it stands.
    pub span: Span,
}

impl FoundSlo {
    /// `shopping/availability`.
    pub fn told(&self) -> String {
        format!("{}/{}", self.service, self.name)
    }
}

/// What an SLO counts.
#[derive(Debug, Clone, PartialEq)]
pub enum SloCounts {
    /// Events, by queries over `{{window}}`: some of them, the bad ones or the good ones, and all of them.
    Events { bad: bool, some: String, total: String },
    /// The share of bad events; how many there are is not known.
    ErrorRatio(String),
    /// Requests of a load, of which these are good.
    Requests(Good),
    /// Something that cannot be asked, and why.
    Unknown(String),
}

/// A range that is written out; a counter, or the sum of one, without a range.
static RANGE: TextPattern = TextPattern::new(r"\[\s*(?:[0-9]+(?:ms|[smhdwy]))+\s*\]");
static COUNTER: LazyLock<Regex> = LazyLock::new(|| {
    let series = r#"[a-zA-Z_:][a-zA-Z0-9_:]*\s*(?:\{(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^}"'])*\})?"#;
    pattern(&format!(r"^\s*(?:sum\s*\(\s*({series})\s*\)|({series}))\s*$"))
});

/// Every SLO of a file; what is no file of SLOs at all is told.
pub fn read_slos(source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Vec<FoundSlo>> {
    let documents: Option<Vec<Node>> = source.documents().iter().map(|document| parse(document, diags)).collect();
    let documents = documents?;
    let mut found = Vec::new();
    let mut known = false;
    for document in &documents {
        let text = |key: &str| document.text_at(&[key]).unwrap_or_default();
        let (version, kind) = (text("apiVersion"), text("kind"));
        known |= version == OPENSLO || version.starts_with("sloth.slok.dev/");
        if text("version") == "prometheus/v1" {
            known = true;
            found.extend(sloth(document));
        } else if version.starts_with("sloth.slok.dev/") && kind == "PrometheusServiceLevel" {
            found.extend(document.get(&["spec"]).map_or_else(Vec::new, sloth));
        } else if version == OPENSLO && kind == "SLO" {
            found.extend(openslo(document, &documents));
        } else if let Some(journeys) = read_journeys(document, source, diags) {
            known = true;
            found.extend(journeys.into_iter().flat_map(|journey| {
                let service = journey.name;
                journey.promises.into_iter().map(move |JourneyPromise { name, objective, good, span }| {
                    let (service, counts) = (service.clone(), SloCounts::Requests(good));
                    FoundSlo { service, name, objective, period: PERIOD, counts, span }
                })
            }));
        }
    }
    if !known {
        let message = "this is no file of SLOs that is known: neither Sloth (`version: prometheus/v1`) nor OpenSLO \
                       (`apiVersion: openslo/v1`), and no list `journeys`";
        diags.error(source, Span::default(), message);
        return None;
    }
    Some(found)
}

/// `service` and `slos` of Sloth, whose keys its Kubernetes resource spells in another way.
fn sloth(spec: &Node) -> Vec<FoundSlo> {
    let service = spec.text_at(&["service"]).unwrap_or_default();
    let found = spec.list(&["slos"]).iter().filter_map(|slo| {
        let query = |paths: &[&[&str]]| paths.iter().find_map(|path| slo.text_at(path)).map(over_window);
        let error = query(&[&["sli", "events", "error_query"], &["sli", "events", "errorQuery"]]);
        let total = query(&[&["sli", "events", "total_query"], &["sli", "events", "totalQuery"]]);
        let raw = query(&[&["sli", "raw", "error_ratio_query"], &["sli", "raw", "errorRatioQuery"]]);
        let counts = match (error.zip(total), raw) {
            (Some((some, total)), _) => SloCounts::Events { bad: true, some, total },
            (None, Some(ratio)) => SloCounts::ErrorRatio(ratio),
            (None, None) => SloCounts::Unknown(match slo.get(&["sli", "plugin"]) {
                Some(_) => "its queries are made by a plugin of Sloth: take the ones that Sloth generates".into(),
                None => "it has neither `events` nor `raw`".into(),
            }),
        };
        let (name, service) = (slo.text_at(&["name"])?.to_string(), service.to_string());
        let (objective, counts) = promised(slo.get(&["objective"]).and_then(percent), counts)?;
        Some(FoundSlo { service, name, objective, period: PERIOD, counts, span: slo.span })
    });
    found.collect()
}

/// The objectives of one OpenSLO; its indicator may be another document of the file.
fn openslo(document: &Node, all: &[Node]) -> Vec<FoundSlo> {
    let is_indicator = |node: &&Node| {
        let name = document.text_at(&["spec", "indicatorRef"]);
        node.text_at(&["kind"]) == Some("SLI") && name.is_some() && node.text_at(&["metadata", "name"]) == name
    };
    let indicator = all.iter().find(is_indicator).and_then(|node| node.get(&["spec"]));
    let indicator = indicator.or_else(|| document.get(&["spec", "indicator", "spec"]));
    let window = document.list(&["spec", "timeWindow"]).first();
    let period = window.and_then(|window| long_duration(window.text_at(&["duration"])?)).unwrap_or(PERIOD);
    let Some(name) = document.text_at(&["metadata", "name"]) else { return Vec::new() };
    let objectives = document.list(&["spec", "objectives"]);
    let found = objectives.iter().enumerate().filter_map(|(number, objective)| {
        let target = objective.text_at(&["target"]).and_then(|text| Ratio::new(text.parse().ok()?));
        let target = target.or_else(|| percent(objective.get(&["targetPercent"])?));
        let ratio = indicator.and_then(|spec| spec.get(&["ratioMetric"]));
        let unknown = || SloCounts::Unknown("it has no `ratioMetric`: a threshold of a value counts no events".into());
        let counts = ratio.map_or_else(unknown, ratio_metric);
        let (objective_of, counts) = promised(target, counts)?;
        let service = document.text_at(&["spec", "service"]).unwrap_or_default().to_string();
        let name = if objectives.len() > 1 { format!("{name}-{number}") } else { name.to_string() };
        Some(FoundSlo { service, name, objective: objective_of, period, counts, span: objective.span })
    });
    found.collect()
}

/// `good`, `bad` and `total` of a ratio.
fn ratio_metric(ratio: &Node) -> SloCounts {
    let query = |of: &str| ratio.text_at(&[of, "metricSource", "spec", "query"]).map(over_window);
    let counts = |bad: bool, some: String| query("total").map(|total| SloCounts::Events { bad, some, total });
    let found = query("good").and_then(|good| counts(false, good)).or_else(|| counts(true, query("bad")?));
    let raw = || match ratio.text_at(&["rawType"]) {
        Some("failure") => query("raw").map(SloCounts::ErrorRatio),
        Some("success") => query("raw").map(|good| SloCounts::ErrorRatio(format!("1 - ({good})"))),
        _ => None,
    };
    let unknown = "it has no queries in PromQL for `good` or `bad` and for the `total`";
    found.or_else(raw).unwrap_or_else(|| SloCounts::Unknown(unknown.into()))
}

/// A query over `{{window}}`: a range that is written out gives way to it, and a counter without one gets it.
fn over_window(query: &str) -> String {
    let query = query.trim();
    if in_window(query, PERIOD) != query {
        return query.into();
    }
    if RANGE.is_match(query) {
        return RANGE.replace_all(query, "[{{window}}]").into_owned();
    }
    let series = COUNTER.captures(query).and_then(|found| found.get(1).or_else(|| found.get(2)));
    series.map_or_else(|| query.into(), |series| format!("sum(increase({}[{{{{window}}}}]))", series.as_str().trim()))
}

/// The objective of an SLO and what it counts; without an objective that can be read nothing can be asked.
fn promised(objective: Option<Ratio>, counts: SloCounts) -> Option<(Ratio, SloCounts)> {
    const WHY: &str = "it has no objective that can be read: `objective: 99.9` without a sign, or `target: 0.999`";
    objective.map(|objective| (objective, counts)).or_else(|| Some((Ratio::new(0.0)?, SloCounts::Unknown(WHY.into()))))
}

/// `99.9`, a percentage without its sign.
fn percent(node: &Node) -> Option<Ratio> {
    Ratio::new(node.text()?.parse::<f64>().ok()? / 100.0)
}

/// `30d`, `4w`, `1M`, as OpenSLO writes how long an SLO is over.
pub(crate) fn long_duration(text: &str) -> Option<Duration> {
    let of_days = [('M', 30), ('Q', 90), ('Y', 365), ('y', 365)];
    let in_days = of_days.into_iter().find_map(|(unit, days)| Some((text.trim().strip_suffix(unit)?, days)));
    let read = match in_days {
        Some((count, days)) => Duration::from_secs(86_400 * days) * count.parse::<u32>().ok()?,
        None => parse_period(text).ok()?,
    };
    (!read.is_zero()).then_some(read)
}

/// Reads `slo` of an SLI, `../slo/checkout.yaml#requests-availability`: the SLO, and the Prometheus that counts its events, where
/// it counts any and something says which one.
pub(super) fn read(sli: &str, at: &mut At<'_>, asked: Option<&PromAsked>) -> Option<(FoundSlo, Option<SliSource>)> {
    at.diags.describe(crate::source::shape::filled);
    let slo = find(at)?;
    let (bad, some, total) = match &slo.counts {
        SloCounts::Requests(_) => return Some((slo, None)),
        SloCounts::Events { bad, some, total } => (*bad, some.clone(), total.clone()),
        SloCounts::ErrorRatio(_) => {
            return at.not(format!("`{}` gives a ratio and no events, which no window can be judged by", slo.name));
        }
        SloCounts::Unknown(why) => return at.not(format!("`{}` cannot be asked: {why}", slo.name)),
    };
    if let Some(why) = [&some, &total].into_iter().find_map(|query| check_query(query).err()) {
        return at.not(format!("`{}` cannot be asked: {why}", slo.name));
    }
    let Some(asked) = asked else { return Some((slo, None)) };
    let of = if bad { asked.of_bad() } else { PromEvents::Good };
    // No load has a `:` in its name.
    let source = asked.source(format!("promql:{sli}"), of, some, total)?;
    Some((slo, Some(source)))
}

/// The SLO that a value names.
fn find(at: &mut At<'_>) -> Option<FoundSlo> {
    let Some(written) = at.node.text().map(str::to_string) else {
        return at.expected("a file and a name like `../slo/shop.yaml#availability`");
    };
    let (file, name) = written.split_once('#').map_or((written.as_str(), None), |(file, name)| (file, Some(name)));
    let node = Node { value: crate::source::Value::Scalar { text: file.to_string(), plain: true }, span: at.node.span };
    let mut of_file = At { key: at.key, key_span: at.key_span, node: &node, source: at.source, diags: at.diags };
    let source = text_at(&mut of_file, "the file of SLOs")?;
    let all = read_slos(&source, at.diags)?;
    let fits = |slo: &&FoundSlo| name.is_none_or(|name| slo.name == name || slo.told() == name);
    let fitting: Vec<&FoundSlo> = all.iter().filter(fits).collect();
    if let [slo] = fitting.as_slice() {
        return Some((*slo).clone());
    }
    let what = if fitting.is_empty() { "no SLO of this name" } else { "several SLOs that are meant by this" };
    let names: Vec<String> = all.iter().map(FoundSlo::told).collect();
    let help = did_you_mean(name.unwrap_or_default(), names.iter().map(String::as_str));
    at.error(format!("`{}` has {what}", source.path.display())).help(help);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of a file: names, objectives, queries; and what is told.
    fn read_all(text: &str) -> (Vec<FoundSlo>, Vec<String>) {
        let source = Source::new("slo.yaml", text);
        let mut diags = Diagnostics::default();
        let found = read_slos(&source, &mut diags).unwrap_or_default();
        for slo in &found {
            assert!(
                source.text[slo.span.start..].starts_with(|c: char| c.is_alphanumeric() || c == '{'),
                "a place in the file"
            );
        }
        (found, diags.all.into_iter().map(|diagnostic| diagnostic.message).collect())
    }

    fn events(bad: bool, some: &str, total: &str) -> SloCounts {
        SloCounts::Events { bad, some: some.into(), total: total.into() }
    }

    const SLOTH: &str = r##"---
# Comments, labels, alerting and plugins of the generator say nothing about the SLO.
version: "prometheus/v1"
service: "shop"
labels: { owner: "team" }
slo_plugins: { chain: [{ id: "x/core/v1", priority: 9999999 }] }
slos:
  - name: "orders-availability"
    objective: 99.9
    description: "Orders – answered."
    sli:
      events:
        error_query: sum(rate(http_count{job="shop",code=~"(5..|429)"}[{{.window}}]))
        total_query: |
          sum(
            rate(http_count{job="shop"}[{{.window}}])
          )
    alerting: { name: ShopErrors, page_alert: { disable: true }, ticket_alert: { labels: { channel: "#shop" } } }
  - name: "orders-ratio"
    objective: 95
    sli: { raw: { error_ratio_query: "1 - avg_over_time(quality[{{.window}}])" } }
  - name: "by-plugin"
    objective: 99
    sli: { plugin: { id: "getting_started", options: { job: "shop" } } }
---
version: prometheus/v1
service: shop2
slos:
- name: orders-availability
  objective: 99.99
  sli: { events: { error_query: "sum(increase(e[{{ window }}])) or vector(0)", total_query: "sum(increase(t[{{.window}}]))" } }
"##;

    #[test]
    fn sloth_is_read_as_it_is() {
        let (found, told) = read_all(SLOTH);
        assert_eq!(told, Vec::<String>::new());
        let named: Vec<_> =
            found.iter().map(|slo| (slo.service.as_str(), slo.name.as_str(), slo.objective.to_string())).collect();
        assert_eq!(
            named,
            [
                ("shop", "orders-availability", "99.9%".to_string()),
                ("shop", "orders-ratio", "95%".into()),
                ("shop", "by-plugin", "99%".into()),
                ("shop2", "orders-availability", "99.99%".into()),
            ]
        );
        let total = "sum(\n  rate(http_count{job=\"shop\"}[{{.window}}])\n)";
        let errors = "sum(rate(http_count{job=\"shop\",code=~\"(5..|429)\"}[{{.window}}]))";
        assert_eq!(found[0].counts, events(true, errors, total));
        assert!(matches!(&found[1].counts, SloCounts::ErrorRatio(query) if query.starts_with("1 - avg")));
        assert!(matches!(&found[2].counts, SloCounts::Unknown(why) if why.contains("plugin")));
        let resource = "apiVersion: sloth.slok.dev/v1\nkind: PrometheusServiceLevel\nmetadata: { name: shop, namespace: x }\n\
                        spec:\n  service: shop\n  slos:\n  - name: a\n    objective: 99\n    sli:\n      events:\n        \
                        errorQuery: sum(rate(e[{{.window}}]))\n        totalQuery: sum(rate(t[{{.window}}]))\n";
        let (found, _) = read_all(resource);
        assert_eq!(found[0].counts, events(true, "sum(rate(e[{{.window}}]))", "sum(rate(t[{{.window}}]))"));
        let windows = "apiVersion: sloth.slok.dev/v1\nkind: AlertWindows\nspec: { sloPeriod: 7d }\n";
        assert_eq!(read_all(windows), (Vec::new(), Vec::new()), "a file of windows has no SLO");
    }

    #[test]
    fn openslo_is_read_as_it_is() {
        let v1 = r#"apiVersion: openslo/v1
kind: SLI
metadata: { name: orders }
spec:
  ratioMetric:
    counter: true
    good: { metricSource: { type: Prometheus, spec: { query: 'sum(http_total{code!~"5..}"})' } } }
    total: { metricSource: { type: Prometheus, spec: { query: http_total } } }
---
apiVersion: openslo/v1
kind: SLO
metadata: { name: orders-availability, displayName: Orders }
spec:
  service: shop
  indicatorRef: orders
  timeWindow: [{ duration: 4w, isRolling: true }]
  budgetingMethod: Occurrences
  objectives: [{ displayName: a, target: 0.995 }, { displayName: b, targetPercent: 99.9 }]
---
apiVersion: openslo/v1
kind: SLO
metadata: { name: inline }
spec:
  service: shop
  indicator:
    spec:
      ratioMetric:
        bad: { metricSource: { spec: { query: "sum(rate(e[5m]))" } } }
        total: { metricSource: { spec: { query: "sum(rate(t[5m]))" } } }
  objectives: [{ target: 0.9 }]
---
apiVersion: openslo/v1
kind: SLO
metadata: { name: threshold }
spec:
  service: shop
  indicator: { spec: { thresholdMetric: { metricSource: { spec: { query: x } } } } }
  objectives: [{ op: lte, value: 3, target: 0.9 }]
"#;
        let (found, told) = read_all(v1);
        assert_eq!(told, Vec::<String>::new());
        let named: Vec<_> = found.iter().map(|slo| (slo.name.as_str(), slo.objective.to_string())).collect();
        let expected = [
            ("orders-availability-0", "99.5%"),
            ("orders-availability-1", "99.9%"),
            ("inline", "90%"),
            ("threshold", "90%"),
        ];
        assert_eq!(named, expected.map(|(name, objective)| (name, objective.to_string())));
        assert_eq!(found[0].period, Duration::from_secs(28 * 86_400));
        let good = "sum(increase(http_total{code!~\"5..}\"}[{{window}}]))";
        assert_eq!(
            found[0].counts,
            events(false, good, "sum(increase(http_total[{{window}}]))"),
            "counters get a range"
        );
        assert_eq!(found[2].counts, events(true, "sum(rate(e[{{window}}]))", "sum(rate(t[{{window}}]))"));
        assert!(matches!(&found[3].counts, SloCounts::Unknown(why) if why.contains("threshold")));
        assert!(read_all("apiVersion: openslo/v1alpha\nkind: SLO\n").1[0].contains("no file of SLOs"));
    }

    #[test]
    fn an_slo_whose_objective_cannot_be_read_says_so() {
        let why = |text: &str| {
            let (found, told) = read_all(text);
            assert_eq!((found.len(), told), (1, Vec::new()), "{text}");
            let SloCounts::Unknown(why) = &found[0].counts else { panic!("{text}") };
            why.clone()
        };
        let events = "sli: { events: { error_query: 'rate(e[5m])', total_query: 'rate(t[5m])' } }";
        let sloth = |objective: &str| {
            format!("version: prometheus/v1\nservice: a\nslos: [{{ name: b, {objective}{events} }}]\n")
        };
        assert!(why(&sloth("objective: 99.9%, ")).contains("no objective that can be read"));
        assert!(why(&sloth("")).contains("no objective that can be read"));
        let openslo = |objective: &str| {
            format!(
                "apiVersion: openslo/v1\nkind: SLO\nmetadata: {{ name: a }}\nspec: {{ objectives: [{{ {objective} }}] }}\n"
            )
        };
        assert!(why(&openslo("target: 99.9")).contains("no objective that can be read"));
        assert!(why(&openslo("displayName: a")).contains("no objective that can be read"));
    }

    #[test]
    fn what_is_no_file_of_slos_is_told() {
        assert!(read_all("a: 1\n").1[0].contains("no file of SLOs"));
        assert!(!read_all("version: prometheus/v1\nslos: [\n").1.is_empty());
        assert_eq!(long_duration("28d"), Some(28 * Duration::from_secs(86_400)));
        for text in ["", "d", "0d", "5x", "-1d", "é"] {
            assert_eq!(long_duration(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(version: prometheus/v1\n|---\n|slos:\n|- name: a\n|  objective: 9é?9\n|[ a-z:{}\\[\\]\n\"-]{0,9}){0,12}") {
            read_slos(&Source::new("x", text), &mut Diagnostics::default());
        }

        #[test]
        fn no_query_makes_it_panic(query in "[a-z{}\\[\\]()\"'\\\\0-9. =~é]{0,40}") {
            let _ = (over_window(&query), check_query(&query), long_duration(&query));
        }
    }
}
