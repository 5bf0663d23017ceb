//! Which decision is about which command, after the page has changed.

use super::*;
use crate::runbook::{Step, parse_with};

const PAGE: &str = "\
# The pool is exhausted

## Mitigation

The batch job holds the connections.

### Step 1: Stop the job

Only its own sessions.

```bash
docker compose stop batch
```

### Step 2: End its sessions

```bash
psql -c 'SELECT 1'
psql -c 'SELECT pg_terminate_backend(1)'
```

## Verification

```bash
curl -fsS http://shop:8080/healthz
```
";

fn runbook(text: &str) -> Runbook {
    let mut diags = Diagnostics::default();
    parse_with(&Source::new("db-pool.md", text), &Default::default(), &mut diags).unwrap()
}

/// Everything is accepted as it stands.
fn accepted(text: &str) -> Accepted {
    let runbook = runbook(text);
    let cases = runbook.review().cases;
    let about = |case: &Reviewed<'_>| Decision::about(case.command, Do::Run, "oncall@example.com", "2026-11-20");
    // Each has a place of its own in its file.
    let decisions = cases.iter().enumerate().map(|(at, case)| Decision { span: Span::new(at, at + 1), ..about(case) });
    Accepted { source: Source::new("db-pool.reading.yaml", ""), decisions: decisions.collect() }
}

/// A text with these decisions about it.
fn decided(text: &str, accepted: &Accepted) -> Runbook {
    let mut runbook = runbook(text);
    runbook.accepted = Some(Arc::new(accepted.clone()));
    runbook.settle(&BTreeMap::new());
    runbook
}

fn command(runbook: &Runbook, step: usize, index: usize) -> &Command {
    &runbook.steps[step].commands()[index]
}

/// What is done about each command of a text, with the decisions about another one.
fn handlings(before: &str, now: &str) -> Vec<(String, Handling)> {
    let runbook = decided(now, &accepted(before));
    let all = runbook.steps.iter().flat_map(Step::commands);
    all.map(|command| (command.text.clone(), command.handling.clone())).collect()
}

fn blocked(before: &str, now: &str) -> Vec<(String, String)> {
    let blocked = |(text, handling)| match handling {
        Handling::Blocked(why) => Some((text, why)),
        _ => None,
    };
    handlings(before, now).into_iter().filter_map(blocked).collect()
}

#[test]
fn what_is_accepted_runs_and_what_looks_needs_nobody() {
    let words: Vec<(String, String)> =
        handlings(PAGE, PAGE).into_iter().map(|(text, handling)| (text, format!("{handling:?}"))).collect();
    let accepted = "Run(\"accepted by oncall@example.com on 2026-11-20\")";
    let looks = "Run(\"it only looks\")";
    assert_eq!(
        words,
        [
            ("docker compose stop batch", accepted),
            ("psql -c 'SELECT 1'", looks),
            ("psql -c 'SELECT pg_terminate_backend(1)'", accepted),
            ("curl -fsS http://shop:8080/healthz", looks),
        ]
        .map(|(text, handling)| (text.to_string(), handling.to_string()))
    );
    let mut nobody = runbook(PAGE);
    nobody.settle(&BTreeMap::new());
    let open =
        nobody.steps.iter().flat_map(Step::commands).filter(|command| matches!(command.handling, Handling::Blocked(_)));
    assert_eq!(open.count(), 2, "what changes something waits for somebody");
}

#[test]
fn a_word_in_a_paragraph_above_opens_the_decision_again() {
    let now = PAGE.replace("Only its own sessions.", "All sessions.");
    assert_eq!(
        blocked(PAGE, &now),
        [(
            "docker compose stop batch".to_string(),
            "the text before it changed since 2026-11-20: … job holds the connections. [-Only its own-] {+All+} sessions."
                .to_string()
        )]
    );
    // What stands at the top of the section governs all of it.
    let now = PAGE.replace("holds the connections", "may hold the connections");
    assert_eq!(blocked(PAGE, &now).len(), 2);
}

#[test]
fn when_a_page_was_reviewed_is_no_part_of_a_decision() {
    let page = |said: &str| PAGE.replace("The batch job", &format!("{said}\n\nThe batch job"));
    for (before, now) in [
        ("Last reviewed 2026-09-14", "Last reviewed 2026-11-20"),
        ("Last updated: 14 Sep 2026 by Ann Smith", "Last updated: 2026-11-20"),
        (
            "Owner: shop\nLast reviewed: 2026-09-14 by the shop team.",
            "Owner: shop\nLast reviewed: 2026-11-20, by a@b.org.",
        ),
        ("- Reviewed: 2026-09-14", "- Reviewed: 2026-11-20"),
    ] {
        assert_eq!(blocked(&page(before), &page(now)), [], "{before}");
    }
    for (before, now) in [
        ("Last reviewed 2026-09-14.", "Last reviewed 2026-09-14. Only in the EU."),
        ("The copy was updated 2026-09-14.", "The copy was updated 2026-11-20."),
    ] {
        assert_eq!(blocked(&page(before), &page(now)).len(), 2, "{before}");
    }
}

#[test]
fn steps_that_change_their_places_keep_their_decisions() {
    let at = |heading: &str| PAGE.find(heading).unwrap();
    let (first, second, end) = (at("### Step 1"), at("### Step 2"), at("## Verification"));
    let now = [&PAGE[..first], &PAGE[second..end], &PAGE[first..second], &PAGE[end..]].concat();
    assert_eq!(blocked(PAGE, &now), []);
    let renumbered = now.replace("Step 2:", "Step 7:").replace("Step 1:", "Step 2:");
    assert_eq!(blocked(PAGE, &renumbered), [], "their numbers say nothing");
}

#[test]
fn another_heading_opens_the_decision_again() {
    let now = PAGE.replace("Step 2: End its sessions", "Step 2: End all sessions of the old cluster");
    assert_eq!(
        blocked(PAGE, &now),
        [(
            "psql -c 'SELECT pg_terminate_backend(1)'".to_string(),
            "the headings above it changed since 2026-11-20: … / Step 2: End [-its-] {+all+} sessions {+of the old cluster+}"
                .to_string()
        )]
    );
}

#[test]
fn another_command_opens_the_decision_again() {
    let now = PAGE.replace("docker compose stop batch", "docker compose stop batch db");
    assert_eq!(
        blocked(PAGE, &now),
        [(
            "docker compose stop batch db".to_string(),
            "the command itself changed since 2026-11-20: docker compose stop batch {+db+}".to_string()
        )]
    );
}

#[test]
fn the_same_command_twice_is_two_decisions() {
    let twice = PAGE.replace("docker compose stop batch\n", "docker compose stop batch\ndocker compose stop batch\n");
    assert_eq!(
        blocked(PAGE, &twice),
        [("docker compose stop batch".to_string(), Handling::default().why().to_string())]
    );
    assert_eq!(accepted(&twice).decisions.len(), 3);
    let reading = accepted(&twice);
    let once = decided(PAGE, &reading);
    assert_eq!(once.review().stale, [&reading.decisions[1]], "the second one is about nothing now");
}

#[test]
fn a_choice_is_the_scenarios() {
    let mut reading = accepted(PAGE);
    reading.decisions[0].decided = Do::Way { choice: "how".into(), way: "compose".into() };
    reading.decisions[1].decided = Do::Way { choice: "how".into(), way: "sql".into() };
    let of = |chosen: &[(&str, &str)]| {
        let mut runbook = decided(PAGE, &reading);
        let chosen = chosen.iter().map(|(choice, way)| (choice.to_string(), way.to_string())).collect();
        runbook.settle(&chosen);
        let commands = runbook.steps.iter().flat_map(Step::commands);
        let handlings: Vec<Handling> = commands.map(|command| command.handling.clone()).collect();
        (handlings[0].clone(), handlings[2].clone())
    };
    assert!(matches!(of(&[("how", "compose")]), (Handling::Run(_), Handling::Skip(_))));
    assert!(matches!(of(&[("how", "sql")]), (Handling::Skip(_), Handling::Run(_))));
    let (Handling::Blocked(why), _) = of(&[]) else { panic!("nobody has chosen") };
    assert_eq!(why, "the scenario does not choose `how` (compose, sql): `respond: { choose: { how: compose } }`");
}

