//! The manifest of a run or a game day: which files its directory held when it was sealed, and the SHA-256 of each. Sealing writes it
//! and enters it into the chain beside it.

use super::chain::{Appender, CHAIN, CHAIN_FORMAT, CHANGED, ChainEntry};
use super::{Digest, Head, check_chain};
use crate::archive::{self, find::named};
use crate::record::{DrillStatus, Record, RunDir, is_temporary, open_file, read_file, utc_now, utc_text};
use crate::report::{Quarter, read_format};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};
use time::OffsetDateTime;

/// Name of the manifest in a run directory.
pub const MANIFEST: &str = "manifest.json";
/// Version of the manifest's format; raised when a reader of the old one would misread.
pub const MANIFEST_FORMAT: u32 = 1;

/// What a directory is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A drill, or a runbook that was followed alone.
    Run,
    /// A game day. Its runs are sealed by themselves; it holds the head of their chain.
    Gameday,
}

/// How much a file weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileWeight {
    /// What happened, and with what: it cannot be had again.
    Evidence,
    /// Made from the evidence, and can be made again (`firedrill report`).
    Report,
}

impl FileWeight {
    /// What a file counts as, by its path within the directory (with `/`): pages and JUnit at the top are reports, all
    /// else is evidence.
    pub fn of(path: &str) -> FileWeight {
        let report = path == "gameday.json" || [".html", ".md", ".xml"].iter().any(|end| path.ends_with(end));
        if report && !path.contains('/') { FileWeight::Report } else { FileWeight::Evidence }
    }
}

/// A file of a directory. One that is a symbolic link has `link` and no digest: links are not followed. One that is neither file
/// nor link has neither.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Path within the directory, `/` between its parts.
    pub path: String,
    /// How much it weighs.
    pub weight: FileWeight,
    /// Size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// SHA-256 of its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// Where a symbolic link points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// When it was written last, RFC 3339 in UTC. For people: copies and archives do not keep it, so it is never compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_utc: Option<String>,
}

/// `manifest.json` of a run or game day: every file with its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// `MANIFEST_FORMAT` of the writer.
    pub format: u32,
    /// Whether it is a run's or a game day's.
    pub subject: Subject,
    /// Id of the run or game day.
    pub run: String,
    /// Name of the scenario (of the game day); empty where the story has no beginning.
    pub scenario: String,
    /// The verdict; of a game day `passed` when every drill of its plan did, otherwise the worst that became of one; `none` for a
    /// runbook that was followed alone; `incomplete` for what was cut off.
    pub verdict: String,
    /// Version of the tool that sealed it.
    pub tool_version: String,
    /// When it was sealed, RFC 3339 in UTC.
    pub sealed_utc: String,
    /// Of a game day, the head of the chain of its runs at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs_head: Option<Head>,
    /// Every file, sorted by path.
    pub files: Vec<FileEntry>,
}

impl Manifest {
    /// Reads one back.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(bytes: &[u8]) -> Result<Manifest, String> {
        read_format(bytes, MANIFEST_FORMAT, "manifest")
    }

    /// SHA-256 of the lines `SHA256  PATH` of all evidence but `ledger.jsonl`, `reaper.log` and `logs/`: those alone go on after the end
    /// of the story, when what was left behind is removed. A symbolic link has where it points in the place of its digest.
    pub fn content(&self) -> Digest {
        let goes_on = |path: &str| matches!(path, "ledger.jsonl" | "reaper.log") || path.starts_with("logs/");
        let stays = self.files.iter().filter(|file| file.weight == FileWeight::Evidence && !goes_on(&file.path));
        let line = |file: &FileEntry| {
            let digest = file.sha256.as_ref().map(Digest::to_string).or_else(|| file.link.clone());
            format!("{}  {}\n", digest.unwrap_or_default(), file.path)
        };
        Digest::of(stays.map(line).collect::<String>().as_bytes())
    }

    /// Whether both say the same of the files; when that was sealed does not matter.
    pub fn says_the_same(&self, other: &Manifest) -> bool {
        let head = |of: &Manifest| (of.run.clone(), of.scenario.clone(), of.verdict.clone(), of.runs_head.clone());
        head(self) == head(other) && compare(&self.files, &other.files).is_empty()
    }
}

named_enum! {
/// How a file differs from what was sealed, as people read it.
pub enum How {
    /// Its content is another one.
    Changed = "was changed",
    /// It is gone.
    Removed = "was removed",
    /// It was not there.
    Added = "was added",
}
}

/// A file that differs from what was sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Path within the directory.
    pub path: String,
    /// How much it weighs.
    pub weight: FileWeight,
    /// How it differs.
    pub how: How,
}

