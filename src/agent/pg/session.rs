//! One connection to a PostgreSQL server of the stack: where that is and who to be there, as a scenario says it, and in plain words why
//! the connection ended; and that of a database fault that sees and tidies up: held since before the fault, as a role that may create roles and
//! end sessions. It makes the fault's own role, and removes it.

use crate::agent::locked;
use crate::record::random_hex;
use crate::source::MapReader;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::future::Future;
use std::num::NonZeroU16;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Error, NoTls, Row};
use tokio_util::task::AbortOnDropHandle;

/// How long a server may take to let a client in.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// How long it may take to answer a query that waits for nothing.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Settings by which a server ends sessions by itself, with the SQLSTATE that it then gives.
/// https://www.postgresql.org/docs/current/runtime-config-client.html
const OWN_LIMITS: [(&str, &str); 3] = [
    ("idle_in_transaction_session_timeout", "25P03"),
    ("idle_session_timeout", "57P05"),
    ("transaction_timeout", "25P04"),
];

/// A PostgreSQL server and who to be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PgTarget {
    /// Host as inside the stack.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Role with the right to create roles and terminate sessions.
    pub user: String,
    /// Its password, if it has one.
    pub password: Option<String>,
    /// Database.
    pub database: String,
}

impl PgTarget {
    /// Connects; says why nobody is let in, with the place.
    pub(super) async fn connect(&self, application: &str) -> Result<PgSession, String> {
        PgSession::open(self, application).await.map_err(|error| self.cannot_connect(&error))
    }

    /// Why nobody is let in, with the place.
    pub(super) fn cannot_connect(&self, error: &PgError) -> String {
        format!("connect to {}:{} as {}: {error}", self.host, self.port, self.user)
    }
}

/// Why something could not be done in a database.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text}")]
pub(super) struct PgError {
    /// What the server or the connection said.
    pub(super) text: String,
    /// SQLSTATE, when the server said it.
    pub(super) code: Option<SqlState>,
    /// A limit ended the session that the server had when it was opened: nobody did anything.
    pub(super) by_itself: bool,
}

impl PgError {
    pub(super) fn new(text: impl Into<String>) -> Self {
        PgError { text: text.into(), code: None, by_itself: false }
    }

    /// Whether the server has no slot for another client (or the role, or the database, has reached its limit).
    pub(super) fn is_full(&self) -> bool {
        self.code == Some(SqlState::TOO_MANY_CONNECTIONS)
    }

    /// Whether the role is kept from logging in, or its password or rights were changed: it stays out until somebody lets it in again.
    pub(super) fn is_refused(&self) -> bool {
        let refusals = [
            SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            SqlState::INVALID_PASSWORD,
            SqlState::INSUFFICIENT_PRIVILEGE,
            SqlState::INVALID_CATALOG_NAME,
        ];
        self.code.as_ref().is_some_and(|code| refusals.contains(code))
    }

    /// Whether a person or a program ended the session, or the server was shut down.
    pub(super) fn is_terminated(&self) -> bool {
        self.code == Some(SqlState::ADMIN_SHUTDOWN)
    }
}

impl From<Error> for PgError {
    fn from(error: Error) -> Self {
        if let Some(db) = error.as_db_error() {
            let text = format!("{}: {}", db.severity(), db.message());
            return PgError { code: Some(db.code().clone()), ..PgError::new(text) };
        }
        let causes = std::iter::successors(Some(&error as &dyn StdError), |&error| error.source());
        PgError::new(causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
    }
}

/// An open connection; dropping it closes the socket at once.
pub(super) struct PgSession {
    pub(super) client: Client,
    driver: AbortOnDropHandle<Result<(), Error>>,
    opened: Instant,
    /// Those of [`OWN_LIMITS`] that it has, by their SQLSTATE.
    limits: Vec<(&'static str, Duration)>,
}

impl PgSession {
    /// Connects, with `application` as the session's `application_name`.
    pub(super) async fn open(target: &PgTarget, application: &str) -> Result<PgSession, PgError> {
        let mut config = Config::new();
        config.host(&target.host).port(target.port).user(&target.user).dbname(&target.database);
        config.application_name(application);
        if let Some(password) = &target.password {
            config.password(password);
        }
        let (client, connection) =
            tokio::time::timeout(CONNECT_WITHIN, config.connect(NoTls)).await.map_err(|_| {
                let place = format!("{}:{}", target.host, target.port);
                PgError::new(format!("{place} let nobody in within {} s", CONNECT_WITHIN.as_secs()))
            })??;
        let driver = AbortOnDropHandle::new(tokio::spawn(connection));
        Ok(PgSession { client, driver, opened: Instant::now(), limits: Vec::new() })
    }

