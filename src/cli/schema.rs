//! `firedrill schema`: prints the JSON Schema of the files that people write, for editors.

use crate::error::{Error, Exit};
use crate::output::{print_json, print_value};

/// Prints the JSON Schema (draft 2020-12) of scenario, game day, services, notes, reading, on-call, action, incident or budget files: editors complete keys and show what they mean with it.
#[derive(Debug, clap::Args)]
pub struct SchemaArgs {
    /// Of which files.
    #[arg(value_enum, default_value_t = SchemaKind::Scenario)]
    kind: SchemaKind,
}

/// Files that have a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SchemaKind {
    /// Files in `scenarios/`.
    Scenario,
    /// Files in `gamedays/`.
    Gameday,
    /// `services.yaml`.
    Services,
    /// Files in `drill-notes/`.
    Notes,
    /// `*.reading.yaml`, beside runbooks.
    Reading,
    /// `oncall.yaml`.
    Oncall,
    /// `actions.yaml`.
    Actions,
    /// `incidents.yaml`.
    Incidents,
    /// `budget.yaml`.
    Budget,
}

/// Runs the command.
pub async fn run(args: SchemaArgs, _globals: &super::Globals) -> Result<Exit, Error> {
    let schema = match args.kind {
        SchemaKind::Scenario => crate::spec::schema().0,
        SchemaKind::Gameday => crate::spec::game_day_schema().0,
        SchemaKind::Services => crate::assurance::services::schema().0,
        SchemaKind::Notes => crate::assurance::notes::schema().0,
        SchemaKind::Actions => crate::assurance::actions::actions_schema().0,
        SchemaKind::Incidents => crate::archive::history::incidents_schema().0,
        SchemaKind::Budget => crate::assurance::budget::budget_schema().0,
        SchemaKind::Oncall => crate::spec::on_call_schema().0,
        SchemaKind::Reading => return print_json(crate::runbook::READING_SCHEMA).map(|()| Exit::Passed),
    };
    print_value(&schema).map(|()| Exit::Passed)
}
