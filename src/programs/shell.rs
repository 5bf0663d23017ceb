//! What shell text does to the world: it only looks, it changes something, or it cannot be told, which counts as a change. A
//! command that only looks runs without anybody having accepted it, so whatever is not understood here is unknown, and the
//! people who write the texts may have read this.

use super::effect::{CallArguments, GivenOption};
use super::table::Program;
use crate::bash::{
    self, Arithmetic, Assignment, EXPANDED, Expansion, FILLED, Holds, Redirect, RedirectTarget, ShellWord,
    SimpleCommand, Statement, StatementKind, Word, WordKind,
};
use crate::programs::{self, Effect, EffectKind, StandardInput, among};
use std::collections::{HashMap, HashSet};

/// How deep shell text may stand in shell text.
const DEEPEST: usize = 4;
/// How many programs that only run another one may stand before a program.
const MOST_WRAPPERS: usize = 8;

/// Whether a format of `printf` has a `%n`, which sets a variable.
fn counts(format: &str) -> bool {
    let flag = |c: char| "-+ #'.*hlLqjzt0123456789".contains(c);
    format.split('%').skip(1).any(|rest| rest.trim_start_matches(flag).starts_with('n'))
}

/// The effect of shell text as it stands there; [`FILLED`](crate::bash::FILLED) in it is a word of which nothing is known.
pub fn of_shell(text: &str) -> Effect {
    of_script(text, StandardInput::Nothing, 0, false)
}

/// Whether shell text only looks, and so is not meant to help.
pub fn only_looks(text: &str) -> bool {
    looks(text, EffectWalk::default())
}

/// Whether shell text only looks, where writing to files below `/tmp` counts as looking.
pub fn only_notes(text: &str) -> bool {
    looks(text, EffectWalk { notes: true, ..EffectWalk::default() })
}

/// The same, where a plain GET of `curl` does not count, of an address in which no word is known to be an order. HTTP says that a GET may be
/// repeated.
pub fn only_gets(text: &str) -> bool {
    looks(text, EffectWalk { gets: true, ..EffectWalk::default() })
}

fn looks(text: &str, walk: EffectWalk) -> bool {
    !text.trim().is_empty() && walked(text, StandardInput::Nothing, walk).kind == EffectKind::Looks
}

/// `posix`: it is not known which shell reads it, so that what others than bash read in another way is not understood. To dash
/// `echo &> /dev/null reboot` are two commands.
fn of_script(text: &str, input: StandardInput<'_>, depth: usize, posix: bool) -> Effect {
    walked(text, input, EffectWalk { depth, posix, ..EffectWalk::default() })
}

fn walked(text: &str, input: StandardInput<'_>, mut judge: EffectWalk) -> Effect {
    if judge.depth > DEEPEST {
        return Effect::unknown("shell text stands too deep in shell text");
    }
    let plain = text.replace("$((", "");
    if let Some(sign) = words!("of bash").split_whitespace().find(|sign| judge.posix && plain.contains(sign)) {
        return Effect::unknown(format!("not every shell reads `{sign}` alike"));
    }
    if text.contains("/dev/tcp/") || text.contains("/dev/udp/") {
        return Effect::unknown("it opens a connection");
    }
    let statements = match bash::read(text).strict() {
        Ok(statements) => statements,
        Err(what) => {
            let why = format!("it could not be read as shell: {what}");
            return Effect { kind: EffectKind::Unreadable, ..Effect::unknown(why) };
        }
    };
    judge.note_all(&statements);
    // What the commands of a script read is what it reads itself.
    judge.input = match input {
        StandardInput::Nothing => StandardInput::Nothing,
        StandardInput::Script => StandardInput::Script,
        _ => StandardInput::Stream,
    };
    judge.all(&statements, judge.input, true);
    judge.worst
}

/// Goes through everything that a text runs, and keeps the worst.
#[derive(Default)]
struct EffectWalk {
    worst: Effect,
    depth: usize,
    posix: bool,
    /// Whether files below `/tmp` do not count.
    notes: bool,
    /// Whether plain GETs do not.
    gets: bool,
    /// What the text itself has on its standard input.
    input: StandardInput<'static>,
    /// Functions that the text defines: what they do counts where they are defined.
    functions: HashSet<String>,
    /// What the variables may hold that the text sets …
    holds: HashMap<String, Holds>,
    /// … and those that certainly were set here.
    set: HashSet<String>,
    /// Whether something sets variables that is not followed.
    sets_others: bool,
}

