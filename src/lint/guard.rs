//! What guards a command that destroys: a word of warning, a condition, a question, a look or a backup before it.

use super::Page;
use super::destructive::{Harm, is_client, is_scratch};
use super::words::holds;
use crate::runbook::look::{Call, Fence, Shell};
use crate::source::Span;

/// Words that warn, wherever in the section they stand.
const WARNS: &[&str] = &[
    "warning*",
    "caution*",
    "danger*",
    "destructive*",
    "destroy*",
    "irreversib*",
    "irrecoverab*",
    "unrecoverab*",
    "data loss",
    "lose data",
    "loses data",
    "lose all",
    "loses all",
    "will be lost",
    "is lost",
    "are lost",
    "permanent*",
    "be undone",
    "no undo",
    "careful*",
    "last resort",
    "approval",
    "approve*",
    "sign off",
    "sign-off",
    "be sure",
    "backup before",
    "back up",
    "take a backup",
    "take a snapshot",
    "emergency only",
    "think twice",
];
/// Words that ask for a look or put a condition: above the command, or beside it.
const ASKS: &[&str] = &[
    "make sure",
    "ensure",
    "confirm*",
    "double-check*",
    "double check",
    "verify that",
    "check that",
    "never",
    "do not",
    "don't",
    "must not",
    "only if",
    "only when",
    "only after",
    "only on",
    "only for",
    "only then",
    "if",
    "unless",
    "in case",
    "optional",
    "optionally",
    "scratch",
    "throwaway",
    "disposable",
    "local development",
    "dev only",
    "test only",
];
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
/// Programs that look, at what is destroyed later; with a word of which one must follow, where they do more than that.
const LOOKS: &[(&str, &[&str])] = &[
    ("ls", &[]),
    ("du", &[]),
    ("stat", &[]),
    ("cat", &[]),
    ("file", &[]),
    ("lsblk", &[]),
    ("test", &[]),
    ("[", &[]),
    ("kubectl", &["get", "describe"]),
    ("oc", &["get", "describe"]),
    ("docker", &["inspect", "ps", "ls", "images", "df"]),
    ("aws", &["ls", "describe-db-instances", "describe-db-clusters", "describe-table", "describe-stacks"]),
    ("etcdctl", &["get"]),
];

/// Whether something guards the call of a command.
pub(super) fn is_guarded(page: &Page<'_>, command: &Shell<'_>, call: &Call<'_>, harm: &Harm) -> bool {
    command.held
        || is_own(page, command, harm)
        || is_inside_a_check(command, call)
        || by_words(page, command.place(call.span))
        || by_commands(page, command, call, harm)
}

/// Whether words around a place of the file warn of it.
pub(super) fn by_words(page: &Page<'_>, at: Span) -> bool {
    let look = page.look;
    let fence = look.fences.iter().find(|fence| fence.span.start <= at.start && at.start < fence.span.end);
    let (start, end) = fence.map_or((at.start, at.end), |fence| (fence.span.start, fence.span.end));
    // The section, and what stands at the beginning of those around it.
    let mut regions = Vec::new();
    let around = look.headings.iter().filter(|heading| heading.span.start <= start && end <= heading.section_end);
    for heading in around {
        let next = look.headings.iter().find(|next| next.span.start > heading.span.start);
        let stop = next.map_or(heading.section_end, |next| next.span.start);
        regions.push(Span::new(heading.span.start, stop));
    }
    if regions.is_empty() {
        regions.push(Span::new(0, look.headings.first().map_or(page.source.text.len(), |first| first.span.start)));
    }
    let innermost = regions.last().copied().unwrap_or_default();
    let after = look.texts.iter().find(|text| text.span.start >= end).map_or(end, |text| text.span.end);
    let texts = || look.texts.iter().filter(|text| regions.iter().any(|region| within(text.span, *region)));
    let warned = texts().any(|text| text.span.start < after && (holds(text.text(), WARNS) || has_sign(text.text())));
    let alert = |region: &Span| {
        let raw = page.text(Span::new(region.start, region.end.min(after)));
        ["[!WARNING]", "[!CAUTION]", "[!IMPORTANT]", "[!DANGER]"].iter().any(|mark| raw.contains(mark))
    };
    let asked = texts().rfind(|text| text.span.start < start && within(text.span, innermost));
    let asked = asked.is_some_and(|text| holds(text.text(), ASKS))
        || around_headings(page, start).any(|heading| holds(heading, ASKS));
    // A list above the block: "make sure … double-check …".
    let listed = texts().any(|text| {
        text.span.start < start
            && within(text.span, innermost)
            && holds(text.text(), &["make sure", "double check", "double-check*"])
    });
    let before = before_on_line(page, fence, at);
    warned || regions.iter().any(alert) || asked || listed || before
}

