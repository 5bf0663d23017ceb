//! Blocks that run beside the runbook until it ends: each in a session of its own, which begins with the state that the
//! session of its place has then. Nobody waits for them, and nothing of them outlives the runbook. What was meant to help and
//! failed there fails the runbook when it ends.

use super::super::stop::Stop;
use super::block::{CommandBlock, CommandRequest, cut_off_by, ended, killed, run};
use super::judge::{Failing, failing, first_line, judge_text};
use super::sessions::{PlaceSession, Sessions, name};
use crate::record::{EventSink, Verdict};
use crate::runbook::BlockSettings;
use crate::shell::CommandResult;
use std::time::{Duration, Instant};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// How long the end of one may take: TERM, two seconds, KILL.
const END_WITHIN: Duration = Duration::from_secs(6);
/// How long one is looked at that could not begin at all.
const BEGINS_WITHIN: Duration = Duration::from_millis(300);

/// A block under way.
pub(super) struct Background {
    /// Id of the step.
    pub step: String,
    /// Which of its blocks.
    pub block: usize,
    /// A failure of it is one of its step, as the step's phase says.
    pub fails: bool,
    stop: CancellationToken,
    /// Its session goes with it, and the supervisor kills what runs there.
    working: AbortOnDropHandle<Option<BackgroundFailure>>,
}

/// Why a block did not do what it should, and what was lost with its session, where that is why: its container may have taken it along.
type BackgroundFailure = (Stop, Option<LostCommands>);

/// The command whose session was lost, and those behind it in its block.
struct LostCommands {
    session: PlaceSession,
    sink: EventSink,
    orders: Vec<CommandRequest>,
    /// How long the command took until then.
    took: Duration,
    expect_exit: Option<i32>,
}

impl Background {
    /// Begins a block: the commands of it with the functions that their step defines, and what it says of them.
    pub(super) fn start(
        session: PlaceSession,
        sink: EventSink,
        block: &CommandBlock<'_>,
        orders: (Vec<CommandRequest>, String),
    ) -> Background {
        let stop = CancellationToken::new();
        let working = tokio::spawn(carry_out(session, sink, orders, block.settings.clone(), stop.clone()));
        let (step, fails) = (block.step.id.clone(), failing(block.step.phase) == Failing::Fails);
        Background { step, block: block.index, fails, stop, working: AbortOnDropHandle::new(working) }
    }

    /// Waits until it has begun, as far as that can be seen: `Err` says how one ended that did so at once.
    pub(super) async fn begun(mut self, sessions: &Sessions<'_>) -> Result<Background, Option<Stop>> {
        match tokio::time::timeout(BEGINS_WITHIN, &mut self.working).await {
            Ok(ended) => Err(judged(ended, sessions).await),
            Err(_) => Ok(self),
        }
    }

    pub(super) fn is_running(&self) -> bool {
        !self.working.is_finished()
    }

    /// Ends it, and waits until it has said how: its step, and the reason, where that failed by it.
    pub(super) async fn end(self, sessions: &Sessions<'_>) -> Option<(String, Stop)> {
        self.stop.cancel();
        let ended = tokio::time::timeout(END_WITHIN, self.working).await;
        let stop = match ended {
            _ if !self.fails => None,
            Ok(ended) => judged(ended, sessions).await,
            // Nobody knows whether what was meant to help has run.
            Err(_) => {
                let what = format!("a block in the background did not end within {} s", END_WITHIN.as_secs());
                Some(Stop::harness(what))
            }
        };
        stop.map(|stop| (self.step, stop))
    }
}

/// What the end of one says: a session that its container took along fails the step, as in the foreground.
async fn judged(came: Result<Option<BackgroundFailure>, JoinError>, sessions: &Sessions<'_>) -> Option<Stop> {
    // That it broke says nothing of the runbook.
    let broke = |error| Some((Stop::harness(format!("a block in the background broke: {error}")), None));
    let (mut stop, lost) = came.unwrap_or_else(broke)?;
    if let Some(LostCommands { session, sink, orders, took, expect_exit }) = lost
        && let Some((order, rest)) = orders.split_first()
        && let Some(calls) = sessions.lost_container(&session).await
    {
        let (exit, why) = cut_off_by(&calls, order, &session.place);
        ended(&sink, order, &CommandResult { took, ..killed(exit) }, false);
        if why.is_empty() && exit == expect_exit.unwrap_or_default() {
            // A call of its own was all of it, and ended as it should. Nothing goes on behind it without the session.
            let why = format!(": the container of {} ended with the command before it", name(&session.place));
            return not_reached(rest, &why);
        }
        let reason = format!("`{}`, in the background, exited with {exit}{why}", first_line(&order.says));
        stop = Stop::new(Verdict::StepFailed, reason).at(order.at.clone());
    }
    Some(stop)
}

/// The failure of a block that ended before what was meant to help in it had begun, and `why` it ended.
fn not_reached(rest: &[CommandRequest], why: &str) -> Option<Stop> {
    let order = rest.iter().find(|order| order.helps)?;
    let what = format!("`{}`, in the background, was not reached{why}", first_line(&order.says));
    Some(Stop::new(Verdict::StepFailed, what).at(order.at.clone()))
}

/// `Some`: a command could not run, or one failed or was lost that was meant to help, or before one that was.
async fn carry_out(
    mut session: PlaceSession,
    sink: EventSink,
    (orders, functions): (Vec<CommandRequest>, String),
    settings: BlockSettings,
    stop: CancellationToken,
) -> Option<BackgroundFailure> {
    const ENDED: &str = " before the runbook ended";
    for (number, order) in orders.iter().enumerate() {
        if stop.is_cancelled() {
            return Some((not_reached(orders.get(number..)?, ENDED)?, None));
        }
        let may_help = orders.iter().skip(number).any(|order| order.helps);
        let (at, what) = (&order.at, first_line(&order.says));
        let (canceller, begun) = (session.shell.canceller(), Instant::now());
        let mut running = Box::pin(run(&mut session.shell, &sink, order));
        let before = tokio::select! {
            biased;
            ended = &mut running => Some(ended),
            () = stop.cancelled() => None,
        };
        let stopped = before.is_none();
        let (ran, lost) = match before {
            Some(ended) => ended,
            // It is killed, and what it still wrote is taken.
            None => {
                canceller.cancel().await;
                running.as_mut().await
            }
        };
        drop(running);
        if let Some(error) = lost {
            let text = format!("{at}: `{what}` ran in the background and was lost: {error}");
            sink.note(text.clone());
            // Nobody knows what it has done, nor whether what stands behind it would have helped.
            let stop = Stop::harness(text).at(at.clone());
            let (took, expect_exit) = (begun.elapsed(), settings.expect_exit);
            let orders = orders.into_iter().skip(number).collect();
            let lost = Some(LostCommands { session, sink, orders, took, expect_exit });
            return (may_help && !stopped).then_some((stop, lost));
        }
        ended(&sink, order, &ran.result, stopped);
        if stopped {
            return Some((not_reached(orders.get(number + 1..)?, ENDED)?, None));
        }
        if let Some(fault) = judge_text(&ran, (&order.text, !order.client, order.timeout), &settings, &functions) {
            let told = &fault.told;
            sink.note(format!("{at}: warning: `{what}`, in the background, {told} before the runbook ended"));
            let what = format!("`{what}`, in the background, {told}");
            let cannot_run = fault.is_fatal && !fault.may_pass;
            return (cannot_run || may_help).then(|| (fault.stop(what, at.clone()), None));
        }
    }
    None
}
