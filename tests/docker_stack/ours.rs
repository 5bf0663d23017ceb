//! What a sweep may not touch although it carries the label of a run: containers of images that were made of a drill's, forged
//! labels, directories with links in them, ledgers that somebody else has written.

use super::rig::{Project, docker, left, only, rand};
use firedrill::engine::ledger::Ledger;
use firedrill::faults::Undo;
use firedrill::stack::{ContainerOp, Stack};
use std::path::Path;
use std::process::Command;
use tokio_util::sync::CancellationToken;

const SLEEPS: &str = "services:\n  web: { image: \"debian:bookworm-slim\", init: true, command: [sleep, \"1000\"] }\n";

/// Whatever comes of a test, what has the label of its run goes, and its image.
struct Gone {
    run: String,
    image: Option<String>,
}

impl Drop for Gone {
    fn drop(&mut self) {
        let label = format!("label=dev.firedrill.run={}", self.run);
        let lists: [(&[&str], &[&str]); 3] = [
            (&["ps", "-aq"], &["rm", "--force", "--volumes"]),
            (&["network", "ls", "-q"], &["network", "rm"]),
            (&["volume", "ls", "-q"], &["volume", "rm"]),
        ];
        for (list, remove) in lists {
            let all = docker(&[list, &["--filter", &label]].concat());
            for thing in all.split_whitespace() {
                docker(&[remove, &[thing]].concat());
            }
        }
        if let Some(image) = &self.image {
            docker(&["rmi", "--force", image]);
        }
    }
}

