//! Whether the evidence below some paths is as it was sealed, in the words of the report.

use crate::archive::evidence::{self, Checked, ProblemKind, SealState, Subject, Verification};
use crate::assurance::dr::EvidenceSummary;
use crate::view::{Quarter, SeenRun};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// What was found.
#[derive(Debug)]
pub struct Intact {
    found: Verification,
    /// Which run has which real directory.
    by_dir: HashMap<PathBuf, usize>,
}

/// Verifies the evidence of every quarter below the paths that the report is made from. What cannot be verified is a problem of the
/// report, and no reason to make none.
pub fn look(paths: &[PathBuf]) -> Intact {
    let found = evidence::verify(paths).unwrap_or_else(|error| {
        let problems = vec![format!("the evidence could not be verified: {error}")];
        Verification { problems, ..Verification::default() }
    });
    let by_dir = found.runs.iter().enumerate().map(|(at, run)| (run.place.dir.clone(), at)).collect();
    Intact { found, by_dir }
}

impl Intact {
    /// Why nothing follows from the evidence of a run, by its directory: it was changed after it was sealed, or nobody can say; `None`
    /// where nothing speaks against it.
    pub fn changed(&self, dir: &Path) -> Option<String> {
        let at = std::fs::canonicalize(dir).ok().and_then(|dir| self.by_dir.get(&dir));
        let verified = at.and_then(|at| self.found.runs.get(*at));
        verified.map_or_else(|| Some("it was not verified".into()), against)
    }

    /// For the report: the runs of the quarter, by their ids or by when they began, and of the others what was changed in those that it
    /// knows.
    pub fn summary(&self, quarter: Quarter, seen: &[SeenRun]) -> EvidenceSummary {
        let mut summary = EvidenceSummary::default();
        let known: HashSet<&str> = seen.iter().map(|seen| seen.run.as_str()).collect();
        let begun: HashSet<&str> =
            seen.iter().filter(|seen| quarter.contains(seen.at)).map(|seen| seen.run.as_str()).collect();
        for run in &self.found.runs {
            let id = run.place.id.as_str();
            let is_own = Quarter::of_id(id) == Some(quarter) || begun.contains(id);
            if is_own {
                let digest = run.manifest.as_ref().map(ToString::to_string);
                summary.runs.push((run.place.id.clone(), digest, state(run)));
                summary.not_intact += usize::from(!run.is_intact());
                summary.gone += usize::from(run.state == SealState::Gone);
            }
            if is_own || (known.contains(id) && against(run).is_some()) {
                // That a chain cannot be read is told once, with its path.
                let problems = run.problems.iter().filter(|problem| problem.kind != ProblemKind::ChainUnreadable);
                let named = problems.map(|problem| format!("{id} ({}): {}", run.state.name(), problem.text));
                summary.problems.extend(named);
            }
        }
        for (path, chain) in &self.found.chains {
            summary.heads.extend(chain.head.iter().map(ToString::to_string));
            summary.broken_chains += usize::from(!chain.is_whole());
            let path = path.display();
            summary.problems.extend(chain.problems.iter().map(|what| format!("{path} (BROKEN CHAIN): {what}")));
            summary.problems.extend(chain.warning().map(|what| format!("{path}: {what}")));
        }
        summary.unreadable = self.found.problems.len();
        summary.problems.extend(self.found.problems.iter().map(|what| format!("UNREADABLE: {what}")));
        summary
    }
}

/// What speaks against the evidence of a run.
fn against(run: &Checked) -> Option<String> {
    let what = match run.state {
        SealState::Changed => "it was changed after it was sealed",
        SealState::NeverSealed => "it was never sealed, so that nobody can say whether it is as it was",
        SealState::Unreadable => "nobody can say whether it is as it was sealed",
        _ => return None,
    };
    Some(format!("{what}: {}", errors(run).join("; ")))
}

