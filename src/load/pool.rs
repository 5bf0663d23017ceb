//! Connections of one load: bounded, kept alive, renewed; names to addresses, through the system's resolver; and TLS: the certificate authority
//! that a scenario names, and a client that trusts it and nobody else.
//!
//! Chain, name and dates are verified with every connection: sessions are never resumed, because a resumed one shows no
//! certificate (RFC 8446, section 2.2), and a load that asked for none would not notice that it has expired.

use super::Failure;
use crate::locked;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use http_body_util::Full;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error, RootCertStore};
use tokio_util::either::Either;
use tokio_util::task::AbortOnDropHandle;

/// Mean age at which a connection is not used again, so that load follows services that were recreated or scaled.
const MAX_AGE: Duration = Duration::from_secs(5);
/// Ages differ by up to this share either way, so that connections are not all renewed at once.
const JITTER: f64 = 0.2;
/// A connection that lay idle for longer is not used again: common servers close theirs after 2 s and more, and a
/// request that meets the closing would be a failure of our making.
const MAX_IDLE: Duration = Duration::from_secs(1);
/// So many connections are opened before the first is used again: one alone would send everything to one replica
/// behind an address that balances by connection.
const MIN_SPREAD: usize = 4;

/// The connections of one load.
pub(super) struct Pool {
    host: String,
    port: u16,
    /// The lookup of its name that was begun last.
    lookup: Mutex<Option<Lookup>>,
    tls: Option<Tls>,
    /// Whether a connection is used again.
    keep: bool,
    limit: usize,
    slots: Arc<Semaphore>,
    idle: Mutex<VecDeque<Conn>>,
    /// Held by every connection that exists, busy or idle.
    open: Arc<()>,
    /// Connections opened so far; also picks the address.
    opened: AtomicU64,
    /// What the name was when it was last looked up. Connections of other addresses are not used again: a service that was scaled out
    /// would otherwise have all of the load on its old containers until they are too old.
    known: Mutex<Arc<[SocketAddr]>>,
}

/// An open connection. Dropping it closes the socket at once, whatever is under way on it.
pub(super) struct Conn {
    pub(super) sender: SendRequest<Full<Bytes>>,
    /// Whether it has carried a request before.
    pub(super) reused: bool,
    /// What the name was when it was opened.
    addresses: Arc<[SocketAddr]>,
    use_until: Instant,
    idle_since: Instant,
    _driver: AbortOnDropHandle<hyper::Result<()>>,
    _open: Arc<()>,
}

impl Pool {
    /// A pool of at most `limit` connections (at least one) to `host:port`, over TLS or not; unless `keep`, each is used
    /// once.
    pub(super) fn new(host: String, port: u16, limit: usize, keep: bool, tls: Option<Tls>) -> Pool {
        let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
        let slots = Arc::new(Semaphore::new(limit));
        let (lookup, idle, open, opened, known) = Default::default();
        Pool { host, port, lookup, tls, keep, limit, slots, idle, open, opened, known }
    }

    /// Waits for the right to use one connection; first come, first served. It must be held until the connection was
    /// given back or dropped. `None` never happens while the pool exists, as its semaphore is not closed.
    pub(super) async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        self.slots.clone().acquire_owned().await.ok()
    }

    /// The connection that has been idle for longest, if one is fit for use and enough of them are open. Those that
    /// are not fit are closed on the way.
    pub(super) fn idle(&self) -> Option<Conn> {
        let known = locked(&self.known).clone();
        let spread = MIN_SPREAD.max(known.len()).min(self.limit);
        if Arc::strong_count(&self.open) - 1 < spread {
            return None;
        }
        let now = Instant::now();
        let mut idle = locked(&self.idle);
        while let Some(conn) = idle.pop_front() {
            let rested = now.saturating_duration_since(conn.idle_since);
            let is_open = conn.sender.is_ready() && !conn.sender.is_closed();
            if is_open && conn.addresses == known && now < conn.use_until && rested < MAX_IDLE {
                return Some(conn);
            }
        }
        None
    }

    /// Opens a new connection, to the next of the addresses that the name has now.
    pub(super) async fn connect(&self) -> Result<Conn, Failure> {
        let _open = self.open.clone();
        let addresses = self.resolve().await?;
        locked(&self.known).clone_from(&addresses);
        let ordinal = self.opened.fetch_add(1, Ordering::Relaxed);
        let turn = usize::try_from(ordinal).unwrap_or(0).checked_rem(addresses.len()).unwrap_or(0);
        let address = addresses.get(turn).ok_or(Failure::Dns)?;
        let stream = TcpStream::connect(address).await.map_err(|error| Failure::of_io(&error))?;
        // Without it a small request may wait 40 ms for an acknowledgement; refusing to set it changes nothing else.
        let _ = stream.set_nodelay(true);
        let stream = match &self.tls {
            Some(tls) => Either::Left(tls.handshake(stream).await?),
            None => Either::Right(stream),
        };
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| Failure::of_http(&error))?;
        // Its error also reaches the request that is under way, and there it is counted.
        let _driver = AbortOnDropHandle::new(tokio::spawn(connection));
        let idle_since = Instant::now();
        let use_until = idle_since + age(ordinal);
        Ok(Conn { sender, reused: false, addresses, use_until, idle_since, _driver, _open })
    }

    /// The addresses of its name, looked up again for every new connection. Callers that come while a lookup is under way share it: the
    /// system's resolver blocks a thread for each, and a resolver that hangs would use up all of them.
    fn resolve(&self) -> Lookup {
        let mut under_way = locked(&self.lookup);
        match &*under_way {
            Some(lookup) if lookup.peek().is_none() => lookup.clone(),
            _ => {
                let lookup = look_up(self.host.clone(), self.port).boxed().shared();
                // On a task of its own it ends, and is seen to have ended, also when all callers gave up.
                tokio::spawn(lookup.clone());
                under_way.insert(lookup).clone()
            }
        }
    }

    /// Takes a connection back whose answer was read to its end, once it is ready for the next request; closes it
    /// when it never gets ready, or is not to be used again.
    pub(super) async fn give_back(&self, mut conn: Conn) {
        if !self.keep || !matches!(tokio::time::timeout(MAX_IDLE, conn.sender.ready()).await, Ok(Ok(()))) {
            return;
        }
        conn.reused = true;
        conn.idle_since = Instant::now();
        locked(&self.idle).push_back(conn);
    }
}

