//! A lock held by sessions that idle in a transaction, as a batch job or a forgotten `BEGIN` would hold it.
//!
//! The first session takes the lock and idles; further ones queue behind it. While the lock itself waits for
//! transactions under way, everybody else queues behind it: that is what it does in production, too.

use super::session::{Admin, FaultRole, PgError, PgSession, PgTarget, quote_name, role_name};
use crate::agent::ability::{Ability, AgentContext, HeldResult, Holding, Tell};
use crate::agent::locked;
use crate::agent::protocol::{AgentAnswer, Told};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_postgres::SimpleQueryMessage;
use tokio_util::task::AbortOnDropHandle;

/// The name that people on call see in `pg_stat_activity`.
const ROLE: &str = "firedrill_batch";
const APPLICATION: &str = "firedrill";

/// A lock held by an idle transaction of a role of its own without superuser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PgLock {
    /// The server.
    pub target: PgTarget,
    /// Statements after `BEGIN` that take the lock.
    pub statements: Vec<String>,
    /// The table, to confirm the lock in `pg_locks`, and to grant the role what it needs.
    pub table: String,
    /// How many sessions hold it or queue for it.
    pub sessions: u32,
    /// The session comes back this long after it was terminated.
    pub returns: Option<Duration>,
}

/// Sessions that hold a lock, or queue for it.
struct HeldLock {
    lock: Arc<SharedLock>,
    tasks: Mutex<Option<Vec<AbortOnDropHandle<()>>>>,
}

/// What the sessions and who holds them share.
struct SharedLock {
    role: FaultRole,
    asked: PgLock,
    /// The table's.
    oid: u32,
    search_path: String,
    sessions: Mutex<Vec<LockSession>>,
    tell: Tell,
}

/// Where one of the sessions stands.
#[derive(Debug, Clone, Default)]
struct LockSession {
    /// It held the lock at some time.
    once: bool,
    stage: LockStage,
}

#[derive(Debug, Clone, Default)]
enum LockStage {
    /// It connects for the first time.
    #[default]
    Connecting,
    /// It has asked for the lock and waits.
    Waiting { pid: i32 },
    /// It idles in its transaction; `rows` were locked one by one, none when the whole table was.
    Holding { pid: i32, rows: u64 },
    /// It ended and will come back; `failed` says why it could not when it tried.
    Away { why: String, failed: Option<PgError> },
    /// It ended for good.
    Over { why: String, by_itself: bool },
}

impl Ability for PgLock {
    const NAME: &'static str = "pg_lock";

    /// Makes the role and sends the sessions off to take the lock; does not wait until it is taken.
    async fn begin(self, id: &str, _: &AgentContext, tell: Tell) -> HeldResult {
        let table = &self.table;
        let admin = Admin::connect(self.target.clone()).await?;
        let find = "SELECT c.oid, n.nspname::text, c.relname::text,
                           array_to_string(ARRAY(SELECT quote_ident(s) FROM unnest(current_schemas(false)) AS s), ', ')
                    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                    WHERE c.oid = $1::text::regclass";
        let failed = |e: PgError| format!("find the table {table}: {e}");
        let rows = admin.query(find, &[table]).await.map_err(failed)?;
        let row = rows.first().ok_or_else(|| format!("there is no table {table}"))?;
        let text = |at: usize| row.try_get::<_, String>(at).map_err(|e| failed(e.into()));
        let (schema, name, search_path) = (quote_name(&text(1)?), quote_name(&text(2)?), text(3)?);
        let oid = row.try_get(0).map_err(|e| failed(e.into()))?;
        let grants = [format!("USAGE ON SCHEMA {schema}"), format!("ALL ON TABLE {schema}.{name}")];
        let role = FaultRole::create(admin, role_name(ROLE, id), &grants).await?;
        let count = usize::try_from(self.sessions.max(1)).unwrap_or(usize::MAX);
        let sessions = Mutex::new(vec![LockSession::default(); count]);
        let lock = Arc::new(SharedLock { role, asked: self, oid, search_path, sessions, tell });
        let task = |number| AbortOnDropHandle::new(tokio::spawn(lock.clone().run(number)));
        let tasks = Mutex::new(Some((0..count).map(task).collect()));
        Ok(Box::new(HeldLock { lock, tasks }))
    }
}

