//! Text for reports: what XML can bear, columns, lines of a width; and numbers as people read them.

use crate::output::{shown, strip_escapes, visible};

/// Text for XML 1.0: no escape sequences, line ends as `\n`, and only characters of the production `Char`
/// (<https://www.w3.org/TR/xml/#charsets>); whatever would do something is seen.
pub fn xml_text(text: &str) -> String {
    let text = strip_escapes(text).replace("\r\n", "\n");
    let clean = text.chars().map(|c| match c {
        '\r' | '\n' => '\n',
        '\u{FFFE}' | '\u{FFFF}' => char::REPLACEMENT_CHARACTER,
        _ => shown(c),
    });
    clean.collect()
}

/// A text cut to `width` columns, with `…` where it was cut.
pub fn cut(text: &str, width: usize) -> String {
    console::truncate_str(text, width, "…").into_owned()
}

/// A text on one line, filled up with spaces to `width` columns, or cut to them.
pub fn column(text: &str, width: usize) -> String {
    let text = cut(&visible(text), width);
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
        let hundredths = us.saturating_add(5_000) / 10_000;
        return format!("{}.{:02} s", hundredths / 100, hundredths % 100);
    }
    let whole = us.saturating_add(500_000) / 1_000_000;
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
    fn numbers_as_people_read_them() {
        assert_eq!(seconds(0), "0.00 s");
        assert_eq!(seconds(u64::MAX), "307445734561 min 49 s");
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
            prop_assert_eq!(xml_text(&text), text);
        }

        #[test]
        fn a_share_that_misses_its_objective_reads_so(good in 0..1000_u64) {
            let shown: f64 = percent(good as f64 / 1000.0).trim_end_matches('%').parse().unwrap();
            prop_assert!(shown <= good as f64 / 10.0 + 1e-9);
        }
    }
}
