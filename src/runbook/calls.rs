//! The programs that a command runs, through everything that only runs another one (`sudo`, `docker compose exec`, `xargs`,
//! `sh -c`, `ssh`): where the output of each leads, and what becomes of its exit code.

use super::lexer::{Lexed, lex};
use super::shell::{Bash, blank};
use super::simple::{Simple, after_options, bare};
use super::{Command, placeholder};
use crate::programs::{self, Answer, Call, Code, Filtered, Passes, Sink, Stage};
use std::collections::{HashMap, HashSet};
use tree_sitter::Node;

/// How deep shell text may stand in shell text.
const DEEPEST: usize = 4;

/// How many times its own length the functions of a text are read where they are called.
const UNFOLDED: usize = 16;
/// How far behind a command its here-document is looked for, in bytes.
const NEAR: usize = 200;
/// How many programs that only run another one may stand before a program.
const MOST_WRAPPERS: usize = 16;

/// What is left of the work that a text may take: functions that call functions multiply it.
struct Work {
    /// The parser of all of it.
    bash: Bash,
    /// Bytes of functions.
    functions: usize,
}

impl Work {
    fn of(bytes: usize) -> Work {
        Work { bash: Bash::new(bytes), functions: UNFOLDED.saturating_mul(bytes) }
    }
}

/// What stands around a part of a command.
#[derive(Debug, Clone, Copy)]
struct Around<'a> {
    stdout: Sink,
    stderr: Sink,
    code: Code,
    /// Streams of the last command of it alone: the grammar gives a redirection behind a list to all of it.
    last: Option<(Sink, Sink)>,
    filtered: Filtered,
    stage: Option<Stage>,
    /// The variable that takes its output.
    into: Option<&'a str>,
    /// Shell text on its standard input.
    fed: Option<&'a str>,
    depth: usize,
    /// What tells the pipes of this text from those of others.
    base: usize,
}

impl Around<'_> {
    /// What of it decides what becomes of what a function runs.
    fn as_to_a_function(&self) -> (Sink, Sink, Code, Option<(Sink, Sink)>, Filtered, usize) {
        (self.stdout, self.stderr, self.code, self.last, self.filtered, self.depth)
    }
}

/// The programs that shell text runs, in order, those of functions where they are called.
pub fn calls(text: &str) -> Vec<Call> {
    all(text, &mut Work::of(text.len()))
}

fn all(text: &str, work: &mut Work) -> Vec<Call> {
    let around = Around {
        stdout: Sink::Stdout,
        stderr: Sink::Stderr,
        code: Code::Kept,
        last: None,
        filtered: Filtered::No,
        stage: None,
        into: None,
        fed: None,
        depth: 0,
        base: 0,
    };
    let mut calls = within(text, around, work);
    // What a variable took is seen where it is shown: behind it, or else in a loop before it.
    let mut said: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, call) in calls.iter().enumerate() {
        call.said().for_each(|name| said.entry(name.to_string()).or_default().push(at));
    }
    for at in 0..calls.len() {
        let Some(places) = calls.get(at).and_then(|call| said.get(call.into.as_ref()?)) else { continue };
        let behind = places.get(places.partition_point(|place| *place <= at)).or(places.first());
        let shown = behind.and_then(|place| calls.get(*place)).map(|call| call.stdout);
        if let (Some(sink), Some(call)) = (shown, calls.get_mut(at)) {
            call.stdout = sink;
        }
    }
    calls
}

/// The functions that shell text defines, as text that defines them again.
pub fn functions<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let mut out = String::new();
    for text in texts.filter(|text| text.contains("()") || text.contains("function ")) {
        let Some(tree) = Bash::new(text.len()).tree(&blank(text, &lex(text))) else { continue };
        let mut cursor = tree.root_node().walk();
        for node in tree.root_node().named_children(&mut cursor).filter(|node| node.kind() == "function_definition") {
            out.push_str(text.get(node.byte_range()).unwrap_or_default());
            out.push('\n');
        }
    }
    out
}

/// The first error that a program of shell text answered, where its exit code, which is 0, cannot tell of it.
pub fn answered(text: &str, stdout: &str, stderr: &str) -> Option<Answer> {
    programs::error_among(&calls(text), stdout, stderr)
}