#[test]
fn what_is_written_is_read_again() {
    let mut reading = accepted(PAGE);
    reading.decisions[0].decided = Do::Way { choice: "a: b".into(), way: "- #".into() };
    reading.decisions[0].command = "printf 'a\n  b: |\n\t'\n".into();
    reading.decisions[1].decided = Do::Person;
    let text = written(Path::new("runbooks/db-pool.md"), &reading.decisions, None).unwrap();
    let mut diags = Diagnostics::default();
    let again =
        read(&Source::new("db-pool.reading.yaml", text.clone()), Some(Path::new("x/db-pool.md")), &mut diags).unwrap();
    let bare = |decisions: Vec<Decision>| -> Vec<Decision> {
        decisions.into_iter().map(|decision| Decision { span: Span::default(), ..decision }).collect()
    };
    assert!(text.contains("do: person") && text.contains("do:\n    choice: "), "{text}");
    assert_eq!(bare(again.decisions), bare(reading.decisions));
}

#[test]
fn mistakes_of_a_reading_are_told_together() {
    let text = "runbook: other.md\nowner: us\ndecisions:\n  - at: a\n    command: b\n    do: maybe\n    by: c\n    on: 2026-13-41\n    seen: 12\n";
    let mut diags = Diagnostics::default();
    assert!(read(&Source::new("db-pool.reading.yaml", text), None, &mut diags).is_none());
    insta::assert_snapshot!(crate::source::brief::brief(&crate::source::render(&diags, false)));
    let mut diags = Diagnostics::default();
    let text = "runbook: other.md\ndecisions: []\n";
    let wrong = read(&Source::new("db-pool.reading.yaml", text), Some(Path::new("db-pool.md")), &mut diags);
    assert!(wrong.is_none() && diags.all[0].message.contains("is about `other.md`"));
}

#[test]
fn doubts_leave_a_decision_to_a_person() {
    let text = PAGE
        .replace(
            "### Step 1",
            "### Option A\n\nx\n\n```bash\ndocker compose kill batch\n```\n\n### Option B\n\n### Step 1",
        )
        .replace("docker compose stop batch", "# if it still runs\ndocker compose stop batch");
    let runbook = runbook(&text);
    let cases = runbook.review().cases;
    let proposals = cases
        .iter()
        .map(|case| (case.command.text.as_str(), proposal(case.command, case.step.phase), doubt(case.command)));
    let proposals: Vec<_> = proposals.collect();
    assert_eq!(proposals[0].2.as_deref(), Some("it is one of several ways or cases"));
    assert_eq!(proposals[1].2.as_deref(), Some("the text around it says “only”"));
    assert_eq!((proposals[2].0, &proposals[2].1), ("psql -c 'SELECT pg_terminate_backend(1)'", &Some(Do::Run)));
}

#[test]
fn what_is_chosen_by_its_author_does_not_run_against_a_decision() {
    let page = PAGE.replace("```bash\ndocker", "<!-- firedrill: choose -->\n```bash\ndocker");
    let mut nobody = runbook(&page);
    nobody.settle(&BTreeMap::new());
    assert!(matches!(nobody.steps[0].commands()[0].handling, Handling::Run(_)), "its author has decided");
    let mut reading = accepted(&page);
    reading.decisions[0].decided = Do::Skip;
    let drifted = decided(&page.replace("Only its own", "Its own"), &reading);
    assert!(matches!(drifted.steps[0].commands()[0].handling, Handling::Blocked(_)), "it was not to run");
}

#[test]
fn what_decides_the_meaning_of_a_command_governs_it() {
    let page = |above: &str, note: &str| {
        format!(
            "# T\n\nFor staging.\n\n## Fix\n\n```bash\n{above}\n```\n\n{note}```bash\nkubectl -n \"$NS\" delete pod web\n```\n"
        )
    };
    let before = page("NS=staging\ncd /tmp", "");
    for now in [
        page("NS=production\ncd /tmp", ""),
        page("NS=staging\ncd /", ""),
        page("NS=staging\ncd /tmp", "<!-- firedrill: in=db -->\n"),
        before.replace("For staging.", "For production."),
        before.replace("# T\n", "# T\n\n# Other\n"),
    ] {
        assert_eq!(blocked(&before, &now).len(), 1, "{now}");
    }
    assert_eq!(blocked(&before, &before.replace("# T\n", "# Another title\n")), []);
}

#[test]
fn what_is_struck_out_or_cautioned_of_is_decided_again() {
    let page = |title: &str, alert: &str| {
        format!("# T\n\n## Fix\n\n### {title}\n\n> [!{alert}]\n> It takes a minute.\n\n```bash\nreboot\n```\n")
    };
    let before = page("Step 1: Restart", "NOTE");
    assert_eq!(blocked(&before, &page("Step 1: Restart", "CAUTION")).len(), 1);
    assert_eq!(blocked(&before, &page("~~Step 1: Restart~~", "NOTE")).len(), 1);
    assert_eq!(blocked(&before, &page("Step 2: Restart", "NOTE")), []);
}

#[test]
fn what_is_said_right_behind_a_block_or_details_governs() {
    let governs = |page: &str| {
        let runbook = runbook(page);
        let command = runbook.steps.iter().flat_map(Step::commands).last().unwrap().clone();
        (doubt(&command).is_some(), command.governs.of_cases)
    };
    let block = "```bash\ndocker compose restart web\n```\n";
    let said = "Do the above only if the node is drained.";
    let limits = [
        "Only run this on a replica.",
        "Run it only at night.",
        "Don't run it during the backup.",
        "Skip this on a replica.",
    ];
    for behind in limits.into_iter().map(str::to_string).chain([
        said.to_string(),
        format!("> {said}"),
        format!("> [!WARNING]\n> {said}"),
    ]) {
        assert_eq!(governs(&format!("# T\n\n## Fix\n\n{block}\n{behind}\n")), (true, false), "{behind}");
        let item = format!("1. Look.\n2. Restart it:\n\n   {}\n", block.replace('\n', "\n   "));
        assert_eq!(governs(&format!("# T\n\n## Fix\n\n{item}\n{behind}\n")), (true, false), "{item}{behind}");
    }
    let lists = "1. Restart it:\n\n   ```bash\n   reboot\n   ```\n\nIt takes a minute.\n";
    assert_eq!(governs(&format!("# T\n\n## Fix\n\n{lists}")), (false, false));
    let details = "# T\n\n## Fix\n\n<details>\n\n### Common issues\n\nIt is old.\n\n</details>\n";
    for behind in ["<p>Only if the node is drained.</p>\n", "\n> [!WARNING]\n> It takes a minute.\n"] {
        assert_eq!(governs(&format!("{details}{behind}\n{block}")), (true, false), "{behind}");
    }
    assert_eq!(governs(&format!("{details}\n#### Wait\n\nx\n\n#### Restart\n\n{block}")), (false, false));
    let steps = "# T\n\n## Replication failures\n\n### Step 1: Wait\n\nx\n\n### Step 2: Restart\n\n";
    assert_eq!(governs(&format!("{steps}{block}")), (false, false));
}

