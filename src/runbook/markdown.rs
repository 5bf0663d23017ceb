//! CommonMark events → a page: the tree of blocks that runbooks are made of, and, for `firedrill lint`, everything else with its
//! place. Block quotes and alerts are looked through; headings inside list items and quotes count as paragraphs; commands outside of
//! code blocks become blocks of their own.

use super::look::{self, Fence, FenceUse, Link, List, PageLook, PageText, TextKind};
use super::text::{Excerpt, fold, is_among};
use super::unfenced::{self, Inline};
use super::{Unread, admonitions, bold, language, phase, placeholder};
use crate::programs::only_looks;
use crate::source::{Span, TextPattern, beginning};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use std::collections::HashSet;

/// Lists nested deeper than this are read as part of the list around them: nobody's runbook goes there, and it
/// bounds the recursion of everything that reads the blocks.
const MAX_LIST_DEPTH: usize = 16;

/// How many headings, paragraphs and blocks a document may have, those of lists among them.
const MOST_BLOCKS: usize = 10_000;
/// How many lines its blocks of code may have together.
const MOST_LINES: usize = 10_000;

/// Bytes of a heading that are read: it becomes the title of everything below it. A longer one is a mistake, because what
/// stands behind them may be a condition.
pub(super) const LONGEST_HEADING: usize = 500;

/// How many commands of a text may explain the block below it: each is compared with all of its lines.
const MOST_EXPLAINING: usize = 20;

/// Bytes of what the row of a table says that are kept for each of its commands.
const LONGEST_ROW: usize = 2000;

/// A block.
#[derive(Debug)]
pub(super) enum MarkdownBlock {
    Heading {
        /// 1 to 6; [`bold::LEVEL`] for a line that numbers a step.
        level: u8,
        /// At most the first [`LONGEST_HEADING`] bytes.
        text: String,
        /// Whether there are more.
        cut: bool,
        span: Span,
    },
    Paragraph {
        text: String,
        span: Span,
    },
    /// What a block of HTML says, without its tags and comments: `<summary>Only in staging</summary>`; or the word of an alert.
    Html {
        text: String,
        /// Where the block ends, or the word begins.
        at: usize,
    },
    Code(MarkdownCode),
    List {
        start: Option<u64>,
        items: Vec<Item>,
    },
    /// A comment that speaks to Firedrill; `annotation.rs` takes these out.
    Comment(AnnotationComment),
}

/// `<!-- firedrill: … -->`.
#[derive(Debug, Default)]
pub(super) struct AnnotationComment {
    /// What stands between its marks.
    pub text: Excerpt,
    /// Bytes of all of it.
    pub span: Span,
    /// Where it stands.
    pub place: CommentPlace,
    /// Whether its `-->` is there.
    pub closed: bool,
}

/// Where a comment stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommentPlace {
    /// On lines of its own.
    #[default]
    Block,
    /// In the heading that is the block before it.
    Heading,
    /// In running text.
    Inline,
}

/// A code block.
#[derive(Debug, Default)]
pub(super) struct MarkdownCode {
    /// The info string after the fence; empty for indented blocks.
    pub info: String,
    /// Whether it has fences.
    pub fenced: bool,
    /// Its text, indentation of the Markdown removed.
    pub body: Excerpt,
    /// Bytes of the block, fences included.
    pub span: Span,
    /// Where its command was found, if it is no block to Markdown.
    pub unread: Option<Unread>,
    /// The row of its table.
    pub row: Option<CommandRow>,
    /// Whether a word of the running text around it asks for it, no mere bracket, dash or colon: "Run `x`".
    pub led: bool,
    /// Whether it stands in a scenario.
    pub written: bool,
}

/// The row of a table in which a command stands.
#[derive(Debug, Clone)]
pub(super) struct CommandRow {
    /// The first of its cells that holds no code, and its place.
    pub title: (String, Span),
    /// Its cells, below those of the table's head.
    pub whole: String,
}

/// The cells of a row as one text.
fn cells(row: &[(String, Span, Vec<Inline>)]) -> String {
    row.iter().map(|(text, ..)| text.trim()).collect::<Vec<_>>().join(" | ")
}

/// Whether a tag, without its `<`, begins text that is struck out, or ends it: `del>`, `/s>`.
fn strikes(tag: &str) -> Option<bool> {
    let name = tag.strip_prefix('/').unwrap_or(tag);
    // `<s-bucket>` is a placeholder.
    let name = name.split(|c: char| c.is_whitespace() || matches!(c, '>' | '/')).next().unwrap_or_default();
    let known = ["del", "s", "strike"].iter().any(|known| name.eq_ignore_ascii_case(known));
    known.then_some(!tag.starts_with('/'))
}

