//! Reads `programs.yaml`, which `build.rs` makes a part of the executable, once. That it can be read, and what stands in it, is tested here.

use regex::Regex;
use serde::{Deserialize, Deserializer};
use std::collections::HashMap;
use std::sync::LazyLock;

/// The file as a whole.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ProgramTable {
    pub programs: Vec<Program>,
    pub wrappers: Vec<Wrapper>,
    pub scripts: Vec<Wrapper>,
    /// Programs that only look, whatever their options and arguments are.
    pub safe: Vec<String>,
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
    /// Programs that show a part of what they are given, whose exit code only tells with `-e` what it is.
    pub selects: Vec<String>,
}

/// A program, under each of its names.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Program {
    pub names: Vec<String>,
    /// Whether its exit code is 0 although what it was asked for was refused.
    pub ignores_errors: bool,
    /// With any of these it is the other kind of exit code.
    pub unless: Vec<Switch>,
    /// What would make its exit code tell, for a message; without it nobody is warned.
    pub advice: Option<String>,
    /// Whether its options end at the first other word.
    pub options_first: bool,
    /// Options whose value is the next word, or the rest of theirs.
    pub valued: Vec<String>,
    /// Options whose value can only be the rest of their word.
    pub attached: Vec<String>,
    /// Options without a value.
    pub flags: Vec<String>,
    /// Ways of calling it that only look …
    pub looks: Vec<Way>,
    /// … with no other options than these …
    pub only: Option<Vec<String>>,
    /// … or with none of these.
    pub refuse: Vec<String>,
    /// Ways of calling it that change something, for a message: so does everything that is not known to look.
    pub changes: Vec<Way>,
    /// Whether its operands are compared without regard to case.
    pub ignores_case: bool,
    /// Whether a call that looks has no operands but names: no `name=value`, no path, nothing that is filled in.
    pub names_only: bool,
    /// What it is told is in this language.
    pub language: Option<InputLanguage>,
    /// Options whose value is text in that language.
    pub text: Vec<String>,
    /// The operand, from 1, with which such text begins.
    pub text_at: Option<usize>,
    /// Ways of calling it that open a session or an editor.
    pub interactive: Vec<Way>,
    /// Ways of calling it that never end by themselves.
    pub endless: Vec<Way>,
    /// Ways of calling it whose effect cannot be taken back.
    pub destroys: Vec<Way>,
    /// Ways of calling it that keep a copy of what may be lost.
    pub keeps: Vec<Way>,
    /// Ways that tell what there is, whatever that is.
    pub lists: Vec<Way>,
    /// Ways of calling it whose effect stays until somebody takes it back.
    pub lasts: Vec<Way>,
    /// Ways of calling it that change something so that somebody can look.
    pub to_look: Vec<Way>,
    pub errors: Vec<ErrorLine>,
    /// For those who read the table.
    #[serde(rename = "notes")]
    pub(super) _notes: Option<String>,
}

/// The language of what a program is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum InputLanguage {
    /// Statements.
    Sql,
    /// Commands of Redis, one on a line.
    Redis,
    /// Addresses and a method.
    Http,
}

/// A way of calling a program: what its operands begin with, and options that are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    /// For each operand the words that it may be; a `*` at the end of one stands for anything.
    pub operands: Vec<Vec<String>>,
    /// For each option the spellings of which one is given.
    pub options: Vec<Vec<String>>,
    /// For each option that must not be given its spellings.
    pub without: Vec<Vec<String>>,
    /// Whether there is no further operand.
    pub ends: bool,
}

/// A switch that is given, by any of its names.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Switch {
    switch: Vec<String>,
    /// What its value must begin with.
    value: Option<Beginning>,
    /// Whether it counts only where it is given once.
    once: bool,
    /// Switches with which it does not count.
    without: Vec<String>,
}

/// How an error looks.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ErrorLine {
    pub on: On,
    /// What stands at the beginning of the line.
    pub line: Option<Beginning>,
    /// Whether another exit code than 0 always comes with it.
    pub told: bool,
    /// Whether the line has the first operand of the call in it.
    pub names: bool,
    /// Switches of which one must be given.
    pub with: Vec<Switch>,
    /// Of the lines that begin like this only the last one counts …
    pub last_of: Option<Beginning>,
    /// … where one of these is given.
    pub last_with: Vec<Switch>,
    /// The switch whose value is a format that shows the HTTP status.
    pub status: Vec<String>,
    /// Switches with which nothing but that format is shown.
    pub alone_with: Vec<String>,
}

