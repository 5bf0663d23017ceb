//! Verifies everything below some paths: each run, each chain, and each run against its chain. Runs and game days are found by the
//! directory that they lie in, which is where their chain is, at any depth; other than by `archive`, also what was emptied, and every
//! copy. Of a run its files are held to its manifest, the manifest to the chain, and its record to its events.
//!
//! What `firedrill verify` prints: a line for each run and what is wrong with it, and the heads of the chains.

use super::chain::read_chain;
use super::manifest::{FileWeight, How, MANIFEST, Manifest, Subject, compare, list, story};
use super::{CHAIN, Chain, ChainEntry, Digest, Head, check_chain};
use crate::archive::find::{day_id, first_line, run_id, walk};
use crate::output::visible;
use crate::record::{Event, HIDDEN, RunDir, Stamped, is_run_id, read_file};
use crate::{archive, report};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// What verifying came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// Every run and game day, by id; also those of which only the chain knows.
    pub runs: Vec<Checked>,
    /// Every chain, by path: the file, and what stands in it.
    pub chains: Vec<(PathBuf, Chain)>,
    /// What could not be read.
    pub problems: Vec<String>,
}

impl Verification {
    /// Whether there was anything to verify.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.chains.is_empty() && self.problems.is_empty()
    }

    /// Whether something is not as it was sealed.
    pub fn is_changed(&self) -> bool {
        let changed =
            |run: &Checked| matches!(run.state, SealState::Changed | SealState::Gone | SealState::NeverSealed);
        self.runs.iter().any(changed) || !self.chains.iter().all(|(_, chain)| chain.is_whole())
    }

    /// Whether something could not be read, so that nobody can say.
    pub fn is_unreadable(&self) -> bool {
        !self.problems.is_empty() || self.runs.iter().any(|run| run.state == SealState::Unreadable)
    }
}

/// Verifies everything below these paths: run directories, directories that hold some, unpacked artifacts of CI.
///
/// # Errors
/// When a path does not exist.
pub fn verify(paths: &[PathBuf]) -> io::Result<Verification> {
    let (roots, problems) = find(paths)?;
    let mut report = Verification { problems, ..Verification::default() };
    for (path, root) in &roots {
        verify_root(path, root, &mut report);
    }
    report.runs.sort_by(|a, b| (&a.place.id, &a.place.dir).cmp(&(&b.place.id, &b.place.dir)));
    differing(&mut report.runs);
    Ok(report)
}

/// Copies of one run, next to each other, that were sealed with other content: nobody can say which one it was.
fn differing(runs: &mut [Checked]) {
    for copies in runs.chunk_by_mut(|a, b| a.place.id == b.place.id) {
        let sealed: BTreeSet<&Digest> = copies.iter().filter_map(|copy| copy.manifest.as_ref()).collect();
        if sealed.len() > 1 {
            let all: Vec<String> = copies.iter().map(|copy| copy.place.dir.display().to_string()).collect();
            let text = format!("the copies of this run have different manifests: {}", all.join(", "));
            for copy in copies {
                copy.error(&text);
                copy.state = SealState::Changed;
            }
        }
    }
}

/// How often a root is looked at where runs end meanwhile.
const PASSES: u32 = 3;