impl EffectWalk {
    /// What commands read that stand in others.
    fn inherited(&self) -> StandardInput<'static> {
        if self.input == StandardInput::Script { StandardInput::Script } else { StandardInput::Stream }
    }

    fn add(&mut self, effect: Effect) {
        self.worst = std::mem::take(&mut self.worst).or_worse(effect);
    }

    fn unknown(&mut self, because: impl Into<String>) {
        self.add(Effect::unknown(because));
    }

    fn note(&mut self, name: &str, holds: Holds) {
        let known = self.holds.entry(name.to_string()).or_insert(holds);
        *known = holds.or(*known);
    }

    /// What a variable certainly holds here.
    fn held(&self, name: &String) -> Holds {
        let own = self.set.contains(name) && !self.sets_others && !among(name, words!("set by bash"));
        self.holds.get(name).copied().filter(|_| own).unwrap_or(Holds::ANYTHING)
    }

    /// A word, in which variables that are known are no options and no several words.
    fn word(&self, piece: &ShellWord) -> Word {
        let known = piece.variables.as_ref().filter(|names| !names.is_empty());
        let mut word = piece.word.clone();
        if known.is_some_and(|names| names.iter().all(|name| self.held(name).word)) {
            if word.text.starts_with(EXPANDED) {
                word.text.insert(0, 'x');
            }
            word.kind = WordKind::Held;
        }
        word
    }

    /// Notes what is defined and set anywhere.
    fn note_all(&mut self, statements: &[Statement]) {
        for statement in Statement::all(statements) {
            match &statement.kind {
                StatementKind::Simple(call) => {
                    call.assignments.iter().for_each(|assignment| self.note(&assignment.name, given(assignment)));
                    // `time read x`, `eval 'x=y'`, `printf '%n' x`: it is not followed which variable is set.
                    self.sets_others |= call.words.iter().any(|piece| among(&piece.word.text, words!("sets")));
                    // `export x=y`
                    if ["read", "export", "declare", "local", "typeset", "command", "builtin"].contains(&call.first()) {
                        let names = call.words.iter().map(|piece| piece.raw.split('=').next().unwrap_or_default());
                        names.for_each(|name| self.note(name, Holds::ANYTHING));
                    }
                }
                StatementKind::For { name, words, .. } => {
                    // Without words it counts: `for ((…))`.
                    let counts = Holds { number: true, word: false };
                    self.note(name, words.iter().map(|word| word.holds(true)).reduce(Holds::or).unwrap_or(counts));
                }
                StatementKind::Function { name, .. } => {
                    self.functions.insert(name.clone());
                }
                _ => {}
            }
            self.note_set(statement.expansions());
        }
    }

    fn note_set(&mut self, expansions: Vec<&Expansion>) {
        for expansion in expansions {
            match expansion {
                Expansion::Sets(name) => self.note(name, Holds::ANYTHING),
                Expansion::Arithmetic(computed) => self.note_set(computed.inside.iter().collect()),
                Expansion::Commands(_) => {}
            }
        }
    }

    /// `certain`: they run one after the other, whatever happens, in the shell itself.
    fn all(&mut self, statements: &[Statement], input: StandardInput<'_>, certain: bool) {
        statements.iter().for_each(|statement| self.statement(statement, input, certain));
    }

    fn statement(&mut self, statement: &Statement, input: StandardInput<'_>, certain: bool) {
        // Of a text that several read, each gets a part.
        let part = |input| if matches!(input, StandardInput::Text(_)) { StandardInput::Stream } else { input };
        let shared = part(input);
        match &statement.kind {
            StatementKind::Simple(call) => {
                self.call(call, input);
                if certain && call.words.is_empty() {
                    self.set.extend(call.assignments.iter().map(|assignment| assignment.name.clone()));
                }
            }
            StatementKind::AndOr(first, rest) => {
                self.statement(first, input, certain);
                rest.iter().for_each(|(_, part)| self.statement(part, shared, false));
            }
            StatementKind::Not(inner) => self.statement(inner, input, certain),
            StatementKind::Background(inner) => self.statement(inner, shared, false),
            StatementKind::Redirected(inner, redirects) => {
                let input = part(self.redirects(redirects, input));
                self.statement(inner, input, false);
            }
            StatementKind::Pipeline(stages) => {
                let mut input = input;
                for (stage, _) in stages {
                    self.statement(stage, input, false);
                    // `echo | openssl …` hands on nothing that means anything.
                    let says_nothing = stage.simple().is_some_and(|call| {
                        call.redirects.is_empty()
                            && matches!(&call.words[..], [word] if word.word.is("echo") || word.word.is("true"))
                    });
                    input = if says_nothing { StandardInput::Nothing } else { StandardInput::Stream };
                }
            }
            StatementKind::For { name, words, computed, body } => {
                computed.iter().take(1).for_each(|first| self.arithmetic(first));
                self.add(of_variable(name, false));
                words.iter().for_each(|word| self.inside(&word.inside));
                let first = self.set.insert(name.clone());
                computed.iter().skip(1).for_each(|computed| self.arithmetic(computed));
                self.all(body, shared, false);
                // Without a word to go through it was not set.
                if first {
                    self.set.remove(name);
                }
            }
            StatementKind::Case(words, _) => {
                statement.parts().into_iter().for_each(|part| self.statement(part, shared, false));
                self.test(words);
            }
            StatementKind::Arithmetic(computed) => self.arithmetic(computed),
            StatementKind::Test(words) => self.test(words),
            StatementKind::Function { name, body } => {
                // Whether it is defined when a word is its name, and what variables hold then, is not followed.
                self.unknown(format!("it defines the function `{name}`"));
                self.statement(body, self.inherited(), false);
            }
            StatementKind::Group { .. } | StatementKind::If(..) | StatementKind::Loop { .. } => {
                statement.parts().into_iter().for_each(|part| self.statement(part, shared, false));
            }
        }
    }

    fn call(&mut self, call: &SimpleCommand, input: StandardInput<'_>) {
        let input = self.redirects(&call.redirects, input);
        for assignment in &call.assignments {
            self.add(of_variable(&assignment.name, !call.words.is_empty()));
            assignment.values.iter().for_each(|value| self.inside(&value.inside));
        }
        call.words.iter().for_each(|piece| self.inside(&piece.inside));
        let Some(first) = call.words.first() else { return };
        let words: Vec<Word> = call.words.iter().map(|piece| self.word(piece)).collect();
        let is_plain = call.words.iter().all(|piece| piece.inside.is_empty() && piece.word.kind != WordKind::Loose);
        match first.raw.as_str() {
            "[" => self.bracket(call.words.get(1..).unwrap_or_default(), true),
            "test" => self.bracket(call.words.get(1..).unwrap_or_default(), false),
            "export" | "declare" | "local" | "typeset" | "unset" => {
                self.declaration(first, call.words.get(1..).unwrap_or_default())
            }
            "exec" if call.redirects.iter().any(|one| one.is_input()) => {
                self.unknown("it changes what later commands read");
            }
            "wait" if call.words.iter().skip(1).all(|piece| piece.raw == "$!") => {}
            // Of a wrapper or a script the first reason is told, and there may be others.
            "curl" if self.gets && is_plain && self.of_words(&words, input, 0).of_get => {}
            _ => self.add(self.of_words(&words, input, 0)),
        }
    }

    /// What is written somewhere; what is read instead of the input.
    fn redirects<'a>(&mut self, redirects: &'a [Redirect], mut input: StandardInput<'a>) -> StandardInput<'a> {
        let mut texts = 0;
        for redirect in redirects {
            self.inside(redirect.inside());
            match &redirect.to {
                RedirectTarget::Write(piece) => self.write(&piece.word),
                RedirectTarget::Read(piece) if piece.word.is("/dev/null") => input = StandardInput::Nothing,
                RedirectTarget::Read(piece) => {
                    let word = &piece.word;
                    let open = word.kind != WordKind::Fixed && "/dev/".starts_with(word.beginning());
                    if word.text.starts_with("/dev/") || open && !piece.raw.starts_with("<(") {
                        self.unknown(format!("it is not known what it reads from `{}`", word.shown()));
                    }
                    input = StandardInput::Stream;
                }
                RedirectTarget::Text { known, .. } => {
                    texts += 1;
                    input = known.as_deref().filter(|_| texts == 1).map_or(StandardInput::Stream, StandardInput::Text);
                }
                RedirectTarget::Copy => {}
            }
        }
        input
    }

    fn write(&mut self, word: &Word) {
        const NOWHERE: [&str; 3] = ["/dev/null", "/dev/stdout", "/dev/stderr"];
        let because = format!("writes the file {}", word.shown());
        match word.kind == WordKind::Fixed && NOWHERE.contains(&word.text.as_str()) {
            true => {}
            false if word.text.starts_with("/tmp/") && !word.text.contains("..") => {
                if !self.notes || word.kind != WordKind::Fixed {
                    self.unknown(because);
                }
            }
            false => self.add(Effect::changes(because)),
        }
    }

    fn inside(&mut self, inside: &[Expansion]) {
        for one in inside {
            match one {
                Expansion::Commands(statements) => self.all(statements, self.inherited(), false),
                Expansion::Arithmetic(computed) => self.arithmetic(computed),
                Expansion::Sets(name) => self.add(of_variable(name, false)),
            }
        }
    }

    fn arithmetic(&mut self, computed: &Arithmetic) {
        self.inside(&computed.inside);
        computed.sets.iter().for_each(|name| self.add(of_variable(name, false)));
        let other = computed.names.iter().find(|name| !self.held(name).number);
        match other {
            Some(name) => self.unknown(format!("it computes with `{name}`, whose value may be more than a number")),
            None if computed.strange => self.unknown("it computes with what may be more than a number"),
            None => {}
        }
    }

    /// `[[ … ]]`, and the words of `case`.
    fn test(&mut self, pieces: &[ShellWord]) {
        for (at, piece) in pieces.iter().enumerate() {
            self.inside(&piece.inside);
            let known = |names: &Vec<String>| names.iter().all(|name| self.held(name).number);
            let is_number = |piece: &ShellWord| piece.digits && piece.variables.as_ref().is_some_and(known);
            let mut beside =
                [at.checked_sub(1).and_then(|at| pieces.get(at)), pieces.get(at + 1)].into_iter().flatten();
            let numbers = beside.all(is_number);
            match piece.raw.as_str() {
                "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" if !numbers => {
                    self.unknown("it compares as a number what may be more than one");
                }
                "-v" | "-R" => self.unknown("it asks for a variable by a name that may be more than one"),
                _ => {}
            }
        }
    }

    /// `[ … ]`, `test …`. With `-v` it runs what stands in the name of a variable; so its words must not turn into others.
    fn bracket(&mut self, words: &[ShellWord], closed: bool) {
        let words: Vec<Word> = words.iter().map(|piece| self.word(piece)).collect();
        let words = match words.split_last() {
            Some((last, words)) if closed && last.is("]") => words,
            _ if closed => return self.unknown("`[` without a `]`"),
            _ => &words[..],
        };
        let joins = |word: &Word| word.is("-a") || word.is("-o");
        let looks = words.split(joins).all(|part| {
            let negated = part.iter().take_while(|word| word.is("!")).count();
            let one = |word: &Word, list: &str| word.kind == WordKind::Fixed && among(&word.text, list);
            match part.get(negated..).unwrap_or_default() {
                [] => true,
                [word] => word.kind != WordKind::Loose,
                [sign, word] => {
                    one(sign, "-n -z -f -d -e -r -w -x -s -L -h -S -p -b -c -t") && word.kind != WordKind::Loose
                }
                [left, sign, right] => {
                    one(sign, "= == != -eq -ne -lt -le -gt -ge -nt -ot -ef < >")
                        && left.kind != WordKind::Loose
                        && right.kind != WordKind::Loose
                }
                _ => false,
            }
        });
        if !looks {
            self.unknown("a word of a test may become others");
        }
    }

    /// `export A=b`, `unset A`.
    fn declaration(&mut self, command: &ShellWord, words: &[ShellWord]) {
        let command = command.raw.as_str();
        let of_arrays = words.iter().any(|word| matches!(word.raw.as_str(), "-a" | "-A"));
        for piece in words {
            let (name, value) =
                piece.raw.split_once('=').map_or((piece.raw.as_str(), None), |(name, value)| (name, Some(value)));
            let option = match command {
                "unset" => matches!(name, "-v" | "-f"),
                "export" => name == "-p",
                _ => matches!(name, "-x" | "-g" | "-a" | "-A" | "-p"),
            };
            let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            // Of an array bash expands what stands in the value, quoted or not: `declare -a x='($(reboot))'`.
            let list = value.is_some_and(|value| {
                value.trim_start_matches(['\'', '"', '$', ' ']).starts_with('(') && !value.starts_with("$(")
            });
            match () {
                () if option && value.is_none() => {}
                () if command != "export" && (list || of_arrays && value.is_some()) => {
                    self.unknown("what is given to an array may run something")
                }
                () if self.posix && piece.word.kind == WordKind::Loose => self.unknown("a variable may become several"),
                () if is_name && (value.is_none() || command != "unset") => {
                    self.add(of_variable(name, command != "local"))
                }
                () => self.unknown(format!("`{command} {}` is not known", piece.word.shown())),
            }
        }
    }

    /// The effect of a program with its words, through everything that only runs another one.
    fn of_words(&self, words: &[Word], input: StandardInput<'_>, wrapped: usize) -> Effect {
        self.judged(words, input, wrapped).unwrap_or_else(|strange| strange)
    }

    /// The same; an error is the effect of what was met on the way, and the rest was not looked at.
    fn judged(&self, words: &[Word], input: StandardInput<'_>, wrapped: usize) -> Result<Effect, Effect> {
        let Some((first, arguments)) = words.split_first() else { return Ok(Effect::looks()) };
        let text = first.text.as_str();
        let name = programs::name_of(text).filter(|_| first.kind == WordKind::Fixed && wrapped <= MOST_WRAPPERS);
        let Some(name) = name else { return Ok(programs::of_call(words, input)) };
        let asks = matches!(arguments, [word] if word.is("--help") || word.is("--version"));
        let has = |options: &[&str]| arguments.iter().any(|word| options.iter().any(|option| word.is(option)));
        Ok(match name {
            _ if text == name && wrapped == 0 && self.functions.contains(name) => Effect::looks(),
            _ if input == StandardInput::Script && reads(name, arguments) => {
                Effect::unknown(format!("`{name}` may read a part of the script"))
            }
            _ if among(name, words!("never")) => {
                Effect::unknown(format!("`{name}` may run something, or change what words mean"))
            }
            "set" => of_set(arguments)?,
            "read" => of_read(arguments)?,
            "printf" => {
                let sets =
                    |word: &Word| word.kind != WordKind::Fixed || word.text.starts_with("-v") || counts(&word.text);
                Effect::looks_if(!arguments.first().is_some_and(sets), "`printf` may set a variable")
            }
            "jobs" | "wait" | "hash" => {
                let (_, rest) = behind(name, arguments, "", "-l -n -p -r")?;
                Effect::looks_if(rest.is_empty(), format!("`{name}` is not known to only look in this way"))
            }
            _ if asks => programs::of_call(words, input),
            "sh" | "bash" | "dash" | "ash" | "ksh" => self.of_shell(name, arguments, input)?,
            "eval" => self.of_joined(name, arguments, input),
            "ssh" => self.of_ssh(arguments, input)?,
            // `runuser -u USER -- words` is a program with its words, and no text.
            "su" | "runuser" if !has(&["--"]) || has(&["-c", "--command"]) => self.of_su(name, arguments, input)?,
            "watch" => match behind(name, arguments, "-n --interval", "-d -t -g -e -c -b --no-title") {
                Ok((_, words)) if !words.is_empty() => self.of_joined(name, words, input),
                _ => Effect::unknown("an option of `watch` is not known"),
            },
            "find" => self.of_find(words, input, wrapped),
            "command" if arguments.first().is_some_and(|word| word.is("-v") || word.is("-V")) => Effect::looks(),
            _ => match (programs::wrapper(name), inner(name, arguments)) {
                (Some(wrapper), _) if wrapper.feeds => self.of_xargs(wrapper, arguments, wrapped)?,
                (Some(wrapper), _) => self.of_wrapped(name, wrapper, arguments, input, wrapped)?,
                (None, Some(inner)) => match inner? {
                    [] => Effect::unknown(format!("what `{name}` runs is not known")),
                    words => self.of_words(words, input, wrapped + 1),
                },
                (None, None) => programs::of_call(words, input),
            },
        })
    }

    fn of_wrapped(
        &self,
        name: &str,
        wrapper: &programs::Wrapper,
        words: &[Word],
        input: StandardInput<'_>,
        wrapped: usize,
    ) -> Result<Effect, Effect> {
        let (_, mut rest) = behind(name, words, &wrapper.valued.join(" "), &wrapper.flags.join(" "))?;
        let mut worst = Effect::looks();
        while let Some((first, behind)) = rest.split_first().filter(|_| wrapper.assignments) {
            let Some((variable, _)) = first.beginning().split_once('=') else { break };
            if first.kind == WordKind::Loose {
                return Err(Effect::unknown(format!("`{}` may become several words", first.shown())));
            }
            worst = worst.or_worse(of_variable(variable, true));
            rest = behind;
        }
        let (before, inner) = rest.split_at(wrapper.operands.min(rest.len()));
        Ok(match before.iter().find(|word| word.may_be_option()) {
            Some(word) => Effect::unknown(format!("`{}` may bring options", word.shown())),
            None if inner.is_empty() && matches!(name, "env" | "exec" | "time") => worst,
            None if inner.is_empty() => Effect::unknown(format!("`{name}` is not known to only look")),
            None => worst.or_worse(self.of_words(inner, input, wrapped + 1)),
        })
    }

    /// The effect of shell text in a word, which must be known as a whole: an expansion in it could be any command.
    fn of_shell_text(&self, word: &Word, input: StandardInput<'_>, posix: bool) -> Effect {
        match word.kind {
            WordKind::Fixed => of_script(&word.text, input, self.depth + 1, posix || self.posix),
            _ => Effect::unknown(format!("`{}` is read as shell, and a part of it is filled in", word.shown())),
        }
    }

    /// The effect of words that are joined and read as shell.
    fn of_joined(&self, name: &str, words: &[Word], input: StandardInput<'_>) -> Effect {
        match words.iter().find(|word| word.kind != WordKind::Fixed) {
            Some(word) => Effect::unknown(format!("`{name}` reads `{}` as shell", word.shown())),
            None => {
                let words: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
                self.of_shell_text(&Word::fixed(words.join(" ")), input, name != "eval")
            }
        }
    }

    /// `sh -c TEXT`, or what it reads.
    fn of_shell(&self, name: &str, words: &[Word], input: StandardInput<'_>) -> Result<Effect, Effect> {
        let (options, rest) = behind(name, words, "-o", "-c -e -u -x -l -v -s --norc --noprofile")?;
        let mut settings = options.iter().filter(|given| given.name == "-o").filter_map(|given| given.value.as_ref());
        if let Some(setting) = settings.find(|word| !among(&word.text, "pipefail errexit nounset")) {
            return Err(Effect::unknown(format!("`{name}` with `-o {}`", setting.shown())));
        }
        let given = |name: &str| options.iter().any(|given| given.name == name);
        let told = given("-c");
        Ok(match (rest, input) {
            // With both dash goes on with its standard input.
            ([text, ..], _) if told && !given("-s") => self.of_shell_text(text, input, name != "bash"),
            ([], StandardInput::Text(text)) if !told => {
                of_script(text, on_input(text), self.depth + 1, name != "bash" || self.posix)
            }
            _ => Effect::unknown(format!("what `{name}` reads is not known")),
        })
    }

    /// `su - USER -c TEXT`.
    fn of_su(&self, name: &str, words: &[Word], input: StandardInput<'_>) -> Result<Effect, Effect> {
        let program = with_options("-c --command", "-l --login -m -p");
        let arguments = CallArguments::of(&program, words);
        if let Some(word) = arguments.unknown_option(&program) {
            return Err(Effect::unknown(format!("`{name}` with `{}`", word.shown())));
        }
        let users = arguments.operands.iter().filter(|word| !word.is("-")).count();
        let mut texts = arguments.options.iter().filter_map(|given| given.value.as_ref());
        Ok(match (texts.next(), texts.next()) {
            (Some(text), None) if users < 2 => self.of_shell_text(text, input, true),
            _ => Effect::unknown(format!("what `{name}` runs is not known")),
        })
    }

    /// `ssh [options] HOST words`.
    fn of_ssh(&self, words: &[Word], input: StandardInput<'_>) -> Result<Effect, Effect> {
        let known = |given: &GivenOption<'_>| {
            let value = given.value.as_ref().map_or("", |value| value.text.as_str());
            let setting = value.trim_start_matches('=').to_lowercase();
            let nowhere = ["userknownhostsfile=/dev/null", "globalknownhostsfile=/dev/null"];
            match given.name.as_str() {
                "-J" | "-l" => value.chars().all(|c| c.is_ascii_alphanumeric() || "._@:,-[]".contains(c)),
                "-o" if nowhere.contains(&setting.as_str()) => true,
                "-o" => among(setting.split('=').next().unwrap_or_default(), words!("settings of ssh")),
                _ => true,
            }
        };
        let unknown = |what: &str| Err(Effect::unknown(format!("`ssh` with `{what}`")));
        let (valued, flags) = ("-p -l -i -J -o", "-t -T -q -n -4 -6 -v -x -C -a");
        let (mut options, rest) = behind("ssh", words, valued, flags)?;
        let (host, rest) = rest.split_first().ok_or_else(|| Effect::unknown("the host of `ssh` is not known"))?;
        // What is filled in could be an option: `-oProxyCommand=…`.
        if host.text.starts_with(FILLED) {
            return unknown(&host.shown());
        }
        // Options may stand behind the host as well.
        let (more, rest) = behind("ssh", rest, valued, flags)?;
        options.extend(more);
        if let Some(given) = options.iter().find(|given| !known(given)) {
            return unknown(&given.name);
        }
        Ok(match (rest, input) {
            ([], StandardInput::Text(text)) => of_script(text, on_input(text), self.depth + 1, true),
            ([], _) => Effect::unknown("what `ssh` runs is not known"),
            (words, _) => self.of_joined("ssh", words, input),
        })
    }

    /// `xargs`: the program gets words that are not known, behind its own or in the place of a mark.
    fn of_xargs(&self, wrapper: &programs::Wrapper, words: &[Word], wrapped: usize) -> Result<Effect, Effect> {
        let (options, inner) = behind("xargs", words, &wrapper.valued.join(" "), &wrapper.flags.join(" "))?;
        let mark = options.iter().rev().find_map(|given| match given.name.as_str() {
            "-i" | "--replace" => Some("{}"),
            "-I" => given.value.as_ref().map(|mark| mark.text.as_str()),
            _ => None,
        });
        let mut words: Vec<Word> = inner.to_vec();
        match mark {
            Some(mark) if mark.is_empty() || mark.contains([FILLED, EXPANDED]) => {
                return Err(Effect::unknown("the mark of `xargs` is not known"));
            }
            Some(mark) => words.iter_mut().for_each(|word| fill(word, mark, WordKind::Held)),
            None => {}
        }
        // With `-n` behind it a mark means nothing.
        let counts = options.iter().any(|given| among(&given.name, "-n -L -l") || given.name.starts_with("--max"));
        if mark.is_none() || counts {
            words.push(Word { text: EXPANDED.to_string(), kind: WordKind::Loose });
        }
        Ok(if inner.is_empty() { Effect::looks() } else { self.of_words(&words, StandardInput::Stream, wrapped + 1) })
    }

    /// `find`: what it runs is judged by itself.
    fn of_find(&self, words: &[Word], input: StandardInput<'_>, wrapped: usize) -> Effect {
        let acts = |word: &&Word| {
            let name = ["-delete", "-fls", "-fprint", "-ok"].iter().find(|name| word.text.starts_with(*name));
            name.is_some() && word.kind == WordKind::Fixed
        };
        if let Some(word) = words.iter().find(acts) {
            return Effect::changes(format!("`find` with `{}`", word.shown()));
        }
        let (mut own, mut effects) = (Vec::new(), Vec::new());
        let mut rest = words;
        while let Some((word, behind)) = rest.split_first() {
            rest = behind;
            if !word.text.starts_with("-exec") {
                own.push(word.clone());
                continue;
            }
            let end = rest.iter().position(|word| word.is(";") || word.is("+"));
            let Some((inner, behind)) = end.and_then(|end| rest.split_at_checked(end)) else {
                return Effect::unknown("what `find` runs is not known");
            };
            // A word that is filled in could be a `;`, behind which `find` goes on.
            let strange = inner.iter().find(|word| word.may_be_option() || word.text.starts_with("-exec"));
            let known = word.is("-exec") || word.is("-execdir");
            if let Some(word) = strange.or(Some(word).filter(|_| !known)) {
                return Effect::unknown(format!("`find` with `{}`", word.shown()));
            }
            let kind = if behind.first().is_some_and(|end| end.is("+")) { WordKind::Loose } else { WordKind::Held };
            let mut inner = inner.to_vec();
            inner.iter_mut().for_each(|word| fill(word, "{}", kind));
            effects.push(self.of_words(&inner, StandardInput::Stream, wrapped + 1));
            rest = behind.get(1..).unwrap_or_default();
        }
        effects.push(programs::of_call(&own, input));
        Effect::worst(effects).unwrap_or_default()
    }
}

