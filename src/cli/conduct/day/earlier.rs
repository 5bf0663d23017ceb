//! What earlier runs on this disk tell: how often a game day took place, how long a drill takes and what it uses.

use super::DayOptions;
use crate::archive;
use crate::record::RunDir;
use crate::stack::Use;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// So many of the newest drills of a scenario are looked at.
const NEWEST: usize = 3;
/// So many of the newest game days are looked into.
const DAYS: usize = 5;

/// How many game days of this name there are.
pub fn days(wanted: &DayOptions, name: &str) -> u64 {
    let root = wanted.out.clone().unwrap_or_else(|| own(&wanted.globals.project, "gamedays"));
    let all = RunDir::list(&root).unwrap_or_default();
    all.iter().filter(|dir| dir.is_named(name)).count() as u64
}

/// What the newest drills of a scenario tell: how long the longest of those took that ended, and what the newest one used.
pub fn drill(project: &Path, out: Option<&Path>, scenario: &str) -> (Option<Duration>, Option<Use>) {
    let mut roots = vec![own(project, "runs")];
    for days in [Some(own(project, "gamedays")), out.map(Path::to_path_buf)].into_iter().flatten() {
        let newest = RunDir::list(&days).unwrap_or_default();
        roots.extend(newest.iter().rev().take(DAYS).map(|day| day.path().join("runs")));
    }
    let mut runs: Vec<RunDir> = roots.iter().flat_map(|root| RunDir::list(root).unwrap_or_default()).collect();
    runs.retain(|run| run.is_named(scenario));
    runs.sort_by(|a, b| b.id().cmp(a.id()));
    let records: Vec<_> = runs.iter().take(NEWEST).filter_map(|run| archive::read_run(run.path()).ok()).collect();
    // The id holds only the beginning of a long name.
    let own = || records.iter().filter(|record| record.plan.as_ref().is_some_and(|plan| plan.scenario == scenario));
    let whole = own().filter(|record| record.ended && record.passed());
    (whole.map(|record| Duration::from_micros(record.last_us.0)).max(), own().find_map(Use::of))
}

fn own(project: &Path, folder: &str) -> PathBuf {
    project.join(".firedrill").join(folder)
}
