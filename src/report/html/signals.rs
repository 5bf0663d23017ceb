//! The four golden signals: latency, traffic, errors, saturation. Each is a small drawing with its figures in words below.

use super::markup::Markup;
use super::samples::Samples;
use super::svg::{Axis, px};
use crate::output::one_line;
use crate::record::{LoadSeries, Measuring, Record};
use crate::report::text::{bytes, cut, percent};
use std::collections::BTreeMap;

/// Height of the field of a signal.
const FIELD: f64 = 84.0;
/// How each curve is drawn; the pattern of the line tells them apart without colour.
const LINES: [(&str, &str); 4] = [("line a", "—"), ("line b", "– –"), ("line c", "···"), ("line d", "–·–")];

/// A curve with its name.
struct Curve {
    name: String,
    values: Vec<Option<f64>>,
}

/// The four signals of a drill.
pub fn signals(m: &mut Markup, record: &Record, measuring: &Measuring, samples: Samples, id: &str) {
    m.el("div", &[("class", "signals")], |m| {
        for (at, load) in record.loads.iter().enumerate().take(4) {
            let named = if record.loads.len() > 1 { format!(" of {}", one_line(&load.load)) } else { String::new() };
            let id = format!("{id}-l{at}");
            latency(m, load, samples, &named, &format!("{id}-lat"));
            traffic(m, load, samples, &named, &format!("{id}-tra"));
            errors(m, load, samples, &named, &format!("{id}-err"));
        }
        saturation(m, record, measuring, samples, &format!("{id}-sat"));
    });
}

fn latency(m: &mut Markup, load: &LoadSeries, samples: Samples, named: &str, id: &str) {
    let curve = |name: &str, column: &[u64]| Curve {
        name: name.to_string(),
        values: samples.largest(load, column).into_iter().map(|us| us.map(|us| us as f64 / 1000.0)).collect(),
    };
    let curves =
        [curve("median", &load.p50_us), curve("99th percentile", &load.p99_us), curve("maximum", &load.max_us)];
    figure(m, &format!("Latency{named}"), "ms", &curves, samples, id);
}

fn traffic(m: &mut Markup, load: &LoadSeries, samples: Samples, named: &str, id: &str) {
    let curves = [Curve { name: "requests due".into(), values: samples.rate(load, &load.due) }];
    figure(m, &format!("Traffic{named}"), "per second", &curves, samples, id);
}

fn errors(m: &mut Markup, load: &LoadSeries, samples: Samples, named: &str, id: &str) {
    let bad = |result: &str| !result.parse::<u16>().is_ok_and(|status| status < 400);
    let mut all: Vec<(&String, &Vec<u64>, u64)> = load
        .results
        .iter()
        .filter(|(result, _)| bad(result))
        .map(|(result, column)| (result, column, column.iter().sum()))
        .filter(|(.., sum)| *sum > 0)
        .collect();
    all.sort_by_key(|(.., sum)| std::cmp::Reverse(*sum));
    let curves: Vec<Curve> = all
        .iter()
        .take(LINES.len())
        .map(|(result, column, sum)| Curve {
            name: format!("{} ({sum} in all)", cut(&one_line(result), 24)),
            values: samples.rate(load, column),
        })
        .collect();
    let title = format!("Errors{named}");
    if curves.is_empty() {
        return not_there(m, &title, "No request ended with an error.");
    }
    figure(m, &title, "per second", &curves, samples, id);
}

fn saturation(m: &mut Markup, record: &Record, measuring: &Measuring, samples: Samples, id: &str) {
    if record.machine.is_empty() {
        return not_there(m, "Saturation", "Not measured in this drill.");
    }
    let mut busy: BTreeMap<usize, f64> = BTreeMap::new();
    let mut pressure: BTreeMap<usize, f64> = BTreeMap::new();
    for seen in &record.machine {
        let at = (samples.place(seen.at_us) * samples.count as f64) as usize;
        let at = at.min(samples.count.saturating_sub(1));
        let most = |map: &mut BTreeMap<usize, f64>, share: f64| {
            let known = map.entry(at).or_insert(0.0);
            *known = known.max(share * 100.0);
        };
        most(&mut busy, seen.sample.busy);
        if let Some(share) = seen.sample.pressure {
            most(&mut pressure, share);
        }
    }
    // A sample stands until the next one.
    let fill = |map: &BTreeMap<usize, f64>| {
        let value = |at: usize| map.range(..=at).next_back().map(|(_, value)| *value);
        (0..samples.count).map(value).collect::<Vec<_>>()
    };
    let mut curves = vec![Curve { name: "processors busy".into(), values: fill(&busy) }];
    if !pressure.is_empty() {
        curves.push(Curve { name: "tasks waited for a processor".into(), values: fill(&pressure) });
    }
    figure(m, "Saturation of the machine", "% of the time", &curves, samples, id);
    let mut told = Vec::new();
    if let Some(busy) = measuring.busy_mean {
        told.push(format!("busy {} on average", percent(busy)));
    }
    if let Some(free) = measuring.available_min_bytes {
        told.push(format!("at least {} of memory free", bytes(free)));
    }
    if let Some(used) = measuring.memory_max_bytes {
        told.push(format!("the drill's containers used up to {}", bytes(used)));
    }
    m.leaf("p", &[("class", "note")], &told.join("; "));
}

