//! The tables of a drill: what users felt, the assertions, the faults, where the time went, how far the measuring can be
//! trusted, what was run with which files, and the data of the curves.

use super::markup::Markup;
use super::samples::Samples;
use super::words::{self, badge};
use crate::output::one_line;
use crate::record::{Counts, FaultEvent, Figures, Outcome, Record};
use crate::report::cases::{CaseResult, cases};
use crate::report::paint::Mark;
use crate::report::text::{declared, percent, requests, seconds};

/// A table that scrolls by itself where it is too wide, with its caption and its columns.
pub fn table(m: &mut Markup, caption: &str, columns: &[&str], rows: impl FnOnce(&mut Markup)) {
    m.el("div", &[("class", "scroll"), ("tabindex", "0"), ("role", "region"), ("aria-label", caption)], |m| {
        m.el("table", &[], |m| {
            m.leaf("caption", &[], caption);
            m.fixed("<thead><tr>");
            for column in columns {
                m.leaf("th", &[("scope", "col")], column);
            }
            m.fixed("</tr></thead><tbody>");
            rows(m);
            m.fixed("</tbody>");
        });
    });
}

fn row(m: &mut Markup, head: &str, cells: &[&str]) {
    m.el("tr", &[], |m| {
        m.leaf("th", &[("scope", "row")], head);
        for cell in cells {
            m.leaf("td", &[], cell);
        }
    });
}

/// What users felt: every SLI before, during and after.
pub fn users(m: &mut Markup, figures: &Figures) {
    if figures.slis.is_empty() {
        return;
    }
    let columns = ["Indicator", "Objective", "Before", "During the fault", "After the recovery"];
    cards(m, "What users felt", &columns, |m| {
        for sli in &figures.slis {
            m.el("tr", &[("role", "row")], |m| {
                m.leaf("th", &[("scope", "row"), ("role", "rowheader")], &one_line(&sli.sli));
                let attrs = |column: usize| {
                    [("role", "cell"), ("class", "num"), ("data-label", columns.get(column).copied().unwrap_or(""))]
                };
                m.leaf("td", &attrs(1), &percent(sli.objective));
                for (column, counts) in (2..).zip([sli.before, sli.during, sli.after]) {
                    m.el("td", &attrs(column), |m| cell(m, counts, sli.objective));
                }
            });
        }
    });
}

/// What the recovery was judged by beside the SLIs.
pub fn recovery(m: &mut Markup, record: &Record) {
    let rows = words::recovery(record);
    if rows.is_empty() {
        return;
    }
    table(m, "The recovery: time, hold, invariants", &["What", "Came to"], |m| {
        for (name, mark, text) in rows {
            m.el("tr", &[], |m| {
                m.leaf("th", &[("scope", "row")], name);
                m.el("td", &[("class", "long")], |m| {
                    words::sign(m, mark);
                    m.text(&one_line(&text));
                });
            });
        }
    });
}

/// A table whose rows become cards on a phone. The roles are said although they are the elements' own: laid out as cards
/// they would lose them.
pub fn cards(m: &mut Markup, caption: &str, columns: &[&str], rows: impl FnOnce(&mut Markup)) {
    m.el("table", &[("class", "cards"), ("role", "table")], |m| {
        m.leaf("caption", &[], caption);
        m.fixed("<thead role=\"rowgroup\"><tr role=\"row\">");
        for column in columns {
            m.leaf("th", &[("scope", "col"), ("role", "columnheader")], column);
        }
        m.fixed("</tr></thead><tbody role=\"rowgroup\">");
        rows(m);
        m.fixed("</tbody>");
    });
}

fn cell(m: &mut Markup, counts: Counts, objective: f64) {
    match counts.ratio() {
        None => {
            m.fixed("<span class=\"quiet\">no data</span>");
        }
        Some(ratio) => {
            badge(m, words::met(counts, objective), &percent(ratio));
            m.fixed(" <small>(").text(&words::good_of(counts)).fixed(")</small>");
        }
    }
}

