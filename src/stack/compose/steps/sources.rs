//! The files that a stack is made from, read for the names of their variables: only what they name may come from a step,
//! and what chooses one of the host's files may not. What is not understood here lets no variable count.

use crate::stack::StackRequest;
use crate::stack::compose::dotenv::assignments;
use crate::stack::compose::model::{ResolvedModel, texts_in};
use crate::stack::compose::project::ProjectFiles;
use crate::stack::compose::reads::{self, documents};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Most files and directories that are looked at.
const MOST: usize = 50;

/// Names of variables.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Variables {
    /// All that are named.
    pub named: BTreeSet<String>,
    /// Those of them that decide which files of the host are read.
    pub of_files: BTreeSet<String>,
}

/// What has been found on the way.
#[derive(Debug, Default)]
struct FoundSources {
    variables: Variables,
    /// Paths of further Compose files, of further project directories and of env files, as they are written.
    files: BTreeSet<String>,
    directories: BTreeSet<String>,
    env_files: BTreeSet<String>,
}

impl ProjectFiles {
    /// Every variable in these files and in those that they include or extend.
    ///
    /// Compose resolves a path from the project's directory, from that of an include or from that of the file, by rules
    /// that change: it is looked for in all of them, and everything that is there is read.
    ///
    /// # Errors
    /// Why one of them cannot be read as Compose would read it.
    pub(super) fn variables(&self) -> Result<Variables, String> {
        let mut found = FoundSources::default();
        let mut pending: BTreeSet<PathBuf> = self.files.iter().map(|file| clean(file)).collect();
        let mut bases = BTreeSet::from([clean(&self.directory)]);
        let mut read = BTreeSet::new();
        loop {
            for file in &pending {
                bases.insert(file.parent().unwrap_or(Path::new("/")).to_path_buf());
                found.compose_file(file)?;
            }
            read.append(&mut pending);
            let under = |path: &String| bases.iter().map(|base| clean(&base.join(path))).collect::<Vec<_>>();
            let more: Vec<PathBuf> = found.directories.iter().flat_map(under).filter(|dir| dir.is_dir()).collect();
            let there = found.files.iter().flat_map(under).filter(|file| file.is_file());
            pending = there.filter(|file| !read.contains(file)).collect();
            let known = bases.len();
            bases.extend(more);
            if read.len() + pending.len() > MOST || bases.len() > MOST {
                return Err(format!("it is made from more than {MOST} files"));
            }
            if pending.is_empty() && bases.len() == known {
                break;
            }
        }
        let nowhere = |path: &&String| !bases.iter().any(|base| clean(&base.join(path)).is_file());
        if let Some(path) = found.files.iter().find(nowhere) {
            return Err(format!("`{path}`, which its file includes or extends, is no file on this machine"));
        }
        found.env_files.insert(".env".into());
        let under = |path: &String| bases.iter().map(|base| clean(&base.join(path))).collect::<Vec<_>>();
        let named = found.env_files.iter().flat_map(under);
        let env_files: BTreeSet<PathBuf> = named.chain(self.env_files.iter().map(|file| clean(file))).collect();
        found.variables.through(env_files.iter().filter(|file| file.is_file()))?;
        Ok(found.variables)
    }
}

impl ResolvedModel {
    /// What a drill's model is made from.
    pub(super) fn sources(&self, spec: &StackRequest) -> ProjectFiles {
        let (files, directory) = (self.files.clone(), self.directory.clone());
        ProjectFiles { files, directory, env_files: spec.env_files.clone() }
    }

    /// The variables that its files name, of which a release may set any; `None` where they are not understood.
    pub fn variables(&self, spec: &StackRequest) -> Option<BTreeSet<String>> {
        let named = self.sources(spec).variables().ok()?.named;
        Some(named.into_iter().filter(|name| super::guard::may_decide(name)).collect())
    }
}

impl FoundSources {
    fn compose_file(&mut self, file: &Path) -> Result<(), String> {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let not_understood = |why: String| format!("{} is not understood here: {why}", file.display());
        let documents = documents(&text).map_err(|error| not_understood(error.to_string()))?;
        match documents.as_slice() {
            [tree] => self.walk(tree),
            several => Err(not_understood(format!("it holds {} documents", several.len()))),
        }
    }

