//! Markdown for the summary of a CI job and for pull requests: the verdict in a line, a table of the drills, and for each one
//! in trouble why, where, and what to do next. Text of records is escaped: it makes no table, no HTML, no link and no mention.

use super::escape::{code, fenced, prose, shortened};
use super::filters;
use super::overview::{about, headline};
use crate::output::terminal_lines;
use crate::record::{CommandRecord, DrillStatus, Record, StepInfo, StepStatus};
use crate::view::format::seconds;
use crate::view::words::{self, ending, prompted};
use crate::view::{DrillEntry, Drills, advice, answers, restore, written};
use askama::Template;

/// Bytes of a report. GitHub takes 1 MiB as the summary of a step, and 65,536 characters as a comment: it should fit either.
const LIMIT: usize = 64_000;
/// Bytes of the table; what does not fit is counted below it.
const TABLE: usize = 24_000;
/// What it begins with.
const DRILLS: &str = "| | drill | verdict | impact | detected | mitigation | recovered | took |\n\
                      | --- | --- | --- | ---: | ---: | ---: | ---: | ---: |\n";
/// Bytes of the tables of what was judged and of what makes passes less certain, each.
const ROWS: usize = 12_000;
/// Lines of output that are shown of a command, the last ones.
const OUTPUT_LINES: usize = 40;
/// Characters of such a line.
const LINE_LENGTH: usize = 300;
/// Characters of what is said once about a game day.
const ABOUT: usize = 20;

/// The report of these drills, at most 64,000 bytes.
pub fn markdown(drills: &Drills) -> Vec<u8> {
    let mut text = format!("### {}\n\n", prose(&headline(drills)));
    let about = about(drills);
    for line in about.iter().take(ABOUT) {
        text.push_str(&format!("- {}\n", prose(&shortened(line))));
    }
    if about.len() > ABOUT {
        text.push_str(&format!("- and {} more lines of this kind\n", about.len() - ABOUT));
    }
    if !about.is_empty() {
        text.push('\n');
    }
    let entries = drills.entries();
    table(&entries, &mut text);
    judged(&entries, &mut text);
    doubts(&entries, &mut text);
    troubles(&entries, &mut text);
    text.into_bytes()
}

/// What a template wrote, with the line breaks that Markdown wants.
pub fn laid_out(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    // Rows of a table and points of a list stand together, everything else apart.
    let goes_on = |before: &str, line: &str, next: &str| {
        before.starts_with("- ") && line.starts_with("- ")
            || before.starts_with('|') && line.starts_with('|') && !next.starts_with("| --- |")
    };
    let mut out = String::new();
    for (at, line) in lines.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| lines.get(at)).copied().unwrap_or_default();
        let next = lines.get(at + 1).copied().unwrap_or_default();
        let gap = if at == 0 || goes_on(before, line, next) { "" } else { "\n" };
        out.push_str(&format!("{gap}{line}\n"));
    }
    out
}