/// Reads which programs the commands of a page run, with the work that they may take together.
pub struct Calls(Work);

impl Calls {
    /// For a page of so many bytes.
    pub fn of_page(bytes: usize) -> Calls {
        Calls(Work::of(bytes))
    }

    /// The programs that a command runs, its inputs as they stand there; none where it is for a client.
    pub fn of(&mut self, command: &Command) -> Vec<Call> {
        match command.is_shell() {
            true => all(&placeholder::mask(&command.text, &placeholder::find(&command.text)), &mut self.0),
            false => Vec::new(),
        }
    }
}

fn within(text: &str, around: Around<'_>, work: &mut Work) -> Vec<Call> {
    let lexed = lex(text);
    let Some(tree) = work.bash.tree(&blank(text, &lexed)) else { return Vec::new() };
    let functions: HashMap<&str, Node<'_>> = bodies(tree.root_node(), text).into_iter().collect();
    let mut found: Vec<(usize, Vec<Call>)> = Vec::new();
    // Which functions were read, and with what around them.
    let mut known = HashSet::new();
    let mut todo = vec![(tree.root_node(), around)];
    while let Some((node, around)) = todo.pop() {
        match node.kind() {
            "command" => {
                let name = Simple::of(node, text).program();
                match functions.get(name).filter(|_| around.depth < DEEPEST) {
                    Some(body) => {
                        let left = work.functions.checked_sub(body.byte_range().len());
                        let read = (body.start_byte(), around.as_to_a_function());
                        let is_new = !known.contains(&read);
                        // What it runs is known by then, and it stands among the calls already.
                        if left.is_some() || is_new {
                            work.functions = left.unwrap_or_default();
                            todo.push((*body, Around { depth: around.depth + 1, ..around }));
                        }
                        known.extend(Some(read).filter(|_| is_new));
                    }
                    None => {
                        let fed = around.fed.or_else(|| heredoc(node, text, &lexed));
                        found.push((node.start_byte(), command(node, text, Around { fed, ..around }, work)));
                    }
                }
                substituted(node, text, around, &mut todo);
            }
            "variable_assignment" | "variable_assignments" | "declaration_command" | "test_command" => {
                substituted(node, text, around, &mut todo);
            }
            _ => parts(node, text, around, &mut todo),
        }
    }
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().flat_map(|(_, calls)| calls).collect()
}

/// The functions of a text: name and body.
fn bodies<'t, 'a>(root: Node<'t>, text: &'a str) -> Vec<(&'a str, Node<'t>)> {
    if !text.contains("()") && !text.contains("function ") {
        return Vec::new();
    }
    let (mut found, mut todo) = (Vec::new(), vec![root]);
    while let Some(node) = todo.pop() {
        let fields = node.child_by_field_name("name").zip(node.child_by_field_name("body"));
        if let Some((name, body)) = fields.filter(|_| node.kind() == "function_definition") {
            found.extend(text.get(name.byte_range()).map(|name| (name, body)));
        }
        let mut cursor = node.walk();
        todo.extend(node.named_children(&mut cursor));
    }
    found
}

/// The here-document or here-string of a command.
fn heredoc<'a>(node: Node<'_>, text: &'a str, lexed: &Lexed) -> Option<&'a str> {
    let first = lexed.heredocs.partition_point(|document| document.operator.start < node.start_byte());
    let document = lexed.heredocs.get(first)?;
    // Nothing but other redirections stands between.
    if document.operator.start > node.end_byte() + NEAR {
        return None;
    }
    let whole = node.parent().filter(|parent| parent.kind() == "redirected_statement").unwrap_or(node).byte_range();
    let document = Some(document).filter(|document| whole.contains(&document.operator.start))?;
    // Its last line is the delimiter.
    text.get(document.body.start..document.body.end)?.rsplit_once('\n').map(|(lines, _)| lines)
}

