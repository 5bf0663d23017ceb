//! The report that people read: one HTML file that asks nobody for anything, has no script, and is as readable on a phone
//! as on paper. Of one drill first the answers and the time axis, of several the failures; then every drill with its runbook.
//! The templates beside this file hold the markup; here is what they show, as much of it as there is room for.

mod chart;
mod runbook;

use super::{filters, overview};
use crate::output::{one_line, terminal_lines};
use crate::record::{
    CommandRecord, Day, DrillStatus, FaultEvent, Figures, Record, RestoreLevel, RunOutcome, StepStatus, is_run_id,
};
use crate::view::advice::{self, Advice, of_status};
use crate::view::cases::{DrillCase, cases};
use crate::view::format::{percent, seconds};
use crate::view::{DrillEntry, Drills, StatusSymbol, answers, restore, status_counts, words, written};
use askama::Template;
use chart::{Drawing, Samples, Signal};
use runbook::{CommandPart, RunbookPart, RunbookSection};
use std::collections::{BTreeMap, BTreeSet};

/// The report stays below this number of bytes as long as it can tell less: of the drills that passed, then of those that failed
/// beyond the first ones.
const ROOM: usize = 4_600_000;
const ALL: usize = usize::MAX;
/// How much room each drill has, from the most to the least: points of a curve, bytes of one command's output, and how many of those that
/// passed and of those that did not are told as a whole; the worst come first.
const ROOMS: [(usize, usize, usize, usize); 8] = [
    (160, 16_000, ALL, ALL),
    (100, 4_000, ALL, ALL),
    (50, 1_500, ALL, ALL),
    (24, 400, ALL, ALL),
    (24, 400, 0, ALL),
    (24, 400, 0, 40),
    (24, 400, 0, 8),
    (24, 400, 0, 0),
];
/// The statuses in the order in which they are told.
const ORDER: [DrillStatus; 7] = [
    DrillStatus::Failed,
    DrillStatus::Broken,
    DrillStatus::Incomplete,
    DrillStatus::Interrupted,
    DrillStatus::Flaky,
    DrillStatus::NotRun,
    DrillStatus::Passed,
];

/// The report as HTML: self-contained, without script, failures first.
pub fn html(drills: &Drills) -> Vec<u8> {
    let first = match drills.records.len() {
        0..=4 => 0,
        5..=24 => 1,
        _ => 2,
    };
    let mut page = String::new();
    for (samples, output, passed, failed) in ROOMS.into_iter().skip(first) {
        let beside_runs = drills.days.len() == 1;
        let room = Room { samples, output, passed, failed, beside_runs, ..Room::default() };
        page = written(&HtmlPage::of(drills, room));
        page.push('\n');
        if page.len() <= ROOM {
            break;
        }
    }
    page.into_bytes()
}

/// A page of Markdown in the same style, below drawings that are HTML already.
pub fn html_page(title: &str, drawings: &str, text: &str) -> String {
    let (style, text) = (include_str!("html/page.css"), runbook::markdown(text));
    written(&MarkdownPage { style, title, drawings, text })
}

#[derive(Template)]
#[template(path = "html/markdown.html")]
struct MarkdownPage<'a> {
    style: &'a str,
    title: &'a str,
    drawings: &'a str,
    text: String,
}

/// How much room each drill has, and what has been shown already: a hundred drills stay in one file that opens on a phone.
#[derive(Default)]
struct Room<'a> {
    /// Points of a curve.
    samples: usize,
    /// Bytes of one command's output.
    output: usize,
    /// How many more of those that passed are told as a whole: not in short, without curves and without their runbook.
    passed: usize,
    /// How many more of those that did not pass are.
    failed: usize,
    /// Whether the report may lie in the directory of its one game day, beside the runs.
    beside_runs: bool,
    /// The run whose time axis stands at the top of the report.
    over_time: Option<String>,
    /// Runbooks that were shown as a whole, and where.
    shown: BTreeMap<&'a str, String>,
}

impl Room<'_> {
    /// Whether the next drill is told in short.
    fn is_short(&mut self, passed: bool) -> bool {
        let whole = if passed { &mut self.passed } else { &mut self.failed };
        let short = *whole == 0;
        *whole -= usize::from(!short);
        short
    }
}

