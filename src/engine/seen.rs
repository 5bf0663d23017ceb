//! What is seen from the injection on until the runbook begins: the impact, the alert condition and the page, side by side.

use super::context::Context;
use super::faults::Injected;
use super::stop::Stop;
use crate::record::{DrillTime, Event, EventSink, ImpactRecord, detect_from};
use crate::slis::window::{Hit, ImpactQuery, TimeSpan, WindowAnswer};
use crate::spec::Plan;
use std::time::Duration;

/// What a scrape may take on top of its interval before a missing sample is the alert's fault.
pub(super) const SCRAPE_GRACE: Duration = Duration::from_secs(3);

/// What was seen since the injection.
pub(super) struct ImpactWatch {
    /// The time to be felt in counts from the last confirmation.
    pub faults: Injected,
    /// The window in which the stack was steady.
    pub steady: TimeSpan,
    /// When an SLI fell, and which ones did.
    pub impact: Option<(DrillTime, Vec<String>)>,
    /// Everything is known until the time to be felt is over, and none fell.
    pub unfelt: bool,
    /// When the condition had begun to hold that was the first to hold since the injection.
    pub held: Option<DrillTime>,
    /// When the page came.
    pub paged: Option<DrillTime>,
}

impl ImpactWatch {
    pub(super) fn of(faults: Injected, steady: TimeSpan) -> ImpactWatch {
        ImpactWatch { faults, steady, impact: None, unfelt: false, held: None, paged: None }
    }

    /// From when on the condition and the page have their time.
    pub(super) fn detect_from(&self, cx: &Context<'_>) -> DrillTime {
        let felt = self.impact.as_ref().map(|(at, _)| *at);
        detect_from(&cx.injections, felt).unwrap_or(self.faults.last)
    }
}

/// What is looked for from the first fault on; the time to be seen in counts from the last one.
pub(super) fn impact_query(plan: &Plan, faults: &Injected, steady: Option<TimeSpan>) -> ImpactQuery {
    let slis = plan.slis.iter().map(|sli| sli.name.clone()).filter(|name| plan.must_breach(name)).collect();
    let from = faults.first;
    let within = faults.last.since(from) + plan.impact.within;
    ImpactQuery { slis, size: plan.impact.size(steady), from, within }
}

/// The SLIs that fell below the threshold, told as events.
fn fallen(answer: WindowAnswer<Vec<Hit>, ()>, sink: &EventSink) -> Option<(DrillTime, Vec<String>)> {
    let Some(Ok(hits)) = answer else { return None };
    for hit in &hits {
        let ratio = hit.level.ratio().unwrap_or_default();
        sink.emit(Event::Impacted(ImpactRecord { sli: hit.level.sli.clone(), impact_us: hit.at, ratio }));
    }
    let first = hits.iter().map(|hit| hit.at).min()?;
    Some((first, hits.into_iter().map(|hit| hit.level.sli).collect()))
}

/// Watches impact and alert until `enough`, or the deadline; tells of each the moment it is seen.
pub(super) async fn watch(
    cx: &Context<'_>,
    deadline: DrillTime,
    seen: &mut ImpactWatch,
    enough: impl Fn(&ImpactWatch) -> bool,
) -> Result<(), Stop> {
    let (plan, sink) = (cx.plan, &cx.sink);
    let query = impact_query(plan, &seen.faults, Some(seen.steady));
    let watched = cx.monitor.until(deadline, |monitor| {
        if seen.impact.is_none() && !plan.impact.none {
            let answer = monitor.timeline(|timeline| timeline.impact(&query));
            seen.unfelt = matches!(answer, Some(Err(())));
            seen.impact = fallen(answer, sink);
        }
        if seen.held.is_none() && plan.detect.condition.is_some() {
            seen.held = monitor.held_since(seen.faults.first);
            // Where a page must come, it is what detects.
            if let (Some(since), None) = (seen.held, plan.detect.page.as_ref().and_then(|page| page.alert.as_ref())) {
                sink.emit(Event::Detected { detected_us: since.max(seen.faults.first), paged: None });
            }
        }
        if let (None, Some(page)) = (seen.paged, plan.detect.page.as_ref())
            && let Some(came) = monitor.alerts(|alerts| page.came(alerts, seen.faults.first))
        {
            seen.paged = Some(came.at);
            sink.emit(Event::Detected { detected_us: came.at, paged: Some(came.receiver) });
        }
        enough(seen).then_some(())
    });
    watched.await.map(drop)
}
