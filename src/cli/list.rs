//! `firedrill list`: lists the scenarios of the project.

use super::show::text::line;
use crate::error::{Error, Exit};
use crate::output::print;
use crate::source::tidy;
use crate::spec::{Outline, outline, project_scenarios};

/// Lists the scenarios of the project, with title, severity, kind, runbook, faults and tags.
#[derive(Debug, clap::Args)]
pub struct ListArgs {}

/// Runs the command.
pub async fn run(_args: ListArgs, globals: &super::Globals) -> Result<Exit, Error> {
    let scenarios: Vec<Outline> = project_scenarios(&globals.project).iter().map(|path| outline(path)).collect();
    if scenarios.is_empty() {
        let folder = tidy(&globals.project.join("scenarios"));
        return Err(Error::usage(format!("there is no scenario in {}", folder.display()))
            .hint("run Firedrill in the project's folder, or name it with `-C DIR`"));
    }
    print(&text(&scenarios)).map(|()| Exit::Passed)
}

fn text(scenarios: &[Outline]) -> String {
    let width = |of: fn(&Outline) -> &str| scenarios.iter().map(|s| of(s).chars().count()).max().unwrap_or_default();
    let name_width = width(|s| &s.name);
    let severity_width = width(|s| s.severity.as_deref().unwrap_or_default());
    let mut out = String::new();
    for scenario in scenarios {
        let unnamed = if scenario.readable { "(no title)" } else { "(cannot be read: `firedrill check` says why)" };
        let title = scenario.title.as_deref().unwrap_or(unnamed);
        let severity = scenario.severity.as_deref().unwrap_or_default();
        // Without any severity it has no column.
        let severity = if severity_width == 0 { String::new() } else { format!("{severity:severity_width$}  ") };
        line(&mut out, &format!("{:name_width$}  {severity}{title}", scenario.name));
        let more = [
            ("kind", if scenario.kind == "dr" { "DR drill".into() } else { String::new() }),
            ("runbook", scenario.runbook.clone().unwrap_or_default()),
            ("faults", scenario.faults.join(", ")),
            ("tags", scenario.tags.join(", ")),
        ];
        for (label, value) in more.iter().filter(|(_, value)| !value.is_empty()) {
            line(&mut out, &format!("{:name_width$}  {label:8} {value}", ""));
        }
    }
    out
}
