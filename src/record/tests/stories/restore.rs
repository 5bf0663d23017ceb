//! Synthetic DR drills: the data directory of a database is lost, and the runbook restores it from a base backup and the
//! archive of its write-ahead log. What was lost, and how far the restore came, differs from story to story.

use super::plan::shop;
use super::*;

const SCENARIO: &str = "scenarios/pg-restore.yaml";
const RUNBOOK: &str = "runbooks/pg-restore.md";
const STOP: &str = "mitigate/stop-what-is-left-of-the-database";
const RESTORE: &str = "mitigate/unpack-the-base-backup";
const COUNT: &str = "verify/count-the-bookings";
const FAULT: &str = "files";
/// When the fault is confirmed, in milliseconds.
const LOST_MS: u64 = 8_600;
/// When users are well again.
const BACK_MS: u64 = 14_000;
/// When the survivors are asked for.
const ASKED_MS: u64 = 19_300;

pub(super) fn at(line: usize) -> Location {
    Location { path: RUNBOOK.into(), line }
}

fn of_scenario(line: usize) -> Location {
    Location { path: SCENARIO.into(), line }
}

fn runbook_text() -> String {
    let mut lines = vec![String::new(); 40];
    let mut put = |line: usize, text: &str| lines[line - 1] = text.to_string();
    put(1, "# The bookings database has lost its data");
    put(10, "## Mitigation");
    put(12, "### Stop what is left of the database");
    put(13, "```bash");
    put(14, "docker compose stop db");
    put(15, "```");
    put(20, "### Unpack the base backup");
    put(21, "```bash");
    put(22, "tar -xf /backup/base.tar -C /var/lib/postgresql/data");
    put(23, "```");
    put(30, "## Verification");
    put(32, "### Count the bookings");
    put(33, "```bash");
    put(34, "psql -tAc 'select count(*) from bookings'");
    put(35, "```");
    lines.join("\n") + "\n"
}

/// The plan of a DR story.
pub(crate) fn plan(story: Story) -> Announcement {
    let step = |id: &str, title: &str, line| StepInfo {
        id: id.into(),
        phase: id.split('/').next().unwrap().into(),
        title: title.into(),
        manual: false,
        hash: "c".repeat(64),
        at: at(line),
        end_line: line + 3,
        helps: None,
        not_run: None,
        replaced: None,
    };
    let expected = matches!(story, Story::RestoreExpected | Story::RestoreWrongLevel);
    let mut plan = shop(story);
    plan.run = "20261120T064112Z-pg-restore-3f9a".into();
    plan.scenario = "pg-restore".into();
    plan.title = "The data directory of the bookings database is lost".into();
    plan.tags = vec!["dr".into(), "database".into()];
    plan.scenario_file.path = SCENARIO.into();
    plan.runbook_file = Some(FileRef { path: RUNBOOK.into(), sha256: "b".repeat(64) });
    plan.stack_file.path = "stacks/bookings/compose.yaml".into();
    plan.control = story == Story::RestoreControl;
    plan.expect = if expected { Verdict::NotRecovered } else { Verdict::Passed };
    plan.slis.truncate(1);
    plan.slis[0].load = "bookings".into();
    let request = "PUT http://bookings:8080/bookings/{{counter}}".into();
    plan.loads = vec![LoadInfo { name: "bookings".into(), request, rate: 50.0, told_every_us: 0 }];
    plan.faults = vec![FaultInfo {
        id: FAULT.into(),
        kind: "files".into(),
        summary: "removes everything in /var/lib/postgresql/data".into(),
        services: vec!["db".into()],
        covers: None,
        noise: false,
        at: of_scenario(31),
    }];
    plan.steps = vec![
        step(STOP, "Stop what is left of the database", 12),
        step(RESTORE, "Unpack the base backup", 20),
        step(COUNT, "Count the bookings", 32),
    ];
    plan.detect = None;
    plan.windows.detect_within_us = None;
    plan.vars = BTreeMap::new();
    plan.runbook_text = Some(runbook_text());
    plan.description = Some("A failed disk takes the data directory; the backup lies elsewhere.".into());
    let probe = |level, name: &str, service: &str, run: &str, line| ProbeInfo {
        level,
        name: name.into(),
        service: service.into(),
        run: run.into(),
        at: of_scenario(line),
    };
    plan.restore = Some(RestorePlan {
        rto_us: 30_000 * MS,
        rpo_us: if story == Story::RestoreRpoMissed { 1_000 * MS } else { 5_000 * MS },
        load: "bookings".into(),
        acknowledged: "status == 201".into(),
        survivors: "in db: psql -tAc 'select number from bookings'".into(),
        probes: vec![
            probe(RestoreLevel::L1, "readable", "ops", "tar -tf /backup/base.tar", 40),
            probe(RestoreLevel::L2, "restored", "db", "test -s /var/lib/postgresql/data/PG_VERSION", 41),
            probe(RestoreLevel::L3, "replayed", "db", "psql -tAc 'select not pg_is_in_recovery()'", 42),
            probe(RestoreLevel::L4, "customers", "db", "psql -tAc 'select count(*), md5(…) from customers'", 43),
            probe(RestoreLevel::L4, "canary", "db", "psql -tAc 'select text from canary'", 44),
        ],
        expect: if expected { RestoreLevel::L2 } else { RestoreLevel::L5 },
        backup_max_age_us: None,
        production_bytes: None,
    });
    plan
}

