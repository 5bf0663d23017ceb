//! One POST, or GET, over HTTP or HTTPS, with the certificate authorities of the system (or of `SSL_CERT_FILE`). No redirect is followed.

use crate::output::chain;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::error::Error as _;
use std::time::Duration;
use tokio_rustls::rustls::crypto::ring;

/// How long one request may take.
const WITHIN: Duration = Duration::from_secs(10);
/// An answer that is longer is not read.
const LONGEST: usize = 1024 * 1024;

/// What a server answered.
pub(crate) type WebAnswer = Response<Bytes>;

/// The address of a service, where one can be sent to; an error does not repeat it, as it may be a secret.
pub(super) fn web_address(url: &str) -> Result<Uri, String> {
    let uri: Uri = url.parse().map_err(|error| format!("not a URL: {error}"))?;
    if !matches!(uri.scheme_str(), Some("https" | "http")) {
        return Err("only http:// and https:// are known".into());
    }
    if uri.authority().ok_or("it names no host")?.as_str().contains('@') {
        return Err("a user and a password in it are not sent: put a token into the path, or leave them out".into());
    }
    Ok(uri)
}

/// Posts JSON, or gets a page where there is none. An error says in a few words what went wrong; it never holds a header.
pub(crate) async fn request(url: &str, token: Option<&str>, json: Option<&Value>) -> Result<WebAnswer, String> {
    let uri = web_address(url)?;
    let tls = uri.scheme_str() == Some("https");
    let mut request = match json {
        Some(_) => Request::post(uri).header(CONTENT_TYPE, "application/json; charset=utf-8"),
        None => Request::get(uri),
    };
    request = request.header(USER_AGENT, concat!("firedrill/", env!("CARGO_PKG_VERSION")));
    if let Some(token) = token {
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| "the token is none")?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let body = Full::new(Bytes::from(json.map(ToString::to_string).unwrap_or_default()));
    let request = request.body(body).map_err(|error| error.to_string())?;
    let sent = async {
        if !tls {
            return exchange(HttpConnector::new(), request).await;
        }
        let trusting = HttpsConnectorBuilder::new().with_provider_and_native_roots(ring::default_provider());
        let trusting = trusting.map_err(|error| {
            format!("TLS cannot be set up: {error}; install `ca-certificates`, or mend SSL_CERT_FILE where that is set")
        })?;
        exchange(trusting.https_only().enable_http1().build(), request).await
    };
    let timed_out = |_| format!("no answer within {} s", WITHIN.as_secs());
    tokio::time::timeout(WITHIN, sent).await.map_err(timed_out)?
}

async fn exchange(
    connector: impl Connect + Clone + Send + Sync + 'static,
    request: Request<Full<Bytes>>,
) -> Result<WebAnswer, String> {
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let host = request.uri().host().unwrap_or_default().to_string();
    // The outermost error says no more than that the client failed.
    let failed = |error: Error| format!("{host}: {}", error.source().map_or_else(|| error.to_string(), chain));
    let response = client.request(request).await.map_err(failed)?;
    let (head, body) = response.into_parts();
    // The status says what became of it; of a body that is too long or breaks off nothing is kept.
    let body = Limited::new(body, LONGEST).collect().await;
    Ok(Response::from_parts(head, body.map(|body| body.to_bytes()).unwrap_or_default()))
}
