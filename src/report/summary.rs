//! What a person reads when a drill is over: the verdict and why, how long users suffered, what each step did, and
//! where the time went. At most 80 columns, unless a path or a word of the user's own is longer.

use super::page::{TerminalPage, WIDTH, column, cut, right, wrap, wrap_words};
use crate::output::{one_line, terminal_lines};
use crate::record::{Counts, FaultRecord, Figures, Phase, Record, StepInfo, StepStatus, Verdict, WaitRecord};
use crate::view::format::{percent, seconds};
use crate::view::words::{self, TimeShare, ending, placed};
use crate::view::{StatusSymbol, StepView, advice, filters, restore, template_lines};
use askama::Template;
use std::path::Path;

/// Columns before what is said about a step.
const INDENT: &str = "              ";
/// A wait in vain that is shorter says nothing.
const SHORT_US: u64 = 1_000_000;
/// Lines of a failed command's output that are shown.
const OUTPUT_LINES: usize = 12;

/// The summary of a drill. `files` is the directory of the run.
pub fn summary(record: &Record, files: Option<&Path>, color: bool) -> String {
    let figures = record.figures();
    let mut page = TerminalPage::new(color);
    headline(record, &mut page);
    timeline(record, &figures, &mut page);
    steps(record, &mut page);
    users(record, &figures, &mut page);
    for (name, rows) in [("recovery", words::recovery(record)), ("restore", restore::rows(record))] {
        page.section_of(name, &rows);
        rows.iter().for_each(|row| page.row(row.came, row.name, &row.text));
    }
    faults(record, &mut page);
    if record.plan.as_ref().is_none_or(|plan| !plan.alone) {
        time(&figures, &mut page);
    }
    let trouble = template_lines(&TroubleText { record });
    page.section_of("worth a look", &trouble);
    for text in trouble {
        page.wrapped(&format!("    {} ", page.sign(StatusSymbol::Warn)), &text);
    }
    if let Some(files) = files {
        page.section("files", &one_line(&files.display().to_string()));
    }
    page.text()
}

fn headline(record: &Record, page: &mut TerminalPage) {
    let (symbol, word) = verdict(record);
    let head = format!("{} {word}", symbol.sign());
    let plan = record.plan.as_deref();
    let severity = plan.and_then(|p| p.severity.as_deref()).map(one_line).unwrap_or_default();
    let room = WIDTH.saturating_sub(console::measure_text_width(&head) + severity.len() + 4);
    let name = plan.map_or("(nothing was announced)".into(), |p| one_line(&format!("{}: {}", p.scenario, p.title)));
    let name = page.paint.bold(&column(&name, room));
    page.line(&format!("{}  {name}  {severity}", page.paint.headline(symbol, &head)));
    let alone = plan.is_some_and(|plan| plan.alone) && record.ended;
    if !alone || !record.reason.is_empty() {
        page.wrapped("  ", &placed(record.at.as_ref(), &words::why(record)));
    }
}

fn timeline(record: &Record, figures: &Figures, page: &mut TerminalPage) {
    let first = record.impacts.iter().min_by_key(|impact| impact.impact_us);
    let fell = first.map(|first| format!("{} fell to {}", first.sli, percent(first.ratio)));
    let detect = record.plan.as_ref().and_then(|plan| plan.detect.clone());
    let said: Vec<String> = detect.into_iter().chain(words::detection_theory(record, figures)).collect();
    let ran = |id: &str| record.steps.iter().any(|step| step.step == id && !step.commands.is_empty());
    let mitigates = |info: &&StepInfo| info.phase == "mitigate" && info.helps != Some(false) && ran(&info.id);
    let mitigation = record.plan.iter().flat_map(|plan| &plan.steps).find(mitigates);
    let is_after = figures.to_recover_us >= figures.to_mitigation_us;
    let since = figures.mitigation_to_recover_us.filter(|_| is_after);
    let rows = [
        (figures.to_impact_us.filter(|_| fell.is_some()), "impact", fell),
        (figures.to_detect_us, "detected", Some(said.join("; "))),
        (figures.to_mitigation_us, "mitigation", mitigation.map(|info| format!("starts at {}", info.at))),
        (figures.to_recover_us, "recovered", since.map(|us| format!("{} after the mitigation began", seconds(us)))),
    ];
    let known = rows.into_iter().filter_map(|(us, what, text)| Some((us?, what, text.unwrap_or_default())));
    let mut rows: Vec<(u64, &str, String)> = known.collect();
    page.section_of("after the injection", &rows);
    rows.sort_by_key(|(us, ..)| *us);
    for (us, what, text) in rows {
        let text = cut(&one_line(&text), WIDTH - 30);
        page.line(&format!("  {}  {}  {text}", right(&seconds(us), 12), column(what, 10)));
    }
}

