//! A game day whose drills are carried out elsewhere: the schedule, the reports and the directories of the runs stay here. What a
//! drill prints is written down as it comes, so that of one that is lost everything is there that was heard of it.

use super::super::drill::{Carried, with_earlier};
use super::super::on_disk;
use super::super::reaper_child::Reaper;
use super::DayOptions;
use super::plan::Ready;
use super::run::{AttemptEnded, AttemptRun};
use crate::agent::protocol::BUILD;
use crate::assurance::services;
use crate::cli::sealing::{save, seal};
use crate::engine::{DrillOptions, ledger, reaper};
use crate::error::Error;
use crate::gameday::{self, PreparedDrill};
use crate::output::log_line;
use crate::record::{Announcement, Executed, Observer, Record, RunDir, RunOutcome, Stamped};
use crate::source::{Diagnostics, Node, Source, Value, outside, parse};
use crate::spec::{self, GameDay, Overrides, Plan};
use crate::stack::{Platform, RemoteDrill, RemoteEnd, RemoteSite, RemoteStop, RunIdentity, SourceFiles, StackError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::unbounded_channel;

/// A drill elsewhere may take so much longer than four times what it should: nobody may watch it any more.
const LEEWAY: Duration = Duration::from_secs(1800);
/// Files and folders that a drill is made from at most, and bytes of them together; a place may take less.
const MOST_FILES: usize = 10_000;
const MOST_BYTES: u64 = 64 << 20;
/// The order in the archive that a runner is given: its first file.
const ORDER: &str = "firedrill-order.json";
/// What is never taken from elsewhere: it belongs to the directory here.
const OWN: [&str; 5] = ["lock", "manifest.json", "ledger.jsonl", "reaper.log", "events.jsonl"];

/// What a runner elsewhere is told: one drill, as the game day has planned it.
#[derive(Debug, Serialize, Deserialize)]
pub struct JobOrder {
    /// What of its first event is known here: the run, the commit, where it stands in the game day, and who carries it out.
    pub who: Announcement,
    /// The scenario's file.
    pub scenario: PathBuf,
    /// What the command line adds to it; the root is known.
    pub overrides: Overrides,
    /// Most requests a second of a load, where the game day says so.
    pub rate: Option<f64>,
    /// What is decided about it, with what earlier drills tell.
    pub options: DrillOptions,
}

/// A place where drills can be carried out, and the scenarios that cannot be drilled there, with the reason.
pub type ReachedSite = (Arc<dyn RemoteSite>, BTreeMap<String, String>);

/// Reaches the place of that name.
///
/// # Errors
/// Usage when no scenario can be drilled there, harness when it does not answer.
pub async fn reach(platform: &dyn Platform, name: &str, file: &GameDay) -> Result<ReachedSite, Error> {
    let unknown = || Error::usage(format!("no drills can be carried out on `{name}`"));
    let site = platform.remote(name).ok_or_else(unknown)?;
    let (mut refused, mut fit) = (BTreeMap::new(), Vec::new());
    for plan in file.scenarios.iter().map(|scenario| &scenario.plan) {
        match site.refusal(&plan.stack) {
            Some(why) => drop(refused.insert(plan.name.clone(), why)),
            None => fit.push(plan),
        }
    }
    let requests: Vec<_> = fit.iter().map(|plan| &plan.stack).collect();
    for (at, why) in site.reach(&requests).await? {
        refused.extend(fit.get(at).map(|plan| (plan.name.clone(), why)));
    }
    if refused.len() == file.scenarios.len() {
        let told: Vec<String> = refused.iter().map(|(name, why)| format!("{name}: {why}")).collect();
        let error = Error::usage(format!("none of its scenarios can be drilled on `{name}`"));
        return Err(error.hint(told.join("\n")));
    }
    Ok((site, refused))
}

/// A game day that takes place elsewhere.
pub struct RemoteDay {
    site: Arc<dyn RemoteSite>,
    /// What the command line adds to the scenarios.
    overrides: Overrides,
    rate: Option<f64>,
    day: RunIdentity,
    executed: Executed,
}

impl RemoteDay {
    /// Makes what the drills share.
    pub async fn open(
        site: Arc<dyn RemoteSite>,
        dir: &RunDir,
        platform: &dyn Platform,
        wanted: &DayOptions,
        rate: Option<f64>,
    ) -> Result<RemoteDay, Error> {
        let day = RunIdentity::of(dir, false);
        site.open(&day).await?;
        let executed = Executed { engine: site.version().await, ..super::super::executed(platform).await };
        Ok(RemoteDay { site, overrides: wanted.overrides.clone(), rate, day, executed })
    }

    /// Removes what the drills shared.
    ///
    /// # Errors
    /// Harness when something of it is left.
    pub async fn close(&self) -> Result<(), Error> {
        let left = self.site.close(&self.day).await?.left;
        match left.is_empty() {
            true => Ok(()),
            false => Err(Error::harness(format!("left behind: {}", left.join(", ")))
                .hint("`firedrill sweep` removes it once nothing holds it up")),
        }
    }

    /// Carries an attempt out.
    pub async fn carry_out(&self, attempt: AttemptRun) -> AttemptEnded {
        let (mut lost, mut notes) = (false, Vec::new());
        let carried = self.attempt(attempt, &mut lost, &mut notes).await;
        AttemptEnded { carried, lost, notes }
    }

    async fn attempt(&self, attempt: AttemptRun, lost: &mut bool, notes: &mut Vec<String>) -> Result<Carried, Error> {
        let AttemptRun { runner, ready, run_dir, occasion, observers } = attempt;
        let (stop, Ready { drill: PreparedDrill { planned, plan, seed }, no_images, .. }) = (&runner.stop, ready);
        let failed = |error: io::Error| on_disk(run_dir.path(), &error);
        let root = spec::root_of(&plan.source.path, &self.overrides);
        let options = DrillOptions { control: planned.control, seed, ..DrillOptions::default() };
        let (run, revision) = (run_dir.id().to_string(), runner.revision.clone());
        let (occasion, executed) = (Some(occasion), Some(self.executed.clone()));
        let who = Announcement { run, revision, occasion, executed, ..Announcement::default() };
        let overrides = Overrides { root: Some(root.clone()), ..self.overrides.clone() };
        let (scenario, options) = (plan.source.path.clone(), with_earlier(options, run_dir.path(), &plan));
        let order = JobOrder { who, scenario, overrides, rate: self.rate, options };
        let not_handed = |error| Error::harness(format!("the files of the scenario cannot be handed over: {error}"));
        let files = self.archive(&plan, &order, &root).map_err(not_handed)?;
        let (run, environment) = (RunIdentity::of(&run_dir, false), environment_of(&plan));
        let directory = std::env::current_dir().map_err(failed)?;
        let within = plan.stack.up_within + gameday::expected(&plan) * 4 + LEEWAY;
        let request = plan.stack.clone();
        let drill = RemoteDrill { run, request, files, environment, directory, within, build: BUILD };
        if let Some(why) = no_images {
            return Err(why.into());
        }
        // The file of events comes first: a directory without one has lost its story.
        let file = run_dir.create_events().map_err(failed)?;
        let log = File::options().append(true).create(true).open(run_dir.logs().join("runner.log")).map_err(failed)?;
        let mut heard = HeardEvents { file, log, observers, count: 0, said: String::new() };
        let ledger = ledger::Ledger::create(&run_dir.ledger_path(), run_dir.id(), false).map_err(failed)?;
        let watching = Reaper::start(run_dir.path())?;
        let (to, mut from) = unbounded_channel();
        let told = RemoteStop { cancel: stop.cancel.clone(), hurry: stop.hurry.clone() };
        let came = {
            let running = self.site.run(&drill, &self.day.id, to, &told);
            tokio::pin!(running);
            loop {
                tokio::select! {
                    came = &mut running => break came,
                    Some(line) = from.recv() => heard.line(&line).map_err(failed)?,
                }
            }
        };
        while let Ok(line) = from.try_recv() {
            heard.line(&line).map_err(failed)?;
        }
        let HeardEvents { count, said, .. } = heard;
        let why = match came {
            Ok(end) => keep(end, &run_dir, count, lost, notes),
            Err(StackError::Cancelled) => Some(stop.reason()),
            Err(error) => Some(error.to_string()),
        };
        // From here on there is nothing left that a reaper would have to remove; what could not be is noted for `sweep`.
        ledger.close().map_err(failed)?;
        let carried = match story_of(&run_dir, why, &said, notes) {
            Ok(record) => Ok(Carried { saved: save(&record, &run_dir), sealed: seal(run_dir.path()).await, record }),
            Err(error) => Err(error),
        };
        watching.dismiss().await;
        carried
    }

    /// Everything that the runner reads, at the places where it is here.
    fn archive(&self, plan: &Plan, order: &JobOrder, root: &Path) -> io::Result<Vec<u8>> {
        let mut files = self.site.files(&plan.stack);
        gameday::own_files(plan, &self.overrides.project, &mut files);
        // Of what the list of services names it only has to be there, but for the journeys.
        let services = self.overrides.project.join(services::FILE);
        let named = Source::read(&services).map(|source| texts_of(&source)).unwrap_or_default();
        let (mut all, mut named_only, mut left, mut room) = (BTreeSet::new(), BTreeSet::new(), MOST_FILES, MOST_BYTES);
        for (key, text) in named {
            let path = SourceFiles::real(&self.overrides.project.join(text));
            match key.as_str() {
                "journeys" => below(&path, root, &mut left, &mut all)?,
                _ if path.exists() && outside(root, &path).is_none() => drop(named_only.insert(path)),
                _ => {}
            }
        }
        files.files.iter().chain(&files.folders).try_for_each(|path| below(path, root, &mut left, &mut all))?;
        let mut archive = tar::Builder::new(Vec::new());
        let mut append = |path: &Path, content: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o600);
            archive.append_data(&mut header, path, content)
        };
        append(Path::new(ORDER), &serde_json::to_vec(order)?)?;
        let real = SourceFiles::real(root);
        for path in all.union(&named_only) {
            let shown = path.strip_prefix(&real).map_or_else(|_| path.clone(), |rest| root.join(rest));
            let shown = shown.strip_prefix("/").unwrap_or(&shown);
            match (all.contains(path), path.is_dir()) {
                (true, _) => {
                    let mut content = Vec::new();
                    File::open(path)?.take(room + 1).read_to_end(&mut content)?;
                    let rest = room.checked_sub(content.len() as u64);
                    room = rest.ok_or_else(|| io::Error::other(format!("they have more than {MOST_BYTES} bytes")))?;
                    append(shown, &content)?
                }
                (false, true) => append(&shown.join(".keep"), &[])?,
                (false, false) => append(shown, &[])?,
            }
        }
        archive.into_inner()
    }
}

