//! The report as one HTML file that asks nobody for anything: made for A4, readable on a screen.

use super::document::{Block, Cell, Document, Tone};
use super::{DrReport, pages};
use crate::report::html::markup::Markup;
use crate::report::html::words::prose;

const STYLE: &str = include_str!("a4.css");

/// The report as HTML.
pub fn html(report: &DrReport) -> Vec<u8> {
    let Document { title, foot, blocks } = pages::document(report);
    let mut m = Markup::default();
    m.fixed("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    m.fixed("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; ");
    m.fixed("img-src data:; base-uri 'none'; form-action 'none'\">");
    m.fixed("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    m.fixed("<meta name=\"color-scheme\" content=\"light\"><meta name=\"referrer\" content=\"no-referrer\">");
    m.fixed("<link rel=\"icon\" href=\"data:,\">");
    m.leaf("title", &[], &title);
    m.fixed("<style>").fixed(STYLE);
    // Into a string of CSS goes nothing that could end it.
    let safe: String = foot.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | ':')).collect();
    m.fixed("@page{@bottom-left{content:\"").text(&safe).fixed("\"}}");
    m.fixed("</style></head><body>\n<main>\n");
    m.leaf("h1", &[], &title).fixed("\n");
    for part in &blocks {
        block(&mut m, part);
        m.fixed("\n");
    }
    m.fixed("</main>\n</body></html>\n");
    m.into_bytes()
}

fn block(m: &mut Markup, block: &Block) {
    match block {
        Block::Heading(level, text, id) => {
            let tag = match level {
                0..=2 => "h2",
                3 => "h3",
                _ => "h4",
            };
            let id: &[(&'static str, &str)] = &[("id", id)];
            m.el(tag, if id[0].1.is_empty() { &[] } else { id }, |m| prose(m, text));
        }
        Block::Opening(text, id) => {
            m.el("h3", &[("id", id), ("class", "opening")], |m| prose(m, text));
        }
        Block::Para(text) => {
            m.el("p", &[], |m| prose(m, text));
        }
        Block::Alert(tone, text) => {
            m.el("p", &[("class", &format!("alert {}", class(*tone)))], |m| prose(m, text));
        }
        Block::List(points) => {
            m.el("ul", &[], |m| {
                for point in points {
                    m.el("li", &[], |m| prose(m, point));
                }
            });
        }
        Block::Facts(facts) => {
            m.el("table", &[("class", "facts")], |m| {
                m.fixed("<colgroup><col style=\"width:27%\"><col></colgroup><tbody>");
                for (label, fact) in facts {
                    m.fixed("<tr>");
                    m.leaf("th", &[("scope", "row")], label);
                    cell(m, fact);
                    m.fixed("</tr>\n");
                }
                m.fixed("</tbody>");
            });
        }
        Block::Table(head, rows) => table(m, head, rows),
    }
}

fn table(m: &mut Markup, head: &[(&'static str, u8)], rows: &[Vec<Cell>]) {
    m.el("table", &[("class", "rows")], |m| {
        m.fixed("<colgroup>");
        for (_, share) in head {
            m.open("col", &[("style", &format!("width:{share}%"))]);
        }
        m.fixed("</colgroup><thead><tr>");
        for (text, _) in head {
            m.leaf("th", &[("scope", "col")], text);
        }
        m.fixed("</tr></thead><tbody>\n");
        for row in rows {
            m.fixed("<tr>");
            for one in row {
                cell(m, one);
            }
            m.fixed("</tr>\n");
        }
        m.fixed("</tbody>");
    });
}

fn cell(m: &mut Markup, cell: &Cell) {
    m.el("td", &[("class", class(cell.tone))], |m| {
        for (at, line) in cell.lines.iter().enumerate() {
            if at > 0 {
                m.fixed("<br>");
            }
            prose(m, line);
        }
    });
}

fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Missing => "missing",
        Tone::Good => "good",
        Tone::Bad => "bad",
        Tone::Warn => "warn",
        Tone::Instant => "instant",
    }
}
