//! The matrix as Markdown, for a job's summary or a wiki: services × failure modes at a glance, then each service.

use super::matrix::Coverage;
use super::text;
use crate::report::{filters, laid_out, written};
use askama::Template;
use std::collections::BTreeSet;

#[derive(Template)]
#[template(path = "coverage/coverage.md")]
struct CoverageMarkdown<'a> {
    coverage: &'a Coverage,
    /// Every failure mode once.
    modes: Vec<&'a str>,
}

/// The matrix as a page of Markdown.
pub fn markdown(coverage: &Coverage) -> String {
    let mut told = BTreeSet::new();
    let cells = coverage.services.iter().flat_map(|service| &service.cells);
    let modes = cells.map(|cell| cell.mode.as_str()).filter(|mode| told.insert(*mode)).collect();
    laid_out(&written(&CoverageMarkdown { coverage, modes }))
}
