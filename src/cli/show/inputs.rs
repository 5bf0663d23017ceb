//! The inputs of a runbook as `firedrill show` lists them: spellings, lines, and where each value comes from.

use super::View;
use crate::runbook::{Command, Input, Step, unified_name};
use serde::Serialize;
use std::collections::{HashMap, HashSet};

/// An input of the whole runbook.
#[derive(Debug, Serialize)]
pub(super) struct ShownInput {
    pub name: String,
    pub spellings: Vec<String>,
    pub lines: Vec<usize>,
    pub scenario_lines: Vec<usize>,
    pub value: Option<String>,
    pub captured_by: Option<String>,
    /// Needed only as a variable of a service, which may have it of its own.
    #[serde(skip)]
    pub of_service: bool,
}

/// The inputs, in the order in which they are first needed. Those of commands that do not run are not needed.
pub(super) fn inputs(view: &View) -> Vec<ShownInput> {
    let mut list = Inputs::default();
    let mut captured: HashMap<String, &str> = HashMap::new();
    for step in view.runbook.steps.iter().filter(|step| view.follows(step)) {
        let mut captures = step.captures().peekable();
        let mut commands: Vec<&Command> = step.commands().iter().collect();
        commands.sort_by_key(|command| command.block);
        for command in commands {
            while let Some((_, name)) = captures.next_if(|(by, _)| *by < command.block) {
                captured.insert(unified_name(name), &step.id);
            }
            command.inputs.iter().for_each(|input| list.add(view, step, command, input, &captured));
        }
        captured.extend(captures.map(|(_, name)| (unified_name(name), step.id.as_str())));
    }
    list.shown
}

/// Inputs with what is noted of each: a runbook may have very many.
#[derive(Default)]
struct Inputs<'a> {
    shown: Vec<ShownInput>,
    by_name: HashMap<&'a str, usize>,
    spellings: HashSet<(usize, &'a str)>,
    /// With whether the scenario has it.
    lines: HashSet<(usize, bool, usize)>,
}

impl<'a> Inputs<'a> {
    fn add(&mut self, view: &View, step: &Step, command: &Command, input: &'a Input, captured: &HashMap<String, &str>) {
        let index = *self.by_name.entry(&input.name).or_insert_with(|| {
            self.shown.push(ShownInput {
                name: input.name.clone(),
                spellings: Vec::new(),
                lines: Vec::new(),
                scenario_lines: Vec::new(),
                value: view.value(step, input),
                captured_by: captured.get(&input.name).map(|id| (*id).to_string()),
                of_service: true,
            });
            self.shown.len() - 1
        });
        let Some(known) = self.shown.get_mut(index) else { return };
        let in_service = step.settings(command.block).place.is_some() || view.service().is_some();
        known.of_service &= in_service && input.variable().is_some();
        if self.spellings.insert((index, &input.spelling)) {
            known.spellings.push(input.spelling.clone());
        }
        let of_scenario = command.origin.is_some();
        if self.lines.insert((index, of_scenario, input.line)) {
            let lines = if of_scenario { &mut known.scenario_lines } else { &mut known.lines };
            lines.push(input.line);
        }
    }
}
