//! Comments in one block that name several ways to the same end: one cloud after the other, the manual way after the
//! recommended one, Start and Stop. Only one of them is meant to be followed.

use super::RunbookPhase;
use super::condition::Condition;
use super::phase;
use super::runs::{Around, Entry};
use super::verbs;

/// Names of which a team uses one.
const FAMILIES: &[&[&[&str]]] = &[
    &[&["aws", "amazon"], &["gcp", "google"], &["azure"]],
    &[&["kubernetes", "k8s", "helm"], &["docker"], &["systemd"]],
    &[&["linux"], &["macos", "mac"], &["windows"]],
    &[&["debian", "ubuntu"], &["rhel", "centos", "fedora"]],
];

/// For each command the label of one of several ways that it stands below, if any.
pub(super) fn alternatives(entries: &[Entry<'_>], around: &Around<'_>) -> Vec<Option<Condition>> {
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
    let all = says_all(around.intro);
    let families: Vec<Option<(usize, usize)>> = leads.iter().map(|(_, label, _)| family(label)).collect();
    let names = labels_of_ways(&leads, around.phase);
    let mut recommended = false;
    for (i, &(at, label, _)) in leads.iter().enumerate() {
        let of = families.get(i).copied().flatten();
        let other = |(kind, member): (usize, usize)| families.iter().flatten().any(|&(k, m)| k == kind && m != member);
        if of.is_some_and(other) && !all {
            hold(at, next(i), label);
        } else if recommended && is_other_way(label) {
            hold(at, next(i), label);
            continue;
        } else if names.iter().skip(1).any(|&name| name == i) && !all {
            hold(at, next(i), label);
        }
        let lower = label.to_lowercase();
        recommended = ["(recommended", "(preferred", "(automated"].iter().any(|mark| lower.contains(mark));
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
