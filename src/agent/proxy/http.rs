//! One client's HTTP/1 connection, passed on over one connection to the service: headers and bodies as they came,
//! requests that meet a rule answered here, delayed, or their answers changed.
//!
//! The connection to the service mirrors the client's: it is opened with it, and when the service closes it, the
//! client's is closed, too, once it is idle. What the service does not say is never made up: without an answer the
//! client's connection is closed, or reset where the service's was.

use super::http_answer::{ProxyAnswer, altered, drain, given};
use super::listener::ProxyTarget;
use super::stream::{ClientStream, ProxySocket, StreamEnd};
use crate::agent::locked;
use crate::load::PreciseTimer;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1 as client;
use hyper::header::{CONNECTION, EXPECT, HeaderValue};
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// As many headers as any server takes; hyper's own limit of 100 would show as an answer that nobody gave.
const MAX_HEADERS: usize = 512;
/// Most bytes that are held of each connection in either direction, a message's head among them: hyper's own 400 KiB are half a gigabyte at
/// 1,500 connections with large bodies.
const BUFFER: usize = 64 * 1024;

/// Serves the `number`th connection, which is from this address, and says what its end means. Dropping it ends the service's connection.
pub(super) async fn serve(
    stream: ClientStream,
    hang_up: CancellationToken,
    upstream: Option<TcpStream>,
    target: Arc<ProxyTarget>,
    address: IpAddr,
    number: u64,
) -> Infallible {
    let (over, ending) = (CancellationToken::new(), stream.ending.clone());
    let _over = over.clone().drop_guard();
    let exchange = Arc::new(Exchange {
        target,
        address,
        number,
        ending: ending.clone(),
        sender: Mutex::new(None),
        hang_up,
        over,
        upgrading: Arc::new(AtomicBool::new(false)),
    });
    if let Some(upstream) = upstream {
        match exchange.handshake(upstream).await {
            Ok(sender) => exchange.keep(sender),
            Err(_) => ending.reset(),
        }
    }
    let service = service_fn(move |request| {
        let exchange = exchange.clone();
        async move { exchange.answer(request).await }
    });
    let connection = server::Builder::new()
        .preserve_header_case(true)
        .auto_date_header(false)
        .half_close(true)
        .header_read_timeout(None)
        .max_headers(MAX_HEADERS)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // How a connection ended is its client's business: there is nobody else to tell.
    let _ = connection.await;
    // What it has answered is on its way, and what was upgraded goes on.
    std::future::pending().await
}

/// What the requests of one client's connection share.
struct Exchange {
    target: Arc<ProxyTarget>,
    /// Of the client.
    address: IpAddr,
    /// Of the connection.
    number: u64,
    ending: StreamEnd,
    sender: Mutex<Option<client::SendRequest<Incoming>>>,
    /// Set when the service has closed its connection.
    hang_up: CancellationToken,
    /// Set when the client's connection is over.
    over: CancellationToken,
    /// An upgrade ends the HTTP part of a connection without closing it.
    upgrading: Arc<AtomicBool>,
}

/// Ends the client's connection.
const NO_ANSWER: &str = "the service gave no answer";

