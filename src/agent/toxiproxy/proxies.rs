//! The proxies of a server: each listens, and leads to a service through its toxics; and how clients of Toxiproxy write them down.

use super::super::proxy::{
    ActiveRule, HttpAction, HttpRule, Proxy, ProxyPort, ProxyRule, ProxyTarget, RuleList, Toxic, ToxicKind, ToxicRule,
    ToxicStream, Traffic, accept, bind, read_header, read_header_name, read_header_value, read_method, read_path,
    wait_as_toxiproxy,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// Why the proxies of a drill cannot be made, moved or removed.
const NOT_OURS: &str =
    "the proxies of a drill stand in front of its services: their toxics can be changed, and not they";

/// All proxies of a server, by name.
#[derive(Default)]
pub struct ToxicProxies {
    pub(super) proxies: BTreeMap<String, ToxicProxy>,
    seed: u64,
}

/// A proxy as the API shows it, with its toxics.
#[derive(Default)]
pub(super) struct ToxicProxy {
    name: String,
    listen: String,
    upstream: String,
    enabled: bool,
    /// What accepts its connections and holds them, while it is enabled and its own.
    accepts: Option<AbortOnDropHandle<()>>,
    /// The port of the proxy in front of a service of a drill, whose connections it changes.
    attached: Option<ProxyPort>,
    /// Those of the upstream direction first, and in the order in which they were put in.
    pub(super) toxics: Vec<ApiToxic>,
    /// What they do to connections, and about HTTP requests.
    active: (Arc<RuleList<ToxicRule>>, Arc<RuleList<HttpRule>>),
    traffic: [Arc<Traffic>; 2],
    seed: u64,
}

/// A proxy as a client sends it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct GivenProxy {
    name: String,
    listen: Option<String>,
    upstream: Option<String>,
    enabled: Option<bool>,
    toxics: Value,
}

impl GivenProxy {
    /// Reads a proxy that is to be made, with its toxics; `place` is said of what is missing.
    fn read(value: &Value, place: &str) -> Result<(GivenProxy, Vec<ApiToxic>), ApiRefusal> {
        let given: GivenProxy = read_fields(value)?;
        for (field, text) in [("name", &given.name), ("upstream", given.upstream.as_ref().unwrap_or(&String::new()))] {
            if text.is_empty() {
                return Err(ApiRefusal::new(400, format!("missing required field: {field}{place}")));
            }
        }
        let mut read: Vec<ApiToxic> = Vec::new();
        let wrong = || format!("toxics: an array was expected, not {}", given.toxics);
        for (at, value) in array(&given.toxics, wrong)?.iter().enumerate() {
            let toxic = ApiToxic::read(value, |name| read.iter().any(|other| other.toxic.name == name));
            read.push(toxic.map_err(|refusal| ApiRefusal {
                message: format!("{} (toxic {} of proxy {})", refusal.message, at + 1, given.name),
                ..refusal
            })?);
        }
        Ok((given, read))
    }
}

/// The elements of an array; null has none.
fn array(value: &Value, wrong: impl FnOnce() -> String) -> Result<&[Value], ApiRefusal> {
    match value {
        Value::Null => Ok(&[]),
        Value::Array(all) => Ok(all),
        _ => Err(ApiRefusal::body(wrong())),
    }
}

impl ToxicProxies {
    /// No proxies yet; toxics draw by this seed.
    pub fn new(seed: u64) -> ToxicProxies {
        wait_as_toxiproxy();
        ToxicProxies { proxies: BTreeMap::new(), seed }
    }

    /// The proxies in front of a service of a drill, one for each port. They do not list the drill's own faults.
    pub fn in_front_of(service: &str, proxy: &Proxy) -> ToxicProxies {
        let of_port = |(port, traffic): (&u16, &[Arc<Traffic>; 2])| {
            let name = if proxy.traffic.len() == 1 { service.to_string() } else { format!("{service}-{port}") };
            let attached = ProxyPort { port: *port, http: proxy.http_ports.contains(port) };
            let mut own = ToxicProxy::default();
            (own.name, own.listen, own.upstream) = (name.clone(), format!("[::]:{port}"), format!("{service}:{port}"));
            (own.enabled, own.attached) = (true, Some(attached));
            (own.active, own.traffic) = ((proxy.toxics.clone(), proxy.rules.clone()), traffic.clone());
            (name, own)
        };
        ToxicProxies { proxies: proxy.traffic.iter().map(of_port).collect(), seed: 0 }
    }

