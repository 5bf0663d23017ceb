//! The client against an agent that a test plays.

use super::*;
use crate::agent::protocol::{AgentAnswer, AgentAsk, AgentMessage, AgentRequest, BUILD, HEARTBEAT, LEASE, Told};
use crate::stack::Channel;
use proptest::prelude::*;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

/// The agent's end of a channel.
struct Agent(Channel);

impl Agent {
    async fn say(&self, message: &AgentMessage) {
        self.0.tx.send(serde_json::to_string(message).unwrap()).await.unwrap();
    }

    async fn hello(&self) {
        self.say(&AgentMessage::Hello { version: BUILD.into(), clock_us: 5_000_000 }).await;
    }

    async fn next(&mut self) -> Option<AgentRequest> {
        self.0.rx.recv().await.map(|line| serde_json::from_str(&line).unwrap())
    }

    /// The next request that is no heartbeat; those are answered.
    async fn next_ask(&mut self) -> Option<AgentRequest> {
        loop {
            match self.next().await? {
                AgentRequest { id, ask: AgentAsk::Heartbeat } => self.reply(id, 5_000_000, done()).await,
                request => return Some(request),
            }
        }
    }

    async fn reply(&self, id: u64, clock_us: u64, answer: AgentAnswer) {
        self.say(&AgentMessage::Reply { id, clock_us, answer }).await;
    }
}

fn done() -> AgentAnswer {
    AgentAnswer::Done { detail: "so be it".into() }
}

fn lift() -> AgentAsk {
    AgentAsk::Lift { id: "x".into() }
}

async fn connect() -> (AgentClient, Receiver<AgentMessage>, Agent) {
    let (near, far) = Channel::pair(16);
    let mut agent = Agent(far);
    agent.hello().await;
    let open = tokio::spawn(AgentClient::open("fd-agent".into(), near, || 1_000_000));
    for _ in 0..5 {
        let Some(AgentRequest { id, ask: AgentAsk::Heartbeat }) = agent.next().await else {
            panic!("it measures first")
        };
        agent.reply(id, 5_000_000, done()).await;
    }
    let (client, messages) = open.await.unwrap().unwrap();
    (client, messages, agent)
}

#[tokio::test]
async fn measures_the_clock_and_asks() {
    let (client, mut messages, mut agent) = connect().await;
    assert_eq!(client.offset(), ClockOffset { offset_us: 4_000_000, rtt_us: 0 });
    let asker = client.clone();
    let asked = tokio::spawn(async move { asker.ask(lift()).await });
    let request = agent.next_ask().await.unwrap();
    assert_eq!(request.ask, lift());
    agent.say(&AgentMessage::Told { told: Told::Note { text: "came back".into() } }).await;
    agent.reply(request.id, 5_000_001, done()).await;
    assert_eq!(asked.await.unwrap().unwrap(), done());
    assert_eq!(messages.recv().await, Some(AgentMessage::Told { told: Told::Note { text: "came back".into() } }));
}

#[tokio::test]
async fn a_no_is_an_error_of_its_own() {
    let (client, _messages, mut agent) = connect().await;
    let asked = tokio::spawn(async move { client.ask(lift()).await });
    let request = agent.next_ask().await.unwrap();
    agent.reply(request.id, 0, AgentAnswer::Failed { reason: "no such table".into() }).await;
    let error = asked.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "no such table");
}

#[tokio::test]
async fn when_the_channel_ends_so_does_everything_that_waits() {
    let (client, mut messages, mut agent) = connect().await;
    let asker = client.clone();
    let asked = tokio::spawn(async move { asker.ask(lift()).await });
    agent.next_ask().await.unwrap();
    drop(agent);
    insta::assert_snapshot!(asked.await.unwrap().unwrap_err(), @"the agent fd-agent is gone: its channel ended");
    assert_eq!(messages.recv().await, None);
    insta::assert_snapshot!(client.ask(lift()).await.unwrap_err(), @"the agent fd-agent is gone: its channel ended");
}

#[tokio::test]
async fn a_lost_lease_is_the_last_message() {
    let (client, mut messages, agent) = connect().await;
    agent.say(&AgentMessage::LeaseLost).await;
    assert_eq!(messages.recv().await, Some(AgentMessage::LeaseLost));
    assert_eq!(messages.recv().await, None);
    insta::assert_snapshot!(client.ask(lift()).await.unwrap_err(),
        @"the agent fd-agent is gone: it heard nothing from the runner for 6 s and lifted everything");
}

