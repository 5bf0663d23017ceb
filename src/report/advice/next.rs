//! What to do next, by verdict: what to do first, and then why. Honest about what the drill cannot know.

use super::restore::{restore, says_enough, too_slow};
use super::{after, followed, helping, listed};
use crate::output::one_line;
use crate::record::{Announcement, CommandRecord, DrillStatus, FaultAfter, Outcome, Record, StepStatus, Verdict};
use crate::report::answers::served_between;
use crate::report::restore::other_level;
use crate::report::text::declared;
use crate::report::words::served_beside;

/// What to do next.
pub fn next(record: &Record) -> Vec<String> {
    let Some(plan) = &record.plan else { return vec!["Look at `events.jsonl` in the run's directory.".into()] };
    let mut all = Vec::new();
    if let Some(why) = record.disturbed.as_ref().filter(|_| record.is_disturbed()) {
        all.push(format!(
            "Run it alone or on a machine with more room, or lower the load's `rate`. Do not read a verdict out of this drill: its \
             measuring was disturbed ({}).",
            one_line(why)
        ));
    } else if !record.ended || record.verdict == Verdict::Incomplete {
        all.push("Remove what it may have left behind: `firedrill sweep`.".into());
        all.push("Find out who ended the run: a time limit of the CI job, a machine out of memory.".into());
    } else if let Some(beside) = served_beside(record).filter(|_| record.outcome() == Outcome::Passed) {
        let runbook = plan.runbook_file.as_ref().map_or("the runbook", |file| file.path.as_str());
        all.push(format!(
            "End the cause in `{runbook}`, or make the drill require it with `recover: {{ cleared: true }}`: {beside}. If it is meant to work \
             around what it cannot end, a longer `recover.hold` shows more."
        ));
        return all;
    } else if record.outcome() == Outcome::Passed {
        return vec!["Nothing: the drill came out as it should.".into()];
    } else if record.expects_failure() && record.verdict != record.expected() {
        let expected = record.expected();
        all.push(format!(
            "Find out why it came out differently than the scenario expects (`{expected}`), or, if the drill should pass now, take \
             `expect` out of `{}`.",
            plan.scenario_file.path
        ));
    } else if let Some(told) = other_level(record) {
        all.push(format!(
            "Find out why the restore came to another level ({told}), or correct `expect` in `{}`.",
            plan.scenario_file.path
        ));
        all.extend(restore(record));
    } else if record.verdict == record.expected() {
        let spoilers = record.spoilers().map(|later| one_line(&later.reason)).collect::<Vec<_>>().join("; ");
        let why = match spoilers.is_empty() {
            true => String::new(),
            false => format!(" The verdict stands, the clean-up does not: {spoilers}."),
        };
        all.push(format!("Remove what was left behind: `firedrill sweep`.{why}"));
    } else {
        by_verdict(record, &mut all);
    }
    all.push(format!("Then run it again: `{}`.", again(plan)));
    all
}

/// The command that runs the same drill: by its name where that finds the file, and the control as the control.
fn again(plan: &Announcement) -> String {
    let path = one_line(&plan.scenario_file.path);
    let by_name = ["yaml", "yml"].iter().any(|end| path == format!("scenarios/{}.{end}", plan.scenario));
    let what = match by_name || path.is_empty() {
        true => one_line(&plan.scenario),
        false if path.contains(char::is_whitespace) => format!("'{path}'"),
        false => path,
    };
    format!("firedrill scenario {what}{}", if plan.control { " --control" } else { "" })
}

