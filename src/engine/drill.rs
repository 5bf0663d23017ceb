//! One drill from its first event to its last. The phases may stop at any point, be cancelled or panic; revert and
//! down run whatever happened, outside the token that was cancelled.

use super::announce::{DrillOptions, shown};
use super::context::{CommonContext, Context};
use super::faults::{self, inject};
use super::follow::{Opening, Operator, RunbookInputs};
use super::impact::{impact, outlast};
use super::invariants::ask_invariants;
use super::ledger::Ledger;
use super::monitor::Monitor;
use super::pages::judge_pages;
use super::recover::{Incident, Recovered, judge_severity, judge_time, note_beyond_control, recover};
use super::respond::{Responded, respond};
use super::restore::after_restore;
use super::revert::{how_it_is_kept, revert};
use super::steady::{Steady, steady, up};
use super::stop::{Shutdown, Stop, caught};
use super::stop_when::{overtime, unless_stopped};

use crate::agent::AgentClient;
use crate::record::{
    Announcement, Check, CheckOutcome, DrillTime, Event, EventSink, InvariantTime, NoteInbox, Phase, Record, RunDir,
    Verdict,
};
use crate::spec::Plan;
use crate::stack::{Stack, StackDown};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long saving the containers' logs may take.
const LOGS_WITHIN: Duration = Duration::from_secs(20);

/// How often it is looked whether somebody has noted something.
const NOTES_EVERY: Duration = Duration::from_millis(500);

/// How often it is looked what the stack uses.
const USAGE_EVERY: Duration = Duration::from_secs(5);

/// How long one such look may take, on a busy engine.
const USAGE_WITHIN: Duration = Duration::from_secs(2);

/// What is to be done, and where its files go.
pub struct Job<'a> {
    /// The checked plan.
    pub plan: &'a Plan,
    /// Its first event.
    pub announcement: Announcement,
    /// What the command line decides.
    pub options: &'a DrillOptions,
    /// Where logs go.
    pub run_dir: &'a RunDir,
    /// Who is asked for what the runbook leaves to people.
    pub person: &'a mut dyn Operator,
}

/// Runs a drill. Everything that happens is an event of `sink`; returns its record.
pub async fn run(job: Job<'_>, stack: &Arc<dyn Stack>, ledger: Ledger, sink: EventSink, shutdown: &Shutdown) -> Record {
    let Job { plan, announcement, options, run_dir, person } = job;
    let started_utc = announcement.started_utc.clone();
    sink.emit(Event::Announced(Box::new(announcement)));
    plan.objectives.notes().into_iter().for_each(|text| sink.note(text));
    let when = plan.detect.condition.as_ref().map(|(_, when)| when.text.clone());
    let (sender, injected) = unbounded_channel();
    let (in_time, times) = watch::channel(Ok(BTreeMap::new()));
    let common = CommonContext {
        plan,
        stack: stack.clone(),
        options,
        monitor: Monitor::new(sink.clone(), &plan.slis, when, options.concurrent.clone()),
        sink: sink.clone(),
        ledger,
        agents: BTreeMap::new(),
    };
    let mut cx = Context {
        common,
        started_utc,
        pumps: Vec::new(),
        injected: sender,
        sources: Vec::new(),
        times,
        irreversible: Vec::new(),
        phase_began: DrillTime::default(),
        injections: Vec::new(),
        hold: None,
        impact: None,
    };
    // On the heap, as is each long phase: inside of each other they take more than the stack of a thread in builds without optimization.
    Box::pin(async {
        let ending = CancellationToken::new();
        let course = async {
            let course = tokio::select! {
                biased;
                () = shutdown.cancel.cancelled() => Ok(Err(shutdown.interrupted())),
                stop = overtime(plan) => Ok(Err(stop)),
                course = Box::pin(caught(phases(&mut cx, person, &shutdown.cancel))) => course,
            };
            ending.cancel();
            course
        };
        let carried = faults::carry_on(injected, in_time, &ending);
        let inbox = NoteInbox::new(run_dir.path());
        let looked = caught(look_beside(&**stack, &inbox, &sink, &ending));
        let (course, carried, _) = tokio::join!(course, carried, looked);
        let panicked = |panic| Err(Stop::harness(format!("a part of Firedrill panicked: {panic}")));
        let stopped = |stop| Recovered { stop: Some(stop), ..Recovered::default() };
        let mut recovered = course.unwrap_or_else(panicked).unwrap_or_else(stopped);
        recovered.stop.iter().for_each(|stop| cx.judge(stop.clone()));
        if let (Err(stop), true) = (carried, cx.unspoiled()) {
            cx.judge(stop);
        }
        cx.sink.end_phase();
        undo_all(&mut cx, &mut recovered, run_dir, shutdown).await;
        release(&mut cx, run_dir, shutdown).await;
        conclude(cx, recovered, (run_dir, &inbox), shutdown).await
    })
    .await
}

