//! The inputs of a runbook as `firedrill show` lists them: spellings, lines, and where each value comes from.

use super::View;
use crate::spec::{InputUse, input_uses};
use serde::Serialize;
use std::collections::{BTreeSet, HashMap, HashSet};

/// An input of the whole runbook.
#[derive(Debug, Default, Serialize)]
pub(super) struct ShownInput {
    pub name: String,
    pub spellings: Vec<String>,
    pub lines: BTreeSet<usize>,
    pub scenario_lines: BTreeSet<usize>,
    pub value: Option<String>,
    pub captured_by: Option<String>,
    /// Needed only as a variable of a service, which may have it of its own.
    #[serde(skip)]
    pub of_service: bool,
}

/// The inputs, in the order in which they are first needed. Those of commands that do not run are not needed.
pub(super) fn inputs(view: &View) -> Vec<ShownInput> {
    let mut shown: Vec<ShownInput> = Vec::new();
    // A runbook may have very many, of very many spellings.
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    let mut spellings: HashSet<(usize, &str)> = HashSet::new();
    let followed = view.runbook.steps.iter().filter(|step| view.follows(step));
    for InputUse { step, command, place, input, captured } in input_uses(followed, view.service()) {
        let index = *by_name.entry(&input.name).or_insert_with(|| {
            shown.push(ShownInput {
                name: input.name.clone(),
                value: view.value(step, input),
                captured_by: captured.map(str::to_string),
                of_service: true,
                ..ShownInput::default()
            });
            shown.len() - 1
        });
        let Some(known) = shown.get_mut(index) else { continue };
        known.of_service &= place.is_some() && input.variable().is_some();
        if spellings.insert((index, &input.spelling)) {
            known.spellings.push(input.spelling.clone());
        }
        let lines = if command.origin.is_some() { &mut known.scenario_lines } else { &mut known.lines };
        lines.insert(input.line);
    }
    shown
}
