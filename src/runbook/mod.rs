//! Markdown → a runbook of steps with line numbers. Never regular expressions over lines: a CommonMark parser with
//! source positions, and a real shell parser for the commands.

mod accepted;
mod admonitions;
mod annotation;
mod beside;
mod bold;
mod by_effect;
mod client;
mod code;
mod commands;
mod effects;
mod file_contents;
mod fill;
mod governs;
mod hands;
mod ids;
mod language;
pub mod look;
mod markdown;
mod model;
pub mod parse;
mod parts;
mod phase;
mod placeholder;
mod places;
mod prompt;
mod replace;
mod runme;
mod runs;
mod settings;
mod steps;
mod text;
mod unfenced;

#[cfg(test)]
#[path = "properties_tests.rs"]
mod properties;

pub use accepted::{
    Accepted, Decision, DecisionState, Do, FOLDER, Handling, Review, Reviewed, SCHEMA as READING_SCHEMA, SUFFIX, doubt,
    path_of, places, proposal, read as read_reading, read_of, written as written_reading,
};
pub use client::is_sql;
pub use governs::Governs;
pub use language::is_shell;
pub use model::*;
pub use parse::{MAX_SIZE, OF_NO_RULE, check_runs, open, parse, parse_page, parse_with};
pub use settings::*;