/// The effect of setting a variable; `exported`: for the program before which it stands.
fn of_variable(name: &str, exported: bool) -> Effect {
    let ends = |known: &str| name.ends_with(known);
    let dangerous = words!("dangerous variables").split_ascii_whitespace().any(|known| match known.split_once('*') {
        Some(("", end)) => ends(end),
        Some((begin, _)) => name.starts_with(begin),
        None => name == known,
    });
    let to_others = || exported && !name.starts_with("PG") && words!("to others").split_ascii_whitespace().any(ends);
    Effect::looks_if(!dangerous && !to_others(), format!("`{name}` decides what other programs do"))
}

/// What a variable holds that is assigned.
fn given(assignment: &Assignment) -> Holds {
    match &assignment.values[..] {
        [value] => value.holds(false),
        _ => Holds::ANYTHING,
    }
}

/// What the commands of a script read that a shell reads from its standard input.
fn on_input(script: &str) -> StandardInput<'static> {
    if script.trim().contains('\n') { StandardInput::Script } else { StandardInput::Stream }
}

/// Whether a program may read its standard input.
fn reads(name: &str, words: &[Word]) -> bool {
    let input =
        |word: &Word| ["/dev/", "/proc/", "-S"].iter().any(|sign| word.text.contains(sign)) || word.text.ends_with('-');
    !(among(name, words!("deaf")) || programs::wrapper(name).is_some_and(|wrapper| !wrapper.feeds))
        || words.iter().any(input)
}

