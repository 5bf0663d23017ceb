//! SLIs that are no HTTP: `tcp`, whether somebody answers on a port as expected, in time, and `redis`, whether a command is carried out. Each
//! event is a connection of its own, as of a client that has just come.
//!
//! ```yaml
//! slis:
//!   reachable: { tcp: { connect: "mail:25", send: "EHLO probe\r\n", expect: "220 ", every: 200ms }, objective: 99% }
//!   cache: { redis: { connect: "cache:6379", command: SET firedrill:probe 1 EX 5 }, objective: 99% }
//! ```
//!
//! Redis is asked by inline commands (<https://redis.io/docs/latest/develop/reference/protocol-spec/#inline-commands>).

use super::source::{FewNotes, PacedQuestion, Question, QuestionRest, SliSource, read_pace};
use crate::load::Failure;
use crate::slis::EventAnswer;
use crate::source::{At, MapReader, TextForm, shape};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A longer answer is not read to its end, and is none.
const LONGEST_ANSWER: usize = 1024 * 1024;
/// How much is read at a time.
const PIECE: usize = 16 * 1024;
const AN_ADDRESS: TextForm =
    TextForm::new("a service with its port like `cache:6379`", || shape::text("[^\\s:/]+:[0-9]{1,5}"));
const A_TEXT: TextForm = TextForm::new("a text", shape::filled);

/// What is sent over a new connection, and what must come back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TcpQuestion {
    host: String,
    port: u16,
    /// Sent once the connection is there.
    send: String,
    /// How many lines of the answer come before the one that counts.
    skip: usize,
    /// What that line begins with, or is with Redis; whatever it is where this is empty.
    expect: String,
    /// Whether answers are those of Redis: one that begins with `-` is an error, `$-1` is nothing, and what a line announces must follow.
    redis: bool,
}

/// NUL is a byte like any other on the wire.
fn filled(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("it is empty".into()) } else { Ok(text.into()) }
}

fn one_line(text: &str) -> Result<String, String> {
    if text.contains(['\r', '\n']) { Err("it must be one line".into()) } else { filled(text) }
}

fn address(text: &str) -> Result<(String, u16), String> {
    let wrong = || format!("`{text}` is not a service with its port: write it like `cache:6379`");
    let (host, port) = text.trim().split_once(':').ok_or_else(wrong)?;
    let port = port.parse::<u16>().ok().filter(|port| *port > 0 && !host.is_empty()).ok_or_else(wrong)?;
    Ok((host.into(), port))
}

impl TcpQuestion {
    /// Reads `tcp` of an SLI.
    pub(crate) fn read(sli: &str, at: &mut At<'_>) -> Option<SliSource> {
        let mut map = at.map("`tcp`")?.of_section("tcp");
        let send = map.optional_with("send", A_TEXT, filled);
        let expect = map.optional_with("expect", A_TEXT, one_line);
        if !map.has("send") && !map.has("expect") {
            let span = map.head();
            map.error(span, "`tcp` asks for no answer: the kernel takes connections for a server that hangs, too")
                .help("say what is sent (`send`), or how the server begins (`expect`)");
        }
        map.also(json!({ "anyOf": [{ "required": ["send"] }, { "required": ["expect"] }] }));
        let asked = TcpQuestion::of(&mut map);
        map.finish()?;
        let (send, expect) = (send.unwrap_or_default(), expect.unwrap_or_default());
        let (question, pace) = asked?;
        Some(TcpQuestion { send, expect, ..question }.source(format!("tcp:{sli}"), pace))
    }

    /// Reads `redis` of an SLI.
    pub(crate) fn read_redis(sli: &str, at: &mut At<'_>) -> Option<SliSource> {
        let mut map = at.map("`redis`")?.of_section("redis");
        let command = map.require_with("command", A_TEXT, one_line);
        let password = map.optional_with("password", A_TEXT, one_line);
        let expect = map.optional_with("expect", A_TEXT, one_line);
        let asked = TcpQuestion::of(&mut map);
        map.finish()?;
        let auth = password.as_ref().map_or_else(String::new, |password| format!("AUTH {password}\r\n"));
        let (question, pace) = asked?;
        let (send, skip) = (format!("{auth}{}\r\n", command?), usize::from(password.is_some()));
        let question = TcpQuestion { send, skip, expect: expect.unwrap_or_default(), redis: true, ..question };
        let secrets = password.into_iter().collect();
        Some(SliSource { secrets, ..question.source(format!("redis:{sli}"), pace) })
    }

    fn of(map: &mut MapReader<'_>) -> Option<(TcpQuestion, (Duration, Duration))> {
        let connect = map.require_with("connect", AN_ADDRESS, address);
        let pace = read_pace(map);
        let (host, port) = connect?;
        Some((TcpQuestion { host, port, ..TcpQuestion::default() }, pace))
    }

    fn source(self, series: String, pace: (Duration, Duration)) -> SliSource {
        let sent = self.send.trim_end().lines().last().unwrap_or_default();
        let what = if sent.is_empty() { "a connection".into() } else { format!("`{sent}`") };
        let (event, hosts) = (format!("{what} to {}:{}", self.host, self.port), vec![self.host.clone()]);
        SliSource { hosts, ..PacedQuestion::source(series, pace, event, move |_| Ok(self.clone())) }
    }

