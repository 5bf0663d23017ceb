//! Which scenarios a change concerns: those of which a file that they are made from has changed since a revision, as the `git` command
//! tells, as its user has set it up. What cannot be told is taken to be concerned.

use crate::error::Error;
use crate::process;
use crate::source::tidy;
use crate::spec::{GameDay, Plan, shared_files};
use crate::stack::{Platform, SourceFiles};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What helps where Git does not know enough.
const FETCH: &str = "name a branch, a tag or a commit, as in `origin/main`; a shallow clone has too little history: `fetch-depth: 0` of \
                     actions/checkout, `git fetch --unshallow`";

/// The scenarios that a change concerns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Affected {
    /// The revision since which it was made, as it was given.
    pub revision: String,
    /// Names of the scenarios of which a file has changed.
    pub scenarios: BTreeSet<String>,
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
        inputs.is_touched_by(&changed).then(|| scenario.plan.name.clone())
    });
    Ok(Affected { revision: revision.to_string(), scenarios: concerned.collect() })
}

/// Adds the files of a scenario that are none of its stack's: what it was read from, and what the project has for all of its scenarios.
pub fn own_files(plan: &Plan, project: &Path, inputs: &mut SourceFiles) {
    plan.made_from().for_each(|source| inputs.file(&source.path));
    plan.respond.env_files.iter().for_each(|file| inputs.file(file));
    plan.named_files().iter().for_each(|file| inputs.file(file));
    shared_files(project).iter().for_each(|file| inputs.file(file));
    inputs.folder(&project.join("faults"));
}

/// Everything that has changed in the project since it left `revision`: commits, what is not committed, and files that Git does
/// not know yet. Both sides of a file that was moved have changed. The paths are absolute and without links in their folders.
///
/// # Errors
/// Usage: there is no `git`, the project is no Git repository, or the revision is not known in it.
fn changed_since(project: &Path, revision: &str) -> Result<BTreeSet<PathBuf>, Error> {
    let top = line(project, &["rev-parse", "--show-toplevel"], || {
        let message = format!("{} is no Git repository: nobody can tell what has changed", tidy(project).display());
        Error::usage(message).hint("leave `--affected-by` out")
    })?;
    let unknown = || Error::usage(format!("Git knows no revision `{revision}`")).hint(FETCH);
    // What looks like an option would be one.
    if revision.is_empty() || revision.starts_with('-') {
        return Err(unknown());
    }
    let commit = format!("{revision}^{{commit}}");
    let commit = line(project, &["rev-parse", "--verify", "--quiet", &commit], unknown)?;
    let base = line(project, &["merge-base", &commit, "HEAD"], || {
        Error::usage(format!("`{revision}` and the project have no commit in common")).hint(FETCH)
    })?;
    let top = SourceFiles::real(Path::new(&top));
    let diff = ["diff", "--name-only", "--no-renames", "--no-ext-diff", "--ignore-submodules=none", "-z", &base, "--"];
    let others = ["ls-files", "--others", "--exclude-standard", "--full-name", "-z", ":/"];
    let mut changed = BTreeSet::new();
    for arguments in [&diff[..], &others] {
        let failed = || Error::harness(format!("asking Git what has changed since `{revision}`"));
        let output = git(project, arguments, failed)?;
        let names = output.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        changed.extend(names.map(|name| top.join(OsStr::from_bytes(name))));
    }
    Ok(changed)
}

/// What a command prints, or the error when it fails.
fn git(project: &Path, arguments: &[&str], failed: impl FnOnce() -> Error) -> Result<Vec<u8>, Error> {
    let mut command = process::git(project);
    command.args(arguments);
    let output = process::output_blocking(command, Vec::new(), process::TELLS_WITHIN).map_err(|error| {
        Error::usage(format!("asking Git what has changed: {error}")).hint("`--affected-by` needs the `git` command")
    })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let mut error = failed();
    let said = String::from_utf8_lossy(&output.stderr);
    // Git says it in its first line; `--quiet` says nothing.
    if let Some(line) = said.lines().find(|line| !line.trim().is_empty()) {
        error.message = format!("{}: {}", error.message, line.trim());
    }
    Err(error)
}

