//! The commands about incidents as people and CI run them, on frozen drills: notes, postmortem, action items, trend.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const FAILED: &str = "20261104T020000Z-pg-restore-0002";
const PASSED: &str = "20261118T020000Z-pg-restore-0003";

struct Project(tempfile::TempDir);

impl Project {
    /// A drill that failed and a later one that passed, both sealed.
    fn new() -> Project {
        let project = Project(tempfile::tempdir().unwrap());
        for (story, run) in [("dr-failed", FAILED), ("dr-passed", PASSED)] {
            let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/records/{story}.jsonl"));
            let text = std::fs::read_to_string(path).unwrap();
            let (first, rest) = text.split_once('\n').unwrap();
            let mut first: Value = serde_json::from_str(first).unwrap();
            first["event"]["run"] = json!(run);
            first["event"]["started_utc"] = json!(format!("{}-{}-{}T02:00:00Z", &run[..4], &run[4..6], &run[6..8]));
            project.write(&format!(".firedrill/runs/{run}/events.jsonl"), &format!("{first}\n{rest}"));
            project.write(&format!(".firedrill/runs/{run}/lock"), "");
            firedrill::archive::evidence::seal(&project.run_dir(run), false).unwrap();
        }
        project.write("runbooks/x.md", "# X\n\n## Mitigation\n\n### One\n\n```bash\ntrue\n```\n");
        project
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn run_dir(&self, run: &str) -> PathBuf {
        self.0.path().join(".firedrill/runs").join(run)
    }

    fn actions(&self, closed_by: &str) {
        let text = format!(
            "actions:\n  - {{ id: A-1, what: Name the bucket, type: prevent, owner: Team Database, due: 2026-11-30, run: {FAILED}, \
             closed_by: {closed_by} }}\n  - {{ id: A-2, what: Page sooner, owner: Team Shop, due: 2020-01-01, run: \
             {FAILED} }}\n  - {{ id: A-3, what: Later, owner: Team Shop, due: 2099-01-01 }}\n"
        );
        self.write("actions.yaml", &text);
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
        command.args(arguments).current_dir(self.0.path()).env("NO_COLOR", "1").env("USER", "ada").output().unwrap()
    }

    /// What a command prints that ends with this code.
    fn says(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text:?}");
        text.concat()
    }
}

fn exists(path: &Path) -> bool {
    path.exists()
}

#[test]
fn a_note_of_a_sealed_run_stands_beside_it_and_in_its_postmortem() {
    let project = Project::new();
    assert!(project.says(2, &["note", "x"]).contains("no drill is running"));
    assert!(project.says(2, &["note", " ", "--run", "latest"]).contains("empty"));
    assert!(project.says(2, &["note", "x", "--run", "nowhere"]).contains("there is no run"));
    assert!(project.says(2, &["note", "x", "--run", "pg-restore"]).contains("stands in the ids of 2 runs"));
    let said = project.says(0, &["note", "the third | time", "--run", "0002"]);
    assert!(said.contains(&format!("noted in a file beside {FAILED}")), "{said}");
    assert!(project.says(0, &["verify"]).contains("intact"), "what is sealed was not changed");
    assert!(!exists(&project.run_dir(FAILED).join("notes.jsonl")));
    project.actions(PASSED);
    project.says(0, &["postmortem", FAILED, "--out", "post.md"]);
    let text = std::fs::read_to_string(project.0.path().join("post.md")).unwrap();
    assert!(text.contains("ada: the third &#124; time"), "{text}");
    for heading in [
        "## Summary", "## Impact", "## Timeline", "## Trigger", "## Contributing factors", "## Resolution",
        "## Action items", "## Supporting information",
    ] {
        assert!(text.contains(heading), "{heading}");
    }
    assert!(text.contains("| A-2 | Page sooner |  | Team Shop | 2020-01-01 | open |"), "{text}");
    // Every link leads to a line of the events.
    let events = std::fs::read_to_string(project.run_dir(FAILED).join("events.jsonl")).unwrap();
    let link = format!("](.firedrill/runs/{FAILED}/events.jsonl#L");
    let lines: Vec<usize> =
        text.split(&link).skip(1).map(|rest| rest.split(')').next().unwrap().parse().unwrap()).collect();
    assert!(lines.len() > 10 && lines.iter().all(|line| *line >= 1 && *line <= events.lines().count()), "{lines:?}");
    assert!(project.says(2, &["postmortem", FAILED, "--out", "post.md"]).contains("there already"));
    project.write("own.md", "# {{title}}\n\n{{who}}\n");
    assert!(project.says(2, &["postmortem", FAILED, "--template", "own.md"]).contains("own.md:3:1"));
}

