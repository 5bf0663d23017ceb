//! Loads over TLS against a real server on 127.0.0.1 whose certificate is good, or bad in one way at a time; and a load for all tests of this
//! room.

use super::*;
use crate::slis::EventAnswer;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{HandshakeKind, ServerConfig};
use tokio_util::task::AbortOnDropHandle;

const DAY: time::Duration = time::Duration::DAY;

impl LoadSpec {
    /// One request a second of this address, with nothing in it.
    pub(super) fn sample(url: impl Into<String>) -> LoadSpec {
        LoadSpec {
            name: "shop".into(),
            method: "GET".into(),
            url: url.into(),
            rate: 1.0,
            timeout: Duration::from_secs(20),
            connections: 1,
            keep_alive: true,
            ..LoadSpec::default()
        }
    }
}

/// A certificate authority.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    /// A server with a certificate for a name, good from and until so many days from now.
    async fn server(&self, name: &str, from: i32, until: i32) -> Server {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_string()]).unwrap();
        let now = OffsetDateTime::now_utc();
        (params.not_before, params.not_after) = (now + DAY * from, now + DAY * until);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        Server::start(Some(TlsAcceptor::from(Arc::new(config)))).await
    }
}

/// A server that answers every request with 200, over TLS or without.
struct Server {
    port: u16,
    full: Arc<AtomicUsize>,
    resumed: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

impl Server {
    async fn start(tls: Option<TlsAcceptor>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (full, resumed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counts = (full.clone(), resumed.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, (full, resumed)) = (tls.clone(), counts.clone());
                tokio::spawn(async move {
                    let Some(tls) = tls else { return serve(stream).await };
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let kind = stream.get_ref().1.handshake_kind();
                    let count = if kind == Some(HandshakeKind::Resumed) { resumed } else { full };
                    count.fetch_add(1, Ordering::SeqCst);
                    serve(stream).await;
                });
            }
        });
        Server { port, full, resumed, _task: AbortOnDropHandle::new(task) }
    }

    fn spec(&self, ca: &str) -> LoadSpec {
        let (url, ca) = (format!("https://127.0.0.1:{}/", self.port), Some(Ca::Pem { pem: ca.to_string() }));
        LoadSpec { connections: 10, keep_alive: false, ca, ..LoadSpec::sample(url) }
    }

    /// How one request ends that trusts this authority.
    async fn asked(&self, ca: &str) -> Result<EventAnswer, Failure> {
        Client::new(&self.spec(ca), 1).unwrap().send(0, Instant::now()).await.result
    }
}

async fn serve(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin) {
    let mut buffer = [0; 4096];
    while let Ok(1..) = stream.read(&mut buffer).await {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    }
}

#[tokio::test]
async fn each_way_in_which_a_certificate_is_bad_has_its_name() {
    let (ours, other) = (Authority::new(), Authority::new());
    let good = ours.server("127.0.0.1", -1, 1).await;
    assert_eq!(good.asked(&ours.pem).await, Ok(EventAnswer::Status(200)));
    assert_eq!(good.asked(&other.pem).await, Err(Failure::TlsUntrusted));
    // Several authorities in one file: one of them will do.
    assert_eq!(good.asked(&format!("{}{}", other.pem, ours.pem)).await, Ok(EventAnswer::Status(200)));
    let expired = ours.server("127.0.0.1", -90, -1).await;
    assert_eq!(expired.asked(&ours.pem).await, Err(Failure::TlsExpired));
    let early = ours.server("127.0.0.1", 1, 90).await;
    assert_eq!(early.asked(&ours.pem).await, Err(Failure::TlsNotYetValid));
    let foreign = ours.server("shop.example.com", -1, 1).await;
    assert_eq!(foreign.asked(&ours.pem).await, Err(Failure::TlsName));
    let plain = Server::start(None).await;
    assert_eq!(plain.asked(&ours.pem).await, Err(Failure::Tls));
    let names = [Failure::TlsExpired, Failure::TlsNotYetValid, Failure::TlsName, Failure::TlsUntrusted, Failure::Tls];
    assert_eq!(names.map(Failure::name), ["tls_expired", "tls_not_yet_valid", "tls_name", "tls_untrusted", "tls"]);
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_refused_and_one_that_hangs_up_is_closed() {
    let ours = Authority::new();
    let mut gone = ours.server("127.0.0.1", -1, 1).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    gone.port = listener.local_addr().unwrap().port();
    let hanging_up = tokio::spawn(async move {
        // Reads the client's hello first, as a close with unread bytes is a reset.
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
    });
    assert_eq!(gone.asked(&ours.pem).await, Err(Failure::Closed));
    hanging_up.await.unwrap();
    assert_eq!(gone.asked(&ours.pem).await, Err(Failure::Refused));
}

#[tokio::test]
async fn every_connection_shows_a_certificate_and_keep_alive_says_how_many_there_are() {
    let ours = Authority::new();
    let server = ours.server("127.0.0.1", -1, 1).await;
    let requests = async |keep_alive, connections| {
        let spec = LoadSpec { keep_alive, connections, ..server.spec(&ours.pem) };
        let client = Client::new(&spec, 1).unwrap();
        for i in 0..10 {
            assert_eq!(client.send(i, Instant::now()).await.result, Ok(EventAnswer::Status(200)));
        }
        server.full.swap(0, Ordering::SeqCst)
    };
    assert_eq!(requests(false, 10).await, 10);
    let kept = requests(true, 1).await;
    assert!((1..10).contains(&kept), "{kept} connections");
    assert_eq!(server.resumed.load(Ordering::SeqCst), 0, "a resumed session shows no certificate");
}

#[test]
fn what_cannot_be_verified_is_refused() {
    let spec = |url: &str, ca: Option<Ca>| LoadSpec { ca, ..LoadSpec::sample(url) };
    let pem = |pem: &str| Some(Ca::Pem { pem: pem.into() });
    let unread = Ca::Service { service: "pki".into(), path: "/ca.pem".into() };
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let told = [
        spec("https://x/", None),
        spec("http://x/", pem(&Authority::new().pem)),
        spec("https://x/", Some(unread)),
        spec("https://x/", pem("")),
        spec("https://x/", pem("-----BEGIN CERTIFICATE-----\nAA")),
        spec("https://x/", pem(broken)),
        spec("https://no_name!/", pem(&Authority::new().pem)),
    ]
    .map(|spec| Client::new(&spec, 1).err().unwrap());
    insta::assert_snapshot!(told.join("\n"));
}