    /// Connects a session that a fault holds, and notes the server's time-outs: a session that one of them ends was not
    /// ended by somebody.
    pub(super) async fn hold(target: &PgTarget, application: &str) -> Result<PgSession, PgError> {
        let mut session = PgSession::open(target, application).await?;
        let sql = "SELECT name, setting::int8 FROM pg_settings WHERE name = ANY($1) AND setting::int8 > 0";
        let rows = answered(session.client.query(sql, &[&OWN_LIMITS.map(|(name, _)| name).as_slice()])).await?;
        for row in rows {
            let (name, set): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
            let limit = Duration::from_millis(set.unsigned_abs());
            session.limits.extend(OWN_LIMITS.iter().filter(|(own, _)| *own == name).map(|(_, code)| (*code, limit)));
        }
        Ok(session)
    }

    /// The server process of this session.
    pub(super) async fn pid(&self) -> Result<i32, PgError> {
        let row = answered(self.client.query_one("SELECT pg_backend_pid()", &[])).await?;
        row.try_get(0).map_err(PgError::from)
    }

    /// Waits until the session ends, which nothing here ever asks for, and says why it did. Keeps the connection open as
    /// long as it waits.
    pub(super) async fn ended(self) -> PgError {
        let error = match self.driver.await {
            Ok(Err(error)) => PgError::from(error),
            Ok(Ok(())) => PgError::new("the connection was closed"),
            Err(error) => PgError::new(format!("the connection's task ended: {error}")),
        };
        let lived = self.opened.elapsed();
        let is_of = |code: &str| error.code.as_ref().is_some_and(|own| own.code() == code);
        // A limit that somebody has lowered ends it sooner.
        let by_itself = self.limits.iter().any(|(code, limit)| is_of(code) && lived >= *limit);
        PgError { by_itself, ..error }
    }
}

/// A query that the server must answer soon.
pub(super) async fn answered<T>(query: impl Future<Output = Result<T, Error>>) -> Result<T, PgError> {
    let late = |_| PgError::new(format!("the database gave no answer within {} s", ANSWER_WITHIN.as_secs()));
    tokio::time::timeout(ANSWER_WITHIN, query).await.map_err(late)?.map_err(PgError::from)
}

/// A name quoted for SQL.
pub(super) fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A PostgreSQL server and how to log in, as far as the scenario says.
#[derive(Debug, Clone)]
pub(crate) struct PgServer {
    pub(crate) service: String,
    pub(crate) database: Option<String>,
    user: Option<String>,
    password: Option<String>,
    port: u16,
}

impl PgServer {
    /// Reads `service`, `database`, `user`, `password` and `port`.
    pub(crate) fn read(map: &mut MapReader<'_>) -> Option<PgServer> {
        let service: Option<String> = map.require("service");
        let (database, user, password) = (map.optional("database"), map.optional("user"), map.optional("password"));
        let port = map.optional("port").map_or(5432, NonZeroU16::get);
        Some(PgServer { service: service?, database, user, password, port })
    }

    /// The password that the scenario gives.
    pub(crate) fn secrets(&self) -> Vec<String> {
        self.password.iter().cloned().collect()
    }

