//! Names to addresses, through the system's resolver.

use super::Failure;
use crate::locked;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

type Lookup = Shared<BoxFuture<'static, Result<Arc<[SocketAddr]>, Failure>>>;

/// Looks one name up, again for every new connection. Callers that come while a lookup is under way share it: the
/// system's resolver blocks a thread for each, and a resolver that hangs would use up all of them.
#[derive(Debug)]
pub(super) struct Resolver {
    host: String,
    port: u16,
    under_way: Mutex<Option<Lookup>>,
}

impl Resolver {
    pub(super) fn new(host: String, port: u16) -> Resolver {
        Resolver { host, port, under_way: Mutex::new(None) }
    }

    /// The addresses of the name, sorted. Where there are any of IPv4, only those: many a service listens on IPv4
    /// alone, and clients that try one family after the other would hide a refusal that we must count.
    pub(super) async fn resolve(&self) -> Result<Arc<[SocketAddr]>, Failure> {
        let lookup = {
            let mut under_way = locked(&self.under_way);
            match &*under_way {
                Some(lookup) if lookup.peek().is_none() => lookup.clone(),
                _ => {
                    let lookup = look_up(self.host.clone(), self.port).boxed().shared();
                    // On a task of its own it ends, and is seen to have ended, also when all callers gave up.
                    tokio::spawn(lookup.clone());
                    under_way.insert(lookup).clone()
                }
            }
        };
        lookup.await
    }
}

async fn look_up(host: String, port: u16) -> Result<Arc<[SocketAddr]>, Failure> {
    let found = tokio::net::lookup_host((host.as_str(), port)).await.map_err(|_| Failure::Dns)?;
    let mut found: Vec<SocketAddr> = found.collect();
    if found.iter().any(SocketAddr::is_ipv4) {
        found.retain(SocketAddr::is_ipv4);
    }
    found.sort_unstable();
    found.dedup();
    if found.is_empty() { Err(Failure::Dns) } else { Ok(found.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_are_their_own_names() {
        let found = Resolver::new("127.0.0.1".into(), 81).resolve().await.unwrap();
        assert_eq!(&*found, ["127.0.0.1:81".parse().unwrap()]);
        let found = Resolver::new("::1".into(), 81).resolve().await.unwrap();
        assert_eq!(&*found, ["[::1]:81".parse().unwrap()]);
    }

    #[tokio::test]
    async fn names_that_do_not_exist_are_dns_failures() {
        assert_eq!(Resolver::new("no-such-name.invalid".into(), 81).resolve().await, Err(Failure::Dns));
    }
}