fn verify_root(path: &Path, root: &EvidenceRoot, report: &mut Verification) {
    let file = path.join(CHAIN);
    let read = || match read_chain(&file) {
        Ok(bytes) => Ok(Some(check_chain(&bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", file.display())),
    };
    let mut places = root.places.clone();
    let mut chain = read();
    // A run that ends meanwhile has a manifest of which the chain that was read knows nothing: then all is looked at once more.
    let mut passes = 0;
    let runs = loop {
        passes += 1;
        let entries = chain.as_ref().ok().and_then(Option::as_ref).map(|chain| (chain.by_run(), &chain.doubted));
        let without = match chain {
            Err(_) => ChainBeside::Unreadable,
            _ if root.whole => ChainBeside::Missing,
            _ => ChainBeside::Alone,
        };
        let beside = |place: &EvidenceDir| match &entries {
            Some((entries, doubted)) => {
                ChainBeside::Chain(entries.get(place.id.as_str()).copied(), doubted.contains(&place.id))
            }
            None => without,
        };
        let runs: Vec<Checked> = places.iter().map(|place| check(place, beside(place))).collect();
        let now = read();
        if now == chain || passes == PASSES {
            break runs;
        }
        let ids: BTreeSet<&str> =
            now.iter().flatten().flat_map(|chain| &chain.entries).map(|entry| entry.run.as_str()).collect();
        let dirs = ids.into_iter().map(|id| path.join(id)).filter(|dir| root.whole && dir.is_dir());
        let new: Vec<EvidenceDir> = dirs.filter_map(|dir| place(&dir)).filter(|new| !places.contains(new)).collect();
        places.extend(new);
        chain = now;
    };
    report.runs.extend(runs);
    let chain = chain.unwrap_or_else(|problem| {
        report.problems.push(problem);
        None
    });
    let entries = chain.as_ref().map(Chain::by_run);
    if let (Some(chain), Some(entries)) = (chain.as_ref().filter(|_| root.whole), entries) {
        let there: HashSet<&str> = places.iter().map(|place| place.id.as_str()).collect();
        let gone = entries.values().filter(|entry| !there.contains(entry.run.as_str()));
        report.runs.extend(gone.map(|entry| Checked::gone(&entry.run, path, Some(entry))));
        // A line may be torn on purpose, to hide a run that was deleted.
        let torn: BTreeSet<&str> = chain.torn_runs.iter().map(String::as_str).collect();
        let lost = torn.into_iter().filter(|run| !there.contains(run) && !entries.contains_key(run));
        report.runs.extend(lost.map(|run| Checked::gone(run, path, None)));
    }
    report.chains.extend(chain.map(|chain| (file, chain)));
}

/// The directory of a run or a game day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceDir {
    /// Its id.
    pub id: String,
    /// The directory.
    pub dir: PathBuf,
    /// What it is about.
    pub subject: Subject,
}

/// A directory that holds runs or game days, or a chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EvidenceRoot {
    /// Sorted by id.
    pub places: Vec<EvidenceDir>,
    /// Whether all of it was asked for, and not only single runs in it.
    pub whole: bool,
}

/// Everything below these paths, and which directories could not be looked into. A path that does not exist is an error; links are not
/// followed, except the paths themselves.
pub fn find(paths: &[PathBuf]) -> io::Result<(BTreeMap<PathBuf, EvidenceRoot>, Vec<String>)> {
    if let Some(path) = paths.iter().find(|path| path.exists() && !path.is_dir()) {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{} is no directory", path.display())));
    }
    let mut roots: BTreeMap<PathBuf, EvidenceRoot> = BTreeMap::new();
    let problems = walk(paths, |dir, below, visited| {
        let place = place(dir);
        let is_run = place.as_ref().is_some_and(|place| place.subject == Subject::Run);
        if let (Some(place), Some(root)) = (place, dir.parent()) {
            let root = roots.entry(root.to_path_buf()).or_default();
            root.whole |= below;
            root.places.push(place);
        }
        if !is_run && visited && dir.join(CHAIN).is_file() {
            roots.entry(dir.to_path_buf()).or_default().whole = true;
        }
        !is_run
    })?;
    for root in roots.values_mut() {
        root.places.sort_by(|a, b| (&a.id, &a.dir).cmp(&(&b.id, &b.dir)));
        root.places.dedup();
    }
    Ok((roots, problems))
}

/// Whether this is the directory of a run or a game day: by its name, otherwise by what is in it, because what was a link
/// (`latest`) comes out of an artifact of CI as a second directory. That one is passed over beside the first.
fn place(dir: &Path) -> Option<EvidenceDir> {
    let is_file = |name: &str| dir.join(name).is_file();
    let manifest = || read_file(dir.join(MANIFEST)).ok().and_then(|bytes| Manifest::read(&bytes).ok());
    let sealed_as_day = || manifest().is_some_and(|manifest| manifest.subject == Subject::Gameday);
    let looks_like_day = || dir.join("runs").is_dir() && !is_file("events.jsonl");
    let name = dir.file_name().and_then(|name| name.to_str())?;
    let has_id = is_run_id(name);
    let is_day = is_file("gameday.jsonl") || has_id && (looks_like_day() || sealed_as_day());
    let subject = if is_day { Subject::Gameday } else { Subject::Run };
    if has_id {
        return Some(EvidenceDir { id: name.to_string(), dir: dir.to_path_buf(), subject });
    }
    if !is_day && !is_file("events.jsonl") && !is_file("record.json") {
        return None;
    }
    let told = || if is_day { day_id(dir) } else { run_id(dir) };
    let id = manifest().map(|manifest| manifest.run).or_else(told).filter(|id| is_run_id(id))?;
    let is_copy = dir.parent().is_some_and(|root| root.join(&id).is_dir());
    (!is_copy).then(|| EvidenceDir { id, dir: dir.to_path_buf(), subject })
}

/// What somebody wrote down elsewhere when runs were sealed, heads of chains and SHA-256 of manifests: whether each is found, and the
/// line that says so.
pub fn kept(heads: &[Head], manifests: &[Digest], report: &Verification) -> Vec<(bool, String)> {
    let heads = heads.iter().map(|head| {
        let lost = "is in no chain: entries were removed or replaced since it was written down";
        let replaced = "is still in its chain, but a run that an earlier version had sealed was sealed again since: nobody can say what changed";
        let mut of_head = report.chains.iter().filter(|(_, chain)| chain.has(head)).peekable();
        let lost = if of_head.peek().is_some() { replaced } else { lost };
        let found = of_head.any(|(_, chain)| !chain.is_replaced_since(head));
        (found, head.to_string(), ["head", "is still in its chain"], ["LOST HEAD", lost])
    });
    let is_there = |own: &Digest| report.runs.iter().any(|run| run.manifest.as_ref() == Some(own));
    let manifests = manifests.iter().map(|own| {
        let lost = "is the manifest of no run above: it was replaced since its digest was written down";
        (is_there(own), own.to_string(), ["manifest", "is the manifest of a run above"], ["NO MANIFEST", lost])
    });
    let told = heads.chain(manifests).map(|(found, what, yes, no)| {
        let [word, says] = if found { yes } else { no };
        (found, format!("{word:<12} {what} {says}"))
    });
    told.collect()
}

/// What `firedrill verify` prints. `short` shortens paths for people; `quiet` leaves out what is intact, but not the
/// heads.
pub fn text(report: &Verification, kept: &[(bool, String)], quiet: bool, short: &dyn Fn(&Path) -> PathBuf) -> String {
    let mut lines = Vec::new();
    for run in &report.runs {
        if quiet && run.is_intact() && run.problems.is_empty() {
            continue;
        }
        let what = match run.place.subject {
            Subject::Run => run.verdict.clone(),
            Subject::Gameday => format!("game day, {}", run.verdict),
        };
        lines.push(
            format!("{:<12} {}  {what}", run.state.name(), short(&run.place.dir).display()).trim_end().to_string(),
        );
        let told = |problem: &Problem| format!("{:<12}   {}{}", "", problem.kind.words(), problem.text);
        lines.extend(run.problems.iter().map(told));
    }
    lines.extend(report.problems.iter().map(|problem| format!("{:<12} {problem}", "UNREADABLE")));
    for (path, chain) in &report.chains {
        let word = if chain.is_whole() { "chain" } else { "BROKEN CHAIN" };
        let count = chain.entries.len();
        let entries = if count == 1 { "1 entry".to_string() } else { format!("{count} entries") };
        lines.push(format!("{word:<12} {}  {entries}", short(path).display()));
        let warning = chain.warning().map(|warning| format!("warning: {warning}"));
        let head = chain.head.iter().map(|head| format!("head {head}"));
        let more = chain.problems.iter().cloned().chain(warning).chain(head);
        lines.extend(more.map(|text| format!("{:<12}   {text}", "")));
    }
    lines.extend(kept.iter().map(|(_, line)| line.clone()));
    lines.push(sum(report));
    lines.iter().map(|line| visible(line) + "\n").collect()
}

fn sum(report: &Verification) -> String {
    let count = |state| report.runs.iter().filter(|run| run.state == state).count();
    let parts = SealState::ALL.into_iter().map(|state| (count(state), state.name().to_lowercase()));
    let parts = parts.filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, word)| format!("{count} {word}")).collect();
    let runs = if parts.is_empty() { "no runs".to_string() } else { parts.join(", ") };
    let broken = report.chains.iter().filter(|(_, chain)| !chain.is_whole()).count();
    let broken = if broken > 0 { format!("; broken chains: {broken}") } else { String::new() };
    let reports: usize = report.runs.iter().map(|run| run.reports).sum();
    let again = format!("; reports that differ from what was sealed: {reports}; `firedrill report` makes them again");
    format!("{runs}{broken}{}", if reports > 0 { again.as_str() } else { "" })
}

