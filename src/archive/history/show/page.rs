//! A page of headings, lines and tables, written once for the terminal and for Markdown. What comes from records goes
//! through `text` or `name`, so that it can neither move the cursor nor become markup.

use crate::output::one_line;
pub(super) use crate::report::many as counted;
use crate::report::prose;
use console::{Alignment, measure_text_width, pad_str};

/// How a page is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageForm {
    /// For a terminal.
    Text,
    /// GitHub's Markdown.
    Markdown,
}

/// A page that is being written.
#[derive(Debug)]
pub(super) struct HistoryPage {
    form: PageForm,
    out: String,
}

impl HistoryPage {
    pub(super) fn new(form: PageForm) -> HistoryPage {
        HistoryPage { form, out: String::new() }
    }

    pub(super) fn done(self) -> String {
        self.out
    }

    /// Words from a record, harmless on this page.
    pub(super) fn text(&self, text: &str) -> String {
        let text = one_line(text);
        match self.form {
            PageForm::Text => text,
            PageForm::Markdown => prose(&text),
        }
    }

    /// A name that a program knows something by: an id, a step, a file.
    pub(super) fn name(&self, name: &str) -> String {
        let name = one_line(name);
        match self.form {
            PageForm::Text => name,
            // A code span cannot hold a backtick of its own kind, and a table ends its cells at every bar.
            PageForm::Markdown => format!("`{}`", name.replace('`', "'").replace('|', "\\|")),
        }
    }

    fn gap(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// Adds what is written in this form.
    fn add(&mut self, text: &str, markdown: &str) {
        self.out.push_str(if self.form == PageForm::Text { text } else { markdown });
    }

    pub(super) fn heading(&mut self, text: &str) {
        self.gap();
        self.add(&format!("{text}\n"), &format!("### {text}\n\n"));
    }

    /// A paragraph.
    pub(super) fn line(&mut self, text: &str) {
        if self.form == PageForm::Markdown {
            self.gap();
        }
        self.add(&format!("{text}\n"), &format!("{text}\n\n"));
    }

    /// A member of a list.
    pub(super) fn item(&mut self, text: &str) {
        self.add(&format!("  {text}\n"), &format!("- {text}\n"));
    }

    /// A table with these titles; a `>` in front of one puts its column to the right. Columns that are empty in every row are left
    /// out.
    pub(super) fn table(&mut self, titles: &[&'static str], rows: &[Vec<String>]) {
        self.gap();
        let filled = |at: &usize| rows.iter().any(|row| row.get(*at).is_some_and(|cell| !cell.is_empty()));
        let kept: Vec<usize> = (0..titles.len()).filter(filled).collect();
        let title = |at: usize| titles.get(at).copied().unwrap_or_default();
        let mut lines = vec![kept.iter().map(|at| title(*at).trim_start_matches('>').to_string()).collect::<Vec<_>>()];
        let cell = |row: &Vec<String>, at: usize| row.get(at).cloned().unwrap_or_default();
        lines.extend(rows.iter().map(|row| kept.iter().map(|at| cell(row, *at)).collect()));
        let width =
            |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|c| measure_text_width(c)).max();
        let widths: Vec<usize> = (0..kept.len()).map(|column| width(column).unwrap_or(0)).collect();
        let right = |column: usize| kept.get(column).is_some_and(|at| title(*at).starts_with('>'));
        for (number, line) in lines.iter().enumerate() {
            let padded = line.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
                let side = if right(column) { Alignment::Right } else { Alignment::Left };
                pad_str(cell, *width, side, None).into_owned()
            });
            let padded: Vec<String> = padded.collect();
            let (text, markdown) = (padded.join("  "), padded.join(" | "));
            self.add(&format!("  {}\n", text.trim_end()), &format!("| {markdown} |\n"));
            if number == 0 {
                let rule = |column: usize| if right(column) { "---:" } else { "---" };
                let rules: Vec<&str> = (0..kept.len()).map(rule).collect();
                self.add("", &format!("| {} |\n", rules.join(" | ")));
            }
        }
        self.add("", "\n");
    }
}

/// `2026-11-20 06:41` of a time in RFC 3339.
pub(super) fn minute(utc: &str) -> String {
    utc.get(..16).map_or_else(|| utc.to_string(), |minute| minute.replace('T', " "))
}

/// A ratio in whole percent; only all is `100%`, and only nothing is `0%`. A dash where there is nothing to have a part of.
pub(super) fn share(part: usize, all: usize) -> String {
    let Some(hundredths) = part.saturating_mul(100).checked_div(all) else { return super::dash() };
    let share = if part == 0 || part == all { hundredths } else { hundredths.clamp(1, 99) };
    format!("{share}%")
}
