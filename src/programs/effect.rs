//! What a program does to the world, called with certain words: it only looks, as the table says of exactly this way of
//! calling it, or it changes something, or nobody can say. **Whatever is not understood is unknown**, and counts as a change.

use super::sql::of_sql;
use super::table::{self, InputLanguage, Program, Way};
use super::{Call, among, http, scripts};
use crate::bash::{FILLED, Word, WordKind};

/// What a program gets on its standard input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StandardInput<'a> {
    /// Nothing.
    Nothing,
    /// Something that is not known here: a pipe, a file.
    #[default]
    Stream,
    /// The rest of the script of which it is a part: what it takes of that its shell does not read.
    Script,
    /// This text.
    Text(&'a str),
}

named_enum! {
/// What a command does; the worse, the greater.
#[derive(Default)]
pub enum EffectKind {
    /// It only looks.
    #[default]
    Looks = "looks": "looks",
    /// It cannot be told.
    Unknown = "unknown": "may change something",
    /// Nor can it be read as shell.
    Unreadable = "unknown": "may change something",
    /// It changes something.
    Changes = "changes": "changes something",
}
}

/// What a command does, and how that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effect {
    /// What it does.
    pub kind: EffectKind,
    /// How that is known, for people; empty where it only looks.
    pub because: String,
    /// It is not known of a plain GET alone, which may be repeated (RFC 9110, 9.2.1: it is safe).
    pub of_get: bool,
}

impl Effect {
    /// The effect of a command that only looks.
    pub fn looks() -> Effect {
        Effect::default()
    }

    /// It only looks where something holds; where not, it cannot be told, for this reason.
    pub fn looks_if(holds: bool, because: impl Into<String>) -> Effect {
        if holds { Effect::looks() } else { Effect::unknown(because) }
    }

    /// It cannot be told, for this reason.
    pub fn unknown(because: impl Into<String>) -> Effect {
        Effect { kind: EffectKind::Unknown, because: because.into(), of_get: false }
    }

    /// It changes something, as this says.
    pub fn changes(because: impl Into<String>) -> Effect {
        Effect { kind: EffectKind::Changes, because: because.into(), of_get: false }
    }

    /// The worse of two; of equals the first.
    pub fn or_worse(self, other: Effect) -> Effect {
        if other.kind > self.kind { other } else { self }
    }

    /// The worst of several.
    pub fn worst(effects: impl IntoIterator<Item = Effect>) -> Option<Effect> {
        effects.into_iter().reduce(Effect::or_worse)
    }
}

/// An option that is given.
#[derive(Debug)]
pub(super) struct GivenOption<'w> {
    /// `-x` or `--long`.
    pub name: String,
    /// Its value, a part of its own word or the next one.
    pub value: Option<Word>,
    /// The word that it stands in.
    pub word: &'w Word,
    /// Whether it is certain that it is an option, and no value of one before it.
    sure: bool,
    /// How many operands stand before it.
    behind: usize,
}

/// The words behind a program, taken apart.
#[derive(Debug, Default)]
pub(super) struct CallArguments<'w> {
    pub operands: Vec<&'w Word>,
    pub options: Vec<GivenOption<'w>>,
    /// How many operands stand before the first word that may be more or something else than it seems.
    sure: Option<usize>,
    /// A word that may bring options.
    loose: Option<&'w Word>,
    /// An operand that is filled in.
    filled: Option<&'w Word>,
    /// Whether there may be more operands than there seem to be.
    several: bool,
    /// Whether the word that is looked at may be the value of an option before it …
    maybe_value: bool,
    /// … and the next one.
    maybe_valued: bool,
}

