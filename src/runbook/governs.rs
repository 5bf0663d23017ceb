//! What governs a command: the headings above it, and the prose that a reader has read when he comes to it. A decision about
//! a command is a decision about both; where either changed, it is open again.

use super::accepted::says_when;
use super::look::{PageLook, PageText, TextKind};
use super::markdown::{Document, Item, MarkdownBlock, MarkdownCode};
use super::parts::{OpenHeadings, stands_at};
use super::text::{fold, is_among, lower_words as words, sentences, until_char, words as words_of};
use super::{Command, RunbookPhase, Step, admonitions, bold, language, phase, runme};
use crate::programs::EffectKind;
use crate::source::{Source, Span, TextPattern, beginning};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::cell::LazyCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Bytes of prose that are kept for a command, the nearest ones.
const NEAREST: usize = 2000;
/// Bytes of a digest.
const DIGEST: usize = 8;
/// Names that a command may take from its session without spelling them, each for itself; with more, all of the page governs it.
const MOST_TAKEN: usize = 200;
/// Bytes that these names may have, or the texts of all that decides what the command's words mean.
const LONGEST_TAKEN: usize = 16 * 1024;
/// Calls in functions that are followed for one command.
const MOST_FOLLOWED: usize = 1000;
/// Marks of footnotes that are followed in one heading or paragraph.
const MOST_NOTES: usize = 5;

/// What governs a command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Governs {
    /// The headings above it, from the outermost, without the one title of the page.
    pub headings: Vec<String>,
    /// Paragraphs, items of lists and comments of the block before it, from the farthest; blanks folded.
    pub under: Vec<String>,
    /// How many of these texts, from the end, stand in its own section.
    pub own: usize,
    /// What commands share that could change places unnoticed: headings without numbers, and the prose above their blocks.
    pub place: String,
    /// What decides what its words mean: the commands above it that set variables which it reads, the last `cd`, where its block runs;
    /// and, where it does more than look, those that export something, set the arguments, or define a function that it calls.
    pub meant: Vec<String>,
    /// Where steps before it say that one stops there: a doubt about it, and no part of its digest.
    pub before: Vec<String>,
    /// What is said where it is doubtful that one of these is to run.
    pub of_setters: Vec<String>,
    /// Whether its heading or its item is one of several that name ways or cases: `Option A`, `Option B`.
    pub of_several: bool,
    /// Whether its heading is one of several that name causes or cases: `Database locked` below `Common issues`.
    pub of_cases: bool,
    /// Whether a label above its block, a comment of it, or what stands behind it names another way: `**Kubernetes:**`, `# Or with Docker`.
    pub has_another: bool,
}

impl Governs {
    /// Whether it is for some incidents only, or one way of several.
    pub fn is_alternative(&self) -> bool {
        self.of_several || self.of_cases || self.has_another
    }

    /// The headings as a path: `Mitigation / Step 3: End its sessions`.
    pub fn path(&self) -> String {
        self.headings.join(" / ")
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
        digits(hash)
    }
}

fn digits(hash: Sha256) -> String {
    hex::encode(&hash.finalize()[..DIGEST])
}

/// Notes for each command what governs it.
pub(super) fn note(source: &Source, document: &Document, steps: &mut [Step]) {
    let blocks = &document.blocks;
    let uses = session_uses(source, steps);
    let titles = blocks.iter().filter(|block| matches!(block, MarkdownBlock::Heading { level: 1, .. })).count();
    let mut commands: Vec<&mut Command> = steps.iter_mut().flat_map(Step::commands_mut).collect();
    commands.sort_by_key(|command| command.written.origin(0));
    let (commands, mut above) = (commands.into_iter().peekable(), OpenHeadings::new(&document.details));
    above.open.push(Open { prose: withdrawn(&source.text).into_iter().collect(), ..Open::default() });
    let (look, notes, one_title) = (&document.look, footnotes(&source.text), titles == 1);
    let (items, behind_lists, below_label, cells) = (Vec::new(), Vec::new(), false, 0);
    let mut walk =
        GovernsWalk { source, look, notes, commands, above, items, below_label, one_title, cells, behind_lists };
    walk.blocks(blocks);
    pass_on(steps, uses);
}

/// What a command takes from its session, and what it leaves there: names of variables, of functions (`f()`), and those below.
struct SessionUse {
    /// Each place has a session of its own.
    place: Option<String>,
    /// What its text spells.
    spelt: Vec<String>,
    /// What it takes besides, where it does more than look.
    taken: BTreeSet<String>,
    sets: Vec<String>,
    /// What decides what its words mean.
    meant: Vec<String>,
}

/// Stands for the directory among the names of variables.
const DIRECTORY: &str = "";
/// Stands for more of them than are read.
const EVERYTHING: &str = "…";

fn reads(command: &Command) -> impl Iterator<Item = &str> {
    command.reads.iter().filter_map(|read| read.variable())
}

/// Whether some names are more than are read.
fn are_many(names: &BTreeSet<String>) -> bool {
    names.len() > MOST_TAKEN || names.iter().map(String::len).sum::<usize>() > LONGEST_TAKEN
}

