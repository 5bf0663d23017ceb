//! `promtool` and `amtool` on the files of the team's alerts, in a container of the monitoring image that has no network and lives
//! for one look: for `check`.

use super::endpoint::{Endpoint, no_command};
use super::errors::environment;
use super::images::{self, MONITORING_IMAGE};
use super::programs;
use crate::process;
use crate::stack::{AlertFiles, AlertFinding, StackError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use regex::Regex;
use std::fmt::Write;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

/// How long one look may take.
const LOOK_WITHIN: Duration = Duration::from_secs(30);
/// What stands before the answer of each tool: its number, its exit code.
const MARK: &str = "firedrill-look";
/// `12:3: group "x"`, `yaml: line 12:`.
static PLACE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?:\bline (\d+)|^(\d+):\d+:)").ok());

/// What both tools say about the files; `None` when their image is not here yet.
pub(super) async fn check(endpoint: &Endpoint, files: &AlertFiles) -> Result<Option<Vec<AlertFinding>>, StackError> {
    let operation = "checking the files of the alerts";
    let image = images::base_of(&endpoint.docker, &MONITORING_IMAGE).await?;
    if images::inspect(&endpoint.docker, &image).await?.is_none() {
        return Ok(None);
    }
    programs::remove_stale(&endpoint.docker).await;
    let (name, label) = programs::look_names();
    let mut run = endpoint.command();
    run.args(["run", "--rm", "--interactive", "--network=none", "--name", &name, "--label", &label]);
    run.args(["--entrypoint", "sh", &image, "-s"]);
    let script = script(files).into_bytes();
    let ran = tokio::task::spawn_blocking(move || process::output_blocking(run, script, LOOK_WITHIN)).await;
    let ran = ran.map_err(|error| environment(operation, error))?.map_err(|error| no_command(operation, &error))?;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let answers = answers(&said);
    if answers.len() != files.rules.len() + 2 {
        return Err(environment(operation, String::from_utf8_lossy(&ran.stderr).trim()));
    }
    Ok(Some(findings(files, &answers)))
}

/// Writes each file and has its tool look at it.
fn script(files: &AlertFiles) -> String {
    let mut script = "cd \"$(mktemp -d)\"\n".to_string();
    let rules = files.rules.iter().map(|(_, text)| ("promtool check rules", text.as_str()));
    let own = ("amtool check-config", files.alertmanager.1.as_str());
    let all = rules.chain([own, ("amtool check-config", files.in_drill.as_str())]);
    for (number, (tool, text)) in all.enumerate() {
        // Writing into a string does not fail.
        let _ = writeln!(script, "base64 -d >{number}.yml <<'E'\n{}\nE", BASE64.encode(text));
        let _ = writeln!(script, "said=$({tool} {number}.yml 2>&1); echo \"{MARK} $?\"; printf '%s\\n' \"$said\"");
    }
    script
}

/// Exit code and words of each tool, in order.
fn answers(said: &str) -> Vec<(i32, Vec<&str>)> {
    let mut answers: Vec<(i32, Vec<&str>)> = Vec::new();
    for line in said.lines() {
        match line.strip_prefix(MARK).and_then(|code| code.trim().parse().ok()) {
            Some(code) => answers.push((code, Vec::new())),
            None => answers.last_mut().into_iter().for_each(|(_, lines)| lines.push(line.trim())),
        }
    }
    answers
}

fn findings(files: &AlertFiles, answers: &[(i32, Vec<&str>)]) -> Vec<AlertFinding> {
    let rules = files.rules.iter().map(|(path, _)| (path.as_path(), true));
    let alertmanager = files.alertmanager.0.as_path();
    let looked = rules.chain([(alertmanager, false), (alertmanager, true)]);
    let mut found: Vec<AlertFinding> = Vec::new();
    for ((number, (file, error)), (code, lines)) in looked.enumerate().zip(answers) {
        if *code != 0 {
            found.push(finding(file, number, error, lines));
        }
    }
    // What no drill can work with either is told once.
    if found.iter().any(|one| one.error && one.file == alertmanager) {
        found.retain(|one| one.error || one.file != alertmanager);
    }
    found
}

fn finding(file: &Path, number: usize, error: bool, lines: &[&str]) -> AlertFinding {
    let noise = |line: &str| line.is_empty() || line.starts_with("Checking ") || line.starts_with("amtool: error");
    let own = format!("{number}.yml: ");
    let mut said: Vec<String> = Vec::new();
    for line in lines.iter().map(|line| line.split_once("FAILED:").map_or(*line, |(_, why)| why).trim()) {
        let line = line.replace(&own, "");
        // Some mistakes are told on both streams.
        if !noise(&line) && !said.contains(&line) {
            said.push(line);
        }
    }
    let message = said.join("; ");
    let place = PLACE.as_ref().and_then(|place| place.captures(&message));
    let line = place.and_then(|found| found.get(1).or(found.get(2))?.as_str().parse().ok());
    AlertFinding { file: file.to_path_buf(), line, message, error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tools_say_is_told_by_file_and_line() {
        let files = AlertFiles {
            rules: vec![("a.yml".into(), "x".into()), ("b.yml".into(), "y".into())],
            alertmanager: ("am.yml".into(), "z".into()),
            in_drill: "z".into(),
        };
        let said = "firedrill-look 0\nChecking 0.yml\n  SUCCESS: 1 rules found\n\nfiredrill-look 1\nChecking 1.yml\n  FAILED:\n\
                    1.yml: 3:5: group \"g\", rule 1, \"X\": could not parse expression: 1:3: parse error\n\
                    firedrill-look 1\nChecking '2.yml'  FAILED: unsupported scheme\n\nfiredrill-look 0\n";
        let answers = answers(said);
        assert_eq!(answers.len(), 4);
        let found = findings(&files, &answers);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((found[0].file.as_path(), found[0].error), (Path::new("b.yml"), true));
        assert!(found[0].message.starts_with("3:5: group"), "{}", found[0].message);
        assert_eq!((found[1].file.as_path(), found[1].error), (Path::new("am.yml"), false));
        assert!(script(&files).contains("amtool check-config 3.yml"));
    }
}
