//! `firedrill init` in projects with all kinds of Compose files: what is written, that `check` and the schema take it, and
//! that nothing is overwritten. Compose resolves the files; no engine is needed.

use firedrill::source::{Diagnostics, Source, parse};
use std::path::Path;
use std::process::Command;

struct Project(tempfile::TempDir);

impl Project {
    fn new(files: &[(&str, &str)]) -> Project {
        let project = Project(tempfile::tempdir().expect("a directory"));
        for (path, text) in files {
            let path = project.0.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(path, text).expect("a file");
        }
        project
    }

    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_firedrill"))
            .args(args)
            .current_dir(self.0.path())
            .env("NO_COLOR", "1")
            .output()
            .expect("firedrill runs");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        (output.status.code().expect("an exit code"), text(&output.stdout), text(&output.stderr))
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.0.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Every file below the project, sorted.
    fn files(&self) -> Vec<String> {
        fn walk(folder: &Path, root: &Path, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    walk(&path, root, found);
                } else {
                    found.push(path.strip_prefix(root).expect("below").to_string_lossy().into_owned());
                }
            }
        }
        let mut found = Vec::new();
        walk(self.0.path(), self.0.path(), &mut found);
        found.sort();
        found
    }

    /// Runs `init`, which must succeed without a word of complaint; what it wrote passes `check` and fits the schema, and
    /// the runbook is read as it is meant. The scenario and the runbook.
    fn init(&self, name: &str, args: &[&str]) -> (String, String) {
        let (code, out, err) = self.run(&[&["init"], args].concat());
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        let (code, out, err) = self.run(&["check"]);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        assert!(out.ends_with("no mistakes\n"), "{out}");
        let scenario = self.read(&format!("scenarios/{name}.yaml"));
        let root = parse(&Source::new("x.yaml", scenario.as_str()), &mut Diagnostics::default()).expect("YAML");
        let schema = jsonschema::draft202012::new(&firedrill::spec::schema().0).expect("a schema");
        assert!(schema.is_valid(&root.to_json()), "{scenario}");
        let runbook = self.read(&format!("runbooks/{name}.md"));
        assert!(!format!("{scenario}{runbook}").contains("{{"), "a place was left open: {scenario}{runbook}");
        let (code, shown, _) = self.run(&["show", &format!("runbooks/{name}.md")]);
        assert_eq!(code, 0);
        for phase in ["\ndiagnose\n", "\nmitigate\n", "\nverify\n"] {
            assert!(shown.contains(phase), "{shown}");
        }
        (scenario, runbook)
    }
}