    /// The server with what the scenario leaves out taken from the service's own environment, in the words of the
    /// official image (`POSTGRES_USER` …) or of libpq (`PGUSER` …). `Err` has what was tried, and why nobody can be logged in as.
    pub(crate) fn target(&self, environment: &BTreeMap<String, String>) -> Result<PgTarget, (String, String)> {
        let from =
            |keys: [&str; 2]| keys.iter().find_map(|key| environment.get(*key)).filter(|v| !v.is_empty()).cloned();
        let theirs = from(["POSTGRES_USER", "PGUSER"]).unwrap_or_else(|| "postgres".into());
        let user = self.user.clone().unwrap_or_else(|| theirs.clone());
        // The environment's password belongs to the environment's user.
        let of_theirs = || from(["POSTGRES_PASSWORD", "PGPASSWORD"]).filter(|_| user == theirs);
        let password = self.password.clone().or_else(of_theirs);
        if password.is_none() && user == theirs && environment.contains_key("POSTGRES_PASSWORD_FILE") {
            let cause = "the service reads it from a file (POSTGRES_PASSWORD_FILE); give it a `password:`";
            return Err((format!("find the password of {user} on `{}`", self.service), cause.into()));
        }
        let database = self.database.clone().or_else(|| from(["POSTGRES_DB", "PGDATABASE"]));
        let database = database.unwrap_or_else(|| user.clone());
        Ok(PgTarget { host: self.service.clone(), port: self.port, user, password, database })
    }
}

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
    session: Mutex<PgSession>,
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
        let mut admin = Admin { target, started: None, session: Mutex::new(session) };
        admin.started = admin.started().await.map_err(|e| admin.target.cannot_connect(&e))?;
        Ok(admin)
    }

    pub(super) async fn query(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, PgError> {
        let mut session = self.session.lock().await;
        match answered(session.client.query(sql, params)).await {
            // The connection is of no use any more.
            Err(error) if error.code.is_none() || error.is_terminated() => {
                *session = PgSession::open(&self.target, APPLICATION).await?;
                answered(session.client.query(sql, params)).await
            }
            answer => answer,
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
    let ordinal = fault.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    if ordinal.is_empty() { base.into() } else { format!("{base}_{ordinal}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        assert_eq!(quote_name("batch"), "\"batch\"");
        assert_eq!(quote_name("a\"; DROP"), "\"a\"\"; DROP\"");
    }

    fn server(user: Option<&str>, password: Option<&str>, database: Option<&str>) -> PgServer {
        let own = |text: Option<&str>| text.map(str::to_string);
        let (user, password, database) = (own(user), own(password), own(database));
        PgServer { service: "db".into(), user, password, database, port: 5432 }
    }

    fn of(server: &PgServer, environment: &[(&str, &str)]) -> (String, Option<String>, String) {
        let environment = environment.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let target = server.target(&environment).expect("a target");
        (target.user, target.password, target.database)
    }

    #[test]
    fn the_services_own_environment_fills_in_what_is_left_out() {
        let whole = [("POSTGRES_USER", "root"), ("POSTGRES_PASSWORD", "x"), ("POSTGRES_DB", "shop")];
        let some = |text: &str| Some(text.to_string());
        assert_eq!(of(&server(None, None, None), &whole), ("root".into(), some("x"), "shop".into()));
        assert_eq!(of(&server(None, None, Some("b")), &whole), ("root".into(), some("x"), "b".into()));
        assert_eq!(of(&server(Some("me"), None, None), &whole), ("me".into(), None, "shop".into()));
        assert_eq!(of(&server(Some("me"), Some("y"), None), &[]), ("me".into(), some("y"), "me".into()));
        assert_eq!(of(&server(None, None, None), &[]), ("postgres".into(), None, "postgres".into()));
        let libpq = [("PGUSER", "a"), ("PGPASSWORD", "b"), ("PGDATABASE", "c")];
        assert_eq!(of(&server(None, None, None), &libpq), ("a".into(), some("b"), "c".into()));
    }

    #[test]
    fn a_password_in_a_file_must_be_given() {
        let environment = BTreeMap::from([("POSTGRES_PASSWORD_FILE".to_string(), "/run/secrets/x".to_string())]);
        let error = server(None, None, None).target(&environment).expect_err("nobody can read it");
        assert!(error.1.contains("`password:`"), "{error:?}");
        server(None, Some("x"), None).target(&environment).expect("it is given");
    }

    #[test]
    fn a_second_fault_of_a_kind_has_a_role_of_its_own() {
        assert_eq!(role_name("firedrill_batch", "postgres_lock"), "firedrill_batch");
        assert_eq!(role_name("firedrill_batch", "postgres_lock-2"), "firedrill_batch_2");
        assert_eq!(role_name("firedrill_batch", ""), "firedrill_batch");
    }
}
