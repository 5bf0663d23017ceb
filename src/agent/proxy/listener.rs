//! Listens in front of a service and decides for each connection how it is passed on: on a port that carries HTTP the first bytes say
//! whether it is HTTP/1, which is parsed, or anything else (HTTP/2 with prior knowledge, TLS), which is passed on as it is.

use super::http::{self, ClientStream, ProxySocket, StreamEnd, reset};
use super::link::{ToxicLink, Traffic, links, pass};
use super::rule_list::{ActiveRule, RuleHandle, RuleList};
use super::rules::HttpRule;
use super::stages::ConnectionCut;
use super::toxic::ToxicRule;
use bytes::BytesMut;
use futures_util::future::OptionFuture;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long accepting rests when the process has run out of file descriptors.
const OUT_OF_FILES: Duration = Duration::from_millis(50);

/// How many bytes are on their way between a connection and what serves it as HTTP.
const BETWEEN: usize = 64 * 1024;

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
    /// Port number, the same on both sides; the one that rules name.
    pub port: u16,
    /// Parsed as HTTP/1 from the start, so that rules can bite on connections that are already open.
    pub http: bool,
}

/// A running proxy. Cheap to clone; its listeners live as long as the agent.
#[derive(Clone)]
pub struct Proxy {
    pub(in crate::agent) rules: Arc<RuleList<HttpRule>>,
    pub(in crate::agent) toxics: Arc<RuleList<ToxicRule>>,
    pub(in crate::agent) http_ports: Arc<[u16]>,
    /// Of each port.
    pub(in crate::agent) traffic: Arc<BTreeMap<u16, [Arc<Traffic>; 2]>>,
}

/// Where the connections of one listener lead.
#[derive(Default)]
pub(in crate::agent) struct ProxyTarget {
    /// Host and port of the service; resolved again for every connection.
    pub(in crate::agent) upstream: (String, u16),
    /// The port that rules name.
    pub(in crate::agent) port: u16,
    /// Whether HTTP/1 is parsed on it; `None`: on connections that are opened while a rule is in force.
    pub(in crate::agent) http: Option<bool>,
    /// How a client's connection ends when there is none to the service.
    pub(in crate::agent) unreachable: ConnectionCut,
    pub(in crate::agent) rules: Arc<RuleList<HttpRule>>,
    pub(in crate::agent) toxics: Arc<RuleList<ToxicRule>>,
    pub(in crate::agent) traffic: [Arc<Traffic>; 2],
    /// How many connections came.
    pub(in crate::agent) connections: AtomicU64,
    /// Seed of what toxics draw for a connection.
    pub(in crate::agent) seed: u64,
}

impl ProxyTarget {
    /// A new connection to the service.
    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.upstream).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Passes connections on.
pub(in crate::agent) async fn accept(listener: TcpListener, target: Arc<ProxyTarget>) {
    let serve = |client, address: SocketAddr| {
        // Drawn in the order of accepting, so that the same seed draws the same.
        let number = target.connections.fetch_add(1, Ordering::Relaxed);
        pass_on(client, address.ip(), target.clone(), number)
    };
    match serve_each(listener, serve).await {}
}

impl Proxy {
    /// Binds every port (all of them are bound when it returns) and serves them in tasks of their own.
    pub async fn start(config: ProxyConfig) -> Result<Proxy, String> {
        let mut ports = Vec::with_capacity(config.ports.len());
        for port in config.ports {
            let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port.port));
            let listener = bind(any).await.map_err(|e| format!("listen on port {}: {e}", port.port))?;
            ports.push((listener, port));
        }
        Ok(Proxy::serve(&config.service, ports))
    }

    /// Serves listeners that are bound already, each in front of a port of this host, which is resolved again for every connection, as
    /// replicas come and go.
    pub fn serve(host: &str, ports: Vec<(TcpListener, ProxyPort)>) -> Proxy {
        let (rules, toxics) = (Arc::<RuleList<_>>::default(), Arc::<RuleList<_>>::default());
        let http_ports = ports.iter().filter(|(_, port)| port.http).map(|(_, port)| port.port).collect();
        let traffic: BTreeMap<u16, [Arc<Traffic>; 2]> =
            ports.iter().map(|(_, port)| (port.port, Default::default())).collect();
        for (listener, ProxyPort { port, http }) in ports {
            let target = ProxyTarget {
                upstream: (host.to_string(), port),
                port,
                http: Some(http),
                unreachable: ConnectionCut::Reset,
                rules: rules.clone(),
                toxics: toxics.clone(),
                traffic: traffic.get(&port).cloned().unwrap_or_default(),
                ..ProxyTarget::default()
            };
            tokio::spawn(accept(listener, Arc::new(target)));
        }
        Proxy { rules, toxics, http_ports, traffic: Arc::new(traffic) }
    }

    /// Puts a rule in; from now on new requests meet it, also on connections that are open already.
    pub async fn add_rule(&self, fault: &str, rule: HttpRule) -> Result<RuleHandle<HttpRule>, String> {
        match rule.port {
            Some(port) if !self.http_ports.contains(&port) => return Err(format!("HTTP is not parsed on port {port}")),
            None if self.http_ports.is_empty() => return Err("the proxy parses HTTP on none of its ports".into()),
            _ => {}
        }
        self.rules.add(ActiveRule::of_fault(fault, rule).await?)
    }

    /// Puts a toxic in; from now on connections meet it, also those that are open already.
    pub async fn add_toxic(&self, fault: &str, rule: ToxicRule) -> Result<RuleHandle<ToxicRule>, String> {
        if let Some(port) = rule.port.filter(|port| !self.traffic.contains_key(port)) {
            return Err(format!("the proxy does not listen on port {port}"));
        }
        self.toxics.add(ActiveRule::of_fault(fault, rule).await?)
    }
}

