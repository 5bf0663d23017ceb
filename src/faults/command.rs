//! `command`: what no other fault does, by a command in the container of a service. The author says how it is done, how it
//! is undone, and how it is seen; each is a script for `sh` in the first running container of the service.
//!
//! ```yaml
//! - command:
//!     service: front
//!     summary: the certificate is past its date
//!     covers: certificate          # the class of failures that it stands for, for `coverage`
//!     run: cp /certificates/old.pem /certificates/shop.pem && kill -HUP 1
//!     undo: cp /certificates/good.pem /certificates/shop.pem && kill -HUP 1
//!     confirm: openssl x509 -checkend 0 -noout -in /certificates/shop.pem; test $? -eq 1
//! - command:
//!     service: ops
//!     run: rm -r /backup/wal
//!     confirm: test ! -e /backup/wal
//!     irreversible: true           # instead of `undo`: it goes with the stack
//! ```

use super::undo::read_undo;
use super::{
    FaultContext, FaultError, FaultFacts, FaultResult, GOES_WITH_THE_STACK, Inject, Presence, ReadFault, Undo,
    containers, read_covers,
};
use crate::programs::{self, RefusedAnswer, Sink};
use crate::source::{At, MapReader};
use crate::stack::{CommandOutput, Stack};
use async_trait::async_trait;
use std::time::Duration;

/// How long each of its scripts may take.
pub const SCRIPT_WITHIN: Duration = Duration::from_secs(10);
/// Exit codes of a shell that could not run what it was told to: no answer to any question.
pub const CANNOT_RUN: [i64; 2] = [126, 127];
/// How much of an output stands in a line of evidence.
const EVIDENCE: usize = 200;

/// A command in a service.
pub struct CommandFault {
    service: String,
    run: String,
    /// Nothing undoes it without one: it goes with the stack.
    undo: Option<String>,
    confirm: String,
}

/// Reads a script.
pub(super) fn read_script(at: &mut At<'_>) -> Option<String> {
    let script: String = at.value()?;
    if script.trim().is_empty() {
        at.error(format!("`{}` is empty", at.key));
    }
    Some(script)
}

/// Reads a script that answers a question by its exit code. A shell makes of a command that is not there, and of every other
/// failure, what would then count as a yes.
pub fn read_question(at: &mut At<'_>) -> Option<String> {
    let script = read_script(at)?;
    if script.split_whitespace().next() == Some("!") {
        let key = at.key;
        at.error(format!("`{key}` begins with `!`: a command that cannot be run would count as a yes"))
            .help("ask for what is meant: `test ! -f FILE`, or `… ; test $? -eq 1`");
    }
    Some(script)
}

/// The command line of a script.
pub fn script(text: &str) -> Vec<String> {
    ["sh", "-c", text].map(str::to_string).to_vec()
}

/// Runs a script in a service; `what` is its key. One that could not be run has answered nothing, and so has
/// a probe of which a program was refused.
pub(super) async fn ask(
    what: &str,
    service: &str,
    text: &str,
    within: Duration,
    stack: &dyn Stack,
) -> FaultResult<CommandOutput> {
    let operation = || format!("`{what}` in `{service}`");
    let executed = stack.exec(service, &script(text), within).await.map_err(FaultError::of(operation()))?;
    // A question that a program was refused is not answered, whichever way the script was meant.
    let is_asked = executed.code == 0 && matches!(what, "confirm" | "cleared_when");
    let refused = if is_asked { refused(text, &executed.output).map(|answer| answer.to_string()) } else { None };
    match refused.or_else(|| CANNOT_RUN.contains(&executed.code).then(|| ended(&executed))) {
        Some(why) => Err(FaultError::new(operation(), why).with(executed.output)),
        None => Ok(executed),
    }
}

/// What a program of a script answered that its exit code does not tell. Both streams come as one: where standard output goes
/// through a pipe or into a file, nobody can tell of which one a line is, and what stands behind the pipe decides.
fn refused(text: &str, output: &str) -> Option<RefusedAnswer> {
    let elsewhere = programs::calls(text).iter().any(|call| matches!(call.stdout, Sink::Piped | Sink::File));
    programs::answered(text, output, if elsewhere { "" } else { output })
}

