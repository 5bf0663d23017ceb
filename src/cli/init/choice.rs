//! From what is known about a stack to a drill: who answers the load, what breaks, and what helps against it.

use super::facts::{POSTGRES, Service};
use super::routes::{self, FoundRoute};
use super::text::fill;
use crate::error::Error;
use crate::faults::{Fault, FaultDraft};
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
    /// Kind of the fault.
    pub kind: &'static str,
    /// The services that hold connections to it, where it is a data store.
    pub clients: Vec<String>,
    /// What is written for that kind, with what the author must know of this choice.
    pub draft: FaultDraft,
}

/// Chooses; `service` and `fault` are what the command line asks for.
pub fn choose(services: &[Service], service: Option<&str>, fault: Option<&str>) -> Result<InitChoice, Error> {
    let kind = fault.map(known_kind).transpose()?;
    let mut entry = self::entry(services, service, &|_| true)?;
    let behind = behind(services, entry);
    let needed = |fits: &dyn Fn(&Service) -> bool| behind.iter().copied().find(|other| fits(other));
    let is_postgres = |other: &Service| other.store.is_some_and(|store| store.name == POSTGRES) && other.known_password;
    let postgres = || needed(&is_postgres).or_else(|| services.iter().find(|other| is_postgres(other)));
    // What users ask for goes through the services in front, whose source may be none.
    let routed = std::iter::once(entry).chain(behind.iter().copied());
    let mut routed = routed.filter_map(|one| Some((one, routes::routes(one.source.as_deref()?))));
    let routed: Option<(&Service, Vec<FoundRoute>)> = routed.find(|(_, all)| !all.is_empty());
    let reading = routed.as_ref().and_then(|(one, all)| Some((self::behind(services, one), routes::best(all)?)));
    // Of the stores only those that the service with this request needs.
    let read = reading.iter().flat_map(|(behind, _)| behind).copied().filter(|other| other.store.is_some());
    let read: Vec<&Service> = read.collect();
    let (target, kind) = match kind {
        // Without a request that needs the store, breaking it may hurt nobody, and the drill would prove nothing.
        None => match read.first().copied() {
            Some(store) if is_postgres(store) => (store, "postgres_connections"),
            store => (store.unwrap_or(entry), "container_kill"),
        },
        Some(kind) if kind.starts_with("postgres_") => {
            let server = postgres().ok_or_else(|| {
                Error::usage(format!("`{kind}` needs a PostgreSQL server, and no service of the stack is known as one"))
                    .hint("it is known by its image, or by POSTGRES_DB, POSTGRES_USER and POSTGRES_PASSWORD")
            })?;
            (server, kind)
        }
        Some(kind) => {
            let of_http = kind.starts_with("http_") || ["tcp_latency", "toxic"].contains(&kind);
            (needed(&|other| !of_http || other.store.is_none()).unwrap_or(entry), kind)
        }
    };
    let is_needed = |one: &Service| self::behind(services, one).iter().any(|other| other.name == target.name);
    if service.is_none() && target.name != entry.name && !is_needed(entry) {
        // Another service that users may call, if one needs what breaks.
        entry = self::entry(services, None, &is_needed).unwrap_or(entry);
    }
    let mut load_notes = Vec::new();
    if service.is_none() {
        let others = services.iter().filter(|other| answers(other) && other.name != entry.name);
        let others: Vec<&str> = others.map(|other| other.name.as_str()).collect();
        if !others.is_empty() {
            load_notes.push(format!("check: {} may answer users as well", list(&others)));
        }
    }
    if entry.port.is_none() {
        load_notes.push(format!("check: no port of `{}` is known, 8080 is a guess", entry.name));
    }
    let path = match &reading {
        Some((_, route)) if read.iter().any(|other| other.name == target.name) && is_needed(entry) => {
            load_notes.push(format!("check: {} seems to need `{}` ({})", route.path, target.name, route.place));
            Some(route.path.clone())
        }
        _ if target.name != entry.name && !is_needed(entry) => {
            let (entry, target) = (&entry.name, &target.name);
            let neither = format!("neither `depends_on` nor the environment of `{entry}` names `{target}`");
            load_notes.push(format!("check: {neither}: name a service and a request that need it"));
            None
        }
        // A health check may know nothing of what is behind its service.
        _ if target.name != entry.name => {
            load_notes.push(format!("check: a request that users make, and that needs `{}`", target.name));
            entry.path.clone().filter(|path| !routes::is_health(path))
        }
        _ => entry.path.clone(),
    };
    if target.name == entry.name && entry.path.is_none() {
        load_notes.push("check: a request that users make".into());
    }
    let asks = |other: &&Service| !other.unfit && target.store.is_some() && other.needs.contains(&target.name);
    let clients = services.iter().filter(asks).map(|other| other.name.clone()).collect();
    let mut draft = Fault::draft(kind);
    // A data store behind the service that is left whole because no request is known that needs it.
    let unproven = needed(&|other| other.store.is_some()).filter(|_| fault.is_none() && target.store.is_none());
    if let Some((store, what)) = unproven.and_then(|other| Some((&other.name, &other.store?.name))) {
        draft.advice = Some(format!(
            "`{store}` ({what}) is not broken, because no request is known that needs it: `{}` is. To break it, name such a \
             request in the scenario's `load`, and `{store}` at its fault and in the runbook",
            target.name
        ));
    }
    let url = format!("http://{}:{}{}", entry.name, entry.port.unwrap_or(8080), path.as_deref().unwrap_or("/"));
    let (entry, target) = (entry.name.clone(), target.name.clone());
    Ok(InitChoice { entry, url, load_notes, target, kind, clients, draft })
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

fn known_kind(wanted: &str) -> Result<&'static str, Error> {
    Fault::KINDS.iter().copied().find(|kind| *kind == wanted).ok_or_else(|| {
        Error::usage(format!("there is no fault `{wanted}`")).hint(did_you_mean(wanted, Fault::KINDS.iter().copied()))
    })
}

