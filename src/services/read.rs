//! Reads `services.yaml`: every mistake at once, with its place.

use super::catalog::{Alert, Catalog, DrilledBy, Mode, Service, Slo};
use super::period::{A_PERIOD, parse_period};
use crate::faults::{Fault, NO_CLASS};
use crate::slis::{MetricCondition, Ratio};
use crate::source::{
    Diagnostics, Entry, Form, MapReader, Node, Source, Span, Value, beside, did_you_mean, nearest, parse, shape,
    shorten,
};
use std::path::Path;
use std::sync::Arc;

/// What to start from when there is no file yet.
pub const EXAMPLE: &str = "\
services:
  checkout:                          # a service of the stacks that scenarios start
    tier: 1                          # 1 is the most critical
    owner: Team Checkout
    rto: 15m                         # users have recovered this long after the fault, at most
    slos:
      latency: { objective: 99%, below: 300ms, window: 30d }
    runbooks: [runbooks/db-pool.md]
    alerts:
      - CheckoutDbPoolExhausted: db_pool_available < 1
    failure_modes:                   # what must be drilled: kinds of faults, or names of your own
      - container_kill
      - pool-exhausted: { fault: postgres_lock, service: db }
";

/// The most critical tier is 1, the least critical one this.
pub const LAST_TIER: u8 = 9;

const AN_OBJECTIVE: Form = Form::new("a percentage like `99.9%`", Ratio::shape);
const A_NAME: &str = "letters, digits, `-`, `_` and `.`, at most 64";
/// Names of services, objectives, alerts and failure modes.
pub const NAME_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$";

/// What the list may name of its project.
#[derive(Debug, Clone, Default)]
pub struct Named {
    /// The scenarios, also those with mistakes.
    pub scenarios: Vec<String>,
    /// Classes of failures that their faults say that they cover (`covers`).
    pub classes: Vec<String>,
}

/// Reads the file. Without `named` nobody asks whether what it names of the project is there. `None` when there were mistakes.
pub fn read(source: &Arc<Source>, named: Option<&Named>, diags: &mut Diagnostics) -> Option<Catalog> {
    let known = diags.all.len();
    let root = parse(source, diags)?;
    let catalog = read_root(&root, source, named, diags);
    let wrong = diags.all.iter().skip(known).any(|d| d.level == crate::source::Level::Error);
    catalog.filter(|_| !wrong)
}

/// Reads the map of the file; the schema has it read an empty one.
pub fn read_root(root: &Node, source: &Arc<Source>, named: Option<&Named>, diags: &mut Diagnostics) -> Option<Catalog> {
    let mut map = MapReader::new(root, "the list of services", source, diags)?;
    let node = map.require_node("services");
    let services = match node.map(|node| (&node.value, node.span)) {
        Some((Value::Map(entries), _)) if !entries.is_empty() => entries.as_slice(),
        Some((_, span)) => {
            map.error(span, "`services` must be a map with at least one service")
                .help("write `checkout: { tier: 1, failure_modes: [container_kill] }` below it");
            &[]
        }
        None => &[],
    };
    let names: Vec<&str> = services.iter().map(|entry| entry.key.as_str()).collect();
    let read: Vec<Option<Service>> =
        services.iter().map(|entry| read_service(entry, &names, named, source, map.diags)).collect();
    one_service_each(services, &read, &mut map);
    map.finish()?;
    Some(Catalog { services: read.into_iter().collect::<Option<_>>()? })
}

/// A name in a stack is one of one service.
fn one_service_each(entries: &[Entry], read: &[Option<Service>], map: &mut MapReader<'_>) {
    let apart = |a: &Service, b: &Service| {
        let known = !a.stacks.is_empty() && !b.stacks.is_empty();
        known && !a.stacks.iter().any(|stack| b.stacks.contains(stack))
    };
    for (number, entry) in entries.iter().enumerate() {
        let Some(Some(service)) = read.get(number) else { continue };
        for alias in service.aliases.iter().filter(|alias| **alias != entry.key) {
            // Of two services with the same alias the second one is reported.
            let owner = entries.iter().zip(read).enumerate().find(|(other, (named, own))| {
                let own = own.as_ref();
                let taken =
                    named.key == *alias || *other < number && own.is_some_and(|own| own.aliases.contains(alias));
                *other != number && taken && !own.is_some_and(|own| apart(own, service))
            });
            if let Some((_, (owner, _))) = owner {
                let message = format!("`{}` is a name of `{}` already", shorten(alias), shorten(&owner.key));
                map.error(entry.key_span, message).help(
                    "a service of a stack is one of the list, not two; `stacks` says of which Compose files each is",
                );
            }
        }
    }
}