/// The stream of an error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum On {
    Stdout,
    Stderr,
    #[default]
    Both,
}

/// A program that only runs another one, or shell text.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wrapper {
    pub(super) names: Vec<String>,
    /// Options whose value is the next word.
    pub valued: Vec<String>,
    /// Options without a value.
    pub flags: Vec<String>,
    /// How many words stand before the command or the text.
    pub operands: usize,
    /// The letter of the switch behind which shell text stands; none: it is made of the words.
    pub switch: Option<char>,
    /// Whether `NAME=value` may stand before the command.
    pub assignments: bool,
    /// Whether it ends the command after some time.
    pub timed: bool,
    /// Whether it gives the command its arguments.
    pub feeds: bool,
}

/// A pattern for the beginning of a text, made when it is first asked for. A test holds that each can be made.
#[derive(Debug, Deserialize)]
#[serde(from = "String")]
pub(super) struct Beginning(Pattern);

type Pattern = LazyLock<Option<Regex>, Box<dyn FnOnce() -> Option<Regex> + Send>>;

impl From<String> for Beginning {
    fn from(text: String) -> Beginning {
        Beginning(LazyLock::new(Box::new(move || Regex::new(&format!("^(?:{text})")).ok())))
    }
}

impl Beginning {
    /// Whether a text begins like this.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.as_ref().is_some_and(|regex| regex.is_match(text))
    }
}

impl<'de> Deserialize<'de> for Way {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Way, D::Error> {
        let text = String::deserialize(deserializer)?;
        Way::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no way of calling a program")))
    }
}

impl Way {
    /// Whether every call is of it.
    pub(super) fn is_any(&self) -> bool {
        self.operands.is_empty() && self.options.is_empty() && self.without.is_empty() && !self.ends
    }

    /// Whether some calls of the other way are of this one as well.
    pub(super) fn covers(&self, other: &Way) -> bool {
        let begins = |a: &String, b: &String| a.strip_suffix('*').is_some_and(|begin| b.starts_with(begin));
        let meet = |a: &String, b: &String| a == b || begins(a, b) || begins(b, a);
        let same = |(a, b): (&Vec<String>, &Vec<String>)| a.iter().any(|a| b.iter().any(|b| meet(a, b)));
        let (own, others) = (self.operands.len(), other.operands.len());
        let fits = if self.ends { own == others } else { own <= others };
        fits && self.operands.iter().zip(&other.operands).all(same)
            && self.options.iter().all(|option| other.options.iter().any(|given| option == given))
    }

    /// The way of calling, as `programs.yaml` writes it.
    pub(super) fn text(&self) -> String {
        let given = self.operands.iter().chain(&self.options).map(|names| names.join("|"));
        let without = self.without.iter().map(|names| format!("!{}", names.join("|")));
        let end = self.ends.then(|| ".".to_string());
        given.chain(without).chain(end).collect::<Vec<_>>().join(" ")
    }

    /// `get|describe *`, `apply --dry-run=client`, `.`; `None` where a token means nothing.
    pub(super) fn parse(text: &str) -> Option<Way> {
        let mut way = Way { operands: Vec::new(), options: Vec::new(), without: Vec::new(), ends: false };
        for token in text.split_whitespace() {
            let (token, given) = token.strip_prefix('!').map_or((token, true), |token| (token, false));
            let words: Vec<String> = token.split('|').map(str::to_string).collect();
            let fits = |c: char| c.is_ascii_alphanumeric() || "-_.:/@+=,%".contains(c);
            let is_word = |word: &String| {
                let bare = word.strip_suffix('*').unwrap_or(word);
                !word.is_empty() && bare.chars().all(fits)
            };
            let dashed = words.iter().filter(|word| word.starts_with('-')).count();
            match dashed {
                _ if way.ends || !words.iter().all(is_word) => return None,
                0 if !given => return None,
                0 if token == "." => way.ends = true,
                0 if words.iter().any(|word| word == ".") => return None,
                0 => way.operands.push(words),
                _ if dashed == words.len() && !token.contains('*') && given => way.options.push(words),
                _ if dashed == words.len() && !token.contains('*') => way.without.push(words),
                _ => return None,
            }
        }
        Some(way)
    }
}

/// All that is known of a name.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct NameEntry {
    pub program: Option<&'static Program>,
    pub wrapper: Option<&'static Wrapper>,
    pub script: Option<&'static Wrapper>,
    /// Whether it only looks, however it is called.
    pub safe: bool,
}

