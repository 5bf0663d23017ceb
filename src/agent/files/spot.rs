//! Finding a byte of a file: by its offset, or by the text that it begins.

use crate::stack::BytePosition;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How much of a file is read at once, in bytes.
const PIECE: usize = 1024 * 1024;

/// The offset of a spot; `None` when the file does not have that text.
pub(super) fn find(file: &File, spot: &BytePosition) -> io::Result<Option<u64>> {
    match spot {
        BytePosition::Offset(offset) => Ok(Some(*offset)),
        BytePosition::Text(text) => search(text.as_bytes(), PIECE, |buffer, offset| file.read_at(buffer, offset)),
    }
}

/// The first occurrence of a text, read piece by piece; it may lie across the border of two.
fn search(text: &[u8], piece: usize, read: impl Fn(&mut [u8], u64) -> io::Result<usize>) -> io::Result<Option<u64>> {
    let Some(first) = text.first() else { return Ok(None) };
    let mut buffer = vec![0; piece + text.len()];
    let (mut begin, mut filled) = (0_u64, 0_usize);
    loop {
        let got = read(buffer.get_mut(filled..).unwrap_or_default(), begin + filled as u64)?;
        filled += got;
        let held = buffer.get(..filled).unwrap_or_default();
        let mut from = 0;
        while let Some(at) = held.get(from..).unwrap_or_default().iter().position(|byte| byte == first) {
            let at = from + at;
            if held.get(at..).unwrap_or_default().starts_with(text) {
                return Ok(Some(begin + at as u64));
            }
            from = at + 1;
        }
        if got == 0 {
            return Ok(None);
        }
        // What may be the beginning of an occurrence stays.
        let keep = filled.min(text.len() - 1);
        buffer.copy_within(filled - keep..filled, 0);
        begin += (filled - keep) as u64;
        filled = keep;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(content: &[u8], text: &[u8], piece: usize, at_once: usize) -> Option<u64> {
        let read = |buffer: &mut [u8], offset: u64| {
            let rest = content.get(offset as usize..).unwrap_or_default();
            let n = rest.len().min(buffer.len()).min(at_once);
            buffer[..n].copy_from_slice(&rest[..n]);
            Ok(n)
        };
        search(text, piece, read).expect("readable")
    }

    #[test]
    fn a_text_is_found_where_it_first_is() {
        assert_eq!(found(b"Grace Hopper, Ada Lovelace", b"Ada Lovelace", 8, 3), Some(14));
        assert_eq!(found(b"aaab", b"aab", 1, 1), Some(1));
        assert_eq!(found(b"", b"a", 4, 4), None);
        assert_eq!(found(b"abc", b"abcd", 4, 4), None);
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(content in "[ab]{0,60}", text in "[ab]{1,5}", piece in 1usize..9, at_once in 1usize..9) {
            let expected = content.find(&text).map(|at| at as u64);
            prop_assert_eq!(found(content.as_bytes(), text.as_bytes(), piece, at_once), expected);
        }
    }
}
