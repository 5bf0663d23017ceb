//! How exact the instruments are, as a table: what the load generator reads of a service whose own time is known, what a proxy
//! adds at a constant rate, and how close toxics come to what was asked for, beside the real Toxiproxy where `toxiproxy-server` is
//! in the PATH. `cargo bench --bench toxics [-- ROUNDS]`; each figure is the median of the rounds, which take turns.

use async_trait::async_trait;
use firedrill::load::{Client, EventClient, Generator, LoadSpec, Sent};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Asked of the toxics: a delay, a rate in bytes per millisecond, a pause after each slice of 1,000 bytes.
const LATENCY_MS: u64 = 20;
const BYTES_PER_MS: u64 = 1_000;
const SLICE_PAUSE_US: u64 = 5_000;

/// Answers each head after `delay` with `body` bytes, a thread for each connection; notes how long it had each request.
fn service(delay: Duration, body: usize) -> (u16, Arc<Mutex<Vec<Duration>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let spent = Arc::new(Mutex::new(Vec::new()));
    let noted = spent.clone();
    spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, noted) = (stream.expect("a connection"), noted.clone());
            stream.set_nodelay(true).expect("an option");
            spawn(move || {
                let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {body}\r\n\r\n").into_bytes();
                answer.resize(answer.len() + body, b'x');
                let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
                while let Ok(n @ 1..) = stream.read(&mut buffer) {
                    head.extend_from_slice(&buffer[..n]);
                    if !head.ends_with(b"\r\n\r\n") {
                        continue;
                    }
                    head.clear();
                    let from = Instant::now();
                    if !delay.is_zero() {
                        sleep(delay);
                    }
                    if stream.write_all(&answer).is_err() {
                        return;
                    }
                    noted.lock().expect("no thread has panicked").push(from.elapsed());
                }
            });
        }
    });
    (port, spent)
}

struct Noting(Client, Mutex<Vec<Duration>>);

#[async_trait]
impl EventClient for Noting {
    async fn event(&self, number: u64, due: Instant, sent: Sent) {
        let ending = self.0.send(number, due).await;
        assert!(ending.result.is_ok(), "{ending:?}");
        self.1.lock().expect("no thread has panicked").push(ending.latency);
        sent.end(ending);
    }
}

/// What the generator reads at this rate for so long; the first second, in which connections are opened, does not count.
fn read(port: u16, rate: f64, seconds: u64) -> Vec<Duration> {
    let spec = LoadSpec {
        name: "load".into(),
        method: "GET".into(),
        url: format!("http://127.0.0.1:{port}/"),
        headers: Vec::new(),
        body: None,
        rate,
        timeout: Duration::from_secs(5),
        connections: 64,
        keep_alive: true,
        acknowledged: None,
        expect: Default::default(),
        then: Vec::new(),
        ca: None,
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = Arc::new(Noting(Client::new(&spec, 1).expect("a client"), Mutex::new(Vec::new())));
        let generator = Generator::of(client.clone(), "load", rate, &[]).expect("a generator");
        let stop = CancellationToken::new();
        let end = stop.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(seconds + 1)).await;
            end.cancel();
        });
        generator.run((Instant::now(), 0), stop, drop).await;
        let mut all = std::mem::take(&mut *client.1.lock().expect("no thread has panicked"));
        all.drain(..rate as usize);
        all
    })
}

/// The same by the least that can ask: one thread, which sleeps until each request is due and blocks until it is answered.
fn read_by_thread(port: u16, rate: f64, seconds: u64) -> Vec<Duration> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the service");
    stream.set_nodelay(true).expect("an option");
    let (from, mut buffer) = (Instant::now(), [0; 4096]);
    let ask = |number: u64| {
        let due = from + Duration::from_secs_f64(number as f64 / rate);
        sleep(due.saturating_duration_since(Instant::now()));
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").expect("a request");
        assert!(stream.read(&mut buffer).expect("an answer") > 0);
        due.elapsed()
    };
    (0..rate as u64 * seconds).map(ask).collect()
}

