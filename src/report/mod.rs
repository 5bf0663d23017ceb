//! One file, and where there is markup a template, per format, each a pure function of a `Record`, or of `Drills`: several of
//! them with their game days. What is told is worded in `view`; one place writes the files.

pub use crate::view::clock;
pub use crate::view::format::{budget_left, mean, percent, quantile, seconds};
pub(crate) use crate::view::written;
pub use crate::view::{Drills, Quarter, SeenRun, StatusSymbol, many};

mod annotations;
mod console;
mod csv;
mod day_console;
pub mod escape;
mod events_json;
pub mod filters;
mod html;
mod json;
mod json_day;
mod junit;
mod lines;
mod live;
mod markdown;
mod overview;
mod page;
mod postmortem;
mod summary;
#[cfg(test)]
mod tests;

pub use annotations::annotations;
pub use console::{Console, ConsoleOptions, ConsolePause, Paused};
pub use csv::csv;
pub use day_console::DayConsole;
pub use escape::prose;
pub use events_json::EventsJson;
pub use html::{html, html_page};
pub use json::{json, json_file, read_format, read_json};
pub use json_day::json_day;
pub use junit::{junit, junit_day, junit_so_far};
pub use lines::Verbosity;
pub use markdown::{laid_out, markdown};
pub use overview::{day_summary, overview};
pub use page::{Paint, TerminalPage, column, fold, wrap};
pub use postmortem::{POSTMORTEM_SECTIONS, POSTMORTEM_TEMPLATE, PostmortemInput, filled, postmortem};
pub use summary::summary;
