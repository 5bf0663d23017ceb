//! Runs to rows and back: a column has the name and the value of a field of `IndexedRun`.

use super::run::{Detail, IndexedRun};
use rusqlite::types::{Type, Value};
use rusqlite::{Connection, Row, params, params_from_iter};

/// Tables and indexes. Whoever changes them raises `SCHEMA`.
pub(super) const TABLES: &str = include_str!("index.sql");

/// Version of the tables and of what their values mean.
pub(super) const SCHEMA: i32 = 2;

/// Every field of a run, in the order of the columns.
const COLUMNS: &str = "run, scenario, title, started_utc, started_us, ended, control, standing, verdict, expect, reason, \
    disturbed, failed_step, day, attempt, revision, tool_version, scenario_sha, runbook_sha, stack_sha, images_sha, \
    to_impact_us, to_detect_us, to_mitigation_us, to_recover_us, mitigation_to_recover_us, total_us, requests, late, \
    worst_late_us, busy_mean, pressure_max";
/// Those that are true or false.
const BOOLEANS: [&str; 2] = ["ended", "control"];

/// Which runs are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those of this scenario.
    pub scenario: Option<String>,
    /// Only those that began at this instant or later, in microseconds since 1970.
    pub since_us: Option<i64>,
}

/// SQLite knows no integers without a sign; nothing that is measured comes near the limit.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Puts a run in the place of the one that has its id.
pub(super) fn put(connection: &Connection, run: &IndexedRun, detail: &Detail) -> rusqlite::Result<()> {
    remove(connection, &run.run)?;
    let marks = vec!["?"; COLUMNS.split(',').count()].join(", ");
    let sql = format!("INSERT INTO run ({COLUMNS}) VALUES ({marks})");
    let json = serde_json::to_value(run).unwrap_or_default();
    let cells = COLUMNS.split(", ").map(|column| cell(&json[column]));
    connection.prepare_cached(&sql)?.execute(params_from_iter(cells))?;
    // Cannot fail: every key is a string and there is no number with a fraction.
    let json = serde_json::to_string(detail).unwrap_or_default();
    connection
        .prepare_cached("INSERT INTO detail (run, json) VALUES (?, ?)")?
        .execute(params![connection.last_insert_rowid(), json])?;
    Ok(())
}

/// Takes a run out, where there is one.
pub(super) fn remove(connection: &Connection, run: &str) -> rusqlite::Result<()> {
    let detail = "DELETE FROM detail WHERE run = (SELECT id FROM run WHERE run = ?)";
    connection.prepare_cached(detail)?.execute([run])?;
    connection.prepare_cached("DELETE FROM run WHERE run = ?")?.execute([run])?;
    Ok(())
}

/// The runs that a filter lets through, oldest first.
pub(super) fn runs(connection: &Connection, filter: &Filter) -> rusqlite::Result<Vec<IndexedRun>> {
    let mut sql = format!("SELECT {COLUMNS} FROM run WHERE started_us >= ?1");
    if filter.scenario.is_some() {
        sql.push_str(" AND scenario = ?2");
    } else {
        // Both have to be there to be bound.
        sql.push_str(" AND ?2 IS NULL");
    }
    sql.push_str(" ORDER BY started_us, run");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![filter.since_us.unwrap_or(i64::MIN), filter.scenario], read)?;
    rows.collect()
}

/// The detail of a run; empty where the index has none.
pub(super) fn detail(connection: &Connection, run: &str) -> rusqlite::Result<Detail> {
    let sql = "SELECT json FROM detail JOIN run ON run.id = detail.run WHERE run.run = ?";
    let json: String = connection.prepare_cached(sql)?.query_row([run], |row| row.get(0))?;
    serde_json::from_str(&json).map_err(not_readable)
}

/// A value of a run as SQLite keeps it.
fn cell(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(yes) => Value::Integer(i64::from(*yes)),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::Integer(number),
            (None, Some(number)) => Value::Integer(int(number)),
            (None, None) => Value::Real(number.as_f64().unwrap_or_default()),
        },
        text => Value::Text(text.as_str().unwrap_or_default().to_string()),
    }
}

/// A run of its row, by the names of the columns.
fn read(row: &Row<'_>) -> rusqlite::Result<IndexedRun> {
    let mut fields = serde_json::Map::new();
    for (at, column) in COLUMNS.split(", ").enumerate() {
        let value = match row.get::<_, Value>(at)? {
            Value::Integer(yes @ (0 | 1)) if BOOLEANS.contains(&column) => (yes == 1).into(),
            Value::Integer(number) => number.into(),
            Value::Real(number) => number.into(),
            Value::Text(text) => text.into(),
            Value::Null => serde_json::Value::Null,
            Value::Blob(_) => return Err(rusqlite::Error::InvalidColumnType(at, column.into(), Type::Blob)),
        };
        fields.insert(column.to_string(), value);
    }
    serde_json::from_value(fields.into()).map_err(not_readable)
}

/// What was never written so: the index is damaged.
fn not_readable(error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
}
