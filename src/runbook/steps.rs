//! Blocks of a document → the steps of a runbook, by the precedence of the convention: a heading that is a step by
//! its form, an item of an ordered list, a heading with code, a lone block with the paragraph before it.

use super::annotation::{Annotations, Name, Note};
use super::commands::{self, BlockUse as Read};
use super::hands::{self, Hands};
use super::ids::{self, NamedPart as Identity};
use super::markdown::{MarkdownBlock, MarkdownCode};
use super::parts::{PlacedBlock, SectionPart, is_for_people, parts, placed, span, title_of};
use super::runs::CommandRun;
use super::text::shorten;
use super::{
    BlockSettings, CodeBlock, Command, LeftOut, RunbookPhase, Step, Unread, beside, bold, by_effect, phase, unfenced,
};
use crate::source::{Diagnostics, Source, Span};
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// A heading with what stands directly below it.
#[derive(Debug, Default)]
pub(super) struct Section<'a> {
    /// Its heading; none for what stands above the first one.
    pub heading: Option<(&'a str, Span)>,
    /// Its title; a bold label has that of its heading before it.
    pub title: String,
    /// The headings around it and its own, without the title of the document.
    pub path: Vec<String>,
    /// The section that it goes on with, behind `</details>`.
    pub resumed: Option<usize>,
    /// How deep it stands: 1 to 6, 7 for a bold label, 0 for what stands above the first heading.
    pub level: u8,
    /// Whether its annotation says its phase.
    pub pinned: bool,
    /// The blocks before the next heading.
    pub blocks: Vec<&'a MarkdownBlock>,
    /// Whether one of them asks for something to be done.
    pub asks: bool,
    /// Its phase.
    pub phase: RunbookPhase,
    /// Whether headings stand below it.
    pub has_children: bool,
    /// What the annotation of its heading and of those above it say about its blocks.
    pub settings: BlockSettings,
    /// The annotated headings that this comes from.
    pub annotated: Vec<Span>,
}

/// What there is to be read.
pub(super) struct StepSource<'a> {
    /// The runbook.
    pub source: &'a Arc<Source>,
    /// Its annotations.
    pub notes: &'a Annotations,
    /// Tags of blocks that a client runs.
    pub clients: &'a BTreeSet<String>,
}

/// The steps of the sections.
pub(super) fn of_sections(text: &StepSource<'_>, sections: &[Section<'_>], diags: &mut Diagnostics) -> Vec<Step> {
    let (settings, hands, path) = (BlockSettings::default(), Hands::default(), Arc::from([]));
    let (steps, identities, intro, series) = (Vec::new(), Vec::new(), None, None);
    let mut builder =
        StepBuilder { text, diags, steps, identities, path, settings, units: 0, ran: false, hands, series, intro };
    let mut used: HashSet<usize> = HashSet::new();
    for section in sections {
        builder.path = Arc::from(section.path.as_slice());
        builder.section(section);
        if builder.ran {
            used.extend(section.annotated.iter().map(|span| span.start));
        }
    }
    builder.unused(sections, &used);
    let StepBuilder { mut steps, mut identities, diags, .. } = builder;
    by_effect::assign(&mut steps);
    steps.iter().for_each(|(step, identity)| identities[*identity].phase = step.phase);
    let ids = ids::assign(&identities, text.source, diags);
    let with_id = |(step, identity): (Step, usize)| Step { id: ids.get(identity).cloned().unwrap_or_default(), ..step };
    steps.into_iter().map(with_id).collect()
}

/// What becomes one step, or several where a part of it is for a person.
struct Unit<'a> {
    title: String,
    span: Span,
    codes: Vec<PlacedBlock<'a>>,
    phase: RunbookPhase,
    /// Whether it is a step even if there is nothing in it to run.
    wanted: bool,
}

/// A step under construction, and what its author named it.
type StepDraft = (Step, Option<Name>);

