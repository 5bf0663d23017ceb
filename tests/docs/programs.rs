//! `docs/programs.md` is the table of programs.

use crate::pages::root;

#[test]
fn the_page_of_programs_is_the_table() {
    let path = root().join("docs/programs.md");
    let page = firedrill::programs::page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("docs/programs.md");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == page, "write it again: UPDATE_DOCS=1 cargo test --test docs programs");
}
