//! Whole runbooks: titles, phases, ids and hashes of steps, and the mistakes that are reported to their authors.

use super::*;
use crate::runbook::{BlockSettings, Step};
use crate::source::render;
use proptest::prelude::*;

fn read(text: &str) -> (Runbook, Diagnostics) {
    let mut diags = Diagnostics::default();
    let runbook = parse(&Source::new("runbooks/x.md", text), &mut diags).unwrap();
    (runbook, diags)
}

fn texts(text: &str) -> Vec<String> {
    let (runbook, _) = read(text);
    runbook.steps.iter().flat_map(Step::commands).map(|command| command.text.clone()).collect()
}

fn message(text: &str) -> String {
    crate::source::brief::brief(&render(&read(text).1, false))
}

#[test]
fn titles() {
    for (text, title) in [
        ("\u{feff}# Marked\n", "Marked"),
        ("\u{feff}---\ntitle: Marked\n---\n\n## Fix\n", "Marked"),
        ("---\ntitle: Front\n---\n\n# Head\n", "Head"),
        ("---\ntitle: \"Front: it\"\nweight: 1\n---\n\n## Fix\n", "Front: it"),
        ("---\ntitle: [\n---\n\n## Fix\n", "x"),
        ("Head\n====\n\n# Second\n", "Head"),
        ("#\n\n# Second `code` *it*\n", "Second code it"),
        ("", "x"),
    ] {
        assert_eq!(read(text).0.title, title, "{text}");
    }
}

#[test]
fn phases_are_inherited_and_the_title_is_none() {
    let text = "# Disaster recovery\n\n```sh\na\n```\n\n## Setup\n\n### Look\n\n```sh\nb\n```\n\n## Mitigation\n\n### Restart it\n\n```sh\nc\n```\n\n#### Verify it\n\n```sh\nd\n```\n\n## Notes\n\n```sh\ne\n```\n";
    let (runbook, _) = read(text);
    let phases: Vec<(&str, &str)> = runbook.steps.iter().map(|s| (s.id.as_str(), s.phase.name())).collect();
    assert_eq!(
        phases,
        [
            ("other/disaster-recovery", "other"),
            ("other/look", "other"),
            ("mitigate/restart-it", "mitigate"),
            ("verify/verify-it", "verify"),
            ("other/notes", "other")
        ]
    );
}

#[test]
fn numbered_steps_beside_one_that_mends_something_are_of_its_phase() {
    let phases = |titles: &[&str]| {
        let sections = titles.iter().map(|title| format!("## {title}\n\n```sh\na\n```\n"));
        let (runbook, _) = read(&format!("# T\n\n{}", sections.collect::<Vec<_>>().join("\n")));
        runbook.steps.iter().map(|step| step.phase.name()).collect::<Vec<_>>()
    };
    let steps =
        ["1. Stop the import", "2. Fix the index", "3. Restart the import", "4. Verify it", "5. Schedule a review"];
    assert_eq!(phases(&steps), ["mitigate", "mitigate", "mitigate", "verify", "other"]);
    let steps = ["1. Verify the backups", "2. Stop the import", "3. Fix the index"];
    assert_eq!(phases(&steps), ["diagnose", "mitigate", "mitigate"], "only a verification behind it is the end");
    assert_eq!(phases(&["1. Prerequisites", "2. Fix the index"]), ["other", "mitigate"]);
    assert_eq!(phases(&["1. Stop the import", "2. Mitigation"]), ["other", "mitigate"], "chapters");
    assert_eq!(phases(&["Stop the import", "2. Fix the index"]), ["other", "mitigate"]);
    assert_eq!(phases(&["1. Stop it <!-- firedrill: phase=other -->", "2. Fix the index"]), ["other", "mitigate"]);
}

