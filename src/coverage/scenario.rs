//! What a scenario could drill: the services that it breaks, those whose users suffer, its runbook and its alert condition.

use super::catalog::{DrilledBy, Mode, Service};
use crate::faults::Inject;
use crate::record::Verdict;
use crate::slis::MetricCondition;
use crate::spec::{Plan, host_of};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// A scenario of the project, as far as coverage looks at it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// Its faults: the kind, and the services that each breaks.
    pub faults: Vec<(String, Vec<String>)>,
    /// The services whose users suffer: called by a load whose requests an SLI counts in which the impact must show (with
    /// `impact: none`, any SLI).
    pub suffering: BTreeSet<String>,
    /// Its runbook; without one it tests that the system heals by itself, or that nothing breaks.
    pub runbook: Option<PathBuf>,
    /// The steps of the runbook that it selects.
    pub steps: Vec<ScenarioStep>,
    /// The alert condition that it waits for.
    pub alert: Option<MetricCondition>,
    /// Whether it exists to fail (`expect`): then it proves nothing about the runbook.
    pub expects_failure: bool,
}

/// A step of a runbook that a scenario selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioStep {
    /// Its id.
    pub id: String,
    /// SHA-256 of its text.
    pub hash: String,
    /// Whether its commands run as the runbook has them: it has some, the scenario puts nothing else in their place, and it
    /// is not skipped.
    pub as_written: bool,
}

impl Scenario {
    /// What a plan tells.
    pub fn of(plan: &Plan) -> Scenario {
        let counts = |sli: &str| {
            let breaches = &plan.impact.breaches;
            plan.impact.none || breaches.is_empty() || breaches.iter().any(|name| name == sli)
        };
        let loads = plan.slis.iter().filter(|sli| counts(&sli.name)).map(|sli| sli.load.as_str());
        let loads: BTreeSet<&str> = loads.collect();
        let hosts = plan.loads.iter().filter(|load| loads.contains(load.name.as_str()));
        let service = |host: &str| plan.stack.hosts.get(host).cloned().unwrap_or_else(|| host.to_string());
        let steps = plan.runbook.iter().flat_map(|runbook| runbook.select(&plan.respond.phases));
        Scenario {
            name: plan.name.clone(),
            faults: plan
                .faults
                .iter()
                .map(|planned| (planned.fault.kind().to_string(), planned.fault.services()))
                .collect(),
            suffering: hosts.filter_map(|load| host_of(&load.url)).map(service).collect(),
            runbook: plan.runbook.as_ref().map(|runbook| runbook.source.path.clone()),
            steps: steps
                .map(|step| ScenarioStep {
                    id: step.id.clone(),
                    hash: step.hash.clone(),
                    as_written: step.replaced.is_none()
                        && step.commands().iter().any(|command| step.settings(command.block).skip.is_none()),
                })
                .collect(),
            alert: plan.detect.as_ref().map(|detect| detect.when.clone()),
            expects_failure: plan.expect != Verdict::Passed,
        }
    }

    /// Whether it drills a failure mode of a service.
    pub fn covers(&self, service: &Service, mode: &Mode) -> bool {
        if self.expects_failure {
            return false;
        }
        match &mode.by {
            DrilledBy::Scenarios(names) => names.contains(&self.name),
            DrilledBy::Fault { kind, broken } => {
                let suffers = self.suffering.iter().any(|name| service.is(name));
                self.faults.iter().filter(|(own, _)| own == kind).any(|(_, services)| match broken {
                    Some(broken) => {
                        services.contains(broken) && (suffers || services.iter().any(|name| service.is(name)))
                    }
                    None => suffers || services.iter().any(|name| service.is(name)),
                })
            }
        }
    }
}

/// Whether two conditions are the same one, however they are spaced.
pub(super) fn same_condition(a: &MetricCondition, b: &MetricCondition) -> bool {
    (&a.metric, &a.labels, a.op, a.value) == (&b.metric, &b.labels, b.op, b.value)
}
