//! A runbook as `firedrill lint` looks at it: everything that stands on the page with its place in the file (headings
//! with their phases, fences, texts, links, comments), and every shell command with what was read of it.

mod block;
mod page;
mod shell;

pub use block::{Transcript, is_known_program};
pub use page::{Fence, FenceUse, Heading, HtmlComment, Link, List, PageLook, PageText, TextKind};
pub use shell::{PageCall, PageCommand, calls_in, commands};

use super::language::{BlockLanguage, of_tag};
use super::parts::OpenHeadings;
use super::{Runbook, StepKind, annotation, markdown, parse};
use crate::source::{Diagnostics, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Looks at a page; `runbook` says what became of its fences.
pub fn look(source: &Arc<Source>, runbook: Option<&Runbook>) -> PageLook {
    let mut document = markdown::read(&source.text);
    let mut look = std::mem::take(&mut document.look);
    // Their mistakes are told by the parser.
    let notes = annotation::take(&mut document.blocks, source, &mut Diagnostics::default());
    let sections = parse::sections(&source.text, &document, &notes);
    let of = |section: &super::steps::Section<'_>| {
        let is_heading = section.level < super::bold::LEVEL && section.resumed.is_none();
        let (text, span) = section.heading.filter(|_| is_heading)?;
        let (level, text, phase) = (section.level, text.to_string(), section.phase);
        Some(Heading { level, text, span, phase, section_end: source.text.len() })
    };
    look.headings = sections.iter().filter_map(of).collect();
    end_sections(&mut look.headings, &document.details);
    become_of(&mut look.fences, source, runbook);
    look
}

/// A section ends where the next heading of its level or above begins; one inside of `<details>` ends with them, and ends none around them.
fn end_sections(headings: &mut [Heading], details: &[(usize, bool)]) {
    let mut above = OpenHeadings::<&mut Heading>::new(details);
    for heading in headings.iter_mut().map(Some).chain([None]) {
        let begins = heading.as_ref().map_or(usize::MAX, |heading| heading.span.start);
        let level = heading.as_ref().map(|heading| heading.level);
        above.reach(begins, level, |open| open.level, |closed, at, _| closed.section_end = at);
        above.open.extend(heading);
    }
}

/// Says what became of the fences: commands that run, commands that wait, something for a person, or nothing.
fn become_of(fences: &mut [Fence], source: &Source, runbook: Option<&Runbook>) {
    let (mut run, mut held, mut manual) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    for step in runbook.iter().flat_map(|runbook| &runbook.steps) {
        run.extend(step.commands().iter().map(|command| command.line));
        held.extend(step.held.iter().map(|command| command.line));
        if matches!(step.kind, StepKind::Manual(_)) {
            // The furthest end of all that begin up to there.
            let before = manual.last_key_value().map_or(0, |(_, end)| *end);
            manual.insert(step.span.start, step.span.end.max(before));
        }
    }
    for fence in fences {
        let last = source.line(fence.span.end.saturating_sub(1));
        let lines = source.line(fence.span.start)..=last;
        let around = manual.range(..=fence.span.start).next_back();
        let for_a_person = around.is_some_and(|(_, end)| fence.span.end <= end + 1);
        fence.reading = match of_tag(&fence.tag) {
            _ if run.range(lines.clone()).next().is_some() => FenceUse::Run,
            _ if held.range(lines).next().is_some() => FenceUse::Held,
            BlockLanguage::Foreign => FenceUse::Person,
            BlockLanguage::Shell | BlockLanguage::Console if for_a_person => FenceUse::Person,
            _ => FenceUse::Data,
        };
    }
}

#[cfg(test)]
mod tests;
