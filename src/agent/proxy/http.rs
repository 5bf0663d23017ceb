//! One client's HTTP/1 connection, passed on over one connection to the service: headers and bodies as they came,
//! requests that meet a rule answered here, delayed, or their answers changed: with other headers, with another body, cut short or slow.
//!
//! The connection to the service mirrors the client's: it is opened with it, and when the service closes it, the
//! client's is closed, too, once it is idle. What the service does not say is never made up: without an answer the
//! client's connection is closed, or reset where the service's was. The client's says whether its end is a reset or an orderly close; the
//! service's ends as the client's did.

use super::link::Traffic;
use super::listener::ProxyTarget;
use super::rule_list::{ActiveRule, RuleList};
use super::rules::{HttpAction, HttpRule};
use super::stages::{ConnectionCut, ToxicPiece};
use super::toxic::ToxicStream;
use crate::agent::locked;
use crate::load::PreciseTimer;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1 as client;
use hyper::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderName, HeaderValue, RETRY_AFTER,
    TRANSFER_ENCODING,
};
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

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
    let (sender, upgrading, end) = (Mutex::default(), Arc::default(), ending.clone());
    let exchange = Arc::new(Exchange { target, address, number, ending: end, sender, hang_up, over, upgrading });
    if let Some(upstream) = upstream {
        match exchange.handshake(upstream).await {
            Ok(sender) => *locked(&exchange.sender) = Some(sender),
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
            wait(rule.delay().unwrap_or_default(), rule, rules).await;
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
            answer = self.altered(answer, rule, bodiless).await;
        }
        Ok(answer)
    }

    /// What a rule makes of the service's answer; `bodiless` is one to a request whose answers have no body.
    async fn altered(&self, answer: ProxyAnswer, rule: &Arc<ActiveRule<HttpRule>>, bodiless: bool) -> ProxyAnswer {
        let (mut head, mut body) = answer.into_parts();
        let has_body = !bodiless && !has_none(head.status);
        match &rule.rule.action {
            HttpAction::Headers { set, remove } => {
                // Taking away what the answer does not have is nothing.
                let removed = remove.iter().filter(|name| head.headers.remove(*name).is_some()).count();
                if removed > 0 || !set.is_empty() {
                    rule.note();
                }
                for (name, value) in set {
                    // Both were looked at when the rule was put in.
                    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                        head.headers.insert(name, value);
                    }
                }
            }
            HttpAction::ReplaceBody { body: text } if has_body => {
                rule.note();
                let _ = tokio::time::timeout(DRAINED_WITHIN, drain(body)).await;
                for name in [CONTENT_LENGTH, TRANSFER_ENCODING, CONTENT_ENCODING] {
                    head.headers.remove(name);
                }
                body = whole(text);
            }
            HttpAction::CutBody { after, reset } if has_body => {
                body = cut(body, *after, rule.clone(), reset.then(|| self.ending.clone()));
            }
            HttpAction::SlowBody { rate } if has_body => {
                body = slow(body, *rate, rule.clone(), self.target.rules.clone());
            }
            _ => {}
        }
        Response::from_parts(head, body)
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
        let mut kept = locked(&self.sender).take();
        loop {
            let fresh = kept.is_none();
            let mut sender = match kept.take() {
                Some(sender) => sender,
                None => self.connect().await?,
            };
            let (unsent, error) = match sender.ready().await {
                Ok(()) => match sender.try_send_request(request).await {
                    Ok(response) => {
                        *locked(&self.sender) = Some(sender);
                        return Ok(response);
                    }
                    Err(mut failed) => (failed.take_message(), failed.into_error()),
                },
                Err(error) => (Some(request), error),
            };
            request = match unsent {
                Some(unsent) if !fresh => unsent,
                _ => {
                    self.ending.reset_for(&error);
                    return Err(NO_ANSWER);
                }
            };
        }
    }

    async fn connect(&self) -> Result<client::SendRequest<Incoming>, &'static str> {
        let connected = async { self.handshake(self.target.connect().await.ok()?).await.ok() };
        connected.await.ok_or(NO_ANSWER).inspect_err(|_| self.ending.reset())
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
}

fn wants_upgrade<B>(request: &Request<B>) -> bool {
    let named = |value: &HeaderValue| {
        value.to_str().is_ok_and(|text| text.split(',').any(|option| option.trim().eq_ignore_ascii_case("upgrade")))
    };
    request.method() == Method::CONNECT || request.headers().get_all(CONNECTION).iter().any(named)
}

