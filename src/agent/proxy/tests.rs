//! The proxy between real sockets: what is passed on, byte by byte, and what rules answer.

use super::*;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it ends in time")
}

/// A service made of a function per connection; returns its port.
async fn service<F, R>(serve: F) -> u16
where
    F: Fn(TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    port
}

/// A proxy in front of a port, and the port to reach it by.
async fn proxy(port: u16, http: bool) -> (Proxy, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let reach = listener.local_addr().expect("an address").port();
    (Proxy::serve(vec![ProxyRoute { listener, host: "127.0.0.1".into(), port, http }]), reach)
}

async fn dial(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).await.expect("the proxy listens")
}

/// Reads until the text ends so.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end.as_bytes()) {
        let n = within(stream.read_buf(&mut bytes)).await.expect("it can be read");
        assert!(n > 0, "ended after {:?}", String::from_utf8_lossy(&bytes));
    }
    String::from_utf8(bytes).expect("text")
}

/// A service that answers every request head with `ok N`, N counting over all connections, and keeps the connection.
async fn counting() -> (u16, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    let port = service(move |mut stream| {
        let count = counter.clone();
        async move {
            let mut seen = Vec::new();
            while let Ok(n @ 1..) = stream.read_buf(&mut seen).await {
                let _ = n;
                while let Some(end) = seen.windows(4).position(|w| w == b"\r\n\r\n") {
                    seen.drain(..end + 4);
                    let body = format!("ok {}", count.fetch_add(1, Ordering::SeqCst));
                    let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                    stream.write_all(text.as_bytes()).await.expect("written");
                }
            }
        }
    })
    .await;
    (port, count)
}

fn rule(status: u16) -> HttpRule {
    HttpRule { port: None, method: None, path: None, share: 1.0, status, body: Some("no".into()), seed: 3 }
}

#[tokio::test]
async fn heads_and_bodies_pass_as_they_came() {
    let answer = "HTTP/1.1 201 Made It\r\nX-CaSe: One\r\nx-case: two\r\nContent-Length: 3\r\n\r\nyes";
    let request = "POST /a?b=c HTTP/1.1\r\nHost: payments:8080\r\nX-Odd-CASE: 1\r\nContent-Length: 5\r\n\r\nhello";
    let port = service(move |mut stream| async move {
        assert_eq!(read_until(&mut stream, "hello").await, request);
        stream.write_all(answer.as_bytes()).await.expect("written");
    })
    .await;
    let (_proxy, port) = proxy(port, true).await;
    let mut client = dial(port).await;
    client.write_all(request.as_bytes()).await.expect("written");
    assert_eq!(read_until(&mut client, "yes").await, answer);
}

