//! What follows from the drills: findings, actions and what verifies them, risks, retests, and the trend.

use super::{
    ActionRow, ActionStatus, ChainVerification, DrFinding, DrInput, DrTrend, DrVerdict, DrillNotes, DrillRef,
    DrillReport, FindingRow, NotesFile, Retest, Risk, RiskRow, TrendQuarter,
};
use crate::record::utc_text;
use crate::view::clock::{day, instant};
use crate::view::format::quantile;
use crate::view::{Quarter, SeenRun};
use std::collections::{BTreeMap, BTreeSet};

/// Files of notes that can have something open: of this quarter, of none, and of earlier ones.
fn files(input: &DrInput) -> impl Iterator<Item = (&NotesFile, Option<Quarter>)> {
    let quarter = input.quarter;
    let known = input.notes.files.iter().filter(move |file| file.quarter.is_none_or(|own| own <= quarter));
    known.map(move |file| (file, file.quarter.filter(|own| *own < quarter)))
}

fn of(note: &DrillRef) -> String {
    match note {
        DrillRef::Run(name) | DrillRef::Scenario(name) => name.clone(),
    }
}

/// Whether a note is about this report: it names a run of an earlier quarter only in an earlier file.
fn carried(input: &DrInput, note: &DrillRef, from: Option<Quarter>) -> Option<Option<Quarter>> {
    let run = note.run().and_then(|run| input.seen.iter().find(|seen| seen.run == run));
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
        .filter_map(|(note, from)| Some((note, carried(input, &note.of, from)?)))
}

/// Findings of this quarter, and of earlier ones as far as an action about them is open.
pub(super) fn findings(input: &DrInput) -> Vec<FindingRow> {
    let is_open = |row: &ActionRow| row.action.status.is_none_or(ActionStatus::is_open);
    let open: BTreeSet<String> =
        actions(input).into_iter().filter(is_open).filter_map(|row| row.action.finding).collect();
    let rows = notes(input).flat_map(|(note, from)| {
        let row =
            move |finding: &DrFinding| FindingRow { of: of(&note.of), carried_from: from, finding: finding.clone() };
        note.told.findings.iter().map(row)
    });
    rows.filter(|row| row.carried_from.is_none() || open.contains(&row.finding.id)).collect()
}

/// Actions of this quarter, and those of earlier ones that are open. One that is closed by a run which does not verify it is open.
pub(super) fn actions(input: &DrInput) -> Vec<ActionRow> {
    let today = today(input);
    let all = files(input).flat_map(|(file, _)| &file.drills);
    let found: BTreeMap<&str, &DrillRef> =
        all.flat_map(|note| note.told.findings.iter().map(|finding| (finding.id.as_str(), &note.of))).collect();
    let mut rows = Vec::new();
    for (note, from) in notes(input) {
        for action in &note.told.actions {
            // What no finding is named for is about the drill of its notes.
            let about = action.finding.as_deref().and_then(|id| found.get(id).copied()).unwrap_or(&note.of);
            let verification = verified_by(&input.seen, action.verified_by.as_deref(), about, note.of.run());
            let mut action = action.clone();
            if action.status == Some(ActionStatus::Done) && action.verified_by.is_some() && !verification.verified {
                action.status = Some(ActionStatus::Open);
            }
            let open = action.status.is_none_or(ActionStatus::is_open);
            if from.is_some() && !open {
                continue;
            }
            // Dates of this form sort as text.
            let overdue = open && action.due.as_ref().is_some_and(|due| *due < today);
            rows.push(ActionRow { carried_from: from, overdue, verification, action });
        }
    }
    rows
}

/// The day of the report in the quarter: what is late or over is so on that day.
fn today(input: &DrInput) -> String {
    input.made.min(input.quarter.end()).date().to_string()
}

