//! What a proxy stands in front of, as it is handed to the agent.

use serde::{Deserialize, Serialize};

/// What a proxy stands in front of: the value of `FIREDRILL_PROXY`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyConfig {
    /// The service, by the name under which the agent itself reaches it.
    pub service: String,
    /// Its ports.
    pub ports: Vec<ProxyPort>,
}

/// A port that a proxy listens on and passes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyPort {
    /// Port number, the same on both sides.
    pub port: u16,
    /// Parsed as HTTP/1 from the start, so that rules can bite on connections that are already open.
    pub http: bool,
}
