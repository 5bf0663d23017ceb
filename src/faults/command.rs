//! `command`: what no other fault does, by a command in the container of a service. The author says how it is done, how it
//! is undone, and how it is seen; each is a script for `sh` in the first running container of the service.
//!
//! ```yaml
//! - command:
//!     service: front
//!     summary: the certificate is past its date
//!     run: cp /certificates/old.pem /certificates/shop.pem && kill -HUP 1
//!     undo: cp /certificates/good.pem /certificates/shop.pem && kill -HUP 1
//!     confirm: openssl x509 -checkend 0 -noout -in /certificates/shop.pem; test $? -eq 1
//! - command:
//!     service: ops
//!     run: rm -r /backup/wal
//!     confirm: test ! -e /backup/wal
//!     irreversible: true           # instead of `undo`: it goes with the stack
//! ```

use super::undoing::Undoing;
use super::{FaultError, Field, FromNode, Inject, Presence, Undo};
use crate::source::{Diagnostics, MapReader, Node, Source};
use crate::stack::{Executed, Stack};
use std::sync::Arc;
use std::time::Duration;

/// How long each of its scripts may take.
pub const SCRIPT_WITHIN: Duration = Duration::from_secs(10);
/// Exit codes of a shell that could not run what it was told to: no answer to any question.
pub const CANNOT_RUN: [i64; 2] = [126, 127];
/// How much of an output stands in a line of evidence.
const EVIDENCE: usize = 200;

/// A command in a service.
#[derive(Debug, Clone)]
pub struct Command {
    service: String,
    run: String,
    undo: Undoing,
    confirm: String,
    summary: Option<String>,
}

impl FromNode for Command {
    fn from_node(node: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Self> {
        let mut map = MapReader::new(node, "`command`", source, diags)?;
        let service = map.require("service");
        let [run, confirm] = ["run", "confirm"].map(|key| {
            let script: Option<String> = map.require(key);
            let span = map.span_of(key);
            if script.as_ref().is_some_and(|script| script.trim().is_empty()) {
                map.error(span, format!("`{key}` is empty"));
            }
            // A shell makes of a command that is not there, and of every other failure, what the script waits for.
            if key == "confirm" && script.as_ref().is_some_and(|script| script.split_whitespace().next() == Some("!")) {
                map.error(span, "`confirm` begins with `!`: a command that cannot be run would count as the fault in place")
                    .help("ask for the exit code that is meant: `test ! -f /srv/flags.json`, or `openssl … ; test $? -eq 1`");
            }
            script
        });
        let undo = Undoing::read(&mut map, "`command`");
        let summary = map.optional("summary");
        map.finish()?;
        Some(Command { service: service?, run: run?, undo: undo?, confirm: confirm?, summary })
    }
}

/// The command line of a script.
pub fn script(text: &str) -> Vec<String> {
    ["sh", "-c", text].map(str::to_string).to_vec()
}

impl Command {
    async fn exec<S: Stack>(&self, what: &str, text: &str, stack: &S) -> Result<Executed, FaultError> {
        let operation = || format!("`{what}` in `{}`", self.service);
        let executed = stack.exec(&self.service, &script(text), SCRIPT_WITHIN).await;
        let executed = executed.map_err(|error| FaultError::new(operation(), error))?;
        match CANNOT_RUN.contains(&executed.code) {
            true => Err(FaultError::new(operation(), ended(&executed))),
            false => Ok(executed),
        }
    }

    /// The same, for a script that has to succeed.
    async fn carry_out<S: Stack>(&self, what: &str, text: &str, stack: &S) -> Result<(), FaultError> {
        let executed = self.exec(what, text, stack).await?;
        match executed.code {
            0 => Ok(()),
            _ => Err(FaultError::new(format!("`{what}` in `{}`", self.service), ended(&executed))),
        }
    }
}

/// `exit code 1 in shop-front-1: the last line that it wrote`.
pub fn ended(executed: &Executed) -> String {
    let Executed { container, code, output } = executed;
    let last = output.lines().map(str::trim).rfind(|line| !line.is_empty());
    let said = last.map_or_else(String::new, |line| format!(": {}", line.chars().take(EVIDENCE).collect::<String>()));
    format!("exit code {code} in {container}{said}")
}

impl Inject for Command {
    fn summary(&self) -> String {
        match &self.summary {
            Some(summary) => format!("{summary} (by a command in `{}`)", self.service),
            None => {
                let mut lines = self.run.lines().map(str::trim).filter(|line| !line.is_empty());
                let first = lines.next().unwrap_or_default();
                let more = if lines.next().is_some() { " …" } else { "" };
                format!("runs `{first}{more}` in `{}`", self.service)
            }
        }
    }

    fn services(&self) -> Vec<String> {
        vec![self.service.clone()]
    }

    async fn plan<S: Stack>(&self, _id: &str, _field: &Field<'_, S>) -> Result<Undo, FaultError> {
        Ok(match &self.undo {
            Undoing::By(script) => Undo::Command { service: self.service.clone(), script: script.clone() },
            Undoing::Never => Undo::nothing(),
        })
    }

    async fn inject<S: Stack>(&self, _id: &str, _undo: &Undo, field: &Field<'_, S>) -> Result<(), FaultError> {
        self.carry_out("run", &self.run, field.stack).await
    }

    async fn confirm<S: Stack>(&self, _id: &str, _undo: &Undo, field: &Field<'_, S>) -> Result<Presence, FaultError> {
        let executed = self.exec("confirm", &self.confirm, field.stack).await?;
        let evidence = format!("`confirm`: {}", ended(&executed));
        Ok(if executed.code == 0 { Presence::InPlace(evidence) } else { Presence::Gone(evidence) })
    }

    async fn revert<S: Stack>(&self, _id: &str, _undo: &Undo, field: &Field<'_, S>) -> Result<(), FaultError> {
        match &self.undo {
            Undoing::By(script) => self.carry_out("undo", script, field.stack).await,
            Undoing::Never => Ok(()),
        }
    }
}
