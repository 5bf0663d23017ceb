//! The person at the terminal: asked for what a runbook leaves to people, and for the values of its inputs.

use crate::engine::{ManualOutcome, Operator};
use crate::output::{say, stderr_is_terminal, visible};
use crate::record::looks_secret;
use crate::report::ConsolePause;
use crate::runbook::{Handling, RunbookInput, Step};
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::io::IsTerminal;
use tokio::sync::oneshot;

/// Somebody at a terminal, or nobody.
pub struct Terminal {
    /// Whether there is somebody to ask.
    pub present: bool,
    /// Lines of the runbook, for steps that are a person's.
    text: Vec<String>,
    /// Inputs whose value was not given.
    refused: BTreeSet<String>,
    /// What pauses the console while somebody is asked: nothing may stand where somebody types.
    pub pause: ConsolePause,
}

/// Whether somebody can be asked: standard input and standard error are a terminal, outside of CI.
pub(super) fn is_somebody_there() -> bool {
    let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
    !ci && std::io::stdin().is_terminal() && stderr_is_terminal()
}

impl Terminal {
    /// Asks if `wanted`, and if somebody is there.
    pub fn new(wanted: bool, runbook: &str) -> Terminal {
        let (present, text) = (wanted && is_somebody_there(), runbook.lines().map(str::to_string).collect());
        Terminal { present, text, refused: BTreeSet::new(), pause: ConsolePause::default() }
    }
}

#[async_trait]
impl Operator for Terminal {
    async fn manual_step(&mut self, step: &Step) -> ManualOutcome {
        if !self.present {
            return ManualOutcome::Skipped;
        }
        let lines = self.text.iter().take(step.end_line).skip(step.line.saturating_sub(1));
        let shown: String = lines.map(|line| format!("    {}\n", visible(line))).collect();
        let mut left = step.commands().iter().filter(|command| matches!(command.handling, Handling::Manual(_)));
        let why = step.manual.as_deref().or_else(|| left.next().map(|command| command.handling.why()));
        let why = why.unwrap_or_default();
        let question = format!("\n{shown}  this is yours to do ({}): [Enter] done, s skip, q stop? ", visible(why));
        let _paused = self.pause.pause();
        loop {
            match answer(question.clone(), false).await.as_deref().map(str::trim) {
                Some("" | "d" | "done") => return ManualOutcome::Done,
                Some("s" | "skip") => return ManualOutcome::Skipped,
                // End of input: nobody is there any more.
                Some("q" | "quit" | "stop") | None => return ManualOutcome::Stop,
                Some(_) => {}
            }
        }
    }

    async fn value_of(&mut self, input: &RunbookInput) -> Option<String> {
        if !self.present || self.refused.contains(&input.name) {
            return None;
        }
        let _paused = self.pause.pause();
        let question = format!("  value of {} (line {}; nothing: it has none): ", visible(&input.spelling), input.line);
        let value = answer(question, looks_secret(&input.name)).await.filter(|value| !value.is_empty());
        if value.is_none() {
            self.refused.insert(input.name.clone());
        }
        value
    }
}

/// One line from the terminal. In a thread of its own, so that a signal need not wait for an answer.
pub(super) async fn answer(question: String, hidden: bool) -> Option<String> {
    let (tx, rx) = oneshot::channel();
    // What was typed before it was asked answers nothing.
    let _ = rustix::termios::tcflush(std::io::stdin(), rustix::termios::QueueSelector::IFlush);
    // What a secret is typed with must be back however the question ends.
    let _echo = hidden.then(Echo::off).flatten();
    std::thread::spawn(move || {
        say(&question);
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        if hidden {
            say("\n");
        }
        let _ =
            tx.send(read.ok().filter(|length| *length > 0).map(|_| line.trim_end_matches(['\n', '\r']).to_string()));
    });
    rx.await.ok().flatten()
}

/// The terminal without echo, until it is dropped.
struct Echo(rustix::termios::Termios);

impl Echo {
    fn off() -> Option<Echo> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(std::io::stdin()).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &quiet).ok()?;
        Some(Echo(before))
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let now = rustix::termios::OptionalActions::Now;
        let _ = rustix::termios::tcsetattr(std::io::stdin(), now, &self.0);
    }
}
