//! Which variables a command reads before anything has set them, and which it leaves set. Reads come from the lexer,
//! assignments from the tree, because only the tree knows subshells, pipelines and prefix assignments.

use crate::bash::lexer::{VariableUse, lex};
use crate::bash::{Arithmetic, Expansion, ShellWord, SimpleCommand, Statement, StatementKind, is_name};
use crate::source::Span;
use std::collections::HashMap;

/// What a command does with variables.
#[derive(Debug, Default)]
pub struct VariableReads {
    /// Reads that nothing earlier in the same command satisfies, with whether they stand in the body of a function,
    /// which may be called when the variable has been set long since.
    pub reads: Vec<(VariableUse, bool)>,
    /// Variables that are set for the commands after this one.
    pub assigned: Vec<String>,
}

/// An assignment: name, where it takes effect, and where its subshell ends.
struct VariableScope {
    name: String,
    at: usize,
    until: usize,
}

/// Looks at one command (placeholders replaced by words).
pub fn of_command(text: &str) -> VariableReads {
    let lexed = lex(text);
    let mut found = VariableUses::default();
    crate::bash::read(text).statements.iter().for_each(|statement| found.walk(statement, text, usize::MAX));
    for read in lexed.reads.iter().filter(|read| read.assigns) {
        found.assign(&read.name, read.span.end, usize::MAX);
    }
    let assigned = found.assignments.iter().filter(|a| a.until == usize::MAX).map(|a| a.name.clone()).collect();
    let mut set: HashMap<&str, Vec<(usize, usize)>> = HashMap::new();
    for assignment in &found.assignments {
        set.entry(&assignment.name).or_default().push((assignment.at, assignment.until));
    }
    let set: HashMap<&str, Stretches> = set.into_iter().map(|(name, spans)| (name, Stretches::of(spans))).collect();
    let functions = Stretches::of(found.functions);
    let own = lexed.reads.into_iter().filter(|read| !read.has_default && !is_well_known(&read.name));
    let inner = found.scripts.iter().flat_map(|script| script.reads(text));
    let is_set = |read: &VariableUse| set.get(read.name.as_str()).is_some_and(|set| set.hold(read.span.start));
    let is_asked =
        |read: &VariableUse| found.asked.iter().any(|&(from, to)| from <= read.span.start && read.span.end <= to);
    let mut reads: Vec<(VariableUse, bool)> = own.map(|read| (read, false)).chain(inner).collect();
    reads.retain(|(read, _)| !is_set(read) && !is_asked(read));
    reads.iter_mut().for_each(|(read, in_function)| *in_function |= functions.hold(read.span.start));
    reads.sort_by_key(|(read, _)| read.span.start);
    VariableReads { reads, assigned }
}

/// Stretches of a text that may overlap: where each begins, and how far those that have begun by then reach.
#[derive(Debug, Default)]
pub(crate) struct Stretches(Vec<(usize, usize)>);

impl Stretches {
    /// The stretches with these beginnings and ends.
    pub fn of(mut spans: Vec<(usize, usize)>) -> Self {
        spans.sort_unstable();
        let mut furthest = 0;
        for (_, to) in &mut spans {
            furthest = furthest.max(*to);
            *to = furthest;
        }
        Stretches(spans)
    }

    /// Whether one of them holds the byte.
    pub fn hold(&self, at: usize) -> bool {
        let begun = self.0.partition_point(|&(from, _)| from <= at);
        begun.checked_sub(1).and_then(|i| self.0.get(i)).is_some_and(|&(_, to)| at < to)
    }
}

/// What a shell runs in the session itself: the text between the quotes of `bash -c '…'`, `eval '…'`.
struct InnerScript {
    span: Span,
    /// What is set for it alone: `A=1 bash -c '…'`.
    given: Vec<String>,
}

impl InnerScript {
    /// What it is, where a command is one.
    fn of(command: &SimpleCommand, text: &str) -> Option<InnerScript> {
        let words = command.written(text);
        let program = program_at(&words)?;
        let word = command.words.get(script_at(&words, program)?)?;
        let quoted = text.get(word.span.start..word.span.end)?.strip_prefix('\'')?.strip_suffix('\'')?;
        let start = word.span.start + 1;
        let span = Span::new(start, start + quoted.len());
        let before = words.iter().take(program).filter_map(|word| Some(word.split_once('=')?.0.to_string()));
        let given = command.assignments.iter().map(|assignment| assignment.name.clone()).chain(before).collect();
        (!quoted.contains('\'')).then_some(InnerScript { span, given })
    }

    /// What it reads that it does not set, with the places in `text`.
    fn reads(&self, text: &str) -> Vec<(VariableUse, bool)> {
        let inner = of_command(text.get(self.span.start..self.span.end).unwrap_or_default());
        let reads = inner.reads.into_iter().filter(|(read, _)| !self.given.contains(&read.name));
        let moved = |mut read: VariableUse| {
            read.span = Span::new(read.span.start + self.span.start, read.span.end + self.span.start);
            read
        };
        reads.map(|(read, in_function)| (moved(read), in_function)).collect()
    }
}

