//! `load_surge`: many more users come at once. The drill's agent sends more of the same requests as one of the scenario's
//! loads; the load itself goes on unchanged, and the SLIs are measured with it alone.
//!
//! ```yaml
//! - load_surge: { load: checkout, rate: 60/s }    # on top of what the load sends
//! ```

use super::{FaultContext, FaultError, Inject, Presence, Undo, by_agent};
use crate::agent::surge;
use crate::source::{MapReader, TextForm, parse_rate, shape};
use crate::stack::AgentRole;
use async_trait::async_trait;

const A_RATE: TextForm = TextForm::new("a rate like `50/s`", shape::rate);

/// More requests of a load.
#[derive(Debug, Clone)]
pub struct LoadSurge {
    load: String,
    /// Requests per second.
    rate: f64,
}

#[async_trait]
impl Inject for LoadSurge {
    fn from_map(map: &mut MapReader<'_>) -> Option<Self> {
        let load = map.require("load");
        let rate = map.require_with("rate", A_RATE, parse_rate);
        Some(LoadSurge { load: load?, rate: rate? })
    }

    fn summary(&self) -> String {
        format!("sends {}/s more of the load `{}`", self.rate, self.load)
    }

    fn services(&self) -> Vec<String> {
        Vec::new()
    }

    fn load(&self) -> Option<&str> {
        Some(&self.load)
    }

    async fn prepare(&self, context: &FaultContext<'_>) -> Result<Undo, FaultError> {
        Ok(by_agent::undo(&AgentRole::Drill, context))
    }

    async fn inject(&self, _undo: &Undo, context: &FaultContext<'_>) -> Result<(), FaultError> {
        let surge = surge::SurgeAbility { load: self.load.clone(), rate: self.rate };
        by_agent::begin(context, &AgentRole::Drill, &surge).await
    }

    async fn confirm(&self, _undo: &Undo, context: &FaultContext<'_>) -> Result<Presence, FaultError> {
        by_agent::confirm(context, &AgentRole::Drill).await
    }
}