#[test]
fn a_session_goes_on_through_steps_and_lists() {
    let manual = |text: &str| {
        let (runbook, _) = read(text);
        runbook.steps.iter().map(|step| step.commands().is_empty()).collect::<Vec<_>>()
    };
    let step =
        |number: u8, title: &str, command: &str| format!("### Step {number}: {title}\n\n```sh\n{command}\n```\n\n");
    let steps =
        [step(1, "Log in", "ssh db-1"), step(2, "Restart", "reboot"), step(3, "Leave", "exit"), step(4, "Look", "ls")]
            .concat();
    assert_eq!(
        manual(&format!("## Fix\n\n{steps}## Verification\n\n```sh\nls\n```\n")),
        [true, true, true, false, false]
    );
    let open = step(1, "Log in", "ssh db-1");
    assert_eq!(manual(&format!("## Fix\n\n{open}### Restart\n\n```sh\nreboot\n```\n")), [true, false]);
    assert_eq!(manual(&format!("## Fix\n\n{open}## Rollback\n\n{}", step(1, "Restart", "reboot"))), [true, false]);
    let problems = "### 1. Disk full\n\n```sh\nssh db-1\n```\n\n### 2. Pod does not start\n\n```sh\nreboot\n```\n";
    assert_eq!(manual(&format!("## Fix\n\n{problems}")), [true, false], "problems of their own");
    let asks = problems.replace("Disk full", "Open a shell").replace("Pod does not start", "Restart it");
    assert_eq!(manual(&format!("## Fix\n\n{asks}")), [true, true]);
    let forward = [step(1, "Look", "kubectl port-forward svc/x 80"), step(2, "Ask", "curl localhost/x")].concat();
    assert_eq!(manual(&format!("## Fix\n\n{forward}")), [true, false]);
    let list = "1. Open a shell with `docker compose exec shop sh`.\n2. Stop it.\n\n   ```sh\n   kill 1\n   ```\n";
    assert_eq!(manual(&format!("## Fix\n\n{list}\nThen:\n\n```sh\nls\n```\n")), [true, true, false]);
    let shell = "Open a shell with `docker compose exec shop sh`";
    let fix =
        |leads: &str| format!("## Fix\n\n{shell}{leads}\n\n```sh\nrm x\n```\n\n## Verification\n\n```sh\nls\n```\n");
    assert_eq!(manual(&fix(", then run:")), [true, false]);
    assert_eq!(manual(&fix(" to see more.")), [false, false], "it may be opened, and need not");
    let two = fix(", then run:").replace("## Verification", "Then, on your own machine:");
    assert_eq!(manual(&two), [true, false], "it is for that block");
}

#[test]
fn several_first_level_headings_are_sections() {
    let (runbook, _) = read("# Alert X\n\n# Mitigation\n\n```sh\na\n```\n\n# Verification\n\n```sh\nb\n```\n");
    assert_eq!(runbook.title, "Alert X");
    assert_eq!(runbook.steps.iter().map(|s| s.phase.name()).collect::<Vec<_>>(), ["mitigate", "verify"]);
}

#[test]
fn ids_are_unique() {
    let text = "## Fix\n\n### Restart\n\n```sh\na\n```\n\n### Restart 2\n\n```sh\nb\n```\n\n### Restart\n\n```sh\nc\n```\n\n### ¡!\n\n```sh\nd\n```\n";
    let (runbook, _) = read(text);
    let ids: Vec<&str> = runbook.steps.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(ids, ["mitigate/restart", "mitigate/restart-2", "mitigate/restart-3", "mitigate/step"]);
}

#[test]
fn a_hash_follows_the_content_of_its_step_alone() {
    let hashes = |text: &str| read(text).0.steps.into_iter().map(|step| step.hash).collect::<Vec<_>>();
    let before = hashes("## Fix\n\n1. A\n\n   ```sh\n   a\n   ```\n\n2. B\n\n   ```sh\n   b\n   ```\n");
    let after =
        hashes("# Title\n\n## Fix\n\n1. A\n\n   ```sh\n   a\n   ```\n\n2. B\n\n   ```sh\n   b --hard\n   ```\n");
    assert_eq!(before[0], after[0]);
    assert_ne!(before[1], after[1]);
    assert_eq!(before[0].len(), 64);
}

