//! What guards a command that destroys: a word of warning, a condition, a question, a look or a backup before it.

use super::Page;
use super::around::Around;
use super::destructive::{Harm, is_client, is_scratch, is_wide};
use super::words::holds;
use crate::programs::{self, Input, Kind, Word};
use crate::runbook::Step;
use crate::runbook::look::{Call, Fence, Shell};
use crate::source::{Span, beginning};
use std::collections::HashMap;

/// Words that warn, wherever in the section they stand.
const WARNS: &[&str] = &[
    "warning*", "caution*", "danger*", "destructive*", "destroy*", "irreversib*", "irrecoverab*", "unrecoverab*",
    "data loss", "lose data", "loses data", "lose all", "loses all", "will be lost", "is lost", "are lost",
    "permanent*", "be undone", "no undo", "careful*", "last resort", "approval", "approve*", "sign off", "sign-off",
    "be sure", "backup before", "back up", "take a backup", "take a snapshot", "emergency only", "think twice",
];
/// Words that ask for a look or put a condition: above the command, or beside it.
const ASKS: &[&str] = &[
    "make sure", "ensure", "confirm*", "double-check*", "double check", "verify that", "check that", "never", "do not",
    "don't", "must not", "only if", "only when", "only after", "only on", "only for", "only then", "if", "unless",
    "in case", "optional", "optionally", "scratch", "throwaway", "disposable", "local development", "dev only",
    "test only",
];
/// Words of a list above the block.
const LISTED: &[&str] = &["make sure", "double check", "double-check*"];
/// Alerts of GitHub.
const ALERTS: &[&str] = &["[!WARNING]", "[!CAUTION]", "[!IMPORTANT]", "[!DANGER]"];
/// What keeps a copy: program, and a word that must follow it.
const BACKUPS: &[(&str, &str)] = &[
    ("pg_dump", ""),
    ("pg_dumpall", ""),
    ("mysqldump", ""),
    ("mongodump", ""),
    ("etcdctl", "save"),
    ("velero", "backup"),
    ("restic", "backup"),
    ("redis-cli", "BGSAVE"),
    ("redis-cli", "SAVE"),
    ("redis-cli", "--rdb"),
    ("aws", "create-db-snapshot"),
    ("aws", "create-db-cluster-snapshot"),
    ("aws", "create-snapshot"),
    ("gcloud", "export"),
    ("zfs", "snapshot"),
    ("lvcreate", "-s"),
    ("sqlite3", ".backup"),
];
/// Programs that copy or move; what they copy must be what is destroyed later.
const COPIES: &[&str] = &["cp", "mv", "tar", "rsync", "pg_basebackup"];
/// How far behind a command, and into it, comments are looked for, in bytes: a page may be one line.
const NEAR: usize = 1000;
/// Names of more parts than this are taken apart, but not put together again in every way.
const MOST_PARTS: usize = 12;

/// What guards the commands of a page: looked for once, so that each of them costs some searches in it.
#[derive(Debug)]
pub(super) struct Guards<'a> {
    /// For each number of texts, how many of the first so many warn.
    warning: Vec<usize>,
    /// The same of those that belong to a list of what to look at.
    listed: Vec<usize>,
    /// Whether each text asks for a look or puts a condition.
    asking: Vec<bool>,
    /// Where alerts stand: first byte, and the one behind.
    alerts: Vec<(usize, usize)>,
    /// For each heading whether it asks, and the heading above it.
    headings: Vec<(bool, Option<usize>)>,
    /// For each fence what its comments say.
    comments: Vec<Comments>,
    /// What each variable of the page is set to.
    variables: HashMap<&'a str, Values>,
    /// Where things are made first, by their names.
    made: HashMap<&'a str, usize>,
    before: Before<'a>,
}

/// The values that a page gives a variable, taken together.
#[derive(Debug, Clone, Copy)]
struct Values {
    /// All of them were made by the page, or have a name that says that nobody will miss the thing.
    made: bool,
    /// All of them were, or are too narrow for harm.
    narrow: bool,
}

/// What the comments of a block say above each of its lines.
#[derive(Debug)]
struct Comments {
    /// Where each line begins in the file.
    starts: Vec<usize>,
    /// For each line, whether a comment above it warns, and whether the nearest one asks.
    above: Vec<(bool, bool)>,
}

/// Commands that stand before others.
#[derive(Debug, Default)]
struct Before<'a> {
    /// Questions and backups: a place for each step and each section.
    always: HashMap<Scope, usize>,
    /// A look at what Docker uses.
    usage: HashMap<Scope, usize>,
    /// Looks at things, and copies of them, by their names.
    looks: HashMap<(Scope, &'a str), usize>,
    /// Questions to databases, by the names in them.
    queries: HashMap<(Scope, &'a str), usize>,
}

/// Where a command counts for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Scope {
    /// In this step, by its address.
    Step(*const Step),
    /// In the section with this beginning.
    Section(Option<usize>),
}

