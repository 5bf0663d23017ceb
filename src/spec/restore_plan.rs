//! What a DR drill asserts beyond a recovery, as its scenario says it.

use crate::record::{RestoreLevel, script_secrets};
use crate::slis::Good;
use std::time::Duration;

/// `rto`, `rpo`, `ledger` and `restore` of a scenario of the kind `dr`.
#[derive(Debug, Clone)]
pub struct RestoreSpec {
    /// Recovery time objective: first confirmed fault → recovered.
    pub rto: Duration,
    /// Recovery point objective: how old the oldest lost write may be that was acknowledged before the fault.
    pub rpo: Duration,
    /// The ledger of acknowledged writes.
    pub ledger: LedgerSpec,
    /// Tells of the backup, as `key=value` lines: `id`, `taken` (RFC 3339), `bytes`, and whatever else it knows.
    pub backup: Option<Probe>,
    /// What each level is seen by: one for each of L1 to L3, at least one for L4, in the order of the levels.
    pub probes: Vec<LevelProbe>,
    /// The level that must be reached and not passed; L5 unless the scenario exists to fail.
    pub expect: RestoreLevel,
}

impl RestoreSpec {
    /// Every question that is put to a service, in the order of the scenario, with its name for messages and the keys that lead
    /// to it.
    pub fn asked(&self) -> Vec<(&Probe, String, Vec<String>)> {
        let path = |keys: &[&str]| keys.iter().map(|key| (*key).to_string()).collect();
        let mut asked =
            vec![(&self.ledger.survivors, "`ledger.survivors`".to_string(), path(&["ledger", "survivors"]))];
        asked
            .extend(self.backup.as_ref().map(|probe| (probe, "`restore.backup`".into(), path(&["restore", "backup"]))));
        asked.extend(self.probes.iter().map(|level| match level.level {
            RestoreLevel::L4 => {
                let name = level.name.as_str();
                (&level.probe, format!("the check `{name}`"), path(&["restore", "content", name]))
            }
            _ => (&level.probe, format!("`restore.{}`", level.name), path(&["restore", &level.name])),
        }));
        asked
    }

    /// Secrets that its scripts hold, which records have word for word otherwise.
    pub fn secrets(&self) -> Vec<String> {
        self.asked().into_iter().flat_map(|(probe, ..)| script_secrets(&probe.run)).collect()
    }
}

/// The ledger: which requests are writes, what acknowledges one, and how the survivors are read back.
#[derive(Debug, Clone)]
pub struct LedgerSpec {
    /// The load whose requests are the writes; `{{counter}}` numbers them.
    pub load: String,
    /// The answer that says that the write is stored.
    pub acknowledged: Good,
    /// Writes the number of every row that is there, one a line.
    pub survivors: Probe,
}

/// A script for `sh` in the first running container of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The service.
    pub service: String,
    /// The script.
    pub run: String,
    /// How long it may take.
    pub within: Duration,
    /// Line in the scenario, from 1.
    pub line: usize,
}

/// What a level is seen by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelProbe {
    /// The level, L1 to L4.
    pub level: RestoreLevel,
    /// `readable`, `restored`, `replayed`, or the name of a check of the content.
    pub name: String,
    /// The script; exit code 0 is asked for.
    pub probe: Probe,
    /// What it must write, white space at the end aside. For a check of the content without it: what it wrote before the fault.
    pub output: Option<String>,
}
