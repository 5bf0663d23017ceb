//! What a block holds by its shape, where that is no shell: data formats, configuration, queries, logs. A shape counts
//! only where all of a block has it.

/// Whether lines that are no comments have a shape.
type Shape = fn(&[&str]) -> bool;

/// What the text is, in words, when it clearly is something else than shell.
pub(super) fn of_text(text: &str) -> Option<&'static str> {
    let lines: Vec<&str> = text.lines().filter(|line| !is_comment(line)).collect();
    let first = lines.first()?.trim_start();
    if is_json(text) {
        return Some("JSON");
    }
    let shapes: [(Shape, &str); 8] = [
        (is_sql, "SQL"),
        (is_promql, "a query of Prometheus"),
        (is_log, "log lines"),
        (is_crontab, "lines of a crontab"),
        (is_hcl, "Terraform"),
        (is_settings, "a configuration file"),
        (is_directives, "a configuration file"),
        (is_yaml, "YAML"),
    ];
    let known = crate::runbook::look::is_known_program(word(first)) && !matches!(word(first), "host" | "[");
    shapes.into_iter().find(|(is, _)| !known && is(&lines)).map(|(_, what)| what)
}

fn is_comment(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#') || line.starts_with("--")
}

fn word(line: &str) -> &str {
    line.split_whitespace().next().unwrap_or_default()
}

fn is_json(text: &str) -> bool {
    let value = serde_json::from_str::<serde_json::Value>(text);
    value.is_ok_and(|value| value.is_object() || value.is_array())
}

/// A statement of SQL that ends with `;`, and nothing before it.
fn is_sql(lines: &[&str]) -> bool {
    const TWO: &[(&str, &[&str])] = &[
        ("INSERT", &["INTO"]),
        ("DELETE", &["FROM"]),
        ("ALTER", &["TABLE", "SYSTEM", "ROLE", "USER", "DATABASE", "INDEX", "SUBSCRIPTION", "PUBLICATION"]),
        (
            "CREATE",
            &["TABLE", "INDEX", "UNIQUE", "DATABASE", "USER", "ROLE", "EXTENSION", "SUBSCRIPTION", "PUBLICATION"],
        ),
        ("DROP", &["TABLE", "INDEX", "DATABASE", "USER", "ROLE", "SUBSCRIPTION", "PUBLICATION"]),
        ("GRANT", &[]),
        ("VACUUM", &[]),
        ("REINDEX", &[]),
        ("EXPLAIN", &[]),
        ("WITH", &[]),
        ("UPDATE", &[]),
        ("SELECT", &[]),
        ("SHOW", &[]),
        ("BEGIN;", &[]),
    ];
    let all = lines.join(" ");
    let mut words = all.split_whitespace().map(str::to_uppercase);
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let begins = TWO.iter().any(|(verb, next)| first == *verb && (next.is_empty() || next.contains(&second.as_str())));
    // `select x in a b; do` is shell.
    begins && all.trim_end().ends_with(';') && !all.contains("; do")
}

/// `up{job="x"} == 0`, `sum(rate(errors[5m])) by (pod)`.
fn is_promql(lines: &[&str]) -> bool {
    const FUNCTIONS: &[&str] = &[
        "rate", "irate", "increase", "sum", "avg", "max", "min", "count", "histogram_quantile", "topk", "bottomk",
        "absent", "changes", "delta", "predict_linear", "max_over_time", "avg_over_time", "quantile", "time",
    ];
    let is_query = |line: &&str| {
        let line = line.trim();
        let width = line.bytes().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b':')).count();
        let (name, rest) = line.split_at(width);
        let selects = rest.starts_with('{') && rest.contains("=\"") | rest.contains("=~\"") && rest.contains('}');
        let calls = FUNCTIONS.contains(&name) && rest.trim_start().starts_with(['(', 'b']);
        width > 0 && (selects || calls && rest.contains('('))
    };
    lines.first().is_some_and(is_query)
}

/// Every line begins with a time or a level.
fn is_log(lines: &[&str]) -> bool {
    let is_entry = |line: &&str| {
        let line = line.trim_start().trim_start_matches('[');
        let date = line.get(..10).is_some_and(|day| fits(day, "0000-00-00") || fits(day, "0000/00/00"));
        let key = ["time=", "ts=", "level=", "t="].iter().any(|key| line.starts_with(key)) && line.contains(" msg=");
        date && line.contains(':') || key
    };
    lines.iter().all(is_entry)
}

/// Whether there is a digit where the pattern has one, and the same character everywhere else.
fn fits(text: &str, pattern: &str) -> bool {
    text.len() == pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(c, p)| if p == b'0' { c.is_ascii_digit() } else { c == p })
}