impl<'a> Guards<'a> {
    pub fn of(page: &Page<'a>) -> Guards<'a> {
        let look = page.look;
        let count = |holds: &dyn Fn(&str) -> bool| {
            let mut count = 0;
            let counted = look.texts.iter().map(|text| {
                count += usize::from(holds(text.text()));
                count
            });
            std::iter::once(0).chain(counted).collect()
        };
        let warning = count(&|text| holds(text, WARNS) || has_sign(text));
        let listed = count(&|text| holds(text, LISTED));
        let asking = look.texts.iter().map(|text| holds(text.text(), ASKS)).collect();
        let places = |mark: &&str| -> Vec<(usize, usize)> {
            page.source.text.match_indices(mark).map(|(at, mark)| (at, at + mark.len())).collect()
        };
        let mut alerts: Vec<(usize, usize)> = ALERTS.iter().flat_map(places).collect();
        alerts.sort_unstable();
        let mut open: Vec<usize> = Vec::new();
        let mut headings: Vec<(bool, Option<usize>)> = Vec::new();
        for (index, heading) in look.headings.iter().enumerate() {
            open.retain(|above| look.headings.get(*above).is_some_and(|above| above.section_end > heading.span.start));
            headings.push((holds(&heading.text, ASKS), open.last().copied()));
            open.push(index);
        }
        let comments = look.fences.iter().map(|fence| Comments::of(page, fence)).collect();
        let mut guards = Guards {
            warning,
            listed,
            asking,
            alerts,
            headings,
            comments,
            variables: HashMap::new(),
            made: HashMap::new(),
            before: Before::default(),
        };
        for command in page.commands() {
            guards.assignments(command);
            let begin = command.place(Span::new(0, 1)).start;
            let section = Scope::Section(page.look.section(begin).map(|heading| heading.span.start));
            for call in command.calls() {
                if makes(call) {
                    let all = call.words.iter().copied().flat_map(|word| names(word).into_iter().chain(paths(word)));
                    all.for_each(|name| first(guards.made.entry(name).or_insert(begin), begin));
                }
                for scope in [Scope::Step(command.step), section] {
                    guards.before.note(command, call, scope);
                }
            }
        }
        guards
    }

    /// Notes the values that a command gives variables.
    fn assignments(&mut self, command: &Shell<'a>) {
        let text: &'a str = &command.command.text;
        let mut open: Vec<_> = command.tree().map(|tree| tree.root_node()).into_iter().collect();
        while let Some(node) = open.pop() {
            if node.kind() == "variable_assignment"
                && let Some((name, value)) = text.get(node.byte_range()).and_then(|text| text.split_once('='))
            {
                let value = value.trim_matches(['"', '\'']);
                let made = value.contains("mktemp") || is_scratch(value);
                let narrow = made || !value.contains('$') && !is_wide(value);
                let all = self.variables.entry(name).or_insert(Values { made, narrow });
                (all.made, all.narrow) = (all.made && made, all.narrow && narrow);
            }
            let mut cursor = node.walk();
            open.extend(node.named_children(&mut cursor));
        }
    }

    /// Whether something guards the call of a command.
    pub fn guard(&self, page: &Page<'_>, command: &Shell<'_>, call: &Call<'_>, harm: &Harm, around: Around) -> bool {
        let place = command.place(call.span);
        command.held
            || self.is_own(command, harm)
            || around.checked
            || self.by_words(page, place)
            || self.before.holds(page, command.step, place.start, harm)
    }

    /// Whether words around a place of the file warn of it.
    pub fn by_words(&self, page: &Page<'_>, at: Span) -> bool {
        let look = page.look;
        let fence = look.fences.partition_point(|fence| fence.span.start <= at.start).checked_sub(1);
        let fence = fence.and_then(|index| look.fences.get(index).zip(self.comments.get(index)));
        let fence = fence.filter(|(fence, _)| at.start < fence.span.end);
        let (start, end) = fence.map_or((at.start, at.end), |(fence, _)| (fence.span.start, fence.span.end));
        // The section, and what stands at the beginning of those around it.
        let mut regions = Vec::new();
        let mut above = look.headings.partition_point(|heading| heading.span.start <= start).checked_sub(1);
        let mut asked = false;
        while let Some(index) = above
            && let (Some(heading), Some((asks, next))) = (look.headings.get(index), self.headings.get(index))
        {
            if end <= heading.section_end {
                let stop = look.headings.get(index + 1).map_or(heading.section_end, |next| next.span.start);
                regions.push(Span::new(heading.span.start, stop));
            }
            asked |= *asks && start < heading.section_end;
            above = *next;
        }
        if regions.is_empty() {
            regions.push(Span::new(0, look.headings.first().map_or(page.source.text.len(), |first| first.span.start)));
        }
        let innermost = regions.first().copied().unwrap_or_default();
        let begun = |at: usize| look.texts.partition_point(|text| text.span.start < at);
        let after = look.texts.get(begun(end)).map_or(end, |text| text.span.end);
        // How many of the counted texts stand in a region, and before a place.
        let count = |counts: &[usize], region: Span, until: usize| {
            let (from, to) = (begun(region.start), begun(region.end.min(until)));
            counts.get(to).zip(counts.get(from)).is_some_and(|(to, from)| to > from)
        };
        let alert = |region: &Span| {
            let next = self.alerts.get(self.alerts.partition_point(|(at, _)| *at < region.start));
            next.is_some_and(|(_, behind)| *behind <= region.end.min(after))
        };
        let last = begun(start.min(innermost.end)).checked_sub(1).filter(|last| *last >= begun(innermost.start));
        asked |= last.and_then(|last| self.asking.get(last)).copied().unwrap_or_default();
        asked
            || regions.iter().any(|region| count(&self.warning, *region, after))
            || regions.iter().any(alert)
            // A list above the block: "make sure … double-check …".
            || count(&self.listed, innermost, start)
            || fence.is_some_and(|(fence, comments)| comments.guard(page, fence, at))
    }

    /// Whether the page made the thing itself, or its name says that nobody will miss it.
    fn is_own(&self, command: &Shell<'_>, harm: &Harm) -> bool {
        if !harm.target.starts_with("pvc/") && is_scratch(&harm.target) {
            return true;
        }
        let target = harm.target.trim_matches('"');
        // A variable that the page sets is what it is set to.
        if let Some(name) = target.strip_prefix('$').map(|name| name.trim_matches(['{', '}', '\\'])) {
            let name = name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
            if self.variables.get(name).is_some_and(|values| values.made || !harm.sql && values.narrow) {
                return true;
            }
        }
        // Made above on the same page.
        let made = self.made.get(target.trim_end_matches('/'));
        made.is_some_and(|at| *at < command.place(Span::new(0, 1)).start)
    }
}

/// Keeps the first of some places.
fn first(known: &mut usize, at: usize) {
    *known = at.min(*known);
}

/// The names that a word may hold: its parts, and those that stand beside each other together. `var/lib/x` and `x` are both
/// names in `if=/var/lib/x/y`, `jobs` is one in `public.jobs`, and `app` in `app*`.
fn names(word: &str) -> Vec<&str> {
    let parts =
        word.split(|c: char| c.is_whitespace() || "/\"'`,;()=:[].*?".contains(c)).filter(|part| !part.is_empty());
    let begin = word.as_ptr() as usize;
    // Where each part stands in the word.
    let parts: Vec<(usize, usize)> =
        parts.map(|part| (part.as_ptr() as usize - begin, part.as_ptr() as usize - begin + part.len())).collect();
    let together = if parts.len() > MOST_PARTS { 1 } else { parts.len() };
    let mut names = Vec::new();
    for (index, (start, _)) in parts.iter().enumerate() {
        let ends = parts.iter().skip(index).take(together);
        names.extend(ends.filter_map(|(_, end)| word.get(*start..*end)));
    }
    names
}

/// The absolute paths that a word holds, and those above each: what is called `data` is not `/data`.
fn paths(word: &str) -> Vec<&str> {
    let pieces = word.split(|c: char| c.is_whitespace() || "\"'`,;()=:[]{}".contains(c));
    let paths = pieces.filter(|piece| piece.starts_with('/')).map(|piece| piece.trim_end_matches('/'));
    let above = |path: &str| path.match_indices('/').map(|(at, _)| at).skip(1).collect::<Vec<_>>();
    let all = paths.flat_map(|path| above(path).into_iter().chain([path.len()]).filter_map(|end| path.get(..end)));
    all.filter(|path| !path.is_empty()).collect()
}

/// Whether a call makes something.
fn makes(call: &Call<'_>) -> bool {
    call.words.iter().any(|word| {
        let upper = word.to_uppercase();
        matches!(*word, "mkdir" | "createdb" | "create" | "create-secret")
            || upper.contains("CREATE DATABASE")
            || upper.contains("CREATE TABLE")
    })
}

fn has_sign(text: &str) -> bool {
    text.contains(['⚠', '🚨', '❗', '‼', '☠', '🛑', '⛔'])
}

impl Comments {
    fn of(page: &Page<'_>, fence: &Fence) -> Comments {
        let (mut starts, mut above) = (Vec::new(), Vec::new());
        let (mut at, mut warned, mut asked) = (fence.span.start, false, false);
        // Whether the line before is a comment.
        let mut joins = false;
        for line in page.text(fence.span).split_inclusive('\n') {
            starts.push(at);
            above.push((warned, asked));
            at += line.len();
            let line = line.trim_end_matches(['\n', '\r']).trim_start_matches([' ', '\t', '>']);
            let inner = line.strip_prefix('#').or_else(|| line.strip_prefix("--"));
            if let Some(text) = inner.map(|inner| inner.trim_start_matches(['#', ' ', '-'])) {
                warned |= holds(text, WARNS) || has_sign(text);
                // Comments above each other are one.
                asked = holds(text, ASKS) || joins && asked;
            }
            joins = inner.is_some();
        }
        Comments { starts, above }
    }

