//! Blocks of a document → the steps of a runbook, by the precedence of the convention: a heading that is a step by
//! its form, an item of an ordered list, a heading with code, a lone block with the paragraph before it.

use super::annotation::{Name, Note, Notes};
use super::commands::{self, Block as Read};
use super::hands::{self, Hands};
use super::markdown::{Block, Code, Item};
use super::shell::Bash;
use super::text::{Lines, sha256};
use super::{CodeBlock, Command, LeftOut, Reading, RunbookPhase, Settings, Step, StepKind};
use super::{condition, ids, phase};
use crate::source::{Diagnostics, Source, Span};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A heading with what stands directly below it.
#[derive(Debug, Default)]
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
    /// What the annotation of its heading and of those above it say about its blocks.
    pub settings: Settings,
    /// The annotated headings that this comes from.
    pub annotated: Vec<Span>,
}

/// What there is to be read.
pub(super) struct Text<'a> {
    /// The runbook.
    pub source: &'a Arc<Source>,
    /// Its lines.
    pub lines: &'a Lines<'a>,
    /// Its annotations.
    pub notes: &'a Notes,
    /// What is known beside it.
    pub reading: &'a Reading,
}

/// The steps of the sections.
pub(super) fn of_sections(
    bash: &mut Bash,
    text: &Text<'_>,
    sections: &[Section<'_>],
    diags: &mut Diagnostics,
) -> Vec<Step> {
    let (settings, hands) = (Settings::default(), Hands::default());
    let mut builder =
        Builder { bash, text, diags, steps: Vec::new(), settings, units: 0, ran: false, hands, intro: None };
    let mut used: HashSet<usize> = HashSet::new();
    for section in sections {
        builder.section(section);
        if builder.ran {
            used.extend(section.annotated.iter().map(|span| span.start));
        }
    }
    let mut steps = std::mem::take(&mut builder.steps);
    builder.unused(sections, &used);
    ids::assign(&mut steps, text.source, diags);
    steps.into_iter().map(|(step, _)| step).collect()
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
    blocks: Vec<CodeBlock>,
    left_out: Vec<LeftOut>,
    name: Option<Name>,
}

struct Builder<'a> {
    bash: &'a mut Bash,
    text: &'a Text<'a>,
    diags: &'a mut Diagnostics,
    steps: Vec<(Step, Option<Name>)>,
    /// What the headings say about the blocks of the section.
    settings: Settings,
    /// How many parts of the section became steps.
    units: usize,
    /// Whether the section has a block that such settings can be meant for.
    ran: bool,
    /// The paragraph whose title was read last: where it begins, and the title.
    intro: Option<(usize, String)>,
    /// What is open in the section for a person's hands.
    hands: Hands,
}

