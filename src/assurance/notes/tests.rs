//! Notes that are right, and every mistake that can be in them.

use super::*;
use crate::assurance::dr::DrillType;
use crate::source::render;
use crate::view::Quarter;

fn of(files: &[(&str, &str)]) -> Result<DrNotes, String> {
    let sources: Vec<Arc<Source>> = files.iter().map(|(path, text)| Source::new(path, *text)).collect();
    let mut diags = Diagnostics::default();
    let notes = read(&sources, &mut diags);
    assert_eq!(notes.is_none(), diags.has_errors(), "a mistake that nobody tells");
    notes.ok_or_else(|| crate::source::brief::brief(&render(&diags, false)))
}

/// The example of the documentation.
fn example() -> String {
    let page = include_str!("../../../docs/dr-report.md");
    let (_, rest) = page.split_once("<!-- notes -->\n```yaml\n").expect("the example");
    rest.split_once("```").expect("its end").0.to_string()
}

#[test]
fn the_example_of_the_documentation_is_read() {
    let standing =
        "organisation: Another Ltd\nsystem: Everything\ndrills:\n  - { scenario: pg-restore, type: tabletop }\n";
    let notes = of(&[("drill-notes/2026Q4.yaml", &example()), ("drill-notes/all.yaml", standing)]).unwrap();
    let quarter = Quarter::parse("2026Q4").unwrap();
    let header = notes.header(quarter);
    assert_eq!(header.organisation.as_deref(), Some("Example Ltd"), "the quarter's own file goes first");
    assert_eq!((header.plan_id.as_deref(), header.plan_version.as_deref()), (Some("DRP-7"), Some("3.2")));
    assert_eq!(header.approved, None);
    let told = notes.told(quarter, "20261104T020000Z-pg-restore-0002", "pg-restore");
    assert_eq!((told.kind, told.people.len(), told.findings.len()), (Some(DrillType::Functional), 1, 1));
    let before = Quarter::parse("2026Q3").unwrap();
    assert_eq!(notes.header(before).organisation.as_deref(), Some("Another Ltd"));
    assert_eq!(notes.told(before, "x", "pg-restore").kind, Some(DrillType::Tabletop));
}

#[test]
fn every_mistake_of_every_file_is_told_at_once() {
    let first = "\
quarter: 2026Q5
organisation: ''
sistem: Shop
plan: DRP-7
next_drill: 2027-02-30
attestation: { prepared: { role: SRE }, signed: x }
drills:
  - { run: pg-restore, type: funtional, retest_of: x }
  - { scenario: a, run: 20261104T020000Z-a-0001 }
  - type: tabletop
  - { scenario: b, retest_of: 20261104T020000Z-a-0001, people: [x], findings: { id: 1 } }
  - scenario: c
    findings: [{ id: F-1 }, { id: F-2, text: x }, { id: F-2, text: y }]
    accepted_risks: [{ accepted_by: x }]
    objectives: ['']
";
    let second = "quarter: 2026Q4\nsystem: A\ndrills:\n  - { scenario: d }\n";
    let third = "quarter: 2026Q4\nsystem: B\ndrills:\n  - { scenario: d }\n";
    let told = of(&[("n/1.yaml", first), ("n/2.yaml", second), ("n/3.yaml", third)]).expect_err("mistakes");
    insta::assert_snapshot!(told);
}

#[test]
fn what_is_no_map_is_told() {
    let told = ["- a\n", "drills: x\n", "quarter: [a\n", "drills:\n  - x\n"]
        .map(|text| of(&[("a.yaml", text)]).expect_err(text));
    insta::assert_snapshot!(told.join("\n"));
    assert_eq!(of(&[("a.yaml", "{}")]).map(|notes| notes.files.len()), Ok(1), "a file may say nothing");
}

#[test]
fn readers_shapes_and_words_agree() {
    let (schema, gaps) = schema();
    assert_eq!(gaps, Vec::<String>::new());
    assert!(jsonschema::draft202012::meta::is_valid(&schema));
}

#[test]
fn the_schema_takes_what_is_read() {
    let source = Source::new("a.yaml", example());
    let value = crate::source::parse(&source, &mut Diagnostics::default()).unwrap().to_json();
    let validator = jsonschema::draft202012::new(&schema().0).unwrap();
    let complaints: Vec<String> =
        validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert_eq!(complaints, Vec::<String>::new());
    for wrong in ["quarter: 4", "drills: [{}]", "sistem: x", "drills: [{ scenario: a, type: b }]", "next_drill: soon"] {
        let source = Source::new("a.yaml", wrong);
        let value = crate::source::parse(&source, &mut Diagnostics::default()).unwrap().to_json();
        assert!(!validator.is_valid(&value) && of(&[("a.yaml", wrong)]).is_err(), "{wrong}");
    }
}

#[test]
fn a_folder_is_read_in_order_and_none_is_no_mistake() {
    let dir = tempfile::tempdir().unwrap();
    let mut diags = Diagnostics::default();
    assert_eq!(read_folder(&dir.path().join("none"), &mut diags).unwrap(), Some(DrNotes::default()));
    for (name, text) in [("b.yml", "system: B"), ("a.yaml", "tier: 1"), ("c.txt", "{{{")] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let notes = read_folder(dir.path(), &mut diags).unwrap().unwrap();
    assert!(notes.files[0].path.ends_with("a.yaml") && notes.files.len() == 2);
    std::fs::write(dir.path().join("d.yaml"), b"\xff").unwrap();
    assert_eq!(read_folder(dir.path(), &mut diags).unwrap(), None);
    assert!(diags.has_errors());
}