#[test]
fn an_action_is_closed_by_a_proof_and_by_nothing_else() {
    let project = Project::new();
    project.actions(PASSED);
    let all = project.says(0, &["actions"]);
    assert!(all.contains(&format!("closed by {PASSED}: `pg-restore` passed on 2026-11-18")), "{all}");
    let digest = project.says(0, &["actions", "--digest"]);
    assert!(digest.starts_with("Team Shop: 2 open, 1 overdue\n  A-2 "), "{digest}");
    assert!(!digest.contains("A-1"));
    project.says(0, &["check"]);
    // The run that failed proves nothing, and neither does one that nobody has.
    for (closed_by, why) in [(FAILED, "it began before"), ("20261201T020000Z-pg-restore-0009", "no record of that run")]
    {
        project.actions(closed_by);
        let told = project.says(2, &["check"]);
        assert!(told.contains("closed without proof") && told.contains(why), "{told}");
    }
    project.actions(PASSED);
    std::fs::rename(project.0.path().join(".firedrill"), project.0.path().join("artifacts")).unwrap();
    project.says(2, &["check"]);
    project.says(0, &["check", "--runs", "artifacts"]);
}

#[test]
fn the_trend_has_drills_and_incidents() {
    let project = Project::new();
    project.actions(PASSED);
    project.write(
        "incidents.yaml",
        "incidents:\n  - { id: INC-1, severity: SEV1, service: db, class: files_deleted, began: 2026-10-03T14:00:00Z, \
         recovered: 2026-10-03T14:30:00Z }\n",
    );
    let text = project.says(0, &["history", "trend"]);
    assert!(text.contains("incidents") && text.contains("2026Q4") && text.contains("30 min 00 s"), "{text}");
    assert!(text.contains("A-1"), "{text}");
    let json: Value = serde_json::from_str(&project.says(0, &["history", "trend", "--json"])).unwrap();
    assert_eq!(json["actions"][0]["failed"], json!([[1, 1], [0, 1]]));
    project.write(
        "services.yaml",
        "services:\n  db:\n    tier: 1\n    failure_modes: [postgres_lock]\n    slos: { availability: { objective: 99%, window: 30d } }\n",
    );
    assert!(project.says(0, &["history", "trend"]).contains("Error budget left"));
    project.says(0, &["history", "trend", "--html", "trend.html"]);
    let page = std::fs::read_to_string(project.0.path().join("trend.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("MTTR 30 min 00 s") && page.contains("SEV1, incidents"), "{page}");
    assert!(page.contains("<table>") && !page.contains("<script"), "{page}");
    project.write("export.csv", "id,severity\nINC-1,\n");
    assert!(project.says(2, &["history", "trend", "--incidents", "export.csv"]).contains("export.csv:2:"));
}

#[test]
fn whom_to_tell_is_settled_before_anything_starts() {
    let project = Project::new();
    let told = project.says(2, &["scenario", "x", "--notify", "mail:x"]);
    assert!(told.contains("slack:#channel"), "{told}");
}

/// Authorities that cannot be read are told, and nobody is trusted instead.
#[test]
fn a_prometheus_is_asked_for_nothing_where_the_certificate_authorities_cannot_be_read() {
    let project = Project::new();
    let slo = "{ name: a, objective: 99, sli: { raw: { error_ratio_query: '0' } } }";
    project.write("slo.yaml", &format!("version: prometheus/v1\nservice: shop\nslos:\n  - {slo}\n"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
    command.args(["budget", "--prometheus", "https://127.0.0.1:1", "--slos", "slo.yaml"]).current_dir(project.0.path());
    command.env("NO_COLOR", "1").env("SSL_CERT_FILE", "nowhere.pem").env_remove("SSL_CERT_DIR");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("not known: TLS cannot be set up") && said.contains("SSL_CERT_FILE"), "{output:?}");
}

/// A time so many hours ago, as files have it.
fn hours_ago(hours: i64) -> String {
    let at = time::OffsetDateTime::now_utc() - time::Duration::hours(hours);
    at.replace_nanosecond(0).unwrap().format(&time::format_description::well_known::Rfc3339).unwrap()
}

#[test]
fn what_is_left_of_an_error_budget_decides_about_releases() {
    let project = Project::new();
    let services = "services:\n  shop:\n    tier: 1\n    failure_modes: [postgres_lock]\n    slos: { availability: { objective: 99%, \
                    window: 30d }, fast: { objective: 99%, below: 1s, window: 30d } }\n";
    project.write("services.yaml", services);
    // Of 7.2 hours; nobody knows what was spent without incidents.
    assert!(project.says(2, &["budget", "gate"]).contains("incidents.yaml: what was spent is not known"));
    // Drills of another service say nothing of this one.
    let said = project.says(3, &["budget", "gate", "--drills"]);
    assert!(said.contains("shop  availability 99% over 30d  not known") && said.contains("nor a drill"), "{said}");
    // Neither does anybody where there is no drill that says anything, or one that cannot be read.
    let torn = "20261119T020000Z-pg-restore-0009";
    project.write(&format!(".firedrill/runs/{torn}/events.jsonl"), "{");
    assert!(project.says(3, &["budget", "gate", "--drills"]).contains("not known: 1 run could not be read"));
    std::fs::remove_dir_all(project.run_dir(torn)).unwrap();
    let [here, away] = [".firedrill", "away"].map(|name| project.0.path().join(name));
    std::fs::rename(&here, &away).unwrap();
    assert!(project.says(3, &["budget", "gate", "--drills"]).contains("nor a drill that says anything"));
    std::fs::rename(&away, &here).unwrap();
    // How many were slow a drill has counted, and nobody else.
    project.write("services.yaml", &services.replace("  shop:", "  checkout:").replace("fast:", "latency:"));
    let said = project.says(0, &["budget", "--drills"]);
    assert!(said.contains("checkout  availability") && said.contains("checkout  latency"), "{said}");
    project.write("services.yaml", services);
    let incident = |hours: i64, minutes: i64, more: &str| {
        let (began, ended) = (hours_ago(hours), hours_ago(hours - minutes / 60));
        project.write(
            "incidents.yaml",
            &format!(
                "incidents:\n  - {{ id: INC-41, severity: SEV1, service: shop, class: postgres_lock, began: {began}, recovered: {ended}{more} }}\n"
            ),
        );
    };
    incident(50, 180, "");
    let said = project.says(0, &["budget", "gate", "--service", "shop"]);
    assert!(said.contains("shop  availability 99% over 30d  58.3% left") && !said.contains("fast"), "{said}");
    incident(50, 360, "");
    let said = project.says(1, &["budget", "gate"]);
    assert!(said.contains("16.6% left") && said.contains("deployments that are not critical are frozen"), "{said}");
    assert!(said.contains("until more than 25% are left, 20") && said.contains("83.34% spent by INC-41"), "{said}");
    project.says(0, &["budget", "gate", "--critical"]);
    project.says(0, &["budget"]);
    incident(50, 360, ", users_hurt: 10%");
    project.says(0, &["budget", "gate"]);
    incident(50, 600, "");
    project.says(1, &["budget", "gate", "--critical"]);
    project.says(0, &["budget", "gate", "--reliability"]);
    // What cannot be read can only have spent more.
    project.write(&format!(".firedrill/runs/{torn}/events.jsonl"), "{");
    assert!(project.says(1, &["budget", "gate", "--drills"]).contains("reliability work only"));
    std::fs::remove_dir_all(project.run_dir(torn)).unwrap();
    // A freeze is lifted by name, with a reason, for a time.
    let lifted =
        |until: &str| format!("overrides: [{{ service: shop, by: Ada, why: the fix for INC-41, until: {until} }}]\n");
    project.write("budget.yaml", &lifted(&hours_ago(-2)));
    let said = project.says(0, &["budget", "gate"]);
    assert!(said.contains("lifted by Ada until 20") && said.contains("the fix for INC-41"), "{said}");
    project.write("budget.yaml", &lifted(&hours_ago(2)));
    project.says(1, &["budget", "gate"]);
    project.write("budget.yaml", "policy: [{ left: 10%, do: freez }]\n");
    assert!(project.says(2, &["budget"]).contains("the budget policy has mistakes"));
    project.write("budget.yaml", "{}");
    assert!(project.says(2, &["budget", "--service", "shopp"]).contains("did you mean `shop`?"));
    project.write(
        "incidents.yaml",
        &std::fs::read_to_string(project.0.path().join("incidents.yaml")).unwrap().replace("shop", "cart"),
    );
    assert!(project.says(0, &["budget"]).contains("warning: INC-41 is of `cart`"));
}

/// What a command says in this repository, and the code with which it ends.
fn in_the_repository(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
    let output = command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).env("NO_COLOR", "1").output().unwrap();
    let text = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    (output.status.code(), text.concat())
}

#[test]
fn alert_rules_are_linted_with_their_routes_and_strict_counts_warnings() {
    let (code, said) = in_the_repository(&["alerts", "lint", "alert-misrouted"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("`CheckoutDbPoolExhausted` goes to shop-list, where nobody is on call"), "{said}");
    assert!(said.contains("stacks/checkout/ops/rules/causes.yml:5:16"), "{said}");
    let late = in_the_repository(&["alerts", "lint", "alert-late"]);
    assert!(late.0 == Some(0) && late.1.contains("names no runbook"), "{late:?}");
    assert_eq!(in_the_repository(&["alerts", "lint", "alert-late", "--strict"]).0, Some(1));
}
