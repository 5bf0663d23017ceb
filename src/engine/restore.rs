//! What a DR drill looks at beside its SLIs. Before the fault: what the backup says of itself, that it can be read, the
//! content, and that the survivors of the ledger can be read. After the runbook, whatever that came to: how far the restore
//! came, level by level, and which acknowledged writes survived it. The load goes on meanwhile.

use super::context::{ARRIVAL, Context, POLL, SETTLE};
use super::monitor::shown;
use super::probe::{self, ask_probe, beside, facts, is_checksum_of_nothing, judged, kept, numbers, too_old};
use super::recover::{Incident, judge_time};
use super::stop::Stop;
use crate::record::{
    Check, CheckOutcome, ContentRecord, DataFigures, DrillTime, Event, Numbers, ReadBackRecord, RestoreLevel,
    Unaccounted, Verdict, WAIT_AFTER, WAIT_BEFORE, WriteRecord, backup_age_us, fault_of_losses, grouped, lost_since,
    micros,
};
use crate::slis::window::{Recovery, TimeSpan, Timeline};
use crate::spec::{Expectation, RestoreSpec, ServiceScript};
use std::collections::BTreeMap;
use std::time::Duration;

/// How many writes may arrive in a burst.
const IN_BURSTS: usize = 10;

/// What a DR drill compares its restore with, as it was before the fault.
#[derive(Debug, Default)]
pub(super) struct Baseline {
    /// Check of the content → what its command wrote.
    contents: BTreeMap<String, Vec<u8>>,
    /// What the backup says about itself.
    backup: BTreeMap<String, String>,
    /// Survivors that were no writes of the ledger yet, and how often a number came more than once.
    unaccounted: (Numbers, u64),
}

/// How the levels were seen.
struct Levels {
    reached: RestoreLevel,
    /// The first check that did not hold: its evidence, and its line in the scenario.
    failed: Option<(String, usize)>,
    /// Why a check could not be asked, when that was Docker's fault.
    broke: Option<Stop>,
}

impl Levels {
    /// `the restore reached L2 (the backup is restored) and failed at L3: …`.
    fn shown(&self) -> String {
        let reached = format!("the restore reached {} ({})", self.reached, self.reached.words());
        match (&self.failed, self.reached.next()) {
            (Some((evidence, _)), Some(next)) => format!("{reached} and failed at {next}: {evidence}"),
            _ => reached,
        }
    }
}

/// At the end of steady: nothing that will be judged may be broken before anything is.
pub(super) async fn before_restore(cx: &Context<'_>) -> Result<Baseline, Stop> {
    let Some(restore) = cx.restoring() else { return Ok(Baseline::default()) };
    let started = cx.sink.now();
    let seen = look_before(cx, restore).await;
    cx.waited(WAIT_BEFORE, started, whole_time(restore), seen.is_ok());
    seen
}

async fn look_before(cx: &Context<'_>, restore: &RestoreSpec) -> Result<Baseline, Stop> {
    let mut baseline = Baseline::default();
    if let Some(backup) = &restore.backup {
        let probe = &backup.probe;
        let facts = facts(&must_answer(cx, probe, "the backup does not tell of itself").await?);
        if facts.is_empty() {
            return Err(unsteady(cx, probe, "the backup does not tell of itself", "no line is `key=value`"));
        }
        baseline.backup.clone_from(&facts);
        cx.sink.emit(Event::BackupSeen { facts });
        if let Some(most) = backup.max_age {
            too_old(backup_age_us(&baseline.backup, &cx.started_utc, cx.sink.now()), most)
                .map_or(Ok(()), |why| Err(unsteady(cx, probe, "the backup is no recent one", &why)))?;
        }
    }
    for check in restore.probes.iter().filter(|check| check.level == RestoreLevel::L1) {
        let (held, evidence) = judged(&check.expected, None, &ask_probe(cx, &check.probe).await?);
        if !held {
            return Err(unsteady(cx, &check.probe, "the backup cannot be read", &evidence));
        }
    }
    // What is compared with what it wrote before the fault.
    for check in restore.probes.iter().filter(|check| check.expected == Expectation::AsBefore) {
        let what = format!("the content `{}` cannot be read", check.name);
        let stdout = must_answer(cx, &check.probe, &what).await?;
        if stdout.trim_ascii().is_empty() {
            return Err(unsteady(cx, &check.probe, &what, "it wrote nothing, so there is nothing to compare with"));
        }
        if is_checksum_of_nothing(&stdout) {
            let why = "it is the checksum of nothing: does the command before the `|` fail?";
            return Err(unsteady(cx, &check.probe, &what, why));
        }
        cx.sink.emit(Event::ContentNoted(ContentRecord { name: check.name.clone(), text: kept(&stdout) }));
        baseline.contents.insert(check.name.clone(), stdout);
    }
    baseline.unaccounted = ledger_holds(cx, restore).await?;
    Ok(baseline)
}

