//! The Docker stack on a real engine: what a Compose file may hold goes up, can be spoken to, and leaves nothing.

mod check;
mod commands;
mod files;
mod images;
mod leftovers;
mod ours;
mod rig;

use firedrill::agent::protocol::AgentMessage;
use firedrill::record::Redactor;
use firedrill::shell::{SessionVar, Shell};
use firedrill::stack::{AgentRole, ContainerOp, NoTools, Place, Stack, StackError};
use rig::{Project, docker, left, only, refused_up, with_stack};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const FEATURES: &str = r#"
name: many
services:
  web:
    extends: { file: base.yaml, service: base }
    container_name: fixed-name-of-web
    build: { context: ./web, args: { GREETING: hello } }
    ports: ["18080:8080"]
    env_file: [web.env]
    environment: { FROM_ENV_FILE: "${FROM_DOT_ENV}", DATABASE_URL: "postgres://u:pw-in-url@db:5432/x" }
    networks: { front: { aliases: [www] }, back: }
    depends_on:
      migrate: { condition: service_completed_successfully }
      db: { condition: service_healthy }
    volumes: ["./conf:/conf:ro"]
    secrets: [token, signing]
    command: ["bash", "-c", "cat /run/secrets/token; echo 'price: $$5'; exec sleep 1000"]
  db:
    image: debian:bookworm-slim
    init: true
    command: ["bash", "-c", "touch /data/ready; exec sleep 1000", "--requirepass", "${DB_PASSWORD}"]
    networks: [back]
    volumes: ["data:/data"]
    healthcheck: { test: ["CMD", "test", "-f", "/data/ready"], interval: 200ms }
  migrate:
    image: debian:bookworm-slim
    command: ["true"]
    networks: [back]
  unwanted:
    image: debian:bookworm-slim
    profiles: [no]
    command: ["sleep", "1000"]
  wanted:
    image: debian:bookworm-slim
    profiles: [yes]
    init: true
    command: ["sleep", "1000"]
networks:
  front: { ipam: { config: [ { subnet: 10.213.0.0/24 } ] } }
  back: { name: fixed-name-of-back }
volumes:
  data: { name: fixed-name-of-data }
secrets:
  token: { file: ./token.txt }
  signing: { environment: SIGNING }
"#;

/// What no record may hold of it.
const SECRETS: [&str; 5] =
    ["token-of-the-env-file", "secret-of-a-file", "pw-in-url", "password-of-dot-env", "variable-of-dot-env"];

