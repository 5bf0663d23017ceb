//! How a runbook is followed without a scenario: what the command line says, and the defaults of `respond`.

use super::respond::TIMEOUT;
use super::vars::is_secret;
use super::{Respond, Var};
use crate::runbook::{RunbookPhase, unified_name};
use std::time::Duration;

impl Respond {
    /// `respond` as a scenario has it that says nothing.
    pub fn alone(phases: Option<Vec<RunbookPhase>>, timeout: Option<Duration>, service: Option<String>) -> Respond {
        Respond {
            phases: phases.unwrap_or_else(|| super::respond::PHASES.to_vec()),
            timeout: timeout.unwrap_or(TIMEOUT),
            service,
            ..Respond::default()
        }
    }

    /// Gives an input its value; whether it is a secret the scenario says, or its name and the value itself.
    pub fn give(&mut self, name: &str, value: &str) {
        let known = self.vars.get(&unified_name(name));
        let (declared, may_be_empty) = known.map_or((false, false), |known| (known.declared, known.may_be_empty));
        let secret = declared || is_secret(name, value, None);
        let var = Var { value: value.to_string(), secret, declared, may_be_empty };
        self.vars.insert(unified_name(name), var.clone());
        self.vars.insert(name.to_string(), var);
    }
}
