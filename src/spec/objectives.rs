//! Which objectives hold in a drill. There is one place that decides: what the scenario says, else what `services.yaml` owes the
//! users that the drill hurts; where both say something, the stricter one. What differs is told by `check` and in reports.

use super::windows::{Show, slowest};
use super::{Overrides, Plan, root_of};
use crate::assurance::services::{A_PERIOD, Catalog, CriticalService, FILE, read};
use crate::record::{BudgetInfo, micros};
use crate::slis::{Ratio, SliSpec};
use crate::source::{At, Diagnostics, MAX_DURATION, Severity, Source, TextForm, parse_period, parse_rate, shape, tidy};
use std::time::Duration;

/// Who says an objective where it is not `services.yaml`.
const THE_SCENARIO: &str = "the scenario";

/// The objectives of a drill.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DrillObjectives {
    /// Recovery time objective: first confirmed fault → recovered.
    pub rto: Option<Objective>,
    /// Recovery point objective, of a DR drill.
    pub rpo: Option<Objective>,
    /// SLIs that promise less than a service owes its users, each with that in words.
    pub shortfalls: Vec<(String, String)>,
}

/// An objective that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objective {
    /// What must not be exceeded.
    pub value: Duration,
    /// Who says so, in words.
    pub from: String,
    /// What the other place says, where it says something else.
    pub looser: Option<(Duration, String)>,
}

/// The services of the project; `None` where it lists none, or when the list has mistakes, which are told.
pub(super) fn project_services(overrides: &Overrides, diags: &mut Diagnostics) -> Option<Catalog> {
    let path = tidy(&overrides.project.join(FILE));
    std::fs::symlink_metadata(&path).ok()?;
    let source = Source::read(&path).map_err(|error| error.report("the list of services", None, diags)).ok()?;
    read(&source.of_project(root_of(&path, overrides)), None, diags)
}

impl DrillObjectives {
    /// Decides them; the plan has what the scenario itself says.
    pub fn decide(plan: &Plan, catalog: Option<&Catalog>) -> Self {
        let owing = catalog.map_or_else(Default::default, |catalog| owing(plan, catalog));
        let strictest = |of: fn(&CriticalService) -> Option<Duration>| {
            let of_these = |services: &Vec<&CriticalService>| {
                let owed = services.iter().filter_map(|service| Some((of(service)?, service.name.clone())));
                owed.min_by_key(|(value, _)| *value)
            };
            owing.iter().find_map(of_these).map(|(value, name)| (value, format!("{FILE} for `{name}`")))
        };
        let owed_rpo = plan.restore.as_ref().and_then(|_| strictest(|service| service.rpo));
        // Where users notice nothing, nothing has to recover.
        let owed_rto = strictest(|service| service.rto).filter(|_| !plan.impact.none);
        let shortfalls = catalog.map_or_else(Vec::new, |catalog| shortfalls(plan, catalog));
        let rpo = plan.restore.as_ref().map(|restore| restore.rpo);
        DrillObjectives { rto: one(plan.rto, owed_rto), rpo: one(rpo, owed_rpo), shortfalls }
    }

    /// What readers of a report should know about them.
    pub fn notes(&self) -> Vec<String> {
        let differ = [("RTO", &self.rto), ("RPO", &self.rpo)].into_iter().filter_map(|(name, objective)| {
            let objective = objective.as_ref()?;
            let (other, by) = objective.looser.as_ref()?;
            let (value, other) = (Show(objective.value), Show(*other));
            Some(format!("{name}: {value} by {}, {other} by {by}; the stricter one holds", objective.from))
        });
        differ.chain(self.shortfalls.iter().map(|(_, text)| text.clone())).collect()
    }
}

/// The objective of a scenario's word and a service's.
fn one(written: Option<Duration>, owed: Option<(Duration, String)>) -> Option<Objective> {
    let written = written.map(|value| (value, THE_SCENARIO.to_string()));
    // Of equal ones the scenario's own word is named.
    let mut all: Vec<(Duration, String)> = written.into_iter().chain(owed).collect();
    all.sort_by_key(|(value, _)| *value);
    let mut all = all.into_iter();
    let (value, from) = all.next()?;
    Some(Objective { value, from, looser: all.next().filter(|(other, _)| *other != value) })
}

