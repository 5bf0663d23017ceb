//! What an agent does to a PostgreSQL database, mostly by sessions that it holds, and what it asks there: one file per
//! ability.

mod change;
mod connections;
mod lock;
mod query;
mod session;

pub use change::PgChange;
pub use connections::PgConnections;
pub use lock::PgLock;
pub use query::{PgQuery, SliQuery};
pub(crate) use session::PgServer;
pub use session::PgTarget;