/// What stands in the `$(…)`, `` `…` `` and `<(…)` of a node, each with what becomes of its output.
fn substituted<'t>(node: Node<'t>, text: &'t str, around: Around<'t>, todo: &mut Vec<(Node<'t>, Around<'t>)>) {
    let simple = Simple::of(node, text);
    let shows = node.kind() == "command" && matches!(simple.program(), "echo" | "printf");
    let compares =
        node.kind() == "test_command" || node.kind() == "command" && matches!(simple.program(), "test" | "[");
    let whole = matches!(node.kind(), "variable_assignment" | "variable_assignments");
    let code = match around.code {
        // Whether there is something to compare is what is asked.
        _ if compares => Code::Waived,
        code if whole => code,
        Code::Asked | Code::AskedAgain | Code::Waived => Code::Waived,
        Code::Replaced => Code::Replaced,
        Code::Kept | Code::Lost => Code::Lost,
    };
    let (stdout, stderr) = around.last.unwrap_or((around.stdout, around.stderr));
    let (shown, stderr) = (redirected(node, text, (stdout, stderr)).0, stderr);
    let mut inner = vec![(node, None)];
    while let Some((node, into)) = inner.pop() {
        if matches!(node.kind(), "command_substitution" | "process_substitution") {
            let stdout = if shows { shown } else { Sink::Piped };
            let (last, stage, fed, filtered) = (None, None, None, Filtered::No);
            todo.push((node, Around { stdout, stderr, code, into, last, stage, fed, filtered, ..around }));
            continue;
        }
        let named = node.child_by_field_name("name").filter(|_| node.kind() == "variable_assignment");
        let into = named.and_then(|name| text.get(name.byte_range())).or(into);
        let mut cursor = node.walk();
        inner.extend(node.named_children(&mut cursor).map(|child| (child, into)));
    }
}

/// The parts of a node that run, each with what stands around it.
fn parts<'t>(node: Node<'t>, text: &'t str, around: Around<'t>, todo: &mut Vec<(Node<'t>, Around<'t>)>) {
    let mut cursor = node.walk();
    let children: Vec<Node<'t>> = node.children(&mut cursor).collect();
    let named: Vec<Node<'t>> = children.iter().copied().filter(|child| child.is_named()).collect();
    match node.kind() {
        "program"
        | "compound_statement"
        | "subshell"
        | "else_clause"
        | "case_item"
        | "command_substitution"
        | "process_substitution" => {
            sequence(&statements(&named), around, todo);
        }
        "do_group" => sequence(&statements(&named), lost(around), todo),
        "list" => list(&children, text, around, todo),
        "pipeline" => pipeline(&children, text, around, todo),
        "negated_command" => todo.extend(named.iter().map(|child| (*child, Around { code: Code::Asked, ..around }))),
        "redirected_statement" => {
            for redirect in named.iter().filter(|child| child.kind().ends_with("_redirect")) {
                substituted(*redirect, text, around, todo);
            }
            let Some(body) = named.first().filter(|body| !body.kind().ends_with("_redirect")) else { return };
            let (stdout, stderr) = redirected(node, text, (around.stdout, around.stderr));
            match body.kind() {
                "list" | "pipeline" => todo.push((*body, Around { last: Some((stdout, stderr)), ..around })),
                _ => todo.push((*body, Around { stdout, stderr, ..around })),
            }
        }
        "while_statement" | "if_statement" | "elif_clause" => {
            let body = children.iter().position(|child| matches!(child.kind(), "then" | "do_group"));
            let (condition, body) = children.split_at(body.unwrap_or(children.len()));
            let goes_on = children.first().is_some_and(|first| first.kind() == "while");
            let asked = Around { code: if goes_on { Code::AskedAgain } else { Code::Asked }, ..around };
            todo.extend(statements(condition).into_iter().map(|child| (child, asked)));
            let (branches, body): (Vec<_>, Vec<_>) =
                statements(body).into_iter().partition(|child| matches!(child.kind(), "elif_clause" | "else_clause"));
            sequence(&body, around, todo);
            todo.extend(branches.into_iter().map(|branch| (branch, around)));
        }
        "for_statement" | "c_style_for_statement" => {
            for value in named.iter().filter(|child| !matches!(child.kind(), "do_group" | "compound_statement")) {
                substituted(*value, text, around, todo);
            }
            let body = node.child_by_field_name("body");
            todo.extend(body.map(|body| (body, lost(around))));
        }
        "case_statement" => {
            let items = named.iter().filter(|child| child.kind() == "case_item");
            todo.extend(items.map(|item| (*item, around)));
        }
        _ => {}
    }
}

