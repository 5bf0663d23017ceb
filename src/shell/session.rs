//! The state that a session carries from one command to the next, and the files from which a new bash starts with it.
//!
//! A command's bash runs in a directory of its own that holds a script called `bash`, so that its messages read
//! `bash: line 1: …`. It reads `env` first (as `BASH_ENV`: variables, functions, aliases: whatever decides how text is
//! parsed), then the script, whose first line begins with a prefix that reads `pre` (directory, traps, options). When it
//! ends, an EXIT trap writes its state; a state that is not complete does not count.

use super::jobs::Jobs;
use super::protocol::Blob;
use crate::bash::variables::{self, VariableNeeds};
use crate::bash::{is_name, watches_subshells};
use crate::record::private_dir_in;
use aho_corasick::AhoCorasick;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Files that bash writes and a later bash reads as they are.
const CARRIED: [&str; 7] = ["vars", "functions", "parse", "onexit", "traps", "place", "args"];
/// Directory of the exit codes of background jobs, beside those of the commands.
const JOBS: &str = "jobs";
/// Largest state that is carried over, in bytes: beyond it something is wrong (a variable that holds a dump).
const LARGEST: u64 = 16 << 20;
/// The handler of our EXIT trap: what it hands over would be different inside a function.
const HANDLER: &str = concat!(
    r#"{ __firedrill_save "$?" "$_" "${FUNCNAME+${#FUNCNAME[@]}}" "$BASH_COMMAND" "#,
    r#""${#PIPESTATUS[@]}" "${PIPESTATUS[@]}" "$@"; builtin trap - EXIT DEBUG; builtin trap -p >|@DIR@/traps; "#,
    r#"__firedrill_finish; } 2>/dev/null && builtin :; builtin eval "${__firedrill_fire-}""#
);
/// The DEBUG trap of a command that is watched, and what sets it.
const DEBUG: &str = r#"{ __firedrill_ran "$BASH_COMMAND" "${_-}"; } 2>/dev/null"#;
const WATCH: &str = "builtin printf '' >|@DIR@/ran; __firedrill_left=60000; @TRACE@builtin trap -- '@DEBUG@' DEBUG";
/// Most that a watched command may have noted, in bytes.
const LARGEST_RAN: u64 = 256 << 10;
/// Longest `$_` that is carried over, in bytes.
const LONGEST_LAST: usize = 4096;
/// Exit code of a command that was not run because a variable has no value: EX_CONFIG of sysexits.h. A command may end with it as well:
/// whether it was run is told by [`lacks`].
const NO_VALUE: i32 = 78;
/// Options of `set -o` that would end or stop a bash that reads a script.
const NEVER: [&str; 5] = ["noexec", "onecmd", "history", "emacs", "vi"];

/// A name and its value.
type ExportedName = (Blob<Vec<u8>>, Blob<Vec<u8>>);

/// The state of a session.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Session {
    files: BTreeMap<String, Blob<Vec<u8>>>,
    /// Exported names that bash cannot hold as variables (`my.setting`), and functions exported to us: what a command's bash has in its
    /// environment before it reads the session's state.
    pub(super) environment: Vec<ExportedName>,
    cwd: Blob<Vec<u8>>,
    options: Vec<String>,
    /// Variables that hold what a command found: `X=$(…)`.
    found: BTreeSet<String>,
    #[serde(skip)]
    status: i32,
    #[serde(skip)]
    last: String,
    /// The exit codes of the last pipeline, as far as its bash could say.
    #[serde(skip)]
    pub(super) pipe: Vec<i32>,
    /// Background jobs of earlier commands; they stay with the session that started them.
    #[serde(skip)]
    pub(super) jobs: Jobs,
}