/// Who owes the users whom the drill hurts something: the services that the SLIs' loads call or queries ask; for an objective that none of
/// these has, what the faults are on and what the called ones need.
fn owing<'c>(plan: &Plan, catalog: &'c Catalog) -> [Vec<&'c CriticalService>; 2] {
    let stack = &plan.stack.file;
    let measured = |name: &str| plan.slis.iter().any(|sli| sli.series == name);
    let called = plan.loads.iter().filter(|load| measured(&load.name)).filter_map(|load| plan.service_of(load));
    let asked =
        plan.own_sources.iter().filter(|source| measured(&source.series)).flat_map(|source| source.services.clone());
    let called: Vec<String> = called.chain(asked).collect();
    let broken: Vec<String> = plan.faults.iter().flat_map(|planned| planned.fault.facts.services.clone()).collect();
    let is_one_of = |service: &CriticalService, names: &[String]| names.iter().any(|name| service.is(name, stack));
    let (called, others): (Vec<&CriticalService>, Vec<&CriticalService>) =
        catalog.services.iter().partition(|service| is_one_of(service, &called));
    let needed = |other: &CriticalService| called.iter().any(|service| service.depends_on.contains(&other.name));
    let behind = others.into_iter().filter(|other| is_one_of(other, &broken) || needed(other)).collect();
    [called, behind]
}

/// An SLO is held against the SLIs of its name; where none calls the service, against those of its kind: with a latency, or
/// without one.
fn shortfalls(plan: &Plan, catalog: &Catalog) -> Vec<(String, String)> {
    let stack = &plan.stack.file;
    let called = |sli: &SliSpec| plan.service_of(plan.loads.iter().find(|load| load.name == sli.series)?);
    let mut found = Vec::new();
    for service in &catalog.services {
        let slis: Vec<&SliSpec> =
            plan.slis.iter().filter(|sli| called(sli).is_some_and(|name| service.is(&name, stack))).collect();
        for slo in &service.slos {
            let has_namesake = slis.iter().any(|sli| sli.name == slo.name);
            let is_its_own = |sli: &&&SliSpec| match has_namesake {
                true => sli.name == slo.name,
                false => slowest(sli).is_some() == slo.below.is_some(),
            };
            for sli in slis.iter().filter(is_its_own) {
                let (own, less) = (slowest(sli), sli.objective < slo.objective);
                let share = less.then(|| [sli.objective, slo.objective].map(|share| share.to_string()));
                let latency = slo.below.filter(|owed| own.is_none_or(|own| own > *owed));
                let own = own.map_or("no latency".into(), |own| Show(own).to_string());
                let latency = latency.map(|owed| [own, Show(owed).to_string()]);
                found.extend(share.into_iter().chain(latency).map(|[own, owed]| {
                    let (sli, of) = (&sli.name, format!("the users of `{}` {owed} (SLO `{}`)", service.name, slo.name));
                    (sli.clone(), format!("the SLI `{sli}` promises {own}, and {FILE} owes {of}"))
                }));
            }
        }
    }
    found
}

/// Warns of objectives that differ, of SLIs that promise less than is owed, and of a drill that has no limit on the time to recover.
pub fn check_objectives(plan: &Plan, diags: &mut Diagnostics) {
    for (key, objective) in [("rto", &plan.objectives.rto), ("rpo", &plan.objectives.rpo)] {
        let Some(Objective { value, from, looser: Some((other, by)) }) = objective else { continue };
        let message = format!("`{key}` is {} by {from}, {} by {by}: the stricter holds", Show(*value), Show(*other));
        let help = "say the same in both, or leave it out of the scenario";
        // A drill may ask for more than users are owed.
        let level = if *from == THE_SCENARIO { Severity::Info } else { Severity::Warning };
        diags.push(level, &plan.source, plan.place(&[key]), message).help(help);
    }
    for (sli, text) in &plan.objectives.shortfalls {
        let help = "promise what is owed, with windows long enough to tell";
        diags.warning(&plan.source, plan.place(&["slis", sli]), text.clone()).help(help);
    }
    if plan.objectives.rto.is_none() && !plan.impact.none {
        let message = format!("no limit on the time to recover: neither the scenario nor {FILE} has an RTO");
        let help = "add `rto: 10m`, from the first confirmed fault on";
        diags.warning(&plan.source, plan.place(&["title"]), message).help(help);
    }
}