/// Listens on a port of this container's own addresses and passes every connection on to `host`, untouched.
///
/// # Errors
/// When the port is taken, or may not be listened on.
pub async fn forward(port: u16, host: &str, target: u16) -> io::Result<()> {
    let mut listeners = vec![TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?];
    // Many a container has no IPv6, and then nobody tries it.
    listeners.extend(TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await);
    let to_target = |listener| (listener, ProxyPort { port: target, http: false });
    Proxy::serve(host, listeners.into_iter().map(to_target).collect());
    Ok(())
}

/// Binds an address. `0.0.0.0` and `[::]` both are every address of IPv6 and of IPv4, as in Go.
pub(in crate::agent) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    if !address.ip().is_unspecified() {
        return TcpListener::bind(address).await;
    }
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, address.port())).await {
        // A machine may have no IPv6.
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    }
}

/// Serves each connection, all side by side, as long as it runs; they end with it.
pub(in crate::agent) async fn serve_each<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    serve: impl Fn(TcpStream, SocketAddr) -> F,
) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, address)) => drop(connections.spawn(serve(client, address))),
                // Errors of accept(2) are of one connection, or the process is out of file descriptors.
                Err(_) => tokio::time::sleep(OUT_OF_FILES).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves one client from its first byte to its last.
async fn pass_on(client: TcpStream, address: IpAddr, target: Arc<ProxyTarget>, number: u64) {
    // A connection that is gone already needs no options.
    let _ = client.set_nodelay(true);
    let (toxics, rules) = (target.toxics.now(), target.rules.now());
    let of_toxics = toxics.iter().filter_map(|toxic| toxic.from.as_ref());
    for from in of_toxics.chain(rules.iter().filter_map(|rule| rule.from.as_ref())) {
        // A client whose name leads nowhere now has the addresses that it had.
        let _ = from.refresh().await;
    }
    let links = match links(&target, address, number) {
        Ok(links) => links,
        Err(cut) => return end(cut, &client),
    };
    // The service is dialled at once, as the client meant to do: when it is away, the client learns it now. Only where a
    // rule may answer in its place is it not needed yet.
    let has_rules = !target.rules.now().is_empty();
    let http = target.http.unwrap_or(has_rules).then_some(number);
    let upstream = match target.connect().await {
        Ok(upstream) => Some(upstream),
        Err(_) if http.is_some() && target.rules.now().iter().any(|rule| rule.may_answer(address)) => None,
        Err(_) => return end(target.unreachable, &client),
    };
    converse(client, address, links, upstream, target, http).await;
}

/// Ends a connection as a toxic, or the other side, has ended it, if one has.
fn end(cut: impl Into<Option<ConnectionCut>>, stream: &TcpStream) {
    if cut.into() == Some(ConnectionCut::Reset) {
        reset(stream);
    }
}

