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

use super::by_agent::AgentFault;
use super::{ReadFault, read_returns};
use crate::agent::ability::Ability;
use crate::agent::pg::{PgConnections, PgServer};
use crate::source::MapReader;

/// Reads its parameters; `None` when there were mistakes, which are noted.
pub(super) fn from_map(map: &mut MapReader<'_>) -> ReadFault<AgentFault> {
    let server = PgServer::read(map);
    let leave: u32 = map.optional("leave").unwrap_or(0);
    let returns = read_returns(map);
    let server = server?;
    let slots = match leave {
        0 => "every connection slot".to_string(),
        leave => format!("all but {leave} connection slots"),
    };
    let again = returns.map_or_else(String::new, |after| format!(" that come back {after:?} after they were ended"));
    let summary = format!("uses {slots} of `{}` up by clients{again}", server.service);
    let ask = move |target, id: &str| PgConnections { target, leave, returns }.ask(id);
    Some(AgentFault::on_server(server, summary, returns, ask))
}
