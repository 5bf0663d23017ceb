//! The recovery point: the survivors of the ledger are read back and held against what was acknowledged.

use super::super::context::{ARRIVAL, Context};
use super::super::probe::ask_probe;
use super::super::stop::Stop;
use super::super::words::{beside, ended, grouped, numbers};
use crate::record::{Check, CheckOutcome, DataFigures, DrillTime, Numbers, ReadBackRecord, Verdict, micros};
use crate::spec::{RestoreSpec, ServiceScript};
use std::time::Duration;

/// The survivors as they were read back, and why they could not be asked for, when that was Docker's fault.
#[derive(Debug)]
pub(super) struct ReadBack {
    pub(super) seen: ReadBackRecord,
    pub(super) broke: Option<Stop>,
}

/// Reads the survivors back.
pub(super) async fn read_back(cx: &Context<'_>, survivors: &ServiceScript) -> ReadBack {
    let (asked_us, evidence) = (cx.sink.now(), String::new());
    let mut seen = ReadBackRecord { asked_us, survivors: None, duplicates: 0, evidence };
    let looked = match ask_probe(cx, survivors).await {
        Ok(looked) => looked,
        Err(stop) => {
            seen.evidence = format!("it could not be asked: {}", stop.reason);
            return ReadBack { seen, broke: Some(stop.at(cx.in_scenario(survivors.line))) };
        }
    };
    seen.asked_us = looked.asked;
    let read = looked.answer.and_then(|whole| match whole.code {
        Some(0) => numbers(&whole.stdout),
        _ => Err(ended(&whole)),
    });
    match read {
        Err(why) => seen.evidence = why,
        Ok((found, duplicates)) => {
            let count = format!("{} numbers", grouped(found.len() as u64));
            let again = match duplicates {
                0 => String::new(),
                times => format!(", {} more times than once", grouped(times)),
            };
            seen.evidence = match (found.iter().next(), found.iter().last()) {
                (Some(first), Some(last)) => format!("{count} from {first} to {last}{again}"),
                _ => count,
            };
            (seen.survivors, seen.duplicates) = (Some(found), duplicates);
        }
    }
    ReadBack { seen, broke: None }
}

/// Waits until it is known of every write that was due by now how it ended: only then can nothing be missing from the
/// ledger that is among the survivors, or that was acknowledged before they were asked for.
pub(super) async fn ledger_is_complete(cx: &Context<'_>, load: &str) -> Result<(), String> {
    let now = cx.sink.now();
    let deadline = now.plus(cx.longest_request() + ARRIVAL);
    let covered = cx.monitor.until(deadline, |monitor| {
        monitor.timeline(|timeline| timeline.covered_until(load)).filter(|until| *until >= now).map(drop)
    });
    match covered.await {
        Ok(Some(())) => Ok(()),
        Ok(None) => Err("not every write had ended in time".into()),
        Err(stop) => Err(stop.reason),
    }
}

/// RPO: what became of the writes in words, and why to stop.
pub(super) fn judge_point(
    cx: &Context<'_>,
    restore: &RestoreSpec,
    read: &ReadBack,
    complete: Result<(), String>,
    figures: Option<DataFigures>,
    started: DrillTime,
) -> (String, Option<Stop>) {
    let objective = beside(Duration::ZERO, restore.rpo).1;
    let fail = |stop: Stop| {
        let at = stop.at.clone().unwrap_or_else(|| cx.in_scenario(restore.ledger.survivors.line));
        (stop.reason.clone(), Some(cx.failed(Check::RecoveryPoint, started, stop.at(at))))
    };
    let unknown = |why: &str| format!("which writes are lost cannot be told: {why}; objective {objective}");
    let figures = match (figures, &read.broke, complete) {
        (None, Some(broke), _) => return fail(broke.clone()),
        (None, None, _) => {
            let reason = format!("the survivors could not be read back: {}; objective {objective}", read.seen.evidence);
            return fail(Stop::new(Verdict::NotRecovered, reason));
        }
        (Some(_), _, Err(why)) => return fail(Stop::harness(unknown(&why))),
        (Some(figures), _, Ok(())) => figures,
    };
    if figures.acknowledged == 0 {
        return fail(Stop::harness(unknown("no write was acknowledged")));
    }
    let (evidence, rpo_us) = (lost(&figures, restore.rpo), micros(restore.rpo));
    if figures.misses_rpo(rpo_us) {
        return fail(cx.stop_at("rpo", Verdict::NotRecovered, evidence));
    }
    if figures.lost_served > 0 {
        let what = "writes are lost that were acknowledged after users had recovered";
        return fail(Stop::new(Verdict::Damaged, format!("{what}: {evidence}")));
    }
    if !figures.meets_rpo(rpo_us) {
        let why = "no write that survived is older than the oldest one lost, and the backup does not say when it was \
                   taken (`taken=`), or says that it is younger than that loss";
        return fail(Stop::harness(format!("{}; {evidence}", unknown(why))));
    }
    cx.decided(Check::RecoveryPoint, started, CheckOutcome::Passed { evidence: evidence.clone() });
    (evidence, None)
}

