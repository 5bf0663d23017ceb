//! Reads `services.yaml`: every mistake at once, with its place.

use super::catalog::{Catalog, CriticalService, DrilledBy, FailureMode, ServiceAlert, Slo};
use super::journeys::{Journey, read_journeys};
use super::period::A_PERIOD;
use crate::assurance::forms::{A_DATE, date};
use crate::faults::{Fault, NO_CLASS, Preset};
use crate::slis::{MetricCondition, Ratio};
use crate::source::{
    At, Diagnostics, MapReader, Source, Span, TextForm, Value, describe, did_you_mean, is_name, parse, parse_period,
    path_of, shape, shorten,
};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What to start from when there is no file yet.
pub const EXAMPLE: &str = include_str!("example.yaml");

/// The most critical tier is 1, the least critical one this.
const LAST_TIER: u8 = 9;

const AN_OBJECTIVE: TextForm = TextForm::new("a percentage like `99.9%`", Ratio::shape);
const A_CONDITION: TextForm = TextForm::new("a condition like `queue_depth > 100`", MetricCondition::shape);
/// Names of services, objectives, alerts and failure modes.
const NAME_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$";

/// What the list may name of its project.
#[derive(Debug, Clone, Default)]
pub struct ProjectNames {
    /// The scenarios, also those with mistakes.
    pub scenarios: Vec<String>,
    /// Classes of failures that their faults say that they cover (`covers`).
    pub classes: Vec<String>,
}

/// The JSON Schema of the file, draft 2020-12, and what the readers and the documentation do not agree on.
pub fn schema() -> (serde_json::Value, Vec<String>) {
    let page = ("docs/coverage.md", include_str!("../../../docs/coverage.md"));
    describe("Critical services for Firedrill", page, |at| read_root(at, None))
}

/// Reads the file. Without `named` nobody asks whether what it names of the project is there. `None` when there were mistakes.
pub fn read(source: &Arc<Source>, named: Option<&ProjectNames>, diags: &mut Diagnostics) -> Option<Catalog> {
    let root = parse(source, diags)?;
    read_root(&mut At::root(&root, source, diags), named)
}

fn read_root(at: &mut At<'_>, named: Option<&ProjectNames>) -> Option<Catalog> {
    const KIND: &str = "a map with at least one service";
    const EXAMPLE: &str = "write `checkout: { tier: 1, failure_modes: [container_kill] }` below it";
    let mut map = at.map("the list of services")?.of_section("The file");
    let services = map.require_by("services", |at| {
        let names = at.node.keys();
        let read = at.entries(KIND, EXAMPLE, |at| Some((at.key_span, read_service(at, &names, named)?)));
        at.also(names_shape());
        at.must_not_be_empty(format!("`services` must be {KIND}"), EXAMPLE);
        one_service_each(&read, at);
        Some(read)
    });
    let journeys = of_files(&read_paths(&mut map, "journeys", "file of journeys"), &mut map);
    let services: Option<Vec<_>> = services.map(|all| all.into_iter().map(|(_, service)| service).collect());
    for (name, component) in journeys.iter().flat_map(|own| own.components.iter().map(|other| (&own.name, other))) {
        let names = || services.iter().flatten().map(|service: &CriticalService| service.name.as_str());
        if services.is_some() && !names().any(|known| known == component) {
            let what =
                format!("the journey `{}` takes `{}`, which is no service here", shorten(name), shorten(component));
            map.wrong("journeys", what)
                .help(format!("each component is a row of the coverage; {}", did_you_mean(component, names())));
        }
    }
    map.finish()?;
    Some(Catalog { services: services?, journeys })
}

