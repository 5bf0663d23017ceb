//! The tables of a drill: the recovery, the restore, the assertions, the faults, where the time went, how far the measuring can be
//! trusted, what was run with which files, and the data of the curves.

use super::chart::Samples;
use crate::output::one_line;
use crate::record::{FaultEvent, Figures, Record};
use crate::view::Mark;
use crate::view::cases::{CaseResult, cases};
use crate::view::format::{declared, percent, requests, seconds};
use crate::view::restore;
use crate::view::words;

/// A table that scrolls by itself where it is too wide; the first cell of a row is its head.
#[derive(Default)]
pub struct Table {
    pub caption: String,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Cell>>,
}

/// A cell.
pub struct Cell {
    pub look: Look,
    pub text: String,
}

/// How a cell looks.
pub enum Look {
    Plain,
    /// It may be long.
    Long,
    /// A badge.
    Badge(Mark),
    /// Long, and behind a sign.
    Sign(Mark),
}

/// A table below a line that opens it.
#[derive(Default)]
pub struct Fold {
    pub class: &'static str,
    pub open: bool,
    pub summary: String,
    /// Shares of a bar: class and percent.
    pub bar: Vec<(&'static str, String)>,
    pub table: Table,
    /// What the undo of faults wrote.
    pub written: Vec<(String, String)>,
}

fn cell(look: Look, text: &str) -> Cell {
    Cell { look, text: one_line(text) }
}

fn table<const N: usize>(caption: &str, columns: [&str; N], rows: Vec<[String; N]>) -> Table {
    let row = |row: [String; N]| row.iter().map(|text| cell(Look::Plain, text)).collect();
    let columns = columns.map(str::to_string).to_vec();
    Table { caption: caption.into(), columns, rows: rows.into_iter().map(row).collect() }
}

fn judged<'a>(caption: &str, rows: impl Iterator<Item = (&'a str, Option<Mark>, String)>) -> Table {
    let row = |(name, mark, text): (&str, Option<Mark>, String)| {
        vec![cell(Look::Plain, name), cell(mark.map_or(Look::Long, Look::Sign), &text)]
    };
    Table { caption: caption.into(), columns: vec!["What".into(), "Came to".into()], rows: rows.map(row).collect() }
}

/// What the recovery was judged by beside the SLIs.
pub fn recovery(record: &Record) -> Table {
    let rows = words::recovery(record).into_iter().map(|(name, mark, text)| (name, Some(mark), text));
    judged("The recovery: time, hold, invariants", rows)
}

/// What a restore came to.
pub fn restore(record: &Record) -> Table {
    let rows = restore::rows(record).into_iter().map(|row| (restore::meaning(row.name), row.came, row.text));
    judged("What the restore came to", rows)
}

/// What stands below the runbook.
pub fn folds(record: &Record, figures: &Figures, samples: Option<Samples>) -> Vec<Fold> {
    [Some(checks(record)), faults(record, samples), Some(time(figures)), Some(measuring(record, figures))]
        .into_iter()
        .flatten()
        .collect()
}

/// Every assertion, reached or not.
fn checks(record: &Record) -> Fold {
    let (mut passed, mut failed, mut rows) = (0, 0, Vec::new());
    for case in cases(record) {
        let (mark, word, seen) = match &case.result {
            CaseResult::Passed => (Mark::Good, "passed", case.text.lines().next().unwrap_or_default()),
            CaseResult::Failed { message } => (Mark::Bad, "failed", message.as_str()),
            CaseResult::Error { message } => (Mark::Warn, "harness error", message.as_str()),
            CaseResult::Skipped { message } => (Mark::Skip, "not decided", message.as_str()),
        };
        passed += usize::from(mark == Mark::Good);
        failed += usize::from(matches!(mark, Mark::Bad | Mark::Warn));
        rows.push(vec![cell(Look::Plain, &case.name), cell(Look::Badge(mark), word), cell(Look::Long, seen)]);
    }
    let undecided = rows.len() - passed - failed;
    let columns = ["Assertion", "Came out", "Seen"].map(str::to_string).to_vec();
    Fold {
        summary: format!("Assertions: {passed} passed, {failed} failed, {undecided} not decided"),
        table: Table { caption: "What the drill set out to decide".into(), columns, rows },
        ..Fold::default()
    }
}

