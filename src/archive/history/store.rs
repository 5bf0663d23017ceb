//! Runs to rows and back. The order of the columns stands here once.

use super::run::{Detail, Run, Standing};
use crate::record::Verdict;
use rusqlite::types::FromSql;
use rusqlite::{Connection, Row, params};

/// Tables and indexes. Whoever changes them raises `SCHEMA`.
pub(super) const TABLES: &str = "
CREATE TABLE run (
  id INTEGER PRIMARY KEY,
  run TEXT NOT NULL UNIQUE, scenario TEXT NOT NULL, title TEXT NOT NULL,
  started_utc TEXT NOT NULL, started_us INTEGER NOT NULL, ended INTEGER NOT NULL, control INTEGER NOT NULL,
  standing TEXT NOT NULL, verdict TEXT NOT NULL, expect TEXT NOT NULL, reason TEXT NOT NULL,
  disturbed TEXT, failed_step TEXT, day TEXT, attempt INTEGER, revision TEXT, tool_version TEXT NOT NULL,
  scenario_sha TEXT NOT NULL, runbook_sha TEXT, stack_sha TEXT NOT NULL, images_sha TEXT,
  to_impact_us INTEGER, to_detect_us INTEGER, to_mitigation_us INTEGER, to_recover_us INTEGER,
  mitigation_to_recover_us INTEGER, total_us INTEGER NOT NULL,
  requests INTEGER NOT NULL, late INTEGER NOT NULL, worst_late_us INTEGER NOT NULL, busy_mean REAL, pressure_max REAL
);
CREATE INDEX run_by_scenario ON run (scenario, started_us);
CREATE INDEX run_by_time ON run (started_us);
CREATE TABLE detail (run INTEGER PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE file (run TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, final INTEGER NOT NULL)
  WITHOUT ROWID;
CREATE TABLE unreadable (dir TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, why TEXT NOT NULL)
  WITHOUT ROWID;
";

/// Version of the tables and of what their values mean.
pub(super) const SCHEMA: i32 = 2;

const COLUMNS: &str = "run, scenario, title, started_utc, started_us, ended, control, standing, verdict, expect, reason, \
    disturbed, failed_step, day, attempt, revision, tool_version, scenario_sha, runbook_sha, stack_sha, images_sha, \
    to_impact_us, to_detect_us, to_mitigation_us, to_recover_us, mitigation_to_recover_us, total_us, requests, late, \
    worst_late_us, busy_mean, pressure_max";

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
pub(super) fn put(connection: &Connection, run: &Run, detail: &Detail) -> rusqlite::Result<()> {
    remove(connection, &run.run)?;
    let marks = vec!["?"; COLUMNS.split(',').count()].join(", ");
    let sql = format!("INSERT INTO run ({COLUMNS}) VALUES ({marks})");
    connection.prepare_cached(&sql)?.execute(params![
        run.run,
        run.scenario,
        run.title,
        run.started_utc,
        run.started_us,
        run.ended,
        run.control,
        run.standing.name(),
        run.verdict.name(),
        run.expect.name(),
        run.reason,
        run.disturbed,
        run.failed_step,
        run.day,
        run.attempt,
        run.revision,
        run.tool_version,
        run.scenario_sha,
        run.runbook_sha,
        run.stack_sha,
        run.images_sha,
        run.to_impact_us.map(int),
        run.to_detect_us.map(int),
        run.to_mitigation_us.map(int),
        run.to_recover_us.map(int),
        run.mitigation_to_recover_us.map(int),
        int(run.total_us),
        int(run.requests),
        int(run.late),
        int(run.worst_late_us),
        run.busy_mean,
        run.pressure_max,
    ])?;
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
pub(super) fn runs(connection: &Connection, filter: &Filter) -> rusqlite::Result<Vec<Run>> {
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
    serde_json::from_str(&json)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error)))
}

/// Reads the columns one after the other.
struct Cells<'r> {
    row: &'r Row<'r>,
    at: usize,
}

impl Cells<'_> {
    fn next<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        let at = self.at;
        self.at += 1;
        self.row.get(at)
    }

    fn size(&mut self) -> rusqlite::Result<u64> {
        Ok(u64::try_from(self.next::<i64>()?).unwrap_or_default())
    }

    fn time(&mut self) -> rusqlite::Result<Option<u64>> {
        Ok(self.next::<Option<i64>>()?.and_then(|time| u64::try_from(time).ok()))
    }

    fn named<T>(&mut self, known: fn(&str) -> Option<T>) -> rusqlite::Result<T> {
        let at = self.at;
        let name: String = self.next()?;
        known(&name).ok_or_else(|| {
            let why = format!("`{name}` is not known").into();
            rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, why)
        })
    }
}

/// In the order of `COLUMNS`: fields are evaluated as they are written.
fn read(row: &Row<'_>) -> rusqlite::Result<Run> {
    let mut cells = Cells { row, at: 0 };
    Ok(Run {
        run: cells.next()?,
        scenario: cells.next()?,
        title: cells.next()?,
        started_utc: cells.next()?,
        started_us: cells.next()?,
        ended: cells.next()?,
        control: cells.next()?,
        standing: cells.named(Standing::from_name)?,
        verdict: cells.named(Verdict::from_name)?,
        expect: cells.named(Verdict::from_name)?,
        reason: cells.next()?,
        disturbed: cells.next()?,
        failed_step: cells.next()?,
        day: cells.next()?,
        attempt: cells.next()?,
        revision: cells.next()?,
        tool_version: cells.next()?,
        scenario_sha: cells.next()?,
        runbook_sha: cells.next()?,
        stack_sha: cells.next()?,
        images_sha: cells.next()?,
        to_impact_us: cells.time()?,
        to_detect_us: cells.time()?,
        to_mitigation_us: cells.time()?,
        to_recover_us: cells.time()?,
        mitigation_to_recover_us: cells.time()?,
        total_us: cells.size()?,
        requests: cells.size()?,
        late: cells.size()?,
        worst_late_us: cells.size()?,
        busy_mean: cells.next()?,
        pressure_max: cells.next()?,
    })
}
