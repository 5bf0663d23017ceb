//! What `firedrill verify` prints: a line for each run and what is wrong with it, and the heads of the chains.

use super::{Digest, Head, Problem, SealState, Subject, Verification};
use crate::output::visible;
use std::path::{Path, PathBuf};

/// Version of the JSON; raised when a reader of the old one would misread.
const FORMAT: u32 = 1;

/// What somebody wrote down elsewhere when a run was sealed, and whether it is found.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// Heads of chains.
    pub heads: Vec<(Head, bool)>,
    /// SHA-256 of manifests.
    pub manifests: Vec<(Digest, bool)>,
}

impl Kept {
    /// Looks for what was written down in what was verified.
    pub fn find(heads: Vec<Head>, manifests: Vec<Digest>, report: &Verification) -> Kept {
        let is = |digest: &Digest| report.runs.iter().any(|run| run.manifest.as_ref() == Some(digest));
        Kept {
            heads: heads.into_iter().map(|head| (head.clone(), report.has(&head))).collect(),
            manifests: manifests.into_iter().map(|digest| (digest.clone(), is(&digest))).collect(),
        }
    }

    /// Whether all of it is found.
    pub fn is_found(&self) -> bool {
        self.heads.iter().all(|(_, found)| *found) && self.manifests.iter().all(|(_, found)| *found)
    }
}

/// As text. `short` makes a path as people know it; `quiet` leaves out what is as it should be, except the heads.
pub fn text(report: &Verification, kept: &Kept, quiet: bool, short: &dyn Fn(&Path) -> PathBuf) -> String {
    let mut lines = Vec::new();
    for run in &report.runs {
        if quiet && run.is_intact() && run.problems.is_empty() {
            continue;
        }
        let what = match run.subject {
            Subject::Run => run.verdict.clone(),
            Subject::Gameday => format!("game day, {}", run.verdict),
        };
        lines.push(format!("{:<12} {}  {what}", run.state.name(), short(&run.dir).display()).trim_end().to_string());
        let told = |problem: &Problem| format!("{:<12}   {}{}", "", problem.kind.words(), problem.text);
        lines.extend(run.problems.iter().map(told));
    }
    lines.extend(report.problems.iter().map(|problem| format!("{:<12} {problem}", "UNREADABLE")));
    for chain in &report.chains {
        let word = if chain.is_whole() { "chain" } else { "BROKEN CHAIN" };
        let entries = if chain.entries == 1 { "1 entry".to_string() } else { format!("{} entries", chain.entries) };
        lines.push(format!("{word:<12} {}  {entries}", short(&chain.path).display()));
        lines.extend(chain.problems.iter().map(|problem| format!("{:<12}   {problem}", "")));
        lines.extend(chain.warnings.iter().map(|warning| format!("{:<12}   warning: {warning}", "")));
        lines.extend(chain.head.iter().map(|head| format!("{:<12}   head {head}", "")));
    }
    lines.extend(kept.heads.iter().map(|(head, found)| match found {
        true => format!("head         {head} is still in its chain"),
        false => {
            format!("LOST HEAD    {head} is in no chain: entries were removed or replaced since it was written down")
        }
    }));
    lines.extend(kept.manifests.iter().map(|(own, found)| match found {
        true => format!("manifest     {own} is the manifest of a run above"),
        false => format!(
            "NO MANIFEST  {own} is the manifest of no run above: it was replaced since its digest was written down"
        ),
    }));
    lines.push(sum(report));
    lines.iter().map(|line| visible(line) + "\n").collect()
}

fn sum(report: &Verification) -> String {
    let count = |state| report.runs.iter().filter(|run| run.state == state).count();
    let parts = SealState::ALL.into_iter().map(|state| (count(state), state.name().to_lowercase()));
    let parts = parts.filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, word)| format!("{count} {word}")).collect();
    let broken = report.chains.iter().filter(|chain| !chain.is_whole()).count();
    let chains = match broken {
        0 => String::new(),
        1 => "; 1 chain is broken".to_string(),
        more => format!("; {more} chains are broken"),
    };
    let reports = match report.reports() {
        0 => "",
        1 => "; 1 report differs from what was sealed; make it again with `firedrill report`",
        more => &format!("; {more} reports differ from what was sealed; make them again with `firedrill report`"),
    };
    format!("{}{chains}{reports}", if parts.is_empty() { "no runs".to_string() } else { parts.join(", ") })
}

/// As JSON.
pub fn json(report: &Verification, kept: &Kept) -> serde_json::Value {
    let heads = kept.heads.iter().map(|(head, found)| serde_json::json!({ "head": head.to_string(), "found": found }));
    let manifests = kept.manifests.iter().map(|(own, found)| serde_json::json!({ "sha256": own, "found": found }));
    let intact = !report.is_changed() && !report.is_unreadable() && kept.is_found();
    serde_json::json!({
        "format": FORMAT,
        "intact": intact,
        "runs": report.runs,
        "chains": report.chains,
        "heads": heads.collect::<Vec<_>>(),
        "manifests": manifests.collect::<Vec<_>>(),
        "unreadable": report.problems,
    })
}
