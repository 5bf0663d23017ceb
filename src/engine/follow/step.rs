//! One step: its inputs first, of which a missing one blocks it as a whole, then its blocks in order.

use super::block::{BlockFailure, CommandBlock, DoneSoFar};
use super::inputs::Lack;
use super::judge::{Failing, failing, first_line};
use super::{FollowContext, Follower, ManualOutcome};
use crate::engine::stop::Stop;
use crate::record::{Check, CheckOutcome, DrillTime, Event, Location, StepStatus, Verdict, looks_secret, url_password};
use crate::runbook::{Handling, RunbookInput, Step, StepKind, unified_name};
use std::time::Duration;

/// Appended to the reason of a verification that is not tried again.
const ONCE: &str = "; it may do more than look, so it was not tried again: `retry` says that it is";
/// Pause before a verifying step is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Why a step did not do what it should.
enum StepError {
    /// Nothing more is done.
    Stop(Stop),
    /// A verification did not pass in its time. Whether users have recovered is measured by then, and says more than a
    /// command that gave up.
    Unverified(Stop),
}

impl From<Stop> for StepError {
    fn from(stop: Stop) -> StepError {
        StepError::Stop(stop)
    }
}

/// How a step ended that did what it should.
struct StepOutcome {
    /// `Passed`, `Warned` or `Skipped`.
    status: StepStatus,
    /// Why, where that needs a reason.
    reason: Option<String>,
    /// What was seen.
    evidence: String,
}

impl StepOutcome {
    fn of(status: StepStatus, reason: Option<String>, blocks: &[CommandBlock<'_>]) -> StepOutcome {
        let aside = |block: &&CommandBlock<'_>| block.settings.background == Some(true);
        let (aside, waited): (Vec<_>, Vec<_>) = blocks.iter().partition(aside);
        let stated = waited.iter().any(|block| block.settings.expect.is_some() || block.settings.expect_exit.is_some());
        let what = if stated { "every command ended as it was expected to" } else { "every command exited with 0" };
        let evidence = match &reason {
            Some(reason) => reason.clone(),
            None if aside.is_empty() => what.to_string(),
            None if waited.is_empty() => "started in the background".to_string(),
            None => format!("{what}, but for what was started in the background"),
        };
        StepOutcome { status, reason, evidence }
    }
}

impl Follower<'_> {
    /// Carries out steps in order, and tells how each ended. `Some`: a verification did not pass in its time, and nothing after
    /// it was run.
    ///
    /// # Errors
    /// Why nothing more is to be done.
    pub async fn steps(&mut self, steps: &[&Step], context: &mut dyn FollowContext) -> Result<Option<Stop>, Stop> {
        self.sessions.ready(&self.inputs.env()).await?;
        for step in steps {
            let (id, started_us) = (step.id.clone(), self.sink.now());
            self.sink.emit(Event::StepStarted { step: id.clone() });
            let ended = self.step(step, context).await;
            // Taken from every step: what a diagnosis wrote is not the output of a mitigation that was skipped.
            context.ended(step, self.last_line.take());
            let check = Check::Step { step: id.clone() };
            let tell = |status, reason, at| self.sink.emit(Event::StepEnded { step: id, status, reason, at });
            let skipped = |reason| CheckOutcome::Skipped { reason };
            match ended {
                Ok(StepOutcome { status, reason, evidence }) => {
                    tell(status, reason, None);
                    let outcome = match status {
                        StepStatus::Skipped => skipped(evidence),
                        _ => CheckOutcome::Passed { evidence },
                    };
                    self.sink.emit(Event::CheckEnded { check, started_us, outcome });
                }
                Err(StepError::Stop(stop)) if stop.verdict == Verdict::SelfHealed => {
                    let reason = "it would have proved nothing".to_string();
                    tell(StepStatus::Skipped, Some(reason.clone()), stop.at.clone());
                    self.sink.emit(Event::CheckEnded { check, started_us, outcome: skipped(reason) });
                    return Err(stop);
                }
                Err(StepError::Stop(stop)) => {
                    let blocked = stop.verdict == Verdict::StepBlocked;
                    let status = if blocked { StepStatus::Blocked } else { StepStatus::Failed };
                    tell(status, Some(stop.reason.clone()), stop.at.clone());
                    return Err(context.failed(check, started_us, stop));
                }
                Err(StepError::Unverified(stop)) => {
                    tell(StepStatus::Failed, Some(stop.reason.clone()), stop.at.clone());
                    return Ok(Some(context.failed(check, started_us, stop)));
                }
            }
        }
        Ok(None)
    }

