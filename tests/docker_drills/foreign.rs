//! A Compose project that is not ours, `tests/foreign/`: nginx and Redis, a runbook that is followed inside one of its
//! services, and much of what a Compose file may hold. It needs nothing in `src/`.

use crate::drill::{ALLOWED, Drill, Leftovers, Project, Running, containers, copy, docker, edit, poll, try_docker};
use firedrill::record::{Check, DrillTime, Event, FaultAfter, FaultEvent, Phase, Verdict};
use rustix::process::{Signal, kill_process};
use std::path::Path;

/// A copy, so that what a drill writes goes elsewhere.
fn project() -> Project {
    let project = Project::empty();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign"), project.path());
    project
}

/// Services of a run with the state of their containers, our own left out.
fn services(run: &str) -> Vec<String> {
    let filter = format!("label=dev.firedrill.run={run}");
    let format = "{{.Label \"com.docker.compose.service\"}} {{.State}}";
    let all = docker(&["ps", "--all", "--filter", &filter, "--format", format]);
    let mut all: Vec<String> = all.lines().filter(|line| !line.starts_with("fd-")).map(str::to_string).collect();
    all.sort();
    all
}

/// The developer's own things have names that a drill must not use.
fn developers_own_is_untouched() {
    assert!(try_docker(&["volume", "inspect", "price-list-cache"]).is_err());
    assert!(try_docker(&["network", "inspect", "price-list-front"]).is_err());
    assert!(try_docker(&["inspect", "price-list-edge"]).is_err());
}

#[test]
fn its_runbook_is_followed_inside_its_service() {
    let project = project();
    let check = project.firedrill(&["check"]);
    assert_eq!(check.exit, Some(0), "{}{}", check.stdout, check.stderr);
    let meanwhile = |running: &mut Running| {
        let run = running.run();
        running.until("the stack", |event| matches!(event, Event::StackUp(_)));
        let expected = ["audit running", "cache running", "catalog running", "edge running", "warm-up exited"];
        assert_eq!(services(&run), expected);
        developers_own_is_untouched();
    };
    let drill = project.followed("catalog-fails", &[], meanwhile);
    drill.came_to(Verdict::Passed, 0, &["users recovered"]).reverted();
    drill.fault_after("http_status", FaultAfter::StillActive);
    drill.passed_check(Check::StillBroken).passed_check(Check::Recovery { sli: "availability".into() });
    assert!(drill.commands().contains(&"redis-cli set serve_stale yes"), "{}", drill.story());
    assert!(said(&drill).contains("41 EUR"), "the job has run and the secret was right\n{}", drill.story());
    for kept in ["record.json", "events.jsonl", "compose.json"] {
        assert!(!drill.file(kept).contains("cached-and-secret"), "the secret is in {kept}");
    }
}

