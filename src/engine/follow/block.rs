//! A block of a step: its commands in order, in one session, judged by what the block says of them; tried again where it
//! says so.

use super::background::Background;
use super::inputs::{CapturedOutput, RunbookInputs, captured, captured_secrets};
use super::judge::{
    CommandFailure, Failing, failing, first_line, hidden_by_words, hidden_in_pipe, judge_text, missing_directory,
    never_came, waived_not_found,
};
use super::sessions::name;
use super::{Follower, client, place_of};
use crate::bash::lexer::{Quoting, lex};
use crate::bash::{SimpleCommand, Statement, Word, WordKind, one_call, reached_anyway, read, without_calls};
use crate::engine::stop::Stop;
use crate::programs::{
    EffectKind, asks_nothing, functions, lets_fail, only_gets, only_looks, only_notes, unnoticed_end,
};
use crate::record::{Event, EventSink, Location, Stream, Verdict, micros};
use crate::runbook::{BlockSettings, Command, Errors, Expect, Retry, RunbookInput, Step};
use crate::shell::{CommandResult, EndedCall, PROGRAMS, Shell, ShellError};
use crate::source::cut;
use crate::stack::Place;
use std::time::{Duration, Instant};

/// Exit code of a command that was killed with its container: 128 + SIGKILL.
const KILLED: i32 = 137;
/// What is told where the output was not searched as a whole.
const SAID: &str = " (beside what the block says by `echo` or `printf` itself)";
/// Columns of evidence that are shown.
const EVIDENCE: usize = 200;

/// A block of a step with its commands, each with its number within the step.
pub(super) struct CommandBlock<'s> {
    pub step: &'s Step,
    pub index: usize,
    pub settings: BlockSettings,
    pub commands: Vec<(usize, &'s Command)>,
    /// How often it was begun.
    begun: u32,
    /// What of it was done and is not repeated where it is tried again: its commands up to the last one that did more than look, and
    /// what they wrote.
    done: usize,
    output: BlockOutput,
}

impl<'s> CommandBlock<'s> {
    /// The blocks of a step, in order.
    pub(super) fn of(step: &'s Step) -> Vec<CommandBlock<'s>> {
        let numbered: Vec<(usize, &Command)> = step.commands().iter().enumerate().collect();
        let blocks = numbered.chunk_by(|(_, one), (_, next)| one.block == next.block).map(|commands| {
            let index = commands.first().map_or(0, |(_, first)| first.block);
            let (settings, commands) = (step.settings(index), commands.to_vec());
            CommandBlock { step, index, settings, commands, begun: 0, done: 0, output: BlockOutput::default() }
        });
        blocks.collect()
    }
}

/// What the commands of a block wrote.
#[derive(Clone, Default)]
struct BlockOutput {
    written: CapturedOutput,
    /// What of that is searched for what is expected.
    searched: CapturedOutput,
}

/// What trying a block came to: warnings, or why it did not do what it should.
type Tried = Result<Result<Vec<String>, BlockFailure>, Stop>;

/// Why a block did not do what it should.
pub(super) struct BlockFailure {
    /// The reason to stop; it rests on a measurement where a command ran out of its time, which says nothing about it where the machine was
    /// full.
    pub stop: Stop,
    /// Another attempt may come out otherwise: an exit code, an expectation, a time-out; not a command that cannot run.
    pub may_pass: bool,
    /// What failed may do more than look, and nobody has said that it is repeated.
    pub once: bool,
}

/// One command as it is run.
pub(super) struct CommandRequest {
    pub step: String,
    pub number: usize,
    /// What bash is given.
    pub text: String,
    /// What the runbook says.
    pub says: String,
    /// Whether that is given to a client, so that what bash is given is the client's command line.
    pub client: bool,
    /// Whether it does more than look or wait.
    pub helps: bool,
    /// Whether that may be more than a GET, so that it is not repeated unless somebody has said so.
    pub once: bool,
    /// Where that depends on a condition in it, so that its end tells whether it did: the text, behind functions that it may call.
    pub watched: Option<String>,
    /// Whether it may be a loop that waits for something, so that what it ran tells whether that came.
    pub polls: bool,
    pub at: Location,
    pub attempt: u32,
    pub timeout: Duration,
    pub background: bool,
    /// Its output is held back until it is known what of it is secret.
    pub capture: Option<String>,
}

impl Follower<'_> {
    /// Tries a block as often as it may be.
    pub(super) async fn block(&mut self, block: &mut CommandBlock<'_>) -> Tried {
        block.begun += 1;
        if block.settings.background == Some(true) {
            return self.aside(block).await;
        }
        let Retry { attempts, pause } = block.settings.retry.unwrap_or(Retry { attempts: 1, pause: Duration::ZERO });
        let mut tried = 1;
        loop {
            if attempts > 1 {
                // A block that says itself that it is tried again is meant as a whole.
                (block.done, block.output) = (0, BlockOutput::default());
            }
            match self.attempt(block, tried >= attempts).await? {
                Err(failure) if failure.may_pass && tried < attempts => tokio::time::sleep(pause).await,
                Err(mut failure) => {
                    if tried > 1 {
                        failure.stop.reason.push_str(&format!("; the block was tried {tried} times"));
                    }
                    return Ok(Err(failure));
                }
                Ok(warnings) => return Ok(Ok(warnings)),
            }
            (tried, block.begun) = (tried + 1, block.begun + 1);
        }
    }

