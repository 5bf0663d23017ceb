//! What a person allows stacks of the host: by name for one run, or once for a project as it stands, remembered in the person's
//! own configuration and asked for again when what is asked for changes.

use super::Globals;
use super::ask::{answer, is_somebody_there};
use crate::error::Error;
use crate::output::{say_line, visible};
use crate::record::write_atomic;
use crate::spec::{Overrides, Plan};
use crate::stack::{Allowed, HostRequests, Platform, platform};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A line of a value in the question has at most so many characters.
const LINE: usize = 96;

/// What a command takes that reads a stack.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Allow {
    /// Keys of Compose that may reach the host in this run: `devices,cap_add`. Only for files that you trust.
    #[arg(long, value_name = "KEYS", value_delimiter = ',', value_parser = right)]
    allow_host: Vec<String>,
}

impl Allow {
    /// What the command line adds to the files that it reads, with what the person allows.
    pub(super) fn overrides(&self, globals: &Globals, vars: impl IntoIterator<Item = (String, String)>) -> Overrides {
        // Of a file that cannot be read, nothing is allowed; `settle` says so.
        let remembered = file().map_or(Ok(Vec::new()), |file| read(&file)).unwrap_or_default();
        let rights = self.allow_host.iter().cloned().collect();
        let digests = remembered.into_iter().map(|allowed| allowed.digest).collect();
        Overrides { allowed: Allowed { rights, digests }, ..globals.overrides(vars) }
    }
}

/// One project's stack that was allowed.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Remembered {
    /// The project's directory.
    project: PathBuf,
    /// The file of the stack.
    #[serde(default)]
    stack: PathBuf,
    /// What was allowed, each with its whole value.
    what: Vec<String>,
    /// The services that were given it: a digest for each key, which tells what changed and not what stands there.
    #[serde(default)]
    services: BTreeMap<String, BTreeMap<String, String>>,
    /// Digest of the project's directory and of everything that its stack asks for.
    digest: String,
}

impl Remembered {
    fn of(asked: &HostRequests, project: PathBuf, stack: PathBuf) -> Remembered {
        let what = asked.asks.iter().map(|ask| format!("{}: {}", ask.what, ask.value)).collect();
        let services = asked.services.iter().map(|(name, service)| (name.clone(), digests(service))).collect();
        Remembered { project, stack, what, services, digest: asked.digest.clone() }
    }
}

/// A name of `--allow-host`.
fn right(text: &str) -> Result<String, String> {
    let known: Vec<String> = platform().rights().into_iter().map(|right| right.name).collect();
    let is_known = known.iter().any(|right| right == text);
    is_known.then(|| text.to_string()).ok_or_else(|| format!("there is {}", known.join(", ")))
}

/// Asks the person at the terminal for what the stacks of these plans ask of the host, and remembers a yes. Nobody is asked where
/// nobody is there, or where nothing is asked for that can be allowed. Whether they said yes to something.
///
/// # Errors
/// `Usage` when they say no, or when what was allowed before cannot be read: it would be lost with the next yes.
pub(super) async fn settle(plans: &mut [Plan], platform: &dyn Platform) -> Result<bool, Error> {
    if !is_somebody_there() {
        return Ok(false);
    }
    let mut given = false;
    for plan in plans {
        let Ok(resolved) = platform.resolve(&plan.stack).await else { return Ok(false) };
        let asked = resolved.asked();
        let allowed = &plan.stack.allowed;
        let open = |right: &Option<String>| right.as_ref().is_none_or(|right| !allowed.rights.contains(right));
        if allowed.digests.contains(&asked.digest) || !asked.asks.iter().any(|ask| open(&ask.right)) {
            continue;
        }
        if asked.asks.iter().any(|ask| ask.right.is_none()) {
            return Ok(false);
        }
        let file = file();
        let earlier = file.as_deref().map_or(Ok(Vec::new()), read).map_err(|error| Error::usage(error).hint(MEND))?;
        let stack = std::path::absolute(&plan.stack.file).unwrap_or_else(|_| plan.stack.file.clone());
        let new = Remembered::of(&asked, plan.stack.root.clone(), stack);
        let said = answer(question(&asked, &new, &earlier, file.as_deref()), false).await;
        if !said.is_some_and(|said| matches!(said.trim(), "y" | "Y" | "yes")) {
            // The question has told it all.
            return Err(Error::usage("nothing was started: this was not allowed"));
        }
        let kept = file.ok_or_else(|| "neither XDG_CONFIG_HOME nor HOME is set".to_string());
        if let Err(error) = kept.and_then(|file| remember(&file, new)) {
            say_line(&format!("it is allowed for this run only, and could not be remembered: {error}"));
        }
        plan.stack.allowed.digests.insert(asked.digest);
        given = true;
    }
    Ok(given)
}

