//! What a block says of itself (place, expectations, retries, background, captured inputs) is what happens to it.

use crate::support::{Case, Happening, OWN_RESTART, Told, runs};
use firedrill::record::{Check, CheckOutcome, Event, ExpectationRecord, NoteRecord, StepRecord, StepStatus, Verdict};
use firedrill::runbook::{BlockSettings, Command, Errors, Expect, Replaced, Retry};
use firedrill::source::Source;
use firedrill::spec::BlockClient;
use firedrill::stack::Place;
use std::time::Duration;

fn expect(pattern: &str) -> Option<Expect> {
    let regex = regex::Regex::new(&format!("(?m){pattern}")).expect("a pattern");
    Some(Expect { regex, pattern: pattern.into() })
}

fn retry(attempts: u32, millis: u64) -> Option<Retry> {
    Some(Retry { attempts, pause: Duration::from_millis(millis) })
}

fn step<'t>(told: &'t Told, part: &str) -> &'t StepRecord {
    told.record.steps.iter().find(|step| step.step.contains(part)).expect("a step")
}

fn expectation<'t>(told: &'t Told, part: &str) -> &'t ExpectationRecord {
    step(told, part).expectations.first().expect("an expectation")
}

fn places(told: &Told) -> Vec<&Place> {
    let opened = told.happenings().filter_map(|happening| match happening {
        Happening::Opened { place } => Some(place),
        _ => None,
    });
    opened.collect()
}

fn db() -> Place {
    Place::Service("db".into())
}

#[tokio::test]
async fn a_block_runs_where_it_says_and_the_session_there_is_kept() {
    let told = Case::new()
        .says("look", |settings| settings.place = Some("db".into()))
        .says("work", |settings| settings.place = Some("db".into()))
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]);
    assert_eq!(places(&told), [&Place::Toolbox, &db()]);
}

#[tokio::test]
async fn a_session_is_opened_anew_where_its_container_was_restarted() {
    let told = Case::new()
        .replace("fix", "restart-db\nfix")
        .says("look", |settings| settings.place = Some("db".into()))
        .says("work", |settings| settings.expect_exit = Some(0))
        .says("check", |settings| settings.place = Some("db".into()))
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]);
    assert_eq!(places(&told), [&Place::Toolbox, &db(), &db()]);
    let notes: Vec<&str> = told.record.notes.iter().map(|note| note.text.as_str()).collect();
    assert!(notes.iter().any(|note| note.contains("`db` was restarted")), "{notes:?}");
}

#[tokio::test]
async fn a_command_that_is_killed_with_its_container_fails_its_step_and_not_the_harness() {
    let case = || Case::new().replace("fix", "restart-own\nfix");
    let told = case().says("work", |settings| settings.place = Some("db".into())).run().await;
    told.verdict(Verdict::StepFailed, &["`restart-own` exited with 137: the container of `db` ended while it ran"])
        .at("runbook.md", "restart-own");
    // Who says that it ends so goes on in the container that is there then.
    let told = case()
        .says("work", |settings| (settings.place, settings.expect_exit) = (Some("db".into()), Some(137)))
        .run()
        .await;
    told.verdict(Verdict::StepFailed, &["`fix` exited with 0 where 137 was expected"]);
    assert_eq!(places(&told), [&Place::Toolbox, &db(), &db()], "{}", told.story());
}

#[tokio::test]
async fn a_condition_whose_command_was_killed_with_its_container_is_not_asked_again() {
    let told = Case::new()
        .replace("fix", "if false; then restart-own; fi")
        .says("work", |settings| (settings.place, settings.retry) = (Some("db".into()), retry(3, 10)))
        .run()
        .await;
    told.verdict(Verdict::StepFailed, &["the container of `db` ended while it ran"]).step("work", StepStatus::Failed);
}

#[tokio::test]
async fn a_container_that_nobody_could_look_at_fails_its_step_as_well_when_it_ends() {
    let told = Case::new()
        .replace("fix", "restart-own\nfix")
        .says("work", |settings| settings.place = Some("db".into()))
        .world(|world| world.cannot_look = 1)
        .run()
        .await;
    told.verdict(Verdict::StepFailed, &["the container of `db` ended while it ran"]);
}