/// What differs between what was sealed and what is there now, by path.
pub fn compare(sealed: &[FileEntry], now: &[FileEntry]) -> Vec<Difference> {
    let content = |file: &FileEntry| (file.size, file.sha256.clone(), file.link.clone());
    let mut both: BTreeMap<&str, [Option<&FileEntry>; 2]> = BTreeMap::new();
    for (side, files) in [sealed, now].into_iter().enumerate() {
        files.iter().for_each(|file| both.entry(&file.path).or_default()[side] = Some(file));
    }
    let differs = |(path, [was, is]): (&str, [Option<&FileEntry>; 2])| {
        let how = match (was, is) {
            (Some(was), Some(is)) if content(was) == content(is) => return None,
            (Some(_), Some(_)) => How::Changed,
            (Some(_), None) => How::Removed,
            (None, _) => How::Added,
        };
        Some(Difference { path: path.to_string(), weight: was.or(is)?.weight, how })
    };
    both.into_iter().filter_map(differs).collect()
}

/// Every file of a directory, at any depth, sorted by path. Left out: the manifest itself, what says that somebody lives (`lock`,
/// `kept`), temporary files of a write under way at the top, and the runs of a game day.
pub fn list(dir: &Path, subject: Subject) -> io::Result<Vec<FileEntry>> {
    let mut files = Vec::new();
    look(dir, "", subject, &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn look(dir: &Path, above: &str, subject: Subject, files: &mut Vec<FileEntry>) -> io::Result<()> {
    for entry in fs::read_dir(dir).map_err(named(dir))? {
        let entry = entry.map_err(named(dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().map_err(named(dir))?;
        // Files are written by way of a temporary one at the top only, so anywhere else that name was given by somebody.
        let is_temporary = kind.is_file() && is_temporary(&name);
        let is_left_out =
            matches!(&*name, MANIFEST | "lock" | "lock.new" | "kept") || subject == Subject::Gameday && name == "runs";
        if above.is_empty() && (is_left_out || is_temporary) {
            continue;
        }
        let (path, real) = (format!("{above}{name}"), entry.path());
        if kind.is_dir() {
            look(&real, &format!("{path}/"), subject, files)?;
            continue;
        }
        files.push(describe(&real, path, kind).map_err(named(&real))?);
    }
    Ok(())
}

fn describe(real: &Path, path: String, kind: fs::FileType) -> io::Result<FileEntry> {
    let weight = FileWeight::of(&path);
    let mut entry = FileEntry { path, weight, size: None, sha256: None, link: None, modified_utc: None };
    if kind.is_symlink() {
        entry.link = Some(fs::read_link(real)?.to_string_lossy().into_owned());
    } else if kind.is_file() {
        let file = open_file(real)?;
        entry.modified_utc =
            file.metadata()?.modified().ok().map(|at| crate::record::utc_text(OffsetDateTime::from(at)));
        let (sha256, size) = Digest::of_all(file)?;
        (entry.size, entry.sha256) = (Some(size), Some(sha256));
    }
    Ok(entry)
}

/// What sealing came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The entry of the run.
    pub head: Head,
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
            let bytes = (serde_json::to_string_pretty(&manifest)? + "\n").into_bytes();
            run.write(MANIFEST, &bytes)?;
            let changed = before.map_or_else(Vec::new, |before| compare(&before.files, &manifest.files));
            (bytes, changed.into_iter().map(|difference| difference.path).take(CHANGED).collect())
        }
    };
    let (digest, content) = (Digest::of(&bytes), Some(manifest.content()));
    let (scenario, verdict) = (manifest.scenario, manifest.verdict);
    // One that has no manifest is not in the chain, unless somebody took it away: that is for `verify` to tell, and no reason to
    // check a chain of years at the end of every run.
    let entries = if is_new { Vec::new() } else { chain.entries()? };
    let last = entries.into_iter().rev().find(|entry| entry.run == run.id());
    if let Some(entry) = last.as_ref().filter(|entry| entry.manifest == digest) {
        return Ok(Sealed { head: entry.head(), notes: chain.notes });
    }
    let entry = chain.append(ChainEntry {
        run: run.id().to_string(),
        scenario,
        verdict,
        format: CHAIN_FORMAT,
        quarter: quarter.to_string(),
        sealed_utc: utc_text(utc_now()),
        manifest: digest,
        content,
        replaces: last.map(|entry| entry.number),
        changed,
        late,
        ..ChainEntry::default()
    })?;
    Ok(Sealed { head: entry.head(), notes: chain.notes })
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
    let all = RunDir::list(&day.join("runs"))?.iter().all(|run| is_sealed(run.path()) || !has_begun(run));
    all.then(|| seal(day, false)).transpose()
}

/// The manifest of a directory as it is now.
fn manifest(dir: &Path, id: &str) -> io::Result<Manifest> {
    let subject = if dir.join("gameday.jsonl").is_file() { Subject::Gameday } else { Subject::Run };
    let (scenario, verdict) = story(dir, subject);
    let runs = read_file(dir.join("runs").join(CHAIN)).ok().filter(|_| subject == Subject::Gameday);
    Ok(Manifest {
        format: MANIFEST_FORMAT,
        subject,
        run: id.to_string(),
        scenario,
        verdict,
        tool_version: env!("CARGO_PKG_VERSION").into(),
        sealed_utc: utc_text(utc_now()),
        runs_head: runs.and_then(|chain| check_chain(&chain).head),
        files: list(dir, subject)?,
    })
}

/// The name of what was done and what it came to. What cannot be read is incomplete, and evidence all the same.
pub(super) fn story(dir: &Path, subject: Subject) -> (String, String) {
    let told = match subject {
        Subject::Run => archive::read_run(dir).ok().map(|Record { plan, verdict, .. }| {
            let (scenario, alone) = plan.map(|plan| (plan.scenario, plan.alone)).unwrap_or_default();
            (scenario, if alone { "none" } else { verdict.name() })
        }),
        Subject::Gameday => archive::read_day(dir).ok().map(|day| {
            let worst = day.drills.iter().map(|drill| drill.status()).max().unwrap_or(DrillStatus::NotRun);
            let verdict = if day.ended { worst } else { DrillStatus::Incomplete };
            (day.plan.name, verdict.name())
        }),
    };
    let (scenario, verdict) = told.unwrap_or_else(|| (String::new(), "incomplete"));
    (scenario, verdict.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_listed_and_no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "abc").unwrap();
        };
        let left_out = ["lock", "kept", "manifest.json", ".record.json.12-00ff.tmp", "runs/x/a"];
        left_out.into_iter().for_each(write);
        ["events.jsonl", "report.html", "files/runbook.md", "logs/lock", "a.b/c"].into_iter().for_each(write);
        let hidden = [".a.tmp", ".b.1-00ff.tmp/c", "logs/.a.1-0000.tmp"];
        hidden.into_iter().for_each(write);
        std::os::unix::fs::symlink("/etc", dir.path().join("files/etc")).unwrap();
        let files = list(dir.path(), Subject::Gameday).unwrap();
        let (found, files): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| hidden.contains(&file.path.as_str()));
        assert_eq!(found.len(), hidden.len(), "only what a write leaves is left out: {found:?}");
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["a.b/c", "events.jsonl", "files/etc", "files/runbook.md", "logs/lock", "report.html"]);
        assert_eq!(files[2].link.as_deref(), Some("/etc"));
        assert_eq!((files[2].size, &files[2].sha256), (None, &None));
        assert_eq!((files[1].size, &files[1].sha256), (Some(3), &Some(Digest::of(b"abc"))));
        assert!(files[1].modified_utc.as_ref().unwrap().ends_with('Z'));
        let of_run = list(dir.path(), Subject::Run).unwrap();
        assert!(of_run.iter().any(|file| file.path == "runs/x/a"), "only a game day has runs of its own");
    }

    #[test]
    fn reports_are_what_can_be_made_again() {
        let reports = ["report.html", "report.md", "junit.xml", "gameday.json", "mine.html"];
        let evidence =
            ["events.jsonl", "record.json", "ledger.jsonl", "files/runbook.md", "logs/a.xml", "gameday.jsonl"];
        assert!(reports.iter().all(|path| FileWeight::of(path) == FileWeight::Report));
        assert!(evidence.iter().all(|path| FileWeight::of(path) == FileWeight::Evidence));
    }

    #[test]
    fn what_differs_is_named() {
        let file = |path: &str, content: &[u8]| FileEntry {
            path: path.into(),
            weight: FileWeight::of(path),
            size: Some(content.len() as u64),
            sha256: Some(Digest::of(content)),
            link: None,
            modified_utc: Some(format!("{}", content.len())),
        };
        let sealed = [file("a", b"1"), file("b", b"2"), file("report.html", b"3"), file("same", b"4")];
        let mut touched = file("same", b"4");
        touched.modified_utc = None;
        let now = [file("a", b"x"), file("c", b"2"), file("report.html", b"33"), touched];
        let differences = compare(&sealed, &now);
        let told: Vec<(&str, FileWeight, How)> =
            differences.iter().map(|d| (d.path.as_str(), d.weight, d.how)).collect();
        assert_eq!(
            told,
            [
                ("a", FileWeight::Evidence, How::Changed),
                ("b", FileWeight::Evidence, How::Removed),
                ("c", FileWeight::Evidence, How::Added),
                ("report.html", FileWeight::Report, How::Changed),
            ]
        );
        assert!(compare(&sealed, &sealed).is_empty());
    }

    #[test]
    fn a_manifest_of_the_future_is_refused() {
        assert!(Manifest::read(b"{\"format\": 2}").unwrap_err().contains("format 2"));
        assert!(Manifest::read(b"{}").unwrap_err().contains("no `format`"));
        assert!(Manifest::read(b"{\"format\": 1}").unwrap_err().contains("no manifest"));
        assert!(Manifest::read(b"no").unwrap_err().contains("no manifest"));
    }
}

#[cfg(test)]
mod seal_tests {
    use super::*;
    use crate::archive::evidence::testing;
    use crate::record::testing::Story;
    use std::path::PathBuf;

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
        seal(&run, false).unwrap();
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
        seal_day_of(&second).unwrap().expect("nobody else will");
        assert!(dir.path().join(CHAIN).is_file());
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