#[tokio::test(start_paused = true)]
async fn heartbeats_go_out_and_an_agent_that_answers_none_is_given_up() {
    let (client, mut messages, mut agent) = connect().await;
    let start = tokio::time::Instant::now();
    let mut beats = 0u64;
    // Reads and answers nothing, until the client closes.
    while let Some(AgentRequest { ask: AgentAsk::Heartbeat, .. }) = agent.next().await {
        beats += 1;
    }
    assert_eq!(beats, (LEASE.as_millis() / HEARTBEAT.as_millis()) as u64);
    assert!(start.elapsed() >= LEASE && start.elapsed() < LEASE + Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(messages.recv().await, None);
    insta::assert_snapshot!(client.ask(lift()).await.unwrap_err(),
        @"the agent fd-agent is gone: it answered no heartbeat for 6 s");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_does_not_even_read_is_given_up() {
    let (client, mut messages, agent) = connect().await;
    assert_eq!(messages.recv().await, None, "only the heartbeats can have ended it");
    assert!(client.ask(lift()).await.is_err_and(|error| error.to_string().contains(" is gone: ")));
    drop(agent);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_is_no_hang() {
    let (client, _messages, mut agent) = connect().await;
    let asked = tokio::spawn(async move { client.ask(lift()).await });
    // Answers heartbeats for ever, and nothing else.
    let answering = tokio::spawn(async move { while agent.next_ask().await.is_some() {} });
    insta::assert_snapshot!(asked.await.unwrap().unwrap_err(),
        @"the agent fd-agent is gone: it did not answer within 30 s");
    answering.await.unwrap();
}

#[tokio::test]
async fn closing_waits_for_the_agent_and_forbids_more() {
    let (client, _messages, mut agent) = connect().await;
    let other = client.clone();
    let closing = tokio::spawn(async move { client.close().await });
    assert!(agent.next_ask().await.is_none(), "it sees end-of-file");
    assert!(!closing.is_finished(), "it still lifts");
    drop(agent);
    assert!(closing.await.unwrap());
    assert!(other.ask(lift()).await.is_err_and(|error| error.to_string().contains(" is gone: ")));
}

#[tokio::test]
async fn the_last_clone_closes_the_channel() {
    let (client, _messages, mut agent) = connect().await;
    let other = client.clone();
    drop(client);
    drop(other);
    assert!(agent.next_ask().await.is_none());
}

#[tokio::test]
async fn first_words_that_are_not_hello_are_explained() {
    let open = async |line: String| {
        let (near, far) = Channel::pair(1);
        far.tx.send(line).await.unwrap();
        AgentClient::open("fd-agent".into(), near, || 0).await.err().map(|error| error.to_string()).unwrap()
    };
    let of = |message: &AgentMessage| serde_json::to_string(message).unwrap();
    let refusal = AgentAnswer::Failed { reason: "another runner controls this agent".into() };
    insta::assert_snapshot!(open(of(&AgentMessage::Reply { id: 0, clock_us: 0, answer: refusal })).await,
        @"the agent fd-agent is gone: another runner controls this agent");
    insta::assert_snapshot!(open("exec: firedrill: not found".into()).await,
        @"the agent fd-agent is gone: it began with something else than hello: exec: firedrill: not found");
    for version in ["0.0.1", env!("CARGO_PKG_VERSION"), concat!(env!("CARGO_PKG_VERSION"), "+0123456789abcdef")] {
        let other = open(of(&AgentMessage::Hello { version: version.into(), clock_us: 0 })).await;
        let told = format!("the agent fd-agent is gone: it is of the build {version}, and the runner is of {BUILD}: ");
        assert!(other.starts_with(&told) && other.contains("FIREDRILL_AGENT_IMAGE"), "{other}");
    }
    let (near, far) = Channel::pair(1);
    drop(far);
    let error = AgentClient::open("fd-agent".into(), near, || 0).await.err().unwrap();
    insta::assert_snapshot!(error, @"the agent fd-agent is gone: its channel ended before it said anything");
}

#[tokio::test]
async fn the_shortest_of_the_last_round_trips_counts() {
    let (client, _messages, _agent) = connect().await;
    let probe = |offset_us: u64, rtt_us: u64| {
        let sent_us = 1_000_000 - rtt_us;
        locked(&client.0.state).pending.insert(0, (sent_us, oneshot::channel().0));
        client.0.reply(0, sent_us + rtt_us / 2 + offset_us, done());
    };
    probe(1, 10);
    for n in 0..REMEMBERED as u64 - 1 {
        probe(2, 100 + n);
    }
    assert_eq!(client.offset(), ClockOffset { offset_us: 1, rtt_us: 10 }, "those of the beginning are forgotten");
    probe(3, 500);
    assert_eq!(client.offset(), ClockOffset { offset_us: 2, rtt_us: 100 });
}

proptest! {
    /// However the round trip is split, the offset is wrong by at most half of it (and 1 µs of rounding).
    #[test]
    fn the_error_is_at_most_half_the_round_trip(
        sent in 0u64..1 << 40, there in 0u64..1 << 20, back in 0u64..1 << 20, offset in -(1i64 << 50)..1i64 << 50,
    ) {
        let Ok(agent) = u64::try_from(i128::from(sent + there) + i128::from(offset)) else { return Ok(()) };
        let probe = ClockOffset::of_probe(sent, agent, sent + there + back);
        prop_assert_eq!(probe.rtt_us, there + back);
        prop_assert!(probe.offset_us.abs_diff(offset) <= (there + back) / 2 + 1);
    }

    #[test]
    fn no_clock_makes_it_panic(sent: u64, agent: u64, received: u64) {
        ClockOffset::of_probe(sent, agent, received);
    }
}
