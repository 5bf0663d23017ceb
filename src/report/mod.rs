//! One file per format, each a pure function of a `Record`. One place writes them.

mod cases;
mod clock;
mod console;
mod curtain;
mod day_console;
mod day_summary;
mod drills;
mod events_json;
mod json;
mod junit;
mod lines;
mod live;
mod paint;
mod summary;
mod text;

pub use console::{Console, ConsoleOptions, Verbosity};
pub use curtain::{Curtain, Lowered};
pub use day_console::{DayConsole, DayConsoleOptions};
pub use day_summary::{day_plan, day_summary};
pub use drills::{Drills, Entry};
pub use events_json::EventsJson;
pub use json::{json, read_json};
pub use junit::junit;
pub use summary::summary;
