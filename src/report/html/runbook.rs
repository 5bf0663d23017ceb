//! The runbook beside what happened: on the left what people read, on the right what came of it, step by step.

use super::budget::Context;
use super::markdown::markdown;
use super::markup::Markup;
use super::words;
use crate::output::{one_line, terminal_lines};
use crate::record::{Announcement, CommandRecord, Record, StepInfo, StepRecord, StepStatus, Verdict};
use crate::report::paint::Mark;
use crate::report::text::{bytes, cut, seconds};
use std::collections::BTreeMap;

/// Lines of the runbook that nobody followed are shown as they are up to this number, and folded from there on.
const GAP_LINES: usize = 14;

/// The runbook of a drill. `id` is unique in the page.
pub fn runbook<'a>(m: &mut Markup, record: &'a Record, context: &mut Context<'a>, id: &str) {
    let Some(plan) = &record.plan else { return };
    let text = plan.runbook_text.as_deref();
    if text.is_none() && plan.steps.is_empty() {
        return;
    }
    let path = plan.runbook_file.as_ref().map_or("", |file| file.path.as_str());
    m.el("h4", &[], |m| {
        m.fixed("The runbook, and what happened <small>").text(path).fixed("</small>");
    });
    if plan.control {
        m.fixed("<p class=\"note\">This is the control: the runbook was left out on purpose.</p>");
    }
    if text.is_none() {
        m.fixed("<p class=\"note\">The record does not hold the runbook's text; these are its steps.</p>");
    }
    // What is not followed is told once for every runbook, however many drills follow it.
    let first = text.and_then(|text| context.first(text, id));
    if let Some(first) = &first {
        m.el("p", &[("class", "note")], |m| {
            m.fixed("Only the steps are shown here. ");
            m.leaf("a", &[("href", &format!("#{first}"))], "The whole runbook stands with an earlier drill").fixed(".");
        });
    }
    let lines: Vec<&str> = text.map(|text| text.lines().collect()).unwrap_or_default();
    m.el("div", &[("class", "runbook"), ("id", &format!("{id}-runbook"))], |m| {
        for part in parts(plan, &lines) {
            match part {
                Part::Step(info, text) => step(m, record, info, &text, context),
                Part::Gap(text) if first.is_none() => gap(m, &text),
                Part::Gap(_) => {}
            }
        }
    });
}

enum Part<'a> {
    Step(&'a StepInfo, String),
    Gap(String),
}

/// The runbook in the order of its lines, cut where steps begin and end.
fn parts<'a>(plan: &'a Announcement, lines: &[&str]) -> Vec<Part<'a>> {
    let here = |info: &&StepInfo| plan.runbook_file.as_ref().is_none_or(|file| file.path == info.at.path);
    let mut steps: BTreeMap<(usize, usize), &StepInfo> = BTreeMap::new();
    let mut elsewhere = Vec::new();
    for (number, info) in plan.steps.iter().enumerate() {
        match here(&info) && info.at.line <= lines.len() {
            true => drop(steps.insert((info.at.line, number), info)),
            false => elsewhere.push(info),
        }
    }
    let mut parts = Vec::new();
    let mut next = 1;
    let begins: Vec<usize> = steps.keys().map(|(line, _)| *line).collect();
    for (at, info) in steps.into_values().enumerate() {
        let (begin, following) = (info.at.line.max(next), begins.get(at + 1).copied().unwrap_or(lines.len() + 1));
        parts.extend(piece(lines, next, begin).map(Part::Gap));
        let end = if info.end_line >= begin { info.end_line + 1 } else { following };
        let end = end.min(following.max(begin + 1)).min(lines.len() + 1);
        parts.push(Part::Step(info, piece(lines, begin, end).unwrap_or_default()));
        next = end.max(begin);
    }
    parts.extend(piece(lines, next, lines.len() + 1).map(Part::Gap));
    parts.extend(elsewhere.into_iter().map(|info| Part::Step(info, String::new())));
    parts
}

/// The lines from `from` to before `to`, counted from 1, moved left as far as the first of them is indented.
fn piece(lines: &[&str], from: usize, to: usize) -> Option<String> {
    let lines = lines.get(from.saturating_sub(1)..to.saturating_sub(1).max(from.saturating_sub(1)))?;
    let first = lines.iter().find(|line| !line.trim().is_empty())?;
    let indent = first.len() - first.trim_start_matches(' ').len();
    let moved = lines.iter().map(|line| {
        let spaces = line.len() - line.trim_start_matches(' ').len();
        line.get(spaces.min(indent)..).unwrap_or_default()
    });
    Some(moved.collect::<Vec<_>>().join("\n"))
}