#[test]
fn line_ends_tabs_and_quotes_do_not_matter() {
    let unix = "## Fix\n\n1. A\n\n   ```sh\n   a \\\n     b\n   c\n   ```\n";
    assert_eq!(texts(unix), ["a \\\n  b", "c"]);
    assert_eq!(texts(&unix.replace('\n', "\r\n")), ["a \\\n  b", "c"]);
    assert_eq!(texts("## Fix\n\n> ```sh\n> a\n> b\n> ```\n"), ["a", "b"]);
    assert_eq!(texts("## Fix\n\n-\t```sh\n\ta\n\t\tb\n\t```\n"), ["a", "b"]);
}

#[test]
fn places_of_commands_and_inputs() {
    let text = "## Fix\n\n1. ö\n\n   ```console\n   $ ls; kill <pid>\n   $ cat <<E\n   > <x-y>\n   > E\n   ```\n";
    let (runbook, _) = read(text);
    let commands = runbook.steps[0].commands();
    let places: Vec<_> = commands.iter().map(|c| (c.text.as_str(), c.line, c.column)).collect();
    assert_eq!(places, [("ls", 6, 6), ("kill <pid>", 6, 10), ("cat <<E\n<x-y>\nE", 7, 6)]);
    assert_eq!((commands[1].inputs[0].line, commands[1].inputs[0].column), (6, 15));
    assert_eq!((commands[2].inputs[0].line, commands[2].inputs[0].column), (8, 6));
    assert_eq!((runbook.steps[0].line, runbook.steps[0].end_line), (3, 10));
}

#[test]
fn fences_that_swallow_the_rest_are_errors() {
    let texts = [
        "# X\n\n## Diagnosis\n\n```shell\nls\n\n## Mitigation\n\nRestart.\n",
        "# X\n\n```bash\nls\n\n## Mitigation\n\n```bash\nrestart\n```\n",
        "# X\n\n1. Do\n\n   ```bash\n   ls\n```\n\n2. Do\n",
    ];
    insta::assert_snapshot!(texts.map(message).join("\n"));
    for fine in [
        "## Fix\n\n````sh\ncat <<E\n```\nE\n````\n",
        "## Fix\n\n```sh\na\n```\n\n```markdown\n```bash\n```\n",
        "## Fix\n\n```sh\na\n```",
    ] {
        assert_eq!(message(fine), "", "{fine}");
    }
}

#[test]
fn a_runbook_without_anything_to_run_is_an_error() {
    let texts =
        ["# X\n\n## Mitigation\n\nRestart it.\n", "# X\n\n## Mitigation\n\nLook:\n\n```sh\ntail -f x\n```\n", ""];
    insta::assert_snapshot!(texts.map(message).join("\n"));
}

#[test]
fn the_size_is_limited() {
    let mut diags = Diagnostics::default();
    let source = Source::new("x.md", "a\n".repeat(MAX_SIZE));
    assert!(parse(&source, &mut diags).is_none());
    assert!(diags.has_errors());
}

#[test]
fn a_runbook_that_was_made_to_hurt_is_read() {
    for part in [
        "- ", "> ", "1. a\n", "```\n", "```sh\na\n", "# a\n", "If a:\n\n```sh\nb\n```\n\n", "<a ", "$ a\n",
        "```sh\n$ cat <<A\n", "{{a ", "![", "a.",
    ] {
        read(&part.repeat(16_000 / part.len()));
    }
}

