//! The programs that a command runs, through everything that only runs another one (`sudo`, `docker compose exec`, `xargs`,
//! `sh -c`, `ssh`): where the output of each leads, and what becomes of its exit code.

use super::lexer::lex;
use super::shell::{Bash, blank};
use super::simple::{Simple, after_options, bare};
use super::{Command, placeholder};
use crate::programs::{self, Answer, Call, Code, Sink};
use tree_sitter::Node;

/// How deep shell text may stand in shell text.
const DEEPEST: usize = 4;

/// What stands around a part of a command.
#[derive(Debug, Clone, Copy)]
struct Around {
    stdout: Sink,
    stderr: Sink,
    code: Code,
    /// Streams of the last command of it alone: the grammar gives a redirection behind a list to all of it.
    last: Option<(Sink, Sink)>,
    depth: usize,
}

/// The programs that shell text runs, in order; none of what stands in functions and substitutions.
pub fn calls(text: &str) -> Vec<Call> {
    let around = Around { stdout: Sink::Stdout, stderr: Sink::Stderr, code: Code::Kept, last: None, depth: 0 };
    within(text, around)
}

/// The first error that a program of shell text answered, where its exit code, which is 0, cannot tell of it.
pub fn answered(text: &str, stdout: &str, stderr: &str) -> Option<Answer> {
    programs::error_among(&calls(text), stdout, stderr)
}

impl Command {
    /// The programs that it runs, its inputs as they stand there; none where it is for a client.
    pub fn calls(&self) -> Vec<Call> {
        match self.is_shell() {
            true => calls(&placeholder::mask(&self.text, &placeholder::find(&self.text))),
            false => Vec::new(),
        }
    }
}

fn within(text: &str, around: Around) -> Vec<Call> {
    let Some(tree) = Bash::new(text.len()).tree(&blank(text, &lex(text))) else { return Vec::new() };
    let mut found: Vec<(usize, Vec<Call>)> = Vec::new();
    let mut todo = vec![(tree.root_node(), around)];
    while let Some((node, around)) = todo.pop() {
        match node.kind() {
            "command" => found.push((node.start_byte(), command(node, text, around))),
            _ => parts(node, text, around, &mut todo),
        }
    }
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().flat_map(|(_, calls)| calls).collect()
}

/// The parts of a node that run, each with what stands around it.
fn parts<'t>(node: Node<'t>, text: &str, around: Around, todo: &mut Vec<(Node<'t>, Around)>) {
    let mut cursor = node.walk();
    let children: Vec<Node<'t>> = node.children(&mut cursor).collect();
    let named: Vec<Node<'t>> = children.iter().copied().filter(|child| child.is_named()).collect();
    match node.kind() {
        "program" | "compound_statement" | "subshell" | "else_clause" | "case_item" => {
            sequence(&statements(&named), around, todo);
        }
        "do_group" => sequence(&statements(&named), lost(around), todo),
        "list" => list(&children, text, around, todo),
        "pipeline" => pipeline(&children, text, around, todo),
        "negated_command" => todo.extend(named.iter().map(|child| (*child, Around { code: Code::Asked, ..around }))),
        "redirected_statement" => {
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
            let asked = Around { code: Code::Asked, ..around };
            todo.extend(statements(condition).into_iter().map(|child| (child, asked)));
            let (branches, body): (Vec<_>, Vec<_>) =
                statements(body).into_iter().partition(|child| matches!(child.kind(), "elif_clause" | "else_clause"));
            sequence(&body, around, todo);
            todo.extend(branches.into_iter().map(|branch| (branch, around)));
        }
        "for_statement" | "c_style_for_statement" => {
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
                | "function_definition"
        )
    };
    nodes.iter().filter(runs).copied().collect()
}

fn lost(around: Around) -> Around {
    Around { code: if around.code == Code::Asked { Code::Asked } else { Code::Lost }, ..around }
}

/// One after the other: only the last one's exit code is seen, and no one's that runs in the background.
fn sequence<'t>(nodes: &[Node<'t>], around: Around, todo: &mut Vec<(Node<'t>, Around)>) {
    for (i, node) in nodes.iter().enumerate() {
        let background = node.next_sibling().is_some_and(|next| next.kind() == "&");
        let seen = i + 1 == nodes.len() && !background;
        todo.push((*node, if seen { around } else { lost(around) }));
    }
}