impl Session {
    /// A session that begins with this environment, in this directory.
    pub fn new(environment: impl IntoIterator<Item = (OsString, OsString)>, cwd: &Path) -> Session {
        let mut session = Session {
            cwd: Blob(cwd.as_os_str().as_bytes().to_vec()),
            options: ["braceexpand", "hashall", "interactive-comments"].map(String::from).to_vec(),
            last: "bash".to_owned(),
            ..Session::default()
        };
        // What a login gives to every shell: runbooks count on it.
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let user = user_among(&users, rustix::process::geteuid().as_raw()).unwrap_or_else(|| "root".to_owned());
        let mut given = vec![("USER", user.clone()), ("LOGNAME", user), ("TMPDIR", "/tmp".to_owned())];
        for (name, value) in environment {
            given.retain(|(known, _)| value.is_empty() || name != *known);
            match name.to_str() {
                // These would change how our own bash starts.
                Some("SHELLOPTS" | "BASHOPTS" | "PWD" | "OLDPWD" | "_") => {}
                Some(known) if is_name(known) => session.export(known, value.as_bytes()),
                _ => session.environment.push((Blob(name.into_vec()), Blob(value.into_vec()))),
            }
        }
        given.into_iter().for_each(|(name, value)| session.export(name, value.as_bytes()));
        // In a terminal aliases are expanded.
        session.files.insert("parse".into(), Blob(b"builtin shopt -s expand_aliases\n".to_vec()));
        session.files.insert("place".into(), Blob(b"builtin unset -v OLDPWD\n".to_vec()));
        session
    }