/// The lives of the faults.
fn faults(record: &Record, samples: Option<Samples>) -> Option<Fold> {
    let plan = record.plan.as_ref().filter(|_| !record.faults.is_empty())?;
    let zero = samples.map(|samples| samples.zero).unwrap_or_default();
    let fates: Vec<String> = record.faults.iter().map(|fault| one_line(&words::fate(record, fault).1)).collect();
    let mut rows = Vec::new();
    for fault in &record.faults {
        let info = plan.faults.iter().find(|info| info.id == fault.fault);
        for moment in &fault.life {
            let at = (moment.at_us.0 as f64 - zero as f64) / 1e6;
            let name = match info.filter(|_| moment.what == FaultEvent::Injecting) {
                Some(info) => format!("{}: {} ({})", info.kind, info.summary, info.at),
                None => fault.fault.clone(),
            };
            rows.push([name, format!("{at:+.1} s"), words::station(moment.what).1.into(), moment.detail.clone()]);
        }
    }
    let written = record.faults.iter().filter(|fault| !fault.undo_output.is_empty());
    Some(Fold {
        summary: format!("Faults: {}", fates.join("; ")),
        table: table("What was broken, and how it ended", ["Fault", "When", "What happened", "Evidence"], rows),
        written: written.map(|fault| (fault.fault.clone(), fault.undo_output.trim_end().to_string())).collect(),
        ..Fold::default()
    })
}

/// Where the time went.
fn time(figures: &Figures) -> Fold {
    let parts = words::time_shares(&figures.time);
    let total = figures.time.total_us.max(1) as f64;
    let each: Vec<String> = parts.iter().map(|(name, us, _)| format!("{name} {}", seconds(*us))).collect();
    let bar = ["part a", "part b", "part c"].into_iter().zip(&parts);
    let bar = bar.map(|(class, (_, us, _))| (class, format!("{:.2}", *us as f64 / total * 100.0)));
    let rows = parts.iter().map(|(name, us, of)| {
        let of: Vec<String> = of.iter().map(|(name, us)| format!("{name} {}", seconds(*us))).collect();
        [name.to_string(), seconds(*us), percent(*us as f64 / total), of.join(", ")]
    });
    Fold {
        summary: format!("Where {} went: {}", seconds(figures.time.total_us), each.join(", ")),
        bar: bar.collect(),
        table: table("Where the time went", ["Whose", "Took", "Share", "Of that"], rows.collect()),
        ..Fold::default()
    }
}

/// How far the measuring can be trusted.
fn measuring(record: &Record, figures: &Figures) -> Fold {
    let seen = &figures.measuring;
    let late = match (record.is_disturbed(), seen.late) {
        (true, _) => "disturbed".to_string(),
        (false, 0) => "no request was sent late".to_string(),
        (false, count) => format!("{} sent late, by up to {}", requests(count), seconds(seen.worst_late_us)),
    };
    let share = |value: Option<f64>| value.map_or("not measured".to_string(), percent);
    let named = if record.is_disturbed() { "disturbed" } else { "disturbed, and the verdict stands" };
    let mut rows: Vec<[String; 2]> = record.disturbed.iter().map(|why| [named.into(), why.clone()]).collect();
    rows.extend([
        ["requests due".into(), seen.requests.to_string()],
        ["sent later than allowed".into(), seen.late.to_string()],
        ["worst lateness".into(), format!("{:.1} ms", seen.worst_late_us as f64 / 1000.0)],
        ["processors busy, mean and most".into(), format!("{}, {}", share(seen.busy_mean), share(seen.busy_max))],
        ["tasks waited for a processor, most".into(), share(seen.pressure_max)],
    ]);
    rows.extend(record.clocks.iter().map(|clock| {
        let known = declared(clock.rtt_us / 2);
        [format!("clock of {}", clock.agent), format!("{} µs off, known to {known}", clock.offset_us)]
    }));
    let waits = record.waits.iter().filter(|wait| !wait.met);
    rows.extend(waits.map(|wait| ["waited in vain".into(), format!("{} for {}", seconds(wait.took_us), wait.what)]));
    rows.extend(record.damage.iter().take(20).map(|damage| ["damage of the events".into(), damage.clone()]));
    Fold {
        summary: format!("How far this can be trusted: {late}"),
        open: record.is_disturbed(),
        table: table("Quality of the measuring", ["What", "Value"], rows),
        ..Fold::default()
    }
}

