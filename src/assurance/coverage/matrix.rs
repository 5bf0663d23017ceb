//! The matrix: services × failure modes, and in each cell the scenarios that drill it with their runbook and alert, the last
//! drill and the last pass. A pure function of the three files and the hour.

use super::Scenario;
use super::paths::same_file;
use super::scenario::same_condition;
use crate::assurance::services::{
    Catalog, CriticalService, DrilledBy, FailureMode, Journey, ServiceAlert, Show, Slo, show, shown,
};
use crate::faults::class_of;
use crate::record::{FaultInfo, Verdict, micros, utc_text};
use crate::view::SeenRun;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use time::OffsetDateTime;

named_enum! {
/// How far a failure mode is drilled, from best to worst; its name as people read it.
pub enum CoverageState {
    /// The last drill passed, lately enough and within the recovery time objective: covered.
    Passed = "passed",
    /// The last drill passed, and users waited longer than the recovery time objective allows.
    MissedRto = "missed RTO",
    /// The last drill failed.
    Failed = "failed",
    /// The last drill passed, too long ago.
    Stale = "stale",
    /// There is a scenario, and no drill of it has come to a verdict.
    NotRun = "not run",
    /// There is no scenario.
    NoScenario = "no scenario",
}
}

/// The cell of a service that lists alerts: whether a drill saw one of them delivered.
pub const ALERT_DELIVERED: &str = "alert delivered";

/// The coverage of all services, as `firedrill coverage --json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Coverage {
    /// Version of this format.
    pub format: u32,
    /// When it was made, RFC 3339 in UTC.
    pub at_utc: String,
    /// Failure modes that must be drilled, of all services.
    pub required: usize,
    /// Those of them that are covered.
    pub covered: usize,
    /// Services of which a drill saw an alert delivered, as lately as they ask for.
    pub monitored: usize,
    /// `covered / required`, in 0..=1.
    pub ratio: f64,
    /// The same by tier, the most critical one first.
    pub tiers: Vec<Tier>,
    /// The services: by tier, then in the order of the file.
    pub services: Vec<ServiceCoverage>,
    /// What users do with them, in the order of the files.
    pub journeys: Vec<JourneyCoverage>,
}

/// The coverage of the services that a journey takes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JourneyCoverage {
    /// Its name.
    pub journey: String,
    /// The services that it takes.
    pub components: Vec<String>,
    /// Their failure modes.
    pub required: usize,
    /// Those of them that are covered.
    pub covered: usize,
}

/// The coverage of a tier.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tier {
    /// The tier; 1 is the most critical.
    pub tier: u8,
    /// Failure modes that must be drilled.
    pub required: usize,
    /// Those of them that are covered.
    pub covered: usize,
}

/// A service with its failure modes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceCoverage {
    /// Its name.
    pub service: String,
    /// Its tier.
    pub tier: u8,
    /// Who answers for it.
    pub owner: Option<String>,
    /// At least this often each of its failures must be drilled, in seconds.
    pub drill_every_s: u64,
    /// What it must keep.
    pub targets: Targets,
    /// Its failure modes.
    pub cells: Vec<ModeCoverage>,
    /// Its runbooks, each with the scenarios that follow it.
    pub runbooks: Vec<Watched>,
    /// Its alerts, each with the scenarios that wait for it.
    pub alerts: Vec<Watched>,
}

/// What a service must keep.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Targets {
    /// Recovery time objective, in microseconds.
    pub rto_us: Option<u64>,
    /// Recovery point objective, in microseconds; DR drills measure it.
    pub rpo_us: Option<u64>,
    /// SLOs as text: `availability 99.9% over 30d`.
    pub slos: Vec<String>,
}

/// A failure mode of a service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModeCoverage {
    /// The failure mode.
    pub mode: String,
    /// How far it is drilled: the best of its scenarios.
    pub state: CoverageState,
    /// Whether it was not drilled for longer than the service allows, or never: by the last drill that came to a verdict after its
    /// fault was confirmed.
    pub overdue: bool,
    /// Whole days since that drill.
    pub drilled_days_ago: Option<u64>,
    /// The scenarios that drill it.
    pub scenarios: Vec<Proof>,
}

