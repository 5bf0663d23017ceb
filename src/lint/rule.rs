//! What a rule is, the table of all rules, and where their findings go.

use super::{LintPage, Project, alerts, blocks, commands, destructive, drilled, inputs, links, markdown};
use super::{secret, structure, syntax, untrusted};
use crate::report::many;
use crate::source::{Diagnostic, Diagnostics, Severity, Source, Span};
use std::sync::Arc;

/// A rule. What it finds and why stands in `rules.md`.
#[derive(Debug)]
pub struct LintRule {
    /// `RB107`.
    pub id: &'static str,
    /// How bad its findings are, unless `firedrill.toml` says otherwise; `None`: it is off by default.
    pub level: Option<Severity>,
    /// What it finds, in a few words, as it stands in the table of rules.
    pub title: &'static str,
    /// What looks.
    pub check: RuleCheck,
}

/// What looks for findings.
#[derive(Debug)]
pub enum RuleCheck {
    /// Looks at one page.
    Page(fn(&LintPage<'_>, &mut FindingReport<'_>)),
    /// Looks at all pages at once, and at what else the project holds. A finding in a page goes by
    /// `report.in_file(page.source, …)`.
    Project(fn(&Project, &[LintPage<'_>], &mut FindingReport<'_>)),
}

const ERROR: Option<Severity> = Some(Severity::Error);
const WARN: Option<Severity> = Some(Severity::Warning);
const INFO: Option<Severity> = Some(Severity::Info);
/// It finds too much that is meant so.
const OFF: Option<Severity> = None;

/// Every rule, by id.
pub const RULES: &[LintRule] = &[
    page("RB001", ERROR, "a fence that never ends", of_the_parser),
    page("RB002", WARN, "a fence that fell out of its list item", markdown::fallen_fence),
    page("RB003", ERROR, "an annotation that is malformed, orphaned, or splits a list", of_the_parser),
    page("RB004", ERROR, "the same step id twice", of_the_parser),
    page("RB005", WARN, "no title, or several H1", markdown::title),
    page("RB101", WARN, "no mitigation section", structure::no_mitigation),
    page("RB102", WARN, "nothing that verifies the recovery", structure::no_verification),
    page("RB103", INFO, "a step that changes something, and no rollback", structure::no_rollback),
    project("RB104", INFO, "no owner or escalation path", structure::nobody),
    project("RB105", INFO, "no word on which alert or symptom leads to it", structure::no_alert),
    page("RB106", WARN, "several remedies, and no word about which one", structure::which_remedy),
    page("RB107", WARN, "TODO, TBD, \"insert site specific\"", structure::unfinished),
    page("RB108", WARN, "a mitigation that only escalates", structure::only_escalates),
    project("RB109", INFO, "no date of a review, where most pages have one", structure::no_date),
    project("RB201", ERROR, "shell that fails `bash -n` after its inputs are filled in", syntax::check),
    page("RB202", OFF, "an unquoted `<x>` in shell: bash reads it as a redirection", inputs::redirection),
    page("RB203", ERROR, "a variable used before it is set; worse inside a destructive command", inputs::unset),
    page("RB204", WARN, "one input spelt in several ways", inputs::spellings),
    page("RB205", WARN, "an untagged block that looks like shell, or commands outside of any block", blocks::untagged),
    page("RB206", WARN, "a tag that its content contradicts (PromQL, SQL or logs tagged as shell)", blocks::wrong_tag),
    page("RB207", WARN, "prompts and output mixed in a `bash` block", blocks::terminal),
    page("RB208", WARN, "a command that never ends, or opens an editor, above others of its block", commands::endless),
    page("RB211", WARN, "an error that nobody notices, as the exit code is 0", commands::unnoticed),
    page("RB212", WARN, "`kubectl` without a namespace on a page whose other commands name one", commands::namespace),
    page("RB301", ERROR, "a command that destroys, without a guard", destructive::check),
    page("RB302", ERROR, "a secret in the text", secret::check),
    page("RB303", WARN, "`curl` into a shell", untrusted::check),
    project("RB401", ERROR, "a link or anchor that leads nowhere in the repository", links::check),
    project("RB402", WARN, "an alert whose runbook is not here, or a runbook that no alert links to", alerts::check),
    project("RB403", WARN, "a mitigation step that no scenario has ever exercised", drilled::never),
    project("RB404", WARN, "a step that changed since its last passing drill", drilled::changed),
];

type OfPage = fn(&LintPage<'_>, &mut FindingReport<'_>);
type OfProject = fn(&Project, &[LintPage<'_>], &mut FindingReport<'_>);

const fn page(id: &'static str, level: Option<Severity>, title: &'static str, check: OfPage) -> LintRule {
    LintRule { id, level, title, check: RuleCheck::Page(check) }
}

const fn project(id: &'static str, level: Option<Severity>, title: &'static str, check: OfProject) -> LintRule {
    LintRule { id, level, title, check: RuleCheck::Project(check) }
}

impl LintRule {
    /// The rule of that id.
    pub fn find(id: &str) -> Option<&'static LintRule> {
        RULES.iter().find(|rule| rule.id == id)
    }

    /// Looks at one page, where that is what it does.
    pub(super) fn look_at(&self, page: &LintPage<'_>, level: Severity, found: &mut Diagnostics) {
        if let RuleCheck::Page(check) = self.check {
            check(page, &mut FindingReport { rule: self, level, source: Some(page.source), found });
        }
    }

    /// Looks at all pages of a project together, where that is what it does.
    pub(super) fn look_at_all(&self, of: &Project, pages: &[LintPage<'_>], level: Severity, found: &mut Diagnostics) {
        if let RuleCheck::Project(check) = self.check {
            check(of, pages, &mut FindingReport { rule: self, level, source: None, found });
        }
    }
}

/// The findings of one rule.
#[derive(Debug)]
pub struct FindingReport<'a> {
    rule: &'a LintRule,
    level: Severity,
    /// The page that is looked at; none where a rule looks at the project.
    source: Option<&'a Arc<Source>>,
    found: &'a mut Diagnostics,
}

impl FindingReport<'_> {
    /// Notes a finding on the page that is looked at, and returns it for a label and help.
    pub fn at(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        let source = self.source.cloned().unwrap_or_else(|| Source::new("", ""));
        self.in_file(&source, span, message)
    }

