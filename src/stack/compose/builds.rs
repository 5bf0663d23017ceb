//! Building the team's images: once per content and not once per drill, under names of Firedrill's own, so that a drill never changes what the
//! developer's own tags point at. The same Dockerfile, context, arguments and base images give the same name.

use super::command::{ComposeCommand, Ran};
use super::errors::hinted;
use super::images;
use super::model::{ResolvedModel, port_range, ports_in, scalar, scalars, unescape};
use crate::record::{HashWriter, slug};
use crate::source::TextPattern;
use crate::stack::{StackError, StackResult};
use bollard::Docker;
use regex::Captures;
use rustix::fs::OFlags;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long building may take: a large project from nothing, and still an end.
pub(super) const BUILD_WITHIN: Duration = Duration::from_secs(2 * 60 * 60);

/// Which image stands for each service's `build` section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Builds {
    /// Service → image.
    pub images: BTreeMap<String, String>,
    /// Services whose image is not there yet.
    pub missing: BTreeSet<String>,
}

/// Whether only one drill uses an image: it is removed with it.
pub(super) fn is_own(image: &str) -> bool {
    image.rsplit_once(':').is_some_and(|(_, tag)| tag.starts_with("run-"))
}

/// Names the images and looks which of them are there; `run` is in the names of those that one run alone uses.
///
/// # Errors
/// `Environment` with `no_build` when an image is neither there nor named by the Compose file.
pub(super) async fn plan(docker: &Docker, model: &ResolvedModel, run: &str, no_build: bool) -> StackResult<Builds> {
    let mut builds = Builds::default();
    for service in model.services() {
        let Some(build) = model.build_of(&service).cloned() else { continue };
        if no_build && model.image_of(&service).is_some() {
            // The image that CI built or pulled under the team's own name.
            continue;
        }
        // `firedrill/<stack>-<service>`, in the characters that a repository may have.
        let repository = format!("{}{}", images::TEAMS, slug(&format!("{}-{service}", model.name()), 120));
        // Hashing reads files; a context that cannot be read is left to the build, which says why.
        let content = tokio::task::spawn_blocking(move || Content::of(&build)).await;
        let content = content.ok().and_then(Result::ok).flatten();
        let image = match &content {
            Some(content) => {
                let mut ids = Vec::new();
                for base in &content.bases {
                    ids.push(images::id_of(docker, base).await?);
                }
                format!("{repository}:{}", content.tag(&ids))
            }
            None => format!("{repository}:run-{run}"),
        };
        let there = content.is_some() && images::inspect(docker, &image).await?.is_some();
        if !there && no_build {
            let cause = format!("the image of `{service}` was never built here, and its service names none");
            let hint = "run once without --no-build, or give the service an `image:` that can be pulled";
            return Err(hinted("starting without a build", cause, hint));
        }
        if !there {
            builds.missing.insert(service.clone());
        }
        builds.images.insert(service, image);
    }
    Ok(builds)
}

impl Builds {
    /// Leaves what only one drill uses to that drill.
    pub(super) fn leave_own(&mut self) {
        self.missing.retain(|service| self.images.get(service).is_none_or(|image| !is_own(image)));
    }

    /// Builds what is missing.
    pub(super) async fn build(&self, compose: &ComposeCommand, model: &Value) -> StackResult<()> {
        if self.missing.is_empty() {
            return Ok(());
        }
        let services: Vec<&str> = self.missing.iter().map(String::as_str).collect();
        // Compose writes the name of the project into each image: with the drill's own the same content would be another image each time.
        let project = ["--project-name", "firedrill"].map(str::to_string);
        let all = ComposeCommand { options: [&compose.options[..], &project].concat(), ..compose.clone() };
        run_build(&all, &services, "build.log", model).await?;
        let keep: Vec<&str> = self.images.values().map(String::as_str).collect();
        let built = self.missing.iter().filter_map(|service| self.images.get(service)?.rsplit_once(':'));
        for (repository, _) in built {
            let _ = images::remove_old(&compose.endpoint.docker, "stack", repository, &keep).await;
        }
        Ok(())
    }
}

/// `docker compose build`.
pub(super) async fn run_build(compose: &ComposeCommand, of: &[&str], log: &str, model: &Value) -> StackResult<()> {
    was_built(compose.run(&[&["build", "--"], of].concat(), log, compose.build_within, Some(model)).await?)
}

