//! What the load generator costs: the bookkeeping of a request, and whole requests against a local server.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use firedrill::load::{Client, Failure, Generator, LoadSpec, RequestEnding, Schedule, Tally};
use firedrill::slis::{Comparison, EventAnswer, Good, Ratio, SliSpec, Term};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

fn slis() -> Vec<SliSpec> {
    let sli = |name: &str, terms| SliSpec {
        name: name.into(),
        series: "shop".into(),
        good: Good { text: String::new(), terms },
        objective: Ratio::new(0.99).unwrap(),
        slo: None,
    };
    vec![
        sli("availability", vec![Term::Status(Comparison::Less, 500)]),
        sli("latency", vec![Term::Latency(Comparison::Less, Duration::from_millis(300))]),
    ]
}

fn spec(port: u16, rate: f64, connections: usize) -> LoadSpec {
    LoadSpec {
        name: "shop".into(),
        method: "POST".into(),
        url: format!("http://127.0.0.1:{port}/orders/{{{{counter}}}}"),
        headers: vec![("idempotency-key".into(), "{{id}}".into())],
        body: None,
        rate,
        timeout: Duration::from_secs(2),
        connections,
        keep_alive: true,
        acknowledged: None,
        expect: Default::default(),
        then: Vec::new(),
        ca: None,
    }
}

/// Slicing and judging, a second of load at 1,000/s at a time.
fn bookkeeping(c: &mut Criterion) {
    const REQUESTS: u64 = 1_000;
    let slis = slis();
    let schedule = Schedule::new(REQUESTS as f64).unwrap();
    let mut group = c.benchmark_group("bookkeeping");
    group.throughput(Throughput::Elements(REQUESTS));
    group.bench_function("issue, end, close", |b| {
        let mut tally = Tally::new("shop", &slis);
        let mut base = 0;
        b.iter(|| {
            for i in 0..REQUESTS {
                tally.issue(base + schedule.slice(i));
            }
            for i in 0..REQUESTS {
                let result = if i % 50 == 0 { Err(Failure::Timeout) } else { Ok(EventAnswer::Status(200)) };
                let ending = RequestEnding { result, latency: Duration::from_micros(900 + i) };
                tally.end(base + schedule.slice(i), Duration::ZERO, ending);
            }
            base += 10;
            black_box(tally.close(base))
        });
    });
    group.finish();
}

/// A server that answers every request head at once.
async fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                while matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
                    while let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                        bytes.drain(..end + 4);
                        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    port
}

fn requests(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let port = runtime.block_on(server());
    let mut group = c.benchmark_group("requests");
    group.throughput(Throughput::Elements(1));
    group.sample_size(20);
    group.bench_function("one after the other", |b| {
        let client = Client::new(&spec(port, 1.0, 1), 1).unwrap();
        let mut i = 0;
        b.iter(|| {
            i += 1;
            runtime.block_on(client.send(i, Instant::now()))
        });
    });
    for connections in [4, 64] {
        group.bench_function(format!("as fast as {connections} connections go"), |b| {
            let client = Arc::new(Client::new(&spec(port, 1.0, connections), 1).unwrap());
            b.iter_custom(|iters| runtime.block_on(flood(client.clone(), connections as u64, iters)));
        });
    }
    group.bench_function("the whole generator at 10,000/s", |b| {
        b.iter_custom(|iters| runtime.block_on(generate(port, iters)));
    });
    group.finish();
}

/// `iters` requests by as many workers as there are connections.
async fn flood(client: Arc<Client>, workers: u64, iters: u64) -> Duration {
    let start = Instant::now();
    let tasks: Vec<_> = (0..workers)
        .map(|worker| {
            let client = client.clone();
            tokio::spawn(async move {
                for i in (worker..iters).step_by(workers as usize) {
                    assert_eq!(client.send(i, Instant::now()).await.result, Ok(EventAnswer::Status(200)));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    start.elapsed()
}

/// Runs the generator for as long as `iters` requests are due; what it takes longer is what it cannot keep up.
async fn generate(port: u16, iters: u64) -> Duration {
    let rate = 10_000.0;
    let t0 = Instant::now();
    let stop = CancellationToken::new();
    let stopper = stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs_f64(iters as f64 / rate)).await;
        stopper.cancel();
    });
    let generator = Generator::new(&spec(port, rate, 256), &slis(), 1).unwrap();
    let requests = generator.run((t0, 0), stop, |report| drop(black_box(report))).await;
    t0.elapsed().mul_f64(iters as f64 / requests.max(1) as f64)
}

criterion_group!(benches, bookkeeping, requests);
criterion_main!(benches);
