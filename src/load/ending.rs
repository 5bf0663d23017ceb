//! What makes an event, and how it ended.

use crate::slis::EventAnswer;
use async_trait::async_trait;
use std::error::Error as StdError;
use std::io;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;

named_enum! {
/// Why a request got no complete answer.
pub enum Failure {
    /// No complete answer by the deadline.
    Timeout = "timeout",
    /// All connections were busy until the deadline.
    NoConnection = "no_connection",
    /// The name was not found, or the resolver failed.
    Dns = "dns",
    /// The connection was refused.
    Refused = "refused",
    /// No route to the host: its container is gone.
    Unreachable = "unreachable",
    /// The connection was reset.
    Reset = "reset",
    /// The connection was closed before the answer was complete.
    Closed = "closed",
    /// The server's certificate is past its date.
    TlsExpired = "tls_expired",
    /// The server's certificate is not valid yet.
    TlsNotYetValid = "tls_not_yet_valid",
    /// The server's certificate is for another name.
    TlsName = "tls_name",
    /// The authority that the scenario names has not issued the server's certificate.
    TlsUntrusted = "tls_untrusted",
    /// Any other failure of the handshake: no TLS at the other end, say, or no common version.
    Tls = "tls",
    /// What came back is not HTTP/1.
    Protocol = "protocol",
    /// Any other error of the operating system.
    Io = "io",
    /// The database answered with an error.
    Database = "database",
    /// A journey ended before its last request: an answer was a failure, or had not what the next request needs.
    Incomplete = "incomplete",
    /// The answer says something else than the scenario expects.
    Unexpected = "unexpected",
    /// A query that counts events failed: nobody knows whether there were any.
    NoData = "no_data",
    /// The task of the request died: our own mistake.
    Internal = "internal",
}
}

impl Failure {
    /// What an error of a socket means.
    pub(crate) fn of_io(error: &io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Failure::Refused,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                Failure::Reset
            }
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Failure::Unreachable,
            io::ErrorKind::UnexpectedEof => Failure::Closed,
            // The kernel gave up before we did.
            io::ErrorKind::TimedOut => Failure::Timeout,
            _ => Failure::Io,
        }
    }

    /// What an error of the HTTP layer means: the operating system's error at its root, if there is one.
    pub(crate) fn of_http(error: &hyper::Error) -> Failure {
        let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
        if let Some(io) = causes.find_map(|cause| cause.downcast_ref::<io::Error>()) {
            return Failure::of_io(io);
        }
        if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            Failure::Closed
        } else {
            // What is left is about the message itself: a bad head, a bad chunk, bytes that nobody asked for.
            Failure::Protocol
        }
    }
}

/// How one event ended, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestEnding {
    /// The complete answer, or why there was none.
    pub result: Result<EventAnswer, Failure>,
    /// From the instant at which it was due until the answer was complete, or until it was given up.
    pub latency: Duration,
}

impl RequestEnding {
    /// Of an event that was due at `due` and has ended now. An answer that a tired machine saw only after its time is late all
    /// the same; what somebody else has counted is as it is, whenever it is seen.
    pub fn of(result: Result<EventAnswer, Failure>, due: Instant, timeout: Duration) -> RequestEnding {
        let latency = Instant::now().saturating_duration_since(due);
        let is_late = |answer| latency > timeout && !matches!(answer, EventAnswer::Counted { .. });
        let result = result.and_then(|answer| if is_late(answer) { Err(Failure::Timeout) } else { Ok(answer) });
        RequestEnding { result, latency }
    }
}

/// What makes one event: a request, a question to a database.
#[async_trait]
pub trait EventClient: Send + Sync {
    /// Makes the event of this number, due at `due`, and says how it ended as soon as that is known; what is left to tidy up
    /// comes after that.
    async fn event(&self, number: u64, due: Instant, sent: Sent);
}

/// An event that was begun, until its end is reported: also when its task dies.
pub struct Sent {
    number: u64,
    slice: u64,
    due: Instant,
    ending: Option<RequestEnding>,
    ended: UnboundedSender<RequestEnded>,
}

/// A request that has ended.
pub(super) struct RequestEnded {
    pub(super) number: u64,
    pub(super) slice: u64,
    pub(super) due: Instant,
    pub(super) ending: RequestEnding,
}

impl Sent {
    pub(super) fn new(number: u64, slice: u64, due: Instant, ended: UnboundedSender<RequestEnded>) -> Sent {
        Sent { number, slice, due, ending: None, ended }
    }

    /// Says how it ended.
    pub fn end(mut self, ending: RequestEnding) {
        self.ending = Some(ending);
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        let ending = self.ending.unwrap_or_else(|| RequestEnding::of(Err(Failure::Internal), self.due, Duration::ZERO));
        // Nobody listens any more when the run was dropped.
        let _ = self.ended.send(RequestEnded { number: self.number, slice: self.slice, due: self.due, ending });
    }
}
