//! How one request ended.

use crate::slis::Outcome;
use std::error::Error as StdError;
use std::io;
use std::time::Duration;

/// Why a request got no complete answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Failure {
    /// No complete answer by the deadline.
    Timeout,
    /// All connections were busy until the deadline.
    NoConnection,
    /// The name was not found, or the resolver failed.
    Dns,
    /// The connection was refused.
    Refused,
    /// No route to the host: its container is gone.
    Unreachable,
    /// The connection was reset.
    Reset,
    /// The connection was closed before the answer was complete.
    Closed,
    /// The server's certificate is past its date.
    TlsExpired,
    /// The server's certificate is not valid yet.
    TlsNotYetValid,
    /// The server's certificate is for another name.
    TlsName,
    /// The authority that the scenario names has not issued the server's certificate.
    TlsUntrusted,
    /// Any other failure of the handshake: no TLS at the other end, say, or no common version.
    Tls,
    /// What came back is not HTTP/1.
    Protocol,
    /// Any other error of the operating system.
    Io,
    /// The task of the request died: our own mistake.
    Internal,
}

impl Failure {
    /// The name in `results`.
    pub fn name(self) -> &'static str {
        match self {
            Failure::Timeout => "timeout",
            Failure::NoConnection => "no_connection",
            Failure::Dns => "dns",
            Failure::Refused => "refused",
            Failure::Unreachable => "unreachable",
            Failure::Reset => "reset",
            Failure::Closed => "closed",
            Failure::TlsExpired => "tls_expired",
            Failure::TlsNotYetValid => "tls_not_yet_valid",
            Failure::TlsName => "tls_name",
            Failure::TlsUntrusted => "tls_untrusted",
            Failure::Tls => "tls",
            Failure::Protocol => "protocol",
            Failure::Io => "io",
            Failure::Internal => "internal",
        }
    }

    /// What an error of a socket means.
    pub(super) fn of_io(error: &io::Error) -> Failure {
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
    pub(super) fn of_http(error: &hyper::Error) -> Failure {
        let mut cause = error.source();
        while let Some(inner) = cause {
            if let Some(io) = inner.downcast_ref::<io::Error>() {
                return Failure::of_io(io);
            }
            cause = inner.source();
        }
        if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            Failure::Closed
        } else {
            // What is left is about the message itself: a bad head, a bad chunk, bytes that nobody asked for.
            Failure::Protocol
        }
    }
}

/// How one request ended, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// The status of a complete answer, or why there was none.
    pub result: Result<u16, Failure>,
    /// From the instant at which it was due until the answer was complete, or until it was given up.
    pub latency: Duration,
}

impl Ending {
    /// What an SLI sees of it.
    pub fn outcome(&self) -> Outcome {
        Outcome { status: self.result.ok(), latency: self.latency }
    }
}
