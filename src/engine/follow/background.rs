//! Blocks that run beside the runbook until it ends: each in a session of its own, which begins with the state that the
//! session of its place has then. Nobody waits for them, and nothing of them outlives the runbook. What was meant to help and
//! failed there fails the runbook when it ends.

use super::super::stop::Stop;
use super::block::{BlockFailure, CommandBlock, CommandRequest, ended, run};
use super::judge::{Failing, failing, first_line, judge_text};
use crate::record::{EventSink, Verdict};
use crate::runbook::BlockSettings;
use crate::shell::Shell;
use std::time::Duration;
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
    working: AbortOnDropHandle<Option<BlockFailure>>,
}

impl Background {
    /// Begins a block: the commands of it with the functions that their step defines, and what it says of them.
    pub(super) fn start(
        shell: Shell,
        sink: EventSink,
        block: &CommandBlock<'_>,
        orders: (Vec<CommandRequest>, String),
    ) -> Background {
        let stop = CancellationToken::new();
        let working = tokio::spawn(carry_out(shell, sink, orders, block.settings.clone(), stop.clone()));
        let (step, fails) = (block.step.id.clone(), failing(block.step.phase) == Failing::Fails);
        Background { step, block: block.index, fails, stop, working: AbortOnDropHandle::new(working) }
    }

    /// Waits until it has begun, as far as that can be seen: `Err` says how one ended that did so at once.
    pub(super) async fn begun(mut self) -> Result<Background, Option<BlockFailure>> {
        match tokio::time::timeout(BEGINS_WITHIN, &mut self.working).await {
            Ok(ended) => Err(ended.unwrap_or_else(|error| Some(broke(error)))),
            Err(_) => Ok(self),
        }
    }

    pub(super) fn is_running(&self) -> bool {
        !self.working.is_finished()
    }

    /// Ends it, and waits until it has said how: its step, and the reason, where that failed by it.
    pub(super) async fn end(self) -> Option<(String, BlockFailure)> {
        self.stop.cancel();
        let ended = tokio::time::timeout(END_WITHIN, self.working).await.ok()?;
        let failure = ended.unwrap_or_else(|error| Some(broke(error)));
        failure.filter(|_| self.fails).map(|failure| (self.step, failure))
    }
}

/// That it broke says nothing of the runbook.
fn broke(error: JoinError) -> BlockFailure {
    let stop = Stop::harness(format!("a block in the background broke: {error}"));
    BlockFailure { stop, may_pass: false, once: false }
}

/// The failure of a block that ended with the runbook before what was meant to help in it had begun.
fn not_reached(rest: Option<&[CommandRequest]>) -> Option<BlockFailure> {
    let order = rest?.iter().find(|order| order.helps)?;
    let what = format!("`{}`, in the background, was not reached before the runbook ended", first_line(&order.says));
    let stop = Stop::new(Verdict::StepFailed, what).at(order.at.clone());
    Some(BlockFailure { stop, may_pass: false, once: false })
}

/// `Some`: a command could not run, or one failed or was lost that was meant to help, or before one that was.
async fn carry_out(
    mut shell: Shell,
    sink: EventSink,
    (orders, functions): (Vec<CommandRequest>, String),
    settings: BlockSettings,
    stop: CancellationToken,
) -> Option<BlockFailure> {
    for (number, order) in orders.iter().enumerate() {
        if stop.is_cancelled() {
            return not_reached(orders.get(number..));
        }
        let may_help = orders.iter().skip(number).any(|order| order.helps);
        let (at, what) = (&order.at, first_line(&order.says));
        let canceller = shell.canceller();
        let mut running = std::pin::pin!(run(&mut shell, &sink, order));
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
                running.await
            }
        };
        if let Some(error) = lost {
            let text = format!("{at}: `{what}` ran in the background and was lost: {error}");
            sink.note(text.clone());
            // Nobody knows what it has done, nor whether what stands behind it would have helped.
            let stop = Stop::harness(text).at(at.clone());
            return (may_help && !stopped).then_some(BlockFailure { stop, may_pass: false, once: false });
        }
        ended(&sink, order, &ran.result, stopped);
        if stopped {
            return not_reached(orders.get(number + 1..));
        }
        if let Some(fault) = judge_text(&ran, (&order.text, !order.client), &settings, &functions) {
            let told = fault.told(order.timeout);
            sink.note(format!("{at}: warning: `{what}`, in the background, {told} before the runbook ended"));
            let what = format!("`{what}`, in the background, {told}");
            let cannot_run = fault.is_fatal() && !fault.may_pass();
            let failure = BlockFailure { stop: fault.stop(what, at.clone()), may_pass: false, once: false };
            return (cannot_run || may_help).then_some(failure);
        }
    }
    None
}
