//! The values of a runbook's inputs: given by the scenario or the command line, found out by an earlier step, typed by a
//! person. A value counts under its unified name, and as a variable in every session.

use crate::record::{looks_secret, url_password};
use crate::runbook::{Command, Runbook, RunbookInput, unified_name};
use crate::shell::{SessionVar, TRUSTED};
use crate::source::beginning;
use crate::spec::{Respond, Var};
use std::collections::BTreeMap;

/// The values so far.
#[derive(Debug, Clone, Default)]
pub struct RunbookInputs {
    /// By unified name as well as by the name as it was written.
    values: BTreeMap<String, Var>,
    /// Unified name → the variables by which commands read that input.
    variables: BTreeMap<String, Vec<String>>,
    /// What the scenario puts into the environment of every session.
    given: BTreeMap<String, Var>,
    /// The same for the step that is followed.
    of_step: BTreeMap<String, Var>,
    /// The variables of every session.
    env: Vec<SessionVar>,
}

/// Why an input cannot be used: it has no value.
const MISSING: &str = "has no value";
/// Its value is empty, and nothing says that it may be.
const EMPTY: &str = "is empty";

impl RunbookInputs {
    /// What is known before the first step.
    pub fn new(runbook: &Runbook, respond: &Respond) -> RunbookInputs {
        let mut variables: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for input in runbook.steps.iter().flat_map(|step| step.commands()).flat_map(Command::env_inputs) {
            let names = variables.entry(input.name.clone()).or_default();
            if let Some(name) = input.variable().filter(|name| !names.iter().any(|known| known == name)) {
                names.push(name.to_string());
            }
        }
        let read = runbook.env(|name| Some(respond.vars.get(name)?.value.clone()));
        let (values, given, of_step) = (respond.vars.clone(), respond.env.clone(), BTreeMap::new());
        let mut inputs = RunbookInputs { values, variables, given, of_step, env: env_of(&respond.env) };
        inputs.typed(read);
        inputs
    }

    /// Lets programs in every session trust a certificate authority, in PEM.
    pub fn trust(&mut self, pem: &str) {
        // It has the last word over what the scenario gives; what steps set has it over that.
        self.env.push(SessionVar::exported(TRUSTED, Some(pem)));
    }

    /// The value under a unified name.
    pub fn get(&self, name: &str) -> Option<String> {
        Some(self.values.get(name)?.value.clone())
    }

    /// Why an input cannot be used, if so. A variable may stand in the environment that the scenario gives.
    pub(super) fn lack(&self, input: &RunbookInput) -> Option<&'static str> {
        let of_step = input.variable().and_then(|name| self.of_step.get(name));
        let known = of_step.or_else(|| self.values.get(&input.name)).or_else(|| self.given.get(input.variable()?));
        known.map_or(Some(MISSING), |var| (!var.is_usable()).then_some(EMPTY))
    }

    /// Whether a name is one of an input that may be empty.
    pub fn may_be_empty(&self, name: &str) -> bool {
        self.values.get(&unified_name(name)).is_some_and(|var| var.may_be_empty)
    }

    /// What a new session begins with.
    pub fn env(&self) -> Vec<SessionVar> {
        let mut env = self.env.clone();
        env.retain(|var| !self.of_step.contains_key(&var.name));
        env.extend(env_of(&self.of_step));
        env
    }

    /// Takes a value; returns the variables by which sessions must know it: its name, and, where that is no variable that a command
    /// reads, every one that some read.
    pub fn set(&mut self, name: &str, value: &str) -> Vec<SessionVar> {
        let unified = unified_name(name);
        let may_be_empty = self.may_be_empty(name);
        let var = Var { value: value.to_string(), secret: false, declared: None, may_be_empty };
        self.values.extend([name.to_string(), unified.clone()].map(|name| (name, var.clone())));
        let mut names = vec![name.to_string()];
        let read = self.variables.get(&unified).filter(|read| !read.iter().any(|known| known == name));
        names.extend(read.into_iter().flatten().cloned());
        self.typed(names.into_iter().map(|name| (name, value.to_string())))
    }

    /// Begins a step that has an environment of its own; returns what its sessions must know.
    pub fn begin_step(&mut self, env: &BTreeMap<String, Var>) -> Vec<SessionVar> {
        self.of_step.clone_from(env);
        env_of(env)
    }

    /// Ends it; returns what sessions must know instead, `None` where a variable is to go.
    pub fn end_step(&mut self) -> Vec<SessionVar> {
        let ended = std::mem::take(&mut self.of_step).into_keys();
        // What was not exported before is taken away first: a variable that is only set again stays exported.
        let back = |name: String| {
            let before = self.env.iter().find(|var| var.name == name).cloned();
            std::iter::once(SessionVar::exported(&name, None)).chain(before)
        };
        ended.flat_map(back).collect()
    }

    /// Values as a person types `NAME=value`: programs have them in their environment only where the scenario puts the name there.
    fn typed(&mut self, values: impl IntoIterator<Item = (String, String)>) -> Vec<SessionVar> {
        let of = |(name, value)| SessionVar { exported: self.given.contains_key(&name), name, value: Some(value) };
        let set: Vec<SessionVar> = values.into_iter().map(of).collect();
        self.env.retain(|known| !set.iter().any(|var| var.name == known.name));
        self.env.extend(set.iter().cloned());
        set
    }
}

