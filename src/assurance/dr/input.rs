//! What a DR report is made from: the quarter's drills whole, every other run in a few words, notes, coverage, evidence.

use super::DrNotes;
use crate::assurance::actions::ActionItem;
use crate::assurance::coverage::Coverage;
use crate::record::{Record, Stamped};
use crate::view::{Quarter, SeenRun};
use time::OffsetDateTime;

/// Everything that the report is made from.
#[derive(Debug, Clone)]
pub struct DrInput {
    /// The quarter.
    pub quarter: Quarter,
    /// When the report is made.
    pub made: OffsetDateTime,
    /// The DR drills of the quarter that came to an end, oldest first.
    pub drills: Vec<DrillInput>,
    /// Every run that is known, of any quarter and kind, oldest first.
    pub seen: Vec<SeenRun>,
    /// What people know.
    pub notes: DrNotes,
    /// What is to be done after DR drills.
    pub actions: Vec<ActionItem>,
    /// The critical services; `None` when nothing lists them.
    pub coverage: Option<DrCoverage>,
    /// Scenarios of the project, and whether each is a DR scenario; none where no project was found.
    pub scenarios: Vec<(String, bool)>,
    /// What is known about the files themselves.
    pub evidence: EvidenceSummary,
    /// What could not be read.
    pub problems: Vec<String>,
}

/// A DR drill with its story.
#[derive(Debug, Clone)]
pub struct DrillInput {
    /// The record.
    pub record: Record,
    /// The events of its `events.jsonl` that tell the story ([`crate::view::timeline::tells`]); empty when the file is not there.
    pub events: Vec<Stamped>,
    /// Why its evidence cannot be relied on: it was changed after it was sealed, or nobody can say. Then it has no verdict.
    pub changed: Option<String>,
}

/// What is known about the files of the quarter's runs, and of others as far as the report counts them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EvidenceSummary {
    /// Heads of the hash chains over the runs.
    pub heads: Vec<String>,
    /// What was changed, removed or added.
    pub problems: Vec<String>,
    /// Run id, SHA-256 of its manifest where there is one, and what was found.
    pub runs: Vec<(String, Option<String>, String)>,
    /// Runs whose evidence is not as it was sealed, those that are gone included.
    pub not_intact: usize,
    /// Runs of which only the chain still knows.
    pub gone: usize,
    /// Chains that were changed.
    pub broken_chains: usize,
    /// Chains and directories that could not be read.
    pub unreadable: usize,
}

/// The critical services, and which of their failures were drilled.
#[derive(Debug, Clone)]
pub struct DrCoverage {
    /// The file that lists them.
    pub file: String,
    /// As it stood at the end of the quarter, or now.
    pub matrix: Coverage,
    /// The failures that were not drilled for longer than their service allows, or never: which, when last, how often it is due.
    pub overdue: Vec<String>,
    /// SLOs that nobody has reviewed in the quarter or later: which, and when last.
    pub unreviewed: Vec<String>,
}
