//! The HTTP API: calls, answers and errors as Toxiproxy's; and the API in a drill, at the agent in front of a service, for clients inside the
//! stack's network.

use super::super::ability::{Ability, AgentContext, HeldResult, Tell, held_task};
use super::super::http_page::serve_http;
use super::super::protocol::Told;
use super::super::proxy::{ProxyClient, bind};
use super::proxies::{ApiRefusal, ApiToxic, ToxicProxies};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN, USER_AGENT, X_CONTENT_TYPE_OPTIONS};
use hyper::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// The version of Toxiproxy whose API this is: clients ask for it, and some switch on it.
const VERSION: &str = "{\"version\": \"2.12.0\"}\n";
/// How large the body of a call may be.
const BODY: usize = 1024 * 1024;
/// How many characters of a body are told.
const TOLD: usize = 300;
/// How long a connection may be open without a call, as Toxiproxy's own: clients keep them.
const IDLE: Duration = Duration::from_secs(60);
/// A name for each call, for logs of clients.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-toxiproxy-request-id");
static CALLS: AtomicU64 = AtomicU64::new(1);

/// Answers calls for ever, and tells of those that may change something: who called, what with which body, and the answer's
/// status. Clients' connections end with it.
pub async fn serve(
    listener: TcpListener,
    proxies: ToxicProxies,
    told: UnboundedSender<(IpAddr, String)>,
) -> Infallible {
    let proxies = Arc::new(Mutex::new(proxies));
    let answers = move |request, client: SocketAddr| {
        let (proxies, told) = (proxies.clone(), told.clone());
        async move {
            let tell = move |text| drop(told.send((client.ip().to_canonical(), text)));
            // To its end, whatever becomes of the client: half a change would leave a proxy switched off.
            let carried = tokio::spawn(async move { answer(request, client.ip(), &proxies, tell).await });
            let broken = |error| respond(500, TEXT, format!("{error}\n"));
            let mut answer = carried.await.unwrap_or_else(broken);
            answer.headers_mut().insert(REQUEST_ID, CALLS.fetch_add(1, Ordering::Relaxed).into());
            answer
        }
    };
    serve_http(listener, Some(IDLE), answers).await
}

type Answer = Response<Full<Bytes>>;

fn respond(status: u16, kind: Option<&'static str>, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(text.into()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(kind) = kind {
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    if kind == TEXT {
        answer.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    answer
}

/// What errors are, as JSON or not.
const TEXT: Option<&str> = Some("text/plain; charset=utf-8");
const NO_PAGE: &str = "404 page not found\n";

fn refused(refusal: &ApiRefusal) -> Answer {
    let text = json!({ "error": refusal.message, "status": refusal.status });
    respond(refusal.status, TEXT, format!("{text}\n"))
}

/// Whether a call from this machine names a host that is neither `localhost` nor an address: a page's own name that DNS has led here since.
fn may_be_rebound(host: &str, client: IpAddr) -> bool {
    let name = host.split(':').next().unwrap_or_default();
    let is_own = name.is_empty() || host.starts_with('[') || name.eq_ignore_ascii_case("localhost");
    client.to_canonical().is_loopback() && !is_own && name.parse::<IpAddr>().is_err()
}

async fn answer(
    request: Request<Incoming>,
    client: IpAddr,
    proxies: &Mutex<ToxicProxies>,
    tell: impl FnOnce(String),
) -> Answer {
    let (head, body) = request.into_parts();
    // A page in a browser must not reach it: browsers name themselves, and say where a page's call comes from.
    let said = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_of_page = head.headers.contains_key(ORIGIN) || head.headers.contains_key("sec-fetch-site");
    if said(USER_AGENT).starts_with("Mozilla/") || is_of_page {
        return respond(403, TEXT, "User agent not allowed\n");
    }
    if may_be_rebound(said(HOST), client) {
        return respond(403, TEXT, "Host not allowed: call it by `localhost` or an address\n");
    }
    let path = percent_decode_str(head.uri.path()).decode_utf8_lossy();
    let path: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let body = match Limited::new(body, BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return refused(&ApiRefusal::new(413, format!("the body is larger than {BODY} bytes")));
        }
        Err(error) => return refused(&ApiRefusal::body(error)),
    };
    let mut proxies = proxies.lock().await;
    let carried = carry_out(head.method.as_str(), &path, &body, &mut proxies).await;
    let answer = carried.unwrap_or_else(|refusal| refused(&refusal));
    if head.method != Method::GET {
        let body: String = String::from_utf8_lossy(&body).chars().take(TOLD).collect();
        let body = if body.is_empty() { body } else { format!(" {body}") };
        tell(format!("{} {}{body} → {}", head.method, head.uri.path(), answer.status().as_u16()));
    }
    answer
}

