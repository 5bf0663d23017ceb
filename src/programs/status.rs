//! The HTTP status in what `curl -w FORMAT` writes: the format becomes a pattern in which `%{http_code}` is what is looked
//! for. A format that is read from a file, or does not show the status, tells nothing.

use crate::source::TextPattern;
use regex::Regex;

/// The status that failed, where one did: 400 and above, or 000 where there was no answer. `alone`: nothing but the format
/// was written, so that every occurrence counts and not only the one at the end.
pub(super) fn failed(format: &str, written: &str, alone: bool) -> Option<String> {
    let pattern = pattern(format)?;
    let end = if alone { "" } else { r"\z" };
    let regex = Regex::new(&format!("{pattern}{end}")).ok()?;
    let of = |found: regex::Captures<'_>| found.get(1).map(|status| status.as_str().to_string());
    let bad = |status: &String| status == "000" || status.starts_with(['4', '5']);
    regex.captures_iter(written).filter_map(of).find(bad)
}

/// The format as a pattern with the status as its first group.
pub(super) fn pattern(format: &str) -> Option<String> {
    // A variable, an escape, which is one of a pattern as well, or a character.
    static PIECE: TextPattern = TextPattern::new(r"(?s)%\{([^}]*)\}|(\\[ntr])|%(%)|(.)");
    let (mut pattern, mut shows) = (String::new(), false);
    for piece in PIECE.captures_iter(format) {
        let group = |at: usize| piece.get(at).map(|text| text.as_str());
        match group(1) {
            Some("http_code" | "response_code") => {
                pattern.push_str(if shows { "[0-9]{3}" } else { "([0-9]{3})" });
                shows = true;
            }
            // What follows goes to another stream.
            Some("stderr" | "stdout") => return None,
            Some(_) => pattern.push_str(".*?"),
            None => {
                pattern.push_str(group(2).unwrap_or_default());
                pattern.push_str(&regex::escape(group(3).or(group(4)).unwrap_or_default()));
            }
        }
    }
    (shows && !format.starts_with('@')).then_some(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_found_where_the_format_puts_it() {
        for (format, written, alone, status) in [
            (r"%{http_code}\n", "503\n", true, Some("503")),
            (r"%{http_code}\n", "200\n404\n200\n", true, Some("404")),
            (r"%{http_code}\n", "404\n200\n", false, None),
            ("%{http_code}", "{\"id\": 404}201", false, None),
            ("%{http_code}", "not found404", false, Some("404")),
            ("%{response_code} in %{time_total}s", "502 in 0.01s", true, Some("502")),
            ("%{http_code}", "000", true, Some("000")),
            ("%{time_total}", "0.404", true, None),
            ("@format", "404", true, None),
            ("100%% %{http_code}", "100% 500", true, Some("500")),
            ("%{stderr}%{http_code}", "500", true, None),
        ] {
            assert_eq!(failed(format, written, alone).as_deref(), status, "{format}: {written}");
        }
    }
}
