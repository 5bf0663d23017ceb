//! Annotations: `<!-- firedrill: id=kill-sessions in=db timeout=30s -->` right above a block or at the end of a heading,
//! and the attributes that Runme writes behind a fence's tag. They are taken out of the document here, with every
//! mistake in them; steps are then built as if they were not there.

use super::markdown::{AnnotationComment, CommentPlace, MarkdownBlock, MarkdownCode};
use super::settings::{self, Errors, Expect, Retry};
use super::{BlockSettings, RunbookPhase, runme};
use crate::source::{Diagnostics, Source, Span, TextPattern, did_you_mean, is_among, shorten};
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes of a value: those of a heading are those of every block below it.
const LONGEST_VALUE: usize = 1000;
/// How many patterns a runbook may have, and how many large ones.
const MOST_PATTERNS: (usize, usize) = (250, 32);
/// How many mistakes of annotations are reported for one runbook.
const MOST_MISTAKES: usize = 1000;

/// What is noted at a block or a heading.
#[derive(Debug, Clone, Default)]
pub(super) struct Note {
    /// The name that its step is to have.
    pub name: Option<Name>,
    /// The phase of the heading.
    pub phase: Option<RunbookPhase>,
    /// The rest.
    pub settings: BlockSettings,
    /// The annotation; none for Runme's attributes.
    pub span: Option<Span>,
}

/// A name that the author gave to a step.
#[derive(Debug, Clone)]
pub(super) struct Name {
    /// As it was written.
    pub text: String,
    /// Where.
    pub span: Span,
    /// Whether it was given as an id; Runme's names are wishes, of which two may be the same.
    pub exact: bool,
}

/// Everything that is noted in a document, by the first byte of the block or heading.
#[derive(Debug, Default)]
pub(super) struct Annotations {
    blocks: HashMap<usize, Note>,
    headings: HashMap<usize, Note>,
}

impl Annotations {
    /// What is noted at a block.
    pub fn of_block(&self, code: &MarkdownCode) -> Option<&Note> {
        self.blocks.get(&code.span.start)
    }

    /// What is noted at a heading.
    pub fn of_heading(&self, heading: Span) -> Option<&Note> {
        self.headings.get(&heading.start)
    }
}

/// Takes the annotations out of a document.
pub(super) fn take(blocks: &mut Vec<MarkdownBlock>, source: &Arc<Source>, diags: &mut Diagnostics) -> Annotations {
    let (known, notes) = (diags.all.len(), Annotations::default());
    let mut taker = AnnotationReader { source, diags, notes, patterns: MOST_PATTERNS, known };
    taker.walk(blocks);
    taker.notes
}

struct AnnotationReader<'a> {
    source: &'a Arc<Source>,
    diags: &'a mut Diagnostics,
    notes: Annotations,
    /// How many patterns may still be read, and how many large ones.
    patterns: (usize, usize),
    /// How many mistakes were known before.
    known: usize,
}