impl<'w> CallArguments<'w> {
    /// Takes the words behind a program apart by what the table knows of its options.
    pub fn of(program: &Program, words: &'w [Word]) -> CallArguments<'w> {
        let mut out = CallArguments::default();
        let mut rest = words.iter();
        let mut over = false;
        while let Some(word) = rest.next() {
            let dashed = word.text.len() > 1 && word.text.starts_with('-');
            out.several |= word.may_be_several();
            out.maybe_value = std::mem::take(&mut out.maybe_valued);
            if over || !dashed {
                if word.kind == WordKind::Loose || !over && word.may_be_option() {
                    out.doubt();
                    out.loose = out.loose.or(Some(word).filter(|_| !over));
                }
                out.filled = out.filled.or(Some(word).filter(|word| !over && word.text.starts_with(FILLED)));
                out.operands.push(word);
                over |= program.options_first;
            } else if word.is("--") {
                over = true;
            } else {
                out.option(program, word, &mut rest);
            }
        }
        out
    }

    /// What follows may be something else than it seems.
    fn doubt(&mut self) {
        self.sure = self.sure.or(Some(self.operands.len()));
        self.maybe_valued = true;
    }

    fn give(&mut self, name: &str, value: Option<Word>, word: &'w Word) {
        let (name, sure, behind) = (name.to_string(), !self.maybe_value, self.operands.len());
        self.options.push(GivenOption { name, value, word, sure, behind });
    }

    fn option(&mut self, program: &Program, word: &'w Word, rest: &mut std::slice::Iter<'w, Word>) {
        let (text, fixed) = (word.text.as_str(), word.kind == WordKind::Fixed);
        let own = |from: usize| Some(Word { text: text.get(from..).unwrap_or_default().into(), kind: word.kind });
        if word.kind == WordKind::Loose {
            self.loose = self.loose.or(Some(word));
        }
        let long = text.starts_with("--");
        match word.beginning().split_once('=') {
            // `-x=y` is an option of that name only where the table has one.
            Some((name, _)) if long || name.len() > 2 && (program.takes(name) || program.is_flag(name)) => {
                self.give(name, own(name.len() + 1), word);
            }
            _ if fixed && program.takes(text) => self.take(text, word, rest),
            _ if fixed && program.is_flag(text) => self.give(text, None, word),
            _ if long => {
                self.give(text, None, word);
                self.loose = self.loose.or(Some(word).filter(|_| !fixed));
                self.doubt();
            }
            _ => self.group(program, word, rest),
        }
        if word.kind == WordKind::Loose {
            self.doubt();
        }
    }

    /// An option whose value is the next word.
    fn take(&mut self, name: &str, word: &'w Word, rest: &mut std::slice::Iter<'w, Word>) {
        let value = rest.next();
        self.give(name, value.cloned(), word);
        if let Some(value) = value.filter(|value| value.kind == WordKind::Loose) {
            self.loose = self.loose.or(Some(value));
            self.several = true;
            self.doubt();
        }
    }

    /// Short options that share a word: `-fsSo FILE`.
    fn group(&mut self, program: &Program, word: &'w Word, rest: &mut std::slice::Iter<'w, Word>) {
        for (at, letter) in word.text.char_indices().skip(1) {
            let name = format!("-{letter}");
            let behind = word.text.get(at + letter.len_utf8()..).filter(|rest| !rest.is_empty());
            let attached = behind.map(|text| Word { text: text.into(), kind: word.kind });
            if at >= word.beginning().len() {
                self.give(&word.text, None, word);
                self.loose = self.loose.or(Some(word));
                return self.doubt();
            }
            if program.attached.contains(&name) {
                return self.give(&name, attached, word);
            }
            match program.takes(&name) {
                true if attached.is_some() => return self.give(&name, attached, word),
                true => return self.take(&name, word, rest),
                false => {}
            }
            self.give(&name, None, word);
            if !program.is_flag(&name) {
                self.doubt();
                self.maybe_value = true;
            }
        }
    }

    /// Whether the call is of this way. Where it is not `strict` (for a label), doubts count for nothing.
    fn holds(&self, program: &Program, way: &Way, strict: bool) -> bool {
        let certain = self.sure.filter(|_| strict).unwrap_or(usize::MAX);
        let same = |known: &str, given: &str| match program.ignores_case {
            true => known.eq_ignore_ascii_case(given),
            false => known == given,
        };
        let matches = |known: &String, given: &Word| match known.strip_suffix('*') {
            Some("") => given.kind == WordKind::Fixed || given.kind == WordKind::Held && !given.may_be_option(),
            Some(beginning) => {
                let begins = given.text.get(..beginning.len()).is_some_and(|begins| same(beginning, begins));
                // `sys/../database/creds/app` is another path.
                let begins = begins && !(beginning.contains('/') && given.text.contains(".."));
                given.kind == WordKind::Fixed && begins
            }
            None => given.kind == WordKind::Fixed && same(known, &given.text),
        };
        let operand = |(at, known): (usize, &Vec<String>)| {
            at < certain && self.operands.get(at).is_some_and(|given| known.iter().any(|known| matches(known, given)))
        };
        // With whatever value.
        let may_be_given = |names: &Vec<String>| {
            self.options.iter().any(|given| names.contains(&given.name)) || self.is_given(program, names, false, 0)
        };
        let ends = !way.ends || self.operands.len() == way.operands.len() && !(strict && self.several);
        way.operands.iter().enumerate().all(operand)
            && ends
            && way.options.iter().all(|names| self.is_given(program, names, strict, way.operands.len()))
            && !way.without.iter().any(may_be_given)
            && (way.options.is_empty() && way.without.is_empty() || !strict || self.loose.is_none())
    }

    /// Whether an option is given by one of its names, as a word of its own or among switches, and not taken back.
    /// Where it is not `strict` an option of the way stands behind its `operands`: the `-f` of `docker compose -f FILE logs` is none of `logs`.
    fn is_given(&self, program: &Program, names: &[String], strict: bool, operands: usize) -> bool {
        let given = |given: &GivenOption<'_>, name: &str| {
            // `-la` is `-l` and `-a`, `-lena` is `-l` with a value.
            let letters = given.word.text.chars().skip(1).all(|letter| program.is_flag(&format!("-{letter}")));
            let group = name.len() == 2 && !given.word.text.starts_with("--") && (letters || !strict);
            let own = given.word.is(name) || given.word.kind == WordKind::Fixed && given.name == name && group;
            // The `-f` of `docker rm -f -v` has no value, and that of `docker compose -f FILE` has.
            let taken = !strict && given.value.as_ref().is_some_and(|value| value.text == name);
            (own || taken) && if strict { given.sure } else { given.behind >= operands }
        };
        // kubectl reads `--dry_run` as `--dry-run`.
        let base = |name: &str| name.split('=').next().unwrap_or_default().trim_start_matches('-').replace('_', "-");
        names.iter().any(|name| {
            let against = |other: &GivenOption<'_>| {
                let other_base = base(&other.name);
                strict
                    && name.starts_with("--")
                    && !other.word.is(name)
                    && (other_base == base(name) || other_base.strip_prefix("no-") == Some(&base(name)))
            };
            self.options.iter().any(|one| given(one, name)) && !self.options.iter().any(against)
        })
    }

    /// What is wrong with the options of a call that would otherwise only look.
    fn strange(&self, program: &Program, verb: bool) -> Option<String> {
        if program.only.is_none() && program.refuse.is_empty() {
            return None;
        }
        // Behind a verb (`kubectl logs <pod>`) it is a name that a person fills in.
        if let Some(word) = self.loose.or(self.filled.filter(|_| !verb)) {
            return Some(format!("`{}` may bring options", word.shown()));
        }
        let bare = |name: &str| name.trim_start_matches('-').replace('_', "-");
        let is = |given: &GivenOption<'_>, known: &String| given.name == *known || given.word.is(known);
        let refused = |given: &GivenOption<'_>, known: &String| {
            let long = known.len() > 2 && given.name.len() > 2;
            let shortened = long && given.name.starts_with("--") && known.starts_with(&given.name);
            is(given, known) || given.word.beginning() == known || shortened || long && bare(known) == bare(&given.name)
        };
        let strange = self.options.iter().find(|given| {
            program.only.as_ref().is_some_and(|only| !only.iter().any(|known| is(given, known)))
                || program.refuse.iter().any(|known| refused(given, known))
        });
        strange.map(|given| match program.takes(&given.name) || given.word.text.len() <= 2 {
            true => format!("with `{}`", given.name),
            false => format!("with `{}`", given.word.shown()),
        })
    }

    /// The first word that is none of the program's options, or may bring others.
    pub fn unknown_option(&self, program: &Program) -> Option<&'w Word> {
        let is_known = |given: &&GivenOption<'_>| match given.value {
            Some(_) => program.takes(&given.name),
            None => program.is_flag(&given.name),
        };
        self.options.iter().find(|given| !is_known(given)).map(|given| given.word).or(self.loose)
    }

    /// The values of an option that has one of these names.
    pub fn values<'s>(&'s self, names: &'s str) -> impl Iterator<Item = Option<&'s Word>> {
        self.options.iter().filter(|given| among(&given.name, names)).map(|given| given.value.as_ref())
    }

    /// Whether one of these options is given.
    pub fn has(&self, names: &str) -> bool {
        self.values(names).next().is_some()
    }
}