    /// Makes the proxies of a configuration, as `POST /populate` does.
    ///
    /// # Errors
    /// All mistakes of the text, each with its place: then none was made; or that a port cannot be listened on.
    pub async fn configure(&mut self, text: &str) -> Result<usize, Vec<String>> {
        let value = serde_json::from_str(text)
            .map_err(|error| vec![format!(":{}:{}: {error}", error.line(), error.column())])?;
        let told = |refusal: ApiRefusal| format!(": {}", refusal.message);
        let read = read_all(&value).map_err(|refusal| vec![told(refusal)])?;
        let mistakes: Vec<String> = read.into_iter().filter_map(Result::err).map(told).collect();
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let mut made = Vec::new();
        self.populate(&value, &mut made).await.map_err(|refusal| vec![told(refusal)])?;
        Ok(made.len())
    }

    pub(super) fn get(&mut self, name: &str) -> Result<&mut ToxicProxy, ApiRefusal> {
        self.proxies.get_mut(name).ok_or_else(|| ApiRefusal::new(404, "proxy not found"))
    }

    pub(super) async fn create(&mut self, value: &Value) -> Result<&mut ToxicProxy, ApiRefusal> {
        let (given, toxics) = GivenProxy::read(value, "")?;
        if self.proxies.contains_key(&given.name) {
            return Err(ApiRefusal::new(409, "proxy already exists"));
        }
        self.make(given, toxics).await
    }

    async fn make(&mut self, given: GivenProxy, wanted: Vec<ApiToxic>) -> Result<&mut ToxicProxy, ApiRefusal> {
        self.proxies.values().try_for_each(ToxicProxy::check_owner)?;
        let GivenProxy { name, listen, upstream, enabled: starts, .. } = given;
        let mut own = ToxicProxy::default();
        own.seed = name.bytes().fold(self.seed, |seed, byte| seed.rotate_left(8) ^ u64::from(byte));
        (own.name, own.listen, own.upstream) = (name, listen.unwrap_or_default(), upstream.unwrap_or_default());
        own.put(wanted)?;
        if starts.unwrap_or(true) {
            own.start().await?;
        }
        let name = own.name.clone();
        self.proxies.insert(name.clone(), own);
        self.get(&name)
    }

    /// Makes what is not there or differs, and adds what became of each; stops at the first that cannot be started.
    pub(super) async fn populate(&mut self, value: &Value, made: &mut Vec<Value>) -> Result<(), ApiRefusal> {
        for (given, toxics) in read_all(value)?.into_iter().collect::<Result<Vec<_>, _>>()? {
            let proxy = self.make_or_keep(given, toxics).await?.json();
            // What the same call has replaced is there no more.
            let replaced = |other: &&mut Value| other["name"] == proxy["name"] && other["listen"] != proxy["listen"];
            made.iter_mut().filter(replaced).for_each(|other: &mut Value| other["enabled"] = false.into());
            made.push(proxy);
        }
        Ok(())
    }

    async fn make_or_keep(&mut self, given: GivenProxy, toxics: Vec<ApiToxic>) -> Result<&mut ToxicProxy, ApiRefusal> {
        if let Some(existing) = self.proxies.get_mut(&given.name) {
            let [listen, upstream] = [&given.listen, &given.upstream].map(|text| text.as_deref().unwrap_or_default());
            if !existing.differs(listen, upstream).await? {
                // A client that sends a proxy as it made it sends no toxics: those that were put in since stay, as with Toxiproxy.
                if !toxics.is_empty() {
                    existing.put(toxics)?;
                }
                return self.get(&given.name);
            }
            existing.check_owner()?;
            existing.stop().await;
        }
        self.make(given, toxics).await
    }

