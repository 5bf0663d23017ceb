//! What governs a command: the headings above it, and the prose that a reader has read when he comes to it. A decision about
//! a command is a decision about both; where either changed, it is open again.

use super::markdown::{MarkdownBlock, MarkdownCode};
use super::text::{is_among, until_char};
use super::{Command, Step, phase};
use crate::source::Source;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes of prose that are kept for a command, the nearest ones.
const NEAREST: usize = 2000;
/// Hexadecimal digits of a digest.
const DIGITS: usize = 16;

/// What governs a command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Governs {
    /// The headings above it, from the outermost, without the one title of the page.
    pub headings: Vec<String>,
    /// Paragraphs, items of lists and comments of the block before it, from the farthest; blanks folded.
    pub under: Vec<String>,
    /// What decides what its words mean: the commands above it that set variables which it reads, the last `cd`, and where its block runs.
    pub meant: Vec<String>,
    /// What is said where it is doubtful that a variable is set which it reads, or its directory is entered.
    pub of_setters: Vec<String>,
    /// Whether its heading or its item is one of several that name ways or cases: `Option A`, `Option B`.
    pub of_several: bool,
}

impl Governs {
    /// The headings as a path: `Mitigation / Step 3: End its sessions`.
    pub fn path(&self) -> String {
        self.headings.join(" / ")
    }

    /// What commands share that could change places unnoticed: headings without numbers, and the prose.
    pub fn place(&self) -> String {
        let headings = self.headings.iter().map(|heading| phase::strip_number(heading));
        headings.chain(self.under.iter().map(String::as_str)).collect::<Vec<_>>().join("\n")
    }

    /// The prose as one text.
    pub fn text(&self) -> String {
        self.under.join("\n")
    }

    /// What tells this text around a command, and the command, from any other: the first 64 bits of a SHA-256, in hexadecimal.
    /// The number of a heading does not count: steps may be renumbered.
    pub fn digest(&self, command: &str) -> String {
        let mut hash = Sha256::new();
        let headings: Vec<&str> = self.headings.iter().map(|heading| phase::strip_number(heading)).collect();
        let (under, meant) = (self.under.iter().map(String::as_str), self.meant.iter().map(String::as_str));
        for list in [vec![command], headings, under.collect(), meant.collect()] {
            hash.update((list.len() as u64).to_be_bytes());
            for part in list {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        }
        let mut out: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        out.truncate(DIGITS);
        out
    }
}

/// Notes for each command what governs it.
pub(super) fn note(source: &Source, blocks: &[MarkdownBlock], steps: &mut [Step]) {
    let mut commands: Vec<(usize, &mut Command)> = Vec::new();
    let meant = meant(steps);
    let titles = blocks.iter().filter(|block| matches!(block, MarkdownBlock::Heading { level: 1, .. })).count();
    for step in steps.iter_mut() {
        for command in super::model::commands_mut(&mut step.kind) {
            commands.push((source.offset(crate::source::Pos { line: command.line, column: command.column }), command));
        }
    }
    commands.sort_by_key(|(at, _)| *at);
    let (open, items) = (vec![Open::default()], Vec::new());
    let mut walk =
        GovernsWalk { source, commands: commands.into_iter().peekable(), open, items, one_title: titles == 1, meant };
    walk.blocks(blocks);
    pass_on(steps);
}

/// What makes it doubtful that a variable is to be set, or a directory to be entered, is a doubt about the commands that come to it as well:
/// both happen without anybody's decision.
fn pass_on(steps: &mut [Step]) {
    let mut doubtful: HashMap<(Option<String>, String), Vec<String>> = HashMap::new();
    for step in steps {
        let places: Vec<_> = step.commands().iter().map(|command| step.settings(command.block).place.clone()).collect();
        for (command, place) in super::model::commands_mut(&mut step.kind).iter_mut().zip(places) {
            let at = |name: &str| (place.clone(), name.to_string());
            let read = command.reads.iter().filter_map(|read| read.input.variable()).chain([DIRECTORY]);
            let said: Vec<String> = read.filter_map(|name| doubtful.get(&at(name))).flatten().cloned().collect();
            if !said.is_empty() {
                Arc::make_mut(&mut command.governs).of_setters = nearest(said.iter());
            }
            let sets = command.sets.iter().map(String::as_str).chain(enters(&command.text).then_some(DIRECTORY));
            let governs = &command.governs;
            for name in sets {
                if !governs.of_several && super::accepted::said(governs).is_none() {
                    doubtful.remove(&at(name));
                } else {
                    let all = governs.of_setters.iter().chain(&governs.headings).chain(&governs.under);
                    doubtful.insert(at(name), nearest(all));
                }
            }
        }
    }
}

/// Stands for the directory among the names of variables.
const DIRECTORY: &str = "";

/// Whether a command changes the directory.
fn enters(command: &str) -> bool {
    command.split(|c: char| !c.is_alphanumeric()).any(|word| matches!(word, "cd" | "pushd" | "popd"))
}

/// The last ones of some texts, as many bytes as are kept.
fn nearest<'t>(texts: impl DoubleEndedIterator<Item = &'t String>) -> Vec<String> {
    let mut left = NEAREST;
    let mut kept: Vec<String> = Vec::new();
    for text in texts.rev() {
        if left == 0 {
            break;
        }
        let from = until_char(text, text.len().saturating_sub(left));
        left = left.saturating_sub(text.len());
        kept.extend(text.get(from..).map(str::to_string));
    }
    kept.reverse();
    kept
}

