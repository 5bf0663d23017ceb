//! Text for reports: what XML can bear, columns, lines of a width.

use crate::output::{shown, strip_escapes, visible};
use console::{Alignment, pad_str};

/// Text for XML 1.0: no escape sequences, line ends as `\n`, and only characters of the production `Char`
/// (<https://www.w3.org/TR/xml/#charsets>); whatever would do something is seen. CI servers take `[[ATTACHMENT|PATH]]` in a JUnit report
/// for a file of their machine to be published with it: a space takes the meaning away.
pub fn xml_text(text: &str) -> String {
    let text = strip_escapes(text).replace("\r\n", "\n");
    let clean = text.chars().map(|c| match c {
        '\r' | '\n' => '\n',
        '\u{FFFE}' | '\u{FFFF}' => char::REPLACEMENT_CHARACTER,
        _ => shown(c),
    });
    clean.collect::<String>().replace("[[ATTACHMENT|", "[ [ATTACHMENT|")
}

/// A text cut to `width` columns, with `…` where it was cut.
pub fn cut(text: &str, width: usize) -> String {
    console::truncate_str(text, width, "…").into_owned()
}

/// A text on one line, filled up with spaces to `width` columns, or cut to them.
pub fn column(text: &str, width: usize) -> String {
    pad_str(&cut(&visible(text), width), width, Alignment::Left, None).into_owned()
}

/// A text filled up with spaces on its left.
pub fn right(text: &str, width: usize) -> String {
    pad_str(text, width, Alignment::Right, None).into_owned()
}

/// A text broken at spaces into lines of at most `width` columns; a longer word gets a line of its own.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    wrap_words(text.split_whitespace(), width)
}

/// Words, which may hold spaces, as lines of at most `width` columns; a longer word gets a line of its own.
pub fn wrap_words<'a>(words: impl Iterator<Item = &'a str>, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut used = 0;
    for word in words {
        let length = console::measure_text_width(word);
        match lines.last_mut() {
            Some(line) if used + 1 + length <= width => {
                line.push(' ');
                line.push_str(word);
                used += 1 + length;
            }
            _ => {
                lines.push(word.to_string());
                used = length;
            }
        }
    }
    lines
}

/// A text broken into lines of at most `width` columns wherever that is, every space kept.
pub fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for c in text.chars() {
        let length = console::measure_text_width(c.encode_utf8(&mut [0; 4]));
        if used + length > width && used > 0 {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            line.push(c);
        }
        used += length;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn columns_and_lines_have_their_width() {
        assert_eq!(column("abc", 5), "abc  ");
        assert_eq!(column("abcdef", 4), "abc…");
        assert_eq!(right("abc", 5), "  abc");
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("unbreakable x", 4), ["unbreakable", "x"]);
        assert_eq!(fold("ab  cde", 3), ["ab ", " cd", "e"]);
        assert_eq!(fold("漢字x", 3), ["漢", "字x"]);
        assert_eq!(fold("", 3), [""]);
        assert_eq!(fold("漢", 1), ["漢"]);
    }

    #[test]
    fn no_text_has_a_file_attached() {
        for text in ["a\n[[ATTACHMENT|/etc/passwd]]", "a\n[[ATTA\u{1b}[0mCHMENT|/etc/passwd]]"] {
            assert_eq!(xml_text(text), "a\n[ [ATTACHMENT|/etc/passwd]]");
        }
    }

    proptest! {
        #[test]
        fn xml_text_holds_only_what_xml_bears(text in any::<String>()) {
            for c in xml_text(&text).chars() {
                let ok = matches!(c, '\t' | '\n' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
                prop_assert!(ok, "{c:?}");
            }
        }

        #[test]
        fn plain_text_is_left_alone(text in "[ -~äöü€\n]{0,200}") {
            prop_assert_eq!(xml_text(&text), text);
        }

    }
}
