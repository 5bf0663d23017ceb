//! The critical services of a project as `services.yaml` lists them, read and checked.

use super::journeys::Journey;
use crate::slis::{MetricCondition, Ratio};
use crate::source::same_path;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The name of the file, at the project's top.
pub const FILE: &str = "services.yaml";

/// The services, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalog {
    /// All of them.
    pub services: Vec<CriticalService>,
    /// What users do with them.
    pub journeys: Vec<Journey>,
}

/// A critical service.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CriticalService {
    /// Its name; the name of a service of the stacks, unless `aliases` has that.
    pub name: String,
    /// How critical it is: 1 is the most.
    pub tier: u8,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Other names that it has in the stacks.
    pub aliases: Vec<String>,
    /// The Compose files, or folders of manifests, in which it is a service of this name; empty: any.
    pub stacks: Vec<PathBuf>,
    /// At least this often each of its failures must be drilled: what the file says, or [`drill_every`] of its tier.
    pub drill_every: Duration,
    /// Recovery time objective: the longest time from the fault until users have recovered.
    pub rto: Option<Duration>,
    /// Recovery point objective: the longest time of which writes may be lost.
    pub rpo: Option<Duration>,
    /// What users are promised.
    pub slos: Vec<Slo>,
    /// Its runbooks, as paths.
    pub runbooks: Vec<PathBuf>,
    /// Its alerts.
    pub alerts: Vec<ServiceAlert>,
    /// The failures that must be drilled.
    pub modes: Vec<FailureMode>,
    /// The services of the file that it needs.
    pub depends_on: Vec<String>,
}

/// A service level objective.
#[derive(Debug, Clone, PartialEq)]
pub struct Slo {
    /// Its name.
    pub name: String,
    /// The share of good events that is promised.
    pub objective: Ratio,
    /// With a latency: an event is good when its answer takes less than this.
    pub below: Option<Duration>,
    /// Over which time.
    pub window: Duration,
    /// When people last looked whether it is still the right one, `YYYY-MM-DD`.
    pub reviewed: Option<String>,
}

/// An alert, known by the condition that scenarios wait for in `detect.when`.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceAlert {
    /// The name by which it pages.
    pub name: String,
    /// The condition.
    pub condition: MetricCondition,
}

/// A kind of failure that must be drilled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureMode {
    /// The kind of a fault, or a name of the team's own.
    pub name: String,
    /// What drills it.
    pub by: DrilledBy,
}

/// What drills a failure mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DrilledBy {
    /// A scenario with a fault of this class on the service or on a service on which it depends; where `broken` is given, the
    /// fault must be on that service of the stack.
    Fault {
        /// Class of the fault: its kind, or what it says that it `covers`.
        class: String,
        /// The service of the stack that it must break.
        broken: Option<String>,
    },
    /// One of these scenarios, as far as they break the service or one on which it depends.
    Scenarios(Vec<String>),
}

impl CriticalService {
    /// Whether a service of a stack is this one.
    pub fn is(&self, name: &str, stack: &Path) -> bool {
        (self.name == name || self.aliases.iter().any(|alias| alias == name)) && self.is_of(stack)
    }

    /// Whether it is a service of the stack of that file or folder.
    pub fn is_of(&self, stack: &Path) -> bool {
        self.stacks.is_empty() || self.stacks.iter().any(|own| same_path(own, stack))
    }
}

impl Catalog {
    /// Whether a service of a stack is this one or one of those on which it depends.
    pub fn is_or_needs(&self, service: &CriticalService, name: &str, stack: &Path) -> bool {
        let needed = self.services.iter().filter(|other| service.depends_on.contains(&other.name));
        service.is(name, stack) || needed.into_iter().any(|other| other.is(name, stack))
    }
}

/// How often the failures of a service of this tier must be drilled unless the file says otherwise: a quarter, half a year, a
/// year, each as long as the calendar's longest one.
pub fn drill_every(tier: u8) -> Duration {
    const DAY: u64 = 86400;
    Duration::from_secs(match tier {
        ..=1 => 92 * DAY,
        2 => 184 * DAY,
        3.. => 366 * DAY,
    })
}
