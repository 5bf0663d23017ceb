//! What is seen from the injection on until the runbook begins: the impact, the alert condition and the page, side by side.

use super::context::Context;
use super::faults::Injected;
use super::stop::Stop;
use crate::record::{DrillTime, Event, ImpactRecord, detect_from};
use crate::slis::window::{ImpactQuery, Level, TimeSpan};
use crate::spec::Plan;
use std::time::Duration;

/// What a scrape may take on top of its interval before a missing sample is the alert's fault.
pub(super) const SCRAPE_GRACE: Duration = Duration::from_secs(3);

/// How users felt a fault, as far as it was measured since the injection.
#[derive(Debug, Clone)]
pub(super) struct FaultImpact {
    /// The time to be felt in counts from the last confirmation.
    pub faults: Injected,
    /// The window in which the stack was steady.
    pub steady: TimeSpan,
    /// The SLIs that fell; none with `impact: none`.
    pub hits: Vec<Level>,
    /// Everything is known until the time to be felt is over, and none fell.
    pub unfelt: bool,
    /// When the condition had begun to hold that was the first to hold since the injection.
    pub held: Option<DrillTime>,
    /// When the page came.
    pub paged: Option<DrillTime>,
    /// Why the drill has passed here (`impact: none` without a runbook).
    pub passed: Option<String>,
}

impl FaultImpact {
    /// When the first SLI fell.
    pub fn hit(&self) -> Option<DrillTime> {
        self.hits.iter().map(|hit| hit.to).min()
    }

    /// From when on the condition and the page have their time.
    pub(super) fn detect_from(&self, cx: &Context<'_>) -> DrillTime {
        detect_from(&cx.injections, self.hit()).unwrap_or(self.faults.last)
    }
}

/// What is looked for from the first fault on; the time to be seen in counts from the last one.
pub(super) fn impact_query(plan: &Plan, faults: &Injected, steady: Option<TimeSpan>) -> ImpactQuery {
    let slis = plan.slis.iter().map(|sli| sli.name.clone()).filter(|name| plan.must_breach(name)).collect();
    let until = faults.last.plus(plan.impact.within);
    ImpactQuery { slis, size: plan.impact.size(steady), from: faults.first, until }
}

/// Watches impact and alert until `enough`, or the deadline; tells of each the moment it is seen.
pub(super) async fn watch(
    cx: &Context<'_>,
    deadline: DrillTime,
    seen: &mut FaultImpact,
    enough: impl Fn(&FaultImpact) -> bool,
) -> Result<(), Stop> {
    let (plan, sink) = (cx.plan, &cx.sink);
    let query = impact_query(plan, &seen.faults, Some(seen.steady));
    let watched = cx.monitor.until(deadline, |monitor| {
        if seen.hits.is_empty() && !plan.impact.none {
            let answer = monitor.timeline(|timeline| timeline.impact(&query));
            seen.unfelt = matches!(answer, Some(Err(())));
            seen.hits = answer.and_then(Result::ok).unwrap_or_default();
            for hit in &seen.hits {
                let (sli, ratio) = (hit.sli.clone(), hit.ratio().unwrap_or_default());
                sink.emit(Event::Impacted(ImpactRecord { sli, impact_us: hit.to, ratio }));
            }
        }
        if seen.held.is_none() && plan.detect.condition.is_some() {
            seen.held = monitor.held_since(seen.faults.first);
            // Where a page must come, it is what detects.
            if let (Some(since), None) = (seen.held, plan.detect.page.as_ref().and_then(|page| page.alert.as_ref())) {
                sink.emit(Event::Detected { detected_us: since.max(seen.faults.first), paged: None });
            }
        }
        if let (None, Some(page)) = (seen.paged, plan.detect.page.as_ref())
            && let Some(came) = monitor.alerts(|alerts| page.came(alerts, seen.faults.began, seen.faults.first))
        {
            seen.paged = Some(came.at);
            sink.emit(Event::Detected { detected_us: came.at, paged: Some(came.receiver) });
        }
        enough(seen).then_some(())
    });
    watched.await.map(drop)
}
