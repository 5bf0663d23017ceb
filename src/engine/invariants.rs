//! Invariants: what neither the fault nor the fix may destroy, asked while everything is steady, after the recovery and after
//! the revert. A fix that destroys is none: `damaged`.

use super::context::{Context, POLL, seconds};
use super::probe::{ask_probe, is_checksum_of_nothing, judged, kept, number};
use super::stop::Stop;
use crate::record::{Check, CheckOutcome, Event, InvariantRecord, InvariantTime, Verdict};
use crate::spec::{Expectation, Invariant};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a number that `increases` may take to do so: load runs, so that it should within a few requests.
const GROWS_WITHIN: Duration = Duration::from_secs(10);

/// Invariant → what its command wrote before the fault.
pub(super) type InvariantValues = BTreeMap<String, Vec<u8>>;

/// Asks every invariant, and notes what was seen; before the fault also what it is compared with later. A control has no
/// fix that could destroy anything, and asks nothing.
///
/// # Errors
/// Before the fault `unsteady`, otherwise `damaged`: the first invariant that did not hold, after all were asked.
pub async fn ask_invariants(cx: &Context<'_>, before: &mut InvariantValues, time: InvariantTime) -> Result<(), Stop> {
    if cx.options.control {
        return Ok(());
    }
    let plan = cx.plan;
    let mut first = None;
    for invariant in &plan.invariants {
        let started = cx.sink.now();
        let asked = ask_invariant(cx, before, invariant, time).await;
        let check = Check::Invariant { name: invariant.name.clone() };
        let stop = match asked {
            Ok(InvariantRecord { held: true, evidence, .. }) => {
                // The last answer decides.
                if time == InvariantTime::Reverted {
                    cx.decided(check, started, CheckOutcome::Passed { evidence });
                }
                continue;
            }
            Ok(answer) => {
                let verdict = if time == InvariantTime::Steady { Verdict::Unsteady } else { Verdict::Damaged };
                let asked = time.words();
                let reason = format!("the invariant `{}` does not hold {asked}: {}", answer.name, answer.evidence);
                Stop::new(verdict, reason)
            }
            Err(stop) => stop,
        };
        let stop = cx.failed(check, started, stop.at(cx.in_scenario(invariant.probe.line)));
        first.get_or_insert(stop);
    }
    first.map_or(Ok(()), Err)
}

async fn ask_invariant(
    cx: &Context<'_>,
    before: &mut InvariantValues,
    invariant: &Invariant,
    time: InvariantTime,
) -> Result<InvariantRecord, Stop> {
    let looked = ask_probe(cx, &invariant.probe).await?;
    let earlier = before.get(&invariant.name).map(Vec::as_slice);
    let (mut held, mut evidence) = judged(&invariant.expected, earlier, &looked);
    let mut stdout = looked.answer.as_ref().ok().map(|whole| whole.stdout.clone());
    let nothing = |stdout: &Vec<u8>| stdout.trim_ascii().is_empty() || is_checksum_of_nothing(stdout);
    if earlier.is_none() && invariant.expected == Expectation::AsBefore && stdout.as_ref().is_some_and(nothing) {
        (held, evidence) = (false, "it wrote nothing, so there is nothing to compare with".into());
    }
    if let (true, Expectation::Increases, Some(from)) = (held, &invariant.expected, &mut stdout) {
        (held, evidence) = grows(cx, invariant, from).await?;
    }
    // What is written may never become less again: of a number that increases the latest one is compared with.
    let compared = time == InvariantTime::Steady || invariant.expected == Expectation::Increases;
    if let (true, true, Some(stdout)) = (compared, held, &stdout) {
        before.insert(invariant.name.clone(), stdout.clone());
    }
    let value = stdout.as_deref().map(kept);
    let answer = InvariantRecord { name: invariant.name.clone(), time, value, held, evidence };
    cx.sink.emit(Event::Invariant(answer.clone()));
    Ok(answer)
}

/// Whether a number still grows beyond what was just read, which becomes what was read last.
async fn grows(cx: &Context<'_>, invariant: &Invariant, stdout: &mut Vec<u8>) -> Result<(bool, String), Stop> {
    let Ok(from) = number(stdout) else { return Ok((false, "it wrote no number".into())) };
    let started = cx.sink.now();
    let deadline = started.plus(GROWS_WITHIN);
    let name = &invariant.name;
    loop {
        let looked = ask_probe(cx, &invariant.probe).await?;
        let written = looked.success().map(|whole| whole.stdout.clone()).unwrap_or_default();
        let grown = number(&written).ok().filter(|latest| *latest > from);
        if grown.is_none() && cx.sink.now() < deadline {
            tokio::time::sleep(POLL).await;
            continue;
        }
        cx.waited(format!("`{name}` to increase"), started, GROWS_WITHIN, grown.is_some());
        let Some(latest) = grown else {
            let within = seconds(GROWS_WITHIN);
            return Ok((false, format!("it was {from} and did not increase within {within}")));
        };
        *stdout = written;
        return Ok((true, format!("it increased from {from} to {latest}")));
    }
}
