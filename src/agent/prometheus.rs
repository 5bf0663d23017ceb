//! The Prometheus text format, version 0.0.4, and what OpenMetrics adds to a sample line: exemplars and fractional
//! timestamps, which are read over.
//!
//! Written to <https://prometheus.io/docs/instrumenting/exposition_formats/>; strict, because a page that is
//! misread would make an alert fire or keep silent without a reason.

use crate::slis::{take_labels, take_name};
use crate::source::cut;
use std::collections::BTreeMap;

/// As much of a word as a message can bear, in characters.
const MOST_SHOWN: usize = 40;

/// One sample of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Name of the metric.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// Every sample of a page, or the first line that is wrong.
pub fn parse(page: &str) -> Result<Vec<Sample>, String> {
    let lines = page.split('\n').map(|line| line.trim_matches([' ', '\t', '\r'])).enumerate();
    // HELP, TYPE, UNIT, EOF and free comments say nothing about values.
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let wrong = |number: usize, why: String| format!("line {} of the metrics page: {why}", number + 1);
    lines.map(|(number, line)| sample(line).map_err(|why| wrong(number, why))).collect()
}

fn sample(line: &str) -> Result<Sample, String> {
    let mut rest = line;
    let name = take_name(&mut rest).ok_or("it does not begin with the name of a metric")?;
    rest = rest.trim_start_matches([' ', '\t']);
    let labels = take_labels(&mut rest, true)?;
    // An exemplar follows a `#`, which no value or timestamp holds.
    let rest = rest.split_once(" # ").map_or(rest, |(rest, _exemplar)| rest);
    let mut words = rest.split([' ', '\t']).filter(|word| !word.is_empty());
    let value = words.next().ok_or("it has no value")?;
    // As Go's `ParseFloat` reads it, without hexadecimal and underscores: `1e3`, `+Inf`, `-Inf`, `NaN`.
    let value = value.parse::<f64>().map_err(|_| format!("`{}` is not a value", cut(value, MOST_SHOWN, "")))?;
    if let Some(timestamp) = words.next()
        && !timestamp.parse::<f64>().is_ok_and(f64::is_finite)
    {
        return Err(format!("`{}` is not a timestamp", cut(timestamp, MOST_SHOWN, "")));
    }
    if let Some(more) = words.next() {
        return Err(format!("`{}` is too much", cut(more, MOST_SHOWN, "")));
    }
    Ok(Sample { name, labels, value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(line: &str) -> Sample {
        let mut samples = parse(line).expect("it is right");
        assert_eq!(samples.len(), 1, "{line}");
        samples.remove(0)
    }

    #[test]
    fn samples_with_everything_that_they_may_have() {
        assert_eq!(one("up 1"), Sample { name: "up".into(), labels: BTreeMap::new(), value: 1.0 });
        assert_eq!(one("job:up:rate5m{} 1.5e3 1395066363000").value, 1500.0);
        let sample = one(" http_total{ code = \"200\" , path=\"C:\\\\a\\\"b\\n\\x}\", } 3\r");
        assert_eq!((&*sample.labels["code"], &*sample.labels["path"]), ("200", "C:\\a\"b\n\\x}"));
        let exemplar = "h_bucket{le=\"+Inf\"} 17 1520879607.789 # {trace_id=\"abc\"} 0.67 1520879607.7";
        assert_eq!((one(exemplar).value, one(exemplar).labels["le"].clone()), (17.0, "+Inf".into()));
        assert_eq!(one("x{a=\"ü # \"} 1").labels["a"], "ü # ");
    }

    #[test]
    fn values_beyond_numbers() {
        assert_eq!(one("x +Inf").value, f64::INFINITY);
        assert_eq!(one("x -Inf").value, f64::NEG_INFINITY);
        assert!(one("x NaN").value.is_nan());
    }

    #[test]
    fn comments_and_empty_lines_say_nothing() {
        let page = "# HELP up Whether it is up.\n# TYPE up gauge\n\nup 1\n#\n# EOF\n";
        assert_eq!(parse(page).expect("it is right").len(), 1);
        assert_eq!(parse(""), Ok(vec![]));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let wrong = [
            "up", "up x", "up 1 x", "up 1 NaN", "up 1 2 3", "1up 1", "{a=\"b\"} 1", "up{a} 1", "up{a=b} 1",
            "up{a=\"b} 1", "up{a=\"b\" c=\"d\"} 1", "up{a=\"b\"", "up{,} 1", "up{a=\"1\",a=\"2\"} 1", "up 0x1p3",
            "<html>", "up \u{1}1",
        ];
        let told: Vec<String> =
            wrong.iter().map(|line| format!("{line} → {}", parse(&format!("ok 1\n{line}")).expect_err(line))).collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(page in "[ -~\n\\\\\"{}#=,é]{0,80}") {
            let _ = parse(&page);
        }

        #[test]
        fn what_is_written_is_read(
            name in "[a-zA-Z_:][a-zA-Z0-9_:]{0,8}",
            labels in proptest::collection::btree_map("[a-zA-Z_][a-zA-Z0-9_]{0,5}", "[ -~\n\\\\\"é]{0,9}", 0..4),
            value in any::<f64>().prop_filter("equal to itself", |v| !v.is_nan()),
        ) {
            let escape = |v: &str| v.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let text: Vec<String> = labels.iter().map(|(k, v)| format!("{k}=\"{}\"", escape(v))).collect();
            let line = format!("{name}{{{}}} {value}", text.join(","));
            prop_assert_eq!(parse(&line), Ok(vec![Sample { name, labels, value }]));
        }
    }
}
