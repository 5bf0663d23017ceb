//! The load that users make: one load, with the SLIs over it.

use super::ability::{Ability, AgentContext, HeldResult, Tell};
use super::source::{SliSource, tell_slices};
use crate::agent::locked;
use crate::load::{Generator, LoadSpec};
use crate::slis::SliSpec;
use serde::{Deserialize, Serialize};

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

    async fn begin(self, _: &str, context: &AgentContext, tell: Tell) -> HeldResult {
        let Load { spec, slis, seed } = self;
        let generator = Generator::new(&spec, &slis, seed)?;
        locked(&context.loads).insert(spec.name.clone(), (spec, seed));
        Ok(tell_slices(generator, context.clock, tell))
    }
}

impl LoadSpec {
    /// Where the events of the SLIs over it come from.
    pub fn source(&self) -> SliSource {
        let then = self.then.iter().map(|step| format!(" → {} {}", step.method, step.url));
        let event = format!("{} {}{}", self.method, self.url, then.collect::<String>());
        let (secrets, spec) = (self.secrets(), self.clone());
        let source = SliSource::of_agent((&self.name, self.rate, self.timeout), event, move |slis, seed, _| {
            Ok(Load { spec: spec.clone(), slis: slis.to_vec(), seed }.ask(&format!("load {}", spec.name)))
        });
        SliSource { secrets, ..source }
    }
}
