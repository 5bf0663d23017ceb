//! Output of a command as a record keeps it: bounded, with its middle left out and counted, streams in the order in
//! which they came.

use super::Stream;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Bytes kept from the beginning of a command's output.
const HEAD_BYTES: usize = 8 * 1024;
/// Bytes kept from its end: the reason of a failure usually stands there.
const TAIL_BYTES: usize = 24 * 1024;

/// Text that came from one stream without anything from the other in between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Which stream.
    pub stream: Stream,
    /// The text.
    pub text: String,
}

/// What a command wrote: its beginning and its end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepOutput {
    /// The beginning.
    pub head: Vec<Chunk>,
    /// The end; follows the beginning directly when nothing was left out.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub tail: VecDeque<Chunk>,
    /// Bytes left out between the two.
    #[serde(default)]
    pub omitted: u64,
}

impl StepOutput {
    /// Adds text; what does not fit goes out of the middle.
    pub fn push(&mut self, stream: Stream, text: &str) {
        let mut rest = text;
        if self.tail.is_empty() && self.omitted == 0 {
            let used: usize = self.head.iter().map(|c| c.text.len()).sum();
            let cut = floor_boundary(rest, HEAD_BYTES.saturating_sub(used));
            let (first, more) = rest.split_at(cut);
            if !first.is_empty() {
                match self.head.last_mut() {
                    Some(last) if last.stream == stream => last.text.push_str(first),
                    _ => self.head.push(Chunk { stream, text: first.to_string() }),
                }
            }
            rest = more;
        }
        if rest.is_empty() {
            return;
        }
        match self.tail.back_mut() {
            Some(last) if last.stream == stream => last.text.push_str(rest),
            _ => self.tail.push_back(Chunk { stream, text: rest.to_string() }),
        }
        self.trim_tail();
    }

    fn trim_tail(&mut self) {
        let mut excess = self.tail.iter().map(|c| c.text.len()).sum::<usize>().saturating_sub(TAIL_BYTES);
        while excess > 0 {
            let Some(first) = self.tail.front_mut() else { return };
            let cut = ceil_boundary(&first.text, excess);
            if cut >= first.text.len() {
                excess = excess.saturating_sub(first.text.len());
                self.omitted += first.text.len() as u64;
                self.tail.pop_front();
            } else {
                first.text.drain(..cut);
                self.omitted += cut as u64;
                return;
            }
        }
    }

    /// Both streams as one text, in the order in which they came, with a line in the place of what was left out.
    pub fn text(&self) -> String {
        let mut text: String = self.head.iter().map(|c| c.text.as_str()).collect();
        if self.omitted > 0 {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&format!("… {} bytes left out …\n", self.omitted));
        }
        text.extend(self.tail.iter().map(|c| c.text.as_str()));
        text
    }
}

/// The greatest character boundary that is not above `at`.
fn floor_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The least character boundary that is not below `at`.
fn ceil_boundary(text: &str, at: usize) -> usize {
    (at..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn short_output_is_kept_as_it_came() {
        let mut out = StepOutput::default();
        out.push(Stream::Stdout, "one\n");
        out.push(Stream::Stdout, "two\n");
        out.push(Stream::Stderr, "bad\n");
        assert_eq!(out.text(), "one\ntwo\nbad\n");
        assert_eq!(out.head.len(), 2, "text of one stream is joined");
        assert_eq!(out.omitted, 0);
    }

    #[test]
    fn the_middle_goes_and_is_counted() {
        let mut out = StepOutput::default();
        out.push(Stream::Stdout, &"a".repeat(HEAD_BYTES));
        out.push(Stream::Stdout, &"#".repeat(1000));
        out.push(Stream::Stderr, &"c".repeat(TAIL_BYTES));
        assert_eq!(out.omitted, 1000);
        let text = out.text();
        assert!(text.contains("… 1000 bytes left out …"));
        assert!(!text.contains('#'));
        assert!(text.ends_with('c'));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn nothing_is_lost_uncounted(parts in proptest::collection::vec((any::<bool>(), "\\PC{0,1500}"), 0..30)) {
            let mut out = StepOutput::default();
            let mut whole = String::new();
            for (err, text) in &parts {
                out.push(if *err { Stream::Stderr } else { Stream::Stdout }, text);
                whole.push_str(text);
            }
            let head: String = out.head.iter().map(|c| c.text.as_str()).collect();
            let tail: String = out.tail.iter().map(|c| c.text.as_str()).collect();
            prop_assert!(head.len() <= HEAD_BYTES && tail.len() <= TAIL_BYTES);
            prop_assert_eq!(head.len() as u64 + tail.len() as u64 + out.omitted, whole.len() as u64);
            prop_assert!(whole.starts_with(&head));
            prop_assert!(whole.ends_with(&tail));
        }
    }
}
