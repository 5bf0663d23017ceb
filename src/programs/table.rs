//! Reads `programs.yaml`, which is part of the executable, once. That it can be read, and what stands in it, is tested here.

use super::{Call, Sink};
use regex::Regex;
use serde::{Deserialize, Deserializer};
use std::sync::LazyLock;

/// The file as a whole.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    pub programs: Vec<Program>,
    pub wrappers: Vec<Wrapper>,
    pub scripts: Vec<Script>,
    /// Programs whose output is text from elsewhere.
    pub repeaters: Vec<String>,
    /// Those of them that hand on every byte as it came.
    pub transparent: Vec<String>,
    /// Those of them that hand on lines of their standard input, and whose exit code says nothing about these.
    pub filters: Vec<String>,
    /// Programs that hand on the end of their standard input, whatever that is.
    pub cuts: Vec<String>,
    /// Programs that tell how much they were given, and nothing of what it was.
    pub counts: Vec<String>,
    /// Programs that change nothing and tell nothing of the stack.
    pub waits: Vec<String>,
}

/// A program, under each of its names.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Program {
    pub names: Vec<String>,
    pub exit: Exit,
    /// With any of these it is the other kind of exit code.
    #[serde(default)]
    pub unless: Vec<Switch>,
    /// What would make its exit code tell, for a message.
    #[serde(default)]
    pub advice: Option<String>,
    /// Whether its options end at the first other word.
    #[serde(default)]
    pub options_first: bool,
    /// Options whose value is the next word, or the rest of theirs.
    #[serde(default)]
    pub valued: Vec<String>,
    /// Options whose value can only be the rest of their word.
    #[serde(default)]
    pub attached: Vec<String>,
    #[serde(default)]
    pub errors: Vec<ErrorLine>,
    /// For those who read the table.
    #[serde(default, rename = "notes")]
    _notes: Option<String>,
}

/// What an exit code tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Exit {
    /// Another one than 0 where something went wrong.
    Honest,
    /// 0 although what was asked for was refused.
    IgnoresErrors,
    /// As its version is: its lines are looked at all the same, and nobody is warned.
    Varies,
}

/// A switch that is given, by any of its names.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Switch {
    switch: Vec<String>,
    /// What its whole value must match.
    #[serde(default)]
    value: Option<Whole>,
    /// Whether it counts only where it is given once.
    #[serde(default)]
    once: bool,
    /// Switches with which it does not count.
    #[serde(default)]
    without: Vec<String>,
}

/// How an error looks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ErrorLine {
    pub on: On,
    /// What stands at the beginning of the line.
    #[serde(default)]
    pub line: Option<Beginning>,
    /// Whether another exit code than 0 always comes with it.
    #[serde(default)]
    pub told: bool,
    /// Switches of which one must be given.
    #[serde(default)]
    pub with: Vec<Switch>,
    /// Of the lines that begin like this only the last one counts …
    #[serde(default)]
    pub last_of: Option<Beginning>,
    /// … where one of these is given.
    #[serde(default)]
    pub last_with: Vec<Switch>,
    /// The switch whose value is a format that shows the HTTP status.
    #[serde(default)]
    pub status: Vec<String>,
    /// Switches with which nothing but that format is shown.
    #[serde(default)]
    pub alone_with: Vec<String>,
}

/// The stream of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum On {
    Stdout,
    Stderr,
    Both,
}

/// A program that only runs another one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wrapper {
    names: Vec<String>,
    /// Options whose value is the next word.
    #[serde(default)]
    pub valued: Vec<String>,
    /// How many words stand before the command.
    #[serde(default)]
    pub operands: usize,
    /// Whether `NAME=value` may stand before the command.
    #[serde(default)]
    pub assignments: bool,
    /// Whether it ends the command after some time.
    #[serde(default)]
    pub timed: bool,
    /// Whether it gives the command its arguments.
    #[serde(default)]
    pub feeds: bool,
}

/// A program that takes shell text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    names: Vec<String>,
    /// The letter of the switch behind which the text stands; none: it is made of the words.
    #[serde(default)]
    pub switch: Option<char>,
    /// Options whose value is the next word.
    #[serde(default)]
    pub valued: Vec<String>,
    /// How many words stand before the text.
    #[serde(default)]
    pub operands: usize,
}

