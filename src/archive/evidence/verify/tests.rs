//! What was done to runs, their manifests and their chain is named, and nothing else is.

use super::*;
use crate::archive::evidence::{MANIFEST, Problem, ProblemKind, seal, testing, text};
use crate::record::testing::Story;
use crate::record::{RULES, RunDir};
use std::fs;

const RUNS: [&str; 3] =
    ["20261118T064112Z-db-pool-0001", "20261119T064112Z-db-pool-0002", "20261120T064112Z-db-pool-0003"];

const RUN: &str = "20261120T064112Z-db-pool-3f9a";

/// Three sealed runs, one of them cut off.
struct Runs(tempfile::TempDir);

impl Runs {
    fn new() -> Runs {
        let runs = Runs(tempfile::tempdir().unwrap());
        for (id, story) in RUNS.into_iter().zip([Story::Passed, Story::Killed, Story::NotRecovered]) {
            seal(&testing::run(runs.0.path(), id, story), false).unwrap();
        }
        runs
    }

    fn root(&self) -> PathBuf {
        fs::canonicalize(self.0.path()).unwrap()
    }

    fn file(&self, run: usize, name: &str) -> PathBuf {
        self.root().join(RUNS[run]).join(name)
    }

    fn report(&self) -> Verification {
        verify(&[self.root()]).unwrap()
    }

    /// As it is printed, without what is intact and without hashes.
    fn told(&self) -> String {
        let (report, root) = (self.report(), self.root());
        let short = |path: &Path| path.strip_prefix(&root).unwrap_or(path).to_path_buf();
        let text = text(&report, &[], true, &short);
        text.lines().filter(|line| !line.contains("head ")).collect::<Vec<_>>().join("\n")
    }

    /// Every run sealed as if for the first time: by somebody who can write to all of it.
    fn seal_all_anew(&self) {
        fs::remove_file(self.root().join(CHAIN)).unwrap();
        (0..RUNS.len()).for_each(|run| fs::remove_file(self.file(run, MANIFEST)).unwrap());
        RUNS.iter().for_each(|run| drop(seal(&self.root().join(run), false).unwrap()));
    }

    fn chain(&self, change: impl FnOnce(&mut Vec<String>)) {
        let path = self.root().join(CHAIN);
        let mut lines: Vec<String> = fs::read_to_string(&path).unwrap().lines().map(str::to_string).collect();
        change(&mut lines);
        fs::write(path, lines.join("\n") + "\n").unwrap();
    }
}

/// The errors of a run.
fn errors(report: &Verification, run: usize) -> Vec<&str> {
    let run = report.runs.iter().find(|checked| checked.place.id == RUNS[run]).unwrap();
    let errors = run.problems.iter().filter(|problem| problem.kind == ProblemKind::Error);
    errors.map(|Problem { text, .. }| text.as_str()).collect()
}

#[test]
fn what_nobody_touched_is_intact_also_what_was_cut_off() {
    let runs = Runs::new();
    let report = runs.report();
    assert!(!report.is_changed() && !report.is_unreadable());
    let states: Vec<(SealState, &str)> = report.runs.iter().map(|run| (run.state, run.verdict.as_str())).collect();
    assert_eq!(
        states,
        [(SealState::Intact, "passed"), (SealState::Intact, "incomplete"), (SealState::Intact, "not_recovered")]
    );
    assert!(report.runs.iter().all(|run| run.problems.is_empty()), "{:?}", report.runs);
    assert_eq!(runs.told(), "chain        chain.jsonl  3 entries\n3 intact");
    let head = report.chains[0].1.head.clone().unwrap();
    let found: Vec<bool> =
        kept(&[head.clone(), Head { number: 7, ..head }], &[], &report).into_iter().map(|(found, _)| found).collect();
    assert_eq!(found, [true, false]);
}

