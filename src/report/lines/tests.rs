//! The tail of a command's output, whatever its chunks.

use super::*;
use proptest::prelude::*;

#[test]
fn the_tail_holds_the_last_lines_and_the_open_one() {
    let mut tail = Tail::default();
    assert_eq!(tail.push("one\ntw"), ["one"]);
    assert_eq!(tail.last(5), ["one", "tw"]);
    assert_eq!(tail.push("o\n\nthree"), ["two", ""]);
    assert_eq!(tail.last(2), ["", "three"]);
    assert_eq!(tail.finish(), Some("three".into()));
    assert_eq!(tail.finish(), None);
    assert_eq!(tail.last(9), ["one", "two", "", "three"]);
}

#[test]
fn a_long_command_is_cut_unless_more_is_asked_for() {
    let text = (1..=20).map(|i| format!("line {i}")).collect::<Vec<_>>().join("\n");
    let said = |verbosity| EventLines { verbosity, ..EventLines::default() }.command_starts(&text, 1);
    let short = said(Verbosity::Normal);
    assert_eq!(short.len(), COMMAND_LINES);
    assert_eq!(short.first().map(|(_, line)| line.as_str()), Some("  $ line 1"));
    assert_eq!(short.last().map(|(_, line)| line.as_str()), Some("  … 13 more lines"));
    assert_eq!(said(Verbosity::Verbose).len(), 20);
}

#[test]
fn the_output_of_an_undo_is_shown_when_it_failed() {
    let said = |verbosity, failed| {
        let event = Event::UndoOutput { fault: "command".into(), text: "one\ntwo\n".into(), failed };
        EventLines { verbosity, ..EventLines::default() }
            .say(&event)
            .into_iter()
            .map(|(_, line)| line)
            .collect::<Vec<_>>()
    };
    assert_eq!(said(Verbosity::Normal, false), Vec::<String>::new());
    let all = said(Verbosity::Normal, true);
    assert_eq!(all.first().map(String::as_str), Some("the undo of command wrote:"));
    assert!(all.len() == 3 && all[2].trim_end().ends_with("two"), "{all:?}");
    assert_eq!(said(Verbosity::Verbose, false).len(), 3);
}

#[test]
fn a_line_without_end_is_bounded() {
    let mut tail = Tail::default();
    for _ in 0..1000 {
        tail.push(&"x".repeat(1000));
    }
    assert!(tail.last(1)[0].len() <= PARTIAL_BYTES + 1000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn how_output_is_cut_into_chunks_does_not_matter(
        lines in proptest::collection::vec("[a-z\u{1b}\\[0-9m ]{0,12}", 0..12),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
    ) {
        let text = lines.join("\n");
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).chain([0, text.len()]).collect();
        at.sort();
        let mut whole = Tail::default();
        let all = whole.push(&text);
        let mut parts = Tail::default();
        let pieces: Vec<String> = at.windows(2).flat_map(|w| parts.push(&text[w[0]..w[1]])).collect();
        prop_assert_eq!(pieces, all);
        prop_assert_eq!(parts.last(9), whole.last(9));
    }
}
