//! `container_pause`: every process of a container is frozen (the cgroup freezer), so that it neither answers nor closes.
//!
//! ```yaml
//! - container_pause: { service: payments }                # all of them
//! - container_pause: { service: checkout, replicas: 1 }   # the first one, by name
//! ```

use super::ReadFault;
use super::containers::{ContainerFault, SelectedContainers, status};
use crate::source::MapReader;
use crate::stack::{ContainerOp, Need};

/// Reads its parameters; `None` when there were mistakes, which are noted.
pub(super) fn container_pause(map: &mut MapReader<'_>) -> ReadFault<ContainerFault> {
    let selected = SelectedContainers::read(map)?;
    let facts = selected.facts(format!("pauses {}", selected.describe()), Need::Containers);
    Some((facts, ContainerFault { selected, undo: Box::new(|_| Ok(ContainerOp::Unpause)), say: status }))
}
