//! The images of a drill in a cluster: Firedrill's own, with kubectl in the toolbox, and the team's; and how they get onto the
//! cluster's nodes where these are containers of this engine, as those of kind, k3d and minikube are.

use super::cluster::{Cluster, variable};
use super::manifests;
use super::namespace::{environment, hinted, list};
use super::stack::KubernetesStack;
use crate::process::{self, Running};
use crate::stack::compose::Endpoint;
use crate::stack::compose::builds::was_built;
use crate::stack::compose::bundle::{HOME, launch};
use crate::stack::compose::command::ComposeCommand;
pub(super) use crate::stack::compose::images::FiredrillImages;
use crate::stack::compose::images::{self, AgentImage, TOOLBOX, TOOLBOX_IMAGE};
use crate::stack::{ImageBuild, StackError, StackResult};
use bollard::query_parameters::InspectContainerOptions;
use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use sha2::{Digest, Sha256};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long building one image may take.
const BUILD_WITHIN: Duration = Duration::from_secs(900);
/// How long loading images onto one node may take.
const LOAD_WITHIN: Duration = Duration::from_secs(300);
/// How long an image may be on a node until it has the label that says who has loaded it.
const LABELLED_WITHIN: Duration = Duration::from_secs(5);
/// Where kubectl is in the toolbox. Not in the `PATH` of the steps: what they call goes to the runner first.
pub(super) const KUBECTL: &str = "/opt/kubectl/kubectl";
/// Where the configuration of [`CONFIGURED`] is.
pub(super) const KUBECONFIG: &str = "/opt/kubectl/config";
/// The account of the Pod as a kubeconfig: kubectl does not find it by itself once a flag such as `--request-timeout` sets something of a
/// configuration.
const CONFIGURED: &str = include_str!("toolbox.kubeconfig");

/// Label of an image on a node: the id of the image of this engine that was loaded.
const LOADED: &str = "dev.firedrill.loaded";

/// Label of an image of this engine that Firedrill has built for a stack: the name under which it did.
const BUILT: &str = "dev.firedrill.built";

/// Names the one image that has Firedrill and kubectl in it, for runners that have no Docker: it is agent and toolbox, and nothing
/// is made or loaded.
pub(super) const IMAGE_VARIABLE: &str = "FIREDRILL_IMAGE";

/// Held while images are made and loaded.
static MAKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Makes what is missing on this engine, and loads it onto the nodes that are containers of it.
pub(super) async fn make(stack: &KubernetesStack, cancel: &CancellationToken) -> StackResult<FiredrillImages> {
    let KubernetesStack { cluster, request, options, redactor, run, .. } = stack;
    if let Some(image) = variable(IMAGE_VARIABLE) {
        // As this very container, and every other one of its image, starts it.
        let libraries = std::fs::read_dir(format!("{HOME}/lib")).into_iter().flatten().flatten();
        let loader = libraries.map(|entry| entry.file_name()).find(|name| name.to_string_lossy().starts_with("ld-"));
        let agent = AgentImage { tag: image.clone(), launch: launch(loader.as_deref()) };
        return Ok(FiredrillImages { agent, toolbox: image, monitoring: None });
    }
    let _making = MAKING.lock().await;
    let endpoint = Endpoint::resolve().await?;
    let compose = ComposeCommand::of(endpoint, redactor.clone(), &run.dir, cancel);
    let compose = ComposeCommand { build_within: BUILD_WITHIN, ..compose };
    let own = FiredrillImages::ensure(&compose, request, options).await?;
    let own = FiredrillImages { toolbox: with_kubectl(&compose, &own.toolbox).await?, ..own };
    let teams = request.cluster.iter().flat_map(|cluster| &cluster.images);
    for (name, build) in teams.clone() {
        let there = images::inspect(&compose.endpoint.docker, name).await?;
        if let Some(build) = build
            && !options.no_build
        {
            let labels = there.as_ref().and_then(|image| image.config.as_ref()?.labels.as_ref());
            if there.is_some() && labels.and_then(|labels| labels.get(BUILT)) != Some(name) {
                let hint = format!(
                    "if it may be lost: `docker image rm {name}`; else build under a name of your own, or take it as it \
                     is: without a folder in `images`, or with `--no-build`"
                );
                let cause = "this engine has an image of that name that Firedrill has not built, and would lose it";
                return Err(hinted(format!("building {name}"), cause, hint));
            }
            self::build(&compose, name, build).await?;
        } else if there.is_none() {
            let hint = "build it before, or name the folder with its Dockerfile: `images: { NAME: FOLDER }`";
            return Err(hinted(format!("loading {name}"), "this engine has no such image", hint));
        }
    }
    let ours = [Some(own.agent.tag.as_str()), Some(own.toolbox.as_str()), own.monitoring.as_deref()];
    let teams = teams.map(|(name, build)| (name.as_str(), build.is_some() && !options.no_build));
    let all: Vec<(&str, bool)> = ours.into_iter().flatten().map(|name| (name, false)).chain(teams).collect();
    load(cluster, &compose.endpoint, &all).await?;
    Ok(own)
}

