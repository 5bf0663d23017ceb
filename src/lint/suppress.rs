//! `<!-- firedrill-lint: allow RB301 reason="the table is a scratch table" -->`: a finding that the author has seen and
//! answers for. Right above a block it is about the block, above or in a heading about the section, above everything
//! else on the page about the page. Without a reason it does not count.

use super::run::OWN;
use super::{Config, Page, RULES};
use crate::source::{Diagnostic, Diagnostics, Level, Source, Span, did_you_mean, shorten};
use std::sync::Arc;

const MARK: &str = "firedrill-lint:";
const SHAPE: &str = "write it as `<!-- firedrill-lint: allow RB301 reason=\"why that is all right here\" -->`";

/// A suppression.
#[derive(Debug)]
pub(super) struct Suppression {
    rule: &'static str,
    /// The comment.
    span: Span,
    /// What it is about.
    scope: Span,
    used: bool,
}

/// The suppressions of a page; what is wrong with them goes to `found`.
pub(super) fn read(page: &Page<'_>, found: &mut Diagnostics) -> Vec<Suppression> {
    let mut list = Vec::new();
    for comment in &page.look.comments {
        let Some(text) = comment.text.strip_prefix(MARK) else { continue };
        match parse(text) {
            Ok(rules) => {
                let scope = scope(page, comment.span);
                list.extend(rules.into_iter().map(|rule| Suppression { rule, span: comment.span, scope, used: false }));
            }
            Err((message, help)) => {
                found.error(page.source, comment.span, message).code(OWN).help(help);
            }
        }
    }
    list
}

/// `allow RB301 RB302 reason="…"`.
fn parse(text: &str) -> Result<Vec<&'static str>, (String, String)> {
    let shape = |message: &str| (message.to_string(), SHAPE.to_string());
    let Some((rules, reason)) = text.split_once("reason=") else {
        return Err(shape("a suppression must say why: it has no `reason=\"…\"`"));
    };
    let reason = reason.trim();
    let quoted = reason.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    if quoted.is_none_or(|reason| reason.trim().is_empty() || reason.contains('"')) {
        return Err(shape("the reason of a suppression must be a text in double quotes, at its end"));
    }
    let mut words = rules.split([' ', ',', '\n', '\t', '\r']).filter(|word| !word.is_empty());
    if words.next() != Some("allow") {
        return Err(shape("a comment to lint begins with `allow`"));
    }
    let mut allowed = Vec::new();
    for word in words {
        let Some(rule) = RULES.iter().find(|rule| rule.id == word) else {
            let message = format!("there is no rule `{}`", shorten(word));
            return Err((message, did_you_mean(word, RULES.iter().map(|rule| rule.id))));
        };
        allowed.push(rule.id);
    }
    if allowed.is_empty() { Err(shape("a suppression must name a rule")) } else { Ok(allowed) }
}

/// The bytes of the page that a comment is about.
fn scope(page: &Page<'_>, comment: Span) -> Span {
    let look = page.look;
    let whole = Span::new(0, page.source.text.len());
    let first = look.blocks.iter().find(|block| block.start >= look.frontmatter.map_or(0, |front| front.end + 1));
    if first.is_none_or(|first| comment.end <= first.start) {
        return whole;
    }
    let section = |at: usize| {
        let heading = look.headings.iter().find(|heading| heading.span.start <= at && at < heading.span.end);
        heading.map(|heading| Span::new(heading.span.start, heading.section_end))
    };
    // In the text of a block: the innermost one that begins before it and holds it. An item that holds nothing of its
    // own before the comment is only the place of what follows.
    let around =
        look.texts.iter().rfind(|text| text.span.start < comment.start && comment.end <= line_end(page, text.span.end));
    if let Some(around) = around {
        return section(around.span.start).unwrap_or(around.span);
    }
    match look.blocks.iter().find(|block| block.start >= comment.end) {
        Some(block) => section(block.start).unwrap_or(*block),
        None => comment,
    }
}

fn line_end(page: &Page<'_>, at: usize) -> usize {
    page.source.text.get(at..).and_then(|rest| rest.find('\n')).map_or(page.source.text.len(), |end| at + end)
}

/// Whether a finding is suppressed.
pub(super) fn covers(list: &mut [Suppression], finding: &Diagnostic) -> bool {
    let mut covered = false;
    for suppression in list {
        let scope = suppression.scope;
        let inside = scope.start <= finding.span.start && finding.span.start < scope.end.max(scope.start + 1);
        if finding.code == Some(suppression.rule) && inside {
            suppression.used = true;
            covered = true;
        }
    }
    covered
}

/// Notes suppressions that suppress nothing; those of rules that are off are left alone.
pub(super) fn unused(source: &Arc<Source>, list: &[Suppression], config: &Config, found: &mut Diagnostics) {
    for suppression in list.iter().filter(|suppression| !suppression.used) {
        let is_on = RULES.iter().any(|rule| rule.id == suppression.rule && config.level(rule).is_some());
        if is_on {
            let message = format!("nothing here is found by {}: the suppression can go", suppression.rule);
            found.push(Level::Info, source, suppression.span, message).code(OWN);
        }
    }
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
    fn a_comment_that_is_wrong_does_not_count() {
        for wrong in [
            "allow RB107",
            "allow RB107 reason=\"\"",
            "allow RB107 reason=x",
            "allow reason=\"x\"",
            "deny RB107 reason=\"x\"",
            "allow RB177 reason=\"x\"",
        ] {
            let text = format!("# T\n\n<!-- firedrill-lint: {wrong} -->\nTODO\n");
            assert_eq!(found(&text), ["RB000 3", "RB107 4"], "{wrong}");
        }
        let text = "# T\n\n<!-- firedrill-lint: allow RB107 reason=\"x\" -->\n\nAll is done.\n";
        assert_eq!(found(text), ["RB000 3"]);
        let all = lint(text);
        assert!(all.all.iter().any(|d| d.message.contains("can go") && d.level == crate::source::Level::Info));
    }
}
