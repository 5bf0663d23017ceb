//! DR drills on a real PostgreSQL: the shipped ones come out as they say, and the ledger of acknowledged writes is exact. What
//! it says is held against what the test counts by itself, from the events and from what the database was asked in the runbook.

use crate::drill::{Drill, Project, edit};
use firedrill::record::{Check, FaultEvent, Numbers, RestoreLevel, StepStatus, Verdict};
use serde_json::Value;
use std::collections::BTreeSet;

/// What makes the shipped ones short, with an objective that allows for a machine that is busy with other tests.
const SHORTER: [(&str, &str); 6] = [
    ("stack: ../stacks/bookings/compose.yaml", "stack: {ROOT}/stacks/bookings/compose.yaml"),
    ("runbook: ../runbooks/", "runbook: {ROOT}/runbooks/"),
    ("objective: 98% }", "objective: 95% }"),
    ("steady: { for: 5s }", "steady: { for: 3s }\nrevert: { hold: 1s }"),
    ("recover: { within: 30s, hold: 5s }", "recover: { within: 30s, hold: 2s }"),
    ("rto: 45s", "rto: 3m"),
];

/// Runs a shipped scenario with the shipped runbook. Its files are there as long as the project is.
fn shipped(name: &str) -> (Project, Drill) {
    let project = Project::of_scenario(name, &SHORTER);
    let drill = project.drill(name, &[]);
    (project, drill)
}

/// Writes as the events tell of them: number, end, acknowledged.
struct Told(Vec<(u64, u64, bool)>);

impl Told {
    fn by(drill: &Drill) -> Told {
        let events = drill.file("events.jsonl");
        let events = events.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let writes = events.map(|mut line| line["event"].take()).filter(|event| event["type"] == "written");
        let number = |event: &Value, key: &str| event[key].as_u64().expect("a number");
        Told(writes.map(|w| (number(&w, "write"), number(&w, "ended_us"), w["acknowledged"] == true)).collect())
    }

    /// Numbers that were acknowledged in a span of time, its end included.
    fn acknowledged(&self, after: u64, until: u64) -> BTreeSet<u64> {
        let within = self.0.iter().filter(|(_, ended, acknowledged)| *acknowledged && (after..=until).contains(ended));
        within.map(|(number, ..)| *number).collect()
    }

    fn ended(&self, number: u64) -> u64 {
        self.0.iter().find(|(other, ..)| *other == number).expect("it was written").1
    }
}

/// The fault from which losses are measured, in microseconds, as the events have it.
fn fault(drill: &Drill) -> u64 {
    drill.record.losses_from().expect("a confirmed fault").0
}

/// A figure of the writes, as `record.json` has it.
fn figure(drill: &Drill, name: &str) -> Value {
    let record: Value = serde_json::from_str(&drill.file("record.json")).expect("JSON");
    record["figures"]["data"][name].clone()
}

/// Numbers among the figures.
fn figure_numbers(drill: &Drill, name: &str) -> BTreeSet<u64> {
    let numbers: Numbers = serde_json::from_value(figure(drill, name)).expect("numbers");
    numbers.iter().collect()
}

/// The level, by the record and in what people read.
fn reached(drill: &Drill, level: RestoreLevel) {
    assert_eq!(drill.record.restore_level(), Some(level), "{}", drill.story());
    assert!(drill.record.level_as_expected(), "{}", drill.story());
    let summary = firedrill::report::summary(&drill.record, None, false);
    assert!(summary.contains(level.name()), "{summary}");
}

/// The kill counts as undone although the database, without its data, does not stay up once it was started.
fn undone(drill: &Drill) {
    drill.passed_check(Check::Revert);
    let kill = drill.record.fault_record("container_kill").expect("it was killed");
    assert_eq!(kill.life.last().map(|moment| moment.what), Some(FaultEvent::Reverted), "{}", drill.story());
}

/// Nothing was added to what was acknowledged, and every acknowledged write is accounted for once.
fn adds_up(drill: &Drill) {
    let number = |name: &str| figure(drill, name).as_u64().expect("a number");
    let lost = figure_numbers(drill, "lost_before").len() + figure_numbers(drill, "lost_after").len();
    assert_eq!(number("survived") + lost as u64, number("acknowledged"), "{}", drill.story());
    assert_eq!((number("unknown"), number("duplicates")), (0, 0), "{}", drill.story());
    let asked = drill.record.read_back.as_ref().expect("read back").asked_us.0;
    assert_eq!(Told::by(drill).acknowledged(0, asked).len() as u64, number("acknowledged"), "{}", drill.story());
}