    async fn attempt(&mut self, block: &mut CommandBlock<'_>, last: bool) -> Tried {
        let (step, settings, attempt) = (block.step, &block.settings, block.begun);
        let (mut warnings, mut output) = (Vec::new(), block.output.clone());
        // What is repeated until it helps would be a cure of the drill's own.
        let no_cure = failing(step.phase) == Failing::TriedAgain && settings.retry.is_none();
        let prints = block.commands.iter().any(|(_, command)| prints(&command.text));
        for (at_in_block, (number, command)) in block.commands.iter().enumerate().skip(block.done) {
            let order = self.request(block, (*number, command))?;
            let (at, place) = (&order.at, place_of(settings, command, self.respond));
            self.take_ended().await;
            // Opened before it is asked whether users suffer: a container may take seconds to come.
            let shell = self.sessions.at(&place, &self.inputs.env()).await.map_err(|stop| stop.at(at.clone()))?;
            if order.helps {
                self.context.before(step).await?;
            }
            if order.helps && order.watched.is_none() {
                self.context.helps(false);
            }
            let (begun, what) = (Instant::now(), first_line(&order.says));
            let (mut ran, lost) = run(shell, &self.sink, &order).await;
            // Where nobody saw its end it counts as met.
            let ended_of = order.watched.as_ref().filter(|_| lost.is_none());
            let unmet = ended_of.is_some_and(|text| !has_helped(text, &ran.result, &place));
            if order.watched.is_some() && !unmet {
                self.context.helps(true);
            }
            let mut cut_off = String::new();
            if let Some(error) = lost {
                let calls = match self.sessions.of(&place) {
                    Some(session) => self.sessions.lost_container(session).await,
                    None => None,
                };
                let calls = calls.ok_or_else(|| Stop::from(error).at(at.clone()))?;
                let (exit, why) = cut_off_by(&calls, &order, &place);
                (ran.result, cut_off) = (CommandResult { took: begun.elapsed(), ..killed(exit) }, why);
            } else {
                self.sessions.remember(&place).await;
            }
            self.last_line.clone_from(&ran.last_line);
            ended(&self.sink, &order, &ran.result, false);
            let defined = if order.client { String::new() } else { functions(std::iter::once(order.text.as_str())) };
            let only_defines = defined.trim_end() == order.text.trim_end();
            if unmet && attempt == 1 && !only_defines && !ran.result.timed_out && ran.result.lacks.is_none() {
                self.sink.note(format!(
                    "{at}: nothing of `{what}` ran that does more than look: a condition was not met, or there was nothing to do it with"
                ));
            }
            if !self.functions.contains(&defined) {
                self.functions.push_str(&defined);
            }
            self.unseen |= sets_unseen(command);
            self.context.after()?;
            output.written.push(&ran.stdout, ran.result.omitted);
            if !prints || !is_said(&order.text) {
                output.searched.push(&ran.stdout, ran.result.omitted);
            }
            let before = step.commands().iter().take(*number).map(|command| command.text.as_str());
            let judged = judge_text(&ran, (&order.text, !order.client, order.timeout), settings, &functions(before));
            // What stands behind it decides otherwise, unless it only says something.
            let is_silent = |text: &str| {
                is_said(text) || settings.expect.is_none() && settings.expect_exit.is_none() && asks_nothing(text)
            };
            let is_last = block.commands[at_in_block + 1..].iter().all(|(_, behind)| is_silent(&behind.text));
            let verifies = failing(step.phase) == Failing::TriedAgain;
            let is_wait = is_last && order.polls && settings.errors != Some(Errors::Allowed) && ran.result.exit == 0;
            let in_vain =
                (is_wait && judged.is_none() && never_came(&ran, &order.text)).then(CommandFailure::never_came);
            let (judged, gave_up) = if verifies { (judged.or(in_vain), None) } else { (judged, in_vain) };
            if judged.is_none() && order.once {
                (block.done, block.output) = (at_in_block + 1, output.clone());
            }
            let rest = block.commands.len() - at_in_block - 1;
            let unrun = (ran.result.left_shell && rest > 0)
                .then(|| format!("{at}: `{what}` ended its shell, so the rest of its block ({rest}) was not run"));
            unrun.iter().for_each(|text| self.sink.note(text));
            let Some(fault) = judged else {
                if failing(step.phase) != Failing::Warns {
                    let words = || hidden_by_words(&ran, &order.text).filter(|_| verifies);
                    let judges = verifies && is_last && !order.client && settings.rests_on_exit_code();
                    let judges = judges && !block.commands.iter().any(|(_, other)| lets_fail(&other.text));
                    let end = || unnoticed_end(&order.text).filter(|_| judges).map(|(_, why)| why);
                    let waited = || gave_up.map(|gave_up| gave_up.told);
                    let hidden = hidden_in_pipe(&ran, &order.text).or_else(words).or_else(end).or_else(waited);
                    let hidden = hidden.or_else(|| waived_not_found(&ran, &order.text));
                    warnings.extend(hidden.map(|hidden| format!("{at}: `{what}`: {hidden}")));
                    warnings.extend(unrun.clone());
                }
                if unrun.is_some() {
                    break;
                }
                continue;
            };
            let in_toolbox = place == Place::Toolbox;
            let hint = in_toolbox.then(|| missing_directory(&ran.stderr)).flatten().unwrap_or_default();
            let what = format!("`{what}` {}{cut_off}{hint}", fault.told);
            if let Some(wanted) = settings.expect_exit {
                self.expected(block, format!("exit {wanted}"), (false, &what));
            }
            // Where nothing of it ran that does more than look, a condition has said no.
            let warns = failing(step.phase) == Failing::Warns && (unmet || !command.fails_with_change());
            if !warns || fault.is_fatal || !last {
                let stop = fault.stop(what, order.at.clone());
                // Of one whose end nobody saw nobody knows whether it has helped already: it is not tried again.
                let is_unseen = order.watched.is_some() && !cut_off.is_empty() && failing(step.phase) == Failing::Fails;
                let may_pass = fault.may_pass && !is_unseen;
                return Ok(Err(BlockFailure { stop, may_pass, once: no_cure && order.once }));
            }
            warnings.push(format!("{at}: {what}"));
            if unrun.is_some() {
                break;
            }
        }
        if let Some(wanted) = settings.expect_exit {
            self.expected(block, format!("exit {wanted}"), (true, "every command ended so"));
        }
        if let Err(what) = self.outcome(block, &output).await {
            // Where all of it is done, nothing is left that could come out otherwise.
            let once = no_cure && block.done == block.commands.len();
            let first = block.commands.first().map(|(_, command)| self.location(command));
            let at = first.unwrap_or_else(|| Location { path: self.path.clone(), line: step.line });
            let stop = Stop::new(Verdict::StepFailed, what).at(at);
            return Ok(Err(BlockFailure { stop, may_pass: true, once }));
        }
        Ok(Ok(warnings))
    }