#[tokio::test]
async fn the_environment_of_a_step_does_not_outlive_it_where_its_container_was_restarted() {
    let told = Case::new()
        .replace("fix", "fix\nrestart-db")
        .says("work", |settings| settings.place = Some("db".into()))
        .says("check", |settings| settings.place = Some("db".into()))
        .set("steps", "{ work-around-it: { env: { OWN: step } } }")
        .world(|world| world.exports = true)
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]);
    let all: Vec<&Happening> = told.happenings().collect();
    let opened = all.iter().rposition(|h| matches!(h, Happening::Opened { .. })).expect("a session");
    let gone = |h: &&Happening| matches!(h, Happening::Unset { names } if names.contains(&"OWN".to_string()));
    assert!(all[opened..].iter().any(gone), "{}", told.story());
}

#[tokio::test]
async fn a_service_without_a_running_container_fails_the_step_and_not_the_harness() {
    let told = Case::new()
        .set("faults", crate::support::PAUSE)
        .says("look", |settings| settings.place = Some("db".into()))
        .run()
        .await;
    told.verdict(Verdict::StepFailed, &["`db`", "paused"]).at("runbook.md", "say looking");
}

#[tokio::test]
async fn a_deadline_of_its_own_is_that_of_each_command() {
    let told = Case::new()
        .replace("fix", "hang")
        .says("work", |settings| settings.timeout = Some(Duration::from_millis(200)))
        .run()
        .await;
    told.verdict(Verdict::StepFailed, &["`hang`", "0.2 s"]);
}

#[tokio::test]
async fn an_exit_code_that_is_expected_is_no_failure_and_another_one_is_in_every_phase() {
    let told = Case::new().replace("fix", "exit 127\nfix").run().await;
    told.verdict(Verdict::StepFailed, &["127"]);
    let told = Case::new()
        .replace("fix", "exit 127\nexit 127")
        .says("work", |settings| settings.expect_exit = Some(127))
        .set("respond", "{ phases: [mitigate], timeout: 2s }")
        .run()
        .await;
    told.verdict(Verdict::NotRecovered, &[]).step("work", StepStatus::Warned);
    assert!(expectation(&told, "work").met);
    for (command, says) in [("exit 3", "exited with 3 where 1 was expected"), ("true", "exited with 0 where 1")] {
        let told =
            Case::new().replace("say looking", command).says("look", |settings| settings.expect_exit = Some(1)).run();
        let told = told.await;
        told.verdict(Verdict::StepFailed, &[says]).at("runbook.md", command).step("look", StepStatus::Failed);
        assert!(!expectation(&told, "look").met);
    }
}

#[tokio::test]
async fn an_error_that_is_told_with_exit_code_0_fails_a_mitigating_step_unless_it_is_meant_so() {
    let case = || Case::new().replace("fix", "redis-cli CLIENT KIL\nfix");
    let told = case().run().await;
    let says =
        ["`redis-cli CLIENT KIL` ended with exit code 0, but redis-cli answered \"ERR unknown command 'CLIENT KIL'\""];
    told.verdict(Verdict::StepFailed, &says).at("runbook.md", "redis-cli CLIENT KIL");
    let told = case().says("work", |settings| settings.errors = Some(Errors::Allowed)).run().await;
    told.verdict(Verdict::Passed, &[]);
    let told = Case::new().replace("say looking", "redis-cli INFOS").run().await;
    told.verdict(Verdict::Passed, &[]).step("look", StepStatus::Warned);
}

#[tokio::test]
async fn an_empty_value_blocks_the_step_unless_it_may_be_empty() {
    let case = |vars: &str| {
        let respond = format!("{{ phases: [mitigate], timeout: 2s, vars: {vars} }}");
        Case::new().replace("fix", "fix\nsay \"$PREFIX\" <suffix>").set("respond", &respond)
    };
    let told = case("{ PREFIX: '', SUFFIX: x }").run().await;
    told.verdict(Verdict::StepBlocked, &["$PREFIX is empty", "respond.vars"]).at("runbook.md", "say \"$PREFIX\"");
    assert!(told.commands().is_empty(), "nothing of the step runs");
    let told = case("{ SUFFIX: '' }").run().await;
    told.verdict(Verdict::StepBlocked, &["$PREFIX has no value, <suffix> is empty"]);
    let told =
        case("{ PREFIX: { value: '', may_be_empty: true }, SUFFIX: { value: '', may_be_empty: true } }").run().await;
    told.verdict(Verdict::Passed, &[]);
}

