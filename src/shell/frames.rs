//! What a called program and the supervisor say to each other over a socket in the same container: a kind, a length, and
//! bytes as they are.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Nobody who speaks this protocol sends more at once; the longest is a call with its environment.
const LONGEST: u32 = 4 << 20;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// Program → supervisor, first: what was called.
    Call { program: String, args: Vec<String>, cwd: String, env: Vec<(String, String)> },
    /// Program → supervisor: bytes of standard input.
    Input(Bytes),
    /// Program → supervisor: the end of standard input.
    InputEnd,
    /// Supervisor → program: so many more bytes of standard input are wanted.
    Want(u32),
    /// Supervisor → program: for standard output.
    Stdout(Bytes),
    /// Supervisor → program: for standard error.
    Stderr(Bytes),
    /// Supervisor → program, last: the exit code.
    Exit(i32),
}

/// A call as it is written.
#[derive(Serialize, Deserialize)]
struct Header {
    program: String,
    args: Vec<String>,
    cwd: String,
    env: Vec<(String, String)>,
}

impl Frame {
    fn encode(&self) -> io::Result<(u8, Bytes)> {
        Ok(match self {
            Frame::Call { program, args, cwd, env } => {
                let header =
                    Header { program: program.clone(), args: args.clone(), cwd: cwd.clone(), env: env.clone() };
                (b'C', serde_json::to_vec(&header)?.into())
            }
            Frame::Input(bytes) => (b'I', bytes.clone()),
            Frame::InputEnd => (b'E', Bytes::new()),
            Frame::Want(bytes) => (b'W', bytes.to_be_bytes().to_vec().into()),
            Frame::Stdout(bytes) => (b'O', bytes.clone()),
            Frame::Stderr(bytes) => (b'R', bytes.clone()),
            Frame::Exit(code) => (b'X', code.to_be_bytes().to_vec().into()),
        })
    }

    fn decode(kind: u8, body: Vec<u8>) -> io::Result<Frame> {
        let four = || <[u8; 4]>::try_from(body.as_slice()).map_err(|_| strange());
        Ok(match kind {
            b'C' => {
                let Header { program, args, cwd, env } = serde_json::from_slice(&body)?;
                Frame::Call { program, args, cwd, env }
            }
            b'I' => Frame::Input(body.into()),
            b'E' => Frame::InputEnd,
            b'W' => Frame::Want(u32::from_be_bytes(four()?)),
            b'O' => Frame::Stdout(body.into()),
            b'R' => Frame::Stderr(body.into()),
            b'X' => Frame::Exit(i32::from_be_bytes(four()?)),
            _ => return Err(strange()),
        })
    }
}

fn strange() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no message of this version")
}

/// Length of the body that a header announces.
fn length(header: [u8; 5]) -> io::Result<(u8, u32)> {
    let [kind, a, b, c, d] = header;
    let length = u32::from_be_bytes([a, b, c, d]);
    if length > LONGEST { Err(strange()) } else { Ok((kind, length)) }
}

fn header(kind: u8, body: &Bytes) -> io::Result<[u8; 5]> {
    let length = u32::try_from(body.len()).ok().filter(|length| *length <= LONGEST);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the call is too long"))?;
    let [a, b, c, d] = length.to_be_bytes();
    Ok([kind, a, b, c, d])
}

/// The next message; `None` at the end.
pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Frame>> {
    let mut head = [0; 5];
    if let Err(error) = from.read_exact(&mut head).await {
        return if error.kind() == io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(error) };
    }
    let (kind, length) = length(head)?;
    let mut body = vec![0; length as usize];
    from.read_exact(&mut body).await?;
    Frame::decode(kind, body).map(Some)
}

/// Writes a message.
pub(super) async fn write(to: &mut (impl AsyncWrite + Unpin), frame: &Frame) -> io::Result<()> {
    let (kind, body) = frame.encode()?;
    to.write_all(&header(kind, &body)?).await?;
    to.write_all(&body).await?;
    to.flush().await
}

/// The next message, for the program, which has no runtime; `None` at the end.
pub(super) fn read_now(from: &mut impl io::Read) -> io::Result<Option<Frame>> {
    let mut head = [0; 5];
    if let Err(error) = from.read_exact(&mut head) {
        return if error.kind() == io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(error) };
    }
    let (kind, length) = length(head)?;
    let mut body = vec![0; length as usize];
    from.read_exact(&mut body)?;
    Frame::decode(kind, body).map(Some)
}

/// Writes a message, for the program.
pub(super) fn write_now(to: &mut impl io::Write, frame: &Frame) -> io::Result<()> {
    let (kind, body) = frame.encode()?;
    to.write_all(&header(kind, &body)?)?;
    to.write_all(&body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[tokio::test]
    async fn every_message_arrives_as_it_was_sent() {
        let bytes = Bytes::from((0..=255_u8).collect::<Vec<_>>());
        let env = vec![("A".into(), "b\nc".into())];
        let call = Frame::Call { program: "docker".into(), args: vec!["ps".into()], cwd: "/é".into(), env };
        let outs = [Frame::Input(bytes.clone()), Frame::Stdout(bytes.clone()), Frame::Stderr(bytes)];
        let rest = [Frame::InputEnd, Frame::Want(9), Frame::Exit(-1), call];
        for frame in outs.into_iter().chain(rest) {
            let (mut one, mut two) = (Vec::new(), Vec::new());
            write(&mut one, &frame).await.unwrap();
            write_now(&mut two, &frame).unwrap();
            assert_eq!(one, two);
            assert_eq!(read(&mut one.as_slice()).await.unwrap(), Some(frame.clone()));
            assert_eq!(read_now(&mut two.as_slice()).unwrap(), Some(frame));
        }
        assert_eq!(read_now(&mut &b""[..]).unwrap(), None);
    }

    proptest! {
        #[test]
        fn strange_bytes_are_an_error_and_nothing_worse(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut from = bytes.as_slice();
            while let Ok(Some(_)) = read_now(&mut from) {}
        }
    }
}
