//! `firedrill accept` by the built program: what is proposed, what is open, what has drifted, and what it exits with.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PAGE: &str = "\
# Pool

## Mitigation

### Step 1: Stop the job

The job holds the connections.

```bash
docker compose stop batch
docker compose ps
```

### Step 2: Flush the cache if it is stale

```bash
redis-cli -h cache DEL prices
```
";

fn project(page: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    fs::create_dir(dir.path().join("runbooks")).expect("a folder");
    fs::write(dir.path().join("runbooks/pool.md"), page).expect("a file");
    dir
}

fn firedrill(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
    command.args(arguments).current_dir(dir).stdin(Stdio::null());
    command.output().expect("firedrill runs")
}

fn accept(dir: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = firedrill(dir, &[&["accept"], arguments].concat());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

const BY: [&str; 3] = ["--proposed", "--by", "oncall@example.com"];

fn reading(dir: &Path) -> String {
    fs::read_to_string(dir.join("runbooks/pool.reading.yaml")).unwrap_or_default()
}

#[test]
fn without_a_folder_of_runbooks_it_says_how_to_name_another_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let (exit, _, told) = accept(dir.path(), &["--check"]);
    let says = |text: &str| told.contains(text);
    assert!(says("there is no folder") && says("`firedrill accept docs/runbooks`"), "{told}");
    assert_eq!(exit, Some(2));
}

#[test]
fn proposals_are_taken_and_what_is_open_stays_open() {
    let dir = project(PAGE);
    let (exit, said, _) = accept(dir.path(), &["--check"]);
    assert_eq!(exit, Some(1), "{said}");
    assert_eq!(said.lines().count(), 2, "what only looks is no question: {said}");
    assert!(said.starts_with("runbooks/pool.md:10:1: open: `docker compose stop batch`"), "{said}");

    let (exit, said, errors) = accept(dir.path(), &BY);
    assert_eq!(exit, Some(0), "{said}{errors}");
    assert!(said.contains("runbooks/pool.md:10: run: docker compose stop batch"), "{said}");
    assert!(
        said.contains("runbooks/pool.md:17: open: redis-cli -h cache DEL prices (the text around it says “if”)"),
        "{said}"
    );
    let written = reading(dir.path());
    assert!(written.starts_with("# How Firedrill follows pool.md."), "{written}");
    assert!(written.contains("by: oncall@example.com (as proposed)") && !written.contains("DEL prices"), "{written}");

    let (exit, said, _) = accept(dir.path(), &["--check"]);
    assert_eq!((exit, said.lines().count()), (Some(1), 1), "{said}");
    let shown = String::from_utf8(firedrill(dir.path(), &["show", "pool"]).stdout).expect("UTF-8");
    assert!(shown.contains("accepted by oncall@example.com (as proposed) on 20"), "{shown}");
    assert!(shown.contains("open: nobody has accepted this command"), "{shown}");
}

#[test]
fn drift_is_told_with_the_words_that_changed_and_is_not_proposed_away() {
    let page = PAGE.replace(" if it is stale", "");
    let dir = project(&page);
    assert_eq!(accept(dir.path(), &BY).0, Some(0));
    assert_eq!(accept(dir.path(), &["--check"]).0, Some(0), "all of it is decided");
    let decided = reading(dir.path());
    fs::write(dir.path().join("runbooks/pool.md"), page.replace("The job holds", "The nightly job holds"))
        .expect("a file");
    let (exit, said, _) = accept(dir.path(), &["--check"]);
    assert_eq!(exit, Some(1));
    assert!(
        said.starts_with(
            "runbooks/pool.md:10:1: drifted: `docker compose stop batch`: the text before it changed since 20"
        ),
        "{said}"
    );
    assert!(
        said.contains(
            "    it was: run, by oncall@example.com (as proposed)\n    The {+nightly+} job holds the connections.\n"
        ),
        "{said}"
    );
    accept(dir.path(), &BY);
    assert_eq!(reading(dir.path()), decided, "a person looks at it");
}

