//! Invariants: a fix that destroys is none, and what does not hold before the fault proves nothing.

use crate::support::{Case, Told};
use firedrill::record::{Check, InvariantTime, Verdict};

async fn with(expected: &str, answers: &[&'static str]) -> Told {
    let answers = answers.to_vec();
    Case::new()
        .set("invariants", &format!("{{ orders: {{ service: db, run: count, {expected} }} }}"))
        .world(move |world| world.probes = [("count", answers)].into())
        .run()
        .await
}

fn orders() -> Check {
    Check::Invariant { name: "orders".into() }
}

#[tokio::test]
async fn what_is_as_before_three_times_holds() {
    let told = with("as_before: true", &["100"]).await;
    told.verdict(Verdict::Passed, &[]).passed(orders());
    let asked: Vec<_> = told.record.invariants.iter().map(|answer| (answer.time, answer.value.as_deref())).collect();
    let times = [InvariantTime::Steady, InvariantTime::Recovered, InvariantTime::Reverted];
    assert_eq!(asked, times.map(|time| (time, Some("100"))), "{}", told.story());
}

#[tokio::test]
async fn a_fix_that_destroys_is_none() {
    for (expected, reason) in [
        ("as_before: true", "not as before the fault: it wrote `3` and not `100`"),
        ("value: '>= 50'", "it is 3 and must be >= 50, before the fault it was 100"),
        ("output: '100'", "it wrote `3` and not `100`"),
    ] {
        let told = with(expected, &["100", "3"]).await;
        told.verdict(Verdict::Damaged, &["the invariant `orders` does not hold after the recovery", reason]);
        told.failed(orders()).passed(Check::Recovery { sli: "availability".into() });
    }
}

#[tokio::test]
async fn what_the_revert_destroys_spoils_a_pass() {
    let told = with("as_before: true", &["100", "100", "99"]).await;
    told.verdict(Verdict::Damaged, &["does not hold after the revert"]).failed(orders()).passed(Check::Revert);
    assert!(!told.record.passed());
}

#[tokio::test]
async fn a_pass_of_a_runbook_that_changes_data_says_when_nobody_looked() {
    let notes = |told: &Told| {
        told.verdict(Verdict::Passed, &[]);
        [
            "nobody looked whether it destroyed any",
            "cannot be taken back, and the `invariants` tell only of what they ask for",
        ]
        .map(|text| told.record.notes.iter().filter(|note| note.text.contains(text)).count())
    };
    let deletes = || Case::new().replace("fix\n", "psql -c 'DELETE FROM carts'\nfix\n");
    assert_eq!(notes(&deletes().run().await), [1, 0]);
    let kept = "{ orders: { service: db, run: count, as_before: true } }";
    let watched = deletes().set("invariants", kept).world(|world| world.probes = [("count", vec!["100"])].into());
    assert_eq!(notes(&watched.run().await), [0, 1]);
    assert_eq!(notes(&Case::new().run().await), [0, 0], "nothing that is known to change data");
}

#[tokio::test]
async fn what_is_written_must_go_on_being_written() {
    // Asked twice each time: once for the number, and until it grows.
    let told = with("increases: true", &["5", "6", "9", "10", "12", "13"]).await;
    told.verdict(Verdict::Passed, &[]).passed(orders());
    let told = with("increases: true", &["5", "6", "9"]).await;
    told.verdict(Verdict::Damaged, &["it was 9 and did not increase within 10 s"]);
    let told = with("increases: true", &["5", "6", "4"]).await;
    told.verdict(Verdict::Damaged, &["it is 4 and was 6 before"]);
    // What a command has written that failed is no answer.
    let case = Case::new().set("invariants", "{ orders: { service: db, run: count, increases: true } }");
    let told = case.world(|world| {
        world.probes = [("count", vec!["5", "6"])].into();
        world.exits.extend([("count", vec![0, 1])]);
    });
    told.run().await.verdict(Verdict::Unsteady, &["it was 5 and did not increase within 10 s"]);
}

#[tokio::test]
async fn what_does_not_hold_before_the_fault_is_unsteady() {
    for (expected, answer, reason) in [
        ("value: '>= 50'", "49", "it is 49 and must be >= 50"),
        ("value: '>= 50'", "(error) NOAUTH", "which is no number"),
        ("as_before: true", "", "it wrote nothing, so there is nothing to compare with"),
    ] {
        let told = with(expected, &[answer]).await;
        told.verdict(Verdict::Unsteady, &["the invariant `orders` does not hold before the fault", reason]);
        told.failed(Check::Steady);
        assert!(told.record.faults.is_empty(), "nothing was broken");
    }
}

#[tokio::test]
async fn what_a_program_was_refused_is_never_as_before() {
    let asked = async |run: &str, expected: &str, answers: &[&'static str]| {
        let answers = answers.to_vec();
        let invariants = format!("{{ orders: {{ service: db, run: '{run}', {expected} }} }}");
        Case::new().set("invariants", &invariants).world(|world| world.probes = [("GET", answers)].into()).run().await
    };
    let refused = "NOAUTH Authentication required.";
    for run in ["redis-cli GET orders", "sudo redis-cli GET orders 2>&1"] {
        let told = asked(run, "as_before: true", &[refused]).await;
        told.verdict(Verdict::Unsteady, &["cannot be told: redis-cli answered \"NOAUTH Authentication required.\""]);
    }
    let told = asked("redis-cli GET orders", "as_before: true", &["100", refused]).await;
    told.verdict(Verdict::Damaged, &["does not hold after the recovery", "cannot be told"]);
    let told = asked("redis-cli GET orders", "output: NOAUTH Authentication required.", &[refused]).await;
    told.verdict(Verdict::Unsteady, &["cannot be told"]);
    let told = asked("redis-cli GET orders", "increases: true", &["5", "(error) READONLY"]).await;
    told.verdict(Verdict::Unsteady, &["it was 5 and did not increase"]);
    // What `grep` was asked is what it answers.
    let told = asked("redis-cli GET orders | grep -o NOAUTH", "as_before: true", &["NOAUTH"]).await;
    told.verdict(Verdict::Passed, &[]).passed(orders());
}

#[tokio::test]
async fn a_control_has_no_cure_that_could_destroy() {
    let case = Case::new().set("invariants", "{ orders: { service: db, run: count, as_before: true } }");
    let told = case.options(|options| options.control = true).run().await;
    told.verdict(Verdict::Passed, &[]);
    assert!(told.record.invariants.is_empty());
}
