//! The drawings of a drill: the time axis and the four golden signals. Places along time are percentages of the page's width,
//! heights and letters are pixels, so the text reads the same on a phone and on a wide screen; curves are stretched.

use super::super::{filters, page::cut};
use crate::output::one_line;
use crate::record::{
    DrillTime, FaultEvent, LoadSeries, MachineSample, Measuring, Phase, PriceFigures, Record, SLICE_US, status_of,
};
use crate::view::format::{bytes, decimals, percent, seconds};
use crate::view::restore::lost_span;
use crate::view::words;
use askama::Template;
use std::collections::BTreeMap;

/// Height of a line of text.
const LINE: f64 = 17.0;
/// Height of the field of an SLI.
const FIELD: f64 = 76.0;
/// Height of a bar.
const BAR: f64 = 8.0;
/// Height of the field of a signal.
const SIGNAL: f64 = 84.0;
/// Units in which curves are written: as wide and as high as that.
const UNITS: (f64, f64) = (1000.0, 100.0);
/// Loads that are drawn.
const LOADS: usize = 4;
/// How each curve of a signal is drawn; the pattern of the line tells them apart without colour.
const LINES: [(&str, &str); 4] = [("line a", "—"), ("line b", "– –"), ("line c", "···"), ("line d", "–·–")];

