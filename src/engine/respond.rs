//! Respond: the runbook's steps in order, in one shell session, while the fault is still on.

use super::drill::{Drill, micros, seconds};
use super::monitor::shown;
use super::stop::Stop;
use crate::record::{Check, CheckOutcome, DrillTime, Event, Location, StepStatus, Stream, Verdict};
use crate::runbook::{RunbookPhase, Step, StepKind};
use crate::shell::{CommandResult, Shell};
use crate::stack::Stack;
use std::time::Duration;

/// Pause before a verifying step is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// How a phase of the runbook takes a command that fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Failing {
    /// It fails the step and ends the runbook.
    Fails,
    /// It is a warning: `grep` and `curl -f` are honest there.
    Warns,
    /// The step is tried again until it passes or the time to recover is over.
    TriedAgain,
}

fn failing(phase: RunbookPhase) -> Failing {
    match phase {
        RunbookPhase::Detect | RunbookPhase::Diagnose => Failing::Warns,
        RunbookPhase::Verify => Failing::TriedAgain,
        _ => Failing::Fails,
    }
}

/// Why a command did not do what it should.
enum Fault {
    Exit(i32),
    TimedOut,
    Syntax(i32),
    NotFound(i32),
}

impl Fault {
    fn told(&self, timeout: Duration) -> String {
        match self {
            Fault::Exit(code) => format!("exited with {code}"),
            Fault::TimedOut => format!("did not end within {} and was killed", seconds(timeout)),
            Fault::Syntax(code) => format!("is not valid bash (exit {code})"),
            Fault::NotFound(126) => "cannot be executed (exit 126)".to_string(),
            Fault::NotFound(code) => format!("was not found (exit {code})"),
        }
    }
}

/// What comes after a command.
enum Ending {
    Passed,
    Warned(String),
    TryAgain,
}

/// Why a step did not do what it should.
enum Broke {
    /// The drill ends here.
    Drill(Stop),
    /// A verification did not pass until `recover.within` was over. Whether users have recovered is measured by then,
    /// and says more than a command that gave up.
    Verification(Stop),
}

impl From<Stop> for Broke {
    fn from(stop: Stop) -> Broke {
        Broke::Drill(stop)
    }
}