fn by_verdict(record: &Record, all: &mut Vec<String>) {
    let Some(plan) = &record.plan else { return };
    let runbook = plan.runbook_file.as_ref().map_or("the runbook", |file| file.path.as_str());
    let scenario = &plan.scenario_file.path;
    match record.verdict {
        Verdict::NotRecovered => not_recovered(record, runbook, all),
        Verdict::StepFailed => {
            let failed = followed(record).into_iter().find(|(_, step)| step.status == Some(StepStatus::Failed));
            let command = failed.and_then(|(_, step)| step.commands.iter().rfind(|command| !command.background));
            let checks = failed.is_some_and(|(info, _)| info.phase == "verify");
            all.push(match command {
                Some(command) if checks && command.exit != Some(127) => failed_check(record, command),
                Some(command) if command.timed_out => format!(
                    "The command at `{}` did not end in its time. Make it end, or give the step more time in the runbook \
                     (`timeout=`).",
                    command.at
                ),
                Some(command) if command.exit == Some(127) => format!(
                    "A program that `{}` calls was not found. Correct its name, or run the step where the program is \
                     (`in=` names a service).",
                    command.at
                ),
                Some(command) => format!("Correct the command at `{}`; its last lines of output say what it did not like.", command.at),
                None => format!("Correct the step in `{runbook}`."),
            });
        }
        Verdict::StepBlocked => {
            all.push(format!("Give the input a value: on the command line, or in `respond.vars` of `{scenario}`."));
            all.push(format!("If people would not know the value either, let `{runbook}` say where it comes from."));
        }
        Verdict::NoImpact => {
            all.push(format!(
                "Look whether the load in `{scenario}` reaches what the fault breaks; make the fault stronger, or allow more \
                 than {} (`impact.within`). The fault was in place and no user noticed, so the drill proved nothing about the \
                 runbook.",
                declared(plan.windows.impact_within_us)
            ));
            all.push("If users are meant not to notice, say so: `impact: none`.".into());
        }
        Verdict::Undetected => {
            let detect = plan.detect.as_deref().unwrap_or("the alert condition");
            all.push(format!(
                "Correct the alert's threshold or metric, or the copy of it in `{scenario}` (`detect`). Users suffered and nobody would \
                 have been called: `{}` did not hold in time.",
                one_line(detect)
            ));
        }
        Verdict::SelfHealed if plan.control => {
            all.push(format!(
                "Make the fault in `{scenario}` last, or come back after it was cleared (`returns`). Users recovered without the \
                 runbook as well, so the drill cannot say that the runbook helps."
            ));
        }
        Verdict::SelfHealed if record.faults.iter().any(|fault| fault.after == Some(FaultAfter::EndedByItself)) => {
            all.push(format!(
                "Give the process in `{scenario}` `returns`, so that it comes back after it has ended by itself, or `cleared_when`, so \
                 that its end counts only where the runbook has cleared it."
            ));
        }
        Verdict::SelfHealed => {
            all.push(format!(
                "Make the fault in `{scenario}` last, or come back after it was cleared (`returns`). Users had recovered before the \
                 first mitigating command, so the drill cannot say that the runbook helps."
            ));
        }
        Verdict::Unsteady => {
            all.push(
                "Look at the logs of the stack in the run's directory (`logs/`), and start the stack alone. Users were not well \
                 before anything was broken, so this says nothing about the runbook."
                    .into(),
            );
        }
        Verdict::Breached => {
            all.push(format!(
                "Look at what should have taken over: replicas, health checks, retries. `{scenario}` promises that users do not \
                 notice this fault, and they did."
            ));
        }
        Verdict::NotReverted => {
            all.push(format!(
                "Look whether the runbook changed something that the fault's undo needs. Firedrill could not bring the stack back to \
                 what it was: {}.",
                one_line(&record.reason)
            ));
        }
        Verdict::TooLate => match (restore(record), plan.rto_us()) {
            (said, _) if !said.is_empty() => all.extend(said),
            (_, rto) => all.push(too_slow(record, rto.unwrap_or(0))),
        },
        Verdict::Damaged => damaged(record, runbook, all),
        Verdict::Leaked => all.push("Remove what was left behind: `firedrill sweep`.".into()),
        Verdict::Interrupted => {
            let why = one_line(&record.reason);
            let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
            all.push(format!(
                "Let it come to its end: it was stopped{why}, and nothing was found out about the runbook."
            ));
        }
        // Both are told before it comes to the verdict.
        Verdict::Passed | Verdict::Incomplete => {}
        Verdict::HarnessError => {
            all.push(format!(
                "Look at the machine with `firedrill doctor`, and at the logs in the run's directory (`logs/`). This is no finding about \
                 the runbook: Firedrill or its environment broke ({}).",
                one_line(&record.reason)
            ));
        }
    }
}

