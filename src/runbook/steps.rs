//! Blocks of a document → the steps of a runbook, by the precedence of the convention: a heading that is a step by
//! its form, an item of an ordered list, a heading with code, a lone block with the paragraph before it.

use super::commands::{self, Block as Read};
use super::condition;
use super::markdown::{Block, Code, Item};
use super::phase;
use super::shell::Bash;
use super::text::Lines;
use super::{Command, RunbookPhase, Step, StepKind};
use crate::source::Span;
use std::collections::{HashMap, HashSet};

/// A heading with what stands directly below it.
#[derive(Debug)]
pub(super) struct Section<'a> {
    /// Its heading; none for what stands above the first one.
    pub heading: Option<(&'a str, Span)>,
    /// The blocks before the next heading.
    pub blocks: Vec<&'a Block>,
    /// Its phase.
    pub phase: RunbookPhase,
    /// The condition of an `Option B` heading, its own or inherited.
    pub condition: Option<String>,
    /// Whether headings stand below it.
    pub has_children: bool,
}

/// The steps of the sections.
pub(super) fn of_sections(bash: &mut Bash, source: &str, lines: &Lines<'_>, sections: &[Section<'_>]) -> Vec<Step> {
    let mut builder = Builder { bash, source, lines, steps: Vec::new(), ids: HashSet::new(), taken: HashMap::new() };
    for section in sections {
        builder.section(section);
    }
    builder.steps
}

/// A code block in its place in the text.
#[derive(Clone)]
struct Placed<'a> {
    code: &'a Code,
    /// The paragraph that introduces it.
    intro: Option<(&'a str, Span)>,
    /// The condition under which it is to be run.
    condition: Option<String>,
}

/// What becomes one step, or several where a part of it is conditional.
struct Unit<'a> {
    title: String,
    span: Span,
    codes: Vec<Placed<'a>>,
    phase: RunbookPhase,
    /// Whether it is a step even if there is nothing in it to run.
    wanted: bool,
}

/// A step under construction.
struct Piece {
    title: String,
    span: Span,
    kind: StepKind,
    held: Vec<Command>,
}

struct Builder<'a> {
    bash: &'a mut Bash,
    source: &'a str,
    lines: &'a Lines<'a>,
    steps: Vec<Step>,
    /// The ids given so far, and how often each one was wanted again.
    ids: HashSet<String>,
    taken: HashMap<String, usize>,
}

