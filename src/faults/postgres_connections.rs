//! `postgres_connections`: clients that use the server's connection slots up, as an application that leaks connections
//! does. The sessions of ordinary roles are ended while the slots are being filled, as a pool that is already connected would
//! not notice otherwise; superusers keep theirs and the slots reserved for them.
//!
//! ```yaml
//! - postgres_connections: { service: db }
//! - postgres_connections:
//!     service: db
//!     leave: 0          # slots that stay free for ordinary roles
//!     returns: 2s       # the clients come back this long after they were ended; they stay away when left out
//!     database: shop    # user, password and database: the service's own environment, when left out
//!     user: postgres
//!     password: secret
//!     port: 5432
//! ```

use super::{FaultContext, FaultError, Inject, Presence, Undo, by_agent};
use crate::agent::pg::{PgConnections, PgServer};
use crate::source::MapReader;
use crate::stack::AgentRole;
use async_trait::async_trait;
use std::time::Duration;

/// Clients that use the connection slots up.
#[derive(Debug, Clone)]
pub struct PostgresConnections {
    server: PgServer,
    leave: u32,
    returns: Option<Duration>,
}

#[async_trait]
impl Inject for PostgresConnections {
    fn from_map(map: &mut MapReader<'_>) -> Option<Self> {
        let server = PgServer::read(map);
        let leave = map.optional("leave").unwrap_or(0);
        let returns = map.optional("returns");
        Some(PostgresConnections { server: server?, leave, returns })
    }

    fn summary(&self) -> String {
        let slots = match self.leave {
            0 => "every connection slot".to_string(),
            leave => format!("all but {leave} connection slots"),
        };
        let returns = match self.returns {
            Some(after) => format!(" that come back {after:?} after they were ended"),
            None => String::new(),
        };
        format!("uses {slots} of `{}` up by clients{returns}", self.server.service)
    }

    fn returns(&self) -> Option<Duration> {
        self.returns
    }

    fn services(&self) -> Vec<String> {
        vec![self.server.service.clone()]
    }

    fn secrets(&self) -> Vec<String> {
        self.server.secrets()
    }

    async fn prepare(&self, context: &FaultContext<'_>) -> Result<Undo, FaultError> {
        self.server.target(&context.stack.environment(&self.server.service))?;
        Ok(by_agent::undo(&AgentRole::Drill, context))
    }

    async fn inject(&self, _undo: &Undo, context: &FaultContext<'_>) -> Result<(), FaultError> {
        let connections = PgConnections {
            target: self.server.target(&context.stack.environment(&self.server.service))?,
            leave: self.leave,
            returns: self.returns,
        };
        by_agent::begin(context, &AgentRole::Drill, &connections).await
    }

    async fn confirm(&self, _undo: &Undo, context: &FaultContext<'_>) -> Result<Presence, FaultError> {
        by_agent::confirm(context, &AgentRole::Drill).await
    }
}