#[tokio::test]
async fn sessions_have_the_environment_that_the_scenario_gives_them_and_a_step_its_own() {
    let respond = "{ phases: [diagnose, mitigate], timeout: 2s, env: { ONE: env, TWO: env } }";
    let told = Case::new()
        .replace("say looking", "say \"$ONE $TWO\"")
        .replace("fix", "fix\nsay \"$TWO $THREE\"")
        .set("respond", respond)
        .set("steps", "{ work-around-it: { env: { TWO: step, THREE: { secret: true, value: hunter22 } } } }")
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]);
    let set: Vec<Vec<String>> = told
        .happenings()
        .filter_map(|happening| match happening {
            Happening::Set { vars } => Some(vars.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            _ => None,
        })
        .collect();
    assert!(set.first().is_some_and(|first| *first == ["ONE=env", "TWO=env"]), "{set:?}");
    let of_step = set.iter().position(|set| *set == ["THREE=hunter22", "TWO=step"]).expect("the step's own");
    assert!(set[of_step + 1..].contains(&vec!["TWO=env".to_string()]), "it ends with the step: {set:?}");
}

#[tokio::test]
async fn output_that_does_not_match_fails_the_step_also_while_diagnosing() {
    let told = Case::new().says("look", |settings| settings.expect = expect("^look.*$")).run().await;
    told.verdict(Verdict::Passed, &[]).passed(Check::Step { step: told.step_id("look") });
    let seen = expectation(&told, "look");
    assert_eq!((seen.met, seen.what.as_str(), seen.evidence.as_str()), (true, "output /^look.*$/", "looking"));
    let told = Case::new().says("look", |settings| settings.expect = expect("terminated")).run().await;
    told.verdict(Verdict::StepFailed, &["/terminated/", "`looking`"]).at("runbook.md", "say looking");
    assert!(!expectation(&told, "look").met);
}

#[tokio::test]
async fn a_block_is_tried_again_from_its_first_command_and_not_more_often_than_it_may() {
    let told = Case::new()
        .replace("fix", "say again\nstubborn 2\nfix")
        .says("work", |settings| settings.retry = retry(3, 10))
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]);
    assert_eq!(told.commands().iter().filter(|command| **command == "say again").count(), 3);
    let stubborn = step(&told, "work").commands.get(1).expect("a command");
    assert_eq!((stubborn.attempts, stubborn.exit), (3, Some(0)));
    let told =
        Case::new().replace("fix", "stubborn 9").says("work", |settings| settings.retry = retry(3, 10)).run().await;
    told.verdict(Verdict::StepFailed, &["`stubborn 9`", "3 times"]);
    assert_eq!(told.commands().iter().filter(|command| **command == "stubborn 9").count(), 3);
}

#[tokio::test]
async fn a_block_is_tried_again_until_its_output_matches() {
    let said = |settings: &mut BlockSettings| {
        settings.expect = expect("pods 3");
        settings.retry = retry(5, 10);
    };
    let told = Case::new().replace("say looking", "grow pods").says("look", said).run().await;
    told.verdict(Verdict::Passed, &[]);
    assert_eq!((expectation(&told, "look").met, expectation(&told, "look").attempt), (true, 3));
}

#[tokio::test]
async fn while_diagnosing_what_still_fails_at_the_last_attempt_is_a_warning() {
    let told =
        Case::new().replace("say looking", "false").says("look", |settings| settings.retry = retry(2, 10)).run().await;
    told.verdict(Verdict::Passed, &[]).step("look", StepStatus::Warned);
    assert_eq!(told.commands().iter().filter(|command| **command == "false").count(), 2);
}

#[tokio::test]
async fn a_verification_that_says_how_often_is_not_tried_until_the_time_is_over() {
    let told =
        Case::new().replace("healthy", "false").says("check", |settings| settings.retry = retry(2, 10)).run().await;
    told.verdict(Verdict::StepFailed, &["`false`", "2 times"]);
    assert_eq!(told.commands().iter().filter(|command| **command == "false").count(), 2);
}

#[tokio::test]
async fn an_expectation_of_a_verification_is_tried_again_as_its_commands_are() {
    crate::let_them_look();
    let told = Case::new()
        .replace("healthy", "grow pods")
        .says("check", |settings| settings.expect = expect("pods 2"))
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]);
    assert_eq!(told.commands().iter().filter(|command| **command == "grow pods").count(), 2);
    // What may do more than look is judged by its first output.
    let told = Case::new()
        .replace("healthy", "say one pod")
        .says("check", |settings| settings.expect = expect("two pods"))
        .run()
        .await;
    told.verdict(Verdict::StepFailed, &["does not match /two pods/", "it was not tried again"]);
    assert_eq!(told.commands().iter().filter(|command| **command == "say one pod").count(), 1);
    let told = Case::new()
        .replace("healthy", "say one pod")
        .says("check", |settings| (settings.expect, settings.retry) = (expect("two pods"), retry(3, 10)))
        .run()
        .await;
    told.verdict(Verdict::StepFailed, &["does not match /two pods/", "3 times"]);
}

