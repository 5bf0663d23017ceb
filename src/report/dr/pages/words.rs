//! Quarters, instants, durations and numbers as auditors read them.

use crate::report::dr::document::{Cell, Tone};
use crate::report::dr::{DrVerdict, Quarter};
use crate::report::text::{declared, seconds};

/// `the fourth quarter of 2026`.
pub fn quarter(quarter: Quarter) -> String {
    let text = quarter.to_string();
    let name = match text.get(4..) {
        Some("Q1") => "first",
        Some("Q2") => "second",
        Some("Q3") => "third",
        _ => "fourth",
    };
    format!("{name} quarter of {}", text.get(..4).unwrap_or_default())
}

/// `2026-11-20 06:41:12 UTC` of an RFC 3339 text in UTC.
pub fn instant(utc: &str) -> String {
    match (utc.get(..10), utc.get(11..19)) {
        (Some(day), Some(hour)) => format!("{day} {hour} UTC"),
        _ => utc.to_string(),
    }
}

/// `06:41:12.345` of an RFC 3339 text.
pub fn clock(utc: &str) -> String {
    let time = utc.get(11..).unwrap_or(utc).trim_end_matches('Z');
    match time.split_once('.') {
        Some((whole, fraction)) => format!("{whole}.{fraction:0<3.3}"),
        None => format!("{time}.000"),
    }
}

/// A duration: `12.30 s`, `2 min 05 s`, `3 h 05 min`, `2 d 3 h`.
pub fn span(us: u64) -> String {
    const MINUTE: u64 = 60_000_000;
    let text = match us {
        0 => "0 s".into(),
        _ if us < 60 * MINUTE => seconds(us),
        _ if us < 48 * 60 * MINUTE => two(us / (60 * MINUTE), "h", us / MINUTE % 60, "min"),
        _ => two(us / (24 * 60 * MINUTE), "d", us / (60 * MINUTE) % 24, "h"),
    };
    whole(text)
}

/// A number keeps its unit on its line.
fn whole(text: String) -> String {
    text.replace(' ', "\u{a0}")
}

fn two(many: u64, unit: &str, few: u64, small: &str) -> String {
    if few == 0 { format!("{many} {unit}") } else { format!("{many} {unit} {few} {small}") }
}

/// A duration that was set: without what nobody set.
pub fn target(us: u64) -> String {
    whole(declared(us))
}

/// The age of a backup.
pub fn age(us: u64) -> String {
    whole(crate::report::restore::span(us))
}

/// A duration, or that it was not measured.
pub fn measured(us: Option<u64>) -> Cell {
    us.map_or_else(|| Cell::toned("not measured", Tone::Warn), |us| Cell::text(span(us)))
}

/// `4.2 MB (4200000 bytes)`.
pub fn bytes(text: &str) -> String {
    match text.parse::<u64>() {
        Ok(bytes) if bytes >= 10_000 => format!("{} ({bytes} bytes)", crate::report::text::bytes(bytes)),
        Ok(bytes) => format!("{bytes} bytes"),
        Err(_) => text.to_string(),
    }
}

/// A verdict as a cell.
pub fn verdict(verdict: DrVerdict, expects_failure: bool, control: bool) -> Cell {
    let tone = match verdict {
        DrVerdict::Pass => Tone::Good,
        DrVerdict::PassWithConditions | DrVerdict::NoVerdict => Tone::Warn,
        DrVerdict::Fail => Tone::Bad,
    };
    let mut cell = Cell::toned(verdict.words(), tone);
    let passed = matches!(verdict, DrVerdict::Pass | DrVerdict::PassWithConditions);
    if control {
        cell.lines.push("(control)".into());
    } else if expects_failure && passed {
        cell.lines.push("(of the expected failure)".into());
    }
    cell
}

pub use crate::report::words::{counts, many};
