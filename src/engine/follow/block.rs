//! A block of a step: its commands in order, in one session, judged by what the block says of them; tried again where it
//! says so.

use super::background::{Background, BackgroundBlock, BackgroundCommand};
use super::judge::{CommandFailure, Failing, failing, first_line, judge};
use super::sessions::name;
use super::{FollowContext, Follower, capture, client, place_of};
use crate::bash::is_one_command;
use crate::engine::context::micros;
use crate::engine::stop::Stop;
use crate::programs::{EffectKind, only_looks};
use crate::record::{Event, EventSink, Location, Stream, Verdict};
use crate::runbook::{BlockSettings, Command, Expect, Retry, RunbookInput, Step};
use crate::shell::{CommandResult, EndedCall, Shell, ShellError};
use crate::spec::BlockClient;
use crate::stack::Place;
use std::time::{Duration, Instant};

/// Exit code of a command that was killed with its container: 128 + SIGKILL.
const KILLED: i32 = 137;
/// Columns of evidence that are shown.
const EVIDENCE: usize = 200;

/// A block with its commands, each with its number within the step.
pub(super) struct CommandBlock<'s> {
    pub index: usize,
    pub settings: BlockSettings,
    pub commands: Vec<(usize, &'s Command)>,
}

impl<'s> CommandBlock<'s> {
    /// The blocks of a step, in order.
    pub(super) fn of(step: &'s Step) -> Vec<CommandBlock<'s>> {
        let mut blocks: Vec<CommandBlock<'s>> = Vec::new();
        for (number, command) in step.commands().iter().enumerate() {
            match blocks.last_mut() {
                Some(block) if block.index == command.block => block.commands.push((number, command)),
                _ => blocks.push(CommandBlock {
                    index: command.block,
                    settings: step.settings(command.block),
                    commands: vec![(number, command)],
                }),
            }
        }
        blocks
    }
}

/// What of a block was done and is not repeated where the block is tried again: its commands up to the last one that did more than
/// look, and what they wrote.
#[derive(Debug, Default)]
pub(super) struct DoneSoFar {
    commands: usize,
    written: capture::CapturedOutput,
}

/// Why a block did not do what it should.
pub(super) struct BlockFailure {
    pub what: String,
    pub at: Location,
    /// Another attempt may come out otherwise.
    pub may_pass: bool,
    /// An exit code or an expectation, which a verification may still meet; not a command that cannot run.
    pub verifies: bool,
    /// It ran out of its time, which says nothing about it where the machine was full.
    pub timed_out: bool,
}

/// One command as it is run.
pub(super) struct CommandRequest<'o> {
    pub step: &'o str,
    pub number: usize,
    pub text: &'o str,
    pub at: &'o Location,
    pub attempt: u32,
    pub timeout: Duration,
    pub background: bool,
    /// Its output is held back until it is known what of it is secret.
    pub capture: Option<&'o str>,
}

