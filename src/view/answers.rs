//! What a reader asks first of a drill, in a sentence each and the same in every report: how long users were hurt, and what
//! cured them. What to do now stands in `advice`.

use super::clock::{clock, started};
use super::format::{percent, seconds};
use super::symbol::StatusSymbol;
use super::words::{fate, many, met, plainly, served_beside, served_between};
use crate::record::{Phase, Record, Verdict};

/// How long users were hurt, and from when to when: from the impact until they had recovered, otherwise until the faults began
/// to be undone or the drill was cut off.
pub fn hurt(record: &Record) -> String {
    let Some(from) = record.impact_us() else {
        return match record.injected_us() {
            Some(_) if record.is_unfinished() => "Not known: the run was not finished.".into(),
            Some(_) => missed(record).map_or("Not at all: no indicator fell below its threshold.".into(), |missed| {
                format!("How long was not measured: {missed}.")
            }),
            None => "Not by the drill: no fault was in place.".into(),
        };
    };
    let revert = record.phases.iter().find(|phase| phase.phase == Phase::Revert).map(|phase| phase.started_us);
    let (to, at_least, end) = match (record.recovered_us(), revert) {
        (Some(to), _) => (to, "", "when they had recovered"),
        (None, Some(to)) if record.verdict == Verdict::SelfHealed => {
            (to, "at most ", "when Firedrill began to undo the faults")
        }
        (None, Some(to)) => (to, "at least ", "when Firedrill began to undo the faults: they had not recovered"),
        (None, None) if record.alive => (record.last_us, "at least ", "and the drill is under way"),
        (None, None) => (record.last_us, "at least ", "when the drill was cut off"),
    };
    let at = |us| clock(started(record), us);
    let end = match served_between(record) {
        Some(served) => format!("when Firedrill began to undo the faults: in between {served}"),
        None => end.to_string(),
    };
    let since =
        record.injected_us().map(|fault| format!(" ({} after the fault)", seconds(from.0.saturating_sub(fault.0))));
    let took = seconds(to.0.saturating_sub(from.0));
    let first = record.impacts.iter().min_by_key(|impact| impact.impact_us);
    let first = first.filter(|impact| record.slo_of(&impact.sli).is_some());
    let first = first.map_or(String::new(), |impact| format!(" First to fall: {}.", record.sli_with_slo(&impact.sli)));
    format!("{at_least}{took}, from {}{} to {} UTC, {end}.{first}", at(from), since.unwrap_or_default(), at(to))
}

/// The SLIs that missed their objective while the fault was in place, in one sentence; at least that users noticed what they should not.
pub fn missed(record: &Record) -> Option<String> {
    record.injected_us()?;
    let slis = record.figures().slis.into_iter().filter(|sli| met(&sli.during, &sli.objective) == StatusSymbol::Bad);
    let told = slis.filter_map(|sli| {
        let (sli, is, objective) = (record.sli_with_slo(&sli.sli), sli.during.ratio()?, sli.objective);
        Some(format!("{sli} was {} (objective {})", percent(is), percent(objective)))
    });
    match told.collect::<Vec<_>>().join(", ").as_str() {
        "" => (record.verdict == Verdict::Breached).then(|| plainly(record).to_string()),
        told => Some(format!("while the fault was in place {told}")),
    }
}

/// What cured users: the mitigating steps with a command that was meant to help and had begun before they recovered, the other steps
/// with one that evidently changes something, and what became of the faults.
pub fn cured(record: &Record) -> String {
    let Some(recovered) = record.recovered_us() else {
        return match record.impact_us() {
            _ if record.is_unfinished() => "Not known: the run was not finished.".into(),
            None if missed(record).is_some() => "Not known: no recovery was waited for.".into(),
            Some(_) if record.verdict == Verdict::Breached => "Not known: no recovery was waited for.".into(),
            None => "Nothing had to: no user was hurt.".into(),
            Some(_) if record.verdict == Verdict::SelfHealed => "Not the runbook: users recovered without it.".into(),
            Some(_) if record.is_control() => "Nothing, as it must be: the control leaves the runbook out.".into(),
            Some(_) => served_between(record)
                .map_or("Nothing: users had not recovered when the drill ended.".into(), |served| {
                    format!("Nothing for good: {served}.")
                }),
        };
    };
    let faults: Vec<String> =
        record.faults.iter().map(|fault| format!("fault `{}`: {}", fault.fault, fate(record, fault).1)).collect();
    let mut faults = if faults.is_empty() { String::new() } else { format!(" {}.", capital(&faults.join("; "))) };
    faults.extend(served_beside(record).map(|beside| format!(" {}.", capital(&beside))));
    if record.verdict == Verdict::SelfHealed {
        return format!("Not the runbook: users recovered without it.{faults}");
    }
    let begun = record.mitigation_started_us.unwrap_or(recovered);
    let ran = record.steps.iter().filter(|step| !step.commands.is_empty() && step.started_us < recovered);
    let helped = ran.filter_map(|step| Some((step, record.step_info(&step.step)?))).filter(|(step, info)| {
        match (info.phase.as_str(), info.helps) {
            ("mitigate" | "rollback", helps) => helps != Some(false),
            (_, helps) => helps == Some(true) && step.started_us >= begun,
        }
    });
    let helped: Vec<String> = helped.map(|(_, info)| format!("“{}” (`{}`)", info.title, info.at)).collect();
    let after = record.figures().mitigation_to_recover_us;
    let after = after.map(|us| format!(", {} after the first of its commands began", seconds(us))).unwrap_or_default();
    match helped.as_slice() {
        [] => format!("No command that was meant to help had begun when users recovered.{faults}"),
        [one] => format!("{one}{after}.{faults}"),
        all => format!("One or more of {}: {}{after}.{faults}", many(all.len(), "step"), all.join(", ")),
    }
}

/// A text with a capital first letter.
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, record_of};

    #[test]
    fn how_long_and_what_cured() {
        let told = |story| {
            let record = record_of(story);
            format!("{story:?}\n  hurt:  {}\n  cured: {}\n", hurt(&record), cured(&record))
        };
        insta::assert_snapshot!(Story::ALL.into_iter().map(told).collect::<String>());
    }

    #[test]
    fn users_who_noticed_what_they_should_not_were_hurt() {
        let mut record = record_of(Story::NotRecovered);
        record.impacts.clear();
        record.verdict = Verdict::Breached;
        let told = hurt(&record);
        assert!(
            told.starts_with("How long was not measured: while the fault was in place availability was "),
            "{told}"
        );
        assert!(told.ends_with("(objective 99%)."), "{told}");
        assert_eq!(cured(&record), "Not known: no recovery was waited for.");
        let mut record = record_of(Story::NotRecovered);
        record.verdict = Verdict::Breached;
        assert_eq!(cured(&record), "Not known: no recovery was waited for.");
        // Only a short window of them missed its objective, or users were refused what they got.
        let mut record = record_of(Story::NoImpact);
        assert_eq!(missed(&record), None);
        record.verdict = Verdict::Breached;
        assert_eq!(hurt(&record), "How long was not measured: users noticed a fault that they should not.");
    }
}