const AN_OBJECTIVE: TextForm = TextForm::new("a percentage like `99.95%`", Ratio::shape);

/// Reads `budget`: the production error budget, over 30 days by default, in terms of which a drill has its price.
pub(super) fn read_budget(at: &mut At<'_>) -> Option<BudgetInfo> {
    let mut map = at.map("`budget`")?;
    let window = map.optional_with("window", A_PERIOD, |text| match parse_period(text)? {
        window if window < MAX_DURATION => Err("an error budget is over a day at least".into()),
        window => Ok(window),
    });
    let traffic = map.optional_with("traffic", TextForm::new("a rate like `1200/s`", shape::rate), parse_rate);
    let objective = map.optional_with("objective", AN_OBJECTIVE, |text| match Ratio::parse(text)? {
        whole if whole.get() >= 1.0 => Err("100% leaves no error budget".into()),
        objective => Ok(objective.get()),
    });
    map.finish().map(|()| BudgetInfo { window_us: micros(window.unwrap_or(30 * MAX_DURATION)), traffic, objective })
}

#[cfg(test)]
mod tests {
    use super::super::load;
    use super::*;

    const SCENARIO: &str = "title: T\nstack: ../compose.yaml\nload: { l: { request: GET http://web:80/, rate: 50/s } }\n\
         slis:\n  availability: { load: l, good: status < 500, objective: 99.5% }\n  \
         fast: { load: l, good: latency < 300ms, objective: 99% }\n\
         faults: [{ container_kill: { service: db } }]\nrecover: { within: 10s }\n";

    /// What a scenario comes to beside this list of services: its plan, and what `check` warns of.
    fn beside(services: &str) -> (Option<Plan>, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("compose.yaml", "services: { web: { image: x }, db: { image: x } }\n");
        write("other.yaml", "services: { web: { image: x } }\n");
        write("scenarios/s.yaml", SCENARIO);
        if !services.is_empty() {
            write("services.yaml", services);
        }
        let overrides = Overrides { project: dir.path().to_path_buf(), ..Overrides::default() };
        let (plan, mut diags) = load(&dir.path().join("scenarios/s.yaml"), &overrides);
        if let Some(plan) = &plan {
            check_objectives(plan, &mut diags);
        }
        (plan, diags.all.into_iter().map(|d| d.message).collect())
    }

    fn service(name: &str, rest: &str) -> String {
        format!("  {name}: {{ tier: 1, failure_modes: [container_kill], {rest} }}\n")
    }

    fn rto(services: &[String]) -> Option<(u64, String)> {
        let (plan, _) = beside(&format!("services:\n{}", services.concat()));
        plan.unwrap().objectives.rto.map(|rto| (rto.value.as_secs(), rto.from.to_string()))
    }

    #[test]
    fn the_list_names_no_file_from_outside_of_the_project() {
        let elsewhere = tempfile::tempdir().unwrap();
        let file = elsewhere.path().join("credentials");
        std::fs::write(&file, "[default]\nkey = hunter22\n").unwrap();
        let (plan, told) = beside(&format!("services:\n{}journeys: [{}]\n", service("web", "rto: 1m"), file.display()));
        assert!(plan.is_none() && told.len() == 1 && told[0].contains("is outside of the project"), "{told:?}");
    }