    /// What the output of a block comes to: the expectation of it, and the input that it gives.
    async fn outcome(&mut self, block: &CommandBlock<'_>, output: &BlockOutput) -> Result<(), String> {
        let BlockOutput { written, searched } = output;
        if let Some(expect) = &block.settings.expect {
            let (met, seen) = matched(expect, searched);
            let said = if met || searched.text.len() == written.text.len() { "" } else { SAID };
            let seen = format!("{seen}{said}");
            self.expected(block, format!("output /{}/", expect.pattern), (met, &seen));
            if !met {
                return Err(format!("the output does not match /{}/: {seen}", expect.pattern));
            }
        }
        if let Some(name) = &block.settings.capture {
            let may_be_empty = self.inputs.may_be_empty(name);
            let value = captured(written, may_be_empty);
            let value = value.map_err(|why| format!("`{name}` cannot be captured: {why}"))?;
            self.sink.secrets.hide(captured_secrets(name, &value));
            let vars = self.inputs.set(name, &value);
            self.sessions.set(&vars).await;
        }
        Ok(())
    }

    fn expected(&self, block: &CommandBlock<'_>, what: String, (met, seen): (bool, &str)) {
        let (step, attempt, evidence) = (block.step.id.clone(), block.begun, seen.to_string());
        self.sink.emit(Event::Expected { step, block: block.index, attempt, what, met, evidence });
    }

    /// Starts a block that runs beside the runbook, unless it does already.
    async fn aside(&mut self, block: &CommandBlock<'_>) -> Tried {
        let step = block.step;
        if let Some(key) = block.settings.contradiction() {
            let reason = format!("`{}` was not run: a block in the background cannot have `{key}`", step.title);
            let first = block.commands.first().map(|(_, command)| self.location(command));
            return Err(Stop { at: first, ..Stop::new(Verdict::StepBlocked, reason) });
        }
        let running = |known: &Background| known.step == step.id && known.block == block.index && known.is_running();
        if self.background.iter().any(running) {
            return Ok(Ok(Vec::new()));
        }
        let orders = block.commands.iter().map(|(number, command)| self.request(block, (*number, command)));
        let orders = orders.collect::<Result<Vec<_>, _>>()?;
        let Some((_, first)) = block.commands.first() else { return Ok(Ok(Vec::new())) };
        let (place, at) = (place_of(&block.settings, first, self.respond), self.location(first));
        let session = self.sessions.at(&place, &self.inputs.env()).await.map_err(|stop| stop.at(at.clone()))?;
        let state = session.save().await.map_err(|error| Stop::from(error).at(at.clone()))?;
        let session = self.sessions.beside(&place).await.map_err(|stop| stop.at(at.clone()))?;
        session.shell.restore(state).await.map_err(|error| Stop::from(error).at(at))?;
        if orders.iter().any(|order| order.helps) {
            self.context.before(step).await?;
            self.context.helps(false);
        }
        let last = block.commands.last().map_or(0, |(number, _)| *number);
        let before = step.commands().iter().take(last).map(|command| command.text.as_str());
        let mut started = Background::start(session, self.sink.clone(), block, (orders, functions(before)));
        if started.fails {
            started = match started.begun(&self.sessions).await {
                Ok(started) => started,
                Err(None) => return Ok(Ok(Vec::new())),
                Err(Some(stop)) => return Ok(Err(BlockFailure { stop, may_pass: false, once: false })),
            };
        }
        self.background.push(started);
        let verifies = failing(step.phase) == Failing::TriedAgain;
        let what = block.commands.first().map(|(_, command)| first_line(&command.text)).unwrap_or_default();
        let told = format!("`{what}` verifies in the background: nobody waits for its end, so that it decides nothing");
        Ok(Ok(verifies.then_some(told).into_iter().collect()))
    }

