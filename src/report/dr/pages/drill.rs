//! Section 3: each drill with everything that is known of it.

use super::facts;
use super::words::{clock, counts, instant, measured, span, target, verdict};
use crate::record::{InvariantTime, StepStatus};
use crate::report::Mark;
use crate::report::dr::document::{Block, Cell, Document, Tone};
use crate::report::dr::{DrReport, DrVerdict, DrillReport, InvariantRow, StepRow};
use crate::report::text::percent;
use crate::report::words;

/// Section 3.
pub fn drills(doc: &mut Document, report: &DrReport) {
    doc.heading(2, "3. The drills", "drills");
    if report.drills.is_empty() {
        return doc.para("No DR drill came to an end in this quarter.");
    }
    for (number, drill) in report.drills.iter().enumerate() {
        let control = if drill.control { " (control: without the runbook)" } else { "" };
        let title = format!("3.{} {}{control}", number + 1, drill.title);
        doc.blocks.push(Block::Opening(title, format!("drill-{}", number + 1)));
        one(doc, drill);
    }
}

fn one(doc: &mut Document, drill: &DrillReport) {
    let tone = match drill.verdict {
        DrVerdict::Pass => Tone::Good,
        DrVerdict::PassWithConditions | DrVerdict::NoVerdict => Tone::Warn,
        DrVerdict::Fail => Tone::Bad,
    };
    let said = verdict(drill.verdict, drill.expects_failure, drill.control).lines.join(" ");
    doc.alert(tone, format!("Verdict: {said}. {}", drill.basis));
    if !drill.conditions.is_empty() {
        doc.heading(4, "Conditions", "");
        doc.blocks.push(Block::List(drill.conditions.clone()));
    }
    facts::about(doc, drill);
    people(doc, drill);
    objectives(doc, drill);
    held(doc, drill);
    facts::restore(doc, drill);
    facts::data(doc, drill);
    slis(doc, drill);
    steps(doc, drill);
    timeline(doc, drill);
    facts::configuration(doc, drill);
    doc.heading(4, "Limitations", "");
    let mut limitations = drill.notes.limitations.clone();
    limitations.extend(drill.limitations.iter().cloned());
    doc.blocks.push(Block::List(limitations));
}

fn people(doc: &mut Document, drill: &DrillReport) {
    doc.heading(4, "People and roles", "");
    let rows = drill.notes.people.iter().map(|person| {
        vec![Cell::text(person.role.clone()), Cell::given(person.planned.clone()), Cell::given(person.actual.clone())]
    });
    doc.table_or(&[("Role", 34), ("Planned", 33), ("Actual", 33)], rows.collect(), "People and roles: not provided.");
}

fn objectives(doc: &mut Document, drill: &DrillReport) {
    let objectives = &drill.objectives;
    let times = &drill.times;
    doc.heading(4, "Recovery time, recovery point and the times between", "");
    let unmet = drill.control || drill.expects_failure;
    let judged = |met: Option<bool>, unknown: &str| match unmet {
        true if met != Some(true) => {
            Cell::text(if drill.control { "not applicable: a control" } else { "not applicable: expected to fail" })
        }
        _ => Cell::met(met, "met", "missed", unknown),
    };
    let actual = |us: Option<u64>, none: &str| us.map_or_else(|| Cell::text(none), |us| Cell::text(span(us)));
    let wanted = |us: Option<u64>| Cell::given(us.map(target));
    doc.table(
        &[("", 19), ("Target", 13), ("Actual", 15), ("Met", 18), ("Definition", 35)],
        vec![
            vec![
                Cell::text("Recovery time (RTO)"),
                wanted(objectives.rto_target_us),
                actual(
                    objectives.rto_us,
                    if unmet || objectives.rto_met == Some(false) { "not recovered" } else { "not measured" },
                ),
                judged(objectives.rto_met, "not measured"),
                Cell::text("first confirmed fault until users had recovered"),
            ],
            vec![
                Cell::text("Recovery point (RPO)"),
                wanted(objectives.rpo_target_us),
                actual(objectives.rpo_us, "not measured"),
                judged(objectives.rpo_met, "not measured"),
                Cell::text("first confirmed fault less the acknowledgement of the oldest lost write from before it"),
            ],
        ],
    );
    doc.table(
        &[
            ("Time to impact", 20),
            ("to detect", 20),
            ("to mitigate", 20),
            ("to recover", 20),
            ("Response to recovery", 20),
        ],
        vec![vec![
            measured(times.to_impact_us),
            measured(times.to_detect_us),
            measured(times.to_mitigate_us),
            measured(times.to_recover_us),
            measured(times.respond_to_recover_us),
        ]],
    );
}