#[test]
fn what_a_step_says_of_going_on_governs_the_next_ones() {
    let of_last = |page: &str| {
        let runbook = runbook(page);
        let commands: Vec<Command> = runbook.steps.iter().flat_map(Step::commands).cloned().collect();
        assert_eq!(commands.len(), 2, "{page}");
        doubt(&commands[1])
    };
    let (look, act) = ("```bash\ndf -h\n```\n", "```bash\ndocker compose restart web\n```\n");
    for (said, doubtful) in [
        ("If the lag grows, do not continue.", true),
        ("Don\u{2019}t proceed unless two people agree.", true),
        ("If the disk is fine, skip to step 3.", true),
        ("Stop and call the DBA if it says anything else.", true),
        ("If it is green, continue with step 3.", true),
        ("If that helps, you are done.", true),
        ("Once it is up, there is nothing else to do.", true),
        ("If it is above 30 s, stop here.", true),
        ("Stop here if it prints `f`.", true),
        ("If it prints `f`, stop.", true),
        ("Not `f`? Do not go on.", true),
        ("Only go on when it prints `t`.", true),
        ("Anything but `t`: escalate.", true),
        ("Wait for the DBA here.", true),
        ("If it is green, jump straight to step 3.", true),
        ("If the service does not start, see its log.", false),
        ("Stop the clients first.", false),
        ("If it is green, all is well.", false),
        ("Continue with step 2.", false),
    ] {
        let headings = format!("# T\n\n## Fix\n\n### Step 1: Look\n\n{said}\n\n{look}\n### Step 2: Restart\n\n{act}");
        let indented = |block: &str| block.replace('\n', "\n   ");
        let list = format!("# T\n\n## Fix\n\n1. {said}\n\n   {}\n2. Restart\n\n   {}\n", indented(look), indented(act));
        for page in [headings, list] {
            assert_eq!(of_last(&page).is_some(), doubtful, "{page}");
        }
    }
    let below =
        format!("# T\n\n## Fix\n\n### Step 1: Look\n\n{look}\nStop here if it prints `f`.\n\n### Step 2\n\n{act}");
    let why = "a step before it says “Stop here if it prints f.”";
    assert_eq!(of_last(&below).as_deref(), Some(why));
    let without = below.replace("Stop here if it prints `f`.\n\n", "");
    assert_eq!(blocked(&without, &below), [], "a decision about the next step stands");
    let case = "# T\n\n## Fix\n\n### Look\n\nIf it is red, do not continue.\n\n";
    assert_eq!(of_last(&format!("{case}{look}\n### Restart\n\n{act}")), None, "no step says it");
}

#[test]
fn admonitions_govern_and_tabs_are_ways() {
    let of = |page: &str| {
        let runbook = runbook(&format!("# T\n\n## Fix\n\n{page}"));
        let command = runbook.steps.iter().flat_map(Step::commands).last().expect("a command").clone();
        (command.text.clone(), doubt(&command))
    };
    let says = |word: &str| Some(format!("the text around it says “{word}”"));
    let (block, inside) = ("```bash\nreboot\n```\n", "    ```bash\n    reboot\n    ```\n");
    let one = |page: String, why: Option<String>| assert_eq!(of(&page), ("reboot".into(), why), "{page}");
    one(format!("!!! warning\n    It takes a minute.\n\n{inside}"), says("warning"));
    one(format!("!!! note\n    Only on the replica.\n\n{block}"), says("only"));
    one(format!("??? note \"More\"\n\n    It takes a minute.\n\n{block}"), None);
    one(format!("=== \"Linux\"\n\n{inside}"), None);
    let several = Some("it is one of several ways or cases".to_string());
    one(
        format!("=== \"Docker\"\n\n    ```bash\n    docker compose restart web\n    ```\n\n=== \"Linux\"\n\n{inside}"),
        several,
    );
}

#[test]
fn what_is_set_without_being_spelt_governs_what_changes_something() {
    let page = |heading: &str, setter: &str, last: &str| {
        let first = format!("# T\n\n## Mitigation\n\n### {heading}\n\n```bash\n{setter}\n```\n\n");
        format!("{first}### Clear the queue\n\n```bash\n{last}\n```\n")
    };
    let last_of = |page: &str| {
        let runbook = runbook(page);
        runbook.steps.iter().flat_map(Step::commands).last().unwrap().clone()
    };
    let (plain, doubtful) = ("Go there", "If orders is affected");
    for (setter, other, last) in [
        ("export PGHOST=orders", "export PGHOST=shop", "./fix.sh"),
        ("PGHOST=orders\nexport PGHOST", "PGHOST=shop\nexport PGHOST", "./fix.sh"),
        ("export PGHOST\nPGHOST=orders", "export PGHOST\nPGHOST=shop", "./fix.sh"),
        ("declare -x PGHOST=orders", "declare -x PGHOST=shop", "./fix.sh"),
        ("set -a\nPGHOST=orders", "set -a\nPGHOST=shop", "./fix.sh"),
        ("unset PGHOST", "unset PGPORT", "./fix.sh"),
        ("USER=orders", "USER=shop", "pkill -u \"$USER\" worker"),
        ("set -- orders", "set -- shop", "docker compose restart \"$@\""),
        ("eval set -- orders", "eval set -- shop", "docker compose restart \"$@\""),
        ("fix() { restart \"$S\"; }\nS=orders", "fix() { restart \"$S\"; }\nS=shop", "fix"),
        ("a() { restart \"$S\"; }\nb() { a; }\nS=orders", "a() { restart \"$S\"; }\nb() { a; }\nS=shop", "b"),
    ] {
        let before = page(plain, setter, last);
        assert_eq!(blocked(&before, &before), [], "{setter}");
        let drifted: Vec<String> =
            blocked(&before, &page(plain, other, last)).into_iter().map(|(text, _)| text).collect();
        assert_eq!(drifted, [last], "{setter}");
        assert_eq!(doubt(&last_of(&before)), None, "{setter}");
        let why = doubt(&last_of(&page(doubtful, setter, last)));
        assert!(why.as_deref().is_some_and(|why| why.starts_with("a variable that it reads")), "{setter}: {why:?}");
        // Each place has a session of its own.
        let elsewhere = |page: &str| page.replace("queue\n\n", "queue\n\n<!-- firedrill: in=db -->\n");
        assert_eq!(blocked(&elsewhere(&before), &elsewhere(&page(plain, other, last))), [], "{setter}");
    }
    let spelt = last_of(&page(plain, "export NS=a", "kubectl -n \"$NS\" delete pod web"));
    assert_eq!(spelt.governs.meant, ["export NS=a"], "once is enough");
    let looks = last_of(&page(doubtful, "export PGHOST=orders", "df -h"));
    assert_eq!((looks.governs.meant.len(), doubt(&looks)), (0, None));
    let many = |value: &str| (0..300).map(|name| format!("\nexport A{name}={value}")).collect::<String>();
    assert_eq!(blocked(&page(plain, &many("1"), "./fix.sh"), &page(plain, &many("2"), "./fix.sh")).len(), 1);
}

#[test]
fn lists_before_a_command_govern_it() {
    let before = "# T\n\n## Fix\n\n1. Look whether it is staging.\n2. Flush:\n\n```bash\nredis-cli FLUSHALL\n```\n";
    assert_eq!(blocked(before, &before.replace("staging", "production")).len(), 1);
    assert_eq!(blocked(before, &before.replace("Flush:", "If it is stale, flush:")).len(), 1);
    let steps = "# T\n\n## Fix\n\n1. A\n\n   ```bash\n   rm a\n   ```\n\n2. B\n\n   ```bash\n   rm b\n   ```\n";
    let swapped = "# T\n\n## Fix\n\n1. B\n\n   ```bash\n   rm b\n   ```\n\n2. A\n\n   ```bash\n   rm a\n   ```\n";
    assert_eq!(blocked(steps, swapped), []);
}

#[test]
fn of_equal_commands_none_takes_the_decision_of_another() {
    let page =
        "# T\n\n## Fix\n\n### Step 1: Restart\n\n```bash\nreboot\n```\n\n### Step 2: Restart\n\n```bash\nreboot\n```\n";
    let mut reading = accepted(page);
    reading.decisions[1].decided = Do::Skip;
    let one = decided(&page.replacen("```bash\nreboot\n```", "Wait.", 1), &reading);
    let handlings: Vec<&Handling> =
        one.steps.iter().flat_map(Step::commands).map(|command| &command.handling).collect();
    assert!(matches!(handlings[..], [Handling::Blocked(_)]), "{handlings:?}");
}

#[test]
fn a_comment_behind_the_last_line_governs_a_command() {
    let before = "# T\n\n## Fix\n\n```bash\nkubectl delete \\\n  pod x # only on staging\n```\n";
    assert_eq!(blocked(before, &before.replace("staging", "production")).len(), 1);
}

