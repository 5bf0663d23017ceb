//! A shell supervisor in the test's own process: speaks `shell::protocol` and knows a few words that act on the world.

use super::log::Happening;
use super::world::World;
use firedrill::bash::has_syntax_error;
use firedrill::record::Stream;
use firedrill::shell::CommandResult;
use firedrill::shell::protocol::{Blob, FromCall, FromShell, ToShell};
use firedrill::stack::{Channel, ToolCall};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A call of the runner's own in `db` that ends the container in which it is made.
pub const OWN_RESTART: &str = "docker compose restart db";

/// How a command ended.
struct Ended {
    exit: i32,
    timed_out: bool,
    /// What of it ran, where that is known.
    ran: Option<Vec<String>>,
}

/// A supervisor at the far end of `channel`.
pub struct Supervisor {
    channel: Channel,
    world: Arc<World>,
    token: String,
}

impl Supervisor {
    /// A supervisor that is ready as soon as it is served.
    pub fn new(channel: Channel, world: Arc<World>) -> Supervisor {
        Supervisor { channel, world, token: String::new() }
    }

    /// Works until the runner's end of the channel is gone.
    pub async fn serve(mut self) {
        if self.world.switches.no_shell {
            self.send(FromShell::Failed("the container has no bash".into())).await;
            return;
        }
        self.send(FromShell::Ready {}).await;
        while let Some(line) = self.channel.rx.recv().await {
            match serde_json::from_str(&line).expect("a message of the protocol") {
                ToShell::Run { id, text, timeout_ms, watched, .. } => {
                    if !self.run(id, (&text, watched), Duration::from_millis(timeout_ms)).await {
                        return;
                    }
                }
                ToShell::Vars(vars) => {
                    let names = vars.iter().filter(|var| var.value.is_none()).map(|var| var.name.clone());
                    let names: Vec<String> = names.collect();
                    let vars = vars.into_iter().filter_map(|var| Some((var.name, var.value?))).collect();
                    self.world.log.done(Happening::Set { vars });
                    if !names.is_empty() {
                        self.world.log.done(Happening::Unset { names });
                    }
                }
                ToShell::Save => self.send(FromShell::Saved("saved".into())).await,
                ToShell::Export => {
                    self.send(FromShell::Exported(self.world.switches.exports.then(|| Blob(Vec::new().into())))).await
                }
                ToShell::Token(token) => self.token = token,
                ToShell::Restore(_) | ToShell::Import(_) | ToShell::Cancel | ToShell::Call(..) => {}
            }
        }
    }

    /// Runs a command until it ends, is cancelled or its deadline has come. Whether the session goes on.
    async fn run(&mut self, id: u64, (text, watched): (&str, bool), timeout: Duration) -> bool {
        // By a bare `exit` a session is left at the end of the runbook.
        if text != "exit" {
            self.world.log.done(Happening::Ran { text: text.to_string() });
        }
        let begun = Instant::now();
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        if word == "vanish" {
            return false;
        }
        let restarts = text.contains("; then restart-own;") && self.world.count("restart-own") == 1;
        if word == "restart-own" || restarts {
            self.world.count("restart-db");
            return false;
        }
        if text == OWN_RESTART {
            // The runner carries the call out to its end, though the container takes the session along.
            let args = rest.split(' ').map(str::to_string).collect();
            let call = ToolCall { program: word.to_string(), args, ..ToolCall::default() };
            self.send(FromShell::Call(1, FromCall::Begun(call))).await;
            self.world.count("restart-db");
            return false;
        }
        if word == "grow" {
            let text = format!("{rest} {}\n", self.world.count("grow"));
            self.send(FromShell::Output { id, stream: Stream::Stdout, text }).await;
        }
        if word == "flood" {
            let text = "x".repeat(rest.parse().expect("a number"));
            self.send(FromShell::Output { id, stream: Stream::Stdout, text }).await;
        }
        if word == "psql" {
            let text = rest.lines().skip(1).map(|line| format!("{line}\n")).collect();
            self.send(FromShell::Output { id, stream: Stream::Stdout, text }).await;
        }
        if word == "redis-cli" {
            let text = format!("ERR unknown command '{rest}'\n");
            self.send(FromShell::Output { id, stream: Stream::Stdout, text }).await;
        }
        if word == "say" {
            let text = format!("{}\n", rest.trim_matches(['\'', '"']));
            self.send(FromShell::Output { id, stream: Stream::Stdout, text }).await;
        }
        let world = self.world.clone();
        let ended = tokio::select! {
            (exit, ran) = followed(&world, text) => Ended { exit, timed_out: false, ran: Some(ran) },
            () = tokio::time::sleep(timeout) => Ended { exit: 143, timed_out: true, ran: None },
            message = self.channel.rx.recv() => {
                self.world.log.done(Happening::Killed { text: text.to_string() });
                match message {
                    Some(_) => Ended { exit: 143, timed_out: false, ran: None },
                    None => return false,
                }
            }
        };
        let (took, left_shell) = (begun.elapsed(), word == "exit");
        let Ended { exit, timed_out, ran } = ended;
        let ran = ran.filter(|_| watched);
        let result = CommandResult { exit, took, timed_out, left_shell, ran, ..CommandResult::default() };
        self.send(FromShell::Ended(id, result)).await;
        true
    }

