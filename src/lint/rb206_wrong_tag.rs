//! RB206: a language tag that its block contradicts.

use super::{Check, Explain, Page, Report, Rule, shape};
use crate::runbook::look::Fence;
use crate::source::Level;

pub(super) const RULE: Rule = Rule {
    id: "RB206",
    level: Some(Level::Warning),
    title: "a tag that its content contradicts (PromQL, SQL or logs tagged as shell)",
    explain: Explain {
        finds: "Blocks tagged `bash`, `sh` or `shell` that hold SQL, queries of Prometheus, JSON, YAML, log lines, a \
                crontab or configuration, and blocks tagged `sql`, `yaml`, `json` or `promql` that begin with a command. \
                `text` may hold anything.",
        why: "What is tagged as shell is run as shell: `wal_level = replica` is a command that does not exist, and \
              `SELECT * FROM t` expands `*` to the files of the folder. What is tagged as data is never run.",
        bad: "\
## Diagnosis

```bash
SELECT count(*) FROM pg_stat_activity;
```
",
        good: "\
## Diagnosis

```sql
SELECT count(*) FROM pg_stat_activity;
```
",
    },
    check: Check::Page(check),
};

fn check(page: &Page<'_>, report: &mut Report<'_>) {
    for fence in &page.look.fences {
        if let Some(what) = contradicts(fence) {
            report
                .at(page.first_line(fence.span), format!("this block is tagged `{}`, but holds {what}", fence.tag))
                .help("name the language that it is in, or tag it `text`");
        } else if let Some(program) = begins_with_command(fence) {
            report
                .at(page.first_line(fence.span), format!("this block is tagged `{}`, but begins with `{program}`", fence.tag))
                .help("tag it `bash`, and what the command reads as input belongs to a here-document or a block of its own");
        }
    }
}

/// What a block that is tagged as shell holds instead.
pub(super) fn contradicts(fence: &Fence) -> Option<&'static str> {
    if fence.is_shell() { shape::of_text(fence.text()) } else { None }
}

/// The command on the first line of a block of data that cannot begin with one.
fn begins_with_command(fence: &Fence) -> Option<&str> {
    const TAGS: &[&str] = &["sql", "psql", "pgsql", "postgresql", "mysql", "promql", "yaml", "yml", "json", "logql"];
    // Not what is a word of one of these languages as well.
    const PROGRAMS: &[&str] = &[
        "$", "aws", "az", "curl", "docker", "docker-compose", "gcloud", "git", "helm", "kubectl", "mysql", "oc", "psql",
        "redis-cli", "ssh", "sudo", "systemctl", "terraform", "wget",
    ];
    let first = fence.text().lines().find(|line| !line.trim().is_empty() && !line.trim_start().starts_with(['#', '-']))?;
    let mut words = first.split_whitespace();
    let program = words.next().filter(|word| PROGRAMS.contains(word))?;
    (TAGS.contains(&fence.tag.as_str()) && words.next().is_some()).then_some(program)
}

#[cfg(test)]
mod tests {
    use super::RULE;

    cases! {
        bad: [
            "# T\n\n```bash\nSELECT 1;\n```\n" => [(3, 1)],
            "# T\n\n1. a\n   ```sh\n   rate(x[5m])\n   ```\n" => [(4, 4)],
            "# T\n\n```sql\n-- in psql\n\npsql -U shop\nSELECT 1;\n```\n" => [(3, 1)],
            "# T\n\n```yaml\nkubectl get pods\n```\n" => [(3, 1)],
        ],
        good: [
            "# T\n\n```bash\npsql -c 'SELECT 1;'\n```\n\n```sql\nSELECT 1;\n```\n\n```yaml\nkubectl:\n  a: b\n```\n",
            "# T\n\n```text\nkubectl get pods\n```\n\n```\nSELECT 1;\n```\n",
            "# T\n\n```bash\n$ ls\n2024-01-02 03:04:05 x\n```\n",
            "# T\n\n```bash\nsudo -u postgres psql <<EOF\nSELECT 1;\nEOF\n```\n",
        ],
    }
}