#[test]
fn what_cannot_be_taken_back_is_not_proposed() {
    for (text, why) in [
        ("rm -rf /data", "cannot be taken back"),
        ("docker compose run --rm --no-deps --entrypoint sh redis -c 'rm -rf /data/*'", "cannot be taken back"),
        ("docker run --rm -v data:/data alpine rm -rf /data/x", "cannot be taken back"),
        ("redis-cli --scan --pattern 'a:*' | xargs -r redis-cli -n 1 DEL", "cannot be taken back"),
        ("redis-cli LTRIM jobs 1 0", "cannot be taken back"),
        ("mariadb -e 'RESET MASTER'", "cannot be taken back"),
        ("mariadb -e \"PURGE BINARY LOGS TO 'bin.000042'\"", "cannot be taken back"),
        ("systemctl --host root@192.0.2.17 restart a", "it names “192.0.2.17”"),
        ("kubectl --server https://k8s.example.com:6443 rollout restart deployment/a", "it names “k8s.example.com”"),
        ("# Cause A\nsystemctl restart a\n# Cause B\nsystemctl restart b", "says “Cause A”"),
        ("systemctl restart a\n# ^ never in production", "says “never”"),
        ("# Restart\nsystemctl restart a\n# Or with Docker\ndocker restart a", "names another way"),
        ("# Restore it\npg_restore -d shop backup_20240101_120000.dump", "it names “20240101”"),
        ("# End it (replace PID)\npsql -c 'SELECT pg_terminate_backend(12345)'", "says “(replace ”"),
    ] {
        let runbook = runbook(&format!("# T\n\n## Fix\n\n```bash\n{text}\n```\n"));
        let last = runbook.steps.iter().flat_map(Step::commands).last().unwrap();
        assert!(doubt(last).is_some_and(|doubt| doubt.contains(why)), "{text}: {:?}", doubt(last));
    }
    // One key is what one row or one file is.
    for text in [
        "redis-cli DEL lock:x",
        "docker compose run --rm shop bin/migrate",
        "systemctl --host root@192.0.1.17 restart a",
    ] {
        let runbook = runbook(&format!("# T\n\n## Fix\n\n```bash\n{text}\n```\n"));
        assert_eq!(doubt(command(&runbook, 0, 0)), None, "{text}");
    }
}

#[test]
fn attributes_of_runme_limit_their_block() {
    let page = |attributes: &str| format!("# T\n\n## Fix\n\n```bash {attributes}\nsystemctl restart a\n```\n");
    let plain = page("{\"name\":\"restart\"}");
    assert_eq!(doubt(command(&runbook(&plain), 0, 0)), None);
    assert_eq!(blocked(&page(""), &plain), []);
    for limits in ["{\"name\":\"restart\",\"excludeFromRunAll\":\"true\"}", "{ name=restart cwd=/srv }"] {
        assert!(doubt(command(&runbook(&page(limits)), 0, 0)).is_some(), "{limits}");
        assert_eq!(blocked(&plain, &page(limits)).len(), 1, "{limits}");
    }
}

#[test]
fn what_stands_behind_a_block_may_limit_it() {
    let behind = |text: &str| {
        let runbook = runbook(&format!("# T\n\n## Fix\n\n```bash\nsystemctl restart a\n```\n\n{text}\n"));
        doubt(command(&runbook, 0, 0))
    };
    for text in [
        "That last one is for old tenants only.",
        "This must only be done on the standby.",
        "This is wrong; see the wiki.",
        "(Not in production.)",
        "Use only when the queue is stuck.",
        "Do not run on the primary.",
        "It only takes a minute. Warning: don\u{2019}t run it during the backup.",
        "Run only on the standby.",
        "If the pod is already Ready, skip this.",
        "Skip if B.",
        "Optional.",
        "*(optional)*",
        "Run it as a last resort.",
        "This is required if the disk is full.",
        "> If the disk is fine, this step can be skipped.",
        "Requires approval of the DBA.",
        "Deprecated since 2.0.",
        "Note: only if step 1 showed more than 50 idle sessions.",
        "Needed only for EU.",
        "It takes a minute.\n\nIt must not be run twice.",
        "Notes:\n\n- It takes a minute.\n- Only for tenants in the EU.",
        "The standby does not have it.\n\nOnly if it is stuck.\n\n```bash\nsystemctl restart b\n```",
        "If the tube is below 10,000 orders, leave this out.",
        "Above 10,000 orders there is no other way; below that, go straight to step 3.",
        "The shift lead must agree before you run it.",
        "You need it only when the tube is full.",
        "It should only be run when the tube is full.",
        "Before you run this, make sure that the printers are off. Otherwise leave it.",
        "- The shift lead must agree before you run it.",
        "1. The shift lead must agree before you run it.",
        "| What | When |\n| --- | --- |\n| the tube | only above 10,000 orders |",
        "!!! warning\n    It empties the tube of all shops.",
        "> [!WARNING]\n> It empties the tube of all shops.",
        "#### When to do this\n\nThe tube holds more than 10,000 orders.",
        "It empties the tube.\n\nThe shift lead must agree before you run it.",
    ] {
        assert!(behind(text).is_some(), "{text}");
    }
    for text in [
        "This takes a minute.",
        "Its cache is optional.",
        "The queue is never empty.",
        "That brings it back.",
        "It only takes a minute.",
        "The standby does not use a queue.",
        "Where only one is left, restart the other:\n\n```bash\nsystemctl restart b\n```",
        "### Next\n\nOnly for the EU.\n\n```bash\nsystemctl restart b\n```",
        "### When it is stuck\n\n```bash\nsystemctl restart b\n```",
        "Both replicas agree then. Go to step 3.",
        "| What | Then |\n| --- | --- |\n| the tube | empty |",
    ] {
        assert_eq!(behind(text), None, "{text}");
    }
    let page = "# T\n\n## Fix\n\n```bash\nsystemctl restart a\n```\n\nIt takes a minute.\n";
    assert_eq!(blocked(page, &format!("{page}\n- Run only on the standby.\n")).len(), 1, "added behind a decision");
    let page = "# T\n\n## Fix\n\n- A: the queue is long\n\n  ```bash\n  restart a\n  ```\n\n- B: it is short\n\n  ```bash\n  restart b\n  ```\n";
    let runbook = runbook(page);
    assert!(runbook.steps.iter().flat_map(Step::commands).all(|command| doubt(command).is_some()));
}

#[test]
fn what_is_said_at_other_places_of_its_section_is_said_of_a_command() {
    let last = |text: &str| {
        let runbook = runbook(&format!("# T\n\n## Mitigation\n\n{text}"));
        let last = runbook.steps.iter().flat_map(Step::commands).last().unwrap();
        (last.text.clone(), doubt(last))
    };
    for text in [
        "```bash\nrestart a\n# Only with a stuck queue, do both:\nrestart b\n# clears it\nrestart c\n```\n",
        "### When to use this\n\nNever in the EU.\n\n### Steps\n\n```bash\nrestart c\n```\n",
        "### If it is down\n\n```bash\nMODE=c\n```\n\n### Then\n\n```bash\nrestart $MODE\n```\n",
        "### If it is down\n\n```bash\ncd /srv/c\n```\n\n### Then\n\n```bash\nrestart c\n```\n",
        "### Prerequisites\n\nNever in the EU.\n\n```bash\nkubectl get jobs\n```\n\n### Steps\n\n```bash\nrestart c\n```\n",
        "### Step 1: See it\n\n- Up: go to step 3\n- Down: go to step 2\n\n### Step 2: Restart\n\n```bash\nrestart c\n```\n",
        "### Step 1: Ask the DBA\n\nThe DBA must agree.\n\n### Step 2: Restart\n\n```bash\nrestart c\n```\n",
        "### Step 1: Get the approval of the DBA\n\nAsk in the channel.\n\n### Step 2: Restart\n\n```bash\nrestart c\n```\n",
        "### Step 1: See it\n\n- Up → step 3\n- Down → step 2\n\n### Step 2: Restart\n\n```bash\nrestart c\n```\n",
        "### Step 1: See it\n\nIf it is up, no further action is needed.\n\n### Step 2: Restart\n\n```bash\nrestart c\n```\n",
        "1. See the lag. If it is above 30 s, stop here.\n\n   ```bash\n   df -h\n   ```\n\n2. Go on:\n\n   ```bash\n   restart c\n   ```\n",
    ] {
        let (command, why) = last(text);
        assert!(command.starts_with("restart") && why.is_some(), "{text}: {why:?}");
    }
    for text in [
        "```bash\n# 1. Only with a stuck queue:\nrestart a\n# 2. Another one\nrestart b\n# 3. And that\nrestart c\n```\n",
        "### Restart\n\n### Note\n\nNever in the EU.\n\n## Recovery\n\n```bash\nrestart c\n```\n",
        "### Step 1\n\n#### Note\n\nNever in the EU.\n\n### Step 2\n\n```bash\nrestart c\n```\n",
        "### Before noon\n\nNever in the EU.\n\n```bash\nrestart a\n```\n\n### Then restart it\n\n```bash\nrestart c\n```\n",
        "### Background\n\nNever in the EU.\n\n### Steps\n\n```bash\nrestart c\n```\n",
        "### Set it\n\n```bash\nMODE=c\n```\n\n### Then\n\n```bash\nrestart $MODE\n```\n",
        "1. How large is the lag?\n\n   ```bash\n   df -h\n   ```\n\n2. Go on:\n\n   ```bash\n   restart c\n   ```\n",
    ] {
        assert_eq!(last(text).1, None, "{text}");
    }
}

