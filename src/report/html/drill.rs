//! The section of one drill: each of its attempts, the telling one open.

use super::axis::axis;
use super::budget::Context;
use super::markup::Markup;
use super::restore;
use super::runbook::runbook;
use super::samples::Samples;
use super::signals::signals;
use super::tables;
use super::words::{self, badge};
use crate::output::one_line;
use crate::record::{Attempt, Cause, DrillStatus, Figures, Record, is_run_id};
use crate::report::Entry;
use crate::report::text::seconds;

/// The section of a drill. A drill that passed is folded, unless it is the only one.
pub fn drill<'a>(m: &mut Markup, entry: &Entry<'a>, id: &str, alone: bool, context: &mut Context<'a>) {
    let open = alone || entry.status != DrillStatus::Passed;
    let attrs: &[(&'static str, &str)] = if open { &[("class", "drill"), ("open", "")] } else { &[("class", "drill")] };
    m.el("details", attrs, |m| {
        m.el("summary", &[], |m| {
            m.leaf("h3", &[], &entry.name());
            m.fixed(" ");
            badge(m, entry.mark(), entry.status.name());
            m.leaf("span", &[("class", "title")], &one_line(entry.title));
        });
        // A link leads here, and a browser opens what it leads into.
        m.el("div", &[("id", id), ("class", "body"), ("tabindex", "-1")], |m| {
            if let Some(why) = entry.planned.and_then(|planned| planned.not_run.as_deref()) {
                m.el("p", &[], |m| {
                    m.fixed("Not started: ").text(&one_line(why));
                });
            }
            let several = entry.attempts.len() > 1;
            let short = context.is_short(entry.status != DrillStatus::Passed);
            let telling = entry.record();
            for (at, (attempt, record)) in entry.attempts.iter().enumerate() {
                let id = format!("{id}-{}", at + 1);
                let tells = record.is_some_and(|record| telling.is_some_and(|telling| std::ptr::eq(record, telling)));
                if several {
                    let attrs: &[(&'static str, &str)] =
                        if tells { &[("class", "attempt"), ("open", "")] } else { &[("class", "attempt")] };
                    m.el("details", attrs, |m| {
                        m.leaf("summary", &[], &attempt_words(at + 1, *attempt, *record));
                        body(m, *record, *attempt, &id, short, context);
                    });
                } else {
                    body(m, *record, *attempt, &id, short, context);
                }
            }
        });
    });
}

/// The time axis of the drill that a report on one drill is about, right below the answers.
pub fn over_time(m: &mut Markup, entry: &Entry<'_>, id: &str, context: &mut Context<'_>) {
    let Some(record) = entry.telling_record().or(entry.record()) else { return };
    let Some(samples) = Samples::of(record, context.samples) else { return };
    context.over_time = record.plan.as_ref().map(|plan| plan.run.clone());
    m.el("section", &[("class", "card"), ("aria-labelledby", "time-h")], |m| {
        m.fixed("<h2 id=\"time-h\">What happened, over time</h2>");
        chart(m, record, samples, &format!("{id}-top"));
    });
}

fn chart(m: &mut Markup, record: &Record, samples: Samples, id: &str) {
    m.el("div", &[("class", "chart")], |m| axis(m, record, samples, &format!("{id}-axis")));
    m.leaf("p", &[("class", "note")], key(samples));
    tables::data(m, record, samples);
}

fn attempt_words(number: usize, attempt: Option<&Attempt>, record: Option<&Record>) -> String {
    let cause = match attempt.map(|attempt| attempt.cause) {
        Some(Cause::Disturbed) => ", run again alone because the attempt before was disturbed",
        Some(Cause::Retry) => ", a retry after a failure",
        _ => "",
    };
    let disturbed = attempt.is_some_and(|attempt| attempt.disturbed) || record.is_some_and(Record::is_disturbed);
    let verdict = match (record, attempt) {
        _ if disturbed => "disturbed, says nothing".to_string(),
        (Some(record), _) => words::headline_text(record),
        (None, Some(attempt)) => words::verdict(attempt.verdict),
        (None, None) => "not known".into(),
    };
    format!("Attempt {number}{cause}: {verdict}")
}

fn body<'a>(
    m: &mut Markup,
    record: Option<&'a Record>,
    attempt: Option<&'a Attempt>,
    id: &str,
    short: bool,
    context: &mut Context<'a>,
) {
    let Some(record) = record else {
        m.el("p", &[("class", "verdict")], |m| {
            let reason = attempt.map_or("", |attempt| attempt.reason.as_str());
            m.fixed("The record of this attempt is not here. ").text(&one_line(reason));
        });
        return;
    };
    let figures = record.figures();
    verdict(m, record);
    tables::trouble(m, record);
    tiles(m, record, &figures);
    let samples = Samples::of(record, context.samples).filter(|_| !short);
    if let Some(samples) = samples.filter(|_| !context.told_over_time(record)) {
        m.fixed("<h4>What happened, over time</h4>");
        chart(m, record, samples, id);
    }
    tables::users(m, &figures);
    tables::recovery(m, record);
    restore::restore(m, record);
    if short {
        in_short(m, record, context);
        return;
    }
    runbook(m, record, context, id);
    if let Some(samples) = samples.filter(|_| !record.loads.is_empty()) {
        m.fixed("<h4>The four golden signals</h4>");
        signals(m, record, &figures.measuring, samples, &format!("{id}-signals"));
    }
    m.fixed("<h4>For the record</h4>");
    tables::checks(m, record);
    tables::faults(m, record, samples);
    tables::time(m, &figures);
    tables::measuring(m, record, &figures);
    tables::configuration(m, record);
}

/// What stands in the place of the whole story. The advice stands with the failures, whatever room there is.
fn in_short(m: &mut Markup, record: &Record, context: &Context<'_>) {
    m.el("p", &[("class", "note")], |m| {
        m.fixed("Told in short: the report has many drills. The whole story is in the ");
        let run = record.plan.as_ref().map_or("", |plan| plan.run.as_str());
        let plain = run.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        match context.beside_runs && is_run_id(run) && plain {
            true => m.leaf("a", &[("href", &format!("runs/{run}/report.html"))], "report of the run"),
            false => m.fixed("report of the run"),
        };
        m.fixed(", <code>report.html</code> in the directory <code>").text(&one_line(run)).fixed("</code>.");
    });
    tables::configuration(m, record);
}

fn key(samples: Samples) -> &'static str {
    if samples.fault {
        "0 is when the fault was confirmed. Curves show the share of good requests over the trailing window; the dashed line is the objective, and the striped bar below says where it was missed."
    } else {
        "0 is the first request. Curves show the share of good requests over the trailing window; the dashed line is the objective, and the striped bar below says where it was missed."
    }
}

/// How a drill came out, where and why.
pub fn verdict(m: &mut Markup, record: &Record) {
    let (tone, ..) = words::headline(record);
    m.el("p", &[("class", "verdict")], |m| {
        badge(m, tone, &words::headline_text(record));
        m.fixed(" ");
        if let Some(at) = &record.at {
            m.leaf("code", &[], &at.to_string()).fixed(": ");
        }
        match (record.reason.is_empty(), words::cut_off(record)) {
            (false, _) => words::prose(m, &one_line(&record.reason)),
            (true, Some(cut)) => words::prose(m, &format!("{cut}: nothing passes by default")),
            (true, None) => {}
        }
    });
}

fn tiles(m: &mut Markup, record: &Record, figures: &Figures) {
    let value = |us: Option<u64>, never: &str| us.map_or(never.to_string(), seconds);
    let all = [
        ("to impact", value(figures.to_impact_us, "none"), "fault to users"),
        ("to detect", value(figures.to_detect_us, "none"), "fault to alert"),
        ("to mitigate", value(figures.to_mitigation_us, "none"), "fault to first mitigating command"),
        ("to recover", value(figures.to_recover_us, "never"), "fault to users well (RTO)"),
        ("all in all", seconds(record.last_us.0), "the whole drill"),
    ];
    m.el("dl", &[("class", "tiles")], |m| {
        for (name, value, what) in all {
            m.el("div", &[], |m| {
                m.leaf("dt", &[], name);
                m.el("dd", &[], |m| {
                    m.leaf("b", &[], &value).fixed(" ").leaf("small", &[], what);
                });
            });
        }
    });
}