pub fn read_service(
    entry: &Entry,
    names: &[&str],
    named: Option<&Named>,
    source: &Arc<Source>,
    diags: &mut Diagnostics,
) -> Option<Service> {
    check_name("service", &entry.key, entry.key_span, source, diags);
    let what = format!("service `{}`", shorten(&entry.key));
    let mut map = MapReader::new(&entry.value, what, source, diags)?;
    let tier = map.require::<u8>("tier");
    if let Some(tier) = tier.filter(|tier| !(1..=LAST_TIER).contains(tier)) {
        let span = map.span_of("tier");
        map.error(span, format!("tier {tier} is not between 1 and {LAST_TIER}")).help("1 is the most critical");
    }
    let owner = map.optional("owner");
    // For people who read the file.
    let _: Option<String> = map.optional("description");
    let aliases = map.optional("aliases").unwrap_or_default();
    let stacks = read_paths(&mut map, "stacks", "Compose file");
    let drill_every = map.optional_with("drill_every", A_PERIOD, parse_period);
    let rto = map.optional_with("rto", A_PERIOD, parse_period);
    let rpo = map.optional_with("rpo", A_PERIOD, parse_period);
    let slos = entries(&mut map, "slos", "availability: { objective: 99.9%, window: 30d }");
    let slos: Vec<_> = slos.iter().map(|entry| read_slo(entry, source, map.diags)).collect();
    let runbooks = read_paths(&mut map, "runbooks", "runbook");
    let alerts = items(&mut map, "alerts", false);
    let alerts: Vec<_> = alerts.iter().map(|node| read_alert(node, source, map.diags)).collect();
    let nodes = items(&mut map, "failure_modes", true);
    let modes: Vec<_> = nodes.iter().map(|node| read_mode(node, named, source, map.diags)).collect();
    twice(nodes, &modes, &mut map);
    let depends_on: Vec<String> = map.optional("depends_on").unwrap_or_default();
    for wrong in depends_on.iter().filter(|name| **name == entry.key || !names.contains(&name.as_str())) {
        let others = names.iter().copied().filter(|name| *name != entry.key);
        let span = map.span_of("depends_on");
        map.error(span, format!("`{}` is no other service of this list", shorten(wrong)))
            .help(did_you_mean(wrong, others));
    }
    map.finish()?;
    let tier = tier?;
    Some(Service {
        name: entry.key.clone(),
        tier,
        owner,
        aliases,
        stacks,
        drill_every: drill_every.unwrap_or_else(|| super::drill_every(tier)),
        rto,
        rpo,
        slos: slos.into_iter().collect::<Option<_>>()?,
        runbooks,
        alerts: alerts.into_iter().collect::<Option<_>>()?,
        modes: modes.into_iter().collect::<Option<_>>()?,
        depends_on,
    })
}

/// Paths to files that must be there; `what` says what they are.
fn read_paths(map: &mut MapReader<'_>, key: &'static str, what: &str) -> Vec<std::path::PathBuf> {
    let written: Vec<String> = map.optional(key).unwrap_or_default();
    let file = map.source.path.clone();
    let nodes: Vec<Span> = match map.node(key).map(|node| &node.value) {
        Some(Value::List(nodes)) => nodes.iter().map(|node| node.span).collect(),
        _ => Vec::new(),
    };
    let mut paths = Vec::new();
    for (written, span) in written.iter().zip(nodes) {
        let path = beside(&file, written);
        if !path.is_file() {
            map.error(span, format!("there is no {what} `{}`", path.display()))
                .help("a path is relative to the folder of this file");
        }
        paths.push(path);
    }
    paths
}

