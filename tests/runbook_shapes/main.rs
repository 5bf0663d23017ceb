//! The shapes in which people write runbooks, one file each, and the steps that `firedrill show` reads in them. Where the
//! snapshots are wrong, a person on call would be told something wrong.

mod corpus;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/runbook_shapes")
}

fn show(directory: &Path, file: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
    command.current_dir(directory).args(["show", file]).env("NO_COLOR", "1").env_remove("FIREDRILL_PROJECT");
    command.output().expect("the program runs")
}

/// What is printed; below, where it did not end well, the mistakes and the exit code.
fn shown(directory: &Path, file: &str) -> String {
    let output = show(directory, file);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err, code) = (text(&output.stdout), text(&output.stderr), output.status.code().expect("an exit code"));
    if code == 0 && err.is_empty() { out } else { format!("{out}--\n{err}exit code {code}\n") }
}

#[test]
fn every_shape_is_read_as_a_person_reads_it() {
    let entries = std::fs::read_dir(folder()).expect("the folder of shapes");
    let mut files: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    files.retain(|file| file.ends_with(".md"));
    files.sort();
    assert!(files.len() > 30, "{files:?}");
    for file in files {
        insta::assert_snapshot!(file.trim_end_matches(".md"), shown(&folder(), &file));
    }
}

#[test]
fn ten_megabytes_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let section = "## Mitigation\n\nRestart it:\n\n```bash\nsvc restart\n```\n\n";
    std::fs::write(directory.path().join("huge.md"), section.repeat(10 * 1024 * 1024 / section.len())).expect("a file");
    insta::assert_snapshot!(shown(directory.path(), "huge.md"));
}
