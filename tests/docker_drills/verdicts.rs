//! A drill passes only when the runbook works: the shipped runbooks pass, and every way in which a runbook, a fault, a
//! stack or an alert can fall short has its own verdict.

use crate::drill::{self, DB_POOL, Project, RESTARTS, UPSTREAM, container, poll, psql, try_docker};
use firedrill::record::{Check, Event, FaultAfter, FaultEvent, Phase, StepStatus, Verdict};
use std::time::Duration;

const CLOSE_THE_DOOR: &str = "psql -X -c \"ALTER ROLE \\\"$BLOCKER_ROLE\\\" NOLOGIN\"\n";

/// A step of a runbook from its heading up to the next one of these words.
fn section(text: &str, from: &str, to: &str) -> String {
    let start = text.find(from).unwrap_or_else(|| panic!("no `{from}`"));
    let end = text[start..].find(to).unwrap_or_else(|| panic!("no `{to}` after `{from}`"));
    text[start..start + end].to_string()
}

/// The shipped runbook without one of its steps.
fn without(project: &Project, runbook: &str, from: &str, to: &str) {
    let text = project.read(runbook);
    let step = section(&text, from, to);
    assert!(step.contains("```bash"), "a step with a command: {step}");
    project.write(runbook, &text.replacen(&step, "", 1));
}

#[test]
fn the_good_runbook_for_a_drained_pool_passes() {
    let project = Project::shipped(DB_POOL, &[], &[]);
    let junit = project.path().join("out/junit.xml");
    let drill = project.drill("db-pool", &["--junit", junit.to_str().expect("a path")]);
    drill.came_to(Verdict::Passed, 0, &["users recovered"]).reverted().sealed();
    drill.fault_after("postgres_lock", FaultAfter::ClearedByRunbook);
    let phases = [Phase::Up, Phase::Steady, Phase::Inject, Phase::Impact, Phase::Respond, Phase::Recover];
    let watched: Vec<Phase> = drill.phases().into_iter().filter(|phase| *phase != Phase::Detect).collect();
    assert_eq!(watched, [&phases[..], &[Phase::Revert, Phase::Down]].concat());
    drill.passed_check(Check::Steady).passed_check(Check::Impact).passed_check(Check::Detection);
    drill.passed_check(Check::StillBroken).passed_check(Check::Recovery { sli: "availability".into() });
    drill.passed_check(Check::Revert).passed_check(Check::NothingLeft);
    // The fault stayed on until the runbook itself had ended it.
    let lifted = drill.record.fault_record("postgres_lock").and_then(|fault| fault.at(FaultEvent::Reverted));
    assert!(lifted > drill.record.mitigation_ended_us, "{}", drill.story());

    let text = std::fs::read_to_string(&junit).expect("the report of --junit");
    let report = roxmltree::Document::parse(&text).expect("well-formed XML");
    let count = |tag: &str| report.descendants().filter(|node| node.has_tag_name(tag)).count();
    assert_eq!((count("failure"), count("error")), (0, 0), "{text}");
    assert!(count("testcase") > 15 && count("skipped") == 1, "{text}");

    // How far the measuring can be trusted is part of the record.
    let measuring = drill.record.figures().measuring;
    assert!(measuring.busy_mean.is_some() && measuring.available_min_bytes > Some(0), "{measuring:?}");
    assert!(measuring.cpu_us > Some(0) && measuring.memory_max_bytes > Some(0), "{measuring:?}");
    assert!(drill.record.usage.iter().any(|seen| seen.sample.networks == 1), "{:?}", drill.record.usage);

    for name in ["record.json", "events.jsonl", "junit.xml", "ledger.jsonl", "compose.json", "logs", "files"] {
        assert!(drill.dir.join(name).exists(), "{name}");
    }
    for secret in ["oncall-local", "postgres-local", "shop-local"] {
        let found = try_grep(&drill.dir, secret);
        assert_eq!(found, Vec::<String>::new(), "`{secret}` must not be in the files of the run");
    }
}

