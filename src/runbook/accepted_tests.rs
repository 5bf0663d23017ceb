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
    let reading = crate::runbook::Reading { bridged: true, ..Default::default() };
    parse_with(&Source::new("db-pool.md", text), &reading, &mut diags).unwrap()
}

/// Everything is accepted as it stands.
fn accepted(text: &str) -> Accepted {
    let runbook = runbook(text);
    let stand = runbook.match_decisions(None).commands;
    let decisions = stand.iter().map(|(step, index, _)| {
        Decision::about(runbook.command(*step, *index).unwrap(), Do::Run, "oncall@example.com", "2026-11-20")
    });
    let decisions = decisions.collect();
    Accepted { source: Source::new("db-pool.reading.yaml", ""), decisions }
}

/// What is done about each command of a text, with the decisions about another one.
fn handlings(before: &str, now: &str) -> Vec<(String, Handling)> {
    let mut runbook = runbook(now);
    runbook.settle(Some(&accepted(before)), &BTreeMap::new());
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
    nobody.settle(None, &BTreeMap::new());
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
            "the text before this command has changed since 2026-11-20: “The batch job holds the connections.\nOnly its own \
             sessions.” is “The batch job holds the connections.\nAll sessions.” now"
                .to_string()
        )]
    );
    // What stands at the top of the section governs all of it.
    let now = PAGE.replace("holds the connections", "may hold the connections");
    assert_eq!(blocked(PAGE, &now).len(), 2);
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
            "the headings above this command have changed since 2026-11-20: “Mitigation / Step 2: End its sessions” is \
             “Mitigation / Step 2: End all sessions of the old cluster” now"
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
            "this command has changed since 2026-11-20: `docker compose stop batch` was accepted".to_string()
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
    let stand = runbook(PAGE).match_decisions(Some(&accepted(&twice)));
    assert_eq!(stand.stale, [1], "the second one is about nothing now");
}

#[test]
fn a_choice_is_the_scenarios() {
    let mut reading = accepted(PAGE);
    reading.decisions[0].decided = Do::Way { choice: "how".into(), way: "compose".into() };
    reading.decisions[1].decided = Do::Way { choice: "how".into(), way: "sql".into() };
    let of = |chosen: &[(&str, &str)]| {
        let mut runbook = runbook(PAGE);
        let chosen = chosen.iter().map(|(choice, way)| (choice.to_string(), way.to_string())).collect();
        runbook.settle(Some(&reading), &chosen);
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
    let again = read(&Source::new("db-pool.reading.yaml", text), Some(Path::new("x/db-pool.md")), &mut diags).unwrap();
    let bare = |decisions: Vec<Decision>| -> Vec<Decision> {
        decisions.into_iter().map(|decision| Decision { span: Span::default(), ..decision }).collect()
    };
    assert_eq!(bare(again.decisions), bare(reading.decisions));
}

#[test]
fn mistakes_of_a_reading_are_told_together() {
    let text = "runbook: other.md\nowner: us\ndecisions:\n  - at: a\n    command: b\n    do: maybe\n    by: c\n    on: today\n    seen: 12\n";
    let mut diags = Diagnostics::default();
    assert!(read(&Source::new("db-pool.reading.yaml", text), None, &mut diags).is_none());
    insta::assert_snapshot!(crate::source::render(&diags, false));
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
    let all = runbook.match_decisions(None).commands;
    let proposals = all.iter().map(|(step, index, _)| {
        let command = runbook.command(*step, *index).unwrap();
        (command.text.as_str(), proposal(command, runbook.steps[*step].phase), doubt(command))
    });
    let proposals: Vec<_> = proposals.collect();
    assert_eq!(proposals[0].2.as_deref(), Some("it is one of several ways or cases"));
    assert_eq!(proposals[1].2.as_deref(), Some("the text around it says “only”"));
    assert_eq!((proposals[2].0, &proposals[2].1), ("psql -c 'SELECT pg_terminate_backend(1)'", &Some(Do::Run)));
}

#[test]
fn what_is_chosen_by_its_author_does_not_run_against_a_decision() {
    let page = PAGE.replace("```bash\ndocker", "<!-- firedrill: choose -->\n```bash\ndocker");
    let mut nobody = runbook(&page);
    nobody.settle(None, &BTreeMap::new());
    assert!(matches!(nobody.steps[0].commands()[0].handling, Handling::Run(_)), "its author has decided");
    let mut reading = accepted(&page);
    reading.decisions[0].decided = Do::Skip;
    let mut drifted = runbook(&page.replace("Only its own", "Its own"));
    drifted.settle(Some(&reading), &BTreeMap::new());
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
    let mut one = runbook(&page.replacen("```bash\nreboot\n```", "Wait.", 1));
    one.settle(Some(&reading), &BTreeMap::new());
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
        ("# Restart\nsystemctl restart a\n# Or with Docker\ndocker restart a", "names another way"),
    ] {
        let runbook = runbook(&format!("# T\n\n## Fix\n\n```bash\n{text}\n```\n"));
        let last = runbook.steps.iter().flat_map(Step::commands).last().unwrap();
        assert!(doubt(last).is_some_and(|doubt| doubt.contains(why)), "{text}: {:?}", doubt(last));
    }
}

#[test]
fn a_word_at_a_heading_runs_nothing_that_no_block_holds() {
    let page = "# T\n\n## Mitigation <!-- firedrill: choose -->\n\n- It was broken by: `kubectl delete ns d`\n\ndocker rm -f web\n\n```\ndocker stop web\n```\n";
    let mut runbook = runbook(page);
    runbook.settle(None, &BTreeMap::new());
    let commands: Vec<&Command> = runbook.steps.iter().flat_map(|step| step.commands()).collect();
    assert_eq!(commands.len(), 3, "{commands:?}");
    assert!(commands.iter().all(|command| matches!(command.handling, Handling::Blocked(_))), "{commands:?}");
}

#[test]
fn what_was_left_out_stays_out_when_it_is_tagged() {
    let page = "# T\n\n## Mitigation\n\n```\ncat /var/log/huge\n```\n";
    let untagged = runbook(page);
    let command = untagged.command(0, 0).expect("a command");
    let decisions = vec![Decision::about(command, Do::Skip, "ann", "2026-11-20")];
    let accepted = Accepted { source: Source::new("r.reading.yaml", ""), decisions };
    let mut tagged = runbook(&page.replacen("```", "```bash", 1));
    tagged.settle(Some(&accepted), &BTreeMap::new());
    let handling = &tagged.command(0, 0).expect("a command").handling;
    assert!(matches!(handling, Handling::Skip(_)), "{handling:?}");
    assert!(tagged.match_decisions(Some(&accepted)).stale.is_empty());
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
