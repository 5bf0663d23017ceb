//! One step: its inputs first, of which a missing one blocks it as a whole, then its blocks in order.

use super::block::{Block, Failure};
use super::inputs::Lack;
use super::judge::{Failing, failing, first_line};
use super::{ByHand, FollowContext, Follower};
use crate::engine::stop::Stop;
use crate::record::{DrillTime, Event, Location, StepStatus, Verdict, looks_secret, url_password};
use crate::runbook::{Handling, Input, Step, StepKind, unified_name};
use std::time::Duration;

/// Pause before a verifying step is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Why a step did not do what it should.
pub enum Broke {
    /// Nothing more is done.
    Drill(Stop),
    /// A verification did not pass in its time. Whether users have recovered is measured by then, and says more than a
    /// command that gave up.
    Verification(Stop),
}

impl From<Stop> for Broke {
    fn from(stop: Stop) -> Broke {
        Broke::Drill(stop)
    }
}

/// What the decisions leave of a step.
enum Decided<'s> {
    /// These blocks run.
    Run(Vec<Block<'s>>),
    /// Nothing runs, and why.
    Skip(String),
    /// A person does it, and why.
    Person(String),
}

/// How a step ended that did what it should.
pub struct Followed {
    /// `Passed`, `Warned` or `Skipped`.
    pub status: StepStatus,
    /// Why, where that needs a reason.
    pub reason: Option<String>,
    /// What was seen.
    pub evidence: String,
}