/// In words: `intact`, `CHANGED: events.jsonl was changed`, `GONE: …`.
fn state(run: &Checked) -> String {
    let day = if run.place.subject == Subject::Gameday { "game day, " } else { "" };
    match errors(run).as_slice() {
        [] => format!("{day}{}", run.state.name()),
        errors => format!("{day}{}: {}", run.state.name(), errors.join("; ")),
    }
}

fn errors(run: &Checked) -> Vec<&str> {
    let errors = run.problems.iter().filter(|problem| problem.kind != ProblemKind::Warning);
    errors.map(|problem| problem.text.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::evidence::CHAIN;
    use crate::record::Event;
    use crate::record::testing::{Story, events_of, lines_of, record_of};
    use std::fs;

    fn sealed(root: &Path, ids: &[&str]) {
        for id in ids {
            let dir = root.join(id);
            fs::create_dir(&dir).unwrap();
            let mut events = events_of(Story::Passed);
            if let Event::Announced(plan) = &mut events[0].event {
                plan.run = (*id).into();
            }
            fs::write(dir.join("events.jsonl"), lines_of(&events)).unwrap();
            evidence::seal(&dir, false).unwrap();
        }
    }

    fn seen(run: &str, started_utc: &str) -> SeenRun {
        let mut record = record_of(Story::Passed);
        let plan = record.plan.as_mut().unwrap();
        (plan.run, plan.started_utc) = (run.into(), started_utc.into());
        SeenRun::of(&record).unwrap()
    }

    const RUNS: [&str; 4] =
        ["20260930T235958Z-a-0000", "20260930T235959Z-a-0001", "20261001T000000Z-a-0002", "20261231T235959Z-a-0003"];

    #[test]
    fn a_quarter_has_its_own_runs_and_the_whole_chain() {
        let dir = tempfile::tempdir().unwrap();
        sealed(dir.path(), &RUNS);
        fs::write(dir.path().join(RUNS[0]).join("events.jsonl"), lines_of(&events_of(Story::Killed))).unwrap();
        let fourth = Quarter::parse("2026Q4").unwrap();
        let began = [seen(RUNS[0], "2026-09-30T23:59:58Z"), seen(RUNS[1], "2026-10-01T00:00:00Z")];
        let intact = look(&[dir.path().to_path_buf()]);
        let summary = intact.summary(fourth, &began);
        let runs: Vec<&str> = summary.runs.iter().map(|(run, ..)| run.as_str()).collect();
        assert_eq!(runs, &RUNS[1..], "by its id the first of them began before the quarter, by its record in it");
        assert_eq!((summary.not_intact, summary.heads.len()), (0, 1));
        // Of another quarter, and part of the trend.
        assert_eq!(summary.problems, [format!("{} (CHANGED): events.jsonl was changed", RUNS[0])]);
        assert!(intact.changed(&dir.path().join(RUNS[0])).is_some_and(|why| why.contains("events.jsonl was changed")));
        assert_eq!(intact.changed(&dir.path().join(RUNS[1])), None);
        assert!(intact.changed(dir.path()).is_some(), "nobody has verified it");
    }

    #[test]
    fn of_what_cannot_be_verified_nothing_follows() {
        let dir = tempfile::tempdir().unwrap();
        sealed(dir.path(), &RUNS);
        fs::remove_file(dir.path().join(CHAIN)).unwrap();
        fs::create_dir(dir.path().join(CHAIN)).unwrap();
        let intact = look(&[dir.path().to_path_buf()]);
        let summary = intact.summary(Quarter::parse("2026Q4").unwrap(), &[]);
        assert_eq!((summary.runs.len(), summary.not_intact, summary.unreadable), (2, 2, 1));
        assert!(matches!(summary.problems.as_slice(), [one] if one.starts_with("UNREADABLE: ")), "{summary:?}");
        assert!(RUNS.iter().all(|run| intact.changed(&dir.path().join(run)).is_some()));
        let nowhere = look(&[dir.path().join("nowhere")]);
        assert!(nowhere.changed(&dir.path().join(RUNS[0])).is_some());
    }
}