/// What a drawing is made of. `x` and `width` are percentages of the width, everything else is pixels.
pub enum DrawnShape {
    /// A rectangle; what it means stands in its title.
    Rect { x: f64, width: f64, y: f64, height: f64, class: String, title: String },
    /// A line from one place to another.
    Line { x: [f64; 2], y: [f64; 2], class: &'static str },
    /// A text beside its place.
    Text { x: f64, dx: i8, y: f64, anchor: &'static str, class: &'static str, text: String },
    /// A curve, a path for each piece without a gap, with the area below it where that is tinted.
    Curve { y: f64, height: f64, class: &'static str, paths: Vec<(String, Option<String>)> },
}

/// A drawing along time.
#[derive(Template)]
#[template(path = "html/drawing.html")]
pub struct Drawing {
    /// Unique in the page.
    pub id: String,
    pub class: &'static str,
    pub title: String,
    /// The same in words.
    pub desc: String,
    pub height: f64,
    pub shapes: Vec<DrawnShape>,
    samples: Samples,
    y: f64,
}

/// A golden signal: its drawing, and its curves in words; without a drawing why there is none.
pub struct Signal {
    pub title: String,
    pub unit: &'static str,
    pub drawing: Option<Drawing>,
    /// Class, pattern of the line, what it shows from least to most.
    pub legend: Vec<(&'static str, &'static str, String)>,
    pub note: String,
}

type Curve = (String, Vec<Option<f64>>);

impl Drawing {
    fn new(id: &str, class: &'static str, title: &str, desc: String, samples: Samples) -> Drawing {
        let (id, title) = (id.to_string(), title.to_string());
        Drawing { id, class, title, desc, height: 0.0, shapes: Vec::new(), samples, y: 0.0 }
    }

    /// The time axis of a drill: phases, faults, the alert condition, every SLI with its objective, the steps of the runbook,
    /// and the moments that the figures are about. `id` is unique in the page.
    pub fn axis(record: &Record, samples: Samples, id: &str) -> Drawing {
        let moments = moments(record);
        let told: Vec<String> =
            moments.iter().map(|(at, what, ..)| format!("{what} at {}", samples.clock(*at))).collect();
        let from = if samples.fault { "the confirmed fault" } else { "the first request" };
        let desc = format!("Seconds count from {from}. {}. The table below has the same data.", told.join(", "));
        let mut d = Drawing::new(id, "axis", "What happened, over time", desc, samples);
        let top = moments.len() as f64 * LINE + 4.0;
        d.y = top;
        d.phases(record);
        d.bars(record);
        d.slis(record);
        d.steps(record);
        let bottom = d.y;
        d.height = bottom + 22.0;
        // Lines lie below what was drawn, the words of the moments and what a pointer sees above it.
        let drawn = std::mem::take(&mut d.shapes);
        d.ticks(bottom, top);
        for (row, (at, _, _, class)) in (1..).zip(&moments) {
            d.line([samples.place(*at); 2], [f64::from(row) * LINE - 10.0, bottom], class);
        }
        d.shapes.extend(drawn);
        for (row, (at, what, sign, _)) in (1..).zip(&moments) {
            let place = samples.place(*at);
            let (anchor, dx) = if place > 0.5 { ("end", -5) } else { ("start", 5) };
            let text = format!("{sign} {what} {}", samples.clock(*at));
            d.text((place, dx), f64::from(row) * LINE, anchor, "moment", text);
        }
        d.pointed(record, top + 22.0, bottom - top - 22.0);
        d
    }

    fn rect(&mut self, from: DrillTime, to: DrillTime, (y, height): (f64, f64), class: &str, title: String) {
        let (x, end) = (self.samples.place(from), self.samples.place(to));
        // At least as wide as can be seen.
        self.area((x * 100.0, (end - x).max(0.004) * 100.0), (y, height), class, title);
    }

    fn area(&mut self, (x, width): (f64, f64), (y, height): (f64, f64), class: &str, title: String) {
        self.shapes.push(DrawnShape::Rect { x, width, y, height, class: class.into(), title });
    }

    /// A line; where it begins and ends along time is in shares of the width.
    fn line(&mut self, x: [f64; 2], y: [f64; 2], class: &'static str) {
        self.shapes.push(DrawnShape::Line { x: x.map(|x| x * 100.0), y, class });
    }

    fn text(&mut self, (x, dx): (f64, i8), y: f64, anchor: &'static str, class: &'static str, text: String) {
        self.shapes.push(DrawnShape::Text { x: x * 100.0, dx, y, anchor, class, text });
    }

    /// A curve in the field that begins at `top`. Values are in 0..=1; where there is none, the curve has a gap.
    fn curve(&mut self, top: f64, height: f64, class: &'static str, values: &[Option<f64>], filled: bool) {
        let x = |at: usize| decimals((at as f64 + 1.0) / values.len() as f64 * UNITS.0, 2);
        let path = |run: Vec<(usize, f64)>| {
            let mut line = String::new();
            for (at, value) in &run {
                let sign = if line.is_empty() { 'M' } else { 'L' };
                line.push_str(&format!("{sign}{} {}", x(*at), decimals((1.0 - value) * (UNITS.1 - 2.0) + 1.0, 2)));
            }
            let ends = run.first().zip(run.last()).filter(|_| filled);
            let area = ends
                .map(|((first, _), (last, _))| format!("{line}L{} {}L{} {}Z", x(*last), UNITS.1, x(*first), UNITS.1));
            (line, area)
        };
        let paths = runs(values).into_iter().map(path).collect();
        self.shapes.push(DrawnShape::Curve { y: top, height, class, paths });
    }

    /// Seconds along the bottom, and what they count from.
    fn ticks(&mut self, y: f64, top: f64) {
        let length = self.samples.length() as f64 / 1e6;
        let nice = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0];
        let every = nice.into_iter().find(|step| length / step <= 6.0).unwrap_or((length / 6.0).max(3600.0));
        let zero = (self.samples.zero as f64 - self.samples.from as f64) / 1e6;
        let mut at = (-zero / every).ceil() * every;
        while at <= length - zero {
            let place = (at + zero) / length;
            self.line([place; 2], [top, y], "grid");
            let anchor = match place {
                place if place > 0.94 => "end",
                place if place < 0.06 => "start",
                _ => "middle",
            };
            let sign = if at < 0.0 { "−" } else { "+" };
            let text = if at == 0.0 { "0".to_string() } else { format!("{sign}{} s", at.abs()) };
            self.text((place, 0), y + 14.0, anchor, "tick", text);
            at += every;
        }
    }

    fn phases(&mut self, record: &Record) {
        for (at, phase) in record.phases.iter().enumerate() {
            let Some((from, to)) = record.phase_span(phase.phase) else { continue };
            let (place, name) = (self.samples.place(from), phase.phase.name());
            let share = self.samples.place(to) - place;
            if share <= 0.0 {
                continue;
            }
            let class = if at % 2 == 0 { "phase" } else { "phase odd" };
            let took = seconds(to.0.saturating_sub(from.0));
            self.rect(from, to, (self.y, 20.0), class, format!("{name}: {took}"));
            // Letters are about seven pixels wide; a wide screen has room for more of them than a phone.
            let needed = (name.len() + 1) as f64 * 7.0;
            let class = if share * 300.0 > needed { "name" } else { "name wide" };
            if share * 900.0 > needed {
                self.text((place, 4), self.y + 14.0, "start", class, name.into());
            }
        }
        self.y += 26.0;
    }

    /// A bar below its name, which stands at the left edge, and how long it lasted at the right one.
    fn bar(&mut self, from: DrillTime, to: DrillTime, class: &str, name: &str) {
        let (y, to) = (self.y + LINE + 1.0, to.max(from));
        // What does not fit on a phone is cut there; the title has all of it.
        let short = cut(name, 30);
        if short == name {
            self.text((0.0, 0), y - 4.0, "start", "lane", short);
        } else {
            self.text((0.0, 0), y - 4.0, "start", "lane wide", cut(name, 110));
            self.text((0.0, 0), y - 4.0, "start", "lane narrow", short);
        }
        self.text((1.0, 0), y - 4.0, "end", "tick", seconds(to.0 - from.0));
        self.line([0.0, 1.0], [y + BAR / 2.0; 2], "grid");
        let title = format!("{name}: {} to {}", self.samples.clock(from), self.samples.clock(to));
        self.rect(from, to, (y, BAR), class, title);
        self.y = y + BAR + 3.0;
    }

    fn bars(&mut self, record: &Record) {
        let end = record.last_us;
        for fault in &record.faults {
            let Some(from) = fault.at(FaultEvent::Confirmed).or(fault.at(FaultEvent::Injecting)) else { continue };
            let seen = [FaultEvent::ClearedByRunbook, FaultEvent::EndedByItself].map(|what| fault.at(what));
            let gone = seen.into_iter().chain([fault.undone()]).flatten().min();
            let summary = record.fault_info(&fault.fault).map_or(fault.fault.as_str(), |info| info.summary.as_str());
            let seen = if seen.iter().any(Option::is_some) { ", seen gone at its end" } else { "" };
            self.bar(from, gone.unwrap_or(end), "fault", &plain(&format!("fault: {summary}{seen}")));
        }
        if let Some((from, to, count)) = lost_span(record) {
            let is = if count == 1 { "is" } else { "are" };
            self.bar(from, to, "step bad", &format!("✗ {} {is} lost", words::many(count, "acknowledged write")));
        }
        let Some(detect) = record.plan.as_ref().and_then(|plan| plan.detect.as_deref()) else { return };
        let ends = record.conditions.iter().skip(1).map(|next| next.at_us).chain([end]);
        let held = record.conditions.iter().zip(ends).filter(|(change, _)| change.holds);
        // A condition that comes and goes is one lane each time for the first few only.
        for (change, to) in held.take(3) {
            self.bar(change.at_us, to, "alert", &plain(&format!("alert condition holds: {detect}")));
        }
    }

    fn slis(&mut self, record: &Record) {
        let Some(plan) = record.plan.as_ref().filter(|_| !record.loads.is_empty()) else { return };
        for sli in &plan.slis {
            self.y += 6.0;
            let values = self.samples.ratios(record, &sli.name);
            let counts = sli.slo.as_ref().map_or_else(|| format!("good: {}", sli.good), |slo| format!("SLO {slo}"));
            let head = format!("{} ({})", one_line(&sli.name), one_line(&counts));
            self.text((0.0, 0), self.y + 12.0, "start", "sli", cut(&head, 52));
            let top = self.y + LINE + 2.0;
            self.area((0.0, 100.0), (top, FIELD), "field", String::new());
            self.curve(top, FIELD, "curve", &values, true);
            self.line([0.0, 1.0], [top + (1.0 - sli.objective) * (FIELD - 2.0) + 1.0; 2], "objective");
            self.text((0.0, 3), top + FIELD / 2.0 + 4.0, "start", "tick", "50%".into());
            self.text((0.0, 3), top + FIELD - 4.0, "start", "tick", "0%".into());
            self.text((1.0, -4), top + 16.0, "end", "tick", format!("objective {}", percent(sli.objective)));
            self.y = top + FIELD + 10.0;
        }
    }

    fn steps(&mut self, record: &Record) {
        self.y += 4.0;
        for step in record.steps.iter().filter(|step| !step.commands.is_empty()) {
            let info = record.step_info(&step.step);
            let title = info.map_or(step.step.as_str(), |info| info.title.as_str());
            let (mark, word) = words::step(info, Some(step.status));
            let name = format!("{} {} ({word})", mark.sign(), one_line(title));
            let end = step.ended_us.unwrap_or(record.last_us);
            self.bar(step.started_us, end, &format!("step {}", mark.class()), &name);
        }
    }

    /// What a pointer sees: the figures of the part that it is over.
    fn pointed(&mut self, record: &Record, y: f64, height: f64) {
        let Some(plan) = record.plan.as_ref().filter(|plan| !record.loads.is_empty() && !plan.slis.is_empty()) else {
            return;
        };
        let columns: Vec<_> =
            plan.slis.iter().map(|sli| (one_line(&sli.name), self.samples.ratios(record, &sli.name))).collect();
        for at in 0..self.samples.count {
            let (from, to) = self.samples.part(at);
            let mut text = self.samples.clock(to);
            for (sli, values) in &columns {
                let ratio = values.get(at).copied().flatten().map_or("no data".into(), percent);
                text.push_str(&format!("\n{sli} {ratio}"));
            }
            self.rect(from, to, (y, height), "hover", text);
        }
    }
}

/// The moments that the figures are about, in order: when, what, its sign, and its class in the style sheet.
fn moments(record: &Record) -> Vec<(DrillTime, &'static str, &'static str, &'static str)> {
    let undone = record.faults.iter().filter_map(|fault| fault.at(FaultEvent::Reverted)).max();
    let all = [
        (record.injected_us(), "fault on", "▼", "mark on"),
        (record.impact_us(), "impact", "◆", "mark bad"),
        (record.detected_us, "alert holds", "●", "mark"),
        (record.mitigation_started_us, "mitigation", "▶", "mark"),
        (record.recovered_us(), "recovered", "✓", "mark good"),
        (undone, "fault undone", "▲", "mark on"),
    ];
    let mut known: Vec<_> =
        all.into_iter().filter_map(|(at, what, sign, class)| Some((at?, what, sign, class))).collect();
    known.sort_by_key(|(at, ..)| *at);
    known
}

/// One line without the marks of code.
fn plain(text: &str) -> String {
    one_line(text).replace('`', "")
}

/// The values without the gaps between them, each with its place; of a straight stretch only its ends.
fn runs(values: &[Option<f64>]) -> Vec<Vec<(usize, f64)>> {
    let numbered: Vec<(usize, Option<f64>)> = values.iter().copied().enumerate().collect();
    let whole = numbered.chunk_by(|(_, a), (_, b)| a.is_some() == b.is_some());
    let run = |run: &[(usize, Option<f64>)]| {
        let all: Vec<(usize, f64)> =
            run.iter().filter_map(|(at, value)| Some((*at, value.as_ref()?.clamp(0.0, 1.0)))).collect();
        let same = |at: Option<usize>, value: f64| at.and_then(|at| all.get(at)).is_some_and(|other| other.1 == value);
        let ends =
            |(at, point): &(usize, &(usize, f64))| !(same(at.checked_sub(1), point.1) && same(Some(at + 1), point.1));
        all.iter().enumerate().filter(ends).map(|(_, point)| *point).collect::<Vec<_>>()
    };
    whole.map(run).filter(|run| !run.is_empty()).collect()
}

impl Signal {
    /// The four signals of a drill: latency, traffic, errors, saturation of the machine and of the service; the first three of each load.
    /// Then the error budget that
    /// it would have spent, where the scenario names one.
    pub fn all(record: &Record, measuring: &Measuring, samples: Samples, id: &str) -> Vec<Signal> {
        let mut all = Vec::new();
        for (at, load) in record.loads.iter().enumerate().take(LOADS) {
            let (named, [median, p99, most, due]) = samples.of_load(record, load);
            let id = |what: &str| format!("{id}-signals-l{at}-{what}");
            let curves = vec![("median".into(), median), ("99th percentile".into(), p99), ("maximum".into(), most)];
            all.push(Signal::of(format!("Latency{named}"), "ms", curves, samples, &id("lat")));
            let curves = vec![("requests due".into(), due)];
            all.push(Signal::of(format!("Traffic{named}"), "per second", curves, samples, &id("tra")));
            all.push(match errors(load, samples) {
                none if none.is_empty() => Signal::none(format!("Errors{named}"), "No request ended with an error."),
                curves => Signal::of(format!("Errors{named}"), "per second", curves, samples, &id("err")),
            });
        }
        all.push(saturation(record, measuring, samples, &format!("{id}-signals-sat")));
        all.extend(gauge(record, samples, &format!("{id}-signals-gauge")));
        all.extend(budget(record, samples, &format!("{id}-signals-bud")));
        all
    }

