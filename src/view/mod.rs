//! Every fact that a reader is told about a drill or a game day, computed once and worded once, from records alone. A report
//! chooses which of them it shows, and how they look.

pub mod advice;
pub mod answers;
pub mod cases;
pub mod clock;
mod drills;
mod event;
pub mod filters;
pub mod format;
mod quarter;
pub mod restore;
mod seen;
mod symbol;
#[cfg(test)]
#[path = "tests/testing.rs"]
pub(crate) mod testing;
pub mod timeline;
pub mod words;

pub use drills::{DayGroup, DrillEntry, Drills, status_counts};
pub use event::event_line;
pub use quarter::Quarter;
pub use seen::{SeenRun, exists_to_fail};
pub use symbol::StatusSymbol;
pub use words::{StepView, many};

/// What a template says. Writing into a string does not fail; should it, half a page is not taken for a whole one.
pub(crate) fn written(template: &impl askama::Template) -> String {
    template.render().unwrap_or_else(|error| format!("the page cannot be written: {error}"))
}

/// The lines of a template that says one thing a line, without those that are empty.
pub(crate) fn template_lines(template: &impl askama::Template) -> Vec<String> {
    let text = written(template);
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_string).collect()
}

/// The lines of a section of such a template, which begins with a line like `= name`.
pub(crate) fn template_section(lines: &[String], name: &str) -> Vec<String> {
    let own = lines.iter().skip_while(|line| line.strip_prefix("= ") != Some(name)).skip(1);
    own.take_while(|line| !line.starts_with("= ")).cloned().collect()
}
