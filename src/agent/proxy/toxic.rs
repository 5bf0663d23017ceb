//! Toxics: what may be done to the bytes of one direction of a connection, or to the connection itself, and what each has
//! done so far. The names are those of Toxiproxy.

use super::rule_list::{ActiveRule, ProxyRule, RuleCounts};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

named_enum! {
/// Which way bytes go.
pub enum ToxicStream {
    /// From the client to the service.
    Upstream = "upstream",
    /// From the service to the client.
    Downstream = "downstream",
}
}

named_enum! {
/// What a toxic does. All but the last three are Toxiproxy's.
pub enum ToxicKind {
    /// Bytes arrive `latency` ms later, give or take up to `jitter` ms.
    Latency = "latency",
    /// At most `rate` KB a second; 0 passes nothing on.
    Bandwidth = "bandwidth",
    /// The end of what is sent arrives `delay` ms later.
    SlowClose = "slow_close",
    /// Nothing is passed on, and the connection is closed after `timeout` ms; 0 never closes it.
    Timeout = "timeout",
    /// The connection is reset `timeout` ms after something was sent.
    ResetPeer = "reset_peer",
    /// Bytes are cut into pieces of `average_size`, up to `size_variation` more or less, `delay` µs apart.
    Slicer = "slicer",
    /// The connection is closed after `bytes` bytes.
    LimitData = "limit_data",
    /// Nothing.
    Noop = "noop",
    /// Open connections are reset, and so are new ones.
    Down = "down",
    /// New connections are reset; open ones stay.
    Refuse = "refuse",
    /// New connections are reset while `connections` of them are open.
    LimitConnections = "limit_connections",
}
}

impl ToxicKind {
    /// The names of its attributes, in the order in which they are kept and written.
    pub fn attributes(self) -> &'static [&'static str] {
        match self {
            ToxicKind::Latency => &["latency", "jitter"],
            ToxicKind::Bandwidth => &["rate"],
            ToxicKind::SlowClose => &["delay"],
            ToxicKind::Timeout | ToxicKind::ResetPeer => &["timeout"],
            ToxicKind::Slicer => &["average_size", "size_variation", "delay"],
            ToxicKind::LimitData => &["bytes"],
            ToxicKind::LimitConnections => &["connections"],
            ToxicKind::Noop | ToxicKind::Down | ToxicKind::Refuse => &[],
        }
    }
}

/// A toxic of one direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Toxic {
    /// Its name, unique in its proxy.
    pub name: String,
    /// What it does.
    pub kind: ToxicKind,
    /// On what is sent in which direction.
    pub direction: ToxicStream,
    /// The direction as it was written.
    pub stream: String,
    /// The share of connections on which it acts, in 0..=1.
    pub toxicity: f32,
    /// The attributes of its kind, in the order of [`ToxicKind::attributes`]; what is not used is 0.
    pub attributes: [i64; 3],
}

impl Toxic {
    /// On all connections, and without a name of its own.
    pub fn new(kind: ToxicKind, direction: ToxicStream, attributes: [i64; 3]) -> Toxic {
        let (name, stream) = (String::new(), direction.name().to_string());
        Toxic { name, kind, direction, stream, toxicity: 1.0, attributes }
    }

    /// Whether its one number can grow: a latency, or a bandwidth that is left.
    pub fn grows(&self) -> bool {
        self.kind == ToxicKind::Latency || self.kind == ToxicKind::Bandwidth && self.attributes[0] > 0
    }

    /// This toxic at a share of its strength, above 0: with so much less latency, or so much more bandwidth.
    pub fn at(&self, strength: f64) -> Toxic {
        let [first, second, third] = self.attributes;
        // Numbers are 86 billion at most.
        let times = |number: i64, factor: f64| (number as f64 * factor).round() as i64;
        let attributes = match self.kind {
            ToxicKind::Latency => [times(first, strength), times(second, strength), third],
            ToxicKind::Bandwidth => [times(first, 1.0 / strength), second, third],
            _ => self.attributes,
        };
        Toxic { attributes, ..self.clone() }
    }
}

/// A toxic in front of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToxicRule {
    /// Port of the service; `None` means every port of the proxy.
    pub port: Option<u16>,
    /// Only connections of this client, by the name under which the agent finds its addresses.
    pub from: Option<String>,
    /// The toxic; its name says nothing here.
    pub toxic: Toxic,
    /// Seed of what it draws.
    pub seed: u64,
}

/// A toxic in force.
pub type ActiveToxic = ActiveRule<ToxicRule>;

impl ActiveToxic {
    /// Whether it is meant for what is sent in this direction of a connection to this port.
    pub(super) fn is_for(&self, direction: ToxicStream, port: u16, client: IpAddr) -> bool {
        self.rule.toxic.direction == direction
            && self.rule.port.is_none_or(|wanted| wanted == port)
            && self.is_from(client)
    }

    /// It has acted on so many bytes of a connection, and on one connection more if that is the first time.
    pub(super) fn note(&self, bytes: usize, first: bool) {
        self.counts.acted.fetch_add(u64::from(first), Ordering::Relaxed);
        self.counts.seen.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts a connection as open until it is dropped.
    pub(super) fn opened(&self) -> OpenConnection {
        OpenConnection { before: self.counts.open.fetch_add(1, Ordering::AcqRel), counts: self.counts.clone() }
    }
}

impl ProxyRule for ToxicRule {
    fn from(&self) -> Option<&str> {
        self.from.as_deref()
    }

    fn counted(&self, counts: &RuleCounts) -> String {
        let [connections, bytes] = [&counts.acted, &counts.seen].map(|count| count.load(Ordering::Relaxed));
        format!("it acted on {connections} connections, {bytes} bytes")
    }
}

/// A connection that counts as open.
pub(super) struct OpenConnection {
    /// How many were open before.
    pub(super) before: u64,
    counts: Arc<RuleCounts>,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.counts.open.fetch_sub(1, Ordering::AcqRel);
    }
}
