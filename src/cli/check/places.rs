//! What the steps of a runbook need of the place in which they run: programs, as the images have them, and ports of
//! `localhost`, as the stack publishes them.

use crate::engine::place_of;
use crate::programs::simple::wrapped;
use crate::runbook::Runbook;
use crate::runbook::look::{PageCommand, calls_in, commands};
use crate::shell::PROGRAMS;
use crate::source::{Diagnostics, Span, TextPattern, host_of, nearest};
use crate::spec::Plan;
use crate::stack::{Place, Published, ResolvedStack, StackError};
use regex::Captures;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::iter::successors;

/// What bash does itself.
const OWN: &str = include_str!("builtins.txt");
/// What a word has in it that the shell still changes, or a person fills in.
const UNKNOWN: [char; 12] = ['$', '`', '"', '\'', '\\', '*', '?', '[', '{', '<', '>', '~'];
/// What helps where a drill cannot have what a command needs.
const INSTEAD: &str = "put a command there that does the same in a drill, `steps: { ID: { run: … } }`, or leave the step out, \
                       `steps: { ID: { skip: … } }`";
/// Ports of `localhost` as commands write them.
static LOCALHOST: TextPattern = TextPattern::new(r"(?:\blocalhost|\b127\.0\.0\.1|\[::1\]):([0-9]{1,5})\b");

/// How many ports of the stack are named to each command that asks for another one.
const MOST_PORTS: usize = 100;
/// How many programs are looked for in a place; each costs requests to the engine.
const MOST_ASKED: usize = 500;
/// How many programs that a place does not have are reported.
const MOST_MISSING: usize = 50;

/// A call of `docker` or `kubectl`, all of whose words are as the runbook has them.
struct CheckedCall {
    words: Vec<String>,
    /// What the scenario has in its environment for Docker and Compose.
    env: Vec<(String, String)>,
    span: Span,
}

/// What the followed commands of a plan use, each with its place in the runbook.
#[derive(Default)]
struct Uses {
    calls: Vec<CheckedCall>,
    /// The programs by the places in which they are called, each with its first call.
    programs: BTreeMap<String, (Place, BTreeMap<String, Span>)>,
    /// The ports of `localhost` that are asked for in the toolbox.
    ports: Vec<(u16, Span)>,
    /// The services and hosts that are named.
    names: Vec<(String, Span)>,
}

/// Warns of ports of `localhost` on which nothing listens in the toolbox, of calls of `docker` and `kubectl` that a drill
/// refuses, and of names that nearly are those of a service. A word that is only known in the drill is left alone.
pub(super) fn check_ports_and_calls(plan: &Plan, stack: &dyn ResolvedStack, diags: &mut Diagnostics) {
    let Some(runbook) = &plan.runbook else { return };
    let (uses, published) = (uses(plan, runbook), stack.published());
    let known = known_ports(&published);
    let closed = uses.ports.into_iter().filter(|(port, _)| !published.ports.contains_key(port));
    let closed = closed.map(|(port, span)| {
        let what = format!("nothing listens on localhost:{port} in the toolbox: the stack publishes no such TCP port");
        let help =
            format!("call the service by its name inside the stack (`service:port`), or publish the port; {known}");
        (what, help, span)
    });
    let refused = uses.calls.into_iter().filter_map(|CheckedCall { words, env, span }| {
        let (program, args) = words.split_first()?;
        let what = format!("a drill refuses this call: {}", stack.refuses((program, args), &env)?);
        Some((what, INSTEAD.to_string(), span))
    });
    let (services, hosts) = (stack.services(), stack.hosts());
    let misspelt = uses.names.into_iter().filter(|(name, _)| !services.contains(name) && !hosts.contains(name));
    let misspelt = misspelt.filter_map(|(name, span)| {
        let near = nearest(&name, services.iter().map(String::as_str))?;
        Some((format!("the stack has no service `{name}`"), format!("did you mean `{near}`?"), span))
    });
    for (what, help, span) in closed.chain(refused).chain(misspelt) {
        diags.warning(&runbook.source, span, what).help(help);
    }
}

/// What a stack publishes, as it stands in each of these warnings.
fn known_ports(published: &Published) -> String {
    let known = published.ports.iter().map(|(port, service)| format!("localhost:{port} is {service}"));
    let known = known.chain(published.left_out.iter().map(|line| format!("not {line}")));
    let known: Vec<String> = known.take(MOST_PORTS).collect();
    if known.is_empty() { "it publishes none".into() } else { known.join("; ") }
}

