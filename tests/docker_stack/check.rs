//! What `firedrill check` reads from images and Compose files about the places in which steps run.

use crate::rig::{docker, rand};
use firedrill::stack::compose::ComposePlatform;
use firedrill::stack::{AlertFiles, ResolvedStack, StackRequest, platform};
use std::process::Command;
use std::time::{Duration, Instant};

/// What `check` says of a project whose stack is one service of Debian's.
fn checked(steps: &str, service: &str) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    write("compose.yaml", &format!("services:\n  web: {{ {service} }}\n"));
    write("runbooks/try.md", &format!("# Try\n\n## Mitigation\n\n### Step 1: Do it\n\n{steps}"));
    write(
        "scenarios/try.yaml",
        "title: Try\nstack: ../compose.yaml\nrunbook: ../runbooks/try.md\nload: { users: { request: GET http://web:80/, rate: 10/s } }\n\
         slis: { ok: { load: users, good: status < 500, objective: 90% } }\nfaults: [ { container_kill: { service: web } } ]\n\
         respond: { env: { APP_DOCKER_TAG: v1 } }\nrecover: { within: 30s, hold: 5s }\nrto: 1m\n",
    );
    let output = Command::new(env!("CARGO_BIN_EXE_firedrill")).arg("check").current_dir(dir.path()).output();
    let output = output.expect("firedrill runs");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.code(), text)
}

#[test]
fn check_looks_for_programs_in_the_images_and_starts_nothing() {
    let steps = "<!-- firedrill: in=web -->\n```bash\ntimeout 5 psql -c 'select 1' | grep x\nif command -v jq; then jq .; fi\n\
                 cd /tmp && docker compose ps && [ -e x ]\nstrace ls\n```\n";
    let (code, said) = checked(steps, "image: 'debian:bookworm-slim', command: [sleep, '9']");
    assert_eq!(code, Some(0), "{said}");
    for missing in ["`psql`", "`strace`"] {
        let message = format!("there is no {missing} in the container of `web`: the step would fail");
        assert_eq!(said.matches(&message).count(), 1, "{said}");
    }
    assert_eq!(said.matches("there is no").count(), 2, "all others are there, or are asked for first: {said}");
    assert!(said.contains("runbooks/try.md:9:11"), "where it stands: {said}");
    // Those of another check beside this one go as quickly.
    let looks = || docker(&["ps", "--all", "--quiet", "--filter", "label=dev.firedrill.role=look"]);
    let until = Instant::now() + Duration::from_secs(20);
    while !looks().is_empty() {
        assert!(Instant::now() < until, "the container of the look stays: {}", looks());
        std::thread::sleep(Duration::from_millis(50));
    }
    // An image that nobody has made is not guessed at.
    let (code, said) = checked(steps, "image: 'firedrill-test/nowhere:1'");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("not looked at: whether the programs of the steps are in the container of `web`"), "{said}");
    assert!(!said.contains("there is no"), "{said}");
}

#[tokio::test]
async fn an_image_that_looks_at_alerts_is_ended_when_it_writes_without_end() {
    let (image, dir) = (format!("fd-test-flood-{:08x}", rand()), tempfile::tempdir().expect("a directory"));
    let flood = "RUN printf '#!/bin/bash\\nexec yes\\n' > /flood && chmod +x /flood && ln -sf /flood /bin/sh";
    std::fs::write(dir.path().join("Dockerfile"), format!("FROM debian:bookworm-slim\n{flood}\n")).expect("a file");
    docker(&["build", "--quiet", "--tag", &image, &dir.path().display().to_string()]);
    let alertmanager = ("alertmanager.yml".into(), String::new());
    let files = AlertFiles { rules: vec![], alertmanager, in_drill: String::new(), image: Some(image.clone()) };
    let looked = platform().check_alerts(&files).await;
    let left = docker(&["ps", "--all", "--quiet", "--filter", &format!("ancestor={image}")]);
    docker(&["rmi", "--force", &image]);
    let said = format!("{looked:?}");
    assert!(looked.is_err() && said.contains("more than 64 MiB"), "{said}");
    assert_eq!(left, "", "its container stays");
}

#[test]
fn check_knows_which_calls_a_drill_refuses() {
    let steps = "```bash\ndocker system prune -f && docker compose restart web\nkubectl get pods\ndocker \"$THING\" rm\n\
                 docker compose -p other restart web\ndocker ps -q | xargs -r docker restart\n```\n";
    let (code, said) = checked(steps, "image: 'debian:bookworm-slim'");
    assert_eq!(code, Some(0), "{said}");
    for why in ["`docker system`", "`kubectl` has no cluster here", "`-p other`: other projects"] {
        assert_eq!(said.matches(&format!("a drill refuses this call: {why}")).count(), 1, "{why}: {said}");
    }
    assert_eq!(said.matches("a drill refuses").count(), 3, "{said}");
}

#[test]
fn check_knows_which_files_of_compose_are_the_stacks() {
    let steps = "```bash\ndocker compose -f /srv/shop/compose.yaml restart web\ndocker compose -f staging/compose.yaml restart web\n\
                 docker compose -f compose.yaml restart web\ncd deeper && docker compose -f ../compose.yaml restart web\n\
                 docker compose restart web\n```\n";
    let (code, said) = checked(steps, "image: 'debian:bookworm-slim'");
    assert_eq!(code, Some(0), "{said}");
    for file in ["/srv/shop/compose.yaml", "staging/compose.yaml"] {
        let why = format!(
            "a drill refuses this call: `-f {file}`: that leads to no file of the stack, which is `/work/compose.yaml`"
        );
        assert_eq!(said.matches(&why).count(), 1, "{why}: {said}");
    }
    assert_eq!(said.matches("a drill refuses").count(), 2, "{said}");
}

#[test]
fn every_file_of_a_stack_is_looked_at_and_they_are_merged_in_their_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |path: &str, text: &str| std::fs::write(dir.path().join(path), text).expect("a file");
    let resolved = |names: &[&str]| {
        let files: Vec<_> = names.iter().map(|name| dir.path().join(name)).collect();
        let (first, merged) = files.split_first().expect("a file");
        let root = dir.path().to_path_buf();
        let spec = StackRequest { file: first.clone(), merged: merged.to_vec(), root, ..StackRequest::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(ComposePlatform::default().model(&spec)).map_err(|error| format!("{error:?}"))
    };
    write("compose.yaml", "services: { web: { image: a, environment: { A: '1', B: '1' } } }");
    write("prod.yaml", "services: { web: { environment: { B: '2' } } }");
    write("compose.override.yaml", "services: { web: { environment: { B: '3' } } }");
    write("hostile.yaml", "services: { web: { env_file: /etc/passwd } }");
    let said = |stack: &dyn ResolvedStack| {
        stack.findings().iter().any(|finding| finding.message.contains("compose.override.yaml"))
    };
    let prod = resolved(&["compose.yaml", "prod.yaml"]).expect("a model");
    let merged = prod.environment("web").into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
    assert_eq!(merged, ["A=1", "B=2"]);
    assert!(said(&prod), "nobody named it");
    assert!(!said(&resolved(&["compose.yaml", "compose.override.yaml"]).expect("a model")), "it is named");
    let refused = resolved(&["compose.yaml", "hostile.yaml"]).map(|_| ()).expect_err("a file of the host");
    assert!(refused.contains("/etc/passwd"), "{refused}");
}