#[test]
fn what_a_manual_step_says() {
    let reasons = |text: &str| -> Vec<String> {
        let (runbook, _) = read(text);
        let reason = |step: Step| step.manual.unwrap_or_else(|| format!("runs {}", step.all_commands.len()));
        runbook.steps.into_iter().map(reason).collect()
    };
    assert_eq!(reasons("## Fix\n\n1. Call them.\n2. Run:\n\n   ```sh\n   a\n   ```\n"), ["no command in it", "runs 1"]);
    assert_eq!(
        reasons(
            "## Verification\n\n1. Is it back? `curl -f http://web` answers.\n2. Look at `db_pool`.\n3. Run:\n\n   ```sh\n   a\n   ```\n"
        ),
        ["a command in its text is not read (`curl -f http://web`): put it into a block", "no command in it", "runs 1"]
    );
    assert_eq!(
        reasons("## Fix\n\n### Ask\n\n```sql\nselect 1;\n```\n\n```sh\na\n```\n"),
        ["`sql` needs a client, and none is named for it (`clients: { sql: … }` in the scenario)", "runs 1"]
    );
    assert_eq!(reasons("## Fix\n\n### Set\n\n```ini\na=1\n```\n"), ["no command in it: `ini` is data"]);
    assert_eq!(reasons("## Fix\n\n### Set\n\n```ini\na=1\n```\n\n```sh\na\n```\n"), ["runs 1"]);
}

#[test]
fn a_numbered_comment_without_a_command_is_told() {
    let (runbook, _) = read(
        "## Fix\n\n```sh\n# 1. Add the new version to the secret store\n# 2. Restart it\na <<E\n# 9. Stop it\nE\n\n# 3. Database\n\
         # 4. Look\nb # 9. Stop it\n# 5. Revoke the old keys\n```\n",
    );
    let left: Vec<(usize, &str)> =
        runbook.steps[0].left_out.iter().map(|left| (left.line, left.why.as_str())).collect();
    let expected =
        [(4, "for a person: Add the new version to the secret store"), (13, "for a person: Revoke the old keys")];
    assert_eq!((left.as_slice(), runbook.steps.len()), (&expected[..], 1));
}

#[test]
fn what_the_text_asks_of_a_person_is_told_by_the_step_beside_it() {
    let code = "```sh\na\n```\n";
    for (text, lines) in [
        (format!("## Fix\n\nClick *Save*, and then restart:\n\n{code}"), &[3][..]),
        (format!("## Mitigation\n\n- [ ] Confirmed with the customers\n\n{code}\nPhone the DBA.\n"), &[3, 9]),
        ("## Fix\n\n### Step 2\n\n1. Restart:\n\n   ```sh\n   a\n   ```\n\n2. Phone the DBA.\n".into(), &[11]),
        ("## Fix\n\n1. Phone the DBA.\n2. Restart:\n\n   ```sh\n   a\n   ```\n".into(), &[]),
        (format!("## Fix\n\n{code}\nIn the end, `docker compose down -v` and `docker compose ps`.\n"), &[7]),
        (format!("## Fix\n\n{code}\nNever `docker compose down -v`; `docker compose ps` shows it.\n"), &[]),
        (format!("## Fix\n\n{code}\nNever run `./wipe.sh` or `docker compose down -v`.\n"), &[]),
        (format!("## Fix\n\nStop it with `docker compose stop <name>`:\n\n{code}"), &[]),
        (format!("## Fix\n\n{code}\nIf it stays red, `docker compose restart db` is what the DBA does.\n"), &[]),
        (format!("## Fix\n\nIf it stays red, phone the DBA.\n\n{code}"), &[]),
    ] {
        let steps = read(&text).0.steps;
        let asked = steps.iter().flat_map(|step| &step.left_out).filter(|left| left.is_asked);
        assert_eq!(asked.map(|left| left.line).collect::<Vec<_>>(), lines, "{text}");
    }
}

