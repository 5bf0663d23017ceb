//! Words in running text: what several rules ask of it.

use crate::source::Span;
use std::collections::HashMap;
use std::sync::LazyLock;

/// The lists of `phrases.txt` by their names. A test holds that those that rules ask for are there.
static PHRASES: LazyLock<HashMap<&str, Vec<&str>>> = LazyLock::new(|| {
    let lists = include_str!("phrases.txt").split("\n\n").filter_map(|list| list.split_once('\n'));
    let list = |(head, list): (&'static str, &'static str)| {
        Some((head.split_once(':')?.0, list.split([',', '\n']).map(str::trim).filter(|one| !one.is_empty()).collect()))
    };
    lists.filter_map(list).collect()
});

/// The words and phrases of a list of `phrases.txt`.
pub(super) fn phrases(name: &str) -> &'static [&'static str] {
    PHRASES.get(name).map_or(&[], Vec::as_slice)
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
            let names = text.split("phrases(\"").skip(1).filter_map(|rest| rest.split_once("\")"));
            asked.extend(names.map(|(name, _)| name.to_string()).filter(|name| !name.is_empty() && name.len() < 40));
        }
        assert_eq!(asked.iter().map(String::as_str).collect::<Vec<_>>(), {
            let mut known: Vec<&str> = PHRASES.keys().copied().collect();
            known.sort_unstable();
            known
        });
        assert!(PHRASES.values().all(|list| !list.is_empty()));
    }

    #[test]
    fn phrases_are_found_as_words() {
        assert!(holds("Then **roll  back** it", &["roll back"]));
        assert!(holds("Escalating", &["escalat*"]));
        assert!(!holds("scrollback", &["back", "roll back"]));
        assert_eq!(find("a Ü to-do b", &["b", "to-do"]), Some(Span::new(11, 12)));
    }
}