async fn carry_out(method: &str, path: &[&str], body: &[u8], proxies: &mut ToxicProxies) -> Result<Answer, ApiRefusal> {
    let json = |status, value: Value| Ok(respond(status, Some("application/json"), value.to_string()));
    let ok = |value| json(200, value);
    let done = |()| respond(204, None, "");
    match (path, method) {
        _ if path.contains(&"") => Ok(respond(404, TEXT, NO_PAGE)),
        (["reset"], "POST") => proxies.reset().await.map(done),
        (["populate"], "POST") => {
            let mut made = Vec::new();
            let populated = async { proxies.populate(&read(body)?, &mut made).await }.await;
            let made = if made.is_empty() { Value::Null } else { made.into() };
            match populated {
                Ok(()) => json(201, json!({ "proxies": made })),
                Err(ApiRefusal { status, message }) => {
                    json(status, json!({ "error": message, "status": status, "proxies": made }))
                }
            }
        }
        (["proxies"], "GET") => ok(proxies.proxies.iter().map(|(name, proxy)| (name.clone(), proxy.json())).collect()),
        (["proxies"], "POST") => json(201, proxies.create(&read(body)?).await?.json()),
        (["proxies", name], "GET") => ok(proxies.get(name)?.json()),
        (["proxies", name], "POST" | "PATCH") => {
            let proxy = proxies.get(name)?;
            proxy.change(&read(body)?).await?;
            ok(proxy.json())
        }
        (["proxies", name], "DELETE") => proxies.remove(name).await.map(done),
        (["proxies", proxy, "toxics"], "GET") => ok(proxies.get(proxy)?.toxics.iter().map(ApiToxic::json).collect()),
        (["proxies", proxy, "toxics"], "POST") => ok(proxies.get(proxy)?.add(&read(body)?)?.json()),
        (["proxies", proxy, "toxics", toxic], "GET") => ok(proxies.get(proxy)?.toxic(toxic)?.json()),
        (["proxies", proxy, "toxics", toxic], "POST" | "PATCH") => {
            let proxy = proxies.get(proxy)?;
            proxy.toxic(toxic)?;
            ok(proxy.update(toxic, &read(body)?)?.json())
        }
        (["proxies", proxy, "toxics", toxic], "DELETE") => proxies.get(proxy)?.take_out(toxic).map(done),
        (["version"], "GET") => Ok(respond(200, Some("application/json;charset=utf-8"), VERSION)),
        (["metrics"], _) => Ok(respond(200, Some("text/plain; version=0.0.4; charset=utf-8"), metrics(proxies))),
        (["reset" | "populate" | "proxies" | "version"], _)
        | (["proxies", _] | ["proxies", _, "toxics"] | ["proxies", _, "toxics", _], _) => Ok(respond(405, None, "")),
        _ => Ok(respond(404, TEXT, NO_PAGE)),
    }
}

/// The first JSON value of a body; what follows it does not count, as for the server in Go.
fn read(body: &[u8]) -> Result<Value, ApiRefusal> {
    Value::deserialize(&mut serde_json::Deserializer::from_slice(body)).map_err(ApiRefusal::body)
}

fn metrics(proxies: &ToxicProxies) -> String {
    let mut text = String::new();
    for (which, help) in [("received", "Bytes received from the sender."), ("sent", "Bytes passed on.")] {
        let name = format!("toxiproxy_proxy_{which}_bytes_total");
        text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} counter\n"));
        text.extend(proxies.proxies.values().map(|proxy| proxy.samples(&name, which == "sent")));
    }
    text
}

/// Asks an agent to serve Toxiproxy's API in front of a service of a drill.
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
            let what = format!("Toxiproxy's API cannot listen on port {port} in front of `{service}`: {error}");
            format!("{what}; leave a service that has this port itself out of `toxiproxy`")
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

#[cfg(test)]
mod tests {
    use super::super::super::proxy::{Proxy, ProxyPort, Toxic, ToxicKind, ToxicRule, ToxicStream};
    use super::*;

