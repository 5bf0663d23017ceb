//! Synthetic DR drills: a story of a drill with a backup, a ledger of writes and the levels of its restore put into it.

use super::{Story, events_of};
use crate::record::*;
use std::collections::BTreeMap;

/// How a DR drill can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DrStory {
    /// The restore reaches L5, and two writes are lost that the archive does not promise.
    Passed,
    /// The server does not start: the restore reaches L2, users do not recover.
    Failed,
    /// The scenario has a damaged backup, and expects that L2 is not passed.
    Damaged,
    /// The control.
    Control,
    /// An agent was lost: it ends without saying anything.
    Broken,
    /// kill -9 during the restore.
    Killed,
}

impl DrStory {
    pub(crate) const ALL: [DrStory; 6] =
        [DrStory::Passed, DrStory::Failed, DrStory::Damaged, DrStory::Control, DrStory::Broken, DrStory::Killed];

    fn base(self) -> Story {
        match self {
            DrStory::Passed => Story::Passed,
            DrStory::Failed => Story::NotRecovered,
            DrStory::Damaged => Story::ExpectedFailure,
            DrStory::Control => Story::Control,
            DrStory::Broken => Story::HarnessError,
            DrStory::Killed => Story::Killed,
        }
    }
}

/// When the fault of every story is confirmed.
const FAULT_US: u64 = 8_600_000;

/// The plan of a DR drill.
fn dr_plan(story: DrStory, plan: &mut Announcement) {
    let probe = |level, name: &str, run: &str, line| ProbeInfo {
        level,
        name: name.into(),
        service: "db".into(),
        run: run.into(),
        at: Location { path: "scenarios/pg-restore.yaml".into(), line },
    };
    let (scenario, title) = match story {
        DrStory::Damaged => ("corrupt-backup", "The backup of the database is damaged"),
        _ => ("pg-restore", "The database's data directory is lost"),
    };
    plan.scenario = scenario.into();
    plan.title = title.into();
    plan.tags = vec!["dr".into(), "database".into()];
    plan.run = "20261120T064112Z-pg-restore-3f9a".replace("pg-restore", scenario);
    plan.scenario_file.path = format!("scenarios/{scenario}.yaml");
    plan.description = Some("A volume can be deleted by one wrong command; it has happened to others.".into());
    plan.owner = Some("Team Database".into());
    plan.revision = Some("4".repeat(40));
    plan.faults[0].kind = "files".into();
    plan.faults[0].summary = "the data directory of db is deleted".into();
    plan.restore = Some(RestorePlan {
        rto_us: 300_000_000,
        rpo_us: 10_000_000,
        load: "checkout".into(),
        acknowledged: "status == 201".into(),
        survivors: "in db: psql -Atc 'select n from ledger'".into(),
        probes: vec![
            probe(RestoreLevel::L1, "readable", "pg_verifybackup /backup/base", 41),
            probe(RestoreLevel::L2, "restored", "test -s /var/lib/postgresql/data/PG_VERSION", 42),
            probe(RestoreLevel::L3, "replayed", "psql -c 'select 1'", 43),
            probe(RestoreLevel::L4, "customers", "psql -Atc 'select count(*) from customers'", 44),
        ],
        expect: if story == DrStory::Damaged { RestoreLevel::L2 } else { RestoreLevel::L5 },
        backup_max_age_us: None,
        production_bytes: None,
    });
}

