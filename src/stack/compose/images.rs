//! The images of a drill: those that Firedrill makes itself (the agent's, from the running executable and without any registry, and the
//! toolbox with the agent's bundle in it), named by their content, made once, removed when they are old and unused; and those that are pulled
//! before anything is started: how long a registry takes says nothing about the stack's health, so it does not count towards the time that the
//! stack has to become healthy.

use super::builds::read_dockerfile;
use super::bundle::{Bundle, HOME};
use super::command::{ComposeCommand, succeeded};
use super::errors::{api, environment, hinted, unless_gone};
use super::labels;
use super::model::unescape;
use crate::process;
use crate::record::PrivateDir;
use crate::stack::{StackError, StackOptions, StackRequest, StackResult};
use bollard::Docker;
use bollard::models::{ImageInspect, ImageSummary};
use bollard::query_parameters::RemoveImageOptions;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// An image of Firedrill's own that has the agent's bundle on top of what a Dockerfile makes.
pub(in crate::stack) struct BundledImage {
    /// Its repository.
    repository: &'static str,
    /// What it is for, in the label `IMAGE`, and the name of the log of its build.
    pub purpose: &'static str,
    dockerfile: &'static str,
}

/// The built-in toolbox.
pub(in crate::stack) const TOOLBOX_IMAGE: BundledImage =
    BundledImage { repository: TOOLBOX, purpose: "toolbox", dockerfile: include_str!("../../../toolbox/Dockerfile") };
/// Prometheus and Alertmanager with their tools.
pub(in crate::stack) const MONITORING_IMAGE: BundledImage = BundledImage {
    repository: MONITORING,
    purpose: "monitoring",
    dockerfile: include_str!("../../../toolbox/monitoring.Dockerfile"),
};
/// Repository of the agent's images.
const AGENT: &str = "firedrill-agent";
/// Repository of the toolbox's images.
pub(in crate::stack) const TOOLBOX: &str = "firedrill-toolbox";
/// Repository of the images with Prometheus and Alertmanager; `scripts/setup.sh` knows it, too.
const MONITORING: &str = "firedrill-monitoring";
/// Of images with the same purpose, so many of the newest stay although no container uses them: drills side by side
/// may come from different builds.
const KEEP_UNUSED: usize = 3;
/// Nothing is removed that was made more recently, in seconds: its drill may not have started its containers yet.
const KEEP_FOR: i64 = 3600;

/// Repository of the team's images, before their own names.
pub(super) const TEAMS: &str = "firedrill/";
/// What an import of the agent says of itself. It is not inherited, as labels are.
const COMMENT: &str = "firedrill agent";

/// How the engine lists an image without a name.
const NAMELESS: &str = "<none>:<none>";

/// An agent's image that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::stack) struct AgentImage {
    /// Its name.
    pub tag: String,
    /// The command that starts `firedrill` wherever the bundle is; arguments follow.
    pub launch: Vec<String>,
}

impl AgentImage {
    /// The command that starts `firedrill` with these arguments.
    pub fn command(&self, arguments: &[&str]) -> Vec<String> {
        self.launch.iter().map(String::as_str).chain(arguments.iter().copied()).map(str::to_string).collect()
    }
}

/// Firedrill's own images.
#[derive(Debug, Clone)]
pub(in crate::stack) struct FiredrillImages {
    /// The agent's, with the command that starts `firedrill` in both.
    pub agent: AgentImage,
    /// The toolbox's.
    pub toolbox: String,
    /// That of Prometheus and Alertmanager, where the drill has alerts.
    pub monitoring: Option<String>,
}

/// Held while they are made: once for all drills of this process.
static MAKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

impl FiredrillImages {
    /// Makes what is missing of them.
    pub async fn ensure(compose: &ComposeCommand, request: &StackRequest, options: &StackOptions) -> StackResult<Self> {
        let _making = MAKING.lock().await;
        let agent = agent(compose, options).await?;
        let toolbox = TOOLBOX_IMAGE.ensure(compose, request.toolbox_image.as_deref(), &agent).await?;
        let monitoring = match request.monitoring_image() {
            Some(named) => Some(MONITORING_IMAGE.ensure(compose, named, &agent).await?),
            None => None,
        };
        Ok(FiredrillImages { agent, toolbox, monitoring })
    }
}

/// The image of that name; `None` when it is not there.
pub(in crate::stack) async fn inspect(docker: &Docker, name: &str) -> StackResult<Option<ImageInspect>> {
    unless_gone(docker.inspect_image(name).await).map_err(api(format!("looking at image {name}")))
}

