//! A shop that is really there: a server on 127.0.0.1 that stores each order by its number, for drills that restore. It is
//! loaded by a real agent, and notes by a clock of its own when it began to fail and when it served again.

use firedrill::agent::server::{control, ping, serve};
use firedrill::stack::{Channel, FullOutput};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// No agent takes nearly as long to listen.
const LISTENS: Duration = Duration::from_secs(30);

/// What a script says instead of the truth.
#[derive(Debug, Clone)]
pub enum Says {
    /// It ends so: exit code, standard output, standard error.
    Ends(i64, &'static str, &'static str),
    /// It does not end in time.
    Hangs,
    /// Docker cannot run it.
    NoDocker,
}

/// What becomes of the orders.
#[derive(Debug, Clone, Default)]
pub struct Fate {
    /// The restore loses so many orders of before the fault: not the very last ones, whose answers may still be under way.
    pub lose_before: usize,
    /// The first orders after the restore are lost once they were answered, so many.
    pub lose_after: usize,
    /// After the undo the survivors are read from a replica that for three questions has only what was there before.
    pub lags: bool,
    /// With the undo a second database is back, and gets every other order.
    pub splits: bool,
    /// Orders that are stored under the fault and answered with 503, so many.
    pub store_unanswered: usize,
    /// Numbers that nobody has sent.
    pub invent: Vec<u64>,
    /// Users lose the service again while the restore is looked at.
    pub relapses: bool,
    /// Users are told that there is no such thing while the restore is looked at.
    pub refuses: bool,
    /// Rows that were there before anything was sent.
    pub seeds: Vec<u64>,
    /// The container of `db` is gone once the runbook was followed.
    pub vanishes: bool,
}

#[derive(Debug, Default)]
struct State {
    /// So many questions more are answered with so many rows.
    behind: Option<(u32, usize)>,
    split: bool,
    failing: bool,
    refusing: bool,
    began_to_fail: Option<Instant>,
    served_again: Option<Instant>,
    /// Number and when it was stored.
    rows: Vec<(u64, Instant)>,
    /// Rows that were lost, in the order in which they were stored.
    lost: Vec<(u64, Instant)>,
    stored_after: usize,
    unanswered: usize,
    asked: Vec<String>,
}

/// A server with a store.
#[derive(Debug)]
pub struct Shop {
    /// Where it listens.
    pub port: u16,
    fate: Fate,
    /// Word of a script → what it says, before the fault (`false`) or after it (`true`).
    says: BTreeMap<(&'static str, bool), Says>,
    state: Mutex<State>,
}

/// The orders that the last `lose_before` of a restore leave alone.
const UNDER_WAY: usize = 5;

impl Shop {
    /// A shop that serves; `says` overrides what scripts say: the word, whether after the fault, and what.
    pub async fn open(fate: Fate, says: &[(&'static str, bool, Says)]) -> Arc<Shop> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let says = says.iter().map(|(word, after, says)| ((*word, *after), says.clone())).collect();
        let shop = Arc::new(Shop { port, fate, says, state: Mutex::default() });
        let serving = Arc::downgrade(&shop);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Some(shop) = serving.upgrade() else { return };
                tokio::spawn(async move { shop.serve(stream).await });
            }
        });
        shop
    }

