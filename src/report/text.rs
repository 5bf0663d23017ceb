//! Text that others wrote, made fit for where it goes: escape sequences taken out, characters that XML or a terminal
//! cannot bear replaced by U+FFFD; and numbers as people read them.

/// Stands where a character was that must not.
const REPLACEMENT: char = '\u{FFFD}';

/// Takes terminal escape sequences (ECMA-48: CSI, OSC and the other control strings, two-character escapes) out of a
/// text. One that never ends takes at most the rest of its line with it.
pub fn strip_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match chars.peek() {
                Some('[') => {
                    chars.next();
                    skip_csi(&mut chars);
                }
                Some(']' | 'P' | 'X' | '^' | '_') => {
                    chars.next();
                    skip_string(&mut chars);
                }
                Some('\u{20}'..='\u{2f}') => {
                    while chars.next_if(|c| ('\u{20}'..='\u{2f}').contains(c)).is_some() {}
                    chars.next_if(|c| ('\u{30}'..='\u{7e}').contains(c));
                }
                Some('\u{30}'..='\u{7e}') => {
                    chars.next();
                }
                _ => {}
            },
            '\u{9b}' => skip_csi(&mut chars),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => skip_string(&mut chars),
            _ => out.push(c),
        }
    }
    out
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn skip_csi(chars: &mut Chars<'_>) {
    while chars.next_if(|c| ('\u{20}'..='\u{3f}').contains(c)).is_some() {}
    chars.next_if(|c| ('\u{40}'..='\u{7e}').contains(c));
}

fn skip_string(chars: &mut Chars<'_>) {
    while let Some(c) = chars.next_if(|c| *c != '\n') {
        match c {
            '\u{07}' | '\u{9c}' => return,
            '\u{1b}' if chars.next_if_eq(&'\\').is_some() => return,
            _ => {}
        }
    }
}

/// Text for XML 1.0: no escape sequences, line ends as `\n`, and only characters of the production `Char`
/// (<https://www.w3.org/TR/xml/#charsets>), of which C1 controls are discouraged and left out too.
pub fn xml_text(text: &str) -> String {
    let text = strip_escapes(text).replace("\r\n", "\n");
    let clean = text.chars().map(|c| match c {
        '\r' => '\n',
        '\t' | '\n' => c,
        '\u{00}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{FFFE}' | '\u{FFFF}' => REPLACEMENT,
        _ => c,
    });
    clean.collect()
}

/// Text for a terminal, one line per line of it: no escape sequences, no controls, nothing that turns the direction of
/// writing round; tabs become two spaces, and of a line that was written over (`\r`) the last state is shown.
pub fn terminal_lines(text: &str) -> Vec<String> {
    strip_escapes(text).lines().map(terminal_line).collect()
}

fn terminal_line(line: &str) -> String {
    let line = line.trim_end_matches('\r');
    let last = line.rsplit('\r').find(|part| !part.is_empty()).unwrap_or_default();
    let mut out = String::with_capacity(last.len());
    for c in last.chars() {
        match c {
            '\t' => out.push_str("  "),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push(REPLACEMENT),
            '\u{2028}' | '\u{2029}' => out.push(' '),
            _ if c.is_control() => out.push(REPLACEMENT),
            _ => out.push(c),
        }
    }
    out
}