/// How long the service seems to take for one line, on a connection that is open.
async fn asked(client: &mut TcpStream) -> Duration {
    let sent = tokio::time::Instant::now();
    client.write_all(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("written");
    let mut answer = [0; 256];
    assert!(within(client.read(&mut answer)).await.expect("read") > 0);
    sent.elapsed()
}

#[tokio::test]
async fn what_a_service_sends_is_late_on_open_connections_until_the_rule_is_out() {
    for http in [false, true] {
        let (port, _) = counting().await;
        let (proxy, port) = proxy(port, http).await;
        let mut client = dial(port).await;
        asked(&mut client).await;
        let latency = Duration::from_millis(80);
        let delay = TcpDelay { port: None, latency, jitter: Duration::ZERO, seed: 1 };
        let handle = proxy.add_delay("slow", delay).expect("a rule");
        assert!(asked(&mut client).await >= latency);
        assert!(asked(&mut dial(port).await).await >= latency);
        assert!(handle.listed().is_ok_and(|told| told.contains("delayed 2 pieces")), "{:?}", handle.listed());
        // Of another port, and so long that waiting for it would fail the test.
        let far = TcpDelay { port: Some(1), latency: Duration::from_secs(3600), jitter: Duration::ZERO, seed: 1 };
        let other = proxy.add_delay("far", far.clone()).expect("a rule");
        asked(&mut client).await;
        drop(other);
        // What waits goes on when its rule is taken out.
        let stuck = proxy.add_delay("stuck", TcpDelay { port: None, ..far }).expect("a rule");
        let waiting = tokio::spawn(async move { asked(&mut client).await });
        while !stuck.listed().is_ok_and(|told| told.contains("delayed 1 pieces")) {
            tokio::task::yield_now().await;
        }
        handle.take_out();
        stuck.take_out();
        within(waiting).await.expect("the answer came");
        assert!(stuck.listed().is_err());
    }
}

#[tokio::test]
async fn what_a_service_sends_late_keeps_its_order_and_its_end() {
    let port = service(|mut stream| async move {
        for piece in [b"one ", b"two ", b"end\n"] {
            stream.write_all(piece).await.expect("written");
            stream.flush().await.expect("flushed");
            tokio::task::yield_now().await;
        }
    })
    .await;
    let (proxy, port) = proxy(port, false).await;
    let jitter = Duration::from_millis(20);
    let _delay = proxy.add_delay("f", TcpDelay { port: None, latency: jitter, jitter, seed: 5 }).expect("a rule");
    let mut text = String::new();
    within(dial(port).await.read_to_string(&mut text)).await.expect("all of it");
    assert_eq!(text, "one two end\n");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (port, _) = counting().await;
    let (_proxy, port) = proxy(port, true).await;
    let mut client = dial(port).await;
    client.write_all(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("written");
    let text = read_until(&mut client, "ok 1").await;
    assert!(text.find("ok 0").expect("the first") < text.find("ok 1").expect("the second"));
}

#[tokio::test]
async fn chunks_and_trailers_pass() {
    let port = service(|mut stream| async move {
        let head = read_until(&mut stream, "0\r\n\r\n").await;
        assert!(head.contains("Transfer-Encoding: chunked") && head.contains("hello"), "{head}");
        let text =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n";
        stream.write_all(text.as_bytes()).await.expect("written");
    })
    .await;
    let (_proxy, port) = proxy(port, true).await;
    let mut client = dial(port).await;
    let request =
        "POST / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    client.write_all(request.as_bytes()).await.expect("written");
    let text = read_until(&mut client, "\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n").await;
    assert!(text.contains("Transfer-Encoding: chunked"), "{text}");
}

#[tokio::test]
async fn large_bodies_are_streamed_both_ways() {
    const SIZE: usize = 12 * 1024 * 1024;
    let port = service(|mut stream| async move {
        read_until_head(&mut stream).await;
        let (mut from, mut to) = stream.into_split();
        to.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n").as_bytes()).await.expect("written");
        // Echoes while it is still being sent to: neither direction may wait for the other.
        tokio::io::copy(&mut from, &mut to).await.expect("echoed");
    })
    .await;
    let (_proxy, port) = proxy(port, true).await;
    let (mut from, mut to) = dial(port).await.into_split();
    let sent = tokio::spawn(async move {
        to.write_all(format!("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: {SIZE}\r\n\r\n").as_bytes()).await?;
        for i in 0..SIZE / 4096 {
            to.write_all(&[i as u8; 4096]).await?;
        }
        Ok::<_, std::io::Error>(to)
    });
    let mut got = Vec::with_capacity(SIZE + 100);
    while got.len() < SIZE {
        assert!(within(from.read_buf(&mut got)).await.expect("read") > 0);
    }
    let _to = sent.await.expect("no panic").expect("sent");
    let body = got.split_off(got.windows(4).position(|w| w == b"\r\n\r\n").expect("a head") + 4);
    assert!(body.iter().enumerate().all(|(at, byte)| *byte == (at / 4096) as u8));
}

/// Reads a head byte by byte, so that nothing of the body is taken.
async fn read_until_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a head"));
    }
}

