//! Words in running text: what several rules ask of it.

use crate::source::Span;

/// The words and phrases of the list of `words.txt` that has this name.
macro_rules! phrases {
    ($name:tt) => {{
        static LIST: std::sync::LazyLock<Vec<&str>> =
            std::sync::LazyLock::new(|| crate::source::phrases(words!($name)).collect());
        LIST.as_slice()
    }};
}

/// The words of a text with their places: letters, digits, `_`, `-` and `'`.
pub(super) fn words(text: &str) -> impl Iterator<Item = (&str, Span)> {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '\'');
    let mut at = 0;
    text.split_inclusive(move |c| !is_word(c)).filter_map(move |part| {
        let word = part.trim_end_matches(move |c| !is_word(c));
        let span = Span::new(at, at + word.len());
        at += part.len();
        (!word.is_empty()).then_some((word, span))
    })
}

/// Whether a text holds one of these phrases, whatever its case and what stands between the words. Words that end in
/// `*` stand for all that begin like them. Phrases are given in lower case.
pub(super) fn holds(text: &str, phrases: &[&str]) -> bool {
    find(text, phrases).is_some()
}

/// Where the first of these phrases stands in the text.
pub(super) fn find(text: &str, phrases: &[&str]) -> Option<Span> {
    let found: Vec<(&str, Span)> = words(text).collect();
    let same = |pattern: &str, word: &str| match pattern.strip_suffix('*') {
        Some(begins) => word.get(..begins.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(begins)),
        None => word.eq_ignore_ascii_case(pattern),
    };
    let begin = |word: &str| word.bytes().next().map(|byte| byte.to_ascii_lowercase());
    phrases.iter().find_map(|phrase| {
        let (first, length) = (begin(phrase), phrase.split(' ').count());
        let fits = |window: &&[(&str, Span)]| {
            let begins = window.first().is_some_and(|(word, _)| begin(word) == first);
            begins && window.iter().zip(phrase.split(' ')).all(|((word, _), one)| same(one, word))
        };
        let window = found.windows(length).find(fits)?;
        Some(Span::new(window.first()?.1.start, window.last()?.1.end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_that_a_rule_asks_for_is_there() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lint");
        let mut asked = std::collections::BTreeSet::new();
        for entry in std::fs::read_dir(folder).expect("the room") {
            let path = entry.expect("an entry").path();
            let text = if path.is_file() { std::fs::read_to_string(path).expect("a file") } else { String::new() };
            let names = text.split("phrases!(\"").skip(1).filter_map(|rest| rest.split_once("\")"));
            asked.extend(names.map(|(name, _)| name.to_string()).filter(|name| !name.is_empty() && name.len() < 40));
        }
        let heads = include_str!("words.txt").split("\n\n").skip(1).filter_map(|list| list.split_once(": "));
        assert_eq!(asked, heads.map(|(name, _)| name.to_string()).collect());
    }

    #[test]
    fn phrases_are_found_as_words() {
        assert!(holds("Then **roll  back** it", &["roll back"]));
        assert!(holds("Escalating", &["escalat*"]));
        assert!(!holds("scrollback", &["back", "roll back"]));
        assert_eq!(find("a Ü to-do b", &["b", "to-do"]), Some(Span::new(11, 12)));
    }
}