    pub(super) async fn remove(&mut self, name: &str) -> Result<(), ApiRefusal> {
        self.get(name)?.check_owner()?;
        self.get(name)?.stop().await;
        self.proxies.remove(name);
        Ok(())
    }

    /// Enables every proxy and takes all toxics out.
    pub(super) async fn reset(&mut self) -> Result<(), ApiRefusal> {
        for proxy in self.proxies.values_mut() {
            proxy.start().await?;
            proxy.put(Vec::new())?;
        }
        Ok(())
    }
}

/// A proxy with its toxics, or why it cannot be one.
type ReadProxy = Result<(GivenProxy, Vec<ApiToxic>), ApiRefusal>;

/// Every proxy of an array.
fn read_all(value: &Value) -> Result<Vec<ReadProxy>, ApiRefusal> {
    let one = |(at, value)| GivenProxy::read(value, &format!(" at proxy {}", at + 1));
    Ok(array(value, || "an array of proxies was expected".into())?.iter().enumerate().map(one).collect())
}

impl ToxicProxy {
    pub(super) fn json(&self) -> Value {
        let toxics: Vec<Value> = self.toxics.iter().map(ApiToxic::json).collect();
        json!({
            "name": self.name,
            "listen": self.listen,
            "upstream": self.upstream,
            "enabled": self.enabled,
            "Logger": {},
            "toxics": toxics,
        })
    }

    /// Bytes sent or received in each direction, as samples of Prometheus' text format.
    pub(super) fn samples(&self, name: &str, sent: bool) -> String {
        let sample = |(direction, traffic): (ToxicStream, &Arc<Traffic>)| {
            let labels = [
                ("direction", direction.name()),
                ("listener", &self.listen),
                ("proxy", &self.name),
                ("upstream", &self.upstream),
            ];
            let labels = labels.map(|(name, value)| {
                format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
            });
            let bytes = if sent { &traffic.sent } else { &traffic.received };
            format!("{name}{{{}}} {}\n", labels.join(","), bytes.load(Ordering::Relaxed))
        };
        ToxicStream::ALL.into_iter().zip(&self.traffic).map(sample).collect()
    }

    fn position(&self, name: &str) -> Result<usize, ApiRefusal> {
        let found = self.toxics.iter().position(|toxic| toxic.toxic.name == name);
        found.ok_or_else(|| ApiRefusal::new(404, "toxic not found"))
    }

    pub(super) fn toxic(&self, name: &str) -> Result<&ApiToxic, ApiRefusal> {
        Ok(&self.toxics[self.position(name)?])
    }

    pub(super) fn add(&mut self, value: &Value) -> Result<&ApiToxic, ApiRefusal> {
        let toxic = ApiToxic::read(value, |name| self.position(name).is_ok())?;
        let name = toxic.toxic.name.clone();
        self.put(self.toxics.iter().cloned().chain([toxic]).collect())?;
        self.toxic(&name)
    }

    pub(super) fn update(&mut self, name: &str, value: &Value) -> Result<&ApiToxic, ApiRefusal> {
        let at = self.position(name)?;
        self.toxics[at] = self.toxics[at].updated(value)?;
        self.put(self.toxics.clone())?;
        self.toxic(name)
    }

    pub(super) fn take_out(&mut self, name: &str) -> Result<(), ApiRefusal> {
        self.toxics.remove(self.position(name)?);
        self.put(self.toxics.clone())
    }

    /// A proxy of a drill is the drill's: toxics come and go, it does not.
    fn check_owner(&self) -> Result<(), ApiRefusal> {
        self.attached.as_ref().map_or(Ok(()), |_| Err(ApiRefusal::new(403, NOT_OURS)))
    }

