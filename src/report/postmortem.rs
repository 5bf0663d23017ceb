//! A draft of a postmortem: Markdown with the headings of the SRE book, from the record and the events of a run. What a record
//! does not tell is left to people as a question; nothing is guessed, and no sentence about a cause names a person.

use super::markdown;
use crate::output::one_line;
use crate::record::{
    Announcement, BesideNote, Counts, DrillTime, Event, FaultAfter, FaultEvent, Figures, FileRef, ImpactRecord, Record,
    RecoveryRecord, Stamped, StepRecord, StepStatus, Verdict, in_words,
};
use crate::view::format::{declared, percent, seconds};
use crate::view::{answers, clock, timeline, words};

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
    let facts = IncidentFacts { input, figures: input.record.figures() };
    let (mut out, mut unknown, mut at) = (String::new(), Vec::new(), 0);
    while let Some((start, end)) = placeholder(template, at) {
        out.push_str(template.get(at..start).unwrap_or_default());
        let name = template.get(start + 2..end - 2).unwrap_or_default().trim();
        match facts.section(name) {
            Some(text) => out.push_str(text.trim_end()),
            None => unknown.push((name.to_string(), start)),
        }
        at = end;
    }
    out.push_str(template.get(at..).unwrap_or_default());
    if unknown.is_empty() { Ok(out) } else { Err(unknown) }
}

/// The names that a template may use.
pub const POSTMORTEM_SECTIONS: [&str; 15] = [
    "title", "facts", "summary", "impact", "timeline", "trigger", "factors", "detection", "response", "resolution",
    "well", "badly", "lucky", "actions", "supporting",
];

/// From where to where the next `{{name}}` stands.
fn placeholder(template: &str, from: usize) -> Option<(usize, usize)> {
    let start = from + template.get(from..)?.find("{{")?;
    let end = start + template.get(start..)?.find("}}")? + 2;
    Some((start, end))
}

/// Text of a record inside a line, a cell or a link; a figure stays as it is.
fn prose(text: &str) -> String {
    let is_figure = text.chars().all(|c| c.is_ascii_digit() || " .%–minsh".contains(c));
    // No line begins with a part of one.
    if is_figure { text.to_string() } else { markdown::prose(text).replace("</code>&#46;", "</code>.") }
}

struct IncidentFacts<'a> {
    input: &'a PostmortemInput<'a>,
    figures: Figures,
}

