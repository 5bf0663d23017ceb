//! The time axis of a drill: phases, faults, the alert condition, every SLI with its objective, the steps of the runbook,
//! and the moments that the figures are about. The same as a table stands in `tables`.

use super::markup::Markup;
use super::samples::Samples;
use super::svg::{Axis, px};
use super::words;
use crate::output::one_line;
use crate::record::{DrillTime, FaultEvent, Record};
use crate::report::restore::lost_span;
use crate::report::text::{cut, percent, seconds};

/// Height of a line of text.
const LINE: f64 = 17.0;
/// Height of the field of an SLI.
const FIELD: f64 = 76.0;
/// Height of a bar.
const BAR: f64 = 8.0;

/// The time axis. `id` is unique in the page.
pub fn axis(m: &mut Markup, record: &Record, samples: Samples, id: &str) {
    let axis = Axis { samples };
    let mut picture = Picture { m: Markup::default(), axis, record, y: 2.0, stripes: format!("url(#{id}-s)") };
    let moments = moments(record);
    let top = moments.len() as f64 * LINE + 4.0;
    picture.y = top;
    picture.phases();
    picture.bars();
    picture.slis();
    picture.steps();
    let (bottom, drawn) = (picture.y, picture.m);
    let (title, desc) = (format!("{id}-t"), format!("{id}-d"));
    let height = px(bottom + 22.0);
    let attrs = [("class", "axis"), ("width", "100%"), ("height", height.as_str()), ("role", "img")];
    let labelled = format!("{title} {desc}");
    let stripes = format!("{id}-s");
    m.el("svg", &[attrs[0], attrs[1], attrs[2], attrs[3], ("aria-labelledby", &labelled)], |m| {
        m.leaf("title", &[("id", &title)], "What happened, over time");
        m.leaf("desc", &[("id", &desc)], &told(record, samples));
        // Stripes: what colour says here is said by a pattern too.
        m.fixed("<defs><pattern id=\"")
            .text(&stripes)
            .fixed("\" width=\"6\" height=\"5\" patternUnits=\"userSpaceOnUse\">");
        m.fixed("<rect class=\"stripe\" width=\"4\" height=\"5\"/></pattern></defs>");
        axis.ticks(m, bottom, top);
        let lines = |row: usize| (row as f64 + 1.0) * LINE;
        for (row, moment) in moments.iter().enumerate() {
            let (x, y) = (axis.x(moment.at), px(lines(row) - 10.0));
            m.void("line", &[("x1", &x), ("x2", &x), ("y1", &y), ("y2", &px(bottom)), ("class", moment.class)]);
        }
        m.add(&drawn);
        for (row, moment) in moments.iter().enumerate() {
            let y = lines(row);
            let text = format!("{} {} {}", moment.sign, moment.what, samples.clock(moment.at));
            axis.label(m, moment.at, y, "moment", &text);
        }
        hover(m, record, axis, top, bottom);
    });
}

struct Moment {
    at: DrillTime,
    what: &'static str,
    sign: &'static str,
    class: &'static str,
}

/// The moments that the figures are about, in order.
fn moments(record: &Record) -> Vec<Moment> {
    let undone = record.faults.iter().filter_map(|fault| fault.at(FaultEvent::Reverted)).max();
    let all = [
        (record.injected_us(), "fault on", "▼", "mark on"),
        (record.impact_us(), "impact", "◆", "mark bad"),
        (record.detected_us, "alert holds", "●", "mark"),
        (record.mitigation_started_us, "mitigation", "▶", "mark"),
        (record.recovered_us(), "recovered", "✓", "mark good"),
        (undone, "fault undone", "▲", "mark on"),
    ];
    let known = all.into_iter().filter_map(|(at, what, sign, class)| Some(Moment { at: at?, what, sign, class }));
    let mut moments: Vec<Moment> = known.collect();
    moments.sort_by_key(|moment| moment.at);
    moments
}

/// The picture in words.
fn told(record: &Record, samples: Samples) -> String {
    let from = if samples.fault {
        "Seconds count from the confirmed fault. "
    } else {
        "Seconds count from the first request. "
    };
    let moments: Vec<String> =
        moments(record).iter().map(|moment| format!("{} at {}", moment.what, samples.clock(moment.at))).collect();
    format!("{from}{}. The table below has the same data.", moments.join(", "))
}

struct Picture<'a> {
    m: Markup,
    axis: Axis,
    record: &'a Record,
    y: f64,
    stripes: String,
}