    /// Carries out a step, in its own environment where it has one.
    ///
    /// # Errors
    /// Why it did not do what it should.
    async fn step(&mut self, step: &Step, context: &mut dyn FollowContext) -> Result<StepOutcome, StepError> {
        let Some(env) = self.respond.env_of_steps.get(&step.id) else { return self.bare_step(step, context).await };
        let set = self.inputs.begin_step(env);
        self.sessions.set(&set).await;
        let followed = self.bare_step(step, context).await;
        let back = self.inputs.end_step();
        self.sessions.set_back(&back).await;
        followed
    }

    async fn bare_step(&mut self, step: &Step, context: &mut dyn FollowContext) -> Result<StepOutcome, StepError> {
        let all = CommandBlock::of(step);
        if let StepKind::Manual(reason) = &step.kind {
            let said = step.blocks.iter().find_map(|block| block.settings.skip.clone());
            return match said {
                Some(reason) => Ok(StepOutcome::of(StepStatus::Skipped, Some(reason), &[])),
                None => self.manual_step(step, reason, context).await,
            };
        }
        let (skipped, blocks): (Vec<CommandBlock<'_>>, Vec<CommandBlock<'_>>) =
            all.into_iter().partition(|block| block.settings.skip.is_some());
        for block in &skipped {
            let why = block.settings.skip.clone().unwrap_or_default();
            if blocks.is_empty() {
                return Ok(StepOutcome::of(StepStatus::Skipped, Some(why), &[]));
            }
            if let Some((_, first)) = block.commands.first() {
                self.sink.note(format!("{}: not run: {why}", self.location(first)));
            }
        }
        let blocks = match self.decided(blocks)? {
            Ok(blocks) => blocks,
            Err(Handling::Manual(why)) => return self.manual_step(step, &why, context).await,
            Err(skip) => return Ok(StepOutcome::of(StepStatus::Skipped, Some(skip.why().to_string()), &[])),
        };
        self.complete(step, &blocks, context).await?;
        self.contradictions(&blocks)?;
        let (by, called) = context.try_until(self.sink.now());
        let warnings = self.blocks(step, &blocks, (by, called), context).await?;
        match warnings.is_empty() {
            true => Ok(StepOutcome::of(StepStatus::Passed, None, &blocks)),
            false => Ok(StepOutcome::of(StepStatus::Warned, Some(warnings.join("; ")), &blocks)),
        }
    }

