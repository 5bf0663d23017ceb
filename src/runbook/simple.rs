//! The simple commands of a shell command: their words, what feeds them and what they feed. Looked at to tell what
//! needs a person at the keyboard; what stands in functions, quotes and substitutions is not looked at.

use super::lexer::lex;
use super::shell::{Bash, blank};
use crate::programs;
use tree_sitter::Node;

/// A simple command.
#[derive(Debug, Clone, Default)]
pub(super) struct Simple<'a> {
    /// Its words as they are written, quotes included; assignments and redirections left out.
    pub words: Vec<&'a str>,
    /// Whether its standard input is a pipe, a file or a here-document.
    pub fed: bool,
    /// Whether it runs in the background.
    pub background: bool,
    /// Whether one behind it in its pipeline stops after some lines: `head`, `grep -m 1`.
    pub cut: bool,
    /// Whether `timeout` stands before it.
    pub timed: bool,
}

/// The simple commands of a shell command, in order, without `sudo`, `env`, `timeout` and the like before them.
pub(super) fn commands<'a>(bash: &mut Bash, text: &'a str) -> Vec<Simple<'a>> {
    let Some(tree) = bash.tree(&blank(text, &lex(text))) else { return Vec::new() };
    let mut out = Vec::new();
    let mut todo = vec![(tree.root_node(), Simple::default())];
    while let Some((node, mut around)) = todo.pop() {
        match node.kind() {
            "function_definition" | "command_substitution" | "process_substitution" => continue,
            "command" => {
                around.fed |= feeds(node, text);
                out.push(bare(Simple { words: words(node, text), ..around }));
                continue;
            }
            "redirected_statement" => around.fed |= feeds(node, text),
            _ => {}
        }
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.children(&mut cursor).collect();
        // Pushed in reverse, so that they are taken in their order.
        let (mut cut, mut background) = (around.cut, false);
        for (i, child) in children.into_iter().enumerate().rev() {
            let mut of_child = around.clone();
            of_child.background |= background;
            background = child.kind() == "&";
            if !child.is_named() {
                continue;
            }
            if node.kind() == "pipeline" {
                of_child.cut = cut;
                of_child.fed |= i > 0;
                cut |= stops(&text[child.byte_range()]);
            }
            todo.push((child, of_child));
        }
    }
    out
}

/// Whether a loop in it goes on for ever: `while true` or `until false` without a way out.
pub(super) fn loops_forever(bash: &mut Bash, text: &str) -> bool {
    if !text.contains("while") && !text.contains("until") {
        return false;
    }
    let Some(tree) = bash.tree(&blank(text, &lex(text))) else { return false };
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let leaves = words.filter(|word| matches!(*word, "break" | "exit" | "return" | "exec"));
    let leaves: Vec<usize> = leaves.map(|word| word.as_ptr() as usize - text.as_ptr() as usize).collect();
    let mut todo = vec![tree.root_node()];
    while let Some(node) = todo.pop() {
        if node.kind() == "function_definition" {
            continue;
        }
        if node.kind() == "while_statement" {
            let condition = node.child_by_field_name("condition").and_then(|node| text.get(node.byte_range()));
            let whole = text.get(node.byte_range()).unwrap_or_default();
            let endless = match condition.map(|condition| condition.trim().trim_end_matches(';')) {
                Some("true" | ":" | "[ 1 ]" | "[[ 1 ]]" | "((1))") => whole.starts_with("while"),
                Some("false") => whole.starts_with("until"),
                _ => false,
            };
            let next = leaves.get(leaves.partition_point(|at| *at < node.start_byte()));
            if endless && next.is_none_or(|at| *at >= node.end_byte()) {
                return true;
            }
        }
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.children(&mut cursor).collect();
        let next = children.iter().skip(1).map(Some).chain([None]);
        // What runs in the background is nothing that anybody waits for.
        let waited = children
            .iter()
            .zip(next)
            .filter(|(child, next)| child.is_named() && next.is_none_or(|next| next.kind() != "&"));
        todo.extend(waited.map(|(child, _)| *child));
    }
    false
}

/// Whether a stage of a pipeline ends before its input does.
fn stops(stage: &str) -> bool {
    let mut words = stage.split_whitespace();
    match words.next() {
        Some("head") => true,
        Some("grep" | "egrep" | "zgrep") => words
            .any(|word| word.starts_with("-m") || word == "--max-count" || word.starts_with("-q") || word == "--quiet"),
        _ => false,
    }
}

/// Whether a redirected statement gets its input from somewhere.
fn feeds(node: Node<'_>, text: &str) -> bool {
    let mut cursor = node.walk();
    node.named_children(&mut cursor).any(|child| match child.kind() {
        "file_redirect" => text.get(child.byte_range()).is_some_and(|redirect| redirect.trim_start().starts_with('<')),
        kind => kind == "herestring_redirect" || kind == "heredoc_redirect",
    })
}

/// The words of a command as they are written, quotes included; assignments and redirections left out.
pub(super) fn words<'a>(node: Node<'_>, text: &'a str) -> Vec<&'a str> {
    let mut cursor = node.walk();
    let plain = |child: &Node<'_>| {
        !matches!(child.kind(), "variable_assignment" | "comment") && !child.kind().ends_with("_redirect")
    };
    node.named_children(&mut cursor).filter(plain).filter_map(|child| text.get(child.byte_range())).collect()
}

