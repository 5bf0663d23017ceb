//! A YAML document as a tree in which every key and value carries its span, so that a reader can report all
//! mistakes of a file at once instead of stopping at the first, as serde does. Built from the events of the parser
//! beneath `serde_yaml`, since its `Spanned<T>` keeps neither the spelling of a plain scalar nor what comes after a mistake.

use super::{Diagnostics, Source, Span, syntax};
use serde_yaml::granit_parser::{self, Event, Options, Parser, ScalarStyle, StructureStyle, Tag, options};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Largest document that is read, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;
/// Deepest nesting of lists and maps, aliases followed.
const MAX_DEPTH: usize = 64;
/// Most nodes of a document, aliases and merge keys followed.
const MAX_NODES: usize = 100_000;
/// Most bytes of text that aliases and merge keys may copy.
const MAX_COPIED: usize = 4 * MAX_BYTES;
/// After so many mistakes in one document the rest would help nobody.
const MAX_MISTAKES: usize = 50;

/// A YAML value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it stands: an alias where it is used, what it holds where that was written. A value that was left out
    /// has the span of its key.
    pub span: Span,
}

/// The kinds of YAML values that the files of this project use.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// Any scalar, as it was written (quotes removed, escapes resolved).
    Scalar {
        /// The text.
        text: String,
        /// Whether it was written plain; a quoted scalar is always a string.
        plain: bool,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in order; merge keys (`<<`) are resolved.
    Map(Vec<Entry>),
}

/// One `key: value` of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

/// Parses one document of YAML 1.2 (with the merge key of 1.1); mistakes of syntax go to `diags`, and `None` means that
/// there is nothing to go on with. Size, depth and what aliases may expand to are bounded, so no file is slow to reject.
pub fn parse(source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Node> {
    if source.text.len() > MAX_BYTES {
        let message = format!("the file is larger than {} KiB", MAX_BYTES / 1024);
        let help = "a file that people write is smaller: is this the right one?";
        diags.error(source, Span::default(), message).help(help);
        return None;
    }
    let (stack, anchors, budget, tag_span) = Default::default();
    let mut builder = TreeBuilder { source, diags, stack, anchors, budget, tag_span };
    let mut mistakes = 0;
    let mut root = None;
    let mut documents = 0;
    for event in Parser::new_from_str_with_options(&source.text, parser_options()) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                syntax::report(source, &error, MAX_DEPTH, builder.diags);
                return None;
            }
        };
        builder.tag_span = span.tag_span().map_or_else(|| bytes(&span), |span| bytes(&span));
        let span = bytes(&span);
        if let Event::DocumentStart(..) = event {
            documents += 1;
            if documents > 1 {
                builder.diags.error(source, span, "a second document starts here").help("a file holds one document");
                return None;
            }
            continue;
        }
        match builder.event(event, span) {
            Progress::Open => {}
            Progress::Root(node) => root = Some(node),
            Progress::Mistake => {
                mistakes += 1;
                if mistakes >= MAX_MISTAKES {
                    return None;
                }
            }
            Progress::GiveUp => return None,
        }
    }
    if root.is_none() {
        diags.error(source, Span::default(), "the file is empty");
    }
    root
}

fn bytes(span: &granit_parser::Span) -> Span {
    span.byte_range().map_or(Span::default(), |range| Span::new(range.start, range.end))
}

fn parser_options() -> Options {
    let mut options = options! { flow_nesting_limit: 2 * MAX_DEPTH, block_nesting_limit: 2 * MAX_DEPTH };
    options.set_emit_comments(false);
    options
}

/// What became of an event.
enum Progress {
    /// The document goes on.
    Open,
    /// The document's value is complete.
    Root(Node),
    /// A mistake was noted, and the rest can be read.
    Mistake,
    /// A mistake was noted after which nothing more can be told.
    GiveUp,
}

/// A list or map that is still open.
enum OpenNode {
    List { items: Vec<Node>, span: Span, flow: bool, anchor: usize },
    Map { map: MapFrame, span: Span, flow: bool, anchor: usize },
}

#[derive(Default)]
struct MapFrame {
    entries: Vec<Entry>,
    seen: HashSet<String>,
    key: Option<(String, Span, bool)>,
    merged: Vec<(Node, Span)>,
}

/// What aliases cost, so that a short file cannot become a large tree.
#[derive(Default)]
struct Budget {
    nodes: usize,
    copied: usize,
}

/// A complete anchored value with what a copy of it costs.
struct Anchored {
    node: Node,
    nodes: usize,
    bytes: usize,
    depth: usize,
}

struct TreeBuilder<'a> {
    source: &'a Arc<Source>,
    diags: &'a mut Diagnostics,
    stack: Vec<OpenNode>,
    anchors: HashMap<usize, Anchored>,
    budget: Budget,
    tag_span: Span,
}