/// Warns of programs that a step uses and its place does not have. Places whose image is not here yet are returned: nobody
/// could look.
///
/// # Errors
/// `Environment` when the engine does not answer.
pub(super) async fn check_programs(
    plan: &Plan,
    stack: &dyn ResolvedStack,
    diags: &mut Diagnostics,
) -> Result<Vec<String>, StackError> {
    let mut unseen = Vec::new();
    let Some(runbook) = &plan.runbook else { return Ok(unseen) };
    for (name, (place, firsts)) in uses(plan, runbook).programs {
        let wanted: BTreeSet<String> = firsts.keys().take(MOST_ASKED).cloned().collect();
        let Some(missing) = stack.missing_programs(&place, &wanted).await? else {
            unseen.push(name);
            continue;
        };
        for program in missing.into_iter().take(MOST_MISSING) {
            let elsewhere = elsewhere(stack, &place, &program).await?;
            let Some(first) = firsts.get(&program) else { continue };
            let help = ways_out(&elsewhere);
            let message = format!("there is no `{program}` in {name}: the step would fail");
            diags.warning(&runbook.source, *first, message).help(help);
        }
    }
    Ok(unseen)
}

/// The other places of the stack that have a program.
async fn elsewhere(stack: &dyn ResolvedStack, place: &Place, program: &str) -> Result<Vec<Place>, StackError> {
    let wanted = BTreeSet::from([program.to_string()]);
    let mut found = Vec::new();
    for other in std::iter::once(Place::Toolbox).chain(stack.services().into_iter().map(Place::Service)) {
        if other != *place && stack.missing_programs(&other, &wanted).await?.is_some_and(|missing| missing.is_empty()) {
            found.push(other);
        }
    }
    Ok(found)
}

fn ways_out(elsewhere: &[Place]) -> String {
    let there: Vec<String> = elsewhere.iter().map(named).collect();
    let there =
        if there.is_empty() { String::new() } else { format!("it is in {}: `in=` says where; or ", there.join(", ")) };
    format!("{there}install it there, name a toolbox that has it, `stack: {{ file: …, toolbox: IMAGE }}`; or {INSTEAD}")
}

fn uses(plan: &Plan, runbook: &Runbook) -> Uses {
    let Uses { mut calls, mut programs, mut ports, mut names } = Uses::default();
    let shells = commands(runbook);
    let all: String = runbook.steps.iter().flat_map(|step| step.commands()).map(|c| format!("{}\n", c.text)).collect();
    // What a step starts by itself listens on `localhost` as well.
    let defined = defined(&all);
    let sets_its_own = ["COMPOSE_", "DOCKER_"].iter().any(|name| all.contains(name));
    let tunnels = ["port-forward", "ssh ", "http.server", "socat"].iter().any(|word| all.contains(word));
    for shell in shells.iter().filter(|shell| !shell.held && plan.respond.phases.contains(&shell.step.phase)) {
        let settings = shell.step.settings(shell.command.block);
        if settings.skip.is_some() || shell.command.by_hand.is_some() {
            continue;
        }
        let place = place_of(&settings, shell.command, &plan.respond);
        let whole = shell.place(Span::new(0, shell.command.text.len()));
        let mut add = |program: &str, span: Span| {
            let name = program.rsplit('/').next().unwrap_or_default();
            if is_program(program) && !defined.contains(name) {
                let (_, firsts) = programs.entry(named(&place)).or_insert_with(|| (place.clone(), BTreeMap::new()));
                firsts.entry(name.to_string()).or_insert(span);
            }
        };
        let client = plan.respond.clients.get(&shell.command.language);
        for call in client.iter().flat_map(|client| calls_in(&client.command)) {
            chain(&call.words).into_iter().for_each(|(_, program)| add(program, whole));
        }
        let own = if client.is_none() { shell.whole_calls() } else { Vec::new() };
        for call in own {
            let placed = |at: usize| call.places.get(at).map_or(whole, |place| shell.place(*place));
            names.extend(named_in(&call.words).into_iter().map(|(at, name)| (name.to_string(), placed(at))));
            for (number, program) in chain(&call.words) {
                let span = call.places.get(number).map_or(whole, |at| shell.place(*at));
                add(program, span);
                let words = call.words.get(number..).unwrap_or_default();
                // What a step sets itself is not known here, nor what `xargs` adds.
                let mut before = call.words.iter().take(number);
                let fed = before.any(|word| word.rsplit('/').next() == Some("xargs"));
                let known = !fed && !sets_its_own && words.iter().all(|word| !word.contains(UNKNOWN));
                if PROGRAMS.contains(&program) && known {
                    let words = words.iter().map(|word| (*word).to_string()).collect();
                    calls.push(CheckedCall { words, env: environment(plan, &shell.step.id), span });
                }
            }
        }
        if place == Place::Toolbox && !tunnels {
            let placed = |(port, start, end)| (port, shell.place(Span::new(start, end)));
            ports.extend(ports_of(shell).into_iter().map(placed));
        }
    }
    Uses { calls, programs, ports, names }
}