struct StepBuilder<'a> {
    text: &'a StepSource<'a>,
    diags: &'a mut Diagnostics,
    /// Each with the number of its identity.
    steps: Vec<(Step, usize)>,
    identities: Vec<Identity>,
    /// The headings above what is read.
    path: Arc<[String]>,
    /// What the headings say about the blocks of the section.
    settings: BlockSettings,
    /// How many parts of the section became steps.
    units: usize,
    /// Whether the section has a block that such settings can be meant for.
    ran: bool,
    /// The paragraph whose title was read last: where it begins, and the title.
    intro: Option<(usize, String)>,
    /// What is open in the section for a person's hands, and in the steps before it: "Step 1: Log in", "Step 2: Restart it".
    hands: Hands,
    /// The headings above these steps.
    series: Option<Vec<String>>,
}

impl StepBuilder<'_> {
    /// Builds the steps of a section, and gives the first one the name that stands in the heading.
    fn section(&mut self, section: &Section<'_>) {
        self.settings.clone_from(&section.settings);
        (self.units, self.ran) = (0, false);
        // "1. Disk full" is a problem of its own.
        let goes_on = |title: &String| {
            let text = title.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
            let worded = ["step ", "phase "].iter().any(|word| text.starts_with(word));
            let asks = worded || phase::is_imperative(phase::strip_number(title));
            phase::is_step(title) && !phase::is_only_a_phase(title) && asks
        };
        let step = section.path.iter().rposition(goes_on);
        let series = step.and_then(|at| section.path.get(..at)).map(<[String]>::to_vec);
        if series.is_none() || series != self.series {
            self.hands = Hands::default();
        }
        self.hands.step();
        self.series = series;
        let first = self.steps.len();
        self.parts(section);
        self.orders(section, first);
        let note = section.heading.and_then(|(_, span)| self.text.notes.of_heading(span));
        let Some(name) = note.and_then(|note| note.name.clone()) else { return };
        let first = self.steps.get(first).and_then(|(_, identity)| self.identities.get_mut(*identity));
        match (self.units, first) {
            (1, Some(identity)) => identity.name = identity.name.take().or(Some(name)),
            (units, _) => {
                let error = self.diags.error(self.text.source, name.span, "this id does not name one step");
                let error = error.label(format!("{units} steps stand below this heading"));
                error.help("put it above the code block of the step that is meant");
            }
        }
    }

    /// What a section asks of a person goes to the step around it that runs something, else to the next one of its steps (from
    /// `first` on). A step for a person says it itself.
    fn orders(&mut self, section: &Section<'_>, first: usize) {
        let mut asked = Vec::new();
        if section.phase != RunbookPhase::Reference {
            beside::orders(section.blocks.iter().copied(), &mut asked);
            beside::unread(&self.text.source.text, &section.blocks, &mut asked);
        }
        let steps = self.steps.get_mut(first..).unwrap_or_default();
        let runs = |(step, _): &(Step, usize)| step.manual.is_none();
        for (at, said) in asked {
            let next = steps.partition_point(|(step, _)| step.span.start <= at);
            let before = next.checked_sub(1);
            let around = before.filter(|&index| steps.get(index).is_some_and(|(step, _)| at < step.span.end));
            let behind = || steps.iter().skip(next).position(runs).map(|index| index + next);
            let index = around.or_else(behind).or_else(|| steps.iter().rposition(runs));
            if let Some(index) = index
                && let Some((step, _)) = steps.get_mut(index).filter(|(step, _)| step.manual.is_none())
            {
                step.left_out.push(LeftOut { line: self.text.source.line(at), why: said, is_asked: true });
                step.left_out.sort_by_key(|left| left.line);
            }
        }
    }

    /// Annotations of headings that nothing below them could be meant by.
    fn unused(&mut self, sections: &[Section<'_>], used: &HashSet<usize>) {
        for (_, heading) in sections.iter().filter_map(|section| section.heading) {
            let Some(note) = self.text.notes.of_heading(heading) else { continue };
            if !note.settings.is_empty() && !used.contains(&heading.start) {
                let (place, what) = (note.span.unwrap_or(heading), "this annotation belongs to nothing");
                let error = self.diags.error(self.text.source, place, what);
                error.label("no code block that could be run stands below this heading");
                error.help("put it above the block that it is about, or leave it out");
            }
        }
    }

    fn parts(&mut self, section: &Section<'_>) {
        let (title, phase) = (section.title.as_str(), section.phase);
        let heading = section.heading.map_or(Span::new(0, 0), |(_, span)| span);
        let end = section.blocks.iter().filter_map(|block| span(block)).map(|span| span.end).max();
        let span = Span::new(heading.start, end.unwrap_or_default().max(heading.end));
        let acts = phase != RunbookPhase::Reference;
        let codes = placed(section.blocks.iter().copied());
        let whole = |codes, wanted| Unit { title: title.to_string(), span, codes, phase, wanted };
        if phase::is_step(title) {
            // A numbered heading above others is a chapter; its text only leads to them.
            // A table that only tells something is none either.
            let says = !section.blocks.is_empty() || phase != RunbookPhase::Other;
            let wanted = acts && !section.has_children && (says || phase::is_imperative(phase::strip_number(title)));
            return self.unit(whole(codes, wanted));
        }
        let parts = parts(&section.blocks, phase);
        let has_items = parts.iter().any(|part| matches!(part, SectionPart::Item { .. }));
        // "Step 2: Check the deploys" above a command is its title, whatever the heading is, and so is "**Check the deploys**".
        let names = |(text, span)| {
            let label = bold::label(&self.text.source.text, text, span).filter(|label| label.alone);
            phase::is_step(text) || label.is_some_and(|label| phase::is_imperative(label.text))
        };
        let counted = codes.iter().any(|placed| placed.intro.is_some_and(names));
        let lone = has_items || title.is_empty() || counted || phase::is_only_a_phase(title);
        if !lone && !codes.is_empty() {
            return self.unit(whole(codes, false));
        }
        let words_alone = codes.is_empty() && !has_items && !section.has_children && !section.blocks.is_empty();
        for part in parts {
            self.hands.list(matches!(part, SectionPart::Item { .. }));
            match part {
                SectionPart::Item { title: item, span, codes } => {
                    let title = if item.is_empty() { title.to_string() } else { item };
                    self.unit(Unit { title, span, codes, phase, wanted: acts });
                }
                SectionPart::Loose(codes) => self.loose(codes, title, phase),
            }
        }
        if words_alone && is_for_people(phase) && !title.is_empty() {
            self.unit(whole(codes, true));
        }
    }

    /// Blocks below a heading that only names a phase: each with the paragraph before it.
    fn loose(&mut self, codes: Vec<PlacedBlock<'_>>, heading: &str, phase: RunbookPhase) {
        for group in codes.chunk_by(|a, b| a.intro.map(|(_, s)| s) == b.intro.map(|(_, s)| s)) {
            let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
            let heading = if heading.is_empty() { "Commands" } else { heading };
            let title = first.intro.map(|(text, _)| title_of(text)).filter(|title| !title.is_empty());
            let title = title.unwrap_or_else(|| heading.to_string());
            let start = first.intro.map_or(first.code.span.start, |(_, span)| span.start.min(first.code.span.start));
            let span = Span::new(start, last.code.span.end);
            self.unit(Unit { title, span, codes: group.to_vec(), phase, wanted: false });
        }
    }

    fn unit(&mut self, unit: Unit<'_>) {
        let mut pieces: Vec<StepDraft> = Vec::new();
        // The same as if there were no clients, where there are some.
        let mut plain: Vec<StepDraft> = Vec::new();
        let (bare, with_clients) = (BTreeSet::new(), !self.text.clients.is_empty());
        let mut data: Option<String> = None;
        // Blocks without a command, above the first piece.
        let mut left_out: Vec<LeftOut> = Vec::new();
        for placed in &unit.codes {
            let title = placed.intro.map(|(text, span)| self.intro_title(text, span)).filter(|title| !title.is_empty());
            let title = title.unwrap_or_else(|| unit.title.clone());
            let own = placed.code.span;
            let start = placed.intro.map_or(own.start, |(_, span)| span.start.min(own.start));
            // An introduction belongs to the first of several blocks.
            let taken = pieces.last().is_some_and(|(piece, _)| piece.span.end > start);
            let span = Span::new(if taken { own.start } else { start }, own.end);
            let leads = placed.intro.filter(|(text, _)| text.trim_end().ends_with(':'));
            let leads = leads.filter(|_| placed.code.unread != Some(Unread::Inline));
            let led = leads.is_some_and(|(_, span)| self.hands.led_by(span));
            let note = self.text.notes.of_block(placed.code);
            let name = note.and_then(|note| note.name.clone());
            let (source, clients) = (self.text.source, self.text.clients);
            let blocks = vec![self.block(placed.code, note)];
            let like = Step { title, span, blocks, ..Step::default() };
            let for_a_person = |why: String| Step { manual: Some(why), blocks: Vec::new(), ..like.clone() };
            if with_clients {
                match commands::read(source, placed.code, &bare, unit.phase, &mut self.hands.clone()) {
                    Read::Run(runs) => cut(runs, &like, name.clone(), &mut plain),
                    Read::Person(why) => add(&mut plain, for_a_person(why), name.clone()),
                    Read::Data(_) => {}
                }
            }
            let read = commands::read(source, placed.code, clients, unit.phase, &mut self.hands);
            if led {
                self.hands.leave();
            }
            match read {
                Read::Run(mut runs) => {
                    self.ran = true;
                    // Whoever annotates a block has read it as commands.
                    for command in runs.iter_mut().flat_map(|run| &mut run.commands).filter(|_| note.is_some()) {
                        command.unread.take_if(|unread| *unread == Unread::Untagged);
                    }
                    cut(runs, &like, name, &mut pieces);
                }
                Read::Person(why) => {
                    // A client that the scenario names makes it run.
                    self.ran = true;
                    add(&mut pieces, for_a_person(why), name);
                }
                Read::Data(what) => {
                    self.idle(note, &what);
                    let line = self.text.source.line(placed.code.span.start);
                    let here = pieces.last_mut().map_or(&mut left_out, |(piece, _)| &mut piece.left_out);
                    here.push(LeftOut { line, why: what.clone(), is_asked: false });
                    data.get_or_insert(what);
                }
            }
        }
        if pieces.is_empty() && (unit.wanted || data.is_some() && is_for_people(unit.phase)) {
            let text = unit.span.of(&self.text.source.text);
            let manual = match (data, unfenced::mentioned(text).next()) {
                (Some(what), _) => format!("no command in it: {what}"),
                (None, Some((code, _))) => {
                    format!("a command in its text is not read (`{}`): put it into a block", shorten(code, 60))
                }
                (None, None) => "no command in it".to_string(),
            };
            let (title, manual) = (unit.title.clone(), Some(manual));
            pieces.push((Step { title, span: unit.span, manual, ..Step::default() }, None));
        } else if let Some((first, _)) = pieces.first_mut() {
            first.left_out.splice(0..0, left_out);
        }
        let firsts = pieces.first_mut().into_iter().chain(plain.first_mut());
        firsts.for_each(|(first, _)| first.title.clone_from(&unit.title));
        self.units += usize::from(!pieces.is_empty());
        let count = pieces.len();
        // The identities that there would be, each with where it stands.
        let of = |(piece, name): StepDraft| (self.identity(&piece.title, name, unit.phase, false), piece.span);
        let mut plain: Vec<(usize, Span)> = plain.into_iter().map(of).collect();
        // Without the client a person would be told that there is nothing to run, below the same title.
        let told = plain.is_empty() && (unit.wanted || is_for_people(unit.phase));
        for (i, (mut piece, name)) in pieces.into_iter().enumerate() {
            let same = |known: &&(usize, Span)| known.1.start < piece.span.end && piece.span.start < known.1.end;
            let identity = match plain.iter().position(|known| same(&known)).map(|known| plain.remove(known)) {
                Some((identity, _)) => identity,
                None => self.identity(&piece.title, name, unit.phase, with_clients && !told),
            };
            let Span { start, end } = piece.span;
            piece.span.start = if i == 0 { unit.span.start } else { start };
            piece.span.end = if i + 1 == count { end.max(unit.span.end) } else { end };
            self.step(piece, unit.phase, identity);
        }
    }

    fn identity(&mut self, title: &str, name: Option<Name>, phase: RunbookPhase, extra: bool) -> usize {
        self.identities.push(Identity { phase, title: title.to_string(), name, path: self.path.clone(), extra });
        self.identities.len() - 1
    }

    /// The title that a paragraph gives, read once for all blocks below it.
    fn intro_title(&mut self, text: &str, span: Span) -> String {
        self.intro.take_if(|(start, _)| *start != span.start);
        self.intro.get_or_insert_with(|| (span.start, title_of(text))).1.clone()
    }

    /// A block with what its own annotation says over that of its headings.
    fn block(&self, code: &MarkdownCode, note: Option<&Note>) -> CodeBlock {
        let settings = note.map_or_else(|| self.settings.clone(), |note| note.settings.over(&self.settings));
        let source = self.text.source;
        let end = code.span.end.saturating_sub(1).max(code.span.start);
        CodeBlock { line: source.line(code.span.start), end_line: source.line(end), settings }
    }

    /// An annotation above a block that is not run.
    fn idle(&mut self, note: Option<&Note>, what: &str) {
        if let Some(span) = note.and_then(|note| note.span) {
            let error = self.diags.error(self.text.source, span, "this annotation belongs to nothing");
            error.label(format!("the block below it is not run: {what}"));
            error.help("tag the block `bash` if it holds commands; otherwise leave the annotation out");
        }
    }

    fn step(&mut self, piece: Step, phase: RunbookPhase, identity: usize) {
        let source = self.text.source;
        let text = piece.span.of(&source.text).trim_end();
        let span = Span::new(piece.span.start, piece.span.start + text.len());
        let (line, end_line) = (source.line(span.start), source.line(span.end.saturating_sub(1).max(span.start)));
        let hash = hex::encode(Sha256::digest(text));
        self.steps.push((Step { phase, span, line, end_line, hash, ..piece }, identity));
    }
}

