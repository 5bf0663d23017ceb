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
use std::os::fd::OwnedFd;
use std::os::unix::net;
use std::process::Stdio;
use tokio::net::UnixStream;
use tokio_util::io::InspectReader;

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
    let (line, running) = open(env)?;
    // The command belongs to the stream, also where that is handed on: dropping it ends the command.
    let line = InspectReader::new(line, move |_: &[u8]| {
        let _command = &running;
    });
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

/// A running `docker system dial-stdio`, and a stream to what it reads and writes.
fn open(env: &Env) -> io::Result<(UnixStream, Running)> {
    // A socket and not two pipes: shutting it down is seen at the other end.
    let (ours, theirs) = net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let (input, output) = (OwnedFd::from(theirs.try_clone()?), OwnedFd::from(theirs));
    let mut command = process::command("docker");
    apply(&mut command, env);
    command.args(["system", "dial-stdio"]).stdin(input).stdout(output).stderr(Stdio::null());
    Ok((UnixStream::from_std(ours)?, Running::start(command)?))
}
