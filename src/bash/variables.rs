//! Which variables a command reads before anything has set them, and which it leaves set. Reads come from the lexer,
//! assignments from the tree, because only the tree knows subshells, pipelines and prefix assignments.

use crate::bash::lexer::{VariableUse, lex};
use crate::bash::{
    Arithmetic, EXPANDED, Expansion, Redirect, RedirectTarget, ShellWord, SimpleCommand, Statement, StatementKind,
    is_name,
};
use crate::source::{Span, TextPattern, is_among};
use std::collections::{BTreeSet, HashMap, HashSet};

/// What a command does with variables.
#[derive(Debug, Default)]
pub struct VariableReads {
    /// Reads that nothing earlier in the same command satisfies.
    pub reads: Vec<VariableUse>,
    /// Variables that are set for the commands after this one.
    pub assigned: Vec<String>,
    /// What later commands get without spelling it.
    pub session: SessionEffects,
    /// Variables of which it is said somewhere what is done without them: `${X:-d}`, `[ -z "$X" ]`, `[ "$X" = y ]`.
    foreseen: HashSet<String>,
}

/// What a command does to its session that later commands do not spell. Functions are named `f()` here, the arguments `@`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionEffects {
    /// What it sets or takes away, besides the variables that it assigns.
    pub sets: Vec<String>,
    /// What programs get from then on, or get no longer: `export X`, `unset X`. Where the name is not known, the word.
    pub exports: Vec<String>,
    /// Whether all variables that are set from then on are exported: `set -a`, `set +a`.
    pub exports_all: Option<bool>,
    /// The functions that it may call.
    pub calls: BTreeSet<String>,
}

/// What a command must find in its session: without it, it is another command than the one that is written.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct VariableNeeds {
    /// Variables that must be set.
    pub set: BTreeSet<String>,
    /// Variables without whose value a word is gone (`restart $SERVICE`) or names another path (`rm -rf "$DIR"/x`).
    pub filled: BTreeSet<String>,
    /// Variables that another shell reads (`bash -c 'restart $SERVICE'`), which has only what is exported.
    pub exported: BTreeSet<String>,
}

/// Looks at one command (placeholders replaced by words).
pub fn of_command(text: &str) -> VariableReads {
    let lexed = lex(text);
    let mut found = VariableUses::default();
    crate::bash::read(text).statements.iter().for_each(|statement| found.walk(statement, text, usize::MAX));
    let assigning = lexed.reads.iter().filter(|read| read.assigns);
    assigning.for_each(|read| found.assign(&read.name, read.span.end, usize::MAX));
    let mut session = std::mem::take(&mut found.session);
    let stays = found.assignments.iter().filter(|(.., until)| *until == usize::MAX);
    let assigned: Vec<String> = stays.map(|(name, ..)| name.clone()).collect();
    // These are in the environment already.
    session.exports.extend(assigned.iter().filter(|name| *name != "_" && is_well_known(name)).cloned());
    let mut set: HashMap<&str, Vec<Span>> = HashMap::new();
    for (name, at, until) in &found.assignments {
        set.entry(name).or_default().push(Span::new(*at, *until));
    }
    let set: HashMap<&str, Stretches> = set.into_iter().map(|(name, spans)| (name, Stretches::of(spans))).collect();
    let [functions, tested] = [found.functions, found.tested].map(Stretches::of);
    let is_asked = |read: &VariableUse| {
        found.asked.iter().any(|asked| asked.start <= read.span.start && read.span.end <= asked.end)
    };
    let foreseen = lexed.reads.iter().filter(|read| read.has_default || tested.hold(read.span.start));
    let foreseen = foreseen.map(|read| read.name.clone()).collect();
    let own = lexed.reads.into_iter().filter(|read| !read.has_default && !is_well_known(&read.name));
    let is_set = |read: &VariableUse| set.get(read.name.as_str()).is_some_and(|set| set.hold(read.span.start));
    let mut reads: Vec<VariableUse> = own.chain(found.inner).collect();
    reads.retain(|read| !is_set(read) && !is_asked(read));
    reads.iter_mut().for_each(|read| read.in_function |= functions.hold(read.span.start));
    reads.sort_by_key(|read| read.span.start);
    VariableReads { reads, assigned, session, foreseen }
}