/// What each command takes from its session and leaves there, in the order of the steps.
fn session_uses(source: &Source, steps: &[Step]) -> Vec<SessionUse> {
    let mut exported: HashMap<Option<String>, (BTreeSet<String>, bool)> = HashMap::new();
    let mut functions: HashMap<(Option<String>, &str), &Command> = HashMap::new();
    // The text that has set each name last.
    let mut setters: HashMap<(Option<String>, String), &str> = HashMap::new();
    let page = LazyCell::new(|| digits(Sha256::new().chain_update(source.text.as_bytes())));
    let mut uses = Vec::new();
    for step in steps {
        // What may end the block before a command is reached: `[ -f lock ] || exit 0`.
        let mut guards: Vec<(usize, &str)> = Vec::new();
        for command in step.commands() {
            let (settings, session) = (step.settings(command.block), &command.session);
            let place = settings.place;
            let (exports, all) = exported.entry(place.clone()).or_default();
            let (mut taken, mut left) = (BTreeSet::new(), MOST_FOLLOWED);
            if !(exports.is_empty() && functions.is_empty()) && command.effect().kind != EffectKind::Looks {
                let mut open = vec![command];
                while let Some(caller) = open.pop().filter(|_| taken.len() <= MOST_TAKEN && left > 0) {
                    for name in &caller.session.calls {
                        let function = functions.get(&(place.clone(), name.as_str())).copied();
                        if let Some(function) = function.filter(|_| taken.insert(name.clone())) {
                            taken.extend(reads(function).take(MOST_TAKEN).map(str::to_string));
                            left = left.saturating_sub(function.session.calls.len());
                            open.push(function);
                        }
                    }
                }
                let is_beyond = left == 0 || are_many(exports) || {
                    taken.extend(exports.iter().cloned());
                    are_many(&taken)
                };
                if is_beyond {
                    taken = BTreeSet::from([EVERYTHING.to_string()]);
                }
            }
            exports.extend(session.exports.iter().cloned());
            if *all || session.exports_all.is_some() {
                exports.extend(command.sets.iter().cloned());
            }
            *all = session.exports_all.unwrap_or(*all);
            let defined = session.sets.iter().filter(|name| name.ends_with("()"));
            functions.extend(defined.map(|name| ((place.clone(), name.as_str()), command)));
            let spelt: Vec<String> = reads(command).chain([DIRECTORY]).map(str::to_string).collect();
            let directory = enters(&command.text).then(|| DIRECTORY.to_string());
            let sets: Vec<String> = command.sets.iter().chain(&session.sets).cloned().chain(directory).collect();
            let setter = |name: &String| match name.as_str() {
                EVERYTHING => Some(page.as_str()),
                _ => setters.get(&(place.clone(), name.clone())).copied(),
            };
            guards.retain(|(block, _)| *block == command.block);
            let mut texts: Vec<&str> = spelt.iter().filter_map(setter).collect();
            // One text may set many names; it stands at one place.
            let mut seen: HashSet<*const u8> = texts.iter().map(|text| text.as_ptr()).collect();
            texts.extend(taken.iter().filter_map(setter).filter(|text| seen.insert(text.as_ptr())));
            let all = texts.iter().chain(guards.iter().map(|(_, guard)| guard));
            let is_long = all.map(|text| text.len()).sum::<usize>() > LONGEST_TAKEN;
            if is_long {
                texts = vec![page.as_str()];
            }
            let mut meant: Vec<String> = texts.into_iter().map(str::to_string).collect();
            meant.extend(place.as_ref().map(|place| format!("in {place}")));
            meant.extend((settings.background == Some(true)).then(|| "in the background".to_string()));
            meant.extend((!command.is_shell()).then(|| format!("language {}", command.language)));
            meant.extend(guards.iter().filter(|_| !is_long).map(|(_, guard)| format!("behind {guard}")));
            meant.dedup();
            guards.extend(ends_its_block(&command.text).then_some((command.block, command.text.as_str())));
            setters.extend(sets.iter().map(|name| ((place.clone(), name.clone()), command.text.as_str())));
            uses.push(SessionUse { place, spelt, taken, sets, meant });
        }
    }
    uses
}

/// Notes what decides what the words of the commands mean. What makes it doubtful that a variable is to be set, or a directory to be
/// entered, is a doubt about the commands that take it as well: both happen without anybody's decision.
fn pass_on(steps: &mut [Step], uses: Vec<SessionUse>) {
    let mut doubtful: HashMap<(Option<String>, String), Arc<Vec<String>>> = HashMap::new();
    let commands = steps.iter_mut().flat_map(Step::commands_mut);
    for (command, SessionUse { place, spelt, taken, sets, meant }) in commands.zip(uses) {
        let at = |name: &str| (place.clone(), name.to_string());
        let said = spelt.iter().chain(&taken).filter_map(|name| doubtful.get(&at(name)));
        let of_setters = nearest(said.flat_map(|said| said.iter()));
        let governs = Arc::make_mut(&mut command.governs);
        (governs.of_setters, governs.meant) = (of_setters, meant);
        let (governs, exports) = (&command.governs, &command.session.exports);
        if sets.is_empty() && exports.is_empty() {
            continue;
        }
        if !governs.is_alternative() && super::accepted::said(governs).is_none() {
            sets.iter().for_each(|name| drop(doubtful.remove(&at(name))));
            continue;
        }
        let all = Arc::new(nearest(
            governs.of_setters.iter().chain(&governs.headings).chain(&governs.under).chain(&governs.before),
        ));
        for name in sets.iter().chain(exports).map(String::as_str).chain([EVERYTHING]) {
            doubtful.insert(at(name), all.clone());
        }
    }
}

/// Whether a command changes the directory.
fn enters(command: &str) -> bool {
    command.split(|c: char| !c.is_alphanumeric()).any(|word| matches!(word, "cd" | "pushd" | "popd"))
}

