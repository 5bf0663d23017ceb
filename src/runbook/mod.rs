//! Markdown → a runbook of steps with line numbers. Never regular expressions over lines: a CommonMark parser with
//! source positions, and a real shell parser for the commands.

mod commands;
mod condition;
mod fill;
mod language;
mod lexer;
pub mod look;
mod markdown;
mod model;
pub mod parse;
mod phase;
mod placeholder;
mod prompt;
mod settings;
mod shell;
mod steps;
mod text;
mod variables;

pub use model::*;
pub use parse::{MAX_SIZE, parse};
pub use settings::{Expect, Retry, Settings};
pub use shell::has_syntax_error;