named_enum! {
/// How a run stands; its name is loud where evidence is not as it was sealed.
pub enum SealState {
    /// Everything is as it was sealed; there may be warnings.
    Intact = "intact",
    /// Something was changed, removed or added.
    Changed = "CHANGED",
    /// Its directory is gone, and only the chain knows of it.
    Gone = "GONE",
    /// Its story has ended, or was cut off, and nobody sealed it.
    NeverSealed = "NEVER SEALED",
    /// It cannot be read, so nobody can say.
    Unreadable = "UNREADABLE",
    /// It has not ended: its lock is held.
    UnderWay = "under way",
    /// It was given a directory, and not a single event was written.
    NeverBegan = "never began",
}
}

named_enum! {
/// How bad a problem is, each with what stands before its text.
pub enum ProblemKind {
    /// Evidence is not as it was sealed.
    Error = "error": "",
    /// Worth knowing; the evidence itself is as it was sealed.
    Warning = "warning": "warning: ",
    /// Something could not be read.
    Unreadable = "unreadable": "unreadable: ",
    /// The chain beside it could not be read: it is about none of its files.
    ChainUnreadable = "chain_unreadable": "unreadable: ",
}
}

/// What is wrong with a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub kind: ProblemKind,
    /// What is wrong, in words, the file included.
    pub text: String,
}