/// The share `of` of sorted values is no larger than this one, in milliseconds.
fn quantile(mut all: Vec<Duration>, of: f64) -> f64 {
    all.sort();
    all[((all.len() as f64 * of).ceil() as usize).clamp(1, all.len()) - 1].as_secs_f64() * 1000.0
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// One call of Toxiproxy's API.
fn post(api: u16, path: &str, body: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", api)).expect("the API");
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 20"), "{path} {body}: {answer}");
}

/// A server of the API, ended with this value.
struct Server(Child, u16);

impl Server {
    fn start(program: &str, arguments: &[String], api: u16) -> Option<Server> {
        let child = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let server = Server(child, api);
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", api)).is_err() {
            assert!(Instant::now() < until, "{program} does not listen on {api}");
            sleep(Duration::from_millis(20));
        }
        Some(server)
    }

    /// A proxy in front of `upstream`, with this toxic.
    fn proxy(&self, listen: u16, upstream: u16, toxic: Option<String>) -> u16 {
        let proxy =
            format!(r#"{{"name":"p{listen}","listen":"127.0.0.1:{listen}","upstream":"127.0.0.1:{upstream}"}}"#);
        post(self.1, "/proxies", &proxy);
        if let Some(toxic) = toxic {
            post(self.1, &format!("/proxies/p{listen}/toxics"), &toxic);
        }
        listen
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// From the request until the last of `bytes` bytes of the body.
fn download(port: u16, bytes: usize) -> Duration {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the proxy");
    let from = Instant::now();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").expect("a request");
    let (mut got, mut buffer) = (0, vec![0; 65536]);
    while got < bytes {
        let n = stream.read(&mut buffer).expect("bytes");
        assert!(n > 0, "the connection ended after {got} bytes");
        got += n;
    }
    let took = from.elapsed();
    let _ = stream.shutdown(Shutdown::Both);
    took
}

fn main() {
    let rounds: usize = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(3);
    type Asks = fn(u16, f64, u64) -> Vec<Duration>;
    let readers: [(&str, Asks, u64); 3] =
        [("generator", read, 0), ("generator", read, 5), ("one thread that blocks", read_by_thread, 0)];
    for (who, asks, delay) in readers {
        for rate in [50.0, 500.0, 2_000.0] {
            let off = (0..rounds).map(|_| {
                let (port, spent) = service(Duration::from_millis(delay), 2);
                let read = quantile(asks(port, rate, 4), 0.99);
                read - quantile(std::mem::take(&mut *spent.lock().expect("no thread has panicked")), 0.99)
            });
            let off = median(off.collect());
            println!("{who}, {rate:>5}/s, service of {delay} ms    p99 read above the true one  {off:.2} ms");
        }
    }

    let own: Vec<String> = ["proxy", "--listen", "127.0.0.1:28474"].map(String::from).to_vec();
    let real: Vec<String> = ["-host", "127.0.0.1", "-port", "28475"].map(String::from).to_vec();
    let servers = [
        ("firedrill", Server::start(env!("CARGO_BIN_EXE_firedrill"), &own, 28474)),
        ("toxiproxy", Server::start("toxiproxy-server", &real, 28475)),
    ];
    let (small, _) = service(Duration::ZERO, 2);
    const SLICED: usize = 40_000;
    const LARGE: usize = 2_000_000;
    let (sliced, large) = (service(Duration::ZERO, SLICED).0, service(Duration::ZERO, LARGE).0);
    let servers = servers.into_iter().enumerate().filter_map(|(n, (name, server))| {
        let (server, port) = (server?, 28_500 + 10 * n as u16);
        let attributes = [
            format!(r#"{{"type":"latency","attributes":{{"latency":{LATENCY_MS},"jitter":0}}}}"#),
            format!(r#"{{"type":"bandwidth","attributes":{{"rate":{BYTES_PER_MS}}}}}"#),
            format!(r#"{{"type":"slicer","attributes":{{"average_size":1000,"size_variation":0,"delay":{SLICE_PAUSE_US}}}}}"#),
        ];
        let [latency, bandwidth, slicer] = attributes;
        let plain = server.proxy(port, small, None);
        let latency = server.proxy(port + 1, small, Some(latency));
        let bandwidth = server.proxy(port + 2, large, Some(bandwidth));
        let slicer = server.proxy(port + 3, sliced, Some(slicer));
        Some((name, server, plain, latency, bandwidth, slicer))
    });
    let servers: Vec<_> = servers.collect();
    let mut figures: Vec<[Vec<f64>; 5]> = servers.iter().map(|_| Default::default()).collect();
    for _ in 0..rounds {
        let direct = read(small, 1_000.0, 4);
        for (figure, (_, _, plain, latency, bandwidth, slicer)) in figures.iter_mut().zip(&servers) {
            figure[0].push(quantile(read(*plain, 1_000.0, 4), 0.99) - quantile(direct.clone(), 0.99));
            let late = read(*latency, 100.0, 4);
            figure[1].push(quantile(late.clone(), 0.5) - LATENCY_MS as f64);
            figure[2].push(quantile(late, 0.99) - LATENCY_MS as f64);
            let asked = LARGE as f64 / BYTES_PER_MS as f64;
            figure[3].push(100.0 * (download(*bandwidth, LARGE).as_secs_f64() * 1000.0 / asked - 1.0));
            let asked = (SLICED / 1_000) as f64 * SLICE_PAUSE_US as f64 / 1000.0;
            figure[4].push(100.0 * (download(*slicer, SLICED).as_secs_f64() * 1000.0 / asked - 1.0));
        }
    }
    for (figure, (name, ..)) in figures.into_iter().zip(&servers) {
        let [added, half, most, rate, slices] = figure.map(median);
        println!("{name}: added p99 at 1,000/s  {added:.2} ms");
        println!("{name}: latency of {LATENCY_MS} ms, more than asked for  p50 {half:.2} ms, p99 {most:.2} ms");
        println!("{name}: bandwidth of 1 MB/s, time more than asked for  {rate:.1}%");
        println!("{name}: slices each 5 ms, time more than asked for  {slices:.1}%");
    }
}
