//! The team's own alerts in a drill: started before the load, watched all the time, and the page that must come.

use super::context::{ARRIVAL, Context, seconds};
use super::faults::Injected;
use super::seen::{FaultImpact, SCRAPE_GRACE, watch};
use super::stop::Stop;
use crate::agent::ability::Ability;
use crate::agent::protocol::{AgentAnswer, AgentAsk};
use crate::record::{
    AlertMoment, Check, CheckOutcome, DrillTime, PageEscalation, PageExpectation, Phase, Verdict, in_words,
};
use crate::slis::window::Level;
use crate::spec::Show;
use crate::stack::AgentRole;
use std::collections::BTreeSet;
use std::time::Duration;

/// What runs the alerts, by its id in the agent.
const ALERTS: &str = "alerts";
/// How long after they should be ready the agent may take to say that they are not.
const ANSWERED_AFTER: Duration = Duration::from_secs(15);
/// A window of an expression that is longer sees less of a young stack than of an old one.
const YOUNG: Duration = Duration::from_secs(30);

/// Starts Prometheus and Alertmanager with the team's files; returns when they work together.
pub(super) async fn start_alerts(cx: &Context<'_>) -> Result<(), Stop> {
    let agent = cx.agents.get(&AgentRole::Monitoring);
    let (Some(alerts), Some(agent)) = (&cx.plan.alerts, agent) else { return Ok(()) };
    let hosts: BTreeSet<String> = cx.stack.hosts().into_iter().chain(cx.plan.stack.hosts.keys().cloned()).collect();
    let followed = cx.plan.detect.page.as_ref().and_then(|page| page.alert.as_deref()).unwrap_or_default();
    let (mut servers, left_out) = alerts.servers(followed, &hosts);
    if cx.plan.stack.isolate {
        // Nothing outside is reached.
        servers.hosts = None;
    }
    if !left_out.is_empty() {
        cx.sink.note(format!("Prometheus does not scrape what is not in the drill: {}", left_out.join(", ")));
    }
    if let (None, Some(window)) = (&alerts.history, alerts.longest_window().filter(|window| *window > YOUNG)) {
        cx.sink.note(format!(
            "the stack is young: windows of up to {} of the alerts see only what the drill has lasted, and may fire sooner \
             than they would (`history` gives them a past)",
            Show(window)
        ));
    }
    let (begun, within) = (cx.sink.now(), servers.ready_within() + ANSWERED_AFTER);
    let ready = agent.ask_within(servers.ask(ALERTS), within).await;
    cx.waited("Prometheus and Alertmanager to know each other and the targets", begun, within, ready.is_ok());
    ready.map(drop).map_err(|error| Stop::from(error).at(cx.in_scenario(cx.plan.line_of("alerts"))))
}

/// Whether nobody was paged while nothing was broken.
pub(super) fn was_quiet(cx: &Context<'_>, until: DrillTime) -> Result<(), Stop> {
    let Some(page) = &cx.plan.detect.page else { return Ok(()) };
    let noise = cx.monitor.alerts(|seen| page.paged_before(seen, until));
    noise.map_or(Ok(()), |why| Err(cx.stop_at("detect", Verdict::Noisy, why)))
}

/// The page must come within its time of the fault that users felt: what was seen.
pub(super) async fn paged(
    cx: &mut Context<'_>,
    seen: &mut FaultImpact,
    page: &PageExpectation,
) -> Result<String, Stop> {
    let within = cx.plan.detect.within;
    let (Injected { began, first, .. }, deadline) = (seen.faults, seen.detect_from(cx).plus(within));
    let failed = |cx: &Context<'_>, stop: Stop| cx.failed(Check::Detection, first, stop);
    if seen.paged.is_none() {
        if cx.sink.phase() != Some(Phase::Detect) {
            cx.begin(Phase::Detect);
        }
        watch(cx, deadline.plus(SCRAPE_GRACE), seen, |seen| seen.paged.is_some()).await?;
    }
    was_quiet(cx, began).map_err(|stop| failed(cx, stop))?;
    let moments: Vec<AlertMoment> = cx.monitor.alerts(<[AlertMoment]>::to_vec);
    if page.was_active(&moments, began) {
        let why = format!("{} was active before the fault went in", page.text());
        return Err(failed(cx, cx.stop_at("detect", Verdict::Unsteady, why)));
    }
    let came = page.came(&moments, began, first);
    let in_time = came.as_ref().is_some_and(|came| came.at <= deadline);
    cx.waited(page.waited_for(), first, within, in_time);
    let Some(came) = came.filter(|_| in_time) else {
        let (verdict, seen) = page.missed(&moments, began, first, deadline, cx.sink.now(), &distance(cx).await);
        let why = format!("{} did not come within {} of the injection: {seen}", page.waited_for(), seconds(within));
        return Err(failed(cx, cx.stop_at("detect", verdict, why)));
    };
    let felt = if page.before_impact { felt_before(cx, first, came.at).await? } else { Vec::new() };
    if let Some(hit) = felt.first() {
        let late = seconds(came.at.since(hit.to));
        let slis: Vec<&str> = felt.iter().map(|hit| hit.sli.as_str()).collect();
        let (name, slis, parts) = (page.text(), slis.join(", "), in_words(&came.parts));
        let why = format!("the page {name} came {late} after users felt it ({slis}): {parts}");
        return Err(failed(cx, cx.stop_at("detect", Verdict::Late, why)));
    }
    let took = seconds(came.at.since(first));
    let mut said = format!("{} was paged for {} after {took}: {}", came.receiver, page.name(), in_words(&came.parts));
    if let Some(escalation) = &page.escalation {
        let reached = escalated(cx, seen, escalation, came.at).await?;
        said += &format!("; nobody acknowledged it, and {} was paged {} later", escalation.receiver, seconds(reached));
    }
    Ok(said)
}

