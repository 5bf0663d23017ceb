//! A whole agent over its real socket: sessions, leases, loads, rules.

use super::listen::{CONTROL, serve_sessions};
use super::session::AgentSession;
use super::*;
use crate::agent::ability::Ability;
use crate::agent::load::Load;
use crate::agent::protocol::{AgentAnswer, AgentAsk, AgentMessage, AgentRequest, LEASE, Told};
use crate::agent::proxy::{HttpAction, HttpRule, Proxy, ProxyPort};
use crate::agent::{AgentClient, AgentError, Clock};
use crate::load::{LoadReport, LoadSpec};
use crate::record::Slice;
use crate::slis::{Comparison, Good, Ratio, SliSpec, Term};
use crate::stack::Channel;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(30);

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("{what} did not happen in time"))
}

/// Asks again and again until the answer is yes.
async fn until(what: &str, mut yes: impl AsyncFnMut() -> bool) {
    within(what, async {
        while !yes().await {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

struct Agent {
    _dir: tempfile::TempDir,
    socket: PathBuf,
    shutdown: CancellationToken,
    served: JoinHandle<Result<(), String>>,
}

impl Agent {
    async fn start(proxy: Option<Proxy>, lease: Duration) -> Agent {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("agent.sock");
        let shutdown = CancellationToken::new();
        let session = AgentSession { clock: Clock::start(), proxy, lease, shutdown: shutdown.clone() };
        let served = tokio::spawn({
            let socket = socket.clone();
            async move { serve_sessions(&socket, session).await }
        });
        let agent = Agent { _dir: dir, socket, shutdown, served };
        until("listening", async || ping(&agent.socket).await.is_ok()).await;
        agent
    }

    /// As the runner does it: through `control`.
    async fn connect(&self) -> Result<(AgentClient, Receiver<AgentMessage>), AgentError> {
        let start = Instant::now();
        AgentClient::open("fd-agent".into(), channel(&self.socket), move || start.elapsed().as_micros() as u64).await
    }
}

/// Carries lines to and from `control`, as an exec session does.
fn channel(socket: &Path) -> Channel {
    let (near, mut far) = Channel::pair(64);
    let (input, mut lines_in) = tokio::io::duplex(65_536);
    let (output, lines_out) = tokio::io::duplex(65_536);
    let socket = socket.to_path_buf();
    tokio::spawn(async move { control(&socket, input, output).await });
    tokio::spawn(async move {
        while let Some(line) = far.rx.recv().await {
            if lines_in.write_all(format!("{line}\n").as_bytes()).await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        let mut lines = BufReader::new(lines_out).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if far.tx.send(line).await.is_err() {
                return;
            }
        }
    });
    near
}

/// A connection that a test drives by hand.
struct Raw {
    lines: tokio::io::Lines<BufReader<OwnedReadHalf>>,
    to: OwnedWriteHalf,
}

impl Raw {
    async fn connect(socket: &Path) -> Raw {
        let (from, to) = UnixStream::connect(socket).await.unwrap().into_split();
        let mut raw = Raw { lines: BufReader::new(from).lines(), to };
        raw.say(CONTROL).await;
        raw
    }

    async fn say(&mut self, line: &str) {
        self.to.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn hear(&mut self) -> Option<AgentMessage> {
        let line = within("an answer", self.lines.next_line()).await.unwrap()?;
        Some(serde_json::from_str(&line).unwrap())
    }
}

/// What a service has seen.
#[derive(Default)]
struct Seen {
    requests: AtomicU64,
    open_connections: AtomicU64,
}

/// A service that answers 200 to everything and counts; returns its port.
async fn service() -> (u16, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Seen::default());
    let counts = seen.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counts = counts.clone();
            tokio::spawn(async move {
                counts.open_connections.fetch_add(1, Ordering::SeqCst);
                let mut bytes = Vec::new();
                while matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
                    while let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                        bytes.drain(..end + 4);
                        counts.requests.fetch_add(1, Ordering::SeqCst);
                        // A client that is gone shows at the next read.
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
                    }
                }
                counts.open_connections.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (port, seen)
}

/// Status of one GET on a connection of its own.
async fn status(port: u16) -> u16 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    within("an answer", stream.read_exact(&mut head)).await.unwrap();
    std::str::from_utf8(&head[9..]).unwrap().parse().unwrap()
}

async fn proxied() -> (Proxy, u16) {
    let (port, _) = service().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let reach = listener.local_addr().unwrap().port();
    (Proxy::serve("127.0.0.1", vec![(listener, ProxyPort { port, http: true })]), reach)
}

fn rule() -> AgentAsk {
    first(None)
}

/// The same for the first so many requests.
fn first(first: Option<u64>) -> AgentAsk {
    let action = HttpAction::Status { status: 503, body: None, retry_after: None };
    let (port, from, method, path, header, every) = Default::default();
    HttpRule { port, from, method, path, header, share: 1.0, per_connection: false, first, every, action, seed: 1 }
        .ask("http_status")
}

fn confirm() -> AgentAsk {
    AgentAsk::Look { id: "http_status".into() }
}

fn load(port: u16, rate: f64) -> Load {
    let spec = LoadSpec {
        name: "shop".into(),
        method: "GET".into(),
        url: format!("http://127.0.0.1:{port}/"),
        headers: vec![],
        body: None,
        rate,
        timeout: Duration::from_secs(10),
        connections: 50,
        keep_alive: true,
        ca: None,
        acknowledged: None,
        expect: Default::default(),
        then: Vec::new(),
    };
    let good = Good { text: "status < 500".into(), terms: vec![Term::Status(Comparison::Less, 500)] };
    let sli =
        SliSpec { name: "ok".into(), series: "shop".into(), good, objective: Ratio::new(0.99).unwrap(), slo: None };
    Load { spec, slis: vec![sli], seed: 1 }
}

#[tokio::test]
async fn every_write_of_a_ledger_is_told_before_the_slice_in_which_it_was_due() {
    let (port, _) = service().await;
    let agent = Agent::start(None, LEASE).await;
    let (client, mut messages) = agent.connect().await.unwrap();
    let mut load = load(port, 100.0);
    let text = "status == 200".to_string();
    load.spec.acknowledged = Some(Good { text, terms: vec![Term::Status(Comparison::Equal, 200)] });
    let before = Clock::start().now_us();
    client.ask(load.ask("load")).await.unwrap();
    let (mut writes, mut due) = (Vec::new(), 0);
    within("ten slices", async {
        while let Some(message) = messages.recv().await {
            let AgentMessage::Told { told } = message else { continue };
            match told {
                Told::Load(LoadReport::Write { write, clock_us, acknowledged }) => {
                    assert!(acknowledged);
                    assert!(clock_us >= before);
                    writes.push(write);
                }
                Told::Load(LoadReport::Slice(slice)) => {
                    due += slice.due;
                    let told = (0..due).filter(|write| writes.contains(write)).count() as u64;
                    assert_eq!(told, due, "every write of a slice that is closed");
                    if slice.index == 9 {
                        return;
                    }
                }
                _ => {}
            }
        }
        panic!("the agent went away");
    })
    .await;
    assert!(due >= 90, "{due}");
}

#[tokio::test]
async fn a_fault_is_put_in_confirmed_and_lifted() {
    let (proxy, port) = proxied().await;
    let agent = Agent::start(Some(proxy), LEASE).await;
    let (client, _messages) = agent.connect().await.unwrap();
    assert!(matches!(client.ask(confirm()).await.unwrap(), AgentAnswer::Gone { .. }));
    client.ask(rule()).await.unwrap();
    assert!(matches!(client.ask(confirm()).await.unwrap(), AgentAnswer::InPlace { .. }));
    assert_eq!(status(port).await, 503);
    let again = client.ask(rule()).await.unwrap_err();
    insta::assert_snapshot!(again, @"the fault `http_status` is already held");
    for _ in 0..2 {
        client.ask(AgentAsk::Lift { id: "http_status".into() }).await.unwrap();
        assert!(matches!(client.ask(confirm()).await.unwrap(), AgentAnswer::Gone { .. }));
        assert_eq!(status(port).await, 200);
    }
    client.ask(rule()).await.unwrap();
    assert_eq!(status(port).await, 503, "a fault that was lifted can come back");
}

#[tokio::test]
async fn a_fault_that_has_done_all_that_it_was_asked_for_is_gone_by_itself() {
    let (proxy, port) = proxied().await;
    let agent = Agent::start(Some(proxy), LEASE).await;
    let (client, _messages) = agent.connect().await.unwrap();
    client.ask(first(Some(2))).await.unwrap();
    // It may be over before anybody has looked, and was there.
    assert_eq!([status(port).await, status(port).await, status(port).await], [503, 503, 200]);
    assert!(matches!(client.ask(confirm()).await.unwrap(), AgentAnswer::InPlace { .. }));
    let AgentAnswer::Gone { detail, by_itself: true, .. } = client.ask(confirm()).await.unwrap() else {
        panic!("nobody ended it");
    };
    assert!(detail.contains("it acts on no more requests") && detail.contains("2 of 3"), "{detail}");
    client.ask(AgentAsk::Lift { id: "http_status".into() }).await.unwrap();
    assert!(matches!(client.ask(confirm()).await.unwrap(), AgentAnswer::Gone { by_itself: false, .. }));
}

#[tokio::test]
async fn end_of_file_lifts_everything_at_once() {
    let (proxy, port) = proxied().await;
    let agent = Agent::start(Some(proxy), LEASE).await;
    let (client, messages) = agent.connect().await.unwrap();
    client.ask(rule()).await.unwrap();
    assert_eq!(status(port).await, 503);
    let closed = Instant::now();
    // As when the runner is killed: its end of the channel is gone.
    drop((client, messages));
    until("lifting", async || status(port).await == 200).await;
    assert!(closed.elapsed() < LEASE, "it did not wait for the lease: {:?}", closed.elapsed());
}

#[tokio::test]
async fn closing_returns_when_everything_was_lifted() {
    let (proxy, port) = proxied().await;
    let agent = Agent::start(Some(proxy), LEASE).await;
    let (client, _messages) = agent.connect().await.unwrap();
    client.ask(rule()).await.unwrap();
    assert!(client.close().await);
    assert_eq!(status(port).await, 200);
}

#[tokio::test]
async fn silence_loses_the_lease() {
    let (proxy, port) = proxied().await;
    let agent = Agent::start(Some(proxy), Duration::from_secs(2)).await;
    let mut raw = Raw::connect(&agent.socket).await;
    assert!(matches!(raw.hear().await, Some(AgentMessage::Hello { .. })));
    raw.say(&serde_json::to_string(&AgentRequest { id: 7, ask: rule() }).unwrap()).await;
    assert!(matches!(raw.hear().await, Some(AgentMessage::Reply { id: 7, answer: AgentAnswer::Done { .. }, .. })));
    assert_eq!(raw.hear().await, Some(AgentMessage::LeaseLost));
    assert_eq!(status(port).await, 200);
    raw.say(r#"{"id":8,"ask":{"op":"heartbeat"}}"#).await;
    let Some(AgentMessage::Reply { id: 8, answer: AgentAnswer::Failed { reason }, .. }) = raw.hear().await else {
        panic!("nothing is taken any more")
    };
    insta::assert_snapshot!(reason, @"the lease was lost: the runner was silent for 2 s, and everything was lifted");
    // The place is free although the first connection still stands.
    let mut next = Raw::connect(&agent.socket).await;
    assert!(matches!(next.hear().await, Some(AgentMessage::Hello { .. })));
}

#[tokio::test]
async fn one_runner_at_a_time() {
    let agent = Agent::start(None, LEASE).await;
    let (first, _messages) = agent.connect().await.unwrap();
    let refused = agent.connect().await.err().unwrap();
    insta::assert_snapshot!(refused, @"the agent fd-agent is gone: another runner controls this agent: wait until it has ended, or stop it");
    first.ask(confirm()).await.unwrap();
    ping(&agent.socket).await.unwrap();
    assert!(first.close().await);
    agent.connect().await.unwrap();
}

#[tokio::test]
async fn what_is_not_understood_is_answered() {
    let agent = Agent::start(None, LEASE).await;
    let mut raw = Raw::connect(&agent.socket).await;
    raw.hear().await;
    for (line, id) in [(r#"{"id":3,"ask":{"op":"dance"}}"#, 3), ("not json", 0), (r#"{"ask":{"op":"heartbeat"}}"#, 0)] {
        raw.say(line).await;
        match raw.hear().await {
            Some(AgentMessage::Reply { id: replied, answer: AgentAnswer::Failed { reason }, .. }) => {
                assert_eq!(replied, id);
                assert!(reason.starts_with("this agent does not understand the request: "), "{reason}");
            }
            other => panic!("{line} got {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_ability_that_is_not_there_is_refused() {
    let agent = Agent::start(None, LEASE).await;
    let (client, _messages) = agent.connect().await.unwrap();
    let ask =
        |ability: &str| AgentAsk::Begin { ability: ability.into(), id: "x".into(), message: serde_json::Value::Null };
    insta::assert_snapshot!(client.ask(ask("dance")).await.unwrap_err(), @"this agent has no ability `dance`");
    insta::assert_snapshot!(client.ask(ask("load_surge")).await.unwrap_err(), @"`load_surge` of x: invalid type: null, expected struct SurgeAbility");
}

#[tokio::test]
async fn a_rule_needs_a_proxy() {
    let agent = Agent::start(None, LEASE).await;
    let (client, _messages) = agent.connect().await.unwrap();
    insta::assert_snapshot!(client.ask(rule()).await.unwrap_err(), @"this agent is not in front of a service");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loads_are_reported_in_slices_that_begin_at_the_same_instants() {
    let (port, seen) = service().await;
    let agent = Agent::start(None, LEASE).await;
    let (client, mut messages) = agent.connect().await.unwrap();
    client.ask(load(port, 70.0).ask("load shop")).await.unwrap();
    insta::assert_snapshot!(client.ask(load(port, 1.0).ask("load shop")).await.unwrap_err(), @"the fault `load shop` is already held");
    let other = Load { spec: LoadSpec { name: "other".into(), ..load(port, 20.0).spec }, ..load(port, 20.0) };
    client.ask(other.ask("load other")).await.unwrap();
    let mut slices: Vec<Slice> = Vec::new();
    while slices.iter().filter(|slice| slice.load == "other").count() < 3 {
        if let Some(AgentMessage::Told { told: Told::Load(LoadReport::Slice(slice)) }) =
            within("a slice", messages.recv()).await
        {
            assert_eq!(slice.start_us.0 % 100_000, 0);
            slices.push(slice);
        }
    }
    assert!(matches!(
        client.ask(AgentAsk::Look { id: "load shop".into() }).await.unwrap(),
        AgentAnswer::InPlace { .. }
    ));
    let shop: Vec<_> = slices.iter().filter(|slice| slice.load == "shop").collect();
    for (n, slice) in shop.iter().enumerate() {
        assert_eq!((slice.index, slice.start_us.0), (n as u64, shop[0].start_us.0 + n as u64 * 100_000));
        assert_eq!((slice.due, slice.good["ok"]), (7, 7));
    }
    let others = slices.iter().find(|slice| slice.load == "other").unwrap();
    assert_eq!((others.due, others.good.len()), (2, 0), "the SLI is over the other load");
    for id in ["load shop", "load other"] {
        client.ask(AgentAsk::Lift { id: id.into() }).await.unwrap();
    }
    until("silence", async || seen.open_connections.load(Ordering::SeqCst) == 0).await;
    client.ask(load(port, 10.0).ask("load shop")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_that_is_gone_ends_the_load() {
    let (port, seen) = service().await;
    let agent = Agent::start(None, LEASE).await;
    let (client, messages) = agent.connect().await.unwrap();
    client.ask(load(port, 500.0).ask("load")).await.unwrap();
    until("load", async || seen.requests.load(Ordering::SeqCst) >= 10).await;
    assert!(seen.open_connections.load(Ordering::SeqCst) > 0);
    drop((client, messages));
    until("silence", async || seen.open_connections.load(Ordering::SeqCst) == 0).await;
    until("the next session", async || agent.connect().await.is_ok()).await;
}

#[tokio::test]
async fn a_load_that_cannot_be_sent_starts_nothing() {
    let agent = Agent::start(None, LEASE).await;
    let (client, _messages) = agent.connect().await.unwrap();
    insta::assert_snapshot!(client.ask(load(1, -1.0).ask("load")).await.unwrap_err(),
        @"load `shop`: a rate of -1/s cannot be sent: it must be above 0 and at most 100000/s");
    assert!(matches!(client.ask(AgentAsk::Look { id: "load".into() }).await.unwrap(), AgentAnswer::Gone { .. }));
}

#[tokio::test]
async fn a_stop_of_the_agent_lifts_everything_and_removes_its_socket() {
    let (proxy, port) = proxied().await;
    let agent = Agent::start(Some(proxy), LEASE).await;
    let (client, mut messages) = agent.connect().await.unwrap();
    client.ask(rule()).await.unwrap();
    agent.shutdown.cancel();
    within("the end", agent.served).await.unwrap().unwrap();
    assert_eq!(status(port).await, 200);
    assert!(!agent.socket.exists());
    assert_eq!(messages.recv().await, None);
    assert!(client.ask(confirm()).await.is_err_and(|error| error.to_string().contains(" is gone: ")));
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("agent.sock");
    assert!(ping(&socket).await.is_err());
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(ping(&socket).await.is_err());
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(serve(socket.clone(), None, shutdown.clone()));
    until("listening", async || ping(&socket).await.is_ok()).await;
    let second = serve(socket.clone(), None, shutdown.clone()).await.unwrap_err();
    assert!(second.starts_with(&format!("the control socket {} could not be opened: ", socket.display())), "{second}");
    ping(&socket).await.unwrap();
    shutdown.cancel();
    within("the end", served).await.unwrap().unwrap();
}