/// The last ones of some texts, as many bytes as are kept.
fn nearest<'t>(texts: impl DoubleEndedIterator<Item = &'t String>) -> Vec<String> {
    let mut left = NEAREST;
    let kept = texts.rev().map_while(|text| {
        let from = until_char(text, text.len().saturating_sub(left));
        let kept = text.get(from..).filter(|_| left > 0).map(str::to_string);
        left = left.saturating_sub(text.len());
        kept
    });
    let mut kept: Vec<String> = kept.collect();
    kept.reverse();
    kept
}

/// Whether what stands below a command in its block may not be reached.
fn ends_its_block(command: &str) -> bool {
    let words: Vec<&str> = command.split(|c: char| !(c.is_alphanumeric() || "-_".contains(c))).collect();
    let ends = |option: &str| option.starts_with('-') && option.contains(['e', 'o']);
    words.iter().any(|word| matches!(*word, "exit" | "exec" | "return"))
        || words.windows(2).any(|pair| pair[0] == "set" && ends(pair[1]))
}

/// A heading that is open.
#[derive(Debug, Default)]
struct Open {
    level: u8,
    title: String,
    prose: Vec<String>,
    /// What its steps say of stopping there.
    pauses: Vec<String>,
    of_several: bool,
    of_cases: bool,
    /// Whether a command in it does more than look; only noted where it may be about others.
    acts: bool,
}

struct GovernsWalk<'a, 's> {
    source: &'s Source,
    look: &'s PageLook,
    /// What the footnotes say, by their marks.
    notes: HashMap<&'s str, String>,
    commands: std::iter::Peekable<std::vec::IntoIter<&'a mut Command>>,
    above: OpenHeadings<'s, Open>,
    /// The prose of each open item, and whether it is one of several.
    items: Vec<(Vec<String>, bool)>,
    /// Whether this stands below one of several labels that name ways.
    below_label: bool,
    /// Whether the page has one title, which names all of it.
    one_title: bool,
    /// How many texts of the page were looked through for cells of tables.
    cells: usize,
    /// What is said behind the lists that are open of what stands in them.
    behind_lists: Vec<String>,
}

/// Hands what a section that ends says of others on to the one around it.
fn close(closed: Open, _: usize, parent: Option<&mut Open>) {
    let Some(parent) = parent else { return };
    let (of_others, title) = (!closed.acts && is_of_others(&closed.title), phase::strip_number(&closed.title));
    // "Step 1: Get the approval of the DBA"
    let approves = closed.level > 1 && words(title).iter().any(|word| is_among(words!("approvals"), word));
    parent.prose.extend(approves.then(|| title.to_string()));
    if closed.level > 2 && of_others {
        parent.prose.push(title.to_string());
        parent.prose.extend(closed.prose);
    } else if closed.level == 2 && of_others && phase::of_heading(title, RunbookPhase::Other) != RunbookPhase::Escalate
    {
        // A section of the page itself is about every other one: only what it says of conditions counts.
        parent.prose.extend(closed.prose.iter().flat_map(|text| super::accepted::limiting_sentences(text)));
    } else if phase::is_step(&closed.title) {
        // What a step says of going on governs those behind it.
        parent.prose.extend(closed.prose.iter().flat_map(|text| super::accepted::stopping_sentences(text)));
        parent.pauses.extend(closed.prose.iter().flat_map(|text| super::accepted::pausing_sentences(text)));
    }
}

impl GovernsWalk<'_, '_> {
    fn blocks(&mut self, blocks: &[MarkdownBlock]) {
        let [ways, cases] = alternatives(blocks, self.above.details);
        let (below_labels, around) = (below_labels(blocks, &self.source.text), self.below_label);
        for (index, block) in blocks.iter().enumerate() {
            self.below_label = around || below_labels.contains(&index);
            self.cells_above(block);
            self.above.reach(stands_at(block), block.heading().map(|(level, _)| level), |open| open.level, close);
            match block {
                MarkdownBlock::Heading { level, text, span, .. } => {
                    let (of_several, of_cases) =
                        (ways.contains(&index) || self.heads_tab(*span), cases.contains(&index));
                    let (level, title) = (*level, text.clone());
                    // The one title of the page is no part of a decision, but for "(staging only)".
                    let limits = (level == 1 && self.one_title && limits_page(text)).then(|| text.clone());
                    let prose = limits.into_iter().chain(self.noted(*span)).collect();
                    self.above.open.push(Open { level, title, prose, of_several, of_cases, ..Open::default() });
                }
                MarkdownBlock::Paragraph { text, span } => {
                    undated(text).into_iter().chain(self.noted(*span)).for_each(|text| self.prose(text));
                }
                MarkdownBlock::Html { text, .. } => undated(text).into_iter().for_each(|text| self.prose(text)),
                MarkdownBlock::Code(code) => self.code(code, blocks.get(index + 1..).unwrap_or_default()),
                MarkdownBlock::List { start, items } => {
                    let source = self.source;
                    let below = |above, open: &Open| phase::of_heading(&open.title, above);
                    let inner = self.above.open.iter().filter(|open| open.level > 1);
                    let verifies = inner.fold(RunbookPhase::Other, below) == RunbookPhase::Verify;
                    let may_be_cases = start.is_none() && !verifies && items.len() > 1;
                    let has_rest = may_be_cases && items.iter().any(names_rest);
                    let are_cases = may_be_cases && items.iter().filter(|item| names_case(item)).count() > 1;
                    let is_way = |item: &Item| {
                        let first = item.blocks.first().and_then(MarkdownBlock::paragraph);
                        first.is_some_and(|(text, _)| is_way(text)) || admonitions::is_tab(item.span.of(&source.text))
                    };
                    let ways = items.iter().filter(|item| is_way(item)).count();
                    let named: Vec<NamedWay> = items.iter().map(NamedWay::of_item).collect();
                    let is_several = one_of_several(named.iter());
                    // "Only run this on a replica." behind a list is about its commands.
                    let open = self.behind_lists.len();
                    if holds_code(std::slice::from_ref(block), |_| true) {
                        self.behind_lists.extend(speaking_behind(blocks.get(index + 1..).unwrap_or_default()));
                    }
                    for (item, name) in items.iter().zip(&named) {
                        let of_several = ways > 1 && is_way(item) || is_several(name);
                        let labelled = self.below_label;
                        self.below_label = labelled || has_rest || are_cases && names_case(item);
                        self.items.push((Vec::new(), of_several));
                        self.blocks(&item.blocks);
                        self.below_label = labelled;
                        let (said, _) = self.items.pop().unwrap_or_default();
                        // An item without a command may say something about the next ones, and about what stands below the list;
                        // one with a command says there: "If it is above 30 s, stop here."
                        let holds = holds_code(&item.blocks, |_| true);
                        for text in said {
                            if let Some(open) = self.above.open.last_mut().filter(|_| holds) {
                                open.pauses.extend(super::accepted::pausing_sentences(&text));
                            }
                            let handed = if holds { super::accepted::doubtful_sentences(&text) } else { vec![text] };
                            handed.into_iter().for_each(|text| self.prose(text));
                        }
                    }
                    self.behind_lists.truncate(open);
                }
                MarkdownBlock::Comment(_) => {}
            }
        }
        self.below_label = around;
    }