impl Follower<'_> {
    /// Tries a block as often as it may be; `begun` counts how often it was. `Ok` holds warnings.
    pub(super) async fn block(
        &mut self,
        step: &Step,
        block: &CommandBlock<'_>,
        (begun, done): (&mut u32, &mut DoneSoFar),
        context: &mut dyn FollowContext,
    ) -> Result<Result<Vec<String>, BlockFailure>, Stop> {
        if block.settings.background == Some(true) {
            *begun += 1;
            return self.aside(step, block, *begun, context).await;
        }
        let Retry { attempts, pause } = block.settings.retry.unwrap_or(Retry { attempts: 1, pause: Duration::ZERO });
        let mut tried = 1;
        loop {
            *begun += 1;
            // A block that says itself that it is tried again is meant as a whole.
            let mut of_attempt = if attempts > 1 { DoneSoFar::default() } else { std::mem::take(done) };
            let attempted = self.attempt(step, block, (*begun, tried >= attempts), &mut of_attempt, context).await?;
            *done = of_attempt;
            match attempted {
                Err(failure) if failure.may_pass && tried < attempts => {
                    tried += 1;
                    tokio::time::sleep(pause).await;
                }
                Err(mut failure) => {
                    if tried > 1 {
                        failure.what.push_str(&format!("; the block was tried {tried} times"));
                    }
                    return Ok(Err(failure));
                }
                Ok(warnings) => return Ok(Ok(warnings)),
            }
        }
    }

    async fn attempt(
        &mut self,
        step: &Step,
        block: &CommandBlock<'_>,
        (attempt, last): (u32, bool),
        done: &mut DoneSoFar,
        context: &mut dyn FollowContext,
    ) -> Result<Result<Vec<String>, BlockFailure>, Stop> {
        let settings = &block.settings;
        let timeout = settings.timeout.unwrap_or(self.respond.timeout);
        let (mut warnings, mut written, mut before_last) = (Vec::new(), done.written.clone(), DoneSoFar::default());
        for (at_in_block, (number, command)) in block.commands.iter().enumerate().skip(done.commands) {
            let (at, text) = (self.location(command), self.text(command, settings)?);
            let (place, helps) = (place_of(settings, command, self.respond), text.helps(command));
            // Opened before it is asked whether users suffer: a container may take seconds to come.
            let shell = self.sessions.at(&place, &self.inputs.env()).await.map_err(|stop| stop.at(at.clone()))?;
            context.before(step, helps).await?;
            let order = CommandRequest {
                step: &step.id,
                number: *number,
                text: &text.run,
                at: &at,
                attempt,
                timeout,
                background: false,
                capture: settings.capture.as_deref(),
            };
            let begun = Instant::now();
            let (ran, cut_off) = match run(shell, &self.sink, &order).await {
                Ok(ran) => {
                    self.sessions.remember(&place).await;
                    (ran, String::new())
                }
                Err(lost) => match self.sessions.lost_container(&place).await {
                    Some(calls) => {
                        let (exit, why) = cut_off(&calls, &text, &place);
                        let result = CommandResult { took: begun.elapsed(), ..killed(exit) };
                        (RanCommand { result, ..lost.ran }, why)
                    }
                    None => return Err(Stop::from(lost.error).at(at.clone())),
                },
            };
            self.last_line.clone_from(&ran.last_line);
            ended(&self.sink, &order, &ran.result, false);
            context.after()?;
            written.push(&ran.stdout);
            written.omitted = written.omitted.saturating_add(ran.result.omitted);
            let before = step.commands().iter().take(*number).map(|command| command.text.as_str());
            let functions = crate::programs::functions(before);
            let judged = judge(&ran, &text.run, !text.client, settings, &functions);
            if judged.is_none() && helps {
                before_last =
                    std::mem::replace(done, DoneSoFar { commands: at_in_block + 1, written: written.clone() });
            }
            let rest = block.commands.len() - at_in_block - 1;
            let ends_block = ran.result.left_shell && rest > 0;
            if ends_block {
                let what = first_line(&text.says);
                let text = format!("{at}: `{what}` ended its shell, so the rest of its block ({rest}) was not run");
                self.sink.emit(Event::Note { text });
            }
            let Some(fault) = judged else {
                if ends_block {
                    break;
                }
                continue;
            };
            let what = format!("`{}` {}{cut_off}", first_line(&text.says), fault.told(timeout));
            if let Some(wanted) = settings.expect_exit {
                self.expected(step, block.index, attempt, format!("exit {wanted}"), Err(&what));
            }
            if failing(step.phase) != Failing::Warns || fault.is_fatal() || !last {
                let timed_out = fault == CommandFailure::TimedOut;
                let verifies = fault.may_pass() && !timed_out;
                return Ok(Err(BlockFailure { what, at, may_pass: fault.may_pass(), verifies, timed_out }));
            }
            warnings.push(format!("{at}: {what}"));
            if ends_block {
                break;
            }
        }
        if let Some(wanted) = settings.expect_exit {
            self.expected(step, block.index, attempt, format!("exit {wanted}"), Ok("every command ended so"));
        }
        if let Err(what) = self.outcome(step, block, attempt, &written).await {
            // The output of the last command is not what it should be: it is asked again, whatever it does.
            if done.commands == block.commands.len() {
                *done = before_last;
            }
            let at = self.block_location(step, block);
            return Ok(Err(BlockFailure { what, at, may_pass: true, verifies: true, timed_out: false }));
        }
        Ok(Ok(warnings))
    }

    /// What the output of a block comes to: the expectation of it, and the input that it gives.
    async fn outcome(
        &mut self,
        step: &Step,
        block: &CommandBlock<'_>,
        attempt: u32,
        written: &capture::CapturedOutput,
    ) -> Result<(), String> {
        if let Some(expect) = &block.settings.expect {
            let seen = matched(expect, written);
            let seen = seen.as_ref().map(String::as_str).map_err(String::as_str);
            self.expected(step, block.index, attempt, format!("output /{}/", expect.pattern), seen);
            seen.map_err(|why| format!("the output does not match /{}/: {why}", expect.pattern))?;
        }
        if let Some(name) = &block.settings.capture {
            let may_be_empty = self.inputs.may_be_empty(name);
            let value = capture::value(written, may_be_empty);
            let value = value.map_err(|why| format!("`{name}` cannot be captured: {why}"))?;
            self.sink.hide(capture::secrets(name, &value));
            let vars = self.inputs.set(name, &value);
            self.sessions.set(&vars).await;
        }
        Ok(())
    }

    fn expected(&self, step: &Step, block: usize, attempt: u32, what: String, seen: Result<&str, &str>) {
        let (met, evidence) = match seen {
            Ok(evidence) => (true, evidence.to_string()),
            Err(evidence) => (false, evidence.to_string()),
        };
        self.sink.emit(Event::Expected { step: step.id.clone(), block, attempt, what, met, evidence });
    }

    /// Starts a block that runs beside the runbook, unless it does already.
    async fn aside(
        &mut self,
        step: &Step,
        block: &CommandBlock<'_>,
        attempt: u32,
        context: &mut dyn FollowContext,
    ) -> Result<Result<Vec<String>, BlockFailure>, Stop> {
        let running = |known: &&Background| known.step == step.id && known.block == block.index && known.is_running();
        if self.background.iter().any(|known| running(&known)) {
            return Ok(Ok(Vec::new()));
        }
        let (mut tasks, mut helps) = (Vec::new(), false);
        for (number, command) in &block.commands {
            let text = self.text(command, &block.settings)?;
            helps |= text.helps(command);
            let CommandText { run, says, client } = text;
            tasks.push(BackgroundCommand {
                number: *number,
                own: !client,
                says,
                text: run,
                at: self.location(command),
            });
        }
        let Some((_, first)) = block.commands.first() else { return Ok(Ok(Vec::new())) };
        let place = place_of(&block.settings, first, self.respond);
        let at = self.location(first);
        let session = self.sessions.at(&place, &self.inputs.env()).await.map_err(|stop| stop.at(at.clone()))?;
        let state = session.save().await.map_err(|error| Stop::from(error).at(at.clone()))?;
        let shell = self.sessions.fresh(&place, &[]).await.map_err(|stop| stop.at(at.clone()))?;
        shell.restore(state).await.map_err(|error| Stop::from(error).at(at))?;
        context.before(step, helps).await?;
        let work = BackgroundBlock {
            step: step.id.clone(),
            block: block.index,
            attempt,
            tasks,
            // It may take as long as the runbook does, unless it says how long itself.
            timeout: block.settings.timeout.unwrap_or(Duration::MAX),
            settings: block.settings.clone(),
        };
        self.background.push(Background::start(shell, self.sink.clone(), work));
        Ok(Ok(Vec::new()))
    }

    /// What of a command is run, with its inputs filled in.
    fn text(&self, command: &Command, settings: &BlockSettings) -> Result<CommandText, Stop> {
        let inputs = &self.inputs;
        let mut needs = command.clone();
        needs.inputs = self.needs(command, settings);
        // A variable of the environment is in the session already.
        needs.inputs.retain(|input| input.variable().is_none() || inputs.lack(input).is_some());
        let says = needs.fill(|name| inputs.get(name)).map_err(|missing| {
            let names: Vec<&str> = missing.iter().map(|input| input.spelling.as_str()).collect();
            // The step was looked through before: only a block that was to give it can have failed to.
            let refused = missing.iter().any(|input| inputs.get(&input.name).is_some());
            let why = if refused { "has a value that cannot stand there" } else { "has no value" };
            Stop::new(Verdict::StepBlocked, format!("{} {why}", names.join(", "))).at(self.location(command))
        })?;
        // A placeholder counts as a name; what begins with a dash would be an option, about which nobody has decided.
        let option = needs.inputs.iter().find(|input| {
            input.variable().is_none() && inputs.get(&input.name).is_some_and(|value| value.starts_with('-'))
        });
        if let Some(input) = option.filter(|_| command.effect().kind == EffectKind::Looks) {
            let reason = format!(
                "the value of {} begins with `-`: it would be an option; give it one that does not, or `./-…` for a file",
                input.spelling
            );
            return Err(Stop::new(Verdict::StepBlocked, reason).at(self.location(command)));
        }
        Ok(match self.client(command) {
            Some(client) => CommandText { run: client::command(client, &command.language, &says), says, client: true },
            None => CommandText { run: says.clone(), says, client: false },
        })
    }

    /// The inputs of a command, without the variables that the service in which it runs has of its own.
    pub(super) fn needs(&self, command: &Command, settings: &BlockSettings) -> Vec<RunbookInput> {
        let mut inputs = command.inputs.clone();
        if command.env_inputs().next().is_some() {
            let own = self.sessions.environment(&place_of(settings, command, self.respond));
            let has = |name: &str| own.get(name).is_some_and(|value| !value.is_empty());
            inputs.retain(|input| input.variable().is_none_or(|name| !has(name)));
        }
        inputs
    }

    fn client(&self, command: &Command) -> Option<&BlockClient> {
        self.respond.clients.get(&command.language)
    }

    fn block_location(&self, step: &Step, block: &CommandBlock<'_>) -> Location {
        let first = block.commands.first().map(|(_, command)| self.location(command));
        first.unwrap_or_else(|| Location { path: self.path.clone(), line: step.line })
    }
}

