//! The files that a Compose file is made from, read from its text: no Docker, no variables. Where a path has a variable in it,
//! everything that it could mean below its first part counts; where the file cannot be read, its whole folder does.

use super::model::{ProjectFiles, files_of};
use super::reads::{Reads, list, read_all};
use super::variables::{Variables, may_decide};
use crate::stack::{HostRequest, SourceFiles, StackRequest};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The env files of a request, its Compose files, and everything that these name: from where the first one lies.
pub(in crate::stack) fn compose_inputs(request: &StackRequest) -> SourceFiles {
    let ProjectFiles { files, directory, .. } = files_of(request);
    let (Reads { mut found, .. }, _) = read_all(&files, &directory, &request.root);
    request.env_files.iter().for_each(|file| found.file(file));
    found
}

impl SourceFiles {
    /// What a document of a Compose file names beyond what Compose reads with it; paths in it are relative to `base`.
    pub(super) fn document(&mut self, root: &Value, base: &Path) {
        for thing in values(&root["configs"]).chain(values(&root["secrets"])) {
            self.named_file(thing["file"].as_str(), base);
        }
        // A named volume may be a mount of a directory by the local driver.
        for volume in values(&root["volumes"]) {
            let device = volume["driver_opts"]["device"].as_str();
            self.named_folder(device.filter(|path| path.starts_with(['.', '/'])), base);
        }
        for service in values(&root["services"]) {
            if !service["build"].is_null() {
                self.build(&service["build"], base);
            }
            for volume in items(&service["volumes"]) {
                let long = volume["source"].as_str().filter(|_| volume["type"] == "bind");
                let short = volume.as_str().and_then(|short| short.split_once(':')).map(|(source, _)| source);
                // A name without a dot or a slash is a volume.
                self.named_folder(long.or(short.filter(|source| source.starts_with(['.', '/', '$']))), base);
            }
        }
    }

    fn build(&mut self, build: &Value, base: &Path) {
        // A map without a context is built in the project's folder.
        let context = build.as_str().or(build["context"].as_str()).unwrap_or(".");
        self.named_folder(Some(context), base);
        if let Some(dockerfile) = build["dockerfile"].as_str()
            && let Some(context) = self.place(context, base)
        {
            self.file(&context.join(dockerfile));
        }
        let more = &build["additional_contexts"];
        values(more).for_each(|context| self.named_folder(context.as_str(), base));
        for item in items(more).filter_map(Value::as_str) {
            self.named_folder(item.split_once('=').map(|(_, context)| context), base);
        }
    }

    /// Adds a file as it is written, if that says which one it is.
    pub(super) fn named_file(&mut self, path: Option<&str>, base: &Path) {
        if let Some(place) = path.and_then(|path| self.place(path, base)) {
            self.file(&place);
        }
    }

    /// Adds everything beside a file that nobody follows: what it names is not known.
    pub(super) fn beside(&mut self, path: &str, base: &Path) {
        if let Some(folder) = self.place(path, base).as_deref().and_then(Path::parent) {
            self.folder(folder);
        }
    }

    pub(super) fn named_folder(&mut self, path: Option<&str>, base: &Path) {
        if let Some(place) = path.and_then(|path| self.place(path, base)) {
            self.folder(&place);
        }
    }

    /// Where a path leads. With a variable in it that is not known: then the folder before it counts as a whole. What is
    /// not on this machine (a repository, an image, a service) is nowhere.
    fn place(&mut self, path: &str, base: &Path) -> Option<PathBuf> {
        if ["://", "git@", "github.com/"].iter().any(|remote| path.contains(remote)) || path.starts_with("service:") {
            return None;
        }
        if path.replace("$$", "").contains('$') {
            let folder = path.split('$').next().unwrap_or_default().rsplit_once('/').map_or("", |(folder, _)| folder);
            self.folder(&base.join(folder));
            return None;
        }
        Some(base.join(path.replace("$$", "$")))
    }
}

/// The values of a map.
fn values(map: &Value) -> impl Iterator<Item = &Value> {
    map.as_object().into_iter().flat_map(|map| map.values())
}

/// The items of a list, or the one thing that stands for a list of one.
fn items(value: &Value) -> impl Iterator<Item = &Value> {
    list(value).into_iter().filter(|item| !item.is_null())
}

/// The variables that the files name: only these may come from a step, and what chooses one of the host's files may not. What is not
/// understood here lets no variable count.
impl ProjectFiles {
    /// Every variable in these files and in those that they include or extend.
    ///
    /// # Errors
    /// Why one of them cannot be read as Compose would read it.
    pub(super) fn variables(&self) -> Result<Variables, String> {
        let (Reads { asks, mut variables, env_files, .. }, read) =
            read_all(&self.files, &self.directory, Path::new("/"));
        read.map_err(|why| format!("it is not understood here: {why}"))?;
        let takes_in = |ask: &&HostRequest| matches!(ask.key.as_str(), "include" | "extends");
        // What `!reset` takes away stands in the files all the same.
        let mut unknown = asks.iter().filter(takes_in).filter(|ask| ask.value != "\"!reset\"");
        if let Some(HostRequest { what, .. }) = unknown.next() {
            let why = what.split_once(": ").map_or(what.as_str(), |(_, why)| why);
            return Err(format!("a file that it includes or extends is not known here: {why}"));
        }
        variables.through(env_files.iter().chain(&self.env_files).filter(|file| file.is_file()))?;
        Ok(variables)
    }

