//! A runbook as `firedrill lint` looks at it: everything that stands on the page with its place in the file (headings
//! with their phases, fences, texts, links, comments), and every shell command with what was read of it.

mod block;
mod page;
mod shell;

pub use super::text::Excerpt;
pub use block::{Transcript, is_known_program};
pub use page::{Fence, FenceUse, Heading, HtmlComment, Link, List, PageLook, PageText, TextKind};
pub use shell::{PageCall, PageCommand, calls_in, commands};

use super::language::{BlockLanguage, of_tag};
use super::parts::OpenHeadings;
use super::steps::Section;
use super::{Runbook, bold, markdown};
use crate::bash::variables::Stretches;
use crate::source::Source;
use std::collections::BTreeSet;

/// Looks at a page. Its headings, and what became of its fences, are known where it is read as a runbook (`parse_page`).
pub fn look(source: &Source) -> PageLook {
    markdown::read(&source.text).look
}

/// The headings of a page of this length. A section ends where the next heading of its level or above begins; one inside of `<details>`
/// ends with them, and ends none around them.
pub(super) fn headings(sections: &[Section<'_>], details: &[(usize, bool)], length: usize) -> Vec<Heading> {
    let of = |section: &Section<'_>| {
        let is_heading = section.level < bold::LEVEL && section.resumed.is_none();
        let (text, span) = section.heading.filter(|_| is_heading)?;
        let (level, text, phase) = (section.level, text.to_string(), section.phase);
        Some(Heading { level, text, span, phase, section_end: length })
    };
    let mut headings: Vec<Heading> = sections.iter().filter_map(of).collect();
    let mut above = OpenHeadings::<&mut Heading>::new(details);
    for heading in headings.iter_mut().map(Some).chain([None]) {
        let begins = heading.as_ref().map_or(usize::MAX, |heading| heading.span.start);
        let level = heading.as_ref().map(|heading| heading.level);
        above.reach(begins, level, |open| open.level, |closed, at, _| closed.section_end = at);
        above.open.extend(heading);
    }
    headings
}

/// Says what became of the fences: commands that run, commands that wait, something for a person, or nothing.
pub(super) fn become_of(fences: &mut [Fence], runbook: &Runbook) {
    let (source, mut run, mut held) = (&runbook.source, BTreeSet::new(), BTreeSet::new());
    for step in &runbook.steps {
        run.extend(step.commands().iter().map(|command| command.line));
        held.extend(step.held().iter().map(|command| command.line));
    }
    let manual = runbook.steps.iter().filter(|step| step.manual.is_some());
    let manual = Stretches::of(manual.map(|step| step.span));
    for fence in fences {
        let last = source.line(fence.span.end.saturating_sub(1));
        let lines = source.line(fence.span.start)..=last;
        let for_a_person = fence.span.end <= manual.reach(fence.span.start) + 1;
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