pub fn read_slo(entry: &Entry, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Slo> {
    check_name("SLO", &entry.key, entry.key_span, source, diags);
    let mut map = MapReader::new(&entry.value, format!("SLO `{}`", shorten(&entry.key)), source, diags)?;
    let objective = map.require_with("objective", AN_OBJECTIVE, Ratio::parse);
    let below = map.optional("below");
    let window = map.require_with("window", A_PERIOD, parse_period);
    map.finish()?;
    Some(Slo { name: entry.key.clone(), objective: objective?, below, window: window? })
}

/// `db_pool_available < 1`, or `CheckoutDbPoolExhausted: db_pool_available < 1`.
fn read_alert(node: &Node, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Alert> {
    let (name, value) = match &node.value {
        Value::Map(entries) => match entries.as_slice() {
            [only] => (Some(only), &only.value),
            _ => {
                diags.error(
                    source,
                    node.span,
                    format!("expected one alert with its condition, found {} keys", entries.len()),
                );
                return None;
            }
        },
        _ => (None, node),
    };
    if let Some(name) = name {
        check_name("alert", &name.key, name.key_span, source, diags);
    }
    match value.text().map(MetricCondition::parse) {
        Some(Ok(condition)) => Some(Alert { name: name.map(|entry| entry.key.clone()), condition }),
        Some(Err(message)) => {
            let found = diags.error(source, value.span, message);
            // A bare name is what one writes first.
            match value.text().filter(|text| name.is_none() && is_name(text)) {
                Some(text) => found.help(format!(
                    "write the condition that scenarios wait for in `detect` with it: `{}: errors_total > 0`",
                    shorten(text)
                )),
                None => found.help("it is the condition of a scenario's `detect.when`"),
            };
            None
        }
        None => {
            diags.error(
                source,
                value.span,
                format!("expected a condition like `queue_depth > 100`, found {}", value.describe()),
            );
            None
        }
    }
}

/// `container_kill`, or a name of the team's own: `pool-exhausted: { fault: postgres_lock }`.
fn read_mode(node: &Node, named: Option<&Named>, source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Mode> {
    if let Some(class) = node.text() {
        return check_class(class, node.span, named, source, diags).then(|| Mode {
            name: class.to_string(),
            by: DrilledBy::Fault { class: class.to_string(), broken: None },
        });
    }
    match &node.value {
        Value::Map(entries) => match entries.as_slice() {
            [only] => read_own_mode(only, named, source, diags),
            _ => {
                diags.error(source, node.span, format!("expected one failure mode, found {} keys", entries.len()));
                None
            }
        },
        _ => {
            diags
                .error(source, node.span, format!("expected a failure mode, found {}", node.describe()))
                .help("write the kind of a fault, or `name: { fault: KIND }`, or `name: { scenarios: [NAME] }`");
            None
        }
    }
}

pub fn read_own_mode(
    entry: &Entry,
    named: Option<&Named>,
    source: &Arc<Source>,
    diags: &mut Diagnostics,
) -> Option<Mode> {
    check_name("failure mode", &entry.key, entry.key_span, source, diags);
    let what = format!("failure mode `{}`", shorten(&entry.key));
    let mut map = MapReader::new(&entry.value, what, source, diags)?;
    let fault: Option<String> = map.optional("fault");
    let broken: Option<String> = map.optional("service");
    let by_name: Option<Vec<String>> = map.optional("scenarios");
    let (has_fault, has_scenarios) = (map.node("fault").is_some(), map.node("scenarios").is_some());
    let (span, at) = (entry.key_span, map.span_of("service"));
    match (has_fault, has_scenarios) {
        (false, false) => drop(
            map.error(span, format!("nothing says what drills `{}`", shorten(&entry.key)))
                .help("write `{ fault: KIND }` or `{ scenarios: [NAME] }`"),
        ),
        (true, true) => drop(map.error(span, "it has both `fault` and `scenarios`").help("leave one of the two out")),
        (false, true) if broken.is_some() => {
            map.error(at, "`service` goes with `fault`: scenarios say themselves what they break");
        }
        _ => {}
    }
    let mut fine = true;
    if let Some(class) = &fault {
        let at = map.span_of("fault");
        fine = check_class(class, at, named, source, map.diags);
    }
    if by_name.as_ref().is_some_and(Vec::is_empty) {
        let at = map.span_of("scenarios");
        map.error(at, "it names no scenario");
    }
    if let Some(Named { scenarios, .. }) = named {
        for wrong in by_name.iter().flatten().filter(|name| !scenarios.contains(name)) {
            let at = map.span_of("scenarios");
            map.error(at, format!("there is no scenario `{}` in this project", shorten(wrong)))
                .help(did_you_mean(wrong, scenarios.iter().map(String::as_str)));
        }
    }
    map.finish().filter(|()| fine)?;
    let by = match (fault, by_name) {
        (Some(class), _) => DrilledBy::Fault { class, broken },
        (None, by_name) => DrilledBy::Scenarios(by_name?),
    };
    Some(Mode { name: entry.key.clone(), by })
}

/// A class of failures is the kind of a fault that breaks one certain thing, or what the scenarios' faults say that they cover.
fn check_class(class: &str, span: Span, named: Option<&Named>, source: &Arc<Source>, diags: &mut Diagnostics) -> bool {
    let Some(Named { classes, .. }) = named else { return true };
    if classes.iter().any(|known| known == class) {
        return true;
    }
    if NO_CLASS.contains(&class) {
        let message = format!("`{class}` may break anything: it is no class of failures");
        let help = format!(
            "say in the scenario what it breaks (`- {class}: {{ covers: memory, … }}`), and name that here: `memory`"
        );
        diags.error(source, span, message).help(help);
        return false;
    }
    if Fault::KINDS.contains(&class) {
        return true;
    }
    let kinds = Fault::KINDS.iter().copied().filter(|kind| !NO_CLASS.contains(kind));
    let all = kinds.chain(classes.iter().map(String::as_str));
    let own = format!("a name of your own says what drills it: `{}: {{ scenarios: [NAME] }}`", shorten(class));
    let help = match nearest(class, all.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("{own}; {}", did_you_mean(class, all)),
    };
    diags.error(source, span, format!("there is no fault `{}`, and no scenario covers it", shorten(class))).help(help);
    false
}

fn twice(nodes: &[Node], modes: &[Option<Mode>], map: &mut MapReader<'_>) {
    for (at, (node, mode)) in nodes.iter().zip(modes).enumerate() {
        let Some(mode) = mode else { continue };
        if modes.iter().take(at).flatten().any(|before| before.name == mode.name) {
            map.error(node.span, format!("the failure mode `{}` stands here twice", shorten(&mode.name)));
        }
    }
}

/// The items of a list that has a reader of its own.
fn items<'a>(map: &mut MapReader<'a>, key: &'static str, required: bool) -> &'a [Node] {
    let node = if required { map.require_node(key) } else { map.node(key) };
    match node.map(|node| (&node.value, node)) {
        Some((Value::List(items), _)) if !items.is_empty() || !required => items,
        Some((Value::List(_), node)) => {
            map.error(node.span, format!("`{key}` is empty"));
            &[]
        }
        Some((_, node)) => {
            map.error(node.span, format!("`{key}` must be a list, found {}", node.describe()));
            &[]
        }
        None => &[],
    }
}

/// The entries of a map that has a reader of its own.
fn entries<'a>(map: &mut MapReader<'a>, key: &'static str, example: &str) -> &'a [Entry] {
    match map.node(key).map(|node| (&node.value, node)) {
        Some((Value::Map(entries), _)) => entries,
        Some((_, node)) => {
            let message = format!("`{key}` must be a map, found {}", node.describe());
            map.error(node.span, message).help(format!("write `{example}` below it"));
            &[]
        }
        None => &[],
    }
}

fn check_name(what: &str, name: &str, span: Span, source: &Arc<Source>, diags: &mut Diagnostics) {
    if !is_name(name) {
        diags
            .error(source, span, format!("`{}` is no name of a {what}", shorten(name)))
            .help(format!("{A_NAME} of them"));
    }
}

fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=64).contains(&name.len()) && name.chars().all(fits) && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// The shape of a path in a list.
pub fn paths_shape() -> serde_json::Value {
    serde_json::json!({ "type": "array", "items": shape::filled() })
}

/// A path as it is shown.
pub fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