/// The toolbox with the kubectl that this machine's people use.
async fn with_kubectl(compose: &ComposeCommand, toolbox: &str) -> StackResult<String> {
    let operation = "putting kubectl into the toolbox";
    let install = "install it: https://kubernetes.io/docs/tasks/tools/";
    let path = std::env::var_os("PATH").unwrap_or_default();
    let kubectl = std::env::split_paths(&path).map(|dir| dir.join("kubectl")).find(|file| file.is_file());
    let kubectl = kubectl.ok_or_else(|| hinted(operation, "there is no `kubectl` on this machine", install))?;
    let bytes = tokio::fs::read(&kubectl).await;
    let bytes = bytes.map_err(|error| environment(format!("reading {}", kubectl.display()), error))?;
    let digest = Sha256::new().chain_update(toolbox).chain_update(CONFIGURED).chain_update(&bytes).finalize();
    let tag = format!("{TOOLBOX}:{}", hex::encode(&digest[..8]));
    if images::inspect(&compose.endpoint.docker, &tag).await?.is_none() {
        let dockerfile = format!("FROM {toolbox}\nCOPY kubectl {KUBECTL}\nCOPY config {KUBECONFIG}\n");
        let fill = |context: &Path| {
            let [program, config] = [context.join("kubectl"), context.join("config")];
            std::fs::copy(&kubectl, &program)?;
            std::fs::write(&config, CONFIGURED)?;
            std::fs::set_permissions(program, Permissions::from_mode(0o755))?;
            std::fs::set_permissions(config, Permissions::from_mode(0o644))
        };
        TOOLBOX_IMAGE.build(compose, &tag, &dockerfile, fill).await?;
    }
    Ok(tag)
}

/// Builds an image of the team's; the engine's cache makes that quick when nothing has changed.
async fn build(compose: &ComposeCommand, name: &str, build: &ImageBuild) -> StackResult<()> {
    let mut command = compose.endpoint.with_own_builder().command();
    command.args(["build", "--tag", name, "--label", &format!("{BUILT}={name}")]);
    for (key, value) in &build.args {
        command.args(["--build-arg", &format!("{key}={value}")]);
    }
    command.arg("--").arg(&build.folder);
    let log = format!("build-{}.log", name.replace(['/', ':'], "-"));
    let built = compose.watched(&format!("building {name}"), command, &log, BUILD_WITHIN).await?;
    was_built(built).map_err(|error| match error {
        StackError::Build { reason, tail } => StackError::Build { reason: format!("{name}: {reason}"), tail },
        other => other,
    })
}

