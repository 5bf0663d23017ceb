//! A page of an HTTP server inside the stack, asked for over a connection of its own each time: whoever answers to the name
//! by then is seen.

use crate::load::Failure;
use crate::source::{TextForm, shape};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::http::request::Builder;
use hyper::{HeaderMap, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::error::Error as _;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

/// A page that is longer is not read.
const MAX_PAGE: usize = 16 * 1024 * 1024;
/// How the URL of one is written.
pub(super) const A_PAGE: TextForm =
    TextForm::new("a URL like `http://service:8080/path`", || shape::text("http://[^\\s/?#@{}]+(?:[/?][^#]*)?"));

/// Where a page is.
#[derive(Clone)]
pub(super) struct HttpPage {
    host: String,
    port: u16,
    authority: String,
    path: String,
}

/// The host of a URL that can be used.
pub(crate) fn host_of(url: &str) -> Option<String> {
    HttpPage::parse(url).ok().map(|page| page.host)
}

/// What a server answered, completely.
#[derive(Debug)]
pub(super) struct PageAnswer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Why there was no complete answer.
#[derive(Debug)]
pub(super) struct PageError {
    /// For people.
    pub(super) text: String,
    /// For counts.
    pub(super) failure: Failure,
}

impl PageAnswer {
    /// Asks for a page whose URL can be used. The caller has the deadline.
    pub(super) async fn of(url: &str, accept: &str) -> Result<PageAnswer, PageError> {
        let page = HttpPage::parse(url).map_err(|text| PageError { text, failure: Failure::Protocol })?;
        page.get(accept).await
    }
}

impl HttpPage {
    /// Reads a URL; says in plain words why it cannot be used.
    pub(super) fn parse(url: &str) -> Result<HttpPage, String> {
        let uri: Uri = url.parse().map_err(|e| format!("`{url}` is not a URL: {e}"))?;
        if !url.starts_with("http://") {
            return Err(format!("`{url}`: only http:// is read"));
        }
        let authority = uri.authority().ok_or_else(|| format!("`{url}` names no host"))?;
        if authority.as_str().contains('@') {
            return Err("the URL holds credentials, which cannot be sent".into());
        }
        if authority.host().is_empty() || url.contains('#') {
            return Err(format!("`{url}` is not the URL of a page"));
        }
        Ok(HttpPage {
            host: authority.host().trim_start_matches('[').trim_end_matches(']').to_string(),
            port: authority.port_u16().unwrap_or(80),
            authority: authority.to_string(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_string(),
        })
    }

    /// Asks for it once. The caller has the deadline.
    pub(super) async fn get(&self, accept: &str) -> Result<PageAnswer, PageError> {
        self.ask(Request::get(self.path.as_str()).header(ACCEPT, accept), Bytes::new()).await
    }

    /// Posts JSON to it; the text that it answers.
    pub(super) async fn post(&self, json: String) -> Result<String, String> {
        let request = Request::post(self.path.as_str()).header(CONTENT_TYPE, "application/json");
        self.taken(self.ask(request, json.into()).await)
    }

    async fn ask(&self, request: Builder, body: Bytes) -> Result<PageAnswer, PageError> {
        let authority = &self.authority;
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|error| PageError {
            text: format!("connect to {authority}: {error}"),
            failure: Failure::of_io(&error),
        })?;
        let failed = |error: hyper::Error| {
            let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
            PageError { text: format!("ask {authority}: {error}{cause}"), failure: Failure::of_http(&error) }
        };
        let protocol = |text: String| PageError { text, failure: Failure::Protocol };
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let request = request
            .header(HOST, authority)
            .header(USER_AGENT, concat!("firedrill/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))
            .map_err(|e| protocol(format!("ask {authority}: {e}")))?;
        let (head, body) = sender.send_request(request).await.map_err(failed)?.into_parts();
        let body = Limited::new(body, MAX_PAGE).collect().await;
        let body = body.map_err(|error| {
            let failure = error.downcast_ref().map_or(Failure::Protocol, Failure::of_http);
            PageError { text: format!("read the page of {authority}: {error}"), failure }
        })?;
        Ok(PageAnswer { status: head.status, headers: head.headers, body: body.to_bytes() })
    }

    /// The text of the page, where the server has it.
    pub(super) async fn text(&self, accept: &str) -> Result<String, String> {
        self.taken(self.get(accept).await)
    }

    fn taken(&self, answer: Result<PageAnswer, PageError>) -> Result<String, String> {
        let answer = answer.map_err(|error| error.text)?;
        if !answer.status.is_success() {
            return Err(format!("{} answered {}", self.authority, answer.status));
        }
        String::from_utf8(answer.body.into()).map_err(|_| format!("the page of {} is not UTF-8", self.authority))
    }
}

/// A text as a part of a URL.
pub(super) fn encoded(text: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(text, KEPT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_cannot_be_used_are_said_at_once() {
        for url in ["https://x/metrics", "x", "http://", "ftp://x", "http://u:p@x/", "http://x/#a", "HTTP://x/"] {
            assert!(HttpPage::parse(url).is_err(), "{url}");
        }
        let page = HttpPage::parse("http://checkout:9100/metrics?a=b").expect("a page");
        assert_eq!((page.host.as_str(), page.port, page.path.as_str()), ("checkout", 9100, "/metrics?a=b"));
        let page = HttpPage::parse("http://[::1]").expect("a page");
        assert_eq!((page.host.as_str(), page.port, page.path.as_str()), ("::1", 80, "/"));
    }
}