/// The files below a directory that hold a text.
fn try_grep(dir: &std::path::Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(try_grep(&path, text));
        } else if String::from_utf8_lossy(&std::fs::read(&path).expect("a file")).contains(text) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn a_command_in_a_service_is_an_sli_that_suffers_and_recovers() {
    let run = "psql -X -U postgres -d shop -tAc \"SET lock_timeout = '500ms'; SELECT count(*) FROM inventory\" | grep -q '[0-9]'";
    let sli = format!(
        "slis:\n  stock: {{ command: {{ service: db, run: {run:?}, every: 500ms, timeout: 5s }}, objective: 70% }}\n  availability:"
    );
    let project = Project::shipped(DB_POOL, &[("slis:\n  availability:", &sli)], &[]);
    let drill = project.drill("db-pool", &[]);
    drill.came_to(Verdict::Passed, 0, &["users recovered"]).reverted();
    drill.passed_check(Check::Recovery { sli: "stock".into() });
    let confirmed = drill.record.fault_record("postgres_lock").and_then(|fault| fault.at(FaultEvent::Confirmed));
    let (from, to) = (confirmed.expect("a fault"), drill.record.mitigation_started_us.expect("a mitigation"));
    let counted = |within: bool| {
        let slices = drill.events.iter().filter_map(|stamped| match &stamped.event {
            Event::Slice(slice) if slice.load == "command:stock" => Some(slice),
            _ => None,
        });
        let slices = slices.filter(|slice| ((from..to).contains(&slice.start_us)) == within);
        slices.fold((0, 0), |(due, good), slice| (due + slice.due, good + slice.good.values().sum::<u64>()))
    };
    let (due, good) = counted(true);
    assert!(due >= 2 && good * 2 <= due, "{good} of {due} while it is locked\n{}", drill.story());
    let (due, good) = counted(false);
    assert!(due >= 8 && good * 2 > due, "{good} of {due}\n{}", drill.story());
}

#[test]
fn the_good_runbook_for_a_failing_provider_passes_with_the_fault_still_active() {
    let project = Project::shipped(UPSTREAM, &[], &[]);
    let drill = project.drill("upstream-503", &[]);
    drill.came_to(Verdict::Passed, 0, &["users recovered"]).reverted();
    drill.fault_after("http_status", FaultAfter::StillActive);
    drill.passed_check(Check::Detection).passed_check(Check::StillBroken).passed_check(Check::Revert);
}

/// In production there is no agent between the two, and so no way around what it stands for.
#[test]
fn who_goes_around_the_agent_in_front_of_a_service_has_proved_nothing() {
    let project = Project::shipped(UPSTREAM, &[("phases: [diagnose, mitigate, verify]", "phases: [mitigate]")], &[]);
    let page = "# The provider fails\n\n## Mitigation\n\n### Step 1: Name its address\n\n```bash\n\
        IP=$(docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' shop-payments-1)\n\
        docker compose exec -T -u root checkout sh -c \"echo $IP payments >> /etc/hosts\"\n\
        docker compose kill -s HUP checkout\n```\n";
    project.write("runbooks/upstream-503.md", page);
    let drill = project.drill("upstream-503", &[]);
    drill.came_to(Verdict::HarnessError, 3, &["is connected to", "not to its agent"]).reverted();
}

#[test]
fn the_good_runbook_for_a_service_that_dies_again_passes_with_docker_in_its_steps() {
    let project = Project::shipped(RESTARTS, &[], &[]);
    let drill = project.drill("restart-loop", &[]);
    drill.came_to(Verdict::Passed, 0, &["users recovered"]).reverted();
    drill.fault_after("container_kill", FaultAfter::ClearedByRunbook);
    drill.passed_check(Check::Detection).passed_check(Check::StillBroken).passed_check(Check::Revert);
    // What stands in the runbook is what ran, and the engine was asked for each of it.
    let (commands, calls) = (drill.commands().join("\n"), drill.file("logs/docker.log"));
    for docker in ["ps --all", "inspect", "logs --tail", "exec checkout", "restart", "--force-recreate", "--scale"] {
        assert!(commands.contains(docker) && calls.contains(docker), "`{docker}`\n{calls}\n{}", drill.story());
    }
}

#[test]
fn a_restart_of_what_dies_again_is_not_recovered_from() {
    let edits = [
        ("recover: { within: 30s, hold: 2s }", "recover: { within: 4s, hold: 2s }"),
        ("container_kill: { service: payments, returns: 1s }", "restart_loop: { service: payments, after: 1s }"),
    ];
    let project = Project::shipped(RESTARTS, &edits, &[]);
    // Without the second checkout as well: `up` looks at what it depends on, and fails where that has died again.
    without(&project, "runbooks/restart-loop.md", "### Step 2: Replace its container", "## Verification");
    let drill = project.drill("restart-loop", &[]);
    drill.came_to(Verdict::NotRecovered, 1, &["users had not recovered within 4.0 s"]).reverted();
    drill.fault_after("restart_loop", FaultAfter::StillActive);
    assert_eq!(drill.step_status("restart-it"), Some(StepStatus::Passed), "{}", drill.story());
}

