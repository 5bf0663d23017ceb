//! Following a runbook: its steps in order, block by block, each command in the session of the place where it belongs.
//! A drill and a runbook that is tried alone follow it alike; what only one of them knows is its `FollowContext`.

mod background;
mod block;
mod client;
mod inputs;
mod judge;
mod sessions;
mod step;

pub use inputs::RunbookInputs;

use super::stop::Stop;
use crate::record::{Check, DrillTime, Event, EventSink, Location, StepStatus};
use crate::runbook::{BlockSettings, Command, Runbook, RunbookInput, Step};
use crate::shell::{Shell, ShellError};
use crate::spec::Respond;
use crate::stack::{Place, Stack};
use async_trait::async_trait;
use background::Background;
use futures_util::future::join_all;
use sessions::Sessions;
use tokio_util::task::AbortOnDropHandle;

/// What the one who follows a runbook knows beyond it.
#[async_trait]
pub trait FollowContext: Send {
    /// Looked at before each command that is meant to help, and does more than look or wait, or may do so by a condition in it.
    ///
    /// # Errors
    /// Why the command must not run.
    async fn before(&mut self, _step: &Step) -> Result<(), Stop> {
        Ok(())
    }

    /// Something runs that is meant to help; `late`: it ran, as the end of a command has told in which it stands under a condition.
    fn helps(&mut self, _late: bool) {}

    /// Looked at after each command.
    ///
    /// # Errors
    /// Why nothing more must run.
    fn after(&mut self) -> Result<(), Stop> {
        Ok(())
    }

    /// A step has ended; `last_line` is the last line that its commands wrote.
    fn ended(&mut self, _step: &Step, _last_line: Option<String>) {}

    /// Notes that a step failed; returns the reason to stop.
    fn failed(&self, check: Check, started_us: DrillTime, stop: Stop) -> Stop;

    /// Until when a verifying step that began at `begun` is tried again, and what that time is called.
    fn try_until(&self, begun: DrillTime) -> (DrillTime, &'static str);

    /// Who is asked for what the runbook leaves to people.
    fn person(&mut self) -> &mut dyn Operator;

    /// Asks the person to do a step by hand.
    ///
    /// # Errors
    /// Why it cannot count.
    async fn manual_step(&mut self, step: &Step) -> Result<ManualOutcome, Stop> {
        Ok(self.person().manual_step(step).await)
    }
}

/// What a person says about a step that is theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManualOutcome {
    /// It was done.
    Done,
    /// It was not, and the runbook goes on.
    Skipped,
    /// The runbook is not to go on.
    Stop,
}

/// A session that is being opened while something else happens.
pub type Opening = AbortOnDropHandle<Result<Shell, ShellError>>;

/// Follows a runbook. Dropping it ends its sessions, and with them everything that runs there.
pub struct Follower<'a> {
    respond: &'a Respond,
    sink: EventSink,
    context: &'a mut dyn FollowContext,
    /// Path of the runbook as it is shown.
    path: String,
    sessions: Sessions<'a>,
    inputs: RunbookInputs,
    background: Vec<Background>,
    /// Steps whose blocks in the background have failed so far.
    failed: Vec<(String, Stop)>,
    /// The last line that the latest command wrote, secrets hidden.
    last_line: Option<String>,
    /// The functions that commands have defined, as text that defines them.
    functions: String,
    /// Whether a command may have set variables that it does not name.
    unseen: bool,
}

impl<'a> Follower<'a> {
    /// A follower of `runbook`, with what is known of its inputs. `opening` is the session of the usual place, where it was begun already.
    pub fn new(
        stack: &'a dyn Stack,
        (runbook, inputs): (&Runbook, RunbookInputs),
        respond: &'a Respond,
        sink: EventSink,
        opening: Option<Opening>,
        context: &'a mut dyn FollowContext,
    ) -> Follower<'a> {
        let opening = opening.map(|opening| (usual_place(respond), opening));
        let sessions = Sessions::new(stack, sink.clone(), opening);
        let path = super::announce::shown(&runbook.source);
        let (background, failed, last_line, functions, unseen) = (Vec::new(), Vec::new(), None, String::new(), false);
        Follower { respond, sink, context, path, sessions, inputs, background, failed, last_line, functions, unseen }
    }

    /// Carries out steps in order and ends what runs in the background. `Some`: a verification did not pass in its time, and nothing
    /// after it was run. Where nothing else stopped the steps, what was meant to help and failed in the background fails its step.
    ///
    /// # Errors
    /// Why nothing more is to be done.
    pub async fn follow(mut self, steps: &[&Step]) -> Result<Option<Stop>, Stop> {
        let followed = self.steps(steps).await;
        let started_us = self.sink.now();
        // Also where a step failed: what ran beside it has its last word in the record.
        let ended = join_all(self.background.drain(..).map(|block| block.end(&self.sessions))).await;
        let unverified = followed?;
        self.sessions.leave().await;
        let mut failed = self.failed.into_iter().chain(ended.into_iter().flatten());
        let failed = failed.next().filter(|_| unverified.is_none());
        let Some((step, stop)) = failed else { return Ok(unverified) };
        let (status, reason, at) = (StepStatus::Failed, Some(stop.reason.clone()), stop.at.clone());
        self.sink.emit(Event::StepEnded { step: step.clone(), status, reason, at });
        Err(self.context.failed(Check::Step { step }, started_us, stop))
    }

    /// Takes what has ended in the background, while its container has not ended for a later reason.
    async fn take_ended(&mut self) {
        let ended: Vec<Background> = self.background.extract_if(.., |block| !block.is_running()).collect();
        for block in ended {
            self.failed.extend(block.end(&self.sessions).await);
        }
    }

    /// Where a command stands: in the runbook, or in the scenario that has put it in the place of something else.
    fn location(&self, command: &Command) -> Location {
        let path = command.origin.as_ref().map_or_else(|| self.path.clone(), |source| super::announce::shown(source));
        Location { path, line: command.line }
    }
}

/// Where commands run unless something says otherwise.
pub fn usual_place(respond: &Respond) -> Place {
    place(respond.service.as_deref())
}

/// Where a command runs: as its block says, then as its language's client does, then as usual.
pub fn place_of(settings: &BlockSettings, command: &Command, respond: &Respond) -> Place {
    let client = respond.clients.get(&command.language);
    let usual = client.map_or(&respond.service, |client| &client.service);
    place(settings.place.as_deref().or(usual.as_deref()))
}

fn place(service: Option<&str>) -> Place {
    service.map_or(Place::Toolbox, |service| Place::Service(service.to_string()))
}

/// A person beside the runbook, or nobody.
#[async_trait]
pub trait Operator: Send + Sync {
    /// Asks for a step to be done by hand.
    async fn manual_step(&mut self, _step: &Step) -> ManualOutcome {
        ManualOutcome::Skipped
    }

    /// Asks for the value of an input.
    async fn value_of(&mut self, _input: &RunbookInput) -> Option<String> {
        None
    }
}

/// Nobody is there: what is for a person is skipped, and what nobody says has no value.
pub struct Nobody;

impl Operator for Nobody {}
