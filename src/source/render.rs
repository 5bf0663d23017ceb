//! Diagnostics as text: what is wrong, `path:line:column`, the line itself with a caret, and what to do about it.

use super::diagnostic::floor_char_boundary;
use super::{Diagnostic, Diagnostics, Pos, Severity, Span};
use crate::output::{cut, visible};
use annotate_snippets::{AnnotationKind, Group, Level as Heading, Origin, Renderer, Snippet};
use std::fmt::Write as _;

/// After so many diagnostics of one file the rest is only counted.
const MOST_PER_FILE: usize = 50;
/// Longest message or help that is shown, in characters.
const LONGEST: usize = 1000;
/// Longest line that is shown whole, in characters; of a longer one the neighbourhood of the span is.
const WIDEST: usize = 150;

/// Every diagnostic with its place, by file and position, each once, and the line `2 errors, 1 warning` at the end;
/// nothing when there are none. Control characters of the files are made visible and do nothing.
pub fn render(diags: &Diagnostics, color: bool) -> String {
    let mut text = blocks(diags, color);
    if let Some(summary) = diags.summary() {
        text.push_str(&summary);
        text.push('\n');
    }
    text
}

/// The same without the line at the end.
pub fn blocks(diags: &Diagnostics, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    // Lines are cropped here, where columns stay true and wide characters count as well.
    let renderer = renderer.term_width(4 * WIDEST);
    let mut text = String::new();
    for of_file in diags.sorted().chunk_by(|one, next| one.source.path == next.source.path) {
        for diagnostic in of_file.iter().take(MOST_PER_FILE) {
            text.push_str(&diagnostic.block(&renderer));
            text.push_str("\n\n");
        }
        let more = of_file.len().saturating_sub(MOST_PER_FILE);
        if let Some(first) = of_file.first().filter(|_| more > 0) {
            let path = visible(&first.source.path.to_string_lossy());
            // Writing to a string cannot fail.
            let _ = write!(text, "and {more} more in {path}\n\n");
        }
    }
    text
}

impl Diagnostics {
    /// `2 errors, 1 warning`; `None` when there are none.
    pub fn summary(&self) -> Option<String> {
        let all = self.sorted();
        let counted = |level: Severity| match all.iter().filter(|d| d.level == level).count() {
            0 => None,
            1 => Some(format!("1 {level}")),
            count => Some(format!("{count} {level}s")),
        };
        let parts: Vec<String> = Severity::ALL.into_iter().filter_map(counted).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// By path, position and message. A value that an alias repeats is read more than once and reported once.
    pub fn sorted(&self) -> Vec<&Diagnostic> {
        let mut all: Vec<&Diagnostic> = self.all.iter().collect();
        all.sort_by_key(|d| (&d.source.path, d.span.start, &d.message));
        all.dedup_by(|a, b| {
            let same = a.source.path == b.source.path && a.span == b.span && a.message == b.message;
            same && a.level == b.level && a.code == b.code
        });
        all
    }
}

impl Diagnostic {
    fn block(&self, renderer: &Renderer) -> String {
        let heading = match self.level {
            Severity::Error => Heading::ERROR,
            Severity::Warning => Heading::WARNING,
            Severity::Info => Heading::INFO,
        };
        let path = visible(&self.source.path.to_string_lossy());
        let title = heading.primary_title(cropped(&self.message, LONGEST));
        let title = if let Some(code) = self.code { title.id(code) } else { title };
        let (group, line) = (Group::with_title(title), self.line());
        let mut group = match &line {
            Some((pos, line, span)) => {
                let mark = AnnotationKind::Primary.span(span.start..span.end);
                let mark = mark.label(self.label.as_deref().map(|label| cropped(label, LONGEST)));
                group.element(Snippet::source(line).path(&path).line_start(pos.line).annotation(mark))
            }
            None => group.element(Origin::path(&path)),
        };
        if let Some(help) = &self.help {
            group = group.element(Heading::HELP.message(cropped(help, LONGEST)));
        }
        let text = renderer.render(&[group]);
        match line {
            Some((pos, line, span)) => true_column(&text, &path, pos, line.get(..span.start).unwrap_or_default()),
            None => text,
        }
    }

