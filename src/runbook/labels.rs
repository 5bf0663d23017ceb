//! Comments in one block that name several ways to the same end: one cloud after the other, the manual way after the
//! recommended one, Start and Stop. Only one of them is meant to be followed.

use super::RunbookPhase;
use super::condition::Condition;
use super::phase;
use super::runs::{Around, Entry};
use super::verbs;
use std::collections::{BTreeSet, HashMap};

/// Names of which a team uses one.
const FAMILIES: &[&[&[&str]]] = &[
    &[&["aws", "amazon"], &["gcp", "google"], &["azure"]],
    &[&["kubernetes", "k8s", "helm"], &["docker"], &["systemd"]],
    &[&["linux"], &["macos", "mac"], &["windows"]],
    &[&["debian", "ubuntu"], &["rhel", "centos", "fedora"]],
];

/// For each command the label of one of several ways that it stands below, if any.
pub(super) fn alternatives(text: &str, entries: &[Entry<'_>], around: &Around<'_>) -> Vec<Option<Condition>> {
    let mut held: Vec<Option<Condition>> = vec![None; entries.len()];
    // The comment right above a command, its number left out, and where it stands.
    let leads: Vec<(usize, &str, bool)> = entries
        .iter()
        .enumerate()
        .filter_map(|(at, entry)| {
            let group = entry.groups.last()?;
            Some((at, phase::strip_number(group.lines.first()?), group.number.is_some()))
        })
        .collect();
    if leads.len() < 2 {
        return held;
    }
    let mut hold = |from: usize, until: Option<usize>, label: &str| {
        let until = until.unwrap_or(entries.len());
        held.iter_mut().take(until).skip(from).for_each(|slot| *slot = Some(Condition::mild(label)));
    };
    let next = |i: usize| leads.get(i + 1).map(|&(at, ..)| at);
    // One of several platforms has all commands up to the next of them; a numbered one, up to the next number.
    let next_of_family = |i: usize, kind: usize, families: &[Option<(usize, usize)>]| {
        let numbered = leads.get(i).is_some_and(|lead| lead.2);
        let ends = |at: usize, label: &str, of: Option<(usize, usize)>| {
            of.is_some_and(|(k, _)| k == kind)
                || numbered && leads.get(at).is_some_and(|lead| lead.2)
                || is_for_all(label)
        };
        let of = |at: usize| families.get(at).copied().flatten();
        leads.iter().enumerate().skip(i + 1).find(|(at, lead)| ends(*at, lead.1, of(*at))).map(|(_, lead)| lead.0)
    };
    let all = says_all(around.intro);
    let families: Vec<Option<(usize, usize)>> = leads.iter().map(|(_, label, _)| family(label)).collect();
    // The few that there are: every family has some members.
    let members: BTreeSet<(usize, usize)> = families.iter().flatten().copied().collect();
    let names = labels_of_ways(&leads, around.phase);
    let variants = variants(&leads);
    let mut recommended = false;
    for (i, &(at, label, _)) in leads.iter().enumerate() {
        let of = families.get(i).copied().flatten();
        let other = |(kind, member): (usize, usize)| members.iter().any(|&(k, m)| k == kind && m != member);
        if let Some((kind, _)) = of.filter(|of| other(*of) && !all) {
            hold(at, next_of_family(i, kind, &families), label);
        } else if recommended && is_other_way(label) {
            hold(at, next(i), label);
            continue;
        } else if variants.get(i).copied().unwrap_or(false)
            || !all && names.first() != Some(&i) && names.binary_search(&i).is_ok()
        {
            hold(at, next(i), label);
        }
        let lower = label.to_lowercase();
        recommended = ["(recommended", "(preferred", "(automated"].iter().any(|mark| lower.contains(mark));
    }
    // One command twice, with another value of the same variable: the second makes the first useless.
    let words = |at: usize| -> Vec<&str> {
        let span = entries.get(at).map(|entry| entry.span);
        span.and_then(|span| text.get(span.start..span.end)).unwrap_or_default().split_whitespace().collect()
    };
    for (one, other) in leads.iter().zip(leads.iter().skip(1)).filter(|(one, other)| !one.2 && !other.2) {
        if other.0 == one.0 + 1 && differ_in_a_value(&words(one.0), &words(other.0)) {
            // What only takes the first one back is for later.
            let back = ["disable", "reset", "restore", "revert", "undo"];
            let undoes = other.1.split(' ').next().is_some_and(|word| back.contains(&word.to_lowercase().as_str()));
            if !undoes {
                hold(one.0, Some(other.0), one.1);
            }
            hold(other.0, Some(other.0 + 1), other.1);
        }
    }
    // A list of operations: what follows "Stop" undoes what "Start" has done.
    let word =
        |i: usize| leads.get(i).map(|(_, label, _)| label.trim_end_matches(':').to_lowercase()).unwrap_or_default();
    let starts = (0..leads.len()).position(|i| matches!(word(i).as_str(), "start" | "up"));
    if let Some(start) = starts
        && let Some(stop) = (start + 1..leads.len()).find(|&i| matches!(word(i).as_str(), "stop" | "down"))
    {
        for i in stop..leads.len() {
            if let Some(&(at, label, _)) = leads.get(i) {
                hold(at, next(i), label);
            }
        }
    }
    held
}

/// Whether the paragraph above says that all of it is meant.
fn says_all(intro: &str) -> bool {
    let lower = intro.to_lowercase();
    ["all of", "each", "both", "every"].iter().any(|word| lower.contains(word))
}

/// The family and the member that a label begins with.
fn family(label: &str) -> Option<(usize, usize)> {
    let word = label.split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty())?.to_lowercase();
    FAMILIES.iter().enumerate().find_map(|(kind, members)| {
        let member = members.iter().position(|names| names.contains(&word.as_str()))?;
        Some((kind, member))
    })
}