/// What lies between the steps.
fn gap(m: &mut Markup, text: &str) {
    let told: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let headings: Vec<&str> = told.iter().copied().filter(|line| line.starts_with('#')).collect();
    if headings.len() == told.len() {
        m.el("div", &[("class", "between")], |m| markdown(m, text));
    } else if told.len() <= GAP_LINES {
        m.el("div", &[("class", "row rest")], |m| {
            m.el("div", &[("class", "says")], |m| markdown(m, text));
            m.fixed("<p class=\"did\">not part of this drill</p>");
        });
    } else {
        let names: Vec<String> = headings.iter().map(|line| one_line(line.trim_start_matches(['#', ' ']))).collect();
        m.el("details", &[("class", "rest")], |m| {
            let names = cut(&names.join(", "), 120);
            let count = words::many(told.len(), "line");
            m.leaf("summary", &[], &format!("not part of this drill: {names} ({count})").replace(":  (", " ("));
            m.el("div", &[("class", "says")], |m| markdown(m, text));
        });
    }
}

fn step(m: &mut Markup, record: &Record, info: &StepInfo, text: &str, context: &Context<'_>) {
    let ran = record.steps.iter().find(|step| step.step == info.id);
    let (tone, word) = words::step(ran.map(|step| step.status));
    let class = format!("row {}", tone.class());
    m.el("section", &[("class", &class), ("aria-label", &one_line(&info.title))], |m| {
        m.el("div", &[("class", "says")], |m| {
            if text.is_empty() {
                m.leaf("h5", &[("class", "md3")], &info.title);
            } else {
                markdown(m, text);
            }
            m.el("p", &[("class", "note")], |m| {
                m.leaf("code", &[], &info.at.to_string()).fixed(" · ").text(&info.phase);
            });
        });
        m.el("div", &[("class", "did")], |m| {
            did(m, (info, text), ran, (tone, word), context);
            // It went well and did no good: the sign alone would say that nothing is wrong with it.
            if record.verdict == Verdict::NotRecovered && info.phase == "mitigate" && tone == Mark::Good {
                m.el("p", &[], |m| words::badge(m, Mark::Warn, "users did not recover after it"));
            }
        });
    });
}

fn did(
    m: &mut Markup,
    (info, text): (&StepInfo, &str),
    ran: Option<&StepRecord>,
    (tone, word): (Mark, &str),
    context: &Context<'_>,
) {
    m.el("p", &[], |m| {
        words::badge(m, tone, word);
        if let Some(us) = ran.filter(|step| !step.commands.is_empty()).and_then(StepRecord::took_us) {
            m.fixed(" <span class=\"num\">").text(&seconds(us)).fixed("</span>");
        }
    });
    let status = ran.and_then(|step| step.status);
    if let Some(step) = ran
        && let Some(reason) = step.reason.as_ref().filter(|_| status != Some(StepStatus::Passed))
    {
        m.el("p", &[("class", "reason")], |m| {
            if let Some(at) = &step.at {
                m.leaf("code", &[], &at.to_string()).fixed(": ");
            }
            words::prose(m, reason);
        });
    }
    if let Some(replaced) = &info.replaced {
        m.el("p", &[("class", "note")], |m| {
            m.fixed("The scenario puts its own text in the place of the runbook's (").leaf(
                "code",
                &[],
                &replaced.by.to_string(),
            );
            m.fixed(").");
        });
    }
    let Some(step) = ran else { return };
    for command in &step.commands {
        did_command(m, command, status, text, context);
    }
    for seen in &step.expectations {
        m.el("p", &[("class", "note")], |m| {
            let (tone, is) = if seen.met { (Mark::Good, "as expected") } else { (Mark::Bad, "not as expected") };
            words::badge(m, tone, is);
            m.text(&format!(" {}: {}", seen.what, seen.evidence));
        });
    }
}

