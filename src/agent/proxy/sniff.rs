//! Looks at the first bytes of a connection to a port that carries HTTP: HTTP/1 is parsed, anything else (HTTP/2 with
//! prior knowledge, TLS) is passed on as it is.

use bytes::BytesMut;
use std::io;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// The client's preface of HTTP/2, RFC 9113 section 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speech {
    /// HTTP/1.
    Http1,
    /// Something else, or nothing.
    Other,
}

/// What the bytes so far say; `None` when more are needed.
fn judge(bytes: &[u8]) -> Option<Speech> {
    let first = bytes.first()?;
    // A method is a token (RFC 9110 section 9.1), and servers tolerate empty lines before it (RFC 9112 section 2.2).
    let begins = first.is_ascii_alphabetic() || matches!(first, b'\r' | b'\n');
    match PREFACE.starts_with(bytes) {
        _ if !begins || bytes.starts_with(PREFACE) => Some(Speech::Other),
        true => None,
        false => Some(Speech::Http1),
    }
}

/// Reads until it can be told what the client speaks; the bytes read come back. A client that says nothing and ends is
/// `Other`. Can be dropped and called again as long as `seen` is kept.
pub(super) async fn sniff(client: &mut TcpStream, seen: &mut BytesMut) -> io::Result<Speech> {
    loop {
        if let Some(speech) = judge(seen) {
            return Ok(speech);
        }
        if client.read_buf(seen).await? == 0 {
            return Ok(if seen.is_empty() { Speech::Other } else { Speech::Http1 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_that_begin_like_the_preface_are_http1() {
        assert_eq!(judge(b""), None);
        assert_eq!(judge(b"P"), None);
        assert_eq!(judge(b"PRI * HTTP/2.0\r\n"), None);
        assert_eq!(judge(PREFACE), Some(Speech::Other));
        assert_eq!(judge(b"PO"), Some(Speech::Http1));
        assert_eq!(judge(b"PRIX / HTTP/1.1"), Some(Speech::Http1));
        assert_eq!(judge(b"get / HTTP/1.1"), Some(Speech::Http1));
        assert_eq!(judge(b"\r\nGET"), Some(Speech::Http1));
        assert_eq!(judge(b"\x16\x03\x01"), Some(Speech::Other));
        let long = [PREFACE, b"more"].concat();
        assert_eq!(judge(&long), Some(Speech::Other));
    }
}
