//! A YAML document as a tree in which every key and value carries its span, so that a reader can report all
//! mistakes of a file at once instead of stopping at the first, as serde does. Built from the events of the parser
//! beneath `serde_yaml`, since its `Spanned<T>` keeps neither the spelling of a plain scalar nor what comes after a mistake.

use super::{Diagnostics, Source, Span};
use serde_yaml::granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, StructureStyle, Tag, options};
use std::collections::HashMap;
use std::sync::Arc;

/// Largest document that is read, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;
/// Deepest nesting of lists and maps, aliases followed.
const MAX_DEPTH: usize = 64;
/// Most nodes of a document, aliases and merge keys followed.
const MAX_NODES: usize = 100_000;
/// Most bytes of text that aliases and merge keys may copy.
const MAX_COPIED: usize = 4 * MAX_BYTES;

/// A YAML value and where it stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it stands: an alias where it is used, what it holds where that was written. A value that was left out
    /// has the span of its key.
    pub span: Span,
}

/// The kinds of YAML values that the files of this project use.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    #[default]
    Null,
    /// Any scalar, as it was written (quotes removed, escapes resolved), and whether it was written plain; a quoted scalar is
    /// always a string.
    Scalar { text: String, plain: bool },
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
    let (stack, anchors, nodes, copied, tag_span, root) = Default::default();
    let mut builder = TreeBuilder { source, diags, stack, anchors, nodes, copied, tag_span, root };
    let mut documents = 0;
    let mut options = options! { flow_nesting_limit: 2 * MAX_DEPTH, block_nesting_limit: 2 * MAX_DEPTH };
    options.set_emit_comments(false);
    for event in Parser::new_from_str_with_options(&source.text, options) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                report_syntax(source, &error, MAX_DEPTH, builder.diags);
                return None;
            }
        };
        builder.tag_span = bytes(&span.tag_span().unwrap_or(span));
        let span = bytes(&span);
        if let Event::DocumentStart(..) = event {
            documents += 1;
            if documents > 1 {
                builder.diags.error(source, span, "a second document starts here").help("a file holds one document");
                return None;
            }
            continue;
        }
        builder.event(event, span)?;
    }
    if builder.root.is_none() {
        builder.diags.error(source, Span::default(), "the file is empty");
    }
    builder.root
}

fn bytes(span: &serde_yaml::granit_parser::Span) -> Span {
    span.byte_range().map_or(Span::default(), |range| Span::new(range.start, range.end))
}

/// A list or map that is still open.
#[derive(Default)]
struct OpenNode {
    value: Value,
    span: Span,
    flow: bool,
    anchor: usize,
    /// Of a map: the keys that it has, each with its first place, the one whose value comes next, with whether it is written plain, and
    /// what is merged.
    seen: HashMap<String, usize>,
    key: Option<(String, Span, bool)>,
    merged: Vec<(Node, Span)>,
}

/// What a copy of a value costs: nodes, bytes of text and depth.
type Cost = (usize, usize, usize);

/// Its methods are `None` where a mistake was noted after which nothing more can be told.
struct TreeBuilder<'a> {
    source: &'a Arc<Source>,
    diags: &'a mut Diagnostics,
    stack: Vec<OpenNode>,
    /// Complete anchored values.
    anchors: HashMap<usize, (Node, Cost)>,
    /// What there is by now, with what aliases copy, so that a short file cannot become a large tree.
    nodes: usize,
    copied: usize,
    tag_span: Span,
    root: Option<Node>,
}

