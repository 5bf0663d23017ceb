//! A game day that is fit to run: its settings, and every scenario that its file names. `read` reads the file key by key,
//! `select` finds the scenarios.

mod read;
mod select;

pub use read::{MOST_PARALLEL, MOST_REPEATS, MOST_RETRIES, game_day_schema, load_game_day};

use super::Plan;
use crate::source::Source;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A game day with every scenario that it names, read and checked.
#[derive(Debug, Clone, Default)]
pub struct GameDay {
    /// File name without `.yaml`.
    pub name: String,
    /// The file.
    pub source: Option<Arc<Source>>,
    /// Title.
    pub title: String,
    /// The scenarios, in the order of the file; no name occurs twice.
    pub scenarios: Vec<DayScenario>,
    /// In which order drills are started.
    pub order: StartOrder,
    /// Seed of the order and of the drills; drawn when it is not given.
    pub seed: Option<u64>,
    /// How often each scenario is drilled.
    pub repeat: u32,
    /// How long the game day may take.
    pub budget: Option<Duration>,
    /// How many drills may run at once; `None` is as many as fit.
    pub parallel: Option<u32>,
    /// What a failed drill means for those that were not started.
    pub on_failure: OnFailure,
    /// How often a drill that failed is run again.
    pub retry: u32,
    /// What a flaky drill means for the game day.
    pub flaky: Flaky,
    /// Every n-th run of a scenario is a control.
    pub control: Option<u32>,
    /// Most requests a second of a load; those of its scenarios are calmed down to it.
    pub rate: Option<f64>,
}

/// A scenario of a game day.
#[derive(Debug, Clone)]
pub struct DayScenario {
    /// The scenario, ready to be drilled.
    pub plan: Plan,
    /// Its file.
    pub path: PathBuf,
    /// How often it is drilled, when it says so itself.
    pub repeat: Option<u32>,
    /// Which of its runs are controls, when it says so itself.
    pub control: Option<ControlRuns>,
}

/// Which runs of a scenario are controls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlRuns {
    /// None.
    Never,
    /// All of them.
    Always,
    /// Every n-th.
    Every(u32),
}

/// In which order drills are started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StartOrder {
    /// As the file has them.
    #[default]
    Fixed,
    /// Drawn with the seed.
    Random,
}

/// What a failed drill means for those that were not started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// Nothing.
    #[default]
    Continue,
    /// They are not started any more.
    Stop,
}

/// What a drill that failed and then passed means for the game day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Flaky {
    /// The game day passes, and its report says which drills were flaky.
    #[default]
    Pass,
    /// The game day fails.
    Fail,
}

/// Whether a file is a game day rather than a scenario: it lies in `gamedays/`, or has `scenarios`.
pub fn is_game_day(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::file_name);
    folder.is_some_and(|folder| folder == "gamedays")
        || super::outline::read(path).is_some_and(|root| root.get(&["scenarios"]).is_some())
}