/// What a build came to: a failure comes with its reason in one line and its last lines.
pub(in crate::stack) fn was_built(ran: Ran) -> StackResult<()> {
    if ran.succeeded() {
        return Ok(());
    }
    let reason = match ran.status {
        Some(_) => reason(&ran.tail),
        None => format!("it did not end within {} min", ran.within.as_secs() / 60),
    };
    let tail = [ran.tail, vec![format!("(all of it: {})", ran.log.display())]].concat();
    Err(StackError::Build { reason, tail: tail.join("\n") })
}

/// The line of a build that says why it failed.
fn reason(tail: &[String]) -> String {
    let says_why = |line: &&String| {
        let line = line.to_ascii_lowercase();
        line.contains("failed to solve") || line.starts_with("error") || line.contains("error response from daemon")
    };
    let line = tail.iter().rfind(says_why).or(tail.last()).map_or("the build failed and said nothing", String::as_str);
    // `target checkout: failed to solve: process "/bin/sh -c false" did not complete successfully: exit code: 1`
    line.trim_start_matches("ERROR: ").trim().to_string()
}

/// Contexts that are larger are not read; their images are built for every drill (Docker's own cache still helps).
const MAX_CONTEXT: u64 = 200 * 1024 * 1024;
/// A Dockerfile or a `.dockerignore` that is larger, in bytes, is none that people write: reading it would take hours.
const MAX_TEXT: u64 = 1024 * 1024;
/// Most images from which one is made by its Dockerfile: the engine is asked for each.
const MOST_BASES: usize = 100;
/// Longest word of a Dockerfile that may name an image or a port, before and after arguments are filled in: a short file could make a text
/// of any length of them.
const MAX_WORD: usize = 1000;
/// What Firedrill writes into a project: no part of a stack, unless the Dockerfile names it.
const OF_RUNS: [&str; 5] = [
    ".firedrill/.gitignore", ".firedrill/gamedays", ".firedrill/history.json", ".firedrill/history.json.lock",
    ".firedrill/runs",
];

/// A build argument where it is used.
static VARIABLE: TextPattern = TextPattern::new(r"\$\{(\w+)(?::-[^}]*)?\}|\$(\w+)");

/// What the name of an image is made from, as far as it can be known without building.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// SHA-256 over the build section and every file of the context.
    digest: [u8; 32],
    /// Images that the Dockerfile starts from or copies from.
    pub bases: Vec<String>,
}

impl Content {
    /// Reads a `build` section and its context. `None` when the image must be built every time: a remote context, one
    /// that is too large, more than 100 base images, or a section that says so (`no_cache`, `pull`).
    ///
    /// # Errors
    /// When a file of the context cannot be read; the build itself will say why.
    pub fn of(build: &Map<String, Value>) -> io::Result<Option<Content>> {
        let flag = |key: &str| build.get(key).is_some_and(|value| scalar(value).as_deref() == Some("true"));
        let Some(context) = build.get("context").and_then(Value::as_str).map(unescape) else { return Ok(None) };
        let context = PathBuf::from(context);
        if flag("no_cache") || flag("pull") || !context.is_absolute() || !context.is_dir() {
            return Ok(None);
        }
        let local = |(_, value): (&String, &Value)| value.as_str().is_some_and(|text| Path::new(text).is_dir());
        let others = build.get("additional_contexts").and_then(Value::as_object);
        if !others.into_iter().flatten().all(local) {
            return Ok(None);
        }
        let mut hash = Sha256::new();
        // Where the context lies does not matter, what is in it does.
        let mut section = build.clone();
        section.remove("context");
        hash.update(serde_json::to_vec(&section)?);
        let text = dockerfile(build, &context)?;
        let own = own_ignores(build, &context)?;
        let mut left = MAX_CONTEXT;
        let dirs = others.into_iter().flatten().filter_map(|(_, dir)| dir.as_str());
        for dir in std::iter::once(context.clone()).chain(dirs.map(PathBuf::from)) {
            let mut ignored = if own.is_some() && dir == context { Vec::new() } else { plain_ignores(&dir) };
            // Each run of a project whose folder is the context would make another image.
            if !text.contains(".firedrill") {
                ignored.extend(OF_RUNS.map(PathBuf::from));
            }
            if !add_tree(&mut hash, &dir, &ignored, &mut left)? {
                return Ok(None);
            }
        }
        hash.update(&text);
        hash.update(own.unwrap_or_default());
        let (bases, _) = read_dockerfile(&text, scalars(build.get("args").unwrap_or(&Value::Null)));
        if bases.len() > MOST_BASES {
            return Ok(None);
        }
        Ok(Some(Content { digest: hash.finalize().into(), bases }))
    }

