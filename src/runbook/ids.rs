//! The ids of steps: the phase, and what the author named the step or the slug of its title. What the author named is
//! given first, so that a title never takes an id away.

use super::annotation::Name;
use super::{Step, phase};
use crate::source::{Diagnostics, Source, shorten};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Gives every step its id; two that were given the same one are a mistake.
pub(super) fn assign(steps: &mut [(Step, Option<Name>)], source: &Arc<Source>, diags: &mut Diagnostics) {
    let mut ids: HashSet<String> = HashSet::new();
    let mut given: HashMap<String, usize> = HashMap::new();
    let mut done = vec![false; steps.len()];
    for ((step, name), done) in steps.iter_mut().zip(&mut done) {
        let Some(name) = name.as_ref().filter(|name| name.exact) else { continue };
        let id = format!("{}/{}", step.phase.name(), name.text);
        let line = source.pos(name.span.start).line;
        if let Some(first) = given.get(&id) {
            diags
                .error(source, name.span, format!("the id `{}` is given twice", shorten(&name.text)))
                .code("RB004")
                .label(format!("a step of the phase {} in line {first} has it already", step.phase.name()))
                .help("an id names one step: give this one another");
            continue;
        }
        given.insert(id.clone(), line);
        ids.insert(id.clone());
        step.id = id;
        *done = true;
    }
    let mut taken: HashMap<String, usize> = HashMap::new();
    for ((step, name), _) in steps.iter_mut().zip(&done).filter(|(_, done)| !**done) {
        let slug = slug(name.as_ref().map_or(&step.title, |name| &name.text));
        let base = format!("{}/{slug}", step.phase.name());
        let count = taken.entry(base.clone()).or_insert(0);
        let mut id = base.clone();
        // A title may end in the very ordinal that another one was given.
        while !ids.insert(id.clone()) {
            *count += 1;
            id = format!("{base}-{}", *count + 1);
        }
        step.id = id;
    }
}

/// The title in lower case, words joined by `-`, its number left out.
fn slug(title: &str) -> String {
    let bare = phase::strip_number(title);
    let bare = if bare.is_empty() { title } else { bare };
    let mut slug = String::new();
    for word in bare.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        if slug.chars().count() + word.chars().count() > 48 && !slug.is_empty() {
            break;
        }
        if !slug.is_empty() {
            slug.push('-');
        }
        slug.extend(word.chars().take(48).flat_map(char::to_lowercase));
    }
    if slug.is_empty() { "step".to_string() } else { slug }
}