/// Which word is the program, behind `sudo`, `timeout 5`, `env A=1`, `nohup` and the like.
fn program_at(words: &[&str]) -> Option<usize> {
    const VALUED: [&str; 8] = ["-u", "--user", "-g", "--group", "-k", "--kill-after", "-s", "--signal"];
    let mut at = 0;
    loop {
        let wrapper = *words.get(at)?;
        if !matches!(wrapper, "sudo" | "env" | "timeout" | "nohup" | "exec" | "command" | "time") {
            return Some(at);
        }
        at += 1;
        while let Some(word) = words.get(at).filter(|word| word.starts_with('-') || word.contains('=')) {
            at += if VALUED.contains(word) { 2 } else { 1 };
        }
        // How long.
        at += usize::from(wrapper == "timeout");
    }
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
    assignments: Vec<VariableScope>,
    scripts: Vec<InnerScript>,
    functions: Vec<(usize, usize)>,
    /// Where it is asked whether a variable is set: `[ -z "$X" ]`. That needs no value.
    asked: Vec<(usize, usize)>,
}

impl VariableUses {
    fn assign(&mut self, name: &str, at: usize, until: usize) {
        if is_name(name) {
            self.assignments.push(VariableScope { name: name.to_string(), at, until });
        }
    }

    /// What is set takes effect up to `until`, where its subshell ends.
    fn walk(&mut self, statement: &Statement, text: &str, until: usize) {
        let end = statement.span.end;
        match &statement.kind {
            StatementKind::Simple(command) => {
                // What stands before a command's name is set for that command alone.
                for assignment in command.assignments.iter().filter(|_| command.words.is_empty()) {
                    self.assign(&assignment.name, assignment.span.end, until);
                }
                if command.first() == "[" {
                    self.questions(&command.words);
                }
                self.scripts.extend(InnerScript::of(command, text));
                for name in set_by(command) {
                    self.assign(name.trim_matches(['"', '\'']), end, until);
                }
            }
            StatementKind::For { name, computed, .. } => {
                if computed.is_empty() {
                    self.assign(name, statement.span.start, until);
                }
                computed.iter().for_each(|computed| self.arithmetic(computed, text, until));
            }
            StatementKind::Arithmetic(computed) => self.arithmetic(computed, text, until),
            StatementKind::Test(words) => self.questions(words),
            StatementKind::Function { .. } => self.functions.push((statement.span.start, end)),
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
        for pair in words.windows(2) {
            let [operator, operand] = pair else { continue };
            let name = operand.raw.trim_matches('"').strip_prefix('$').unwrap_or_default();
            let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
            if matches!(operator.raw.as_str(), "-z" | "-n") && is_name(name) {
                self.asked.push((operand.span.start, operand.span.end));
            }
        }
    }

    /// `((x = 1))`.
    fn arithmetic(&mut self, computed: &Arithmetic, text: &str, until: usize) {
        let written = text.get(computed.span.start..computed.span.end).unwrap_or_default();
        for part in written.split([',', ';', '(', ')']) {
            if let Some((left, right)) = part.split_once('=')
                && !right.starts_with('=')
                && !left.ends_with(['!', '<', '>'])
            {
                let name = left.trim_end_matches(['+', '-', '*', '/', '%', '&', '|', '^']).trim();
                self.assign(name, computed.span.end, until);
            }
        }
    }
}

/// The variables that a builtin sets by name. `local x`, `declare -a x`: declared is as good as set; `export x` and `readonly x`
/// set nothing.
fn set_by(command: &SimpleCommand) -> Vec<String> {
    let words: Vec<&str> = command.words.iter().skip(1).map(|word| word.raw.as_str()).collect();
    let before_sign = |word: &&str| word.split_once('=').map(|(name, _)| name.trim_end_matches('+').to_string());
    match command.first() {
        "read" => read_names(&words),
        "mapfile" | "readarray" => words.last().into_iter().map(|word| word.to_string()).collect(),
        "printf" => after(&words, "-v"),
        "wait" => after(&words, "-p"),
        "getopts" => words.get(1).into_iter().map(|word| word.to_string()).collect(),
        "let" => words.iter().filter_map(|word| word.split(['=', '+', '-']).next()).map(str::to_string).collect(),
        "export" | "readonly" => words.iter().filter_map(before_sign).collect(),
        "local" | "declare" | "typeset" => {
            words.iter().map(|word| before_sign(word).unwrap_or_else(|| word.to_string())).collect()
        }
        _ => Vec::new(),
    }
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
    const NAMES: &[&str] = &[
        "_", "CDPATH", "COLUMNS", "COMP_WORDS", "COPROC", "DIRSTACK", "EPOCHREALTIME", "EPOCHSECONDS", "EUID",
        "FUNCNAME", "GROUPS", "HISTFILE", "HOME", "HOSTNAME", "HOSTTYPE", "IFS", "LANG", "LINENO", "LINES", "LOGNAME",
        "MACHTYPE", "MAPFILE", "OLDPWD", "OPTARG", "OPTIND", "OSTYPE", "PATH", "PIPESTATUS", "PPID", "PS1", "PS2",
        "PS4", "PWD", "RANDOM", "REPLY", "SECONDS", "SHELL", "SHELLOPTS", "SHLVL", "SRANDOM", "TERM", "TMPDIR", "TZ",
        "UID", "USER",
    ];
    NAMES.contains(&name) || name.starts_with("BASH") || name.starts_with("LC_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(text: &str) -> Vec<String> {
        of_command(text).reads.into_iter().map(|(read, _)| read.name).collect()
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
        let span = of_command(text).reads.first().map(|(read, _)| read.span).unwrap_or_default();
        assert_eq!(text.get(span.start..span.end), Some("${A}"));
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
        assert_eq!(assigned("getopts ab: opt"), ["opt"]);
        assert_eq!(assigned("a[0]=x; b+=y"), ["a", "b"]);
        assert_eq!(assigned("if x; then A=1; fi"), ["A"]);
    }
}
