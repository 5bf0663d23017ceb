//! Lists of words that stand in a file beside the code (`words!`).

/// Whether a word is one of a list of words with blanks between them.
pub fn is_among(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|known| known == word)
}

/// The entries of a list between commas and ends of lines, for what has blanks in it; quotes keep those at its ends.
pub fn phrases(list: &'static str) -> impl Iterator<Item = &'static str> + Clone {
    list.split([',', '\n']).map(str::trim).filter(|one| !one.is_empty()).map(|one| one.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_stand_between_commas_and_ends_of_lines() {
        assert_eq!(
            phrases("\n\"in quotes\", and on two lines\nx y,\n\" z\"").collect::<Vec<_>>(),
            ["in quotes", "and on two lines", "x y", " z"]
        );
    }
}
