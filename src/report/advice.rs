//! What to do next, in a sentence, for each way in which a drill can end.

use crate::record::{Record, Verdict};

/// What whoever reads the report should do next; `None` where nothing needs to be done.
pub fn advice(record: &Record) -> Option<String> {
    let scenario = record.plan.as_ref().map_or("", |plan| plan.scenario.as_str());
    let runbook = record.at.as_ref().map_or("the runbook".to_string(), ToString::to_string);
    let again = format!("firedrill scenario {scenario}");
    let text = match record.verdict {
        _ if record.passed() => return None,
        // The clean-up spoiled what had come out as it should.
        verdict if verdict == record.expected() => {
            "See what the clean-up left behind; `firedrill sweep` removes what carries Firedrill's label.".into()
        }
        Verdict::Passed => format!(
            "The scenario expects `{}`, and the runbook works: change `expect`, or find out what has changed.",
            record.expected()
        ),
        Verdict::Incomplete => format!("It was cut off and says nothing: run `{again}` again."),
        Verdict::Unsteady => format!(
            "Mend the stack, the load or the objectives: users suffered before anything was broken. \
             `{again} --keep` leaves the stack up to look into."
        ),
        Verdict::NoImpact => {
            "Make the fault one that users feel, or `impact` one that they do feel: the drill proved nothing about the \
             runbook."
                .into()
        }
        Verdict::Undetected => {
            "Have the alert's condition and its deadline (`detect`) looked at: users suffered, and nobody would have been \
             told."
                .into()
        }
        Verdict::SelfHealed => {
            "Users recovered without the runbook: make the fault last, or find out what else cures it; until then the \
             drill says nothing about the runbook."
                .into()
        }
        Verdict::Breached => {
            "The stack was to bear this fault and did not: give it the redundancy, or the scenario an impact and a \
             runbook."
                .into()
        }
        Verdict::StepFailed => format!("Mend the command at {runbook}, then run `{again}`."),
        Verdict::StepBlocked => {
            format!("Give the input at {runbook} its value: `respond.vars` in the scenario, or `--var KEY=VALUE`.")
        }
        Verdict::NotRecovered => format!(
            "The runbook was followed to its end and users still suffer: a step is missing or cures something else. \
             `{again} --keep` leaves the stack up to find it."
        ),
        Verdict::NotReverted => {
            "The stack did not come back when the faults were lifted: read the logs of its containers in the run's \
             directory."
                .into()
        }
        Verdict::Leaked => "Run `firedrill sweep`: it removes what carries Firedrill's label.".into(),
        Verdict::Interrupted => format!("It was stopped and says nothing: run `{again}` again."),
        Verdict::HarnessError => format!(
            "It says nothing about the runbook: run `{again}` again on a machine with room; `firedrill doctor` says what \
             one lacks."
        ),
    };
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, record_of};

    #[test]
    fn whoever_did_not_pass_is_told_what_to_do() {
        for story in Story::ALL {
            let record = record_of(story);
            assert_eq!(advice(&record).is_none(), record.passed(), "{story:?}");
        }
        let failed = advice(&record_of(Story::StepFailed));
        assert_eq!(
            failed.as_deref(),
            Some("Mend the command at runbooks/db-pool.md:44, then run `firedrill scenario db-pool`.")
        );
        let mut left = record_of(Story::Passed);
        left.left.push("network x".into());
        assert!(advice(&left).is_some_and(|text| text.contains("sweep")));
    }
}
