//! What of `docker` and `docker compose` a step may call: `table.txt`, read. Everything else is refused.

use crate::stack::arguments::{CallTable, CommandFlag};
use std::sync::LazyLock;

const TABLE: CallTable = CallTable(include_str!("table.txt"));

named_enum! {
/// How a command of Compose is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compose {
    /// On services of the team's; without names, on all of them.
    Services = "services",
    /// `up`, `create`, `pull`: the same with the model as the step's environment makes it.
    Up = "up",
    /// `scale web=3`: the same.
    Scale = "scale",
    /// `run web command …`: the same.
    Run = "run",
    /// `exec web command …`.
    Exec = "exec",
    /// `port web 8080`.
    Port = "port",
    /// Between a service and where the step runs.
    Copy = "copy",
    /// On the team's own file.
    Config = "config",
}
}

named_enum! {
/// How a command of Docker is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Docker {
    /// Lists the team's containers.
    List = "list",
    /// On one or more of them.
    Containers = "containers",
    /// On one of them; what follows is checked by the engine.
    One = "one",
    /// On those that are named, or on all that run.
    Stats = "stats",
    /// On a network and a container of the team's. The space in its name is written `-`.
    Network = "network",
    /// `exec web command …`.
    Exec = "exec",
    /// Between a container and where the step runs.
    Copy = "copy",
}
}

/// A command of a program: the name, how it is carried out, its flags.
pub(super) type ListedCall<D> = (&'static str, D, Vec<CommandFlag>);

/// Subcommands of `docker compose`.
pub(super) static COMPOSE: LazyLock<Vec<ListedCall<Compose>>> =
    LazyLock::new(|| commands("compose", Compose::from_name));

/// Subcommands of `docker`, and of `docker container`.
pub(super) static DOCKER: LazyLock<Vec<ListedCall<Docker>>> = LazyLock::new(|| commands("docker", Docker::from_name));

/// Flags before the subcommand of `docker` or `compose`.
pub(super) fn global_flags(program: &str) -> Vec<CommandFlag> {
    TABLE.row(program, "*").map(|flags| flags.split_whitespace().map(CommandFlag::of).collect()).unwrap_or_default()
}

/// What to do instead of a command that people look for and do not find.
pub(super) fn instead(command: &str) -> Option<&'static str> {
    TABLE.row("instead", command)
}

fn commands<D>(program: &str, does: fn(&str) -> Option<D>) -> Vec<ListedCall<D>> {
    let command = |(name, rest): (&'static str, &'static str)| {
        let mut words = rest.split_whitespace();
        Some((name, does(words.next()?)?, words.map(CommandFlag::of).collect()))
    };
    TABLE.rows(program).filter_map(command).collect()
}

/// Why a flag is refused, by what stands behind its name.
pub(super) fn why(rule: &str) -> &'static str {
    TABLE.row("why", rule.trim_start_matches('!')).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_read() {
        let is_row = |line: &&str| !line.is_empty() && !line.starts_with('#');
        let known = ["compose", "docker", "instead", "why"].map(|first| TABLE.rows(first).count());
        assert_eq!(known.iter().sum::<usize>(), TABLE.0.lines().filter(is_row).count());
        let lines = |first: &str| TABLE.rows(first).filter(|(name, _)| *name != "*").count();
        assert_eq!((COMPOSE.len(), DOCKER.len()), (lines("compose"), lines("docker")));
        let flags = COMPOSE.iter().flat_map(|(.., flags)| flags).chain(DOCKER.iter().flat_map(|(.., flags)| flags));
        let global = [global_flags("compose"), global_flags("docker")].concat();
        assert_eq!(global.len(), 24);
        for flag in flags.chain(&global) {
            let long = flag.long;
            let is_rule = ["", "~", "$"].contains(&flag.rule) || !why(flag.rule).is_empty();
            assert!(!long.is_empty() && is_rule, "{flag:?}");
            assert!(long.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{flag:?}");
        }
    }

    #[test]
    fn a_flag_is_read() {
        let of = |long, short, value, rule| CommandFlag { long, short, value, rule };
        assert_eq!(CommandFlag::of("-e,--env=$"), of("env", Some('e'), true, "$"));
        assert_eq!(CommandFlag::of("--help~"), of("help", None, false, "~"));
        assert_eq!(CommandFlag::of("--privileged!host"), of("privileged", None, false, "!host"));
        assert_eq!(why("!host"), "it reaches the host");
    }
}
