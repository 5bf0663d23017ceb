//! Command lines of `docker` and `docker compose`, read by the table of what is allowed (`table.txt`): a flag that it does not have is
//! refused, and what was read is written out again, so that the real command sees nothing that was not understood here.

use crate::stack::arguments::{self as flags, CallTable, CommandFlag, FlagError};
pub(super) use crate::stack::tools::{NotDone, ensure, refuse};

impl From<std::io::Error> for NotDone {
    fn from(error: std::io::Error) -> Self {
        NotDone::failed(format!("the docker command cannot be run: {error}"))
    }
}

/// The variables of a step.
pub(super) type StepEnv = [(String, String)];

/// A command line that was understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Arguments {
    /// Flags with their values, by long name; `true` and `false` for those without a value.
    pub flags: Vec<(&'static str, String)>,
    /// Those that go to the real command, as it is given them.
    pub passed: Vec<String>,
    /// Variables that the command inside has. They never go to the real command's line, which others can read.
    pub env: Vec<(String, String)>,
    /// Everything that is no flag.
    pub rest: Vec<String>,
}

impl Arguments {
    /// The last value of a flag.
    pub(super) fn value(&self, long: &str) -> Option<&str> {
        self.flags.iter().rev().find(|(name, _)| *name == long).map(|(_, value)| value.as_str())
    }

    /// All values of a flag.
    pub(super) fn values(&self, long: &str) -> Vec<String> {
        self.flags.iter().filter(|(name, _)| *name == long).map(|(_, value)| value.clone()).collect()
    }

    /// Whether a flag without a value is set.
    pub(super) fn is_set(&self, long: &str) -> bool {
        self.value(long) == Some("true")
    }

    fn take(&mut self, flag: CommandFlag, value: String, env: &StepEnv) -> Result<(), NotDone> {
        let value = match (flag.value, value.as_str()) {
            (true, _) => value,
            (false, "true" | "1" | "t" | "T" | "TRUE" | "True") => "true".into(),
            (false, "false" | "0" | "f" | "F" | "FALSE" | "False") => "false".into(),
            (false, other) => return refuse(format!("`--{}={other}` is neither true nor false", flag.long)),
        };
        ensure(!value.contains('\0'), format!("the value of `--{}` holds a NUL byte", flag.long))?;
        match flag.rule {
            "" => self.passed.push(format!("--{}={value}", flag.long)),
            // It changes nothing in a drill, or is dealt with here.
            "~" => {}
            "$" => {
                // The real command would look into the environment of the runner, which has secrets of its own.
                let known = || env.iter().rev().find(|(name, _)| *name == value).cloned();
                match value.split_once('=') {
                    Some((name, value)) => self.env.push((name.to_string(), value.to_string())),
                    None => self.env.extend(known()),
                }
            }
            _ if value == "false" && !flag.value => return Ok(()),
            rule => return refuse(format!("`--{}` is not allowed in a drill: {}", flag.long, why(rule))),
        }
        self.flags.push((flag.long, value));
        Ok(())
    }
}

/// Reads arguments by a table, as pflag does (long and short, `--x=y`, `-xy`, `--`). With `to_the_end` the first word that
/// is no flag ends them: what follows belongs to the command that is run inside.
pub fn read(args: &[String], table: &[CommandFlag], to_the_end: bool, env: &StepEnv) -> Result<Arguments, NotDone> {
    let (mut words, mut left) = (Arguments::default(), args);
    while let Some((arg, after)) = left.split_first() {
        left = after;
        let is_word = arg.len() < 2 || !arg.starts_with('-');
        if is_word {
            words.rest.push(arg.clone());
        }
        if arg == "--" || is_word && to_the_end {
            words.rest.extend_from_slice(left);
            break;
        } else if is_word {
            continue;
        }
        let (found, with_next) = flags::read(arg, left.first(), table).map_err(|error| match error {
            FlagError::Unknown(flag) => NotDone::refused(format!("`{flag}` is not among the flags that are allowed")),
            FlagError::NoValue => NotDone::refused(format!("`{arg}` needs a value")),
        })?;
        for (flag, value) in found {
            words.take(flag, value.unwrap_or_else(|| "true".into()), env)?;
        }
        left = left.get(usize::from(with_next)..).unwrap_or_default();
    }
    Ok(words)
}

const TABLE: CallTable = CallTable(include_str!("table.txt"));

named_enum! {
/// How a command is carried out.
#[derive(Default)]
pub enum CallKind {
    /// The real command says something of itself.
    #[default]
    Itself = "itself",
    /// Compose on services of the team's; without names, on all of them.
    Services = "services",
    /// `up`, `create`, `pull`: the same with the model as the step's environment makes it.
    Up = "up",
    /// `scale web=3`: the same.
    Scale = "scale",
    /// `run web command …`: the same.
    Run = "run",
    /// `port web 8080`.
    Port = "port",
    /// Compose on the team's own file.
    Config = "config",
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
    /// Between a container or a service and where the step runs.
    Copy = "copy",
}
}

/// A command of a program: the name, how it is carried out, its flags.
pub(super) type ListedCall = (&'static str, CallKind, Vec<CommandFlag>);

/// Subcommands of `docker` (and of `docker container`) or of `docker compose`.
pub(super) fn listed(program: &str) -> impl Iterator<Item = ListedCall> {
    TABLE.rows(program).filter_map(|(name, rest)| {
        let mut words = rest.split_whitespace();
        Some((name, CallKind::from_name(words.next()?)?, words.map(CommandFlag::of).collect()))
    })
}

/// Flags before the subcommand of `docker` or `compose`.
pub(super) fn global_flags(program: &str) -> Vec<CommandFlag> {
    TABLE.row(program, "*").map(|flags| flags.split_whitespace().map(CommandFlag::of).collect()).unwrap_or_default()
}

/// What to do instead of a command that people look for and do not find.
pub(super) fn instead(command: &str) -> Option<&'static str> {
    TABLE.row("instead", command)
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
        let (compose, docker): (Vec<_>, Vec<_>) = (listed("compose").collect(), listed("docker").collect());
        assert_eq!((compose.len(), docker.len()), (lines("compose"), lines("docker")));
        let flags = compose.iter().chain(&docker).flat_map(|(.., flags)| flags);
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
