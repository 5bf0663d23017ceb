//! What stands around the calls of a command, found in one walk through its tree: a call may stand deep inside of others, and to
//! climb up from each of them takes time with the square of the text.

use crate::runbook::look::{Call, Shell};
use crate::source::Span;
use std::collections::HashMap;
use tree_sitter::Node;

/// What stands around a call.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Around {
    /// Its standard input is a pipe, a file or a here-document.
    pub fed: bool,
    /// It runs in the background.
    pub background: bool,
    /// What reads its output ends soon.
    pub cut: bool,
    /// It runs only where something holds: in an `if`, behind `[ -d x ] &&`, in a loop over what was looked for.
    pub checked: bool,
    /// What takes its output.
    pub taker: Taker,
}

/// What takes the output of a call.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Taker {
    /// Nothing of the command.
    #[default]
    Nobody,
    /// The rest of the pipeline that it stands in.
    Pipeline(Span),
    /// The call in whose words it is substituted.
    Call(Span),
}

/// What stands around each call of a command.
pub(super) struct Surroundings(HashMap<(usize, usize), Around>);

impl Surroundings {
    /// Of all calls of a command.
    pub fn of(shell: &Shell<'_>) -> Surroundings {
        let mut found = HashMap::new();
        let root = shell.tree().map(|tree| tree.root_node());
        // Each node with what stands around it, and the call that it is a part of.
        let mut open: Vec<(Node<'_>, Around, Option<Span>)> =
            root.map(|root| (root, Around::default(), None)).into_iter().collect();
        while let Some((node, mut around, mut call)) = open.pop() {
            let own = Span::new(node.start_byte(), node.end_byte());
            let mut cursor = node.walk();
            let children: Vec<Node<'_>> = node.children(&mut cursor).collect();
            match node.kind() {
                "command" => {
                    around.fed |= children.iter().any(|part| is_input(shell, part));
                    found.insert((own.start, own.end), around);
                    call = Some(own);
                }
                "redirected_statement" => around.fed |= children.iter().any(|part| is_input(shell, part)),
                "if_statement" | "case_item" | "while_statement" | "elif_clause" => around.checked = true,
                "pipeline" => around.taker = Taker::Pipeline(own),
                "process_substitution" | "command_substitution" => {
                    around.taker = call.map_or(Taker::Nobody, Taker::Call)
                }
                _ => {}
            }
            let (pipes, lists) = (node.kind() == "pipeline", node.kind() == "list");
            let asks = lists && children.first().is_some_and(|left| asks(shell.node_text(left)));
            let mut cut = false;
            for (index, child) in children.iter().enumerate().rev() {
                let mut of_child = around;
                of_child.background |= children.get(index + 1).is_some_and(|next| next.kind() == "&");
                of_child.checked |= asks && index > 0;
                if pipes && child.is_named() {
                    of_child.fed |= index > 0;
                    of_child.cut |= cut;
                    cut |= is_short(shell.node_text(child));
                }
                open.push((*child, of_child, call));
            }
        }
        Surroundings(found)
    }

    /// What stands around one of them.
    pub fn of_call(&self, call: &Call<'_>) -> Around {
        self.0.get(&(call.span.start, call.span.end)).copied().unwrap_or_default()
    }
}

fn is_input(shell: &Shell<'_>, node: &Node<'_>) -> bool {
    let redirects = matches!(node.kind(), "file_redirect" | "herestring_redirect" | "heredoc_redirect");
    // The blanked text has a redirection where the here-document is.
    redirects && shell.blanked.get(node.start_byte()..node.end_byte()).is_some_and(|text| text.contains('<'))
}

/// Whether a part of a pipeline stops to read before its input ends: `head`, `grep -m1`, `sed /x/q`.
fn is_short(part: &str) -> bool {
    let mut words = part.split_whitespace();
    match words.next() {
        Some("head") => true,
        Some("grep" | "egrep" | "rg") => {
            words.any(|word| word.starts_with("-m") || word.starts_with("--max-count") || word == "-q")
        }
        Some("sed") => part.trim_end_matches(['\'', '"']).ends_with('q'),
        _ => false,
    }
}

/// Whether the left side of a list asks: `[ -d x ] && …`, `grep x y || …`.
fn asks(left: &str) -> bool {
    let left = left.trim_start();
    left.starts_with(['[', '!']) || ["test ", "read ", "grep ", "confirm"].iter().any(|word| left.starts_with(word))
}