    /// What cells of tables above a block say of when something is to be done governs what stands behind them. Commands in a table
    /// have their rows.
    fn cells_above(&mut self, block: &MarkdownBlock) {
        let (look, begin) = (self.look, stands_at(block));
        let texts = look.texts.get(self.cells..).unwrap_or_default();
        let above = texts.get(..texts.partition_point(|text| text.span.start < begin)).unwrap_or_default();
        self.cells += above.len();
        let in_table = matches!(block, MarkdownBlock::Code(code) if code.row.is_some());
        let says = |text: &&PageText| !in_table && text.kind == TextKind::Cell && says_when(&text.body.text);
        above.iter().filter(says).for_each(|cell| self.prose(fold(&cell.body.text)));
    }

    /// Whether a heading is the title of a tab: `### [Helm](#tab/helm)`.
    fn heads_tab(&self, heading: Span) -> bool {
        let links = &self.look.links;
        let behind = links.get(links.partition_point(|link| link.span.start < heading.start)..).unwrap_or_default();
        behind.first().is_some_and(|link| link.span.start < heading.end && link.target.starts_with("#tab/"))
    }

    /// What the footnotes say of which a heading or a paragraph has marks, up to the end of its last line: `Empty the tube[^1]`.
    fn noted(&self, part: Span) -> Vec<String> {
        static MARK: TextPattern = TextPattern::new(r"\[\^[^\]\s]+\]");
        if self.notes.is_empty() {
            return Vec::new();
        }
        let text = &self.source.text;
        let end = text.get(part.end..).and_then(|rest| rest.find('\n')).map_or(text.len(), |width| part.end + width);
        let marks = MARK.find_iter(Span::new(part.start, end).of(text)).take(MOST_NOTES);
        marks.filter_map(|mark| self.notes.get(mark.as_str()).cloned()).collect()
    }

    fn prose(&mut self, text: String) {
        match (self.items.last_mut(), self.above.open.last_mut()) {
            (Some((prose, _)), _) => prose.push(text),
            (None, Some(open)) => open.prose.push(text),
            (None, None) => {}
        }
    }

    /// `rest` is what stands behind the block.
    fn code(&mut self, code: &MarkdownCode, rest: &[MarkdownBlock]) {
        let lines = code.body.lines().map(|(line, span)| (code.body.origin(span.start), line.trim()));
        let (comments, others): (Vec<_>, Vec<_>) =
            lines.filter(|(_, line)| !line.is_empty()).partition(|(_, line)| line.starts_with('#'));
        let first = others.first().map_or(usize::MAX, |(place, _)| *place);
        let is_numbered = |(_, line): &(usize, &str)| phase::is_step(line.trim_start_matches('#').trim_start());
        let numbered: Vec<bool> = comments.iter().map(is_numbered).collect();
        let platforms: HashSet<String> = comments.iter().filter_map(|(_, line)| platform(line)).collect();
        let begins_with_or = super::accepted::begins_with_or;
        let behind = said_behind(rest);
        let has_another =
            self.below_label || platforms.len() > 1 || behind.first().is_some_and(|(text, _)| begins_with_or(text));
        let behind = behind.into_iter().chain(cells_behind(self.look, code).map(|cell| (cell, false)));
        let speaking = behind.filter(|(text, leads)| speaks_of_above(text, *leads)).map(|(text, _)| text);
        let level = self.above.open.last().map_or(0, |open| open.level);
        let below = code.unread.is_none().then(|| said_below(rest, level)).flatten();
        let of_lists = self.behind_lists.iter().map(String::as_str);
        let behind: Vec<String> = speaking.chain(below.into_iter().flatten()).chain(of_lists).map(fold).collect();
        let mut above_prompts: Option<Vec<String>> = None;
        while let Some(command) = self.commands.next_if(|command| command.written.origin(0) < code.span.end) {
            let at = command.written.origin(0);
            let quiet = self.above.open.iter_mut().filter(|open| !open.acts && is_of_others(&open.title));
            quiet.for_each(|open| open.acts = command.effect().kind != EffectKind::Looks);
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
            let end = command.written.place(Span::new(0, command.text.len())).end;
            let tail = self.source.text.get(end..).and_then(|rest| rest.lines().next()).unwrap_or_default();
            let tail = tail.find('#').and_then(|sign| tail.get(sign..));
            // Of a long line no more than is kept of it, with room for blanks.
            let tail = tail.and_then(|tail| tail.get(until_char(tail, tail.len().saturating_sub(4 * NEAREST))..));
            let row = code.row.iter().map(|row| fold(&row.whole)).chain(language::title(&code.info).map(fold));
            let row = row.chain(runme::limits(&code.info));
            let row = row.chain(above_prompts.get_or_insert_with(|| said_above_prompts(code, at)).iter().cloned());
            let said = row.chain(said.into_iter().rev().map(fold)).chain(tail.map(fold));
            // `# ^ never in production` is about what stands between the comment before it and itself, as is `# Or with Docker`.
            let below = comments.get(above).map(|(_, line)| *line);
            let points_up = |line: &&str| line.trim_start_matches(['#', ' ']).starts_with(['^', '↑', '⬆']);
            let said: Vec<String> =
                said.chain(below.filter(points_up).map(fold)).chain(behind.iter().cloned()).collect();
            let has_another = has_another || below.is_some_and(begins_with_or);
            command.governs = Arc::new(Governs { has_another, ..self.governs(said) });
        }
    }

