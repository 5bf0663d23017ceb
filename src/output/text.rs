//! Text that others wrote, made fit for a terminal, a log and a report: no character of it moves the cursor, hides text or turns it
//! round, no line of it is read as a command by a CI system, and what belongs on one line stays on one.

use super::pattern::TextPattern;

/// A colour or a weight that the program uses; none of them hides anything, as black on black would.
static STYLE: TextPattern = TextPattern::new(r"\x1b\[(?:(?:[0124]|22|3[1-69]|9[1-6]);)*(?:[0124]|22|3[1-69]|9[1-6])m");
/// What a CI system takes for a command, in two halves: GitHub reads `::command` at the beginning of a line, after white space, and
/// `##[command]` anywhere in it, Azure Pipelines `##vso[…]`, TeamCity `##teamcity[…]`.
static COMMAND: TextPattern = TextPattern::new(r"^(\s*:)(:)|(#)(#[A-Za-z]*\[)");
/// The same, without what only counts at the beginning of a line.
static HASHES: TextPattern = TextPattern::new(r"##([A-Za-z]*\[)");
/// An escape sequence: CSI, a control string up to its end or that of its line, or another one.
static ESCAPE: TextPattern = TextPattern::new(
    r"(?x) (?: \x1b\[ | \x{9b} ) [\x20-\x3f]* [\x40-\x7e]?
    | (?: \x1b[\]PX^_] | [\x{90}\x{98}\x{9d}-\x{9f}] ) (?: [^\n]*? (?: \x07 | \x{9c} | \x1b\\ ) | [^\n]* )
    | \x1b (?: [\x20-\x2f]+ [\x30-\x7e]? | [\x30-\x7e] )?",
);

/// What is shown in the place of a character: itself, unless it would do something instead of being seen. Tabs stay; line ends do
/// not, so whoever means one keeps it out of this.
pub fn shown(c: char) -> char {
    match c {
        '\t' => c,
        // U+2400 and on are pictures of the C0 control characters.
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}' => char::REPLACEMENT_CHARACTER,
        // Marks that turn the direction of text, join, or have no width; separators of lines and paragraphs; fillers that no font shows.
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}' => {
            char::REPLACEMENT_CHARACTER
        }
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => char::REPLACEMENT_CHARACTER,
        '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' => char::REPLACEMENT_CHARACTER,
        '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' => char::REPLACEMENT_CHARACTER,
        _ => c,
    }
}

/// The text on one line, every character that would do something replaced by one that is seen. One character stays one character, so
/// columns stay true.
pub fn visible(text: &str) -> String {
    text.chars().map(shown).collect()
}

/// Whether a name has characters that end a line or command a terminal: nobody names a file so who means well.
pub fn has_controls(name: &str) -> bool {
    name.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

/// Lines for a log: line ends stay, everything else as [`visible`] has it, and no line of it is a command of a CI system.
pub fn log_lines(text: &str) -> String {
    per_line(text, |line| shown_line(line, false))
}

/// A text as one line of a log: line ends are shown, and it is no command of a CI system.
pub fn log_line(text: &str) -> String {
    without_commands(visible(text))
}

/// The lines of what a command wrote, as a terminal would have left them: escape sequences are taken out, tabs become two spaces,
/// of a line that was written over (`\r`) the last state is shown, and whatever else would do something is seen.
pub fn terminal_lines(text: &str) -> Vec<String> {
    let last = |line: &str| line.rsplit('\r').find(|part| !part.is_empty()).unwrap_or_default().replace('\t', "  ");
    strip_escapes(text).lines().map(|line| visible(&last(line))).collect()
}

/// What a command wrote as one line: its lines joined by spaces.
pub fn one_line(text: &str) -> String {
    let lines = terminal_lines(text);
    lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Length of the part of a text that does not end inside a character.
pub fn whole_characters(bytes: &[u8]) -> usize {
    let rest = bytes.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
    let is_begun = std::str::from_utf8(rest).is_err_and(|error| error.error_len().is_none());
    bytes.len() - if is_begun { rest.len() } else { 0 }
}

/// The first `most` characters, with `mark` after them where that is not all.
pub fn cut(text: &str, most: usize, mark: &str) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}{mark}", text.get(..end).unwrap_or_default()),
        None => text.to_string(),
    }
}

/// What a program said, inside of a message: its lines after the first are indented, so that none of them passes for ours.
pub fn quoted(text: &str) -> String {
    terminal_lines(text.trim_end()).join("\n  ")
}