/// A command as it was run, how it ended, and its output, folded where it went well. A long command that stands word for
/// word in `beside` is folded as well.
pub fn did_command(
    m: &mut Markup,
    command: &CommandRecord,
    status: Option<StepStatus>,
    beside: &str,
    context: &Context<'_>,
) {
    let bad = command.exit != Some(0) || command.timed_out;
    let prompt = "<code><span class=\"prompt\" aria-hidden=\"true\">$ </span>";
    let whole = |m: &mut Markup| {
        m.el("pre", &[("class", "ran")], |m| {
            m.fixed(prompt).text(&bounded(&command.text, 2_000)).fixed("</code>");
        });
    };
    if !bad && command.text.lines().count() > 2 && squeezed(beside).contains(&squeezed(&command.text)) {
        m.el("details", &[("class", "ran")], |m| {
            let first = command.text.lines().next().unwrap_or_default();
            m.el("summary", &[], |m| {
                m.fixed(prompt).text(&cut(&one_line(first), 60)).fixed(" …</code>");
            });
            whole(m);
        });
    } else {
        whole(m);
    }
    m.el("p", &[("class", "note")], |m| {
        if bad {
            m.fixed("<strong>").text(&words::ending(command)).fixed("</strong>");
        } else {
            m.text(&words::ending(command));
        }
        m.text(&format!(" · {}", seconds(command.took_us)));
        if command.attempts > 1 {
            m.text(&format!(" · tried {} times, this is the last", command.attempts));
        }
        m.fixed(" · ").leaf("code", &[], &command.at.to_string());
    });
    let output = terminal_lines(&command.output.text()).join("\n");
    if output.trim().is_empty() {
        return;
    }
    let troubled = bad && matches!(status, Some(StepStatus::Failed | StepStatus::Warned) | None);
    let attrs: &[(&'static str, &str)] = if troubled { &[("open", "")] } else { &[] };
    m.el("details", attrs, |m| {
        m.leaf("summary", &[], &format!("output, {}", words::many(output.lines().count(), "line")));
        m.el("pre", &[("class", "out")], |m| {
            m.leaf("code", &[], &bounded(&output, context.output));
        });
        let gone = command.output.omitted.saturating_add(command.omitted);
        if gone > 0 {
            m.leaf("p", &[("class", "note")], &format!("{} were left out while the drill ran", bytes(gone)));
        }
    });
}

/// A text without its white space.
fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// The beginning and the end of a long text; what lies between is in the record.
fn bounded(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_string();
    }
    let boundary = |mut at: usize| {
        while !text.is_char_boundary(at) {
            at += 1;
        }
        at
    };
    let (head, tail) = (boundary(most / 3), boundary(text.len() - most * 2 / 3));
    let (begin, end) = (text.get(..head).unwrap_or_default(), text.get(tail..).unwrap_or_default());
    format!("{begin}\n… {} bytes more in record.json …\n{end}", tail - head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{Story, plan, record_of};

    fn html(record: &Record) -> String {
        let mut m = Markup::default();
        runbook(&mut m, record, &mut Context::for_tests(), "d1");
        m.as_str().to_string()
    }

    #[test]
    fn every_line_of_the_runbook_is_there_once() {
        let plan = plan(Story::Passed);
        let text = plan.runbook_text.clone().unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let all = parts(&plan, &lines).into_iter().map(|part| match part {
            Part::Step(_, text) | Part::Gap(text) => text,
        });
        let all: String = all.collect::<Vec<_>>().join("\n");
        let told = |text: &str| text.lines().filter(|line| !line.is_empty()).map(str::to_string).collect::<Vec<_>>();
        assert_eq!(told(&all), told(&text));
    }

    #[test]
    fn what_happened_stands_beside_the_step() {
        let html = html(&record_of(Story::StepFailed));
        let step = html.split("<section").find(|part| part.contains("Terminate the session")).unwrap();
        assert!(step.contains("failed") && step.contains("pg_lock") && step.contains("exit 1"), "{step}");
        assert!(step.contains("<details open=\"\">"), "the output of what failed is open");
        let later = html.split("<section").find(|part| part.contains("Place an order")).unwrap();
        assert!(later.contains("not run"), "{later}");
    }

    #[test]
    fn a_second_drill_of_the_same_runbook_shows_its_steps_only() {
        let record = record_of(Story::Passed);
        let mut context = Context::for_tests();
        let mut m = Markup::default();
        runbook(&mut m, &record, &mut context, "d1");
        let first = m.len();
        let mut m = Markup::default();
        runbook(&mut m, &record, &mut context, "d2");
        assert!(m.len() < first && m.as_str().contains("#d1-runbook"), "{}", m.as_str());
    }

    #[test]
    fn long_texts_keep_their_beginning_and_their_end() {
        let text = format!("begin{}end", "é".repeat(5_000));
        let short = bounded(&text, 1_000);
        assert!(short.starts_with("begin") && short.ends_with("end") && short.contains("bytes more in record.json"));
        assert!(short.len() < 1_100);
    }

    #[test]
    fn steps_whose_lines_are_not_there_are_told_all_the_same() {
        let mut record = record_of(Story::Passed);
        let plan = record.plan.as_mut().unwrap();
        plan.runbook_text = Some("# short\n".into());
        let html = html(&record);
        assert!(html.contains("Place an order") && html.contains("Look at the pool"), "{html}");
    }
}
