//! What follows from the drills: findings, actions and what verifies them, risks, retests.

use super::{
    ActionRow, DrFinding, DrInput, DrReport, DrVerdict, DrillNotes, DrillRef, DrillReport, NotesFile, Retest, Risk,
};
use crate::assurance::actions::{ActionItem, ActionStatus, verified_by};
use crate::record::utc_text;
use crate::view::clock::{day, instant};
use crate::view::{Quarter, SeenRun};
use std::collections::BTreeMap;

/// Files of notes that can have something open: of this quarter, of none, and of earlier ones.
fn files(input: &DrInput) -> impl Iterator<Item = (&NotesFile, Option<Quarter>)> {
    let quarter = input.quarter;
    let known = input.notes.files.iter().filter(move |file| file.quarter.is_none_or(|own| own <= quarter));
    known.map(move |file| (file, file.quarter.filter(|own| *own < quarter)))
}

/// Whether what is about a run is about this report, and from which earlier quarter it is carried: `from`, unless the run is of an
/// earlier one.
fn carried(input: &DrInput, run: Option<&str>, from: Option<Quarter>) -> Option<Option<Quarter>> {
    let run = run.and_then(|run| input.seen.iter().find(|seen| seen.run == run));
    let Some(seen) = run else { return Some(from) };
    match Quarter::of(seen.at) {
        own if own > input.quarter => None,
        own if own < input.quarter => Some(Some(own)),
        _ => Some(from),
    }
}

/// The notes that are about this report, each with the earlier quarter that it is carried from.
fn notes(input: &DrInput) -> impl Iterator<Item = (&DrillNotes, Option<Quarter>)> {
    files(input)
        .flat_map(|(file, from)| file.drills.iter().map(move |note| (note, from)))
        .filter_map(|(note, from)| Some((note, carried(input, note.of.run(), from)?)))
}

/// A finding or a risk: of which drill (its run, or its scenario), the quarter of the notes where that is an earlier one, and what.
pub(super) type Noted<'a, T> = (&'a str, Option<Quarter>, &'a T);

/// Findings of this quarter, and of earlier ones as far as an action about them is open.
pub(super) fn findings<'a>(report: &DrReport<'a>) -> Vec<Noted<'a, DrFinding>> {
    let actions = actions(report);
    let open = |id: &String| {
        actions.iter().any(|row| row.status == ActionStatus::Open && row.item.finding.as_ref() == Some(id))
    };
    let all = notes(report.input)
        .flat_map(|(note, from)| note.told.findings.iter().map(move |finding| (note.of.name(), from, finding)));
    all.filter(|(_, from, finding)| from.is_none() || open(&finding.id)).collect()
}

/// Actions of this quarter, and those of earlier ones that are open. One that is closed by a run which does not verify it is open.
pub(super) fn actions<'a>(report: &DrReport<'a>) -> Vec<ActionRow<'a>> {
    let input = report.input;
    let today = today(input);
    let all = files(input).flat_map(|(file, _)| &file.drills);
    let found: BTreeMap<&str, &DrillRef> =
        all.flat_map(|note| note.told.findings.iter().map(|finding| (finding.id.as_str(), &note.of))).collect();
    let row = |item: &'a ActionItem| {
        let decided = item.run.as_deref();
        let carried_from = carried(input, decided, None)?;
        // What no finding is named for is about the run after which it was decided.
        let (scenario, after) = match item.finding.as_deref().and_then(|id| found.get(id)) {
            Some(DrillRef::Scenario(name)) => (Some(name.as_str()), decided),
            Some(DrillRef::Run(run)) => (None, Some(run.as_str())),
            None => (None, decided),
        };
        let verified = verified_by(&input.seen, item.closed_by.as_deref(), scenario, after);
        let is_unproven = item.closed_by.is_some() && verified.is_err();
        let status = if is_unproven { ActionStatus::Open } else { item.status };
        let open = status == ActionStatus::Open;
        // Dates of this form sort as text.
        let overdue = open && item.due < today;
        (carried_from.is_none() || open).then_some(ActionRow { carried_from, status, overdue, verified, item })
    };
    input.actions.iter().filter_map(row).collect()
}

/// The day of the report in the quarter: what is late or over is so on that day.
pub(super) fn today(input: &DrInput) -> String {
    input.made.min(input.quarter.end()).date().to_string()
}

/// Risks of this quarter, and those of earlier ones whose time is not over.
pub(super) fn risks<'a>(report: &DrReport<'a>) -> Vec<Noted<'a, Risk>> {
    let begun = utc_text(report.input.quarter.start());
    let counts = |(_, from, risk): &Noted<'a, Risk>| {
        from.is_none() || risk.until.as_deref().is_none_or(|until| until >= day(&begun))
    };
    let all = notes(report.input)
        .flat_map(|(note, from)| note.told.accepted_risks.iter().map(move |risk| (note.of.name(), from, risk)));
    all.filter(counts).collect()
}

/// What became of each drill that failed or said nothing: the run that names it as `retest_of`, else the first later run of the
/// same scenario that passed, else the last one.
pub(super) fn retests<'r>(report: &'r DrReport<'r>) -> Vec<Retest<'r>> {
    let input = report.input;
    let open = |drill: &&DrillReport<'_>| matches!(drill.verdict, DrVerdict::Fail | DrVerdict::NoVerdict);
    let row = |failed: &'r DrillReport<'r>| {
        let began = instant(&failed.started_utc);
        // Damage that is noticed as expected shows no recovery, and a recovery no such damage.
        let later = |seen: &&SeenRun| {
            seen.at > began && seen.ended && !seen.control && seen.expects_failure == failed.expects_failure
        };
        let notes = || input.notes.files.iter().flat_map(|file| &file.drills);
        let is_named = |seen: &SeenRun| {
            let is = |note: &&DrillNotes| note.told.retest_of.as_deref() == Some(&failed.plan.run);
            notes().filter(is).any(|note| note.of.run() == Some(&seen.run))
        };
        let best = |is_retest: &dyn Fn(&SeenRun) -> bool| {
            let runs = || input.seen.iter().filter(later).filter(|seen| is_retest(seen));
            let passed = runs().filter(|seen| seen.passed()).min_by_key(|seen| seen.at);
            passed.or_else(|| runs().max_by_key(|seen| seen.at))
        };
        let (retest, by) = match best(&is_named) {
            Some(seen) => (Some(seen), "named in the notes"),
            None => (best(&|seen| seen.scenario == failed.plan.scenario), "a later run of the same scenario"),
        };
        Retest { failed, retest, by }
    };
    report.counted().filter(open).map(row).collect()
}
