//! The generator against real servers on 127.0.0.1 that behave well, badly, or not at all.

use super::*;
use crate::slis::{Comparison, Good, Ratio, Term};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// What a server does with each request.
#[derive(Clone)]
enum Behaviour {
    /// Answers at once.
    Status(u16),
    /// Answers after a while.
    Slow(Duration),
    /// Keeps the first request waiting, then is fast.
    StallFirst(Duration),
    /// Reads and never answers.
    Hang,
    /// Answers, then closes the connection without having said so.
    AnswerAndClose,
    /// Reads, then closes.
    Close,
    /// Reads, then resets.
    Reset,
    /// Answers in another language.
    Garbage,
    /// Announces more body than it sends.
    CutBody,
    /// Never ends its body.
    EndlessBody,
}

/// A server, with what it has seen.
struct Server {
    port: u16,
    seen: Arc<Seen>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Seen {
    requests: AtomicU64,
    connections: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
}

impl Server {
    async fn start(behaviour: Behaviour) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Seen::default());
        let task = tokio::spawn({
            let seen = seen.clone();
            async move {
                let mut connections = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    seen.connections.fetch_add(1, Ordering::SeqCst);
                    let open = seen.open.fetch_add(1, Ordering::SeqCst) + 1;
                    seen.most_open.fetch_max(open, Ordering::SeqCst);
                    let (seen, behaviour) = (seen.clone(), behaviour.clone());
                    connections.spawn(async move {
                        let _ = serve(stream, behaviour, &seen).await;
                        seen.open.fetch_sub(1, Ordering::SeqCst);
                    });
                }
            }
        });
        Server { port, seen, _task: AbortOnDropHandle::new(task) }
    }

    fn spec(&self, rate: f64, timeout: Duration) -> LoadSpec {
        spec(self.port, rate, timeout)
    }
}

fn spec(port: u16, rate: f64, timeout: Duration) -> LoadSpec {
    LoadSpec {
        name: "load".into(),
        method: "POST".into(),
        body: Some("{{id}}".into()),
        rate,
        timeout,
        connections: (rate * timeout.as_secs_f64()).ceil() as usize,
        ..LoadSpec::sample(format!("http://127.0.0.1:{port}/orders/{{{{counter}}}}"))
    }
}

async fn serve(mut stream: TcpStream, behaviour: Behaviour, seen: &Seen) -> std::io::Result<()> {
    while read_request(&mut stream).await? {
        let number = seen.requests.fetch_add(1, Ordering::SeqCst);
        match behaviour {
            Behaviour::Status(status) => answer(&mut stream, status).await?,
            Behaviour::Slow(for_long) => {
                tokio::time::sleep(for_long).await;
                answer(&mut stream, 200).await?;
            }
            Behaviour::StallFirst(for_long) => {
                if number == 0 {
                    tokio::time::sleep(for_long).await;
                }
                answer(&mut stream, 200).await?;
            }
            Behaviour::Hang => {
                // Until the client closes.
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).await?;
                return Ok(());
            }
            Behaviour::AnswerAndClose => return answer(&mut stream, 200).await,
            Behaviour::Close => return Ok(()),
            Behaviour::Reset => return stream.set_zero_linger(),
            Behaviour::Garbage => return stream.write_all(b"220 mail.example ESMTP\r\n\r\n").await,
            Behaviour::CutBody => return stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n123").await,
            Behaviour::EndlessBody => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n123").await?;
                return stream.read_to_end(&mut Vec::new()).await.map(drop);
            }
        }
    }
    Ok(())
}

async fn answer(stream: &mut TcpStream, status: u16) -> std::io::Result<()> {
    stream.write_all(format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nok").as_bytes()).await
}

/// Reads one request whole: head and the 32 bytes of an id as its body. `false` at the end of the connection.
async fn read_request(stream: &mut TcpStream) -> std::io::Result<bool> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return Ok(false);
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    assert!(head.contains("content-length: 32\r\n"), "{head}");
    stream.read_exact(&mut [0; 32]).await?;
    Ok(true)
}

fn sli(name: &str, terms: Vec<Term>) -> SliSpec {
    let good = Good { text: String::new(), terms };
    SliSpec { name: name.into(), series: "load".into(), good, objective: Ratio::new(0.99).unwrap(), slo: None }
}

fn availability() -> Vec<SliSpec> {
    vec![sli("availability", vec![Term::Status(Comparison::Less, 500)])]
}

