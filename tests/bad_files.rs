//! Broken files: every mistake of every file at once, with its place, exit 2, nothing started. The messages are snapshots.

#[path = "support/brief.rs"]
mod brief;
#[path = "bad_files/gamedays.rs"]
mod gamedays;
#[path = "bad_files/host.rs"]
mod host;
#[path = "bad_files/restore.rs"]
mod restore;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// A project in a temporary folder.
struct Project {
    dir: tempfile::TempDir,
    env: BTreeMap<String, String>,
}

/// A scenario without a mistake; tests change what they are about.
const SCENARIO: &str = "\
title: Checkout is slow
severity: SEV1
tags: [checkout]
stack: ../stacks/shop/compose.yaml
load:
  checkout:
    request: POST http://checkout:8080/checkout
    rate: 50/s
slis:
  availability: { load: checkout, good: status < 500, objective: 99% }
steady: { for: 5s }
faults:
  - container_pause: { service: db }
impact: { breaches: [availability], below: 90%, within: 15s }
recover: { within: 30s, hold: 5s }
rto: 1m
";

const COMPOSE: &str = "services:\n  checkout:\n    image: shop\n  db:\n    image: db\n";

const RUNBOOK: &str = "\
# Checkout is slow

## Mitigation

### Step 1: Wake the database

```bash
psql -h \"$DB_HOST\" -c 'SELECT 1'
```
";

impl Project {
    fn empty() -> Project {
        Project { dir: tempfile::tempdir().expect("a directory"), env: BTreeMap::new() }
    }

    fn new() -> Project {
        Project::empty().file("stacks/shop/compose.yaml", COMPOSE).file("runbooks/slow.md", RUNBOOK)
    }

    fn file(self, path: &str, content: impl AsRef<[u8]>) -> Project {
        let path = self.dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, content).expect("a file");
        self
    }

    fn scenario(self, content: impl AsRef<[u8]>) -> Project {
        self.file("scenarios/slow.yaml", content)
    }

    fn env(mut self, name: &str, value: &str) -> Project {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Exit code, standard output and standard error.
    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_firedrill"))
            .args(args)
            .current_dir(Path::new(self.dir.path()))
            .env_remove("NOT_SET")
            .env("NO_COLOR", "1")
            .envs(&self.env)
            .output()
            .expect("firedrill runs");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        // Whether a drill has made the toolbox's image on this machine yet is nothing about the files.
        let out: String =
            text(&output.stdout).split_inclusive('\n').filter(|line| !line.starts_with("not looked at:")).collect();
        (output.status.code().expect("an exit code"), out, text(&output.stderr))
    }

    /// What `check` says about files with errors.
    fn mistakes(&self) -> String {
        let (code, out, err) = self.run(&["check"]);
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        brief::brief(&err)
    }
}

/// The scenario with some of its text replaced.
fn changed(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(SCENARIO.to_string(), |text, (old, new)| {
        assert!(text.contains(old), "`{old}` is not in the scenario");
        text.replacen(old, new, 1)
    })
}

fn mistakes_of(changes: &[(&str, &str)]) -> String {
    Project::new().scenario(changed(changes)).mistakes()
}

#[test]
fn files_that_cannot_be_read() {
    let mut laughs = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for i in 1..10 {
        laughs += &format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 9].join(", "));
    }
    let latin1 = SCENARIO.replace("slow", "sl\u{1}w").bytes().map(|byte| if byte == 1 { 0xf6 } else { byte }).collect();
    let files: [Vec<u8>; 7] = [
        changed(&[("tags: [checkout]", "tags: [checkout")]).into(),
        changed(&[("title: Checkout is slow", "title: Checkout: slow")]).into(),
        changed(&[("    rate: 50/s", "\trate: 50/s")]).into(),
        laughs.into(),
        latin1,
        Vec::new(),
        "- just\n- a list\n".into(),
    ];
    insta::assert_snapshot!(files.map(|text| Project::new().scenario(text).mistakes()).join("\n"));
}

