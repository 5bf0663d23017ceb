//! The team's own alerts in a drill: Prometheus and Alertmanager as child processes of this agent, with the team's rules and
//! routes, a receiver to which every notification is delivered, and a watch that tells what becomes of each alert.
//!
//! ```text
//! Prometheus ──► Alertmanager ──► receiver ──► Told::Alert
//!     └────────────────┴── watch ─────────────────┘
//! ```

mod distance;
mod outside;
mod receiver;
mod servers;
mod watch;

pub use distance::comparisons;
pub use outside::outside_targets;
pub use servers::{SyntheticHistory, SyntheticSeries};

use super::ability::{Ability, AgentContext, HeldResult, Holding, Tell};
use super::http_page::{A_PAGE, encoded, page_text, parse_page};
use super::protocol::AgentAnswer;
use crate::agent::locked;
use crate::source::At;
use async_trait::async_trait;
use distance::Distance;
use futures_util::FutureExt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;

/// Where the drill's own Prometheus answers, as host and port inside the agent's container.
const PROMETHEUS: &str = "127.0.0.1:9090";
/// Where the drill's own Alertmanager answers, as host and port inside the agent's container.
pub const ALERTMANAGER: &str = "127.0.0.1:9093";
/// The port of the receiver.
const RECEIVER_PORT: u16 = 9095;
/// What APIs are asked for.
const JSON: &str = "application/json,*/*;q=0.1";
/// Name of the configuration file that Prometheus is started with.
pub const PROMETHEUS_FILE: &str = "prometheus.yml";
/// Name of the configuration file that Alertmanager is started with.
pub const ALERTMANAGER_FILE: &str = "alertmanager.yml";

/// The URL at which notifications for a receiver of Alertmanager's configuration are taken, as `host` leads there. Whoever does not know
/// the token is not Alertmanager.
pub fn receiver_url(host: &str, token: &str, receiver: &str) -> String {
    format!("http://{host}:{RECEIVER_PORT}/receiver/{token}/{}", encoded(receiver))
}

/// The name of a receiver to which nothing is delivered, by which Alertmanager's configuration is known to be the drill's: newer ones do not
/// show where their receivers deliver.
pub fn marking_receiver(token: &str) -> String {
    format!("firedrill-{}", &hex::encode(Sha256::digest(token))[..16])
}

/// Reads the address of a server's API.
pub(crate) fn read_address(at: &mut At<'_>) -> Option<String> {
    at.parse(A_PAGE, |url| parse_page(url.trim()).map(|_| url.trim().trim_end_matches('/').to_string()))
}

/// Runs the team's Prometheus and Alertmanager, and tells what becomes of their alerts. It has begun once every target was
/// scraped, the history is there and Prometheus sends to Alertmanager.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AlertServers {
    /// Where both answer when they are services of the stack; otherwise they are started.
    pub services: Option<AlertAddresses>,
    /// Names of the stack's services, if those are the only hosts that its Prometheus may send to and read from.
    pub hosts: Option<BTreeSet<String>>,
    /// The files with which they are started, by names without directories.
    pub files: BTreeMap<String, String>,
    /// What stands in the URLs of Alertmanager's receivers.
    pub token: String,
    /// Names of the alerts of which Prometheus must have a rule.
    pub names: BTreeSet<String>,
    /// How long it may take until every target was scraped once, in microseconds.
    pub scraped_within_us: u64,
    /// Silences that are set, as Alertmanager's API takes them.
    pub silences: Vec<Value>,
    /// The alert of which it is followed how far its expression is from its threshold.
    pub alert: String,
    /// What Prometheus knows from before.
    pub history: Option<SyntheticHistory>,
}

/// URLs of the APIs of Prometheus and Alertmanager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertAddresses {
    /// That of Prometheus.
    pub prometheus: String,
    /// That of Alertmanager.
    pub alertmanager: String,
}

impl AlertServers {
    /// How long they may take until they work together. Prometheus alone looks for its targets after five seconds.
    pub fn ready_within(&self) -> Duration {
        Duration::from_secs(20) + Duration::from_micros(self.scraped_within_us)
    }