/// The id of the image of that name, if it is there.
pub(super) async fn id_of(docker: &Docker, name: &str) -> StackResult<Option<String>> {
    Ok(inspect(docker, name).await?.and_then(|image| image.id))
}

/// The agent's image: the one that is named, pulled if need be, which starts `firedrill` by its `ENTRYPOINT`, or one made from the executable
/// that runs.
pub async fn agent(compose: &ComposeCommand, options: &StackOptions) -> StackResult<AgentImage> {
    if let Some(name) = &options.agent_image {
        let operation = format!("using {name} for the agent");
        let image = ensure_pulled(compose, name, &operation).await?;
        let launch = image.config.and_then(|config| config.entrypoint).unwrap_or_default();
        if launch.is_empty() {
            let hint = format!("it must have its executable in {HOME} and start it by its ENTRYPOINT");
            return Err(hinted(operation, "the image has no ENTRYPOINT", hint));
        }
        return Ok(AgentImage { tag: name.to_string(), launch });
    }
    let (docker, bundle) = (&compose.endpoint.docker, Bundle::of(options.executable.as_deref()).await?);
    let image = AgentImage { tag: format!("{AGENT}:{}", bundle.hash), launch: bundle.launch() };
    if inspect(docker, &image.tag).await?.is_some() {
        return Ok(image);
    }
    let operation = "making the agent's image";
    let engine = docker.version().await.map_err(api(operation))?.arch.unwrap_or_default();
    if engine != bundle.architecture {
        let cause = format!("the engine runs {engine}, and this executable is for {}", bundle.architecture);
        return Err(hinted(operation, cause, "name an image for that machine in FIREDRILL_AGENT_IMAGE"));
    }
    let root = process::nameless(&bundle.root().await?).map_err(|error| environment(operation, error))?;
    let (entrypoint, command) = (json!(image.launch), json!(["agent", "serve"]));
    let mut import = compose.endpoint.command();
    import.args(["import", "--message", COMMENT, "--change", &format!("ENTRYPOINT {entrypoint}")]);
    import.args(["--change", &format!("CMD {command}"), "--change", &format!("LABEL {}=agent", labels::IMAGE)]);
    import.args(["-", &image.tag]).stdin(root).env_remove("DOCKER_DEFAULT_PLATFORM");
    succeeded(operation, import, WITHIN).await?;
    // Old ones are in nobody's way, so a failure here is no reason to stop.
    let _ = remove_old(docker, "agent", AGENT, &[&image.tag]).await;
    Ok(image)
}

/// The image of that name, pulled when it is not there.
pub async fn ensure_pulled(compose: &ComposeCommand, name: &str, operation: &str) -> StackResult<ImageInspect> {
    let docker = &compose.endpoint.docker;
    if let Some(image) = inspect(docker, name).await? {
        return Ok(image);
    }
    if is_reserved(name) {
        return Err(environment(operation, "images of this name are made by Firedrill and never pulled"));
    }
    // By the command, which has the credentials of private registries.
    let mut pull = compose.endpoint.command();
    pull.args(["pull", "--quiet", "--", name]);
    succeeded(operation, pull, WITHIN).await?;
    inspect(docker, name).await?.ok_or_else(|| environment(operation, "it was pulled and is not there"))
}

impl BundledImage {
    /// The name of such an image without the agent's bundle, or of the one that stands for it; it may not be there yet.
    pub async fn base(&self, docker: &Docker, named: Option<&str>) -> StackResult<String> {
        if let Some(name) = named {
            return Ok(name.to_string());
        }
        let mut hash = Sha256::new();
        hash.update(self.dockerfile);
        for from in read_dockerfile(self.dockerfile, BTreeMap::new()).0 {
            hash.update(id_of(docker, &from).await?.unwrap_or_default());
        }
        Ok(format!("{}:base-{}", self.repository, hex::encode(&hash.finalize()[..8])))
    }

