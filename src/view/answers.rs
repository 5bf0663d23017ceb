//! What a reader asks first of a drill, in a sentence each and the same in every report: how long users were hurt, and what
//! cured them, by `answers.txt`. What to do now stands in `advice`.

use super::clock::{clock, started};
use super::format::{percent, seconds};
use super::symbol::StatusSymbol;
use super::words::{self, met, plainly};
use super::{answers, filters, template_lines, template_section};
use crate::output::one_line;
use crate::record::{DrillTime, Phase, Record, Verdict};
use askama::Template;

#[derive(Template)]
#[template(path = "answers.txt")]
struct AnswersText<'a> {
    record: &'a Record,
    /// Until when users were hurt at least.
    to: DrillTime,
    /// Whether that is when the faults began to be undone.
    is_before_revert: bool,
}

/// How long users were hurt, and from when to when: from the impact until they had recovered, otherwise until the faults began
/// to be undone or the drill was cut off.
pub fn hurt(record: &Record) -> String {
    answer(record, "hurt")
}

/// What cured users: the mitigating steps with a command that was meant to help and had begun before they recovered, the other steps
/// with one that evidently changes something, and what became of the faults.
pub fn cured(record: &Record) -> String {
    answer(record, "cured")
}

fn answer(record: &Record, section: &str) -> String {
    let revert = record.phases.iter().find(|phase| phase.phase == Phase::Revert).map(|phase| phase.started_us);
    let to = record.recovered_us().or(revert).unwrap_or(record.last_us);
    let lines = template_lines(&AnswersText { record, to, is_before_revert: revert.is_some() });
    template_section(&lines, section).join(" ")
}

impl AnswersText<'_> {
    fn at(&self, at: &DrillTime) -> String {
        clock(started(self.record), *at)
    }

    fn between(&self, from: &DrillTime, to: &DrillTime) -> String {
        seconds(to.0.saturating_sub(from.0))
    }

    /// The SLI that fell first, where it has an SLO.
    fn first_with_slo(&self) -> Option<String> {
        let first = self.record.impacts.iter().min_by_key(|impact| impact.impact_us)?;
        self.record.slo_of(&first.sli).map(|_| self.record.sli_with_slo(&first.sli))
    }

    /// The steps that may have cured users.
    fn helped(&self) -> Vec<String> {
        let Some(recovered) = self.record.recovered_us() else { return Vec::new() };
        let begun = self.record.mitigation_started_us.unwrap_or(recovered);
        let ran = self.record.steps.iter().filter(|step| !step.commands.is_empty() && step.started_us < recovered);
        let planned = ran.filter_map(|step| Some((step, self.record.step_info(&step.step)?)));
        let helped = planned.filter(|(step, info)| match (info.phase.as_str(), info.helps) {
            ("mitigate" | "rollback", helps) => helps != Some(false),
            (_, helps) => helps == Some(true) && step.started_us >= begun,
        });
        helped.map(|(_, info)| format!("“{}” (`{}`)", one_line(&info.title), info.at)).collect()
    }
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