impl Builder<'_> {
    /// Builds the steps of a section, and gives the first one the name that stands in the heading.
    fn section(&mut self, section: &Section<'_>) {
        self.settings.clone_from(&section.settings);
        (self.units, self.ran, self.hands) = (0, false, Hands::default());
        let first = self.steps.len();
        self.parts(section);
        let note = section.heading.and_then(|(_, span)| self.text.notes.of_heading(span));
        let Some(name) = note.and_then(|note| note.name.clone()) else { return };
        match (self.units, self.steps.get_mut(first)) {
            (1, Some((_, named))) => *named = named.take().or(Some(name)),
            (units, _) => {
                let why = match units {
                    0 => "no step stands directly below this heading".to_string(),
                    _ => format!("{units} steps stand below this heading"),
                };
                let error = self.diags.error(self.text.source, name.span, "this id does not name one step");
                error.label(why).help("put it above the code block of the step that is meant");
            }
        }
    }

    /// Annotations of headings that nothing below them could be meant by.
    fn unused(&mut self, sections: &[Section<'_>], used: &HashSet<usize>) {
        for (_, heading) in sections.iter().filter_map(|section| section.heading) {
            let Some(note) = self.text.notes.of_heading(heading) else { continue };
            if !note.settings.is_empty() && !used.contains(&heading.start) {
                self.diags
                    .error(self.text.source, note.span.unwrap_or(heading), "this annotation belongs to nothing")
                    .label("no code block that could be run stands below this heading")
                    .help("put it above the block that it is about, or leave it out");
            }
        }
    }

    fn parts(&mut self, section: &Section<'_>) {
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
        // Blocks without a command, above the first piece.
        let mut left_out: Vec<LeftOut> = Vec::new();
        for placed in &unit.codes {
            let title = placed.intro.map(|(text, span)| self.intro_title(text, span)).filter(|title| !title.is_empty());
            let title = title.unwrap_or_else(|| unit.title.clone());
            let own = placed.code.span;
            let start = placed.intro.map_or(own.start, |(_, span)| span.start.min(own.start));
            // An introduction belongs to the first of several blocks.
            let taken = pieces.last().is_some_and(|piece: &Piece| piece.span.end > start);
            let whole = Span::new(if taken { own.start } else { start }, own.end);
            let note = self.text.notes.of_block(placed.code);
            let name = note.and_then(|note| note.name.clone());
            self.hands.under(&placed.condition);
            match commands::read(self.bash, self.text.lines, placed.code, self.text.reading, &mut self.hands) {
                Read::Run(runs) => {
                    self.ran = true;
                    let block = self.block(placed.code, note);
                    self.pieces(runs, placed, Piece::at(title, whole, block, name), &mut pieces);
                }
                Read::Person(why) => {
                    // A client that the scenario names makes it run.
                    self.ran = true;
                    let kind = StepKind::Manual(why);
                    let (held, blocks, left_out) = (Vec::new(), Vec::new(), Vec::new());
                    let piece = Piece { title, span: whole, kind, held, blocks, left_out, name };
                    add(&mut pieces, piece);
                }
                Read::Data(what) => {
                    self.idle(note, &what);
                    let line = self.text.lines.line(placed.code.span.start);
                    let here = pieces.last_mut().map_or(&mut left_out, |piece| &mut piece.left_out);
                    here.push(LeftOut { line, why: what.clone() });
                    data.get_or_insert(what);
                }
            }
        }
        if pieces.is_empty() && (unit.wanted || data.is_some() && is_for_people(unit.phase)) {
            let why = match data {
                Some(what) => format!("no command in it: {what}"),
                None => "no command in it".to_string(),
            };
            let kind = StepKind::Manual(why);
            let (title, held, blocks) = (unit.title.clone(), Vec::new(), Vec::new());
            pieces.push(Piece { title, span: unit.span, kind, held, blocks, left_out: Vec::new(), name: None });
        } else if let Some(first) = pieces.first_mut() {
            first.left_out.splice(0..0, left_out);
        }
        self.units += usize::from(!pieces.is_empty());
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

    /// The title that a paragraph gives, read once for all blocks below it.
    fn intro_title(&mut self, text: &str, span: Span) -> String {
        match &self.intro {
            Some((start, title)) if *start == span.start => title.clone(),
            _ => self.intro.insert((span.start, title_of(text))).1.clone(),
        }
    }

    /// A block with what its own annotation says over that of its headings.
    fn block(&self, code: &Code, note: Option<&Note>) -> CodeBlock {
        let settings = note.map_or_else(|| self.settings.clone(), |note| note.settings.over(&self.settings));
        let lines = self.text.lines;
        let end = code.span.end.saturating_sub(1).max(code.span.start);
        CodeBlock { line: lines.line(code.span.start), end_line: lines.line(end), settings }
    }

    /// Adds the commands of a block, cut where a comment in it puts a condition. `like` is the piece that they would be
    /// if it were not cut.
    fn pieces(&mut self, runs: Vec<commands::Run>, placed: &Placed<'_>, like: Piece, pieces: &mut Vec<Piece>) {
        let settings = like.blocks.first().map(|block| block.settings.clone()).unwrap_or_default();
        let last = runs.len().saturating_sub(1);
        let mut name = like.name;
        for (i, run) in runs.into_iter().enumerate() {
            let start = if i == 0 { like.span.start } else { run.span.start };
            let end = if i == last { like.span.end } else { run.span.end };
            let condition = placed.condition.clone().or_else(|| run.condition.clone());
            let condition = condition.filter(|_| settings.choose != Some(true)).map(|stated| conditional(&stated));
            let (kind, held) = match settings.skip.clone().or_else(|| hands::reason(condition, run.why, &settings)) {
                Some(why) => (StepKind::Manual(why), run.commands),
                None => (StepKind::Commands(run.commands), Vec::new()),
            };
            let title = run.condition.unwrap_or_else(|| like.title.clone());
            let (span, blocks) = (Span::new(start, end), like.blocks.clone());
            add(pieces, Piece { title, span, kind, held, blocks, left_out: Vec::new(), name: name.take() });
        }
    }

    /// An annotation above a block that is not run.
    fn idle(&mut self, note: Option<&Note>, what: &str) {
        if let Some(span) = note.and_then(|note| note.span) {
            self.diags
                .error(self.text.source, span, "this annotation belongs to nothing")
                .label(format!("the block below it is not run: {what}"))
                .help("tag the block `bash` if it holds commands; otherwise leave the annotation out");
        }
    }

    fn step(&mut self, piece: Piece, phase: RunbookPhase) {
        let source = &self.text.source.text;
        let text = source.get(piece.span.start..piece.span.end).unwrap_or_default().trim_end();
        let span = Span::new(piece.span.start, piece.span.start + text.len());
        let lines = self.text.lines;
        let step = Step {
            id: String::new(),
            phase,
            title: piece.title,
            span,
            line: lines.line(span.start),
            end_line: lines.line(span.end.saturating_sub(1).max(span.start)),
            hash: sha256(text),
            kind: piece.kind,
            held: piece.held,
            blocks: piece.blocks,
            left_out: piece.left_out,
            replaced: None,
        };
        self.steps.push((step, piece.name));
    }
}

impl Piece {
    fn at(title: String, span: Span, block: CodeBlock, name: Option<Name>) -> Piece {
        let kind = StepKind::Commands(Vec::new());
        Piece { title, span, kind, held: Vec::new(), blocks: vec![block], left_out: Vec::new(), name }
    }

    /// Takes in the blocks of the next piece, and numbers its commands accordingly.
    fn join(&mut self, blocks: Vec<CodeBlock>, end: usize, commands: &mut [Command]) {
        // Two parts of one block stay one block.
        let same = self.blocks.last().zip(blocks.first()).is_some_and(|(a, b)| a.line == b.line);
        let offset = self.blocks.len() - usize::from(same);
        commands.iter_mut().for_each(|command| command.block += offset);
        self.blocks.extend(blocks.into_iter().skip(usize::from(same)));
        self.span.end = end;
    }
}

/// Adds a piece; it joins the one before where both run, or both wait for the same reason. One that its author named is
/// a step of its own.
fn add(pieces: &mut Vec<Piece>, mut next: Piece) {
    let Some(before) = pieces.last_mut().filter(|_| next.name.is_none()) else {
        pieces.push(next);
        return;
    };
    let end = next.span.end;
    match (&before.kind, &mut next.kind) {
        (StepKind::Commands(_), StepKind::Commands(more)) => {
            before.join(next.blocks, end, more);
            if let StepKind::Commands(commands) = &mut before.kind {
                commands.append(more);
            }
        }
        (StepKind::Manual(a), StepKind::Manual(b)) if a == b => {
            before.join(next.blocks, end, &mut next.held);
            before.held.append(&mut next.held);
        }
        _ => pieces.push(next),
    }
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
                // A fence that fell out of the last item is introduced by it, and under its condition.
                if let Some((text, span)) = items.last().and_then(introduction) {
                    intro = Some((text, span));
                    condition = condition.or_else(|| condition::of_paragraph(text));
                }
            }
            Block::Heading { .. } | Block::Comment(_) => {}
        }
    }
    out
}

