//! How much room an engine has, what a drill needs, and whether one more drill fits beside those that run. Pure: whoever asks
//! has measured before. Drills are mostly waiting, so what counts is what they use, not what they may use.

use crate::record::Record;

/// Memory that is kept free, as a part of all of it: for the engine, the runner, and page cache.
const MEMORY_KEPT: u64 = 16;
/// Share of the processors that drills may use on average: starts and builds need more for a moment, and a load that is
/// sent late measures nothing.
const CPU_SHARE: f64 = 0.9;
/// Above this share of busy processors no drill is started beside others, whatever was reckoned: what drills need is known on
/// average, and whether there is room for a start is seen.
const BUSY: f64 = 0.75;
/// Networks that are left for others.
const NETWORKS_KEPT: u32 = 2;
/// What a drill costs the machine beside its containers' own time: the engine, its shims, a process for every question after
/// a service's health. Measured on drills of this repository: 8.5 s of processor time, of which containers had used 4.
const OVERHEAD: f64 = 2.0;
/// A drill that used so much memory before may use a quarter more. Processors have no such margin: whoever gets too little
/// of them is slower, not killed, and the share that is kept free is there for that.
const MARGIN: f64 = 1.25;
/// Samples of less than this tell nothing about the processors that a drill needs, in microseconds.
const SHORTEST_USE_US: u64 = 5_000_000;

/// What an engine has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capacity {
    /// Processors.
    pub cpus: f64,
    /// Memory of its machine in bytes.
    pub memory_bytes: u64,
    /// Networks that can still be made from its address pools.
    pub free_networks: u32,
}

/// What is free now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Available {
    /// Memory without swapping, in bytes; `None` where nobody can tell.
    pub memory_bytes: Option<u64>,
    /// Networks that can still be made.
    pub free_networks: u32,
    /// Share of the processors' time that is not idle, in 0..=1; `None` where nobody can tell.
    pub busy: Option<f64>,
}

/// What a drill needs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Demand {
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Processors, on average over the drill.
    pub cpus: f64,
    /// Networks.
    pub networks: u32,
    /// Containers, the drill's own ones included.
    pub containers: u32,
}

/// What an earlier drill used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Use {
    /// Most memory in bytes.
    pub memory_bytes: u64,
    /// Processors on average while it was measured; `None` when that was too short.
    pub cpus: Option<f64>,
}

impl Use {
    /// What a drill used, if its record says so.
    pub fn of(record: &Record) -> Option<Use> {
        let memory_bytes = record.usage.iter().map(|seen| seen.sample.memory_bytes).max()?;
        let (first, last) = (record.usage.first()?, record.usage.last()?);
        let took_us = last.at_us.0.saturating_sub(first.at_us.0);
        let used_us = last.sample.cpu_us.saturating_sub(first.sample.cpu_us);
        let cpus = (took_us >= SHORTEST_USE_US).then(|| used_us as f64 / took_us as f64);
        Some(Use { memory_bytes, cpus })
    }
}

impl Demand {
    /// Memory of a container that has no limit, in bytes: small services and databases with a drill's few rows use 30 to 150 MiB.
    pub(super) const A_CONTAINER: u64 = 128 * 1024 * 1024;
    /// Processors of a container, and of the drill's load, on average at 10 to 50 requests a second.
    pub(super) const CPUS: f64 = 0.03;

    /// Adds so many containers that need so much each.
    pub(super) fn add(&mut self, containers: u64, memory_bytes: u64, cpus: f64) {
        self.containers = self.containers.saturating_add(u32::try_from(containers).unwrap_or(u32::MAX));
        self.memory_bytes = self.memory_bytes.saturating_add(memory_bytes.saturating_mul(containers));
        self.cpus += cpus * containers as f64;
    }

    /// This demand, with what an earlier drill really used instead of what its stack may use.
    pub fn measured(self, used: Use) -> Demand {
        Demand {
            memory_bytes: (used.memory_bytes as f64 * MARGIN) as u64,
            cpus: used.cpus.unwrap_or(self.cpus),
            ..self
        }
    }
}

/// How many drills may run at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Memory that drills may use, in bytes.
    memory_bytes: u64,
    /// Processors that drills may use on average.
    cpus: f64,
    /// Networks that drills may make.
    networks: u32,
    /// Drills at once at most, when somebody said so.
    most: Option<u32>,
    /// Memory that stays free, in bytes.
    kept_bytes: u64,
}