/// `0 2 * * * command`.
fn is_crontab(lines: &[&str]) -> bool {
    let is_entry = |line: &&str| {
        let mut words = line.split_whitespace();
        let field = |word: &str| word.bytes().all(|c| c.is_ascii_digit() || b"*/,-".contains(&c));
        let fields = words.by_ref().take(5).filter(|word| field(word)).count();
        fields == 5 && words.next().is_some()
    };
    lines.iter().all(is_entry)
}

/// `resource "aws_instance" "db" {`.
fn is_hcl(lines: &[&str]) -> bool {
    let first = lines.first().copied().unwrap_or_default();
    matches!(word(first), "resource" | "module" | "variable" | "provider" | "data")
        && first.trim_end().ends_with('{')
        && first.contains('"')
}

/// `name = value` with blanks around the sign, and `[sections]`.
fn is_settings(lines: &[&str]) -> bool {
    let is_section = |line: &str| {
        let inner = line.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        inner.is_some_and(|name| !name.starts_with(' ') && !name.is_empty())
    };
    let is_setting = |line: &str| {
        let mut words = line.split_whitespace();
        words.next().is_some() && words.next() == Some("=") && words.next().is_some()
    };
    let sections = lines.iter().any(|line| is_section(line));
    // Below a section the sign may stand without blanks.
    let fits = |line: &&str| is_section(line) || is_setting(line) || sections && line.contains('=');
    lines.iter().all(fits) && lines.iter().any(|line| is_setting(line) || is_section(line))
}

/// Directives of Redis, its Sentinel and `pg_hba.conf`.
fn is_directives(lines: &[&str]) -> bool {
    let is_directive = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [
                "sentinel",
                "monitor" | "auth-pass" | "down-after-milliseconds" | "failover-timeout" | "parallel-syncs",
                ..,
            ] => true,
            [
                "replicaof" | "masterauth" | "requirepass" | "maxmemory" | "maxmemory-policy" | "appendonly"
                | "appendfsync",
                _,
                ..,
            ] => words.len() <= 3,
            ["save", seconds, changes] => [seconds, changes].iter().all(|n| n.bytes().all(|c| c.is_ascii_digit())),
            ["bind" | "port" | "dir" | "dbfilename" | "protected-mode" | "replica-read-only", _, ..] => {
                words.len() <= 4
            }
            ["host" | "hostssl" | "local", _, _, .., "md5" | "scram-sha-256" | "trust" | "peer" | "reject"] => true,
            _ => false,
        }
    };
    lines.iter().all(is_directive)
}

/// `key:` on every line that is not indented, and on more than one line.
fn is_yaml(lines: &[&str]) -> bool {
    let is_key = |line: &str| {
        let key = line.split([' ', '\t']).next().unwrap_or_default();
        let name = key.strip_suffix(':').unwrap_or_default();
        !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || b"_-./\"'".contains(&c))
    };
    let fits = |line: &&str| line.starts_with([' ', '\t']) || line.starts_with("- ") || *line == "---" || is_key(line);
    lines.len() > 1 && lines.iter().all(fits) && lines.iter().any(|line| is_key(line.trim_start_matches(['-', ' '])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        for (text, expected) in [
            ("SELECT 1;\n", Some("SQL")),
            ("-- how many\nselect count(*)\nfrom t;", Some("SQL")),
            ("up{job=\"x\"} == 0", Some("a query of Prometheus")),
            ("sum by (pod) (rate(x[5m]))", Some("a query of Prometheus")),
            ("{\"a\": [1]}", Some("JSON")),
            ("2024-01-02T03:04:05Z error x\n2024-01-02T03:04:06Z error y", Some("log lines")),
            ("# every night\n0 2 * * * /usr/local/bin/x", Some("lines of a crontab")),
            ("resource \"a\" \"b\" {\n}", Some("Terraform")),
            ("wal_level = replica\nmax_wal_senders = 3", Some("a configuration file")),
            ("[databases]\nshop = host=db", Some("a configuration file")),
            ("save 900 1\nsave 300 10", Some("a configuration file")),
            ("a:\n  b: c\n- d", Some("YAML")),
            ("host all all 10.0.0.0/8 md5", Some("a configuration file")),
        ] {
            assert_eq!(of_text(text), expected, "{text}");
        }
    }

    #[test]
    fn shell_has_none_of_these_shapes() {
        for text in [
            "",
            "# only words",
            "kubectl get pods\n",
            "A=1\nB=2",
            "select x in a b; do echo $x; done;",
            "update-ca-certificates;",
            "show-all",
            "[ -f x ]",
            "[[ a = b ]]",
            "host example.com",
            "port upgrade outdated now please",
            "a: b",
            "time kubectl get x",
            "{ ls; }",
            "frobnicate: x\nls",
        ] {
            assert_eq!(of_text(text), None, "{text}");
        }
    }
}