impl Script {
    /// The writes of a slice: five, each 20 ms after the one before, with an answer 8 ms later.
    pub(super) fn writes(&mut self, start_us: u64, acknowledged: bool) {
        for n in 0..5 {
            let ended_us = DrillTime(start_us + n * 20 * MS + 8 * MS);
            self.push(Event::Written { write: self.slices * 5 + n, ended_us, acknowledged });
        }
    }

    fn told(&mut self, what: FaultEvent, detail: &str) {
        self.push(Event::Fault { fault: FAULT.into(), what, detail: detail.into() });
    }

    fn probed(&mut self, level: RestoreLevel, name: &str, held: bool, evidence: &str) {
        let (name, evidence) = (name.to_string(), evidence.to_string());
        self.push(Event::Probed { level, name, held, evidence });
    }

    pub(super) fn restore(mut self) -> Vec<Stamped> {
        self.push(Event::Announced(Box::new(plan(self.story))));
        self.until_the_fault();
        if self.story == Story::RestoreControl {
            return self.without_the_runbook();
        }
        let well = !matches!(self.story, Story::RestoreExpected | Story::RestoreWrongLevel);
        self.bad_to = if well { BACK_MS * MS } else { u64::MAX };
        self.follow(well);
        self.begin(13_100, Phase::Recover);
        let check = Check::Recovery { sli: "availability".into() };
        if well {
            self.at(19_100);
            self.push(Event::Recovered(RecoveryRecord { sli: String::new(), recovered_us: DrillTime(BACK_MS * MS) }));
            self.pass(check, 13_000, "met its objective from 5.40 s after the injection on, for 5 s");
            self.told(FaultEvent::ClearedByRunbook, "/var/lib/postgresql/data has files again");
        } else {
            self.at(19_100);
            let reason = "availability 0% (objective 99.5%), 6 s after the last mitigating step";
            self.check(check, 13_000, CheckOutcome::Failed { reason: reason.into(), at: Some(at(20)) });
        }
        self.levels();
        self.survivors();
        self.decide(well);
        self.end(19_600, Phase::Recover);
        self.end_of_it(well)
    }

    fn until_the_fault(&mut self) {
        self.begin(1, Phase::Up);
        self.at(3_250);
        for (what, took_ms) in [("build", 420), ("up", 2_100), ("healthy", 610)] {
            self.push(Event::StackTook(ComposeRecord { what: what.into(), took_us: took_ms * MS }));
        }
        let images = BTreeMap::from([("db".to_string(), format!("sha256:{}", "e".repeat(64)))]);
        self.push(Event::StackUp(StackRecord {
            project: "fd-20261120t064112z-pg-restore-3f9a".into(),
            images,
            localhost: BTreeMap::new(),
        }));
        self.end(3_290, Phase::Up);
        self.begin(3_290, Phase::Steady);
        self.load = Some(3_300 * MS);
        self.at(8_400);
        let (from_us, to_us) = (DrillTime(3_300 * MS), DrillTime(8_300 * MS));
        self.push(Event::WindowHeld(WindowRecord { phase: Phase::Steady, from_us, to_us }));
        self.pass(Check::Steady, 3_290, "availability 100% (objective 99.5%)");
        if self.story != Story::RestoreControl {
            let facts = [
                ("id", "base-20261120T060000Z"),
                ("taken", "2026-11-20T06:00:00Z"),
                ("bytes", "48211968"),
                ("method", "pg_basebackup"),
            ];
            let facts = facts.into_iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
            self.push(Event::BackupSeen { facts });
            let text = "1200|5d41402abc4b2a76b9719d911017c592".to_string();
            self.push(Event::ContentNoted(ContentRecord { name: "customers".into(), text }));
        }
        self.end(8_430, Phase::Steady);
        self.begin(8_430, Phase::Inject);
        self.told(FaultEvent::Injecting, "the undo is in the ledger");
        self.at(LOST_MS);
        self.told(FaultEvent::Confirmed, "/var/lib/postgresql/data is empty");
        let evidence = "/var/lib/postgresql/data is empty";
        self.pass(Check::Injection { fault: FAULT.into() }, 8_430, evidence);
        self.end(LOST_MS, Phase::Inject);
        self.begin(LOST_MS, Phase::Impact);
        (self.bad_from, self.bad_to) = (LOST_MS * MS, u64::MAX);
        self.at(9_130);
        self.push(Event::Impacted(ImpactRecord {
            sli: "availability".into(),
            impact_us: DrillTime(9_100 * MS),
            ratio: 0.5,
        }));
        self.pass(Check::Impact, LOST_MS, "availability fell to 50% (threshold 90%) 0.50 s after the injection");
        self.end(9_140, Phase::Impact);
    }

