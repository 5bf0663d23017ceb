//! What guards a command that destroys: a word of warning, a condition, a question, a look or a backup before it.

use super::LintPage;
use super::destructive::{DestroyedByCall, is_client, is_scratch, is_wide};
use super::page::begin;
use super::words::holds;
use crate::programs::{self, EffectKind, StandardInput, Word};
use crate::runbook::Step;
use crate::runbook::look::{Fence, PageCall};
use crate::source::{Span, TextPattern, beginning};
use std::cell::Cell;
use std::collections::HashMap;

/// Signs that do.
const SIGNS: [char; 7] = ['⚠', '🚨', '❗', '‼', '☠', '🛑', '⛔'];
/// Alerts of GitHub.
static ALERTS: TextPattern = TextPattern::new(r"\[!(?:WARNING|CAUTION|IMPORTANT|DANGER)\]");
/// How far behind a command, and into it, comments are looked for, in bytes: a page may be one line.
const NEAR: usize = 1000;
/// Names of more parts than this are taken apart, but not put together again in every way.
const MOST_PARTS: usize = 12;

/// What guards the commands of a page: looked for once, so that each of them costs some searches in it.
#[derive(Debug)]
pub(super) struct Guards<'a> {
    /// What each text of the page says.
    texts: Vec<Warnings>,
    /// Where alerts stand, in order.
    alerts: Vec<Span>,
    /// For each fence where its lines begin, and what comments above each say.
    comments: Vec<Vec<(usize, Warnings)>>,
    /// For each variable of the page, whether all of its values were made by it, or have a name that says that nobody will miss
    /// the thing; and whether they were, or are too narrow for harm.
    variables: HashMap<&'a str, (bool, bool)>,
    /// What stands before commands first.
    before: HashMap<(Scope, Guard<'a>), usize>,
    /// The block that was asked for last, by its first byte, and whether words around it guard it.
    last: Cell<Option<(usize, bool)>>,
}

/// What a text says to whoever is about to destroy something.
#[derive(Debug, Clone, Copy, Default)]
struct Warnings {
    warns: bool,
    asks: bool,
    listed: bool,
}

/// What a command is worth to those behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Guard<'a> {
    /// A question or a backup.
    Always,
    /// A look at what has this name, or a copy of it.
    Look(&'a str),
    /// A question to a database with this name in it.
    Query(&'a str),
}

/// Where a command counts for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Scope {
    /// In this step, by its address.
    Step(*const Step),
    /// In the section with this beginning.
    Section(Option<usize>),
}

impl Warnings {
    fn of(text: &str) -> Warnings {
        let warns = holds(text, phrases!("warns")) || text.contains(SIGNS);
        Warnings { warns, asks: holds(text, phrases!("asks")), listed: holds(text, phrases!("listed")) }
    }
}