    fn none(title: String, why: &str) -> Signal {
        Signal { title, unit: "", drawing: None, legend: Vec::new(), note: why.into() }
    }

    fn of(title: String, unit: &'static str, curves: Vec<Curve>, samples: Samples, id: &str) -> Signal {
        let largest = curves.iter().flat_map(|(_, values)| values.iter().flatten()).copied().fold(0.0, f64::max);
        let top = ceiling(largest);
        let legend: Vec<_> = curves
            .iter()
            .zip(LINES)
            .map(|((name, values), (class, pattern))| (class, pattern, format!("{name}: {}", range(values, unit))))
            .collect();
        let told: Vec<&str> = legend.iter().map(|(.., text)| text.as_str()).collect();
        let desc = format!("{}. The table of the time axis has the data.", told.join("; "));
        let mut d = Drawing::new(id, "", &title, desc, samples);
        d.height = SIGNAL + 24.0;
        d.area((0.0, 100.0), (2.0, SIGNAL), "field", String::new());
        d.ticks(SIGNAL + 2.0, 2.0);
        if samples.fault {
            d.line([samples.place(DrillTime(samples.zero)); 2], [2.0, SIGNAL + 2.0], "mark on");
        }
        for ((_, values), (class, _)) in curves.iter().zip(LINES) {
            let shares: Vec<Option<f64>> = values.iter().map(|v| v.map(|v| v / top)).collect();
            d.curve(2.0, SIGNAL, class, &shares, false);
        }
        d.text((0.0, 3), 14.0, "start", "tick", decimals(top, 4));
        Signal { title, unit, drawing: Some(d), legend, note: String::new() }
    }
}

fn errors(load: &LoadSeries, samples: Samples) -> Vec<Curve> {
    // The answers of queries are true and false, those of requests have a status.
    let bad = |result: &str| result != "true" && status_of(result).is_none_or(|status| status >= 400);
    let all = load.results.iter().filter(|(result, _)| bad(result));
    let mut all: Vec<(u64, &String, &Vec<u64>)> =
        all.map(|(result, column)| (column.iter().sum(), result, column)).filter(|(sum, ..)| *sum > 0).collect();
    all.sort_by_key(|(sum, ..)| std::cmp::Reverse(*sum));
    let curve = |(sum, result, column): (u64, &String, &Vec<u64>)| {
        (format!("{} ({sum} in all)", cut(&one_line(result), 24)), samples.rate(load, column))
    };
    all.into_iter().take(LINES.len()).map(curve).collect()
}

fn saturation(record: &Record, measuring: &Measuring, samples: Samples, id: &str) -> Signal {
    if record.machine.is_empty() {
        return Signal::none("Saturation".into(), "Not measured in this drill.");
    }
    // The largest one of a part; a sample stands until the next one.
    let curve = |name: &str, share: fn(&MachineSample) -> Option<f64>| {
        let mut most: BTreeMap<usize, f64> = BTreeMap::new();
        for (at, share) in record.machine.iter().filter_map(|seen| Some((seen.at_us, share(&seen.sample)?))) {
            let at = (samples.place(at) * samples.count as f64) as usize;
            let known = most.entry(at.min(samples.count.saturating_sub(1))).or_insert(0.0);
            *known = known.max(share * 100.0);
        }
        let value = |at: usize| most.range(..=at).next_back().map(|(_, value)| *value);
        (!most.is_empty()).then(|| (name.to_string(), (0..samples.count).map(value).collect()))
    };
    let curves =
        [curve("processors busy", |seen| Some(seen.busy)), curve("tasks waited for a processor", |seen| seen.pressure)];
    let curves = curves.into_iter().flatten().collect();
    let told = [
        measuring.busy_mean.map(|busy| format!("busy {} on average", percent(busy))),
        measuring.available_min_bytes.map(|free| format!("at least {} of memory free", bytes(free))),
        measuring.memory_max_bytes.map(|used| format!("the drill's containers used up to {}", bytes(used))),
    ];
    let note = told.into_iter().flatten().collect::<Vec<_>>().join("; ");
    Signal { note, ..Signal::of("Saturation of the machine".into(), "% of the time", curves, samples, id) }
}

/// What the metric of the alert condition said of the service itself. A sample stands until the next one.
fn gauge(record: &Record, samples: Samples, id: &str) -> Option<Signal> {
    let when = record.plan.as_ref()?.detect.as_deref()?;
    let last = |end: DrillTime| record.gauge.iter().take_while(|(at, _)| *at < end).last().map(|(_, value)| *value);
    let values = (0..samples.count).map(|at| last(samples.part(at).1)).collect();
    let note =
        "As the service says it; users decide the verdict, and this only whether somebody would have been called.";
    let signal = || Signal::of("Saturation of the service".into(), "", vec![(plain(when), values)], samples, id);
    (!record.gauge.is_empty()).then(|| Signal { note: note.into(), ..signal() })
}

/// The share of the production error budget that each SLI would have spent, as it adds up from the fault until users recovered.
fn budget(record: &Record, samples: Samples, id: &str) -> Option<Signal> {
    let plan = record.plan.as_ref()?;
    let began = record.injected_us()?;
    let until = record.recovered_us().unwrap_or(record.last_us);
    let curve = |price: PriceFigures| {
        let sli = plan.slis.iter().find(|sli| sli.name == price.sli)?;
        let bad = |at: DrillTime| {
            let counts = record.counts(&sli.name, began, at.clamp(began, until));
            counts.valid.saturating_sub(counts.good) as f64
        };
        let each = if bad(until) > 0.0 { record.spent(sli, until)? * 100.0 / bad(until) } else { 0.0 };
        let values = (0..samples.count).map(|at| Some(bad(samples.part(at).1) * each)).collect();
        Some((format!("{} (objective {})", one_line(&sli.name), percent(price.objective)), values))
    };
    let curves: Vec<Curve> = record.price().into_iter().filter_map(curve).take(LINES.len()).collect();
    let note = "Had this been production: as measured, from the fault until users recovered, and nothing after it."
        .to_string();
    let whole = "% of the error budget";
    (!curves.is_empty()).then(|| Signal { note, ..Signal::of("Error budget spent".into(), whole, curves, samples, id) })
}

/// The next number above a value that reads well.
fn ceiling(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let nice = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0];
    nice.into_iter().map(|step| step * power).find(|step| *step >= value).unwrap_or(value)
}

