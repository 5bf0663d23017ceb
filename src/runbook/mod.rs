//! Markdown → a runbook of steps with line numbers. Never regular expressions over lines: a CommonMark parser with
//! source positions, and a real shell parser for the commands.

mod alternatives;
mod annotation;
mod bold;
mod calls;
mod capitals;
mod changes;
mod client;
mod code;
mod commands;
mod comments;
mod condition;
mod effects;
mod endless;
mod file_contents;
mod fill;
mod fill_ins;
mod hands;
mod hosts;
mod ids;
mod interactive;
mod labels;
mod language;
mod left_running;
mod lexer;
pub mod look;
mod markdown;
mod model;
mod moment;
pub mod parse;
mod parts;
mod phase;
mod phase_words;
mod placeholder;
mod places;
mod printed;
mod prompt;
mod reach;
mod replace;
mod runme;
mod runs;
mod settings;
mod shell;
mod simple;
mod steps;
mod text;
mod variables;
mod verbs;
mod ways;
mod work;

#[cfg(test)]
mod properties;

pub use calls::{Calls, answered, calls, functions, only_looks};
pub use effects::evidently_changes;
pub use ids::slug;
pub use left_running::left_running;
pub use model::*;
pub use parse::{MAX_SIZE, OF_NO_RULE, Reading, check_runs, parse, parse_with, worn_out};
pub use replace::Written;
pub use settings::*;
pub use shell::{has_syntax_error, is_one_command};