    fn follow(&mut self, well: bool) {
        self.begin(9_150, Phase::Respond);
        self.pass(Check::StillBroken, 9_150, "availability 0% (objective 99.5%) over the last second");
        self.push(Event::MitigationStarted { began_us: None });
        self.push(Event::StepStarted { step: STOP.into() });
        self.command(9_160, STOP, 0, "docker compose stop db", 14, 1);
        self.exit(10_200, STOP, 0, 0, 1_030);
        self.step_end(STOP, StepStatus::Passed, None, None);
        self.push(Event::StepStarted { step: RESTORE.into() });
        self.command(10_210, RESTORE, 0, "tar -xf /backup/base.tar -C /var/lib/postgresql/data", 22, 1);
        self.exit(12_900, RESTORE, 0, 0, 2_680);
        self.step_end(RESTORE, StepStatus::Passed, None, None);
        self.push(Event::MitigationEnded);
        self.push(Event::StepStarted { step: COUNT.into() });
        self.command(12_910, COUNT, 0, "psql -tAc 'select count(*) from bookings'", 34, 1);
        if well {
            self.output(COUNT, 0, Stream::Stdout, "263\n");
            self.exit(13_050, COUNT, 0, 0, 120);
            self.step_end(COUNT, StepStatus::Passed, None, None);
        } else {
            let said = "psql: error: could not translate host name \"db\" to address\n";
            self.output(COUNT, 0, Stream::Stderr, said);
            self.exit(13_050, COUNT, 0, 2, 120);
            self.step_end(COUNT, StepStatus::Warned, Some("command 1 exited 2"), Some(at(34)));
        }
        self.end(13_060, Phase::Respond);
    }

    /// What the levels show; the first one that does not hold is the last that is asked.
    fn levels(&mut self) {
        self.at(19_150);
        if self.story == Story::RestoreWrongLevel {
            self.probed(RestoreLevel::L1, "readable", false, "exit 2: tar: Unexpected EOF in archive");
            return;
        }
        self.probed(RestoreLevel::L1, "readable", true, "exit 0: 1,024 files");
        self.at(19_180).probed(RestoreLevel::L2, "restored", true, "exit 0");
        if self.story == Story::RestoreExpected {
            let evidence =
                "no container of db is running; its log ends with: could not locate a valid checkpoint record";
            self.at(19_200).probed(RestoreLevel::L3, "replayed", false, evidence);
            return;
        }
        self.at(19_200).probed(RestoreLevel::L3, "replayed", true, "exit 0: t");
        let held = self.story != Story::RestoreContent;
        let evidence = match held {
            true => "as before the fault: 1200|5d41402abc4b2a76b9719d911017c592",
            false => "1187|9bf2…, and before the fault 1200|5d41…",
        };
        self.at(19_240).probed(RestoreLevel::L4, "customers", held, evidence);
        self.at(19_260).probed(RestoreLevel::L4, "canary", true, "as expected: alive");
    }