/// Looks beside the phases, until `ending`, at what the stack uses (evidence, and what later game days plan with; never a reason to fail),
/// and takes what people note into the story. Nobody waits for a look that is under way then: an engine takes up to two seconds for
/// one, which would stand between the recovery and the revert.
async fn look_beside(stack: &dyn Stack, inbox: &NoteInbox, sink: &EventSink, ending: &CancellationToken) {
    let uses = async {
        loop {
            tokio::time::sleep(USAGE_EVERY).await;
            if let Ok(Ok(Some(usage))) = tokio::time::timeout(USAGE_WITHIN, stack.usage()).await
                && usage.containers > 0
            {
                sink.emit(Event::Usage(usage));
            }
        }
    };
    let notes = async {
        loop {
            inbox.take(sink);
            tokio::time::sleep(NOTES_EVERY).await;
        }
    };
    // The looks never end by themselves.
    let _: Option<((), ())> = ending.run_until_cancelled(async { tokio::join!(uses, notes) }).await;
}

/// Every phase up to the recovery, in order; what one came to is what the next one begins with.
async fn phases(
    cx: &mut Context<'_>,
    person: &mut dyn Operator,
    cancel: &CancellationToken,
) -> Result<Recovered, Stop> {
    cx.begin(Phase::Up);
    up(cx, cancel).await?;
    cx.begin(Phase::Steady);
    let steady = steady(cx).await?;
    let common = cx.common.clone();
    unless_stopped(common, Box::pin(broken(cx, steady, person))).await
}

/// The phases from the injection on.
async fn broken(cx: &mut Context<'_>, steady: Steady, person: &mut dyn Operator) -> Result<Recovered, Stop> {
    let Steady { session, invariants, baseline, names, running, window } = steady;
    cx.begin(Phase::Inject);
    let injected = inject(cx).await?;
    cx.begin(Phase::Impact);
    let impact = impact(cx, injected, window).await?;
    let (evidence, steady) = (impact.passed.clone().unwrap_or_default(), Some(window));
    let recovered = Recovered { evidence, steady, running, invariants, ..Recovered::default() };
    let mut incident = Incident { names, impact, responded: Responded::default(), recovered };
    if incident.impact.passed.is_none() {
        incident.recovered.stop = Box::pin(follow_and_recover(cx, &mut incident, session, person)).await.err();
    }
    let recovered = &mut incident.recovered;
    // What users are refused may be gone: that says more than that they have not recovered.
    if (recovered.stop.is_none() || recovered.refused)
        && let Err(stop) = ask_invariants(cx, &mut recovered.invariants, InvariantTime::Recovered).await
        && (recovered.stop.is_none() || stop.verdict == Verdict::Damaged)
    {
        recovered.stop = Some(stop);
    }
    if recovered.stop.is_none() {
        let at = recovered.recovery.map(|recovery| recovery.at);
        recovered.stop = judge_pages(cx, incident.impact.faults, at).await.err();
    }
    let mut data_lost = false;
    if let Some(restore) = cx.restoring() {
        data_lost = Box::pin(after_restore(cx, restore, &baseline, &mut incident)).await;
    } else {
        let late = judge_time(cx, &incident);
        incident.recovered.stop = incident.recovered.stop.or(late);
    }
    if incident.recovered.stop.is_none() {
        let never_served = cx.monitor.timeline(|timeline| timeline.never_served(incident.impact.steady));
        never_served.into_iter().for_each(|text| cx.sink.note(text));
    }
    incident.recovered.understated = judge_severity(cx, &incident, data_lost);
    Ok(incident.recovered)
}