/// Adds the commands of a block, cut where some are for a person. `like` is the piece that they would be if it were not cut.
fn cut(runs: Vec<CommandRun>, like: &Step, mut name: Option<Name>, pieces: &mut Vec<StepDraft>) {
    let settings = like.settings(0);
    let last = runs.len().saturating_sub(1);
    for (i, run) in runs.into_iter().enumerate() {
        let start = if i == 0 { like.span.start } else { run.span.start };
        let end = if i == last { like.span.end } else { run.span.end };
        let manual = settings.skip.clone().or_else(|| hands::reason(run.why, &settings));
        let title = run.title.unwrap_or_else(|| like.title.clone());
        let (span, all_commands, left_out) = (Span::new(start, end), run.commands, run.left_out);
        add(pieces, Step { title, span, manual, all_commands, left_out, ..like.clone() }, name.take());
    }
}

/// Adds a piece; it joins the one before where both run, or both wait for the same reason. One that its author named is
/// a step of its own.
fn add(pieces: &mut Vec<StepDraft>, next: Step, name: Option<Name>) {
    let before = pieces.last_mut().filter(|(before, _)| name.is_none() && before.manual == next.manual);
    let Some((before, _)) = before else { return pieces.push((next, name)) };
    // Two parts of one block stay one block.
    let same = before.blocks.last().zip(next.blocks.first()).is_some_and(|(a, b)| a.line == b.line);
    let offset = before.blocks.len() - usize::from(same);
    let moved = next.all_commands.into_iter().map(|command| Command { block: command.block + offset, ..command });
    before.all_commands.extend(moved);
    before.blocks.extend(next.blocks.into_iter().skip(usize::from(same)));
    before.left_out.extend(next.left_out);
    before.span.end = next.span.end;
}
