//! Where a process stands: what counts as in place, as there in part, and as gone.

use super::pretend::{Pretend, agents};
use super::*;

const TWO: &str = "process: { name: exporter, service: db, run: 'export all', replicas: 2, returns: 1s }";

#[tokio::test]
async fn a_process_is_as_far_there_as_its_containers_run() {
    let (stack, agents) = (Pretend::default(), agents());
    let context = FaultContext { id: "f", stack: &stack, agents: Some(&agents), seed: 0, strength: 1.0 };
    let fault = read(TWO).expect("a fault");
    let undo = fault.prepare(&context).await.expect("an undo");
    assert_eq!(serde_json::to_string(&undo).expect("JSON"), r#"{"undo":"process","name":"exporter"}"#);
    assert_eq!(stack.done(), Vec::<String>::new(), "a plan changes nothing");
    let stands = async || fault.confirm(&undo, &context).await.expect("told");
    assert_eq!(stands().await, Presence::Gone("`exporter` has no container".into()));

    fault.inject(&undo, &context).await.expect("injected");
    assert_eq!(stack.done(), ["start exporter"]);
    let with = Pretend::with(&[("a", "running"), ("b", "running")]);
    *stack.containers.lock().expect("a lock") = std::mem::take(&mut *with.containers.lock().expect("a lock"));
    assert_eq!(stands().await, Presence::InPlace("shop-a is running, shop-b is running".into()));
    stack.set("b", "exited");
    assert_eq!(stands().await, Presence::Partly("shop-a is running, shop-b has exited with 137".into(), Parts::HALF));
    stack.set("a", "paused");
    assert_eq!(stands().await, Presence::Gone("shop-a is paused, shop-b has exited with 137".into()));
    stack.set("b", "running");
    assert!(matches!(stands().await, Presence::Partly(..)), "one of them does nothing");
    stack.set("a", "exited");
    stack.set("b", "exited");
    assert!(matches!(stands().await, Presence::Gone(_)));

    undo.execute(&context).await.expect("reverted");
    undo.execute(&context).await.expect("reverted again");
    assert_eq!(stack.done(), ["remove exporter", "remove exporter"]);
}

#[tokio::test]
async fn what_runs_is_cleared_only_by_a_probe_that_says_so() {
    let (stack, agents) = (Pretend::with(&[("a", "running")]), agents());
    let context = FaultContext { id: "f", stack: &stack, agents: Some(&agents), seed: 0, strength: 1.0 };
    let probed = "process: { name: exporter, run: x, confirm: { service: db, run: seen }, \
                  cleared_when: { service: web, run: refused } }";
    let fault = read(probed).expect("a fault");
    let codes = |codes: &[i64]| *stack.codes.lock().expect("a lock") = codes.to_vec();
    codes(&[0, 127]);
    let error = fault.prepare(&context).await.expect_err("nothing runs yet").to_string();
    assert_eq!(
        error,
        "before `exporter` is started: it is in place already: `confirm`: exit code 0 in shop-db-1: last"
    );
    let undo = fault.prepare(&context).await.expect("an undo");
    assert_eq!(stack.done(), ["db: sh -c seen", "db: sh -c seen"]);
    fault.inject(&undo, &context).await.expect("started");
    fault.prepare(&context).await.expect("it may come again while what it did is still there");
    assert_eq!(stack.done(), ["start exporter"]);
    let stands = async || fault.confirm(&undo, &context).await;

    codes(&[1, 0, 1, 1, 0]);
    let place = stands().await.expect("told");
    assert_eq!(place, Presence::InPlace("shop-a is running; `confirm`: exit code 0 in shop-db-1: last".into()));
    assert_eq!(stack.done(), ["web: sh -c refused", "db: sh -c seen"]);
    // Its connection was ended, and it may come back: what runs is not gone.
    let partly = stands().await.expect("told");
    assert_eq!(
        partly,
        Presence::Partly("shop-a is running; `confirm`: exit code 1 in shop-db-1: last".into(), Parts::HALF)
    );
    let gone = stands().await.expect("told");
    assert_eq!(gone, Presence::Gone("shop-a is running; `cleared_when`: exit code 0 in shop-db-1: last".into()));
    // A probe that cannot be run has answered nothing.
    codes(&[127]);
    let error = stands().await.expect_err("no answer").to_string();
    assert_eq!(error, "`cleared_when` in `web`: exit code 127 in shop-db-1: last");
    // A paused one may still hold what it held.
    stack.set("a", "paused");
    codes(&[1, 0, 1, 1]);
    assert!(matches!(stands().await, Ok(Presence::InPlace(_))));
    let gone = stands().await.expect("told");
    assert_eq!(gone, Presence::Gone("shop-a is paused; `confirm`: exit code 1 in shop-db-1: last".into()));
    // Without a container there is nothing to ask about.
    stack.containers.lock().expect("a lock").clear();
    stack.done();
    assert_eq!(stands().await.expect("told"), Presence::Gone("`exporter` has no container".into()));
    assert_eq!(stack.done(), Vec::<String>::new());
}

#[test]
fn a_password_in_its_script_is_a_secret() {
    let fault = read("process: { name: a, run: redis-cli --password hunter22 KEYS x }").expect("a fault");
    assert!(fault.facts.secrets.clone().contains(&"hunter22".to_string()), "{:?}", fault.facts.secrets.clone());
}
