//! Colours, which never carry meaning alone.

use crate::view::StatusSymbol;
use console::Style;

/// Paints, or leaves text as it is.
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
}