/// Every assertion, reached or not.
pub fn checks(m: &mut Markup, record: &Record) {
    let cases = cases(record);
    let failed =
        cases.iter().filter(|case| matches!(case.result, CaseResult::Failed { .. } | CaseResult::Error { .. })).count();
    let passed = cases.iter().filter(|case| case.result == CaseResult::Passed).count();
    let head = format!("Assertions: {passed} passed, {failed} failed, {} not decided", cases.len() - passed - failed);
    m.el("details", &[], |m| {
        m.leaf("summary", &[], &head);
        table(m, "What the drill set out to decide", &["Assertion", "Came out", "Seen"], |m| {
            for case in &cases {
                let (tone, word, seen) = match &case.result {
                    CaseResult::Passed => (Mark::Good, "passed", case.text.lines().next().unwrap_or_default()),
                    CaseResult::Failed { message } => (Mark::Bad, "failed", message.as_str()),
                    CaseResult::Error { message } => (Mark::Warn, "harness error", message.as_str()),
                    CaseResult::Skipped { message } => (Mark::Skip, "not decided", message.as_str()),
                };
                m.el("tr", &[], |m| {
                    m.leaf("th", &[("scope", "row")], &one_line(&case.name));
                    m.el("td", &[], |m| badge(m, tone, word));
                    m.leaf("td", &[("class", "long")], &one_line(seen));
                });
            }
        });
    });
}

/// The lives of the faults.
pub fn faults(m: &mut Markup, record: &Record, samples: Option<Samples>) {
    let Some(plan) = record.plan.as_ref().filter(|_| !record.faults.is_empty()) else { return };
    let zero = samples.map(|samples| samples.zero).unwrap_or_default();
    m.el("details", &[], |m| {
        let words: Vec<String> = record.faults.iter().map(|fault| one_line(&words::fate(record, fault).1)).collect();
        m.leaf("summary", &[], &format!("Faults: {}", words.join("; ")));
        table(m, "What was broken, and how it ended", &["Fault", "When", "What happened", "Evidence"], |m| {
            for fault in &record.faults {
                let info = plan.faults.iter().find(|info| info.id == fault.fault);
                for moment in &fault.life {
                    let at = (moment.at_us.0 as f64 - zero as f64) / 1e6;
                    let (_, what) = words::station(moment.what);
                    let name = match info {
                        Some(info) if moment.what == FaultEvent::Injecting => {
                            format!("{}: {} ({})", info.kind, info.summary, info.at)
                        }
                        _ => fault.fault.clone(),
                    };
                    row(m, &one_line(&name), &[&format!("{at:+.1} s"), what, &one_line(&moment.detail)]);
                }
            }
        });
        for fault in record.faults.iter().filter(|fault| !fault.undo_output.is_empty()) {
            m.leaf("p", &[], &format!("The undo of {} wrote:", fault.fault));
            m.leaf("pre", &[], fault.undo_output.trim_end());
        }
    });
}

/// Whose time it was: its name, its class in the style sheet, microseconds, and what they are made of.
type Part<'a> = (&'a str, &'a str, u64, Vec<(&'a str, u64)>);

