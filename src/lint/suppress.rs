//! `<!-- firedrill-lint: allow RB301 reason="the table is a scratch table" -->`: a finding that the author has seen and
//! answers for. Right above a block it is about the block, above or in a heading about the section, above everything
//! else on the page about the page. Without a reason it does not count.

use super::{Config, LintPage, LintRule, RULES};
use crate::bash::variables::Stretches;
use crate::runbook::OF_NO_RULE;
use crate::source::{Diagnostic, Diagnostics, Severity, Span, TextPattern, did_you_mean, shorten};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

const MARK: &str = "firedrill-lint:";
const SHAPE: &str = "write it as `<!-- firedrill-lint: allow RB301 reason=\"why that is all right here\" -->`";

/// Findings that belong to no rule: files that cannot be read or not all of which was, and comments to lint itself that are
/// wrong.
pub(super) const OWN: &str = OF_NO_RULE;

struct Suppression {
    rule: &'static str,
    comment: Span,
    /// What it is about.
    scope: Span,
}

/// Takes the findings out that the pages suppress, and tells of suppressions that are wrong or suppress nothing.
pub(super) fn apply(pages: &[LintPage<'_>], config: &Config, findings: &mut Vec<Diagnostic>, told: &mut Diagnostics) {
    for page in pages {
        let mut list = read(page, told);
        if list.is_empty() {
            continue;
        }
        list.sort_by_key(|suppression| (suppression.rule, suppression.scope.start));
        let is_own = |finding: &Diagnostic| Arc::ptr_eq(&finding.source, page.source);
        let rule_of = |finding: &Diagnostic| finding.code.unwrap_or_default();
        let own = findings.iter().filter(|finding| is_own(finding));
        let places: BTreeSet<(&str, usize)> = own.map(|finding| (rule_of(finding), finding.span.start)).collect();
        let mut scopes: HashMap<&str, Vec<Span>> = HashMap::new();
        for Suppression { rule, comment, scope } in list {
            // A scope without bytes holds what begins there.
            let scope = Span::new(scope.start, scope.end.max(scope.start + 1));
            let used = places.range((rule, scope.start)..(rule, scope.end)).next().is_some();
            // Those of rules that are off are left alone.
            if !used && LintRule::find(rule).is_some_and(|rule| config.level(rule).is_some()) {
                let message = format!("nothing here is found by {rule}: the suppression can go");
                told.push(Severity::Info, page.source, comment, message).code(OWN);
            }
            scopes.entry(rule).or_default().push(scope);
        }
        let scopes: HashMap<&str, Stretches> =
            scopes.into_iter().map(|(rule, scopes)| (rule, Stretches::of(scopes))).collect();
        let is_in = |finding: &Diagnostic| scopes.get(rule_of(finding)).is_some_and(|all| all.hold(finding.span.start));
        findings.retain(|finding| !is_own(finding) || !is_in(finding));
    }
}

/// The suppressions of a page; what is wrong with them goes to `told`.
fn read(page: &LintPage<'_>, told: &mut Diagnostics) -> Vec<Suppression> {
    let mut list = Vec::new();
    let texts = Stretches::of(page.look.texts.iter().map(|text| text.span));
    for comment in &page.look.comments {
        let Some(text) = comment.text.strip_prefix(MARK) else { continue };
        match parse(text) {
            Ok(rules) => {
                let scope = scope(page, &texts, comment.span);
                let comment = comment.span;
                list.extend(rules.into_iter().map(|rule| Suppression { rule, comment, scope }));
            }
            Err((message, help)) => drop(told.error(page.source, comment.span, message).code(OWN).help(help)),
        }
    }
    list
}

/// `allow RB301 RB302 reason="…"`.
fn parse(text: &str) -> Result<Vec<&'static str>, (String, String)> {
    static ALLOW: TextPattern = TextPattern::new(r#"(?s)^\s*allow\s+(\S.*?)\s+reason=\s*"[^"]*[^"\s][^"]*"\s*$"#);
    let rules = ALLOW.captures(text).and_then(|found| found.get(1)).ok_or_else(|| {
        let message = "a suppression begins with `allow`, names a rule, and ends with a reason in double quotes";
        (message.to_string(), SHAPE.to_string())
    })?;
    let words = rules.as_str().split([' ', ',', '\n', '\t', '\r']).filter(|word| !word.is_empty());
    let known = |word: &str| {
        let message = || format!("there is no rule `{}`", shorten(word));
        let help = || did_you_mean(word, RULES.iter().map(|rule| rule.id));
        LintRule::find(word).map(|rule| rule.id).ok_or_else(|| (message(), help()))
    };
    words.map(known).collect()
}

/// The bytes of the page that a comment is about.
fn scope(page: &LintPage<'_>, texts: &Stretches, comment: Span) -> Span {
    let (look, source) = (page.look, page.source);
    let from = look.frontmatter.map_or(0, |front| front.end + 1);
    let next_block = |at: usize| look.blocks.get(look.blocks.partition_point(|block| block.start < at)).copied();
    if next_block(from).is_none_or(|first| comment.end <= first.start) {
        return Span::new(0, source.text.len());
    }
    // The text that a comment stands in, or behind on its last line: the innermost one that begins before it. An item
    // that holds nothing of its own before the comment is only the place of what follows.
    let line = source.start(source.line(comment.end.saturating_sub(1)));
    let begun = look.texts.partition_point(|text| text.span.start < comment.start);
    // Most comments stand in none, and nobody looks through all of a page for each.
    let begun = if texts.reach(comment.start.saturating_sub(1)) < line { 0 } else { begun };
    let around = look.texts.iter().take(begun).rev().find(|text| text.span.end >= line).map(|text| text.span);
    let Some(about) = around.or_else(|| next_block(comment.end)) else { return comment };
    let heading = look.headings.get(look.headings.partition_point(|heading| heading.span.end <= about.start));
    let heading = heading.filter(|heading| heading.span.start <= about.start);
    heading.map_or(about, |heading| Span::new(heading.span.start, heading.section_end))
}

#[cfg(test)]
mod tests {
    use super::super::cases::lint;

    /// The findings of RB107 and of lint itself, as `rule line`.
    fn found(text: &str) -> Vec<String> {
        let all = lint(text);
        let shown = all.sorted().into_iter().filter(|d| matches!(d.code, Some("RB107" | "RB000")));
        shown.map(|d| format!("{} {}", d.code.unwrap_or_default(), d.source.pos(d.span.start).line)).collect()
    }

    #[test]
    fn a_comment_is_about_what_stands_below_it() {
        let allow = "<!-- firedrill-lint: allow RB107 reason=\"on purpose\" -->";
        assert_eq!(found(&format!("{allow}\n\n# T\n\nTODO\n\n## B\n\nTODO\n")), [""; 0]);
        assert_eq!(found(&format!("---\ntitle: x\n---\n{allow}\n# T\n\nTODO\n\n# B\n\nTODO\n")), [""; 0]);
        assert_eq!(found(&format!("# T\n\n{allow}\n\nTODO\n\nTODO\n")), ["RB107 7"]);
        assert_eq!(found(&format!("# T\n\n{allow}\n\n## A\n\nTODO\n\n### B\n\nTODO\n\n## C\n\nTODO\n")), ["RB107 15"]);
        assert_eq!(found(&format!("# T\n\n## A {allow}\n\nTODO\n\n## C\n\nTODO\n")), ["RB107 9"]);
        assert_eq!(found(&format!("# T\n\n- a TODO {allow}\n- b TODO\n")), ["RB107 4"]);
        assert_eq!(found(&format!("# T\n\n{allow}\n- a TODO\n- b TODO\n\nTODO\n")), ["RB107 7"]);
        assert_eq!(found(&format!("# T\n\n{allow}\n\n| a | b |\n| - | - |\n| TODO | x |\n")), [""; 0]);
    }

    #[test]
    fn what_could_not_be_read_is_told() {
        let said = |text: &str| -> Vec<String> {
            let all = lint(text);
            all.all.iter().filter(|d| d.code == Some("RB000")).map(|d| d.message.clone()).collect()
        };
        let heading =
            |words: usize| format!("# T\n\n## {} only if it hangs\n\n```bash\nls\n```\n", "restart it ".repeat(words));
        assert_eq!(said(&heading(40)), [""; 0]);
        assert_eq!(said(&heading(50)), ["this heading is longer than 500 bytes"]);
        let secret = format!("password: x9Kq27fLz0aPw\n\n{}", "a\n\n".repeat(10_000));
        assert_eq!(
            said(&secret),
            ["the runbook is too large: 10001 headings, paragraphs and blocks, at most 10000 are read"]
        );
        assert!(lint(&secret).all.iter().all(|d| d.source.text.is_empty()));
    }

    #[test]
    fn comments_in_one_another_both_count() {
        let allow = "<!-- firedrill-lint: allow RB107 reason=\"on purpose\" -->";
        assert_eq!(found(&format!("{allow}\n\n# T\n\n{allow}\n\nTODO\n\nTODO\n")), [""; 0]);
        assert_eq!(
            found(&format!("# T\n\n{allow}\n\n## A\n\nTODO\n\n- TODO {allow}\n- TODO\n\n## B\n\nTODO\n")),
            ["RB107 14"]
        );
    }

    #[test]
    fn a_comment_that_is_wrong_does_not_count() {
        for wrong in [
            "allow RB107", "allow RB107 reason=\"\"", "allow RB107 reason=x", "allow reason=\"x\"",
            "deny RB107 reason=\"x\"", "allow RB177 reason=\"x\"",
        ] {
            let text = format!("# T\n\n<!-- firedrill-lint: {wrong} -->\nTODO\n");
            assert_eq!(found(&text), ["RB000 3", "RB107 4"], "{wrong}");
        }
        let text = "# T\n\n<!-- firedrill-lint: allow RB107 reason=\"x\" -->\n\nAll is done.\n";
        assert_eq!(found(text), ["RB000 3"]);
        let all = lint(text);
        assert!(all.all.iter().any(|d| d.message.contains("can go") && d.level == crate::source::Severity::Info));
    }
}
