//! The values of a runbook's inputs: given by the scenario or the command line, found out by an earlier step, typed by a
//! person. A value counts under its unified name, and as a variable in every session.

use crate::runbook::{Command, Input, Runbook, unified_name};
use crate::spec::Respond;
use std::collections::BTreeMap;

/// The values so far.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// By unified name as well as by the name as it was written.
    values: BTreeMap<String, String>,
    /// Unified name → the variables by which commands read that input.
    variables: BTreeMap<String, Vec<String>>,
    /// What every session has in its environment.
    env: Vec<(String, String)>,
}

impl Inputs {
    /// What is known before the first step.
    pub fn new(runbook: &Runbook, respond: &Respond) -> Inputs {
        let values: BTreeMap<String, String> =
            respond.vars.iter().map(|(name, var)| (name.clone(), var.value.clone())).collect();
        let mut variables: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for input in runbook.steps.iter().flat_map(|step| step.commands()).flat_map(Command::env_inputs) {
            let names = variables.entry(input.name.clone()).or_default();
            if let Some(name) = input.variable().filter(|name| !names.iter().any(|known| known == name)) {
                names.push(name.to_string());
            }
        }
        let env = runbook.env(|name| values.get(name).cloned());
        Inputs { values, variables, env }
    }

    /// The value under a unified name.
    pub fn get(&self, name: &str) -> Option<String> {
        self.values.get(name).cloned()
    }

    /// Whether an input has a value.
    pub fn has(&self, input: &Input) -> bool {
        self.values.contains_key(&input.name)
    }

    /// What a new session begins with.
    pub fn env(&self) -> &[(String, String)] {
        &self.env
    }

    /// Takes a value; returns the variables by which sessions must know it: its name, and every spelling that a command
    /// reads.
    pub fn set(&mut self, name: &str, value: &str) -> Vec<(String, String)> {
        let unified = unified_name(name);
        self.values.insert(name.to_string(), value.to_string());
        self.values.insert(unified.clone(), value.to_string());
        let mut names = vec![name.to_string()];
        names.extend(self.variables.get(&unified).into_iter().flatten().filter(|known| *known != name).cloned());
        let set: Vec<(String, String)> = names.into_iter().map(|name| (name, value.to_string())).collect();
        self.env.retain(|(known, _)| !set.iter().any(|(name, _)| name == known));
        self.env.extend(set.iter().cloned());
        set
    }
}
