//! What a runbook's annotations and a scenario's `steps` and `clients` say, from their texts to what the shell is given.

use crate::support::{Case, Happening, Told};
use firedrill::record::{StepStatus, Verdict};
use firedrill::stack::Place;

const RUNBOOK: &str = "\
# The shop is down

## Diagnosis

### Step 1: Look <!-- firedrill: in=db -->

<!-- firedrill: capture=USERS -->
```bash
say 7
```

<!-- firedrill: expect=/7/ -->
```bash
say <users>
```

### Step 2: Ask the cloud

<!-- firedrill: skip=\"no cloud here\" -->
```bash
cloud list <account>
```

## Mitigation

### Step 3: Work around it

If the queue is long:

```bash
fix
```

### Step 4: Page <!-- firedrill: in=db timeout=1s -->

<!-- firedrill: expect=/the pager/ -->
```bash
pager --to <team>
```

## Verification

### Step 5: Check

```bash
healthy
```
";

fn case() -> Case {
    Case::new().runbook(RUNBOOK)
}

fn places(told: &Told) -> Vec<String> {
    let opened = told.happenings().filter_map(|happening| match happening {
        Happening::Opened { place: Place::Toolbox } => Some("toolbox".to_string()),
        Happening::Opened { place: Place::Service(service) } => Some(service.clone()),
        _ => None,
    });
    opened.collect()
}

#[tokio::test]
async fn annotations_and_the_scenario_together_decide_what_runs_where() {
    let told = case()
        .set("steps", "{ work-around-it: { choose: true }, page: { run: say paged <users>, expect: /paged 7/ } }")
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]);
    assert_eq!(told.commands(), ["say 7", "say 7", "fix", "say paged 7", "healthy"]);
    assert_eq!(places(&told), ["toolbox", "db"], "what stands in the scenario runs where it says: nowhere else");
    told.step("look", StepStatus::Passed).step("ask-the-cloud", StepStatus::Skipped);
    told.step("work-around-it", StepStatus::Passed).step("page", StepStatus::Passed);
    let cloud = told.record.steps.iter().find(|step| step.step.contains("cloud")).expect("a step");
    assert_eq!(cloud.reason.as_deref(), Some("no cloud here"), "and its input blocks nothing");
}

#[tokio::test]
async fn what_nobody_has_accepted_leaves_its_commands_alone() {
    let open = "runbook: runbook.md\ndecisions: []\n";
    let told = case().reading(open).set("steps", "{ look: { skip: seen }, page: { run: say paged } }").run().await;
    told.verdict(Verdict::StepBlocked, &["`fix` was not run"]);
    assert!(!told.commands().contains(&"fix"), "{:?}", told.commands());
}

#[tokio::test]
async fn a_scenario_skips_what_the_runbook_runs_and_chooses_what_is_held() {
    let steps = "{ look: { skip: \"seen before\" }, work-around-it: { choose: true }, page: { skip: \"no pager\" } }";
    let told = case().set("steps", steps).run().await;
    told.verdict(Verdict::Passed, &[]);
    assert_eq!(told.commands(), ["fix", "healthy"]);
    for (step, why) in [("look", "seen before"), ("page", "no pager")] {
        told.step(step, StepStatus::Skipped);
        let step = told.record.steps.iter().find(|known| known.step.contains(step)).expect("a step");
        assert_eq!(step.reason.as_deref(), Some(why));
    }
}

#[tokio::test]
async fn what_was_to_be_captured_by_a_step_that_is_skipped_blocks_the_one_that_needs_it() {
    let steps = "{ look: { skip: not now }, work-around-it: { choose: true }, page: { run: say <users> } }";
    let told = case().set("steps", steps).run().await;
    told.verdict(Verdict::StepBlocked, &["<users>"]).at("fake.yaml", "say <users>");
    assert_eq!(told.commands(), ["fix"]);
}

#[tokio::test]
async fn a_capture_that_fails_ends_its_step_before_the_block_that_needs_it() {
    let told = case().replace("say 7", "true").set("steps", "{ page: { run: say paged } }").run().await;
    told.verdict(Verdict::StepFailed, &["`USERS` cannot be captured"]).at("runbook.md", "true");
    assert_eq!(told.commands(), ["true"]);
}

#[tokio::test]
async fn the_place_of_the_scenario_by_another_word_is_the_same_session() {
    let told = case()
        .set("respond", "{ phases: [diagnose], service: db, timeout: 2s }")
        .set("steps", "{ look: { in: db } }")
        .run()
        .await;
    assert_eq!(told.commands(), ["say 7", "say 7"]);
    assert_eq!(places(&told), ["db"]);
}

const WITH_SQL: &str = "\
# The shop is down

## Mitigation

### Step 1: Who is it

<!-- firedrill: capture=PID expect=/^SELECT/ -->
```sql
SELECT pid FROM locks WHERE name = '<name>';
```

### Step 2: End it

```sql
SELECT end_it('{{pid}}');
```

```bash
fix
```
";

#[tokio::test]
async fn sql_goes_to_the_client_of_the_scenario_with_inputs_and_captures() {
    let told = Case::new()
        .runbook(WITH_SQL)
        .set("clients", "{ sql: { service: db, command: psql -U shop } }")
        .set("respond", "{ phases: [mitigate], vars: { NAME: batch }, timeout: 2s }")
        .run()
        .await;
    told.verdict(Verdict::Passed, &[]);
    assert_eq!(
        told.commands(),
        [
            "psql -U shop <<'SQL'\nSELECT pid FROM locks WHERE name = 'batch';\nSQL",
            "psql -U shop <<'SQL'\nSELECT end_it('SELECT pid FROM locks WHERE name = ''batch'';\nSQL');\nSQL",
            "fix",
        ]
    );
    assert_eq!(places(&told), ["toolbox", "db"]);
}

#[tokio::test]
async fn variables_that_a_service_has_of_its_own_are_no_inputs_of_blocks_that_run_there() {
    let look = "### Step 1: Look <!-- firedrill: in=db -->\n\n```bash\nsay \"$POSTGRES_USER\"\n```\n";
    let text = |look: &str| format!("# Shop\n\n## Mitigation\n\n{look}\n### Step 2: Help\n\n```bash\nfix\n```\n");
    let mitigate = "{ phases: [mitigate], timeout: 2s }";
    let told = Case::new().runbook(&text(look)).set("respond", mitigate).run().await;
    told.verdict(Verdict::Passed, &[]);
    assert_eq!(told.commands(), ["say \"$POSTGRES_USER\"", "fix"]);
    // The toolbox does not have it, and the service no other.
    for (from, to) in [(" <!-- firedrill: in=db -->", ""), ("POSTGRES_USER", "POSTGRES_HOST")] {
        let told = Case::new().runbook(&text(&look.replace(from, to))).set("respond", mitigate).run().await;
        told.verdict(Verdict::StepBlocked, &["$POSTGRES_"]);
        assert_eq!(told.commands(), Vec::<&str>::new());
    }
    // A placeholder is nothing that a shell would fill in.
    let told = Case::new().runbook(&text(&look.replace("\"$POSTGRES_USER\"", "<postgres-user>")));
    told.set("respond", mitigate).run().await.verdict(Verdict::StepBlocked, &["<postgres-user>"]);
    let in_service = "{ phases: [mitigate], service: db, timeout: 2s }";
    let look = look.replace(" <!-- firedrill: in=db -->", "");
    Case::new().runbook(&text(&look)).set("respond", in_service).run().await.verdict(Verdict::Passed, &[]);
}
