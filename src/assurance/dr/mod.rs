//! The quarterly report about DR drills: records, notes, coverage and evidence become a report as data, that becomes a
//! document, and the document becomes HTML for A4 or Markdown. All of it are pure functions.

mod drill;
mod follow;
mod input;
mod model;
mod notes;
mod pages;
#[cfg(test)]
mod tests;

pub use input::{DrCoverage, DrInput, DrillInput, EvidenceSummary};
pub use model::*;
pub use notes::*;
pub use pages::{dr_html, dr_markdown};
