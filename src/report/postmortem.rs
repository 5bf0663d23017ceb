//! A draft of a postmortem: Markdown with the headings of the SRE book, from the record and the events of a run. What a record
//! does not tell is left to people as a question; nothing is guessed, and no sentence about a cause names a person. Sentences and
//! tables stand in `postmortem.txt`.

use super::escape;
use super::markdown;
use crate::output::one_line;
use crate::record::{
    Announcement, BesideNote, Counts, DataFigures, Event, FaultAfter, FaultEvent, Figures, ImpactRecord, Record,
    SliFigures, Stamped, StepRecord, StepStatus, Verdict, in_words,
};
use crate::view::format::{percent, seconds};
use crate::view::timeline::{self, Moment};
use crate::view::{answers, clock, filters, template_lines, template_section, words};
use askama::Template;

/// The template that is used where nobody names one of their own.
pub const POSTMORTEM_TEMPLATE: &str = include_str!("postmortem.md");
/// Moments of the timeline, at most.
const MOST: usize = 90;
/// A step that took more than this share of the response is worth a word.
const LONG_STEP: f64 = 0.5;
/// Recovered with less than this share of the objective to spare: that was close.
const CLOSE: f64 = 0.1;

/// What is known about an incident.
#[derive(Debug, Clone, Copy)]
pub struct PostmortemInput<'a> {
    /// The record of the drill.
    pub record: &'a Record,
    /// Its events; empty where `events.jsonl` is gone.
    pub events: &'a [Stamped],
    /// The notes that were written after it.
    pub notes: &'a [BesideNote],
    /// The action items: id, what, type, owner, due, state.
    pub actions: &'a [[String; 6]],
    /// Where `events.jsonl` lies, as a link finds it.
    pub link: &'a str,
}

/// A placeholder of a template that there is none of: its name and where it stands, in bytes.
pub type UnknownPlaceholder = (String, usize);

/// The draft.
///
/// # Errors
/// The placeholders of the template that are not known.
pub fn postmortem(input: &PostmortemInput<'_>, template: &str) -> Result<String, Vec<UnknownPlaceholder>> {
    let unannounced = Announcement::default();
    let record = input.record;
    let plan = record.plan.as_deref().unwrap_or(&unannounced);
    let (moments, omitted) = moments(input);
    let facts = IncidentFacts { input, record, plan, figures: record.figures(), moments, omitted };
    let sentences = template_lines(&facts);
    let (out, unknown) = filled(template, |name| Some(facts.section(name, &sentences)?.trim_end().to_string()));
    if unknown.is_empty() { Ok(out) } else { Err(unknown) }
}

/// What happened when, what people wrote down among it, and how many moments were left out.
fn moments(input: &PostmortemInput<'_>) -> (Vec<Moment>, usize) {
    let (mut moments, omitted) = timeline::timeline(input.record, input.events, MOST);
    moments.extend(input.notes.iter().filter_map(|note| timeline::of_note(input.record, note)));
    moments.sort_by_key(|moment| moment.at_us);
    (moments, omitted)
}

/// The template with each `{{name}}` filled in once: what is filled in is not looked at again. Those without a value stay as they are.
pub fn filled(template: &str, value: impl Fn(&str) -> Option<String>) -> (String, Vec<UnknownPlaceholder>) {
    let (mut out, mut unknown, mut rest) = (String::new(), Vec::new(), template);
    while let Some((before, (placeholder, after))) =
        rest.split_once("{{").and_then(|(before, found)| Some((before, found.split_once("}}")?)))
    {
        out.push_str(before);
        let (name, at) = (placeholder.trim(), template.len() - rest.len() + before.len());
        out.push_str(&value(name).unwrap_or_else(|| {
            unknown.push((name.to_string(), at));
            format!("{{{{{placeholder}}}}}")
        }));
        rest = after;
    }
    (out + rest, unknown)
}

/// The names that a template may use.
pub const POSTMORTEM_SECTIONS: [&str; 15] = [
    "title", "facts", "summary", "impact", "timeline", "trigger", "factors", "detection", "response", "resolution",
    "well", "badly", "lucky", "actions", "supporting",
];

/// Text of a record inside a line, a cell or a link; a figure stays as it is.
fn prose(text: impl AsRef<str>) -> String {
    let text = one_line(text.as_ref());
    let is_figure = text.chars().all(|c| c.is_ascii_digit() || " .%–minsh".contains(c));
    // No line begins with a part of one.
    if is_figure { text } else { escape::prose(&text).replace("</code>&#46;", "</code>.") }
}