impl TreeBuilder<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Option<()> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let node = self.scalar(&text, style, tag.as_deref(), span)?;
                self.complete(node, anchor)
            }
            Event::SequenceStart(style, anchor, tag) => {
                let (value, flow) = (Value::List(Vec::new()), style == StructureStyle::Flow);
                self.open(OpenNode { value, span, flow, anchor, ..OpenNode::default() }, tag.as_deref(), "seq")
            }
            Event::MappingStart(style, anchor, tag) => {
                let (value, flow) = (Value::Map(Vec::new()), style == StructureStyle::Flow);
                self.open(OpenNode { value, span, flow, anchor, ..OpenNode::default() }, tag.as_deref(), "map")
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(id) => self.alias(id, span),
            _ => Some(()),
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Option<Node> {
        self.spend(1, 0, span)?;
        let mut plain = style == ScalarStyle::Plain;
        match tag.map(|tag| (tag.core_suffix(), tag)) {
            None | Some((Some("null" | "bool" | "int" | "float"), _)) => {}
            Some((Some("str"), _)) => plain = false,
            // `! text` says no more than "a string".
            Some((None, tag)) if tag.suffix().is_empty() || tag.suffix() == "!" => plain = false,
            Some((_, tag)) => return self.foreign_tag(tag),
        }
        // Without the white space that the parser counts to a block scalar or an empty value.
        let written = self.source.text.get(span.start..span.end).unwrap_or_default();
        let span = Span::new(span.start, span.start + written.trim_end().len());
        if plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
            let key = self.stack.last().and_then(|open| open.key.as_ref()).filter(|_| span.start >= span.end);
            return Some(Node { value: Value::Null, span: key.map_or(span, |key| key.1) });
        }
        Some(Node { value: Value::Scalar { text: text.to_string(), plain }, span })
    }

    fn foreign_tag<T>(&mut self, tag: &Tag) -> Option<T> {
        self.diags
            .error(self.source, self.tag_span, format!("the tag `{}` is not understood here", tag.original()))
            .help("leave it out: values are plain text, numbers, lists and maps");
        None
    }

    fn open(&mut self, open: OpenNode, tag: Option<&Tag>, own: &str) -> Option<()> {
        if let Some(tag) = tag.filter(|tag| tag.core_suffix() != Some(own)) {
            return self.foreign_tag(tag);
        }
        self.check_depth(self.stack.len() + 1, open.span)?;
        self.spend(1, 0, open.span)?;
        if let Some(OpenNode { value: Value::Map(_), key: None, .. }) = self.stack.last() {
            self.diags.error(self.source, open.span, "a list or map cannot be a key");
            return None;
        }
        self.stack.push(open);
        Some(())
    }

    fn check_depth(&mut self, depth: usize, span: Span) -> Option<()> {
        if depth > MAX_DEPTH {
            self.diags.error(self.source, span, format!("nested more than {MAX_DEPTH} deep"));
        }
        (depth <= MAX_DEPTH).then_some(())
    }

    /// Counts nodes and copied bytes, and notes where the document becomes too large.
    fn spend(&mut self, nodes: usize, copied: usize, span: Span) -> Option<()> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.copied = self.copied.saturating_add(copied);
        if self.nodes <= MAX_NODES && self.copied <= MAX_COPIED {
            return Some(());
        }
        let what = if nodes == 1 && copied == 0 { "the file holds" } else { "aliases expand to" };
        self.diags
            .error(self.source, span, format!("{what} too much: more than {MAX_NODES} values or {MAX_COPIED} bytes"))
            .help("write out what is meant instead of repeating aliases");
        None
    }

    fn close(&mut self, end: Span) -> Option<()> {
        let Some(mut open) = self.stack.pop() else { return Some(()) };
        let last = match &open.value {
            Value::Map(entries) => {
                let written = entries.iter().map(|entry| entry.value.span.end.max(entry.key_span.end));
                written.chain(open.merged.iter().map(|(node, key)| node.span.end.max(key.end))).max()
            }
            Value::List(items) => items.last().map(|item| item.span.end),
            Value::Null | Value::Scalar { .. } => None,
        };
        for (node, key) in std::mem::take(&mut open.merged) {
            self.merge(&mut open, node, key);
        }
        // A block ends with its last child: the parser only notices at the next token, lines later.
        let OpenNode { value, span, flow, anchor, .. } = open;
        let end = if flow { end.end } else { last.unwrap_or(span.end) };
        self.complete(Node { value, span: Span::new(span.start, end.max(span.start)) }, anchor)
    }

    /// Adds the entries that a merge key brings; what is written out wins, then what is merged first.
    fn merge(&mut self, open: &mut OpenNode, node: Node, key: Span) {
        let Value::Map(own) = &mut open.value else { return };
        let maps = if let Value::List(items) = node.value { items } else { vec![node] };
        for node in maps {
            let Value::Map(entries) = node.value else {
                self.diags.error(self.source, key, "`<<` takes a map, or a list of maps").help("like `<<: *defaults`");
                return;
            };
            own.extend(entries.into_iter().filter(|entry| open.seen.insert(entry.key.clone(), 0).is_none()));
        }
    }

    fn alias(&mut self, id: usize, span: Span) -> Option<()> {
        let Some((nodes, bytes, depth)) = self.anchors.get(&id).map(|(_, cost)| *cost) else {
            self.diags.error(self.source, span, "this alias stands inside the value that it names");
            return None;
        };
        self.check_depth(self.stack.len() + depth, span)?;
        self.spend(nodes, bytes, span)?;
        let value = self.anchors.get(&id)?.0.value.clone();
        self.complete(Node { value, span }, 0)
    }

    /// Puts a complete value where it belongs.
    fn complete(&mut self, node: Node, anchor: usize) -> Option<()> {
        if anchor != 0 {
            // The anchor itself is a copy, too.
            let cost = cost(&node);
            self.spend(cost.0, cost.1, node.span)?;
            self.anchors.insert(anchor, (node.clone(), cost));
        }
        let Some(open) = self.stack.last_mut() else {
            self.root = Some(node);
            return Some(());
        };
        let Value::Map(entries) = &mut open.value else {
            if let Value::List(items) = &mut open.value {
                items.push(node);
            }
            return Some(());
        };
        let Some((key, key_span, plain)) = open.key.take() else {
            let Value::Scalar { text, plain } = node.value else {
                self.diags.error(self.source, node.span, "a key must be text");
                return None;
            };
            open.key = Some((text, node.span, plain));
            return Some(());
        };
        if plain && key == "<<" {
            open.merged.push((node, key_span));
            return Some(());
        }
        let first = *open.seen.entry(key.clone()).or_insert(key_span.start);
        if first == key_span.start {
            entries.push(Entry { key, key_span, value: node });
        } else {
            let line = self.source.line(first);
            self.diags
                .error(self.source, key_span, format!("`{}` is given twice", super::shorten(&key)))
                .label("again here")
                .help(format!("it was given first on line {line}: keep one of the two"));
        }
        Some(())
    }
}

