//! `firedrill faults`: what can be broken: the kinds of faults, and the presets that are made of them.

use super::Globals;
use crate::error::{Error, Exit};
use crate::faults::{Fault, Preset};
use crate::output::{print, say, visible};
use crate::source::{Diagnostics, Source, did_you_mean, render};
use serde_json::Value;
use std::fmt::Write;

/// Lists the faults that a scenario can use, the project's own of `faults/` among them; of one, its parameters.
#[derive(Debug, clap::Args)]
pub struct FaultsArgs {
    /// The fault whose parameters are to be shown.
    name: Option<String>,
}

/// Runs the command.
pub async fn run(args: FaultsArgs, globals: &Globals) -> Result<Exit, Error> {
    let mut diags = Diagnostics::default();
    let presets = Preset::all(&Source::new(globals.project.join("scenarios/any.yaml"), ""), &mut diags);
    if diags.has_errors() {
        return Err(globals.mistakes("the project's faults have mistakes", &diags));
    }
    say(&render(&diags, globals.color()));
    let (schema, _) = crate::spec::schema();
    let properties = &schema["properties"]["faults"]["items"]["properties"];
    let kinds = Fault::KINDS.iter().map(|kind| (kind.to_string(), properties[kind].clone()));
    let all: Vec<(String, Value)> =
        kinds.chain(presets.iter().map(|preset| (preset.name.clone(), preset.shape()))).collect();
    let Some(wanted) = &args.name else { return print(&list(&all)).map(|()| Exit::Passed) };
    let names = all.iter().map(|(name, _)| name.as_str());
    let unknown = || Error::usage(format!("there is no fault `{wanted}`")).hint(did_you_mean(wanted, names));
    let (name, shape) = all.iter().find(|(name, _)| name == wanted).ok_or_else(unknown)?;
    print(&details(name, shape)).map(|()| Exit::Passed)
}

fn words(shape: &Value) -> &str {
    shape["description"].as_str().unwrap_or_default()
}

fn list(all: &[(String, Value)]) -> String {
    let width = all.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let line = |(name, shape): &(String, Value)| {
        let first = words(shape).lines().next().unwrap_or_default().split("; usually").next().unwrap_or_default();
        visible(&format!("{name:width$}  {first}")) + "\n"
    };
    all.iter().map(line).collect()
}

fn details(name: &str, shape: &Value) -> String {
    let mut out = format!("{name}: {}\n\n", words(shape));
    for (key, value) in shape["properties"].as_object().into_iter().flatten() {
        let text = words(value).lines().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
        let _ = writeln!(out, "  {key:12}  {text}");
    }
    out.lines().map(|line| visible(line) + "\n").collect()
}
