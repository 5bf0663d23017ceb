//! The one client on whose connections a rule acts, known by its addresses.

use std::io;
use std::net::IpAddr;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

/// How long looking a client's addresses up may take.
const LOOKED_UP_WITHIN: Duration = Duration::from_secs(1);

/// A client's name, and its addresses as they were last.
pub(in crate::agent) struct ProxyClient {
    name: String,
    addresses: RwLock<Vec<IpAddr>>,
}

impl ProxyClient {
    /// The client of this name, if there is one; says why its addresses cannot be looked up.
    pub(in crate::agent) async fn find(name: Option<&str>) -> Result<Option<ProxyClient>, String> {
        let Some(name) = name else { return Ok(None) };
        let client = ProxyClient { name: name.into(), addresses: RwLock::default() };
        let looked_up = client.refresh().await;
        looked_up.map_err(|error| format!("the addresses of {} cannot be looked up: {error}", client.name))?;
        Ok(Some(client))
    }

    /// Looks up again which addresses it has.
    pub(in crate::agent) async fn refresh(&self) -> io::Result<()> {
        let lookup = tokio::net::lookup_host((self.name.as_str(), 0));
        let found = tokio::time::timeout(LOOKED_UP_WITHIN, lookup).await??;
        *self.addresses.write().unwrap_or_else(PoisonError::into_inner) = found.map(|found| found.ip()).collect();
        Ok(())
    }

    /// Whether a connection from this address is one of its own.
    pub(in crate::agent) fn has(&self, address: IpAddr) -> bool {
        self.addresses.read().unwrap_or_else(PoisonError::into_inner).contains(&address.to_canonical())
    }
}