impl IncidentFacts<'_> {
    fn section(&self, name: &str) -> Option<String> {
        Some(match name {
            "title" => self.plan(|plan| prose(&one_line(&plan.title))),
            "facts" => self.facts(),
            "summary" => self.summary(),
            "impact" => self.impact(),
            "timeline" => self.timeline(),
            "trigger" => self.trigger(),
            "factors" => self.factors(),
            "detection" => self.detection(),
            "response" => self.response(),
            "resolution" => self.resolution(),
            "well" => list(self.well()),
            "badly" => list(self.badly()),
            "lucky" => list(self.lucky()),
            "actions" => self.actions(),
            "supporting" => self.supporting(),
            _ => return None,
        })
    }

    fn record(&self) -> &Record {
        self.input.record
    }

    fn plan<T: Default>(&self, of: impl FnOnce(&Announcement) -> T) -> T {
        self.record().plan.as_deref().map(of).unwrap_or_default()
    }

    /// A figure with a link to the line of the first event that it rests on.
    fn link(&self, text: &str, wanted: impl Fn(&Event) -> bool) -> String {
        let event = self.input.events.iter().find(|stamped| wanted(&stamped.event));
        match event.filter(|_| !self.input.link.is_empty()) {
            // One event a line, the first has the number 0.
            Some(event) => format!("[{}]({}#L{})", prose(text), self.input.link, event.seq + 1),
            None => prose(text),
        }
    }

    fn to_impact(&self) -> Option<String> {
        Some(self.link(&seconds(self.figures.to_impact_us?), |event| matches!(event, Event::Impacted(_))))
    }

    fn to_detect(&self) -> Option<String> {
        Some(self.link(&seconds(self.figures.to_detect_us?), |event| matches!(event, Event::Detected { .. })))
    }

    fn to_mitigation(&self) -> Option<String> {
        Some(self.link(&seconds(self.figures.to_mitigation_us?), |event| matches!(event, Event::MitigationStarted)))
    }

    fn to_recover(&self) -> Option<String> {
        let all = |event: &Event| matches!(event, Event::Recovered(RecoveryRecord { sli, .. }) if sli.is_empty());
        Some(self.link(&seconds(self.figures.to_recover_us?), all))
    }

    fn verdict(&self) -> String {
        self.link(&words::headline_text(self.record()), |event| matches!(event, Event::Judged { .. }))
    }

    fn facts(&self) -> String {
        let record = self.record();
        let mut rows: Vec<(String, String)> = self.plan(|plan| {
            let day = clock::date(&plan.started_utc);
            let run = format!("{} of `{}`", plan.run, plan.scenario);
            vec![("Run".into(), prose(&run)), ("Began".into(), prose(&day))]
        });
        rows.push(("Took".into(), prose(&seconds(record.last_us.0))));
        let declared = self.plan(|plan| plan.severity.clone());
        rows.push(match words::severity(record) {
            Some((_, text)) => {
                ("Severity".into(), self.link(&text, |event| matches!(event, Event::SeverityMeasured(_))))
            }
            None => ("Severity".into(), prose(&declared.unwrap_or_else(|| "not declared".into()))),
        });
        rows.push(("Verdict".into(), self.verdict()));
        rows.extend([("Status", "draft"), ("Authors", "who?")].map(|(name, text)| (name.into(), text.into())));
        rows.extend(self.plan(|plan| {
            let role = |(role, who): &(String, Option<String>)| {
                (role.clone(), who.as_deref().map_or("open".into(), |who| prose(&one_line(who))))
            };
            plan.roles.iter().map(role).collect::<Vec<_>>()
        }));
        let rows = rows.into_iter().map(|(name, text)| vec![name, text]);
        table(&["What", "Value"], rows)
    }

    fn summary(&self) -> String {
        let record = self.record();
        let mut said = vec![format!("{} This was a drill.", self.trigger_sentence())];
        said.push(match self.to_impact() {
            Some(time) => format!("Users were hurt {time} after the fault was in place."),
            None => "No SLI fell below its threshold.".into(),
        });
        if let Some(time) = self.to_detect() {
            said.push(format!("It was detected after {time}."));
        }
        if let Some(time) = self.to_mitigation() {
            said.push(format!("The first mitigating command started after {time}."));
        }
        said.push(match (self.to_recover(), record.relapsed_us) {
            (Some(time), _) => format!("Users had recovered after {time}."),
            (None, Some(_)) => "Users recovered and lost the service again.".into(),
            (None, None) => "Users did not recover.".into(),
        });
        said.push(format!("The drill came to: {}.", self.verdict()));
        said.join(" ")
    }

    fn impact(&self) -> String {
        let bad = |counts: Counts| counts.valid.saturating_sub(counts.good);
        let share = |counts: Counts| counts.ratio().map_or("no data".into(), |ratio| percent(1.0 - ratio));
        let rows = self.figures.slis.iter().map(|sli| {
            let hurt = format!("{} of {} requests", bad(sli.during), sli.during.valid);
            let ratio = sli.during.ratio().map_or("no data".into(), percent);
            let fell =
                |event: &Event| matches!(event, Event::Impacted(ImpactRecord { sli: own, .. }) if *own == sli.sli);
            vec![
                prose(&self.record().sli_with_slo(&sli.sli)),
                percent(sli.objective),
                self.link(&hurt, fell),
                share(sli.during),
                ratio,
                sli.after.ratio().map_or("no data".into(), percent),
            ]
        });
        let mut text = table(
            &["SLI", "Objective", "Hurt", "Share of users' requests", "SLI during the incident", "SLI after it"],
            rows,
        );
        text.push_str(&format!("\n{}\n", prose(&format!("Users were hurt: {}", answers::hurt(self.record())))));
        if let Some(data) = &self.figures.data {
            let lost = data.acknowledged.saturating_sub(data.survived);
            let said = format!("{lost} of {} acknowledged writes were lost", data.acknowledged);
            text.push_str(&format!("\n{}\n", self.link(&said, |event| matches!(event, Event::ReadBack(_)))));
        }
        text
    }

    fn timeline(&self) -> String {
        let record = self.record();
        let (mut moments, omitted) = match self.input.events.is_empty() {
            true => timeline::of_record(record, MOST),
            false => timeline::timeline(record, self.input.events, MOST),
        };
        moments.extend(self.input.notes.iter().filter_map(|note| timeline::of_note(record, note)));
        moments.sort_by_key(|moment| moment.at_us);
        let rows = moments.iter().map(|moment| {
            let time = moment.at_utc.get(11..).unwrap_or(&moment.at_utc);
            let line = moment.evidence.strip_prefix("events.jsonl#seq=").and_then(|seq| seq.parse::<u64>().ok());
            let since = match line.filter(|_| !self.input.link.is_empty()) {
                Some(seq) => format!("[{}]({}#L{})", moment.since(), self.input.link, seq + 1),
                None => moment.since(),
            };
            vec![prose(time), since, prose(moment.actor), prose(&moment.what), prose(&moment.source)]
        });
        let mut text = table(&["UTC", "Since the injection", "Who", "What", "Source"], rows);
        if omitted > 0 {
            text.push_str(&format!("\n{omitted} moments are left out, commands first; they are in `events.jsonl`.\n"));
        }
        text
    }

    fn trigger_sentence(&self) -> String {
        let told = self.plan(|plan| {
            let of = |fault: &crate::record::FaultInfo| {
                let text = format!("`{}`: {}", fault.kind, one_line(&fault.summary));
                self.link(&text, |event| matches!(event, Event::Fault { fault: id, what: FaultEvent::Confirmed, .. } if *id == fault.id))
            };
            plan.faults.iter().map(of).collect::<Vec<_>>().join("; ")
        });
        format!("Firedrill injected a fault on purpose: {told}.")
    }

    fn trigger(&self) -> String {
        let seen = self.record().faults.iter().filter_map(|fault| {
            let moment = fault.life.iter().find(|moment| moment.what == FaultEvent::Confirmed)?;
            Some(format!("`{}` was in place: {}", fault.fault, one_line(&moment.detail)))
        });
        format!("{}\n\n{}", self.trigger_sentence(), list(seen.map(|text| prose(&text)).collect()))
    }

    /// Questions that the facts raise; people answer them.
    fn factors(&self) -> String {
        let record = self.record();
        let mut asked: Vec<String> = Vec::new();
        for impact in &record.impacts {
            for fault in self.plan(|plan| plan.faults.clone()) {
                asked.push(match fault.services.as_slice() {
                    [] => format!("What allowed the fault `{}` to reach the users of {}?", fault.kind, impact.sli),
                    services => format!(
                        "What allowed a fault of {} to reach the users of {}?",
                        services.iter().map(|service| format!("`{service}`")).collect::<Vec<_>>().join(", "),
                        impact.sli
                    ),
                });
            }
        }
        if self.plan(|plan| plan.detect.is_some()) && record.detected_us.is_none() {
            asked.push("What kept the alert from firing?".into());
        }
        for step in &record.steps {
            if matches!(step.status, Some(StepStatus::Failed | StepStatus::Blocked)) {
                asked.push(format!("What allowed the runbook to have the step “{}” as it is?", self.title(step)));
            }
        }
        if record.relapsed_us.is_some() {
            asked.push("What brought the fault back after users had recovered?".into());
        }
        asked.dedup();
        let whys = "  1. Why?\n  2. Why?\n  3. Why?\n  4. Why?\n  5. Why?\n";
        asked.iter().map(|question| format!("- {}\n{whys}", prose(question))).collect()
    }

    /// The condition and the page each with its own time: the drill detected what came last.
    fn detection(&self) -> String {
        let record = self.record();
        let (detect, within) = self.plan(|plan| (plan.detect.clone(), plan.windows.detect_within_us));
        let Some(asserted) = detect else {
            return "The scenario asserts no alert: whether anybody would have been called is not known.".into();
        };
        let mut said = vec![match self.to_detect() {
            Some(time) => {
                format!("{} was detected {time} after the fault was in place.", prose(&format!("`{asserted}`")))
            }
            None => format!("{} was not detected.", prose(&format!("`{asserted}`"))),
        }];
        // One that held before the fault was seen in place held from there on.
        let since = |at: DrillTime| Some(seconds(at.0.saturating_sub(record.injected_us()?.0)));
        // What was asserted is a page, beside a condition or alone.
        if let Some(page) = self.plan(|plan| plan.page.clone()).filter(|page| page.alert.is_some()) {
            let held = record.conditions.iter().filter(|change| change.holds);
            if let Some(time) = held.filter_map(|change| since(change.at_us)).next() {
                let time = self.link(&time, |event| matches!(event, Event::Condition { holds: true, .. }));
                said.push(format!("The condition on the metric held after {time}."));
            }
            let came = record.injected_us().and_then(|from| page.came(&record.alerts, from));
            said.extend(came.map(|page| prose(&format!("The page took {}.", in_words(&page.parts)))));
        }
        said.extend(within.map(|us| format!("{} were allowed.", declared(us))));
        said.join(" ")
    }

    fn title(&self, step: &StepRecord) -> String {
        self.record().step_info(&step.step).map_or_else(|| step.step.clone(), |info| one_line(&info.title))
    }

    /// What the steps took together, in microseconds.
    fn response_us(&self) -> u64 {
        self.record().steps.iter().filter_map(StepRecord::took_us).sum()
    }

    fn response(&self) -> String {
        let total = self.response_us();
        let rows = self.record().steps.iter().map(|step| {
            let took = step.took_us().filter(|_| !step.commands.is_empty());
            let share = took.filter(|_| total > 0).map(|us| percent(us as f64 / total as f64)).unwrap_or_default();
            let ended = |event: &Event| matches!(event, Event::StepEnded { step: id, .. } if *id == step.step);
            let (symbol, word) = words::step(Some(step.status));
            vec![
                prose(&self.title(step)),
                format!("{} {word}", symbol.sign()),
                took.map(|us| self.link(&seconds(us), ended)).unwrap_or_default(),
                share,
                prose(&step.reason.as_deref().map(one_line).unwrap_or_default()),
            ]
        });
        let steps = table(&["Step", "Came to", "Took", "Of the response", "Why"], rows);
        if self.record().steps.is_empty() { "No runbook was followed.".into() } else { steps }
    }

    fn resolution(&self) -> String {
        let ended = match self.to_recover() {
            Some(time) => format!("Users had recovered {time} after the fault was in place."),
            None => "Users did not recover.".into(),
        };
        format!("{ended} {}", prose(&format!("What helped: {}", answers::cured(self.record()))))
    }

    fn well(&self) -> Vec<String> {
        let record = self.record();
        let mut said = Vec::new();
        if let Some((time, within)) = self.to_detect().zip(self.plan(|plan| plan.windows.detect_within_us))
            && record.verdict != Verdict::Undetected
        {
            said.push(format!("The alert condition held after {time}; {} were allowed.", declared(within)));
        }
        let ran: Vec<_> = record.steps.iter().filter(|step| !step.commands.is_empty()).collect();
        if !ran.is_empty() && ran.iter().all(|step| step.status == Some(StepStatus::Passed)) {
            said.push(format!("Every step that ran did what it should: {}.", words::many(ran.len(), "step")));
        }
        if let (Some(recovered), Some(rto)) = (self.figures.to_recover_us, self.plan(|plan| plan.rto_us()))
            && recovered <= rto
        {
            let time = self.to_recover().unwrap_or_default();
            said.push(format!("Users had recovered after {time}; the objective is {}.", declared(rto)));
        }
        let cleared = record.faults.iter().filter(|fault| fault.after == Some(FaultAfter::ClearedByRunbook));
        said.extend(cleared.map(|fault| prose(&format!("The runbook cleared the fault `{}`.", fault.fault))));
        if !record.invariants.is_empty() && record.invariants.iter().all(|answer| answer.held) {
            said.push("Neither the fault nor the cure destroyed what the invariants watch.".into());
        }
        said
    }

    fn badly(&self) -> Vec<String> {
        let record = self.record();
        let mut said = Vec::new();
        let within = self.plan(|plan| plan.windows.detect_within_us);
        let late = self.figures.to_detect_us.zip(within).and_then(|(took, within)| took.checked_sub(within));
        match (late.filter(|late| *late > 0), self.plan(|plan| plan.detect.is_some())) {
            (Some(late), _) => said.push(format!("The alert was late by {}.", seconds(late))),
            (None, true) if record.detected_us.is_none() => said.push("The alert condition did not hold.".into()),
            _ => {}
        }
        let total = self.response_us();
        for step in &record.steps {
            let title = prose(&self.title(step));
            match step.status {
                Some(StepStatus::Failed) => said.push(format!("The step “{title}” failed.")),
                Some(StepStatus::Blocked) => said.push(format!("The step “{title}” could not be carried out.")),
                Some(StepStatus::Warned) => said.push(format!("The step “{title}” ended with a warning.")),
                _ => {}
            }
            let share = step.took_us().map_or(0.0, |us| us as f64 / total.max(1) as f64);
            if share > LONG_STEP && record.steps.len() > 1 {
                said.push(format!("The step “{title}” took {} of the response.", percent(share)));
            }
        }
        if let (Some(recovered), Some(rto)) = (self.figures.to_recover_us, self.plan(|plan| plan.rto_us()))
            && recovered > rto
        {
            said.push(format!("Users recovered {} later than the objective allows.", seconds(recovered - rto)));
        }
        if self.figures.to_recover_us.is_none() && record.impact_us().is_some() {
            said.push("Users did not recover.".into());
        }
        if record.is_understated() == Some(true) {
            said.push("The declared severity is milder than the one that was measured.".into());
        }
        let lost = record.invariants.iter().filter(|answer| !answer.held);
        said.extend(lost.map(|answer| prose(&format!("The invariant `{}` did not hold.", answer.name))));
        said
    }

    fn lucky(&self) -> Vec<String> {
        let record = self.record();
        let mut said = Vec::new();
        for fault in &record.faults {
            let text = match fault.after {
                Some(FaultAfter::EndedByItself) => "ended by itself",
                Some(FaultAfter::StillActive | FaultAfter::PartiallyActive) if record.recovered_us().is_some() => {
                    "was still active while users were served"
                }
                _ => continue,
            };
            said.push(prose(&format!("The fault `{}` {text}.", fault.fault)));
        }
        if let (Some(recovered), Some(rto)) = (self.figures.to_recover_us, self.plan(|plan| plan.rto_us()))
            && recovered <= rto
            && (rto - recovered) as f64 <= rto as f64 * CLOSE
        {
            said.push(format!("Users recovered with {} of {} to spare.", seconds(rto - recovered), declared(rto)));
        }
        if let Some(data) = self.figures.data.as_ref().filter(|data| data.is_lossy())
            && self.plan(|plan| plan.restore.as_ref().is_some_and(|restore| data.meets_rpo(restore.rpo_us)))
        {
            said.push("Data was lost, no more than the recovery point objective allows.".into());
        }
        said
    }

    fn actions(&self) -> String {
        let rows = self.input.actions.iter().map(|row| row.iter().map(|cell| prose(&one_line(cell))).collect());
        let known = table(&["Id", "What", "Type", "Owner", "Due", "State"], rows);
        match self.input.actions.is_empty() {
            true => "None in `actions.yaml` yet. What should change, who owns it, and by when?\n".into(),
            false => known,
        }
    }

    /// The files that the drill was made from, as they were then.
    fn supporting(&self) -> String {
        let row = |(what, file): (String, &FileRef)| {
            vec![
                prose(&what),
                prose(&format!("`{}`", file.path)),
                format!("`{}`", file.sha256.get(..12).unwrap_or_default()),
            ]
        };
        let files = self.record().plan.as_deref().map(Announcement::files).unwrap_or_default();
        let kept = "The run's directory holds the record, every event, logs and these files as they were:";
        format!("{kept}\n\n{}", table(&["What", "File", "SHA-256"], files.into_iter().map(row)))
    }
}

/// A list; what has no member is left to people.
fn list(said: Vec<String>) -> String {
    match said.is_empty() {
        true => "- Nothing that the record tells. What else?\n".into(),
        false => said.iter().map(|line| format!("- {line}\n")).collect(),
    }
}

fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(head.iter().map(|cell| cell.to_string()).collect());
    text.push_str(&line(vec!["---".into(); head.len()]));
    rows.into_iter().for_each(|row| text.push_str(&line(row)));
    text
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