#[derive(Template)]
#[template(path = "html/page.html")]
struct HtmlPage<'a> {
    style: &'static str,
    game_day: bool,
    title: String,
    mark: StatusSymbol,
    said: String,
    facts: Vec<String>,
    unread: &'a [String],
    /// Status, how many drills have it, and their share in percent.
    counts: Vec<(DrillStatus, usize, String)>,
    days: &'a [Day],
    over_time: Option<Chart>,
    in_trouble: bool,
    drills: Vec<DrillPart<'a>>,
}

/// A drill with its attempts.
struct DrillPart<'a> {
    id: String,
    entry: DrillEntry<'a>,
    figures: Figures,
    /// What went wrong, as the record says that shows it.
    told: Option<&'a Record>,
    advice: Advice<'a>,
    /// The command that shows it, with the last lines of its output.
    evidence: Option<(CommandPart<'a>, String)>,
    to_do: Vec<String>,
    attempts: Vec<AttemptPart<'a>>,
}

struct AttemptPart<'a> {
    title: String,
    /// Whether the status speaks of it.
    counts: bool,
    body: Option<Body<'a>>,
}

/// Everything about one record. A template of its own, as are the drawings: one function of all of them took the compiler five seconds.
#[derive(Template)]
#[template(path = "html/attempt.html")]
struct Body<'a> {
    id: String,
    record: &'a Record,
    figures: Figures,
    cases: Vec<DrillCase>,
    time: [words::TimeShare; 3],
    run: &'a str,
    notes: Vec<String>,
    chart: Option<Chart>,
    /// Whether it is told in short: without what follows, but for the link.
    short: bool,
    runbook: Option<RunbookSection<'a>>,
    signals: Vec<Signal>,
    /// Assertions that passed, failed, were not decided.
    counts: [usize; 3],
    /// The instant from which times count, in microseconds.
    zero: u64,
    /// What else was seen of the measuring.
    measured: [(&'static str, String); 3],
    /// Where the report of the run lies, where that is known.
    link: Option<String>,
}

/// The time axis with its key, and the curves as numbers.
#[derive(Template)]
#[template(path = "html/chart.html")]
struct Chart {
    drawing: Drawing,
    /// Whether times count from the fault.
    fault: bool,
    caption: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl<'a> HtmlPage<'a> {
    fn of(drills: &'a Drills, mut room: Room<'a>) -> HtmlPage<'a> {
        let mut entries = drills.entries();
        entries.sort_by_key(|entry| ORDER.iter().position(|status| *status == entry.status));
        let (mut mark, mut said) = sentence(&entries, drills.outcome() == RunOutcome::Passed);
        if mark != StatusSymbol::Bad && !entries.is_empty() {
            mark = overview::symbol(drills);
        }
        gaps(drills).iter().for_each(|gap| said.push_str(&format!("; {gap}")));
        let (title, facts) = (title(drills, &entries), facts(drills, &entries));
        let share = |count: usize| format!("{:.3}", count as f64 / entries.len().max(1) as f64 * 100.0);
        let counts = status_counts(&entries, ORDER).into_iter().map(|(status, count)| (status, count, share(count)));
        let counts = counts.collect();
        let over_time = match entries.as_slice() {
            [one] => one.telling_record().and_then(|record| {
                let chart = Chart::of(record, Samples::of(record, room.samples)?, "d1-top");
                room.over_time = record.plan.as_ref().map(|plan| plan.run.clone());
                Some(chart)
            }),
            _ => None,
        };
        HtmlPage {
            style: include_str!("html/page.css"),
            game_day: !drills.days.is_empty(),
            title,
            mark,
            said,
            facts,
            unread: &drills.unread,
            counts,
            days: &drills.days,
            over_time,
            in_trouble: entries.iter().any(|entry| entry.status.is_trouble()),
            drills: (1..).zip(entries).map(|(at, entry)| DrillPart::of(entry, format!("d{at}"), &mut room)).collect(),
        }
    }
}

impl<'a> DrillPart<'a> {
    fn of(entry: DrillEntry<'a>, id: String, room: &mut Room<'a>) -> DrillPart<'a> {
        let told = entry.telling_record();
        let advice = told.map(advice::advice).unwrap_or_default();
        let short = room.is_short(entry.status == DrillStatus::Passed);
        let titles = entry.attempts_told();
        let attempts = entry.attempts.iter().enumerate().map(|(at, (_, record))| {
            let id = format!("{id}-{}", at + 1);
            AttemptPart {
                title: titles.get(at).map_or(String::new(), |title| answers::capital(title)),
                counts: record.is_some_and(|record| entry.record().is_some_and(|own| std::ptr::eq(record, own))),
                body: record.map(|record| Body::of(record, &id, short, room)),
            }
        });
        let attempts = attempts.collect();
        DrillPart {
            figures: entry.record().map(Record::figures).unwrap_or_default(),
            evidence: advice.command.map(|command| evidence(command, room)),
            to_do: of_status(entry.status).map(str::to_string).into_iter().chain(advice.next.clone()).collect(),
            id,
            entry,
            told,
            advice,
            attempts,
        }
    }

    /// How it came out, for the card of a failure.
    fn word(&self) -> String {
        match (self.entry.status, self.entry.record()) {
            (DrillStatus::Failed | DrillStatus::Broken, Some(record)) => words::headline_text(record),
            (status, _) => status.name().into(),
        }
    }
}

