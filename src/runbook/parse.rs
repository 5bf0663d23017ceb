//! From CommonMark to a runbook: size, title, sections with their phases, and the mistakes that make a runbook
//! unfit, each with its place.

use super::annotation::{self, Annotations};
use super::language::{self, BlockLanguage};
use super::look::{self, Fence, PageLook};
use super::markdown::{self, Document, MarkdownBlock};
use super::parts::{PlacedBlock, placed, stands_at};
use super::steps::{self, Section, StepSource};
use super::{Runbook, RunbookPhase, Step, accepted, bold, governs, phase, placeholder, unified_name};
use crate::programs::{EffectKind, of_shell};
use crate::source::{Diagnostics, Source, Span, shorten};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The largest runbook that is read, in bytes: hundreds of times what people write.
pub const MAX_SIZE: usize = 1024 * 1024;

/// What mistakes carry that `firedrill lint` tells without a rule for them.
pub const OF_NO_RULE: &str = "RB000";

/// Reads a runbook of which nothing else is known. That nothing of it can be run is a mistake.
pub fn parse(source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Runbook> {
    let before = diags.all.len();
    let runbook = parse_with(source, &BTreeSet::new(), diags)?;
    // A fence that swallowed the commands was reported already.
    if !diags.has_errors_since(before) {
        check_runs(&runbook, diags);
    }
    Some(runbook)
}

/// Reads a runbook; `clients` are the tags of blocks that a client runs, in lower case. Mistakes go to `diags`, all of them; a runbook with
/// errors is still returned as far as it could be read, so that it can be shown. `None` means that the file was not read at all.
pub fn parse_with(source: &Arc<Source>, clients: &BTreeSet<String>, diags: &mut Diagnostics) -> Option<Runbook> {
    parse_page(source, clients, diags).map(|(runbook, _)| runbook)
}

/// [`parse_with`], which also returns everything that stands on the page.
pub fn parse_page(
    source: &Arc<Source>,
    clients: &BTreeSet<String>,
    diags: &mut Diagnostics,
) -> Option<(Runbook, PageLook)> {
    let (size, known) = (source.text.len(), diags.all.len());
    let mut document = if size > MAX_SIZE { Document::default() } else { markdown::read(&source.text) };
    let beyond = (size > MAX_SIZE).then(|| format!("{size} bytes, at most {MAX_SIZE} are read"));
    if let Some(why) = beyond.or_else(|| document.is_beyond()) {
        let message = format!("the runbook is too large: {why}");
        diags.error(source, Span::new(0, 0), message).code(OF_NO_RULE).help("split it into one file per alert");
        return None;
    }
    let notes = annotation::take(&mut document.blocks, source, diags);
    document.look.fences.iter().for_each(|fence| check_fence(source, fence, diags));
    let sections = sections(&source.text, &document, &notes);
    let text = StepSource { source, notes: &notes, clients };
    let mut steps = steps::of_sections(&text, &sections, diags);
    let headings = look::headings(&sections, &document.details, source.text.len());
    check_settings(source, &steps, diags);
    // What is not tagged yet was said about annotations.
    for mistake in diags.all.iter_mut().skip(known) {
        mistake.code.get_or_insert("RB003");
    }
    governs::note(source, &document, &mut steps);
    check_headings(source, &document.blocks, diags);
    for html in &document.fences_in_html {
        let first = first_line(source, html.start);
        let text = html.of(&source.text);
        let mut help = "write it between lines of three backticks, tagged `bash`, with an empty line above and below";
        let message = match () {
            () if markdown::includes(text) => {
                help = "write here what there is to do: a drill follows what stands in this file";
                "what is included here is not read"
            }
            () if text.trim_start().starts_with('<') => "the code block in this HTML is not read",
            () => "the code between these marks is not read",
        };
        diags.warning(source, first, message).code(OF_NO_RULE).help(help);
    }
    let mut runbook = Runbook { source: source.clone(), title: title(&document, source), steps, accepted: None };
    runbook.relink();
    let mut look = PageLook { headings, ..document.look };
    look::become_of(&mut look.fences, &runbook);
    Some((runbook, look))
}

/// Reads a runbook with the decisions about it, and settles what is done about each command. That nothing of it can be run is a mistake.
pub fn open(source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Runbook> {
    let mut runbook = parse(source, diags)?;
    runbook.decide(&BTreeMap::new(), diags);
    Some(runbook)
}

impl Runbook {
    /// Reads the decisions about it, and settles what is done about each command; `chosen` holds the ways that the scenario takes.
    pub fn decide(&mut self, chosen: &BTreeMap<String, String>, diags: &mut Diagnostics) {
        self.accepted = accepted::read_of(&self.source, diags).map(Arc::new);
        self.settle(chosen);
        self.relink();
    }
}

/// Settings of blocks that exclude each other, and names under which two steps capture: a later one could not say which it means.
fn check_settings(source: &Arc<Source>, steps: &[Step], diags: &mut Diagnostics) {
    let mut captured: HashMap<String, &str> = HashMap::new();
    for (step, block) in steps.iter().flat_map(|step| step.blocks.iter().map(move |block| (step, block))) {
        let mut wrong = |message: String, help: &str| {
            diags.error(source, first_line(source, source.start(block.line)), message).help(help);
        };
        if let Some(key) = block.settings.contradiction() {
            let help = "nobody waits for its end: leave out one of the two";
            wrong(format!("a block in the background cannot have `{key}`"), help);
        }
        let Some(name) = &block.settings.capture else { continue };
        let by = *captured.entry(unified_name(name)).or_insert(&step.id);
        if by != step.id {
            let message = format!("`{}` is captured twice: by `{by}` as well", shorten(name));
            wrong(message, "give one of the two another name");
        }
    }
}

/// A heading of which only the beginning is read may hide a condition, for all that stands below it.
fn check_headings(source: &Arc<Source>, blocks: &[MarkdownBlock], diags: &mut Diagnostics) {
    for block in blocks {
        let MarkdownBlock::Heading { cut: true, span, .. } = block else { continue };
        let message = format!("this heading is longer than {} bytes", markdown::LONGEST_HEADING);
        let error = diags.error(source, first_line(source, span.start), message).code(OF_NO_RULE);
        error.help(
            "say it in a paragraph below a short heading; lines right above `---` or `===` are a heading as well",
        );
    }
}

/// Notes it as a mistake if nothing of the runbook can be run.
pub fn check_runs(runbook: &Runbook, diags: &mut Diagnostics) {
    let steps = &runbook.steps;
    if steps.iter().any(|step| !step.commands().is_empty()) {
        return;
    }
    let held = steps.iter().any(|step| !step.held().is_empty());
    let why = match (steps.is_empty(), held) {
        (true, _) => "no step was found in it",
        (_, true) => "what could be run is skipped or for a person",
        _ => "every step is for a person",
    };
    let source = &runbook.source;
    let error = diags.error(source, first_line(source, 0), "the runbook has no step that can be run").label(why);
    error.help("put the commands into blocks tagged `bash`, below a heading such as `## Mitigation`");
}

/// From a place to the end of its line.
fn first_line(source: &Source, start: usize) -> Span {
    let rest = source.text.get(start..).unwrap_or_default();
    Span::new(start, start + rest.find('\n').unwrap_or(rest.len()))
}

/// First H1, else the frontmatter's `title`, else the file name.
fn title(document: &markdown::Document, source: &Source) -> String {
    let mut headings = document.blocks.iter().filter_map(MarkdownBlock::heading);
    let heading = headings.find(|(level, text)| *level == 1 && !text.is_empty()).map(|(_, text)| text.to_string());
    let file = || source.path.file_stem().map_or_else(|| "runbook".into(), |name| name.to_string_lossy().into_owned());
    heading.or_else(|| frontmatter_title(source, document.look.frontmatter?)).unwrap_or_else(file)
}

fn frontmatter_title(source: &Source, frontmatter: Span) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Front {
        title: Option<String>,
    }
    // Frontmatter is another tool's business: what cannot be read has no title, and that is no mistake of ours to tell.
    let front: Front = serde_yaml::from_str(frontmatter.of(&source.text)).ok()?;
    front.title.map(|title| title.trim().to_string()).filter(|title| !title.is_empty())
}

impl<'a> Section<'a> {
    /// A section with what this one hands down to those below it.
    fn below(&self) -> Section<'a> {
        let Section { path, settings, annotated, phase, pinned, .. } = self;
        let (path, settings, annotated) = (path.clone(), settings.clone(), annotated.clone());
        Section { path, settings, annotated, phase: *phase, pinned: *pinned, ..Section::default() }
    }
}

