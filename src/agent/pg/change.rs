//! A change by SQL that its author wrote: made in one transaction, seen by a query, and undone by SQL again, or never.

use super::session::{PgError, Session};
use crate::agent::protocol::{Answer, PgHold, PgTarget};
use tokio::sync::Mutex;
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

/// A change that was made. Its connections are opened when they are needed and closed at once: what it did to the server
/// may well be that the server goes away and comes back.
#[derive(Debug)]
pub struct Change {
    target: PgTarget,
    confirm: String,
    undo: Option<String>,
    lifted: Mutex<bool>,
}

/// What the query answered that looks for the change.
enum Seen {
    InPlace,
    Gone,
    /// The server did not answer it.
    Refused(Refusal),
}

/// An error of the server or of the connection.
struct Refusal {
    text: String,
    code: Option<SqlState>,
}

impl Change {
    /// Makes the change. Returns when its transaction is committed; dropped before that, nothing was changed.
    pub(super) async fn make(hold: PgHold) -> Result<Change, String> {
        let PgHold::Change { target, run, confirm, undo } = hold else {
            return Err("this is not a change".into());
        };
        let change = Change { target, confirm, undo, lifted: Mutex::new(false) };
        // What cannot be confirmed is not begun, and a change that is there already would prove nothing.
        match change.look().await? {
            Seen::InPlace => return Err("`confirm`: it is in place already, before `run`".into()),
            Seen::Refused(refusal) if !refusal.is_not_yet_there() => {
                return Err(format!("`confirm`: {}", refusal.text));
            }
            Seen::Refused(_) | Seen::Gone => {}
        }
        change.carry_out("run", &run).await?;
        Ok(change)
    }

    /// Runs statements in one transaction of a session of their own.
    async fn carry_out(&self, what: &str, statements: &str) -> Result<(), String> {
        let session = self.open().await?;
        let client = &session.client;
        let failed = |error: Error| format!("`{what}`: {}", Refusal::of(error, statements).text);
        client.batch_execute("BEGIN").await.map_err(failed)?;
        // Without a deadline: it may wait for the locks of others, and the runner has one. Nobody waits, nothing is committed.
        client.batch_execute(statements).await.map_err(failed)?;
        client.batch_execute("COMMIT").await.map_err(failed)
    }

    async fn open(&self) -> Result<Session, String> {
        let PgTarget { host, port, user, .. } = &self.target;
        let opened = Session::open(&self.target, APPLICATION).await;
        opened.map_err(|error| format!("connect to {host}:{port} as {user}: {error}"))
    }

    /// Asks whether the change is in place. `Err` when that is no question that has an answer.
    async fn look(&self) -> Result<Seen, String> {
        let session = self.open().await?;
        let client = &session.client;
        let refused = |error: Error| Ok(Seen::Refused(Refusal::of(error, &self.confirm)));
        let statement = match client.prepare(&self.confirm).await {
            Ok(statement) => statement,
            Err(error) => return refused(error),
        };
        let wrong = |what: String| format!("`confirm` must return one row with one boolean: it returns {what}");
        match statement.columns() {
            [column] if *column.type_() == Type::BOOL => {}
            [column] => return Err(wrong(format!("the type {}", column.type_().name()))),
            columns => return Err(wrong(format!("{} columns", columns.len()))),
        }
        let rows = match client.query(&statement, &[]).await {
            Ok(rows) => rows,
            Err(error) => return refused(error),
        };
        let [row] = rows.as_slice() else { return Err(wrong(format!("{} rows", rows.len()))) };
        match row.try_get::<_, Option<bool>>(0) {
            Ok(Some(true)) => Ok(Seen::InPlace),
            Ok(Some(false)) => Ok(Seen::Gone),
            Ok(None) => Err(wrong("null".into())),
            Err(error) => Err(wrong(error.to_string())),
        }
    }

    /// `InPlace` or `Gone` as the author's query says it, `Failed` when it gave no answer.
    pub(super) async fn confirm(&self) -> Answer {
        match self.look().await {
            Ok(Seen::InPlace) => Answer::InPlace { detail: "`confirm` returns true".into() },
            Ok(Seen::Gone) => Answer::Gone { detail: "`confirm` returns false".into() },
            Ok(Seen::Refused(refusal)) => Answer::Failed { reason: format!("`confirm`: {}", refusal.text) },
            Err(reason) => Answer::Failed { reason },
        }
    }

    /// Undoes the change, if anything does and it is still there.
    pub(super) async fn lift(&self) -> Result<String, String> {
        let Some(undo) = &self.undo else { return Ok("it is irreversible: it was left as it is".into()) };
        let mut lifted = self.lifted.lock().await;
        if *lifted {
            return Ok("it had been undone already".into());
        }
        // What the runbook has fixed is not fixed twice. Where nobody can tell, the undo is tried.
        if matches!(self.look().await?, Seen::Gone) {
            *lifted = true;
            return Ok("it was gone already: `confirm` returns false".into());
        }
        self.carry_out("undo", undo).await?;
        match self.confirm().await {
            Answer::Gone { detail } => {
                *lifted = true;
                Ok(format!("undone: {detail}"))
            }
            Answer::Failed { reason } => {
                Err(format!("`undo` was carried out, and nobody can say what came of it: {reason}"))
            }
            _ => Err("`undo` was carried out, and `confirm` still returns true".into()),
        }
    }
}

impl Refusal {
    /// The server's words with SQLSTATE and the place in these statements.
    fn of(error: Error, statements: &str) -> Refusal {
        let at = error.as_db_error().and_then(|db| match db.position() {
            Some(ErrorPosition::Original(position)) => Some(place(statements, *position)),
            _ => None,
        });
        let PgError { text, code } = PgError::from(error);
        let state = code.as_ref().map_or_else(String::new, |code| format!("SQLSTATE {}", code.code()));
        let more: Vec<String> = [state, at.unwrap_or_default()].into_iter().filter(|part| !part.is_empty()).collect();
        let text = if more.is_empty() { text } else { format!("{text} ({})", more.join(", ")) };
        Refusal { text, code }
    }

    fn is_not_yet_there(&self) -> bool {
        self.code.as_ref().is_some_and(|code| NOT_YET_THERE.contains(code))
    }
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