    /// Sets and exports a variable; names that bash cannot hold go to the environment of every command.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.found.remove(name);
        if is_name(name) {
            self.export(name, value.as_bytes());
        } else if !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0') {
            self.environment.retain(|(known, _)| known.0 != name.as_bytes());
            self.environment.push((Blob(name.into()), Blob(value.into())));
        }
    }

    /// Sets a variable as `NAME=value` does: it is exported only where it was before.
    pub fn set_var(&mut self, name: &str, value: &str) {
        self.found.remove(name);
        if is_name(name) {
            self.declare("", name, value.as_bytes());
        }
    }

    /// Takes a variable away.
    pub fn unset_env(&mut self, name: &str) {
        self.environment.retain(|(known, _)| known.0 != name.as_bytes());
        if is_name(name) {
            let vars = self.files.entry("vars".into()).or_default();
            vars.0.extend_from_slice(format!("builtin unset -v {name}\n").as_bytes());
        }
    }

    fn export(&mut self, name: &str, value: &[u8]) {
        self.declare("declare -x ", name, value);
    }

    fn declare(&mut self, how: &str, name: &str, value: &[u8]) {
        let line: [&[u8]; 5] = [how.as_bytes(), name.as_bytes(), b"=", &quote(value), b"\n"];
        self.files.entry("vars".into()).or_default().0.extend(line.concat());
    }

    /// Writes what a bash needs to run `text` in this session into `dir`, which must not exist. Returns the texts of ours
    /// that bash may quote on stderr: what stands before the user's first line (a syntax error there quotes the line as a
    /// whole), and the handlers of the traps (under `set -v`). Of a command that is `watched`, [`ran`] tells what its shell ran.
    pub fn prepare(&self, dir: &Path, text: &str, watched: bool) -> io::Result<[String; 3]> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        fs::DirBuilder::new().mode(0o500).create(dir.join("void"))?;
        let word = |bytes: &[u8]| String::from_utf8_lossy(&quote(bytes)).into_owned();
        let in_bash = word(dir.as_os_str().as_bytes());
        let handler = HANDLER.replace("@DIR@", &in_bash);
        let jobs = dir.parent().unwrap_or(dir).join(JOBS);
        self.jobs.write(&jobs)?;
        let env = include_str!("session.bash").replace("@HANDLER@", &word(handler.as_bytes()));
        let env = env.replace("@JOBS@", &word(jobs.as_os_str().as_bytes())).replace("@DIR@", &in_bash);
        let env = env.replace("@NO_VALUE@", &NO_VALUE.to_string());
        let trace = if watches_subshells(text) { "builtin set -T; " } else { "" };
        let watch = if watched { WATCH.replace("@TRACE@", trace).replace("@DEBUG@", DEBUG) } else { String::new() };
        let pre = include_str!("pre.bash")
            .replace("@WATCH@", &watch)
            .replace("@DIR@", &in_bash)
            .replace("@NEEDS@", &self.needs(text))
            .replace("@OPTIONS@", &self.options())
            .replace("@STATUS@", &self.status.to_string())
            .replace("@RUNNING@", &self.jobs.running())
            .replace("@KNOWN@", &self.jobs.known())
            .replace("@FRESH@", if self.jobs.is_fresh { "yes" } else { "" });
        let pre = replace_bytes(pre.as_bytes(), b"@CWD@", &quote(&self.cwd.0));
        let file = |name: &str| self.files.get(name).map(|bytes| bytes.0.as_slice());
        let pre = replace_bytes(&pre, b"@ARGS@", file("args").unwrap_or(b":"));
        for name in CARRIED {
            write(&dir.join(name), file(name).unwrap_or_default())?;
        }
        write(&dir.join("env"), env.as_bytes())?;
        write(&dir.join("pre"), &pre)?;
        let prefix = self.prefix();
        let text = self.jobs.fill_in(text);
        write(&dir.join("bash"), format!("{prefix}{text}\n").as_bytes())?;
        Ok([prefix, format!("{handler}\n"), format!("{DEBUG}\n")])
    }

    /// The lines by which a bash asks for the values that `text` cannot do without.
    fn needs(&self, text: &str) -> String {
        let functions = self.files.get("functions").map(|bytes| String::from_utf8_lossy(&bytes.0)).unwrap_or_default();
        let functions: HashSet<&str> =
            functions.lines().filter_map(|line| line.trim_end().strip_suffix(" ()")).collect();
        let VariableNeeds { set, filled, exported } = variables::needs(text, |name| functions.contains(name));
        let set = set.iter().map(|name| format!("__firedrill_needs set {name}\n"));
        let filled = filled.intersection(&self.found).map(|name| format!("__firedrill_needs filled {name}\n"));
        let exported = exported.iter().map(|name| format!("__firedrill_needs exported {name}\n"));
        set.chain(filled).chain(exported).collect()
    }

    /// Begins the script's first line: goes on from the previous command, with its `$_`, `$?` and `PIPESTATUS`. A list in
    /// which something but the last command fails neither ends the shell under `set -e` nor runs an ERR trap.
    fn prefix(&self) -> String {
        let and = if self.status == 0 { "" } else { "&&:" };
        let mut prefix = format!("builtin . ./pre {}{and};", self.last);
        let failed = self.pipe.iter().rev().find(|status| **status != 0).copied().unwrap_or(0);
        let pipefail = self.options.iter().any(|option| option == "pipefail");
        let status = if pipefail { failed } else { self.pipe.last().copied().unwrap_or(0) };
        if self.pipe.len() > 1 && status == self.status {
            let stages: Vec<String> = self.pipe.iter().map(|s| format!("(exit {s})2>/dev/null")).collect();
            prefix.push_str(&format!("{}{and};", stages.join("|")));
        }
        prefix
    }

    fn options(&self) -> String {
        let kept = self.options.iter().filter(|option| !NEVER.contains(&option.as_str()));
        let options: Vec<String> = kept.map(|option| format!("-o {option}")).collect();
        if options.is_empty() { "+o noexec".to_owned() } else { options.join(" ") }
    }

    /// The state for another session; `own` is the directory of this one.
    pub fn export_state(&self, own: &Path) -> io::Result<Vec<u8>> {
        Ok(serde_json::to_vec(&(own, container_environment(), self))?)
    }

    /// Goes on with the state of another session, which may be in a container in whose place this one is. What this container has in its
    /// environment by itself, and that one had not, is as it is here. `own` is the directory of this session: its programs are meant, and
    /// not those of the other one, which knows nothing of its commands.
    pub fn import_state(&mut self, state: &[u8], own: &Path) -> io::Result<()> {
        let (dir, container, other): (PathBuf, BTreeMap<String, String>, Session) = serde_json::from_slice(state)?;
        *self = Session { last: std::mem::take(&mut self.last), ..other };
        if let Some(vars) = self.files.get_mut("vars") {
            let [other, own] = [dir.as_path(), own].map(|dir| bin(dir).into_os_string());
            vars.0 = replace_bytes(&vars.0, other.as_bytes(), own.as_bytes());
        }
        for (name, value) in container_environment() {
            if container.get(&name) != Some(&value) {
                self.set_env(&name, &value);
            }
        }
        Ok(())
    }

    /// Notes how an orphan ended, which may be a background job of an earlier command.
    pub fn orphan_ended(&mut self, dir: &Path, pid: i32, exit: i32) {
        if self.jobs.ended(pid, exit) {
            // What cannot be written is seen as gone by the one that waits.
            let _ = self.jobs.write(&dir.join(JOBS));
        }
    }

    /// Notes the exit code of a command whose state does not count.
    pub fn failed(&mut self, exit: i32) {
        self.status = exit;
        self.pipe.clear();
        self.jobs.set_last("");
    }

    /// Takes over the state that the bash of `dir` left, in which `text` ran, if it is complete; `exit` is how that bash ended.
    /// Returns whether the command ended its bash itself (`exit`, `exec`, a failure under `set -e`), as it would have ended a
    /// terminal.
    ///
    /// # Errors
    /// Why the command was not run, or its state cannot be carried over.
    pub fn adopt(&mut self, dir: &Path, text: &str, exit: i32) -> Result<bool, String> {
        self.failed(exit);
        if let Some((name, said)) = lacks(dir) {
            return Err(format!(
                "{said}. The command was not run, as it would do something else without it; `${{{name}:-}}` says that it may be empty"
            ));
        }
        match fs::read(dir.join("complete")) {
            Err(_) => return Ok(true),
            Ok(said) if said.is_empty() => return Err("its bash could not write the state of the session".to_owned()),
            Ok(_) => {}
        }
        let mut left_shell = false;
        let mut files = BTreeMap::new();
        let mut left = LARGEST;
        for name in CARRIED.into_iter().chain(["facts", "cwd"]) {
            let bytes = read(&dir.join(name), &mut left)?;
            files.insert(name.to_string(), Blob(bytes));
        }
        let facts = String::from_utf8_lossy(&files.remove("facts").unwrap_or_default().0).into_owned();
        let mut cwd = files.remove("cwd").unwrap_or_default();
        if cwd.0.last() == Some(&b'\n') {
            cwd.0.pop();
        }
        // Where a command ran whose directory was gone is no place to be.
        let ours = dir.parent().unwrap_or(dir).as_os_str().as_bytes();
        if !cwd.0.is_empty() && !cwd.0.starts_with(ours) {
            self.cwd = cwd;
        }
        let mut in_function = false;
        let is_trace = |option: &String| option == "functrace";
        let trace_is_ours = watches_subshells(text) && dir.join("ran").exists() && !self.options.iter().any(is_trace);
        for (key, value) in facts.lines().filter_map(|line| line.split_once('=')) {
            match key {
                "options" => {
                    let known = value.split(':').filter(|o| !o.is_empty());
                    let known = known.filter(|o| o.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
                    self.options = known.map(str::to_owned).collect();
                    self.options.retain(|option| !trace_is_ours || !is_trace(option));
                }
                "depth" => in_function = !value.is_empty() && value != "0",
                "last" if value.len() <= LONGEST_LAST => value.clone_into(&mut self.last),
                "pipe" => self.pipe = value.split_whitespace().filter_map(|s| s.parse().ok()).collect(),
                "left" => left_shell = true,
                "job" => self.jobs.set_last(value),
                "running" => self.jobs.goes_on(value),
                "done" => self.jobs.done(value),
                _ => {}
            }
        }
        if in_function {
            // Inside a function the parameters are the function's.
            files.remove("args");
        }
        // Exported functions are among the functions from now on.
        self.environment.retain(|(name, _)| !name.0.starts_with(b"BASH_FUNC_"));
        self.files.extend(files);
        let assigned = variables::of_command(text).assigned;
        self.found.retain(|name| !assigned.contains(name));
        self.found.extend(variables::found(text).into_iter().filter(|name| assigned.contains(name)));
        Ok(left_shell)
    }
}

