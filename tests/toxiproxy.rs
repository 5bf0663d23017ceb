//! `firedrill proxy` against the answers of Toxiproxy's own server, and what its toxics do to bytes.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server with the API of Toxiproxy.
struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is this test's own, and may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(more: &[&str]) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
        command.args(["proxy", "--listen", "127.0.0.1:0"]).args(more).stderr(Stdio::piped());
        let mut child = command.spawn().expect("firedrill runs");
        let mut told = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut line = String::new();
        told.read_line(&mut line).expect("a line");
        let address = line.split("listens on ").nth(1).and_then(|rest| rest.split(';').next());
        Server { address: address.unwrap_or_else(|| panic!("{line}")).to_string(), child }
    }

    /// Status, content type and text of an answer.
    fn call(&self, method: &str, path: &str, body: Option<&str>) -> (u16, Option<String>, String) {
        self.call_with(method, path, body, "User-Agent: test\r\n")
    }

    fn call_with(&self, method: &str, path: &str, body: Option<&str>, head: &str) -> (u16, Option<String>, String) {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let text = body.unwrap_or_default();
        let length = text.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{head}\r\n{text}"
        );
        stream.write_all(request.as_bytes()).expect("it is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, text) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains("\r\nx-toxiproxy-request-id: "), "{head}");
        let is_error = head.contains("\r\ncontent-type: text/plain; charset=utf-8");
        assert_eq!(head.contains("\r\nx-content-type-options: nosniff"), is_error, "{head}");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let kind = head.lines().find_map(|line| line.strip_prefix("content-type: ")).map(str::to_string);
        (status, kind, text.to_string())
    }

    fn done(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, _, text) = self.call(method, path, Some(&body.to_string()));
        assert!((200..300).contains(&status), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// A proxy to this service; where it listens.
    fn proxy(&self, name: &str, service: &TcpListener) -> String {
        let upstream = service.local_addr().expect("an address").to_string();
        let made =
            self.done("POST", "/proxies", json!({ "name": name, "listen": "127.0.0.1:0", "upstream": upstream }));
        made["listen"].as_str().expect("an address").to_string()
    }
}

/// A service that gives back what it is sent, until the sender ends.
fn echo() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let own = listener.try_clone().expect("a listener");
    std::thread::spawn(move || {
        for stream in own.incoming().flatten() {
            std::thread::spawn(move || {
                let (mut from, mut to) = (stream.try_clone().expect("a stream"), stream);
                // Either side may be gone.
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
        }
    });
    listener
}

/// A service that tells everybody these bytes, unasked.
fn teller(bytes: Vec<u8>) -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let own = listener.try_clone().expect("a listener");
    std::thread::spawn(move || {
        // A toxic may close it.
        own.incoming().flatten().for_each(|mut stream| drop(stream.write_all(&bytes)));
    });
    listener
}

/// What comes back of these bytes, and how long that took.
fn there_and_back(address: &str, bytes: &[u8]) -> (Vec<u8>, Duration) {
    let began = Instant::now();
    let mut stream = TcpStream::connect(address).expect("it listens");
    let mut back = Vec::new();
    // A toxic may reset it at any of these.
    let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
    let _ = stream.read_to_end(&mut back);
    (back, began.elapsed())
}

/// What is compared of an answer: ports are the system's, and why a body cannot be read is worded by the reader of JSON.
fn comparable(text: &str) -> Value {
    let mut value: Value = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
    fn soften(value: &mut Value) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(listen)) = map.get_mut("listen")
                    && let Some((host, _)) = listen.rsplit_once(':')
                {
                    *listen = format!("{host}:0");
                }
                if let Some(Value::String(error)) = map.get_mut("error")
                    && error.starts_with("bad request body: ")
                {
                    *error = "bad request body".into();
                }
                map.values_mut().for_each(soften);
            }
            Value::Array(list) => list.iter_mut().for_each(soften),
            _ => {}
        }
    }
    soften(&mut value);
    value
}

