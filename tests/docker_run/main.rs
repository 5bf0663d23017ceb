//! `firedrill run` by the built program on real Docker: the toolbox alone, beside a project that is up, and what Ctrl-C
//! and kill -9 leave.

#[path = "../support/accepted.rs"]
mod accepted;

use firedrill::agent::protocol::BUILD;
use firedrill::record::{Announcement, DayAttempt, Event, Executed, Stamped, StepStatus};
use firedrill::stack::RUNNER_BUILD;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The first run makes the images.
const PATIENCE: Duration = Duration::from_secs(180);

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().expect("docker can be run");
    assert!(output.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_string()
}

/// A directory with a runbook.
fn project(runbook: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("try.md"), runbook).expect("a file");
    accepted::accept(&dir.path().join("try.md"));
    dir
}

fn firedrill(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
    command.args(["run", "try.md"]).current_dir(dir).stdin(Stdio::null());
    command
}

fn run(dir: &Path, args: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = firedrill(dir).args(args).output().expect("firedrill runs");
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

fn run_dir(dir: &Path) -> PathBuf {
    fs::canonicalize(dir.join(".firedrill/runs/latest")).expect("a run")
}

fn stamped(text: &str) -> Vec<Stamped> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn events(dir: &Path) -> Vec<Event> {
    let text = fs::read_to_string(run_dir(dir).join("events.jsonl")).unwrap_or_default();
    stamped(&text).into_iter().map(|stamped| stamped.event).collect()
}

fn output(dir: &Path) -> String {
    let said = events(dir).into_iter().filter_map(|event| match event {
        Event::Output { text, .. } => Some(text),
        _ => None,
    });
    said.collect()
}

/// Containers of the last run.
fn left(dir: &Path) -> String {
    let id = run_dir(dir).file_name().expect("a name").to_string_lossy().into_owned();
    docker(&["ps", "--all", "--quiet", "--filter", &format!("label=dev.firedrill.run={id}")])
}

fn poll(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

const ALONE: &str = "\
# Try

## Diagnosis

### Step 1: Watch

<!-- firedrill: background -->
```bash
touch /tmp/started
sleep 600
```

### Step 2: Wait for it

<!-- firedrill: retry=200/100ms expect=/there/ -->
```bash
cd /tmp
test -e started && echo there
```

### Step 3: Look

<!-- firedrill: capture=POD expect=/^web/ -->
```bash
echo web-7
```

## Mitigation

### Step 4: Tell somebody

By telephone.

### Step 5: Restart

<!-- firedrill: expect-exit=3 -->
```bash
(echo \"restarting <pod> in $PWD\"; exit 3)
```
";

#[test]
fn a_runbook_in_the_toolbox_alone_leaves_its_story_and_nothing_else() {
    let dir = project(ALONE);
    let (exit, said) = run(dir.path(), &[]);
    assert_eq!(exit, Some(0), "{said}");
    assert!(said.contains("FOLLOWED") && !said.contains("PASSED"), "{said}");
    let output = output(dir.path());
    assert!(output.contains("restarting web-7 in /tmp") && output.contains("there"), "{output}");
    let stopped =
        events(dir.path()).into_iter().any(|event| matches!(event, Event::CommandEnded { stopped: true, .. }));
    assert!(stopped, "{said}");
    let run_dir = run_dir(dir.path());
    assert!(run_dir.join("files").is_dir() && !run_dir.join("record.json").exists());
    assert!(!run_dir.join("junit.xml").exists());
    assert_eq!(left(dir.path()), "");
}

const PIPES: &str = "\
# Try

## Mitigation

### Step 1: Restore

```bash
cat missing.sql | wc -l
```

### Step 2: Count

```bash
grep nobody-of-that-name /etc/hosts | wc -l
```
";

#[test]
fn what_a_pipe_hides_is_told_of_a_step_that_passed() {
    let dir = project(PIPES);
    let (exit, said) = run(dir.path(), &[]);
    assert_eq!(exit, Some(0), "{said}");
    let ended = events(dir.path()).into_iter().filter_map(|event| match event {
        Event::StepEnded { status, reason, .. } => Some((status, reason.unwrap_or_default())),
        _ => None,
    });
    let hidden = "`cat missing.sql | wc -l`: a program in its pipe ended with exit code 1, which the last one hides";
    let ended: Vec<_> = ended.collect();
    let [(StepStatus::Warned, reason), (StepStatus::Passed, _)] = ended.as_slice() else { panic!("{ended:?}") };
    assert!(reason.contains("try.md:8: ") && reason.ends_with(hidden), "{reason}");
    let told = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("step passed with a warning") && told.contains(hidden), "{said}");
}

/// A scenario whose stack does not come up.
const OF_A_JOB: [(&str, &str); 2] = [
    ("compose.yaml", "name: shop\nservices: { web: { image: 'debian:bookworm-slim', command: ['false'] } }\n"),
    (
        "drill.yaml",
        "title: A Job\nstack: compose.yaml\nload: { pages: { request: GET http://web/, rate: 50/s } }\n\
         slis: { availability: { load: pages, good: status < 500, objective: 99% } }\n\
         faults: [{ container_pause: { service: web } }]\nrecover: { within: 30s }\n",
    ),
];

/// What the runner in a Job does, here: its files come along, its game day hears what it writes, and takes what is in its directory then.
#[test]
fn a_drill_that_is_a_job_prints_its_story_and_is_sealed_behind_its_reports() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = fs::canonicalize(dir.path()).expect("its path");
    let run = format!("20260101T000000Z-job-{:08x}", std::process::id());
    let occasion = DayAttempt { day: "20260101T000000Z-day-00000001".into(), number: 1, attempt: 1 };
    let executed = Executed { by: Some("ada".into()), ..Executed::default() };
    let who = Announcement {
        run: run.clone(),
        occasion: Some(occasion.clone()),
        executed: Some(executed.clone()),
        ..Announcement::default()
    };
    let order = serde_json::json!({
        "who": who, "scenario": root.join("drill.yaml"), "rate": null, "overrides": { "vars": {}, "project": root, "root": root },
        "options": { "control": false, "keep": false, "seed": 7 },
    });
    let mut archive = tar::Builder::new(File::create(root.join("files.tar")).expect("a file"));
    let mut add = |inside: &Path, text: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        archive.append_data(&mut header, inside, text.as_bytes()).expect("an archive");
    };
    add(Path::new("firedrill-order.json"), &order.to_string());
    for (name, text) in OF_A_JOB {
        add(root.join(name).strip_prefix("/").expect("an absolute path"), text);
    }
    archive.finish().expect("an archive");
    let call = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
        command.args(args).current_dir(&root).stdin(Stdio::null()).output().expect("firedrill runs")
    };
    let results = root.join("results");
    let ended = call(&["job", "run", "files.tar", &results.display().to_string()]);
    let said = String::from_utf8_lossy(&ended.stderr);
    // Its verdict, and not that it could not begin.
    assert!(matches!(ended.status.code(), Some(1 | 3)), "{said}");
    let run_dir = results.join(&run);
    let read =
        |name: &str| fs::read_to_string(run_dir.join(name)).unwrap_or_else(|error| panic!("{name}: {error}\n{said}"));
    let story = stamped(&read("events.jsonl"));
    let heard = String::from_utf8_lossy(&ended.stdout);
    let (build, heard) = heard.split_once('\n').expect("a line");
    assert_eq!(build, format!("{RUNNER_BUILD}{BUILD}"));
    assert_eq!(stamped(heard), story, "what is heard is what is written");
    let (first, last) = (story.first().map(|first| &first.event), story.last().map(|last| &last.event));
    let Some(Event::Announced(plan)) = first else { panic!("{first:?}") };
    assert_eq!(plan.occasion, Some(occasion));
    let by = plan.executed.as_ref().expect("who carries it out");
    assert!(by.by == executed.by && by.machine.starts_with("a Job on "), "{by:?}");
    assert!(matches!(last, Some(Event::Ended { .. })), "{last:?}");
    // Sealed last: nothing of it was written behind its manifest.
    let sealed: serde_json::Value = serde_json::from_str(&read("manifest.json")).expect("a manifest");
    let files: Vec<&str> =
        sealed["files"].as_array().into_iter().flatten().filter_map(|file| file["path"].as_str()).collect();
    for name in ["events.jsonl", "ledger.jsonl", "record.json", "junit.xml", "report.html"] {
        assert!(files.contains(&name), "{name} is not in {files:?}");
    }
    let verified = call(&["verify", &run_dir.display().to_string()]);
    let said = String::from_utf8_lossy(&verified.stdout);
    assert!(verified.status.code() == Some(0) && !said.contains("differ"), "{said}");
    // Whoever has started the Job undoes what a killed one leaves.
    assert!(!run_dir.join("reaper.log").exists());
    assert_eq!(docker(&["ps", "--all", "--quiet", "--filter", &format!("label=dev.firedrill.run={run}")]), "");
}

