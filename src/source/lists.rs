//! Lists of words that stand in a file beside the code: each below a line with its name and what it is, up to an empty line. Which
//! lists there are is known when the program is compiled, so that none can be missing when something is decided by it.

/// The list of this name, as it is written.
///
/// # Panics
/// Where no list has the name, or it is empty; in a constant, the compiler says so.
pub const fn list_in(lists: &'static str, name: &str) -> &'static str {
    let (text, name) = (lists.as_bytes(), name.as_bytes());
    let mut line = 0;
    while line < text.len() {
        let end = end_of_line(text, line);
        if begins(text, line, name) && begins(text, line + name.len(), b": ") {
            let mut last = end;
            while last + 1 < text.len() && text[last + 1] != b'\n' {
                last = end_of_line(text, last + 1);
            }
            assert!(last > end, "the list is empty");
            return lists.split_at(last).0.split_at(end).1;
        }
        line = end + 1;
    }
    panic!("no list has this name")
}

// The compiler interprets this for each list that is asked for: with a call for each byte it took a third of a minute.
const fn end_of_line(text: &[u8], mut at: usize) -> usize {
    while at < text.len() && text[at] != b'\n' {
        at += 1;
    }
    at
}

const fn begins(text: &[u8], at: usize, what: &[u8]) -> bool {
    let mut same = 0;
    while same < what.len() && at + same < text.len() && text[at + same] == what[same] {
        same += 1;
    }
    same == what.len()
}

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
    fn a_list_is_found_by_its_name() {
        const LISTS: &str = "Lists.\n\nab: the first one\nx y\nz\n\na: \"in quotes\", and on two lines\nx y,\n\" z\"\n";
        const AB: &str = list_in(LISTS, "ab");
        assert_eq!(AB.split_whitespace().collect::<Vec<_>>(), ["x", "y", "z"]);
        assert_eq!(phrases(list_in(LISTS, "a")).collect::<Vec<_>>(), ["x y", " z"]);
    }
}