#[test]
fn decisions_about_nothing_are_told_of_and_pruned() {
    let dir = project(&PAGE.replace(" if it is stale", ""));
    accept(dir.path(), &BY);
    let gone = PAGE.replace("```bash\nredis-cli -h cache DEL prices\n```", "Flush it.");
    fs::write(dir.path().join("runbooks/pool.md"), gone).expect("a file");
    let (exit, said, _) = accept(dir.path(), &["--check"]);
    assert_eq!(exit, Some(1));
    assert!(said.contains("stale: `redis-cli -h cache DEL prices` is no longer in runbooks/pool.md"), "{said}");
    assert_eq!(accept(dir.path(), &["--prune"]).0, Some(0));
    assert_eq!(accept(dir.path(), &["--check"]).0, Some(0));
    assert!(reading(dir.path()).contains("docker compose stop batch"));
    fs::remove_file(dir.path().join("runbooks/pool.md")).expect("it is removed");
    fs::write(dir.path().join("runbooks/other.md"), "# Other\n\n## Mitigation\n\n```bash\nls\n```\n").expect("a file");
    let (exit, said, _) = accept(dir.path(), &["--check"]);
    assert_eq!(
        (exit, said.as_str()),
        (Some(1), "runbooks/pool.reading.yaml:1:1: stale: this reading has no runbook\n")
    );
}

#[test]
fn nobody_is_asked_where_nobody_is() {
    let dir = project(PAGE);
    let (exit, _, said) = accept(dir.path(), &[]);
    assert_eq!(exit, Some(2));
    assert!(said.contains("needs a terminal") && said.contains("--proposed"), "{said}");
    assert_eq!(reading(dir.path()), "");
}

#[test]
fn a_reading_with_mistakes_stops_what_would_follow_it() {
    let dir = project(PAGE);
    fs::write(dir.path().join("runbooks/pool.reading.yaml"), "runbook: pool.md\ndecided: []\n").expect("a file");
    for arguments in [&["accept", "--check"][..], &["run", "pool", "--dry-run"]] {
        let output = firedrill(dir.path(), arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("runbooks/pool.reading.yaml:2:1") && said.contains("decided"), "{said}");
    }
}

#[test]
fn readings_may_stand_at_the_top_of_the_project() {
    let dir = project(&PAGE.replace(" if it is stale", ""));
    fs::create_dir(dir.path().join(".git")).expect("a folder");
    accept(dir.path(), &BY);
    let elsewhere = dir.path().join("readings/runbooks/pool.reading.yaml");
    fs::create_dir_all(elsewhere.parent().expect("a folder")).expect("a folder");
    fs::rename(dir.path().join("runbooks/pool.reading.yaml"), &elsewhere).expect("it is moved");
    assert_eq!(accept(dir.path(), &["--check"]).0, Some(0));
}

#[test]
fn what_is_skipped_keeps_its_decision() {
    let dir = project(&PAGE.replace(" if it is stale", ""));
    accept(dir.path(), &BY);
    let decided = reading(dir.path());
    assert!(decided.contains("DEL prices"), "{decided}");
    let skipped = PAGE
        .replace(" if it is stale", "")
        .replace("```bash\nredis-cli", "<!-- firedrill: skip=\"no cache in drills\" -->\n```bash\nredis-cli");
    let more = skipped.replace("docker compose ps\n", "docker compose ps\ndocker compose restart web\n");
    fs::write(dir.path().join("runbooks/pool.md"), more).expect("a file");
    assert_eq!(accept(dir.path(), &["--check"]).0, Some(1), "the new command is open");
    accept(dir.path(), &[&BY[..], &["--prune"]].concat());
    let written = reading(dir.path());
    assert!(written.contains("restart web") && written.contains("DEL prices"), "{written}");
    let (exit, said, _) = accept(dir.path(), &["--check"]);
    assert_eq!((exit, said.as_str()), (Some(0), ""));
}

#[test]
fn a_runbook_alone_is_not_followed_before_it_is_accepted() {
    let dir = project(&PAGE.replace(" if it is stale", ""));
    let run = || {
        let output = firedrill(dir.path(), &["run", "pool", "--dry-run"]);
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), said(&output.stdout) + &said(&output.stderr))
    };
    let (exit, said) = run();
    assert_eq!(exit, Some(2), "{said}");
    assert!(said.contains("nobody has accepted this command"), "{said}");
    accept(dir.path(), &BY);
    let (exit, said) = run();
    assert_eq!(exit, Some(0), "{said}");
}

