//! A step of the runbook as every report reads it.

use super::symbol::StatusSymbol;
use super::{format, words};
use crate::record::{Record, StepInfo, StepRecord};

/// A step of the runbook, and what became of it.
#[derive(Debug, Clone)]
pub struct StepView<'a> {
    /// As it was planned.
    pub info: &'a StepInfo,
    /// What was done; `None` where it was not begun.
    pub ran: Option<&'a StepRecord>,
    /// How it ended.
    pub symbol: StatusSymbol,
    /// How it ended, in a word.
    pub word: &'static str,
    /// Says that only its look was run, and why; `None` where all of it was.
    pub only_looked: Option<String>,
    /// How long its commands took.
    pub took: Option<String>,
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
}