/// The words of a call that name a service of Compose or a host, each with its number: `docker compose restart web`, `psql -h db`,
/// `http://web:8080`.
fn named_in<'w>(words: &[&'w str]) -> Vec<(usize, &'w str)> {
    const OF_ONE: [&str; 2] = ["exec", "run"];
    const OF_SEVERAL: [&str; 13] =
        ["restart", "stop", "start", "kill", "pause", "unpause", "rm", "up", "logs", "ps", "top", "create", "pull"];
    const CLIENTS: [&str; 11] = [
        "psql", "pg_isready", "pg_dump", "pg_restore", "mysql", "mariadb", "mysqladmin", "mysqldump", "redis-cli",
        "valkey-cli", "mongosh",
    ];
    // Options of these calls with a word behind them that is no service.
    const VALUED: [&str; 14] = [
        "-u", "--user", "-w", "--workdir", "-e", "--env", "-l", "--label", "--name", "--entrypoint", "--pull",
        "--signal", "--format", "--status",
    ];
    let numbered = || words.iter().copied().enumerate();
    let compose = words.windows(2).position(|pair| pair == ["docker", "compose"]);
    let mut behind = numbered().skip(compose.unwrap_or(words.len()));
    let verb = behind.find(|(_, word)| OF_ONE.contains(word) || OF_SEVERAL.contains(word));
    let most = if verb.is_some_and(|(_, verb)| OF_ONE.contains(&verb)) { 1 } else { words.len() };
    let is_value =
        |at: usize| at.checked_sub(1).and_then(|before| words.get(before)).is_some_and(|word| VALUED.contains(word));
    let services = behind.filter(|(at, word)| !word.starts_with('-') && !is_value(*at)).take(most);
    let is_client = words.iter().any(|word| CLIENTS.contains(word));
    let hosts =
        numbered().zip(words.iter().skip(1)).filter(|((_, word), _)| is_client && matches!(*word, "-h" | "--host"));
    let hosts = hosts.map(|((at, _), host)| (at + 1, *host));
    let urls = numbered().filter_map(|(at, word)| Some((at, word.strip_prefix("--host=").or_else(|| host_of(word))?)));
    let is_name = |name: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(plain) && name != "localhost"
    };
    services.chain(hosts).chain(urls).filter(|(_, name)| is_name(name)).collect()
}

/// What the scenario has for Docker and Compose in the environment of a step.
fn environment(plan: &Plan, step: &str) -> Vec<(String, String)> {
    let respond = &plan.respond;
    let own = respond.env_of_steps.get(step).into_iter().flatten();
    let decides = |name: &str| ["COMPOSE_", "DOCKER_"].iter().any(|prefix| name.starts_with(prefix));
    let all = respond.env.iter().chain(own).filter(|(name, _)| decides(name));
    let all: BTreeMap<_, _> = all.map(|(name, var)| (name.clone(), var.value.clone())).collect();
    all.into_iter().collect()
}

/// The ports of `localhost` that a command asks for by itself: what runs in another container has another one there.
fn ports_of(shell: &PageCommand<'_>) -> BTreeSet<(u16, usize, usize)> {
    let mut found = BTreeSet::new();
    for call in shell.calls() {
        let elsewhere = ["docker", "docker-compose", "podman", "kubectl", "ssh"];
        if call.words.first().is_some_and(|program| elsewhere.contains(program)) {
            continue;
        }
        let text = shell.masked.get(call.span.start..call.span.end).unwrap_or_default();
        let place = |asked: Captures<'_>| {
            let (whole, port) = (asked.get(0)?, asked.get(1)?.as_str().parse().ok()?);
            Some((port, call.span.start + whole.start(), call.span.start + whole.end()))
        };
        found.extend(LOCALHOST.captures_iter(text).filter_map(place));
    }
    found
}

/// The program of a call and those that it runs in its own place, each with the number of its word.
fn chain<'w>(words: &[&'w str]) -> Vec<(usize, &'w str)> {
    let next = |at: &usize| Some(at + wrapped(words.get(*at..)?)?.0);
    successors(Some(0), next).filter_map(|at| Some((at, *words.get(at)?))).collect()
}

