//! Impact and detect: users must feel the fault and the alert condition must hold, watched side by side from the
//! confirmed injection on. `impact: none` turns the drill round.

use super::announce::must_breach;
use super::drill::{Drill, seconds};
use super::monitor::{Monitor, shown};
use super::stop::Stop;
use crate::record::{Check, CheckOutcome, DrillTime, Event, EventSink, Phase, Verdict, WAIT_KEPT};
use crate::slis::window::{Answer, ImpactQuery, Level};
use std::time::Duration;

/// What a scrape may take on top of its interval before a missing sample is the alert's fault.
const SCRAPE_GRACE: Duration = Duration::from_secs(3);

impl Drill<'_> {
    /// `Ok(Some(reason))` when the drill has passed here (`impact: none` without a runbook).
    pub(super) async fn impact(&mut self) -> Result<Option<String>, Stop> {
        let (injected, last) = self.injected.unwrap_or((self.sink.now(), self.sink.now()));
        if self.plan.impact.none {
            return self.keeps_its_objectives(last).await;
        }
        let mut seen = Seen { injected, last, impact: None, detected: None };
        let impact_by = last.plus(self.plan.impact.within + self.longest_request() + Duration::from_secs(1));
        self.watch(impact_by, &mut seen, |seen| seen.impact.is_some()).await?;
        let within = self.plan.impact.within;
        self.waited("an SLI to fall below its threshold", last, within, seen.impact.is_some());
        let Some((at, slis)) = seen.impact.clone() else {
            let reason = format!(
                "the fault was in place for {} and no SLI fell below {}: {}",
                seconds(within),
                self.plan.impact.below,
                self.shown_with_answers(&self.latest(within))
            );
            let stop = Stop::new(Verdict::NoImpact, reason).at(self.in_scenario(self.plan.line_of("impact")));
            return Err(self.failed(Check::Impact, injected, stop));
        };
        let evidence =
            format!("{} fell below {} after {}", slis.join(", "), self.plan.impact.below, seconds(at.since(injected)));
        self.decided(Check::Impact, injected, CheckOutcome::Passed { evidence });
        self.impacted = Some((at, slis));
        self.detect(&mut seen).await?;
        Ok(None)
    }

    async fn detect(&mut self, seen: &mut Seen) -> Result<(), Stop> {
        let Some(detect) = &self.plan.detect else { return Ok(()) };
        let deadline = seen.last.plus(detect.within);
        if seen.detected.is_none() {
            self.begin(Phase::Detect);
            self.watch(deadline.plus(SCRAPE_GRACE), seen, |seen| seen.detected.is_some()).await?;
        }
        if seen.detected.is_some() && self.monitor.condition().since < self.inject_began {
            let reason = format!("the alert condition `{}` held before the fault went in", detect.when.text);
            let stop = Stop::new(Verdict::Unsteady, reason).at(self.in_scenario(self.plan.line_of("detect")));
            return Err(self.failed(Check::Detection, seen.injected, stop));
        }
        let in_time = seen.detected.is_some_and(|at| at <= deadline);
        self.waited("the alert condition", seen.injected, detect.within, in_time);
        match seen.detected {
            Some(at) if in_time => {
                let took = seconds(at.since(seen.injected));
                let evidence = format!("`{}` held after {took}", detect.when.text);
                self.decided(Check::Detection, seen.injected, CheckOutcome::Passed { evidence });
                Ok(())
            }
            _ => {
                let alert = self.monitor.condition();
                let last = match (alert.value, alert.error) {
                    (Some(value), _) => format!("its last value was {value}"),
                    (None, Some(error)) => format!("it has no value: {error}"),
                    (None, None) => "it has no value".to_string(),
                };
                let reason = format!(
                    "the alert condition `{}` did not hold within {} of the injection; {last}",
                    detect.when.text,
                    seconds(detect.within)
                );
                let stop = Stop::new(Verdict::Undetected, reason).at(self.in_scenario(self.plan.line_of("detect")));
                Err(self.failed(Check::Detection, seen.injected, stop))
            }
        }
    }

    /// Watches impact and alert until `enough`, or the deadline; tells of each the moment it is seen.
    async fn watch(&self, deadline: DrillTime, seen: &mut Seen, enough: impl Fn(&Seen) -> bool) -> Result<(), Stop> {
        let (plan, sink) = (self.plan, &self.sink);
        let slis = plan.slis.iter().map(|sli| sli.name.clone()).filter(|name| must_breach(plan, name));
        let slis: Vec<String> = slis.collect();
        let impact = &plan.impact;
        // From the first fault on; the time to be seen in counts from the last one.
        let (from, within) = (seen.injected, seen.last.since(seen.injected) + impact.within);
        let query = ImpactQuery { slis: &slis, below: impact.below, window: impact.window, from, within };
        self.monitor
            .until(deadline, |monitor| {
                if seen.impact.is_none() {
                    seen.impact = fallen(monitor, &query, sink);
                }
                if seen.detected.is_none() && plan.detect.is_some() {
                    seen.detected = held(monitor, seen.injected);
                    if let Some(detected_us) = seen.detected {
                        sink.emit(Event::Detected { detected_us });
                    }
                }
                enough(seen).then_some(())
            })
            .await?;
        Ok(())
    }

    /// Waits until it is decided whether every SLI meets its objective over [from, from + window].
    pub(super) async fn held(
        &self,
        from: DrillTime,
        window: Duration,
        deadline: DrillTime,
    ) -> Result<Option<Result<Vec<Level>, Vec<Level>>>, Stop> {
        self.monitor
            .until(deadline, |monitor| match monitor.timeline(|timeline| timeline.held(from, window)) {
                Answer::Yes(levels) => Some(Ok(levels)),
                Answer::No(levels) => Some(Err(levels)),
                Answer::NotYet => None,
            })
            .await
    }

    /// `impact: none`: with the fault confirmed, every SLI keeps its objective for `impact.within`.
    async fn keeps_its_objectives(&mut self, injected: DrillTime) -> Result<Option<String>, Stop> {
        let within = self.plan.impact.within;
        let until = injected.plus(within);
        let deadline = until.plus(self.longest_request() + Duration::from_secs(5));
        let kept = self.held(injected, within, deadline).await?;
        self.waited(WAIT_KEPT, injected, within, matches!(kept, Some(Ok(_))));
        if let Some(reason) = self.monitor.disturbed() {
            return Err(self.failed(Check::Impact, injected, Stop::disturbed(reason)));
        }
        match kept {
            Some(Ok(levels)) => {
                let evidence = format!("every SLI kept its objective for {}: {}", seconds(within), shown(&levels));
                self.decided(Check::Impact, injected, CheckOutcome::Passed { evidence: evidence.clone() });
                Ok((self.control || self.plan.runbook.is_none()).then_some(evidence))
            }
            Some(Err(levels)) => {
                let reason =
                    format!("the scenario promises that users notice nothing, and they did: {}", shown(&levels));
                let stop = Stop::new(Verdict::Breached, reason).at(self.in_scenario(self.plan.line_of("impact")));
                Err(self.failed(Check::Impact, injected, stop))
            }
            None => Err(self.failed(Check::Impact, injected, Stop::harness("no complete measurement under the fault"))),
        }
    }
}

/// What was seen since the injection.
struct Seen {
    /// The first confirmation of a fault.
    injected: DrillTime,
    /// The last one, from which the deadlines count.
    last: DrillTime,
    impact: Option<(DrillTime, Vec<String>)>,
    detected: Option<DrillTime>,
}

/// The SLIs that fell below the threshold, told as events.
fn fallen(monitor: &Monitor, query: &ImpactQuery<'_>, sink: &EventSink) -> Option<(DrillTime, Vec<String>)> {
    let Answer::Yes(hits) = monitor.timeline(|timeline| timeline.impact(query)) else { return None };
    for hit in &hits {
        let ratio = hit.level.ratio().unwrap_or_default();
        sink.emit(Event::Impacted { sli: hit.level.sli.clone(), impact_us: hit.at, ratio });
    }
    let first = hits.iter().map(|hit| hit.at).min()?;
    Some((first, hits.into_iter().map(|hit| hit.level.sli).collect()))
}

/// When the alert condition held for the first time since the injection.
fn held(monitor: &Monitor, injected: DrillTime) -> Option<DrillTime> {
    let alert = monitor.condition();
    (alert.holds && alert.sampled.is_some_and(|at| at >= injected)).then(|| alert.since.max(injected))
}