/// A text as one line for a terminal: its lines joined by spaces.
pub fn one_line(text: &str) -> String {
    let lines = terminal_lines(text);
    lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A text cut to `width` columns, with `…` where it was cut.
pub fn cut(text: &str, width: usize) -> String {
    console::truncate_str(text, width, "…").into_owned()
}

/// A text filled up with spaces to `width` columns, or cut to them.
pub fn column(text: &str, width: usize) -> String {
    let text = cut(text, width);
    let missing = width.saturating_sub(console::measure_text_width(&text));
    text + &" ".repeat(missing)
}

/// A text filled up with spaces on its left.
pub fn right(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(console::measure_text_width(text));
    " ".repeat(missing) + text
}

/// A text broken at spaces into lines of at most `width` columns; a longer word gets a line of its own.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut used = 0;
    for word in text.split_whitespace() {
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

/// A duration in seconds with two decimals, as minutes from 100 s on: `0.41 s`, `12.30 s`, `2 min 05 s`.
pub fn seconds(us: u64) -> String {
    if us < 99_995_000 {
        let hundredths = (us + 5_000) / 10_000;
        return format!("{}.{:02} s", hundredths / 100, hundredths % 100);
    }
    let whole = (us + 500_000) / 1_000_000;
    format!("{} min {:02} s", whole / 60, whole % 60)
}

/// A declared duration as people write it: `5 s`, `1.5 s`, `300 ms`, `2 min`, `24 h`.
pub fn declared(us: u64) -> String {
    match us {
        _ if us > 0 && us.is_multiple_of(3_600_000_000) => format!("{} h", us / 3_600_000_000),
        _ if us > 0 && us.is_multiple_of(60_000_000) => format!("{} min", us / 60_000_000),
        _ if us.is_multiple_of(1_000_000) => format!("{} s", us / 1_000_000),
        _ if us < 1_000_000 => format!("{} ms", us / 1000),
        _ => format!("{:.1} s", us as f64 / 1e6),
    }
}

/// `1 request`, `2 requests`.
pub fn requests(count: u64) -> String {
    if count == 1 { "1 request".into() } else { format!("{count} requests") }
}

/// `4.2 MB`.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} bytes"),
        10_000..=999_999 => format!("{} kB", bytes / 1000),
        1_000_000..=999_999_999 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// A ratio in percent with at most two decimals, cut and not rounded: what is not all good never reads `100%`, and what
/// misses an objective never reads as if it met it.
pub fn percent(ratio: f64) -> String {
    // The smallest nudge keeps 0.995 from reading 99.49, which binary fractions would make of it.
    let ratio = if ratio.is_nan() { 0.0 } else { ratio.clamp(0.0, 1.0) };
    let hundredths = (ratio * 10_000.0 + 1e-7).floor();
    let text = format!("{:.2}", hundredths / 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        assert_eq!(terminal_lines("a\u{8}\u{0}b\u{202e}c\u{85}"), ["a\u{fffd}\u{fffd}b\u{fffd}c\u{fffd}"]);
        assert_eq!(one_line("  first\n\n second\r\n"), "first second");
    }

    #[test]
    fn numbers_as_people_read_them() {
        assert_eq!(seconds(0), "0.00 s");
        assert_eq!(seconds(412_345), "0.41 s");
        assert_eq!(seconds(59_999_999), "60.00 s");
        assert_eq!(seconds(99_994_999), "99.99 s");
        assert_eq!(seconds(125_000_000), "2 min 05 s");
        assert_eq!(declared(5_000_000), "5 s");
        assert_eq!(declared(1_500_000), "1.5 s");
        assert_eq!(declared(300_000), "300 ms");
        assert_eq!(declared(120_000_000), "2 min");
        assert_eq!(declared(86_400_000_000), "24 h");
        assert_eq!(declared(5_400_000_000), "90 min");
        assert_eq!(declared(0), "0 s");
        assert_eq!(percent(1.0), "100%");
        assert_eq!(percent(0.999_99), "99.99%");
        assert_eq!(percent(0.995), "99.5%");
        assert_eq!(percent(0.994_999), "99.49%");
        assert_eq!(percent(0.0), "0%");
        assert_eq!(percent(f64::NAN), "0%");
    }

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
            prop_assert_eq!(xml_text(&text), text.clone());
            prop_assert_eq!(strip_escapes(&text), text);
        }

        #[test]
        fn nothing_for_a_terminal_is_a_control(text in any::<String>()) {
            for line in terminal_lines(&text) {
                prop_assert!(!line.chars().any(char::is_control));
            }
        }

        #[test]
        fn a_share_that_misses_its_objective_reads_so(good in 0..1000_u64) {
            let shown: f64 = percent(good as f64 / 1000.0).trim_end_matches('%').parse().unwrap();
            prop_assert!(shown <= good as f64 / 10.0 + 1e-9);
        }
    }
}
