//! `stop_when` and `max_duration`: a drill ends at once, everything is undone, and the verdict is `interrupted`.

use crate::support::{Case, Told, begins, runs};
use firedrill::record::{Check, FaultEvent, Phase, Verdict};

/// Everything is undone within two seconds of the verdict.
fn interrupted(told: &Told, why: &str) {
    told.verdict(Verdict::Interrupted, &[why]);
    assert!(!told.record.passed() && !told.outcome.kept);
    told.passed(Check::NothingLeft);
    let judged = told.record.judged_us.expect("a verdict");
    for fault in &told.record.faults {
        let reverted = fault.at(FaultEvent::Reverted).unwrap_or_else(|| panic!("not undone\n{}", told.story()));
        assert!(reverted.since(judged).as_secs_f64() < 2.0, "{}", told.story());
    }
}

#[tokio::test]
async fn an_sli_below_its_floor_ends_the_drill() {
    let told = Case::new()
        .set("stop_when", "[{ sli: availability, below: 50%, for: 600ms }]")
        .set("impact", "{ below: 90%, within: 9s, window: 500ms }")
        .replace("fix", "hang")
        .set("respond", "{ phases: [diagnose, mitigate], timeout: 30s }")
        .options(|options| options.keep = true)
        .run()
        .await;
    interrupted(&told, "`stop_when`: availability is below 50% for 600ms; availability: ");
    told.at("fake.yaml", "stop_when");
}

#[tokio::test]
async fn a_floor_that_is_kept_ends_nothing() {
    let told =
        Case::new().set("stop_when", "[{ sli: availability, below: 50%, for: 20s }, { file: ./STOP }]").run().await;
    told.verdict(Verdict::Passed, &[]);
}

#[tokio::test]
async fn a_file_ends_the_drill_and_one_that_is_there_before_lets_nothing_be_broken() {
    let dir = tempfile::tempdir().unwrap();
    let stop = dir.path().join("STOP");
    let condition = format!("[{{ file: {} }}]", stop.display());
    let file = stop.clone();
    let told = Case::new()
        .set("stop_when", &condition)
        .set("respond", "{ phases: [diagnose, mitigate], timeout: 30s }")
        .replace("fix", "hang")
        .on(runs("hang"), move |_| std::fs::write(&file, "").unwrap())
        .run()
        .await;
    interrupted(&told, "STOP is there");
    let told = Case::new().set("stop_when", &condition).run().await;
    interrupted(&told, "STOP is there");
    assert_eq!(told.record.faults, [], "{}", told.story());
}

#[tokio::test]
async fn a_script_in_a_service_ends_the_drill() {
    let condition = "[{ service: db, run: full, value: '> 95' }]";
    let told = Case::new()
        .set("stop_when", condition)
        .set("respond", "{ phases: [diagnose, mitigate], timeout: 30s }")
        .replace("fix", "hang")
        .world(|world| drop(world.probes.insert("full", vec!["12", "40", "97"])))
        .run()
        .await;
    interrupted(&told, "it is 97 and must be > 95");
    let told = Case::new()
        .set("stop_when", condition)
        .world(|world| drop(world.probes.insert("full", vec!["12"])))
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]);
}

#[tokio::test]
async fn a_drill_that_takes_longer_than_it_may_ends() {
    let told = Case::new()
        .set("max_duration", "2s")
        .set("respond", "{ phases: [diagnose, mitigate], timeout: 30s }")
        .replace("fix", "hang")
        .run()
        .await;
    interrupted(&told, "the drill took longer than `max_duration`: 2.0 s");
    told.at("fake.yaml", "max_duration");
}

#[tokio::test]
async fn a_stop_with_a_reason_is_told_with_it() {
    let told = Case::new()
        .on(begins(Phase::Recover), |controls| controls.shutdown.stop("stopped by ada with `firedrill stop`"))
        .run()
        .await;
    interrupted(&told, "stopped by ada with `firedrill stop`");
}