/// What the scenario puts into the environment, as sessions must know it.
fn env_of(vars: &BTreeMap<String, Var>) -> Vec<SessionVar> {
    vars.iter().map(|(name, var)| SessionVar::exported(name, Some(&var.value))).collect()
}

/// Largest value, in bytes.
const LARGEST: usize = 64 << 10;

/// The standard output of a block, as far as it is kept.
#[derive(Debug, Clone, Default)]
pub(super) struct CapturedOutput {
    pub text: String,
    /// Bytes that are not in it.
    pub omitted: u64,
}

/// Most that is kept of a block, in bytes: some commands' worth of what the shell keeps of one.
const KEPT: usize = 1 << 20;

impl CapturedOutput {
    /// Takes what a command wrote in, and how many bytes of it were left out already.
    pub(super) fn push(&mut self, text: &str, omitted: u64) {
        let room = KEPT.saturating_sub(self.text.len());
        let kept = beginning(text, room);
        self.text.push_str(kept);
        self.omitted = self.omitted.saturating_add((text.len() - kept.len()) as u64).saturating_add(omitted);
    }
}

/// The value: everything without the newlines at its end, as `$(…)` gives it. Nothing is no value, unless it may be
/// empty: a command that was written for one (`rm -r <dir>/*`) would do something else.
pub(super) fn captured(written: &CapturedOutput, may_be_empty: bool) -> Result<String, String> {
    let value = written.text.trim_end_matches('\n');
    let length = u64::try_from(value.len()).unwrap_or(u64::MAX).saturating_add(written.omitted);
    if written.omitted > 0 || value.len() > LARGEST {
        return Err(format!("{length} bytes are more than the {} KiB that an input may hold", LARGEST >> 10));
    }
    if value.trim().is_empty() && !may_be_empty {
        return Err("nothing was written to standard output".into());
    }
    // The shell has put the first character where bytes were no UTF-8.
    if value.contains([char::REPLACEMENT_CHARACTER, '\0']) {
        return Err("its output is not UTF-8, or holds a NUL byte, which no variable can".into());
    }
    Ok(value.to_string())
}

