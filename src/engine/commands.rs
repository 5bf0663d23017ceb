//! SLIs from a command in a service: each run is an event, due at a steady pace as those of a load, and good when it exits with
//! 0 in time. The runner makes them, as the agent reaches into no service. A run that the engine does not carry out is no bad
//! event: it ends the drill.

use super::context::{CommonContext, Context, DueCommand};
use super::probe::{ProbeAnswer, ask_probe};
use super::stop::Stop;
use crate::agent::protocol::Told;
use crate::agent::source::SliSource;
use crate::load::{EventClient, Failure, Generator, RequestEnding, Sent};
use crate::locked;
use crate::record::DrillTime;
use crate::slis::EventAnswer;
use crate::spec::ServiceScript;
use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::future::pending;
use futures_util::stream::FuturesUnordered;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// From asking for the events until the first one may be due.
const LEAD: Duration = Duration::from_millis(100);
/// Different reasons why nothing could run that are told.
const MOST_NOTES: usize = 5;

#[derive(Debug)]
struct CommandEvents {
    script: ServiceScript,
    queue: UnboundedSender<DueCommand>,
}

#[async_trait]
impl EventClient for CommandEvents {
    async fn event(&self, _: u64, due: Instant, sent: Sent) {
        let (done, ended) = oneshot::channel();
        let asked = self.queue.send(DueCommand { script: self.script.clone(), due, done });
        match (asked, ended.await) {
            (Ok(()), Ok(result)) => sent.end(RequestEnding::of(result, due, self.script.within)),
            // The drill ends. It must not learn of an event that nobody has seen.
            _ => pending().await,
        }
    }
}

/// Begins the events of a source, until what is returned is dropped.
pub(super) fn begin_commands(
    cx: &Context<'_>,
    source: &SliSource,
    script: &ServiceScript,
) -> Result<AbortOnDropHandle<()>, Stop> {
    let client = CommandEvents { script: script.clone(), queue: cx.commands.clone() };
    let monitor = cx.monitor.clone();
    let generator =
        Generator::of(Arc::new(client), &source.series, source.rate, &cx.plan.slis).map_err(Stop::harness)?;
    let t0 = (Instant::now() + LEAD, cx.sink.now().plus(LEAD).0);
    let report = move |report| monitor.take("the runner", DrillTime, Told::Load(report));
    Ok(AbortOnDropHandle::new(tokio::spawn(async move {
        generator.run(t0, CancellationToken::new(), report).await;
    })))
}

/// Runs what is due, for as long as it is asked.
pub(super) async fn run_commands(cx: &CommonContext<'_>, mut queue: UnboundedReceiver<DueCommand>) -> Infallible {
    let told = Mutex::default();
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(command) = queue.recv() => running.push(run_command(cx, command, &told)),
            Some(()) = running.next(), if !running.is_empty() => {}
            else => pending().await,
        }
    }
}

async fn run_command(cx: &CommonContext<'_>, command: DueCommand, told: &Mutex<BTreeSet<String>>) {
    let DueCommand { script, due, mut done } = command;
    let deadline = due + script.within;
    let left = || deadline.saturating_duration_since(Instant::now());
    let script = ServiceScript { within: left(), ..script };
    let asked = tokio::select! {
        asked = tokio::time::timeout_at(deadline.into(), ask_probe(cx, &script)) => asked.ok(),
        // The event was given up with the drill.
        () = done.closed() => return,
    };
    let result = match asked {
        // Nobody can say what a user would have seen.
        Some(Err(stop)) => return cx.monitor.lost(stop.reason),
        Some(Ok(ProbeAnswer { answer: Ok(whole), .. })) => Ok(EventAnswer::Truth(whole.code == Some(0))),
        Some(Ok(ProbeAnswer { answer: Err(why), .. })) if !left().is_zero() => {
            let mut told = locked(told);
            if told.len() < MOST_NOTES && told.insert(why.clone()) {
                cx.sink.note(why);
            }
            Err(Failure::Unreachable)
        }
        Some(Ok(_)) | None => Err(Failure::Timeout),
    };
    let _ = done.send(result);
}
