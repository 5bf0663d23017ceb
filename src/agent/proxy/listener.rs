//! Listens in front of a service and decides for each connection how it is passed on.

use super::config::ProxyConfig;
use super::delay::{ActiveDelay, ServiceStream, TcpDelay};
use super::http;
use super::rule_list::{RuleHandle, RuleList};
use super::rules::{ActiveRule, HttpRule};
use super::sniff::{Speech, sniff};
use super::splice::splice;
use super::stream::reset;
use bytes::{Bytes, BytesMut};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// How long accepting rests when the process has run out of file descriptors.
pub(in crate::agent) const OUT_OF_FILES: Duration = Duration::from_millis(50);

/// A listener and where its connections lead.
#[derive(Debug)]
pub struct ProxyRoute {
    /// Where clients come in.
    pub listener: TcpListener,
    /// Host of the service; resolved again for every connection, as replicas come and go.
    pub host: String,
    /// Port of the service, which is also the port that rules name.
    pub port: u16,
    /// Whether HTTP/1 is parsed on it.
    pub http: bool,
}

/// A running proxy. Cheap to clone; its listeners live as long as the agent.
#[derive(Debug, Clone)]
pub struct Proxy {
    rules: Arc<RuleList<ActiveRule>>,
    delays: Arc<RuleList<ActiveDelay>>,
    http_ports: Arc<[u16]>,
}

/// Where the connections of one listener lead.
#[derive(Debug)]
pub(super) struct ProxyTarget {
    host: String,
    pub(super) port: u16,
    http: bool,
    pub(super) rules: Arc<RuleList<ActiveRule>>,
    delays: Arc<RuleList<ActiveDelay>>,
}

impl ProxyTarget {
    /// A new connection to the service.
    pub(super) async fn connect(&self) -> io::Result<ServiceStream> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        Ok(ServiceStream::new(stream, self.port, self.delays.clone()))
    }
}

impl Proxy {
    /// Binds every port (all of them are bound when it returns) and serves them in tasks of their own.
    pub async fn start(config: ProxyConfig) -> Result<Proxy, String> {
        let mut routes = Vec::with_capacity(config.ports.len());
        for port in config.ports {
            let listener = bind(port.port).await.map_err(|e| format!("listen on port {}: {e}", port.port))?;
            routes.push(ProxyRoute { listener, host: config.service.clone(), port: port.port, http: port.http });
        }
        Ok(Proxy::serve(routes))
    }

    /// Serves listeners that are bound already.
    pub fn serve(routes: Vec<ProxyRoute>) -> Proxy {
        let (rules, delays) = (Arc::<RuleList<_>>::default(), Arc::<RuleList<_>>::default());
        let http_ports = routes.iter().filter(|route| route.http).map(|route| route.port).collect();
        for ProxyRoute { listener, host, port, http } in routes {
            let (rules, delays) = (rules.clone(), delays.clone());
            tokio::spawn(accept(listener, Arc::new(ProxyTarget { host, port, http, rules, delays })));
        }
        Proxy { rules, delays, http_ports }
    }

    /// Puts a rule in; from now on new requests meet it, also on connections that are open already.
    pub fn add_rule(&self, fault: &str, rule: HttpRule) -> Result<RuleHandle<ActiveRule>, String> {
        match rule.port {
            Some(port) if !self.http_ports.contains(&port) => {
                return Err(format!("the proxy does not parse HTTP on port {port}"));
            }
            None if self.http_ports.is_empty() => return Err("the proxy parses HTTP on none of its ports".into()),
            _ => {}
        }
        self.rules.add(fault, ActiveRule::new(rule)?)
    }

    /// Puts a delay in; from now on what the service sends arrives later.
    pub fn add_delay(&self, fault: &str, delay: TcpDelay) -> Result<RuleHandle<ActiveDelay>, String> {
        self.delays.add(fault, ActiveDelay::new(delay))
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
    let route = |listener| ProxyRoute { listener, host: host.to_string(), port: target, http: false };
    Proxy::serve(listeners.into_iter().map(route).collect());
    Ok(())
}

/// Binds a port on every address, IPv6 where the machine has it.
async fn bind(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).await {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).await
        }
        bound => bound,
    }
}

async fn accept(listener: TcpListener, target: Arc<ProxyTarget>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                tokio::spawn(pass_on(client, target.clone()));
            }
            // Errors of accept(2) are of one connection, or the process is out of file descriptors.
            Err(_) => tokio::time::sleep(OUT_OF_FILES).await,
        }
    }
}

/// Serves one client from its first byte to its last.
async fn pass_on(mut client: TcpStream, target: Arc<ProxyTarget>) {
    // A connection that is gone already needs no options.
    let _ = client.set_nodelay(true);
    // The service is dialled at once, as the client meant to do: when it is away, the client learns it now. Only where a
    // rule may answer in its place is it not needed yet.
    let upstream = match target.connect().await {
        Ok(upstream) => Some(upstream),
        Err(_) if target.http && target.rules.any() => None,
        Err(_) => return reset(&client),
    };
    let mut seen = BytesMut::new();
    if !target.http {
        return match upstream {
            Some(upstream) => splice(client, upstream, Bytes::new()).await,
            None => reset(&client),
        };
    }
    let mut first = [0];
    let speech = match &upstream {
        // A service that speaks or hangs up before its client does not speak HTTP/1 now.
        Some(service) => tokio::select! {
            speech = sniff(&mut client, &mut seen) => speech,
            _ = service.tcp().peek(&mut first) => Ok(Speech::Other),
        },
        None => sniff(&mut client, &mut seen).await,
    };
    match (speech, upstream) {
        (Ok(Speech::Http1), upstream) => http::serve(client, seen.freeze(), upstream, target).await,
        (Ok(Speech::Other), Some(upstream)) => splice(client, upstream, seen.freeze()).await,
        (Ok(Speech::Other), None) => reset(&client),
        (Err(_), upstream) => {
            reset(&client);
            if let Some(upstream) = upstream {
                reset(upstream.tcp());
            }
        }
    }
}