/// How long the n-th connection is used: ages spread evenly over [`MAX_AGE`] ± [`JITTER`], by the multiples of the
/// golden ratio modulo 1 (a low-discrepancy sequence: any few in a row lie far apart).
fn age(ordinal: u64) -> Duration {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let unit = (ordinal as f64 * GOLDEN).fract();
    MAX_AGE.mul_f64(1.0 + JITTER * (2.0 * unit - 1.0))
}

type Lookup = Shared<BoxFuture<'static, Result<Arc<[SocketAddr]>, Failure>>>;

/// The addresses of a name, sorted. Where there are any of IPv4, only those: many a service listens on IPv4 alone, and clients that try one
/// family after the other would hide a refusal that we must count.
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

/// Where the certificate authority is that a load trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Ca {
    /// Here: one certificate or several, PEM.
    Pem {
        /// The text.
        pem: String,
    },
    /// In a container of the stack, which made it at its start: read when the load starts.
    Service {
        /// The service.
        service: String,
        /// The file in its container, PEM.
        path: String,
    },
}

/// Checks that a text holds certificates that can be trusted as an authority.
///
/// # Errors
/// In plain words, what is wrong with it.
pub fn check_ca(pem: &str) -> Result<(), String> {
    roots(pem).map(drop)
}

fn roots(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|_| "it is not PEM: a section in it is broken".to_string())?;
        roots.add(certificate).map_err(|error| format!("a certificate in it cannot be trusted: {error}"))?;
    }
    if roots.is_empty() {
        return Err("there is no certificate in it: it begins with `-----BEGIN CERTIFICATE-----`".into());
    }
    Ok(roots)
}

/// Makes the connections of one load to one host.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// A client that trusts the authorities in `pem` to vouch for `host`, a name or an address.
    pub(super) fn new(pem: &str, host: &str) -> Result<Tls, String> {
        let roots = roots(pem).map_err(|reason| format!("`tls.ca`: {reason}"))?;
        let name = ServerName::try_from(host.to_string())
            .map_err(|_| format!("`{host}` is no name for which there could be a certificate"))?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be set up: {error}"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Tls { config: Arc::new(config), name })
    }

    /// The handshake on an open connection.
    async fn handshake(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, Failure> {
        let connector = TlsConnector::from(self.config.clone());
        connector.connect(self.name.clone(), stream).await.map_err(|error| of_handshake(&error))
    }
}

/// What a handshake that failed means.
fn of_handshake(error: &io::Error) -> Failure {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return Failure::of_io(error);
    };
    let Error::InvalidCertificate(reason) = tls else { return Failure::Tls };
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Failure::TlsExpired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Failure::TlsNotYetValid,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Failure::TlsName,
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Failure::TlsUntrusted,
        _ => Failure::Tls,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_of_before_are_not_used_again_once_the_name_has_other_addresses() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        // One connection is enough to be used again.
        let pool = Pool::new("127.0.0.1".into(), at.port(), 1, true, None);
        let open = async || pool.give_back(pool.connect().await.unwrap()).await;
        open().await;
        *locked(&pool.known) = [at, "127.0.0.2:80".parse().unwrap()].into();
        assert!(pool.idle().is_none(), "it was opened when there was one address");
        open().await;
        assert!(pool.idle().is_some(), "what was opened since is used");
    }

    #[test]
    fn ages_lie_around_the_mean_and_apart() {
        let ages: Vec<Duration> = (0..100).map(age).collect();
        assert!(ages.iter().all(|a| (MAX_AGE.mul_f64(0.8)..=MAX_AGE.mul_f64(1.2)).contains(a)));
        let mean = ages.iter().sum::<Duration>() / 100;
        assert!(mean.abs_diff(MAX_AGE) < Duration::from_millis(50), "{mean:?}");
        for pair in ages.windows(2) {
            assert!(pair[0].abs_diff(pair[1]) > Duration::from_millis(500));
        }
    }
}

#[cfg(test)]
mod resolve_tests {
    use super::*;

    #[tokio::test]
    async fn addresses_are_their_own_names() {
        let found = look_up("127.0.0.1".into(), 81).await.unwrap();
        assert_eq!(&*found, ["127.0.0.1:81".parse().unwrap()]);
        let found = look_up("::1".into(), 81).await.unwrap();
        assert_eq!(&*found, ["[::1]:81".parse().unwrap()]);
    }

    #[tokio::test]
    async fn names_that_do_not_exist_are_dns_failures() {
        assert_eq!(look_up("no-such-name.invalid".into(), 81).await, Err(Failure::Dns));
    }
}