/// JSON with every character that would do something written as its escape, and nothing in it that a CI system takes for a command:
/// it means the same to whoever reads JSON.
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in HASHES.replace_all(text, r"#\u0023$1").chars() {
        match c {
            // Line ends and tabs stand between values only: inside of a string they are escaped already.
            '\n' | '\r' => out.push(c),
            c if shown(c) == c => out.push(c),
            c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    out
}

/// A line as it may leave the program. With `paint` the colours and weights that the program itself uses stay.
pub(super) fn shown_line(line: &str, paint: bool) -> String {
    let line = line.strip_suffix('\r').unwrap_or(line);
    if !paint {
        return log_line(line);
    }
    let styles = STYLE.find_iter(line).map(|style| style.as_str()).chain([""]);
    without_commands(STYLE.split(line).zip(styles).map(|(text, style)| visible(text) + style).collect())
}

/// Applies `to` to every line; line ends stay where they are.
pub(super) fn per_line(text: &str, to: impl Fn(&str) -> String) -> String {
    text.split('\n').map(to).collect::<Vec<_>>().join("\n")
}

/// A line that no CI system takes for a command: a space takes the meaning away.
fn without_commands(line: String) -> String {
    COMMAND.replace_all(&line, "$1$3 $2$4").into_owned()
}

/// Takes terminal escape sequences (ECMA-48: CSI, OSC and the other control strings, two-character escapes) out of a
/// text. One that never ends takes at most the rest of its line with it.
pub fn strip_escapes(text: &str) -> String {
    ESCAPE.replace_all(text, "").into_owned()
}

/// An error with its causes: the outermost one of hyper says no more than "client error".
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source()).map(ToString::to_string);
    causes.fold(error.to_string(), |text, cause| match text.contains(&cause) {
        true => text,
        false => format!("{text}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As the runner of GitHub (`::` after white space, `##[` anywhere) and the agent of Azure Pipelines find a command in a line.
    fn is_command(line: &str) -> bool {
        line.trim_start().starts_with("::")
            || line.contains("##[")
            || line.contains("##vso[")
            || line.contains("##teamcity[")
    }

    #[test]
    fn escapes_go_and_text_stays() {
        assert_eq!(strip_escapes("\u{1b}[1;31mred\u{1b}[0m"), "red");
        assert_eq!(strip_escapes("\u{1b}]0;title\u{07}x\u{1b}]8;;http://a\u{1b}\\link"), "xlink");
        assert_eq!(strip_escapes("\u{9b}31mred \u{1b}(Bplain \u{1b}=\u{1b}7ok"), "red plain ok");
        assert_eq!(strip_escapes("a\u{1b}]0;never ends\nnext"), "a\nnext", "takes no more than its line");
        assert_eq!(strip_escapes("cut \u{1b}["), "cut ");
        assert_eq!(strip_escapes("cut \u{1b}"), "cut ");
        assert_eq!(strip_escapes("[31m is text"), "[31m is text");
    }

    #[test]
    fn a_terminal_line_cannot_move_the_cursor() {
        assert_eq!(terminal_lines("10%\r50%\r100%\r\ndone\tnow"), ["100%", "done  now"]);
        assert_eq!(terminal_lines("a\u{8}\u{0}b\u{202e}c\u{85}"), ["a\u{2408}\u{2400}b\u{fffd}c\u{fffd}"]);
        assert_eq!(one_line("  first\n\n second\r\n"), "first second");
    }

    #[test]
    fn a_line_of_a_log_is_no_command_and_no_second_line() {
        for (line, shown) in [
            ("::stop-commands::x", ": :stop-commands::x"),
            ("  \u{a0}\t::add-mask::a", "  \u{a0}\t: :add-mask::a"),
            ("a::b", "a::b"),
            ("said ##[add-matcher]x.json", "said # #[add-matcher]x.json"),
            ("###[group]a ##vso[task.setvariable]b", "## #[group]a # #vso[task.setvariable]b"),
            ("##teamcity[testFailed]", "# #teamcity[testFailed]"),
            ("## heading [1]", "## heading [1]"),
            ("a\nb\r\u{2028}c", "a\u{240a}b\u{240d}\u{fffd}c"),
        ] {
            assert_eq!(log_line(line), shown);
        }
        assert_eq!(log_lines("a\r\n ::error::b\n\u{1b}[2J"), "a\n : :error::b\n\u{241b}[2J");
    }

    #[test]
    fn only_our_own_colours_pass() {
        let painted = "\u{1b}[1m\u{1b}[31mred\u{1b}[0m";
        assert_eq!(shown_line(painted, true), painted);
        assert_eq!(shown_line(painted, false), "\u{241b}[1m\u{241b}[31mred\u{241b}[0m");
        for hides in [
            "\u{1b}[8mhidden", "\u{1b}[30;40mx", "\u{1b}[38;5;0mx", "\u{1b}[2J", "\u{1b}]0;t\u{7}", "\u{1b}[",
            "\u{1b}[m",
        ] {
            assert!(shown_line(hides, true).starts_with('\u{241b}'), "{hides:?}");
        }
    }

    #[test]
    fn what_a_program_said_stays_behind_the_first_line() {
        assert_eq!(quoted("no such image\r\nPASSED\u{1b}[2J\n"), "no such image\n  PASSED");
    }

    proptest! {
        #[test]
        fn plain_text_is_left_alone(text in "[ -\"$-~äöü€\n]{0,200}") {
            prop_assert_eq!(strip_escapes(&text), text.clone());
            prop_assert_eq!(json(&text), text);
        }

        #[test]
        fn nothing_that_leaves_is_a_control_or_a_command(text in "(\\PC|[ \t\r\n\u{1b}:#\\[]|::|##\\[|##vso\\[|\u{9b}|\u{202e}){0,40}") {
            let all = terminal_lines(&text).into_iter().map(|line| log_line(&line));
            let all = all.chain([log_line(&text), shown_line(&text, true), shown_line(&text, false)]);
            for line in all.chain(log_lines(&text).split('\n').map(str::to_string)) {
                prop_assert!(!is_command(&line), "{line:?}");
                prop_assert!(!line.replace("\u{1b}[", "").chars().any(|c| c.is_control() && c != '\t'), "{line:?}");
            }
            for line in terminal_lines(&text) {
                prop_assert!(!line.chars().any(char::is_control));
            }
        }

        #[test]
        fn json_means_the_same_and_commands_nothing(text in any::<String>(), more in "(##\\[x\\]|\u{9b}|\u{202e}|::|\n){0,5}") {
            let value = serde_json::json!({ &text: [&more, &text] });
            for written in [value.to_string(), format!("{value:#}")] {
                let written = json(&written);
                prop_assert_eq!(&serde_json::from_str::<serde_json::Value>(&written).unwrap(), &value);
                prop_assert!(!written.lines().any(is_command), "{written}");
                prop_assert!(written.chars().all(|c| c == '\n' || shown(c) == c), "{written}");
            }
        }
    }
}