#[test]
fn a_run_that_was_sealed_again_with_another_story_is_told() {
    let runs = Runs::new();
    let dir = runs.root().join(RUNS[2]);
    // Somebody makes everything fit: events, record, manifest and an entry that admits to nothing but the ledger.
    let events = dir.join("events.jsonl");
    let more = fs::read_to_string(&events).unwrap().replacen("not recover", "not  recover", 1);
    assert_ne!(more, fs::read_to_string(&events).unwrap());
    fs::write(&events, more).unwrap();
    fs::write(dir.join("record.json"), report::json(&archive::read_story(&dir).unwrap())).unwrap();
    seal(&dir, false).unwrap();
    for keeps in [true, false] {
        runs.chain(|lines| {
            let entry = ChainEntry::read(lines.pop().unwrap().as_bytes()).unwrap();
            let content = entry.content.clone().filter(|_| keeps);
            lines.push(ChainEntry { changed: vec!["ledger.jsonl".into()], content, ..entry }.sealed().unwrap().1);
        });
        let report = runs.report();
        assert!(report.is_changed());
        let told = &report.chains[0].1.problems;
        assert!(told.iter().any(|told| told.contains("sealed other events, record or files")), "{told:?}");
        assert!(errors(&report, 2).iter().any(|told| told.contains("does not speak for it")), "{report:?}");
    }
}

#[test]
fn a_head_does_not_vouch_for_a_run_that_was_sealed_again_if_nothing_says_that_it_is_the_same() {
    let runs = Runs::new();
    let found = || {
        let report = runs.report();
        let head = Head { number: 2, hash: report.chains[0].1.entries[2].hash.clone() };
        kept(&[head], &[], &report)[0].clone()
    };
    fs::write(runs.file(1, "ledger.jsonl"), "more\n").unwrap();
    seal(&runs.root().join(RUNS[1]), false).unwrap();
    assert!(found().0, "its ledger goes on after its end");
    assert!(!runs.report().is_changed());
    // As versions wrote it that did not say what a run holds.
    let mut previous = Digest::zero();
    runs.chain(|lines| {
        for line in lines {
            let entry = ChainEntry::read(line.as_bytes()).unwrap();
            let (entry, again) = ChainEntry { content: None, previous: previous.clone(), ..entry }.sealed().unwrap();
            (previous, *line) = (entry.hash, again);
        }
    });
    assert!(!runs.report().is_changed());
    assert!(!found().0, "{}", found().1);
}

#[test]
fn an_entry_that_was_changed_speaks_for_no_run() {
    let runs = Runs::new();
    runs.chain(|lines| lines[1] = lines[1].replacen("2026-", "2025-", 1));
    assert!(errors(&runs.report(), 1).iter().any(|told| told.contains("does not speak for it")));
    assert_eq!(errors(&runs.report(), 0), [""; 0], "the others are as they were");
}

#[test]
fn a_byte_of_any_file_is_noticed() {
    let runs = Runs::new();
    let manifest = fs::read(runs.file(0, MANIFEST)).unwrap();
    let files = crate::archive::evidence::manifest::Manifest::read(&manifest).unwrap().files;
    assert!(files.len() >= 8);
    for file in files {
        let path = runs.file(0, &file.path);
        let was = fs::read(&path).unwrap();
        for at in [0, was.len() / 2, was.len() - 1] {
            let mut bytes = was.clone();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
            let report = runs.report();
            let run = &report.runs[0];
            let named = run.problems.iter().find(|problem| problem.text.contains(&file.path));
            let named = named.unwrap_or_else(|| panic!("{} at {at}: {:?}", file.path, run.problems));
            let is_report = file.weight == crate::archive::evidence::manifest::FileWeight::Report;
            assert_eq!(named.kind == ProblemKind::Warning, is_report, "{named:?}");
            assert_eq!(report.is_changed(), !is_report, "{}", file.path);
        }
        fs::write(&path, was).unwrap();
    }
    assert!(!runs.report().is_changed(), "and nothing else is");
}

