//! What a person reads when a drill is over: the verdict and why, how long users suffered, what each step did, and
//! where the time went. At most 80 columns, unless a path or a word of the user's own is longer.

use super::paint::Paint;
use super::text::{column, cut, right, wrap};
use crate::output::{one_line, terminal_lines};
use crate::record::{Breakdown, Counts, Figures, Phase, Record, StepInfo, StepRecord, StepStatus, Verdict, WaitRecord};
use crate::view::StatusSymbol;
use crate::view::format::{declared, percent, requests, seconds};
use crate::view::restore;
use crate::view::words::{self, ending, placed};
use std::path::Path;

/// Columns of the summary.
const WIDTH: usize = 80;
/// Columns before what is said about a step.
const INDENT: usize = 14;
/// A wait in vain that is shorter says nothing.
const SHORT_US: u64 = 1_000_000;
/// A clock offset that is known no better than this is worth a word: half a slice.
const VAGUE_US: u64 = 50_000;
/// Lines of a failed command's output that are shown.
const OUTPUT_LINES: usize = 12;

/// The summary of a drill. `files` is the directory of the run.
pub fn summary(record: &Record, files: Option<&Path>, color: bool) -> String {
    let mut page = Page { paint: Paint { color }, text: String::new() };
    let figures = record.figures();
    page.headline(record);
    page.timeline(record, &figures);
    page.steps(record);
    page.users(record, &figures);
    page.recovery(record);
    page.restore(record);
    page.faults(record);
    if record.plan.as_ref().is_none_or(|plan| !plan.alone) {
        page.time(&figures.time);
    }
    page.trouble(record);
    if let Some(files) = files {
        page.section("files", &one_line(&files.display().to_string()));
    }
    page.text
}

struct Page {
    paint: Paint,
    text: String,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn section(&mut self, name: &str, rest: &str) {
        let name = self.paint.bold(name);
        self.line("");
        self.line(&format!("  {name}  {rest}"));
    }

    fn headline(&mut self, record: &Record) {
        let (mark, word) = headline(record);
        let head = format!("{} {word}", mark.sign());
        let plan = record.plan.as_deref();
        let severity = plan.and_then(|p| p.severity.as_deref()).map(one_line).unwrap_or_default();
        let room = WIDTH.saturating_sub(console::measure_text_width(&head) + severity.len() + 4);
        let name = plan.map_or("(nothing was announced)".into(), |p| one_line(&format!("{}: {}", p.scenario, p.title)));
        let name = column(&name, room);
        let paint = self.paint;
        self.line(&paint.dim(&"─".repeat(WIDTH)));
        self.line(&format!("{}  {}  {severity}", paint.headline(mark, &head), paint.bold(&name)));
        for line in why(record) {
            for line in wrap(&line, WIDTH - 2) {
                self.line(&format!("  {line}"));
            }
        }
    }

    fn timeline(&mut self, record: &Record, figures: &Figures) {
        let plan = record.plan.as_deref();
        let mut rows: Vec<(u64, &str, String)> = Vec::new();
        if let (Some(us), Some(first)) = (figures.to_impact_us, record.impacts.iter().min_by_key(|i| i.impact_us)) {
            rows.push((us, "impact", format!("{} fell to {}", first.sli, percent(first.ratio))));
        }
        if let Some(us) = figures.to_detect_us {
            rows.push((us, "detected", plan.and_then(|p| p.detect.clone()).unwrap_or_default()));
        }
        if let Some(us) = figures.to_mitigation_us {
            let first = record.steps.iter().find_map(|s| {
                let info = record.step_info(&s.step)?;
                (info.phase == "mitigate" && !s.commands.is_empty()).then(|| info.at.to_string())
            });
            rows.push((us, "mitigation", first.map(|at| format!("starts at {at}")).unwrap_or_default()));
        }
        if let Some(us) = figures.to_recover_us {
            let since = figures.mitigation_to_recover_us.filter(|_| us >= figures.to_mitigation_us.unwrap_or(0));
            let since = since.map(|us| format!("{} after the mitigation began", seconds(us)));
            rows.push((us, "recovered", since.unwrap_or_default()));
        }
        if rows.is_empty() {
            return;
        }
        rows.sort_by_key(|(us, ..)| *us);
        self.section("after the injection", "");
        for (us, what, text) in rows {
            let text = cut(&one_line(&text), WIDTH - 30);
            self.line(&format!("  {}  {}  {text}", right(&seconds(us), 12), column(what, 10)));
        }
    }

