//! Redaction of text that comes in pieces, as the output of a command does: a secret may lie across two of them.

use super::{HIDDEN, Redactor};

/// Replaces secrets in a stream. Text is held back only while its end could be the beginning of a secret.
#[derive(Debug, Clone)]
pub struct StreamRedactor {
    redactor: Redactor,
    held: String,
    /// Bytes at the beginning of `held` that belong to a secret for which `***` went out already.
    hidden: usize,
}

impl StreamRedactor {
    pub(super) fn new(redactor: Redactor) -> Self {
        StreamRedactor { redactor, held: String::new(), hidden: 0 }
    }

    /// Takes the next piece; returns what can go out by now.
    pub fn push(&mut self, piece: &str) -> String {
        if self.redactor.is_empty() {
            return piece.to_owned();
        }
        self.held.push_str(piece);
        let from = self.redactor.undecided(&self.held);
        self.release(from)
    }

    /// The end of the stream: what was held back. The next piece begins a new one.
    pub fn finish(&mut self) -> String {
        self.release(self.held.len())
    }

    /// Lets everything before `until` go; no secret that begins there lacks its end.
    fn release(&mut self, until: usize) -> String {
        let text = std::mem::take(&mut self.held);
        let mut out = String::new();
        let mut done = self.hidden;
        for (start, end) in self.redactor.spans(&text).into_iter().take_while(|(start, _)| *start < until) {
            // One that begins inside of what is hidden already only makes that longer.
            if start >= done {
                out.push_str(text.get(done..start).unwrap_or_default());
                out.push_str(HIDDEN);
            }
            done = done.max(end);
        }
        out.push_str(text.get(done..until).unwrap_or_default());
        self.hidden = done.saturating_sub(until);
        self.held = text.get(until..).unwrap_or_default().to_owned();
        out
    }
}