#[tokio::test]
async fn what_cannot_run_in_the_background_of_a_mitigation_fails_its_step() {
    let case = |command: &str| {
        Case::new().replace("fix", command).says("work", |settings| settings.background = Some(true)).run()
    };
    let told = case("nope").await;
    told.verdict(Verdict::StepFailed, &["`nope`, in the background, was not found (exit 127)"])
        .at("runbook.md", "nope")
        .step("work", StepStatus::Failed);
    let told = case("fix").await;
    told.step("work", StepStatus::Passed);
    let evidence = told.events().find_map(|event| match event {
        Event::CheckEnded { check: Check::Step { step }, outcome, .. } if step.contains("work") => Some(outcome),
        _ => None,
    });
    let started = CheckOutcome::Passed { evidence: "started in the background".into() };
    assert_eq!(evidence, Some(&started));
}

#[tokio::test]
async fn what_was_meant_to_help_in_the_background_and_failed_later_fails_its_step() {
    let told = Case::new()
        .replace("fix", "sleep 600\nmisfire")
        .replace("healthy", "sleep 900")
        .says("work", |settings| settings.background = Some(true))
        .run()
        .await;
    told.verdict(Verdict::StepFailed, &["`misfire`, in the background, exited with 1"])
        .at("runbook.md", "misfire")
        .step("work", StepStatus::Failed);
}

#[tokio::test]
async fn what_keeps_the_rest_of_a_background_block_from_helping_fails_its_step() {
    let told =
        Case::new().replace("fix", "false\nfix").says("work", |settings| settings.background = Some(true)).run().await;
    told.verdict(Verdict::StepFailed, &["`false`, in the background, exited with 1"]).step("work", StepStatus::Failed);
}

#[tokio::test]
async fn what_was_meant_to_help_in_the_background_and_was_not_reached_fails_its_step() {
    let told = Case::new()
        .replace("fix", "sleep 9000\nfix")
        .replace("healthy", "sleep 300")
        .says("work", |settings| settings.background = Some(true))
        .run()
        .await;
    told.verdict(Verdict::StepFailed, &["`fix`, in the background, was not reached before the runbook ended"])
        .at("runbook.md", "fix")
        .step("work", StepStatus::Failed);
}

#[tokio::test]
async fn a_background_mitigation_that_is_lost_is_no_failure_of_the_runbook_and_no_pass() {
    let told =
        Case::new().replace("fix", "vanish").says("work", |settings| settings.background = Some(true)).run().await;
    told.verdict(Verdict::HarnessError, &["`vanish` ran in the background and was lost"]);
}

fn in_background_of_db(work: &str, check: &str) -> Case {
    let case = Case::new().replace("fix", work).replace("healthy", check);
    case.says("work", |settings| (settings.place, settings.background) = (Some("db".into()), Some(true)))
}

#[tokio::test]
async fn what_is_killed_in_the_background_with_its_container_fails_its_step_and_not_the_harness() {
    let killed = "in the background, exited with 137: the container of `db` ended while it ran";
    for (work, check) in [
        ("restart-own", "healthy"),
        ("sleep 600\nrestart-own\nfix", "sleep 900"),
        ("sleep 600\nrestart-own", "sleep 900\ntrue"),
    ] {
        let told = in_background_of_db(work, check).run().await;
        let told = told.verdict(Verdict::StepFailed, &[&format!("`restart-own`, {killed}")]);
        told.at("runbook.md", "restart-own").step("work", StepStatus::Failed);
    }
}

#[tokio::test]
async fn what_ends_its_own_container_in_the_background_ends_as_its_call_does() {
    let case = |work: &str| {
        in_background_of_db(work, "sleep 900\nhealthy")
            .on(runs(OWN_RESTART), |controls| controls.world.work_around(None))
    };
    for work in [OWN_RESTART.to_string(), format!("sleep 600\n{OWN_RESTART}\ntrue")] {
        let told = case(&work).run().await;
        told.verdict(Verdict::Passed, &[]).step("work", StepStatus::Passed);
        let restart = step(&told, "work").commands.iter().find(|ran| ran.text == OWN_RESTART).expect("a command");
        assert_eq!((restart.exit, restart.stopped), (Some(0), false), "{}", told.story());
    }
    let behind = "in the background, was not reached: the container of `db` ended with the command before it";
    let told = case(&format!("{OWN_RESTART}\nfix")).run().await;
    told.verdict(Verdict::StepFailed, &[&format!("`fix`, {behind}")]).step("work", StepStatus::Failed);
    let told = case(OWN_RESTART).says("work", |settings| settings.expect_exit = Some(3)).run().await;
    told.verdict(Verdict::StepFailed, &["exited with 0"]);
}

