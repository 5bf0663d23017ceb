//! Text of others inside of ours, once for every format that is a template: whatever a template prints goes through the escaper of
//! its file's ending (`askama.toml`), so no text can become a tag, leave its attribute, or make a table or a link. In Markdown
//! characters that mean something become numeric references, which CommonMark never reads as structure, so the same escaping holds
//! in paragraphs, headings, lists, cells of tables and HTML.

use crate::output::{cut, one_line, shown, strip_escapes};
use askama::filters::Escaper;
use std::fmt::{self, Write};

/// Characters of a reason.
const REASON_LENGTH: usize = 600;

/// HTML, in text and in attributes.
#[derive(Debug, Clone, Copy)]
pub struct Html;

impl Escaper for Html {
    fn write_escaped_str<W: Write>(&self, mut out: W, text: &str) -> fmt::Result {
        // What an escape sequence of a terminal does has no place in a page: it goes with all of its letters.
        let stripped = text.contains(|c: char| c == '\u{1b}' || ('\u{80}'..='\u{9f}').contains(&c));
        let stripped = stripped.then(|| strip_escapes(text));
        let mut before = ' ';
        for c in stripped.as_deref().unwrap_or(text).chars() {
            match c {
                // Nothing in a page is a command of a CI system that has it in its log.
                '#' if before == '#' => out.write_str("&#35;")?,
                ':' if before == ':' => out.write_str("&#58;")?,
                '&' => out.write_str("&amp;")?,
                '<' => out.write_str("&lt;")?,
                '>' => out.write_str("&gt;")?,
                '"' => out.write_str("&quot;")?,
                '\'' => out.write_str("&#39;")?,
                '\n' | '\r' => out.write_char('\n')?,
                c => out.write_char(shown(c))?,
            }
            before = c;
        }
        Ok(())
    }
}

/// Text as HTML.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // A string takes everything.
    let _ = Html.write_escaped_str(&mut out, text);
    out
}

/// A sentence as HTML, in which code stands between backticks. One without its partner is a backtick.
pub fn html_prose(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('`') {
        let Some((code, after)) = after.split_once('`') else { break };
        out.push_str(&format!("{}<code>{}</code>", html(before), html(code)));
        rest = after;
    }
    out + &html(rest)
}

/// Markdown, by [`prose`].
#[derive(Debug, Clone, Copy)]
pub struct Markdown;

impl Escaper for Markdown {
    fn write_escaped_str<W: Write>(&self, mut out: W, text: &str) -> fmt::Result {
        out.write_str(&prose(text))
    }
}

/// One line of bounded length.
pub(super) fn shortened(text: &str) -> String {
    cut(&one_line(text), REASON_LENGTH, "…")
}

/// Text as a person reads it, in one line. What stands between a pair of backticks is shown as code, as it was meant.
/// Mentions (`@team`) and references (`#12`) get a space without width behind their sign, for GitHub looks for those in what
/// the text has become.
pub fn prose(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // An even number of backticks, and something between them.
    let paired = parts.len() % 2 == 1 && parts.iter().skip(1).step_by(2).all(|part| !part.trim().is_empty());
    if !paired {
        return escaped(text);
    }
    let part = |(at, part): (usize, &&str)| if at % 2 == 1 { code(part) } else { escaped(part) };
    parts.iter().enumerate().map(part).collect()
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut before: Option<char> = None;
    let mut only_digits = true;
    while let Some(c) = chars.next() {
        let c = if c.is_control() { ' ' } else { shown(c) };
        let next = chars.peek().copied();
        let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let means = match c {
            '&' | '<' | '>' | '\\' | '`' | '*' | '[' | ']' | '|' | '~' | '$' | '@' | '#' => true,
            // Inside a word it means nothing.
            '_' => !(word(before) && word(next)),
            '!' => next == Some('['),
            // `http://…` and `www.…` would become links; a URL should be read and not be followed.
            ':' => next == Some('/'),
            // What begins a line could begin a list, a rule or a heading.
            '.' => only_digits || before.is_some_and(|c| c.eq_ignore_ascii_case(&'w')) && word(next),
            ')' => only_digits,
            '-' | '+' | '=' => before.is_none(),
            _ => false,
        };
        match means {
            false => out.push(c),
            true => out.push_str(&format!("&#{};", u32::from(c))),
        }
        if matches!(c, '@' | '#') {
            out.push_str("&#8203;");
        }
        only_digits &= c.is_ascii_digit();
        before = Some(c);
    }
    out
}

/// Names, paths and commands in one line.
pub(super) fn code(text: &str) -> String {
    // A code span between backticks could not hold a `|` in a table.
    format!("<code>{}</code>", escaped(text))
}

/// Lines as a block of code, between fences that are longer than any run of backticks in them.
pub(super) fn fenced(lines: &[String]) -> String {
    let longest = lines.iter().flat_map(|line| line.split(|c| c != '`')).map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    format!("{fence}text\n{body}{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_is_escaped_and_the_rest_is_readable() {
        assert_eq!(prose("command 1 exited 1, after 0.08 s"), "command 1 exited 1, after 0.08 s");
        assert_eq!(prose("step_failed at runbooks/db-pool.md:44"), "step_failed at runbooks/db-pool.md:44");
        assert_eq!(prose("a|b <i> @team"), "a&#124;b &#60;i&#62; &#64;&#8203;team");
        assert_eq!(prose("see http://x/y and www.x.org"), "see http&#58;//x/y and www&#46;x.org");
        assert_eq!(prose("run `a|b` now"), "run <code>a&#124;b</code> now");
        assert_eq!(prose("one ` alone and `` empty"), "one &#96; alone and &#96;&#96; empty");
        assert_eq!(prose("1. (2)"), "1&#46; (2)");
        assert_eq!(fenced(&["a ``` b".into()]), "````text\na ``` b\n````\n");
    }
}
