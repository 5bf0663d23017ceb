//! The files that a Compose file is made from, read from its text: no Docker, no variables. Where a path has a variable in it,
//! everything that it could mean below its first part counts; where the file cannot be read, its whole folder does.

use crate::source::{Diagnostics, Node, Source, Value, parse};
use crate::stack::SourceFiles;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Adds the Compose file and everything that it names.
pub(super) fn compose_inputs(file: &Path, inputs: &mut SourceFiles) {
    let base = folder_of(file);
    read(file, &base, inputs, &mut BTreeSet::new());
}

/// Reads a file; paths in it are relative to `base`.
fn read(file: &Path, base: &Path, inputs: &mut SourceFiles, seen: &mut BTreeSet<PathBuf>) {
    if !seen.insert(SourceFiles::real(file)) {
        return;
    }
    inputs.file(file);
    inputs.file(&base.join(".env"));
    let root = Source::read(file).ok().and_then(|source| parse(&source, &mut Diagnostics::default()));
    let Some(root) = root else {
        inputs.folder(base);
        return;
    };
    let mut scan = Scan { base, inputs, seen };
    for item in items(get(&root, "include")) {
        scan.include(item);
    }
    for (_, service) in entries(get(&root, "services")) {
        scan.service(service);
    }
    for section in ["configs", "secrets"] {
        for (_, thing) in entries(get(&root, section)) {
            scan.file(text(get(thing, "file")));
        }
    }
    // A named volume may be a mount of a directory by the local driver.
    for (_, volume) in entries(get(&root, "volumes")) {
        let device = get(volume, "driver_opts").and_then(|options| get(options, "device"));
        scan.folder(text(device).filter(|path| path.starts_with(['.', '/'])));
    }
}

struct Scan<'a> {
    base: &'a Path,
    inputs: &'a mut SourceFiles,
    seen: &'a mut BTreeSet<PathBuf>,
}

impl Scan<'_> {
    /// `include`: a path, or a map with one or several.
    fn include(&mut self, item: &Node) {
        let paths: Vec<&str> = match text(Some(item)) {
            Some(path) => vec![path],
            None => texts(get(item, "path")),
        };
        for file in texts(get(item, "env_file")) {
            self.file(Some(file));
        }
        let own = text(get(item, "project_directory"));
        for path in paths {
            self.other(path, own);
        }
    }

    /// Another Compose file.
    fn other(&mut self, path: &str, project: Option<&str>) {
        // Reads it, unless only Compose knows which one it is.
        let Some(file) = self.place(path) else { return };
        let base = match project {
            Some(project) => match self.place(project) {
                Some(base) => base,
                None => return,
            },
            None => folder_of(&file),
        };
        read(&file, &base, self.inputs, self.seen);
    }

    fn service(&mut self, service: &Node) {
        if let Some(path) = get(service, "extends").and_then(|extends| text(get(extends, "file"))) {
            self.other(path, None);
        }
        for item in items(get(service, "env_file")) {
            self.file(text(Some(item)).or_else(|| text(get(item, "path"))));
        }
        for item in items(get(service, "label_file")) {
            self.file(text(Some(item)));
        }
        if let Some(build) = get(service, "build") {
            self.build(build);
        }
        for volume in items(get(service, "volumes")) {
            let bind = text(get(volume, "type")) == Some("bind");
            let long = text(get(volume, "source")).filter(|_| bind);
            let short = text(Some(volume)).and_then(|short| short.split_once(':')).map(|(source, _)| source);
            // A name without a dot or a slash is a volume.
            self.folder(long.or(short.filter(|source| source.starts_with(['.', '/', '$']))));
        }
    }

    fn build(&mut self, build: &Node) {
        let context = text(Some(build)).or_else(|| text(get(build, "context")));
        // A map without a context is built in the project's folder.
        let context = context.unwrap_or(".");
        self.folder(Some(context));
        if let Some(dockerfile) = text(get(build, "dockerfile"))
            && let Some(context) = self.place(context)
        {
            self.inputs.file(&context.join(dockerfile));
        }
        if let Some(more) = get(build, "additional_contexts") {
            for (_, context) in entries(Some(more)) {
                self.folder(text(Some(context)));
            }
            for item in items(Some(more)) {
                self.folder(text(Some(item)).and_then(|item| item.split_once('=')).map(|(_, context)| context));
            }
        }
    }

    fn file(&mut self, path: Option<&str>) {
        if let Some(place) = path.and_then(|path| self.place(path)) {
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

fn get<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    match &node.value {
        Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
        _ => None,
    }
}

fn entries(node: Option<&Node>) -> impl Iterator<Item = (&str, &Node)> {
    let entries = match node.map(|node| &node.value) {
        Some(Value::Map(entries)) => entries.as_slice(),
        _ => &[],
    };
    entries.iter().map(|entry| (entry.key.as_str(), &entry.value))
}

/// The items of a list, or the one thing that stands for a list of one.
fn items(node: Option<&Node>) -> &[Node] {
    match node {
        Some(Node { value: Value::List(items), .. }) => items,
        Some(Node { value: Value::Map(_) | Value::Null, .. }) | None => &[],
        Some(node) => std::slice::from_ref(node),
    }
}

fn text(node: Option<&Node>) -> Option<&str> {
    node.and_then(Node::text)
}

fn texts(node: Option<&Node>) -> Vec<&str> {
    items(node).iter().filter_map(Node::text).collect()
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
        let mut inputs = SourceFiles::default();
        compose_inputs(&dir.join("stack/compose.yaml"), &mut inputs);
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
