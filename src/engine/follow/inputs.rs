//! The values of a runbook's inputs: given by the scenario or the command line, found out by an earlier step, typed by a
//! person. A value counts under its unified name, and as a variable in every session.

use crate::runbook::{Command, Runbook, RunbookInput, unified_name};
use crate::shell::TRUSTED;
use crate::spec::{Respond, Var};
use std::collections::{BTreeMap, BTreeSet};

/// The values so far.
#[derive(Debug, Clone, Default)]
pub struct RunbookInputs {
    /// By unified name as well as by the name as it was written.
    values: BTreeMap<String, String>,
    /// Names of those that may be empty.
    may_be_empty: BTreeSet<String>,
    /// Unified name → the variables by which commands read that input.
    variables: BTreeMap<String, Vec<String>>,
    /// What the scenario puts into the environment of every session.
    given: BTreeMap<String, Var>,
    /// The same for the step that is followed.
    of_step: BTreeMap<String, Var>,
    /// What every session has in its environment.
    env: Vec<(String, String)>,
}

/// Why an input cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// It has no value.
    Missing,
    /// Its value is empty, and nothing says that it may be.
    Empty,
}

impl Lack {
    /// As it is told.
    pub fn text(self) -> &'static str {
        match self {
            Lack::Missing => "has no value",
            Lack::Empty => "is empty",
        }
    }
}

impl RunbookInputs {
    /// What is known before the first step.
    pub fn new(runbook: &Runbook, respond: &Respond) -> RunbookInputs {
        let values: BTreeMap<String, String> =
            respond.vars.iter().map(|(name, var)| (name.clone(), var.value.clone())).collect();
        let may_be_empty = respond.vars.iter().filter(|(_, var)| var.may_be_empty).map(|(name, _)| name.clone());
        let mut variables: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for input in runbook.steps.iter().flat_map(|step| step.commands()).flat_map(Command::env_inputs) {
            let names = variables.entry(input.name.clone()).or_default();
            if let Some(name) = input.variable().filter(|name| !names.iter().any(|known| known == name)) {
                names.push(name.to_string());
            }
        }
        let env = respond.env.iter().map(|(name, var)| (name.clone(), var.value.clone())).collect();
        let exported = runbook.env(|name| values.get(name).cloned());
        let (may_be_empty, given, of_step) = (may_be_empty.collect(), respond.env.clone(), BTreeMap::new());
        let mut inputs = RunbookInputs { values, may_be_empty, variables, given, of_step, env };
        inputs.export(&exported);
        inputs
    }

    /// Lets programs in every session trust a certificate authority, in PEM.
    pub fn trust(&mut self, pem: String) {
        self.env.push((TRUSTED.into(), pem));
    }

    /// The value under a unified name.
    pub fn get(&self, name: &str) -> Option<String> {
        self.values.get(name).cloned()
    }

    /// Why an input cannot be used, if so. A variable may stand in the environment that the scenario gives.
    pub fn lack(&self, input: &RunbookInput) -> Option<Lack> {
        let of = |var: &Var| (!var.is_usable()).then_some(Lack::Empty);
        if let Some(var) = input.variable().and_then(|name| self.of_step.get(name)) {
            return of(var);
        }
        match (self.values.get(&input.name), input.variable().and_then(|name| self.given.get(name))) {
            (Some(value), _) => (value.trim().is_empty() && !self.may_be_empty(&input.name)).then_some(Lack::Empty),
            (None, Some(var)) => of(var),
            (None, None) => Some(Lack::Missing),
        }
    }

    /// Whether a name is one of an input that may be empty.
    pub fn may_be_empty(&self, name: &str) -> bool {
        self.may_be_empty.contains(&unified_name(name))
    }

    /// What a new session begins with.
    pub fn env(&self) -> Vec<(String, String)> {
        let mut env = self.env.clone();
        env.retain(|(name, _)| !self.of_step.contains_key(name));
        env.extend(self.of_step.iter().map(|(name, var)| (name.clone(), var.value.clone())));
        env
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
        self.export(&set);
        set
    }

