//! How severe the incident was, by what users felt and what was lost: measured once the recovery was looked for.

use super::announce::definitions;
use super::context::Context;
use super::impact::FaultImpact;
use super::recover::Recovered;
use super::stop::Stop;
use crate::record::{Check, CheckOutcome, Event, MeasuredSeverity, Verdict, percent, severity_of, understated};

/// Measures the severity and decides whether the declared one is too mild: a reason to fail where there is no other one.
pub(super) fn judge_severity(
    cx: &Context<'_>,
    impact: &FaultImpact,
    recovered: &Recovered,
    data_lost: bool,
) -> Option<Stop> {
    if cx.control {
        return None;
    }
    let (levels, from) = (definitions(cx.plan), impact.faults.first);
    let until = recovered.recovery.map(|recovery| recovery.from);
    let (worst, until_us) = cx.monitor.timeline(|timeline| timeline.most_hurt(from, until))?;
    let users_hurt = worst.bad() as f64 / worst.valid as f64;
    let severity = severity_of(&levels, users_hurt, data_lost).map(|level| level.name.clone());
    let measured = MeasuredSeverity { severity, sli: worst.sli, users_hurt, data_lost, until_us };
    cx.sink.emit(Event::SeverityMeasured(measured.clone()));
    let declared = cx.plan.severity.as_deref()?;
    let name = measured.severity.as_deref().unwrap_or("milder than every severity");
    let lost = if data_lost { ", and acknowledged writes were lost" } else { "" };
    let seen = format!("{name}: of the events of {} {} were bad{lost}", measured.sli, percent(users_hurt));
    match understated(&levels, declared, measured.severity.as_deref())? {
        true => {
            let reason = format!("the scenario declares {declared}, and the incident was {seen}");
            Some(cx.failed(Check::Severity, from, cx.stop_at("severity", Verdict::Understated, reason)))
        }
        false => {
            let evidence = format!("declared {declared}, measured {seen}");
            cx.decided(Check::Severity, from, CheckOutcome::Passed { evidence });
            None
        }
    }
}
