//! Diagnostics as text: what is wrong, `path:line:column`, the line itself with a caret, and what to do about it.

use super::{Diagnostic, Diagnostics, Level, Span};
use annotate_snippets::{AnnotationKind, Group, Level as Heading, Origin, Renderer, Snippet};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

/// After so many diagnostics of one file the rest is only counted.
const MOST_PER_FILE: usize = 50;
/// Longest message or help that is shown, in characters.
const LONGEST: usize = 1000;

/// Every diagnostic with its place, by file and position, each once, and the line `2 errors, 1 warning` at the end;
/// nothing when there are none. Control characters of the files are made visible and do nothing.
pub fn render(diags: &Diagnostics, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut text = String::new();
    let mut shown: HashMap<&Path, usize> = HashMap::new();
    for diagnostic in diags.sorted() {
        let count = shown.entry(&diagnostic.source.path).or_default();
        *count += 1;
        if *count <= MOST_PER_FILE {
            text.push_str(&diagnostic.block(&renderer));
            text.push_str("\n\n");
        }
    }
    let mut cut: Vec<_> = shown.into_iter().filter(|(_, count)| *count > MOST_PER_FILE).collect();
    cut.sort();
    for (path, count) in cut {
        let path = visible(&path.to_string_lossy());
        // Writing to a string cannot fail.
        let _ = write!(text, "and {} more in {path}\n\n", count - MOST_PER_FILE);
    }
    if let Some(summary) = diags.summary() {
        text.push_str(&summary);
        text.push('\n');
    }
    text
}

impl Diagnostics {
    /// `2 errors, 1 warning`; `None` when there are none.
    pub fn summary(&self) -> Option<String> {
        let all = self.sorted();
        let errors = all.iter().filter(|d| d.level == Level::Error).count();
        let plural = |count: usize, what: &str| match count {
            0 => None,
            1 => Some(format!("1 {what}")),
            _ => Some(format!("{count} {what}s")),
        };
        let parts = [plural(errors, "error"), plural(all.len() - errors, "warning")];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// By path, position and message. A value that an alias repeats is read more than once and reported once.
    fn sorted(&self) -> Vec<&Diagnostic> {
        let mut all: Vec<&Diagnostic> = self.all.iter().collect();
        all.sort_by_key(|d| (&d.source.path, d.span.start, &d.message));
        all.dedup_by(|a, b| {
            a.source.path == b.source.path && a.span == b.span && a.message == b.message && a.level == b.level
        });
        all
    }
}

impl Diagnostic {
    fn block(&self, renderer: &Renderer) -> String {
        let heading = match self.level {
            Level::Error => Heading::ERROR,
            Level::Warning => Heading::WARNING,
        };
        let path = visible(&self.source.path.to_string_lossy());
        let title = heading.primary_title(limited(&self.message));
        let mut group = match self.line() {
            Some((number, line, span)) => {
                let mark = AnnotationKind::Primary.span(span.start..span.end);
                let mark = mark.label(self.label.as_deref().map(limited));
                Group::with_title(title).element(Snippet::source(line).path(path).line_start(number).annotation(mark))
            }
            None => Group::with_title(title).element(Origin::path(path)),
        };
        if let Some(help) = &self.help {
            group = group.element(Heading::HELP.message(limited(help)));
        }
        renderer.render(&[group])
    }

    /// The number of the first line of the span, the line with its control characters made visible, and the span
    /// within that. `None` when the file has no text.
    fn line(&self) -> Option<(usize, String, Span)> {
        let text = &self.source.text;
        if text.is_empty() {
            return None;
        }
        let mut at = self.span.start.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let (before, after) = text.split_at(at);
        let number = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |i| i + 1);
        let rest = after.split('\n').next().unwrap_or_default().trim_end_matches('\r');
        let head = visible(text.get(start..at).unwrap_or_default());
        let marked = self.span.end.saturating_sub(at).min(rest.len());
        let marked = (0..=marked).rev().find(|i| rest.is_char_boundary(*i)).unwrap_or_default();
        let (marked, tail) = rest.split_at(marked);
        let marked = visible(marked);
        let span = Span::new(head.len(), head.len() + marked.len());
        Some((number, format!("{head}{marked}{}", visible(tail)), span))
    }
}