    /// Whether the answer is the one that was expected.
    async fn exchange(&self) -> std::io::Result<bool> {
        let mut connection = TcpStream::connect((self.host.as_str(), self.port)).await?;
        connection.write_all(self.send.as_bytes()).await?;
        let mut answer: Vec<u8> = Vec::new();
        loop {
            let lines = answer.split(|byte| *byte == b'\n').collect::<Vec<_>>();
            let refused = self.redis && lines.iter().take(self.skip).any(|line| line.starts_with(b"-"));
            let line = lines.get(self.skip).copied().unwrap_or_default();
            let whole = lines.len() > self.skip + 1 || line.len() >= self.expect.len().max(1);
            let from = lines.iter().take(self.skip).map(|line| line.len() + 1).sum();
            if self.redis && (refused || end_of_reply(&answer, from).is_some()) {
                let line = line.trim_ascii_end();
                let is_answer = line.first().is_some_and(|kind| b"+:$*".contains(kind));
                // Nothing there: the answer to a `GET` of a key that is gone.
                let nothing = matches!(line, b"$-1" | b"*-1");
                let fits = if self.expect.is_empty() { !nothing } else { line == self.expect.as_bytes() };
                return Ok(!refused && is_answer && fits);
            }
            if !self.redis && whole {
                return Ok(line.starts_with(self.expect.as_bytes()));
            }
            answer.reserve(PIECE);
            match connection.read_buf(&mut answer).await? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                _ if answer.len() > LONGEST_ANSWER => return Ok(false),
                _ => {}
            }
        }
    }
}

/// Where the reply of Redis ends that begins at `from`, once all of it is there: a bulk string has as many bytes as it announces, an array as
/// many replies.
fn end_of_reply(answer: &[u8], from: usize) -> Option<usize> {
    let (mut end, mut open) = (from, 1_usize);
    while open > 0 {
        let rest = answer.get(end..)?;
        let line = rest.get(..=rest.iter().position(|byte| *byte == b'\n')?)?;
        let announced = || std::str::from_utf8(line.get(1..)?).ok()?.trim_end().parse::<usize>().ok();
        let (more, bytes) = match line.first()? {
            b'$' => (0, announced().map_or(0, |length| length.saturating_add(2))),
            b'*' => (announced().unwrap_or(0), 0),
            _ => (0, 0),
        };
        (end, open) = (end.saturating_add(line.len()).saturating_add(bytes), open.saturating_add(more) - 1);
    }
    (answer.len() >= end).then_some(end)
}

impl Question for TcpQuestion {
    const NAME: &'static str = "tcp_question";

    async fn put(&self, _: Instant, notes: &FewNotes, _: &mut QuestionRest) -> Result<EventAnswer, Failure> {
        self.exchange().await.map(EventAnswer::Truth).map_err(|error| {
            notes.note(format!("no answer: {error}"));
            Failure::of_io(&error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server that answers so makes of a question.
    async fn asked(answer: &'static [u8], question: impl FnOnce(TcpQuestion) -> TcpQuestion) -> Option<bool> {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = server.local_addr().expect("an address").port();
        let serving = tokio::spawn(async move {
            let (mut connection, _) = server.accept().await.expect("a client");
            connection.write_all(answer).await.expect("an answer");
        });
        let plain = TcpQuestion {
            host: "127.0.0.1".into(),
            port,
            send: String::new(),
            skip: 0,
            expect: String::new(),
            redis: false,
        };
        let asked = question(plain).exchange().await.ok();
        serving.await.expect("the server");
        asked
    }

    #[test]
    fn nul_is_sent_like_any_other_byte() {
        assert_eq!(filled("zPING\0").as_deref(), Ok("zPING\0"));
        assert!(filled(" ").is_err() && one_line("a\nb").is_err());
    }

    #[tokio::test]
    async fn an_answer_is_what_was_expected_or_it_is_not_good() {
        let redis = |expect: &'static str, skip| {
            move |q| TcpQuestion { redis: true, send: "PING\r\n".into(), expect: expect.into(), skip, ..q }
        };
        assert_eq!(asked(b"", |q| q).await, None);
        assert_eq!(asked(b"220 mail\r\n", |q| TcpQuestion { expect: "220 ".into(), ..q }).await, Some(true));
        assert_eq!(asked(b"554 no\r\n", |q| TcpQuestion { expect: "220 ".into(), ..q }).await, Some(false));
        assert_eq!(asked(b"", |q| TcpQuestion { expect: "220 ".into(), ..q }).await, None);
        assert_eq!(asked(b"+PONG\r\n", redis("", 0)).await, Some(true));
        assert_eq!(asked(b"-OOM command not allowed\r\n", redis("", 0)).await, Some(false));
        assert_eq!(asked(b"+OK\r\n:7\r\n", redis(":7", 1)).await, Some(true));
        assert_eq!(asked(b"+OK\r\n:8\r\n", redis(":7", 1)).await, Some(false));
        assert_eq!(asked(b":70\r\n", redis(":7", 0)).await, Some(false));
        assert_eq!(asked(b"$-1\r\n", redis("", 0)).await, Some(false));
        assert_eq!(asked(b"$-1\r\n", redis("$-1", 0)).await, Some(true));
        assert_eq!(asked(b"HTTP/1.1 400\r\n", redis("", 0)).await, Some(false));
        for (whole, cut) in [("$5\r\nvalue\r\n", 3), ("*2\r\n$1\r\na\r\n:1\r\n", 4), ("*1\r\n*1\r\n$2\r\nab\r\n", 2)] {
            assert_eq!(asked(whole.as_bytes(), redis("", 0)).await, Some(true), "{whole}");
            assert_eq!(asked(&whole.as_bytes()[..whole.len() - cut], redis("", 0)).await, None, "{whole}");
        }
        assert_eq!(asked(b"+OK\r\n$5\r\nval", redis("", 1)).await, None, "it never ends");
        assert_eq!(asked(b"-ERR invalid password\r\n-NOAUTH\r\n", redis("", 1)).await, Some(false));
    }
}
