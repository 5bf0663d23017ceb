//! `docker` in a runbook's steps on a real engine: what is allowed does what the real command does, on the drill's own
//! containers; and no way out of the drill leads anywhere.

#[allow(dead_code, reason = "another program uses the rest")]
#[path = "../docker_stack/rig.rs"]
mod rig;
mod ways_out;

use firedrill::record::{Redactor, Secrets, Stream};
use firedrill::shell::Shell;
use firedrill::stack::compose::ComposeStack;
use firedrill::stack::{Place, Process, ProxyBypass, Stack};
use rig::{Project, docker, only, with_stack};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SHOP: &str = r#"
name: shop
services:
  web:
    image: "debian:${WEB_TAG:-bookworm-slim}"
    init: true
    command: ["sh", "-c", "echo web is up; exec sleep 1000"]
    environment: { GREETING: "${GREETING:-hello}" }
    expose: ["8080"]
    depends_on: [payments]
  db:
    image: debian:bookworm-slim
    init: true
    container_name: the-db
    command: ["sleep", "1000"]
    volumes: ["data:/data"]
  payments: { image: "debian:bookworm-slim", init: true, command: ["sleep", "1000"], expose: ["8080"] }
  migrate: { image: "debian:bookworm-slim", command: ["echo", "migrated"], profiles: [tools] }
volumes: { data: }
"#;

/// A session in the toolbox.
pub struct Session {
    shell: Shell,
}

#[derive(Debug)]
pub struct Ran {
    pub exit: i32,
    pub out: String,
    pub err: String,
}

impl Session {
    pub async fn open(stack: &ComposeStack, place: &Place) -> Session {
        Session::hiding(stack, place, &Secrets::new(Redactor::new(stack.secrets()))).await
    }

    pub async fn hiding(stack: &ComposeStack, place: &Place, secrets: &Secrets) -> Session {
        let channel = stack.shell(place).await.unwrap();
        Session { shell: Shell::open(channel, &[], stack.tools(place, secrets)).await.unwrap() }
    }

    pub async fn run(&mut self, text: &str) -> Ran {
        let (mut out, mut err) = (String::new(), String::new());
        let on_output = |stream, text: String| match stream {
            Stream::Stdout => out.push_str(&text),
            Stream::Stderr => err.push_str(&text),
        };
        let exit = self.shell.run(text, false, Duration::from_secs(60), on_output).await.unwrap().exit;
        Ran { exit, out, err }
    }

    /// Runs what must end well; what it says.
    pub async fn out(&mut self, text: &str) -> String {
        let ran = self.run(text).await;
        assert_eq!(ran.exit, 0, "{text}: {ran:?}");
        ran.out.trim().to_string()
    }
}

async fn id(stack: &ComposeStack, service: &str) -> String {
    only(&stack.containers(service).await.unwrap()).id.clone()
}

async fn status(stack: &ComposeStack, service: &str) -> String {
    only(&stack.containers(service).await.unwrap()).status.clone()
}