impl<'a> Guards<'a> {
    pub fn of(page: &LintPage<'a>) -> Guards<'a> {
        let alerts = ALERTS.find_iter(&page.source.text).map(|alert| Span::new(alert.start(), alert.end())).collect();
        let texts = page.look.texts.iter().map(|text| Warnings::of(&text.body.text)).collect();
        let comments = page.look.fences.iter().map(|fence| comments(page, fence)).collect();
        let (variables, last) = (HashMap::new(), Cell::default());
        let mut guards = Guards { texts, alerts, comments, variables, before: HashMap::new(), last };
        for command in page.commands() {
            guards.assignments(&command.command.text);
            let scopes = scopes(page, command.step, begin(command));
            for call in command.calls() {
                let at = command.place(call.span).start;
                for known in before(call) {
                    for scope in scopes {
                        guards.before.entry((scope, known)).or_insert(at);
                    }
                }
            }
        }
        guards
    }

    /// Notes the values that a command gives variables.
    fn assignments(&mut self, text: &'a str) {
        let words = text.split(|c: char| c.is_whitespace() || matches!(c, ';' | '&' | '|'));
        for (name, value) in words.filter_map(|word| word.trim_start_matches('(').split_once('=')) {
            let value = value.trim_matches(['"', '\'']);
            let made = value.contains("mktemp") || is_scratch(value);
            let narrow = made || !value.contains('$') && !is_wide(value);
            let all = self.variables.entry(name).or_insert((made, narrow));
            *all = (all.0 && made, all.1 && narrow);
        }
    }

    /// Whether words around a place of the file warn of it.
    pub fn by_words(&self, page: &LintPage<'_>, at: Span) -> bool {
        let fences = &page.look.fences;
        let index = fences.partition_point(|fence| fence.span.start <= at.start).checked_sub(1);
        let fence = index.and_then(|index| fences.get(index).zip(self.comments.get(index)));
        let fence = fence.filter(|(fence, _)| at.start < fence.span.end);
        let block = fence.map_or(at, |(fence, _)| fence.span);
        let last = self.last.get().filter(|(start, _)| *start == block.start);
        let by_block = last.map_or_else(|| self.by_texts(page, block), |(_, guarded)| guarded);
        self.last.set(Some((block.start, by_block)));
        by_block || fence.is_some_and(|(fence, comments)| by_comments(page, fence, comments, at))
    }

    /// Whether the texts around a block warn of what is in it: those of its section up to the one behind it, and those at
    /// the beginning of the sections around it.
    fn by_texts(&self, page: &LintPage<'_>, block: Span) -> bool {
        let (texts, headings) = (&page.look.texts, &page.look.headings);
        let begun = |at: usize| texts.partition_point(|text| text.span.start < at);
        let first_of = |region: Span, until: usize| {
            let until = begun(region.end.min(until));
            self.texts.get(begun(region.start).min(until)..until).unwrap_or_default()
        };
        let above = headings.partition_point(|heading| heading.span.start <= block.start);
        let around =
            headings.iter().enumerate().take(above).rev().filter(|(_, heading)| block.start < heading.section_end);
        let mut asked = false;
        let regions = around.enumerate().map(|(number, (index, heading))| {
            // The title of the page names what is wrong: "Labels do not come out".
            let is_title = index == 0 && heading.level == 1;
            asked |= !is_title && self.texts.get(begun(heading.span.start)).is_some_and(|said| said.asks);
            // Its own section may hold details with headings.
            let next = headings.get(if number == 0 { above } else { index + 1 });
            let begin = if is_title { heading.span.end } else { heading.span.start };
            Span::new(begin, next.map_or(heading.section_end, |next| next.span.start))
        });
        let mut regions: Vec<Span> = regions.collect();
        if regions.is_empty() {
            regions.push(Span::new(0, headings.first().map_or(page.source.text.len(), |first| first.span.start)));
        }
        let own = regions.first().copied().unwrap_or_default();
        let behind = texts.get(begun(block.end)).map_or(block.end, |text| text.span.end);
        let alert = |region: &Span| {
            let next = self.alerts.get(self.alerts.partition_point(|alert| alert.start < region.start));
            next.is_some_and(|alert| alert.end <= region.end.min(behind))
        };
        let warned = |region: &Span| first_of(*region, behind).iter().any(|said| said.warns) || alert(region);
        let before = first_of(own, block.start);
        asked
            || before.last().is_some_and(|said| said.asks)
            || before.iter().any(|said| said.listed)
            || regions.iter().any(warned)
    }

    /// Whether the name of the thing says that nobody will miss it, or the page gives the variable such a name.
    pub fn is_own(&self, harm: &DestroyedByCall) -> bool {
        if !harm.target.starts_with("pvc/") && is_scratch(&harm.target) {
            return true;
        }
        let target = harm.target.trim_matches('"');
        // A variable that the page sets is what it is set to.
        let name = target.strip_prefix('$').map(|name| name.trim_matches(['{', '}', '\\']));
        let name = name.and_then(|name| name.split(|c: char| !c.is_alphanumeric() && c != '_').next());
        let value = name.and_then(|name| self.variables.get(name));
        value.is_some_and(|(made, narrow)| *made || !harm.sql && *narrow)
    }

    /// A question, a backup, or a look at the same thing, before it and in the same step or section.
    pub fn by_commands(&self, page: &LintPage<'_>, step: &Step, at: usize, harm: &DestroyedByCall) -> bool {
        let target = harm.target.trim_matches(['"', '\'', '*', '/']);
        scopes(page, step, at).into_iter().any(|scope| {
            let query = harm.sql.then_some(Guard::Query(target));
            let mut known = [Guard::Always, Guard::Look(target)].into_iter().chain(query);
            known.any(|known| self.before.get(&(scope, known)).is_some_and(|known| *known < at))
        })
    }
}

fn scopes(page: &LintPage<'_>, step: &Step, at: usize) -> [Scope; 2] {
    [Scope::Step(step), Scope::Section(page.look.section(at).map(|heading| heading.span.start))]
}

/// What a call is worth to those behind it.
fn before<'a>(call: &PageCall<'a>) -> Vec<Guard<'a>> {
    let program = call.words.first().copied().unwrap_or_default();
    let named = || call.words.iter().skip(1).copied().flat_map(names);
    let tries = call.words.iter().any(|word| word.starts_with("--dry-run") || *word == "--dryrun");
    // Also behind `docker exec` and the like.
    let words = &call.words;
    let keeps = || (0..words.len()).any(|at| words.get(at..).is_some_and(|rest| programs::keeps(rest).is_some()));
    let mut known = Vec::new();
    known.extend((program == "read" || tries || keeps()).then_some(Guard::Always));
    known.extend(call.words.starts_with(&["docker", "system", "df"]).then_some(Guard::Look("prune")));
    let fixed = || words.iter().map(|word| Word::fixed(*word)).collect::<Vec<Word>>();
    let looks = || programs::of_call(&fixed(), StandardInput::Nothing).kind == EffectKind::Looks;
    if phrases!("copies").contains(&program) || matches!(program, "test" | "[") || looks() {
        known.extend(named().map(Guard::Look));
    }
    // `SELECT pg_terminate_backend(…)` does something.
    let asks = |word: &&str| {
        let word = word.to_uppercase();
        word.contains("SELECT") && !word.contains("PG_TERMINATE") && !word.contains("PG_CANCEL")
    };
    if is_client(program) && call.words.iter().any(asks) {
        known.extend(named().map(Guard::Query));
    }
    known
}