fn around_headings<'p>(page: &'p Page<'_>, at: usize) -> impl Iterator<Item = &'p str> {
    let around = page.look.headings.iter().filter(move |heading| heading.span.start <= at && at < heading.section_end);
    around.map(|heading| heading.text.as_str())
}

fn within(inner: Span, outer: Span) -> bool {
    outer.start <= inner.start && inner.start < outer.end
}

fn has_sign(text: &str) -> bool {
    text.contains(['⚠', '🚨', '❗', '‼', '☠', '🛑', '⛔'])
}

/// Comments of the block: those above the command warn, the nearest one and the one at its end also ask.
fn before_on_line(page: &Page<'_>, fence: Option<&Fence>, at: Span) -> bool {
    let Some(fence) = fence else { return false };
    let above = page.text(Span::new(fence.span.start, at.start));
    let comment = |line: &str| {
        let line = line.trim_start_matches([' ', '\t', '>']);
        let inner = line.strip_prefix('#').or_else(|| line.strip_prefix("--"));
        inner.map(|inner| inner.trim_start_matches(['#', ' ', '-']).to_string())
    };
    let lines: Vec<&str> = above.lines().collect();
    let warned = lines.iter().filter_map(|line| comment(line)).any(|text| holds(&text, WARNS) || has_sign(&text));
    // The command's own line may have begun already.
    let mut nearest =
        lines.iter().rev().skip(usize::from(!above.ends_with('\n'))).skip_while(|line| comment(line).is_none());
    let asked = nearest.by_ref().map_while(|line| comment(line)).any(|text| holds(&text, ASKS));
    let rest = page.source.text.get(at.start..fence.span.end).unwrap_or_default();
    let length = page.text(at).len();
    let tail = rest.get(length..).unwrap_or_default().lines().next().unwrap_or_default();
    let beside = tail.split_once('#').or_else(|| tail.split_once("--")).map_or("", |(_, text)| text);
    let inline = page
        .text(at)
        .lines()
        .filter_map(|line| line.split_once(" # ").or_else(|| line.split_once("-- ")))
        .any(|(_, text)| holds(text, WARNS));
    warned || asked || inline || holds(beside, WARNS) || holds(beside, ASKS)
}

/// Whether the page made the thing itself, or its name says that nobody will miss it.
fn is_own(page: &Page<'_>, command: &Shell<'_>, harm: &Harm) -> bool {
    if !harm.target.starts_with("pvc/") && is_scratch(&harm.target) {
        return true;
    }
    let target = harm.target.trim_matches('"');
    if target.is_empty() {
        return false;
    }
    let at = command.place(Span::new(0, 1)).start;
    // A variable that the page sets is what it is set to.
    if let Some(name) = target.strip_prefix('$').map(|name| name.trim_matches(['{', '}', '\\'])) {
        let name = name.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        let values: Vec<&str> = page.commands().iter().flat_map(|command| assigned(command, name)).collect();
        let made = |value: &&str| value.contains("mktemp") || is_scratch(value);
        let narrow = |value: &&str| !harm.sql && !value.contains('$') && !super::destructive::is_wide(value);
        if !values.is_empty() && values.iter().all(|value| made(value) || narrow(value)) {
            return true;
        }
    }
    // Made above on the same page.
    let before = page.commands().iter().filter(|other| other.place(Span::new(0, 1)).start < at);
    let names = |word: &&str| word.contains(target);
    let mut calls = before.flat_map(|other| other.calls());
    calls.any(|call| {
        let makes = |word: &&str| {
            let upper = word.to_uppercase();
            matches!(*word, "mkdir" | "createdb" | "create" | "create-secret")
                || upper.contains("CREATE DATABASE")
                || upper.contains("CREATE TABLE")
        };
        call.words.iter().any(makes) && call.words.iter().any(names)
    })
}

