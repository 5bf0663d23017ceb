//! Sessions on a real stack: in a service whose container a step restarts, and in the client of a language that is no
//! shell.

use crate::drill::{DB_POOL, Project};
use firedrill::record::{FaultAfter, StepStatus, Verdict};

const RUNBOOK: &str = "\
# Checkout: database connection pool exhausted

## Diagnosis

### Step 1: Look inside <!-- firedrill: in=checkout -->

```bash
cd /tmp
SEEN=yes
```

### Step 2: Look at the database <!-- firedrill: in=db expect=/^the database is shop$/ -->

```bash
echo \"the database is $POSTGRES_DB\"
```

## Mitigation

### Step 3: Name the role that blocks checkout

<!-- firedrill: capture=BLOCKER_ROLE -->
```sql
SELECT DISTINCT blocker.usename
FROM pg_stat_activity AS waiting
CROSS JOIN unnest(pg_blocking_pids(waiting.pid)) AS blocking(pid)
JOIN pg_stat_activity AS blocker ON blocker.pid = blocking.pid
WHERE waiting.usename = 'shop' AND blocker.usename <> 'shop'
LIMIT 1;
```

### Step 4: Keep it out

```sql
ALTER ROLE \"<blocker-role>\" NOLOGIN;
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '<blocker-role>';
```

### Step 5: Look once more <!-- firedrill: in=checkout expect=/^before: yes in .tmp$/ -->

```bash
echo \"before: ${SEEN-nothing} in $PWD\"
```

### Step 6: Restart checkout, in checkout <!-- firedrill: in=checkout -->

```bash
docker compose -p shop restart -t 2 checkout
```

### Step 7: Look again <!-- firedrill: in=checkout expect=/^after: yes in .tmp$/ -->

```bash
echo \"after: ${SEEN-nothing} in $PWD\"
```
";

#[test]
fn a_step_restarts_the_container_in_which_it_runs_and_the_session_goes_on_and_sql_goes_to_its_client() {
    let edits = [
        ("  phases: [diagnose, mitigate, verify]\n", "  phases: [diagnose, mitigate]\n"),
        ("    SERVICE: checkout\n", ""),
        (
            "recover: {",
            "clients: { sql: { service: db, command: psql -X -At -v ON_ERROR_STOP=1 -U postgres -d shop } }\nrecover: {",
        ),
    ];
    let project = Project::shipped(DB_POOL, &[], &[]);
    let text = crate::drill::edit(&project.read("scenarios/db-pool.yaml"), &edits);
    project.write("scenarios/db-pool.yaml", &text);
    project.write("runbooks/db-pool.md", RUNBOOK);
    let drill = project.drill("db-pool", &[]);
    drill.came_to(Verdict::Passed, 0, &["users recovered"]).reverted();
    drill.fault_after("postgres_lock", FaultAfter::ClearedByRunbook);
    for step in ["name-the-role", "keep-it-out", "look-once-more", "restart-checkout", "look-again"] {
        assert_eq!(drill.step_status(step), Some(StepStatus::Passed), "{step}: {}", drill.story());
    }
    let notes: Vec<&str> = drill.record.notes.iter().map(|note| note.text.as_str()).collect();
    assert!(
        notes
            .iter()
            .any(|note| note.contains("`checkout` was restarted: its session was opened again, with the directory")),
        "{notes:?}"
    );
}
