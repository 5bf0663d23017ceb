//! The pass over the CommonMark events that finds what stands on a page.

use super::super::RunbookPhase;
use super::super::language;
use super::super::markdown::options;
use super::super::text::Excerpt;
use super::page::{Comment, Fence, Heading, Link, List, Look, Reading, Text, TextKind};
use crate::source::Span;
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

pub(super) fn read(source: &str) -> Look {
    let mut reader = Reader {
        source,
        look: Look::default(),
        open: Vec::new(),
        fence: None,
        heading: None,
        lists: 0,
        in_lists: Vec::new(),
        link: None,
    };
    for (event, range) in Parser::new_ext(source, options()).into_offset_iter() {
        reader.event(event, Span::new(range.start, range.end));
    }
    let mut look = reader.look;
    look.blocks.sort_by_key(|block| (block.start, std::cmp::Reverse(block.end)));
    look.texts.sort_by_key(|text| text.span.start);
    look
}

/// A section ends where the next heading of its level or above begins.
pub(super) fn end_sections(headings: &mut [Heading], end: usize) {
    // Headings that are still open: level and index.
    let mut open: Vec<(u8, usize)> = Vec::new();
    let mut ends = vec![end; headings.len()];
    for (index, heading) in headings.iter().enumerate() {
        while let Some((_, ended)) = open.pop_if(|&mut (level, _)| level >= heading.level) {
            if let Some(end) = ends.get_mut(ended) {
                *end = heading.span.start;
            }
        }
        open.push((heading.level, index));
    }
    for (heading, end) in headings.iter_mut().zip(ends) {
        heading.section_end = end;
    }
}

struct Reader<'a> {
    source: &'a str,
    look: Look,
    /// Texts under construction, the innermost last.
    open: Vec<Text>,
    fence: Option<Fence>,
    heading: Option<Heading>,
    /// Items around the current place.
    lists: usize,
    /// The lists around the current place.
    in_lists: Vec<usize>,
    /// Where the text of the current link began.
    link: Option<usize>,
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) {
        match event {
            Event::Start(tag) => self.start(tag, span),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => match &mut self.fence {
                // The blanks that stand for a tab may be more than the file has left.
                Some(fence) => {
                    fence.body.push(&text, span.start.min(self.source.len().saturating_sub(text.len())));
                }
                None => self.text(&text, span.start),
            },
            Event::Code(code) => {
                let written = self.source.get(span.start..span.end).unwrap_or_default();
                let at = span.start + written.find(code.as_ref()).unwrap_or_default();
                let from = self.length();
                self.text(&code, at);
                self.code(from);
            }
            Event::SoftBreak | Event::HardBreak => self.text(" ", span.start),
            Event::InlineHtml(_) => self.html(span),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>, span: Span) {
        match tag {
            Tag::Heading { level, .. } => {
                let level = level as u8;
                let text = String::new();
                self.heading =
                    Some(Heading { level, text, span, phase: RunbookPhase::Other, section_end: self.source.len() });
                self.open(TextKind::Heading, span);
            }
            Tag::Paragraph => self.open(TextKind::Paragraph, span),
            Tag::TableCell => self.open(TextKind::Cell, span),
            Tag::Item => {
                self.lists += 1;
                if let Some(list) = self.in_lists.last().and_then(|&index| self.look.lists.get_mut(index)) {
                    list.items.push(span);
                }
                self.open(TextKind::Item, span);
            }
            Tag::CodeBlock(kind) => {
                let (info, fenced) = match kind {
                    CodeBlockKind::Fenced(info) => (info.to_string(), true),
                    CodeBlockKind::Indented => (String::new(), false),
                };
                let tag = language::tag(&info);
                let (list_depth, reading, body) = (self.lists, Reading::Data, Excerpt::default());
                self.fence = Some(Fence { tag, info, fenced, span, list_depth, reading, body });
                self.look.blocks.push(span);
            }
            Tag::HtmlBlock => self.html(span),
            Tag::List(start) => {
                self.look.blocks.push(span);
                self.in_lists.push(self.look.lists.len());
                self.look.lists.push(List { start, span, items: Vec::new(), depth: self.lists });
            }
            Tag::Table(_) | Tag::BlockQuote(_) => self.look.blocks.push(span),
            Tag::Link { dest_url, .. } => {
                self.look.links.push(Link { target: dest_url.to_string(), span, image: false });
                self.link = Some(self.length());
            }
            Tag::Image { dest_url, .. } => {
                self.look.links.push(Link { target: dest_url.to_string(), span, image: true });
            }
            Tag::MetadataBlock(_) => {
                // Its text comes as events; it is not running text.
                self.look.frontmatter = Some(inner(self.source, span));
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                let text = self.close();
                if let Some(mut heading) = self.heading.take() {
                    heading.text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                    self.look.headings.push(heading);
                }
            }
            TagEnd::Paragraph | TagEnd::TableCell => drop(self.close()),
            TagEnd::Item => {
                self.lists = self.lists.saturating_sub(1);
                self.close();
            }
            TagEnd::List(_) => drop(self.in_lists.pop()),
            TagEnd::Link => {
                if let Some(from) = self.link.take() {
                    self.code(from);
                }
            }
            TagEnd::CodeBlock => self.look.fences.extend(self.fence.take()),
            _ => {}
        }
    }

    fn open(&mut self, kind: TextKind, span: Span) {
        self.look.blocks.push(span);
        self.open.push(Text { kind, span, code: Vec::new(), body: Excerpt::default() });
    }

    /// Ends the innermost text; what is empty is none. Returns it.
    fn close(&mut self) -> String {
        let Some(mut text) = self.open.pop() else { return String::new() };
        let whole = text.body.text.clone();
        if !whole.trim().is_empty() {
            text.span = text.place(Span::new(0, whole.len()));
            self.look.texts.push(text);
        }
        whole
    }

    fn text(&mut self, text: &str, at: usize) {
        if let Some(open) = self.open.last_mut() {
            open.body.push(text, at);
        }
    }

    fn length(&self) -> usize {
        self.open.last().map_or(0, |open| open.body.text.len())
    }

    fn code(&mut self, from: usize) {
        if let Some(open) = self.open.last_mut() {
            let to = open.body.text.len();
            open.code.push(Span::new(from, to));
        }
    }

    /// Comments are taken out of raw HTML; what is left is kept as it is.
    fn html(&mut self, span: Span) {
        let mut at = span.start;
        while let Some(rest) = self.source.get(at..span.end) {
            let Some(start) = rest.find("<!--") else { break };
            let Some(end) = rest.get(start + 4..).and_then(|inner| inner.find("-->")) else { break };
            let comment = Span::new(at + start, at + start + 4 + end + 3);
            let text = rest.get(start + 4..start + 4 + end).unwrap_or_default().trim().to_string();
            self.look.comments.push(Comment { span: comment, text });
            self.rest(Span::new(at, comment.start));
            at = comment.end;
        }
        self.rest(Span::new(at, span.end));
    }

    fn rest(&mut self, span: Span) {
        if self.source.get(span.start..span.end).is_some_and(|text| !text.trim().is_empty()) {
            self.look.html.push(span);
        }
    }
}

/// Without its first and its last line.
fn inner(source: &str, span: Span) -> Span {
    let text = source.get(span.start..span.end).unwrap_or_default().trim_end();
    let start = text.find('\n').map_or(text.len(), |at| at + 1);
    let end = text.rfind('\n').map_or(start, |at| at + 1).max(start);
    Span::new(span.start + start, span.start + end)
}
