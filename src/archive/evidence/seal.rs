//! Seals a run or a game day: writes its manifest and enters it into the chain beside it.

use super::append::Appender;
use super::chain::{CHAIN, CHAIN_FORMAT, CHANGED, ChainEntry};
use super::manifest::{MANIFEST, MANIFEST_FORMAT, Manifest, Subject, compare, list};
use super::{Digest, Head, check_chain};
use crate::archive;
use crate::record::{DrillStatus, RunDir, read_file, utc_now, utc_text};
use crate::report::Quarter;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What sealing came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The entry of the run.
    pub head: Head,
    /// The chain that it is in.
    pub chain: PathBuf,
    /// Whether there was nothing to do: it was sealed as it is.
    pub already: bool,
    /// What people should know, such as a torn line that was repaired.
    pub notes: Vec<String>,
}

/// Whether this run or game day has a manifest. That it is in the chain, and that it holds, is for `verify` to say.
pub fn is_sealed(dir: &Path) -> bool {
    dir.join(MANIFEST).is_file()
}

/// Seals the directory of a run or of a game day whose story has ended, however it did. `late`: on somebody's wish, some time after
/// that. What is sealed already and has not changed stays as it is; what has changed since gets another entry, which says so.
/// Blocks while another writer of the same chain is at it.
///
/// # Errors
/// When a file cannot be read, the manifest or the chain cannot be written, or a symbolic link is on the way to the directory.
pub fn seal(dir: &Path, late: bool) -> io::Result<Sealed> {
    crate::record::no_link(dir)?;
    let dir = fs::canonicalize(dir)?;
    let run = RunDir::open(&dir)?;
    let Some((root, quarter)) = dir.parent().zip(Quarter::of_id(run.id())) else {
        let why = format!("{} is not named as a run is", dir.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    };
    // The files are read before the chain is locked: others are waiting for it.
    let manifest = manifest(&dir, run.id())?;
    let mut chain = Appender::open(root)?;
    let earlier = read_file(dir.join(MANIFEST)).ok();
    let is_new = earlier.is_none();
    let before = earlier.as_deref().and_then(|bytes| Manifest::read(bytes).ok());
    let (bytes, changed) = match (earlier, &before) {
        (Some(bytes), Some(before)) if before.says_the_same(&manifest) => (bytes, Vec::new()),
        _ => {
            let bytes = manifest.bytes()?;
            run.write(MANIFEST, &bytes)?;
            let changed = before.map_or_else(Vec::new, |before| compare(&before.files, &manifest.files));
            (bytes, changed.into_iter().map(|difference| difference.path).take(CHANGED).collect())
        }
    };
    let digest = Digest::of(&bytes);
    let (scenario, verdict) = (manifest.scenario, manifest.verdict);
    // One that has no manifest is not in the chain, unless somebody took it away: that is for `verify` to tell, and no reason to
    // read a chain of years at the end of every run.
    let entries = if is_new { Vec::new() } else { chain.entries()? };
    let last = entries.into_iter().rev().find(|entry| entry.run == run.id());
    let path = root.join(CHAIN);
    if let Some(entry) = last.as_ref().filter(|entry| entry.manifest == digest) {
        return Ok(Sealed { head: entry.head(), chain: path, already: true, notes: chain.notes });
    }
    let entry = chain.append(ChainEntry {
        number: 0,
        run: run.id().to_string(),
        scenario,
        verdict,
        format: CHAIN_FORMAT,
        quarter: quarter.to_string(),
        sealed_utc: utc_text(utc_now()),
        manifest: digest,
        replaces: last.map(|entry| entry.number),
        changed,
        late,
        torn: None,
        torn_run: None,
        previous: Digest::zero(),
        hash: Digest::zero(),
    })?;
    Ok(Sealed { head: entry.head(), chain: path, already: false, notes: chain.notes })
}

/// Seals the game day that this run is part of, when its runner is gone and every run of it is sealed: whoever ends the last story
/// of a game day that was killed ends that of the game day. `None` where there is nothing to do.
///
/// # Errors
/// As for `seal`.
pub fn seal_day_of(run: &Path) -> io::Result<Option<Sealed>> {
    crate::record::no_link(run)?;
    let run = fs::canonicalize(run)?;
    let day = run.parent().filter(|runs| runs.ends_with("runs")).and_then(Path::parent);
    let Some(day) = day.filter(|day| day.join("gameday.jsonl").is_file() && !is_sealed(day)) else { return Ok(None) };
    if RunDir::open(day)?.is_alive()? {
        return Ok(None);
    }
    // Several may be looking at once: the last of them sees every run sealed, and two that do seal it once.
    let has_begun = |run: &RunDir| fs::metadata(run.events_path()).is_ok_and(|events| events.len() > 0);
    match RunDir::list(&day.join("runs"))?.iter().all(|run| is_sealed(run.path()) || !has_begun(run)) {
        true => seal(day, false).map(Some),
        false => Ok(None),
    }
}

/// The manifest of a directory as it is now.
fn manifest(dir: &Path, id: &str) -> io::Result<Manifest> {
    let subject = if dir.join("gameday.jsonl").is_file() { Subject::Gameday } else { Subject::Run };
    let (scenario, verdict) = story(dir, subject);
    let runs_head = match subject {
        Subject::Gameday => read_file(dir.join("runs").join(CHAIN)).ok().and_then(|bytes| check_chain(&bytes).head),
        Subject::Run => None,
    };
    Ok(Manifest {
        format: MANIFEST_FORMAT,
        subject,
        run: id.to_string(),
        scenario,
        verdict,
        tool_version: env!("CARGO_PKG_VERSION").into(),
        sealed_utc: utc_text(utc_now()),
        runs_head,
        files: list(dir, subject)?,
    })
}

/// The name of what was done and what it came to. What cannot be read is incomplete, and evidence all the same.
pub(super) fn story(dir: &Path, subject: Subject) -> (String, String) {
    let incomplete = || (String::new(), "incomplete".to_string());
    match subject {
        Subject::Run => archive::read_run(dir).map_or_else(
            |_| incomplete(),
            |record| {
                let alone = record.plan.as_ref().is_some_and(|plan| plan.alone);
                let verdict = if alone { "none" } else { record.verdict.name() };
                (record.plan.map(|plan| plan.scenario).unwrap_or_default(), verdict.to_string())
            },
        ),
        Subject::Gameday => archive::read_day(dir).map_or_else(
            |_| incomplete(),
            |day| {
                let worst = day.drills.iter().map(|drill| drill.status()).max().unwrap_or(DrillStatus::NotRun);
                let verdict = if day.ended { worst } else { DrillStatus::Incomplete };
                (day.plan.name, verdict.name().to_string())
            },
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::evidence::testing;
    use crate::record::testing::Story;

    const RUN: &str = "20261120T064112Z-db-pool-3f9a";

    fn entries(root: &Path) -> Vec<ChainEntry> {
        let chain = check_chain(&fs::read(root.join(CHAIN)).unwrap());
        assert_eq!(chain.problems, Vec::<String>::new());
        chain.entries
    }

    #[test]
    fn a_run_is_sealed_once_however_often_it_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let run = testing::run(dir.path(), RUN, Story::Passed);
        let first = seal(&run, false).unwrap();
        let again = seal(&run, false).unwrap();
        assert_eq!((first.already, again.already), (false, true));
        assert_eq!(first.head, again.head);
        assert_eq!(entries(dir.path()).len(), 1);
        let manifest = Manifest::read(&fs::read(run.join(MANIFEST)).unwrap()).unwrap();
        assert_eq!((manifest.scenario.as_str(), manifest.verdict.as_str()), ("db-pool", "passed"));
        assert_eq!(manifest.files.len(), 8, "all but the lock: {:?}", manifest.files);
    }

    #[test]
    fn what_changed_since_is_sealed_again_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let run = testing::run(dir.path(), RUN, Story::Killed);
        seal(&run, false).unwrap();
        fs::write(run.join("ledger.jsonl"), "more\n").unwrap();
        fs::write(run.join("logs/late.log"), "late\n").unwrap();
        seal(&run, false).unwrap();
        let entries = entries(dir.path());
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[1].replaces, Some(0));
        assert_eq!(entries[1].changed, ["ledger.jsonl", "logs/late.log"]);
        assert_eq!(entries[1].manifest, Digest::of(&fs::read(run.join(MANIFEST)).unwrap()));
    }

    #[test]
    fn a_manifest_whose_entry_was_lost_gets_one() {
        let dir = tempfile::tempdir().unwrap();
        let run = testing::run(dir.path(), RUN, Story::Passed);
        seal(&run, false).unwrap();
        let manifest = fs::read(run.join(MANIFEST)).unwrap();
        fs::remove_file(dir.path().join(CHAIN)).unwrap();
        assert!(!seal(&run, false).unwrap().already);
        assert_eq!(entries(dir.path())[0].manifest, Digest::of(&manifest));
    }

    #[test]
    fn many_who_seal_at_once_make_one_chain() {
        let dir = tempfile::tempdir().unwrap();
        let runs: Vec<PathBuf> = (0..24)
            .map(|number| testing::run(dir.path(), &format!("20261120T064112Z-a-{number:04x}"), Story::Unsteady))
            .collect();
        std::thread::scope(|scope| {
            for run in &runs {
                // Each twice: runner and reaper.
                (0..2).for_each(|_| drop(scope.spawn(|| seal(run, false).unwrap())));
            }
        });
        let entries = entries(dir.path());
        assert_eq!(entries.len(), runs.len(), "{entries:#?}");
    }

    #[test]
    fn a_killed_game_day_is_sealed_with_the_last_of_its_runs() {
        let dir = tempfile::tempdir().unwrap();
        let day = dir.path().join("20261120T020000Z-nightly-0001");
        let [first, second] = ["20261120T020001Z-a-0001", "20261120T020002Z-a-0002"]
            .map(|id| testing::run(&day.join("runs"), id, Story::Killed));
        fs::write(day.join("gameday.jsonl"), "").unwrap();
        let lock = fs::File::create(day.join("lock")).unwrap();
        seal(&first, false).unwrap();
        assert_eq!(seal_day_of(&first).unwrap(), None, "the second one has not come to its end");
        let head = seal(&second, false).unwrap().head;
        lock.lock().unwrap();
        assert_eq!(seal_day_of(&second).unwrap(), None, "its runner lives");
        drop(lock);
        let sealed = seal_day_of(&second).unwrap().expect("nobody else will");
        assert_eq!(sealed.chain.parent(), Some(&*fs::canonicalize(dir.path()).unwrap()));
        let manifest = Manifest::read(&fs::read(day.join(MANIFEST)).unwrap()).unwrap();
        assert_eq!((manifest.subject, manifest.runs_head), (Subject::Gameday, Some(head)));
        assert_eq!(manifest.verdict, "incomplete");
        assert!(manifest.files.iter().all(|file| !file.path.starts_with("runs")), "{:?}", manifest.files);
        assert_eq!(seal_day_of(&second).unwrap(), None, "it is sealed");
        assert_eq!(seal_day_of(dir.path()).unwrap(), None, "it is no run");
    }

    #[test]
    fn what_is_no_run_is_not_sealed() {
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join("notes");
        fs::create_dir(&other).unwrap();
        assert!(seal(&other, false).is_err());
        assert!(!dir.path().join(CHAIN).exists());
    }
}