struct Outcome {
    requests: u64,
    slices: Vec<Slice>,
    late: Vec<LateRecord>,
    writes: Vec<(u64, u64, bool)>,
}

impl Outcome {
    fn results(&self) -> BTreeMap<String, u64> {
        let mut sum = BTreeMap::new();
        for (result, count) in self.slices.iter().flat_map(|slice| &slice.results) {
            *sum.entry(result.clone()).or_default() += count;
        }
        sum
    }

    fn good(&self, sli: &str) -> u64 {
        self.slices.iter().map(|slice| slice.good[sli]).sum()
    }

    /// What must hold whatever the target did: nothing is missing, nothing is counted twice.
    fn check(&self, per_slice: u64) {
        let indices: Vec<u64> = self.slices.iter().map(|slice| slice.index).collect();
        assert_eq!(indices, (0..indices.len() as u64).collect::<Vec<_>>());
        assert_eq!(self.slices.iter().map(|slice| slice.due).sum::<u64>(), self.requests);
        let (last, full) = self.slices.split_last().unwrap();
        assert!(full.iter().all(|slice| slice.due == per_slice), "{:?}", self.slices);
        assert!(last.due <= per_slice);
        for slice in &self.slices {
            assert_eq!(slice.results.values().sum::<u64>(), slice.due, "{slice:?}");
        }
    }
}

/// Runs a load until `slices` slices have been due, with t0 at `t0`.
async fn run_from(spec: &LoadSpec, slis: &[SliSpec], slices: u64, t0: Instant) -> Outcome {
    let stop = CancellationToken::new();
    let stopper = AbortOnDropHandle::new(tokio::spawn({
        let stop = stop.clone();
        async move {
            tokio::time::sleep_until((t0 + Schedule::slice_start(slices)).into()).await;
            stop.cancel();
        }
    }));
    let (mut seen, mut late, mut writes) = (Vec::new(), Vec::new(), Vec::new());
    let report = |report| match report {
        LoadReport::Slice(slice) => seen.push(slice),
        LoadReport::Late(record) => late.push(record),
        LoadReport::Write { write, clock_us, acknowledged } => writes.push((write, clock_us, acknowledged)),
    };
    let requests = Generator::new(spec, slis, 1).unwrap().run((t0, 0), stop, report).await;
    drop(stopper);
    Outcome { requests, slices: seen, late, writes }
}

async fn run(spec: &LoadSpec, slis: &[SliSpec], slices: u64) -> Outcome {
    run_from(spec, slis, slices, Instant::now() + Duration::from_millis(5)).await
}

const LONG: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fast_service_is_good_and_its_connections_are_used_again() {
    let server = Server::start(Behaviour::Status(200)).await;
    let outcome = run(&server.spec(100.0, LONG), &availability(), 5).await;
    outcome.check(10);
    assert!(outcome.requests >= 50);
    assert_eq!(outcome.results(), [("200".to_string(), outcome.requests)].into());
    assert_eq!(outcome.good("availability"), outcome.requests);
    assert_eq!(server.seen.requests.load(Ordering::SeqCst), outcome.requests);
    let connections = server.seen.connections.load(Ordering::SeqCst);
    assert!(connections < 40, "{connections} connections for {} requests", outcome.requests);
}

