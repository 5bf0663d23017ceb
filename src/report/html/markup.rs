//! The only way in which HTML is written here. What is fixed is `&'static str`; everything else is escaped, so a text that
//! others wrote can never become a tag or leave its attribute.

use crate::output::{shown, strip_escapes};

/// Attributes: names are fixed, values are escaped.
pub type Attrs<'a> = &'a [(&'static str, &'a str)];

/// HTML under construction.
#[derive(Debug, Clone, Default)]
pub struct Markup(String);

impl Markup {
    /// HTML that stands in the source of Firedrill.
    pub fn fixed(&mut self, html: &'static str) -> &mut Self {
        self.0.push_str(html);
        self
    }

    /// Text, escaped; escape sequences of terminals go, and what could hide or turn text round is replaced.
    pub fn text(&mut self, text: &str) -> &mut Self {
        escape(text, &mut self.0);
        self
    }

    /// An element with whatever is inside of it.
    pub fn el(&mut self, tag: &'static str, attrs: Attrs<'_>, inner: impl FnOnce(&mut Markup)) -> &mut Self {
        self.open(tag, attrs);
        inner(self);
        self.close(tag)
    }

    /// An element with text in it.
    pub fn leaf(&mut self, tag: &'static str, attrs: Attrs<'_>, text: &str) -> &mut Self {
        self.el(tag, attrs, |m| {
            m.text(text);
        })
    }

    /// An element that has no inside: its start tag, closed for SVG's sake.
    pub fn void(&mut self, tag: &'static str, attrs: Attrs<'_>) -> &mut Self {
        self.open(tag, attrs);
        self.0.pop();
        self.fixed("/>")
    }

    /// A start tag.
    pub fn open(&mut self, tag: &'static str, attrs: Attrs<'_>) -> &mut Self {
        self.fixed("<").fixed(tag);
        for (name, value) in attrs {
            self.fixed(" ").fixed(name).fixed("=\"").text(value).fixed("\"");
        }
        self.fixed(">")
    }

    /// An end tag.
    pub fn close(&mut self, tag: &'static str) -> &mut Self {
        self.fixed("</").fixed(tag).fixed(">")
    }

    /// HTML that was made elsewhere in the same way.
    pub fn add(&mut self, other: &Markup) -> &mut Self {
        self.0.push_str(&other.0);
        self
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The bytes of the file.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }

    /// The text, for tests.
    #[cfg(test)]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn escape(text: &str, out: &mut String) {
    let plain;
    let text = if text.contains(['\u{1b}', '\u{90}', '\u{98}', '\u{9b}', '\u{9d}', '\u{9e}', '\u{9f}']) {
        plain = strip_escapes(text);
        &plain
    } else {
        text
    };
    let mut before = ' ';
    for c in text.chars() {
        match c {
            // Nothing in a page is a command of a CI system that has it in its log.
            '#' if before == '#' => out.push_str("&#35;"),
            ':' if before == ':' => out.push_str("&#58;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\r' => out.push('\n'),
            c => out.push(shown(c)),
        }
        before = c;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_stays_text() {
        let mut m = Markup::default();
        m.leaf("a", &[("href", "x\" onclick='y")], "<b>\u{1b}[31m&\u{0}\u{202e}");
        let want = "<a href=\"x&quot; onclick=&#39;y\">&lt;b&gt;&amp;\u{2400}\u{fffd}</a>";
        assert_eq!(m.as_str(), want);
    }

    proptest! {
        #[test]
        fn no_text_makes_a_tag_or_leaves_its_attribute(value in any::<String>(), text in any::<String>()) {
            let mut m = Markup::default();
            m.leaf("p", &[("title", &value)], &text);
            let inside = m.as_str().strip_prefix("<p title=\"").and_then(|rest| rest.strip_suffix("</p>")).unwrap();
            let (value, text) = inside.split_once("\">").unwrap();
            prop_assert!(!value.contains(['<', '>', '"', '\'']) && !text.contains(['<', '>', '"', '\'']));
        }
    }
}
