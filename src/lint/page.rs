//! What rules look at: a page, and the project that it belongs to.

use super::Evidence;
use super::guard::Guards;
use crate::runbook::look::{self, Grammar, Look, Shell};
use crate::runbook::{self, Runbook, RunbookPhase};
use crate::source::{Diagnostics, Source, Span};
use std::cell::OnceCell;
use std::path::PathBuf;
use std::rc::Rc;
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
    pub look: Look,
}

impl Parsed {
    pub fn new(source: Arc<Source>) -> Parsed {
        let mut mistakes = Diagnostics::default();
        let runbook = runbook::parse(&source, &mut mistakes);
        // What was not read at all is not looked at either.
        let look = runbook.as_ref().map(|runbook| look::look(&source, Some(runbook))).unwrap_or_default();
        Parsed { source, runbook, mistakes, look }
    }

    pub fn page<'a>(&'a self, project: &'a Project) -> Page<'a> {
        let grammar = Grammar::of_page(self.source.text.len());
        let commands = self.runbook.as_ref().map(|runbook| look::commands(&self.source, runbook, &grammar));
        Page {
            source: &self.source,
            runbook: self.runbook.as_ref(),
            mistakes: &self.mistakes,
            look: &self.look,
            project,
            grammar,
            commands: commands.unwrap_or_default(),
            guards: OnceCell::new(),
        }
    }
}

/// A page.
#[derive(Debug)]
pub struct Page<'a> {
    /// Its file.
    pub source: &'a Arc<Source>,
    /// Its steps; none when it could not be read as a runbook.
    pub runbook: Option<&'a Runbook>,
    /// What the parser of runbooks said.
    pub mistakes: &'a Diagnostics,
    /// What stands on it.
    pub look: &'a Look,
    /// The project that it belongs to.
    pub project: &'a Project,
    /// The grammar of bash for texts that stand in others.
    pub grammar: Rc<Grammar>,
    commands: Vec<Shell<'a>>,
    guards: OnceCell<Guards<'a>>,
}

impl<'a> Page<'a> {
    /// Its shell commands, in order: those that run and those that wait for a condition (`held`).
    pub fn commands(&self) -> &[Shell<'a>] {
        &self.commands
    }

    /// What guards the commands that destroy, found out when it is first asked for.
    pub(super) fn guards(&self) -> &Guards<'a> {
        self.guards.get_or_init(|| Guards::of(self))
    }

    /// The text of the file at a span.
    pub fn text(&self, span: Span) -> &str {
        self.source.text.get(span.start..span.end).unwrap_or_default()
    }

    /// The first line of the file: where findings about the page as a whole point.
    pub fn top(&self) -> Span {
        let heading = self.look.headings.first().map(|heading| heading.span);
        let span = heading.unwrap_or(Span::new(0, self.source.text.len()));
        Span::new(span.start, span.start + self.text(span).lines().next().unwrap_or_default().trim_end().len())
    }

    /// Whether any section is of that phase.
    pub fn has_phase(&self, phase: RunbookPhase) -> bool {
        self.look.headings.iter().any(|heading| heading.phase == phase)
    }
}