/// From the least to the most.
fn range(values: &[Option<f64>], unit: &str) -> String {
    let known = || values.iter().flatten().copied();
    let (least, most) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    if most < least {
        return "no data".into();
    }
    let short = |value: f64| match value {
        small if small < 0.1 => decimals(small, 4),
        _ => format!("{value:.*}", usize::from(value < 100.0 && value.fract() != 0.0)),
    };
    let unit = match unit {
        "" => String::new(),
        unit if unit.starts_with('%') => "%".to_string(),
        unit => format!(" {unit}"),
    };
    match (short(least), short(most)) {
        (least, most) if least == most => format!("{most}{unit}"),
        (least, most) => format!("{least} to {most}{unit}"),
    }
}

/// Seconds from zero, in microseconds: `+1.5 s`, `−3.0 s`.
pub fn clock(at: &DrillTime, zero: &u64) -> String {
    let us = i128::from(at.0) - i128::from(*zero);
    let sign = if us < 0 { "−" } else { "+" };
    format!("{sign}{:.1} s", us.unsigned_abs() as f64 / 1e6)
}

/// The curves of a drill, down-sampled: a stretch of drill time cut into equal parts, as many as the report has room for, each
/// of them exact sums over the time that it stands for.
#[derive(Debug, Clone, Copy)]
pub struct Samples {
    /// Where it begins.
    from: u64,
    /// Length of a part, in microseconds.
    step: u64,
    /// Number of parts.
    pub count: usize,
    /// What the axis calls zero: the first fault that was confirmed, otherwise the beginning.
    pub zero: u64,
    /// Whether zero is the fault.
    pub fault: bool,
}

