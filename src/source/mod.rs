//! Files that people wrote, and mistakes that point into them: sources, spans, diagnostics, and a YAML tree in
//! which every value knows where it stands; and lists of words that stand in the code or beside it. The lowest room of the
//! house: it imports nothing of the others.

#[cfg(test)]
#[path = "../../tests/support/brief.rs"]
pub(crate) mod brief;
mod diagnostic;
mod lists;
mod read;
mod reader;
mod render;
pub mod shape;
mod strict;
mod toml;
mod values;
mod yaml;
#[cfg(test)]
mod yaml_tests;

pub use self::toml::parse_toml;
pub use crate::output::{Severity, TextPattern, cut, pattern};
pub use diagnostic::{Among, Diagnostic, Diagnostics, Mention, Pos, Source, Span, beginning};
pub use lists::{is_among, phrases};
pub use read::{ReadError, beside, clean, files_in, outside, path_of, same_path, tidy, work_tree};
pub use reader::{At, MapReader, did_you_mean, list, nearest};
pub use render::{blocks, concealed, render};
pub use shape::{DocPage, TextForm, describe, documented};
pub use strict::{in_other_case, read_otherwise};
pub use values::{
    A_TIME, FromYaml, MAX_DURATION, MAX_RATE, SHORTENED, Show, decimal, host_of, is_inside, is_name, parse_duration,
    parse_period, parse_rate, parse_size, parse_time, shorten,
};
pub use yaml::{Entry, MAX_BYTES, Node, Value, parse};