/// The events of a DR drill.
pub(crate) fn dr_events_of(story: DrStory) -> Vec<Stamped> {
    let mut events = events_of(story.base());
    if let Event::Announced(plan) = &mut events[0].event {
        dr_plan(story, plan);
    }
    let mut tell = |at_ms: u64, event: Event| {
        let at_us = DrillTime(at_ms * 1000);
        let until = events.iter().position(|stamped| stamped.at_us > at_us).unwrap_or(events.len());
        events.insert(until, Stamped { seq: 0, at_us, event });
    };
    let facts = [
        ("id", "base-20261120T0600"),
        ("taken", "2026-11-20T06:00:03Z"),
        ("bytes", "41943040"),
        ("wal", "14 segments"),
    ];
    let facts = facts.map(|(key, value)| (key.to_string(), value.to_string()));
    tell(3_290, Event::BackupSeen { facts: BTreeMap::from(facts) });
    tell(3_295, Event::ContentNoted(ContentRecord { name: "customers".into(), text: "1200".into() }));
    for write in 0..60 {
        // One write each 100 ms: 53 of them before the fault, the others get no acknowledgement.
        let ended_us = DrillTime(3_400_000 + write * 100_000);
        tell(3_400 + write * 100, Event::Written { write, ended_us, acknowledged: ended_us.0 <= FAULT_US });
    }
    let reached = match story {
        DrStory::Passed => RestoreLevel::L4,
        DrStory::Failed | DrStory::Damaged => RestoreLevel::L2,
        DrStory::Control => RestoreLevel::L0,
        DrStory::Broken | DrStory::Killed => {
            events.iter_mut().zip(0..).for_each(|(stamped, seq)| stamped.seq = seq);
            return events;
        }
    };
    let end = events
        .iter()
        .find(|e| matches!(e.event, Event::PhaseEnded { phase: Phase::Recover }))
        .map(|e| e.at_us.0 / 1000);
    let end = end.unwrap_or(17_000) - 5;
    let mut tell = |at_ms: u64, event: Event| {
        let at_us = DrillTime(at_ms * 1000);
        let until = events.iter().position(|stamped| stamped.at_us > at_us).unwrap_or(events.len());
        events.insert(until, Stamped { seq: 0, at_us, event });
    };
    let probes = [
        (RestoreLevel::L1, "readable"),
        (RestoreLevel::L2, "restored"),
        (RestoreLevel::L3, "replayed"),
        (RestoreLevel::L4, "customers"),
    ];
    for (level, name) in probes {
        let held = level <= reached;
        let evidence = match (level, held) {
            (_, true) if level == RestoreLevel::L4 => "1200, as before the fault",
            (_, true) => "exited 0",
            (RestoreLevel::L3, false) => {
                "exited 2: could not connect: the WAL segment 000000010000000000000007 is missing"
            }
            _ => "exited 1",
        };
        tell(end, Event::Probed { level, name: name.into(), held, evidence: evidence.into() });
    }
    // The last two writes before the fault were not in the archive; one came back that nobody was told of.
    let survivors = (story == DrStory::Passed).then(|| (0..51).chain([54]).collect());
    let evidence = match survivors.is_some() {
        true => "52 rows in ledger",
        false => "psql exited 2: could not connect to the server",
    };
    let asked_us = DrillTime(end * 1000);
    tell(
        end + 1,
        Event::ReadBack(ReadBackRecord { asked_us, survivors, duplicates: 0, evidence: evidence.into(), before: None }),
    );
    events.iter_mut().zip(0..).for_each(|(stamped, seq)| stamped.seq = seq);
    events
}

/// The events of a drill of a scenario that began at some time; `run` ends its id.
pub(crate) fn dr_events_at(story: DrStory, started_utc: &str, run: &str) -> Vec<Stamped> {
    let mut events = dr_events_of(story);
    if let Event::Announced(plan) = &mut events[0].event {
        let stamp: String = started_utc.chars().filter(|c| !matches!(c, '-' | ':')).take(15).collect();
        plan.run = format!("{stamp}Z-{}-{run}", plan.scenario);
        plan.started_utc = started_utc.into();
    }
    // A backup is from the same morning.
    for stamped in &mut events {
        if let Event::BackupSeen { facts } = &mut stamped.event {
            facts.insert("taken".into(), format!("{}T00:30:00Z", &started_utc[..10]));
            facts.insert("id".into(), format!("base-{}T0030", started_utc[..10].replace('-', "")));
        }
    }
    events
}

/// What events add up to.
pub(crate) fn sum_of(events: &[Stamped]) -> Record {
    let mut record = Record::default();
    events.iter().for_each(|event| record.apply(event));
    record
}

#[test]
fn the_stories_are_what_they_say() {
    let record = |story| sum_of(&dr_events_of(story));
    for story in DrStory::ALL {
        assert_eq!(record(story).damage, Vec::<String>::new(), "{story:?}");
    }
    let passed = record(DrStory::Passed);
    assert_eq!((passed.restore_level(), passed.outcome()), (Some(RestoreLevel::L5), RunOutcome::Passed));
    let data = passed.data_figures().unwrap();
    assert_eq!((data.acknowledged, data.survived, data.lost_before.len()), (53, 51, 2));
    assert_eq!(record(DrStory::Failed).outcome(), RunOutcome::Failed);
    let damaged = record(DrStory::Damaged);
    assert_eq!((damaged.restore_level(), damaged.outcome()), (Some(RestoreLevel::L2), RunOutcome::Passed));
    assert_eq!(record(DrStory::Control).outcome(), RunOutcome::Passed);
    assert_eq!(record(DrStory::Broken).outcome(), RunOutcome::Broken);
    assert!(!record(DrStory::Killed).ended);
}

/// The stories as files, for tests of the program: `UPDATE_RECORDS=1` writes them again.
#[test]
fn the_files_are_the_stories() {
    for (story, name) in [
        (DrStory::Passed, "dr-passed"),
        (DrStory::Failed, "dr-failed"),
        (DrStory::Damaged, "dr-damaged"),
        (DrStory::Killed, "dr-killed"),
    ] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/records/{name}.jsonl"));
        let lines = super::lines_of(&dr_events_of(story));
        if std::env::var_os("UPDATE_RECORDS").is_some() {
            std::fs::write(&path, &lines).unwrap();
        }
        assert!(std::fs::read(&path).unwrap_or_default() == lines, "{name}: UPDATE_RECORDS=1 writes it again");
    }
}