/// Those of some nodes that run: no patterns, comments and punctuation.
fn statements<'t>(nodes: &[Node<'t>]) -> Vec<Node<'t>> {
    let runs = |node: &&Node<'t>| {
        matches!(
            node.kind(),
            "command"
                | "list"
                | "pipeline"
                | "redirected_statement"
                | "negated_command"
                | "while_statement"
                | "if_statement"
                | "elif_clause"
                | "else_clause"
                | "for_statement"
                | "c_style_for_statement"
                | "case_statement"
                | "compound_statement"
                | "subshell"
                | "do_group"
                | "test_command"
                | "declaration_command"
                | "unset_command"
                | "variable_assignment"
                | "variable_assignments"
                | "function_definition"
        )
    };
    nodes.iter().filter(runs).copied().collect()
}

fn lost(around: Around<'_>) -> Around<'_> {
    let code = match around.code {
        Code::Kept | Code::Lost | Code::Replaced => Code::Lost,
        asked => asked,
    };
    Around { code, ..around }
}

/// One after the other: only the last one's exit code is seen, and no one's that runs in the background.
fn sequence<'t>(nodes: &[Node<'t>], around: Around<'t>, todo: &mut Vec<(Node<'t>, Around<'t>)>) {
    for (i, node) in nodes.iter().enumerate() {
        // Only of the last one it matters, and to ask for it takes a walk past all of them.
        let last = i + 1 == nodes.len();
        let seen = last && node.next_sibling().is_none_or(|next| next.kind() != "&");
        todo.push((*node, if seen { around } else { lost(around) }));
    }
}

/// `a && b`, `a || b`.
fn list<'t>(children: &[Node<'t>], text: &'t str, around: Around<'t>, todo: &mut Vec<(Node<'t>, Around<'t>)>) {
    let [left, operator, right] = children else {
        return sequence(&statements(children), around, todo);
    };
    let behind = right.byte_range();
    let behind = text.get(behind).unwrap_or_default().trim();
    let leaves = ["break", "continue", "return", "exit"].iter().any(|word| behind.starts_with(word));
    let code = match operator.kind() {
        "||" if matches!(behind, "true" | ":") => Code::Waived,
        _ if around.code == Code::Waived => Code::Waived,
        // One of several answers that a condition is made of.
        _ if matches!(around.code, Code::Asked | Code::AskedAgain) => Code::AskedAgain,
        "||" => Code::Replaced,
        // A loop that is left when it worked.
        _ if around.code == Code::Lost && leaves => Code::Asked,
        _ => around.code,
    };
    let around = match around.code {
        Code::Asked => Around { code: Code::AskedAgain, ..around },
        _ => around,
    };
    let of_left = Around { code, last: None, ..around };
    todo.push((*left, of_left));
    let (stdout, stderr) = around.last.unwrap_or((around.stdout, around.stderr));
    let of_right = match matches!(right.kind(), "list" | "pipeline") {
        true => around,
        false => Around { stdout, stderr, last: None, ..around },
    };
    todo.push((*right, of_right));
}

