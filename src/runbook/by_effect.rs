//! Phases of a runbook whose headings name none: what only looks before the first change is diagnosis, what changes something
//! mitigates, what looks after the last change verifies.

use super::{Command, RunbookPhase, Step, phase};
use crate::programs::EffectKind;

/// Gives the steps their phases, where no heading names a phase in which anything could be run. A rollback of the service is a
/// mitigation then: the phase rollback takes back the steps of the runbook itself, and there are none.
pub(super) fn assign(steps: &mut [(Step, usize)]) {
    use RunbookPhase::{Diagnose, Mitigate, Other, Rollback, Verify};
    let named = |step: &Step| matches!(step.phase, Diagnose | Mitigate | Verify) && !step.commands().is_empty();
    if steps.iter().any(|(step, _)| named(step)) {
        return;
    }
    let is_open = |step: &Step| match step.phase {
        Other => true,
        // "Step 3: Rollback if needed" is one of the steps, "Rollback" the section that takes them back.
        Rollback => phase::is_step(&step.title) && phase::of_heading(&step.title, Other) == Rollback,
        _ => false,
    };
    let changes = |command: &Command| command.effect().kind != EffectKind::Looks;
    let open = steps.iter().enumerate().filter(|(_, (step, _))| is_open(step) && !step.commands().is_empty());
    let open: Vec<(usize, bool)> = open.map(|(at, (step, _))| (at, step.commands().iter().any(changes))).collect();
    let first = open.iter().position(|(_, changes)| *changes);
    let last = open.iter().rposition(|(_, changes)| *changes);
    for (index, (at, _)) in open.into_iter().enumerate() {
        let phase = match first.zip(last) {
            Some((_, last)) if index > last => Verify,
            Some((first, _)) if index >= first => Mitigate,
            _ => Diagnose,
        };
        steps[at].0.phase = phase;
    }
}

#[cfg(test)]
mod tests {
    use crate::runbook::{Do, Runbook, Unread, parse, proposal};
    use crate::source::{Diagnostics, Source};

    /// Titles and commands of a page without headings of phases.
    const STEPS: [(&str, &str); 4] = [
        ("Step 1: Check provider status", "curl -s https://status.stripe.com/api/v2/summary.json"),
        ("Step 2: Check recent deploys", "kubectl rollout history deployment/payments-api"),
        ("Step 3: Rollback if needed", "kubectl rollout undo deployment/payments-api"),
        ("Step 4: Check DB pool", "curl http://payments-api/debug/metrics | grep db_pool"),
    ];

    fn read(step: impl Fn(&str, &str) -> String) -> Runbook {
        let steps: Vec<String> = STEPS.iter().map(|(title, command)| step(title, command)).collect();
        let page = format!("# Payments API high error rate\n\n{}", steps.join("\n"));
        parse(&Source::new("r.md", page), &mut Diagnostics::default()).expect("a runbook")
    }

    #[test]
    fn without_headings_of_phases_what_commands_do_decides() {
        let pages = [
            (read(|title, command| format!("## {title}\n\n```bash\n{command}\n```\n")), None),
            (read(|title, command| format!("## {title}\n\n```\n{command}\n```\n")), Some(Unread::Untagged)),
            (read(|title, command| format!("## {title}\n\n{command}\n")), Some(Unread::Unfenced)),
            (read(|title, command| format!("## {title}\n\n    {command}\n")), Some(Unread::Untagged)),
            (read(|title, command| format!("{title}\n\n{command}\n")), Some(Unread::Unfenced)),
            (read(|title, command| format!("{title}\n{command}\n")), Some(Unread::Unfenced)),
            (read(|title, command| format!("**{title}**\n\n{command}\n")), Some(Unread::Unfenced)),
            (read(|title, command| format!("## {title}\n\nRun `{command}`.\n")), Some(Unread::Inline)),
        ];
        for (runbook, unread) in pages {
            let page = &runbook.source.text;
            let steps: Vec<(&str, &str)> =
                runbook.steps.iter().map(|step| (step.phase.name(), step.title.as_str())).collect();
            let phases = ["diagnose", "diagnose", "mitigate", "verify"];
            assert_eq!(steps, phases.into_iter().zip(STEPS.map(|(title, _)| title)).collect::<Vec<_>>(), "{page}");
            let commands: Vec<_> = runbook.steps.iter().flat_map(|step| step.commands()).collect();
            assert_eq!(commands.iter().map(|c| c.text.as_str()).collect::<Vec<_>>(), STEPS.map(|(_, command)| command));
            assert!(commands.iter().all(|command| command.unread == unread), "{page}");
            // What only looks is proposed to run; the rollback stands under a condition.
            let proposed: Vec<_> =
                runbook.steps.iter().flat_map(|s| s.commands().iter().map(|c| proposal(c, s.phase))).collect();
            assert_eq!(proposed, [Some(Do::Run), Some(Do::Run), None, Some(Do::Run)], "{page}");
        }
    }
}