/// What a command needs of its session, as far as it is certain: what runs in any case, of which nothing says what is done without
/// the variable, and before anything whose assignments are not seen here (`source`, `export $(…)`, a function)
/// or that may end it well.
pub fn needs(text: &str, is_function: impl Fn(&str) -> bool) -> VariableNeeds {
    let (script, VariableReads { reads, foreseen, session, .. }, mut needs) =
        (crate::bash::read(text), of_command(text), VariableNeeds::default());
    if script.stopped.is_some() || reads.is_empty() {
        return needs;
    }
    let hides = |statement: &&&Statement| match &statement.kind {
        StatementKind::Simple(command) => {
            let mut words = called(command).iter().map(|word| bare(&word.raw));
            let (called, argument) = (words.next().unwrap_or_default(), words.next());
            // `export $(…)`, `read "$name"`
            let unnamed = |name: &String| !is_name(name) && !name.starts_with(['-', '+']);
            let ends_well = matches!(called, "exit" | "return") && argument == Some("0");
            let hides = ends_well || matches!(called, "." | "source" | "eval") || is_function(called);
            hides || set_by(command).iter().any(unnamed)
        }
        kind => matches!(kind, StatementKind::Function { .. }),
    };
    let until = script.all().iter().filter(hides).map(|statement| statement.span.end).min().unwrap_or(usize::MAX);
    let within = |span: Span| {
        let from = reads.partition_point(|read| read.span.start < span.start);
        let inside = reads.iter().skip(from).take_while(|read| read.span.end <= span.end);
        let known = inside.filter(|read| read.span.start < until && !read.optional && !foreseen.contains(&read.name));
        known.collect::<Vec<&VariableUse>>()
    };
    let errexit = script.all().into_iter().filter_map(Statement::simple).any(|command| {
        let is_on = |word: &ShellWord| word.raw == "errexit" || word.raw.starts_with('-') && word.raw.contains('e');
        command.first() == "set" && command.words.iter().any(is_on)
    });
    let mut open = vec![(&script.statements[..], true)];
    while let Some((statements, outside)) = open.pop() {
        for (command, is_last) in certain(statements) {
            let says = matches!(command.first(), "echo" | "printf");
            let indifferent = is_among(words!("indifferent"), command.first()) || says && command.redirects.is_empty();
            if !command.is_call() || indifferent {
                continue;
            }
            if session.exports_all.is_none() && !command.words.iter().any(|word| word.raw == "eval") {
                let names = inner_reads(command, text).into_iter().flatten().map(|read| (read.span, read.name));
                let known = names.filter(|(span, name)| within(*span).iter().any(|read| read.name == *name));
                // `export HOST && bash -c 'curl $HOST'`
                needs.exported.extend(known.map(|(_, name)| name).filter(|name| !session.exports.contains(name)));
            }
            // What stands in single quotes is the text of another shell.
            let words = command.words.iter().filter(|word| !word.raw.starts_with('\''));
            let run = Expansion::commands(words.clone().flat_map(|word| &word.inside).collect());
            let whole = |run: &&[Statement]| Some(Span::new(run.first()?.span.start, run.last()?.span.end));
            let inner = Stretches::of(run.iter().filter_map(whole));
            open.extend(run.into_iter().map(|run| (run, false)));
            let own = |span: Span| {
                let reads = within(span).into_iter().filter(|read| !inner.hold(read.span.start));
                reads.map(|read| read.name.clone()).collect::<Vec<String>>()
            };
            // What runs in a here-document is not read: the values up to there count.
            let bodies = command.redirects.iter().filter_map(|redirect| match redirect.to {
                RedirectTarget::Text { body: Some(body), .. } => {
                    let plain = text.get(body.start..body.end)?.split('`').next()?.split("$(").next()?;
                    Some(Span::new(body.start, body.start + plain.len()))
                }
                _ => None,
            });
            needs.set.extend(words.map(|word| word.span).chain(bodies).flat_map(&own));
            for word in command.words.iter().skip(1).filter(|_| !says) {
                // That a command fails for want of a word is as it was meant, where its exit code does not count.
                let bearing = bearing(&word.raw).filter(|(_, gone)| !gone || outside && (is_last || errexit));
                let bearing = bearing.map_or("", |(name, _)| name);
                needs.filled.extend(own(word.span).into_iter().filter(|name| name == bearing));
            }
        }
    }
    needs
}

/// Variables that a command leaves with what another one has found (`X=$(…)`, `export X=$(…)`, `mapfile -t X < <(…)`), where nothing in it says that
/// this may be nothing.
pub fn found(text: &str) -> BTreeSet<String> {
    let runs_one = |word: &ShellWord| match &word.inside[..] {
        [Expansion::Commands(run)] => {
            matches!(&run[..], [Statement { kind: StatementKind::Simple(_) | StatementKind::Pipeline(_), .. }])
        }
        _ => false,
    };
    let is_found = |word: &ShellWord, before: &str| {
        word.word.text.strip_prefix(before).is_some_and(|text| text.chars().eq([EXPANDED])) && runs_one(word)
    };
    let script = crate::bash::read(text);
    let mut found = BTreeSet::new();
    for (command, _) in certain(&script.statements) {
        let alone = command.assignments.iter().filter(|assignment| {
            command.words.is_empty() && matches!(&assignment.values[..], [value] if is_found(value, ""))
        });
        found.extend(alone.map(|assignment| assignment.name.clone()));
        // `mapfile -t X < <(…)`
        let from = |redirect: &Redirect| match &redirect.to {
            RedirectTarget::Read(word) => word.raw.starts_with("<(") && runs_one(word),
            _ => false,
        };
        if matches!(command.first(), "mapfile" | "readarray") && command.redirects.iter().any(from) {
            found.extend(set_by(command));
        }
        let declared = command.words.iter().filter(|_| command.declares()).filter_map(|word| {
            let (name, _) = word.raw.split_once('=').filter(|(name, _)| is_name(name))?;
            is_found(word, &format!("{name}=")).then(|| name.to_string())
        });
        found.extend(declared);
    }
    found
}