/// A run or a game day that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Its id, its directory, and what that is about.
    pub place: EvidenceDir,
    /// Its verdict, by its manifest, otherwise by its record; `incomplete` for what was cut off.
    pub verdict: String,
    /// How it stands.
    pub state: SealState,
    /// SHA-256 of its manifest as it is now.
    pub manifest: Option<Digest>,
    /// Reports in its directory that differ from what was sealed.
    pub reports: usize,
    /// What is wrong with it, and what is worth knowing.
    pub problems: Vec<Problem>,
}

impl Checked {
    /// Whether nothing speaks against it: it is as it was sealed, or there is nothing to seal yet.
    pub fn is_intact(&self) -> bool {
        matches!(self.state, SealState::Intact | SealState::UnderWay | SealState::NeverBegan)
    }

    /// A run that only the chain knows: an entry of it, or a torn line.
    fn gone(run: &str, root: &Path, entry: Option<&ChainEntry>) -> Checked {
        let (verdict, text) = match entry {
            None => (String::new(), "a torn line of the chain is about it, so it was sealed".to_string()),
            Some(ChainEntry { number, scenario, verdict, .. }) => {
                let was = format!("; it was a run of {scenario} and came to {verdict}");
                let was = if scenario.is_empty() { "" } else { &was };
                (verdict.clone(), format!("entry {number} sealed it{was}"))
            }
        };
        let place = EvidenceDir { id: run.to_string(), dir: root.join(run), subject: Subject::Run };
        let mut gone = Checked { state: SealState::Gone, ..Checked::new(place, verdict) };
        gone.error(format!("its directory is gone: {text}"));
        gone
    }

