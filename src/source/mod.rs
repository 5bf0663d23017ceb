//! Files that people wrote, and mistakes that point into them: sources, spans, diagnostics, and a YAML tree in
//! which every value knows where it stands. The lowest room of the house: it imports nothing of the others.

mod diagnostic;
mod yaml;

pub use diagnostic::{Diagnostic, Diagnostics, Level, Pos, Source, Span};
pub use yaml::{Entry, Node, Value, parse};
