//! What a person allows stacks of the host: by name for one run, or once for a project as it stands, remembered in the person's
//! own configuration and asked for again when what is asked for changes.

use super::ask::Terminal;
use crate::output::{say_line, visible};
use crate::record::write_atomic;
use crate::spec::Plan;
use crate::stack::docker::{Endpoint, resolve_at, rights};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// One project's stack that was allowed.
#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    /// The project's directory; for people who read the file.
    project: PathBuf,
    /// What was allowed; for people who read the file.
    what: Vec<String>,
    /// Digest of the project's directory and of everything that its stack asks for.
    digest: String,
}

/// A name of `--allow-host`.
pub(super) fn right(text: &str) -> Result<String, String> {
    let known = rights();
    match known.iter().any(|right| right == text) {
        true => Ok(text.to_string()),
        false => Err(format!("there is {}", known.join(", "))),
    }
}

/// Digests of what was allowed before; of a file that cannot be read, nothing is.
pub(super) fn remembered() -> BTreeSet<String> {
    read().unwrap_or_default().into_iter().map(|allowed| allowed.digest).collect()
}

/// Asks the person at the terminal for what the stacks of these plans ask of the host, and remembers a yes. `false` where
/// nobody is there, nothing is asked for that can be allowed, or the answer is no.
pub(super) async fn settle(plans: &mut [Plan], endpoint: &Endpoint) -> bool {
    if !Terminal::new(true, "").is_present() {
        return false;
    }
    let mut given = false;
    for plan in plans {
        let Ok(model) = resolve_at(&plan.stack, endpoint).await else { return false };
        let asked = model.asked(&plan.stack);
        let allowed = &plan.stack.allowed;
        let open = |right: &Option<String>| right.as_ref().is_none_or(|right| !allowed.rights.contains(right));
        if allowed.digests.contains(&asked.digest) || !asked.asks.iter().any(|ask| open(&ask.right)) {
            continue;
        }
        if asked.asks.iter().any(|ask| ask.right.is_none()) {
            return false;
        }
        let what: Vec<String> = asked.asks.iter().map(|ask| visible(&ask.what)).collect();
        let question = format!(
            "{} asks for what reaches this host:\n  {}\nAllow it for {} as it stands, from now on? [y/N] ",
            visible(&plan.stack.compose_file.display().to_string()),
            what.join("\n  "),
            visible(&plan.stack.root.display().to_string())
        );
        let answer = super::ask::answer(question, false).await;
        if !answer.is_some_and(|answer| matches!(answer.trim(), "y" | "Y" | "yes")) {
            return false;
        }
        let mut all = read().unwrap_or_default();
        all.push(Remembered { project: plan.stack.root.clone(), what, digest: asked.digest.clone() });
        if let Err(error) = write(&all) {
            say_line(&format!("it is allowed for this run only, and could not be remembered: {error}"));
        }
        plan.stack.allowed.digests.insert(asked.digest);
        given = true;
    }
    given
}

/// `$XDG_CONFIG_HOME/firedrill/allowed.json`, by default below `~/.config`.
fn file() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let configuration = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(configuration.join("firedrill").join("allowed.json"))
}

fn read() -> Option<Vec<Remembered>> {
    serde_json::from_slice(&std::fs::read(file()?).ok()?).ok()
}

fn write(all: &[Remembered]) -> std::io::Result<()> {
    let file = file().ok_or_else(|| std::io::Error::other("neither XDG_CONFIG_HOME nor HOME is set"))?;
    file.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    write_atomic(&file, &serde_json::to_vec_pretty(all)?)
}