    /// A run of which nothing is known to be wrong yet.
    fn new(place: EvidenceDir, verdict: String) -> Checked {
        Checked { place, verdict, state: SealState::Intact, manifest: None, reports: 0, problems: Vec::new() }
    }

    fn error(&mut self, text: impl Into<String>) {
        self.problems.push(Problem { kind: ProblemKind::Error, text: text.into() });
    }

    fn warn(&mut self, text: impl Into<String>) {
        self.problems.push(Problem { kind: ProblemKind::Warning, text: text.into() });
    }

    fn unreadable(&mut self, text: impl Into<String>) {
        self.problems.push(Problem { kind: ProblemKind::Unreadable, text: text.into() });
    }
}

/// What is known of the chain beside a run.
#[derive(Debug, Clone, Copy)]
enum ChainBeside<'a> {
    /// Its entry, or none; and whether the chain does not speak for it.
    Chain(Option<&'a ChainEntry>, bool),
    /// There is no chain, and there must have been one.
    Missing,
    /// There is no chain, because the run was copied alone.
    Alone,
    /// There is something, and it cannot be read.
    Unreadable,
}

/// Verifies a directory.
fn check(place: &EvidenceDir, beside: ChainBeside<'_>) -> Checked {
    let story = story(&place.dir, place.subject);
    let mut checked = Checked::new(place.clone(), story.1.clone());
    if let ChainBeside::Unreadable = beside {
        let text = format!("{CHAIN} beside it cannot be read");
        checked.problems.push(Problem { kind: ProblemKind::ChainUnreadable, text });
    }
    let state = match read_file(place.dir.join(MANIFEST)) {
        Ok(bytes) => {
            checked.manifest = Some(Digest::of(&bytes));
            sealed(place, &bytes, beside, story, &mut checked);
            None
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => without_manifest(place, beside, &mut checked),
        Err(error) => {
            checked.unreadable(format!("{MANIFEST} cannot be read: {error}"));
            None
        }
    };
    let has = |kind| checked.problems.iter().any(|problem| problem.kind == kind);
    checked.state = match state {
        Some(state) => state,
        None if has(ProblemKind::Error) => SealState::Changed,
        None if has(ProblemKind::Unreadable) || has(ProblemKind::ChainUnreadable) => SealState::Unreadable,
        None => SealState::Intact,
    };
    checked
}

/// A run without a manifest is under way, or was never sealed, or somebody took it away.
fn without_manifest(place: &EvidenceDir, beside: ChainBeside<'_>, checked: &mut Checked) -> Option<SealState> {
    if let ChainBeside::Chain(Some(entry), _) = beside {
        checked.error(format!("{MANIFEST} was removed: entry {} sealed it", entry.number));
        return None;
    }
    let story = match place.subject {
        Subject::Run => ["events.jsonl", "record.json"].as_slice(),
        Subject::Gameday => ["gameday.jsonl", "gameday.json"].as_slice(),
    };
    let begun = story.iter().any(|name| fs::metadata(place.dir.join(name)).is_ok_and(|file| file.len() > 0));
    // A runner has its lock before its first event, so a story without a lock file came out of an archive, however young it is.
    let alive = RunDir::open(&place.dir).and_then(|run| Ok((run.has_lock_file() || !begun) && run.is_alive()?));
    match alive {
        Ok(true) => return Some(SealState::UnderWay),
        Ok(false) => {}
        Err(error) => {
            checked.unreadable(format!("lock cannot be read: {error}"));
            return None;
        }
    }
    if !begun {
        match left_of_story(place) {
            Ok(left) if left.is_empty() => {
                checked.warn("it was given a directory and nothing began");
                return Some(SealState::NeverBegan);
            }
            Ok(left) => checked.error(format!("its story was removed: {} is there, and no event", left.join(", "))),
            Err(error) => checked.unreadable(error.to_string()),
        }
        return None;
    }
    if let ChainBeside::Unreadable = beside {
        return None;
    }
    checked.error("never sealed: it has no manifest, and nobody is at it; nothing says that it is as it was");
    Some(SealState::NeverSealed)
}

/// What is in the directory of a run without a single event and was not made before the first one could be written: an empty file of
/// events, copies of the files, the first line of a ledger, logs of who watches and of who runs it elsewhere.
fn left_of_story(place: &EvidenceDir) -> io::Result<Vec<String>> {
    let files = list(&place.dir, place.subject)?;
    let is_day = place.subject == Subject::Gameday;
    let story = if is_day { "gameday.jsonl" } else { "events.jsonl" };
    // The file of events comes first, but for the copy of a game day's file.
    let made = is_day || files.iter().any(|file| file.path == story);
    let lines = |name: &str| {
        read_file(place.dir.join(name)).map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'\n').count())
    };
    let is_before = |path: &str| match path {
        "ledger.jsonl" => made && lines(path) <= 1,
        "reaper.log" | "logs/runner.log" => made,
        path => path == story || made && path.starts_with("files/"),
    };
    let mut left: Vec<String> = files.into_iter().map(|file| file.path).filter(|path| !is_before(path)).collect();
    if is_day {
        left.extend(RunDir::list(&place.dir.join("runs"))?.iter().map(|run| format!("runs/{}", run.id())));
    }
    Ok(left)
}

