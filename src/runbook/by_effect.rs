//! Phases of a runbook whose headings name none: what only looks before the first change is diagnosis, what changes something
//! mitigates, what looks after the last change verifies.

use super::ids::Part;
use super::{Command, RunbookPhase, Step, phase};
use crate::programs::Kind;

/// Gives the steps their phases, where no heading names a phase in which anything could be run. A rollback of the service is a
/// mitigation then: the phase rollback takes back the steps of the runbook itself, and there are none.
pub(super) fn assign(steps: &mut [(Step, usize)], parts: &mut [Part]) {
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
    let changes = |command: &Command| command.effect().kind != Kind::Looks;
    let open: Vec<(usize, bool)> = steps
        .iter()
        .enumerate()
        .filter(|(_, (step, _))| is_open(step) && !step.commands().is_empty())
        .map(|(at, (step, _))| (at, step.commands().iter().any(changes)))
        .collect();
    let first = open.iter().position(|(_, changes)| *changes);
    let last = open.iter().rposition(|(_, changes)| *changes);
    for (index, (at, _)) in open.into_iter().enumerate() {
        let phase = match (first, last) {
            (Some(first), _) if index < first => Diagnose,
            (_, Some(last)) if index > last => Verify,
            (Some(_), Some(_)) => Mitigate,
            _ => Diagnose,
        };
        let Some((step, identity)) = steps.get_mut(at) else { continue };
        step.phase = phase;
        if let Some(part) = parts.get_mut(*identity) {
            part.phase = phase;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::runbook::parse;
    use crate::source::{Diagnostics, Source};

    const PAGE: &str = "# Payments API high error rate\n\n## Step 1: Check provider status\n\n```bash\n\
        curl -s https://status.stripe.com/api/v2/summary.json\n```\n\n## Step 2: Check recent deploys\n\n```bash\n\
        kubectl rollout history deployment/payments-api\n```\n\n## Step 3: Rollback if needed\n\n```bash\n\
        kubectl rollout undo deployment/payments-api\n```\n\n## Step 4: Check DB pool\n\n```bash\n\
        curl http://payments-api/debug/metrics | grep db_pool\n```\n";

    #[test]
    fn without_headings_of_phases_what_commands_do_decides() {
        let mut diags = Diagnostics::default();
        let runbook = parse(&Source::new("r.md", PAGE), &mut diags).unwrap();
        let steps: Vec<(&str, &str)> =
            runbook.steps.iter().map(|step| (step.phase.name(), step.title.as_str())).collect();
        assert_eq!(
            steps,
            [
                ("diagnose", "Step 1: Check provider status"),
                ("diagnose", "Step 2: Check recent deploys"),
                ("mitigate", "Step 3: Rollback if needed"),
                ("verify", "Step 4: Check DB pool"),
            ]
        );
    }
}
