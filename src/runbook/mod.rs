//! Markdown → a runbook of steps with line numbers. Never regular expressions over lines: a CommonMark parser with
//! source positions, and a real shell parser for the commands.

mod accepted;
mod annotation;
mod bold;
mod by_effect;
mod calls;
mod capitals;
mod client;
mod code;
mod commands;
mod effects;
mod file_contents;
mod fill;
mod fill_ins;
mod governs;
mod hands;
mod hosts;
mod ids;
mod language;
mod left_running;
mod lexer;
pub mod look;
mod markdown;
mod model;
pub mod parse;
mod parts;
mod phase;
mod phase_words;
mod placeholder;
mod places;
mod printed;
mod prompt;
mod replace;
mod runme;
mod runs;
mod settings;
mod shell;
mod simple;
mod steps;
mod syntax;
mod text;
mod unfenced;
mod variables;
mod verbs;
mod waits;
mod work;

#[cfg(test)]
mod properties;

pub use accepted::{
    Accepted, Decision, DecisionState, Do, Handling, Matched, doubt, path_of, places, proposal, read as read_reading,
    read_of, schema as reading_schema, written as written_reading,
};
pub use calls::{Calls, answered, calls, functions};
pub use effects::only_looks;
pub use governs::Governs;
pub use ids::slug;
pub use left_running::left_running;
pub use model::*;
pub use parse::{MAX_SIZE, OF_NO_RULE, Reading, check_runs, open, parse, parse_with, worn_out};
pub use replace::Written;
pub use settings::*;
pub use shell::{has_syntax_error, is_one_command};
pub use waits::{Waits, words_wait};