    async fn send(&self, message: FromShell) {
        let line = format!("{}{}", self.token, serde_json::to_string(&message).expect("a message"));
        // A runner that is gone is noticed when reading.
        let _ = self.channel.tx.send(line).await;
    }
}

/// A command, or `if …; then …; fi` of two, or a function `f` and a call of it, which comes to nothing, or a loop that waits in vain: the exit code,
/// and what of it ran.
async fn followed(world: &World, text: &str) -> (i32, Vec<String>) {
    if text.starts_with("f() {") {
        return (0, Vec::new());
    }
    if text == "f" {
        return (0, vec!["f ()".to_string(), "false".to_string()]);
    }
    if text.starts_with("for ") {
        return (0, vec!["curl -f http://web/".to_string(), "sleep 1".to_string()]);
    }
    let inside = text.strip_prefix("if ").and_then(|rest| rest.strip_suffix("; fi"));
    let Some((condition, body)) = inside.and_then(|inside| inside.split_once("; then ")) else {
        return (interpret(world, text).await, vec![text.to_string()]);
    };
    let asked = condition.to_string();
    match interpret(world, condition).await {
        0 => (interpret(world, body).await, vec![asked, body.to_string()]),
        _ => (0, vec![asked]),
    }
}

/// The words of this shell; returns the exit code.
async fn interpret(world: &World, text: &str) -> i32 {
    if has_syntax_error(text) {
        return 2;
    }
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    if act(world, word) {
        return 0;
    }
    match word {
        "true" | "say" | "grow" | "flood" | "psql" | "redis-cli" => 0,
        // The container of `db` is another one from now on.
        "restart-db" => i32::from(world.count("restart-db") == 0),
        "false" => 1,
        // May do more than look, and fails.
        "misfire" => 1,
        // Change something, and fail.
        "touch" | "cp" => 1,
        "exit" => rest.parse().unwrap_or_default(),
        "hang" => std::future::pending().await,
        "sleep" => {
            tokio::time::sleep(Duration::from_millis(rest.parse().expect("milliseconds"))).await;
            0
        }
        // Whether users are well now.
        "healthy" => i32::from(world.broken()),
        // Fails that many times, then passes.
        "stubborn" => i32::from(world.count("stubborn") <= rest.parse().expect("a number")),
        // Returns once the process has ended.
        "await-end" => {
            while world.worker() == Some("running") {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            0
        }
        // Returns once users have been well for a second.
        "await-health" => {
            let second = Duration::from_secs(1);
            let mut well_since = Instant::now();
            while well_since.elapsed() < second {
                tokio::time::sleep(Duration::from_millis(10)).await;
                if world.broken() {
                    well_since = Instant::now();
                }
            }
            0
        }
        _ => 127,
    }
}

/// The words that change the world; whether it is one of them.
fn act(world: &World, word: &str) -> bool {
    match word {
        // The users are well from now on, and the fault is still in place.
        "fix" => world.work_around(None),
        // The same, for a few moments.
        "fix-briefly" => world.work_around(Some(Duration::from_millis(300))),
        // It works around the fault no longer.
        "unfix" => world.relapse(),
        // The same, for two seconds.
        "fix-for-a-second" => world.work_around(Some(Duration::from_secs(1))),
        "fix-for-long" => world.work_around(Some(Duration::from_secs(2))),
        // The same, from a second later on.
        "fix-later" => world.work_around_later(Duration::from_secs(1)),
        // One trouble for the other, and back.
        "take-turns" => world.take_turns(),
        // The fault is gone.
        "clear" => world.clear(),
        "restore" => world.switches.shop.as_ref().expect("a shop").restore(),
        _ => return false,
    }
    true
}
