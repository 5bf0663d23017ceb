//! Which scenarios a change concerns: those of which a file that they are made from has changed. What cannot be told is taken
//! to be concerned.

use crate::spec::{GameDay, Plan};
use crate::stack::{Platform, SourceFiles};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What has changed since a revision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The revision as it was given.
    pub revision: String,
    /// Files that changed, absolute and without links in their folders.
    pub files: BTreeSet<PathBuf>,
}

/// The scenarios that a change concerns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Affected {
    /// The revision since which it was made, as it was given.
    pub revision: String,
    /// Name of the scenario → a file of its that has changed.
    pub scenarios: BTreeMap<String, PathBuf>,
}

/// Which scenarios of a game day changes concern. Reads the files of their stacks.
pub fn affected(changes: &Changes, day: &GameDay, platform: &dyn Platform) -> Affected {
    let concerned = day.scenarios.iter().filter_map(|scenario| {
        let touched = inputs(&scenario.plan, platform).touched_by(&changes.files)?.to_path_buf();
        Some((scenario.plan.name.clone(), touched))
    });
    Affected { revision: changes.revision.clone(), scenarios: concerned.collect() }
}

/// What a scenario is made from, read from its files.
fn inputs(plan: &Plan, platform: &dyn Platform) -> SourceFiles {
    let mut inputs = platform.source_files(&plan.stack);
    own_files(plan, &mut inputs);
    inputs
}

/// Adds the files of a scenario that are none of its stack's.
pub fn own_files(plan: &Plan, inputs: &mut SourceFiles) {
    inputs.file(&plan.source.path);
    if let Some(runbook) = &plan.runbook {
        inputs.file(&runbook.source.path);
    }
    plan.respond.env_files.iter().for_each(|file| inputs.file(file));
    plan.sources().flat_map(|source| source.files()).for_each(|file| inputs.file(&file));
}
