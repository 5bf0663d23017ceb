//! How busy the machine is: processors, pressure, memory. `/proc/stat`, `/proc/pressure/cpu` and `/proc/meminfo` show a
//! container the machine that it runs on, which is the one that a drill can disturb.

use super::ability::{Ability, AgentContext, HeldResult, Tell, held_task};
use super::protocol::Told;
use crate::record::MachineSample;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// What was read at one instant. Times count up since the machine started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MachineReading {
    cpus: u32,
    /// Time of all processors in ticks.
    total: u64,
    /// The part of it in which they had nothing to do.
    idle: u64,
    /// Time in which some task waited for a processor, in microseconds.
    pressure_us: Option<u64>,
    memory_bytes: u64,
    available_bytes: u64,
}

/// Tells every second how busy the machine is; nothing where the machine does not tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MachineWatch {}

impl Ability for MachineWatch {
    const NAME: &'static str = "machine";

    async fn begin(self, _: &str, _: &AgentContext, tell: Tell) -> HeldResult {
        Ok(held_task(async move {
            let mut ticks = tokio::time::interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks.tick().await;
            let mut last = (read().await, Instant::now());
            loop {
                ticks.tick().await;
                let next = (read().await, Instant::now());
                if let (Some(before), Some(now)) = (last.0, next.0) {
                    tell(Told::Machine(between(before, now, next.1.saturating_duration_since(last.1))));
                }
                last = next;
            }
        }))
    }
}

async fn read() -> Option<MachineReading> {
    let file = |path| tokio::fs::read_to_string(path);
    let (stat, meminfo) = (file("/proc/stat").await.ok()?, file("/proc/meminfo").await.ok()?);
    let pressure = file("/proc/pressure/cpu").await.ok();
    parse(&stat, &meminfo, pressure.as_deref())
}

/// See proc(5), and for the pressure the kernel's `Documentation/accounting/psi.rst`.
fn parse(stat: &str, meminfo: &str, pressure: Option<&str>) -> Option<MachineReading> {
    let ticks = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = ticks.split_ascii_whitespace().map_while(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; guest time is part of user and nice already.
    let total = ticks.iter().take(8).fold(0_u64, |sum, field| sum.saturating_add(*field));
    let idle = ticks.get(3)?.saturating_add(*ticks.get(4)?);
    let is_cpu =
        |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let cpus = u32::try_from(stat.lines().filter(is_cpu).count()).unwrap_or(u32::MAX);
    let memory = |key: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(key))?;
        let kib: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
        Some(kib.saturating_mul(1024))
    };
    let some = pressure.and_then(|text| text.lines().find_map(|line| line.strip_prefix("some ")));
    let pressure_us = some
        .and_then(|line| line.split_ascii_whitespace().find_map(|field| field.strip_prefix("total=")?.parse().ok()));
    let (memory_bytes, available_bytes) = (memory("MemTotal:")?, memory("MemAvailable:")?);
    Some(MachineReading { cpus, total, idle, pressure_us, memory_bytes, available_bytes })
}

fn between(before: MachineReading, now: MachineReading, passed: Duration) -> MachineSample {
    let total = now.total.saturating_sub(before.total);
    let idle = now.idle.saturating_sub(before.idle);
    // Without a tick between them nothing was busy; idle time that runs ahead of the total counts as all of it.
    let busy = if total == 0 { 0.0 } else { 1.0 - (idle as f64 / total as f64).min(1.0) };
    let waited = now.pressure_us.zip(before.pressure_us).map(|(now, before)| now.saturating_sub(before));
    let share = |waited: u64| (waited as f64 / (passed.as_micros() as f64).max(1.0)).min(1.0);
    let MachineReading { cpus, memory_bytes, available_bytes, .. } = now;
    MachineSample { cpus, busy, pressure: waited.map(share), memory_bytes, available_bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:       2048 kB\nMemFree:         100 kB\nMemAvailable:   1024 kB\n";

    fn reading(ticks: &str, pressure_us: u64) -> MachineReading {
        let stat = format!("cpu  {ticks} 50 7\ncpu0 1 2 3\ncpu1 1 2 3\nintr 12\ncpufreq 1\n");
        let psi = format!("some avg10=0.00 avg60=0.00 avg300=0.00 total={pressure_us}\nfull avg10=0.00 total=9\n");
        parse(&stat, MEMINFO, Some(&psi)).unwrap()
    }

    #[test]
    fn shares_are_of_the_time_that_passed() {
        let before = reading("100 0 100 700 100 0 0 0", 1_000_000);
        assert_eq!((before.cpus, before.total, before.idle), (2, 1000, 800));
        assert_eq!((before.memory_bytes, before.available_bytes), (2048 * 1024, 1024 * 1024));
        let now = reading("200 0 150 740 110 0 0 0", 1_250_000);
        let sample = between(before, now, Duration::from_secs(1));
        assert!((sample.busy - 0.75).abs() < 1e-9, "{sample:?}");
        assert_eq!(sample.pressure, Some(0.25));
    }

    #[test]
    fn what_the_kernel_does_not_tell_is_not_invented() {
        assert_eq!(parse("intr 1\n", MEMINFO, None), None);
        assert_eq!(parse("cpu  1 2 3 4 5 6 7 8\n", "MemTotal: 5 kB\n", None), None);
        let reading = parse("cpu  1 2 3 4 5 6 7 8\ncpu0 1\n", MEMINFO, None).unwrap();
        let sample = between(reading, reading, Duration::ZERO);
        assert_eq!((sample.busy, sample.pressure), (0.0, None));
    }

    #[tokio::test]
    async fn this_machine_tells() {
        let (tx, mut rx) = tokio::sync::mpsc::unbounded_channel();
        let context = AgentContext { clock: crate::agent::Clock::start(), proxy: None, loads: Default::default() };
        let tell: Tell = std::sync::Arc::new(move |told| drop(tx.send(told)));
        let _watch = MachineWatch {}.begin("machine", &context, tell).await.unwrap();
        let told = tokio::time::timeout(Duration::from_secs(60), rx.recv()).await.unwrap().unwrap();
        let Told::Machine(sample) = told else { panic!("{told:?}") };
        assert!(sample.cpus > 0 && sample.memory_bytes >= sample.available_bytes && sample.busy <= 1.0, "{sample:?}");
    }
}