/// The journeys of these files.
fn of_files(paths: &[PathBuf], map: &mut MapReader<'_>) -> Vec<Journey> {
    let mut all = Vec::new();
    for path in paths.iter().filter(|path| path.is_file()) {
        let named = Some((map.source, map.span_of("journeys")));
        let read = Source::read(path).map_err(|error| error.report("the file of journeys", named, map.diags));
        let Ok(source) = read else { continue };
        let before = map.diags.all.len();
        match parse(&source, map.diags).and_then(|root| read_journeys(&root, &source, map.diags)) {
            Some(read) if map.diags.all.len() == before => all.extend(read),
            _ => {
                let wrong = "cannot be read as a file of journeys, a map with the list `journeys`";
                map.wrong("journeys", format!("`{}` {wrong}", path.display()));
            }
        }
    }
    all
}

/// A name in a stack is one of one service.
fn one_service_each(services: &[(Span, CriticalService)], at: &mut At<'_>) {
    let apart = |a: &CriticalService, b: &CriticalService| {
        let known = !a.stacks.is_empty() && !b.stacks.is_empty();
        known && !a.stacks.iter().any(|stack| b.stacks.contains(stack))
    };
    for (number, (span, service)) in services.iter().enumerate() {
        for alias in service.aliases.iter().filter(|alias| **alias != service.name) {
            // Of two services with the same alias the second one is reported.
            let owner = services.iter().enumerate().find(|(other, (_, own))| {
                let taken = own.name == *alias || *other < number && own.aliases.contains(alias);
                *other != number && taken && !apart(own, service)
            });
            if let Some((_, (_, owner))) = owner {
                let message = format!("`{}` is a name of `{}` already", shorten(alias), shorten(&owner.name));
                at.diags
                    .error(at.source, *span, message)
                    .help("a service of a stack is one of the list, not two; `stacks` says of which stacks each is");
            }
        }
    }
}

fn read_service(at: &mut At<'_>, names: &[&str], named: Option<&ProjectNames>) -> Option<CriticalService> {
    check_name("service", at);
    let name = at.key.to_string();
    let mut map = at.map(format!("service `{}`", shorten(&name)))?.of_section("A service");
    let not = format!("a tier from 1, the most critical, to {LAST_TIER}");
    let tier = map.require_by("tier", |at| at.number(1..=LAST_TIER, "a tier like `1`", &not));
    let mut service = CriticalService { name, owner: map.optional("owner"), ..CriticalService::default() };
    // For people who read the file.
    let _: Option<String> = map.optional("description");
    service.aliases = map.optional("aliases").unwrap_or_default();
    service.stacks = read_paths(&mut map, "stacks", "stack");
    let drill_every = map.optional_with("drill_every", A_PERIOD, parse_period);
    service.rto = map.optional_with("rto", A_PERIOD, parse_period);
    service.rpo = map.optional_with("rpo", A_PERIOD, parse_period);
    let slos = map.optional_by("slos", |at| {
        let example = "write `availability: { objective: 99.9%, window: 30d }` below it";
        let slos = at.entries("a map", example, read_slo);
        at.also(names_shape());
        Some(slos)
    });
    service.slos = slos.unwrap_or_default();
    service.runbooks = read_paths(&mut map, "runbooks", "runbook");
    let alerts = map.optional_by("alerts", |at| Some(at.items("a list", "", read_alert)));
    service.alerts = alerts.unwrap_or_default();
    let modes = map.require_by("failure_modes", |at| {
        let twice = |name: &str| format!("the failure mode `{name}` stands here twice");
        let modes = at.items_apart(|at| read_mode(at, named), |mode| &mode.name, twice);
        at.must_not_be_empty("`failure_modes` is empty", "");
        Some(modes)
    });
    service.depends_on = map.optional("depends_on").unwrap_or_default();
    let is_other = |other: &str| other != service.name && names.contains(&other);
    for wrong in service.depends_on.iter().filter(|other| !is_other(other)) {
        let others = names.iter().copied().filter(|other| is_other(other));
        map.wrong("depends_on", format!("`{}` is no other service of this list", shorten(wrong)))
            .help(did_you_mean(wrong, others));
    }
    map.finish()?;
    (service.tier, service.modes) = (tier?, modes?);
    service.drill_every = drill_every.unwrap_or_else(|| super::drill_every(service.tier));
    Some(service)
}