/// It helps 1.4 s after its step has begun, and users have 700 ms from then on.
#[tokio::test]
async fn what_is_lost_in_the_background_before_its_container_is_restarted_is_no_failure_of_the_runbook() {
    for (work, check) in [("vanish", "healthy"), ("sleep 600\nvanish", "sleep 900\nrestart-db")] {
        let told = in_background_of_db(work, check).run().await;
        told.verdict(Verdict::HarnessError, &["`vanish` ran in the background and was lost"]);
    }
}

#[tokio::test]
async fn a_block_in_the_background_holds_nobody_up_and_ends_with_the_runbook() {
    let told = Case::new()
        .replace("say looking", "hang")
        .says("look", |settings| settings.background = Some(true))
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]).step("look", StepStatus::Passed);
    let hang = step(&told, "look").commands.first().expect("a command");
    assert!(hang.background && hang.stopped && !hang.timed_out, "{hang:?}");
    assert!(hang.took_us > 0 && hang.ended_us.is_some());
    let ran = told.happenings().position(|h| matches!(h, Happening::Ran { text } if text == "healthy")).unwrap();
    let killed = told.happenings().position(|h| matches!(h, Happening::Killed { text } if text == "hang")).unwrap();
    assert!(ran < killed, "it ran until the runbook had ended");
    let told_of = |note: &NoteRecord| note.text.contains("left a process running (`background`)");
    assert!(told.record.notes.iter().any(told_of), "it may have helped\n{}", told.story());
}

#[tokio::test]
async fn a_block_in_the_background_ends_also_where_the_runbook_fails() {
    let told = Case::new()
        .replace("say looking", "hang")
        .replace("fix", "false")
        .says("look", |settings| settings.background = Some(true))
        .run()
        .await;
    told.verdict(Verdict::StepFailed, &["`false`"]);
    assert!(told.happenings().any(|h| matches!(h, Happening::Killed { text } if text == "hang")));
}

#[tokio::test]
async fn what_ends_early_in_the_background_and_badly_is_a_warning() {
    let told = Case::new()
        .replace("say looking", "exit 3")
        .replace("fix", "fix\nstubborn 0")
        .says("look", |settings| settings.background = Some(true))
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]);
    let line = told.line("runbook.md", "exit 3");
    let note = told.record.notes.iter().find(|note| note.text.contains("background")).expect("a note");
    assert!(note.text.contains(&format!("runbook.md:{line}")) && note.text.contains("exited with 3"), "{}", note.text);
}

#[tokio::test]
async fn a_verification_in_the_background_decides_nothing_and_says_so() {
    let told =
        Case::new().replace("healthy", "false").says("check", |settings| settings.background = Some(true)).run().await;
    told.verdict(Verdict::Passed, &[]).step("check", StepStatus::Warned);
    let reason = step(&told, "check").reason.as_deref().unwrap_or_default();
    assert!(reason.contains("`false` verifies in the background"), "{reason}");
}

#[tokio::test]
async fn what_nobody_waits_for_in_the_background_blocks_its_step() {
    let asks: [fn(&mut BlockSettings); 2] =
        [|settings| settings.expect = expect("ok"), |settings| settings.retry = retry(2, 10)];
    for (key, asks) in ["expect", "retry"].into_iter().zip(asks) {
        let background = move |settings: &mut BlockSettings| {
            settings.background = Some(true);
            asks(settings);
        };
        let told = Case::new().says("work", background).run().await;
        told.verdict(Verdict::StepBlocked, &[&format!("a block in the background cannot have `{key}`")]);
        told.at("runbook.md", "fix").step("work", StepStatus::Blocked);
    }
}