impl<'a> Body<'a> {
    fn of(record: &'a Record, id: &str, short: bool, room: &mut Room<'a>) -> Body<'a> {
        let (figures, cases) = (record.figures(), cases(record));
        let plan = record.plan.as_deref();
        let run = plan.map_or("", |plan| plan.run.as_str());
        let samples = Samples::of(record, room.samples).filter(|_| !short);
        let told = plan.is_some() && room.over_time.as_deref() == Some(run);
        let plain = is_run_id(run) && run.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        let cut_off = words::cut_off(record).map(|cut| format!("{cut}; everything below is what is known up to then"));
        let noted = |note: &crate::record::NoteRecord| match &note.by {
            Some(by) => format!("{by} noted: {}", note.text),
            None => note.text.clone(),
        };
        let notes = words::detection_theory(record, &figures).into_iter().chain(advice::doubts(record));
        let notes = notes.chain(record.notes.iter().map(noted));
        let seen = &figures.measuring;
        let count = |wanted: &[StatusSymbol]| cases.iter().filter(|case| wanted.contains(&case.symbol)).count();
        let share = |value: Option<f64>| value.map_or("not measured".to_string(), percent);
        Body {
            id: id.into(),
            notes: words::aftermath(record)
                .into_iter()
                .chain(cut_off)
                .chain(notes)
                .map(|text| one_line(&text))
                .collect(),
            chart: samples.filter(|_| !told).map(|samples| Chart::of(record, samples, id)),
            short,
            runbook: if short { None } else { RunbookSection::of(record, room, id) },
            signals: samples
                .filter(|_| !record.loads.is_empty())
                .map(|samples| Signal::all(record, seen, samples, id))
                .unwrap_or_default(),
            counts: [&[StatusSymbol::Good][..], &[StatusSymbol::Bad, StatusSymbol::Warn], &[StatusSymbol::Skip]]
                .map(count),
            zero: samples.map(|samples| samples.zero).unwrap_or_default(),
            measured: [
                ("worst lateness", format!("{:.1} ms", seen.worst_late_us as f64 / 1000.0)),
                ("processors busy, mean and most", format!("{}, {}", share(seen.busy_mean), share(seen.busy_max))),
                ("tasks waited for a processor, most", share(seen.pressure_max)),
            ],
            link: (room.beside_runs && plain).then(|| format!("runs/{run}/report.html")),
            time: words::time_shares(&figures.time),
            run,
            record,
            cases,
            figures,
        }
    }
}

impl Chart {
    fn of(record: &Record, samples: Samples, id: &str) -> Chart {
        let (columns, rows) = samples.as_table(record);
        let drawing = Drawing::axis(record, samples, &format!("{id}-axis"));
        let from = if samples.fault { "the confirmed fault" } else { "the first request" };
        let caption = format!("The curves as numbers; seconds from {from}");
        Chart { drawing, fault: samples.fault, caption, columns, rows }
    }
}

