//! What works inside the stack's network: load, fault proxies, held database sessions, scraping. One executable,
//! controlled by JSON lines over `docker exec -i`; when the channel ends or goes silent, everything is lifted.

pub mod ability;
pub mod alerts;
pub mod client;
pub mod clock;
pub mod files;
pub mod freshness;
mod http_page;
pub mod load;
pub mod machine;
pub mod pg;
pub mod prometheus;
pub mod promql;
pub mod protocol;
pub mod proxy;
mod proxy_rules;
pub mod server;
pub mod source;
pub mod tcp_question;
pub mod toxiproxy;
pub mod watch;

pub use client::{AgentClient, AgentError};
pub use clock::Clock;

use crate::locked;