/// The ledger must be one: writes are acknowledged, and what was acknowledged is there as long as nothing is broken.
async fn ledger_holds(cx: &Context<'_>, restore: &RestoreSpec) -> Result<(Numbers, u64), Stop> {
    let ledger = &restore.ledger;
    let (read, broke) = read_back(cx, &ledger.survivors).await;
    broke.map_or(Ok(()), Err)?;
    let Some(survivors) = &read.survivors else {
        return Err(unsteady(cx, &ledger.survivors, "the survivors cannot be read", &read.evidence));
    };
    let judged = |write: &&WriteRecord| write.is_acknowledged() && write.ended() <= read.asked_us;
    let (acknowledged, lost, unknown) = cx.monitor.writes(|writes| {
        let ended: Numbers = writes.iter().map(|write| write.number()).collect();
        let unknown: Numbers = survivors.iter().filter(|number| !ended.contains(*number)).collect();
        let acknowledged = writes.iter().filter(judged);
        let lost = acknowledged.clone().map(|write| write.number()).filter(|number| !survivors.contains(*number));
        (acknowledged.count(), lost.collect::<Numbers>(), unknown)
    });
    if acknowledged == 0 {
        let why = format!("no answer was as `{}` says", ledger.acknowledged.text);
        return Err(unsteady(cx, &ledger.survivors, "no write was acknowledged", &why));
    }
    if let Some(first) = lost.iter().next() {
        let why = format!(
            "{} of {} are not among the survivors, the first is number {first}; is it `{{{{counter}}}}` that is read back?",
            grouped(lost.len() as u64),
            grouped(acknowledged as u64)
        );
        return Err(unsteady(cx, &ledger.survivors, "acknowledged writes are lost", &why));
    }
    // Of so many it may not be known yet how they ended; what arrives in bursts aside.
    let load = cx.plan.loads.iter().find(|load| load.name == ledger.load);
    let under_way = load.map_or(0, |load| (load.rate * load.timeout.as_secs_f64()).ceil() as usize) + IN_BURSTS;
    if let Some(first) = unknown.iter().next().filter(|_| unknown.len() > under_way) {
        let why = format!(
            "{}, the first is number {first}; filter out the rows that were there before the drill, as those of a seed",
            grouped(unknown.len() as u64)
        );
        return Err(unsteady(cx, &ledger.survivors, "there are survivors that were never sent", &why));
    }
    Ok((unknown, read.duplicates))
}

fn unsteady(cx: &Context<'_>, probe: &ServiceScript, what: &str, why: &str) -> Stop {
    let reason = format!("{what} before anything is broken: {why}");
    Stop::new(Verdict::Unsteady, reason).at(cx.in_scenario(probe.line))
}

/// What a script wrote that must succeed before anything is broken.
async fn must_answer(cx: &Context<'_>, probe: &ServiceScript, what: &str) -> Result<Vec<u8>, Stop> {
    let looked = ask_probe(cx, probe).await?;
    looked.success().map(|whole| whole.stdout.clone()).map_err(|why| unsteady(cx, probe, what, &why))
}

