//! Tells the slices of what an agent counts, of all SLIs on the same grid of time.

use super::ability::{HeldResult, Holding, Tell, held_task};
use super::clock::Clock;
use super::protocol::Told;
use crate::load::{EventClient, Generator, LoadReport, SLICE};
use crate::record::{DrillTime, LateRecord, Slice, micros};
use crate::slis::SliSpec;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// From taking the request to t0, at least: starting tasks must not make the first requests late.
const LEAD: Duration = Duration::from_millis(20);

/// Makes events at this rate, counts them for the SLIs over `series`, and tells their slices.
pub(super) fn tell_events(
    client: impl EventClient + 'static,
    series: String,
    rate: f64,
    slis: &[SliSpec],
    clock: Clock,
    tell: Tell,
) -> HeldResult {
    let generator = Generator::of(Arc::new(client), &series, rate, slis).map_err(|e| format!("`{series}`: {e}"))?;
    Ok(tell_slices(generator, series, clock, tell))
}

/// Runs a generator and tells what it reports.
pub(super) fn tell_slices(generator: Generator, series: String, clock: Clock, tell: Tell) -> Box<dyn Holding> {
    let (t0, t0_us) = next_slice(clock);
    let report = move |report| tell(Told::of(report, series.clone(), t0_us, |at| clock.at_us(at)));
    held_task(async move {
        generator.run(t0, CancellationToken::new(), report).await;
    })
}

impl Told {
    /// What a generator reports that began at `t0_us`; `at_us` makes an instant one of the same clock.
    pub(crate) fn of(report: LoadReport, series: String, t0_us: u64, at_us: impl FnOnce(Instant) -> u64) -> Told {
        match report {
            LoadReport::Slice(slice) => {
                let start_us = DrillTime(t0_us.saturating_add(slice.index.saturating_mul(micros(SLICE))));
                Told::Slice(Slice { start_us, ..slice })
            }
            LoadReport::Late { worst, count } => {
                Told::Late(LateRecord { load: series, worst_us: micros(worst), count })
            }
            LoadReport::Write { number, ended, acknowledged } => {
                Told::Write { write: number, clock_us: at_us(ended), acknowledged }
            }
        }
    }
}

/// When the first slice may begin, and that by the clock: a multiple of a slice, so that the slices of everything that an
/// agent counts begin at the same instants.
fn next_slice(clock: Clock) -> (Instant, u64) {
    let earliest = Instant::now() + LEAD;
    let earliest_us = clock.at_us(earliest);
    let t0_us = earliest_us.next_multiple_of(micros(SLICE));
    (earliest + Duration::from_micros(t0_us.saturating_sub(earliest_us)), t0_us)
}