/// What of a captured output must never be shown, before any of it is.
pub(super) fn captured_secrets(name: &str, text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    if looks_secret(name) {
        let passwords = lines.clone().filter_map(url_password);
        let whole = text.trim_end_matches('\n');
        return lines.chain(passwords).chain([whole]).map(str::to_string).collect();
    }
    lines.filter_map(|line| Some([line, url_password(line)?])).flatten().map(str::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::parse;
    use crate::source::{Diagnostics, Source};

    fn var(value: &str, may_be_empty: bool) -> Var {
        Var { value: value.into(), secret: false, declared: None, may_be_empty }
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
        let lacks = |inputs: &RunbookInputs| -> Vec<(String, Option<&'static str>)> {
            let all = runbook.steps[0].commands()[0].inputs.iter();
            all.map(|input| (input.name.clone(), inputs.lack(input))).collect()
        };
        let named = |name: &str, lack| (name.to_string(), lack);
        let mut expected = vec![
            named("one", Some(EMPTY)),
            named("two", None),
            named("three", Some(EMPTY)),
            named("four", None),
            named("five", Some(MISSING)),
        ];
        assert_eq!(lacks(&inputs), expected);
        inputs.set("ONE", "found");
        inputs.set("FIVE", "");
        expected[0].1 = None;
        expected[4].1 = Some(EMPTY);
        assert_eq!(lacks(&inputs), expected);
        inputs
            .begin_step(&BTreeMap::from([("ONE".to_string(), var("", false)), ("FIVE".to_string(), var("5", false))]));
        expected[0].1 = Some(EMPTY);
        expected[4].1 = None;
        assert_eq!(lacks(&inputs), expected, "the environment of the step is closer");
    }

    #[test]
    fn what_is_typed_for_a_variable_is_no_value_of_another_spelling() {
        let names = |name: &str| {
            let mut inputs = RunbookInputs::new(&runbook("a \"$POD\" \"$Pod\""), &Respond::alone(None, None, None));
            inputs.set(name, "x").into_iter().map(|var| var.name).collect::<Vec<_>>()
        };
        assert_eq!(names("POD"), ["POD"]);
        assert_eq!(names("pod"), ["pod", "POD", "Pod"]);
    }

    #[test]
    fn the_environment_of_a_step_ends_with_it() {
        let runbook = runbook("a \"$ONE\"");
        let mut respond = Respond::alone(None, None, None);
        respond.env.insert("ONE".into(), var("env", false));
        respond.vars.insert("one".into(), var("var", false));
        respond.env.insert("TWO".into(), var("env", false));
        let mut inputs = RunbookInputs::new(&runbook, &respond);
        let sorted = |mut env: Vec<SessionVar>| {
            env.sort();
            env.into_iter().map(|var| format!("{}={}", var.name, var.value.unwrap_or_default())).collect::<Vec<_>>()
        };
        assert_eq!(sorted(inputs.env()), ["ONE=var", "TWO=env"], "the value of the input is closer");
        assert!(inputs.env().iter().all(|var| var.exported), "`env` of the scenario has both");
        let step = BTreeMap::from([("ONE".to_string(), var("step", false)), ("NEW".to_string(), var("step", false))]);
        assert_eq!(sorted(inputs.begin_step(&step)), ["NEW=step", "ONE=step"]);
        assert_eq!(sorted(inputs.env()), ["NEW=step", "ONE=step", "TWO=env"]);
        assert_eq!(sorted(inputs.end_step()), ["NEW=", "ONE=", "ONE=var"]);
        assert_eq!(sorted(inputs.env()), ["ONE=var", "TWO=env"]);
        assert!(inputs.set("THREE", "found").iter().all(|var| !var.exported), "as if somebody had typed it");
    }
}

#[cfg(test)]
mod capture_tests {
    use super::*;

    fn written(text: &str) -> CapturedOutput {
        let mut written = CapturedOutput::default();
        written.push(text, 0);
        written
    }

    #[test]
    fn newlines_at_the_end_are_not_part_of_it() {
        assert_eq!(captured(&written(" a\nb \n\n"), false), Ok(" a\nb ".to_string()));
        for nothing in ["", "\n", " \n"] {
            assert!(captured(&written(nothing), false).unwrap_err().contains("nothing"));
        }
    }

    #[test]
    fn what_no_variable_can_hold_is_refused_with_its_reason() {
        assert!(captured(&written(&"x".repeat(LARGEST)), false).is_ok());
        assert!(captured(&written(&"x".repeat(LARGEST + 1)), false).unwrap_err().contains("65537 bytes"));
        assert!(captured(&written(&"é".repeat(KEPT)), false).unwrap_err().contains(&format!("{} bytes", 2 * KEPT)));
        assert!(captured(&written("a\u{FFFD}"), false).unwrap_err().contains("UTF-8"));
        assert!(captured(&written("a\0b"), false).unwrap_err().contains("NUL"));
    }

    #[test]
    fn secrets_are_known_by_the_name_and_by_the_value() {
        assert_eq!(captured_secrets("DB_PASSWORD", "hunter22\n"), ["hunter22", "hunter22"]);
        assert_eq!(
            captured_secrets("URL", "postgres://shop:hunter22@db/x\n"),
            ["postgres://shop:hunter22@db/x", "hunter22"]
        );
        assert!(captured_secrets("POD", "web-1\n").is_empty());
    }
}