/// A Compose project that the test has started, with its own name.
struct Beside {
    name: String,
    dir: tempfile::TempDir,
}

impl Beside {
    fn up() -> Beside {
        let dir = tempfile::tempdir().expect("a directory");
        let text = "services:\n  web:\n    image: debian:bookworm-slim\n    command: [sleep, '600']\n    init: true\n    \
                    ports: ['127.0.0.1::8080']\n    environment: { API_TOKEN: hunter22-secret, PLACE: '${PLACE_NOW:-there}' }\n";
        fs::write(dir.path().join("compose.yaml"), text).expect("a file");
        let beside = Beside { name: format!("fdtest-run-{}", std::process::id()), dir };
        beside.compose(&["up", "--detach", "--quiet-pull"]);
        beside
    }

    fn compose(&self, args: &[&str]) -> String {
        let file = self.dir.path().join("compose.yaml").display().to_string();
        let all: Vec<&str> =
            ["compose", "-f", &file, "-p", &self.name].into_iter().chain(args.iter().copied()).collect();
        docker(&all)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.compose(&["down", "--timeout", "1"]);
    }
}

const IN_WEB: &str = "\
# Try

## Diagnosis

### Step 1: Look around

```bash
getent hosts web && echo found
```

### Step 2: Look inside

<!-- firedrill: in=web -->
```bash
cd /etc
env | grep -e ^PLACE -e TOKEN=
```

