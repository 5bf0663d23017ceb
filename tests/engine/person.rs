//! A drill with a person at the terminal: what they do counts as the runbook's, and what they do not do does not.

use crate::support::{Case, Entry};
use firedrill::engine::{ManualOutcome, Operator};
use firedrill::record::{Check, Event, StepStatus, Verdict};
use firedrill::runbook::{RunbookInput, Step};
use std::time::Duration;

const RUNBOOK: &str = "\
# The shop is down

## Mitigation

### Step 1: Switch over

Turn the big switch.

## Verification

### Step 2: Check

```bash
say <word>
healthy
```
";

const IN_THE_DIAGNOSIS: &str = "\
# The shop is down

## Diagnosis

### Step 1: Switch over

Turn the big switch.

## Mitigation

### Step 2: Work around it

```bash
fix
```
";

/// How long this person takes for a step.
const THINKS: Duration = Duration::from_millis(300);

/// Says what the test wants.
struct Says(ManualOutcome, Option<&'static str>);

#[async_trait::async_trait]
impl Operator for Says {
    async fn manual_step(&mut self, _step: &Step) -> ManualOutcome {
        tokio::time::sleep(THINKS).await;
        self.0
    }

    async fn value_of(&mut self, _input: &RunbookInput) -> Option<String> {
        self.1.map(str::to_string)
    }
}

/// Looks for a while whether it has helped.
struct Looks(Says);

#[async_trait::async_trait]
impl Operator for Looks {
    async fn manual_step(&mut self, step: &Step) -> ManualOutcome {
        tokio::time::sleep(Duration::from_millis(2500)).await;
        self.0.manual_step(step).await
    }

    async fn value_of(&mut self, input: &RunbookInput) -> Option<String> {
        self.0.value_of(input).await
    }
}

fn asked(entry: &Entry) -> bool {
    matches!(entry.event(), Some(Event::StepStarted { step }) if step.contains("switch-over"))
}

fn case(person: impl Operator + 'static) -> Case {
    Case::new().runbook(RUNBOOK).person(person)
}

#[tokio::test]
async fn what_a_person_has_done_is_the_mitigation() {
    let told = case(Says(ManualOutcome::Done, Some("well")))
        .on(Box::new(asked), |controls| controls.world.work_around(None))
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]).passed(Check::StillBroken).step("switch-over", StepStatus::Passed);
    let step = told.record.steps.first().expect("a step");
    assert!(step.reason.as_deref().is_some_and(|reason| reason.contains("by hand")), "{:?}", step.reason);
    assert!(told.record.mitigation_started_us.is_some() && told.record.mitigation_ended_us.is_some());
    assert!(told.commands().contains(&"say well"));
    let steps = Duration::from_micros(told.record.breakdown().declared.steps_us);
    assert!(steps >= THINKS, "what a person takes is not Firedrill's own: {steps:?}");
}

#[tokio::test]
async fn what_a_person_has_done_is_the_mitigation_however_long_they_look_at_it() {
    let told = case(Looks(Says(ManualOutcome::Done, Some("well"))))
        .on(Box::new(asked), |controls| controls.world.work_around(None))
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]).passed(Check::StillBroken).step("switch-over", StepStatus::Passed);
}

#[tokio::test]
async fn what_a_person_has_done_without_effect_has_not_helped() {
    let told = case(Says(ManualOutcome::Done, Some("well"))).run().await;
    told.verdict(Verdict::NotRecovered, &[]).step("switch-over", StepStatus::Passed);
}

#[tokio::test]
async fn users_who_recover_beside_a_step_that_nobody_did_have_healed_by_themselves() {
    let told = case(Says(ManualOutcome::Skipped, Some("well")))
        .on(Box::new(asked), |controls| controls.world.work_around(None))
        .run()
        .await;
    told.verdict(Verdict::SelfHealed, &[]).step("switch-over", StepStatus::Skipped);
    assert_eq!(told.record.mitigation_started_us, None);
}

#[tokio::test]
async fn a_person_stops_a_drill_and_everything_is_undone() {
    let told = case(Says(ManualOutcome::Stop, None)).run().await;
    told.verdict(Verdict::Interrupted, &["the person"]);
    assert!(told.record.ended);
}

#[tokio::test]
async fn an_input_that_nobody_knows_blocks_also_when_somebody_was_asked() {
    let told = case(Says(ManualOutcome::Done, None)).run().await;
    told.verdict(Verdict::StepBlocked, &["<word>"]);
}

/// It is done so shortly before the mitigation that the last window of the impact still misses its objective.
#[tokio::test]
async fn what_a_person_has_done_in_a_diagnosis_is_no_success_of_the_mitigation() {
    let told = case(Says(ManualOutcome::Done, None))
        .runbook(IN_THE_DIAGNOSIS)
        .on(Box::new(asked), |controls| controls.world.work_around(None))
        .run()
        .await;
    told.verdict(Verdict::SelfHealed, &["before the first mitigating command", "runbook.md:5 does more than look"]);
    told.at("runbook.md", "### Step 1").failed(Check::StillBroken).step("switch-over", StepStatus::Passed);
    assert_eq!(told.commands(), Vec::<&str>::new(), "no mitigating command ran");
}