    fn governs(&self, said: Vec<String>) -> Governs {
        let prose = self.above.open.iter().flat_map(|open| &open.prose);
        let items = || self.items.iter().flat_map(|(prose, _)| prose);
        let own = self.above.open.last().map_or(0, |open| open.prose.len()) + items().count() + said.len();
        let above: Vec<&String> = prose.chain(items()).collect();
        let named = self.above.open.iter().filter(|open| open.level > 1 || open.level == 1 && !self.one_title);
        let headings: Vec<String> = named.map(|open| open.title.clone()).collect();
        let mut place: Vec<String> = headings.iter().map(|title| phase::strip_number(title).to_string()).collect();
        place.extend(nearest(above.iter().copied()));
        let (under, place) = (nearest(above.into_iter().chain(&said)), place.join("\n"));
        let of_several =
            self.above.open.iter().any(|open| open.of_several) || self.items.iter().any(|(_, several)| *several);
        let of_cases = self.above.open.iter().any(|open| open.of_cases);
        let before = nearest(self.above.open.iter().flat_map(|open| &open.pauses));
        Governs { headings, under, own, place, before, of_several, of_cases, ..Governs::default() }
    }
}

/// What a block says in words above the first command that has a prompt, and is neither typed nor a comment: "On the standby:".
fn said_above_prompts(code: &MarkdownCode, first: usize) -> Vec<String> {
    let lines = || code.body.lines().map(|(line, span)| (line, code.body.origin(span.start)));
    let prompt = lines().find_map(|(line, start)| line.get(..first.checked_sub(start)?)).map(str::trim);
    let Some(prompt) = prompt.filter(|prompt| !prompt.is_empty()) else { return Vec::new() };
    let above = lines().take_while(|(line, start)| start + line.len() < first).map(|(line, _)| fold(line));
    let said: Vec<String> =
        above.filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with(prompt)).collect();
    nearest(said.iter())
}

/// Whether a block of code, one of these, stands among some blocks.
fn holds_code(blocks: &[MarkdownBlock], is_one: fn(&MarkdownCode) -> bool) -> bool {
    blocks.iter().any(|block| match block {
        MarkdownBlock::Code(code) => code.unread.is_none() && is_one(code),
        MarkdownBlock::List { items, .. } => items.iter().any(|item| holds_code(&item.blocks, is_one)),
        _ => false,
    })
}

/// What paragraphs and lists say up to the next block or heading, each with whether it leads to that block: "Where only one is left, restart it:"
fn said_behind(blocks: &[MarkdownBlock]) -> Vec<(&str, bool)> {
    let is_code = |block: &MarkdownBlock| matches!(block, MarkdownBlock::Code(_));
    let ends = |block: &MarkdownBlock| {
        is_code(block) || block.heading().is_some() || holds_code(std::slice::from_ref(block), |_| true)
    };
    let end = blocks.iter().position(ends).unwrap_or(blocks.len());
    let said = blocks.iter().take(end).enumerate().flat_map(|(at, block)| match block {
        MarkdownBlock::Paragraph { text, .. } => {
            let leads = at + 1 == end && text.ends_with(':') && blocks.get(end).is_some_and(is_code);
            vec![(text.as_str(), leads)]
        }
        MarkdownBlock::List { items, .. } => items.iter().flat_map(|item| said_behind(&item.blocks)).collect(),
        // The word of an alert.
        MarkdownBlock::Html { text, .. } if is_among("warning caution danger", &text.to_lowercase()) => {
            vec![(text.as_str(), false)]
        }
        _ => Vec::new(),
    });
    said.collect()
}

/// What is said up to the next block or heading of what stands above it.
fn speaking_behind(blocks: &[MarkdownBlock]) -> impl Iterator<Item = String> {
    said_behind(blocks).into_iter().filter(|(text, leads)| speaks_of_above(text, *leads)).map(|(text, _)| fold(text))
}