/// The numbers after `name=` in what the runbook's commands wrote: asked by other means than the ledger's.
fn numbers_shown(drill: &Drill, name: &str) -> BTreeSet<u64> {
    let events = drill.file("events.jsonl");
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let texts = events.filter(|line| line["event"]["type"] == "output");
    let all: String = texts.filter_map(|line| line["event"]["text"].as_str().map(str::to_string)).collect();
    let line = all.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let line = line.unwrap_or_else(|| panic!("no `{name}=` in\n{all}"));
    line.split(',').map(|number| number.parse().expect("a number")).collect()
}

#[test]
fn a_lost_data_directory_is_restored_up_to_what_the_archive_promised() {
    let (_project, drill) = shipped("pg-restore");
    drill.came_to(Verdict::Passed, 0, &["users recovered", "L5"]);
    reached(&drill, RestoreLevel::L5);
    adds_up(&drill);
    assert_eq!(figure_numbers(&drill, "lost_after"), BTreeSet::new(), "{}", drill.story());
    assert_eq!(figure_numbers(&drill, "unacknowledged_survived"), BTreeSet::new(), "{}", drill.story());
    let (told, fault) = (Told::by(&drill), fault(&drill));
    let ages = figure_numbers(&drill, "lost_before").into_iter().map(|number| fault - told.ended(number));
    let oldest = ages.max().unwrap_or(0);
    assert!(oldest <= 5_000_000, "a write was lost that was {oldest} µs old\n{}", drill.story());
    assert_eq!(figure(&drill, "rpo_us"), oldest);
}

#[test]
fn a_migration_that_deletes_is_taken_back_with_nothing_else() {
    let (_project, drill) = shipped("bad-migration");
    drill.came_to(Verdict::Passed, 0, &["users recovered", "L5"]);
    reached(&drill, RestoreLevel::L5);
    adds_up(&drill);
    assert_eq!(figure_numbers(&drill, "lost_before"), BTreeSet::new(), "{}", drill.story());
    assert_eq!(figure_numbers(&drill, "lost_after"), BTreeSet::new(), "{}", drill.story());
    let customers = drill.record.probes.iter().find(|probe| probe.name == "customers").expect("it was compared");
    assert!(customers.held && customers.evidence.contains("`500|"), "{customers:?}");
}

#[test]
fn a_backup_that_was_cut_off_is_no_backup() {
    let (_project, drill) = shipped("corrupt-backup");
    drill.came_to(Verdict::StepFailed, 0, &["`tar --list", "failed at L1: readable: "]);
    reached(&drill, RestoreLevel::L0);
    undone(&drill);
    assert_eq!(drill.step_status("backup-can-be-read"), Some(StepStatus::Failed));
    assert!(drill.record.data_figures().is_none(), "there is no database to ask\n{}", drill.story());
}

#[test]
fn a_backup_with_one_wrong_byte_restores_everything_but_the_content() {
    let (_project, drill) = shipped("corrupt-backup-byte");
    drill.came_to(Verdict::NotRecovered, 0, &["failed at L4: customers: not as before", "as the scenario expects"]);
    reached(&drill, RestoreLevel::L3);
    adds_up(&drill);
    // Users see nothing of it: without the content it would have passed.
    assert!(drill.record.recovered_us().is_some(), "{}", drill.story());
}

#[test]
fn a_backup_without_its_first_wal_is_unpacked_and_does_not_start() {
    let project = Project::of_scenario("corrupt-backup-wal", &[SHORTER[0], SHORTER[2], SHORTER[3], SHORTER[4]]);
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let runbook = std::fs::read_to_string(root.join("runbooks/pg-restore.md")).expect("the runbook");
    // It waits for a server that has ended.
    project.write("runbooks/pg-restore.md", &edit(&runbook, &[("timeout 20 bash", "timeout 3 bash")]));
    let drill = project.drill("corrupt-backup-wal", &[]);
    drill.came_to(Verdict::StepFailed, 0, &["reached L2", "failed at L3: replayed: `db` has no running"]);
    reached(&drill, RestoreLevel::L2);
    undone(&drill);
    assert!(drill.record.data_figures().is_none(), "there is no database to ask\n{}", drill.story());
}