impl Exchange {
    async fn answer(&self, request: Request<Incoming>) -> Result<ProxyAnswer, &'static str> {
        let rules = &self.target.rules;
        let acting = rules.acting(self.target.port, self.address, self.number, &request);
        for rule in &acting {
            if let Some(delay) = rule.delay() {
                let mut timer = PreciseTimer::default();
                tokio::select! {
                    () = timer.until(Instant::now() + delay) => {}
                    () = rules.until_gone(rule) => {}
                }
            }
        }
        if let Some(answer) = acting.last().and_then(|rule| given(rule)) {
            // The body is read before, unless that is held back by its client.
            if !request.headers().contains_key(EXPECT) {
                drain(request.into_body()).await;
            }
            return Ok(answer);
        }
        let bodiless = matches!(*request.method(), Method::HEAD | Method::CONNECT);
        let mut answer = self.forward(request).await?;
        for rule in &acting {
            answer = altered(answer, rule, rules, bodiless, &self.ending).await;
        }
        Ok(answer)
    }

    async fn forward(&self, mut request: Request<Incoming>) -> Result<ProxyAnswer, &'static str> {
        let method = request.method().clone();
        let upgrade = wants_upgrade(&request).then(|| hyper::upgrade::on(&mut request));
        self.upgrading.store(upgrade.is_some(), Ordering::Release);
        let mut response = self.send(request).await?;
        let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS
            || (method == Method::CONNECT && response.status().is_success());
        match upgrade {
            Some(client) if switched => {
                let service = hyper::upgrade::on(&mut response);
                tokio::spawn(self.over.clone().run_until_cancelled_owned(async move {
                    if let (Ok(client), Ok(service)) = tokio::join!(client, service) {
                        let (mut client, mut service) = (TokioIo::new(client), TokioIo::new(service));
                        // Either side may end it as it likes; both are closed then.
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut service).await;
                    }
                }));
            }
            _ => self.upgrading.store(false, Ordering::Release),
        }
        let ending = self.ending.clone();
        // When the service resets its connection, so is the client's.
        let failed = move |error: hyper::Error| {
            ending.reset_for(&error);
            error.into()
        };
        Ok(response.map(|body| body.map_err(failed).boxed_unsync()))
    }

    /// Sends a request over the open connection, or over a new one when that was closed before anything of the
    /// request was sent. A request of which something was sent is never sent again.
    async fn send(&self, mut request: Request<Incoming>) -> Result<Response<Incoming>, &'static str> {
        let kept = locked(&self.sender).take();
        let mut fresh = kept.is_none();
        let mut sender = match kept {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        loop {
            let error = match sender.ready().await {
                Ok(()) => match sender.try_send_request(request).await {
                    Ok(response) => {
                        self.keep(sender);
                        return Ok(response);
                    }
                    Err(mut failed) => match failed.take_message() {
                        Some(unsent) => {
                            request = unsent;
                            failed.into_error()
                        }
                        None => {
                            self.ending.reset_for(failed.error());
                            return Err(NO_ANSWER);
                        }
                    },
                },
                Err(error) => error,
            };
            if fresh {
                self.ending.reset_for(&error);
                return Err(NO_ANSWER);
            }
            fresh = true;
            sender = self.connect().await?;
        }
    }

    async fn connect(&self) -> Result<client::SendRequest<Incoming>, &'static str> {
        let connected = match self.target.connect().await {
            Ok(stream) => self.handshake(stream).await.map_err(|_| NO_ANSWER),
            Err(_) => Err(NO_ANSWER),
        };
        connected.inspect_err(|_| self.ending.reset())
    }

    async fn handshake(&self, stream: TcpStream) -> hyper::Result<client::SendRequest<Incoming>> {
        let (sender, connection) = client::Builder::new()
            .preserve_header_case(true)
            .max_headers(MAX_HEADERS)
            .max_buf_size(BUFFER)
            .handshake(TokioIo::new(ProxySocket::new(stream, self.ending.clone())))
            .await?;
        let (hang_up, upgrading) = (self.hang_up.clone(), self.upgrading.clone());
        // Ends when the service closes the connection, or with the sender, which the client's connection owns.
        tokio::spawn(self.over.clone().run_until_cancelled_owned(async move {
            let _ = connection.with_upgrades().await;
            if !upgrading.load(Ordering::Acquire) {
                hang_up.cancel();
            }
        }));
        Ok(sender)
    }

    fn keep(&self, sender: client::SendRequest<Incoming>) {
        *locked(&self.sender) = Some(sender);
    }
}

fn wants_upgrade<B>(request: &Request<B>) -> bool {
    let named = |value: &HeaderValue| {
        value.to_str().is_ok_and(|text| text.split(',').any(|option| option.trim().eq_ignore_ascii_case("upgrade")))
    };
    request.method() == Method::CONNECT || request.headers().get_all(CONNECTION).iter().any(named)
}