    /// Keys are looked for at every depth, because a merge (`<<`) brings them from anywhere in the file.
    fn walk(&mut self, value: &Value) -> Result<(), String> {
        match value {
            Value::String(text) => self.variables.named.extend(variables_of(text)),
            Value::Array(values) => values.iter().try_for_each(|value| self.walk(value))?,
            Value::Object(fields) => {
                for (key, value) in fields {
                    match key.as_str() {
                        "env_file" | "label_file" => self.choosing(value),
                        "extends" => {
                            self.choosing(value);
                            // A text alone is a service of the same file.
                            if value.is_object() {
                                self.paths(value, "file")?;
                            }
                        }
                        "include" => self.paths(value, "path")?,
                        "environment" | "args" => self.handed_on(value),
                        _ => {}
                    }
                    self.walk(value)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Variables that decide which file is read.
    fn choosing(&mut self, value: &Value) {
        self.variables.of_files.extend(texts_in(value).into_iter().flat_map(variables_of));
    }

    /// `environment: [DEBUG]`, which has its value from outside.
    fn handed_on(&mut self, value: &Value) {
        let names: Vec<&str> = match value {
            Value::Object(fields) => {
                fields.iter().filter(|(_, value)| value.is_null()).map(|(name, _)| name.as_str()).collect()
            }
            Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        self.variables.named.extend(names.into_iter().filter(|name| !name.contains(['=', '$'])).map(str::to_string));
    }

    /// The paths below an `include` or `extends`.
    fn paths(&mut self, value: &Value, key: &str) -> Result<(), String> {
        match value {
            Value::String(text) => {
                if text.contains('$') || text.starts_with('~') {
                    return Err(format!("`{text}` chooses a file that it is made from"));
                }
                match key {
                    "service" => {}
                    "project_directory" => drop(self.directories.insert(text.clone())),
                    "env_file" => drop(self.env_files.insert(text.clone())),
                    _ => drop(self.files.insert(text.clone())),
                }
            }
            Value::Array(values) => values.iter().try_for_each(|value| self.paths(value, key))?,
            Value::Object(fields) => {
                fields
                    .iter()
                    .try_for_each(|(inner, value)| self.paths(value, if inner == "<<" { key } else { inner }))?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Variables {
    /// `TAG=${RELEASE}` in an env file: what decides TAG is RELEASE.
    fn through<'a>(&mut self, env_files: impl Iterator<Item = &'a PathBuf>) -> Result<(), String> {
        let mut all = Vec::new();
        for file in env_files {
            let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
            all.extend(assignments(&text).into_iter().map(|(name, value)| (name, variables_of(&value))));
        }
        loop {
            let before = self.named.len() + self.of_files.len();
            for (name, names) in &all {
                for known in [&mut self.named, &mut self.of_files] {
                    if known.contains(name) {
                        known.extend(names.iter().cloned());
                    }
                }
            }
            if self.named.len() + self.of_files.len() == before {
                return Ok(());
            }
        }
    }
}

/// A path as Compose makes it: absolute, and `..` taken away without a look at what is there.
fn clean(path: &Path) -> PathBuf {
    reads::clean(&std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()))
}

/// Every name after a `$` or `${`, defaults included; `$$` is a dollar sign.
fn variables_of(text: &str) -> Vec<String> {
    let text = text.replace("$$", "");
    let after = text.split('$').skip(1).map(|rest| rest.trim_start_matches('{'));
    let name = |rest: &str| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    after.map(name).filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[(&str, &str)]) -> Result<(String, String), String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let directory = dir.path().to_path_buf();
        let sources = ProjectFiles { files: vec![directory.join("compose.yml")], directory, env_files: Vec::new() };
        let joined = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(" ");
        sources.variables().map(|variables| (joined(variables.named), joined(variables.of_files)))
    }

    #[test]
    fn what_the_files_name_may_count_and_what_chooses_a_file_is_known() {
        let main = "include: [other.yml, { path: sub/inc.yml, project_directory: . }]\n\
            x-base: &base { env_file: '$MERGED' }\nservices:\n  web:\n    <<: *base\n    image: w:${TAG:-${OLD}}\n    \
            command: echo $$INSIDE\n    environment: [DEBUG, 'X=$Y']\n    env_file: [$A, { path: './${B:-x}.env' }]\n    \
            label_file: $L\n    extends: { file: base.yml, service: base }\n";
        let files = [
            ("compose.yml", main),
            ("base.yml", "services: { base: { env_file: '${C}', environment: { HANDED: , KEPT: 1 } } }\n"),
            ("other.yml", "services: { o: { image: '$IMAGE' } }\n"),
            // From the include's project directory, not from its own.
            ("sub/inc.yml", "services: { i: { extends: { file: base2.yml, service: b } } }\n"),
            ("base2.yml", "services: { b: { env_file: '${D}' } }\n"),
            (".env", "D=$THROUGH\nIMAGE=x:$RELEASE\nOTHER=$NOT_ASKED\n"),
        ];
        let (named, of_files) = of(&files).unwrap();
        assert_eq!(named, "A B C D DEBUG HANDED IMAGE L MERGED OLD RELEASE TAG THROUGH Y");
        assert_eq!(of_files, "A B C D L MERGED THROUGH");
    }

    #[test]
    fn what_is_not_understood_is_no_set_of_variables() {
        for (main, why) in [
            ("services: [unclosed", "not understood"),
            ("include: ['${D}/x.yml']", "`${D}/x.yml` chooses"),
            ("services: { w: { extends: { file: '${BASE:-base.yml}', service: b } } }", "`${BASE:-base.yml}` chooses"),
            ("include: [{ path: a.yml, project_directory: $P }]", "`$P` chooses"),
            ("include: [none.yml]", "`none.yml`, which"),
            ("include: ['git@github.com:a/b.git']", "is no file"),
            ("services: { w: { image: a } }\n---\nservices: { w: { env_file: $E } }", "not understood"),
        ] {
            let found = of(&[("compose.yml", main), ("base.yml", "{}"), ("a.yml", "{}")]);
            assert!(found.as_ref().is_err_and(|found| found.contains(why)), "{main}: {found:?}");
        }
    }
}