/// A command's text.
struct CommandText {
    /// What bash is given.
    run: String,
    /// What the runbook says.
    says: String,
    /// Whether it is for a client.
    client: bool,
}

impl CommandText {
    /// Whether it does more than look or wait. What a client is given was judged where the runbook was read.
    fn helps(&self, command: &Command) -> bool {
        let looks = if self.client { command.effect().kind == EffectKind::Looks } else { only_looks(&self.says) };
        !looks
    }
}

/// A command that nobody saw end.
fn killed(exit: i32) -> CommandResult {
    CommandResult { exit, took: Duration::ZERO, timed_out: false, omitted: 0, pipe: Vec::new(), left_shell: false }
}

/// What becomes of a command whose container was restarted while it ran: its exit code, and what a failure has to say about
/// it. A call of the runner's own (`docker compose restart`) has an exit code all the same, which is the command's where it
/// is all of it; otherwise the command was killed in the middle.
fn cut_off(calls: &[EndedCall], text: &CommandText, place: &Place) -> (i32, String) {
    let whole = !text.client && is_one_command(&text.run);
    if let ([call], true) = (calls, whole) {
        return (call.exit, String::new());
    }
    let place = name(place);
    let advice = match calls.last() {
        Some(call) => format!("; what stands beside `{}` was not done: give it a command of its own", call.command),
        None => String::new(),
    };
    (KILLED, format!(": the container of {place} ended while it ran{advice}"))
}

