//! Images: what is pulled, what is built by whom, and which ones a drill, a sweep and nobody may remove.

use super::rig::{Project, docker, rand, refused_up, with_stack};
use firedrill::stack::{Release, RunIdentity, Stack, StackError, SweepOptions, platform};
use std::path::Path;
use std::process::Command;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn an_image_that_is_nowhere_is_the_environments_fault() {
    let project =
        Project::new("noimage", "services:\n  web: { image: \"firedrill-test/nowhere:1\", pull_policy: never }\n");
    let stack = project.stack().await;
    let error = refused_up(&stack).await;
    let StackError::Environment { cause, .. } = &error else { panic!("{error:?}") };
    assert!(cause.contains("firedrill-test/nowhere"), "{error:?}");
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_is_told_with_its_name_and_a_cure() {
    // Nothing listens there, wherever the test runs.
    let image = "127.0.0.1:1/firedrill-test/nowhere:1";
    let project = Project::new("nopull", &format!("services:\n  web: {{ image: \"{image}\" }}\n"));
    let stack = project.stack().await;
    let error = refused_up(&stack).await;
    let StackError::Environment { operation, hint: Some(hint), .. } = &error else { panic!("{error:?}") };
    assert_eq!(*operation, format!("pulling {image}"));
    assert!(hint.contains(&format!("docker pull {image}")), "{hint}");
}

const REBUILT: &str = "services:\n  web:\n    init: true\n    command: [sleep, \"1000\"]\n    build: { context: ./web, no_cache: true }\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_only_one_drill_uses_goes_with_it_also_without_its_runner() {
    for killed in [false, true] {
        let project = Project::new("ownimage", REBUILT);
        project.file("web/Dockerfile", &format!("FROM debian:bookworm-slim\nRUN echo {:x} > /x\n", rand()));
        let stack = project.stack().await;
        stack.up(&CancellationToken::new()).await.unwrap();
        let label = format!("label=dev.firedrill.image.run={}", project.run.id);
        let images = || docker(&["images", "--quiet", "--filter", &label]);
        let there = images();
        let left = match killed {
            // The reaper and the sweep have nothing but the id.
            true => platform().reopen(&project.run.id).await.unwrap().down().await.unwrap().left,
            false => stack.down().await.unwrap().left,
        };
        assert_eq!((left, images()), (Vec::new(), String::new()), "killed: {killed}");
        assert!(!there.is_empty(), "it is found by the label of the run");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_image_of_a_release_is_made_before_any_drill() {
    let label = format!("fd-test-release-{:08x}", rand());
    let compose = "services:\n  web:\n    build: { context: ./web, args: { VERSION: \"${WEB_VERSION:-1}\" } }\n";
    let mut project = Project::new("release", compose);
    project.file("web/Dockerfile", &format!("FROM debian:bookworm-slim\nARG VERSION\nLABEL {label}=$VERSION\n"));
    let variables = [("WEB_VERSION".to_string(), "2".to_string())].into();
    project.spec.releases = vec![("web".into(), Release { variables, ..Release::default() })];
    project.prepare().await;
    let of = |version: &str| docker(&["images", "--quiet", "--filter", &format!("label={label}={version}")]);
    let made = [of("1"), of("2")];
    for image in made.iter().filter(|image| !image.is_empty()) {
        docker(&["rmi", "--force", image]);
    }
    assert!(made.iter().all(|image| !image.is_empty()), "{made:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_is_the_same_whatever_else_lies_in_its_context() {
    let label = format!("fd-test-context-{:08x}", rand());
    for notes in ["of a run", "of another run"] {
        let project = Project::new("context", "services:\n  web:\n    build: ./web\n");
        project.file("web/Dockerfile", &format!("FROM debian:bookworm-slim\nLABEL {label}=1\n"));
        project.file("web/notes", notes);
        project.prepare().await;
    }
    let made = docker(&["images", "--quiet", "--no-trunc", "--filter", &format!("label={label}")]);
    let ids: std::collections::BTreeSet<&str> = made.lines().collect();
    for image in &ids {
        docker(&["rmi", "--force", image]);
    }
    assert_eq!((ids.len(), made.lines().count()), (1, 2), "one image with two names: {made}");
}

/// An image of the user's own, made from one of ours: it has inherited the label.
struct Inherited(String);

impl Inherited {
    fn from(image: &str) -> Inherited {
        let name = format!("fd-test-inherited/tools:{:08x}", rand());
        let container = docker(&["create", "--label", "dev.firedrill.image=toolbox", image, "true"]);
        docker(&["commit", &container, &name]);
        docker(&["rm", &container]);
        Inherited(name)
    }
}

impl Drop for Inherited {
    fn drop(&mut self) {
        docker(&["rmi", &self.0]);
    }
}

#[tokio::test]
async fn an_image_that_inherited_our_label_is_not_ours_to_remove() {
    let inherited = Inherited::from("debian:bookworm-slim");
    let label = docker(&["inspect", "--format", "{{index .Config.Labels \"dev.firedrill.image\"}}", &inherited.0]);
    let options = SweepOptions { images: true, dry_run: true, ..Default::default() };
    let report = platform().sweep(options, &[]).await.unwrap();
    assert_eq!(label, "toolbox");
    assert!(!report.images.contains(&inherited.0), "{:?}", report.images);
}

/// What the next test starts with another builder; by itself it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by another test"]
async fn a_drill_with_a_toolbox_of_its_own() {
    let Some(dir) = std::env::var_os("FIREDRILL_TEST_DIR") else { return };
    let mut project = Project::new(
        "builder",
        "services:\n  web: { image: \"debian:bookworm-slim\", init: true, command: [sleep, \"1000\"] }\n",
    );
    project.spec.toolbox_image = Some(std::env::var("FIREDRILL_TEST_TOOLBOX").unwrap());
    project.run = RunIdentity { dir: Path::new(&dir).join(&project.run.id), ..project.run };
    let stack = project.stack().await;
    with_stack(&stack, &project.run.id, async |stack, _| {
        let toolbox = &stack.containers("fd-toolbox").await.unwrap()[0];
        let image = docker(&["inspect", "--format", "{{.Config.Image}}", &toolbox.id]);
        println!("built {image}.");
    })
    .await;
}

#[test]
fn our_own_images_see_what_only_the_engine_has_whatever_builder_is_chosen() {
    // A builder in a container of its own, as `docker/setup-buildx-action` makes one; it is never started.
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("instances")).unwrap();
    let endpoint = "unix:///nonexistent/docker.sock";
    let node = serde_json::json!({ "Name": "box0", "Endpoint": endpoint });
    let builder = serde_json::json!({ "Name": "box", "Driver": "docker-container", "Nodes": [node] });
    std::fs::write(dir.path().join("instances/box"), builder.to_string()).unwrap();
    let image = Inherited::from("debian:bookworm-slim");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "images::a_drill_with_a_toolbox_of_its_own", "--ignored", "--nocapture"]);
    command.env("FIREDRILL_TEST_DIR", dir.path()).env("FIREDRILL_TEST_TOOLBOX", &image.0);
    let output = command.env("BUILDX_CONFIG", dir.path()).env("BUILDX_BUILDER", "box").output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let built = said.split_once("built firedrill-toolbox:").and_then(|(_, rest)| rest.split_once('.'));
    if let Some((tag, _)) = built {
        docker(&["rmi", &format!("firedrill-toolbox:{tag}")]);
    }
    assert!(output.status.success() && built.is_some(), "{said}");
}
