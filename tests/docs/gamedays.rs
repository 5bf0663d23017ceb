//! The page about game days: its examples load, its tables have every key.

use crate::pages::{blocks, first_cells, page, root};
use firedrill::source::render;
use firedrill::spec::{self, Overrides};
use std::collections::BTreeSet;

const PAGE: &str = "docs/gameday.md";

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory").flatten() {
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), &to).expect("a copy")),
        }
    }
}

/// With the scenarios of the repository, whatever is in them: tags of the page are tags of theirs.
#[test]
fn the_examples_of_game_days_load() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("gamedays")).expect("a directory");
    for folder in ["scenarios", "runbooks", "stacks"] {
        copy(&root().join(folder), &dir.path().join(folder));
    }
    let examples = blocks(&page(PAGE)).into_iter().filter(|b| b.tag == "yaml" && b.text.starts_with("title:"));
    let mut seen = 0;
    for example in examples {
        seen += 1;
        let path = dir.path().join("gamedays/example.yaml");
        std::fs::write(&path, &example.text).expect("a game day");
        let (day, diags) = spec::load_game_day(&path, &Overrides::default());
        assert!(day.is_some() && diags.all.is_empty(), "{}\n{}", example.text, render(&diags, false));
    }
    assert!(seen >= 2, "only {seen} examples");
}

#[test]
fn the_tables_have_every_key_and_no_other() {
    let (schema, _) = spec::game_day_schema();
    let keys = |pointer: &str| -> BTreeSet<String> {
        let map = schema.pointer(pointer).and_then(serde_json::Value::as_object).expect("properties");
        map.keys().cloned().collect()
    };
    assert_eq!(first_cells(&page(PAGE), "Top level"), keys("/properties"));
    let entry = "/properties/scenarios/anyOf/1/items/anyOf/1/properties";
    assert_eq!(first_cells(&page(PAGE), "`scenarios`"), keys(entry));
}

/// The scenarios that a game day of the repository names.
fn named_by(day: &str) -> BTreeSet<String> {
    let (day, diags) = spec::load_game_day(&root().join("gamedays").join(day), &Overrides::default());
    let day = day.unwrap_or_else(|| panic!("{}", render(&diags, false)));
    day.scenarios.into_iter().map(|scenario| scenario.plan.name).collect()
}

/// Every scenario of the repository is drilled every night, those in Kubernetes where there is a cluster, and DR drills on a day of
/// their own, which does not keep them from being drilled at night as well.
#[test]
fn the_game_days_have_every_scenario_between_them() {
    let files = spec::project_scenarios(&root());
    let (mut night, mut quarter, mut cluster) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for file in &files {
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(file).expect("a scenario");
        match text.contains("\n  kubernetes:\n") {
            true => cluster.insert(name),
            false if text.lines().any(|line| line == "kind: dr") => quarter.insert(name),
            false => night.insert(name),
        };
    }
    assert_eq!(&named_by("nightly.yaml") - &quarter, night);
    assert_eq!(named_by("quarterly.yaml"), quarter);
    assert_eq!(named_by("kubernetes.yaml"), cluster);
}
