//! The pages of the report: what an auditor reads, section by section.

mod drill;
mod facts;
mod follow;
mod front;
mod intact;
mod last;
mod words;

pub(super) use front::is_attested;

use super::DrReport;
use super::document::Document;

/// The document.
pub(super) fn document(report: &DrReport) -> Document {
    let draft = if report.quarter_is_over { "" } else { "DRAFT - " };
    let mut doc = Document {
        title: format!("{draft}Disaster recovery drills, {}", words::quarter(report.quarter)),
        foot: format!("{draft}Disaster recovery drills {} - made {}", report.quarter, words::instant(&report.made_utc)),
        ..Document::default()
    };
    intact::alert(&mut doc, report);
    front::conclusion(&mut doc, report);
    front::about(&mut doc, report);
    front::summary(&mut doc, report);
    drill::drills(&mut doc, report);
    follow::follow_up(&mut doc, report);
    last::coverage(&mut doc, report);
    last::evidence(&mut doc, report);
    last::attestation(&mut doc, report);
    last::supports(&mut doc, report);
    last::definitions(&mut doc);
    doc
}
