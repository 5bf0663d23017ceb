//! Flags of the programs that steps call, by a table of those that are known, read as pflag (`github.com/spf13/pflag`) reads them.

/// A flag of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CommandFlag {
    /// Its long name.
    pub long: &'static str,
    /// Its short name.
    pub short: Option<char>,
    /// Whether it needs a value. One without may still have one, as `--flag=value`.
    pub value: bool,
    /// What a table says behind its name: nothing, or a mark (`~`, `$`, `!` and a word).
    pub rule: &'static str,
}

/// Why an argument is not among the flags of a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FlagError {
    /// This one is none, as it is written: `--flag`, `-f`.
    Unknown(String),
    /// It needs a value, and has none.
    NoValue,
}

impl CommandFlag {
    /// A flag as tables have it: `-f,--flag=`, with `=` where it needs a value, and a mark behind it.
    pub(super) fn of(word: &'static str) -> CommandFlag {
        let (word, rule) = word.split_at(word.find(['~', '$', '!']).unwrap_or(word.len()));
        let (short, long) = word.split_once(',').unwrap_or(("", word));
        let (long, value) = long.strip_suffix('=').map_or((long, false), |long| (long, true));
        CommandFlag { long: long.trim_start_matches('-'), short: short.chars().nth(1), value, rule }
    }
}

/// A table of what steps may call. A line is a word, a name and, behind `:`, what the table says of them; `#` begins a comment.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallTable(pub &'static str);

impl CallTable {
    /// The lines, each in its three parts.
    pub(super) fn lines(self) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
        let parts = |line: &'static str| {
            let (name, rest) = line.split_once(':')?;
            let (first, name) = name.split_once(' ')?;
            Some((first, name.trim(), rest.trim()))
        };
        self.0.lines().filter(|line| !line.starts_with('#')).filter_map(parts)
    }

    /// Those that begin with this word: names, and what follows.
    pub(super) fn rows(self, first: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.lines().filter(move |(word, ..)| *word == first).map(|(_, name, rest)| (name, rest))
    }

    /// What stands in one of them.
    pub(super) fn row(self, first: &str, name: &str) -> Option<&'static str> {
        self.rows(first).find(|(known, _)| *known == name).map(|(_, rest)| rest)
    }
}

/// Flags of a table, with their values as they are written.
type GivenFlags = Vec<(CommandFlag, Option<String>)>;

/// The flags in an argument that begins with `-`, with their values as they are written, and whether `next`, the argument after it, is
/// the value of the last one.
pub(super) fn read(arg: &str, next: Option<&String>, table: &[CommandFlag]) -> Result<(GivenFlags, bool), FlagError> {
    let mut found = Vec::new();
    let mut take = |flag: Option<&CommandFlag>, spelled: String, given: Option<&str>, is_last: bool| {
        let flag = *flag.ok_or(FlagError::Unknown(spelled))?;
        let with_next = flag.value && given.is_none() && is_last;
        let value = if with_next { Some(next.ok_or(FlagError::NoValue)?.as_str()) } else { given };
        found.push((flag, value.map(String::from)));
        Ok::<_, FlagError>(with_next)
    };
    if let Some(long) = arg.strip_prefix("--") {
        let (long, given) = long.split_once('=').map_or((long, None), |(long, given)| (long, Some(given)));
        let flag = table.iter().find(|flag| flag.long == long);
        let with_next = take(flag, format!("--{long}"), given, true)?;
        return Ok((found, with_next));
    }
    let mut letters = arg.chars();
    letters.next();
    while let Some(letter) = letters.next() {
        let left = letters.as_str();
        let flag = table.iter().find(|flag| flag.short == Some(letter));
        let needs_value = flag.is_some_and(|flag| flag.value);
        let given = left.strip_prefix('=').filter(|given| !given.is_empty());
        let given = given.or(Some(left).filter(|left| needs_value && !left.is_empty()));
        let with_next = take(flag, format!("-{letter}"), given, left.is_empty())?;
        if with_next || given.is_some() {
            return Ok((found, with_next));
        }
    }
    Ok((found, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_as_pflag_reads_them() {
        let table = ["-n,--namespace=", "-w,--watch", "-A,--all", "--raw="].map(CommandFlag::of);
        let next = "next".to_string();
        let shown = |found: GivenFlags| {
            format!("{:?}", found.iter().map(|(flag, value)| (flag.long, value.as_deref())).collect::<Vec<_>>())
        };
        let read = |arg| read(arg, Some(&next), &table).map(|(found, with_next)| (shown(found), with_next));
        let (given, taken) =
            (|value| ("namespace", Some(value)), |found: &[(&str, Option<&str>)]| format!("{found:?}"));
        assert_eq!(read("--namespace"), Ok((taken(&[given("next")]), true)));
        assert_eq!(read("-n"), Ok((taken(&[given("next")]), true)));
        for arg in ["--namespace=a", "-na", "-n=a"] {
            assert_eq!(read(arg), Ok((taken(&[given("a")]), false)), "{arg}");
        }
        assert_eq!(read("-Awn"), Ok((taken(&[("all", None), ("watch", None), given("next")]), true)));
        assert_eq!(read("-Aw=false"), Ok((taken(&[("all", None), ("watch", Some("false"))]), false)));
        assert_eq!(read("--watch=x"), Ok((taken(&[("watch", Some("x"))]), false)));
        assert_eq!(read("-n="), Ok((taken(&[given("=")]), false)));
        assert_eq!(read("--raw="), Ok((taken(&[("raw", Some(""))]), false)));
        for (arg, spelled) in [("--other=1", "--other"), ("-Az", "-z"), ("-w=", "-="), ("---", "---")] {
            assert_eq!(read(arg), Err(FlagError::Unknown(spelled.into())), "{arg}");
        }
        assert_eq!(super::read("-n", None, &table), Err(FlagError::NoValue));
    }
}