#[test]
fn what_was_done_to_files_is_named() {
    let runs = Runs::new();
    fs::write(runs.file(0, "logs/more.log"), "x").unwrap();
    fs::write(runs.file(0, "mine.html"), "x").unwrap();
    fs::remove_file(runs.file(1, "files/runbook.md")).unwrap();
    fs::remove_file(runs.file(1, "report.html")).unwrap();
    fs::remove_file(runs.file(2, "logs/db-1.log")).unwrap();
    std::os::unix::fs::symlink("/dev/null", runs.file(2, "logs/db-1.log")).unwrap();
    insta::assert_snapshot!("files", runs.told());
}

#[test]
fn a_record_that_is_not_what_its_events_say_is_told_whoever_sealed_it() {
    let runs = Runs::new();
    // Both the record and everything that was sealed are written again: only the events speak against it.
    let path = runs.file(2, "record.json");
    let record = fs::read_to_string(&path).unwrap().replace("\"not_recovered\"", "\"passed\"");
    fs::write(&path, record).unwrap();
    runs.seal_all_anew();
    insta::assert_snapshot!("record", runs.told());
    let report = runs.report();
    assert!(errors(&report, 2)[0].contains("`verdict`"), "{:?}", errors(&report, 2));
}

#[test]
fn a_run_of_other_rules_may_have_come_to_other_figures_and_to_nothing_else() {
    let runs = Runs::new();
    let change = |name: &str, from: &str, to: &str| {
        let text = fs::read_to_string(runs.file(2, name)).unwrap();
        assert!(text.contains(from), "{name} has no {from}");
        fs::write(runs.file(2, name), text.replacen(from, to, 1)).unwrap();
        runs.seal_all_anew();
        runs.report()
    };
    let changed = change("record.json", "\"requests\": ", "\"requests\": 1");
    assert!(errors(&changed, 2)[0].ends_with("adds up to: `figures`"), "{:?}", errors(&changed, 2));
    change("record.json", &format!("\"rules\": {RULES},"), "");
    let report = change("events.jsonl", &format!("\"rules\":{RULES},"), "");
    let run = report.runs.iter().find(|checked| checked.place.id == RUNS[2]).unwrap();
    let said = format!("`figures`; it was made under rules 0, and this program has rules {RULES}");
    assert_eq!((run.state, report.is_changed()), (SealState::Intact, false));
    assert!(run.problems.iter().any(|problem| problem.text.ends_with(&said)), "{:?}", run.problems);
    let changed = change("record.json", "\"not_recovered\"", "\"passed\"");
    assert!(errors(&changed, 2)[0].contains("`verdict`"), "{:?}", errors(&changed, 2));
}

#[test]
fn a_manifest_that_was_written_by_hand_is_told() {
    let runs = Runs::new();
    let path = runs.file(0, MANIFEST);
    let was = fs::read_to_string(&path).unwrap();
    fs::write(&path, was.replace("\"passed\"", "\"breached\"")).unwrap();
    assert_eq!(errors(&runs.report(), 0)[0], "manifest.json is not the one that entry 0 sealed");
    fs::remove_file(&path).unwrap();
    assert_eq!(errors(&runs.report(), 0), ["manifest.json was removed: entry 0 sealed it"]);
    fs::write(&path, "{").unwrap();
    assert_eq!(errors(&runs.report(), 0).len(), 2);
    fs::write(&path, fs::read(runs.file(1, MANIFEST)).unwrap()).unwrap();
    assert!(errors(&runs.report(), 0).contains(&&*format!("manifest.json is that of {}", RUNS[1])));
}

#[test]
fn what_was_done_to_the_chain_is_named() {
    let runs = Runs::new();
    let whole = fs::read(runs.root().join(CHAIN)).unwrap();
    let mut told = Vec::new();
    let mut with = |what: &str, change: &dyn Fn(&mut Vec<String>)| {
        fs::write(runs.root().join(CHAIN), &whole).unwrap();
        runs.chain(change);
        assert!(runs.report().is_changed(), "{what}");
        told.push(format!("--- {what}\n{}", runs.told()));
    };
    with("changed", &|lines| lines[1] = lines[1].replace("2026-", "2025-"));
    with("removed", &|lines| drop(lines.remove(1)));
    with("reordered", &|lines| lines.swap(0, 1));
    with("inserted", &|lines| lines.insert(1, lines[2].clone()));
    with("cut", &|lines| lines.truncate(2));
    insta::assert_snapshot!("chain", told.join("\n"));
    fs::remove_file(runs.root().join(CHAIN)).unwrap();
    assert_eq!(errors(&runs.report(), 0), ["it was sealed, and there is no chain.jsonl beside it"]);
}