/// After the runbook and the recovery, whatever they came to: looks at the restore, and has the last word on a drill that
/// would pass. Whether acknowledged writes were lost.
pub(super) async fn after_restore(
    cx: &mut Context<'_>,
    restore: &RestoreSpec,
    baseline: &Baseline,
    incident: &mut Incident,
) -> bool {
    // The clock of the phases stops here: what follows belongs to none of them.
    cx.sink.end_phase();
    let started = cx.sink.now();
    let Incident { impact, recovered, .. } = &*incident;
    let levels = levels(cx, restore, baseline, (recovered.recovery, impact.steady)).await;
    let mut read = read_back(cx, &restore.ledger.survivors).await;
    let complete = ledger_is_complete(cx, &restore.ledger.load).await;
    read.0.before = Some(unaccounted(cx, baseline, &read.0));
    cx.sink.emit(Event::ReadBack(read.0.clone()));
    let asking = whole_time(restore) + cx.longest_request() + ARRIVAL + asking_users(cx);
    cx.waited(WAIT_AFTER, started, asking, complete.is_ok());
    let level = judge_level(cx, restore, &levels, recovered.stop.as_ref(), started);
    let time = judge_time(cx, incident);
    let confirmed = cx.all_injections().into_iter().map(|(_, confirmed)| confirmed);
    let fault = cx.monitor.writes(|writes| fault_of_losses(writes, &read.0, confirmed));
    let fault = fault.unwrap_or(impact.faults.last);
    let backup_age = backup_age_us(&baseline.backup, &cx.started_utc, fault);
    let served = recovered.recovery.map(|recovery| recovery.at);
    let figures =
        cx.monitor.writes(|writes| DataFigures::of(writes, &read.0, &cx.injections, fault, served, backup_age));
    let data_lost = figures.as_ref().is_some_and(DataFigures::is_lossy);
    let (lost, point) = judge_point(cx, restore, &read, complete, figures, started);
    let (stops, seen): (Vec<Stop>, _) = ([level, time, point].into_iter().flatten().collect(), levels.shown());
    let recovered = &mut incident.recovered;
    (recovered.read_back, recovered.level) = (Some(read.0), Some(levels.reached));
    recovered.evidence = format!("{}; {seen}; {lost}", recovered.evidence);
    recovered.stop = match (recovered.stop.take(), stops.first()) {
        (Some(stop), _) => Some(Stop { reason: format!("{}; {seen}", stop.reason), ..stop }),
        (None, Some(first)) if !first.disturbed => {
            let reasons: Vec<&str> = stops.iter().map(|stop| stop.reason.as_str()).collect();
            Some(Stop { reason: reasons.join("; "), ..first.clone() })
        }
        (None, first) => first.cloned(),
    };
    data_lost
}

/// L1 to L4 in order, up to the first that does not hold.
async fn levels(
    cx: &Context<'_>,
    restore: &RestoreSpec,
    baseline: &Baseline,
    users: (Option<Recovery>, TimeSpan),
) -> Levels {
    let mut seen: Vec<(RestoreLevel, &str, bool)> = Vec::new();
    let (mut failed, mut broke) = (None, None);
    let mut unasked = |stop: Stop| {
        let evidence = format!("it could not be asked: {}", stop.reason);
        broke.get_or_insert(stop);
        (false, evidence)
    };
    let reached = |seen: &[_]| RestoreLevel::reached(seen.iter().copied(), users.0.is_some());
    for level in RestoreLevel::ALL.into_iter().filter(|level| *level > RestoreLevel::L0 && *level < RestoreLevel::L5) {
        for check in restore.probes.iter().filter(|check| check.level == level) {
            // A check of the content may have the name of a level.
            let before = baseline.contents.get(&check.name).filter(|_| level == RestoreLevel::L4);
            let before = before.map(Vec::as_slice);
            let asked = ask_probe(cx, &check.probe).await.map_err(|stop| stop.at(cx.in_scenario(check.probe.line)));
            let (held, evidence) = asked.map_or_else(&mut unasked, |looked| judged(&check.expected, before, &looked));
            if !held {
                failed.get_or_insert((format!("{}: {evidence}", check.name), check.probe.line));
            }
            seen.push((level, &check.name, held));
            cx.sink.emit(Event::Probed { level, name: check.name.clone(), held, evidence });
        }
        if reached(&seen) < level {
            break;
        }
    }
    if reached(&seen) == RestoreLevel::L5 {
        let (level, name) = (RestoreLevel::L5, "users");
        let (held, evidence) = still_served(cx, users).await.unwrap_or_else(&mut unasked);
        if !held {
            failed.get_or_insert((evidence.clone(), cx.plan.line_of("recover")));
        }
        seen.push((level, name, held));
        cx.sink.emit(Event::Probed { level, name: name.to_string(), held, evidence });
    }
    Levels { reached: reached(&seen), failed, broke }
}