#[test]
fn what_the_page_says_of_itself_is_said_of_its_commands() {
    let page = |above: &str, title: &str, section: &str| {
        format!("{above}# {title}\n\n{section}## Mitigation\n\n```bash\nrestart a\n```\n")
    };
    let last_doubt = |page: &str| {
        let runbook = runbook(page);
        runbook.steps.iter().flat_map(Step::commands).last().and_then(doubt)
    };
    let plain = page("", "T", "");
    for (above, title, section) in [
        ("---\nowner: shop\nstatus: withdrawn\n---\n\n", "T", ""),
        ("", "T (staging only)", ""),
        ("", "Deprecated: T", ""),
        ("", "T", "## Prerequisites\n\n- Approval from the incident commander; no backup is running.\n\n"),
        ("", "T", "## When to use this\n\nOnly above 10,000 orders.\n\n"),
        ("", "T", "## Before you begin\n\nThe DBA must agree.\n\n"),
        ("", "T", "## Scope\n\nNot in the EU.\n\n"),
        ("", "T", "## Safety\n\nNever during a backup.\n\n"),
    ] {
        let page = page(above, title, section);
        assert!(last_doubt(&page).is_some(), "{page}");
        assert_eq!(blocked(&plain, &page).len(), 1, "{page}");
    }
    for (above, title, section) in [
        ("---\nstatus: active\n---\n\n", "T", ""),
        ("---\nowner: shop\n---\n\n", "T (EU)", ""),
        ("", "T", "## Prerequisites\n\n- You need psql and a shell on the host.\n\n"),
        ("", "T", "## When to escalate\n\nIf it is not back in an hour.\n\n"),
    ] {
        let page = page(above, title, section);
        assert_eq!(last_doubt(&page), None, "{page}");
        assert_eq!(blocked(&plain, &page), [], "{page}");
    }
}

/// What is said right above a command decides whether it is proposed.
#[test]
fn what_may_forbid_or_condition_a_command_is_not_proposed() {
    let above = |text: &str| {
        let runbook = runbook(&format!("# T\n\n## Mitigation\n\n{text}\n\n```bash\nsystemctl restart a\n```\n"));
        let last = runbook.steps.iter().flat_map(|step| &step.all_commands).last().unwrap();
        doubt(last)
    };
    for text in [
        "Stop here and call the DBA.",
        "❌ In the past:",
        "**Bad:**",
        "~~Restart it.~~",
        "> [!CAUTION]\n> All sessions end.",
        "<del>\n\nRestart it.",
        "Stop.",
        "Skip this step.",
        "This used to work, it no longer does.",
        "A session of last month looked like this:",
        "Should the disk be full, run:",
        "Were the cache empty, one would run:",
        "Is the disk full? Then",
        "Once the provider is back:",
        "Ask the DBA to run:",
        "Untested:",
        "You will lose data.",
        "To break it on purpose, in the lab:",
        "Nicht ausführen:",
        "Falls der Cache voll ist:",
        "In the rare event that this doesn't help:",
        "The primary isn't reachable:",
        "You don\u{2019}t need this:",
        "2b. Force it to be one replica:",
        "Superseded by the section above:",
        "Avoid this during business hours:",
        "Do one of the following:",
        "Consider this:",
        "You might want to restart it:",
        "Beware of data loss:",
        "Refrain from this:",
        "Hold off on this:",
        "⚠ It ends all sessions.",
        "In the past we did this:",
        "For planned maintenance:",
        "On macOS:",
        "實行しないでください。",
        "Lag > 60 s:",
        "Large queues:",
        "LLEN shows 0: done. LLEN above 100,000:",
        "On failure:",
        "As long as nobody has paid:",
        "Stop before you run anything on the queue. Under no circumstances run this yourself:",
        "Known broken:",
        "Removed in 2024:",
        "Anti-pattern:",
        "Scenario B:",
        "Cause B, the disk:",
        "In QA:",
        "On the test system:",
        "Dry run:",
        "E.g.:",
        "The DBA runs:",
        "Escalate to the DBA, who will run:",
        "Last year somebody wrote here:",
        "Nur im Notfall:",
        "Si la file est longue :",
        "This deletes orders for good:",
        "In an emergency, restart it:",
        "Empty the tube, but check with the shift lead:",
        "Restart it as soon as the lead agrees:",
        "Restart it as soon as the tube is full:",
        "While the printers are offline, restart it:",
        "During business hours, one at a time:",
        "Beyond 10,000 orders, restart it:",
        "You may restart it:",
        "You can also restart it:",
        "Formerly, before WH-1200 was fixed, we restarted it:",
        "**Backlog above 10,000 orders**",
        "### Backlog above 10,000 orders",
        "Restart it:[^1]\n\n[^1]: The shift lead must agree.",
        "Upon confirmation from the DBA, restart it:",
        "Having confirmed that nobody pays, restart it:",
        "In the next maintenance window:",
        "Another way is to restart it:",
        "As a fallback, restart it:",
        "No improvement within 5 minutes: restart it:",
        "This loses the carts:",
        "During a full outage, restart all:",
        "Without a replica, restart the primary:",
        "Outside the EU:",
        "For large datasets:",
        "For PostgreSQL on a cloud:",
        "Tell the DBA to run:",
        "Have the platform team run this:",
        "Previously we restarted it:",
        "`./fix.sh` does the same as:",
        "Yes: restart it.",
        "**No**",
        "No → restart it:",
        "Disk full => restart it:",
        "Queue longer than 1000: restart it. A mail may be sent twice by that:",
        "At 1000 entries or more, restart it:",
        "Lag higher than 5 s:",
        "For stuck consumers, restart it:",
        "For security incidents:",
        "Still failing: restart it.",
        "Fallback: restart it.",
        "The problem persists:",
        "You can ignore this step on small clusters.",
        "This may be left out.",
        "Needs a sign-off from the DBA.",
        "Coordinate with the DBA, then run:",
        "At your own risk:",
        "Solution 1:",
        "Memory at 90% or more:",
        "Contact the DBA to run:",
        "For reference:",
        "Run something like:",
        "We ran:",
        "A common mistake is:",
        "To undo it:",
        "There are two options:",
        "Two ways to restart it:",
        "Save this as fix.sh:",
        "Add this to the crontab:",
        "The script contains:",
        "You should see:",
        "Reserved for a dead primary:",
        "Intended for the EU cluster:",
        "Emergency:",
        "Leave the restart to the DBA.",
        "The DBA does this.",
        "DBA:",
        "Subject to the DBA's agreement:",
        "Pending confirmation from the DBA:",
        "Two-person rule applies.",
        "Wait for the thumbs up of the DBA.",
        "Way 2:",
        "Another possibility, which takes longer:",
        "Still locked:",
        "Weekends:",
        "Outage window: 22:00 to 23:00.",
        "Every Monday:",
        "Barring a running backup:",
        "Backup running → wait.",
        "The count is 0: you are finished.",
        "Data loss!",
        "Restart whichever hangs:",
        "One could also run:",
        "This was how we did it before 2024:",
        "Demo environment:",
        "Ausschließlich auf dem Replikat:",
        "Nach Rücksprache mit dem DBA:",
        "En cas de panne :",
        "Alleen als de schijf vol is:",
        "Somente se o disco está cheio:",
        "Solo se il disco è pieno:",
        "In caso di guasto:",
        "On the reporting host (rep01), as root:",
        "On the standby:",
        "From the bastion host:",
        "On your laptop:",
        "More than ten means the pool leaks: restart the apps; fewer means the report: end its sessions.",
        "```{warning}\nIt ends all sessions.\n```",
        "```{admonition} On the standby\nOnly there.\n```",
        "No user is affected: restart it.",
        "Paged at night: restart it.",
        "Worker dead:",
        "The worker is dead:",
        "The queue is longer than 1000: restart it.",
        "The storage team:",
        "By the storage team:",
        "To be run by Ops on store-2:",
        "As Ann:",
        "Next shift:",
        "Reason unknown:",
        "Log disk full: restart it.",
        "Lock contention:",
        "Read replica lagging:",
        "Deploy failed: restart it.",
        "Limit reached:",
        "Import down:",
        "This needs the DBA:",
        "This takes checkout down:",
        "The result is 0:",
        "503:",
        "To run on store-2:",
        "Using store-2:",
        "Wait for Ann\u{2019}s OK.",
        "Wait for the DBA here.",
        "No luck with step 1:",
        "Your call:",
        "On store-2:",
        "What caused the last outage:",
        "Get a go from the lead, then restart it.",
        "Wait for the lead's OK.",
        "FIXME",
        "We restarted it in March.",
        "### Hand over to the database team",
        "Hand over to the database team.",
        "### Worker restarts",
        "<Accordion title=\"If it is stuck\">",
        "<Warning>\n\nIt ends all sessions.\n\n</Warning>",
        "| Lag | What to do |\n| --- | --- |\n| If it grows | restart it |",
        "| Lag | What to do |\n| --- | --- |\n| above 60 s | restart it |\n\n### Restart it\n\nAs said:",
    ] {
        assert!(above(text).is_some(), "{text}");
    }
    for text in [
        "Restart it:",
        "The queue is full. Stop the consumers and start them again:",
        "This brings it back:",
        "It serves for as long as this takes. Restart it:",
        "Clear the long queue:",
        "Empty the queue:",
        "Show slow queries:",
        "Scale the deployment to at least 3 replicas:",
        "The lag is above 60 s. Restart it:",
        "The lag is above 60 s",
        "The pods serve again as soon as they are up. Restart them:",
        "While it restarts, users wait. Restart it:",
        "You may see errors. Restart it:",
        "This takes a while:",
        "During a restart users wait. Restart it:",
        "Without a restart, users wait. Restart it:",
        "For each replica:",
        "For the web tier, restart it:",
        "For safety, restart it:",
        "For security, restart it:",
        "Fix: abort the import and restart it:",
        "Persist the change:",
        "Enable the fallback provider:",
        "Orders → payments → mail are down. Restart them:",
        "Restart web → db:",
        "Abort the import:",
        "Paste this into your terminal:",
        "Put it into the pool:",
        "```{note}\nIt takes a minute.\n```",
        "Tell the channel, then restart it:",
        "| Name | Value |\n| --- | --- |\n| Whom to call | the lead, when asked |",
        "### Other\n\n| Lag | |\n| --- | --- |\n| If it grows | call |\n\n### Restart it",
        "### Scale to more than 3 replicas",
        "This page is meant for the one on call. Restart it:",
        "There is no data loss. Restart it:",
        "It runs on the standby, too. Restart it:",
        "Payments do this in the morning. Restart it:",
        "The memory is reserved for the pool. Restart it:",
        "Restart it:[^1]\n\n[^1]: It takes a minute.",
        "Fix: restart it.",
        "Next steps:",
        "Using psql:",
        "Roll back to v1.4.2:",
        "Restart redis 7.2:",
        "Read the log:",
        "Scale web down:",
        "Workaround: restart the pool.",
        "Immediate actions:",
        "Step 2, the worker:",
        "Now we need a shell. Restart it:",
        "Locks lead to time-outs. Restart it:",
        "Scale down:",
        "The fix:",
        "To get rid of the lock:",
        "### 2. The worker",
        "### Resolution",
    ] {
        assert_eq!(above(text), None, "{text}");
    }
}

