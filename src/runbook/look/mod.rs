//! A runbook as `firedrill lint` looks at it: everything that stands on the page with its place in the file (headings
//! with their phases, fences, texts, links, comments), and every shell command with its syntax tree. A pass of its own
//! over the Markdown: the parser of steps drops what nobody could run.

mod became;
mod block;
mod page;
mod reader;
mod shell;

pub use block::{Piece, Terminal, is_known_program};
pub use page::{Comment, Fence, Heading, Link, List, Look, Reading, Text, TextKind};
pub use shell::{Call, Grammar, Quoting, Shell, commands};

use super::Runbook;
use super::parse;
use super::{annotation, markdown};
use crate::source::{Diagnostics, Source};
use std::sync::Arc;

/// Looks at a page; `runbook` says what became of its fences.
pub fn look(source: &Arc<Source>, runbook: Option<&Runbook>) -> Look {
    let mut look = reader::read(&source.text);
    let mut document = markdown::read(&source.text);
    // Their mistakes are told by the parser.
    let notes = annotation::take(&mut document.blocks, source, &mut Diagnostics::default());
    let mut phases = Vec::new();
    let mut sections = parse::sections(&source.text, &document.blocks, &notes);
    parse::verify_after_mitigate(&mut sections);
    for section in sections {
        if let Some((_, span)) = section.heading {
            phases.push((span.start, section.phase));
        }
    }
    // Headings inside of list items are no headings to the parser either.
    look.headings.retain_mut(|heading| {
        let found = phases.binary_search_by_key(&heading.span.start, |&(at, _)| at);
        if let Some(&(_, phase)) = found.ok().and_then(|index| phases.get(index)) {
            heading.phase = phase;
        }
        found.is_ok()
    });
    reader::end_sections(&mut look.headings, source.text.len());
    let became = became::Became::of(source, runbook);
    for fence in &mut look.fences {
        fence.reading = became.reading(fence);
    }
    look
}

#[cfg(test)]
mod tests;
