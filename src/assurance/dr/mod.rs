//! The quarterly report about DR drills: records, notes, coverage and evidence become a report as data, that becomes a
//! document, and the document becomes HTML for A4 or Markdown. All of it are pure functions.

mod follow;
mod model;
mod notes;
mod pages;
#[cfg(test)]
mod tests;

pub use model::*;
pub use notes::*;
pub use pages::{dr_html, dr_markdown};