#[derive(Template)]
#[template(path = "postmortem.txt")]
struct IncidentFacts<'a> {
    input: &'a PostmortemInput<'a>,
    record: &'a Record,
    plan: &'a Announcement,
    figures: Figures,
    moments: Vec<Moment>,
    omitted: usize,
}

impl IncidentFacts<'_> {
    fn section(&self, name: &str, sentences: &[String]) -> Option<String> {
        let own = template_section(sentences, name);
        Some(match name {
            "title" => prose(&self.plan.title),
            "trigger" => self.trigger(),
            "factors" => factors(own),
            "summary" | "detection" | "resolution" => own.join(" "),
            "well" | "badly" | "lucky" => list(own),
            "facts" | "impact" | "timeline" | "response" | "actions" | "supporting" => {
                markdown::laid_out(&own.join("\n"))
            }
            _ => return None,
        })
    }

    fn prose(&self, text: impl AsRef<str>) -> String {
        prose(text)
    }

    /// A figure with a link to the line of the first event that it rests on.
    fn link(&self, text: &str, wanted: impl Fn(&Event) -> bool) -> String {
        let event = self.input.events.iter().find(|stamped| wanted(&stamped.event));
        self.linked(prose(text), event.map(|event| event.seq))
    }

    fn linked(&self, text: String, seq: Option<u64>) -> String {
        match seq.filter(|_| !self.input.link.is_empty()) {
            // One event a line, the first has the number 0.
            Some(seq) => format!("[{text}]({}#L{})", self.input.link, seq + 1),
            None => text,
        }
    }

    /// A time from the fault on, with a link to its event.
    fn time_to(&self, what: &str) -> Option<String> {
        let figures = &self.figures;
        let (us, is_it): (_, fn(&Event) -> bool) = match what {
            "impact" => (figures.to_impact_us, |event| matches!(event, Event::Impacted(_))),
            "detect" => (figures.to_detect_us, |event| matches!(event, Event::Detected { .. })),
            "mitigation" => (figures.to_mitigation_us, |event| matches!(event, Event::MitigationStarted { .. })),
            _ => (figures.to_recover_us, |event| matches!(event, Event::Recovered(all) if all.sli.is_empty())),
        };
        Some(self.link(&seconds(us?), is_it))
    }

    fn verdict(&self) -> String {
        self.link(&words::headline_text(self.record), |event| matches!(event, Event::Judged { .. }))
    }

    fn run(&self) -> String {
        prose(format!("{} of `{}`", self.plan.run, self.plan.scenario))
    }

    fn severity(&self) -> String {
        match words::recovery_row(self.record, "severity") {
            Some(row) => self.link(&row.text, |event| matches!(event, Event::SeverityMeasured(_))),
            None => prose(self.plan.severity.as_deref().unwrap_or("not declared")),
        }
    }

    /// How many requests of an SLI were bad during the incident, of how many.
    fn bad_requests(&self, sli: &SliFigures) -> String {
        let fell = |event: &Event| matches!(event, Event::Impacted(ImpactRecord { sli: own, .. }) if *own == sli.sli);
        let Counts { good, valid } = sli.during;
        self.link(&format!("{} of {valid} requests", valid.saturating_sub(good)), fell)
    }

    fn bad_share(&self, counts: &Counts) -> String {
        counts.ratio().map_or("no data".into(), |ratio| percent(1.0 - ratio))
    }

    fn lost_writes(&self, data: &DataFigures) -> String {
        let lost = data.acknowledged.saturating_sub(data.survived);
        let said = format!("{lost} of {} acknowledged writes were lost", data.acknowledged);
        self.link(&said, |event| matches!(event, Event::ReadBack(_)))
    }

    fn time_of(&self, moment: &Moment) -> String {
        prose(moment.at_utc.get(11..).unwrap_or(&moment.at_utc))
    }

    /// Time since the injection, with a link to the line of the moment's event.
    fn since(&self, moment: &Moment) -> String {
        let seq = moment.evidence.strip_prefix("events.jsonl#seq=").and_then(|seq| seq.parse().ok());
        self.linked(moment.since.clone(), seq)
    }

    fn trigger_sentence(&self) -> String {
        let told = self.plan.faults.iter().map(|fault| {
            self.link(&format!("`{}`: {}", fault.kind, fault.summary), |event| match event {
                Event::Fault { fault: id, what, .. } => *id == fault.id && *what == FaultEvent::Confirmed,
                _ => false,
            })
        });
        let did = if self.record.injected_us().is_some() { "injected" } else { "was to inject" };
        format!("Firedrill {did} a fault on purpose: {}.", told.collect::<Vec<_>>().join("; "))
    }

    fn trigger(&self) -> String {
        let seen = self.record.faults.iter().filter_map(|fault| {
            let moment = fault.life.iter().find(|moment| moment.what == FaultEvent::Confirmed)?;
            Some(prose(format!("`{}` was in place: {}", fault.fault, moment.detail)))
        });
        format!("{}\n\n{}", self.trigger_sentence(), list(seen.collect()))
    }

    /// When the condition beside a page held; one that held before the fault was seen in place held from there on.
    fn to_condition(&self) -> Option<String> {
        self.plan.page.as_ref()?.alert.as_ref()?;
        let (held, injected) = (self.record.conditions.iter().find(|change| change.holds)?, self.record.injected_us()?);
        let time = seconds(held.at_us.0.saturating_sub(injected.0));
        Some(self.link(&time, |event| matches!(event, Event::Condition { holds: true, .. })))
    }

    fn page_took(&self) -> Option<String> {
        let page = self.plan.page.as_ref().filter(|page| page.alert.is_some())?;
        let came = page.came(&self.record.alerts, self.record.injecting_us()?, self.record.injected_us()?)?;
        Some(prose(format!("The page took {}.", in_words(&came.parts))))
    }

    /// When an alert came that had to come in a time and did, and that time.
    fn detected_in_time(&self) -> Option<(String, u64)> {
        let in_time = self.time_to("detect").zip(self.plan.windows.detect_within_us);
        in_time.filter(|_| self.record.verdict != Verdict::Undetected)
    }

    /// By how much the alert came too late.
    fn detected_late(&self) -> Option<u64> {
        let late = self.figures.to_detect_us?.checked_sub(self.plan.windows.detect_within_us?);
        late.filter(|late| *late > 0)
    }

    /// The recovery time objective, and how much of it was left or by how much it was missed.
    fn objective(&self) -> Option<(u64, Result<u64, u64>)> {
        let (recovered, rto) = self.figures.to_recover_us.zip(self.plan.rto_us())?;
        Some((rto, rto.checked_sub(recovered).ok_or(recovered.saturating_sub(rto))))
    }

    /// The same where little of it was left.
    fn close(&self) -> Option<(u64, u64)> {
        let (rto, left) = self.objective()?;
        left.ok().filter(|left| *left as f64 <= rto as f64 * CLOSE).map(|left| (rto, left))
    }

    /// How many steps ran, where all of them did what they should.
    fn ran_well(&self) -> Option<usize> {
        let ran: Vec<_> = self.record.steps.iter().filter(|step| !step.commands.is_empty()).collect();
        let well = !ran.is_empty() && ran.iter().all(|step| step.status == Some(StepStatus::Passed));
        well.then_some(ran.len())
    }

    fn every_invariant_held(&self) -> bool {
        !self.record.invariants.is_empty() && self.record.invariants.iter().all(|answer| answer.held)
    }

    fn lost_as_little_as_allowed(&self) -> bool {
        let lossy = self.figures.data.as_ref().filter(|data| data.is_lossy());
        lossy.zip(self.plan.restore.as_ref()).is_some_and(|(data, restore)| data.meets_rpo(restore.rpo_us))
    }

    /// The share of the response that a step took which is worth a word.
    fn long_share(&self, step: &StepRecord) -> Option<f64> {
        let share = step.took_us()? as f64 / self.response_us().max(1) as f64;
        Some(share).filter(|share| *share > LONG_STEP && self.record.steps.len() > 1)
    }

    fn title(&self, step: &StepRecord) -> String {
        self.record.step_info(&step.step).map_or_else(|| step.step.clone(), |info| one_line(&info.title))
    }

    /// What the steps took together, in microseconds.
    fn response_us(&self) -> u64 {
        self.record.steps.iter().filter_map(StepRecord::took_us).sum()
    }

    /// The cells of a step: what it came to, what it took, its share of the response, why.
    fn step_cells(&self, step: &StepRecord) -> String {
        let (total, took) = (self.response_us(), step.took_us().filter(|_| !step.commands.is_empty()));
        let share = took.filter(|_| total > 0).map(|us| percent(us as f64 / total as f64)).unwrap_or_default();
        let ended = |event: &Event| matches!(event, Event::StepEnded { step: id, .. } if *id == step.step);
        let took = took.map(|us| self.link(&seconds(us), ended)).unwrap_or_default();
        let info = self.record.step_info(&step.step);
        let (symbol, word) = words::step(info, Some(step.status));
        let only_looked = info.and_then(|info| info.only_looked(step.status));
        let why = prose(only_looked.or(step.reason.clone()).unwrap_or_default());
        format!("{} {word} | {took} | {share} | {why}", symbol.sign())
    }

    fn short(&self, sha256: &str) -> String {
        sha256.chars().take(12).collect()
    }
}