impl Program {
    /// Whether its exit code tells of errors, called like this.
    pub fn is_honest(&self, call: &Call) -> bool {
        self.ignores_errors == self.unless.iter().any(|switch| switch.is_given(&self.options(call)))
    }

    /// The options of a call, each with its value.
    pub fn options(&self, call: &Call) -> Vec<(String, Option<String>)> {
        let words: Vec<Word> = call.arguments().iter().map(Word::fixed).collect();
        let given = CallArguments::of(self, &words).options.into_iter();
        given.map(|given| (given.name, given.value.map(|value| value.text))).collect()
    }

    /// Whether an option takes the next word as its value.
    pub(super) fn takes(&self, name: &str) -> bool {
        self.valued.iter().any(|known| known == name)
    }

    /// Whether it is an option without a value.
    fn is_flag(&self, name: &str) -> bool {
        let known = |list: &[String]| list.iter().any(|known| known == name);
        known(&self.flags) || self.only.as_deref().is_some_and(known) && !known(&self.valued) && !known(&self.attached)
    }
}

/// The name of a program that is looked up in the table: a bare one, or one in a folder of the system.
pub fn name_of(program: &str) -> Option<&str> {
    let name = words!("folders").split_whitespace().find_map(|folder| program.strip_prefix(folder)).unwrap_or(program);
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

/// Whether anything is known of a program.
pub fn is_known(name: &str) -> bool {
    table::entry(name).is_some()
}

/// Whether a call of a client may read files that its connection string names.
fn names_files(name: &str, program: &Program, arguments: &CallArguments<'_>) -> bool {
    let mut told = arguments.values("-d --dbname -h --host").flatten().chain(arguments.operands.iter().copied());
    (program.language == Some(InputLanguage::Sql) || name.starts_with("pg_"))
        && told.any(|Word { text, .. }| {
            let bare = text.replace("sslmode", "");
            text.contains(['=', ':']) && words!("connections").split_whitespace().any(|file| bare.contains(file))
        })
}

/// The effect of one program, called with these words, the program first; what it runs is not looked at.
pub fn of_call(words: &[Word], input: StandardInput<'_>) -> Effect {
    let Some((first, words)) = words.split_first() else { return Effect::looks() };
    let Some(name) = name_of(&first.text).filter(|_| first.kind == WordKind::Fixed) else {
        return Effect::unknown(format!("which program `{}` is, is not known", first.shown()));
    };
    let Some(entry) = table::entry(name) else {
        let unknown =
            format!("the table of programs does not know `{}`; `programs.yaml` can describe it", first.shown());
        return Effect::unknown(unknown);
    };
    let asks = matches!(words, [word] if word.is("--help") || word.is("--version"));
    if entry.safe || asks {
        return Effect::looks();
    }
    let Some(program) = entry.program else {
        return Effect::unknown(format!("`{name}` runs another program"));
    };
    // As `cd DIRECTORY` before it; behind a verb it is another option.
    let words = match words {
        [option, directory, rest @ ..] if name == "git" && option.is("-C") && directory.kind != WordKind::Loose => rest,
        _ => words,
    };
    let arguments = CallArguments::of(program, words);
    if names_files(name, program, &arguments) {
        return Effect::unknown(format!("`{name}`: its connection string may name files"));
    }
    let holding = program.looks.iter().filter(|way| arguments.holds(program, way, true));
    // Whether there is one, whether one says what the program is to do, and whether one begins with a verb.
    let (way, tells, verb) = holding.fold((false, false, false), |(_, tells, verb), way| {
        (true, tells || !way.options.is_empty(), verb || !way.operands.is_empty())
    });
    let first = arguments.operands.first();
    let is_name = |word: &&Word| word.kind == WordKind::Fixed && !word.text.contains(['=', '/']);
    // A path of the API of Kubernetes that says how the server is.
    let is_health = |path: &Word| {
        let paths = ["/readyz", "/livez", "/healthz", "/metrics"];
        path.kind == WordKind::Fixed && path.text.split('?').next().is_some_and(|path| paths.contains(&path))
    };
    let sends = input != StandardInput::Nothing && first.is_some_and(|verb| verb.is("s_client"));
    // What the words say in a language of their own.
    let told = match (name, program.language) {
        _ if program.names_only && !arguments.operands.iter().all(is_name) => {
            Some(Effect::unknown(format!("`{name}` may do more with words that are no names")))
        }
        ("sed" | "gsed", _) => Some(scripts::of_sed(&arguments)),
        ("awk" | "gawk" | "mawk" | "nawk", _) => Some(scripts::of_awk(&arguments)),
        ("openssl", _) if sends => Some(Effect::unknown("`openssl s_client` sends what it reads")),
        ("kubectl" | "oc", _) if !arguments.values("--raw").all(|path| path.is_some_and(is_health)) => {
            Some(Effect::unknown(format!("`{name}`: with `--raw`")))
        }
        (_, Some(InputLanguage::Http)) if tells && arguments.operands.is_empty() => None,
        (_, Some(InputLanguage::Http)) => Some(http::of_call(name, &arguments)),
        (_, Some(InputLanguage::Sql)) => of_statements(name, program, &arguments, input),
        (_, Some(InputLanguage::Redis)) if arguments.operands.is_empty() => match input {
            StandardInput::Text(text) => Some(of_lines(name, text)),
            _ => None,
        },
        _ => None,
    };
    let way = way && (tells || !matches!(program.language, Some(InputLanguage::Http | InputLanguage::Sql)));
    let strange = arguments.strange(program, verb).map(|strange| Effect::unknown(format!("`{name}`: {strange}")));
    let effect = told.unwrap_or_else(|| match (way, first.filter(|_| !program.looks.is_empty())) {
        (true, _) => Effect::looks(),
        (false, Some(operand)) => Effect::unknown(format!("`{name} {}` is not known to only look", operand.shown())),
        (false, None) => Effect::unknown(format!("`{name}` is not known to only look in this way")),
    });
    let effect = strange.into_iter().fold(effect, |effect, strange| strange.or_worse(effect));
    let changes = program.changes.iter().find(|way| arguments.holds(program, way, false));
    match changes.filter(|_| effect.kind == EffectKind::Unknown) {
        Some(way) => Effect::changes(format!("`{}` changes", arguments.label(name, way))),
        None => effect,
    }
}

/// The effect of what a client of a database is told: the values of its options, its operands, its standard input. None where
/// it is told nothing.
fn of_statements(name: &str, program: &Program, words: &CallArguments<'_>, input: StandardInput<'_>) -> Option<Effect> {
    let options = words.options.iter().filter(|given| program.text.contains(&given.name));
    let from = program.text_at.map_or(usize::MAX, |at| at.saturating_sub(1));
    let operands = words.operands.iter().skip(from).map(|word| Some(*word));
    let typed = if let StandardInput::Text(text) = input { Some(Word::fixed(text)) } else { None };
    let of_value = |value: Option<&Word>| match value {
        Some(value) => of_sql(name, &value.text, value.kind != WordKind::Fixed),
        None => Effect::unknown("SQL: there is no statement"),
    };
    let told = options.map(|given| given.value.as_ref()).chain(operands).chain(typed.as_ref().map(Some));
    Effect::worst(told.map(of_value))
}

/// The effect of commands that a program reads, one on a line.
pub fn of_lines(name: &str, text: &str) -> Effect {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let of_line = |line: &str| {
        let words = line.split_whitespace().map(Word::fixed);
        of_call(&[Word::fixed(name)].into_iter().chain(words).collect::<Vec<_>>(), StandardInput::Nothing)
    };
    Effect::worst(lines.map(of_line)).unwrap_or_else(|| Effect::unknown(format!("what `{name}` is told is not known")))
}

impl CallArguments<'_> {
    /// A call as it is told to people: the program and the words of the way.
    fn label(&self, name: &str, way: &Way) -> String {
        // What stands for any word is a name.
        let named = self.operands.iter().zip(&way.operands).filter(|(_, known)| known[..] != ["*"]);
        let operands = named.map(|(word, _)| word.shown());
        let given = |names: &Vec<String>| {
            let of_call = |name: &&String| self.options.iter().any(|given| given.name == **name || given.word.is(name));
            names.iter().find(of_call).or(names.first()).cloned()
        };
        let options = way.options.iter().filter_map(given);
        [name.to_string()].into_iter().chain(operands).chain(options).collect::<Vec<_>>().join(" ")
    }
}

