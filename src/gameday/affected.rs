//! Which scenarios a change concerns: those of which a file that they are made from has changed. What cannot be told is taken
//! to be concerned.

use super::compose::compose_inputs;
use crate::spec::{GameDay, Plan};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

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

/// Which scenarios of a game day changes concern. Reads the Compose files.
pub fn affected(changes: &Changes, day: &GameDay) -> Affected {
    let concerned = day.scenarios.iter().filter_map(|scenario| {
        let touched = inputs(&scenario.plan).touched_by(&changes.files)?.to_path_buf();
        Some((scenario.plan.name.clone(), touched))
    });
    Affected { revision: changes.revision.clone(), scenarios: concerned.collect() }
}

/// What a scenario is made from: absolute paths without links in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Files.
    pub files: BTreeSet<PathBuf>,
    /// Folders with everything in them: contexts of builds, bind mounts.
    pub folders: BTreeSet<PathBuf>,
}

impl Inputs {
    pub(super) fn file(&mut self, path: &Path) {
        // A link may have been turned elsewhere, and what it leads to may have changed.
        if let (Some(folder), Some(name)) = (path.parent(), path.file_name()) {
            self.files.insert(real(folder).join(name));
        }
        self.files.insert(real(path));
    }

    pub(super) fn folder(&mut self, path: &Path) {
        self.folders.insert(real(path));
    }

    /// The first of these changes that concerns them.
    pub fn touched_by<'c>(&self, changed: &'c BTreeSet<PathBuf>) -> Option<&'c Path> {
        let below = |path: &Path| self.folders.iter().any(|folder| path.starts_with(folder));
        // Git names a submodule, not the files in it.
        let within = |path: &Path| self.files.iter().chain(&self.folders).any(|own| own.starts_with(path));
        changed.iter().map(PathBuf::as_path).find(|path| below(path) || within(path))
    }
}

/// What a scenario is made from, read from its files.
pub fn inputs(plan: &Plan) -> Inputs {
    let mut inputs = Inputs::default();
    inputs.file(&plan.source.path);
    if let Some(runbook) = &plan.runbook {
        inputs.file(&runbook.source.path);
    }
    for file in plan.stack.env_files.iter().chain(&plan.respond.env_files) {
        inputs.file(file);
    }
    compose_inputs(&plan.stack.file, &mut inputs);
    inputs
}

/// The path without links, as far as it exists: a file that was removed is looked for as well.
pub(super) fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let path = crate::source::tidy(&path);
    let existing = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    match existing {
        Some((above, known)) => match path.strip_prefix(above) {
            Ok(rest) if !rest.as_os_str().is_empty() => known.join(rest),
            _ => known,
        },
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_concerns_what_it_is_in() {
        let mut inputs = Inputs::default();
        inputs.files.insert("/p/scenarios/a.yaml".into());
        inputs.folders.insert("/p/stacks/shop/db".into());
        let touched = |path: &str| inputs.touched_by(&BTreeSet::from([PathBuf::from(path)])).is_some();
        assert!(touched("/p/scenarios/a.yaml"));
        assert!(touched("/p/stacks/shop/db/sub/init.sql"));
        assert!(touched("/p/stacks/shop"), "a submodule is named as a whole");
        assert!(!touched("/p/scenarios/a.yaml.orig"));
        assert!(!touched("/p/stacks/shop/db2/x"));
        assert!(!touched("/p/README.md"));
        assert_eq!(inputs.touched_by(&BTreeSet::new()), None);
    }

    #[test]
    fn what_was_removed_has_a_path_too() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::os::unix::fs::symlink(&root, root.join("link")).unwrap();
        assert_eq!(real(&root.join("link/gone/x.sql")), root.join("gone/x.sql"));
        assert_eq!(real(&root), root);
    }
}
