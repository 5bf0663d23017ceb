//! The decisions about a runbook, put to it as a scenario follows it: what is still open, what has drifted, and where the
//! reading, the runbook's annotations and the scenario disagree, is said before anything is started.

use super::Respond;
use crate::runbook::{
    Command, Decision, DecisionState, Do, Handling, Review, Reviewed, Runbook, RunbookPhase, check_runs,
};
use crate::source::{Diagnostics, Severity, Source, Span, did_you_mean, list};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A choice, the way that is taken, and where that stands.
pub(super) type ChosenWay = (String, String, Span);

/// Settles what is done about each command of a runbook, and tells what a person should look at.
pub fn apply(
    runbook: &mut Runbook,
    respond: &Respond,
    chosen: &[ChosenWay],
    source: &Arc<Source>,
    diags: &mut Diagnostics,
) {
    runbook.decide(&respond.choose, diags);
    if !diags.has_errors() {
        check_runs(runbook, diags);
    }
    let accepted = runbook.accepted.clone();
    let choices = accepted.iter().flat_map(|accepted| accepted.choices()).collect::<BTreeMap<_, _>>();
    for (choice, way, span) in chosen {
        match choices.get(choice.as_str()) {
            Some(ways) if ways.contains(way.as_str()) => {}
            Some(ways) => {
                let message = format!("`{choice}` has no way `{way}`");
                let help = format!("there is {}", list(&ways.iter().collect::<Vec<_>>()));
                diags.error(source, *span, message).help(help);
            }
            None => {
                let help = match choices.is_empty() {
                    true => "the reading of the runbook has no choice; `firedrill accept` makes some".to_string(),
                    false => did_you_mean(choice, choices.keys().copied()),
                };
                diags.error(source, *span, format!("there is no choice `{choice}`")).help(help);
            }
        }
    }
    warn(runbook, &respond.phases, diags);
}

/// The commands of some phases that are blocked, in their order.
pub fn undecided<'a>(runbook: &'a Runbook, phases: &[RunbookPhase]) -> Vec<Reviewed<'a>> {
    let mut cases = runbook.review().cases;
    let is_blocked = |command: &Command| matches!(command.handling, Handling::Blocked(_));
    cases.retain(|case| phases.contains(&case.step.phase) && !case.is_skipped() && is_blocked(case.command));
    cases
}

/// Warns of what is open, of what has drifted, of decisions about commands that are gone, and of words against each other.
fn warn(runbook: &Runbook, phases: &[RunbookPhase], diags: &mut Diagnostics) {
    let path = runbook.source.path.display();
    let place = |line: usize| {
        let start = runbook.source.start(line);
        let length = runbook.source.text.get(start..).and_then(|rest| rest.lines().next()).map_or(0, str::len);
        Span::new(start, start + length)
    };
    let (open, decided): (Vec<Reviewed<'_>>, Vec<Reviewed<'_>>) =
        undecided(runbook, phases).into_iter().partition(|case| case.state == DecisionState::Open);
    for case in decided {
        let help = match case.is_decided() {
            true => "take one of the ways by `respond.choose` in the scenario".to_string(),
            false => format!("look at it, then `firedrill accept {path}`"),
        };
        let message = format!("its step will be blocked: {}", case.command.handling.why());
        diags.warning(&runbook.source, place(case.command.line), message).help(help);
    }
    if let Some(first) = open.first().map(|case| case.command) {
        let change = match open.len() {
            1 => "1 command of it changes something, or may".to_string(),
            several => format!("{several} commands of it change something, or may"),
        };
        let lines: Vec<String> = open.iter().take(8).map(|case| case.command.line.to_string()).collect();
        let lines = format!("line{} {}", if lines.len() == 1 { "" } else { "s" }, lines.join(", "));
        let message = format!("{change}, and nobody has accepted how they are followed");
        diags
            .warning(&runbook.source, place(first.line), message)
            .label(format!("{lines}: {}", first.handling.why()))
            .help(format!("`firedrill accept {path}`; until then their steps are blocked"));
    }
    let Some(accepted) = &runbook.accepted else { return };
    let Review { cases, aside, stale } = runbook.review();
    for decision in stale {
        let message = "this decision is about a command that is no longer there";
        let help = format!("`firedrill accept --prune {path}` removes it");
        diags.warning(&accepted.source, decision.span, message).help(help);
    }
    let disagree = |decision: &Decision, says: &str| {
        let decided = decision.decided.text();
        format!(
            "the reading says `{decided}` of this command, the annotation or the scenario `{says}`: it does not run"
        )
    };
    let runs = |decision: &Decision| matches!(decision.decided, Do::Run | Do::Way { .. });
    for case in cases.iter().filter(|case| case.settings().is_some_and(|settings| settings.choose == Some(true))) {
        if let Some((_, decision)) = case.decision.filter(|(_, decision)| !runs(decision)) {
            let message = disagree(decision, "choose");
            diags.warning(&runbook.source, place(case.command.line), message).help("let one of the two go");
        }
    }
    for decision in aside.into_iter().filter(|decision| runs(decision)) {
        let held = runbook.steps.iter().flat_map(|step| step.held.iter().map(move |command| (step, command)));
        let mut skipped = held.filter(|(step, command)| step.settings(command.block).skip.is_some());
        if let Some((_, command)) = skipped.find(|(_, command)| command.text == decision.command) {
            // A scenario may leave out what a drill has no use for; the reading is about every drill.
            diags.push(Severity::Info, &runbook.source, place(command.line), disagree(decision, "skip"));
        }
    }
}