/// Whether a command in the text above a block explains what the block holds: its words stand in a line of it, or it only looks.
fn explains(inline: &str, block: &str) -> bool {
    let is_given = |word: &&str| !word.contains(['<', '>', '{', '}', '$']);
    let holds = |line: &str| {
        let mut words = line.split_whitespace();
        inline.split_whitespace().filter(is_given).all(|word| words.any(|other| other == word))
    };
    block.replace("\\\n", " ").lines().any(holds) || only_looks(&placeholder::masked(inline))
}

/// Whether a paragraph holds commands between marks that only generators of sites read (`{% highlight bash %}`), or another file.
fn holds_marked_code(text: &str) -> bool {
    const MARKS: [&str; 6] = ["{% highlight", "{{< highlight", "{{% highlight", "{{< tab", "{code", ":::{code"];
    let mut lines = text.lines().map(str::trim_start);
    let first = lines.next().unwrap_or_default();
    includes(first) || MARKS.iter().any(|mark| first.starts_with(mark)) && lines.any(unfenced::is_command)
}

/// Whether a line stands for another file that a generator of sites puts in its place.
pub(super) fn includes(line: &str) -> bool {
    const MARKS: [&str; 7] = ["--8<--", "{% include", "{{< include", "{{% include", "{{#include", "{!", "::include"];
    // `{% include note.html content="…" %}` puts a text of its own there.
    MARKS.iter().any(|mark| line.trim_start().starts_with(mark)) && !line.contains("content=")
}

/// What generators of sites show above what stands in a component, by its tag without the `<`: `TabItem label="Helm"`, `Warning`.
fn of_component(tag: &str) -> Option<&str> {
    let tag = tag.split('>').next().unwrap_or_default();
    let name = tag.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    // `<TABLE>` is HTML. That there are tabs says nothing.
    let is_one = name.starts_with(|c: char| c.is_ascii_uppercase()) && name.contains(|c: char| c.is_ascii_lowercase());
    let shows = tag.contains('=') && name != "Tabs" || is_among("Caution Danger Warning", name);
    (is_one && shows).then_some(tag)
}

/// The text of some HTML; what stands in a comment is none. `struck` becomes what its last tag of that kind says.
fn without_tags(html: &str, struck: &mut bool) -> String {
    let (mut text, mut rest) = (String::new(), html);
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        text.push(' ');
        if let Some(begins) = strikes(tag) {
            *struck = begins;
            text.push_str("~~ ");
        }
        text.extend(of_component(tag).into_iter().flat_map(|said| [said, " "]));
        let end = if tag.starts_with("!--") { "-->" } else { ">" };
        rest = tag.split_once(end).map_or("", |(_, rest)| rest);
    }
    text.push_str(rest);
    fold(&text)
}

/// An item of a list.
#[derive(Debug)]
pub(super) struct Item {
    pub blocks: Vec<MarkdownBlock>,
    pub span: Span,
    /// Whether it has a box to be ticked: `- [ ]`.
    pub is_task: bool,
}

/// A document.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub blocks: Vec<MarkdownBlock>,
    /// Everything else, also what no block is made of; headings are cut out of the blocks later.
    pub look: PageLook,
    /// Where `<details>` begin that hold headings (`true`), and where they end: what follows stands below what stood above them.
    pub details: Vec<(usize, bool)>,
    /// HTML that holds the fence of a code block, or commands, and commands between marks of generators of sites: nobody reads them.
    pub fences_in_html: Vec<Span>,
    /// How many blocks there are, and how many lines of code.
    size: (usize, usize),
}

const OPTIONS: Options = Options::ENABLE_TABLES
    .union(Options::ENABLE_FOOTNOTES)
    .union(Options::ENABLE_STRIKETHROUGH)
    .union(Options::ENABLE_TASKLISTS)
    .union(Options::ENABLE_GFM);

impl Document {
    /// Why it is more than what is read, if it is.
    pub fn is_beyond(&self) -> Option<String> {
        let (blocks, lines) = self.size;
        [(blocks, MOST_BLOCKS, "headings, paragraphs and blocks"), (lines, MOST_LINES, "lines in blocks of code")]
            .into_iter()
            .find(|(count, most, _)| count > most)
            .map(|(count, most, of_what)| format!("{count} {of_what}, at most {most} are read"))
    }
}