    /// What of some blocks runs by the decisions; where nothing does, whether it is left out or a person does it. One command that nobody
    /// has decided about blocks all of the step, before anything of it runs.
    fn decided<'s>(&self, mut blocks: Vec<CommandBlock<'s>>) -> Result<Result<Vec<CommandBlock<'s>>, Handling>, Stop> {
        let (mut skipped, mut person) = (None, None);
        for (_, command) in blocks.iter().flat_map(|block| &block.commands) {
            match &command.handling {
                Handling::Run(_) => {}
                Handling::Skip(_) => skipped = Some(command.handling.clone()),
                Handling::Manual(why) => person = Some(format!("`{}`: {why}", first_line(&command.text))),
                Handling::Blocked(why) => {
                    let help = format!("`firedrill accept {}` asks a person", self.path);
                    let reason = format!("`{}` was not run: {why}; {help}", first_line(&command.text));
                    return Err(Stop::new(Verdict::StepBlocked, reason).at(self.location(command)));
                }
            }
        }
        if let Some(why) = person {
            return Ok(Err(Handling::Manual(why)));
        }
        for block in &mut blocks {
            block.commands.retain(|(_, command)| {
                let Handling::Skip(why) = &command.handling else { return true };
                let text = format!("{}: `{}` is not run: {why}", self.location(command), first_line(&command.text));
                self.sink.note(text);
                false
            });
        }
        blocks.retain(|block| !block.commands.is_empty());
        Ok(skipped.filter(|_| blocks.is_empty()).map_or(Ok(blocks), Err))
    }

    async fn blocks(
        &mut self,
        step: &Step,
        blocks: &[CommandBlock<'_>],
        (by, called): (DrillTime, &str),
        context: &mut dyn FollowContext,
    ) -> Result<Vec<String>, StepError> {
        let mut warnings = Vec::new();
        let mut states: Vec<(u32, DoneSoFar)> = blocks.iter().map(|_| Default::default()).collect();
        let (mut tries, mut next) = (1_u32, 0);
        while let (Some(block), Some((begun, done))) = (blocks.get(next), states.get_mut(next)) {
            let BlockFailure { mut what, at, may_pass, timed_out, once } =
                match self.block(step, block, (begun, done), context).await? {
                    Ok(more) => {
                        warnings.extend(more);
                        next += 1;
                        continue;
                    }
                    Err(failure) => failure,
                };
            if failing(step.phase) != Failing::TriedAgain || !may_pass || timed_out {
                let stop = Stop::new(Verdict::StepFailed, what).at(at);
                return Err(if timed_out { stop.measured() } else { stop }.into());
            }
            if once {
                what.push_str(ONCE);
            }
            if once || block.settings.retry.is_some() {
                return Err(StepError::Unverified(Stop::new(Verdict::StepFailed, what).at(at).measured()));
            }
            if self.sink.now().plus(RETRY) >= by {
                let reason = format!("{what}; the step was tried {tries} times, until {called} was over");
                return Err(StepError::Unverified(Stop::new(Verdict::StepFailed, reason).at(at).measured()));
            }
            // From its first command on, as a later one often looks at what an earlier one fetched. What has done more than look
            // is done.
            (tries, next) = (tries + 1, 0);
            tokio::time::sleep(RETRY).await;
        }
        Ok(warnings)
    }

    async fn manual_step(
        &self,
        step: &Step,
        reason: &str,
        context: &mut dyn FollowContext,
    ) -> Result<StepOutcome, StepError> {
        match context.manual_step(step).await? {
            ManualOutcome::Done => {
                let said = "done by hand, confirmed by the person at the terminal".to_string();
                Ok(StepOutcome::of(StepStatus::Passed, Some(said), &[]))
            }
            ManualOutcome::Skipped => Ok(StepOutcome::of(StepStatus::Skipped, Some(reason.to_string()), &[])),
            ManualOutcome::Stop => {
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
        blocks: &[CommandBlock<'_>],
        context: &mut dyn FollowContext,
    ) -> Result<(), Stop> {
        let mut captured: Vec<String> = Vec::new();
        let mut missing: Vec<RunbookInput> = Vec::new();
        for block in blocks {
            for input in block.commands.iter().flat_map(|(_, command)| self.needs(command, &block.settings)) {
                if self.inputs.lack(&input).is_some() && !captured.contains(&input.name) {
                    missing.push(input);
                }
            }
            captured.extend(block.settings.capture.as_deref().map(unified_name));
        }
        let mut blocking: Vec<RunbookInput> = Vec::new();
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
    fn contradictions(&self, blocks: &[CommandBlock<'_>]) -> Result<(), Stop> {
        for block in blocks {
            if let (Some(key), Some((_, first))) = (block.settings.contradiction(), block.commands.first()) {
                let reason = format!("a block in the background cannot have `{key}`: nobody waits for its end");
                return Err(Stop::new(Verdict::StepFailed, reason).at(self.location(first)));
            }
        }
        Ok(())
    }
}