/// What to do about a file that cannot be read.
const MEND: &str = "mend the file, or move it away: then nothing is allowed until you are asked again";

/// A digest of the value of each key of a service.
fn digests(service: &Value) -> BTreeMap<String, String> {
    let digest = |value: &Value| hex::encode(&Sha256::digest(value.to_string())[..8]);
    service.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), digest(value))).collect()
}

/// Everything that is asked for, whole, and what of it was not allowed before.
fn question(asked: &HostRequests, new: &Remembered, earlier: &[Remembered], file: Option<&Path>) -> String {
    let before: Vec<&Remembered> =
        earlier.iter().filter(|one| one.project == new.project && one.stack == new.stack).collect();
    let mark = |is_new: bool| if is_new && !before.is_empty() { "new or changed: " } else { "" };
    let shown = |path: &Path| visible(&path.display().to_string());
    let mut text = format!("{} asks for what reaches this host:\n", shown(&new.stack));
    for (ask, line) in asked.asks.iter().zip(&new.what) {
        let is_new = !before.iter().any(|one| one.what.contains(line));
        text += &format!("  {}{}\n{}", mark(is_new), visible(&ask.what), wrapped(&ask.value));
    }
    for name in asked.services.keys() {
        let keys = new.services.get(name).cloned().unwrap_or_default();
        // Compared with what was allowed last.
        let changed = match before.iter().rev().find_map(|one| one.services.get(name)) {
            None => mark(true).to_string(),
            Some(old) => {
                let all: BTreeSet<&String> = old.keys().chain(keys.keys()).collect();
                let other: Vec<&str> =
                    all.into_iter().filter(|key| old.get(*key) != keys.get(*key)).map(String::as_str).collect();
                if other.is_empty() { String::new() } else { format!("changed ({}): ", other.join(", ")) }
            }
        };
        let line = visible(&format!("{changed}`{name}`, which is given something of the host, runs"));
        text += &format!("  {line}\n{}", wrapped(&Value::Object(asked.runs(name)).to_string()));
    }
    let kept = file.map(|file| format!("A yes is kept in {}: take it out there to take it back.\n", shown(file)));
    text += &kept.unwrap_or_default();
    text + &format!("Allow it for {} as it stands, from now on? [y/N] ", shown(&new.project))
}

/// A value on lines of its own, all of it.
fn wrapped(text: &str) -> String {
    let shown: Vec<char> = visible(text).chars().collect();
    shown.chunks(LINE).map(|line| format!("      {}\n", line.iter().collect::<String>())).collect()
}

/// `$XDG_CONFIG_HOME/firedrill/allowed.json`, by default below `~/.config`.
fn file() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let configuration = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(configuration.join("firedrill").join("allowed.json"))
}

/// What was allowed before: nothing where there is no file.
fn read(file: &Path) -> Result<Vec<Remembered>, String> {
    match std::fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", file.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(format!("{}: {error}", file.display())),
    }
}

