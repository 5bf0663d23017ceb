//! An SLI from a SQL query: a question is due at a steady pace, and each is an event, good when the answer is true in time.
//!
//! ```yaml
//! slis:
//!   fresh:
//!     query: { service: db, sql: "SELECT now() - max(at) < interval '30 s' FROM orders", every: 1s }
//!     objective: 95%
//! ```

use super::session::{PgError, PgServer, PgSession, PgTarget, answered};
use crate::agent::source::{FewNotes, PacedQuestion, Question, QuestionRest, SliSource, read_pace};
use crate::load::Failure;
use crate::record::sql_secrets;
use crate::slis::{EventAnswer, gauge};
use crate::source::{At, TextForm, shape};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tokio_postgres::NoTls;
use tokio_postgres::types::Type;

/// `application_name` of its sessions.
const APPLICATION: &str = "firedrill-sli";
/// How long a server may take to be told that a query is over.
const CANCEL_WITHIN: Duration = Duration::from_secs(2);
/// Class of SQLSTATE of queries that are wrong, or not permitted: syntax error or access rule violation.
const WRONG: &str = "42";
const A_QUERY: TextForm = TextForm::new("a query in SQL", shape::filled);

/// A query as a scenario has it.
#[derive(Debug, Clone)]
pub struct SliQuery {
    server: PgServer,
    sql: String,
    pace: (Duration, Duration),
}

impl SliQuery {
    /// Reads `query` of an SLI.
    pub(crate) fn read(sli: &str, at: &mut At<'_>) -> Option<SliSource> {
        // No load has a `:` in its name.
        Some(SliQuery::read_query(at)?.source(format!("query:{sli}")))
    }

    /// Reads a query, whatever its answers are for.
    pub(crate) fn read_query(at: &mut At<'_>) -> Option<SliQuery> {
        let mut map = at.map("`query`")?.of_section("query");
        let server = PgServer::read(&mut map);
        let sql = map.require_with("sql", A_QUERY, |text| match text.trim().trim_end_matches(';') {
            "" => Err("it is empty".into()),
            sql => match gauge::in_sql(sql) {
                Some(view) => Err(format!("`{view}`: {}", gauge::WHY)),
                None => Ok(sql.to_string()),
            },
        });
        let pace = read_pace(&mut map);
        map.finish_with(|| Some(SliQuery { server: server?, sql: sql?, pace }))
    }

    /// Asks whether what the query finds is no older than that, and from the future by no more than `skew`. The server's own
    /// clock says what time it is.
    pub(crate) fn younger_than(mut self, most: Duration, skew: Duration) -> SliQuery {
        let (skew, most) = (format!("interval '-{} milliseconds'", skew.as_millis()), most.as_millis());
        let between = format!("BETWEEN {skew} AND interval '{most} milliseconds'");
        self.sql = format!("SELECT clock_timestamp() - newest.at {between} FROM (\n{}\n) AS newest(at)", self.sql);
        self
    }

    /// The source of its answers; `series` is the name of its slices.
    pub(crate) fn source(self, series: String) -> SliSource {
        let SliQuery { server, sql, pace } = self;
        // Also as `event` writes them.
        let folded = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut secrets = sql_secrets(&sql);
        secrets.extend(secrets.clone().iter().map(|text| folded(text)).chain(server.secrets()));
        let (event, services) = (format!("SQL in {}: {}", server.service, folded(&sql)), vec![server.service.clone()]);
        let source = PacedQuestion::source(series, pace, event, move |environments| {
            let target =
                server.target(&environments(&server.service)).map_err(|(what, why)| format!("{what}: {why}"))?;
            Ok(PgQuery { target, sql: sql.clone(), timeout: pace.1 })
        });
        SliSource { services, secrets, ..source }
    }
}

/// Asks a database, each time over a session of its own, as a client does that has just come: a server that lets nobody in
/// any more, or another one behind the name, is noticed, and between the events the database has no session of ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PgQuery {
    /// The server.
    pub target: PgTarget,
    /// The query: an answer is good when the first column of its first row is true.
    pub sql: String,
    /// How long the server may work on it.
    pub timeout: Duration,
}

impl Question for PgQuery {
    const NAME: &'static str = "pg_query";
    /// What measures must not use up the slots of the server that it measures.
    const AT_ONCE: usize = 5;

    async fn check(&self) -> Result<(), String> {
        let prepare = async {
            let session = self.open().await?;
            answered(session.client.prepare(&self.sql)).await
        };
        match prepare.await {
            Ok(statement) if !statement.params().is_empty() => Err("the query has parameters without values".into()),
            Ok(statement) => match statement.columns().first().map(|column| column.type_()) {
                None | Some(&Type::BOOL) => Ok(()),
                Some(other) => Err(format!("the first column of the query must be a boolean, and is {}", other.name())),
            },
            Err(PgError { text, code: Some(code), .. }) if code.code().starts_with(WRONG) => Err(text),
            Err(error) if error.is_refused() => Err(error.text),
            Err(_) => Ok(()),
        }
    }

    /// Whether the answer is true: null and no row at all are not.
    async fn put(&self, _: Instant, notes: &FewNotes, rest: &mut QuestionRest) -> Result<EventAnswer, Failure> {
        let failure = |error: PgError| {
            notes.note(format!("no answer: {error}"));
            if error.code.is_some() { Failure::Database } else { Failure::Closed }
        };
        let session = self.open().await.map_err(failure)?;
        // A server that waits for a lock does not notice that its client is gone.
        let cancel = session.client.cancel_token();
        *rest = Some(Box::pin(async move { drop(timeout(CANCEL_WITHIN, cancel.cancel_query(NoTls)).await) }));
        let rows = session.client.query(&self.sql, &[]).await;
        *rest = None;
        let rows = rows.map_err(|error| failure(error.into()))?;
        let truth = rows.first().map(|row| row.try_get::<_, Option<bool>>(0)).transpose();
        let truth = truth.map_err(|error| failure(error.into()))?.flatten();
        Ok(EventAnswer::Truth(truth.unwrap_or(false)))
    }
}

impl PgQuery {
    /// A session that changes nothing, and whose queries end with their events.
    async fn open(&self) -> Result<PgSession, PgError> {
        let session = PgSession::open(&self.target, APPLICATION).await?;
        let limit = self.timeout.as_millis().max(1);
        let settings = format!("SET default_transaction_read_only = on; SET statement_timeout = {limit}");
        answered(session.client.batch_execute(&settings)).await?;
        Ok(session)
    }
}
