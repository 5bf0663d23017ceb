//! What the YAML parser says about broken syntax, in words that tell an author what to fix.

use super::{Diagnostics, Source, Span};
use serde_yaml::granit_parser::{ErrorKind, ScanError};
use std::sync::Arc;

/// Notes an error of the parser. `deepest` is the depth that documents may have.
pub fn report(source: &Arc<Source>, error: &ScanError, deepest: usize, diags: &mut Diagnostics) {
    let at = error.marker().byte_offset().unwrap_or(source.text.len());
    let rest = source.text.get(at..).unwrap_or_default();
    let length = rest.chars().next().filter(|c| !matches!(c, '\n' | '\r')).map_or(0, char::len_utf8);
    // What the parser makes of a tab depends on what stands around it; to the author it is always the same mistake.
    if let Some(tab) = indenting_tab(&source.text, at) {
        diags
            .error(source, Span::new(tab, tab + 1), "a tab is used for indentation")
            .label("a tab")
            .help("YAML is indented with spaces only");
        return;
    }
    let (message, help) = words(error.kind(), deepest);
    let message = message.unwrap_or_else(|| error.info());
    let diagnostic = diags.error(source, Span::new(at, at + length), format!("not valid YAML: {message}"));
    diagnostic.help(help.unwrap_or_default());
}

fn words(kind: &ErrorKind, deepest: usize) -> (Option<String>, Option<String>) {
    let text = |message: &str, help: &str| (Some(message.to_string()), Some(help.to_string()));
    match kind {
        ErrorKind::RecursionLimitExceeded => (Some(format!("nested more than {deepest} deep")), None),
        ErrorKind::UnknownAnchor => text(
            "no anchor of this name stands before this alias",
            "a text that begins with `*` must stand in quotes; an alias `*name` needs a value marked `&name` above it",
        ),
        ErrorKind::MappingValueNotAllowed => text(
            "a `key: value` cannot stand here",
            "indent it like the keys beside it; a text that holds `: ` must stand in quotes",
        ),
        ErrorKind::InvalidColonPlacement => {
            text("a `:` cannot stand here", "is the `[`, `{` or quote before it closed?")
        }
        ErrorKind::InvalidQuotedScalarIndent | ErrorKind::UnclosedQuotedScalar => {
            text("a quoted text is not closed", "add the closing quote, or indent its further lines")
        }
        ErrorKind::UnknownQuotedScalarEscape => text(
            "this is not an escape that YAML knows",
            "write `\\\\` for a backslash, or use single quotes, in which it means itself",
        ),
        ErrorKind::UnexpectedCharacter { character } => {
            let help =
                if character.is_control() { "delete it" } else { "a text that begins with it must stand in quotes" };
            text(&format!("`{}` cannot stand here", character.escape_debug()), help)
        }
        ErrorKind::MisplacedFlowCollectionEnd => text("a bracket is closed that was never opened", "delete it"),
        _ => (None, None),
    }
}

/// The first tab in the indentation of the line of `at`, or of the next line (the parser looks ahead).
fn indenting_tab(text: &str, at: usize) -> Option<usize> {
    let mut start = text.get(..at)?.rfind('\n').map_or(0, |i| i + 1);
    for line in text.get(start..)?.split_inclusive('\n').take(2) {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(tab) = line.get(..indent)?.find('\t') {
            return Some(start + tab);
        }
        start += line.len();
    }
    None
}