    /// The tag, given the ids of the base images that are there.
    pub fn tag(&self, base_ids: &[Option<String>]) -> String {
        let mut hash = Sha256::new();
        hash.update(self.digest);
        for (base, id) in self.bases.iter().zip(base_ids) {
            hash.update(format!("{base}={}\n", id.as_deref().unwrap_or("absent")));
        }
        hex::encode(&hash.finalize()[..8])
    }
}

/// The Dockerfile's text: inline, in the context, or elsewhere.
pub(super) fn dockerfile(build: &Map<String, Value>, context: &Path) -> io::Result<String> {
    if let Some(inline) = build.get("dockerfile_inline").and_then(Value::as_str) {
        return Ok(unescape(inline));
    }
    Ok(String::from_utf8_lossy(&whole_file(&dockerfile_path(build, context), MAX_TEXT)?).into_owned())
}

fn dockerfile_path(build: &Map<String, Value>, context: &Path) -> PathBuf {
    context.join(build.get("dockerfile").and_then(Value::as_str).map_or("Dockerfile".into(), unescape))
}

/// The list that lies beside the Dockerfile with its name: BuildKit reads it in place of the context's `.dockerignore`.
fn own_ignores(build: &Map<String, Value>, context: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut path = dockerfile_path(build, context).into_os_string();
    path.push(".dockerignore");
    let there = !build.contains_key("dockerfile_inline") && std::fs::symlink_metadata(&path).is_ok();
    there.then(|| whole_file(path.as_ref(), MAX_TEXT)).transpose()
}

/// The bytes of a file that a Compose file names, also before anybody has allowed it: a device or a pipe, which may have
/// no end, is none, nor is one of more than `most`. What the kernel makes up as it is read has the size 0
/// (`/proc/self/pagemap`), and fills the memory.
pub(super) fn whole_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // A pipe that nobody writes to would not open otherwise.
    let nonblock = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = std::fs::File::options().read(true).custom_flags(nonblock).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 <= most {
        true => Ok(bytes),
        false => Err(io::Error::other(format!("it is larger than {most} bytes"))),
    }
}

/// Adds every file below `root` that is not ignored, by path, mode and content; `false` when there is more than is left.
fn add_tree(hash: &mut Sha256, root: &Path, ignored: &[PathBuf], left: &mut u64) -> io::Result<bool> {
    let mut pending = vec![PathBuf::new()];
    while let Some(relative) = pending.pop() {
        let path = root.join(&relative);
        let meta = std::fs::symlink_metadata(&path)?;
        if meta.is_dir() {
            let mut names =
                std::fs::read_dir(&path)?.map(|e| e.map(|e| e.file_name())).collect::<io::Result<Vec<_>>>()?;
            names.sort();
            // Last in, first out: the order is fixed all the same.
            pending.extend(names.into_iter().map(|name| relative.join(name)).filter(|child| !ignored.contains(child)));
            continue;
        }
        hash.update(relative.as_os_str().as_encoded_bytes());
        hash.update([0]);
        if meta.is_symlink() {
            hash.update(std::fs::read_link(&path)?.as_os_str().as_encoded_bytes());
        } else if meta.is_file() {
            let Some(rest) = left.checked_sub(meta.len()) else { return Ok(false) };
            *left = rest;
            hash.update(meta.mode().to_le_bytes());
            hash.update(meta.len().to_le_bytes());
            io::copy(&mut std::fs::File::open(&path)?, &mut HashWriter(hash))?;
        }
        hash.update([0]);
    }
    Ok(true)
}

/// Entries of `.dockerignore` that name one path plainly. Patterns are not read, and nothing is left out where there
/// are exceptions (`!`): a file too many in the hash costs a build that Docker's cache answers, one too few would
/// drill an old image.
fn plain_ignores(root: &Path) -> Vec<PathBuf> {
    let Ok(bytes) = whole_file(&root.join(".dockerignore"), MAX_TEXT) else { return Vec::new() };
    let Ok(text) = String::from_utf8(bytes) else { return Vec::new() };
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    if lines().any(|line| line.starts_with('!')) {
        return Vec::new();
    }
    let plain = lines().filter(|line| !line.contains(['*', '?', '[', '\\', '$']));
    let paths = plain.map(|line| PathBuf::from(line.trim_start_matches("./").trim_matches('/')));
    // Its patterns decide what is in the image, also where it names itself.
    paths.filter(|path| path != Path::new(".dockerignore")).collect()
}