impl AnnotationReader<'_> {
    fn walk(&mut self, blocks: &mut Vec<MarkdownBlock>) {
        let mut kept: Vec<MarkdownBlock> = Vec::with_capacity(blocks.len());
        // Annotations that wait for the block below them.
        let mut waiting: Vec<AnnotationComment> = Vec::new();
        for mut block in std::mem::take(blocks) {
            match &mut block {
                MarkdownBlock::Comment(comment) => {
                    match (comment.place, kept.last()) {
                        (CommentPlace::Heading, Some(MarkdownBlock::Heading { span, .. })) => {
                            self.heading(comment, *span)
                        }
                        (CommentPlace::Block, _) => waiting.push(std::mem::take(comment)),
                        _ => self.astray(comment, "it stands in running text"),
                    }
                    continue;
                }
                // What stands above a table would be said of its first command alone.
                MarkdownBlock::Code(code) if code.row.is_some() => self.all_astray(&mut waiting),
                MarkdownBlock::Code(code) => {
                    let below_list = matches!(kept.last(), Some(MarkdownBlock::List { .. }));
                    self.block(code, &std::mem::take(&mut waiting), below_list);
                }
                MarkdownBlock::List { items, .. } => {
                    self.all_astray(&mut waiting);
                    items.iter_mut().for_each(|item| self.walk(&mut item.blocks));
                }
                MarkdownBlock::Heading { .. } | MarkdownBlock::Paragraph { .. } => self.all_astray(&mut waiting),
                MarkdownBlock::Html { .. } => {}
            }
            kept.push(block);
        }
        self.all_astray(&mut waiting);
        *blocks = kept;
    }

    fn all_astray(&mut self, comments: &mut Vec<AnnotationComment>) {
        comments.drain(..).for_each(|comment| self.astray(&comment, "no code block stands right below it"));
    }

    /// An annotation that belongs to nothing; what is malformed as well is told as that alone.
    fn astray(&mut self, comment: &AnnotationComment, why: &str) {
        if let Some(begun) = self.begin(comment) {
            let error = self.diags.error(self.source, comment.span, "this annotation belongs to nothing").label(why);
            error.help(
                "put it on the line above the code block that it is about, indented like it, or at the end of a heading",
            );
            // Its own mistakes come out at once with its place.
            self.read(comment, begun, true, &mut Note::default());
        }
    }

    fn heading(&mut self, comment: &AnnotationComment, heading: Span) {
        let Some(begun) = self.begin(comment) else { return };
        let mut note = self.notes.headings.remove(&heading.start).unwrap_or_default();
        note.span = note.span.or(Some(comment.span));
        self.read(comment, begun, true, &mut note);
        self.notes.headings.insert(heading.start, note);
    }

    fn block(&mut self, code: &MarkdownCode, comments: &[AnnotationComment], below_list: bool) {
        let mut note = Note::default();
        for comment in comments {
            if below_list && self.splits(comment, code) {
                let line = self.source.line(code.span.start);
                let error = self.diags.error(self.source, comment.span, "this annotation ends the list above it");
                error.label(format!("the block in line {line} is no part of the list any more"));
                error.help("indent the annotation like the block below it");
                continue;
            }
            let Some(begun) = self.begin(comment) else { continue };
            note.span = note.span.or(Some(comment.span));
            self.read(comment, begun, false, &mut note);
        }
        if code.fenced {
            let (name, background) = runme::attributes(&code.info);
            let span = Span::new(code.span.start, code.span.start);
            note.name = note.name.or(name.map(|text| Name { text, span, exact: false }));
            note.settings.background = note.settings.background.or(background);
        }
        if note.span.is_some() || note.name.is_some() || !note.settings.is_empty() {
            self.notes.blocks.insert(code.span.start, note);
        }
    }

    /// Whether a block that is indented like the content of a list item is none, because the annotation above it ended
    /// the list.
    fn splits(&self, comment: &AnnotationComment, code: &MarkdownCode) -> bool {
        let indent = |at: usize| {
            let before = self.source.text.get(..at).unwrap_or_default();
            let line = before.rsplit('\n').next().unwrap_or_default();
            line.chars().take_while(|c| matches!(c, ' ' | '\t')).count()
        };
        let first = code.body.text.trim_start();
        let fence = code.fenced || first.starts_with("```") || first.starts_with("~~~");
        fence && indent(code.span.start) > indent(comment.span.start)
    }

    /// Where the keys begin, in bytes of the comment's text; `None` when it is malformed as a whole.
    fn begin(&mut self, comment: &AnnotationComment) -> Option<usize> {
        if !comment.closed {
            let error = self.diags.error(self.source, comment.span, "this annotation never ends");
            error.label("its `-->` is missing");
            error.help("close it on the same line; otherwise everything below it is a comment");
            return None;
        }
        let text = comment.text.text.as_str();
        let behind = text.trim_start().get("firedrill".len()..).unwrap_or_default().trim_start().strip_prefix(':');
        if behind.is_none() {
            let error = self.diags.error(self.source, comment.span, "this annotation has no `:` after `firedrill`");
            error.help("write it like `<!-- firedrill: id=restart timeout=30s -->`");
        }
        behind.map(|behind| text.len() - behind.len())
    }

    /// Reads the keys behind `firedrill:` into a note.
    fn read(&mut self, comment: &AnnotationComment, begin: usize, of_heading: bool, note: &mut Note) {
        let known = words!("keys of annotations").split_whitespace().filter(|key| of_heading || *key != "phase");
        let is_known = |key: &str| known.clone().any(|known| known == key);
        let (entries, broken) = entries(&comment.text.text, begin);
        let place = |span: Span| comment.text.place(span);
        if entries.is_empty() && broken.is_none() {
            let error = self.diags.error(self.source, comment.span, "this annotation says nothing");
            error.help(did_you_mean("", known.clone()));
        }
        let mut seen: Vec<&str> = Vec::new();
        for entry in &entries {
            let key = entry.key.as_str();
            if self.diags.all.len() > self.known + MOST_MISTAKES {
                let message =
                    format!("there are more than {MOST_MISTAKES} mistakes in annotations: none from here on is told");
                if self.diags.all.last().is_none_or(|last| last.message != message) {
                    self.diags.error(self.source, comment.span, message).help("mend those that are told first");
                }
                return;
            }
            if !is_known(key) {
                let message = format!("an annotation has no key `{}`", shorten(key));
                let help = match is_among(words!("keys of annotations"), key) {
                    true => format!("`{key}` can be said at the end of a heading only"),
                    false => did_you_mean(key, known.clone()),
                };
                self.diags.error(self.source, place(entry.key_span), message).label("unknown").help(help);
            } else if seen.contains(&key) {
                let message = format!("`{key}` is given twice");
                self.diags.error(self.source, place(entry.key_span), message).help("keep one of the two");
            } else if let Err(why) = note.set(entry, place(entry.span), &mut self.patterns) {
                self.diags.error(self.source, place(entry.span), format!("`{key}`: {why}"));
            }
            seen.extend(is_known(key).then_some(key));
        }
        if let Some((span, message)) = broken {
            self.diags.error(self.source, place(span), message);
        }
    }
}