fn sealed(
    place: &EvidenceDir,
    bytes: &[u8],
    beside: ChainBeside<'_>,
    (is, came): (String, String),
    checked: &mut Checked,
) {
    in_chain(&Digest::of(bytes), beside, checked);
    let manifest = match Manifest::read(bytes) {
        Ok(manifest) => manifest,
        Err(why) => return checked.error(format!("{MANIFEST}: {why}")),
    };
    if let ChainBeside::Chain(Some(entry), _) = beside
        && entry.content.as_ref().is_some_and(|content| *content != manifest.content())
    {
        checked.error(format!("{MANIFEST} has other events, record or files than entry {} sealed", entry.number));
    }
    if manifest.run != place.id {
        checked.error(format!("{MANIFEST} is that of {}", manifest.run));
    }
    let Manifest { scenario, verdict, .. } = &manifest;
    checked.verdict.clone_from(verdict);
    match list(&place.dir, manifest.subject) {
        Ok(now) => {
            for difference in compare(&manifest.files, &now) {
                checked.reports += usize::from(difference.weight == FileWeight::Report);
                let text = format!("{} {}", difference.path, difference.how);
                match (difference.weight, difference.how) {
                    (FileWeight::Evidence, _) => checked.error(text),
                    (FileWeight::Report, How::Added) => checked.warn(text + "; it is no evidence"),
                    (FileWeight::Report, _) => checked.warn(text + "; it is a report and can be made again"),
                }
            }
        }
        Err(error) => checked.unreadable(error.to_string()),
    }
    // What is wrong with the chain says nothing of the files.
    let is_beside = |problem: &Problem| matches!(problem.kind, ProblemKind::Warning | ProblemKind::ChainUnreadable);
    if (&is, &came) != (scenario, verdict) && checked.problems.iter().all(is_beside) {
        // Its files are as they were, so the manifest was written by hand.
        checked.error(format!("{MANIFEST} says {scenario} to {verdict}, but {is} came to {came}"));
    }
    match place.subject {
        Subject::Run => {
            record(&place.dir, checked);
            differing_copies(&place.dir, checked);
        }
        Subject::Gameday => runs_of_day(&place.dir, &manifest, checked),
    }
}