/// The calls are drawn by `tests/toxiproxy/record.py`, and the answers those of Toxiproxy's own server.
#[test]
fn every_call_is_answered_as_by_toxiproxy() {
    are_answered_so(include_str!("toxiproxy/calls.json"), 300);
}

/// Chosen calls; the answers are recorded as well.
#[test]
fn calls_that_are_seldom_made_are_answered_as_by_toxiproxy() {
    are_answered_so(include_str!("toxiproxy/edges.json"), 150);
}

fn are_answered_so(calls: &str, least: usize) {
    let server = Server::start(&[]);
    let calls: Vec<Value> = serde_json::from_str(calls).expect("calls");
    assert!(calls.len() >= least);
    let mut wrong = Vec::new();
    for (at, call) in calls.iter().enumerate() {
        let text = |key: &str| call[key].as_str();
        let (method, path) = (text("method").expect("a method"), text("path").expect("a path"));
        let (status, kind, answer) = server.call(method, path, text("body"));
        let (ours, theirs) = (comparable(&answer), comparable(text("answer").expect("an answer")));
        let same = json!(status) == call["status"] && kind.as_deref() == text("type") && ours == theirs;
        if !same {
            wrong.push(format!("{at}: {call}\n    {status} {kind:?} {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), calls.len(), wrong.join("\n"));
}

#[test]
fn toxics_act_on_bytes_and_nothing_is_changed_without_them() {
    let (server, service) = (Server::start(&["--seed", "7"]), echo());
    let address = server.proxy("echo", &service);
    let bytes: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
    assert_eq!(there_and_back(&address, &bytes).0, bytes);

    let toxic = |kind: &str, attributes: Value| {
        server.done("POST", "/reset", json!({}));
        server.done("POST", "/proxies/echo/toxics", json!({ "type": kind, "attributes": attributes }));
        there_and_back(&address, &bytes)
    };
    let (back, took) = toxic("latency", json!({ "latency": 300, "jitter": 50 }));
    assert!(back == bytes && took >= Duration::from_millis(250), "{took:?}");
    let (back, took) = toxic("bandwidth", json!({ "rate": 400 }));
    assert!(back == bytes && took >= Duration::from_millis(490), "{took:?}");
    let (back, took) = toxic("slow_close", json!({ "delay": 300 }));
    assert!(back == bytes && took >= Duration::from_millis(300), "{took:?}");
    let (back, took) = toxic("slicer", json!({ "average_size": 20_000, "size_variation": 5_000, "delay": 20_000 }));
    assert!(back == bytes && took >= Duration::from_millis(100), "{took:?}");
    // The limit closes the connection. What a client still sends then resets it, and may take what it has not read yet: this one only reads.
    let limited = server.proxy("told", &teller(bytes.clone()));
    let limit = json!({ "type": "limit_data", "attributes": { "bytes": 70_000 } });
    server.done("POST", "/proxies/told/toxics", limit);
    assert_eq!(there_and_back(&limited, &[]).0, bytes[..70_000]);
    server.done("POST", "/reset", json!({}));
    server.done("POST", "/proxies/echo/toxics", json!({ "type": "timeout", "attributes": { "timeout": 200 } }));
    let (began, mut stream) = (Instant::now(), TcpStream::connect(&address).expect("it listens"));
    stream.write_all(b"x").expect("it takes it");
    let mut back = Vec::new();
    // It may be closed or reset.
    let _ = stream.read_to_end(&mut back);
    assert!(back.is_empty() && began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
    let (back, _) = toxic("reset_peer", json!({ "timeout": 0 }));
    assert!(back.is_empty());

    server.done("POST", "/reset", json!({}));
    server.done(
        "POST",
        "/proxies/echo/toxics",
        json!({ "type": "timeout", "toxicity": 0, "attributes": { "timeout": 1 } }),
    );
    assert_eq!(there_and_back(&address, &bytes).0, bytes, "toxicity 0 does nothing");
    server.done("PATCH", "/proxies/echo", json!({ "enabled": false }));
    assert!(TcpStream::connect(&address).is_err(), "nobody listens");
    server.done("PATCH", "/proxies/echo", json!({ "enabled": true }));
    server.done("POST", "/reset", json!({}));
    assert_eq!(there_and_back(&address, &bytes).0, bytes);
    let metrics = server.call("GET", "/metrics", None).2;
    assert!(metrics.contains("toxiproxy_proxy_sent_bytes_total{direction=\"downstream\""), "{metrics}");
}

/// A service that answers every request with `hello` and a header; each connection has one.
fn web() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let own = listener.try_clone().expect("a listener");
    std::thread::spawn(move || {
        for mut stream in own.incoming().flatten() {
            // A client that only looks whether somebody listens asks nothing.
            let _ = stream.read(&mut [0; 4096]);
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\nETag: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
        }
    });
    listener
}

/// What a request over this connection is answered with.
fn asked(stream: &mut TcpStream, request: &str) -> String {
    write!(stream, "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("it takes it");
    let mut answer = String::new();
    // It may be cut short, or reset.
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn toxics_of_http_act_on_requests_and_are_refused_with_the_reason() {
    let (server, service) = (Server::start(&["--seed", "3"]), web());
    let address = server.proxy("web", &service);
    let get = |request: &str| asked(&mut TcpStream::connect(&address).expect("it listens"), request);
    let plain = get("GET /a");
    assert!(plain.contains("200 OK") && plain.ends_with("hello"), "{plain}");
    let put = |toxic: Value| {
        server.done("POST", "/reset", json!({}));
        server.done("POST", "/proxies/web/toxics", toxic)
    };

    let status = json!({ "status": 429, "body": "slow down", "retry_after": 7, "method": "post", "path": "/pay*" });
    let made = put(json!({ "type": "http_status", "attributes": status }));
    assert_eq!(
        made,
        json!({ "name": "http_status_downstream", "type": "http_status", "stream": "downstream", "toxicity": 1,
            "attributes": status })
    );
    let refused = get("POST /pay/1");
    assert!(refused.contains("429") && refused.contains("retry-after: 7") && refused.ends_with("slow down"));
    assert_eq!([get("GET /pay/1"), get("POST /a")], [plain.clone(), plain.clone()], "only what it is for");
    let changed = server.done(
        "PATCH",
        "/proxies/web/toxics/http_status_downstream",
        json!({ "attributes": { "status": 503, "method": null } }),
    );
    assert_eq!((&changed["attributes"]["status"], changed["attributes"].get("method")), (&json!(503), None));
    assert!(get("GET /pay/1").contains("503"));

    put(json!({ "type": "http_delay", "attributes": { "delay": 300 } }));
    let began = Instant::now();
    assert!(get("GET /a") == plain && began.elapsed() >= Duration::from_millis(300));
    put(json!({ "type": "http_body", "attributes": { "cut": 2 } }));
    assert!(get("GET /a").ends_with("\r\n\r\nhe"));
    put(json!({ "type": "http_body", "attributes": { "replace": "other" } }));
    assert!(get("GET /a").ends_with("other"));
    put(json!({ "type": "http_header", "attributes": { "set": { "X-A": "1" }, "remove": ["ETag"] } }));
    let changed = get("GET /a").to_ascii_lowercase();
    assert!(changed.contains("x-a: 1") && !changed.contains("etag"), "{changed}");
    // Nobody needs the service where a rule answers in its place; beside a toxic of connections, and by half of them.
    put(json!({ "type": "http_status", "toxicity": 0.5, "attributes": { "status": 500, "per": "connection" } }));
    server.done("POST", "/proxies/web/toxics", json!({ "type": "latency", "attributes": { "latency": 1 } }));
    let answers: Vec<bool> = (0..40).map(|_| get("GET /a").contains("500")).collect();
    assert!(answers.contains(&true) && answers.contains(&false), "{answers:?}");
    put(json!({ "type": "http_status", "toxicity": 0, "attributes": { "status": 500 } }));
    let mut open = TcpStream::connect(&address).expect("it listens");
    std::thread::sleep(Duration::from_millis(100));
    server.done("PATCH", "/proxies/web/toxics/http_status_downstream", json!({ "toxicity": 1 }));
    assert!(asked(&mut open, "GET /a").contains("500"), "a connection that was open");

    let errors = [
        (json!({ "type": "http_status" }), "missing required field: attributes.status"),
        (
            json!({ "type": "http_status", "attributes": { "status": 99 } }),
            "http_status: 99 is not the status of an answer",
        ),
        (json!({ "type": "http_status", "attributes": { "status": "a" } }), "status: invalid type: string"),
        (
            json!({ "type": "http_delay", "attributes": { "delay": 1, "delya": 1 } }),
            "http_delay has no attribute \"delya\"",
        ),
        (json!({ "type": "http_delay", "attributes": { "delay": 1, "path": "a" } }), "it begins with `/`"),
        (
            json!({ "type": "http_delay", "attributes": { "delay": 1, "per": "hour" } }),
            "is not `request` or `connection`",
        ),
        (json!({ "type": "http_body" }), "missing required field: attributes.replace, cut or rate"),
        (json!({ "type": "http_body", "attributes": { "rate": 0 } }), "a rate of 0 never ends"),
        (json!({ "type": "http_body", "attributes": { "rate": 1, "cut": 1 } }), "not two of these"),
        (json!({ "type": "http_header" }), "missing required field: attributes.set or remove"),
        (json!({ "type": "http_header", "attributes": { "set": { "a b": "1" } } }), "is not the name of a header"),
        (json!({ "type": "http_nothing" }), "invalid toxic type"),
    ];
    for (mut toxic, told) in errors {
        toxic["name"] = json!("refused");
        let (status, _, text) = server.call("POST", "/proxies/web/toxics", Some(&toxic.to_string()));
        let error: Value = serde_json::from_str(&text).expect("JSON");
        assert!(status == 400 && error["error"].as_str().is_some_and(|error| error.contains(told)), "{toxic}: {text}");
    }
}

/// In Go `0.0.0.0` is every address of IPv6 as well.
#[test]
fn every_address_is_listened_on_by_either_name() {
    let (server, service) = (Server::start(&[]), echo());
    let upstream = service.local_addr().expect("an address").to_string();
    for (name, listen) in [("a", "0.0.0.0:0"), ("b", "[::]:0"), ("c", ":0"), ("d", "[::1]:0")] {
        let made = server.done("POST", "/proxies", json!({ "name": name, "listen": listen, "upstream": upstream }));
        let listens = made["listen"].as_str().expect("an address");
        let (host, port) = listens.rsplit_once(':').expect("a port");
        assert_eq!(host, if name == "d" { "[::1]" } else { "[::]" });
        let reached = if name == "d" { vec!["[::1]"] } else { vec!["127.0.0.1", "[::1]"] };
        for host in reached {
            assert_eq!(there_and_back(&format!("{host}:{port}"), b"x").0, b"x", "{name} by {host}");
        }
        let same = json!([{ "name": name, "listen": listen.replace(":0", &format!(":{port}")), "upstream": upstream }]);
        let open = TcpStream::connect(format!("[::1]:{port}")).expect("it listens");
        server.done("POST", "/populate", same);
        open.set_read_timeout(Some(Duration::from_millis(100))).expect("an option");
        let kept = (&open).read(&mut [0]).expect_err("it is not closed");
        assert_eq!(kept.kind(), std::io::ErrorKind::WouldBlock, "what does not differ is kept");
    }
}

/// An upstream without a host is this machine, and which address is taken is said with its port.
#[test]
fn addresses_are_those_of_toxiproxy() {
    let (server, service) = (Server::start(&[]), echo());
    let upstream = format!(":{}", service.local_addr().expect("an address").port());
    let made = server.done("POST", "/proxies", json!({ "name": "a", "listen": "127.0.0.1:0", "upstream": upstream }));
    let listens = made["listen"].as_str().expect("an address");
    assert_eq!(there_and_back(listens, b"x").0, b"x");
    let taken = json!({ "name": "b", "listen": listens, "upstream": upstream }).to_string();
    let (status, _, text) = server.call("POST", "/proxies", Some(&taken));
    assert!(status == 500 && text.contains(&format!("listen tcp {listens}: bind: address already in use")), "{text}");
}

/// The API of others waits for data that is stuck.
#[test]
fn toxics_are_taken_out_while_data_is_stuck() {
    let (server, service) = (Server::start(&[]), echo());
    let address = server.proxy("echo", &service);
    let held = json!({ "name": "held", "type": "bandwidth", "attributes": { "rate": 0 } });
    server.done("POST", "/proxies/echo/toxics", held);
    let mut streams: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(&address).expect("it listens")).collect();
    streams.iter_mut().for_each(|stream| stream.write_all(b"stuck").expect("it takes them"));
    let (status, ..) = server.call("DELETE", "/proxies/echo/toxics/held", None);
    assert_eq!(status, 204);
    for stream in &mut streams {
        let mut back = [0; 5];
        stream.read_exact(&mut back).expect("what was held goes on");
        assert_eq!(&back, b"stuck");
    }
}

#[test]
fn a_configuration_has_toxics_and_its_mistakes_are_told_with_their_place() {
    let (dir, service) = (tempfile::tempdir().expect("a directory"), echo());
    let path = dir.path().join("toxiproxy.json");
    let write = |text: &str| std::fs::write(&path, text).expect("a file");
    let upstream = service.local_addr().expect("an address").to_string();
    let slow = json!({ "type": "latency", "attributes": { "latency": 200 } });
    write(&json!([{ "name": "echo", "listen": "127.0.0.1:0", "upstream": upstream, "toxics": [slow] }]).to_string());
    let file = path.to_str().expect("UTF-8");
    let server = Server::start(&["--config", file]);
    let made: Value = serde_json::from_str(&server.call("GET", "/proxies/echo", None).2).expect("JSON");
    assert_eq!(made["toxics"][0]["name"], "latency_downstream");
    let (_, took) = there_and_back(made["listen"].as_str().expect("an address"), b"x");
    assert!(took >= Duration::from_millis(200), "{took:?}");
    drop(server);

    let refused = |text: &str| {
        write(text);
        let output = Command::new(env!("CARGO_BIN_EXE_firedrill"))
            .args(["proxy", "--listen", "127.0.0.1:0", "--config", file])
            .output()
            .expect("firedrill runs");
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(refused("[\n  {,}\n]").contains("toxiproxy.json:2:4: "));
    let told = refused(r#"[{"name":"a","upstream":"b:1","toxics":[{"type":"latancy"}]},{"name":"c"}]"#);
    assert!(told.contains("invalid toxic type (toxic 1 of proxy a)"), "{told}");
    assert!(told.contains("missing required field: upstream at proxy 2"), "all mistakes at once: {told}");
}

#[test]
fn browsers_large_bodies_and_toxics_that_cannot_be_read_are_refused() {
    let server = Server::start(&[]);
    assert_eq!(server.call_with("GET", "/proxies", None, "User-Agent: Mozilla/5.0\r\n").0, 403);
    assert_eq!(server.call_with("GET", "/proxies", None, "Origin: http://evil.example\r\n").0, 403);
    assert_eq!(server.call_with("GET", "/proxies", None, "Sec-Fetch-Site: same-origin\r\n").0, 403);
    let large = format!("\"{}\"", "x".repeat(1024 * 1024));
    assert_eq!(server.call("POST", "/populate", Some(&large)).0, 413);
    let (status, _, text) = server.call("POST", "/proxies", Some(r#"{"name":"a","upstream":"b:1","toxics":{}}"#));
    assert!(status == 400 && text.contains("bad request body: toxics: an array was expected, not {}"), "{text}");
}

/// A client that has said all that it has to say still gets its answer; one that has not is not understood.
#[test]
fn a_call_whose_client_has_ended_its_side_is_carried_out_if_it_is_whole() {
    let server = Server::start(&[]);
    let answered = |name: &str, missing: usize| {
        let body = json!({ "name": name, "listen": "127.0.0.1:0", "upstream": "127.0.0.1:1" }).to_string();
        let (length, body) = (body.len(), &body[..body.len() - missing]);
        let mut stream = TcpStream::connect(&server.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("an option");
        let head = "POST /proxies HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ";
        stream.write_all(format!("{head}{length}\r\n\r\n{body}").as_bytes()).expect("it is sent");
        stream.shutdown(Shutdown::Write).expect("it is open");
        let mut answer = String::new();
        // What is not whole may be answered or not.
        let _ = stream.read_to_string(&mut answer);
        (answer.starts_with("HTTP/1.1 201 "), server.call("GET", &format!("/proxies/{name}"), None).0)
    };
    assert_eq!(answered("whole", 0), (true, 200));
    assert_eq!(answered("cut", 5), (false, 404));
}

/// What a script with the client from PyPI does: every call that it has.
const CLIENT: &str = r#"
import socket, sys, time
from toxiproxy import Toxiproxy
from toxiproxy.exceptions import InvalidToxic, ProxyExists

host, port, upstream = sys.argv[1:]
server = Toxiproxy()
server.update_api_consumer(host, int(port))
assert server.running() and b"version" in server.version()
proxy = server.create(name="echo", upstream=upstream)
at, on = proxy.listen.rsplit(":", 1)

def took():
    began = time.monotonic()
    with socket.create_connection((at, int(on))) as stream:
        stream.sendall(b"ping")
        assert stream.recv(4) == b"ping"
    return time.monotonic() - began

took()
proxy.add_toxic(type="latency", attributes={"latency": 300, "jitter": 0})
toxic = proxy.get_toxic("latency_downstream")
assert toxic.attributes == {"latency": 300, "jitter": 0} and toxic.toxicity == 1, vars(toxic)
assert took() >= 0.3
proxy.destroy_toxic("latency_downstream")
assert proxy.toxics() == {}
with proxy.down():
    try:
        took()
        raise SystemExit("nobody should listen")
    except OSError:
        pass
took()
for wrong, error in [(lambda: proxy.add_toxic(type="none"), InvalidToxic), (lambda: server.create(name="echo", upstream=upstream), ProxyExists)]:
    try:
        wrong()
        raise SystemExit("it should be refused")
    except error:
        pass
other = {"name": "other", "upstream": upstream, "listen": "127.0.0.1:0"}
assert [made.name for made in server.populate([other])] == ["other"]
proxy.add_toxic(type="timeout", stream="upstream", toxicity=0.5)
assert server.reset() and proxy.toxics() == {}
server.destroy_all()
assert server.proxies() == {}
print("done")
"#;

/// Where these packages of PyPI are, or that they cannot be had (`.config/nextest.toml` shows it).
fn installed(packages: &[&str]) -> Option<tempfile::TempDir> {
    let dir = tempfile::tempdir().expect("a directory");
    let pip = ["-m", "pip", "install", "--quiet", "--timeout", "5", "--retries", "0", "--target"];
    let had = Command::new("python3").args(pip).arg(dir.path()).args(packages).output();
    if had.as_ref().is_ok_and(|output| output.status.success()) {
        return Some(dir);
    }
    eprintln!("SKIPPED: {packages:?} cannot be installed: {had:?}");
    None
}

#[test]
fn the_client_for_python_works_unchanged() {
    let Some(packages) = installed(&["toxiproxy-python==0.1.1"]) else { return };
    let (server, service) = (Server::start(&[]), echo());
    let (host, port) = server.address.split_once(':').expect("an address");
    let upstream = service.local_addr().expect("an address").to_string();
    let mut client = Command::new("python3");
    let output = client.args(["-c", CLIENT, host, port, &upstream]).env("PYTHONPATH", packages.path()).output();
    let output = output.expect("python runs");
    assert!(output.status.success() && output.stdout == b"done\n", "{output:?}");
}

/// An experiment with every action and probe of its extension for Toxiproxy.
#[test]
fn chaos_toolkit_works_unchanged() {
    let Some(packages) = installed(&["chaostoolkit==1.19.0", "chaostoolkit-toxiproxy==0.3.1"]) else { return };
    let (server, service) = (Server::start(&[]), echo());
    let (host, port) = server.address.split_once(':').expect("an address");
    let call = |module: &str, func: &str, arguments: Value| {
        let kind = if module == "proxy.probes" { "probe" } else { "action" };
        let module = format!("chaostoxi.{module}");
        let provider = json!({ "type": "python", "module": module, "func": func, "arguments": arguments });
        json!({ "type": kind, "name": func, "provider": provider })
    };
    let proxy = |func: &str| call("proxy.actions", func, json!({ "proxy_name": "echo" }));
    let toxic = |func: &str, name: &str, mut arguments: Value| {
        arguments["for_proxy"] = "echo".into();
        arguments["toxic_name"] = name.into();
        call("toxic.actions", func, arguments)
    };
    let upstream = service.local_addr().expect("an address");
    let made = json!({ "proxy_name": "echo", "upstream_host": "127.0.0.1", "upstream_port": upstream.port(),
        "listen_host": "127.0.0.1", "listen_port": 0 });
    let moved =
        json!({ "proxy_name": "echo", "listen_address": "127.0.0.1:0", "upstream_address": upstream.to_string() });
    let method = json!([
        call("proxy.actions", "create_proxy", made),
        call("proxy.probes", "proxy_exist", json!({ "proxy_name": "echo" })),
        proxy("disable_proxy"),
        call("proxy.probes", "get_proxy_attribute", json!({ "proxy_name": "echo", "attribute": "enabled" })),
        proxy("enable_proxy"),
        call("proxy.actions", "modify_proxy", moved),
        toxic("create_latency_toxic", "latency", json!({ "latency": 500, "jitter": 10 })),
        toxic("create_bandwith_degradation_toxic", "bandwidth", json!({ "rate": 100 })),
        toxic("create_slow_connection_close_toxic", "slow", json!({ "delay": 100 })),
        toxic("create_timeout_toxic", "timeout", json!({ "timeout": 100 })),
        toxic("create_slicer_toxic", "slicer", json!({ "average_size": 64, "size_variation": 32, "delay": 10 })),
        toxic("create_limiter_toxic", "limit", json!({ "bytes_limit": 100 })),
        toxic("delete_toxic", "latency", json!({})),
        call("proxy.actions", "reset", json!({})),
        proxy("delete_proxy"),
    ]);
    let configuration = json!({ "toxiproxy_host": host, "toxiproxy_port": port });
    let experiment = json!({ "title": "Toxiproxy", "description": "every call", "configuration": configuration,
        "method": method, "rollbacks": [] });
    let path = packages.path().join("experiment.json");
    std::fs::write(&path, experiment.to_string()).expect("a file");
    let mut chaos = Command::new("python3");
    chaos.args(["-m", "chaostoolkit", "--no-version-check", "run", "experiment.json"]);
    let output = chaos.current_dir(packages.path()).env("PYTHONPATH", packages.path()).output().expect("python runs");
    assert!(output.status.success(), "{output:?}");
    let journal = std::fs::read(packages.path().join("journal.json")).expect("a journal");
    let journal: Value = serde_json::from_slice(&journal).expect("JSON");
    for step in journal["run"].as_array().expect("steps") {
        // What the extension returns: true, a value, or nothing of a deletion. False is a call that was refused.
        let refused = step["output"] == false && step["activity"]["name"] != "get_proxy_attribute";
        assert!(step["status"] == "succeeded" && !refused, "{step}");
    }
    let of = |name: &str| journal["run"].as_array().into_iter().flatten().find(|step| step["activity"]["name"] == name);
    assert_eq!(of("get_proxy_attribute").expect("its step")["output"], false, "it was disabled");
    assert_eq!(server.call("GET", "/proxies", None).2, "{}");
}