/// Keeps what has come back; why the drill has no end, where that is known.
fn keep(end: RemoteEnd, run_dir: &RunDir, heard: usize, lost: &mut bool, notes: &mut Vec<String>) -> Option<String> {
    let run = run_dir.id();
    let unpacked = |files: Vec<u8>| unpack(&files, run_dir, heard).map_err(|error| error.to_string());
    match end.results.map(|results| results.and_then(unpacked)) {
        Some(Ok(())) => {}
        Some(Err(why)) => notes.push(format!("{run}: only what it printed is there, and not its files: {why}")),
        None => notes.push(format!("{run}: the files of the run are lost, only what it printed until then is there")),
    }
    if let Some(why) = &end.lost {
        *lost = true;
        notes.push(format!("{run} was lost: {why}"));
    }
    end.lost.or(end.broken)
}

/// The record of what was heard. A story without an end gets one here; the error is why there is no story at all.
fn story_of(run_dir: &RunDir, why: Option<String>, said: &str, notes: &mut Vec<String>) -> Result<Record, Error> {
    let failed = |error: io::Error| on_disk(run_dir.path(), &error);
    let read = File::open(run_dir.events_path()).map_err(failed)?;
    let record = Record::from_events(BufReader::new(read));
    let Some(_) = &record.plan else {
        let why = why.unwrap_or_else(|| "the drill did not begin".to_string());
        return Err(Error::harness(format!("{why}: {said}").trim_end_matches(": ")));
    };
    if record.ended {
        return whole(record, run_dir.id(), why, notes);
    }
    let why = why.unwrap_or_else(|| "what was heard of it has no end".to_string());
    reaper::complete(run_dir, vec![why], false).map_err(failed)
}