/// What the cells of tables say behind a block that has a fence, up to the next one or a heading.
fn cells_behind<'l>(look: &'l PageLook, code: &MarkdownCode) -> impl Iterator<Item = &'l str> {
    let (begin, is_block) = (code.span.end, code.unread.is_none());
    let next = look.fences.get(look.fences.partition_point(|fence| fence.span.start < begin));
    let end = next.map_or(usize::MAX, |fence| fence.span.start);
    let texts = look.texts.get(look.texts.partition_point(|text| text.span.start < begin)..).unwrap_or_default();
    let texts =
        texts.iter().take_while(move |text| is_block && text.span.start < end && text.kind != TextKind::Heading);
    texts.filter(|text| text.kind == TextKind::Cell).map(|cell| cell.body.text.as_str())
}

/// What a section right below that of a block says of when others are for: `#### When to do this`.
fn said_below(rest: &[MarkdownBlock], level: u8) -> Option<Vec<&str>> {
    let is_code = |block: &MarkdownBlock| holds_code(std::slice::from_ref(block), |_| true);
    let begin = rest.iter().position(|block| block.heading().is_some() || is_code(block))?;
    let (first, section) = rest.get(begin..)?.split_first()?;
    let (_, title) = first.heading().filter(|(own, title)| *own > level && is_of_others(title))?;
    let section = section.split(|block| block.heading().is_some()).next().unwrap_or_default();
    let said = said_behind(section).into_iter().map(|(text, _)| text);
    (!section.iter().any(is_code)).then(|| [title].into_iter().chain(said).collect())
}

/// What the footnotes of a page say, by their marks: `[^1]`.
fn footnotes(source: &str) -> HashMap<&str, String> {
    static BEGINS: TextPattern = TextPattern::new(r"(?m)^ {0,3}(\[\^[^\]\s]+\]):");
    let said = |begin: usize| {
        let lines = source.get(begin..).unwrap_or_default().lines().enumerate();
        let goes_on = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with("[^");
        let lines: Vec<&str> = lines.take_while(|(at, line)| *at == 0 || goes_on(line)).map(|(_, line)| line).collect();
        beginning(&fold(&lines.join(" ")), NEAREST).to_string()
    };
    BEGINS.captures_iter(source).filter_map(|mark| Some((mark.get(1)?.as_str(), said(mark.get(0)?.end())))).collect()
}

/// A text without when, or by whom, the page was looked at last: `Last reviewed 2026-09-14 by Ann`. `None` where it says nothing else.
fn undated(text: &str) -> Option<String> {
    static REVIEWED: TextPattern = TextPattern::new(words!("reviewed"));
    match REVIEWED.replace_all(text, "") {
        Cow::Borrowed(text) => Some(fold(text)),
        Cow::Owned(text) => Some(fold(&text)).filter(|text| text.contains(char::is_alphanumeric)),
    }
}

/// Whether a text behind a block says when the block is for: "Do the above only if …", "Only run this on a replica.", "That is for old plans only."
/// One that `leads` to the next block may say it of that.
fn speaks_of_above(text: &str, leads: bool) -> bool {
    static SAYS: TextPattern = TextPattern::new(words!("speaks of above"));
    // "This must only be done on the standby.", "(Not in production.)"
    static LIMITS: TextPattern = TextPattern::new(words!("limits above"));
    static REMARKS: TextPattern = TextPattern::new(words!("remarks"));
    // "Needed only for EU.", "Warning: do not run during the backup.", "Skip if it is Ready."
    static NOTES: TextPattern = TextPattern::new(words!("notes above"));
    // "It only takes a minute."
    static OF_EFFECT: TextPattern = TextPattern::new(words!("notes of effect"));
    let said = |text: &str| format!(" {} ", words(text).join(" "));
    let (whole, mut parts) = (said(text), sentences(text).into_iter().map(said).filter(|_| !leads));
    SAYS.is_match(&whole)
        || LIMITS.is_match(&whole) && !REMARKS.is_match(&whole)
        || parts.any(|part| NOTES.is_match(&part) && !OF_EFFECT.is_match(&part))
}

/// What the front matter says of a page that is not to be followed: `status: withdrawn`.
fn withdrawn(source: &str) -> Option<String> {
    static STATUS: TextPattern = TextPattern::new(words!("status"));
    STATUS.captures(source).and_then(|found| found.get(1)).map(|status| fold(status.as_str()))
}

/// Whether the title of a page says that it is for some cases only, or not to be followed: `The queue hangs (staging only)`.
fn limits_page(title: &str) -> bool {
    static LIMITS: TextPattern = TextPattern::new(words!("limits in titles"));
    LIMITS.is_match(title)
}

/// Whether an item is one of several cases, where others are so too: a block below a few words that ask for nothing, `Held by reporting:`.
fn names_case(item: &Item) -> bool {
    let Some((text, _)) = item.blocks.first().and_then(MarkdownBlock::paragraph) else { return false };
    let is_short = words(text).len() <= 5 && !text.trim_end().ends_with(['.', '!']);
    let asks = phase::is_step(text) || phase::is_order(text, words!("orders of titles"));
    is_short && !asks && !item.is_task && holds_code(&item.blocks, |_| true)
}

/// Whether an item is what is left when the other cases are none: `Neither:`.
fn names_rest(item: &Item) -> bool {
    let first = item.blocks.first().and_then(MarkdownBlock::paragraph).and_then(|(text, _)| words_of(text).next());
    first.is_some_and(|first| is_among(words!("rest of cases"), &first.to_lowercase()))
        && holds_code(&item.blocks, |_| true)
}

/// Whether a label names how bad it is: `SEV1`, `P2`.
fn is_severity(label: &str) -> bool {
    static SEVERITY: TextPattern = TextPattern::new(r"(?i)^\W*(?:sev(?:erity)?[\s-]?[0-9]|p[0-4])\b");
    SEVERITY.is_match(label)
}