fn many_features() -> Project {
    let mut project = Project::new("many", FEATURES);
    project.file("base.yaml", "services:\n  base:\n    init: true\n    environment: { BASE: \"a$$b\" }\n");
    project.file(".env", "FROM_DOT_ENV=dotted\nDB_PASSWORD=password-of-dot-env\nSIGNING=variable-of-dot-env\n");
    project.file("web.env", "API_TOKEN=token-of-the-env-file\n");
    project.file("token.txt", "secret-of-a-file\n");
    project.file("conf/a.conf", "x\n");
    project.file(
        "web/Dockerfile",
        "FROM debian:bookworm-slim\nARG GREETING\nRUN echo $GREETING > /greeting\nEXPOSE 8080\n",
    );
    project.spec.profiles = vec!["yes".into()];
    project
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stack_with_many_features_goes_up_can_be_spoken_to_and_leaves_nothing() {
    let project = many_features();
    let stack = project.stack().await;
    assert_eq!(stack.services(), ["db", "migrate", "wanted", "web"]);
    assert_eq!(stack.environment("web")["BASE"], "a$b");
    assert_eq!(stack.environment("web")["FROM_ENV_FILE"], "dotted");
    for secret in SECRETS {
        assert!(stack.secrets().iter().any(|s| s.value() == secret), "{secret}");
    }
    with_stack(&stack, &project.run.id, async |stack, up| {
        assert_eq!(up.project, stack.project);
        assert!(up.images["web"].starts_with("sha256:"), "{up:?}");
        let web = stack.containers("web").await.unwrap();
        assert_eq!((only(&web).status.as_str(), only(&web).exit_code), ("running", None));
        let job = stack.containers("migrate").await.unwrap();
        assert_eq!((only(&job).status.as_str(), only(&job).exit_code), ("exited", Some(0)));
        assert!(stack.containers("unwanted").await.unwrap().is_empty());

        // What is not the drill's own was neither made nor used.
        for fixed in ["fixed-name-of-web", "fixed-name-of-back", "fixed-name-of-data"] {
            assert!(docker(&["inspect", fixed]).contains("No such object"), "{fixed}");
        }
        // The container's name still works as a name inside, and so does the alias.
        let db = only(&stack.containers("wanted").await.unwrap()).id.clone();
        assert_eq!(docker(&["exec", &db, "getent", "hosts", "nowhere-at-all"]), "");
        let inside = only(&stack.containers("db").await.unwrap()).id.clone();
        assert!(docker(&["exec", &inside, "getent", "hosts", "fixed-name-of-web"]).contains("fixed-name-of-web"));

        // The agent speaks first, and sees the end of its input.
        let mut channel = stack.connect(&AgentRole::Drill).await.unwrap();
        let hello: AgentMessage = serde_json::from_str(&channel.rx.recv().await.unwrap()).unwrap();
        assert!(matches!(hello, AgentMessage::Hello { .. }), "{hello:?}");
        channel.tx.send(r#"{"id":7,"ask":{"op":"heartbeat"}}"#.into()).await.unwrap();
        let reply: AgentMessage = serde_json::from_str(&channel.rx.recv().await.unwrap()).unwrap();
        assert!(matches!(reply, AgentMessage::Reply { id: 7, .. }), "{reply:?}");
        drop(channel.tx);
        let ended = tokio::time::timeout(Duration::from_secs(10), async { while channel.rx.recv().await.is_some() {} });
        ended.await.expect("the session ends when its input does");

        let logs = project.run.dir.join("logs");
        stack.save_logs(&logs, &Redactor::new(["secret-of-a-file".to_string()])).await.unwrap();
        let log = std::fs::read_to_string(logs.join("web-1.log")).unwrap();
        assert!(log.contains("***") && log.contains("price: $5") && !log.contains("secret-of-a-file"), "{log}");
        no_secret_on_disk(&project.run.dir);
    })
    .await;
    // Idempotent: nothing is there any more.
    assert_eq!(stack.down().await.unwrap().left, Vec::<String>::new());
}

/// No file of the run's directory holds a secret of the stack.
fn no_secret_on_disk(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            no_secret_on_disk(&path);
            continue;
        }
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} in {}", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stack_decides_neither_its_builder_nor_what_that_starts() {
    let dockerfile = format!("FROM debian:bookworm-slim\\nLABEL test={:08x}", rig::rand());
    let build = format!("build: {{ context: repository, dockerfile_inline: \"{dockerfile}\" }}");
    let compose = format!("services:\n  web: {{ init: true, command: [sleep, \"1000\"], {build} }}\n");
    let project = Project::new("env-builder", &compose);
    // buildx makes the directory of its settings wherever this says.
    let builders = project.dir.path().join("builders");
    project.file(".env", &format!("BUILDX_CONFIG={}\n", builders.display()));
    // A repository that was committed to the project: to show its commit, which is not there, Git starts what it has for that.
    let ran = project.dir.path().join("ran");
    let config = format!(
        "[core]\nrepositoryformatversion = 1\nbare = false\nworktree = ..\n[extensions]\npartialClone = far\n\
         [remote \"far\"]\nurl = .\npromisor = true\nuploadpack = \"touch {};\"\n",
        ran.display()
    );
    project.file("repository/config", &config);
    project.file("repository/HEAD", "ref: refs/heads/main\n");
    project.file("repository/refs/heads/main", &"12345".repeat(8));
    project.file("repository/objects/x", "");
    let shown =
        Command::new("git").args(["show", "HEAD", "--"]).current_dir(project.dir.path().join("repository")).output();
    assert!(!shown.unwrap().status.success() && std::fs::remove_file(&ran).is_ok(), "Git starts it");
    let stack = project.stack().await;
    with_stack(&stack, &project.run.id, async |_, up| assert!(up.images["web"].starts_with("sha256:"), "{up:?}")).await;
    assert!(!builders.exists() && !ran.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_drills_of_the_same_stack_run_side_by_side() {
    let (one, two) = (many_features(), many_features());
    let (first, second) = (one.stack().await, two.stack().await);
    assert_ne!(first.project, second.project);
    let (a, b) = tokio::join!(
        with_stack(&first, &one.run.id, async |stack, up| {
            (only(&stack.containers("db").await.unwrap()).id.clone(), up.images)
        }),
        with_stack(&second, &two.run.id, async |stack, up| {
            (only(&stack.containers("db").await.unwrap()).id.clone(), up.images)
        }),
    );
    assert_ne!(a.0, b.0);
    assert_eq!(a.1, b.1, "built once, by content");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_an_interposed_service_see_its_agent_and_the_agent_sees_the_service() {
    let compose = r#"
services:
  payments:
    image: debian:bookworm-slim
    init: true
    command: ["sleep", "1000"]
    expose: ["8080"]
    networks: { default: { aliases: [pay] } }
  checkout:
    image: debian:bookworm-slim
    init: true
    command: ["sleep", "1000"]
"#;
    let mut project = Project::new("interposed", compose);
    project.spec.interposed.insert("payments".into(), vec![9000]);
    let stack = project.stack().await;
    with_stack(&stack, &project.run.id, async |stack, _| {
        let id = async |service: &str| only(&stack.containers(service).await.unwrap()).id.clone();
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let address = async |service: &str| docker(&["inspect", "--format", format, &id(service).await]);
        let (agent, service) = (address("fd-payments").await, address("payments").await);
        assert_ne!(agent, service);
        let checkout = id("checkout").await;
        for name in ["payments", "pay"] {
            let seen = docker(&["exec", &checkout, "getent", "hosts", name]);
            assert!(seen.starts_with(&format!("{agent} ")), "{name} is {seen}, the agent {agent}");
        }
        // The target itself, and with it everything that its own runbook does there, sees the true service.
        let seen = docker(&["exec", &id("payments").await, "getent", "hosts", "payments"]);
        assert!(seen.starts_with(&format!("{service} ")), "{seen}");
        let role = AgentRole::Proxy { service: "payments".into() };
        assert!(stack.connect(&role).await.unwrap().rx.recv().await.is_some());

        // Pausing is idempotent, and only the drill's own containers can be named.
        let target = id("payments").await;
        for _ in 0..2 {
            stack.operate(&target, &ContainerOp::Pause).await.unwrap();
        }
        assert_eq!(only(&stack.containers("payments").await.unwrap()).status, "paused");
        for _ in 0..2 {
            stack.operate(&target, &ContainerOp::Unpause).await.unwrap();
        }
        stack.operate(&target, &ContainerOp::Kill { signal: "SIGKILL".into() }).await.unwrap();
        stack.operate(&target, &ContainerOp::Start).await.unwrap();
        assert_eq!(only(&stack.containers("payments").await.unwrap()).status, "running");
        // `down` copes with what a fault left.
        stack.operate(&target, &ContainerOp::Pause).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_works_in_the_toolbox_and_in_a_service_that_can_be_written_to() {
    let compose = r#"
services:
  web: { image: "debian:bookworm-slim", init: true, command: ["sleep", "1000"] }
  fixed: { image: "debian:bookworm-slim", init: true, command: ["sleep", "1000"], read_only: true }
"#;
    let project = Project::new("shell", compose);
    let stack = project.stack().await;
    with_stack(&stack, &project.run.id, async |stack, _| {
        let web = Place::Service("web".into());
        // Twice in the service: the second session finds the bundle there.
        for place in [&Place::Toolbox, &web, &web] {
            let channel = stack.shell(place).await.unwrap();
            let who = SessionVar::exported("WHO", Some("world"));
            let mut shell = Shell::open(channel, &[who], Arc::new(NoTools)).await.unwrap();
            let mut said = String::new();
            let run =
                shell.run("echo hello $WHO; exit 3", false, Duration::from_secs(20), |_, text| said.push_str(&text));
            assert_eq!(run.await.unwrap().exit, 3);
            assert_eq!(said, "hello world\n", "{place:?}");
        }
        let error = stack.shell(&Place::Service("fixed".into())).await.unwrap_err();
        let StackError::Environment { hint: Some(hint), .. } = error else { panic!("{error:?}") };
        assert!(hint.contains("toolbox"), "{hint}");
        let error = stack.shell(&Place::Service("nobody".into())).await.unwrap_err();
        assert!(error.to_string().contains("it has none"), "{error}");
    })
    .await;
}

/// The programs that the documentation promises, each started once, so that one without its libraries fails.
const CLIENTS: [&str; 15] = [
    "psql --version",
    "pg_dump --version",
    "mysql --version",
    "mariadb --version",
    "mysqladmin --version",
    "mysqldump --version",
    "redis-cli --version",
    "curl --version",
    "jq --version",
    "dig +short web | grep -E '^[0-9.]+$'",
    "nc -z web 8080",
    "openssl version",
    "python3 -c 'import json, socket, ssl, urllib.request'",
    "ip -brief address",
    "sudo -n A=1 sh -c 'test $A = 1'",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_toolbox_has_the_clients_that_people_use() {
    // Perl is all that the base image has to listen with.
    let listen =
        "use Socket; socket S,PF_INET,SOCK_STREAM,0; bind S,sockaddr_in(8080,INADDR_ANY); listen S,4096; sleep 999";
    let command = serde_json::json!(["perl", "-e", listen]);
    let check = "{ test: [CMD, bash, -c, \"</dev/tcp/127.0.0.1/8080\"], interval: 200ms }";
    let web = format!("image: \"debian:bookworm-slim\", init: true, command: {command}, healthcheck: {check}");
    let compose = format!("services:\n  web: {{ {web} }}\n");
    let project = Project::new("clients", &compose);
    let stack = project.stack().await;
    with_stack(&stack, &project.run.id, async |stack, _| {
        let mut shell = Shell::open(stack.shell(&Place::Toolbox).await.unwrap(), &[], Arc::new(NoTools)).await.unwrap();
        let mut failed = Vec::new();
        for client in CLIENTS {
            let mut said = String::new();
            let run = shell.run(client, false, Duration::from_secs(20), |_, text| said.push_str(&text));
            if run.await.unwrap().exit != 0 {
                failed.push(format!("{client}: {said}"));
            }
        }
        assert_eq!(failed, Vec::<String>::new());
    })
    .await;
}

/// Says to every client from which address it comes.
const ECHO: &str = "use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 8080, Listen => 9, ReuseAddr => 1); \
                    while (my $c = $s->accept) { print $c 'from ' . $c->peerhost; close $c }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn localhost_in_the_toolbox_leads_to_the_services_that_publish_a_port() {
    let echo = serde_json::json!(["perl", "-e", ECHO.replace('$', "$$")]);
    let check = "{ test: [CMD, bash, -c, \"</dev/tcp/127.0.0.1/8080\"], interval: 200ms }";
    let compose = format!(
        "services:\n  web: &web {{ image: \"debian:bookworm-slim\", init: true, command: {echo}, healthcheck: {check}, ports: [\"18080:8080\"] }}\n\
         \x20 front:\n    <<: *web\n    ports: [\"127.0.0.1:18081-18082:8080\", \"8080\"]\n"
    );
    let mut project = Project::new("localhost", &compose);
    project.spec.interposed = [("front".to_string(), vec![8080])].into();
    let stack = project.stack().await;
    with_stack(&stack, &project.run.id, async |stack, up| {
        let leads = |port: &str, service: &str| (port.to_string(), service.to_string());
        let ports = [("18080", "web:8080"), ("18081", "front:8080"), ("18082", "front:8080")];
        assert_eq!(up.localhost, ports.map(|(port, service)| leads(port, service)).into());
        let mut shell = Shell::open(stack.shell(&Place::Toolbox).await.unwrap(), &[], Arc::new(NoTools)).await.unwrap();
        let mut ask = async |command: &str| {
            let mut said = String::new();
            let run = shell.run(command, false, Duration::from_secs(20), |_, text| said.push_str(&text));
            (run.await.unwrap().exit, said.trim().to_string())
        };
        let (_, own) = ask("hostname -i").await;
        let (_, agent) = ask("getent hosts fd-front | cut -d' ' -f1").await;
        assert_eq!(ask("nc -N localhost 18080 </dev/null").await, (0, format!("from {own}")));
        for port in [18081, 18082] {
            // What stands in front of a service for its clients stands there for this one.
            assert_eq!(ask(&format!("nc -N 127.0.0.1 {port} </dev/null")).await, (0, format!("from {agent}")));
        }
        assert_ne!(ask("nc -N 127.0.0.1 8080 </dev/null").await.0, 0, "nobody publishes it");
        let container = stack.containers("web").await.unwrap()[0].id.clone();
        stack.operate(&container, &ContainerOp::Kill { signal: "KILL".into() }).await.unwrap();
        let gone = ask("curl -sS http://localhost:18080/").await;
        assert!(gone.0 != 0 && gone.1.contains("reset"), "{gone:?}");
        stack.operate(&container, &ContainerOp::Start).await.unwrap();
        let back = "for i in {1..100}; do nc -N localhost 18080 </dev/null | grep from && break; sleep 0.1; done";
        assert_eq!(ask(back).await, (0, format!("from {own}")));
    })
    .await;
}

#[tokio::test]
async fn containers_of_others_are_not_touched() {
    let project = Project::new("others", "services:\n  a: { image: \"debian:bookworm-slim\" }\n");
    let stack = project.stack().await;
    let other = docker(&["create", "debian:bookworm-slim", "true"]);
    let error = stack.operate(&other, &ContainerOp::Start).await.unwrap_err();
    docker(&["rm", &other]);
    assert!(error.to_string().contains("does not belong to this drill"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stack_that_does_not_build_says_why_first() {
    let compose = "services:\n  web: { build: ./web }\n";
    let project = Project::new("nobuild", compose);
    project.file("web/Dockerfile", "FROM debian:bookworm-slim\nRUN echo about to fail; exit 3\n");
    let stack = project.stack().await;
    let error = refused_up(&stack).await;
    let StackError::Build { reason, tail } = error else { panic!("{error:?}") };
    assert!(reason.contains("exit code: 3"), "{reason}");
    assert!(tail.contains("about to fail") && tail.contains("build.log"), "{tail}");
    assert!(std::fs::read_to_string(project.run.dir.join("logs/build.log")).unwrap().contains("about to fail"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stack_that_does_not_get_healthy_says_who_and_why() {
    let service =
        |extra: &str| format!("services:\n  web: {{ image: \"debian:bookworm-slim\", init: true, {extra} }}\n");
    let check = "healthcheck: { test: [CMD, bash, -c, \"echo no route to mars; false\"], interval: 200ms, retries: 2 }";
    let cases = [
        (
            "sick",
            service(&format!("command: [bash, -c, \"echo hello; sleep 1000\"], {check}")),
            "no route to mars",
            "hello",
        ),
        ("crash", service("command: [bash, -c, \"echo goodbye; exit 7\"]"), "exited with code 7", "goodbye"),
        (
            "job",
            service("command: [sleep, \"1000\"], depends_on: { job: { condition: service_completed_successfully } }")
                + "  job: { image: \"debian:bookworm-slim\", command: [bash, -c, \"echo no table; exit 4\"] }\n",
            "exited with code 4",
            "no table",
        ),
    ];
    for (name, compose, why, log) in cases {
        let project = Project::new(name, &compose);
        let stack = project.stack().await;
        let error = refused_up(&stack).await;
        let StackError::Unhealthy { service, reason, tail } = error else { panic!("{name}: {error:?}") };
        assert_eq!(service, if name == "job" { "job" } else { "web" });
        assert!(reason.contains(why), "{name}: {reason}");
        assert!(tail.contains(log), "{name}: {tail}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_ends_the_wait_for_a_restart_loop() {
    let compose =
        "services:\n  web: { image: \"debian:bookworm-slim\", restart: always, command: [bash, -c, \"exit 9\"] }\n";
    let mut project = Project::new("loop", compose);
    // Also `docker compose up` counts.
    project.spec.up_within = Duration::from_secs(25);
    let stack = project.stack().await;
    let error = refused_up(&stack).await;
    let StackError::Unhealthy { reason, .. } = error else { panic!("{error:?}") };
    assert!(reason.contains("it does not stay up: it was restarted"), "{reason}");
}

#[tokio::test]
async fn what_cannot_be_allowed_is_refused_before_anything_starts() {
    let compose = "services:\n  web: { image: \"debian:bookworm-slim\", volumes: [\"./data:/data\", \"outside:/x\"] }\n\
                   volumes: { outside: { external: true } }\n";
    let mut project = Project::new("refused", compose);
    project.file("data/x", "");
    let stack = project.stack().await;
    let messages: Vec<String> = stack.findings().into_iter().filter(|f| f.error).map(|f| f.message).collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    let error = stack.up(&CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().contains("can be written to"), "{error}");
    project.spec.allowed.rights.insert("volumes".into());
    assert_eq!(project.stack().await.findings().iter().filter(|f| f.error).count(), 1);
}

/// Everything that the host listens on is reached by the bridge's own address, unless the stack is isolated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_isolated_stack_does_not_reach_the_host() {
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let compose = "services:\n  web: { image: \"debian:bookworm-slim\", command: [sleep, infinity] }\n";
    for isolate in [false, true] {
        let mut project = Project::new("isolated", compose);
        project.spec.isolate = isolate;
        let stack = project.stack().await;
        with_stack(&stack, &project.run.id, async |stack, _| {
            let web = only(&stack.containers("web").await.unwrap()).id.clone();
            // The first address of the network is that of its gateway; those of the host itself are tried as well.
            let network =
                docker(&["inspect", &web, "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"]);
            let own: std::net::Ipv4Addr = network.trim().parse().unwrap();
            let [a, b, c, _] = own.octets();
            let mut addresses: Vec<String> = (0..=3).map(|i| format!("{a}.{b}.{}.1", c & (0xff << (2 * i)))).collect();
            addresses.extend(hosts_own_addresses());
            let reached = |address: &String| {
                let open =
                    format!("timeout 2 bash -c '</dev/tcp/{address}/{port}' 2>/dev/null && echo reached || echo not");
                docker(&["exec", &web, "bash", "-c", &open]).contains("reached")
            };
            let reached: Vec<&String> = addresses.iter().filter(|address| reached(address)).collect();
            assert_eq!(reached.is_empty(), isolate, "{reached:?} of {addresses:?}");
        })
        .await;
    }
}

/// IPv4 addresses of this machine but the loopback's.
fn hosts_own_addresses() -> Vec<String> {
    let said = std::process::Command::new("hostname").arg("-I").output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    said.split_whitespace().filter(|address| address.contains('.')).map(str::to_string).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_start_ends_promptly_and_leaves_nothing() {
    let compose = r#"
services:
  slow:
    image: debian:bookworm-slim
    init: true
    command: ["sleep", "1000"]
    healthcheck: { test: ["CMD", "false"], interval: 300ms, retries: 1000 }
  web: { image: "debian:bookworm-slim", depends_on: { slow: { condition: service_healthy } } }
"#;
    let project = Project::new("cancel", compose);
    let stack = project.stack().await;
    let cancel = CancellationToken::new();
    let canceller = async {
        // Once its first container runs, compose waits for it.
        let started = async {
            while !stack.containers("slow").await.is_ok_and(|all| all.iter().any(|c| c.status == "running")) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), started).await.unwrap();
        cancel.cancel();
        std::time::Instant::now()
    };
    let (result, cancelled) = tokio::join!(stack.up(&cancel), canceller);
    assert!(matches!(result, Err(StackError::Cancelled)), "{result:?}");
    assert!(cancelled.elapsed() < Duration::from_secs(6), "{:?}", cancelled.elapsed());
    assert_eq!(stack.down().await.unwrap().left, Vec::<String>::new());
    assert_eq!(left(&project.run.id, &stack.project), "");
}

#[test]
fn the_docker_command_can_carry_the_requests() {
    let doctor = |dial: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
        let output = command.arg("doctor").env("FIREDRILL_DOCKER_DIAL", dial).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().find(|line| line.starts_with("ok       engine ")).unwrap_or_else(|| panic!("{text}")).to_string()
    };
    assert_eq!(doctor("1"), doctor("0"));
}