    /// Begins a step that has an environment of its own; returns what its sessions must know.
    pub fn begin_step(&mut self, env: &BTreeMap<String, Var>) -> Vec<(String, String)> {
        self.of_step.clone_from(env);
        env.iter().map(|(name, var)| (name.clone(), var.value.clone())).collect()
    }

    /// Ends it; returns what sessions must know instead, `None` where a variable is to go.
    pub fn end_step(&mut self) -> Vec<(String, Option<String>)> {
        let before = |name: &String| self.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        std::mem::take(&mut self.of_step).into_keys().map(|name| (name.clone(), before(&name))).collect()
    }

    fn export(&mut self, set: &[(String, String)]) {
        self.env.retain(|(known, _)| !set.iter().any(|(name, _)| name == known));
        self.env.extend(set.iter().cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::parse;
    use crate::source::{Diagnostics, Source};

    fn var(value: &str, may_be_empty: bool) -> Var {
        Var { value: value.into(), secret: false, declared: false, may_be_empty }
    }

    fn runbook(command: &str) -> Runbook {
        let text = format!("# T\n\n## Mitigation\n\n```bash\n{command}\n```\n");
        parse(&Source::new("r.md", text), &mut Diagnostics::default()).expect("a runbook")
    }

    #[test]
    fn an_empty_value_is_none_unless_it_may_be_empty() {
        let runbook = runbook("a \"$ONE\" <two> \"$THREE\" \"$FOUR\" \"$FIVE\"");
        let mut respond = Respond::alone(None, None, None);
        respond.vars.insert("one".into(), var("", false));
        respond.vars.insert("two".into(), var("", true));
        respond.env.insert("THREE".into(), var("", false));
        respond.env.insert("FOUR".into(), var("x", false));
        let mut inputs = RunbookInputs::new(&runbook, &respond);
        let lacks = |inputs: &RunbookInputs| -> Vec<(String, Option<Lack>)> {
            let all = runbook.steps[0].commands()[0].inputs.iter();
            all.map(|input| (input.name.clone(), inputs.lack(input))).collect()
        };
        let named = |name: &str, lack| (name.to_string(), lack);
        let mut expected = vec![
            named("one", Some(Lack::Empty)),
            named("two", None),
            named("three", Some(Lack::Empty)),
            named("four", None),
            named("five", Some(Lack::Missing)),
        ];
        assert_eq!(lacks(&inputs), expected);
        inputs.set("ONE", "found");
        inputs.set("FIVE", "");
        expected[0].1 = None;
        expected[4].1 = Some(Lack::Empty);
        assert_eq!(lacks(&inputs), expected);
        inputs
            .begin_step(&BTreeMap::from([("ONE".to_string(), var("", false)), ("FIVE".to_string(), var("5", false))]));
        expected[0].1 = Some(Lack::Empty);
        expected[4].1 = None;
        assert_eq!(lacks(&inputs), expected, "the environment of the step is closer");
    }

    #[test]
    fn the_environment_of_a_step_ends_with_it() {
        let runbook = runbook("a \"$ONE\"");
        let mut respond = Respond::alone(None, None, None);
        respond.env.insert("ONE".into(), var("env", false));
        respond.vars.insert("one".into(), var("var", false));
        respond.env.insert("TWO".into(), var("env", false));
        let mut inputs = RunbookInputs::new(&runbook, &respond);
        let sorted = |mut env: Vec<(String, String)>| {
            env.sort();
            env.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
        };
        assert_eq!(sorted(inputs.env()), ["ONE=var", "TWO=env"], "the value of the input is closer");
        let step = BTreeMap::from([("ONE".to_string(), var("step", false)), ("NEW".to_string(), var("step", false))]);
        assert_eq!(sorted(inputs.begin_step(&step)), ["NEW=step", "ONE=step"]);
        assert_eq!(sorted(inputs.env()), ["NEW=step", "ONE=step", "TWO=env"]);
        assert_eq!(inputs.end_step(), [("NEW".into(), None), ("ONE".into(), Some("var".to_string()))]);
        assert_eq!(sorted(inputs.env()), ["ONE=var", "TWO=env"]);
    }
}
