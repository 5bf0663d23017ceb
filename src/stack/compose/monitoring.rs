//! The team's alerts in a stack: `promtool` and `amtool` on their files, in a container of the monitoring image that has no network
//! and lives for one look, and the file that the stack's own Alertmanager reads in place of the team's.

use super::command::told;
use super::endpoint::Endpoint;
use super::errors::environment;
use super::images::{self, MONITORING_IMAGE};
use super::model::{ResolvedModel, escape, service_mut, unescape};
use super::{containers, programs};
use crate::process;
use crate::source::TextPattern;
use crate::stack::{AlertFiles, AlertFinding, ReplacedFile, StackResult};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// How long one look may take.
const LOOK_WITHIN: Duration = Duration::from_secs(30);
/// What stands before the answer of each tool: its number, its exit code.
const MARK: &str = "firedrill-look";
/// `12:3: group "x"`, `yaml: line 12:`.
static PLACE: TextPattern = TextPattern::new(r"(?:\bline (\d+)|^(\d+):\d+:)");

/// What both tools say about the files; `None` when their image is not here yet.
pub async fn check(endpoint: &Endpoint, files: &AlertFiles) -> StackResult<Option<Vec<AlertFinding>>> {
    let operation = "checking the files of the alerts";
    let image = MONITORING_IMAGE.base(&endpoint.docker, files.image.as_deref()).await?;
    if images::inspect(&endpoint.docker, &image).await?.is_none() {
        return Ok(None);
    }
    programs::remove_stale(&endpoint.docker).await;
    let (name, label) = programs::look_names();
    let mut run = endpoint.command();
    run.args(["run", "--rm", "--interactive", "--network=none", "--name", &name, "--label", &label]);
    // Whose image it is nobody knows.
    run.args(["--memory=1g", "--pids-limit=1024", "--log-driver=none", "--entrypoint", "sh", &image, "-s"]);
    run.stdin(process::nameless(script(files).as_bytes()).map_err(|error| environment(operation, error))?);
    let ran = told(operation, run, LOOK_WITHIN).await;
    if ran.is_err() {
        // Its command is gone, and it goes on.
        containers::remove(&endpoint.docker, &name, true).await;
    }
    let ran = ran?;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let answers = answers(&said);
    if answers.len() != files.rules.len() + 2 {
        return Err(environment(operation, String::from_utf8_lossy(&ran.stderr).trim()));
    }
    Ok(Some(findings(files, &answers)))
}

/// Where what the stack's Alertmanager reads is, in the run's directory.
pub(super) const REPLACEMENT: &str = "alertmanager.yml";

/// Has every service that reads the file, or a folder with it, read another one in its place: a second Alertmanager would deliver elsewhere.
/// `false` if the one that must read it does not.
pub(super) fn replace_file(model: &ResolvedModel, out: &mut Value, replaced: &ReplacedFile, by: &Path) -> bool {
    let Ok(file) = std::fs::canonicalize(&replaced.file) else { return false };
    let replacement = json!(escape(&by.display().to_string()));
    let real = |path: &Value| std::fs::canonicalize(unescape(path.as_str()?)).ok();
    let mut found = false;
    for name in model.services() {
        let is_meant = model.names_of(&name).contains(&replaced.host);
        for section in ["configs", "secrets"] {
            let used = model.service(&name)[section].as_array().into_iter().flatten();
            let used: Vec<&str> = used.filter_map(|entry| entry.get("source").unwrap_or(entry).as_str()).collect();
            let entries = out.get_mut(section).and_then(Value::as_object_mut).into_iter().flatten();
            for named in entries.filter(|(key, _)| used.contains(&key.as_str())).filter_map(|(_, e)| e.get_mut("file"))
            {
                if *named == replacement || real(named).as_ref() == Some(&file) {
                    named.clone_from(&replacement);
                    found |= is_meant;
                }
            }
        }
        let mounts = service_mut(out, &name).and_then(|service| service.get_mut("volumes")?.as_array_mut());
        let Some(mounts) = mounts else { continue };
        let mut inside = Vec::new();
        for mount in mounts.iter_mut().filter(|mount| mount["type"] == "bind") {
            let Some(source) = real(&mount["source"]) else { continue };
            let Ok(below) = file.strip_prefix(&source) else { continue };
            found |= is_meant;
            if below.as_os_str().is_empty() {
                mount["source"].clone_from(&replacement);
            } else {
                let target = Path::new(mount["target"].as_str().unwrap_or_default()).join(below).display().to_string();
                inside.push(json!({ "type": "bind", "source": replacement, "target": target, "read_only": true }));
            }
        }
        mounts.append(&mut inside);
    }
    found
}

