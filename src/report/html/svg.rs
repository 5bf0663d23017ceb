//! A drawing whose width is the page's: places along time are percentages, heights and letters are pixels, so the text
//! reads the same on a phone and on a wide screen. Curves lie in drawings of their own that are stretched.

use super::markup::Markup;
use super::samples::Samples;
use crate::record::DrillTime;

/// Width of the units in which curves are written.
const UNITS: f64 = 1000.0;
/// Height of the units in which curves are written.
const HIGH: f64 = 100.0;

/// Along time.
#[derive(Debug, Clone, Copy)]
pub struct Axis {
    /// What it shows.
    pub samples: Samples,
}

impl Axis {
    /// The place of an instant, in percent.
    pub fn x(&self, at: DrillTime) -> String {
        percent(self.samples.place(at))
    }

    /// The width of a stretch, in percent, at least as wide as can be seen.
    pub fn width(&self, from: DrillTime, to: DrillTime) -> String {
        percent((self.samples.place(to) - self.samples.place(from)).max(0.004))
    }

    /// A text at an instant that does not leave the drawing: it ends there in the right half.
    pub fn label(&self, m: &mut Markup, at: DrillTime, y: f64, class: &'static str, text: &str) {
        let place = self.samples.place(at);
        let (anchor, dx) = if place > 0.5 { ("end", "-5") } else { ("start", "5") };
        let (x, y) = (percent(place), px(y));
        m.leaf("text", &[("x", &x), ("y", &y), ("dx", dx), ("text-anchor", anchor), ("class", class)], text);
    }

    /// A curve in the field that begins at `top` and is `height` pixels high. Values are in 0..=1; where there is none, the
    /// curve has a gap. With `filled` the field below it is tinted.
    pub fn curve(
        &self,
        m: &mut Markup,
        top: f64,
        height: f64,
        class: &'static str,
        values: &[Option<f64>],
        filled: bool,
    ) {
        let (top, height) = (px(top), px(height));
        let view = format!("0 0 {UNITS} {HIGH}");
        let field: &[(&'static str, &str)] = &[
            ("x", "0"),
            ("y", &top),
            ("width", "100%"),
            ("height", &height),
            ("viewBox", &view),
            ("preserveAspectRatio", "none"),
        ];
        m.el("svg", field, |m| {
            for run in runs(values) {
                let mut line = String::new();
                let x = |at: usize| (at as f64 + 1.0) / values.len() as f64 * UNITS;
                for (at, value) in &run {
                    let sign = if line.is_empty() { 'M' } else { 'L' };
                    line.push_str(&format!("{sign}{} {}", short(x(*at)), short((1.0 - value) * (HIGH - 2.0) + 1.0)));
                }
                let ends = run.first().zip(run.last());
                if let (true, Some(((first, _), (last, _)))) = (filled, ends) {
                    let area = format!("{line}L{} {HIGH}L{} {HIGH}Z", short(x(*last)), short(x(*first)));
                    m.void("path", &[("d", &area), ("class", "area")]);
                }
                m.void("path", &[("d", &line), ("class", class), ("vector-effect", "non-scaling-stroke")]);
            }
        });
    }

    /// Seconds along the bottom, and what they count from.
    pub fn ticks(&self, m: &mut Markup, y: f64, top: f64) {
        let length = self.samples.length() as f64 / 1e6;
        let nice = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0];
        let every = nice.into_iter().find(|step| length / step <= 6.0).unwrap_or((length / 6.0).max(3600.0));
        let zero = self.samples.zero as f64 / 1e6;
        let from = self.samples.from as f64 / 1e6;
        let mut at = ((from - zero) / every).ceil() * every;
        while at <= from + length - zero {
            let place = (at + zero - from) / length;
            let x = percent(place);
            m.void("line", &[("x1", &x), ("x2", &x), ("y1", &px(top)), ("y2", &px(y)), ("class", "grid")]);
            let anchor = if place > 0.94 {
                "end"
            } else if place < 0.06 {
                "start"
            } else {
                "middle"
            };
            let text = if at == 0.0 {
                "0".to_string()
            } else {
                format!("{}{} s", if at < 0.0 { "−" } else { "+" }, at.abs())
            };
            m.leaf("text", &[("x", &x), ("y", &px(y + 14.0)), ("text-anchor", anchor), ("class", "tick")], &text);
            at += every;
        }
    }
}

/// The values without the gaps between them, each with its place.
fn runs(values: &[Option<f64>]) -> Vec<Vec<(usize, f64)>> {
    let mut runs: Vec<Vec<(usize, f64)>> = Vec::new();
    let mut open = false;
    for (at, value) in values.iter().enumerate() {
        match (value, runs.last_mut()) {
            (None, _) => open = false,
            (Some(value), Some(run)) if open => run.push((at, value.clamp(0.0, 1.0))),
            (Some(value), _) => {
                runs.push(vec![(at, value.clamp(0.0, 1.0))]);
                open = true;
            }
        }
    }
    // In a straight stretch only its ends are needed.
    for run in &mut runs {
        let all = std::mem::take(run);
        for (i, point) in all.iter().enumerate() {
            let same = |other: Option<&(usize, f64)>| other.is_some_and(|other| other.1 == point.1);
            if !(i > 0 && same(all.get(i - 1)) && same(all.get(i + 1))) {
                run.push(*point);
            }
        }
    }
    runs
}

/// A share as a percentage of the width.
pub fn percent(share: f64) -> String {
    format!("{}%", short(share * 100.0))
}

/// Pixels.
pub fn px(value: f64) -> String {
    short(value)
}

fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_ends_a_curve_and_straight_stretches_are_short() {
        let values = [Some(1.0), Some(1.0), Some(1.0), None, Some(0.5), Some(2.0)];
        assert_eq!(runs(&values), vec![vec![(0, 1.0), (2, 1.0)], vec![(4, 0.5), (5, 1.0)]]);
        assert!(runs(&[]).is_empty());
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!((percent(0.125), px(10.0), short(-0.5)), ("12.5%".into(), "10".into(), "-0.5".into()));
    }
}
