//! From what is known about a stack to a drill: who answers the load, what breaks, and what helps against it.

use super::facts::Service;
use crate::error::Error;
use crate::faults::Fault;
use crate::source::{did_you_mean, list};

/// What the drill is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The service that users call.
    pub entry: String,
    /// Port and path of the request.
    pub port: u16,
    /// See `port`.
    pub path: String,
    /// What to check about the request.
    pub load_notes: Vec<String>,
    /// The service that breaks.
    pub target: String,
    /// Kind of the fault.
    pub kind: &'static str,
    /// What to check about the fault.
    pub fault_notes: Vec<String>,
}

/// Chooses; `service` and `fault` are what the command line asks for.
pub fn choose(services: &[Service], service: Option<&str>, fault: Option<&str>) -> Result<Choice, Error> {
    let kind = fault.map(known_kind).transpose()?;
    let entry = entry(services, service)?;
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
    let needed = |fits: &dyn Fn(&Service) -> bool| {
        let needed = entry.needs.iter().filter_map(|name| services.iter().find(|other| other.name == *name));
        needed.filter(|other| !other.unfit).find(|other| fits(other))
    };
    let postgres = || needed(&|other| other.postgres).or_else(|| services.iter().find(|other| other.postgres));
    let (target, kind) = match kind {
        None => match (needed(&|other| other.postgres), needed(&|_| true)) {
            (Some(server), _) => (server, "postgres_connections"),
            (None, Some(other)) => (other, "container_kill"),
            (None, None) => (entry, "container_kill"),
        },
        Some(kind) if kind.starts_with("postgres_") => {
            let server = postgres().ok_or_else(|| {
                Error::usage(format!("`{kind}` needs a PostgreSQL server, and no service of the stack is known as one"))
                    .hint("it is known by its image, or by POSTGRES_DB, POSTGRES_USER and POSTGRES_PASSWORD")
            })?;
            (server, kind)
        }
        Some(kind @ "http_status") => (needed(&|other| !other.store).unwrap_or(entry), kind),
        Some(kind) => (needed(&|_| true).unwrap_or(entry), kind),
    };
    if target.name != entry.name {
        load_notes.push(format!("check: a request that users make, and that needs `{}`", target.name));
    } else if entry.path.is_none() {
        load_notes.push("check: a request that users make".into());
    }
    let mut fault_notes = Vec::new();
    if kind == "postgres_lock" {
        fault_notes.push("check: the table that users wait for".into());
    }
    if kind == "command" {
        fault_notes.push(
            "check: what breaks the service, how that is undone, and how it is seen (exit 0: it is in place)".into(),
        );
    }
    if kind == "deploy" {
        fault_notes.push(
            "check: what a bad release sets: `variables` of the Compose file, `image`, `environment`, `command`".into(),
        );
    }
    if kind == "files" {
        fault_notes.push("check: what is lost: a path on one of the service's volumes".into());
    }
    if kind == "sql" {
        fault_notes
            .push("check: what is done to which data, and the query by which it is seen (true: it is in place)".into());
    }
    if kind == "load_surge" {
        fault_notes.push("check: more requests a second than the service can serve".into());
    }
    if kind == "http_status" {
        fault_notes.push("check: the answer that this service gives when it is in trouble".into());
    }
    Ok(Choice {
        entry: entry.name.clone(),
        port: entry.port.unwrap_or(8080),
        path: entry.path.clone().unwrap_or_else(|| "/".into()),
        load_notes,
        target: target.name.clone(),
        kind,
        fault_notes,
    })
}

fn known_kind(wanted: &str) -> Result<&'static str, Error> {
    Fault::KINDS.iter().copied().find(|kind| *kind == wanted).ok_or_else(|| {
        Error::usage(format!("there is no fault `{wanted}`")).hint(did_you_mean(wanted, Fault::KINDS.iter().copied()))
    })
}

/// Whether a service may well answer users.
fn answers(service: &Service) -> bool {
    !service.store && !service.unfit && service.port.is_some()
}