    /// These are its toxics from now on, on open connections as well. Nobody is waited for.
    fn put(&mut self, mut toxics: Vec<ApiToxic>) -> Result<(), ApiRefusal> {
        // No fault of a drill has a name that begins so.
        let (prefix, port) = match self.attached {
            Some(ProxyPort { port, http: false }) if toxics.iter().any(|toxic| toxic.http.is_some()) => {
                let message = format!("HTTP is not parsed on port {port}, which speaks another protocol");
                return Err(ApiRefusal::new(400, message));
            }
            Some(ProxyPort { port, .. }) => (format!("toxiproxy/{port}/"), Some(port)),
            None => (String::new(), None),
        };
        toxics.sort_by_key(|toxic| toxic.toxic.direction as u8);
        let of_bytes = toxics.iter().filter(|toxic| toxic.http.is_none()).map(|toxic| toxic.toxic.clone());
        // What is disabled closes its port; that of a drill, which is not closed, resets who comes. Others have names.
        let down = (self.attached.is_some() && !self.enabled)
            .then(|| Toxic::new(ToxicKind::Down, ToxicStream::Upstream, [0; 3]));
        // Nothing of a toxic is refused, and what is asked about HTTP was looked at when it was read.
        let named = |toxic: Toxic| {
            let id = format!("{prefix}{}", toxic.name);
            ActiveRule::new(&id, ToxicRule { port, from: None, toxic, seed: 0 }).ok()
        };
        self.active.0.set(&prefix, of_bytes.chain(down).filter_map(named).collect());
        let of_http = toxics.iter().filter_map(|toxic| toxic.active_rule(&prefix, port, self.seed)).collect();
        self.active.1.set(&prefix, of_http);
        self.toxics = toxics;
        Ok(())
    }

    async fn differs(&self, listen: &str, upstream: &str) -> Result<bool, ApiRefusal> {
        let new = resolved(listen).await.map_err(|why| ApiRefusal::new(500, why))?;
        let every = |address: &SocketAddr| address.ip().is_unspecified();
        let same = |own: SocketAddr| own == new || every(&own) && every(&new) && own.port() == new.port();
        Ok(!self.listen.parse().is_ok_and(same) || upstream != self.upstream)
    }

    /// Changes address, service and whether it is enabled, as far as they are given.
    pub(super) async fn change(&mut self, value: &Value) -> Result<(), ApiRefusal> {
        let GivenProxy { listen, upstream, enabled, .. } = read_fields(value)?;
        let listen = listen.unwrap_or_else(|| self.listen.clone());
        let upstream = upstream.unwrap_or_else(|| self.upstream.clone());
        let enabled = enabled.unwrap_or(self.enabled);
        if self.differs(&listen, &upstream).await? {
            self.check_owner()?;
            self.stop().await;
            (self.listen, self.upstream) = (listen, upstream);
        }
        if enabled {
            self.start().await?
        } else {
            self.stop().await
        }
        // What is disabled shows in what acts.
        self.put(self.toxics.clone())
    }

    async fn start(&mut self) -> Result<(), ApiRefusal> {
        if self.enabled || self.attached.is_some() {
            self.enabled = true;
            return Ok(());
        }
        let (listener, address) = listen(&self.listen).await.map_err(|why| ApiRefusal::new(500, why))?;
        self.listen = address.to_string();
        // One that cannot be read leads nowhere, which its clients learn. Without a host it is this machine.
        let (host, port) = host_and_port(&self.upstream).unwrap_or((self.upstream.as_str(), 0));
        let host = if host.is_empty() { "127.0.0.1" } else { host };
        let target = ProxyTarget {
            upstream: (host.to_string(), port),
            toxics: self.active.0.clone(),
            rules: self.active.1.clone(),
            traffic: self.traffic.clone(),
            seed: self.seed,
            ..ProxyTarget::default()
        };
        self.accepts = Some(AbortOnDropHandle::new(tokio::spawn(accept(listener, Arc::new(target)))));
        self.enabled = true;
        Ok(())
    }

    /// Closes its port and its connections.
    async fn stop(&mut self) {
        self.enabled = false;
        if let Some(accepts) = self.accepts.take() {
            accepts.abort();
            // It ends by being cancelled; then its port is free.
            let _ = accepts.await;
        }
    }
}