/// Which labels say once more what an earlier one says, for less or for all of it: "Deploy to one host" behind "Deploy
/// to all hosts", "Roll back all" behind "Roll back one". Numbered ones follow each other.
fn variants(leads: &[(usize, &str, bool)]) -> Vec<bool> {
    const FEW: &[&str] = &["specific", "single", "particular", "individual", "one"];
    const ALL: &[&str] = &["all", "both", "everything"];
    // The verbs of the labels above, and whether one of them was for a few only.
    let mut above: HashMap<String, bool> = HashMap::new();
    let mut variant = |label: &str| {
        let words = label.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).take(6);
        let words: Vec<String> = words.map(str::to_lowercase).collect();
        let Some(verb) = words.first().filter(|verb| verbs::is_imperative(verb)) else { return false };
        let says = |list: &[&str]| words.iter().skip(1).take(4).any(|word| list.contains(&word.as_str()));
        let ends = words.len() == 2;
        let found = above.get(verb).is_some_and(|few| says(&FEW[..4]) || says(ALL) && (ends || *few));
        *above.entry(verb.clone()).or_default() |= says(FEW);
        found
    };
    leads.iter().map(|&(_, label, numbered)| !numbered && variant(label)).collect()
}

/// Whether two commands are the same up to the value of one variable or option that says how, and not what it is for.
fn differ_in_a_value(one: &[&str], other: &[&str]) -> bool {
    const TARGETS: &[&str] = &[
        "namespace",
        "selector",
        "name",
        "file",
        "filename",
        "context",
        "host",
        "url",
        "env",
        "environment",
        "service",
        "target",
        "replicas",
        "from",
        "to",
        "index",
        "pod",
        "container",
        "cluster",
        "region",
        "id",
        "n",
        "l",
        "f",
        "data",
    ];
    if one.len() != other.len() || one.len() < 2 {
        return false;
    }
    let mut differing = one.iter().zip(other).filter(|(a, b)| a != b);
    let (Some((a, b)), None) = (differing.next(), differing.next()) else { return false };
    let (Some((a, _)), Some((b, _))) = (a.split_once('='), b.split_once('=')) else { return false };
    let name = a.trim_start_matches('-').to_lowercase();
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    a == b && plain && !TARGETS.contains(&name.rsplit(['-', '_']).next().unwrap_or_default())
}

/// Whether a label ends what is meant for one platform alone.
fn is_for_all(label: &str) -> bool {
    let word = label.split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty()).unwrap_or_default();
    matches!(word.to_lowercase().as_str(), "all" | "both" | "then" | "finally" | "verify")
}

fn is_other_way(label: &str) -> bool {
    let word = label.split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty()).unwrap_or_default();
    matches!(word.to_lowercase().as_str(), "via" | "using" | "manual" | "manually" | "or" | "non")
}

/// The labels that are names with a colon ("Manual trigger:", "Release by tag:"), where people act.
fn labels_of_ways(leads: &[(usize, &str, bool)], phase: RunbookPhase) -> Vec<usize> {
    if !matches!(phase, RunbookPhase::Mitigate | RunbookPhase::Rollback | RunbookPhase::Other) {
        return Vec::new();
    }
    let is_name = |label: &str| {
        const LEADING: &[&str] = &[
            "on", "in", "from", "for", "to", "at", "with", "after", "before", "now", "step", "expected", "output",
            "example", "note", "result", "terminal", "this", "these", "it", "where", "should", "you",
        ];
        let word = label.split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty()).unwrap_or_default();
        label.ends_with(':') && !verbs::is_imperative(label) && !LEADING.contains(&word.to_lowercase().as_str())
    };
    leads.iter().enumerate().filter(|(_, (_, label, numbered))| is_name(label) && !numbered).map(|(i, _)| i).collect()
}