/// Whether a word is the name of a program that can be looked for.
fn is_program(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.+".contains(c);
    !word.is_empty()
        && !word.starts_with(['-', '.'])
        && word.chars().all(plain)
        && OWN.split_whitespace().all(|own| own != word)
        && !PROGRAMS.contains(&word)
}

/// The programs of which the runbook itself says what to do where they are missing, or makes functions or aliases.
fn defined(all: &str) -> HashSet<&str> {
    static DEFINED: TextPattern =
        TextPattern::new(r"(?:command -v|which|type|hash|alias|function) ([\w.+-]+)|([\w.+-]+) ?\(\)");
    let name = |found: Captures<'_>| Some(found.get(1).or(found.get(2))?.range());
    DEFINED.captures_iter(all).filter_map(name).filter_map(|name| all.get(name)).collect()
}

/// A place as people read it.
fn named(place: &Place) -> String {
    match place {
        Place::Toolbox => "the toolbox".into(),
        Place::Service(service) => format!("the container of `{service}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_behind_what_runs_them() {
        let of = |text: &str| -> Vec<String> {
            let calls = crate::runbook::look::calls_in(text);
            let chained = |call: &crate::runbook::look::PageCall<'_>| {
                chain(&call.words).into_iter().map(|(_, word)| word.to_string()).collect::<Vec<_>>()
            };
            calls.iter().flat_map(chained).filter(|word| is_program(word)).collect()
        };
        for (text, expected) in [
            ("psql -c x | jq .", &["psql", "jq"][..]),
            ("timeout -k 1 5 redis-cli ping", &["timeout", "redis-cli"]),
            ("a=$(mongosh --eval 1); echo $a", &["mongosh"]),
            ("ls | xargs -n 1 -I{} foo {}", &["ls", "xargs", "foo"]),
            ("env A=1 bar", &["env", "bar"]),
            ("cd /x && ./run.sh && $EDITOR y && [ -e z ]", &[]),
            ("docker compose exec db psql", &[]),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
        assert_eq!(defined("if command -v jq; then hash yq\n"), HashSet::from(["jq", "yq"]));
        assert_eq!(defined("retry() {\n_again ()"), HashSet::from(["retry", "_again"]));
    }

    #[test]
    fn a_warning_names_some_of_the_ports_that_a_stack_publishes() {
        let ports = |range: std::ops::RangeInclusive<u16>| Published {
            ports: range.map(|port| (port, format!("web:{port}"))).collect(),
            left_out: vec!["port 53/udp of `dns`: only TCP is forwarded".into()],
        };
        assert_eq!(known_ports(&Published::default()), "it publishes none");
        assert_eq!(
            known_ports(&ports(80..=81)),
            "localhost:80 is web:80; localhost:81 is web:81; not port 53/udp of `dns`: only TCP is forwarded"
        );
        let most = known_ports(&ports(1..=u16::MAX));
        assert!(most.ends_with("; localhost:100 is web:100") && most.split("; ").count() == MOST_PORTS, "{most}");
    }

    #[test]
    fn services_and_hosts_are_named_by_calls() {
        let of = |text: &str| -> Vec<String> {
            let words: Vec<&str> = text.split(' ').collect();
            named_in(&words).into_iter().map(|(at, name)| format!("{at} {name}")).collect()
        };
        for (text, expected) in [
            ("docker compose restart wroker", &["3 wroker"][..]),
            ("sudo docker compose -p shop stop -t 10 web worker", &["8 web", "9 worker"]),
            ("docker compose exec -T dbb psql -U shop", &["4 dbb"]),
            ("docker compose exec -u app apii sh", &["5 apii"]),
            ("docker compose up -d --scale web=2", &[]),
            ("docker restart wroker", &[]),
            ("psql -h bd -U shop", &["2 bd"]),
            ("pg_isready --host=bd", &["1 bd"]),
            ("df -h data", &[]),
            ("curl -f http://chekout:8080/healthz", &["2 chekout"]),
            ("curl -f http://localhost:8080 http://$HOST", &[]),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }

    #[test]
    fn ways_out_begin_with_what_is_there() {
        let ways = ways_out(&[Place::Toolbox, Place::Service("db".into())]);
        assert!(
            ways.starts_with("it is in the toolbox, the container of `db`: `in=` says where; or install it"),
            "{ways}"
        );
        assert!(ways_out(&[]).starts_with("install it there, name a toolbox that has it"), "{}", ways_out(&[]));
    }
}
