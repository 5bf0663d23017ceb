//! One attempt at a drill of a game day: a task of its own, so that nothing that happens to it happens to another.

use super::super::drill::{Begun, Carried, carry_out};
use super::super::environment;
use super::plan::Ready;
use crate::engine::{Crowd, Nobody, Options, Shutdown};
use crate::error::Error;
use crate::record::{DayAttempt, Event, MachineSample, Observer, Phase, RunDir, Stamped};
use crate::stack::docker::{DockerOptions, DockerStack, Endpoint, RunIdentity};
use tokio::sync::mpsc::UnboundedSender;

/// What a drill tells the schedule while it runs.
#[derive(Debug, Clone, Copy)]
pub enum Told {
    /// Its stack is up, or it has given up.
    Up(usize),
    /// How busy the machine is.
    Machine(MachineSample),
}

/// Passes on what the schedule wants to know.
pub struct Teller {
    /// Number of the drill.
    pub number: usize,
    /// The schedule.
    pub to: UnboundedSender<Told>,
}

impl Observer for Teller {
    fn on_event(&mut self, event: &Stamped) {
        let told = match &event.event {
            Event::PhaseEnded { phase: Phase::Up } => Told::Up(self.number),
            Event::Machine(sample) => Told::Machine(*sample),
            _ => return,
        };
        // A schedule that has gone has nothing left to start.
        let _ = self.to.send(told);
    }
}

/// What an attempt is carried out with.
pub struct Attempt {
    /// The drill.
    pub ready: Ready,
    /// Its directory.
    pub run_dir: RunDir,
    /// Where it stands in the game day.
    pub occasion: DayAttempt,
    /// Commit of the project.
    pub revision: Option<String>,
    /// The engine.
    pub endpoint: Endpoint,
    /// How Docker is used.
    pub options: DockerOptions,
    /// Who sees its events.
    pub observers: Vec<Box<dyn Observer>>,
    /// The drills of the game day that run at the same time.
    pub crowd: Crowd,
    /// How it is told to stop.
    pub stop: Shutdown,
}

impl Attempt {
    /// Carries it out.
    ///
    /// # Errors
    /// When it could not begin: nothing was started then.
    pub async fn run(self) -> Result<Carried, Error> {
        let Ready { planned, plan, seed, model, no_images, .. } = self.ready;
        let identity =
            RunIdentity { id: self.run_dir.id().to_string(), dir: self.run_dir.path().to_path_buf(), keep: false };
        let stack = DockerStack::new(model, &plan.stack, &identity, &self.options, &self.endpoint);
        let mut stack = stack.map_err(environment)?.hiding(plan.secrets());
        if let Some(error) = no_images {
            stack = stack.without_images(error);
        }
        let _counted = self.crowd.enter();
        let begun = Begun {
            plan: &plan,
            stack: &stack,
            run_dir: self.run_dir,
            options: Options { control: planned.control, keep: false, seed, crowd: self.crowd.clone() },
            revision: self.revision,
            occasion: Some(self.occasion),
        };
        carry_out(begun, &mut Nobody, self.observers, &self.stop).await
    }
}