fn limited(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", visible(text.get(..end).unwrap_or_default())),
        None => visible(text),
    }
}

/// The text with every character that could move the cursor, hide text or turn its direction replaced by a visible
/// one, so that a file cannot write to the terminal. One character stays one character, so columns stay true.
pub fn visible(text: &str) -> String {
    text.chars().map(visible_char).collect()
}

fn visible_char(c: char) -> char {
    match c {
        // Rendered as spaces by whoever shows the line.
        '\t' => c,
        // U+2400 and on are pictures of the C0 control characters.
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}' => char::REPLACEMENT_CHARACTER,
        // Marks that turn the direction of text, join, or have no width; line and paragraph separators.
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => {
            char::REPLACEMENT_CHARACTER
        }
        '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' => char::REPLACEMENT_CHARACTER,
        '\u{e0000}'..='\u{e007f}' => char::REPLACEMENT_CHARACTER,
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Source;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn diagnostics_show_the_line() {
        let yaml = Source::new("scenarios/a.yaml", "title: Größe\nload:\n\tx: 1\r\nrate: 50\n");
        let empty = Source::new("scenarios/empty.yaml", "");
        let mut diags = Diagnostics::default();
        diags.error(&empty, Span::default(), "the file is empty");
        diags.error(&yaml, Span::new(34, 36), "`50` has no unit").label("a rate").help("write it like `50/s`");
        diags.error(&yaml, Span::new(21, 22), "a tab is used for indentation");
        diags.error(&yaml, Span::new(21, 22), "a tab is used for indentation");
        diags.warning(&yaml, Span::new(7, 14), "a title");
        diags.error(&yaml, Span::new(15, 40), "more than one line, and beyond the end");
        insta::assert_snapshot!(render(&diags, false));
        assert!(render(&diags, true).contains("\u{1b}["));
        assert_eq!(diags.summary().as_deref(), Some("4 errors, 1 warning"));
        assert_eq!(render(&Diagnostics::default(), false), "");
    }

    #[test]
    fn files_cannot_write_to_the_terminal() {
        let nasty = "a: \u{1b}[31mred\u{7}\u{9b}2J\u{202e}x\u{0}\u{7f}\u{200b} end";
        let source = Source::new("a\u{1b}[2J.yaml", nasty);
        let mut diags = Diagnostics::default();
        let end = nasty.len();
        diags.error(&source, Span::new(end - 3, end), format!("message {nasty}")).label(nasty).help(nasty);
        insta::assert_snapshot!(render(&diags, false));
    }

    #[test]
    fn long_lines_and_many_mistakes_stay_readable() {
        let source = Source::new("a.yaml", format!("{}bad{}\n", "x".repeat(5_000), "y".repeat(5_000)));
        let mut diags = Diagnostics::default();
        for i in 0..200 {
            diags.error(&source, Span::new(5_000, 5_003), format!("mistake {i}"));
        }
        let text = render(&diags, false);
        assert!(text.contains("a.yaml:1:5001"), "the column is that of the file");
        assert!(text.len() < 60_000, "{} bytes", text.len());
        assert!(text.ends_with("and 150 more in a.yaml\n\n200 errors\n"));
    }

    proptest! {
        #[test]
        fn no_span_makes_it_panic(text in "\\PC*|(\\x00|é|\n|\r|a|日|\t){0,20}", start in 0usize..40, length in 0usize..40) {
            let source = Source::new("a.yaml", &text);
            let mut diags = Diagnostics::default();
            diags.error(&source, Span::new(start, start + length), "x");
            let shown = render(&diags, false);
            prop_assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
            if !text.is_empty() {
                let pos = source.pos(start);
                let place = format!("a.yaml:{}:{}", pos.line, pos.column);
                prop_assert!(shown.contains(&place), "{place} in\n{shown}");
            }
        }
    }
}