impl Drop for ToxicProxy {
    /// In a drill the proxy stays, and what clients put into it goes.
    fn drop(&mut self) {
        self.enabled = true;
        // Nothing is refused.
        let _ = self.put(Vec::new());
    }
}

/// Listens on `host:port`, and says on which address that is.
///
/// # Errors
/// Why that cannot be, as the server in Go says it.
pub async fn listen(listen: &str) -> Result<(TcpListener, SocketAddr), String> {
    let address = resolved(listen).await.map_err(|why| format!("listen tcp: {why}"))?;
    let named = if listen.starts_with(':') { format!(":{}", address.port()) } else { address.to_string() };
    let refused = |error: io::Error| {
        let why = error.to_string();
        let why = why.split(" (os error").next().unwrap_or_default().to_lowercase();
        format!("listen tcp {named}: bind: {why}")
    };
    let listener = bind(address).await.map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    Ok((listener, bound))
}

/// Where to listen: `host:port`; without a host on every address, without anything on any port.
async fn resolved(listen: &str) -> Result<SocketAddr, String> {
    let (host, port) = if listen.is_empty() { ("", 0) } else { host_and_port(listen)? };
    if host.is_empty() {
        return Ok(SocketAddr::new(IpAddr::from(Ipv6Addr::UNSPECIFIED), port));
    }
    let unknown = || format!("lookup {host}: no such host");
    // The system would take `127.1` and `0` for addresses.
    if host.parse::<IpAddr>().is_err() && host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(unknown());
    }
    let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await.map_err(|_| unknown())?.collect();
    let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
    let mut first = *first.ok_or_else(unknown)?;
    first.set_ip(first.ip().to_canonical());
    Ok(first)
}

/// The host and the port of an address. A host with colons stands in brackets; without a port it is any.
fn host_and_port(address: &str) -> Result<(&str, u16), String> {
    let wrong = |why: &str| format!("address {address}: {why}");
    let missing = || wrong("missing port in address");
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) if address.contains(':') => {
            let (host, rest) = rest.split_once(']').ok_or_else(|| wrong("missing ']' in address"))?;
            (host, rest.strip_prefix(':').ok_or_else(missing)?)
        }
        _ => address.rsplit_once(':').ok_or_else(missing)?,
    };
    if port.contains(':') || !address.starts_with('[') && host.contains(':') {
        return Err(wrong("too many colons in address"));
    }
    let invalid = |_| format!("address {port}: invalid port");
    Ok((host, if port.is_empty() { 0 } else { port.parse::<u16>().map_err(invalid)? }))
}

