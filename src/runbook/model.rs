//! What a runbook is once it was read.

use crate::source::{Source, Span};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Phase of a runbook, from its headings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunbookPhase {
    /// How one notices.
    Detect,
    /// How one finds the cause.
    Diagnose,
    /// What helps.
    Mitigate,
    /// How one sees that it helped.
    Verify,
    /// How one takes the mitigation back.
    Rollback,
    /// Whom to call.
    Escalate,
    /// Background.
    Reference,
    /// Anything else; a scenario can select it.
    Other,
}

impl RunbookPhase {
    /// Every phase.
    pub const ALL: [RunbookPhase; 8] = [
        RunbookPhase::Detect,
        RunbookPhase::Diagnose,
        RunbookPhase::Mitigate,
        RunbookPhase::Verify,
        RunbookPhase::Rollback,
        RunbookPhase::Escalate,
        RunbookPhase::Reference,
        RunbookPhase::Other,
    ];

    /// The name as it stands in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            RunbookPhase::Detect => "detect",
            RunbookPhase::Diagnose => "diagnose",
            RunbookPhase::Mitigate => "mitigate",
            RunbookPhase::Verify => "verify",
            RunbookPhase::Rollback => "rollback",
            RunbookPhase::Escalate => "escalate",
            RunbookPhase::Reference => "reference",
            RunbookPhase::Other => "other",
        }
    }

    /// The phase with that name.
    pub fn from_name(name: &str) -> Option<RunbookPhase> {
        RunbookPhase::ALL.into_iter().find(|p| p.name() == name)
    }
}

/// A runbook.
#[derive(Debug, Clone)]
pub struct Runbook {
    /// Its file.
    pub source: Arc<Source>,
    /// First H1, else the frontmatter's `title`, else the file name.
    pub title: String,
    /// Its steps, in order.
    pub steps: Vec<Step>,
}

/// One thing that the runbook asks for.
#[derive(Debug, Clone)]
pub struct Step {
    /// Phase and slug of the title (`mitigate/terminate-the-session`), with an ordinal if taken.
    pub id: String,
    /// Its phase.
    pub phase: RunbookPhase,
    /// As a person reads it.
    pub title: String,
    /// Bytes of the whole step.
    pub span: Span,
    /// Line of its beginning, from 1.
    pub line: usize,
    /// Line of its end, from 1.
    pub end_line: usize,
    /// SHA-256 of its text, in lower-case hex.
    pub hash: String,
    /// What to do.
    pub kind: StepKind,
}

/// What a step consists of.
#[derive(Debug, Clone)]
pub enum StepKind {
    /// Commands to run, in order.
    Commands(Vec<Command>),
    /// For a person, with the reason why Firedrill does not run it.
    Manual(String),
}

/// One command: a complete shell command of a block.
#[derive(Debug, Clone)]
pub struct Command {
    /// The text, prompts and indentation of the Markdown removed, inputs as they were written.
    pub text: String,
    /// Line of its beginning in the runbook, from 1.
    pub line: usize,
    /// Column of its beginning, from 1.
    pub column: usize,
    /// Language tag of its block.
    pub language: String,
    /// Sample output below a prompt, if any.
    pub expected: Option<String>,
    /// Inputs that it uses.
    pub inputs: Vec<Input>,
}

/// An input: something that the reader must fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Name, spellings unified (`pod-name`, `POD_NAME` → `pod_name`).
    pub name: String,
    /// As it was written: `<pod-name>`, `$POD_NAME`.
    pub spelling: String,
    /// Bytes within the command's text.
    pub span: Span,
    /// Line in the runbook, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

/// A command with its inputs filled in, or the inputs that have no value.
pub type Filled = Result<String, Vec<Input>>;

impl Runbook {
    /// The steps of these phases, in the order of the runbook.
    pub fn select<'a>(&'a self, phases: &'a [RunbookPhase]) -> impl Iterator<Item = &'a Step> {
        self.steps.iter().filter(move |step| phases.contains(&step.phase))
    }
}