/// Nodes, bytes of text and depth of a value.
fn cost(node: &Node) -> Cost {
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

/// Notes an error of the parser. `deepest` is the depth that documents may have.
fn report_syntax(source: &Arc<Source>, error: &ScanError, deepest: usize, diags: &mut Diagnostics) {
    let at = error.marker().byte_offset().unwrap_or(source.text.len());
    let rest = source.text.get(at..).unwrap_or_default();
    let length = rest.chars().next().filter(|c| !matches!(c, '\n' | '\r')).map_or(0, char::len_utf8);
    // What the parser makes of a tab depends on what stands around it; to the author it is always the same mistake.
    if let Some(tab) = indenting_tab(&source.text, at) {
        diags
            .error(source, Span::new(tab, tab + 1), "a tab is used for indentation")
            .label("a tab")
            .help("YAML is indented with spaces only");
        return;
    }
    let message = match error.kind() {
        ErrorKind::RecursionLimitExceeded => format!("nested more than {deepest} deep"),
        _ => error.info(),
    };
    diags.error(source, Span::new(at, at + length), format!("not valid YAML: {message}"));
}

/// The first tab in the indentation of the line of `at`, or of the next line (the parser looks ahead).
fn indenting_tab(text: &str, at: usize) -> Option<usize> {
    let mut start = text.get(..at)?.rfind('\n').map_or(0, |i| i + 1);
    for line in text.get(start..)?.split_inclusive('\n').take(2) {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = line.get(..indent)?.find('\t') {
            return Some(start + tab);
        }
        start += line.len();
    }
    None
}