/// `key=value`, or a key alone.
#[derive(Debug)]
struct AnnotationKey {
    key: String,
    key_span: Span,
    value: Option<String>,
    /// Its value, or the key where there is none.
    span: Span,
}

/// `key`, `key=word`, `key="several words"`, `expect=/a pattern/`.
static ENTRY: TextPattern = TextPattern::new(
    r#"(?xs) ^ (?: (expect)=(/ (?: [^/\\] | \\. )* /) | ([^\s=]*) (?: = (?: "((?: [^"\\] | \\. )*)" | ([^\s"]\S*)? ) )? )"#,
);

/// Cuts the text from `at` on into entries; at what cannot be cut it ends, and says why.
fn entries(text: &str, mut at: usize) -> (Vec<AnnotationKey>, Option<(Span, String)>) {
    let mut out = Vec::new();
    loop {
        let rest = text.get(at..).unwrap_or_default();
        at += rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        let Some(found) = ENTRY.captures(rest).filter(|_| !rest.is_empty()) else { return (out, None) };
        let (whole, group) = (found.get(0).map_or("", |whole| whole.as_str()), |n| found.get(n).map(|g| g.as_str()));
        let key = group(1).or(group(3)).unwrap_or_default().to_string();
        let key_span = Span::new(at, at + key.len());
        if key.is_empty() {
            return (out, Some((Span::new(at, at + 1), "a key is missing before this `=`".to_string())));
        }
        let from = key_span.end + 1;
        let behind = rest.get(whole.len()..).unwrap_or_default();
        // A pattern keeps its escapes; `\/` is undone where it is read.
        let quoted = group(4).map(|text| UNQUOTED.replace_all(text, "$1").into_owned());
        let word = group(5).unwrap_or_default();
        let wrong = match (group(2).is_some() || quoted.is_some(), behind.chars().next()) {
            (true, Some(c)) if !c.is_whitespace() => Some("something stands right behind its end; put a space between"),
            (false, _) if key == "expect" && word.starts_with('/') => Some("the closing `/` is missing"),
            (false, Some('"')) => Some("the closing `\"` is missing"),
            _ => None,
        };
        if let Some(why) = wrong {
            let end = at + rest.trim_end().len();
            return (out, Some((Span::new(from, end), format!("`{key}`: {why}"))));
        }
        at += whole.len();
        let has_value = whole.len() > key.len();
        let value = group(2).map(str::to_string).or(quoted).unwrap_or_else(|| word.to_string());
        let span = if at > from { Span::new(from, at) } else { key_span };
        out.push(AnnotationKey { key, key_span, value: has_value.then_some(value), span });
    }
}