/// The first of some ways that a call is of, as it is told to people.
pub(super) fn labelled(words: &[impl AsRef<str>], ways: impl Fn(&Program) -> &[Way]) -> Option<String> {
    let words: Vec<Word> = words.iter().map(|word| Word::fixed(word.as_ref())).collect();
    let (first, words) = words.split_first()?;
    let name = name_of(&first.text)?;
    let program = table::program(name)?;
    let arguments = CallArguments::of(program, words);
    let way = ways(program).iter().find(|way| arguments.holds(program, way, false))?;
    Some(arguments.label(name, way))
}

/// What of a program opens a session or an editor for a person, called like this: `kubectl edit`.
pub fn interactive(words: &[impl AsRef<str>]) -> Option<String> {
    labelled(words, |program| &program.interactive)
}

/// What of a program never ends by itself, called like this: `kubectl logs -f`.
pub fn endless(words: &[impl AsRef<str>]) -> Option<String> {
    labelled(words, |program| &program.endless)
}

/// What of a program keeps a copy of what may be lost, called like this: `restic backup`.
pub fn keeps(words: &[impl AsRef<str>]) -> Option<String> {
    labelled(words, |program| &program.keeps)
}

/// What of a program stays in force until somebody takes it back, called like this: `kubectl cordon`.
pub fn lasts(words: &[impl AsRef<str>]) -> Option<String> {
    labelled(words, |program| &program.lasts)
}

