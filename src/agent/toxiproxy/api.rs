//! The HTTP API: calls, answers and errors as Toxiproxy's.

use super::super::proxy::next_connection;
use super::proxies::ToxicProxies;
use super::toxic::{ApiRefusal, ApiToxic};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, ORIGIN, USER_AGENT};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

/// The version of Toxiproxy whose API this is: clients ask for it, and some switch on it.
const VERSION: &str = "2.12.0";
/// How large the body of a call may be.
const BODY: usize = 1024 * 1024;
/// How long a client may take for the head of a call.
const HEAD: Duration = Duration::from_secs(15);
/// A name for each call, for logs of clients.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-toxiproxy-request-id");
static CALLS: AtomicU64 = AtomicU64::new(1);

/// Answers calls for ever.
pub async fn serve(listener: TcpListener, proxies: ToxicProxies) -> Infallible {
    let proxies = Arc::new(Mutex::new(proxies));
    loop {
        let (stream, _) = next_connection(&listener).await;
        let proxies = proxies.clone();
        let service = service_fn(move |request| {
            let proxies = proxies.clone();
            async move {
                let mut answer = answer(request, &proxies).await;
                let id = CALLS.fetch_add(1, Ordering::Relaxed);
                answer.headers_mut().insert(REQUEST_ID, id.into());
                Ok::<_, Infallible>(answer)
            }
        });
        tokio::spawn(async move {
            let mut server = hyper::server::conn::http1::Builder::new();
            // How a client's connection ends is the client's business.
            let _ = server
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

type Answer = Response<Full<Bytes>>;

fn respond(status: StatusCode, kind: Option<&'static str>, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(text.into()));
    *answer.status_mut() = status;
    if let Some(kind) = kind {
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    answer
}

const TEXT: Option<&str> = Some("text/plain; charset=utf-8");
const NO_PAGE: &str = "404 page not found\n";

fn refused(refusal: &ApiRefusal) -> Answer {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text = json!({ "error": refusal.message, "status": refusal.status });
    respond(status, TEXT, format!("{text}\n"))
}

async fn answer(request: Request<Incoming>, proxies: &Mutex<ToxicProxies>) -> Answer {
    let (head, body) = request.into_parts();
    // A page in a browser must not reach it: browsers name themselves, and say where a page's call comes from.
    let agent = head.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    if agent.starts_with("Mozilla/") || head.headers.contains_key(ORIGIN) {
        return respond(StatusCode::FORBIDDEN, TEXT, "User agent not allowed\n");
    }
    let path = head.uri.path().trim_start_matches('/').split('/');
    let path: Vec<_> = path.map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned()).collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let body = match Limited::new(body, BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return refused(&ApiRefusal::new(413, format!("the body is larger than {BODY} bytes")));
        }
        Err(error) => return refused(&ApiRefusal::body(error)),
    };
    let mut proxies = proxies.lock().await;
    carry_out(head.method.as_str(), &path, &body, &mut proxies).await.unwrap_or_else(|refusal| refused(&refusal))
}

async fn carry_out(method: &str, path: &[&str], body: &[u8], proxies: &mut ToxicProxies) -> Result<Answer, ApiRefusal> {
    let json = |status, value: Value| Ok(respond(status, Some("application/json"), value.to_string()));
    let ok = |value| json(StatusCode::OK, value);
    let done = || Ok(respond(StatusCode::NO_CONTENT, None, ""));
    match (path, method) {
        _ if path.contains(&"") => Ok(respond(StatusCode::NOT_FOUND, TEXT, NO_PAGE)),
        (["reset"], "POST") => {
            proxies.reset().await?;
            done()
        }
        (["populate"], "POST") => {
            let mut made = Vec::new();
            let populated = match read(body) {
                Ok(value) => proxies.populate(&value, &mut made).await,
                Err(refusal) => Err(refusal),
            };
            let (mut status, mut told) = (201, Map::new());
            if let Err(refusal) = populated {
                status = refusal.status;
                told.insert("error".into(), refusal.message.into());
                told.insert("status".into(), status.into());
            }
            told.insert("proxies".into(), made.into());
            json(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), Value::Object(told))
        }
        (["proxies"], "GET") => ok(proxies.proxies.iter().map(|(name, proxy)| (name.clone(), proxy.json())).collect()),
        (["proxies"], "POST") => json(StatusCode::CREATED, proxies.create(&read(body)?).await?.json()),
        (["proxies", name], "GET") => ok(proxies.get(name)?.json()),
        (["proxies", name], "POST" | "PATCH") => {
            let proxy = proxies.get(name)?;
            proxy.change(&read(body)?).await?;
            ok(proxy.json())
        }
        (["proxies", name], "DELETE") => {
            proxies.remove(name).await?;
            done()
        }
        (["proxies", proxy, "toxics"], "GET") => ok(proxies.get(proxy)?.toxics().iter().map(ApiToxic::json).collect()),
        (["proxies", proxy, "toxics"], "POST") => {
            let proxy = proxies.get(proxy)?;
            let toxic = ApiToxic::read(&read(body)?)?;
            let json = toxic.json();
            proxy.add(toxic)?;
            ok(json)
        }
        (["proxies", proxy, "toxics", toxic], "GET") => ok(proxies.get(proxy)?.toxic(toxic)?.json()),
        (["proxies", proxy, "toxics", toxic], "POST" | "PATCH") => {
            let proxy = proxies.get(proxy)?;
            proxy.toxic(toxic)?;
            ok(proxy.update(toxic, &read(body)?)?.json())
        }
        (["proxies", proxy, "toxics", toxic], "DELETE") => {
            proxies.get(proxy)?.take_out(toxic)?;
            done()
        }
        (["version"], "GET") => {
            let text = format!("{{\"version\": \"{VERSION}\"}}\n");
            Ok(respond(StatusCode::OK, Some("application/json;charset=utf-8"), text))
        }
        (["metrics"], "GET") => {
            Ok(respond(StatusCode::OK, Some("text/plain; version=0.0.4; charset=utf-8"), metrics(proxies)))
        }
        (["reset" | "populate" | "proxies" | "version" | "metrics"], _)
        | (["proxies", _] | ["proxies", _, "toxics"] | ["proxies", _, "toxics", _], _) => {
            Ok(respond(StatusCode::METHOD_NOT_ALLOWED, None, ""))
        }
        _ => Ok(respond(StatusCode::NOT_FOUND, TEXT, NO_PAGE)),
    }
}

/// The first JSON value of a body; what follows it does not count, as for the server in Go.
fn read(body: &[u8]) -> Result<Value, ApiRefusal> {
    match serde_json::Deserializer::from_slice(body).into_iter().next() {
        Some(value) => value.map_err(ApiRefusal::body),
        None => Err(ApiRefusal::body("EOF")),
    }
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