/// Escapes in quotes: of a quote and of a backslash.
static UNQUOTED: TextPattern = TextPattern::new(r#"\\(["\\])"#);

impl Note {
    /// Takes one entry over; `span` is where its value stands.
    /// `patterns` is how many patterns may still be read, and how many large ones.
    fn set(&mut self, entry: &AnnotationKey, span: Span, patterns: &mut (usize, usize)) -> Result<(), String> {
        let settings = &mut self.settings;
        let text = match (&entry.value, entry.key.as_str()) {
            (Some(text), _) => text.as_str(),
            (None, "background" | "choose") => "true",
            (None, "skip") => return Err("say why it is skipped: `skip=\"needs the console\"`".to_string()),
            (None, key) => return Err(format!("it has no value: write `{key}=…`")),
        };
        if text.len() > LONGEST_VALUE {
            return Err(format!("its value is longer than {LONGEST_VALUE} bytes"));
        }
        match entry.key.as_str() {
            "id" => self.name = Some(Name { text: parse_id(text)?, span, exact: true }),
            "phase" => self.phase = Some(parse_phase(text)?),
            "in" => settings.place = Some(settings::parse_place(text)?),
            "timeout" => settings.timeout = Some(settings::parse_timeout(text)?),
            "retry" => settings.retry = Some(Retry::parse(text)?),
            "expect" => settings.expect = Some(Expect::parse_within(text, patterns)?),
            "expect-exit" => settings.expect_exit = Some(settings::parse_exit(text)?),
            "errors" => settings.errors = Some(Errors::parse(text)?),
            "background" => settings.background = Some(parse_bool(text)?),
            "capture" => settings.capture = Some(settings::parse_capture(text)?),
            "skip" => settings.skip = Some(settings::parse_reason(text)?),
            "choose" => settings.choose = Some(parse_bool(text)?),
            _ => {}
        }
        Ok(())
    }
}

fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("expected `true` or `false`, found `{}`", shorten(text))),
    }
}

fn parse_phase(text: &str) -> Result<RunbookPhase, String> {
    RunbookPhase::from_name(text).ok_or_else(|| {
        let help = did_you_mean(text, RunbookPhase::ALL.map(RunbookPhase::name));
        format!("`{}` is not a phase of a runbook: {help}", shorten(text))
    })
}

fn parse_id(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.is_empty() || text.chars().count() > 64 || !text.chars().all(fits) {
        let shown = shorten(text);
        return Err(format!("`{shown}` cannot be an id: letters, digits, `-`, `_` and `.`, at most 64 of them"));
    }
    Ok(text.to_string())
}

#[cfg(test)]
#[path = "annotation_tests.rs"]
mod tests;
