//! Up: the stack is started and healthy, and every agent is connected. Steady: load runs, every SLI meets its objective over `steady.for`, and the alert condition does not hold.

use super::commands::begin_commands;
use super::context::{Context, seconds};
use super::follow::{Opening, RunbookInputs, usual_place};
use super::invariants::{InvariantValues, ask_invariants};
use super::monitor::{Monitor, shown};
use super::pages::{start_alerts, was_quiet};
use super::restore::{Baseline, before_restore};
use super::stop::Stop;
use crate::agent::AgentClient;
use crate::agent::ability::Ability;
use crate::agent::client::ClockOffset;
use crate::agent::machine::MachineWatch;
use crate::agent::protocol::AgentMessage;
use crate::agent::source::EventMaker;
use crate::agent::toxiproxy::ToxiproxyApi;
use crate::agent::watch::MetricWatch;
use crate::load::{Ca, LoadSpec, check_ca};
use crate::record::{Check, CheckOutcome, ClockRecord, Event, InvariantTime, Phase, StackRecord, Verdict};
use crate::shell::Shell;
use crate::slis::window::{TimeSpan, Timeline};
use crate::spec::sources;
use crate::stack::{AgentRole, NetworkNames, Stack, TOXIPROXY_PORT};
use futures_util::future::try_join_all;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// How often the metrics page of the alert condition is scraped.
const SCRAPE_EVERY: Duration = Duration::from_millis(500);

/// What the steady phase hands on to the phases after it.
pub(super) struct Steady {
    /// The session of the runbook, where one is followed, and what is known of its inputs.
    pub session: Option<(Opening, RunbookInputs)>,
    /// What the commands of the invariants wrote.
    pub invariants: InvariantValues,
    /// What a DR drill compares its restore with.
    pub baseline: Baseline,
    /// The names that the hosts of the load had.
    pub names: NetworkNames,
    /// How many containers of each service ran.
    pub running: BTreeMap<String, usize>,
    /// The window in which every SLI met its objective.
    pub window: TimeSpan,
}

pub(super) async fn steady(cx: &mut Context<'_>) -> Result<Steady, Stop> {
    let begun = cx.sink.now();
    (cx.sources, ()) = tokio::try_join!(start_load(cx), start_alerts(cx))?;
    let cx = &*cx;
    // As long as nobody watches the alerts none of them is quiet.
    let started = if cx.plan.alerts.is_some() { cx.sink.now() } else { begun };
    let session = open_session(cx).await?;
    let within = cx.plan.steady_for + cx.plan.steady_within + cx.longest_request();
    let window = cx.plan.steady_for;
    let (condition, page) = (cx.plan.detect.condition.is_some(), cx.plan.detect.page.as_ref());
    let quiet = |monitor: &Monitor| {
        let alert = monitor.condition();
        // A page that could not be asked is no quiet alert.
        let holds_not = !condition || (alert.sampled.is_some() && !alert.holds && alert.readable);
        holds_not && page.is_none_or(|page| monitor.alerts(|seen| !page.is_active(seen)))
    };
    let deadline = started.plus(within);
    let met = cx.monitor.until(deadline, |monitor| {
        monitor.timeline(|timeline| timeline.steady(window, started)?.ok()).filter(|_| quiet(monitor))
    });
    let met = met.await?;
    let what = format!("every SLI to meet its objective over {}", seconds(window));
    cx.waited(what, started, within, met.is_some());
    if let Some(levels) = met {
        let window = cx.window_held(Phase::Steady, &levels);
        was_quiet(cx, cx.sink.now()).map_err(|stop| cx.failed(Check::Steady, started, stop))?;
        let evidence = shown(&levels);
        let baseline = before_restore(cx).await.map_err(|stop| cx.failed(Check::Steady, started, stop))?;
        let mut invariants = InvariantValues::new();
        let asked = ask_invariants(cx, &mut invariants, InvariantTime::Steady).await;
        asked.map_err(|stop| cx.failed(Check::Steady, started, stop))?;
        let names = cx.names_of_hosts().await.map_err(|error| cx.failed(Check::Steady, started, error.into()))?;
        let running = cx.running().await;
        cx.decided(Check::Steady, started, CheckOutcome::Passed { evidence });
        return Ok(Steady { session, invariants, baseline, names, running, window });
    }
    let at_best = |best: &Timeline| Some(best.steady(window, started)?.is_ok());
    let stop = if quiet(&cx.monitor) && cx.at_best(deadline, at_best).await? {
        Stop::unknown(format!("whether users are served before anything is broken is not known: {}", why_unsteady(cx)))
    } else {
        cx.stop_at("steady", Verdict::Unsteady, why_unsteady(cx))
    };
    Err(cx.failed(Check::Steady, started, stop))
}

async fn start_load(cx: &Context<'_>) -> Result<Vec<AbortOnDropHandle<()>>, Stop> {
    let agent = cx.drill_agent()?;
    let mut made_here = Vec::new();
    let mut loads = trusting(cx).await?;
    // A control restores nothing, and keeps no ledger.
    if let Some(restore) = cx.restoring() {
        let ledger = &restore.ledger;
        for load in loads.iter_mut().filter(|load| load.name == ledger.load) {
            load.acknowledged = Some(ledger.acknowledged.clone());
        }
    }
    agent.ask(MachineWatch {}.ask("machine")).await?;
    for source in sources(&loads, &cx.plan.own_sources) {
        match &source.made_by {
            EventMaker::Script(script) => made_here.push(begin_commands(cx, &source, script)?),
            EventMaker::Agent(ask) => {
                let ask = ask(&cx.plan.slis, cx.options.seed, &|service| cx.stack.environment(service));
                drop(agent.ask(ask.map_err(Stop::harness)?).await?);
            }
        }
    }
    if let Some((url, when)) = &cx.plan.detect.condition {
        let watch = MetricWatch { url: url.clone(), every: SCRAPE_EVERY, when: when.clone() };
        agent.ask(watch.ask("alert")).await?;
    }
    Ok(made_here)
}