/// A run verifies an action when it exists, drilled the same scenario, passed, and began after the drill that found what the
/// action is about; what is about a scenario says nothing of when, and `decided` is the run after which the action was.
pub fn verified_by(all: &[SeenRun], run: Option<&str>, about: &DrillRef, decided: Option<&str>) -> ChainVerification {
    let no = |why: String| ChainVerification { verified: false, why };
    let Some(run) = run else { return no("no verifying run is named".into()) };
    let Some(seen) = all.iter().find(|seen| seen.run == run) else {
        return no("named, not verified: there is no record of that run".into());
    };
    let finding = about.run().or(decided).and_then(|run| all.iter().find(|seen| seen.run == run));
    let scenario = match (about, finding) {
        (DrillRef::Scenario(name), _) => name,
        (DrillRef::Run(_), Some(finding)) => &finding.scenario,
        _ => return no("named, not verified: there is no record of the drill with the finding".into()),
    };
    if *scenario != seen.scenario {
        return no(format!("named, another scenario: not verified (`{}`, not `{scenario}`)", seen.scenario));
    }
    if let Some(finding) = finding.filter(|finding| seen.at <= finding.at) {
        return no(format!("named, not verified: it began before what `{}` found", finding.run));
    }
    match seen {
        seen if seen.control => no("named, not verified: it is a control".into()),
        seen if seen.expects_failure => no("named, not verified: its scenario exists to fail".into()),
        seen if !seen.ended => no("named, not verified: it was cut off".into()),
        seen if !seen.passed() => no(format!("named, not verified: it came to `{}`", seen.verdict)),
        seen => ChainVerification {
            verified: true,
            why: format!("`{}` passed on {}", seen.scenario, day(&seen.started_utc)),
        },
    }
}

/// Risks of this quarter, and those of earlier ones whose time is not over.
pub(super) fn risks(input: &DrInput) -> Vec<RiskRow> {
    let begun = utc_text(input.quarter.start());
    let begun = day(&begun);
    let today = today(input);
    let rows =
        notes(input).flat_map(|(note, from)| note.told.accepted_risks.iter().map(move |risk| (note, from, risk)));
    let counts =
        |from: Option<Quarter>, risk: &Risk| from.is_none() || risk.until.as_deref().is_none_or(|until| until >= begun);
    let rows = rows.filter(|(_, from, risk)| counts(*from, risk)).map(|(note, _, risk)| {
        let expired = risk.until.as_deref().is_some_and(|until| until < today.as_str());
        RiskRow { of: of(&note.of), expired, risk: risk.clone() }
    });
    rows.collect()
}

/// What became of each drill that failed or said nothing: the run that names it as `retest_of`, else the first later run of the
/// same scenario that passed, else the last one.
pub(super) fn retests(input: &DrInput, drills: &[DrillReport<'_>]) -> Vec<Retest> {
    let open = |drill: &&DrillReport<'_>| matches!(drill.verdict, DrVerdict::Fail | DrVerdict::NoVerdict);
    let bad = drills.iter().filter(|drill| !drill.plan.control).filter(open);
    let row = |failed: &DrillReport<'_>| {
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
        let (seen, by) = match best(&is_named) {
            Some(seen) => (Some(seen), "named in the notes"),
            None => (best(&|seen| seen.scenario == failed.plan.scenario), "a later run of the same scenario"),
        };
        Retest {
            failed: failed.plan.run.clone(),
            scenario: failed.plan.scenario.clone(),
            verdict: failed.verdict,
            by: if seen.is_some() { by } else { "not retested" },
            retest: seen.map(|seen| seen.run.clone()),
            retest_utc: seen.map(|seen| seen.started_utc.clone()),
            passed: seen.map(SeenRun::passed),
        }
    };
    bad.map(row).collect()
}

/// The DR scenarios over four quarters.
pub(super) fn trend(input: &DrInput) -> Vec<DrTrend> {
    let quarters = input.quarter.four();
    let counts = |seen: &&SeenRun| seen.dr && !seen.control && quarters.contains(&Quarter::of(seen.at));
    let mut scenarios: BTreeMap<&str, Vec<&SeenRun>> = BTreeMap::new();
    for seen in input.seen.iter().filter(counts) {
        scenarios.entry(&seen.scenario).or_default().push(seen);
    }
    let trend = |(scenario, runs): (&str, Vec<&SeenRun>)| {
        let of = |quarter: Quarter| {
            let own: Vec<&&SeenRun> = runs.iter().filter(|seen| quarter.contains(seen.at)).collect();
            let mut rto: Vec<u64> = own.iter().filter_map(|seen| seen.rto_us).collect();
            rto.sort_unstable();
            TrendQuarter {
                quarter,
                runs: own.len(),
                passed: own.iter().filter(|seen| seen.passed()).count(),
                rto_median_us: quantile(&rto, 0.5).map(|median| median as u64),
                rto_worst_us: rto.last().copied(),
                rpo_worst_us: own.iter().filter_map(|seen| seen.rpo_us).max(),
            }
        };
        let expects_failure = runs.iter().all(|seen| seen.expects_failure);
        DrTrend { scenario: scenario.to_string(), expects_failure, quarters: quarters.map(of).to_vec() }
    };
    scenarios.into_iter().map(trend).collect()
}