/// Where the time went.
pub fn time(m: &mut Markup, figures: &Figures) {
    let time = &figures.time;
    let (compose, asked) = (&time.compose, &time.declared);
    let parts: [Part<'_>; 3] = [
        (
            "Docker Compose",
            "part a",
            compose.total_us(),
            vec![
                ("build", compose.build_us),
                ("pull", compose.pull_us),
                ("up", compose.up_us),
                ("until healthy", compose.healthy_us),
                ("down", compose.down_us),
            ],
        ),
        (
            "What the scenario asks for",
            "part b",
            asked.total_us(),
            vec![
                ("steady", asked.steady_us),
                ("impact", asked.impact_us),
                ("detect", asked.detect_us),
                ("runbook's commands", asked.steps_us),
                ("waiting for the recovery", asked.recover_us),
                ("hold", asked.hold_us),
                ("after the undo", asked.revert_us),
                ("looking at the restore", asked.restore_us),
            ],
        ),
        (
            "Firedrill itself",
            "part c",
            time.firedrill_us,
            time.firedrill
                .iter()
                .map(|share| (share.phase.map_or("between phases", |phase| phase.name()), share.us))
                .collect(),
        ),
    ];
    m.el("details", &[], |m| {
        let each: Vec<String> = parts.iter().map(|(name, _, us, _)| format!("{name} {}", seconds(*us))).collect();
        m.leaf("summary", &[], &format!("Where {} went: {}", seconds(time.total_us), each.join(", ")));
        let total = time.total_us.max(1) as f64;
        m.el("div", &[("class", "bar"), ("aria-hidden", "true")], |m| {
            for (_, class, us, _) in &parts {
                let width = format!("width:{:.2}%", *us as f64 / total * 100.0);
                m.el("span", &[("class", class), ("style", &width)], |_| {});
            }
        });
        table(m, "Where the time went", &["Whose", "Took", "Share", "Of that"], |m| {
            for (name, _, us, of) in &parts {
                let of: Vec<String> = of
                    .iter()
                    .filter(|(_, us)| *us >= 5_000)
                    .map(|(name, us)| format!("{name} {}", seconds(*us)))
                    .collect();
                row(m, name, &[&seconds(*us), &percent(*us as f64 / total), &of.join(", ")]);
            }
        });
    });
}

/// How far the measuring can be trusted.
pub fn measuring(m: &mut Markup, record: &Record, figures: &Figures) {
    let seen = &figures.measuring;
    let late = match (record.is_disturbed(), seen.late) {
        (true, _) => "disturbed".to_string(),
        (false, 0) => "no request was sent late".to_string(),
        (false, count) => format!("{} sent late, by up to {}", requests(count), seconds(seen.worst_late_us)),
    };
    let share = |value: Option<f64>| value.map_or("not measured".to_string(), percent);
    m.el("details", if record.is_disturbed() { &[("open", "")] } else { &[] }, |m| {
        m.leaf("summary", &[], &format!("How far this can be trusted: {late}"));
        table(m, "Quality of the measuring", &["What", "Value"], |m| {
            if let Some(why) = &record.disturbed {
                let named = if record.is_disturbed() { "disturbed" } else { "disturbed, and the verdict stands" };
                row(m, named, &[&one_line(why)]);
            }
            row(m, "requests due", &[&seen.requests.to_string()]);
            row(m, "sent later than allowed", &[&seen.late.to_string()]);
            row(m, "worst lateness", &[&format!("{:.1} ms", seen.worst_late_us as f64 / 1000.0)]);
            row(
                m,
                "processors busy, mean and most",
                &[&format!("{}, {}", share(seen.busy_mean), share(seen.busy_max))],
            );
            row(m, "tasks waited for a processor, most", &[&share(seen.pressure_max)]);
            for clock in &record.clocks {
                let known = declared(clock.rtt_us / 2);
                row(
                    m,
                    &one_line(&format!("clock of {}", clock.agent)),
                    &[&format!("{} µs off, known to {known}", clock.offset_us)],
                );
            }
            for wait in record.waits.iter().filter(|wait| !wait.met) {
                row(m, "waited in vain", &[&format!("{} for {}", seconds(wait.took_us), one_line(&wait.what))]);
            }
            for damage in record.damage.iter().take(20) {
                row(m, "damage of the events", &[&one_line(damage)]);
            }
        });
    });
}