/// Why an image may not be made or loaded under this name, and what to do about it. `used`: the images of the stack's containers.
pub(super) fn refused_name(name: &str, is_built: bool, used: &[&str]) -> Option<(String, &'static str)> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(fits) {
        return Some((format!("`{name}` is no name of an image"), "write it as a Pod does: `shop/web:1.4.2`"));
    }
    let full = full_name(name).replacen("index.docker.io/", "docker.io/", 1);
    let of_hub = full.strip_prefix("docker.io/").map(|rest| rest.strip_prefix("library/").unwrap_or(rest));
    let is_reserved = full.starts_with("registry.k8s.io/")
        || full.starts_with("k8s.gcr.io/")
        || of_hub.is_some_and(|rest| ["kindest/", "rancher/", "firedrill"].iter().any(|own| rest.starts_with(own)));
    if is_reserved && is_built {
        let help = "nodes and other drills run what has that name: build under a name of your own";
        return Some((format!("the image `{name}` would take the place of the cluster's or of Firedrill's own"), help));
    }
    let repository = repository(&full);
    if is_built && !used.iter().any(|used| self::repository(&full_name(used)) == repository) {
        let help =
            "build what the stack's containers run; what else is needed is named without a folder, and built before";
        return Some((format!("no container of the stack runs an image like `{name}`"), help));
    }
    None
}

/// The name of an image without its tag and its digest.
fn repository(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or(name);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

/// Loads what is missing onto every node that is a container of this engine. Other nodes pull by themselves. What was built here, which the
/// second value says, does not take the place of what somebody else has put onto a node.
async fn load(cluster: &Cluster, endpoint: &Endpoint, images: &[(&str, bool)]) -> StackResult<()> {
    for node in list(&cluster.all_of::<Node>(), &ListParams::default(), "listing the nodes").await? {
        let name = manifests::name(&node);
        if endpoint.docker.inspect_container(name, None::<InspectContainerOptions>).await.is_err() {
            continue;
        }
        let operation = format!("loading images onto the node {name}");
        let mut known = on_node(endpoint, name, &["list"], Stdio::null()).await?;
        if images.iter().any(|(image, is_built)| *is_built && is_of_others(&known, image)) {
            // Another process of Firedrill may have loaded it just now, and not have said so yet.
            tokio::time::sleep(LABELLED_WITHIN).await;
            known = on_node(endpoint, name, &["list"], Stdio::null()).await?;
        }
        let mut missing = Vec::new();
        for (image, is_built) in images {
            let id = images::inspect(&endpoint.docker, image).await?.and_then(|image| image.id).unwrap_or_default();
            if *is_built && is_of_others(&known, image) {
                let cause = format!("the node has another {image} that Firedrill has not loaded, and would lose it");
                let hint = format!(
                    "if it may be lost: `docker exec {name} ctr --namespace k8s.io images rm {}`; else build under a name \
                     of your own",
                    full_name(image)
                );
                return Err(hinted(operation, cause, hint));
            }
            if !is_current(&known, image, &id) {
                missing.push((*image, format!("{LOADED}={id}")));
            }
        }
        if missing.is_empty() {
            continue;
        }
        let names: Vec<&str> = missing.iter().map(|(image, _)| *image).collect();
        import(endpoint, name, &names).await?;
        for (image, label) in &missing {
            on_node(endpoint, name, &["label", &full_name(image), label], Stdio::null()).await?;
        }
    }
    Ok(())
}

/// What a node calls an image: `shop/web:1` is `docker.io/shop/web:1`.
fn full_name(image: &str) -> String {
    match image.split_once('/') {
        None => format!("docker.io/library/{image}"),
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => image.to_string(),
        Some(_) => format!("docker.io/{image}"),
    }
}

/// What stands in a node's list of images in the line of this one, word by word.
fn listed<'k>(known: &'k str, image: &str) -> Option<impl Iterator<Item = &'k str>> {
    let name = full_name(image);
    let line = known.lines().find(|line| line.split_whitespace().next() == Some(&name))?;
    Some(line.split_whitespace().flat_map(|word| word.split(',')))
}

/// Whether a node has an image of this name that was not loaded by Firedrill.
fn is_of_others(known: &str, image: &str) -> bool {
    listed(known, image).is_some_and(|mut words| !words.any(|word| word.starts_with(LOADED)))
}

/// Whether a node has an image as it is here: by the label that says which one was loaded under this name. Whoever loads another one
/// takes the label away.
fn is_current(known: &str, image: &str, id: &str) -> bool {
    let label = format!("{LOADED}={id}");
    listed(known, image).is_some_and(|mut words| words.any(|word| word == label))
}