### Step 3: Look again

<!-- firedrill: in=web -->
```bash
pwd
```
";

#[test]
fn beside_a_project_that_is_up_its_services_are_there_and_stay_as_they_were() {
    let beside = Beside::up();
    let before = beside.compose(&["ps", "--all", "--format", "{{.ID}} {{.State}}"]);
    let dir = project(IN_WEB);
    let (exit, said) = run(dir.path(), &["--compose-project", &beside.name]);
    assert_eq!(exit, Some(0), "{said}");
    assert!(said.contains("; localhost:") && said.contains(" is web:8080"), "{said}");
    let output = output(dir.path());
    assert!(
        output.contains("found")
            && output.contains("PLACE=there")
            && output.contains("TOKEN=***")
            && output.contains("/etc\n"),
        "{output}"
    );
    assert!(!fs::read_to_string(run_dir(dir.path()).join("events.jsonl")).unwrap().contains("hunter22-secret"));
    assert_eq!(left(dir.path()), "");
    assert_eq!(beside.compose(&["ps", "--all", "--format", "{{.ID}} {{.State}}"]), before);
    let elsewhere = project(&IN_WEB.replace("in=web", "in=wbe"));
    let (exit, said) = run(elsewhere.path(), &["-p", &beside.name]);
    assert!(exit == Some(2) && said.contains("no service `wbe`") && said.contains("`web`"), "{said}");
    let (exit, said) = run(dir.path(), &["-p", &beside.name.replace("run", "rnu")]);
    assert!(exit == Some(2) && said.contains(&beside.name), "it is offered: {said}");
}

#[test]
fn beside_a_project_steps_begin_where_it_lies() {
    let beside = Beside::up();
    let home = beside.dir.path().display().to_string();
    let page = format!(
        "# Try\n\n## Diagnosis\n\n### Step 1: Look\n\n```bash\npwd\ncd /tmp && cd {home}\ndocker compose ps --services\n\
         cd /tmp\ndocker compose -f {home}/compose.yaml ps --services\ndocker compose ps\n```\n\n## Mitigation\n\n### Step 2: Go there\n\n\
         ```bash\ncd /opt/production/app\n```\n"
    );
    let dir = project(&page);
    let (exit, said) = run(dir.path(), &["--compose-project", &beside.name]);
    assert_eq!(exit, Some(1), "{said}");
    let output = output(dir.path());
    assert!(output.contains(&format!("{home}\nweb\nweb\n")), "{output}");
    assert!(output.contains("no configuration file provided: not found"), "{output}");
    assert!(said.contains("no directory `/opt/production/app` is in the toolbox"), "{said}");
}

/// An image with the labels of a run that is dead, as one has that was made of a container of a kept drill.
struct OfADrill {
    image: String,
    _dir: tempfile::TempDir,
}