/// How long users may take to show that they are still served.
fn asking_users(cx: &Context<'_>) -> Duration {
    shown_within(cx) + cx.plan.recover_hold + cx.longest_request() + SETTLE
}

/// How long it takes to show that users lost the service just now; what a query tells is of the time before.
fn shown_within(cx: &Context<'_>) -> Duration {
    cx.plan.told_every() + cx.plan.impact.window
}

/// Whether every SLI still meets its objective over `recover.hold`, and nobody is refused what users got when the stack was `steady`, of any load,
/// now that everything else was asked: the window ends once it would show that users lost the service meanwhile. A longer hold of the recovery would
/// only be more tolerant here.
async fn still_served(
    cx: &Context<'_>,
    (recovery, steady): (Option<Recovery>, TimeSpan),
) -> Result<(bool, String), Stop> {
    let hold = cx.plan.recover_hold;
    let now = cx.sink.now();
    let ends = now.plus(shown_within(cx));
    let begins = DrillTime(ends.0.saturating_sub(micros(hold)));
    let since = recovery.map_or(now, |recovery| recovery.from).max(begins);
    let again = |timeline: &Timeline| timeline.held_again(hold, since, Some(steady));
    let held = cx.monitor.until(now.plus(asking_users(cx)), |monitor| monitor.timeline(again)?.ok());
    let held = held.await?.map(Ok).or_else(|| cx.monitor.timeline(again));
    if let Some(Ok(levels)) = held {
        return Ok((true, format!("every SLI still held: {}", shown(&levels))));
    }
    cx.undisturbed()?;
    match held.and_then(Result::err) {
        Some(latest) if cx.at_best(cx.sink.now(), |best| Some(again(best)?.is_ok())).await? => {
            let seen = shown(&latest);
            Err(Stop::unknown(format!("whether users kept the service that they had recovered is not known: {seen}")))
        }
        Some(latest) => {
            let seen = cx.refused(Some(steady), &latest).unwrap_or_else(|| shown(&latest));
            Ok((false, format!("users had recovered, and then lost the service again: {seen}")))
        }
        None => Err(Stop::harness("there was no complete measurement after the restore was looked at")),
    }
}

fn judge_level(
    cx: &Context<'_>,
    restore: &RestoreSpec,
    levels: &Levels,
    before: Option<&Stop>,
    started: DrillTime,
) -> Option<Stop> {
    if levels.reached == RestoreLevel::L5 {
        cx.decided(Check::RestoreLevel, started, CheckOutcome::Passed { evidence: levels.shown() });
        return None;
    }
    let line = levels.failed.as_ref().map_or_else(|| cx.plan.line_of("restore"), |(_, line)| *line);
    let stop = match (&levels.broke, &levels.failed, before) {
        (Some(broke), ..) => broke.clone(),
        (None, None, Some(stop)) if levels.reached == RestoreLevel::L4 && stop.verdict.is_harness() => {
            Stop::harness(format!("{}; whether users have recovered cannot be told: {}", levels.shown(), stop.reason))
        }
        (None, None, _) if levels.reached == RestoreLevel::L4 => {
            Stop::new(Verdict::NotRecovered, format!("{} and users had not recovered by the runbook", levels.shown()))
        }
        _ => Stop::new(Verdict::NotRecovered, levels.shown()),
    };
    let expected = if restore.expect == levels.reached { ", as the scenario expects" } else { "" };
    let stop = Stop { reason: format!("{}{expected}", stop.reason), ..stop };
    Some(cx.failed(Check::RestoreLevel, started, stop.at(cx.in_scenario(line))))
}

