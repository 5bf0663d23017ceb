//! The Docker Engine for testcontainers, which asks for the newest version of the API that it knows, always: an engine
//! that is older refuses ("client version 1.53 is too new"). A bridge on the loopback interface carries its requests to
//! the engine and lowers the version in each path to the one that was negotiated; everything else, streams and upgraded
//! connections included, passes through as it is. The bytes travel through `docker system dial-stdio`, so it is the
//! engine that the `docker` command means, whatever its context.

use bollard::ClientVersion;
use bytes::Bytes;
use firedrill::stack::compose::Endpoint;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::error::Error;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::process::Command;

type Body = Either<Incoming, Full<Bytes>>;

/// The engine that was there before `DOCKER_HOST` was turned to the bridge.
pub struct Engine {
    endpoint: Endpoint,
    /// `DOCKER_HOST` as the user has it.
    host: Option<OsString>,
}

/// The engine, with testcontainers turned to it. Whatever uses testcontainers calls this first.
pub fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Arc<Engine>> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let (ready, started) = channel();
        // A thread of its own: the bridge serves all tests of the process, and each test's runtime ends with it. It
        // also serves testcontainers when a test's thread waits in `drop` for its container to be removed.
        std::thread::spawn(move || serve(&ready));
        let (engine, address) = started.recv().expect("a Docker Engine and a bridge to it");
        // SAFETY: no other thread may read the environment at this moment except through `std::env`, which locks. The
        // test harness, tokio and `Command` do just that. C code would not (`getaddrinfo` reads RES_OPTIONS), but none
        // runs now: tests that reach out at all begin here and wait for this closure, and the bridge has resolved what
        // it has to and waits for its first connection.
        unsafe { std::env::set_var("DOCKER_HOST", format!("tcp://{address}")) };
        engine
    })
}

impl Engine {
    /// Runs `docker` on the engine itself.
    ///
    /// # Errors
    /// What it said on standard error, when it failed.
    pub fn docker(&self, args: &[&str]) -> Result<(), String> {
        let output = self.command(args).into_std().output().expect("docker can be run");
        let error = || format!("docker {args:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
        if output.status.success() { Ok(()) } else { Err(error()) }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.endpoint.command();
        match &self.host {
            Some(host) => command.env("DOCKER_HOST", host),
            None => command.env_remove("DOCKER_HOST"),
        };
        command.args(args);
        command
    }

    /// A connection to the engine's API. A socket is both ends of the command's standard streams, so that closing one
    /// direction of it is seen there; the command ends with the connection.
    fn dial(&self) -> std::io::Result<UnixStream> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let (input, output) = (OwnedFd::from(theirs.try_clone()?), OwnedFd::from(theirs));
        self.command(&["system", "dial-stdio"]).stdin(input).stdout(output).kill_on_drop(false).spawn()?;
        UnixStream::from_std(ours)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn serve(ready: &Sender<(Arc<Engine>, SocketAddr)>) {
    let host = std::env::var_os("DOCKER_HOST");
    let endpoint = Endpoint::resolve().await.expect("a Docker Engine");
    let engine = Arc::new(Engine { endpoint, host });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    ready.send((engine.clone(), address)).expect("somebody waits for the bridge");
    loop {
        let (client, _) = listener.accept().await.expect("a connection");
        tokio::spawn(converse(engine.clone(), client));
    }
}

/// One connection of a client, with any number of requests.
async fn converse(engine: Arc<Engine>, client: TcpStream) {
    let service = service_fn(|request| answer(&engine, request));
    let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(client), service);
    // It ends with an error when the client has heard enough, as it does of logs.
    let _ = served.with_upgrades().await;
}

async fn answer(engine: &Engine, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let asked = format!("{} {}", request.method(), request.uri());
    Ok(forward(engine, request).await.map(|response| response.map(Either::Left)).unwrap_or_else(|error| {
        let message = serde_json::json!({ "message": format!("{asked} did not reach the engine: {error}") });
        let mut response = Response::new(Either::Right(Full::from(message.to_string())));
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response
    }))
}

/// Sends a request on a connection of its own, as testcontainers does, too.
async fn forward(
    engine: &Engine,
    mut request: Request<Incoming>,
) -> Result<Response<Incoming>, Box<dyn Error + Send + Sync>> {
    *request.uri_mut() = lowered(request.uri(), engine.endpoint.docker.client_version())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(engine.dial()?)).await?;
    tokio::spawn(connection.with_upgrades());
    let upgraded = hyper::upgrade::on(&mut request);
    let mut response = sender.send_request(request).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let theirs = hyper::upgrade::on(&mut response);
        // The client's side is there once it has this answer.
        tokio::spawn(async move {
            if let (Ok(ours), Ok(theirs)) = tokio::join!(upgraded, theirs) {
                let (mut ours, mut theirs) = (TokioIo::new(ours), TokioIo::new(theirs));
                let _ = tokio::io::copy_bidirectional(&mut ours, &mut theirs).await;
            }
        });
    }
    Ok(response)
}

/// The address of a request in the engine's version of the API, if it asks for a newer one.
fn lowered(uri: &Uri, spoken: ClientVersion) -> Result<Uri, hyper::http::uri::InvalidUri> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let versioned = path.strip_prefix("/v").and_then(|path| path.split_once('/'));
    match versioned.and_then(|(version, rest)| Some((parse(version)?, rest))) {
        Some((asked, rest)) if asked > spoken => format!("/v{spoken}/{rest}").parse(),
        _ => path.parse(),
    }
}

fn parse(version: &str) -> Option<ClientVersion> {
    let (major, minor) = version.split_once('.')?;
    Some(ClientVersion { major_version: major.parse().ok()?, minor_version: minor.parse().ok()? })
}

#[test]
fn only_versions_that_the_engine_does_not_know_are_lowered() {
    let lowered = |path: &str| {
        let spoken = ClientVersion { major_version: 1, minor_version: 41 };
        lowered(&path.parse().expect("a path"), spoken).expect("a path").to_string()
    };
    assert_eq!(
        lowered("/v1.53/containers/json?all=true&filters=%7B%7D"),
        "/v1.41/containers/json?all=true&filters=%7B%7D"
    );
    assert_eq!(lowered("/v2.0/info"), "/v1.41/info");
    assert_eq!(lowered("/v1.100/info"), "/v1.41/info");
    for kept in ["/v1.41/info", "/v1.9/info", "/_ping", "/version", "/volumes/v1.53/", "/v1.53", "/", "/vx.y/z"] {
        assert_eq!(lowered(kept), kept);
    }
}
