//! What stands on a page. Every place is a span of bytes in the file.

use super::super::RunbookPhase;
use super::super::text::Excerpt;
use crate::source::Span;

/// A page.
#[derive(Debug, Default)]
pub struct PageLook {
    /// The headings, in order; those inside of list items are none.
    pub headings: Vec<Heading>,
    /// The code blocks, in order, indented ones too.
    pub fences: Vec<Fence>,
    /// The lists, in order, nested ones too.
    pub lists: Vec<List>,
    /// Running text by its blocks, in order: headings, paragraphs, list items, cells of tables.
    pub texts: Vec<PageText>,
    /// HTML comments, in order.
    pub comments: Vec<HtmlComment>,
    /// Links and images, in order; not those of raw HTML.
    pub links: Vec<Link>,
    /// Raw HTML without its comments: blocks and inline tags.
    pub html: Vec<Span>,
    /// The blocks of the page at every depth (lists and their items too), by their beginning, the outer ones first.
    pub blocks: Vec<Span>,
    /// The YAML frontmatter, without its marks.
    pub frontmatter: Option<Span>,
}

/// A heading.
#[derive(Debug)]
pub struct Heading {
    /// 1 to 6.
    pub level: u8,
    /// As a person reads it.
    pub text: String,
    /// The whole heading.
    pub span: Span,
    /// Its phase, its own or inherited.
    pub phase: RunbookPhase,
    /// Where its section ends: at the next heading that is not below it, or with the `<details>` around it.
    pub section_end: usize,
}

/// What became of a fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FenceUse {
    /// Commands of a step.
    Run,
    /// Commands that wait: conditional ones.
    Held,
    /// A person has to do something with it.
    Person,
    /// Nothing that anybody runs.
    Data,
}

/// A code block.
#[derive(Debug)]
pub struct Fence {
    /// The language tag, in lower case; empty when there is none.
    pub tag: String,
    /// The whole info string.
    pub info: String,
    /// Whether it has fences; otherwise it is indented.
    pub fenced: bool,
    /// The block, fences included.
    pub span: Span,
    /// How many list items it stands in.
    pub list_depth: usize,
    /// What became of it.
    pub reading: FenceUse,
    /// Its text, indentation of the Markdown removed.
    pub body: Excerpt,
}

/// A list.
#[derive(Debug)]
pub struct List {
    /// The number of its first item; none for bullets.
    pub start: Option<u64>,
    /// The whole list.
    pub span: Span,
    /// Its items.
    pub items: Vec<Span>,
    /// How many list items it stands in.
    pub depth: usize,
}

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// A heading, also one inside of a list item.
    Heading,
    /// A paragraph, wherever it stands.
    Paragraph,
    /// The text of a list item that has no paragraphs.
    Item,
    /// A cell of a table.
    Cell,
}

/// Running text.
#[derive(Debug)]
pub struct PageText {
    /// What it is.
    pub kind: TextKind,
    /// From its first to its last character in the file.
    pub span: Span,
    /// Parts of the text that are code or links: bytes within it.
    pub code: Vec<Span>,
    /// As a person reads it, emphasis and marks removed.
    pub body: Excerpt,
}

/// An HTML comment.
#[derive(Debug)]
pub struct HtmlComment {
    /// From `<!--` to `-->`.
    pub span: Span,
    /// What stands between, without blanks around it.
    pub text: String,
}

/// A link or an image.
#[derive(Debug)]
pub struct Link {
    /// Where it leads, as it was written.
    pub target: String,
    /// The whole link.
    pub span: Span,
}

impl Fence {
    /// Whether the closing fence of a fenced block is there. CommonMark lets a block run to the end of its container
    /// or of the file; the author of a runbook never means that.
    pub(in super::super) fn is_closed(&self, source: &str) -> bool {
        if !self.fenced {
            return true;
        }
        let text = self.span.of(source);
        let Some(fence) = text.chars().next().filter(|c| matches!(c, '`' | '~')) else { return true };
        let width = text.chars().take_while(|&c| c == fence).count();
        let Some((_, rest)) = text.split_once('\n') else { return false };
        let last = rest.trim_end_matches(['\n', '\r']).rsplit('\n').next().unwrap_or_default();
        // Quote marks of a block quote around the fence.
        let last = last.trim_matches([' ', '\t', '\r', '>']);
        last.len() >= width && last.chars().all(|c| c == fence)
    }
}

impl PageText {
    /// Whether bytes of its text stand in code or in a link.
    pub fn is_code(&self, part: Span) -> bool {
        self.code.iter().any(|code| code.start < part.end && part.start < code.end)
    }
}

impl PageLook {
    /// The heading of the section that a byte of the file stands in.
    pub fn section(&self, at: usize) -> Option<&Heading> {
        let begun = self.headings.partition_point(|heading| heading.span.start <= at);
        // Behind `</details>` the section goes on that stood above the headings in it.
        self.headings.iter().take(begun).rev().find(|heading| at <= heading.section_end)
    }

    /// The phase of the section that a byte of the file stands in.
    pub fn phase(&self, at: usize) -> RunbookPhase {
        self.section(at).map_or(RunbookPhase::Other, |heading| heading.phase)
    }
}
