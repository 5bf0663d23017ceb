//! A drill as every report reads it: each fact computed once from the record, and worded once.

use super::advice::{Advice, advice, doubts};
use super::cases::{DrillCase, cases};
use super::restore::{self, JudgedRow, Rung};
use super::symbol::StatusSymbol;
use super::words::{self, TimeShare};
use super::{answers, format};
use crate::record::{CommandRecord, FaultInfo, FaultRecord, Figures, Record, StepInfo, StepRecord};

/// Everything that a reader is told about a drill.
#[derive(Debug, Clone)]
pub struct DrillView<'a> {
    /// What happened.
    pub record: &'a Record,
    /// Its times, and what users felt.
    pub figures: Figures,
    /// How it came out.
    pub symbol: StatusSymbol,
    /// The same in one line: `passed (not recovered, as expected)`.
    pub headline: String,
    /// Why, without the place.
    pub why: String,
    /// How long users were hurt.
    pub hurt: String,
    /// What cured them.
    pub cured: String,
    /// The recovery time against its objective; `None` where users do not have to recover.
    pub time_limit: Option<(StatusSymbol, String)>,
    /// What the recovery was judged by beside the SLIs (`time`, `hold`, `severity`, `fault`, `invariant`), and its `price`.
    pub recovery: Vec<JudgedRow>,
    /// What a DR drill measured; empty for other drills.
    pub restore: Vec<JudgedRow>,
    /// The levels L1 to L5 of a DR drill; empty for other drills.
    pub levels: Vec<Rung>,
    /// The faults, and what became of each.
    pub faults: Vec<FaultView<'a>>,
    /// The steps of the plan, and what became of each.
    pub steps: Vec<StepView<'a>>,
    /// Every assertion, reached or not.
    pub cases: Vec<DrillCase>,
    /// Where the time went.
    pub time: [TimeShare; 3],
    /// What came after the verdict and should trouble the reader.
    pub aftermath: Vec<String>,
    /// What makes a pass less certain.
    pub doubts: Vec<String>,
    /// What a person needs to know first where it did not pass.
    pub advice: Advice<'a>,
}

/// A fault, and what became of it.
#[derive(Debug, Clone)]
pub struct FaultView<'a> {
    /// As it was planned.
    pub info: Option<&'a FaultInfo>,
    /// Its life.
    pub record: &'a FaultRecord,
    /// How that came out.
    pub symbol: StatusSymbol,
    /// The same in words.
    pub fate: String,
}

/// A step of the runbook, and what became of it.
#[derive(Debug, Clone)]
pub struct StepView<'a> {
    /// As it was planned.
    pub info: &'a StepInfo,
    /// What was done; `None` where it was not begun.
    pub ran: Option<&'a StepRecord>,
    /// How it ended.
    pub symbol: StatusSymbol,
    /// The same in a word.
    pub word: &'static str,
    /// That only its look was run, and why.
    pub only_looked: Option<String>,
    /// How long its commands took.
    pub took: Option<String>,
}

impl<'a> DrillView<'a> {
    /// The view of a drill.
    pub fn of(record: &'a Record) -> DrillView<'a> {
        let figures = record.figures();
        let steps = record.plan.iter().flat_map(|plan| &plan.steps);
        DrillView {
            symbol: words::headline(record).0,
            headline: words::headline_text(record),
            why: words::why(record),
            hurt: answers::hurt(record),
            cured: answers::cured(record),
            time_limit: restore::time_limit(record),
            recovery: words::recovery(record),
            restore: restore::rows(record),
            levels: restore::ladder(record),
            faults: record.faults.iter().map(|fault| FaultView::of(record, fault)).collect(),
            steps: steps.map(|info| StepView::of(record, info)).collect(),
            cases: cases(record),
            time: words::time_shares(&figures.time),
            aftermath: words::aftermath(record),
            doubts: doubts(record),
            advice: advice(record),
            figures,
            record,
        }
    }
}

impl<'a> FaultView<'a> {
    fn of(record: &'a Record, fault: &'a FaultRecord) -> FaultView<'a> {
        let info = record.plan.as_ref().and_then(|plan| plan.faults.iter().find(|info| info.id == fault.fault));
        let (symbol, fate) = words::fate(record, fault);
        FaultView { info, record: fault, symbol, fate }
    }
}

impl<'a> StepView<'a> {
    /// A step of a drill.
    pub fn of(record: &'a Record, info: &'a StepInfo) -> StepView<'a> {
        let ran = record.steps.iter().find(|step| step.step == info.id);
        let (symbol, word) = words::step(Some(info), ran.map(|step| step.status));
        let only_looked = ran.and_then(|step| info.only_looked(step.status));
        let took = ran.filter(|step| !step.commands.is_empty()).and_then(StepRecord::took_us).map(format::seconds);
        StepView { info, ran, symbol, word, only_looked, took }
    }

    /// The commands that were run.
    pub fn commands(&self) -> impl Iterator<Item = &'a CommandRecord> {
        self.ran.iter().flat_map(|ran| &ran.commands)
    }
}