    /// Whether comments of the block guard a place: those above warn, the nearest one and the one at its end also ask.
    fn guard(&self, page: &Page<'_>, fence: &Fence, at: Span) -> bool {
        let line = self.starts.partition_point(|start| *start <= at.start).checked_sub(1);
        let (warned, asked) = line.and_then(|line| self.above.get(line)).copied().unwrap_or_default();
        let behind = page.source.text.get(at.end..fence.span.end.max(at.end)).unwrap_or_default();
        let tail = beginning(behind, NEAR).lines().next().unwrap_or_default();
        let beside = tail.split_once('#').or_else(|| tail.split_once("--")).map_or("", |(_, text)| text);
        let inline = || {
            let mut lines = beginning(page.text(at), NEAR).lines();
            let inline = |line: &str| {
                line.split_once(" # ").or_else(|| line.split_once("-- ")).map(|(_, said)| holds(said, WARNS))
            };
            lines.any(|line| inline(line).unwrap_or_default())
        };
        warned || asked || holds(beside, WARNS) || holds(beside, ASKS) || inline()
    }
}

/// Whether a call only looks, at the thing that it names.
fn looks(call: &Call<'_>) -> bool {
    let words: Vec<Word> = call.words.iter().map(|word| Word::fixed(*word)).collect();
    programs::of_call(&words, Input::Nothing).kind == Kind::Looks || matches!(call.words.first(), Some(&"test" | &"["))
}

/// A statement that only asks; `SELECT pg_terminate_backend(…)` does something.
fn is_question(word: &str) -> bool {
    let word = word.to_uppercase();
    word.contains("SELECT") && !word.contains("PG_TERMINATE") && !word.contains("PG_CANCEL")
}

impl<'a> Before<'a> {
    /// Notes what a call of a command is worth to those behind it.
    fn note(&mut self, command: &Shell<'a>, call: &Call<'a>, scope: Scope) {
        let at = command.place(call.span).start;
        let program = call.words.first().copied().unwrap_or_default();
        let is_backup = |&(name, word): &(&str, &str)| {
            let at = call.words.iter().position(|word| word.rsplit('/').next() == Some(name));
            at.is_some_and(|at| word.is_empty() || call.words.iter().skip(at).any(|other| other.contains(word)))
        };
        let tries = call.words.iter().any(|word| word.starts_with("--dry-run") || *word == "--dryrun");
        if program == "read" || tries || BACKUPS.iter().any(is_backup) {
            first(self.always.entry(scope).or_insert(at), at);
        }
        if program == "docker" && call.words.get(1..3) == Some(&["system", "df"]) {
            first(self.usage.entry(scope).or_insert(at), at);
        }
        let named = || call.words.iter().skip(1).copied().flat_map(names);
        if COPIES.contains(&program) || looks(call) {
            named().for_each(|name| first(self.looks.entry((scope, name)).or_insert(at), at));
        }
        if is_client(program) && call.words.iter().any(|word| is_question(word)) {
            named().for_each(|name| first(self.queries.entry((scope, name)).or_insert(at), at));
        }
    }

    /// A question, a backup, or a look at the same thing, before it and in the same step (a backup: in the same section).
    fn holds(&self, page: &Page<'_>, step: &Step, at: usize, harm: &Harm) -> bool {
        let section = page.look.section(at).map(|heading| heading.span.start);
        let target = harm.target.trim_matches(['"', '\'', '*', '/']);
        [Scope::Step(step), Scope::Section(section)].into_iter().any(|scope| {
            let before = [
                self.always.get(&scope),
                self.usage.get(&scope).filter(|_| harm.target == "prune"),
                self.looks.get(&(scope, target)),
                self.queries.get(&(scope, target)).filter(|_| harm.sql),
            ];
            before.into_iter().flatten().any(|known| *known < at)
        })
    }
}
