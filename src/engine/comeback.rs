//! Come back: faults that the runner itself must bring back, as real ones return by themselves, beside the phases from
//! their injection until the drill begins to undo them.

use super::drill::{caught, seconds};
use super::stop::Stop;
use crate::faults::{FaultError, Undo};
use crate::spec::PlannedFault;
use crate::stack::Stack;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

/// How long what is under way at the end may take.
const FINISH_WITHIN: Duration = Duration::from_secs(5);

/// Brings each fault back that comes over `injected`, until `ending`. A fault that no longer comes back would make a
/// runbook look good that it should not: that is the harness, and no pass.
pub(super) async fn bring_back(
    stack: &dyn Stack,
    faults: &[PlannedFault],
    injected: UnboundedReceiver<(String, Undo)>,
    ending: &CancellationToken,
) -> Result<(), Stop> {
    let finished = async {
        ending.cancelled().await;
        tokio::time::sleep(FINISH_WITHIN).await;
    };
    let ended = tokio::select! {
        biased;
        ended = caught(all(stack, faults, injected, ending)) => ended,
        () = finished => return Err(Stop::harness(format!(
            "bringing a fault back took more than {}", seconds(FINISH_WITHIN)
        ))),
    };
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err((id, error))) => Err(Stop::harness(format!("`{id}` could not come back as it should: {error}"))),
        Err(panic) => {
            Err(Stop::harness(format!("a part of Firedrill panicked while it brought a fault back: {panic}")))
        }
    }
}

async fn all(
    stack: &dyn Stack,
    faults: &[PlannedFault],
    mut injected: UnboundedReceiver<(String, Undo)>,
    ending: &CancellationToken,
) -> Result<(), (String, FaultError)> {
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some((id, undo)) = injected.recv() => {
                let Some(planned) = faults.iter().find(|planned| planned.id == id) else { continue };
                under_way.push(async move {
                    planned.fault.bring_back(&undo, stack, ending).await.map_err(|error| (id, error))
                });
            }
            Some(ended) = under_way.next() => ended?,
            () = ending.cancelled() => break,
        }
    }
    while let Some(ended) = under_way.next().await {
        ended?;
    }
    Ok(())
}