/// What one scenario proves.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Proof {
    /// Its name.
    pub scenario: String,
    /// Its runbook, as a path.
    pub runbook: Option<String>,
    /// The alert condition that it waits for.
    pub alert: Option<String>,
    /// What it comes to.
    pub state: CoverageState,
    /// Its last drill, whatever became of it.
    pub last: Option<LastDrill>,
    /// Its last drill that came to a verdict.
    pub last_judged: Option<LastDrill>,
    /// Its last drill that came to a verdict after its fault was confirmed.
    pub last_injected: Option<LastDrill>,
    /// Whether that was lately enough for the service.
    pub within_drill_every: Option<bool>,
    /// Its last drill that passed.
    pub last_pass: Option<LastDrill>,
    /// How long users waited in the last drill that passed: confirmed fault → recovered, in microseconds.
    pub recovered_us: Option<u64>,
    /// The recovery time objective by which that is judged, in microseconds: the scenario's or the service's, the stricter one.
    pub rto_us: Option<u64>,
    /// Whether it is within that; `None` where either is not known.
    pub rto_met: Option<bool>,
}

/// A drill in few words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastDrill {
    /// Id of the run.
    pub run: String,
    /// When it began, RFC 3339 in UTC.
    pub at_utc: String,
    /// Whole days since.
    pub days_ago: u64,
    /// Its verdict.
    pub verdict: Verdict,
}

/// A runbook or an alert of a service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Watched {
    /// The path, or the name and condition.
    pub name: String,
    /// The best of the scenarios that have it.
    pub state: CoverageState,
    /// Those scenarios.
    pub scenarios: Vec<String>,
}

/// What everything is judged by.
struct Matrix<'a> {
    catalog: &'a Catalog,
    scenarios: &'a [Scenario],
    drills: &'a [SeenRun],
    root: &'a Path,
    now: OffsetDateTime,
}

impl Coverage {
    /// Version of the format of its JSON.
    pub const FORMAT: u32 = 3;

    /// The matrix of a project in `root`: its services, its scenarios, and the drills that are known, in any order.
    pub fn new(
        catalog: &Catalog,
        scenarios: &[Scenario],
        drills: &[SeenRun],
        root: &Path,
        now: OffsetDateTime,
    ) -> Coverage {
        let judge = Matrix { catalog, scenarios, drills, root, now };
        let mut services: Vec<ServiceCoverage> =
            catalog.services.iter().map(|service| judge.service(service)).collect();
        services.sort_by_key(|service| service.tier);
        let tier = |own: &[ServiceCoverage]| {
            let (required, covered) = counted(own);
            own.first().map(|first| Tier { tier: first.tier, required, covered })
        };
        let tiers: Vec<Tier> = services.chunk_by(|a, b| a.tier == b.tier).filter_map(tier).collect();
        let journey = |journey: &Journey| {
            let (journey, components) = (journey.name.clone(), journey.components.clone());
            let (required, covered) = counted(services.iter().filter(|own| components.contains(&own.service)));
            JourneyCoverage { journey, components, required, covered }
        };
        let journeys = catalog.journeys.iter().map(journey).collect();
        let required = tiers.iter().map(|tier| tier.required).sum();
        let covered = tiers.iter().map(|tier| tier.covered).sum();
        let is_called = |cell: &ModeCoverage| cell.mode == ALERT_DELIVERED && cell.is_covered();
        let monitored = services.iter().filter(|service| service.cells.iter().any(is_called)).count();
        // Nothing that must be drilled is nothing that is covered.
        let ratio = if required == 0 { 0.0 } else { covered as f64 / required as f64 };
        let at_utc = utc_text(now);
        Coverage { format: Coverage::FORMAT, at_utc, required, covered, monitored, ratio, tiers, services, journeys }
    }

    /// Whether at least this share is covered.
    pub fn reaches(&self, share: f64) -> bool {
        // 95% of 20 is 19, whatever the last bit says.
        self.required > 0 && self.covered as f64 + 1e-9 >= share * self.required as f64
    }

    /// The failure modes that were not drilled for longer than their service allows, or never, in order of tier.
    pub fn overdue(&self) -> impl Iterator<Item = (&ServiceCoverage, &ModeCoverage)> {
        self.cells().filter(|(_, cell)| cell.overdue)
    }

    /// The failure modes that are not covered, with their services, in order of tier.
    pub fn gaps(&self) -> impl Iterator<Item = (&ServiceCoverage, &ModeCoverage)> {
        self.cells().filter(|(_, cell)| !cell.is_covered())
    }