/// `a | b`: what is written before a pipe goes into it, unless all behind it only hand it on.
fn pipeline<'t>(children: &[Node<'t>], text: &'t str, around: Around<'t>, todo: &mut Vec<(Node<'t>, Around<'t>)>) {
    // Each with what stands right behind it.
    let next = children.iter().skip(1).map(Some).chain([None]);
    let stages: Vec<(&Node<'t>, Option<&Node<'t>>)> =
        children.iter().zip(next).filter(|(child, _)| child.is_named()).collect();
    let (mut stdout, stderr) = around.last.unwrap_or((around.stdout, around.stderr));
    let mut filtered = around.filtered;
    let pipe = around.base + stages.first().map_or(0, |(stage, _)| stage.start_byte());
    // Whether all that stands behind exits with 0 whatever it is given.
    let mut judged = false;
    for (i, (stage, next)) in stages.iter().enumerate().rev() {
        let of_last = i + 1 == stages.len();
        let both = next.is_some_and(|next| next.kind() == "|&");
        let stderr = match (of_last, both) {
            (true, _) => stderr,
            (false, true) => stdout,
            (false, false) => around.stderr,
        };
        let code = match around.code {
            code if of_last => code,
            Code::Asked | Code::AskedAgain if judged => Code::Waived,
            _ => lost(around).code,
        };
        let stage_of = Some(Stage { pipe, at: i });
        todo.push((**stage, Around { stdout, stderr, code, last: None, filtered, stage: stage_of, ..around }));
        let words: Vec<&str> = text.get(stage.byte_range()).unwrap_or_default().split_whitespace().collect();
        match programs::passes(&words) {
            _ if stage.kind() != "command" => (stdout, judged) = (Sink::Piped, true),
            Passes::All => {}
            Passes::Lines => filtered = if filtered == Filtered::Cut { filtered } else { Filtered::Lines },
            Passes::End => filtered = Filtered::Cut,
            Passes::Nothing if stdout != Sink::Piped => stdout = Sink::File,
            Passes::Nothing => {}
            Passes::Judged => (stdout, judged) = (Sink::Piped, true),
        }
    }
}

/// Where the streams lead behind the redirections of a node, which bash takes from left to right.
fn redirected(node: Node<'_>, text: &str, (mut stdout, mut stderr): (Sink, Sink)) -> (Sink, Sink) {
    let mut cursor = node.walk();
    for redirect in node.named_children(&mut cursor).filter(|child| child.kind() == "file_redirect") {
        let written = text.get(redirect.byte_range()).unwrap_or_default().trim();
        let digits = written.len() - written.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (stream, rest) = written.split_at(digits);
        let both = rest.starts_with("&>") || rest.starts_with(">&") && !rest[2..].trim().starts_with(['1', '2', '-']);
        let target = rest.trim_start_matches(['>', '|']).trim_start_matches('&').trim_start_matches('>').trim();
        if !rest.starts_with(['>', '&']) {
            continue;
        }
        let joins = rest.starts_with(">&");
        let sink = match target {
            "1" if joins => stdout,
            "2" if joins => stderr,
            "/dev/stdout" => stdout,
            "/dev/stderr" => stderr,
            _ => Sink::File,
        };
        match stream {
            _ if both => (stdout, stderr) = (sink, sink),
            "" | "1" => stdout = sink,
            "2" => stderr = sink,
            _ => {}
        }
    }
    (stdout, stderr)
}

/// A simple command: the program that it names, and those that this one runs.
fn command(node: Node<'_>, text: &str, around: Around<'_>, work: &mut Work) -> Vec<Call> {
    let (stdout, stderr) = around.last.unwrap_or((around.stdout, around.stderr));
    let (stdout, stderr) = redirected(node, text, (stdout, stderr));
    let around = Around { stdout, stderr, last: None, ..around };
    let mut found = Vec::new();
    let mut next = Some(Simple::of(node, text));
    while let Some(simple) = next.take().filter(|_| found.len() < MOST_WRAPPERS) {
        let simple = bare(simple);
        if simple.words.is_empty() {
            break;
        }
        let words: Vec<String> = simple.words.iter().map(|word| plain(word)).collect();
        let name = simple.program();
        if let Some(script) = script(name, &simple).or_else(|| script_on_input(name, &simple, around.fed)) {
            match around.depth < DEEPEST {
                true => {
                    let base = (around.base + node.start_byte() + 1) << 16;
                    // What is fed goes to what the script runs, unless it is the script.
                    let fed = around.fed.filter(|fed| *fed != script);
                    found.extend(within(&script, Around { depth: around.depth + 1, base, fed, ..around }, work));
                }
                false => found.clear(),
            }
            break;
        }
        // A wrapper is known by what it runs; one that can fail by itself (`docker compose exec`) stands beside it.
        next = match programs::wrapper(name).filter(|wrapper| wrapper.feeds) {
            Some(wrapper) => {
                let valued: Vec<&str> = wrapper.valued.iter().map(String::as_str).collect();
                let rest = after_options(simple.arguments(), &valued);
                Some(Simple { words: rest.to_vec(), ..simple.clone() }).filter(|inner| !inner.words.is_empty())
            }
            None => simple.inner().or_else(|| of_run(&simple)),
        };
        let Around { code, filtered, stage, .. } = around;
        let into = around.into.map(str::to_string);
        found.push(Call { words, stdout, stderr, code, filtered, stage, into });
    }
    found
}