fn table(entries: &[DrillEntry<'_>], text: &mut String) {
    let rows: Vec<String> = entries.iter().map(row).collect();
    // Where not all fit, those that passed are the first to go.
    let whole = rows.iter().map(String::len).sum::<usize>() <= TABLE;
    let wanted = |entry: &DrillEntry<'_>| whole || entry.status != DrillStatus::Passed;
    let (rows, passed): (Vec<_>, Vec<_>) = entries.iter().zip(rows).partition(|(entry, _)| wanted(entry));
    let rows = rows.into_iter().map(|(_, row)| row).collect();
    push_table(DRILLS, rows, TABLE, passed.len(), "drills, those that passed first", text);
}

/// A table of what recoveries and restores were judged by beside the SLIs, a row for each.
fn judged(entries: &[DrillEntry<'_>], text: &mut String) {
    let mut rows = Vec::new();
    for (entry, record) in entries.iter().filter_map(|entry| Some((entry, entry.record()?))) {
        let name = code(&shortened(&entry.name()));
        rows.extend(words::recovery(record).into_iter().chain(restore::rows(record)).map(|row| {
            let sign = row.came.map_or(String::new(), |came| format!("{} ", came.sign()));
            format!("| {name} | {} | {sign}{} |\n", row.name, prose(&shortened(&row.text)))
        }));
    }
    push_table("\n| judged | by | came to |\n| --- | --- | --- |\n", rows, ROWS, 0, "figures", text);
}

/// A table of what makes passes less certain, a row for each doubt.
fn doubts(entries: &[DrillEntry<'_>], text: &mut String) {
    let mut rows = Vec::new();
    for entry in entries {
        let name = code(&shortened(&entry.name()));
        let told = entry.record().filter(|record| record.passed()).map(advice::worth_a_look).unwrap_or_default();
        rows.extend(told.iter().map(|told| format!("| {name} | {} |\n", prose(&shortened(told)))));
    }
    push_table("\n| worth a look | why |\n| --- | --- |\n", rows, ROWS, 0, "doubts", text);
}

/// A table of these rows, as many of them as fit into so many bytes, and how many do not; nothing where there is none.
fn push_table(head: &str, rows: Vec<String>, most: usize, mut left_out: usize, what: &str, text: &mut String) {
    if rows.is_empty() && left_out == 0 {
        return;
    }
    text.push_str(head);
    let begun = text.len();
    for row in rows {
        match text.len() - begun + row.len() <= most {
            true => text.push_str(&row),
            false => left_out += 1,
        }
    }
    if left_out > 0 {
        text.push_str(&format!("\nThe table leaves out {left_out} {what}.\n"));
    }
}

fn row(entry: &DrillEntry<'_>) -> String {
    let figures = entry.record().map(Record::figures).unwrap_or_default();
    let time = |us: Option<u64>| us.map_or("–".to_string(), seconds);
    let title = if entry.title.is_empty() { String::new() } else { format!(" {}", prose(&shortened(entry.title))) };
    let cells = [
        format!("{} {}", entry.mark().sign(), entry.status.name()),
        format!("{}{title}", code(&shortened(&entry.name()))),
        entry.verdict().map_or("–".to_string(), |verdict| code(verdict.name())),
        time(figures.to_impact_us),
        time(figures.to_detect_us),
        time(figures.to_mitigation_us),
        time(figures.to_recover_us),
        time(entry.took_us()),
    ];
    format!("| {} |\n", cells.join(" | "))
}

/// The drills in trouble, as many of them as fit: first with what their commands said, then without.
fn troubles(entries: &[DrillEntry<'_>], text: &mut String) {
    let mut trouble: Vec<&DrillEntry<'_>> =
        entries.iter().filter(|entry| entry.status != DrillStatus::Passed).collect();
    // What a runbook can be blamed for comes first; what was not run has a line and no more.
    trouble.sort_by_key(|entry| (entry.status == DrillStatus::NotRun, entry.status != DrillStatus::Failed));
    let mut left_out = 0;
    for entry in trouble {
        let outputs = entry.telling_record().map(outputs).unwrap_or_default();
        let short = section(entry);
        // Room for the line that counts what was left out.
        let room = LIMIT.saturating_sub(text.len() + 200);
        if short.len() > room {
            left_out += 1;
            continue;
        }
        let fits = short.len() + outputs.len() <= room;
        text.push_str(&short);
        text.push_str(if fits { &outputs } else { "" });
    }
    if left_out > 0 {
        text.push_str(&format!("\nThere is no room here for {left_out} more drills in trouble.\n"));
    }
}

#[derive(Template)]
#[template(path = "markdown/drill.md")]
struct DrillSection<'a> {
    entry: &'a DrillEntry<'a>,
    record: Option<&'a Record>,
    /// The step that failed or was blocked.
    step: Option<&'a StepInfo>,
    name: String,
    verdict: String,
    why: String,
}

fn section(entry: &DrillEntry<'_>) -> String {
    let record = entry.telling_record();
    // Of a flaky drill the attempt that failed is told, not the one that passed.
    let verdict = record.map(|record| record.verdict).or(entry.verdict());
    let verdict = verdict.map_or(entry.status.name(), |verdict| verdict.name());
    let (verdict, name, why) = (verdict.replace('_', " "), shortened(&entry.name()), shortened(&entry.why()));
    let told = DrillSection { entry, record, step: record.and_then(failed_step), name, verdict, why };
    format!("\n{}", laid_out(&written(&told)))
}

fn failed_step(record: &Record) -> Option<&StepInfo> {
    let bad = |status| matches!(status, Some(StepStatus::Failed | StepStatus::Blocked));
    record.step_info(&record.steps.iter().rfind(|step| bad(step.status))?.step)
}

/// What the commands that failed have said, folded. In detect and diagnose a command may fail, and many do.
fn outputs(record: &Record) -> String {
    let mut text = String::new();
    let looks = |step: &str| record.step_info(step).is_some_and(|i| matches!(i.phase.as_str(), "detect" | "diagnose"));
    let blamed = record.steps.iter().filter(|step| match step.status {
        None | Some(StepStatus::Failed) => true,
        Some(StepStatus::Warned) => !looks(&step.step),
        Some(StepStatus::Passed | StepStatus::Blocked | StepStatus::Skipped) => false,
    });
    for step in blamed {
        let bad = |command: &&CommandRecord| command.exit != Some(0) && !command.stopped;
        for command in step.commands.iter().filter(bad) {
            let clipped = |line: &String| line.chars().take(LINE_LENGTH).collect::<String>();
            let (typed, lines) = (terminal_lines(&command.text), terminal_lines(&command.output.text()));
            let mut body: Vec<String> = prompted(typed.iter().take(OUTPUT_LINES).map(clipped)).collect();
            body.extend(lines.iter().skip(lines.len().saturating_sub(OUTPUT_LINES)).map(clipped));
            body.push(ending(command));
            let summary = format!("{} {}", code(&command.at.to_string()), prose(&ending(command)));
            text.push_str(&format!("\n<details><summary>{summary}</summary>\n\n{}\n</details>\n", fenced(&body)));
        }
    }
    text
}

#[cfg(test)]
mod tests;