/// An answer that comes while the generator is late: no slice is over before its requests are sent.
#[tokio::test]
async fn nothing_is_left_out_where_the_generator_is_kept_from_its_work() {
    let server = Server::start(Behaviour::Status(200)).await;
    let mut slices: Vec<Slice> = Vec::new();
    let t0 = Instant::now() - Duration::from_millis(350);
    let generator = Generator::new(&server.spec(100.0, LONG), &availability(), 1).unwrap();
    let (mut run, mut endings) = generator.begin((t0, 0), |report| {
        if let LoadReport::Slice(slice) = report {
            slices.push(slice);
        }
    });
    run.send_due(t0);
    let first = endings.recv().await.unwrap();
    run.on_end(first, &mut endings);
    run.send_due(Instant::now());
    let sent = run.next;
    while run.generator.tally.outstanding() > 0 {
        let ended = endings.recv().await.unwrap();
        run.count(&ended);
    }
    run.close(run.generator.schedule.slice(sent) + 1);
    drop(run);
    assert!(sent > 30, "{sent}");
    assert_eq!(slices.iter().map(|slice| slice.due).sum::<u64>(), sent, "{slices:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_503_is_an_answer_and_no_good_event() {
    let server = Server::start(Behaviour::Status(503)).await;
    let outcome = run(&server.spec(50.0, LONG), &availability(), 3).await;
    outcome.check(5);
    assert_eq!(outcome.results(), [("503".to_string(), outcome.requests)].into());
    assert_eq!(outcome.good("availability"), 0);
}

fn acknowledged(status: u16) -> Option<Good> {
    Some(Good { text: String::new(), terms: vec![Term::Status(Comparison::Equal, status)] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_write_is_reported_by_its_number_and_the_end_of_its_answer() {
    let server = Server::start(Behaviour::Slow(Duration::from_millis(30))).await;
    for (status, stored) in [(200, true), (201, false)] {
        let spec = LoadSpec { acknowledged: acknowledged(status), ..server.spec(100.0, LONG) };
        let t0 = Instant::now() + Duration::from_millis(5);
        let outcome = run_from(&spec, &availability(), 4, t0).await;
        outcome.check(10);
        let mut numbers: Vec<u64> = outcome.writes.iter().map(|(number, ..)| *number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..outcome.requests).collect::<Vec<_>>());
        for (number, ended, acknowledged) in &outcome.writes {
            let now = u64::try_from(t0.elapsed().as_micros()).unwrap();
            assert!(*ended >= 10_000 * number + 30_000 && *ended <= now, "write {number}");
            assert_eq!(*acknowledged, stored, "status 200 is not 201");
        }
    }
    let plain = run(&server.spec(100.0, LONG), &availability(), 1).await;
    assert_eq!(plain.writes, [], "only what is asked for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_nobody_answers_is_reported_too_and_not_acknowledged() {
    let timeout = Duration::from_millis(150);
    for behaviour in [Behaviour::Hang, Behaviour::Reset, Behaviour::CutBody] {
        let server = Server::start(behaviour).await;
        let spec = LoadSpec { acknowledged: acknowledged(200), ..server.spec(50.0, timeout) };
        let outcome = run(&spec, &availability(), 2).await;
        assert_eq!(outcome.writes.len() as u64, outcome.requests);
        assert!(outcome.writes.iter().all(|(_, _, acknowledged)| !acknowledged), "{:?}", outcome.writes);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_to_a_hanging_service_is_a_bad_event() {
    let timeout = Duration::from_millis(300);
    let server = Server::start(Behaviour::Hang).await;
    let outcome = run(&server.spec(100.0, timeout), &availability(), 6).await;
    outcome.check(10);
    assert!(outcome.requests >= 60);
    assert_eq!(outcome.good("availability"), 0);
    let results = outcome.results();
    assert!(results.keys().all(|result| result == "timeout" || result == "no_connection"), "{results:?}");
    for slice in &outcome.slices {
        assert!(slice.due == 0 || slice.latency_us[0] >= 299_000, "given up before its deadline: {slice:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_without_a_free_connection_are_bad_events_too() {
    let server = Server::start(Behaviour::Hang).await;
    // More requests than ticks of the clock: of those whose deadlines meet in one tick, most find no connection.
    let spec = LoadSpec { connections: 2, ..server.spec(4000.0, Duration::from_millis(250)) };
    let outcome = run(&spec, &availability(), 1).await;
    outcome.check(400);
    let results = outcome.results();
    assert!(results["no_connection"] > 0 && results["timeout"] >= 2, "{results:?}");
    assert_eq!(results["no_connection"] + results["timeout"], outcome.requests);
    assert_eq!(outcome.good("availability"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_more_connections_than_allowed_and_waiting_for_one_counts_as_latency() {
    let server = Server::start(Behaviour::Slow(Duration::from_millis(40))).await;
    let spec = LoadSpec { connections: 2, ..server.spec(100.0, LONG) };
    let outcome = run(&spec, &availability(), 4).await;
    outcome.check(10);
    assert_eq!(outcome.good("availability"), outcome.requests);
    assert!(server.seen.most_open.load(Ordering::SeqCst) <= 2);
    // Two connections carry 50/s: half of what is due piles up, so the last of 40 requests waits for 20 others.
    assert!(outcome.slices[3].latency_us[2] >= 380_000, "{:?}", outcome.slices[3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_is_felt_by_every_request_that_was_due_in_it() {
    // One connection, and its first answer takes 400 ms: whoever measures from sending sees one slow request.
    let server = Server::start(Behaviour::StallFirst(Duration::from_millis(400))).await;
    let spec = LoadSpec { connections: 1, ..server.spec(100.0, LONG) };
    let slis = [sli("latency", vec![Term::Latency(Comparison::Less, Duration::from_millis(100))])];
    let outcome = run(&spec, &slis, 6).await;
    outcome.check(10);
    assert_eq!(outcome.results(), [("200".to_string(), outcome.requests)].into());
    for slice in outcome.slices.iter().take(3) {
        assert_eq!(slice.good["latency"], 0, "due at least 100 ms before the stall ended: {slice:?}");
    }
    assert!(outcome.slices[0].latency_us[0] >= 300_000, "{:?}", outcome.slices[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_answers_do_not_slow_the_load_down() {
    let server = Server::start(Behaviour::Slow(Duration::from_millis(250))).await;
    let outcome = run(&server.spec(50.0, LONG), &availability(), 4).await;
    outcome.check(5);
    assert_eq!(outcome.good("availability"), outcome.requests);
    assert!(server.seen.most_open.load(Ordering::SeqCst) >= 10, "they overlap");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_closes_idle_connections_is_no_failure() {
    let server = Server::start(Behaviour::AnswerAndClose).await;
    let outcome = run(&server.spec(50.0, LONG), &availability(), 5).await;
    outcome.check(5);
    assert_eq!(outcome.results(), [("200".to_string(), outcome.requests)].into());
    assert_eq!(server.seen.requests.load(Ordering::SeqCst), outcome.requests, "nothing was sent twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_told_apart_and_nothing_is_tried_again() {
    let short = Duration::from_millis(200);
    for (behaviour, timeout, result) in [
        (Behaviour::Close, LONG, "closed"),
        (Behaviour::Reset, LONG, "reset"),
        (Behaviour::Garbage, LONG, "protocol"),
        (Behaviour::CutBody, LONG, "closed"),
        (Behaviour::EndlessBody, short, "timeout"),
    ] {
        let server = Server::start(behaviour).await;
        let spec = LoadSpec { connections: 100, ..server.spec(50.0, timeout) };
        let outcome = run(&spec, &availability(), 2).await;
        outcome.check(5);
        assert_eq!(outcome.results(), [(result.to_string(), outcome.requests)].into(), "{result}");
        assert_eq!(outcome.good("availability"), 0);
        assert!(server.seen.requests.load(Ordering::SeqCst) <= outcome.requests);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_listening_is_refused_and_no_such_name_is_dns() {
    // Bound and never listening: nobody else can get this port meanwhile.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let refused = spec(socket.local_addr().unwrap().port(), 50.0, LONG);
    let unknown = LoadSpec { url: "http://no-such-name.invalid/".into(), ..spec(1, 50.0, LONG) };
    for (spec, result) in [(refused, "refused"), (unknown, "dns")] {
        let outcome = run(&spec, &availability(), 2).await;
        outcome.check(5);
        assert_eq!(outcome.results(), [(result.to_string(), outcome.requests)].into());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generator_that_wakes_late_sends_the_backlog_and_says_so() {
    let server = Server::start(Behaviour::Status(200)).await;
    let t0 = Instant::now().checked_sub(Duration::from_millis(500)).unwrap();
    let outcome = run_from(&server.spec(100.0, LONG), &availability(), 7, t0).await;
    outcome.check(10);
    assert!(outcome.requests >= 70, "nothing is skipped");
    assert_eq!(outcome.good("availability"), outcome.requests);
    let late = &outcome.late[0];
    assert!(late.worst_us >= 500_000, "{late:?}");
    // Due in the first 450 ms and sent at 500 ms or later.
    assert!(late.count >= 45, "{late:?}");
    assert!(outcome.slices[0].latency_us[0] >= 400_000, "counted from the time due: {:?}", outcome.slices[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slices_without_requests_are_reported_as_time_goes_by() {
    let server = Server::start(Behaviour::Status(200)).await;
    let outcome = run(&server.spec(2.0, LONG), &availability(), 8).await;
    let due: Vec<u64> = outcome.slices.iter().map(|slice| slice.due).collect();
    assert!(due.starts_with(&[1, 0, 0, 0, 0, 1, 0, 0]), "{due:?}");
}

#[test]
fn what_cannot_be_sent_is_refused_with_the_name_of_the_load() {
    let no_rate = spec(1, 0.0, LONG);
    insta::assert_snapshot!(Generator::new(&no_rate, &[], 0).err().unwrap(), @"load `load`: a rate of 0/s cannot be sent: it must be above 0 and at most 100000/s");
}