/// `4,021 writes acknowledged, 4,018 of them survived; lost: 3, the oldest acknowledged 0.8 s before the fault; objective 5.0 s`.
fn lost(figures: &DataFigures, rpo: Duration) -> String {
    let (oldest, objective) = beside(Duration::from_micros(figures.rpo_us), rpo);
    let number = |numbers: &Numbers| grouped(numbers.len() as u64);
    let survived = if figures.survived == figures.acknowledged { "all".to_string() } else { grouped(figures.survived) };
    let acknowledged = grouped(figures.acknowledged);
    let mut parts = vec![format!("{acknowledged} writes acknowledged, {survived} of them survived")];
    if !figures.lost_before.is_empty() {
        let lost = number(&figures.lost_before);
        let at_least = if figures.rpo_at_least { "at least " } else { "" };
        parts.push(format!("lost: {lost}, the oldest acknowledged {at_least}{oldest} before the fault"));
    }
    if let Some(most) = figures.rpo_at_most_us {
        let most = beside(Duration::from_micros(most), rpo).0;
        let bound = "no write that survived is older, and the backup was taken";
        parts.push(format!("{bound} {most} before the fault: at most that is lost, where all that it held is back"));
    }
    if !figures.lost_after.is_empty() {
        let served = match figures.lost_served {
            0 => String::new(),
            served => format!(", {} of them after users had recovered", grouped(served)),
        };
        parts.push(format!("acknowledged after the fault and lost: {}{served}", number(&figures.lost_after)));
    }
    if !figures.unacknowledged_survived.is_empty() {
        parts.push(format!("never acknowledged and there: {}", number(&figures.unacknowledged_survived)));
    }
    if figures.unknown > 0 {
        parts.push(format!("there and never sent: {}", grouped(figures.unknown)));
    }
    if figures.duplicates > 0 {
        parts.push(format!("there more than once: {}", grouped(figures.duplicates)));
    }
    parts.push(format!("objective {objective}"));
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_the_writes_is_said_in_words() {
        let figures = DataFigures { acknowledged: 4021, survived: 4021, ..DataFigures::default() };
        let rpo = Duration::from_secs(5);
        insta::assert_snapshot!(lost(&figures, rpo), @"4,021 writes acknowledged, all of them survived; objective 5.0 s");
        let figures =
            DataFigures { survived: 4018, lost_before: [7, 8, 9].into_iter().collect(), rpo_us: 800_000, ..figures };
        insta::assert_snapshot!(lost(&figures, rpo), @"4,021 writes acknowledged, 4,018 of them survived; lost: 3, the oldest acknowledged 0.8 s before the fault; objective 5.0 s");
        let figures = DataFigures {
            survived: 4016,
            lost_after: [4000, 4001].into_iter().collect(),
            lost_served: 1,
            unacknowledged_survived: [3999].into_iter().collect(),
            unknown: 1234,
            duplicates: 2,
            ..figures
        };
        insta::assert_snapshot!(lost(&figures, rpo), @"4,021 writes acknowledged, 4,016 of them survived; lost: 3, the oldest acknowledged 0.8 s before the fault; acknowledged after the fault and lost: 2, 1 of them after users had recovered; never acknowledged and there: 1; there and never sent: 1,234; there more than once: 2; objective 5.0 s");
    }
}
