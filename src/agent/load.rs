//! The load that users make: one load, with the SLIs over it.

use super::ability::{Ability, AgentContext, HeldTask, Holding, Tell, locked};
use super::clock::Clock;
use super::protocol::{AgentAsk, Told};
use super::source::{Environments, SliSource};
use crate::load::{EventClient, Generator, LoadReport, LoadSpec, SLICE, micros};
use crate::slis::SliSpec;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// From taking the request to t0, at least: starting tasks must not make the first requests late.
const LEAD: Duration = Duration::from_millis(20);

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

/// Makes events at this rate, counts them for the SLIs over `series`, and tells their slices.
pub(super) fn tell_events(
    client: impl EventClient + 'static,
    series: String,
    rate: f64,
    slis: &[SliSpec],
    clock: Clock,
    tell: Tell,
) -> Result<Box<dyn Holding>, String> {
    let generator = Generator::of(Arc::new(client), &series, rate, slis).map_err(|e| format!("`{series}`: {e}"))?;
    Ok(tell_slices(generator, series, clock, tell))
}

/// Runs a generator and tells what it reports.
fn tell_slices(generator: Generator, series: String, clock: Clock, tell: Tell) -> Box<dyn Holding> {
    let (t0, t0_us) = next_slice(clock);
    let report = move |report| {
        let series = series.clone();
        tell(match report {
            LoadReport::Slice(counts) => {
                let start_us = t0_us.saturating_add(counts.index.saturating_mul(micros(SLICE)));
                Told::Slice { series, start_us, counts }
            }
            LoadReport::Late { worst, count } => Told::Late { series, worst_us: micros(worst), count },
            LoadReport::Write { number, ended, acknowledged } => {
                Told::Write { write: number, clock_us: clock.at_us(ended), acknowledged }
            }
        });
    };
    HeldTask::spawn(async move {
        generator.run(t0, CancellationToken::new(), report).await;
    })
}

/// When the first slice may begin, and that by the clock: a multiple of a slice, so that the slices of everything that an
/// agent counts begin at the same instants.
fn next_slice(clock: Clock) -> (Instant, u64) {
    let earliest = Instant::now() + LEAD;
    let earliest_us = clock.at_us(earliest);
    let t0_us = earliest_us.next_multiple_of(micros(SLICE));
    (earliest + Duration::from_micros(t0_us.saturating_sub(earliest_us)), t0_us)
}