#[test]
fn a_project_says_what_its_own_programs_do() {
    let dir = project("# Pool\n\n## Mitigation\n\n```bash\nshopctl status\nshopctl queue drop\n```\n");
    let open = |dir: &Path| accept(dir, &["--check"]).1.lines().count();
    assert_eq!(open(dir.path()), 2, "it is not known");
    let file = dir.path().join("programs.yaml");
    fs::write(&file, "programs:\n  - names: [shopctl]\n    looks: [status]\n").expect("a file");
    assert_eq!(open(dir.path()), 1, "one only looks");
    fs::write(&file, "programs:\n  - names: [rm]\n    looks: ['*']\n    look: x\n").expect("a file");
    let (exit, _, said) = accept(dir.path(), &["--check"]);
    assert_eq!(exit, Some(2), "{said}");
    assert!(said.contains("programs.yaml:2:12") && said.contains("`rm` is in Firedrill's own table"), "{said}");
    assert!(said.contains("programs.yaml:4:5") && said.contains("no key `look`"), "{said}");
}

/// `firedrill accept` at a terminal, as `script` of util-linux makes one.
struct Terminal {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Terminal {
    fn open(dir: &Path) -> Terminal {
        Terminal::of(dir, 40, "accept --by oncall@example.com")
    }

    fn of(dir: &Path, rows: usize, arguments: &str) -> Terminal {
        let command = format!("stty rows {rows} cols 80; {} {arguments}", env!("CARGO_BIN_EXE_firedrill"));
        let mut script = Command::new("script");
        script.args(["-qec", &command, "/dev/null"]).current_dir(dir).env_remove("CI").env("NO_COLOR", "1");
        // Nothing of these tests needs an engine, and none is to be found.
        script.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
        let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("`script` of util-linux");
        let said = Arc::new(Mutex::new(String::new()));
        let (mut stdout, into) = (child.stdout.take().expect("a pipe"), said.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = stdout.read(&mut bytes) {
                into.lock().expect("a lock").push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        });
        Terminal { child, said }
    }

