//! Which section of the report supports which requirement. It supports an audit; whether a requirement is met is for the
//! auditor to say.

use serde::Serialize;

/// A requirement and the sections that support it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standard {
    /// The requirement.
    pub requirement: &'static str,
    /// What it asks for, in a few words.
    pub asks: &'static str,
    /// The sections that support it.
    pub sections: &'static str,
}

/// Every requirement: in `supports.txt` three lines each.
pub fn supports() -> Vec<Standard> {
    let each = include_str!("supports.txt").split("\n\n").map(str::lines);
    let standard = |mut lines: std::str::Lines<'static>| {
        Some(Standard { requirement: lines.next()?, asks: lines.next()?, sections: lines.next()? })
    };
    each.filter_map(standard).collect()
}