impl Samples {
    /// The time of a drill that is worth a chart: from the first request to the last, or all of it where there was no load.
    pub fn of(record: &Record, most: usize) -> Option<Samples> {
        let loads = record.loads.iter().filter(|load| !load.due.is_empty());
        let (first, last) =
            loads.fold((u64::MAX, 0), |(first, last), load| (first.min(load.start_us.0), last.max(load.end_us().0)));
        let (from, to) = if last > first { (first, last) } else { (0, record.last_us.0) };
        let revert = record.phase_span(Phase::Revert).map_or(to, |(_, end)| end.0);
        let length = to.max(revert).checked_sub(from).filter(|length| *length > 0)?;
        let step = (length.div_ceil(most.max(2) as u64)).div_ceil(SLICE_US).max(1) * SLICE_US;
        let count = usize::try_from(length.div_ceil(step)).ok()?;
        let (zero, fault) = record.injected_us().map_or((from, false), |at| (at.0, true));
        Some(Samples { from, step, count, zero, fault })
    }

    /// Beginning and end of a part.
    pub fn part(&self, at: usize) -> (DrillTime, DrillTime) {
        let begin = self.from.saturating_add(self.step.saturating_mul(at as u64));
        (DrillTime(begin), DrillTime(begin.saturating_add(self.step)))
    }