/// A DR drill of a test on the shipped bookings. Its backup is asked and its content compared as in the shipped ones.
const OWN: &str = r#"title: What becomes of acknowledged writes
kind: dr
rto: 90s
rpo: 30s
stack: { file: "{ROOT}/stacks/bookings/compose.yaml" }
runbook: ../runbooks/own.md
load: { bookings: { request: "POST http://app:8080/bookings/{{counter}}", rate: 40/s, timeout: 2s } }
slis: { availability: { load: bookings, good: status < 300, objective: 95% } }
ledger:
  load: bookings
  acknowledged: status == 201
  survivors: { service: db, run: psql -X -At -c "SELECT n FROM bookings WHERE n >= 0 ORDER BY n" }
restore:
  backup: { service: ops, run: cat /backup/facts }
  readable: { service: ops, run: backup-readable }
  restored: { service: ops, run: test -s /var/lib/postgresql/data/PG_VERSION }
  replayed: { service: db, run: psql -X -At -c "SELECT pg_is_in_recovery()" | grep -x f }
  content:
    canary: { service: db, run: psql -X -At -c "SELECT name FROM customers WHERE id = 1", output: Ada Lovelace }
steady: { for: 3s }
revert: { hold: 1s }
faults:
  - container_kill: { service: db }
impact: { breaches: [availability], below: 90%, within: 15s }
respond: { phases: [mitigate] }
recover: { within: 30s, hold: 2s }
"#;
const KILL_DB: &str = "  - container_kill: { service: db }\n";
const FACTS: &str = "  backup: { service: ops, run: cat /backup/facts }\n";

/// Starts the database and nothing else, then shows what is there.
const START: &str = r#"# The database is down
## Mitigation
### Step 1: Start the database
```bash
docker compose start db
```
### Step 2: Wait until it takes connections <!-- firedrill: in=ops -->
```bash
timeout 20 bash -c 'until pg_isready --quiet; do sleep 0.1; done'
psql -X -At -c "SELECT 'there=' || string_agg(n::text, ',' ORDER BY n) FROM bookings WHERE n >= 0"
```
"#;

/// Restores to the position that was noted, and shows what is there before anybody books again.
const TO_POSITION: &str = r#"# The bookings go back to a position in the WAL
## Mitigation
### Step 1: Put everything into the archive <!-- firedrill: in=ops -->
```bash
cat /backup/boundary
LSN=$(sed -n 's/^lsn=//p' /backup/boundary)
LAST_WAL=$(psql -X -At -c "SELECT pg_walfile_name(pg_switch_wal()) FROM pg_create_restore_point('now')")
timeout 20 bash -c 'until test -e "/archive/$1"; do sleep 0.1; done' bash "$LAST_WAL"
```
### Step 2: Stop the database
```bash
docker compose stop db
```
### Step 3: Unpack the backup <!-- firedrill: in=ops -->
```bash
find /var/lib/postgresql/data -mindepth 1 -delete
tar --extract --file=/backup/base.tar --directory=/var/lib/postgresql/data
cat >> /var/lib/postgresql/data/postgresql.auto.conf <<END
restore_command = 'cp /archive/%f %p'
recovery_target_lsn = '$LSN'
recovery_target_inclusive = false
recovery_target_action = promote
END
touch /var/lib/postgresql/data/recovery.signal
```
### Step 4: Start the database
```bash
docker compose start db
```
### Step 5: Wait for it, and see what is there <!-- firedrill: in=ops -->
```bash
timeout 20 bash -c 'until pg_isready --quiet && psql -X -At -c "SELECT pg_is_in_recovery()" | grep -x f; do sleep 0.2; done'
psql -X -At -c "SELECT 'there=' || string_agg(n::text, ',' ORDER BY n) FROM bookings WHERE n >= 0"
```
### Step 6: Start the app
```bash
docker compose start app
```
"#;

/// A backup that notes a position in the WAL and what is committed there: the lock waits for whoever is writing, and for as
/// long as it is held nobody commits. Then it waits until more was booked, which the restore will lose.
const BOUNDARY: &str = r#"  backup:
    service: ops
    within: 20s
    run: |
      psql -X -At -q -v ON_ERROR_STOP=1 > /backup/boundary <<'SQL'
      BEGIN;
      LOCK TABLE bookings IN EXCLUSIVE MODE;
      SELECT 'lsn=' || pg_current_wal_insert_lsn();
      SELECT 'kept=' || string_agg(n::text, ',' ORDER BY n) FROM bookings WHERE n >= 0;
      COMMIT;
      SQL
      cat /backup/facts
      kept=$(psql -X -At -c "SELECT count(*) FROM bookings")
      until test "$(psql -X -At -c "SELECT count(*) > $kept + 20 FROM bookings")" = t; do :; done