/// Whether the chain knows this manifest.
fn in_chain(digest: &Digest, beside: ChainBeside<'_>, checked: &mut Checked) {
    match beside {
        ChainBeside::Chain(Some(entry), doubted) if entry.manifest == *digest => {
            let number = entry.number;
            if doubted {
                checked.error(format!(
                    "{CHAIN} does not speak for it: what is wrong there is about entry {number} or the one next to it"
                ));
            }
            if let Some(before) = entry.replaces {
                let changed = match entry.changed.as_slice() {
                    [] => "nobody can say what had changed".to_string(),
                    files => format!("these had changed: {}", files.join(", ")),
                };
                checked.warn(format!("sealed again: entry {number} takes the place of entry {before}; {changed}"));
            }
            if entry.late {
                let text = "sealed late, on somebody's wish; nothing says what happened between its end and";
                checked.warn(format!("{text} {}", entry.sealed_utc));
            }
        }
        ChainBeside::Chain(Some(entry), _) => {
            checked.error(format!("{MANIFEST} is not the one that entry {} sealed", entry.number));
        }
        ChainBeside::Chain(None, _) => {
            checked.error(format!("it has no entry in {CHAIN}: its entry was removed, or it was added"))
        }
        ChainBeside::Missing => checked.error(format!("it was sealed, and there is no {CHAIN} beside it")),
        ChainBeside::Alone => {
            checked.warn(format!("without a {CHAIN} beside it nothing says that this is the manifest that was sealed"))
        }
        // Told of every run before it is looked at.
        ChainBeside::Unreadable => {}
    }
}

/// Fields of a record that follow from its events by rules; the others are what the events say.
const COMPUTED: [&str; 2] = ["`figures`", "`outcome`"];

/// The record must be what the events add up to.
fn record(dir: &Path, checked: &mut Checked) {
    let path = "record.json";
    let saved = match read_file(dir.join(path)) {
        Ok(bytes) => bytes,
        // A runbook that was followed alone has none; one that was removed is told by the manifest.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => return checked.unreadable(format!("{path}: {error}")),
    };
    let rebuilt = match archive::read_story(dir) {
        Ok(rebuilt) => rebuilt,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return checked.error(format!("{path} has no events to stand on"));
        }
        Err(error) => return checked.unreadable(error.to_string()),
    };
    let differs = differences(&saved, &report::json(&rebuilt));
    if differs.is_empty() {
        return;
    }
    let text = format!("{path} is not what events.jsonl adds up to: {}", differs.join(", "));
    let plan = rebuilt.plan.as_deref();
    let by_rules = differs.iter().all(|name| COMPUTED.contains(&name.as_str()));
    // What another version or other rules make of the same events may differ; the files themselves are held to the manifest.
    let other = match plan.map_or("", |plan| plan.tool_version.as_str()) {
        "" | env!("CARGO_PKG_VERSION") => plan.filter(|_| by_rules).and_then(|plan| plan.other_rules()),
        version => Some(format!("it was made by version {version}")),
    };
    match other {
        Some(other) => checked.warn(format!("{text}; {other}")),
        None => checked.error(text),
    }
}

/// Fields in which two records differ, as JSON. What was wrong with the events is told in words that depend on when they were
/// read (a torn line has a line break once somebody has written behind it), so only how much it was is compared.
fn differences(saved: &[u8], rebuilt: &[u8]) -> Vec<String> {
    if saved == rebuilt {
        return Vec::new();
    }
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes);
    let (Ok(Value::Object(saved)), Ok(Value::Object(rebuilt))) = (read(saved), read(rebuilt)) else {
        return vec!["it cannot be read".into()];
    };
    let names = saved.keys().chain(rebuilt.keys().filter(|key| !saved.contains_key(*key)));
    let differs = |name: &&String| {
        let (one, other) = (saved.get(*name), rebuilt.get(*name));
        match (one.and_then(Value::as_array), other.and_then(Value::as_array)) {
            (Some(one), Some(other)) if *name == "damage" => one.len() != other.len(),
            _ => one != other,
        }
    };
    names.filter(differs).map(|name| format!("`{name}`")).collect()
}

