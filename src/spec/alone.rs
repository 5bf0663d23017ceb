//! How a runbook is followed without a scenario: what the command line says, and the defaults of `respond`.

use super::respond::{TIMEOUT, is_secret};
use super::{Respond, Var};
use crate::runbook::{RunbookPhase, unified_name};
use std::collections::BTreeMap;
use std::time::Duration;

impl Respond {
    /// `respond` as a scenario has it that says nothing.
    pub fn alone(phases: Option<Vec<RunbookPhase>>, timeout: Option<Duration>, service: Option<String>) -> Respond {
        Respond {
            phases: phases.unwrap_or_else(|| super::respond::PHASES.to_vec()),
            vars: BTreeMap::new(),
            env: BTreeMap::new(),
            env_files: Vec::new(),
            env_of_steps: BTreeMap::new(),
            timeout: timeout.unwrap_or(TIMEOUT),
            service,
            clients: BTreeMap::new(),
        }
    }

    /// Gives an input its value; whether it is a secret its name and the value itself say.
    pub fn give(&mut self, name: &str, value: &str) {
        let may_be_empty = self.vars.get(&unified_name(name)).is_some_and(|known| known.may_be_empty);
        let var = Var { value: value.to_string(), secret: is_secret(name, value, None), may_be_empty };
        self.vars.insert(unified_name(name), var.clone());
        self.vars.insert(name.to_string(), var);
    }
}