/// Runs a script that has to succeed.
pub(super) async fn carry_out(what: &str, service: &str, text: &str, stack: &dyn Stack) -> FaultResult<CommandOutput> {
    let executed = ask(what, service, text, SCRIPT_WITHIN, stack).await?;
    match executed.code {
        0 => Ok(executed),
        _ => Err(FaultError::new(format!("`{what}` in `{service}`"), ended(&executed)).with(executed.output)),
    }
}

/// `exit code 1 in shop-front-1: the last line that it wrote`.
pub fn ended(executed: &CommandOutput) -> String {
    let CommandOutput { container, code, output } = executed;
    let last = output.lines().map(str::trim).rfind(|line| !line.is_empty());
    let said = last.map_or_else(String::new, |line| format!(": {}", line.chars().take(EVIDENCE).collect::<String>()));
    format!("exit code {code} in {container}{said}")
}

/// What a script is known by where it has no summary.
pub(super) fn first_line(script: &str) -> String {
    let mut lines = script.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let more = if lines.next().is_some() { " …" } else { "" };
    format!("{first}{more}")
}

/// Reads its parameters; `None` when there were mistakes, which are noted.
pub(super) fn command(map: &mut MapReader<'_>) -> ReadFault<CommandFault> {
    let service: Option<String> = map.require("service");
    let run = map.require_by("run", read_script);
    let confirm = map.require_by("confirm", read_question);
    let undo = read_undo(map, "`command`");
    let summary: Option<String> = map.optional("summary");
    let covers = read_covers(map);
    let (service, run) = (service?, run?);
    let summary = match summary {
        Some(summary) => format!("{summary} (by a command in `{service}`)"),
        None => format!("runs `{}` in `{service}`", first_line(&run)),
    };
    let warning = programs::left_running(&run).map(|what| {
        let message = format!("`run` leaves something running in `{service}` (`{what}`): any restart of it cures that");
        ("run", message, "use the fault `process`, which runs in a container of its own")
    });
    let facts = FaultFacts { summary, services: vec![service.clone()], covers, warning, ..FaultFacts::default() };
    Some((facts, CommandFault { service, run, undo: undo?, confirm: confirm? }))
}

#[async_trait]
impl Inject for CommandFault {
    /// What `confirm` says to be in place before `run` would prove nothing. That it has no answer yet is none.
    async fn prepare(&self, context: &FaultContext<'_>) -> FaultResult<Undo> {
        let service = self.service.clone();
        let container = containers::first_started(&service, context.stack).await?;
        if let Ok(Presence::InPlace(evidence)) = self.confirm(&Undo::nothing(), context).await {
            let operation = format!("before `run` in `{service}`");
            return Err(FaultError::new(operation, format!("it is in place already: {evidence}")));
        }
        Ok(match self.undo.clone() {
            Some(script) => Undo::Command { service, script, container },
            None => Undo::Nothing { reason: GOES_WITH_THE_STACK.into(), damage: None, container },
        })
    }

    async fn inject(&self, _undo: &Undo, context: &FaultContext<'_>) -> FaultResult {
        carry_out("run", &self.service, &self.run, context.stack).await.map(drop)
    }

    async fn confirm(&self, undo: &Undo, context: &FaultContext<'_>) -> FaultResult<Presence> {
        containers::commands_run_in(&self.service, undo, context.stack).await?;
        let executed = ask("confirm", &self.service, &self.confirm, SCRIPT_WITHIN, context.stack).await?;
        let evidence = format!("`confirm`: {}", ended(&executed));
        match executed.code {
            0 => Ok(Presence::InPlace(evidence)),
            1 => Ok(Presence::Gone(evidence)),
            // `psql` and `test` end so when they could not ask, and whatever is killed with more than 128.
            _ => {
                let operation = format!("`confirm` in `{}`", self.service);
                let cause = format!("{}; only 0 (in place) and 1 (gone) are answers", ended(&executed));
                Err(FaultError::new(operation, cause).with(executed.output))
            }
        }
    }

    /// What a command has started in its container, and what it has changed there outside of the volumes, does not outlive it.
    async fn ended_by(&self, undo: &Undo, stack: &dyn Stack) -> Option<String> {
        containers::restarted(&self.service, undo.container()?, stack).await
    }
}
