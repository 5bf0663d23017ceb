//! The load that users make: one load, with the SLIs over it.

use super::ability::{Ability, AgentContext, Holding, Tell};
use super::protocol::AgentAsk;
use super::slices::tell_slices;
use super::source::{Environments, SliSource};
use crate::agent::locked;
use crate::load::{Generator, LoadSpec};
use crate::slis::SliSpec;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A load to send until it is lifted. Each slice is told once all of its requests have ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// The load.
    pub spec: LoadSpec,
    /// The SLIs; those over other loads are left out.
    pub slis: Vec<SliSpec>,
    /// Seed for ids put into requests.
    pub seed: u64,
}

impl Ability for Load {
    const NAME: &'static str = "load";

    async fn begin(self, _: &str, context: &AgentContext, tell: Tell) -> Result<Box<dyn Holding>, String> {
        let Load { spec, slis, seed } = self;
        let generator = Generator::new(&spec, &slis, seed)?;
        let series = spec.name.clone();
        locked(&context.loads).insert(series.clone(), (spec, seed));
        Ok(tell_slices(generator, series, context.clock, tell))
    }
}

impl SliSource for LoadSpec {
    fn series(&self) -> &str {
        &self.name
    }

    fn rate(&self) -> f64 {
        self.rate
    }

    fn longest(&self) -> Duration {
        self.timeout
    }

    fn event(&self) -> String {
        let then = self.then.iter().map(|step| format!(" → {} {}", step.method, step.url));
        format!("{} {}{}", self.method, self.url, then.collect::<String>())
    }

    fn secrets(&self) -> Vec<String> {
        LoadSpec::secrets(self)
    }

    fn ask(&self, slis: &[SliSpec], seed: u64, _: Environments<'_>) -> Result<AgentAsk, String> {
        let load = Load { spec: self.clone(), slis: slis.to_vec(), seed };
        Ok(load.ask(&format!("load {}", self.name)))
    }
}