/// The longest time that looking at everything once can take.
fn whole_time(restore: &RestoreSpec) -> Duration {
    let scripts =
        restore.probes.iter().map(|check| &check.probe).chain(restore.backup.iter().map(|backup| &backup.probe));
    scripts.chain([&restore.ledger.survivors]).map(probe::longest).sum()
}

/// The survivors as they were read back, and why they could not be asked for, when that was Docker's fault.
type ReadBack = (ReadBackRecord, Option<Stop>);

/// Reads the survivors back.
async fn read_back(cx: &Context<'_>, survivors: &ServiceScript) -> ReadBack {
    let (asked_us, evidence) = (cx.sink.now(), String::new());
    let mut seen = ReadBackRecord { asked_us, survivors: None, duplicates: 0, evidence, before: None };
    let looked = match ask_probe(cx, survivors).await {
        Ok(looked) => looked,
        Err(stop) => {
            seen.evidence = format!("it could not be asked: {}", stop.reason);
            return (seen, Some(stop.at(cx.in_scenario(survivors.line))));
        }
    };
    seen.asked_us = looked.asked;
    match looked.success().and_then(|whole| numbers(&whole.stdout)) {
        Err(why) => seen.evidence = why,
        Ok((found, duplicates)) => {
            let count = format!("{} numbers", grouped(found.len() as u64));
            let again =
                if duplicates > 0 { format!(", {} more times than once", grouped(duplicates)) } else { "".into() };
            seen.evidence = match (found.iter().next(), found.iter().last()) {
                (Some(first), Some(last)) => format!("{count} from {first} to {last}{again}"),
                _ => count,
            };
            (seen.survivors, seen.duplicates) = (Some(found), duplicates);
        }
    }
    (seen, None)
}

/// What was there before the fault and is still there, and is no write of the ledger: what was only under way then has ended since.
fn unaccounted(cx: &Context<'_>, baseline: &Baseline, read: &ReadBackRecord) -> Unaccounted {
    let (unknown, duplicates) = &baseline.unaccounted;
    let ended: Numbers = cx.monitor.writes(|writes| writes.iter().map(|write| write.number()).collect());
    let is_there = |number: &u64| read.survivors.as_ref().is_some_and(|survivors| survivors.contains(*number));
    let still = unknown.iter().filter(|number| !ended.contains(*number) && is_there(number));
    Unaccounted { unknown: still.count() as u64, duplicates: *duplicates }
}

/// After the revert, of a restore that had passed: what was stored then and what was acknowledged since is still there. Undoing a fault brings
/// back what the runbook had done without, such as an old primary.
pub(super) async fn still_stored(cx: &Context<'_>, first: Option<&ReadBackRecord>) -> Result<(), Stop> {
    let (Some(restore), Some(first)) = (cx.restoring(), first) else { return Ok(()) };
    let at = cx.in_scenario(restore.ledger.survivors.line);
    let (mut again, mut broke) = read_back(cx, &restore.ledger.survivors).await;
    let complete = ledger_is_complete(cx, &restore.ledger.load).await;
    let (asked_us, deadline) = (again.asked_us, cx.sink.now().plus(SETTLE));
    let lost = |again: &ReadBackRecord| cx.monitor.writes(|writes| lost_since(writes, first, again));
    // What a replica does not have yet is not gone: it has until then to get what was acknowledged before it was first asked.
    while broke.is_none() && !lost(&again).is_empty() && cx.sink.now() < deadline {
        tokio::time::sleep(POLL).await;
        (again, broke) = read_back(cx, &restore.ledger.survivors).await;
        again.asked_us = asked_us;
    }
    cx.sink.emit(Event::ReadBack(again.clone()));
    broke.map_or(Ok(()), Err)?;
    if again.survivors.is_none() {
        let reason = format!("the survivors cannot be read back after the revert: {}", again.evidence);
        return Err(Stop::new(Verdict::NotReverted, reason).at(at));
    }
    let unknown = |why| Stop::harness(format!("which writes are lost after the revert cannot be told: {why}"));
    complete.map_err(unknown)?;
    let lost = lost(&again);
    let Some(number) = lost.iter().next() else { return Ok(()) };
    let count = grouped(lost.len() as u64);
    let reason = format!(
        "after the revert {count} writes are gone that were stored before it or acknowledged since, the first is number {number}: {}",
        again.evidence
    );
    Err(Stop::new(Verdict::Damaged, reason).at(at))
}