impl<S: Stack> Drill<'_, S> {
    /// `Ok(Some(stop))`: a verification never passed, and is the reason to fail if users have recovered all the same.
    pub(super) async fn respond(&mut self) -> Result<Option<Stop>, Stop> {
        let plan = self.plan;
        let Some(runbook) = &plan.runbook else { return Ok(None) };
        let path = super::announce::shown(&runbook.source);
        let mut shell = self.shell().await?;
        for step in runbook.select(&plan.respond.phases) {
            let started = self.sink.now();
            self.sink.emit(Event::StepStarted { step: step.id.clone() });
            let ended = self.step(&mut shell, step, &path).await;
            if self.mitigates(step.phase) {
                self.mitigation_ended(step);
            }
            let check = Check::Step { step: step.id.clone() };
            match ended {
                Ok((status, reason)) => {
                    let evidence = reason.clone().unwrap_or_else(|| "every command exited with 0".into());
                    self.sink.emit(Event::StepEnded { step: step.id.clone(), status, reason, at: None });
                    let outcome = match status {
                        StepStatus::Skipped => CheckOutcome::Skipped { reason: evidence },
                        _ => CheckOutcome::Passed { evidence },
                    };
                    self.decided(check, started, outcome);
                }
                Err(Broke::Verification(stop)) => {
                    let (reason, at) = (Some(stop.reason.clone()), stop.at.clone());
                    self.sink.emit(Event::StepEnded { step: step.id.clone(), status: StepStatus::Failed, reason, at });
                    return Ok(Some(self.failed(check, started, stop)));
                }
                Err(Broke::Drill(stop)) => {
                    let status =
                        if stop.verdict == Verdict::StepBlocked { StepStatus::Blocked } else { StepStatus::Failed };
                    let (reason, at) = (Some(stop.reason.clone()), stop.at.clone());
                    if stop.verdict != Verdict::SelfHealed {
                        self.sink.emit(Event::StepEnded { step: step.id.clone(), status, reason, at });
                        return Err(self.failed(check, started, stop));
                    }
                    let reason = "users had recovered before it".to_string();
                    let ended = Event::StepEnded {
                        step: step.id.clone(),
                        status: StepStatus::Skipped,
                        reason: Some(reason.clone()),
                        at,
                    };
                    self.sink.emit(ended);
                    self.decided(check, started, CheckOutcome::Skipped { reason });
                    return Err(stop);
                }
            }
        }
        if self.mitigation.is_none() {
            // Nothing of the runbook mitigates by a command; what heals from here on heals by itself or by hand.
            self.still_broken()?;
            self.by_hand = true;
            let now = self.sink.now();
            self.mitigation = Some((now, Some(now)));
        }
        Ok(None)
    }

    async fn shell(&mut self) -> Result<Shell, Stop> {
        let opening = self.shell.take().ok_or_else(|| Stop::harness("no shell session was opened"))?;
        match opening.await {
            Ok(shell) => Ok(shell?),
            Err(error) => Err(Stop::harness(format!("the shell session could not be opened: {error}"))),
        }
    }

    /// Whether the steps of a phase are meant to help: those of mitigate; where no command of it is followed, those of
    /// rollback (a bad release is mitigated so) and of phases with no name of their own.
    fn mitigates(&self, phase: RunbookPhase) -> bool {
        let steps = self.plan.runbook.iter().flat_map(|runbook| runbook.select(&self.plan.respond.phases));
        let by_name = steps.filter(|step| step.phase == RunbookPhase::Mitigate).any(|step| !step.commands().is_empty());
        match phase {
            RunbookPhase::Mitigate => true,
            RunbookPhase::Rollback | RunbookPhase::Other => !by_name,
            _ => false,
        }
    }

    fn mitigation_ended(&mut self, step: &Step) {
        if let (Some((begun, _)), StepKind::Commands(_)) = (self.mitigation, &step.kind) {
            self.mitigation = Some((begun, Some(self.sink.now())));
            self.sink.emit(Event::MitigationEnded);
        }
    }

    async fn step(
        &mut self,
        shell: &mut Shell,
        step: &Step,
        path: &str,
    ) -> Result<(StepStatus, Option<String>), Broke> {
        let commands = match &step.kind {
            StepKind::Manual(reason) => return Ok((StepStatus::Skipped, Some(reason.clone()))),
            StepKind::Commands(commands) => commands,
        };
        let texts = self.filled(step, path)?;
        let mut warnings = Vec::new();
        let try_until = self.recover_by(self.sink.now());
        let mut attempt = 1;
        let mut number = 0;
        while let (Some(command), Some(text)) = (commands.get(number), texts.get(number)) {
            if self.mitigates(step.phase) && self.mitigation.is_none() {
                self.still_broken()?;
                self.mitigation = Some((self.sink.now(), None));
                self.sink.emit(Event::MitigationStarted);
            }
            let at = Location { path: path.to_string(), line: command.line };
            match self.command(shell, step, number, text, at, (attempt, try_until)).await? {
                Ending::Passed => number += 1,
                Ending::Warned(warning) => {
                    warnings.push(warning);
                    number += 1;
                }
                // From its first command on: a later one often looks at what an earlier one fetched.
                Ending::TryAgain => {
                    attempt += 1;
                    number = 0;
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
        match warnings.is_empty() {
            true => Ok((StepStatus::Passed, None)),
            false => Ok((StepStatus::Warned, Some(warnings.join("; ")))),
        }
    }

    /// The commands with their inputs filled in. One input without a value blocks the whole step: nothing of it runs.
    fn filled(&self, step: &Step, path: &str) -> Result<Vec<String>, Stop> {
        let vars = &self.plan.respond.vars;
        step.fill(|name| vars.get(name).map(|var| var.value.clone())).map_err(|missing| {
            let mut spellings: Vec<&str> = missing.iter().map(|input| input.spelling.as_str()).collect();
            spellings.dedup();
            let names: Vec<String> = missing.iter().map(|input| format!("{}: …", input.name)).collect();
            let line = missing.first().map_or(step.line, |input| input.line);
            let reason = format!(
                "`{}` was not run: {} has no value; give it as `respond.vars` in the scenario ({}) or with `--var`",
                step.title,
                spellings.join(", "),
                names.join(", ")
            );
            Stop::new(Verdict::StepBlocked, reason).at(Location { path: path.to_string(), line })
        })
    }

    /// Runs one command and judges it as its phase wants it judged.
    async fn command(
        &mut self,
        shell: &mut Shell,
        step: &Step,
        number: usize,
        text: &str,
        at: Location,
        (attempt, try_until): (u32, DrillTime),
    ) -> Result<Ending, Broke> {
        let result = self.run(shell, step, number, text, &at, attempt).await?;
        let Some(fault) = judge(&result, text) else { return Ok(Ending::Passed) };
        let fatal = !matches!(fault, Fault::Exit(_));
        let what = format!("`{}` {}", first_line(text), fault.told(self.plan.respond.timeout));
        match failing(step.phase) {
            Failing::Warns if !fatal => Ok(Ending::Warned(format!("{at}: {what}"))),
            Failing::TriedAgain if !fatal && self.sink.now().plus(RETRY) < try_until => Ok(Ending::TryAgain),
            Failing::TriedAgain if !fatal => {
                let reason = format!("{what}; the step was tried {attempt} times, until `recover.within` was over");
                Err(Broke::Verification(Stop::new(Verdict::StepFailed, reason).at(at)))
            }
            _ => Err(Stop::new(Verdict::StepFailed, what).at(at).into()),
        }
    }

    async fn run(
        &mut self,
        shell: &mut Shell,
        step: &Step,
        command: usize,
        text: &str,
        at: &Location,
        attempt: u32,
    ) -> Result<CommandResult, Stop> {
        let id = step.id.clone();
        let started =
            Event::CommandStarted { step: id.clone(), command, text: text.to_string(), at: at.clone(), attempt };
        self.sink.emit(started);
        // A secret may be cut in two by the borders of the chunks, in each stream by itself.
        let redactor = self.sink.redactor();
        let (mut stdout, mut stderr) = (redactor.stream(), redactor.stream());
        let (sink, output_of) = (self.sink.clone(), id.clone());
        let show = |stream, text: String| {
            if !text.is_empty() {
                sink.emit(Event::Output { step: output_of.clone(), command, stream, text });
            }
        };
        let on_output = |stream, text: String| match stream {
            Stream::Stdout => show(stream, stdout.push(&text)),
            Stream::Stderr => show(stream, stderr.push(&text)),
        };
        let result = shell.run(text, self.plan.respond.timeout, on_output).await;
        show(Stream::Stdout, stdout.finish());
        show(Stream::Stderr, stderr.finish());
        let result = result.map_err(|error| Stop::from(error).at(at.clone()))?;
        self.sink.emit(Event::CommandEnded {
            step: id,
            command,
            exit: result.exit,
            took_us: micros(result.took),
            timed_out: result.timed_out,
            omitted: result.omitted,
        });
        if let Some(why) = self.monitor.gone() {
            return Err(Stop::harness(why));
        }
        Ok(result)
    }

    /// Until when users must have recovered, for a step that began at `begun`: a runbook that verifies without having
    /// mitigated has its deadline as well.
    fn recover_by(&self, begun: DrillTime) -> DrillTime {
        self.mitigation.and_then(|(_, ended)| ended).unwrap_or(begun).plus(self.plan.recover_within)
    }

    /// The SLIs that were hit must still miss their objectives, or the drill cannot say that the runbook helped.
    fn still_broken(&self) -> Result<(), Stop> {
        let Some((_, hit)) = &self.impacted else { return Ok(()) };
        let now = self.sink.now();
        // From the injection on and not from the impact: a mitigation that begins at once would find no slice yet.
        let since = self.injected.map_or(now, |(_, last)| last);
        let window = self.plan.impact.window;
        let state = self.monitor.timeline(|timeline| timeline.still_broken(hit, window, since));
        if state.users_suffer() {
            let evidence = format!("when the mitigation began: {}", shown(&state.broken));
            self.decided(Check::StillBroken, now, CheckOutcome::Passed { evidence });
            return Ok(());
        }
        let stop = if state.unknown.is_empty() {
            let reason = format!(
                "users had recovered before the first mitigating command, so the runbook proved nothing: {}",
                shown(&state.healed)
            );
            Stop::new(Verdict::SelfHealed, reason)
        } else {
            let unknown = state.unknown.join(", ");
            Stop::harness(format!("there was no data on {unknown} when the mitigation began"))
        };
        Err(self.failed(Check::StillBroken, now, stop))
    }
}

fn judge(result: &CommandResult, text: &str) -> Option<Fault> {
    match result.exit {
        _ if result.timed_out => Some(Fault::TimedOut),
        0 => None,
        code @ (126 | 127) => Some(Fault::NotFound(code)),
        2 if crate::runbook::has_syntax_error(text) => Some(Fault::Syntax(2)),
        code => Some(Fault::Exit(code)),
    }
}

fn first_line(text: &str) -> String {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    if lines.next().is_some() { format!("{first} …") } else { first.to_string() }
}
