//! Blocks that run beside the runbook until it ends: each in a session of its own, which begins with the state that the
//! session of its place has then. Nobody waits for them, and nothing of them outlives the runbook.

use super::block::{CommandRequest, RanCommand, SessionLost, ended, run};
use super::judge::{first_line, judge};
use crate::record::{Event, EventSink, Location};
use crate::runbook::BlockSettings;
use crate::shell::Shell;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long the end of one may take: TERM, two seconds, KILL.
const END_WITHIN: Duration = Duration::from_secs(6);

/// A command of such a block.
pub(super) struct BackgroundCommand {
    /// Number within the step.
    pub number: usize,
    /// What bash is given.
    pub text: String,
    /// What the runbook says.
    pub says: String,
    /// Whether that is what the runbook says, and not a client's command line.
    pub own: bool,
    /// Where it stands.
    pub at: Location,
}

/// A block under way.
pub(super) struct Background {
    /// Id of the step.
    pub step: String,
    /// Which of its blocks.
    pub block: usize,
    stop: CancellationToken,
    working: Option<JoinHandle<()>>,
}

/// What is to be done.
pub(super) struct BackgroundBlock {
    pub step: String,
    pub block: usize,
    pub attempt: u32,
    pub tasks: Vec<BackgroundCommand>,
    pub timeout: Duration,
    pub settings: BlockSettings,
}

impl Background {
    pub(super) fn start(shell: Shell, sink: EventSink, work: BackgroundBlock) -> Background {
        let stop = CancellationToken::new();
        let (step, block) = (work.step.clone(), work.block);
        let working = tokio::spawn(carry_out(shell, sink, work, stop.clone()));
        Background { step, block, stop, working: Some(working) }
    }

    pub(super) fn is_running(&self) -> bool {
        self.working.as_ref().is_some_and(|working| !working.is_finished())
    }

    /// Ends it, and waits until it has said how.
    pub(super) async fn end(mut self) {
        self.stop.cancel();
        if let Some(working) = &mut self.working {
            let _ = tokio::time::timeout(END_WITHIN, working).await;
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Its session goes with it, and the supervisor kills what runs there.
        if let Some(working) = self.working.take() {
            working.abort();
        }
    }
}

async fn carry_out(mut shell: Shell, sink: EventSink, work: BackgroundBlock, stop: CancellationToken) {
    for task in &work.tasks {
        if stop.is_cancelled() {
            return;
        }
        let order = CommandRequest {
            step: &work.step,
            number: task.number,
            text: &task.text,
            at: &task.at,
            attempt: work.attempt,
            timeout: work.timeout,
            background: true,
            capture: None,
        };
        let what = first_line(&task.says);
        let (ran, stopped) = match one(&mut shell, &sink, &order, &stop).await {
            Ok(ended) => ended,
            Err(lost) => {
                let text = format!("{}: `{what}` ran in the background and was lost: {}", task.at, lost.error);
                return sink.emit(Event::Note { text });
            }
        };
        ended(&sink, &order, &ran.result, stopped);
        if stopped {
            return;
        }
        if let Some(fault) = judge(&ran, &task.text, task.own, &work.settings, "") {
            let told = fault.told(work.timeout);
            let text = format!("{}: warning: `{what}`, in the background, {told} before the runbook ended", task.at);
            return sink.emit(Event::Note { text });
        }
    }
}

/// Runs a command to its end, or until it is to stop; then it is killed, and what it still wrote is taken.
async fn one(
    shell: &mut Shell,
    sink: &EventSink,
    order: &CommandRequest<'_>,
    stop: &CancellationToken,
) -> Result<(RanCommand, bool), SessionLost> {
    let canceller = shell.canceller();
    let mut running = std::pin::pin!(run(shell, sink, order));
    tokio::select! {
        biased;
        ended = &mut running => return ended.map(|ran| (ran, false)),
        () = stop.cancelled() => canceller.cancel().await,
    }
    running.await.map(|ran| (ran, true))
}