    #[test]
    fn the_users_that_are_measured_say_how_long_it_may_take() {
        let (plan, told) = beside("");
        assert_eq!(plan.unwrap().objectives, DrillObjectives::default());
        assert_eq!(told, ["no limit on the time to recover: neither the scenario nor services.yaml has an RTO"]);
        let by = |name: &str, secs| Some((secs, format!("services.yaml for `{name}`")));
        let (web, db) = (service("web", "rto: 1m"), service("db", "rto: 5s"));
        assert_eq!(rto(&[web.clone(), db.clone()]), by("web", 60), "the load calls web, whatever is broken");
        assert_eq!(rto(std::slice::from_ref(&db)), by("db", 5), "web is not listed");
        let silent = || service("front", "aliases: [web], depends_on: [cache, db]");
        let cache = |rest: &str| service("cache", rest);
        assert_eq!(rto(&[silent(), cache("owner: A"), db.clone()]), by("db", 5), "the one that is called says nothing");
        assert_eq!(
            rto(&[silent(), cache("rto: 2s"), db.clone()]),
            by("cache", 2),
            "of what is broken or needed, the strictest"
        );
        assert_eq!(rto(&[silent(), cache("rto: 2s"), service("db", "owner: A")]), by("cache", 2));
        let unrelated = service("other", "rto: 1s");
        assert_eq!(rto(&[silent(), cache("owner: A"), unrelated, db.clone()]), by("db", 5));
        let front = service("front", "rto: 30s, aliases: [web]");
        assert_eq!(rto(&[service("shop", "rto: 1m, stacks: [other.yaml], aliases: [web]")]), None, "of another stack");
        assert_eq!(rto(&[front]), by("front", 30));
    }

    #[test]
    fn the_stricter_one_holds_and_it_is_said_where_they_differ() {
        let (minute, second) = (Duration::from_secs(60), Duration::from_secs(1));
        let (owed, scenario) = (|| (second, "services.yaml for `web`".to_string()), "the scenario".to_string());
        let strict = one(Some(minute), Some(owed())).unwrap();
        assert_eq!((strict.value, strict.looser), (second, Some((minute, scenario.clone()))));
        let own = one(Some(Duration::ZERO), Some(owed())).unwrap();
        assert_eq!((own.value, own.from, own.looser), (Duration::ZERO, scenario.clone(), Some(owed())));
        let same = one(Some(second), Some(owed())).unwrap();
        assert_eq!((same.from, same.looser), (scenario, None));
        assert_eq!(one(None, None), None);
        let objectives = DrillObjectives { rto: one(Some(minute), Some(owed())), ..DrillObjectives::default() };
        let said = "RTO: 1s by services.yaml for `web`, 1m by the scenario; the stricter one holds";
        assert_eq!(objectives.notes(), [said]);
    }

    #[test]
    fn a_scenario_that_promises_less_than_is_owed_is_told_of() {
        let owes = |slos: &str| {
            let services = format!("services:\n{}", service("web", &format!("rto: 1m, slos: {{ {slos} }}")));
            beside(&services).1
        };
        assert_eq!(owes("availability: { objective: 99.5%, window: 30d }"), Vec::<String>::new());
        assert_eq!(
            owes(
                "availability: { objective: 99.95%, window: 30d }, latency: { objective: 99%, below: 200ms, window: 30d }"
            ),
            [
                "the SLI `availability` promises 99.5%, and services.yaml owes the users of `web` 99.95% (SLO `availability`)",
                "the SLI `fast` promises 300ms, and services.yaml owes the users of `web` 200ms (SLO `latency`)",
            ]
        );
        assert_eq!(owes("latency: { objective: 99%, below: 300ms, window: 30d }"), Vec::<String>::new());
        assert_eq!(
            owes("uptime: { objective: 99.9%, window: 30d }"),
            ["the SLI `availability` promises 99.5%, and services.yaml owes the users of `web` 99.9% (SLO `uptime`)"],
            "by kind, where no SLI has its name"
        );
        let own_names = "availability: { objective: 99%, window: 30d }, fast: { objective: 99%, window: 30d }";
        assert_eq!(owes(own_names), Vec::<String>::new());
    }

    #[test]
    fn without_a_list_that_can_be_read_nobody_knows_what_holds() {
        let (plan, told) = beside("services: { web: { tier: 0, failure_modes: [x] } }\n");
        assert!(plan.is_none());
        assert_eq!(told, ["`tier`: `0` is not a tier from 1, the most critical, to 9"]);
    }
}