#[test]
fn runs_that_are_gone_or_were_put_in_are_named() {
    let runs = Runs::new();
    fs::remove_dir_all(runs.root().join(RUNS[1])).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let forged = testing::run(elsewhere.path(), "20261117T064112Z-db-pool-beef", Story::Passed);
    seal(&forged, false).unwrap();
    fs::rename(&forged, runs.root().join("20261117T064112Z-db-pool-beef")).unwrap();
    insta::assert_snapshot!("gone_and_put_in", runs.told());
}

#[test]
fn a_torn_line_hides_no_run_that_was_deleted() {
    let runs = Runs::new();
    fs::remove_dir_all(runs.root().join(RUNS[2])).unwrap();
    let path = runs.root().join(CHAIN);
    let text = fs::read_to_string(&path).unwrap();
    let last = text.trim_end().rfind('\n').unwrap() + 1;
    fs::write(&path, &text[..last + 90]).unwrap();
    let state = |report: &Verification| report.runs.iter().find(|run| run.place.id == RUNS[2]).map(|run| run.state);
    assert_eq!(state(&runs.report()), Some(SealState::Gone));
    // The next writer takes the line away, and keeps the name.
    seal(&testing::run(&runs.root(), "20261121T064112Z-db-pool-0004", Story::Passed), false).unwrap();
    let report = runs.report();
    assert_eq!((state(&report), report.chains[0].1.problems.len()), (Some(SealState::Gone), 0), "{report:#?}");
}

#[test]
fn a_copy_that_is_not_what_the_events_say_is_told_whoever_sealed_it() {
    let runs = Runs::new();
    let path = runs.file(0, "files/runbook.md");
    fs::write(&path, "# Another\n").unwrap();
    runs.seal_all_anew();
    let text = "files/runbook.md is not the runbook whose SHA-256 events.jsonl has";
    assert_eq!(errors(&runs.report(), 0), [text]);
    fs::write(&path, "password: ***\n").unwrap();
    runs.seal_all_anew();
    assert_eq!(errors(&runs.report(), 0), Vec::<&str>::new(), "secrets were taken out of it");
}

#[test]
fn what_is_not_sealed_is_told_apart() {
    let runs = Runs::new();
    let alive = RunDir::create(&runs.root(), "alive").unwrap();
    fs::write(alive.events_path(), "{}\n").unwrap();
    let never_began = RunDir::create(&runs.root(), "never").unwrap();
    let path = never_began.path().to_path_buf();
    drop(never_began);
    testing::run(&runs.root(), "20261121T064112Z-db-pool-0004", Story::Killed);
    let report = runs.report();
    let state = |name: &str| report.runs.iter().find(|run| run.place.id.contains(name)).unwrap().state;
    assert_eq!(state("alive"), SealState::UnderWay);
    assert_eq!(state("never"), SealState::NeverBegan, "{}", path.display());
    assert_eq!(state("0004"), SealState::NeverSealed);
    assert!(report.is_changed());
}

#[test]
fn a_run_whose_story_was_removed_did_begin() {
    let dir = tempfile::tempdir().unwrap();
    let run = testing::run(dir.path(), RUNS[0], Story::NotRecovered);
    let checked = || verify(&[dir.path().to_path_buf()]).unwrap();
    for name in ["events.jsonl", "record.json"] {
        fs::remove_file(run.join(name)).unwrap();
    }
    let report = checked();
    assert_eq!((report.runs[0].state, report.is_changed()), (SealState::Changed, true));
    let text = "its story was removed: docker.log, files/runbook.md, junit.xml, ledger.jsonl, logs/db-1.log, report.html is there, \
                and no event";
    assert_eq!(report.runs[0].problems[0].text, text);
    // What is there before the first event is no story.
    for name in ["docker.log", "junit.xml", "report.html", "logs/db-1.log"] {
        fs::remove_file(run.join(name)).unwrap();
    }
    assert!(checked().is_changed(), "the file of events comes before the others");
    fs::write(run.join("events.jsonl"), "").unwrap();
    assert_eq!(checked().runs[0].state, SealState::NeverBegan);
    fs::write(run.join("ledger.jsonl"), "{}\n{}\n").unwrap();
    assert!(checked().is_changed(), "something was broken");
}