fn line(project: &Path, arguments: &[&str], failed: impl FnOnce() -> Error) -> Result<String, Error> {
    let output = git(project, arguments, failed)?;
    Ok(String::from_utf8_lossy(&output).trim_end_matches(['\n', '\r']).to_string())
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
            let touched = |file: &&str| inputs.is_touched_by(&BTreeSet::from([project.join(file)]));
            assert!(own.iter().chain(&all).all(touched), "{scenario}: {inputs:?}");
            assert!(!others.iter().any(touched), "{scenario}: {inputs:?}");
        }
    }

    #[test]
    fn what_only_a_key_of_its_text_names_concerns_it_as_well() {
        let team = tempfile::tempdir().unwrap();
        let authority = rcgen::generate_simple_self_signed(Vec::new()).unwrap().cert.pem();
        let scenario = "title: x\nstack: ../stack.yaml\nrunbook: ../r.md\n\
                        load: { shop: { request: GET https://web/, rate: 20/s, tls: { ca: ../ca.pem } } }\n\
                        slis: { ok: { load: shop, slo: ../slo.yaml#buying/availability } }\n\
                        faults: [odd: { service: web }]\nrespond: { trust: ../trust.pem }\nrecover: { within: 30s }\n";
        let preset = "title: x\ncured_by: y\nparameters: { service: { type: service, about: z } }\n\
                      fault: { container_pause: { service: '{{service}}' } }\n";
        for (path, text) in [
            ("scenarios/x.yaml", scenario),
            ("stack.yaml", "services: { web: { image: x } }\n"),
            ("r.md", "# R\n\n## Mitigation\n\n```bash\nls\n```\n"),
            ("ca.pem", authority.as_str()),
            ("trust.pem", authority.as_str()),
            ("slo.yaml", "journeys: [{ name: buying, slo: { availability: 99% } }]\n"),
            ("faults/odd.yaml", preset),
        ] {
            let path = team.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let (plan, mistakes) = load(&team.path().join("scenarios/x.yaml"), &Overrides::default());
        let plan = plan.unwrap_or_else(|| panic!("{mistakes:?}"));
        let mut inputs = SourceFiles::default();
        // The project is above: `faults/` of the team is not its own.
        own_files(&plan, team.path().parent().unwrap(), &mut inputs);
        for (file, concerns) in [
            ("ca.pem", true),
            ("trust.pem", true),
            ("slo.yaml", true),
            ("faults/odd.yaml", true),
            ("faults/other.yaml", false),
            ("other.pem", false),
        ] {
            let changed = BTreeSet::from([SourceFiles::real(&team.path().join(file))]);
            assert_eq!(inputs.is_touched_by(&changed), concerns, "{file}: {inputs:?}");
        }
    }
}

#[cfg(test)]
mod git_tests {
    use super::*;
    use std::process::Command;

    /// A repository in a temporary folder.
    struct Repository(tempfile::TempDir);

    impl Repository {
        fn new() -> Repository {
            let repository = Repository(tempfile::tempdir().unwrap());
            repository.git(&["init", "--quiet", "--initial-branch=main"]);
            repository
        }

        fn git(&self, arguments: &[&str]) -> String {
            let identity = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"];
            let output =
                Command::new("git").arg("-C").arg(self.0.path()).args(identity).args(arguments).output().unwrap();
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn commit(&self, path: &str, text: &str) {
            self.write(path, text);
            self.git(&["add", "--all"]);
            self.git(&["commit", "--quiet", "--message", path]);
        }

        fn changed(&self, folder: &str, revision: &str) -> Vec<String> {
            let root = self.0.path().canonicalize().unwrap();
            let changes = changed_since(&self.0.path().join(folder), revision).unwrap();
            changes.iter().map(|path| path.strip_prefix(&root).unwrap().display().to_string()).collect()
        }
    }

    #[test]
    fn what_has_changed_since_the_branch_began_and_what_is_not_committed() {
        let repository = Repository::new();
        repository.commit("a", "1");
        repository.commit("project/old name", "a text that Git would know again after a move\n");
        repository.git(&["switch", "--quiet", "--create", "topic"]);
        repository.commit("project/b", "1");
        repository.git(&["switch", "--quiet", "main"]);
        repository.commit("only-on-main", "1");
        repository.git(&["switch", "--quiet", "topic"]);
        assert_eq!(repository.changed("", "main"), ["project/b"]);
        repository.write("a", "2");
        repository.write("project/new/deep\nname", "1");
        repository.write("ignored", "1");
        repository.write(".gitignore", "ignored\n");
        repository.git(&["mv", "project/old name", "moved"]);
        // From any folder of the repository, everything: a stack may lie beside the project.
        let expected = [".gitignore", "a", "moved", "project/b", "project/new/deep\nname", "project/old name"];
        assert_eq!(repository.changed("project", "main"), expected);
        assert_eq!(repository.changed("", "HEAD").len(), 5, "`b` is committed");
    }

    #[test]
    fn what_git_does_not_know_is_an_error_with_a_hint() {
        let repository = Repository::new();
        repository.commit("a", "1");
        repository.commit("a", "2");
        let told = |path: &Path, revision: &str| changed_since(path, revision).unwrap_err().to_string();
        let unknown = told(repository.0.path(), "mian");
        assert!(unknown.starts_with("Git knows no revision `mian`"), "{unknown}");
        assert!(told(repository.0.path(), "--output=x").starts_with("Git knows no revision `--output=x`"));
        let clone = tempfile::tempdir().unwrap();
        let from = format!("file://{}", repository.0.path().display());
        repository.git(&["clone", "--quiet", "--depth=1", &from, &clone.path().join("x").display().to_string()]);
        let shallow = told(&clone.path().join("x"), "HEAD~1");
        assert!(shallow.contains("fetch-depth: 0"), "{shallow}");
        let none = tempfile::tempdir().unwrap();
        let none = told(none.path(), "main");
        assert!(none.contains("is no Git repository"), "{none}");
    }
}