#[test]
fn unknown_and_missing_keys() {
    insta::assert_snapshot!(mistakes_of(&[
        ("title:", "titel:"),
        ("rate:", "rates:"),
        ("objective", "goal"),
        ("hold: 5s", "holds: 5s, withn: 3s"),
        ("service: db", "servce: db"),
    ]));
}

#[test]
fn wrong_units_and_kinds() {
    insta::assert_snapshot!(mistakes_of(&[
        ("rate: 50/s", "rate: 50"),
        ("99%", "0.99"),
        ("for: 5s", "for: 5"),
        ("below: 90%", "below: 190%"),
        ("within: 15s", "within: 15 parsecs"),
        ("within: 30s", "within: [30s]"),
        ("hold: 5s", "hold: 5.05s"),
        ("tags: [checkout]", "tags: checkout"),
    ]));
}

#[test]
fn missing_files() {
    let stacks = [
        "stack: ../stacks/shop\nrunbook: ../runbooks/slo.md",
        "stack: { file: compose.yaml, env_files: [.env, prod.env], isolated: yes, up_within: 3h }",
    ];
    let told = stacks.map(|stack| mistakes_of(&[("stack: ../stacks/shop/compose.yaml", stack)]));
    insta::assert_snapshot!(told.join("\n"));
    for directory in ["srv/shop", "/", "/srv/../shop"] {
        let stack = format!("stack: {{ file: ../stacks/shop/compose.yaml, directory: {directory} }}");
        let said = mistakes_of(&[("stack: ../stacks/shop/compose.yaml", stack.as_str())]);
        assert!(
            said.contains("is not the absolute path of a directory") && said.contains("scenarios/slow.yaml:"),
            "{said}"
        );
    }
}

#[test]
fn names_that_lead_nowhere() {
    insta::assert_snapshot!(mistakes_of(&[
        ("load: checkout, good", "load: chekout, good"),
        ("breaches: [availability]", "breaches: [availabilty, latency]"),
        ("container_pause", "container_paws"),
    ]));
}

#[test]
fn conditions_requests_and_verdicts() {
    insta::assert_snapshot!(mistakes_of(&[
        ("POST http://checkout:8080/checkout", "POST https://checkout/checkout"),
        ("status < 500", "staus < 500"),
        (
            "recover:",
            "detect: { metrics: 'checkout:9100', when: up = 1, within: 0s }\nexpect: { verdict: not_recoverd }\nrecover:"
        ),
    ]));
}

#[test]
fn duplicate_keys() {
    insta::assert_snapshot!(mistakes_of(&[
        ("severity: SEV1", "severity: SEV1\nseverity: SEV2"),
        ("good: status < 500", "good: status < 500, load: other"),
    ]));
}

#[test]
fn empty_things() {
    insta::assert_snapshot!(mistakes_of(&[
        ("faults:\n  - container_pause: { service: db }", "faults: []"),
        ("slis:\n  availability: { load: checkout, good: status < 500, objective: 99% }", "slis:"),
        ("load:\n  checkout:\n    request: POST http://checkout:8080/checkout\n    rate: 50/s", "load: {}"),
    ]));
}

