//! Ways out of a drill, as a step might try them, against a container, a volume, a network and a file that are not its own.

use crate::rig::{Project, docker, rand, with_stack};
use crate::{Session, id};
use firedrill::stack::Place;

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
    labels: { dev.firedrill.run: "${RUN:-mine}" }
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
    "docker inspect @",
    "docker logs @",
    "docker cp @:/etc/hostname -",
    "docker cp web:/etc/hostname @:/touched",
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
    "docker exec --privileged web true",
    "docker exec --env-file % web env",
    "docker compose run --rm -v /:/host web cat /host%",
    "docker compose run --rm --volume=%:/x web cat /x",
    "docker compose run --rm -p 18080:80 web true",
    "docker compose run --rm --cap-add ALL web true",
    "docker compose run --rm -l dev.firedrill.run=other web true",
    "docker cp % web:/tmp/x",
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
    "docker network connect @-network web",
    "docker rmi -f debian:bookworm-slim",
    "docker build -t debian:bookworm-slim .",
    "docker pull debian:bookworm-slim",
    "docker login -u x -p y",
    "docker context ls",
    "docker update --memory 6m web",
    "docker commit web @-image",
    "docker plugin ls",
    "docker compose down --rmi all",
    "docker compose up -d --pull always",
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
        "run",
        "-d",
        "--init",
        "--name",
        &other,
        "-v",
        &mount,
        "--network",
        &network,
        "debian:bookworm-slim",
        "sleep",
        "1000",
    ];
    docker(&run);
    let project = Project::new("ways-out", STACK);
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
            .run("docker compose exec -e FIREDRILL_TEST_SECRET web env; docker exec -e CARGO_MANIFEST_DIR web env")
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