/// Whether a service may well answer users.
fn answers(service: &Service) -> bool {
    service.store.is_none() && !service.unfit && service.port.is_some()
}

/// The service that users call: one that answers, best on a published port, best one that needs others; where something else is asked for
/// as well, one of those that fit.
fn entry<'s>(all: &'s [Service], wanted: Option<&str>, fits: &dyn Fn(&Service) -> bool) -> Result<&'s Service, Error> {
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
    let fit = fit.filter(|service| fits(service));
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
        format!("{}-{}", self.target, self.draft.name)
    }

    /// Title of scenario and runbook.
    pub fn title(&self) -> String {
        let InitChoice { entry, target, .. } = self;
        let what = self.draft.title.replace("{target}", target).replace("{entry}", entry);
        if entry == target { what } else { format!("{entry} fails because {what}") }
    }

    /// The item of `faults`, as YAML.
    pub fn fault(&self) -> String {
        let settings = self.draft.settings.replace("{target}", &super::yaml(&self.target));
        format!("{}: {settings}", self.kind)
    }

    /// Text of the runbook's sections *Impact*, *Mitigation* and *Rollback*.
    pub fn words(&self) -> [String; 3] {
        let InitChoice { entry, target, .. } = self;
        let impact = match entry == target {
            true => format!("Users of {entry} are not served."),
            false => format!("Users of {entry} are not served as long as {entry} needs {target} and does not get it."),
        };
        let (why, command) = &self.draft.cure;
        let mut mitigation = format!(
            "### Step 1: Bring the service back\n\n{why}\n\n```bash\ndocker compose {command} \"$SERVICE\"\n```"
        );
        if !self.clients.is_empty() {
            mitigation.push_str(fill(CLIENTS, &[("clients", &self.clients.join(" "))]).trim_end());
        }
        [impact, mitigation, "The service runs as it did before: there is nothing to take back.".into()]
    }
}
