//! A page of an HTTP server inside the stack, asked for over a connection of its own each time: whoever answers to the name
//! by then is seen; and the servers of the agent's own.

use super::proxy::serve_each;
use crate::load::Failure;
use crate::source::{TextForm, shape};
use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName, USER_AGENT};
use hyper::http::uri::Authority;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::{TokioIo, TokioTimer};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::convert::Infallible;
use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// A page that is longer is not read.
const MAX_PAGE: usize = 16 * 1024 * 1024;
/// How the URL of one is written.
pub(super) const A_PAGE: TextForm =
    TextForm::new("a URL like `http://service:8080/path`", || shape::text("http://[^\\s/?#@{}]+(?:[/?][^#]*)?"));

/// What a server answered, completely.
pub(super) type PageAnswer = Response<Bytes>;

/// Why there was no complete answer, for people and for counts.
pub(super) type PageError = (String, Failure);

/// Reads the URL of a page: the server, and the whole. Says in plain words why it cannot be used.
pub(super) fn parse_page(url: &str) -> Result<(Authority, Uri), String> {
    // It may hold credentials: then it is not said again.
    let wrong = || "this is not a URL like `http://service:8080/path`, without credentials and without `#`";
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let server = uri.authority().filter(|server| !server.host().is_empty() && !server.as_str().contains('@')).cloned();
    let server = server.filter(|_| url.starts_with("http://") && !url.contains('#'));
    Ok((server.ok_or_else(wrong)?, uri))
}

/// Asks for a page once. The caller has the deadline.
pub(super) async fn get_page(url: &str, accept: &str) -> Result<PageAnswer, PageError> {
    exchange(url, Method::GET, (ACCEPT, accept), Bytes::new()).await
}

/// The text of a page, where the server has it.
pub(super) async fn page_text(url: &str, accept: &str) -> Result<String, String> {
    text_of(url, get_page(url, accept).await)
}

/// Posts JSON to a page; the text that it answers.
pub(super) async fn post_json(url: &str, json: String) -> Result<String, String> {
    text_of(url, exchange(url, Method::POST, (CONTENT_TYPE, "application/json"), json.into()).await)
}

fn text_of(url: &str, answer: Result<PageAnswer, PageError>) -> Result<String, String> {
    let ((server, _), answer) = (parse_page(url)?, answer.map_err(|(why, _)| why)?);
    if !answer.status().is_success() {
        return Err(format!("{server} answered {}", answer.status()));
    }
    String::from_utf8(answer.into_body().into()).map_err(|_| format!("the page of {server} is not UTF-8"))
}

async fn exchange(url: &str, method: Method, own: (HeaderName, &str), body: Bytes) -> Result<PageAnswer, PageError> {
    let protocol = |why: String| (why, Failure::Protocol);
    let (server, page) = parse_page(url).map_err(protocol)?;
    let place = (server.host().trim_matches(['[', ']']), server.port_u16().unwrap_or(80));
    let refused = |error: io::Error| (format!("connect to {server}: {error}"), Failure::of_io(&error));
    let stream = TcpStream::connect(place).await.map_err(refused)?;
    let failed = |error: hyper::Error| {
        let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
        (format!("ask {server}: {error}{cause}"), Failure::of_http(&error))
    };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let request = Request::builder()
        .method(method)
        .uri(page.path_and_query().map_or("/", |path| path.as_str()))
        .header(own.0, own.1)
        .header(HOST, server.as_str())
        .header(USER_AGENT, concat!("firedrill/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(body))
        .map_err(|e| protocol(format!("ask {server}: {e}")))?;
    let (head, body) = sender.send_request(request).await.map_err(failed)?.into_parts();
    let body = Limited::new(body, MAX_PAGE).collect().await;
    let body = body.map_err(|error| {
        let failure = error.downcast_ref().map_or(Failure::Protocol, Failure::of_http);
        (format!("read the page of {server}: {error}"), failure)
    })?;
    Ok(Response::from_parts(head, body.to_bytes()))
}

/// Answers the requests of all clients, side by side and for ever; their connections end with it, and when nothing was asked for so long.
pub(super) async fn serve_http<F: Future<Output = Response<Full<Bytes>>> + Send + 'static>(
    listener: TcpListener,
    idle: Option<Duration>,
    answer: impl Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + 'static,
) -> Infallible {
    let serve = move |stream: TcpStream, client: SocketAddr| {
        let answer = answer.clone();
        let service = service_fn(move |request| answer(request, client).map(Ok::<_, Infallible>));
        let mut server = http1::Builder::new();
        server.timer(TokioTimer::new()).header_read_timeout(idle).half_close(true);
        // How a client's connection ends is the client's business.
        server.serve_connection(TokioIo::new(stream), service).map(drop)
    };
    serve_each(listener, serve).await
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
            assert!(parse_page(url).is_err(), "{url}");
        }
        let (server, page) = parse_page("http://checkout:9100/metrics?a=b").expect("a page");
        let path = page.path_and_query().map(|path| path.as_str());
        assert_eq!((server.host(), server.port_u16(), path), ("checkout", Some(9100), Some("/metrics?a=b")));
        assert_eq!(parse_page("http://[::1]").expect("a page").0.host(), "[::1]");
    }
}
