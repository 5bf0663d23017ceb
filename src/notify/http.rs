//! One POST, or GET, over HTTP or HTTPS, with the certificate authorities of the system. No redirect is followed.

use crate::output::one_line;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::rt::{Read, Write};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_util::task::AbortOnDropHandle;

/// Where systems have the authorities that they trust, unless `SSL_CERT_FILE` says otherwise.
const AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
/// How long one request may take.
const WITHIN: Duration = Duration::from_secs(10);
/// An answer that is longer is not read.
const LONGEST: usize = 1024 * 1024;
/// The longest pause that a server may ask for.
const LONGEST_PAUSE: u64 = 120;

/// A URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WebAddress {
    tls: bool,
    pub(super) host: String,
    port: u16,
    authority: String,
    path: String,
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebAnswer {
    pub(crate) status: u16,
    /// How long to wait before the next try, where it says so.
    pub(super) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

impl WebAnswer {
    /// The first words of its body, in one line.
    pub(super) fn said(&self) -> String {
        let text: String = String::from_utf8_lossy(&self.body).chars().take(200).collect();
        if text.trim().is_empty() { String::new() } else { format!(": {}", one_line(text.trim())) }
    }
}

impl WebAddress {
    pub(super) fn parse(url: &str) -> Result<WebAddress, String> {
        let uri: Uri = url.parse().map_err(|error| format!("not a URL: {error}"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("only http:// and https:// are known".into()),
        };
        let authority = uri.authority().ok_or("it names no host")?;
        if authority.as_str().contains('@') {
            return Err("a user and a password in it are not sent: put a token into the path, or leave them out".into());
        }
        Ok(WebAddress {
            tls,
            host: authority.host().trim_start_matches('[').trim_end_matches(']').to_string(),
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: authority.to_string(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_string(),
        })
    }
}

/// Posts JSON. An error says in a few words what went wrong; it never holds a header.
pub(super) async fn post(url: &str, token: Option<&str>, json: &serde_json::Value) -> Result<WebAnswer, String> {
    ask(url, token, Some(json)).await
}

/// Gets a page, as `post` does.
pub(crate) async fn get(url: &str, token: Option<&str>) -> Result<WebAnswer, String> {
    ask(url, token, None).await
}

async fn ask(url: &str, token: Option<&str>, json: Option<&serde_json::Value>) -> Result<WebAnswer, String> {
    let address = WebAddress::parse(url)?;
    let sent = async {
        let stream = TcpStream::connect((address.host.as_str(), address.port)).await;
        let stream = stream.map_err(|error| format!("{}: {error}", address.host))?;
        match address.tls {
            true => {
                let name = ServerName::try_from(address.host.clone()).map_err(|error| error.to_string())?;
                let stream = connector()?.connect(name, stream).await;
                exchange(TokioIo::new(stream.map_err(|error| format!("TLS: {error}"))?), &address, token, json).await
            }
            false => exchange(TokioIo::new(stream), &address, token, json).await,
        }
    };
    let timed_out = |_| format!("no answer within {} s", WITHIN.as_secs());
    tokio::time::timeout(WITHIN, sent).await.map_err(timed_out)?
}

/// Trusts what the system trusts.
fn connector() -> Result<TlsConnector, String> {
    let named = std::env::var("SSL_CERT_FILE").ok().filter(|path| !path.is_empty());
    let files = named.into_iter().chain(AUTHORITIES.map(String::from));
    let pem = files.filter_map(|file| std::fs::read(file).ok()).next();
    let pem = pem.ok_or("the system has no certificate authorities: install `ca-certificates`")?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok));
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    Ok(TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
}

async fn exchange(
    io: impl Read + Write + Unpin + Send + 'static,
    address: &WebAddress,
    token: Option<&str>,
    json: Option<&serde_json::Value>,
) -> Result<WebAnswer, String> {
    let plain = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = handshake(io).await.map_err(plain)?;
    let _driver = AbortOnDropHandle::new(tokio::spawn(connection));
    let mut request = match json {
        Some(_) => Request::post(&address.path).header(CONTENT_TYPE, "application/json; charset=utf-8"),
        None => Request::get(&address.path),
    };
    request =
        request.header(HOST, &address.authority).header(USER_AGENT, concat!("firedrill/", env!("CARGO_PKG_VERSION")));
    if let Some(token) = token {
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| "the token is none")?;
        value.set_sensitive(true);
        request = request.header("authorization", value);
    }
    let request = request
        .body(Full::new(Bytes::from(json.map(ToString::to_string).unwrap_or_default())))
        .map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(plain)?;
    let status = response.status().as_u16();
    let pause = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    // The status says what became of it; of a body that is too long or breaks off nothing is kept.
    let body = Limited::new(response.into_body(), LONGEST).collect().await;
    let body = body.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
    let retry_after = pause.map(|seconds| Duration::from_secs(seconds.min(LONGEST_PAUSE)));
    Ok(WebAnswer { status, retry_after, body })
}
