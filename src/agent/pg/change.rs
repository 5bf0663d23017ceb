//! A change by SQL that its author wrote: made in one transaction, seen by a query, and undone by SQL again, or never.

use super::session::{PgError, PgTarget};
use crate::agent::ability::{Ability, AgentContext, HeldResult, Holding, Tell};
use crate::agent::protocol::AgentAnswer;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio_postgres::error::{Error, ErrorPosition, SqlState};
use tokio_postgres::types::Type;

/// `application_name` of its sessions.
const APPLICATION: &str = "firedrill-sql";
/// What a query that looks for the change may miss before the change was made: it may look for what the change makes.
const NOT_YET_THERE: [SqlState; 5] = [
    SqlState::UNDEFINED_TABLE,
    SqlState::UNDEFINED_COLUMN,
    SqlState::UNDEFINED_FUNCTION,
    SqlState::UNDEFINED_OBJECT,
    SqlState::INVALID_SCHEMA_NAME,
];

/// A change by SQL. The agent keeps what undoes it, so that it is undone when the channel ends. No session is held for it:
/// connections are opened when they are needed and closed at once, as what it did to the server may well be that the server
/// goes away and comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PgChange {
    /// The server.
    pub target: PgTarget,
    /// Statements that make the change, in one transaction. It has begun when that is committed.
    pub run: String,
    /// A query that returns one row with one boolean: whether the change is in place.
    pub confirm: String,
    /// Statements that undo it, in one transaction; `None` when nothing does.
    pub undo: Option<String>,
}

impl Ability for PgChange {
    const NAME: &'static str = "pg_change";

    async fn begin(self, _: &str, _: &AgentContext, _: Tell) -> HeldResult {
        // What cannot be confirmed is not begun, and a change that is there already would prove nothing.
        match self.seen().await {
            Ok(true) => return Err("`confirm`: it is in place already, before `run`".into()),
            Err(PgError { code: Some(code), .. }) if NOT_YET_THERE.contains(&code) => {}
            Err(error) => return Err(error.text),
            Ok(false) => {}
        }
        self.carry_out("run", &self.run).await?;
        Ok(Box::new(self))
    }
}

impl PgChange {
    /// Runs statements in one transaction of a session of their own.
    async fn carry_out(&self, what: &str, statements: &str) -> Result<(), String> {
        let session = self.target.connect(APPLICATION).await?;
        let client = &session.client;
        let failed = |error: Error| refusal(what, error, statements).text;
        client.batch_execute("BEGIN").await.map_err(failed)?;
        // Without a deadline: it may wait for the locks of others, and the runner has one. Nobody waits, nothing is committed.
        client.batch_execute(statements).await.map_err(failed)?;
        client.batch_execute("COMMIT").await.map_err(failed)
    }

    /// Asks whether the change is in place; an error without a SQLSTATE when nobody was let in, or that is no question that has an
    /// answer.
    async fn seen(&self) -> Result<bool, PgError> {
        let session = self.target.connect(APPLICATION).await.map_err(PgError::new)?;
        let client = &session.client;
        let refused = |error: Error| refusal("confirm", error, &self.confirm);
        let statement = client.prepare(&self.confirm).await.map_err(refused)?;
        let wrong =
            |what: String| PgError::new(format!("`confirm` must return one row with one boolean: it returns {what}"));
        match statement.columns() {
            [column] if *column.type_() == Type::BOOL => {}
            [column] => return Err(wrong(format!("the type {}", column.type_().name()))),
            columns => return Err(wrong(format!("{} columns", columns.len()))),
        }
        let rows = client.query(&statement, &[]).await.map_err(refused)?;
        let [row] = rows.as_slice() else { return Err(wrong(format!("{} rows", rows.len()))) };
        let in_place: Option<bool> = row.try_get(0).map_err(|error| wrong(error.to_string()))?;
        in_place.ok_or_else(|| wrong("null".into()))
    }
}

#[async_trait]
impl Holding for PgChange {
    /// `InPlace` or `Gone` as the author's query says it, `Failed` when it gave no answer.
    async fn look(&self) -> AgentAnswer {
        match self.seen().await {
            Ok(true) => AgentAnswer::in_place("`confirm` returns true"),
            Ok(false) => AgentAnswer::gone("`confirm` returns false"),
            Err(PgError { text: reason, .. }) => AgentAnswer::Failed { reason },
        }
    }

    /// Undoes the change, if anything does and it is still there.
    async fn lift(&self) -> Result<String, String> {
        let Some(undo) = &self.undo else { return Ok("it is irreversible: it was left as it is".into()) };
        // What the runbook has fixed is not fixed twice. Where nobody can tell, the undo is tried.
        if matches!(self.seen().await, Ok(false)) {
            return Ok("it was gone already: `confirm` returns false".into());
        }
        self.carry_out("undo", undo).await?;
        match self.look().await {
            AgentAnswer::Gone { detail, .. } => Ok(format!("undone: {detail}")),
            AgentAnswer::Failed { reason } => Err(format!("nobody can say what `undo` came to: {reason}")),
            _ => Err("`undo` was carried out, and `confirm` still returns true".into()),
        }
    }
}

/// The server's words with SQLSTATE and the place in these statements, which stand under this key.
fn refusal(key: &str, error: Error, statements: &str) -> PgError {
    let at = error.as_db_error().and_then(|db| match db.position() {
        Some(ErrorPosition::Original(position)) => Some(place(statements, *position)),
        _ => None,
    });
    let error = PgError::from(error);
    let state = error.code.as_ref().map(|code| format!("SQLSTATE {}", code.code()));
    let more: Vec<String> = state.into_iter().chain(at).collect();
    let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join(", ")) };
    PgError { text: format!("`{key}`: {}{more}", error.text), ..error }
}

/// `line 2, column 5` of a text, from a position as PostgreSQL counts them: characters, from 1.
fn place(text: &str, position: u32) -> String {
    let before: String = text.chars().take(usize::try_from(position.saturating_sub(1)).unwrap_or(usize::MAX)).collect();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {}, column {column}", before.matches('\n').count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_become_lines_and_columns() {
        let text = "DELETE FROM a;\nDELETE FROM ñb;\n";
        assert_eq!(place(text, 1), "line 1, column 1");
        assert_eq!(place(text, 13), "line 1, column 13");
        assert_eq!(place(text, 16), "line 2, column 1");
        assert_eq!(place(text, 30), "line 2, column 15");
        assert_eq!(place(text, 9999), "line 3, column 1");
    }
}
