//! One connection to a PostgreSQL server, and in plain words why it ended.

use serde::{Deserialize, Serialize};
use std::error::Error as StdError;
use std::future::Future;
use std::time::{Duration, Instant};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error, NoTls};
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

    /// Whether the role is kept from logging in, or its password or rights were changed: trying again is in vain.
    pub(super) fn is_refused(&self) -> bool {
        let refusals = [
            SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            SqlState::INVALID_PASSWORD,
            SqlState::INSUFFICIENT_PRIVILEGE,
            SqlState::INVALID_CATALOG_NAME,
        ];
        self.code.as_ref().is_some_and(|code| refusals.contains(code))
    }

    /// Whether the connection is of no use any more.
    pub(super) fn is_broken(&self) -> bool {
        self.code.is_none() || self.is_terminated()
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

    /// The same for a session that a fault holds: that the server's own limits end it is to be told from that somebody does.
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
    match tokio::time::timeout(ANSWER_WITHIN, query).await {
        Ok(answer) => answer.map_err(PgError::from),
        Err(_) => Err(PgError::new(format!("the database gave no answer within {} s", ANSWER_WITHIN.as_secs()))),
    }
}

/// A name quoted for SQL.
pub(super) fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        assert_eq!(quote_name("batch"), "\"batch\"");
        assert_eq!(quote_name("a\"; DROP"), "\"a\"\"; DROP\"");
    }
}
