//! Verifies everything below some paths: each run, each chain, and each run against its chain. Runs and game days are found by the
//! directory that they lie in, which is where their chain is, at any depth; other than by `archive`, also what was emptied, and every
//! copy.
//!
//! What `firedrill verify` prints: a line for each run and what is wrong with it, and the heads of the chains.

use super::manifest::{MANIFEST, Manifest, Subject};
use super::run::{ChainBeside, check};
use super::{CHAIN, Chain, Checked, Digest, Head, Problem, SealState, check_chain};
use crate::archive::find::{day_id, run_id, walk};
use crate::output::visible;
use crate::record::{is_run_id, read_file};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};

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

    /// Whether a head that was written down earlier is an entry of one of the chains.
    pub fn has(&self, head: &Head) -> bool {
        self.chains.iter().any(|(_, chain)| chain.has(head))
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
            copies.iter_mut().for_each(|copy| copy.differs(&text));
        }
    }
}

fn verify_root(path: &Path, root: &EvidenceRoot, report: &mut Verification) {
    let file = path.join(CHAIN);
    let mut without = if root.whole { ChainBeside::Missing } else { ChainBeside::Alone };
    let chain = match read_file(&file) {
        Ok(bytes) => Some(check_chain(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            report.problems.push(format!("{}: {error}", file.display()));
            without = ChainBeside::Unreadable;
            None
        }
    };
    let entries = chain.as_ref().map(Chain::by_run);
    for place in &root.places {
        let beside = match &entries {
            Some(entries) => ChainBeside::Chain(entries.get(place.id.as_str()).copied()),
            None => without,
        };
        report.runs.push(check(place, beside));
    }
    if let (Some(chain), Some(entries)) = (chain.as_ref().filter(|_| root.whole), entries) {
        let there: HashSet<&str> = root.places.iter().map(|place| place.id.as_str()).collect();
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
        (report.has(head), head.to_string(), ["head", "is still in its chain"], ["LOST HEAD", lost])
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
    let mut sum = if parts.is_empty() { "no runs".to_string() } else { parts.join(", ") };
    let broken = report.chains.iter().filter(|(_, chain)| !chain.is_whole()).count();
    if broken > 0 {
        sum += &format!("; broken chains: {broken}");
    }
    let reports: usize = report.runs.iter().map(|run| run.reports).sum();
    if reports > 0 {
        sum += &format!("; reports that differ from what was sealed: {reports}; `firedrill report` makes them again");
    }
    sum
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod find_tests {
    use super::*;
    use crate::archive::evidence::testing;
    use crate::record::testing::Story;
    use std::fs;

    const RUN: &str = "20261120T064112Z-db-pool-3f9a";

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
        let names = |root: &str| -> Vec<String> {
            found[&home.join(root)].places.iter().map(|place| place.id.clone()).collect()
        };
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
}