    fn survivors(&mut self) {
        self.at(ASKED_MS + 80);
        let asked_us = DrillTime(ASKED_MS * MS);
        let unread = |evidence: &str| (None, 0, evidence.to_string());
        let (survivors, duplicates, evidence) = match self.story {
            Story::RestoreExpected | Story::RestoreWrongLevel => unread("no container of db is running"),
            Story::RestoreUnread => unread("exit 1: ERROR:  invalid page in block 3 of relation base/16384/16402"),
            story => {
                let lost = |number: u64| match story {
                    Story::RestoreLost => (262..265).contains(&number),
                    Story::RestoreRpoMissed => (190..265).contains(&number) || (540..542).contains(&number),
                    _ => false,
                };
                let there = |event: &Stamped| match event.event {
                    Event::Written { write, acknowledged, .. } if acknowledged && !lost(write) => Some(write),
                    // One that was told to have failed.
                    Event::Written { write: 265, .. } if story == Story::RestoreLost => Some(265),
                    _ => None,
                };
                let all: Numbers = self.events.iter().filter_map(there).collect();
                let evidence = format!("{} numbers", all.len());
                (Some(all), u64::from(story == Story::RestoreRpoMissed), evidence)
            }
        };
        self.push(Event::ReadBack(ReadBackRecord { asked_us, survivors, duplicates, evidence, before: None }));
    }

    fn decide(&mut self, well: bool) {
        self.at(19_500);
        let mut record = Record::default();
        for event in &self.events {
            record.apply(event);
        }
        let level = record.restore_level().unwrap_or(RestoreLevel::L0);
        let reached = format!("the restore reached {level} ({})", level.words());
        let failed = |reason: &str| CheckOutcome::Failed { reason: reason.into(), at: None };
        let passed = |evidence: &str| CheckOutcome::Passed { evidence: evidence.into() };
        let mut reasons = Vec::new();
        if level == RestoreLevel::L5 {
            self.check(Check::RestoreLevel, 19_150, passed(&reached));
        } else {
            let last = record.probes.iter().find(|probe| !probe.held).unwrap();
            let reason = format!("{reached} and failed at {} {}: {}", last.level, last.name, last.evidence);
            self.check(Check::RestoreLevel, 19_150, failed(&reason));
            reasons.push(reason);
        }
        let time = if well { passed("5.40 s, objective 30 s") } else { failed("users did not recover") };
        self.check(Check::RecoveryTime, LOST_MS, time);
        let point = match record.data_figures() {
            None => {
                let evidence = &record.read_back.as_ref().unwrap().evidence;
                let reason = format!("what was lost is not known: the survivors could not be read back: {evidence}");
                reasons.push(reason.clone());
                failed(&reason)
            }
            Some(data) => {
                let objective = record.restore_plan().unwrap().rpo_us;
                let lost = data.lost_before.len();
                let told = format!("lost: {lost}, the oldest {:.2} s before the fault", data.rpo_us as f64 / 1e6);
                match data.rpo_us <= objective {
                    true => passed(&told),
                    false => {
                        reasons.push(format!("more was lost than the recovery point objective allows: {told}"));
                        failed(&told)
                    }
                }
            }
        };
        self.check(Check::RecoveryPoint, ASKED_MS, point);
        if !reasons.is_empty() {
            let first = "users did not recover within 10 s of the last mitigating step".to_string();
            let all = (!well).then_some(first).into_iter().chain(reasons.into_iter().take(1)).collect::<Vec<_>>();
            self.judge(Verdict::NotRecovered, &all.join("; "), Some(at(20)));
        }
    }

    fn without_the_runbook(mut self) -> Vec<Stamped> {
        self.begin(9_150, Phase::Recover);
        self.at(19_400);
        self.judge(Verdict::Passed, "without the runbook users did not recover within 10 s", None);
        let evidence = "availability 0% (objective 99.5%) 10 s after the impact".to_string();
        self.check(Check::Control, 9_150, CheckOutcome::Passed { evidence });
        self.end(19_410, Phase::Recover);
        self.end_of_it(false)
    }

    fn end_of_it(mut self, well: bool) -> Vec<Stamped> {
        self.begin(19_610, Phase::Revert);
        self.at(19_630).told(FaultEvent::Irreversible, "goes with the stack");
        self.pass(Check::Revert, 19_610, "every fault was undone, or goes with the stack");
        self.end(19_640, Phase::Revert);
        self.begin(19_640, Phase::Down);
        self.load = None;
        self.at(21_690).push(Event::StackTook(ComposeRecord { what: "down".into(), took_us: 2_000_000 }));
        self.pass(Check::NothingLeft, 19_640, "no container, network or volume of this drill is left");
        self.end(21_700, Phase::Down);
        if well && !self.events.iter().any(|event| matches!(event.event, Event::Judged { .. })) {
            self.judge(Verdict::Passed, "users recovered 5.40 s after the fault, and the restore reached L5", None);
        }
        self.at(21_710).push(Event::Ended { left: vec![], kept: false });
        self.events
    }
}
