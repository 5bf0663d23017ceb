//! What works inside the stack's network: load, fault proxies, held database sessions, scraping. One executable,
//! controlled by JSON lines over `docker exec -i`; when the channel ends or goes silent, everything is lifted.

pub mod client;
pub mod protocol;
pub mod server;

pub use client::{AgentClient, AgentError};