/// The runbook, and what it comes to.
///
/// # Errors
/// Why a recovery was not looked for, or why a drill does not pass in which it was.
async fn follow_and_recover(
    cx: &mut Context<'_>,
    incident: &mut Incident,
    session: Option<(Opening, RunbookInputs)>,
    person: &mut dyn Operator,
) -> Result<(), Stop> {
    outlast(cx, &incident.impact).await?;
    if !cx.options.control && cx.plan.runbook.is_some() {
        cx.begin(Phase::Respond);
        incident.responded = Box::pin(respond(cx, &incident.impact, session, person)).await?;
    }
    let responding = cx.phase_began;
    cx.begin(Phase::Recover);
    incident.recovered.evidence = recover(cx, incident).await?;
    if let Some(stop) = incident.responded.unverified.take() {
        return Err(stop);
    }
    note_what_is_uncertain(cx, incident, responding);
    Ok(())
}

/// A pass stays one: users suffered, and recovered. The record says what is less certain: how hard the fault hit them, whether the cure has
/// destroyed data that nobody asks for, that the fault was gone before the mitigation, what a section changes that was not followed, and
/// what a process did beside the runbook or would have done after its end.
fn note_what_is_uncertain(cx: &Context<'_>, incident: &Incident, responding: DrillTime) {
    if let Some(why) = cx.impact_contention() {
        cx.sink.note(format!(
            "{why} while users began to suffer: how hard the fault hit them, and how soon that was seen, may be the doing of the others"
        ));
    }
    note_beyond_control(cx, incident, responding);
    incident.responded.gone_before.iter().for_each(|text| cx.sink.note(text));
    if let Some((_, command)) = cx.plan.unwatched_change().filter(|_| !cx.options.control) {
        let what = command.text.lines().next().unwrap_or_default();
        cx.sink.note(format!(
            "`{what}` changes data, and the scenario has no `invariants`: nobody looked whether it destroyed any"
        ));
    }
    if let Some(what) = cx.plan.destroyed().filter(|_| !cx.options.control) {
        cx.sink.note(format!(
            "`{what}` cannot be taken back, and the `invariants` tell only of what they ask for: what else it destroyed nobody saw"
        ));
    }
    if let (Some(runbook), Some(step)) = (&cx.plan.runbook, &cx.plan.left_out) {
        let does = step.commands().iter().map(|command| command.effect().kind).max().unwrap_or_default();
        cx.sink.note(format!(
            "“{}” (`{}:{}`) {} and was not followed: `respond.phases` leaves out the phase `{}`, so that nobody saw whether users are \
             served after it",
            step.title,
            shown(&runbook.source),
            step.line,
            does.words(),
            step.phase.name()
        ));
    }
    if let Some((step, what)) = &incident.responded.left_running {
        cx.sink.note(format!(
            "“{step}” left a process running (`{what}`): nobody saw what it did beside the other steps, and would have done later, as \
             those of the toolbox end with the runbook"
        ));
    }
}

/// Undoes every fault, unless there is a hurry.
async fn undo_all(cx: &mut Context<'_>, recovered: &mut Recovered, run_dir: &RunDir, shutdown: &Shutdown) {
    if shutdown.hurry.is_cancelled() {
        return;
    }
    // The logs of a process go with its containers. Before the revert begins: until then users are watched.
    if cx.plan.faults.iter().any(|planned| planned.fault.facts.process.is_some()) {
        let _ = shutdown.hurry.run_until_cancelled(save_logs(cx, run_dir)).await;
    }
    cx.begin(Phase::Revert);
    let reverted = revert(cx, recovered, &shutdown.cancel);
    if let Some(Err(panic)) = shutdown.hurry.run_until_cancelled(caught(reverted)).await {
        cx.judge(Stop::harness(format!("a part of Firedrill panicked while it undid the faults: {panic}")));
    }
    cx.sink.end_phase();
}

/// Saves the logs and closes the channels of the agents.
async fn release(cx: &mut Context<'_>, run_dir: &RunDir, shutdown: &Shutdown) {
    let _ = shutdown.hurry.run_until_cancelled(save_logs(cx, run_dir)).await;
    cx.sources.clear();
    let agents = std::mem::take(&mut cx.common.agents);
    // First, so that each channel is closed before a hurry is looked at.
    tokio::select! {
        biased;
        _ = join_all(agents.values().map(AgentClient::close)) => {}
        () = shutdown.hurry.cancelled() => {}
    }
}

