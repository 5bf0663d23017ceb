//! The first screen: what came out, what failed and what to do next, and every drill in one table.

use super::budget::Context;
use super::markup::Markup;
use super::runbook::did_command;
use super::tables;
use super::words::{self, badge};
use crate::output::one_line;
use crate::record::{CommandRecord, DrillStatus, Record};
use crate::report::advice::{Advice, advice, of_status};
use crate::report::answers::{cured, hurt};
use crate::report::paint::Mark;
use crate::report::text::seconds;
use crate::report::{Drills, Entry};

/// The statuses in the order in which they are told, with their words.
const ORDER: [DrillStatus; 7] = [
    DrillStatus::Failed,
    DrillStatus::Broken,
    DrillStatus::Incomplete,
    DrillStatus::Interrupted,
    DrillStatus::Flaky,
    DrillStatus::NotRun,
    DrillStatus::Passed,
];

/// Where a status stands in that order.
pub fn rank(status: DrillStatus) -> usize {
    ORDER.iter().position(|known| *known == status).unwrap_or(0)
}

/// The title of the report.
pub fn title(drills: &Drills, entries: &[(String, Entry<'_>)]) -> String {
    let mut titles: Vec<String> =
        drills.days.iter().map(|day| one_line(&day.plan.title)).filter(|title| !title.is_empty()).collect();
    titles.dedup();
    match (titles.as_slice(), entries) {
        ([], [(_, one)]) if !one.title.is_empty() => one_line(one.title),
        ([], []) => "No drills".into(),
        ([], all) => words::many(all.len(), "drill"),
        (titles, _) => titles.join(", "),
    }
}

/// In one sentence: how it came out.
pub fn sentence(entries: &[(String, Entry<'_>)]) -> (Mark, String) {
    let count = |status| entries.iter().filter(|(_, entry)| entry.status == status).count();
    let of = words::many(entries.len(), "drill");
    let (passed, failed) = (count(DrillStatus::Passed), count(DrillStatus::Failed));
    if entries.is_empty() {
        return (Mark::Skip, "Nothing was run".into());
    }
    if let [(_, one)] = entries {
        let status = one.status.name();
        let word = match one.record() {
            Some(record) if one.status != DrillStatus::Passed && record.verdict != record.expected() => {
                format!("{status}: {}", words::plainly(record))
            }
            Some(record) => words::headline_text(record),
            None => status.to_string(),
        };
        let mut chars = word.chars();
        let word = chars.next().map_or(word.clone(), |first| first.to_uppercase().chain(chars).collect());
        return (one.mark(), word);
    }
    match (passed == entries.len(), failed) {
        (true, _) => (Mark::Good, format!("All {of} passed")),
        (_, 0) => (Mark::Warn, format!("{passed} of {of} passed, none failed")),
        (_, failed) => (Mark::Bad, format!("{failed} of {of} failed")),
    }
}

/// The head of the page.
pub fn head(m: &mut Markup, drills: &Drills, entries: &[(String, Entry<'_>)]) {
    let (tone, said) = sentence(entries);
    let class = format!("top {}", tone.class());
    m.el("header", &[("class", &class)], |m| {
        m.el("p", &[("class", "brand")], |m| {
            m.fixed("Firedrill ").text(if drills.days.is_empty() { "· drill report" } else { "· game day report" });
        });
        m.leaf("h1", &[], &title(drills, entries));
        m.el("p", &[("class", "outcome")], |m| badge(m, tone, &said));
        m.leaf("p", &[("class", "meta")], &facts(drills, entries).join(" · "));
        if entries.len() > 1 {
            counts(m, entries);
        }
        let told = honest(drills);
        if !told.is_empty() {
            m.el("ul", &[("class", "notes")], |m| {
                for text in told {
                    m.leaf("li", &[], &text);
                }
            });
        }
    });
}

/// When, of which revision, how long, with which version.
fn facts(drills: &Drills, entries: &[(String, Entry<'_>)]) -> Vec<String> {
    let plans: Vec<_> = drills.records.iter().filter_map(|record| record.plan.as_ref()).collect();
    let began = drills.days.iter().map(|day| day.plan.started_utc.as_str()).filter(|utc| !utc.is_empty());
    let began = began.chain(plans.iter().map(|plan| plan.started_utc.as_str())).min();
    let mut facts: Vec<String> = began.map(words::date).into_iter().collect();
    let mut revisions: Vec<&str> = drills.days.iter().filter_map(|day| day.plan.revision.as_deref()).collect();
    revisions.extend(plans.iter().filter_map(|plan| plan.revision.as_deref()));
    revisions.sort_unstable();
    revisions.dedup();
    match revisions.as_slice() {
        [] => {}
        [one] => facts.push(format!("revision {}", short(one))),
        several => facts.push(format!("{} revisions", several.len())),
    }
    let took = drills.days.iter().map(|day| day.last_us).max();
    if let Some(us) =
        took.or_else(|| entries.iter().filter_map(|(_, entry)| entry.record()).map(|record| record.last_us.0).max())
    {
        let what = if took.is_none() && entries.len() > 1 { "the longest drill took" } else { "took" };
        facts.push(format!("{what} {}", seconds(us)));
    }
    if let [(_, one)] = entries {
        let severity = one.record().and_then(|record| record.plan.as_ref()).and_then(|plan| plan.severity.clone());
        facts.extend(severity.map(|severity| one_line(&severity)));
    }
    let mut versions: Vec<&str> = plans.iter().map(|plan| plan.tool_version.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    facts.extend(versions.first().map(|version| format!("firedrill {}", one_line(version))));
    facts
}

/// A commit as people write it, with what was changed.
fn short(revision: &str) -> String {
    let (commit, dirty) = revision.split_once('-').map_or((revision, false), |(commit, _)| (commit, true));
    let commit: String = commit.chars().take(12).collect();
    if dirty { format!("{commit} with changes") } else { commit }
}

fn counts(m: &mut Markup, entries: &[(String, Entry<'_>)]) {
    let each: Vec<(DrillStatus, usize)> = ORDER
        .into_iter()
        .map(|status| (status, entries.iter().filter(|(_, entry)| entry.status == status).count()))
        .filter(|(_, count)| *count > 0)
        .collect();
    m.el("div", &[("class", "bar"), ("aria-hidden", "true")], |m| {
        for (status, count) in &each {
            let width = format!("width:{:.3}%", *count as f64 / entries.len() as f64 * 100.0);
            let class = format!("count {}", status.mark().class());
            m.el("span", &[("class", &class), ("style", &width)], |_| {});
        }
    });
    m.el("ul", &[("class", "counts")], |m| {
        for (status, count) in &each {
            m.el("li", &[], |m| badge(m, status.mark(), &format!("{count} {}", status.name())));
        }
    });
}

/// What a count alone would hide.
fn honest(drills: &Drills) -> Vec<String> {
    let mut told = Vec::new();
    for day in &drills.days {
        let account = day.account();
        if account.flaky > 0 {
            told.push(format!(
                "{} failed and passed when run again: flaky, which is not passed.",
                words::many(account.flaky, "drill")
            ));
        }
        if account.flaky > 0 && day.plan.flaky_fails {
            told.push("Its file says `flaky: fail`: the game day has failed.".into());
        }
        if account.disturbed > 0 {
            told.push(format!(
                "The measuring of {} was disturbed; what it said does not count.",
                words::many(account.disturbed, "attempt")
            ));
        }
        if !day.ended {
            told.push("The game day was cut off: what is missing was never run or has no end.".into());
        }
        if let Some((part, of)) = day.plan.shard {
            told.push(format!("This is part {part} of {of} of the plan."));
        }
        if !day.plan.left_out.is_empty() {
            let names: Vec<String> =
                day.plan.left_out.iter().map(|left| one_line(&format!("{} ({})", left.scenario, left.why))).collect();
            told.push(format!("Left out: {}.", names.join(", ")));
        }
        told.extend(day.notes.iter().chain(&day.damage).map(|text| one_line(text)));
    }
    told
}

/// The first screen of a report on one drill: whether it passed, how long users were hurt, what cured them, what to do now.
pub fn answers(m: &mut Markup, entry: &Entry<'_>) {
    let Some(record) = entry.telling_record().or(entry.record()) else { return };
    let (mark, ..) = words::headline(record);
    let class = format!("card answers {}", mark.class());
    m.el("section", &[("id", "answers"), ("class", &class), ("aria-label", "In short")], |m| {
        m.el("dl", &[("class", "advice")], |m| {
            term(m, "Did it pass?", |m| super::drill::verdict(m, record));
            term(m, "How long were users hurt?", |m| words::prose(m, &one_line(&hurt(record))));
            term(m, "What cured them?", |m| words::prose(m, &one_line(&cured(record))));
            if let Some((mark, text)) = words::time_limit(record) {
                term(m, "Soon enough?", |m| {
                    words::sign(m, mark);
                    m.text(&text);
                });
            }
            term(m, "What to do now?", |m| to_do(m, entry, &advice(record)));
        });
    });
}

fn to_do(m: &mut Markup, entry: &Entry<'_>, advice: &Advice<'_>) {
    m.el("ol", &[], |m| {
        for text in of_status(entry.status).into_iter().chain(advice.next.iter().map(String::as_str)) {
            m.el("li", &[], |m| words::prose(m, text));
        }
    });
}

/// What failed and what to do next: a card for every drill that did not pass.
///
/// A report on one drill has said above what to do.
pub fn failures(m: &mut Markup, entries: &[(String, Entry<'_>)], context: &Context<'_>) {
    let failed: Vec<_> = entries
        .iter()
        .filter(|(_, entry)| entry.status != DrillStatus::Passed && entry.status != DrillStatus::NotRun)
        .collect();
    if failed.is_empty() {
        return;
    }
    m.el("section", &[("id", "failed"), ("aria-labelledby", "failed-h")], |m| {
        m.fixed("<h2 id=\"failed-h\">").fixed(if entries.len() > 1 {
            "What failed, and what to do next"
        } else {
            "What failed"
        });
        m.fixed("</h2>");
        for (id, entry) in failed {
            card(m, id, entry, entries.len() == 1, context);
        }
    });
}

fn card(m: &mut Markup, id: &str, entry: &Entry<'_>, alone: bool, context: &Context<'_>) {
    let tone = entry.mark();
    let class = format!("card {}", tone.class());
    m.el("article", &[("class", &class)], |m| {
        m.el("h3", &[], |m| {
            m.leaf("a", &[("href", &format!("#{id}"))], &entry.name()).fixed(" ");
            let word = match (entry.status, entry.record()) {
                (DrillStatus::Failed | DrillStatus::Broken, Some(record)) => words::headline_text(record),
                _ => entry.status.name().to_string(),
            };
            badge(m, tone, &word);
        });
        m.leaf("p", &[("class", "title")], &one_line(entry.title));
        m.el("dl", &[("class", "advice")], |m| {
            // A flaky drill is told by the attempt that failed.
            let failed = entry.attempts.iter().rev().filter_map(|(_, record)| *record).find(|record| !record.passed());
            let record = if entry.status == DrillStatus::Flaky { failed } else { entry.record() };
            match record {
                Some(record) => told(m, record, entry, alone, context),
                None => {
                    let reason = entry
                        .attempts
                        .last()
                        .and_then(|(attempt, _)| *attempt)
                        .map_or("", |attempt| attempt.reason.as_str());
                    term(m, "What is known", |m| {
                        m.fixed("Its record is not here. ").text(&one_line(reason));
                    });
                }
            }
        });
    });
}

fn told(m: &mut Markup, record: &Record, entry: &Entry<'_>, alone: bool, context: &Context<'_>) {
    let advice = advice(record);
    term(m, "What broke", |m| words::prose(m, &advice.broke));
    term(m, "Which step", |m| {
        m.el("p", &[], |m| words::prose(m, &advice.step));
        for (command, _) in &advice.commands {
            evidence(m, command, context);
        }
    });
    term(m, "What users felt", |m| {
        if !alone {
            m.el("p", &[], |m| words::prose(m, &one_line(&format!("Hurt: {}", hurt(record)))));
        }
        for text in &advice.felt {
            m.el("p", &[], |m| words::prose(m, text));
        }
    });
    if !alone {
        term(m, "What to do next", |m| to_do(m, entry, &advice));
    }
}

/// A command that shows what went wrong, with the last lines of its output.
fn evidence(m: &mut Markup, command: &CommandRecord, context: &Context<'_>) {
    let mut shown = command.clone();
    let (last, before) = words::last_lines(&command.output.text(), 6);
    let more = if before > 0 { format!("… {} before …\n{last}", words::many(before, "line")) } else { last };
    shown.output = crate::record::Output::default();
    shown.omitted = 0;
    did_command(m, &shown, None, "", context);
    if !more.is_empty() {
        m.el("pre", &[("class", "out")], |m| {
            m.leaf("code", &[], &more);
        });
    }
}

fn term(m: &mut Markup, name: &'static str, inner: impl FnOnce(&mut Markup)) {
    m.el("div", &[], |m| {
        m.fixed("<dt>").fixed(name).fixed("</dt>").el("dd", &[], inner);
    });
}

/// Every drill in one table; on a phone each row is a card of its own.
pub fn overview(m: &mut Markup, entries: &[(String, Entry<'_>)]) {
    const COLUMNS: [&str; 8] =
        ["Drill", "Severity", "Came out", "Impact", "Detected", "Mitigation", "Recovered", "Took"];
    m.fixed("<section aria-labelledby=\"all-h\"><h2 id=\"all-h\">All drills</h2>");
    tables::cards(m, "Times count from the confirmed fault; the last one is the whole drill.", &COLUMNS, |m| {
        for (id, entry) in entries {
            overview_row(m, id, entry, &COLUMNS);
        }
    });
    m.fixed("</section>");
}

fn overview_row(m: &mut Markup, id: &str, entry: &Entry<'_>, columns: &[&'static str; 8]) {
    let record = entry.record();
    let figures = record.map(Record::figures).unwrap_or_default();
    let severity =
        record.and_then(|record| record.plan.as_ref()).and_then(|plan| plan.severity.clone()).unwrap_or_default();
    m.el("tr", &[("role", "row")], |m| {
        m.el("th", &[("scope", "row"), ("role", "rowheader")], |m| {
            m.leaf("a", &[("href", &format!("#{id}"))], &entry.name());
        });
        m.leaf("td", &[("role", "cell"), ("data-label", columns[1])], &one_line(&severity));
        m.el("td", &[("role", "cell"), ("data-label", columns[2])], |m| {
            badge(m, entry.mark(), entry.status.name());
            let verdict = record.map(words::headline_text).unwrap_or_default();
            if !verdict.is_empty() && verdict != entry.status.name() {
                m.fixed(" <small>").text(&verdict).fixed("</small>");
            }
        });
        let took = record.map(|record| record.last_us.0);
        let times = [figures.to_impact_us, figures.to_detect_us, figures.to_mitigation_us, figures.to_recover_us, took];
        for (us, column) in times.into_iter().zip(columns.iter().skip(3)) {
            let text = us.map_or("–".to_string(), seconds);
            m.leaf("td", &[("role", "cell"), ("class", "num"), ("data-label", column)], &text);
        }
    });
}