/// A toxic of HTTP with the names of its attributes.
type HttpToxicKind = (&'static str, &'static [&'static str]);

/// All of them.
static HTTP_TOXICS: [HttpToxicKind; 4] = [
    ("http_status", &["status", "body", "retry_after"]),
    ("http_delay", &["delay", "jitter"]),
    ("http_body", &["replace", "cut", "reset", "rate"]),
    ("http_header", &["set", "remove"]),
];
/// The attributes that all of them have: on which requests they act.
const OF_REQUESTS: [&str; 6] = ["method", "path", "header", "first", "every", "per"];

/// Why a call is refused: the HTTP status, and the message that stands under `error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiRefusal {
    pub(super) status: u16,
    pub(super) message: String,
}

impl ApiRefusal {
    pub(super) fn new(status: u16, message: impl Into<String>) -> ApiRefusal {
        ApiRefusal { status, message: message.into() }
    }

    /// A body that cannot be read.
    pub(super) fn body(why: impl std::fmt::Display) -> ApiRefusal {
        ApiRefusal::new(400, format!("bad request body: {why}"))
    }
}

/// A toxic of a proxy: of connections, or of HTTP requests.
#[derive(Debug, Clone)]
pub(super) struct ApiToxic {
    /// Where it is one of HTTP, its name, stream and toxicity alone count.
    toxic: Toxic,
    http: Option<HttpToxic>,
}

/// What a toxic does about HTTP requests.
#[derive(Debug, Clone)]
struct HttpToxic {
    kind: &'static HttpToxicKind,
    /// As they were given.
    attributes: Map<String, Value>,
    rule: HttpRule,
}

impl ApiToxic {
    /// Reads a toxic, as it is sent to `POST /proxies/{proxy}/toxics`. Mistakes are told in Toxiproxy's order.
    fn read(value: &Value, is_taken: impl Fn(&str) -> bool) -> Result<ApiToxic, ApiRefusal> {
        let (toxicity, attributes) = read_change(value)?;
        let GivenToxic { name, r#type: kind, stream, direction } = read_fields(value)?;
        let stream = stream.or(direction).unwrap_or_else(|| "downstream".into());
        let direction = ToxicStream::ALL.into_iter().find(|known| stream.eq_ignore_ascii_case(known.name()));
        let direction = direction
            .ok_or_else(|| ApiRefusal::new(400, "stream was invalid, can be either upstream or downstream"))?;
        let of_http = HTTP_TOXICS.iter().find(|(name, _)| *name == kind);
        let name = if name.is_empty() { format!("{kind}_{stream}") } else { name };
        let kind = ToxicKind::from_name(&kind).or(of_http.map(|_| ToxicKind::Noop));
        let kind = kind.ok_or_else(|| ApiRefusal::new(400, "invalid toxic type"))?;
        if is_taken(&name) {
            return Err(ApiRefusal::new(409, "toxic already exists"));
        }
        let toxic = Toxic { name, kind, direction, stream, toxicity: toxicity.unwrap_or(1.0), attributes: [0; 3] };
        match of_http {
            Some(kind) => ApiToxic::of_http(toxic, kind, Map::new(), &attributes),
            None => ApiToxic { toxic, http: None }.merged(&attributes),
        }
    }

    fn of_http(
        toxic: Toxic,
        kind: &'static HttpToxicKind,
        mut attributes: Map<String, Value>,
        given: &Map<String, Value>,
    ) -> Result<ApiToxic, ApiRefusal> {
        for (name, value) in given {
            let known = kind.1.iter().chain(&OF_REQUESTS).find(|known| *known == name);
            let known = known.ok_or_else(|| ApiRefusal::body(format!("{} has no attribute {name:?}", kind.0)))?;
            match value {
                Value::Null => drop(attributes.remove(*known)),
                value => drop(attributes.insert(known.to_string(), value.clone())),
            }
        }
        let rule = http_rule(kind.0, &attributes, toxic.toxicity)?;
        Ok(ApiToxic { toxic, http: Some(HttpToxic { kind, attributes, rule }) })
    }

    /// The toxic with the attributes and the toxicity that are given, as sent to `PATCH /proxies/{proxy}/toxics/{toxic}`.
    fn updated(&self, value: &Value) -> Result<ApiToxic, ApiRefusal> {
        let (toxicity, attributes) = read_change(value)?;
        let mut updated = self.clone();
        updated.toxic.toxicity = toxicity.unwrap_or(self.toxic.toxicity);
        updated.merged(&attributes)
    }

    fn merged(mut self, given: &Map<String, Value>) -> Result<ApiToxic, ApiRefusal> {
        if let Some(HttpToxic { kind, attributes, .. }) = self.http {
            return ApiToxic::of_http(self.toxic, kind, attributes, given);
        }
        let names = self.toxic.kind.attributes();
        for (name, kept) in names.iter().zip(&mut self.toxic.attributes) {
            if let Some(value) = given.get(*name).filter(|value| !value.is_null()) {
                let whole = || ApiRefusal::body(format!("attributes.{name} must be a whole number, not {value}"));
                *kept = value.as_i64().ok_or_else(whole)?;
            }
        }
        Ok(self)
    }

    /// What it does about HTTP requests to this port, in a proxy of this seed.
    fn active_rule(&self, prefix: &str, port: Option<u16>, seed: u64) -> Option<ActiveRule<HttpRule>> {
        let rule = self.http.as_ref()?.rule.clone();
        let seed = self.toxic.name.bytes().fold(seed, |seed, byte| seed.rotate_left(8) ^ u64::from(byte));
        ActiveRule::new(&format!("{prefix}{}", self.toxic.name), HttpRule { seed, port, ..rule }).ok()
    }

    /// The toxic as clients read it.
    pub(super) fn json(&self) -> Value {
        let names = self.toxic.kind.attributes();
        let numbers = || names.iter().zip(self.toxic.attributes).map(|(name, value)| (name.to_string(), value.into()));
        let (kind, attributes) = match &self.http {
            Some(http) => (http.kind.0, http.attributes.clone()),
            None => (self.toxic.kind.name(), numbers().collect()),
        };
        json!({
            "attributes": attributes,
            "name": self.toxic.name,
            "type": kind,
            "stream": self.toxic.stream,
            "toxicity": short(self.toxic.toxicity),
        })
    }
}

/// What a toxic is, as clients send it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct GivenToxic {
    name: String,
    r#type: String,
    stream: Option<String>,
    /// Another spelling of `stream`.
    direction: Option<String>,
}

/// What can be changed of a toxic, as clients send it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct GivenChange {
    toxicity: Option<f32>,
    attributes: Value,
}