#[test]
fn without_its_load_bearing_step_users_do_not_recover_which_a_scenario_may_expect() {
    let expect = [(
        "recover: { within: 30s, hold: 2s }",
        "recover: { within: 3s, hold: 2s }\nexpect: { verdict: not_recovered }",
    )];
    let project = Project::shipped(DB_POOL, &expect, &[]);
    without(&project, "runbooks/db-pool.md", "### Step 3: End its sessions", "## Verification");
    let drill = project.drill("db-pool", &[]);
    drill.came_to(Verdict::NotRecovered, 0, &["users had not recovered within 3.0 s", "availability"]);
    drill.at("runbooks/db-pool.md", project.line("runbooks/db-pool.md", "### Step 2: Keep the role from logging in"));
    drill.failed_check(Check::Recovery { sli: "availability".into() }).reverted();
    drill.fault_after("postgres_lock", FaultAfter::StillActive);
    // Its own verification noticed as well, and users' indicators had the last word.
    assert_eq!(drill.step_status("no-request-of-the-shop-waits"), Some(StepStatus::Failed));
}

#[test]
fn a_fault_that_comes_back_after_a_half_hearted_mitigation_is_not_recovered_from() {
    let edits = [("recover: { within: 30s, hold: 2s }", "recover: { within: 4s, hold: 2s }")];
    let project = Project::shipped(DB_POOL, &edits, &[]);
    without(&project, "runbooks/db-pool.md", "### Step 2: Keep the role from logging in", "### Step 3");
    let drill = project.drill("db-pool", &[]);
    drill.came_to(Verdict::NotRecovered, 1, &["users had not recovered within 4.0 s"]).reverted();
    drill.fault_after("postgres_lock", FaultAfter::StillActive);
    assert_eq!(drill.step_status("end-its-sessions"), Some(StepStatus::Passed), "{}", drill.story());
}

#[test]
fn a_typo_in_the_first_of_two_lines_fails_the_step_and_names_its_line() {
    let typo = format!("{}psql -X -c \"SELECT 'the door is shut'\"\n", CLOSE_THE_DOOR.replace("psql", "pqsl"));
    let project = Project::shipped(DB_POOL, &[], &[(CLOSE_THE_DOOR, &typo)]);
    let line = project.line("runbooks/db-pool.md", "pqsl");
    let drill = project.drill("db-pool", &[]);
    drill.came_to(Verdict::StepFailed, 1, &["pqsl", "127", "`steps`"]).at("runbooks/db-pool.md", line).reverted();
    assert_eq!(drill.step_status("keep-the-role-from-logging-in"), Some(StepStatus::Failed));
    assert!(!drill.commands().iter().any(|command| command.contains("the door is shut")), "{}", drill.story());
    let (junit, place) = (drill.file("junit.xml"), format!("runbooks/db-pool.md:{line}"));
    let report = roxmltree::Document::parse(&junit).expect("well-formed XML");
    let failures: Vec<_> = report.descendants().filter(|node| node.has_tag_name("failure")).collect();
    assert!(
        failures.iter().any(|node| format!("{:?}{:?}", node.attributes(), node.text()).contains(&place)),
        "{junit}"
    );
}

#[test]
fn a_missing_input_blocks_the_step_and_its_command_does_not_run() {
    let edits = [("{ service: checkout, upstream: payments }", "{ service: checkout }")];
    let project = Project::shipped(UPSTREAM, &edits, &[]);
    let drill = project.drill("upstream-503", &[]);
    drill.came_to(Verdict::StepBlocked, 1, &["<upstream>", "--var"]).reverted();
    drill.at("runbooks/upstream-503.md", project.line("runbooks/upstream-503.md", "curl -sS -m 5 -w"));
    assert_eq!(drill.commands().len(), 1, "only the step before it ran\n{}", drill.story());
    assert!(drill.commands()[0].contains("upstream_"), "{}", drill.story());
    assert!(drill.record.mitigation_started_us.is_none());
}