/// A record with an end, and what happened after it: that takes a pass back, and no failure.
fn whole(record: Record, run: &str, why: Option<String>, notes: &mut Vec<String>) -> Result<Record, Error> {
    let Some(why) = why else { return Ok(record) };
    let text = format!("the drill has ended ({}), and then: {why}", record.verdict);
    if record.outcome() != RunOutcome::Failed {
        return Err(Error::harness(text));
    }
    notes.push(format!("{run}: {text}"));
    Ok(record)
}

/// The files at a path and below it; none where nothing is. Links can be committed: none may lead out of the project, and of those that lead
/// in circles no more than `left` is looked at.
fn below(path: &Path, root: &Path, left: &mut usize, all: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    if let Some(why) = outside(root, path).filter(|_| path.exists()) {
        return Err(io::Error::other(format!("{why}; `--root` says what the project is")));
    }
    *left = left.checked_sub(1).ok_or_else(|| io::Error::other(format!("there are more than {MOST_FILES}")))?;
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            below(&entry?.path(), root, left, all)?;
        }
    } else if path.is_file() {
        all.insert(path.to_path_buf());
    }
    Ok(())
}

/// The variables of this process that a scenario takes values from (`env: NAME`), as far as they are set.
fn environment_of(plan: &Plan) -> BTreeMap<String, String> {
    let names = texts_of(&plan.source).into_iter().filter(|(key, _)| key == "env");
    names.filter_map(|(_, name)| Some((name.clone(), std::env::var(name).ok()?))).collect()
}

