//! Ways out of a drill, as a step might try them, against a container, a volume, a network and a file that are not its own.

use crate::rig::{Project, docker, rand, with_stack};
use crate::{Session, id};
use firedrill::stack::compose::ComposeStack;
use firedrill::stack::{CallIo, Place, Stack, ToolCall};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// What the toolbox may have; docs/security.md says so.
const MOST_PROCESSES: usize = 1024;

const SLEEPS: &str = "services:\n  web: { image: \"debian:bookworm-slim\", init: true, command: [sleep, \"1000\"] }\n";

const STACK: &str = r#"
name: shop
services:
  web:
    image: debian:bookworm-slim
    init: true
    command: ["sleep", "1000"]
    privileged: "${PRIVILEGED:-false}"
    volumes: ["${CONF:-./conf}:/conf:ro"]
    env_file: ["${ENV_FILE:-web.env}"]
    network_mode: "${MODE:-bridge}"
"#;

/// `@` stands for the bystander, `%` for the host's file, `#` for the toolbox.
const WAYS: &[&str] = &[
    // Containers of others, and ours.
    "docker stop @",
    "docker restart @",
    "docker exec @ touch /touched",
    "docker kill @",
    "docker rm -f @",
    "docker pause @",
    "docker update --cpus 1 @",
    "docker inspect @",
    "docker logs @",
    "docker cp @:/etc/hostname -",
    "docker cp shop-web-1:/etc/hostname @:/touched",
    "docker compose -p @ stop",
    "docker compose exec fd-toolbox true",
    "docker compose kill fd-agent",
    "docker compose up -d --scale fd-agent=0",
    "docker exec # true",
    "docker stop $(hostname)",
    "docker ps -f id=x -f network=bridge",
    // The host.
    "docker run --rm -v /:/host debian:bookworm-slim cat /host%",
    "docker run --rm --privileged debian:bookworm-slim true",
    "docker run --rm --network host --pid host debian:bookworm-slim true",
    "docker exec --privileged shop-web-1 true",
    "docker exec --env-file % shop-web-1 env",
    "docker compose run --rm -v /:/host web cat /host%",
    "docker compose run --rm --volume=%:/x web cat /x",
    "docker compose run --rm -p 18080:80 web true",
    "docker compose run --rm --cap-add ALL web true",
    "docker compose run --rm -l dev.firedrill.run=other web true",
    "docker cp % shop-web-1:/tmp/x",
    "docker compose cp % web:/tmp/x",
    "docker compose cp web:/etc/hostname %",
    "docker compose -f % config",
    "docker compose --env-file % config",
    "docker compose config -o %",
    "PRIVILEGED=true docker compose up -d web",
    "CONF=/etc docker compose up -d web",
    "ENV_FILE=% docker compose up -d web",
    "ENV_FILE=% docker compose config",
    "MODE=host docker compose up -d web",
    "MODE=container:@ docker compose run --rm web true",
    "printf 'services: { web: { image: x, privileged: true } }' > other.yml; docker compose -f other.yml up -d",
    "printf 'services: { web: { image: x } }' | docker compose -f - up -d",
    // The engine.
    "docker -H unix:///var/run/docker.sock ps",
    "docker --context default ps",
    "docker --config / ps",
    "docker system prune -af --volumes",
    "docker container prune -f",
    "docker volume rm @-volume",
    "docker network rm @-network",
    "docker network connect @-network shop-web-1",
    "docker rmi -f debian:bookworm-slim",
    "docker build -t debian:bookworm-slim .",
    "docker pull debian:bookworm-slim",
    "docker login -u x -p y",
    "docker context ls",
    "docker update --device /dev/sda shop-web-1",
    "docker commit shop-web-1 @-image",
    "docker plugin ls",
    "docker compose down --rmi all",
    "docker compose up -d --pull always",
    "docker compose up -d --always-recreate-deps web",
    "docker compose ls",
    "test -S /var/run/docker.sock",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_way_out_of_the_drill_is_found() {
    let other = format!("bystander-{:08x}", rand());
    let (volume, network) = (format!("{other}-volume"), format!("{other}-network"));
    docker(&["volume", "create", &volume]);
    docker(&["network", "create", &network]);
    let mount = format!("{volume}:/v");
    let run = [
        "run", "-d", "--init", "--name", &other, "-v", &mount, "--network", &network, "debian:bookworm-slim", "sleep",
        "1000",
    ];
    docker(&run);
    let mut project = Project::new("ways-out", STACK);
    // A variable decides which file is read: that much whoever runs the drill allows.
    project.spec.allowed.rights.extend(["env_file", "extends", "include"].map(String::from));
    project.file("conf/a", "x\n");
    project.file("web.env", "A=1\n");
    project.file("secret.env", "SECRET=of-the-host\n");
    let file = project.dir.path().join("secret.env").display().to_string();
    let look = || docker(&["inspect", "-f", "{{.State.StartedAt}} {{.State.Status}} {{.RestartCount}}", &other]);
    let before = look();
    let stack = project.stack().await;
    let tried = with_stack(&stack, &project.run.id, async |stack, _| {
        let mut s = Session::open(stack, &Place::Toolbox).await;
        let (web, toolbox) = (id(stack, "web").await, id(stack, "fd-toolbox").await);
        for way in WAYS {
            let line = way.replace('@', &other).replace('%', &file).replace('#', &toolbox);
            let ran = s.run(&line).await;
            assert_ne!(ran.exit, 0, "{line}: {ran:?}");
            assert!(!ran.out.contains("of-the-host") && !ran.err.contains("of-the-host"), "{line}: {ran:?}");
            if line.starts_with("docker") && !line.contains(" cp ") {
                assert_eq!(ran.exit, 126, "{line}: {ran:?}");
                assert!(ran.err.starts_with("firedrill: "), "{line}: {ran:?}");
            }
        }
        // Not by the environment of the runner either.
        let ran = s
            .run("docker compose exec -e FIREDRILL_TEST_SECRET web env; docker exec -e CARGO_MANIFEST_DIR shop-web-1 env")
            .await;
        assert!(ran.exit == 0 && !ran.out.contains("CARGO_MANIFEST_DIR"), "{ran:?}");
        let seen =
            s.run("docker ps -a; docker ps -aq -f id=; docker compose ps -a; docker stats --no-stream").await.out;
        assert!(!seen.contains(&other) && !seen.contains("fd-"), "{seen}");
        assert_eq!(id(stack, "web").await, web);
        WAYS.len()
    })
    .await;
    let after = look();
    let files = docker(&["exec", &other, "ls", "/"]);
    let image = docker(&["image", "inspect", "-f", "{{.Id}}", "debian:bookworm-slim"]);
    docker(&["rm", "-f", &other]);
    let removed = docker(&["volume", "rm", &volume]) + &docker(&["network", "rm", &network]);
    assert_eq!(after, before);
    assert!(!files.contains("touched"), "{files}");
    assert!(image.starts_with("sha256:"), "{image}");
    assert!(!removed.contains("rror"), "both were still there: {removed}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "SECRET=of-the-host\n");
    assert!(tried >= 30);
}

/// What a step is told by `docker compose config`, which needs no container.
async fn config(stack: &ComposeStack, name: &str, value: &str) -> String {
    let (io, mut peer) = CallIo::pair();
    let call = ToolCall {
        program: "docker".into(),
        args: ["compose", "config"].map(String::from).into(),
        cwd: "/".into(),
        begins: "/".into(),
        env: vec![(name.into(), value.into())],
        no_input: true,
    };
    let called =
        stack.tools(&Place::Toolbox, &firedrill::record::Secrets::default()).call(call, io, CancellationToken::new());
    let mut said = String::new();
    let read = async {
        while let Some((_, bytes)) = peer.out.recv().await {
            said += &String::from_utf8_lossy(&bytes);
        }
    };
    let (exit, ()) = tokio::join!(called, read);
    format!("{exit}: {said}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_of_the_host_is_chosen_by_way_of_another_file() {
    let web = "services: { web: { image: \"w:${TAG:-1}\", extends: { file: base.yml, service: base } } }\n";
    let chosen = web.replace("base.yml", "\"${BASE:-base.yml}\"");
    let included = "include: [{ path: sub/inc.yml, project_directory: . }]\n";
    let merged = "x-base: &base { env_file: \"${ENV_FILE:-web.env}\" }\nservices: { web: { image: w, <<: *base } }\n";
    for (main, counts) in [(web, true), (&chosen, false), (included, true), (merged, true)] {
        let mut project = Project::new("by-way", &format!("name: shop\n{main}"));
        project.spec.allowed.rights.extend(["env_file", "extends", "include"].map(String::from));
        project.file("base.yml", "services: { base: { env_file: \"${ENV_FILE:-web.env}\" } }\n");
        project.file("sub/inc.yml", web);
        project.file("web.env", "A=1\n");
        project.file("secret.env", "SECRET=of-the-host\n");
        let file = project.dir.path().join("secret.env").display().to_string();
        let stack = project.stack().await;
        let said = config(&stack, "ENV_FILE", &file).await;
        assert!(!said.contains("of-the-host"), "{main}: {said}");
        let expected =
            if counts { "126: firedrill: `ENV_FILE` decides" } else { "firedrill: the step's variables do not" };
        assert!(said.contains(expected), "{main}: {said}");
        if main.contains("TAG") {
            let said = config(&stack, "TAG", "of-the-step").await;
            assert_eq!(said.contains("of-the-step"), counts, "{main}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_bomb_in_a_step_fills_the_toolbox_and_nothing_else() {
    let project = Project::new("fork-bomb", SLEEPS);
    let stack = project.stack().await;
    with_stack(&stack, &project.run.id, async |stack, _| {
        let mut s = Session::open(stack, &Place::Toolbox).await;
        let toolbox = s.out("hostname").await;
        let ran = s.run("echo forged > /proc/$PPID/fd/1").await;
        assert!(ran.exit == 1 && ran.err.contains("Permission denied"), "what the session says is its own: {ran:?}");
        s.out("b() { b | b & }; b > /dev/null 2>&1").await;
        let (mut most, deadline) = (0, Instant::now() + Duration::from_secs(120));
        while most < MOST_PROCESSES * 9 / 10 {
            assert!(Instant::now() < deadline, "it fills the toolbox: {most}");
            let said = docker(&["stats", "--no-stream", "--format", "{{.PIDs}}", &toolbox]);
            most = most.max(said.parse().unwrap_or_else(|_| panic!("{said}")));
        }
        assert!(most <= MOST_PROCESSES, "{most}");
        let web = id(stack, "web").await;
        assert_eq!(docker(&["exec", &web, "echo", "served"]), "served");
    })
    .await;
}
