//! `firedrill list`: lists the scenarios of the project.

use super::output::print;
use crate::error::{Error, Exit};
use crate::source::{tidy, visible};
use crate::spec::{Outline, outline, project_scenarios};

/// Lists the scenarios of the project, with title, severity, runbook, faults and tags.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// How to print them.
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    format: ListFormat,
}

/// How to print the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ListFormat {
    /// For people.
    Text,
    /// An array of objects.
    Json,
}

/// Runs the command.
pub async fn run(args: ListArgs, globals: &super::Globals) -> Result<Exit, Error> {
    let scenarios: Vec<Outline> = project_scenarios(&globals.project).iter().map(|path| outline(path)).collect();
    match args.format {
        ListFormat::Json => {
            let json = serde_json::to_string_pretty(&scenarios)
                .map_err(|error| Error::harness(format!("writing the list as JSON: {error}")))?;
            print(&format!("{json}\n"))?;
        }
        ListFormat::Text if scenarios.is_empty() => {
            let folder = tidy(&globals.project.join("scenarios"));
            return Err(Error::usage(format!("there is no scenario in {}", folder.display()))
                .hint("run Firedrill in the project's folder, or name it with `-C DIR`"));
        }
        ListFormat::Text => print(&text(&scenarios))?,
    }
    Ok(Exit::Passed)
}

fn text(scenarios: &[Outline]) -> String {
    let width = |of: fn(&Outline) -> &str| scenarios.iter().map(|s| of(s).chars().count()).max().unwrap_or_default();
    let name_width = width(|s| &s.name);
    let severity_width = width(|s| s.severity.as_deref().unwrap_or_default());
    let mut out = String::new();
    for scenario in scenarios {
        let title = match (&scenario.title, scenario.readable) {
            (Some(title), _) => title.as_str(),
            (None, true) => "(no title)",
            (None, false) => "(cannot be read: `firedrill check` says why)",
        };
        let severity = scenario.severity.as_deref().unwrap_or_default();
        let first = format!("{:name_width$}  {severity:severity_width$}  {title}", scenario.name);
        // Without any severity its column is empty.
        let first = if severity_width == 0 { format!("{:name_width$}  {title}", scenario.name) } else { first };
        out.push_str(&visible(first.trim_end()));
        out.push('\n');
        let mut line = |label: &str, value: String| {
            if !value.is_empty() {
                out.push_str(&visible(&format!("{:name_width$}  {label:8} {value}", "")));
                out.push('\n');
            }
        };
        line("runbook", scenario.runbook.clone().unwrap_or_default());
        line("faults", scenario.faults.join(", "));
        line("tags", scenario.tags.join(", "));
    }
    out
}
