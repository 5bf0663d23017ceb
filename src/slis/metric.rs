//! The alert condition as people write it: `db_pool_available < 1`, `errors_total{service="a", code="503"} >= 10`, in the
//! spelling of Prometheus.

use super::Comparison;
use crate::source::{TextPattern, shape};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const EXAMPLE: &str = "write it like `db_pool_available < 1` or `up{job=\"shop\"} == 0`";

/// A condition on one metric in the Prometheus text format: any series with these labels may fulfil it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricCondition {
    /// As it was written.
    pub text: String,
    /// Name of the metric.
    pub metric: String,
    /// Labels that must be equal.
    pub labels: BTreeMap<String, String>,
    /// Comparison.
    pub op: Comparison,
    /// Right-hand side.
    pub value: f64,
}

impl MetricCondition {
    /// What [`MetricCondition::parse`] accepts, for the schema; what stands in braces and the number are not looked into.
    pub fn shape() -> serde_json::Value {
        let any = Comparison::ALL.map(Comparison::name).join("|");
        shape::text(&format!("[A-Za-z_:][A-Za-z0-9_:]*\\s*(?:\\{{[\\s\\S]*\\}}\\s*)?(?:{any})\\s*[+-]?[0-9A-Za-z.+-]+"))
    }

    /// Reads a condition on one metric: its name, labels that must be equal in braces, a comparison, a number.
    /// The error says in one line what is wrong.
    pub fn parse(text: &str) -> Result<MetricCondition, String> {
        let text = text.trim();
        let mut rest = text;
        let metric = take_name(&mut rest)
            .ok_or_else(|| format!("`{text}` does not begin with the name of a metric: {EXAMPLE}"))?;
        rest = rest.trim_start();
        let labels = take_labels(&mut rest, false)?;
        if rest.starts_with('(') || rest.starts_with('[') {
            return Err(format!("`{text}` is PromQL: only a metric, its labels and a comparison can be given here"));
        }
        let (between, op, number) = Comparison::split(rest, text, EXAMPLE)?;
        if !between.is_empty() {
            return Err(format!("`{between}` cannot stand between the metric and the comparison: {EXAMPLE}"));
        }
        let value = number.parse::<f64>().ok().filter(|value| !value.is_nan());
        let value = value.ok_or_else(|| format!("`{number}` is not a number: {EXAMPLE}"))?;
        Ok(MetricCondition { text: text.to_string(), metric, labels, op, value })
    }
}

static METRIC: TextPattern = TextPattern::new("^[A-Za-z_:][A-Za-z0-9_:]*");

/// The name of a metric: letters, digits, `_` and `:`; it does not begin with a digit.
pub fn take_name(rest: &mut &str) -> Option<String> {
    let text = *rest;
    let name = METRIC.find(text)?.as_str();
    *rest = text.get(name.len()..)?;
    Some(name.to_string())
}

/// A label and its value, and the comma behind it.
static LABEL: TextPattern = TextPattern::new(r#"(?s)^\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(,?)"#);

/// Labels in braces, if there are any. On a metrics page (`of_page`) a backslash that escapes nothing stands for itself, as in
/// Prometheus.
pub fn take_labels(rest: &mut &str, of_page: bool) -> Result<BTreeMap<String, String>, String> {
    let mut labels = BTreeMap::new();
    let Some(mut inside) = rest.strip_prefix('{') else { return Ok(labels) };
    while let Some(found) = LABEL.captures(inside) {
        let (whole, [name, value, comma]) = found.extract();
        let Some(value) = unescaped(value, of_page) else { break };
        if labels.insert(name.to_string(), value).is_some() {
            return Err(format!("label `{name}` is given twice"));
        }
        inside = inside.get(whole.len()..).unwrap_or_default();
        if comma.is_empty() {
            break;
        }
    }
    *rest =
        inside.trim_start().strip_prefix('}').ok_or("labels are written like `{service=\"shop\", code=\"503\"}`")?;
    Ok(labels)
}

/// A text in double quotes without the escapes of the Prometheus text format: `\\`, `\"`, `\n`.
fn unescaped(text: &str, of_page: bool) -> Option<String> {
    let (mut value, mut chars) = (String::new(), text.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next()? {
                'n' => value.push('\n'),
                c @ ('\\' | '"') => value.push(c),
                other if of_page => value.extend(['\\', other]),
                _ => return None,
            },
            c => value.push(c),
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn conditions_are_read() {
        let plain = MetricCondition::parse(" db_pool_available < 1 ").expect("a condition");
        assert_eq!((plain.text.as_str(), plain.metric.as_str()), ("db_pool_available < 1", "db_pool_available"));
        assert_eq!((plain.op, plain.value, plain.labels.len()), (Comparison::Less, 1.0, 0));
        let labelled = MetricCondition::parse(r#"a:b{ x="1", y="q\"}\\\n" ,} >= -1.5e3"#).expect("a condition");
        assert_eq!(
            (labelled.metric.as_str(), labelled.op, labelled.value),
            ("a:b", Comparison::GreaterOrEqual, -1500.0)
        );
        assert_eq!(labelled.labels.get("y").map(String::as_str), Some("q\"}\\\n"));
        assert_eq!(MetricCondition::parse("up{}==+Inf").expect("a condition").value, f64::INFINITY);
    }

    #[test]
    fn mistakes_are_told() {
        let why = |text| MetricCondition::parse(text).expect_err(text);
        insta::assert_snapshot!(
            [
                "", "< 1", "up", "up = 1", "up 5 < 1", "up <", "up < one", "up < NaN", "rate(x[5m]) > 1", "x[5m] > 1",
                "up{job=shop} < 1", "up{job=~\"s.*\"} < 1", "up{job=\"a\",job=\"b\"} < 1", "up{job=\"a\" < 1",
                "up{1=\"a\"} < 1", "up{job} < 1", "up{job=\"\\t\"} < 1",
            ]
            .map(why)
            .join("\n")
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*|[a-z{}=\",<>! .0-9\\\\]{0,40}") {
            let _ = MetricCondition::parse(&text);
        }

        #[test]
        fn labels_come_back(value in "\\PC{0,20}", number in -1e6f64..1e6) {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            let read = MetricCondition::parse(&format!("m{{l=\"{escaped}\"}} == {number}")).expect("a condition");
            prop_assert_eq!(read.labels.get("l"), Some(&value));
            prop_assert_eq!(read.value, number);
        }
    }
}