/// The variable without whose value the command of `dir` was not run, as its bash wrote it, and that it has none, and why.
pub fn lacks(dir: &Path) -> Option<(String, String)> {
    let said = fs::read_to_string(dir.join("lacks")).ok()?;
    let (name, why) = match said.split_once(' ') {
        Some(("filled", name)) => (name, format!("is empty: nothing was found for it (`{name}=$(…)`)")),
        Some(("exported", name)) => {
            (name, format!("is not exported, and another shell reads it: `export {name}`, or give it in `respond.env`"))
        }
        Some((_, name)) => (name, "is not set".to_string()),
        None => (said.as_str(), "has no value".to_string()),
    };
    Some((name.to_string(), format!("`${name}` {why}")))
}

/// The simple commands that the watched shell of `dir` came to, each where it came to it last; an empty one stands for those that had no
/// room. `None` where it is not known.
pub fn ran(dir: &Path) -> Option<Vec<String>> {
    let mut left = LARGEST_RAN;
    let bytes = read(&dir.join("ran"), &mut left).ok()?;
    let Some((end, texts)) = bytes.split_last() else { return Some(Vec::new()) };
    let texts = texts.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
    let mut later = HashSet::new();
    let mut texts: Vec<String> = texts.rev().filter(|text| later.insert(text.clone())).collect();
    texts.reverse();
    (*end == 0).then_some(texts)
}

