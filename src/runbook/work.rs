//! How much work the grammar of bash may be: in proportion to the text, so that reading a runbook takes time in
//! proportion to its size, whatever stands in it. The parser looks ahead without bound and recovers from errors at great
//! cost; work is counted in bytes that it was handed, everything else in what takes as long. Counted, not timed: the
//! same text is read the same way on every machine.

use std::ops::ControlFlow;
use tree_sitter::{ParseOptions, ParseState, Parser, Tree};

/// What a document may cost: this many times its bytes, plus [`SPARE`]. Public runbooks cost 2 to 5 times.
const PER_BYTE: usize = 6;
/// What every document may cost.
const SPARE: usize = 1024 * 1024;
/// Bytes that are handed out at a time; the parser asks again when it looks further.
const CHUNK: usize = 64;
/// A hundred operations of the parser.
const STEP: usize = 100;
/// The same while it recovers from an error, when each operation tries every symbol of the grammar.
const STEP_IN_ERROR: usize = 3000;
/// A text with an error, however short.
const ERROR: usize = 400;

/// The work that is left for a document.
#[derive(Debug)]
pub(super) struct Work {
    left: usize,
}

impl Work {
    /// For a document of so many bytes.
    pub fn of_document(bytes: usize) -> Self {
        Work { left: bytes.saturating_mul(PER_BYTE).saturating_add(SPARE) }
    }

    /// Whether nothing is left.
    pub fn is_used_up(&self) -> bool {
        self.left == 0
    }

    /// Parses `text`. None if it took more than ten times the work of any text of its length in public runbooks, or
    /// all that was left for the document.
    pub fn parse(&mut self, parser: &mut Parser, text: &str) -> Option<Tree> {
        if self.left == 0 {
            return None;
        }
        let limit = Limit::of_text(text.len(), self.left);
        let mut spent = Spent::default();
        let (bytes, end) = (text.as_bytes(), text.trim_end().len());
        let mut handed = 0;
        // At a text that seems to end the parser comes to its own end; the tree is then thrown away.
        let mut read = |at: usize, _| match bytes.get(at..) {
            Some(rest) if handed <= limit.bytes => {
                let chunk = rest.get(..CHUNK).unwrap_or(rest);
                handed += chunk.len();
                chunk
            }
            _ => &[],
        };
        let mut progress = |state: &ParseState| {
            spent.note(state, end);
            if spent.is_over(&limit) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let options = ParseOptions::new().progress_callback(&mut progress);
        let tree = parser.parse_with_options(&mut read, None, Some(options));
        let wrong = tree.as_ref().is_none_or(|tree| tree.root_node().has_error());
        let cost = handed + spent.cost + if wrong { spent.error(text.len()) } else { 0 };
        self.left = self.left.saturating_sub(cost);
        #[cfg(test)]
        TOTAL.set(TOTAL.get() + cost);
        if tree.is_none() {
            parser.reset();
        }
        tree.filter(|_| handed <= limit.bytes)
    }
}

#[cfg(test)]
thread_local! {
    /// All work of this thread.
    pub(super) static TOTAL: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// What one text may take.
struct Limit {
    bytes: usize,
    cost: usize,
    /// Steps in error.
    errors: usize,
    /// Steps after everything was read.
    at_end: usize,
}

impl Limit {
    fn of_text(bytes: usize, left: usize) -> Self {
        Limit {
            bytes: (16 * bytes + 16 * 1024).min(left),
            cost: left,
            errors: 32 + bytes / 256,
            at_end: 32 + bytes / 64,
        }
    }
}

/// What it has taken so far.
#[derive(Default)]
struct Spent {
    cost: usize,
    errors: usize,
    at_end: usize,
}

impl Spent {
    fn note(&mut self, state: &ParseState, end: usize) {
        self.cost += if state.has_error() { STEP_IN_ERROR } else { STEP };
        self.errors += usize::from(state.has_error());
        self.at_end += usize::from(state.current_byte_offset() >= end);
    }

    /// What an error costs beside the steps: little, unless the text ends in the middle of something. Then the parser
    /// builds a whole tree for each way to end it, between two steps, in time that grows with the square of the text.
    fn error(&self, bytes: usize) -> usize {
        if self.at_end > 8 { ERROR + bytes * bytes / 64 } else { ERROR }
    }

    fn is_over(&self, limit: &Limit) -> bool {
        self.cost > limit.cost || self.errors > limit.errors || self.at_end > limit.at_end
    }
}