impl OfADrill {
    fn new() -> OfADrill {
        let dir = tempfile::tempdir().expect("a directory");
        let run = format!("20260101T000000Z-kept-{:08x}", std::process::id());
        let run_dir = dir.path().join(&run);
        fs::create_dir(&run_dir).expect("a directory");
        fs::write(run_dir.join("lock"), "").expect("a file");
        let labels = [format!("dev.firedrill.run={run}"), format!("dev.firedrill.dir={}", run_dir.display())];
        let made = docker(&["create", "--label", &labels[0], "--label", &labels[1], "debian:bookworm-slim"]);
        let image = format!("fdtest-of-a-drill:{:08x}", std::process::id());
        docker(&["commit", &made, &image]);
        docker(&["rm", &made]);
        OfADrill { image, _dir: dir }
    }
}

impl Drop for OfADrill {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rmi", "--force", &self.image]).output();
    }
}

#[test]
fn a_project_whose_image_was_made_of_a_drill_is_the_teams() {
    let image = OfADrill::new();
    let dir = tempfile::tempdir().expect("a directory");
    let text = format!("services:\n  web:\n    image: {}\n    command: [sleep, '600']\n    init: true\n", image.image);
    fs::write(dir.path().join("compose.yaml"), text).expect("a file");
    let beside = Beside { name: format!("fdtest-of-a-drill-{}", std::process::id()), dir };
    beside.compose(&["up", "--detach"]);
    let before = beside.compose(&["ps", "--all", "--format", "{{.ID}} {{.State}}"]);
    let runs =
        project("# Try\n\n## Diagnosis\n\n### Step 1: List\n\n```bash\ndocker ps --format 'name {{.Names}}'\n```\n");
    let (exit, said) = run(runs.path(), &["--compose-project", &beside.name]);
    assert_eq!(exit, Some(0), "{said}");
    assert_eq!(beside.compose(&["ps", "--all", "--format", "{{.ID}} {{.State}}"]), before, "{said}");
    assert!(output(runs.path()).contains(&format!("name {}-web-1", beside.name)), "{}", output(runs.path()));
    assert_eq!(left(runs.path()), "");
}

const OF_PRODUCTION: &str = "\
title: Try
stack: { file: ../compose.yaml, directory: /opt/shop }
runbook: ../try.md
load:
  pages: { request: GET http://web/, rate: 50/s }
slis:
  availability: { load: pages, good: status < 500, objective: 99% }
faults:
  - container_pause: { service: web }
recover: { within: 30s }
";

#[test]
fn the_directory_of_a_scenario_is_there_beside_a_project_too() {
    let beside = Beside::up();
    let root = beside.dir.path();
    let look = "## Mitigation\n\n```bash\ncd /opt/shop && docker compose ps --services\n\
                docker compose -f /opt/shop/compose.yaml ps --services\n```\n";
    fs::write(root.join("try.md"), format!("# Try\n\n{look}")).expect("a file");
    accepted::accept(&root.join("try.md"));
    fs::create_dir(root.join("scenarios")).expect("a directory");
    fs::write(root.join("scenarios/try.yaml"), OF_PRODUCTION).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
    command.args(["run", "--scenario", "try", "--compose-project", &beside.name]).current_dir(root);
    let ended = command.stdin(Stdio::null()).output().expect("firedrill runs");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(0), "{said}");
    assert_eq!(output(root), "web\nweb\n", "{said}");
}

const WITH_DOCKER: &str = "\
# Try

## Diagnosis

### Step 1: List

```bash
docker ps --format 'name {{.Names}}'
docker compose ps --services
docker compose logs web
```

### Step 2: Look inside

<!-- firedrill: in=web -->
```bash
echo \"of its own: $PLACE\"
```

## Mitigation

### Step 3: Restart

```bash
docker compose -p PROJECT restart -t 1 web
docker exec PROJECT-web-1 echo \"still here\"
```

### Step 4: Change

```bash
docker compose config --quiet || echo \"config: $?\"
docker compose up -d --no-deps -t 1 web || echo \"up: $?\"
```

### Step 5: What is not the project's

```bash
docker run --rm debian:bookworm-slim true || echo \"run: $?\"
docker exec fd-toolbox true || echo \"exec: $?\"
docker compose -p other ps || echo \"other: $?\"
```
";

#[test]
fn docker_in_a_step_works_on_the_project_and_on_nothing_else() {
    let beside = Beside::up();
    let before = beside.compose(&["ps", "--quiet"]);
    let dir = project(&WITH_DOCKER.replace("PROJECT", &beside.name));
    let (exit, said) = run(dir.path(), &["--compose-project", &beside.name]);
    assert_eq!(exit, Some(0), "{said}");
    assert!(said.contains(&format!("their `docker` works on the Compose project {}", beside.name)), "{said}");
    let output = output(dir.path());
    let names: Vec<&str> = output.lines().filter_map(|line| line.strip_prefix("name ")).collect();
    assert_eq!(names, [format!("{}-web-1", beside.name)]);
    for part in
        ["web\n", "of its own: there", "still here", "config: 126", "up: 126", "run: 126", "exec: 126", "other: 126"]
    {
        assert!(output.contains(part), "{part} is missing in {output}");
    }
    assert_eq!(beside.compose(&["ps", "--quiet"]), before, "nothing was recreated");
    assert_eq!(left(dir.path()), "");
    assert!(run_dir(dir.path()).join("logs/docker.log").is_file());
}