#[test]
fn a_word_at_a_heading_runs_nothing_that_no_block_holds() {
    let page = "# T\n\n## Mitigation <!-- firedrill: choose -->\n\n- It was broken by: `kubectl delete ns d`\n\ndocker rm -f web\n\n```\ndocker stop web\n```\n";
    let mut runbook = runbook(page);
    runbook.settle(&BTreeMap::new());
    let commands: Vec<&Command> = runbook.steps.iter().flat_map(|step| step.commands()).collect();
    assert_eq!(commands.len(), 3, "{commands:?}");
    assert!(commands.iter().all(|command| matches!(command.handling, Handling::Blocked(_))), "{commands:?}");
}

#[test]
fn what_was_left_out_stays_out_when_it_is_tagged() {
    let page = "# T\n\n## Mitigation\n\n```\ncat /var/log/huge\n```\n";
    let untagged = runbook(page);
    let decisions = vec![Decision::about(command(&untagged, 0, 0), Do::Skip, "ann", "2026-11-20")];
    let accepted = Accepted { source: Source::new("r.reading.yaml", ""), decisions };
    let tagged = decided(&page.replacen("```", "```bash", 1), &accepted);
    let handling = &command(&tagged, 0, 0).handling;
    assert!(matches!(handling, Handling::Skip(_)), "{handling:?}");
    assert!(tagged.review().stale.is_empty());
}

#[test]
fn nothing_is_proposed_that_may_be_forbidden_or_drops_something() {
    for page in [
        "It is forbidden to run `cat /etc/shadow`.",
        "Error: `curl -s http://x/y | grep z`",
        "You must not run this:\n\nkubectl get secrets -o json",
        "```\nkubectl get pods\nfind the process that hangs\n```",
        "```bash\ndocker exec db psql -c 'DROP DATABASE shop'\n```",
        "```bash\npsql -c 'DELETE FROM jobs'\n```",
        "```bash\nkubectl delete ingress --all -n shop\n```",
    ] {
        let runbook = runbook(&format!("# T\n\n## Mitigation\n\n{page}\n"));
        for command in
            runbook.steps.iter().flat_map(|step| step.commands()).skip(usize::from(page.contains("find the")))
        {
            assert_eq!(proposal(command, RunbookPhase::Mitigate), None, "{page}: {}", command.text);
        }
    }
}

#[test]
fn an_option_of_a_command_in_running_text_forbids_nothing() {
    for (said, proposed) in [("Run", Some(Do::Run)), ("There is no need to run", None)] {
        let runbook = runbook(&format!("# T\n\n## Diagnosis\n\n{said} `journalctl --no-pager -u web`.\n"));
        assert_eq!(proposal(command(&runbook, 0, 0), RunbookPhase::Diagnose), proposed, "{said}");
    }
}

