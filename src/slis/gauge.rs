//! Gauges of servers (CPU, memory, number of Pods), which are no SLI: where a question asks for one, and why it is refused.

use crate::source::{TextPattern, pattern};
use regex::Regex;
use std::sync::LazyLock;

/// Why a gauge is refused.
pub const WHY: &str = "this is a gauge of a server, and an SLI is good events / valid events, as users feel them: a server may be \
                       busy while everybody is served, and idle because nobody is";
/// What to do instead.
pub const INSTEAD: &str =
    "count what users ask for (a load, a query, freshness); how full a server is may stand in `detect` or in an alert";

/// Keys by which people name a gauge in an SLI.
pub const KEYS: [&str; 8] = ["metric", "metrics", "gauge", "when", "cpu", "memory", "pods", "replicas"];

/// What PostgreSQL shows of itself: sessions, buffers, totals of the server. How far behind a replica is
/// (`pg_stat_replication`) is felt by those who read there.
static VIEWS: TextPattern = TextPattern::new(
    r"(?i)\bpg_(?:stat_(?:activity|database|bgwriter|io|wal|user_tables|all_tables|statements)|buffercache|locks)\b",
);

/// The first gauge of the server's own that an SQL query reads.
pub fn in_sql(sql: &str) -> Option<&str> {
    Some(VIEWS.find(sql)?.as_str())
}

/// Words in the names of metrics that say how full a server is.
const FULL: [&str; 12] = [
    "cpu", "memory", "heap", "rss", "load1", "load5", "load15", "goroutines", "pods", "replicas", "inflight",
    "saturation",
];
/// Whose gauges exporters show: of the machine, the container, the cluster, the process.
const EXPORTERS: [&str; 7] = ["node_", "container_", "kube_", "machine_", "process_", "go_", "jvm_"];
/// How names of counters end.
const COUNTERS: [&str; 4] = ["_total", "_count", "_bucket", "_sum"];

/// What stands in a query and is no metric: texts, comments, matchers, ranges, lists of labels.
static NO_METRICS: LazyLock<Regex> = LazyLock::new(|| {
    let text = r#""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`"#;
    let lists = r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)";
    pattern(&format!(r"#[^\n]*|\{{(?:{text}|[^}}])*\}}|\[[^\]]*\]|{lists}|{text}"))
});
/// Names of metrics, and what follows them.
static NAMES: TextPattern = TextPattern::new(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\(?)");
/// `{__name__="…"}`
static NAMED: TextPattern = TextPattern::new(r#"__name__\s*=~?\s*["']([^"']*)["']"#);

/// The first metric in a PromQL query that is, by its name, a gauge of a server.
pub fn in_promql(query: &str) -> Option<String> {
    let named = NAMED.captures_iter(query).filter_map(|found| found.get(1));
    let named = named.flat_map(|names| names.as_str().split('|')).map(str::to_string);
    let bare = NO_METRICS.replace_all(query, " ");
    let plain = NAMES.captures_iter(&bare).filter(|found| found.get(2).is_some_and(|call| call.is_empty()));
    let plain = plain.filter_map(|found| Some(found.get(1)?.as_str().to_string()));
    named.chain(plain).find(|name| is_gauge(name))
}

fn is_gauge(name: &str) -> bool {
    let counter = COUNTERS.iter().any(|end| name.ends_with(end));
    let mut words = name.split(['_', ':']);
    if counter {
        words.any(|word| word == "cpu")
    } else {
        words.any(|word| FULL.contains(&word)) || EXPORTERS.iter().any(|exporter| name.starts_with(exporter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauges_of_servers_are_found_in_promql_by_their_names() {
        for (query, gauge) in [
            ("1 - avg(rate(node_cpu_seconds_total{mode=\"idle\"}[5m]))", "node_cpu_seconds_total"),
            ("sum by (pod) (container_memory_working_set_bytes)", "container_memory_working_set_bytes"),
            ("kube_deployment_status_replicas_available", "kube_deployment_status_replicas_available"),
            ("{__name__=~\"up|node_load1\"}", "node_load1"),
            ("instance:node_cpu:ratio", "instance:node_cpu:ratio"),
            ("go_goroutines > 5", "go_goroutines"),
        ] {
            assert_eq!(in_promql(query).as_deref(), Some(gauge), "{query}");
        }
        for query in [
            "sum(rate(http_requests_total{job=\"cpu_node_\", code=~\"5..|}\"}[5m])) by (node_cpu) # node_load1",
            "sum(increase(apiserver_request_total{resource=\"pods\"}[{{.window}}]))",
            "histogram_quantile(0.9, sum by (le) (rate(http_request_duration_seconds_bucket[5m]))) or vector(0)",
            "sum_over_time((client_satisfaction > bool 65)[{{.window}}:])",
        ] {
            assert_eq!(in_promql(query), None, "{query}");
        }
    }

    #[test]
    fn what_a_database_shows_of_itself_is_a_gauge() {
        assert_eq!(in_sql("SELECT count(*) < 90 FROM pg_stat_activity"), Some("pg_stat_activity"));
        assert_eq!(in_sql("SELECT replay_lag < interval '5 s' FROM pg_stat_replication"), None);
        assert_eq!(in_sql("SELECT now() - max(at) < interval '30 s' FROM my_pg_locks"), None);
    }
}