/// `firedrill sweep` of one run, from the directory of its project: whether it succeeded, and what it said.
fn sweep(project: &Project, args: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
    command.arg("sweep").args(args).arg(&project.run.id).current_dir(project.dir.path());
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn status(container: &str) -> String {
    docker(&["inspect", "--format", "{{.State.Status}}", container])
}

/// A container that sleeps, with the labels of a run and its directory, and these.
fn labelled(name: &str, run: &str, dir: &Path, more: &[(&str, &str)]) -> String {
    let labels = [("dev.firedrill.run", run), ("dev.firedrill.dir", dir.to_str().unwrap())];
    let labels = labels.iter().chain(more).flat_map(|(key, value)| ["--label".to_string(), format!("{key}={value}")]);
    let labels: Vec<String> = labels.collect();
    let mut args = vec!["run", "--detach", "--init", "--name", name];
    args.extend(labels.iter().map(String::as_str));
    args.extend(["debian:bookworm-slim", "sleep", "1000"]);
    docker(&args)
}

/// A lock that nobody holds: a sweep takes the run for a dead one.
fn dead(project: &Project) {
    std::fs::write(project.run.dir.join("lock"), "").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_of_an_image_that_was_made_of_a_kept_drill_stays_as_it_is_and_is_listed() {
    let mut project = Project::new("committed", SLEEPS);
    project.run.keep = true;
    dead(&project);
    let run = project.run.id.clone();
    let image = format!("fd-test-committed/web:{:08x}", rand());
    let _gone = Gone { run: run.clone(), image: Some(image.clone()) };
    let stack = project.stack().await;
    stack.up(&CancellationToken::new()).await.unwrap();
    let web = only(&stack.containers("web").await.unwrap()).id.clone();
    docker(&["commit", &web, &image]);
    let bystander = format!("fd-test-bystander-{:08x}", rand());
    docker(&["run", "--detach", "--name", &bystander, &image]);
    docker(&["pause", &bystander]);
    let kept = sweep(&project, &[]);
    let while_kept = status(&bystander);
    docker(&["unpause", &bystander]);
    let swept = sweep(&project, &["--kept"]);
    let ours = docker(&["ps", "-aq", "--filter", &format!("id={web}")]);
    assert_eq!(while_kept, "paused", "what somebody has paused stays so: {kept:?}");
    assert_eq!(status(&bystander), "running", "{swept:?}");
    assert_eq!(ours, "", "the drill's own goes: {swept:?}");
    let listed = format!("IN DOUBT {run}: container {bystander} stays: it has the label of the run from its image; ");
    for (succeeded, said) in [kept, swept] {
        assert!(succeeded && said.contains(&listed) && said.contains("`docker rm --force "), "{said}");
    }
}

#[test]
fn what_has_a_forged_label_stays_although_nobody_holds_the_lock() {
    let project = Project::new("forged", SLEEPS);
    dead(&project);
    let run = project.run.id.clone();
    let _gone = Gone { run: run.clone(), image: None };
    let name = format!("fd-test-forged-{:08x}", rand());
    labelled(&name, &run, &project.run.dir, &[("com.docker.compose.project", "shop")]);
    let label = format!("dev.firedrill.run={run}");
    let dir = format!("dev.firedrill.dir={}", project.run.dir.display());
    docker(&["volume", "create", "--label", &label, "--label", &dir, &name]);
    docker(&["network", "create", "--label", &label, "--label", &dir, &name]);
    let (succeeded, said) = sweep(&project, &["--kept"]);
    assert_eq!(status(&name), "running", "{said}");
    assert!(docker(&["volume", "inspect", &name]).contains(&run), "{said}");
    assert!(docker(&["network", "inspect", &name]).contains(&run), "{said}");
    assert!(succeeded, "{said}");
    for thing in ["container", "volume", "network"] {
        assert!(
            said.contains(&format!("IN DOUBT {run}: {thing} {name} stays: its name or its Compose project")),
            "{said}"
        );
    }
    assert!(said.contains(&format!("`docker volume rm {name}`")), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_through_a_link_in_the_run_directory() {
    let project = Project::new("linked", SLEEPS);
    dead(&project);
    let run = project.run.id.clone();
    let _gone = Gone { run: run.clone(), image: None };
    let stack = project.stack().await;
    let of_project = stack.project.clone();
    // As like the run's own as can be.
    let name = format!("{of_project}-web-1");
    labelled(&name, &run, &project.run.dir, &[("com.docker.compose.project", &of_project)]);
    Ledger::create(&project.run.dir.join("ledger.jsonl"), &run, false).unwrap();
    project.file("bashrc", "as it was\n");
    let outside = project.dir.path().join("bashrc");
    std::os::unix::fs::symlink(&outside, project.run.dir.join("events.jsonl")).unwrap();
    let (_, said) = sweep(&project, &[]);
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "as it was\n", "{said}");
    assert_eq!(status(&name), "running", "{said}");
    // Without the link it is what it says, and goes, with this sweep or with that of another test.
    std::fs::remove_file(project.run.dir.join("events.jsonl")).unwrap();
    let (_, said) = sweep(&project, &[]);
    assert_eq!(left(&run, &of_project), "", "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_somebody_else_has_written_changes_nothing_of_anybody() {
    // Somebody's kept drill.
    let victim = Project::new("victim", SLEEPS);
    dead(&victim);
    let of_victim = victim.stack().await.project;
    let (web, service) = (format!("{of_victim}-web-1"), ("com.docker.compose.service", "web"));
    let labels = [("com.docker.compose.project", of_victim.as_str()), service, ("com.docker.compose.oneoff", "False")];
    let _gone = Gone { run: victim.run.id.clone(), image: None };
    std::fs::write(victim.run.dir.join("kept"), "").unwrap();
    let web_id = labelled(&web, &victim.run.id, &victim.run.dir, &labels);
    // And a container that has nothing to do with any.
    let bystander = format!("fd-test-bystander-{:08x}", rand());
    let bystander_id =
        docker(&["run", "--detach", "--init", "--name", &bystander, "debian:bookworm-slim", "sleep", "1000"]);
    // A run directory that came with a repository, and a container that its Compose file has started.
    let evil = Project::new("evil", SLEEPS);
    dead(&evil);
    let of_evil = evil.stack().await.project;
    let _evil_gone = Gone { run: evil.run.id.clone(), image: None };
    labelled(
        &format!("{of_evil}-web-1"),
        &evil.run.id,
        &evil.run.dir,
        &[("com.docker.compose.project", of_evil.as_str()), service],
    );
    std::fs::write(evil.run.dir.join("kept"), "").unwrap();
    let undos = [
        Undo::Containers {
            service: "web".into(),
            containers: vec![web_id.clone(), bystander_id, "../../containers/prune".into()],
            op: ContainerOp::Kill { signal: "SIGKILL".into() },
            started: Default::default(),
        },
        Undo::Command { service: "web".into(), script: "touch /pwned".into(), container: None },
        Undo::Process { name: "web".into() },
    ];
    let mut said = Vec::new();
    for named in [&victim.run.id, &evil.run.id] {
        let path = evil.run.dir.join("ledger.jsonl");
        let _ = std::fs::remove_file(&path);
        let ledger = Ledger::create(&path, named, true).unwrap();
        // The one of its own run may do to its own container what it likes.
        for (number, undo) in undos.iter().enumerate().filter(|(number, _)| named == &victim.run.id || *number == 0) {
            ledger.open(&format!("fault-{number}"), undo).unwrap();
        }
        said.push(sweep(&evil, &[]));
        let states = [status(&web), status(&bystander)];
        let there = docker(&["exec", &web, "ls", "/"]);
        if states != ["running", "running"] || there.contains("pwned") {
            docker(&["rm", "--force", &bystander]);
            panic!("{states:?} {there} {said:?}");
        }
    }
    docker(&["rm", "--force", &bystander]);
    assert!(said[0].1.contains("is the ledger of another run: nothing of it is undone"), "{said:?}");
    // Of its own run there is no such container, so there is nothing to undo.
    for done in ["SIGKILL", "killed", "fault fault-"] {
        assert!(!said[1].1.contains(done), "{said:?}");
    }
}
