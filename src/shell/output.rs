//! Output of a command on its way from its pipes to the channel: streamed as it comes, valid UTF-8, bounded however much there is, and read on
//! when nobody wants it any more. The first half of what is kept goes out at once, the last half at the end; what lies between is only counted.

use super::protocol::{FromShell, ToRunner};
use crate::output::whole_characters;
use crate::record::Stream;
use crate::source::beginning;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;

/// Bytes of output kept of each stream of a command; what is beyond is cut from the middle and counted.
pub(super) const KEEP_BYTES: u64 = 128 << 10;
/// Longest text in one message, in bytes.
const LONGEST: usize = 32 << 10;

/// One stream of one command.
#[derive(Debug)]
pub struct Bounded {
    head_left: usize,
    tail: VecDeque<u8>,
    tail_max: usize,
    pending: Vec<u8>,
    omitted: u64,
}

impl Bounded {
    /// Keeps `keep` bytes: half from the beginning, half from the end.
    pub fn new(keep: u64) -> Bounded {
        let keep = usize::try_from(keep).unwrap_or(usize::MAX);
        let tail_max = keep / 2;
        Bounded { head_left: keep - tail_max, tail: VecDeque::new(), tail_max, pending: Vec::new(), omitted: 0 }
    }

    /// Takes bytes; returns the text that goes out now.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut rest = bytes;
        let mut text = String::new();
        if self.head_left > 0 {
            let mut cut = rest.len().min(self.head_left);
            self.head_left -= cut;
            // A character that would be cut in two goes to the tail as a whole.
            let (head, tail) = rest.split_at(cut);
            self.pending.extend_from_slice(head);
            rest = tail;
            cut = whole_characters(&self.pending);
            let held = self.pending.split_off(cut);
            text.push_str(&String::from_utf8_lossy(&self.pending));
            self.pending = held;
        }
        if self.head_left == 0 {
            let held = std::mem::take(&mut self.pending);
            self.tail_max += held.len();
            self.keep(&held);
            self.keep(rest);
        }
        pieces(text)
    }

    fn keep(&mut self, bytes: &[u8]) {
        let kept = bytes.get(bytes.len().saturating_sub(self.tail_max)..).unwrap_or_default();
        let mut lost = bytes.len() - kept.len();
        let room = self.tail_max - kept.len();
        if self.tail.len() > room {
            let surplus = self.tail.len() - room;
            self.tail.drain(..surplus);
            lost += surplus;
        }
        self.tail.extend(kept);
        self.omitted = self.omitted.saturating_add(u64::try_from(lost).unwrap_or(u64::MAX));
    }

    /// The end of the stream: what is still to go out, and how many bytes were left out before it.
    pub fn finish(mut self) -> (Vec<String>, u64) {
        self.pending.extend(self.tail);
        let mut bytes = self.pending.as_slice();
        if self.omitted > 0 {
            // The cut may have left the end of a character.
            let stray = bytes.iter().take(3).take_while(|byte| (0x80..0xC0).contains(*byte)).count();
            bytes = bytes.get(stray..).unwrap_or_default();
            self.omitted = self.omitted.saturating_add(u64::try_from(stray).unwrap_or(0));
        }
        (pieces(String::from_utf8_lossy(bytes).into_owned()), self.omitted)
    }
}

fn pieces(text: String) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let piece = beginning(rest, LONGEST);
        pieces.push(piece.to_owned());
        rest = rest.split_at(piece.len()).1;
    }
    pieces
}

/// A pipe that a background job holds open has nothing more of its command's when it was quiet for this long.
const QUIET: Duration = Duration::from_millis(50);
/// Longest wait for such a pipe to become quiet.
const DRAIN: Duration = Duration::from_millis(500);

/// Where the output of one stream goes.
pub(super) struct Outlet {
    pub id: u64,
    pub stream: Stream,
    pub tx: ToRunner,
    /// Texts of ours that are not to be seen.
    pub ours: Vec<String>,
}

impl Outlet {
    async fn send(&self, texts: Vec<String>) {
        for text in texts {
            let text = self.ours.iter().fold(text, |text, ours| text.replace(ours, ""));
            if !text.is_empty() {
                // The end of the session is noticed where messages are received.
                self.tx.say(&FromShell::Output { id: self.id, stream: self.stream, text }).await;
            }
        }
    }
}