    fn steps(&mut self, record: &Record) {
        let Some(plan) = &record.plan else { return };
        if plan.control || plan.steps.is_empty() {
            return;
        }
        let path = plan.runbook_file.as_ref().map_or("", |file| file.path.as_str());
        self.section("runbook", &one_line(path));
        for info in &plan.steps {
            self.step(info, record.steps.iter().find(|s| s.step == info.id), &record.reason);
        }
    }

    fn step(&mut self, info: &StepInfo, ran: Option<&StepRecord>, said: &str) {
        let (mark, word) = words::step(ran.map(|s| s.status));
        let took = ran.filter(|s| !s.commands.is_empty()).and_then(StepRecord::took_us).map(seconds);
        let line = format!(":{}", info.at.line);
        let title = column(&one_line(&info.title), 42);
        let (status, phase) = (format!("{} {}", mark.sign(), column(word, 7)), column(&info.phase, 8));
        let status = self.paint.marked(mark, &status);
        let took = right(&took.unwrap_or_default(), 8);
        self.line(&format!("    {status} {phase} {title} {took} {line}"));
        if let Some(replaced) = &info.replaced {
            let says = match replaced.commands.first() {
                Some(first) => format!("`{}`", cut(&one_line(first), WIDTH / 2)),
                None => "a person does".to_string(),
            };
            let text = format!("the scenario runs {} instead of what the runbook says: {says}", replaced.by);
            for line in wrap(&one_line(&text), WIDTH - INDENT) {
                self.line(&format!("{}{line}", " ".repeat(INDENT)));
            }
        }
        let Some(ran) = ran else { return };
        // What stands at the top already is not said again.
        let reason = ran.reason.as_ref().filter(|reason| reason.as_str() != said);
        if let Some(reason) = reason.filter(|_| ran.status != Some(StepStatus::Passed)) {
            for line in wrap(&one_line(&placed(ran.at.as_ref(), reason)), WIDTH - INDENT) {
                self.line(&format!("{}{line}", " ".repeat(INDENT)));
            }
        }
        let bad = matches!(ran.status, Some(StepStatus::Failed) | None);
        if let Some(command) = ran.commands.iter().rfind(|command| !command.background).filter(|_| bad) {
            let text = format!("$ {}", one_line(&command.text));
            self.line(&format!("{}{}", " ".repeat(INDENT), cut(&text, WIDTH - INDENT)));
            let lines = terminal_lines(&command.output.text());
            for line in lines.iter().skip(lines.len().saturating_sub(OUTPUT_LINES)) {
                // A line of a table stays a line; an error is told to its end.
                for part in folded(line, WIDTH - INDENT - 2) {
                    self.line(&format!("{}│ {part}", " ".repeat(INDENT)));
                }
            }
            if command.ended_us.is_some() {
                self.line(&format!("{}{}", " ".repeat(INDENT), ending(command)));
            }
        }
    }