/// Reads a document.
pub(super) fn read(source: &str) -> Document {
    let mut reader = MarkdownReader { source, typed: unfenced::typed_words(source), ..MarkdownReader::default() };
    // A byte order mark would hide the first heading, or the frontmatter.
    let text = source.strip_prefix('\u{feff}').unwrap_or(source);
    let mark = source.len() - text.len();
    let front = frontmatter(text);
    reader.out.look.frontmatter = front.map(|(inner, _)| Span::new(mark + inner.start, mark + inner.end));
    let skipped = mark + front.map_or(0, |(_, end)| end);
    let text = admonitions::as_items(source.get(skipped..).unwrap_or_default());
    for (event, range) in Parser::new_ext(&text, OPTIONS).into_offset_iter() {
        reader.event(event, Span::new(range.start + skipped, range.end + skipped));
    }
    reader.flush();
    let mut document = reader.out;
    document.look.blocks.sort_by_key(|block| (block.start, std::cmp::Reverse(block.end)));
    document.look.texts.sort_by_key(|text| text.span.start);
    document.details.sort_unstable();
    document
}

/// A list under construction; `blocks` are those of its current item.
#[derive(Default)]
struct OpenList {
    start: Option<u64>,
    items: Vec<Item>,
    blocks: Vec<MarkdownBlock>,
    is_task: bool,
}

/// Where running text goes.
#[derive(Default)]
enum TextPlace {
    /// Into a paragraph, or into a tight list item, which has none.
    #[default]
    Prose,
    Code(MarkdownCode),
    /// An HTML block, in which comments may stand.
    Html(Excerpt),
    /// Tables: of their cells only commands are read.
    Table,
}

#[derive(Default)]
struct MarkdownReader<'a> {
    source: &'a str,
    /// The words with which lines of its shell begin.
    typed: HashSet<&'a str>,
    out: Document,
    lists: Vec<OpenList>,
    place: TextPlace,
    prose: String,
    prose_span: Option<Span>,
    heading: Option<u8>,
    footnotes: usize,
    quotes: usize,
    /// Whether the running text is struck out, `Some` if any of it was, and whether the blocks are, by HTML around them.
    struck: Option<bool>,
    struck_blocks: bool,
    /// Where the last heading begins, and each `<details>` that is open.
    last_heading: usize,
    open_details: Vec<usize>,
    /// Texts under construction, the innermost last.
    texts: Vec<PageText>,
    /// The lists around the current place, those that were too deep to be opened as well, and how many items of them.
    in_lists: Vec<usize>,
    items: usize,
    /// Where the text of the current link began.
    link: Option<usize>,
    /// Comments in the running text under construction.
    comments: Vec<AnnotationComment>,
    /// Code in it.
    inline: Vec<Inline>,
    /// The cells of the row of a table: text, place and code of each.
    row: Vec<(String, Span, Vec<Inline>)>,
    /// The cells of the head of the table.
    head: String,
}

