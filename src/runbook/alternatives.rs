//! Sections beside each other of which only one is meant to be followed: each is held by its own title.

use super::condition::{self, Condition};
use super::markdown::Block;
use super::steps::Section;
use super::{RunbookPhase, bold, effects, phase, verbs, ways};
use RunbookPhase::{Detect, Diagnose, Escalate, Mitigate, Reference, Verify};
use std::collections::{BTreeSet, HashMap};

/// Words that count ways when a number or a letter follows. Steps, phases and stages follow each other instead.
const WAYS: &[&str] =
    &["scenario", "case", "cause", "method", "path", "approach", "variant", "alternative", "option", "strategy"];

/// Words with which a heading names a way or an object: "From a snapshot", "Via Helm", "For critical alerts".
const PREPOSITIONS: &[&str] = &["from", "via", "using", "with", "for"];

/// Last words of a heading that names what is wrong.
const STATES: &[&str] = &[
    "corrupted",
    "corruption",
    "crash",
    "crashes",
    "crashing",
    "crashed",
    "down",
    "error",
    "errors",
    "exhausted",
    "exhaustion",
    "expired",
    "failed",
    "failing",
    "failure",
    "failures",
    "full",
    "issue",
    "issues",
    "lag",
    "leak",
    "leaks",
    "lost",
    "missing",
    "outage",
    "outages",
    "overload",
    "overloaded",
    "problem",
    "problems",
    "slow",
    "stuck",
    "timeout",
    "timeouts",
    "unavailable",
    "unreachable",
    "unresponsive",
];