    fn addresses(&self) -> AlertAddresses {
        let own = |address| format!("http://{address}");
        let started = || AlertAddresses { prometheus: own(PROMETHEUS), alertmanager: own(ALERTMANAGER) };
        self.services.clone().unwrap_or_else(started)
    }
}

struct HeldServers {
    watch: AbortOnDropHandle<()>,
    /// How far the expression of the alert was from its threshold.
    distance: Arc<Mutex<Distance>>,
}

impl Ability for AlertServers {
    const NAME: &'static str = "alert_servers";

    async fn begin(self, _: &str, context: &AgentContext, tell: Tell) -> HeldResult {
        let receiver = receiver::listen(RECEIVER_PORT, &self.token, context.clock, tell.clone()).await?;
        let servers = servers::start(&self, &tell).await?;
        let distance = Arc::new(Mutex::new(Distance::of(&self.alert)));
        let watching = watch::watch(servers, distance.clone(), context.clock, tell);
        // Notifications are taken as long as it watches.
        let watch = AbortOnDropHandle::new(tokio::spawn(watching.map(|()| drop(receiver))));
        Ok(Box::new(HeldServers { watch, distance }))
    }
}

#[async_trait]
impl Holding for HeldServers {
    /// How far the expression of the alert was from its threshold is the evidence.
    async fn look(&self) -> AgentAnswer {
        match self.watch.is_finished() {
            true => AgentAnswer::gone("Prometheus and Alertmanager have ended"),
            false => AgentAnswer::in_place(locked(&self.distance).words()),
        }
    }
}

/// After so long without an answer nothing can be said about alerts any more.
const SILENT_FOR: Duration = Duration::from_secs(5);
/// How long one answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Asks an API for JSON. One that takes the question and never answers is silent as well.
async fn ask<T: DeserializeOwned>(url: &str) -> Result<T, String> {
    let answer = tokio::time::timeout(ANSWER_WITHIN, page_text(url, JSON)).await;
    let text = answer.unwrap_or_else(|_| Err(format!("{url} has not answered within {ANSWER_WITHIN:?}")))?;
    serde_json::from_str(&text).map_err(|error| format!("what {url} answers cannot be read: {error}"))
}

impl AlertAddresses {
    /// Asks Prometheus for what stands under a key of its answer.
    async fn prometheus<T: DeserializeOwned>(&self, path: &str, key: &str) -> Result<T, String> {
        let url = format!("{}/api/v1/{path}", self.prometheus);
        let mut answer: Value = ask(&url).await?;
        let found = answer.get_mut("data").and_then(|data| data.get_mut(key)).map(Value::take);
        serde_json::from_value(found.unwrap_or_default())
            .map_err(|error| format!("what {url} answers cannot be read: {error}"))
    }

    /// Asks Alertmanager.
    async fn alertmanager<T: DeserializeOwned>(&self, path: &str) -> Result<T, String> {
        ask(&format!("{}/api/v2/{path}", self.alertmanager)).await
    }

    /// The values that a query has now.
    async fn query(&self, expression: &str) -> Result<Vec<f64>, String> {
        let found: Value = self.prometheus(&format!("query?query={}", encoded(expression)), "result").await?;
        let number = |pair: &Value| pair.get(1).and_then(Value::as_str).and_then(|text| text.parse::<f64>().ok());
        let items = found.as_array().map(Vec::as_slice).unwrap_or_default();
        let of_vector = items.iter().filter_map(|item| number(item.get("value")?));
        // A scalar is a pair itself.
        Ok(of_vector.chain(number(&found)).filter(|value| !value.is_nan()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::receiver::decoded;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn names_of_receivers_come_back(name in "\\PC{0,20}") {
            prop_assert_eq!(decoded(&encoded(&name)), name);
        }
    }

    #[test]
    fn what_is_no_code_stays() {
        assert_eq!(decoded("100%/x%4"), "100%/x%4");
        assert_eq!(receiver_url("127.0.0.1", "0123", "a/b c"), "http://127.0.0.1:9095/receiver/0123/a%2Fb%20c");
    }
}