/// Whether a program sends SQL to a database.
pub fn is_sql_client(name: &str) -> bool {
    table::program(name).is_some_and(|program| program.language == Some(InputLanguage::Sql))
}

/// What of a program cannot be taken back, called like this: `kubectl delete namespace`.
pub fn destroys(words: &[impl AsRef<str>]) -> Option<String> {
    labelled(words, |program| &program.destroys).or_else(|| {
        let name = name_of(words.first()?.as_ref()).filter(|name| is_sql_client(name))?;
        words.iter().skip(1).find_map(|word| Some(format!("{name}: {}", destroying_statement(word.as_ref())?)))
    })
}

/// The first statement of a text of SQL that cannot be taken back.
pub fn destroying_statement(text: &str) -> Option<&str> {
    let harm = super::statements::harms(text).into_iter().next()?;
    text.get(harm.span.start..harm.span.end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bash::EXPANDED;

    fn words(text: &str) -> Vec<Word> {
        let word = |text: &str| match text {
            "$X" => Word { text: EXPANDED.to_string(), kind: WordKind::Loose },
            "\"$X\"" => Word { text: EXPANDED.to_string(), kind: WordKind::Held },
            text => Word {
                kind: if text.contains(FILLED) { WordKind::Held } else { WordKind::Fixed },
                text: text.to_string(),
            },
        };
        text.split(' ').map(word).collect()
    }

    #[test]
    fn words_that_are_not_known_decide_nothing() {
        for (text, kind) in [
            ("kubectl get pods", EffectKind::Looks),
            ("kubectl get \u{e000}", EffectKind::Looks),
            ("kubectl \u{e000} pods", EffectKind::Unknown),
            ("kubectl $X get pods", EffectKind::Unknown),
            ("kubectl -n $X get pods", EffectKind::Unknown),
            ("kubectl -n \"$X\" get pods", EffectKind::Looks),
            ("kubectl --unknown get pods", EffectKind::Unknown),
            ("kubectl apply -f x --dry-run=client", EffectKind::Looks),
            ("kubectl apply --field-manager --dry-run=client -f x", EffectKind::Changes),
            ("kubectl apply -f x --dry-run=client --dry-run=none", EffectKind::Changes),
            ("kubectl apply -f x --dry-run=client --dry_run=none", EffectKind::Changes),
            ("vault read sys/mounts", EffectKind::Looks),
            ("vault read sys/../database/creds/app", EffectKind::Unknown),
            ("ceph health detail", EffectKind::Looks),
            ("ceph health mute OSD_DOWN 4h", EffectKind::Unknown),
            ("go env --w GOPROXY=off", EffectKind::Unknown),
            ("istioctl ztunnel-config log x --level debug", EffectKind::Unknown),
            ("grep $X", EffectKind::Looks),
            ("sort $X", EffectKind::Unknown),
            ("sort \"$X\"", EffectKind::Unknown),
            ("sort -- $X", EffectKind::Looks),
            ("sort -uof x", EffectKind::Unknown),
            ("sort -k2 x", EffectKind::Looks),
            ("uniq x", EffectKind::Looks),
            ("uniq x y", EffectKind::Unknown),
            ("uniq $X", EffectKind::Unknown),
            ("hostname", EffectKind::Looks),
            ("hostname x", EffectKind::Unknown),
            ("crontab -l", EffectKind::Looks),
            ("crontab -ulena x", EffectKind::Unknown),
            ("journalctl --vac=1", EffectKind::Unknown),
            ("frob --help", EffectKind::Unknown),
            ("rm --help", EffectKind::Looks),
            ("rm --help x", EffectKind::Unknown),
            ("/usr/bin/kubectl get pods", EffectKind::Looks),
            ("/tmp/kubectl get pods", EffectKind::Unknown),
            ("./kubectl get pods", EffectKind::Unknown),
            ("$X get pods", EffectKind::Unknown),
        ] {
            let effect = of_call(&words(text), StandardInput::Nothing);
            assert_eq!(effect.kind, kind, "{text}: {}", effect.because);
        }
    }

    #[test]
    fn what_is_read_counts_where_it_is_text_for_the_program() {
        for (text, input, kind) in [
            ("psql", StandardInput::Nothing, EffectKind::Unknown),
            ("psql", StandardInput::Stream, EffectKind::Unknown),
            ("psql", StandardInput::Text("SELECT 1"), EffectKind::Looks),
            ("psql -c SHOW\u{a0}x", StandardInput::Nothing, EffectKind::Looks),
            ("psql", StandardInput::Text("DELETE FROM a"), EffectKind::Changes),
            ("psql -l", StandardInput::Nothing, EffectKind::Looks),
            ("redis-cli", StandardInput::Text("PING\nGET a\n"), EffectKind::Looks),
            ("redis-cli", StandardInput::Text("PING\nflushall\n"), EffectKind::Changes),
            ("redis-cli", StandardInput::Text("5 flushall\n"), EffectKind::Unknown),
            ("cat", StandardInput::Text("DELETE FROM a"), EffectKind::Looks),
            ("openssl s_client -connect x:443", StandardInput::Nothing, EffectKind::Looks),
            ("openssl s_client -connect x:443", StandardInput::Text("flush_all"), EffectKind::Unknown),
        ] {
            assert_eq!(of_call(&words(text), input).kind, kind, "{text} {input:?}");
        }
    }

    #[test]
    fn calls_are_told_by_their_ways() {
        fn words(text: &str) -> Vec<&str> {
            text.split(' ').collect()
        }
        assert!(["psql", "redis-cli", "kubectl edit x"].iter().all(|text| interactive(&words(text)).is_some()));
        assert_eq!(interactive(&words("kubectl get pods")), None);
        assert_eq!(endless(&words("kubectl logs x -f")).as_deref(), Some("kubectl logs -f"));
        assert_eq!(endless(&words("kubectl logs x")), None);
        assert_eq!(destroys(&words("kubectl delete ns x")).as_deref(), Some("kubectl delete ns"));
        assert!(destroys(&words("redis-cli -n 1 LTRIM jobs 1 0")).is_some());
        assert_eq!(destroys(&words("redis-cli ltrim jobs 0 99")), None);
        assert!(is_known("kubectl") && is_known("sudo") && is_known("ls") && !is_known("frob"));
    }
}