/// The line that matches, or what is there instead.
fn matched(expect: &Expect, written: &capture::CapturedOutput) -> Result<String, String> {
    if let Some(found) = expect.regex.find(&written.text) {
        let before = written.text.get(..found.start()).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = written.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        return Ok(shortened(line));
    }
    let cut = match written.omitted {
        0 => String::new(),
        omitted => format!(" ({omitted} bytes of it were left out, and not looked at)"),
    };
    let text = written.text.trim();
    if text.is_empty() {
        return Err(format!("there is none{cut}"));
    }
    Err(format!("it is `{}`{cut}", shortened(text)))
}

/// A text as far as it is shown as evidence.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(EVIDENCE) {
        Some((at, _)) => format!("{} …", text.get(..at).unwrap_or_default()),
        None => text.to_string(),
    }
}

/// How a command ended and what it wrote, as it was, secrets included.
#[derive(Debug)]
pub(super) struct RanCommand {
    pub result: CommandResult,
    pub stdout: String,
    pub stderr: String,
    /// The last line with words of both streams, as it was shown.
    pub last_line: Option<String>,
}

/// A session that could not go on, and what its command had written by then.
#[derive(Debug)]
pub(super) struct SessionLost {
    pub error: ShellError,
    pub ran: RanCommand,
}