impl TreeBuilder<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Progress {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let node = match self.scalar(&text, style, tag.as_deref(), span) {
                    Ok(node) => node,
                    Err(step) => return step,
                };
                self.complete(node, anchor)
            }
            Event::SequenceStart(style, anchor, tag) => {
                let flow = style == StructureStyle::Flow;
                self.open(OpenNode::List { items: Vec::new(), span, flow, anchor }, tag.as_deref(), "seq", span)
            }
            Event::MappingStart(style, anchor, tag) => {
                let flow = style == StructureStyle::Flow;
                self.open(OpenNode::Map { map: MapFrame::default(), span, flow, anchor }, tag.as_deref(), "map", span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(id) => self.alias(id, span),
            _ => Progress::Open,
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Result<Node, Progress> {
        if !self.spend(1, 0, span) {
            return Err(Progress::GiveUp);
        }
        let mut plain = style == ScalarStyle::Plain;
        match tag.map(|tag| (tag.core_suffix(), tag)) {
            None | Some((Some("null" | "bool" | "int" | "float"), _)) => {}
            Some((Some("str"), _)) => plain = false,
            // `! text` says no more than "a string".
            Some((None, tag)) if tag.suffix().is_empty() || tag.suffix() == "!" => plain = false,
            Some((_, tag)) => return Err(self.foreign_tag(tag)),
        }
        let span = self.trimmed(span);
        if plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
            let span = match self.stack.last() {
                Some(OpenNode::Map { map, .. }) if span.start >= span.end => map.key.as_ref().map_or(span, |key| key.1),
                _ => span,
            };
            return Ok(Node { value: Value::Null, span });
        }
        Ok(Node { value: Value::Scalar { text: text.to_string(), plain }, span })
    }

    fn foreign_tag(&mut self, tag: &Tag) -> Progress {
        self.diags
            .error(self.source, self.tag_span, format!("the tag `{}` is not understood here", tag.original()))
            .help("leave it out: values are plain text, numbers, lists and maps");
        Progress::GiveUp
    }

    fn open(&mut self, frame: OpenNode, tag: Option<&Tag>, own: &str, span: Span) -> Progress {
        if let Some(tag) = tag.filter(|tag| tag.core_suffix() != Some(own)) {
            return self.foreign_tag(tag);
        }
        if self.stack.len() >= MAX_DEPTH {
            return self.too_deep(span);
        }
        if !self.spend(1, 0, span) {
            return Progress::GiveUp;
        }
        if let Some(OpenNode::Map { map, .. }) = self.stack.last()
            && map.key.is_none()
        {
            self.diags.error(self.source, span, "a list or map cannot be a key");
            return Progress::GiveUp;
        }
        self.stack.push(frame);
        Progress::Open
    }

    fn too_deep(&mut self, span: Span) -> Progress {
        self.diags.error(self.source, span, format!("nested more than {MAX_DEPTH} deep"));
        Progress::GiveUp
    }

    /// Counts nodes and copied bytes; `false` (with a diagnostic) when the document becomes too large.
    fn spend(&mut self, nodes: usize, copied: usize, span: Span) -> bool {
        self.budget.nodes = self.budget.nodes.saturating_add(nodes);
        self.budget.copied = self.budget.copied.saturating_add(copied);
        if self.budget.nodes <= MAX_NODES && self.budget.copied <= MAX_COPIED {
            return true;
        }
        let what = if nodes == 1 && copied == 0 { "the file holds" } else { "aliases expand to" };
        self.diags
            .error(self.source, span, format!("{what} too much: more than {MAX_NODES} values or {MAX_COPIED} bytes"))
            .help("write out what is meant instead of repeating aliases");
        false
    }

    fn close(&mut self, end: Span) -> Progress {
        let close = |span: Span, flow: bool, last: Option<usize>| {
            // A block ends with its last child: the parser only notices at the next token, lines later.
            let end = if flow { end.end } else { last.unwrap_or(span.end) };
            Span::new(span.start, end.max(span.start))
        };
        let mut mistake = false;
        let (node, anchor) = match self.stack.pop() {
            Some(OpenNode::List { items, span, flow, anchor }) => {
                let span = close(span, flow, items.last().map(|item| item.span.end));
                (Node { value: Value::List(items), span }, anchor)
            }
            Some(OpenNode::Map { mut map, span, flow, anchor }) => {
                let written = map.entries.iter().map(|entry| entry.value.span.end.max(entry.key_span.end));
                let merged = map.merged.iter().map(|(node, key)| node.span.end.max(key.end));
                let span = close(span, flow, written.chain(merged).max());
                for (node, key) in std::mem::take(&mut map.merged) {
                    match self.merge(&mut map, node, key) {
                        Progress::GiveUp => return Progress::GiveUp,
                        Progress::Mistake => mistake = true,
                        _ => {}
                    }
                }
                (Node { value: Value::Map(map.entries), span }, anchor)
            }
            None => return Progress::Open,
        };
        match self.complete(node, anchor) {
            Progress::Open if mistake => Progress::Mistake,
            step => step,
        }
    }

    /// Adds the entries that a merge key brings; what is written out wins, then what is merged first.
    fn merge(&mut self, map: &mut MapFrame, node: Node, key: Span) -> Progress {
        let maps = match node.value {
            Value::Map(_) => vec![node],
            Value::List(items) => items,
            _ => return self.bad_merge(key),
        };
        for node in maps {
            let Value::Map(entries) = node.value else { return self.bad_merge(key) };
            for entry in entries {
                if map.seen.insert(entry.key.clone()) {
                    map.entries.push(entry);
                }
            }
        }
        Progress::Open
    }

    fn bad_merge(&mut self, key: Span) -> Progress {
        self.diags.error(self.source, key, "`<<` takes a map, or a list of maps").help("like `<<: *defaults`");
        Progress::Mistake
    }

    fn alias(&mut self, id: usize, span: Span) -> Progress {
        let Some(anchored) = self.anchors.get(&id) else {
            self.diags.error(self.source, span, "this alias stands inside the value that it names");
            return Progress::GiveUp;
        };
        let (nodes, bytes, depth) = (anchored.nodes, anchored.bytes, anchored.depth);
        if self.stack.len() + depth > MAX_DEPTH {
            return self.too_deep(span);
        }
        if !self.spend(nodes, bytes, span) {
            return Progress::GiveUp;
        }
        let Some(anchored) = self.anchors.get(&id) else { return Progress::GiveUp };
        let node = Node { value: anchored.node.value.clone(), span };
        self.complete(node, 0)
    }

    /// Puts a complete value where it belongs.
    fn complete(&mut self, node: Node, anchor: usize) -> Progress {
        if anchor != 0 {
            let (nodes, bytes, depth) = cost(&node);
            // The anchor itself is a copy, too.
            if !self.spend(nodes, bytes, node.span) {
                return Progress::GiveUp;
            }
            self.anchors.insert(anchor, Anchored { node: node.clone(), nodes, bytes, depth });
        }
        match self.stack.last_mut() {
            None => Progress::Root(node),
            Some(OpenNode::List { items, .. }) => {
                items.push(node);
                Progress::Open
            }
            Some(OpenNode::Map { map, .. }) => match map.key.take() {
                None => match node.value {
                    Value::Scalar { text, plain } => {
                        map.key = Some((text, node.span, plain));
                        Progress::Open
                    }
                    _ => {
                        self.diags.error(self.source, node.span, "a key must be text");
                        Progress::GiveUp
                    }
                },
                Some((key, key_span, true)) if key == "<<" => {
                    map.merged.push((node, key_span));
                    Progress::Open
                }
                Some((key, key_span, _)) => {
                    if map.seen.insert(key.clone()) {
                        map.entries.push(Entry { key, key_span, value: node });
                        return Progress::Open;
                    }
                    let first = map.entries.iter().find(|entry| entry.key == key).map(|entry| entry.key_span.start);
                    let line = self.source.pos(first.unwrap_or_default()).line;
                    let key = super::shorten(&key);
                    self.diags
                        .error(self.source, key_span, format!("`{key}` is given twice"))
                        .label("again here")
                        .help(format!("it was given first on line {line}: keep one of the two"));
                    Progress::Mistake
                }
            },
        }
    }

    /// The span without the white space that the parser counts to a block scalar or an empty value.
    fn trimmed(&self, span: Span) -> Span {
        let text = self.source.text.get(span.start..span.end).unwrap_or_default();
        Span::new(span.start, span.start + text.trim_end().len())
    }
}

/// Nodes, bytes of text and depth of a value.
fn cost(node: &Node) -> (usize, usize, usize) {
    let children: Vec<(usize, &Node)> = match &node.value {
        Value::Null => return (1, 0, 0),
        Value::Scalar { text, .. } => return (1, text.len(), 0),
        Value::List(items) => items.iter().map(|item| (0, item)).collect(),
        Value::Map(entries) => entries.iter().map(|entry| (entry.key.len(), &entry.value)).collect(),
    };
    children.into_iter().fold((1, 0, 1), |(nodes, bytes, depth), (key, child)| {
        let (n, b, d) = cost(child);
        (nodes.saturating_add(n), bytes.saturating_add(b).saturating_add(key), depth.max(d + 1))
    })
}
