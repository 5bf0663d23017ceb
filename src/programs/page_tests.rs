//! The table of programs as a page for people, which `docs/programs.md` is.

use super::table::{Program, TABLE, Way};

#[test]
fn the_page_of_programs_is_the_table() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/programs.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, page()).expect("docs/programs.md");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == page(), "write it again: UPDATE_DOCS=1 cargo test --lib programs::page");
}

fn page() -> String {
    let table = &*TABLE;
    let mut safe: Vec<&String> = table.safe.iter().collect();
    safe.sort_unstable();
    let mut programs: Vec<&Program> = table.programs.iter().collect();
    programs.sort_by_key(|program| program.names.first());
    let (looking, others): (Vec<&Program>, Vec<&Program>) =
        programs.into_iter().partition(|program| !program.looks.is_empty());
    let row = |program: &Program| {
        let [names, refuse] = [&program.names, &program.refuse].map(code);
        let only = code(program.only.iter().flatten());
        format!("| {names} | {} | {only} | {refuse} |\n", ways(&program.looks))
    };
    let wrappers = table.wrappers.iter().flat_map(|wrapper| &wrapper.names);
    format!(
        include_str!("page.txt"),
        safe = code(safe),
        looking = looking.into_iter().map(row).collect::<String>(),
        others = code(others.into_iter().flat_map(|program| &program.names)),
        wrappers = code(wrappers.chain(table.scripts.iter().flat_map(|script| &script.names))),
    )
}

fn code<'a>(words: impl IntoIterator<Item = &'a String>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{}`", word.replace('|', "\\|"))).collect();
    words.join(", ")
}

fn ways(ways: &[Way]) -> String {
    let shown = |way: &Way| if way.is_any() { "anything".into() } else { code([&way.text()]) };
    ways.iter().map(shown).collect::<Vec<String>>().join(", ")
}