/// Puts something that is not known in the place of a mark.
fn fill(word: &mut Word, mark: &str, kind: WordKind) {
    if word.text.contains(mark) {
        word.text = word.text.replace(mark, &EXPANDED.to_string());
        word.kind = if word.kind == WordKind::Loose { WordKind::Loose } else { kind };
    }
}

/// A program that has these options with a value, and these without one.
fn with_options(valued: &str, flags: &str) -> Program {
    let [valued, flags] = [valued, flags].map(|names| names.split_whitespace().map(str::to_string).collect());
    Program { valued, flags, ..Program::default() }
}

/// Options, each with its value, and the words behind them.
type OptionsFirst<'w> = (Vec<GivenOption<'w>>, &'w [Word]);

/// The options of a program that runs another one, each with its value, and the words behind them.
///
/// # Errors
/// The effect of a word that is not known to be one of these.
fn behind<'w>(name: &str, words: &'w [Word], valued: &str, flags: &str) -> Result<OptionsFirst<'w>, Effect> {
    let program = Program { options_first: true, ..with_options(valued, flags) };
    let arguments = CallArguments::of(&program, words);
    match arguments.unknown_option(&program) {
        Some(word) => Err(Effect::unknown(format!("`{name}` with `{}`", word.shown()))),
        None => Ok((arguments.options, words.get(words.len() - arguments.operands.len()..).unwrap_or_default())),
    }
}