/// The toxicity and the attributes that are given; nothing else is looked at.
fn read_change(value: &Value) -> Result<(Option<f32>, Map<String, Value>), ApiRefusal> {
    let GivenChange { toxicity, attributes } = read_fields(value)?;
    if toxicity.is_some_and(f32::is_infinite) {
        return Err(ApiRefusal::body("toxicity: a smaller number was expected"));
    }
    Ok((toxicity, attributes_of(&attributes)?))
}

/// Reads an attribute, if it is given.
fn attribute<T: DeserializeOwned>(given: &Map<String, Value>, name: &str) -> Result<Option<T>, ApiRefusal> {
    let value = given.get(name).map(T::deserialize).transpose();
    value.map_err(|error| ApiRefusal::body(format!("{name}: {error}")))
}

/// What a toxic of HTTP with these attributes does, and about which requests.
fn http_rule(kind: &str, given: &Map<String, Value>, toxicity: f32) -> Result<HttpRule, ApiRefusal> {
    let refused = |why: String| ApiRefusal::body(format!("{kind}: {why}"));
    let missing = |names: &str| ApiRefusal::new(400, format!("missing required field: attributes.{names}"));
    let text = |name: &str| attribute::<String>(given, name);
    let number = |name: &str| attribute::<u64>(given, name);
    let read = |name: &str, read: fn(&str) -> Result<String, String>| {
        text(name)?.map(|text| read(&text).map_err(refused)).transpose()
    };
    let per_connection = match text("per")?.as_deref() {
        None | Some("request") => false,
        Some("connection") => true,
        Some(other) => return Err(refused(format!("{other:?} is not `request` or `connection`"))),
    };
    let reset = attribute(given, "reset")?.unwrap_or_default();
    let action = match kind {
        "http_status" => HttpAction::Status {
            status: number("status")?.ok_or_else(|| missing("status"))?.try_into().unwrap_or(u16::MAX),
            body: text("body")?,
            retry_after: number("retry_after")?,
        },
        "http_delay" => HttpAction::Delay {
            delay: Duration::from_millis(number("delay")?.ok_or_else(|| missing("delay"))?),
            jitter: Duration::from_millis(number("jitter")?.unwrap_or_default()),
        },
        "http_body" => match (text("replace")?, number("cut")?, number("rate")?) {
            (Some(body), None, None) => HttpAction::ReplaceBody { body },
            (None, Some(after), None) => HttpAction::CutBody { after, reset },
            (None, None, Some(rate)) => HttpAction::SlowBody { rate },
            (None, None, None) => return Err(missing("replace, cut or rate")),
            _ => return Err(refused("a body is replaced, cut short or slow, and not two of these".into())),
        },
        _ => {
            let set: BTreeMap<String, String> = attribute(given, "set")?.unwrap_or_default();
            let remove: Vec<String> = attribute(given, "remove")?.unwrap_or_default();
            if set.is_empty() && remove.is_empty() {
                return Err(missing("set or remove"));
            }
            let header = |(name, value): (String, String)| Ok((read_header_name(&name)?, read_header_value(&value)?));
            let set = set.into_iter().map(header).collect::<Result<_, String>>().map_err(refused)?;
            let remove = remove.iter().map(|name| read_header_name(name)).collect::<Result<_, _>>();
            HttpAction::Headers { set, remove: remove.map_err(refused)? }
        }
    };
    let (method, path) = (read("method", read_method)?, read("path", read_path)?);
    let header = text("header")?.map(|text| read_header(&text).map_err(refused)).transpose()?;
    let (first, every) = (number("first")?, number("every")?);
    let (port, from, share, seed) = (None, None, f64::from(toxicity.clamp(0.0, 1.0)), 0);
    let rule = HttpRule { port, from, method, path, header, share, per_connection, first, every, action, seed };
    rule.check().map_err(refused)?;
    Ok(rule)
}

