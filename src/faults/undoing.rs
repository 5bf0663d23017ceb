//! How the author of a fault says that it is undone: by words of their own (`undo`), or by nothing, because the stack is
//! thrown away after the drill (`irreversible: true`).

use crate::source::{MapReader, shape};

const A_SCRIPT: crate::source::TextForm = crate::source::TextForm::new("a text", shape::filled);

/// How a fault is undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Undoing {
    /// By this.
    By(String),
    /// Not at all: it goes with the stack.
    Never,
}

impl Undoing {
    /// Reads `undo` and `irreversible`, of which exactly one must be there; `what` is the fault's kind.
    pub(super) fn read(map: &mut MapReader<'_>, what: &str) -> Option<Undoing> {
        let undo = map.optional_with("undo", A_SCRIPT, filled);
        let irreversible: Option<bool> = map.optional("irreversible");
        // A value that is wrong has its own message.
        let (given, said) = (map.has("undo"), map.has("irreversible") && irreversible != Some(false));
        match (given, said) {
            (true, true) => {
                map.wrong("irreversible", "`undo` and `irreversible: true` are two answers to one question").help(
                    "keep `undo` if that undoes it, or `irreversible: true` if nothing does and it goes with the stack",
                );
                None
            }
            (true, false) => undo.map(Undoing::By),
            (false, true) => irreversible.map(|_| Undoing::Never),
            (false, false) => {
                let span = map.head();
                map.error(span, format!("{what} does not say how it is undone")).help(
                    "add `undo: …` with what undoes it, or `irreversible: true` if nothing does and it goes with the stack",
                );
                None
            }
        }
    }
}

/// A text that is not blank.
pub(super) fn filled(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it is empty".into()),
        _ if text.contains('\0') => Err("a text cannot hold NUL".into()),
        _ => Ok(text.to_string()),
    }
}
