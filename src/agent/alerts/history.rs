//! A synthetic past for Prometheus: without it, windows of hours see only as much as the drill has lasted.

use super::AlertAddresses;
use crate::process;
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// From one sample to the next.
const STEP: Duration = Duration::from_secs(15);
/// How long making the blocks may take.
const MADE_WITHIN: Duration = Duration::from_secs(10);

/// Synthetic samples that Prometheus has of the time before the drill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SyntheticHistory {
    /// How long before the drill it begins.
    pub reach: Duration,
    /// Its series.
    pub series: Vec<SyntheticSeries>,
}

/// A series of the past, the same all the time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SyntheticSeries {
    /// Name of the metric.
    pub metric: String,
    /// Its labels with their braces, as they were written; empty without any.
    pub labels: String,
    /// How much it grows by in a second: a counter.
    pub per_second: f64,
    /// The value that it begins with: that of a gauge, which does not grow.
    pub value: f64,
}

impl SyntheticHistory {
    /// The samples in the text format of OpenMetrics, up to a time in seconds since the Unix epoch. A metric's series stand
    /// together, as the format demands.
    fn text(&self, until: u64) -> String {
        let mut series: Vec<&SyntheticSeries> = self.series.iter().collect();
        series.sort_by(|a, b| a.metric.cmp(&b.metric));
        let (reach, step) = (self.reach.as_secs(), STEP.as_secs());
        let mut text = String::new();
        for one in series {
            for ago in (1..=reach / step).rev().map(|n| n * step) {
                let value = one.value + one.per_second * (reach - ago) as f64;
                // Writing into a string does not fail.
                let _ = writeln!(text, "{}{} {value} {}", one.metric, one.labels, until.saturating_sub(ago));
            }
        }
        text.push_str("# EOF\n");
        text
    }

    /// Makes blocks of it where Prometheus will keep its data.
    pub(super) async fn make(&self, dir: &Path, storage: &Path) -> Result<(), String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let file = dir.join("history.txt");
        tokio::fs::write(&file, self.text(now)).await.map_err(|error| format!("writing the history: {error}"))?;
        let mut promtool = process::command("promtool");
        promtool.args(["tsdb", "create-blocks-from", "openmetrics", "--quiet"]).arg(&file).arg(storage);
        let made = process::output(promtool, MADE_WITHIN).await.map_err(|error| format!("promtool: {error}"))?;
        match made.status.success() {
            true => Ok(()),
            false => Err(format!("the history cannot be used: {}", String::from_utf8_lossy(&made.stderr).trim())),
        }
    }

    /// Asks Prometheus for it: no data is no history.
    pub(super) async fn check(&self, servers: &AlertAddresses) -> Result<String, String> {
        let mut least = f64::INFINITY;
        for one in &self.series {
            let selector = format!("{}{}", one.metric, one.labels);
            let found = servers.query(&format!("count_over_time({selector}[{}s])", self.reach.as_secs())).await?;
            let samples = found.into_iter().fold(0.0, f64::max);
            if samples < 2.0 {
                return Err(format!("Prometheus does not have the history of {selector}"));
            }
            least = least.min(samples);
        }
        let hours = self.reach.as_secs_f64() / 3600.0;
        Ok(format!(
            "the history of Prometheus is synthetic: {hours:.1} h of {} series, at least {least} samples of each",
            self.series.len()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_grow_and_gauges_stay() {
        let series = |metric: &str, per_second, value| SyntheticSeries {
            metric: metric.into(),
            labels: "{a=\"b\"}".into(),
            per_second,
            value,
        };
        let history = SyntheticHistory {
            reach: Duration::from_secs(45),
            series: vec![series("x_total", 2.0, 0.0), series("g", 0.0, 5.0)],
        };
        let expected = "g{a=\"b\"} 5 955\ng{a=\"b\"} 5 970\ng{a=\"b\"} 5 985\nx_total{a=\"b\"} 0 955\nx_total{a=\"b\"} 30 \
                        970\nx_total{a=\"b\"} 60 985\n# EOF\n";
        assert_eq!(history.text(1000), expected);
    }
}
