//! The table of programs as a page for people: `docs/programs.md`.

use super::table::{Program, Way, table};
use std::fmt::Write as _;

const HEAD: &str = include_str!("page.txt");

/// The page.
pub fn page() -> String {
    let table = table();
    let mut out = HEAD.to_string();
    let _ = writeln!(out, "## Programs that only look, however they are called\n");
    let mut safe: Vec<&str> = table.safe.iter().map(String::as_str).collect();
    safe.sort_unstable();
    let _ = writeln!(out, "{}\n", code(safe.iter().copied()));
    let _ = writeln!(out, "## Programs that look when they are called in some ways\n");
    let mut programs: Vec<&Program> = table.programs.iter().collect();
    programs.sort_by_key(|program| program.names.first());
    let (looking, others): (Vec<&Program>, Vec<&Program>) =
        programs.into_iter().partition(|program| !program.looks.is_empty());
    let _ = writeln!(out, "| programs | look when called as | only | never with |\n| --- | --- | --- | --- |");
    for program in looking {
        let only = program.only.as_ref().map(|only| code(only.iter().map(String::as_str))).unwrap_or_default();
        let (names, refuse) = (code(names(program)), code(program.refuse.iter().map(String::as_str)));
        let _ = writeln!(out, "| {names} | {} | {only} | {refuse} |", ways(&program.looks));
    }
    let _ = writeln!(out, "\n## Programs that are known, and never only look\n");
    let _ = writeln!(out, "{}\n", code(others.into_iter().flat_map(names)));
    let _ = writeln!(out, "## Programs that run another one, and are looked through\n");
    let wrappers = table.wrappers.iter().flat_map(|wrapper| &wrapper.names);
    let scripts = table.scripts.iter().flat_map(|script| &script.names);
    let _ = writeln!(out, "{}", code(wrappers.chain(scripts).map(String::as_str)));
    out
}

fn names(program: &Program) -> impl Iterator<Item = &str> {
    program.names.iter().map(String::as_str)
}

fn code<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.map(|word| format!("`{}`", word.replace('|', "\\|"))).collect();
    words.join(", ")
}

fn ways(ways: &[Way]) -> String {
    let shown = |way: &Way| if way.is_any() { "anything".into() } else { code([way.text().as_str()].into_iter()) };
    ways.iter().map(shown).collect::<Vec<String>>().join(", ")
}
