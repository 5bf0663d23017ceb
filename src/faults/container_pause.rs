//! `container_pause`: every process of a container is frozen (the cgroup freezer), so that it neither answers nor closes.
//!
//! ```yaml
//! - container_pause: { service: payments }                # replicas: all
//! - container_pause: { service: checkout, replicas: 1 }   # the first one, by name
//! ```

use super::containers::{self, SelectedContainers};
use super::{FaultContext, FaultResult, Inject, Presence, ReadFault, Undo};
use crate::source::MapReader;
use crate::stack::{ContainerOp, Need};
use async_trait::async_trait;

/// Frozen containers.
pub struct ContainerPause {
    selected: SelectedContainers,
}

/// Reads its parameters; `None` when there were mistakes, which are noted.
pub(super) fn from_map(map: &mut MapReader<'_>) -> ReadFault<ContainerPause> {
    let selected = SelectedContainers::read(map)?;
    let facts = selected.facts(format!("pauses {}", selected.describe()), Need::Containers);
    Some((facts, ContainerPause { selected }))
}

#[async_trait]
impl Inject for ContainerPause {
    async fn prepare(&self, context: &FaultContext<'_>) -> FaultResult<Undo> {
        self.selected.undo(context.stack, |_| Ok(ContainerOp::Unpause)).await
    }

    async fn inject(&self, undo: &Undo, context: &FaultContext<'_>) -> FaultResult {
        containers::operate(undo, &ContainerOp::Pause, context.stack).await
    }

    async fn confirm(&self, undo: &Undo, context: &FaultContext<'_>) -> FaultResult<Presence> {
        let found = containers::look(undo, context.stack).await?;
        Ok(containers::presence(&found, |state| state.status == "paused", containers::status))
    }
}