#[test]
fn the_order_of_a_block_is_part_of_what_was_accepted() {
    let page = |lines: &str| format!("# T\n\n## Mitigation\n\n```bash\n{lines}```\n");
    let (stop, look, remove) = ("docker compose stop db\n", "docker compose ps\n", "rm -r /data\n");
    let before = page(&[stop, remove].concat());
    assert_eq!(blocked(&before, &page(&[stop, look, remove].concat())), [], "what only looks may come between");
    let swapped = page(&[remove, stop].concat());
    let why = "the commands under this text stood in another order on 2026-11-20";
    assert_eq!(blocked(&before, &swapped), [("docker compose stop db".to_string(), why.to_string())]);
    let reading = accepted(&before);
    let runbook = decided(&swapped, &reading);
    let review = runbook.review();
    let texts = |decisions: &[Decision]| decisions.iter().map(|d| d.command.clone()).collect::<Vec<_>>();
    // What is left open stays so, whatever else is written …
    let kept = review.with(&BTreeMap::new(), &reading.decisions, false);
    assert_eq!(texts(&kept), ["docker compose stop db", "rm -r /data"]);
    // … and what is decided again stands as the page has it.
    let case = review.cases.iter().find(|case| case.state == DecisionState::Reordered).unwrap();
    let again = Decision::about(case.command, Do::Run, "ann", "2026-11-21");
    let kept = review.with(&[(case.place(), again)].into(), &reading.decisions, false);
    assert_eq!(texts(&kept), ["rm -r /data", "docker compose stop db"]);
    assert!(
        decided(&swapped, &Accepted { decisions: kept, ..reading }).review().cases.iter().all(Reviewed::is_decided)
    );
}

#[test]
fn a_comment_of_a_command_does_not_hide_that_it_was_moved() {
    let page = |lines: [&str; 2], between: &str| {
        format!("# T\n\n## Mitigation\n\n```bash\n{}\n{between}{}\n```\n", lines[0], lines[1])
    };
    let (dump, drop) = ("pg_dump shop > /b.sql   # keep a copy", "dropdb shop   # then drop it");
    let (first, second) = ("# 1. Stop it\ndocker compose stop db", "# 2. Remove it\nrm -r /data");
    for (one, other, between) in
        [(dump, drop, ""), (first, second, ""), (dump, drop, "```\n\n```bash\n"), (first, second, "```\n\n```bash\n")]
    {
        let (before, now) = (page([one, other], between), page([other, one], between));
        assert_eq!(blocked(&before, &before), [], "{before}");
        assert_eq!(blocked(&before, &now).len(), 1, "{now}");
        let reading = accepted(&before);
        let runbook = decided(&now, &reading);
        let states = |runbook: &Runbook| runbook.review().cases.iter().map(|case| case.state).collect::<Vec<_>>();
        assert_eq!(states(&runbook), [DecisionState::Decided, DecisionState::Reordered], "{now}");
        let decisions = runbook.review().with(&BTreeMap::new(), &reading.decisions, false);
        let again = decided(&now, &Accepted { decisions, ..reading.clone() });
        assert_eq!(states(&again), states(&runbook), "{now}");
    }
}

#[test]
fn sections_about_causes_are_one_of_several() {
    let doubts = |text: &str| {
        let runbook = runbook(&format!("# T\n\n{}", text.replace("CODE", "```bash\nsystemctl restart a\n```")));
        let commands = runbook.steps.iter().flat_map(Step::commands);
        let is_doubtful = |governs: &Governs| governs.is_alternative() || said(governs).is_some();
        commands.map(|command| (command.governs.of_cases, is_doubtful(&command.governs))).collect::<Vec<_>>()
    };
    for text in [
        "## Common Issues\n\n### 1. Database locked\n\n**Resolution:**\n\nCODE\n\n### 2. Pool exhausted\n\nCODE\n",
        "## Failure scenarios\n\n### Database locked\n\n#### Steps\n\nCODE\n\n### Pool exhausted\n\nCODE\n",
        "## Mitigation\n\n### Disk full\n\n**Symptoms:** errors.\n\nCODE\n\n### Pool full\n\n- Root cause: rush\n\nCODE\n",
        "## Disk full\n\n### Symptoms\n\nErrors.\n\n### Fix\n\nCODE\n\n## Pool full\n\n### Symptoms\n\nErrors.\n\n### Fix\n\nCODE\n",
        "## Compromise response\n\n### API key\n\nCODE\n\n### User password\n\n#### Steps\n\nCODE\n",
        "## Procedures\n\n### Procedure 1: Deploy\n\nCODE\n\n### Procedure 2: Scale up\n\nCODE\n",
        "## Queue is stuck\n\nCODE\n\n## 2. High memory usage\n\nCODE\n",
    ] {
        assert_eq!(doubts(text), [(true, true), (true, true)], "{text}");
    }
    for text in [
        "## Mitigation\n\n### Restart the pool\n\nCODE\n\n### Restart the shop\n\nCODE\n",
        "## Fix the errors\n\n### Restart host a\n\nCODE\n\n### Restart host b\n\nCODE\n",
        "## Mitigation\n\n### Step 1: The pool\n\nCODE\n\n### Step 2: The shop\n\nCODE\n",
        "## Mitigation\n\n### The pool\n\nCODE\n\n### Its settings\n\n```yaml\nsize: 5\n```\n\n## Cleanup\n\nCODE\n",
        "## Verification\n\n### The pool\n\nCODE\n\n### The shop\n\nCODE\n",
        "## Known issues\n\n### Mitigation\n\nCODE\n\n### Verification\n\nCODE\n",
        "## Stop the failed jobs\n\nCODE\n\n## Fix the errors\n\nCODE\n",
        "## Step 1: The queue is stuck\n\nCODE\n\n## Step 2: The cache is full\n\nCODE\n",
        "## Diagnosis\n\n**Symptoms:** errors.\n\nCODE\n\n## Mitigation\n\n**Cause:** a rush.\n\nCODE\n",
    ] {
        assert_eq!(doubts(text), [(false, false), (false, false)], "{text}");
    }
    let among_others =
        "## Port conflicts\n\n### Symptoms\n\nErrors.\n\n### Fix\n\nCODE\n\n## Service management\n\nCODE\n";
    assert_eq!(doubts(among_others), [(true, true), (false, false)]);
}