/// `a && b`, `a || b`.
fn list<'t>(children: &[Node<'t>], text: &str, around: Around, todo: &mut Vec<(Node<'t>, Around)>) {
    let [left, operator, right] = children else {
        return sequence(&statements(children), around, todo);
    };
    let behind = right.byte_range();
    let behind = text.get(behind).unwrap_or_default().trim();
    let leaves = ["break", "continue", "return", "exit"].iter().any(|word| behind.starts_with(word));
    let code = match operator.kind() {
        _ if around.code == Code::Asked => Code::Asked,
        "||" if matches!(behind, "true" | ":") => Code::Asked,
        "||" => Code::Replaced,
        // A loop that is left when it worked.
        _ if around.code == Code::Lost && leaves => Code::Asked,
        _ => around.code,
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
fn pipeline<'t>(children: &[Node<'t>], text: &str, around: Around, todo: &mut Vec<(Node<'t>, Around)>) {
    let stages: Vec<&Node<'t>> = children.iter().filter(|child| child.is_named()).collect();
    let (mut stdout, stderr) = around.last.unwrap_or((around.stdout, around.stderr));
    for (i, stage) in stages.iter().enumerate().rev() {
        let of_last = i + 1 == stages.len();
        let both = stage.next_sibling().is_some_and(|next| next.kind() == "|&");
        let stderr = match (of_last, both) {
            (true, _) => stderr,
            (false, true) => stdout,
            (false, false) => around.stderr,
        };
        let code = if of_last { around.code } else { lost(around).code };
        todo.push((**stage, Around { stdout, stderr, code, last: None, ..around }));
        let words: Vec<&str> = text.get(stage.byte_range()).unwrap_or_default().split_whitespace().collect();
        if !(stage.kind() == "command" && programs::is_transparent(&words)) {
            stdout = Sink::Piped;
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
fn command(node: Node<'_>, text: &str, around: Around) -> Vec<Call> {
    let (stdout, stderr) = around.last.unwrap_or((around.stdout, around.stderr));
    let (stdout, stderr) = redirected(node, text, (stdout, stderr));
    let around = Around { stdout, stderr, last: None, ..around };
    let mut found = Vec::new();
    let mut next = Some(Simple::of(node, text));
    while let Some(simple) = next.take() {
        let simple = bare(simple);
        if simple.words.is_empty() {
            break;
        }
        let words: Vec<String> = simple.words.iter().map(|word| plain(word)).collect();
        let name = simple.program();
        if let Some(script) = script(name, &simple) {
            match around.depth < DEEPEST {
                true => found.extend(within(&script, Around { depth: around.depth + 1, ..around })),
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
        found.push(Call { words, stdout, stderr, code: around.code });
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
            ("X=$(a) b", &["b"]),
            ("f() { a; }", &[]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn exit_codes_are_followed_to_where_they_are_seen() {
        for (text, expected) in [
            ("a && b || c", &["a  [replaced]", "b  [replaced]", "c"][..]),
            ("a || true", &["a  [asked]", "true"]),
            ("a && b || :", &["a  [asked]", "b  [asked]", ":"]),
            ("! a", &["a  [asked]"]),
            ("for i in 1 2; do a; b; done", &["a  [lost]", "b  [lost]"]),
            ("for i in 1 2; do a && break; sleep 1; done", &["a  [asked]", "break  [lost]", "sleep 1  [lost]"]),
            ("for i in 1 2; do a && b; done", &["a  [lost]", "b  [lost]"]),
            ("until a; do b; done", &["a  [asked]", "b  [lost]"]),
            ("if a; then b; c; elif d; then e; else f; fi", &["a  [asked]", "b  [lost]", "c", "d  [asked]", "e", "f"]),
            ("a &", &["a  [lost]"]),
            ("case x in y) a; b;; esac", &["a  [lost]", "b"]),
            ("while read x; do a $x; done < f", &["read x  [asked]", "a $x  [lost]"]),
            ("a | while read x; do b; done", &["a  [1>pipe lost]", "read x  [asked]", "b  [lost]"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
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