    fn users(&mut self, record: &Record, figures: &Figures) {
        if figures.slis.iter().all(|s| s.before.valid + s.during.valid + s.after.valid == 0) {
            return;
        }
        let injected = record.injected_us().is_some();
        let cell = |counts: Counts, objective: f64| match counts.ratio() {
            None => "-".to_string(),
            // Narrower than elsewhere: a row has 80 columns.
            Some(ratio) => {
                let sign = words::met(counts, objective).sign();
                format!("{sign} {} {}/{}", percent(ratio), counts.good, counts.valid)
            }
        };
        let rows: Vec<[String; 5]> = figures
            .slis
            .iter()
            .map(|s| {
                let cells = [s.before, s.during, s.after].map(|counts| cell(counts, s.objective));
                let [before, during, after] = cells;
                [one_line(&s.sli), percent(s.objective), before, during, after]
            })
            .collect();
        let head = ["", "objective", "before", "during", "after"].map(String::from);
        let columns = if injected { 5 } else { 3 };
        let width = |i: usize| {
            let cells = rows.iter().chain([&head]).filter_map(|row| row.get(i));
            cells.map(|cell| console::measure_text_width(cell)).max().unwrap_or(0).min(24)
        };
        // Two of margin, three between columns, within eighty.
        let wide = (0..columns).map(|i| width(i) + 3).sum::<usize>() > 81;
        let layout = |row: &[String; 5]| {
            let cells = row.iter().enumerate().take(columns);
            let cells = cells.map(|(i, text)| if i < 1 { column(text, width(i)) } else { right(text, width(i)) });
            cells.collect::<Vec<_>>().join(if wide { "  " } else { "   " })
        };
        // The heading stands in the place of the first column's name.
        let head = layout(&head);
        let name = self.paint.bold("users");
        self.line("");
        self.line(&format!("  {name}{}", head.get(3..).unwrap_or_default()));
        for row in &rows {
            self.line(&format!("    {}", layout(row)));
        }
    }

    /// What the recovery was judged by beside the SLIs.
    fn recovery(&mut self, record: &Record) {
        let rows = words::recovery(record);
        if !rows.is_empty() {
            self.section("recovery", "");
        }
        for row in rows {
            self.row(row.name, row.came, &row.text);
        }
    }

    /// A name, a mark and a text that may need several lines.
    fn row(&mut self, name: &str, mark: Option<StatusSymbol>, text: &str) {
        let sign = mark.map_or(" ".to_string(), |mark| self.paint.marked(mark, mark.sign()));
        let mut lead = format!("    {sign} {} ", column(name, 17));
        for line in wrap(&one_line(text), WIDTH - 24) {
            self.line(&format!("{lead}{line}"));
            lead = " ".repeat(24);
        }
    }

    /// What a DR drill measured.
    fn restore(&mut self, record: &Record) {
        let rows = restore::rows(record);
        if rows.is_empty() {
            return;
        }
        self.section("restore", "");
        for row in rows {
            self.row(row.name, row.came, &row.text);
        }
    }

    fn faults(&mut self, record: &Record) {
        let Some(plan) = &record.plan else { return };
        if record.faults.is_empty() {
            return;
        }
        self.section("faults", "");
        let width = plan.faults.iter().map(|f| console::measure_text_width(&f.id)).max().unwrap_or(0).min(30);
        for info in &plan.faults {
            let Some(fault) = record.fault_record(&info.id) else { continue };
            let (mark, text) = words::fate(record, fault);
            let sign = self.paint.marked(mark, mark.sign());
            self.line(&format!(
                "    {sign} {}  {}",
                column(&one_line(&info.id), width),
                cut(&one_line(&text), WIDTH - width - 8)
            ));
        }
    }

    fn time(&mut self, time: &Breakdown) {
        self.section("wall time", &seconds(time.total_us));
        for (name, total_us, parts) in words::time_shares(time) {
            let parts: Vec<String> =
                parts.iter().map(|(name, us)| format!("{name} {}", seconds(*us).trim_end_matches(" s"))).collect();
            let mut lines = wrap_list(&parts, WIDTH - 32).into_iter();
            let first = lines.next().unwrap_or_default();
            self.line(&format!(
                "    {} {}  {}",
                column(name, 16),
                right(&seconds(total_us), 9),
                self.paint.dim(&first)
            ));
            for line in lines {
                self.line(&format!("{}{}", " ".repeat(32), self.paint.dim(&line)));
            }
        }
    }