    /// Notes a finding in any file.
    pub fn in_file(&mut self, source: &Arc<Source>, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.found.push(self.level, source, span, message).code(self.rule.id)
    }

    /// Makes the last finding an `info`, unless the project says how bad the rule's findings are.
    pub fn only_info(&mut self) {
        if let Some(last) = self.found.all.last_mut().filter(|last| Some(last.level) == self.rule.level) {
            last.level = Severity::Info;
        }
    }

    /// Notes what is a matter of a team's style on the first page that does not have it (`None`: it is no page that should), with how
    /// many others there are. `by_custom`: only where most pages have it.
    pub(super) fn once<H>(&mut self, pages: &[LintPage<'_>], by_custom: bool, has: H, (message, help): (&str, &str))
    where
        H: Fn(&LintPage<'_>) -> Option<bool>,
    {
        let (mut having, mut lacking) = (0, Vec::new());
        for page in pages {
            match has(page) {
                Some(true) => having += 1,
                Some(false) => lacking.push(page),
                None => {}
            }
        }
        let Some((first, others)) = lacking.split_first().filter(|_| !by_custom || having > lacking.len()) else {
            return;
        };
        let found = self.in_file(first.source, first.top(), message).help(help);
        if !others.is_empty() {
            found.label(format!("here, and on {}", many(others.len(), "other page")));
        }
    }
}

/// RB001, RB003, RB004: what the parser has found already carries the id of its rule.
fn of_the_parser(page: &LintPage<'_>, report: &mut FindingReport<'_>) {
    let own = page.mistakes.all.iter().filter(|mistake| mistake.code == Some(report.rule.id));
    report.found.all.extend(own.map(|mistake| Diagnostic { level: report.level, ..mistake.clone() }));
}
