//! The inputs of a runbook as `firedrill show` lists them: spellings, lines, and where each value comes from.

use super::View;
use crate::runbook::{Step, unified_name};
use serde::Serialize;

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
    let mut out: Vec<ShownInput> = Vec::new();
    let mut captured: Vec<(String, &str)> = Vec::new();
    for step in view.runbook.steps.iter().filter(|step| view.follows(step)) {
        for (block, _) in step.blocks.iter().enumerate() {
            of_block(view, step, block, &captured, &mut out);
            let of_this = step.captures().filter(|(by, _)| *by == block);
            captured.extend(of_this.map(|(_, name)| (unified_name(name), step.id.as_str())));
        }
    }
    out
}

fn of_block(view: &View, step: &Step, block: usize, captured: &[(String, &str)], out: &mut Vec<ShownInput>) {
    for command in step.commands().iter().filter(|command| command.block == block) {
        for input in &command.inputs {
            let index = out.iter().position(|known| known.name == input.name).unwrap_or_else(|| {
                let by = captured.iter().rev().find(|(name, _)| *name == input.name).map(|(_, id)| id.to_string());
                out.push(ShownInput {
                    name: input.name.clone(),
                    spellings: Vec::new(),
                    lines: Vec::new(),
                    scenario_lines: Vec::new(),
                    value: view.value(step, input),
                    captured_by: by,
                    of_service: true,
                });
                out.len() - 1
            });
            let Some(known) = out.get_mut(index) else { continue };
            let in_service = step.settings(block).place.is_some() || view.service().is_some();
            known.of_service &= in_service && input.variable().is_some();
            if !known.spellings.contains(&input.spelling) {
                known.spellings.push(input.spelling.clone());
            }
            let lines = if command.origin.is_some() { &mut known.scenario_lines } else { &mut known.lines };
            if !lines.contains(&input.line) {
                lines.push(input.line);
            }
        }
    }
}