/// Reads a pipe to its end, or until the command is over and the pipe is quiet. A background job may go on writing: what
/// it writes is read and dropped, as a broken pipe would kill it.
pub(super) async fn pump(
    mut pipe: impl AsyncRead + Unpin + Send + 'static,
    outlet: Outlet,
    mut over: watch::Receiver<bool>,
) -> u64 {
    let (mut bounded, mut buffer) = (Bounded::new(KEEP_BYTES), vec![0_u8; 64 << 10]);
    let mut drain_until = None;
    let at_end = loop {
        let read = match drain_until {
            None => tokio::select! {
                biased;
                read = pipe.read(&mut buffer) => read,
                _ = over.wait_for(|over| *over) => {
                    drain_until = Some(Instant::now() + DRAIN);
                    continue;
                }
            },
            Some(until) if Instant::now() > until => break false,
            Some(_) => match tokio::time::timeout(QUIET, pipe.read(&mut buffer)).await {
                Ok(read) => read,
                Err(_) => break false,
            },
        };
        match read {
            Ok(0) | Err(_) => break true,
            Ok(n) => outlet.send(bounded.push(buffer.get(..n).unwrap_or_default())).await,
        }
    };
    let (rest, omitted) = bounded.finish();
    outlet.send(rest).await;
    if !at_end {
        tokio::spawn(async move { while pipe.read(&mut buffer).await.is_ok_and(|n| n > 0) {} });
    }
    omitted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn through(keep: u64, chunks: &[&[u8]]) -> (Vec<String>, u64) {
        let mut bounded = Bounded::new(keep);
        let mut texts: Vec<String> = chunks.iter().flat_map(|chunk| bounded.push(chunk)).collect();
        let (rest, omitted) = bounded.finish();
        texts.extend(rest);
        (texts, omitted)
    }

    #[test]
    fn a_character_across_chunks_waits_for_its_end() {
        let (texts, omitted) = through(100, &[b"caf\xC3", b"\xA9\n"]);
        assert_eq!((texts, omitted), (vec!["caf".to_owned(), "é\n".to_owned()], 0));
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(through(100, &[b"a\xFFb\xC3"]).0.concat(), "a\u{FFFD}b\u{FFFD}");
    }

    #[test]
    fn the_middle_is_left_out_and_counted() {
        let (texts, omitted) = through(6, &[b"abcd", b"efgh", b"ij"]);
        assert_eq!((texts.concat().as_str(), omitted), ("abchij", 4));
    }

    #[test]
    fn a_cut_inside_a_character_leaves_no_half_of_it() {
        let (texts, omitted) = through(6, &["ab€€€€".as_bytes()]);
        assert_eq!((texts.concat().as_str(), omitted), ("ab€", 9));
    }

    #[test]
    fn nothing_kept_means_everything_counted() {
        assert_eq!(through(0, &[b"abc"]), (Vec::new(), 3));
    }

    proptest! {
        #[test]
        fn every_byte_is_either_kept_or_counted(text in "\\PC{0,80}", keep in 0_u64..120, size in 1_usize..9) {
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            let (texts, omitted) = through(keep, &chunks);
            let kept = texts.concat();
            let replaced = |text: &str| text.matches(char::REPLACEMENT_CHARACTER).count();
            prop_assert!(replaced(&kept) <= replaced(&text), "a character was cut");
            prop_assert_eq!(kept.len() as u64 + omitted, text.len() as u64);
            prop_assert!(kept.len() as u64 <= keep);
            if text.len() as u64 <= keep {
                prop_assert_eq!(kept, text);
            }
        }

        #[test]
        fn any_bytes_in_any_chunks_come_out_as_they_would_at_once(
            bytes in prop::collection::vec(any::<u8>(), 0..200), size in 1_usize..9,
        ) {
            let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
            let (texts, omitted) = through(1000, &chunks);
            prop_assert_eq!(omitted, 0);
            prop_assert_eq!(texts.concat(), String::from_utf8_lossy(&bytes));
        }
    }
}
