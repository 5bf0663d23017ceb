//! Whether the evidence of a quarter is as it was sealed, in the words of the report.

use crate::archive::evidence::{self, Checked, ProblemKind, SealState, Subject};
use crate::report::{EvidenceSummary, Quarter};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What was found.
#[derive(Debug, Default)]
pub struct Intact {
    /// For the report.
    pub summary: EvidenceSummary,
    /// Runs whose evidence was changed, by the real paths of their directories, and how.
    changed: HashMap<PathBuf, String>,
}

impl Intact {
    /// What was changed in the directory of a run after it was sealed; `None` when nothing was.
    pub fn changed(&self, dir: &Path) -> Option<String> {
        self.changed.get(&std::fs::canonicalize(dir).ok()?).cloned()
    }
}

/// Verifies the evidence of a quarter below the paths that the report is made from. What cannot be verified is a problem of the
/// report, and no reason to make none.
pub fn look(paths: &[PathBuf], quarter: Quarter) -> Intact {
    let mut intact = Intact::default();
    let summary = &mut intact.summary;
    let found = match evidence::verify_some(paths, &|id| Quarter::of_id(id) == Some(quarter)) {
        Ok(found) => found,
        Err(error) => {
            summary.problems.push(format!("the evidence could not be verified: {error}"));
            return intact;
        }
    };
    for run in &found.runs {
        let digest = run.manifest.as_ref().map(ToString::to_string);
        summary.runs.push((run.run.clone(), digest, state(run)));
        summary.not_intact += usize::from(!run.is_intact());
        summary.gone += usize::from(run.state == SealState::Gone);
        let named = run.problems.iter().map(|problem| format!("{} ({}): {}", run.run, run.state.name(), problem.text));
        summary.problems.extend(named);
        if run.state == SealState::Changed {
            intact.changed.insert(run.dir.clone(), errors(run).join("; "));
        }
    }
    for chain in &found.chains {
        summary.heads.extend(chain.head.iter().map(ToString::to_string));
        summary.broken_chains += usize::from(!chain.is_whole());
        let path = chain.path.display();
        summary.problems.extend(chain.problems.iter().map(|what| format!("{path} (BROKEN CHAIN): {what}")));
        summary.problems.extend(chain.warnings.iter().map(|what| format!("{path}: {what}")));
    }
    summary.problems.extend(found.problems.iter().map(|what| format!("UNREADABLE: {what}")));
    intact
}

/// In words: `intact`, `CHANGED: events.jsonl was changed`, `GONE: …`.
fn state(run: &Checked) -> String {
    let day = if run.subject == Subject::Gameday { "game day, " } else { "" };
    match errors(run).as_slice() {
        [] => format!("{day}{}", run.state.name()),
        errors => format!("{day}{}: {}", run.state.name(), errors.join("; ")),
    }
}

fn errors(run: &Checked) -> Vec<&str> {
    let errors = run.problems.iter().filter(|problem| problem.kind != ProblemKind::Warning);
    errors.map(|problem| problem.text.as_str()).collect()
}