    /// Waits until this was said, and takes everything up to it.
    fn until(&self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            let mut said = self.said.lock().expect("a lock");
            if let Some(at) = said.find(text) {
                let behind = said.split_off(at + text.len());
                return std::mem::replace(&mut said, behind);
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{text:?} was not said: {said}");
            drop(said);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn type_in(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("a pipe");
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).expect("it reads");
    }

    fn exit(&mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }
}

#[test]
fn a_person_decides_at_a_terminal() {
    let dir = project(PAGE);
    let mut terminal = Terminal::open(dir.path());
    let said = terminal.until("  > ");
    for part in [
        "1 of 2  runbooks/pool.md:10",
        "under Mitigation / Step 1: Stop the job",
        "   10 > docker compose stop batch",
        "   11   docker compose ps",
        "    7   The job holds the connections.",
        "it changes something: `docker compose stop`",
        "proposal: run (Enter)",
        "[q]uit and keep",
    ] {
        assert!(said.contains(part), "{part:?} is missing: {said}");
    }
    assert!(!said.contains('\u{1b}'), "no colours: {said:?}");
    terminal.type_in("what?");
    terminal.until("r, s, p, w, a, o, b or q");
    terminal.until("  > ");
    terminal.type_in("");
    let said = terminal.until("  > ");
    assert!(said.contains("2 of 2") && said.contains("no proposal: the text around it says “if”"), "{said}");
    assert!(reading(dir.path()).contains("docker compose stop batch"), "it is on disk as it is decided");
    terminal.type_in("b");
    assert!(terminal.until("  > ").contains("1 of 2"));
    terminal.type_in("s");
    assert!(terminal.until("  > ").contains("2 of 2"));
    terminal.type_in("w");
    terminal.until("(backend: postgres) ");
    terminal.type_in("cache: redis");
    terminal.until("nothing is open");
    assert_eq!(terminal.exit(), Some(0));
    let written = reading(dir.path());
    assert!(written.contains("do: skip") && !written.contains("do: run\n"), "{written}");
    assert!(written.contains("do:\n    choice: cache\n    way: redis\n"), "{written}");
}

#[test]
fn a_question_is_shown_whole_and_what_goes_on_is_indented() {
    let long: String = (1..40).map(|number| format!("Note {number} about the job.\n\n")).collect();
    let lines: String = (1..30).map(|number| format!("  --name job-{number} \\\n")).collect();
    let forged = format!("batch{}proposal: run", " ".repeat(64));
    let page = PAGE
        .replace("The job holds the connections.\n", &long)
        .replace("docker compose stop batch", &format!("docker compose stop \\\n{lines}  {forged}"));
    let dir = project(&page);
    let mut terminal = Terminal::of(dir.path(), 20, "accept --by oncall@example.com");
    let said = terminal.until("  > ");
    for part in [
        "1 of 2",
        "before it: Note 1 about the job.",
        "Note 39 about the job.",
        "> docker compose stop",
        "--name job-17",
        "[r]un",
    ] {
        assert!(said.contains(part), "{part:?} is missing: {said}");
    }
    assert!(said.lines().any(|line| line == "        proposal: run"), "{said}");
    terminal.type_in("q");
    assert_eq!(terminal.exit(), Some(0));
}

#[test]
fn what_was_taken_back_is_not_kept() {
    let dir = project(PAGE);
    let mut terminal = Terminal::open(dir.path());
    terminal.until("  > ");
    terminal.type_in("r");
    terminal.until("  > ");
    terminal.type_in("b");
    terminal.until("  > ");
    terminal.type_in("q");
    assert_eq!(terminal.exit(), Some(0));
    assert!(!reading(dir.path()).contains("do: run"), "{}", reading(dir.path()));
}

const SCENARIO: &str = "title: T\nstack: ../compose.yaml\nrunbook: ../runbooks/pool.md\n\
    load: { l: { request: GET http://shop/, rate: 50/s } }\n\
    slis: { ok: { load: l, good: status < 500, objective: 90% } }\nfaults: [ container_kill: { service: shop } ]\n\
    recover: { within: 9s }\n";

/// A project with a scenario that follows the page.
fn with_scenario(page: &str, more: &str) -> tempfile::TempDir {
    let dir = project(page);
    fs::create_dir(dir.path().join("scenarios")).expect("a folder");
    fs::write(dir.path().join("scenarios/s.yaml"), format!("{SCENARIO}{more}")).expect("a file");
    let compose = "services: { shop: { image: x }, batch: { image: x }, cache: { image: x } }\n";
    fs::write(dir.path().join("compose.yaml"), compose).expect("a file");
    dir
}

#[test]
fn a_drill_offers_to_look_at_what_is_open() {
    let dir = with_scenario(PAGE, "");
    let mut terminal = Terminal::of(dir.path(), 40, "scenario s");
    let said = terminal.until("look at them now? [Y/n] ");
    assert!(said.contains("runbooks/pool.md: 2 commands to be accepted before the drill follows it"), "{said}");
    terminal.type_in("n");
    let said = terminal.until("the drill runs up to the first of them");
    assert!(said.contains("nothing was started: 2 commands of ") && said.contains("`firedrill accept "), "{said}");
    assert_eq!(terminal.exit(), Some(2));
    assert!(!dir.path().join(".firedrill").exists() && reading(dir.path()).is_empty());

    // Who looks decides at once; only then an engine is looked for.
    git(dir.path(), &["init", "-q"]);
    git(dir.path(), &["config", "user.email", "oncall@example.com"]);
    let mut terminal = Terminal::of(dir.path(), 40, "scenario s");
    terminal.until("look at them now? [Y/n] ");
    terminal.type_in("");
    for question in ["1 of 2", "2 of 2"] {
        assert!(terminal.until("  > ").contains(question));
        terminal.type_in("r");
    }
    terminal.until("docker.sock");
    assert_eq!(terminal.exit(), Some(3));
    assert_eq!(reading(dir.path()).matches("do: run").count(), 2);
    // Nothing is open any more, and nobody is asked.
    let mut terminal = Terminal::of(dir.path(), 40, "scenario s");
    assert!(!terminal.until("docker.sock").contains("[Y/n]"));
    assert_eq!(terminal.exit(), Some(3));
}

#[test]
fn who_expects_a_blocked_step_is_not_asked() {
    let dir = with_scenario(PAGE, "expect: { verdict: step_blocked }\n");
    let mut terminal = Terminal::of(dir.path(), 40, "scenario s");
    assert!(!terminal.until("docker.sock").contains("[Y/n]"));
    assert_eq!(terminal.exit(), Some(3));
}

fn git(dir: &Path, arguments: &[&str]) {
    assert!(Command::new("git").args(arguments).current_dir(dir).status().expect("git").success());
}

#[test]
fn phases_that_no_scenario_follows_are_no_questions() {
    let page = "# Pool\n\n## Background\n\n```bash\nredis-cli DEL prices\n```\n\n## Mitigation\n\n```bash\nls\n```\n";
    let dir = with_scenario(page, "");
    assert_eq!(
        accept(dir.path(), &["--check"]),
        (Some(0), String::new(), "0 decisions in 1 runbook, 0 to look at\n".into())
    );
    let shown = String::from_utf8(firedrill(dir.path(), &["show", "pool"]).stdout).expect("UTF-8");
    assert!(shown.contains("only a scenario that selects the phase `reference` follows it"), "{shown}");
    // One that does makes it a question.
    fs::write(dir.path().join("scenarios/s.yaml"), format!("{SCENARIO}respond: {{ phases: [reference, mitigate] }}\n"))
        .expect("a file");
    let (exit, said, _) = accept(dir.path(), &["--check"]);
    assert_eq!(exit, Some(1));
    assert!(said.starts_with("runbooks/pool.md:6:1: open: `redis-cli DEL prices`: nobody has accepted"), "{said}");
}

#[test]
fn another_order_of_a_block_is_drift() {
    let page = PAGE.replace(" if it is stale", "").replace("compose ps", "compose restart web");
    let dir = project(&page);
    accept(dir.path(), &BY);
    assert_eq!(accept(dir.path(), &["--check"]).0, Some(0));
    let (stop, restart) = ("docker compose stop batch", "docker compose restart web");
    let swapped = page.replace(stop, "x").replace(restart, stop).replace("\nx\n", &format!("\n{restart}\n"));
    fs::write(dir.path().join("runbooks/pool.md"), swapped).expect("a file");
    let (exit, said, _) = accept(dir.path(), &["--check"]);
    let drifted = "runbooks/pool.md:11:1: drifted: `docker compose stop batch`: the commands under this text stood in another order on";
    assert!(exit == Some(1) && said.starts_with(drifted) && said.matches("drifted").count() == 1, "{said}");
    let mut terminal = Terminal::open(dir.path());
    assert!(terminal.until("  > ").contains("1 of 1"));
    terminal.type_in("r");
    assert_eq!(terminal.exit(), Some(0));
    assert_eq!(accept(dir.path(), &["--check"]).0, Some(0));
}

#[test]
fn pages_in_folders_and_of_the_same_name_have_readings_of_their_own() {
    let page = PAGE.replace(" if it is stale", "");
    let dir = project(&page);
    fs::create_dir(dir.path().join("runbooks/sub")).expect("a folder");
    for name in ["pool.markdown", "sub/pool.md"] {
        fs::write(dir.path().join("runbooks").join(name), &page).expect("a file");
    }
    let output = firedrill(dir.path(), &["check"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("3 runbooks: no mistakes"), "{output:?}");
    fs::write(dir.path().join("runbooks/sub/bad.md"), "# Bad\n\n## Fix\n\n```bash\nls\n").expect("a file");
    let output = firedrill(dir.path(), &["check"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("runbooks/sub/bad.md:5"), "{output:?}");
    fs::remove_file(dir.path().join("runbooks/sub/bad.md")).expect("it is removed");
    assert_eq!(accept(dir.path(), &BY).0, Some(0));
    let (exit, said, told) = accept(dir.path(), &["--check"]);
    assert_eq!((exit, said.as_str(), told.as_str()), (Some(0), "", "6 decisions in 3 runbooks, 0 to look at\n"));
    for name in ["pool.reading.yaml", "pool.markdown.reading.yaml", "sub/pool.reading.yaml"] {
        assert!(dir.path().join("runbooks").join(name).exists(), "{name}");
    }
}

#[test]
fn an_annotation_above_a_table_is_an_error() {
    let table = "| What | How |\n| - | - |\n| Disk | `df -h` |\n| Memory | `free -m` |\n";
    let dir = project(&format!("{PAGE}\n<!-- firedrill: in=db -->\n{table}"));
    let output = firedrill(dir.path(), &["check"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("this annotation belongs to nothing") && said.contains("runbooks/pool.md:20:1"), "{said}");
}

#[test]
fn a_console_block_of_known_commands_needs_a_decision_only_where_it_changes_something() {
    let page = "# Pool\n\n## Mitigation\n\n```console\nkubectl get pods\nkubectl rollout restart deployment/x\n```\n\n\
        ```console\nkubectl get nodes\nwhatever this may be\n```\n";
    let dir = project(page);
    let shown = String::from_utf8(firedrill(dir.path(), &["show", "pool"]).stdout).expect("UTF-8");
    for part in [
        "kubectl get pods\n           looks\n",
        "changes something (`kubectl rollout restart` changes); open: nobody has accepted this command\n",
        "kubectl get nodes\n           looks; unread: its block has neither a shell's tag nor prompts; open: nobody",
    ] {
        assert!(shown.contains(part), "{part:?} is missing: {shown}");
    }
}

#[test]
fn a_file_of_another_tool_breaks_nothing() {
    let dir = project(PAGE);
    let say = |text: &str| {
        fs::write(dir.path().join("programs.yaml"), text).expect("a file");
        let (exit, _, told) = accept(dir.path(), &["--check"]);
        (exit, told)
    };
    for other in ["channels:\n  - name: bbc\n", "- one\n", "{{ if .Values.x }}\nx: 1\n{{ end }}\n", "x\n", ""] {
        let (exit, told) = say(other);
        assert_eq!(exit, Some(1), "{other}: {told}");
        assert!(told.contains("warning: this file is taken for another tool's"), "{other}: {told}");
    }
    // What is nearly ours is a mistake.
    for ours in ["program:\n  - names: [shopctl]\n", "- names: [shopctl]\n", "programs: [\n", "programs: { web: 1 }\n"]
    {
        let (exit, told) = say(ours);
        assert_eq!(exit, Some(2), "{ours}: {told}");
    }
}

#[test]
fn quitting_keeps_what_was_decided() {
    let dir = project(PAGE);
    let mut terminal = Terminal::open(dir.path());
    terminal.until("  > ");
    terminal.type_in("p");
    terminal.until("  > ");
    terminal.type_in("q");
    assert_eq!(terminal.exit(), Some(0));
    let written = reading(dir.path());
    assert!(written.contains("do: person") && !written.contains("DEL prices"), "{written}");
}

#[test]
fn comments_and_the_layout_of_a_reading_stay() {
    let dir = project(&PAGE.replace(" if it is stale", ""));
    accept(dir.path(), &BY);
    let path = dir.path().join("runbooks/pool.reading.yaml");
    let by_hand = reading(dir.path())
        .replace("decisions:\n", "# Ours.\ndecisions:\n# The nightly job.\n")
        .replace("do: run\n  by: oncall", "do: run # always\n  by: oncall");
    fs::write(&path, format!("{by_hand}# The end.\n")).expect("a file");
    let more = PAGE.replace(" if it is stale", "").replace("docker compose ps", "docker compose restart web");
    fs::write(dir.path().join("runbooks/pool.md"), more).expect("a file");
    accept(dir.path(), &BY);
    let written = reading(dir.path());
    assert_eq!(written.matches("- at: ").count(), 3, "{written}");
    let lines: Vec<&str> = written.lines().collect();
    for line in by_hand.lines().chain(["# The end."]) {
        assert!(lines.contains(&line), "{line:?} is gone: {written}");
    }
    assert_eq!(accept(dir.path(), &["--check"]).0, Some(0));
    // In one line it is written anew.
    let flow = "{ runbook: pool.md, decisions: [] }\n";
    fs::write(&path, flow).expect("a file");
    accept(dir.path(), &BY);
    assert_eq!(accept(dir.path(), &["--check"]).0, Some(0));
}

#[test]
fn what_somebody_else_wrote_meanwhile_is_not_overwritten() {
    let dir = project(PAGE);
    let mut terminal = Terminal::open(dir.path());
    terminal.until("  > ");
    let theirs = "runbook: pool.md\ndecisions: []\n";
    fs::write(dir.path().join("runbooks/pool.reading.yaml"), theirs).expect("a file");
    terminal.type_in("r");
    terminal.until("was changed by somebody else meanwhile");
    terminal.until("  > ");
    terminal.type_in("q");
    assert_eq!(terminal.exit(), Some(2));
    assert_eq!(reading(dir.path()), theirs);
}

#[test]
fn the_runbooks_of_this_project_are_accepted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (exit, said, _) = accept(root, &["--check"]);
    assert_eq!((exit, said.as_str()), (Some(0), ""));
}