/// Paths to files of the project, or folders of manifests, that must be there; `what` says what they are.
fn read_paths(map: &mut MapReader<'_>, key: &'static str, what: &str) -> Vec<PathBuf> {
    let path = |at: &mut At<'_>| {
        let path = path_of(at)?;
        if !(path.is_file() || what == "stack" && path.is_dir()) {
            at.error(format!("there is no {what} `{}`", path.display()))
                .help("a path is relative to the folder of this file");
        }
        Some(path)
    };
    map.optional_by(key, |at| Some(at.items("a list of paths", "", path))).unwrap_or_default()
}

fn read_slo(at: &mut At<'_>) -> Option<Slo> {
    check_name("SLO", at);
    let name = at.key.to_string();
    let mut map = at.map(format!("SLO `{}`", shorten(&name)))?.of_section("slos");
    let objective = map.require_with("objective", AN_OBJECTIVE, Ratio::parse);
    let below = map.optional("below");
    let window = map.require_with("window", A_PERIOD, parse_period);
    let reviewed = map.optional_with("reviewed", A_DATE, date);
    map.finish()?;
    Some(Slo { name, objective: objective?, below, window: window?, reviewed })
}

/// Reads a map with one entry: a name and what it stands for.
fn one<T>(at: &mut At<'_>, what: &str, help: &str, read: impl FnMut(&mut At<'_>) -> Option<T>) -> Option<T> {
    let (count, is_map) = (at.node.entries().len(), matches!(at.node.value, Value::Map(_)));
    let read = if is_map && count < 2 { at.entries("a map", "", read).pop() } else { None };
    at.also(names_shape());
    at.also(json!({ "minProperties": 1, "maxProperties": 1 }));
    if count != 1 {
        let found = if is_map { format!("{count} keys") } else { at.node.describe() };
        at.error(format!("expected {what}, found {found}")).help(help);
        return None;
    }
    read
}

/// `CheckoutDbPoolExhausted: db_pool_available < 1`.
fn read_alert(at: &mut At<'_>) -> Option<ServiceAlert> {
    let help = "write its name and the condition that scenarios wait for in `detect`: `NAME: errors_total > 0`";
    one(at, "one alert with its condition", help, |at| {
        check_name("alert", at);
        let name = at.key.to_string();
        Some(ServiceAlert { name, condition: at.parse(A_CONDITION, MetricCondition::parse)? })
    })
}

/// `container_kill`, or a name of the team's own: `pool-exhausted: { fault: postgres_lock }`.
fn read_mode(at: &mut At<'_>, named: Option<&ProjectNames>) -> Option<FailureMode> {
    let of_kind = |at: &mut At<'_>| {
        let class = check_class(at, named)?;
        Some(FailureMode { name: class.clone(), by: DrilledBy::Fault { class, broken: None } })
    };
    let help = "write the kind of a fault, or `name: { fault: KIND }`, or `name: { scenarios: [NAME] }`";
    at.either(class_shape, of_kind, |at| one(at, "one failure mode", help, |at| read_own_mode(at, named)))
}

