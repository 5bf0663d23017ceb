//! An SLI from a SQL query: a question is due at a steady pace, and each is an event, good when the answer is true in time.
//!
//! ```yaml
//! slis:
//!   fresh:
//!     query: { service: db, sql: "SELECT now() - max(at) < interval '30 s' FROM orders", every: 1s }
//!     objective: 95%
//! ```

use super::server::PgServer;
use super::session::{PgError, PgSession, PgTarget, answered};
use crate::agent::ability::{Ability, AgentContext, HeldResult, Tell};
use crate::agent::slices::tell_events;
use crate::agent::source::{FewNotes, SliSource, read_pace};
use crate::load::{EventClient, Failure, RequestEnding, Sent};
use crate::record::sql_secrets;
use crate::slis::{EventAnswer, SliSpec, gauge};
use crate::source::{At, TextForm, shape};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::{timeout, timeout_at};
use tokio_postgres::NoTls;
use tokio_postgres::types::Type;

/// `application_name` of its sessions.
const APPLICATION: &str = "firedrill-sli";
/// Most sessions at a time: what measures must not use up the slots of the server that it measures.
const MOST_SESSIONS: usize = 5;
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
        Some(SliQuery::read_query(at)?.source(&format!("query:{sli}")))
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
        map.finish()?;
        Some(SliQuery { server: server?, sql: sql?, pace })
    }

    /// Asks whether what the query finds is no older than that, and from the future by no more than `skew`. The server's own
    /// clock says what time it is.
    pub(crate) fn younger_than(mut self, most: Duration, skew: Duration) -> SliQuery {
        self.sql = format!(
            "SELECT clock_timestamp() - newest.at BETWEEN interval '-{} milliseconds' AND interval '{} milliseconds' \
             FROM (\n{}\n) AS newest(at)",
            skew.as_millis(),
            most.as_millis(),
            self.sql
        );
        self
    }

    /// The source of its answers; `series` is the name of its slices.
    pub(crate) fn source(self, series: &str) -> SliSource {
        let SliQuery { server, sql, pace: (every, timeout) } = self;
        // Also as `event` writes them.
        let folded = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut secrets = sql_secrets(&sql);
        secrets.extend(secrets.clone().iter().map(|text| folded(text)).chain(server.secrets()));
        let (event, services) = (format!("SQL in {}: {}", server.service, folded(&sql)), vec![server.service.clone()]);
        let (rate, name) = (1.0 / every.as_secs_f64(), series.to_string());
        let source = SliSource::of_agent((series, rate, timeout), event, move |slis, _, environments| {
            let target =
                server.target(&environments(&server.service)).map_err(|(what, why)| format!("{what}: {why}"))?;
            let (series, sql, slis) = (name.clone(), sql.clone(), slis.to_vec());
            Ok(PgQueries { series, target, sql, rate, timeout, slis }.ask(&name))
        });
        SliSource { services, secrets, ..source }
    }
}

/// Asks a database the same question again and again. Each slice is told once all of its answers are there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PgQueries {
    /// Name of its slices.
    pub series: String,
    /// The server.
    pub target: PgTarget,
    /// The query: an answer is good when the first column of its first row is true.
    pub sql: String,
    /// Questions per second.
    pub rate: f64,
    /// From the instant at which one is due until the answer must be there.
    pub timeout: Duration,
    /// The SLIs; those over other series are left out.
    pub slis: Vec<SliSpec>,
}

impl Ability for PgQueries {
    const NAME: &'static str = "pg_queries";

    /// Fails when the query can never have an answer; whether the server is there is what is measured.
    async fn begin(self, _: &str, context: &AgentContext, tell: Tell) -> HeldResult {
        let (series, rate, slis) = (self.series.clone(), self.rate, self.slis.clone());
        let (slots, notes) = (Semaphore::new(MOST_SESSIONS), FewNotes::of(&self.series, tell.clone()));
        let client = QueryClient { asked: self, slots, notes };
        client.check().await.map_err(|why| format!("`{series}`: {why}"))?;
        tell_events(client, series, rate, &slis, context.clock, tell)
    }
}

/// Asks the question, each time over a session of its own, as a client does that has just come: a server that lets nobody in any
/// more, or another one behind the name, is noticed, and between the events the database has no session of ours.
struct QueryClient {
    asked: PgQueries,
    slots: Semaphore,
    notes: FewNotes,
}

#[async_trait]
impl EventClient for QueryClient {
    async fn event(&self, _: u64, due: Instant, sent: Sent) {
        let deadline = tokio::time::Instant::from_std(due + self.asked.timeout);
        let end = |result: Result<bool, Failure>| {
            sent.end(RequestEnding::of(result.map(EventAnswer::Truth), due, self.asked.timeout));
        };
        let Ok(_slot) = timeout_at(deadline, self.slots.acquire()).await else {
            return end(Err(Failure::NoConnection));
        };
        let session = match timeout_at(deadline, self.open()).await {
            Ok(Ok(session)) => session,
            Ok(Err(error)) => return end(Err(self.failure(&error))),
            Err(_) => return end(Err(Failure::Timeout)),
        };
        match timeout_at(deadline, self.ask(&session)).await {
            Ok(result) => end(result),
            Err(_) => {
                end(Err(Failure::Timeout));
                // A server that waits for a lock does not notice that its client is gone. The slot is free when it does: what
                // measures must not use up the sessions of the server that it measures.
                let _ = timeout(CANCEL_WITHIN, session.client.cancel_token().cancel_query(NoTls)).await;
            }
        }
    }
}

impl QueryClient {
    /// Whether the answer is true: null and no row at all are not.
    async fn ask(&self, session: &PgSession) -> Result<bool, Failure> {
        let rows = session.client.query(&self.asked.sql, &[]).await.map_err(|error| self.failure(&error.into()))?;
        let truth = rows.first().map(|row| row.try_get::<_, Option<bool>>(0)).transpose();
        let truth = truth.map_err(|error| self.failure(&error.into()))?.flatten();
        Ok(truth.unwrap_or(false))
    }

    /// A session that changes nothing, and whose queries end with their events.
    async fn open(&self) -> Result<PgSession, PgError> {
        let session = PgSession::open(&self.asked.target, APPLICATION).await?;
        let limit = self.asked.timeout.as_millis().max(1);
        let settings = format!("SET default_transaction_read_only = on; SET statement_timeout = {limit}");
        answered(session.client.batch_execute(&settings)).await?;
        Ok(session)
    }

    /// Why the query can never have an answer, if it cannot.
    async fn check(&self) -> Result<(), String> {
        let prepare = async {
            let session = self.open().await?;
            answered(session.client.prepare(&self.asked.sql)).await
        };
        match prepare.await {
            Ok(statement) if !statement.params().is_empty() => {
                Err("the query has parameters (`$1`), and nobody gives them values".into())
            }
            Ok(statement) => match statement.columns().first().map(|column| column.type_()) {
                None | Some(&Type::BOOL) => Ok(()),
                Some(other) => Err(format!("the first column of the query must be a boolean, and is {}", other.name())),
            },
            Err(PgError { text, code: Some(code), .. }) if code.code().starts_with(WRONG) => Err(text),
            Err(error) if error.is_refused() => Err(error.text),
            Err(_) => Ok(()),
        }
    }

    fn failure(&self, error: &PgError) -> Failure {
        self.notes.note(format!("no answer: {error}"));
        match error.code {
            Some(_) => Failure::Database,
            None => Failure::Closed,
        }
    }
}
