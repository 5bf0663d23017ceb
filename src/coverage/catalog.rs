//! The critical services of a project as `services.yaml` lists them, read and checked.

use crate::slis::{MetricCondition, Ratio};
use std::path::PathBuf;
use std::time::Duration;

/// The name of the file, at the project's top.
pub const FILE: &str = "services.yaml";

/// The services, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalog {
    /// All of them.
    pub services: Vec<Service>,
}

/// A critical service.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Its name; the name of a service of the stacks, unless `aliases` has that.
    pub name: String,
    /// How critical it is: 1 is the most.
    pub tier: u8,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Other names that it has in the stacks.
    pub aliases: Vec<String>,
    /// Recovery time objective: the longest time from the fault until users have recovered.
    pub rto: Option<Duration>,
    /// Recovery point objective: the longest time of which writes may be lost.
    pub rpo: Option<Duration>,
    /// What users are promised.
    pub slos: Vec<Slo>,
    /// Its runbooks, as paths.
    pub runbooks: Vec<PathBuf>,
    /// Its alerts.
    pub alerts: Vec<Alert>,
    /// The failures that must be drilled.
    pub modes: Vec<Mode>,
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
    /// Over which time.
    pub window: Duration,
}

/// An alert, known by the condition that scenarios wait for in `detect.when`.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// The name by which it pages, where it has one.
    pub name: Option<String>,
    /// The condition.
    pub condition: MetricCondition,
}

/// A kind of failure that must be drilled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mode {
    /// The kind of a fault, or a name of the team's own.
    pub name: String,
    /// What drills it.
    pub by: DrilledBy,
}

/// What drills a failure mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DrilledBy {
    /// A scenario with a fault of this kind that breaks the service, or under which the service's own users suffer; where
    /// `broken` is given, the fault must break that service of the stack.
    Fault {
        /// Kind of the fault.
        kind: String,
        /// The service of the stack that it must break.
        broken: Option<String>,
    },
    /// One of these scenarios, whatever they break.
    Scenarios(Vec<String>),
}

impl Service {
    /// Whether a service of a stack is this one.
    pub fn is(&self, name: &str) -> bool {
        self.name == name || self.aliases.iter().any(|alias| alias == name)
    }
}
