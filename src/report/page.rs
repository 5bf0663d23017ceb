//! A page for a terminal, of eighty columns or as many as it has: its lines, and what every such page is made of.

use super::paint::Paint;
use super::text::{column, right, wrap};
use crate::output::one_line;
use crate::view::StatusSymbol;

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
