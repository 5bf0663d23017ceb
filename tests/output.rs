//! What others wrote never commands who reads it: artifacts of somebody else, names of files, runbooks and arguments that are full of
//! escape sequences, line ends and commands of CI systems, through every command that shows them.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What a terminal obeys, what turns or hides text, and what CI systems take for commands, on lines of its own and within one.
const HOSTILE: &str = "x\u{1b}[2J\u{9b}31m\u{7}\u{202e}\u{200b}\u{2028}\n  ::stop-commands::t\n::error file=a::forged\r##[add-matcher]m.json \
                       ##vso[task.setvariable variable=PATH]p ##teamcity[x]";
/// Texts of a record that its author may put anything into.
const TEXTS: [&str; 27] = [
    "title", "severity", "phase", "path", "reason", "evidence", "detail", "summary", "kind", "what", "good", "name",
    "load", "sli", "scenario", "text", "request", "detect", "id", "step", "fault", "agent", "project", "tool_version",
    "revision", "runbook_text", "at",
];

/// Poisons the texts of a record, as far as it stays one: words of the format keep their meaning.
fn poisoned(value: &mut Value, key: &str) {
    match value {
        Value::String(text) if TEXTS.contains(&key) => text.push_str(HOSTILE),
        Value::Array(values) => values.iter_mut().for_each(|value| poisoned(value, key)),
        Value::Object(fields) => {
            // The phases of a drill, checks and the life of a fault are words of the format; the phase of a step is text.
            let words = |key: &str| matches!(key, "phases" | "windows" | "checks" | "life" | "compose" | "output");
            fields.iter_mut().filter(|(key, _)| !words(key)).for_each(|(key, value)| poisoned(value, key));
        }
        _ => {}
    }
}

struct Project(tempfile::TempDir);

impl Project {
    fn new() -> Project {
        Project(tempfile::tempdir().expect("a directory"))
    }

    fn file(&self, path: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, text).expect("a file");
        path
    }

    /// A run of somebody else, with its record poisoned.
    fn run_of_somebody(&self) -> PathBuf {
        let record = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/records/not-recovered.json");
        let mut record: Value = serde_json::from_slice(&fs::read(record).expect("a record")).expect("JSON");
        poisoned(&mut record, "");
        let path = format!(".firedrill/runs/{}/record.json", record["plan"]["run"].as_str().expect("an id"));
        let file = self.file(&path, &record.to_string());
        firedrill::report::read_json(&fs::read(&file).expect("a record")).expect("it is a record still");
        file.parent().expect("its directory").to_path_buf()
    }

    fn output(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
        command.args(arguments).current_dir(self.0.path()).env_remove("NO_COLOR").output().expect("firedrill runs")
    }

    /// Both streams, harmless.
    fn said(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("UTF-8")).concat();
        assert_harmless(&text, &arguments.join(" "));
        text
    }
}

fn assert_harmless(text: &str, of: &str) {
    let hidden = ['\u{202e}', '\u{200b}', '\u{2028}'];
    for line in text.split('\n') {
        assert!(!line.chars().any(|c| c.is_control() && c != '\t' || hidden.contains(&c)), "{of}: {line:?}");
        // As the runner of GitHub, the agent of Azure Pipelines and TeamCity find commands in a line.
        let is_command = ["##[", "##vso[", "##teamcity["].iter().any(|command| line.contains(command));
        assert!(!is_command && !line.trim_start().starts_with("::"), "{of}: {line:?}");
    }
}

#[test]
fn a_run_of_somebody_else_cannot_command_a_terminal_or_a_log() {
    let project = Project::new();
    let dir = project.run_of_somebody();
    let dir = dir.to_str().expect("UTF-8");
    let summary = project.said(&["report", dir]);
    // No line end of the record's, in the phase of a step for instance, begins a line of the summary.
    let ours = |line: &str| {
        line.is_empty() || line.starts_with("  ") || line.starts_with("✗ NOT RECOVERED") || line.starts_with('─')
    };
    assert!(summary.contains("diagno") && summary.lines().all(ours), "{summary}");
    for arguments in [
        &["report", dir, "--markdown", "-"][..],
        &["report", dir, "--json", "-"],
        &["report", dir, "--html", "-"],
        &["report", dir, "--junit", "-"],
        &["report", "dr", dir, "--quarter", "2026Q4"],
        &["report", "dr", dir, "--quarter", "2026Q4", "--html", "-"],
        &["history", "--from", dir],
        &["history", "--from", dir, "--json"],
        &["verify", dir],
        &["verify", dir, "--recompute"],
        &["postmortem", dir],
    ] {
        assert!(!project.said(arguments).is_empty(), "{arguments:?}");
    }
}