fn read_own_mode(at: &mut At<'_>, named: Option<&ProjectNames>) -> Option<FailureMode> {
    check_name("failure mode", at);
    let name = at.key.to_string();
    let mut map = at.map(format!("failure mode `{}`", shorten(&name)))?.of_section("failure_modes");
    map.also(json!({ "type": "object" }));
    map.exactly_one(&["fault", "scenarios"], "what drills it: write `{ fault: KIND }` or `{ scenarios: [NAME] }`");
    map.also(json!({ "dependentRequired": { "service": ["fault"] } }));
    let class = map.optional_by("fault", |at| {
        let class: Option<String> = at.value();
        at.diags.describe(class_shape);
        class.and_then(|_| check_class(at, named))
    });
    let broken: Option<String> = map.optional("service");
    let by_name = map.optional_by("scenarios", |at| {
        let names: Option<Vec<String>> = at.value();
        at.also(json!({ "items": shape::filled() }));
        at.must_not_be_empty("it names no scenario", "");
        let scenarios = named.map(|named| named.scenarios.as_slice());
        let wrong = |name: &&String| scenarios.is_some_and(|known| !known.contains(name));
        for wrong in names.iter().flatten().filter(wrong) {
            at.error(format!("there is no scenario `{}` in this project", shorten(wrong)))
                .help(did_you_mean(wrong, scenarios.unwrap_or_default().iter().map(String::as_str)));
        }
        names
    });
    if broken.is_some() && map.has("scenarios") && !map.has("fault") {
        map.wrong("service", "`service` goes with `fault`: scenarios say themselves what they break");
    }
    map.finish()?;
    let by = match class {
        Some(class) => DrilledBy::Fault { class, broken },
        None => DrilledBy::Scenarios(by_name?),
    };
    Some(FailureMode { name, by })
}

/// Kinds first, for whoever completes; a class that a scenario covers has a name of its own.
fn class_shape() -> serde_json::Value {
    let own = json!({ "type": "string", "pattern": NAME_PATTERN, "not": { "enum": NO_CLASS } });
    json!({ "anyOf": [shape::one_of(known_classes(&[])), own] })
}

/// Those that Firedrill knows by itself, and these.
fn known_classes(own: &[String]) -> impl Iterator<Item = &str> + Clone {
    let kinds = Fault::KINDS.iter().copied().filter(|kind| !NO_CLASS.contains(kind));
    let shipped = kinds.chain(Preset::shipped().iter().map(|preset| preset.covers.as_str()));
    shipped.chain(own.iter().map(String::as_str))
}

/// A class of failures is the kind of a fault that breaks one certain thing, or what the scenarios' faults say that they cover.
fn check_class(at: &mut At<'_>, named: Option<&ProjectNames>) -> Option<String> {
    let class = at.node.text()?;
    let Some(ProjectNames { classes, .. }) = named else { return Some(class.to_string()) };
    let all = known_classes(classes);
    if all.clone().any(|known| known == class) {
        return Some(class.to_string());
    }
    let help = match Preset::shipped().iter().find(|preset| preset.name == class) {
        Some(preset) => format!("it is a preset that covers `{}`: name that", preset.covers),
        None if NO_CLASS.contains(&class) => {
            let says = format!("`- {class}: {{ covers: memory, … }}`");
            format!("it may break anything: say in the scenario what ({says}), and name that here: `memory`")
        }
        None => {
            let own = format!("`{}: {{ scenarios: [NAME] }}`", shorten(class));
            format!("a name of your own says what drills it: {own}; {}", did_you_mean(class, all))
        }
    };
    at.error(format!("there is no fault `{}`, and no scenario covers it", shorten(class))).help(help);
    None
}

fn check_name(what: &str, at: &mut At<'_>) {
    if !is_name(at.key) {
        let message = format!("`{}` is no name of a {what}", shorten(at.key));
        at.error_at_key(message).help("letters, digits, `-`, `_` and `.`, at most 64 of them");
    }
}

fn names_shape() -> serde_json::Value {
    json!({ "propertyNames": { "pattern": NAME_PATTERN } })
}

/// A path as it is shown.
pub fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_shapes_and_words_agree() {
        let (schema, gaps) = schema();
        assert_eq!(gaps, Vec::<String>::new());
        assert!(jsonschema::draft202012::meta::is_valid(&schema));
        assert_eq!(schema.pointer("/required"), Some(&json!(["services"])));
        let service = schema.pointer("/properties/services/additionalProperties/required");
        assert_eq!(service, Some(&json!(["tier", "failure_modes"])));
    }
}
