//! From what is known about a stack to a drill: who answers the load, what breaks, and what helps against it.

use super::facts::{POSTGRES, Service};
use super::routes::{self, FoundRoute};
use super::text::fill;
use crate::error::Error;
use crate::source::{did_you_mean, list};

const CLIENTS: &str = include_str!("clients.md");

/// What the drill is about.
#[derive(Debug)]
pub struct InitChoice {
    /// The service that users call.
    pub entry: String,
    /// The request of the load.
    pub url: String,
    /// What to check about the request.
    pub load_notes: Vec<String>,
    /// The service that breaks.
    pub target: String,
    /// Whether its connections are used up, as a PostgreSQL server's can be; otherwise it is killed.
    pub is_postgres: bool,
    /// The services that hold connections to it, where it is a data store.
    pub clients: Vec<String>,
    /// What the author must know of this choice.
    pub advice: Option<String>,
}

/// Chooses; `wanted` is the service that the command line names.
pub fn choose(services: &[Service], wanted: Option<&str>) -> Result<InitChoice, Error> {
    let entry = entry(services, wanted)?;
    let behind = behind(services, entry);
    let mut load_notes = Vec::new();
    if wanted.is_none() {
        let others = services.iter().filter(|other| answers(other) && other.name != entry.name);
        let others: Vec<&str> = others.map(|other| other.name.as_str()).collect();
        if !others.is_empty() {
            load_notes.push(format!("check: {} may answer users as well", list(&others)));
        }
    }
    if entry.port.is_none() {
        load_notes.push(format!("check: no port of `{}` is known, 8080 is a guess", entry.name));
    }
    // Without a request that needs the store, breaking it may hurt nobody, and the drill would prove nothing.
    let read = read_store(services, entry, &behind);
    let (target, path) = match read {
        Some((store, route)) => {
            load_notes.push(format!("check: {} seems to need `{}` ({})", route.path, store.name, route.place));
            (store, Some(route.path))
        }
        None => (entry, entry.path.clone()),
    };
    if path.is_none() {
        load_notes.push("check: a request that users make".into());
    }
    let asks = |other: &&Service| !other.unfit && target.store.is_some() && other.needs.contains(&target.name);
    let clients = services.iter().filter(asks).map(|other| other.name.clone()).collect();
    // A data store behind the service that is left whole because no request is known that needs it.
    let whole = behind.iter().filter(|_| target.store.is_none());
    let mut whole = whole.filter_map(|other| Some((&other.name, &other.store?.name)));
    let advice = whole.next().map(|(store, what)| {
        format!(
            "`{store}` ({what}) is not broken, because no request is known that needs it: `{}` is. To break it, name such a \
             request in the scenario's `load`, and `{store}` at its fault and in the runbook",
            target.name
        )
    });
    let url = format!("http://{}:{}{}", entry.name, entry.port.unwrap_or(8080), path.as_deref().unwrap_or("/"));
    let is_read = target.name != entry.name;
    let is_postgres = is_read && target.known_password && target.store.is_some_and(|store| store.name == POSTGRES);
    let (entry, target) = (entry.name.clone(), target.name.clone());
    Ok(InitChoice { entry, url, load_notes, target, is_postgres, clients, advice })
}

/// The first data store that is needed by what answers users, and a request that seems to read from it. What users ask for goes through
/// the services in front, whose source may be none.
fn read_store<'s>(all: &'s [Service], entry: &'s Service, behind: &[&'s Service]) -> Option<(&'s Service, FoundRoute)> {
    let mut routed = std::iter::once(entry).chain(behind.iter().copied());
    let (one, routes) = routed.find_map(|one| {
        let routes = routes::routes(one.source.as_deref()?);
        (!routes.is_empty()).then_some((one, routes))
    })?;
    let store = self::behind(all, one).into_iter().find(|other| other.store.is_some() && other.name != entry.name)?;
    Some((store, routes::best(&routes)?.clone()))
}

/// The services behind one: those that it needs, then those that these need, each once.
fn behind<'s>(services: &'s [Service], entry: &'s Service) -> Vec<&'s Service> {
    let mut found: Vec<&Service> = vec![entry];
    let mut at = 0;
    while let Some(service) = found.get(at) {
        for name in &service.needs {
            let other = services.iter().find(|other| other.name == *name && !other.unfit);
            found.extend(other.filter(|other| found.iter().all(|known| known.name != other.name)));
        }
        at += 1;
    }
    found.split_off(1)
}

/// Whether a service may well answer users.
fn answers(service: &Service) -> bool {
    service.store.is_none() && !service.unfit && service.port.is_some()
}

/// The service that users call: one that answers, best on a published port, best one that needs others.
fn entry<'s>(all: &'s [Service], wanted: Option<&str>) -> Result<&'s Service, Error> {
    let names = || all.iter().map(|service| service.name.as_str());
    if let Some(wanted) = wanted {
        return all.iter().find(|service| service.name == wanted).ok_or_else(|| {
            Error::usage(format!("the stack has no service `{wanted}`")).hint(did_you_mean(wanted, names()))
        });
    }
    // What another one needs stands behind it: users come in at the front.
    let is_behind = |name: &String| all.iter().any(|other| !other.unfit && other.needs.contains(name));
    let rank = |service: &&Service| {
        let (needs, has_path) = (service.needs.len().min(1), service.path.is_some());
        (answers(service), service.published, !is_behind(&service.name), needs, has_path)
    };
    let fit = all.iter().filter(|service| service.store.is_none() && !service.unfit);
    // Of equals the first one counts.
    fit.rev().max_by_key(rank).ok_or_else(|| {
        let names = list(&names().collect::<Vec<_>>());
        Error::usage("no service of the stack is known to answer HTTP, which a load needs")
            .hint(format!("name the one that does with `--service` (those of a profile are left out): {names}"))
    })
}

impl InitChoice {
    /// Name of scenario and runbook, unless the command line gives one.
    pub fn name(&self) -> String {
        format!("{}-{}", self.target, if self.is_postgres { "connections" } else { "down" })
    }

    /// Title of scenario and runbook.
    pub fn title(&self) -> String {
        let InitChoice { entry, target, .. } = self;
        let what = format!("{target} {}", if self.is_postgres { "has no free connections" } else { "is down" });
        if entry == target { what } else { format!("{entry} fails because {what}") }
    }

    /// The item of `faults`, as YAML.
    pub fn fault(&self) -> String {
        let kind = if self.is_postgres { "postgres_connections" } else { "container_kill" };
        format!("{kind}: {{ service: {} }}", super::yaml(&self.target))
    }

    /// Text of the runbook's sections *Impact* and *Mitigation*.
    pub fn words(&self) -> [String; 2] {
        let InitChoice { entry, target, .. } = self;
        let impact = match entry == target {
            true => format!("Users of {entry} are not served."),
            false => format!("Users of {entry} are not served as long as {entry} needs {target} and does not get it."),
        };
        let why = match self.is_postgres {
            true => "A restart ends every session, those that do harm and all others. Who was at work sees one error.",
            false => "What the service had in memory is lost.",
        };
        let clients = match self.clients.as_slice() {
            [] => String::new(),
            clients => fill(CLIENTS, &[("clients", &clients.join(" "))]),
        };
        [impact, format!("{why}\n\n```bash\ndocker compose restart \"$SERVICE\"\n```{}", clients.trim_end())]
    }
}
