//! The HTTP API: calls, answers and errors as Toxiproxy's.

use super::super::proxy::{OUT_OF_FILES, Toxic};
use super::proxies::ToxicProxies;
use super::toxic::ApiRefusal;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, ORIGIN, USER_AGENT};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

/// The version of Toxiproxy whose API this is: clients ask for it, and some switch on it.
const VERSION: &str = "2.12.0";
/// How large the body of a call may be.
const BODY: usize = 1024 * 1024;
/// How long a client may take for the head of a call.
const HEAD: Duration = Duration::from_secs(15);

/// Answers calls for ever.
pub async fn serve(listener: TcpListener, proxies: ToxicProxies) -> Infallible {
    let proxies = Arc::new(Mutex::new(proxies));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(OUT_OF_FILES).await;
            continue;
        };
        let proxies = proxies.clone();
        let service = service_fn(move |request| {
            let proxies = proxies.clone();
            async move { Ok::<_, Infallible>(answer(request, &proxies).await) }
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

const JSON: Option<&str> = Some("application/json");
const TEXT: Option<&str> = Some("text/plain; charset=utf-8");

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
    let Some(call) = ApiCall::of(&path) else {
        return respond(StatusCode::NOT_FOUND, TEXT, "404 page not found\n");
    };
    if !call.takes(&head.method) {
        return respond(StatusCode::METHOD_NOT_ALLOWED, None, "");
    }
    let body = match Limited::new(body, BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return refused(&ApiRefusal::new(413, format!("the body is larger than {BODY} bytes")));
        }
        Err(error) => return refused(&ApiRefusal::body(error)),
    };
    let mut proxies = proxies.lock().await;
    call.carry_out(&head.method, &body, &mut proxies).await.unwrap_or_else(|refusal| refused(&refusal))
}

/// What is called, with the names in the path.
#[derive(Debug, Clone, Copy)]
enum ApiCall<'a> {
    Reset,
    Populate,
    Proxies,
    Proxy(&'a str),
    Toxics(&'a str),
    OneToxic(&'a str, &'a str),
    Version,
    Metrics,
}

impl<'a> ApiCall<'a> {
    fn of(path: &[&'a str]) -> Option<ApiCall<'a>> {
        let call = match path {
            ["reset"] => ApiCall::Reset,
            ["populate"] => ApiCall::Populate,
            ["proxies"] => ApiCall::Proxies,
            ["proxies", proxy] => ApiCall::Proxy(proxy),
            ["proxies", proxy, "toxics"] => ApiCall::Toxics(proxy),
            ["proxies", proxy, "toxics", toxic] => ApiCall::OneToxic(proxy, toxic),
            ["version"] => ApiCall::Version,
            ["metrics"] => ApiCall::Metrics,
            _ => return None,
        };
        path.iter().all(|part| !part.is_empty()).then_some(call)
    }

    fn takes(self, method: &Method) -> bool {
        match self {
            ApiCall::Reset | ApiCall::Populate => method == Method::POST,
            ApiCall::Proxies | ApiCall::Toxics(_) => method == Method::GET || method == Method::POST,
            ApiCall::Proxy(_) | ApiCall::OneToxic(..) => {
                [Method::GET, Method::POST, Method::PATCH, Method::DELETE].contains(method)
            }
            ApiCall::Version | ApiCall::Metrics => method == Method::GET,
        }
    }

    async fn carry_out(self, method: &Method, body: &[u8], proxies: &mut ToxicProxies) -> Result<Answer, ApiRefusal> {
        let ok = |value: Value| Ok(respond(StatusCode::OK, JSON, value.to_string()));
        let done = || Ok(respond(StatusCode::NO_CONTENT, None, ""));
        let (get, delete) = (method == Method::GET, method == Method::DELETE);
        match self {
            ApiCall::Reset => {
                proxies.reset().await?;
                done()
            }
            ApiCall::Populate => {
                let (made, refusal) = match read(body) {
                    Ok(value) => proxies.populate(&value).await,
                    Err(refusal) => (Vec::new(), Some(refusal)),
                };
                let status = refusal.as_ref().map_or(201, |refusal| refusal.status);
                let mut told = Map::new();
                if let Some(ApiRefusal { status, message }) = refusal {
                    told.insert("error".into(), message.into());
                    told.insert("status".into(), status.into());
                }
                told.insert("proxies".into(), made.into());
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                Ok(respond(status, JSON, Value::Object(told).to_string()))
            }
            ApiCall::Proxies if get => {
                let all = proxies.all().map(|proxy| (proxy.name().to_string(), proxy.json()));
                ok(Value::Object(all.collect()))
            }
            ApiCall::Proxies => {
                let made = proxies.create(&read(body)?).await?.json();
                Ok(respond(StatusCode::CREATED, JSON, made.to_string()))
            }
            ApiCall::Proxy(name) if delete => {
                proxies.remove(name).await?;
                done()
            }
            ApiCall::Proxy(name) if get => ok(proxies.get(name)?.json()),
            ApiCall::Proxy(name) => {
                let proxy = proxies.get_mut(name)?;
                proxy.change(&read(body)?).await?;
                ok(proxy.json())
            }
            ApiCall::Toxics(proxy) if get => ok(proxies.get(proxy)?.toxics().iter().map(Toxic::json).collect()),
            ApiCall::Toxics(proxy) => {
                let proxy = proxies.get(proxy)?;
                let toxic = Toxic::read(&read(body)?)?;
                let json = toxic.json();
                proxy.add(toxic)?;
                ok(json)
            }
            ApiCall::OneToxic(proxy, toxic) => {
                let proxy = proxies.get(proxy)?;
                if delete {
                    proxy.take_out(toxic)?;
                    return done();
                }
                let found = proxy.toxic(toxic)?;
                ok(if get { found.json() } else { proxy.update(toxic, &read(body)?)?.json() })
            }
            ApiCall::Version => {
                let text = format!("{{\"version\": \"{VERSION}\"}}\n");
                Ok(respond(StatusCode::OK, Some("application/json;charset=utf-8"), text))
            }
            ApiCall::Metrics => {
                Ok(respond(StatusCode::OK, Some("text/plain; version=0.0.4; charset=utf-8"), metrics(proxies)))
            }
        }
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
        for (sample, value) in proxies.all().flat_map(super::proxies::ToxicProxy::metrics) {
            if sample.starts_with(&name) {
                text.push_str(&format!("{sample} {value}\n"));
            }
        }
    }
    text
}
