//! `firedrill actions`: what is to be done after drills and incidents.

use super::evidence::{each_run, found_runs};
use crate::archive;
use crate::assurance::actions::{ACTIONS, ActionItem, Actions, read_actions};
use crate::error::{Error, Exit};
use crate::output::{one_line, print};
use crate::record::{utc_now, utc_text};
use crate::report::SeenRun;
use crate::source::tidy;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Lists the action items of `actions.yaml`: open, overdue, closed, and whether a run proves it.
#[derive(Debug, clap::Args)]
pub struct ActionsArgs {
    /// Directories with runs, such as downloaded artifacts; the project's `.firedrill/` when none is named.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// What is open, for a message to each owner: overdue first.
    #[arg(long)]
    digest: bool,
}

/// Runs the command.
pub async fn run(args: ActionsArgs, globals: &super::Globals) -> Result<Exit, Error> {
    let actions = read(globals)?.ok_or_else(|| {
        Error::usage(format!("there is no {}", tidy(&globals.project.join(ACTIONS)).display())).hint(
            "begin with this one:\n\nactions:\n  - { id: A-1, what: Name the bucket by its alias, owner: Team Database, due: 2026-11-30 }",
        )
    })?;
    let seen = named_runs(&actions, &args.paths, &globals.project)?;
    let today = utc_text(utc_now()).chars().take(10).collect::<String>();
    let of = |item: &ActionItem| format!("{}\n", line(item, &item.state(&seen, &today)));
    let text = if args.digest { digest(&actions, &today) } else { actions.items.iter().map(of).collect() };
    print(&text).map(|()| Exit::Passed)
}

/// The file of the project; `None` where it has none.
pub fn read(globals: &super::Globals) -> Result<Option<Actions>, Error> {
    super::read_own(None, ACTIONS, "the file of actions", globals, read_actions)
}

/// The runs that actions name, as far as they lie there.
pub fn named_runs(actions: &Actions, paths: &[PathBuf], project: &Path) -> Result<Vec<SeenRun>, Error> {
    let named = |id: &str| {
        let is = |run: &Option<String>| run.as_deref() == Some(id);
        actions.items.iter().any(|item| is(&item.run) || is(&item.closed_by))
    };
    let (mut found, mut seen) = (found_runs(paths, project)?, Vec::new());
    found.runs.retain(|dir| archive::run_id(dir).is_some_and(|id| named(&id)));
    each_run(found, |record| seen.extend(SeenRun::of(record)));
    Ok(seen)
}

fn line(item: &ActionItem, state: &str) -> String {
    let ActionItem { id, owner, due, text, ticket, .. } = item;
    let ticket = ticket.as_ref().map(|ticket| format!(", {ticket}")).unwrap_or_default();
    format!("{id}  due {due}  {owner}  {state}\n    {}{ticket}", one_line(text))
}

/// By owner; of each the overdue ones first, then by date.
fn digest(actions: &Actions, today: &str) -> String {
    let mut owners: BTreeMap<&str, Vec<&ActionItem>> = BTreeMap::new();
    for item in actions.items.iter().filter(|item| item.is_open()) {
        owners.entry(&item.owner).or_default().push(item);
    }
    let mut text = String::new();
    for (owner, mut items) in owners {
        // What is overdue is due before what is not.
        items.sort_by_key(|item| item.due.clone());
        let overdue = items.iter().filter(|item| item.is_overdue(today)).count();
        let late = if overdue > 0 { format!(", {overdue} overdue") } else { String::new() };
        text.push_str(&format!("{owner}: {} open{late}\n", items.len()));
        for item in items {
            text.push_str(&format!("  {}\n", line(item, &item.state(&[], today))));
        }
        text.push('\n');
    }
    if text.is_empty() { "nothing is open\n".into() } else { text.trim_end().to_string() + "\n" }
}
