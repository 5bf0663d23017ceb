//! `firedrill list`: lists the scenarios and game days of the project.

use super::TextOrJson;
use crate::error::{Error, Exit};
use crate::output::{print, print_value, visible};
use crate::source::tidy;
use crate::spec::{DayOutline, Outline, outline, outline_day, project_game_days, project_scenarios};

/// Lists the scenarios of the project, with title, severity, kind, runbook, faults and tags, and its game days.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Only these; as JSON the scenarios when nothing is said.
    #[arg(value_enum)]
    what: Option<Listed>,
    /// How to print them.
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    format: TextOrJson,
}

/// What to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Listed {
    /// Those in `scenarios/`.
    Scenarios,
    /// Those in `gamedays/`.
    Gamedays,
}

/// Runs the command.
pub async fn run(args: ListArgs, globals: &super::Globals) -> Result<Exit, Error> {
    let scenarios =
        || -> Vec<Outline> { project_scenarios(&globals.project).iter().map(|path| outline(path)).collect() };
    let days =
        || -> Vec<DayOutline> { project_game_days(&globals.project).iter().map(|path| outline_day(path)).collect() };
    let nothing = |what: &str, folder: &str| {
        let folder = tidy(&globals.project.join(folder));
        Error::usage(format!("there is no {what} in {}", folder.display()))
            .hint("run Firedrill in the project's folder, or name it with `-C DIR`")
    };
    match (args.format, args.what) {
        (TextOrJson::Json, None | Some(Listed::Scenarios)) => print_value(&scenarios())?,
        (TextOrJson::Json, Some(Listed::Gamedays)) => print_value(&days())?,
        (TextOrJson::Text, what) => {
            let scenarios = if what == Some(Listed::Gamedays) { Vec::new() } else { scenarios() };
            let days = if what == Some(Listed::Scenarios) { Vec::new() } else { days() };
            match what {
                Some(Listed::Gamedays) if days.is_empty() => return Err(nothing("game day", "gamedays")),
                None | Some(Listed::Scenarios) if scenarios.is_empty() => return Err(nothing("scenario", "scenarios")),
                _ => {}
            }
            let parts = [text(&scenarios), days_text(&days)];
            let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            print(&parts.join("\n"))?;
        }
    }
    Ok(Exit::Passed)
}

fn shown_title(title: Option<&str>, readable: bool) -> &str {
    title.unwrap_or(if readable { "(no title)" } else { "(cannot be read: `firedrill check` says why)" })
}

fn days_text(days: &[DayOutline]) -> String {
    let width = days.iter().map(|day| day.name.chars().count()).max().unwrap_or_default();
    let mut out = String::new();
    for day in days {
        let title = shown_title(day.title.as_deref(), day.readable);
        let settings: Vec<String> = day.settings.iter().map(|(key, value)| format!("{key} {value}")).collect();
        row(&mut out, (&day.name, width), "game day", title);
        row(&mut out, ("", width), "drills", &day.scenarios.join(", "));
        row(&mut out, ("", width), "settings", &settings.join(", "));
    }
    out
}

/// Adds a line about what has this name, unless there is nothing to say.
fn row(out: &mut String, (name, width): (&str, usize), label: &str, value: &str) {
    if !value.is_empty() {
        out.push_str(&visible(&format!("{name:width$}  {label:8} {value}")));
        out.push('\n');
    }
}

fn text(scenarios: &[Outline]) -> String {
    let width = |of: fn(&Outline) -> &str| scenarios.iter().map(|s| of(s).chars().count()).max().unwrap_or_default();
    let name_width = width(|s| &s.name);
    let severity_width = width(|s| s.severity.as_deref().unwrap_or_default());
    let mut out = String::new();
    for scenario in scenarios {
        let title = shown_title(scenario.title.as_deref(), scenario.readable);
        let severity = scenario.severity.as_deref().unwrap_or_default();
        let first = format!("{:name_width$}  {severity:severity_width$}  {title}", scenario.name);
        // Without any severity its column is empty.
        let first = if severity_width == 0 { format!("{:name_width$}  {title}", scenario.name) } else { first };
        out.push_str(&visible(first.trim_end()));
        out.push('\n');
        let mut more = |label: &str, value: &str| row(&mut out, ("", name_width), label, value);
        more("kind", if scenario.kind == "dr" { "DR drill" } else { "" });
        more("runbook", scenario.runbook.as_deref().unwrap_or_default());
        more("faults", &scenario.faults.join(", "));
        more("tags", &scenario.tags.join(", "));
    }
    out
}
