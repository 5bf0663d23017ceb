//! `container_pause`: every process of a container is frozen (the cgroup freezer), so that it neither answers nor closes.
//!
//! ```yaml
//! - container_pause: { service: payments }                # replicas: all
//! - container_pause: { service: checkout, replicas: 1 }   # the first one, by name
//! ```

use super::containers::{self, Chosen};
use super::{FaultError, Field, FromMap, Inject, Presence, Undo};
use crate::source::MapReader;
use crate::stack::{ContainerOp, Stack};

/// Frozen containers.
#[derive(Debug, Clone)]
pub struct ContainerPause {
    chosen: Chosen,
}

impl FromMap for ContainerPause {
    fn from_map(map: &mut MapReader<'_>) -> Option<Self> {
        let chosen = Chosen::read(map);
        Some(ContainerPause { chosen: chosen? })
    }
}

impl Inject for ContainerPause {
    fn summary(&self) -> String {
        format!("pauses {}", self.chosen.describe())
    }

    fn services(&self) -> Vec<String> {
        vec![self.chosen.service.clone()]
    }

    async fn plan<S: Stack>(&self, _id: &str, field: &Field<'_, S>) -> Result<Undo, FaultError> {
        self.chosen.undo(ContainerOp::Unpause, field.stack).await
    }

    async fn inject<S: Stack>(&self, _id: &str, undo: &Undo, field: &Field<'_, S>) -> Result<(), FaultError> {
        containers::operate(undo, &ContainerOp::Pause, field.stack).await
    }

    async fn confirm<S: Stack>(&self, _id: &str, undo: &Undo, field: &Field<'_, S>) -> Result<Presence, FaultError> {
        let found = containers::look(undo, field.stack).await?;
        Ok(containers::presence(&found, |state| state.status == "paused"))
    }

    async fn revert<S: Stack>(&self, _id: &str, undo: &Undo, field: &Field<'_, S>) -> Result<String, FaultError> {
        containers::restore(undo, field.stack).await
    }
}