/// Puts sections under the conditions that follow from their places beside others, and hands these down.
pub(super) fn hold(sections: &mut [Section<'_>]) {
    let parents = parents(sections);
    let mut siblings: HashMap<(Option<usize>, u8), Vec<usize>> = HashMap::new();
    for (index, section) in sections.iter().enumerate() {
        if section.heading.is_some() {
            let parent = parents.get(index).copied().flatten();
            siblings.entry((parent, section.level)).or_default().push(index);
        }
    }
    let solved = solved(sections, &parents);
    let mut own: Vec<Option<String>> = vec![None; sections.len()];
    // Places and tools: what only looks is looked at in all of them.
    let mut mild: Vec<bool> = vec![false; sections.len()];
    for ((parent, _), group) in &siblings {
        let parent = parent.and_then(|parent| sections.get(parent));
        for index in of_group(sections, parent, group, &solved) {
            if let (Some(slot), Some(section)) = (own.get_mut(index), sections.get(index)) {
                *slot = Some(section.title.clone());
            }
        }
        for index in places(sections, parent, group) {
            if let (Some(slot), Some(flag), Some(section)) =
                (own.get_mut(index), mild.get_mut(index), sections.get(index))
                && slot.is_none()
            {
                (*slot, *flag) = (Some(section.title.clone()), true);
            }
        }
    }
    for index in of_one_form(sections, &parents) {
        if let (Some(slot), Some(section)) = (own.get_mut(index), sections.get(index)) {
            slot.get_or_insert_with(|| section.title.clone());
        }
    }
    // What follows from here is handed down as text: it holds more where people act than where they look.
    for index in 0..sections.len() {
        let parent = parents.get(index).copied().flatten();
        let above = parent.and_then(|parent| own.get(parent).cloned().flatten());
        let stated = parent.and_then(|parent| sections.get(parent)?.condition.clone());
        let below_mild = parent.is_some_and(|parent| mild.get(parent).copied().unwrap_or(false));
        let Some(section) = sections.get_mut(index) else { continue };
        let Some(slot) = own.get_mut(index) else { continue };
        if section.condition.is_none() {
            if let Some(flag) = mild.get_mut(index) {
                *flag |= slot.is_none() && below_mild;
            }
            *slot = use_of(section).or_else(|| slot.take()).or(above);
            let spares = mild.get(index).copied().unwrap_or(false);
            let titled = |text: &String| if spares { Condition::mild(text) } else { titled(section, text) };
            section.condition = slot.as_ref().map(titled).or(stated);
        } else {
            *slot = None;
        }
    }
}

/// Which sections have a mitigation of their own below them: one heading or bold label that says nothing else.
fn solved(sections: &[Section<'_>], parents: &[Option<usize>]) -> Vec<bool> {
    let mut solved = vec![false; sections.len()];
    for (section, parent) in sections.iter().zip(parents) {
        let name = section.heading.map_or("", |(text, _)| text);
        if section.phase == Mitigate
            && phase::is_only_a_phase(name)
            && let Some(slot) = parent.and_then(|parent| solved.get_mut(parent))
        {
            *slot = true;
        }
    }
    solved
}

/// Sections that name a tool, a platform or an environment each, where people act.
fn places(sections: &[Section<'_>], parent: Option<&Section<'_>>, group: &[usize]) -> Vec<usize> {
    let all = parent.is_some_and(|parent| {
        let title = parent.title.to_lowercase();
        ["health", "check", "monitor", "all ", "install", "prerequisit"].iter().any(|word| title.contains(word))
    });
    let fits = |section: &Section<'_>| {
        section.level > 1
            && matches!(section.phase, Mitigate | RunbookPhase::Rollback | RunbookPhase::Other)
            && ways::is_place(&section.title)
    };
    let found: Vec<usize> = group.iter().copied().filter(|&index| sections.get(index).is_some_and(fits)).collect();
    if all || found.len() < 2 { Vec::new() } else { found }
}

/// Problems of one form, each with a mitigation of its own below it, wherever in the document they stand: each may be
/// alone below its own heading.
fn of_one_form(sections: &[Section<'_>], parents: &[Option<usize>]) -> Vec<usize> {
    let mut forms: HashMap<(u8, String), Vec<usize>> = HashMap::new();
    for (section, parent) in sections.iter().zip(parents) {
        let name = section.heading.map_or("", |(text, _)| text);
        let Some(index) = parent.filter(|_| section.phase == Mitigate && phase::is_only_a_phase(name)) else {
            continue;
        };
        let Some(problem) = sections.get(index).filter(|problem| problem.level > 2) else { continue };
        let above = parents.get(index).copied().flatten().and_then(|above| sections.get(above));
        let acts = above.is_none_or(|above| matches!(above.phase, Mitigate | RunbookPhase::Rollback));
        let counted = phase::is_step(&problem.title);
        if acts || counted || matches!(problem.phase, Mitigate | RunbookPhase::Rollback | Verify) {
            continue;
        }
        let form = forms.entry((problem.level, name.to_lowercase())).or_default();
        if form.last() != Some(&index) {
            form.push(index);
        }
    }
    forms.into_values().filter(|form| form.len() > 1).flatten().collect()
}

/// The section above each one.
fn parents(sections: &[Section<'_>]) -> Vec<Option<usize>> {
    let mut open: Vec<usize> = Vec::new();
    let level = |index: usize| sections.get(index).map_or(0, |section| section.level);
    (0..sections.len())
        .map(|index| {
            open.retain(|&above| level(above) < level(index));
            let parent = open.last().copied().filter(|&above| level(above) > 0);
            open.push(index);
            parent
        })
        .collect()
}

/// "Use when the data is corrupt" below a heading that is not the name of the phase itself.
fn use_of(section: &Section<'_>) -> Option<String> {
    let acts = !matches!(section.phase, Detect | Reference | Escalate | Verify);
    let fits = acts && section.level > 1 && !phase::is_only_a_phase(&section.title);
    let Some(Block::Paragraph { text, .. }) = section.blocks.first().filter(|_| fits) else { return None };
    condition::of_use(text).map(|said| said.text)
}

/// Where people only look a section may be looked through, whatever it is about.
fn titled(section: &Section<'_>, text: &str) -> Condition {
    match section.phase {
        Detect | Diagnose => Condition::mild(text),
        _ => Condition::firm(text),
    }
}

/// Which of some sections beside each other are alternatives.
fn of_group(sections: &[Section<'_>], parent: Option<&Section<'_>>, group: &[usize], solved: &[bool]) -> Vec<usize> {
    let group: Vec<(usize, &Section<'_>)> = group
        .iter()
        .filter_map(|&index| Some((index, sections.get(index)?)))
        .filter(|(_, section)| !matches!(section.phase, Reference | Escalate | Verify) && section.level > 1)
        .collect();
    if group.len() < 2 {
        return Vec::new();
    }
    let mut found: Vec<usize> = Vec::new();
    let mut troubles = BTreeSet::new();
    let mut add = |belongs: &dyn Fn(usize, &Section<'_>) -> bool| {
        let some: Vec<usize> =
            group.iter().filter(|(index, section)| belongs(*index, section)).map(|(index, _)| *index).collect();
        if some.len() > 1 {
            found.extend(some);
        }
    };
    if parent.is_some_and(asks_to_choose) {
        add(&|_, section| !phase::is_only_a_phase(&section.title) && !verbs::asks(phase::strip_number(&section.title)));
    }
    for way in WAYS {
        add(&|_, section| counts(&section.title, way));
    }
    for preposition in PREPOSITIONS {
        add(&|_, section| first_word(phase::strip_number(&section.title)) == *preposition);
    }
    add(&|_, section| has_symptoms(section));
    // Each problem with a resolution of its own. Below a phase that acts, the parts of one procedure have them too.
    if parent.is_none_or(|parent| !matches!(parent.phase, Mitigate | RunbookPhase::Rollback)) {
        add(&|index, _| solved.get(index).copied().unwrap_or(false));
    }
    let problems = parent.is_some_and(|parent| is_list_of_problems(&parent.title));
    if problems {
        add(&|_, section| is_state(&section.title));
    } else if parent.is_some_and(|parent| parent.phase == Mitigate) {
        add(&|_, section| {
            !phase::is_step(&section.title) && is_state(&section.title) && ends_in_a_state(&section.title)
        });
    }
    if let Some(parent) = parent {
        for (_, section) in group.iter().filter(|(_, section)| section.level < bold::LEVEL) {
            if let Some(trouble) = ways::trouble(&section.title).filter(|trouble| ways::answers(&parent.title, trouble))
            {
                troubles.insert(trouble);
            }
        }
        for trouble in troubles {
            add(&|_, section| section.level < bold::LEVEL && ways::trouble(&section.title) == Some(trouble));
        }
        if parent.phase == RunbookPhase::Rollback {
            add(&|_, section| section.phase == RunbookPhase::Rollback && ways::goes_back(&section.title));
        }
    }
    let mut opposites: HashMap<(usize, String), Vec<usize>> = HashMap::new();
    for (index, section) in &group {
        if let Some(kind) = ways::opposite(&section.title) {
            opposites.entry(kind).or_default().push(*index);
        }
    }
    found.extend(opposites.into_values().filter(|some| some.len() > 1).flatten());
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether the text right below a heading leaves the choice to the reader.
fn asks_to_choose(section: &Section<'_>) -> bool {
    section.blocks.iter().any(|block| match block {
        Block::Paragraph { text, .. } => {
            let lower = text.to_lowercase();
            ["choose one of", "pick one of", "use one of the following", "one of these options"]
                .iter()
                .any(|words| lower.contains(words))
        }
        _ => false,
    })
}

/// `Scenario 2: …`, `Path B — …`.
fn counts(title: &str, way: &str) -> bool {
    let mut words = title.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let is_way = words.next().is_some_and(|word| word.eq_ignore_ascii_case(way));
    is_way
        && words.next().is_some_and(|word| {
            word.chars().all(|c| c.is_ascii_digit()) || word.len() == 1 && word.chars().all(|c| c.is_ascii_uppercase())
        })
}

fn first_word(title: &str) -> String {
    title.split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty()).unwrap_or_default().to_lowercase()
}

/// Whether a section says for itself when it applies.
fn has_symptoms(section: &Section<'_>) -> bool {
    section.blocks.iter().any(|block| match block {
        Block::Paragraph { text, .. } => {
            ["Symptoms:", "Symptom:", "Condition:", "When:"].iter().any(|label| text.starts_with(label))
        }
        _ => false,
    })
}

fn is_list_of_problems(title: &str) -> bool {
    let lower = phase::strip_number(title).to_lowercase();
    let kinds = ["issues", "problems", "errors", "failures"];
    phase::is_of_incidents(title)
        || lower.contains("troubleshooting")
        || lower.contains("common ") && kinds.iter().any(|kind| lower.contains(kind))
}

/// Whether a title names a state and asks for nothing.
fn is_state(title: &str) -> bool {
    let bare = phase::strip_number(title);
    !verbs::is_imperative(bare)
        && !phase::is_only_a_phase(title)
        && !phase::names_one(title)
        && !first_word(bare).is_empty()
}

fn ends_in_a_state(title: &str) -> bool {
    let bare = title.split(['(', '[']).next().unwrap_or_default();
    let last = bare.split(|c: char| !c.is_alphanumeric()).rfind(|word| !word.is_empty()).unwrap_or_default();
    STATES.contains(&last.to_lowercase().as_str())
}

/// A verification that stands before anything was mitigated looks at the state of things: it is part of the diagnosis,
/// unless numbered sections before it have changed something. What says "After applying the fix" behind a mitigation is
/// a verification.
pub(super) fn verify_after_mitigate(sections: &mut [Section<'_>]) {
    let Some(first) = sections.iter().position(|section| section.phase == Mitigate) else { return };
    let begun = sections.iter().position(|section| section.phase == RunbookPhase::Rollback).unwrap_or(first).min(first);
    // The level of the numbered sections that the last one stands in and whether they have changed something.
    let mut numbered: Option<(u8, bool)> = None;
    // The level of a numbered verification that follows on such.
    let mut kept: Option<u8> = None;
    for section in sections.iter_mut().take(begun) {
        kept.take_if(|level| section.level <= *level);
        if section.level > 0
            && phase::is_step(&section.title)
            && numbered.is_none_or(|(level, _)| section.level <= level)
        {
            let changed = numbered.is_some_and(|(level, changed)| changed && level == section.level);
            numbered = Some((section.level, changed));
            if changed && section.phase == Verify {
                kept = Some(section.level);
            }
        } else if numbered.is_some_and(|(level, _)| section.level < level) {
            numbered = None;
        }
        if let Some((_, changed)) = &mut numbered {
            *changed |= section.phase == RunbookPhase::Other && section.blocks.iter().copied().any(changes);
        }
        if section.phase == Verify && !section.pinned && kept.is_none() {
            section.phase = Diagnose;
        }
    }
    for section in sections.iter_mut().skip(first + 1) {
        let Some(Block::Paragraph { text, .. }) = section.blocks.first() else { continue };
        let lower = text.to_lowercase();
        let opens =
            ["after applying", "after the fix", "after resolution"].iter().any(|start| lower.starts_with(start));
        if opens && section.phase == RunbookPhase::Other && !section.pinned {
            section.phase = Verify;
        }
    }
}

/// Whether a block has a line that evidently changes something.
fn changes(block: &Block) -> bool {
    match block {
        Block::Code(code) => code.body.text.lines().any(|line| effects::of_command(line) == effects::Effect::Changes),
        _ => false,
    }
}

#[cfg(test)]
#[path = "alternatives_tests.rs"]
mod tests;