/// A script of the team's own makes the outage with a client of Toxiproxy's API, and no call of it ends a fault of the drill.
#[test]
fn its_own_script_breaks_it_over_toxiproxys_api() {
    let project = project();
    let scenario = project.read("scenarios/catalog-fails.yaml");
    let call = |call: &str, body: &str| {
        let length = body.len();
        let head = format!(r"{call} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{}", body.replace('"', r#"\""#));
        format!(r#"bash -c 'exec 3<>/dev/tcp/catalog/8474 && printf "{head}" >&3 && cat <&3'"#)
    };
    let toxic = r#"{"name":"broken","type":"http_status","attributes":{"status":500,"path":"/price"}}"#;
    let [run, undo, confirm] = [
        call("POST /proxies/catalog/toxics", toxic),
        call("DELETE /proxies/catalog/toxics/broken", ""),
        call("GET /proxies/catalog", "") + " | grep broken",
    ];
    let faults = format!(
        "faults:\n  - http_delay: {{ service: catalog, path: /price, delay: 20ms }}\n  - command:\n      service: edge\n      run: |\n        {run}\n      undo: |\n        {undo}\n      confirm: |\n        \
         {confirm}\n"
    );
    let edits = [
        ("faults: [http_status: { service: catalog, path: /price, status: 500 }]\n", &*faults),
        ("env_files: [../.env] }", "env_files: [../.env], toxiproxy: [catalog] }"),
    ];
    let scenario = edits.iter().fold(scenario, |text, (old, new)| text.replace(old, new));
    project.write("scenarios/catalog-fails.yaml", &scenario);
    let runbook = project.read("runbooks/catalog-fails.md");
    // What a client can take out is not what the drill has put in.
    let reset = call("POST /reset", "") + "; " + &call("GET /proxies", "");
    let step = "   redis-cli set serve_stale yes\n";
    project.write("runbooks/catalog-fails.md", &runbook.replacen(step, &format!("{step}   {reset}\n"), 1));
    let drill = project.drill("catalog-fails", &[]);
    drill.came_to(Verdict::Passed, 0, &["users recovered"]).reverted();
    drill.fault_after("command", FaultAfter::ClearedByRunbook).fault_after("http_delay", FaultAfter::StillActive);
    assert!(!said(&drill).contains("http_delay"), "a fault of the drill is listed\n{}", drill.story());
    let told = drill.file("events.jsonl");
    for call in ["`edge` called POST /proxies/catalog/toxics", "`cache` called POST /reset → 204"] {
        assert!(told.contains(call), "{call}\n{}", drill.story());
    }
}

/// What `catalog`, or the agent in front of it, answers to `edge` on a port.
fn asked(run: &str, port: u16, call: &str, body: &str) -> Result<String, String> {
    let edge = containers(run, "edge").pop().ok_or("edge is gone")?;
    let head = format!("{call} HTTP/1.0\\r\\nContent-Length: {}\\r\\n\\r\\n", body.len());
    let script = format!("exec 3<>/dev/tcp/catalog/{port} && printf '{head}{body}' >&3 && cat <&3");
    try_docker(&["exec", &edge, "timeout", "5", "bash", "-c", &script])
}

#[test]
fn what_a_client_of_toxiproxys_api_has_put_in_is_lifted_when_runner_and_reaper_are_killed() {
    let project = project();
    let edits = [
        ("env_files: [../.env] }", "env_files: [../.env], toxiproxy: [catalog] }"),
        ("steady: { for: 2s }", "steady: { for: 60s, within: 120s }"),
    ];
    project.write("scenarios/catalog-fails.yaml", &edit(&project.read("scenarios/catalog-fails.yaml"), &edits));
    let mut running = project.start("catalog-fails", &[]);
    let run = running.run();
    running.phase(Phase::Steady);
    let price = || asked(&run, 8080, "GET /price", "");
    assert!(price().is_ok_and(|answer| answer.contains("200 OK")));
    let metrics = asked(&run, 8474, "GET /metrics", "").expect("an answer");
    let of = r#"toxiproxy_proxy_sent_bytes_total{direction="downstream",listener="[::]:8080",proxy="catalog","#;
    let sent = metrics.lines().find(|line| line.starts_with(of)).and_then(|line| line.split(' ').next_back());
    assert!(sent.is_some_and(|bytes| bytes.parse::<u64>().is_ok_and(|bytes| bytes > 0)), "{metrics}");
    let toxic = r#"{"name":"broken","type":"http_status","attributes":{"status":500}}"#;
    let put = asked(&run, 8474, "POST /proxies/catalog/toxics", toxic).expect("an answer");
    assert!(put.contains("200 OK"), "{put}");
    assert!(price().is_ok_and(|answer| answer.contains(" 500 ")));

    kill_process(running.reaper(), Signal::KILL).expect("the reaper runs");
    running.kill();
    poll("the agent to lift the toxic, and to end the API", ALLOWED, || {
        // The sweep of another drill that starts may be faster.
        if Leftovers::of(&run, None).is_empty() {
            return Ok(());
        }
        let answer = price()?;
        let ended = asked(&run, 8474, "GET /proxies", "").is_err();
        if ended && answer.contains("200 OK") { Ok(()) } else { Err(format!("the API has ended: {ended}; {answer}")) }
    });
    poll("a sweep to remove the rest", ALLOWED, || {
        project.firedrill(&["sweep"]);
        let left = Leftovers::of(&run, None);
        if left.is_empty() { Ok(()) } else { Err(left.to_string()) }
    });
    let drill = running.gather();
    assert!(!drill.record.passed(), "{}", drill.story());
}

#[test]
fn a_toxic_that_comes_and_goes_is_worked_around_and_is_lifted_each_time() {
    let project = project();
    let fault = "faults:\n  - toxic: { service: catalog, type: down }\n    lasts: 1500ms\n    every: 5s\n";
    let edits = [
        ("faults: [http_status: { service: catalog, path: /price, status: 500 }]\n", fault),
        ("recover: { within: 8s, hold: 2s }", "recover: { within: 12s, hold: 7s }"),
    ];
    project.write("scenarios/catalog-fails.yaml", &edit(&project.read("scenarios/catalog-fails.yaml"), &edits));
    let drill = project.drill("catalog-fails", &[]);
    drill.came_to(Verdict::Passed, 0, &["users recovered"]).reverted().fault_after("toxic", FaultAfter::StillActive);
    let life = &drill.record.fault_record("toxic").expect("a fault").life;
    let of = |what: FaultEvent| life.iter().filter(move |moment| moment.what == what).collect::<Vec<_>>();
    let (begins, ends) = (of(FaultEvent::Injecting), of(FaultEvent::Away));
    assert!(begins.len() >= 2 && !ends.is_empty(), "{}", drill.story());
    let after = |later: DrillTime, earlier: DrillTime| later.since(earlier).as_secs_f64();
    for (n, begin) in begins.iter().enumerate() {
        let late = after(begin.at_us, begins[0].at_us) - 5.0 * n as f64;
        assert!((0.0..1.5).contains(&late), "{late} s\n{}", drill.story());
    }
    for (begin, end) in begins.iter().zip(&ends) {
        let lasted = after(end.at_us, begin.at_us);
        assert!((1.5..4.0).contains(&lasted), "{lasted} s\n{}", drill.story());
        assert!(end.detail.contains("the rule was taken out; it acted on "), "{}", drill.story());
    }
}

/// The control of a drill with this fault, after which answers are late.
fn slow(fault: &str, acted: &str) {
    let project = project();
    let scenario = project.read("scenarios/catalog-fails.yaml");
    let slow = [
        ("status < 500", "latency < 250ms"),
        ("http_status: { service: catalog, path: /price, status: 500 }", fault),
        ("recover: { within: 8s", "recover: { within: 3s"),
    ];
    let text = slow.iter().fold(scenario, |text, (old, new)| text.replace(old, new));
    project.write("scenarios/slow.yaml", &text);
    let drill = project.drill("slow", &["--control"]);
    crate::verdicts::control(&drill);
    assert!(drill.file("events.jsonl").contains(acted), "{}", drill.story());
}

#[test]
fn its_cache_becomes_slow_for_one_client() {
    let fault = "toxic: { service: cache, from: edge, type: latency, attributes: { latency: 150 } }";
    slow(fault, "the rule was taken out; it acted on ");
}

#[test]
fn its_catalog_becomes_slow_for_one_client() {
    let fault = "http_delay: { service: catalog, from: edge, path: /price, share: 60%, delay: 400ms }";
    slow(fault, " matching requests were delayed");
}

#[test]
fn its_catalog_becomes_slow_for_some_requests() {
    slow("http_delay: { service: catalog, path: /price, share: 60%, delay: 400ms }", " matching requests were delayed");
}

#[test]
fn a_fault_of_so_many_requests_ends_by_itself_and_no_runbook_has_ended_it() {
    let project = project();
    let edit = |path: &str, old: &str, new: &str| {
        let text = project.read(path);
        assert!(text.contains(old), "{path}");
        project.write(path, &text.replacen(old, new, 1));
    };
    edit("scenarios/catalog-fails.yaml", "path: /price, status: 500", "path: /price, first: 400, status: 500");
    edit("runbooks/catalog-fails.md", "   redis-cli set serve_stale yes\n", "   redis-cli set seen yes\n   sleep 12\n");
    edit("runbooks/catalog-fails.md", "redis-cli get serve_stale | grep -x yes", "redis-cli get seen | grep -x yes");
    let drill = project.drill("catalog-fails", &[]);
    drill.came_to(Verdict::SelfHealed, 1, &["ended by itself", "leave `first` out"]).reverted();
    drill.fault_after("http_status", FaultAfter::EndedByItself);
}

/// `status < 500` calls 404 good. Users had a price before.
#[test]
fn users_who_are_refused_what_they_got_have_not_recovered() {
    let project = project();
    let text = project.read("scenarios/catalog-fails.yaml");
    let text = text.replace(
        "http_status: { service: catalog, path: /price, status: 500 }",
        "container_kill: { service: catalog }",
    );
    project.write("scenarios/catalog-fails.yaml", &text.replace("respond: { service: cache }\n", ""));
    let page = "# The catalog fails\n\n## Mitigation\n\n```bash\ndocker compose up -d --wait catalog\n\
                docker compose exec -T catalog rm /srv/prices/price\n```\n";
    project.write("runbooks/catalog-fails.md", page);
    let drill = project.drill("catalog-fails", &[]);
    drill.came_to(Verdict::NotRecovered, 1, &["refused what they got before", "404 × "]).reverted();
}

/// What the commands of a runbook printed.
fn said(drill: &Drill) -> String {
    let said = drill.events.iter().filter_map(|stamped| match &stamped.event {
        Event::Output { text, .. } => Some(text.as_str()),
        _ => None,
    });
    said.collect()
}

#[test]
fn what_users_must_not_notice_they_do_not() {
    let drill = project().drill("audit-is-gone", &[]);
    drill.came_to(Verdict::Passed, 0, &["every SLI kept its objective"]).reverted();
    drill.passed_check(Check::Impact);
}
