//! The decisions about a runbook, put to it as a scenario follows it: what is still open, what has drifted, and where the
//! reading, the runbook's annotations and the scenario disagree, is said before anything is started.

use super::Respond;
use super::respond::Chosen;
use crate::runbook::{Command, Decision, DecisionState, Do, Handling, Runbook, RunbookPhase, check_runs};
use crate::source::{Diagnostics, Level, Source, Span, did_you_mean, list};
use std::sync::Arc;

/// Settles what is done about each command of a runbook, and tells what a person should look at.
pub fn apply(
    runbook: &mut Runbook,
    respond: &Respond,
    chosen: &[Chosen],
    source: &Arc<Source>,
    diags: &mut Diagnostics,
) {
    runbook.decide(&respond.choose, diags);
    if !diags.has_errors() {
        check_runs(runbook, diags);
    }
    for (choice, way, span) in chosen {
        let accepted = runbook.accepted.as_deref();
        let choices = accepted.map(|accepted| accepted.choices()).unwrap_or_default();
        let ways = accepted.map(|accepted| accepted.ways(choice)).unwrap_or_default();
        if !choices.contains(choice.as_str()) {
            let help = match choices.is_empty() {
                true => "the reading of the runbook has no choice; `firedrill accept` makes some".to_string(),
                false => did_you_mean(choice, choices.iter().copied()),
            };
            diags.error(source, *span, format!("there is no choice `{choice}`")).help(help);
        } else if !ways.contains(&way.as_str()) {
            let message = format!("`{choice}` has no way `{way}`");
            diags.error(source, *span, message).help(format!("there is {}", list(&ways)));
        }
    }
    warn(runbook, &respond.phases, diags);
}

/// A command that nobody has decided about as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecided {
    /// Its line in the runbook, from 1.
    pub line: usize,
    /// Its column, from 1.
    pub column: usize,
    /// Its first line.
    pub text: String,
    /// Why it does not run.
    pub why: String,
    /// Whether it was decided about once, and has changed since.
    pub drifted: bool,
    /// Whether it is decided, and the scenario has not chosen its way.
    pub decided: bool,
}

/// The commands of some phases that are blocked, in their order.
pub fn undecided(runbook: &Runbook, phases: Option<&[RunbookPhase]>) -> Vec<Undecided> {
    let matched = runbook.match_decisions(runbook.accepted.as_deref());
    let mut found = Vec::new();
    for (at, index, state) in matched.commands {
        let (Some(step), Some(command)) = (runbook.steps.get(at), runbook.command(at, index)) else { continue };
        let wanted = phases.is_none_or(|phases| phases.contains(&step.phase));
        let skipped = step.settings(command.block).skip.is_some();
        if let (true, false, Handling::Blocked(why)) = (wanted, skipped, &command.handling) {
            found.push(Undecided {
                line: command.line,
                column: command.column,
                text: command.text.lines().next().unwrap_or_default().to_string(),
                why: why.clone(),
                drifted: state.decision().is_some() && !matches!(state, DecisionState::Decided(_)),
                decided: matches!(state, DecisionState::Decided(_)),
            });
        }
    }
    found.sort_by_key(|command| (command.line, command.column));
    found
}

/// Warns of what is open, of what has drifted, of decisions about commands that are gone, and of words against each other.
fn warn(runbook: &Runbook, phases: &[RunbookPhase], diags: &mut Diagnostics) {
    let path = runbook.source.path.display().to_string();
    let place = |line: usize| {
        let start = runbook.source.start(line);
        let length = runbook.source.text.get(start..).and_then(|rest| rest.lines().next()).map_or(0, str::len);
        Span::new(start, start + length)
    };
    let all = undecided(runbook, Some(phases));
    let (drifted, open): (Vec<&Undecided>, Vec<&Undecided>) = all.iter().partition(|command| command.drifted);
    let (unchosen, open): (Vec<&Undecided>, Vec<&Undecided>) = open.into_iter().partition(|command| command.decided);
    for command in unchosen {
        diags
            .warning(&runbook.source, place(command.line), format!("its step will be blocked: {}", command.why))
            .help("take one of the ways by `respond.choose` in the scenario");
    }
    for command in drifted {
        diags
            .warning(&runbook.source, place(command.line), format!("its step will be blocked: {}", command.why))
            .help(format!("look at it, then `firedrill accept {path}`"));
    }
    if let Some(first) = open.first() {
        let change = match open.len() {
            1 => "1 command of it changes something, or may".to_string(),
            several => format!("{several} commands of it change something, or may"),
        };
        let lines: Vec<String> = open.iter().take(8).map(|command| command.line.to_string()).collect();
        diags
            .warning(
                &runbook.source,
                place(first.line),
                format!("{change}, and nobody has accepted how they are followed"),
            )
            .label(format!("line{} {}: {}", if lines.len() == 1 { "" } else { "s" }, lines.join(", "), first.why))
            .help(format!("`firedrill accept {path}`; until then their steps are blocked"));
    }
    let Some(accepted) = &runbook.accepted else { return };
    let matched = runbook.match_decisions(Some(accepted));
    let stale = matched.stale.iter().filter_map(|index| accepted.decisions.get(*index));
    for decision in stale {
        diags
            .warning(&accepted.source, decision.span, "this decision is about a command that is no longer there")
            .help(format!("`firedrill accept --prune {path}` removes it"));
    }
    let disagree = |decision: &Decision, says: &str| {
        let decided = decision.decided.text();
        format!(
            "the reading says `{decided}` of this command, the annotation or the scenario `{says}`: it does not run"
        )
    };
    for (step, index, state) in &matched.commands {
        let chosen = |command: &&Command| {
            runbook.steps.get(*step).is_some_and(|step| step.settings(command.block).choose == Some(true))
        };
        let Some(command) = runbook.command(*step, *index).filter(chosen) else { continue };
        let decision = state.decision().and_then(|at| accepted.decisions.get(at));
        if let Some(decision) = decision.filter(|decision| matches!(decision.decided, Do::Skip | Do::Person)) {
            diags
                .warning(&runbook.source, place(command.line), disagree(decision, "choose"))
                .help("let one of the two go");
        }
    }
    for decision in matched.aside.iter().filter_map(|at| accepted.decisions.get(*at)) {
        let skipped = runbook.steps.iter().flat_map(|step| step.held.iter().map(move |command| (step, command)));
        let skipped = skipped.filter(|(step, command)| step.settings(command.block).skip.is_some());
        let found = skipped.map(|(_, command)| command).find(|command| command.text == decision.command);
        if let (Some(command), Do::Run | Do::Way { .. }) = (found, &decision.decided) {
            // A scenario may leave out what a drill has no use for; the reading is about every drill.
            diags.push(Level::Info, &runbook.source, place(command.line), disagree(decision, "skip"));
        }
    }
}
