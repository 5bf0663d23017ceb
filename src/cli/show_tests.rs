//! `firedrill show` on runbooks of every shape, our own included.

use super::*;
use crate::runbook::RunbookPhase;

fn folder(name: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = project_files(root, name, &["md"]);
    assert!(!files.is_empty(), "{name} is empty");
    files
}

/// The steps and the mistakes of a file, the path shown as in the repository.
fn shown(path: &Path) -> (Runbook, String) {
    let short = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
    let source = Source::new(short, std::fs::read_to_string(path).unwrap());
    let mut diags = Diagnostics::default();
    let runbook = runbook::parse(&source, &mut diags).unwrap();
    let text = format!("{}{}", text(&runbook), render(&diags, false));
    (runbook, text)
}

#[test]
fn runbooks_of_every_shape_are_read_as_a_person_reads_them() {
    for path in folder("tests/runbooks").into_iter().chain(folder("runbooks")) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_string();
        insta::assert_snapshot!(name, shown(&path).1);
    }
}

#[test]
fn our_own_runbooks_have_no_mistakes_and_a_mitigation() {
    for path in folder("runbooks") {
        let (runbook, text) = shown(&path);
        assert!(!text.contains("error:"), "{text}");
        let mitigations = runbook.select(&[RunbookPhase::Mitigate]).filter(|step| !step.commands().is_empty());
        assert!(mitigations.count() > 0);
    }
}

#[test]
fn json_says_the_same() {
    let path = folder("tests/runbooks").into_iter().find(|path| path.ends_with("prompts.md")).unwrap();
    let (runbook, _) = shown(&path);
    insta::assert_snapshot!("prompts.json", serde_json::to_string_pretty(&Shown::of(&runbook)).unwrap());
}

#[test]
fn a_wrong_name_is_answered_with_the_right_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let message = |name: &str| {
        let error = read(Path::new(name), root).unwrap_err();
        error.to_string().replace(env!("CARGO_MANIFEST_DIR"), "")
    };
    let near = "error: there is no runbook `runbooks/db-pol.md`\nhelp: did you mean `/runbooks/db-pool.md`?";
    assert_eq!(format!("error: {}", message("runbooks/db-pol.md")), near);
    insta::assert_snapshot!("wrong-name", message("nothing-like-it"));
    assert!(read(Path::new("db-pool"), root).is_ok());
    let folder = root.join("runbooks");
    assert!(read(&folder, root).unwrap_err().to_string().contains("it is a directory"));
}

#[test]
fn a_terminal_is_not_obeyed() {
    let source = Source::new("x.md", "# A \u{1b}[2J\n\n## Fix\n\n```sh\nls \u{7}\n```\n");
    let runbook = runbook::parse(&source, &mut Diagnostics::default()).unwrap();
    let text = text(&runbook);
    assert!(!text.contains(['\u{1b}', '\u{7}']) && text.contains("ls"), "{text}");
}