/// For each command, by line and column, what decides what its words mean.
fn meant(steps: &[Step]) -> HashMap<(usize, usize), Vec<String>> {
    // Each place has a session of its own.
    let mut set: HashMap<(Option<String>, &str), &str> = HashMap::new();
    let mut folder: HashMap<Option<String>, &str> = HashMap::new();
    let mut found = HashMap::new();
    for step in steps {
        // What may end the block before a command is reached: `[ -f lock ] || exit 0`.
        let mut guards: Vec<(usize, &str)> = Vec::new();
        for command in step.commands() {
            let settings = step.settings(command.block);
            let place = settings.place.clone();
            let reads = command.reads.iter().filter_map(|read| read.input.variable());
            let sets = reads.filter_map(|name| set.get(&(place.clone(), name)).map(|text| (*text).to_string()));
            let mut meant: Vec<String> = sets.collect();
            meant.extend(folder.get(&place).map(|text| (*text).to_string()));
            meant.extend(place.as_ref().map(|place| format!("in {place}")));
            meant.extend((settings.background == Some(true)).then(|| "in the background".to_string()));
            if !command.is_shell() {
                meant.push(format!("language {}", command.language));
            }
            guards.retain(|(block, _)| *block == command.block);
            meant.extend(guards.iter().map(|(_, guard)| format!("behind {guard}")));
            meant.dedup();
            if ends_its_block(&command.text) {
                guards.push((command.block, &command.text));
            }
            found.insert((command.line, command.column), meant);
            set.extend(command.sets.iter().map(|name| ((place.clone(), name.as_str()), command.text.as_str())));
            if enters(&command.text) {
                folder.insert(place, &command.text);
            }
        }
    }
    found
}

/// Whether what stands below a command in its block may not be reached.
fn ends_its_block(command: &str) -> bool {
    let words: Vec<&str> = command.split(|c: char| !(c.is_alphanumeric() || "-_".contains(c))).collect();
    words.iter().any(|word| matches!(*word, "exit" | "exec" | "return"))
        || words
            .windows(2)
            .any(|pair| matches!(pair, ["set", option] if option.starts_with('-') && option.contains(['e', 'o'])))
}

/// A heading that is open.
#[derive(Debug, Default)]
struct Open {
    level: u8,
    title: String,
    prose: Vec<String>,
    of_several: bool,
    has_commands: bool,
}

struct GovernsWalk<'a, 's, I: Iterator<Item = (usize, &'a mut Command)>> {
    source: &'s Source,
    commands: std::iter::Peekable<I>,
    open: Vec<Open>,
    /// The prose of each open item, and whether it is one of several.
    items: Vec<(Vec<String>, bool)>,
    /// Whether the page has one title, which names all of it.
    one_title: bool,
    meant: HashMap<(usize, usize), Vec<String>>,
}