/// Questions that the facts raise; people answer them.
fn factors(mut asked: Vec<String>) -> String {
    asked.dedup();
    let whys = "  1. Why?\n  2. Why?\n  3. Why?\n  4. Why?\n  5. Why?\n";
    asked.iter().map(|question| format!("- {}\n{whys}", prose(question))).collect()
}

/// A list; what has no member is left to people.
fn list(said: Vec<String>) -> String {
    match said.is_empty() {
        true => "- Nothing that the record tells. What else?\n".into(),
        false => said.iter().map(|line| format!("- {line}\n")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, events_of, record_of};

    fn draft(story: Story) -> String {
        let (record, events) = (record_of(story), events_of(story));
        let actions =
            [["A-1", "Let the pool refuse | early", "prevent", "Team Checkout", "2026-12-01", "open"]
                .map(String::from)];
        let input =
            PostmortemInput { record: &record, events: &events, notes: &[], actions: &actions, link: "r/events.jsonl" };
        postmortem(&input, POSTMORTEM_TEMPLATE).unwrap()
    }

    #[test]
    fn a_draft_has_the_headings_of_the_book_and_links_its_figures() {
        insta::assert_snapshot!(draft(Story::Passed));
        let failed = draft(Story::StepFailed);
        assert!(failed.contains("failed.") && failed.contains("What allowed the runbook"), "{failed}");
        assert!(draft(Story::NotRecovered).contains("Users did not recover."));
        let cut_off = draft(Story::Killed);
        assert!(cut_off.contains("The run was not finished") && !cut_off.contains("did not recover"), "{cut_off}");
    }

    #[test]
    fn where_none_fell_below_a_threshold_the_slis_that_missed_their_objective_are_told() {
        let mut record = record_of(Story::NotRecovered);
        record.impacts.clear();
        let input = PostmortemInput { record: &record, events: &[], notes: &[], actions: &[], link: "" };
        let text = postmortem(&input, "{{summary}}").unwrap();
        assert!(text.contains("While the fault was in place availability was "), "{text}");
        assert!(!text.contains("No SLI fell"), "{text}");
    }

    #[test]
    fn every_link_leads_to_the_line_of_an_event() {
        let (text, events) = (draft(Story::Passed), events_of(Story::Passed));
        let lines: Vec<u64> = text
            .split("r/events.jsonl#L")
            .skip(1)
            .map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap())
            .collect();
        assert!(lines.len() > 10);
        assert!(lines.iter().all(|line| events.iter().any(|event| event.seq + 1 == *line)));
    }

    #[test]
    fn a_template_of_ones_own_is_filled_in_and_a_wrong_name_is_told() {
        let record = record_of(Story::Passed);
        let input = PostmortemInput { record: &record, events: &[], notes: &[], actions: &[], link: "" };
        let made = postmortem(&input, "# {{ title }}\n{{summary}}\n").unwrap();
        assert!(made.starts_with("# Checkout runs out"), "{made}");
        assert!(!made.contains("]("), "without events there is nothing to link to");
        assert_eq!(postmortem(&input, "x {{who}}"), Err(vec![("who".into(), 2)]));
        assert_eq!(postmortem(&input, "{{open").unwrap(), "{{open");
        for name in POSTMORTEM_SECTIONS {
            assert!(postmortem(&input, &format!("{{{{{name}}}}}")).is_ok(), "{name}");
        }
    }
}