/// A check of the runbook that did not hold although users were served.
fn failed_check(record: &Record, command: &CommandRecord) -> String {
    let helping = helping(record);
    let cure = if helping.is_empty() { "the mitigation".into() } else { listed(&helping) };
    let users = match record.recovered_us() {
        Some(_) => "Users were served again, so it may see what the indicators do not",
        None => "Whether users were served again was not seen",
    };
    format!(
        "Find out which of both is wrong: the check at `{}`, or what it checks, {cure}. {users}. Correct the check only if it asks for \
         something that nobody needs; where it needs time, let it wait (`retry`).",
        command.at
    )
}

/// An invariant did not hold: what was destroyed, and by what.
fn damaged(record: &Record, runbook: &str, all: &mut Vec<String>) {
    let lost = record.invariants.iter().rfind(|answer| !answer.held);
    let info = lost.and_then(|lost| record.plan.as_ref()?.invariants.iter().find(|info| info.name == lost.name));
    let seen = match (lost, info) {
        (Some(lost), Some(info)) => {
            let evidence = one_line(&lost.evidence);
            format!("the invariant `{}` (`{}`) did not hold {}: {evidence}", lost.name, info.at, lost.time.in_words())
        }
        _ => one_line(&record.reason),
    };
    let helping = helping(record);
    let cure = if helping.is_empty() { String::new() } else { format!(", first of all in {}", listed(&helping)) };
    all.push(format!(
        "Look in `{runbook}` for the command that destroys it, or that only makes the answers look right{cure}: {seen}."
    ));
    all.push(format!(
        "If the fault does it whatever the runbook does, let `{runbook}` repair it. If it is no loss, correct the invariant."
    ));
}

/// What became of users who had recovered and lost the service again.
fn relapsed(record: &Record, runbook: &str) -> Option<String> {
    let served = served_between(record)?;
    let still = match after(record) {
        Some((FaultAfter::StillActive | FaultAfter::PartiallyActive, _)) => " The fault was still active.",
        Some((FaultAfter::ClearedByRunbook, _)) => " The fault was gone when the recovery was seen.",
        _ => "",
    };
    let cure = helping(record);
    let cure = if cure.is_empty() { format!("`{runbook}`") } else { listed(&cure) };
    Some(format!(
        "Look how long the cure lasts: {served}, before Firedrill undid anything. A restart helps until the cause has worked again; let \
         {cure} end the cause.{still}"
    ))
}

fn not_recovered(record: &Record, runbook: &str, all: &mut Vec<String>) {
    all.extend(restore(record));
    if says_enough(record) {
        return;
    }
    if record.recovered_us().is_some() && record.plan.as_ref().is_some_and(|plan| plan.windows.recover_cleared) {
        all.push(format!(
            "Let `{runbook}` end the cause: {}. If a workaround is enough, take `cleared: true` out of `recover` in `{}`.",
            one_line(&record.reason),
            record.plan.as_ref().map_or("the scenario", |plan| plan.scenario_file.path.as_str())
        ));
        return;
    }
    if let Some(relapsed) = relapsed(record, runbook) {
        all.push(relapsed);
        return;
    }
    let helping = helping(record);
    let within = record.plan.as_ref().map_or(0, |plan| plan.windows.recover_within_us);
    match after(record) {
        Some((FaultAfter::StillActive, evidence)) => {
            let seen = if evidence.is_empty() { String::new() } else { format!(" ({})", one_line(evidence)) };
            let still = format!("The fault was still in place when the drill gave up{seen}.");
            all.push(match helping.as_slice() {
                [] => format!("Give `{runbook}` a step that removes the fault or works around it. {still}"),
                [one] => format!(
                    "Look in `{runbook}` for the command that should remove the fault or work around it. Either it is missing, or it \
                     is wrong in {}. {still}",
                    listed(&[*one])
                ),
                several => format!(
                    "Look in `{runbook}` for the command that should remove the fault or work around it. Either it is missing, or it \
                     is wrong in one of the {} mitigating steps. {still}",
                    several.len()
                ),
            });
        }
        Some((FaultAfter::ClearedByRunbook, _)) => {
            all.push("Look for what must come after: a restart, a reconnect, a queue to drain. The runbook removed the fault, and users stayed unwell.".into());
            all.push(format!("If it only takes longer, allow more than {} (`recover.within`).", declared(within)));
        }
        _ if helping.is_empty() => {
            all.push(format!("Give `{runbook}` a step that removes the fault or works around it."))
        }
        _ => all.push(format!(
            "Compare what {} did with what the fault needs; whether it was still in place is not known.",
            listed(&helping)
        )),
    }
    let by_hand: Vec<_> = followed(record)
        .into_iter()
        .filter(|(info, step)| info.manual && info.phase == "mitigate" && step.status == Some(StepStatus::Skipped))
        .collect();
    if !by_hand.is_empty() {
        all.push(format!(
            "If the cure is {}: it was skipped. If it is conditional, choose it (`steps: {{ ID: {{ choose: true }} }}`); if it is for a \
             person, give it commands or drill with `--ask`.",
            listed(&by_hand)
        ));
    }
}

