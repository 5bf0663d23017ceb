//! Findings and rules as text: JSON, annotations of GitHub, the table of rules, and the long explanation of one.

use super::{Config, LintRule, RULES};
use crate::output::Annotation;
use crate::report::many;
use crate::source::{Diagnostic, Diagnostics, Severity};

/// What was found in so many files: `12 files: 1 error, 3 warnings`.
pub fn summary(files: usize, found: &Diagnostics) -> String {
    format!("{}: {}\n", many(files, "file"), found.summary().unwrap_or_else(|| "nothing found".into()))
}

/// One JSON object per finding and line: `rule`, `level`, `path`, `line`, `column`, `end_line`, `end_column` (from 1;
/// the end is the place after the last character), `message`, `label`, `help`.
pub fn json(found: &Diagnostics) -> String {
    let line = |finding: &Diagnostic| {
        let (start, end) = (finding.source.pos(finding.span.start), finding.source.pos(finding.span.end));
        let object = serde_json::json!({
            "rule": finding.code,
            "level": finding.level.name(),
            "path": finding.source.path.to_string_lossy(),
            "line": start.line,
            "column": start.column,
            "end_line": end.line,
            "end_column": end.column,
            "message": finding.message,
            "label": finding.label,
            "help": finding.help,
        });
        format!("{object}\n")
    };
    found.sorted().into_iter().map(line).collect()
}

/// Commands of GitHub's workflows that put each finding beside its line in a pull request.
pub fn github(found: &Diagnostics) -> String {
    found.sorted().into_iter().map(annotation).collect()
}

fn annotation(finding: &Diagnostic) -> String {
    let start = finding.source.pos(finding.span.start);
    let texts = [Some(&finding.message), finding.label.as_ref(), finding.help.as_ref()];
    let message = texts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join("\n");
    let file = Some(finding.source.path.to_string_lossy().into_owned());
    let title = finding.code.unwrap_or("firedrill").to_string();
    let (line, column) = (Some(start.line), Some(start.column));
    let annotation = Annotation { weight: finding.level, file, line, column, title, message };
    format!("{annotation}\n")
}

/// The rules with their levels in this project.
pub fn table(config: &Config) -> String {
    let level = |rule| config.level(rule).map_or("off", Severity::name);
    RULES.iter().map(|rule| format!("{}  {:7}  {}\n", rule.id, level(rule), rule.title)).collect()
}

/// The texts of `explain`, a section for each rule.
const EXPLAINED: &str = include_str!("rules.md");

/// What `rules.md` says about a rule: what it finds, why, and examples, indented.
pub(super) fn explained(rule: &LintRule) -> &'static str {
    let mut sections = EXPLAINED.split("\n## ").filter_map(|section| section.split_once('\n'));
    sections.find(|(id, _)| *id == rule.id).map_or("", |(_, text)| text.trim())
}

/// The long text about a rule.
pub fn explain(rule: &LintRule, config: &Config) -> String {
    let (id, level) = (rule.id, config.level(rule).map_or("off", Severity::name));
    format!(
        "{id} ({level}): {}\n\n{}\n\nTo allow it in one place, say why, above the block or heading that it is about:\n\n    \
         <!-- firedrill-lint: allow {id} reason=\"…\" -->\n\nTo turn it off or to change its level, in firedrill.toml:\n\n    \
         [lint]\n    rules = {{ {id} = \"off\" }}\n",
        rule.title,
        explained(rule)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Source, Span};

    #[test]
    fn formats() {
        let source = Source::new("a,b:c.md", "# Größe\nx\n");
        let mut found = Diagnostics::default();
        found.error(&source, Span::new(2, 9), "100% wrong,\nso: mend it").code("RB001").help("mend it");
        found.warning(&source, Span::new(10, 11), "x");
        found.push(Severity::Info, &source, Span::new(10, 11), "y").code("RB107");
        insta::assert_snapshot!(format!("{}\n{}\n{}", github(&found), json(&found), summary(1, &found)));
        assert_eq!(summary(2, &Diagnostics::default()), "2 files: nothing found\n");
    }
}