impl Followed {
    fn of(status: StepStatus, reason: Option<String>, blocks: &[Block<'_>]) -> Followed {
        let stated = blocks.iter().any(|block| block.settings.expect.is_some() || block.settings.expect_exit.is_some());
        let evidence = match (&reason, stated) {
            (Some(reason), _) => reason.clone(),
            (None, true) => "every command ended as it was expected to".into(),
            (None, false) => "every command exited with 0".into(),
        };
        Followed { status, reason, evidence }
    }
}

impl Follower<'_> {
    /// Waits for the session that was being opened.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn ready(&mut self) -> Result<(), Stop> {
        self.sessions.ready(&self.inputs.env()).await
    }

    /// Carries out a step, in its own environment where it has one.
    ///
    /// # Errors
    /// Why it did not do what it should.
    pub async fn step(&mut self, step: &Step, context: &mut dyn FollowContext) -> Result<Followed, Broke> {
        let Some(env) = self.respond.env_of_steps.get(&step.id) else { return self.bare_step(step, context).await };
        let set = self.inputs.begin_step(env);
        self.sessions.set(&set).await;
        let followed = self.bare_step(step, context).await;
        let back = self.inputs.end_step();
        self.sessions.set_back(&back).await;
        followed
    }

    async fn bare_step(&mut self, step: &Step, context: &mut dyn FollowContext) -> Result<Followed, Broke> {
        let all = Block::of(step);
        if let StepKind::Manual(reason) = &step.kind {
            let said = step.blocks.iter().find_map(|block| block.settings.skip.clone());
            return match said {
                Some(reason) => Ok(Followed::of(StepStatus::Skipped, Some(reason), &[])),
                None => self.by_hand(step, reason, context).await,
            };
        }
        let (skipped, blocks): (Vec<Block<'_>>, Vec<Block<'_>>) =
            all.into_iter().partition(|block| block.settings.skip.is_some());
        for block in &skipped {
            let why = block.settings.skip.clone().unwrap_or_default();
            if blocks.is_empty() {
                return Ok(Followed::of(StepStatus::Skipped, Some(why), &[]));
            }
            if let Some((_, first)) = block.commands.first() {
                self.sink.emit(Event::Note { text: format!("{}: not run: {why}", self.location(first)) });
            }
        }
        let blocks = match self.decided(blocks)? {
            Decided::Run(blocks) => blocks,
            Decided::Skip(why) => return Ok(Followed::of(StepStatus::Skipped, Some(why), &[])),
            Decided::Person(why) => return self.by_hand(step, &why, context).await,
        };
        self.complete(step, &blocks, context).await?;
        self.contradictions(&blocks)?;
        let (by, called) = context.try_until(self.sink.now());
        let warnings = self.blocks(step, &blocks, (by, called), context).await?;
        match warnings.is_empty() {
            true => Ok(Followed::of(StepStatus::Passed, None, &blocks)),
            false => Ok(Followed::of(StepStatus::Warned, Some(warnings.join("; ")), &blocks)),
        }
    }

    /// What of some blocks runs. One command that nobody has decided about blocks all of the step, before anything of it runs.
    fn decided<'s>(&self, mut blocks: Vec<Block<'s>>) -> Result<Decided<'s>, Stop> {
        let mut skipped = None;
        let mut person = None;
        for (_, command) in blocks.iter().flat_map(|block| &block.commands) {
            match &command.handling {
                Handling::Run(_) => {}
                Handling::Skip(why) => skipped = Some(why.clone()),
                Handling::Manual(why) => person = Some(format!("`{}`: {why}", first_line(&command.text))),
                Handling::Blocked(why) => {
                    let help = format!("`firedrill accept {}` asks a person", self.path);
                    let reason = format!("`{}` was not run: {why}; {help}", first_line(&command.text));
                    return Err(Stop::new(Verdict::StepBlocked, reason).at(self.location(command)));
                }
            }
        }
        if let Some(why) = person {
            return Ok(Decided::Person(why));
        }
        for block in &mut blocks {
            block.commands.retain(|(_, command)| {
                if let Handling::Skip(why) = &command.handling {
                    let text = format!("{}: `{}` is not run: {why}", self.location(command), first_line(&command.text));
                    self.sink.emit(Event::Note { text });
                    return false;
                }
                true
            });
        }
        blocks.retain(|block| !block.commands.is_empty());
        match (blocks.is_empty(), skipped) {
            (true, Some(why)) => Ok(Decided::Skip(why)),
            _ => Ok(Decided::Run(blocks)),
        }
    }

    async fn blocks(
        &mut self,
        step: &Step,
        blocks: &[Block<'_>],
        (by, called): (DrillTime, &str),
        context: &mut dyn FollowContext,
    ) -> Result<Vec<String>, Broke> {
        let mut warnings = Vec::new();
        let mut begun = vec![0; blocks.len()];
        let (mut tries, mut next) = (1_u32, 0);
        while let (Some(block), Some(begun)) = (blocks.get(next), begun.get_mut(next)) {
            let Failure { what, at, verifies, timed_out, .. } = match self.block(step, block, begun, context).await? {
                Ok(more) => {
                    warnings.extend(more);
                    next += 1;
                    continue;
                }
                Err(failure) => failure,
            };
            if failing(step.phase) != Failing::TriedAgain || !verifies {
                let stop = Stop::new(Verdict::StepFailed, what).at(at);
                return Err(if timed_out { stop.measured() } else { stop }.into());
            }
            if block.settings.retry.is_some() {
                return Err(Broke::Verification(Stop::new(Verdict::StepFailed, what).at(at).measured()));
            }
            if self.sink.now().plus(RETRY) >= by {
                let reason = format!("{what}; the step was tried {tries} times, until {called} was over");
                return Err(Broke::Verification(Stop::new(Verdict::StepFailed, reason).at(at).measured()));
            }
            // From its first command on: a later one often looks at what an earlier one fetched.
            (tries, next) = (tries + 1, 0);
            tokio::time::sleep(RETRY).await;
        }
        Ok(warnings)
    }

    async fn by_hand(&self, step: &Step, reason: &str, context: &mut dyn FollowContext) -> Result<Followed, Broke> {
        match context.by_hand(step).await? {
            ByHand::Done => {
                let said = "done by hand, confirmed by the person at the terminal".to_string();
                Ok(Followed::of(StepStatus::Passed, Some(said), &[]))
            }
            ByHand::Skipped => Ok(Followed::of(StepStatus::Skipped, Some(reason.to_string()), &[])),
            ByHand::Stop => {
                let at = Location { path: self.path.clone(), line: step.line };
                Err(Stop::new(Verdict::Interrupted, "stopped by the person who was asked").at(at).into())
            }
        }
    }

    /// One input without a value blocks the whole step: nothing of it runs. What an earlier block of it captures is
    /// there in time.
    async fn complete(
        &mut self,
        step: &Step,
        blocks: &[Block<'_>],
        context: &mut dyn FollowContext,
    ) -> Result<(), Stop> {
        let mut captured: Vec<String> = Vec::new();
        let mut missing: Vec<Input> = Vec::new();
        for block in blocks {
            for input in block.commands.iter().flat_map(|(_, command)| self.needs(command, &block.settings)) {
                if self.inputs.lack(&input).is_some() && !captured.contains(&input.name) {
                    missing.push(input);
                }
            }
            captured.extend(block.settings.capture.as_deref().map(unified_name));
        }
        let mut blocking: Vec<Input> = Vec::new();
        for input in missing {
            if self.inputs.lack(&input).is_none() {
                continue;
            }
            if let Some(value) = context.value_of(&input).await {
                if looks_secret(&input.name) || url_password(&value).is_some() {
                    self.sink.hide(url_password(&value).map(str::to_string).into_iter().chain([value.clone()]));
                }
                let name = input.variable().unwrap_or(&input.name).to_string();
                let vars = self.inputs.set(&name, &value);
                self.sessions.set(&vars).await;
            }
            if self.inputs.lack(&input).is_some() {
                blocking.push(input);
            }
        }
        let Some(first) = blocking.first() else { return Ok(()) };
        let whys = [Lack::Missing, Lack::Empty].into_iter().filter_map(|lack| {
            let of = blocking.iter().filter(|input| self.inputs.lack(input) == Some(lack));
            let mut spellings: Vec<&str> = of.map(|input| input.spelling.as_str()).collect();
            spellings.dedup();
            (!spellings.is_empty()).then(|| format!("{} {}", spellings.join(", "), lack.text()))
        });
        let whys = whys.collect::<Vec<_>>().join(", ");
        let names: Vec<&str> = blocking.iter().map(|input| input.name.as_str()).collect();
        let reason = format!("`{}` was not run: {whys}; {}", step.title, context.how_to_give(&names));
        let in_file = step.commands().iter().find(|command| command.inputs.contains(first));
        let path = in_file.map_or_else(|| self.path.clone(), |command| self.location(command).path);
        Err(Stop::new(Verdict::StepBlocked, reason).at(Location { path, line: first.line }))
    }

    /// What runs until the runbook ends has no output to wait for.
    fn contradictions(&self, blocks: &[Block<'_>]) -> Result<(), Stop> {
        for block in blocks {
            if let (Some(key), Some((_, first))) = (block.settings.contradiction(), block.commands.first()) {
                let reason = format!("a block in the background cannot have `{key}`: nobody waits for its end");
                return Err(Stop::new(Verdict::StepFailed, reason).at(self.location(first)));
            }
        }
        Ok(())
    }
}