"#;

/// Runs a scenario of a test, made from the one above by edits.
fn own(runbook: &str, synchronous_commit: &str, edits: &[(&str, &str)]) -> (Project, Drill) {
    let project = Project::empty();
    project.write("runbooks/own.md", runbook);
    project.write("scenarios/commit.env", &format!("SYNCHRONOUS_COMMIT={synchronous_commit}\n"));
    let stack = ("/compose.yaml\" }", "/compose.yaml\", env_files: [commit.env] }");
    let text = edit(&edit(OWN, edits), &[stack]);
    // The edit puts the place of the repository in.
    project.write("scenarios/own.yaml", &edit(&text, &[("{ROOT}/", "{ROOT}/")]));
    let drill = project.drill("own", &[]);
    (project, drill)
}

#[test]
fn exactly_the_rows_that_were_deleted_are_lost_and_none_by_the_kill() {
    const DELETED: [u64; 7] = [3, 5, 8, 13, 21, 34, 40];
    let sql = "  - sql:
      service: db
      database: bookings
      run: DELETE FROM bookings WHERE n IN (3, 5, 8, 13, 21, 34, 40)
      confirm: SELECT count(*) = 0 FROM bookings WHERE n IN (3, 5, 8, 13, 21, 34, 40)
      irreversible: true
  - container_kill: { service: db }
";
    // All of them are more than a second old by then: the objective is missed by what is lost, and only by that.
    let expect = "rpo: 1s\nexpect: { verdict: not_recovered, level: L5 }";
    let (_project, drill) = own(START, "on", &[(KILL_DB, sql), ("rpo: 30s", expect)]);
    drill.came_to(Verdict::NotRecovered, 0, &["lost: 7", "objective 1.0 s"]);
    reached(&drill, RestoreLevel::L5);
    adds_up(&drill);
    let told = Told::by(&drill);
    assert!(told.acknowledged(0, fault(&drill)).is_superset(&DELETED.into()), "{}", drill.story());
    assert_eq!(figure_numbers(&drill, "lost_before"), DELETED.into(), "{}", drill.story());
    assert_eq!(figure_numbers(&drill, "lost_after"), BTreeSet::new(), "{}", drill.story());
    let oldest = DELETED.map(|number| fault(&drill) - told.ended(number)).into_iter().max();
    assert_eq!(figure(&drill, "rpo_us"), oldest.expect("seven"));
}

#[test]
fn what_a_kill_costs_without_synchronous_commits_is_counted_exactly() {
    let (_project, drill) = own(START, "off", &[]);
    drill.came_to(Verdict::Passed, 0, &["users recovered"]);
    reached(&drill, RestoreLevel::L5);
    adds_up(&drill);
    // It may be none: PostgreSQL writes what was committed a fraction of a second later, and the kill may come just then.
    let there = numbers_shown(&drill, "there");
    let lost = Told::by(&drill).acknowledged(0, fault(&drill)).difference(&there).copied().collect();
    println!("lost by the kill: {lost:?}");
    assert_eq!(figure_numbers(&drill, "lost_before"), lost, "{}", drill.story());
    assert_eq!(figure_numbers(&drill, "lost_after"), BTreeSet::new(), "{}", drill.story());
}

#[test]
fn a_restore_to_a_position_loses_exactly_what_was_acknowledged_behind_it() {
    let (_project, drill) =
        own(TO_POSITION, "on", &[(FACTS, BOUNDARY), (KILL_DB, "  - container_kill: { service: app }\n")]);
    drill.came_to(Verdict::Passed, 0, &["users recovered"]);
    reached(&drill, RestoreLevel::L5);
    adds_up(&drill);
    let kept = numbers_shown(&drill, "kept");
    assert_eq!(numbers_shown(&drill, "there"), kept, "the restore came to the very position\n{}", drill.story());
    let before = Told::by(&drill).acknowledged(0, fault(&drill));
    let lost: BTreeSet<u64> = before.difference(&kept).copied().collect();
    assert!(lost.len() >= 20, "{lost:?}\n{}", drill.story());
    assert_eq!(figure_numbers(&drill, "lost_before"), lost, "{}", drill.story());
    assert_eq!(figure_numbers(&drill, "lost_after"), BTreeSet::new(), "{}", drill.story());
}