/// Adds to what was allowed before; a file that cannot be read stays as it is.
fn remember(file: &Path, new: Remembered) -> Result<(), String> {
    let mut all = read(file)?;
    all.push(new);
    let told = |error: std::io::Error| format!("{}: {error}", file.display());
    file.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(told)?;
    let bytes = serde_json::to_vec_pretty(&all).map_err(|error| told(error.into()))?;
    write_atomic(file, &bytes).map_err(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::HostRequest;
    use serde_json::json;

    fn of(asked: &HostRequests) -> Remembered {
        Remembered::of(asked, "/p".into(), "/p/compose.yaml".into())
    }

    fn asked(caps: &Value, service: Value) -> HostRequests {
        let ask = |key: &str, value: &Value| HostRequest {
            service: Some("db".into()),
            key: key.into(),
            right: Some(key.into()),
            what: format!("`{key}` of `db` reaches the host"),
            value: value.to_string(),
        };
        let Value::Object(services) = json!({ "db": service }) else { unreachable!("a mapping") };
        let asks = vec![ask("cap_add", caps), ask("privileged", &json!(true))];
        HostRequests { asks, services, digest: caps.to_string() }
    }

    #[test]
    fn the_question_has_whole_values_and_marks_what_changed() {
        let long = "x".repeat(300) + "\u{1b}[2J";
        let first = asked(&json!([long]), json!({ "image": "a", "environment": { "PASSWORD": "hunter2" } }));
        let earlier = of(&first);
        let file = Some(Path::new("/home/me/allowed.json"));
        let text = question(&first, &earlier, &[], file);
        let joined: String = text.lines().map(str::trim).collect();
        assert!(joined.contains(&"x".repeat(300)) && joined.contains("[2J") && !text.contains('\u{1b}'), "{text}");
        assert!(!text.contains("changed") && !text.contains("hunter2"), "{text}");
        assert!(text.contains("kept in /home/me/allowed.json") && text.contains("to take it back"), "{text}");
        let second = asked(
            &json!(["SYS_ADMIN"]),
            json!({ "image": "b", "command": ["c"], "environment": { "PASSWORD": "hunter2" } }),
        );
        let new = of(&second);
        insta::assert_snapshot!(question(&second, &new, std::slice::from_ref(&earlier), file));
        // Of another stack nothing is known.
        let other = Remembered { stack: "/p/other.yaml".into(), ..earlier };
        assert!(!question(&second, &new, &[other], file).contains("changed"));
        assert!(!serde_json::to_string(&new).unwrap().contains("hunter2"));
    }

    #[test]
    fn what_was_allowed_is_not_lost_when_it_cannot_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("firedrill/allowed.json");
        let entry = || of(&asked(&json!([]), json!({})));
        remember(&file, entry()).unwrap();
        remember(&file, entry()).unwrap();
        assert_eq!(read(&file).unwrap().len(), 2);
        let broken = std::fs::read_to_string(&file).unwrap() + "]";
        std::fs::write(&file, &broken).unwrap();
        let error = remember(&file, entry()).unwrap_err();
        assert!(error.contains(&file.display().to_string()), "{error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), broken);
    }

    /// Only commands that read a stack take it.
    #[test]
    fn consent_is_offered_where_a_stack_is_read() {
        let parse = |command: &[&str]| {
            let line = ["firedrill"].iter().chain(command).chain(&["--allow-host", "cap_add"]);
            <super::super::Cli as clap::Parser>::try_parse_from(line).is_ok()
        };
        for command in [&["scenario", "x"][..], &["gameday", "x"], &["check"], &["init"]] {
            assert!(parse(command), "{command:?}");
        }
        for command in
            [&["sweep"][..], &["report"], &["lint"], &["run", "x"], &["show", "x"], &["verify"], &["doctor"], &["list"]]
        {
            assert!(!parse(command), "{command:?}");
        }
    }
}