/// The title of the report.
fn title(drills: &Drills, entries: &[DrillEntry<'_>]) -> String {
    let mut titles: Vec<String> =
        drills.days.iter().map(|day| one_line(&day.plan.title)).filter(|title| !title.is_empty()).collect();
    titles.dedup();
    match (titles.as_slice(), entries) {
        ([], [one]) if !one.title.is_empty() => one_line(one.title),
        ([], []) => "No drills".into(),
        ([], all) => words::many(all.len(), "drill"),
        (titles, _) => titles.join(", "),
    }
}

/// What of it is not here, or was not carried out.
fn gaps(drills: &Drills) -> Vec<String> {
    let mut gaps = Vec::new();
    for group in drills.groups() {
        let of = group.shards().unwrap_or(0);
        let missing: Vec<String> = group.missing().iter().map(|shard| format!("{shard}/{of}")).collect();
        let told = || format!("{} missing: {}", words::many(missing.len(), "shard"), missing.join(", "));
        gaps.extend((!missing.is_empty()).then(told));
        gaps.extend((!group.ended()).then(|| "the game day has no end".to_string()));
        gaps.extend(group.days.iter().filter_map(|day| day.stopped).map(|why| why.words().to_string()));
    }
    let unread = drills.unread.len();
    gaps.extend((unread > 0).then(|| format!("{unread} could not be read")));
    gaps
}

/// In one sentence: how it came out. `whole`: nothing beside the drills keeps it from having passed.
fn sentence(entries: &[DrillEntry<'_>], whole: bool) -> (StatusSymbol, String) {
    let count = |status| entries.iter().filter(|entry| entry.status == status).count();
    let of = words::many(entries.len(), "drill");
    let (passed, failed) = (count(DrillStatus::Passed), count(DrillStatus::Failed));
    match (entries, failed) {
        ([], _) => (StatusSymbol::Skip, "Nothing was run".into()),
        ([one], _) => {
            let status = one.status.name();
            let word = match one.record() {
                Some(record) if one.status != DrillStatus::Passed && record.verdict != record.expected() => {
                    format!("{status}: {}", words::plainly(record))
                }
                Some(record) => words::headline_text(record),
                None => status.to_string(),
            };
            (one.mark(), answers::capital(&word))
        }
        (all, _) if whole && passed == all.len() => (StatusSymbol::Good, format!("All {of} passed")),
        (_, 0) => (StatusSymbol::Warn, format!("{passed} of {of} passed, none failed")),
        _ => (StatusSymbol::Bad, format!("{failed} of {of} failed")),
    }
}

/// When, of which revision, how long, with which version.
fn facts(drills: &Drills, entries: &[DrillEntry<'_>]) -> Vec<String> {
    let plans = || drills.records.iter().filter_map(|record| record.plan.as_ref());
    let days = || drills.days.iter().map(|day| &day.plan);
    let began = days().map(|day| day.started_utc.as_str()).filter(|utc| !utc.is_empty());
    let began = began.chain(plans().map(|plan| plan.started_utc.as_str())).min();
    let mut facts: Vec<String> = began.map(crate::view::clock::date).into_iter().collect();
    let revisions = days().filter_map(|day| day.revision.as_deref());
    let revisions = revisions.chain(plans().filter_map(|plan| plan.revision.as_deref())).collect::<BTreeSet<_>>();
    facts.extend(revisions.first().map(|one| match revisions.len() {
        1 => format!("revision {}", short(one)),
        several => format!("{several} revisions"),
    }));
    let day = drills.days.iter().map(|day| day.last_us).max();
    let longest = entries.iter().filter_map(DrillEntry::record).map(|record| record.last_us.0).max();
    let what = if day.is_none() && entries.len() > 1 { "the longest drill took" } else { "took" };
    facts.extend(day.or(longest).map(|us| format!("{what} {}", seconds(us))));
    if let [one] = entries {
        facts.extend(one.record().and_then(|record| Some(one_line(record.plan.as_ref()?.severity.as_deref()?))));
    }
    let version = plans().map(|plan| plan.tool_version.as_str()).min();
    facts.extend(version.map(|version| format!("firedrill {}", one_line(version))));
    facts
}

/// A commit as people write it, with what was changed.
fn short(revision: &str) -> String {
    let (commit, dirty) = revision.split_once('-').map_or((revision, ""), |(commit, _)| (commit, " with changes"));
    format!("{}{dirty}", commit.chars().take(12).collect::<String>())
}

/// A command that shows what went wrong, without its output, and the last lines of that.
fn evidence<'a>(command: &'a CommandRecord, room: &Room<'_>) -> (CommandPart<'a>, String) {
    const LINES: usize = 6;
    let lines = terminal_lines(&command.output.text());
    let end = lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |at| at + 1);
    let from = end.saturating_sub(LINES);
    let before = if from > 0 { format!("… {} before …\n", words::many(from, "line")) } else { String::new() };
    let last = lines.get(from..end).unwrap_or_default().join("\n");
    (CommandPart { output: None, ..CommandPart::of(command, None, "", room) }, before + &last)
}

impl StatusSymbol {
    /// The class of the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            StatusSymbol::Good => "good",
            StatusSymbol::Bad => "bad",
            StatusSymbol::Warn => "warn",
            StatusSymbol::Skip | StatusSymbol::Plain => "idle",
        }
    }
}

#[cfg(test)]
mod tests;
