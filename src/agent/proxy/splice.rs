//! Passes the bytes of two connections on to each other: each direction ends on its own (half-close), and a reset on
//! one side becomes a reset on the other.

use super::delay::ServiceStream;
use super::stream::reset;
use bytes::Bytes;
use tokio::io::{AsyncWriteExt, copy_bidirectional_with_sizes};
use tokio::net::TcpStream;

/// Large enough that copying costs few system calls, small enough for thousands of connections.
const BUFFER: usize = 32 * 1024;

/// Joins a client to the service until both directions have ended; `seen` was read from the client already.
pub(super) async fn splice(mut client: TcpStream, mut upstream: ServiceStream, seen: Bytes) {
    let joined = async {
        upstream.write_all(&seen).await?;
        copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER, BUFFER).await
    };
    if joined.await.is_err() {
        reset(&client);
        reset(upstream.tcp());
    }
}