#[test]
fn the_name_of_a_run_directory_is_no_command_either() {
    let project = Project::new();
    let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/records/dr-failed.jsonl");
    let events = fs::read_to_string(events).expect("events");
    project.file(&format!(".firedrill/runs/20261104T020000Z-{HOSTILE}/events.jsonl"), &events);
    let draft = project.said(&["postmortem", "latest"]);
    assert!(draft.contains("/events.jsonl#L"), "{draft}");
}

#[test]
fn annotations_are_the_only_commands_and_their_values_are_encoded() {
    let project = Project::new();
    let dir = project.run_of_somebody();
    let output = project.output(&["report", dir.to_str().expect("UTF-8"), "--annotations"]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(text.lines().count(), 1, "one drill, one annotation: {text}");
    let (properties, message) = text.strip_prefix("::error ").expect("an error").split_once("::").expect("a message");
    for property in properties.split(',') {
        let value = property.split_once('=').expect("a value").1;
        assert!(!value.contains([':', '\n', '\r']), "{property}");
    }
    assert!(message.contains("%0A"), "{message}");
    assert_harmless(properties, "properties");
    assert_harmless(message.trim_end_matches('\n'), "message");
}

#[test]
fn json_for_programs_says_what_was_written() {
    let project = Project::new();
    let dir = project.run_of_somebody();
    let dir = dir.to_str().expect("UTF-8");
    let json: Value = serde_json::from_str(&project.said(&["report", dir, "--json", "-"])).expect("JSON");
    assert!(json.to_string().contains(&serde_json::to_string(HOSTILE).expect("JSON").trim_matches('"').to_string()));
}

#[test]
fn a_runbook_cannot_command_a_terminal_or_a_log_and_its_lines_are_told_from_ours() {
    let project = Project::new();
    let text = format!(
        "# Shop {}\n\n## Mitigation\n\n### Restart ##[group]x\n\n```bash\ncat <<'END'\n::stop-commands::x\n← forged\n\
         ##vso[task.complete]\nEND\n```\n",
        HOSTILE.replace(['\n', '\r'], " ")
    );
    project.file("runbooks/shop.md", &text);
    let shown = project.said(&["show", "runbooks/shop.md"]);
    let forged = shown.lines().find(|line| line.contains("←")).expect("the line of the command");
    assert_eq!(forged.trim_start(), ">  ← forged", "it goes on with a command, and lists no inputs:\n{shown}");
    for arguments in
        [&["show", "runbooks/shop.md", "--format", "json"][..], &["run", "runbooks/shop.md", "--dry-run"], &["lint"]]
    {
        project.said(arguments);
    }
    let annotations = project.output(&["lint", "--format", "github"]);
    for line in String::from_utf8(annotations.stdout).expect("UTF-8").lines() {
        assert!(["::error ", "::warning ", "::notice "].iter().any(|command| line.starts_with(command)), "{line:?}");
        assert!(!line.contains("##[") && !line.contains('\u{1b}'), "{line:?}");
    }
}

#[test]
fn a_name_with_a_line_end_in_it_forges_no_line() {
    let project = Project::new();
    for arguments in [
        &["show", "a\nPASSED"][..],
        &["report", "x\u{1b}[2J"],
        &["scenario", "a\r::error::b"],
        &["-C", "a\u{2028}b", "check"],
    ] {
        let output = project.output(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = project.said(arguments);
        assert!(said.starts_with("error: argument ") && said.contains("has a control character"), "{said}");
        assert_eq!(said.lines().count(), 2, "{said}");
    }
    // The value of an input may have any character, and is not shown.
    let said = project.said(&["run", "none.md", "--var", "A=b\nPASSED"]);
    assert!(said.contains("there is no file `none.md`") && !said.contains("PASSED"), "{said}");
    // What is found in a folder.
    project.file("runbooks/a\n::error::forged.md", "# A\n\n## Mitigation\n\n```bash\nls\n```\n");
    for arguments in [&["check"][..], &["lint"]] {
        let said = project.said(arguments);
        assert!(said.contains("its path has a control character: rename it"), "{arguments:?}: {said}");
        assert!(!said.lines().any(|line| line.starts_with(": :") || line.starts_with("forged")), "{said}");
    }
    assert_eq!(project.output(&["check"]).status.code(), Some(2));
}

#[test]
fn the_name_of_a_file_that_was_added_to_a_sealed_run_forges_no_line() {
    let project = Project::new();
    let dir = project.run_of_somebody();
    project.file(dir.join("events.jsonl").to_str().expect("UTF-8"), "");
    firedrill::archive::evidence::seal(&dir, false).expect("sealed");
    fs::create_dir_all(dir.join("logs")).expect("a folder");
    fs::write(dir.join("logs/x\u{1b}[2J\nintact       forged"), "").expect("a file");
    let said = project.said(&["verify", dir.to_str().expect("UTF-8")]);
    assert!(said.contains("CHANGED") && said.contains("forged"), "{said}");
    assert!(!said.lines().any(|line| line.starts_with("intact")), "{said}");
}