    fn cells(&self) -> impl Iterator<Item = (&ServiceCoverage, &ModeCoverage)> {
        self.services.iter().flat_map(|service| service.cells.iter().map(move |cell| (service, cell)))
    }
}

impl ModeCoverage {
    /// Whether its last drill passed, as lately as the service asks for.
    pub fn is_covered(&self) -> bool {
        self.state == CoverageState::Passed
    }

    /// Names of the scenarios that drill it.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.scenarios.iter().map(|proof| &proof.scenario)
    }

    /// Id of its last drill.
    pub fn last_run(&self) -> Option<&String> {
        let drills = self.scenarios.iter().filter_map(|proof| proof.last.as_ref());
        drills.max_by(|a, b| a.at_utc.cmp(&b.at_utc)).map(|drill| &drill.run)
    }

    fn of(mode: &str, scenarios: Vec<Proof>) -> ModeCoverage {
        let state = scenarios.iter().map(|proof| proof.state).min().unwrap_or(CoverageState::NoScenario);
        let judged =
            scenarios.iter().filter_map(|proof| Some((proof.within_drill_every?, proof.last_injected.as_ref()?)));
        let in_time = judged.clone().any(|(in_time, _)| in_time);
        let drilled_days_ago = judged.map(|(_, drill)| drill.days_ago).min();
        ModeCoverage { mode: mode.into(), state, overdue: !in_time, drilled_days_ago, scenarios }
    }
}