impl Builder<'_> {
    fn section(&mut self, section: &Section<'_>) {
        let acts = section.phase != RunbookPhase::Reference;
        let title = section.heading.map_or("", |(text, _)| text);
        let start = section.heading.map(|(_, span)| span.start);
        let whole = |start: usize| {
            Span::new(start, section.blocks.iter().filter_map(|b| span(b)).map(|s| s.end).max().unwrap_or(start))
        };
        let heading_end = section.heading.map_or(0, |(_, span)| span.end);
        if phase::is_step(title) {
            let codes = placed(section.blocks.iter().copied(), &section.condition);
            // A numbered heading above others is a chapter; its text only leads to them.
            let wanted = acts && !section.has_children;
            let span = whole(start.unwrap_or(0));
            let span = Span::new(span.start, span.end.max(heading_end));
            self.unit(Unit { title: title.to_string(), span, codes, phase: section.phase, wanted });
            return;
        }
        let parts = parts(&section.blocks, section.phase, &section.condition);
        let has_items = parts.iter().any(|part| matches!(part, Part::Item { .. }));
        let codes = placed(section.blocks.iter().copied(), &section.condition);
        let lone = has_items || title.is_empty() || phase::is_only_a_phase(title);
        if !lone && !codes.is_empty() {
            let span = whole(start.unwrap_or(0));
            self.unit(Unit { title: title.to_string(), span, codes, phase: section.phase, wanted: false });
            return;
        }
        for part in parts {
            match part {
                Part::Item { title: item, span, codes } => {
                    let title = if item.is_empty() { title.to_string() } else { item };
                    self.unit(Unit { title, span, codes, phase: section.phase, wanted: acts });
                }
                Part::Loose(codes) => self.loose(codes, title, section.phase),
            }
        }
        let words_alone = codes.is_empty() && !has_items && !section.has_children && !section.blocks.is_empty();
        if words_alone && is_for_people(section.phase) && !title.is_empty() {
            let span = whole(start.unwrap_or(0));
            self.unit(Unit { title: title.to_string(), span, codes, phase: section.phase, wanted: true });
        }
    }

    /// Blocks below a heading that only names a phase: each with the paragraph before it.
    fn loose(&mut self, codes: Vec<Placed<'_>>, heading: &str, phase: RunbookPhase) {
        for group in codes.chunk_by(|a, b| a.intro.map(|(_, s)| s) == b.intro.map(|(_, s)| s)) {
            let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
            let title = first.intro.map(|(text, _)| title_of(text)).filter(|title| !title.is_empty());
            let title =
                title.unwrap_or_else(|| if heading.is_empty() { "Commands".into() } else { heading.to_string() });
            let start = first.intro.map_or(first.code.span.start, |(_, span)| span.start.min(first.code.span.start));
            let span = Span::new(start, last.code.span.end);
            self.unit(Unit { title, span, codes: group.to_vec(), phase, wanted: false });
        }
    }

    fn unit(&mut self, unit: Unit<'_>) {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut data: Option<String> = None;
        for placed in &unit.codes {
            let title = placed.intro.map(|(text, _)| title_of(text)).filter(|title| !title.is_empty());
            let title = title.unwrap_or_else(|| unit.title.clone());
            let start = placed.intro.map_or(placed.code.span.start, |(_, span)| span.start.min(placed.code.span.start));
            let whole = Span::new(start, placed.code.span.end);
            match commands::read(self.bash, self.lines, placed.code) {
                Read::Run(runs) => {
                    let last = runs.len().saturating_sub(1);
                    for (i, run) in runs.into_iter().enumerate() {
                        let start = if i == 0 { whole.start } else { run.span.start };
                        let end = if i == last { whole.end } else { run.span.end };
                        let own = run.condition.clone();
                        let (kind, held) = match placed.condition.clone().or(run.condition) {
                            None => (StepKind::Commands(run.commands), Vec::new()),
                            Some(condition) => (StepKind::Manual(conditional(&condition)), run.commands),
                        };
                        let title = own.unwrap_or_else(|| title.clone());
                        add(&mut pieces, Piece { title, span: Span::new(start, end), kind, held });
                    }
                }
                Read::Person(why) => {
                    add(&mut pieces, Piece { title, span: whole, kind: StepKind::Manual(why), held: Vec::new() });
                }
                Read::Data(what) => {
                    data.get_or_insert(what);
                }
            }
        }
        if pieces.is_empty() && (unit.wanted || data.is_some() && is_for_people(unit.phase)) {
            let why = match data {
                Some(what) => format!("no command in it: {what}"),
                None => "no command in it".to_string(),
            };
            pieces.push(Piece {
                title: unit.title.clone(),
                span: unit.span,
                kind: StepKind::Manual(why),
                held: Vec::new(),
            });
        }
        let count = pieces.len();
        for (i, mut piece) in pieces.into_iter().enumerate() {
            if i == 0 {
                piece.title.clone_from(&unit.title);
                piece.span.start = unit.span.start;
            }
            if i + 1 == count {
                piece.span.end = piece.span.end.max(unit.span.end);
            }
            self.step(piece, unit.phase);
        }
    }

    fn step(&mut self, piece: Piece, phase: RunbookPhase) {
        let text = self.source.get(piece.span.start..piece.span.end).unwrap_or_default().trim_end();
        let span = Span::new(piece.span.start, piece.span.start + text.len());
        let slug = slug(&piece.title);
        let base = format!("{}/{slug}", phase.name());
        let count = self.taken.entry(base.clone()).or_insert(0);
        let mut id = base.clone();
        // A title may end in the very ordinal that another one was given.
        while !self.ids.insert(id.clone()) {
            *count += 1;
            id = format!("{base}-{}", *count + 1);
        }
        self.steps.push(Step {
            id,
            phase,
            title: piece.title,
            span,
            line: self.lines.line(span.start),
            end_line: self.lines.line(span.end.saturating_sub(1).max(span.start)),
            hash: sha256(text),
            kind: piece.kind,
            held: piece.held,
            blocks: Vec::new(),
            replaced: None,
        });
    }
}

/// Adds a piece; it joins the one before where both run, or both wait for the same reason.
fn add(pieces: &mut Vec<Piece>, next: Piece) {
    let end = next.span.end;
    let joined = match (pieces.last_mut(), next) {
        (Some(Piece { kind: StepKind::Commands(before), span, .. }), Piece { kind: StepKind::Commands(more), .. }) => {
            before.extend(more);
            span.end = end;
            return;
        }
        (
            Some(Piece { kind: StepKind::Manual(a), held, span, .. }),
            Piece { kind: StepKind::Manual(b), held: more, .. },
        ) if *a == b => {
            held.extend(more);
            span.end = end;
            return;
        }
        (_, next) => next,
    };
    pieces.push(joined);
}

fn conditional(condition: &str) -> String {
    format!("conditional: “{condition}”")
}

/// Phases in which words alone are something to do.
fn is_for_people(phase: RunbookPhase) -> bool {
    use RunbookPhase::{Diagnose, Escalate, Mitigate, Rollback, Verify};
    matches!(phase, Diagnose | Mitigate | Verify | Rollback | Escalate)
}

/// The code blocks of some blocks, looked for in lists as well, each with its introduction and its condition.
fn placed<'a>(blocks: impl IntoIterator<Item = &'a Block>, inherited: &Option<String>) -> Vec<Placed<'a>> {
    let mut out = Vec::new();
    let mut intro = None;
    let mut condition = inherited.clone();
    for block in blocks {
        match block {
            Block::Paragraph { text, span } => {
                intro = Some((text.as_str(), *span));
                condition = inherited.clone().or_else(|| condition::of_paragraph(text));
            }
            Block::Code(code) => out.push(Placed { code, intro, condition: condition.clone() }),
            Block::List { items, .. } => {
                for item in items {
                    let of_item = condition.clone().or_else(|| item_condition(item));
                    out.extend(placed(&item.blocks, &of_item));
                }
            }
            Block::Heading { .. } => {}
        }
    }
    out
}