/// `docker compose run --rm SERVICE command`.
fn of_run<'a>(simple: &Simple<'a>) -> Option<Simple<'a>> {
    let arguments = simple.arguments();
    let compose = simple.program() == "docker-compose" || arguments.contains(&"compose");
    let at = arguments.iter().position(|word| *word == "run").filter(|_| compose)?;
    let valued =
        ["-e", "--env", "-v", "--volume", "-p", "--publish", "-u", "--user", "-w", "--workdir", "--name", "-l"];
    let words = after_options(arguments.get(at + 1..)?, &valued).get(1..)?;
    (!words.is_empty()).then(|| Simple { words: words.to_vec(), ..simple.clone() })
}

/// The shell text that a program is given: behind `-c`, or its words (`ssh HOST …`, `eval …`).
fn script(name: &str, simple: &Simple<'_>) -> Option<String> {
    let script = programs::script(name)?;
    let arguments = simple.arguments();
    if let Some(letter) = script.switch {
        let given = |word: &&str| word.starts_with('-') && !word.starts_with("--") && word.contains(letter);
        let at = arguments.iter().position(|word| given(word) || *word == "--command")?;
        return arguments.get(at + 1).map(|text| plain(text));
    }
    let valued: Vec<&str> = script.valued.iter().map(String::as_str).collect();
    let words = after_options(arguments, &valued).get(script.operands..)?;
    let words: Vec<String> = words.iter().map(|word| plain(word)).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// The shell text that a shell reads from its standard input: `bash <<EOF`, `sh -s`, `ssh HOST <<EOF`.
fn script_on_input(name: &str, simple: &Simple<'_>, fed: Option<&str>) -> Option<String> {
    let script = programs::script(name).filter(|_| name != "eval")?;
    let valued: Vec<&str> = script.valued.iter().map(String::as_str).collect();
    let behind = after_options(simple.arguments(), &valued);
    let reads = behind.len() <= script.operands || script.switch.is_some() && simple.arguments().contains(&"-s");
    fed.filter(|_| reads || matches!(name, "su" | "runuser")).map(str::to_string)
}

/// A word without its quotes, expansions as they stand there.
fn plain(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    let mut quote = None;
    let mut chars = word.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, '\\') => out.extend(chars.next()),
            (Some('"'), '\\') => match chars.peek() {
                Some('"' | '\\' | '$' | '`') => out.extend(chars.next()),
                _ => out.push('\\'),
            },
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let sink = |sink: Sink, own: Sink| match sink {
            sink if sink == own => "",
            Sink::Stdout => "out",
            Sink::Stderr => "err",
            Sink::Piped => "pipe",
            Sink::File => "file",
        };
        let of = |call: Call| {
            let (out, err) = (sink(call.stdout, Sink::Stdout), sink(call.stderr, Sink::Stderr));
            let code = format!("{:?}", call.code).to_lowercase();
            let tail: Vec<String> = [("1", out), ("2", err)]
                .iter()
                .filter(|(_, to)| !to.is_empty())
                .map(|(stream, to)| format!("{stream}>{to}"))
                .chain((code != "kept").then_some(code))
                .chain((call.filtered != Filtered::No).then(|| format!("{:?}", call.filtered).to_lowercase()))
                .chain(call.into.map(|variable| format!("into {variable}")))
                .collect();
            let tail = if tail.is_empty() { String::new() } else { format!("  [{}]", tail.join(" ")) };
            format!("{}{tail}", call.words.join(" "))
        };
        calls(text).into_iter().map(of).collect()
    }

    #[test]
    fn output_is_followed_to_where_it_ends() {
        for (text, expected) in [
            ("a x 'y z'", &["a x y z"][..]),
            ("a > f", &["a  [1>file]"]),
            ("a > /dev/null 2>&1", &["a  [1>file 2>file]"]),
            ("a 2>&1 > f", &["a  [1>file 2>out]"]),
            ("a &> f", &["a  [1>file 2>file]"]),
            ("a >&2", &["a  [1>err]"]),
            ("a 2>&1", &["a  [2>out]"]),
            ("a < f", &["a"]),
            ("a <<X\nb\nX", &["a"]),
            ("a | b", &["a  [1>pipe lost]", "b"]),
            ("a |& b", &["a  [1>pipe 2>pipe lost]", "b"]),
            ("a 2>&1 | b", &["a  [1>pipe 2>pipe lost]", "b"]),
            ("a 2>/dev/null | b | c", &["a  [1>pipe 2>file lost]", "b  [1>pipe lost]", "c"]),
            ("a | tee log", &["a  [lost]", "tee log"]),
            ("a | tee log | grep x", &["a  [1>pipe lost]", "tee log  [1>pipe lost]", "grep x"]),
            ("a | cat x", &["a  [1>pipe lost]", "cat x"]),
            ("a | b > f", &["a  [1>pipe lost]", "b  [1>file]"]),
            ("a && b > f", &["a", "b  [1>file]"]),
            ("{ a; b; } > f", &["a  [1>file lost]", "b  [1>file]"]),
            ("(a; b) 2>&1 | c", &["a  [1>pipe 2>pipe lost]", "b  [1>pipe 2>pipe lost]", "c"]),
            ("f() { a; }", &[]),
            ("a | head -3", &["a  [lost lines]", "head -3"]),
            ("a | tail -1 | sort", &["a  [lost cut]", "tail -1  [lost lines]", "sort"]),
            ("a | grep -v x", &["a  [lost lines]", "grep -v x"]),
            ("a | wc -l", &["a  [1>file lost]", "wc -l"]),
            ("a | grep x | wc -l", &["a  [1>pipe lost]", "grep x  [1>file lost]", "wc -l"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn exit_codes_are_followed_to_where_they_are_seen() {
        for (text, expected) in [
            ("a && b || c", &["a  [replaced]", "b  [replaced]", "c"][..]),
            ("a || true", &["a  [waived]", "true"]),
            ("a && b || :", &["a  [waived]", "b  [waived]", ":"]),
            ("! a", &["a  [asked]"]),
            ("for i in 1 2; do a; b; done", &["a  [lost]", "b  [lost]"]),
            ("for i in 1 2; do a && break; sleep 1; done", &["a  [asked]", "break  [lost]", "sleep 1  [lost]"]),
            ("for i in 1 2; do a && b; done", &["a  [lost]", "b  [lost]"]),
            ("until a; do b; done", &["a  [asked]", "b  [lost]"]),
            ("if a; then b; c; elif d; then e; else f; fi", &["a  [asked]", "b  [lost]", "c", "d  [asked]", "e", "f"]),
            ("a &", &["a  [lost]"]),
            ("case x in y) a; b;; esac", &["a  [lost]", "b"]),
            ("while read x; do a $x; done < f", &["read x  [askedagain]", "a $x  [lost]"]),
            ("a | while read x; do b; done", &["a  [1>pipe lost]", "read x  [askedagain]", "b  [lost]"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn a_condition_is_asked_by_what_decides_it() {
        for (text, expected) in [
            ("until a && b; do c; done", &["a  [askedagain]", "b  [askedagain]", "c  [lost]"][..]),
            ("while ! a; do c; done", &["a  [asked]", "c  [lost]"]),
            ("if a | grep -q x; then b; fi", &["a  [1>pipe waived]", "grep -q x  [asked]", "b"]),
            ("if a | tail -1; then b; fi", &["a  [asked cut]", "tail -1  [asked]", "b"]),
            ("if [ -n \"$(a)\" ]; then b; fi", &["a  [1>pipe waived]", "b"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn substitutions_run_what_stands_in_them() {
        for (text, expected) in [
            ("X=$(a) b", &["b", "a  [1>pipe lost into X]"][..]),
            ("X=$(a)", &["a  [1>pipe into X]"]),
            ("X=`a | b`", &["a  [1>pipe lost into X]", "b  [1>pipe into X]"]),
            ("X=$(a); echo \"$X\"", &["a  [lost into X]", "echo $X"]),
            ("X=$(a); echo \"${X}\" >&2", &["a  [1>err lost into X]", "echo ${X}  [1>err]"]),
            ("X=$(a); echo \"$XY\"", &["a  [1>pipe lost into X]", "echo $XY"]),
            ("echo \"$(a)\"", &["echo $(a)", "a  [lost]"]),
            ("export X=$(a)", &["a  [1>pipe lost into X]"]),
            ("b $(a)", &["b $(a)", "a  [1>pipe lost]"]),
            (
                "b $(a 2>/dev/null || true)",
                &["b $(a 2>/dev/null || true)", "a  [1>pipe 2>file waived]", "true  [1>pipe lost]"],
            ),
            ("for i in $(a); do b; done", &["a  [1>pipe lost]", "b  [lost]"]),
            ("while read x; do b; done < <(a)", &["read x  [askedagain]", "b  [lost]", "a  [1>pipe lost]"]),
            ("[ \"$(a)\" = x ] || b", &["a  [1>pipe waived]", "b"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn functions_and_scripts_on_standard_input_run_what_they_hold() {
        for (text, expected) in [
            ("f() { a \"$1\"; b; }\nf x | c", &["a $1  [1>pipe lost]", "b  [1>pipe lost]", "c"][..]),
            ("f() { f; }; f", &["f"]),
            ("function f { a; }\nif f; then b; fi", &["a  [asked]", "b"]),
            ("bash <<EOF\na\nb > f\nEOF", &["a  [lost]", "b  [1>file]"]),
            ("ssh -p 22 host <<'EOF'\na\nEOF", &["a"]),
            ("ssh host bash -s <<EOF\na | b\nEOF", &["a  [1>pipe lost]", "b"]),
            ("sudo docker exec -i db sh <<EOF\na\nEOF", &["docker exec -i db sh", "a"]),
            ("ssh host redis-cli <<EOF\nPING\nEOF", &["redis-cli"]),
            ("bash fix.sh <<EOF\na\nEOF", &["bash fix.sh"]),
            ("cat <<EOF\nbash\nEOF", &["cat"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        let before = functions(["f() { redis-cli X; }", "echo \"f()\"", "g() { f; }"].into_iter());
        assert_eq!(shown(&format!("{before}g")), ["redis-cli X"]);
    }

    #[test]
    fn programs_are_found_behind_what_runs_them() {
        for (text, expected) in [
            ("sudo -u x timeout -k 1 5 a", &["a"][..]),
            ("env A=1 /usr/bin/a b", &["/usr/bin/a b"]),
            ("A=1 a b", &["a b"]),
            ("sh -c 'a; b | c'", &["a  [lost]", "b  [1>pipe lost]", "c"]),
            ("bash -ec \"a 'x y'\"", &["a x y"]),
            ("su - postgres -c 'psql -f x'", &["psql -f x"]),
            ("runuser -u postgres -- psql -f x", &["psql -f x"]),
            ("gosu postgres psql -f x", &["psql -f x"]),
            ("ssh -p 22 host redis-cli x", &["redis-cli x"]),
            ("ssh host 'a && b'", &["a", "b"]),
            ("eval a b", &["a b"]),
            (
                "docker compose exec -T -u x cache redis-cli x",
                &["docker compose exec -T -u x cache redis-cli x", "redis-cli x"],
            ),
            ("docker exec db sh -c 'psql -f x'", &["docker exec db sh -c psql -f x", "psql -f x"]),
            ("docker compose run --rm db psql -f x", &["docker compose run --rm db psql -f x", "psql -f x"]),
            ("kubectl exec -n a pod -- redis-cli x", &["kubectl exec -n a pod -- redis-cli x", "redis-cli x"]),
            ("a | xargs -r -n 1 redis-cli del", &["a  [1>pipe lost]", "xargs -r -n 1 redis-cli del", "redis-cli del"]),
            ("a | xargs -I{} sh -c 'b {}; c'", &["a  [1>pipe lost]", "xargs -I{} sh -c b {}; c", "b {}  [lost]", "c"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
