//! Every fact that a reader is told about a drill or a game day, computed once and worded once, from records alone. A report
//! chooses which of them it shows, and how they look.

pub mod advice;
pub mod answers;
pub mod cases;
pub mod clock;
mod drills;
pub mod format;
mod mark;
pub mod restore;
mod story;
#[cfg(test)]
pub(crate) mod testing;
pub mod words;

pub use drills::{Drills, Entry, Group};
pub use mark::Mark;
pub use words::many;
