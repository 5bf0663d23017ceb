//! The files that a Compose file is made from, read from its text: no Docker, no variables. Where a path has a variable in it,
//! everything that it could mean below its first part counts; where the file cannot be read, its whole folder does.

use super::reads::{documents, list};
use crate::source::Source;
use crate::stack::{SourceFiles, StackRequest};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The env files of a request, its Compose files, and everything that these name: from where the first one lies.
pub(in crate::stack) fn compose_inputs(request: &StackRequest) -> SourceFiles {
    let (base, mut inputs, mut seen) = (folder_of(&request.file), SourceFiles::default(), BTreeSet::new());
    request.env_files.iter().for_each(|file| inputs.file(file));
    std::iter::once(&request.file).chain(&request.merged).for_each(|file| read(file, &base, &mut inputs, &mut seen));
    inputs
}

/// Reads a file; paths in it are relative to `base`.
fn read(file: &Path, base: &Path, inputs: &mut SourceFiles, seen: &mut BTreeSet<PathBuf>) {
    if !seen.insert(SourceFiles::real(file)) {
        return;
    }
    inputs.file(file);
    inputs.file(&base.join(".env"));
    let Some(documents) = Source::read(file).ok().and_then(|source| documents(&source.text).ok()) else {
        inputs.folder(base);
        return;
    };
    let mut scan = Scan { base, inputs, seen };
    for root in &documents {
        items(&root["include"]).for_each(|item| scan.include(item));
        values(&root["services"]).for_each(|service| scan.service(service));
        let named = ["configs", "secrets"].into_iter().flat_map(|section| values(&root[section]));
        named.for_each(|thing| scan.file(&thing["file"]));
        // A named volume may be a mount of a directory by the local driver.
        for volume in values(&root["volumes"]) {
            let device = volume["driver_opts"]["device"].as_str();
            scan.folder(device.filter(|path| path.starts_with(['.', '/'])));
        }
    }
}

struct Scan<'a> {
    base: &'a Path,
    inputs: &'a mut SourceFiles,
    seen: &'a mut BTreeSet<PathBuf>,
}

impl Scan<'_> {
    /// `include`: a path, or a map with one or several.
    fn include(&mut self, item: &Value) {
        items(&item["env_file"]).for_each(|file| self.file(file));
        let paths = if item.is_object() { &item["path"] } else { item };
        for path in items(paths).filter_map(Value::as_str) {
            self.other(path, item["project_directory"].as_str());
        }
    }

    /// Another Compose file.
    fn other(&mut self, path: &str, project: Option<&str>) {
        // Reads it, unless only Compose knows which one it is.
        let Some(file) = self.place(path) else { return };
        let Some(base) = project.map_or_else(|| Some(folder_of(&file)), |project| self.place(project)) else { return };
        read(&file, &base, self.inputs, self.seen);
    }

    fn service(&mut self, service: &Value) {
        if let Some(path) = service["extends"]["file"].as_str() {
            self.other(path, None);
        }
        for item in items(&service["env_file"]).chain(items(&service["label_file"])) {
            self.file(if item.is_object() { &item["path"] } else { item });
        }
        if !service["build"].is_null() {
            self.build(&service["build"]);
        }
        for volume in items(&service["volumes"]) {
            let long = volume["source"].as_str().filter(|_| volume["type"] == "bind");
            let short = volume.as_str().and_then(|short| short.split_once(':')).map(|(source, _)| source);
            // A name without a dot or a slash is a volume.
            self.folder(long.or(short.filter(|source| source.starts_with(['.', '/', '$']))));
        }
    }

    fn build(&mut self, build: &Value) {
        // A map without a context is built in the project's folder.
        let context = build.as_str().or(build["context"].as_str()).unwrap_or(".");
        self.folder(Some(context));
        if let Some(dockerfile) = build["dockerfile"].as_str()
            && let Some(context) = self.place(context)
        {
            self.inputs.file(&context.join(dockerfile));
        }
        let more = &build["additional_contexts"];
        values(more).for_each(|context| self.folder(context.as_str()));
        for item in items(more).filter_map(Value::as_str) {
            self.folder(item.split_once('=').map(|(_, context)| context));
        }
    }

    fn file(&mut self, path: &Value) {
        if let Some(place) = path.as_str().and_then(|path| self.place(path)) {
            self.inputs.file(&place);
        }
    }

    fn folder(&mut self, path: Option<&str>) {
        if let Some(place) = path.and_then(|path| self.place(path)) {
            self.inputs.folder(&place);
        }
    }

    /// Where a path leads. With a variable in it that is not known: then the folder before it counts as a whole. What is
    /// not on this machine (a repository, an image, a service) is nowhere.
    fn place(&mut self, path: &str) -> Option<PathBuf> {
        if ["://", "git@", "github.com/"].iter().any(|remote| path.contains(remote)) || path.starts_with("service:") {
            return None;
        }
        if path.replace("$$", "").contains('$') {
            let before = path.split('$').next().unwrap_or_default();
            let folder = before.rsplit_once('/').map_or("", |(folder, _)| folder);
            self.inputs.folder(&self.base.join(folder));
            return None;
        }
        Some(self.base.join(path.replace("$$", "$")))
    }
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
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
    fn what_cannot_be_read_counts_as_a_whole() {
        let dir = project(&[("stack/compose.yaml", "services: [\n")]);
        assert_eq!(of(dir.path()).1, ["stack"]);
    }
}