impl Matrix<'_> {
    fn service(&self, service: &CriticalService) -> ServiceCoverage {
        let slo = |slo: &Slo| {
            let below = slo.below.map_or(String::new(), |below| format!(" below {}", Show(below)));
            format!("{} {}{below} over {}", slo.name, slo.objective, show(slo.window))
        };
        ServiceCoverage {
            service: service.name.clone(),
            tier: service.tier,
            owner: service.owner.clone(),
            drill_every_s: service.drill_every.as_secs(),
            targets: Targets {
                rto_us: service.rto.map(micros),
                rpo_us: service.rpo.map(micros),
                slos: service.slos.iter().map(slo).collect(),
            },
            cells: service.modes.iter().map(|mode| self.cell(service, mode)).chain(self.called(service)).collect(),
            runbooks: service.runbooks.iter().map(|path| self.runbook(service, path)).collect(),
            alerts: service.alerts.iter().map(|alert| self.alert(service, alert)).collect(),
        }
    }

    fn cell(&self, service: &CriticalService, mode: &FailureMode) -> ModeCoverage {
        let covering = self.scenarios.iter().filter(|scenario| scenario.covers(self.catalog, service, mode));
        let proofs = covering.map(|scenario| self.proof(service, scenario, Some(mode), &SeenRun::passed));
        ModeCoverage::of(&mode.name, proofs.collect())
    }

    /// Whether anybody is called for a service that lists alerts.
    fn called(&self, service: &CriticalService) -> Option<ModeCoverage> {
        let pages = |page: &String| service.alerts.iter().any(|alert| alert.name == *page);
        let waits = |own: &&Scenario| own.page.as_ref().is_some_and(pages);
        let proofs = self.scenarios.iter().filter(|own| !own.expects_failure).filter(waits).map(|scenario| {
            let proof = self.proof(service, scenario, None, &|drill| drill.paged == scenario.page);
            // Whoever was called was, however long users waited.
            let state = if proof.state == CoverageState::MissedRto { CoverageState::Passed } else { proof.state };
            Proof { state, ..proof }
        });
        (!service.alerts.is_empty()).then(|| ModeCoverage::of(ALERT_DELIVERED, proofs.collect()))
    }

    /// What a scenario proves of a failure mode of a service, or (without one) of all that it drills, by the drills that show it.
    fn proof(
        &self,
        service: &CriticalService,
        scenario: &Scenario,
        mode: Option<&FailureMode>,
        shows: &dyn Fn(&SeenRun) -> bool,
    ) -> Proof {
        // A drill of that name which broke something else is no drill of this failure.
        let broke = |drill: &SeenRun| match mode.map(|mode| &mode.by) {
            Some(DrilledBy::Fault { class, broken }) => {
                let is_of = |own: &Option<String>| own.as_ref() == Some(class);
                let meant = |service: &String| match broken {
                    Some(broken) => service == broken,
                    None => scenario.faults.iter().any(|(own, services)| is_of(own) && services.contains(service)),
                };
                let own = |fault: &FaultInfo| {
                    class_of(&fault.kind, fault.covers.as_deref()) == Some(class.as_str())
                        && (fault.services.is_empty() || fault.services.iter().any(meant))
                };
                drill.faults.iter().any(own)
            }
            _ => true,
        };
        let known = self.drills.iter().filter(|drill| !drill.is_of_the_future(self.now));
        let mut own: Vec<&SeenRun> = known.filter(|drill| drill.scenario == scenario.name && broke(drill)).collect();
        own.sort_by(|a, b| (a.at, &a.run).cmp(&(b.at, &b.run)));
        let pass = own.iter().rev().find(|drill| drill.passed()).copied();
        let judged = own.iter().rev().find(|drill| drill.is_judged()).copied();
        let rto_us = scenario.rto.into_iter().chain(service.rto).min().map(micros);
        let met = |drill: &SeenRun| rto_us.zip(drill.rto_us).map(|(rto, took)| took <= rto);
        let injected = own.iter().rev().find(|drill| drill.is_judged() && drill.fault_utc.is_some()).copied();
        let in_time = |drill: &SeenRun| self.age(drill) <= service.drill_every;
        let state = match judged {
            None => CoverageState::NotRun,
            Some(judged) if !shows(judged) => CoverageState::Failed,
            Some(judged) if !in_time(judged) => CoverageState::Stale,
            Some(judged) if met(judged) == Some(false) => CoverageState::MissedRto,
            Some(_) => CoverageState::Passed,
        };
        let recovered_us = pass.and_then(|drill| drill.rto_us);
        Proof {
            scenario: scenario.name.clone(),
            runbook: scenario.runbook.as_deref().map(shown),
            alert: scenario.alert.as_ref().map(|alert| alert.text.clone()).or_else(|| scenario.page.clone()),
            state,
            last: own.last().map(|drill| self.told(drill)),
            last_judged: judged.map(|drill| self.told(drill)),
            last_injected: injected.map(|drill| self.told(drill)),
            within_drill_every: injected.map(in_time),
            last_pass: pass.map(|drill| self.told(drill)),
            recovered_us,
            rto_us,
            rto_met: pass.and_then(met),
        }
    }

    fn runbook(&self, service: &CriticalService, path: &PathBuf) -> Watched {
        let name = shown(path);
        let has = |own: &Scenario| {
            own.runbook.as_ref().is_some_and(|own| own == path || same_file(&shown(own), path, self.root))
        };
        self.watched(service, name, has)
    }

    fn alert(&self, service: &CriticalService, alert: &ServiceAlert) -> Watched {
        let name = format!("{}: {}", alert.name, alert.condition.text);
        self.watched(service, name, |own| {
            own.page.as_ref() == Some(&alert.name)
                || own.alert.as_ref().is_some_and(|own| same_condition(own, &alert.condition))
        })
    }

    fn watched(&self, service: &CriticalService, name: String, has: impl Fn(&Scenario) -> bool) -> Watched {
        let having: Vec<&Scenario> = self.scenarios.iter().filter(|own| !own.expects_failure && has(own)).collect();
        let states = having.iter().map(|scenario| self.proof(service, scenario, None, &SeenRun::passed).state);
        let state = states.min().unwrap_or(CoverageState::NoScenario);
        Watched { name, state, scenarios: having.iter().map(|scenario| scenario.name.clone()).collect() }
    }

    fn age(&self, drill: &SeenRun) -> Duration {
        Duration::try_from(self.now - drill.at).unwrap_or_default()
    }

    fn told(&self, drill: &SeenRun) -> LastDrill {
        let days_ago = self.age(drill).as_secs() / 86400;
        LastDrill { run: drill.run.clone(), at_utc: utc_text(drill.at), days_ago, verdict: drill.verdict }
    }
}

/// The failure modes of some services that must be drilled, and how many of them are covered.
fn counted<'c>(services: impl IntoIterator<Item = &'c ServiceCoverage>) -> (usize, usize) {
    let cells = services.into_iter().flat_map(|service| &service.cells);
    cells.fold((0, 0), |(all, covered), cell| (all + 1, covered + usize::from(cell.is_covered())))
}