/// Whether a section says when those behind it are for: *When to use this*, *Prerequisites*, *Before you begin*.
fn is_of_others(title: &str) -> bool {
    words(phase::strip_number(title)).first().is_some_and(|first| is_among(words!("of other sections"), first))
}

/// Headings that name ways, and those that name causes or cases: each with others of its level below the same heading that do so too.
fn alternatives(blocks: &[MarkdownBlock], details: &[(usize, bool)]) -> [HashSet<usize>; 2] {
    let heading = |at: usize| blocks.get(at).and_then(MarkdownBlock::heading).unwrap_or((0, ""));
    let mut siblings: HashMap<(Option<usize>, u8), Vec<usize>> = HashMap::new();
    // Those that are open, each with its phase; those below which a label says that each is a case of its own; those with commands.
    let mut above = OpenHeadings::<(usize, RunbookPhase)>::new(details);
    let (mut labelled, mut holding) = (HashSet::<usize>::new(), HashSet::<usize>::new());
    let is_typed = |code: &MarkdownCode| language::of_tag(&language::tag(&code.info)) != language::BlockLanguage::Data;
    for (index, block) in blocks.iter().enumerate() {
        let level = block.heading().map(|(level, _)| level);
        above.reach(stands_at(block), level, |(open, _)| heading(*open).0, |_, _, _| {});
        let (parent, inherited) = above.open.last().copied().unzip();
        labelled.extend(parent.filter(|_| labels_case(block)));
        // All of what verifies is to be looked at.
        if inherited != Some(RunbookPhase::Verify) && holds_code(std::slice::from_ref(block), is_typed) {
            holding.extend(above.open.iter().map(|(open, _)| *open));
        }
        if let Some((level, title)) = block.heading() {
            siblings.entry((parent, level)).or_default().push(index);
            // The title of the page names no phase.
            let named = (level > 1).then(|| phase::of_heading(title, inherited.unwrap_or_default()));
            above.open.push((index, named.unwrap_or_default()));
        }
    }
    let mut found = [HashSet::new(), HashSet::new()];
    for ((parent, own), all) in siblings.into_iter().filter(|((_, level), _)| *level > 1) {
        let (level, above) = parent.map_or((0, ""), heading);
        let below_cases = level > 1 && is_of_cases(above);
        let names_case = |at: &usize| !phase::is_only_a_phase(heading(*at).1);
        // "Step 1: Look at the log" below "Fixing errors".
        let is_part = |title: &str| {
            phase::is_step(title) && words(title).first().is_some_and(|first| is_among("step phase stage", first))
        };
        let mut note = |kind: usize, is_one: &dyn Fn(&usize) -> bool, is_other: &dyn Fn(&usize) -> bool| {
            if all.iter().filter(|at| is_one(at) || is_other(at)).count() > 1 {
                found[kind].extend(all.iter().copied().filter(is_one));
            }
        };
        let (none, is_named) = (|_: &usize| false, |at: &usize| holding.contains(at) && names_case(at));
        note(0, &|at| is_way(heading(*at).1), &none);
        note(1, &|at| labelled.contains(at) && names_case(at), &is_named);
        note(1, &|at| below_cases && names_case(at) && !is_part(heading(*at).1), &none);
        note(1, &|at| is_named(at) && is_trouble(heading(*at).1) && !is_part(heading(*at).1), &none);
        // "API key" and "Password" below one heading are things or cases, "Rotate the key" is something to do.
        let asks = |title: &str| phase::is_step(title) || phase::is_imperative(title);
        note(1, &|at| own > 2 && is_named(at) && !asks(heading(*at).1), &none);
    }
    found
}

/// The blocks below labels that name ways, platforms or cases, where a section has several: `**Docker Compose:**`, `**Kubernetes:**`; the
/// same without stars, where they name platforms; and tabs.
fn below_labels(blocks: &[MarkdownBlock], source: &str) -> HashSet<usize> {
    let names = |block: &MarkdownBlock| {
        let is_tab = match block {
            MarkdownBlock::Paragraph { text, .. } | MarkdownBlock::Html { text, .. } => opens_tab(text),
            // `bash [Helm]`
            MarkdownBlock::Code(code) => {
                language::title(&code.info).is_some_and(|title| code.info.contains(&format!("[{title}]")))
            }
            _ => false,
        };
        if is_tab {
            return Some(NamedWay::Way);
        }
        // `<details><summary>Primary hangs</summary>`
        if let MarkdownBlock::Html { text, at } = block {
            let is_summary = source.get(..*at).is_some_and(|above| above.trim_end().ends_with("</summary>"));
            return is_summary.then(|| NamedWay::of(text));
        }
        let (text, span) = block.paragraph()?;
        match bold::label(source, text, span).filter(|label| label.alone) {
            Some(label) if is_way(label.text) || platform(label.text).is_some() => Some(NamedWay::Way),
            Some(label) => Some(NamedWay::of(label.text)),
            None => {
                Some(NamedWay::of(text)).filter(|name| matches!(name, NamedWay::Platform(_)) && text.ends_with(':'))
            }
        }
    };
    let (mut found, mut begin) = (HashSet::new(), 0);
    for section in blocks.chunk_by(|_, next| next.heading().is_none()) {
        let labels: Vec<Option<NamedWay>> = section.iter().map(names).collect();
        let is_several = one_of_several(labels.iter().flatten());
        let mut below = false;
        for (index, label) in labels.iter().enumerate() {
            // A platform alone ends nothing, and HTML neither.
            let is_html = matches!(section.get(index), Some(MarkdownBlock::Html { .. }));
            let keeps = |label: &NamedWay| below && (is_html || matches!(label, NamedWay::Platform(_)));
            below = label.as_ref().map_or(below, |label| is_several(label) || keeps(label));
            found.extend(below.then_some(begin + index));
        }
        begin += section.len();
    }
    found
}

