//! `tcp_latency`: what a service sends arrives later, on connections that are open already as well, whatever they speak.
//!
//! ```yaml
//! - tcp_latency: { service: cache, latency: 300ms }
//! - tcp_latency:
//!     service: db
//!     port: 5432            # every port that the stack declares, when it is left out
//!     latency: 200ms
//!     jitter: 50ms          # drawn evenly for each piece that the service sends: 150 to 250 ms
//! ```

use super::{FaultContext, FaultDraft, FaultError, Inject, Presence, Undo, by_agent};
use crate::agent::tcp_delay::TcpDelay;
use crate::source::{MapReader, TextForm, parse_duration, shape};
use crate::stack::AgentRole;
use async_trait::async_trait;
use std::num::NonZeroU16;
use std::time::Duration;

const A_LATENCY: TextForm = TextForm::new("a duration like `300ms`", shape::duration);

fn latency(text: &str) -> Result<Duration, String> {
    let latency = parse_duration(text)?;
    if latency.is_zero() { Err("a latency of 0 delays nothing".into()) } else { Ok(latency) }
}

/// Delays what a service sends.
#[derive(Debug, Clone)]
pub struct TcpLatency {
    service: String,
    port: Option<NonZeroU16>,
    latency: Duration,
    jitter: Duration,
}

impl TcpLatency {
    fn role(&self) -> AgentRole {
        AgentRole::Proxy { service: self.service.clone() }
    }
}

#[async_trait]
impl Inject for TcpLatency {
    fn draft() -> FaultDraft {
        FaultDraft {
            name: "slow",
            title: "{target} answers slowly",
            settings: "{ service: {target}, latency: 2s }",
            check: Some("how late the answers of this service are when it is in trouble"),
            advice: Some(
                "a restart does not cure `tcp_latency`: write into the runbook's mitigation what takes the service out of the way",
            ),
            ..FaultDraft::default()
        }
    }

    fn from_map(map: &mut MapReader<'_>) -> Option<Self> {
        let service: Option<String> = map.require("service");
        let port = map.optional("port");
        let latency: Option<Duration> = map.require_with("latency", A_LATENCY, latency);
        let jitter: Option<Duration> = map.optional("jitter");
        Some(TcpLatency { service: service?, port, latency: latency?, jitter: jitter.unwrap_or_default() })
    }

    fn summary(&self) -> String {
        let TcpLatency { service, port, latency, jitter } = self;
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        let spread = if jitter.is_zero() { String::new() } else { format!(" ± {jitter:?}") };
        format!("delays what `{service}{port}` sends by {latency:?}{spread}")
    }

    fn interposes(&self) -> Option<(String, Vec<u16>)> {
        Some((self.service.clone(), self.port.map(NonZeroU16::get).into_iter().collect()))
    }

    fn services(&self) -> Vec<String> {
        vec![self.service.clone()]
    }

    async fn prepare(&self, context: &FaultContext<'_>) -> Result<Undo, FaultError> {
        Ok(by_agent::undo(&self.role(), context))
    }

    async fn inject(&self, _undo: &Undo, context: &FaultContext<'_>) -> Result<(), FaultError> {
        let TcpLatency { port, latency, jitter, .. } = *self;
        let delay = TcpDelay { port: port.map(NonZeroU16::get), latency, jitter, seed: context.seed };
        by_agent::begin(context, &self.role(), &delay).await
    }

    async fn confirm(&self, _undo: &Undo, context: &FaultContext<'_>) -> Result<Presence, FaultError> {
        by_agent::confirm(context, &self.role()).await
    }
}