#[tokio::test]
async fn what_a_block_writes_is_an_input_of_later_ones() {
    let told = Case::new()
        .replace("say looking", "say web-1")
        .replace("fix", "say <pod-name>\nfix")
        .says("look", |settings| settings.capture = Some("POD_NAME".into()))
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]);
    assert_eq!(told.commands(), ["say web-1", "say web-1", "fix", "healthy"]);
    let set = told
        .happenings()
        .any(|h| matches!(h, Happening::Set { vars } if vars.contains(&("POD_NAME".to_string(), "web-1".to_string()))));
    assert!(set, "and a variable of the session");
}

#[tokio::test]
async fn a_captured_secret_is_never_shown() {
    let told = Case::new()
        .replace("say looking", "say hunter22-token")
        .replace("fix", "say <api-token>\nfix")
        .says("look", |settings| settings.capture = Some("API_TOKEN".into()))
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]);
    assert!(told.commands().contains(&"say hunter22-token"), "the command has it");
    let record = serde_json::to_string(&told.record.steps[1]).unwrap();
    assert!(!record.contains("hunter22-token") && record.contains("***"), "{record}");
    let output = told.record.steps[0].commands[0].output.text();
    assert_eq!(output, "***\n");
}

#[tokio::test]
async fn what_is_too_large_for_an_input_fails_the_step() {
    let told = Case::new()
        .replace("say looking", "flood 70000")
        .says("look", |settings| settings.capture = Some("DUMP".into()))
        .run()
        .await;
    told.verdict(Verdict::StepFailed, &["`DUMP`", "70000 bytes"]).at("runbook.md", "flood");
}

#[tokio::test]
async fn a_step_whose_input_was_to_be_captured_by_one_that_was_skipped_is_blocked() {
    let skipped = |settings: &mut BlockSettings| {
        settings.capture = Some("POD".into());
        settings.skip = Some("there is no cluster here".into());
    };
    let told = Case::new().replace("fix", "say <pod>").says("look", skipped).run().await;
    told.verdict(Verdict::StepBlocked, &["<pod>"]).step("look", StepStatus::Skipped);
    assert_eq!(step(&told, "look").reason.as_deref(), Some("there is no cluster here"));
    assert!(told.commands().is_empty());
}

#[tokio::test]
async fn sql_is_the_standard_input_of_its_client_in_its_service() {
    let told = Case::new()
        .plan_with(|plan| {
            let client = BlockClient { service: Some("db".into()), command: "psql -U shop".into() };
            plan.respond.clients.insert("sql".into(), client);
            let commands = plan.runbook.as_mut().unwrap().steps[0].commands_mut();
            let sql = "SELECT pid FROM locks;".to_string();
            commands[0] = Command { text: sql, language: "sql".into(), ..commands[0].clone() };
        })
        .says("look", |settings| settings.expect = expect("locks"))
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]);
    assert_eq!(told.commands()[0], "psql -U shop <<'SQL'\nSELECT pid FROM locks;\nSQL");
    assert_eq!(places(&told), [&Place::Toolbox, &db()]);
}

#[tokio::test]
async fn what_a_scenario_puts_in_the_place_of_a_step_is_shown_with_both_texts() {
    let told = Case::new()
        .replace("fix", "kubectl scale deploy/web")
        .plan_with(|plan| {
            let by = Source::new("fake.yaml", plan.source.text.clone());
            let step = &mut plan.runbook.as_mut().unwrap().steps[1];
            let origin = Some(by.clone());
            let new = Command { text: "fix".into(), line: 3, origin, ..step.commands()[0].clone() };
            let commands = std::mem::replace(&mut step.all_commands, vec![new]);
            step.replaced = Some(Replaced { manual: None, commands, by, line: 3 });
        })
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]);
    let info = told.record.plan.as_ref().and_then(|plan| plan.steps.get(1)).expect("a step");
    let replaced = info.replaced.as_ref().expect("what the runbook says");
    assert_eq!(replaced.commands, ["kubectl scale deploy/web"]);
    assert_eq!((replaced.by.path.as_str(), replaced.by.line), ("fake.yaml", 3));
    let started = told.events().find_map(|event| match event {
        Event::CommandStarted { text, at, .. } if text == "fix" => Some(at),
        _ => None,
    });
    assert_eq!(started.map(|at| at.to_string()), Some("fake.yaml:3".into()));
    let summary = firedrill::report::summary(&told.record, None, false);
    assert!(summary.contains("fake.yaml:3") && summary.contains("kubectl scale"), "{summary}");
    let junit = String::from_utf8(firedrill::report::junit(&[&told.record])).unwrap();
    assert!(junit.contains("kubectl scale deploy/web") && junit.contains("replaced by"), "{junit}");
}