/// `ctr images …` on a node, with this as its input; what it prints.
async fn on_node(endpoint: &Endpoint, node: &str, args: &[&str], input: Stdio) -> StackResult<String> {
    let failed = |cause: String| {
        let hint = "load them yourself: `minikube image load NAME`, `k3d image import NAME`";
        hinted(format!("loading images onto the node {node}"), cause, hint)
    };
    let mut command = endpoint.command();
    command.args(["exec", "--interactive", node, "ctr", "--namespace", "k8s.io", "images"]).args(args).stdin(input);
    let output = process::output(command, LOAD_WITHIN).await.map_err(|error| failed(error.to_string()))?;
    let said = || failed(String::from_utf8_lossy(&output.stderr).trim().to_string());
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned()).ok_or_else(said)
}

/// `docker save` into the node's containerd.
async fn import(endpoint: &Endpoint, node: &str, images: &[&str]) -> StackResult<()> {
    let operation = format!("saving images for the node {node}");
    let failed = |error: std::io::Error| environment(operation.as_str(), error);
    let mut save = endpoint.command();
    save.args(["save", "--"]).args(images).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut save = Running::start(save).map_err(failed)?;
    let archive = save.child.stdout.take().map(TryInto::<Stdio>::try_into).transpose().map_err(failed)?;
    on_node(endpoint, node, &["import", "-"], archive.unwrap_or_else(Stdio::null)).await?;
    let is_whole = save.wait().await.map_err(failed)?.success();
    is_whole.then_some(()).ok_or_else(|| environment(operation.as_str(), "`docker save` failed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_its_full_name_on_a_node() {
        assert_eq!(full_name("nginx:1"), "docker.io/library/nginx:1");
        assert_eq!(full_name("shop/web:1"), "docker.io/shop/web:1");
        assert_eq!(full_name("registry.example:5000/web:1"), "registry.example:5000/web:1");
        assert_eq!(full_name("localhost/web:1"), "localhost/web:1");
    }

    #[test]
    fn an_image_is_current_when_it_was_the_one_that_was_loaded() {
        let known = "REF TYPE DIGEST SIZE PLATFORMS LABELS\n\
                     docker.io/shop/web:1 x sha256:9 1MiB linux/amd64 dev.firedrill.loaded=sha256:a,io.cri=managed\n\
                     docker.io/shop/db:1 x sha256:9 1MiB linux/amd64 io.cri=managed\n";
        assert!(is_current(known, "shop/web:1", "sha256:a"));
        assert!(!is_current(known, "shop/web:1", "sha256:b"), "another one was built since");
        assert!(!is_current(known, "shop/db:1", "sha256:a"), "somebody else has loaded it");
        assert!(!is_current(known, "shop/other:1", "sha256:a"));
        let others = ["shop/web:1", "shop/db:1", "shop/other:1"].map(|image| is_of_others(known, image));
        assert_eq!(others, [false, true, false]);
    }

    #[test]
    fn an_image_is_built_under_a_name_of_the_stack_and_of_nobody_else() {
        let used = ["shop/web:1.4.2", "registry.example:5000/shop/db@sha256:0", "registry.k8s.io/pause:3.9"];
        for name in ["shop/web:1.5.0", "docker.io/shop/web", "registry.example:5000/shop/db:2"] {
            assert_eq!(refused_name(name, true, &used), None, "{name}");
        }
        for name in [
            "registry.k8s.io/pause:3.9",
            "kindest/node:v1",
            "docker.io/rancher/k3s:1",
            "firedrill-agent:0",
            "index.docker.io/library/firedrill-toolbox:0",
            "--output=/x",
            "shop web",
            "alpine:3",
            "shop/web2:1",
        ] {
            assert!(refused_name(name, true, &used).is_some(), "{name}");
        }
        assert_eq!(refused_name("postgres:16", false, &used), None, "one that is there already is only loaded");
        assert!(refused_name("--output=/x", false, &used).is_some());
    }
}