/// What was run: versions, files, images, inputs.
pub fn configuration(m: &mut Markup, record: &Record) {
    let Some(plan) = &record.plan else { return };
    m.el("details", &[], |m| {
        m.leaf("summary", &[], &format!("What was run: firedrill {}, run {}", plan.tool_version, plan.run));
        table(m, "What was run", &["What", "Value"], |m| {
            row(m, "run", &[&plan.run]);
            row(m, "began", &[&plan.started_utc]);
            row(m, "firedrill", &[&plan.tool_version]);
            row(m, "revision", &[plan.revision.as_deref().unwrap_or("not known")]);
            row(m, "seed", &[&plan.seed.to_string()]);
            for (what, file) in plan.files() {
                row(m, &one_line(&file.path), &[&one_line(&format!("sha256 {}; {what}", file.sha256))]);
            }
            for load in &plan.loads {
                row(
                    m,
                    &one_line(&format!("load {}", load.name)),
                    &[&one_line(&format!("{}, {} per second", load.request, load.rate))],
                );
            }
            for (service, image) in record.stack.iter().flat_map(|stack| &stack.images) {
                row(m, &one_line(&format!("image of {service}")), &[&one_line(image)]);
            }
            for (name, value) in &plan.vars {
                row(m, &one_line(&format!("input {name}")), &[&one_line(value)]);
            }
        });
    });
}

/// The data of the curves.
pub fn data(m: &mut Markup, record: &Record, samples: Samples) {
    let Some(plan) = record.plan.as_ref().filter(|_| !record.loads.is_empty()) else { return };
    let slis: Vec<_> = plan.slis.iter().map(|sli| (one_line(&sli.name), samples.ratios(record, &sli.name))).collect();
    let mut columns: Vec<String> = vec!["Until".into()];
    columns.extend(slis.iter().map(|(name, _)| name.clone()));
    let mut figures: Vec<Vec<String>> = Vec::new();
    for load in record.loads.iter().take(4) {
        let named = if record.loads.len() > 1 { format!(" of {}", one_line(&load.load)) } else { String::new() };
        let in_ms = |column: &[u64]| {
            let all = samples.largest(load, column).into_iter();
            all.map(|us| us.map_or("–".into(), |us| format!("{:.0}", us as f64 / 1000.0))).collect::<Vec<String>>()
        };
        for (name, column) in [("median ms", &load.p50_us), ("p99 ms", &load.p99_us), ("max ms", &load.max_us)] {
            columns.push(format!("{name}{named}"));
            figures.push(in_ms(column));
        }
        columns.push(format!("requests/s{named}"));
        let rate = samples
            .rate(load, &load.due)
            .into_iter()
            .map(|rate| rate.map_or("–".into(), |rate| format!("{rate:.0}")));
        figures.push(rate.collect());
    }
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    m.el("details", &[("class", "data")], |m| {
        m.fixed("<summary>The same as a table</summary>");
        let from = if samples.fault { "the confirmed fault" } else { "the first request" };
        table(m, &format!("The curves as numbers; seconds from {from}"), &columns, |m| {
            for at in 0..samples.count {
                let mut cells: Vec<String> = slis
                    .iter()
                    .map(|(_, values)| values.get(at).copied().flatten().map_or("–".into(), percent))
                    .collect();
                cells.extend(figures.iter().filter_map(|column| column.get(at).cloned()));
                let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
                row(m, &samples.clock(samples.part(at).1), &cells);
            }
        });
    });
}

/// What should trouble the reader, whatever the verdict says.
pub fn trouble(m: &mut Markup, record: &Record) {
    let mut all: Vec<String> = record
        .aftermath
        .iter()
        .map(|later| format!("then {}: {}", words::verdict(later.verdict), later.reason))
        .collect();
    all.extend(record.left.iter().map(|left| format!("left behind: {left}")));
    if record.kept {
        all.push("the stack was kept, as asked for".into());
    }
    all.extend(words::cut_off(record).map(|cut| format!("{cut}; everything below is what is known up to then")));
    all.extend(record.notes.iter().map(|note| note.text.clone()));
    if all.is_empty() {
        return;
    }
    let class = if record.outcome() == Outcome::Passed { "notes" } else { "notes warn" };
    m.el("ul", &[("class", class)], |m| {
        for text in all {
            m.el("li", &[], |m| words::prose(m, &one_line(&text)));
        }
    });
}