/// A number without the digits that only `f64` has, and whole where it is whole.
fn short(number: f32) -> Value {
    match number.to_string().parse::<f64>() {
        Ok(number) if number.fract() == 0.0 && number.abs() < 1e15 => Value::from(number as i64),
        Ok(number) => Value::from(number),
        Err(_) => Value::Null,
    }
}

/// Reads a JSON object as the server in Go does: names of fields count in any case, and null is as good as nothing.
fn read_fields<T: DeserializeOwned>(value: &Value) -> Result<T, ApiRefusal> {
    let mut fields = attributes_of(value)?;
    fields.retain(|_, value| !value.is_null());
    serde_json::from_value(Value::Object(fields.clone())).map_err(|error| {
        let is_wrong =
            |(name, value): &(&String, &Value)| serde_json::from_value::<T>(json!({ *name: value })).is_err();
        let wrong = fields.iter().find(is_wrong).map_or(String::new(), |(name, _)| format!("{name}: "));
        ApiRefusal::body(format!("{wrong}{error}"))
    })
}

/// The fields of a JSON object with their names in small letters; of null none.
fn attributes_of(value: &Value) -> Result<Map<String, Value>, ApiRefusal> {
    match value {
        Value::Object(map) => Ok(map.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect()),
        Value::Null => Ok(Map::new()),
        other => Err(ApiRefusal::body(format!("an object was expected, not {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart_as_in_go() {
        let cases = [
            ("localhost:80", Ok(("localhost", 80))),
            (":6379", Ok(("", 6379))),
            ("[::1]:", Ok(("::1", 0))),
            ("local373", Err("address local373: missing port in address")),
            ("[::1]", Err("address [::1]: missing port in address")),
            ("[::1:80", Err("address [::1:80: missing ']' in address")),
            ("[::1]80", Err("address [::1]80: missing port in address")),
            ("[::1]:8:0", Err("address [::1]:8:0: too many colons in address")),
            ("::1:80", Err("address ::1:80: too many colons in address")),
            ("a:65536", Err("address 65536: invalid port")),
            ("a:99999999999999999999", Err("address 99999999999999999999: invalid port")),
            ("a:-1", Err("address -1: invalid port")),
            ("a:http", Err("address http: invalid port")),
        ];
        for (address, read) in cases {
            assert_eq!(host_and_port(address), read.map_err(str::to_string), "{address}");
        }
    }

    #[tokio::test]
    async fn hosts_are_addresses_as_in_go() {
        for host in ["0", "127.1", "127.0.0.01", "256.0.0.1"] {
            assert_eq!(resolved(&format!("{host}:1")).await, Err(format!("lookup {host}: no such host")));
        }
        assert_eq!(resolved("[::ffff:127.0.0.1]:1").await, Ok(SocketAddr::from(([127, 0, 0, 1], 1))));
    }
}