/// A pattern for the beginning of a text.
#[derive(Debug)]
pub(super) struct Beginning(pub Regex);

/// A pattern for the whole of a text.
#[derive(Debug)]
struct Whole(Regex);

impl<'de> Deserialize<'de> for Beginning {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Beginning, D::Error> {
        let text = String::deserialize(deserializer)?;
        Regex::new(&format!("^(?:{text})")).map(Beginning).map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Whole, D::Error> {
        let text = String::deserialize(deserializer)?;
        Regex::new(&format!("^(?:{text})$")).map(Whole).map_err(serde::de::Error::custom)
    }
}

static TABLE: LazyLock<Table> = LazyLock::new(|| read().unwrap_or_default());

fn read() -> Result<Table, String> {
    serde_yaml::from_str(include_str!("programs.yaml")).map_err(|error| error.to_string())
}

/// The table. A test holds that it can be read.
pub(super) fn table() -> &'static Table {
    &TABLE
}

/// What is known of a program.
pub(super) fn program(name: &str) -> Option<&'static Program> {
    table().programs.iter().find(|program| program.names.iter().any(|known| known == name))
}

/// What is known of a program that only runs another one.
pub fn wrapper(name: &str) -> Option<&'static Wrapper> {
    table().wrappers.iter().find(|wrapper| wrapper.names.iter().any(|known| known == name))
}

/// What is known of a program that takes shell text.
pub fn script(name: &str) -> Option<&'static Script> {
    table().scripts.iter().find(|script| script.names.iter().any(|known| known == name))
}

/// What becomes of the lines that a program reads from a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passes {
    /// All are handed on.
    All,
    /// Some are.
    Lines,
    /// Those at the end are.
    End,
    /// None is, and nobody has looked at them.
    Nothing,
    /// It makes of them what it likes, and its exit code says what it thinks of them.
    Judged,
}

/// What becomes of the lines that a program reads from a pipe, called like this.
pub fn passes(call: &[&str]) -> Passes {
    let Some((program, arguments)) = call.split_first() else { return Passes::Judged };
    let files = arguments.iter().any(|word| *word != "-" && (*program != "tee"));
    let among = |names: &[String]| names.iter().any(|known| known == program);
    let inverted = |word: &&str| word.starts_with('-') && !word.starts_with("--") && word.contains('v');
    let table = table();
    match program {
        _ if among(&table.transparent) && !files => Passes::All,
        _ if among(&table.filters) => Passes::Lines,
        _ if among(&table.cuts) => Passes::End,
        _ if among(&table.counts) => Passes::Nothing,
        // What is left out is not asked for: the rest is shown.
        &"grep" | &"egrep" | &"fgrep" if arguments.iter().any(inverted) => Passes::Lines,
        _ => Passes::Judged,
    }
}

impl Program {
    /// Whether its exit code tells of errors, called like this.
    pub fn is_honest(&self, call: &Call) -> bool {
        let turned = self.unless.iter().any(|switch| switch.is_given(&self.options(call)));
        (self.exit == Exit::Honest) != turned && self.exit != Exit::Varies
    }

    /// The options of a call, each with its value.
    pub fn options<'c>(&self, call: &'c Call) -> Vec<(String, Option<&'c str>)> {
        let mut found = Vec::new();
        let mut words = call.arguments().iter().map(String::as_str).peekable();
        while let Some(word) = words.next() {
            if word == "--" || (self.options_first && !word.starts_with('-')) {
                break;
            }
            if !word.starts_with('-') || word == "-" {
                continue;
            }
            let takes = |name: &str| self.valued.iter().any(|known| known == name);
            if let Some((name, value)) = word.split_once('=').filter(|_| word.starts_with("--")) {
                found.push((name.to_string(), Some(value)));
            } else if takes(word) {
                found.push((word.to_string(), words.next()));
            } else if word.starts_with("--") || self.options_first {
                found.push((word.to_string(), None));
            } else {
                self.group(word, &mut words, &mut found);
            }
        }
        found
    }

    /// Short options that share a word: `-fsSo FILE`.
    fn group<'c>(
        &self,
        word: &'c str,
        words: &mut impl Iterator<Item = &'c str>,
        found: &mut Vec<(String, Option<&'c str>)>,
    ) {
        for (at, letter) in word.char_indices().skip(1) {
            let name = format!("-{letter}");
            let rest = word.get(at + letter.len_utf8()..).filter(|rest| !rest.is_empty());
            if self.valued.contains(&name) {
                found.push((name, rest.or_else(|| words.next())));
                return;
            }
            let ends = self.attached.contains(&name);
            found.push((name, rest.filter(|_| ends)));
            if ends {
                return;
            }
        }
    }
}