    /// What should trouble the reader, whatever the verdict says.
    fn trouble(&mut self, record: &Record) {
        let mut all = Vec::new();
        for judgement in &record.aftermath {
            all.push(format!("then {}: {}", judgement.verdict, placed(judgement.at.as_ref(), &judgement.reason)));
        }
        for late in record.late.iter().filter(|late| late.count > 0) {
            let worst = seconds(late.worst_us);
            all.push(format!("{} of {} sent late, by up to {worst}", requests(late.count), late.load));
        }
        let vague = record.clocks.iter().filter(|clock| clock.rtt_us / 2 > VAGUE_US);
        all.extend(vague.map(|clock| {
            let known = declared(clock.rtt_us / 2);
            format!("the clock of {} is known to {known} only: times are as vague", clock.agent)
        }));
        // The control is to wait in vain for the recovery.
        let control = record.phases.iter().filter(|phase| record.is_control() && phase.phase == Phase::Recover);
        let from = control.map(|phase| phase.started_us).next();
        let meant = |wait: &WaitRecord| from.is_some_and(|from| wait.ended_us >= from);
        // What had been waited for before, in a verification, is no wait of its own.
        let waits = record.waits.iter().filter(|wait| !wait.met && !meant(wait) && wait.took_us >= SHORT_US);
        all.extend(waits.map(|wait| format!("waited {} in vain for {}", seconds(wait.took_us), wait.what)));
        all.extend(record.left.iter().map(|left| format!("left behind: {left}")));
        if record.kept {
            all.push("the stack was kept, as asked for".into());
        }
        // An incomplete drill has said so at the top.
        all.extend(words::cut_off(record).filter(|_| record.verdict != Verdict::Incomplete));
        all.extend(record.damage.iter().map(|damage| format!("events: {damage}")));
        if all.is_empty() {
            return;
        }
        self.section("worth a look", "");
        for text in all {
            let mut indent = format!("    {} ", self.paint.marked(StatusSymbol::Warn, StatusSymbol::Warn.sign()));
            for line in wrap(&one_line(&text), WIDTH - 6) {
                self.line(&format!("{indent}{line}"));
                indent = " ".repeat(6);
            }
        }
    }
}

/// The items with commas between them, broken into lines of at most `width` columns between items only.
fn wrap_list(items: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let item = if i + 1 < items.len() { format!("{item},") } else { item.clone() };
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + item.chars().count() <= width => {
                line.push(' ');
                line.push_str(&item);
            }
            _ => lines.push(item),
        }
    }
    lines
}

/// The mark and the words at the top.
fn headline(record: &Record) -> (StatusSymbol, String) {
    if record.plan.as_ref().is_some_and(|plan| plan.alone) && record.ended {
        // No drill, no verdict: nothing was broken, so nothing has passed.
        return match record.judged_us {
            None if record.left.is_empty() => (StatusSymbol::Good, "FOLLOWED".into()),
            None => (StatusSymbol::Bad, "LEFT SOMETHING BEHIND".into()),
            Some(_) => (StatusSymbol::Bad, record.verdict.name().replace('_', " ").to_uppercase()),
        };
    }
    let (mark, word, detail) = words::headline(record);
    let mut word = word.to_uppercase();
    if record.is_control() {
        word.push_str(" (control)");
    }
    (mark, detail.map_or(word.clone(), |detail| format!("{word} ({detail})")))
}

/// Why, and where.
fn why(record: &Record) -> Vec<String> {
    let mut lines = Vec::new();
    if !record.reason.is_empty() {
        lines.push(one_line(&placed(record.at.as_ref(), &record.reason)));
    }
    let alone = record.plan.as_ref().is_some_and(|plan| plan.alone);
    if record.verdict == Verdict::Incomplete && record.reason.is_empty() && !(alone && record.ended) {
        let cut_off = words::cut_off(record).unwrap_or_else(|| "the run was cut off".into());
        lines.push(format!("{cut_off}: nothing passes by default"));
    }
    lines
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
