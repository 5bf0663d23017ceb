//! History as people and programs read it: one page for the terminal and for Markdown, and JSON beside it. Pure functions:
//! the time of day is in no page.

mod overview;
mod page;
mod scenario;
mod trend;

pub use overview::{Overview, overview_text};
pub use page::PageForm;
pub use scenario::{ScenarioView, scenario_text};
pub use trend::{trend_html, trend_text};

/// Version of the JSON; raised when a reader of the old one would misread.
pub const JSON_FORMAT: u32 = 2;

/// What is asked for as JSON, with the version of the format.
#[derive(serde::Serialize)]
pub struct Versioned<'a, T> {
    format: u32,
    #[serde(flatten)]
    what: &'a T,
}

impl<'a, T: serde::Serialize> Versioned<'a, T> {
    /// In the format of this version.
    pub fn of(what: &'a T) -> Self {
        Versioned { format: JSON_FORMAT, what }
    }
}

#[cfg(test)]
mod tests;
