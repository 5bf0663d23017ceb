//! What a scenario could drill: the services that its faults are on, its runbook and its alert condition.

use crate::assurance::services::{Catalog, CriticalService, DrilledBy, FailureMode};
use crate::slis::MetricCondition;
use std::path::PathBuf;
use std::time::Duration;

/// A scenario of the project, as far as coverage looks at it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// The Compose file of its stack.
    pub stack: PathBuf,
    /// Its faults: the class of failures, where it is of one, and the services that each is on. A surge is on the service that
    /// its load calls.
    pub faults: Vec<(Option<String>, Vec<String>)>,
    /// Its runbook; without one it tests that the system heals by itself, or that nothing breaks.
    pub runbook: Option<PathBuf>,
    /// Ids of the steps that it selects and whose commands run as the runbook has them: they have some, the scenario puts nothing else in
    /// their place, and they are not skipped.
    pub follows: Vec<String>,
    /// The alert condition that it waits for.
    pub alert: Option<MetricCondition>,
    /// Name of the alert whose page it waits for.
    pub page: Option<String>,
    /// The recovery time objective that holds in it.
    pub rto: Option<Duration>,
    /// Whether it exists to fail (`expect`): then it proves nothing about the runbook.
    pub expects_failure: bool,
}

impl Scenario {
    /// Whether it drills a failure mode of a service: one of its faults is on the service, on one on which that depends, or on
    /// the one that the failure mode itself names.
    pub fn covers(&self, catalog: &Catalog, service: &CriticalService, mode: &FailureMode) -> bool {
        let related = |name: &String| catalog.is_or_needs(service, name, &self.stack);
        let drills = match &mode.by {
            DrilledBy::Scenarios(names) => {
                names.contains(&self.name) && self.faults.iter().any(|(_, services)| services.iter().any(related))
            }
            DrilledBy::Fault { class, broken } => {
                let of_class = self.faults.iter().filter(|(own, _)| own.as_ref() == Some(class));
                of_class.into_iter().any(|(_, services)| match broken {
                    Some(broken) => services.contains(broken) && service.is_of(&self.stack),
                    None => services.iter().any(related),
                })
            }
        };
        drills && !self.expects_failure
    }
}

/// Whether two conditions are the same one, however they are spaced.
pub(super) fn same_condition(a: &MetricCondition, b: &MetricCondition) -> bool {
    (&a.metric, &a.labels, a.op, a.value) == (&b.metric, &b.labels, b.op, b.value)
}
