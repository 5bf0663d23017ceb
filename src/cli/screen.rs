//! A question that fits the terminal: what there is to know about it is shortened, what it is about is not.

use super::ask::answer;
use crate::output::say;
use std::collections::BTreeSet;

/// Rows that notes about what is hidden may take.
const NOTES: usize = 3;
/// Columns, where the terminal does not say.
const COLUMNS: usize = 100;

/// The lines of a question, above its prompt.
pub(super) struct Screen {
    color: bool,
    lines: Vec<ScreenLine>,
}

struct ScreenLine {
    /// Lines with a lower one are hidden first, those with none never.
    rank: Option<u8>,
    bold: bool,
    text: String,
}

impl Screen {
    pub(super) fn new(color: bool) -> Screen {
        Screen { color, lines: Vec::new() }
    }

    fn push(&mut self, rank: Option<u8>, bold: bool, text: String) -> &mut Screen {
        self.lines.push(ScreenLine { rank, bold, text });
        self
    }

    /// Adds the line above all others.
    pub(super) fn title(&mut self, text: String) {
        self.push(None, false, String::new()).push(None, true, text);
    }

    /// Adds a line that is always shown.
    pub(super) fn keep(&mut self, text: impl std::fmt::Display) -> &mut Screen {
        self.push(None, false, format!("  {text}"))
    }

    /// The same in bold.
    pub(super) fn bold(&mut self, text: impl std::fmt::Display) -> &mut Screen {
        self.push(None, true, format!("  {text}"))
    }

    /// Adds a line that gives way where there is no room; those with a lower rank first.
    pub(super) fn may_hide(&mut self, rank: u8, text: impl std::fmt::Display) {
        self.push(Some(rank), false, format!("  {text}"));
    }

    /// Adds a line of the page; those of the command itself give way last.
    pub(super) fn page(&mut self, number: usize, is_command: bool, text: &str) {
        let (rank, mark) = if is_command { (u8::MAX, '>') } else { (1, ' ') };
        self.push(Some(rank), is_command, format!("{number:>5} {mark} {text}"));
    }

    /// Shows it as far as it fits, or all of it, a terminal at a time.
    pub(super) async fn show(&self, whole: bool) {
        let size = rustix::termios::tcgetwinsize(std::io::stdin()).ok();
        let known = |cells: u16, else_: usize| if cells == 0 { else_ } else { usize::from(cells) };
        let height = size.map_or(usize::MAX, |size| known(size.ws_row, usize::MAX));
        let width = size.map_or(COLUMNS, |size| known(size.ws_col, COLUMNS));
        // Below stands the prompt.
        let rows = self.rows(if whole { usize::MAX } else { height.saturating_sub(1) }, width);
        for (number, rows) in rows.chunks(height.saturating_sub(1).max(1)).enumerate() {
            if number > 0 && answer("  -- Enter shows more -- ".to_string(), false).await.is_none() {
                return;
            }
            say(&rows.concat());
        }
    }

    /// Its rows, each with its end.
    fn rows(&self, height: usize, width: usize) -> Vec<String> {
        let wrapped: Vec<Vec<String>> = self.lines.iter().map(|line| wrap(&line.text, width)).collect();
        let mut order: Vec<(u8, usize)> =
            self.lines.iter().enumerate().filter_map(|(at, line)| Some((line.rank?, at))).collect();
        // Of the command the first line says most.
        let first = order.iter().find(|(rank, _)| *rank == u8::MAX).copied();
        order.retain(|one| Some(*one) != first);
        order.sort_unstable();
        let mut left: usize = wrapped.iter().map(Vec::len).sum();
        let mut hidden = BTreeSet::new();
        if left > height {
            for (_, at) in order {
                if left + NOTES <= height {
                    break;
                }
                left -= wrapped.get(at).map_or(0, Vec::len);
                hidden.insert(at);
            }
        }
        let mut out = Vec::new();
        let mut gone = 0;
        for (at, (line, rows)) in self.lines.iter().zip(wrapped).enumerate() {
            if hidden.contains(&at) {
                gone += rows.len();
                continue;
            }
            if gone > 0 {
                let lines = crate::report::many(std::mem::take(&mut gone), "line");
                out.push(format!("      … {lines} hidden; [m]ore shows all\n"));
            }
            let bold = line.bold && self.color;
            out.extend(
                rows.into_iter().map(|row| if bold { format!("\u{1b}[1m{row}\u{1b}[0m\n") } else { row + "\n" }),
            );
        }
        out
    }
}

/// A line as rows of a terminal, cut between words where that is possible; what goes on is indented.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let (mut rows, mut used) = (vec![String::new()], 0);
    for word in text.split_inclusive(' ') {
        let mut word: Vec<char> = word.chars().collect();
        while !word.is_empty() {
            let bare = word.strip_suffix(&[' ']).unwrap_or(&word).len();
            if used + bare > width && used > 6 {
                rows.push(" ".repeat(6));
                used = 6;
            }
            let fits = word.len().min(width.saturating_sub(used).max(1));
            if let Some(row) = rows.last_mut() {
                row.extend(word.drain(..fits));
            }
            used += fits;
        }
    }
    rows.iter().map(|row| row.trim_end().to_string()).collect()
}
