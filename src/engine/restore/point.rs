//! The recovery point: the survivors of the ledger are read back and held against what was acknowledged.

use super::super::context::{ARRIVAL, Context};
use super::super::impact::FaultImpact;
use super::super::probe::ask_probe;
use super::super::stop::Stop;
use super::super::words::{beside, ended, grouped, numbers};
use crate::record::{Check, CheckOutcome, DataFigures, DrillTime, Event, EventSink, Numbers, Survivors, Verdict};
use crate::spec::{RestoreSpec, ServiceScript};
use std::time::Duration;

/// The survivors as they were read back.
#[derive(Debug)]
pub(super) struct ReadBack {
    /// When the question was put.
    pub(super) asked: DrillTime,
    /// The numbers; `None` when they could not be read.
    pub(super) survivors: Option<Numbers>,
    duplicates: u64,
    /// What was read, or why it could not be.
    pub(super) evidence: String,
    /// Why they could not be asked for, when that was Docker's fault.
    pub(super) broke: Option<Stop>,
}

impl ReadBack {
    fn unread(asked: DrillTime, evidence: String) -> ReadBack {
        ReadBack { asked, survivors: None, duplicates: 0, evidence, broke: None }
    }

    /// Whether an acknowledged write is not among the survivors, as far as these could be read.
    pub(super) fn lost_data(&self, cx: &Context<'_>, impact: &FaultImpact) -> bool {
        let Some(survivors) = &self.survivors else { return false };
        let read = Survivors { asked: self.asked, survivors, duplicates: self.duplicates };
        let figures =
            cx.monitor.writes(|writes| DataFigures::of(writes, &read, impact.faults.began, impact.faults.first));
        figures.is_lossy()
    }

    /// Makes an event of it.
    pub(super) fn tell(&self, sink: &EventSink) {
        sink.emit(Event::ReadBack {
            asked_us: self.asked,
            survivors: self.survivors.clone(),
            duplicates: self.duplicates,
            evidence: self.evidence.clone(),
        });
    }
}

/// Reads the survivors back.
pub(super) async fn read_back(cx: &Context<'_>, survivors: &ServiceScript) -> ReadBack {
    let asked = cx.sink.now();
    let looked = match ask_probe(cx, survivors).await {
        Ok(looked) => looked,
        Err(stop) => {
            let stop = stop.at(cx.in_scenario(survivors.line));
            let evidence = format!("it could not be asked: {}", stop.reason);
            return ReadBack { broke: Some(stop), ..ReadBack::unread(asked, evidence) };
        }
    };
    let asked = looked.asked;
    match looked.answer {
        Err(why) => ReadBack::unread(asked, why),
        Ok(whole) if whole.code != Some(0) => ReadBack::unread(asked, ended(&whole)),
        Ok(whole) => match numbers(&whole.stdout) {
            Err(why) => ReadBack::unread(asked, why),
            Ok((found, duplicates)) => {
                let count = format!("{} numbers", grouped(found.len() as u64));
                let again = match duplicates {
                    0 => String::new(),
                    times => format!(", {} more times than once", grouped(times)),
                };
                let evidence = match (found.iter().next(), found.iter().last()) {
                    (Some(first), Some(last)) => format!("{count} from {first} to {last}{again}"),
                    _ => count,
                };
                ReadBack { duplicates, survivors: Some(found), ..ReadBack::unread(asked, evidence) }
            }
        },
    }
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
    (impact, backup_age_us): (&FaultImpact, Option<u64>),
    started: DrillTime,
) -> (String, Option<Stop>) {
    let objective = beside(Duration::ZERO, restore.rpo).1;
    let fail = |stop: Stop| {
        let at = stop.at.clone().unwrap_or_else(|| cx.in_scenario(restore.ledger.survivors.line));
        (stop.reason.clone(), Some(cx.failed(Check::RecoveryPoint, started, stop.at(at))))
    };
    let unknown = |why: &str| format!("which writes are lost cannot be told: {why}; objective {objective}");
    let survivors = match (&read.survivors, &read.broke, complete) {
        (None, Some(broke), _) => return fail(broke.clone()),
        (None, None, _) => {
            let reason = format!("the survivors could not be read back: {}; objective {objective}", read.evidence);
            return fail(Stop::new(Verdict::NotRecovered, reason));
        }
        (Some(_), _, Err(why)) => return fail(Stop::harness(unknown(&why))),
        (Some(survivors), _, Ok(())) => survivors,
    };
    let read = Survivors { asked: read.asked, survivors, duplicates: read.duplicates };
    let figures = cx.monitor.writes(|writes| DataFigures::of(writes, &read, impact.faults.began, impact.faults.first));
    let figures = figures.bounded(backup_age_us);
    if figures.acknowledged == 0 {
        return fail(Stop::harness(unknown("no write was acknowledged")));
    }
    let evidence = lost(&figures, restore.rpo);
    if !figures.meets_rpo(u64::try_from(restore.rpo.as_micros()).unwrap_or(u64::MAX)) {
        let at = cx.in_scenario(cx.plan.line_of("rpo"));
        return fail(Stop::new(Verdict::NotRecovered, evidence).at(at));
    }
    cx.decided(Check::RecoveryPoint, started, CheckOutcome::Passed { evidence: evidence.clone() });
    (evidence, None)
}

/// `4,021 writes acknowledged, 4,018 of them survived; lost: 3, the oldest acknowledged 0.8 s before the fault; objective 5.0 s`.
fn lost(figures: &DataFigures, rpo: Duration) -> String {
    let (oldest, objective) = beside(Duration::from_micros(figures.rpo_us), rpo);
    let number = |numbers: &Numbers| grouped(numbers.len() as u64);
    let mut parts = vec![match figures.survived == figures.acknowledged {
        true => format!("{} writes acknowledged, all of them survived", grouped(figures.acknowledged)),
        false => {
            format!(
                "{} writes acknowledged, {} of them survived",
                grouped(figures.acknowledged),
                grouped(figures.survived)
            )
        }
    }];
    if !figures.lost_before.is_empty() {
        let lost = number(&figures.lost_before);
        let at_least = if figures.rpo_at_least { "at least " } else { "" };
        parts.push(format!("lost: {lost}, the oldest acknowledged {at_least}{oldest} before the fault"));
    }
    if let Some(most) = figures.rpo_at_most_us {
        let most = beside(Duration::from_micros(most), rpo).0;
        parts.push(format!(
            "nothing older survived, and the backup was taken {most} before the fault: at most that is lost"
        ));
    }
    if !figures.lost_after.is_empty() {
        parts.push(format!("acknowledged after the fault and lost: {}", number(&figures.lost_after)));
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
            unacknowledged_survived: [3999].into_iter().collect(),
            unknown: 1234,
            duplicates: 2,
            ..figures
        };
        insta::assert_snapshot!(lost(&figures, rpo), @"4,021 writes acknowledged, 4,016 of them survived; lost: 3, the oldest acknowledged 0.8 s before the fault; acknowledged after the fault and lost: 2; never acknowledged and there: 1; there and never sent: 1,234; there more than once: 2; objective 5.0 s");
    }
}