/// `read NAMES`.
fn of_read(words: &[Word]) -> Result<Effect, Effect> {
    let (_, names) = behind("read", words, "-p -t -n -N -d -u", "-r -s")?;
    let is_plain = |name: &Word| name.text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let of_name = |name: &Word| match name.kind == WordKind::Fixed && is_plain(name) {
        true => of_variable(&name.text, false),
        false => Effect::unknown(format!("`read {}` is not known", name.shown())),
    };
    Ok(Effect::worst(names.iter().map(of_name)).unwrap_or_default())
}

/// `set -euo pipefail`, `set -- words`.
fn of_set(words: &[Word]) -> Result<Effect, Effect> {
    // `set +x` takes back what `set -x` has set.
    let mut words = words.to_vec();
    if words.iter().any(|word| word.is("+")) {
        return Err(Effect::unknown("`set +` goes on with options behind it"));
    }
    words.iter_mut().filter(|word| word.text.starts_with('+')).for_each(|word| word.text.replace_range(..1, "-"));
    let (options, _) = behind("set", &words, "-o", "-e -u -x")?;
    let mut settings = options.iter().filter_map(|given| given.value.as_ref());
    let known = settings.all(|setting| among(&setting.text, "pipefail errexit nounset xtrace"));
    Ok(Effect::looks_if(known, "`set -o` is not known"))
}

