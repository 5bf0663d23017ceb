//! `sql`: a change in a PostgreSQL database, made by the statements of its author in one transaction: a migration that
//! deletes what it should have kept. The drill's agent makes it, looks for it by the author's query, and undoes it.
//!
//! ```yaml
//! - sql:
//!     service: db
//!     database: shop               # user, password and database: the service's own environment, when left out
//!     summary: a migration deletes the customers
//!     run: DELETE FROM customers
//!     confirm: SELECT count(*) = 0 FROM customers
//!     irreversible: true           # or `undo: …`
//! ```

use super::ReadFault;
use super::by_agent::AgentFault;
use super::undo::read_undo;
use crate::agent::ability::Ability;
use crate::agent::pg::{PgChange, PgServer};
use crate::agent::source::filled;
use crate::record::sql_secrets;
use crate::source::{MapReader, TextForm, shape};

const STATEMENTS: TextForm = TextForm::new("statements in SQL", shape::filled);
const A_QUERY: TextForm = TextForm::new("a query in SQL", shape::filled);

/// Reads its parameters; `None` when there were mistakes, which are noted.
pub(super) fn sql(map: &mut MapReader<'_>) -> ReadFault<AgentFault> {
    let server = PgServer::read(map);
    let run = map.require_with("run", STATEMENTS, filled);
    let confirm = map.require_with("confirm", A_QUERY, filled);
    let undo = read_undo(map, "`sql`");
    let summary: Option<String> = map.optional("summary");
    let (server, run, confirm, undo) = (server?, run?, confirm?, undo?);
    let service = &server.service;
    let summary = match (summary, server.database.as_deref()) {
        (Some(summary), _) => format!("{summary} (by SQL in `{service}`)"),
        // Never the statement: it may hold data of people, and secrets that no name gives away.
        (None, Some(database)) => format!("changes the database `{database}` by SQL in `{service}`"),
        (None, None) => format!("changes the database of `{service}` by SQL"),
    };
    let irreversible = undo.is_none();
    let told: Vec<String> =
        [Some(&run), undo.as_ref()].into_iter().flatten().flat_map(|sql| sql_secrets(sql)).collect();
    let ask = move |target, id: &str| {
        PgChange { target, run: run.clone(), confirm: confirm.clone(), undo: undo.clone() }.ask(id)
    };
    let (mut facts, fault) = AgentFault::on_server(server, summary, None, ask);
    facts.secrets.extend(told);
    Some((facts, AgentFault { irreversible, ..fault }))
}
