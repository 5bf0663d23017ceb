//! Asking an index of ten thousand runs. Before the measurements it prints how many records a second are read from run
//! directories, and how large they are.

use criterion::{Criterion, criterion_group, criterion_main};
use firedrill::archive::history::{
    IndexedRun, Overview, ScenarioView, Summary, Update, indexed, overview_text, scenario_text,
};
use firedrill::record::{
    Announcement, DrillTime, Event, FileRef, Location, Phase, Record, RecoveryRecord, SliInfo, Slice, StackRecord,
    Stamped, StepInfo, Verdict, Windows,
};
use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

const RUNS: usize = 10_000;
const SCENARIOS: usize = 20;
/// Run directories whose records are read.
const RECORDS: usize = 200;
/// Slices of a record: two minutes of a load, about 100 KB.
const SLICES: u64 = 1_200;

fn plan(number: usize) -> Announcement {
    let scenario = format!("scenario-{:02}", number % SCENARIOS);
    let file = |path: String, version: usize| FileRef { path, sha256: format!("{version:064x}") };
    let day = number / (SCENARIOS * 4);
    let (month, of_month) = (1 + day / 28 % 12, 1 + day % 28);
    let date = format!("{:04}-{month:02}-{of_month:02}", 2020 + day / 336);
    let step = |n: usize| StepInfo {
        id: format!("mitigate/step-{n}"),
        phase: "mitigate".into(),
        title: format!("Step {n}"),
        manual: false,
        hash: format!("{:064x}", n + number / 900),
        at: Location { path: "runbook.md".into(), line: n * 8 },
        end_line: n * 8 + 5,
        helps: None,
        not_run: None,
        replaced: None,
    };
    Announcement {
        format: 1,
        tool_version: "0.1.0".into(),
        run: format!("{}T020000Z-{scenario}-{number:05}", date.replace('-', "")),
        started_utc: format!("{date}T02:00:{:02}Z", number % 60),
        title: format!("The scenario {scenario}"),
        scenario_file: file(format!("scenarios/{scenario}.yaml"), number / 2000),
        scenario,
        severity: None,
        tags: Vec::new(),
        runbook_file: Some(file("runbook.md".into(), number / 900)),
        reading: None,
        programs_file: None,
        stack_file: file("compose.yaml".into(), 0),
        control: number % 7 == 6,
        seed: 1,
        expect: Verdict::Passed,
        slis: vec![SliInfo {
            name: "availability".into(),
            load: "shop".into(),
            good: "status < 500".into(),
            objective: 0.99,
            must_breach: true,
            slo: None,
        }],
        loads: Vec::new(),
        faults: Vec::new(),
        steps: (1..9).map(step).collect(),
        detect: None,
        windows: Windows {
            told_every_us: 0,
            shown_after_us: None,
            steady_us: 5_000_000,
            impact_within_us: 15_000_000,
            impact_window_us: 1_000_000,
            impact_below: Some(0.9),
            detect_within_us: None,
            recover_within_us: 30_000_000,
            runbook_took_us: None,
            recover_hold_us: 5_000_000,
            recover_cleared: false,
            revert_hold_us: 2_000_000,
            impact_none: false,
        },
        vars: BTreeMap::new(),
        runbook_text: Some("A line of a runbook, as long as such lines are.\n".repeat(120)),
        revision: None,
        occasion: None,
        description: None,
        owner: None,
        rto_us: None,
        invariants: Vec::new(),
        restore: None,
        executed: None,
        alone: false,
        ..Announcement::default()
    }
}

