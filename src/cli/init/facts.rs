//! What a resolved stack tells about its services: which one answers HTTP, on which port and path, and which one
//! is a data store of which kind.

use crate::source::TextPattern;
use crate::stack::ServiceFacts;
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::LazyLock;

/// A data store, a queue or a pool of connections: what speaks no HTTP to users.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Store {
    /// As people call it.
    pub name: String,
    /// Words of images and names of services.
    words: Vec<String>,
    /// Programs of its health check.
    checks: Vec<String>,
    /// The ports that it listens on.
    ports: Vec<u16>,
}

/// PostgreSQL, of which faults of its own exist.
pub const POSTGRES: &str = "PostgreSQL";

/// What is known, in `stores.json`. The first that fits is meant: PgBouncer is asked by PostgreSQL's clients.
static STORES: LazyLock<Vec<Store>> =
    LazyLock::new(|| serde_json::from_str(include_str!("stores.json")).unwrap_or_default());
/// Ports that images listen on whose Compose files rarely say so.
const KNOWN_PORTS: [(&str, u16); 4] = [("caddy", 80), ("httpd", 80), ("nginx", 80), ("whoami", 80)];

/// A service, as far as it can be known without starting it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// The port that most likely answers HTTP.
    pub port: Option<u16>,
    /// The path that its health check asks for.
    pub path: Option<String>,
    /// Whether a port is published on the host: users may well come in there.
    pub published: bool,
    /// The services that it waits for or that its environment names, in order.
    pub needs: Vec<String>,
    /// The data store that it is, if it is one.
    pub store: Option<&'static Store>,
    /// Whether its password is in its environment, by which faults of its own can be put into it.
    pub known_password: bool,
    /// The folder of its source, where it is built from one.
    pub source: Option<PathBuf>,
    /// Whether it is a job that ends, or on a network where it has no name.
    pub unfit: bool,
}

/// All services of a stack, in order.
pub fn services(all: &[ServiceFacts]) -> Vec<Service> {
    let one = |facts: &ServiceFacts| {
        let asked = ask(&facts.health_check, &facts.name);
        let port =
            asked.as_ref().map(|(port, _)| *port).or_else(|| http_port(facts.ports.iter().copied())).or_else(|| {
                KNOWN_PORTS.iter().find(|(known, _)| has_word(short_image(&facts.image), known)).map(|(_, port)| *port)
            });
        let (store, needs) = (store(facts, all, asked.is_some()), needs(facts, all));
        let known_password = !facts.environment.contains_key("POSTGRES_PASSWORD_FILE");
        let (path, published, unfit) = (asked.map(|(_, path)| path), facts.published, facts.is_job || !facts.has_name);
        let (name, source) = (facts.name.clone(), facts.source.clone());
        Service { name, port, path, published, needs, store, known_password, source, unfit }
    };
    all.iter().map(one).collect()
}

/// Which data store a service is, by what is surest first: its image, its health check, its ports, its name. One whose health check speaks
/// HTTP is none unless its image says so.
fn store(facts: &ServiceFacts, all: &[ServiceFacts], speaks_http: bool) -> Option<&'static Store> {
    let ServiceFacts { name, ports, health_check: check, .. } = facts;
    let image = short_image(&facts.image);
    let first = |fits: &dyn Fn(&Store) -> bool| STORES.iter().find(|store| fits(store));
    let sure = first(&|store| store.words.iter().any(|word| has_word(image, word)));
    if sure.is_some() || speaks_http {
        return sure;
    }
    let asks_another = all.iter().any(|other| other.name != *name && names(check, &other.name));
    first(&|store| !asks_another && store.checks.iter().any(|word| names(check, word)))
        .or_else(|| first(&|store| store.ports.iter().any(|port| ports.contains(port))))
        .or_else(|| first(&|store| ports.is_empty() && store.words.contains(name)))
}

/// `registry:5000/team/postgres-ha:16@sha256:…` → `postgres-ha`.
fn short_image(image: &str) -> &str {
    image.rsplit('/').next().unwrap_or_default().split([':', '@']).next().unwrap_or_default()
}

/// Whether a text holds a name as a whole: `mysql` is not in `mysqladmin`.
fn names(text: &str, name: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    text.split(|c| !part(c)).any(|word| word == name)
}

/// Whether an image's name holds a word: `postgres` in `postgres-ha`.
fn has_word(image: &str, word: &str) -> bool {
    image.split(['-', '_', '.']).any(|part| part == word)
}