    /// Makes such an image: its own Dockerfile (or the image that the scenario names) with the agent's bundle on top.
    pub async fn ensure(&self, compose: &ComposeCommand, named: Option<&str>, on: &AgentImage) -> StackResult<String> {
        let docker = &compose.endpoint.docker;
        let base = self.base(docker, named).await?;
        if let Some(name) = named {
            ensure_pulled(compose, name, &format!("using {name} for the {}", self.purpose)).await?;
        } else if inspect(docker, &base).await?.is_none() {
            self.build(compose, &base, self.dockerfile, |_| Ok(())).await?;
        }
        let base_id = id_of(docker, &base).await?.unwrap_or_default();
        let agent_id = id_of(docker, &on.tag).await?.unwrap_or_default();
        let tag = format!("{}:{}", self.repository, hex::encode(&Sha256::digest(base_id + &agent_id)[..8]));
        if inspect(docker, &tag).await?.is_none() {
            let dockerfile = format!("FROM {base}\nCOPY --from={} {HOME} {HOME}\n", on.tag);
            self.build(compose, &tag, &dockerfile, |_| Ok(())).await?;
            let _ = remove_old(docker, self.purpose, self.repository, &[&base, &tag]).await;
        }
        Ok(tag)
    }

    /// Builds one image from a Dockerfile and the files with which its context is filled, by Compose: its builder is there wherever Compose is, and it
    /// knows the user's proxies and registries. The engine's own builder does it, because what the image is made from may be
    /// in the engine and nowhere else.
    pub async fn build<F>(&self, compose: &ComposeCommand, tag: &str, dockerfile: &str, fill: F) -> StackResult<()>
    where
        F: FnOnce(&Path) -> io::Result<()>,
    {
        let context = PrivateDir::new("context").and_then(|context| fill(context.path()).map(|()| context));
        let context = context.map_err(|error| environment(format!("building {tag}"), error))?;
        let build = json!({
            "context": context.path(),
            "dockerfile_inline": super::model::escape(dockerfile),
            "labels": { labels::IMAGE: self.purpose },
        });
        let model = json!({ "name": "firedrill", "services": { self.purpose: { "image": tag, "build": build } } });
        let endpoint = compose.endpoint.with_own_builder();
        let compose = ComposeCommand {
            endpoint,
            options: super::model::RESOLVED.map(str::to_string).to_vec(),
            ..compose.clone()
        };
        super::builds::run_build(&compose, &[], &format!("{}.log", self.purpose), &model).await
    }
}

/// Removes older unused images of one repository and purpose. The newest few stay, and those to keep: the one that others are made
/// from, as somebody may be building on it, and what has just been built, which is as old as the cache that it came from.
pub async fn remove_old(docker: &Docker, purpose: &str, repository: &str, keep: &[&str]) -> StackResult<()> {
    let prefix = format!("{repository}:");
    let images = own_images(docker, Some(purpose)).await?.into_iter().filter_map(|(image, mut names)| {
        // The same image may have names in other repositories as well, where a drill is about to use it.
        names.retain(|name| image.repo_tags.is_empty() || name.starts_with(&prefix));
        (!names.is_empty()).then_some((image.created, names))
    });
    for names in outdated(images.collect(), keep, time::OffsetDateTime::now_utc().unix_timestamp()) {
        remove_names(docker, &names).await;
    }
    Ok(())
}

/// Which of these images can go, by when they were made and their names.
fn outdated(mut images: Vec<(i64, Vec<String>)>, keep: &[&str], now: i64) -> Vec<Vec<String>> {
    images.retain(|(_, names)| !names.iter().any(|name| keep.contains(&name.as_str())));
    images.sort_by_key(|(made, _)| std::cmp::Reverse(*made));
    let old = images.into_iter().skip(KEEP_UNUSED).filter(|(made, _)| *made < now - KEEP_FOR);
    old.map(|(_, names)| names).collect()
}

/// Removes every image that Firedrill made and no container uses; says which.
pub(super) async fn remove_unused(docker: &Docker, dry_run: bool) -> StackResult<Vec<String>> {
    let used: Vec<String> =
        super::containers::list(docker, &[]).await?.into_iter().filter_map(|c| c.image_id).collect();
    let mut removed = Vec::new();
    for (_, names) in own_images(docker, None).await?.into_iter().filter(|(image, _)| !used.contains(&image.id)) {
        removed.extend(if dry_run { names } else { remove_names(docker, &names).await });
    }
    Ok(removed)
}

/// The images with the label of a run, or of any: those that only its drill uses. Without those that have no name any more.
pub(super) async fn of_run(docker: &Docker, run: Option<&str>) -> StackResult<Vec<ImageSummary>> {
    let mut images = labels::images(docker, labels::IMAGE_RUN, run).await?;
    images.iter_mut().for_each(|image| image.repo_tags.retain(|name| name != NAMELESS));
    images.retain(|image| !image.repo_tags.is_empty());
    Ok(images)
}