impl Picture<'_> {
    fn phases(&mut self) {
        let y = self.y;
        for (at, phase) in self.record.phases.iter().enumerate() {
            let next = self.record.phases.get(at + 1).map_or(self.record.last_us, |next| next.started_us);
            let (from, to) = (phase.started_us, phase.ended_us.unwrap_or(next));
            let share = self.axis.samples.place(to) - self.axis.samples.place(from);
            if share <= 0.0 {
                continue;
            }
            let name = phase.phase.name();
            let (x, width) = (self.axis.x(from), self.axis.width(from, to));
            let class = if at % 2 == 0 { "phase" } else { "phase odd" };
            self.m.el(
                "rect",
                &[("x", &x), ("y", &px(y)), ("width", &width), ("height", "20"), ("class", class)],
                |m| {
                    m.leaf("title", &[], &format!("{name}: {}", seconds(to.since(from).as_micros() as u64)));
                },
            );
            // Letters are about seven pixels wide; a wide screen has room for more of them than a phone.
            let needed = (name.len() + 1) as f64 * 7.0;
            let class = match share {
                share if share * 300.0 > needed => Some("name"),
                share if share * 900.0 > needed => Some("name wide"),
                _ => None,
            };
            if let Some(class) = class {
                self.m.leaf("text", &[("x", &x), ("y", &px(y + 14.0)), ("dx", "4"), ("class", class)], name);
            }
        }
        self.y += 26.0;
    }

    /// A bar below its name, which stands at the left edge, and how long it lasted at the right one.
    fn bar(&mut self, from: DrillTime, to: DrillTime, class: &str, name: &str) {
        let y = self.y + LINE + 1.0;
        let to = to.max(from);
        let samples = self.axis.samples;
        let line = px(y - 4.0);
        let mut text = |x: &str, anchor: &str, class: &str, name: &str| {
            self.m.leaf("text", &[("x", x), ("y", &line), ("text-anchor", anchor), ("class", class)], name);
        };
        // What does not fit on a phone is cut there; the hover title has all of it.
        let short = cut(name, 30);
        if short == name {
            text("0", "start", "lane", name);
        } else {
            text("0", "start", "lane wide", &cut(name, 110));
            text("0", "start", "lane narrow", &short);
        }
        text("100%", "end", "tick", &seconds(to.0 - from.0));
        let middle = px(y + BAR / 2.0);
        self.m.void("line", &[("x1", "0"), ("x2", "100%"), ("y1", &middle), ("y2", &middle), ("class", "grid")]);
        let (x, width) = (self.axis.x(from), self.axis.width(from, to));
        let attrs =
            [("x", x.as_str()), ("y", &px(y)), ("width", &width), ("height", &px(BAR)), ("rx", "2"), ("class", class)];
        self.m.el("rect", &attrs, |m| {
            m.leaf("title", &[], &format!("{name}: {} to {}", samples.clock(from), samples.clock(to)));
        });
        self.y = y + BAR + 3.0;
    }

    fn bars(&mut self) {
        let record = self.record;
        let end = record.last_us;
        for fault in &record.faults {
            let Some(from) = fault.at(FaultEvent::Confirmed).or(fault.at(FaultEvent::Injecting)) else { continue };
            let gone = [FaultEvent::ClearedByRunbook, FaultEvent::EndedByItself, FaultEvent::Reverted]
                .into_iter()
                .filter_map(|what| fault.at(what))
                .min();
            let info = record.plan.as_ref().and_then(|plan| plan.faults.iter().find(|info| info.id == fault.fault));
            let summary = info.map_or(fault.fault.as_str(), |info| info.summary.as_str());
            let after = [FaultEvent::ClearedByRunbook, FaultEvent::EndedByItself];
            let seen = if after.iter().any(|what| fault.at(*what).is_some()) { ", seen gone at its end" } else { "" };
            self.bar(from, gone.unwrap_or(end), "fault", &plain(&format!("fault: {summary}{seen}")));
        }
        if let Some((from, to, count)) = lost_span(record) {
            let what = if count == 1 {
                "1 acknowledged write is lost".into()
            } else {
                format!("{count} acknowledged writes are lost")
            };
            self.bar(from, to, "step bad", &format!("✗ {what}"));
        }
        let Some(detect) = record.plan.as_ref().and_then(|plan| plan.detect.as_deref()) else { return };
        let mut since = None;
        let mut held = Vec::new();
        for change in &record.conditions {
            match (change.holds, since) {
                (true, None) => since = Some(change.at_us),
                (false, Some(from)) => {
                    held.push((from, change.at_us));
                    since = None;
                }
                _ => {}
            }
        }
        held.extend(since.map(|from| (from, end)));
        // A condition that comes and goes is one lane each time for the first few only.
        for (from, to) in held.into_iter().take(3) {
            self.bar(from, to, "alert", &plain(&format!("alert condition holds: {detect}")));
        }
    }

    fn slis(&mut self) {
        let Some(plan) = &self.record.plan else { return };
        if self.record.loads.is_empty() {
            return;
        }
        for sli in &plan.slis {
            self.y += 6.0;
            let samples = self.axis.samples;
            let values = samples.ratios(self.record, &sli.name);
            let head = format!("{} (good: {})", one_line(&sli.name), one_line(&sli.good));
            self.m.leaf("text", &[("x", "0"), ("y", &px(self.y + 12.0)), ("class", "sli")], &cut(&head, 52));
            let top = self.y + LINE + 2.0;
            let frame = [("x", "0"), ("y", &px(top)), ("width", "100%"), ("height", &px(FIELD)), ("class", "field")];
            self.m.void("rect", &frame);
            self.axis.curve(&mut self.m, top, FIELD, "curve", &values, true);
            let y = px(top + (1.0 - sli.objective) * (FIELD - 2.0) + 1.0);
            self.m.void("line", &[("x1", "0"), ("x2", "100%"), ("y1", &y), ("y2", &y), ("class", "objective")]);
            let middle = px(top + FIELD / 2.0 + 4.0);
            self.m.leaf("text", &[("x", "3"), ("y", &middle), ("class", "tick")], "50%");
            let low = px(top + FIELD - 4.0);
            self.m.leaf("text", &[("x", "3"), ("y", &low), ("class", "tick")], "0%");
            let high = px(top + 16.0);
            let attrs = [("x", "100%"), ("y", high.as_str()), ("dx", "-4"), ("text-anchor", "end"), ("class", "tick")];
            self.m.leaf("text", &attrs, &format!("objective {}", percent(sli.objective)));
            self.missed(top + FIELD + 2.0, &values, sli.objective);
            self.y = top + FIELD + 10.0;
        }
    }

    /// Where the objective was missed: a bar below the field, with a pattern of its own.
    fn missed(&mut self, y: f64, values: &[Option<f64>], objective: f64) {
        let samples = self.axis.samples;
        let mut from = None;
        for at in 0..=values.len() {
            let missed = values.get(at).copied().flatten().is_some_and(|ratio| ratio < objective);
            match (missed, from) {
                (true, None) => from = Some(at),
                (false, Some(first)) => {
                    let (begin, end) = (samples.part(first).0, samples.part(at.saturating_sub(1)).1);
                    let (x, width) = (self.axis.x(begin), self.axis.width(begin, end));
                    let attrs = [
                        ("x", x.as_str()),
                        ("y", &px(y)),
                        ("width", &width),
                        ("height", "5"),
                        ("fill", &self.stripes),
                        ("class", "missed"),
                    ];
                    self.m.el("rect", &attrs, |m| {
                        let text = format!("objective missed {} to {}", samples.clock(begin), samples.clock(end));
                        m.leaf("title", &[], &text);
                    });
                    from = None;
                }
                _ => {}
            }
        }
    }

    fn steps(&mut self) {
        self.y += 4.0;
        for step in self.record.steps.iter().filter(|step| !step.commands.is_empty()) {
            let info = self.record.step_info(&step.step);
            let title = info.map_or(step.step.as_str(), |info| info.title.as_str());
            let (tone, word) = words::step(Some(step.status));
            let name = format!("{} {} ({word})", tone.sign(), one_line(title));
            let class = format!("step {}", tone.class());
            self.bar(step.started_us, step.ended_us.unwrap_or(self.record.last_us), &class, &name);
        }
    }
}