#[test]
fn what_another_way_stands_beside_is_one_of_several() {
    let several = |text: &str| {
        let runbook = runbook(&format!("# T\n\n## Mitigation\n\n{text}"));
        let is_doubtful = |governs: &Governs| governs.is_alternative() || said(governs).is_some();
        runbook.steps.iter().flat_map(Step::commands).map(|command| is_doubtful(&command.governs)).collect::<Vec<_>>()
    };
    let block = |lines: &str| format!("```bash\n{lines}\n```\n");
    let labels = |one: &str, other: &str| {
        format!("**{one}**\n\n{}\n**{other}**\n\n1. Do it:\n\n   ```bash\n   restart b\n   ```\n", block("restart a"))
    };
    let plain =
        |one: &str, other: &str| format!("{one}\n\n{}\n{other}\n\n{}\n", block("restart a"), block("restart b"));
    let items = |one: &str, other: &str| {
        let item = |said: &str| format!("- {said}\n\n  ```bash\n  restart a\n  ```\n\n");
        item(one) + &item(other)
    };
    let tabs = |begin: &str, end: &str| format!("{begin}\n{}\n{end}\n", block("restart a")).repeat(2);
    let summaries = |one: &str, other: &str| {
        let summary =
            |said: &str| format!("<details><summary>{said}</summary>\n\n{}\n</details>\n\n", block("restart a"));
        summary(one) + &summary(other)
    };
    for (text, expected) in [
        (block("# Load it\nrestart a\n\nrestart b\n\n# Or by hand\nrestart c"), vec![true, true, true]),
        (block("# 1. Load it\nrestart a\n# 2. Start it\nrestart b\n# or\nrestart c"), vec![false, true, true]),
        (block("restart a") + "\nAlternatively, run the pipeline.\n", vec![true]),
        (block("restart a") + "\nThis takes a minute.\n", vec![false]),
        (block("# For EKS\nrestart a\n# For GKE\nrestart b"), vec![true, true]),
        (block("# Docker Compose: web\nrestart a\n# Docker Compose: jobs\nrestart b"), vec![false, false]),
        (labels("Docker Compose:", "Kubernetes (with a canary):"), vec![true, true]),
        (labels("With Helm", "By hand"), vec![false, false]),
        (labels("Pool:", "Kubernetes:"), vec![false, false]),
        (labels("Docker:", "Kubernetes:").replace("**Kube", "### Restart b\n\n**Kube"), vec![false, false]),
        (labels("Service Down:", "High Error Rate:"), vec![true, true]),
        (labels("Service Down:", "Restart it:"), vec![false, false]),
        (block("# Using Helm\nrestart a\n# Using kubectl\nrestart b"), vec![true, true]),
        (plain("With Docker Compose:", "With kubectl:"), vec![true, true]),
        (plain("On Kubernetes:", "On Kubernetes, the jobs:"), vec![false, false]),
        (plain("On Kubernetes:", "The jobs:"), vec![false, false]),
        (labels("Service Down:", "High Error Rate:").replacen("\n\n`", "\n\nOn Kubernetes:\n\n`", 1), vec![true, true]),
        (items("Kubernetes:", "Docker Compose: restart it"), vec![true, true]),
        (items("High load:", "Queue is stuck:"), vec![true, true]),
        (items("Restart the web tier:", "Stop the failed jobs:"), vec![false, false]),
        (items("Held by reporting:", "Held by app:"), vec![true, true]),
        (items("Lock by reporting:", "Neither:"), vec![true, true]),
        (items("Queue is stuck", "Database is locked"), vec![true, true]),
        (labels("SEV1:", "SEV2:"), vec![true, true]),
        (summaries("Primary hangs", "Replica hangs"), vec![true, true]),
        (summaries("Why", "More"), vec![false, false]),
        (labels("SEV1:", "Pool:"), vec![false, false]),
        (
            ["### Quick fix", "### Permanent fix (next sprint)"]
                .map(|title| format!("{title}\n\n{}", block("restart a")))
                .join("\n"),
            vec![true, true],
        ),
        (tabs("<TabItem value=\"a\" label=\"A\">\n", "</TabItem>\n"), vec![true, true]),
        (tabs("{% tab title=\"A\" %}", "{% endtab %}\n"), vec![true, true]),
        (tabs("{{< tab \"A\" >}}", "{{< /tab >}}\n"), vec![true, true]),
        (tabs(":::{tab-item} A", ":::\n"), vec![true, true]),
        (tabs("{% tabs %}\n{% tab title=\"A\" %}", "{% endtab %}\n"), vec![true, true]),
        (tabs("{{< tabs >}}\n{{% tab \"A\" %}}", "{{% /tab %}}\n"), vec![true, true]),
        (tabs("::::{tab-set}\n:::{tab-item} A", ":::\n"), vec![true, true]),
        (tabs("{{#tabs }}\n{{#tab name=\"A\" }}", "{{#endtab }}\n"), vec![true, true]),
        (tabs("<Tabs>\n<Tab title=\"A\">\n", "</Tab>\n"), vec![true, true]),
        (tabs(":::TabTitle A\n", ""), vec![true, true]),
        (tabs("### [Restart a](#tab/a)\n", ""), vec![true, true]),
        (
            [" [A]", " [B]"].map(|title| block("restart a").replacen("bash", &format!("bash{title}"), 1)).join("\n"),
            vec![true, true],
        ),
        (
            ["### Restart a", "### Or restart b"].map(|title| format!("{title}\n\n{}", block("restart a"))).join("\n"),
            vec![false, true],
        ),
    ] {
        assert_eq!(several(&text), expected, "{text}");
    }
}

#[test]
fn what_stands_above_the_commands_of_a_block_governs_them() {
    let titled = |title: &str| format!("# T\n\n## Mitigation\n\n```bash title=\"{title}\"\nreboot\n```\n");
    let prompted = |said: &str| format!("# T\n\n## Mitigation\n\n```console\n{said}\n$ reboot\nok\n```\n");
    let pages: [&dyn Fn(&str) -> String; 2] = [&titled, &prompted];
    for page in pages {
        assert_eq!(blocked(&page("On the standby"), &page("On the primary")).len(), 1);
        let of = |said: &str| doubt(command(&runbook(&page(said)), 0, 0));
        assert_eq!(of("Expected output").as_deref(), Some("the text around it says “expected”"));
        assert_eq!(of("Restart it"), None);
    }
    let runs = |lines: &str| {
        let page = format!("# T\n\n## Mitigation\n\n```bash title=\"restart.sh\"\n{lines}\n```\n");
        runbook(&page).steps.iter().flat_map(Step::commands).count()
    };
    assert_eq!((runs("systemctl restart web"), runs("./restart.sh")), (0, 1), "it is a file");
}

#[test]
fn what_comes_after_something_is_conditional_but_for_a_verification() {
    let of = |heading: &str| {
        let page = format!("# T\n\n## {heading}\n\nAfter the provider is back:\n\n```bash\nrestart a\n```\n");
        doubt(command(&runbook(&page), 0, 0))
    };
    assert_eq!(of("Mitigation").as_deref(), Some("the text around it says “after the provider is back:”"));
    assert_eq!(of("Recovery verification"), None);
}

#[test]
fn what_is_left_open_stays_open_when_a_reading_is_written_again() {
    let page =
        |lines: &[&str], rest: &str| format!("# T\n\n## Mitigation\n\n```bash\n{}\n```\n\n{rest}", lines.join("\n"));
    let other = "### Other\n\n```bash\nrm x\n```\n";
    let reading = accepted(&page(&["rm a", "rm b", "rm c"], other));
    for lines in
        [["rm b", "rm a", "rm c"], ["rm c", "rm a", "rm b"], ["rm b", "rm c", "rm a"], ["rm a", "rm c", "rm b"]]
    {
        let runbook = decided(&page(&lines, other), &reading);
        let states = |runbook: &Runbook| runbook.review().cases.iter().map(|case| case.state).collect::<Vec<_>>();
        assert!(states(&runbook).contains(&DecisionState::Reordered), "{lines:?}");
        let decisions = runbook.review().with(&BTreeMap::new(), &reading.decisions, false);
        let again = decided(&page(&lines, other), &Accepted { decisions, ..reading.clone() });
        assert_eq!(states(&again), states(&runbook), "{lines:?}");
    }
}

#[test]
fn words_that_changed_are_told() {
    let of = |old: &str, new: &str| word_diff(old, new);
    assert_eq!(of("a b c", "a b c"), None);
    assert_eq!(
        of("one two three four five six seven", "one two three four five six 7").unwrap(),
        "… three four five six [-seven-] {+7+}"
    );
    assert_eq!(of("a b c d e f g h i j k", "x b c d e f g h i j k l").unwrap(), "[-a-] {+x+} b c d e … h i j k {+l+}");
    assert_eq!(of("a\nb", "a\nc\nb").unwrap(), "a {+c+} b");
    assert_eq!(of("a  b", "a b").unwrap(), "only in its white space");
    // What was cut off at the beginning is no change.
    assert_eq!(of("… t b c d", "… b c d e").unwrap(), "b c d {+e+}");
    assert_eq!(of("… t b c d", "… b c d"), None);
}

#[test]
fn a_second_page_of_the_same_name_has_its_own_reading() {
    let dir = tempfile::tempdir().unwrap();
    let page = |name: &str| dir.path().join(name);
    let name = |name: &str| places(&page(name))[0].file_name().unwrap().to_string_lossy().into_owned();
    assert_eq!(name("p.markdown"), "p.reading.yaml");
    std::fs::write(page("p.md"), "").unwrap();
    assert_eq!((name("p.md"), name("p.markdown")), ("p.reading.yaml".into(), "p.markdown.reading.yaml".into()));
}

#[test]
fn the_schema_has_the_keys_of_the_reader() {
    let (asked, _) = crate::source::describe("a decision", ("none.md", ""), read_decision);
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    let of = schema.pointer("/properties/decisions/items").unwrap();
    let keys = |value: &serde_json::Value| value["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(of), keys(&asked));
    assert_eq!(of["required"], asked["required"]);
}

#[test]
fn what_no_drill_follows_by_itself_is_said_to_be_so() {
    let mut page = runbook("# T\n\n## Background\n\n```bash\nrm x\n```\n");
    page.settle(&BTreeMap::new());
    let why = "nobody has accepted this command, and only a scenario that selects the phase `reference` follows it";
    assert_eq!(command(&page, 0, 0).handling.why(), why);
}
