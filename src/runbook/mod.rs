//! Markdown → a runbook of steps with line numbers. Never regular expressions over lines: a CommonMark parser with
//! source positions, and a real shell parser for the commands.

mod model;
pub mod parse;

pub use model::*;
pub use parse::parse;