/// What to do next about a drill that has no record, or whose attempts together say more than the last one.
pub fn of_status(status: DrillStatus) -> Option<&'static str> {
    match status {
        DrillStatus::Flaky => Some(
            "Compare the attempts below: what differs between them is the lead. It failed and then passed without a change, and counts as flaky, not as passed.",
        ),
        DrillStatus::NotRun => Some("It was not started, so nothing is known about its runbook today."),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, record_of};
    use crate::record::{DrillTime, InvariantInfo, InvariantRecord, InvariantTime, Phase, WindowRecord};

    fn told(record: &Record) -> String {
        next(record).join("\n")
    }

    #[test]
    fn a_verdict_that_stands_is_told_however_busy_the_machine_was() {
        let busy = Some("the runner sent requests late".to_string());
        let failed = Record { disturbed: busy, ..record_of(Story::StepFailed) };
        assert!(!told(&failed).contains("Do not read a verdict"), "{}", told(&failed));
        assert_eq!(next(&failed), next(&record_of(Story::StepFailed)));
        let mut broken = record_of(Story::HarnessError);
        broken.disturbed = Some(broken.reason.clone());
        assert!(told(&broken).contains("Do not read a verdict"), "{}", told(&broken));
    }

    #[test]
    fn every_verdict_has_advice_of_its_own() {
        let told: Vec<(Verdict, String)> = Verdict::ALL
            .into_iter()
            .map(|verdict| {
                let story = if verdict == Verdict::Passed { Story::Passed } else { Story::NotRecovered };
                (verdict, told(&Record { verdict, ..record_of(story) }))
            })
            .collect();
        for (verdict, text) in &told {
            assert_eq!(text.contains("firedrill doctor"), *verdict == Verdict::HarnessError, "{verdict}: {text}");
            assert_eq!(text.starts_with("Nothing"), *verdict == Verdict::Passed, "{verdict}: {text}");
            let first = |text: &str| text.lines().next().unwrap_or_default().to_string();
            assert!(*verdict == Verdict::Passed || !first(text).starts_with("Then run it again"), "{verdict}: {text}");
            let same = told.iter().filter(|(_, other)| first(other) == first(text));
            assert_eq!(same.count(), 1, "{verdict}: {text}");
        }
    }

    #[test]
    fn a_pass_beside_an_active_fault_says_so_in_every_format() {
        let mut record = record_of(Story::Passed);
        let (from_us, to_us) = (DrillTime(12_600_000), DrillTime(17_600_000));
        record.windows.push(WindowRecord { phase: Phase::Recover, from_us, to_us });
        for (after, word) in
            [(FaultAfter::StillActive, "still active"), (FaultAfter::PartiallyActive, "still partially active")]
        {
            record.faults[0].after = Some(after);
            let said = format!("the fault `postgres_lock` was {word}");
            let drills = crate::report::Drills::one(record.clone());
            let html = String::from_utf8(crate::report::html(&drills)).unwrap();
            let junit = String::from_utf8(crate::report::junit(&[&record])).unwrap();
            let summary = crate::report::summary(&record, None, false);
            let markdown = String::from_utf8(crate::report::markdown(&drills)).unwrap().replace('\\', "");
            let overview = crate::report::overview(&drills, false);
            for (format, text) in [("html", &html), ("junit", &junit), ("markdown", &markdown), ("overview", &overview)]
            {
                let text = text.replace("<code>", "`").replace("</code>", "`");
                let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(text.contains(&said), "{format}: {text}");
                assert!(text.contains("whether they stay served longer was not shown"), "{format}: {text}");
            }
            assert!(summary.contains("! PASSED (the fault was still active)"), "{summary}");
            assert!(!html.contains("came out as it should"), "{html}");
            let cleared = "`recover: { cleared: true }`";
            assert!(
                told(&record).contains(cleared) && told(&record).contains("for 5.00 s (the hold)"),
                "{}",
                told(&record)
            );
        }
    }

    #[test]
    fn what_was_destroyed_is_what_is_told() {
        let mut record = Record { verdict: Verdict::Damaged, ..record_of(Story::Passed) };
        let (name, value) = ("orders".to_string(), Some("73".to_string()));
        let evidence = "it wrote `73` and not `0`".to_string();
        let time = InvariantTime::Recovered;
        record.invariants.push(InvariantRecord { name: name.clone(), time, value, held: false, evidence });
        let at = crate::record::Location { path: "scenarios/db-pool.yaml".into(), line: 48 };
        let (service, run, expected) = ("db".into(), "count".into(), "0".into());
        record.plan.as_mut().unwrap().invariants.push(InvariantInfo { name, service, run, expected, at });
        let told = told(&record);
        let seen = "`orders` (`scenarios/db-pool.yaml:48`) did not hold after the recovery: it wrote `73` and not `0`";
        assert!(told.contains(seen) && told.contains("destroys it"), "{told}");
    }

    #[test]
    fn of_a_relapse_it_is_told_when_users_were_served() {
        let mut record = Record { verdict: Verdict::NotRecovered, ..record_of(Story::Passed) };
        record.relapsed_us = record.recovered_us().map(|at| DrillTime(at.0 + 7_000_000));
        let told = told(&record);
        assert!(
            told.contains("users were served for 7.00 s, from ") && told.contains("lost the service again"),
            "{told}"
        );
        assert!(crate::report::answers::hurt(&record).contains("in between users were served for 7.00 s"));
        assert!(crate::report::answers::cured(&record).starts_with("Nothing for good: users were served for 7.00 s"));
    }

    #[test]
    fn a_recovery_that_came_too_late_is_told_beside_its_objective() {
        let mut record = Record { verdict: Verdict::TooLate, ..record_of(Story::Passed) };
        record.plan.as_mut().unwrap().rto_us = Some(2_000_000);
        assert!(told(&record).starts_with("Make the recovery shorter: it took 4.00 s"), "{}", told(&record));
    }

    #[test]
    fn a_check_that_failed_may_be_right() {
        let mut record = Record { verdict: Verdict::StepFailed, ..record_of(Story::Passed) };
        let plan = record.plan.clone().unwrap();
        let id = &plan.steps.iter().find(|info| info.phase == "verify").unwrap().id;
        let step = record.steps.iter_mut().find(|step| step.step == *id).unwrap();
        step.status = Some(StepStatus::Failed);
        step.commands.iter_mut().for_each(|command| command.exit = Some(1));
        let told = told(&record);
        assert!(told.starts_with("Find out which of both is wrong") && !told.contains("Correct the command"), "{told}");
    }

    #[test]
    fn the_same_drill_is_what_is_run_again() {
        let mut record = record_of(Story::ControlRecovered);
        assert!(told(&record).ends_with("`firedrill scenario db-pool --control`."), "{}", told(&record));
        record.plan.as_mut().unwrap().scenario_file.path = "drills/my pool.yaml".into();
        assert!(told(&record).ends_with("`firedrill scenario 'drills/my pool.yaml' --control`."), "{}", told(&record));
        let mut record = record_of(Story::StepFailed);
        assert!(told(&record).ends_with("`firedrill scenario db-pool`."), "{}", told(&record));
        record.plan.as_mut().unwrap().scenario_file.path = "../shop/scenarios/db-pool.yaml".into();
        assert!(told(&record).ends_with("`firedrill scenario ../shop/scenarios/db-pool.yaml`."), "{}", told(&record));
    }

    #[test]
    fn what_stopped_a_drill_is_what_is_told() {
        let mut record = record_of(Story::Interrupted);
        record.reason = "the game day's time budget of 10 min ran out".into();
        assert!(told(&record).contains("time budget of 10 min ran out") && !told(&record).contains("signal"));
    }
}