#[test]
fn a_game_day_whose_story_was_removed_did_begin() {
    let dir = tempfile::tempdir().unwrap();
    let day = dir.path().join("20261120T020000Z-nightly-0001");
    fs::create_dir_all(day.join("files")).unwrap();
    fs::create_dir(day.join("runs")).unwrap();
    fs::write(day.join("files/nightly.yaml"), "").unwrap();
    fs::write(day.join("lock"), "").unwrap();
    let state = || verify(&[dir.path().to_path_buf()]).unwrap().runs.remove(0).state;
    assert_eq!(state(), SealState::NeverBegan);
    testing::run(&day.join("runs"), RUNS[2], Story::Passed);
    assert_eq!(state(), SealState::Changed);
}

#[test]
fn a_run_alone_is_held_to_its_manifest_and_to_the_chain_where_there_is_one() {
    let runs = Runs::new();
    let report = verify(&[runs.root().join(RUNS[0])]).unwrap();
    assert_eq!((report.runs.len(), report.is_changed()), (1, false), "its neighbours are not asked for");
    assert_eq!(report.runs[0].problems, []);
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join(RUNS[0]);
    fs::rename(runs.root().join(RUNS[0]), &copy).unwrap();
    let report = verify(&[copy]).unwrap();
    assert_eq!((report.runs[0].state, report.chains.len()), (SealState::Intact, 0));
    assert!(report.runs[0].problems[0].text.starts_with("without a chain.jsonl"), "{:?}", report.runs);
}

#[test]
fn a_game_day_is_held_to_its_files_and_to_the_head_of_its_runs() {
    let dir = tempfile::tempdir().unwrap();
    let day = dir.path().join("20261120T020000Z-nightly-0001");
    for id in RUNS {
        seal(&testing::run(&day.join("runs"), id, Story::Passed), false).unwrap();
    }
    fs::write(day.join("gameday.jsonl"), "").unwrap();
    seal(&day, false).unwrap();
    let report = verify(&[dir.path().to_path_buf()]).unwrap();
    assert_eq!((report.runs.len(), report.chains.len(), report.is_changed()), (4, 2, false), "{report:#?}");
    // The whole chain of the runs is written again, and with it every manifest: the day still knows its head.
    fs::remove_file(day.join("runs").join(CHAIN)).unwrap();
    for id in RUNS {
        fs::remove_file(day.join("runs").join(id).join(MANIFEST)).unwrap();
        seal(&day.join("runs").join(id), false).unwrap();
    }
    let report = verify(&[dir.path().to_path_buf()]).unwrap();
    let day = report.runs.iter().find(|run| run.place.id.contains("nightly")).unwrap();
    assert_eq!(day.state, SealState::Changed);
    assert!(day.problems[0].text.contains("its head when the game day was sealed"), "{:?}", day.problems);
    fs::write(day.place.dir.join("gameday.jsonl"), "changed").unwrap();
    let report = verify(std::slice::from_ref(&day.place.dir)).unwrap();
    assert!(report.runs.iter().any(|run| run.problems.iter().any(|p| p.text == "gameday.jsonl was changed")));
}

