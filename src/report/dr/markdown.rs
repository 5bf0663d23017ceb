//! The report as Markdown, for a job's summary, a wiki or a repository.

use super::document::{Block, Cell, Document, Tone};
use super::{DrReport, pages};
use crate::report::markdown::prose;

/// The report as Markdown.
pub fn markdown(report: &DrReport) -> Vec<u8> {
    let mut out = String::new();
    let Document { title, blocks, .. } = pages::document(report);
    out.push_str(&format!("# {}\n", prose(&title)));
    for block in &blocks {
        out.push('\n');
        match block {
            Block::Heading(level, text, _) => {
                out.push_str(&format!("{} {}\n", "#".repeat(usize::from(*level)), prose(text)));
            }
            Block::Opening(text, _) => out.push_str(&format!("### {}\n", prose(text))),
            Block::Para(text) => out.push_str(&format!("{}\n", prose(text))),
            Block::Alert(_, text) => out.push_str(&format!("> **{}**\n", prose(text))),
            Block::List(points) => points.iter().for_each(|point| out.push_str(&format!("- {}\n", prose(point)))),
            Block::Facts(facts) => {
                out.push_str("| | |\n| --- | --- |\n");
                for (label, fact) in facts {
                    out.push_str(&format!("| **{}** | {} |\n", prose(label), cell(fact)));
                }
            }
            Block::Table(head, rows) => {
                let heads: Vec<&str> = head.iter().map(|(head, _)| *head).collect();
                out.push_str(&format!("| {} |\n|{}\n", heads.join(" | "), " --- |".repeat(heads.len())));
                for row in rows {
                    let cells: Vec<String> = row.iter().map(cell).collect();
                    out.push_str(&format!("| {} |\n", cells.join(" | ")));
                }
            }
        }
    }
    out.into_bytes()
}

fn cell(cell: &Cell) -> String {
    let lines: Vec<String> = cell.lines.iter().map(|line| prose(line)).collect();
    let text = lines.join("<br>");
    match cell.tone {
        _ if text.is_empty() => text,
        Tone::Missing => format!("_{text}_"),
        Tone::Good | Tone::Bad | Tone::Warn => format!("**{text}**"),
        Tone::Plain | Tone::Instant => text,
    }
}