impl Limits {
    /// The limits of an engine on which no drill of this game day runs yet; `most` is what the file or the command line says.
    pub fn new(capacity: &Capacity, now: &Available, most: Option<u32>) -> Limits {
        let kept_bytes = capacity.memory_bytes / MEMORY_KEPT;
        let free = now.memory_bytes.unwrap_or(capacity.memory_bytes).min(capacity.memory_bytes);
        Limits {
            memory_bytes: free.saturating_sub(kept_bytes),
            cpus: capacity.cpus * CPU_SHARE,
            networks: now.free_networks.min(capacity.free_networks).saturating_sub(NETWORKS_KEPT),
            most: most.map(|most| most.max(1)),
            kept_bytes,
        }
    }

    /// What keeps `next` from starting beside those that run, with what is free now: `memory: it needs 900 MiB, and 400 MiB are left`.
    /// A drill that does not fit an empty machine runs alone.
    pub fn lacking(&self, running: &[Demand], next: &Demand, now: &Available) -> Option<String> {
        if self.most.is_some_and(|most| running.len() >= most as usize) && !running.is_empty() {
            let count = running.len();
            return Some(format!("room: {count} under way, and no more may run at once"));
        }
        let claimed: u64 = running.iter().map(|drill| drill.memory_bytes).sum();
        let memory = self.memory_bytes.saturating_sub(claimed);
        let memory = now.memory_bytes.map_or(memory, |free| memory.min(free.saturating_sub(self.kept_bytes)));
        if next.memory_bytes > memory {
            return Some(format!("memory: it needs {}, and {} are left", mebi(next.memory_bytes), mebi(memory)));
        }
        let claimed: u32 = running.iter().map(|drill| drill.networks).fold(0, u32::saturating_add);
        let free = now.free_networks.saturating_sub(NETWORKS_KEPT);
        let networks = self.networks.saturating_sub(claimed).min(free);
        if next.networks > networks {
            return Some(format!("address pools: it needs {}, and {networks} are left", next.networks));
        }
        let claimed: f64 = running.iter().map(|drill| drill.cpus * OVERHEAD).sum();
        let cpus = (self.cpus - claimed).max(0.0);
        let needed = next.cpus * OVERHEAD;
        if needed > cpus {
            return Some(format!("processors: it needs {needed:.2}, and {cpus:.2} are left"));
        }
        let busy = now.busy.filter(|busy| *busy > BUSY && !running.is_empty());
        busy.map(|busy| format!("processors: they are {:.0}% busy", busy * 100.0))
    }

    /// How many of these drills may run at once at most, and why, in words: `6: memory for 9, processors for 6, address pools
    /// for 14`. Counted with what they need on average.
    pub fn words(&self, drills: &[Demand]) -> String {
        let count = drills.len().max(1) as f64;
        let mean = |of: fn(&Demand) -> f64| drills.iter().map(of).sum::<f64>() / count;
        let fit = |room: f64, need: f64| if need > 0.0 { ((room / need) as u32).max(1) } else { u32::MAX };
        let memory = fit(self.memory_bytes as f64, mean(|drill| drill.memory_bytes as f64));
        let cpus = fit(self.cpus, mean(|drill| drill.cpus * OVERHEAD));
        let networks = fit(f64::from(self.networks), mean(|drill| f64::from(drill.networks)));
        let all = [("memory", memory), ("processors", cpus), ("address pools", networks)];
        let mut words: Vec<String> = all.iter().map(|(what, fit)| format!("{what} for {}", number(*fit))).collect();
        words.extend(self.most.map(|most| format!("asked for {most}")));
        let least = all.iter().map(|(_, fit)| *fit).chain(self.most).min().unwrap_or(1);
        format!("{}: {}", number(least), words.join(", "))
    }
}

fn number(count: u32) -> String {
    if count == u32::MAX { "any number".into() } else { count.to_string() }
}