#[test]
fn a_run_that_was_added_to_a_sealed_game_day_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let day = dir.path().join("20261120T020000Z-nightly-0001");
    seal(&testing::run(&day.join("runs"), RUNS[0], Story::Passed), false).unwrap();
    fs::write(day.join("gameday.jsonl"), "").unwrap();
    seal(&day, false).unwrap();
    // Sealed as the others are, behind the head that the day knows.
    seal(&testing::run(&day.join("runs"), RUNS[1], Story::Passed), false).unwrap();
    fs::create_dir(day.join("runs").join(RUNS[2])).unwrap();
    let report = verify(&[dir.path().to_path_buf()]).unwrap();
    assert!(report.is_changed());
    let day = report.runs.iter().find(|run| run.place.id.contains("nightly")).unwrap();
    let texts: Vec<&str> = day.problems.iter().map(|problem| problem.text.as_str()).collect();
    assert_eq!(texts, [format!("runs/{} was added: it is no run of this game day", RUNS[1])]);
}

#[test]
fn a_chain_that_cannot_be_read_hides_no_change() {
    let runs = Runs::new();
    let chain = runs.root().join(CHAIN);
    fs::remove_file(&chain).unwrap();
    fs::create_dir(&chain).unwrap();
    let states = || runs.report().runs.iter().map(|run| run.state).collect::<Vec<_>>();
    assert_eq!(states(), [SealState::Unreadable; 3]);
    fs::remove_file(runs.file(1, MANIFEST)).unwrap();
    assert_eq!(states(), [SealState::Unreadable; 3], "only the chain knows whether it was sealed");
    assert!(!runs.report().is_changed() && runs.report().is_unreadable());
    let manifest = fs::read_to_string(runs.file(2, MANIFEST)).unwrap();
    fs::write(runs.file(2, MANIFEST), manifest.replace("\"not_recovered\"", "\"passed\"")).unwrap();
    fs::write(runs.file(0, "events.jsonl"), "{}\n").unwrap();
    assert_eq!(states(), [SealState::Changed, SealState::Unreadable, SealState::Changed]);
    assert!(runs.report().is_changed() && runs.report().is_unreadable());
}

#[test]
fn runs_are_found_where_their_chain_is() {
    let dir = tempfile::tempdir().unwrap();
    let home = fs::canonicalize(dir.path()).unwrap();
    let day = home.join("gamedays/20261120T020000Z-nightly-0001");
    testing::run(&day.join("runs"), RUN, Story::Passed);
    fs::write(day.join("gameday.jsonl"), "").unwrap();
    let single = testing::run(&home.join("runs"), RUN, Story::Passed);
    // What was a link, and a run of which everything was taken.
    fs::create_dir(home.join("runs/latest")).unwrap();
    fs::copy(single.join("events.jsonl"), home.join("runs/latest/events.jsonl")).unwrap();
    fs::create_dir(home.join("runs/20261121T064112Z-db-pool-0000")).unwrap();
    fs::create_dir_all(home.join("empty")).unwrap();
    fs::write(home.join("empty").join(CHAIN), "").unwrap();

    let (found, _) = find(std::slice::from_ref(&home)).unwrap();
    let names =
        |root: &str| -> Vec<String> { found[&home.join(root)].places.iter().map(|place| place.id.clone()).collect() };
    assert_eq!(names("runs"), [RUN, "20261121T064112Z-db-pool-0000"]);
    assert_eq!(names("gamedays"), ["20261120T020000Z-nightly-0001"]);
    assert_eq!(names("gamedays/20261120T020000Z-nightly-0001/runs"), [RUN]);
    assert_eq!(names("empty"), Vec::<String>::new());
    assert!(found.values().all(|root| root.whole));

    let (alone, _) = find(std::slice::from_ref(&single)).unwrap();
    assert_eq!(alone.len(), 1);
    assert!(!alone[&home.join("runs")].whole, "its neighbours were not asked for");
    assert!(find(&[home.join("nowhere")]).is_err());
}

#[test]
fn a_copy_alone_is_known_by_its_story() {
    let dir = tempfile::tempdir().unwrap();
    let run = testing::run(dir.path(), RUN, Story::Passed);
    fs::rename(run, dir.path().join("latest")).unwrap();
    let (found, _) = find(&[dir.path().join("latest")]).unwrap();
    assert_eq!(found.values().next().unwrap().places[0].id, RUN);
}
