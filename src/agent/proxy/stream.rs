//! Both sides of an HTTP connection: the client's can be ended while it is idle, and says whether its end is a reset or an
//! orderly close; the service's ends as the client's did.

use super::stages::{ConnectionCut, ToxicPiece};
use crate::agent::locked;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, ReadHalf};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

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

    /// The end is that of both directions.
    fn close(&self) {
        locked(&self.0).get_or_insert(ConnectionCut::Close);
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

/// A connection to the service: where its client's was reset so is this one, wherever hyper has it by then.
pub(super) struct ServiceStream {
    pub(super) stream: TcpStream,
    pub(super) ending: StreamEnd,
}

impl Drop for ServiceStream {
    fn drop(&mut self) {
        if self.ending.is_reset() {
            reset(&self.stream);
        }
    }
}

impl AsyncRead for ServiceStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for ServiceStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A service that has seen an orderly end sees no reset after it.
        if self.ending.is_reset() { Poll::Ready(Ok(())) } else { Pin::new(&mut self.stream).poll_shutdown(cx) }
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
}

/// What a client sends, as it reaches the HTTP server: it ends as soon as the service has hung up, while what is being
/// answered still is.
struct ClientBytes {
    bytes: ReadHalf<DuplexStream>,
    hung_up: Pin<Box<WaitForCancellationFutureOwned>>,
    ending: StreamEnd,
}

/// A client's connection, as it reaches the HTTP server.
pub(super) fn client_stream(
    stream: DuplexStream,
    hang_up: CancellationToken,
    ending: StreamEnd,
) -> impl AsyncRead + AsyncWrite + Unpin + Send {
    let (bytes, answers) = tokio::io::split(stream);
    tokio::io::join(ClientBytes { bytes, hung_up: Box::pin(hang_up.cancelled_owned()), ending }, answers)
}

impl Drop for ClientBytes {
    fn drop(&mut self) {
        self.ending.close();
    }
}

impl AsyncRead for ClientBytes {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.hung_up.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.bytes).poll_read(cx, buf)
    }
}
