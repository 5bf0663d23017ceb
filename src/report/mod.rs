//! One file per format, each a pure function of a `Record`, or of `Drills`: several of them with their game days. One place
//! writes them.

mod advice;
mod annotations;
mod answers;
mod cases;
pub mod clock;
mod console;
mod curtain;
mod day_console;
mod day_summary;
mod dr;
mod drills;
mod events_json;
mod html;
mod json;
mod json_day;
mod junit;
mod junit_day;
mod lines;
mod live;
mod markdown;
mod overview;
mod paint;
mod restore;
mod story;
mod summary;
#[cfg(test)]
mod testing;
mod text;
mod words;

pub use annotations::annotations;
pub use console::{Console, ConsoleOptions, Verbosity};
pub use curtain::{Curtain, Lowered};
pub use day_console::{DayConsole, DayConsoleOptions};
pub use day_summary::{day_plan, day_summary};
pub use dr::*;
pub use drills::{Drills, Entry, Group};
pub use events_json::EventsJson;
pub use html::html;
pub use json::{json, read_json};
pub use json_day::json_day;
pub use junit::junit;
pub use junit_day::junit_day;
pub use markdown::markdown;
pub use overview::overview;
pub use paint::{Mark, Paint};
pub use summary::summary;
pub use text::seconds;
pub use words::many;