impl Switch {
    /// Whether it is among the options of a call.
    pub fn is_given(&self, options: &[(String, Option<&str>)]) -> bool {
        let among = |names: &[String], name: &String| names.contains(name);
        if options.iter().any(|(name, _)| among(&self.without, name)) {
            return false;
        }
        let mut given = options.iter().filter(|(name, _)| among(&self.switch, name));
        if self.once {
            return given.count() == 1;
        }
        given.any(|(_, value)| {
            self.value.as_ref().is_none_or(|wanted| value.is_some_and(|value| wanted.0.is_match(value)))
        })
    }
}

/// Whether a call changes nothing and tells nothing of the stack: it waits, or says something to whoever reads.
pub fn only_waits(call: &Call) -> bool {
    let writes = [call.stdout, call.stderr].contains(&Sink::File);
    !writes && table().waits.iter().any(|known| known == call.program())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn call(text: &str) -> Call {
        let words = text.split(' ').map(str::to_string).collect();
        Call::new(words)
    }

    #[test]
    fn the_table_can_be_read_and_names_each_program_once() {
        let table = read().unwrap();
        let mut names = BTreeSet::new();
        for name in table.programs.iter().flat_map(|program| &program.names) {
            assert!(names.insert(name), "{name} stands there twice");
        }
        for name in ["redis-cli", "psql", "mysql", "mariadb", "mongosh", "curl", "kubectl", "docker"] {
            assert!(program(name).is_some_and(|program| !program.errors.is_empty()), "{name}");
        }
        for program in table.programs {
            assert!(program.exit == Exit::Honest || program.advice.is_some(), "{:?} gives no advice", program.names);
            for error in program.errors {
                assert_eq!(error.line.is_some(), error.status.is_empty(), "{:?}", program.names);
            }
        }
    }

    #[test]
    fn switches_decide_what_an_exit_code_tells() {
        for (text, honest) in [
            ("redis-cli -h cache PING", false),
            ("redis-cli -h cache -e PING", true),
            ("redis-cli SET key -e", false),
            ("redis-cli -h -e PING", false),
            ("psql -h db", false),
            ("psql -h db -c x", true),
            ("psql -c x -c y", false),
            ("psql -c x -f y", false),
            ("psql -f x", false),
            ("psql -qv ON_ERROR_STOP=1 -f x", true),
            ("psql -vON_ERROR_STOP=on -f x", true),
            ("psql --set=ON_ERROR_STOP=true", true),
            ("psql -v ON_ERROR_STOP=0", false),
            ("psql -v ON_ERROR_STOPS=1", false),
            ("mysql -u root shop", true),
            ("mysql -uroot -pforce shop", true),
            ("mariadb --force shop", false),
            ("mysql -fN shop", false),
            ("mongosh --eval x", true),
            ("mongosh", false),
            ("curl http://x", false),
            ("curl -sSf http://x", true),
            ("curl -H -f http://x", false),
            ("curl -sXPOST -of http://x", false),
            ("curl --fail-with-body http://x", true),
            ("kubectl get pods", true),
            ("nc -zv db 5432", true),
            ("nc db 5432", false),
            ("supervisorctl restart x", false),
        ] {
            let call = call(text);
            let program = program(call.program()).unwrap();
            assert_eq!(program.is_honest(&call), honest, "{text}");
        }
    }
}
