//! The ids of steps: the phase, and what the author named the step or the slug of its title. What the author named is
//! given first, so that a title never takes an id away. A title that stands below several headings is told apart by these
//! (`mitigate/restart.redis`), and below one by its ordinal there, so that what is added elsewhere renames nothing.

use super::annotation::Name;
use super::text::words;
use super::{RunbookPhase, phase};
use crate::source::{Diagnostics, Source, shorten};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// A part of the runbook that gets an id: a step as it would be if no client ran the blocks of another language, so that
/// a client that is added renames no step.
#[derive(Debug, Clone)]
pub(super) struct NamedPart {
    pub phase: RunbookPhase,
    pub title: String,
    pub name: Option<Name>,
    /// The headings above it, the outermost first.
    pub path: Arc<[String]>,
    /// Whether only a client makes a step of it: it takes no id away from the others.
    pub extra: bool,
}

/// The ids of the parts, in their order; two that were given the same one are a mistake.
pub(super) fn assign(parts: &[NamedPart], source: &Arc<Source>, diags: &mut Diagnostics) -> Vec<String> {
    let mut ids: Vec<Option<String>> = vec![None; parts.len()];
    // Each with the line of the name that gave it.
    let mut taken: HashMap<String, usize> = HashMap::new();
    for (part, id) in parts.iter().zip(&mut ids) {
        let Some(name) = part.name.as_ref().filter(|name| name.exact) else { continue };
        let named = format!("{}/{}", part.phase.name(), name.text);
        let line = source.line(name.span.start);
        if let Some(first) = taken.get(&named) {
            let message = format!("the id `{}` is given twice", shorten(&name.text));
            let error = diags.error(source, name.span, message).code("RB004");
            error.label(format!("a step of the phase {} in line {first} has it already", part.phase.name()));
            error.help("an id names one step: give this one another");
            continue;
        }
        taken.insert(named.clone(), line);
        *id = Some(named);
    }
    let base = |part: &NamedPart| {
        let named = part.name.as_ref().map_or(&part.title, |name| &name.text);
        format!("{}/{}", part.phase.name(), slug(named))
    };
    let mut places: HashMap<String, BTreeSet<&[String]>> = HashMap::new();
    for (part, _) in parts.iter().zip(&ids).filter(|(part, id)| id.is_none() && !part.extra) {
        places.entry(base(part)).or_default().insert(&part.path);
    }
    let mut counts: HashMap<String, usize> = HashMap::new();
    for extra in [false, true] {
        let open = parts.iter().zip(&mut ids).filter(|(part, id)| id.is_none() && part.extra == extra);
        for (part, given) in open {
            let base = base(part);
            let several = places.get(&base).is_some_and(|places| places.len() > 1);
            let base = if several { format!("{base}.{}", place(&part.path, &part.title)) } else { base };
            let count = counts.entry(base.clone()).or_insert(0);
            let mut id = base.clone();
            // A title may end in the very ordinal that another one was given.
            while taken.insert(id.clone(), 0).is_some() {
                *count += 1;
                id = format!("{base}-{}", *count + 1);
            }
            *given = Some(id);
        }
    }
    ids.into_iter().map(Option::unwrap_or_default).collect()
}

/// The headings that say where a title stands: those that only name a phase say nothing, unless there is no other.
fn place(path: &[String], title: &str) -> String {
    let above: Vec<&str> = path.iter().map(String::as_str).filter(|heading| *heading != title).collect();
    let says: Vec<&str> = above.iter().copied().filter(|text| !phase::is_only_a_phase(text)).collect();
    let last = above.last().copied().unwrap_or("top");
    slug(&if says.is_empty() { last.to_string() } else { says.join(" ") })
}

/// The title in lower case, words joined by `-`, its number left out.
fn slug(title: &str) -> String {
    let bare = phase::strip_number(title);
    let bare = if bare.is_empty() { title } else { bare };
    let mut slug = String::new();
    for word in words(bare) {
        if slug.chars().count() + word.chars().count() > 48 && !slug.is_empty() {
            break;
        }
        slug.push_str(if slug.is_empty() { "" } else { "-" });
        slug.extend(word.chars().take(48).flat_map(char::to_lowercase));
    }
    if slug.is_empty() { "step".to_string() } else { slug }
}

#[cfg(test)]
#[path = "ids_tests.rs"]
mod tests;