    /// What of a command is run, with its inputs filled in.
    fn request(&self, block: &CommandBlock<'_>, (number, command): (usize, &Command)) -> Result<CommandRequest, Stop> {
        let (inputs, settings) = (&self.inputs, &block.settings);
        let mut needs = command.clone();
        needs.inputs = self.needs(command, settings);
        let judged = if self.unseen { None } else { with_variables(&needs, inputs) };
        // A variable of the environment is in the session already.
        needs.inputs.retain(|input| input.variable().is_none() || inputs.lack(input).is_some());
        let blocked = |reason: String| Stop::new(Verdict::StepBlocked, reason).at(self.location(command));
        let says = needs.fill(|name| inputs.get(name)).map_err(|missing| {
            let names: Vec<&str> = missing.iter().map(|input| input.spelling.as_str()).collect();
            // The step was looked through before: only a block that was to give it can have failed to.
            let refused = missing.iter().any(|input| inputs.get(&input.name).is_some());
            let why = if refused { "has a value that cannot stand there" } else { "has no value" };
            blocked(format!("{} {why}", names.join(", ")))
        })?;
        let looks = command.effect().kind == EffectKind::Looks;
        // A placeholder counts as a name; what begins with a dash would be an option, about which nobody has decided.
        let option = needs.inputs.iter().find(|input| {
            input.variable().is_none() && inputs.get(&input.name).is_some_and(|value| value.starts_with('-'))
        });
        if let Some(input) = option.filter(|_| looks) {
            return Err(blocked(format!(
                "the value of {} begins with `-`: it would be an option; give it one that does not, or `./-…` for a file",
                input.spelling
            )));
        }
        let client = self.respond.clients.get(&command.language);
        let background = settings.background == Some(true);
        // What a client is given was judged where the runbook was read.
        let place = place_of(settings, command, self.respond);
        let may_act = if client.is_some() { !looks } else { !looks_at(&place)(&says) };
        let helps = may_act && (client.is_some() || !judged.as_deref().is_some_and(looks_at(&place)));
        let may_depend = helps && !background && client.is_none();
        let watched = [format!("{}{says}", self.functions), says.clone()]
            .into_iter()
            .find(|text| may_depend && depends_on_condition(text, &place));
        // One in the background may take as long as the runbook does, unless it says how long itself.
        let longest = if background { Duration::MAX } else { self.respond.timeout };
        Ok(CommandRequest {
            step: block.step.id.clone(),
            number,
            text: client.map_or(says.clone(), |client| client::command(client, &command.language, &says)),
            client: client.is_some(),
            helps,
            once: helps && (client.is_some() || !only_gets(&says) && !judged.is_some_and(|text| only_gets(&text))),
            watched,
            polls: client.is_none() && failing(block.step.phase) != Failing::Warns && says.contains("sleep"),
            says,
            at: self.location(command),
            attempt: block.begun,
            timeout: settings.timeout.unwrap_or(longest),
            background,
            capture: settings.capture.clone(),
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
}

/// A command with the values of its variables in their places, as far as these are known and plain words: `curl http://$HOST/health`.
fn with_variables(command: &Command, inputs: &RunbookInputs) -> Option<String> {
    let plain = |value: &&String| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+=".contains(c);
        !value.is_empty() && !value.starts_with('-') && value.chars().all(is_plain)
    };
    let env = inputs.env();
    let value = |name: &str| env.iter().find(|var| var.name == name)?.value.as_ref().filter(plain);
    let (mut filled, masked) = (command.clone(), command.masked());
    let lexed = lex(&masked);
    for input in &mut filled.inputs {
        let Some(name) = input.variable().map(str::to_string) else { continue };
        // What stands in single quotes another shell expands, which may not have the variable.
        let own = lexed.quoting(input.span.start) != Quoting::Single && !command.sets.contains(&name);
        let whole = [format!("${name}"), format!("${{{name}}}")].contains(&input.spelling);
        if own && whole && value(&name).is_some() {
            // A placeholder is filled in, a variable is not.
            (input.name, input.spelling) = (format!("${name}"), String::new());
        }
    }
    filled.inputs.retain(|input| input.variable().is_none());
    filled.fill(|name| name.strip_prefix('$').map_or_else(|| inputs.get(name), |name| value(name).cloned())).ok()
}

/// Whether a command may set variables that are not named in it (`source`, `eval`), or does more to its session than set variables.
fn sets_unseen(command: &Command) -> bool {
    let sources = |called: &String| matches!(called.as_str(), ".()" | "source()" | "builtin()" | "command()");
    !command.session.sets.is_empty() || command.session.calls.iter().any(sources)
}

/// What tells of a text whether it only looks: a file below `/tmp` of the toolbox is in no service.
fn looks_at(place: &Place) -> fn(&str) -> bool {
    if *place == Place::Toolbox { only_notes } else { only_looks }
}

/// The programs of which every call from a place comes to the runner: in a service its own come first.
fn called_from(place: &Place) -> &'static [&'static str] {
    if *place == Place::Toolbox { &PROGRAMS } else { &[] }
}

/// Whether everything of a text that does more than look stands where its shell may not come to, and where that tells what it ran; or is a
/// call of the runner's programs by what may be given nothing.
fn depends_on_condition(text: &str, place: &Place) -> bool {
    reached_anyway(text, &[]).is_some_and(|anyway| looks_at(place)(&without_calls(&anyway, called_from(place))))
}

/// Whether a watched command has run something that does more than look, or nobody can say.
fn has_helped(text: &str, result: &CommandResult, place: &Place) -> bool {
    // Heads of loops, and tests: what is substituted in them only looks.
    const ASKS: [&str; 7] = ["for ", "case ", "select ", "[[ ", "((", "[ ", "test "];
    let Some(ran) = result.ran.as_ref().filter(|_| result.lacks.is_none()) else { return result.lacks.is_none() };
    let asks = |ran: &&str| ASKS.iter().any(|begin| ran.starts_with(begin));
    let ran: Vec<&str> = ran.iter().map(String::as_str).filter(|ran| !asks(ran)).collect();
    // What a variable is, only the text as a whole tells.
    let left: Vec<String> =
        reached_anyway(text, &ran).map_or_else(|| ran.into_iter().map(str::to_owned).collect(), |left| vec![left]);
    let acts = |text: &str| !looks_at(place)(text);
    // Of one that was killed a call may be told later; what a call reads is not known.
    let called = || result.timed_out || result.calls.iter().any(|call| acts(&format!("{call} < input")));
    left.iter().any(|text| acts(text))
        && (left.iter().any(|text| acts(&without_calls(text, called_from(place)))) || called())
}

/// A command that nobody saw end.
pub(super) fn killed(exit: i32) -> CommandResult {
    CommandResult { exit, ..CommandResult::default() }
}

/// What becomes of a command whose container was restarted while it ran: its exit code, and what a failure has to say about
/// it. A call of the runner's own (`docker compose restart`) has an exit code all the same, which is the command's where it
/// is all of it; otherwise the command was killed in the middle.
pub(super) fn cut_off_by(calls: &[EndedCall], order: &CommandRequest, place: &Place) -> (i32, String) {
    if let [call] = calls
        && !order.client
        && is_call(&order.text, &call.command)
    {
        return (call.exit, String::new());
    }
    let place = name(place);
    let advice = match calls.last() {
        Some(call) => format!("; what stands beside `{}` was not done: give it a command of its own", call.command),
        None => String::new(),
    };
    (KILLED, format!(": the container of {place} ended while it ran{advice}"))
}

/// Whether a text is this call in words that are all known, with nothing but `sudo`, `env` or `exec` before it.
fn is_call(text: &str, call: &str) -> bool {
    let Some(words) = one_call(text).and_then(|command| fixed(&command)) else { return false };
    let before = |word: &&String| {
        matches!(word.as_str(), "sudo" | "doas" | "env" | "exec" | "command" | "-n" | "-E" | "-H")
            || !word.starts_with('-') && word.contains('=')
    };
    let own: Vec<String> = words.iter().skip_while(before).cloned().collect();
    !own.is_empty() && own.join(" ") == call
}

/// The words of a command, where all of them are known.
fn fixed(command: &SimpleCommand) -> Option<Vec<String>> {
    let known = |word: &Word| (word.kind == WordKind::Fixed).then(|| word.text.clone());
    command.words.iter().map(|word| known(&word.word)).collect()
}

/// Whether a text does nothing but say words of its own: `echo done`.
fn is_said(text: &str) -> bool {
    one_call(text).is_some_and(|command| matches!(command.first(), "echo" | "printf") && fixed(&command).is_some())
}

/// Whether a text may print what is not its own words; placeholders may stand in it.
fn prints(text: &str) -> bool {
    const SILENT: [&str; 8] = ["cd", "set", "shopt", "source", ".", "sleep", "true", ":"];
    let says = matches!(text.split_whitespace().next(), Some("echo" | "printf"));
    let said = says && !text.contains([';', '|', '&', '\n', '$', '`']);
    let script = read(text);
    // `X=1`, `export X`, `[ -f x ]`.
    let quiet = |one: &Statement| one.simple().is_some_and(|command| !command.is_call());
    let silent = script.stopped.is_none() && script.statements.iter().all(quiet);
    !said && !silent && one_call(text).is_none_or(|command| !SILENT.contains(&command.first()))
}

/// Whether an output is as expected: the line that matches, or what is there instead.
fn matched(expect: &Expect, written: &CapturedOutput) -> (bool, String) {
    if let Some(found) = expect.regex.find(&written.text) {
        let line = written.text.lines().find(|line| expect.regex.is_match(line)).unwrap_or(found.as_str());
        return (true, shortened(line));
    }
    let cut = match written.omitted {
        0 => String::new(),
        omitted => format!(" ({omitted} bytes of it were left out, and not looked at)"),
    };
    match written.text.trim() {
        "" => (false, format!("there is none{cut}")),
        text => (false, format!("it is `{}`{cut}", shortened(text))),
    }
}

/// A text as far as it is shown as evidence.
pub(super) fn shortened(text: &str) -> String {
    cut(text, EVIDENCE, " …")
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

/// Runs one command, and says what it writes as it comes; with the error of a session that could not go on.
pub async fn run(shell: &mut Shell, sink: &EventSink, order: &CommandRequest) -> (RanCommand, Option<ShellError>) {
    let (step, command, attempt, background) = (&order.step, order.number, order.attempt, order.background);
    let (text, at) = (order.text.clone(), order.at.clone());
    sink.emit(Event::CommandStarted { step: step.clone(), command, text, at, attempt, background });
    // A secret may be cut in two by the borders of the chunks, in each stream by itself.
    const STREAMS: [Stream; 2] = [Stream::Stdout, Stream::Stderr];
    let mut clean = STREAMS.map(|_| sink.secrets.redactor().stream());
    let mut last_line = None;
    let mut show = |stream, text: String| {
        if let Some(line) = text.lines().rfind(|line| line.contains(char::is_alphanumeric)) {
            last_line = Some(shortened(line.trim()));
        }
        if !text.is_empty() {
            sink.emit(Event::Output { step: step.clone(), command, stream, text });
        }
    };
    let (mut written, mut held) = (STREAMS.map(|_| String::new()), Vec::new());
    let on_output = |stream: Stream, text: String| {
        written[stream as usize].push_str(&text);
        let holds = order.capture.is_some();
        if holds { held.push((stream, text)) } else { show(stream, clean[stream as usize].push(&text)) }
    };
    let result = shell.run(&order.text, order.watched.is_some() || order.polls, order.timeout, on_output).await;
    if let Some(name) = &order.capture {
        sink.secrets.hide(captured_secrets(name, &written[Stream::Stdout as usize]));
        // The rest of what it said may repeat what must not be shown (`set -x`), chunk by chunk.
        clean = STREAMS.map(|_| sink.secrets.redactor().stream());
        for (stream, text) in held {
            show(stream, clean[stream as usize].push(&text));
        }
    }
    for stream in STREAMS {
        show(stream, clean[stream as usize].finish());
    }
    let [stdout, stderr] = written;
    let (result, lost) = result.map_or_else(|error| (killed(KILLED), Some(error)), |result| (result, None));
    (RanCommand { result, stdout, stderr, last_line }, lost)
}

/// Says how a command ended.
pub(super) fn ended(sink: &EventSink, order: &CommandRequest, result: &CommandResult, stopped: bool) {
    let CommandResult { exit, took, timed_out, omitted, .. } = *result;
    let (step, command, took_us) = (order.step.clone(), order.number, micros(took));
    sink.emit(Event::CommandEnded { step, command, exit, took_us, timed_out, omitted, stopped });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::parse;
    use crate::source::{Diagnostics, Source};
    use crate::spec::{Respond, Var};

    #[test]
    fn an_exit_code_of_a_call_is_that_of_a_command_which_is_the_call() {
        let call = "docker compose restart shop";
        for text in [
            "docker compose restart shop",
            "sudo docker compose restart 'shop'",
            "exec docker compose restart shop",
            "TAG=v1 docker compose restart shop > /tmp/log 2>&1",
            "env TAG=v1 docker compose restart shop",
        ] {
            assert!(is_call(text, call), "{text}");
        }
        for text in [
            "./restart.sh",
            "bash restart.sh",
            "docker compose restart $SERVICE",
            "docker compose restart shop && ./migrate.sh",
            "docker compose restart shop; true",
            "docker compose restart shop &",
            "! docker compose restart shop",
            "sudo ./restart.sh docker compose restart shop",
            "docker compose restart",
            "for i in 1; do docker compose restart shop; done",
            "",
        ] {
            assert!(!is_call(text, call), "{text}");
        }
    }

    #[test]
    fn words_of_ones_own_are_no_output_of_a_program() {
        for text in ["echo done", "printf '%s' ok", "echo 'a b' 1"] {
            assert!(is_said(text) && !prints(text), "{text}");
        }
        for text in ["curl -fs http://web/health", "docker compose ps", "echo ok; ls", "echo $STATUS", "ls | head -n 1"]
        {
            assert!(!is_said(text) && prints(text), "{text}");
        }
        for text in ["cd /work", "A=1", "export A=1", "X=$(docker ps -q)", "sleep 3"] {
            assert!(!is_said(text) && !prints(text), "{text}");
        }
    }

    #[test]
    fn a_variable_with_a_plain_value_is_judged_as_if_it_stood_there() {
        let filled = |text: &str, value: &str| {
            let page = format!("# T\n\n## Mitigation\n\n```bash\n{text}\n```\n");
            let runbook = parse(&Source::new("r.md", page), &mut Diagnostics::default()).expect("a runbook");
            let mut respond = Respond::alone(None, None, None);
            let var = Var { value: value.into(), secret: false, declared: None, may_be_empty: false };
            respond.vars.insert("x".into(), var);
            let filled = with_variables(&runbook.steps[0].commands()[0], &RunbookInputs::new(&runbook, &respond));
            filled.unwrap_or_default()
        };
        for (text, value) in [
            ("curl -fsS http://$X/health", "web:8080"),
            ("psql \"${X}\" -c 'SELECT 1'", "postgres://shop:shop@db:5432/shop"),
            ("kubectl get pods $X", "web-1"),
        ] {
            assert!(!only_looks(text) && only_looks(&filled(text, value)), "{text}: {}", filled(text, value));
        }
        let whole = ("curl -fsS \"$X\"", "http://web:8080/orders/quotation");
        assert!(!only_gets(whole.0) && only_gets(&filled(whole.0, whole.1)), "a plain GET may be repeated");
        for (text, value) in [
            ("curl -fsS http://$X/health", "web/restart"),
            ("curl -fsS http://$X/health", "web -d x"),
            ("curl -fsS http://$X/health", ""),
            ("kubectl get pods $X", "*"),
            ("kubectl get pods $X", "--server=evil"),
            ("kubectl get pods ${X:1}", "web-1"),
            ("for i in 1 2; do kubectl get pods $X; X=$(cat x); done", "web-1"),
            ("sudo bash -c 'curl -fsS http://$X/health'", "web"),
            ("kubectl delete pod $X", "web-1"),
        ] {
            assert!(!only_looks(&filled(text, value)), "{text}: {}", filled(text, value));
        }
    }

    #[test]
    fn commands_that_may_set_any_variable() {
        let unseen = |text: &str| {
            let page = format!("# T\n\n## Mitigation\n\n```bash\n{text}\n```\n");
            let runbook = parse(&Source::new("r.md", page), &mut Diagnostics::default()).expect("a runbook");
            sets_unseen(&runbook.steps[0].commands()[0])
        };
        for text in ["source env.sh", ". ./env.sh", "eval \"$(cat env)\"", "export $(cat env)", "f() { x; }"] {
            assert!(unseen(text), "{text}");
        }
        for text in ["A=1", "export A=1", "cd /srv", "docker compose ps"] {
            assert!(!unseen(text), "{text}");
        }
    }

    #[test]
    fn a_get_may_be_repeated() {
        for text in [
            "curl -fsS http://checkout:8080/quotation",
            "curl -fsS http://checkout:8080/quotation 2>/dev/null | grep -q ok",
            "test \"$(curl -s http://checkout/quotation)\" = ok",
            "curl -fsS -m 5 http://checkout/admin/breaker/payments | jq -e '.state == \"open\"'",
        ] {
            assert!(!only_looks(text) && only_gets(text), "{text}");
        }
        for text in [
            "curl -X POST http://checkout/quotation",
            "curl -d x http://checkout/quotation",
            "curl http://checkout/cache/flush",
            "curl http://checkout/quotation http://checkout/cache/flush",
            "curl -o /etc/motd http://checkout/quotation",
            "curl http://checkout/quotation > /etc/motd",
            "curl http://checkout/quotation | sh",
            "curl http://checkout/quotation && docker compose restart x",
            "HOST=checkout/restart; curl http://$HOST/quotation",
        ] {
            assert!(!only_gets(text), "{text}");
        }
    }

    #[test]
    fn a_command_whose_help_depends_on_a_condition_is_watched() {
        for text in [
            "if [ -f stuck ]; then docker compose restart x; fi",
            "grep -q stuck status && docker compose restart x > /tmp/log 2>&1",
            "[ $(docker ps -q | wc -l) -gt 3 ] || docker restart x",
            "[[ $n -gt 3 ]] && docker ps -q | xargs docker restart",
            "for id in $(docker ps -q); do docker restart $id; done",
            "case $(cat status) in stuck) docker restart x ;; esac",
            "until curl -fsS http://shop/healthz; do docker restart web; sleep 1; done",
            "while read -r id; do docker restart \"$id\"; done < list",
            "cd /srv && ./fix.sh || true",
            "( test -f stuck && docker compose restart x ) || true",
            "[ -f stuck ] && (docker restart x)",
            "docker ps -q | while read -r id; do docker restart $id; done",
            "test -f stuck || exit 0; docker compose restart x",
            "docker logs x > /tmp/x.log; [ -f stuck ] && docker restart x",
            "fix() { docker restart x; }",
            "fix() { [ -f stuck ] || return 0; redis-cli FLUSHALL; }\nfix",
            "fix() { docker restart x; }; [ -f stuck ] && fix",
        ] {
            assert!(!only_notes(text) && depends_on_condition(text, &Place::Toolbox), "{text}");
        }
        let by_others = ["docker ps -q | xargs docker restart", "sh -c 'if false; then docker compose restart x; fi'"];
        for text in by_others {
            assert!(depends_on_condition(text, &Place::Toolbox), "{text}");
            assert!(!depends_on_condition(text, &Place::Service("x".into())), "{text}");
        }
        for text in [
            "docker compose restart x",
            "docker compose pull && docker compose up -d",
            "if ./fix.sh; then echo fixed; fi",
            "docker ps -q | xargs redis-cli DEL",
            "docker ps -q | xargs docker restart &",
            "docker ps -q | xargs docker inspect > /etc/motd",
            "timeout 60 sh -c 'docker restart x'",
            "bash fix.sh",
            "[ -f stuck ] && docker restart x &",
            "fix() { docker restart x & }; fix",
            "fix() { docker restart x; }; trap fix EXIT",
            "fix() { docker logs x; }; fix > /etc/motd",
            "fix",
            "[ -f stuck ] && docker restart $(./pick.sh)",
            "if true; then docker restart x; fi; docker restart y",
            "{ [ -f stuck ] && docker restart x; } > /etc/motd",
        ] {
            assert!(!depends_on_condition(text, &Place::Toolbox), "{text}");
        }
        let noted = "docker compose logs x > /tmp/x.log 2>&1";
        assert!(looks_at(&Place::Toolbox)(noted) && !looks_at(&Place::Service("x".into()))(noted));
        assert!(!only_notes("docker logs x > /tmp/../etc/motd") && !only_notes("docker logs x > /tmp/$X"));
    }

    #[test]
    fn a_watched_command_has_helped_where_something_ran_that_does_more_than_look() {
        let place = Place::Toolbox;
        let with_calls = |text: &str, ran: &[&str], calls: &[&str]| {
            let all = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect::<Vec<_>>();
            let (ran, calls) = (Some(all(ran)), all(calls));
            has_helped(text, &CommandResult { ran, calls, ..CommandResult::default() }, &place)
        };
        let helped = |text: &str, ran: &[&str]| with_calls(text, ran, &[]);
        let each = "for c in web db; do docker inspect $c | grep -q unhealthy && docker restart $c; done";
        let tries = "n=0; until [ $n -gt 3 ]; do n=$((n+1)); grep -q ok status || docker restart x; done";
        let written = "if grep -q stuck status; then cat <<E > /dev/null\nx\nE\ndocker restart x > /dev/null 2>&1; fi";
        let asked = ["for c in web db", "docker inspect $c", "grep -q unhealthy"];
        for (text, ran) in [
            (each, &asked[..]),
            (tries, &["n=0", "[ $n -gt 3 ]", "n=$((n+1))", "grep -q ok status"][..]),
            (written, &["grep -q stuck status", "cat <<E > /dev/null\nx\nE\n"][..]),
            ("[[ $n -gt 3 ]] && (( n > 3 )) && docker restart x", &["[[ $n -gt 3 ]]", "(( n > 3 ))"][..]),
            ("case $x in y) docker restart x ;; esac", &["case $x in "][..]),
            ("[ -f stuck ] && docker restart x", &[][..]),
            ("[ -f stuck ] && docker restart x", &["[ -f stuck ]", "sleep 1"][..]),
            ("(test -f stuck && docker restart x) || true", &["test -f stuck", "true"][..]),
            ("test -f stuck || exit 0; docker restart x", &["test -f stuck", "exit 0"][..]),
            ("f() { docker restart x; }", &[][..]),
            ("f() { [ -f stuck ] || return 0; docker restart x; }\nf", &["f ()", "[ -f stuck ]", "return 0"][..]),
            ("docker ps -q | xargs -r docker restart", &["docker ps -q", "xargs -r docker restart"][..]),
            ("sh -c 'if false; then docker restart x; fi'", &["sh -c 'if false; then docker restart x; fi'"][..]),
        ] {
            assert!(depends_on_condition(text, &place) && !helped(text, ran), "{text}: {ran:?}");
        }
        let (text, ran) = ("docker ps -q | xargs -r docker restart", ["docker ps -q", "xargs -r docker restart"]);
        assert!(!with_calls(text, &ran, &["'docker' 'ps' '-q'"]));
        assert!(with_calls(text, &ran, &["'docker' 'ps' '-q'", "'docker' 'restart' 'x'"]));
        assert!(with_calls(text, &ran, &["'docker' 'exec' '-i' 'db' 'sh'"]), "nobody knows what it reads");
        for (text, ran) in [
            (each, &[&asked[..], &["docker restart $c"]].concat()[..]),
            (written, &["docker restart x > /dev/null 2>&1"][..]),
            ("[ -f stuck ] && docker restart x", &["[ -f stuck ]", ""][..]),
            ("[ -f stuck ] && docker restart x", &["./fix.sh"][..]),
            ("f() { docker restart x; }\nf", &["f ()", "docker restart x"][..]),
            ("[ -f stuck ] && f", &["[ -f stuck ]", "f ()", "sleep 1"][..]),
            ("f() { grep -q x y; }; f && f > /etc/motd", &["f ()", "grep -q x y"][..]),
        ] {
            assert!(helped(text, ran), "{text}: {ran:?}");
        }
        let lacks = Some("`$C` is not set".to_string());
        assert!(!has_helped(each, &CommandResult { lacks, ..CommandResult::default() }, &place));
        assert!(has_helped(each, &CommandResult::default(), &place), "nobody saw what ran");
    }
}