/// Takes away what only runs another command.
pub(super) fn bare(mut command: Simple<'_>) -> Simple<'_> {
    // Nobody lets more of them call each other.
    for _ in 0..16 {
        let words = &command.words;
        let Some(&first) = words.first() else { return command };
        let Some(wrapper) = programs::wrapper(first).filter(|wrapper| !wrapper.feeds) else { return command };
        let valued: Vec<&str> = wrapper.valued.iter().map(String::as_str).collect();
        let rest = after_options(&words[1..], &valued);
        let begin = rest.iter().position(|word| !wrapper.assignments || !word.contains('='));
        let rest = begin.and_then(|begin| rest.get(begin + wrapper.operands..)).unwrap_or_default().to_vec();
        // `sudo -i` and `sudo -s` alone open a shell: the words stay.
        if rest.is_empty() {
            return command;
        }
        command.timed |= wrapper.timed;
        command.words = rest;
    }
    command
}

/// What stands behind the options, the values of `valued` ones included.
pub(super) fn after_options<'w, 'a>(words: &'w [&'a str], valued: &[&str]) -> &'w [&'a str] {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if *word == "--" {
            return words.get(at + 1..).unwrap_or_default();
        }
        if !word.starts_with('-') || *word == "-" {
            break;
        }
        at += if valued.contains(word) { 2 } else { 1 };
    }
    words.get(at..).unwrap_or_default()
}

impl<'a> Simple<'a> {
    /// A command as it stands there.
    pub fn of(node: Node<'_>, text: &'a str) -> Simple<'a> {
        Simple { words: words(node, text), ..Simple::default() }
    }

    /// The program, without its directory and quotes.
    pub fn program(&self) -> &'a str {
        let word = self.words.first().copied().unwrap_or_default().trim_matches(['"', '\'', '\\']);
        word.rsplit('/').next().unwrap_or_default()
    }

    /// The words behind the program.
    pub fn arguments(&self) -> &[&'a str] {
        self.words.get(1..).unwrap_or_default()
    }

    /// The command that runs in another place: behind `kubectl exec POD --`, `docker exec NAME`.
    pub fn inner(&self) -> Option<Simple<'a>> {
        let arguments = self.arguments();
        let words = match self.program() {
            "kubectl" | "oc" | "$KUBECTL" | "k" => {
                let at = arguments.iter().position(|word| matches!(*word, "exec" | "rsh" | "run" | "debug"))?;
                let dashes = arguments.iter().position(|word| *word == "--");
                match dashes {
                    Some(dashes) if dashes > at => arguments.get(dashes + 1..)?,
                    _ if matches!(arguments.get(at), Some(&"exec" | &"rsh")) => {
                        let valued = ["-n", "--namespace", "-c", "--container", "--context", "--kubeconfig"];
                        // `kubectl exec POD -n NS command`: options may stand behind the name as well.
                        let behind_name = after_options(arguments.get(at + 1..)?, &valued).get(1..)?;
                        after_options(behind_name, &valued)
                    }
                    _ => return None,
                }
            }
            "docker" | "podman" | "docker-compose" | "nerdctl" => {
                let at = arguments.iter().position(|word| *word == "exec")?;
                let valued = ["-u", "--user", "-e", "--env", "-w", "--workdir", "--index", "--env-file"];
                after_options(arguments.get(at + 1..)?, &valued).get(1..)?
            }
            _ => return None,
        };
        (!words.is_empty()).then(|| bare(Simple { words: words.to_vec(), ..self.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let flags = |c: &Simple<'_>| {
            let flags = [(c.fed, " fed"), (c.background, " &"), (c.cut, " cut"), (c.timed, " timed")];
            flags.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect::<String>()
        };
        commands(&mut Bash::new(text.len()), text)
            .iter()
            .map(|c| format!("{}{}", c.words.join(" "), flags(c)))
            .collect()
    }

    #[test]
    fn simple_commands_know_what_is_around_them() {
        assert_eq!(shown("a 'b c' > f"), ["a 'b c'"]);
        assert_eq!(shown("A=1 sudo -u x tail -f y | head -3"), ["tail -f y cut", "head -3 fed"]);
        assert_eq!(shown("timeout -k 1 5 a b & c"), ["a b & timed", "c"]);
        assert_eq!(shown("a < f; b <<< x"), ["a fed", "b fed"]);
        assert_eq!(shown("if a; then b; else c; fi && d"), ["a", "b", "c", "d"]);
        assert_eq!(shown("f() { a; }; b $(c)"), ["b $(c)"]);
        assert_eq!(shown("sudo -i"), ["sudo -i"]);
        assert_eq!(shown("ssh h <<EOF\nls\nEOF"), ["ssh h fed"]);
        assert_eq!(shown("tail -f x | grep y | grep -m1 z"), ["tail -f x cut", "grep y fed cut", "grep -m1 z fed"]);
    }

    #[test]
    fn commands_in_another_place() {
        let inner = |text: &str| commands(&mut Bash::new(text.len()), text)[0].inner().map(|c| c.words.join(" "));
        assert_eq!(inner("kubectl exec -it -n x pod -- sh -l").as_deref(), Some("sh -l"));
        assert_eq!(inner("kubectl exec pod -n x sh").as_deref(), Some("sh"));
        assert_eq!(inner("docker compose exec -T -u root db sudo psql").as_deref(), Some("psql"));
        assert_eq!(inner("docker exec -it web bash").as_deref(), Some("bash"));
        assert_eq!(inner("kubectl debug node/x"), None);
        assert_eq!(inner("kubectl get pods"), None);
    }
}