/// Runs one command, and says what it writes as it comes.
pub(super) async fn run(
    shell: &mut Shell,
    sink: &EventSink,
    order: &CommandRequest<'_>,
) -> Result<RanCommand, SessionLost> {
    let CommandRequest { number, attempt, background, .. } = *order;
    sink.emit(Event::CommandStarted {
        step: order.step.to_string(),
        command: number,
        text: order.text.to_string(),
        at: order.at.clone(),
        attempt,
        background,
    });
    // A secret may be cut in two by the borders of the chunks, in each stream by itself.
    let redactor = sink.redactor();
    let (mut stdout, mut stderr) = (redactor.stream(), redactor.stream());
    let mut last_line = None;
    let mut show = |stream, text: String| {
        if let Some(line) = text.lines().rfind(|line| line.contains(char::is_alphanumeric)) {
            last_line = Some(shortened(line.trim()));
        }
        if !text.is_empty() {
            sink.emit(Event::Output { step: order.step.to_string(), command: number, stream, text });
        }
    };
    let (mut written, mut errors, mut held) = (String::new(), String::new(), Vec::new());
    let on_output = |stream, text: String| {
        match stream {
            Stream::Stdout => written.push_str(&text),
            Stream::Stderr => errors.push_str(&text),
        }
        match stream {
            _ if order.capture.is_some() => held.push((stream, text)),
            Stream::Stdout => show(stream, stdout.push(&text)),
            Stream::Stderr => show(stream, stderr.push(&text)),
        }
    };
    let result = shell.run(order.text, order.timeout, on_output).await;
    if let Some(name) = order.capture {
        sink.hide(capture::secrets(name, &written));
        // The rest of what it said may repeat what must not be shown (`set -x`), chunk by chunk.
        let redactor = sink.redactor();
        (stdout, stderr) = (redactor.stream(), redactor.stream());
        for (stream, text) in held {
            match stream {
                Stream::Stdout => show(stream, stdout.push(&text)),
                Stream::Stderr => show(stream, stderr.push(&text)),
            }
        }
    }
    show(Stream::Stdout, stdout.finish());
    show(Stream::Stderr, stderr.finish());
    let (result, error) = match result {
        Ok(result) => (result, None),
        Err(error) => (killed(KILLED), Some(error)),
    };
    let ran = RanCommand { result, stdout: written, stderr: errors, last_line };
    match error {
        None => Ok(ran),
        Some(error) => Err(SessionLost { error, ran }),
    }
}

/// Says how a command ended.
pub(super) fn ended(sink: &EventSink, order: &CommandRequest<'_>, result: &CommandResult, stopped: bool) {
    sink.emit(Event::CommandEnded {
        step: order.step.to_string(),
        command: order.number,
        exit: result.exit,
        took_us: micros(result.took),
        timed_out: result.timed_out,
        omitted: result.omitted,
        stopped,
    });
}
