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
        let schema = jsonschema::draft202012::new(&firedrill::spec::schema()).expect("a schema");
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

const SHOP: &str = r#"
name: shop
services:
  web:
    image: shop/web:1
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
    let project = Project::new(&[("compose.yaml", SHOP)]);
    let (scenario, runbook) = project.init("db-connections", &[]);
    insta::assert_snapshot!("postgresql_scenario", scenario);
    insta::assert_snapshot!("postgresql_runbook", timeless(&runbook));
    assert_eq!(project.files(), ["compose.yaml", "runbooks/db-connections.md", "scenarios/db-connections.yaml"]);
}

#[test]
fn what_is_printed_leads_on() {
    let project = Project::new(&[("compose.yaml", SHOP)]);
    let (code, out, err) = project.run(&["init", "--name", "first"]);
    assert_eq!((code, err.as_str()), (0, ""));
    insta::assert_snapshot!(out);
}

#[test]
fn every_kind_of_fault_can_be_asked_for() {
    let project = Project::new(&[("compose.yaml", SHOP)]);
    for kind in firedrill::faults::Fault::KINDS {
        let (scenario, runbook) = project.init(kind, &["--fault", kind, "--name", kind]);
        let what = if *kind == "load_surge" { "load" } else { "service" };
        assert!(scenario.contains(&format!("\n  - {kind}: {{ {what}: ")), "{scenario}");
        let cure = if *kind == "container_pause" { "unpause" } else { "restart" };
        assert!(runbook.contains(&format!("\ndocker compose {cure} \"$SERVICE\"\n")), "{runbook}");
    }
    let (code, _, err) = project.run(&["init", "--fault", "container_paws"]);
    assert_eq!(
        (code, err.as_str()),
        (2, "error: there is no fault `container_paws`\nhelp: did you mean `container_pause`?\n")
    );
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
    let (scenario, _) = project.init("queue-down", &[]);
    assert!(scenario.contains("    # check: no port of `worker` is known, 8080 is a guess\n"), "{scenario}");
    assert!(scenario.contains("- container_kill: { service: queue }"), "{scenario}");
}

#[test]
fn no_service_can_answer() {
    let project =
        Project::new(&[("compose.yaml", "services:\n  db: { image: postgres }\n  cache: { image: redis }\n")]);
    let (code, _, err) = project.run(&["init"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(err);
    assert_eq!(project.files(), ["compose.yaml"]);
    let without = Project::new(&[("compose.yaml", "services:\n  web: { image: web }\n")]);
    let (code, _, err) = without.run(&["init", "--fault", "postgres_lock"]);
    assert!(code == 2 && err.contains("needs a PostgreSQL server"), "{err}");
}

#[test]
fn names_that_yaml_would_misread_are_quoted() {
    let compose = "name: '123'\nservices:\n  '007': { image: bond, expose: ['80'], depends_on: ['on'] }\n  'on': { image: lamp }\n";
    let project = Project::new(&[("stacks/shop/compose.yaml", compose)]);
    let (scenario, _) = project.init("on-down", &[]);
    assert!(scenario.contains("stack: ../stacks/shop/compose.yaml\n"), "{scenario}");
    assert!(scenario.contains("{ service: \"on\" }") && scenario.contains("tags: [\"123\"]"), "{scenario}");
}

#[test]
fn nothing_is_overwritten() {
    let project = Project::new(&[("compose.yaml", SHOP), ("runbooks/db-connections.md", "mine")]);
    let (code, out, err) = project.run(&["init"]);
    assert_eq!((code, out.as_str()), (2, ""));
    insta::assert_snapshot!(err);
    assert_eq!(project.read("runbooks/db-connections.md"), "mine");
    assert_eq!(project.files(), ["compose.yaml", "runbooks/db-connections.md"]);
}

#[test]
fn a_dry_run_writes_nothing() {
    let project = Project::new(&[("compose.yaml", SHOP)]);
    let (code, out, err) = project.run(&["init", "--dry-run"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.contains("# scenarios/db-connections.yaml\n") && out.contains("# runbooks/db-connections.md\n"),
        "{out}"
    );
    assert_eq!(project.files(), ["compose.yaml"]);
}

#[test]
fn without_a_compose_file_there_is_a_stub() {
    let project = Project::new(&[]);
    let (scenario, _) = project.init("web-down", &[]);
    assert!(scenario.contains("GET http://web:80/\n"), "{scenario}");
    assert_eq!(project.files(), ["runbooks/web-down.md", "scenarios/web-down.yaml", "stacks/example/compose.yaml"]);
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
fn what_a_drill_cannot_have_is_told_at_once() {
    let compose = "services:\n  web: { image: web, expose: ['80'], volumes: ['./data:/data'] }\n";
    let project = Project::new(&[("compose.yaml", compose)]);
    let (code, out, err) = project.run(&["init"]);
    assert_eq!(code, 2, "{out}");
    assert!(err.contains("`web` can write to") && err.contains("compose.yaml:2"), "{err}");
    assert!(out.contains("written  scenarios/web-down.yaml"), "{out}");
}

#[test]
fn bad_names_are_refused() {
    let project = Project::new(&[("compose.yaml", SHOP)]);
    for name in ["../x", "", "a b", ".hidden", "-x", "a/b"] {
        let (code, _, err) = project.run(&["init", &format!("--name={name}")]);
        assert_eq!(code, 2, "{name}");
        assert!(err.contains("cannot be the name"), "{name}: {err}");
    }
    assert_eq!(project.files(), ["compose.yaml"]);
}

/// The line by which editors find the schema is written where there is one.
#[test]
fn the_schema_is_named_where_it_is() {
    let project = Project::new(&[("compose.yaml", SHOP), ("docs/scenario.schema.json", "{}")]);
    let (scenario, _) = project.init("db-connections", &[]);
    assert!(scenario.starts_with("# yaml-language-server: $schema=../docs/scenario.schema.json\n"), "{scenario}");
    let project = Project::new(&[("compose.yaml", SHOP), ("scenarios/scenario.schema.json", "{}")]);
    let (scenario, _) = project.init("db-connections", &[]);
    assert!(scenario.starts_with("# yaml-language-server: $schema=scenario.schema.json\n"), "{scenario}");
}

/// The demo stack of this repository, whose health checks speak HTTP in bash.
#[test]
fn the_demo_stack() {
    let compose = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/stacks/checkout/compose.yaml"));
    let project = Project::new(&[("compose.yaml", &compose.expect("the demo stack"))]);
    let (scenario, _) = project.init("db-connections", &[]);
    assert!(scenario.contains("GET http://checkout:8080/healthz\n"), "{scenario}");
    assert!(scenario.contains("- postgres_connections: { service: db }"), "{scenario}");
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