    fn length(&self) -> u64 {
        self.step.saturating_mul(self.count as u64)
    }

    /// Where an instant stands, in 0..=1.
    fn place(&self, at: DrillTime) -> f64 {
        (at.0.saturating_sub(self.from) as f64 / self.length() as f64).clamp(0.0, 1.0)
    }

    fn clock(&self, at: DrillTime) -> String {
        clock(&at, &self.zero)
    }

    /// The curves as numbers, a row for each part: the heads of the columns and the rows; empty where there was no load.
    pub fn as_table(&self, record: &Record) -> (Vec<String>, Vec<Vec<String>>) {
        let Some(plan) = record.plan.as_ref().filter(|_| !record.loads.is_empty()) else { return Default::default() };
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "–".into());
        let until = (0..self.count).map(|at| self.clock(self.part(at).1)).collect();
        let mut columns: Vec<(String, Vec<String>)> = vec![("Until".into(), until)];
        for sli in &plan.slis {
            let ratios = self.ratios(record, &sli.name).into_iter().map(|ratio| or_dash(ratio.map(percent)));
            columns.push((one_line(&sli.name), ratios.collect()));
        }
        for load in record.loads.iter().take(LOADS) {
            let (named, curves) = self.of_load(record, load);
            for (name, values) in ["median ms", "p99 ms", "max ms", "requests/s"].into_iter().zip(curves) {
                let whole = values.into_iter().map(|value| or_dash(value.map(|value| format!("{value:.0}"))));
                columns.push((format!("{name}{named}"), whole.collect()));
            }
        }
        let row = |at: usize| columns.iter().filter_map(|(_, cells)| cells.get(at).cloned()).collect();
        let rows = (0..self.count).map(row).collect();
        (columns.into_iter().map(|(head, _)| head).collect(), rows)
    }

    /// The ratio of an SLI over the trailing window at the end of every part.
    pub fn ratios(&self, record: &Record, sli: &str) -> Vec<Option<f64>> {
        let window = record.plan.as_ref().map_or(1_000_000, |plan| plan.windows.impact_window_us).max(self.step);
        let ratio = |at: usize| {
            let (_, end) = self.part(at);
            record.counts(sli, DrillTime(end.0.saturating_sub(window)), end).ratio()
        };
        (0..self.count).map(ratio).collect()
    }

    /// What tells a load from others, its latencies in milliseconds (median, 99th percentile, maximum), and what was due per second.
    fn of_load(&self, record: &Record, load: &LoadSeries) -> (String, [Vec<Option<f64>>; 4]) {
        let named = if record.loads.len() > 1 { format!(" of {}", one_line(&load.load)) } else { String::new() };
        let in_ms = |column| self.largest(load, column).into_iter().map(|us| Some(us? as f64 / 1000.0)).collect();
        let [median, p99, most] = [&load.p50_us, &load.p99_us, &load.max_us].map(|column| in_ms(column));
        (named, [median, p99, most, self.rate(load, &load.due)])
    }

    fn slices(&self, load: &LoadSeries, at: usize) -> std::ops::Range<usize> {
        let (from, to) = self.part(at);
        load.indices(from, to)
    }

    /// The largest value of a column in every part; `None` where nothing was due.
    pub fn largest(&self, load: &LoadSeries, column: &[u64]) -> Vec<Option<u64>> {
        let due = |i: &usize| load.due.get(*i).is_some_and(|due| *due > 0);
        let value = |at| self.slices(load, at).filter(due).filter_map(|i| column.get(i).copied()).max();
        (0..self.count).map(value).collect()
    }

    /// What a column adds up to in every part, per second.
    pub fn rate(&self, load: &LoadSeries, column: &[u64]) -> Vec<Option<f64>> {
        let value = |at: usize| {
            let slices = self.slices(load, at);
            let lasted = slices.len() as f64 * SLICE_US as f64 / 1e6;
            let sum: u64 = slices.filter_map(|i| column.get(i)).sum();
            (lasted > 0.0).then(|| sum as f64 / lasted)
        };
        (0..self.count).map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, record_of};
    use crate::record::{BudgetInfo, MachineSample, Sampled};

    #[test]
    fn a_gap_ends_a_curve_and_straight_stretches_are_short() {
        let values = [Some(1.0), Some(1.0), Some(1.0), None, Some(0.5), Some(2.0)];
        assert_eq!(runs(&values), vec![vec![(0, 1.0), (2, 1.0)], vec![(4, 0.5), (5, 1.0)]]);
        assert!(runs(&[]).is_empty());
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([12.5, 10.0, -0.5].map(|value| decimals(value, 2)), ["12.5", "10", "-0.5"]);
    }

    #[test]
    fn scales_end_with_numbers_that_read_well() {
        assert_eq!([0.0, 0.7, 10.0, 98.0, 1010.0].map(ceiling), [1.0, 0.75, 10.0, 100.0, 1500.0]);
    }

    #[test]
    fn every_signal_has_its_place() {
        let mut record = record_of(Story::NotRecovered);
        let samples = Samples::of(&record, 40).unwrap();
        let told = |record: &Record| {
            let all = Signal::all(record, &record.figures().measuring, samples, "d1");
            let one = |signal: Signal| format!("{} {:?} {}\n", signal.title, signal.legend, signal.note);
            all.into_iter().map(one).collect::<String>()
        };
        let without = told(&record);
        for word in ["Latency", "Traffic", "Errors", "503 (", "Not measured in this drill"] {
            assert!(without.contains(word), "{word}");
        }
        let sample =
            MachineSample { cpus: 2, busy: 0.5, pressure: Some(0.1), memory_bytes: 9, available_bytes: 5_000_000 };
        record.machine.push(Sampled { at_us: DrillTime(9_000_000), sample });
        let with = told(&record);
        assert!(with.contains("processors busy: 50%") && with.contains("5.0 MB of memory free"), "{with}");
    }

    #[test]
    fn the_budget_is_spent_from_the_fault_until_users_recovered() {
        let mut record = record_of(Story::Passed);
        let samples = Samples::of(&record, 160).unwrap();
        assert!(budget(&record, samples, "b").is_none(), "a scenario that names no budget");
        let month = BudgetInfo { window_us: 30 * 86_400_000_000, traffic: None, objective: Some(0.999) };
        record.plan.as_mut().unwrap().budget = Some(month);
        let signal = budget(&record, samples, "b").unwrap();
        let spent = record.price()[0].until_recovery.unwrap() * 100.0;
        assert!(signal.legend[0].2.contains(&format!("0 to {}%", decimals(spent, 4))), "{:?}", signal.legend);
    }

    #[test]
    fn the_service_says_how_full_it_is_and_an_sli_whose_it_is() {
        let mut record = record_of(Story::Passed);
        let samples = Samples::of(&record, 160).unwrap();
        assert!(gauge(&record, samples, "g").is_none(), "nothing was scraped");
        record.gauge = vec![(DrillTime(0), 5.0), (DrillTime(10_000_000), 0.0)];
        let signal = gauge(&record, samples, "g").unwrap();
        assert_eq!(signal.legend[0].2, "db_pool_available < 1: 0 to 5");
        record.plan.as_mut().unwrap().slis[0].slo = Some("shopping/availability".into());
        let axis = Drawing::axis(&record, samples, "a");
        let is_told = |text: &str| {
            axis.shapes.iter().any(|shape| matches!(shape, DrawnShape::Text { text: own, .. } if own == text))
        };
        assert!(is_told("availability (SLO shopping/availability)") && is_told("latency (good: latency < 300ms)"));
    }

    #[test]
    fn parts_cover_the_drill_and_add_up() {
        let record = record_of(Story::Passed);
        for most in [2, 30, 160, 10_000] {
            let samples = Samples::of(&record, most).unwrap();
            assert!(samples.count <= most.max(2), "{most}: {}", samples.count);
            assert!(samples.from + samples.length() >= record.loads[0].end_us().0);
            let load = &record.loads[0];
            let rates = samples.rate(load, &load.due);
            let lasted = |at| samples.slices(load, at).len() as f64 * 0.1;
            let due: f64 = rates.iter().enumerate().map(|(at, rate)| rate.unwrap_or(0.0) * lasted(at)).sum();
            assert_eq!(due.round() as u64, load.due.iter().sum::<u64>(), "{most}");
        }
    }

    #[test]
    fn the_fall_is_seen_and_no_data_is_no_good_data() {
        let record = record_of(Story::NotRecovered);
        let samples = Samples::of(&record, 160).unwrap();
        let ratios = samples.ratios(&record, "availability");
        assert_eq!(ratios[20], Some(1.0));
        assert_eq!(ratios.iter().flatten().copied().fold(1.0, f64::min), 0.2);
        assert!(samples.ratios(&record, "nobody").iter().all(|ratio| ratio.is_none() || *ratio == Some(0.0)));
        assert!(Samples::of(&Record::default(), 160).is_none());
    }
}