    /// Where the span begins, its first line with the control characters made visible and what is too long left out, and
    /// the span within that. `None` when the file has no text.
    fn line(&self) -> Option<(Pos, String, Span)> {
        let text = &self.source.text;
        if text.is_empty() {
            return None;
        }
        let at = floor_char_boundary(text, self.span.start);
        let pos = self.source.pos(at);
        let (start, next) = (self.source.start(pos.line), self.source.start(pos.line + 1));
        let end = at + text.get(at..next)?.trim_end_matches(['\r', '\n']).len();
        let marked_end = floor_char_boundary(text, self.span.end).clamp(at, end);
        let (head, marked, tail) = (text.get(start..at)?, text.get(at..marked_end)?, text.get(marked_end..end)?);
        let [head, marked, tail] = [head, marked, tail].map(without_length);
        let whole = [&head, &marked, &tail].map(|part| part.chars().count()).iter().sum::<usize>();
        let (head, marked, tail) = match whole > WIDEST {
            true => (cropped_start(&head, WIDEST / 3), cropped(&marked, WIDEST / 3), cropped(&tail, WIDEST / 3)),
            false => (visible(&head), visible(&marked), visible(&tail)),
        };
        let span = Span::new(head.len(), head.len() + marked.len());
        Some((pos, format!("{head}{marked}{tail}"), span))
    }
}

/// Stand for the characters of a secret, each for one of as many bytes (1 to 4), so that every span and column stays true.
const CONCEALED: [char; 4] = ['\u{1a}', '\u{9a}', '\u{e01a}', '\u{f001a}'];

/// A text in the place of a secret that is shown as `***`, however long the secret is; line ends stay.
pub fn concealed(secret: &str) -> String {
    let conceal = |c: char| if c == '\n' { c } else { CONCEALED.get(c.len_utf8() - 1).copied().unwrap_or(c) };
    secret.chars().map(conceal).collect()
}

/// The text with `***` for every stretch that is concealed.
fn without_length(text: &str) -> String {
    let (chars, is_concealed) = (text.chars().collect::<Vec<_>>(), |c: &char| CONCEALED.contains(c));
    let parts = chars.chunk_by(|one, next| is_concealed(one) == is_concealed(next));
    let shown = parts.map(|part| if part.iter().any(is_concealed) { "***".into() } else { String::from_iter(part) });
    shown.collect()
}

/// The renderer counts the column in the line that it was given, from which the beginning may have been left out.
fn true_column(text: &str, path: &str, pos: Pos, head: &str) -> String {
    let column = head.chars().count() + 1;
    match text.split_once('\n') {
        Some((title, rest)) if column != pos.column => {
            let shown = format!("{path}:{}:{column}", pos.line);
            format!("{title}\n{}", rest.replacen(&shown, &format!("{path}:{}:{}", pos.line, pos.column), 1))
        }
        _ => text.to_string(),
    }
}

/// The first `most` characters.
fn cropped(text: &str, most: usize) -> String {
    visible(&cut(text, most, "…"))
}

/// The last `most` characters.
fn cropped_start(text: &str, most: usize) -> String {
    match text.char_indices().nth_back(most) {
        Some((before, c)) => format!("…{}", visible(text.get(before + c.len_utf8()..).unwrap_or_default())),
        None => visible(text),
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
        let mut diags = Diagnostics::default();
        for long in ["x", "日"] {
            let text = format!("{}bad{}\n", long.repeat(100_000), long.repeat(100_000));
            let at = 100_000 * long.len();
            let source = Source::new(format!("{}.yaml", long.len()), text);
            diags.error(&source, Span::new(at, at + 3), "in the middle");
            diags.error(&source, Span::new(0, source.text.len()), "all of it");
        }
        insta::assert_snapshot!(render(&diags, false));
        let source = Source::new("a.yaml", "a: b\n");
        let mut diags = Diagnostics::default();
        for i in 0..200 {
            diags.error(&source, Span::new(0, 1), format!("mistake {i}"));
        }
        let text = render(&diags, false);
        assert!(text.ends_with("and 150 more in a.yaml\n\n200 errors\n"));
        assert_eq!(text.matches("error: ").count(), 50);
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