#[test]
fn the_nearest_comment_is_the_title_of_what_is_for_a_person() {
    for (comments, title) in [("# An old note\n\n# 2. Log in\n# as root\n", "Log in"), ("# Or\n", "Fix"), ("", "Fix")] {
        let (runbook, _) = read(&format!("## Fix\n\n```sh\na # 1. Look\n{comments}ssh host\n```\n"));
        assert_eq!(runbook.steps.iter().map(|step| step.title.as_str()).collect::<Vec<_>>(), ["Fix", title]);
    }
}

#[test]
fn comments_of_sql_govern_the_commands_below_them() {
    let block = "-- Only on the standby\npsql -c 'select 1'\n-- Then\nkubectl exec db \\\n-- ls\n";
    let (runbook, _) = read(&format!("## Fix\n\n```sql\n{block}```\n"));
    let found: Vec<(&str, &[String])> =
        runbook.steps[0].commands().iter().map(|one| (one.text.as_str(), one.governs.under.as_slice())).collect();
    let said = ["# Only on the standby", "# Then"].map(str::to_string);
    assert_eq!(found, [("psql -c 'select 1'", &said[..1]), ("kubectl exec db \\\n-- ls", &said[..])]);
}

#[test]
fn a_heading_in_a_quote_or_in_details_takes_over_nothing_behind_it() {
    let details = "<details>\n<summary>Why</summary>\n\n## Background\n\nIt is old.\n\n</details>\n";
    for inside in ["> ## Background\n>\n> It is old.\n", details] {
        let text = format!("## Mitigation\n\n### Restart\n\n{inside}\n```sh\na\n```\n\n### Then\n\n```sh\nb\n```\n");
        let (runbook, _) = read(&text);
        let found: Vec<(&str, String)> =
            runbook.steps.iter().map(|step| (step.id.as_str(), step.commands()[0].governs.path())).collect();
        let expected = [("mitigate/restart", "Mitigation / Restart"), ("mitigate/then", "Mitigation / Then")];
        assert_eq!(found, expected.map(|(id, path)| (id, path.to_string())), "{inside}");
    }
    let phases = |text: &str| read(text).0.steps.iter().map(|step| step.phase.name()).collect::<Vec<_>>();
    let unclosed = "## Mitigation\n\n<details>\n\n## Background\n\n```sh\na\n```\n";
    assert_eq!(phases(unclosed), ["reference"]);
    assert_eq!(phases(&format!("{unclosed}\n</details>\n\n```sh\nb\n```\n")), ["reference", "mitigate"]);
}

#[test]
fn boxes_to_be_ticked_beside_code_are_steps() {
    let commands = |text: &str| read(text).0.steps.iter().map(|step| step.commands().len()).collect::<Vec<_>>();
    let list = "- [ ] Put it into maintenance in the console.\n- [ ] Restart:\n\n  ```sh\n  a\n  ```\n";
    assert_eq!(commands(&format!("## Fix\n\n{list}")), [0, 1]);
    assert_eq!(commands(&format!("## Fix\n\n{}", list.replace("[ ] ", ""))), [1]);
    assert_eq!(commands(&format!("## Notes\n\n{list}")), [1]);
    assert_eq!(commands("## Fix\n\n- [ ] Tell the others.\n- [ ] Run `kubectl delete pod x`.\n"), [1]);
}