    /// The variables of `variables` that a release may set.
    pub(super) fn of_releases(&self) -> Result<BTreeSet<String>, String> {
        let named = self.variables()?.named;
        Ok(named.into_iter().filter(|name| may_decide(name)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPOSE: &str = "\
include:
  - ../common/compose.yaml
  - { path: [more.yaml], env_file: more.env }
x-base: &base
  env_file: base.env
services:
  db: { build: db, volumes: [data:/var/lib, ./init:/init:ro, { type: bind, source: ../seed, target: /seed }] }
  web:
    <<: *base
    extends: { file: web.yaml, service: web }
    build: { context: .., dockerfile: docker/web.Dockerfile, additional_contexts: { tools: ../tools, base: docker-image://x } }
  side: { image: side, env_file: [a.env, { path: b.env, required: false }] }
  far: { build: https://github.com/x/y.git }
  any:
    build: ./variants/${VARIANT}/x
configs: { c: { file: ./c.conf } }
secrets: { s: { file: s.txt } }
volumes: { data: ~ }
";

    fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    fn of(dir: &Path) -> (Vec<String>, Vec<String>) {
        let inputs = compose_inputs(&StackRequest { file: dir.join("stack/compose.yaml"), ..StackRequest::default() });
        let root = dir.canonicalize().unwrap();
        let shown = |paths: &BTreeSet<PathBuf>| -> Vec<String> {
            paths.iter().map(|path| path.strip_prefix(&root).unwrap().display().to_string()).collect()
        };
        (shown(&inputs.files), shown(&inputs.folders))
    }

    #[test]
    fn everything_that_a_compose_file_names_counts() {
        let dir = project(&[
            ("stack/compose.yaml", COMPOSE),
            ("common/compose.yaml", "services: { cache: { build: cache } }\n"),
            ("stack/more.yaml", "include: [compose.yaml]\nservices: {}\n"),
            ("stack/web.yaml", "services: { web: { env_file: web.env } }\n"),
        ]);
        let (files, folders) = of(dir.path());
        let expected = [
            "common/.env", "common/compose.yaml", "docker/web.Dockerfile", "stack/.env", "stack/a.env", "stack/b.env",
            "stack/base.env", "stack/c.conf", "stack/compose.yaml", "stack/more.env", "stack/more.yaml", "stack/s.txt",
            "stack/web.env", "stack/web.yaml",
        ];
        assert_eq!(files, expected);
        assert_eq!(folders, ["", "common/cache", "seed", "stack/db", "stack/init", "stack/variants", "tools"]);
    }

    #[test]
    fn everything_beside_what_is_not_followed_counts() {
        let include = "include: [{ path: a.yaml, project_directory: '${X}/a', env_file: e.env }, a@b/c.yaml]\n";
        let dir = project(&[("stack/compose.yaml", include)]);
        let (files, folders) = of(dir.path());
        assert_eq!(files, ["stack/.env", "stack/a.yaml", "stack/a@b/c.yaml", "stack/compose.yaml", "stack/e.env"]);
        assert_eq!(folders, ["stack", "stack/a@b"]);
    }

    #[test]
    fn what_cannot_be_read_counts_as_a_whole() {
        let dir = project(&[("stack/compose.yaml", "services: [\n")]);
        assert_eq!(of(dir.path()).1, ["stack"]);
    }

    fn variables_of(files: &[(&str, &str)]) -> Result<(String, String), String> {
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
        let (named, of_files) = variables_of(&files).unwrap();
        assert_eq!(named, "A B C D DEBUG HANDED IMAGE L MERGED OLD RELEASE TAG THROUGH Y");
        assert_eq!(of_files, "A B C D L MERGED THROUGH");
    }

    #[test]
    fn a_long_chain_of_variables_is_followed_to_its_end() {
        let chain: String = (0..20_000).rev().map(|n| format!("V{n}=$V{}\n", n + 1)).collect();
        let (named, _) = variables_of(&[("compose.yml", "{ x-a: $V0 }"), (".env", &chain)]).unwrap();
        assert_eq!(named.split(' ').count(), 20_001);
    }

    #[test]
    fn every_document_counts_and_what_is_taken_away() {
        let main = "services: { w: { image: $A, ports: !reset [] } }\n---\ninclude: [other.yml]\n\
                    services: { w: { env_file: $E } }\n";
        let (named, of_files) = variables_of(&[("compose.yml", main), ("other.yml", "{ x-a: $B }")]).unwrap();
        assert_eq!((named.as_str(), of_files.as_str()), ("A B E", "E"));
    }

    #[test]
    fn what_is_not_understood_is_no_set_of_variables() {
        for (main, why) in [
            ("services: [unclosed", "not understood"),
            ("include: ['${D}/x.yml']", "not known here: ${D}/x.yml: a variable"),
            (
                "services: { w: { extends: { file: '${BASE:-base.yml}', service: b } } }",
                "${BASE:-base.yml}: a variable",
            ),
            ("include: [{ path: a.yml, project_directory: $P }]", "not known here: $P: a variable"),
            ("include: [{ path: a.yml, env_file: $E }]", "not known here: $E: a variable"),
            ("include: [none.yml]", "none.yml cannot be read"),
            ("include: ['git@github.com:a/b.git']", "it is read from elsewhere"),
            ("include: [{ Path: a.yml }]", "`Path` is read by Compose"),
        ] {
            let found = variables_of(&[("compose.yml", main), ("base.yml", "{}"), ("a.yml", "{}")]);
            assert!(found.as_ref().is_err_and(|found| found.contains(why)), "{main}: {found:?}");
        }
    }
}