impl<'a, I: Iterator<Item = (usize, &'a mut Command)>> GovernsWalk<'a, '_, I> {
    fn blocks(&mut self, blocks: &[MarkdownBlock]) {
        for (index, block) in blocks.iter().enumerate() {
            match block {
                MarkdownBlock::Heading { level, text, .. } => {
                    while let Some(closed) = self.open.pop_if(|open| open.level >= *level) {
                        // A section of the page itself (level 2) would be about every other one.
                        if closed.level > 2
                            && !closed.has_commands
                            && is_of_others(&closed.title)
                            && let Some(parent) = self.open.last_mut()
                        {
                            parent.prose.push(phase::strip_number(&closed.title).to_string());
                            parent.prose.extend(closed.prose);
                        }
                    }
                    let of_several = *level > 1 && is_way(text) && has_sibling(blocks, index, *level);
                    self.open.push(Open { level: *level, title: text.clone(), of_several, ..Open::default() });
                }
                MarkdownBlock::Paragraph { text, .. } | MarkdownBlock::Html(text) => self.prose(fold(text)),
                MarkdownBlock::Code(code) => {
                    let behind = match blocks.get(index + 1) {
                        Some(MarkdownBlock::Paragraph { text, .. }) if speaks_of_above(text) => Some(fold(text)),
                        _ => None,
                    };
                    self.code(code, behind.as_deref());
                }
                MarkdownBlock::List { items, .. } => {
                    let ways = items.iter().filter(|item| item.blocks.first().is_some_and(says_way)).count();
                    for item in items {
                        let of_several = ways > 1 && item.blocks.first().is_some_and(says_way);
                        self.items.push((Vec::new(), of_several));
                        self.blocks(&item.blocks);
                        let said = self.items.pop().map(|(said, _)| said).unwrap_or_default();
                        // An item without a command may say something about the next ones, and about what stands below the list.
                        if !holds_code(&item.blocks) {
                            said.into_iter().for_each(|text| self.prose(text));
                        }
                    }
                }
                MarkdownBlock::Comment(_) => {}
            }
        }
    }

    fn prose(&mut self, text: String) {
        match (self.items.last_mut(), self.open.last_mut()) {
            (Some((prose, _)), _) => prose.push(text),
            (None, Some(open)) => open.prose.push(text),
            (None, None) => {}
        }
    }

    /// `behind` is what stands behind the block and speaks of it.
    fn code(&mut self, code: &MarkdownCode, behind: Option<&str>) {
        let lines = code.body.lines().map(|(line, span)| (code.body.origin(span.start), line.trim()));
        let (comments, others): (Vec<_>, Vec<_>) =
            lines.filter(|(_, line)| !line.is_empty()).partition(|(_, line)| line.starts_with('#'));
        let first = others.first().map_or(usize::MAX, |(place, _)| *place);
        let is_numbered = |(_, line): &(usize, &str)| phase::is_step(line.trim_start_matches('#').trim_start());
        let numbered: Vec<bool> = comments.iter().map(is_numbered).collect();
        while let Some((at, command)) = self.commands.next_if(|(at, _)| *at < code.span.end) {
            self.open.iter_mut().for_each(|open| open.has_commands = true);
            if at < code.span.start {
                continue;
            }
            // Those at the top of the block, and those above the command from the last number on: `# 2. Restart it`.
            let above = comments.partition_point(|(place, _)| *place < at);
            let since = numbered.iter().take(above).rposition(|numbered| *numbered).unwrap_or(0);
            let is_said = |number: &usize| *number >= since || comments[*number].0 < first && !numbered[*number];
            // Of long texts no more than is kept of them, with room for blanks.
            let mut room = 4 * NEAREST;
            let has_room = |line: &&str| {
                let before = room;
                room = room.saturating_sub(line.len());
                before > 0
            };
            let said: Vec<&str> =
                (0..above).rev().filter(is_said).map(|number| comments[number].1).take_while(has_room).collect();
            // A comment stands behind the last line.
            let height = command.text.lines().count().saturating_sub(1);
            let line = self.source.text.get(at..).and_then(|rest| rest.lines().nth(height)).unwrap_or_default();
            let written = command.text.lines().next_back().map(str::trim).unwrap_or_default();
            let tail = line.find(written).and_then(|found| line.get(found + written.len()..)).unwrap_or_default();
            let tail = tail.find('#').and_then(|sign| tail.get(sign..));
            // Of a long line no more than is kept of it, with room for blanks.
            let tail = tail.and_then(|tail| tail.get(until_char(tail, tail.len().saturating_sub(4 * NEAREST))..));
            let row = code.row.iter().map(|row| fold(&row.whole));
            let said = row.chain(said.into_iter().rev().map(fold)).chain(tail.map(fold));
            let said: Vec<String> = said.chain(behind.map(fold)).collect();
            let meant = self.meant.remove(&(command.line, command.column)).unwrap_or_default();
            command.governs = Arc::new(Governs { meant, ..self.governs(said) });
        }
    }

