//! `stop_when` and `max_duration`: what ends a drill at once, watched from the injection to the verdict.

use super::context::{CommonContext, seconds};
use super::monitor::shown;
use super::probe::{ask_probe, judged};
use super::stop::Stop;
use crate::agent::ability::Ability;
use crate::agent::protocol::{AgentAnswer, AgentAsk};
use crate::agent::watch::StatusPage;
use crate::record::{DrillTime, Location, Verdict};
use crate::spec::{Plan, StopCondition, StopWhen};
use futures_util::future::pending;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::time::Duration;

/// How often a condition is asked, from one answer to the next question.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// How often a script is run: each costs the engine a process.
const RUN_EVERY: Duration = Duration::from_secs(1);

/// Goes through `course` unless a condition of `stop_when` holds, before it or meanwhile.
///
/// # Errors
/// `interrupted` with the condition, the error of one that cannot be asked, or that of the course.
pub(super) async fn unless_stopped<T>(
    common: CommonContext<'_>,
    course: impl Future<Output = Result<T, Stop>>,
) -> Result<T, Stop> {
    let conditions: Vec<(String, &StopCondition)> =
        common.plan.stop_when.iter().enumerate().map(|(at, known)| (format!("stop_when-{at}"), known)).collect();
    let began = common.sink.now();
    for (id, condition) in &conditions {
        if let StopWhen::Answer { url, status } = &condition.what {
            let page = StatusPage { url: url.clone(), status: *status };
            common.drill_agent()?.ask(page.ask(id)).await?;
        }
        // What holds before anything is broken keeps it from being broken.
        if let Some(evidence) = holds(&common, id, condition, None).await? {
            return Err(stopped(&common, condition, &evidence));
        }
    }
    let watched = conditions.iter().map(|(id, condition)| async {
        loop {
            let is_script = matches!(condition.what, StopWhen::Probe { .. });
            tokio::time::sleep(if is_script { RUN_EVERY } else { ASK_EVERY }).await;
            match holds(&common, id, condition, Some(began)).await {
                Ok(None) => {}
                Ok(Some(evidence)) => return stopped(&common, condition, &evidence),
                Err(stop) => return stop.at(common.in_scenario(condition.line)),
            }
        }
    });
    let mut watched: FuturesUnordered<_> = watched.collect();
    tokio::select! {
        biased;
        Some(stop) = watched.next() => Err(stop),
        done = course => done,
    }
}

/// Waits until the drill has taken longer than it may.
pub(super) async fn overtime(plan: &Plan) -> Stop {
    let Some(most) = plan.max_duration else { return pending().await };
    tokio::time::sleep(most).await;
    let reason = format!("the drill took longer than `max_duration`: {}", seconds(most));
    let at = Location { path: super::announce::shown(&plan.source), line: plan.line_of("max_duration") };
    Stop::new(Verdict::Interrupted, reason).at(at)
}

fn stopped(common: &CommonContext<'_>, condition: &StopCondition, evidence: &str) -> Stop {
    let reason = format!("`stop_when`: {}; {evidence}", condition.what);
    Stop::new(Verdict::Interrupted, reason).at(common.in_scenario(condition.line))
}

/// What shows that a condition holds, or that of an SLI did while nobody asked, `since` then.
async fn holds(
    common: &CommonContext<'_>,
    id: &str,
    condition: &StopCondition,
    since: Option<DrillTime>,
) -> Result<Option<String>, Stop> {
    match &condition.what {
        StopWhen::Below { sli, below, window } => {
            let fell = common.monitor.timeline(|timeline| timeline.fell_below(sli, *below, *window, since));
            Ok(fell.map(|level| shown(&[level])))
        }
        StopWhen::File(path) => match path.symlink_metadata() {
            Ok(_) => Ok(Some("it was found".into())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Stop::harness(format!("`stop_when`: {}: {error}", path.display()))),
        },
        StopWhen::Answer { .. } => match common.drill_agent()?.ask(AgentAsk::Look { id: id.into() }).await? {
            AgentAnswer::InPlace { detail, .. } => Ok(Some(format!("it answered {detail}"))),
            AgentAnswer::Gone { .. } => Ok(None),
            other => Err(Stop::harness(format!("`stop_when`: the agent answered something else: {other:?}"))),
        },
        StopWhen::Probe { probe, expected } => {
            let (held, evidence) = judged(expected, None, &ask_probe(common, probe).await?);
            Ok(held.then_some(evidence))
        }
    }
}