/// Images that Firedrill made, each with what it can be removed by. Labels alone do not tell: an image that somebody
/// built `FROM` one of ours has them as well.
async fn own_images(docker: &Docker, purpose: Option<&str>) -> StackResult<Vec<(ImageSummary, Vec<String>)>> {
    let mut ours = Vec::new();
    for image in labels::images(docker, labels::IMAGE, purpose).await? {
        let Some(mut names) = own_names(&image.repo_tags) else { continue };
        if names.is_empty() {
            // Because a second import at the same time took its name over.
            if inspect(docker, &image.id).await?.is_none_or(|image| image.comment.as_deref() != Some(COMMENT)) {
                continue;
            }
            names.push(image.id.clone());
        }
        ours.push((image, names));
    }
    Ok(ours)
}

/// The names of an image if all of them are names that Firedrill gives; `None` when it has one of somebody else's.
pub(super) fn own_names(tags: &[String]) -> Option<Vec<String>> {
    let named: Vec<String> = tags.iter().filter(|tag| *tag != NAMELESS).cloned().collect();
    named.iter().all(|name| is_own_name(name)).then_some(named)
}

/// A repository of ours, and a tag as we give them: a hash.
fn is_own_name(name: &str) -> bool {
    let Some((repository, tag)) = name.rsplit_once(':') else { return false };
    let hash = ["base-", "run-"].iter().find_map(|begin| tag.strip_prefix(begin)).unwrap_or(tag);
    let is_hash = hash.len() >= 8 && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    is_hash && ([AGENT, TOOLBOX, MONITORING].contains(&repository) || repository.starts_with(TEAMS))
}

/// Whether somebody else can publish an image that the engine would keep under a name of Firedrill's, which takes whatever has such a name
/// for an image that it has made. The names without a namespace are nobody's to publish.
pub(super) fn is_reserved(name: &str) -> bool {
    ["index.docker.io/", "docker.io/"].iter().find_map(|hub| name.strip_prefix(hub)).unwrap_or(name).starts_with(TEAMS)
}

/// Without force: the engine refuses when a container uses the image. Says what was removed.
async fn remove_names(docker: &Docker, names: &[String]) -> Vec<String> {
    let mut removed = Vec::new();
    for name in names {
        if docker.remove_image(name, None::<RemoveImageOptions>, None).await.is_ok() {
            removed.push(name.clone());
        }
    }
    removed
}

/// How long all pulls together may take: a large image over a slow line, and still an end.
pub(super) const WITHIN: Duration = Duration::from_secs(30 * 60);

/// Image → one service that runs it, of those that may have to be pulled: what is built here, and what must never be
/// pulled, is left to `up`.
fn candidates(model: &Value) -> BTreeMap<String, String> {
    let services = model.get("services").and_then(Value::as_object);
    let mut images = BTreeMap::new();
    for (service, json) in services.into_iter().flatten() {
        let text = |key: &str| json.get(key).and_then(Value::as_str);
        if let (Some(image), None | Some("missing" | "if_not_present" | "always")) =
            (text("image"), text("pull_policy"))
        {
            images.entry(unescape(image)).or_insert_with(|| service.clone());
        }
    }
    images
}

/// Pulls what a model needs and the engine does not have; what that took, or nothing when all of it is there.
///
/// # Errors
/// `Environment` when an image cannot be pulled, with its name and what to do about it.
pub(super) async fn missing(compose: &ComposeCommand, model: &Value) -> StackResult<Duration> {
    let missing = absent(compose, candidates(model)).await?;
    if missing.is_empty() {
        return Ok(Duration::ZERO);
    }
    let began = Instant::now();
    // By Compose, which has the credentials of private registries and knows each service's platform.
    let args: Vec<&str> = ["pull", "--quiet", "--"].into_iter().chain(missing.values().map(String::as_str)).collect();
    let ran = compose.run(&args, "pull.log", WITHIN, Some(model)).await?;
    // Several images are pulled at the same time: those that came are not to blame.
    let still = absent(compose, missing.clone()).await.unwrap_or(missing);
    let names: Vec<String> = still.into_keys().collect();
    // For a service that could be built as well, Compose takes an image that cannot be pulled for no error.
    if ran.succeeded() && names.is_empty() {
        return Ok(began.elapsed());
    }
    Err(failed(&names, &if ran.status.is_none() { vec![ran.failure()] } else { ran.tail }))
}