    fn governs(&self, said: Vec<String>) -> Governs {
        let prose = self.open.iter().flat_map(|open| &open.prose);
        let items = self.items.iter().flat_map(|(prose, _)| prose);
        let all: Vec<&String> = prose.chain(items).chain(&said).collect();
        let named = self.open.iter().filter(|open| open.level > 1 || open.level == 1 && !self.one_title);
        let headings = named.map(|open| open.title.clone()).collect();
        let of_several = self.open.iter().any(|open| open.of_several) || self.items.iter().any(|(_, several)| *several);
        Governs { headings, under: nearest(all.into_iter()), of_several, ..Governs::default() }
    }
}

/// Whether a block of code stands among some blocks.
fn holds_code(blocks: &[MarkdownBlock]) -> bool {
    blocks.iter().any(|block| match block {
        MarkdownBlock::Code(code) => code.unread.is_none(),
        MarkdownBlock::List { items, .. } => items.iter().any(|item| holds_code(&item.blocks)),
        _ => false,
    })
}

/// Whether a text behind a block says when the block is for: "Do the above only if …".
fn speaks_of_above(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|word| word.eq_ignore_ascii_case("above"))
}

/// Whether a section says when those behind it are for: *When to use this*, *Prerequisites*, *Before you begin*.
fn is_of_others(title: &str) -> bool {
    const WORDS: &str = "when prerequisite prerequisites precondition preconditions condition conditions before warning warnings caution important \
                         scope applicability limits limitations only note notes";
    let first = phase::strip_number(title).split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty());
    first.is_some_and(|word| is_among(WORDS, &word.to_lowercase()))
}

/// One line, however it was broken.
fn fold(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether another heading of its level stands below the same one, and names a way or a case as well.
fn has_sibling(blocks: &[MarkdownBlock], index: usize, level: u8) -> bool {
    let of = |block: &MarkdownBlock| match block {
        MarkdownBlock::Heading { level, text, .. } => Some((*level, is_way(text))),
        _ => None,
    };
    let near = |(above, _): &(u8, bool)| *above >= level;
    let (before, behind) = blocks.split_at(index);
    let mut others = before.iter().rev().filter_map(of).take_while(near);
    let mut more = behind.iter().skip(1).filter_map(of).take_while(near);
    let same = |(other, way): (u8, bool)| other == level && way;
    others.any(same) || more.any(same)
}

fn says_way(block: &MarkdownBlock) -> bool {
    matches!(block, MarkdownBlock::Paragraph { text, .. } if is_way(text))
}

/// Whether a heading or an item names a way or a case: `Option A`, `If the disk is full`, `Using helm`.
fn is_way(text: &str) -> bool {
    const WORDS: &str =
        "option method alternative variant approach case cause scenario if when using via with for on either or";
    let first = phase::strip_number(text).split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty());
    let is_letter =
        |word: &str| word.len() == 1 && word != "I" && text.trim_start().get(1..2).is_some_and(|c| ".)".contains(c));
    first.is_some_and(|word| is_among(WORDS, &word.to_lowercase()) || is_letter(word))
}