static INDEX: LazyLock<HashMap<&'static str, NameEntry>> = LazyLock::new(|| {
    let table: &'static ProgramTable = &TABLE;
    let mut index: HashMap<&'static str, NameEntry> = HashMap::new();
    let mut note = |names: &'static [String], known: &dyn Fn(&mut NameEntry)| {
        names.iter().for_each(|name| known(index.entry(name).or_default()));
    };
    table.programs.iter().for_each(|one| note(&one.names, &|entry| entry.program = entry.program.or(Some(one))));
    table.wrappers.iter().for_each(|one| note(&one.names, &|entry| entry.wrapper = entry.wrapper.or(Some(one))));
    table.scripts.iter().for_each(|one| note(&one.names, &|entry| entry.script = entry.script.or(Some(one))));
    note(&table.safe, &|entry| entry.safe = true);
    index
});

/// What is known of a name.
pub(super) fn entry(name: &str) -> Option<NameEntry> {
    INDEX.get(name).copied().or_else(|| super::own::entry(name))
}

/// The table. A test holds that it can be read.
pub(super) static TABLE: LazyLock<ProgramTable> = LazyLock::new(|| read().unwrap_or_default());

fn read() -> Result<ProgramTable, String> {
    serde_json::from_str(include_str!(concat!(env!("OUT_DIR"), "/programs.json"))).map_err(|error| error.to_string())
}

/// What is known of a program.
pub(super) fn program(name: &str) -> Option<&'static Program> {
    entry(name)?.program
}

/// What is known of a program that only runs another one.
pub fn wrapper(name: &str) -> Option<&'static Wrapper> {
    entry(name)?.wrapper
}

/// What is known of a program that takes shell text.
pub fn script(name: &str) -> Option<&'static Wrapper> {
    entry(name)?.script
}

impl Switch {
    /// Whether it is among the options of a call.
    pub fn is_given(&self, options: &[(String, Option<String>)]) -> bool {
        let among = |names: &[String], name: &String| names.contains(name);
        if options.iter().any(|(name, _)| among(&self.without, name)) {
            return false;
        }
        let mut given = options.iter().filter(|(name, _)| among(&self.switch, name));
        if self.once {
            return given.count() == 1;
        }
        given.any(|(_, value)| {
            self.value.as_ref().is_none_or(|wanted| value.as_deref().is_some_and(|value| wanted.is_match(value)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::Call;
    use std::collections::BTreeSet;

    fn call(text: &str) -> Call {
        let words = text.split(' ').map(str::to_string).collect();
        Call::new(words)
    }

    #[test]
    fn the_table_can_be_read_and_names_each_program_once() {
        let table = read().unwrap();
        let mut names = BTreeSet::new();
        for name in table.programs.iter().flat_map(|program| &program.names).chain(&table.safe) {
            assert!(names.insert(name), "{name} stands there twice");
        }
        for name in ["redis-cli", "psql", "mysql", "mariadb", "mongosh", "curl", "kubectl", "docker"] {
            assert!(program(name).is_some_and(|program| !program.errors.is_empty()), "{name}");
        }
        for program in table.programs {
            assert!(
                !program.ignores_errors || program.advice.is_some() || program.names == ["supervisorctl"],
                "{:?} gives no advice",
                program.names
            );
            for error in program.errors {
                assert_eq!(error.line.is_some(), error.status.is_empty(), "{:?}", program.names);
                let patterns = [&error.line, &error.last_of].into_iter().flatten().map(|pattern| &pattern.0);
                let values = program.unless.iter().chain(&error.with).filter_map(|switch| switch.value.as_ref());
                for pattern in patterns.chain(values.map(|value| &value.0)) {
                    assert!(pattern.is_some(), "a pattern of {:?} is none", program.names);
                }
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

    #[test]
    fn ways_are_read_and_a_token_that_means_nothing_is_an_error() {
        let way = Way::parse("get|describe * -f|--follow .").unwrap();
        assert_eq!(way.operands, [vec!["get", "describe"], vec!["*"]]);
        assert_eq!((way.options, way.ends), (vec![vec!["-f".to_string(), "--follow".to_string()]], true));
        assert_eq!(Way::parse(""), Some(Way { operands: vec![], options: vec![], without: Vec::new(), ends: false }));
        for wrong in [". a", "a||b", "a|-b", "a*b", "|", "a;b", "$X", "-f*", "a|."] {
            assert_eq!(Way::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_told_in_a_language_of_its_own_has_only_options_that_are_known() {
        for program in read().unwrap().programs.iter().filter(|program| program.language.is_some()) {
            assert!(program.only.is_some(), "{:?}", program.names);
        }
    }
}
