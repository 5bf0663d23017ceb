//! The API of Toxiproxy in a drill: at the agent in front of a service, for clients inside the stack's network.

use super::super::ability::{Ability, AgentContext, HeldResult, Tell, held_task};
use super::super::protocol::Told;
use super::super::proxy::{ProxyClient, bind};
use super::api::serve;
use super::proxies::ToxicProxies;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::{Deserialize, Serialize};
use std::net::{Ipv6Addr, SocketAddr};
use tokio::sync::mpsc::unbounded_channel;

/// Asks for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ToxiproxyApi {
    /// The service in front of which the agent stands.
    pub service: String,
    /// Where it listens.
    pub port: u16,
    /// The services that a call can come from, to tell whose it was.
    pub clients: Vec<String>,
}

impl Ability for ToxiproxyApi {
    const NAME: &'static str = "toxiproxy";

    async fn begin(self, _: &str, context: &AgentContext, tell: Tell) -> HeldResult {
        let proxies = ToxicProxies::in_front_of(&self.service, context.proxy()?);
        let listener = bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, self.port))).await;
        let listener = listener.map_err(|error| {
            let ToxiproxyApi { service, port, .. } = &self;
            format!(
                "Toxiproxy's API cannot listen on port {port} in front of `{service}`: {error}; leave a service that has this port \
                 itself out of `toxiproxy`"
            )
        })?;
        let (calls, mut called) = unbounded_channel();
        Ok(held_task(async move {
            let tell_of = async {
                while let Some((client, text)) = called.recv().await {
                    let is_its = |service: String| async move {
                        let known = ProxyClient::find(Some(&service)).await.ok()??;
                        known.has(client).then(|| format!("`{service}`"))
                    };
                    // A name that nobody has is long in being looked up: the first that fits is enough.
                    let names: FuturesUnordered<_> = self.clients.iter().cloned().map(is_its).collect();
                    let named = names.filter_map(std::future::ready).next().await;
                    let name = named.unwrap_or_else(|| client.to_string());
                    tell(Told::Note { text: format!("{name} called {text}") });
                }
            };
            tokio::join!(serve(listener, proxies, calls), tell_of);
        }))
    }
}
