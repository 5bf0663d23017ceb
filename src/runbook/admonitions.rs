//! Admonitions and tabs of MkDocs (`!!! note`, `??? tip`, `=== "Helm"`), below which CommonMark sees indented code. Their marks become
//! those of list items, without a byte more or less, so that everything keeps its place.

use std::borrow::Cow;

/// Marks of admonitions, and those of tabs, whose titles stand in quotes.
const ADMONITIONS: [&str; 3] = ["!!! ", "??? ", "???+ "];
const TABS: [&str; 3] = ["=== ", "===! ", "===+ "];

/// A text with items of lists for its admonitions and tabs.
pub(super) fn as_items(text: &str) -> Cow<'_, str> {
    if !ADMONITIONS.iter().chain(&TABS).any(|mark| text.contains(mark)) {
        return Cow::Borrowed(text);
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (mut out, mut fence) = (String::with_capacity(text.len()), None);
    for (index, &line) in lines.iter().enumerate() {
        let bare = line.trim_start_matches([' ', '\t', '>']);
        let behind = bare.trim_start_matches(['`', '~']);
        let width = bare.len() - behind.len();
        match fence {
            None if width >= 3 && !behind.contains('`') => fence = Some(width),
            Some(open) if width >= open && behind.trim().is_empty() => fence = None,
            _ => {}
        }
        let next = || lines.iter().skip(index + 1).find(|line| !line.trim().is_empty());
        let is_above = || next().is_some_and(|next| columns(next) >= columns(line) + 4);
        let indent = line.len() - line.trim_start().len();
        let (blanks, written) = line.split_at_checked(indent).unwrap_or(("", line));
        match mark(written).filter(|_| fence.is_none() && is_above()) {
            Some(mark) => {
                out.push_str(blanks);
                // Four bytes are as far as what belongs to an item is indented.
                out.push_str("+   ");
                out.push_str(if mark.len() > 4 { "+" } else { "" });
                out.push_str(written.get(mark.len()..).unwrap_or_default());
            }
            None => out.push_str(line),
        }
    }
    Cow::Owned(out)
}

/// Whether a list item stands for a tab.
pub(super) fn is_tab(item: &str) -> bool {
    TABS.iter().any(|mark| item.trim_start().starts_with(mark))
}

/// The mark that a line begins with.
fn mark(line: &str) -> Option<&'static str> {
    let begins = |marks: [&'static str; 3], titled: fn(char) -> bool| {
        marks.into_iter().find(|mark| line.strip_prefix(mark).is_some_and(|title| title.starts_with(titled)))
    };
    begins(ADMONITIONS, char::is_alphabetic).or_else(|| begins(TABS, |c| c == '"'))
}

/// How far a line is indented.
fn columns(line: &str) -> usize {
    let blanks = line.chars().take_while(|c| matches!(c, ' ' | '\t'));
    blanks.fold(0, |column, c| if c == '\t' { (column / 4 + 1) * 4 } else { column + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_items_of_the_same_length() {
        for (text, items) in [
            ("!!! note\n    a\n", "+   note\n    a\n"),
            ("???+ warning \"Read this\"\r\n\r\n    a\r\n", "+   +warning \"Read this\"\r\n\r\n    a\r\n"),
            ("=== \"Helm\"\n\n\ta\n", "+   \"Helm\"\n\n\ta\n"),
            ("1. a\n\n    !!! tip\n        b\n", "1. a\n\n    +   tip\n        b\n"),
        ] {
            assert_eq!(as_items(text), items);
            assert_eq!(text.len(), items.len());
        }
        for text in
            ["!!! note\na\n", "=== Helm\n    a\n", "Wow!!! \n    a\n", "```\n!!! note\n    a\n```\n", "!!! \n    a\n"]
        {
            assert_eq!(as_items(text), text);
        }
    }
}
