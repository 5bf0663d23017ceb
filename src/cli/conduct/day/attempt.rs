//! One attempt at a drill of a game day: a task of its own, so that nothing that happens to it happens to another.

use super::super::drill::{Begun, Carried, carry_out};
use super::super::environment;
use super::plan::Ready;
use super::run::Runner;
use crate::engine::{DrillOptions, Nobody};
use crate::error::Error;
use crate::gameday::PreparedDrill;
use crate::record::{DayAttempt, Event, MachineSample, Observer, Phase, RunDir, Stamped};
use crate::stack::{RunIdentity, StackOptions};
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// What a drill tells the schedule while it runs.
#[derive(Debug, Clone, Copy)]
pub enum AttemptTold {
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
    pub to: UnboundedSender<AttemptTold>,
}

impl Observer for Teller {
    fn on_event(&mut self, event: &Stamped) {
        let told = match &event.event {
            Event::PhaseEnded { phase: Phase::Up } => AttemptTold::Up(self.number),
            Event::Machine(sample) => AttemptTold::Machine(*sample),
            _ => return,
        };
        // A schedule that has gone has nothing left to start.
        let _ = self.to.send(told);
    }
}

/// What an attempt is carried out with.
pub struct AttemptRun {
    /// What all drills of the game day are run with.
    pub runner: Arc<Runner>,
    /// The drill.
    pub ready: Ready,
    /// Its directory.
    pub run_dir: RunDir,
    /// Where it stands in the game day.
    pub occasion: DayAttempt,
    /// Who sees its events.
    pub observers: Vec<Box<dyn Observer>>,
}

/// How an attempt ended.
pub struct AttemptEnded {
    /// What it came to; the error is why it could not begin, or not be cleaned up.
    pub carried: Result<Carried, Error>,
    /// Whether it was lost with the machine that ran it.
    pub lost: bool,
    /// What people should know.
    pub notes: Vec<String>,
}

impl AttemptRun {
    /// Carries it out, here or where the game day takes place.
    pub async fn run(self) -> AttemptEnded {
        match self.runner.remote.clone() {
            Some(remote) => remote.carry_out(self).await,
            None => AttemptEnded { carried: self.here().await, lost: false, notes: Vec::new() },
        }
    }

    async fn here(self) -> Result<Carried, Error> {
        let Runner { platform, options, revision, concurrent, stop, .. } = &*self.runner;
        let Ready { drill: PreparedDrill { planned, plan, seed }, stack, no_images, .. } = self.ready;
        let options = StackOptions { secrets: plan.secrets(), no_images, ..options.clone() };
        let stack = stack.stack(&RunIdentity::of(&self.run_dir, false), &options).await.map_err(environment)?;
        let _counted = concurrent.enter();
        let concurrent = concurrent.clone();
        let begun = Begun {
            plan: &plan,
            stack: &*stack,
            platform: &**platform,
            run_dir: self.run_dir,
            options: DrillOptions { control: planned.control, seed, concurrent, ..DrillOptions::default() },
            revision: revision.clone(),
            occasion: Some(self.occasion),
            executed: None,
        };
        carry_out(begun, &mut Nobody, self.observers, stop).await
    }
}