fn mebi(bytes: u64) -> String {
    format!("{} MiB", bytes / (1024 * 1024))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, record_of};
    use crate::record::{DrillTime, Sampled, UsageSample};
    use proptest::prelude::*;

    const MIB: u64 = 1024 * 1024;
    const MACHINE: Capacity = Capacity { cpus: 2.0, memory_bytes: 8192 * MIB, free_networks: 31 };
    const NOW: Available = Available { memory_bytes: Some(6144 * MIB), free_networks: 31, busy: None };
    const DRILL: Demand = Demand { memory_bytes: 512 * MIB, cpus: 0.125, networks: 1, containers: 5 };

    fn limits(most: Option<u32>) -> Limits {
        Limits::new(&MACHINE, &NOW, most)
    }

    fn waits(lacking: Option<String>) -> String {
        lacking.expect("it may start")
    }

    #[test]
    fn drills_start_while_they_fit() {
        let running = [DRILL; 7];
        for at in 0..=6 {
            assert_eq!(limits(None).lacking(&running[..at], &DRILL, &NOW), None, "{at}");
        }
        // 90% of two processors are 1.8: seven quarters, an eighth of the containers and as much beside them, leave 0.05.
        let eighth = waits(limits(None).lacking(&running, &DRILL, &NOW));
        assert_eq!(eighth, "processors: it needs 0.25, and 0.05 are left");
        assert_eq!(limits(None).words(&running), "7: memory for 11, processors for 7, address pools for 29");
        assert_eq!(
            limits(Some(2)).words(&running),
            "2: memory for 11, processors for 7, address pools for 29, asked for 2"
        );
    }

    #[test]
    fn each_reason_to_wait_is_told() {
        let one = [DRILL];
        let told = [
            limits(Some(1)).lacking(&one, &DRILL, &NOW),
            limits(None).lacking(&one, &Demand { memory_bytes: 6000 * MIB, ..DRILL }, &NOW),
            limits(None).lacking(&one, &DRILL, &Available { memory_bytes: Some(700 * MIB), ..NOW }),
            limits(None).lacking(&one, &Demand { networks: 29, ..DRILL }, &NOW),
            limits(None).lacking(&one, &DRILL, &Available { free_networks: 2, ..NOW }),
            limits(None).lacking(&one, &Demand { cpus: 0.8, ..DRILL }, &NOW),
            limits(None).lacking(&one, &DRILL, &Available { busy: Some(0.97), ..NOW }),
        ];
        let expected = [
            "room: 1 under way, and no more may run at once",
            "memory: it needs 6000 MiB, and 5120 MiB are left",
            "memory: it needs 512 MiB, and 188 MiB are left",
            "address pools: it needs 29, and 28 are left",
            "address pools: it needs 1, and 0 are left",
            "processors: it needs 1.60, and 1.55 are left",
            "processors: they are 97% busy",
        ];
        assert_eq!(told.map(waits), expected);
    }

    #[test]
    fn what_does_not_fit_runs_alone_and_says_so() {
        let huge = Demand { memory_bytes: 64 * 1024 * MIB, ..DRILL };
        let lacks = limits(None).lacking(&[], &huge, &NOW);
        assert_eq!(lacks.as_deref(), Some("memory: it needs 65536 MiB, and 5632 MiB are left"));
        let busy = Available { busy: Some(1.0), ..NOW };
        assert_eq!(limits(None).lacking(&[], &DRILL, &busy), None, "an empty game day never waits");
        waits(limits(None).lacking(&[huge], &DRILL, &NOW));
    }

    #[test]
    fn a_record_says_what_its_drill_used() {
        let mut record = record_of(Story::Passed);
        record.usage.clear();
        assert_eq!(Use::of(&record), None);
        let seen = |at: u64, cpu_us: u64, mib: u64| Sampled {
            at_us: DrillTime(at * 1_000_000),
            sample: UsageSample { cpu_us, memory_bytes: mib * MIB, containers: 5, networks: 1 },
        };
        record.usage = vec![seen(10, 4_000_000, 300), seen(20, 6_000_000, 400), seen(30, 8_000_000, 350)];
        let used = Use::of(&record).unwrap();
        assert_eq!(used, Use { memory_bytes: 400 * MIB, cpus: Some(0.2) });
        let needs = DRILL.measured(used);
        assert_eq!((needs.memory_bytes, needs.cpus, needs.networks), (500 * MIB, 0.2, 1));
        record.usage.truncate(1);
        assert_eq!(Use::of(&record).unwrap().cpus, None, "one sample tells nothing about processors");
        assert_eq!(DRILL.measured(Use::of(&record).unwrap()).cpus, DRILL.cpus);
    }

    proptest! {
        /// What is admitted never adds up to more than there is, and whoever is alone goes.
        #[test]
        fn admitted_drills_fit_together(
            needs in proptest::collection::vec((1u64..3000, 0.0f64..1.0, 1u32..6), 1..40), most in proptest::option::of(1u32..9)
        ) {
            let limits = limits(most);
            let mut running: Vec<Demand> = Vec::new();
            for (mib, cpus, networks) in needs {
                let next = Demand { memory_bytes: mib * MIB, cpus, networks, containers: 3 };
                let alone = running.is_empty();
                match limits.lacking(&running, &next, &NOW) {
                    None => running.push(next),
                    // It runs alone.
                    Some(_) if alone => running.push(next),
                    Some(_) => {}
                }
            }
            prop_assert!(!running.is_empty());
            let memory: u64 = running.iter().map(|drill| drill.memory_bytes).sum();
            let networks: u32 = running.iter().map(|drill| drill.networks).sum();
            let cpus: f64 = running.iter().map(|drill| drill.cpus).sum();
            prop_assert!(memory <= 5632 * MIB && networks <= 29 && cpus <= 1.6 + 1e-9);
            prop_assert!(most.is_none_or(|most| running.len() <= most as usize));
        }
    }
}