/// Passes on what client and service say, through HTTP where that may be what they speak (`http` is then the number of the
/// connection).
async fn converse(
    mut client: TcpStream,
    address: IpAddr,
    mut links: [ToxicLink; 2],
    upstream: Option<TcpStream>,
    target: Arc<ProxyTarget>,
    http: Option<u64>,
) {
    let (mut seen, unreachable) = (BytesMut::new(), target.unreachable);
    let is_http = match http {
        Some(_) => {
            let [up, down] = &mut links;
            let mut byte = [0];
            let first = OptionFuture::from(upstream.as_ref().map(|service| service.peek(&mut byte)));
            tokio::select! {
                is_http = sniff(&mut client, &mut seen) => is_http,
                // A service that speaks or hangs up before its client does not speak HTTP/1 now.
                Some(_) = first => Ok(false),
                cut = async { tokio::select! { cut = up.cut() => cut, cut = down.cut() => cut } } => {
                    upstream.iter().for_each(|service| end(cut, service));
                    return end(cut, &client);
                }
            }
        }
        None => Ok(false),
    };
    let mut seen = seen.freeze();
    let untouched = matches!(is_http, Ok(true)) && links.iter().all(ToxicLink::is_idle);
    if !untouched && !seen.is_empty() {
        links[0].push(std::mem::take(&mut seen));
    }
    let cut = match (is_http, upstream) {
        (Ok(true), upstream) => {
            let (mut near, passed) = tokio::io::duplex(BETWEEN);
            let (ending, linked, hang_up) = (StreamEnd::default(), CancellationToken::new(), CancellationToken::new());
            if !untouched {
                linked.cancel();
            }
            links.iter_mut().for_each(|link| link.linked = Some(linked.clone()));
            links[1].ending = ending.clone();
            // Its end is said by the links alone.
            let client = ProxySocket::new(client, StreamEnd::default());
            let (socket, traffic, is_linked) =
                (client.clone(), target.traffic.clone(), Box::pin(linked.clone().cancelled_owned()));
            let (ends, hung_up) = (ending.clone(), Box::pin(hang_up.clone().cancelled_owned()));
            let stream = ClientStream { socket, seen, passed, traffic, ending: ends, linked, is_linked, hung_up };
            let passed = async {
                let cut = pass((client.clone(), client.clone()), &mut near, links).await;
                // Said before the service's connection ends, which is when serving it is dropped.
                if cut == Some(ConnectionCut::Reset) {
                    ending.reset();
                }
                cut
            };
            let cut = tokio::select! {
                cut = passed => cut,
                never = http::serve(stream, hang_up, upstream, target, address, http.unwrap_or(0)) => match never {},
            };
            if cut == Some(ConnectionCut::Reset) {
                client.reset();
            }
            return;
        }
        (Ok(false), Some(mut service)) => {
            let cut = pass(client.split(), &mut service, links).await;
            end(cut, &service);
            cut
        }
        (Ok(false), None) => Some(unreachable),
        (Err(_), upstream) => {
            upstream.iter().for_each(reset);
            Some(ConnectionCut::Reset)
        }
    };
    end(cut, &client);
}

/// The client's preface of HTTP/2, RFC 9113 section 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether the bytes so far are HTTP/1, or something else; `None` when more are needed.
fn judge(bytes: &[u8]) -> Option<bool> {
    let first = bytes.first()?;
    // A method is a token (RFC 9110 section 9.1), and servers tolerate empty lines before it (RFC 9112 section 2.2).
    let begins = first.is_ascii_alphabetic() || matches!(first, b'\r' | b'\n');
    let is_http = begins && !bytes.starts_with(PREFACE);
    (!is_http || !PREFACE.starts_with(bytes)).then_some(is_http)
}

/// Reads until it can be told whether the client speaks HTTP/1; the bytes read come back. A client that says nothing and ends
/// does not. Can be dropped and called again as long as `seen` is kept.
async fn sniff(client: &mut TcpStream, seen: &mut BytesMut) -> io::Result<bool> {
    loop {
        if let Some(is_http) = judge(seen) {
            return Ok(is_http);
        }
        if client.read_buf(seen).await? == 0 {
            return Ok(!seen.is_empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_that_begin_like_the_preface_are_http1() {
        assert_eq!(judge(b""), None);
        assert_eq!(judge(b"P"), None);
        assert_eq!(judge(b"PRI * HTTP/2.0\r\n"), None);
        assert_eq!(judge(PREFACE), Some(false));
        assert_eq!(judge(b"PO"), Some(true));
        assert_eq!(judge(b"PRIX / HTTP/1.1"), Some(true));
        assert_eq!(judge(b"get / HTTP/1.1"), Some(true));
        assert_eq!(judge(b"\r\nGET"), Some(true));
        assert_eq!(judge(b"\x16\x03\x01"), Some(false));
        let long = [PREFACE, b"more"].concat();
        assert_eq!(judge(&long), Some(false));
    }
}