fn steps(record: &Record, page: &mut TerminalPage) {
    let Some(plan) = record.plan.as_ref().filter(|plan| !plan.control && !plan.steps.is_empty()) else { return };
    let path = plan.runbook_file.as_ref().map_or("", |file| file.path.as_str());
    page.section("runbook", &one_line(path));
    plan.steps.iter().for_each(|info| step(&StepView::of(record, info), &record.reason, page));
}

fn step(step: &StepView<'_>, said: &str, page: &mut TerminalPage) {
    let StepView { info, symbol, word, .. } = step;
    let status = page.paint.marked(*symbol, &format!("{} {}", symbol.sign(), column(word, 7)));
    let (phase, title) = (column(&info.phase, 8), column(&one_line(&info.title), 42));
    let took = right(step.took.as_deref().unwrap_or_default(), 8);
    page.line(&format!("    {status} {phase} {title} {took} :{}", info.at.line));
    if let Some(replaced) = &info.replaced {
        let says = match replaced.commands.first() {
            Some(first) => format!("`{}`", cut(&one_line(first), WIDTH / 2)),
            None => "a person does".to_string(),
        };
        let text = format!("the scenario runs {} instead of what the runbook says: {says}", replaced.by);
        page.wrapped(INDENT, &text);
    }
    let Some(ran) = step.ran else { return };
    // What stands at the top already is not said again.
    let reason = ran.reason.as_ref().filter(|reason| reason.as_str() != said);
    if let Some(reason) = reason.filter(|_| ran.status != Some(StepStatus::Passed)) {
        page.wrapped(INDENT, &placed(ran.at.as_ref(), reason));
    }
    step.only_looked.iter().for_each(|told| page.wrapped(INDENT, told));
    let bad = matches!(ran.status, Some(StepStatus::Failed) | None);
    let Some(command) = ran.commands.iter().rfind(|command| bad && !command.background) else { return };
    let room = WIDTH - INDENT.len();
    page.line(&format!("{INDENT}{}", cut(&format!("$ {}", one_line(&command.text)), room)));
    let lines = terminal_lines(&command.output.text());
    for line in lines.iter().skip(lines.len().saturating_sub(OUTPUT_LINES)) {
        // A line of a table stays a line; an error is told to its end.
        for part in folded(line, room - 2) {
            page.line(&format!("{INDENT}│ {part}"));
        }
    }
    if command.ended_us.is_some() {
        page.line(&format!("{INDENT}{}", ending(command)));
    }
}

fn users(record: &Record, figures: &Figures, page: &mut TerminalPage) {
    let slis = &figures.slis;
    if slis.iter().all(|s| s.before.valid + s.during.valid + s.after.valid == 0) {
        return;
    }
    let cell = |counts: Counts, objective: f64| match counts.ratio() {
        None => "-".to_string(),
        // Narrower than elsewhere: a row has 80 columns.
        Some(ratio) => {
            let sign = words::met(&counts, &objective).sign();
            format!("{sign} {} {}/{}", percent(ratio), counts.good, counts.valid)
        }
    };
    // The heading stands in the place of the first column's name.
    let head = ["", "objective", "before", "during", "after"].map(String::from);
    let mut rows = vec![head];
    rows.extend(slis.iter().map(|s| {
        let [before, during, after] = [s.before, s.during, s.after].map(|counts| cell(counts, s.objective));
        [one_line(&s.sli), percent(s.objective), before, during, after]
    }));
    let columns = if record.injected_us().is_some() { 5 } else { 3 };
    let width = |i: usize| {
        let cells = rows.iter().filter_map(|row| row.get(i));
        cells.map(|cell| console::measure_text_width(cell)).max().unwrap_or(0).min(24)
    };
    // Two of margin, three between columns, within eighty.
    let wide = (0..columns).map(|i| width(i) + 3).sum::<usize>() > 81;
    page.line("");
    for (at, row) in rows.iter().enumerate() {
        let cells = row.iter().enumerate().take(columns);
        let cells = cells.map(|(i, text)| if i < 1 { column(text, width(i)) } else { right(text, width(i)) });
        let line = cells.collect::<Vec<_>>().join(if wide { "  " } else { "   " });
        match at {
            0 => page.line(&format!("  {}{}", page.paint.bold("users"), line.get(3..).unwrap_or_default())),
            _ => page.line(&format!("    {line}")),
        }
    }
    for (sli, slo) in slis.iter().filter_map(|s| Some((&s.sli, record.slo_of(&s.sli)?))) {
        page.line(&format!("    {}", cut(&one_line(&format!("{sli}: SLO {slo}")), WIDTH - 4)));
    }
}

