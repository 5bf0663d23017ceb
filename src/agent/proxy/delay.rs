//! What a service sends reaches its clients later, on connections that are open already as well, whatever they speak.

use super::rule_list::{CountedRule, RuleList};
use super::rules::unit;
use bytes::{Buf, Bytes};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// How many bytes wait for their time on one connection; then nothing more is read from the service.
const WAITING: usize = 1024 * 1024;
/// How many bytes are read at once.
const CHUNK: usize = 16 * 1024;
/// How soon after a rule was taken out what waited because of it goes on.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What a service sends arrives later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TcpDelay {
    /// Port of the service; `None` means every port of the proxy.
    pub port: Option<u16>,
    /// How much later.
    pub latency: Duration,
    /// How far each delay may lie from that on either side, drawn evenly.
    pub jitter: Duration,
    /// Seed of the draw.
    pub seed: u64,
}

/// A delay in force, with its counter.
#[derive(Debug)]
pub struct ActiveDelay {
    delay: TcpDelay,
    delayed: AtomicU64,
}

impl ActiveDelay {
    pub(super) fn new(delay: TcpDelay) -> ActiveDelay {
        ActiveDelay { delay, delayed: AtomicU64::new(0) }
    }

    fn is_for(&self, port: u16) -> bool {
        self.delay.port.is_none_or(|wanted| wanted == port)
    }

    /// How much later the next bytes of a port arrive.
    fn next(&self, port: u16) -> Duration {
        let TcpDelay { latency, jitter, seed, .. } = self.delay;
        if !self.is_for(port) {
            return Duration::ZERO;
        }
        let drawn = unit(seed, self.delayed.fetch_add(1, Ordering::Relaxed));
        (latency + jitter.mul_f64(2.0 * drawn)).saturating_sub(jitter)
    }
}

impl CountedRule for ActiveDelay {
    fn counts(&self) -> String {
        format!("it has delayed {} pieces of what the service sent", self.delayed.load(Ordering::Relaxed))
    }
}

/// A connection to a service whose bytes may arrive later.
#[derive(Debug)]
pub(super) struct ServiceStream {
    stream: TcpStream,
    port: u16,
    delays: Arc<RuleList<ActiveDelay>>,
    /// What has come and waits for its time.
    waiting: VecDeque<(Instant, Bytes)>,
    /// How the service's side has ended, to be told after all that came before.
    ended: Option<io::Result<()>>,
    sleep: Pin<Box<Sleep>>,
}

impl ServiceStream {
    pub(super) fn new(stream: TcpStream, port: u16, delays: Arc<RuleList<ActiveDelay>>) -> ServiceStream {
        let sleep = Box::pin(sleep_until(Instant::now()));
        ServiceStream { stream, port, delays, waiting: VecDeque::new(), ended: None, sleep }
    }

    /// The connection itself.
    pub(super) fn tcp(&self) -> &TcpStream {
        &self.stream
    }

    /// Reads what has come, and says of each piece when it is due: never before the one ahead of it.
    fn take_in(&mut self, cx: &mut Context<'_>) {
        let mut bytes = [0; CHUNK];
        let mut held: usize = self.waiting.iter().map(|(_, piece)| piece.len()).sum();
        while self.ended.is_none() && held < WAITING {
            let mut buf = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
                Poll::Pending => return,
                Poll::Ready(Err(error)) => self.ended = Some(Err(error)),
                Poll::Ready(Ok(())) if buf.filled().is_empty() => self.ended = Some(Ok(())),
                Poll::Ready(Ok(())) => {
                    let due = Instant::now() + self.delays.sum(|delay| delay.next(self.port));
                    let due = self.waiting.back().map_or(due, |(ahead, _)| due.max(*ahead));
                    held += buf.filled().len();
                    self.waiting.push_back((due, Bytes::copy_from_slice(buf.filled())));
                }
            }
        }
    }
}

impl AsyncRead for ServiceStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.waiting.is_empty() {
                if let Some(ended) = this.ended.take() {
                    return Poll::Ready(ended);
                }
                if !this.delays.any() {
                    return Pin::new(&mut this.stream).poll_read(cx, buf);
                }
            }
            this.take_in(cx);
            let Some((due, piece)) = this.waiting.front_mut() else {
                match this.ended {
                    Some(_) => continue,
                    None => return Poll::Pending,
                }
            };
            let now = Instant::now();
            if *due <= now || !this.delays.any_for(|delay| delay.is_for(this.port)) {
                let n = piece.len().min(buf.remaining());
                buf.put_slice(&piece.split_to(n));
                if !piece.has_remaining() {
                    this.waiting.pop_front();
                }
                return Poll::Ready(Ok(()));
            }
            this.sleep.as_mut().reset((*due).min(now + LOOK_AGAIN));
            ready!(this.sleep.as_mut().poll(cx));
        }
    }
}

impl AsyncWrite for ServiceStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
