//! Command lines of `docker` and `docker compose`, read by tables of what is allowed: a flag that no table has is
//! refused, and what was read is written out again, so that the real command sees nothing that was not understood here.

use super::table::why;
use crate::stack::arguments::{self as flags, CommandFlag, FlagError};

/// Why something is not carried out, in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(in crate::stack::compose) struct Refusal(pub String);

/// A refusal as an error.
pub(super) fn refuse<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal(why.into()))
}

/// Refuses what is not as it has to be.
pub(super) fn ensure(holds: bool, why: impl Into<String>) -> Result<(), Refusal> {
    if holds { Ok(()) } else { refuse(why) }
}

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

    fn take(&mut self, flag: CommandFlag, value: String, env: &[(String, String)]) -> Result<(), Refusal> {
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
pub fn read(
    args: &[String],
    table: &[CommandFlag],
    to_the_end: bool,
    env: &[(String, String)],
) -> Result<Arguments, Refusal> {
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
            FlagError::Unknown(flag) => Refusal(format!("`{flag}` is not among the flags that a drill allows")),
            FlagError::NoValue => Refusal(format!("`{arg}` needs a value")),
        })?;
        for (flag, value) in found {
            words.take(flag, value.unwrap_or_else(|| "true".into()), env)?;
        }
        left = left.get(usize::from(with_next)..).unwrap_or_default();
    }
    Ok(words)
}