/// The names that a word may hold: its parts, and those that stand beside each other together. `var/lib/x` and `x` are both
/// names in `if=/var/lib/x/y`, `jobs` is one in `public.jobs`, and `app` in `app*`.
fn names(word: &str) -> Vec<&str> {
    let parts =
        word.split(|c: char| c.is_whitespace() || "/\"'`,;()=:[].*?".contains(c)).filter(|part| !part.is_empty());
    let parts: Vec<Span> = parts.map(|part| Span::of_part(word, part)).collect();
    let together = if parts.len() > MOST_PARTS { 1 } else { parts.len() };
    let from = |index: usize| parts.iter().skip(index).take(together);
    let all =
        parts.iter().enumerate().flat_map(|(index, one)| from(index).map(move |last| Span::new(one.start, last.end)));
    all.map(|span| span.of(word)).collect()
}

/// Where the lines of a block begin, and what comments above each say: those that warn count for all behind them, one that
/// asks for what is up to the next one. Comments above each other are one.
fn comments(page: &LintPage<'_>, fence: &Fence) -> Vec<(usize, Warnings)> {
    let (mut at, mut said, mut joins) = (fence.span.start, Warnings::default(), false);
    let lines = page.text(fence.span).split_inclusive('\n').map(|line| {
        let above = (at, said);
        at += line.len();
        let line = line.trim_end_matches(['\n', '\r']).trim_start_matches([' ', '\t', '>']);
        let comment = line.strip_prefix('#').or_else(|| line.strip_prefix("--"));
        if let Some(text) = comment {
            let own = Warnings::of(text.trim_start_matches(['#', ' ', '-']));
            said = Warnings { warns: said.warns || own.warns, asks: own.asks || joins && said.asks, ..own };
        }
        joins = comment.is_some();
        above
    });
    lines.collect()
}

/// Whether comments of the block guard a place: those above it, the one at its end, and those inside of it.
fn by_comments(page: &LintPage<'_>, fence: &Fence, comments: &[(usize, Warnings)], at: Span) -> bool {
    let line = comments.partition_point(|(start, _)| *start <= at.start).checked_sub(1);
    let above = line.and_then(|line| comments.get(line)).map(|(_, said)| *said).unwrap_or_default();
    let behind = page.text(Span::new(at.end, fence.span.end.max(at.end)));
    let tail = beginning(behind, NEAR).lines().next().unwrap_or_default();
    let beside = tail.split_once('#').or_else(|| tail.split_once("--")).map_or("", |(_, text)| text);
    let inside = beginning(page.text(at), NEAR).lines();
    let mut inside = inside.filter_map(|line| line.split_once(" # ").or_else(|| line.split_once("-- ")));
    above.warns
        || above.asks
        || holds(beside, phrases!("warns"))
        || holds(beside, phrases!("asks"))
        || inside.any(|(_, said)| holds(said, phrases!("warns")))
}