#[test]
fn a_secret_that_a_step_captures_is_nowhere_in_the_run_directory() {
    let beside = Beside::up();
    let text = "# Try\n\n## Mitigation\n\n### Step 1: Ask for a token\n\n<!-- firedrill: capture=api_token -->\n\n```bash\n\
                token=captured-$((40 + 2)); docker compose exec -T web true $token; echo $token\n```\n\n\
                ### Step 2: Use it\n\n```bash\ndocker compose exec -T web echo given <api_token> <db_password>\n```\n";
    let dir = project(text);
    let args = ["--compose-project", &beside.name, "--var", "db_password=typed-in-43"];
    let (exit, said) = run(dir.path(), &args);
    assert_eq!(exit, Some(0), "{said}");
    let output = output(dir.path());
    assert!(output.contains("given *** ***"), "{output}");
    let mut dirs = vec![run_dir(dir.path())];
    let mut files = 0;
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).expect("it is read").flatten() {
            if entry.path().is_dir() {
                dirs.push(entry.path());
                continue;
            }
            files += 1;
            let written = String::from_utf8_lossy(&fs::read(entry.path()).expect("it is read")).into_owned();
            let leaked = ["captured-42", "typed-in-43"].iter().any(|secret| written.contains(secret));
            assert!(!leaked, "{}: {written}", entry.path().display());
        }
    }
    let calls = fs::read_to_string(run_dir(dir.path()).join("logs/docker.log")).expect("the calls");
    assert!(files > 1 && calls.matches("***").count() == 3, "{calls}");
}

#[test]
fn without_its_files_a_project_can_be_restarted() {
    let beside = Beside::up();
    let file = beside.dir.path().join("compose.yaml");
    let away = beside.dir.path().join("away");
    fs::rename(&file, &away).expect("it is moved");
    let text = "# Try\n\n## Mitigation\n\n### Step 1: Restart\n\n```bash\ndocker compose restart -t 1 web\n```\n";
    let dir = project(text);
    let (exit, said) = run(dir.path(), &["--compose-project", &beside.name]);
    fs::rename(&away, &file).expect("it is moved back");
    assert_eq!(exit, Some(0), "{said}");
}

const ENDLESS: &str = "# Try\n\n## Mitigation\n\n### Step 1: Wait\n\n```bash\nsleep 600\n```\n";

/// A run whose command is under way. Dropped, it is killed, and its reaper removes it.
struct Waiting(Child);

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn waiting(dir: &Path) -> Waiting {
    let stderr = File::create(dir.join("stderr.txt")).expect("a file");
    let child = Waiting(firedrill(dir).stderr(stderr).spawn().expect("firedrill runs"));
    poll("a run", || dir.join(".firedrill/runs/latest").exists());
    poll("a command", || events(dir).iter().any(|event| matches!(event, Event::CommandStarted { .. })));
    assert_ne!(left(dir), "", "the toolbox is up");
    child
}

#[test]
fn a_run_that_was_killed_leaves_no_container_and_no_verdict() {
    let dir = project(ENDLESS);
    let mut child = waiting(dir.path());
    child.0.kill().expect("it runs");
    child.0.wait().expect("it was killed");
    poll("the toolbox to go", || left(dir.path()).is_empty());
    poll("the end of the story", || events(dir.path()).iter().any(|event| matches!(event, Event::Ended { .. })));
    assert!(!run_dir(dir.path()).join("record.json").exists());
}

#[test]
fn ctrl_c_removes_the_toolbox_and_is_the_exit_code() {
    let dir = project(ENDLESS);
    let mut child = waiting(dir.path());
    kill_process(Pid::from_child(&child.0), Signal::INT).expect("it runs");
    assert_eq!(child.0.wait().expect("it ends").code(), Some(130));
    assert_eq!(left(dir.path()), "");
    let ended = events(dir.path())
        .into_iter()
        .any(|event| matches!(event, Event::StepEnded { status: StepStatus::Failed, .. }));
    assert!(!ended);
}