fn item_condition(item: &Item) -> Option<String> {
    item.blocks.first().and_then(|block| match block {
        Block::Paragraph { text, .. } => condition::of_paragraph(text),
        _ => None,
    })
}

/// A part of a section.
enum Part<'a> {
    /// An item of a top-level ordered list.
    Item { title: String, span: Span, codes: Vec<Placed<'a>> },
    /// Code blocks outside such lists.
    Loose(Vec<Placed<'a>>),
}

/// Takes a section apart into the items of its ordered lists and what is left.
fn parts<'a>(blocks: &[&'a Block], phase: RunbookPhase, inherited: &Option<String>) -> Vec<Part<'a>> {
    let mut parts: Vec<Part<'a>> = Vec::new();
    let mut loose: Vec<&'a Block> = Vec::new();
    let mut condition = inherited.clone();
    let mut at = 0;
    while let Some(&block) = blocks.get(at) {
        at += 1;
        match block {
            Block::List { start: Some(start), items, .. } if is_steps(items, &blocks[at..], phase) => {
                parts.push(Part::Loose(placed(std::mem::take(&mut loose), inherited)));
                for item in items {
                    parts.push(item_part(item, &condition));
                }
                let next_number = start.checked_add(items.len() as u64);
                // Fences that fell out of the last item, and everything up to the list that counts on.
                let fallen = fallen(&blocks[at..], next_number);
                if let Some(Part::Item { span: of_item, codes, .. }) = parts.last_mut() {
                    let fallen = &blocks[at..at + fallen];
                    let first = items.last().and_then(item_condition).or_else(|| condition.clone());
                    codes.extend(placed(fallen.iter().copied(), &first));
                    of_item.end = fallen.iter().filter_map(|b| span(b)).map(|s| s.end).max().unwrap_or(of_item.end);
                }
                at += fallen;
            }
            _ => {
                if let Block::Paragraph { text, .. } = block {
                    condition = inherited.clone().or_else(|| condition::of_paragraph(text));
                }
                loose.push(block);
            }
        }
    }
    parts.push(Part::Loose(placed(loose, inherited)));
    parts
}

fn item_part<'a>(item: &'a Item, condition: &Option<String>) -> Part<'a> {
    let of_item = condition.clone().or_else(|| item_condition(item));
    let title = item.blocks.iter().find_map(|block| match block {
        Block::Paragraph { text, .. } => Some(title_of(text)),
        _ => None,
    });
    Part::Item { title: title.unwrap_or_default(), span: item.span, codes: placed(&item.blocks, &of_item) }
}

/// Whether the items of an ordered list are steps: where people act they are, elsewhere if one of them has code.
fn is_steps(items: &[Item], after: &[&Block], phase: RunbookPhase) -> bool {
    let has_code = items.iter().any(|item| !placed(&item.blocks, &None).is_empty());
    has_code || is_for_people(phase) || fallen(after, None) > 0 && phase != RunbookPhase::Reference
}

/// How many of the blocks after a list belong to its last item: code right behind it, and whatever stands before
/// a list that goes on counting.
fn fallen(after: &[&Block], next: Option<u64>) -> usize {
    let counts_on = |block: &&Block| matches!(block, Block::List { start: Some(start), .. } if Some(*start) == next);
    if let Some(at) = after.iter().position(counts_on)
        && next.is_some_and(|next| next > 1)
    {
        return at;
    }
    after.iter().take_while(|block| matches!(block, Block::Code(_))).count()
}

fn span(block: &Block) -> Option<Span> {
    match block {
        Block::Heading { span, .. } | Block::Paragraph { span, .. } => Some(*span),
        Block::Code(code) => Some(code.span),
        Block::List { items, .. } => items.last().map(|item| item.span),
    }
}

/// A paragraph as a title: the sentence that introduces what follows, or the first one.
fn title_of(text: &str) -> String {
    let sentences = condition::sentences(text);
    // A condition says more than what it leads to.
    let conditional = sentences.first().is_some_and(|first| condition::of_paragraph(first).is_some());
    let introducing = sentences.last().filter(|_| text.trim_end().ends_with(':') && !conditional);
    introducing.or(sentences.first()).map(|sentence| condition::shorten(sentence, 72)).unwrap_or_default()
}

/// The title in lower case, words joined by `-`, its number left out.
fn slug(title: &str) -> String {
    let bare = phase::strip_number(title);
    let bare = if bare.is_empty() { title } else { bare };
    let mut slug = String::new();
    for word in bare.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        if slug.chars().count() + word.chars().count() > 48 && !slug.is_empty() {
            break;
        }
        if !slug.is_empty() {
            slug.push('-');
        }
        slug.extend(word.chars().take(48).flat_map(char::to_lowercase));
    }
    if slug.is_empty() { "step".to_string() } else { slug }
}

fn sha256(text: &str) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
