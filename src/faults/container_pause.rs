//! `container_pause`: every process of a container is frozen (the cgroup freezer), so that it neither answers nor closes.
//!
//! ```yaml
//! - container_pause: { service: payments }                # replicas: all
//! - container_pause: { service: checkout, replicas: 1 }   # the first one, by name
//! ```

use super::containers::{self, Chosen};
use super::{FaultError, FaultContext, Inject, Presence, Undo};
use crate::source::MapReader;
use crate::stack::ContainerOp;
use async_trait::async_trait;

/// Frozen containers.
#[derive(Debug, Clone)]
pub struct ContainerPause {
    chosen: Chosen,
}

#[async_trait]
impl Inject for ContainerPause {
    fn from_map(map: &mut MapReader<'_>) -> Option<Self> {
        let chosen = Chosen::read(map);
        Some(ContainerPause { chosen: chosen? })
    }

    fn summary(&self) -> String {
        format!("pauses {}", self.chosen.describe())
    }

    fn services(&self) -> Vec<String> {
        vec![self.chosen.service.clone()]
    }

    async fn prepare(&self, context: &FaultContext<'_>) -> Result<Undo, FaultError> {
        self.chosen.undo(ContainerOp::Unpause, context.stack).await
    }

    async fn inject(&self, undo: &Undo, context: &FaultContext<'_>) -> Result<(), FaultError> {
        containers::operate(undo, &ContainerOp::Pause, context.stack).await
    }

    async fn confirm(&self, undo: &Undo, context: &FaultContext<'_>) -> Result<Presence, FaultError> {
        let found = containers::look(undo, context.stack).await?;
        Ok(containers::presence(&found, |state| state.status == "paused"))
    }

    async fn revert(&self, undo: &Undo, context: &FaultContext<'_>) -> Result<String, FaultError> {
        containers::restore(undo, context.stack).await
    }
}