    async fn in_front_of_db() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Proxy::serve("db", vec![(listener, ProxyPort { port: 5432, http: false })])
    }

    fn acting(proxy: &Proxy) -> Vec<String> {
        proxy.toxics.now().iter().map(|active| active.id.clone()).collect()
    }

    async fn call(proxies: &mut ToxicProxies, method: &str, path: &str, body: Value) -> u16 {
        let path: Vec<&str> = path.split('/').collect();
        let answer = carry_out(method, &path, body.to_string().as_bytes(), proxies).await;
        answer.map_or_else(|refusal| refusal.status, |answer| answer.status().as_u16())
    }

    #[test]
    fn a_name_that_dns_has_led_to_this_machine_is_refused() {
        let is_refused = |host, client: &str| may_be_rebound(host, client.parse().expect("an address"));
        for client in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(is_refused("evil.example:8474", client) && is_refused("evil.example", client));
            for host in ["localhost:8474", "LOCALHOST", "127.0.0.1:8474", "[::1]:8474", "10.0.0.7", ""] {
                assert!(!is_refused(host, client), "{host}");
            }
        }
        assert!(!is_refused("db:8474", "172.18.0.4"), "in a drill services call it by name");
    }

    #[test]
    fn the_first_value_of_a_body_counts_and_what_is_none_is_refused() {
        for (body, value) in [("nullx", Value::Null), ("7 8", json!(7)), ("{}}", json!({}))] {
            assert_eq!(read(body.as_bytes()), Ok(value), "{body}");
        }
        for body in ["", " \n", "{\"a\": tr", "}", "'a'", "{\n  \"a\": 1,\n}", "{a: 1}", "[1 2]", "[\"a\n\"]"] {
            let refusal = read(body.as_bytes()).expect_err(body);
            assert!(refusal.status == 400 && refusal.message.starts_with("bad request body: "), "{refusal:?}");
        }
    }

    #[tokio::test]
    async fn clients_in_a_drill_change_their_own_toxics_alone() {
        let proxy = in_front_of_db().await;
        let toxic = Toxic::new(ToxicKind::Latency, ToxicStream::Downstream, [5, 0, 0]);
        let rule = ToxicRule { port: None, from: None, toxic, seed: 0 };
        let fault = proxy.add_toxic("slow", rule).await.expect("it is put in");
        let mut proxies = ToxicProxies::in_front_of("db", &proxy);
        let slow = json!({ "name": "slow", "type": "latency", "attributes": { "latency": 9 } });
        assert_eq!(call(&mut proxies, "POST", "proxies/db/toxics", slow).await, 200);
        assert_eq!(acting(&proxy), ["slow", "toxiproxy/5432/slow"]);
        assert_eq!(call(&mut proxies, "PATCH", "proxies/db", json!({ "enabled": false })).await, 200);
        assert_eq!(acting(&proxy), ["slow", "toxiproxy/5432/slow", "toxiproxy/5432/"]);
        assert_eq!(call(&mut proxies, "POST", "reset", Value::Null).await, 204);
        assert_eq!(acting(&proxy), ["slow"]);
        assert_eq!(call(&mut proxies, "DELETE", "proxies/db/toxics/slow", Value::Null).await, 404);
        assert!(fault.listed().is_ok());
    }

    #[tokio::test]
    async fn the_proxies_of_a_drill_stay_where_they_are_and_what_clients_put_in_goes_with_the_api() {
        let proxy = in_front_of_db().await;
        let mut proxies = ToxicProxies::in_front_of("db", &proxy);
        let same = json!({ "name": "db", "listen": "0.0.0.0:5432", "upstream": "db:5432" });
        let other = json!({ "name": "db", "listen": "0.0.0.0:5433", "upstream": "db:5432" });
        assert_eq!(call(&mut proxies, "POST", "proxies/db/toxics", json!({ "type": "noop" })).await, 200);
        let as_made =
            [same.clone(), json!({ "name": "db", "listen": "0.0.0.0:5432", "upstream": "db:5432", "toxics": [] })];
        for proxy in as_made {
            assert_eq!(call(&mut proxies, "POST", "populate", json!([proxy])).await, 201);
        }
        assert_eq!(acting(&proxy), ["toxiproxy/5432/noop_downstream"]);
        assert_eq!(call(&mut proxies, "POST", "reset", Value::Null).await, 204);
        assert_eq!(call(&mut proxies, "POST", "populate", json!([other])).await, 403);
        assert_eq!(call(&mut proxies, "PATCH", "proxies/db", json!({ "upstream": "db2:5432" })).await, 403);
        assert_eq!(call(&mut proxies, "POST", "proxies", json!({ "name": "x", "upstream": "db:5432" })).await, 403);
        assert_eq!(call(&mut proxies, "DELETE", "proxies/db", Value::Null).await, 403);
        let of_http = json!({ "type": "http_status", "attributes": { "status": 500 } });
        assert_eq!(call(&mut proxies, "POST", "proxies/db/toxics", of_http).await, 400);
        assert_eq!(call(&mut proxies, "POST", "proxies/db/toxics", json!({ "type": "down" })).await, 200);
        assert_eq!(acting(&proxy), ["toxiproxy/5432/down_downstream"]);
        drop(proxies);
        assert!(acting(&proxy).is_empty());
    }
}