/// Removes the stack, unless it is to be kept, and says what it all came to.
async fn conclude(
    mut cx: Context<'_>,
    recovered: Recovered,
    (run_dir, inbox): (&RunDir, &NoteInbox),
    shutdown: &Shutdown,
) -> Record {
    let expected = if cx.options.control { Verdict::Passed } else { cx.plan.expect };
    let unspoiled = || recovered.understated.as_ref().map_or(Verdict::Passed, |stop| stop.verdict);
    let foreseen = if cx.unspoiled() { unspoiled() } else { cx.verdict() };
    let level_as_expected = cx.restoring().is_none_or(|restore| recovered.level == Some(restore.expect));
    let as_expected = foreseen == expected && level_as_expected;
    let interrupted = shutdown.cancel.is_cancelled() || cx.verdict() == Verdict::Interrupted;
    let kept = cx.options.keep && !interrupted && !as_expected;
    let mut left = Vec::new();
    if kept {
        if let Err(error) = run_dir.write("kept", how_it_is_kept(&cx).as_bytes()) {
            cx.sink.note(format!("the run could not be marked as kept: {error}"));
        }
    } else {
        cx.begin(Phase::Down);
        left = down(&cx).await;
        cx.sink.end_phase();
    }
    cx.pumps.clear();
    inbox.take(&cx.sink);
    // Only now: whoever is interrupted, or killed, while the stack is removed has not passed.
    if shutdown.cancel.is_cancelled() && cx.verdict() != Verdict::Interrupted {
        cx.judge(shutdown.interrupted());
    }
    if cx.unspoiled() {
        let passed = || Stop::new(Verdict::Passed, recovered.evidence);
        cx.judge(recovered.stop.or(recovered.understated).unwrap_or_else(passed));
    }
    if let Some(error) = cx.sink.write_error() {
        cx.judge(Stop::harness(format!("the events could not be written to disk: {error}")));
    }
    if let Err(error) = cx.ledger.close() {
        cx.sink.note(format!("the ledger could not be closed: {error}"));
    }
    cx.sink.emit(Event::Ended { left, kept });
    cx.sink.read(Record::clone)
}

async fn down(cx: &Context<'_>) -> Vec<String> {
    let started = cx.sink.now();
    let removed = removed(&*cx.stack, "the stack").await.map(|down| {
        cx.stack_took("down", down.took);
        down.left
    });
    let outcome = match &removed {
        Ok(left) if left.is_empty() => {
            CheckOutcome::Passed { evidence: "no container, network or volume of this drill".into() }
        }
        Ok(left) => CheckOutcome::Failed { reason: format!("left behind: {}", left.join(", ")), at: None },
        Err(reason) => CheckOutcome::Error { reason: reason.clone(), at: None },
    };
    if let CheckOutcome::Failed { reason, .. } | CheckOutcome::Error { reason, .. } = &outcome {
        cx.judge(Stop::new(Verdict::Leaked, reason.clone()));
    }
    cx.decided(Check::NothingLeft, started, outcome);
    removed.unwrap_or_else(|reason| vec![reason])
}

/// Removes a stack: what is left of it, or why it could not be removed.
pub(super) async fn removed(stack: &dyn Stack, what: &str) -> Result<StackDown, String> {
    let down = caught(stack.down()).await.map_err(|panic| format!("a panic: {panic}"));
    let down = down.and_then(|down| down.map_err(|error| error.to_string()));
    down.map_err(|error| format!("{what} could not be removed: {error}; `firedrill sweep` removes it"))
}

async fn save_logs(cx: &Context<'_>, run_dir: &RunDir) {
    let redactor = cx.sink.secrets.redactor();
    let logs = run_dir.logs();
    let saved = cx.stack.save_logs(&logs, &redactor);
    // Logs are evidence, not a reason to keep a broken stack up.
    let problem = match tokio::time::timeout(LOGS_WITHIN, caught(saved)).await {
        Ok(Ok(Ok(()))) => return,
        Ok(Ok(Err(error))) => error.to_string(),
        Ok(Err(panic)) => format!("a panic: {panic}"),
        Err(_) => "it took more than 20 s".to_string(),
    };
    cx.sink.note(format!("the containers' logs could not be saved: {problem}"));
}
