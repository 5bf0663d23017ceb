//! What a rule is, and where its findings go.

use super::{Page, Project};
use crate::report::many;
use crate::source::{Diagnostic, Diagnostics, Level, Source, Span};
use std::sync::Arc;

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// `RB107`.
    pub id: &'static str,
    /// How bad its findings are, unless `firedrill.toml` says otherwise; `None`: it is off by default.
    pub level: Option<Level>,
    /// What it finds, in a few words, as it stands in the table of rules.
    pub title: &'static str,
    /// The text of `--explain`.
    pub explain: Explain,
    /// What looks.
    pub check: Check,
}

/// What looks for findings.
#[derive(Debug)]
pub enum Check {
    /// Looks at one page.
    Page(fn(&Page<'_>, &mut Report<'_>)),
    /// Looks at all pages at once, and at what else the project holds. A finding in a page goes by
    /// `report.in_file(page.source, …)`.
    Project(fn(&Project, &[Page<'_>], &mut Report<'_>)),
}

/// The text of `--explain`. The examples are whole pages in Markdown: a test lints them.
#[derive(Debug)]
pub struct Explain {
    /// What it finds, and what it leaves alone.
    pub finds: &'static str,
    /// Why that matters to somebody who was woken up.
    pub why: &'static str,
    /// What is found; empty where no page alone shows it.
    pub bad: &'static str,
    /// How it should be.
    pub good: &'static str,
}

/// The findings of one rule.
#[derive(Debug)]
pub struct Report<'a> {
    rule: &'static str,
    level: Level,
    /// The page that is looked at; none where a rule looks at the project.
    source: Option<&'a Arc<Source>>,
    found: &'a mut Diagnostics,
}

impl<'a> Report<'a> {
    pub(super) fn new(
        rule: &'static str,
        level: Level,
        source: Option<&'a Arc<Source>>,
        found: &'a mut Diagnostics,
    ) -> Self {
        Report { rule, level, source, found }
    }

    /// Notes a finding on the page that is looked at, and returns it for a label and help.
    pub fn at(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        let source = self.source.cloned().unwrap_or_else(|| Source::new("", ""));
        self.in_file(&source, span, message)
    }

    /// Notes a finding in any file.
    pub fn in_file(&mut self, source: &Arc<Source>, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.found.push(self.level, source, span, message).code(self.rule)
    }

    /// Notes what is a matter of a team's style on the first of these pages, with how many others there are.
    pub fn once<'p, 'l: 'p>(&mut self, pages: impl Iterator<Item = &'p Page<'l>>, message: &str, help: &str) {
        let mut pages = pages;
        let Some(first) = pages.next() else { return };
        let found = self.in_file(first.source, first.top(), message).help(help);
        match pages.count() {
            0 => {}
            others => drop(found.label(format!("here, and on {}", many(others, "other page")))),
        }
    }

    /// Passes on the mistakes of the parser that carry this rule's id.
    pub fn of_the_parser(&mut self, page: &Page<'_>) {
        for mistake in page.mistakes.all.iter().filter(|mistake| mistake.code == Some(self.rule)) {
            self.found.all.push(Diagnostic { level: self.level, ..mistake.clone() });
        }
    }
}