fn faults(record: &Record, page: &mut TerminalPage) {
    let told = |fault: &FaultRecord| Some((words::fate(record, fault), one_line(&record.fault_info(&fault.fault)?.id)));
    let told: Vec<_> = record.faults.iter().filter_map(told).collect();
    page.section_of("faults", &told);
    let width = told.iter().map(|(_, id)| console::measure_text_width(id)).max().unwrap_or(0).min(30);
    for ((symbol, fate), id) in told {
        let fate = cut(&one_line(&fate), WIDTH - width - 8);
        page.line(&format!("    {} {}  {fate}", page.sign(symbol), column(&id, width)));
    }
}

fn time(figures: &Figures, page: &mut TerminalPage) {
    page.section("wall time", &seconds(figures.time.total_us));
    for TimeShare { name, us, of, .. } in &words::time_shares(&figures.time) {
        let parts: Vec<String> =
            of.iter().map(|(name, us)| format!("{name} {}", seconds(*us).trim_end_matches(" s"))).collect();
        let mut lead = format!("    {} {}  ", column(name, 16), right(&seconds(*us), 9));
        let lines = wrap_words(parts.join(",\n").lines(), WIDTH - 32);
        for line in if lines.is_empty() { vec![String::new()] } else { lines } {
            page.line(&format!("{lead}{}", page.paint.dim(&line)));
            lead = " ".repeat(32);
        }
    }
}

#[derive(Template)]
#[template(path = "summary/trouble.txt")]
struct TroubleText<'a> {
    record: &'a Record,
}

impl TroubleText<'_> {
    /// What was waited for in vain. The control is to wait in vain for the recovery.
    fn waits(&self) -> impl Iterator<Item = &WaitRecord> {
        let record = self.record;
        let from = record.phases.iter().find(|phase| record.is_control() && phase.phase == Phase::Recover);
        let meant = move |wait: &WaitRecord| from.is_some_and(|from| wait.ended_us >= from.started_us);
        // What had been waited for before, in a verification, is no wait of its own.
        record.waits.iter().filter(move |wait| !wait.met && !meant(wait) && wait.took_us >= SHORT_US)
    }
}

/// The mark and the words at the top.
fn verdict(record: &Record) -> (StatusSymbol, String) {
    if record.plan.as_ref().is_some_and(|plan| plan.alone) && record.ended {
        // No drill, no verdict: nothing was broken, so nothing has passed.
        return match record.judged_us {
            None if record.left.is_empty() => (StatusSymbol::Good, "FOLLOWED".into()),
            None => (StatusSymbol::Bad, "LEFT SOMETHING BEHIND".into()),
            Some(_) => (StatusSymbol::Bad, record.verdict.name().replace('_', " ").to_uppercase()),
        };
    }
    let (mark, word, detail) = words::headline(record);
    let word = format!("{}{}", word.to_uppercase(), if record.is_control() { " (control)" } else { "" });
    (mark, detail.map_or(word.clone(), |detail| format!("{word} ({detail})")))
}

/// A line as it is where it fits; broken at spaces where it does not.
fn folded(line: &str, width: usize) -> Vec<String> {
    match console::measure_text_width(line) <= width {
        true => vec![line.to_string()],
        false => wrap(line, width).into_iter().map(|part| cut(&part, width)).collect(),
    }
}

#[cfg(test)]
mod tests;
