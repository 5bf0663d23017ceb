//! What stands below a heading, taken apart: the items of its ordered lists, and its code blocks with the paragraphs that
//! introduce them.

use super::markdown::{Item, MarkdownBlock, MarkdownCode};
use super::text::{sentences, shorten};
use super::{RunbookPhase, phase};
use crate::source::Span;

/// A code block in its place in the text.
#[derive(Clone)]
pub(super) struct PlacedBlock<'a> {
    pub code: &'a MarkdownCode,
    /// The paragraph that introduces it.
    pub intro: Option<(&'a str, Span)>,
}

/// Phases in which words alone are something to do.
pub(super) fn is_for_people(phase: RunbookPhase) -> bool {
    use RunbookPhase::{Diagnose, Escalate, Mitigate, Rollback, Verify};
    matches!(phase, Diagnose | Mitigate | Verify | Rollback | Escalate)
}

/// The code blocks of some blocks, looked for in lists as well, each with its introduction.
pub(super) fn placed<'a>(blocks: impl IntoIterator<Item = &'a MarkdownBlock>) -> Vec<PlacedBlock<'a>> {
    let mut out = Vec::new();
    let mut intro = None;
    for block in blocks {
        match block {
            MarkdownBlock::Paragraph { text, span } => intro = Some((text.as_str(), *span)),
            MarkdownBlock::Code(code) => {
                let row = code.row.as_ref().map(|row| (row.title.0.as_str(), row.title.1));
                out.push(PlacedBlock { code, intro: row.or(intro) });
            }
            MarkdownBlock::List { items, .. } => {
                items.iter().for_each(|item| out.extend(placed(&item.blocks)));
                // A fence that fell out of the last item is introduced by it, where that leads to what follows.
                let last = items.last().and_then(|item| item.blocks.last()?.paragraph());
                intro = last.filter(|(text, _)| text.trim_end().ends_with(':')).or(intro);
            }
            MarkdownBlock::Heading { .. } | MarkdownBlock::Comment(_) | MarkdownBlock::Html { .. } => {}
        }
    }
    out
}

/// A part of a section.
pub(super) enum SectionPart<'a> {
    /// An item of a top-level ordered list, or of a checklist.
    Item { title: String, span: Span, codes: Vec<PlacedBlock<'a>> },
    /// Code blocks outside such lists.
    Loose(Vec<PlacedBlock<'a>>),
}

/// Takes a section apart into the items of its lists of steps and what is left.
pub(super) fn parts<'a>(blocks: &[&'a MarkdownBlock], phase: RunbookPhase) -> Vec<SectionPart<'a>> {
    let mut parts: Vec<SectionPart<'a>> = Vec::new();
    let mut loose: Vec<&'a MarkdownBlock> = Vec::new();
    let mut at = 0;
    while let Some(&block) = blocks.get(at) {
        at += 1;
        match block {
            MarkdownBlock::List { start, items } if is_steps(*start, items, &blocks[at..], phase) => {
                parts.push(SectionPart::Loose(placed(std::mem::take(&mut loose))));
                parts.extend(items.iter().map(item_part));
                let next_number = start.and_then(|start| start.checked_add(items.len() as u64));
                // Fences that fell out of the last item, and everything up to the list that counts on.
                let fallen = counts_on(&blocks[at..], next_number).unwrap_or_else(|| fallen(&blocks[at..]));
                if let Some(SectionPart::Item { span: of_item, codes, .. }) = parts.last_mut() {
                    let fallen = &blocks[at..at + fallen];
                    codes.extend(placed(fallen.iter().copied()));
                    of_item.end = fallen.iter().filter_map(|b| span(b)).map(|s| s.end).max().unwrap_or(of_item.end);
                }
                at += fallen;
            }
            _ => loose.push(block),
        }
    }
    parts.push(SectionPart::Loose(placed(loose)));
    parts
}

fn item_part(item: &Item) -> SectionPart<'_> {
    let title = item.blocks.iter().find_map(MarkdownBlock::paragraph).map(|(text, _)| title_of(text));
    SectionPart::Item { title: title.unwrap_or_default(), span: item.span, codes: placed(&item.blocks) }
}