/// Writes what the stack's Alertmanager reads, which runs as whatever user its image says.
pub(super) fn write_replacement(run_dir: &Path, text: &str) -> StackResult<()> {
    let path = run_dir.join(REPLACEMENT);
    let written = std::fs::write(&path, text)
        .and_then(|()| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)));
    written.map_err(|error| environment(format!("writing {}", path.display()), error))
}

/// Writes each file and has its tool look at it.
fn script(files: &AlertFiles) -> String {
    let mut script = "cd \"$(mktemp -d)\"\n".to_string();
    let rules = files.rules.iter().map(|(_, text)| ("promtool check rules", text.as_str()));
    let own = ("amtool check-config", files.alertmanager.1.as_str());
    for (number, (tool, text)) in rules.chain([own, ("amtool check-config", files.in_drill.as_str())]).enumerate() {
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
        if *code == 0 {
            continue;
        }
        let own = format!("{number}.yml: ");
        let mut said: Vec<String> = Vec::new();
        for line in lines.iter().map(|line| line.split_once("FAILED:").map_or(*line, |(_, why)| why).trim()) {
            let line = line.replace(&own, "");
            let noise = line.is_empty() || ["Checking ", "amtool: error"].iter().any(|begin| line.starts_with(begin));
            // Some mistakes are told on both streams.
            if !noise && !said.contains(&line) {
                said.push(line);
            }
        }
        let message = said.join("; ");
        let place = PLACE.captures(&message);
        let line = place.and_then(|found| found.get(1).or(found.get(2))?.as_str().parse().ok());
        found.push(AlertFinding { file: file.to_path_buf(), line, message, error });
    }
    // What no drill can work with either is told once.
    if found.iter().any(|one| one.error && one.file == alertmanager) {
        found.retain(|one| one.error || one.file != alertmanager);
    }
    found
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
            image: None,
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

    #[test]
    fn who_reads_the_file_reads_the_other_one() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, file) = (dir.path().join("ops"), dir.path().join("ops/am.yml"));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(&file, "").unwrap();
        let bind = |source: &Path, target: &str| json!({ "type": "bind", "source": source, "target": target });
        let replaced = |host: &str, service: Value| {
            let json = json!({ "configs": { "am": { "file": file } }, "services": {
                "am": service, "other": { "volumes": [bind(&folder, "/other")], "networks": { "default": null } } } });
            let model = ResolvedModel { json: json.as_object().unwrap().clone(), ..ResolvedModel::default() };
            let mut out = Value::Object(model.json.clone());
            let replaced = ReplacedFile { host: host.into(), file: file.clone(), text: String::new() };
            let found = replace_file(&model, &mut out, &replaced, Path::new("/run/$x.yml"));
            assert_eq!(out["services"]["other"]["volumes"][1]["source"], "/run/$$x.yml", "whoever else has it");
            (found, out)
        };
        let service = |volumes: Value| json!({ "networks": { "default": null }, "volumes": volumes });
        let instead = json!("/run/$$x.yml");
        let (found, out) = replaced("am", service(json!([bind(&file, "/etc/am.yml")])));
        assert_eq!((found, &out["services"]["am"]["volumes"][0]["source"]), (true, &instead));
        let (found, out) =
            replaced("am", service(json!([bind(&folder, "/etc/am"), { "type": "volume", "source": "v" }])));
        let inside = json!({ "type": "bind", "source": instead, "target": "/etc/am/am.yml", "read_only": true });
        assert_eq!((found, &out["services"]["am"]["volumes"][2]), (true, &inside));
        let mut by_config = service(json!([]));
        by_config["configs"] = json!([{ "source": "am", "target": "/etc/am.yml" }]);
        let (found, out) = replaced("am", by_config);
        assert_eq!((found, &out["configs"]["am"]["file"]), (true, &instead));
        assert!(!replaced("am", service(json!([]))).0);
        assert!(!replaced("alertmanager", service(json!([bind(&file, "/etc/am.yml")]))).0);
    }
}
