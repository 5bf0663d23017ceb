//! Pages of HTTP servers inside the stack's network that the agent itself asks for: metrics, and the APIs of Prometheus and
//! Alertmanager.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use std::error::Error as _;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

/// A page that is longer is not read.
const MAX_PAGE: usize = 16 * 1024 * 1024;

/// Where a page is.
#[derive(Debug, Clone)]
pub(super) struct HttpPage {
    host: String,
    port: u16,
    authority: String,
    path: String,
}

impl HttpPage {
    /// The page of a URL; says why that cannot be used.
    pub(super) fn parse(url: &str) -> Result<HttpPage, String> {
        let uri: Uri = url.parse().map_err(|e| format!("`{url}` is not a URL: {e}"))?;
        if uri.scheme_str() != Some("http") {
            return Err(format!("`{url}`: only http:// is read"));
        }
        let authority = uri.authority().ok_or_else(|| format!("`{url}` names no host"))?;
        Ok(HttpPage {
            host: authority.host().trim_start_matches('[').trim_end_matches(']').to_string(),
            port: authority.port_u16().unwrap_or(80),
            authority: authority.to_string(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_string(),
        })
    }

    /// Asks for it in a format, over a connection of its own: it sees a new container as soon as the name does.
    pub(super) async fn get(&self, format: &str) -> Result<String, String> {
        self.ask(Request::get(self.path.as_str()).header(ACCEPT, format), Bytes::new()).await
    }

    /// Posts JSON to it.
    pub(super) async fn post(&self, json: String) -> Result<String, String> {
        self.ask(Request::post(self.path.as_str()).header(CONTENT_TYPE, "application/json"), json.into()).await
    }

    async fn ask(&self, request: hyper::http::request::Builder, body: Bytes) -> Result<String, String> {
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(|e| format!("connect to {}: {e}", self.authority))?;
        let failed = |e: hyper::Error| {
            let cause = e.source().map_or_else(String::new, |cause| format!(": {cause}"));
            format!("ask {}: {e}{cause}", self.authority)
        };
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let request = request
            .header(HOST, &self.authority)
            .header(USER_AGENT, concat!("firedrill/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))
            .map_err(|e| format!("ask {}: {e}", self.authority))?;
        let response = sender.send_request(request).await.map_err(failed)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_PAGE).collect().await;
        let body = body.map_err(|e| format!("read the page of {}: {e}", self.authority))?.to_bytes();
        if !status.is_success() {
            return Err(format!("{} answered {status}", self.authority));
        }
        String::from_utf8(body.into()).map_err(|_| format!("the page of {} is not UTF-8", self.authority))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_cannot_be_used_are_said_at_once() {
        for url in ["https://x/metrics", "x", "http://", "ftp://x"] {
            assert!(HttpPage::parse(url).is_err(), "{url}");
        }
        let page = HttpPage::parse("http://checkout:9100/metrics?a=b").expect("a page");
        assert_eq!((page.host.as_str(), page.port, page.path.as_str()), ("checkout", 9100, "/metrics?a=b"));
        let page = HttpPage::parse("http://[::1]").expect("a page");
        assert_eq!((page.host.as_str(), page.port, page.path.as_str()), ("::1", 80, "/"));
    }
}
