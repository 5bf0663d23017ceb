//! Verifies everything below some paths: each run, each chain, and each run against its chain.

use super::find::{EvidenceRoot, find};
use super::run::{ChainBeside, check};
use super::{CHAIN, Chain, Checked, Head, SealState, check_chain};
use crate::record::read_file;
use serde::Serialize;
use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};

/// A chain that was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckedChain {
    /// The file.
    pub path: PathBuf,
    /// How many entries it has.
    pub entries: usize,
    /// Its last entry: what is worth writing down elsewhere.
    pub head: Option<Head>,
    /// What was changed, removed, inserted or reordered.
    pub problems: Vec<String>,
    /// What is worth knowing and is nobody's doing, such as a torn last line.
    pub warnings: Vec<String>,
    #[serde(skip)]
    heads: HashSet<Head>,
}

impl CheckedChain {
    /// Whether nothing is wrong with it.
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty()
    }

    fn of(path: PathBuf, chain: &Chain) -> CheckedChain {
        let torn =
            |bytes| format!("its last line is torn after {bytes} bytes: a writer was killed; the next one repairs it");
        CheckedChain {
            path,
            entries: chain.entries.len(),
            head: chain.head.clone(),
            problems: chain.problems.clone(),
            warnings: chain.torn.map(torn).into_iter().collect(),
            heads: chain.entries.iter().map(super::ChainEntry::head).collect(),
        }
    }
}

/// What verifying came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Every run and game day, by id; also those of which only the chain knows.
    pub runs: Vec<Checked>,
    /// Every chain, by path.
    pub chains: Vec<CheckedChain>,
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
        self.runs.iter().any(changed) || !self.chains.iter().all(CheckedChain::is_whole)
    }

    /// How many reports differ from what was sealed: no evidence, and they can be made again.
    pub fn reports(&self) -> usize {
        self.runs.iter().map(|run| run.reports).sum()
    }

    /// Whether something could not be read, so that nobody can say.
    pub fn is_unreadable(&self) -> bool {
        !self.problems.is_empty() || self.runs.iter().any(|run| run.state == SealState::Unreadable)
    }

    /// Whether a head that was written down earlier is an entry of one of the chains.
    pub fn has(&self, head: &Head) -> bool {
        self.chains.iter().any(|chain| chain.heads.contains(head))
    }
}

/// Verifies everything below these paths: run directories, directories that hold some, unpacked artifacts of CI.
///
/// # Errors
/// When a path does not exist.
pub fn verify(paths: &[PathBuf]) -> io::Result<Verification> {
    let found = find(paths)?;
    let mut report = Verification { problems: found.problems, ..Verification::default() };
    for (path, root) in &found.roots {
        verify_root(path, root, &mut report);
    }
    report.runs.sort_by(|a, b| (&a.run, &a.dir).cmp(&(&b.run, &b.dir)));
    Ok(report)
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
    let Some(chain) = &chain else { return };
    if let Some(entries) = entries.filter(|_| root.whole) {
        let there: HashSet<&str> = root.places.iter().map(|place| place.id.as_str()).collect();
        let gone = entries.values().filter(|entry| !there.contains(entry.run.as_str()));
        report.runs.extend(gone.map(|entry| Checked::gone(entry, path)));
        // A line may be torn on purpose, to hide a run that was deleted.
        let torn: BTreeSet<&str> = chain.torn_runs.iter().map(String::as_str).collect();
        let lost = torn.into_iter().filter(|run| !there.contains(run) && !entries.contains_key(run));
        report.runs.extend(lost.map(|run| Checked::gone_with_its_entry(run, path)));
    }
    report.chains.push(CheckedChain::of(file, chain));
}

#[cfg(test)]
mod tests;