/// A text with the date of today taken out.
fn timeless(text: &str) -> String {
    let line = |line: &str| match line.contains("Last reviewed") {
        true => "| **Last reviewed** | (today) |".into(),
        false => line.to_string(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n") + "\n"
}

/// A service whose source is there: `/orders` reads from the database.
const APP: &str = "@app.route('/healthz')\ndef healthz():\n    return 'ok'\n\n@app.route('/orders')\ndef orders():\n    cur.execute('SELECT * FROM orders')\n";

const SHOP: &str = r#"
name: shop
services:
  web:
    image: shop/web:1
    build: ./web
    ports: ["8080:8080", "9100:9100"]
    depends_on:
      migrate: { condition: service_completed_successfully }
      db: { condition: service_healthy }
    healthcheck: { test: [CMD, curl, -f, "http://localhost:8080/healthz"] }
  migrate: { image: shop/web:1, command: [migrate] }
  db:
    image: postgres:16
    environment: { POSTGRES_DB: shop, POSTGRES_USER: shop, POSTGRES_PASSWORD: x }
    healthcheck: { test: [CMD-SHELL, pg_isready -h 127.0.0.1] }
"#;

#[test]
fn a_service_with_postgresql() {
    let project = Project::new(&[("web/app.py", APP), ("compose.yaml", SHOP)]);
    let (scenario, runbook) = project.init("db-connections", &[]);
    insta::assert_snapshot!("postgresql_scenario", scenario);
    insta::assert_snapshot!("postgresql_runbook", timeless(&runbook));
    let (_, shown, _) = project.run(&["show", "--scenario", "db-connections"]);
    assert!(shown.contains("7 steps: 6 with commands, 1 for a person"), "nothing is held: {shown}");
    assert_eq!(
        project.files(),
        [
            "compose.yaml",
            "runbooks/db-connections.md",
            "runbooks/db-connections.reading.yaml",
            "scenarios/db-connections.yaml",
            "web/app.py"
        ]
    );
}

#[test]
fn what_nobody_has_decided_is_in_nobodys_name() {
    let project = Project::new(&[("web/app.py", APP), ("compose.yaml", SHOP)]);
    for args in [&["init", "-q"][..], &["config", "user.email", "somebody@example.com"]] {
        let git = std::process::Command::new("git").args(args).current_dir(project.0.path()).output();
        assert!(git.expect("git runs").status.success());
    }
    project.init("db-connections", &[]);
    let reading = project.read("runbooks/db-connections.reading.yaml");
    assert!(reading.contains("by: firedrill init") && !reading.contains("somebody"), "{reading}");
}

#[test]
fn no_source_outside_of_the_project_is_read() {
    let stack = SHOP.replace("./web", "../web");
    let project = Project::new(&[("web/app.py", APP), ("p/compose.yaml", &stack)]);
    for (args, reads) in [(&["-C", "p"][..], false), (&["-C", "p", "--root", "."], true)] {
        let (code, out, err) = project.run(&[args, &["init", "--dry-run"]].concat());
        assert_eq!((code, err.as_str(), out.contains("/orders")), (0, "", reads), "{out}");
    }
}

#[test]
fn what_is_printed_leads_on() {
    let project = Project::new(&[("web/app.py", APP), ("compose.yaml", SHOP)]);
    let (code, out, err) = project.run(&["init", "--name", "first"]);
    assert_eq!((code, err.as_str()), (0, ""));
    insta::assert_snapshot!(out);
}

#[test]
fn two_services_answer() {
    let compose = "name: pair\nservices:\n  api: { image: api, ports: ['3000'] }\n  site: { image: nginx, ports: ['80'] }\n  cache: { image: 'redis:7' }\n";
    let project = Project::new(&[("docker-compose.yml", compose)]);
    let (scenario, _) = project.init("api-down", &[]);
    insta::assert_snapshot!("two_services", scenario);
    let (scenario, _) = project.init("site-down", &["--service", "site"]);
    assert!(scenario.contains("GET http://site:80/\n") && !scenario.contains("may answer"), "{scenario}");
    let (code, _, err) = project.run(&["init", "--service", "sites"]);
    assert_eq!((code, err.as_str()), (2, "error: the stack has no service `sites`\nhelp: did you mean `site`?\n"));
}

#[test]
fn a_port_that_is_not_known_is_a_guess() {
    let compose = "services:\n  worker: { image: worker, depends_on: [queue] }\n  queue: { image: 'rabbitmq:4' }\n";
    let project = Project::new(&[("compose.yml", compose)]);
    let (scenario, _) = project.init("worker-down", &[]);
    assert!(scenario.contains("    # check: no port of `worker` is known, 8080 is a guess\n"), "{scenario}");
    assert!(scenario.contains("- container_kill: { service: worker }"), "{scenario}");
}

#[test]
fn no_service_can_answer() {
    let project =
        Project::new(&[("compose.yaml", "services:\n  db: { image: postgres }\n  cache: { image: redis }\n")]);
    let (code, _, err) = project.run(&["init"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(err);
    assert_eq!(project.files(), ["compose.yaml"]);
}

#[test]
fn names_that_yaml_would_misread_are_quoted() {
    let compose = "name: '123'\nservices:\n  '007': { image: bond, expose: ['80'], depends_on: ['on'] }\n  'on': { image: lamp }\n";
    let project = Project::new(&[("stacks/shop/compose.yaml", compose)]);
    let (scenario, _) = project.init("007-down", &[]);
    assert!(scenario.contains("stack: ../stacks/shop/compose.yaml\n"), "{scenario}");
    assert!(scenario.contains("{ service: \"007\" }") && scenario.contains("tags: [\"123\"]"), "{scenario}");
}

#[test]
fn nothing_is_overwritten() {
    let project = Project::new(&[("web/app.py", APP), ("compose.yaml", SHOP), ("runbooks/db-connections.md", "mine")]);
    let (code, out, err) = project.run(&["init"]);
    assert_eq!((code, out.as_str()), (2, ""));
    insta::assert_snapshot!(err);
    assert_eq!(project.read("runbooks/db-connections.md"), "mine");
    assert_eq!(project.files(), ["compose.yaml", "runbooks/db-connections.md", "web/app.py"]);
}

#[test]
fn a_dry_run_writes_nothing() {
    let project = Project::new(&[("web/app.py", APP), ("compose.yaml", SHOP)]);
    let (code, out, err) = project.run(&["init", "--dry-run"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.contains("# scenarios/db-connections.yaml\n") && out.contains("# runbooks/db-connections.md\n"),
        "{out}"
    );
    assert_eq!(project.files(), ["compose.yaml", "web/app.py"]);
}

#[test]
fn a_runbook_that_is_there_is_taken_as_it_is_and_its_commands_are_still_to_be_accepted() {
    let page = "# Orders\n\n## Mitigation\n\n```bash\ndocker compose restart web\n```\n";
    let project = Project::new(&[("web/app.py", APP), ("compose.yaml", SHOP), ("wiki/orders.md", page)]);
    let (code, out, err) = project.run(&["init", "--runbook", "wiki/orders.md", "--name", "orders"]);
    assert!(code == 0 && err.contains("wiki/orders.md:6") && err.contains("accepted"), "{code}\n{out}\n{err}");
    assert!(out.contains("firedrill accept wiki/orders.md\n"), "{out}");
    assert_eq!(project.files(), ["compose.yaml", "scenarios/orders.yaml", "web/app.py", "wiki/orders.md"]);
    assert!(project.read("scenarios/orders.yaml").contains("runbook: ../wiki/orders.md\n"));
    let (code, _, err) = project.run(&["accept", "--proposed", "--by", "somebody", "wiki/orders.md"]);
    assert_eq!(code, 0, "{err}");
    let (code, out, err) = project.run(&["check"]);
    assert_eq!(code, 0, "{out}\n{err}");
    let (code, _, err) = project.run(&["init", "--runbook", "wiki/none.md", "--name", "none"]);
    assert!(code == 2 && err.contains("there is no runbook `wiki/none.md`"), "{err}");
}

#[test]
fn without_a_compose_file_there_is_a_stub() {
    let project = Project::new(&[]);
    std::os::unix::fs::symlink("/dev/zero", project.0.path().join("endless.yaml")).expect("a link");
    let (scenario, _) = project.init("web-down", &[]);
    assert!(scenario.contains("GET http://web:80/\n"), "{scenario}");
    assert_eq!(
        project.files(),
        [
            "endless.yaml",
            "runbooks/web-down.md",
            "runbooks/web-down.reading.yaml",
            "scenarios/web-down.yaml",
            "stacks/example/compose.yaml"
        ]
    );
}

#[test]
fn several_compose_files_are_a_question() {
    let web = "services: { web: { image: web, expose: ['80'] } }\n";
    let project = Project::new(&[("stacks/a/compose.yaml", web), ("stacks/b/docker-compose.yml", web)]);
    let (code, _, err) = project.run(&["init"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(err);
    let (scenario, _) = project.init("web-down", &["--stack", "stacks/b"]);
    assert!(scenario.contains("stack: ../stacks/b/docker-compose.yml\n"), "{scenario}");
    assert_eq!(project.run(&["init", "--stack", "stacks/c"]).0, 2);
}

#[test]
fn a_compose_file_that_is_broken() {
    let project = Project::new(&[("compose.yaml", "services:\n  web:\n    imag: x\n")]);
    let (code, out, err) = project.run(&["init"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("does not accept the stack") && err.contains("imag"), "{err}");
    assert_eq!(project.files(), ["compose.yaml"]);
}

#[test]
fn where_there_is_no_stack_one_is_written_and_nothing_is_asked_about_it() {
    let project = Project::new(&[]);
    // Nor is there a Docker that could be.
    let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
    let ended =
        command.arg("init").current_dir(project.0.path()).env("PATH", "/nowhere").output().expect("firedrill runs");
    assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""));
    assert!(project.files().contains(&"stacks/example/compose.yaml".to_string()), "{:?}", project.files());
}

#[test]
fn what_a_drill_cannot_have_is_told_at_once() {
    let compose = "services:\n  web: { image: web, expose: ['80'], volumes: ['./data:/data'] }\n";
    let project = Project::new(&[("compose.yaml", compose)]);
    let (code, out, err) = project.run(&["init"]);
    assert_eq!(code, 2, "{out}");
    assert!(err.contains("`volumes` of `web` reaches the host") && err.contains("compose.yaml:2"), "{err}");
    assert!(out.contains("written  scenarios/web-down.yaml"), "{out}");
}

#[test]
fn bad_names_are_refused() {
    let project = Project::new(&[("web/app.py", APP), ("compose.yaml", SHOP)]);
    for name in ["../x", "", "a b", ".hidden", "-x", "a/b"] {
        let (code, _, err) = project.run(&["init", &format!("--name={name}")]);
        assert_eq!(code, 2, "{name}");
        assert!(err.contains("cannot be the name"), "{name}: {err}");
    }
    assert_eq!(project.files(), ["compose.yaml", "web/app.py"]);
}

/// The demo stack of this repository, whose health checks speak HTTP in bash.
#[test]
fn the_demo_stack() {
    let stack = concat!(env!("CARGO_MANIFEST_DIR"), "/stacks/checkout");
    let project = Project::new(&[]);
    let copied = std::process::Command::new("cp").args(["-r", stack]).arg(project.0.path()).status();
    assert!(copied.expect("cp").success());
    let (scenario, _) = project.init("checkout-down", &["--stack", "checkout"]);
    assert!(scenario.contains("GET http://checkout:8080/healthz\n"), "{scenario}");
    assert!(scenario.contains("- container_kill: { service: checkout }"), "{scenario}");
}

/// Stacks as people have them: what answers users, what breaks, and what is asked for.
#[test]
fn stores_are_known_and_nobody_speaks_http_to_them() {
    let flask = "@app.route('/health')\ndef health():\n    return 'ok'\n@app.route('/books')\ndef books():\n    cur.execute('SELECT * FROM books')\n";
    let front = "  front:\n    build: ./front\n    ports: ['8080:80']\n    depends_on: [app]\n";
    let cases = [
        (
            "MariaDB behind Flask behind nginx, all built on Debian",
            format!("services:\n{front}  app:\n    build: ./app\n    environment: {{ DB_HOST: db }}\n    expose: ['5000']\n  db:\n    build: ./db\n    healthcheck: {{ test: [CMD, mariadb-admin, ping] }}\n"),
            ("db-down", "GET http://front:80/books\n", "container_kill: { service: db }"),
        ),
        (
            "PgBouncer by its port, in front of PostgreSQL",
            format!("services:\n{front}  app:\n    build: ./app\n    depends_on: [pool]\n    expose: ['5000']\n  pool:\n    image: team/pool\n    expose: ['6432']\n    depends_on: [db]\n  db:\n    image: postgres:16\n    environment: {{ POSTGRES_PASSWORD: x }}\n"),
            ("pool-down", "GET http://front:80/books\n", "container_kill: { service: pool }"),
        ),
        (
            "a health check that asks for a store is not the store's",
            "services:\n  app:\n    build: ./app\n    ports: ['5000:5000']\n    healthcheck: { test: [CMD, pg_isready, -h, db] }\n    depends_on: [db]\n  db:\n    image: postgres:16\n    environment: { POSTGRES_PASSWORD: x }\n".to_string(),
            ("db-connections", "GET http://app:5000/books\n", "postgres_connections: { service: db }"),
        ),
    ];
    for (what, compose, (name, request, fault)) in cases {
        let project = Project::new(&[
            ("deploy/docker-compose.prod.yml", &compose),
            ("deploy/app/app.py", flask),
            ("deploy/app/Dockerfile", "FROM debian\nRUN apt-get install -y python3-flask default-mysql-client\n"),
            ("deploy/front/Dockerfile", "FROM debian\nRUN apt-get install -y nginx\n"),
            ("deploy/db/Dockerfile", "FROM debian\nRUN apt-get install -y mariadb-server\n"),
        ]);
        let (scenario, runbook) = project.init(name, &[]);
        assert!(scenario.contains(request) && scenario.contains(fault), "{what}: {scenario}");
        assert!(scenario.contains("stack: ../deploy/docker-compose.prod.yml\n"), "{what}: {scenario}");
        assert!(runbook.contains("\ndocker compose -f docker-compose.prod.yml "), "{what}: {runbook}");
        assert!(
            !runbook.contains("docker compose restart") && !runbook.contains("docker compose ps"),
            "{what}: {runbook}"
        );
        assert!(!project.files().iter().any(|file| file.starts_with("stacks/")), "{what}: no stub beside a stack");
    }
}

/// Where nobody knows a request that needs the store, breaking it may hurt nobody: what is written still passes, and says so.
#[test]
fn without_a_request_that_needs_the_store_the_service_itself_is_broken() {
    let compose = SHOP.replace("    build: ./web\n", "");
    let project = Project::new(&[("docker/compose.yml", &compose)]);
    let (code, out, err) = project.run(&["init", "--dry-run"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("container_kill: { service: web }") && out.contains("http://web:8080/healthz"), "{out}");
    let (_, out, _) = project.run(&["init"]);
    assert!(
        out.contains("note     `db` (PostgreSQL) is not broken, because no request is known that needs it"),
        "{out}"
    );
}

#[test]
fn completions_know_the_commands() {
    let project = Project::new(&[]);
    for shell in ["bash", "zsh", "fish"] {
        let (code, script, err) = project.run(&["completions", shell]);
        assert_eq!((code, err.as_str()), (0, ""));
        for word in ["scenario", "init", "dry-run", "junit"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(project.run(&["completions", "tcsh"]).0, 2);
}