/// The simple commands that run in any case, each with whether it belongs to the last one of them all, whose exit code is that of
/// the text.
fn certain(statements: &[Statement]) -> Vec<(&SimpleCommand, bool)> {
    let asks = |part: &&Statement| match &part.kind {
        StatementKind::Simple(command) => matches!(command.first(), "[" | "test"),
        kind => matches!(kind, StatementKind::Test(_) | StatementKind::Arithmetic(_) | StatementKind::Not(_)),
    };
    let (mut found, mut open) = (Vec::new(), listed(statements, true));
    while let Some((statement, is_last)) = open.pop() {
        match &statement.kind {
            StatementKind::Simple(command) => found.push((command, is_last)),
            StatementKind::AndOr(_, rest) if rest.iter().any(|(is_or, _)| *is_or) => {}
            StatementKind::Group { body, .. } => open.extend(listed(body, is_last)),
            StatementKind::AndOr(..) | StatementKind::Pipeline(_) | StatementKind::Redirected(..) => {
                let parts: Vec<&Statement> = statement.parts().into_iter().take_while(|part| !asks(part)).collect();
                open.extend(parts.into_iter().rev().map(|part| (part, is_last)));
            }
            _ => {}
        }
    }
    found
}

/// Statements, the first one at the end, each with whether it is the last one.
fn listed(statements: &[Statement], is_last: bool) -> Vec<(&Statement, bool)> {
    let end = statements.len();
    statements.iter().enumerate().map(|(i, statement)| (statement, is_last && i + 1 == end)).rev().collect()
}