/// Images in `FROM` and `COPY --from=`, and ports in `EXPOSE`, with build arguments filled in. Stages of the file
/// itself and names that cannot be resolved are left out: their text is in the hash anyway.
pub(super) fn read_dockerfile(text: &str, given: BTreeMap<String, String>) -> (Vec<String>, BTreeSet<u16>) {
    let mut args = BTreeMap::new();
    let (mut stages, mut bases, mut seen, mut exposes) = (BTreeSet::new(), Vec::new(), BTreeSet::new(), Vec::new());
    let mut note = |image: String, stages: &BTreeSet<String>| {
        let known = stages.contains(&image.to_ascii_lowercase()) || image.parse::<u32>().is_ok();
        let is_name = image.len() <= MAX_WORD && !image.contains('$');
        if !known && image != "scratch" && is_name && seen.insert(image.clone()) {
            bases.push(image);
        }
    };
    for line in text.replace("\\\n", " ").lines() {
        let mut words = line.split_whitespace();
        match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "ARG" => {
                for (name, default) in words.filter_map(|word| word.split_once('=')) {
                    let value = given.get(name).map_or(default.trim_matches(['"', '\'']), String::as_str);
                    args.insert(name.to_string(), value.to_string());
                }
            }
            "FROM" => {
                let rest: Vec<&str> = words.filter(|word| !word.starts_with("--")).collect();
                if let Some(image) = rest.first() {
                    note(fill(image, &args), &stages);
                }
                if let [_, by, name, ..] = rest[..]
                    && by.eq_ignore_ascii_case("as")
                {
                    stages.insert(name.to_ascii_lowercase());
                }
            }
            "EXPOSE" => exposes.extend(words.filter_map(|port| port_range(&fill(port, &args)))),
            "COPY" | "RUN" | "ADD" => {
                let images = words.filter_map(|option| option.strip_prefix("--from="));
                images.for_each(|image| note(fill(image, &args), &stages));
            }
            _ => {}
        }
    }
    (bases, ports_in(exposes.into_iter()))
}

/// `$NAME`, `${NAME}` and `${NAME:-default}` with the values that are known; others stay.
fn fill(text: &str, args: &BTreeMap<String, String>) -> String {
    if text.len() > MAX_WORD {
        return text.to_string();
    }
    let value = |found: &Captures<'_>| {
        let name = found.get(1).or(found.get(2)).map_or("", |name| name.as_str());
        let value = args.get(name).filter(|value| value.len() <= MAX_WORD);
        value.cloned().unwrap_or_else(|| found[0].to_string())
    };
    VARIABLE.replace_all(text, value).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_only_one_drill_uses_is_left_to_it() {
        let name = |text: &str| text.to_string();
        let mut builds = Builds {
            images: [("a", "firedrill/x-a:1"), ("b", "firedrill/x-b:run-1")].map(|(s, i)| (name(s), name(i))).into(),
            missing: [name("a"), name("b")].into(),
        };
        builds.leave_own();
        assert_eq!(builds.missing, [name("a")].into());
    }

    #[test]
    fn the_reason_of_a_build_comes_first() {
        let tail = |lines: &[&str]| lines.iter().map(|line| line.to_string()).collect::<Vec<_>>();
        let failed = "failed to solve: process \"/bin/sh -c false\" did not complete successfully: exit code: 1";
        assert_eq!(reason(&tail(&["#5 0.1 no such package", failed, "something else"])), failed);
        assert_eq!(reason(&tail(&["ERROR: no space left on device"])), "no space left on device");
        assert_eq!(reason(&tail(&["#1 x", "something else"])), "something else");
        assert_eq!(reason(&[]), "the build failed and said nothing");
    }

    proptest! {
        #[test]
        fn a_slug_is_always_a_name(text in ".{0,40}", longest in 1usize..50) {
            let slug = slug(&text, longest);
            prop_assert!(!slug.is_empty() && slug.len() <= longest);
            prop_assert!(slug.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
            prop_assert!(!slug.starts_with('-') && !slug.ends_with('-'));
        }
    }
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod content_tests;