/// The SLIs that had fallen until the page, whether or not the scenario asks for these.
async fn felt_before(cx: &Context<'_>, first: DrillTime, page: DrillTime) -> Result<Vec<Level>, Stop> {
    let size = cx.plan.impact.size(None);
    let known = cx.monitor.until(page.plus(cx.longest_request() + ARRIVAL), |monitor| {
        let fell = monitor.timeline(|timeline| timeline.fell(size, first, page));
        fell.map(Result::unwrap_or_default)
    });
    known.await?.ok_or_else(|| Stop::harness("there was no complete measurement until the page"))
}

/// How long after the first page the second line was paged, as it must be in time.
async fn escalated(
    cx: &Context<'_>,
    seen: &mut FaultImpact,
    escalation: &PageEscalation,
    page: DrillTime,
) -> Result<Duration, Stop> {
    let (deadline, within) = (escalation.deadline(page), Duration::from_micros(escalation.within_us));
    let reached = |moments: &[AlertMoment]| escalation.reached(moments, page);
    watch(cx, deadline.plus(SCRAPE_GRACE), seen, |_| cx.monitor.alerts(reached).is_some()).await?;
    let reached = cx.monitor.alerts(reached);
    let in_time = reached.is_some_and(|at| at <= deadline);
    cx.waited(format!("{} to page {}", escalation.alert, escalation.receiver), page, within, in_time);
    let when = match reached {
        Some(at) if in_time => return Ok(at.since(page)),
        Some(at) => format!("was paged {} too late", seconds(at.since(deadline))),
        None => "was not paged".to_string(),
    };
    let why = format!(
        "nobody acknowledged the page, and {} {when}: {} must reach it within {} of the first page",
        escalation.receiver,
        escalation.alert,
        seconds(within)
    );
    Err(cx.failed(Check::Detection, page, cx.stop_at("detect", Verdict::Unescalated, why)))
}

/// After the recovery, or where users were to feel nothing: nobody was paged for nothing, and the alert is over in time.
pub(super) async fn judge_pages(
    cx: &Context<'_>,
    Injected { began, first, .. }: Injected,
    recovered: Option<DrillTime>,
) -> Result<(), Stop> {
    let Some(page) = cx.plan.detect.page.as_ref().filter(|page| page.judges_pages() && !cx.options.control) else {
        return Ok(());
    };
    let Some(at) = recovered.or_else(|| cx.plan.impact.none.then_some(first)) else { return Ok(()) };
    let failed = |stop: Stop| cx.failed(Check::Pages, at, stop);
    let mut said = Vec::new();
    if let Some(within) = page.resolves_within_us.map(Duration::from_micros) {
        let over = cx.monitor.until(at.plus(within), |monitor| monitor.alerts(|seen| page.resolved(seen, at))).await?;
        let over = over.filter(|over| *over <= at.plus(within));
        cx.waited(format!("{} to be over", page.name()), at, within, over.is_some());
        match over {
            Some(over) => said.push(format!("{} was over {} after the recovery", page.name(), seconds(over.since(at)))),
            None => {
                let why =
                    format!("nobody was told within {} of the recovery that {} is over", seconds(within), page.name());
                return Err(failed(cx.stop_at("detect", Verdict::Late, why)));
            }
        }
    }
    if let Some(why) = cx.monitor.alerts(|seen| page.noise(seen, began)) {
        return Err(failed(cx.stop_at("detect", Verdict::Noisy, why)));
    }
    was_quiet(cx, began).map_err(failed)?;
    if let Some(alert) = cx.monitor.alerts(|seen| page.fires_unseen(seen).map(str::to_string)) {
        cx.sink.note(format!(
            "{alert} must be quiet, and fires: when the drill was judged nobody was paged for it yet (`group_wait`)"
        ));
    }
    said.push("nobody was paged for nothing".into());
    cx.decided(Check::Pages, at, CheckOutcome::Passed { evidence: said.join("; ") });
    Ok(())
}

/// How far the expression of the alert is from its threshold, as far as it is known.
async fn distance(cx: &Context<'_>) -> String {
    let Some(agent) = cx.agents.get(&AgentRole::Monitoring) else { return String::new() };
    let seen = agent.ask(AgentAsk::Look { id: ALERTS.into() }).await;
    if let Ok(AgentAnswer::InPlace { detail, .. }) = seen { detail } else { String::new() }
}