#[test]
fn a_fence_inside_of_html_is_told() {
    for (html, is_told) in [
        ("<details>\n<summary>Old</summary>\n```sh\nb\n```\n</details>\n", true),
        ("<pre>\n$ docker compose stop web\n</pre>\n", true),
        ("<p><code>docker compose stop web</code></p>\n", true),
        ("<pre>\nrestart the web\n</pre>\n", false),
        ("<p>docker compose stop web</p>\n", false),
    ] {
        let (runbook, diags) = read(&format!("## Fix\n\n```sh\na\n```\n\n{html}"));
        assert_eq!(runbook.steps.len(), 1);
        let told: Vec<&str> = diags.all.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
        let expected = vec!["the code block in this HTML is not read"; usize::from(is_told)];
        assert_eq!((told, diags.has_errors()), (expected, false), "{html}");
    }
    for (begin, end) in [("{% highlight bash %}", "{% endhighlight %}"), ("{{< highlight sh >}}", "{{< /highlight >}}")]
    {
        let (_, diags) = read(&format!("## Fix\n\n```sh\na\n```\n\n{begin}\ndocker compose stop web\n{end}\n"));
        assert_eq!(diags.all[0].message, "the code between these marks is not read", "{begin}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_is_read_and_every_place_is_true(
        parts in prop::collection::vec(prop::sample::select(vec![
            "# T\n", "## Mitigation\n", "### Step 1: x\n", "Head\n---\n", "1. do <x>\n", "2. then\n", "- a\n", "  - b\n", "\n", "\r\n",
            "```bash\n", "   ```sh\n", "\t```\n", "```\n", "   ```\n", "~~~\n", "    indented\n", "$ ls $X\n", "   $ cat <<E\n", "> q\n",
            "   echo 'it <y> ' # é\n", "> E\n", "E\n", "# If é:\n", "a; b && c\n", "for i in a; do\n", "done\n", "<details>\n", "</details>\n", "~~a `ls` b~~\n", "> [!NOTE]\n", "| a | b |\n|--|--|\n",
            "If so:\n", "---\ntitle: x\n---\n", "text é\n", "[^1]: foot\n", "\u{0}", "\u{feff}",
        ]), 0..24),
    ) {
        let text = parts.concat();
        places_are_true(&text)?;
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        places_are_true(&String::from_utf8_lossy(&bytes))?;
    }
}

#[test]
fn what_only_a_person_can_do_is_held() {
    let text = "## Fix\n\n### A\n\n```sh\nssh node-1\nreboot\n```\n\n### B\n\n```sh\ntail -f x\n```\n\n### C\n\n```sh\na\n```\n";
    let run = |text: &str| texts(text).len();
    assert_eq!(texts(text), ["a"]);
    let background = BlockSettings { background: Some(true), ..BlockSettings::default() };
    let (runbook, _) = read(text);
    let counts = runbook.steps.into_iter().map(|mut step: Step| {
        step.set(&background);
        step.commands().len()
    });
    assert_eq!(counts.collect::<Vec<_>>(), [0, 1, 1], "in the background it may go on");
    assert_eq!(run(&text.replace("```sh\nt", "<!-- firedrill: background -->\n```sh\nt")), 2);
    assert_eq!(texts("## Fix\n\n```sh\na\nwatch b\nc\n```\n"), ["a", "c"]);
}

/// Every line that is reported exists and holds what is claimed.
fn places_are_true(text: &str) -> Result<(), TestCaseError> {
    let (runbook, diags) = read(text);
    let lines: Vec<&str> = text.split('\n').collect();
    let at = |line: usize, column: usize| -> String { lines[line - 1].chars().skip(column - 1).collect() };
    let mut ids: Vec<&str> = runbook.steps.iter().map(|step| step.id.as_str()).collect();
    ids.sort_unstable();
    prop_assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{:?}", ids);
    for step in &runbook.steps {
        prop_assert!(step.line <= step.end_line && step.end_line <= lines.len());
        for command in &step.all_commands {
            let first = command.text.lines().next().unwrap_or_default();
            prop_assert!(
                at(command.line, command.column).starts_with(first.trim_end_matches('\r')),
                "{:?} {:?}",
                text,
                command
            );
            prop_assert!(step.line <= command.line && command.line <= step.end_line, "{:?} {:?}", text, step);
            for input in &command.inputs {
                prop_assert!(at(input.line, input.column).starts_with(&input.spelling), "{:?} {:?}", text, input);
                prop_assert_eq!(&command.text[input.span.start..input.span.end], input.spelling.as_str());
            }
        }
    }
    for diagnostic in &diags.all {
        prop_assert!(text.get(diagnostic.span.start..diagnostic.span.end).is_some());
    }
    Ok(())
}
