//! Text of others inside of ours, once for every format that is a template: whatever a template prints goes through the escaper of
//! its file's ending (`askama.toml`), so no text can become a tag, leave its attribute, or make a table or a link.

use crate::output::{shown, strip_escapes};
use askama::filters::Escaper;
use std::fmt::{self, Write};

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

/// Markdown, by `markdown_text::prose`.
#[derive(Debug, Clone, Copy)]
pub struct Markdown;

impl Escaper for Markdown {
    fn write_escaped_str<W: Write>(&self, mut out: W, text: &str) -> fmt::Result {
        out.write_str(&super::markdown_text::prose(text))
    }
}