/// One line without the marks of code.
fn plain(text: &str) -> String {
    one_line(text).replace('`', "")
}

/// What a pointer sees: the figures of the part that it is over.
fn hover(m: &mut Markup, record: &Record, axis: Axis, top: f64, bottom: f64) {
    let Some(plan) = &record.plan else { return };
    let samples = axis.samples;
    let columns: Vec<_> = plan.slis.iter().map(|sli| (sli, samples.ratios(record, &sli.name))).collect();
    if record.loads.is_empty() || columns.is_empty() {
        return;
    }
    let (top, height) = (px(top + 22.0), px(bottom - top - 22.0));
    m.el("g", &[("class", "hover")], |m| {
        for at in 0..samples.count {
            let (from, to) = samples.part(at);
            let attrs = [("x", axis.x(from)), ("width", axis.width(from, to))];
            let attrs: [(&'static str, &str); 4] =
                [("x", &attrs[0].1), ("width", &attrs[1].1), ("y", &top), ("height", &height)];
            m.el("rect", &attrs, |m| {
                let mut text = samples.clock(to);
                for (sli, values) in &columns {
                    let ratio = values.get(at).copied().flatten().map_or("no data".into(), percent);
                    text.push_str(&format!("\n{} {ratio}", one_line(&sli.name)));
                }
                m.leaf("title", &[], &text);
            });
        }
    });
}
