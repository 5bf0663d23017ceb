//! `pod_kill`: Pods of a workload are deleted at once, as with their node. The cluster replaces them by itself, so that their return is
//! never the runbook's doing.
//!
//! ```yaml
//! - pod_kill: { service: payments, replicas: 1 }
//!   lasts: 8s
//!   every: 20s
//! ```

use super::containers::{self, SelectedContainers};
use super::{EndedByItself, FaultContext, FaultError, FaultFacts, FaultResult, Inject, Presence, ReadFault, Undo};
use crate::source::MapReader;
use crate::stack::Need;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::time::Duration;

/// Deleted Pods.
pub struct PodKill {
    selected: SelectedContainers,
}

/// Reads its parameters; `None` when there were mistakes, which are noted.
pub(super) fn pod_kill(map: &mut MapReader<'_>) -> ReadFault<PodKill> {
    let selected = SelectedContainers::read(map)?;
    let summary = format!("deletes {}", selected.describe().replacen("container", "Pod", 1));
    let needs = Need::Pods(selected.service.clone());
    Some((FaultFacts { ends_by_itself: true, ..selected.facts(summary, needs) }, PodKill { selected }))
}

#[async_trait]
impl Inject for PodKill {
    async fn prepare(&self, context: &FaultContext<'_>) -> FaultResult<Undo> {
        let service = self.selected.service.clone();
        let killed = self.selected.running(context.stack).await?;
        let killed: BTreeMap<_, _> = killed.into_iter().map(|pod| (pod.id, pod.name)).collect();
        let all = containers::states(&service, context.stack).await?.into_iter().map(|pod| pod.id);
        Ok(Undo::Pods { service, left: all.filter(|uid| !killed.contains_key(uid)).collect(), killed })
    }

    async fn inject(&self, undo: &Undo, context: &FaultContext<'_>) -> FaultResult {
        let Undo::Pods { service, killed, .. } = undo else { return Err(FaultError::undo("for Pods")) };
        for (uid, name) in killed {
            let operation = format!("delete the Pod {name} of `{service}`");
            context.stack.delete_pod(uid).await.map_err(FaultError::of(operation))?;
        }
        Ok(())
    }

    /// Gone is what has been replaced by Pods that are ready: one that only runs does not serve anybody yet.
    async fn confirm(&self, undo: &Undo, context: &FaultContext<'_>) -> FaultResult<Presence> {
        let Undo::Pods { service, killed, left } = undo else { return Err(FaultError::undo("for Pods")) };
        let there = containers::states(service, context.stack).await?;
        let (old, new): (Vec<_>, Vec<_>) =
            there.iter().filter(|pod| !left.contains(&pod.id)).partition(|pod| killed.contains_key(&pod.id));
        let ready = new.iter().filter(|pod| pod.ready).count();
        let names: Vec<&str> = killed.values().map(String::as_str).collect();
        let (deleted, all, names) = (killed.len() - old.len(), killed.len(), names.join(", "));
        let evidence = format!("{deleted} of {all} are deleted ({names}), and {ready} new ones are ready");
        Ok(Presence::of(deleted.saturating_sub(ready), all, evidence))
    }

    async fn ended_by_itself(&self, _context: &FaultContext<'_>, mitigated: Option<Duration>) -> EndedByItself {
        Ok(mitigated.map(|_| format!("the cluster has replaced the Pods of `{}` by itself", self.selected.service)))
    }
}