/// The service that users call: one that answers, best on a published port, best one that needs others.
fn entry<'s>(services: &'s [Service], wanted: Option<&str>) -> Result<&'s Service, Error> {
    let names = || services.iter().map(|service| service.name.as_str());
    if let Some(wanted) = wanted {
        return services.iter().find(|service| service.name == wanted).ok_or_else(|| {
            Error::usage(format!("the stack has no service `{wanted}`")).hint(did_you_mean(wanted, names()))
        });
    }
    let rank =
        |service: &&Service| (answers(service), service.published, service.needs.len().min(1), service.path.is_some());
    let fit = services.iter().filter(|service| !service.store && !service.unfit);
    // Of equals the first one counts.
    fit.rev().max_by_key(rank).ok_or_else(|| {
        let names: Vec<&str> = names().collect();
        let error = Error::usage("no service of the stack is known to answer HTTP, which a load needs");
        if names.is_empty() {
            return error.hint("the Compose file has no services; those of a profile are not looked at");
        }
        error.hint(format!("name the one that does with `--service`: there is {}", list(&names)))
    })
}

impl Choice {
    /// Name of scenario and runbook, unless the command line gives one.
    pub fn name(&self) -> String {
        let what = match self.kind {
            "container_pause" => "hangs",
            "http_status" => "503",
            "command" => "broken",
            "deploy" => "release",
            "files" => "files",
            "load_surge" => "surge",
            "postgres_connections" => "connections",
            "postgres_lock" => "lock",
            "sql" => "data",
            _ => "down",
        };
        format!("{}-{what}", self.target)
    }

    /// The request of the load.
    pub fn url(&self) -> String {
        format!("http://{}:{}{}", self.entry, self.port, self.path)
    }

    /// Title of scenario and runbook.
    pub fn title(&self) -> String {
        let Choice { entry, target, .. } = self;
        let what = match self.kind {
            "container_pause" => format!("{target} hangs"),
            "http_status" => format!("{target} answers 503"),
            "command" => format!("{target} is broken"),
            "deploy" => format!("a release breaks {target}"),
            "files" => format!("{target} has lost its files"),
            "load_surge" => format!("{entry} has more users than it can serve"),
            "postgres_connections" => format!("{target} has no free connections"),
            "postgres_lock" => format!("a lock in {target} stops everybody"),
            "sql" => format!("{target} has lost its data"),
            _ => format!("{target} is down"),
        };
        if entry == target { what } else { format!("{entry} fails because {what}") }
    }

    /// The item of `faults`, as YAML.
    pub fn fault(&self) -> String {
        if self.kind == "load_surge" {
            return "load_surge: { load: users, rate: 200/s }".into();
        }
        let more = match self.kind {
            "command" => ", run: touch /tmp/broken, undo: rm -f /tmp/broken, confirm: test -e /tmp/broken",
            "deploy" => ", environment: { BROKEN: \"1\" }",
            "files" => ", path: /data, do: remove, irreversible: true",
            "http_status" => ", status: 503",
            "postgres_lock" => ", table: orders",
            "sql" => ", run: DELETE FROM orders, confirm: SELECT count(*) = 0 FROM orders, irreversible: true",
            _ => "",
        };
        format!("{}: {{ service: {}{more} }}", self.kind, super::text::yaml(&self.target))
    }

    /// Text of the runbook's sections *Impact*, *Mitigation* and *Rollback*.
    pub fn words(&self) -> [String; 3] {
        let Choice { entry, target, .. } = self;
        let impact = match entry == target {
            true => format!("Users of {entry} are not served."),
            false => format!("Users of {entry} are not served as long as {entry} needs {target} and does not get it."),
        };
        let [why, command] = match self.kind {
            "container_pause" => ["A service that hangs is woken up.", "docker compose unpause \"$SERVICE\""],
            "postgres_connections" | "postgres_lock" => [
                "A restart ends every session, those that do harm and all others. Who was at work sees one error.",
                "docker compose restart \"$SERVICE\"",
            ],
            _ => ["What the service had in memory is lost.", "docker compose restart \"$SERVICE\""],
        };
        let mitigation = format!("### Step 1: Bring the service back\n\n{why}\n\n```bash\n{command}\n```");
        [impact, mitigation, "The service runs as it did before: there is nothing to take back.".into()]
    }

    /// What the runbook cannot know, to be told when it is written.
    pub fn advice(&self) -> Option<&'static str> {
        match self.kind {
            "http_status" => Some(
                "a restart does not cure `http_status`: write into the runbook's mitigation what takes the service out of the way",
            ),
            "files" | "sql" => {
                Some("a restart brings no data back: write into the runbook's mitigation how it is restored")
            }
            "command" | "deploy" | "load_surge" => {
                Some("a restart does hardly cure this fault: write into the runbook's mitigation what does")
            }
            _ => None,
        }
    }
}
