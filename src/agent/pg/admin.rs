//! The connection of a database fault that sees and tidies up: held since before the fault, as a role that may create
//! roles and end sessions. It makes the fault's own role, and removes it.

use super::session::{PgError, PgSession, PgTarget, answered, quote_name};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};

/// How long sessions may take to end once they were told to.
const END_WITHIN: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(20);

/// The connection, opened again when it is lost.
pub(super) struct Admin {
    target: PgTarget,
    /// When the server started, as the first connection saw it.
    started: String,
    session: Mutex<Arc<PgSession>>,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin")
            .field("host", &self.target.host)
            .field("port", &self.target.port)
            .finish_non_exhaustive()
    }
}

/// A role of the fault's own, without superuser, so that keeping it from logging in is a lasting cure.
#[derive(Debug, Clone)]
pub(super) struct FaultRole {
    pub(super) name: String,
    /// How to log in as it.
    pub(super) target: PgTarget,
}

const STARTED: &str = "SELECT pg_postmaster_start_time()::text";

impl Admin {
    pub(super) async fn connect(target: PgTarget) -> Result<Admin, String> {
        let place = format!("connect to {}:{} as {}", target.host, target.port, target.user);
        let session = open(&target).await.map_err(|e| format!("{place}: {e}"))?;
        let started = started(&session.client).await.map_err(|e| format!("{place}: {e}"))?;
        Ok(Admin { target, started, session: Mutex::new(Arc::new(session)) })
    }

    async fn session(&self) -> Result<Arc<PgSession>, PgError> {
        let mut session = self.session.lock().await;
        if session.client.is_closed() {
            *session = Arc::new(open(&self.target).await?);
        }
        Ok(session.clone())
    }

    /// A session in the place of one that turned out to be broken.
    async fn renewed(&self, broken: &Arc<PgSession>) -> Result<Arc<PgSession>, PgError> {
        let mut session = self.session.lock().await;
        if Arc::ptr_eq(&session, broken) {
            *session = Arc::new(open(&self.target).await?);
        }
        Ok(session.clone())
    }

    pub(super) async fn query(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, PgError> {
        let session = self.session().await?;
        match answered(session.client.query(sql, params)).await {
            Err(error) if error.is_broken() => {
                let session = self.renewed(&session).await?;
                answered(session.client.query(sql, params)).await
            }
            answer => answer,
        }
    }

    /// Runs statements, all of them or none.
    pub(super) async fn run(&self, sql: &str) -> Result<(), PgError> {
        let session = self.session().await?;
        match answered(session.client.batch_execute(sql)).await {
            Err(error) if error.is_broken() => {
                let session = self.renewed(&session).await?;
                answered(session.client.batch_execute(sql)).await
            }
            answer => answer,
        }
    }

    /// Whether the server is another one than when the fault began: `Ok(true)` after a restart.
    pub(super) async fn restarted(&self) -> Result<bool, PgError> {
        let rows = self.query(STARTED, &[]).await?;
        let started: Option<String> = rows.first().and_then(|row| row.try_get(0).ok());
        Ok(started.as_ref() != Some(&self.started))
    }

    /// Why a session of the fault ended, in plain words.
    pub(super) async fn explain(&self, ending: &PgError) -> String {
        match self.restarted().await {
            Ok(true) => format!("the database was restarted ({ending})"),
            Err(_) => format!("the database went away ({ending})"),
            Ok(false) if ending.is_terminated() => {
                "the session was terminated by an administrator command (pg_terminate_backend)".into()
            }
            Ok(false) => format!("the session ended: {ending}"),
        }
    }

    /// Creates the fault's role with a random password and these grants. A role of that name is a remnant of an
    /// agent that was killed: it is removed first.
    pub(super) async fn create_role(&self, name: &str, grants: &[String]) -> Result<FaultRole, String> {
        self.remove_role(name).await?;
        let (role, password) = (quote_name(name), random_password()?);
        let mut statements = vec![
            "SET synchronous_commit = off".to_string(),
            format!("CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '{password}'"),
            format!("GRANT CONNECT ON DATABASE {} TO {role}", quote_name(&self.target.database)),
        ];
        statements.extend(grants.iter().map(|grant| format!("GRANT {grant} TO {role}")));
        if !self.is_superuser().await? {
            // Without superuser only members of a role may end its sessions and drop what it was granted.
            statements.push(format!("GRANT {role} TO CURRENT_USER"));
        }
        for statement in statements {
            if let Err(error) = self.run(&statement).await {
                // A half-made role must not stay behind; the first error is the one to tell.
                let _ = self.remove_role(name).await;
                return Err(format!("make the role {name}: {error}"));
            }
        }
        let target = PgTarget { user: name.into(), password: Some(password), ..self.target.clone() };
        Ok(FaultRole { name: name.into(), target })
    }

    /// Ends every session of a role, then drops its grants and the role itself; idempotent.
    pub(super) async fn remove_role(&self, name: &str) -> Result<bool, String> {
        let failed = |what: &str, error: PgError| format!("{what} the role {name}: {error}");
        let there = self.query("SELECT 1 FROM pg_roles WHERE rolname = $1", &[&name]).await;
        if there.map_err(|e| failed("look for", e))?.is_empty() {
            return Ok(false);
        }
        // Nobody may slip in between the last session's end and the removal.
        let role = quote_name(name);
        self.run(&format!("ALTER ROLE {role} NOLOGIN")).await.map_err(|e| failed("lock out", e))?;
        self.end_sessions(name).await?;
        self.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.map_err(|e| failed("drop", e))?;
        Ok(true)
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

async fn open(target: &PgTarget) -> Result<PgSession, PgError> {
    PgSession::open(target, "firedrill control").await
}

async fn started(client: &Client) -> Result<String, PgError> {
    answered(client.query_one(STARTED, &[])).await?.try_get(0).map_err(PgError::from)
}

/// The name of a fault's role: `base`, and for a second fault of its kind the ordinal at the end of its id.
pub(super) fn role_name(base: &str, fault: &str) -> String {
    let digits = fault.len() - fault.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    match fault.get(fault.len() - digits..) {
        Some(ordinal) if !ordinal.is_empty() => format!("{base}_{ordinal}"),
        _ => base.into(),
    }
}

/// 144 random bits in hex, so that the fault's role is no open door.
fn random_password() -> Result<String, String> {
    let mut bytes = [0u8; 18];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|e| format!("make a password from /dev/urandom: {e}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
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

    #[test]
    fn passwords_differ() {
        let (one, other) = (random_password().expect("one"), random_password().expect("another"));
        assert_eq!(one.len(), 36);
        assert_ne!(one, other);
    }
}