/// Bodies are read up to this size before another takes their place, so that the connection can be used again.
const MAX_DRAINED: u64 = 8 * 1024 * 1024;
/// How long a body that another one replaces may go on: a stream of events has no end.
const DRAINED_WITHIN: Duration = Duration::from_secs(1);
/// How long what was sent has to reach the client before its connection is cut.
const BEFORE_THE_CUT: Duration = Duration::from_millis(20);
/// Into how many pieces a second's bytes of a slow body are cut.
const PER_SECOND: u64 = 20;

type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// The body of an answer.
type AnswerBody = UnsyncBoxBody<Bytes, BodyError>;
/// An answer.
type ProxyAnswer = Response<AnswerBody>;

fn whole(body: &str) -> AnswerBody {
    Full::new(Bytes::copy_from_slice(body.as_bytes())).map_err(BodyError::from).boxed_unsync()
}

/// Reads a body to its end; one that is too long is left, and its connection is then closed.
async fn drain(mut body: impl Body<Data = Bytes> + Unpin) {
    let mut seen = 0u64;
    while let Some(Ok(frame)) = body.frame().await {
        seen = seen.saturating_add(frame.data_ref().map_or(0, |data| data.len() as u64));
        if seen > MAX_DRAINED {
            return;
        }
    }
}

/// The answer that a rule gives, if it gives one.
fn given(rule: &ActiveRule<HttpRule>) -> Option<ProxyAnswer> {
    let HttpAction::Status { status, body, retry_after } = &rule.rule.action else { return None };
    rule.note();
    let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let body = body.clone().unwrap_or_else(|| format!("{status}\n"));
    let body = Some(body).filter(|_| !has_none(status));
    let mut response = Response::new(whole(body.as_deref().unwrap_or_default()));
    *response.status_mut() = status;
    let kind = body.map(|_| (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")));
    response
        .headers_mut()
        .extend(kind.into_iter().chain(retry_after.map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds)))));
    Some(response)
}