/// How long the recovery was held and why so long, and what was not to be destroyed.
fn held(doc: &mut Document, drill: &DrillReport) {
    doc.heading(4, "Hold of the recovery, and invariants", "");
    match &drill.hold {
        Some(hold) if hold.mark == Mark::Bad => doc.alert(Tone::Bad, format!("Hold: {}.", hold.text)),
        Some(hold) => doc.para(format!("Hold: {}.", hold.text)),
        None if drill.times.to_recover_us.is_some() => doc.para("Hold: the record does not say how long was required."),
        None => doc.para("Hold: users were not held to a recovery."),
    }
    let answer = |row: &InvariantRow, time: InvariantTime| match row.answers.iter().find(|a| a.time == time) {
        Some(answer) if answer.held => Cell::toned(format!("held: {}", answer.evidence), Tone::Good),
        Some(answer) => Cell::toned(format!("did not hold: {}", answer.evidence), Tone::Bad),
        None => Cell::text(if drill.control { "not asked: a control" } else { "not asked" }),
    };
    let rows = drill.invariants.iter().map(|row| {
        vec![
            Cell::lines(vec![row.name.clone(), row.expected.clone()]),
            answer(row, InvariantTime::Steady),
            answer(row, InvariantTime::Recovered),
            answer(row, InvariantTime::Reverted),
        ]
    });
    let head =
        [("Invariant (expected)", 22), ("Before the fault", 26), ("After the recovery", 26), ("After the revert", 26)];
    doc.table_or(&head, rows.collect(), "Invariants: the scenario has none.");
}

fn slis(doc: &mut Document, drill: &DrillReport) {
    doc.heading(4, "Service level indicators", "");
    let rows = drill.slis.iter().map(|sli| {
        let budget = match (sli.budget_spent, sli.budget_events) {
            (Some(spent), Some(events)) => {
                let bad = sli.during.valid.saturating_sub(sli.during.good);
                Cell::text(format!("{:.2}% ({bad} bad of {events:.0} allowed in 30 days)", spent * 100.0))
            }
            _ => Cell::text("not derivable"),
        };
        vec![
            Cell::lines(vec![format!("{} ({})", sli.sli, percent(sli.objective)), format!("`{}`", sli.good)]),
            Cell::text(counts(sli.before)),
            Cell::text(counts(sli.during)),
            Cell::text(counts(sli.after)),
            budget,
        ]
    });
    let head = [("SLI (objective)", 22), ("Before", 18), ("During", 18), ("After", 18), ("Error budget spent", 24)];
    doc.table_or(&head, rows.collect(), "No SLI was measured.");
}

fn steps(doc: &mut Document, drill: &DrillReport) {
    doc.heading(4, "Steps of the runbook", "");
    let none = match drill.control {
        true => "This is the control: no step was carried out.",
        false => "There was no runbook.",
    };
    let head = [("Step", 37), ("Phase", 11), ("Kind", 11), ("Result", 15), ("Took", 10), ("Deviation or reason", 16)];
    doc.table_or(&head, drill.steps.iter().map(step).collect(), none);
}

fn step(step: &StepRow) -> Vec<Cell> {
    let (mark, word) = words::step(step.status.map(Some));
    let word = if step.manual && step.status == Some(StepStatus::Passed) { "done by a person" } else { word };
    let mut why = Vec::new();
    why.extend(step.replaced_by.as_ref().map(|by| format!("deviated: replaced by `{by}`")));
    why.extend(step.reason.clone());
    vec![
        Cell::lines(vec![step.title.clone(), format!("`{}`", step.at)]),
        Cell::text(step.phase.clone()),
        Cell::text(if step.manual { "manual" } else { "command" }),
        Cell::toned(word, Tone::of(mark)),
        Cell::text(step.took_us.map_or("–".into(), span)),
        Cell::lines_or(why, ""),
    ]
}

fn timeline(doc: &mut Document, drill: &DrillReport) {
    doc.heading(4, format!("Timeline, {} (UTC)", instant(&drill.started_utc).get(..10).unwrap_or_default()), "");
    let rows = drill.timeline.iter().map(|moment| {
        vec![
            Cell::toned(clock(&moment.at_utc), Tone::Instant),
            Cell::text(moment.actor),
            Cell::text(moment.what.clone()),
            Cell::text(moment.source.clone()),
            Cell::code(&moment.evidence),
        ]
    });
    let head = [("Time", 15), ("Actor", 10), ("What", 41), ("Source", 16), ("Evidence", 18)];
    doc.table_or(&head, rows.collect(), "There are no events beside the record: the timeline is not known.");
    if drill.timeline_omitted > 0 {
        doc.para(format!(
            "{} moments are left out, commands first; they are in `events.jsonl`.",
            drill.timeline_omitted
        ));
    }
}
