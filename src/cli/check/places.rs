//! What the steps of a runbook need of the place in which they run: programs, as the images have them, and calls of `docker` and
//! `kubectl` that a drill carries out.

use crate::engine::place_of;
use crate::programs::simple::wrapped;
use crate::runbook::Runbook;
use crate::runbook::look::{calls_in, commands};
use crate::shell::PROGRAMS;
use crate::source::{Diagnostics, Span, TextPattern};
use crate::spec::Plan;
use crate::stack::{Place, ResolvedStack, StackError};
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
/// How many programs are looked for in a place; each costs requests to the engine.
const MOST_ASKED: usize = 500;
/// How many programs that a place does not have are reported.
const MOST_MISSING: usize = 50;

/// What the followed commands of a plan use, each with its place in the runbook.
#[derive(Default)]
struct Uses {
    /// Calls of `docker` or `kubectl`, all of whose words are as the runbook has them.
    calls: Vec<(Vec<String>, Span)>,
    /// The programs by the places in which they are called, each with its first call.
    programs: BTreeMap<String, (Place, BTreeMap<String, Span>)>,
}

/// Warns of calls of `docker` and `kubectl` that a drill refuses. A word that is only known in the drill is left alone.
pub(super) fn check_calls(plan: &Plan, stack: &dyn ResolvedStack, diags: &mut Diagnostics) {
    let Some(runbook) = &plan.runbook else { return };
    for (words, span) in uses(plan, runbook).calls {
        let refused = words.split_first().and_then(|(program, args)| stack.refuses((program, args)));
        if let Some(why) = refused {
            diags.warning(&runbook.source, span, format!("a drill refuses this call: {why}")).help(INSTEAD);
        }
    }
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
    let Uses { mut calls, mut programs } = Uses::default();
    let shells = commands(runbook);
    let all: String = runbook.steps.iter().flat_map(|step| step.commands()).map(|c| format!("{}\n", c.text)).collect();
    let defined = defined(&all);
    // What such a variable makes of a call only the drill tells.
    let env = || plan.respond.env_of_steps.values().flat_map(BTreeMap::keys).chain(plan.respond.env.keys());
    let is_set = |prefix| all.contains(prefix) || env().any(|name| name.starts_with(prefix));
    let sets_its_own = ["COMPOSE_", "DOCKER_"].into_iter().any(is_set);
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
            for (number, program) in chain(&call.words) {
                let span = call.places.get(number).map_or(whole, |at| shell.place(*at));
                add(program, span);
                let words = call.words.get(number..).unwrap_or_default();
                // Nor is it known what `xargs` adds.
                let mut before = call.words.iter().take(number);
                let fed = before.any(|word| word.rsplit('/').next() == Some("xargs"));
                let known = !fed && !sets_its_own && words.iter().all(|word| !word.contains(UNKNOWN));
                if PROGRAMS.contains(&program) && known {
                    let words = words.iter().map(|word| (*word).to_string()).collect();
                    calls.push((words, span));
                }
            }
        }
    }
    Uses { calls, programs }
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
    fn ways_out_begin_with_what_is_there() {
        let ways = ways_out(&[Place::Toolbox, Place::Service("db".into())]);
        assert!(
            ways.starts_with("it is in the toolbox, the container of `db`: `in=` says where; or install it"),
            "{ways}"
        );
        assert!(ways_out(&[]).starts_with("install it there, name a toolbox that has it"), "{}", ways_out(&[]));
    }
}