/// The paragraph at the end of an item, if it leads to what follows.
fn introduction(item: &Item) -> Option<(&str, Span)> {
    match item.blocks.last() {
        Some(Block::Paragraph { text, span }) if text.trim_end().ends_with(':') => Some((text, *span)),
        _ => None,
    }
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
    let lists = lists_by_start(blocks);
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
                let fallen = counts_on(&lists, at, next_number).unwrap_or_else(|| fallen(&blocks[at..]));
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
    has_code || is_for_people(phase) || fallen(after) > 0 && phase != RunbookPhase::Reference
}

/// Where the ordered lists of a section stand, by the number that they begin with.
fn lists_by_start(blocks: &[&Block]) -> HashMap<u64, Vec<usize>> {
    let mut lists: HashMap<u64, Vec<usize>> = HashMap::new();
    for (at, block) in blocks.iter().enumerate() {
        if let Block::List { start: Some(start), .. } = block {
            lists.entry(*start).or_default().push(at);
        }
    }
    lists
}

/// How many blocks stand before the list that goes on counting, if there is one: they belong to the item above them.
fn counts_on(lists: &HashMap<u64, Vec<usize>>, at: usize, next: Option<u64>) -> Option<usize> {
    let places = lists.get(&next.filter(|&next| next > 1)?)?;
    places.get(places.partition_point(|&place| place < at)).map(|place| place - at)
}

/// How many of the blocks after a list belong to its last item: code right behind it.
fn fallen(after: &[&Block]) -> usize {
    after.iter().take_while(|block| matches!(block, Block::Code(_))).count()
}

fn span(block: &Block) -> Option<Span> {
    match block {
        Block::Heading { span, .. } | Block::Paragraph { span, .. } => Some(*span),
        Block::Code(code) => Some(code.span),
        Block::Comment(comment) => Some(comment.span),
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