/// The variable with which a word begins, as it is written, where without its value the word is gone (`true`) or begins with a `/`.
fn bearing(raw: &str) -> Option<(&str, bool)> {
    static BEGINNING: TextPattern =
        TextPattern::new(r#"(?s)^"*\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(?:\[([@*])\])?\}|([A-Za-z_][A-Za-z0-9_]*))(.*)$"#);
    let found = BEGINNING.captures(raw)?;
    let (name, behind) = (found.get(1).or(found.get(3))?.as_str(), found.get(4)?.as_str());
    // Of an empty array `"${X[@]}"` leaves no word either.
    let each = found.get(2).is_some_and(|all| all.as_str() == "@");
    let gone = raw.starts_with('$') && behind.is_empty() || each && behind == "\"";
    (gone || behind.trim_start_matches('"').starts_with('/')).then_some((name, gone))
}

/// Stretches of a text that may overlap: where each begins, and how far those that have begun by then reach.
#[derive(Debug, Default)]
pub(crate) struct Stretches(Vec<Span>);

impl Stretches {
    /// These stretches.
    pub fn of(spans: impl IntoIterator<Item = Span>) -> Self {
        let mut spans: Vec<Span> = spans.into_iter().collect();
        spans.sort_unstable_by_key(|span| span.start);
        let mut furthest = 0;
        for span in &mut spans {
            furthest = furthest.max(span.end);
            span.end = furthest;
        }
        Stretches(spans)
    }

    /// The furthest end of all stretches that begin at `at` or before.
    pub fn reach(&self, at: usize) -> usize {
        self.0[..self.0.partition_point(|span| span.start <= at)].last().map_or(0, |span| span.end)
    }

    /// Whether one of them holds the byte.
    pub fn hold(&self, at: usize) -> bool {
        at < self.reach(at)
    }
}

/// What a shell reads, and does not set, that a command runs in the session itself (`bash -c '…'`, `eval '…'`), with the places
/// in `text`.
fn inner_reads(command: &SimpleCommand, text: &str) -> Option<Vec<VariableUse>> {
    let words = command.written(text);
    let program = program_at(&words);
    let span = command.words.get(script_at(&words, program)?)?.span;
    let quoted = span.of(text).strip_prefix('\'')?.strip_suffix('\'').filter(|quoted| !quoted.contains('\''))?;
    // What is set for it alone: `A=1 bash -c '…'`.
    let before = words.iter().take(program).filter_map(|word| Some(word.split_once('=')?.0));
    let given: Vec<&str> = command.assignments.iter().map(|one| one.name.as_str()).chain(before).collect();
    let mut reads = of_command(quoted).reads;
    reads.retain(|read| !given.contains(&read.name.as_str()));
    let start = span.start + 1;
    reads.iter_mut().for_each(|read| read.span = Span::new(read.span.start + start, read.span.end + start));
    Some(reads)
}

/// Which word is the program, behind `sudo`, `timeout 5`, `env A=1`, `nohup` and the like.
fn program_at(words: &[&str]) -> usize {
    let mut at = 0;
    while let Some(wrapper) = words.get(at).filter(|word| is_among(words!("wrappers"), word)) {
        at += 1;
        while let Some(word) = words.get(at).filter(|word| word.starts_with('-') || word.contains('=')) {
            at += if is_among(words!("options of wrappers"), word) { 2 } else { 1 };
        }
        // How long.
        at += usize::from(*wrapper == "timeout");
    }
    at
}

/// Which word is what a shell is told to run; `program` is the place of the shell.
fn script_at(words: &[&str], program: usize) -> Option<usize> {
    let mut at = program + 1;
    match *words.get(program)? {
        "eval" => (words.len() == at + 1).then_some(at),
        "bash" | "sh" | "dash" | "ash" | "ksh" | "zsh" | "/bin/bash" | "/bin/sh" | "/usr/bin/bash" => loop {
            let letters = words.get(at)?.strip_prefix('-')?;
            at += if letters.ends_with(['o', 'O']) { 2 } else { 1 };
            if !letters.starts_with('-') && letters.contains('c') {
                return Some(at);
            }
        },
        _ => None,
    }
}

#[derive(Default)]
struct VariableUses {
    /// Each with where it takes effect, and where its subshell ends.
    assignments: Vec<(String, usize, usize)>,
    session: SessionEffects,
    /// What shells read that it runs in the session itself.
    inner: Vec<VariableUse>,
    functions: Vec<Span>,
    /// Where it is asked whether a variable is set: `[ -z "$X" ]`. That needs no value.
    asked: Vec<Span>,
    /// The words of all that is asked: `[ "$X" = y ]`, `case $X in`.
    tested: Vec<Span>,
}

impl VariableUses {
    fn assign(&mut self, name: &str, at: usize, until: usize) {
        self.assignments.extend(is_name(name).then(|| (name.to_string(), at, until)));
    }

    /// What is set takes effect up to `until`, where its subshell ends.
    fn walk(&mut self, statement: &Statement, text: &str, until: usize) {
        let end = statement.span.end;
        match &statement.kind {
            StatementKind::Simple(command) => {
                // What stands before a command's name is set for that command alone.
                let own = command.assignments.iter().filter(|_| command.words.is_empty());
                own.for_each(|one| self.assign(&one.name, one.span.end, until));
                if matches!(command.first(), "[" | "test") {
                    self.questions(&command.words);
                }
                // `exec {fd}>lock`
                for word in &command.words {
                    let name = word.raw.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
                    let opens = |redirect: &Redirect| redirect.span.start == word.span.end;
                    let name = name.filter(|name| is_name(name) && command.redirects.iter().any(opens));
                    self.assign(name.unwrap_or_default(), end, until);
                }
                self.inner.extend(inner_reads(command, text).into_iter().flatten());
                set_by(command).iter().for_each(|name| self.assign(name, end, until));
                self.session.note(command, until == usize::MAX);
            }
            StatementKind::For { name, computed, .. } => {
                if computed.is_empty() {
                    self.assign(name, statement.span.start, until);
                }
                computed.iter().for_each(|computed| self.arithmetic(computed, text, until));
            }
            StatementKind::Arithmetic(computed) => self.arithmetic(computed, text, until),
            StatementKind::Test(words) | StatementKind::Case(words, _) => self.questions(words),
            StatementKind::Function { name, .. } => {
                self.functions.push(statement.span);
                self.session.sets.extend((until == usize::MAX).then(|| format!("{name}()")));
            }
            _ => {}
        }
        for expansion in statement.expansions() {
            if let Expansion::Arithmetic(computed) = expansion {
                self.arithmetic(computed, text, until);
            }
        }
        for inner in statement.substituted() {
            let end = inner.last().map_or(end, |last| last.span.end);
            inner.iter().for_each(|statement| self.walk(statement, text, until.min(end)));
        }
        for part in statement.parts() {
            let until = match &statement.kind {
                StatementKind::Pipeline(_) => until.min(part.span.end),
                StatementKind::Group { subshell: true, .. } => until.min(end),
                _ => until,
            };
            self.walk(part, text, until);
        }
    }

    /// `-z "$X"`, `-n "${X}"`: the operand is one variable and nothing else.
    fn questions(&mut self, words: &[ShellWord]) {
        self.tested.extend(words.iter().map(|word| word.span));
        for pair in words.windows(2) {
            let [operator, operand] = pair else { continue };
            let name = operand.raw.trim_matches('"').strip_prefix('$').unwrap_or_default();
            let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
            if matches!(operator.raw.as_str(), "-z" | "-n") && is_name(name) {
                self.asked.push(operand.span);
            }
        }
    }

    /// `((x = 1))`.
    fn arithmetic(&mut self, computed: &Arithmetic, text: &str, until: usize) {
        set_in(computed.span.of(text)).iter().for_each(|name| self.assign(name, computed.span.end, until));
    }
}

impl SessionEffects {
    /// Adds what a command does; `stays`: it runs in the session itself, and not in a subshell.
    fn note(&mut self, command: &SimpleCommand, stays: bool) {
        let words: Vec<&str> = command.words.iter().map(|word| word.raw.as_str()).collect();
        let (first, words) = match words.as_slice() {
            ["time", first, rest @ ..] | [first, rest @ ..] => (*first, rest),
            [] => return,
        };
        self.calls.insert(format!("{first}()"));
        let exports = match first {
            _ if !stays => false,
            "export" | "unset" => true,
            "declare" | "typeset" | "local" | "readonly" => {
                words.iter().any(|word| word.starts_with(['-', '+']) && word.contains('x'))
            }
            _ => false,
        };
        for word in words.iter().filter(|word| exports && !word.starts_with(['-', '+'])) {
            let name = word.split('=').next().unwrap_or_default().trim_end_matches('+').trim_matches(['"', '\'']);
            let name = Some(name).filter(|name| is_name(name)).unwrap_or(word);
            self.exports.push(name.to_string());
            if first == "unset" || !is_name(name) {
                self.sets.extend([name.to_string(), format!("{name}()")]);
            }
        }
        let (all, arguments) = if first == "set" && stays { read_set(words) } else { (None, first == "shift") };
        self.exports_all = all.or(self.exports_all);
        // What `eval` sets is not followed.
        let other = if arguments { Some("@") } else { (first == "eval").then_some("eval()") };
        if let Some(name) = other.filter(|_| stays) {
            self.sets.push(name.to_string());
            self.exports.push(name.to_string());
        }
    }
}

/// What `set` says of exporting all that is set, and whether it sets the arguments.
fn read_set(words: &[&str]) -> (Option<bool>, bool) {
    let (mut all, mut words) = (None, words.iter());
    while let Some(word) = words.next() {
        let letters = word.strip_prefix(['-', '+']).filter(|letters| !letters.is_empty() && *letters != "-");
        let Some(letters) = letters else { return (all, true) };
        let option = if letters.contains('o') { words.next() } else { None };
        if letters.contains('a') || option.is_some_and(|option| *option == "allexport") {
            all = Some(word.starts_with('-'));
        }
    }
    (all, false)
}

/// A word as it is written, without its quotes and the `\` that keeps it from being an alias.
fn bare(raw: &str) -> &str {
    raw.trim_matches(['"', '\'']).trim_start_matches('\\')
}

/// The words of a command from the one that it calls on: `command . f` calls `.`.
fn called(command: &SimpleCommand) -> &[ShellWord] {
    let before = |word: &&ShellWord| matches!(bare(&word.raw), "builtin" | "command" | "time");
    command.words.get(command.words.iter().take_while(before).count()..).unwrap_or_default()
}

/// The variables that a builtin sets by name, and its words that are no names because the shell is to expand them. `local x`,
/// `declare -a x=1`: declared is as good as set; `export x` and `readonly x` set nothing.
fn set_by(command: &SimpleCommand) -> Vec<String> {
    let words: Vec<&str> = called(command).iter().map(|word| bare(&word.raw)).collect();
    let Some((first, words)) = words.split_first() else { return Vec::new() };
    let name_of = |name: &str| name.trim_end_matches(['+', '"', '\'']).to_string();
    let before_sign = |word: &&str| word.split_once('=').map(|(name, _)| name_of(name));
    let or_unnamed = |word: &&str| before_sign(word).or_else(|| (!is_name(word)).then(|| word.to_string()));
    match *first {
        "read" => read_names(words),
        "mapfile" | "readarray" => words.last().into_iter().map(|word| word.to_string()).collect(),
        "printf" => after(words, "-v"),
        "wait" => after(words, "-p"),
        "getopts" => words.get(1).into_iter().map(|word| word.to_string()).collect(),
        "let" => words.iter().flat_map(|word| set_in(word)).map(str::to_string).collect(),
        "export" | "readonly" => words.iter().filter_map(or_unnamed).collect(),
        "local" | "declare" | "typeset" => {
            words.iter().map(|word| before_sign(word).unwrap_or_else(|| word.to_string())).collect()
        }
        _ => Vec::new(),
    }
}

/// What is set where something is computed: `x = 1`, `x += 1`, `x++`, `--x`.
fn set_in(computed: &str) -> Vec<&str> {
    let is_other = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    let mut found = Vec::new();
    for part in computed.split([',', ';', '(', ')']) {
        if let Some((left, right)) = part.split_once('=')
            && !right.starts_with('=')
            && !left.ends_with(['!', '<', '>'])
        {
            found.push(left.trim_end_matches(['+', '-', '*', '/', '%', '&', '|', '^']).trim());
        }
        for (at, sign) in part.match_indices("++").chain(part.match_indices("--")) {
            let (before, behind) = part.split_at(at);
            let behind = behind.trim_start_matches(sign).trim_start();
            let ends = [before.trim_end().rsplit(is_other).next(), behind.split(is_other).next()];
            found.extend(ends.into_iter().flatten().find(|name| is_name(name)));
        }
    }
    found
}

/// The names in the arguments of `read`, its options and their values left out.
fn read_names(words: &[&str]) -> Vec<String> {
    let mut names = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix('-') {
            // The last letter of a group may take a value: `-rp "Which? "`, `-a array`.
            Some(flags) if flags.ends_with('a') => names.extend(words.next().map(|name| name.to_string())),
            Some(flags) if flags.ends_with(['d', 'i', 'n', 'N', 'p', 't', 'u']) => {
                words.next();
            }
            Some(_) => {}
            None => names.push(word.to_string()),
        }
    }
    names
}