fn record(number: usize, slices: u64) -> Record {
    let mut record = Record::default();
    let verdict = if number % 11 == 3 { Verdict::NotRecovered } else { Verdict::Passed };
    let recovered = 4_000_000 + (number as u64 * 7_919) % 5_000_000;
    let images = BTreeMap::from([("shop".to_string(), format!("sha256:{:064x}", number / 3000))]);
    let slice = |index: u64| {
        Event::Slice(Slice {
            load: "shop".into(),
            index,
            start_us: DrillTime(index * 100_000),
            due: 5,
            good: BTreeMap::from([("availability".to_string(), 5)]),
            results: BTreeMap::from([("200".to_string(), 5)]),
            first_good_us: BTreeMap::from([("availability".to_string(), 8_000)]),
            latency_us: [8_000, 14_000, 21_000 + index],
        })
    };
    let mut events = vec![
        Event::Announced(Box::new(plan(number))),
        Event::PhaseStarted { phase: Phase::Up },
        Event::StackUp(StackRecord { project: "fd-shop".into(), images, localhost: Default::default() }),
        Event::PhaseEnded { phase: Phase::Up },
    ];
    events.extend((0..slices).map(slice));
    events.push(Event::Recovered(RecoveryRecord { sli: String::new(), recovered_us: DrillTime(recovered) }));
    events.push(Event::Judged { verdict, reason: "users had recovered".into(), at: None });
    events.push(Event::Ended { left: Vec::new(), kept: false });
    for (seq, event) in events.into_iter().enumerate() {
        record.apply(&Stamped { seq: seq as u64, at_us: DrillTime(seq as u64 * 1_000), event });
    }
    record
}

/// Run directories with the records of these runs; how many bytes they have.
fn write(dir: &Path, numbers: std::ops::Range<usize>, slices: u64) -> usize {
    let one = |number: usize| {
        let record = record(number, slices);
        let dir = dir.join(&record.plan.as_ref().expect("a plan").run);
        fs::create_dir_all(&dir).expect("a directory");
        let json = firedrill::report::json(&record);
        fs::write(dir.join("record.json"), &json).expect("a record");
        json.len()
    };
    numbers.map(one).sum()
}

/// How fast run directories are read; printed, because it is done once.
fn indexing(dir: &Path) {
    let bytes = write(&dir.join("runs"), 0..RECORDS, SLICES);
    let (index, roots) = (dir.join("read.db"), [dir.join("runs")]);
    let begun = Instant::now();
    let (_, update) = indexed(&index, &roots).expect("an index");
    let took = begun.elapsed();
    assert_eq!(update.read, RECORDS);
    let begun = Instant::now();
    indexed(&index, &roots).expect("an index");
    let (each, size) = (took.as_secs_f64() / RECORDS as f64, bytes / RECORDS / 1024);
    println!("indexing: {RECORDS} records of {size} KB in {took:.2?}: {:.2} ms each", each * 1e3);
    println!("looking again, nothing new: {:.2?}", begun.elapsed());
}

fn history(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a directory");
    indexing(dir.path());
    let (path, runs) = (dir.path().join("history.json"), dir.path().join("many"));
    write(&runs, 0..RUNS, 10);
    let begun = Instant::now();
    indexed(&path, &[runs]).expect("an index");
    let size = fs::metadata(&path).expect("the index").len() / 1024;
    println!("{RUNS} runs of {SCENARIOS} scenarios put into the index in {:.2?}; it has {size} KB", begun.elapsed());
    let mut group = criterion.benchmark_group(format!("{RUNS} runs"));
    group.sample_size(20);
    let ask = || indexed(&path, &[]).expect("an answer").0;
    group.bench_function("overview", |bencher| {
        bencher.iter(|| {
            let runs = ask();
            assert_eq!(runs.len(), RUNS);
            let scenarios = Summary::all(&runs);
            let overview = Overview { runs: runs.len(), scenarios, index: Update::default() };
            black_box(overview_text(&overview))
        });
    });
    group.bench_function("one scenario", |bencher| {
        bencher.iter(|| {
            let mut runs: Vec<IndexedRun> = ask();
            runs.retain(|run| run.scenario == "scenario-07");
            assert_eq!(runs.len(), RUNS / SCENARIOS);
            let view = ScenarioView::of(&runs, Update::default()).expect("a scenario");
            black_box(scenario_text(&view))
        });
    });
    group.finish();
}

criterion_group!(benches, history);
criterion_main!(benches);
