//! A view at the end of a terminal that is drawn again and again, below the lines that stay.

use super::text::{per_line, shown_line};
use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::fmt;
use std::time::Duration;

/// A view on standard error, which is a terminal. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Live(ProgressBar);

impl Live {
    /// Draws what `view` makes of the terminal's lines and columns, at least every `tick`, until [`Live::end`].
    pub fn start(tick: Duration, view: impl Fn(usize, usize) -> String + Clone + Send + Sync + 'static) -> Live {
        // The template is fixed and valid; the default style would only look different.
        let style = ProgressStyle::with_template("{view}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        let style = style.with_key("view", move |_: &ProgressState, out: &mut dyn fmt::Write| {
            let (lines, columns) = Live::size();
            // Writing to the line that is being built cannot fail.
            let _ = out.write_str(&per_line(&view(lines, columns), |line| shown_line(line, true)));
        });
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style);
        bar.enable_steady_tick(tick);
        Live(bar)
    }

    /// Lines and columns that a view has: one less than the terminal, for some terminals wrap a full line.
    pub fn size() -> (usize, usize) {
        let (lines, columns) = Term::stderr().size();
        (usize::from(lines).saturating_sub(1), usize::from(columns).saturating_sub(1))
    }

    /// Writes text above the view.
    pub fn say(&self, text: &str) {
        self.0.println(per_line(text, |line| shown_line(line, true)));
    }

    /// Takes the view away until `meanwhile` has returned.
    pub fn suspend(&self, meanwhile: impl FnOnce()) {
        self.0.suspend(meanwhile);
    }

    /// Takes the view away for good.
    pub fn end(&self) {
        if !self.0.is_finished() {
            self.0.finish_and_clear();
        }
    }
}