/// The values that a command gives a variable.
fn assigned<'s>(command: &'s Shell<'_>, name: &str) -> Vec<&'s str> {
    let mut values = Vec::new();
    let mut open: Vec<_> = command.tree().map(|tree| tree.root_node()).into_iter().collect();
    while let Some(node) = open.pop() {
        if node.kind() == "variable_assignment"
            && let Some((left, value)) = command.node_text(&node).split_once('=')
            && left == name
        {
            values.push(value.trim_matches(['"', '\'']));
        }
        let mut cursor = node.walk();
        open.extend(node.named_children(&mut cursor));
    }
    values
}

/// `if [ -d x ]; then …`, `[ -d x ] && …`, `for` and `while` over what was looked for.
fn is_inside_a_check(command: &Shell<'_>, call: &Call<'_>) -> bool {
    let Some(tree) = command.tree() else { return false };
    let mut node = tree.root_node().descendant_for_byte_range(call.span.start, call.span.end);
    while let Some(inner) = node {
        let Some(outer) = inner.parent() else { return false };
        match outer.kind() {
            "if_statement" | "case_item" | "while_statement" | "elif_clause" => return true,
            "list" => {
                let left = outer.child(0).filter(|left| left.id() != inner.id());
                let text = left.map(|left| command.node_text(&left).trim_start()).unwrap_or_default();
                if text.starts_with(['[', '!'])
                    || ["test ", "read ", "grep ", "confirm"].iter().any(|word| text.starts_with(word))
                {
                    return true;
                }
            }
            _ => {}
        }
        node = Some(outer);
    }
    false
}

fn looks(call: &Call<'_>) -> bool {
    let Some((program, rest)) = call.words.split_first() else { return false };
    let known = LOOKS.iter().find(|(name, _)| name == program);
    known.is_some_and(|(_, verbs)| verbs.is_empty() || rest.iter().any(|word| verbs.contains(word)))
}

/// A statement that only asks; `SELECT pg_terminate_backend(…)` does something.
fn is_question(word: &str) -> bool {
    let word = word.to_uppercase();
    word.contains("SELECT") && !word.contains("PG_TERMINATE") && !word.contains("PG_CANCEL")
}

/// A question, a backup, or a look at the same thing, before it and in the same step (a backup: in the same section).
fn by_commands(page: &Page<'_>, command: &Shell<'_>, call: &Call<'_>, harm: &Harm) -> bool {
    let at = command.place(call.span).start;
    let section = |at: usize| page.look.section(at).map(|heading| heading.span.start);
    let target = harm.target.trim_matches(['"', '\'', '*', '/']);
    let mut before = page.commands().iter().filter(|other| other.place(Span::new(0, 1)).start <= at);
    before.any(|other| {
        let same_step =
            std::ptr::eq(other.step, command.step) || section(other.place(Span::new(0, 1)).start) == section(at);
        same_step
            && other.calls().iter().filter(|call| other.place(call.span).start < at).any(|call| {
                let program = call.words.first().copied().unwrap_or_default();
                let names = || !target.is_empty() && call.words.iter().skip(1).any(|word| word.contains(target));
                let counts = || is_client(program) && call.words.iter().any(|word| is_question(word));
                let is_backup = |&(name, word): &(&str, &str)| {
                    let at = call.words.iter().position(|word| word.rsplit('/').next() == Some(name));
                    at.is_some_and(|at| word.is_empty() || call.words.iter().skip(at).any(|other| other.contains(word)))
                };
                program == "read"
                    || call.words.iter().any(|word| word.starts_with("--dry-run") || *word == "--dryrun")
                    || BACKUPS.iter().any(is_backup)
                    || COPIES.contains(&program) && names()
                    || looks(call) && names() && super::destructive::harm(&call.words).is_none()
                    || harm.sql && names() && counts()
                    || program == "docker" && call.words.get(1..3) == Some(&["system", "df"]) && harm.target == "prune"
            })
    })
}