/// Waits until it is known of every write that was due by now how it ended: only then can nothing be missing from the
/// ledger that is among the survivors, or that was acknowledged before they were asked for.
async fn ledger_is_complete(cx: &Context<'_>, load: &str) -> Result<(), String> {
    let now = cx.sink.now();
    let deadline = now.plus(cx.longest_request() + ARRIVAL);
    let covered = cx.monitor.until(deadline, |monitor| {
        monitor.timeline(|timeline| timeline.covered_until(load)).filter(|until| *until >= now).map(drop)
    });
    let covered = covered.await.map_err(|stop| stop.reason)?;
    covered.ok_or_else(|| "not every write had ended in time".into())
}

/// RPO: what became of the writes in words, and why to stop.
fn judge_point(
    cx: &Context<'_>,
    restore: &RestoreSpec,
    (seen, broke): &ReadBack,
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
    if let Some(broke) = broke {
        return fail(broke.clone());
    }
    let Some(figures) = figures else {
        let reason = format!("the survivors could not be read back: {}; objective {objective}", seen.evidence);
        return fail(Stop::new(Verdict::NotRecovered, reason));
    };
    if let Err(why) = complete {
        return fail(Stop::harness(unknown(&why)));
    }
    let (evidence, rpo_us) = (lost(&figures, restore.rpo), micros(restore.rpo));
    let damaged = |what: &str| Stop::new(Verdict::Damaged, format!("{what}: {evidence}"));
    let stop = if figures.misses_rpo(rpo_us) {
        cx.stop_at("rpo", Verdict::NotRecovered, &evidence)
    } else if figures.lost_served > 0 {
        damaged("writes are lost that were acknowledged after users had recovered")
    } else if figures.brought > 0 {
        damaged("rows are there that nobody wrote, or that are there twice, and were not before the fault")
    } else if !figures.meets_rpo(rpo_us) {
        let why = "no write that survived is older than the oldest one lost, and the backup does not say when it was \
                   taken (`taken=`), or says that it is younger than that loss";
        Stop::harness(format!("{}; {evidence}", unknown(why)))
    } else {
        cx.decided(Check::RecoveryPoint, started, CheckOutcome::Passed { evidence: evidence.clone() });
        return (evidence, None);
    };
    fail(stop)
}

/// `4,021 writes acknowledged, 4,018 of them survived; lost: 3, the oldest acknowledged 0.8 s before the fault; objective 5.0 s`.
fn lost(figures: &DataFigures, rpo: Duration) -> String {
    let (oldest, objective) = beside(Duration::from_micros(figures.rpo_us), rpo);
    let number = |numbers: &Numbers| grouped(numbers.len() as u64);
    let survived = if figures.survived == figures.acknowledged { "all".to_string() } else { grouped(figures.survived) };
    let at_least = if figures.rpo_at_least { "at least " } else { "" };
    let bounded = |most| {
        let most = beside(Duration::from_micros(most), rpo).0;
        format!(
            "no write that survived is older, and the backup was taken {most} before the fault: at most that is lost, where all that it \
             held is back"
        )
    };
    let counted = |count: u64, what: &str| (count > 0).then(|| format!("{what}: {}", grouped(count)));
    let served = match figures.lost_served {
        0 => String::new(),
        served => format!(", {} of them after users had recovered", grouped(served)),
    };
    let (before, after) = (&figures.lost_before, &figures.lost_after);
    let parts = [
        Some(format!("{} writes acknowledged, {survived} of them survived", grouped(figures.acknowledged))),
        (!before.is_empty())
            .then(|| format!("lost: {}, the oldest acknowledged {at_least}{oldest} before the fault", number(before))),
        figures.rpo_at_most_us.map(bounded),
        (!after.is_empty()).then(|| format!("acknowledged after the fault and lost: {}{served}", number(after))),
        counted(figures.unacknowledged_survived.len() as u64, "never acknowledged and there"),
        counted(figures.unknown, "there and never sent"),
        counted(figures.duplicates, "there more than once"),
        Some(format!("objective {objective}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
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