/// Services that a service depends on, jobs included, and those that its environment names as hosts.
fn needs(facts: &ServiceFacts, all: &[ServiceFacts]) -> Vec<String> {
    let mut needs = facts.waits_for.clone();
    for (variable, value) in &facts.environment {
        let host = value.split("://").last().unwrap_or_default();
        let host =
            host.rsplit_once('@').map_or(host, |(_, host)| host).split(['/', ':', ',']).next().unwrap_or_default();
        let known = all.iter().any(|other| other.name == host && other.name != facts.name);
        // `POSTGRES_DB: shop` beside a service `shop` is no host.
        let is_host = value.contains("://") || value.contains(':') || variable.to_uppercase().contains("HOST");
        if known && is_host && !needs.iter().any(|other| other == host) {
            needs.push(host.to_string());
        }
    }
    needs
}

/// The port and path that a health check asks for on its own service: `curl -f http://localhost:8080/healthz`,
/// `wget -q localhost:8080/healthz`, `exec 3<>/dev/tcp/127.0.0.1/8080 && printf "GET /healthz …"`.
fn ask(check: &str, service: &str) -> Option<(u16, String)> {
    static ASKED: TextPattern = TextPattern::new(
        r#"http://(\[::1\]|[\w.-]+)(?::([0-9]+))?|[ "'](\[::1\]|[\w.-]+):([0-9]+)|/dev/tcp/([\w.-]+)/([0-9]+)"#,
    );
    let own = ["localhost", "127.0.0.1", "0.0.0.0", "[::1]", service];
    ASKED.captures_iter(check).find_map(|found| {
        let part = |at| found.get(at).map(|part| part.as_str());
        let (host, port) = (part(1).or(part(3)).or(part(5))?, part(2).or(part(4)).or(part(6)));
        let behind = check.get(found.get(0)?.end()..)?;
        let in_bash = || ["GET /", "HEAD /"].iter().find_map(|verb| Some(format!("/{}", check.split_once(verb)?.1)));
        let path = if part(5).is_some() { in_bash()? } else { behind.to_string() };
        let is_known = own.contains(&host) && (port.is_some() || !behind.starts_with(':'));
        is_known.then_some((port.unwrap_or("80").parse().ok()?, plain_path(&path)))
    })
}

/// A path up to what ends a word of a shell; whatever cannot stand in a load's URL ends it as well.
fn plain_path(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "/._~-%=&?+,:@!".contains(c);
    let path: String = text.chars().take_while(|c| fits(*c)).collect();
    if path.starts_with('/') { path } else { "/".into() }
}

/// The port of several that users most likely call: the usual ones first, then the lowest.
fn http_port(ports: impl Iterator<Item = u16>) -> Option<u16> {
    const USUAL: [u16; 6] = [80, 8080, 8000, 3000, 5000, 8081];
    let rank = |port: &u16| (USUAL.iter().position(|usual| usual == port).unwrap_or(USUAL.len()), *port);
    ports
        .filter(|port| !STORES.iter().any(|store| store.ports.contains(port)) && !matches!(port, 22 | 443 | 8443))
        .min_by_key(rank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_checks_tell_port_and_path() {
        let cases = [
            ("CMD curl -f http://localhost:8080/healthz", Some((8080, "/healthz"))),
            ("CMD-SHELL curl -fsS http://127.0.0.1/up || exit 1", Some((80, "/up"))),
            ("CMD-SHELL wget -qO- localhost:3000/api/health?deep=1 | grep ok", Some((3000, "/api/health?deep=1"))),
            ("CMD-SHELL test \"$(curl -s 'http://web:8000')\" = ok", Some((8000, "/"))),
            (
                "CMD bash -c exec 3<>/dev/tcp/127.0.0.1/8080 && printf \"GET /healthz HTTP/1.0\\r\\n\"",
                Some((8080, "/healthz")),
            ),
            ("CMD curl -k https://localhost:8443/", None),
            ("CMD curl http://other:80/", None),
            ("CMD pg_isready --host=127.0.0.1", None),
            ("CMD curl http://localhost:99999/", None),
            ("CMD bash -c exec 3<>/dev/tcp/127.0.0.1/6379", None),
            ("", None),
        ];
        for (check, expected) in cases {
            assert_eq!(ask(check, "web"), expected.map(|(port, path)| (port, path.to_string())), "{check}");
        }
    }

    #[test]
    fn the_usual_port_wins() {
        assert_eq!(http_port([9100, 8080].into_iter()), Some(8080));
        assert_eq!(http_port([9200, 9100].into_iter()), Some(9100));
        assert_eq!(http_port([5432, 443].into_iter()), None);
    }

    proptest::proptest! {
        #[test]
        fn no_health_check_makes_it_panic(check in "\\PC*|(CMD|http://|localhost|/dev/tcp/|127.0.0.1|:|GET |/|[0-9]){0,12}") {
            if let Some((_, path)) = ask(&check, "web") {
                proptest::prop_assert!(path.starts_with('/'));
            }
        }
    }
}