impl MarkdownReader<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) {
        match event {
            Event::Start(tag) => self.start(tag, span),
            Event::End(tag) => self.end(tag, span),
            Event::Text(text) => match &mut self.place {
                // The blanks that stand for a tab may be more than the file has left.
                TextPlace::Code(code) => {
                    code.body.push(&text, span.start.min(self.source.len().saturating_sub(text.len())));
                }
                TextPlace::Html(_) => {}
                TextPlace::Prose => {
                    self.unclosed(&text, span);
                    self.prose(&text, span);
                }
                TextPlace::Table => self.prose(&text, span),
            },
            Event::Code(text) => {
                // What is struck out is nothing to be run.
                if self.struck != Some(true) && !self.struck_blocks {
                    self.inline.push(Inline { at: self.prose.len(), text: text.to_string(), span });
                }
                let at = span.start + span.of(self.source).find(text.as_ref()).unwrap_or_default();
                let from = self.text_length();
                self.text(&text, at);
                self.no_words(from);
                self.running(&text, span);
            }
            Event::Html(text) => {
                if let TextPlace::Html(html) = &mut self.place {
                    html.push(&text, span.start);
                }
            }
            Event::InlineHtml(text) => {
                if let Some(begins) = text.strip_prefix('<').and_then(strikes) {
                    // What began as a block may end in a paragraph.
                    self.struck_blocks &= begins || self.struck == Some(true);
                    self.strike(begins, span);
                }
                let comments = self.html(&Excerpt::of(&text, span.start), CommentPlace::Inline);
                self.comments.extend(comments.into_iter().filter(|_| matches!(self.place, TextPlace::Prose)));
            }
            Event::SoftBreak | Event::HardBreak => self.prose(" ", span),
            Event::TaskListMarker(_) => self.open_list().into_iter().for_each(|list| list.is_task = true),
            _ => {}
        }
    }

    /// The innermost list, unless that was too deep to be opened.
    fn open_list(&mut self) -> Option<&mut OpenList> {
        let is_open = self.lists.len() == self.in_lists.len();
        self.lists.last_mut().filter(|_| is_open)
    }

    fn prose(&mut self, text: &str, span: Span) {
        self.text(text, span.start);
        self.running(text, span);
    }

    /// Adds to the paragraph, or to the cell of a table.
    fn running(&mut self, text: &str, span: Span) {
        if matches!(self.place, TextPlace::Table) {
            self.prose.push_str(text);
        } else if matches!(self.place, TextPlace::Prose) && self.footnotes == 0 {
            self.prose.push_str(text);
            let begun = self.prose_span.map_or(span.start, |s| s.start);
            self.prose_span = Some(Span::new(begun, span.end));
        }
    }

    /// Text that is struck out stands between two `~~`, whatever strikes it out.
    fn strike(&mut self, begins: bool, span: Span) {
        self.struck = Some(begins);
        let at = if begins { span.start } else { span.end };
        self.running("~~", Span::new(at, at));
    }

    /// Adds to the innermost text.
    fn text(&mut self, text: &str, at: usize) {
        if let Some(open) = self.texts.last_mut() {
            open.body.push(text, at);
        }
    }

    fn text_length(&self) -> usize {
        self.texts.last().map_or(0, |open| open.body.text.len())
    }

    /// What was added since is code, or a link.
    fn no_words(&mut self, from: usize) {
        if let Some(open) = self.texts.last_mut() {
            open.code.push(Span::new(from, open.body.text.len()));
        }
    }

    fn open_text(&mut self, kind: TextKind, span: Span) {
        self.texts.push(PageText { kind, span, code: Vec::new(), body: Excerpt::default() });
    }

    /// Ends the innermost text; what is empty is none.
    fn close_text(&mut self) {
        if let Some(mut text) = self.texts.pop().filter(|text| !text.body.text.trim().is_empty()) {
            text.span = text.body.place(Span::new(0, text.body.text.len()));
            self.out.look.texts.push(text);
        }
    }

    fn start(&mut self, tag: Tag<'_>, span: Span) {
        if !matches!(tag, Tag::Link { .. } | Tag::Image { .. } | Tag::Emphasis | Tag::Strong | Tag::Strikethrough) {
            self.flush();
            if !matches!(tag, Tag::HtmlBlock | Tag::FootnoteDefinition(_) | Tag::TableHead | Tag::TableRow) {
                self.out.look.blocks.push(span);
            }
        }
        match tag {
            Tag::Heading { level, .. } => {
                self.heading = (self.lists.is_empty() && self.quotes == 0).then_some(level as u8);
                self.last_heading = self.heading.map_or(self.last_heading, |_| span.start);
                self.open_text(TextKind::Heading, span);
            }
            Tag::Paragraph => self.open_text(TextKind::Paragraph, span),
            Tag::TableCell => self.open_text(TextKind::Cell, span),
            Tag::Item => {
                self.items += 1;
                if let Some(list) = self.in_lists.last().and_then(|&index| self.out.look.lists.get_mut(index)) {
                    list.items.push(span);
                }
                self.open_text(TextKind::Item, span);
            }
            Tag::CodeBlock(kind) => {
                let (info, fenced) = match kind {
                    CodeBlockKind::Fenced(info) => (info.to_string(), true),
                    CodeBlockKind::Indented => (String::new(), false),
                };
                self.place = TextPlace::Code(MarkdownCode { info, fenced, span, ..MarkdownCode::default() });
            }
            Tag::List(start) => {
                self.in_lists.push(self.out.look.lists.len());
                self.out.look.lists.push(List { start, span, items: Vec::new(), depth: self.items });
                if self.lists.len() < MAX_LIST_DEPTH {
                    self.lists.push(OpenList { start, ..OpenList::default() });
                }
            }
            Tag::HtmlBlock => self.place = TextPlace::Html(Excerpt::default()),
            Tag::Table(_) => self.place = TextPlace::Table,
            Tag::BlockQuote(kind) => {
                self.quotes += 1;
                // `> [!CAUTION]`: that word is no text to the parser.
                let word = span.of(self.source).split_once("[!").and_then(|(_, rest)| rest.split_once(']'));
                if let Some((word, _)) = word.filter(|_| kind.is_some() && self.footnotes == 0) {
                    self.push(MarkdownBlock::Html { text: word.to_string(), at: span.start });
                }
            }
            Tag::Strikethrough => self.strike(true, span),
            Tag::FootnoteDefinition(_) => self.footnotes += 1,
            Tag::Link { dest_url, .. } => {
                self.out.look.links.push(Link { target: dest_url.to_string(), span });
                self.link = Some(self.text_length());
            }
            Tag::Image { dest_url, .. } => self.out.look.links.push(Link { target: dest_url.to_string(), span }),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd, span: Span) {
        use TagEnd::{BlockQuote, FootnoteDefinition, Paragraph};
        if matches!(tag, BlockQuote(_) | FootnoteDefinition | Paragraph | TagEnd::Item | TagEnd::List(_)) {
            self.flush();
        }
        match tag {
            TagEnd::Heading(_) => {
                // An empty heading has no text but still ends the section before it.
                self.prose_span = Some(span);
                self.flush();
                self.heading = None;
                self.close_text();
            }
            TagEnd::CodeBlock => {
                if let TextPlace::Code(mut code) = std::mem::take(&mut self.place) {
                    code.body = language::without_options(&code.info, code.body);
                    let (tag, info, body) = (language::tag(&code.info), code.info.clone(), code.body.clone());
                    language::comment_as_shell(&tag, &mut code.body);
                    // What a directive shows to readers of the site governs what stands behind it.
                    if language::is_directive(&info) && self.footnotes == 0 {
                        let text = fold(&format!("{info} {}", body.text));
                        self.push(MarkdownBlock::Html { text, at: code.span.start });
                    }
                    let (fenced, span, list_depth) = (code.fenced, code.span, self.items);
                    let reading = FenceUse::Data;
                    self.out.look.fences.push(Fence { tag, info, fenced, span, list_depth, reading, body });
                    if self.footnotes == 0 {
                        self.push(MarkdownBlock::Code(code));
                    }
                }
            }
            TagEnd::Item => {
                self.items = self.items.saturating_sub(1);
                self.close_text();
                if let Some(list) = self.open_list() {
                    let (blocks, is_task) = (std::mem::take(&mut list.blocks), std::mem::take(&mut list.is_task));
                    list.items.push(Item { blocks, span, is_task });
                }
            }
            TagEnd::List(_) => {
                self.in_lists.pop();
                let is_open = self.lists.len() > self.in_lists.len();
                if let Some(OpenList { start, items, .. }) = self.lists.pop_if(|_| is_open) {
                    self.push(MarkdownBlock::List { start, items });
                }
            }
            TagEnd::HtmlBlock => {
                if let TextPlace::Html(html) = std::mem::take(&mut self.place) {
                    let comments = self.html(&html, CommentPlace::Block);
                    self.details(&html);
                    let is_fence = |line: &str| ["```", "~~~"].iter().any(|fence| line.trim_start().starts_with(fence));
                    let is_command = |line: &str| unfenced::is_command(&without_tags(line, &mut false));
                    let shows_code = ["<pre>", "<pre ", "<code>", "<code "].iter().any(|tag| html.text.contains(tag));
                    let mut lines = html.text.lines();
                    let holds_code = lines.any(|line| is_fence(line) || shows_code && is_command(line));
                    let is_comment = html.text.trim_start().starts_with("<!--");
                    self.out.fences_in_html.extend((holds_code && !is_comment).then_some(span));
                    let text = without_tags(&html.text, &mut self.struck_blocks);
                    if !text.is_empty() {
                        self.push(MarkdownBlock::Html { text, at: span.end });
                    }
                    comments.into_iter().for_each(|comment| self.push(MarkdownBlock::Comment(comment)));
                }
            }
            TagEnd::TableCell => {
                let (text, inline) = (std::mem::take(&mut self.prose), std::mem::take(&mut self.inline));
                self.row.push((text, span, inline));
                self.close_text();
            }
            TagEnd::TableHead => self.head = cells(&std::mem::take(&mut self.row)),
            TagEnd::TableRow => self.end_row(),
            TagEnd::Table => self.place = TextPlace::Prose,
            FootnoteDefinition => self.footnotes = self.footnotes.saturating_sub(1),
            Paragraph => self.close_text(),
            BlockQuote(_) => self.quotes = self.quotes.saturating_sub(1),
            TagEnd::Strikethrough => self.strike(false, span),
            TagEnd::Link => {
                if let Some(from) = self.link.take() {
                    self.no_words(from);
                }
            }
            _ => {}
        }
    }

    /// Ends the paragraph (or heading) under construction.
    fn flush(&mut self) {
        let text = std::mem::take(&mut self.prose);
        let comments = std::mem::take(&mut self.comments);
        let inline = std::mem::take(&mut self.inline);
        let struck = self.struck.take().is_some() || self.struck_blocks;
        if let Some(span) = self.prose_span.take() {
            let commands = match self.heading {
                Some(_) => Vec::new(),
                None => unfenced::of_text(self.source, &self.typed, &text, &inline, None),
            };
            let text = fold(&text);
            let text = if self.struck_blocks && !text.is_empty() { format!("~~{text}~~") } else { text };
            match self.heading {
                Some(level) => {
                    let title = beginning(&text, LONGEST_HEADING).to_string();
                    self.push(MarkdownBlock::Heading { level, cut: title.len() < text.len(), text: title, span })
                }
                None if text.is_empty() => {}
                None => self.paragraph(text, span, inline.is_empty() && !struck),
            }
            commands.into_iter().for_each(|code| self.push(MarkdownBlock::Code(code)));
        }
        let place = if self.heading.is_some() { CommentPlace::Heading } else { CommentPlace::Inline };
        for comment in comments {
            self.push(MarkdownBlock::Comment(AnnotationComment { place, ..comment }));
        }
    }

    /// A paragraph, or the commands that it is.
    fn paragraph(&mut self, text: String, span: Span, plain: bool) {
        let found = plain.then(|| unfenced::of_paragraph(self.source, span)).flatten();
        let Some((start, code)) = found else {
            self.out.fences_in_html.extend(holds_marked_code(span.of(self.source)).then_some(span));
            return self.push(MarkdownBlock::Paragraph { text, span });
        };
        let above = self.source.get(span.start..start).unwrap_or_default().trim_end();
        if !above.is_empty() {
            let span = Span::new(span.start, span.start + above.len());
            self.push(MarkdownBlock::Paragraph { text: fold(above), span });
        }
        // "Step 2: Check the deploys" above such a line is a heading to its readers.
        if self.lists.is_empty()
            && let Some(block) = self.out.blocks.last_mut()
            && let MarkdownBlock::Paragraph { text, span } = block
            && phase::is_step(text)
            && text.len() <= LONGEST_HEADING
        {
            *block = MarkdownBlock::Heading { level: bold::LEVEL, text: std::mem::take(text), cut: false, span: *span };
        }
        self.push(MarkdownBlock::Code(code));
    }

    /// The commands in the row of a table, with what its first other cell says.
    fn end_row(&mut self) {
        let row = std::mem::take(&mut self.row);
        if self.footnotes > 0 {
            return;
        }
        let says = row.iter().find(|(text, _, inline)| !text.trim().is_empty() && inline.is_empty()).or(row.first());
        let says = says.map(|(text, span, _)| CommandRow {
            title: (beginning(text.trim(), LONGEST_ROW).to_string(), *span),
            whole: format!("{} / {}", self.head, cells(&row)),
        });
        for (column, (text, span, inline)) in row.iter().enumerate() {
            for code in unfenced::of_text(self.source, &self.typed, text, inline, says.clone()) {
                self.push(MarkdownBlock::Code(code));
            }
            let head = self.head.split(" | ").nth(column).unwrap_or_default();
            let bare = || unfenced::of_cell(self.source, head, text, *span, says.clone());
            let bare = inline.is_empty().then(bare).flatten();
            bare.into_iter().for_each(|code| self.push(MarkdownBlock::Code(code)));
        }
    }

    /// Notes where some HTML opens `<details>`, and where it ends those that hold headings.
    fn details(&mut self, html: &Excerpt) {
        if !self.lists.is_empty() || self.quotes + self.footnotes > 0 {
            return;
        }
        for (at, _) in html.text.match_indices("details") {
            let (before, behind) = html.text.split_at(at);
            if before.ends_with("</") && behind.starts_with("details>") {
                let begun = self.open_details.pop().filter(|begun| *begun < self.last_heading);
                let end = html.origin(at) + "details>".len();
                self.out.details.extend(begun.into_iter().flat_map(|begun| [(begun, true), (end, false)]));
            } else if before.ends_with('<') {
                self.open_details.push(html.origin(at));
            }
        }
    }

    /// An annotation without its end is running text to CommonMark, and its author must hear of it.
    fn unclosed(&mut self, text: &str, span: Span) {
        let Some(at) = text.find('<').map(|at| span.start + at).filter(|_| self.footnotes == 0) else { return };
        let rest = self.source.get(at..).unwrap_or_default();
        let escaped = self.source.get(..at).is_some_and(|before| before.ends_with('\\'));
        let ours = rest.strip_prefix("<!--").is_some_and(is_ours);
        // A page may be one long line: it is cut only for a comment that was found.
        let line = if ours && !escaped { rest.split('\n').next().unwrap_or_default() } else { "" };
        if let Some(inner) = line.strip_prefix("<!--").filter(|inner| is_ours(inner)) {
            let text = Excerpt::of(inner.trim_end(), at + 4);
            let span = Span::new(at, at + line.trim_end().len());
            self.comments.push(AnnotationComment { text, span, place: CommentPlace::Inline, closed: false });
        }
    }

    /// Notes the comments of some HTML and what is left of it, and returns those that speak to Firedrill.
    fn html(&mut self, html: &Excerpt, place: CommentPlace) -> Vec<AnnotationComment> {
        // What never ends swallows the rest of the file; the caret shows its first line.
        static COMMENT: TextPattern = TextPattern::new(r"(?s)<!--(?:(.*?)-->|([^\n]*))");
        let (mut out, mut rest) = (Vec::new(), 0);
        let mut other = |part: Span| {
            if !part.of(&html.text).trim().is_empty() {
                self.out.look.html.push(html.place(part));
            }
        };
        for found in COMMENT.captures_iter(&html.text) {
            let Some((whole, text)) = found.get(0).zip(found.get(1).or(found.get(2))) else { continue };
            let (span, closed) = (html.place(Span::new(whole.start(), whole.end())), found.get(1).is_some());
            if closed {
                self.out.look.comments.push(look::HtmlComment { span, text: text.as_str().trim().to_string() });
                other(Span::new(std::mem::replace(&mut rest, whole.end()), whole.start()));
            }
            if is_ours(text.as_str()) && self.footnotes == 0 {
                let text = html.part(Span::new(text.start(), text.end()));
                out.push(AnnotationComment { text, span, place, closed });
            }
        }
        other(Span::new(rest, html.text.len()));
        out
    }

    fn push(&mut self, block: MarkdownBlock) {
        self.out.size.0 += 1;
        if let MarkdownBlock::Code(code) = &block {
            self.out.size.1 += code.body.text.lines().count();
        }
        let blocks = match self.lists.last_mut() {
            Some(list) => &mut list.blocks,
            None => &mut self.out.blocks,
        };
        // A text right above a block often explains what the block holds.
        if let MarkdownBlock::Code(code) = &block
            && code.unread.is_none()
        {
            let inline = |above: &&MarkdownBlock| {
                matches!(above, MarkdownBlock::Code(MarkdownCode { unread: Some(Unread::Inline), row: None, .. }))
            };
            let count = blocks.iter().rev().take_while(inline).count();
            let (mut above, few) = (blocks.split_off(blocks.len() - count), count <= MOST_EXPLAINING);
            above.retain(|above| match above {
                MarkdownBlock::Code(said) => said.led && !(few && explains(&said.body.text, &code.body.text)),
                _ => true,
            });
            blocks.append(&mut above);
        }
        blocks.push(block);
    }
}