/// What a label or an item names.
#[derive(Debug, Clone, PartialEq, Eq)]
enum NamedWay {
    /// A way, by a word such as "Option", or a tab.
    Way,
    /// A platform, by its name.
    Platform(String),
    /// A case: `Service down`.
    Case,
    Other,
}

impl NamedWay {
    /// By what stands before a colon, or behind a word such as "with": `Docker Compose: restart it`, `On Kubernetes, roll it back`.
    fn of(text: &str) -> NamedWay {
        let label = text.split(':').next().unwrap_or_default();
        let (few, leads) = (
            words(label).len() <= 3,
            words(text).first().is_some_and(|first| is_among(words!("before platforms"), first)),
        );
        match platform(label).filter(|_| few && label.len() < text.len() || leads) {
            Some(platform) => NamedWay::Platform(platform),
            None if is_trouble(label) || is_severity(label) => NamedWay::Case,
            None => NamedWay::Other,
        }
    }

    fn of_item(item: &Item) -> NamedWay {
        let first = item.blocks.first().and_then(MarkdownBlock::paragraph);
        first.map_or(NamedWay::Other, |(text, _)| NamedWay::of(text))
    }
}

/// Whether others of these make one of them one of several.
fn one_of_several<'n>(names: impl Iterator<Item = &'n NamedWay> + Clone) -> impl Fn(&NamedWay) -> bool {
    let mut platforms = HashSet::new();
    let is_way = |name: &&'n NamedWay| match name {
        NamedWay::Way => true,
        NamedWay::Platform(platform) => platforms.insert(platform),
        NamedWay::Case | NamedWay::Other => false,
    };
    let cases = names.clone().filter(|name| **name == NamedWay::Case).count();
    let ways = names.filter(is_way).count();
    move |name| match name {
        NamedWay::Way | NamedWay::Platform(_) => ways > 1,
        NamedWay::Case => cases > 1,
        NamedWay::Other => false,
    }
}

/// Whether a text opens a tab of a generator of sites: `{% tab title="Helm" %}`, `{{< tab "Helm" >}}`, `:::{tab-item} Helm`, `<TabItem label="Helm">`.
/// What opens all of them may stand before it.
fn opens_tab(text: &str) -> bool {
    static TAB: TextPattern = TextPattern::new(words!("tabs"));
    TAB.is_match(text)
}

/// Whether a title or a label names what is wrong, and asks for nothing: `Service down`, `2. Pool exhausted`.
fn is_trouble(title: &str) -> bool {
    let bare = phase::strip_number(title);
    let words = words(bare);
    let says = words.iter().any(|word| is_among(words!("trouble"), word))
        || words.last().is_some_and(|last| is_among(words!("trouble at the end"), last));
    // "Mitigating high latency" names a phase, "Rollback failed" a case.
    let is_phase = phase::of_heading(title, RunbookPhase::Other) != RunbookPhase::Other
        && !words.last().is_some_and(|last| is_among(words!("ended"), last));
    says && !is_phase
        && words.len() <= 6
        && !words.iter().any(|word| word == "availability")
        && !phase::is_order(bare, words!("orders of titles"))
        && !phase::is_only_a_phase(title)
}

/// The platform that a label or a comment is for: `For EKS:`, `# Docker Compose: more replicas`.
fn platform(text: &str) -> Option<String> {
    let first = words(text).into_iter().find(|word| !is_among(words!("before platforms"), word));
    first.filter(|word| is_among(words!("platforms"), word))
}

/// Whether a block is a label of what is said of one cause: `**Symptoms:** …`, `- Root cause: …`, a heading `Alert`.
fn labels_case(block: &MarkdownBlock) -> bool {
    match block {
        MarkdownBlock::Heading { text, .. } | MarkdownBlock::Paragraph { text, .. } => {
            let words = words(text.split(':').next().unwrap_or_default());
            words.len() <= 3 && words.last().is_some_and(|word| is_among(words!("labels of cases"), word))
        }
        MarkdownBlock::List { items, .. } => items.iter().any(|item| item.blocks.first().is_some_and(labels_case)),
        _ => false,
    }
}

/// Whether each section below a heading is about another cause or case: *Common issues*, *Failure scenarios*.
fn is_of_cases(title: &str) -> bool {
    let title = phase::strip_number(title);
    let words = words(title);
    let is_case = |word: &String| is_among(words!("cases"), word);
    let of_some = words.first().is_some_and(|first| is_among(words!("some"), first)) && words.iter().any(is_case);
    !phase::is_imperative(title) && (of_some || words.last().is_some_and(is_case))
}

/// Whether a heading or an item names a way or a case: `Option A`, `If the disk is full`, `Using helm`.
fn is_way(text: &str) -> bool {
    let first = words_of(phase::strip_number(text)).next();
    let is_letter =
        |word: &str| word.len() == 1 && word != "I" && text.trim_start().get(1..2).is_some_and(|c| ".):".contains(c));
    let is_fix = |word: &str| {
        let cures = || words(text).iter().any(|word| is_among(words!("cures"), word));
        is_among(words!("kinds of fixes"), &word.to_lowercase()) && cures()
    };
    first.is_some_and(|word| is_among(words!("ways"), &word.to_lowercase()) || is_letter(word) || is_fix(word))
}
