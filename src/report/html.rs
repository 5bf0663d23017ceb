//! The report that people read: one HTML file that asks nobody for anything, has no script, and is as readable on a phone
//! as on paper. Of one drill first the answers and the time axis, of several the failures; then every drill with its runbook.

mod axis;
mod budget;
mod drill;
mod front;
mod markdown;
pub(super) mod markup;
mod restore;
mod runbook;
mod samples;
mod signals;
mod svg;
mod tables;
pub(super) mod words;

use super::{Drills, Entry};
use budget::{Context, LEVELS};
use markup::Markup;

/// The report stays below this number of bytes as long as it can tell less: of the drills that passed, then of those that failed
/// beyond the first ones.
const ROOM: usize = 4_600_000;

const STYLE: &str = include_str!("html/page.css");

/// The report as HTML: self-contained, without script, failures first.
pub fn html(drills: &Drills) -> Vec<u8> {
    let mut page = Markup::default();
    for level in 0..LEVELS {
        page = whole(drills, level);
        if page.len() <= ROOM {
            break;
        }
    }
    page.into_bytes()
}

fn whole(drills: &Drills, level: usize) -> Markup {
    let mut entries = drills.entries();
    entries.sort_by_key(|entry| front::rank(entry.status));
    let entries: Vec<(String, Entry<'_>)> =
        entries.into_iter().enumerate().map(|(at, entry)| (format!("d{}", at + 1), entry)).collect();
    let mut context = Context::of(drills.records.len(), level);
    context.beside_runs = drills.days.len() == 1;
    let mut m = Markup::default();
    m.fixed("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    // Nothing is fetched and nothing runs, whatever a record has in it.
    m.fixed("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; ");
    m.fixed("img-src data:; base-uri 'none'; form-action 'none'\">");
    m.fixed("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    m.fixed("<meta name=\"color-scheme\" content=\"light dark\"><meta name=\"referrer\" content=\"no-referrer\">");
    m.fixed("<link rel=\"icon\" href=\"data:,\">");
    let (_, said) = front::sentence(&entries);
    m.leaf("title", &[], &format!("{said} – {}", front::title(drills, &entries)));
    m.fixed("<style>").fixed(STYLE).fixed("</style></head><body>\n");
    m.fixed("<a class=\"skip\" href=\"#main\">To the content</a>\n");
    front::head(&mut m, drills, &entries);
    m.fixed("\n<main id=\"main\">\n");
    if let [(id, one)] = entries.as_slice() {
        front::answers(&mut m, one);
        drill::over_time(&mut m, one, id, &mut context);
    }
    front::failures(&mut m, &entries, &context);
    if entries.len() > 1 {
        front::overview(&mut m, &entries);
    }
    if !entries.is_empty() {
        m.fixed("\n<section aria-labelledby=\"drills-h\"><h2 id=\"drills-h\">");
        m.fixed(if entries.len() == 1 { "The drill" } else { "The drills, one by one" }).fixed("</h2>\n");
        for (id, entry) in &entries {
            drill::drill(&mut m, entry, id, entries.len() == 1, &mut context);
            m.fixed("\n");
        }
        m.fixed("</section>\n");
    }
    m.fixed("</main>\n<footer><p>Made by Firedrill from the records of the drills. ");
    m.fixed("It can be made again from them at any time.</p></footer>\n</body></html>\n");
    m
}

#[cfg(test)]
mod tests;
