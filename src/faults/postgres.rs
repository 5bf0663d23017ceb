//! Sessions that the drill's agent holds on a PostgreSQL server.

use super::by_agent::{AgentFault, ReadAgentFault};
use super::read_returns;
use crate::agent::ability::Ability;
use crate::agent::pg::{PgConnections, PgLock, PgServer};
use crate::source::{MapReader, TextForm, TextPattern, shape};

/// `postgres_connections`: clients that use the server's connection slots up, as an application that leaks connections
/// does. The sessions of ordinary roles are ended while the slots are being filled, as a pool that is already connected would
/// not notice otherwise; superusers keep theirs and the slots reserved for them.
///
/// ```yaml
/// - postgres_connections: { service: db }
/// - postgres_connections:
///     service: db
///     returns: 2s       # the clients come back this long after they were ended; they stay away when left out
///     database: shop    # user, password and database: the service's own environment, when left out
///     user: postgres
///     password: secret
///     port: 5432
/// ```
pub(super) fn postgres_connections(map: &mut MapReader<'_>) -> ReadAgentFault {
    let server = PgServer::read(map);
    let returns = read_returns(map);
    let server = server?;
    let again = returns.map_or_else(String::new, |after| format!(" that come back {after:?} after they were ended"));
    let summary = format!("uses every connection slot of `{}` up by clients{again}", server.service);
    let ask = move |target, id: &str| PgConnections { target, returns }.ask(id);
    Some(AgentFault::on_server(server, summary, returns, ask))
}

/// More sessions would use the server's connections up, which is another fault.
const MAX_SESSIONS: u32 = 20;
const A_TABLE: TextForm = TextForm::new("the name of a table", shape::filled);
const A_CONDITION: TextForm = TextForm::new(
    "a condition in SQL",
    || serde_json::json!({ "type": ["string", "number", "boolean"], "pattern": "^[^;]*[^;\\s][^;]*$" }),
);

/// A table as SQL names it: `inventory`, `sales.orders`, `"Odd Name"`.
fn table(text: &str) -> Result<String, String> {
    static NAME: TextPattern = TextPattern::new(r#"^(?:[\p{Alphabetic}\p{N}_$.]|"[^"\p{Cc}]*")+$"#);
    let wrong = || format!("`{text}` is not the name of a table: write it like `inventory` or `sales.orders`");
    NAME.is_match(text).then(|| text.to_string()).ok_or_else(wrong)
}

fn condition(text: &str) -> Result<String, String> {
    let is_one = !text.contains(';') && !text.trim().is_empty();
    is_one.then(|| text.trim().to_string()).ok_or_else(|| "one condition is meant, without `;`".into())
}

/// `postgres_lock`: a session that holds a lock and idles in its transaction, as a batch job or a forgotten `BEGIN`
/// does, so that the application waits and its pool drains.
///
/// The session belongs to a role of its own without superuser (`firedrill_batch`), so ending it fixes it, and with
/// `returns` only keeping the role from logging in as well is one.
///
/// ```yaml
/// - postgres_lock: { service: db, database: shop, table: inventory }   # LOCK TABLE … IN ACCESS EXCLUSIVE MODE
/// - postgres_lock:
///     service: db
///     table: inventory
///     mode: row                  # SELECT … FOR UPDATE
///     where: sku = 'SKU-0001'    # every row, when it is left out
///     sessions: 1                # the first holds the lock, further ones queue for it
///     returns: 2s                # comes back this long after it was ended; stays away when left out
///     user: postgres             # user, password and database: the service's own environment, when left out
///     password: secret
///     port: 5432
/// ```
pub(super) fn postgres_lock(map: &mut MapReader<'_>) -> ReadAgentFault {
    let server = PgServer::read(map);
    let table = map.require_with("table", A_TABLE, table);
    let rows = map.optional_by("mode", |at| at.one_of([("table", false), ("row", true)], "is not a mode"));
    let condition = map.optional_with("where", A_CONDITION, condition);
    // A mode that is none has its own message.
    let tables = rows == Some(false) || (rows.is_none() && map.node("mode").is_none());
    if condition.is_some() && tables {
        map.wrong("where", "`where` chooses rows, and the whole table is locked").help("add `mode: row`");
    }
    let not = format!("a number from 1 to {MAX_SESSIONS}");
    let sessions = map.optional_by("sessions", |at| at.number(1..=MAX_SESSIONS, "a number from 1 on", &not));
    let returns = read_returns(map);
    let (server, table) = (server?, table?);
    let (what, statement) = match (rows, condition) {
        (Some(true), None) => (format!("every row of `{table}`"), format!("SELECT 1 FROM {table} FOR UPDATE")),
        (Some(true), Some(condition)) => (
            format!("the rows of `{table}` where {condition}"),
            format!("SELECT 1 FROM {table} WHERE ({condition}) FOR UPDATE"),
        ),
        _ => (format!("the table `{table}`"), format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")),
    };
    let again = returns.map_or_else(String::new, |after| format!(", which comes back {after:?} after it was ended"));
    let summary = format!("locks {what} on `{}` by an idle transaction{again}", server.service);
    let ask = move |target, id: &str| {
        let (statements, table) = (vec![statement.clone()], table.clone());
        PgLock { target, statements, table, sessions: sessions.unwrap_or(1), returns }.ask(id)
    };
    Some(AgentFault::on_server(server, summary, returns, ask))
}
