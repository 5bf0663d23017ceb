//! SLIs from a command in a service: each run is an event, due at a steady pace as those of a load, and good when it exits with
//! 0 in time. The runner makes them, as the agent reaches into no service. A run that the engine does not carry out is no bad
//! event: it ends the drill.

use super::context::Context;
use super::monitor::Monitor;
use super::probe::{ProbeAnswer, look};
use super::stop::{Stop, caught};
use crate::agent::protocol::Told;
use crate::agent::source::SliSource;
use crate::load::{EventClient, Failure, Generator, RequestEnding, Sent};
use crate::locked;
use crate::record::{DrillTime, EventSink, Location};
use crate::slis::EventAnswer;
use crate::spec::ServiceScript;
use crate::stack::Stack;
use async_trait::async_trait;
use futures_util::future::pending;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// From asking for the events until the first one may be due.
const LEAD: Duration = Duration::from_millis(100);
/// Different reasons why nothing could run that are told of a source.
const MOST_NOTES: usize = 5;

struct CommandEvents {
    script: ServiceScript,
    at: Location,
    stack: Arc<dyn Stack>,
    monitor: Monitor,
    sink: EventSink,
    told: Mutex<BTreeSet<String>>,
}

#[async_trait]
impl EventClient for CommandEvents {
    async fn event(&self, _: u64, due: Instant, sent: Sent) {
        let why = match caught(self.run(due)).await {
            Ok(Ok(result)) => return sent.end(RequestEnding::of(result, due, self.script.within)),
            Ok(Err(why)) => why,
            Err(panic) => format!("a part of Firedrill panicked: {panic}"),
        };
        // Nobody can say what a user would have seen. The drill ends, and must not learn of an event that nobody has seen.
        self.monitor.lost(why);
        pending().await
    }
}

impl CommandEvents {
    /// Runs it once: the event, or why there is none.
    async fn run(&self, due: Instant) -> Result<Result<EventAnswer, Failure>, String> {
        let deadline = due + self.script.within;
        let left = || deadline.saturating_duration_since(Instant::now());
        let script = ServiceScript { within: left(), ..self.script.clone() };
        let asked = look(&*self.stack, &self.sink, self.at.clone(), &script);
        Ok(match tokio::time::timeout_at(deadline.into(), asked).await {
            Ok(Err(stop)) => return Err(stop.reason),
            Ok(Ok(ProbeAnswer { answer: Ok(whole), .. })) => Ok(EventAnswer::Truth(whole.code == Some(0))),
            Ok(Ok(ProbeAnswer { answer: Err(why), .. })) if !left().is_zero() => {
                let mut told = locked(&self.told);
                if told.len() < MOST_NOTES && told.insert(why.clone()) {
                    self.sink.note(why);
                }
                Err(Failure::Unreachable)
            }
            Ok(Ok(_)) | Err(_) => Err(Failure::Timeout),
        })
    }
}

/// Begins the events of a source, until what is returned is dropped.
pub(super) fn begin_commands(
    cx: &Context<'_>,
    source: &SliSource,
    script: &ServiceScript,
) -> Result<AbortOnDropHandle<()>, Stop> {
    let (script, at, told) = (script.clone(), cx.in_scenario(script.line), Mutex::default());
    let (stack, monitor, sink) = (cx.stack.clone(), cx.monitor.clone(), cx.sink.clone());
    let client = CommandEvents { script, at, stack, monitor: monitor.clone(), sink, told };
    let generator =
        Generator::of(Arc::new(client), &source.series, source.rate, &cx.plan.slis).map_err(Stop::harness)?;
    let t0 = (Instant::now() + LEAD, cx.sink.now().plus(LEAD).0);
    let report = move |report| monitor.take("the runner", DrillTime, Told::Load(report));
    Ok(AbortOnDropHandle::new(tokio::spawn(async move {
        generator.run(t0, CancellationToken::new(), report).await;
    })))
}