/// Every text of a YAML file, with the key that it stands at.
fn texts_of(source: &Arc<Source>) -> BTreeSet<(String, String)> {
    fn collect(key: &str, node: &Node, found: &mut BTreeSet<(String, String)>) {
        match &node.value {
            Value::Null => {}
            Value::Scalar { text, .. } => drop(found.insert((key.to_string(), text.clone()))),
            Value::List(list) => list.iter().for_each(|node| collect(key, node, found)),
            Value::Map(entries) => entries.iter().for_each(|entry| collect(&entry.key, &entry.value, found)),
        }
    }
    let mut found = BTreeSet::new();
    if let Some(tree) = parse(source, &mut Diagnostics::default()) {
        collect("", &tree, &mut found);
    }
    found
}

/// Unpacks the files of a run; its events only where there are more of them than were heard.
fn unpack(files: &[u8], run_dir: &RunDir, heard: usize) -> io::Result<()> {
    for entry in tar::Archive::new(files).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let path: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        if !plain || !entry.header().entry_type().is_file() {
            continue;
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        let name = path.to_string_lossy();
        let more = name == "events.jsonl" && content.iter().filter(|byte| **byte == b'\n').count() > heard;
        if more || !OWN.contains(&&*name) {
            let to = run_dir.path().join(&path);
            let made = to.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&to, content));
            made.map_err(|error| io::Error::other(format!("{}: {error}", to.display())))?;
        }
    }
    Ok(())
}

/// The events of a drill elsewhere, as they are heard.
struct HeardEvents {
    file: File,
    log: File,
    observers: Vec<Box<dyn Observer>>,
    /// How many there were.
    count: usize,
    /// What was printed and is no event, a message of the runner: the first error, else the last one.
    said: String,
}

impl HeardEvents {
    fn line(&mut self, line: &str) -> io::Result<()> {
        let Ok(event) = serde_json::from_str::<Stamped>(line) else {
            if !self.said.starts_with("error") {
                self.said = line.to_string();
            }
            return writeln!(self.log, "{}", log_line(line));
        };
        writeln!(self.file, "{line}")?;
        self.count += 1;
        self.observers.iter_mut().for_each(|observer| observer.on_event(&event));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Verdict;

    #[test]
    fn what_comes_after_the_end_takes_no_failure_back() {
        let ended = |verdict| Record { ended: true, verdict, ..Record::default() };
        let mut notes = Vec::new();
        let gone = || Some("its Pod was removed".to_string());
        let kept = whole(ended(Verdict::NotRecovered), "run", gone(), &mut notes);
        assert_eq!(kept.map(|record| record.outcome()).ok(), Some(RunOutcome::Failed));
        assert!(notes.iter().any(|note| note.ends_with("and then: its Pod was removed")), "{notes:?}");
        assert!(whole(ended(Verdict::HarnessError), "run", gone(), &mut notes).is_err());
        assert!(whole(ended(Verdict::HarnessError), "run", None, &mut notes).is_ok());
        assert_eq!(notes.len(), 1);
    }

    #[test]
    fn nothing_is_handed_over_from_outside_of_the_project() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let (root, keys) = (dir.path().join("project"), dir.path().join("keys"));
        for folder in [&root.join("presets"), &keys] {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(folder.join("one"), "").unwrap();
        }
        let found = |path: &str| {
            let (mut left, mut all) = (MOST_FILES, BTreeSet::new());
            below(&root.join(path), &root, &mut left, &mut all).map(|()| all).map_err(|error| error.to_string())
        };
        symlink(root.join("presets"), root.join("faults")).unwrap();
        assert_eq!(found("faults"), Ok(BTreeSet::from([root.join("faults/one")])));
        assert_eq!(found("gone"), Ok(BTreeSet::new()));
        // A file, a folder, and a link to a folder somewhere in it.
        for (link, to) in [("a.yaml", keys.join("one")), ("b", keys.clone()), ("presets/c", keys)] {
            symlink(to, root.join(link)).unwrap();
        }
        for path in ["a.yaml", "b", "faults"] {
            assert!(found(path).is_err_and(|why| why.contains("is outside of the project")), "{path}");
        }
        let circles = root.join("circles");
        std::fs::create_dir(&circles).unwrap();
        for name in ["x", "y"] {
            symlink(&circles, circles.join(name)).unwrap();
        }
        // Whether the kernel's limit for links or ours for files is met first is the kernel's affair.
        assert!(found("circles").is_err());
        let mut left = 1;
        assert!(below(&root.join("presets"), &root, &mut left, &mut BTreeSet::new()).is_err());
    }
}