#[tokio::test]
async fn an_upgrade_passes_and_is_a_plain_connection_from_then_on() {
    let port = service(|mut stream| async move {
        read_until_head(&mut stream).await;
        let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nwelcome";
        stream.write_all(head.as_bytes()).await.expect("written");
        let (mut from, mut to) = stream.split();
        tokio::io::copy(&mut from, &mut to).await.expect("echoed");
    })
    .await;
    let (_proxy, port) = proxy(port, true).await;
    let mut client = dial(port).await;
    client
        .write_all(b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\n\r\n")
        .await
        .expect("written");
    let head = read_until(&mut client, "welcome").await;
    assert!(head.contains("Upgrade: echo") && !head.to_lowercase().contains("close"), "{head}");
    for word in ["ping", "\0\u{1}\r\n\r\nGET"] {
        client.write_all(word.as_bytes()).await.expect("written");
        assert_eq!(read_until(&mut client, word).await, word);
    }
    client.shutdown().await.expect("shut down");
    assert_eq!(within(client.read(&mut [0; 8])).await.expect("read"), 0);
}

#[tokio::test]
async fn a_client_that_only_listens_any_more_is_answered() {
    let (port, _) = counting().await;
    let (_proxy, port) = proxy(port, true).await;
    let mut client = dial(port).await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("written");
    client.shutdown().await.expect("shut down");
    let mut text = String::new();
    within(client.read_to_string(&mut text)).await.expect("read");
    assert!(text.ends_with("ok 0"), "{text}");
}

#[tokio::test]
async fn plain_tcp_ends_each_direction_on_its_own() {
    let port = service(|mut stream| async move {
        stream.write_all(b"220 first word\r\n").await.expect("written");
        let mut all = String::new();
        stream.read_to_string(&mut all).await.expect("read");
        stream.write_all(format!("got {all}").as_bytes()).await.expect("written");
    })
    .await;
    for http in [false, true] {
        // On a port said to carry HTTP, a service that speaks first is passed on all the same.
        let (_proxy, port) = proxy(port, http).await;
        let mut client = dial(port).await;
        assert_eq!(read_until(&mut client, "\r\n").await, "220 first word\r\n");
        client.write_all(b"QUIT").await.expect("written");
        client.shutdown().await.expect("shut down");
        let mut text = String::new();
        within(client.read_to_string(&mut text)).await.expect("read");
        assert_eq!(text, "got QUIT");
    }
}

#[tokio::test]
async fn http2_with_prior_knowledge_passes_untouched() {
    let port = service(|mut stream| async move {
        let (mut from, mut to) = stream.split();
        tokio::io::copy(&mut from, &mut to).await.expect("echoed");
    })
    .await;
    let (_proxy, port) = proxy(port, true).await;
    let mut client = dial(port).await;
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0";
    for byte in preface.bytes() {
        client.write_all(&[byte]).await.expect("written");
    }
    assert_eq!(read_until(&mut client, preface).await, preface);
}

#[tokio::test]
async fn a_service_that_is_away_looks_like_a_refused_connection() {
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = gone.local_addr().expect("an address").port();
    drop(gone);
    for http in [true, false] {
        let (_proxy, port) = proxy(port, http).await;
        let mut client = dial(port).await;
        let _ = client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let error = within(client.read(&mut [0; 64])).await.expect_err("no answer is made up");
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn no_answer_is_passed_on_as_no_answer_and_nothing_is_sent_twice() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let port = service(move |mut stream| {
        let asked = counter.clone();
        async move {
            read_until_head(&mut stream).await;
            asked.fetch_add(1, Ordering::SeqCst);
        }
    })
    .await;
    let (_proxy, port) = proxy(port, true).await;
    let mut client = dial(port).await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("written");
    assert_eq!(within(client.read(&mut [0; 64])).await.expect("an orderly end"), 0);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_reset_within_a_body_is_a_reset() {
    let port = service(|mut stream| async move {
        read_until_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await.expect("written");
        // Only once the client has what was sent: a reset may overtake it.
        assert_eq!(stream.read_u8().await.expect("the client's word"), b'!');
        stream.set_zero_linger().expect("an option");
    })
    .await;
    let (_proxy, port) = proxy(port, true).await;
    let mut client = dial(port).await;
    client.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n").await.expect("written");
    read_until(&mut client, "half").await;
    client.write_all(b"!").await.expect("written");
    let error = within(client.read(&mut [0; 64])).await.expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn when_the_service_closes_an_idle_connection_so_does_the_proxy() {
    let port = service(|mut stream| async move {
        read_until_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.expect("written");
    })
    .await;
    let (_proxy, port) = proxy(port, true).await;
    let mut client = dial(port).await;
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("written");
    read_until(&mut client, "ok").await;
    assert_eq!(within(client.read(&mut [0; 8])).await.expect("an orderly end"), 0);
}

#[tokio::test]
async fn a_rule_bites_on_connections_that_are_open_and_only_while_it_is_there() {
    let (port, count) = counting().await;
    let (proxy, reach) = proxy(port, true).await;
    let mut client = dial(reach).await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes();
    client.write_all(&get("/charge")).await.expect("written");
    read_until(&mut client, "ok 0").await;

    let handle = proxy.add_rule("f", HttpRule { path: Some("/charge*".into()), ..rule(503) }).expect("a rule");
    client.write_all(&get("/charge?x=1")).await.expect("written");
    let text = read_until(&mut client, "\r\n\r\nno").await;
    assert!(text.starts_with("HTTP/1.1 503 Service Unavailable\r\n") && text.contains("content-length: 2"), "{text}");
    client.write_all(&get("/healthz")).await.expect("written");
    read_until(&mut client, "ok 1").await;

    handle.take_out();
    client.write_all(&get("/charge")).await.expect("written");
    read_until(&mut client, "ok 2").await;
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_share_is_drawn_per_request_and_the_body_is_taken() {
    let (port, count) = counting().await;
    let (proxy, reach) = proxy(port, true).await;
    let _handle =
        proxy.add_rule("f", HttpRule { share: 0.3, method: Some("POST".into()), ..rule(429) }).expect("a rule");
    let mut client = dial(reach).await;
    let mut refused = 0;
    for _ in 0..200 {
        // The counting service takes an empty line for a request's end, so the body is one for rules only.
        client.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi").await.expect("written");
        let text = read_head_and_two(&mut client).await;
        refused += usize::from(text.contains(" 429 "));
    }
    assert!((35..=85).contains(&refused), "{refused} of 200");
    assert_eq!(count.load(Ordering::SeqCst), 200 - refused);
}

/// Reads an answer with its body by its length.
async fn read_head_and_two(stream: &mut TcpStream) -> String {
    let head = {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within(stream.read_u8()).await.expect("a head"));
        }
        String::from_utf8(head).expect("text").to_lowercase()
    };
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    within(stream.read_exact(&mut body)).await.expect("a body");
    head
}

#[tokio::test]
async fn a_rule_answers_even_where_the_service_is_away() {
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = gone.local_addr().expect("an address").port();
    drop(gone);
    let (proxy, reach) = proxy(port, true).await;
    let _handle = proxy.add_rule("f", HttpRule { port: Some(port), ..rule(503) }).expect("a rule");
    let mut client = dial(reach).await;
    client.write_all(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("written");
    let text = read_until(&mut client, "\r\n\r\nno").await;
    assert_eq!(text.matches("HTTP/1.1 503").count(), 2, "{text}");
    assert_eq!(text.matches("no").count(), 1, "an answer to HEAD has no body: {text}");
}

#[tokio::test]
async fn rules_need_a_port_that_is_parsed() {
    let (proxy, _) = proxy(4711, true).await;
    assert!(proxy.add_rule("f", HttpRule { port: Some(1), ..rule(503) }).is_err());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let plain = Proxy::serve(vec![ProxyRoute { listener, host: "127.0.0.1".into(), port: 1, http: false }]);
    assert!(plain.add_rule("f", rule(503)).is_err());
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error() {
    let taken = TcpListener::bind("[::]:0").await.or(TcpListener::bind("0.0.0.0:0").await).expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let config = ProxyConfig { service: "x".into(), ports: vec![ProxyPort { port, http: true }] };
    let error = Proxy::start(config).await.expect_err("it is taken");
    assert!(error.contains(&port.to_string()), "{error}");
}
