//! What a resolved Compose file tells about its services: which one answers HTTP, on which port and path, and which one
//! is a database.

use crate::stack::docker::ResolvedModel;
use serde_json::Value;

/// Ports by which data stores, queues and the like are known. They speak no HTTP to users.
const STORE_PORTS: [u16; 11] = [1433, 2181, 3306, 4222, 5432, 5672, 6379, 9042, 9092, 11211, 27017];
/// Names of images by which they are known.
const STORES: [&str; 18] = [
    "cassandra",
    "elasticsearch",
    "etcd",
    "kafka",
    "mariadb",
    "memcached",
    "mongo",
    "mssql",
    "mysql",
    "nats",
    "pgvector",
    "postgis",
    "postgres",
    "postgresql",
    "rabbitmq",
    "redis",
    "valkey",
    "zookeeper",
];
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
    /// The services that it waits for, in order.
    pub needs: Vec<String>,
    /// Whether it is a data store.
    pub store: bool,
    /// Whether it is PostgreSQL, with a password that can be known.
    pub postgres: bool,
    /// Whether it is a job that ends, or on a network where it has no name.
    pub unfit: bool,
}

/// All services of a stack, in order.
pub fn services(model: &ResolvedModel) -> Vec<Service> {
    let jobs = model.jobs();
    let one = |name: String| {
        let image = text(model, &name, "/image");
        // `registry:5000/team/postgres-ha:16@sha256:…` → `postgres-ha`
        let image = image.rsplit('/').next().unwrap_or_default().split([':', '@']).next().unwrap_or_default();
        let is = |known: &str| image.split(['-', '_', '.']).any(|word| word == known);
        let environment = model.environment(&name);
        let ports = model.ports_of(&name);
        let check = health_check(model, &name);
        let asked = ask(&check, &name);
        let postgres = ["postgres", "postgresql", "postgis", "pgvector"].into_iter().any(is)
            || ["POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD"].iter().any(|key| environment.contains_key(*key))
                && ports.iter().all(|port| *port == 5432)
            || check.contains("pg_isready");
        let store = postgres
            || STORES.into_iter().any(is)
            || (!ports.is_empty() && ports.iter().all(|port| STORE_PORTS.contains(port)));
        let port = asked
            .as_ref()
            .map(|(port, _)| *port)
            .or_else(|| http_port(ports.iter().copied()))
            .or_else(|| KNOWN_PORTS.iter().find(|(known, _)| is(known)).map(|(_, port)| *port));
        Service {
            port,
            path: asked.map(|(_, path)| path),
            published: list(model, &name, "/ports").next().is_some(),
            needs: needs(model, &name),
            store,
            postgres: postgres && !environment.contains_key("POSTGRES_PASSWORD_FILE"),
            unfit: jobs.contains(&name) || model.networks_of(&name).is_empty(),
            name,
        }
    };
    model.services().into_iter().map(one).collect()
}

fn at<'m>(model: &'m ResolvedModel, service: &str, pointer: &str) -> Option<&'m Value> {
    pointer.split('/').skip(1).try_fold(None, |found: Option<&Value>, key| match found {
        None => model.service(service)?.get(key).map(Some),
        Some(value) => value.get(key).map(Some),
    })?
}

fn text<'m>(model: &'m ResolvedModel, service: &str, pointer: &str) -> &'m str {
    at(model, service, pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'m>(model: &'m ResolvedModel, service: &str, pointer: &str) -> impl Iterator<Item = &'m Value> + use<'m> {
    at(model, service, pointer).and_then(Value::as_array).into_iter().flatten()
}

/// Services that a service depends on, jobs included.
fn needs(model: &ResolvedModel, service: &str) -> Vec<String> {
    let needs = at(model, service, "/depends_on").and_then(Value::as_object);
    needs.into_iter().flat_map(|needs| needs.keys().cloned()).collect()
}

/// The command of a health check as one line.
fn health_check(model: &ResolvedModel, service: &str) -> String {
    let words = list(model, service, "/healthcheck/test").filter_map(Value::as_str);
    words.collect::<Vec<_>>().join(" ").replace("$$", "$")
}

/// The port and path that a health check asks for on its own service: `curl -f http://localhost:8080/healthz`,
/// `wget -q localhost:8080/healthz`, `exec 3<>/dev/tcp/127.0.0.1/8080 && printf "GET /healthz …"`.
fn ask(check: &str, service: &str) -> Option<(u16, String)> {
    let own = ["localhost", "127.0.0.1", "0.0.0.0", "[::1]", service];
    let (at, host) = own.iter().flat_map(|host| check.match_indices(host)).find(|(at, host)| {
        let before = check.get(..*at).unwrap_or_default();
        let after = check.get(at + host.len()..).unwrap_or_default();
        before.ends_with("http://")
            || (before.ends_with("/dev/tcp/") && after.starts_with('/'))
            || (before.ends_with([' ', '"', '\'']) && after.starts_with(':'))
    })?;
    let in_bash = check.get(..at)?.ends_with("/dev/tcp/");
    let after = check.get(at + host.len()..)?;
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
    if in_bash {
        let port = digits(after.get(1..)?).parse().ok()?;
        let path = ["GET /", "HEAD /"].iter().find_map(|verb| Some(check.split_once(verb)?.1))?;
        return Some((port, plain_path(&format!("/{path}"))));
    }
    match after.strip_prefix(':') {
        None => Some((80, plain_path(after))),
        Some(rest) => {
            let port = digits(rest);
            Some((port.parse().ok()?, plain_path(rest.get(port.len()..)?)))
        }
    }
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
    ports.filter(|port| !STORE_PORTS.contains(port) && !matches!(port, 22 | 443 | 8443)).min_by_key(rank)
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