/// What the blocks below a heading of this level do, the worst of their lines of shell; `None` where there are none.
fn effect_below(below: &[MarkdownBlock], level: u8) -> Option<EffectKind> {
    let ends = |block: &&MarkdownBlock| matches!(block, MarkdownBlock::Heading { level: next, .. } if *next <= level);
    let effect = |line: &str| of_shell(&placeholder::masked(line.trim_start().trim_start_matches("$ "))).kind;
    let worst = |placed: &PlacedBlock<'_>| match language::of_tag(&language::tag(&placed.code.info)) {
        BlockLanguage::Data => None,
        BlockLanguage::Foreign => Some(EffectKind::Unknown),
        _ => placed.code.body.text.lines().map(effect).max(),
    };
    placed(below.iter().take_while(|block| !ends(block))).iter().filter_map(worst).max()
}

/// Cuts the document at its headings; phases and settings are handed down.
pub(super) fn sections<'a>(source: &'a str, document: &'a Document, notes: &Annotations) -> Vec<Section<'a>> {
    let blocks = &document.blocks;
    let titles = blocks.iter().filter(|block| matches!(block, MarkdownBlock::Heading { level: 1, .. })).count();
    let mut out = vec![Section::default()];
    // The sections of the headings that are open.
    let mut open: Vec<usize> = Vec::new();
    let below = |open: &[usize], out: &[Section<'a>]| open.last().map(|&at| out[at].below()).unwrap_or_default();
    // What was open where each open `<details>` begins.
    let (mut around, mut details) = (Vec::new(), document.details.iter().peekable());
    for (number, block) in blocks.iter().enumerate() {
        let begins = stands_at(block);
        let mut resumed = None;
        while let Some(&(at, opens)) = details.next_if(|(at, _)| *at <= begins) {
            if opens {
                around.push(open.clone());
            } else if let Some(before) = around.pop() {
                (open, resumed) = (before, Some(at));
            }
        }
        if let MarkdownBlock::Heading { level, text, span, .. } = block {
            open.retain(|&above| out[above].level < *level);
            open.iter().for_each(|&above| out[above].has_children = true);
            let mut here = below(&open, &out);
            // "# Disaster recovery" names the document, not what is to be done in all of its sections.
            let is_title = *level == 1 && (titles == 1 || out.len() == 1);
            let effect = || effect_below(blocks.get(number + 1..).unwrap_or_default(), *level);
            here.phase = if is_title { RunbookPhase::Other } else { phase::of_section(text, here.phase, effect) };
            here.path.extend((*level > 1).then(|| text.clone()));
            if let Some(note) = notes.of_heading(*span) {
                here.pinned |= note.phase.is_some();
                here.phase = note.phase.unwrap_or(here.phase);
                here.settings = note.settings.over(&here.settings);
                here.annotated.push(*span);
            }
            open.push(out.len());
            out.push(Section { heading: Some((text, *span)), title: text.clone(), level: *level, ..here });
            continue;
        }
        if let Some(at) = resumed {
            let (mut again, mut first) = (Section::default(), 0);
            if let Some(last) = open.last_mut() {
                first = std::mem::replace(last, out.len());
                let old = &out[first];
                let heading = Some((old.heading.map_or("", |(text, _)| text), Span::new(at, at)));
                again = Section { heading, title: old.title.clone(), level: old.level, ..old.below() };
            }
            out.push(Section { has_children: true, resumed: Some(first), ..again });
        }
        let in_label = open.last().is_some_and(|&above| out[above].level == bold::LEVEL);
        let inherited = open.iter().rev().find(|&&above| out[above].level < bold::LEVEL).map(|&above| out[above].phase);
        let label = block.paragraph().and_then(|(text, span)| Some((bold::label(source, text, span)?, span)));
        let opens = |label: &bold::Label<'_>| bold::opens(label.text, inherited.unwrap_or_default(), in_label);
        if let Some((label, span, phase)) = label.and_then(|(label, span)| Some((label, span, opens(&label)?))) {
            open.retain(|&above| out[above].level < bold::LEVEL);
            let mut here = below(&open, &out);
            here.phase = if here.pinned { here.phase } else { phase };
            here.path.push(label.text.to_string());
            let parent = open.last().and_then(|&above| out.get_mut(above)).filter(|above| above.level > 1);
            let title = bold::title(parent.as_ref().map_or("", |parent| parent.title.as_str()), label.text);
            // What is to be done above the first label stays a step.
            parent.into_iter().for_each(|parent| parent.has_children |= !parent.asks);
            open.push(out.len());
            out.push(Section { heading: Some((label.text, span)), title, level: bold::LEVEL, ..here });
            if label.alone {
                continue;
            }
        }
        let asks = match block {
            MarkdownBlock::Code(_) | MarkdownBlock::List { start: Some(_), .. } => true,
            MarkdownBlock::Paragraph { text, .. } => phase::is_imperative(text),
            _ => false,
        };
        let mut leads = None;
        if let Some(section) = out.last_mut() {
            section.blocks.push(block);
            section.asks |= asks;
            leads = section.resumed.filter(|_| asks);
            section.has_children &= leads.is_none();
        }
        // Where the words above `<details>` lead to what stands below, they are no step.
        if let Some(section) = leads.and_then(|first| out.get_mut(first)) {
            section.has_children = true;
        }
    }
    mitigate_with_siblings(&mut out);
    verify_after_mitigate(&mut out);
    out
}

/// Of numbered siblings of which one mends something ("2. Fix the index"), those before the verification behind it that ask for something are a part
/// of that: "1. Stop the import".
fn mitigate_with_siblings(sections: &mut [Section<'_>]) {
    let mut siblings: BTreeMap<(u8, Vec<String>), Vec<usize>> = BTreeMap::new();
    for (index, section) in sections.iter().enumerate() {
        let numbered = section.heading.is_some_and(|(text, _)| phase::is_step(text)) && section.resumed.is_none();
        if numbered && (2..bold::LEVEL).contains(&section.level) {
            let above = section.path.split_last().map(|(_, above)| above.to_vec()).unwrap_or_default();
            siblings.entry((section.level, above)).or_default().push(index);
        }
    }
    for ((level, _), all) in siblings {
        let mends = |one: &Section<'_>| one.phase == RunbookPhase::Mitigate && !phase::is_only_a_phase(&one.title);
        let asks = |one: &Section<'_>| {
            one.phase == RunbookPhase::Other && !one.pinned && phase::is_imperative(phase::strip_number(&one.title))
        };
        let Some(last) = all.iter().rposition(|at| mends(&sections[*at])) else { continue };
        let verifies = |at: &usize| sections[*at].phase == RunbookPhase::Verify;
        let until = all.iter().skip(last).position(verifies).map_or(all.len(), |behind| last + behind);
        let asking: Vec<usize> = all.into_iter().take(until).filter(|at| asks(&sections[*at])).collect();
        for at in asking {
            let inside = sections.iter_mut().skip(at).enumerate().take_while(|(i, one)| *i == 0 || one.level > level);
            let open = inside.filter(|(_, one)| one.phase == RunbookPhase::Other && !one.pinned);
            open.for_each(|(_, one)| one.phase = RunbookPhase::Mitigate);
        }
    }
}

/// A verification that stands before anything was mitigated looks at the state of things: it is part of the diagnosis. What says
/// "After applying the fix" behind a mitigation is a verification.
fn verify_after_mitigate(sections: &mut [Section<'_>]) {
    let Some(first) = sections.iter().position(|section| section.phase == RunbookPhase::Mitigate) else { return };
    let begun = sections.iter().position(|section| section.phase == RunbookPhase::Rollback).unwrap_or(first).min(first);
    for (index, section) in sections.iter_mut().enumerate().filter(|(_, section)| !section.pinned) {
        let text = section.blocks.first().and_then(|block| block.paragraph()).filter(|_| index > first);
        let text = text.map(|(text, _)| text.to_lowercase()).unwrap_or_default();
        let opens = ["after applying", "after the fix", "after resolution"];
        match section.phase {
            RunbookPhase::Verify if index < begun => section.phase = RunbookPhase::Diagnose,
            RunbookPhase::Other if opens.iter().any(|start| text.starts_with(start)) => {
                section.phase = RunbookPhase::Verify;
            }
            _ => {}
        }
    }
}

/// A fence that never ends, or one that ends where the next one should have begun, swallows what stands between.
fn check_fence(source: &Arc<Source>, code: &Fence, diags: &mut Diagnostics) {
    let (text, opening) = (code.span.of(&source.text), first_line(source, code.span.start));
    if !code.is_closed(&source.text) {
        let error = diags.error(source, opening, "this code block never ends").code("RB001");
        error.label("its closing fence is missing, or indented differently");
        error.help("close it with a fence of the same kind and indentation");
        return;
    }
    let runs = !matches!(language::of_tag(&code.tag), BlockLanguage::Data | BlockLanguage::Foreign);
    let Some(fence) = code.fenced.then(|| text.chars().next()).flatten().filter(|_| runs) else { return };
    let inner = code.body.lines().find(|(line, _)| {
        let line = line.trim_start();
        let tag = line.trim_start_matches(fence);
        line.len() - tag.len() >= 3 && tag.starts_with(|c: char| c.is_ascii_alphabetic())
    });
    if let Some((line, span)) = inner {
        let (at, what) = (code.body.origin(span.start), "this code block does not end before the next one begins");
        let error = diags.error(source, opening, what).code("RB001").label("its closing fence is missing");
        error.help(format!("close it before line {}, where “{}” begins another", source.line(at), line.trim()));
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