#[test]
fn windows_that_can_tell_nothing() {
    let told = [
        mistakes_of(&[
            ("rate: 50/s", "rate: 4/s"),
            ("within: 15s }", "within: 15s, window: 500ms }"),
            ("below: 90%", "below: 99.5%"),
        ]),
        mistakes_of(&[("objective: 99%", "objective: 100%")]),
        // What must hold after the revert is held for as long as its events need.
        mistakes_of(&[(
            "{ load: checkout, good: status < 500, objective: 99% }",
            "{ query: { service: db, sql: SELECT true, every: 20s }, objective: 50% }",
        )]),
    ];
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn variables_and_phases() {
    let respond = "\
runbook: ../runbooks/slow.md
respond:
  phases: [mitigate, verfiy]
  vars:
    DB_HOST: { secret: true, env: NOT_SET }
    db-host: x
    OTHER: { value: 1, env: HOME }
    LIST: [1]
recover:";
    insta::assert_snapshot!(mistakes_of(&[("recover:", respond)]));
}

/// Every mistake in annotations, steps and clients at once, in both files.
#[test]
fn annotations_steps_and_clients() {
    let runbook =
        RUNBOOK.replace("```bash", "<!-- firedrill: id=wake retires=3 -->\n```bash") + "\n<!-- firedrill in=db -->\n";
    let more = "\
runbook: ../runbooks/slow.md
clients: { sql: { servce: db, command: psql } }
steps:
  wak: { timeout: 5s }
  wake: { run: 'psql', skip: it cannot work, retry: 3 }
recover:";
    let text = changed(&[("recover:", more)]);
    insta::assert_snapshot!(Project::new().file("runbooks/slow.md", runbook).scenario(text).mistakes());
}

#[test]
fn what_a_scenario_bridges_is_no_mistake() {
    let words = "# Slow\n\n## Mitigation\n\n1. Press the button.\n";
    let text =
        changed(&[("recover:", "runbook: ../runbooks/slow.md\nsteps: { press-the-button: { run: press } }\nrecover:")]);
    let project = Project::new().file("runbooks/slow.md", words).scenario(text);
    let (code, out, err) = project.run(&["check"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "1 scenario, 1 runbook: no mistakes\n", ""));
    let (code, out, err) = project.run(&["show", "--scenario", "slow"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.contains(
            "scenarios/slow.yaml, line 16, puts in its place:\n           in the toolbox timeout=30s\n       16  press"
        ),
        "{out}"
    );
    assert_eq!(project.run(&["show", "runbooks/slow.md"]).0, 2, "nothing in it can be run by itself");
    assert_eq!(project.run(&["show"]).0, 2);
}

#[test]
fn secrets_are_not_shown() {
    let respond = "\
runbook: ../runbooks/slow.md
respond: { timeout: hunter2-ü, vars: { DB_HOST: { secret: true, value: hunter2-ü }, X: 1 }, servce: checkout }
recover:";
    let told = Project::new().scenario(changed(&[("recover:", respond)])).run(&["check"]).2;
    assert!(!told.contains("hunter2"), "also where the same text stands elsewhere: {told}");
    assert!(told.contains("timeout: ***, vars") && !told.contains("****"), "nor how long it is: {told}");
    insta::assert_snapshot!(brief::brief(&told));
}

#[test]
fn what_contradicts_itself() {
    let headers = "    rate: 50/s\n    headers: { X: 1, x: 2, Content-Length: 3, 'a b': 4, Y: '{{cuonter}}' }";
    insta::assert_snapshot!(mistakes_of(&[
        ("impact: { breaches: [availability], below: 90%, within: 15s }", "impact: { none: true, below: 90% }"),
        ("steady: { for: 5s }", "steady: { for: 5s, within: 4s }\nrespond: { timeout: 5s }"),
        ("    rate: 50/s", headers),
    ]));
}

#[test]
fn several_files_at_once() {
    let project = Project::new()
        .scenario(changed(&[("rate: 50/s", "rate: fast"), ("service: db", "servic: db")]))
        .file("scenarios/other.yaml", "title: [1\n")
        .file("scenarios/third.yml", changed(&[("severity: SEV1", "severty: SEV1")]))
        .file("runbooks/latin1.md", b"# Caf\xe9\n");
    insta::assert_snapshot!(project.mistakes());
}

#[test]
fn nothing_to_check_and_wrong_names() {
    let said = |project: &Project, args: &[&str]| {
        let (code, out, err) = project.run(args);
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        brief::brief(&err)
    };
    let (project, empty) = (Project::new().scenario(SCENARIO), Project::empty());
    let told = [
        said(&project, &["check", "slwo"]),
        said(&project, &["check", "scenarios/fast.yaml"]),
        said(&empty, &["check"]),
        said(&empty, &["list"]),
    ];
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn names_that_mean_nothing_and_mistakes_come_out_at_once() {
    let project = Project::new().scenario(changed(&[("rate: 50/s", "rate: fast")]));
    for command in ["check", "scenario"] {
        let (code, out, err) = project.run(&[command, "slwo", "slow", "scenarios/other.yaml"]);
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        for told in ["`fast` is not a rate", "there is no scenario `slwo`", "there is no file `scenarios/other.yaml`"] {
            assert!(err.contains(told), "{command}: {told}: {err}");
        }
    }
}

#[test]
fn a_project_without_mistakes_passes() {
    let (code, out, err) = Project::new().scenario(SCENARIO).run(&["check"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "1 scenario, 1 runbook: no mistakes\n", ""));
}

#[test]
fn services_that_the_stack_does_not_have() {
    insta::assert_snapshot!(mistakes_of(&[
        ("http://checkout:8080/checkout", "http://chekout:8080/checkout"),
        ("service: db", "service: database"),
        ("recover:", "detect: { metrics: http://prometheus:9090/metrics, when: up < 1, within: 5s }\nrecover:"),
    ]));
}

#[test]
fn a_stack_that_compose_does_not_accept() {
    let project = Project::new().scenario(SCENARIO).file("stacks/shop/compose.yaml", "services:\n  db:\n    imag: x\n");
    let told = project.mistakes();
    assert!(told.contains("(stacks/shop/compose.yaml") && told.contains("imag"), "{told}");
}

#[test]
fn without_docker_the_files_are_judged_all_the_same() {
    let broken = changed(&[("rate: 50/s", "rate: fast")]);
    let project = Project::new().scenario(SCENARIO).file("scenarios/other.yaml", broken).env("PATH", "/nowhere");
    let told = project.mistakes();
    assert!(told.contains("`fast` is not a rate") && told.contains("1 error\nerror: "), "{told}");
    let fine = Project::new().scenario(SCENARIO).env("PATH", "/nowhere");
    assert_eq!(fine.run(&["check"]).0, 3, "what cannot be judged is not passed");
}

#[test]
fn the_environment_of_the_runner_gives_values() {
    let text = changed(&[(
        "recover:",
        "runbook: ../runbooks/slow.md\nrespond: { vars: { DB_HOST: { secret: true, env: THE_HOST } } }\nrecover:",
    )]);
    let project = |value: &str| Project::new().scenario(text.clone()).env("THE_HOST", value);
    let (code, out, err) = project("db-1").run(&["check"]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "1 scenario, 1 runbook: no mistakes\n", ""));
    let told = project("db7").run(&["check"]).2;
    assert!(told.contains("scenarios/slow.yaml:16:50") && told.contains("fewer than 4 characters"), "{told}");
    assert!(!told.contains("db7"), "{told}");
    let text = text.replace("secret: true, env: THE_HOST", "env: THE_TOKEN");
    let told = Project::new().scenario(text).env("THE_TOKEN", "db-1").run(&["check"]).2;
    assert!(told.contains("variable `DB_HOST`: its name is that of a secret"), "{told}");
}

#[test]
fn what_likely_is_not_meant_is_a_warning() {
    let text = changed(&[
        ("recover:", "runbook: ../runbooks/slow.md\nrespond: { vars: { DB_HOTS: db } }\nrecover:"),
        ("slis:", "  unused: { request: GET http://checkout:8080/, rate: 1/s }\nslis:"),
    ]);
    let (code, out, err) = Project::new().scenario(text).run(&["check"]);
    assert_eq!((code, out.as_str()), (0, "1 scenario, 1 runbook: no errors\n"), "{err}");
    insta::assert_snapshot!(brief::brief(&err));
}

#[test]
fn commands_whose_failure_nobody_would_learn_of_are_warned_of() {
    let runbook = "# T\n\n## Diagnosis\n\n```bash\ncurl -s http://checkout:8080/\n```\n\n## Mitigation\n\n```bash\n\
                   curl -X POST http://checkout:8080/reset\ncurl -f http://checkout:8080/\n\
                   curl -i http://checkout:8080/\nredis-cli FLUSHDB > /dev/null\nredis-cli PING\n\
                   redis-cli FLUSHALL | tail -1\nredis-cli FLUSHALL | grep -q OK\n\
                   until redis-cli PING; do sleep 1; done\nuntil redis-cli PING | grep -q PONG; do sleep 1; done\n\
                   if curl -sf http://checkout:8080/; then echo up; fi\nuntil nc -z db 5432; do sleep 1; done\n```\n\n\
                   <!-- firedrill: errors=allowed -->\n```bash\ncurl http://checkout:8080/\n```\n\n\
                   ```console\n$ docker compose ps\nNAME  IMAGE\ndocker compose stop batch\n```\n\n## Verification\n\n\
                   ```bash\ncurl -fsS http://checkout:8080/ || echo down\n```\n";
    let text = changed(&[("recover:", "runbook: ../runbooks/slow.md\nrecover:")]);
    let (code, out, err) = Project::new().scenario(text).file("runbooks/slow.md", runbook).run(&["check"]);
    assert_eq!((code, out.as_str()), (0, "1 scenario, 1 runbook: no errors\n"), "{err}");
    insta::assert_snapshot!(brief::brief(&err));
}

#[test]
fn verifications_of_which_nobody_learns_whether_they_failed_are_warned_of() {
    let runbook = "# T\n\n## Mitigation\n\n```bash\ndocker compose restart checkout\n```\n\n## Verification\n\n\
                   ```bash\ncurl -s http://checkout:8080/ | head -1\n```\n\n\
                   ```bash\ncurl -s http://checkout:8080/\ncurl -s http://checkout:8080/healthz\necho done\n```\n\n\
                   <!-- firedrill: expect=/ok/ -->\n```bash\ncurl -s http://checkout:8080/healthz\n```\n\n\
                   ```bash\ncurl -s http://checkout:8080/\ncurl -f http://checkout:8080/\n```\n\n\
                   ```bash\nset -e\nfor s in a b; do curl -fsS http://$s/; done\n```\n\n\
                   ```bash\nfor s in a b; do curl -fsS http://$s/; done\n```\n";
    let text = changed(&[("recover:", "runbook: ../runbooks/slow.md\nrecover:")]);
    let (code, _, err) = Project::new().scenario(text).file("runbooks/slow.md", runbook).run(&["check"]);
    assert_eq!(code, 0, "{err}");
    let told: Vec<&str> =
        err.split("\n\n").filter(|found| found.contains("nobody will learn whether this fails")).collect();
    let [head, curl, of_loop] = told[..] else { panic!("{err}") };
    assert!(head.contains("`head`") && head.contains("slow.md:12:1"), "{head}");
    assert!(curl.contains("`curl`") && curl.contains("slow.md:17:1"), "{curl}");
    assert!(of_loop.contains("only the last round tells") && of_loop.contains("slow.md:37:1"), "{of_loop}");
}

#[test]
fn a_variable_in_another_spelling_has_no_value() {
    let runbook = RUNBOOK.replace("'SELECT 1'", "'SELECT 1'\npsql -h \"$Db_Host\" -c 'SELECT 2'");
    let more = "runbook: ../runbooks/slow.md\nrespond: { phases: [mitigate, verify], vars: { DB_HOST: db } }\nrecover:";
    let (code, _, err) =
        Project::new().scenario(changed(&[("recover:", more)])).file("runbooks/slow.md", runbook).run(&["check"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("`$Db_Host` is no variable that anybody sets: the runbook reads `$DB_HOST` as well"), "{err}");
    assert!(err.contains("runbooks/slow.md:9:10"), "{err}");
    assert!(err.contains("the runbook has no step in `verify`, which `phases` selects"), "{err}");
}

#[test]
fn what_a_drill_leaves_to_a_person_is_told() {
    let told = |verification: &str| {
        let runbook = format!(
            "# T\n\n## Mitigation\n\nClick *Save*, then restart it:\n\n```bash\ndocker compose restart checkout\n```\n\n\
             ## Verification\n\n{verification}\n"
        );
        let text = changed(&[("recover:", "runbook: ../runbooks/slow.md\nrecover:")]);
        let (code, _, err) = Project::new().scenario(text).file("runbooks/slow.md", runbook).run(&["check"]);
        assert_eq!(code, 0, "{err}");
        let left = "leaves out what is for a person: Click Save, then restart it";
        assert!(err.contains(left) && err.contains("runbooks/slow.md:5:1"), "{err}");
        err
    };
    let idle = "# T\n\n## Mitigation\n\nFail over in the console.\n\n## Verification\n\n```bash\ncurl -f http://checkout/\n```\n".to_string();
    let text = changed(&[("recover:", "runbook: ../runbooks/slow.md\nrecover:")]);
    let (code, _, err) = Project::new().scenario(text).file("runbooks/slow.md", idle).run(&["check"]);
    assert!(err.contains("this mitigation has no command that a drill runs") && code == 0, "{err}");
    let shows = "nothing of this verification can fail";
    let ps = told("```bash\ndocker compose ps\n```");
    assert!(ps.contains(shows) && ps.contains("runbooks/slow.md:14:1"), "{ps}");
    let nothing = told("Look at it.");
    assert!(nothing.contains("this verification has no command that a drill runs"), "{nothing}");
    for fails in [
        "```bash\ndocker compose ps\ncurl -f http://checkout/\n```",
        "<!-- firedrill: expect=/up/ -->\n```bash\ndocker compose ps\n```",
    ] {
        let fails = told(fails);
        assert!(!fails.contains(shows), "{fails}");
    }
}

#[test]
fn a_command_in_a_list_is_marked_below_itself() {
    let runbook = "# T\n\n## Mitigation\n\n1. Do it:\n\n   ```bash\n   docker compose restart checkout\n   ```\n";
    let text = changed(&[("recover:", "runbook: ../runbooks/slow.md\nrecover:")]);
    let (_, _, err) = Project::new().scenario(text).file("runbooks/slow.md", runbook).run(&["check"]);
    assert!(err.contains("runbooks/slow.md:8:4"), "{err}");
}

#[test]
fn words_of_a_reading_and_of_a_scenario_that_stand_against_each_other() {
    let step = |name: &str| format!("### Restart {name}\n\n```bash\ndocker compose restart {name}\n```\n\n");
    let steps: String = ["alpha", "beta", "gamma"].into_iter().map(step).collect();
    let project = Project::new()
        .file("runbooks/slow.md", format!("# T\n\n## Mitigation\n\n{steps}"))
        .scenario(changed(&[("recover:", "runbook: ../runbooks/slow.md\nrecover:")]));
    let (code, _, err) = project.run(&["accept", "--proposed", "--by", "oncall@example.com", "runbooks"]);
    assert_eq!(code, 0, "{err}");
    let path = project.dir.path().join("runbooks/slow.reading.yaml");
    let written = std::fs::read_to_string(&path).expect("a reading");
    let decided: Vec<&str> = written.split("do: run").collect();
    let [before, alpha, beta, gamma] = decided[..] else { panic!("three decisions: {written}") };
    let way = "do: { choice: cache, way: redis }";
    let project =
        project.file("runbooks/slow.reading.yaml", format!("{before}do: run{alpha}do: skip{beta}{way}{gamma}"));

    let respond = |choose: &str| {
        let steps =
            "steps: { mitigate/restart-alpha: { skip: no alpha here }, mitigate/restart-beta: { choose: true } }";
        let respond = format!("runbook: ../runbooks/slow.md\nrespond: {{ {choose} }}\n{steps}\nrecover:");
        changed(&[("recover:", respond.as_str())])
    };
    let project = project.scenario(respond("choose: { cache: redis }"));
    let (code, _, err) = project.run(&["check"]);
    assert_eq!(code, 0, "{err}");
    insta::assert_snapshot!(brief::brief(&err));
    let project = project.scenario(respond(""));
    insta::assert_snapshot!(brief::brief(&project.run(&["check"]).2));
    let project = project.scenario(respond("choose: { cache: memcached, backends: x }"));
    insta::assert_snapshot!(project.mistakes());
}

#[test]
fn the_list_shows_also_what_is_broken() {
    let project = Project::new().scenario(SCENARIO).file("scenarios/broken.yaml", "title: [1\n");
    let (code, out, err) = project.run(&["list"]);
    assert_eq!((code, err.as_str()), (0, ""));
    insta::assert_snapshot!(out);
}
