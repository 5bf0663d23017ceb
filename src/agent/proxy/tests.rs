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
    (Proxy::serve("127.0.0.1", vec![(listener, ProxyPort { port, http })]), reach)
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
    acting(HttpAction::Status { status, body: Some("no".into()), retry_after: Some(7) })
}

fn acting(action: HttpAction) -> HttpRule {
    let (port, from, method, path, header, first, every) = Default::default();
    HttpRule { port, from, method, path, header, share: 1.0, per_connection: false, first, every, action, seed: 3 }
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

fn toxic(kind: ToxicKind, attributes: [i64; 3]) -> ToxicRule {
    ToxicRule { port: None, from: None, toxic: Toxic::new(kind, ToxicStream::Downstream, attributes), seed: 1 }
}

/// Whether a line sent is answered, on a connection that was open.
async fn answered(client: &mut TcpStream) -> bool {
    // It may be reset before.
    let _ = client.write_all(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    matches!(within(client.read(&mut [0; 256])).await, Ok(1..))
}

/// Waits until a rule has acted on so many connections.
async fn acted<R: ProxyRule>(handle: &RuleHandle<R>, times: u64) {
    within(async {
        while handle.acted() < times {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_service_sends_is_late_on_open_connections_until_the_rule_is_out() {
    for http in [false, true] {
        let (port, _) = counting().await;
        let (proxy, port) = proxy(port, http).await;
        let mut client = dial(port).await;
        asked(&mut client).await;
        let latency = Duration::from_millis(80);
        let handle = proxy.add_toxic("slow", toxic(ToxicKind::Latency, [80, 0, 0])).await.expect("a rule");
        assert!(asked(&mut client).await >= latency);
        assert!(asked(&mut dial(port).await).await >= latency);
        assert_eq!(handle.acted(), 2);
        assert!(handle.listed().is_ok_and(|told| told.contains("acted on 2 connections, ")), "{:?}", handle.listed());
        handle.replace(toxic(ToxicKind::Latency, [160, 0, 0])).await.expect("changed");
        assert!(asked(&mut client).await >= latency * 2);
        assert_eq!(handle.acted(), 2, "a connection is counted once");
        // In the other direction and of another client, and so long that waiting for it would fail the test.
        let far = toxic(ToxicKind::Latency, [3_600_000, 0, 0]);
        let other = ToxicRule { from: Some("127.0.0.2".into()), ..far.clone() };
        let other = proxy.add_toxic("far", other).await.expect("a rule");
        asked(&mut client).await;
        asked(&mut dial(port).await).await;
        assert_eq!(other.acted(), 0);
        drop(other);
        // What waits goes on when its rule is taken out.
        let stuck = ToxicRule { from: Some("localhost".into()), ..far };
        let stuck = proxy.add_toxic("stuck", stuck).await.expect("a rule");
        let waiting = tokio::spawn(async move { asked(&mut client).await });
        acted(&stuck, 1).await;
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
    let first = proxy.add_toxic("f", toxic(ToxicKind::Noop, [0; 3])).await.expect("a rule");
    let close = proxy.add_toxic("g", toxic(ToxicKind::SlowClose, [100, 0, 0])).await.expect("a rule");
    // The end of the service, and one that a toxic makes.
    let cases = [(ToxicKind::Latency, [20, 20, 0], "one two end\n"), (ToxicKind::LimitData, [4, 0, 0], "one ")];
    for (times, (kind, attributes, all)) in (1..).zip(cases) {
        first.replace(toxic(kind, attributes)).await.expect("changed");
        let (mut text, began) = (String::new(), tokio::time::Instant::now());
        within(dial(port).await.read_to_string(&mut text)).await.expect("all of it");
        assert_eq!(text, all);
        assert!(began.elapsed() >= Duration::from_millis(100), "{kind:?}: {:?}", began.elapsed());
        assert_eq!(close.acted(), times);
    }
}

#[tokio::test]
async fn bytes_are_slow_cut_into_pieces_and_limited_on_open_connections() {
    let bytes: Vec<u8> = (0..30_000u32).map(|n| n as u8).collect();
    let port = service(|mut stream| async move {
        let (mut from, mut to) = stream.split();
        // Its client may be cut off.
        let _ = tokio::io::copy(&mut from, &mut to).await;
    })
    .await;
    let (proxy, port) = proxy(port, false).await;
    let upstream = |rule: ToxicRule| {
        let toxic = Toxic { direction: ToxicStream::Upstream, ..rule.toxic };
        ToxicRule { toxic, ..rule }
    };
    let cases = [
        (toxic(ToxicKind::Bandwidth, [100, 0, 0]), 290, bytes.len()),
        (upstream(toxic(ToxicKind::Bandwidth, [100, 0, 0])), 290, bytes.len()),
        (toxic(ToxicKind::Slicer, [3_000, 100, 10_000]), 60, bytes.len()),
        (toxic(ToxicKind::LimitData, [7_000, 0, 0]), 0, 7_000),
        (toxic(ToxicKind::Noop, [0; 3]), 0, bytes.len()),
    ];
    for (rule, least, whole) in cases {
        let mut client = dial(port).await;
        client.write_all(b"open").await.expect("written");
        read_until(&mut client, "open").await;
        let kind = rule.toxic.kind;
        let handle = proxy.add_toxic("f", rule).await.expect("a rule");
        let began = tokio::time::Instant::now();
        client.write_all(&bytes).await.expect("written");
        let mut back = vec![0; whole];
        within(client.read_exact(&mut back)).await.expect("all that there is");
        assert_eq!(back, bytes[..whole], "{kind:?}");
        assert!(began.elapsed() >= Duration::from_millis(least), "{kind:?}: {:?}", began.elapsed());
        if whole < bytes.len() {
            assert!(matches!(within(client.read(&mut [0])).await, Ok(0) | Err(_)), "{kind:?}: it was cut");
        }
        assert_eq!(handle.acted(), u64::from(kind != ToxicKind::Noop), "{kind:?}");
    }
}

#[tokio::test]
async fn connections_are_cut_and_refused_by_their_rules() {
    for http in [false, true] {
        let (port, _) = counting().await;
        let (proxy, port) = proxy(port, http).await;
        // What becomes of a connection that is open and has been used, of one that was not, and of a new one.
        let cases = [
            (ToxicKind::Down, [0; 3], [false, false, false]),
            (ToxicKind::Refuse, [0; 3], [true, true, false]),
            (ToxicKind::ResetPeer, [0; 3], [false, false, false]),
            (ToxicKind::Timeout, [50, 0, 0], [false, false, false]),
            (ToxicKind::LimitConnections, [3, 0, 0], [true, true, true]),
            (ToxicKind::LimitConnections, [2, 0, 0], [true, true, false]),
        ];
        for (kind, attributes, expected) in cases {
            let (mut used, mut idle) = (dial(port).await, dial(port).await);
            assert!(answered(&mut used).await, "{kind:?}");
            let handle = proxy.add_toxic("f", toxic(kind, attributes)).await.expect("a rule");
            if kind == ToxicKind::LimitConnections {
                // Those that are open are counted as soon as they have heard of it; each answer shows that.
                assert!(answered(&mut used).await && answered(&mut idle).await, "{kind:?}");
            }
            let seen = [answered(&mut used).await, answered(&mut idle).await, answered(&mut dial(port).await).await];
            assert_eq!(seen, expected, "{kind:?}, http: {http}");
            let hit = expected.iter().filter(|answered| !**answered).count() as u64;
            assert_eq!(handle.acted(), hit, "{kind:?}, http: {http}: {:?}", handle.listed());
            drop(handle);
            assert!(answered(&mut dial(port).await).await, "{kind:?} is gone");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_reset_is_reset_for_the_service_too() {
    // While nothing is asked, within a body, upgraded, and before there is an answer.
    let answers = [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nok",
        "",
    ];
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    for answer in answers {
        let tell = tell.clone();
        let port = service(move |mut stream| {
            let tell = tell.clone();
            async move {
                read_until_head(&mut stream).await;
                tell.send(Ok(1)).expect("somebody waits");
                stream.write_all(answer.as_bytes()).await.expect("written");
                let end = loop {
                    match stream.read(&mut [0; 256]).await {
                        Ok(1..) => {}
                        end => break end.map_err(|error| error.kind()),
                    }
                };
                tell.send(end).expect("somebody waits");
            }
        })
        .await;
        for (http, kind) in
            [false, true].into_iter().flat_map(|http| [ToxicKind::Down, ToxicKind::ResetPeer].map(|kind| (http, kind)))
        {
            let (proxy, reach) = proxy(port, http).await;
            let mut client = dial(reach).await;
            let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
            client.write_all(request).await.expect("written");
            assert_eq!(within(told.recv()).await, Some(Ok(1)));
            if !answer.is_empty() {
                read_until(&mut client, "ok").await;
            }
            let upstream = Toxic::new(kind, ToxicStream::Upstream, [0; 3]);
            let rule = ToxicRule { toxic: upstream, ..toxic(kind, [0; 3]) };
            let _toxic = proxy.add_toxic("f", rule).await.expect("a rule");
            let end = within(async {
                loop {
                    // `reset_peer` waits for something that is sent once it is in force.
                    let _ = client.write_all(b"!").await;
                    if let Ok(end) = tokio::time::timeout(Duration::from_millis(20), told.recv()).await {
                        break end;
                    }
                }
            });
            let reset = Some(Err(std::io::ErrorKind::ConnectionReset));
            assert_eq!(end.await, reset, "{kind:?}, http: {http}, after {answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_before_a_reset_arrives_as_late_as_the_toxic_has_it_and_the_reset_after_it() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let port = service(move |mut stream| {
        let tell = tell.clone();
        async move {
            // One that answers and resets, and one that is told something and reset.
            if stream.read_u8().await.expect("a byte") == b'a' {
                stream.write_all(b"answer").await.expect("written");
                // Until it is on its way: a reset overtakes what is not.
                let _ = stream.read_u8().await;
                return stream.set_zero_linger().expect("an option");
            }
            let mut seen = Vec::new();
            let end = stream.read_to_end(&mut seen).await;
            tell.send((seen, end.map_err(|error| error.kind()))).expect("somebody waits");
        }
    })
    .await;
    let (proxy, reach) = proxy(port, false).await;
    let held = |stream| {
        let toxic = Toxic::new(ToxicKind::Bandwidth, stream, [0; 3]);
        ToxicRule { port: None, from: None, toxic, seed: 0 }
    };
    let mut client = dial(reach).await;
    let stuck = proxy.add_toxic("f", held(ToxicStream::Downstream)).await.expect("a rule");
    client.write_all(b"a").await.expect("written");
    acted(&stuck, 1).await;
    client.write_all(b"!").await.expect("written");
    drop(stuck);
    let mut seen = Vec::new();
    let end = within(client.read_to_end(&mut seen)).await;
    assert_eq!((end.map_err(|error| error.kind()), &*seen), (Err(std::io::ErrorKind::ConnectionReset), &b"answer"[..]));

    let mut client = dial(reach).await;
    client.write_all(b"b").await.expect("written");
    let stuck = proxy.add_toxic("f", held(ToxicStream::Upstream)).await.expect("a rule");
    client.write_all(b"told").await.expect("written");
    acted(&stuck, 1).await;
    client.set_zero_linger().expect("an option");
    drop(client);
    drop(stuck);
    assert_eq!(within(told.recv()).await, Some((b"told".to_vec(), Err(std::io::ErrorKind::ConnectionReset))));
}

#[tokio::test]
async fn a_limit_that_is_changed_still_counts_the_connections_that_are_open() {
    let (port, _) = counting().await;
    let (proxy, port) = proxy(port, false).await;
    let limit = |most| {
        let toxic = Toxic::new(ToxicKind::LimitConnections, ToxicStream::Upstream, [most, 0, 0]);
        let rule = ToxicRule { port: None, from: None, toxic, seed: 0 };
        proxy.toxics.set("", vec![ActiveToxic::new("l", rule).expect("a toxic")]);
    };
    limit(3);
    let mut open = [dial(port).await, dial(port).await];
    for client in &mut open {
        assert!(answered(client).await);
    }
    limit(2);
    assert!(!answered(&mut dial(port).await).await, "two are open");
    limit(3);
    assert!(answered(&mut dial(port).await).await);
}

/// However fast it is: an open connection may not have heard of it in between.
#[tokio::test]
async fn a_toxic_that_is_taken_out_and_put_in_again_is_another_one() {
    let (port, _) = counting().await;
    let (proxy, port) = proxy(port, false).await;
    let mut client = dial(port).await;
    assert!(answered(&mut client).await);
    let held = || proxy.add_toxic("f", toxic(ToxicKind::Timeout, [0; 3]));
    let first = held().await.expect("a rule");
    client.write_all(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("written");
    acted(&first, 1).await;
    first.take_out();
    let _second = held().await.expect("a rule");
    assert_eq!(within(client.read(&mut [0])).await.expect("an orderly end"), 0);
}

#[tokio::test]
async fn a_toxic_acts_on_its_share_of_connections_and_its_place_must_exist() {
    let (port, _) = counting().await;
    let (proxy, reach) = proxy(port, false).await;
    let rule = toxic(ToxicKind::Refuse, [0; 3]);
    let half = ToxicRule { toxic: Toxic { toxicity: 0.5, ..rule.toxic.clone() }, ..rule.clone() };
    let handle = proxy.add_toxic("f", half).await.expect("a rule");
    let mut served = 0;
    for _ in 0..60 {
        served += u64::from(answered(&mut dial(reach).await).await);
    }
    assert!((10..=50).contains(&served), "{served} of 60");
    assert_eq!(handle.acted(), 60 - served);
    let nowhere = proxy.add_toxic("g", ToxicRule { port: Some(port.wrapping_add(1)), ..rule.clone() }).await;
    assert!(nowhere.is_err_and(|why| why.contains("does not listen")));
    let nobody = proxy.add_toxic("g", ToxicRule { from: Some("nobody.invalid".into()), ..rule }).await;
    assert!(nobody.is_err_and(|why| why.contains("nobody.invalid")));
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

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_slows_its_service_down_and_takes_no_memory() {
    const ALL: usize = 64 * 1024 * 1024;
    for http in [false, true] {
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let port = service(move |mut stream| {
            let tell = tell.clone();
            async move {
                read_until_head(&mut stream).await;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {ALL}\r\n\r\n");
                stream.write_all(head.as_bytes()).await.expect("written");
                let (piece, mut sent) = (vec![0; 64 * 1024], 0);
                while sent < ALL && tokio::time::timeout(Duration::from_secs(2), stream.write_all(&piece)).await.is_ok()
                {
                    sent += piece.len();
                }
                tell.send(sent).expect("somebody waits");
                std::future::pending::<()>().await;
            }
        })
        .await;
        let (_proxy, reach) = proxy(port, http).await;
        let mut client = dial(reach).await;
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("written");
        read_until_head(&mut client).await;
        let sent = within(told.recv()).await.expect("the service says how much it could send");
        assert!(sent < ALL / 2, "http {http}: {sent} bytes were taken, and nobody reads them");
    }
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
        // The first call after the reset fails with it, and that may be the write.
        let error = match client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await {
            Err(error) => error,
            Ok(()) => within(client.read(&mut [0; 64])).await.expect_err("no answer is made up"),
        };
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

    let handle = proxy.add_rule("f", HttpRule { path: Some("/charge*".into()), ..rule(503) }).await.expect("a rule");
    client.write_all(&get("/charge?x=1")).await.expect("written");
    let text = read_until(&mut client, "\r\n\r\nno").await;
    assert!(text.starts_with("HTTP/1.1 503 Service Unavailable\r\n") && text.contains("content-length: 2"), "{text}");
    assert!(text.contains("retry-after: 7\r\n"), "{text}");
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
        proxy.add_rule("f", HttpRule { share: 0.3, method: Some("POST".into()), ..rule(429) }).await.expect("a rule");
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
    let _handle = proxy.add_rule("f", HttpRule { port: Some(port), ..rule(503) }).await.expect("a rule");
    let mut client = dial(reach).await;
    client.write_all(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("written");
    let text = read_until(&mut client, "\r\n\r\nno").await;
    assert_eq!(text.matches("HTTP/1.1 503").count(), 2, "{text}");
    assert_eq!(text.matches("no").count(), 1, "an answer to HEAD has no body: {text}");
}

/// A service that answers every head with 20 bytes.
async fn twenty() -> u16 {
    service(|mut stream| async move {
        loop {
            read_until_head(&mut stream).await;
            let text = "HTTP/1.1 200 OK\r\nX-Old: 1\r\nContent-Length: 20\r\n\r\n01234567890123456789";
            stream.write_all(text.as_bytes()).await.expect("written");
        }
    })
    .await
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn rules_delay_requests_until_they_are_out() {
    let (proxy, port) = proxy(twenty().await, true).await;
    let mut client = dial(port).await;
    asked(&mut client).await;
    let [delay, jitter] = [100, 20].map(Duration::from_millis);
    let handle = proxy.add_rule("f", acting(HttpAction::Delay { delay, jitter })).await.expect("a rule");
    assert!(asked(&mut client).await >= delay - jitter);
    assert!(handle.listed().is_ok_and(|told| told.ends_with("; 1 of 1 matching requests were delayed")));
    let (delay, jitter) = (Duration::from_secs(3600), Duration::ZERO);
    let stuck = proxy.add_rule("g", acting(HttpAction::Delay { delay, jitter })).await.expect("a rule");
    let waiting = tokio::spawn(async move { asked(&mut client).await });
    acted(&stuck, 1).await;
    // A rule that is changed stays the same rule: what it delays waits on, and it counts on.
    stuck.replace(acting(HttpAction::Delay { delay: delay * 2, jitter })).await.expect("changed");
    let mut other = dial(port).await;
    let also_waiting = tokio::spawn(async move { asked(&mut other).await });
    acted(&stuck, 2).await;
    assert!(!waiting.is_finished());
    handle.take_out();
    stuck.take_out();
    within(waiting).await.expect("the answer came");
    within(also_waiting).await.expect("the answer came");
    assert!(stuck.replace(acting(HttpAction::Delay { delay, jitter })).await.is_err(), "it is out");
}

#[tokio::test]
async fn rules_change_headers_and_bodies_on_connections_that_stay_open() {
    let (proxy, port) = proxy(twenty().await, true).await;
    let mut client = dial(port).await;
    let headers = HttpAction::Headers { set: vec![("X-New".into(), "2".into())], remove: vec!["x-old".into()] };
    let body = HttpAction::ReplaceBody { body: "other".into() };
    let absent = HttpAction::Headers { set: Vec::new(), remove: vec!["x-absent".into()] };
    let headers = proxy.add_rule("f", acting(headers)).await.expect("a rule");
    let absent = proxy.add_rule("h", acting(absent)).await.expect("a rule");
    let body = proxy.add_rule("g", HttpRule { every: Some(2), ..acting(body) }).await.expect("a rule");
    for (end, length) in [("\r\n\r\n01234567890123456789", 20), ("\r\n\r\nother", 5)] {
        client.write_all(GET).await.expect("written");
        let text = read_until(&mut client, end).await.to_lowercase();
        assert!(text.contains("x-new: 2") && !text.contains("x-old"), "{text}");
        assert!(text.contains(&format!("content-length: {length}\r\n")), "{text}");
    }
    assert_eq!((headers.acted(), body.acted(), absent.acted()), (2, 1, 0), "what no answer has, nobody takes away");
    client.write_all(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("written");
    assert!(read_until(&mut client, "\r\n\r\n").await.contains("20"));
    drop((headers, body));
}

#[tokio::test]
async fn rules_cut_bodies_slow_them_down_and_reset_their_connections() {
    let (proxy, port) = proxy(twenty().await, true).await;
    for reset in [false, true] {
        let handle = proxy.add_rule("f", acting(HttpAction::CutBody { after: 7, reset })).await.expect("a rule");
        let mut client = dial(port).await;
        client.write_all(GET).await.expect("written");
        let text = read_until(&mut client, "\r\n\r\n0123456").await;
        assert!(text.contains("Content-Length: 20"), "{text}");
        let end = within(client.read(&mut [0; 8])).await.map_err(|error| error.kind());
        assert_eq!(end, if reset { Err(std::io::ErrorKind::ConnectionReset) } else { Ok(0) });
        assert_eq!(handle.acted(), 1);
    }
    let slow = proxy.add_rule("f", acting(HttpAction::SlowBody { rate: 100 })).await.expect("a rule");
    let (mut client, began) = (dial(port).await, tokio::time::Instant::now());
    client.write_all(GET).await.expect("written");
    read_until(&mut client, "\r\n\r\n01234567890123456789").await;
    assert!(began.elapsed() >= Duration::from_millis(190), "{:?}", began.elapsed());
    assert_eq!(slow.acted(), 1);
}

#[tokio::test]
async fn a_rule_acts_on_the_requests_of_its_client_alone() {
    let (service, count) = counting().await;
    let (proxy, port) = proxy(service, true).await;
    let (mut client, from) = (dial(port).await, |name: &str| HttpRule { from: Some(name.into()), ..rule(503) });
    let other = proxy.add_rule("f", from("127.0.0.2")).await.expect("a rule");
    assert!(answered(&mut client).await && answered(&mut dial(port).await).await);
    assert_eq!((count.load(Ordering::SeqCst), other.acted()), (2, 0));
    let own = proxy.add_rule("g", from("localhost")).await.expect("a rule");
    assert!(answered(&mut client).await && answered(&mut dial(port).await).await);
    assert_eq!((count.load(Ordering::SeqCst), other.acted(), own.acted()), (2, 0, 2));
    let nobody = proxy.add_rule("h", from("nobody.invalid")).await;
    assert!(nobody.is_err_and(|why| why.contains("nobody.invalid")));
}

#[tokio::test]
async fn rules_need_a_port_that_is_parsed() {
    let (proxy, _) = proxy(4711, true).await;
    assert!(proxy.add_rule("f", HttpRule { port: Some(1), ..rule(503) }).await.is_err());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let plain = Proxy::serve("127.0.0.1", vec![(listener, ProxyPort { port: 1, http: false })]);
    assert!(plain.add_rule("f", rule(503)).await.is_err());
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error() {
    let taken = TcpListener::bind("[::]:0").await.or(TcpListener::bind("0.0.0.0:0").await).expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let config = ProxyConfig { service: "x".into(), ports: vec![ProxyPort { port, http: true }] };
    let error = Proxy::start(config).await.err().expect("it is taken");
    assert!(error.contains(&port.to_string()), "{error}");
}