/// Whether the items of an ordered list are steps: where people act they are, elsewhere if one of them has code or most of them ask for
/// something. Where people act, a list of boxes to be ticked is one of steps beside code.
fn is_steps(start: Option<u64>, items: &[Item], after: &[&MarkdownBlock], phase: RunbookPhase) -> bool {
    let has_code = items.iter().any(|item| !placed(&item.blocks).is_empty());
    if start.is_none() {
        let is_block = |placed: &PlacedBlock<'_>| placed.code.unread.is_none();
        let has_code = items.iter().any(|item| placed(&item.blocks).iter().any(is_block));
        return has_code && is_for_people(phase) && items.iter().all(|item| item.is_task);
    }
    // People to call, one after the other, are one thing to do.
    let asks = |item: &Item| matches!(item.blocks.first(), Some(MarkdownBlock::Paragraph { text, .. }) if phase::is_imperative(text));
    if phase == RunbookPhase::Escalate && !has_code && !items.iter().any(asks) {
        return false;
    }
    let most_ask = items.iter().filter(|item| asks(item)).count() * 2 > items.len();
    has_code || is_for_people(phase) || phase != RunbookPhase::Reference && (most_ask || fallen(after) > 0)
}

/// How many blocks stand before the list that goes on counting, if there is one: they belong to the item above them. A page has so few
/// blocks that each list may look through those behind it.
fn counts_on(after: &[&MarkdownBlock], next: Option<u64>) -> Option<usize> {
    let next = next.filter(|&next| next > 1)?;
    after.iter().position(|block| matches!(block, MarkdownBlock::List { start: Some(start), .. } if *start == next))
}

/// How many of the blocks after a list belong to its last item: code right behind it.
fn fallen(after: &[&MarkdownBlock]) -> usize {
    after.iter().take_while(|block| matches!(block, MarkdownBlock::Code(_))).count()
}

pub(super) fn span(block: &MarkdownBlock) -> Option<Span> {
    match block {
        MarkdownBlock::Heading { span, .. } | MarkdownBlock::Paragraph { span, .. } => Some(*span),
        MarkdownBlock::Code(code) => Some(code.span),
        MarkdownBlock::Comment(comment) => Some(comment.span),
        MarkdownBlock::List { items, .. } => items.last().map(|item| item.span),
        MarkdownBlock::Html { .. } => None,
    }
}

/// From where on a block stands on the page; what HTML says counts from its end: it may begin with `</details>`.
pub(super) fn stands_at(block: &MarkdownBlock) -> usize {
    match block {
        MarkdownBlock::Html { at, .. } => *at,
        _ => span(block).map_or(0, |span| span.start),
    }
}

/// The headings that are open on the way through a page, from the outermost.
#[derive(Debug)]
pub(super) struct OpenHeadings<'d, T> {
    pub open: Vec<T>,
    /// How many of them stand around each open `<details>`: none of these is closed from inside.
    around: Vec<usize>,
    /// The `<details>` from here on, as the document has them.
    pub details: &'d [(usize, bool)],
}

impl<'d, T> OpenHeadings<'d, T> {
    pub(super) fn new(details: &'d [(usize, bool)]) -> OpenHeadings<'d, T> {
        OpenHeadings { open: Vec::new(), around: Vec::new(), details }
    }

    /// Comes to what begins here, and is a heading where it has a level. Each heading that ends before it is given to `close`, the
    /// innermost first, with where it ends and the heading around it.
    pub(super) fn reach(
        &mut self,
        begins: usize,
        heading: Option<u8>,
        level: impl Fn(&T) -> u8,
        mut close: impl FnMut(T, usize, Option<&mut T>),
    ) {
        let mut end = |open: &mut Vec<T>, kept: usize, least: u8, at: usize| {
            while open.len() > kept
                && let Some(closed) = open.pop_if(|open| level(open) >= least)
            {
                close(closed, at, open.last_mut());
            }
        };
        while let Some((&(at, opens), rest)) = self.details.split_first().filter(|(next, _)| next.0 <= begins) {
            self.details = rest;
            match opens {
                true => self.around.push(self.open.len()),
                false => end(&mut self.open, self.around.pop().unwrap_or_default(), 0, at),
            }
        }
        if let Some(least) = heading {
            end(&mut self.open, self.around.last().copied().unwrap_or_default(), least, begins);
        }
    }
}

/// A paragraph as a title: the sentence that introduces what follows, or the first one.
pub(super) fn title_of(text: &str) -> String {
    let sentences = sentences(text);
    let introducing = sentences.last().filter(|_| text.trim_end().ends_with(':'));
    introducing.or(sentences.first()).map(|sentence| shorten(sentence, 72)).unwrap_or_default()
}
