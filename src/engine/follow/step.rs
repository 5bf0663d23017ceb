//! One step: its inputs first, of which a missing one blocks it as a whole, then its blocks in order.

use super::block::{BlockFailure, CommandBlock};
use super::judge::{Failing, failing, first_line};
use super::{Follower, ManualOutcome};
use crate::engine::stop::Stop;
use crate::record::{Check, CheckOutcome, Event, Location, StepStatus, Verdict, looks_secret, url_password};
use crate::runbook::{Handling, RunbookInput, Step, is_in_another_terminal, unified_name};
use std::time::Duration;

/// Appended to the reason of a verification that is not tried again.
const ONCE: &str = "; it may do more than look, so it was not tried again: `retry` says that it is";
/// Pause before a verifying step is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// How a step ended that did what it should: `Passed`, `Warned` or `Skipped`, why where that needs a reason, and otherwise
/// what was seen.
type StepOutcome = (StepStatus, Option<String>, &'static str);

/// How a step ended, or why nothing more is done. The inner `Err`: a verification did not pass in its time. Whether users have recovered is
/// measured by then, and says more than a command that gave up.
type StepEnd = Result<Result<StepOutcome, Stop>, Stop>;

impl Follower<'_> {
    /// Carries out steps in order, and tells how each ended. `Some`: a verification did not pass in its time, and nothing after
    /// it was run.
    ///
    /// # Errors
    /// Why nothing more is to be done.
    pub(super) async fn steps(&mut self, steps: &[&Step]) -> Result<Option<Stop>, Stop> {
        self.sessions.ready(&self.inputs.env()).await?;
        for step in steps {
            let (id, started_us) = (step.id.clone(), self.sink.now());
            self.sink.emit(Event::StepStarted { step: id.clone() });
            // On the heap: what a step does lies deep, and below the phases of a drill.
            let ended = Box::pin(self.step(step)).await;
            // Taken from every step: what a diagnosis wrote is not the output of a mitigation that was skipped.
            self.context.ended(step, self.last_line.take());
            let (check, unverified) = (Check::Step { step: id.clone() }, matches!(ended, Ok(Err(_))));
            let tell = |status, reason, at| self.sink.emit(Event::StepEnded { step: id, status, reason, at });
            let skipped = |reason| CheckOutcome::Skipped { reason };
            match ended {
                Ok(Ok((status, reason, seen))) => {
                    let evidence = reason.clone().unwrap_or_else(|| seen.to_string());
                    tell(status, reason, None);
                    let outcome = match status {
                        StepStatus::Skipped => skipped(evidence),
                        _ => CheckOutcome::Passed { evidence },
                    };
                    self.sink.emit(Event::CheckEnded { check, started_us, outcome });
                }
                Err(stop) if stop.verdict == Verdict::SelfHealed => {
                    let reason = "it would have proved nothing".to_string();
                    tell(StepStatus::Skipped, Some(reason.clone()), stop.at.clone());
                    self.sink.emit(Event::CheckEnded { check, started_us, outcome: skipped(reason) });
                    return Err(stop);
                }
                Err(stop) | Ok(Err(stop)) => {
                    let blocked = stop.verdict == Verdict::StepBlocked;
                    let status = if blocked { StepStatus::Blocked } else { StepStatus::Failed };
                    tell(status, Some(stop.reason.clone()), stop.at.clone());
                    let stop = self.context.failed(check, started_us, stop);
                    return if unverified { Ok(Some(stop)) } else { Err(stop) };
                }
            }
        }
        Ok(None)
    }

    /// Carries out a step, in another terminal where it asks for one.
    ///
    /// # Errors
    /// Why it did not do what it should.
    async fn step(&mut self, step: &Step) -> StepEnd {
        let first = is_in_another_terminal(&step.title).then(|| self.sessions.open_other());
        let followed = self.step_in_its_environment(step).await;
        if let Some(first) = first {
            self.sessions.close_other(first);
        }
        followed
    }

    async fn step_in_its_environment(&mut self, step: &Step) -> StepEnd {
        let Some(env) = self.respond.env_of_steps.get(&step.id) else { return self.bare_step(step).await };
        let set = self.inputs.begin_step(env);
        self.sessions.set(&set).await;
        let followed = self.bare_step(step).await;
        let back = self.inputs.end_step();
        self.sessions.set(&back).await;
        followed
    }

    async fn bare_step(&mut self, step: &Step) -> StepEnd {
        let skipped = |why: String| Ok(Ok((StepStatus::Skipped, Some(why), "")));
        if let Some(reason) = &step.manual {
            let said = step.blocks.iter().find_map(|block| block.settings.skip.clone());
            return match said {
                Some(reason) => skipped(reason),
                None => self.manual_step(step, reason).await.map(Ok),
            };
        }
        let (left_out, blocks): (Vec<CommandBlock<'_>>, Vec<CommandBlock<'_>>) =
            CommandBlock::of(step).into_iter().partition(|block| block.settings.skip.is_some());
        for block in &left_out {
            let why = block.settings.skip.clone().unwrap_or_default();
            if blocks.is_empty() {
                return skipped(why);
            }
            if let Some((_, first)) = block.commands.first() {
                self.sink.note(format!("{}: not run: {why}", self.location(first)));
            }
        }
        let mut blocks = match self.decided(blocks)? {
            Ok(blocks) => blocks,
            Err(Handling::Manual(why)) => return self.manual_step(step, &why).await.map(Ok),
            Err(skip) => return skipped(skip.why().to_string()),
        };
        self.complete(step, &blocks).await?;
        let warnings = self.blocks(&mut blocks).await?;
        let waited = blocks.iter().any(|block| block.settings.background != Some(true));
        Ok(warnings.map(|warnings| match warnings.is_empty() {
            true if waited => (StepStatus::Passed, None, "every command ended as it was expected to"),
            true => (StepStatus::Passed, None, "started in the background"),
            false => (StepStatus::Warned, Some(warnings.join("; ")), ""),
        }))
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

    async fn blocks(&mut self, blocks: &mut [CommandBlock<'_>]) -> Result<Result<Vec<String>, Stop>, Stop> {
        let (by, called) = self.context.try_until(self.sink.now());
        let (mut warnings, mut tries, mut next) = (Vec::new(), 1_u32, 0);
        while let Some(block) = blocks.get_mut(next) {
            let BlockFailure { mut stop, may_pass, once } = match self.block(block).await? {
                Ok(more) => {
                    warnings.extend(more);
                    next += 1;
                    continue;
                }
                Err(failure) => failure,
            };
            if failing(block.step.phase) != Failing::TriedAgain || !may_pass || stop.measured {
                return Err(stop);
            }
            if once {
                stop.reason.push_str(ONCE);
            } else if block.settings.retry.is_none() {
                if self.sink.now().plus(RETRY) < by {
                    // From its first command on, as a later one often looks at what an earlier one fetched. What has done more than
                    // look is done.
                    (tries, next) = (tries + 1, 0);
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
                stop.reason.push_str(&format!("; the step was tried {tries} times, until {called} was over"));
            }
            return Ok(Err(stop.measured()));
        }
        Ok(Ok(warnings))
    }

    async fn manual_step(&mut self, step: &Step, reason: &str) -> Result<StepOutcome, Stop> {
        match self.context.manual_step(step).await? {
            ManualOutcome::Done => {
                let said = "done by hand, confirmed by the person at the terminal".to_string();
                Ok((StepStatus::Passed, Some(said), ""))
            }
            ManualOutcome::Skipped => Ok((StepStatus::Skipped, Some(reason.to_string()), "")),
            ManualOutcome::Stop => {
                let at = Location { path: self.path.clone(), line: step.line };
                Err(Stop::new(Verdict::Interrupted, "stopped by the person who was asked").at(at))
            }
        }
    }

    /// One input without a value blocks the whole step: nothing of it runs. What an earlier block of it captures is
    /// there in time.
    async fn complete(&mut self, step: &Step, blocks: &[CommandBlock<'_>]) -> Result<(), Stop> {
        let (mut captured, mut missing) = (Vec::new(), Vec::new());
        for block in blocks {
            let needs = block.commands.iter().flat_map(|(_, command)| self.needs(command, &block.settings));
            missing.extend(needs.filter(|input| !captured.contains(&input.name)));
            captured.extend(block.settings.capture.as_deref().map(unified_name));
        }
        let mut blocking: Vec<RunbookInput> = Vec::new();
        for input in missing {
            if self.inputs.lack(&input).is_none() {
                continue;
            }
            if let Some(value) = self.context.person().value_of(&input).await {
                if looks_secret(&input.name) || url_password(&value).is_some() {
                    self.sink.secrets.hide(url_password(&value).map(str::to_string).into_iter().chain([value.clone()]));
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
        let lack = |input: &RunbookInput| Some(format!("{} {}", input.spelling, self.inputs.lack(input)?));
        let mut whys: Vec<String> = blocking.iter().filter_map(lack).collect();
        whys.dedup();
        let mut names: Vec<String> = blocking.iter().map(|input| format!("--var {}=…", input.name)).collect();
        names.dedup();
        let how = format!("give it with `{}`, or in the scenario by `respond.vars`", names.join(" "));
        let reason = format!("`{}` was not run: {}; {how}", step.title, whys.join(", "));
        let in_file = step.commands().iter().find(|command| command.inputs.contains(first));
        let path = in_file.map_or_else(|| self.path.clone(), |command| self.location(command).path);
        Err(Stop::new(Verdict::StepBlocked, reason).at(Location { path, line: first.line }))
    }
}
