//! A page for a terminal, of eighty columns or as many as it has: its colours, columns and lines, and what every such page is made of.

use crate::output::{one_line, visible};
use crate::view::StatusSymbol;
use console::{Alignment, Style, pad_str};

/// Columns of a page, unless a path or a word of the user's own is longer.
pub(super) const WIDTH: usize = 80;

/// The lines of a page.
pub struct TerminalPage {
    /// Its colours.
    pub paint: Paint,
    /// Its columns.
    pub width: usize,
    text: String,
}

impl TerminalPage {
    /// A page that begins with a rule.
    pub fn new(color: bool) -> TerminalPage {
        let mut page = TerminalPage::plain(WIDTH, color);
        page.line(&page.paint.dim(&"─".repeat(WIDTH)));
        page
    }

    /// An empty page.
    pub fn plain(width: usize, color: bool) -> TerminalPage {
        TerminalPage { paint: Paint { color }, width, text: String::new() }
    }

    /// A line as it is.
    pub fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// A text behind what leads it, in as many lines as it needs.
    pub fn wrapped(&mut self, lead: &str, text: &str) {
        self.hanging(lead, console::measure_text_width(lead), text, |_, line| line.to_string());
    }

    /// A painted text behind `lead`, in as many lines as it needs, those after the first indented by `indent` columns.
    pub fn hanging(&mut self, lead: &str, indent: usize, text: &str, paint: fn(Paint, &str) -> String) {
        let mut lead = lead.to_string();
        for line in wrap(&one_line(text), self.width.saturating_sub(indent)) {
            self.line(&format!("{lead}{}", paint(self.paint, &line)));
            lead = " ".repeat(indent);
        }
    }

    /// The heading of a section.
    pub fn section(&mut self, name: &str, rest: &str) {
        self.line("");
        self.line(&format!("  {}  {rest}", self.paint.bold(name)));
    }

    /// The heading of a section of these rows; nothing where there is none.
    pub fn section_of<T>(&mut self, name: &str, rows: &[T]) {
        if !rows.is_empty() {
            self.section(name, "");
        }
    }

    /// A name to the right of a margin, and what is said about it.
    pub fn named(&mut self, name: &str, text: &str) {
        self.wrapped(&format!("{}  ", self.paint.bold(&right(name, 8))), text);
    }

    /// A row of a section: a sign where something is judged, a name, a text.
    pub fn row(&mut self, symbol: Option<StatusSymbol>, name: &str, text: &str) {
        let sign = symbol.map_or(" ".to_string(), |symbol| self.sign(symbol));
        self.wrapped(&format!("    {sign} {} ", column(name, 17)), text);
    }

    /// A sign in its colour.
    pub fn sign(&self, symbol: StatusSymbol) -> String {
        self.paint.marked(symbol, symbol.sign())
    }

    /// The text of the page.
    pub fn text(self) -> String {
        self.text
    }
}

/// Paints, or leaves text as it is. Colours never carry meaning alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Paint {
    /// Whether to paint.
    pub color: bool,
}

impl Paint {
    fn with(self, text: &str, style: Style) -> String {
        if !self.color || text.is_empty() {
            return text.to_string();
        }
        style.force_styling(true).apply_to(text).to_string()
    }

    /// Names and headings.
    pub fn bold(self, text: &str) -> String {
        self.with(text, Style::new().bold())
    }

    /// What matters less.
    pub fn dim(self, text: &str) -> String {
        self.with(text, Style::new().dim())
    }

    /// Text in the colour of a mark.
    pub fn marked(self, mark: StatusSymbol, text: &str) -> String {
        self.with(text, Paint::style(mark))
    }

    /// Text in the colour of a mark, bold.
    pub fn headline(self, mark: StatusSymbol, text: &str) -> String {
        self.with(text, Paint::style(mark).bold())
    }

    fn style(mark: StatusSymbol) -> Style {
        match mark {
            StatusSymbol::Good => Style::new().green(),
            StatusSymbol::Bad => Style::new().red(),
            StatusSymbol::Warn => Style::new().yellow(),
            StatusSymbol::Skip => Style::new().dim(),
            StatusSymbol::Plain => Style::new(),
        }
    }
}

/// A text cut to `width` columns, with `…` where it was cut.
pub fn cut(text: &str, width: usize) -> String {
    console::truncate_str(text, width, "…").into_owned()
}

/// A text on one line, filled up with spaces to `width` columns, or cut to them.
pub fn column(text: &str, width: usize) -> String {
    pad_str(&cut(&visible(text), width), width, Alignment::Left, None).into_owned()
}

/// A text filled up with spaces on its left.
pub fn right(text: &str, width: usize) -> String {
    pad_str(text, width, Alignment::Right, None).into_owned()
}

/// A text broken at spaces into lines of at most `width` columns; a longer word gets a line of its own.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    wrap_words(text.split_whitespace(), width)
}

/// Words, which may hold spaces, as lines of at most `width` columns; a longer word gets a line of its own.
pub fn wrap_words<'a>(words: impl Iterator<Item = &'a str>, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut used = 0;
    for word in words {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paint_adds_nothing_but_colour() {
        let painted = Paint { color: true }.headline(StatusSymbol::Bad, "failed");
        assert_ne!(painted, "failed");
        assert_eq!(console::strip_ansi_codes(&painted), "failed");
        assert_eq!(Paint { color: false }.headline(StatusSymbol::Bad, "failed"), "failed");
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
}