/// The loads, each with the certificate authority that it trusts: one that the stack made at its start is read now.
async fn trusting(cx: &Context<'_>) -> Result<Vec<LoadSpec>, Stop> {
    let mut loads = cx.plan.loads.clone();
    for load in &mut loads {
        let at = cx.in_scenario(cx.plan.line_of("load"));
        if let Some(ca) = &load.ca {
            let pem = authority(&*cx.stack, ca).await.map_err(|stop| stop.at(at))?;
            load.ca = Some(Ca::Pem { pem });
        }
    }
    Ok(loads)
}

/// The certificates of an authority, in PEM.
async fn authority(stack: &dyn Stack, ca: &Ca) -> Result<String, Stop> {
    let (service, path) = match ca {
        Ca::Pem { pem } => return Ok(pem.clone()),
        Ca::Service { service, path } => (service, path),
    };
    let pem = String::from_utf8_lossy(&stack.read_file(service, path).await?).into_owned();
    check_ca(&pem)
        .map_err(|reason| Stop::harness(format!("`{path}` of `{service}` is no certificate authority: {reason}")))?;
    Ok(pem)
}

/// Begins to open the session of the runbook, so that nobody waits for it later.
async fn open_session(cx: &Context<'_>) -> Result<Option<(Opening, RunbookInputs)>, Stop> {
    let Some(runbook) = cx.plan.runbook.as_ref().filter(|_| !cx.options.control) else { return Ok(None) };
    let place = usual_place(&cx.plan.respond);
    let channel = cx.stack.shell(&place).await?;
    let tools = cx.stack.tools(&place, &cx.sink.secrets);
    let mut inputs = RunbookInputs::new(runbook, &cx.plan.respond);
    if let Some(ca) = &cx.plan.respond.trust {
        let at = cx.in_scenario(cx.plan.line_of("respond"));
        inputs.trust(&authority(&*cx.stack, ca).await.map_err(|stop| stop.at(at))?);
    }
    let vars = inputs.env();
    let opening = tokio::spawn(async move { Shell::open(channel, &vars, tools).await });
    Ok(Some((AbortOnDropHandle::new(opening), inputs)))
}

fn why_unsteady(cx: &Context<'_>) -> String {
    let (alert, levels) = (cx.monitor.condition(), cx.shown_with_answers(&cx.latest(cx.plan.steady_for)));
    if let Some(page) = cx.plan.detect.page.as_ref().filter(|page| cx.monitor.alerts(|seen| page.is_active(seen))) {
        return format!("the alert {} is active before anything was broken; {levels}", page.name());
    }
    if let Some((_, when)) = &cx.plan.detect.condition {
        if alert.holds {
            // An alert that fires with good reason, and one that always does: the SLIs tell them apart.
            return format!("the alert condition `{}` holds before anything was broken; {levels}", when.text);
        }
        if let (false, Some(error)) = (alert.readable, &alert.error) {
            return format!("the alert condition `{}` cannot be asked: {error}", when.text);
        }
    }
    levels
}

pub(super) async fn up(cx: &mut Context<'_>, cancel: &CancellationToken) -> Result<(), Stop> {
    let started = cx.sink.now();
    start(cx, cancel).await.map_err(|stop| cx.failed(Check::Steady, started, stop))
}

async fn start(cx: &mut Context<'_>, cancel: &CancellationToken) -> Result<(), Stop> {
    let up = cx.stack.up(cancel).await?;
    cx.stack_took("build", up.build_took);
    if !up.pull_took.is_zero() {
        cx.stack_took("pull", up.pull_took);
    }
    cx.stack_took("up", up.up_took);
    cx.stack_took("healthy", up.healthy_took);
    cx.sink.emit(Event::StackUp(StackRecord { project: up.project, images: up.images, localhost: up.localhost }));
    let proxies = cx.plan.stack.interposed.keys().map(|service| AgentRole::Proxy { service: service.clone() });
    let monitoring = cx.plan.alerts.is_some().then_some(AgentRole::Monitoring);
    let roles: Vec<AgentRole> = [AgentRole::Drill].into_iter().chain(proxies).chain(monitoring).collect();
    let opened = try_join_all(roles.iter().map(|role| open(cx, role))).await?;
    for (role, (agent, messages)) in roles.into_iter().zip(opened) {
        cx.pumps.push(cx.monitor.pump(&role, agent.clone(), messages));
        cx.common.agents.insert(role.clone(), agent.clone());
        if let AgentRole::Proxy { service } = role
            && cx.plan.stack.toxiproxy.contains(&service)
        {
            let api = ToxiproxyApi { service, port: TOXIPROXY_PORT, clients: cx.stack.services() };
            agent.ask(api.ask("toxiproxy")).await?;
        }
    }
    Ok(())
}

/// Connects an agent: the agent, and what it says.
async fn open(cx: &Context<'_>, role: &AgentRole) -> Result<(AgentClient, Receiver<AgentMessage>), Stop> {
    let channel = cx.stack.connect(role).await?;
    let sink = cx.sink.clone();
    let connected = AgentClient::open(role.name(), channel, move || sink.now().0).await?;
    let ClockOffset { offset_us, rtt_us } = connected.0.offset();
    cx.sink.emit(Event::ClockOffset(ClockRecord { agent: role.name(), offset_us, rtt_us }));
    Ok(connected)
}
