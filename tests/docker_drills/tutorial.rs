//! `docs/tutorial.md` as a reader goes through it: its files are written, its commands run one after the other, and what they
//! print is what the page says. Times, numbers and ids are masked on both sides; a line `…` stands for any number of lines.

use regex::Regex;
use std::path::Path;
use std::process::Command;

/// How often a drill whose measurement was disturbed may be run again.
const AGAIN: usize = 2;

/// A part of the page that a reader does something with.
#[derive(Debug)]
enum Part {
    File { path: String, text: String },
    Typed { line: usize, command: String, printed: String },
}

/// The files and commands of the page, in order.
fn parts(page: &str) -> Vec<Part> {
    let (mut parts, mut file, mut fence): (Vec<Part>, Option<String>, Option<&str>) = (Vec::new(), None, None);
    for (index, line) in page.lines().enumerate() {
        match (fence, line.strip_prefix("```")) {
            (None, Some(tag)) => {
                fence = Some(tag);
                if let Some(path) = file.take() {
                    parts.push(Part::File { path, text: String::new() });
                } else {
                    assert_eq!(tag, "console", "line {}: a block that is neither a file nor commands", index + 1);
                }
            }
            (Some(_), Some(_)) => fence = None,
            (None, None) => {
                let named = line.strip_prefix("<!-- file: ").and_then(|rest| rest.strip_suffix(" -->"));
                file = named.map(str::to_string).or(file);
            }
            (Some("console"), None) => match (line.strip_prefix("$ "), parts.last_mut()) {
                (Some(command), _) => {
                    let (line, command) = (index + 1, command.to_string());
                    parts.push(Part::Typed { line, command, printed: String::new() });
                }
                (None, Some(Part::Typed { printed, .. })) => printed.extend([line, "\n"]),
                (None, _) => panic!("line {}: output without a command", index + 1),
            },
            (Some(_), None) => match parts.last_mut() {
                Some(Part::File { text, .. }) => text.extend([line, "\n"]),
                _ => panic!("line {}: a block without a name", index + 1),
            },
        }
    }
    parts
}

/// Ids, numbers and the widths of columns are different every time.
fn masked(text: &str) -> Vec<String> {
    let id = Regex::new(r"\b[0-9]{8}T[0-9]{6}Z-[a-z0-9-]+|\b[0-9a-f]{8,}\b").expect("a pattern");
    let number = Regex::new(r"[0-9][0-9.,:/]*").expect("a pattern");
    let plain = |line: &str| {
        let line = number.replace_all(&id.replace_all(line, "ID"), "N").into_owned();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    text.lines().map(plain).collect()
}

/// Whether lines are as the page has them.
fn fits(page: &[String], lines: &[String]) -> bool {
    match page.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == "…" => (0..=lines.len()).any(|skipped| fits(rest, &lines[skipped..])),
        Some((first, rest)) => lines.split_first().is_some_and(|(line, others)| line == first && fits(rest, others)),
    }
}

/// What a command prints, on both streams, and its exit code; `before` is that of the command before it.
fn run(dir: &Path, command: &str, before: i32) -> (String, i32) {
    let program = Path::new(env!("CARGO_BIN_EXE_firedrill")).parent().expect("a folder");
    let path = format!("{}:{}", program.display(), std::env::var("PATH").expect("a PATH"));
    let script = format!("exec 2>&1; (exit {before}); {command}");
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]).current_dir(dir).env("PATH", path).env("NO_COLOR", "1").env("LC_ALL", "C.UTF-8");
    let output = bash.output().expect("bash runs");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code().unwrap_or(-1))
}

#[test]
fn the_tutorial_is_what_happens() {
    let page = include_str!("../../docs/tutorial.md");
    let parts = parts(page);
    let typed = parts.iter().filter(|part| matches!(part, Part::Typed { .. })).count();
    assert!(typed >= 12 && parts.len() - typed >= 4, "does this test still see the page? {parts:?}");
    let dir = tempfile::tempdir().expect("a directory");
    let mut exit = 0;
    for part in parts {
        match part {
            Part::File { path, text } => {
                let path = dir.path().join(path);
                std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
                std::fs::write(path, text).expect("a file");
            }
            Part::Typed { line, command, printed } => {
                let (mut text, mut code) = run(dir.path(), &command, exit);
                for _ in 0..AGAIN {
                    if code == 3 && command.starts_with("firedrill scenario") {
                        (text, code) = run(dir.path(), &command, exit);
                    }
                }
                let is_as_said = fits(&masked(&printed), &masked(&text));
                assert!(
                    is_as_said,
                    "docs/tutorial.md:{line}: $ {command}\n--- the page:\n{printed}--- it was:\n{text}"
                );
                exit = code;
            }
        }
    }
}

#[test]
fn output_that_is_not_as_the_page_says_is_found() {
    let fits = |page: &str, text: &str| super::tutorial::fits(&masked(page), &masked(text));
    assert!(fits("a 1.5 s\n…\nz\n", "a 22 s\nb\nc\nz\n") && fits("…\n", "") && fits("a  b\n", "a b\n"));
    assert!(!fits("a\n", "b\n") && !fits("a\n", "a\nb\n") && !fits("…\nz\n", "a\n") && !fits("", "a\n"));
}
