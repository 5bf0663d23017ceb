//! `firedrill lint` as people and CI run it: what it prints, in which format, and how it exits.

use std::path::Path;
use std::process::{Command, Output};

struct Project(tempfile::TempDir);

impl Project {
    fn new(files: &[(&str, &[u8])]) -> Project {
        let dir = tempfile::tempdir().expect("a directory");
        for (path, content) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(path, content).expect("a file");
        }
        Project(dir)
    }

    fn lint(&self, arguments: &[&str]) -> Output {
        lint_in(self.0.path(), arguments)
    }
}

fn lint_in(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
    command.arg("lint").args(arguments).current_dir(folder).env("NO_COLOR", "1").output().expect("firedrill runs")
}

fn said(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let code = output.status.code().expect("an exit code");
    if err.is_empty() { format!("exit {code}\n{out}") } else { format!("exit {code}\n{out}--- stderr\n{err}") }
}

const SOUND: &[u8] = b"# Queue is full\n\nOwner: Team Queue, alert `QueueFull`\n\n## Mitigation\n\n```bash\nsystemctl status queue\n```\n";
const BROKEN: &[u8] =
    b"# Queue is full\n\nTODO: the alert and the pager of Team Queue\n\n## Mitigation\n\n```bash\nsystemctl status queue\n";

#[test]
fn findings_have_their_line_and_decide_the_exit_code() {
    let project = Project::new(&[("runbooks/a.md", SOUND), ("runbooks/deep/b.md", BROKEN), ("runbooks/c.txt", b"x")]);
    insta::assert_snapshot!(said(&project.lint(&[])));
    insta::assert_snapshot!(said(&project.lint(&["--format", "json"])));
    insta::assert_snapshot!(said(&project.lint(&["--format", "github"])));
    assert_eq!(said(&project.lint(&["runbooks/a.md"])), "exit 0\n1 file: nothing found\n");
    assert_eq!(said(&project.lint(&["-q"])), "exit 1\n2 files: 1 error, 1 warning\n");
}

#[test]
fn the_project_says_what_counts() {
    let toml = b"[lint]\nrules = { RB001 = \"warning\", RB107 = \"off\" }\nexclude = [\"runbooks/old\"]\n";
    let files: &[(&str, &[u8])] = &[("firedrill.toml", toml), ("runbooks/a.md", BROKEN), ("runbooks/old/b.md", BROKEN)];
    let project = Project::new(files);
    assert!(said(&project.lint(&["-q"])).starts_with("exit 0\n1 file: 1 warning\n"));
    assert!(said(&project.lint(&["-q", "--strict"])).starts_with("exit 1\n"));
    assert!(said(&project.lint(&["--list"])).contains("RB107  off "));
    let wrong = Project::new(&[("firedrill.toml", b"[lint]\nrules = { RB1 = \"off\" }\nx"), ("runbooks/a.md", SOUND)]);
    insta::assert_snapshot!(said(&wrong.lint(&[])));
}

#[test]
fn what_cannot_be_read_is_told() {
    let project = Project::new(&[("runbooks/a.md", b"# caf\xe9\n"), ("runbooks/b.md", &[b'a'; 1024 * 1024 + 1])]);
    insta::assert_snapshot!(said(&project.lint(&[])));
    insta::assert_snapshot!(said(&project.lint(&["none.md"])));
    let empty = Project::new(&[("x.txt", b"x")]);
    insta::assert_snapshot!(said(&empty.lint(&[])));
    assert_eq!(empty.lint(&["."]).status.code(), Some(2));
}

#[test]
fn a_rule_explains_itself() {
    let project = Project::new(&[]);
    insta::assert_snapshot!(said(&project.lint(&["--explain", "rb107"])));
    insta::assert_snapshot!(said(&project.lint(&["--explain", "RB117"])));
}

/// What is said of a page, in order, without places.
fn rules_of(page: &str) -> Vec<String> {
    let project = Project::new(&[("runbooks/payments.md", page.as_bytes())]);
    let output = project.lint(&["--format", "json"]);
    let lines = String::from_utf8(output.stdout).expect("text");
    let rule = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line).expect("JSON")["rule"].as_str().map(str::to_string)
    };
    let mut rules: Vec<String> = lines.lines().filter_map(rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

/// Four steps with a command each: what is missing is told, with fences and without.
#[test]
fn the_most_ordinary_runbook_is_told_what_it_lacks() {
    let steps = [
        ("Check provider status", "curl -s https://status.stripe.com/api/v2/summary.json"),
        ("Check recent deploys", "kubectl rollout history deployment/payments-api"),
        ("Rollback if needed", "kubectl rollout undo deployment/payments-api"),
        ("Check DB pool", "curl http://payments-api/debug/metrics | grep db_pool"),
    ];
    let page = |before: &str, behind: &str| -> String {
        let step = |(at, (title, command)): (usize, &(&str, &str))| {
            format!("## Step {}: {title}\n\n{before}{command}\n{behind}\n", at + 1)
        };
        format!("# Payments are slow\n\n{}", steps.iter().enumerate().map(step).collect::<String>())
    };
    // No verification, nobody to escalate to, no alert.
    assert_eq!(rules_of(&page("```bash\n", "```\n")), ["RB102", "RB104", "RB105"]);
    // And no fences.
    assert_eq!(rules_of(&page("```\n", "```\n")), ["RB102", "RB104", "RB105", "RB205"]);
    assert_eq!(rules_of(&page("", "")), ["RB102", "RB104", "RB105", "RB205"]);
    let whole = page("```bash\n", "```\n").replacen("\n\n", "\n\nAlert: `PaymentsSlow`. Owner: Team Payments.\n\n", 1)
        + "## Verify\n\nThe rate of errors must fall below 1%.\n";
    assert_eq!(rules_of(&whole), Vec::<String>::new());
}

/// What this project tells others it keeps to itself: nothing above `info`.
#[test]
fn our_own_runbooks_are_sound() {
    let output = lint_in(Path::new(env!("CARGO_MANIFEST_DIR")), &["--strict", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}
