//! One look: a script of the scenario in the first running container of a service. A service that is not there and a script
//! that does not end are answers; Docker that does not do as it is told is none, and neither is a command that cannot be run.

use super::context::{CommonContext, seconds};
use super::stop::Stop;
use super::words::{ProbeAnswer, ended};
use crate::faults::{CANNOT_RUN, script};
use crate::programs;
use crate::spec::ServiceScript;
use crate::stack::FullOutput;
use std::time::Duration;

/// How long Docker may take for its own part in a look.
const ENGINE_WITHIN: Duration = Duration::from_secs(10);
/// How often a look is tried while the service runs: its container may be replaced between the question where it is and the
/// command in it.
const TRIES: u32 = 2;

/// The longest time that a look can take.
pub(super) fn longest(probe: &ServiceScript) -> Duration {
    (probe.within + ENGINE_WITHIN * 3) * TRIES
}

/// Runs a script and tells what it did.
pub(super) async fn ask_probe(cx: &CommonContext<'_>, probe: &ServiceScript) -> Result<ProbeAnswer, Stop> {
    let mut tries = 0;
    loop {
        let absent = absent(cx, &probe.service).await?;
        let asked = cx.sink.now();
        if let Some(why) = absent {
            return Ok(ProbeAnswer { asked, answer: Err(why) });
        }
        let command = script(&probe.run);
        let run = cx.stack.exec_full(&probe.service, &command, true, probe.within);
        tries += 1;
        match tokio::time::timeout(probe.within + ENGINE_WITHIN, run).await {
            Ok(Ok(FullOutput { code: None, .. })) => {
                let why = format!("it had not ended after {}", seconds(probe.within));
                return Ok(ProbeAnswer { asked, answer: Err(why) });
            }
            // Also what a container answers that was just about to end.
            Ok(Ok(whole)) if whole.code.is_some_and(|code| CANNOT_RUN.contains(&code)) => {
                if tries < TRIES {
                    continue;
                }
                let reason = format!("a probe cannot be run: {}", ended(&whole));
                return Err(Stop::harness(reason).at(cx.in_scenario(probe.line)));
            }
            Ok(Ok(whole)) => return Ok(ProbeAnswer { asked, answer: told(&probe.run, whole) }),
            Ok(Err(error)) if tries >= TRIES => return Err(Stop::from(error)),
            Ok(Err(_)) => {}
            Err(_) => return Err(late("running a command", &probe.service)),
        }
    }
}

/// Why nothing can run in a service, if nothing can.
async fn absent(cx: &CommonContext<'_>, service: &str) -> Result<Option<String>, Stop> {
    let found = tokio::time::timeout(ENGINE_WITHIN, cx.stack.containers(service)).await;
    let found = found.map_err(|_| late("looking for the containers", service))??;
    if found.iter().any(|container| container.status == "running") {
        return Ok(None);
    }
    let states: Vec<String> =
        found.iter().map(|container| format!("{} is {}", container.name, container.status)).collect();
    let states = if states.is_empty() { "it has none at all".to_string() } else { states.join(", ") };
    Ok(Some(format!("`{service}` has no running container: {states}")))
}

/// What a script did; not what a program of it was refused, though the exit code is 0: that says nothing about what was asked.
fn told(script: &str, whole: FullOutput) -> Result<FullOutput, String> {
    if whole.code != Some(0) {
        return Ok(whole);
    }
    let answer = programs::answered(script, &String::from_utf8_lossy(&whole.stdout), &whole.stderr);
    answer.map_or(Ok(whole), |answer| Err(format!("it cannot be told: {answer}")))
}

fn late(what: &str, service: &str) -> Stop {
    Stop::harness(format!("{what} in `{service}`: Docker did not answer within {}", seconds(ENGINE_WITHIN)))
}
