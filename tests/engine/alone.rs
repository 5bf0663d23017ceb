//! A runbook that is followed alone: steps, the person beside it, and that everything is removed whatever happens.

use crate::support::{Controls, Entry, FakeStack, Happening, Log, Switches, World, runs};
use firedrill::engine::ledger::Ledger;
use firedrill::engine::{Alone, ManualOutcome, Nobody, Operator, Shutdown, announce_alone, follow_alone};
use firedrill::record::{Event, EventSink, Record, Redactor, RunOutcome, StepStatus, Verdict};
use firedrill::report;
use firedrill::runbook::{Handling, RunbookInput, RunbookPhase, Step, parse};
use firedrill::source::{Diagnostics, Source};
use firedrill::spec::Respond;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const RUNBOOK: &str = "\
# Shop

## Diagnosis

### Step 1: Look

```bash
say looking
```

## Mitigation

### Step 2: Ask the manager

Whether the shop may close.

### Step 3: Restart

```bash
say <api-token>
```

## Verification

### Step 4: Check

```bash
stubborn 1
```
";

struct Told {
    outcome: RunOutcome,
    record: Record,
    entries: Vec<Entry>,
}

impl Told {
    fn commands(&self) -> Vec<&str> {
        let ran = self.entries.iter().filter_map(|entry| match entry.done() {
            Some(Happening::Ran { text }) => Some(text.as_str()),
            _ => None,
        });
        ran.collect()
    }

    fn statuses(&self) -> Vec<StepStatus> {
        self.record.steps.iter().filter_map(|step| step.status).collect()
    }
}

async fn follow(text: &str, vars: &[(&str, &str)], person: &mut dyn Operator, shutdown: &Shutdown) -> Told {
    let dir = tempfile::tempdir().unwrap();
    let mut runbook = parse(&Source::new("shop.md", text), &mut Diagnostics::default()).unwrap();
    for step in &mut runbook.steps {
        step.commands_mut().iter_mut().for_each(|command| command.handling = Handling::Run("accepted".into()));
    }
    let phases = vec![RunbookPhase::Diagnose, RunbookPhase::Mitigate, RunbookPhase::Verify];
    let mut respond = Respond::alone(Some(phases), Some(Duration::from_secs(2)), None);
    vars.iter().for_each(|(name, value)| respond.give(name, value));
    let ledger = dir.path().join("ledger.jsonl");
    let log = Log::default();
    let world = Arc::new(World::new(Switches::default(), ledger.clone(), log.clone()));
    // A command that hangs is what somebody interrupts.
    let controls = Controls { world: world.clone(), shutdown: shutdown.clone(), kill: CancellationToken::new() };
    log.arm(vec![(runs("hang"), Box::new(|controls: &Controls| controls.shutdown.cancel.cancel()))], controls);
    let sink = EventSink::new(None, Redactor::new(respond.secrets()), vec![Box::new(log.clone())]);
    let alone = Alone { runbook: &runbook, respond: &respond, verify_within: Duration::from_secs(2), notes: vec![] };
    let announcement = announce_alone(&alone, "run", "2026-01-01T00:00:00Z".into(), "a fake");
    let opened = Ledger::create(&ledger, "run", false).unwrap();
    let stack = FakeStack::new(world);
    let outcome = follow_alone(alone, announcement, &stack, opened, sink, person, shutdown).await;
    let told = Told { outcome, record: log.record(), entries: log.entries() };
    // Of every run: it has ended, its toolbox is gone, the reaper has nothing to do, and nothing says that it passed.
    assert!(told.record.ended && told.record.verdict != Verdict::Passed);
    assert!(told.entries.iter().any(|entry| entry.done() == Some(&Happening::Down)));
    assert!(firedrill::engine::ledger::read(&ledger).unwrap().closed);
    assert!(told.record.phases.iter().all(|phase| phase.ended_us.is_some()), "{:?}", told.record.phases);
    told
}