fn after(words: &[&str], option: &str) -> Vec<String> {
    let at = words.iter().position(|word| *word == option);
    at.and_then(|i| words.get(i + 1)).into_iter().map(|word| word.to_string()).collect()
}

/// Variables that a shell or its environment sets by itself (bash manual, 5.1 and 5.2; POSIX, 8.3).
fn is_well_known(name: &str) -> bool {
    is_among(words!("well known"), name) || ["BASH", "COPROC", "LC_"].iter().any(|begin| name.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(text: &str) -> Vec<String> {
        of_command(text).reads.into_iter().map(|read| read.name).collect()
    }

    fn assigned(text: &str) -> Vec<String> {
        let mut names = of_command(text).assigned;
        names.sort();
        names
    }

    #[test]
    fn reads_that_nothing_satisfies() {
        assert_eq!(reads("echo $A $HOME ${B:-x} $1 $?"), ["A"]);
        assert_eq!(reads("for p in a b; do echo $p $q; done"), ["q"]);
        assert_eq!(reads("while read -r line; do echo $line; done"), Vec::<String>::new());
        assert_eq!(reads("A=1 cmd $A"), ["A"]);
        assert_eq!(reads("A=$A"), ["A"]);
        assert_eq!(reads("A=1; echo $A"), Vec::<String>::new());
        assert_eq!(reads("(A=1; echo $A); echo $A"), ["A"]);
        assert_eq!(reads("get | while read x; do echo $x; done && echo $x"), ["x"]);
        assert_eq!(reads("f() { local a=$1 b; echo $a $b $c; }"), ["c"]);
        assert_eq!(reads("cat <<EOF\n$A\nEOF"), ["A"]);
        assert_eq!(reads("read -rp 'Which? ' a b && echo $a $b"), Vec::<String>::new());
        assert_eq!(reads("X=1 Y=$Z cmd"), ["Z"]);
        assert_eq!(reads("echo ${#A} ${A:+set} ${#B[@]}"), Vec::<String>::new());
        assert_eq!(reads("[ -z \"$A\" ] && echo no; [[ -n ${B} ]]; [ -n \"$C$D\" ]"), ["C", "D"]);
        assert_eq!(reads("if [ -n \"$A\" ]; then echo $A; fi"), ["A"]);
        assert_eq!(reads(": ${A:=1}; echo $A"), Vec::<String>::new());
    }

    #[test]
    fn reads_of_a_shell_that_runs_in_the_session() {
        for text in [
            "bash -c 'echo $A'",
            "sudo -u app timeout -k 1 5 bash -euo pipefail -c 'rm -rf /srv/$A'",
            "env B=1 sh -lc 'echo $A $B'",
            "nohup /bin/sh -c 'echo ${A}' &",
            "eval 'echo $A'",
            "B=1 bash -c 'echo $B $A $1 $? $$ ${C:-x}; for D in 1; do echo $D; done'",
            "B=1; if x; then bash -c 'echo $A $B'; fi",
            "f() { bash -c 'echo $A'; }",
        ] {
            assert_eq!(reads(text), ["A"], "{text}");
        }
        for text in [
            "export A=1; bash -c 'echo $A'",
            "A=1 bash -c 'echo $A'",
            "bash -c 'A=1; echo $A'",
            "bash -c 'while read -r A; do echo $A; done' < f",
            "docker exec web bash -c 'echo $A'",
            "docker compose run --rm web sh -c 'echo $A'",
            "ssh web bash -c 'echo $A'",
            "kubectl exec web -- sh -c 'echo $A'",
            "bash run.sh -c 'echo $A'",
            "echo bash -c 'echo $A'",
            "awk '{ print $A }' f",
        ] {
            assert_eq!(reads(text), Vec::<String>::new(), "{text}");
        }
        let text = "é; bash -c 'echo ${A}'";
        let span = of_command(text).reads.first().map(|read| read.span).unwrap_or_default();
        assert_eq!(text.get(span.start..span.end), Some("${A}"));
    }

    #[test]
    fn what_a_command_must_find_in_its_session() {
        let needs = |text: &str| {
            let VariableNeeds { set, filled, exported } = needs(text, |name| name == "load_env");
            [set, filled, exported].map(|names| names.into_iter().collect::<Vec<_>>().join(" "))
        };
        for (text, set, filled) in [
            ("docker restart $C", "C", "C"),
            ("docker restart \"$C\"", "C", ""),
            ("sudo rm -rf \"$D\"/x \"${E}/y\" $F.z", "D E F", "D E"),
            ("cd /srv && docker compose restart ${S}", "S", "S"),
            ("docker ps -q -f name=$X | xargs docker restart", "X", ""),
            ("docker restart $(docker ps -q -f name=$X)", "X", ""),
            ("docker restart $(docker ps -q $X `get $Y`) $Z", "X Y Z", "Z"),
            ("rm $(ls \"$D\"/x)", "D", "D"),
            ("cat > f <<EOF\n$A\nEOF", "A", ""),
            ("echo \"$A\" > f; echo $B", "A", ""),
            ("psql -c \"DELETE FROM x WHERE id = '$ID'\"", "ID", ""),
            ("{ kill $P; } 2>/dev/null", "P", "P"),
            ("$DOCKER ps", "DOCKER", ""),
            ("restart \"${A[@]}\" ${B[*]} ${C[@]} \"${D[*]}\" ${E[0]}", "A B C D E", "A B C"),
            (". ./env && restart $X", "", ""),
            ("load_env; restart $X", "", ""),
            ("restart $X; load_env", "X", ""),
            ("kill $P 2>/dev/null; docker compose restart app", "P", ""),
            ("{ kill $P; docker restart $C; } 2>/dev/null", "C P", "C"),
            ("rm -rf \"$D\"/x; ls", "D", "D"),
            ("cd /srv || exit 1; rm -rf \"$D\"/x", "D", "D"),
            ("set -eu; kill $P; ls", "P", "P"),
            ("set -o errexit; kill $P; ls", "P", "P"),
            ("set -o pipefail; kill $P; ls", "P", ""),
            ("cat > f <<EOF\n$A $(get $B || get $C)\nEOF", "A", ""),
            ("export X=$(a) && restart $Y", "Y", "Y"),
            ("read -rp \"Which? \" x; mapfile -t < f; declare -i n=1; restart $Y", "Y", "Y"),
        ] {
            assert_eq!(needs(text), [set, filled, ""], "{text}");
        }
        for (text, exported) in [
            ("timeout 9 bash -c 'curl http://$HOST/${PATH_OF:-x}; B=1; echo $B'", "HOST"),
            ("sudo sh -c 'rm -rf /srv/$TENANT/*'", "TENANT"),
            ("A=1 bash -c 'restart $A'; eval 'restart $B'; C=1; bash -c 'restart $C'", ""),
            ("export A && bash -c 'restart $A'", ""),
            ("export A=1 && timeout 5 bash -c 'restart $A $B'", "B"),
            ("set -a; bash -c 'restart $A'", ""),
        ] {
            assert_eq!(needs(text)[2], exported, "{text}");
        }
        for text in [
            "docker restart ${C:-web}",
            "[ -n \"$C\" ] && docker restart $C",
            "[ -z \"$C\" ]; docker restart $C",
            "[ -f x ] && docker restart $C",
            "docker rm -f $OLD || true",
            "if x; then docker restart $C; fi",
            "for p in $PIDS; do kill $p; done",
            "while read p; do kill $p; done < f",
            "f() { docker restart $C; }",
            "docker exec web sh -c 'rm -rf $D/x'",
            "A=$B",
            "export A=$B:/x",
            "set -- $A",
            "kill $1 $HOME/x $! \"$@\"",
            "X=1; restart $X",
            "echo $A",
            "restart $A (",
            "run ${A:-$B} \"${C:+--with $D}\" ${E:=$F} ${1:-$G}",
            "run ${A:-$(get $B)}",
            "cat > f <<EOF\n${A:-$B}\nEOF",
            "export $(grep -v '^#' .env | xargs) && psql \"$URL\"",
            "declare $(cat env); psql $URL",
            "export \"$k=$v\"; psql $URL",
            "printf -v \"$n\" x; psql $URL",
            "read -r \"$n\" < f; psql $URL",
            "kill $(cat $PIDFILE 2>/dev/null || pgrep -f $NAME)",
            "restart \"$(if a; then echo $A; else get $B; fi)\"",
            "exec {fd}>lock; flock $fd",
            "((N++)); sleep $N",
            "let \"N = 5\" M+=1; sleep $N $M",
            "test -z \"$P\" && exit 0; kill $P",
            "[ \"$P\" = x ]; kill $P",
            "[[ $P -gt 1 ]]; kill $P",
            "case $P in '') exit;; esac; kill $P",
            "test -f x && kill $P",
            "! test -f x && kill $P",
            "((x > 1)) && kill $P",
            "pgrep x || exit 0; kill $P",
            "coproc a; kill $COPROC_PID",
            "\\. ./env; restart $X",
            "command . ./env; restart $X",
            "builtin source ./env; restart $X",
            "builtin read X < f; restart $X",
        ] {
            assert_eq!(needs(text), ["", "", ""], "{text}");
        }
    }

    #[test]
    fn what_another_command_has_found() {
        for text in ["X=$(a)", "X=\"$(a | b)\"", "X=`a`", "export X=$(a)", "cd /x && X=$(a)", "Y=1 X=$(a)"] {
            assert_eq!(found(text).into_iter().collect::<Vec<_>>(), ["X"], "{text}");
        }
        for text in ["X=($(a))", "mapfile -t X < <(a | b)", "readarray X < <(a)"] {
            assert_eq!(found(text).into_iter().collect::<Vec<_>>(), ["X"], "{text}");
        }
        for text in [
            "mapfile -t X < f", "mapfile -t X < <(a || true)", "X=", "X=a$(b)", "X=$(a) b", "X=$(a) || true",
            "X=$(a || true)", "X=$([ -t 0 ] && echo -t)", "X=$(for i in 1; do a; done)", "if a; then X=$(b); fi",
            "export X",
        ] {
            assert_eq!(found(text), BTreeSet::new(), "{text}");
        }
    }

    #[test]
    fn what_later_commands_get_without_spelling_it() {
        for (text, sets, exports) in [
            ("export A=1 B", "", "A B"),
            ("export \"A=$B\"", "", "A"),
            ("A=1; export A", "", "A"),
            ("declare -x A=1; declare B=2", "", "A"),
            ("if a; then export A=1; fi", "", "A"),
            ("export -n A", "", "A"),
            ("unset A", "A A()", "A"),
            ("export $(b)", "$(b) $(b)()", "$(b)"),
            ("USER=app", "", "USER"),
            ("set -e -- a", "@", "@"),
            ("set a", "@", "@"),
            ("shift", "@", "@"),
            ("eval b", "eval()", "eval()"),
            ("f() { a; }", "f()", ""),
            ("(export A=1; set -- a; f() { a; })", "", ""),
            ("export A=1 | b", "", ""),
            ("set -euo pipefail; A=1 b; for _ in c; do d; done", "", ""),
        ] {
            let SessionEffects { sets: of, exports: to, .. } = of_command(text).session;
            assert_eq!([of.join(" "), to.join(" ")], [sets, exports], "{text}");
        }
        let all = ["set -ea", "set -o allexport", "set +a", "set -e"].map(|text| of_command(text).session.exports_all);
        assert_eq!(all, [Some(true), Some(true), Some(false), None]);
        let calls = of_command("time f; if g; then x=$(h); fi").session.calls;
        assert_eq!(calls.into_iter().collect::<Vec<_>>(), ["f()", "g()", "h()"]);
    }

    #[test]
    fn what_stays_set() {
        assert_eq!(assigned("A=1"), ["A"]);
        assert_eq!(assigned("export A=1 B"), ["A"]);
        assert_eq!(assigned("A=$(B=1; echo $B)"), ["A"]);
        assert_eq!(assigned("(A=1)"), Vec::<String>::new());
        assert_eq!(assigned("A=1 cmd"), Vec::<String>::new());
        assert_eq!(assigned("read -r A B"), ["A", "B"]);
        assert_eq!(assigned("printf -v A '%s' x"), ["A"]);
        assert_eq!(assigned("mapfile -t A < f"), ["A"]);
        assert_eq!(assigned("for A in x; do B=1; done"), ["A", "B"]);
        assert_eq!(assigned("declare -A M; readonly R=1; typeset T"), ["M", "R", "T"]);
        assert_eq!(assigned("((A = 1)); let B=2"), ["A", "B"]);
        assert_eq!(
            assigned("((A += 1, --B)); let \"C = 2\" D++; ((E == 1)); x $((F++ + 1)) {G}>f"),
            ["A", "B", "C", "D", "F", "G"]
        );
        assert_eq!(assigned("export \"A=$B\" \"C\"; declare \"D\"; command export E=1"), ["A", "D", "E"]);
        assert_eq!(assigned("getopts ab: opt"), ["opt"]);
        assert_eq!(assigned("a[0]=x; b+=y"), ["a", "b"]);
        assert_eq!(assigned("if x; then A=1; fi"), ["A"]);
    }
}