/// Those that the engine does not have.
async fn absent(compose: &ComposeCommand, images: BTreeMap<String, String>) -> StackResult<BTreeMap<String, String>> {
    let mut absent = BTreeMap::new();
    for (image, service) in images {
        if inspect(&compose.endpoint.docker, &image).await?.is_none() {
            absent.insert(image, service);
        }
    }
    Ok(absent)
}

/// Why a pull failed, and what to do about it.
fn failed(names: &[String], tail: &[String]) -> StackError {
    let says_why = |line: &&String| {
        let line = line.to_ascii_lowercase();
        line.contains("error") || line.contains("denied") || line.contains("not found")
    };
    let line = tail.iter().rfind(says_why).or(tail.last()).map_or("it said nothing", String::as_str);
    let cause = line.rsplit_once("Error response from daemon:").map_or(line, |(_, cause)| cause).trim();
    let first = names.first().map_or("IMAGE", String::as_str);
    let hint = format!(
        "try `docker pull {first}`: it may need `docker login`, another name or tag, or `docker load`; an image of your own needs `build:`"
    );
    hinted(format!("pulling {}", names.join(", ")), cause, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_just_built_stays_however_old_its_cache_is() {
        let all: Vec<(i64, Vec<String>)> = (0..5).map(|at| (at * 10, vec![format!("a:{at}")])).collect();
        let now = KEEP_FOR + 1000;
        assert_eq!(outdated(all.clone(), &[], now), [["a:1"], ["a:0"]], "the newest stay");
        assert_eq!(outdated(all.clone(), &["a:0"], now), [["a:1"]]);
        assert!(outdated(all, &[], 100).is_empty(), "they are not old");
    }

    #[test]
    fn images_with_a_name_of_somebody_elses_are_not_ours() {
        let own = |tags: &[&str]| own_names(&tags.iter().map(|tag| tag.to_string()).collect::<Vec<_>>());
        let ours = ["firedrill-agent:0123abcd", "firedrill-toolbox:base-0123abcd", "firedrill/shop-db:0123abcd"];
        assert_eq!(own(&ours).map(|names| names.len()), Some(3));
        assert_eq!(own(&["firedrill/shop-db:run-0123abcd"]).map(|names| names.len()), Some(1));
        for other in [
            "team/tools:1",
            "firedrill-agents:1",
            "registry:5000/firedrill-agent:1",
            "firedrill-toolbox-mine:2",
            "localhost:5000/x",
            "firedrill/tools:latest",
            "firedrill-toolbox:v2",
        ] {
            assert_eq!(own(&[other]), None, "{other}");
            assert_eq!(own(&["firedrill-toolbox:0123abcd", other]), None, "{other} keeps it");
        }
        assert!(["docker.io/", "index.docker.io/", ""].iter().all(|hub| is_reserved(&format!("{hub}{}", ours[2]))));
        for other in
            ["firedrill:1", "firedrill-agent:1", "firedrill-test/x", "team/firedrill/x", "registry:5000/firedrill/x"]
        {
            assert!(!is_reserved(other), "{other}");
        }
        assert_eq!(own(&[NAMELESS]), Some(vec![]));
        assert_eq!(own(&[]), Some(vec![]));
    }
}

#[cfg(test)]
mod pull_tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_built_or_never_pulled_is_no_candidate() {
        let model = json!({ "services": {
            "a": { "image": "redis:7" }, "b": { "image": "redis:7", "pull_policy": "always" },
            "c": { "image": "x$$y", "pull_policy": "missing" }, "d": { "image": "built", "pull_policy": "never" },
            "e": { "build": {} }, "f": { "image": "own", "pull_policy": "build" },
        } });
        let expected =
            [("redis:7", "a"), ("x$y", "c")].map(|(image, service)| (image.to_string(), service.to_string()));
        assert_eq!(candidates(&model), BTreeMap::from(expected));
        assert!(candidates(&json!({})).is_empty());
    }

    #[test]
    fn a_failed_pull_names_the_image_and_the_cure() {
        let said = |line: &str| {
            let error = failed(&["team/app:1".into()], &["app Pulling".into(), line.into()]);
            let StackError::Environment { operation, cause, hint } = error else { panic!("{error:?}") };
            format!("{operation}: {cause} ({})", hint.unwrap_or_default())
        };
        let lines = [
            "Error response from daemon: pull access denied for team/app, repository does not exist",
            "app Error manifest for team/app:1 not found: manifest unknown",
            "Error response from daemon: Get \"https://registry-1.docker.io/v2/\": no such host",
        ];
        insta::assert_snapshot!(lines.map(said).join("\n"));
    }
}