#[async_trait]
impl Holding for HeldLock {
    /// In place when a session of the fault is seen in `pg_locks` to have the lock, over the connection held since before.
    /// A session that was ended and comes back soon is in place as well: nothing lasting was done about it.
    async fn look(&self) -> AgentAnswer {
        let lock = &self.lock;
        let sessions = locked(&lock.sessions).clone();
        let (holding, rows): (Vec<i32>, Vec<u64>) = sessions.iter().filter_map(|s| s.stage.holding()).unzip();
        if !holding.is_empty() {
            match lock.granted(&holding).await {
                Ok(Some(evidence)) => {
                    let rows: u64 = rows.iter().sum();
                    let rows = if rows > 0 { format!(", {rows} rows locked") } else { String::new() };
                    return AgentAnswer::in_place(format!("{evidence}{rows}"));
                }
                Ok(None) => {}
                Err(error) if lock.role.admin.restarted().await.is_err() => {
                    return AgentAnswer::gone(format!("the database went away: {error}"));
                }
                Err(error) => return AgentAnswer::Failed { reason: format!("look at pg_locks: {error}") },
            }
        }
        let returning = sessions.iter().any(|session| {
            session.once && matches!(session.stage, LockStage::Waiting { .. } | LockStage::Away { failed: None, .. })
        });
        // The session to speak of is the one nearest to holding the lock.
        let stages = sessions.iter().map(|session| session.stage.describe(&lock.role.target.user, &lock.asked.table));
        let (_, detail) = stages.max_by_key(|(rank, _)| *rank).unwrap_or_default();
        if returning {
            return AgentAnswer::in_place(detail);
        }
        let by_itself = sessions.iter().any(|session| matches!(session.stage, LockStage::Over { by_itself: true, .. }));
        AgentAnswer::Gone { detail, by_itself, acted: None }
    }

    async fn lift(&self) -> Result<String, String> {
        self.lock.role.lift(&self.tasks).await
    }
}

impl LockStage {
    fn holding(&self) -> Option<(i32, u64)> {
        if let LockStage::Holding { pid, rows } = self { Some((*pid, *rows)) } else { None }
    }

    /// In words, and how near it is to holding the lock.
    fn describe(&self, role: &str, table: &str) -> (u8, String) {
        match self {
            LockStage::Over { why, .. } => (0, why.clone()),
            LockStage::Connecting => (1, format!("{role} is connecting")),
            LockStage::Away { why, failed: None } => (2, format!("{why}; it is coming back")),
            LockStage::Away { why, failed: Some(failed) } => {
                let could = if failed.is_refused() { "cannot" } else { "could not" };
                (2, format!("{why}, and {could} come back: {failed}"))
            }
            LockStage::Waiting { pid } => (3, format!("{role} (pid {pid}) waits for the lock on {table}")),
            LockStage::Holding { pid, .. } => (4, format!("{role} (pid {pid}) has no lock on {table} any more")),
        }
    }
}