/// The words that run in another place: `kubectl exec POD -- words`, `docker compose exec SERVICE words`. None where the
/// call is of another kind, or too strange to be told.
fn inner<'w>(name: &str, words: &'w [Word]) -> Option<Result<&'w [Word], Effect>> {
    let exec = format!("{name} exec");
    match name {
        "kubectl" | "oc" => {
            let valued = "-n --namespace --context --cluster -c --container --request-timeout";
            let flags = "-i -t --stdin --tty -q --quiet";
            let (_, rest) = behind(name, words, valued, flags).ok()?;
            let (_, rest) = rest.split_first().filter(|(verb, _)| verb.is("exec"))?;
            // The name of the Pod stands among the options.
            let of_rest = |rest| {
                let (_, rest) = behind(&exec, rest, valued, flags)?;
                let nothing = || Effect::unknown(format!("what `{exec}` runs is not known"));
                let (_, rest) = rest.split_first().ok_or_else(nothing)?;
                let (_, inner) = behind(&exec, rest, valued, flags)?;
                // Without a `--`, options of the command could be those of the client.
                let own = rest.len() > inner.len()
                    && rest.get(rest.len() - inner.len() - 1).is_some_and(|word| word.is("--"));
                match inner.iter().find(|word| !own && (word.may_be_option() || word.text.starts_with('-'))) {
                    Some(word) => Err(Effect::unknown(format!("`{exec}` with `{}`", word.shown()))),
                    None => Ok(inner),
                }
            };
            Some(of_rest(rest))
        }
        "docker" | "podman" | "nerdctl" | "docker-compose" => {
            let of_compose = "-f --file -p --project-name --profile --project-directory";
            let valued = format!("-H --host -c --context -l --log-level {of_compose}");
            let (_, mut rest) = behind(name, words, &valued, "-D --debug").ok()?;
            if let Some((_, words)) = rest.split_first().filter(|(verb, _)| verb.is("compose")) {
                (_, rest) = behind(name, words, of_compose, "").ok()?;
            }
            let (_, rest) = rest.split_first().filter(|(verb, _)| verb.is("exec"))?;
            let valued = "-u --user -w --workdir --index -e --env";
            let flags = "-i -t -T --interactive --tty --no-TTY -d --detach --privileged";
            let of_rest = |(options, rest): OptionsFirst<'w>| {
                let variable = |given: &GivenOption<'_>| {
                    let given = given.value.as_ref().filter(|_| among(&given.name, "-e --env"))?;
                    let name = given.text.trim_start_matches('=').split('=').next().filter(|name| bash::is_name(name));
                    let strange = || Effect::unknown(format!("`{exec}` with `-e`"));
                    Some(name.map_or_else(strange, |name| of_variable(name, true)))
                };
                match Effect::worst(options.iter().filter_map(variable)).unwrap_or_default() {
                    Effect { kind: EffectKind::Looks, .. } => Ok(rest.get(1..).unwrap_or_default()),
                    worst => Err(worst),
                }
            };
            Some(behind(&exec, rest, valued, flags).and_then(of_rest))
        }
        _ => None,
    }
}