fn not_there(m: &mut Markup, title: &str, why: &str) {
    m.el("div", &[("class", "signal")], |m| {
        m.leaf("h5", &[], title).leaf("p", &[("class", "note")], why);
    });
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

fn figure(m: &mut Markup, title: &str, unit: &str, curves: &[Curve], samples: Samples, id: &str) {
    let axis = Axis { samples };
    let largest = curves.iter().flat_map(|curve| curve.values.iter().flatten()).copied().fold(0.0, f64::max);
    let top = ceiling(largest);
    let (heading, desc) = (format!("{id}-t"), format!("{id}-d"));
    m.el("div", &[("class", "signal")], |m| {
        m.el("h5", &[], |m| {
            m.text(title).fixed(" <small>").text(unit).fixed("</small>");
        });
        let labelled = format!("{heading} {desc}");
        let height = px(FIELD + 24.0);
        let attrs: [(&'static str, &str); 4] =
            [("width", "100%"), ("height", &height), ("role", "img"), ("aria-labelledby", &labelled)];
        m.el("svg", &attrs, |m| {
            m.leaf("title", &[("id", &heading)], title);
            let all: Vec<String> =
                curves.iter().map(|curve| format!("{}: {}", curve.name, range(curve, unit))).collect();
            m.leaf("desc", &[("id", &desc)], &format!("{}. The table of the time axis has the data.", all.join("; ")));
            m.void("rect", &[("x", "0"), ("y", "2"), ("width", "100%"), ("height", &px(FIELD)), ("class", "field")]);
            axis.ticks(m, FIELD + 2.0, 2.0);
            if samples.fault {
                let x = axis.x(crate::record::DrillTime(samples.zero));
                m.void("line", &[("x1", &x), ("x2", &x), ("y1", "2"), ("y2", &px(FIELD + 2.0)), ("class", "mark on")]);
            }
            for (curve, (class, _)) in curves.iter().zip(LINES) {
                let shares: Vec<Option<f64>> = curve.values.iter().map(|v| v.map(|v| v / top)).collect();
                axis.curve(m, 2.0, FIELD, class, &shares, false);
            }
            let most = format!("{top}");
            m.leaf("text", &[("x", "3"), ("y", "14"), ("class", "tick")], &most);
        });
        m.el("ul", &[("class", "legend")], |m| {
            for (curve, (class, pattern)) in curves.iter().zip(LINES) {
                m.el("li", &[("class", class)], |m| {
                    m.fixed("<i aria-hidden=\"true\">").fixed(pattern).fixed("</i> ");
                    m.text(&format!("{}: {}", curve.name, range(curve, unit)));
                });
            }
        });
    });
}

/// From the least to the most.
fn range(curve: &Curve, unit: &str) -> String {
    let mut least = f64::INFINITY;
    let mut most = f64::NEG_INFINITY;
    for value in curve.values.iter().flatten() {
        (least, most) = (least.min(*value), most.max(*value));
    }
    if most < least {
        return "no data".into();
    }
    let short =
        |value: f64| if value >= 100.0 || value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") };
    let unit = unit.trim_start_matches("% of the time");
    let unit = if unit.is_empty() { "%".to_string() } else { format!(" {unit}") };
    if short(least) == short(most) {
        format!("{}{unit}", short(most))
    } else {
        format!("{} to {}{unit}", short(least), short(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, record_of};
    use crate::record::{DrillTime, MachineRecord, MachineSample};

    #[test]
    fn every_signal_has_its_place() {
        let mut record = record_of(Story::NotRecovered);
        let samples = Samples::of(&record, 40).unwrap();
        let draw = |record: &Record| {
            let mut m = Markup::default();
            signals(&mut m, record, &record.figures().measuring, samples, "d1");
            m.as_str().to_string()
        };
        let without = draw(&record);
        for word in ["Latency", "Traffic", "Errors", "503 (", "Not measured in this drill"] {
            assert!(without.contains(word), "{word}");
        }
        let sample =
            MachineSample { cpus: 2, busy: 0.5, pressure: Some(0.1), memory_bytes: 9, available_bytes: 5_000_000 };
        record.machine.push(MachineRecord { at_us: DrillTime(9_000_000), sample });
        let with = draw(&record);
        assert!(with.contains("processors busy: 50%") && with.contains("5.0 MB of memory free"), "{with}");
    }

    #[test]
    fn scales_end_with_numbers_that_read_well() {
        assert_eq!([0.0, 0.7, 10.0, 98.0, 1010.0].map(ceiling), [1.0, 0.75, 10.0, 100.0, 1500.0]);
    }
}