impl SharedLock {
    /// The evidence, when one of these server processes has a lock on the table.
    async fn granted(&self, pids: &[i32]) -> Result<Option<String>, PgError> {
        let sql = "SELECT l.pid, string_agg(DISTINCT l.mode, ', '), max(a.state),
                          (SELECT count(*) FROM pg_stat_activity w WHERE pg_blocking_pids(w.pid) && $2)
                   FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
                   WHERE l.locktype = 'relation' AND l.relation = $1 AND l.granted AND l.pid = ANY($2)
                     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                   GROUP BY l.pid ORDER BY l.pid LIMIT 1";
        let rows = self.role.admin.query(sql, &[&self.oid, &pids]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let (pid, modes): (i32, String) = (row.try_get(0)?, row.try_get(1)?);
        let (state, waiting): (Option<String>, i64) = (row.try_get(2)?, row.try_get(3)?);
        let (role, table, state) = (&self.role.target.user, &self.asked.table, state.unwrap_or_default());
        Ok(Some(format!("{role} (pid {pid}) holds {modes} on {table}, {state}; {waiting} sessions wait for it")))
    }

    /// The life of one of the sessions.
    async fn run(self: Arc<Self>, number: usize) {
        loop {
            match self.session(number).await {
                // The session stood, and ended.
                Ok(ending) => {
                    let why = self.role.admin.explain(&ending).await;
                    match self.asked.returns {
                        Some(after) => {
                            self.note(format!("{why}; it comes back in {} ms", after.as_millis()));
                            self.set(number, LockStage::Away { why, failed: None });
                        }
                        None => {
                            self.note(why.clone());
                            return self.set(number, LockStage::Over { why, by_itself: ending.by_itself });
                        }
                    }
                }
                Err(error) => {
                    let before = match self.why(number) {
                        // Ended while it queued for the lock: as good as ended while it held it.
                        None if error.is_terminated() => Some(self.role.admin.explain(&error).await),
                        before => before,
                    };
                    if self.asked.returns.is_none() || before.is_none() {
                        let why = match before {
                            Some(before) => format!("{before}, and cannot come back: {error}"),
                            None => format!("the lock could not be taken: {error}"),
                        };
                        self.note(why.clone());
                        return self.set(number, LockStage::Over { why, by_itself: false });
                    }
                    let why = before.unwrap_or_default();
                    // A job that is refused goes on trying: whoever lets it in again has it back.
                    if error.is_refused() && !self.is_refused(number) {
                        self.note(format!("{why}, and cannot come back: {error}"));
                    }
                    self.set(number, LockStage::Away { why, failed: Some(error) });
                }
            }
            // It would be over, if it did not come back.
            tokio::time::sleep(self.asked.returns.unwrap_or_default()).await;
        }
    }

    /// One session from its beginning to its end. `Err` when it did not come to hold the lock.
    async fn session(&self, number: usize) -> Result<PgError, PgError> {
        let session = PgSession::hold(&self.role.target, APPLICATION).await?;
        let pid = session.pid().await?;
        if self.why(number).is_none() {
            self.set(number, LockStage::Waiting { pid });
        }
        let before = [format!("SET search_path TO {}", self.search_path), "BEGIN".to_string()];
        let mut rows = 0u64;
        for statement in before.iter().chain(&self.asked.statements) {
            // Without a deadline: a lock waits for as long as others hold it, and the runner polls `confirm`.
            let messages = session.client.simple_query(statement).await?;
            let got = messages.iter().filter(|message| matches!(message, SimpleQueryMessage::Row(_))).count();
            // `SELECT … FOR UPDATE` locks what it returns.
            if got == 0 && messages.iter().any(|message| matches!(message, SimpleQueryMessage::RowDescription(_))) {
                return Err(PgError::new(format!("no row matches, so nothing is locked: {statement}")));
            }
            rows = rows.saturating_add(u64::try_from(got).unwrap_or(u64::MAX));
        }
        let came_back = self.why(number).is_some();
        self.set(number, LockStage::Holding { pid, rows });
        if came_back {
            self.note(format!("{} came back (pid {pid})", self.role.target.user));
        }
        Ok(session.ended().await)
    }

    fn set(&self, number: usize, stage: LockStage) {
        let mut sessions = locked(&self.sessions);
        if let Some(session) = sessions.get_mut(number) {
            session.once |= stage.holding().is_some();
            session.stage = stage;
        }
    }

    /// Why it ended before, when it is to come back.
    fn why(&self, number: usize) -> Option<String> {
        let sessions = locked(&self.sessions);
        let LockStage::Away { why, .. } = &sessions.get(number)?.stage else { return None };
        Some(why.clone())
    }

    /// Whether it is known already that it may not come back.
    fn is_refused(&self, number: usize) -> bool {
        let sessions = locked(&self.sessions);
        let stage = sessions.get(number).map(|session| &session.stage);
        matches!(stage, Some(LockStage::Away { failed: Some(failed), .. }) if failed.is_refused())
    }

    fn note(&self, text: String) {
        (self.tell)(Told::Note { text });
    }
}