/// Whether answers of this status have no body.
fn has_none(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// The first bytes of a body; then the connection is closed, or reset.
fn cut(body: AnswerBody, after: u64, rule: Arc<ActiveRule<HttpRule>>, reset: Option<StreamEnd>) -> AnswerBody {
    let frames = stream::unfold(Some((body, after)), move |state| {
        let (rule, reset) = (rule.clone(), reset.clone());
        async move {
            let (mut body, left) = state?;
            if left == 0 {
                rule.note();
                tokio::time::sleep(BEFORE_THE_CUT).await;
                if let Some(ending) = reset {
                    ending.reset();
                }
                return Some((Err(BodyError::from("cut short by a rule")), None));
            }
            match body.frame().await?.map(Frame::into_data) {
                Ok(Ok(mut data)) => {
                    let most = usize::try_from(left).unwrap_or(usize::MAX);
                    let data = data.split_to(data.len().min(most));
                    let left = left - data.len() as u64;
                    Some((Ok(Frame::data(data)), Some((body, left))))
                }
                Ok(Err(trailers)) => Some((Ok(trailers), Some((body, left)))),
                Err(error) => Some((Err(error), None)),
            }
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

/// A body at so many bytes a second, as long as the rule is in force.
fn slow(body: AnswerBody, rate: u64, rule: Arc<ActiveRule<HttpRule>>, rules: Arc<RuleList<HttpRule>>) -> AnswerBody {
    let piece = usize::try_from(rate / PER_SECOND).unwrap_or(usize::MAX).max(1);
    let frames = stream::unfold((body, Bytes::new(), true), move |(mut body, mut rest, mut is_first)| {
        let (rule, rules) = (rule.clone(), rules.clone());
        async move {
            if rest.is_empty() {
                match body.frame().await?.map(Frame::into_data) {
                    Ok(Ok(data)) => rest = data,
                    Ok(Err(trailers)) => return Some((Ok(trailers), (body, rest, is_first))),
                    Err(error) => return Some((Err(error), (body, rest, is_first))),
                }
            }
            if std::mem::take(&mut is_first) {
                rule.note();
            }
            let data = rest.split_to(rest.len().min(piece));
            wait(Duration::from_secs_f64(data.len() as f64 / rate as f64), &rule, &rules).await;
            Some((Ok(Frame::data(data)), (body, rest, is_first)))
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

/// Waits as long as the rule is in force.
async fn wait(time: Duration, rule: &ActiveRule<HttpRule>, rules: &RuleList<HttpRule>) {
    if !time.is_zero() {
        let mut timer = PreciseTimer::default();
        tokio::select! {
            () = timer.until(Instant::now() + time) => {}
            () = rules.until_gone(rule) => {}
        }
    }
}

/// What the end of what was sent means: that the sender has nothing more to say, unless it was said that it is gone, or that
/// it has reset the connection, as a service does that refuses or resets.
#[derive(Debug, Clone, Default)]
pub(super) struct StreamEnd(Arc<Mutex<Option<ConnectionCut>>>);

impl StreamEnd {
    /// The end is a reset (RST).
    pub(super) fn reset(&self) {
        *locked(&self.0) = Some(ConnectionCut::Reset);
    }

    fn is_reset(&self) -> bool {
        *locked(&self.0) == Some(ConnectionCut::Reset)
    }

    /// A reset, when the error says that the other side reset or refused the connection.
    pub(super) fn reset_for(&self, error: &(dyn std::error::Error + 'static)) {
        let gone = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionRefused];
        let causes = std::iter::successors(Some(error), |error| error.source());
        if causes.filter_map(|error| error.downcast_ref::<io::Error>()).any(|io| gone.contains(&io.kind())) {
            self.reset();
        }
    }

    /// What it means.
    pub(super) fn piece(&self) -> ToxicPiece {
        locked(&self.0).map_or(ToxicPiece::End, ToxicPiece::Cut)
    }
}

/// Closes a connection with a reset.
pub(in crate::agent) fn reset(stream: &TcpStream) {
    // Where the option cannot be set, an orderly close is the next best thing.
    let _ = stream.set_zero_linger();
}

/// How many bytes were taken.
type Wrote = Poll<io::Result<usize>>;

/// The socket of one side, of which several may have a handle. Where its end is to be a reset it is one, wherever hyper has it by then.
#[derive(Clone)]
pub(super) struct ProxySocket {
    stream: Arc<Mutex<TcpStream>>,
    ending: StreamEnd,
}

impl ProxySocket {
    pub(super) fn new(stream: TcpStream, ending: StreamEnd) -> ProxySocket {
        ProxySocket { stream: Arc::new(Mutex::new(stream)), ending }
    }

    /// Its end, for the other side, will be a reset.
    pub(super) fn reset(&self) {
        reset(&locked(&self.stream));
    }
}

impl Drop for ProxySocket {
    fn drop(&mut self) {
        if self.ending.is_reset() {
            self.reset();
        }
    }
}

impl AsyncRead for ProxySocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *locked(&self.stream)).poll_read(cx, buf)
    }
}

impl AsyncWrite for ProxySocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *locked(&self.stream)).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Whoever has seen an orderly end sees no reset after it.
        let is_reset = self.ending.is_reset();
        if is_reset { Poll::Ready(Ok(())) } else { Pin::new(&mut *locked(&self.stream)).poll_shutdown(cx) }
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Wrote {
        Pin::new(&mut *locked(&self.stream)).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

/// A client's connection, as it reaches the HTTP server: the socket itself until a toxic acts on it or the server has ended it, and from
/// then on what the links pass on. What a client sends ends as soon as the service has hung up, while what is being answered still is.
pub(super) struct ClientStream {
    pub(super) socket: ProxySocket,
    /// What was read of it already.
    pub(super) seen: Bytes,
    /// The other end of the links.
    pub(super) passed: DuplexStream,
    pub(super) traffic: [Arc<Traffic>; 2],
    pub(super) ending: StreamEnd,
    /// Cancelled when the links have it.
    pub(super) linked: CancellationToken,
    pub(super) is_linked: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Cancelled when the service has hung up.
    pub(super) hung_up: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl ClientStream {
    /// What came of the socket itself: how many bytes went through in this direction, or that the connection is over.
    fn noted(&self, way: ToxicStream, bytes: io::Result<usize>) -> io::Result<usize> {
        let bytes = bytes.inspect_err(|_| self.ending.reset())?;
        let traffic = &self.traffic[way as usize];
        traffic.received.fetch_add(bytes as u64, Ordering::Relaxed);
        traffic.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        // The end is that of both directions.
        locked(&self.ending.0).get_or_insert(ConnectionCut::Close);
        self.linked.cancel();
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.hung_up.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let read = if !self.seen.is_empty() {
            let next = self.seen.len().min(buf.remaining());
            buf.put_slice(&self.seen.split_to(next));
            Ok(())
        } else if self.is_linked.as_mut().poll(cx).is_ready() {
            return Pin::new(&mut self.passed).poll_read(cx, buf);
        } else {
            ready!(Pin::new(&mut self.socket).poll_read(cx, buf))
        };
        Poll::Ready(self.noted(ToxicStream::Upstream, read.map(|()| buf.filled().len() - before)).map(drop))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The links end it, as toxics may want to.
        self.linked.cancel();
        Pin::new(&mut self.passed).poll_shutdown(cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Wrote {
        if self.linked.is_cancelled() {
            return Pin::new(&mut self.passed).poll_write_vectored(cx, bufs);
        }
        let wrote = ready!(Pin::new(&mut self.socket).poll_write_vectored(cx, bufs));
        Poll::Ready(self.noted(ToxicStream::Downstream, wrote))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