/// The runs of a game day must still have what was their head when the day was sealed, and be no others: each was in their chain by
/// then, or is an attempt of the day's story.
fn runs_of_day(dir: &Path, manifest: &Manifest, checked: &mut Checked) {
    let chain = read_file(dir.join("runs").join(CHAIN)).map(|bytes| check_chain(&bytes));
    let sealed = chain.iter().flat_map(|chain| &chain.entries);
    let sealed = sealed.filter(|entry| manifest.runs_head.as_ref().is_some_and(|head| entry.number <= head.number));
    let mut known: BTreeSet<String> = sealed.map(|entry| entry.run.clone()).collect();
    if let Ok(day) = archive::read_day(dir) {
        known.extend(day.drills.into_iter().flat_map(|drill| drill.attempts).map(|attempt| attempt.run));
    }
    let runs = RunDir::list(&dir.join("runs")).unwrap_or_else(|error| {
        checked.unreadable(format!("runs: {error}"));
        Vec::new()
    });
    for run in runs.iter().filter(|run| !known.contains(run.id())) {
        // One that was made just before the game day was killed is empty.
        if !list(run.path(), Subject::Run).is_ok_and(|files| files.is_empty()) {
            checked.error(format!("runs/{} was added: it is no run of this game day", run.id()));
        }
    }
    let Some(head) = &manifest.runs_head else { return };
    let file = format!("runs/{CHAIN}");
    match chain {
        Ok(chain) if chain.has(head) => {}
        Ok(_) => {
            checked.error(format!("{file} does not hold {head}, its head when the game day was sealed"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            checked.error(format!("{file} was removed: its head was {head}"));
        }
        Err(error) => checked.unreadable(format!("{file}: {error}")),
    }
}

/// Holds the copies of scenario and runbook in `files/` to the SHA-256 that the events have of them. What secrets were taken out of
/// (`***`) is another text than the original, so it cannot be held to it; that is common in a stack's copy, which is not looked at.
///
/// A copy that is not there is for the manifest to tell.
fn differing_copies(dir: &Path, checked: &mut Checked) {
    let first = first_line::<Stamped>(&dir.join("events.jsonl"));
    let Some(Event::Announced(plan)) = first.map(|stamped| stamped.event) else { return };
    let mut found = BTreeSet::new();
    for (what, file) in plan.files().into_iter().filter(|(what, _)| what != "stack") {
        let base = Path::new(&file.path).file_name().and_then(|name| name.to_str()).unwrap_or("file");
        let copies = copies_of(dir, base);
        // Of files with one name any copy may be meant.
        let is_redacted = |content: &[u8]| content.windows(HIDDEN.len()).any(|part| part == HIDDEN.as_bytes());
        let fits = |content: &Vec<u8>| Digest::of(content).to_string() == file.sha256 || is_redacted(content);
        if copies.is_empty() || copies.iter().any(|(_, content)| fits(content)) {
            continue;
        }
        for (name, _) in copies {
            let path = format!("files/{name}");
            if found.insert(path.clone()) {
                checked.error(format!("{path} is not the {what} whose SHA-256 events.jsonl has"));
            }
        }
    }
}

/// As `RunDir::keep_file` names them: `a.md`, `2-a.md`. Links are not followed.
fn copies_of(dir: &Path, base: &str) -> Vec<(String, Vec<u8>)> {
    let is_copy = |name: &str| {
        let ordinal = name.strip_suffix(base).and_then(|front| front.strip_suffix('-'));
        name == base || ordinal.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let entries = fs::read_dir(dir.join("files")).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let named = files.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())));
    let copies = named.filter(|(name, _)| is_copy(name)).filter_map(|(name, path)| Some((name, read_file(path).ok()?)));
    let mut copies: Vec<(String, Vec<u8>)> = copies.collect();
    copies.sort();
    copies
}

#[cfg(test)]
mod tests;