    async fn serve(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        loop {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                if matches!(stream.read_until(b'\n', &mut head).await, Ok(0) | Err(_)) {
                    return;
                }
            }
            let head = String::from_utf8(head).expect("a head");
            let length =
                head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            if stream.read_exact(&mut body).await.is_err() {
                return;
            }
            let path = head.split(' ').nth(1).expect("a path");
            let number = path.strip_prefix("/orders/").and_then(|number| number.parse().ok()).expect("a number");
            let status = self.order(number);
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    fn order(&self, number: u64) -> u16 {
        let mut state = self.lock();
        let now = Instant::now();
        if state.failing {
            if state.unanswered < self.fate.store_unanswered {
                state.unanswered += 1;
                state.rows.push((number, now));
            }
            return 503;
        }
        if state.refusing {
            return 404;
        }
        if state.served_again.is_some() && state.stored_after < self.fate.lose_after {
            state.stored_after += 1;
            state.lost.push((number, now));
            return 201;
        }
        if state.split && number.is_multiple_of(2) {
            state.lost.push((number, now));
            return 201;
        }
        state.rows.push((number, now));
        201
    }

    /// What the runbook does.
    pub fn restore(&self) {
        let mut state = self.lock();
        let broken = state.began_to_fail.expect("it was broken");
        let before = state.rows.iter().filter(|(_, stored)| *stored <= broken).count();
        let last = before.checked_sub(UNDER_WAY).expect("enough orders");
        let first = last.checked_sub(self.fate.lose_before).expect("enough orders");
        let lost: Vec<_> = state.rows.drain(first..last).collect();
        state.lost.extend(lost);
        state.failing = false;
        state.served_again = Some(Instant::now());
    }

    /// A script in the container of `db`.
    pub fn script(&self, text: &str) -> Result<FullOutput, String> {
        let mut state = self.lock();
        state.asked.push(text.to_string());
        if self.fate.relapses && text == "customers" && state.served_again.is_some() {
            state.failing = true;
        }
        if self.fate.refuses && text == "customers" && state.served_again.is_some() {
            state.refusing = true;
        }
        let ends = |code: i64, stdout: String, stderr: &str| {
            Ok(FullOutput {
                container: "fake-db-1".into(),
                code: Some(code),
                stdout: stdout.into(),
                stderr: stderr.into(),
            })
        };
        let after = state.began_to_fail.is_some();
        match self.says.iter().find(|((word, when), _)| *word == text && *when == after) {
            Some((_, Says::Ends(code, stdout, stderr))) => return ends(*code, stdout.to_string(), stderr),
            Some((_, Says::Hangs)) => return Ok(FullOutput { container: "fake-db-1".into(), ..FullOutput::default() }),
            Some((_, Says::NoDocker)) => return Err("the engine does not answer".into()),
            None => {}
        }
        match text {
            "break" => {
                state.failing = true;
                state.began_to_fail = Some(Instant::now());
                ends(0, String::new(), "")
            }
            "mend" => {
                (state.failing, state.split) = (false, self.fate.splits);
                state.behind = self.fate.lags.then(|| (3, state.rows.len()));
                ends(0, String::new(), "")
            }
            "is-broken" => ends(i64::from(!state.failing), String::new(), ""),
            "backup" => ends(0, "id=base-1\ntaken=2026-11-20T06:00:00Z\nbytes=4096\n".into(), "a warning\n"),
            "readable" | "restored" | "replayed" => ends(0, format!("{text}\n"), ""),
            "customers" => ends(0, "42\n".into(), "a warning\n"),
            "products" => ends(0, (0..1000).map(|n| format!("product {n}\n")).collect(), ""),
            "survivors" => {
                let has = state.behind.filter(|(more, _)| *more > 0).map_or(usize::MAX, |(_, rows)| rows);
                state.behind = state.behind.map(|(more, rows)| (more.saturating_sub(1), rows));
                let rows = state
                    .rows
                    .iter()
                    .take(has)
                    .map(|(number, _)| *number)
                    .chain(self.fate.seeds.iter().copied())
                    .chain(self.fate.invent.iter().copied().filter(|_| after));
                ends(0, rows.map(|number| format!("{number}\n")).collect(), "a warning: 17\n")
            }
            other => panic!("what is `{other}`?"),
        }
    }

    /// Whether the container of `db` is not there (any more).
    pub fn vanished(&self) -> bool {
        self.fate.vanishes && self.lock().served_again.is_some()
    }

    /// When it began to fail, and when it served again.
    pub fn failed(&self) -> (Instant, Instant) {
        let state = self.lock();
        (state.began_to_fail.expect("it was broken"), state.served_again.expect("it was restored"))
    }

    /// Numbers of the orders that were lost, and when the first of them was stored.
    pub fn lost(&self) -> (Vec<u64>, Option<Instant>) {
        let state = self.lock();
        (state.lost.iter().map(|(number, _)| *number).collect(), state.lost.first().map(|(_, stored)| *stored))
    }

    /// The scripts that were asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.lock().asked.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts a real agent and opens a control channel to it. It ends with the channel.
pub async fn real_agent() -> Channel {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let socket = dir.path().join("agent.sock");
    let shutdown = CancellationToken::new();
    tokio::spawn(serve(socket.clone(), None, shutdown.clone()));
    let listening = async {
        while ping(&socket).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LISTENS, listening).await.expect("an agent that listens");
    let (near, far) = Channel::pair(256);
    tokio::spawn(carry(far, socket, dir, shutdown));
    near
}

/// Carries lines to and from `control`, as an exec session does.
async fn carry(mut far: Channel, socket: PathBuf, dir: TempDir, shutdown: CancellationToken) {
    let (input, mut lines_in) = tokio::io::duplex(65_536);
    let (output, lines_out) = tokio::io::duplex(65_536);
    let controlled = tokio::spawn(async move { control(&socket, input, output).await });
    let tx = far.tx.clone();
    let out = async move {
        let mut lines = BufReader::new(lines_out).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if tx.send(line).await.is_err() {
                return;
            }
        }
    };
    let out = tokio::spawn(out);
    while let Some(line) = far.rx.recv().await {
        if lines_in.write_all(format!("{line}\n").as_bytes()).await.is_err() {
            break;
        }
    }
    drop(lines_in);
    let _ = controlled.await;
    let _ = out.await;
    shutdown.cancel();
    drop(dir);
}
