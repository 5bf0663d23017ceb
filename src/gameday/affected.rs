//! Which scenarios a change concerns: those of which a file that they are made from has changed. What cannot be told is taken
//! to be concerned.

use super::git::changed_since;
use crate::error::Error;
use crate::spec::{GameDay, Plan, shared_files};
use crate::stack::{Platform, SourceFiles};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The scenarios that a change concerns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Affected {
    /// The revision since which it was made, as it was given.
    pub revision: String,
    /// Name of the scenario → a file of its that has changed.
    pub scenarios: BTreeMap<String, PathBuf>,
}

/// Which scenarios of a game day are concerned by what has changed since a revision. Reads the files of their stacks.
///
/// # Errors
/// As for `changed_since`.
pub fn affected(revision: &str, day: &GameDay, platform: &dyn Platform, project: &Path) -> Result<Affected, Error> {
    let changed = changed_since(project, revision)?;
    let concerned = day.scenarios.iter().filter_map(|scenario| {
        let mut inputs = platform.source_files(&scenario.plan.stack);
        own_files(&scenario.plan, project, &mut inputs);
        let touched = inputs.touched_by(&changed)?.to_path_buf();
        Some((scenario.plan.name.clone(), touched))
    });
    Ok(Affected { revision: revision.to_string(), scenarios: concerned.collect() })
}

/// Adds the files of a scenario that are none of its stack's: what it was read from, and what the project has for all of its scenarios.
pub fn own_files(plan: &Plan, project: &Path, inputs: &mut SourceFiles) {
    plan.made_from().for_each(|source| inputs.file(&source.path));
    plan.respond.env_files.iter().for_each(|file| inputs.file(file));
    plan.sources().flat_map(|source| source.files.clone()).for_each(|file| inputs.file(&file));
    shared_files(project).iter().for_each(|file| inputs.file(file));
    inputs.folder(&project.join("faults"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Overrides, load};
    use std::collections::BTreeSet;

    #[test]
    fn whatever_a_scenario_is_made_from_concerns_it() {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let all = ["services.yaml", "programs.yaml", "faults/redis_full.yaml"];
        let of_pool = ["scenarios/db-pool.yaml", "runbooks/db-pool.md", "runbooks/db-pool.reading.yaml"];
        let of_late = ["oncall.yaml", "alertmanager.yml", "wrong/patient.yml"];
        let of_late = of_late.map(|name| format!("stacks/checkout/ops/{name}"));
        let of_late = of_late.each_ref().map(String::as_str);
        let others_than_pool = ["scenarios/alert-late.yaml", of_late[2], "runbooks/upstream-503.md"];
        for (scenario, own, others) in [("db-pool", of_pool, others_than_pool), ("alert-late", of_late, of_pool)] {
            let (plan, mistakes) = load(&project.join(format!("scenarios/{scenario}.yaml")), &Overrides::default());
            let mut inputs = SourceFiles::default();
            own_files(&plan.unwrap_or_else(|| panic!("{mistakes:?}")), project, &mut inputs);
            let touched = |file: &&str| inputs.touched_by(&BTreeSet::from([project.join(file)])).is_some();
            assert!(own.iter().chain(&all).all(touched), "{scenario}: {inputs:?}");
            assert!(!others.iter().any(touched), "{scenario}: {inputs:?}");
        }
    }
}
