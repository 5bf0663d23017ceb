//! `load_surge`: many more users come at once. The drill's agent sends more of the same requests as one of the scenario's
//! loads; the load itself goes on unchanged, and the SLIs are measured with it alone.
//!
//! ```yaml
//! - load_surge: { load: checkout, rate: 60/s }    # on top of what the load sends
//! ```

use super::{FaultError, Field, FromMap, Inject, Presence, Undo, by_agent};
use crate::agent::protocol::Ask;
use crate::source::{Form, MapReader, parse_rate, shape};
use crate::stack::{AgentRole, Stack};

const A_RATE: Form = Form::new("a rate like `50/s`", shape::rate);

/// More requests of a load.
#[derive(Debug, Clone)]
pub struct LoadSurge {
    load: String,
    /// Requests per second.
    rate: f64,
}

impl FromMap for LoadSurge {
    fn from_map(map: &mut MapReader<'_>) -> Option<Self> {
        let load = map.require("load");
        let rate = map.require_with("rate", A_RATE, parse_rate);
        Some(LoadSurge { load: load?, rate: rate? })
    }
}

impl Inject for LoadSurge {
    fn summary(&self) -> String {
        format!("sends {}/s more of the load `{}`", self.rate, self.load)
    }

    fn services(&self) -> Vec<String> {
        Vec::new()
    }

    fn load(&self) -> Option<&str> {
        Some(&self.load)
    }

    async fn plan<S: Stack>(&self, id: &str, _field: &Field<'_, S>) -> Result<Undo, FaultError> {
        Ok(by_agent::undo(&AgentRole::Drill, id))
    }

    async fn inject<S: Stack>(&self, id: &str, _undo: &Undo, field: &Field<'_, S>) -> Result<(), FaultError> {
        let surge = Ask::Surge { fault: id.into(), load: self.load.clone(), rate: self.rate };
        by_agent::begin(field, &AgentRole::Drill, id, surge).await
    }

    async fn confirm<S: Stack>(&self, id: &str, _undo: &Undo, field: &Field<'_, S>) -> Result<Presence, FaultError> {
        by_agent::confirm(field, &AgentRole::Drill, id).await
    }

    async fn revert<S: Stack>(&self, id: &str, _undo: &Undo, field: &Field<'_, S>) -> Result<String, FaultError> {
        by_agent::lift(field, &AgentRole::Drill, id).await
    }
}