#[test]
fn a_fault_that_does_not_bite_proves_nothing() {
    let edits = [
        ("path: /charge, status: 503", "path: /nobody/calls/this, status: 503"),
        ("below: 90%, within: 15s", "below: 90%, within: 3s"),
    ];
    let project = Project::shipped(UPSTREAM, &edits, &[]);
    let drill = project.drill("upstream-503", &[]);
    drill.came_to(Verdict::NoImpact, 1, &["no SLI fell below 90%"]).reverted();
    drill.passed_check(Check::Injection { fault: "http_status".into() }).failed_check(Check::Impact);
    assert_eq!(drill.commands(), Vec::<&str>::new());
}

#[test]
fn a_service_that_is_unhealthy_from_the_start_is_unsteady() {
    let project = Project::shipped(DB_POOL, &[], &[]);
    let compose = "services:
  web:
    image: debian:bookworm-slim
    init: true
    command: [bash, -c, 'echo cannot open the ledger; exec sleep 1000']
    healthcheck: { test: [CMD, 'false'], interval: 200ms, retries: 2 }
";
    project.write("compose.yaml", compose);
    project.write(
        "scenarios/sick.yaml",
        "title: A service that is never well
stack: ../compose.yaml
runbook: ../runbooks/db-pool.md
load: { web: { request: GET http://web/, rate: 40/s } }
slis: { availability: { load: web, good: status < 500, objective: 95% } }
faults: [ container_pause: { service: web } ]
recover: { within: 3s }
respond: { vars: { SERVICE: web, ONCALL_PASSWORD: x } }
",
    );
    let drill = project.drill("sick", &[]);
    drill.came_to(Verdict::Unsteady, 1, &["`web` is not healthy", "cannot open the ledger"]);
    assert_eq!(drill.phases(), [Phase::Up, Phase::Revert, Phase::Down]);
    drill.failed_check(Check::Steady);
}

#[test]
fn an_alert_that_never_fires_leaves_the_fault_undetected() {
    let edits = [("db_pool_available < 1, within: 15s", "db_pool_available > 100, within: 2s")];
    let project = Project::shipped(DB_POOL, &edits, &[]);
    let drill = project.drill("db-pool", &[]);
    drill.came_to(Verdict::Undetected, 1, &["db_pool_available > 100", "within 2.0 s"]).reverted();
    drill.passed_check(Check::Impact).failed_check(Check::Detection);
    assert_eq!(drill.commands(), Vec::<&str>::new());
}

#[test]
fn a_fault_that_ends_by_itself_before_the_mitigation_is_self_healed() {
    // Whoever follows this runbook looks until the shop has been well for two seconds.
    let looks = "SEEN=0
for _ in $(seq 250); do
  if curl -fsS -m 1 \"http://$SERVICE:8080/healthz\"; then SEEN=$((SEEN + 1)); else SEEN=0; fi
  [ $SEEN -lt 20 ] || break
  sleep 0.1
done
";
    let command = "psql -X -At -c \"SELECT 'connected to '";
    let edits = [(", returns: 1s", ""), ("phases: [", "timeout: 90s\n  phases: [")];
    let project = Project::shipped(DB_POOL, &edits, &[]);
    let runbook = project.read("runbooks/db-pool.md");
    let looking = looks.lines().map(|line| format!("   {line}\n")).collect::<String>();
    assert_eq!(runbook.matches(command).count(), 1);
    project.write(
        "runbooks/db-pool.md",
        &runbook.replacen(&format!("   {command}"), &format!("{looking}   {command}"), 1),
    );

    let drill = project.followed("db-pool", &[], |running| {
        let run = running.run();
        running.until(
            "the command that looks",
            |event| matches!(event, Event::CommandStarted { text, .. } if text.contains("SEEN=$((SEEN")),
        );
        // Somebody else ends the session that holds the lock.
        poll("the lock to be ended", Duration::from_secs(60), || {
            let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename LIKE 'firedrill%'";
            let ended = psql(&run, sql)?;
            if ended == "0" { Err("nobody holds it".into()) } else { Ok(()) }
        });
    });
    drill.came_to(Verdict::SelfHealed, 1, &["recovered before the first mitigating command"]).reverted();
    drill.failed_check(Check::StillBroken);
    assert!(drill.record.mitigation_started_us.is_none());
    assert!(!drill.commands().iter().any(|command| command.contains("BLOCKER_ROLE")), "{}", drill.story());
}

/// A control waits as long as users may need to recover.
pub const CONTROL_SOON: [(&str, &str); 2] =
    [("recover: { within: 30s, hold: 2s }", "recover: { within: 3s, hold: 2s }"), ("rto: 3m", "rto: 10s")];

#[test]
fn the_control_of_a_drained_pool_does_not_recover() {
    let drill = Project::shipped(DB_POOL, &CONTROL_SOON, &[]).drill("db-pool", &["--control"]);
    control(&drill);
}

#[test]
fn the_control_of_a_failing_provider_does_not_recover() {
    let drill = Project::shipped(UPSTREAM, &CONTROL_SOON, &[]).drill("upstream-503", &["--control"]);
    control(&drill);
}

#[test]
fn the_control_of_a_service_that_dies_again_does_not_recover() {
    let drill = Project::shipped(RESTARTS, &CONTROL_SOON, &[]).drill("restart-loop", &["--control"]);
    control(&drill);
}

pub fn control(drill: &drill::Drill) {
    drill.came_to(Verdict::Passed, 0, &["without the runbook users did not recover"]).reverted();
    drill.passed_check(Check::Control);
    assert!(drill.record.is_control() && drill.commands().is_empty(), "{}", drill.story());
}

#[test]
fn a_stack_that_does_not_build_is_no_verdict_on_the_runbook() {
    let project = Project::shipped(DB_POOL, &[], &[]);
    let text = project.read("scenarios/db-pool.yaml");
    let stack = text.lines().find(|line| line.starts_with("stack: ")).expect("a stack");
    project.write("scenarios/db-pool.yaml", &text.replace(stack, "stack: ../compose.yaml"));
    project.write(
        "compose.yaml",
        "services:\n  checkout: { build: broken, expose: [8080, 9100] }\n  db: { image: 'debian:bookworm-slim' }\n",
    );
    let nonce = format!("{:?}", std::time::SystemTime::now());
    project.write(
        "broken/Dockerfile",
        &format!(
            "FROM debian:bookworm-slim\nRUN echo '{nonce}' && echo 'ld: cannot find -lfrobnicate' >&2 && exit 7\n"
        ),
    );
    let finished = project.firedrill(&["scenario", "db-pool", "--no-color"]);
    assert_eq!(finished.exit, Some(3), "{}", finished.stderr);
    let said = |text: &str| finished.stderr.find(text).unwrap_or_else(|| panic!("no `{text}` in\n{}", finished.stderr));
    let reason = said("the stack does not build");
    assert!(reason < said("ld: cannot find -lfrobnicate"), "the reason first\n{}", finished.stderr);
    let drill = project.drill("db-pool", &[]);
    drill.came_to(Verdict::HarnessError, 3, &["the stack does not build", "ld: cannot find -lfrobnicate"]);
    assert!(drill.file("logs/build.log").contains("ld: cannot find -lfrobnicate"));
    assert!(drill.file("junit.xml").contains("<error"));
}

#[test]
fn a_database_that_is_killed_under_the_drill_fails_the_step_that_needs_it() {
    let project = Project::shipped(DB_POOL, &[], &[]);
    let drill = project.followed("db-pool", &[], |running| {
        let run = running.run();
        running.until("the first mitigating step", |event| matches!(event, Event::MitigationStarted { .. }));
        try_docker(&["kill", &container(&run, "db")]).expect("a running database");
    });
    drill.came_to(Verdict::StepFailed, 1, &["exited with"]);
    assert!(drill.record.at.as_ref().is_some_and(|at| at.path == "runbooks/db-pool.md"), "{}", drill.story());
}

#[test]
fn a_database_that_is_stopped_before_anything_was_broken_is_unsteady() {
    let project = Project::shipped(DB_POOL, &[("steady: { for: 2s }", "steady: { for: 2s, within: 5s }")], &[]);
    let drill = project.followed("db-pool", &[], |running| {
        let run = running.run();
        running.phase(Phase::Steady);
        try_docker(&["stop", "--time", "2", &container(&run, "db")]).expect("a running database");
    });
    drill.came_to(Verdict::Unsteady, 1, &["availability"]);
    assert!(drill.record.faults.is_empty(), "nothing was broken\n{}", drill.story());
}

#[test]
fn an_agent_that_is_killed_under_the_drill_is_an_error_of_the_harness() {
    let project = Project::shipped(UPSTREAM, &[], &[]);
    let drill = project.followed("upstream-503", &[], |running| {
        let run = running.run();
        running.phase(Phase::Respond);
        try_docker(&["kill", &container(&run, "fd-agent")]).expect("a running agent");
    });
    drill.came_to(Verdict::HarnessError, 3, &["fd-agent"]);
}