fn interposed() -> Project {
    let mut project = Project::new("steps", SHOP);
    project.spec.interposed.insert("payments".into(), vec![]);
    let hosts = [("db.prod.internal", "db"), ("pay.example.com", "payments")];
    project.spec.hosts = hosts.map(|(host, service)| (host.to_string(), service.to_string())).into();
    project
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compose_in_a_step_works_on_the_teams_services() {
    let project = interposed();
    let stack = project.stack().await;
    with_stack(&stack, &project.run.id, async |stack, _| {
        let mut s = Session::open(stack, &Place::Toolbox).await;
        let ours = [id(stack, "fd-agent").await, id(stack, "fd-payments").await, id(stack, "fd-toolbox").await];

        assert_eq!(s.out("docker compose ps --services | sort | paste -sd ' '").await, "db payments web");
        let table = s.out("docker compose ps -a").await;
        assert!(table.contains("shop-web-1") && table.contains("the-db") && !table.contains("fd-"), "{table}");
        let (header, row) = (table.lines().next().unwrap(), table.lines().find(|l| l.contains("the-db")).unwrap());
        assert_eq!(header.find("SERVICE"), row.find(" db ").map(|at| at + 1), "{table}");
        assert_eq!(s.out("docker compose ps -q db").await, id(stack, "db").await);
        assert!(s.out("docker compose logs web").await.contains("web is up"));
        assert!(!s.out("docker-compose -p shop -f compose.yaml logs").await.contains("fd-"));
        let ran = s.run("docker compose exec -T db sh -c 'cat; echo aside >&2; exit 7' <<< in").await;
        assert_eq!((ran.exit, ran.out.as_str(), ran.err.as_str()), (7, "in\n", "aside\n"));
        // As with the real command, whose standard input is no terminal.
        assert_eq!(s.out("docker compose exec db echo there < /dev/null").await, "there");
        assert_eq!(
            s.out("A=of-the-step docker compose exec -e A -e HOSTNAME= db sh -c 'echo $A'").await,
            "of-the-step"
        );

        let before = stack.containers("web").await.unwrap();
        let ran = s.run("docker compose restart -t 1 web").await;
        assert!(ran.exit == 0 && ran.err.contains("Container shop-web-1  Started"), "{ran:?}");
        let after = stack.containers("web").await.unwrap();
        assert!(only(&before).id == only(&after).id && only(&before).started_at != only(&after).started_at);
        s.out("docker compose stop -t 1 web && docker compose ps -q web | wc -l | grep -qx 0").await;
        assert_eq!(status(stack, "web").await, "exited");
        s.out("docker compose start web && docker compose pause db").await;
        assert_eq!((status(stack, "web").await.as_str(), status(stack, "db").await.as_str()), ("running", "paused"));
        s.out("docker compose unpause db && docker compose kill -s KILL web && docker compose up -d web").await;
        assert_eq!((status(stack, "web").await.as_str(), status(stack, "db").await.as_str()), ("running", "running"));
        assert!(s.out("docker compose top db").await.contains("sleep 1000"));

        // All services: the team's, recreated, and nothing of ours.
        let (web, db) = (id(stack, "web").await, id(stack, "db").await);
        let ran = s.run("docker compose up -d").await;
        assert!(ran.exit == 0 && !ran.err.contains("fd-"), "{ran:?}");
        assert_eq!((id(stack, "web").await, id(stack, "db").await), (web.clone(), db.clone()), "nothing had changed");
        s.out("docker compose up -d --force-recreate --no-deps -t 1 web").await;
        assert_ne!(id(stack, "web").await, web);
        assert_eq!(id(stack, "db").await, db);
        // Clients that are recreated see the agent in front of a service.
        let agent = s.out("docker compose exec -T web getent hosts payments").await;
        let address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        assert!(agent.starts_with(&docker(&["inspect", "-f", address, &ours[1]])), "{agent}");
        // So do those whose network is connected again.
        s.out("docker network disconnect shop_default shop-web-1").await;
        s.out("docker network connect --alias web shop_default shop-web-1").await;
        assert_eq!(s.out("docker compose exec -T web getent hosts payments").await, agent);
        // Names of production: the true service, or the agent in front of it.
        let agent = s.out("docker compose exec -T web getent hosts pay.example.com").await;
        assert!(agent.starts_with(&docker(&["inspect", "-f", address, &ours[1]])), "{agent}");
        let seen = s.out("getent hosts db.prod.internal").await;
        assert!(seen.starts_with(&docker(&["inspect", "-f", address, &id(stack, "db").await])), "{seen}");
        s.out("docker compose up -d --scale web=3 && docker compose ps -q web | wc -l | grep -qx 3").await;
        s.out("docker compose scale web=1").await;
        assert_eq!(stack.containers("web").await.unwrap().len(), 1);
        assert_eq!(s.out("docker compose run --rm migrate").await, "migrated");
        assert_eq!(s.out("echo in | docker compose run --rm -T --no-deps web cat").await, "in");

        // Data in a volume outlives what is removed, unless that is asked for.
        s.out("docker compose exec -T db sh -c 'echo 1 > /data/x'").await;
        let ran = s.run("docker compose down -t 1").await;
        assert!(ran.exit == 0 && !ran.err.contains("fd-"), "{ran:?}");
        assert!(stack.containers("db").await.unwrap().is_empty());
        s.out("docker compose up -d && docker compose exec -T db cat /data/x").await;
        s.out("docker compose down -v -t 1 && docker compose up -d && ! docker compose exec -T db cat /data/x").await;

        assert_eq!(ours, [id(stack, "fd-agent").await, id(stack, "fd-payments").await, id(stack, "fd-toolbox").await]);
        let log = std::fs::read_to_string(project.run.dir.join("logs/docker.log")).unwrap();
        assert!(log.contains("docker compose restart -t 1 web (exit 0"), "{log}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_is_told_whose_data_went_with_a_container() {
    let project = Project::new("unnamed", &SHOP.replace("[\"data:/data\"]", "[/data]"));
    let stack = project.stack().await;
    with_stack(&stack, &project.run.id, async |stack, _| {
        let mut s = Session::open(stack, &Place::Toolbox).await;
        for (line, lost) in [
            ("docker compose restart -t 1 db", false),
            ("docker compose up -d --force-recreate -t 1 db", false),
            ("docker compose up -d --force-recreate -V -t 1 db", true),
            ("docker compose rm -sf db", true),
            ("docker compose down -t 1", true),
            ("docker rm -f the-db", true),
            ("docker rm -f shop-web-1", false),
        ] {
            let ran = s.run(line).await;
            let told = ran.err.contains("note: `db` has lost what it had in a volume without a name\n");
            assert_eq!((ran.exit, told), (0, lost), "{line}: {ran:?}");
            s.out("docker compose up -d").await;
        }
    })
    .await;
}

/// What is left of a connection is on the side that has closed it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_around_an_agent_with_a_connection_for_each_request_is_seen() {
    let project = interposed();
    let stack = project.stack().await;
    with_stack(&stack, &project.run.id, async |stack, _| {
        let mut s = Session::open(stack, &Place::Toolbox).await;
        s.out(
            "docker exec -d shop-payments-1 perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen => 9, \
             LocalPort => 8080); while ($c = $s->accept) { <$c> }'",
        )
        .await;
        let ask = |host: &str| {
            let once = format!("(exec 3<>/dev/tcp/{host}/8080) 2>/dev/null");
            format!("docker exec shop-web-1 bash -c 'for i in $(seq 8); do until {once}; do sleep 0.1; done; done'")
        };
        s.out(&ask("payments")).await;
        assert_eq!(stack.proxy_is_bypassed("payments").await.unwrap(), ProxyBypass::NoneSeen(Vec::new()));
        let address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        s.out(&ask(&docker(&["inspect", "-f", address, &id(stack, "payments").await]))).await;
        let seen = async || match stack.proxy_is_bypassed("payments").await.unwrap() {
            ProxyBypass::By(told) => {
                assert!(told.contains("-web-1 is connected to ") && told.contains("-payments-1 ("), "{told}");
            }
            unseen => panic!("nobody went around it: {unseen:?}"),
        };
        seen().await;
        // Also where the images cannot show it.
        for service in ["web", "payments"] {
            docker(&["exec", &id(stack, service).await, "rm", "/bin/cat"]);
        }
        seen().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_of_a_step_decides_what_compose_is_given() {
    let project = interposed();
    let stack = project.stack().await;
    let tag = format!("debian:firedrill-t-{:08x}", rig::rand());
    docker(&["tag", "debian:bookworm-slim", &tag]);
    with_stack(&stack, &project.run.id, async |stack, _| {
        let mut s = Session::open(stack, &Place::Toolbox).await;
        let (db, web) = (id(stack, "db").await, id(stack, "web").await);
        let version = tag.rsplit(':').next().unwrap();
        s.out(&format!("WEB_TAG={version} GREETING=bye docker compose up -d web")).await;
        assert_ne!(id(stack, "web").await, web);
        assert_eq!(docker(&["inspect", "-f", "{{.Config.Image}}", &id(stack, "web").await]), tag);
        assert_eq!(s.out("docker compose exec -T web printenv GREETING").await, "bye");
        assert_eq!(id(stack, "db").await, db);
        // What is not a team's to decide, and what a step may not decide.
        for elsewhere in ["COMPOSE_PROJECT_NAME=x", "COMPOSE_FILE=/x", "DOCKER_HOST=tcp://x"] {
            assert_eq!(s.run(&format!("{elsewhere} docker compose ps -q")).await.exit, 126, "{elsewhere}");
        }
        assert_eq!(
            s.out("GREETING=again docker compose config --services | sort | paste -sd ' '").await,
            "db payments web"
        );
        s.out("docker compose up -d").await;
        assert_eq!(s.out("docker compose exec -T web printenv GREETING").await, "hello", "as the file has it");
        s.out("docker compose --profile tools up -d migrate").await;
        let services = "docker compose config --services | sort | paste -sd ' '";
        assert_eq!(s.out(services).await, "db migrate payments web", "with the profiles that steps have enabled");
        let ran = s.run("WEB_TAG=no/such:tag: docker compose up -d web").await;
        assert!(ran.exit != 0 && ran.exit != 126, "{ran:?}");
        let ran = s.run("docker compose up -d nobody").await;
        assert!(ran.exit == 126 && ran.err.contains("there is no service `nobody`"), "{ran:?}");
    })
    .await;
    docker(&["rmi", &tag]);
}

/// Compose's own `--wait` would fail at what has ended, and at a health check that is turned off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compose_up_that_waits_starts_what_a_fault_has_started_and_does_not_wait_for_it() {
    let mut project = Project::new("waits", SHOP);
    let process = |(name, run): (&str, &str)| {
        let (name, service, run) = (name.to_string(), Some("web".to_string()), run.to_string());
        Process { name, service, run, replicas: 1, returns: None }
    };
    project.spec.processes = [("export", "exec sleep 1000"), ("import", "exit 3")].map(process).into();
    let stack = project.stack().await;
    with_stack(&stack, &project.run.id, async |stack, _| {
        let mut s = Session::open(stack, &Place::Toolbox).await;
        for name in ["export", "import"] {
            stack.start_process(name).await.unwrap();
        }
        let began = Instant::now();
        while status(stack, "import").await != "exited" {
            assert!(began.elapsed() < Duration::from_secs(60), "`import` does not end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let (export, import) = (stack.containers("export").await.unwrap(), stack.containers("import").await.unwrap());
        s.out("docker compose stop -t 1 db && docker compose up --wait").await;
        assert_eq!(status(stack, "db").await, "running", "it waits for the team's services");
        assert_eq!(stack.containers("export").await.unwrap(), export, "nothing had changed");
        let again = stack.containers("import").await.unwrap();
        assert!(
            only(&again).id == only(&import).id && only(&again).started_at != only(&import).started_at,
            "{again:?}"
        );
        // As one that does not wait: whatever a step did to it, it comes back as any service does.
        for step in ["stop -t 1", "down -t 1", "kill export", "rm -sf export"] {
            s.out(&format!("docker compose {step} && docker compose up -d --wait")).await;
            assert_eq!(status(stack, "export").await, "running", "{step}");
        }
        s.out("docker compose stop -t 1 && docker compose up -d --wait db").await;
        assert_eq!(status(stack, "export").await, "exited", "it was not named");
    })
    .await;
}

/// The command lines of this host that hold a text, until the watch is dropped.
struct Watch {
    over: Arc<AtomicBool>,
    watching: Option<std::thread::JoinHandle<(usize, Vec<String>)>>,
}

impl Watch {
    fn begin(text: &'static str) -> Watch {
        let over = Arc::new(AtomicBool::new(false));
        let until = over.clone();
        let watching = std::thread::spawn(move || {
            let (mut looks, mut found) = (0, Vec::new());
            while !until.load(Ordering::Relaxed) {
                for process in std::fs::read_dir("/proc").unwrap().flatten() {
                    let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
                    let line = String::from_utf8_lossy(&line).replace('\0', " ");
                    found.extend(line.contains(text).then_some(line));
                }
                looks += 1;
            }
            (looks, found)
        });
        Watch { over, watching: Some(watching) }
    }

    fn end(mut self) -> (usize, Vec<String>) {
        self.over.store(true, Ordering::Relaxed);
        self.watching.take().unwrap().join().unwrap()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_step_gives_to_a_command_inside_is_on_no_command_line_of_the_host() {
    const TOKEN: &str = "of-the-step-alone-7f3a";
    let project = Project::new("no-command-line", SHOP);
    let stack = project.stack().await;
    with_stack(&stack, &project.run.id, async |stack, _| {
        let mut s = Session::open(stack, &Place::Toolbox).await;
        s.out(&format!("export TOKEN={TOKEN}")).await;
        for line in [
            "docker compose exec -e TOKEN db sh -c 'echo \"$TOKEN\"' < /dev/null",
            "docker compose exec -T --index 1 -e TOKEN db sh -c 'echo \"$TOKEN\"'",
            "docker exec -e TOKEN shop-web-1 sh -c 'echo \"$TOKEN\"'",
            "docker compose run --rm -T --no-deps -e TOKEN web sh -c 'echo \"$TOKEN\"' < /dev/null",
        ] {
            let watch = Watch::begin(TOKEN);
            let said = s.out(line).await;
            let (looks, found) = watch.end();
            assert!(looks > 0 && found.is_empty(), "{line}: {found:?}");
            assert_eq!(said, TOKEN, "{line}");
        }
        // Everything else is as with the real command.
        let ran = s.run("docker exec -e A=1 -u 65534 -w /tmp shop-web-1 sh -c 'id -u; pwd; echo $A; exit 3'").await;
        assert_eq!((ran.exit, ran.out.as_str()), (3, "65534\n/tmp\n1\n"), "{ran:?}");
        let ran = s.run("docker exec shop-web-1 no-such-program").await;
        assert!(ran.exit == 126 || ran.exit == 127, "{ran:?}");
        assert_eq!(s.run("docker exec -d shop-web-1 sh -c 'echo 1 > /tmp/detached'").await.exit, 0);
        let ran = s.run("docker compose stop -t 1 web && docker compose exec web true").await;
        assert!(ran.exit == 1 && ran.err.contains("service \"web\" is not running"), "{ran:?}");
        let ran = s.run("docker exec shop-web-1 true").await;
        assert!(ran.exit == 1 && ran.err.contains("is not running"), "{ran:?}");
        assert_eq!(
            s.out("yes | head -c 3000000 | docker exec -i the-db sha256sum").await,
            s.out("yes | head -c 3000000 | sha256sum").await
        );
        let ran = s.run("timeout 2 docker exec the-db sleep 1000").await;
        assert_eq!(ran.exit, 124, "{ran:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compose_in_a_step_looks_for_the_file_where_production_has_it() {
    let mut project = Project::new("directory", SHOP);
    project.spec.directory = Some("/srv/shop".into());
    let stack = project.stack().await;
    with_stack(&stack, &project.run.id, async |stack, _| {
        let mut s = Session::open(stack, &Place::Toolbox).await;
        assert_eq!(s.out("pwd").await, "/srv/shop");
        let db = id(stack, "db").await;
        for line in [
            "docker compose ps -q db",
            "cd /srv/shop && docker compose -f compose.yaml ps -q db",
            "cd /tmp && docker compose -f /srv/shop/compose.yaml ps -q db",
            "cd /tmp && docker compose -p shop ps -q db",
            "cd /tmp && docker compose --project-directory /srv/shop ps -q db",
        ] {
            assert_eq!(s.out(line).await, db, "{line}");
        }
        let started = only(&stack.containers("web").await.unwrap()).started_at.clone();
        let ran = s.run("cd /tmp && docker compose restart -t 1 web").await;
        assert_eq!(ran.exit, 14, "{ran:?}");
        assert!(ran.err.starts_with("no configuration file provided: not found\n"), "{ran:?}");
        assert!(ran.err.contains("`/srv/shop/compose.yaml`"), "{ran:?}");
        for line in [
            "docker compose -f /srv/staging/compose.yaml restart -t 1 web",
            "docker compose -f /work/compose.yaml restart -t 1 web",
            "COMPOSE_FILE=/srv/staging/compose.yaml docker compose restart -t 1 web",
            "docker restart -t 1 shop_web_1",
        ] {
            let ran = s.run(line).await;
            assert!(ran.exit == 126 && ran.err.starts_with("firedrill: "), "{line}: {ran:?}");
        }
        assert_eq!(only(&stack.containers("web").await.unwrap()).started_at, started, "nothing was restarted");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn docker_in_a_step_works_on_the_teams_containers() {
    let project = Project::new("containers", SHOP);
    let stack = project.stack().await;
    with_stack(&stack, &project.run.id, async |stack, _| {
        let mut s = Session::open(stack, &Place::Toolbox).await;
        assert_ne!(s.run("docker version --format '{{pad \"x\" 1000000000 0}}' >/dev/null").await.exit, 0, "its memory");
        let names = s.out("docker ps --format '{{.Names}}' | sort | paste -sd ' '").await;
        assert_eq!(names, "shop-payments-1 shop-web-1 the-db");
        assert_eq!(s.out("docker ps -q --no-trunc -f name=the-db").await, id(stack, "db").await);
        assert_eq!(s.out("docker ps -aqf name=fd-agent").await, "");
        assert_eq!(s.out("docker exec -i \"$(docker compose ps -q db)\" cat <<< in").await, "in");
        assert_eq!(s.out("docker exec -it shop-web-1 sh -c 'test -t 1 && echo $PAGER' | tr -d '\\r'").await, "cat");
        assert_eq!(s.run("export A=1; sudo sh -c 'test -z \"$A\"' && sudo -E sh -c 'test $A' && sudo --preserve-env=A,B sh -c 'test $A'").await.exit, 0);
        let ran = s.run("echo x | docker exec -it shop-web-1 true").await;
        assert!(ran.exit == 1 && ran.err.contains("not a TTY"), "{ran:?}");
        assert!(s.out("docker logs shop-web-1").await.contains("web is up"));
        assert_eq!(s.out("docker restart -t 1 shop-web-1").await, "shop-web-1");
        s.out("docker network disconnect shop_default the-db").await;
        s.out("docker network connect --alias db shop_default the-db && docker exec shop-web-1 getent hosts db").await;
        let ran = s.run("docker network connect bridge the-db").await;
        assert!(ran.exit == 126 && ran.err.contains("no network `bridge` in this drill"), "{ran:?}");
        assert_eq!(s.out("docker update --cpus 0.5 --pids-limit 50 the-db").await, "the-db");
        let limits = "docker inspect --format '{{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}' the-db";
        assert_eq!(s.out(limits).await, "500000000 50");
        assert_eq!(s.out("docker pause the-db").await, "the-db");
        assert_eq!(s.out("docker inspect -f '{{.Name}} {{.State.Status}}' the-db").await, "/the-db paused");
        s.out("docker unpause the-db; docker stop -t 1 shop-web-1").await;
        assert_eq!((status(stack, "db").await.as_str(), status(stack, "web").await.as_str()), ("running", "exited"));
        s.out("docker start shop-web-1 && docker kill shop-web-1 && docker start shop-web-1 && docker top the-db | grep -q sleep").await;
        let stats = s.out("docker stats --no-stream --format '{{.Name}}' | sort | paste -sd ' '").await;
        assert_eq!(stats, "shop-payments-1 shop-web-1 the-db");

        // Copies go to and from the toolbox.
        s.out("mkdir -p d/sub && echo one > d/sub/x && head -c 3000000 /dev/urandom > big && cd d").await;
        s.out("docker cp ../big the-db:/tmp/ && docker compose cp db:/tmp/big ./back && cmp ../big back").await;
        s.out("docker cp sub shop-web-1:/srv && docker cp shop-web-1:/srv/sub/x - | tar xO | grep -qx one").await;
        s.out("docker cp shop-web-1:/srv/. copy && diff -r sub copy/sub && docker compose cp . db:/tmp/new").await;
        s.out("docker exec the-db test -f /tmp/new/sub/x && docker exec the-db ln -s /tmp/big /tmp/link").await;
        s.out("docker cp -L the-db:/tmp/link followed && cmp ../big followed").await;
        s.out("tar c -C .. big | docker cp - shop-web-1:/opt && docker exec shop-web-1 sha256sum /opt/big").await;
        for (line, why) in
            [("docker cp the-db:/none .", "no such file"), ("docker cp sub shop-web-1:/none/none", "no such directory")]
        {
            let ran = s.run(line).await;
            assert!(ran.exit == 1 && ran.err.contains(why), "{line}: {ran:?}");
        }

        // A large output streams, and a command ends with its step.
        assert_eq!(s.out("docker exec the-db head -c 100000000 /dev/zero | wc -c").await, "100000000");
        let ran = s.run("timeout 2 docker logs -f shop-web-1").await;
        assert_eq!(ran.exit, 124, "{ran:?}");

        // In a service's own container the same is there, behind everything of its own.
        let mut inside = Session::open(stack, &Place::Service("db".into())).await;
        assert_eq!(
            inside.out("cd /tmp && docker compose -p shop cp web:/opt/big ./big2 && cmp big big2 && echo same").await,
            "same"
        );
    })
    .await;
}

/// What is at the top of the file system of `the-db`, and where archives are unpacked.
const BESIDE: &str = "docker exec the-db ls -A / /tmp";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_broken_archive_fails_and_nothing_is_written_outside_of_its_directory() {
    let project = Project::new("broken-archives", SHOP);
    let stack = project.stack().await;
    let climbs = format!("way-out-{:08x}", rig::rand());
    with_stack(&stack, &project.run.id, async |stack, _| {
        let mut s = Session::open(stack, &Place::Toolbox).await;
        s.out("docker exec the-db mkdir -p /tmp/into/it && echo one > x && head -c 3000000 /dev/urandom > big").await;
        let before = s.out(BESIDE).await;
        let up = format!("tar -cPf - --transform 's,^x$,../../{climbs},' x");
        for (archive, why) in [
            ("yes 'no archive' | head -n 1000", "tar"),
            ("tar -cf - big | head -c 1000000", "EOF"),
            (up.as_str(), "outside"),
        ] {
            let ran = s.run(&format!("{archive} | docker cp - the-db:/tmp/into/it")).await;
            assert!(ran.exit == 1 && ran.err.contains(why), "{archive}: {ran:?}");
            assert_eq!(s.out(BESIDE).await, before, "{archive}");
        }
        let on_the_host = std::path::Path::new("/tmp").join(&climbs);
        assert!(!on_the_host.exists(), "{}", on_the_host.display());
        // And what is not broken arrives in the same way.
        s.out("tar -cf - x | docker cp - the-db:/tmp/into/it && docker exec the-db grep -qx one /tmp/into/it/x").await;
    })
    .await;
}
