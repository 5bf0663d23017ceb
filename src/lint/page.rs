//! What rules look at: a page, and the project that it belongs to.

use super::Evidence;
use super::secret::{self, SecretFound};
use super::words::holds;
use crate::runbook::look::{self, PageCall, PageCommand, PageLook};
use crate::runbook::{self, Command, Runbook, RunbookPhase, Step, Unread};
use crate::source::{Diagnostics, Source, Span};
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// The project.
#[derive(Debug, Clone, Default)]
pub struct Project {
    /// Its folder, as it was named.
    pub root: PathBuf,
    /// The files with its alert rules.
    pub alerts: Vec<PathBuf>,
    /// What its scenarios and drills say; `None` where nobody has looked.
    pub evidence: Option<Evidence>,
}

impl Project {
    /// Whether the project says by a CODEOWNERS file who answers for its pages.
    pub fn has_codeowners(&self) -> bool {
        let places = ["CODEOWNERS", ".github/CODEOWNERS", ".gitlab/CODEOWNERS", "docs/CODEOWNERS"];
        !self.root.as_os_str().is_empty() && places.iter().any(|place| self.root.join(place).is_file())
    }
}

/// What is read of a file before any rule looks at it.
#[derive(Debug)]
pub(super) struct Parsed {
    pub source: Arc<Source>,
    pub runbook: Option<Runbook>,
    pub mistakes: Diagnostics,
    pub look: PageLook,
}

impl Parsed {
    pub fn new(source: Arc<Source>) -> Parsed {
        let mut mistakes = Diagnostics::default();
        // What was not read at all is not looked at either.
        let (runbook, look) = runbook::parse_page(&source, &BTreeSet::new(), &mut mistakes).unzip();
        let look = look.unwrap_or_default();
        Parsed { source, runbook, mistakes, look }
    }

    pub fn page(&self) -> LintPage<'_> {
        let Parsed { source, runbook, mistakes, look } = self;
        let (commands, secrets) = (OnceCell::new(), OnceCell::new());
        LintPage { source, runbook: runbook.as_ref(), mistakes, look, commands, secrets }
    }
}

/// A page.
#[derive(Debug)]
pub struct LintPage<'a> {
    /// Its file.
    pub source: &'a Arc<Source>,
    /// Its steps; none when it could not be read as a runbook.
    pub runbook: Option<&'a Runbook>,
    /// What the parser of runbooks said.
    pub mistakes: &'a Diagnostics,
    /// What stands on it.
    pub look: &'a PageLook,
    commands: OnceCell<Vec<PageCommand<'a>>>,
    secrets: OnceCell<Vec<SecretFound>>,
}

impl<'a> LintPage<'a> {
    /// Its shell commands, in order: those that run and those that wait for a condition (`held`).
    pub fn commands(&self) -> &[PageCommand<'a>] {
        self.commands.get_or_init(|| self.runbook.map(look::commands).unwrap_or_default())
    }

    /// The programs that these call, each with its command.
    pub fn calls(&self) -> impl Iterator<Item = (&PageCommand<'a>, &PageCall<'a>)> {
        self.commands().iter().flat_map(|command| command.calls().iter().map(move |call| (command, call)))
    }

    /// The secrets that stand on it, in order.
    pub(super) fn secrets(&self) -> &[SecretFound] {
        self.secrets.get_or_init(|| secret::find(self))
    }

    /// Whether two commands stand in one block of code.
    pub fn in_one_block(&self, one: &PageCommand<'_>, other: &PageCommand<'_>) -> bool {
        let at = |shell: &PageCommand<'_>| self.look.fences.partition_point(|fence| fence.span.start <= begin(shell));
        at(one) == at(other)
    }

    /// The section of a place up to the next heading, whatever its level; all of the page where it has no headings.
    pub fn own_section(&self, at: usize) -> Span {
        let headings = &self.look.headings;
        let next = headings.partition_point(|heading| heading.span.start <= at);
        let start = next.checked_sub(1).and_then(|own| headings.get(own)).map_or(0, |own| own.span.start);
        Span::new(start, headings.get(next).map_or(self.source.text.len(), |next| next.span.start))
    }

    /// Whether a block of code never ends: what seems to stand in it, or to be missing, cannot be told.
    pub fn has_open_fence(&self) -> bool {
        self.mistakes.all.iter().any(|mistake| mistake.code == Some("RB001"))
    }

    /// Whether it leads to other pages: a README, the index of a folder.
    pub fn is_index(&self) -> bool {
        let name = self.source.path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
        ["readme", "index"].iter().any(|index| name == *index || name.ends_with(&format!("_{index}")))
    }

    /// The text of the file at a span.
    pub fn text(&self, span: Span) -> &'a str {
        span.of(&self.source.text)
    }

    /// The first line of a part of it.
    pub fn first_line(&self, part: Span) -> Span {
        let text = self.text(part);
        let start = part.start + text.len() - text.trim_start().len();
        Span::new(start, start + text.trim_start().lines().next().unwrap_or_default().trim_end().len())
    }

    /// The first line of the file: where findings about the page as a whole point.
    pub fn top(&self) -> Span {
        let heading = self.look.headings.first().map(|heading| heading.span);
        self.first_line(heading.unwrap_or(Span::new(0, self.source.text.len())))
    }

    /// Whether whoever follows it is to change something.
    pub fn acts(&self) -> bool {
        use RunbookPhase::{Mitigate, Rollback};
        self.has_phase(Mitigate)
            || self.has_phase(Rollback)
            || self.commands().iter().any(|one| one.step.phase == Mitigate)
    }

    /// Whether one of these phrases stands anywhere on it: in its text, its code or its frontmatter.
    pub fn says(&self, phrases: &[&str]) -> bool {
        let front = self.look.frontmatter.map(|span| self.text(span)).unwrap_or_default();
        self.look.texts.iter().any(|text| holds(&text.body.text, phrases))
            || self.look.fences.iter().any(|fence| holds(&fence.body.text, phrases))
            || holds(front, phrases)
    }

    /// Commands that stand on lines of running text, without a fence.
    pub(super) fn unfenced(&self) -> impl Iterator<Item = &'a Command> {
        let steps = self.runbook.into_iter().flat_map(|runbook| &runbook.steps);
        steps.flat_map(Step::commands).filter(|command| command.unread == Some(Unread::Unfenced))
    }

    /// Whether any section is of that phase.
    pub fn has_phase(&self, phase: RunbookPhase) -> bool {
        self.look.headings.iter().any(|heading| heading.phase == phase)
    }
}

/// Where a command begins in the file.
pub(super) fn begin(shell: &PageCommand<'_>) -> usize {
    shell.place(Span::new(0, 1)).start
}
