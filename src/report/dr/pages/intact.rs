//! The line on the first page that says when evidence is not as it was sealed.

use super::words::many;
use crate::report::dr::document::{Document, Tone};
use crate::report::dr::{DrReport, EvidenceSummary};

/// Says it in red, before any figure; nothing where everything is intact.
pub fn alert(doc: &mut Document, report: &DrReport) {
    let EvidenceSummary { not_intact, gone, broken_chains, .. } = report.evidence;
    let mut parts = Vec::new();
    if not_intact > 0 {
        let gone = match gone {
            0 => String::new(),
            1 => " (1 of them is gone: only the hash chain knows of it)".to_string(),
            more => format!(" ({more} of them are gone: only the hash chain knows of them)"),
        };
        parts.push(format!("The evidence of {} is not intact{gone}", many(not_intact, "run")));
    }
    if broken_chains > 0 {
        let were = if broken_chains == 1 { "was" } else { "were" };
        parts.push(format!("{} {were} changed", many(broken_chains, "hash chain")));
    }
    if !parts.is_empty() {
        doc.alert(Tone::Bad, format!("{}: see section 6.", parts.join("; ")));
    }
}