#[tokio::test]
async fn nobody_is_asked_and_what_every_step_did_is_no_verdict() {
    crate::let_them_look();
    let told = follow(RUNBOOK, &[("API_TOKEN", "hunter22")], &mut Nobody, &Shutdown::default()).await;
    assert_eq!((told.outcome, told.record.verdict), (RunOutcome::Passed, Verdict::Incomplete));
    use StepStatus::{Passed, Skipped};
    assert_eq!(told.statuses(), [Passed, Skipped, Passed, Passed]);
    assert_eq!(told.commands(), ["say looking", "say hunter22", "stubborn 1", "stubborn 1"], "verified twice");
    let summary = report::summary(&told.record, None, false);
    assert!(summary.contains("FOLLOWED") && !summary.contains("PASSED") && !summary.contains("hunter22"), "{summary}");
}

#[tokio::test]
async fn a_step_that_fails_ends_the_runbook_and_is_the_reason() {
    let told = follow(&RUNBOOK.replace("say <api-token>", "exit 3"), &[], &mut Nobody, &Shutdown::default()).await;
    assert_eq!((told.outcome, told.record.verdict), (RunOutcome::Failed, Verdict::StepFailed));
    assert!(told.record.reason.contains("`exit 3` exited with 3"), "{}", told.record.reason);
    assert_eq!(told.commands(), ["say looking", "exit 3"]);
}

#[tokio::test]
async fn an_input_without_a_value_blocks_its_step() {
    let told = follow(RUNBOOK, &[], &mut Nobody, &Shutdown::default()).await;
    assert_eq!((told.outcome, told.record.verdict), (RunOutcome::Failed, Verdict::StepBlocked));
    assert!(told.record.reason.contains("--var api_token=…"), "{}", told.record.reason);
    assert_eq!(told.commands(), ["say looking"]);
}

#[tokio::test]
async fn a_verification_that_never_passes_is_given_up() {
    let text = RUNBOOK.replace("stubborn 1", "false");
    let told = follow(&text, &[("api_token", "x")], &mut Nobody, &Shutdown::default()).await;
    assert_eq!(told.outcome, RunOutcome::Failed);
    assert!(told.record.reason.contains("--timeout"), "{}", told.record.reason);
}

/// A person who says what the test wants.
struct Says(ManualOutcome, Option<&'static str>, Vec<String>);

#[async_trait::async_trait]
impl Operator for Says {
    async fn manual_step(&mut self, step: &Step) -> ManualOutcome {
        self.2.push(step.title.clone());
        self.0
    }

    async fn value_of(&mut self, input: &RunbookInput) -> Option<String> {
        self.2.push(input.name.clone());
        self.1.map(str::to_string)
    }
}

#[tokio::test]
async fn a_person_is_asked_for_manual_steps_and_for_inputs_and_a_secret_is_hidden() {
    crate::let_them_look();
    let mut person = Says(ManualOutcome::Done, Some("hunter22"), Vec::new());
    let text = RUNBOOK.replace("say <api-token>", "say <api-token>\nsay \"$API_TOKEN\"");
    let told = follow(&text, &[], &mut person, &Shutdown::default()).await;
    assert_eq!(told.outcome, RunOutcome::Passed);
    assert_eq!(told.statuses(), [StepStatus::Passed; 4]);
    assert_eq!(person.2, ["Step 2: Ask the manager", "api_token"], "each is asked for once");
    assert!(told.commands().contains(&"say hunter22"));
    assert!(!serde_json::to_string(&told.record).unwrap().contains("hunter22"));
    let set = told.entries.iter().any(|entry| match entry.done() {
        Some(Happening::Set { vars }) => vars.contains(&("API_TOKEN".to_string(), "hunter22".to_string())),
        _ => false,
    });
    assert!(set, "the session has it as well");
}

#[tokio::test]
async fn a_person_may_stop() {
    let mut person = Says(ManualOutcome::Stop, None, Vec::new());
    let told = follow(RUNBOOK, &[("api_token", "x")], &mut person, &Shutdown::default()).await;
    assert_eq!((told.outcome, told.record.verdict), (RunOutcome::Interrupted, Verdict::Interrupted));
    assert_eq!(told.commands(), ["say looking"]);
}

#[tokio::test]
async fn an_interruption_ends_a_command_and_removes_everything() {
    let text = RUNBOOK.replace("say looking", "hang");
    let told = follow(&text, &[], &mut Nobody, &Shutdown::default()).await;
    assert_eq!((told.outcome, told.record.verdict), (RunOutcome::Interrupted, Verdict::Interrupted));
    let ended = told.entries.iter().filter_map(Entry::event).any(|event| matches!(event, Event::StepEnded { .. }));
    assert!(!ended);
}
