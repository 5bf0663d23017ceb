//! What became of the fences of a page: the lines of all commands and the places of manual steps, in order, so that a
//! page of many blocks is looked at in one go.

use super::super::language::{Language, of_tag};
use super::super::{Runbook, StepKind};
use super::page::{Fence, Reading};
use crate::source::Source;

/// The commands and the manual steps of a page.
pub(super) struct Became<'a> {
    source: &'a Source,
    /// Lines of commands that run.
    run: Vec<usize>,
    /// Lines of commands that wait.
    held: Vec<usize>,
    /// Where manual steps begin, in order, each with the furthest end of all up to it.
    manual: Vec<(usize, usize)>,
}

impl<'a> Became<'a> {
    pub(super) fn of(source: &'a Source, runbook: Option<&Runbook>) -> Became<'a> {
        let mut became = Became { source, run: Vec::new(), held: Vec::new(), manual: Vec::new() };
        for step in runbook.iter().flat_map(|runbook| &runbook.steps) {
            became.run.extend(step.commands().iter().map(|command| command.line));
            became.held.extend(step.held.iter().map(|command| command.line));
            if matches!(step.kind, StepKind::Manual(_)) {
                became.manual.push((step.span.start, step.span.end));
            }
        }
        became.run.sort_unstable();
        became.held.sort_unstable();
        became.manual.sort_unstable();
        let mut furthest = 0;
        for (_, end) in &mut became.manual {
            furthest = furthest.max(*end);
            *end = furthest;
        }
        became
    }

    /// Commands that run, commands that wait, something for a person, or nothing.
    pub(super) fn reading(&self, fence: &Fence) -> Reading {
        let (first, last) = (self.source.line(fence.span.start), self.source.line(fence.span.end.saturating_sub(1)));
        let holds = |lines: &[usize]| {
            let next = lines.get(lines.partition_point(|line| *line < first));
            next.is_some_and(|line| *line <= last)
        };
        if holds(&self.run) {
            return Reading::Run;
        }
        if holds(&self.held) {
            return Reading::Held;
        }
        let begun = self.manual.partition_point(|(start, _)| *start <= fence.span.start);
        let around = begun.checked_sub(1).and_then(|last| self.manual.get(last));
        let manual = around.is_some_and(|(_, end)| fence.span.end <= end + 1);
        match of_tag(&fence.tag) {
            Language::Foreign => Reading::Person,
            Language::Shell | Language::Console if manual => Reading::Person,
            _ => Reading::Data,
        }
    }
}
