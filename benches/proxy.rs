//! What the fault proxy costs: a request over a connection that is kept open, straight to the service and through the
//! proxy, without a rule, with a rule that does not match, and answered by a rule; and bytes of a body through both.

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use firedrill::agent::proxy::{HttpAction, HttpRule, Proxy, ProxyPort};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::hint::black_box;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

const LARGE: usize = 4 * 1024 * 1024;

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

/// A service that answers `/large` with 4 MiB and everything else with two bytes.
async fn service() -> u16 {
    let (listener, port) = listen().await;
    let large = Bytes::from(vec![b'x'; LARGE]);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("an option");
            let large = large.clone();
            let answer = service_fn(move |request: Request<_>| {
                let body = if request.uri().path() == "/large" { large.clone() } else { Bytes::from_static(b"ok") };
                async move { Ok::<_, Infallible>(Response::new(Full::new(body))) }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    port
}

async fn dial(port: u16) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("somebody listens");
    stream.set_nodelay(true).expect("an option");
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("a handshake");
    tokio::spawn(connection);
    sender
}

async fn get(sender: &mut SendRequest<Full<Bytes>>, path: &str) -> usize {
    sender.ready().await.expect("an open connection");
    let request = Request::get(path).header("host", "service").body(Full::new(Bytes::new())).expect("a request");
    let response = sender.send_request(request).await.expect("an answer");
    response.into_body().collect().await.expect("a body").to_bytes().len()
}

fn through(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let (direct, proxy, through) = runtime.block_on(async {
        let port = service().await;
        let (listener, reach) = listen().await;
        let proxy = Proxy::serve("127.0.0.1", vec![(listener, ProxyPort { port, http: true })]);
        (port, proxy, reach)
    });
    let mut group = c.benchmark_group("request");
    let mut measure = |name: &str, port: u16| {
        let mut sender = runtime.block_on(dial(port));
        group.bench_function(name, |b| b.iter(|| black_box(runtime.block_on(get(&mut sender, "/")))));
    };
    measure("direct", direct);
    measure("proxy", through);
    let rule = |path: &str| {
        let (port, from, method, path) = (None, None, None, Some(path.into()));
        let action = HttpAction::Status { status: 503, body: None, retry_after: None };
        HttpRule {
            port,
            from,
            method,
            path,
            header: None,
            share: 1.0,
            per_connection: false,
            first: None,
            every: None,
            action,
            seed: 1,
        }
    };
    let other = runtime.block_on(proxy.add_rule("other", rule("/other"))).expect("a rule");
    measure("proxy, a rule that does not match", through);
    let all = runtime.block_on(proxy.add_rule("all", rule("/*"))).expect("a rule");
    measure("proxy, answered by a rule", through);
    drop((other, all));
    group.finish();

    let mut group = c.benchmark_group("4 MiB");
    group.throughput(Throughput::Bytes(LARGE as u64)).sample_size(20);
    for (name, port) in [("direct", direct), ("proxy", through)] {
        let mut sender = runtime.block_on(dial(port));
        group.bench_function(name, |b| b.iter(|| black_box(runtime.block_on(get(&mut sender, "/large")))));
    }
    group.finish();

    let mut group = c.benchmark_group("connection");
    for (name, port) in [("direct", direct), ("proxy", through)] {
        group.bench_function(name, |b| {
            b.iter_batched(
                || (),
                |()| runtime.block_on(async { get(&mut dial(port).await, "/").await }),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, through);
criterion_main!(benches);