/// The name of a user in the text of `/etc/passwd`.
fn user_among(users: &str, id: u32) -> Option<String> {
    let mut all = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    all.find_map(|fields| match fields[..] {
        [name, _, number, ..] if number.parse::<u32>() == Ok(id) && !name.is_empty() => Some(name.to_owned()),
        _ => None,
    })
}

/// A place for the session's files: private, in the first directory that can be written to.
pub fn private_dir() -> Result<PathBuf, String> {
    let given = std::env::var_os("TMPDIR").filter(|v| !v.is_empty()).map(PathBuf::from);
    let known = ["/tmp", "/dev/shm", "/var/tmp", "/run"].into_iter().map(PathBuf::from);
    let mut reasons = Vec::new();
    for parent in given.into_iter().filter(|dir| dir.is_absolute()).chain(known) {
        match private_dir_in(&parent, "shell") {
            Ok(dir) => return Ok(dir),
            Err(error) => reasons.push(format!("{}: {error}", parent.display())),
        }
    }
    Err(format!("no directory for temporary files can be written to in this container ({})", reasons.join("; ")))
}

/// Where the programs of the session with this directory are.
pub(super) fn bin(dir: &Path) -> PathBuf {
    dir.join("bin")
}

/// Bytes as one word of bash, in single quotes.
pub(super) fn quote(bytes: &[u8]) -> Vec<u8> {
    let escaped = bytes.iter().filter(|byte| **byte != b'\0').flat_map(|byte| match byte {
        b'\'' => &b"'\\''"[..],
        _ => std::slice::from_ref(byte),
    });
    b"'".iter().chain(escaped).chain(b"'").copied().collect()
}

fn replace_bytes(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    // One short text is never too much to look for.
    AhoCorasick::new([from]).map_or_else(|_| text.to_vec(), |found| found.replace_all_bytes(text, &[to]))
}

/// What the container gives to every process that is started in it, as far as it is text.
fn container_environment() -> BTreeMap<String, String> {
    let own = |name: &str| matches!(name, "SHELLOPTS" | "BASHOPTS" | "PWD" | "OLDPWD" | "_" | "PATH");
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    variables.filter(|(name, _)| !own(name)).collect()
}

pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    io::Write::write_all(&mut file, bytes)
}

fn read(path: &Path, left: &mut u64) -> Result<Vec<u8>, String> {
    let say = |error: io::Error| format!("the state of the session cannot be read ({error}); the last one stays");
    let file = fs::File::open(path).map_err(say)?;
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, *left + 1), &mut bytes).map_err(say)?;
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    *left = left.checked_sub(length).ok_or_else(|| {
        format!("the variables of the session take more than {} MiB; the last state stays", LARGEST >> 20)
    })?;
    Ok(bytes)
}

/// The directory that this process is in, `/` when it is gone.
pub fn current_dir() -> PathBuf {
    std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_known_by_the_number() {
        let users = "root:x:0:0:root:/root:/bin/bash\n# x\nshop:x:1000:1000::/srv:/bin/sh\n:x:7:7\n";
        assert_eq!(user_among(users, 0).as_deref(), Some("root"));
        assert_eq!(user_among(users, 1000).as_deref(), Some("shop"));
        for id in [7, 100] {
            assert_eq!(user_among(users, id), None, "{id}");
        }
    }

    #[test]
    fn a_state_that_could_not_be_written_fails_its_command() {
        let dir = tempfile::tempdir().unwrap();
        let mut session = Session::new([], Path::new("/"));
        assert_eq!(session.adopt(dir.path(), "exec true", 0), Ok(true), "bash has ended before");
        fs::write(dir.path().join("complete"), "").unwrap();
        assert!(session.adopt(dir.path(), "A=1", 0).unwrap_err().contains("state"));
    }

    #[test]
    fn a_session_has_what_a_login_gives() {
        let vars = |given: &[(&str, &str)]| {
            let given = given.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
            let session = Session::new(given, Path::new("/"));
            String::from_utf8(session.files.get("vars").cloned().unwrap_or_default().0).unwrap()
        };
        let bare = vars(&[("TMPDIR", "")]);
        assert!(bare.ends_with("declare -x TMPDIR='/tmp'\n") && bare.contains("declare -x USER='"), "{bare}");
        let own = vars(&[("USER", "shop"), ("LOGNAME", "shop"), ("TMPDIR", "/srv/tmp")]);
        let wanted = ["USER='shop'", "LOGNAME='shop'", "TMPDIR='/srv/tmp'"];
        assert_eq!(own, wanted.map(|set| format!("declare -x {set}\n")).concat());
    }
}
