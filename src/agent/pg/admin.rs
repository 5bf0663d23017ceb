//! The connection of a database fault that sees and tidies up: held since before the fault, as a role that may create
//! roles and end sessions. It makes the fault's own role, and removes it.

use super::session::{PgError, PgSession, PgTarget, answered, quote_name};
use crate::agent::locked;
use crate::record::random_hex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// How long sessions may take to end once they were told to.
const END_WITHIN: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(20);
/// `application_name` of its session.
const APPLICATION: &str = "firedrill control";

/// The connection, opened again when it is lost.
pub(super) struct Admin {
    target: PgTarget,
    /// When the server started, as the first connection saw it.
    started: Option<String>,
    session: Mutex<Arc<PgSession>>,
}

/// A role of the fault's own, without superuser, so that keeping it from logging in is a lasting cure.
pub(super) struct FaultRole {
    pub(super) admin: Admin,
    /// How to log in as it.
    pub(super) target: PgTarget,
}

impl Admin {
    pub(super) async fn connect(target: PgTarget) -> Result<Admin, String> {
        let session = target.connect(APPLICATION).await?;
        let mut admin = Admin { target, started: None, session: Mutex::new(Arc::new(session)) };
        admin.started = admin.started().await.map_err(|e| admin.target.cannot_connect(&e))?;
        Ok(admin)
    }

    /// The session; another one in the place of one that is closed, or turned out to be broken.
    async fn session(&self, broken: Option<&Arc<PgSession>>) -> Result<Arc<PgSession>, PgError> {
        let mut session = self.session.lock().await;
        if session.client.is_closed() || broken.is_some_and(|broken| Arc::ptr_eq(&session, broken)) {
            *session = Arc::new(PgSession::open(&self.target, APPLICATION).await?);
        }
        Ok(session.clone())
    }

    pub(super) async fn query(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, PgError> {
        let mut broken = None;
        loop {
            let session = self.session(broken.as_ref()).await?;
            match answered(session.client.query(sql, params)).await {
                Err(error) if error.is_broken() && broken.is_none() => broken = Some(session),
                answer => return answer,
            }
        }
    }

    /// Carries a statement out.
    async fn run(&self, sql: &str) -> Result<(), PgError> {
        self.query(sql, &[]).await.map(drop)
    }

    async fn started(&self) -> Result<Option<String>, PgError> {
        let rows = self.query("SELECT pg_postmaster_start_time()::text", &[]).await?;
        Ok(rows.first().and_then(|row| row.try_get(0).ok()))
    }

    /// Whether the server is another one than when the fault began: `Ok(true)` after a restart.
    pub(super) async fn restarted(&self) -> Result<bool, PgError> {
        Ok(self.started().await? != self.started)
    }

    /// Why a session of the fault ended, in plain words.
    pub(super) async fn explain(&self, ending: &PgError) -> String {
        match self.restarted().await {
            Ok(true) => format!("the database was restarted ({ending})"),
            Err(_) => format!("the database went away ({ending})"),
            Ok(false) if ending.is_terminated() => {
                "the session was terminated by an administrator command (pg_terminate_backend)".into()
            }
            Ok(false) if ending.by_itself => format!("a limit of the server's own ended the session: {ending}"),
            Ok(false) => format!("the session ended: {ending}"),
        }
    }

    /// Ends every session of a role, then drops its grants and the role itself; idempotent.
    async fn remove_role(&self, name: &str) -> Result<(), String> {
        let failed = |what: &str, error: PgError| format!("{what} the role {name}: {error}");
        let there = self.query("SELECT 1 FROM pg_roles WHERE rolname = $1", &[&name]).await;
        if there.map_err(|e| failed("look for", e))?.is_empty() {
            return Ok(());
        }
        // Nobody may slip in between the last session's end and the removal.
        let role = quote_name(name);
        self.run(&format!("ALTER ROLE {role} NOLOGIN")).await.map_err(|e| failed("lock out", e))?;
        self.end_sessions(name).await?;
        for what in ["OWNED BY", "ROLE"] {
            self.run(&format!("DROP {what} {role}")).await.map_err(|e| failed("drop", e))?;
        }
        Ok(())
    }

    async fn end_sessions(&self, role: &str) -> Result<(), String> {
        let deadline = tokio::time::Instant::now() + END_WITHIN;
        loop {
            let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1";
            let left = self.query(terminate, &[&role]).await.map_err(|e| format!("end the sessions of {role}: {e}"))?;
            if left.is_empty() {
                return Ok(());
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(format!("{} sessions of {role} do not end", left.len()));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn is_superuser(&self) -> Result<bool, String> {
        let sql = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user";
        let rows = self.query(sql, &[]).await.map_err(|e| format!("look at the role {}: {e}", self.target.user))?;
        Ok(rows.first().and_then(|row| row.try_get(0).ok()).unwrap_or(false))
    }
}

impl FaultRole {
    /// Creates the role with a random password and these grants. A role of that name is a remnant of an agent that was
    /// killed: it is removed first.
    pub(super) async fn create(admin: Admin, name: String, grants: &[String]) -> Result<FaultRole, String> {
        admin.remove_role(&name).await?;
        let (role, password) = (quote_name(&name), random_hex() + &random_hex());
        let mut statements = vec![
            "SET synchronous_commit = off".to_string(),
            format!("CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '{password}'"),
            format!("GRANT CONNECT ON DATABASE {} TO {role}", quote_name(&admin.target.database)),
        ];
        statements.extend(grants.iter().map(|grant| format!("GRANT {grant} TO {role}")));
        if !admin.is_superuser().await? {
            // Without superuser only members of a role may end its sessions and drop what it was granted.
            statements.push(format!("GRANT {role} TO CURRENT_USER"));
        }
        for statement in statements {
            if let Err(error) = admin.run(&statement).await {
                // A half-made role must not stay behind; the first error is the one to tell.
                let _ = admin.remove_role(&name).await;
                return Err(format!("make the role {name}: {error}"));
            }
        }
        let target = PgTarget { user: name, password: Some(password), ..admin.target.clone() };
        Ok(FaultRole { admin, target })
    }

    /// Closes the sessions and removes the role.
    pub(super) async fn lift<T>(&self, sessions: &std::sync::Mutex<Option<T>>) -> Result<String, String> {
        // A closed socket ends an idle transaction at once; a session that queues for a lock does not look at its
        // socket and has to be ended by the server.
        drop(locked(sessions).take());
        let name = &self.target.user;
        match self.admin.remove_role(name).await {
            Ok(()) => Ok(format!("the sessions were ended, the role {name} was dropped")),
            // Sessions end with their sockets; without a server there is nothing left that could hold anything.
            Err(_) if self.admin.restarted().await.is_err() => {
                Ok(format!("the sessions were closed; the database is away, so the role {name} is left"))
            }
            Err(error) => Err(error),
        }
    }
}

/// The name of a fault's role: `base`, and for a second fault of its kind the ordinal at the end of its id.
pub(super) fn role_name(base: &str, fault: &str) -> String {
    let digits = fault.len() - fault.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    match fault.get(fault.len() - digits..) {
        Some(ordinal) if !ordinal.is_empty() => format!("{base}_{ordinal}"),
        _ => base.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_fault_of_a_kind_has_a_role_of_its_own() {
        assert_eq!(role_name("firedrill_batch", "postgres_lock"), "firedrill_batch");
        assert_eq!(role_name("firedrill_batch", "postgres_lock-2"), "firedrill_batch_2");
        assert_eq!(role_name("firedrill_batch", ""), "firedrill_batch");
    }
}
