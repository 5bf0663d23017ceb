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

use super::undo::{Undoing, filled};
use super::{FaultContext, FaultError, Inject, Presence, Undo, by_agent};
use crate::agent::pg::{PgChange, PgServer};
use crate::record::sql_secrets;
use crate::source::{MapReader, TextForm, shape};
use crate::stack::AgentRole;
use async_trait::async_trait;

const STATEMENTS: TextForm = TextForm::new("statements in SQL", shape::filled);
const A_QUERY: TextForm = TextForm::new("a query in SQL", shape::filled);

/// A change in a database.
#[derive(Debug, Clone)]
pub struct Sql {
    server: PgServer,
    run: String,
    confirm: String,
    undo: Undoing,
    summary: Option<String>,
}

#[async_trait]
impl Inject for Sql {
    fn from_map(map: &mut MapReader<'_>) -> Option<Self> {
        let server = PgServer::read(map);
        let run = map.require_with("run", STATEMENTS, filled);
        let confirm = map.require_with("confirm", A_QUERY, filled);
        let undo = Undoing::read(map, "`sql`");
        let summary = map.optional("summary");
        Some(Sql { server: server?, run: run?, confirm: confirm?, undo: undo?, summary })
    }

    fn summary(&self) -> String {
        let service = &self.server.service;
        match &self.summary {
            Some(summary) => format!("{summary} (by SQL in `{service}`)"),
            // Never the statement: it may hold data of people, and secrets that no name gives away.
            None => match self.server.database() {
                Some(database) => format!("changes the database `{database}` by SQL in `{service}`"),
                None => format!("changes the database of `{service}` by SQL"),
            },
        }
    }

    fn services(&self) -> Vec<String> {
        vec![self.server.service.clone()]
    }

    fn secrets(&self) -> Vec<String> {
        let undo = match &self.undo {
            Undoing::By(undo) => sql_secrets(undo),
            Undoing::Never => Vec::new(),
        };
        self.server.secrets().into_iter().chain(sql_secrets(&self.run)).chain(undo).collect()
    }

    async fn prepare(&self, context: &FaultContext<'_>) -> Result<Undo, FaultError> {
        self.server.target(&context.stack.environment(&self.server.service))?;
        Ok(match self.undo {
            // The agent has the undo and the password; so the ledger needs neither.
            Undoing::By(_) => by_agent::undo(&AgentRole::Drill, context),
            Undoing::Never => Undo::nothing(),
        })
    }

    async fn inject(&self, _undo: &Undo, context: &FaultContext<'_>) -> Result<(), FaultError> {
        let change = PgChange {
            target: self.server.target(&context.stack.environment(&self.server.service))?,
            run: self.run.clone(),
            confirm: self.confirm.clone(),
            undo: match &self.undo {
                Undoing::By(undo) => Some(undo.clone()),
                Undoing::Never => None,
            },
        };
        by_agent::begin(context, &AgentRole::Drill, &change).await
    }

    async fn confirm(&self, _undo: &Undo, context: &FaultContext<'_>) -> Result<Presence, FaultError> {
        by_agent::confirm(context, &AgentRole::Drill).await
    }
}