/// What was run: versions, files, images, inputs.
pub fn configuration(record: &Record) -> Fold {
    let Some(plan) = &record.plan else { return Fold::default() };
    let mut rows = vec![
        ["run".into(), plan.run.clone()],
        ["began".into(), plan.started_utc.clone()],
        ["firedrill".into(), plan.tool_version.clone()],
        ["revision".into(), plan.revision.clone().unwrap_or_else(|| "not known".into())],
        ["seed".into(), plan.seed.to_string()],
    ];
    let files = plan.files();
    rows.extend(files.iter().map(|(what, file)| [file.path.clone(), format!("sha256 {}; {what}", file.sha256)]));
    let loads = plan.loads.iter();
    rows.extend(
        loads.map(|load| [format!("load {}", load.name), format!("{}, {} per second", load.request, load.rate)]),
    );
    let images = record.stack.iter().flat_map(|stack| &stack.images);
    rows.extend(images.map(|(service, image)| [format!("image of {service}"), image.clone()]));
    rows.extend(plan.vars.iter().map(|(name, value)| [format!("input {name}"), value.clone()]));
    Fold {
        summary: format!("What was run: firedrill {}, run {}", plan.tool_version, plan.run),
        table: table("What was run", ["What", "Value"], rows),
        ..Fold::default()
    }
}

/// The data of the curves; `None` where there was no load.
pub fn data(record: &Record, samples: Samples) -> Option<Fold> {
    let plan = record.plan.as_ref().filter(|_| !record.loads.is_empty())?;
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "–".into());
    let until = (0..samples.count).map(|at| samples.clock(samples.part(at).1)).collect();
    let mut columns: Vec<(String, Vec<String>)> = vec![("Until".into(), until)];
    for sli in &plan.slis {
        let ratios = samples.ratios(record, &sli.name).into_iter().map(|ratio| or_dash(ratio.map(percent)));
        columns.push((one_line(&sli.name), ratios.collect()));
    }
    for load in record.loads.iter().take(4) {
        let named = if record.loads.len() > 1 { format!(" of {}", one_line(&load.load)) } else { String::new() };
        for (name, column) in [("median ms", &load.p50_us), ("p99 ms", &load.p99_us), ("max ms", &load.max_us)] {
            let in_ms = |us: Option<u64>| or_dash(us.map(|us| format!("{:.0}", us as f64 / 1000.0)));
            columns.push((format!("{name}{named}"), samples.largest(load, column).into_iter().map(in_ms).collect()));
        }
        let rates =
            samples.rate(load, &load.due).into_iter().map(|rate| or_dash(rate.map(|rate| format!("{rate:.0}"))));
        columns.push((format!("requests/s{named}"), rates.collect()));
    }
    let row = |at: usize| columns.iter().filter_map(|(_, cells)| Some(cell(Look::Plain, cells.get(at)?))).collect();
    let from = if samples.fault { "the confirmed fault" } else { "the first request" };
    let table = Table {
        caption: format!("The curves as numbers; seconds from {from}"),
        rows: (0..samples.count).map(row).collect(),
        columns: columns.iter().map(|(name, _)| name.clone()).collect(),
    };
    Some(Fold { class: "data", summary: "The same as a table".into(), table, ..Fold::default() })
}

/// What the reader should know, whatever the verdict says.
pub fn notes(record: &Record) -> Vec<String> {
    let cut_off = words::cut_off(record).map(|cut| format!("{cut}; everything below is what is known up to then"));
    let notes = record.notes.iter().map(|note| note.text.clone());
    words::aftermath(record).into_iter().chain(cut_off).chain(notes).map(|text| one_line(&text)).collect()
}
