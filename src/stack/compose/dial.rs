//! The Docker API through `docker system dial-stdio`: for engines behind SSH or TLS the docker command has the keys,
//! the certificates and the user's configuration, so it carries the bytes and nothing has to be done twice.

use super::endpoint::apply;
use crate::process::{self, Running};
use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use hyper::header::{HOST, HeaderValue};
use hyper::{Response, Uri};
use hyper_util::rt::TokioIo;
use std::ffi::OsString;
use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll};
use tokio::io::{AsyncWrite, Join, join};
use tokio::process::{ChildStdin, ChildStdout};

type Env = Vec<(OsString, Option<OsString>)>;

/// An API client each of whose requests is carried by a docker command with these variables.
pub(super) fn connect(env: Env, timeout: u64) -> Result<Docker, Error> {
    let transport = move |request: BollardRequest| {
        let env = env.clone();
        async move { send(&env, request).await }
    };
    Docker::connect_with_custom_transport(transport, Some("http://docker"), timeout, API_DEFAULT_VERSION)
}

async fn send(env: &Env, request: BollardRequest) -> Result<Response<hyper::body::Incoming>, Error> {
    let line = open(env)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(line)).await?;
    // The connection works as long as the answer is read; its end is seen there.
    tokio::spawn(async move {
        let _ = connection.with_upgrades().await;
    });
    let (mut parts, body) = request.into_parts();
    parts.headers.insert(HOST, HeaderValue::from_static("docker"));
    if let Some(path) = parts.uri.path_and_query() {
        parts.uri = Uri::from(path.clone());
    }
    Ok(sender.send_request(BollardRequest::from_parts(parts, body)).await?)
}

/// A running `docker system dial-stdio` as a stream of bytes; dropping it ends the command.
fn open(env: &Env) -> io::Result<Join<ChildStdout, DialInput>> {
    let mut command = process::command("docker");
    apply(&mut command, env);
    command.args(["system", "dial-stdio"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = Running::start(command)?;
    let (stdin, stdout) = (running.child.stdin.take(), running.child.stdout.take());
    let stdout = stdout.ok_or_else(|| io::Error::other("docker system dial-stdio has no output"))?;
    Ok(join(stdout, DialInput { stdin, _running: running }))
}

/// Its standard input, which is closed when it is shut down, and the command itself.
struct DialInput {
    stdin: Option<ChildStdin>,
    _running: Running,
}

impl AsyncWrite for DialInput {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stdin {
            Some(stdin) => Pin::new(stdin).poll_write(cx, buf),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stdin {
            Some(stdin) => Pin::new(stdin).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Shutting a pipe down does nothing; only closing it is seen at the other end.
        self.stdin = None;
        Poll::Ready(Ok(()))
    }
}
