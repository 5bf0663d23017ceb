//! What a DR drill asserts beyond a recovery, as its scenario says it.

use crate::record::{RestoreLevel, script_secrets};
use crate::slis::{Comparison, Good};
use crate::source::shorten;
use crate::stack::ServiceScript;
use std::fmt;
use std::time::Duration;

/// `rpo`, `ledger` and `restore` of a scenario of the kind `dr`.
#[derive(Debug, Clone)]
pub struct RestoreSpec {
    /// Recovery point objective: how old the oldest lost write may be that was acknowledged before the fault.
    pub rpo: Duration,
    /// The ledger of acknowledged writes.
    pub ledger: LedgerSpec,
    /// The backup.
    pub backup: Option<BackupSpec>,
    /// How much production has to restore, in bytes, in the measure of the backup's `bytes`.
    pub production_bytes: Option<u64>,
    /// What each level is seen by: one for each of L1 to L3, at least one for L4, in the order of the levels.
    pub probes: Vec<LevelProbe>,
    /// The level that must be reached and not passed; L5 unless the scenario exists to fail.
    pub expect: RestoreLevel,
}

impl RestoreSpec {
    /// Secrets that its scripts hold, which records have word for word otherwise.
    pub fn secrets(&self) -> Vec<String> {
        let own = [Some(&self.ledger.survivors), self.backup.as_ref().map(|backup| &backup.probe)];
        let probes = own.into_iter().flatten().chain(self.probes.iter().map(|level| &level.probe));
        probes.flat_map(|probe| script_secrets(&probe.run)).collect()
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
    pub survivors: ServiceScript,
}

/// The backup of a DR drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupSpec {
    /// Tells of it, as `key=value` lines: `id`, `taken` (RFC 3339), `bytes`, and whatever else it knows.
    pub probe: ServiceScript,
    /// How old it may be before the fault, by its own time `taken`.
    pub max_age: Option<Duration>,
}

/// What a level is seen by.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelProbe {
    /// The level, L1 to L4.
    pub level: RestoreLevel,
    /// `readable`, `restored`, `replayed`, or the name of a check of the content.
    pub name: String,
    /// The script; exit code 0 is asked for.
    pub probe: ServiceScript,
    /// What it must write; nothing in particular for L1 to L3.
    pub expected: Expectation,
}

/// What a probe must write. Its exit code must be 0 in any case; white space at the end of its output counts for nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Expectation {
    /// Nothing in particular.
    Success,
    /// This text.
    Output(String),
    /// What it wrote before the fault.
    AsBefore,
    /// A number that fulfils a comparison: `>= 100`.
    Number(Comparison, f64),
    /// A number that is not below the one before the fault, and that still grows: what is written must go on being written.
    Increases,
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expectation::Success => write!(f, "exit code 0"),
            Expectation::Output(text) => write!(f, "`{}`", shorten(text)),
            Expectation::AsBefore => write!(f, "as before the fault"),
            Expectation::Number(op, value) => write!(f, "{op} {value}"),
            Expectation::Increases => write!(f, "increases"),
        }
    }
}

/// What must not be destroyed, by the fault or by the cure: asked while everything is steady, after the recovery, and after the
/// revert.
#[derive(Debug, Clone, PartialEq)]
pub struct Invariant {
    /// Its name.
    pub name: String,
    /// The script.
    pub probe: ServiceScript,
    /// What it must write.
    pub expected: Expectation,
}
