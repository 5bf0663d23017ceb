//! What an agent does to a database as a fault, mostly by sessions that it holds: one file per ability.

mod admin;
mod change;
mod connections;
mod lock;
mod session;

pub use change::PgChange;
pub use connections::PgConnections;
pub use lock::PgLock;
pub use session::PgTarget;