/// A YAML frontmatter without its marks, and where it ends with them; one stands at the beginning of a page. Lines between two rules
/// hold no code.
fn frontmatter(text: &str) -> Option<(Span, usize)> {
    let mut lines = text.split_inclusive('\n');
    let begin = lines.next().filter(|first| first.trim_end() == "---")?.len();
    let mut end = begin;
    for (index, line) in lines.enumerate() {
        match line.trim_end() {
            "---" | "..." => return Some((Span::new(begin, end), end + line.len())),
            "" if index == 0 => return None,
            bare if ["```", "~~~"].iter().any(|fence| bare.starts_with(fence)) => return None,
            _ => end += line.len(),
        }
    }
    None
}

/// Whether a comment speaks to Firedrill: it begins with that word, and not with another one such as `firedrill-lint`.
fn is_ours(comment: &str) -> bool {
    let comment = comment.trim_start();
    let word = comment.split(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_')).next().unwrap_or_default();
    let speaks = comment.get(word.len()..).is_some_and(|rest| rest.trim_start().starts_with(':'));
    word == "firedrill" || word.eq_ignore_ascii_case("firedrill") && speaks
}

impl MarkdownBlock {
    /// The text of a paragraph, and its place.
    pub fn paragraph(&self) -> Option<(&str, Span)> {
        if let MarkdownBlock::Paragraph { text, span } = self { Some((text, *span)) } else { None }
    }

    /// The level and the text of a heading.
    pub fn heading(&self) -> Option<(u8, &str)> {
        if let MarkdownBlock::Heading { level, text, .. } = self { Some((*level, text)) } else { None }
    }
}

impl MarkdownCode {
    /// A command that is no block to Markdown.
    pub fn unread(body: Excerpt, span: Span, unread: Unread, row: Option<CommandRow>) -> MarkdownCode {
        MarkdownCode { body, span, unread: Some(unread), row, ..MarkdownCode::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_inside_list_items_are_dedented_and_keep_their_places() {
        let source = "1. Do\r\n   ```bash\r\n   one\r\n     two\r\n   ```\r\n";
        let document = read(source);
        let fence = &document.look.fences[0];
        assert_eq!(fence.body.text, "one\n  two\n");
        assert_eq!(&source[fence.body.place(Span::new(4, 9)).start..][..5], "  two");
        assert!(fence.is_closed(source));
    }

    #[test]
    fn closing_fences_are_seen_through_quotes_and_lists() {
        for (source, closed) in [
            ("```sh\na\n```\n", true),
            ("> ```sh\n> a\n> ```\n", true),
            ("- ~~~sh\n  a\n  ~~~~\n", true),
            ("```sh\na\n", false),
            ("```sh", false),
            ("- ```sh\n  a\n\nafter\n", false),
            ("````sh\na\n```\n", false),
            ("    indented\n", true),
        ] {
            assert_eq!(read(source).look.fences[0].is_closed(source), closed, "{source:?}");
        }
    }

    #[test]
    fn tight_items_have_paragraphs_and_frontmatter_is_kept_apart() {
        let document = read("---\ntitle: T\n---\n\nSetext\n===\n\n1. one\n2. two `x`\n");
        assert_eq!(document.look.frontmatter, Some(Span::new(4, 13)));
        assert!(matches!(&document.blocks[0], MarkdownBlock::Heading { level: 1, text, .. } if text == "Setext"));
        let MarkdownBlock::List { start: Some(1), items } = &document.blocks[1] else { panic!("{document:?}") };
        assert!(matches!(&items[1].blocks[0], MarkdownBlock::Paragraph { text, .. } if text == "two x"));
    }

    #[test]
    fn a_rule_with_text_right_below_is_no_frontmatter() {
        for source in ["# T\n\n---\nRun it:\n\n```sh\na\n```\n\n---\n", "---\nRun it:\n\n```sh\na\n```\n---\n"] {
            let document = read(source);
            assert_eq!((document.look.fences.len(), document.look.frontmatter), (1, None), "{source}");
        }
        let document = read("\u{feff}---\r\ntitle: T\r\n---\r\n```sh\r\na\r\n```\r\n");
        assert_eq!(
            (document.look.frontmatter, document.look.fences[0].body.place(Span::new(0, 1)).start),
            (Some(Span::new(8, 18)), 30)
        );
    }

    #[test]
    fn what_is_indented_below_an_admonition_or_a_tab_is_read() {
        let source = "!!! warning \"On ö\"\n    Not in **staging**.\n\n    ```bash\n    one\n\n      two\n    ```\n\n=== \"Helm\"\n\n    ```bash\n    three\n    ```\n\nAfter.\n";
        let document = read(source);
        let fences: Vec<&str> = document.look.fences.iter().map(|fence| fence.body.text.as_str()).collect();
        assert_eq!(fences, ["one\n\n  two\n", "three\n"]);
        for (fence, text) in document.look.fences.iter().zip(["one", "three"]) {
            assert!(source[fence.body.place(Span::new(0, 3)).start..].starts_with(text) && fence.is_closed(source));
        }
        let MarkdownBlock::List { items, .. } = &document.blocks[0] else { panic!("{document:?}") };
        assert!(
            matches!(&items[0].blocks[0], MarkdownBlock::Paragraph { text, .. } if text == "warning \"On ö\" Not in staging.")
        );
        assert!(matches!(&document.blocks[1], MarkdownBlock::Paragraph { text, .. } if text == "After."));
    }

    #[test]
    fn what_is_struck_out_shows_that_and_holds_no_command() {
        let texts = |source: &str| -> Vec<String> {
            let of = |block: MarkdownBlock| match block {
                MarkdownBlock::Heading { text, .. } | MarkdownBlock::Paragraph { text, .. } => text,
                MarkdownBlock::Html { text, .. } => text,
                other => format!("{other:?}"),
            };
            read(source).blocks.into_iter().map(of).collect()
        };
        assert_eq!(texts("### ~~Step 2: Flush~~\n"), ["~~Step 2: Flush~~"]);
        for (begin, end) in [("~~", "~~"), ("<del>", "</del>"), ("<S>", "</S>")] {
            let text = format!("Now: {begin}run `kubectl delete pod x`{end}.\n");
            assert_eq!(texts(&text), ["Now: ~~run kubectl delete pod x~~."]);
        }
        let blocks = "<del>\n\n## Flush\n\nRun `kubectl delete pod x`.\n\n</del>\n\nWait.\n";
        assert_eq!(texts(blocks), ["~~", "~~Flush~~", "~~Run kubectl delete pod x.~~", "~~", "Wait."]);
        assert_eq!(texts("<del>\n\nOld.</del>\n\nWait.\n"), ["~~", "Old.~~", "Wait."]);
        assert_eq!(texts("Empty <s-bucket> first.\n"), ["Empty first."]);
    }

    #[test]
    fn fifty_thousand_nested_containers_do_no_harm() {
        assert!(read(&">".repeat(50_000)).blocks.is_empty());
        read(&"- ".repeat(10_000));
        read(&format!("{}- x", "- ".repeat(100)));
    }
}
